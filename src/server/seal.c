#include "server/seal.h"

#include "base/b64.h"

#include <stdlib.h>

enum { FORMAT = 1, HEAD = 1 + 8 + SP_REQSTATE_SALT, AD_MAX = 65536, CANONICAL_MAX = 1 << 24, DEPTH = 64 };

/* ---- arguments */

static void write_sorted(struct sp_out *o, sp_jval *v, unsigned depth);

struct member { sp_slice key; sp_jval *v; };

static int
by_key(const void *a, const void *b)
{
	return sp_cmp(((const struct member *)a)->key, ((const struct member *)b)->key);
}

static void
write_object(struct sp_out *o, sp_jval *v, unsigned depth)
{
	struct member *m;
	size_t n = 0, at = 0;

	for (struct sp_jiter it = sp_jeach(v); sp_jnext(&it);)
		n++;
	m = calloc(n + 1, sizeof *m);
	if (m == NULL) {
		o->full = true;
		return;
	}
	for (struct sp_jiter it = sp_jeach(v); sp_jnext(&it);)
		m[at++] = (struct member){ it.key, it.val };
	qsort(m, n, sizeof *m, by_key);
	sp_out_byte(o, '{');
	for (size_t i = 0; i < n; i++) {
		sp_jout_str(o, m[i].key);
		sp_out_byte(o, ':');
		write_sorted(o, m[i].v, depth + 1);
		sp_out_byte(o, ',');
	}
	sp_out_byte(o, '}');
	free(m);
}

/* Its recursion ends with the reader's limit of nesting. */
static void
write_sorted(struct sp_out *o, sp_jval *v, unsigned depth)
{
	if (depth > DEPTH || o->full) {
		o->full = true;
		return;
	}
	if (sp_jis_obj(v)) {
		write_object(o, v, depth);
		return;
	}
	if (!sp_jis_arr(v)) {
		sp_jwrite(o, v);
		return;
	}
	sp_out_byte(o, '[');
	for (struct sp_jiter it = sp_jeach(v); sp_jnext(&it);) {
		write_sorted(o, it.val, depth + 1);
		sp_out_byte(o, ',');
	}
	sp_out_byte(o, ']');
}

bool
sp_arguments_digest(sp_jval *arguments, uint8_t out[32])
{
	struct sp_out o;
	bool ok;

	sp_out_heap(&o, CANONICAL_MAX);
	if (arguments == NULL)
		sp_out_str(&o, "{}");
	else
		write_sorted(&o, arguments, 0);
	ok = !o.full && sp_digest256(sp_out_view(&o), out);
	sp_out_free(&o);
	return ok;
}

/* ---- sealing */

/* All that a state is bound to: it opens for nothing else. */
static bool
write_ad(struct sp_out *o, const struct sp_reqstate_for *f, uint64_t expires_s)
{
	sp_out_str(o, "sallyport requestState");
	sp_out_be(o, FORMAT, 1);
	sp_out_be(o, expires_s, 8);
	sp_out_add(o, f->mark, sizeof f->mark);
	sp_out_lv(o, f->method, 4);
	sp_out_lv(o, f->name, 4);
	sp_out_add(o, f->arguments, sizeof f->arguments);
	return !o->full;
}

enum sp_status
sp_reqstate_seal(struct sp_out *o, const uint8_t key[SP_AEAD_KEY], const uint8_t salt[SP_REQSTATE_SALT],
    const struct sp_reqstate_for *f, int64_t expires_s, sp_slice kept, struct sp_err *e)
{
	struct sp_out ad, whole;
	uint8_t *ct;
	bool ok;

	if (kept.n > SP_REQSTATE_BYTES)
		return sp_fail(e, SP_E_TOO_BIG, NULL, "answers and state of a call have %zu bytes, at most %d can be kept", kept.n,
		    SP_REQSTATE_BYTES);
	sp_out_heap(&ad, AD_MAX);
	sp_out_heap(&whole, HEAD + SP_REQSTATE_BYTES + SP_AEAD_TAG);
	sp_out_be(&whole, FORMAT, 1);
	sp_out_be(&whole, (uint64_t)expires_s, 8);
	sp_out_add(&whole, salt, SP_REQSTATE_SALT);
	ct = sp_out_room(&whole, kept.n + SP_AEAD_TAG);
	ok = ct != NULL && write_ad(&ad, f, (uint64_t)expires_s) && sp_aead_seal(key, salt, sp_out_view(&ad), kept, ct);
	if (ok)
		sp_b64url_encode(o, whole.p, whole.n);
	sp_out_free(&ad);
	sp_out_free(&whole);
	if (!ok)
		return sp_fail(e, SP_E_FULL, NULL, "no memory to seal requestState");
	return o->full ? sp_fail(e, SP_E_TOO_BIG, NULL, "requestState does not fit the answer") : SP_OK;
}

/* ---- opening */

static enum sp_status
refuse(struct sp_err *e, const char *why)
{
	/* One text: who tries states out learns nothing from the answer. */
	return sp_fail(e, SP_E_BAD_PARAMS, "requestState is not valid for this request", "requestState: %s", why);
}

static enum sp_status
open_bytes(struct sp_out *o, const uint8_t *key, const struct sp_reqstate_for *f, int64_t now_s, const uint8_t *p, size_t n,
    struct sp_err *e)
{
	struct sp_out ad;
	uint64_t expires = 0;
	uint8_t *text;
	bool ok;

	if (n <= HEAD + SP_AEAD_TAG || p[0] != FORMAT)
		return refuse(e, "too short, or of another format");
	for (unsigned i = 1; i <= 8; i++)
		expires = expires << 8 | p[i];
	text = sp_out_room(o, n - HEAD - SP_AEAD_TAG);
	if (text == NULL)
		return sp_fail(e, SP_E_FULL, NULL, "no memory to open requestState");
	sp_out_heap(&ad, AD_MAX);
	ok = write_ad(&ad, f, expires) && sp_aead_open(key, p + 9, sp_out_view(&ad), sp_mem(p + HEAD, n - HEAD), text);
	sp_out_free(&ad);
	if (!ok)
		return refuse(e, "not sealed by this server for this caller, component and arguments");
	if (now_s < 0 || expires <= (uint64_t)now_s)
		return refuse(e, "expired");
	return SP_OK;
}

enum sp_status
sp_reqstate_open(struct sp_out *o, const uint8_t key[SP_AEAD_KEY], const struct sp_reqstate_for *f, int64_t now_s,
    sp_slice text, struct sp_err *e)
{
	size_t room = sp_b64_room(text.n), before = o->n, n = 0;
	enum sp_status st;
	uint8_t *p;

	if (text.n > SP_REQSTATE_TEXT)
		return refuse(e, "too long");
	p = malloc(room);
	if (p == NULL)
		return sp_fail(e, SP_E_FULL, NULL, "no memory to open requestState");
	if (sp_b64url_decode(text, p, room, &n))
		st = open_bytes(o, key, f, now_s, p, n, e);
	else
		st = refuse(e, "not base64url");
	free(p);
	if (st != SP_OK)
		o->n = before;
	return st;
}

#include "admin/admin.h"

#include "audit/files.h"
#include "base/rd.h"
#include "wire/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MARK_VAULT "vault.generation"

void
sp_admin_name_body(struct sp_out *o, sp_slice name)
{
	sp_out_str(o, "{\"name\":");
	sp_jout_str(o, name);
	sp_out_byte(o, '}');
}

static void
put(struct sp_out *o, const char *key, sp_slice value)
{
	sp_out_str(o, key);
	sp_jout_str(o, value);
}

static void
put_int(struct sp_out *o, const char *key, int64_t v)
{
	sp_out_str(o, key);
	sp_out_i64(o, v);
}

void
sp_admin_token_body(struct sp_out *o, const struct sp_token_row *t)
{
	put(o, "{\"name\":", t->name);
	put(o, ",\"client_id\":", t->client_id);
	put(o, ",\"scopes\":", t->scopes);
	put(o, ",\"tags\":", t->tags);
	put_int(o, ",\"expires\":", t->expires_s);
	sp_out_str(o, ",\"hash\":\"");
	sp_out_hex(o, t->hash, sizeof t->hash);
	sp_out_str(o, "\"}");
}

static enum sp_status
read_object(sp_slice body, struct sp_json *j, struct sp_err *e)
{
	enum sp_status st = sp_json_read(body, SP_JSON_DEFAULT, j, e);

	if (st == SP_OK && !sp_jis_obj(j->root))
		st = sp_fail(e, SP_E_BAD_PARAMS, NULL, "the question is no object");
	return st;
}

/* ---------------------------------------------------------------- tokens */

struct listing { struct sp_out *o; bool any; };

static bool
list_token(void *ctx, const struct sp_token_row *t)
{
	struct listing *l = ctx;

	sp_out_str(l->o, l->any ? "," : "");
	l->any = true;
	put(l->o, "{\"name\":", t->name);
	put(l->o, ",\"client_id\":", t->client_id);
	put(l->o, ",\"scopes\":", t->scopes);
	put(l->o, ",\"tags\":", t->tags);
	put_int(l->o, ",\"created\":", t->created_s);
	put_int(l->o, ",\"expires\":", t->expires_s);
	if (t->revoked_s != 0)
		put_int(l->o, ",\"revoked\":", t->revoked_s);
	sp_out_str(l->o, ",\"fingerprint\":\"");
	sp_out_hex(l->o, t->hash, 8);
	sp_out_str(l->o, "\"}");
	return !l->o->full;
}

static enum sp_status
token_list(struct sp_admin *a, sp_slice body, int64_t now_s, struct sp_out *o, struct sp_admin_effect *eff,
    struct sp_err *e)
{
	struct listing l = { o, false };
	enum sp_status st;

	sp_out_str(o, "{\"tokens\":[");
	st = sp_store_tokens(a->store, list_token, &l, e);
	sp_out_str(o, "]}");
	return st;
}

static bool
read_hash(sp_slice hex, uint8_t out[32])
{
	if (hex.n != 64)
		return false;
	for (size_t i = 0; i < 32; i++) {
		int hi = sp_hex_value((unsigned char)hex.p[2 * i]), lo = sp_hex_value((unsigned char)hex.p[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return false;
		out[i] = (uint8_t)(hi << 4 | lo);
	}
	return true;
}

/* The effect outlives the question. */
static sp_slice
keep(struct sp_admin_effect *eff, size_t *used, sp_slice s)
{
	char *at = eff->texts + *used;

	if (s.n > sizeof eff->texts - *used)
		return SP_LIT("");
	memcpy(at, s.n == 0 ? "" : s.p, s.n);
	*used += s.n;
	return sp_mem(at, s.n);
}

static enum sp_status
token_new(struct sp_admin *a, sp_slice body, int64_t now_s, struct sp_out *o, struct sp_admin_effect *eff,
    struct sp_err *e)
{
	SP_AUTO(sp_json_free) struct sp_json j = { 0 };
	struct sp_token_row *t = &eff->token;
	enum sp_status st = read_object(body, &j, e);
	size_t used = 0;

	if (st != SP_OK)
		return st;
	*t = (struct sp_token_row){ .name = sp_jtext(SP_JGET(j.root, "name")),
		.client_id = sp_jtext(SP_JGET(j.root, "client_id")), .scopes = sp_jtext(SP_JGET(j.root, "scopes")),
		.tags = sp_jtext(SP_JGET(j.root, "tags")), .created_s = now_s };
	if (!sp_jint(SP_JGET(j.root, "expires"), &t->expires_s) || t->expires_s <= now_s ||
	    !read_hash(sp_jtext(SP_JGET(j.root, "hash")), t->hash))
		return sp_fail(e, SP_E_BAD_PARAMS, NULL, "the token's expiry or hash is malformed");
	st = sp_store_token_add(a->store, t, e);
	if (st != SP_OK)
		return st;
	t->name = keep(eff, &used, t->name);
	t->client_id = keep(eff, &used, t->client_id);
	t->scopes = keep(eff, &used, t->scopes);
	t->tags = keep(eff, &used, t->tags);
	eff->kind = SP_EFFECT_TOKEN_PUT;
	snprintf(eff->note, sizeof eff->note, "token new %.*s", SP_PRI(t->name));
	sp_out_str(o, "{}");
	return SP_OK;
}

static enum sp_status
token_revoke(struct sp_admin *a, sp_slice body, int64_t now_s, struct sp_out *o, struct sp_admin_effect *eff,
    struct sp_err *e)
{
	SP_AUTO(sp_json_free) struct sp_json j = { 0 };
	enum sp_status st = read_object(body, &j, e);
	sp_slice name;

	if (st != SP_OK)
		return st;
	name = sp_jtext(SP_JGET(j.root, "name"));
	st = sp_store_token_revoke(a->store, name, now_s, eff->hash, e);
	if (st != SP_OK)
		return st;
	eff->kind = SP_EFFECT_TOKEN_DEL;
	snprintf(eff->note, sizeof eff->note, "token revoke %.*s", SP_PRI(name));
	sp_out_str(o, "{\"revoked\":1}");
	return SP_OK;
}

/* ---------------------------------------------------------------- vault */

static enum sp_status
need_vault(const struct sp_admin *a, struct sp_err *e)
{
	return a->vault != NULL ? SP_OK : sp_fail(e, SP_E_NOT_FOUND, NULL, "there is no vault: stop the gateway, run "
	    "`sallyport vault init`, start it again");
}

static enum sp_status
vault_list(struct sp_admin *a, sp_slice body, int64_t now_s, struct sp_out *o, struct sp_admin_effect *eff,
    struct sp_err *e)
{
	enum sp_status st = need_vault(a, e);

	if (st != SP_OK)
		return st;
	sp_out_str(o, "{\"records\":[");
	for (uint32_t i = 0; i < sp_vault_count(a->vault); i++) {
		struct sp_vault_entry r;

		sp_vault_at(a->vault, i, &r);
		put(o, i == 0 ? "{\"name\":" : ",{\"name\":", r.name);
		put_int(o, ",\"set\":", (int64_t)r.set_s);
		put_int(o, ",\"bytes\":", (int64_t)r.bytes);
		sp_out_byte(o, '}');
	}
	sp_out_str(o, "]}");
	return SP_OK;
}

static enum sp_status
vault_set(struct sp_admin *a, sp_slice body, int64_t now_s, struct sp_out *o, struct sp_admin_effect *eff,
    struct sp_err *e)
{
	SP_AUTO(sp_secret_free) struct sp_secret *value = NULL;
	struct sp_rd r = { body, false };
	sp_slice name = sp_rd_lv(&r, 2, SP_VAULT_NAME_MAX);
	sp_slice v = sp_rd_rest(&r, SP_VAULT_VALUE_MAX);
	enum sp_status st = need_vault(a, e);

	if (st != SP_OK)
		return st;
	if (!sp_rd_done(&r))
		return sp_fail(e, SP_E_BAD_PARAMS, NULL, "the name or the value is too long");
	value = sp_secret_new(SP_VAULT_VALUE_MAX);
	if (value == NULL || sp_secret_set(value, v) != SP_OK)
		return sp_fail(e, SP_E_FULL, NULL, "no room in locked memory");
	st = sp_vault_set(a->vault, name, value, (uint64_t)now_s, e);
	if (st != SP_OK)
		return st;
	sp_admin_remember(a);
	eff->kind = SP_EFFECT_SECRET;
	snprintf(eff->name, sizeof eff->name, "%.*s", SP_PRI(name));
	snprintf(eff->note, sizeof eff->note, "vault set %.*s", SP_PRI(name));
	sp_out_str(o, "{}");
	return SP_OK;
}

static enum sp_status
vault_rm(struct sp_admin *a, sp_slice body, int64_t now_s, struct sp_out *o, struct sp_admin_effect *eff,
    struct sp_err *e)
{
	SP_AUTO(sp_json_free) struct sp_json j = { 0 };
	enum sp_status st = need_vault(a, e);
	sp_slice name;

	if (st == SP_OK)
		st = read_object(body, &j, e);
	if (st != SP_OK)
		return st;
	name = sp_jtext(SP_JGET(j.root, "name"));
	st = sp_vault_rm(a->vault, name, (uint64_t)now_s, e);
	if (st != SP_OK)
		return st;
	sp_admin_remember(a);
	eff->kind = SP_EFFECT_SECRET;
	snprintf(eff->name, sizeof eff->name, "%.*s", SP_PRI(name));
	snprintf(eff->note, sizeof eff->note, "vault rm %.*s", SP_PRI(name));
	sp_out_str(o, "{}");
	return SP_OK;
}

static enum sp_status
vault_rekey(struct sp_admin *a, sp_slice body, int64_t now_s, struct sp_out *o, struct sp_admin_effect *eff,
    struct sp_err *e)
{
	SP_AUTO(sp_secret_free) struct sp_secret *fresh = NULL;
	struct sp_rd r = { body, false };
	uint64_t step = sp_rd_be(&r, 1);
	sp_slice m = sp_rd_rest(&r, SP_MATERIAL_MAX);
	enum sp_status st = need_vault(a, e);

	if (st != SP_OK)
		return st;
	if (!sp_rd_done(&r) || m.n == 0 || (step != SP_REKEY_BEGIN && step != SP_REKEY_END))
		return sp_fail(e, SP_E_BAD_PARAMS, NULL, "the new key is empty or too long");
	fresh = sp_secret_new(SP_MATERIAL_MAX);
	if (fresh == NULL || sp_secret_set(fresh, m) != SP_OK)
		return sp_fail(e, SP_E_FULL, NULL, "no room in locked memory");
	if (step == SP_REKEY_BEGIN)
		st = sp_vault_rekey_begin(a->vault, a->material, fresh, NULL, (uint64_t)now_s, e);
	else
		st = sp_vault_rekey_end(a->vault, fresh, (uint64_t)now_s, e);
	if (st == SP_OK && step == SP_REKEY_END)
		st = sp_secret_copy(a->material, fresh);
	if (st != SP_OK)
		return st;
	sp_admin_remember(a);
	snprintf(eff->note, sizeof eff->note, "vault rekey %s", step == SP_REKEY_BEGIN ? "begun" : "done");
	sp_out_str(o, "{}");
	return SP_OK;
}

/* ---------------------------------------------------------------- audit */

static enum sp_status
audit_tail(struct sp_admin *a, sp_slice body, int64_t now_s, struct sp_out *o, struct sp_admin_effect *eff,
    struct sp_err *e)
{
	SP_AUTO(sp_json_free) struct sp_json j = { 0 };
	enum sp_status st = read_object(body, &j, e);
	int64_t lines = 0;
	int dir;

	if (st != SP_OK)
		return st;
	if (!sp_jint(SP_JGET(j.root, "lines"), &lines) || lines < 1 || lines > SP_ADMIN_LINES_MAX)
		return sp_fail(e, SP_E_BAD_PARAMS, NULL, "between 1 and %d lines can be asked for", SP_ADMIN_LINES_MAX);
	dir = openat(a->state_dir, SP_AUDIT_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0 && errno == ENOENT)
		return SP_OK;
	if (dir < 0)
		return sp_fail(e, SP_E_SYSTEM, NULL, "the audit folder: %s", strerror(errno));
	st = sp_audit_tail(dir, (uint32_t)lines, SP_ADMIN_ANSWER_MAX, o, e);
	close(dir);
	return st;
}

/* ---------------------------------------------------------------- all */

typedef enum sp_status (*run_fn)(struct sp_admin *a, sp_slice body, int64_t now_s, struct sp_out *o,
    struct sp_admin_effect *eff, struct sp_err *e);

static const struct { run_fn run; bool open; } table[SP_ADMIN_OP_COUNT] = {
	[SP_ADMIN_HEALTH] = { NULL, true },
	[SP_ADMIN_TOKEN_LIST] = { token_list, true },
	[SP_ADMIN_TOKEN_NEW] = { token_new, false },
	[SP_ADMIN_TOKEN_REVOKE] = { token_revoke, true },
	[SP_ADMIN_VAULT_LIST] = { vault_list, false },
	[SP_ADMIN_VAULT_SET] = { vault_set, false },
	[SP_ADMIN_VAULT_RM] = { vault_rm, false },
	[SP_ADMIN_VAULT_REKEY] = { vault_rekey, false },
	[SP_ADMIN_AUDIT_TAIL] = { audit_tail, true },
	[SP_ADMIN_TOOLS] = { NULL, true },
};

bool
sp_admin_public(uint32_t op)
{
	return op < SP_COUNT(table) && table[op].open;
}

enum sp_status
sp_admin_run(struct sp_admin *a, uint32_t op, sp_slice body, int64_t now_s, struct sp_out *answer,
    struct sp_admin_effect *effect, struct sp_err *e)
{
	enum sp_status st;

	*effect = (struct sp_admin_effect){ 0 };
	if (op >= SP_COUNT(table) || table[op].run == NULL)
		return sp_fail(e, SP_E_NO_METHOD, NULL, "no such operation");
	st = table[op].run(a, body, now_s, answer, effect, e);
	if (st == SP_OK && answer->full)
		st = sp_fail(e, SP_E_TOO_BIG, NULL, "the answer is too large");
	if (st != SP_OK)
		sp_out_reset(answer);
	return st;
}

/* ---------------------------------------------------------------- unlocking */

void
sp_admin_remember(struct sp_admin *a)
{
	char text[24];

	snprintf(text, sizeof text, "%llu", (unsigned long long)sp_vault_generation(a->vault));
	if (sp_store_mark_set(a->store, MARK_VAULT, sp_str(text), NULL) != SP_OK)
		return;			/* the next write tries again; only the warning about old files is lost */
}

enum sp_status
sp_admin_unlock(struct sp_admin *a, struct sp_secret **material, bool *older, struct sp_err *e)
{
	struct sp_vault *v = NULL;
	uint64_t seen = 0;
	char buf[24];
	size_t n = 0;
	enum sp_status st = sp_vault_open(a->state_dir, *material, &v, e);

	if (st != SP_OK)
		return st;
	sp_vault_free(&a->vault);
	sp_secret_free(&a->material);
	a->vault = v;
	a->material = *material;
	*material = NULL;
	if (sp_store_mark_get(a->store, MARK_VAULT, buf, sizeof buf, &n, NULL) == SP_OK) {
		sp_slice s = sp_mem(buf, n);

		if (!sp_take_u64(&s, UINT64_MAX, &seen))
			seen = 0;
	}
	*older = sp_vault_generation(v) < seen;
	sp_admin_remember(a);
	return SP_OK;
}

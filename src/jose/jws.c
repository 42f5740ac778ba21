#include "jose/keyset.h"

#include "base/b64.h"

enum { JWS_MAX = 16384, SIG_MAX = 1024, HEADER_DEPTH = 16 };

enum sp_status
sp_jws_split(sp_slice compact, struct sp_jws_parts *out)
{
	sp_slice in = compact, h, p;

	if (compact.n > JWS_MAX || !sp_take_to(&in, '.', &h) || !sp_take_to(&in, '.', &p))
		return SP_E_BAD_TOKEN;
	/* "none" has an empty signature, a JWE five parts. */
	if (h.n == 0 || in.n == 0 || sp_has_byte(in, '.'))
		return SP_E_BAD_TOKEN;
	*out = (struct sp_jws_parts){ { compact.p, h.n + 1 + p.n }, h, p, in };
	return SP_OK;
}

/* One part, decoded into the arena. */
static bool
decoded(struct sp_arena *a, sp_slice part, sp_slice *out)
{
	size_t cap = sp_b64_room(part.n), n;
	char *buf = sp_arena_get(a, cap);

	if (buf == NULL || !sp_b64url_decode(part, buf, cap, &n))
		return false;
	*out = sp_mem(buf, n);
	return true;
}

struct head {
	sp_slice alg, typ, kid;
	bool	 has_kid;
};

static enum sp_status
bad(struct sp_err *e, const char *why)
{
	return sp_fail(e, SP_E_BAD_TOKEN, NULL, "%s", why);
}

static bool
optional_text(sp_jval *o, sp_slice name, sp_slice *out)
{
	sp_jval *v = sp_jget(o, name);

	if (v == NULL)
		return true;
	if (!sp_jis_str(v))
		return false;
	*out = sp_jtext(v);
	return true;
}

static enum sp_status
read_head(struct sp_arena *a, sp_slice part, struct head *out, struct sp_err *e)
{
	struct head h = { 0 };
	sp_slice text, cty = { NULL, 0 };
	sp_jval *o;

	if (!decoded(a, part, &text))
		return bad(e, "header is not base64url");
	if (sp_json_read_arena(a, text, (struct sp_json_limits){ HEADER_DEPTH, 0 }, &o, e) != SP_OK)
		return bad(e, "header is not acceptable JSON");
	if (!sp_jis_obj(o))
		return bad(e, "header is not a JSON object");
	/* RFC 7515 section 4.1.11: what we do not understand; we understand no extension. */
	if (SP_JGET(o, "crit") != NULL)
		return bad(e, "header has crit");
	if (SP_JGET(o, "b64") != NULL)
		return bad(e, "header has b64");
	if (!sp_jis_str(SP_JGET(o, "alg")) || !optional_text(o, SP_LIT("alg"), &h.alg))
		return bad(e, "alg is missing or not text");
	if (!optional_text(o, SP_LIT("typ"), &h.typ) || !optional_text(o, SP_LIT("cty"), &cty) ||
	    !optional_text(o, SP_LIT("kid"), &h.kid))
		return bad(e, "typ, cty or kid is not text");
	if (sp_eq_nocase(cty, SP_LIT("JWT")) || sp_eq_nocase(cty, SP_LIT("application/jwt")))
		return bad(e, "nested token");
	h.has_kid = SP_JGET(o, "kid") != NULL;
	*out = h;
	return SP_OK;
}

static bool
may_use(const struct sp_key *k, enum sp_alg alg, bool named_ed)
{
	if (!sp_alg_fits(alg, sp_pkey_kty(k->pkey)))
		return false;
	return k->alg == SP_ALG_NONE ? !named_ed : k->alg == alg && k->named_ed == named_ed;
}

/* How many keys may be meant by this header; *one is the last of them. */
static size_t
candidates(const struct sp_keyset *keys, const struct head *h, bool by_kid, enum sp_alg alg, bool named_ed,
    const struct sp_key **one, size_t *same_kid)
{
	size_t n = 0;

	*same_kid = 0;
	for (size_t i = 0; i < keys->n; i++) {
		const struct sp_key *k = &keys->key[i];

		if (by_kid ? !k->has_kid || !sp_eq(k->kid, h->kid) : h->has_kid && k->has_kid)
			continue;
		++*same_kid;
		if (may_use(k, alg, named_ed)) {
			*one = k;
			n++;
		}
	}
	return n;
}

static enum sp_status
head_alg(const struct head *h, enum sp_alg *alg, struct sp_err *e)
{
	*alg = sp_eq(h->alg, SP_LIT("Ed25519")) ? SP_EDDSA : sp_alg_find(h->alg);
	if (*alg == SP_ALG_NONE)
		return sp_fail(e, SP_E_BAD_TOKEN, NULL, "alg \"%.*s\" is not accepted", SP_PRI(h->alg));
	return SP_OK;
}

/* By kid; without kid, or among keys that have none (PEM), only when exactly one fits.  Never more than one is tried. */
static enum sp_status
choose(const struct sp_keyset *keys, const struct head *h, enum sp_alg *alg, const struct sp_key **key, struct sp_err *e)
{
	bool named_ed = sp_eq(h->alg, SP_LIT("Ed25519"));
	const struct sp_key *one = NULL;
	size_t n = 0, same_kid = 0;

	if (head_alg(h, alg, e) != SP_OK)
		return SP_E_BAD_TOKEN;
	if (h->has_kid)
		n = candidates(keys, h, true, *alg, named_ed, &one, &same_kid);
	if (same_kid == 0)
		n = candidates(keys, h, false, *alg, named_ed, &one, &same_kid);
	if (same_kid == 0 && h->has_kid)
		return sp_fail(e, SP_E_BAD_TOKEN, NULL, "no key has kid \"%.*s\"", SP_PRI(h->kid));
	if (n == 0)
		return sp_fail(e, SP_E_BAD_TOKEN, NULL, "no such key may be used with alg %.*s", SP_PRI(h->alg));
	if (n > 1)
		return sp_fail(e, SP_E_BAD_TOKEN, NULL, "%zu keys fit and the kid does not tell which", n);
	*key = one;
	return SP_OK;
}

enum sp_status
sp_jws_open(struct sp_arena *a, sp_slice compact, const struct sp_keyset *keys, struct sp_verified *out,
    struct sp_err *e)
{
	const struct sp_key *k = NULL;
	struct sp_jws_parts t;
	struct head h;
	uint8_t sig[SIG_MAX];
	enum sp_alg alg = SP_ALG_NONE;
	sp_slice payload;
	size_t n;

	if (sp_jws_split(compact, &t) != SP_OK)
		return bad(e, "not a compact JWS of three parts");
	if (read_head(a, t.header, &h, e) != SP_OK || choose(keys, &h, &alg, &k, e) != SP_OK)
		return SP_E_BAD_TOKEN;
	if (!sp_b64url_decode(t.sig, sig, sizeof sig, &n))
		return bad(e, "signature is not base64url or too long");
	if (!sp_verify_sig(k->pkey, alg, t.signed_part, sp_mem(sig, n)))
		return bad(e, "signature does not hold");
	if (!decoded(a, t.payload, &payload))
		return bad(e, "payload is not base64url");
	*out = (struct sp_verified){ payload, h.typ, h.kid, alg };
	return SP_OK;
}

enum sp_status
sp_jws_open_mac(struct sp_arena *a, sp_slice compact, struct sp_verified *out, struct sp_jws_mac *mac, struct sp_err *e)
{
	enum sp_alg alg = SP_ALG_NONE;
	struct sp_jws_parts t;
	struct head h;
	sp_slice payload;
	size_t n;

	if (sp_jws_split(compact, &t) != SP_OK)
		return bad(e, "not a compact JWS of three parts");
	if (read_head(a, t.header, &h, e) != SP_OK || head_alg(&h, &alg, e) != SP_OK)
		return SP_E_BAD_TOKEN;
	if (!sp_alg_fits(alg, SP_KTY_OCT))
		return sp_fail(e, SP_E_BAD_TOKEN, NULL, "no secret may be used with alg %.*s", SP_PRI(h.alg));
	if (!sp_b64url_decode(t.sig, mac->macbuf, sizeof mac->macbuf, &n))
		return bad(e, "MAC is not base64url or too long");
	if (!decoded(a, t.payload, &payload))
		return bad(e, "payload is not base64url");
	mac->input = t.signed_part;
	mac->mac = sp_mem(mac->macbuf, n);
	*out = (struct sp_verified){ payload, h.typ, h.kid, alg };
	return SP_OK;
}

enum sp_status
sp_jws_peek_head(struct sp_arena *a, sp_slice compact, struct sp_jws_head *out, struct sp_err *e)
{
	enum sp_alg alg = SP_ALG_NONE;
	struct sp_jws_parts t;
	struct head h;

	if (sp_jws_split(compact, &t) != SP_OK)
		return bad(e, "not a compact JWS of three parts");
	if (read_head(a, t.header, &h, e) != SP_OK || head_alg(&h, &alg, e) != SP_OK)
		return SP_E_BAD_TOKEN;
	*out = (struct sp_jws_head){ alg, h.has_kid, h.kid };
	return SP_OK;
}

sp_slice
sp_jws_peek_iss(struct sp_arena *a, sp_slice compact)
{
	struct sp_jws_parts t;
	sp_slice payload;
	sp_jval *o, *iss;

	if (sp_jws_split(compact, &t) != SP_OK || !decoded(a, t.payload, &payload) ||
	    sp_json_read_arena(a, payload, SP_JSON_DEFAULT, &o, NULL) != SP_OK)
		return (sp_slice){ NULL, 0 };
	iss = SP_JGET(o, "iss");
	return sp_jis_str(iss) ? sp_jtext(iss) : (sp_slice){ NULL, 0 };
}

bool
sp_jws_has_form(struct sp_arena *a, sp_slice compact)
{
	struct sp_jws_parts t;
	sp_slice header;
	sp_jval *o;

	return sp_jws_split(compact, &t) == SP_OK && decoded(a, t.header, &header) &&
	    sp_json_read_arena(a, header, SP_JSON_DEFAULT, &o, NULL) == SP_OK && sp_jis_str(SP_JGET(o, "alg"));
}

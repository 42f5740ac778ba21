/*
 * Keys from a JWK, a JWK set (RFC 7517) or PEM text.  A key that cannot be used, or must not, is dropped and counted;
 * the others go on working.
 */
#include "jose/keyset.h"

#include "base/b64.h"

#include <stdlib.h>

enum { NUMBER_MAX = 4096 };

void
sp_keyset_free(struct sp_keyset **kp)
{
	struct sp_keyset *k = *kp;

	if (k == NULL)
		return;
	for (size_t i = 0; i < k->n; i++) {
		sp_pkey_free(&k->key[i].pkey);
		free((void *)(uintptr_t)k->key[i].kid.p);
	}
	free(k);
	*kp = NULL;
}

size_t
sp_keyset_count(const struct sp_keyset *k)
{
	return k->n;
}

size_t
sp_keyset_dropped(const struct sp_keyset *k)
{
	return k->dropped;
}

/* A base64url member of a JWK, decoded into buf. */
static bool
bytes(sp_jval *jwk, sp_slice name, uint8_t buf[NUMBER_MAX], sp_slice *out)
{
	sp_jval *v = sp_jget(jwk, name);
	size_t n;

	if (!sp_jis_str(v) || !sp_b64url_decode(sp_jtext(v), buf, NUMBER_MAX, &n))
		return false;
	*out = sp_mem(buf, n);
	return true;
}

static enum sp_status
missing(struct sp_err *e)
{
	return sp_fail(e, SP_E_CONFIG, NULL, "a number of the key is missing or not base64url");
}

static enum sp_status
read_rsa(sp_jval *jwk, struct sp_pkey **out, struct sp_err *e)
{
	uint8_t nb[NUMBER_MAX], eb[NUMBER_MAX];
	sp_slice n, x;

	if (!bytes(jwk, SP_LIT("n"), nb, &n) || !bytes(jwk, SP_LIT("e"), eb, &x))
		return missing(e);
	return sp_pkey_rsa(n, x, out, e);
}

static enum sp_status
read_ec(sp_jval *jwk, struct sp_pkey **out, struct sp_err *e)
{
	static const struct { sp_slice crv; enum sp_kty kty; } curves[] = {
		{ SP_LIT_INIT("P-256"), SP_KTY_EC256 }, { SP_LIT_INIT("P-384"), SP_KTY_EC384 },
		{ SP_LIT_INIT("P-521"), SP_KTY_EC521 },
	};
	sp_slice crv = sp_jtext(sp_jis_str(SP_JGET(jwk, "crv")) ? SP_JGET(jwk, "crv") : NULL), x, y;
	uint8_t xb[NUMBER_MAX], yb[NUMBER_MAX];

	if (!bytes(jwk, SP_LIT("x"), xb, &x) || !bytes(jwk, SP_LIT("y"), yb, &y))
		return missing(e);
	for (size_t i = 0; i < SP_COUNT(curves); i++)
		if (sp_eq(crv, curves[i].crv))
			return sp_pkey_ec(curves[i].kty, x, y, out, e);
	return sp_fail(e, SP_E_CONFIG, NULL, "curve %.*s is none of P-256, P-384, P-521", SP_PRI(crv));
}

static enum sp_status
read_okp(sp_jval *jwk, struct sp_pkey **out, struct sp_err *e)
{
	sp_jval *crv = SP_JGET(jwk, "crv");
	uint8_t xb[NUMBER_MAX];
	sp_slice x;

	/* X25519 is for key agreement, Ed448 is not offered. */
	if (!sp_jis_str(crv) || !sp_eq(sp_jtext(crv), SP_LIT("Ed25519")))
		return sp_fail(e, SP_E_CONFIG, NULL, "OKP curve is not Ed25519");
	if (!bytes(jwk, SP_LIT("x"), xb, &x))
		return missing(e);
	return sp_pkey_ed25519(x, out, e);
}

static enum sp_status
read_oct(sp_jval *jwk, struct sp_pkey **out, struct sp_err *e)
{
	uint8_t kb[NUMBER_MAX];
	enum sp_status st;
	sp_slice k;

	if (!bytes(jwk, SP_LIT("k"), kb, &k)) {
		explicit_bzero(kb, sizeof kb);
		return missing(e);
	}
	st = sp_pkey_oct(k, out, e);
	explicit_bzero(kb, sizeof kb);
	return st;
}

bool
sp_jwk_has_private(sp_jval *jwk)
{
	static const sp_slice names[] = {
		SP_LIT_INIT("d"), SP_LIT_INIT("p"), SP_LIT_INIT("q"), SP_LIT_INIT("dp"), SP_LIT_INIT("dq"),
		SP_LIT_INIT("qi"), SP_LIT_INIT("oth"), SP_LIT_INIT("k"),
	};

	for (size_t i = 0; i < SP_COUNT(names); i++)
		if (sp_jget(jwk, names[i]) != NULL)
			return true;
	return false;
}

/* RFC 7517 sections 4.2 and 4.3: absent, or for signatures. */
static bool
may_verify(sp_jval *jwk)
{
	sp_jval *use = SP_JGET(jwk, "use"), *ops = SP_JGET(jwk, "key_ops");

	if (use != NULL && (!sp_jis_str(use) || !sp_eq(sp_jtext(use), SP_LIT("sig"))))
		return false;
	if (ops == NULL)
		return true;
	if (!sp_jis_arr(ops))
		return false;
	for (struct sp_jiter it = sp_jeach(ops); sp_jnext(&it);)
		if (sp_jis_str(it.val) && sp_eq(sp_jtext(it.val), SP_LIT("verify")))
			return true;
	return false;
}

static enum sp_status
read_material(sp_jval *jwk, bool allow_oct, struct sp_pkey **out, struct sp_err *e)
{
	sp_jval *kty = SP_JGET(jwk, "kty");
	sp_slice t = sp_jis_str(kty) ? sp_jtext(kty) : (sp_slice){ NULL, 0 };

	if (sp_eq(t, SP_LIT("oct"))) {
		if (!allow_oct)
			return sp_fail(e, SP_E_CONFIG, NULL, "an HMAC secret stands where public keys belong");
		return read_oct(jwk, out, e);
	}
	if (sp_jwk_has_private(jwk))
		return sp_fail(e, SP_E_CONFIG, NULL, "a private key stands where public keys belong");
	if (sp_eq(t, SP_LIT("RSA")))
		return read_rsa(jwk, out, e);
	if (sp_eq(t, SP_LIT("EC")))
		return read_ec(jwk, out, e);
	if (sp_eq(t, SP_LIT("OKP")))
		return read_okp(jwk, out, e);
	return sp_fail(e, SP_E_CONFIG, NULL, "key type \"%.*s\" is none of RSA, EC, OKP", SP_PRI(t));
}

/* `alg` of the key, which must fit its type (RFC 7517 section 4.4). */
static enum sp_status
read_alg(sp_jval *jwk, struct sp_key *k, struct sp_err *e)
{
	sp_jval *alg = SP_JGET(jwk, "alg");
	sp_slice name;

	if (alg == NULL)
		return SP_OK;
	name = sp_jis_str(alg) ? sp_jtext(alg) : (sp_slice){ NULL, 0 };
	k->named_ed = sp_eq(name, SP_LIT("Ed25519"));
	k->alg = k->named_ed ? SP_EDDSA : sp_alg_find(name);
	if (!sp_alg_fits(k->alg, sp_pkey_kty(k->pkey)))
		return sp_fail(e, SP_E_CONFIG, NULL, "alg \"%.*s\" does not fit the key", SP_PRI(name));
	return SP_OK;
}

static enum sp_status
read_kid(sp_jval *jwk, struct sp_key *k, struct sp_err *e)
{
	sp_jval *kid = SP_JGET(jwk, "kid");
	sp_slice text;
	char *copy;

	if (kid == NULL)
		return SP_OK;
	text = sp_jtext(kid);
	if (!sp_jis_str(kid) || text.n > SP_KID_MAX)
		return sp_fail(e, SP_E_CONFIG, NULL, "kid is not text of at most 1024 bytes");
	copy = malloc(text.n + 1);
	if (copy == NULL)
		return sp_fail(e, SP_E_FULL, NULL, "no memory for a key");
	memcpy(copy, text.p, text.n);
	k->kid = sp_mem(copy, text.n);
	k->has_kid = true;
	return SP_OK;
}

static enum sp_status
read_jwk(sp_jval *jwk, bool allow_oct, struct sp_key *out, struct sp_err *e)
{
	struct sp_key k = { 0 };
	enum sp_status st;

	if (!sp_jis_obj(jwk))
		return sp_fail(e, SP_E_CONFIG, NULL, "a key is not a JSON object");
	if (!may_verify(jwk))
		return sp_fail(e, SP_E_CONFIG, NULL, "use or key_ops of the key do not allow verification");
	st = read_material(jwk, allow_oct, &k.pkey, e);
	if (st == SP_OK)
		st = read_alg(jwk, &k, e);
	if (st == SP_OK)
		st = read_kid(jwk, &k, e);
	if (st != SP_OK) {
		sp_pkey_free(&k.pkey);
		return st;
	}
	*out = k;
	return SP_OK;
}

/* The first reason stays in *e: what is reported when no key is left. */
static void
keep(struct sp_keyset *ks, enum sp_status st, const struct sp_err *why, struct sp_err *e)
{
	if (st == SP_OK) {
		ks->n++;
		return;
	}
	if (ks->dropped++ == 0 && e != NULL)
		*e = *why;
}

static enum sp_status
read_json(struct sp_keyset *ks, sp_slice text, bool allow_oct, bool must_be_set, struct sp_err *e)
{
	SP_AUTO(sp_json_free) struct sp_json j = { 0 };
	enum sp_status st = sp_json_read(text, SP_JSON_DEFAULT, &j, e);
	sp_jval *keys;
	struct sp_err why;

	if (st != SP_OK)
		return sp_fail(e, SP_E_CONFIG, NULL, "key set is not acceptable JSON");
	if (!sp_jis_obj(j.root))
		return sp_fail(e, SP_E_CONFIG, NULL, "key set is not a JSON object");
	keys = SP_JGET(j.root, "keys");
	if (keys == NULL && must_be_set)
		return sp_fail(e, SP_E_CONFIG, NULL, "the key set has no `keys`");
	if (keys == NULL) {
		keep(ks, read_jwk(j.root, allow_oct, &ks->key[0], &why), &why, e);
		return SP_OK;
	}
	if (!sp_jis_arr(keys))
		return sp_fail(e, SP_E_CONFIG, NULL, "`keys` of the key set is not an array");
	for (struct sp_jiter it = sp_jeach(keys); sp_jnext(&it);) {
		if (it.idx >= SP_KEYS_MAX)
			return sp_fail(e, SP_E_CONFIG, NULL, "key set has over %d keys", SP_KEYS_MAX);
		keep(ks, read_jwk(it.val, allow_oct, &ks->key[ks->n], &why), &why, e);
	}
	return SP_OK;
}

static enum sp_status
read_pem(struct sp_keyset *ks, sp_slice text, struct sp_err *e)
{
	const sp_slice begin = SP_LIT("-----BEGIN "), end = SP_LIT("-----END ");
	struct sp_err why;

	for (;;) {
		size_t from = sp_find(text, begin), to, line;
		sp_slice block;

		if (from == SIZE_MAX)
			return SP_OK;
		text = sp_sub(text, from, text.n);
		to = sp_find(text, end);
		if (to == SIZE_MAX)
			return sp_fail(e, SP_E_CONFIG, NULL, "a PEM block has no end");
		line = sp_find(sp_sub(text, to + end.n, text.n), SP_LIT("-----"));
		if (line == SIZE_MAX)
			return sp_fail(e, SP_E_CONFIG, NULL, "a PEM block has no end");
		block = sp_sub(text, 0, to + end.n + line + 5);
		text = sp_sub(text, block.n, text.n);
		if (ks->n + ks->dropped >= SP_KEYS_MAX)
			return sp_fail(e, SP_E_CONFIG, NULL, "over %d PEM blocks", SP_KEYS_MAX);
		ks->key[ks->n] = (struct sp_key){ 0 };
		keep(ks, sp_pkey_pem(block, &ks->key[ks->n].pkey, &why), &why, e);
	}
}

/* RFC 8725 section 3.2: what verifies a signature and what makes a MAC are never offered for the same token. */
static bool
is_mixed(const struct sp_keyset *ks)
{
	size_t oct = 0;

	for (size_t i = 0; i < ks->n; i++)
		oct += sp_pkey_kty(ks->key[i].pkey) == SP_KTY_OCT;
	return oct != 0 && oct != ks->n;
}

static sp_slice
skip_blank(sp_slice s)
{
	(void)sp_take(&s, SP_LIT("\xef\xbb\xbf"));
	while (s.n != 0 && (s.p[0] == ' ' || s.p[0] == '\t' || s.p[0] == '\r' || s.p[0] == '\n'))
		sp_advance(&s, 1);
	return s;
}

bool
sp_keyset_has_kid(const struct sp_keyset *k, sp_slice kid)
{
	for (size_t i = 0; i < k->n; i++)
		if (k->key[i].has_kid && sp_eq(k->key[i].kid, kid))
			return true;
	return false;
}

static bool
holds(const struct sp_keyset *k, const struct sp_key *want)
{
	for (size_t i = 0; i < k->n; i++) {
		const struct sp_key *one = &k->key[i];

		if (one->alg == want->alg && one->named_ed == want->named_ed && one->has_kid == want->has_kid &&
		    sp_eq(one->kid, want->kid) && sp_pkey_same(one->pkey, want->pkey))
			return true;
	}
	return false;
}

bool
sp_keyset_covers(const struct sp_keyset *k, const struct sp_keyset *old)
{
	for (size_t i = 0; i < old->n; i++)
		if (!holds(k, &old->key[i]))
			return false;
	return true;
}

static enum sp_status
read_text(struct sp_keyset *ks, sp_slice text, bool allow_oct, bool only_set, struct sp_err *e)
{
	if (text.n != 0 && text.p[0] == '{')
		return read_json(ks, text, allow_oct, only_set, e);
	if (only_set)
		return sp_fail(e, SP_E_CONFIG, NULL, "not a JWK set");
	return read_pem(ks, text, e);
}

static enum sp_status
keyset_read(sp_slice text, bool allow_oct, bool only_set, struct sp_keyset **out, struct sp_err *e)
{
	SP_AUTO(sp_keyset_free) struct sp_keyset *ks = NULL;
	struct sp_err why = { 0 };
	enum sp_status st;

	if (text.n > SP_KEYS_TEXT_MAX)
		return sp_fail(e, SP_E_CONFIG, NULL, "key set is over %d bytes", SP_KEYS_TEXT_MAX);
	ks = calloc(1, sizeof *ks);
	if (ks == NULL)
		return sp_fail(e, SP_E_FULL, NULL, "no memory for a key set");
	st = read_text(ks, skip_blank(text), allow_oct, only_set, &why);
	if (st != SP_OK)
		return sp_fail(e, st, NULL, "%s", why.log);
	if (ks->n == 0 && ks->dropped == 0)
		return sp_fail(e, SP_E_CONFIG, NULL, "no key in it: neither JWK, JWK set nor PEM");
	if (ks->n == 0)
		return sp_fail(e, SP_E_CONFIG, NULL, "none of its keys can be used: %s", why.log);
	if (is_mixed(ks))
		return sp_fail(e, SP_E_CONFIG, NULL, "HMAC secrets and public keys in one set");
	*out = ks;
	ks = NULL;
	return SP_OK;
}

enum sp_status
sp_keyset_read(sp_slice text, bool allow_oct, struct sp_keyset **out, struct sp_err *e)
{
	return keyset_read(text, allow_oct, false, out, e);
}

enum sp_status
sp_keyset_read_set(sp_slice text, struct sp_keyset **out, struct sp_err *e)
{
	return keyset_read(text, false, true, out, e);
}

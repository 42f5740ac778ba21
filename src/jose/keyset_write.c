#include "jose/keyset_write.h"

#include "jose/keyset.h"

#include <stdio.h>

enum { VALUES_MAX = 32768, KEY_MAX = 32768 };

/* A text member as it is; what is no text is written as it is too, for the reader to refuse. */
static void
copy(struct sp_out *o, sp_jval *jwk, const char *name)
{
	sp_jval *v = sp_jget(jwk, sp_str(name));

	if (v == NULL)
		return;
	sp_out_fmt(o, ",\"%s\":", name);
	sp_jwrite(o, v);
}

/* Of a list only what the reader looks for. */
static void
copy_ops(struct sp_out *o, sp_jval *jwk)
{
	sp_jval *ops = SP_JGET(jwk, "key_ops");
	bool verify = false;

	if (!sp_jis_arr(ops)) {
		copy(o, jwk, "key_ops");
		return;
	}
	for (struct sp_jiter it = sp_jeach(ops); sp_jnext(&it);)
		verify = verify || (sp_jis_str(it.val) && sp_eq(sp_jtext(it.val), SP_LIT("verify")));
	sp_out_str(o, verify ? ",\"key_ops\":[\"verify\"]" : ",\"key_ops\":[]");
}

static const char *const *
numbers_of(sp_slice kty)
{
	static const char *const rsa[] = { "n", "e", NULL }, *const ec[] = { "crv", "x", "y", NULL };
	static const char *const okp[] = { "crv", "x", NULL };

	if (sp_eq(kty, SP_LIT("RSA")))
		return rsa;
	if (sp_eq(kty, SP_LIT("EC")))
		return ec;
	return sp_eq(kty, SP_LIT("OKP")) ? okp : NULL;
}

/* The public part of one key, as far as it looks like one.  Whether it is one, sp_keyset_read() says. */
static enum sp_status
write_key(sp_jval *jwk, struct sp_out *o, struct sp_err *e)
{
	sp_slice kty = sp_jtext(SP_JGET(jwk, "kty"));
	const char *const *name = numbers_of(kty);

	if (name == NULL && sp_eq(kty, SP_LIT("oct")))
		return sp_fail(e, SP_E_CONFIG, NULL, "a secret stands where public keys belong");
	if (name == NULL)
		return sp_fail(e, SP_E_CONFIG, NULL, "its type is none of RSA, EC, OKP");
	sp_out_str(o, "{\"kty\":");
	sp_jout_str(o, kty);
	for (; *name != NULL; name++)
		copy(o, jwk, *name);
	copy(o, jwk, "kid");
	copy(o, jwk, "alg");
	copy(o, jwk, "use");
	copy_ops(o, jwk);
	sp_out_byte(o, '}');
	return o->full ? sp_fail(e, SP_E_CONFIG, NULL, "it is over %d bytes", KEY_MAX) : SP_OK;
}

static enum sp_status
judge(sp_slice key, struct sp_err *e)
{
	SP_AUTO(sp_keyset_free) struct sp_keyset *ks = NULL;

	return sp_keyset_read(key, false, &ks, e);
}

static void
take(sp_jval *jwk, struct sp_out *scratch, struct sp_out *o, struct sp_keyset_report *r)
{
	struct sp_err why = { 0 };
	enum sp_status st;

	sp_out_reset(scratch);
	st = write_key(jwk, scratch, &why);
	if (st == SP_OK)
		st = judge(sp_out_view(scratch), &why);
	if (st != SP_OK) {
		if (r->dropped++ == 0)
			(void)snprintf(r->why, sizeof r->why, "%.159s", why.log);
		return;
	}
	if (r->kept++ != 0)
		sp_out_byte(o, ',');
	sp_out_slice(o, sp_out_view(scratch));
	r->with_private += sp_jwk_has_private(jwk);
}

static enum sp_status
take_all(sp_jval *root, struct sp_out *o, struct sp_keyset_report *r, struct sp_err *e)
{
	sp_jval *keys = SP_JGET(root, "keys");
	struct sp_out scratch;

	if (!sp_jis_arr(keys))
		return sp_fail(e, SP_E_UPSTREAM, NULL, "no JWK set: it has no array `keys`");
	if (yyjson_arr_size(keys) > SP_KEYS_MAX)
		return sp_fail(e, SP_E_UPSTREAM, NULL, "over %d keys", SP_KEYS_MAX);
	sp_out_heap(&scratch, KEY_MAX);
	sp_out_str(o, "{\"keys\":[");
	for (struct sp_jiter it = sp_jeach(keys); sp_jnext(&it);)
		take(it.val, &scratch, o, r);
	sp_out_str(o, "]}");
	sp_out_free(&scratch);
	if (r->kept == 0)
		return sp_fail(e, SP_E_UPSTREAM, NULL, "no usable key%s%s", r->dropped == 0 ? "" : ": ", r->why);
	return o->full ? sp_fail(e, SP_E_FULL, NULL, "no room for the key set") : SP_OK;
}

enum sp_status
sp_keyset_public(sp_slice text, struct sp_out *o, struct sp_keyset_report *r, struct sp_err *e)
{
	SP_AUTO(sp_json_free) struct sp_json j = { 0 };

	*r = (struct sp_keyset_report){ 0 };
	if (text.n > SP_KEYS_TEXT_MAX)
		return sp_fail(e, SP_E_UPSTREAM, NULL, "key set is over %d bytes", SP_KEYS_TEXT_MAX);
	if (sp_json_read(text, (struct sp_json_limits){ 64, VALUES_MAX }, &j, NULL) != SP_OK)
		return sp_fail(e, SP_E_UPSTREAM, NULL, "key set is not acceptable JSON");
	return take_all(j.root, o, r, e);
}

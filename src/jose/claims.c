#include "jose/claims.h"

enum { AUDIENCES_MAX = 64, AUDIENCES_SHOWN = 3 };
#define DATE_MAX ((uint64_t)1 << 53)

static enum sp_status
bad(struct sp_err *e, const char *why)
{
	return sp_fail(e, SP_E_BAD_TOKEN, NULL, "%s", why);
}

/* RFC 9068 section 4, RFC 8725 section 3.11: other kinds of JWT are no access tokens. */
static bool
is_access_typ(sp_slice typ)
{
	(void)sp_take_nocase(&typ, SP_LIT("application/"));
	return typ.n == 0 || sp_eq_nocase(typ, SP_LIT("at+jwt")) || sp_eq_nocase(typ, SP_LIT("JWT"));
}

/* A NumericDate (RFC 7519 section 2): a number, whose fraction is cut off; no exponent, nothing beyond 2^53. */
static bool
date(sp_jval *v, int64_t *out)
{
	sp_slice t = sp_jtext(v), fraction;
	bool negative = sp_take(&t, SP_LIT("-"));
	uint64_t n;

	if (!sp_jis_num(v) || !sp_take_u64(&t, DATE_MAX, &n))
		return false;
	if (t.n != 0) {
		fraction = t;
		if (!sp_take(&fraction, SP_LIT(".")) || sp_span(fraction, sp_is_digit) != fraction.n)
			return false;
	}
	*out = negative ? -(int64_t)n : (int64_t)n;
	return true;
}

/* *exp_s: INT64_MAX without `exp`. */
static enum sp_status
check_times(sp_jval *c, const struct sp_claims_want *want, int64_t *exp_s, struct sp_err *e)
{
	sp_jval *nbf = SP_JGET(c, "nbf"), *iat = SP_JGET(c, "iat");
	int64_t exp, from = 0, made = 0;

	if (SP_JGET(c, "exp") == NULL)
		exp = INT64_MAX;
	else if (!date(SP_JGET(c, "exp"), &exp))
		return bad(e, "exp is not a date");
	if (exp <= want->now_s - want->leeway_s)
		return sp_fail(e, SP_E_BAD_TOKEN, NULL, "expired %lld s ago", (long long)(want->now_s - exp));
	if (nbf != NULL && !date(nbf, &from))
		return bad(e, "nbf is not a date");
	if (nbf != NULL && from > want->now_s + want->leeway_s)
		return sp_fail(e, SP_E_BAD_TOKEN, NULL, "not valid for another %lld s (nbf)", (long long)(from - want->now_s));
	if (iat != NULL && !date(iat, &made))
		return bad(e, "iat is not a date");
	if (iat != NULL && made > want->now_s + want->leeway_s)
		return sp_fail(e, SP_E_BAD_TOKEN, NULL, "issued %lld s in the future (iat)", (long long)(made - want->now_s));
	if (iat != NULL && made > exp)
		return bad(e, "issued after it expires");
	*exp_s = exp;
	return SP_OK;
}

static bool
is_wanted(const struct sp_claims_want *want, sp_slice aud)
{
	for (size_t i = 0; i < want->naudiences; i++)
		if (sp_eq(aud, want->audiences[i]))
			return true;
	return want->resource.n != 0 && sp_eq(aud, want->resource);
}

/* "aud is [a, b], expected https://…": the line that saves an operator an hour. */
static enum sp_status
wrong_audience(sp_jval *aud, const struct sp_claims_want *want, struct sp_err *e)
{
	char buf[320];
	struct sp_out o;
	size_t n = 0;

	sp_out_init(&o, buf, sizeof buf);
	if (sp_jis_str(aud))
		sp_out_slice(&o, sp_sub(sp_jtext(aud), 0, 96));
	for (struct sp_jiter it = sp_jeach(aud); sp_jnext(&it); n++) {
		if (n >= AUDIENCES_SHOWN)
			continue;
		sp_out_str(&o, n == 0 ? "" : ", ");
		sp_out_slice(&o, sp_sub(sp_jtext(it.val), 0, 96));
	}
	if (n > AUDIENCES_SHOWN)
		sp_out_str(&o, ", …");
	return sp_fail(e, SP_E_BAD_TOKEN, NULL, "aud is [%.*s], expected %.*s", (int)o.n, buf,
	    SP_PRI(want->resource.n != 0 ? want->resource : want->naudiences == 0 ? SP_LIT("none") : want->audiences[0]));
}

static enum sp_status
check_audience(sp_jval *c, const struct sp_claims_want *want, struct sp_err *e)
{
	sp_jval *aud = SP_JGET(c, "aud");
	bool found = false;
	size_t n = 0;

	if (aud == NULL)
		return bad(e, "aud is missing");
	if (sp_jis_str(aud))
		return is_wanted(want, sp_jtext(aud)) ? SP_OK : wrong_audience(aud, want, e);
	if (!sp_jis_arr(aud))
		return bad(e, "aud is neither text nor a list of texts");
	for (struct sp_jiter it = sp_jeach(aud); sp_jnext(&it); n++) {
		if (n == AUDIENCES_MAX)
			return bad(e, "aud has too many entries");
		if (!sp_jis_str(it.val))
			return bad(e, "aud is neither text nor a list of texts");
		found = found || is_wanted(want, sp_jtext(it.val));
	}
	return found ? SP_OK : wrong_audience(aud, want, e);
}

static enum sp_status
check_issuer(sp_jval *c, const struct sp_claims_want *want, struct sp_err *e)
{
	sp_jval *iss = SP_JGET(c, "iss");

	if (!sp_jis_str(iss))
		return bad(e, "iss is missing or not text");
	/* RFC 8414 section 3.3: compared byte for byte, never normalised. */
	if (!sp_eq(sp_jtext(iss), want->issuer))
		return sp_fail(e, SP_E_BAD_TOKEN, NULL, "iss is %.*s, expected %.*s", SP_PRI(sp_jtext(iss)),
		    SP_PRI(want->issuer));
	return SP_OK;
}

/* Marks of tokens that are something else than a plain access token. */
static enum sp_status
check_kind(sp_jval *c, struct sp_err *e)
{
	/* RFC 9449 section 7.1, RFC 8705 section 3: a bound token needs its proof. */
	if (SP_JGET(c, "cnf") != NULL)
		return bad(e, "token is bound to a key (cnf) and no bearer token");
	if (SP_JGET(c, "nonce") != NULL || SP_JGET(c, "at_hash") != NULL || SP_JGET(c, "c_hash") != NULL)
		return bad(e, "an ID token is no access token");
	if (SP_JGET(c, "events") != NULL)
		return bad(e, "a security event token is no access token");
	return SP_OK;
}

enum sp_status
sp_claims_check(struct sp_arena *a, const struct sp_verified *v, const struct sp_claims_want *want,
    sp_jval **claims, int64_t *exp_s, struct sp_err *e)
{
	int64_t exp = 0;
	sp_jval *c;

	if (!is_access_typ(v->typ))
		return sp_fail(e, SP_E_BAD_TOKEN, NULL, "typ %.*s is no access token", SP_PRI(v->typ));
	if (sp_json_read_arena(a, v->payload, SP_JSON_DEFAULT, &c, NULL) != SP_OK)
		return bad(e, "claims are not acceptable JSON");
	if (!sp_jis_obj(c))
		return bad(e, "claims are not a JSON object");
	if (check_kind(c, e) != SP_OK || check_issuer(c, want, e) != SP_OK || check_audience(c, want, e) != SP_OK ||
	    check_times(c, want, &exp, e) != SP_OK)
		return SP_E_BAD_TOKEN;
	if (exp == INT64_MAX)
		return bad(e, "exp is missing");
	*claims = c;
	*exp_s = exp;
	return SP_OK;
}

enum sp_status
sp_claims_check_present(sp_jval *c, const struct sp_claims_want *want, int64_t *exp_s, struct sp_err *e)
{
	int64_t exp = 0;

	/* RFC 9449 section 6.2, RFC 8705 section 3.2: a bound token needs its proof. */
	if (SP_JGET(c, "cnf") != NULL)
		return bad(e, "token is bound to a key (cnf) and no bearer token");
	if (want->issuer.n != 0 && SP_JGET(c, "iss") != NULL && check_issuer(c, want, e) != SP_OK)
		return SP_E_BAD_TOKEN;
	if (SP_JGET(c, "aud") != NULL && check_audience(c, want, e) != SP_OK)
		return SP_E_BAD_TOKEN;
	if (check_times(c, want, &exp, e) != SP_OK)
		return SP_E_BAD_TOKEN;
	*exp_s = exp;
	return SP_OK;
}

sp_jval *
sp_claim_at(sp_jval *claims, sp_slice path)
{
	sp_jval *v = claims;
	sp_slice step;

	if (path.n == 0)
		return NULL;
	while (v != NULL && sp_take_part(&path, '.', &step))
		v = step.n == 0 ? NULL : sp_jget(v, step);
	return v;
}

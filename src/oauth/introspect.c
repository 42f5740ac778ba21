#include "oauth/introspect.h"

#include "base/b64.h"
#include "crypto/sign.h"
#include "wire/uri.h"

enum { ISSUER_MAX = 512, VALUES_MAX = 4096 };

/* ---------------------------------------------------------------- the request */

enum sp_introspect_auth
sp_introspect_auth_of(sp_slice secret)
{
	return sp_starts(sp_trim(secret), SP_LIT("-----BEGIN ")) ? SP_INTROSPECT_JWT : SP_INTROSPECT_BASIC;
}

static enum sp_status
no_room(struct sp_err *e)
{
	return sp_fail(e, SP_E_TOO_BIG, NULL, "token, client_id or client_secret is too long for an introspection request");
}

enum sp_status
sp_introspect_authorization(struct sp_out *o, struct sp_out *scratch, const struct sp_introspect_client *c,
    struct sp_err *e)
{
	bool full;

	if (c->how != SP_INTROSPECT_BASIC)
		return SP_OK;
	sp_out_reset(scratch);
	sp_pct_encode(scratch, c->id);
	sp_out_byte(scratch, ':');
	sp_pct_encode(scratch, c->secret);
	full = scratch->full;
	sp_out_str(o, "Basic ");
	sp_b64_encode(o, scratch->p, scratch->n);
	sp_out_wipe(scratch);
	return full || o->full ? no_room(e) : SP_OK;
}

static void
add_field(struct sp_out *o, const char *name, sp_slice value)
{
	if (o->n != 0)
		sp_out_byte(o, '&');
	sp_out_fmt(o, "%s=", name);
	sp_pct_encode(o, value);
}

static enum sp_status
write_claims(struct sp_out *o, const struct sp_introspect_client *c, const struct sp_introspect_moment *when, enum sp_alg alg)
{
	char buf[4096];
	struct sp_out t;

	sp_out_init(&t, buf, sizeof buf);
	sp_out_fmt(&t, "{\"alg\":\"%s\",\"typ\":\"JWT\"}", sp_alg_name(alg));
	sp_b64url_encode(o, t.p, t.n);
	sp_out_byte(o, '.');
	sp_out_reset(&t);
	/* RFC 7523 section 3: iss and sub are the client. */
	sp_out_str(&t, "{\"iss\":");
	sp_jout_str(&t, c->id);
	sp_out_str(&t, ",\"sub\":");
	sp_jout_str(&t, c->id);
	sp_out_str(&t, ",\"aud\":");
	sp_jout_str(&t, c->audience);
	sp_out_str(&t, ",\"jti\":\"");
	sp_out_hex(&t, when->jti, sizeof when->jti);
	sp_out_fmt(&t, "\",\"iat\":%lld,\"exp\":%lld}", (long long)when->now_s, (long long)when->now_s + SP_INTROSPECT_LIFE_S);
	sp_b64url_encode(o, t.p, t.n);
	return t.full ? SP_E_TOO_BIG : SP_OK;
}

/* The assertion's characters mean nothing in a form, so it is written where it belongs. */
static enum sp_status
add_assertion(struct sp_out *o, const struct sp_introspect_client *c, const struct sp_introspect_moment *when,
    struct sp_err *e)
{
	enum sp_alg alg = SP_ALG_NONE;
	uint8_t sig[SP_SIG_MAX];
	struct sp_out s;
	enum sp_status st = sp_pem_alg(c->secret, &alg, e);
	size_t from;

	if (st != SP_OK)
		return st;
	add_field(o, "client_assertion_type", SP_LIT("urn:ietf:params:oauth:client-assertion-type:jwt-bearer"));
	sp_out_str(o, "&client_assertion=");
	from = o->n;
	if (write_claims(o, c, when, alg) != SP_OK || o->full)
		return no_room(e);
	sp_out_init(&s, sig, sizeof sig);
	st = sp_pem_sign(c->secret, sp_sub(sp_out_view(o), from, o->n - from), &s, e);
	if (st != SP_OK)
		return st;
	sp_out_byte(o, '.');
	sp_b64url_encode(o, s.p, s.n);
	return SP_OK;
}

enum sp_status
sp_introspect_body(struct sp_out *o, const struct sp_introspect_client *c, sp_slice token,
    const struct sp_introspect_moment *when, struct sp_err *e)
{
	enum sp_status st = SP_OK;

	sp_out_reset(o);
	add_field(o, "token", token);
	add_field(o, "token_type_hint", SP_LIT("access_token"));
	if (c->how != SP_INTROSPECT_BASIC)
		add_field(o, "client_id", c->id);
	if (c->how == SP_INTROSPECT_POST)
		add_field(o, "client_secret", c->secret);
	else if (c->how == SP_INTROSPECT_JWT)
		st = add_assertion(o, c, when, e);
	if (st != SP_OK)
		return st;
	return o->full ? no_room(e) : SP_OK;
}

/* ---------------------------------------------------------------- the answer */

/* Words of RFC 6749 section 5.2 and RFC 7009 section 2.2.1; anything else that stands there is not repeated. */
static const char *
error_word(struct sp_arena *a, sp_slice body)
{
	static const char *const words[] = {
		"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type",
		"invalid_scope", "unsupported_token_type", "access_denied", "server_error", "temporarily_unavailable",
	};
	sp_jval *root;
	sp_slice word;

	if (sp_json_read_arena(a, body, (struct sp_json_limits){ 8, 64 }, &root, NULL) != SP_OK)
		return "";
	word = sp_jtext(SP_JGET(root, "error"));
	for (size_t i = 0; i < SP_COUNT(words); i++)
		if (sp_eq(word, sp_str(words[i])))
			return words[i];
	return "";
}

static enum sp_status
no_answer(struct sp_arena *a, unsigned status, sp_slice body, struct sp_err *e)
{
	const char *word = error_word(a, body);

	return sp_fail(e, SP_E_UNAVAILABLE, NULL, "the introspection endpoint answers with status %u%s%s%s", status,
	    word[0] == '\0' ? "" : " ", word, status == 401 || status == 403 ? ": it does not take client_id and client_secret" :
	    sp_eq(sp_str(word), SP_LIT("unsupported_token_type")) ? ": it does not judge tokens of this kind" : "");
}

static bool
is_one_of(sp_jval *v, const char *const *words)
{
	for (; *words != NULL; words++)
		if (sp_eq_nocase(sp_jtext(v), sp_str(*words)))
			return true;
	return false;
}

/* An endpoint may know refresh and ID tokens too: `active`, but no key to anything here. */
static enum sp_status
check_use(sp_jval *c, struct sp_err *e)
{
	static const char *const bearer[] = { "Bearer", "access_token", NULL };
	static const char *const access[] = { "access_token", "access", NULL };
	static const char *const others[] = { "Refresh", "Offline", "ID", "refresh_token", "id_token", "Logout", NULL };
	sp_jval *type = SP_JGET(c, "token_type"), *use = SP_JGET(c, "token_use");

	if (type != NULL && !is_one_of(type, bearer))
		return sp_fail(e, SP_E_BAD_TOKEN, NULL, "token_type is %.*s and not Bearer", SP_PRI(sp_jtext(type)));
	if ((use != NULL && !is_one_of(use, access)) || is_one_of(SP_JGET(c, "typ"), others))
		return sp_fail(e, SP_E_BAD_TOKEN, NULL, "not an access token");
	if (SP_JGET(c, "client_id") != NULL && !sp_jis_str(SP_JGET(c, "client_id")))
		return sp_fail(e, SP_E_BAD_TOKEN, NULL, "client_id is not text");
	if (SP_JGET(c, "iss") != NULL && (!sp_jis_str(SP_JGET(c, "iss")) || sp_jtext(SP_JGET(c, "iss")).n > ISSUER_MAX))
		return sp_fail(e, SP_E_BAD_TOKEN, NULL, "iss is not text, or too long");
	return SP_OK;
}

enum sp_status
sp_introspect_judge(struct sp_arena *a, unsigned status, sp_slice body, const struct sp_claims_want *want,
    sp_jval **claims, int64_t *exp_s, struct sp_err *e)
{
	enum sp_status st;
	sp_jval *c;

	if (status != 200)
		return no_answer(a, status, body, e);
	if (body.n > SP_INTROSPECT_ANSWER)
		return sp_fail(e, SP_E_UNAVAILABLE, NULL, "the introspection endpoint's answer is too long");
	if (sp_json_read_arena(a, body, (struct sp_json_limits){ 64, VALUES_MAX }, &c, NULL) != SP_OK || !sp_jis_obj(c))
		return sp_fail(e, SP_E_UNAVAILABLE, NULL, "the introspection endpoint's answer is not an acceptable JSON object");
	/* C14, RFC 7662 section 2.2: a boolean. */
	if (!sp_jtrue(SP_JGET(c, "active")))
		return sp_fail(e, SP_E_BAD_TOKEN, NULL, "the introspection endpoint calls it inactive");
	st = check_use(c, e);
	if (st == SP_OK)
		st = sp_claims_check_present(c, want, exp_s, e);
	if (st != SP_OK)
		return st;
	*claims = c;
	return SP_OK;
}

enum sp_status
sp_introspect_who(struct sp_who *w, sp_jval *claims, int64_t exp_s, struct sp_err *e)
{
	sp_jval *iss = SP_JGET(claims, "iss");
	enum sp_status st = sp_who_claims(w, claims, e);

	if (st != SP_OK)
		return st;
	if (iss != NULL)
		w->issuer = sp_jtext(iss);
	w->expires_s = exp_s;
	return SP_OK;
}

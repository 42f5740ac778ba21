/* Tokens against verifiers that ask nobody: parity 7, 8, 13, 16-18, 20, 21, 25; threat rows A, B. */
#include "auth/testworld.h"
#include "base/b64.h"

#include <sallyport/pieces.h>

static struct sp_testkey *rsa, *ec, *ed, *other;
#define SECRET "0123456789abcdef0123456789abcdef"

static struct sp_auth_provider *
jwt(const struct sp_testkey *k)
{
	return sp_token_verifier_jwt(.issuer = ISS, .public_key = pem_of(k));
}

static struct sp_auth_provider *
macs(void)
{
	return sp_token_verifier_jwt(.issuer = ISS, .secret = SECRET);
}

static const char *
mac_token(enum sp_alg a, const char *secret, const char *payload)
{
	static char buf[8192];
	char alg[64];
	struct sp_out o, mac;
	uint8_t raw[64];
	sp_slice all;

	snprintf(alg, sizeof alg, "{\"alg\":\"%s\"}", sp_alg_name(a));
	sp_out_init(&o, buf, sizeof buf);
	sp_b64url_encode(&o, alg, strlen(alg));
	sp_out_byte(&o, '.');
	sp_b64url_encode(&o, payload, strlen(payload));
	all = sp_out_view(&o);
	sp_out_init(&mac, raw, sizeof raw);
	sp_test_hmac(a, sp_str(secret), all, &mac);
	sp_out_byte(&o, '.');
	sp_b64url_encode(&o, mac.p, mac.n);
	return text_of(&o);
}

static void
algorithms(void **state)
{
	static const enum sp_alg rsas[] = { SP_RS256, SP_RS384, SP_RS512, SP_PS256, SP_PS384, SP_PS512 };

	for (size_t i = 0; i < SP_COUNT(rsas); i++)
		expect(sp_alg_name(rsas[i]), jwt(rsa), token_of(rsa, rsas[i], NULL, GOOD), SP_OK);
	expect("ES256", jwt(ec), token_of(ec, SP_ES256, NULL, GOOD), SP_OK);
	expect("EdDSA", jwt(ed), token_of(ed, SP_EDDSA, NULL, GOOD), SP_OK);
	expect("HS256", macs(), mac_token(SP_HS256, SECRET, GOOD), SP_OK);
	expect("narrowed", sp_token_verifier_jwt(.issuer = ISS, .public_key = pem_of(rsa), .algorithm = "PS256"),
	    token_of(rsa, SP_PS256, NULL, GOOD), SP_OK);
	expect("narrowed to another (parity 13, A21)",
	    sp_token_verifier_jwt(.issuer = ISS, .public_key = pem_of(rsa), .algorithm = "PS256"),
	    token_of(rsa, SP_RS256, NULL, GOOD), SP_E_BAD_TOKEN);
	expect("RS256 at ES256 (parity 13)", sp_token_verifier_jwt(.issuer = ISS, .public_key = pem_of(ec), .algorithm = "ES256"),
	    token_of(rsa, SP_RS256, NULL, GOOD), SP_E_BAD_TOKEN);
	expect("HS256 with the PEM as secret (parity 13, A04)", jwt(rsa), mac_token(SP_HS256, pem_of(rsa), GOOD), SP_E_BAD_TOKEN);
	expect("HS256 with an empty secret (A05)", jwt(rsa), mac_token(SP_HS256, "", GOOD), SP_E_BAD_TOKEN);
	expect("HS512 with a secret too short for it", macs(), mac_token(SP_HS512, SECRET, GOOD), SP_E_BAD_TOKEN);
	expect("HS512 where HS256 was written", sp_token_verifier_jwt(.issuer = ISS, .secret = SECRET SECRET, .algorithm = "HS256"),
	    mac_token(SP_HS512, SECRET SECRET, GOOD), SP_E_BAD_TOKEN);
	expect("RS256 where a secret is", macs(), token_of(rsa, SP_RS256, NULL, GOOD), SP_E_BAD_TOKEN);
	expect("another key", jwt(rsa), token_of(other, SP_RS256, NULL, GOOD), SP_E_BAD_TOKEN);
	expect("another secret", macs(), mac_token(SP_HS256, SECRET "x", GOOD), SP_E_BAD_TOKEN);
	expect("none (A01)", jwt(rsa), "eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL2FzLmV4YW1wbGUifQ.", SP_E_BAD_TOKEN);
	expect("crit (parity 20, A24)", jwt(rsa), token_of(rsa, SP_RS256, "{\"alg\":\"RS256\",\"crit\":[\"x\"],\"x\":1}", GOOD),
	    SP_E_BAD_TOKEN);
	expect("unknown header (parity 20)", jwt(rsa), token_of(rsa, SP_RS256, "{\"alg\":\"RS256\",\"x\":1}", GOOD), SP_OK);
	expect("typ of another thing (parity 21, A32)", jwt(rsa),
	    token_of(rsa, SP_RS256, "{\"alg\":\"RS256\",\"typ\":\"dpop+jwt\"}", GOOD), SP_E_BAD_TOKEN);
}

static void
claims(void **state)
{
#define C(rest) "{\"sub\":\"ann\"," rest "}"
#define E "\"exp\":1800000600"
#define I "\"iss\":\"" ISS "\""
#define A "\"aud\":\"" RES "\""
	static const struct { const char *name, *payload; enum sp_status want; } rows[] = {
		{ "good", C(I "," A "," E), SP_OK },
		{ "another issuer (parity 16, B06)", C("\"iss\":\"" ISS "/\"," A "," E), SP_E_BAD_TOKEN },
		{ "no issuer", C(A "," E), SP_E_BAD_TOKEN },
		{ "no audience (B02)", C(I "," E), SP_E_BAD_TOKEN },
		{ "another audience (B01)", C(I ",\"aud\":\"https://tools.example.com\"," E), SP_E_BAD_TOKEN },
		{ "audience list (parity 16, B04)", C(I ",\"aud\":[\"x\",\"" RES "\"]," E), SP_OK },
		{ "audience list of others", C(I ",\"aud\":[\"x\"]," E), SP_E_BAD_TOKEN },
		{ "audience list with a number (B04)", C(I ",\"aud\":[\"" RES "\",1]," E), SP_E_BAD_TOKEN },
		{ "no exp (parity 21, B08)", C(I "," A), SP_E_BAD_TOKEN },
		{ "exp as text (B08)", C(I "," A ",\"exp\":\"1800000600\""), SP_E_BAD_TOKEN },
		{ "expired", C(I "," A ",\"exp\":1799999969"), SP_E_BAD_TOKEN },
		{ "expired within the leeway (parity 21)", C(I "," A ",\"exp\":1799999971"), SP_OK },
		{ "nbf later (parity 21, B09)", C(I "," A "," E ",\"nbf\":1800000031"), SP_E_BAD_TOKEN },
		{ "nbf within the leeway", C(I "," A "," E ",\"nbf\":1800000029"), SP_OK },
		{ "iat later (B09)", C(I "," A "," E ",\"iat\":1800000100"), SP_E_BAD_TOKEN },
		{ "bound (B25)", C(I "," A "," E ",\"cnf\":{\"jkt\":\"x\"}"), SP_E_BAD_TOKEN },
		{ "ID token (A33)", C(I "," A "," E ",\"nonce\":\"x\""), SP_E_BAD_TOKEN },
		{ "twice (A40)", C(I "," A "," E ",\"sub\":\"bob\""), SP_E_BAD_TOKEN },
		{ "no subject, no client (B12)", "{" I "," A "," E "}", SP_E_BAD_TOKEN },
		{ "empty subject (B12)", "{" I "," A "," E ",\"sub\":\"\",\"client_id\":\"c\"}", SP_E_BAD_TOKEN },
		{ "subject is a number", "{" I "," A "," E ",\"sub\":7,\"client_id\":\"c\"}", SP_E_BAD_TOKEN },
		{ "subject with controls (B12)", "{" I "," A "," E ",\"sub\":\"a\\u0007b\"}", SP_E_BAD_TOKEN },
		{ "subject with NUL (B12)", "{" I "," A "," E ",\"sub\":\"ann\\u0000x\"}", SP_E_BAD_TOKEN },
		{ "a client for itself", "{" I "," A "," E ",\"client_id\":\"robot\"}", SP_OK },
	};

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		expect(rows[i].name, jwt(ec), token_of(ec, SP_ES256, NULL, rows[i].payload), rows[i].want);
		expect(rows[i].name, macs(), mac_token(SP_HS256, SECRET, rows[i].payload), rows[i].want);
	}
}

static void
issuers_and_audiences(void **state)
{
	static const char other_iss[] = "{\"iss\":\"https://b.example\",\"aud\":\"api\",\"sub\":\"ann\",\"exp\":1800000600}";
	static const char one_aud[] = "{\"iss\":\"" ISS "\",\"aud\":[\"z\",\"api\"],\"sub\":\"ann\",\"exp\":1800000600}";
	const char *const isses[] = { "https://x.example", "https://b.example", ISS, NULL }, *const auds[] = { "api", "web", NULL };

	expect("any of the issuers and audiences (parity 16)",
	    sp_token_verifier_jwt(.issuers = isses, .audiences = auds, .public_key = pem_of(ec)),
	    token_of(ec, SP_ES256, NULL, other_iss), SP_OK);
	expect("the last issuer", sp_token_verifier_jwt(.issuers = isses, .audiences = auds, .public_key = pem_of(ec)),
	    token_of(ec, SP_ES256, NULL, one_aud), SP_OK);
	expect("text and list (parity 16)", sp_token_verifier_jwt(.issuer = ISS, .audience = "api", .public_key = pem_of(ec)),
	    token_of(ec, SP_ES256, NULL, one_aud), SP_OK);
	expect("written audience replaces the URL (B03)", sp_token_verifier_jwt(.issuer = ISS, .audience = "api", .public_key = pem_of(ec)),
	    token_of(ec, SP_ES256, NULL, GOOD), SP_E_BAD_TOKEN);
}

/* What is known of a caller, by its claims (parity 17, 18). */
static void
identity(void **state)
{
	static const struct { const char *name, *more, *client, *subject, *scopes; } rows[] = {
		{ "scope text", ",\"scope\":\"a b a\"", "ann", "ann", "a b" },
		{ "scope list", ",\"scope\":[\"a\",\"b c\"]", "ann", "ann", "a|b c" },
		{ "scp text", ",\"scp\":\"a b\"", "ann", "ann", "a b" },
		{ "scp list", ",\"scp\":[\"a\",\"b\"]", "ann", "ann", "a b" },
		{ "scope wins over scp, even empty", ",\"scope\":\"\",\"scp\":\"a\"", "ann", "ann", "" },
		{ "a list with a number is none", ",\"scope\":[\"a\",1]", "ann", "ann", "" },
		{ "client_id first", ",\"client_id\":\"c\",\"azp\":\"z\"", "c", "ann", "" },
		{ "then azp", ",\"azp\":\"z\"", "z", "ann", "" },
		{ "then sub", "", "ann", "ann", "" },
		{ "a scope with NUL is not the one before it", ",\"scope\":[\"admin\\u0000x\",\"b\"]", "ann", "ann", "b" },
		{ "a client with NUL is none", ",\"client_id\":\"c\\u0000x\"", NULL, "ann", "" },
	};

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct sp_principal *who;
		char payload[512], scopes[256] = "";
		struct sp_err e = { 0 };
		const char *one;
		size_t n = 0;

		snprintf(payload, sizeof payload, "%s%s}", LITERAL, rows[i].more);
		if (verdict_of(jwt(ec), token_of(ec, SP_ES256, NULL, payload), &who, &e) != SP_OK)
			fail_msg("%s: %s", rows[i].name, e.log);
		for (; (one = sp_principal_scope(who, n)) != NULL; n++)
			snprintf(scopes + strlen(scopes), sizeof scopes - strlen(scopes), "%s%s",
			    n == 0 ? "" : strchr(rows[i].scopes, '|') != NULL ? "|" : " ", one);
		CHECK(rows[i].name, strcmp(scopes, rows[i].scopes) == 0);
		CHECK(rows[i].name, strcmp(sp_principal_subject(who), rows[i].subject) == 0);
		one = sp_principal_client_id(who);
		CHECK(rows[i].name, (one == NULL) == (rows[i].client == NULL) && (one == NULL || strcmp(one, rows[i].client) == 0));
		CHECK(rows[i].name, strcmp(sp_principal_issuer(who), ISS) == 0 && strcmp(sp_principal_source(who), "jwt") == 0);
		CHECK(rows[i].name, strstr(sp_principal_claims(who), "\"sub\":\"ann\"") != NULL);
		sp_principal_drop(&who);
	}
}

static void
claim_options(void **state)
{
	struct sp_principal *who;
	struct sp_err e = { 0 };
	struct sp_auth_provider *p = sp_token_verifier_jwt(.name = "corp", .issuer = ISS, .public_key = pem_of(ec),
	    .user_claim = "x.mail", .tags_claim = "groups", .scopes_claim = "x.perms", .give_scopes = SP_LIST("base", "p1"));

	assert_int_equal(verdict_of(p, token_of(ec, SP_ES256, NULL, LITERAL
	    ",\"x\":{\"mail\":\"ann@acme\",\"perms\":[\"p1\"]},\"groups\":[\"admin\",\"ops\"],\"scope\":\"no\",\"x.mail\":\"eve\"}"), &who, &e),
	    SP_OK);
	assert_string_equal(sp_principal_subject(who), "ann@acme");
	assert_string_equal(sp_principal_source(who), "corp");
	assert_true(sp_principal_has_tag(who, "admin") && sp_principal_has_tag(who, "ops") && sp_principal_tag(who, 2) == NULL);
	assert_true(sp_principal_has_scope(who, "p1") && sp_principal_has_scope(who, "base") && !sp_principal_has_scope(who, "no"));
	assert_null(sp_principal_scope(who, 2));
	assert_int_equal(sp_principal_expires_at(who), 1800000630);
	sp_principal_drop(&who);

	assert_int_equal(verdict_of(jwt(ec), token_of(ec, SP_ES256, NULL,
	    "{\"iss\":\"" ISS "\",\"aud\":\"" RES "\",\"exp\":1800000600,\"client_id\":\"robot\"}"), &who, &e), SP_OK);
	assert_null(sp_principal_subject(who));
	assert_string_equal(sp_principal_client_id(who), "robot");
	sp_principal_drop(&who);
}

/* More names than are kept might hide the one that a check refuses. */
static void
too_many_names(void **state)
{
	static char payload[16000];
	struct sp_out o;

	sp_out_init(&o, payload, sizeof payload - 1);
	sp_out_str(&o, LITERAL ",\"tags\":[\"t\"");
	for (unsigned i = 0; i < 1100; i++)
		sp_out_fmt(&o, ",\"%u\"", i);
	sp_out_str(&o, "]}");
	payload[o.n] = '\0';
	assert_false(o.full);
	expect("1101 tags", jwt(ec), token_of(ec, SP_ES256, NULL, payload), SP_E_BAD_TOKEN);
}

static void
demands(void **state)
{
	const char *const want[] = { "read", "admin", NULL };
	struct sp_principal *who;
	struct sp_err e = { 0 };

	assert_int_equal(verdict_of(sp_token_verifier_jwt(.issuer = ISS, .public_key = pem_of(ec), .required_scopes = want),
	    token_of(ec, SP_ES256, NULL, LITERAL ",\"scope\":\"read\"}"), &who, &e), SP_E_SCOPE);
	assert_string_equal(e.pub, "read admin");	/* parity 6: all of them */
	expect("has all", sp_token_verifier_jwt(.issuer = ISS, .public_key = pem_of(ec), .required_scopes = want),
	    token_of(ec, SP_ES256, NULL, LITERAL ",\"scope\":\"admin x read\"}"), SP_OK);
	expect("a given one counts", sp_token_verifier_jwt(.issuer = ISS, .public_key = pem_of(ec), .required_scopes = want,
	    .give_scopes = SP_LIST("admin")), token_of(ec, SP_ES256, NULL, LITERAL ",\"scope\":\"read\"}"), SP_OK);
	expect("expired and under-scoped is 401 (parity 7)",
	    sp_token_verifier_jwt(.issuer = ISS, .public_key = pem_of(ec), .required_scopes = want),
	    token_of(ec, SP_ES256, NULL, "{\"iss\":\"" ISS "\",\"aud\":\"" RES "\",\"sub\":\"ann\",\"exp\":1700000000}"), SP_E_BAD_TOKEN);
	expect("a wrong MAC learns of no scope",
	    sp_token_verifier_jwt(.issuer = ISS, .secret = SECRET, .required_scopes = want), mac_token(SP_HS256, SECRET "y", GOOD),
	    SP_E_BAD_TOKEN);
	expect("a right MAC does", sp_token_verifier_jwt(.issuer = ISS, .secret = SECRET, .required_scopes = want),
	    mac_token(SP_HS256, SECRET, GOOD), SP_E_SCOPE);
}

/* Another last character may stand for the same bits: strict base64url refuses it (A39); every flip is refused, and none is
 * answered from what is remembered (B16). */
static void
every_byte_flipped(void **state)
{
	struct sp_auth_provider *p[] = { jwt(ec), jwt(ed), macs() };
	const char *good[] = {
		token_of(ec, SP_ES256, NULL, GOOD), token_of(ed, SP_EDDSA, NULL, GOOD), mac_token(SP_HS256, SECRET, GOOD),
	};

	for (size_t k = 0; k < SP_COUNT(p); k++) {
		char token[4096];
		struct sp_principal *who;
		struct world w;

		world_begin(&w, p[k]);
		assert_int_equal(world_ask(&w, good[k], &who, NULL), SP_OK);
		sp_principal_drop(&who);
		for (size_t i = 0; good[k][i] != '\0'; i++) {
			for (unsigned bit = 0; bit < 7; bit++) {
				snprintf(token, sizeof token, "%s", good[k]);
				token[i] = (char)(token[i] ^ (1 << bit));
				if (token[i] != '\0')
					assert_int_equal(world_ask(&w, token, &who, NULL), SP_E_BAD_TOKEN);
			}
		}
		for (size_t n = 0; n < strlen(good[k]); n++) {
			snprintf(token, n + 1, "%s", good[k]);
			assert_int_equal(world_ask(&w, token, &who, NULL), SP_E_BAD_TOKEN);
		}
		assert_int_equal(world_ask(&w, good[k], &who, NULL), SP_OK);
		sp_principal_drop(&who);
		world_end(&w, p[k]);
	}
}

static void
remembered(void **state)
{
	struct sp_auth_provider *p = jwt(ec);
	const char *token = token_of(ec, SP_ES256, NULL, LITERAL ",\"scope\":\"a\"}");
	struct sp_principal *one, *two;
	struct world w;

	world_begin(&w, p);
	assert_int_equal(world_ask(&w, token, &one, NULL), SP_OK);
	assert_int_equal(world_ask(&w, token, &two, NULL), SP_OK);
	assert_ptr_equal(one, two);
	sp_principal_drop(&one);
	sp_principal_drop(&two);
	w.now_s = 1800000629;		/* B20: within the leeway it is judged each time */
	assert_int_equal(world_ask(&w, token, &one, NULL), SP_OK);
	sp_principal_drop(&one);
	w.now_s = 1800000630;
	assert_int_equal(world_ask(&w, token, &one, NULL), SP_E_BAD_TOKEN);
	w.now_s = NOW;			/* B11: once expired it stays so */
	assert_int_equal(world_ask(&w, token, &one, NULL), SP_E_BAD_TOKEN);
	world_end(&w, p);
}

/* ---------------------------------------------------------------- static, custom */

static void
known_tokens(void **state)
{
	const struct sp_token_entry tokens[] = {
		{ .token = "ann-token-0123456789", .client_id = "app", .subject = "ann", .scopes = SP_LIST("read", "x"), .tags = SP_LIST("admin") },
		{ .sha256 = "6DB0B0A4E8F4BB3B1CE0D7C0F4A8F3B0B6F1B6C0A7C8D9E0F1A2B3C4D5E6F708", .client_id = "hashed" },
		{ .token = "old-token-0123456789", .client_id = "old", .expires_at = NOW },
		{ .token = "low-token-0123456789", .client_id = "low" },
		{ 0 },
	};
	struct sp_auth_provider *p = sp_token_verifier_static(.tokens = tokens, .required_scopes = SP_LIST("read"));
	struct sp_principal *who;
	struct sp_err e = { 0 };
	struct world w;

	world_begin(&w, p);
	assert_int_equal(world_ask(&w, "ann-token-0123456789", &who, &e), SP_OK);
	assert_string_equal(sp_principal_subject(who), "ann");
	assert_string_equal(sp_principal_client_id(who), "app");
	assert_string_equal(sp_principal_source(who), "static");
	assert_true(sp_principal_has_scope(who, "x") && sp_principal_has_tag(who, "admin") && sp_principal_claims(who) == NULL);
	sp_principal_drop(&who);
	assert_int_equal(world_ask(&w, "old-token-0123456789", &who, &e), SP_E_BAD_TOKEN);	/* parity 7 */
	assert_int_equal(world_ask(&w, "low-token-0123456789", &who, &e), SP_E_SCOPE);	/* parity 25: 403, not 401 */
	assert_string_equal(e.pub, "read");
	assert_int_equal(world_ask(&w, "ann-token-012345678", &who, &e), SP_E_BAD_TOKEN);
	assert_int_equal(world_ask(&w, "ann-token-01234567890", &who, &e), SP_E_BAD_TOKEN);
	/* B22: the hash is no token. */
	assert_int_equal(world_ask(&w, "6DB0B0A4E8F4BB3B1CE0D7C0F4A8F3B0B6F1B6C0A7C8D9E0F1A2B3C4D5E6F708", &who, &e), SP_E_BAD_TOKEN);
	assert_int_equal(world_ask(&w, "", &who, &e), SP_E_BAD_TOKEN);
	world_end(&w, p);

	p = sp_token_verifier_static(.tokens = tokens);
	world_begin(&w, p);
	assert_int_equal(world_ask(&w, "old-token-0123456789", &who, &e), SP_E_BAD_TOKEN);	/* parity 25 */
	w.now_s = NOW - 1;
	assert_int_equal(world_ask(&w, "old-token-0123456789", &who, &e), SP_OK);
	assert_string_equal(sp_principal_subject(who), "old");
	sp_principal_drop(&who);
	world_end(&w, p);
}

struct own { unsigned calls; enum sp_rc rc; struct sp_token_facts facts; };

static enum sp_rc
verify(const char *token, struct sp_token_facts *who, void *arg)
{
	struct own *o = arg;

	o->calls++;
	assert_true(token[0] != '\0');
	*who = o->facts;
	return o->rc;
}

static void
own_functions(void **state)
{
	static const char *const scopes[] = { "read", NULL };
	static const struct { const char *name; enum sp_rc rc; struct sp_token_facts f; enum sp_status want; } rows[] = {
		{ "good", SP_RC_OK, { .subject = "ann", .scopes = scopes, .claims = "{\"roles\":[\"x\"]}" }, SP_OK },
		{ "a client only", SP_RC_OK, { .client_id = "robot", .scopes = scopes }, SP_OK },
		{ "lacks a scope", SP_RC_OK, { .subject = "ann" }, SP_E_SCOPE },
		{ "nobody", SP_RC_OK, { .scopes = scopes }, SP_E_BAD_TOKEN },
		{ "empty subject", SP_RC_OK, { .subject = "", .client_id = "c", .scopes = scopes }, SP_E_BAD_TOKEN },
		{ "past expires_at (parity 8)", SP_RC_OK, { .subject = "ann", .scopes = scopes, .expires_at = NOW }, SP_E_BAD_TOKEN },
		{ "still good", SP_RC_OK, { .subject = "ann", .scopes = scopes, .expires_at = NOW + 1 }, SP_OK },
		{ "claims are no object", SP_RC_OK, { .subject = "ann", .scopes = scopes, .claims = "[1]" }, SP_E_BAD_TOKEN },
		{ "claims are no JSON", SP_RC_OK, { .subject = "ann", .scopes = scopes, .claims = "{\"a\":" }, SP_E_BAD_TOKEN },
		{ "denied", SP_RC_DENIED, { .subject = "ann", .scopes = scopes }, SP_E_BAD_TOKEN },
		{ "unavailable (B23)", SP_RC_UNAVAILABLE, { .subject = "ann", .scopes = scopes }, SP_E_UNAVAILABLE },
		{ "an error (parity 25)", SP_RC_SYSTEM, { .subject = "ann", .scopes = scopes }, SP_E_BAD_TOKEN },
		{ "pending is no yes", SP_RC_PENDING, { .subject = "ann", .scopes = scopes }, SP_E_BAD_TOKEN },
		{ "rubbish (parity 25)", (enum sp_rc)4711, { .subject = "ann", .scopes = scopes }, SP_E_BAD_TOKEN },
	};

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct own o = { .rc = rows[i].rc, .facts = rows[i].f };

		expect(rows[i].name, sp_token_verifier_custom(.verify = verify, .arg = &o, .required_scopes = scopes), "any", rows[i].want);
		CHECK(rows[i].name, o.calls == 1);
		expect(rows[i].name, sp_token_verifier_custom(.verify = verify, .arg = &o, .required_scopes = scopes), "", SP_E_BAD_TOKEN);
		CHECK("an empty token is never shown (parity 25)", o.calls == 1);
	}
}

/* ---------------------------------------------------------------- without a server */

static void
pieces(void **state)
{
	struct sp_error error = { 0 };
	struct sp_principal *who;
	struct sp_verifying *v = sp_verifying_new(jwt(ec), RES, &error);

	assert_non_null(v);
	assert_int_equal(sp_verifying_token(v, token_of(ec, SP_ES256, NULL, GOOD), NOW, &who, &error), SP_RC_OK);
	assert_string_equal(sp_principal_subject(who), "ann");
	sp_principal_free(who);
	assert_int_equal(sp_verifying_token(v, token_of(ec, SP_ES256, NULL, GOOD), NOW + 630, &who, &error), SP_RC_DENIED);
	assert_null(who);
	assert_true(error.rc == SP_RC_DENIED && strstr(error.text, "expired") != NULL);
	assert_int_equal(sp_verifying_token(v, NULL, NOW, &who, NULL), SP_RC_DENIED);
	sp_verifying_free(v);
	sp_verifying_free(NULL);
	sp_principal_free(NULL);

	assert_null(sp_verifying_new(sp_token_verifier_jwt(.issuer = ISS, .jwks_uri = "https://as.example/keys"), RES, &error));
	assert_true(error.rc == SP_RC_INVALID && strstr(error.text, "authority") != NULL);
	assert_null(sp_verifying_new(sp_token_verifier_jwt(.public_key = pem_of(ec)), RES, &error));
	assert_true(strstr(error.text, "issuer") != NULL);
	assert_null(sp_verifying_new(NULL, RES, &error));
	assert_null(sp_verifying_new(jwt(ec), NULL, &error));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(algorithms), cmocka_unit_test(claims), cmocka_unit_test(issuers_and_audiences),
		cmocka_unit_test(identity), cmocka_unit_test(claim_options), cmocka_unit_test(too_many_names),
		cmocka_unit_test(demands), cmocka_unit_test(every_byte_flipped), cmocka_unit_test(remembered),
		cmocka_unit_test(known_tokens), cmocka_unit_test(own_functions), cmocka_unit_test(pieces),
	};

	if (sp_crypto_init(NULL) != SP_OK)
		return 1;
	rsa = sp_testkey_new(SP_RS256, 0);
	other = sp_testkey_new(SP_RS256, 0);
	ec = sp_testkey_new(SP_ES256, 0);
	ed = sp_testkey_new(SP_EDDSA, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

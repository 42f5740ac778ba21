/* What is wrong with options is told by provider and option: parity 14, 15, 23, 24, 30; threat rows A06, A07, A19, B22. */
#include "auth/testworld.h"

static struct sp_testkey *rsa, *ec;
#define SECRET "0123456789abcdef0123456789abcdef"
#define JWT(...) sp_token_verifier_jwt(.issuer = ISS, __VA_ARGS__)
#define URLS .introspection_url = "https://as.example/introspect", .client_id = "rs"
#define INTRO(...) sp_token_verifier_introspection(URLS, __VA_ARGS__)
#define STATIC(...) sp_token_verifier_static(.tokens = (const struct sp_token_entry[]){ __VA_ARGS__, { 0 } })
#define T(text) .token = text, .client_id = "c"
#define KNOWN() STATIC({ T("a-token-that-is-long") })

struct heard { unsigned n; char text[4096]; };

static void
hear(void *ctx, const char *text)
{
	struct heard *h = ctx;

	h->n++;
	snprintf(h->text + strlen(h->text), sizeof h->text - strlen(h->text), "%s\n", text);
}

/* `n` mistakes, of which one names the provider and has these words; NULL: none. */
static void
mistaken(const char *name, struct sp_auth_provider *p, unsigned n, const char *provider, const char *words)
{
	struct heard h = { 0 };
	struct sp_err e = { 0 };
	struct sp_chain *c = NULL;
	bool any = sp_provider_mistakes(p, hear, &h);

	if (any != (n != 0) || h.n != n || (n != 0 && (strstr(h.text, words) == NULL || strstr(h.text, provider) == NULL)))
		fail_msg("%s: %u: %s", name, h.n, h.text);
	if (n != 0) {
		CHECK(name, sp_chain_new(p, SP_LIT(RES), &(struct sp_fetcher){ world_start, world_cancel, NULL }, &c, &e) == SP_E_CONFIG);
		CHECK(name, c == NULL);
	}
	CHECK("a secret is in no message", strstr(h.text, SECRET) == NULL && strstr(h.text, "hunter2") == NULL);
	sp_auth_provider_free(p);
}

#define J "provider jwt (sp_token_verifier_jwt): "

static void
jwt(void **state)
{
	const char *pem = pem_of(ec), *rsa_pem = pem_of(rsa);
	const char *set = set_of((const struct sp_testkey *const[]){ ec, rsa }, (const char *const[]){ "", "" }, 2);
	char spaced[4200], bom[4200];

	snprintf(spaced, sizeof spaced, "  \n%s", pem);
	snprintf(bom, sizeof bom, "\xef\xbb\xbf%s", pem);
	mistaken("PEM", JWT(.public_key = pem), 0, NULL, NULL);
	mistaken("PEM after spaces", JWT(.public_key = spaced), 0, NULL, NULL);
	mistaken("set", JWT(.jwks = set), 0, NULL, NULL);
	mistaken("by URL", JWT(.jwks_uri = "https://as.example/keys"), 0, NULL, NULL);
	mistaken("by URL of this machine", JWT(.jwks_uri = "http://127.0.0.1:9/keys"), 0, NULL, NULL);
	mistaken("secret", JWT(.secret = SECRET), 0, NULL, NULL);
	mistaken("no key (parity 15)", JWT(.name = "corp"), 1, "provider corp (sp_token_verifier_jwt): ", "exactly one of");
	mistaken("two keys (parity 15)", JWT(.public_key = pem, .jwks_uri = "https://as.example/keys"), 1, J, "not 2");
	mistaken("secret and key (parity 15, A08)", JWT(.public_key = pem, .secret = SECRET), 1, J, "exactly one");
	mistaken("HS256 and a PEM (parity 14)", JWT(.public_key = pem, .algorithm = "HS256"), 2, J, "public key is no secret");
	mistaken("HS256 and a URL (parity 14, A07)", JWT(.jwks_uri = "https://as.example/k", .algorithm = "HS256"), 1, J, "HS256");
	mistaken("HS256 and a set (parity 14)", JWT(.jwks = set, .algorithm = "HS512"), 1, J, "HS512");
	mistaken("a PEM as secret (parity 14, A06)", JWT(.secret = pem), 1, J, "secret is a PEM");
	mistaken("after spaces (A06)", JWT(.secret = spaced), 1, J, "secret is a PEM");
	mistaken("after a BOM (A06)", JWT(.secret = bom), 1, J, "secret is a PEM");
	mistaken("secret too short (A19)", JWT(.secret = "0123456789abcdef0123456789abcde"), 1, J, "31 bytes");
	mistaken("too short for HS512 (A19)", JWT(.secret = SECRET, .algorithm = "HS512"), 1, J, "HS512 needs at least 64");
	mistaken("empty secret (A19)", JWT(.secret = ""), 1, J, "0 bytes");
	mistaken("ES256 and a secret", JWT(.secret = SECRET, .algorithm = "ES256"), 1, J, "ES256");
	mistaken("ES256 and an RSA key", JWT(.public_key = rsa_pem, .algorithm = "ES256"), 1, J, "does not fit");
	mistaken("unknown algorithm", JWT(.public_key = pem, .algorithm = "XS1"), 1, J, "algorithm \"XS1\"");
	mistaken("none", JWT(.public_key = pem, .algorithm = "none"), 1, J, "not allowed");
	mistaken("not PEM", JWT(.public_key = "rubbish"), 1, J, "public_key");
	mistaken("a set as PEM", JWT(.public_key = set), 1, J, "belongs to jwks");
	mistaken("a PEM as set", JWT(.jwks = pem), 1, J, "jwks is no JSON");
	mistaken("a set without keys", JWT(.jwks = "{\"keys\":[]}"), 1, J, "jwks");
	mistaken("a URL in clear text", JWT(.jwks_uri = "http://as.example/keys"), 1, J, "https");
	mistaken("no URL (C11)", JWT(.jwks_uri = "file:///etc/keys"), 1, J, "jwks_uri");
	mistaken("no issuer", sp_token_verifier_jwt(.public_key = pem), 1, J, "issuer is missing");
	mistaken("no options at all", sp_token_verifier_jwt_new(NULL), 2, J, "issuer");
	mistaken("both issuers", JWT(.public_key = pem, .issuers = SP_LIST("x")), 1, J, "issuer and issuers");
	mistaken("empty list", sp_token_verifier_jwt(.issuers = SP_NONE, .public_key = pem), 1, J, "issuer: the list is empty");
	mistaken("both audiences", JWT(.public_key = pem, .audience = "a", .audiences = SP_LIST("x")), 1, J, "audience and audiences");
	mistaken("empty audience", JWT(.public_key = pem, .audience = ""), 1, J, "audience");
	mistaken("bad scope", JWT(.public_key = pem, .required_scopes = SP_LIST("a b")), 1, J, "required_scopes: \"a b\"");
	mistaken("bad claim", JWT(.public_key = pem, .user_claim = ""), 1, J, "user_claim");
	mistaken("bad name", JWT(.public_key = pem, .name = "a\nb"), 1, "sp_token_verifier_jwt: ", "name is empty");
	mistaken("several at once", sp_token_verifier_jwt(.algorithm = "x", .user_claim = ""), 4, J, "user_claim");
}

static void
others(void **state)
{
	struct { struct sp_token_verifier_custom_options o; void *more; } newer = {
		.o = { .size = sizeof newer, .verify = (sp_token_verifier_fn)(uintptr_t)hear }, .more = &newer,
	};
	char long_scope[200] = "";

	memset(long_scope, 'x', 170);
	mistaken("static", KNOWN(), 0, NULL, NULL);
	mistaken("no tokens", sp_token_verifier_static(.name = "s"), 1, "provider s (sp_token_verifier_static)", "tokens are missing");
	mistaken("empty token (B22)", STATIC({ T("") }), 1, "static", "shorter");
	mistaken("short token (B22)", STATIC({ T("hunter2") }), 1, "static", "number 1: token is shorter");
	mistaken("twice (B22)", STATIC({ T("a-token-that-is-long") }, { T("a-token-that-is-long") }), 1, "static", "number 2: the same");
	mistaken("spaces", STATIC({ T("a token that is long") }), 1, "static", "characters");
	mistaken("no client", STATIC({ .token = "a-token-that-is-long" }), 1, "static", "client_id is missing");
	mistaken("both", STATIC({ T("a-token-that-is-long"), .sha256 = "00" }), 1, "static", "exactly one of token and sha256");
	mistaken("neither", STATIC({ .client_id = "c" }), 1, "static", "exactly one of token and sha256");
	mistaken("bad hash", STATIC({ .client_id = "c", .sha256 = "00" }), 1, "static", "64 hex digits");
	mistaken("bad tag", STATIC({ T("a-token-that-is-long"), .tags = SP_LIST("") }), 1, "static", "cannot be a tag");

	mistaken("introspection", INTRO(.client_secret = "s"), 0, NULL, NULL);
	mistaken("no secret", INTRO(.name = "i"), 1, "provider i (sp_token_verifier_introspection)", "client_secret is missing");
	mistaken("bad method (parity 23)", INTRO(.client_secret = "s", .client_auth_method = (enum sp_client_auth)7), 1, "introspection",
	    "client_auth_method 7");
	mistaken("key without its method", INTRO(.private_key = "x"), 1, "introspection", "client_secret");
	mistaken("method without its key", INTRO(.client_secret = "s", .client_auth_method = SP_PRIVATE_KEY_JWT), 1, "introspection",
	    "private_key");
	mistaken("no key", INTRO(.private_key = "hunter2", .client_auth_method = SP_PRIVATE_KEY_JWT), 1, "introspection", "private_key: ");
	mistaken("negative times (parity 24)", INTRO(.client_secret = "s", .cache_ttl_s = (unsigned)-1, .max_cache_size = (unsigned)-1,
	    .timeout_s = (unsigned)-1), 3, "introspection", "cache_ttl_s is negative");
	mistaken("clear text", sp_token_verifier_introspection(.introspection_url = "http://as.example/i", .client_id = "c",
	    .client_secret = "s"), 1, "introspection", "introspection_url must be https");
	mistaken("nothing", sp_token_verifier_introspection(.name = "i"), 3, "introspection", "introspection_url is missing");

	mistaken("no function", sp_token_verifier_custom(.name = "own"), 1, "provider own", "verify is missing");
	mistaken("an option of tomorrow", sp_token_verifier_custom_new(&newer.o), 1, "custom", "does not know");
	mistaken("scopes that no challenge holds", sp_token_verifier_static(.tokens = (const struct sp_token_entry[]){
	    { T("a-token-that-is-long") }, { 0 } }, .required_scopes = SP_LIST(long_scope)), 1, "static", "159");

	mistaken("oauth", sp_oauth_provider(.client_id = "c", .client_secret = "hunter2", .authorization_url = "https://p.example/a",
	    .token_url = "https://p.example/t"), 0, NULL, NULL);
	mistaken("oauth with nothing", sp_oauth_provider(.name = "o"), 4, "provider o (sp_oauth_provider)", "token_url is missing");
}

static void
around(void **state)
{
	struct sp_auth_provider *one, *p;
	struct heard h = { 0 };

	mistaken("remote", sp_remote_auth_provider(.token_verifier = JWT(.public_key = pem_of(ec))), 0, NULL, NULL);
	mistaken("remote without a verifier", sp_remote_auth_provider(.resource_name = "x"), 1, "sp_remote_auth_provider",
	    "token_verifier is missing");
	mistaken("remote, nobody to go to", sp_remote_auth_provider(.token_verifier = KNOWN()), 1, "sp_remote_auth_provider",
	    "authorization_servers is missing");
	mistaken("remote in clear text", sp_remote_auth_provider(.token_verifier = KNOWN(), .authorization_servers = SP_LIST("http://a.b")),
	    1, "sp_remote_auth_provider", "authorization_servers must be https");
	mistaken("remote around remote", sp_remote_auth_provider(.token_verifier = sp_remote_auth_provider(.token_verifier =
	    JWT(.public_key = pem_of(ec))), .authorization_servers = SP_LIST("https://a.b")), 1, "sp_remote_auth_provider", "no verifier");
	mistaken("a mistake further in", sp_remote_auth_provider(.token_verifier = JWT(.name = "deep")), 1, "provider deep", "exactly one");
	mistaken("multi", sp_multi_auth(.verifiers = SP_PROVIDERS(KNOWN(), JWT(.public_key = pem_of(ec)))), 0, NULL, NULL);
	mistaken("multi of nobody (parity 30)", sp_multi_auth(.required_scopes = SP_NONE), 1, "sp_multi_auth", "nobody could come in");
	mistaken("a server among verifiers", sp_multi_auth(.verifiers = SP_PROVIDERS(KNOWN(), sp_remote_auth_provider(.token_verifier =
	    JWT(.public_key = pem_of(ec))))), 1, "sp_multi_auth", "verifiers, number 2");
	mistaken("two who see every opaque token", sp_multi_auth(.server = INTRO(.client_secret = "s"),
	    .verifiers = SP_PROVIDERS(INTRO(.client_secret = "s"))), 1, "sp_multi_auth", "two introspection endpoints");
	one = KNOWN();
	mistaken("one in two places", sp_multi_auth(.server = one, .verifiers = SP_PROVIDERS(one)), 2, "static", "two owners");
	p = JWT(.public_key = pem_of(ec));
	for (int i = 0; i < 20; i++)
		p = sp_multi_auth(.server = p);
	mistaken("too deep", p, 1, "sp_multi_auth", "nested");
	assert_false(sp_provider_mistakes(NULL, hear, &h));
	sp_auth_provider_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(jwt), cmocka_unit_test(others), cmocka_unit_test(around) };

	if (sp_crypto_init(NULL) != SP_OK)
		return 1;
	rsa = sp_testkey_new(SP_RS256, 0);
	ec = sp_testkey_new(SP_ES256, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

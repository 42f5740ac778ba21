/* Several providers, and what clients are told: parity 5, 6, 26-29; threat rows B23, B24. */
#include "auth/testworld.h"

static struct sp_testkey *one, *two;
static const char *const READ[] = { "read", NULL };
#define ENDPOINT "https://as.example/introspect"
#define ISS2 "https://b.example"

struct own { unsigned calls; enum sp_rc rc; const char *subject; };

static enum sp_rc
verify(const char *token, struct sp_token_facts *who, void *arg)
{
	struct own *o = arg;

	o->calls++;
	who->subject = o->subject;
	who->scopes = READ;
	return o->rc;
}

#define OWN(n, o) sp_token_verifier_custom(.name = n, .verify = verify, .arg = o)
#define JWT(n, k, ...) sp_token_verifier_jwt(.name = n, .issuer = ISS, .public_key = pem_of(k), ##__VA_ARGS__)
#define INTRO() sp_token_verifier_introspection(.introspection_url = ENDPOINT, .client_id = "c", .client_secret = "s")
#define OAUTH(...) sp_oauth_provider(.client_id = "c", .client_secret = "s", .authorization_url = "https://p.example/a", \
    .token_url = "https://p.example/t", ##__VA_ARGS__)

static void
order(void **state)
{
	struct own yes = { 0, SP_RC_OK, "first" }, also = { 0, SP_RC_OK, "second" }, no = { 0, SP_RC_DENIED, NULL };
	struct sp_auth_provider *p = sp_multi_auth(.server = OWN("a", &no), .verifiers = SP_PROVIDERS(OWN("b", &yes), OWN("c", &also)));
	struct sp_principal *who;
	struct world w;

	world_begin(&w, p);
	assert_int_equal(world_ask(&w, "opaque", &who, NULL), SP_OK);
	assert_string_equal(sp_principal_subject(who), "first");	/* B24 */
	assert_string_equal(sp_principal_source(who), "b");
	sp_principal_drop(&who);
	assert_true(no.calls == 1 && yes.calls == 1 && also.calls == 0);	/* parity 26 */
	world_end(&w, p);

	/* One that is asked anew each time keeps its place before one whose answers are remembered. */
	p = sp_multi_auth(.verifiers = SP_PROVIDERS(OWN("own", &yes), JWT("jwt", one)));
	world_begin(&w, p);
	yes.calls = 0;
	yes.rc = SP_RC_DENIED;
	for (unsigned i = 1; i <= 3; i++) {
		assert_int_equal(world_ask(&w, token_of(one, SP_ES256, NULL, GOOD), &who, NULL), SP_OK);
		assert_string_equal(sp_principal_source(who), "jwt");
		sp_principal_drop(&who);
	}
	assert_int_equal(yes.calls, 0);		/* its issuer is another's */
	assert_int_equal(world_ask(&w, token_of(one, SP_ES256, NULL, "{\"iss\":\"https://nobody.example\"}"), &who, NULL), SP_E_BAD_TOKEN);
	assert_int_equal(yes.calls, 1);
	world_end(&w, p);
}

static void
failures(void **state)
{
	struct own down = { 0, SP_RC_UNAVAILABLE, "x" }, broken = { 0, (enum sp_rc)99, "x" }, yes = { 0, SP_RC_OK, "ann" };
	struct own no = { 0, SP_RC_DENIED, NULL };

	expect("one that fails does not end it (parity 27)", sp_multi_auth(.server = OWN("a", &down),
	    .verifiers = SP_PROVIDERS(OWN("b", &broken), OWN("c", &yes))), "opaque", SP_OK);
	expect("nobody accepts, one could not tell (B23)", sp_multi_auth(.verifiers = SP_PROVIDERS(OWN("a", &down), OWN("b", &no))),
	    "opaque", SP_E_UNAVAILABLE);
	expect("all say no (parity 27)", sp_multi_auth(.verifiers = SP_PROVIDERS(OWN("a", &broken), OWN("b", &no))), "opaque",
	    SP_E_BAD_TOKEN);
	expect("two keys of one issuer (B05)", sp_multi_auth(.verifiers = SP_PROVIDERS(JWT("a", one), JWT("b", two))),
	    token_of(two, SP_ES256, NULL, GOOD), SP_OK);
	expect("a key of another issuer (B05)", sp_multi_auth(.verifiers = SP_PROVIDERS(JWT("a", one), sp_token_verifier_jwt(
	    .name = "b", .issuer = ISS2, .public_key = pem_of(two)))), token_of(two, SP_ES256, NULL, GOOD), SP_E_BAD_TOKEN);
	expect("nobody comes in by what signs nobody in yet", OAUTH(), "opaque", SP_E_BAD_TOKEN);
	expect("but by its fall-back", sp_multi_auth(.server = OAUTH(), .verifiers = SP_PROVIDERS(JWT("jwt", one))),
	    token_of(one, SP_ES256, NULL, GOOD), SP_OK);
}

/* One after the other, also where each has to be waited for; the worst answer of all counts. */
static void
waits_in_order(void **state)
{
	struct own low = { 0, SP_RC_OK, "ann" }, last = { 0, SP_RC_DENIED, NULL };
	struct sp_auth_provider *p = sp_multi_auth(.verifiers = SP_PROVIDERS(
	    sp_token_verifier_custom(.name = "low", .verify = verify, .arg = &low, .required_scopes = SP_LIST("read", "more")),
	    INTRO(), OWN("last", &last)));
	struct sp_principal *who;
	struct sp_err e = { 0 };
	struct world w;

	world_begin(&w, p);
	assert_int_equal(world_ask(&w, "opaque", &who, NULL), SP_E_TICKET);
	assert_true(low.calls == 1 && last.calls == 0 && w.n == 1);
	world_answer(&w, 0, 200, "{\"active\":false}");
	assert_true(low.calls == 1 && last.calls == 1 && w.readies == 1);
	assert_int_equal(world_ask(&w, "opaque", &who, &e), SP_E_SCOPE);	/* the best that anybody said */
	assert_string_equal(e.pub, "read more");
	assert_int_equal(world_settle(&w, "opaque", 500, "", &who, &e), SP_E_UNAVAILABLE);
	assert_non_null(strstr(e.log, "introspection"));
	last.rc = SP_RC_OK;
	last.subject = "bob";
	assert_int_equal(world_settle(&w, "opaque", 500, "", &who, &e), SP_OK);
	assert_string_equal(sp_principal_subject(who), "bob");
	sp_principal_drop(&who);
	world_end(&w, p);
}

/* ---------------------------------------------------------------- demands */

static void
demanded(const char *name, struct sp_auth_provider *p, const char *scopes, enum sp_status want, const char *missing,
    const char *challenge)
{
	struct sp_principal *who;
	struct sp_err e = { 0 };
	enum sp_status st;
	char payload[512];
	struct world w;

	snprintf(payload, sizeof payload, LITERAL ",\"scope\":\"%s\"}", scopes);
	world_begin(&w, p);
	st = world_ask(&w, token_of(one, SP_ES256, NULL, payload), &who, &e);
	CHECK(name, st == want);
	CHECK(name, st != SP_E_SCOPE || strcmp(e.pub, missing) == 0);
	CHECK(name, sp_eq(sp_chain_challenge_scopes(w.c), sp_str(challenge)));
	sp_principal_drop(&who);
	world_end(&w, p);
}

#define SCOPED(n, ...) JWT(n, one, .required_scopes = SP_LIST(__VA_ARGS__))

static void
demands(void **state)
{
	demanded("own", SCOPED("j", "read", "admin"), "read", SP_E_SCOPE, "read admin", "read admin");
	demanded("the server's bind every caller", sp_multi_auth(.server = SCOPED("s", "a"), .verifiers = SP_PROVIDERS(SCOPED("v", "b"))),
	    "b", SP_E_SCOPE, "a", "a");
	demanded("and a verifier's own its callers", sp_multi_auth(.server = OAUTH(.required_scopes = SP_LIST("a")),
	    .verifiers = SP_PROVIDERS(SCOPED("v", "b"))), "a", SP_E_SCOPE, "a b", "a");
	demanded("written ones instead of the server's (parity 29)", sp_multi_auth(.server = SCOPED("s", "a"),
	    .required_scopes = SP_LIST("x")), "a", SP_E_SCOPE, "x", "x");
	demanded("none instead (parity 29)", sp_multi_auth(.server = SCOPED("s", "a"), .required_scopes = SP_NONE), "", SP_OK, "", "");
	demanded("none instead, a verifier's own stay", sp_multi_auth(.server = OAUTH(.required_scopes = SP_LIST("a")),
	    .verifiers = SP_PROVIDERS(SCOPED("v", "b")), .required_scopes = SP_NONE), "", SP_E_SCOPE, "b", "");
	demanded("verifiers only", sp_multi_auth(.verifiers = SP_PROVIDERS(SCOPED("v", "b"))), "b", SP_OK, "", "");
	demanded("through remote", sp_multi_auth(.server = sp_remote_auth_provider(.token_verifier = SCOPED("s", "a")),
	    .required_scopes = SP_NONE), "", SP_OK, "", "");
	demanded("several around", sp_multi_auth(.server = sp_multi_auth(.server = SCOPED("s", "a"), .required_scopes = SP_LIST("b")),
	    .required_scopes = SP_LIST("c")), "c", SP_OK, "", "c");
	demanded("asked for in other words", sp_remote_auth_provider(.token_verifier = SCOPED("s", "a"),
	    .challenge_scopes = SP_LIST("api://x/a")), "", SP_E_SCOPE, "a", "api://x/a");
	demanded("in other words, but other ones are wanted", sp_multi_auth(.server = sp_remote_auth_provider(
	    .token_verifier = SCOPED("s", "a"), .challenge_scopes = SP_LIST("api://x/a")), .required_scopes = SP_LIST("z")), "a",
	    SP_E_SCOPE, "z", "z");
}

/* ---------------------------------------------------------------- metadata */

static void
metadata(void **state)
{
	const char *const none[] = { NULL };
	const struct { const char *name; struct sp_auth_provider *p; const char *want; } rows[] = {
		{ "verifier alone (parity 28)", JWT("j", one), NULL },
		{ "verifiers only (parity 28)", sp_multi_auth(.verifiers = SP_PROVIDERS(JWT("j", one))), NULL },
		{ "remote", sp_remote_auth_provider(.token_verifier = SCOPED("j", "read")),
		    "{\"resource\":\"" RES "\",\"authorization_servers\":[\"" ISS "\"],\"scopes_supported\":[\"read\"],"
		    "\"bearer_methods_supported\":[\"header\"]}" },
		{ "catalogue (parity 5)", sp_remote_auth_provider(.token_verifier = SCOPED("j", "read", "admin"),
		    .authorization_servers = SP_LIST("https://x.example", "https://y.example/t"),
		    .scopes_supported = SP_LIST("read", "write", "admin"), .resource_name = "My \"tools\"",
		    .resource_documentation = "https://docs.example/tools"),
		    "{\"resource\":\"" RES "\",\"authorization_servers\":[\"https://x.example\",\"https://y.example/t\"],"
		    "\"scopes_supported\":[\"read\",\"write\",\"admin\"],\"bearer_methods_supported\":[\"header\"],"
		    "\"resource_name\":\"My \\\"tools\\\"\",\"resource_documentation\":\"https://docs.example/tools\"}" },
		{ "the server's alone (parity 28)", sp_multi_auth(.server = sp_remote_auth_provider(.token_verifier = JWT("j", one),
		    .authorization_servers = SP_LIST("https://x.example")), .verifiers = SP_PROVIDERS(sp_token_verifier_jwt(.name = "b",
		    .issuer = ISS2, .public_key = pem_of(two)))),
		    "{\"resource\":\"" RES "\",\"authorization_servers\":[\"https://x.example\"],\"bearer_methods_supported\":[\"header\"]}" },
		{ "other demands (parity 29)", sp_multi_auth(.server = sp_remote_auth_provider(.token_verifier = SCOPED("j", "a")),
		    .required_scopes = SP_LIST("z")), "{\"resource\":\"" RES "\",\"authorization_servers\":[\"" ISS "\"],"
		    "\"scopes_supported\":[\"z\"],\"bearer_methods_supported\":[\"header\"]}" },
		{ "no catalogue", sp_remote_auth_provider(.token_verifier = SCOPED("j", "a"), .scopes_supported = none),
		    "{\"resource\":\"" RES "\",\"authorization_servers\":[\"" ISS "\"],\"bearer_methods_supported\":[\"header\"]}" },
		{ "who cannot sign anybody in names nobody", OAUTH(.required_scopes = SP_LIST("a", "offline_access")),
		    "{\"resource\":\"" RES "\",\"scopes_supported\":[\"a\"],\"bearer_methods_supported\":[\"header\"]}" },
	};

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		char buf[2048];
		struct sp_out o;
		struct world w;

		world_begin(&w, rows[i].p);
		sp_out_init(&o, buf, sizeof buf);
		CHECK(rows[i].name, sp_chain_metadata(w.c, &o) == (rows[i].want != NULL));
		CHECK(rows[i].name, sp_eq(sp_out_view(&o), sp_str(rows[i].want != NULL ? rows[i].want : "")));
		world_end(&w, rows[i].p);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order), cmocka_unit_test(failures), cmocka_unit_test(waits_in_order), cmocka_unit_test(demands),
		cmocka_unit_test(metadata),
	};

	if (sp_crypto_init(NULL) != SP_OK)
		return 1;
	one = sp_testkey_new(SP_ES256, 0);
	two = sp_testkey_new(SP_ES256, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

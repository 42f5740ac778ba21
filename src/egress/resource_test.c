/* Whatever front lets in: a token is good here only if it is for the resource at which this egress's server is served. */
#include "crypto/testsign.h"
#include "egress/playworld.h"

#include "os/role.h"

static struct sp_testkey *key, *strange;

static const char *
token(const struct sp_testkey *k, const char *aud)
{
	static char text[4096];
	char claims[512];
	struct sp_out o;
	int n = snprintf(claims, sizeof claims, "{\"iss\":\"" TW_ISSUER "\",\"sub\":\"ann\",\"aud\":%s,\"exp\":%lld}", aud,
	    (long long)sp_now_s() + 600);

	sp_out_init(&o, text, sizeof text - 1);
	sp_testkey_token(k, SP_ES256, SP_LIT("{\"alg\":\"ES256\",\"typ\":\"at+jwt\"}"), sp_mem(claims, (size_t)n), &o);
	assert_false(o.full);
	text[o.n] = '\0';
	return text;
}

static void
test_audience(void **state)
{
	static const struct { const char *name, *aud; bool own_key, good; } rows[] = {
		{ "for the server's resource", "\"" TW_HERE "\"", true, true },
		{ "B01 for another resource of this gateway", "\"" TW_THERE "\"", true, false },
		{ "for both", "[\"" TW_THERE "\",\"" TW_HERE "\"]", true, true },
		{ "B17 the other again, after good ones", "\"" TW_THERE "\"", true, false },
		{ "B01 for a path below", "\"" TW_HERE "/x\"", true, false },
		{ "A01 of another key", "\"" TW_HERE "\"", false, false },
	};
	struct play w;
	char jwks[1024];
	struct sp_out o;

	sp_out_init(&o, jwks, sizeof jwks - 1);
	sp_out_str(&o, "{\"keys\":[");
	sp_testkey_jwk(key, &o, "");
	sp_out_str(&o, "]}");
	jwks[o.n] = '\0';
	tw_jwks = jwks;
	pw_open(&w);
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		unsigned before = w.ndial;
		uint32_t id = pw_call_full(&w, T_ANY, token(rows[i].own_key ? key : strange, rows[i].aud), SP_LIT("{\"id\":\"7\"}"),
		    SIZE_MAX, 30000);
		struct pw_reply *r = pw_reply(&w, id);

		if (rows[i].good) {
			pw_answer(&w, w.nup - 1, "1");
			r = pw_reply(&w, id);
		}
		if (!r->done || r->error != (rows[i].good ? SP_OK : SP_E_BAD_TOKEN))
			fail_msg("%s: error %u, %s", rows[i].name, r->error, pw_text(&w, id));
		if (!rows[i].good && w.ndial != before)
			fail_msg("%s: something went to the upstream", rows[i].name);
	}
	pw_close(&w);
}

static int
setup(void **state)
{
	if (tw_secrets(state) != 0 || sp_crypto_init(NULL) != SP_OK)
		return -1;
	key = sp_testkey_new(SP_ES256, 0);
	strange = sp_testkey_new(SP_ES256, 0);
	return 0;
}

static int
teardown(void **state)
{
	sp_testkey_free(&key);
	sp_testkey_free(&strange);
	return tw_secrets_end(state);
}

int
main(void)
{
	const struct CMUnitTest t[] = { cmocka_unit_test(test_audience) };

	return cmocka_run_group_tests(t, setup, teardown);
}

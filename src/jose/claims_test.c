/* Area B of the threat catalogue, at the claims of a token whose signature holds. */
#include "base/check.h"
#include "jose/claims.h"

#include <stdio.h>

#define NOW 1700000000
#define ISS "https://as/t1"
#define AUD "https://g/mcp"

/* Claims with one part replaced: %s in BASE. */
#define OK_TIMES "\"exp\":1700000600"
#define WITH(iss, aud, rest) "{\"iss\":" iss ",\"aud\":" aud ",\"sub\":\"ann\"," rest "}"
#define TIMES(t) WITH("\"" ISS "\"", "\"" AUD "\"", t)
#define AUDIENCE(a) WITH("\"" ISS "\"", a, OK_TIMES)
#define ISSUER(i) WITH(i, "\"" AUD "\"", OK_TIMES)
#define MORE(m) WITH("\"" ISS "\"", "\"" AUD "\"", OK_TIMES "," m)

static const struct {
	const char *name;
	const char *claims;
	bool	    ok;
	const char *why;	/* part of the reason */
} rows[] = {
	{ "plain", TIMES(OK_TIMES), true, NULL },
	{ "B01 audience of another resource", AUDIENCE("\"https://other/mcp\""), false, "aud is [https://other/mcp], expected " AUD },
	{ "B02 no aud", "{\"iss\":\"" ISS "\"," OK_TIMES "}", false, "aud is missing" },
	{ "B03 origin alone", AUDIENCE("\"https://g\""), false, "expected" },
	{ "B03 slash", AUDIENCE("\"https://g/\""), false, "expected" },
	{ "B03 final slash", AUDIENCE("\"https://g/mcp/\""), false, "expected" },
	{ "B03 longer", AUDIENCE("\"https://g/mcp2\""), false, "expected" },
	{ "B03 encoded slash", AUDIENCE("\"https://g/mcp%2F\""), false, "expected" },
	{ "B03 upper case host", AUDIENCE("\"https://G/mcp\""), false, "expected" },
	{ "B03 port", AUDIENCE("\"https://g:443/mcp\""), false, "expected" },
	{ "B03 fragment", AUDIENCE("\"https://g/mcp#x\""), false, "expected" },
	{ "B03 query", AUDIENCE("\"https://g/mcp?x\""), false, "expected" },
	{ "B03 NUL", AUDIENCE("\"https://g/mcp\\u0000\""), false, "expected" },
	{ "B03 second audience", AUDIENCE("\"urn:second\""), true, NULL },
	{ "B04 good and others", AUDIENCE("[\"x\",\"" AUD "\",\"y\"]"), true, NULL },
	{ "B04 only others", AUDIENCE("[\"account\",\"x\",\"y\",\"z\"]"), false, "aud is [account, x, y, …], expected" },
	{ "B04 empty list", AUDIENCE("[]"), false, "aud is []" },
	{ "B04 empty text", AUDIENCE("\"\""), false, "aud is []" },
	{ "B04 nested", AUDIENCE("[[\"" AUD "\"]]"), false, "texts" },
	{ "B04 good and a number", AUDIENCE("[\"" AUD "\",1]"), false, "texts" },
	{ "B04 good and null", AUDIENCE("[\"" AUD "\",null]"), false, "texts" },
	{ "B04 object", AUDIENCE("{\"" AUD "\":true}"), false, "text" },
	{ "B04 number", AUDIENCE("1"), false, "text" },
	{ "B04 null", AUDIENCE("null"), false, "text" },
	{ "B06 final slash", ISSUER("\"https://as/t1/\""), false, "iss is https://as/t1/, expected " ISS },
	{ "B06 case of the path", ISSUER("\"https://as/T1\""), false, "expected" },
	{ "B06 case of the scheme", ISSUER("\"HTTPS://AS/t1\""), false, "expected" },
	{ "B06 encoded space", ISSUER("\"https://as/t1%20\""), false, "expected" },
	{ "B06 port", ISSUER("\"https://as:443/t1\""), false, "expected" },
	{ "B06 list", ISSUER("[\"" ISS "\"]"), false, "iss" },
	{ "B06 missing", "{\"aud\":\"" AUD "\"," OK_TIMES "}", false, "iss is missing" },
	{ "B08 no exp", TIMES("\"iat\":1"), false, "exp is missing" },
	{ "B08 past", TIMES("\"exp\":1699999900"), false, "expired 100 s ago" },
	{ "B08 now less leeway", TIMES("\"exp\":1699999970"), false, "expired 30 s ago" },
	{ "B08 last second of the leeway", TIMES("\"exp\":1699999971"), true, NULL },
	{ "B08 text", TIMES("\"exp\":\"9999999999\""), false, "exp is not a date" },
	{ "B08 1e308", TIMES("\"exp\":1e308"), false, "exp is not a date" },
	{ "B08 1e400", TIMES("\"exp\":1e400"), false, "" },
	{ "B08 exponent", TIMES("\"exp\":17e8"), false, "exp is not a date" },
	{ "B08 2^63", TIMES("\"exp\":9223372036854775808"), false, "exp is not a date" },
	{ "B08 2^64 and a bit", TIMES("\"exp\":18446744075409551616"), false, "exp is not a date" },
	{ "B08 2^53 + 1", TIMES("\"exp\":9007199254740993"), false, "exp is not a date" },
	{ "B08 minus one", TIMES("\"exp\":-1"), false, "expired" },
	{ "B08 1.5", TIMES("\"exp\":1.5"), false, "expired" },
	{ "B08 a fraction", TIMES("\"exp\":1700000600.25"), true, NULL },
	{ "B08 fraction and exponent", TIMES("\"exp\":1.7e9"), false, "exp is not a date" },
	{ "B08 null", TIMES("\"exp\":null"), false, "exp is not a date" },
	{ "B08 true", TIMES("\"exp\":true"), false, "exp is not a date" },
	{ "B08 list", TIMES("\"exp\":[1700000600]"), false, "exp is not a date" },
	{ "B08 NaN", TIMES("\"exp\":NaN"), false, "JSON" },
	{ "B08 Infinity", TIMES("\"exp\":Infinity"), false, "JSON" },
	{ "B09 nbf future", MORE("\"nbf\":1700000031"), false, "nbf" },
	{ "B09 nbf within the leeway", MORE("\"nbf\":1700000030"), true, NULL },
	{ "B09 nbf past", MORE("\"nbf\":1"), true, NULL },
	{ "B09 nbf text", MORE("\"nbf\":\"1\""), false, "nbf" },
	{ "B09 nbf null", MORE("\"nbf\":null"), false, "nbf" },
	{ "B09 iat far future", MORE("\"iat\":1800000000"), false, "iat" },
	{ "B09 iat within the leeway", MORE("\"iat\":1700000030"), true, NULL },
	{ "B09 iat after exp", TIMES("\"exp\":1700000001,\"iat\":1700000002"), false, "issued after" },
	{ "B09 iat true", MORE("\"iat\":true"), false, "iat" },
	{ "B25 cnf jkt", MORE("\"cnf\":{\"jkt\":\"x\"}"), false, "cnf" },
	{ "B25 cnf x5t#S256", MORE("\"cnf\":{\"x5t#S256\":\"x\"}"), false, "cnf" },
	{ "B25 cnf null", MORE("\"cnf\":null"), false, "cnf" },
	{ "A33 nonce", MORE("\"nonce\":\"x\""), false, "ID token" },
	{ "A33 at_hash", MORE("\"at_hash\":\"x\""), false, "ID token" },
	{ "A32 logout events", MORE("\"events\":{}"), false, "event" },
	{ "A40 sub twice", MORE("\"sub\":\"root\""), false, "JSON" },
	{ "A40 aud twice", MORE("\"aud\":\"x\""), false, "JSON" },
	{ "A40 escaped sub", MORE("\"\\u0073ub\":\"root\""), false, "JSON" },
	{ "A40 twice, deep", MORE("\"a\":{\"b\":1,\"b\":2}"), false, "JSON" },
	{ "A41 list", "[]", false, "object" },
	{ "A41 text", "\"x\"", false, "object" },
	{ "A41 number", "1", false, "object" },
	{ "A41 null", "null", false, "object" },
	{ "A37 empty", "", false, "JSON" },
	{ "A41 trailing bytes", TIMES(OK_TIMES) "x", false, "JSON" },
	{ "A41 BOM", "\xef\xbb\xbf" TIMES(OK_TIMES), false, "JSON" },
	{ "A41 invalid UTF-8", MORE("\"a\":\"\xff\""), false, "JSON" },
	{ "A41 lone surrogate", MORE("\"a\":\"\\udc00\""), false, "JSON" },
	{ "A41 control character", MORE("\"a\":\"\n\""), false, "JSON" },
	{ "A41 UTF-16", "{\0\"\0", false, "JSON" },
};

static enum sp_status
check(sp_slice payload, sp_slice typ, int64_t now, struct sp_err *e)
{
	static const sp_slice audiences[] = { SP_LIT_INIT(AUD), SP_LIT_INIT("urn:second") };
	const struct sp_claims_want want = { SP_LIT(ISS), audiences, 2, now, 30 };
	const struct sp_verified v = { payload, typ, { NULL, 0 }, SP_RS256 };
	struct sp_arena a;
	sp_jval *claims = NULL;
	int64_t exp = -7;
	enum sp_status st;

	sp_arena_init(&a, 4 << 20);
	st = sp_claims_check(&a, &v, &want, &claims, &exp, e);
	if (st == SP_OK)
		CHECK("result", claims != NULL && exp > now - 30 && sp_eq(sp_jtext(SP_JGET(claims, "sub")), SP_LIT("ann")));
	else
		CHECK("untouched", claims == NULL && exp == -7 && st == SP_E_BAD_TOKEN);
	sp_arena_free(&a);
	return st;
}

static void
test_rows(void **state)
{
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct sp_err e = { 0 };
		bool ok = check(sp_str(rows[i].claims), SP_LIT("at+jwt"), NOW, &e) == SP_OK;

		if (ok != rows[i].ok || (!ok && strstr(e.log, rows[i].why) == NULL))
			fail_msg("%s: %s", rows[i].name, ok ? "accepted" : e.log);
		CHECK(rows[i].name, ok || strcmp(e.pub, "invalid token") == 0);
		CHECK(rows[i].name, ok == (check(sp_str(rows[i].claims), SP_LIT(""), NOW, NULL) == SP_OK));
	}
}

/* A32: which kinds of JWT may be access tokens. */
static void
test_typ(void **state)
{
	static const struct { sp_slice typ; bool ok; } typs[] = {
		{ SP_LIT_INIT(""), true }, { SP_LIT_INIT("JWT"), true }, { SP_LIT_INIT("jwt"), true },
		{ SP_LIT_INIT("at+jwt"), true }, { SP_LIT_INIT("AT+JWT"), true }, { SP_LIT_INIT("application/at+jwt"), true },
		{ SP_LIT_INIT("dpop+jwt"), false }, { SP_LIT_INIT("logout+jwt"), false },
		{ SP_LIT_INIT("oauth-id-jag+jwt"), false }, { SP_LIT_INIT("application/dpop+jwt"), false },
		{ SP_LIT_INIT("secevent+jwt"), false }, { SP_LIT_INIT("at+jwt "), false }, { SP_LIT_INIT("at+jwt\0"), false },
		{ SP_LIT_INIT("application/application/at+jwt"), false }, { SP_LIT_INIT("x"), false },
		{ SP_LIT_INIT("rt+jwt"), false },
	};

	for (size_t i = 0; i < SP_COUNT(typs); i++)
		CHECK(typs[i].typ.p, (check(sp_str(TIMES(OK_TIMES)), typs[i].typ, NOW, NULL) == SP_OK) == typs[i].ok);
}

/* B04, B26: many of everything. */
static void
test_many(void **state)
{
	static const size_t counts[] = { 63, 64, 10000 };
	struct sp_out o;

	for (size_t i = 0; i < SP_COUNT(counts); i++) {
		sp_out_heap(&o, 1 << 20);
		sp_out_str(&o, "{\"iss\":\"" ISS "\",\"sub\":\"ann\"," OK_TIMES ",\"aud\":[\"" AUD "\"");
		for (size_t n = 0; n < counts[i]; n++)
			sp_out_str(&o, ",\"x\"");
		sp_out_str(&o, "]}");
		CHECK("B04 entries", (check(sp_out_view(&o), SP_LIT(""), NOW, NULL) == SP_OK) == (counts[i] == 63));
		sp_out_free(&o);
	}
	sp_out_heap(&o, 1 << 20);
	sp_out_str(&o, "{\"iss\":\"" ISS "\",\"sub\":\"ann\"," OK_TIMES ",\"aud\":\"" AUD "\",\"act\":");
	for (size_t n = 0; n < 1000; n++)
		sp_out_str(&o, "{\"act\":");
	sp_out_str(&o, "1");
	for (size_t n = 0; n < 1000; n++)
		sp_out_byte(&o, '}');
	sp_out_byte(&o, '}');
	CHECK("B26 nested act", check(sp_out_view(&o), SP_LIT(""), NOW, NULL) == SP_E_BAD_TOKEN);
	sp_out_free(&o);
}

static void
test_no_audience_wanted(void **state)
{
	const struct sp_claims_want want = { SP_LIT(ISS), NULL, 0, NOW, 0 };
	const struct sp_verified v = { sp_str(TIMES(OK_TIMES)), { NULL, 0 }, { NULL, 0 }, SP_RS256 };
	struct sp_arena a;
	sp_jval *claims;
	int64_t exp;

	sp_arena_init(&a, 1 << 16);
	CHECK("nobody expects it", sp_claims_check(&a, &v, &want, &claims, &exp, NULL) == SP_E_BAD_TOKEN);
	sp_arena_free(&a);
}

/* Without leeway the second of `exp` itself is too late (RFC 7519 section 4.1.4: "on or after"). */
static void
test_no_leeway(void **state)
{
	static const sp_slice aud = SP_LIT_INIT(AUD);
	const struct sp_verified v = { sp_str(TIMES("\"exp\":1700000000")), { NULL, 0 }, { NULL, 0 }, SP_RS256 };

	for (int64_t now = NOW - 1; now <= NOW; now++) {
		const struct sp_claims_want want = { SP_LIT(ISS), &aud, 1, now, 0 };
		struct sp_arena a;
		sp_jval *claims;
		int64_t exp;

		sp_arena_init(&a, 1 << 16);
		CHECK("B08 == now", (sp_claims_check(&a, &v, &want, &claims, &exp, NULL) == SP_OK) == (now < NOW));
		sp_arena_free(&a);
	}
}

/* B15: paths. */
static void
test_paths(void **state)
{
	static const struct { const char *path, *want; } paths[] = {
		{ "a", "{\"b\":{\"c\":\"deep\"}}" }, { "a.b.c", "\"deep\"" }, { "a.b", "{\"c\":\"deep\"}" },
		{ "x.y", NULL },		/* only a claim literally named x.y is there */
		{ "list.0", NULL }, { "list.length", NULL }, { "__proto__", NULL }, { "a.__proto__", NULL },
		{ "", NULL }, { ".", NULL }, { "a.", NULL }, { ".a", NULL }, { "a..b", NULL }, { "text.a", NULL },
		{ "none", NULL }, { "A", NULL },
	};
	struct sp_json j = { 0 };

	assert_int_equal(sp_json_read(SP_LIT("{\"a\":{\"b\":{\"c\":\"deep\"}},\"x.y\":1,\"list\":[1],\"text\":\"a\"}"),
	    SP_JSON_DEFAULT, &j, NULL), SP_OK);
	for (size_t i = 0; i < SP_COUNT(paths); i++) {
		sp_jval *v = sp_claim_at(j.root, sp_str(paths[i].path));
		char buf[100];
		struct sp_out o;

		CHECK(paths[i].path, (v != NULL) == (paths[i].want != NULL));
		if (v == NULL)
			continue;
		sp_out_init(&o, buf, sizeof buf);
		sp_jwrite(&o, v);
		CHECK(paths[i].path, sp_eq(sp_out_view(&o), sp_str(paths[i].want)));
	}
	assert_null(sp_claim_at(NULL, SP_LIT("a")));
	sp_json_free(&j);
}

int
main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(test_rows), cmocka_unit_test(test_typ), cmocka_unit_test(test_many),
		cmocka_unit_test(test_no_audience_wanted), cmocka_unit_test(test_no_leeway), cmocka_unit_test(test_paths),
	};

	return cmocka_run_group_tests(t, NULL, NULL);
}

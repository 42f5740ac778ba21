/* What a decision point is told, and every way in which its answer can be none (threat row E11). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "checker/document.h"

#define X50 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X250 X50 X50 X50 X50 X50
#define FAILED SP_CHECK_FAILED

static const struct { const char *name; sp_slice body; enum sp_check_verdict want; const char *text, *scopes; uint32_t age; } answers[] = {
	{ "allow", SP_LIT_INIT("{\"decision\":\"allow\"}"), SP_CHECK_ALLOWED, "", "", 0 },
	{ "allow, spaced", SP_LIT_INIT(" { \"decision\" : \"allow\" }\n"), SP_CHECK_ALLOWED, "", "", 0 },
	{ "deny", SP_LIT_INIT("{\"decision\":\"deny\"}"), SP_CHECK_DENIED, "", "", 0 },
	{ "deny with a message", SP_LIT_INIT("{\"decision\":\"deny\",\"message\":\"ask \\u00e4\"}"), SP_CHECK_REFUSED, "ask \xc3\xa4", "", 0 },
	{ "scopes", SP_LIT_INIT("{\"decision\":\"scopes\",\"scopes\":[\"a:b\",\"c\"]}"), SP_CHECK_SHORT, "", "a:b c", 0 },
	{ "to be kept", SP_LIT_INIT("{\"decision\":\"allow\",\"max_age_s\":30}"), SP_CHECK_ALLOWED, "", "", 30 },
	{ "to be kept too long", SP_LIT_INIT("{\"decision\":\"allow\",\"max_age_s\":86400}"), SP_CHECK_ALLOWED, "", "", 60 },
	{ "not to be kept", SP_LIT_INIT("{\"decision\":\"allow\",\"max_age_s\":0}"), SP_CHECK_ALLOWED, "", "", 0 },
	{ "the longest message", SP_LIT_INIT("{\"decision\":\"deny\",\"message\":\"" X250 "12345\"}"), SP_CHECK_REFUSED, X250 "12345", "", 0 },
	{ "E11 empty", SP_LIT_INIT(""), FAILED, "", "", 0 },
	{ "E11 not JSON", SP_LIT_INIT("yes"), FAILED, "", "", 0 },
	{ "E11 true", SP_LIT_INIT("true"), FAILED, "", "", 0 },
	{ "E11 half", SP_LIT_INIT("{\"decision\":\"allow\""), FAILED, "", "", 0 },
	{ "E11 something behind", SP_LIT_INIT("{\"decision\":\"allow\"}{}"), FAILED, "", "", 0 },
	{ "E11 byte order mark", SP_LIT_INIT("\xef\xbb\xbf{\"decision\":\"allow\"}"), FAILED, "", "", 0 },
	{ "E11 a list", SP_LIT_INIT("[\"allow\"]"), FAILED, "", "", 0 },
	{ "E11 no decision", SP_LIT_INIT("{}"), FAILED, "", "", 0 },
	{ "E11 a decision of another type", SP_LIT_INIT("{\"decision\":true}"), FAILED, "", "", 0 },
	{ "E11 an unknown decision", SP_LIT_INIT("{\"decision\":\"Allow\"}"), FAILED, "", "", 0 },
	{ "E11 a longer decision", SP_LIT_INIT("{\"decision\":\"allow \"}"), FAILED, "", "", 0 },
	{ "E11 NUL in the decision", SP_LIT_INIT("{\"decision\":\"allow\\u0000\"}"), FAILED, "", "", 0 },
	{ "E11 two decisions", SP_LIT_INIT("{\"decision\":\"deny\",\"decision\":\"allow\"}"), FAILED, "", "", 0 },
	{ "E11 two decisions, one escaped", SP_LIT_INIT("{\"decision\":\"deny\",\"decisio\\u006e\":\"allow\"}"), FAILED, "", "", 0 },
	{ "E11 an obligation", SP_LIT_INIT("{\"decision\":\"allow\",\"only_if\":\"x\"}"), FAILED, "", "", 0 },
	{ "E11 allow with a message", SP_LIT_INIT("{\"decision\":\"allow\",\"message\":\"x\"}"), FAILED, "", "", 0 },
	{ "E11 empty message", SP_LIT_INIT("{\"decision\":\"deny\",\"message\":\"\"}"), FAILED, "", "", 0 },
	{ "E11 a message that is none", SP_LIT_INIT("{\"decision\":\"deny\",\"message\":null}"), FAILED, "", "", 0 },
	{ "E11 message over its size", SP_LIT_INIT("{\"decision\":\"deny\",\"message\":\"" X250 "123456\"}"), FAILED, "", "", 0 },
	{ "E11 message of two lines", SP_LIT_INIT("{\"decision\":\"deny\",\"message\":\"a\\nb\"}"), FAILED, "", "", 0 },
	{ "E11 message with an escape", SP_LIT_INIT("{\"decision\":\"deny\",\"message\":\"a\\u001b[2J\"}"), FAILED, "", "", 0 },
	{ "E11 message with C1", SP_LIT_INIT("{\"decision\":\"deny\",\"message\":\"a\\u009b\"}"), FAILED, "", "", 0 },
	{ "E11 message that is not UTF-8", SP_LIT_INIT("{\"decision\":\"deny\",\"message\":\"\xff\"}"), FAILED, "", "", 0 },
	{ "E11 scopes without any", SP_LIT_INIT("{\"decision\":\"scopes\"}"), FAILED, "", "", 0 },
	{ "E11 scopes, an empty list", SP_LIT_INIT("{\"decision\":\"scopes\",\"scopes\":[]}"), FAILED, "", "", 0 },
	{ "E11 scopes, a text", SP_LIT_INIT("{\"decision\":\"scopes\",\"scopes\":\"a\"}"), FAILED, "", "", 0 },
	{ "E11 scopes, an object", SP_LIT_INIT("{\"decision\":\"scopes\",\"scopes\":{\"a\":\"b\"}}"), FAILED, "", "", 0 },
	{ "E11 two scopes in one", SP_LIT_INIT("{\"decision\":\"scopes\",\"scopes\":[\"a b\"]}"), FAILED, "", "", 0 },
	{ "E11 a scope with a quote", SP_LIT_INIT("{\"decision\":\"scopes\",\"scopes\":[\"a\\\", error=\\\"x\"]}"), FAILED, "", "", 0 },
	{ "E11 an empty scope", SP_LIT_INIT("{\"decision\":\"scopes\",\"scopes\":[\"\"]}"), FAILED, "", "", 0 },
	{ "E11 the same scope twice", SP_LIT_INIT("{\"decision\":\"scopes\",\"scopes\":[\"a\",\"a\"]}"), FAILED, "", "", 0 },
	{ "E11 scopes over their size", SP_LIT_INIT("{\"decision\":\"scopes\",\"scopes\":[\"" X250 "\",\"y" X250 "\",\"z" X50 "\"]}"), FAILED, "", "", 0 },
	{ "E11 allow and scopes", SP_LIT_INIT("{\"decision\":\"allow\",\"scopes\":[\"a\"]}"), FAILED, "", "", 0 },
	{ "E11 an age that is negative", SP_LIT_INIT("{\"decision\":\"allow\",\"max_age_s\":-1}"), FAILED, "", "", 0 },
	{ "E11 an age in parts", SP_LIT_INIT("{\"decision\":\"allow\",\"max_age_s\":1.5}"), FAILED, "", "", 0 },
	{ "E11 an age as text", SP_LIT_INIT("{\"decision\":\"allow\",\"max_age_s\":\"5\"}"), FAILED, "", "", 0 },
	{ "E11 an age beyond numbers", SP_LIT_INIT("{\"decision\":\"allow\",\"max_age_s\":99999999999999999999}"), FAILED, "", "", 0 },
	{ "E11 deep", SP_LIT_INIT("{\"decision\":\"allow\",\"max_age_s\":[[[[[[]]]]]]}"), FAILED, "", "", 0 },
};

static void
test_answers(void **state)
{
	for (size_t i = 0; i < SP_COUNT(answers); i++) {
		struct sp_point_answer a = { 0 };
		struct sp_err e = { 0 };
		enum sp_status st = sp_point_read(answers[i].body, &a, &e);

		if ((st == SP_OK) != (answers[i].want != FAILED) || a.verdict != answers[i].want || a.max_age_s != answers[i].age ||
		    !sp_eq(sp_mem(a.text, a.text_n), sp_str(answers[i].text)) || !sp_eq(sp_mem(a.scopes, a.scopes_n), sp_str(answers[i].scopes)))
			fail_msg("%s: status %d, verdict %d, %s", answers[i].name, (int)st, (int)a.verdict, e.log);
		if (st != SP_OK)
			assert_true(e.log[0] != '\0');
	}
}

static const struct { const char *name; struct sp_m_check m; const char *want; } questions[] = {
	{ "a call", { .kind = 1, .flags = SP_CHECK_HAS_ARGS | SP_CHECK_WRITES, .user = SP_LIT_INIT("ann\""), .issuer = SP_LIT_INIT("https://i"),
	    .client_id = SP_LIT_INIT("app"), .source = SP_LIT_INIT("people"), .scopes = SP_LIT_INIT("a b"), .tags = SP_LIT_INIT("\0\1t\0\3u v"),
	    .server = SP_LIT_INIT("dns"), .name = SP_LIT_INIT("put"), .about = SP_LIT_INIT("\0\1z"), .peer = SP_LIT_INIT("::1"),
	    .args = SP_LIT_INIT("{ \"n\": 1e400 }") },
	    "{\"check\":\"c\",\"principal\":{\"subject\":\"ann\\\"\",\"issuer\":\"https://i\",\"client_id\":\"app\",\"source\":\"people\","
	    "\"scopes\":[\"a\",\"b\"],\"tags\":[\"t\",\"u v\"]},\"component\":{\"server\":\"dns\",\"kind\":\"tool\",\"name\":\"put\",\"tags\":[\"z\"],"
	    "\"access\":\"write\"},\"arguments\":{\"n\":1e400},\"transport\":\"http\",\"peer\":\"::1\"}" },
	{ "a list, nobody", { .kind = 4, .flags = SP_CHECK_LIST | SP_CHECK_NOBODY, .source = SP_LIT_INIT("anonymous") },
	    "{\"check\":\"c\",\"principal\":null,\"component\":{\"server\":null,\"kind\":\"prompt\",\"name\":null,\"tags\":[]},\"arguments\":null,"
	    "\"transport\":\"http\",\"peer\":null}" },
	{ "a list of tools", { .kind = 1, .flags = SP_CHECK_LIST, .user = SP_LIT_INIT("u"), .source = SP_LIT_INIT("s") },
	    "{\"check\":\"c\",\"principal\":{\"subject\":\"u\",\"issuer\":null,\"client_id\":null,\"source\":\"s\",\"scopes\":[],\"tags\":[]},"
	    "\"component\":{\"server\":null,\"kind\":\"tool\",\"name\":null,\"tags\":[]},\"arguments\":null,\"transport\":\"http\",\"peer\":null}" },
	{ "arguments that are none", { .kind = 1, .flags = SP_CHECK_HAS_ARGS, .server = SP_LIT_INIT("s"), .name = SP_LIT_INIT("n"),
	    .args = SP_LIT_INIT("{},\"x\":{}") }, NULL },
	{ "arguments that are a list", { .kind = 1, .flags = SP_CHECK_HAS_ARGS, .server = SP_LIT_INIT("s"), .name = SP_LIT_INIT("n"),
	    .args = SP_LIT_INIT("[]") }, NULL },
};

static void
test_questions(void **state)
{
	for (size_t i = 0; i < SP_COUNT(questions); i++) {
		char buf[2000];
		struct sp_out o;
		struct sp_err e = { 0 };
		enum sp_status st;

		sp_out_init(&o, buf, sizeof buf);
		st = sp_point_question(SP_LIT("c"), &questions[i].m, &o, &e);
		if ((st == SP_OK) != (questions[i].want != NULL) ||
		    (st == SP_OK && !sp_eq(sp_out_view(&o), sp_str(questions[i].want))))
			fail_msg("%s: %.*s %s", questions[i].name, SP_PRI(sp_out_view(&o)), e.log);
	}
}

static void
test_too_large(void **state)
{
	char buf[40];
	struct sp_out o;
	struct sp_err e = { 0 };

	sp_out_init(&o, buf, sizeof buf);
	assert_int_equal(sp_point_question(SP_LIT("c"), &questions[1].m, &o, &e), SP_E_TOO_BIG);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_answers), cmocka_unit_test(test_questions), cmocka_unit_test(test_too_large) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

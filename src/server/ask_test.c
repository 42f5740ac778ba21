/* Questions and answers without a server: what may be asked, what counts as an answer, what travels. */
#include "base/check.h"
#include "server/ask.h"

#include <stdio.h>

enum { EVERYTHING = SP_CLIENT_ELICITATION | SP_CLIENT_ELICIT_FORM | SP_CLIENT_ELICIT_URL | SP_CLIENT_SAMPLING | SP_CLIENT_ROOTS };
#define NAME "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\",\"minLength\":2}},\"required\":[\"name\"]}"
#define MESSAGES "{\"messages\":[{\"role\":\"user\",\"content\":{\"type\":\"text\",\"text\":\"?\"}}],\"maxTokens\":100"

static void
read_json(struct sp_json *j, const char *text)
{
	assert_int_equal(sp_json_read(sp_str(text), SP_JSON_DEFAULT, j, NULL), SP_OK);
}

/* ---- forms */

#define FIELD(f) "{\"type\":\"object\",\"properties\":{\"x\":" f "}}"
static const struct { const char *name, *schema; bool ok; } forms[] = {
	{ "text", NAME, true },
	{ "no fields", "{\"type\":\"object\",\"properties\":{}}", true },
	{ "every format", FIELD("{\"type\":\"string\",\"format\":\"date-time\",\"title\":\"T\",\"description\":\"d\",\"maxLength\":9}"),
	    true },
	{ "number with limits", FIELD("{\"type\":\"number\",\"minimum\":0.5,\"maximum\":9,\"default\":1}"), true },
	{ "integer", FIELD("{\"type\":\"integer\",\"default\":30}"), true },
	{ "boolean", FIELD("{\"type\":\"boolean\",\"default\":true}"), true },
	{ "enumeration", FIELD("{\"type\":\"string\",\"enum\":[\"a\",\"b\"],\"default\":\"a\"}"), true },
	{ "titled enumeration", FIELD("{\"type\":\"string\",\"oneOf\":[{\"const\":\"a\",\"title\":\"A\"}]}"), true },
	{ "legacy enumNames", FIELD("{\"type\":\"string\",\"enum\":[\"a\"],\"enumNames\":[\"A\"]}"), true },
	{ "several of a list", FIELD("{\"type\":\"array\",\"items\":{\"type\":\"string\",\"enum\":[\"a\"]},\"minItems\":1}"), true },
	{ "several of a titled list",
	    FIELD("{\"type\":\"array\",\"items\":{\"anyOf\":[{\"const\":\"a\",\"title\":\"A\"}]},\"default\":[\"a\"]}"), true },
	{ "$schema", "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"type\":\"object\",\"properties\":{}}", true },
	{ "no object", "{\"type\":\"string\"}", false },
	{ "a list", "[]", false },
	{ "no properties", "{\"type\":\"object\"}", false },
	{ "object in object", FIELD("{\"type\":\"object\",\"properties\":{}}"), false },
	{ "list of objects", FIELD("{\"type\":\"array\",\"items\":{\"type\":\"object\"}}"), false },
	{ "list of any texts", FIELD("{\"type\":\"array\",\"items\":{\"type\":\"string\"}}"), false },
	{ "list of nothing", FIELD("{\"type\":\"array\"}"), false },
	{ "field without type", FIELD("{\"enum\":[\"a\"]}"), false },
	{ "two types", FIELD("{\"type\":[\"string\",\"null\"]}"), false },
	{ "null", FIELD("{\"type\":\"null\"}"), false },
	{ "enumeration of numbers", FIELD("{\"type\":\"string\",\"enum\":[1]}"), false },
	{ "empty enumeration", FIELD("{\"type\":\"string\",\"enum\":[]}"), false },
	{ "pattern", FIELD("{\"type\":\"string\",\"pattern\":\"(a+)+$\"}"), false },
	{ "unknown format", FIELD("{\"type\":\"string\",\"format\":\"password\"}"), false },
	{ "default of another type", FIELD("{\"type\":\"boolean\",\"default\":\"yes\"}"), false },
	{ "negative length", FIELD("{\"type\":\"string\",\"minLength\":-1}"), false },
	{ "reference", FIELD("{\"$ref\":\"#/$defs/x\"}"), false },
	{ "allOf", "{\"type\":\"object\",\"properties\":{},\"allOf\":[]}", false },
	{ "requires what is not there", "{\"type\":\"object\",\"properties\":{},\"required\":[\"x\"]}", false },
	{ "title without const", FIELD("{\"type\":\"string\",\"oneOf\":[{\"title\":\"A\"}]}"), false },
	{ "more in a choice", FIELD("{\"type\":\"string\",\"oneOf\":[{\"const\":\"a\",\"title\":\"A\",\"x\":1}]}"), false },
	{ "no JSON", "{", false },
};

static void
test_forms(void **state)
{
	for (size_t i = 0; i < SP_COUNT(forms); i++) {
		struct sp_elicit_answer answer;
		struct sp_ask a;
		enum sp_rc rc;

		sp_asking_init(&a, EVERYTHING);
		rc = sp_ask_form(&a, "k", "?", forms[i].schema, &answer);
		CHECK(forms[i].name, rc == (forms[i].ok ? SP_RC_PENDING : SP_RC_INVALID));
		CHECK(forms[i].name, a.nasked == (forms[i].ok ? 1u : 0u));
		sp_asking_free(&a);
	}
}

/* ---- what clients can do */

static enum sp_rc
ask_each(struct sp_ask *a, int which)
{
	struct sp_elicit_answer answer;
	const char *text;

	switch (which) {
	case 0:
		return sp_ask_form(a, "form", "?", NAME, &answer);
	case 1:
		return sp_ask_url(a, "url", "?", "https://example.com/x", NULL, &answer);
	case 2:
		return sp_ask_sample(a, "sample", MESSAGES "}", &text);
	case 3:
		return sp_ask_sample(a, "tools", MESSAGES ",\"tools\":[]}", &text);
	case 4:
		return sp_ask_sample(a, "context", MESSAGES ",\"includeContext\":\"allServers\"}", &text);
	}
	return sp_ask_roots(a, "roots", &text);
}

static void
test_capabilities(void **state)
{
	static const struct { const char *name; uint32_t caps; bool can[6]; } rows[] = {
		{ "nothing", 0, { 0 } },
		{ "forms", SP_CLIENT_ELICITATION | SP_CLIENT_ELICIT_FORM, { true } },
		{ "pages only", SP_CLIENT_ELICITATION | SP_CLIENT_ELICIT_URL, { false, true } },
		{ "sampling", SP_CLIENT_SAMPLING, { false, false, true } },
		{ "sampling with tools", SP_CLIENT_SAMPLING | SP_CLIENT_SAMPLE_TOOLS, { false, false, true, true } },
		{ "sampling with context", SP_CLIENT_SAMPLING | SP_CLIENT_SAMPLE_CONTEXT, { false, false, true, false, true } },
		{ "roots", SP_CLIENT_ROOTS, { false, false, false, false, false, true } },
	};

	for (size_t i = 0; i < SP_COUNT(rows); i++)
		for (int k = 0; k < 6; k++) {
			struct sp_ask a;

			sp_asking_init(&a, rows[i].caps);
			CHECK(rows[i].name, ask_each(&a, k) == (rows[i].can[k] ? SP_RC_PENDING : SP_RC_UNSUPPORTED));
			sp_asking_free(&a);
		}
}

/* ---- what cannot be asked */

static void
test_bad_questions(void **state)
{
	static const char *const keys[] = { "", "a b", "a\"b", "\xc3\xa9",
	    "12345678901234567890123456789012345678901234567890123456789012345" };
	static const char *const urls[] = { "", "javascript:alert(1)", "example.com", "file:///etc/passwd", "https:x", "ftp://x" };
	static const char *const samples[] = { "", "[]", "{}", MESSAGES ",\"maxTokens\":1}", "{\"messages\":[],\"maxTokens\":0}",
	    "{\"messages\":{},\"maxTokens\":1}" };
	struct sp_elicit_answer answer;
	const char *text;
	struct sp_ask a;

	sp_asking_init(&a, EVERYTHING);
	for (size_t i = 0; i < SP_COUNT(keys); i++)
		CHECK(keys[i], sp_ask_form(&a, keys[i], "?", NAME, &answer) == SP_RC_INVALID);
	for (size_t i = 0; i < SP_COUNT(urls); i++)
		CHECK(urls[i], sp_ask_url(&a, "k", "?", urls[i], NULL, &answer) == SP_RC_INVALID);
	for (size_t i = 0; i < SP_COUNT(samples); i++)
		CHECK(samples[i], sp_ask_sample(&a, "k", samples[i], &text) == SP_RC_INVALID);
	assert_int_equal(a.nasked, 0);
	/* One key is one question. */
	assert_int_equal(sp_ask_form(&a, "k", "?", NAME, &answer), SP_RC_PENDING);
	assert_int_equal(sp_ask_form(&a, "k", "?", NAME, &answer), SP_RC_PENDING);
	assert_int_equal(sp_ask_form(&a, "k", "another?", NAME, &answer), SP_RC_INVALID);
	assert_int_equal(sp_ask_roots(&a, "k", &text), SP_RC_INVALID);
	assert_int_equal(a.nasked, 1);
	for (unsigned i = 1; i < SP_ASK_MAX; i++) {
		char key[16];

		snprintf(key, sizeof key, "k%u", i);
		assert_int_equal(sp_ask_roots(&a, key, &text), SP_RC_PENDING);
	}
	assert_int_equal(sp_ask_roots(&a, "one-more", &text), SP_RC_TOO_BIG);
	sp_asking_free(&a);
}

/* ---- answers */

#define SAMPLED "{\"role\":\"assistant\",\"content\":{\"type\":\"text\",\"text\":\"Paris\"},\"model\":\"m\"}"
static const struct { const char *name; int which; const char *response; enum sp_rc want; bool broken; } answers[] = {
	{ "accepted", 0, "{\"action\":\"accept\",\"content\":{\"name\":\"Al\"}}", SP_RC_OK, false },
	{ "with more than was asked", 0, "{\"action\":\"accept\",\"content\":{\"name\":\"Al\",\"y\":[\"a\"]}}", SP_RC_OK, false },
	{ "declined", 0, "{\"action\":\"decline\"}", SP_RC_OK, false },
	{ "cancelled with content", 0, "{\"action\":\"cancel\",\"content\":7}", SP_RC_OK, false },
	{ "too short for the schema", 0, "{\"action\":\"accept\",\"content\":{\"name\":\"A\"}}", SP_RC_PENDING, true },
	{ "another type", 0, "{\"action\":\"accept\",\"content\":{\"name\":1}}", SP_RC_PENDING, true },
	{ "required field missing", 0, "{\"action\":\"accept\",\"content\":{}}", SP_RC_PENDING, true },
	{ "no content", 0, "{\"action\":\"accept\"}", SP_RC_PENDING, true },
	{ "content null", 0, "{\"action\":\"accept\",\"content\":null}", SP_RC_PENDING, true },
	{ "object in content", 0, "{\"action\":\"accept\",\"content\":{\"name\":\"Al\",\"y\":{}}}", SP_RC_PENDING, true },
	{ "list of numbers in content", 0, "{\"action\":\"accept\",\"content\":{\"name\":\"Al\",\"y\":[1]}}", SP_RC_PENDING, true },
	{ "unknown action", 0, "{\"action\":\"yes\"}", SP_RC_PENDING, true },
	{ "no action", 0, "{}", SP_RC_PENDING, true },
	{ "action is a number", 0, "{\"action\":1}", SP_RC_PENDING, true },
	{ "page agreed to", 1, "{\"action\":\"accept\"}", SP_RC_OK, false },
	{ "page: no action", 1, "{\"content\":{}}", SP_RC_PENDING, true },
	{ "sampled", 2, SAMPLED, SP_RC_OK, false },
	{ "sampled blocks", 2, "{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"a\"}],\"model\":\"m\"}", SP_RC_OK, false },
	{ "sampled by nobody", 2, "{\"role\":\"system\",\"content\":{\"type\":\"text\"},\"model\":\"m\"}", SP_RC_PENDING, true },
	{ "sampled without model", 2, "{\"role\":\"assistant\",\"content\":{\"type\":\"text\"}}", SP_RC_PENDING, true },
	{ "sampled text as content", 2, "{\"role\":\"assistant\",\"content\":\"a\",\"model\":\"m\"}", SP_RC_PENDING, true },
	{ "answer of another kind", 2, "{\"action\":\"accept\"}", SP_RC_PENDING, true },
	{ "roots", 5, "{\"roots\":[{\"uri\":\"file:///x\",\"name\":\"X\"}]}", SP_RC_OK, false },
	{ "no roots", 5, "{\"roots\":[]}", SP_RC_OK, false },
	{ "roots missing", 5, "{}", SP_RC_PENDING, true },
	{ "root without uri", 5, "{\"roots\":[{\"name\":\"X\"}]}", SP_RC_PENDING, true },
	{ "root is a text", 5, "{\"roots\":[\"file:///x\"]}", SP_RC_PENDING, true },
	{ "roots is an object", 5, "{\"roots\":{}}", SP_RC_PENDING, true },
};

static void
test_answers(void **state)
{
	static const char *const keys[] = { "form", "url", "sample", "", "", "roots" };

	for (size_t i = 0; i < SP_COUNT(answers); i++) {
		struct sp_json j = { 0 };
		struct sp_ask a;
		char text[512];

		snprintf(text, sizeof text, "{\"%s\":%s,\"more\":{\"x\":1}}", keys[answers[i].which], answers[i].response);
		read_json(&j, text);
		sp_asking_init(&a, EVERYTHING);
		CHECK(answers[i].name, sp_asking_read(&a, j.root, NULL) == SP_OK);
		CHECK(answers[i].name, ask_each(&a, answers[i].which) == answers[i].want);
		CHECK(answers[i].name, a.broken == answers[i].broken && a.nasked == 0);
		CHECK(answers[i].name, !a.broken || a.why.code == SP_E_BAD_PARAMS);
		sp_asking_free(&a);
		sp_json_free(&j);
	}
}

static void
test_malformed(void **state)
{
	static const char *const rows[] = { "null", "12345", "\"x\"", "[]", "true", "{\"user_name\":12345}", "{\"a\":null}",
	    "{\"a\":{},\"b\":[]}" };
	static char many[2048];
	size_t n = 0;
	struct sp_json j = { 0 };
	struct sp_ask a;

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		read_json(&j, rows[i]);
		sp_asking_init(&a, EVERYTHING);
		CHECK(rows[i], sp_asking_read(&a, j.root, NULL) == SP_E_BAD_PARAMS && a.ngiven == 0);
		sp_json_free(&j);
	}
	for (unsigned i = 0; i <= 2 * SP_ASK_MAX; i++)
		n += (size_t)snprintf(many + n, sizeof many - n, "%c\"k%u\":{}", i == 0 ? '{' : ',', i);
	snprintf(many + n, sizeof many - n, "}");
	read_json(&j, many);
	sp_asking_init(&a, EVERYTHING);
	assert_int_equal(sp_asking_read(&a, j.root, NULL), SP_E_BAD_PARAMS);
	sp_asking_free(&a);
	sp_json_free(&j);
}

/* ---- rounds */

static void
test_rounds(void **state)
{
	struct sp_json r = { 0 }, late = { 0 };
	struct sp_elicit_answer answer;
	struct sp_ask first, second;
	const char *text;
	struct sp_out o, packed;

	read_json(&r, "{\"form\":{\"action\":\"accept\",\"content\":{\"name\":\"Alice\"}},\"extra\":{}}");
	read_json(&late, "{\"form\":{\"action\":\"accept\",\"content\":{\"name\":\"Mallory\"}},\"roots\":{\"roots\":[]}}");
	sp_asking_init(&first, EVERYTHING);
	assert_int_equal(sp_asking_read(&first, r.root, NULL), SP_OK);
	assert_int_equal(ask_each(&first, 0), SP_RC_OK);
	assert_int_equal(ask_each(&first, 5), SP_RC_PENDING);
	assert_int_equal(sp_ask_keep(&first, "step 2"), SP_RC_OK);
	sp_out_heap(&o, 1 << 20);
	sp_asking_requests(&first, &o);
	assert_true(sp_eq(sp_out_view(&o), SP_LIT("{\"roots\":{\"method\":\"roots/list\",\"params\":{}}}")));
	sp_out_heap(&packed, 1 << 20);
	sp_asking_pack(&first, &packed);
	/* What nobody asked for does not travel. */
	assert_true(sp_find(sp_out_view(&packed), SP_LIT("extra")) == SIZE_MAX);

	sp_asking_init(&second, EVERYTHING);
	assert_int_equal(sp_asking_unpack(&second, sp_out_view(&packed), NULL), SP_OK);
	assert_int_equal(sp_asking_read(&second, late.root, NULL), SP_OK);
	/* What the handler saw once stays so. */
	assert_int_equal(sp_ask_form(&second, "form", "?", NAME, &answer), SP_RC_OK);
	assert_int_equal(answer.action, SP_ELICIT_ACCEPT);
	assert_string_equal(answer.content, "{\"name\":\"Alice\"}");
	assert_int_equal(sp_ask_roots(&second, "roots", &text), SP_RC_OK);
	assert_string_equal(text, "[]");
	assert_string_equal(second.state, "step 2");
	for (size_t n = 0; n < packed.n; n++) {
		struct sp_ask cut;

		sp_asking_init(&cut, EVERYTHING);
		CHECK("truncated", sp_asking_unpack(&cut, sp_sub(sp_out_view(&packed), 0, n), NULL) != SP_OK);
		sp_asking_free(&cut);
	}
	sp_out_free(&o);
	sp_out_free(&packed);
	sp_asking_free(&first);
	sp_asking_free(&second);
	sp_json_free(&r);
	sp_json_free(&late);
}

static void
test_state(void **state)
{
	static char big[SP_ASK_STATE + 2];
	struct sp_ask a;

	memset(big, 'x', sizeof big - 1);
	sp_asking_init(&a, 0);
	assert_int_equal(sp_ask_keep(&a, big), SP_RC_TOO_BIG);
	assert_null(a.state);
	big[SP_ASK_STATE] = '\0';
	assert_int_equal(sp_ask_keep(&a, big), SP_RC_OK);
	assert_int_equal(sp_ask_keep(&a, NULL), SP_RC_OK);
	assert_null(a.state);
	sp_asking_free(&a);
}

/* ---- tasks, and the 2025 era */

static void
test_update(void **state)
{
	struct sp_json bad = { 0 }, one = { 0 }, foreign = { 0 };
	struct sp_ask a;

	read_json(&bad, "{\"roots\":{\"roots\":[]},\"form\":{\"action\":\"accept\",\"content\":{}}}");
	read_json(&one, "{\"form\":{\"action\":\"decline\"},\"form2\":{}}");
	read_json(&foreign, "{\"other\":7}");
	sp_asking_init(&a, EVERYTHING);
	assert_int_equal(ask_each(&a, 0), SP_RC_PENDING);
	assert_int_equal(ask_each(&a, 5), SP_RC_PENDING);
	assert_int_equal(sp_asking_update(&a, foreign.root, NULL), SP_OK);
	assert_int_equal(sp_asking_update(&a, bad.root, NULL), SP_E_BAD_PARAMS);
	assert_int_equal(a.nasked, 2);
	assert_int_equal(a.ngiven, 0);
	assert_int_equal(sp_asking_update(&a, one.root, NULL), SP_OK);
	assert_int_equal(a.nasked, 1);
	assert_int_equal(a.asked[0].method, SP_ASK_ROOTS);
	sp_asking_again(&a);
	assert_int_equal(ask_each(&a, 0), SP_RC_OK);
	assert_int_equal(ask_each(&a, 5), SP_RC_PENDING);
	sp_asking_free(&a);
	sp_json_free(&bad);
	sp_json_free(&one);
	sp_json_free(&foreign);
}

static void
test_respond(void **state)
{
	struct sp_json roots = { 0 }, rejected = { 0 }, unknown = { 0 };
	struct sp_ask a;
	struct sp_out o;

	read_json(&roots, "{\"roots\":[]}");
	read_json(&rejected, "{\"code\":-1,\"message\":\"no\"}");
	read_json(&unknown, "{\"code\":-32601,\"message\":\"no\"}");
	sp_asking_init(&a, EVERYTHING);
	for (int k = 0; k < 6; k += k == 2 ? 3 : 1)
		assert_int_equal(ask_each(&a, k), SP_RC_PENDING);
	/* Nothing was sent yet: no id is right, the empty one least of all. */
	assert_false(sp_asking_respond(&a, SP_LIT(""), roots.root, NULL));
	for (unsigned i = 0; i < a.nasked; i++)
		snprintf(a.asked[i].id, sizeof a.asked[i].id, "%032u", i);
	sp_out_heap(&o, 4096);
	sp_asked_request(&a.asked[3], &o);
	assert_true(sp_eq(sp_out_view(&o), SP_LIT("{\"jsonrpc\":\"2.0\",\"id\":\"00000000000000000000000000000003\","
	    "\"method\":\"roots/list\",\"params\":{}}")));
	assert_false(sp_asking_respond(&a, SP_LIT("00000000000000000000000000000009"), roots.root, NULL));
	assert_false(sp_asking_respond(&a, SP_LIT("0"), roots.root, NULL));
	assert_true(sp_asking_respond(&a, SP_LIT("00000000000000000000000000000003"), roots.root, NULL));
	assert_false(sp_asking_respond(&a, SP_LIT("00000000000000000000000000000003"), roots.root, NULL));
	assert_true(sp_asking_respond(&a, SP_LIT("00000000000000000000000000000000"), NULL, rejected.root));
	assert_true(sp_asking_respond(&a, SP_LIT("00000000000000000000000000000001"), NULL, unknown.root));
	sp_asking_again(&a);
	assert_int_equal(ask_each(&a, 5), SP_RC_OK);
	assert_int_equal(ask_each(&a, 0), SP_RC_DENIED);
	assert_int_equal(ask_each(&a, 1), SP_RC_UNSUPPORTED);
	sp_out_free(&o);
	sp_asking_free(&a);
	sp_json_free(&roots);
	sp_json_free(&rejected);
	sp_json_free(&unknown);
}

static void
test_url_eras(void **state)
{
	static const uint8_t id[16] = { 0xab };
	struct sp_elicit_answer answer;
	struct sp_ask a;

	sp_asking_init(&a, EVERYTHING);
	assert_int_equal(sp_ask_url(&a, "k", "m", "https://x.example/", NULL, &answer), SP_RC_PENDING);
	assert_string_equal(a.asked[0].params, "{\"mode\":\"url\",\"message\":\"m\",\"url\":\"https://x.example/\"}");
	assert_int_equal(sp_ask_url(&a, "l", "m", "https://x.example/", id, &answer), SP_RC_PENDING);
	assert_string_equal(a.asked[1].params, "{\"mode\":\"url\",\"message\":\"m\",\"url\":\"https://x.example/\","
	    "\"elicitationId\":\"ab000000000000000000000000000000\"}");
	sp_asking_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms), cmocka_unit_test(test_capabilities),
		cmocka_unit_test(test_bad_questions), cmocka_unit_test(test_answers), cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_rounds), cmocka_unit_test(test_state), cmocka_unit_test(test_update),
		cmocka_unit_test(test_respond), cmocka_unit_test(test_url_eras),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

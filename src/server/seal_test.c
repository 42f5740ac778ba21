/* Threat rows E15 and E20: a state serves nobody and nothing but what it was made for. */
#include "base/check.h"
#include "server/seal.h"

static const uint8_t key[SP_AEAD_KEY] = { 1, 2, 3 }, salt[SP_REQSTATE_SALT] = { 4, 5, 6 };
enum { NOW = 1000000 };

static const uint8_t alice[32] = { 1 }, bob[32] = { 2 }, nobody[32];

static struct sp_reqstate_for
purpose(const uint8_t *mark, const char *method, const char *name, const char *arguments)
{
	struct sp_reqstate_for f = { { 0 }, sp_str(method), sp_str(name), { 0 } };
	struct sp_json j = { 0 };

	memcpy(f.mark, mark, sizeof f.mark);
	assert_int_equal(sp_json_read(sp_str(arguments), SP_JSON_DEFAULT, &j, NULL), SP_OK);
	assert_true(sp_arguments_digest(j.root, f.arguments));
	sp_json_free(&j);
	return f;
}

#define USUAL purpose(alice, "tools/call", "greet", "{\"a\":1,\"b\":[true,\"x\"]}")

static sp_slice
sealed(struct sp_out *o, const struct sp_reqstate_for *f)
{
	struct sp_err e = { 0 };

	sp_out_heap(o, SP_REQSTATE_TEXT);
	assert_int_equal(sp_reqstate_seal(o, key, salt, f, NOW + SP_REQSTATE_TTL_S, SP_LIT("what is kept"), &e), SP_OK);
	return sp_out_view(o);
}

static void
check_refused(const char *name, const uint8_t *k, const struct sp_reqstate_for *f, int64_t now_s, sp_slice text)
{
	struct sp_err e = { 0 };
	struct sp_out got;

	sp_out_heap(&got, SP_REQSTATE_BYTES);
	CHECK(name, sp_reqstate_open(&got, k, f, now_s, text, &e) == SP_E_BAD_PARAMS);
	CHECK(name, strcmp(e.pub, "requestState is not valid for this request") == 0);
	CHECK(name, got.n == 0);
	sp_out_free(&got);
}

static void
test_same_request(void **state)
{
	struct sp_reqstate_for f = USUAL, again = purpose(alice, "tools/call", "greet", "{ \"b\": [true, \"x\"], \"a\":1 }");
	struct sp_out o, got;

	sp_out_heap(&got, SP_REQSTATE_BYTES);
	assert_int_equal(sp_reqstate_open(&got, key, &again, NOW + SP_REQSTATE_TTL_S - 1, sealed(&o, &f), NULL), SP_OK);
	assert_true(sp_eq(sp_out_view(&got), SP_LIT("what is kept")));
	/* Nothing of it can be read. */
	assert_true(sp_find(sp_out_view(&o), SP_LIT("what")) == SIZE_MAX);
	sp_out_free(&got);
	sp_out_free(&o);
}

static void
test_other_requests(void **state)
{
	struct sp_reqstate_for f = USUAL;
	struct sp_out o;
	sp_slice text = sealed(&o, &f);
	const struct { const char *name; const uint8_t *mark; const char *method, *component, *arguments; } rows[] = {
		{ "E20 other user", bob, "tools/call", "greet", "{\"a\":1,\"b\":[true,\"x\"]}" },
		{ "E20 nobody", nobody, "tools/call", "greet", "{\"a\":1,\"b\":[true,\"x\"]}" },
		{ "other method", alice, "prompts/get", "greet", "{\"a\":1,\"b\":[true,\"x\"]}" },
		{ "E20 other tool", alice, "tools/call", "greet2", "{\"a\":1,\"b\":[true,\"x\"]}" },
		{ "other argument", alice, "tools/call", "greet", "{\"a\":2,\"b\":[true,\"x\"]}" },
		{ "argument of another type", alice, "tools/call", "greet", "{\"a\":\"1\",\"b\":[true,\"x\"]}" },
		{ "other order in a list", alice, "tools/call", "greet", "{\"a\":1,\"b\":[\"x\",true]}" },
		{ "one more argument", alice, "tools/call", "greet", "{\"a\":1,\"b\":[true,\"x\"],\"c\":null}" },
		{ "no arguments", alice, "tools/call", "greet", "{}" },
	};

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct sp_reqstate_for g = purpose(rows[i].mark, rows[i].method, rows[i].component, rows[i].arguments);

		check_refused(rows[i].name, key, &g, NOW, text);
	}
	sp_out_free(&o);
}

static void
test_time_and_key(void **state)
{
	static const uint8_t other[SP_AEAD_KEY] = { 1, 2, 4 };
	struct sp_reqstate_for f = USUAL;
	struct sp_out o;
	sp_slice text = sealed(&o, &f);

	check_refused("E20 expired", key, &f, NOW + SP_REQSTATE_TTL_S, text);
	check_refused("a clock before 1970", key, &f, -1, text);
	check_refused("other key", other, &f, NOW, text);
	sp_out_free(&o);
}

static void
test_every_bit(void **state)
{
	struct sp_reqstate_for f = USUAL;
	struct sp_out o;
	sp_slice text = sealed(&o, &f);

	for (size_t i = 0; i < text.n; i++)
		for (unsigned bit = 0; bit < 8; bit++) {
			o.p[i] ^= (char)(1u << bit);
			check_refused("E20 one bit flipped", key, &f, NOW, text);
			o.p[i] ^= (char)(1u << bit);
		}
	for (size_t n = 0; n < text.n; n++)
		check_refused("truncated", key, &f, NOW, sp_sub(text, 0, n));
	sp_out_str(&o, "-TAMPERED");
	check_refused("E20 appended to", key, &f, NOW, sp_out_view(&o));
	check_refused("of another maker", key, &f, NOW, SP_LIT("eyJhIjoxfQ"));
	sp_out_free(&o);
}

static void
test_sizes(void **state)
{
	static char big[SP_REQSTATE_BYTES + 1], text[SP_REQSTATE_TEXT + 5];
	struct sp_reqstate_for f = USUAL;
	struct sp_out o, got;

	memset(big, 'x', sizeof big);
	memset(text, 'A', sizeof text);
	sp_out_heap(&o, SP_REQSTATE_TEXT);
	sp_out_heap(&got, SP_REQSTATE_BYTES);
	assert_int_equal(sp_reqstate_seal(&o, key, salt, &f, NOW + 1, sp_mem(big, sizeof big), NULL), SP_E_TOO_BIG);
	assert_int_equal(sp_reqstate_seal(&o, key, salt, &f, NOW + 1, sp_mem(big, sizeof big - 1), NULL), SP_OK);
	assert_int_equal(sp_reqstate_open(&got, key, &f, NOW, sp_out_view(&o), NULL), SP_OK);
	assert_int_equal(got.n, SP_REQSTATE_BYTES);
	check_refused("longer than any", key, &f, NOW, sp_mem(text, sizeof text));
	sp_out_free(&o);
	sp_out_free(&got);
}

static void
test_digest(void **state)
{
	static const struct { const char *name, *a, *b; bool same; } rows[] = {
		{ "order of keys, deep", "{\"x\":{\"a\":1,\"b\":2}}", "{\"x\":{\"b\":2,\"a\":1}}", true },
		{ "white space", "{ \"a\" : [ 1 , 2 ] }", "{\"a\":[1,2]}", true },
		{ "escapes", "{\"\\u0061\":\"\\u00e9\"}", "{\"a\":\"\xc3\xa9\"}", true },
		{ "a quote in a key", "{\"a\\\":1,\\\"b\":2}", "{\"a\":1,\"b\":2}", false },
		{ "number and text", "{\"a\":1}", "{\"a\":\"1\"}", false },
		{ "list in list", "{\"a\":[[1],2]}", "{\"a\":[[1,2]]}", false },
	};
	uint8_t a[32], b[32];

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct sp_reqstate_for f = purpose(nobody, "", "", rows[i].a), g = purpose(nobody, "", "", rows[i].b);

		CHECK(rows[i].name, (memcmp(f.arguments, g.arguments, 32) == 0) == rows[i].same);
	}
	memcpy(a, purpose(nobody, "", "", "{}").arguments, 32);
	assert_true(sp_arguments_digest(NULL, b));
	assert_memory_equal(a, b, 32);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_request), cmocka_unit_test(test_other_requests), cmocka_unit_test(test_time_and_key),
		cmocka_unit_test(test_every_bit), cmocka_unit_test(test_sizes), cmocka_unit_test(test_digest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

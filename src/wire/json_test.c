#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "wire/json.h"

#define L SP_LIT_INIT
#define VECTORS SP_SRCDIR "/../shared/vectors/jsontestsuite/test_parsing"

static enum sp_status
read_both(sp_slice text, struct sp_json_limits lim, struct sp_err *e)
{
	struct sp_arena a;
	struct sp_json j = { 0 };
	sp_jval *root = NULL;
	enum sp_status st = sp_json_read(text, lim, &j, e), again;

	sp_arena_init(&a, 64 << 20);
	again = sp_json_read_arena(&a, text, lim, &root, e);
	assert_int_equal(st, again);
	if (st == SP_OK)
		assert_true(sp_jequal(j.root, root));
	else
		assert_true(j.doc == NULL && root == NULL);
	sp_json_free(&j);
	sp_arena_free(&a);
	return st;
}

static const struct { const char *name; sp_slice text; enum sp_status want; } rows[] = {
	{ "object", L("{\"a\":[1,true,null,\"x\"]}"), SP_OK },
	{ "bare number", L("42"), SP_OK }, { "bare string", L("\"\""), SP_OK }, { "white space around", L(" \r\n\t{} \n"), SP_OK },
	{ "L05 key twice", L("{\"a\":1,\"a\":1}"), SP_E_BAD_JSON },
	{ "L05 key twice, escaped", L("{\"method\":1,\"\\u006dethod\":2}"), SP_E_BAD_JSON },
	{ "L05 key twice, deep", L("[{\"x\":[0,{\"id\":1,\"b\":2,\"id\":1}]}]"), SP_E_BAD_JSON },
	{ "L05 empty key twice", L("{\"\":1,\"\":2}"), SP_E_BAD_JSON },
	{ "L05 pair of surrogates against UTF-8", L("{\"\\ud83d\\ude00\":1,\"\xf0\x9f\x98\x80\":2}"), SP_E_BAD_JSON },
	{ "same key in two objects", L("[{\"a\":1},{\"a\":1}]"), SP_OK },
	{ "L06 numbers of any size", L("[9007199254740993,18446744073709551616,-0,1e-400,0.1000000000000000000000001]"), SP_OK },
	{ "L06 plus", L("[+1]"), SP_E_BAD_JSON }, { "L06 NaN", L("[NaN]"), SP_E_BAD_JSON }, { "L06 Infinity", L("-Infinity"), SP_E_BAD_JSON },
	{ "L06 leading zero", L("[01]"), SP_E_BAD_JSON }, { "L06 hex", L("[0x1]"), SP_E_BAD_JSON }, { "L06 no digit", L("[1.]"), SP_E_BAD_JSON },
	{ "L11 U+0000 in a key", L("{\"a\\u0000b\":1}"), SP_E_BAD_JSON },
	{ "L11 U+0000 in a value", L("[\"a\\u0000b\"]"), SP_OK },
	{ "L11 NUL byte in a string", L("[\"a\0b\"]"), SP_E_BAD_JSON }, { "L11 control", L("[\"a\nb\"]"), SP_E_BAD_JSON },
	{ "L11 bad escape", L("[\"\\x41\"]"), SP_E_BAD_JSON }, { "L11 lone surrogate", L("[\"\\ud800\"]"), SP_E_BAD_JSON },
	{ "L11 lone low surrogate in a key", L("{\"\\udc00\":1}"), SP_E_BAD_JSON },
	{ "L11 invalid UTF-8", L("[\"\xc3\"]"), SP_E_BAD_JSON }, { "L11 overlong", L("[\"\xc0\xaf\"]"), SP_E_BAD_JSON },
	{ "L11 surrogate as UTF-8", L("[\"\xed\xa0\x80\"]"), SP_E_BAD_JSON }, { "L11 over U+10FFFF", L("[\"\xf4\x90\x80\x80\"]"), SP_E_BAD_JSON },
	{ "L13 names that are no names here", L("{\"__proto__\":1,\"constructor\":2,\"toString\":3}"), SP_OK },
	{ "L14 second text", L("{} {}"), SP_E_BAD_JSON }, { "L14 NUL behind", L("{}\0"), SP_E_BAD_JSON }, { "L14 comma behind", L("{},"), SP_E_BAD_JSON },
	{ "empty", L(""), SP_E_BAD_JSON }, { "white space only", L("  "), SP_E_BAD_JSON }, { "BOM", L("\xef\xbb\xbf{}"), SP_E_BAD_JSON },
	{ "UTF-16", L("{\0}\0"), SP_E_BAD_JSON }, { "comment", L("{/* */}"), SP_E_BAD_JSON }, { "trailing comma", L("[1,]"), SP_E_BAD_JSON },
	{ "single quotes", L("{'a':1}"), SP_E_BAD_JSON }, { "cut", L("{\"a\":"), SP_E_BAD_JSON }, { "cut string", L("\"a"), SP_E_BAD_JSON },
	{ "upper case literal", L("[True]"), SP_E_BAD_JSON }, { "form feed", L("[\f1]"), SP_E_BAD_JSON },
};

static void
test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct sp_err e = { 0 };
		enum sp_status st = read_both(rows[i].text, SP_JSON_DEFAULT, &e);

		if (st != rows[i].want)
			fail_msg("%s: %s %s", rows[i].name, sp_errinfo(st)->name, e.log);
		if (st != SP_OK && (e.code != st || e.log[0] == '\0'))
			fail_msg("%s: says nothing", rows[i].name);
	}
}

static void
repeat(struct sp_out *o, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sp_out_str(o, s);
}

static enum sp_status
nested(const char *open, const char *close, size_t n)
{
	struct sp_out o;
	struct sp_err e;
	enum sp_status st;

	sp_out_heap(&o, 1 << 22);
	repeat(&o, open, n);
	sp_out_str(&o, "1");
	repeat(&o, close, n);
	st = read_both(sp_out_view(&o), SP_JSON_DEFAULT, &e);
	sp_out_free(&o);
	return st;
}

static void
test_depth(void **state)
{
	(void)state;
	/* L01 */
	assert_int_equal(nested("[", "]", 64), SP_OK);
	assert_int_equal(nested("[", "]", 65), SP_E_BAD_JSON);
	assert_int_equal(nested("[", "]", 1000), SP_E_BAD_JSON);
	assert_int_equal(nested("[", "]", 100000), SP_E_BAD_JSON);
	assert_int_equal(nested("[", "", 100000), SP_E_BAD_JSON);
	assert_int_equal(nested("{\"a\":", "}", 64), SP_OK);
	assert_int_equal(nested("{\"a\":", "}", 65), SP_E_BAD_JSON);
	assert_int_equal(nested("{\"a\":", "", 100000), SP_E_BAD_JSON);
	/* Breadth is no depth. */
	assert_int_equal(nested("[[],[],", "]", 60), SP_OK);
}

static void
test_wide(void **state)
{
	struct sp_out o;
	struct sp_err e = { 0 };

	(void)state;
	/* L12 many keys, all different, then one twice: by sorting, so no sender can aim at it. */
	sp_out_heap(&o, 1 << 24);
	for (unsigned n = 1; n <= 200000; n = n < 40 ? n + 1 : n * 10) {
		for (int twin = 0; twin < 2; twin++) {
			sp_out_reset(&o);
			sp_out_byte(&o, '{');
			for (unsigned i = 0; i < n; i++)
				sp_out_fmt(&o, "%s\"k%u\":%u", i == 0 ? "" : ",", i, i);
			if (twin)
				sp_out_fmt(&o, ",\"k%u\":0", n / 2);
			sp_out_byte(&o, '}');
			assert_false(o.full);
			if (read_both(sp_out_view(&o), SP_JSON_DEFAULT, &e) != (twin ? SP_E_BAD_JSON : SP_OK))
				fail_msg("%u keys, twin %d: %s", n, twin, e.log);
		}
	}
	sp_out_reset(&o);
	sp_out_byte(&o, '[');
	repeat(&o, "0,", 1000000);
	sp_out_str(&o, "0]");
	assert_int_equal(read_both(sp_out_view(&o), SP_JSON_DEFAULT, &e), SP_OK);
	assert_int_equal(read_both(sp_out_view(&o), (struct sp_json_limits){ 64, 1000 }, &e), SP_E_TOO_BIG);
	sp_out_free(&o);
}

static void
test_arena_full(void **state)
{
	struct sp_arena a;
	sp_jval *root = NULL;
	struct sp_err e;

	(void)state;
	sp_arena_init(&a, 100);
	assert_int_equal(sp_json_read_arena(&a, SP_LIT("[1,2,3]"), SP_JSON_DEFAULT, &root, &e), SP_E_TOO_BIG);
	assert_null(root);
	sp_arena_free(&a);
}

/* --- JSONTestSuite --- */

/* What the standard leaves open, decided once.  Numbers keep their text, so their size is no matter; text must be UTF-8. */
static const struct { const char *file; bool accept; } open_cases[] = {
	{ "i_number_double_huge_neg_exp.json", true }, { "i_number_huge_exp.json", true }, { "i_number_neg_int_huge_exp.json", true },
	{ "i_number_pos_double_huge_exp.json", true }, { "i_number_real_neg_overflow.json", true },
	{ "i_number_real_pos_overflow.json", true }, { "i_number_real_underflow.json", true }, { "i_number_too_big_neg_int.json", true },
	{ "i_number_too_big_pos_int.json", true }, { "i_number_very_big_negative_int.json", true },
	{ "i_object_key_lone_2nd_surrogate.json", false }, { "i_string_1st_surrogate_but_2nd_missing.json", false },
	{ "i_string_1st_valid_surrogate_2nd_invalid.json", false }, { "i_string_UTF-16LE_with_BOM.json", false },
	{ "i_string_UTF-8_invalid_sequence.json", false }, { "i_string_UTF8_surrogate_U+D800.json", false },
	{ "i_string_incomplete_surrogate_and_escape_valid.json", false }, { "i_string_incomplete_surrogate_pair.json", false },
	{ "i_string_incomplete_surrogates_escape_valid.json", false }, { "i_string_invalid_lonely_surrogate.json", false },
	{ "i_string_invalid_surrogate.json", false }, { "i_string_invalid_utf-8.json", false },
	{ "i_string_inverted_surrogates_U+1D11E.json", false }, { "i_string_iso_latin_1.json", false },
	{ "i_string_lone_second_surrogate.json", false }, { "i_string_lone_utf8_continuation_byte.json", false },
	{ "i_string_not_in_unicode_range.json", false }, { "i_string_overlong_sequence_2_bytes.json", false },
	{ "i_string_overlong_sequence_6_bytes.json", false }, { "i_string_overlong_sequence_6_bytes_null.json", false },
	{ "i_string_truncated-utf-8.json", false }, { "i_string_utf16BE_no_BOM.json", false }, { "i_string_utf16LE_no_BOM.json", false },
	{ "i_structure_500_nested_arrays.json", false }, { "i_structure_UTF-8_BOM_empty_object.json", false },
	/* Valid by the grammar; refused here, because readers differ about what they mean. */
	{ "y_object_duplicated_key.json", false }, { "y_object_duplicated_key_and_value.json", false },
	{ "y_object_escaped_null_in_key.json", false },
};

static bool
wanted(const char *file)
{
	for (size_t i = 0; i < SP_COUNT(open_cases); i++)
		if (strcmp(open_cases[i].file, file) == 0)
			return open_cases[i].accept;
	if (file[0] != 'y' && file[0] != 'n')
		fail_msg("%s: not decided", file);
	return file[0] == 'y';
}

static void
check_file(const char *name, struct sp_out *o)
{
	char path[512];
	struct sp_err e = { 0 };
	FILE *f;
	int c;
	bool ok;

	snprintf(path, sizeof path, VECTORS "/%s", name);
	f = fopen(path, "rb");
	assert_non_null(f);
	sp_out_reset(o);
	while ((c = fgetc(f)) != EOF)
		sp_out_byte(o, (char)c);
	fclose(f);
	ok = read_both(sp_out_view(o), SP_JSON_DEFAULT, &e) == SP_OK;
	if (ok != wanted(name))
		fail_msg("%s: %s %s", name, ok ? "accepted" : "refused", e.log);
}

static void
test_vectors(void **state)
{
	DIR *d = opendir(VECTORS);
	unsigned n[128] = { 0 };
	struct sp_out o;

	(void)state;
	if (d == NULL) {
		print_message("skipped: no vectors (jsontestsuite)\n");
		skip();
	}
	sp_out_heap(&o, 1 << 20);
	for (struct dirent *e; (e = readdir(d)) != NULL;) {
		if (e->d_name[0] == '.')
			continue;
		check_file(e->d_name, &o);
		n[e->d_name[0] & 127]++;
	}
	closedir(d);
	sp_out_free(&o);
	print_message("L02 %u n_, L03 %u y_, L04 %u i_\n", n['n'], n['y'], n['i']);
	assert_true(n['n'] >= 188 && n['y'] >= 95 && n['i'] >= 35);
}

/* --- values --- */

static void
test_numbers(void **state)
{
	/* Each line: greater than the one before. */
	static const char *const order[] = {
		"-1e401", "-1e400", "-10000000000000000000000", "-9007199254740993", "-9007199254740992", "-1.5", "-1.0000000000000000000001",
		"-1", "-0.1", "-1e-1000000000", "0", "1e-1000000000", "1e-400", "0.09999999999999999999999", "0.1", "0.10000000000000001",
		"1", "1.1", "2", "10", "99", "100.5", "9007199254740992", "9007199254740993", "18446744073709551616", "1e400", "1.0001e400",
		"1e999999999", "1e1000000000",
	};
	static const struct { const char *a, *b; } same[] = {
		{ "-0", "0" }, { "0.0", "-0e5" }, { "0e999999999999999999999", "0" }, { "1", "1.0" }, { "1", "10e-1" }, { "1e2", "100" },
		{ "1E+2", "100.000" }, { "0.00012", "1.2e-4" }, { "-12.50", "-1250e-2" }, { "1000000000000000000000", "1e21" },
		{ "1.0e1000000000", "10e999999999" }, { "0.1e1000000000", "1e999999999" }, { "123.456", "0.123456e3" },
	};

	(void)state;
	for (size_t i = 0; i < SP_COUNT(order); i++)
		for (size_t j = 0; j < SP_COUNT(order); j++) {
			int c = sp_jnum_cmp(sp_str(order[i]), sp_str(order[j]));

			if ((c > 0) - (c < 0) != (i > j) - (i < j))
				fail_msg("L06 %s against %s: %d", order[i], order[j], c);
		}
	for (size_t i = 0; i < SP_COUNT(same); i++)
		if (sp_jnum_cmp(sp_str(same[i].a), sp_str(same[i].b)) != 0 || sp_jnum_cmp(sp_str(same[i].b), sp_str(same[i].a)) != 0)
			fail_msg("L06 %s is %s", same[i].a, same[i].b);
}

static void
test_is_int(void **state)
{
	static const char *const yes[] = { "42", "42.0", "4.2e1", "-0", "0.0", "0e-5", "1e400", "100e-2", "-1.50e1", "1234.5e1" };
	static const char *const no[] = { "42.5", "4.25e1", "1e-1", "0.1", "-0.5", "1e-400", "10e-2", "1234.56e1" };

	(void)state;
	for (size_t i = 0; i < SP_COUNT(yes); i++)
		if (!sp_jnum_is_int(sp_str(yes[i])))
			fail_msg("%s is an integer", yes[i]);
	for (size_t i = 0; i < SP_COUNT(no); i++)
		if (sp_jnum_is_int(sp_str(no[i])))
			fail_msg("%s is no integer", no[i]);
}

static void
test_int(void **state)
{
	static const struct { sp_slice text; bool ok; int64_t v; } ints[] = {
		{ L("0"), true, 0 }, { L("-0"), true, 0 }, { L("-1"), true, -1 }, { L("9223372036854775807"), true, INT64_MAX },
		{ L("-9223372036854775808"), true, INT64_MIN }, { L("9223372036854775808"), false, 0 }, { L("-9223372036854775809"), false, 0 },
		{ L("1.0"), false, 0 }, { L("1e0"), false, 0 }, { L("\"1\""), false, 0 }, { L("true"), false, 0 }, { L("null"), false, 0 },
		{ L("100000000000000000000000"), false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < SP_COUNT(ints); i++) {
		struct sp_json j;
		int64_t v = 7;

		assert_int_equal(sp_json_read(ints[i].text, SP_JSON_DEFAULT, &j, NULL), SP_OK);
		if (sp_jint(j.root, &v) != ints[i].ok || v != (ints[i].ok ? ints[i].v : 7))
			fail_msg("int %s", ints[i].text.p);
		sp_json_free(&j);
	}
	assert_false(sp_jint(NULL, &(int64_t){ 0 }));
}

static const struct { const char *name; sp_slice a, b; bool same; } pairs[] = {
	{ "order of members", L("{\"a\":1,\"b\":[2]}"), L("{\"b\":[2],\"a\":1.0}"), true },
	{ "order of elements", L("[1,2]"), L("[2,1]"), false }, { "one more", L("[1]"), L("[1,1]"), false },
	{ "another key", L("{\"a\":1}"), L("{\"b\":1}"), false }, { "another value", L("{\"a\":[{\"b\":1}]}"), L("{\"a\":[{\"b\":2}]}"), false },
	{ "true and false", L("true"), L("false"), false }, { "null and false", L("null"), L("false"), false },
	{ "number and text", L("1"), L("\"1\""), false }, { "array and object", L("[]"), L("{}"), false },
	{ "escapes", L("\"\\u0041\\n\""), L("\"A\\u000a\""), true }, { "texts of one length", L("\"ab\""), L("\"ac\""), false },
	{ "big numbers", L("[9007199254740993]"), L("[9007199254740992]"), false }, { "negative zero", L("-0"), L("0"), true },
	{ "deep", L("[[[[{\"a\":[{},[]]}]]]]"), L("[[[[{\"a\":[{},[]]}]]]]"), true },
};

static void
test_equal(void **state)
{
	(void)state;
	for (size_t i = 0; i < SP_COUNT(pairs); i++) {
		struct sp_json a, b;

		assert_int_equal(sp_json_read(pairs[i].a, SP_JSON_DEFAULT, &a, NULL), SP_OK);
		assert_int_equal(sp_json_read(pairs[i].b, SP_JSON_DEFAULT, &b, NULL), SP_OK);
		if (sp_jequal(a.root, b.root) != pairs[i].same || sp_jequal(b.root, a.root) != pairs[i].same)
			fail_msg("equal: %s", pairs[i].name);
		sp_json_free(&a);
		sp_json_free(&b);
	}
	assert_false(sp_jequal(NULL, NULL));
}

/* Large objects in opposite orders: found by sorting, not by looking at all of them for each. */
static void
test_equal_large(void **state)
{
	enum { N = 50000 };
	struct sp_json j[2];

	(void)state;
	for (int side = 0; side < 2; side++) {
		struct sp_out o;

		sp_out_heap(&o, 1 << 22);
		sp_out_byte(&o, '{');
		for (int i = 0; i < N; i++)
			sp_out_fmt(&o, "%s\"%d\":{\"a\":%d}", i == 0 ? "" : ",", side ? N - i : i + 1, side ? N - i : i + 1);
		sp_out_byte(&o, '}');
		assert_int_equal(sp_json_read(sp_out_view(&o), SP_JSON_DEFAULT, &j[side], NULL), SP_OK);
		sp_out_free(&o);
	}
	assert_true(sp_jequal(j[0].root, j[1].root));
	sp_json_free(&j[0]);
	sp_json_free(&j[1]);
}

static void
test_write(void **state)
{
	static const struct { const char *name; sp_slice in, out; } w[] = {
		{ "compact, order and digits kept", L(" { \"b\" : [ 1.50 , -0 , 1E5 ] , \"a\" : { } , \"c\":[[],[{}]] } "),
		    L("{\"b\":[1.50,-0,1E5],\"a\":{},\"c\":[[],[{}]]}") },
		{ "literals", L("[true,false,null]"), L("[true,false,null]") }, { "a leaf", L("\"x\""), L("\"x\"") },
		{ "escapes", L("\"\\u0000\\u001f\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00\""),
		    L("\"\\u0000\\u001f\\\"\\\\/\\b\\f\\n\\r\\t\xc3\xa9\xf0\x9f\x98\x80\"") },
		{ "escaped key", L("{\"\\\"\":{\"x\":[]}}"), L("{\"\\\"\":{\"x\":[]}}") },
	};

	(void)state;
	for (size_t i = 0; i < SP_COUNT(w); i++) {
		struct sp_json j;
		struct sp_out o;
		char buf[256];

		sp_out_init(&o, buf, sizeof buf);
		assert_int_equal(sp_json_read(w[i].in, SP_JSON_DEFAULT, &j, NULL), SP_OK);
		sp_jwrite(&o, j.root);
		if (!sp_eq(sp_out_view(&o), w[i].out))
			fail_msg("%s: %.*s", w[i].name, (int)o.n, o.p);
		sp_json_free(&j);
	}
}

static void
test_out_str(void **state)
{
	struct sp_out o;
	char buf[64];

	(void)state;
	sp_out_init(&o, buf, sizeof buf);
	sp_jout_str(&o, SP_LIT("a\"\xff\xc3\xa9\xed\xa0\x80\x7f"));
	assert_true(sp_eq(sp_out_view(&o), SP_LIT("\"a\\\"\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\x7f\"")));
}

static void
test_walk(void **state)
{
	struct sp_json j;
	size_t n = 0;

	(void)state;
	assert_int_equal(sp_json_read(SP_LIT("{\"a\":1,\"\":[5,6],\"s\":\"x\\u0000y\"}"), SP_JSON_DEFAULT, &j, NULL), SP_OK);
	for (struct sp_jiter it = sp_jeach(j.root); sp_jnext(&it); n++)
		assert_int_equal(it.idx, n);
	assert_int_equal(n, 3);
	assert_true(sp_eq(sp_jtext(SP_JGET(j.root, "a")), SP_LIT("1")));
	assert_true(sp_eq(sp_jtext(SP_JGET(j.root, "s")), SP_LIT("x\0y")));
	assert_true(sp_jis_arr(sp_jget(j.root, (sp_slice){ NULL, 0 })));
	for (struct sp_jiter it = sp_jeach(SP_JGET(j.root, "")); sp_jnext(&it);)
		assert_true(it.key.n == 0 && sp_jis_num(it.val));
	assert_null(SP_JGET(j.root, "b"));
	assert_null(SP_JGET(SP_JGET(j.root, "a"), "b"));
	assert_null(SP_JGET(NULL, "b"));
	for (struct sp_jiter it = sp_jeach(NULL); sp_jnext(&it);)
		fail();
	for (struct sp_jiter it = sp_jeach(SP_JGET(j.root, "a")); sp_jnext(&it);)
		fail();
	assert_int_equal(sp_jtext(j.root).n, 0);
	sp_json_free(&j);
	sp_json_free(&j);
	sp_json_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows), cmocka_unit_test(test_depth), cmocka_unit_test(test_wide), cmocka_unit_test(test_arena_full),
		cmocka_unit_test(test_vectors), cmocka_unit_test(test_numbers), cmocka_unit_test(test_is_int), cmocka_unit_test(test_int),
		cmocka_unit_test(test_equal), cmocka_unit_test(test_equal_large), cmocka_unit_test(test_write),
		cmocka_unit_test(test_out_str), cmocka_unit_test(test_walk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

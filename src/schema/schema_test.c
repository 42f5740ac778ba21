#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schema/schema_int.h"

/* 'a' stands for "a". */
static sp_slice
quoted(const char *text, char *buf, size_t cap)
{
	size_t n = strlen(text);

	assert_true(n < cap);
	for (size_t i = 0; i <= n; i++)
		buf[i] = (char)(text[i] == '\'' ? '"' : text[i]);
	return sp_mem(buf, n);
}

static enum sp_status
check_text(sp_slice schema, sp_slice value, uint64_t steps, struct sp_err *e)
{
	SP_AUTO(sp_schema_free) struct sp_schema *s = NULL;
	SP_AUTO(sp_json_free) struct sp_json j = { 0 };
	enum sp_status st = sp_schema_new(schema, &s, e);

	if (st == SP_OK)
		st = sp_json_read(value, SP_JSON_DEFAULT, &j, e);
	return st == SP_OK ? sp_schema_check(s, j.root, steps, e) : st;
}

/* --- what the caller is told --- */

static const struct { const char *name, *schema, *value, *told; } told[] = {
	{ "type", "{'type':'integer'}", "'x'", "arguments: /: must be an integer" },
	{ "types", "{'type':['string','null']}", "1", "arguments: /: must be a string or null" },
	{ "number", "{'type':'number'}", "'x'", "arguments: /: must be a number" },
	{ "whole number given as 1.0", "{'type':'integer'}", "1.0", NULL },
	{ "member", "{'properties':{'a':{'items':{'maxLength':2}}}}", "{'a':['x','secret']}", "arguments: /a/1: is too long" },
	{ "required", "{'required':['zone']}", "{}", "arguments: /zone: is required" },
	{ "required below", "{'properties':{'a':{'required':['b']}}}", "{'a':{}}", "arguments: /a/b: is required" },
	{ "unknown", "{'additionalProperties':false}", "{'x':1}", "arguments: /x: is not expected" },
	{ "unevaluated", "{'unevaluatedProperties':false}", "{'x':1}", "arguments: /x: is not expected" },
	{ "enum", "{'enum':['a','b']}", "'c'", "arguments: /: is none of the allowed values" },
	{ "const", "{'const':1}", "2", "arguments: /: is not the one allowed value" },
	{ "small", "{'minimum':1}", "0", "arguments: /: is too small" },
	{ "large", "{'exclusiveMaximum':1}", "1.0", "arguments: /: is too large" },
	{ "pattern", "{'pattern':'^a$'}", "'a\\n'", "arguments: /: does not match the pattern" },
	{ "false", "{'properties':{'a':false}}", "{'a':1}", "arguments: /a: is not allowed" },
	{ "forms", "{'anyOf':[{'type':'null'},{'minLength':2}]}", "'a'", "arguments: /: has none of the allowed forms" },
	{ "not", "{'not':{}}", "1", "arguments: /: is not allowed here" },
	{ "equal elements", "{'uniqueItems':true}", "[1,1.0]", "arguments: /: has equal elements" },
	{ "hostile name", "{'additionalProperties':false}", "{'a\\u0007\\u202e':1}",
	    "arguments: /a\xef\xbf\xbd\xef\xbf\xbd: is not expected" },
	{ "long path is cut", "{'additionalProperties':{'additionalProperties':{'type':'null'}}}",
	    "{'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa':{'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb':1}}",
	    "arguments: /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb: must be null" },
};

static void
test_told(void **state)
{
	for (size_t i = 0; i < SP_COUNT(told); i++) {
		char a[1024], b[1024];
		struct sp_err e = { 0 };
		enum sp_status st = check_text(quoted(told[i].schema, a, sizeof a), quoted(told[i].value, b, sizeof b), 0, &e);

		if (told[i].told == NULL ? st != SP_OK : st != SP_E_BAD_PARAMS || strcmp(e.pub, told[i].told) != 0)
			fail_msg("%s: %d \"%s\" \"%s\"", told[i].name, (int)st, e.pub, e.log);
		/* No value of the argument is quoted. */
		assert_null(strstr(e.pub, "secret"));
		assert_null(strstr(e.log, "secret"));
	}
}

/* --- schemas that cannot be used --- */

static const struct { const char *name, *schema, *log; } unusable[] = {
	{ "not JSON", "{", "byte" },
	{ "a number", "1", "schema #: must be a schema" },
	{ "twin keys", "{'type':'null','type':'null'}", "twice" },
	{ "E27 http reference", "{'$ref':'http://169.254.169.254/latest'}", "#/$ref: a reference to another document" },
	{ "E27 file reference", "{'properties':{'a':{'$ref':'file:///etc/passwd'}}}", "#/properties/a/$ref: a reference to" },
	{ "E27 relative reference", "{'$ref':'other.json'}", "another document" },
	{ "E27 reference against a remote $id", "{'$id':'http://a.test/x','$ref':'y#/z'}", "another document" },
	{ "E27 dynamic reference elsewhere", "{'$dynamicRef':'http://x/#y'}", "another document" },
	{ "reference to nowhere", "{'$ref':'#/$defs/a'}", "leads nowhere" },
	{ "reference to nowhere that nothing reaches", "{'$defs':{'a':{'$ref':'#/no'}}}", "#/$defs/a/$ref: the reference leads" },
	{ "anchor that is not there", "{'$ref':'#a'}", "no anchor" },
	{ "reference to no schema", "{'$ref':'#/title','title':'x'}", "must be a schema" },
	{ "bad escape", "{'$ref':'#/%zz'}", "malformed" },
	{ "bad tilde", "{'$ref':'#/~2'}", "leads nowhere" },
	{ "type", "{'type':'text'}", "#/type: must be a type" },
	{ "no types", "{'type':[]}", "must name a type" },
	{ "bound", "{'minimum':'1'}", "#/minimum: must be a number" },
	{ "negative count", "{'minLength':-1}", "must not be negative" },
	{ "broken count", "{'minLength':1.5}", "must be a whole number" },
	{ "divisor 0", "{'multipleOf':0}", "above 0" },
	{ "divisor with too many digits", "{'multipleOf':1234567890123456789}", "18 significant digits" },
	{ "properties", "{'properties':[]}", "#/properties: must be an object of schemas" },
	{ "items as a list", "{'items':[{}]}", "#/items: must be a schema" },
	{ "allOf empty", "{'allOf':[]}", "not empty" },
	{ "required", "{'required':'a'}", "list of names" },
	{ "required of numbers", "{'required':[1]}", "#/required/0: must be a name" },
	{ "enum", "{'enum':1}", "must be a list" },
	{ "pattern", "{'pattern':'('}", "#/pattern: the pattern cannot be used" },
	{ "pattern with a verb", "{'pattern':'(*NO_JIT)a'}", "(*" },
	{ "pattern that splits bytes", "{'pattern':'\\\\C'}", "cannot be used" },
	{ "L15 pattern that grows", "{'pattern':'((((a{100}){100}){100}){100})'}", "cannot be used" },
	{ "pattern of a property", "{'patternProperties':{'[':{}}}", "cannot be used" },
	{ "twin anchors", "{'$anchor':'a','items':{'$anchor':'a'}}", "given twice" },
	{ "twin $id", "{'$defs':{'a':{'$id':'x'},'b':{'$id':'x'}}}", "given twice" },
	{ "$id with a fragment", "{'$id':'x#y'}", "fragment" },
};

static void
test_unusable(void **state)
{
	for (size_t i = 0; i < SP_COUNT(unusable); i++) {
		char buf[1024];
		struct sp_schema *s = NULL;
		struct sp_err e = { 0 };
		enum sp_status st = sp_schema_new(quoted(unusable[i].schema, buf, sizeof buf), &s, &e);

		if (st != SP_E_CONFIG || s != NULL || strstr(e.log, unusable[i].log) == NULL)
			fail_msg("%s: %d \"%s\"", unusable[i].name, (int)st, e.log);
	}
}

/* --- work that must end --- */

static void
repeat(struct sp_out *o, const char *first, const char *text, unsigned n, const char *last)
{
	sp_out_str(o, first);
	for (unsigned i = 0; i < n; i++)
		sp_out_fmt(o, "%s%s", i == 0 ? "" : ",", text);
	sp_out_str(o, last);
}

static void
doubling(struct sp_out *o)
{
	sp_out_str(o, "{\"$defs\":{\"a0\":{\"type\":\"null\"}");
	for (int i = 1; i < 60; i++)
		sp_out_fmt(o, ",\"a%d\":{\"anyOf\":[{\"$ref\":\"#/$defs/a%d\"},{\"$ref\":\"#/$defs/a%d\"}]}", i, i - 1, i - 1);
	sp_out_str(o, "},\"$ref\":\"#/$defs/a59\"}");
}

static void
distinct(struct sp_out *o, unsigned n)
{
	sp_out_byte(o, '[');
	for (unsigned i = 0; i < n; i++)
		sp_out_fmt(o, "%s{\"a\":%u,\"b\":[%u]}", i == 0 ? "" : ",", i, n - i);
	sp_out_byte(o, ']');
}

static void
members(struct sp_out *o, unsigned n, bool backwards)
{
	sp_out_byte(o, '{');
	for (unsigned i = 0; i < n; i++)
		sp_out_fmt(o, "%s\"k%u\":0", i == 0 ? "" : ",", backwards ? n - 1 - i : i);
	sp_out_byte(o, '}');
}

static void
expect(const char *name, struct sp_out *schema, struct sp_out *value, enum sp_status want)
{
	struct sp_err e = { 0 };
	enum sp_status st = check_text(sp_out_view(schema), sp_out_view(value), 0, &e);

	if (st != want || schema->full || value->full)
		fail_msg("%s: %d \"%s\" \"%s\"", name, (int)st, e.pub, e.log);
	sp_out_reset(schema);
	sp_out_reset(value);
}

static void
test_bombs(void **state)
{
	static const struct { const char *name, *schema, *value; enum sp_status want; } small[] = {
		{ "L15 reference to itself", "{'$ref':'#'}", "1", SP_E_TOO_BIG },
		{ "L15 references in a ring", "{'$defs':{'a':{'$ref':'#/$defs/b'},'b':{'$ref':'#/$defs/a'}},'$ref':'#/$defs/a'}",
		    "1", SP_E_TOO_BIG },
		{ "L15 ring through allOf", "{'allOf':[{'$ref':'#'}]}", "1", SP_E_TOO_BIG },
		{ "L15 ring through not", "{'not':{'$ref':'#'}}", "1", SP_E_TOO_BIG },
		{ "L15 ring through if", "{'if':{'$ref':'#'},'else':{}}", "1", SP_E_TOO_BIG },
		{ "L15 ring through contains", "{'contains':{'anyOf':[{'$ref':'#/contains'}]}}", "[1]", SP_E_TOO_BIG },
		{ "L15 $dynamicRef to itself", "{'$dynamicAnchor':'x','$dynamicRef':'#x'}", "1", SP_E_TOO_BIG },
		{ "E27 recursion over the value is fine", "{'properties':{'a':{'$ref':'#'}},'additionalProperties':false}",
		    "{'a':{'a':{'a':{}}}}", SP_OK },
		{ "L15 E27 (a+)+$", "{'pattern':'^(a+)+$'}", "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab'", SP_E_TOO_BIG },
		{ "L15 E27 pattern of a name", "{'patternProperties':{'^(a|a?)+$':{}}}", "{'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab':1}",
		    SP_E_TOO_BIG },
		{ "costly pattern inside not", "{'not':{'pattern':'^(a+)+$'}}", "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab'",
		    SP_E_TOO_BIG },
	};
	struct sp_out a, b;

	sp_out_heap(&a, 64 << 20);
	sp_out_heap(&b, 64 << 20);
	for (size_t i = 0; i < SP_COUNT(small); i++) {
		char buf[512];

		sp_out_slice(&a, quoted(small[i].schema, buf, sizeof buf));
		sp_out_slice(&b, quoted(small[i].value, buf, sizeof buf));
		expect(small[i].name, &a, &b, small[i].want);
	}
	doubling(&a);
	sp_out_str(&b, "1");
	expect("L15 2^59 branches", &a, &b, SP_E_TOO_BIG);

	sp_out_str(&a, "{\"uniqueItems\":true}");
	distinct(&b, 100000);
	expect("L15 uniqueItems on 10^5 objects", &a, &b, SP_OK);
	sp_out_str(&a, "{\"uniqueItems\":true}");
	repeat(&b, "[0,", "1", 100000, "]");
	expect("L15 uniqueItems on equal numbers", &a, &b, SP_E_BAD_PARAMS);

	sp_out_str(&a, "{\"const\":");
	members(&a, 50000, false);
	sp_out_str(&a, "}");
	members(&b, 50000, true);
	expect("const with members in another order", &a, &b, SP_OK);

	repeat(&a, "{\"items\":{\"enum\":[", "[[[[[[[[[[1]]]]]]]]]]", 1, "]},\"maxItems\":5000000}");
	repeat(&b, "[", "[[[[[[[[[[1]]]]]]]]]]", 90000, "]");
	expect("more elements than the budget", &a, &b, SP_E_TOO_BIG);

	sp_out_str(&a, "{\"required\":[");
	for (int i = 0; i < 2000; i++)
		sp_out_fmt(&a, "%s\"k%d\"", i == 0 ? "" : ",", i);
	sp_out_str(&a, "]}");
	members(&b, 100000, true);
	expect("many required of many members", &a, &b, SP_E_TOO_BIG);

	repeat(&a, "{\"unevaluatedProperties\":false,\"anyOf\":[", "{\"additionalProperties\":true}", 2000, "]}");
	members(&b, 100000, false);
	expect("many collectors of many members", &a, &b, SP_E_TOO_BIG);
	sp_out_free(&a);
	sp_out_free(&b);
}

/* Depth of the schema itself, and of what is checked. */
static void
test_depth(void **state)
{
	struct sp_out a, b;

	sp_out_heap(&a, 1 << 20);
	sp_out_heap(&b, 1 << 20);
	for (int i = 0; i < 200; i++)
		sp_out_str(&a, "{\"not\":");
	sp_out_str(&a, "true");
	for (int i = 0; i < 200; i++)
		sp_out_str(&a, "}");
	sp_out_str(&b, "1");
	expect("L15 schema of 200 levels", &a, &b, SP_E_CONFIG);

	sp_out_str(&a, "{\"items\":{\"allOf\":[{\"anyOf\":[{\"$ref\":\"#\"}]}]}}");
	for (int i = 0; i < 64; i++)
		sp_out_str(&b, "[");
	for (int i = 0; i < 64; i++)
		sp_out_str(&b, "]");
	expect("64 levels of value", &a, &b, SP_OK);
	sp_out_free(&a);
	sp_out_free(&b);
}

/* --- numbers --- */

static void
test_multiples(void **state)
{
	static const struct { const char *number, *divisor; bool want; } rows[] = {
		{ "0", "7", true }, { "-0.0", "0.1", true }, { "10", "2.5", true }, { "10", "3", false },
		{ "0.3", "0.1", true }, { "0.30000000000000004", "0.1", false }, { "1e400", "1e-400", true },
		{ "1e-400", "1e-399", false }, { "3e1000000", "7", false }, { "7e1000000", "7", true },
		{ "1e999999999999999999999", "3", false }, { "-9007199254740993", "3", true },
		{ "9007199254740992", "3", false }, { "123456789012345678901234567890", "10", true },
		{ "123456789012345678901234567891", "10", false }, { "19.99", "0.01", true },
		{ "999999999999999999", "999999999999999999", true }, { "1.5", "0.5", true },
		{ "12391239123", "1e-8", true }, { "1000", "1e3", true }, { "100", "1e3", false }, { "0.00100", "1E-3", true },
	};

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct sp_divisor d;

		assert_true(sp_divisor_read(sp_str(rows[i].divisor), &d));
		if (sp_is_multiple(sp_str(rows[i].number), &d) != rows[i].want)
			fail_msg("%s of %s", rows[i].number, rows[i].divisor);
	}
}

/* E13: numbers that no double tells apart. */
static void
test_exact(void **state)
{
	static const struct { const char *schema, *value; enum sp_status want; } rows[] = {
		{ "{'maximum':9007199254740992}", "9007199254740993", SP_E_BAD_PARAMS },
		{ "{'maximum':9007199254740993}", "9007199254740993", SP_OK },
		{ "{'enum':[9007199254740992]}", "9007199254740993", SP_E_BAD_PARAMS },
		{ "{'const':1e400}", "10e399", SP_OK }, { "{'const':0}", "-0.0", SP_OK },
		{ "{'maximum':1e400}", "1e401", SP_E_BAD_PARAMS }, { "{'type':'integer'}", "1e400", SP_OK },
		{ "{'type':'integer'}", "1e-1", SP_E_BAD_PARAMS }, { "{'uniqueItems':true}", "[9007199254740992,9007199254740993]", SP_OK },
		{ "{'uniqueItems':true}", "[100,1e2]", SP_E_BAD_PARAMS }, { "{'uniqueItems':true}", "[{'a':1,'b':2},{'b':2.0,'a':1}]",
		    SP_E_BAD_PARAMS }, { "{'maxLength':3}", "'\\ud83d\\ude00xy'", SP_OK },
	};

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		char a[256], b[256];
		struct sp_err e = { 0 };

		if (check_text(quoted(rows[i].schema, a, sizeof a), quoted(rows[i].value, b, sizeof b), 0, &e) != rows[i].want)
			fail_msg("%s %s: %s", rows[i].schema, rows[i].value, e.log);
	}
}

/* Equal values have equal hashes, also through the sorted path of more than a few elements. */
static void
test_hashed_twins(void **state)
{
	static const char *const last[] = { "{\"a\":1,\"b\":[2]}", "{\"b\":[2.0],\"a\":1e0}", "{\"a\":1,\"b\":[3]}" };

	for (size_t i = 0; i < SP_COUNT(last); i++) {
		struct sp_err e = { 0 };
		struct sp_out o;
		char buf[2048];

		sp_out_init(&o, buf, sizeof buf);
		sp_out_str(&o, "[{\"a\":1,\"b\":[2]}");
		for (int k = 0; k < 40; k++)
			sp_out_fmt(&o, ",%d", k);
		sp_out_fmt(&o, ",%s]", last[i]);
		assert_int_equal(check_text(SP_LIT("{\"uniqueItems\":true}"), sp_out_view(&o), 0, &e),
		    i == 2 ? SP_OK : SP_E_BAD_PARAMS);
	}
}

static void
test_resolve(void **state)
{
	/* RFC 3986 section 5.4. */
	static const char *const rows[][2] = {
		{ "g:h", "g:h" }, { "g", "http://a/b/c/g" }, { "./g", "http://a/b/c/g" }, { "g/", "http://a/b/c/g/" },
		{ "/g", "http://a/g" }, { "//g", "http://g" }, { "?y", "http://a/b/c/d;p?y" }, { "g?y", "http://a/b/c/g?y" },
		{ ";x", "http://a/b/c/;x" }, { "", "http://a/b/c/d;p?q" }, { ".", "http://a/b/c/" }, { "./", "http://a/b/c/" },
		{ "..", "http://a/b/" }, { "../", "http://a/b/" }, { "../g", "http://a/b/g" }, { "../..", "http://a/" },
		{ "../../g", "http://a/g" }, { "../../../g", "http://a/g" }, { "/./g", "http://a/g" }, { "/../g", "http://a/g" },
		{ "g.", "http://a/b/c/g." }, { ".g", "http://a/b/c/.g" }, { "g..", "http://a/b/c/g.." },
		{ "./../g", "http://a/b/g" }, { "./g/.", "http://a/b/c/g/" }, { "g/./h", "http://a/b/c/g/h" },
		{ "g/../h", "http://a/b/c/h" }, { "g;x=1/./y", "http://a/b/c/g;x=1/y" }, { "g;x=1/../y", "http://a/b/c/y" },
		{ "g?y/../x", "http://a/b/c/g?y/../x" }, { "urn:a:../b", "urn:a:../b" },
	};
	struct sp_arena a;

	sp_arena_init(&a, 1 << 20);
	for (size_t i = 0; i < SP_COUNT(rows); i++)
		if (!sp_eq(sp_uri_resolve(&a, SP_LIT("http://a/b/c/d;p?q"), sp_str(rows[i][0])), sp_str(rows[i][1])))
			fail_msg("%s", rows[i][0]);
	sp_arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_told), cmocka_unit_test(test_unusable), cmocka_unit_test(test_bombs),
		cmocka_unit_test(test_depth), cmocka_unit_test(test_multiples), cmocka_unit_test(test_exact),
		cmocka_unit_test(test_hashed_twins), cmocka_unit_test(test_resolve),
	};

	return cmocka_run_group_tests_name("JSON Schema", tests, NULL, NULL);
}

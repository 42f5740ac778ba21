#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "openapi/test_bind.h"
#include "schema/schema.h"
#include "wire/http1.h"

static const struct row {
	const char *name, *tool, *args, *target;	/* target NULL: refused */
	const char *rest;	/* body, or header "Name: value", or what the caller is told */
} rows[] = {
	{ "plain", "user", "{'id':'42'}", "/api/users/42", NULL },
	{ "number by its digits", "user", "{'id':900719925474099312345}", "/api/users/900719925474099312345", NULL },
	{ "boolean", "user", "{'id':true}", "/api/users/true", NULL },
	{ "a zone", "user", "{'id':'a.test.'}", "/api/users/a.test.", NULL },
	{ "a zone with =2F", "user", "{'id':'0=2F24.test.'}", "/api/users/0%3D2F24.test.", NULL },
	{ "M01 a/b", "user", "{'id':'a/b'}", "/api/users/a%2Fb", NULL },
	{ "M01 a?x=1", "user", "{'id':'a?x=1'}", "/api/users/a%3Fx%3D1", NULL },
	{ "M01 a#f", "user", "{'id':'a#f'}", "/api/users/a%23f", NULL },
	{ "M01 a;b", "user", "{'id':'a;b'}", "/api/users/a%3Bb", NULL },
	{ "M01 a%b", "user", "{'id':'100%'}", "/api/users/100%25", NULL },
	{ "M01 escape that is harmless", "user", "{'id':'a%20b'}", "/api/users/a%2520b", NULL },
	{ "three dots", "user", "{'id':'...'}", "/api/users/...", NULL },
	{ "dots with letters", "user", "{'id':'..a'}", "/api/users/..a", NULL },
	{ "letters beyond ASCII", "user", "{'id':'\xc3\xa9'}", "/api/users/%C3%A9", NULL },
	{ "M15 nothing is expanded", "user", "{'id':'{{secret:x}}${HOME}%(x)s{id}'}",
	    "/api/users/%7B%7Bsecret%3Ax%7D%7D%24%7BHOME%7D%25%28x%29s%7Bid%7D", NULL },
	{ "M01 ../../admin", "user", "{'id':'../../admin'}", NULL, "segment" },
	{ "M01 ..", "user", "{'id':'..'}", NULL, "segment" },
	{ "M01 .", "user", "{'id':'.'}", NULL, "segment" },
	{ "M01 %2e%2e", "user", "{'id':'%2e%2e'}", NULL, "segment" },
	{ "M01 .%2E", "user", "{'id':'.%2E'}", NULL, "segment" },
	{ "M01 %2e%2e%2f", "user", "{'id':'%2e%2e%2f'}", NULL, "percent-encoded separator" },
	{ "M01 %252e", "user", "{'id':'%252e'}", NULL, "segment" },
	{ "M01 %25252e%25252e", "user", "{'id':'%25252e%25252e'}", NULL, "segment" },
	{ "M01 four times encoded", "user", "{'id':'%2525252e'}", NULL, "too many times" },
	{ "M01 ..%5c", "user", "{'id':'..%5c'}", NULL, "percent-encoded separator" },
	{ "M01 a%2fb", "user", "{'id':'a%2fb'}", NULL, "percent-encoded separator" },
	{ "M01 a%252fb", "user", "{'id':'a%252fb'}", NULL, "percent-encoded separator" },
	{ "M01 a/../b", "user", "{'id':'a/../b'}", NULL, "segment" },
	{ "M01 a/..", "user", "{'id':'a/..'}", NULL, "segment" },
	{ "M01 ..;x", "user", "{'id':'..;x=1/a'}", NULL, "segment" },
	{ "M01 empty", "user", "{'id':''}", NULL, "is empty" },
	{ "M01 backslash", "user", "{'id':'\\\\'}", NULL, "backslash" },
	{ "M01 full-width dots and slash", "user", "{'id':'\xef\xbc\x8e\xef\xbc\x8e\xef\xbc\x8f'}", NULL, "segment" },
	{ "M01 two dot leader", "user", "{'id':'\xe2\x80\xa5'}", NULL, "segment" },
	{ "M01 NUL", "user", "{'id':'a\\u0000'}", NULL, "control" },
	{ "M01 %00", "user", "{'id':'a%00'}", NULL, "control" },
	{ "M01 K20 CR LF", "user", "{'id':'a\\r\\nHost: x'}", NULL, "control" },
	{ "M01 %0d%0a", "user", "{'id':'a%0d%0aX: y'}", NULL, "control" },
	{ "M01 overlong dot", "user", "{'id':'%c0%ae%c0%ae'}", NULL, "not UTF-8" },
	{ "dots and blanks", "user", "{'id':'.. '}", NULL, "segment" },
	{ "null", "user", "{'id':null}", NULL, "is required" },
	{ "missing", "user", "{}", NULL, "is required" },
	{ "object", "user", "{'id':{}}", NULL, "no text" },
	{ "list of a list", "ids", "{'ids':[['a']]}", NULL, "no text" },
	{ "unknown argument", "user", "{'id':'1','x':2}", NULL, "/x: no such argument" },
	{ "arguments that are a list", "user", "[]", NULL, "must be an object" },
	{ "segments with literals", "rrset", "{'zone':'a.','n':'w','t':'A'}", "/api/zones/a./rrsets/w.A", NULL },
	{ "M01 two values make a dot segment", "pair", "{'a':'.','b':'.'}", NULL, "segment" },
	{ "two values", "pair", "{'a':'x','b':'y'}", "/api/pair/xy", NULL },
	{ "list in a path", "ids", "{'ids':['a','b,c']}", "/api/ids/a,b%2Cc", NULL },
	{ "empty list in a path", "ids", "{'ids':[]}", NULL, "is empty" },
	{ "M01 dots in a list", "ids", "{'ids':['a','..']}", NULL, "segment" },

	{ "M03 reserved characters", "query", "{'must':[],'s':'a&b=c+d#e%f g?/\xc3\xa9'}",
	    "/api/q?s=a%26b%3Dc%2Bd%23e%25f%20g%3F%2F%C3%A9&must=", NULL },
	{ "M03 exploded list", "query", "{'must':['a','&b=1'],'l':['x','y']}", "/api/q?l=x&l=y&must=a&must=%26b%3D1", NULL },
	{ "M03 comma list", "query", "{'must':['a'],'c':['x','y,z']}", "/api/q?c=x,y%2Cz&must=a", NULL },
	{ "empty text", "query", "{'must':['a'],'s':''}", "/api/q?s=&must=a", NULL },
	{ "empty list that need not be", "query", "{'must':['a'],'l':[]}", "/api/q?must=a", NULL },
	{ "null is left out", "query", "{'must':['a'],'s':null}", "/api/q?must=a", NULL },
	{ "M03 odd name", "query", "{'must':['a'],'f_x_y_':'1'}", "/api/q?must=a&f%5Bx%20y%5D=1", NULL },
	{ "E13 big number", "query", "{'must':['a'],'n':9007199254740993}", "/api/q?must=a&n=9007199254740993", NULL },
	{ "E13 exponent", "query", "{'must':['a'],'n':1E+400}", "/api/q?must=a&n=1E%2B400", NULL },
	{ "E13 minus zero", "query", "{'must':['a'],'n':-0.0}", "/api/q?must=a&n=-0.0", NULL },
	{ "K20 CR LF in a query", "query", "{'must':['a\\r\\nb']}", "/api/q?must=a%0D%0Ab", NULL },
	{ "NUL in a query", "query", "{'must':['a\\u0000b']}", NULL, "NUL" },
	{ "M03 object in a query", "query", "{'must':['a'],'s':{'a':1}}", NULL, "no text" },
	{ "null in a list", "query", "{'must':[null]}", NULL, "no text" },
	{ "required list is missing", "query", "{}", NULL, "/must: is required" },

	{ "header", "header", "{'X-Tag':'v 1'}", "/api/h", "X-Tag: v 1" },
	{ "header list", "header", "{'X-List':['a','b']}", "/api/h", "X-List: a,b" },
	{ "header number", "header", "{'X-Tag':12}", "/api/h", "X-Tag: 12" },
	{ "K20 M04 CR LF in a header", "header", "{'X-Tag':'a\\r\\nHost: evil'}", NULL, "header cannot carry" },
	{ "K20 bare LF", "header", "{'X-Tag':'a\\nb'}", NULL, "header cannot carry" },
	{ "M04 NUL in a header", "header", "{'X-Tag':'a\\u0000'}", NULL, "header cannot carry" },
	{ "tab in a header", "header", "{'X-Tag':'a\\tb'}", NULL, "header cannot carry" },
	{ "not ASCII in a header", "header", "{'X-Tag':'\xc3\xa9'}", NULL, "header cannot carry" },
	{ "blank at the end", "header", "{'X-Tag':'a '}", NULL, "header cannot carry" },
	{ "comma in a header list", "header", "{'X-List':['a,b']}", NULL, "comma" },
	{ "empty element", "header", "{'X-List':['a','']}", NULL, "empty element" },
	{ "M06 query slot of the server", "slot", "{'token':'x'}", NULL, "" },
	{ "M04 header slot of the server", "slot", "{'X-Other':'x'}", NULL, "" },

	{ "body", "flat", "{'id':'1','a':{'x':[1,2.50,null]},'b':'q\\u0001\\\"'}", "/api/flat/1",
	    "{'a':{'x':[1,2.50,null]},'b':'q\\u0001\\\"'}" },
	{ "E13 digits of a body", "flat", "{'id':'1','a':123456789012345678901234567890.10e5}", "/api/flat/1",
	    "{'a':123456789012345678901234567890.10e5}" },
	{ "M15 body is not expanded", "flat", "{'id':'1','a':'{{secret:x}} ${ENV} %(x)s'}", "/api/flat/1",
	    "{'a':'{{secret:x}} ${ENV} %(x)s'}" },
	{ "required body without members", "flat", "{'id':'1'}", "/api/flat/1", "{}" },
	{ "null in a body stays", "flat", "{'id':'1','a':null}", "/api/flat/1", "{'a':null}" },
	{ "open body", "free", "{'a':1,'zz':2}", "/api/free", "{'a':1,'zz':2}" },
	{ "optional body", "free", "{}", "/api/free", "" },
	{ "whole body", "whole", "{'body':[1,'a',{'b':[]}]}", "/api/whole", "[1,'a',{'b':[]}]" },
	{ "whole body is missing", "whole", "{}", NULL, "/body: is required" },
	{ "beside the whole body", "whole", "{'body':[],'x':1}", NULL, "/x: no such argument" },
	{ "optional whole body as null", "maybe", "{'body':null}", "/api/maybe", "" },
	{ "optional whole body", "maybe", "{'body':'x'}", "/api/maybe", "'x'" },
};

static bool
rest_holds(struct sp_arena *a, const char *rest, const struct sp_request *q)
{
	sp_slice want = rest == NULL ? SP_LIT("") : test_json(a, rest), name;

	if (sp_take(&want, SP_LIT("X-"))) {
		want = test_json(a, rest);
		return !q->has_body && sp_take_to(&want, ':', &name) && q->nfields == 2 &&
		    sp_eq(q->fields[1].name, name) && sp_eq(q->fields[1].value, sp_trim(want));
	}
	if (q->has_body != (want.n != 0) || q->nfields != 1u + q->has_body)
		return false;
	return !q->has_body || (sp_eq(q->body, want) && sp_eq(q->fields[1].name, SP_LIT("Content-Type")));
}

static bool
row_holds(struct world *w, const struct row *r, struct sp_arena *a)
{
	uint32_t at = sp_img_find_tool(&w->img, sp_str(r->tool));
	struct sp_request q = { 0 };
	struct sp_err e = { 0 };
	sp_jval *args = NULL;
	enum sp_status st = sp_json_read_arena(a, test_json(a, r->args), SP_JSON_DEFAULT, &args, &e);

	assert_int_not_equal(at, UINT32_MAX);
	if (st != SP_OK)
		fail_msg("%s: %s", r->name, e.log);
	st = sp_bind(a, &w->img, SP_IMG_AT(&w->img, w->img.head->tools, tool, at), args, &q, &e);
	if (r->target == NULL)
		return (st == SP_E_BAD_PARAMS && r->rest[0] != '\0' && sp_find(sp_str(e.pub), sp_str(r->rest)) != SIZE_MAX) ||
		    (st == SP_E_REFUSED && r->rest[0] == '\0');
	if (st == SP_OK && sp_eq(q.target, sp_str(r->target)) && rest_holds(a, r->rest, &q))
		return true;
	print_error("got %d %s %.*s body %.*s\n", (int)st, e.pub, SP_PRI(q.target), SP_PRI(q.body));
	return false;
}

static void
test_rows(void **state)
{
	struct world w;
	unsigned bad = 0;

	world_make(&w);
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct sp_arena a;

		sp_arena_init(&a, 1 << 20);
		if (!row_holds(&w, &rows[i], &a)) {
			print_error("failed: %s\n", rows[i].name);
			bad++;
		}
		sp_arena_free(&a);
	}
	world_free(&w);
	assert_int_equal(bad, 0);
}

/* M07: what the tool's own schema says of unknown and readOnly members. */
static void
test_schema_guards(void **state)
{
	static const struct { const char *name, *tool, *args; enum sp_status want; } cases[] = {
		{ "as described", "flat", "{'id':'1','a':1}", SP_OK },
		{ "M07 extra member", "flat", "{'id':'1','a':1,'z':1}", SP_E_BAD_PARAMS },
		{ "M07 readOnly member", "flat", "{'id':'1','a':1,'ro':1}", SP_E_BAD_PARAMS },
		{ "M07 required member missing", "flat", "{'id':'1'}", SP_E_BAD_PARAMS },
		{ "M07 open body", "free", "{'z':1}", SP_OK },
		{ "wrong type", "query", "{'must':'a'}", SP_E_BAD_PARAMS },
	};
	struct world w;

	world_make(&w);
	for (size_t i = 0; i < SP_COUNT(cases); i++) {
		uint32_t at = sp_img_find_tool(&w.img, sp_str(cases[i].tool));
		const struct sp_img_tool *t = SP_IMG_AT(&w.img, w.img.head->tools, tool, at);
		struct sp_schema *s = NULL;
		struct sp_arena a;
		struct sp_err e = { 0 };
		sp_jval *args;

		sp_arena_init(&a, 1 << 20);
		assert_int_equal(sp_schema_new(sp_img_str(&w.img, t->schema), &s, &e), SP_OK);
		assert_int_equal(sp_json_read_arena(&a, test_json(&a, cases[i].args), SP_JSON_DEFAULT, &args, &e), SP_OK);
		if (sp_schema_check(s, args, 0, &e) != cases[i].want)
			fail_msg("%s", cases[i].name);
		sp_schema_free(&s);
		sp_arena_free(&a);
	}
	world_free(&w);
}

static enum sp_status
bind_long(struct world *w, size_t n, size_t room, const char *tool, struct sp_err *e)
{
	uint32_t at = sp_img_find_tool(&w->img, sp_str(tool));
	struct sp_arena in, a;
	struct sp_request q;
	struct sp_out o;
	sp_jval *args;
	enum sp_status st;

	sp_arena_init(&in, 64 << 20);
	sp_arena_init(&a, room);
	sp_out_heap(&o, 32 << 20);
	sp_out_str(&o, "{\"must\":[\"");
	for (size_t i = 0; i < n; i++)
		sp_out_byte(&o, 'x');
	sp_out_str(&o, "\"]}");
	assert_int_equal(sp_json_read_arena(&in, sp_out_view(&o), SP_JSON_DEFAULT, &args, e), SP_OK);
	st = sp_bind(&a, &w->img, SP_IMG_AT(&w->img, w->img.head->tools, tool, at), args, &q, e);
	sp_out_free(&o);
	sp_arena_free(&a);
	sp_arena_free(&in);
	return st;
}

static void
test_limits(void **state)
{
	struct sp_err e = { 0 };
	struct world w;

	world_make(&w);
	assert_int_equal(bind_long(&w, 30000, 1 << 20, "query", &e), SP_OK);
	assert_int_equal(bind_long(&w, 40000, 1 << 20, "query", &e), SP_E_BAD_PARAMS);
	assert_int_equal(bind_long(&w, 1 << 20, 8 << 20, "query", &e), SP_E_BAD_PARAMS);
	assert_int_equal(bind_long(&w, 30000, 4096, "query", &e), SP_E_TOO_BIG);
	world_free(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows), cmocka_unit_test(test_schema_guards), cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests_name("binding", tests, NULL, NULL);
}

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
	{ "object", "user", "{'id':{'a':1}}", NULL, "no text" },
	{ "empty object", "user", "{'id':{}}", NULL, "is empty" },
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
	{ "M03 object where none was described", "query", "{'must':['a'],'s':{'a':1}}", NULL, "no text" },
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
#define O3 "{'R':100,'G':'a b'}"
	{ "simple, text", "p_simple", "{'v':'blue'}", "/api/p_simple/blue", NULL },
	{ "simple, list", "p_simple", "{'v':['a','b,c']}", "/api/p_simple/a,b%2Cc", NULL },
	{ "simple, object", "p_simple", "{'v':" O3 "}", "/api/p_simple/R,100,G,a%20b", NULL },
	{ "simple exploded, list", "p_simple_x", "{'v':['a','b']}", "/api/p_simple_x/a,b", NULL },
	{ "simple exploded, object", "p_simple_x", "{'v':" O3 "}", "/api/p_simple_x/R=100,G=a%20b", NULL },
	{ "label, text", "p_label", "{'v':'blue'}", "/api/p_label/.blue", NULL },
	{ "label, list", "p_label", "{'v':['a','b']}", "/api/p_label/.a,b", NULL },
	{ "label, object", "p_label", "{'v':" O3 "}", "/api/p_label/.R,100,G,a%20b", NULL },
	{ "label exploded, list", "p_label_x", "{'v':['a','b']}", "/api/p_label_x/.a.b", NULL },
	{ "label exploded, object", "p_label_x", "{'v':" O3 "}", "/api/p_label_x/.R=100.G=a%20b", NULL },
	{ "matrix, text", "p_matrix", "{'v':'blue'}", "/api/p_matrix/;v=blue", NULL },
	{ "matrix, list", "p_matrix", "{'v':['a','b']}", "/api/p_matrix/;v=a,b", NULL },
	{ "matrix, object", "p_matrix", "{'v':" O3 "}", "/api/p_matrix/;v=R,100,G,a%20b", NULL },
	{ "matrix exploded, list", "p_matrix_x", "{'v':['a','b']}", "/api/p_matrix_x/;v=a;v=b", NULL },
	{ "matrix exploded, object", "p_matrix_x", "{'v':" O3 "}", "/api/p_matrix_x/;R=100;G=a%20b", NULL },
	{ "M01 matrix, a/../b;x", "p_matrix", "{'v':'a/../b'}", NULL, "segment" },
	{ "M01 label, dot", "p_label", "{'v':'.'}", NULL, "segment" },
	{ "M01 label exploded, empty text", "p_label_x", "{'v':['','']}", NULL, "is empty" },
	{ "M01 a name in a path", "p_matrix_x", "{'v':{'../x':'1'}}", NULL, "name cannot stand there" },
	{ "M01 a name of dots in a path", "p_simple_x", "{'v':{'..':'1'}}", NULL, "segment" },
	{ "an object of nulls in a path", "p_simple", "{'v':{'a':null}}", NULL, "is empty" },
	{ "list of objects in a path", "p_simple", "{'v':[{'a':1}]}", NULL, "no text" },

	{ "form, text", "q_form", "{'v':'blue'}", "/api/q_form?v=blue", NULL },
	{ "form, empty", "q_form", "{'v':''}", "/api/q_form?v=", NULL },
	{ "form, list", "q_form", "{'v':['a','b,c']}", "/api/q_form?v=a,b%2Cc", NULL },
	{ "form, object", "q_form", "{'v':" O3 "}", "/api/q_form?v=R,100,G,a%20b", NULL },
	{ "form exploded, list", "q_form_x", "{'v':['a','b']}", "/api/q_form_x?v=a&v=b", NULL },
	{ "form exploded, object", "q_form_x", "{'v':" O3 "}", "/api/q_form_x?R=100&G=a%20b", NULL },
	{ "form exploded, booleans are lower case", "q_form_x", "{'v':[true,false]}", "/api/q_form_x?v=true&v=false", NULL },
	{ "spaces, list", "q_space", "{'v':['a','b|c']}", "/api/q_space?v=a%20b%7Cc", NULL },
	{ "spaces, object", "q_space", "{'v':{'R':100,'G':'a,b'}}", "/api/q_space?v=R%20100%20G%20a%2Cb", NULL },
	{ "M03 a space would make two of one", "q_space", "{'v':['a','b c']}", NULL, "the separator of its list" },
	{ "M03 a space in an object", "q_space", "{'v':" O3 "}", NULL, "the separator of its list" },
	{ "M03 a space in a name", "q_space", "{'v':{'a b':1}}", NULL, "name cannot stand there" },
	{ "spaces exploded, list", "q_space_x", "{'v':['a','b']}", "/api/q_space_x?v=a&v=b", NULL },
	{ "pipes, list", "q_pipe", "{'v':['a','b c']}", "/api/q_pipe?v=a%7Cb%20c", NULL },
	{ "M03 a pipe would make two of one", "q_pipe", "{'v':['a','b|c']}", NULL, "the separator of its list" },
	{ "pipes, object", "q_pipe", "{'v':" O3 "}", "/api/q_pipe?v=R%7C100%7CG%7Ca%20b", NULL },
	{ "pipes exploded, list", "q_pipe_x", "{'v':['a','b|c']}", "/api/q_pipe_x?v=a&v=b%7Cc", NULL },
	{ "deepObject", "q_deep", "{'v':" O3 "}", "/api/q_deep?v%5BR%5D=100&v%5BG%5D=a%20b", NULL },
	{ "deepObject, nested", "q_deep", "{'v':{'a':{'b':[1,2]},'c':[{'d':3}],'n':null}}",
	    "/api/q_deep?v%5Ba%5D%5Bb%5D%5B%5D=1&v%5Ba%5D%5Bb%5D%5B%5D=2&v%5Bc%5D%5B0%5D%5Bd%5D=3", NULL },
	{ "deepObject, text", "q_deep", "{'v':'x'}", "/api/q_deep?v=x", NULL },
	{ "deepObject, empty", "q_deep", "{'v':{}}", "/api/q_deep", NULL },
	{ "M03 deepObject, brackets in a name", "q_deep", "{'v':{'a][b':1}}", NULL, "name cannot stand there" },
	{ "M03 deepObject, reserved characters in a name", "q_deep", "{'v':{'a&b=c':1}}", "/api/q_deep?v%5Ba%26b%3Dc%5D=1", NULL },
	{ "M03 a name with reserved characters", "q_form_x", "{'v':{'a&b=c#':'x&y=z'}}", "/api/q_form_x?a%26b%3Dc%23=x%26y%3Dz", NULL },
	{ "M03 a name of another parameter", "q_form_x", "{'v':{'other':1}}", NULL, "name of another argument" },
	{ "M06 a name that is a slot", "q_form_x", "{'v':{'Token':'mine'}}", NULL, "" },
	{ "M03 nested values are JSON", "q_form", "{'v':[{'a':['&']}]}", "/api/q_form?v=%7B%22a%22%3A%5B%22%26%22%5D%7D", NULL },
	{ "reserved characters stay", "reserved", "{'r':'a:b/c?d@e!f$g(h)*i,j'}", "/api/reserved?r=a:b/c?d@e!f$g(h)*i,j", NULL },
	{ "M03 what would end the value does not", "reserved", "{'r':'a&b=c#d+e;f%g[h] i'}",
	    "/api/reserved?r=a%26b%3Dc%23d%2Be%3Bf%25g%5Bh%5D%20i", NULL },
	{ "K20 CR LF where reserved characters stay", "reserved", "{'r':'a\\r\\nb'}", "/api/reserved?r=a%0D%0Ab", NULL },

	{ "header object", "h_simple", "{'X-V':{'R':100,'G':'x'}}", "/api/h_simple", "X-V: R,100,G,x" },
	{ "header object exploded", "h_simple_x", "{'X-V':{'R':100,'G':'x'}}", "/api/h_simple_x", "X-V: R=100,G=x" },
	{ "M04 name in a header", "h_simple", "{'X-V':{'R: 1\\r\\nHost':100}}", NULL, "name cannot stand there" },
	{ "M04 CR LF in a header object", "h_simple", "{'X-V':{'R':'a\\r\\nb'}}", NULL, "header cannot carry" },
	{ "list in a header object", "h_simple", "{'X-V':{'R':[1]}}", NULL, "no text" },

	{ "cookie", "c_form", "{'v':'x','w':'y'}", "/api/c_form", "Cookie v=x; w=y" },
	{ "cookie list", "c_form", "{'v':['x','y']}", "/api/c_form", "Cookie v=x,y" },
	{ "cookie object", "c_form", "{'v':{'a':1,'b':2}}", "/api/c_form", "Cookie v=a,1,b,2" },
	{ "cookie exploded, list", "c_form_x", "{'v':['x','y']}", "/api/c_form_x", "Cookie v=x; v=y" },
	{ "cookie exploded, object", "c_form_x", "{'v':{'a':1,'b':2}}", "/api/c_form_x", "Cookie a=1; b=2" },
	{ "M05 a=b; admin=1", "c_form", "{'v':'a=b; admin=1'}", "/api/c_form", "Cookie v=a%3Db%3B%20admin%3D1" },
	{ "M05 quotes, commas, backslash", "c_form", "{'v':'\\\"a\\\",b\\\\'}", "/api/c_form", "Cookie v=%22a%22%2Cb%5C" },
	{ "M05 CR LF", "c_form", "{'v':'a\\r\\nX: y'}", NULL, "control character" },
	{ "M05 NUL", "c_form", "{'v':'a\\u0000'}", NULL, "control character" },
	{ "M05 a name with a semicolon", "c_form_x", "{'v':{'a; admin':'1'}}", NULL, "name cannot stand there" },
	{ "M05 M06 a name that is a slot", "c_form_x", "{'v':{'SID':'mine'}}", NULL, "" },

	{ "JSON parameters", "json", "{'p':{'a':1},'q':[1,'&'],'X-J':{'b':'c'},'c':{'d':';'}}",
	    "/api/json/%7B%22a%22%3A1%7D?q=%5B1%2C%22%26%22%5D", "X-J: {'b':'c'}|c=%7B%22d%22%3A%22%3B%22%7D" },
	{ "M01 JSON parameter of dots is quoted", "json", "{'p':'..'}", "/api/json/%22..%22", NULL },
	{ "M01 JSON parameter with a way up", "json", "{'p':'/../'}", NULL, "segment" },
	{ "M04 JSON parameter with CR LF is escaped", "json", "{'p':1,'X-J':'a\\r\\nb'}", "/api/json/1", "X-J: 'a\\r\\nb'" },

	{ "form body", "f_plain", "{'a':'x y&z=1','l':['a','b'],'o':{'k':'v'},'c':['a','b,c'],'d':{'k':{'m':1}},'j':[1]}",
	    "/api/f_plain", "a=x%20y%26z%3D1&l=a&l=b&o=%7B%22k%22%3A%22v%22%7D&c=a,b%2Cc&d%5Bk%5D%5Bm%5D=1&j=%5B1%5D" },
	{ "form body, styles that are said", "f_plain", "{'x':{'k':'v&','m':[1]},'y':{'k':1,'m':'a,b'},'s':['a','b']}",
	    "/api/f_plain", "=k=v%26&m=%5B1%5D&y=k,1,m,a%2Cb&s=a%20b" },
	{ "M03 form body, a space would make two of one", "f_plain", "{'s':['a b']}", NULL, "the separator of its list" },
	{ "form body, null and empty", "f_plain", "{'a':'','l':null}", "/api/f_plain", "a=" },
	{ "form body as a whole", "f_whole", "{'body':{'a':1,'b':[true,false]}}", "/api/f_whole", "a=1&b=true&b=false" },
	{ "form body that is a list", "f_whole", "{'body':[1]}", NULL, "must be an object" },
	{ "form body is missing", "f_whole", "{}", NULL, "is required" },
	{ "text body", "b_text", "{'body':'a\\nb'}", "/api/b_text", "=a\nb" },
	{ "text body that is none", "b_text", "{'body':{}}", NULL, "no text" },
	{ "bytes", "b_bytes", "{'body':'aGk='}", "/api/b_bytes", "=hi" },
	{ "bytes that are no base64", "b_bytes", "{'body':'a-_='}", NULL, "not base64" },
	{ "M15 text body is not expanded", "b_text", "{'body':'{{secret:x}}${HOME}'}", "/api/b_text", "={{secret:x}}${HOME}" },
};

/* "X-Name: value|cookies", "Cookie cookies", or the body; a body with = before it is compared as it is. */
static bool
rest_holds(struct sp_arena *a, const char *rest, const struct sp_request *q)
{
	sp_slice want = rest == NULL ? SP_LIT("") : test_json(a, rest), name, head;

	if (sp_take(&want, SP_LIT("Cookie ")))
		return !q->has_body && q->nfields == 1 && sp_eq(q->cookies, want);
	if (sp_starts(want, SP_LIT("X-"))) {
		if (!sp_take_to(&want, '|', &head)) {
			head = want;
			want.n = 0;
		}
		return !q->has_body && sp_take_to(&head, ':', &name) && q->nfields == 2 && sp_eq(q->cookies, want) &&
		    sp_eq(q->fields[1].name, name) && sp_eq(q->fields[1].value, sp_trim(head));
	}
	if (q->has_body != (want.n != 0) || q->nfields != 1u + q->has_body || q->cookies.n != 0)
		return false;
	(void)sp_take(&want, SP_LIT("="));
	return !q->has_body || (sp_eq(q->body, want) && sp_eq(q->fields[1].name, SP_LIT("Content-Type")));
}

static bool
row_holds(struct world *w, const struct row *r, struct sp_arena *a)
{
	uint32_t at = sp_img_find_tool(&w->img, 0, sp_str(r->tool));
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

static enum sp_status
bind_args(struct world *w, struct sp_arena *a, const char *tool, const char *args, struct sp_request *q, struct sp_err *e)
{
	uint32_t at = sp_img_find_tool(&w->img, 0, sp_str(tool));
	sp_jval *v;

	assert_int_not_equal(at, UINT32_MAX);
	assert_int_equal(sp_json_read_arena(a, test_json(a, args), SP_JSON_DEFAULT, &v, e), SP_OK);
	return sp_bind(a, &w->img, SP_IMG_AT(&w->img, w->img.head->tools, tool, at), v, q, e);
}

#define PART(name, text) "--@\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n" text "\r\n"

/* `want` is the body with the boundary written as @. */
struct form { const char *name, *args, *want, *refused; };

/* OpenAPI 3.1: every member has a style, and nothing is encoded. */
static const struct form styled[] = {
	{ "list", "{'c':['a','b&c']}", PART("c", "a,b&c") "--@--\r\n", NULL },
	{ "object", "{'c':{'R':100,'G':'a b'}}", PART("c", "R,100,G,a b") "--@--\r\n", NULL },
	{ "text may hold what it likes", "{'c':'a,b','p':'|'}", PART("c", "a,b") PART("p", "|") "--@--\r\n", NULL },
	{ "M03 a comma in an element", "{'c':['a,b']}", NULL, "the separator of its list" },
	{ "M03 a comma in a name", "{'c':{'a,b':1}}", NULL, "name cannot stand there" },
	{ "exploded, list", "{'x':['a,b','c']}", PART("x", "a,b") PART("x", "c") "--@--\r\n", NULL },
	{ "exploded, object", "{'x':{'R':100,'G':'a'}}", PART("R", "100") PART("G", "a") "--@--\r\n", NULL },
	{ "exploded, a name that breaks out", "{'x':{'a\\\"\\r\\nX: 1':'v'}}", PART("a%22%0D%0AX: 1", "v") "--@--\r\n", NULL },
	{ "spaces", "{'s':['a','b']}", PART("s", "a b") "--@--\r\n", NULL },
	{ "M03 a space in an element", "{'s':['a b']}", NULL, "the separator of its list" },
	{ "pipes, object", "{'p':{'R':100,'G':'a,b'}}", PART("p", "R|100|G|a,b") "--@--\r\n", NULL },
	{ "deepObject", "{'d':{'a':{'b':1},'c':'x'}}", PART("d[a][b]", "1") PART("d[c]", "x") "--@--\r\n", NULL },
	{ "nested values are JSON", "{'x':[{'a':1}]}", PART("x", "{\"a\":1}") "--@--\r\n", NULL },
	{ "empty ones are not there", "{'c':[],'x':{},'d':{}}", "--@--\r\n", NULL },
	{ "a file stays a file", "{'f':'aGk='}", "--@\r\nContent-Disposition: form-data; name=\"f\"; filename=\"f\"\r\n"
	    "Content-Type: application/octet-stream\r\n\r\nhi\r\n--@--\r\n", NULL },
};

static const struct form multipart[] = {
	{ "text", "{'t':'a\\r\\n--x'}", "--@\r\nContent-Disposition: form-data; name=\"t\"\r\n\r\na\r\n--x\r\n--@--\r\n", NULL },
	{ "a list is as many parts", "{'t':[1,true]}", "--@\r\nContent-Disposition: form-data; name=\"t\"\r\n\r\n1\r\n"
	    "--@\r\nContent-Disposition: form-data; name=\"t\"\r\n\r\ntrue\r\n--@--\r\n", NULL },
	{ "an object is JSON", "{'o':{'a':1}}", "--@\r\nContent-Disposition: form-data; name=\"o\"\r\n"
	    "Content-Type: application/json\r\n\r\n{\"a\":1}\r\n--@--\r\n", NULL },
	{ "a file", "{'f':'AP8='}", "--@\r\nContent-Disposition: form-data; name=\"f\"; filename=\"f\"\r\n"
	    "Content-Type: application/octet-stream\r\n\r\n\0\xff\r\n--@--\r\n", NULL },
	{ "a file with its name", "{'p':{'data':'aGk=','filename':'my cat.png'}}", "--@\r\nContent-Disposition: form-data; "
	    "name=\"p\"; filename=\"my cat.png\"\r\nContent-Type: image/png\r\n\r\nhi\r\n--@--\r\n", NULL },
	{ "a file name that climbs and breaks out", "{'f':{'data':'aGk=','filename':'../..\\\\e\\\"; x=\\\"\\r\\nY: 1'}}",
	    "--@\r\nContent-Disposition: form-data; name=\"f\"; filename=\"e__ x____Y_ 1\"\r\n"
	    "Content-Type: application/octet-stream\r\n\r\nhi\r\n--@--\r\n", NULL },
	{ "a file name of dots", "{'f':{'data':'aGk=','filename':'..'}}", "--@\r\nContent-Disposition: form-data; name=\"f\"; "
	    "filename=\"file\"\r\nContent-Type: application/octet-stream\r\n\r\nhi\r\n--@--\r\n", NULL },
	{ "files", "{'fs':['aGk=','aG8=']}", "--@\r\nContent-Disposition: form-data; name=\"fs\"; filename=\"fs\"\r\n"
	    "Content-Type: application/octet-stream\r\n\r\nhi\r\n--@\r\nContent-Disposition: form-data; name=\"fs\"; "
	    "filename=\"fs\"\r\nContent-Type: application/octet-stream\r\n\r\nho\r\n--@--\r\n", NULL },
	{ "a name that breaks out", "{'a\\\"\\r\\nX: 1':'v'}", "--@\r\nContent-Disposition: form-data; name=\"a%22%0D%0AX: 1\""
	    "\r\n\r\nv\r\n--@--\r\n", NULL },
	{ "nothing given", "{}", "--@--\r\n", NULL },
	{ "no base64", "{'f':'!'}", NULL, "/f: is not base64" },
	{ "no data", "{'f':{'filename':'x'}}", NULL, "/f: is not base64" },
};

static bool
multipart_holds(const char *want, size_t n, const struct sp_request *q)
{
	sp_slice media = q->fields[q->nfields - 1].value, in = { want, n }, part;
	struct sp_out o;
	char buf[4096];
	bool more;

	if (!q->has_body || !sp_take(&media, SP_LIT("multipart/form-data; boundary=")) || media.n < 16)
		return false;
	sp_out_init(&o, buf, sizeof buf);
	do {
		more = sp_take_to(&in, '@', &part);
		sp_out_slice(&o, more ? part : in);
		sp_out_slice(&o, more ? media : SP_LIT(""));
	} while (more);
	return sp_eq(sp_out_view(&o), q->body);
}

static void
form_check(struct world *w, const char *tool, const struct form *f)
{
	/* the one row with a NUL */
	size_t n = f->want == NULL ? 0 : strcmp(f->name, "a file") == 0 ? strlen(f->want) + 2 + strlen("\r\n--@--\r\n") :
	    strlen(f->want);
	struct sp_request q = { 0 };
	struct sp_err e = { 0 };
	struct sp_arena a;
	enum sp_status st;

	sp_arena_init(&a, 1 << 20);
	st = bind_args(w, &a, tool, f->args, &q, &e);
	if (f->want == NULL ? st != SP_E_BAD_PARAMS || strstr(e.pub, f->refused) == NULL :
	    st != SP_OK || !multipart_holds(f->want, n, &q))
		fail_msg("%s: %d %s\n%.*s", f->name, (int)st, e.pub, SP_PRI(q.body));
	sp_arena_free(&a);
}

static void
test_multipart(void **state)
{
	struct world w;

	world_make(&w);
	for (size_t i = 0; i < SP_COUNT(multipart); i++)
		form_check(&w, "m_form", &multipart[i]);
	for (size_t i = 0; i < SP_COUNT(styled); i++)
		form_check(&w, "m_style", &styled[i]);
	world_free(&w);
}

#define FORM_DATA(name, rest) "{'in':'formData','name':'" name "'," rest "}"

/* Where the versions differ: 3.0 knows a style for members of a form only; 2.0 has its own. */
static void
test_versions(void **state)
{
	static const char v30[] = "{'openapi':'3.0.3','paths':{'/m':{'post':{'operationId':'m','requestBody':{'content':{"
	    "'multipart/form-data':{'schema':{'type':'object','properties':{'c':{},'o':{}}},'encoding':{'c':{'style':'form',"
	    "'explode':false},'o':{'style':'form'}}}}}}}}}";
	static const char v20[] = "{'swagger':'2.0','host':'a.test','paths':{'/m':{'post':{'operationId':'m','consumes':["
	    "'multipart/form-data'],'parameters':[" FORM_DATA("t", "'type':'string'") ","
	    FORM_DATA("c", "'type':'array','items':{'type':'string'}") ","
	    FORM_DATA("m", "'type':'array','items':{'type':'string'},'collectionFormat':'multi'") ","
	    FORM_DATA("p", "'type':'array','items':{'type':'string'},'collectionFormat':'pipes'") "]}}}}";
	static const struct form old[] = {
		{ "3.0 has no style for a part", "{'c':['a','b']}", PART("c", "a") PART("c", "b") "--@--\r\n", NULL },
		{ "3.0, an object is JSON", "{'o':{'a':1}}", "--@\r\nContent-Disposition: form-data; name=\"o\"\r\n"
		    "Content-Type: application/json\r\n\r\n{\"a\":1}\r\n--@--\r\n", NULL },
	};
	static const struct form older[] = {
		{ "2.0 text", "{'t':'a,b'}", PART("t", "a,b") "--@--\r\n", NULL },
		{ "2.0 lists have commas", "{'c':['a','b']}", PART("c", "a,b") "--@--\r\n", NULL },
		{ "2.0 multi", "{'m':['a','b,c']}", PART("m", "a") PART("m", "b,c") "--@--\r\n", NULL },
		{ "2.0 pipes", "{'p':['a','b,c']}", PART("p", "a|b,c") "--@--\r\n", NULL },
		{ "M03 2.0 a comma in an element", "{'c':['a,b']}", NULL, "the separator of its list" },
	};
	struct world w;

	world_of(&w, v30);
	for (size_t i = 0; i < SP_COUNT(old); i++)
		form_check(&w, "m", &old[i]);
	world_free(&w);
	world_of(&w, v20);
	for (size_t i = 0; i < SP_COUNT(older); i++)
		form_check(&w, "m", &older[i]);
	world_free(&w);
}

/* The boundary that these arguments would get is in them: another one is taken. */
static void
test_boundary(void **state)
{
	char args[400], first[64] = "";
	struct world w;

	world_make(&w);
	for (int turn = 0; turn < 3; turn++) {
		struct sp_request q = { 0 };
		struct sp_err e = { 0 };
		struct sp_arena a;
		sp_slice media;

		sp_arena_init(&a, 1 << 20);
		snprintf(args, sizeof args, "{'t':'%s'}", first);
		assert_int_equal(bind_args(&w, &a, "m_form", args, &q, &e), SP_OK);
		media = q.fields[q.nfields - 1].value;
		assert_true(sp_take(&media, SP_LIT("multipart/form-data; boundary=")));
		assert_false(sp_eq(media, sp_str(first)));
		snprintf(first, sizeof first, "%.*s", SP_PRI(media));
		sp_arena_free(&a);
	}
	world_free(&w);
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
		uint32_t at = sp_img_find_tool(&w.img, 0, sp_str(cases[i].tool));
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
	uint32_t at = sp_img_find_tool(&w->img, 0, sp_str(tool));
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
		cmocka_unit_test(test_rows), cmocka_unit_test(test_multipart), cmocka_unit_test(test_versions),
		cmocka_unit_test(test_boundary),
		cmocka_unit_test(test_schema_guards), cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests_name("binding", tests, NULL, NULL);
}

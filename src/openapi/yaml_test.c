#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "openapi/spec.h"
#include "openapi/test_doc.h"
#include "openapi/yaml_json.h"
#include "wire/http1.h"

/* want NULL: refused, and `rest` is in the reason. */
static const struct { const char *name; sp_slice text; const char *want, *rest; } rows[] = {
	{ "mapping", SP_LIT_INIT("a: b\nc:\n  - 1\n  - x y\n"), "{'a':'b','c':[1,'x y']}", NULL },
	{ "the Norway problem", SP_LIT_INIT("[yes, no, on, off, y, n, NO]"), "['yes','no','on','off','y','n','NO']", NULL },
	{ "booleans and null", SP_LIT_INIT("[true, True, FALSE, null, ~, Null, '', nuLL, tRue]"),
	    "[true,true,false,null,null,null,'','nuLL','tRue']", NULL },
	{ "an empty value is null", SP_LIT_INIT("a:\nb: \"\"\n"), "{'a':null,'b':''}", NULL },
	{ "numbers keep their digits", SP_LIT_INIT("[1, -0, 1.10, 12345678901234567890123, 1e5, 1.5E-7, +3, .5, 2., 007, -.5e+2]"),
	    "[1,-0,1.10,12345678901234567890123,1e5,1.5e-7,3,0.5,2,7,-0.5e2]", NULL },
	{ "octal and hexadecimal", SP_LIT_INIT("[0o17, 0x1F, 0o8, 0xg, 0x, 0x11112222333344445]"),
	    "[15,31,'0o8','0xg','0x','0x11112222333344445']", NULL },
	{ "no number", SP_LIT_INIT("[1.2.3, 1e, -, +, ., 12:30, 1_000, 2020-01-01, .inf, .NaN, 1e5x]"),
	    "['1.2.3','1e','-','+','.','12:30','1_000','2020-01-01','.inf','.NaN','1e5x']", NULL },
	{ "quoted scalars are text", SP_LIT_INIT("['1', \"true\", 'null']"), "['1','true','null']", NULL },
	{ "block text", SP_LIT_INIT("a: |\n  x\n  y\nb: >-\n  x\n  y\n"), "{'a':'x\\ny\\n','b':'x y'}", NULL },
	{ "escapes", SP_LIT_INIT("\"\\u00e9\\x41\\t\\\\\\\"\""), "'\xc3\xa9" "A\\t\\\\\\\"'", NULL },
	{ "keys are text", SP_LIT_INIT("200: a\ntrue: b\nnull: c\n"), "{'200':'a','true':'b','null':'c'}", NULL },
	{ "one key in two mappings", SP_LIT_INIT("a: {x: 1}\nb: {x: 2}\n"), "{'a':{'x':1},'b':{'x':2}}", NULL },
	{ "JSON is YAML", SP_LIT_INIT("[{\"a\": [1, {}]}, []]"), "[{'a':[1,{}]},[]]", NULL },
	{ "document marks", SP_LIT_INIT("---\na: 1\n...\n"), "{'a':1}", NULL },
	{ "comments", SP_LIT_INIT("# x\na: 1 # y\n"), "{'a':1}", NULL },
	{ "M09 anchor", SP_LIT_INIT("a: 1\nb: &x 2\n"), NULL, "line 2, column 4: anchors" },
	{ "M09 anchor of a list", SP_LIT_INIT("a: &x [1]\n"), NULL, "line 1, column 4: anchors" },
	{ "M09 anchor of a mapping", SP_LIT_INIT("&x {a: 1}\n"), NULL, "line 1, column 1: anchors" },
	{ "M09 alias", SP_LIT_INIT("- *x\n"), NULL, "line 1, column 3: aliases" },
	{ "M09 billion laughs", SP_LIT_INIT("a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n"), NULL, "line 1" },
	{ "tag", SP_LIT_INIT("a: !!binary aGk=\n"), NULL, "line 1, column 4: tags" },
	{ "tag of the reader's language", SP_LIT_INIT("!!python/object/apply:os.system [ls]"), NULL, "tags" },
	{ "merge key", SP_LIT_INIT("a:\n  <<: {b: 1}\n"), NULL, "line 2, column 3: merge keys" },
	{ "a quoted << is a key", SP_LIT_INIT("'<<': 1\n"), "{'<<':1}", NULL },
	{ "second document", SP_LIT_INIT("a: 1\n---\nb: 2\n"), NULL, "line 2, column 1: a second document" },
	{ "directive", SP_LIT_INIT("%YAML 1.1\n---\na: 1\n"), NULL, "directives" },
	{ "twin keys", SP_LIT_INIT("a: 1\nb: 2\na: 3\n"), NULL, "line 3, column 1: key given twice, first at line 1" },
	{ "twin keys, differently written", SP_LIT_INIT("{a: 1, \"\\x61\": 2}"), NULL, "key given twice" },
	{ "mapping as a key", SP_LIT_INIT("? {a: 1}\n: 2\n"), NULL, "a key must be plain text" },
	{ "list as a key", SP_LIT_INIT("[a]: 2\n"), NULL, "a key must be plain text" },
	{ "not YAML", SP_LIT_INIT("a: [1\nb: 2"), NULL, "line 2" },
	{ "tab as indentation", SP_LIT_INIT("a:\n\tb: 1\n"), NULL, "line 2" },
	{ "empty", SP_LIT_INIT(""), NULL, "empty" },
	{ "comments alone", SP_LIT_INIT("# nothing\n"), NULL, "empty" },
	{ "NUL", SP_LIT_INIT("a: \"b\0c\"\n"), NULL, "line" },
	{ "NUL by its escape", SP_LIT_INIT("a: \"b\\0c\"\n"), "{'a':'b\\u0000c'}", NULL },
	{ "not UTF-8", SP_LIT_INIT("a: \xff\n"), NULL, "not UTF-8" },
	{ "byte order mark", SP_LIT_INIT("\xef\xbb\xbf" "a: 1\n"), NULL, "byte order mark" },
	{ "UTF-16", SP_LIT_INIT("\xff\xfe" "a\0:\0"), NULL, "not UTF-8" },
};

static void
test_rows(void **state)
{
	unsigned bad = 0;

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct sp_err e = { 0 };
		struct sp_arena a;
		struct sp_out o;
		enum sp_status st;

		sp_arena_init(&a, 1 << 20);
		sp_out_heap(&o, 1 << 20);
		st = sp_yaml_json(rows[i].text, &o, &e);
		if (rows[i].want == NULL ? st != SP_E_CONFIG || sp_find(sp_str(e.log), sp_str(rows[i].rest)) == SIZE_MAX :
		    st != SP_OK || !sp_eq(sp_out_view(&o), test_json(&a, rows[i].want))) {
			print_error("%s: %d %s %.*s\n", rows[i].name, (int)st, e.log, SP_PRI(sp_out_view(&o)));
			bad++;
		}
		sp_out_free(&o);
		sp_arena_free(&a);
	}
	assert_int_equal(bad, 0);
}

static enum sp_status
read_many(const char *what, unsigned n, size_t room, struct sp_err *e)
{
	struct sp_out text, o;
	enum sp_status st;

	sp_out_heap(&text, 64 << 20);
	sp_out_heap(&o, room);
	for (unsigned i = 0; i < n; i++)
		sp_out_fmt(&text, what, i);
	st = sp_yaml_json(sp_out_view(&text), &o, e);
	sp_out_free(&o);
	sp_out_free(&text);
	return st;
}

/* M09: depth, size and number of keys are bounded, and cost no more than they should. */
static void
test_limits(void **state)
{
	struct sp_err e = { 0 };

	assert_int_equal(read_many("[", 1000, 1 << 20, &e), SP_E_CONFIG);
	assert_non_null(strstr(e.log, "nested too deeply"));
	assert_int_equal(read_many("k%u: v\n", 100000, 8 << 20, &e), SP_OK);
	assert_int_equal(read_many("k%u: v\n", 100000, 1 << 16, &e), SP_E_CONFIG);
	assert_non_null(strstr(e.log, "too large"));
	assert_int_equal(read_many("# %032u\n", 1000000, 1 << 20, &e), SP_E_CONFIG);
	assert_non_null(strstr(e.log, "32 MB"));
}

static const char doc_yaml[] =
    "openapi: 3.1.0\ninfo: {title: t, version: 1.0}\nservers: [{url: https://api.test/v1}]\npaths:\n"
    "  /x/{id}:\n    parameters:\n      - {in: path, name: id, required: true, schema: {type: string}}\n"
    "    get:\n      operationId: getX\n      tags: [no]\n      responses: {200: {description: ok}}\n";

/* The same tools come of YAML and of JSON. */
static void
test_document(void **state)
{
	struct sp_spec spec = { 0 };
	struct sp_err e = { 0 };
	struct sp_arena a;

	sp_arena_init(&a, 1 << 20);
	if (sp_spec_read(&a, sp_str(doc_yaml), &spec, &e) != SP_OK)
		fail_msg("%s", e.log);
	assert_int_equal(spec.nops, 1);
	assert_true(sp_eq(spec.ops[0].name, SP_LIT("getX")) && spec.ops[0].method == SP_GET);
	assert_true(sp_eq(spec.ops[0].tags[0], SP_LIT("no")) && sp_eq(spec.base_url, SP_LIT("https://api.test/v1")));
	assert_true(sp_eq(spec.ops[0].schema, SP_LIT("{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"string\"}},"
	    "\"required\":[\"id\"],\"additionalProperties\":false}")));
	sp_arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows), cmocka_unit_test(test_limits), cmocka_unit_test(test_document),
	};

	return cmocka_run_group_tests_name("YAML documents", tests, NULL, NULL);
}

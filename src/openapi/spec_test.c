#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "openapi/spec.h"
#include "openapi/test_doc.h"
#include "wire/http1.h"

enum { ROOM = 64 << 20 };

static enum sp_status
read_doc(struct sp_arena *a, const char *text, struct sp_spec *out, struct sp_err *e)
{
	sp_arena_init(a, ROOM);
	return sp_spec_read(a, test_json(a, text), out, e);
}

/* --- one operation --- */

#define SCHEMES "'k':{'type':'apiKey','in':'header','name':'X-Key'},'q':{'type':'apiKey','in':'query','name':'api_key'}," \
	"'c':{'type':'apiKey','in':'cookie','name':'sid'}"
#define V30 "'openapi':'3.0.3','components':{'securitySchemes':{" SCHEMES "},'schemas':{" \
	"'S':{'type':'string'},'Node':{'type':'object','properties':{'next':{'$ref':'#/components/schemas/Node'}}}," \
	"'A':{'$ref':'#/components/schemas/B'},'B':{'$ref':'#/components/schemas/A'}," \
	"'odd/na~me %25':{'type':'integer'}," \
	"'Body':{'type':'object','required':['a','r'],'properties':{'a':{'type':'string'},'id':{'type':'integer'}," \
	"'r':{'type':'string','readOnly':true}}}}}"
#define V31 "'openapi':'3.1.0','components':{'schemas':{'S':{'type':'string'}}}"
#define V20 "'swagger':'2.0','securityDefinitions':{" SCHEMES "},'definitions':{'S':{'type':'string'}}"
#define P(in, name, rest) "{'in':'" in "','name':'" name "'" rest "}"
#define ID P("path", "id", ",'required':true,'schema':{'type':'string'}")
#define BODY(schema) "'requestBody':{'required':true,'content':{'application/json':{'schema':" schema "}}}"
#define OBJ(props) "{'type':'object','properties':{" props "}"
#define END ",'additionalProperties':false}"
#define WITH_ID(props, req) OBJ("'id':{'type':'string'}" props) ",'required':['id'" req "]" END

/* The operation is {method} /x/{id}; `want` is its input schema, or what the reason must say. */
static const struct row {
	const char *name, *head, *method, *op, *want, *skip;
} rows[] = {
	{ "plain", V30, "get", "'parameters':[" ID "]", WITH_ID("", ""), NULL },
	{ "types of 3.1", V31, "get", "'parameters':[" ID "," P("query", "n", ",'schema':{'type':['integer','null']}") "]",
	    WITH_ID(",'n':{'type':['integer','null']}", ""), NULL },
	{ "boolean schema is an object", V31, "get", "'parameters':[" ID "," P("query", "n", ",'schema':true") "]",
	    WITH_ID(",'n':{}", ""), NULL },
	{ "nullable", V30, "get", "'parameters':[" ID "," P("query", "n", ",'schema':{'type':'integer','nullable':true}") "]",
	    WITH_ID(",'n':{'type':['integer','null']}", ""), NULL },
	{ "exclusive bounds as switches", V30, "get", "'parameters':[" ID "," P("query", "n", ",'schema':{'maximum':9,"
	    "'exclusiveMaximum':true,'minimum':1,'exclusiveMinimum':false}") "]",
	    WITH_ID(",'n':{'exclusiveMaximum':9,'minimum':1}", ""), NULL },
	{ "exclusive bounds as numbers", V31, "get", "'parameters':[" ID "," P("query", "n", ",'schema':{'exclusiveMinimum':1}")
	    "]", WITH_ID(",'n':{'exclusiveMinimum':1}", ""), NULL },
	{ "words of the parameter win", V30, "get", "'parameters':[" ID "," P("query", "n", ",'description':'own','schema':"
	    "{'type':'string','description':'other'}") "]", WITH_ID(",'n':{'type':'string','description':'own'}", ""), NULL },
	{ "OpenAPI keywords go", V30, "get", "'parameters':[" ID "," P("query", "n", ",'schema':{'type':'string','xml':{},"
	    "'example':1,'externalDocs':{},'discriminator':{},'x-y':1,'deprecated':true,'zzz':{}}") "]",
	    WITH_ID(",'n':{'type':'string','deprecated':true}", ""), NULL },
	{ "reference", V30, "get", "'parameters':[" P("path", "id", ",'required':true,'schema':{'$ref':'#/components/schemas/S'}")
	    "]", OBJ("'id':{'$ref':'#/$defs/S'}") ",'required':['id']" END "#defs{'S':{'type':'string'}}", NULL },
	{ "reference with odd name", V30, "get", "'parameters':[" ID "," P("query", "n",
	    ",'schema':{'$ref':'#/components/schemas/odd~1na~0me%20%2525'}") "]",
	    WITH_ID(",'n':{'$ref':'#/$defs/odd_1na_0me_20_2525'}", "") "#defs{'odd_1na_0me_20_2525':{'type':'integer'}}", NULL },
	{ "3.0: nothing stands beside a reference", V30, "get", "'parameters':[" ID "," P("query", "n",
	    ",'schema':{'$ref':'#/components/schemas/S','maxLength':3}") "]",
	    WITH_ID(",'n':{'$ref':'#/$defs/S'}", "") "#defs{'S':{'type':'string'}}", NULL },
	{ "3.1: keywords beside a reference", V31, "get", "'parameters':[" ID "," P("query", "n",
	    ",'schema':{'$ref':'#/components/schemas/S','maxLength':3}") "]",
	    WITH_ID(",'n':{'$ref':'#/$defs/S','maxLength':3}", "") "#defs{'S':{'type':'string'}}", NULL },
	{ "M09 cyclic reference", V30, "post", "'parameters':[" ID "]," BODY("{'type':'array','items':"
	    "{'$ref':'#/components/schemas/Node'}}"),
	    WITH_ID(",'body':{'type':'array','items':{'$ref':'#/$defs/Node'}}", ",'body'")
	    "#defs{'Node':{'type':'object','properties':{'next':{'$ref':'#/$defs/Node'}}}}", NULL },
	{ "M07 body flattened, readOnly gone", V30, "put", "'parameters':[" ID "]," BODY("{'$ref':'#/components/schemas/Body'}"),
	    OBJ("'id__path':{'type':'string'},'a':{'type':'string'},'id':{'type':'integer'}")
	    ",'required':['id__path','a']" END, NULL },
	{ "open body", V30, "post", "'parameters':[" ID "]," BODY("{'properties':{'a':{},'r':{'readOnly':true}},"
	    "'additionalProperties':{'type':'string'}}"),
	    OBJ("'id':{'type':'string'},'a':{},'r':{'not':{}}") ",'required':['id'],'additionalProperties':{'type':'string'}}",
	    NULL },
	{ "composed body stays one argument", V30, "post", "'parameters':[" ID "]," BODY("{'allOf':[{'$ref':"
	    "'#/components/schemas/S'}],'properties':{'a':{}}}"),
	    WITH_ID(",'body':{'allOf':[{'$ref':'#/$defs/S'}],'properties':{'a':{}}}", ",'body'")
	    "#defs{'S':{'type':'string'}}", NULL },
	{ "argument called body beside a body", V30, "post", "'parameters':[" ID "," P("query", "body", "") "],"
	    BODY("{'type':'array'}"), WITH_ID(",'body__query':{},'body':{'type':'array'}", ",'body'"), NULL },
	{ "one name in two places", V30, "get", "'parameters':[" ID "," P("query", "id", "") "]",
	    OBJ("'id__path':{'type':'string'},'id__query':{}") ",'required':['id__path']" END, NULL },
	{ "three of a name", V30, "get", "'parameters':[" ID "," P("query", "id", "") "," P("header", "id", "") "]",
	    OBJ("'id__path':{'type':'string'},'id__query':{},'id__header':{}") ",'required':['id__path']" END, NULL },
	{ "odd names become plain ones", V30, "get", "'parameters':[" ID "," P("query", "filter[a b]", "") "]",
	    WITH_ID(",'filter_a_b_':{}", ""), NULL },
	{ "body of a GET is nothing", V30, "get", "'parameters':[" ID "]," BODY("{'type':'array'}"), WITH_ID("", ""), NULL },
	{ "M04 headers that frame are no arguments", V30, "get", "'parameters':[" ID "," P("header", "authorization", "") ","
	    P("header", "HOST", "") "," P("header", "Content-Length", "") "," P("header", "Cookie", "") ","
	    P("header", "Accept", "") "," P("header", "X-HTTP-Method-Override", "") "," P("header", "X-A", "") "]",
	    WITH_ID(",'X-A':{}", ""), NULL },
	{ "M04 M06 credential slots are no arguments", V30, "get", "'parameters':[" ID "," P("header", "x-KEY", ",'required':true")
	    "," P("query", "api_key", "") "," P("cookie", "sid", "") "," P("header", "api_key", "") "]",
	    WITH_ID(",'api_key':{}", ""), NULL },
	{ "the same in 2.0", V20, "get", "'parameters':[{'in':'path','name':'id','required':true,'type':'string'},"
	    "{'in':'query','name':'API_KEY','type':'string'}]", WITH_ID("", ""), NULL },
	{ "2.0 lists", V20, "get", "'parameters':[{'in':'path','name':'id','required':true,'type':'string'},"
	    "{'in':'query','name':'l','type':'array','items':{'type':'integer'},'collectionFormat':'csv','allowEmptyValue':true}]",
	    WITH_ID(",'l':{'type':'array','items':{'type':'integer'}}", ""), NULL },
	{ "vendor JSON", V30, "post", "'parameters':[" ID "],'requestBody':{'content':{'text/csv':{},"
	    "'application/vnd.x+json; v=1':{'schema':{'type':'array'}}}}", WITH_ID(",'body':{'type':'array'}", ""), NULL },

	{ "M09 remote reference", V30, "get", "'parameters':[" P("path", "id", ",'schema':{'$ref':'http://169.254.169.254/x'}")
	    "]", NULL, "only references of the form #/" },
	{ "E27 file reference", V30, "get", "'parameters':[" P("path", "id", ",'schema':{'$ref':'file:///etc/passwd'}") "]",
	    NULL, "only references of the form #/" },
	{ "remote parameter", V30, "get", "'parameters':[{'$ref':'other.json#/p'}]", NULL, "only references of the form #/" },
	{ "remote reference deep in a body", V30, "post", "'parameters':[" ID "]," BODY("{'items':{'anyOf':[{'$ref':'x.json'}]}}"),
	    NULL, "only references of the form #/" },
	{ "reference to nowhere", V30, "get", "'parameters':[{'$ref':'#/components/parameters/None'}]", NULL, "leads nowhere" },
	{ "references in a circle", V30, "get", "'parameters':[" P("path", "id", ",'schema':{'$ref':'#/components/schemas/A'}")
	    "]", NULL, "back to itself" },
	{ "circle below a body", V30, "post", "'parameters':[" ID "]," BODY("{'items':{'$ref':'#/components/schemas/A'}}"),
	    NULL, "back to itself" },
	{ "malformed escape in a reference", V30, "get", "'parameters':[{'$ref':'#/a%zz'}]", NULL, "malformed" },
	{ "M05 cookie parameter", V30, "get", "'parameters':[" ID "," P("cookie", "other", "") "," P("cookie", "id", "") "]",
	    OBJ("'id__path':{'type':'string'},'other':{},'id__cookie':{}") ",'required':['id__path']" END, NULL },
	{ "M03 deepObject", V30, "get", "'parameters':[" ID "," P("query", "f", ",'style':'deepObject','schema':{'type':'object'}")
	    "]", WITH_ID(",'f':{'type':'object'}", ""), NULL },
	{ "M03 an object that is spread is closed", V30, "get", "'parameters':[" ID "," P("query", "f", ",'schema':{'type':'object',"
	    "'properties':{'a':{}}}") "]", WITH_ID(",'f':{'allOf':[{'type':'object','properties':{'a':{}}}],"
	    "'unevaluatedProperties':false}", ""), NULL },
	{ "a spread object that says it is open", V30, "get", "'parameters':[" ID "," P("query", "f", ",'schema':{'type':'object',"
	    "'properties':{'a':{}},'additionalProperties':true}") "]",
	    WITH_ID(",'f':{'type':'object','properties':{'a':{}},'additionalProperties':{}}", ""), NULL },
	{ "M03 pipes", V20, "get", "'parameters':[{'in':'path','name':'id','required':true,'type':'string'},"
	    "{'in':'query','name':'l','type':'array','items':{},'collectionFormat':'pipes'}]",
	    WITH_ID(",'l':{'type':'array','items':{}}", ""), NULL },
	{ "tabs", V20, "get", "'parameters':[{'in':'path','name':'id','required':true,'type':'string'},"
	    "{'in':'query','name':'l','type':'array','items':{},'collectionFormat':'tsv'}]", NULL, "collectionFormat tsv" },
	{ "style of another place", V30, "get", "'parameters':[" P("path", "id", ",'style':'deepObject'") "]", NULL,
	    "none of its place" },
	{ "style that there is not", V30, "get", "'parameters':[" P("path", "id", ",'style':'wavy'") "]", NULL, "none of its place" },
	{ "content of a parameter", V30, "get", "'parameters':[" ID "," P("query", "f", ",'content':{'application/json':{'schema':"
	    "{'type':'object'}}}") "]", WITH_ID(",'f':{'type':'object'}", ""), NULL },
	{ "content of no type", V30, "get", "'parameters':[" ID "," P("query", "f", ",'content':{}") "]", NULL, "one media type" },
	{ "content that is no text", V30, "get", "'parameters':[" ID "," P("query", "f", ",'content':{'image/png':{}}") "]", NULL,
	    "image/png is not supported" },
	{ "form body", V30, "post", "'parameters':[" ID "],'requestBody':{'content':{'application/x-www-form-urlencoded':{'schema':"
	    "{'properties':{'a':{}}}}}}", WITH_ID(",'a':{}", ""), NULL },
	{ "form body without a schema", V30, "post", "'parameters':[" ID "],'requestBody':{'content':{'multipart/form-data':{}}}",
	    WITH_ID(",'body':{'type':'object'}", ""), NULL },
	{ "JSON is taken before a form", V30, "post", "'parameters':[" ID "],'requestBody':{'content':{'multipart/form-data':{},"
	    "'text/plain':{},'application/json':{'schema':{'type':'array'}}}}", WITH_ID(",'body':{'type':'array'}", ""), NULL },
	{ "a file asks for multipart", V30, "post", "'parameters':[" ID "],'requestBody':{'content':{"
	    "'application/x-www-form-urlencoded':{'schema':{'properties':{'a':{}}}},'multipart/form-data':{'schema':{'properties':"
	    "{'f':{'type':'string','format':'binary','description':'the file'}}}}}}",
	    WITH_ID(",'f':{'type':['string','object'],'contentEncoding':'base64','properties':{'data':{'type':'string',"
	    "'contentEncoding':'base64'},'filename':{'type':'string'}},'required':['data'],'additionalProperties':false,"
	    "'description':'the file'}", ""), NULL },
	{ "formData", V20, "post", "'parameters':[{'in':'path','name':'id','required':true,'type':'string'},"
	    "{'in':'query','name':'f','type':'string'},{'in':'formData','name':'f','type':'string','required':true}]",
	    OBJ("'id':{'type':'string'},'f__query':{'type':'string'},'f':{'type':'string'}") ",'required':['id','f']" END, NULL },
	{ "XML body of 2.0", V20, "post", "'consumes':['text/xml'],'parameters':[{'in':'path','name':'id','required':true,"
	    "'type':'string'},{'in':'body','name':'b','required':true,'schema':{'type':'object'}}]",
	    WITH_ID(",'body':{'type':'string','description':'the body, as the text of text/xml'}", ",'body'"), NULL },
	{ "bytes", V30, "post", "'parameters':[" ID "],'requestBody':{'description':'raw','content':{'application/octet-stream':{}}}",
	    WITH_ID(",'body':{'type':'string','contentEncoding':'base64','description':'raw'}", ""), NULL },
	{ "multipart of another kind", V30, "post", "'parameters':[" ID "],'requestBody':{'content':{'multipart/mixed':{}}}", NULL,
	    "multipart/mixed" },
	{ "multipart that is no object", V30, "post", "'parameters':[" ID "],'requestBody':{'content':{'multipart/form-data':"
	    "{'schema':{'type':'string'}}}}", NULL, "no object" },
	{ "path name without parameter", V30, "get", "'parameters':[]", NULL, "id is not described" },
	{ "parameter that is not in the path", V30, "get", "'parameters':[" ID "," P("path", "no", "") "]", NULL,
	    "no is not in the path" },
	{ "TRACE", V30, "trace", "'parameters':[" ID "]", NULL, "TRACE" },
	{ "M02 M08 server with a variable that has no value", V30, "get", "'servers':[{'url':'https://{host}/'}],'parameters':[" ID
	    "]", NULL, "no usable URL" },
	{ "M02 a default outside its enum", V30, "get", "'servers':[{'url':'https://{h}.test','variables':{'h':{'default':'c',"
	    "'enum':['a','b']}}}],'parameters':[" ID "]", NULL, "no usable URL" },
	{ "unknown security scheme", V30, "get", "'security':[{'nope':[]}],'parameters':[" ID "]", NULL, "nope is not defined" },
	{ "security that is no list", V30, "get", "'security':{},'parameters':[" ID "]", NULL, "\"security\"" },
	{ "two of one name and place", V30, "get", "'parameters':[" ID "," ID "]", NULL, "given twice" },
	{ "parameter without a place", V30, "get", "'parameters':[{'name':'x'}]", NULL, "without a name or a place" },
	{ "header that is no header", V30, "get", "'parameters':[" ID "," P("header", "a b", "") "]", NULL,
	    "not the name of a header" },
	{ "K20 header with CR LF", V30, "get", "'parameters':[" ID "," P("header", "a\\r\\nHost: x", "") "]", NULL,
	    "not the name of a header" },
	{ "$dynamicRef", V31, "post", "'parameters':[" ID "]," BODY("{'$dynamicRef':'#x'}"), NULL, "$dynamicRef" },
	{ "$id", V31, "post", "'parameters':[" ID "]," BODY("{'$id':'http://x/','items':{}}"), NULL, "$id" },
	{ "unusable pattern", V30, "get", "'parameters':[" P("path", "id", ",'schema':{'pattern':'('}") "]", NULL,
	    "pattern cannot be used" },
	{ "unknown type", V30, "get", "'parameters':[" P("path", "id", ",'schema':{'type':'text'}") "]", NULL,
	    "input cannot be checked" },
	{ "schema that is text", V30, "get", "'parameters':[" P("path", "id", ",'schema':'string'") "]", NULL, "neither an object" },
	{ "tags that are no list", V30, "get", "'tags':'a','parameters':[" ID "]", NULL, "tags" },
	{ "tag with a control character", V30, "get", "'tags':['a\\u202eb'],'parameters':[" ID "]", NULL, "control" },
	{ "tag that is no text", V30, "get", "'tags':[1],'parameters':[" ID "]", NULL, "a tag is no text" },
};

static void
want_expand(struct sp_arena *a, const char *want, struct sp_out *o)
{
	sp_slice s = test_json(a, want);
	size_t at = sp_find(s, SP_LIT("}#defs"));

	if (at == SIZE_MAX) {
		sp_out_slice(o, s);
		return;
	}
	sp_out_slice(o, sp_sub(s, 0, at));
	sp_out_str(o, ",\"$defs\":");
	sp_out_slice(o, sp_sub(s, at + 6, s.n));
	sp_out_byte(o, '}');
}

static bool
row_holds(struct sp_arena *a, const struct row *r, const struct sp_spec_op *op)
{
	char buf[4096];
	struct sp_out o;

	if (r->skip != NULL) {
		if (sp_find(op->skipped, sp_str(r->skip)) != SIZE_MAX)
			return true;
		print_error("%s: want \"%s\", reason \"%.*s\"\n", r->name, r->skip, SP_PRI(op->skipped));
		return false;
	}
	sp_out_init(&o, buf, sizeof buf);
	want_expand(a, r->want, &o);
	if (sp_eq(op->schema, sp_out_view(&o)))
		return true;
	print_error("%s:\n got  %.*s\n want %.*s (%.*s)\n", r->name, (int)op->schema.n, op->schema.p, (int)o.n, buf,
	    SP_PRI(op->skipped));
	return false;
}

static void
test_operations(void **state)
{
	unsigned bad = 0;

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		char text[8192];
		struct sp_arena a;
		struct sp_spec spec = { 0 };
		struct sp_err e = { 0 };

		snprintf(text, sizeof text, "{%s,'paths':{'/x/{id}':{'%s':{%s}}}}", rows[i].head, rows[i].method, rows[i].op);
		if (read_doc(&a, text, &spec, &e) != SP_OK || spec.nops != 1) {
			print_error("%s: %s\n", rows[i].name, e.log);
			bad++;
		} else {
			bad += !row_holds(&a, &rows[i], &spec.ops[0]);
		}
		sp_arena_free(&a);
	}
	assert_int_equal(bad, 0);
}

/* --- documents that are refused, or odd --- */

static const struct { const char *name, *text, *want; } refused[] = {
	{ "empty", "", "empty" },
	{ "YAML without paths", "openapi: 3.0.0\n", "/paths" },
	{ "M09 YAML bomb", "a: &a [x,x]\nb: &b [*a,*a]\n", "line 1, column 4: anchors" },
	{ "an array", "[]", "no OpenAPI document" },
	{ "byte order mark", "\xef\xbb\xbf{'openapi':'3.0.0','paths':{}}", "byte order mark" },
	{ "cut short", "{'openapi':'3.0.0','paths':{", "byte" },
	{ "twin keys", "{'openapi':'3.0.0','paths':{},'paths':{}}", "twice" },
	{ "bytes after the end", "{'openapi':'3.0.0','paths':{}} x", "byte" },
	{ "invalid UTF-8", "{'openapi':'3.0.0','paths':{'/\xff':{}}}", "byte" },
	{ "no version", "{'paths':{}}", "no OpenAPI document" },
	{ "version 1.2", "{'swagger':'1.2','paths':{}}", "1.2 is not supported" },
	{ "version 3.2", "{'openapi':'3.2.0','paths':{}}", "3.2.0 is not supported" },
	{ "version 3.01", "{'openapi':'3.01','paths':{}}", "not supported" },
	{ "no paths", "{'openapi':'3.0.0'}", "/paths" },
	{ "paths that are a list", "{'openapi':'3.0.0','paths':[]}", "/paths" },
	{ "remote security scheme", "{'openapi':'3.0.0','paths':{},'components':{'securitySchemes':{'a':{'$ref':'http://x'}}}}",
	    "security scheme a" },
};

static void
test_refused(void **state)
{
	unsigned bad = 0;

	for (size_t i = 0; i < SP_COUNT(refused); i++) {
		struct sp_arena a;
		struct sp_spec spec;
		struct sp_err e = { 0 };
		enum sp_status st = read_doc(&a, refused[i].text, &spec, &e);

		if (st != SP_E_CONFIG || sp_find(sp_str(e.log), sp_str(refused[i].want)) == SIZE_MAX) {
			print_error("%s: %d, %s\n", refused[i].name, (int)st, e.log);
			bad++;
		}
		sp_arena_free(&a);
	}
	assert_int_equal(bad, 0);
}

static void
test_paths(void **state)
{
	static const struct { const char *name, *path, *want; } cases[] = {
		{ "no slash", "x", "does not begin with one /" }, { "two slashes", "//evil.com/x", "does not begin with one /" },
		{ "M01 dots", "/a/../b", ". or .. segment" }, { "M01 encoded dots", "/a/%2e%2E/b", ". or .. segment" },
		{ "one dot", "/a/./b", ". or .. segment" }, { "query", "/a?b=c", "cannot have" }, { "nothing but a fragment", "#b", "does not begin" },
		{ "blank", "/a b", "cannot have" }, { "K20 CR LF", "/a\\r\\nHost: x", "cannot have" }, { "NUL", "/a\\u0000", NULL },
		{ "bad escape", "/a%zz", "cannot have" }, { "open brace", "/a/{b", "without its }" },
		{ "empty name", "/a/{}", "without a name" }, { "M02 name with a slash", "/a/{b/c}", "without" },
		{ "not ASCII", "/\xc3\xa9", "cannot have" },
	};
	unsigned bad = 0;

	for (size_t i = 0; i < SP_COUNT(cases); i++) {
		char text[512];
		struct sp_arena a;
		struct sp_spec spec = { 0 };
		struct sp_err e = { 0 };
		enum sp_status st;

		snprintf(text, sizeof text, "{'openapi':'3.0.0','paths':{'%s':{'get':{}}}}", cases[i].path);
		st = read_doc(&a, text, &spec, &e);
		if (cases[i].want == NULL ? st == SP_OK : st != SP_OK ||
		    sp_find(spec.ops[0].skipped, sp_str(cases[i].want)) == SIZE_MAX) {
			print_error("%s: %d %s %.*s\n", cases[i].name, (int)st, e.log,
			    st == SP_OK ? (int)spec.ops[0].skipped.n : 0, st == SP_OK ? spec.ops[0].skipped.p : "");
			bad++;
		}
		sp_arena_free(&a);
	}
	assert_int_equal(bad, 0);
}

static void
test_names(void **state)
{
	static const char text[] = "{'openapi':'3.0.0','paths':{"
	    "'/a':{'get':{'operationId':'x'},'put':{'operationId':'x'},'post':{'operationId':'x_2'},'delete':{'operationId':'x'}},"
	    "'/users/{id}/-/b.c':{'get':{},'parameters':[{'in':'path','name':'id','required':true}]},"
	    "'/users/{id}/_/b/c':{'get':{'operationId':''},'parameters':[{'in':'path','name':'id','required':true}]},"
	    "'/h':{'get':{'operationId':'../../e\\u202evil\\nname','tags':['a','b'],'summary':'be\\u202eware\\u0007',"
	    "'description':'line\\none\\u0000'},'post':{'operationId':7}},"
	    "'/skipped':{'get':{'operationId':'s','parameters':3}},'/':{'get':{}},"
	    "'/item':{'$ref':'http://x/y'},'x-note':{'get':{}}}}";
	static const char *const want[] = { "x", "x_2", "x_2_2", "x_3", "get_users_id_b_c", "get_users_id_b_c_2",
		".._.._e___vil_name", "post_h", "s", "get", "" };
	struct sp_arena a;
	struct sp_spec spec = { 0 };
	struct sp_err e = { 0 };

	if (read_doc(&a, text, &spec, &e) != SP_OK)
		fail_msg("%s", e.log);
	assert_int_equal(spec.nops, SP_COUNT(want));
	for (size_t i = 0; i < SP_COUNT(want); i++)
		if (!sp_eq(spec.ops[i].name, sp_str(want[i])))
			fail_msg("%zu: %.*s, not %s", i, SP_PRI(spec.ops[i].name), want[i]);
	assert_true(sp_eq(spec.ops[6].title, SP_LIT("be\xef\xbf\xbdware\xef\xbf\xbd")));
	assert_true(sp_eq(spec.ops[6].description, SP_LIT("line\none\xef\xbf\xbd")));
	assert_int_equal(spec.ops[6].ntags, 2);
	assert_true(spec.ops[8].skipped.n != 0);
	assert_true(spec.ops[10].skipped.n != 0 && spec.ops[10].method == 0);
	sp_arena_free(&a);
}

static void
test_security(void **state)
{
	static const char text[] = "{'openapi':'3.0.0','security':[{'k':[]}],'components':{'securitySchemes':{"
	    "'k':{'type':'apiKey','in':'query','name':'a key'},'b':{'type':'http','scheme':'Bearer'},"
	    "'o':{'type':'oauth2','flows':{}},'m':{'type':'mutualTLS'},'d':{'type':'http','scheme':'digest'},"
	    "'h':{'type':'apiKey','in':'header','name':'X\\r\\nY'}}},'paths':{'/a':{"
	    "'get':{},'put':{'security':[]},'post':{'security':[{'b':[]},{}]},"
	    "'patch':{'security':[{'b':['x'],'k':[]},{'o':[]}]}}}}";
	struct sp_arena a;
	struct sp_spec s = { 0 };
	struct sp_err e = { 0 };

	if (read_doc(&a, text, &s, &e) != SP_OK)
		fail_msg("%s", e.log);
	assert_int_equal(s.nschemes, 6);
	assert_true(s.schemes[0].usable && s.schemes[0].place == SP_PLACE_QUERY && sp_eq(s.schemes[0].field, SP_LIT("a key")));
	assert_true(s.schemes[1].usable && s.schemes[1].bearer && sp_eq(s.schemes[1].field, SP_LIT("Authorization")));
	/* oauth2 and openIdConnect are bearer tokens; a certificate and a handshake are no text that could be sent. */
	assert_true(s.schemes[2].usable && s.schemes[2].bearer && sp_eq(s.schemes[2].field, SP_LIT("Authorization")));
	for (int i = 3; i < 6; i++)
		assert_false(s.schemes[i].usable);
	assert_string_equal(s.schemes[3].kind, "mutualTLS");
	assert_string_equal(s.schemes[4].kind, "http digest");
	assert_true(s.ops[0].noptions == 1 && s.ops[0].nneed[0] == 1 && s.ops[0].options[0][0] == 0);
	assert_int_equal(s.ops[1].noptions, 0);		/* M10: none needed */
	assert_true(s.ops[2].noptions == 2 && s.ops[2].nneed[0] == 1 && s.ops[2].nneed[1] == 0);	/* {}: optional */
	assert_true(s.ops[3].noptions == 2 && s.ops[3].nneed[0] == 2 && s.ops[3].options[0][0] == 1 &&
	    s.ops[3].options[0][1] == 0 && s.ops[3].options[1][0] == 2);
	sp_arena_free(&a);
}

static void
test_base(void **state)
{
	static const struct { const char *name, *head, *want; } cases[] = {
		{ "first server", "'openapi':'3.0.0','servers':[{'url':'https://a.test/v1'},{'url':'http://b'}]", "https://a.test/v1" },
		{ "relative", "'openapi':'3.0.0','servers':[{'url':'/v1'}]", "/v1" },
		{ "none", "'openapi':'3.1.0'", "" },
		{ "M02 default of a variable", "'openapi':'3.0.0','servers':[{'url':'https://{r}.a.test','variables':"
		    "{'r':{'default':'eu'}}}]", "https://eu.a.test" },
		{ "M02 variable without default", "'openapi':'3.0.0','servers':[{'url':'https://{r}.a.test'}]", "" },
		{ "M08 metadata address is told as it is", "'openapi':'3.0.0','servers':[{'url':'http://169.254.169.254'}]",
		    "http://169.254.169.254" },
		{ "2.0", "'swagger':'2.0','host':'a.test','basePath':'/v1','schemes':['http','https']", "https://a.test/v1" },
		{ "2.0 without schemes", "'swagger':'2.0','host':'a.test:8'", "https://a.test:8" },
		{ "2.0 http only", "'swagger':'2.0','host':'a.test','schemes':['http']", "http://a.test" },
		{ "2.0 without host", "'swagger':'2.0','basePath':'/api/v1'", "/api/v1" },
	};

	for (size_t i = 0; i < SP_COUNT(cases); i++) {
		char text[512];
		struct sp_arena a;
		struct sp_spec s = { 0 };
		struct sp_err e = { 0 };

		snprintf(text, sizeof text, "{%s,'paths':{}}", cases[i].head);
		if (read_doc(&a, text, &s, &e) != SP_OK || !sp_eq(s.base_url, sp_str(cases[i].want)))
			fail_msg("%s: %s %.*s", cases[i].name, e.log, SP_PRI(s.base_url));
		sp_arena_free(&a);
	}
}

static void
test_merge(void **state)
{
	static const char text[] = "{'openapi':'3.0.0','paths':{'/a/{id}':{'parameters':["
	    "{'in':'path','name':'id','required':true,'schema':{'type':'string'}},{'in':'query','name':'q'}],"
	    "'get':{'parameters':[{'in':'query','name':'q','required':true,'explode':false,'schema':{'type':'integer'}},"
	    "{'in':'header','name':'q'}]}}}}";
	struct sp_arena a;
	struct sp_spec s = { 0 };
	struct sp_err e = { 0 };
	struct sp_spec_op *o;

	if (read_doc(&a, text, &s, &e) != SP_OK)
		fail_msg("%s", e.log);
	o = &s.ops[0];
	assert_int_equal(o->nparams, 3);
	assert_true(o->params[1].in == SP_IN_QUERY && o->params[1].required && !o->params[1].explode &&
	    o->params[1].type == SP_T_INT && sp_eq(o->params[1].arg, SP_LIT("q__query")));
	assert_true(sp_eq(o->params[2].arg, SP_LIT("q__header")) && sp_eq(o->params[2].wire, SP_LIT("q")));
	sp_arena_free(&a);
}

/* --- whole documents --- */

static sp_slice
file_read(struct sp_arena *a, const char *name)
{
	char path[512], *p = sp_arena_get(a, 1 << 20);
	size_t n;
	FILE *f;

	snprintf(path, sizeof path, SP_SRCDIR "/tests/data/%s", name);
	f = fopen(path, "rb");
	assert_non_null(f);
	n = fread(p, 1, 1 << 20, f);
	fclose(f);
	return sp_mem(p, n);
}

static void
test_petstores(void **state)
{
	static const char *const files[] = { "petstore-2.0.json", "petstore-3.0.json", "petstore-3.1.json" };
	char first[8192], buf[8192];
	size_t nfirst = 0;

	for (size_t f = 0; f < SP_COUNT(files); f++) {
		struct sp_arena a;
		struct sp_spec s = { 0 };
		struct sp_err e = { 0 };
		struct sp_out o;

		sp_arena_init(&a, ROOM);
		if (sp_spec_read(&a, file_read(&a, files[f]), &s, &e) != SP_OK)
			fail_msg("%s: %s", files[f], e.log);
		assert_int_equal(s.nops, 5);
		assert_true(sp_eq(s.base_url, SP_LIT("https://pets.example.com/v2")));
		sp_out_init(&o, buf, sizeof buf);
		for (uint32_t i = 0; i < 4; i++) {
			assert_int_equal(s.ops[i].skipped.n, 0);
			sp_spec_tool_json(&o, &s.ops[i], s.ops[i].name);
			assert_int_equal(s.ops[i].noptions, i == 3 ? 0 : 1);
		}
		assert_true(s.ops[4].skipped.n == 0 && s.ops[4].encode == SP_ENC_MULTIPART && !o.full);
		assert_true(s.ops[0].params[1].explode && s.ops[1].body == SP_BODY_FLAT && s.ops[1].nneed[0] == 2);
		/* The three say the same, so the tools are the same. */
		if (f == 0)
			memcpy(first, buf, nfirst = o.n);
		assert_true(sp_eq(sp_mem(first, nfirst), sp_out_view(&o)));
		sp_arena_free(&a);
	}
}

static void
test_tool_json(void **state)
{
	static const struct { unsigned method; const char *want; } cases[] = {
		{ SP_GET, "true,\"destructiveHint\":false,\"idempotentHint\":true" },
		{ SP_HEAD, "true,\"destructiveHint\":false,\"idempotentHint\":true" },
		{ SP_POST, "false,\"destructiveHint\":true,\"idempotentHint\":false" },
		{ SP_PATCH, "false,\"destructiveHint\":true,\"idempotentHint\":false" },
		{ SP_PUT, "false,\"destructiveHint\":true,\"idempotentHint\":true" },
		{ SP_DELETE, "false,\"destructiveHint\":true,\"idempotentHint\":true" },
	};

	for (size_t i = 0; i < SP_COUNT(cases); i++) {
		struct sp_spec_op op = { .method = cases[i].method, .description = SP_LIT("says \"x\"\n"), .schema = SP_LIT("{}") };
		char buf[512], want[512];
		struct sp_out o;

		snprintf(want, sizeof want, "{\"name\":\"s_x\",\"description\":\"says \\\"x\\\"\\n\",\"inputSchema\":{},"
		    "\"annotations\":{\"readOnlyHint\":%s,\"openWorldHint\":false}}", cases[i].want);
		sp_out_init(&o, buf, sizeof buf);
		sp_spec_tool_json(&o, &op, SP_LIT("s_x"));
		assert_true(sp_eq(sp_out_view(&o), sp_str(want)));
	}
}

/* --- size --- */

static void
many(struct sp_out *o, unsigned n, const char *id)
{
	sp_out_str(o, "{\"openapi\":\"3.0.0\",\"components\":{\"schemas\":{\"T\":{\"properties\":{\"n\":{\"type\":\"integer\"},"
	    "\"t\":{\"$ref\":\"#/components/schemas/T\"}}}}},\"paths\":{");
	for (unsigned i = 0; i < n; i++)
		sp_out_fmt(o, "%s\"/t%u/{id}\":{\"post\":{\"operationId\":\"%s\",\"parameters\":[{\"in\":\"path\",\"name\":\"id\","
		    "\"schema\":{\"type\":\"string\"}}],\"requestBody\":{\"content\":{\"application/json\":{\"schema\":"
		    "{\"$ref\":\"#/components/schemas/T\"}}}}}}", i == 0 ? "" : ",", i, id);
	sp_out_str(o, "}}");
}

static void
test_size(void **state)
{
	static const struct { const char *name; unsigned n; size_t room; enum sp_status want; } cases[] = {
		{ "M09 a hundred thousand operations of one name", 100000, (size_t)512 << 20, SP_OK },
		{ "M09 too many operations", 200001, (size_t)512 << 20, SP_E_CONFIG },
		{ "more than the arena holds", 5000, 1 << 20, SP_E_CONFIG },
	};

	for (size_t i = 0; i < SP_COUNT(cases); i++) {
		struct sp_out o;
		struct sp_arena a;
		struct sp_spec s = { 0 };
		struct sp_err e = { 0 };
		enum sp_status st;

		sp_out_heap(&o, (size_t)256 << 20);
		many(&o, cases[i].n, "same");
		sp_arena_init(&a, cases[i].room);
		st = sp_spec_read(&a, sp_out_view(&o), &s, &e);
		if (st != cases[i].want || (st == SP_OK && s.nops != cases[i].n))
			fail_msg("%s: %d %s", cases[i].name, (int)st, e.log);
		if (st == SP_OK)
			assert_true(sp_eq(s.ops[s.nops - 1].name, SP_LIT("same_100000")));
		sp_arena_free(&a);
		sp_out_free(&o);
	}
}

/* M09: one long list that a short reference brings to many operations; a schema whose closure is huge. */
static void
test_amplified(void **state)
{
	struct sp_out o;
	struct sp_arena a;
	struct sp_spec s = { 0 };
	struct sp_err e = { 0 };

	sp_out_heap(&o, 16 << 20);
	sp_out_str(&o, "{\"openapi\":\"3.0.0\",\"paths\":{\"/p\":{\"get\":{\"parameters\":[");
	for (int i = 0; i < 250; i++)
		sp_out_fmt(&o, "%s{\"in\":\"query\",\"name\":\"p%d\"}", i == 0 ? "" : ",", i);
	sp_out_str(&o, "]}}");
	for (int i = 0; i < 100000; i++)
		sp_out_fmt(&o, ",\"/q%d\":{\"$ref\":\"#/paths/~1p\"}", i);
	sp_out_str(&o, "}}");
	sp_arena_init(&a, (size_t)512 << 20);
	assert_int_equal(sp_spec_read(&a, sp_out_view(&o), &s, &e), SP_E_CONFIG);
	sp_arena_free(&a);

	sp_out_reset(&o);
	sp_out_str(&o, "{\"openapi\":\"3.0.0\",\"components\":{\"schemas\":{");
	for (int i = 0; i < 40000; i++)
		sp_out_fmt(&o, "\"S%d\":{\"items\":{\"$ref\":\"#/components/schemas/S%d\"}},", i, i + 1);
	sp_out_str(&o, "\"S40000\":{}}},\"paths\":{");
	for (int i = 0; i < 20; i++)
		sp_out_fmt(&o, "%s\"/q%d\":{\"get\":{\"parameters\":[{\"in\":\"query\",\"name\":\"a\",\"schema\":"
		    "{\"$ref\":\"#/components/schemas/S0\"}}]}}", i == 0 ? "" : ",", i);
	sp_out_str(&o, "}}");
	sp_arena_init(&a, (size_t)512 << 20);
	assert_int_equal(sp_spec_read(&a, sp_out_view(&o), &s, &e), SP_OK);
	for (uint32_t i = 0; i < s.nops; i++)
		assert_true(sp_find(s.ops[i].skipped, SP_LIT("larger than 1024 kB")) != SIZE_MAX);
	sp_arena_free(&a);
	sp_out_free(&o);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_operations), cmocka_unit_test(test_refused), cmocka_unit_test(test_paths),
		cmocka_unit_test(test_names), cmocka_unit_test(test_security), cmocka_unit_test(test_base),
		cmocka_unit_test(test_merge), cmocka_unit_test(test_petstores), cmocka_unit_test(test_tool_json),
		cmocka_unit_test(test_size), cmocka_unit_test(test_amplified),
	};

	return cmocka_run_group_tests_name("OpenAPI documents", tests, NULL, NULL);
}

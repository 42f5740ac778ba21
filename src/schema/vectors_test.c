/* The JSON Schema test suite, draft 2020-12: all of the mandatory part but what needs another document. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "schema/schema.h"

#define SUITE SP_SRCDIR "/../shared/vectors/json-schema-2020-12/tests/draft2020-12"

/* Groups that refer to a document which is not in the schema itself; we never fetch.  "*": the whole file. */
static const struct { const char *file, *group; } skips[] = {
	{ "refRemote.json", "*" },
	{ "defs.json", "validate definition against metaschema" },
	{ "ref.json", "remote ref, containing refs itself" },
	{ "dynamicRef.json", "strict-tree schema, guards against misspelled properties" },
	{ "dynamicRef.json", "tests for implementation dynamic anchor and reference link" },
	{ "dynamicRef.json", "$ref and $dynamicAnchor are independent of order - $defs first" },
	{ "dynamicRef.json", "$ref and $dynamicAnchor are independent of order - $ref first" },
	{ "dynamicRef.json", "$ref to $dynamicRef finds detached $dynamicAnchor" },
	{ "vocabulary.json", "schema that uses custom metaschema with with no validation vocabulary" },
};

static const char *const optional[] = {
	"optional/bignum.json", "optional/float-overflow.json", "optional/id.json", "optional/anchor.json",
	"optional/refOfUnknownKeyword.json", "optional/unknownKeyword.json", "optional/non-bmp-regex.json",
	"optional/no-schema.json", "optional/dynamicRef.json",
};

struct tally { unsigned passed, failed, skipped; };

static bool
is_skipped(const char *file, sp_slice group)
{
	for (size_t i = 0; i < SP_COUNT(skips); i++)
		if (sp_eq(sp_str(skips[i].file), sp_str(file)) &&
		    (skips[i].group[0] == '*' || sp_eq(sp_str(skips[i].group), group)))
			return true;
	return false;
}

static void
run_group(const char *file, sp_jval *group, struct tally *t)
{
	sp_slice name = sp_jtext(SP_JGET(group, "description"));
	char buf[1 << 16];
	struct sp_out o;
	struct sp_schema *s = NULL;
	struct sp_err e = { 0 };

	if (is_skipped(file, name)) {
		print_message("skipped: %s: %.*s: needs another document\n", file, SP_PRI(name));
		t->skipped++;
		return;
	}
	sp_out_init(&o, buf, sizeof buf);
	sp_jwrite(&o, SP_JGET(group, "schema"));
	assert_false(o.full);
	if (sp_schema_new(sp_out_view(&o), &s, &e) != SP_OK) {
		print_error("%s: %.*s: does not compile: %s\n", file, SP_PRI(name), e.log);
		t->failed++;
		return;
	}
	for (struct sp_jiter it = sp_jeach(SP_JGET(group, "tests")); sp_jnext(&it);) {
		enum sp_status want = sp_jtrue(SP_JGET(it.val, "valid")) ? SP_OK : SP_E_BAD_PARAMS;
		enum sp_status got = sp_schema_check(s, SP_JGET(it.val, "data"), 0, &e);

		t->passed += got == want;
		t->failed += got != want;
		if (got != want)
			print_error("%s: %.*s: %.*s: got %d\n", file, SP_PRI(name),
			    SP_PRI(sp_jtext(SP_JGET(it.val, "description"))), (int)got);
	}
	sp_schema_free(&s);
}

static void
run_file(const char *file, struct tally *t)
{
	static char text[1 << 20];
	SP_AUTO(sp_json_free) struct sp_json doc = { 0 };
	char path[1024];
	struct sp_err e = { 0 };
	FILE *f;
	size_t n;

	snprintf(path, sizeof path, "%s/%s", SUITE, file);
	f = fopen(path, "rb");
	assert_non_null(f);
	n = fread(text, 1, sizeof text, f);
	fclose(f);
	assert_true(n < sizeof text);
	if (sp_json_read(sp_mem(text, n), SP_JSON_DEFAULT, &doc, &e) != SP_OK)
		fail_msg("%s: %s", file, e.log);
	for (struct sp_jiter it = sp_jeach(doc.root); sp_jnext(&it);)
		run_group(file, it.val, t);
}

static void
test_suite(void **state)
{
	struct tally t = { 0 };
	DIR *d = opendir(SUITE);

	if (d == NULL) {
		print_message("skipped: no vectors\n");
		skip();
	}
	for (struct dirent *e; (e = readdir(d)) != NULL;)
		if (sp_ends(sp_str(e->d_name), SP_LIT(".json")))
			run_file(e->d_name, &t);
	closedir(d);
	for (size_t i = 0; i < SP_COUNT(optional); i++)
		run_file(optional[i], &t);
	print_message("%u passed, %u failed, %u groups skipped\n", t.passed, t.failed, t.skipped);
	assert_int_equal(t.failed, 0);
	assert_true(t.passed > 1000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_suite) };

	return cmocka_run_group_tests_name("JSON Schema 2020-12 vectors", tests, NULL, NULL);
}

/* `checks` and `check` in the file: what is refused, what is warned of, what becomes of them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/testkit.h"

#define TOP "auth: {type: static}\nservers: {s: {openapi: s.json, url: https://s.example}}\n"
#define RULE(rule) "rules: [{allow: s.get, check: " rule "}]\n"
#define ONE(value) TOP "checks: {one: " value "}\n" RULE("one")

static struct kit_file files[] = {
	{ "c/sallyport.yaml", NULL },
	{ "c/s.json", KIT_DOC(KIT_OP("get", "get", "") "," KIT_OP("get", "free", "")) },
	{ NULL, NULL },
};

static const struct { const char *name, *yaml, *finding; } rows[] = {
	{ "a decision point", ONE("https://one.example/decide"), "" },
	{ "a decision point with a query", ONE("https://one.example/decide?v=1"), "" },
	{ "a decision point on this machine", ONE("http://127.0.0.1:9/x"), "" },
	{ "a plug-in", ONE("checks/one.so"), "" },
	{ "clear text to another machine", ONE("http://one.example/"), "3:15: error: a decision point must be https (http only on loopback)" },
	{ "user in the URL", ONE("https://u:hunter2@one.example/"), "3:15: error: `checks`: a URL must not carry user:password@" },
	{ "a fragment", ONE("'https://one.example/#x'"), "3:15: error: `checks`: a fragment has no place here" },
	{ "dot segments", ONE("https://one.example/a/../b"), "3:15: error: a decision point's path must be plain" },
	{ "another scheme", ONE("ftp://one.example/x"), "3:15: error: a check is the URL of a decision point" },
	{ "neither", ONE("one"), "3:15: error: a check is the URL of a decision point (https://…) or the path of a plug-in (PATH.so)" },
	{ "a plug-in that is missing", ONE("missing.so"), "3:15: error: plug-in: there is no such file" },
	{ "a plug-in that others can write", ONE("open.so"), "3:15: error: plug-in: group or others can write that file" },
	{ "a list", ONE("[a.so, b.so]"), "3:15: error: `checks`" },
	{ "no mapping", TOP "checks: one.so\n" RULE("one"), "3:9: error: `checks` must be a mapping" },
	{ "empty", TOP "checks: {}\n" RULE("one"), "3:9: error: `checks` must be a mapping" },
	{ "a name of another form", TOP "checks: {One: one.so}\n" RULE("One"), "3:10: error: `One` is no name" },
	{ "a taken name", TOP "checks: {all: one.so}\n" RULE("all"), "3:10: error: `all` is no name" },
	{ "unknown in a rule", TOP "checks: {quota: one.so}\nrules: [{allow: s.get, check: qouta}]\n",
	    "4:31: error: no check is called `qouta`. Did you mean `quota`?" },
	{ "there are none", TOP RULE("quota"), "3:31: error: no check is called `quota`: `checks` names none" },
	{ "unused", TOP "checks: {one: a.so, two: b.so}\n" RULE("one"), "3:21: warning: no rule demands the check `two`" },
	{ "several in a rule", TOP "checks: {one: a.so, two: b.so}\n" RULE("[one, two]"), "" },
	{ "a guard with a check is a demand", TOP "checks: {one: a.so}\nrules: [{allow: s.get, require_scopes: x}, {guard: s.get, check: one}]\n", "" },
	{ "deny takes none", TOP "checks: {one: a.so}\nrules: [{allow: s.get, check: one}, {deny: s.get, when: {a: b}, check: one}]\n",
	    "4:65: error: `deny` takes no demands" },
	{ "missing scopes of a check", TOP "checks: {one: a.so}\nrules: [{allow: s.get, check: one, missing_scopes: list}]\n", "" },
	{ "a further rule with a check binds the other", TOP "checks: {one: a.so}\nrules: [{allow: s.get, require_scopes: x}, {allow: s.get, check: one}]\n",
	    "4:44: warning: also binds s.get, opened at line 4" },
	{ "the same with a check and without", TOP "checks: {one: a.so}\nrules: [{allow: s.get, check: one}, {allow: s.get}]\n", "4:37: error: changes no decision" },
	{ "as a group of any", TOP "checks: {one: a.so}\nrules: [{allow: s.get, any: {check: one}}]\n", "4:30: error: unknown key `check`" },
};

static const char *
judge(void *ctx, sp_slice path)
{
	if (sp_eq(path, SP_LIT("c/missing.so")))
		return "there is no such file";
	return sp_eq(path, SP_LIT("c/open.so")) ? "group or others can write that file; chmod go-w" : NULL;
}

static void
test_rows(void **state)
{
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct sp_findings f;
		struct sp_imgb b;
		struct sp_image img;
		struct sp_out o;
		enum sp_status st;
		char want[400];

		files[0].text = rows[i].yaml;
		st = kit_load(files, (struct sp_config_opts){ .plugin = judge }, &f, &b, &img);
		sp_out_heap(&o, 1 << 16);
		sp_findings_write(&o, &f);
		snprintf(want, sizeof want, "c/sallyport.yaml:%s", rows[i].finding);
		if ((*rows[i].finding == '\0' ? o.n != 0 : sp_find(sp_out_view(&o), sp_str(want)) == SIZE_MAX) ||
		    (st == SP_OK) != (f.errors == 0) || sp_find(sp_out_view(&o), SP_LIT("hunter2")) != SIZE_MAX)
			fail_msg("%s:\n%.*s", rows[i].name, SP_PRI(sp_out_view(&o)));
		sp_out_free(&o);
		sp_imgb_free(&b);
		sp_findings_free(&f);
	}
}

static void
test_image(void **state)
{
	struct sp_findings f;
	struct sp_imgb b;
	struct sp_image img;
	const struct sp_img_check *c;
	const struct sp_img_rule *r;
	struct sp_out o;

	files[0].text = TOP "checks: {one: 'https://One.example:8443/a?b=c', two: lib/two.so}\n"
	    "rules: [{allow: s.get, check: [two, one]}, {allow: s.free}]\n";
	assert_int_equal(kit_load(files, (struct sp_config_opts){ .plugin = judge }, &f, &b, &img), SP_OK);
	assert_int_equal(img.head->checks.n, 2);
	c = SP_IMG_AT(&img, img.head->checks, check, 0);
	assert_true(sp_eq(sp_img_str(&img, c->host), SP_LIT("one.example")) && c->port == 8443 && c->https == 1);
	assert_true(sp_eq(sp_img_str(&img, c->path), SP_LIT("/a?b=c")) && c->library.n == 0);
	c = SP_IMG_AT(&img, img.head->checks, check, 1);
	assert_true(sp_eq(sp_img_str(&img, c->library), SP_LIT("c/lib/two.so")) && c->host.n == 0);
	r = SP_IMG_AT(&img, img.head->rules, rule, 0);
	assert_true(r->checks.n == 2 && sp_img_u32(&img, r->checks)[0] == 0 && sp_img_u32(&img, r->checks)[1] == 1);
	sp_out_heap(&o, 1 << 16);
	sp_config_full(&o, &img);
	assert_true(sp_find(sp_out_view(&o), SP_LIT("  one: https://one.example:8443/a?b=c    # a decision point\n")) != SIZE_MAX);
	assert_true(sp_find(sp_out_view(&o), SP_LIT("  two: c/lib/two.so    # a plug-in")) != SIZE_MAX);
	sp_out_reset(&o);
	sp_config_table(&o, &img);
	assert_true(sp_find(sp_out_view(&o), SP_LIT("\nc       s.get\n")) != SIZE_MAX);
	assert_true(sp_find(sp_out_view(&o), SP_LIT("\na       s.free\n")) != SIZE_MAX);
	sp_out_free(&o);
	sp_imgb_free(&b);
	sp_findings_free(&f);
}

/* The files of plug-ins, on the file system. */
static void
test_files(void **state)
{
	static const struct { const char *name; unsigned mode; const char *wrong; } modes[] = {
		{ "private", 0600, NULL }, { "for all to read", 0755, NULL }, { "group writes", 0664, "group or others" },
		{ "others write", 0646, "group or others" },
	};
	char path[] = "/tmp/sp-plugin-XXXXXX", folder[] = "/tmp/sp-plugins-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0 && mkdtemp(folder) != NULL);
	for (size_t i = 0; i < SP_COUNT(modes); i++) {
		const char *wrong;

		assert_int_equal(fchmod(fd, modes[i].mode), 0);
		wrong = sp_config_judge_plugin(NULL, sp_str(path));
		if ((wrong == NULL) != (modes[i].wrong == NULL) || (wrong != NULL && strstr(wrong, modes[i].wrong) == NULL))
			fail_msg("%s: %s", modes[i].name, wrong == NULL ? "taken" : wrong);
	}
	assert_non_null(sp_config_judge_plugin(NULL, sp_str(folder)));
	assert_non_null(sp_config_judge_plugin(NULL, SP_LIT("/dev/null")));
	assert_int_equal(unlink(path), 0);
	assert_non_null(sp_config_judge_plugin(NULL, sp_str(path)));
	close(fd);
	rmdir(folder);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows), cmocka_unit_test(test_image), cmocka_unit_test(test_files) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

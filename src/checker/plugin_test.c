/* The host of a plug-in, with the plug-in of tests/data compiled here: what it is told, and what becomes of what it says. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "checker/checker.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/sp-plugin-test-XXXXXX";

/* The shared object of this source, or of a text; -1: the compiler refused.  It stays open: the loader knows libraries by
 * their path, which is the descriptor's number. */
static int
compile(const char *name, const char *source)
{
	char so[256], include[512];
	int st = -1;
	pid_t pid;

	snprintf(so, sizeof so, "%s/%s.so", folder, name);
	snprintf(include, sizeof include, "-I%s/include", SP_SRCDIR);
	pid = fork();
	if (pid == 0) {
		execlp("cc", "cc", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", include, "-o", so, source, (char *)NULL);
		_exit(127);
	}
	assert_true(pid > 0 && waitpid(pid, &st, 0) == pid);
	return st == 0 ? open(so, O_RDONLY | O_CLOEXEC) : -1;
}

static int
compile_text(const char *name, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s.c", folder, name);
	f = fopen(path, "we");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0 && fclose(f) == 0);
	return compile(name, path);
}

static const struct {
	const char *name, *args; enum sp_check_verdict want; const char *text, *scopes;
} rows[] = {
	{ "allows", "{\"do\":\"allow\"}", SP_CHECK_ALLOWED, "", "" },
	{ "denies", "{\"do\":\"deny\"}", SP_CHECK_DENIED, NULL, "" },
	{ "refuses with a text", "{\"do\":\"refuse\"}", SP_CHECK_REFUSED, "not on a Sunday", "" },
	{ "asks for scopes", "{\"do\":\"scopes\"}", SP_CHECK_SHORT, NULL, "extra:one extra:two" },
	{ "is told", "{\"do\":\"facts\"}", SP_CHECK_REFUSED, "ann https://i people dns.put k1 w1 ::1 t1 sa r1 n1", "" },
	{ "E11 says rubbish", "{\"do\":\"garbage\"}", SP_CHECK_FAILED, NULL, "" },
	{ "E11 cannot decide", "{\"do\":\"nothing\"}", SP_CHECK_FAILED, NULL, "" },
	{ "a list", NULL, SP_CHECK_ALLOWED, "", "" },
};

static const struct sp_m_check question = { .kind = 1, .user = SP_LIT_INIT("ann"), .issuer = SP_LIT_INIT("https://i"), .source = SP_LIT_INIT("people"),
    .scopes = SP_LIT_INIT("a b"), .tags = SP_LIT_INIT("\0\3ops\0\1x"), .server = SP_LIT_INIT("dns"), .name = SP_LIT_INIT("put"),
    .about = SP_LIT_INIT("\0\5zones"), .peer = SP_LIT_INIT("::1"), .expires_s = INT64_MAX };

static struct sp_plugin *
probe(void)
{
	static struct sp_plugin *p;
	struct sp_err e = { 0 };
	int fd;

	if (p != NULL)
		return p;
	fd = compile("probe", SP_SRCDIR "/tests/data/plugin_probe.c");
	assert_true(fd >= 0);
	if (sp_plugin_load(fd, SP_LIT("probe"), &p, &e) != SP_OK)
		fail_msg("%s", e.log);
	return p;
}

static void
test_verdicts(void **state)
{
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct sp_m_check m = question;
		struct sp_verdict v;

		m.flags = rows[i].args == NULL ? SP_CHECK_LIST : SP_CHECK_HAS_ARGS;
		if (rows[i].args != NULL)
			m.args = sp_str(rows[i].args);
		else
			m.server = m.name = m.about = (sp_slice){ NULL, 0 };
		sp_plugin_ask(probe(), &m, &v);
		if (v.verdict != rows[i].want || (rows[i].text != NULL && !sp_eq(v.text, sp_str(rows[i].text))) ||
		    !sp_eq(v.scopes, sp_str(rows[i].scopes)))
			fail_msg("%s: verdict %d \"%.*s\" \"%.*s\"", rows[i].name, (int)v.verdict, SP_PRI(v.text), SP_PRI(v.scopes));
		if (v.verdict == SP_CHECK_FAILED)
			assert_true(v.text.n != 0);
	}
}

/* Cut short at a NUL they would be somebody else's. */
static void
test_nul(void **state)
{
	struct sp_m_check m = question;
	struct sp_verdict v;

	m.flags = SP_CHECK_HAS_ARGS;
	m.args = SP_LIT("{\"do\":\"allow\"}");
	m.user = SP_LIT("ann\0x");
	sp_plugin_ask(probe(), &m, &v);
	assert_int_equal(v.verdict, SP_CHECK_FAILED);
	m.user = SP_LIT("ann");
	m.tags = SP_LIT("\0\3o\0s");
	sp_plugin_ask(probe(), &m, &v);
	assert_int_equal(v.verdict, SP_CHECK_FAILED);
}

/* E11: the process goes, and whoever asked hears that its channel has ended. */
static void
test_ends(void **state)
{
	static const struct { const char *args; int signal; } ends[] = { { "{\"do\":\"crash\"}", 0 }, { "{\"do\":\"hang\"}", SIGALRM } };
	struct sp_plugin *p = probe();

	for (size_t i = 0; i < SP_COUNT(ends); i++) {
		struct sp_m_check m = question;
		struct sp_verdict v;
		int st = 0;
		pid_t pid = fork();

		if (pid == 0) {
			(void)signal(SIGSEGV, SIG_DFL);
			m.flags = SP_CHECK_HAS_ARGS;
			m.args = sp_str(ends[i].args);
			sp_plugin_ask(p, &m, &v);
			_exit(0);
		}
		assert_true(pid > 0 && waitpid(pid, &st, 0) == pid);
		assert_true(ends[i].signal == 0 ? !WIFEXITED(st) || WEXITSTATUS(st) != 0 : WIFSIGNALED(st) && WTERMSIG(st) == ends[i].signal);
	}
}

static void
test_loading(void **state)
{
	static const struct { const char *name, *text, *why; } bad[] = {
		{ "empty", "int x;\n", "has no SALLYPORT_PLUGIN" },
		{ "uncheck", "#include <sallyport/plugin.h>\nSALLYPORT_PLUGIN;\n", "has no sallyport_check()" },
		{ "other", "#include <stdint.h>\nconst uint32_t sallyport_plugin_abi = 99;\nint sallyport_check(void) { return 1; }\n", "form 99" },
		{ "lacks", "#include <sallyport/plugin.h>\nSALLYPORT_PLUGIN;\nextern int nobody_has_this(void);\n"
		    "enum sp_auth_verdict sallyport_check(struct sp_auth_context *a) { (void)a; return nobody_has_this(); }\n", "cannot be loaded" },
	};

	for (size_t i = 0; i < SP_COUNT(bad); i++) {
		struct sp_plugin *p = NULL;
		struct sp_err e = { 0 };
		int fd = compile_text(bad[i].name, bad[i].text);

		assert_true(fd >= 0);
		assert_int_equal(sp_plugin_load(fd, SP_LIT("bad"), &p, &e), SP_E_CONFIG);
		if (strstr(e.log, bad[i].why) == NULL)
			fail_msg("%s: %s", bad[i].name, e.log);
	}
}

/* The example of the documentation. */
static void
test_example(void **state)
{
	static struct sp_plugin *p;
	struct sp_m_check m = question;
	struct sp_err e = { 0 };
	struct sp_verdict v;
	int fd = compile("office_hours", SP_SRCDIR "/examples/checks/office_hours.c");

	assert_true(fd >= 0);
	assert_int_equal(sp_plugin_load(fd, SP_LIT("hours"), &p, &e), SP_OK);
	m.flags = SP_CHECK_HAS_ARGS;
	m.args = SP_LIT("{}");
	sp_plugin_ask(p, &m, &v);
	assert_true(v.verdict == SP_CHECK_ALLOWED || (v.verdict == SP_CHECK_REFUSED && sp_starts(v.text, SP_LIT("changes are made"))));
	m.tags = SP_LIT("\0\7on-call");
	sp_plugin_ask(p, &m, &v);
	assert_int_equal(v.verdict, SP_CHECK_ALLOWED);
}

static int
make_folder(void **state)
{
	return mkdtemp(folder) == NULL;
}

static int
remove_folder(void **state)
{
	static const char *const names[] = { "probe.so", "office_hours.so", "empty", "uncheck", "other", "lacks" };
	char path[256];

	for (size_t i = 0; i < SP_COUNT(names); i++) {
		snprintf(path, sizeof path, "%s/%s", folder, names[i]);
		(void)unlink(path);
		snprintf(path, sizeof path, "%s/%s.c", folder, names[i]);
		(void)unlink(path);
		snprintf(path, sizeof path, "%s/%s.so", folder, names[i]);
		(void)unlink(path);
	}
	return rmdir(folder);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verdicts), cmocka_unit_test(test_nul), cmocka_unit_test(test_ends), cmocka_unit_test(test_loading),
		cmocka_unit_test(test_example),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

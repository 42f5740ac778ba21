#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/cmd.h"
#include "cli/options.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---------------------------------------------------------------- options */

struct got { const char *text; uint64_t number; bool flag; const char *words[3]; size_t n; struct sp_opt_list many; };

static bool
parse(struct got *g, char **argv)
{
	static const struct sp_opt opts[] = {
		SP_OPT_TEXT("text", 't', struct got, text, "TEXT"), SP_OPT_NUMBER("number", 'n', struct got, number, 100),
		SP_OPT_FLAG("flag", 0, struct got, flag), SP_OPT_LIST("many", 'm', struct got, many, "TEXT"),
	};
	static const struct sp_command command = { .name = "test", .help = "help\n", SP_OPTS(opts), .max = 3 };
	int argc = 0, err = dup(2), null = open("/dev/null", O_WRONLY);
	bool ok;

	while (argv[argc] != NULL)
		argc++;
	*g = (struct got){ 0 };
	dup2(null, 2);
	ok = sp_opts_read(&command, argc, argv, g, g->words, &g->n) == SP_OPTS_GO;
	dup2(err, 2);
	close(err);
	close(null);
	return ok;
}

#define ARGV(...) (char *[]){ "test", __VA_ARGS__, NULL }

static void
test_options(void **state)
{
	const struct { const char *name; char **argv; bool ok; size_t words; const char *text; uint64_t number; bool flag; } rows[] = {
		{ "none", (char *[]){ "test", NULL }, true, 0, NULL, 0, false },
		{ "long", ARGV("--text", "a", "--number", "7", "--flag"), true, 0, "a", 7, true },
		{ "long with =", ARGV("--text=a=b", "w"), true, 1, "a=b", 0, false },
		{ "short", ARGV("-t", "a", "-n", "100"), true, 0, "a", 100, false },
		{ "words between", ARGV("one", "--flag", "two", "three"), true, 3, NULL, 0, true },
		{ "-- ends options", ARGV("--", "--flag"), true, 1, NULL, 0, false },
		{ "- is a word", ARGV("-"), true, 1, NULL, 0, false },
		{ "empty word", ARGV(""), true, 1, NULL, 0, false },
		{ "empty value", ARGV("--text="), true, 0, "", 0, false },
		{ "unknown", ARGV("--flog"), false, 0, NULL, 0, false },
		{ "unknown short", ARGV("-x"), false, 0, NULL, 0, false },
		{ "short with tail", ARGV("-tvalue"), false, 0, NULL, 0, false },
		{ "no value", ARGV("--text"), false, 0, NULL, 0, false },
		{ "flag with value", ARGV("--flag=yes"), false, 0, NULL, 0, false },
		{ "number zero", ARGV("-n", "0"), false, 0, NULL, 0, false },
		{ "number over", ARGV("-n", "101"), false, 0, NULL, 0, false },
		{ "number with tail", ARGV("-n", "7d"), false, 0, NULL, 0, false },
		{ "number negative", ARGV("-n", "-7"), false, 0, NULL, 0, false },
		{ "word too many", ARGV("one", "two", "three", "four"), false, 0, NULL, 0, false },
		{ "several of a list", ARGV("-m", "a", "--many=b", "--many", "c"), true, 0, NULL, 0, false },
	};

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct got g;
		bool ok = parse(&g, rows[i].argv);

		if (ok != rows[i].ok || (ok && (g.n != rows[i].words || g.number != rows[i].number || g.flag != rows[i].flag ||
		    (g.text == NULL) != (rows[i].text == NULL) || (g.text != NULL && strcmp(g.text, rows[i].text) != 0))))
			fail_msg("options: %s", rows[i].name);
	}
}

static void
test_nearest(void **state)
{
	static const char *const names[] = { "serve", "check", "why", "vault", "token" };

	assert_string_equal(sp_nearest(SP_LIT("vaul"), names, SP_COUNT(names)), "vault");
	assert_string_equal(sp_nearest(SP_LIT("chekc"), names, SP_COUNT(names)), "check");
	assert_null(sp_nearest(SP_LIT("elephant"), names, SP_COUNT(names)));
	assert_null(sp_nearest(SP_LIT("xy"), names, SP_COUNT(names)));
	assert_null(sp_nearest(SP_LIT("a very long word that nobody would ever mean at all"), names, SP_COUNT(names)));
}

/* ---------------------------------------------------------------- commands */

struct env { char path[64], state[80]; };
struct ran { int status; char out[65536], err[8192]; };

static void
slurp(int fd, char *buf, size_t cap)
{
	ssize_t n = pread(fd, buf, cap - 1, 0);

	buf[n < 0 ? 0 : n] = '\0';
	close(fd);
}

static int
scratch(void)
{
	char name[] = "/tmp/sp-cli-out-XXXXXX";
	int fd = mkstemp(name);

	unlink(name);
	return fd;
}

/* One command in a process of its own, as main would run it. */
static struct ran *
run(struct env *v, int (*command)(int, char **), const char *input, char **argv)
{
	static struct ran r;
	int out = scratch(), err = scratch(), in = scratch(), argc = 0, status;
	pid_t pid;

	while (argv[argc] != NULL)
		argc++;
	if (input != NULL)
		assert_int_equal(pwrite(in, input, strlen(input), 0), strlen(input));
	pid = fork();
	if (pid == 0) {
		if (chdir(v->path) != 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
			_exit(99);
		status = command(argc, argv);
		fflush(NULL);
		_exit(status);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(in);
	slurp(out, r.out, sizeof r.out);
	slurp(err, r.err, sizeof r.err);
	r.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
	return &r;
}

#define CMD(input, fn, ...) run(v, fn, input, (char *[]){ #fn, ##__VA_ARGS__, "--state", v->state, NULL })

static int
setup(void **state)
{
	struct env *v = calloc(1, sizeof *v);

	snprintf(v->path, sizeof v->path, "/tmp/sp-cli-XXXXXX");
	assert_non_null(mkdtemp(v->path));
	snprintf(v->state, sizeof v->state, "%s/state", v->path);
	*state = v;
	return 0;
}

static void
remove_all(const char *path)
{
	DIR *d = opendir(path);
	char sub[512];

	for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		snprintf(sub, sizeof sub, "%s/%s", path, e->d_name);
		if (unlink(sub) != 0)
			remove_all(sub);
	}
	if (d != NULL)
		closedir(d);
	rmdir(path);
}

static int
teardown(void **state)
{
	struct env *v = *state;

	remove_all(v->path);
	free(v);
	return 0;
}

static bool
anywhere(const char *path, const char *needle)
{
	DIR *d = opendir(path);
	char sub[512], buf[262144];
	bool found = false;

	for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
		ssize_t n;
		int fd;

		if (e->d_name[0] == '.')
			continue;
		snprintf(sub, sizeof sub, "%s/%s", path, e->d_name);
		fd = open(sub, O_RDONLY);
		n = read(fd, buf, sizeof buf);
		if (n > 0 && memmem(buf, (size_t)n, needle, strlen(needle)) != NULL)
			found = true;
		close(fd);
		found |= anywhere(sub, needle);
	}
	if (d != NULL)
		closedir(d);
	return found;
}

static void
test_vault(void **state)
{
	struct env *v = *state;
	struct ran *r;
	struct stat st;
	char key[160];

	r = CMD("canary-value-1\n", sp_cmd_vault.run, "set", "pdns");
	assert_int_equal(r->status, 1);
	assert_non_null(strstr(r->err, "sallyport vault init"));
	r = CMD(NULL, sp_cmd_vault.run, "init");
	assert_int_equal(r->status, 0);
	snprintf(key, sizeof key, "%s/vault.key", v->state);
	assert_int_equal(stat(key, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(CMD(NULL, sp_cmd_vault.run, "init")->status, 1);
	r = CMD("canary-value-1\n", sp_cmd_vault.run, "set", "pdns");
	assert_int_equal(r->status, 0);
	assert_string_equal(r->out, "");
	r = CMD(NULL, sp_cmd_vault.run, "list");
	assert_int_equal(r->status, 0);
	assert_non_null(strstr(r->out, "pdns"));
	assert_non_null(strstr(r->out, "14 bytes"));
	/* Q01: no command shows a value, and it lies nowhere in the clear. */
	assert_null(strstr(r->out, "canary"));
	assert_false(anywhere(v->path, "canary-value-1"));
	assert_int_equal(CMD(NULL, sp_cmd_vault.run, "rekey")->status, 0);
	assert_non_null(strstr(CMD(NULL, sp_cmd_vault.run, "list")->out, "pdns"));
	assert_int_equal(CMD(NULL, sp_cmd_vault.run, "rm", "pdns")->status, 0);
	r = CMD(NULL, sp_cmd_vault.run, "rm", "pdns");
	assert_int_equal(r->status, 1);
	r = CMD(NULL, sp_cmd_audit.run, "tail");
	assert_non_null(strstr(r->out, "vault set pdns, by user id"));
	assert_non_null(strstr(r->out, "vault rekey done"));
	assert_null(strstr(r->out, "canary"));
	assert_int_equal(CMD(NULL, sp_cmd_audit.run, "verify")->status, 0);
}

static void
test_vault_refusals(void **state)
{
	static const struct { const char *name; const char *input; char *words[3]; int status; const char *says; } rows[] = {
		{ "M16 too short", "1234567\n", { "set", "x" }, 1, "at least 8" },
		{ "empty value", "", { "set", "x" }, 1, "at least 8" },
		{ "M25 only a newline", "\n", { "set", "x" }, 1, "at least 8" },
		{ "value on the command line", "", { "set", "x", "s3cret-on-argv" }, 2, "shell's history" },
		{ "no name", "", { "set" }, 2, "name of a record" }, { "bad name", "12345678", { "set", "A/B" }, 1, "small letters" },
		{ "unknown operation", "", { "sett" }, 2, "Did you mean `set`" },
		{ "word too many", "", { "list", "x" }, 2, "no further word" }, { "rm nothing", "", { "rm", "nope" }, 1, "no record" },
	};
	struct env *v = *state;

	assert_int_equal(CMD(NULL, sp_cmd_vault.run, "init")->status, 0);
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		char *argv[] = { "vault", "--state", v->state, rows[i].words[0], rows[i].words[1], rows[i].words[2], NULL };
		struct ran *r = run(v, sp_cmd_vault.run, rows[i].input, argv);

		if (r->status != rows[i].status || strstr(r->err, rows[i].says) == NULL || strstr(r->err, "s3cret") != NULL)
			fail_msg("vault: %s: %d %s", rows[i].name, r->status, r->err);
	}
}

/* Q05: errors are distinct, and nothing is changed by any. */
static void
test_vault_wrong_key(void **state)
{
	struct env *v = *state;
	char path[160], moved[160];
	struct ran *r;
	int fd;

	assert_int_equal(CMD(NULL, sp_cmd_vault.run, "init")->status, 0);
	assert_int_equal(CMD("12345678", sp_cmd_vault.run, "set", "x")->status, 0);
	snprintf(path, sizeof path, "%s/vault.key", v->state);
	snprintf(moved, sizeof moved, "%s/old.key", v->state);
	assert_int_equal(rename(path, moved), 0);
	r = CMD(NULL, sp_cmd_vault.run, "list");
	assert_non_null(strstr(r->err, "vault.key does not exist"));
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(fd, "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n", 65), 65);
	close(fd);
	r = CMD(NULL, sp_cmd_vault.run, "list");
	assert_int_equal(r->status, 1);
	assert_non_null(strstr(r->err, "wrong key"));
	chmod(moved, 0644);
	assert_int_equal(rename(moved, path), 0);
	r = CMD(NULL, sp_cmd_vault.run, "list");
	assert_non_null(strstr(r->err, "chmod 600"));
	chmod(path, 0600);
	assert_non_null(strstr(CMD(NULL, sp_cmd_vault.run, "list")->out, "x\n"));
}

static void
test_vault_unlock_sources(void **state)
{
	struct env *v = *state;
	char key[160];
	struct ran *r;

	setenv("SP_TEST_KEY", "a passphrase in the environment", 1);
	assert_int_equal(CMD(NULL, sp_cmd_vault.run, "init", "--unlock", "env:SP_TEST_KEY")->status, 0);
	assert_int_equal(CMD("12345678", sp_cmd_vault.run, "set", "x", "--unlock", "env:SP_TEST_KEY")->status, 0);
	r = CMD(NULL, sp_cmd_vault.run, "rekey", "--unlock", "env:SP_TEST_KEY");
	assert_int_equal(r->status, 1);
	assert_non_null(strstr(r->err, "--new"));
	r = CMD(NULL, sp_cmd_vault.run, "rekey", "--unlock", "env:SP_TEST_KEY", "--new", "file:my.key");
	assert_int_equal(r->status, 0);
	assert_non_null(strstr(r->out, "unlock: file:my.key"));
	snprintf(key, sizeof key, "%s/my.key", v->path);
	assert_int_equal(access(key, R_OK), 0);
	r = CMD(NULL, sp_cmd_vault.run, "list", "--unlock", "file:my.key");
	assert_int_equal(r->status, 0);
	assert_non_null(strstr(r->out, "x\n"));
	assert_int_equal(CMD(NULL, sp_cmd_vault.run, "list", "--unlock", "env:SP_TEST_KEY")->status, 1);
	assert_int_equal(CMD(NULL, sp_cmd_vault.run, "list", "--unlock", "literal-key")->status, 1);
}

static void
write_file(struct env *v, const char *name, const char *text)
{
	char path[160];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", v->path, name);
	f = fopen(path, "w");
	fputs(text, f);
	fclose(f);
}

/* `state` and `unlock` of a configuration count also while the rest has errors. */
static void
test_config_names_the_place(void **state)
{
	struct env *v = *state;
	char path[160];
	struct ran *r;

	snprintf(path, sizeof path, "%s/sub", v->path);
	assert_int_equal(mkdir(path, 0700), 0);
	write_file(v, "sub/c.yaml", "state: here\nunlock: file:k\nlisten: [nonsense\n");
	r = run(v, sp_cmd_vault.run, NULL, (char *[]){ "vault", "init", "-c", "sub/c.yaml", NULL });
	assert_int_equal(r->status, 1);
	assert_non_null(strstr(r->err, "--state"));
	write_file(v, "sub/c.yaml", "state: here\nunlock: file:k\nwhat_is: this\n");
	r = run(v, sp_cmd_vault.run, NULL, (char *[]){ "vault", "init", "-c", "sub/c.yaml", NULL });
	if (r->status != 0)
		fail_msg("%s", r->err);
	snprintf(path, sizeof path, "%s/sub/here/vault", v->path);
	assert_int_equal(access(path, R_OK), 0);
	snprintf(path, sizeof path, "%s/sub/k", v->path);
	assert_int_equal(access(path, R_OK), 0);
	/* The file that lies here is taken without being named. */
	write_file(v, "sallyport.yaml", "state: sub/here\nunlock: file:sub/k\n");
	r = run(v, sp_cmd_vault.run, "12345678", (char *[]){ "vault", "set", "x", NULL });
	if (r->status != 0)
		fail_msg("%s", r->err);
	r = run(v, sp_cmd_vault.run, NULL, (char *[]){ "vault", "list", "-c", "missing.yaml", NULL });
	assert_int_equal(r->status, 1);
}

static void
test_token(void **state)
{
	struct env *v = *state;
	char token[64], header[256], path[160];
	struct ran *r = CMD(NULL, sp_cmd_token.run, "new", "cron", "--scopes", " dns:read   dns:write ", "--tags", "ops");
	struct stat st;
	int fd;

	assert_int_equal(r->status, 0);
	assert_int_equal(strlen(r->out), 48);
	assert_memory_equal(r->out, "spt_", 4);
	assert_null(strstr(r->err, "spt_"));
	memcpy(token, r->out, 47);
	token[47] = '\0';
	/* Only its hash is kept. */
	assert_false(anywhere(v->path, token));
	assert_int_equal(CMD(NULL, sp_cmd_token.run, "new", "cron")->status, 1);
	r = CMD(NULL, sp_cmd_token.run, "new", "two", "--header-file", "two.header");
	assert_int_equal(r->status, 0);
	assert_string_equal(r->out, "");
	snprintf(path, sizeof path, "%s/two.header", v->path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	fd = open(path, O_RDONLY);
	slurp(fd, header, sizeof header);
	assert_memory_equal(header, "Authorization: Bearer spt_", 26);
	assert_int_equal(strlen(header), 22 + 47 + 1);
	/* What is there is not overwritten, and no token is made for it. */
	assert_int_equal(CMD(NULL, sp_cmd_token.run, "new", "three", "--header-file", "two.header")->status, 1);
	assert_int_equal(CMD(NULL, sp_cmd_token.run, "new", "cron", "--header-file", "four.header")->status, 1);
	snprintf(path, sizeof path, "%s/four.header", v->path);
	assert_int_not_equal(access(path, F_OK), 0);
	r = CMD(NULL, sp_cmd_token.run, "list");
	assert_non_null(strstr(r->out, "scopes: dns:read dns:write  tags: ops"));
	assert_null(strstr(r->out, "three"));
	assert_int_equal(CMD(NULL, sp_cmd_token.run, "revoke", "cron")->status, 0);
	assert_int_equal(CMD(NULL, sp_cmd_token.run, "revoke", "cron")->status, 1);
	assert_non_null(strstr(CMD(NULL, sp_cmd_token.run, "list")->out, "revoked"));
	assert_int_equal(CMD(NULL, sp_cmd_token.run, "new", "x", "--days", "0")->status, 2);
	assert_int_equal(CMD(NULL, sp_cmd_token.run, "new", "x", "--days", "3651")->status, 2);
	assert_int_equal(CMD(NULL, sp_cmd_token.run, "new", "bad name")->status, 1);
	assert_int_equal(CMD(NULL, sp_cmd_token.run, "new", "x", "--scopes", "a\"b")->status, 1);
	assert_int_equal(CMD(NULL, sp_cmd_token.run, "revok", "x")->status, 2);
	assert_non_null(strstr(CMD(NULL, sp_cmd_audit.run, "tail", "-n", "1")->out, "token revoke cron"));
}

/* Q11 */
static void
test_audit_verify(void **state)
{
	struct env *v = *state;
	char path[160], buf[8192];
	struct ran *r;
	char *at;
	int fd;

	assert_int_equal(CMD(NULL, sp_cmd_token.run, "new", "a")->status, 0);
	assert_int_equal(CMD(NULL, sp_cmd_token.run, "new", "b")->status, 0);
	assert_int_equal(CMD(NULL, sp_cmd_audit.run, "verify")->status, 0);
	snprintf(path, sizeof path, "%s/audit/00000001.jsonl", v->state);
	fd = open(path, O_RDWR);
	slurp(dup(fd), buf, sizeof buf);
	at = strstr(buf, "token new b");
	assert_non_null(at);
	assert_int_equal(pwrite(fd, "token new c", 11, at - buf), 11);
	close(fd);
	r = CMD(NULL, sp_cmd_audit.run, "verify");
	assert_int_equal(r->status, 1);
	assert_non_null(strstr(r->out, "00000001.jsonl:3: the hash of line 3 is wrong"));
	assert_int_equal(CMD(NULL, sp_cmd_audit.run, "verfy")->status, 2);
}

/* Somebody holds the lock and does not answer. */
static void
test_lock_held(void **state)
{
	struct env *v = *state;
	char path[160];
	struct ran *r;
	int fd;

	assert_int_equal(CMD(NULL, sp_cmd_vault.run, "init")->status, 0);
	snprintf(path, sizeof path, "%s/lock", v->state);
	fd = open(path, O_RDWR);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	r = CMD("12345678", sp_cmd_vault.run, "set", "x");
	assert_int_equal(r->status, 1);
	assert_non_null(strstr(r->err, "does not answer on control.sock"));
	close(fd);
	assert_int_equal(CMD("12345678", sp_cmd_vault.run, "set", "x")->status, 0);
}

static void
test_help(void **state)
{
	const struct { const char *name; int (*fn)(int, char **); } rows[] = {
		{ "vault", sp_cmd_vault.run }, { "token", sp_cmd_token.run }, { "audit", sp_cmd_audit.run }, { "doctor", sp_cmd_doctor.run }, { "tools", sp_cmd_tools.run },
	};
	struct env *v = *state;

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct ran *r = run(v, rows[i].fn, NULL, (char *[]){ "x", "--help", NULL });

		if (r->status != 0 || strstr(r->out, "example") == NULL || strstr(r->out, "usage: sallyport") == NULL)
			fail_msg("help of %s", rows[i].name);
	}
}

static void
test_doctor(void **state)
{
	struct env *v = *state;
	struct ran *r = CMD(NULL, sp_cmd_doctor.run);

	assert_non_null(strstr(r->out, "Landlock"));
	assert_non_null(strstr(r->out, "not there yet"));
	assert_int_equal(CMD(NULL, sp_cmd_vault.run, "init")->status, 0);
	r = CMD(NULL, sp_cmd_doctor.run);
	assert_non_null(strstr(r->out, "opens, 0 records"));
	assert_non_null(strstr(r->out, "lines verified"));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options), cmocka_unit_test(test_nearest), T(test_vault), T(test_vault_refusals),
		T(test_vault_wrong_key), T(test_vault_unlock_sources), T(test_config_names_the_place), T(test_token),
		T(test_audit_verify), T(test_lock_held), T(test_help), T(test_doctor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

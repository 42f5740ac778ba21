/* The roles and channels that not every configuration has, listeners beside the endpoint, and what opens the vault. */
#include "super/testworld.h"

/* ---------------------------------------------------------------- further roles and listeners */

#define PET "servers:\n  pet: {openapi: %s/tests/data/petstore-3.0.json, url: 'http://127.0.0.1:9/api'%s}\n" \
	"rules: [{allow: pet.access:read, require_scopes: pets}]\n"

/* An egress for each authority, after those of the servers; fronts have no channel to it. */
static void
test_authorities(void **state)
{
	pid_t pids[PIDS];

	write_text(config, 0600, "listen: 127.0.0.1:%u\nstate: state\nauth:\n"
	    "  - {type: jwt, name: a, issuer: 'http://127.0.0.1:9/a'}\n"
	    "  - {type: jwt, name: b, issuer: 'http://127.0.0.1:9/b', keys: 'http://127.0.0.1:9/jwks'}\n" PET, port, SP_SRCDIR, "");
	start();
	assert_int_equal(pids_of("sp-egress", pids), 3);
	assert_int_equal(pids_of("sp-spawner", pids), 0);
	assert_true(answers());
	/* The last one dies; nobody else takes notice, and it comes back. */
	assert_int_equal(pids_of("sp-egress", pids), 3);
	assert_int_equal(kill(pids[2], SIGKILL), 0);
	assert_true(wait_log("\"event\":\"role.died\"", 1));
	for (int ms = 0; ms < PATIENCE_MS && pids_of("sp-egress", pids) != 3; ms += 5)
		doze();
	assert_int_equal(pids_of("sp-egress", pids), 3);
	assert_true(answers());
	assert_int_equal(count_in_log("role.offence"), 0);
	stop();
}

static void
test_spawner(void **state)
{
	pid_t pids[PIDS], first;

	setenv("SP_TEST_SECRET", "canary-3f1c9d", 1);
	setenv("SP_TEST_OTHER", "canary-77aa10", 1);
	write_text(config, 0600, "listen: 127.0.0.1:%u\nstate: state\nauth: {type: static}\n"
	    "servers:\n  wiki: {mcp: 'http://127.0.0.1:9/mcp', secrets: {a: 'command:echo x', b: 'env:SP_TEST_SECRET'}}\n"
	    "rules: [{allow: wiki.x, require_scopes: pets}]\n", port);
	start();
	unsetenv("SP_TEST_SECRET");
	unsetenv("SP_TEST_OTHER");
	assert_int_equal(pids_of("sp-spawner", pids), 1);
	first = pids[0];
	{
		char path[64], buf[65536];
		ssize_t got;
		int fd;

		/* O04: what commands inherit has neither our secret nor what nobody named. */
		(void)snprintf(path, sizeof path, "/proc/%d/environ", (int)first);
		fd = open(path, O_RDONLY);
		got = fd < 0 ? 0 : read(fd, buf, sizeof buf);
		if (fd >= 0)
			close(fd);
		assert_true(got <= 0 || memmem(buf, (size_t)got, "canary", 6) == NULL);
	}
	assert_int_equal(kill(first, SIGKILL), 0);
	for (int ms = 0; ms < PATIENCE_MS && (pids_of("sp-spawner", pids) != 1 || pids[0] == first); ms += 5)
		doze();
	assert_int_equal(pids_of("sp-spawner", pids), 1);
	assert_true(answers());
	/* It leaves with its generation. */
	write_config(NULL, "");
	assert_int_equal(kill(super, SIGHUP), 0);
	assert_true(wait_log("\"event\":\"generation.gone\"", 1));
	assert_int_equal(pids_of("sp-spawner", pids), 0);
	stop();
}

static void
test_peer_channels(void **state)
{
	pid_t pids[PIDS];

	write_text(config, 0600, "listen: [unix:s.sock, '127.0.0.1:%u']\nstate: state\nauth: [{type: peer}, {type: static}]\n" PET,
	    port, SP_SRCDIR, "");
	start();
	assert_true(answers());
	/* Both channels are made anew when keeper is. */
	assert_int_equal(pids_of("sp-keeper", pids), 1);
	assert_int_equal(kill(pids[0], SIGKILL), 0);
	assert_true(wait_log("\"event\":\"keeper.up\"", 1));
	assert_true(answers());
	assert_int_equal(count_in_log("peer_refused"), 0);
	stop();
}

static void
test_metrics_listener(void **state)
{
	static const char *const bad[] = { "0", "65536", "example.com:9", "unix:", "127.0.0.1", "x" };
	struct sp_super_opts o = { .config = config, .fronts = 2, .log_level = SP_INFO };
	char where[128];
	unsigned other = free_port();

	write_config(NULL, "");
	for (size_t i = 0; i < SP_COUNT(bad); i++) {
		o.metrics = bad[i];
		launch(&o);
		assert_int_equal(ended(), 1);
		assert_non_null(strstr(log_text(), "--metrics wants PORT"));
	}
	/* What clients use is not given away. */
	(void)snprintf(where, sizeof where, "127.0.0.1:%u", port);
	o.metrics = where;
	launch(&o);
	assert_int_equal(ended(), 1);
	assert_non_null(strstr(log_text(), "--metrics has that address"));

	(void)snprintf(where, sizeof where, "%u", other);
	launch(&o);
	assert_true(wait_log("\"event\":\"ready\"", 1));
	assert_true(answers());
	assert_true(can_connect(other));
	/* It outlives reloads, and is none of the endpoint's. */
	assert_int_equal(kill(super, SIGHUP), 0);
	assert_true(wait_log("\"event\":\"generation.gone\"", 1));
	assert_true(can_connect(other));
	{
		char name[64];

		(void)snprintf(name, sizeof name, "127.0.0.1:%u,", other);
		assert_null(strstr(log_text(), name));
	}
	stop();
	assert_false(can_connect(other));

	(void)snprintf(where, sizeof where, "unix:%s/m.sock", folder);
	launch(&o);
	assert_true(wait_log("\"event\":\"ready\"", 1));
	{
		struct stat st;

		assert_int_equal(stat(where + 5, &st), 0);
		assert_int_equal(st.st_mode & 0777, 0600);
	}
	stop();
	assert_int_equal(access(where + 5, F_OK), -1);
}

/* R09: a front that does not leave is not waited for longer than its calls may take. */
static void
test_reload_is_bounded(void **state)
{
	struct timespec a, b;
	pid_t pids[PIDS];

	write_config(NULL, "limits: {call_time: 1s}\n");
	start();
	assert_true(pids_of("sp-front", pids) > 0);
	assert_int_equal(kill(pids[0], SIGSTOP), 0);
	(void)clock_gettime(CLOCK_MONOTONIC, &a);
	assert_int_equal(kill(super, SIGHUP), 0);
	assert_true(wait_log("\"event\":\"generation.gone\"", 1));
	(void)clock_gettime(CLOCK_MONOTONIC, &b);
	assert_true(b.tv_sec - a.tv_sec <= 6);
	assert_true(answers());
	stop();
}

/* ---------------------------------------------------------------- what opens the vault */

/* Waits for a question on the terminal and answers it. */
static void
type(const char *question, const char *answer)
{
	char seen[4096] = "";
	size_t n = 0;

	while (strstr(seen, question) == NULL) {
		struct pollfd p = { terminal, POLLIN, 0 };
		ssize_t got;

		if (poll(&p, 1, PATIENCE_MS) != 1 || n + 1 >= sizeof seen)
			fail_msg("no question \"%s\" in \"%s\"", question, seen);
		got = read(terminal, seen + n, sizeof seen - 1 - n);
		n += got > 0 ? (size_t)got : 0;
		seen[n] = 0;
		if (got <= 0)
			doze();
	}
	assert_int_equal(write(terminal, answer, strlen(answer)), (ssize_t)strlen(answer));
}

static pid_t
cli(const char *in, const char *verb, const char *name)
{
	static char self[4000], path[4200];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	int ends[2];
	pid_t pid;

	assert_true(n > 0);
	*strrchr(self, '/') = 0;
	(void)snprintf(path, sizeof path, "%s/sallyport", self);
	assert_int_equal(pipe(ends), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		take_terminal();
		if (dup2(ends[0], 0) != 0 || chdir(folder) != 0)
			_exit(99);
		close(ends[0]);
		close(ends[1]);
		execl(path, "sallyport", "vault", verb, "-c", "sallyport.yaml", name, (char *)NULL);
		_exit(98);
	}
	close(ends[0]);
	assert_int_equal(write(ends[1], in, strlen(in)), (ssize_t)strlen(in));
	close(ends[1]);
	return pid;
}

static void
fine(pid_t pid)
{
	int st;

	assert_int_equal(waitpid(pid, &st, 0), pid);
	assert_true(WIFEXITED(st) && WEXITSTATUS(st) == 0);
}

static void
test_unlock(void **state)
{
	static const char *const refs[] = { "", "unlock: file:my.key\n", "unlock: env:SP_TEST_KEY\n", "unlock: credential:vaultkey\n" };
	char creds[128], path[160];

	(void)snprintf(creds, sizeof creds, "%s/creds", folder);
	assert_int_equal(mkdir(creds, 0700), 0);
	(void)snprintf(path, sizeof path, "%s/vaultkey", creds);
	write_text(path, 0400, "a key that systemd keeps, of many letters\n");
	for (size_t i = 0; i < SP_COUNT(refs); i++) {
		pid_t pids[PIDS];
		unsigned n;

		setenv("SP_TEST_KEY", "canary-3f1c9d-of-the-environment", 1);
		setenv("CREDENTIALS_DIRECTORY", creds, 1);
		write_config("vault:pet", refs[i]);
		fine(cli("", "init", NULL));
		fine(cli("canary-the-value-of-pet", "set", "pet"));
		start();
		unsetenv("SP_TEST_KEY");
		/* The next keeper opens it by the same way, without anybody's help. */
		assert_int_equal(pids_of("sp-keeper", pids), 1);
		assert_int_equal(kill(pids[0], SIGKILL), 0);
		assert_true(wait_log("\"event\":\"keeper.up\"", 1));
		assert_true(answers());
		assert_int_equal(count_in_log("vault.locked"), 0);
		assert_int_equal(count_in_log("secret.unresolved"), 0);
		assert_int_equal(count_in_log("canary"), 0);
		n = pids_of("", pids);
		for (unsigned k = 0; k < n; k++) {
			char buf[65536];
			ssize_t got;
			int fd;

			(void)snprintf(path, sizeof path, "/proc/%d/environ", (int)pids[k]);
			fd = open(path, O_RDONLY);
			got = fd < 0 ? 0 : read(fd, buf, sizeof buf);
			if (fd >= 0)
				close(fd);
			assert_true(got <= 0 || memmem(buf, (size_t)got, "canary", 6) == NULL);
		}
		stop();
		(void)snprintf(path, sizeof path, "%s/state/vault", folder);
		assert_int_equal(unlink(path), 0);
		(void)snprintf(path, sizeof path, "%s/state/vault.key", folder);
		(void)unlink(path);
	}
	unsetenv("CREDENTIALS_DIRECTORY");
}

/* Typed, it is kept by nobody: the service ends with keeper and says why. */
static void
test_typed_passphrase(void **state)
{
	struct sp_super_opts o = { .config = config, .fronts = 1, .log_level = SP_INFO };
	pid_t pids[PIDS], pid;

	terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(terminal >= 0 && grantpt(terminal) == 0 && unlockpt(terminal) == 0);
	write_config("vault:pet", "unlock: passphrase\n");
	pid = cli("", "init", NULL);
	type(": ", "nobody knows it\n");
	type(": ", "nobody knows it\n");
	fine(pid);
	pid = cli("canary-the-value-of-pet", "set", "pet");
	type(": ", "nobody knows it\n");
	fine(pid);
	launch(&o);
	type("passphrase of the vault: ", "nobody knows it\n");
	assert_true(wait_log("\"event\":\"ready\"", 1));
	assert_int_equal(count_in_log("secret.unresolved"), 0);
	assert_int_equal(pids_of("sp-keeper", pids), 1);
	assert_int_equal(kill(pids[0], SIGKILL), 0);
	assert_int_equal(ended(), 1);
	assert_non_null(strstr(log_text(), "opened with a typed passphrase"));
	/* A wrong one is told at once. */
	launch(&o);
	type("passphrase of the vault: ", "something else\n");
	assert_int_equal(ended(), 1);
	assert_null(strstr(log_text(), "\"event\":\"ready\""));
	close(terminal);
	terminal = -1;
	/* Without a terminal there is nobody to ask. */
	launch(&o);
	assert_int_equal(ended(), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_authorities), T(test_spawner), T(test_peer_channels), T(test_metrics_listener), T(test_reload_is_bounded),
		T(test_unlock), T(test_typed_passphrase),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

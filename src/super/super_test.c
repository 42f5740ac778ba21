/* The real gateway from this build, with real roles: started, wired, killed, reloaded, stopped. */
#include "super/testworld.h"

/* ---------------------------------------------------------------- the tests */

static void
test_life(void **state)
{
	pid_t pids[PIDS];
	char path[128];

	write_config(NULL, "");
	start();
	assert_true(answers());
	assert_int_equal(pids_of("sp-front", pids), 2);
	assert_int_equal(pids_of("sp-egress", pids), 1);
	assert_int_equal(pids_of("sp-dialer", pids), 1);
	assert_int_equal(pids_of("sp-keeper", pids), 1);
	assert_int_equal(pids_of("sp-manage", pids), 0);
	assert_int_equal(files_in("state/ring"), 3);
	(void)snprintf(path, sizeof path, "%s/state/control.sock", folder);
	{
		struct stat st;

		assert_int_equal(lstat(path, &st), 0);
		assert_int_equal(st.st_mode & 0777, 0600);
	}
	stop();
	assert_false(can_connect(port));
	assert_int_equal(access(path, F_OK), -1);
	/* All records were read: no ring is left for the next run. */
	assert_int_equal(files_in("state/ring"), 0);
}

static void
test_killed_roles_come_back(void **state)
{
	static const char *const roles[] = { "sp-front", "sp-egress", "sp-dialer", "sp-keeper" };

	write_config(NULL, "");
	start();
	for (size_t i = 0; i < SP_COUNT(roles); i++) {
		pid_t before[PIDS], after[PIDS];
		unsigned n = pids_of(roles[i], before), m = 0;
		bool there = true;

		assert_true(n > 0);
		assert_int_equal(kill(before[0], SIGKILL), 0);
		for (int ms = 0; ms < PATIENCE_MS && (there || m != n); ms += 5, doze()) {
			m = pids_of(roles[i], after);
			there = false;
			for (unsigned k = 0; k < m; k++)
				there = there || after[k] == before[0];
		}
		if (there || m != n)
			fail_msg("%s is not started again", roles[i]);
		assert_true(answers());
	}
	assert_true(wait_log("\"event\":\"keeper.up\"", 1));
	stop();
}

static void
test_roles_die_with_super(void **state)
{
	pid_t pids[PIDS];
	unsigned n;
	int st;

	write_config(NULL, "");
	start();
	n = pids_of("", pids);
	assert_true(n >= 5);
	assert_int_equal(kill(super, SIGKILL), 0);
	assert_int_equal(waitpid(super, &st, 0), super);
	super = 0;
	for (unsigned i = 0; i < n; i++) {
		int ms = 0;

		while (kill(pids[i], 0) == 0 && ms++ < PATIENCE_MS / 5)
			doze();
		assert_int_equal(kill(pids[i], 0), -1);
	}
	/* What it left: a lock that nobody holds, a socket file, rings. */
	assert_int_equal(files_in("state/ring"), 3);
	start();
	assert_true(answers());
	stop();
	assert_int_equal(files_in("state/ring"), 0);
}

static void
test_reload(void **state)
{
	unsigned old = port;

	write_config(NULL, "");
	start();
	assert_int_equal(kill(super, SIGHUP), 0);
	assert_true(wait_log("\"event\":\"reloaded\"", 1));
	assert_true(wait_log("\"event\":\"generation.gone\"", 1));
	assert_true(answers());
	/* A bad one keeps the old one and says why. */
	write_config(NULL, "rule: []\n");
	assert_int_equal(kill(super, SIGHUP), 0);
	assert_true(wait_log("\"event\":\"reload.refused\"", 1));
	assert_non_null(strstr(log_text(), "Did you mean `rules`"));
	assert_true(answers());
	/* Another address: the new one opens, the old one closes. */
	port = free_port();
	write_config(NULL, "");
	assert_int_equal(kill(super, SIGHUP), 0);
	assert_true(wait_log("\"event\":\"generation.gone\"", 2));
	assert_true(answers());
	assert_false(can_connect(old));
	/* The state folder cannot move under a running gateway. */
	write_text(config, 0600, "listen: 127.0.0.1:%u\nstate: other\nauth: {type: static}\nservers:\n"
	    "  pet: {openapi: %s/tests/data/petstore-3.0.json, url: 'http://127.0.0.1:9/api'}\n"
	    "rules: [{allow: pet.access:read, require_scopes: pets}]\n", port, SP_SRCDIR);
	assert_int_equal(kill(super, SIGHUP), 0);
	assert_true(wait_log("\"event\":\"reload.refused\"", 2));
	assert_true(answers());
	stop();
}

static void
test_reloads_in_a_row(void **state)
{
	write_config(NULL, "");
	start();
	for (int i = 0; i < 10; i++) {
		assert_int_equal(kill(super, SIGHUP), 0);
		doze();
	}
	assert_true(wait_log("\"event\":\"reloaded\"", 1));
	assert_int_equal(kill(super, SIGHUP), 0);
	stop();
}

static void
refused(const char *name, const char *says)
{
	launch(NULL);
	if (ended() != 1)
		fail_msg("%s: it did not end with 1:\n%s", name, log_text());
	if (strstr(log_text(), says) == NULL)
		fail_msg("%s: no \"%s\" in:\n%s", name, says, log_text());
	assert_null(strstr(log_text(), "\"event\":\"ready\""));
}

static void
test_refused_starts(void **state)
{
	struct sp_super_opts absent = { .config = "absent.yaml", .log_level = SP_INFO };
	char secret[128], ref[160], other[96];
	pid_t first;

	write_config(NULL, "rule: []\n");
	refused("bad configuration", "Did you mean");
	launch(&absent);
	assert_int_equal(ended(), 1);

	unsetenv("SP_TEST_SECRET");
	write_config("env:SP_TEST_SECRET", "");
	refused("M24 env unset", "env:SP_TEST_SECRET is unset or empty");
	setenv("SP_TEST_SECRET", "", 1);
	refused("M24 env empty", "env:SP_TEST_SECRET is unset or empty");
	unsetenv("SP_TEST_SECRET");

	(void)snprintf(secret, sizeof secret, "%s/key.txt", folder);
	(void)snprintf(ref, sizeof ref, "file:%s", secret);
	write_config(ref, "");
	refused("file absent", "key.txt");
	write_text(secret, 0644, "secret\n");
	refused("M25 readable by others", "chmod 600");
	write_text(secret, 0640, "secret\n");
	refused("M25 readable by the group", "chmod 600");
	write_text(secret, 0600, "%s", "");
	refused("empty file", "empty");
	(void)unlink(secret);
	assert_int_equal(mkdir(secret, 0700), 0);
	refused("a folder", "not a plain file");
	assert_int_equal(rmdir(secret), 0);

	write_config(NULL, "unlock: credential:vault\n");
	(void)snprintf(other, sizeof other, "%s/state/vault", folder);
	write_text(other, 0600, "not a vault");
	refused("no credential", "CREDENTIALS_DIRECTORY");
	write_config(NULL, "");
	refused("no key for the vault", "vault.key");
	(void)unlink(other);

	start();
	first = super;
	refused("Q08 a second one on the same state", "running");
	super = first;
	stop();
}

static void
test_address_in_use(void **state)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(listen(fd, 1), 0);
	write_config(NULL, "");
	refused("address in use", "ddress already in use");
	close(fd);
}

/* M22: read once, overwritten in place, in nobody's environment, and a new keeper still gets it. */
static void
test_env_secret(void **state)
{
	pid_t pids[PIDS];
	unsigned n;

	setenv("SP_TEST_SECRET", "canary-3f1c9d", 1);
	write_config("env:SP_TEST_SECRET", "");
	start();
	unsetenv("SP_TEST_SECRET");
	n = pids_of("", pids);
	for (unsigned i = 0; i < n; i++) {
		char path[64], buf[65536];
		ssize_t got;
		int fd;

		(void)snprintf(path, sizeof path, "/proc/%d/environ", (int)pids[i]);
		fd = open(path, O_RDONLY);
		got = fd < 0 ? 0 : read(fd, buf, sizeof buf);
		if (fd >= 0)
			close(fd);
		assert_true(got <= 0 || memmem(buf, (size_t)got, "canary-3f1c9d", 13) == NULL);
	}
	assert_int_equal(pids_of("sp-keeper", pids), 1);
	assert_int_equal(kill(pids[0], SIGKILL), 0);
	assert_true(wait_log("\"event\":\"keeper.up\"", 1));
	assert_int_equal(count_in_log("secret.not_sent"), 0);
	assert_int_equal(count_in_log("secret.unresolved"), 0);
	assert_null(strstr(log_text(), "canary"));
	stop();
}

static void
test_inherited_listener_and_notify(void **state)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_un u = { .sun_family = AF_UNIX };
	int fd = socket(AF_INET, SOCK_STREAM, 0), note = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int saved = fcntl(3, F_DUPFD_CLOEXEC, 20);
	struct pollfd p = { note, POLLIN, 0 };
	char buf[256];
	ssize_t n;

	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(listen(fd, 8), 0);
	(void)snprintf(u.sun_path, sizeof u.sun_path, "%s/notify", folder);
	assert_int_equal(bind(note, (struct sockaddr *)&u, sizeof u), 0);
	if (fd != 3) {
		assert_int_equal(dup2(fd, 3), 3);
		close(fd);
	}
	setenv("LISTEN_FDS", "1", 1);
	setenv("NOTIFY_SOCKET", u.sun_path, 1);
	write_config(NULL, "");
	start();
	unsetenv("LISTEN_FDS");
	unsetenv("NOTIFY_SOCKET");
	close(3);
	if (saved >= 0) {
		assert_int_equal(dup2(saved, 3), 3);
		close(saved);
	}
	assert_true(answers());
	assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
	n = recv(note, buf, sizeof buf - 1, 0);
	buf[n > 0 ? n : 0] = 0;
	assert_string_equal(buf, "READY=1");
	assert_int_equal(kill(super, SIGHUP), 0);
	assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
	n = recv(note, buf, sizeof buf - 1, 0);
	buf[n > 0 ? n : 0] = 0;
	assert_non_null(strstr(buf, "RELOADING=1\nMONOTONIC_USEC="));
	assert_true(wait_log("\"event\":\"reloaded\"", 1));
	assert_true(answers());
	stop();
	close(note);
}

static void
test_unix_listener(void **state)
{
	struct sockaddr_un u = { .sun_family = AF_UNIX };
	struct stat st;
	int fd;

	(void)snprintf(u.sun_path, sizeof u.sun_path, "%s/s.sock", folder);
	/* One that a killed gateway left. */
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&u, sizeof u), 0);
	close(fd);
	write_text(config, 0600, "listen: [unix:s.sock, '127.0.0.1:%u']\nstate: state\nauth: {type: static}\n"
	    "servers:\n  pet: {openapi: %s/tests/data/petstore-3.0.json, url: 'http://127.0.0.1:9/api'}\n"
	    "rules: [{allow: pet.access:read, require_scopes: pets}]\n", port, SP_SRCDIR);
	start();
	assert_int_equal(stat(u.sun_path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&u, sizeof u), 0);
	close(fd);
	assert_true(answers());
	stop();
	assert_int_equal(access(u.sun_path, F_OK), -1);
}

static void
test_second_signal_ends_at_once(void **state)
{
	write_config(NULL, "");
	start();
	/* Frozen, a front cannot leave; the second signal does not wait for it. */
	{
		pid_t pids[PIDS];

		assert_true(pids_of("sp-front", pids) > 0);
		assert_int_equal(kill(pids[0], SIGSTOP), 0);
	}
	assert_int_equal(kill(super, SIGTERM), 0);
	assert_true(wait_log("\"event\":\"stopping\"", 1));
	assert_int_equal(kill(super, SIGTERM), 0);
	assert_int_equal(ended(), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_life), T(test_killed_roles_come_back), T(test_roles_die_with_super), T(test_reload),
		T(test_reloads_in_a_row), T(test_refused_starts), T(test_address_in_use), T(test_env_secret),
		T(test_inherited_listener_and_notify), T(test_unix_listener), T(test_second_signal_ends_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

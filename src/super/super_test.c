/* The real gateway from this build, with real roles: started, wired, killed, reloaded, stopped. */
#include "super/super.h"

#include "base/out.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_MS = 20000, PIDS = 64 };

static char folder[64], config[96], logfile[96];
static unsigned port;
static pid_t super;

/* ---------------------------------------------------------------- the world */

static void
doze(void)
{
	const struct timespec ts = { 0, 5000000 };

	(void)nanosleep(&ts, NULL);
}

static void
write_text(const char *path, mode_t mode, const char *fmt, ...) SP_PRINTF(3, 4);

static void
write_text(const char *path, mode_t mode, const char *fmt, ...)
{
	FILE *f = fopen(path, "w");
	va_list ap;

	assert_non_null(f);
	va_start(ap, fmt);
	assert_true(vfprintf(f, fmt, ap) >= 0);
	va_end(ap);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static void
write_config(const char *secret, const char *more)
{
	write_text(config, 0600,
	    "listen: 127.0.0.1:%u\nstate: state\nauth: {type: static}\n"
	    "servers:\n  pet: {openapi: %s/tests/data/petstore-3.0.json, url: 'http://127.0.0.1:9/api'%s%s%s}\n"
	    "rules: [{allow: pet.access:read, require_scopes: pets}]\n%s", port, SP_SRCDIR,
	    secret == NULL ? "" : ", secrets: {api_key: '", secret == NULL ? "" : secret,
	    secret == NULL ? "" : "'}", more);
}

static unsigned
free_port(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	close(fd);
	return ntohs(a.sin_port);
}

/* What the gateway has logged since it was started. */
static char *
log_text(void)
{
	static char buf[1 << 18];
	int fd = open(logfile, O_RDONLY);
	ssize_t n = fd < 0 ? 0 : read(fd, buf, sizeof buf - 1);

	if (fd >= 0)
		close(fd);
	buf[n > 0 ? n : 0] = 0;
	return buf;
}

static unsigned
count_in_log(const char *word)
{
	unsigned n = 0;

	for (const char *at = log_text(); (at = strstr(at, word)) != NULL; at++)
		n++;
	return n;
}

static void
launch(const struct sp_super_opts *more)
{
	(void)unlink(logfile);		/* what the one before wrote is not ours */
	super = fork();
	assert_true(super >= 0);
	if (super == 0) {
		int fd = open(logfile, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
		struct sp_super_opts o = { .config = config, .fronts = 2, .log_level = SP_INFO };

		if (more != NULL)
			o = *more;
		if (dup2(fd, 2) != 2 || chdir(folder) != 0)
			_exit(99);
		if (getenv("LISTEN_FDS") != NULL) {
			char pid[16];

			(void)snprintf(pid, sizeof pid, "%d", (int)getpid());
			setenv("LISTEN_PID", pid, 1);
		}
		_exit(sp_super_main(&o));
	}
}

/* Waits for the end; the status, or -1 when it does not come. */
static int
ended(void)
{
	int st;

	for (int ms = 0; ms < PATIENCE_MS; ms += 5, doze())
		if (waitpid(super, &st, WNOHANG) == super) {
			super = 0;
			return WIFEXITED(st) ? WEXITSTATUS(st) : 1000 + WTERMSIG(st);
		}
	return -1;
}

static bool
wait_log(const char *word, unsigned times)
{
	for (int ms = 0; ms < PATIENCE_MS; ms += 5, doze())
		if (count_in_log(word) >= times)
			return true;
		else if (super > 0 && kill(super, 0) != 0)
			return false;
	fprintf(stderr, "no %s in:\n%s\n", word, log_text());
	return false;
}

static void
start(void)
{
	launch(NULL);
	for (int ms = 0; ms < PATIENCE_MS; ms += 5, doze()) {
		int st;

		if (count_in_log("\"event\":\"ready\"") > 0)
			return;
		if (waitpid(super, &st, WNOHANG) != super)
			continue;
		super = 0;
		if (strstr(log_text(), " on Linux ") != NULL) {
			print_message("skipped: this machine lacks a layer of the jail\n");
			skip();
		}
		fail_msg("the gateway ended:\n%s", log_text());
	}
	fail_msg("the gateway is not ready:\n%s", log_text());
}

static void
stop(void)
{
	int st;

	assert_int_equal(kill(super, SIGTERM), 0);
	st = ended();
	if (st != 0)
		fail_msg("it ended with %d:\n%s", st, log_text());
}

static bool
parent_and_name(const char *pid, pid_t *parent, char *name, size_t cap)
{
	char path[300], buf[512], *open_, *close_;
	unsigned long v;
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof path, "/proc/%.200s/stat", pid);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return false;
	n = read(fd, buf, sizeof buf - 1);
	close(fd);
	if (n <= 0)
		return false;
	buf[n] = 0;
	open_ = strchr(buf, '(');
	close_ = strrchr(buf, ')');
	if (open_ == NULL || close_ == NULL || close_[2] == 'Z')
		return false;
	*close_ = 0;
	(void)snprintf(name, cap, "%s", open_ + 1);
	v = strtoul(close_ + 4, NULL, 10);
	*parent = (pid_t)v;
	return true;
}

/* The processes of a role ("": all of them). */
static unsigned
pids_of(const char *role, pid_t *out)
{
	DIR *d = opendir("/proc");
	struct dirent *entry;
	unsigned n = 0;

	assert_non_null(d);
	while ((entry = readdir(d)) != NULL && n < PIDS) {
		char name[64];
		pid_t parent;

		if (entry->d_name[0] < '1' || entry->d_name[0] > '9' ||
		    !parent_and_name(entry->d_name, &parent, name, sizeof name) || parent != super)
			continue;
		if (role[0] == 0 || strcmp(name, role) == 0)
			out[n++] = (pid_t)strtoul(entry->d_name, NULL, 10);
	}
	closedir(d);
	return n;
}

static bool
can_connect(unsigned to)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)to),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	bool ok = connect(fd, (struct sockaddr *)&a, sizeof a) == 0;

	close(fd);
	return ok;
}

/* Does a front answer? */
static bool
answers(void)
{
	static const char question[] = "GET /nowhere HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const struct timeval wait = { 2, 0 };
	char buf[16] = "";
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	bool ok;

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
	ok = connect(fd, (struct sockaddr *)&a, sizeof a) == 0 &&
	    send(fd, question, sizeof question - 1, MSG_NOSIGNAL) > 0 && recv(fd, buf, sizeof buf, 0) >= 9 &&
	    memcmp(buf, "HTTP/1.1 ", 9) == 0;
	close(fd);
	return ok;
}

static unsigned
files_in(const char *name)
{
	char path[128];
	struct dirent *entry;
	unsigned n = 0;
	DIR *d;

	(void)snprintf(path, sizeof path, "%s/%s", folder, name);
	d = opendir(path);
	if (d == NULL)
		return 0;
	while ((entry = readdir(d)) != NULL)
		n += entry->d_name[0] != '.';
	closedir(d);
	return n;
}

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

/* ---------------------------------------------------------------- */

static int
drop(const char *path, const struct stat *st, int kind, struct FTW *f)
{
	return remove(path);
}

static int
set_up(void **state)
{
	(void)snprintf(folder, sizeof folder, "/tmp/sp-super-XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	(void)snprintf(config, sizeof config, "%s/sallyport.yaml", folder);
	(void)snprintf(logfile, sizeof logfile, "%s/log", folder);
	port = free_port();
	super = 0;
	return 0;
}

static int
tear_down(void **state)
{
	int st;

	if (super > 0) {
		(void)kill(super, SIGKILL);
		(void)waitpid(super, &st, 0);
	}
	return nftw(folder, drop, 16, FTW_DEPTH | FTW_PHYS);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(test_life), T(test_killed_roles_come_back), T(test_roles_die_with_super), T(test_reload),
		T(test_reloads_in_a_row), T(test_refused_starts), T(test_address_in_use), T(test_env_secret),
		T(test_inherited_listener_and_notify), T(test_unix_listener), T(test_second_signal_ends_at_once),
		T(test_authorities), T(test_spawner), T(test_peer_channels), T(test_metrics_listener), T(test_reload_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

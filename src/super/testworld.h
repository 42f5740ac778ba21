/* For tests: the real gateway from this build, started in a folder of its own and looked at from outside. */
#ifndef SP_SUPER_TESTWORLD_H
#define SP_SUPER_TESTWORLD_H

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

static inline void
doze(void)
{
	const struct timespec ts = { 0, 5000000 };

	(void)nanosleep(&ts, NULL);
}

static inline void write_text(const char *path, mode_t mode, const char *fmt, ...) SP_PRINTF(3, 4);

static inline void
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

static inline void
write_config(const char *secret, const char *more)
{
	write_text(config, 0600,
	    "listen: 127.0.0.1:%u\nstate: state\nauth: {type: static}\n"
	    "servers:\n  pet: {openapi: %s/tests/data/petstore-3.0.json, url: 'http://127.0.0.1:9/api'%s%s%s}\n"
	    "rules: [{allow: pet.access:read, require_scopes: pets}]\n%s", port, SP_SRCDIR,
	    secret == NULL ? "" : ", secrets: {api_key: '", secret == NULL ? "" : secret,
	    secret == NULL ? "" : "'}", more);
}

static inline unsigned
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
static inline char *
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

static inline unsigned
count_in_log(const char *word)
{
	unsigned n = 0;

	for (const char *at = log_text(); (at = strstr(at, word)) != NULL; at++)
		n++;
	return n;
}

/* A terminal of their own for whoever is started next; -1: none. */
static int terminal = -1;

static inline void
take_terminal(void)
{
	char name[64];
	int fd;

	if (terminal < 0)
		return;
	(void)setsid();
	if (ptsname_r(terminal, name, sizeof name) != 0)
		_exit(95);
	fd = open(name, O_RDWR | O_CLOEXEC);		/* the first that a session opens is its own */
	if (fd < 0)
		_exit(94);
}

static inline void
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
		take_terminal();
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
static inline int
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

static inline bool
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

static inline void
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

static inline void
stop(void)
{
	int st;

	assert_int_equal(kill(super, SIGTERM), 0);
	st = ended();
	if (st != 0)
		fail_msg("it ended with %d:\n%s", st, log_text());
}

static inline bool
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
static inline unsigned
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

static inline bool
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
static inline bool
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

static inline unsigned
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

/* ---------------------------------------------------------------- */

static inline int
drop(const char *path, const struct stat *st, int kind, struct FTW *f)
{
	return remove(path);
}

static inline int
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

static inline int
tear_down(void **state)
{
	int st;

	if (super > 0) {
		(void)kill(super, SIGKILL);
		(void)waitpid(super, &st, 0);
	}
	return nftw(folder, drop, 16, FTW_DEPTH | FTW_PHYS);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

#endif

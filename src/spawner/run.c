#include "spawner/run.h"

#include "image/image.h"
#include "os/role.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ENV_MAX = 64, EXIT_NO_EXEC = 127, FILES = 1024, SWEEPS = 64 };

struct command {
	char	 text[SP_COMMAND_MAX + 1];	/* the words, each ended by a NUL */
	char	*argv[SP_COMMAND_WORDS + 1];
	char	 program[SP_COMMAND_MAX + 64];
	char	*envp[ENV_MAX + 1];
};

/* ---------------------------------------------------------------- what to start */

static bool
split(sp_slice in, struct command *c)
{
	char *at = c->text;
	sp_slice word;
	size_t n = 0;

	if (in.n >= sizeof c->text || sp_has_byte(in, 0))
		return false;
	while (sp_take_part(&in, ' ', &word)) {
		if (word.n == 0)
			continue;
		if (n == SP_COMMAND_WORDS)
			return false;
		c->argv[n++] = at;
		memcpy(at, word.p, word.n);
		at[word.n] = 0;
		at += word.n + 1;
	}
	c->argv[n] = NULL;
	return n != 0;
}

static bool
find_program(struct command *c)
{
	sp_slice folders = SP_LIT(SP_COMMAND_PATH), folder;
	int n;

	if (strchr(c->argv[0], '/') != NULL) {
		(void)snprintf(c->program, sizeof c->program, "%s", c->argv[0]);
		return c->argv[0][0] == '/' && access(c->program, X_OK) == 0;
	}
	while (sp_take_part(&folders, ':', &folder)) {
		n = snprintf(c->program, sizeof c->program, "%.*s/%s", SP_PRI(folder), c->argv[0]);
		if (n > 0 && (size_t)n < sizeof c->program && access(c->program, X_OK) == 0)
			return true;
	}
	return false;
}

static void
fill_env(struct command *c)
{
	size_t n = 0;

	for (char **e = environ; e != NULL && *e != NULL && n < ENV_MAX; e++)
		if (sp_env_is_passed(*e))
			c->envp[n++] = *e;
	c->envp[n] = NULL;
}

/* ---------------------------------------------------------------- the child */

static void
be_child(const struct command *c, int out, pid_t parent)
{
	static const int ours[] = { SIGPIPE, SIGTERM, SIGINT, SIGHUP };
	const struct rlimit none = { 0, 0 };
	struct rlimit files;
	sigset_t empty;
	int null = open("/dev/null", O_RDWR);

	if (null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(null, 2) < 0 || close_range(3, ~0u, 0) != 0)
		_exit(EXIT_NO_EXEC);
	(void)setsid();
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != parent || chdir("/") != 0)
		_exit(EXIT_NO_EXEC);
	(void)setrlimit(RLIMIT_CORE, &none);
	/* The gateway's own limit is its connections'; programs that close all of theirs would be long about it. */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max < FILES ? files.rlim_max : FILES;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	for (size_t i = 0; i < SP_COUNT(ours); i++)
		signal(ours[i], SIG_DFL);
	sigemptyset(&empty);
	(void)sigprocmask(SIG_SETMASK, &empty, NULL);
	(void)execve(c->program, c->argv, c->envp);
	_exit(EXIT_NO_EXEC);
}

static enum sp_status
launch(const struct command *c, int write_end, struct sp_run *r, struct sp_err *e)
{
	const pid_t parent = getpid();
	pid_t pid = fork();
	int fd;

	if (pid == 0)
		be_child(c, write_end, parent);
	if (pid < 0)
		return sp_fail(e, SP_E_SYSTEM, NULL, "cannot be started (error %d)", errno);
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd < 0) {
		int err = errno;

		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		return sp_fail(e, SP_E_SYSTEM, NULL, "cannot be watched (error %d)", err);
	}
	r->pid = pid;
	r->pidfd = fd;
	return SP_OK;
}

enum sp_status
sp_run_start(sp_slice argv, uint64_t now_ms, struct sp_run *r, int *out, struct sp_err *e)
{
	struct command c;
	enum sp_status st;
	int ends[2];

	if (!split(argv, &c))
		return sp_fail(e, SP_E_CONFIG, NULL, "is no command");
	if (!find_program(&c))
		return sp_fail(e, SP_E_CONFIG, NULL, "the program `%.100s` is not there", c.argv[0]);
	fill_env(&c);
	if (pipe2(ends, O_CLOEXEC) != 0)
		return sp_fail(e, SP_E_SYSTEM, NULL, "no pipe (error %d)", errno);
	st = launch(&c, ends[1], r, e);
	close(ends[1]);
	if (st != SP_OK) {
		close(ends[0]);
		return st;
	}
	r->late = false;
	r->deadline_ms = now_ms + SP_RUN_MS;
	*out = ends[0];
	return SP_OK;
}

/* ---------------------------------------------------------------- the end */

void
sp_run_kill(struct sp_run *r)
{
	r->late = true;
	/* Before setsid() it has no group of its own. */
	if (kill(-r->pid, SIGKILL) != 0)
		(void)kill(r->pid, SIGKILL);
}

enum sp_status
sp_run_ended(struct sp_run *r, struct sp_err *e)
{
	siginfo_t how = { 0 };
	bool late = r->late;

	/* While it is not reaped its number is nobody else's. */
	if (waitid(P_PID, (id_t)r->pid, &how, WEXITED | WNOWAIT) == 0)
		(void)kill(-r->pid, SIGKILL);
	(void)waitpid(r->pid, NULL, 0);
	close(r->pidfd);
	*r = (struct sp_run){ .pidfd = -1 };
	if (late)
		return sp_fail(e, SP_E_UNAVAILABLE, NULL, "killed after %d s", SP_RUN_MS / 1000);
	if (how.si_code != CLD_EXITED)
		return sp_fail(e, SP_E_UNAVAILABLE, NULL, "ended by signal %d", how.si_status);
	return how.si_status == 0 ? SP_OK :
	    sp_fail(e, SP_E_UNAVAILABLE, NULL, "ended with status %d", how.si_status);
}

void
sp_run_adopt_orphans(void)
{
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

static bool
is_running(const struct sp_run *runs, size_t n, pid_t pid)
{
	for (size_t i = 0; i < n; i++)
		if (runs[i].pid == pid)
			return true;
	return false;
}

/* Our children, as the kernel lists them. */
static size_t
list_children(pid_t *out, size_t cap)
{
	char path[64], buf[4096];
	sp_slice rest;
	uint64_t pid;
	size_t n = 0;
	ssize_t got;
	int fd;

	(void)snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	got = read(fd, buf, sizeof buf);
	close(fd);
	rest = sp_mem(buf, got > 0 ? (size_t)got : 0);
	while (n < cap && sp_take_u64(&rest, INT32_MAX, &pid) && sp_take(&rest, SP_LIT(" ")))
		out[n++] = (pid_t)pid;
	return n;
}

void
sp_run_sweep(const struct sp_run *runs, size_t n)
{
	pid_t all[256];

	/* Each that dies may leave us another. */
	for (int round = 0; round < SWEEPS; round++) {
		size_t count = list_children(all, SP_COUNT(all)), orphans = 0;

		for (size_t i = 0; i < count; i++) {
			if (is_running(runs, n, all[i]))
				continue;
			(void)kill(all[i], SIGKILL);
			(void)waitpid(all[i], NULL, 0);
			orphans++;
		}
		if (orphans == 0)
			return;
	}
}

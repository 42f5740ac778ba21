#include "cli/jailed.h"

#include "base/fd.h"
#include "os/role.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

static _Noreturn void
child(sp_jailed_fn work, void *ctx, size_t max, int to)
{
	const struct sp_jail jail = { .role = SP_LOADER, .isolation = SP_ISOLATION_AVAILABLE, .state_dir = -1,
		.read_paths = true };
	struct sp_err e = { 0 };
	struct sp_out o;
	int status;

	if (sp_jail_enter(&jail, &e) != SP_OK)
		_exit(126);
	sp_out_heap(&o, max);
	status = work(ctx, &o);
	_exit(o.full || !sp_write_all(to, sp_out_view(&o)) ? 126 : status);
}

/* Straight into the caller's memory, which may be locked. */
static bool
collect(int fd, struct sp_out *o)
{
	for (;;) {
		char *at = sp_out_room(o, 4096);
		ssize_t n;

		if (at == NULL)
			return false;
		o->n -= 4096;
		n = read(fd, at, 4096);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0;
		o->n += (size_t)n;
	}
}

int
sp_jailed(sp_jailed_fn work, void *ctx, size_t max, struct sp_out *o)
{
	int pipes[2], status = 0;
	bool whole;
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC) != 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		close(pipes[0]);
		child(work, ctx, max, pipes[1]);
	}
	close(pipes[1]);
	whole = pid > 0 && collect(pipes[0], o);
	close(pipes[0]);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !whole || !WIFEXITED(status) || WEXITSTATUS(status) == 126)
		return -1;
	return WEXITSTATUS(status);
}

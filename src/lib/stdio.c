/*
 * Standard input and output in the caller's loop.  Pipes, sockets and terminals are polled; what cannot be polled (files) is
 * always ready.  The descriptors stay the caller's, and get their flags back.
 */
#include <sallyport/transport.h>

#include "base/log.h"
#include "lib/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK = 65536 };

struct side {
	union { uv_handle_t any; uv_poll_t poll; uv_idle_t idle; } u;
	int	fd, flags;		/* flags: as they were */
	bool	own;			/* fd is a copy of ours */
	bool	file;			/* always ready */
	bool	there;			/* its handle is in the loop */
	bool	armed;
};

struct sp_stdio {
	struct sp_serving *serving;
	struct sp_lines lines;
	uv_loop_t *loop;
	struct side in, out;
	unsigned holds;			/* handles and the server, until the loop has let go */
	bool	 eof, stopping, done, orphan;
	void	(*ended)(void *arg);
	void	*arg;
	char	 buf[CHUNK];
};

static void settle(struct sp_stdio *io);
static void on_in(struct sp_stdio *io);
static void on_out(struct sp_stdio *io);

/* ---------------------------------------------------------------- handles */

static void
in_polled(uv_poll_t *p, int status, int events)
{
	on_in(p->data);
}

static void
in_idle(uv_idle_t *p)
{
	on_in(p->data);
}

static void
out_polled(uv_poll_t *p, int status, int events)
{
	on_out(p->data);
}

static void
arm(struct sp_stdio *io, struct side *s, bool on)
{
	if (!s->there || s->armed == on)
		return;
	s->armed = on;
	if (!on)
		(void)(s->file ? uv_idle_stop(&s->u.idle) : uv_poll_stop(&s->u.poll));
	else if (s->file)
		uv_idle_start(&s->u.idle, in_idle);
	else
		uv_poll_start(&s->u.poll, s == &io->in ? UV_READABLE : UV_WRITABLE, s == &io->in ? in_polled : out_polled);
}

static bool
open_side(struct sp_stdio *io, struct side *s, int fd, struct sp_error *error)
{
	int err;

	s->fd = fd;
	/* The loop knows a descriptor once only. */
	if (s == &io->out && fd == io->in.fd) {
		s->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		s->own = s->fd >= 0;
		if (!s->own)
			return sp_lib_fail(error, SP_RC_SYSTEM, "descriptor %d: %s", fd, strerror(errno));
	}
	err = uv_poll_init(io->loop, &s->u.poll, s->fd);
	if (err == UV_EPERM) {
		s->file = true;
		err = uv_idle_init(io->loop, &s->u.idle);
	}
	if (err != 0)
		return sp_lib_fail(error, SP_RC_SYSTEM, "descriptor %d: %s", fd, uv_strerror(err));
	s->u.any.data = io;
	s->there = true;
	io->holds++;
	return true;
}

/* Of both before one is changed: they may be two names of one terminal. */
static bool
keep_flags(struct side *s, int fd, struct sp_error *error)
{
	s->flags = fcntl(fd, F_GETFL);
	return s->flags >= 0 || sp_lib_fail(error, SP_RC_SYSTEM, "descriptor %d: %s", fd, strerror(errno));
}

static void
destroy(struct sp_stdio *io)
{
	if (io->serving != NULL)
		sp_lines_free(&io->lines);
	free(io);
}

static void
let_go(struct sp_stdio *io)
{
	if (--io->holds != 0)
		return;
	io->done = true;
	if (io->orphan)
		destroy(io);
	else if (io->ended != NULL)
		io->ended(io->arg);
}

static void
on_closed(uv_handle_t *h)
{
	let_go(h->data);
}

static void
on_left(void *arg)
{
	let_go(arg);
}

static void
close_side(struct side *s)
{
	if (s->there) {
		uv_close(&s->u.any, on_closed);
		(void)fcntl(s->fd, F_SETFL, s->flags);
	}
	if (s->own)
		close(s->fd);
	s->there = s->own = s->armed = false;
}

static void
stop(struct sp_stdio *io)
{
	if (io->stopping)
		return;
	io->stopping = true;
	io->holds++;			/* until all is begun */
	close_side(&io->in);
	close_side(&io->out);
	if (io->serving != NULL) {
		sp_lines_close(&io->lines);
		io->holds++;
		sp_serving_leave(io->serving, on_left, io);
	}
	let_go(io);
}

/* ---------------------------------------------------------------- out */

/* A client that went away must not kill the program whose library this is: the signal of this one write is taken back. */
static ssize_t
write_quietly(int fd, sp_slice s)
{
	const struct timespec at_once = { 0, 0 };
	sigset_t pipe, pending, before;
	ssize_t n;
	int err;

	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	sigpending(&pending);
	pthread_sigmask(SIG_BLOCK, &pipe, &before);
	n = write(fd, s.p, s.n);
	err = errno;
	if (n < 0 && err == EPIPE && !sigismember(&pending, SIGPIPE))
		while (sigtimedwait(&pipe, NULL, &at_once) < 0 && errno == EINTR)
			;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = err;
	return n;
}

/* Writes what goes; a broken pipe ends everything. */
static void
flush(struct sp_stdio *io)
{
	while (!io->lines.closed && !io->stopping) {
		sp_slice s = sp_lines_out(&io->lines);
		ssize_t n;

		if (s.n == 0)
			break;
		n = write_quietly(io->out.fd, s);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			sp_log(SP_INFO, "stdio.closed", SP_C("reason", "the client takes nothing more"));
			sp_lines_close(&io->lines);
			break;
		}
		sp_lines_taken(&io->lines, (size_t)n);
	}
}

/* From inside the engine: nothing is closed here but in the loop's own time. */
static void
on_said(void *ctx)
{
	struct sp_stdio *io = ctx;

	flush(io);
	if (io->lines.closed || (sp_lines_out(&io->lines).n != 0 && !io->out.file) || io->eof)
		arm(io, io->out.file ? &io->in : &io->out, true);
}

static void
on_out(struct sp_stdio *io)
{
	flush(io);
	settle(io);
}

/* ---------------------------------------------------------------- in */

static void
on_eof(struct sp_stdio *io)
{
	io->eof = true;
	arm(io, &io->in, false);
	sp_lines_end(&io->lines);
	sp_serving_drain(io->serving);
}

static void
on_in(struct sp_stdio *io)
{
	ssize_t n = -1;

	if (!io->eof && !io->lines.closed) {
		n = read(io->in.fd, io->buf, sizeof io->buf);
		if (n > 0)
			sp_lines_feed(&io->lines, sp_mem(io->buf, (size_t)n));
		else if (n == 0 || (errno != EAGAIN && errno != EINTR))
			on_eof(io);
	}
	settle(io);
}

/* What is to be waited for now; is it all over? */
static void
settle(struct sp_stdio *io)
{
	bool unread;

	if (io->stopping)
		return;
	unread = !io->lines.closed && sp_lines_out(&io->lines).n != 0;
	if (io->lines.closed || (io->eof && !unread && !sp_lines_busy(&io->lines))) {
		stop(io);
		return;
	}
	arm(io, &io->in, !io->eof && !sp_lines_full(&io->lines));
	if (!io->out.file)
		arm(io, &io->out, unread);
}

/* ---------------------------------------------------------------- beginning */

struct sp_stdio *
sp_stdio_start(struct sp_server *server, struct uv_loop_s *loop, int in, int out, void (*ended)(void *arg), void *arg,
    struct sp_error *error)
{
	const struct sp_clock no_clock = { 0, 0 };
	const sp_slice none = { NULL, 0 };
	struct sp_stdio *io = calloc(1, sizeof *io);

	if (io == NULL) {
		(void)sp_lib_fail(error, SP_RC_NO_MEMORY, "no memory for standard input and output");
		return NULL;
	}
	io->loop = loop;
	if (keep_flags(&io->in, in, error) && keep_flags(&io->out, out, error) && open_side(io, &io->in, in, error) &&
	    open_side(io, &io->out, out, error))
		io->serving = sp_serving_join(server, loop, none, no_clock, error);
	if (io->serving == NULL) {
		io->orphan = true;
		stop(io);
		return NULL;
	}
	io->ended = ended;
	io->arg = arg;
	sp_lines_init(&io->lines, io->serving, SP_TRANSPORT_STDIO, none, sp_server_opts(server)->max_body);
	io->lines.said = on_said;
	io->lines.ctx = io;
	arm(io, &io->in, true);
	return io;
}

void
sp_stdio_free(struct sp_stdio *io)
{
	if (io == NULL)
		return;
	if (io->done) {
		destroy(io);
		return;
	}
	io->orphan = true;
	stop(io);
}

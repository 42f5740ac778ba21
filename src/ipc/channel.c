#include "ipc/channel.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	HEAD = 5,			/* u32 body length, u8 type */
	IN_CAP = 81920,			/* holds the largest message of the call path */
	OUT_KEEP = 262144,		/* an empty output buffer above this is given back */
	OUT_MAX = 64 << 20,		/* a peer that leaves this much unread is lost */
	PACKET_MAX = 2048,		/* no message that travels in packets is larger */
	PACKETS_PER_TURN = 16,
	QUEUE_MAX = 256,
};

struct packet {
	struct packet *next;
	size_t	 n;
	unsigned nfds;
	int	 fds[SP_MSG_FDS];
	char	 bytes[];
};

struct sp_chan {
	uv_poll_t    poll;
	uv_prepare_t prepare;		/* writes once per loop turn, before the loop sleeps */
	uv_idle_t    idle;		/* keeps the loop from sleeping while `prepare` has not run */
	int	     handles;		/* not yet closed; the last one frees */
	int	     fd;
	int	     events;		/* what poll waits for now */
	enum sp_chan_kind kind;
	enum sp_role me, peer;
	const struct sp_chan_ops *ops;
	void	    *ctx;

	bool	     dead;		/* closed was or will be called, or the owner let go */
	bool	     freed;		/* by the owner */
	bool	     paused, wipe, scheduled;
	bool	     broken;		/* writes fail; what was sent to us may still be read */
	bool	     reading;		/* frames are being handed over: not again from inside */
	const char  *fail;		/* to be reported by the next turn */

	char	    *in;
	size_t	     in_cap, in_from, in_to;

	struct sp_out out;
	size_t	     out_from, open_at;
	int	     open_type;		/* message being written, or -1 */

	struct packet *queue, **queue_end;
	size_t	     queued, queue_bytes;

	size_t	     low;
	void	   (*drained)(void *ctx);
	void	    *drained_ctx;
};

static void flush(struct sp_chan *ch);
static void deliver(struct sp_chan *ch);

static void
drop_queue(struct sp_chan *ch)
{
	while (ch->queue != NULL) {
		struct packet *p = ch->queue;

		ch->queue = p->next;
		for (unsigned i = 0; i < p->nfds; i++)
			close(p->fds[i]);
		if (ch->wipe)
			explicit_bzero(p->bytes, p->n);
		free(p);
	}
	ch->queue_end = &ch->queue;
	ch->queued = ch->queue_bytes = 0;
}

static void
drop_output(struct sp_chan *ch)
{
	if (ch->open_type >= 0)
		return;			/* a message is being written: sp_chan_end() drops it */
	if (ch->wipe && ch->out.p != NULL)
		explicit_bzero(ch->out.p, ch->out.cap);
	sp_out_free(&ch->out);
	sp_out_heap(&ch->out, OUT_MAX);
	ch->out_from = 0;
	drop_queue(ch);
}

static void
on_close(uv_handle_t *h)
{
	struct sp_chan *ch = h->data;

	if (--ch->handles > 0 || !ch->freed)
		return;
	if (ch->in != NULL && ch->wipe)
		explicit_bzero(ch->in, ch->in_cap);
	free(ch->in);
	ch->open_type = -1;
	drop_output(ch);
	sp_out_free(&ch->out);
	free(ch);
}

/* Leaves the loop and tells the other end.  Memory stays until the owner lets go and the loop has let go. */
static void
shut(struct sp_chan *ch)
{
	if (ch->dead)
		return;
	ch->dead = true;
	uv_close((uv_handle_t *)&ch->poll, on_close);
	uv_close((uv_handle_t *)&ch->prepare, on_close);
	uv_close((uv_handle_t *)&ch->idle, on_close);
	close(ch->fd);
	ch->fd = -1;
	drop_output(ch);
}

static void
lose(struct sp_chan *ch, const char *why)
{
	if (ch->dead)
		return;
	shut(ch);
	ch->ops->closed(ch->ctx, ch, why);
}

/* The other end does not read any more.  What it wrote before it left is still ours to read. */
static void
write_failed(struct sp_chan *ch)
{
	ch->broken = true;
	drop_output(ch);
}

static bool
wants_write(const struct sp_chan *ch)
{
	return ch->queue != NULL || (ch->open_type < 0 && ch->out.n > ch->out_from);
}

static void
on_turn(uv_prepare_t *h)
{
	struct sp_chan *ch = h->data;

	uv_prepare_stop(&ch->prepare);
	uv_idle_stop(&ch->idle);
	ch->scheduled = false;
	if (ch->fail != NULL) {
		lose(ch, ch->fail);
		return;
	}
	flush(ch);
	if (!ch->dead && !ch->paused && ch->in_to > ch->in_from)
		deliver(ch);
}

static void
on_idle(uv_idle_t *h)
{
}

static void
schedule(struct sp_chan *ch)
{
	if (ch->scheduled || ch->dead)
		return;
	ch->scheduled = true;
	uv_prepare_start(&ch->prepare, on_turn);
	uv_idle_start(&ch->idle, on_idle);
}

/* ---------------------------------------------------------------- reading, stream */

/* Makes room for the whole of a message that is not all there; what was handed over is overwritten. */
static bool
make_room(struct sp_chan *ch, size_t need)
{
	char *p;

	if (ch->in_cap - ch->in_from >= need && ch->in_cap - ch->in_to >= ch->in_cap / 4)
		return true;
	if (ch->in_from > 0) {
		memmove(ch->in, ch->in + ch->in_from, ch->in_to - ch->in_from);
		ch->in_to -= ch->in_from;
		ch->in_from = 0;
	}
	if (ch->in_cap >= need)
		return true;
	need = need < IN_CAP ? IN_CAP : need;
	p = malloc(need);
	if (p == NULL)
		return false;
	if (ch->in_to > 0)
		memcpy(p, ch->in, ch->in_to);
	if (ch->wipe && ch->in != NULL)
		explicit_bzero(ch->in, ch->in_cap);
	free(ch->in);
	ch->in = p;
	ch->in_cap = need;
	return true;
}

/* The size of the message at the front once its head is there, else the size of a head; 0: not admitted. */
static size_t
frame_size(const struct sp_chan *ch)
{
	struct sp_rd r = { .bad = false };
	uint32_t len;
	unsigned type;

	if (ch->in_to - ch->in_from < HEAD)
		return HEAD;
	r.in = sp_mem(ch->in + ch->in_from, ch->in_to - ch->in_from);
	len = (uint32_t)sp_rd_be(&r, 4);
	type = (unsigned)sp_rd_be(&r, 1);
	if (!sp_msg_admit(ch->peer, ch->me, type, len, 0))
		return 0;
	return HEAD + (size_t)len;
}

static void
emptied(struct sp_chan *ch)
{
	if (ch->wipe && ch->in_to > 0)
		explicit_bzero(ch->in, ch->in_to);
	ch->in_from = ch->in_to = 0;
	if (ch->in_cap > IN_CAP) {
		free(ch->in);
		ch->in = NULL;
		ch->in_cap = 0;
	}
}

/* Hands over every whole frame in the buffer. */
static void
deliver(struct sp_chan *ch)
{
	if (ch->reading)
		return;
	ch->reading = true;
	while (!ch->dead && !ch->paused && ch->in_to > ch->in_from) {
		size_t n = frame_size(ch);
		const char *at = ch->in + ch->in_from;

		if (n == 0) {
			lose(ch, "a message that is not allowed here");
			break;
		}
		if (ch->in_to - ch->in_from < n)
			break;
		ch->in_from += n;
		if (!ch->ops->message(ch->ctx, ch, (unsigned char)at[4], (sp_slice){ at + HEAD, n - HEAD },
		    NULL, 0)) {
			lose(ch, "a malformed message");
			break;
		}
	}
	ch->reading = false;
	if (!ch->dead && ch->in_from == ch->in_to)
		emptied(ch);
}

/* A failed read; false: no more for now.  ECONNRESET says that the other end left without reading all of
 * ours; what it wrote before, and then the end, are still to come. */
static bool
read_failed(struct sp_chan *ch)
{
	if (errno == ECONNRESET || errno == EINTR)
		return true;
	if (errno != EAGAIN)
		lose(ch, "cannot read");
	return false;
}

/* One read a turn: a talkative peer does not starve the others.
 * Descriptors sent here are dropped by the kernel. */
static bool
read_stream(struct sp_chan *ch)
{
	size_t need = frame_size(ch);
	ssize_t n;

	if (need == 0 || ch->in_to - ch->in_from >= need) {
		deliver(ch);
		return true;
	}
	if (!make_room(ch, need)) {
		lose(ch, "no memory for a message");
		return false;
	}
	n = recv(ch->fd, ch->in + ch->in_to, ch->in_cap - ch->in_to, MSG_DONTWAIT);
	if (n < 0)
		return read_failed(ch);
	if (n == 0) {
		lose(ch, ch->in_to > ch->in_from ? "it ended within a message" : NULL);
		return false;
	}
	ch->in_to += (size_t)n;
	deliver(ch);
	return true;
}

/* ---------------------------------------------------------------- reading, packets */

static void
close_all(const int *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		close(fds[i]);
}

/* Collects what came along.  `fds` has room for whatever `control` can hold. */
static unsigned
take_fds(struct msghdr *mh, int *fds, unsigned cap)
{
	unsigned n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c != NULL; c = CMSG_NXTHDR(mh, c)) {
		size_t bytes = c->cmsg_len - CMSG_LEN(0);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < bytes / sizeof(int); i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
			if (n < cap)
				fds[n++] = fd;
			else
				close(fd);
		}
	}
	return n;
}

/* One packet; false: no more for now. */
static bool
read_packet(struct sp_chan *ch)
{
	union { struct cmsghdr align; char room[CMSG_SPACE(sizeof(int) * (SP_MSG_FDS + 1))]; } control;
	unsigned char buf[PACKET_MAX];
	int fds[SP_MSG_FDS + 4];
	struct iovec iov = { buf, sizeof buf };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
	    .msg_controllen = sizeof control };
	ssize_t n = recvmsg(ch->fd, &mh, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	unsigned nfds;
	bool ok;

	if (n < 0)
		return read_failed(ch);
	nfds = take_fds(&mh, fds, SP_COUNT(fds));
	if (n == 0) {
		close_all(fds, nfds);
		lose(ch, NULL);
		return false;
	}
	if ((mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 ||
	    !sp_msg_admit(ch->peer, ch->me, buf[0], (size_t)n - 1, nfds)) {
		close_all(fds, nfds);
		lose(ch, "a message that is not allowed here");
		return false;
	}
	ok = ch->ops->message(ch->ctx, ch, buf[0], (sp_slice){ (char *)buf + 1, (size_t)n - 1 }, fds, nfds);
	if (ch->wipe)
		explicit_bzero(buf, sizeof buf);
	if (!ok)
		lose(ch, "a malformed message");
	return ok;
}

/* ---------------------------------------------------------------- polling and writing */

static bool
read_some(struct sp_chan *ch)
{
	return ch->kind == SP_CHAN_STREAM ? read_stream(ch) : read_packet(ch);
}

static void
on_poll(uv_poll_t *h, int status, int events)
{
	struct sp_chan *ch = h->data;
	int turns = ch->kind == SP_CHAN_STREAM ? 1 : PACKETS_PER_TURN;

	if (status < 0) {
		/* The other end is gone, libuv has stopped polling: take what is left, bounded by the socket. */
		ch->events = 0;
		write_failed(ch);
		while (!ch->dead && !ch->paused && read_some(ch))
			;
		if (!ch->dead && !ch->paused)
			lose(ch, NULL);
		return;
	}
	if ((events & UV_WRITABLE) != 0)
		flush(ch);
	if ((events & UV_READABLE) == 0)
		return;
	while (turns-- > 0 && !ch->dead && !ch->paused)
		if (!read_some(ch))
			break;
}

static void
watch(struct sp_chan *ch)
{
	int events = (ch->paused ? 0 : UV_READABLE) | (wants_write(ch) && !ch->scheduled ? UV_WRITABLE : 0);

	if (ch->dead || events == ch->events)
		return;
	ch->events = events;
	if (events == 0)
		uv_poll_stop(&ch->poll);
	else if (uv_poll_start(&ch->poll, events, on_poll) != 0) {
		ch->fail = "cannot poll";
		schedule(ch);
	}
}

static void
flush_stream(struct sp_chan *ch)
{
	size_t left = ch->out.n - ch->out_from;
	ssize_t n;

	if (left == 0)
		return;
	n = send(ch->fd, ch->out.p + ch->out_from, left, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS && errno != ENOMEM)
			write_failed(ch);
		return;
	}
	if (ch->wipe)
		explicit_bzero(ch->out.p + ch->out_from, (size_t)n);
	ch->out_from += (size_t)n;
	if (ch->out_from == ch->out.n) {
		if (ch->out.cap > OUT_KEEP)
			drop_output(ch);
		sp_out_reset(&ch->out);
		ch->out_from = 0;
	} else if (ch->out_from > ch->out.n / 2) {
		ch->out.n -= ch->out_from;
		memmove(ch->out.p, ch->out.p + ch->out_from, ch->out.n);
		if (ch->wipe)
			explicit_bzero(ch->out.p + ch->out.n, ch->out_from);
		ch->out_from = 0;
	}
}

/* Sends one packet: 1 sent, 0 later, -1 never. */
static int
put_packet(struct sp_chan *ch, const void *p, size_t n, const int *fds, unsigned nfds)
{
	union { struct cmsghdr align; char room[CMSG_SPACE(sizeof(int) * SP_MSG_FDS)]; } control = { 0 };
	struct iovec iov = { (void *)(uintptr_t)p, n };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (nfds > 0) {
		struct cmsghdr *c = &control.align;

		mh.msg_control = &control;
		mh.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * nfds);
	}
	if (sendmsg(ch->fd, &mh, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
		return 1;
	return errno == EAGAIN || errno == EINTR || errno == ENOBUFS || errno == ENOMEM ? 0 : -1;
}

static void
flush_packets(struct sp_chan *ch)
{
	while (ch->queue != NULL) {
		struct packet *p = ch->queue;
		int r = put_packet(ch, p->bytes, p->n, p->fds, p->nfds);

		if (r < 0)
			write_failed(ch);
		if (r <= 0)
			return;
		ch->queue = p->next;
		if (ch->queue == NULL)
			ch->queue_end = &ch->queue;
		ch->queued--;
		ch->queue_bytes -= p->n;
		close_all(p->fds, p->nfds);
		if (ch->wipe)
			explicit_bzero(p->bytes, p->n);
		free(p);
	}
}

static void
flush(struct sp_chan *ch)
{
	if (ch->dead || ch->open_type >= 0)
		return;
	if (ch->kind == SP_CHAN_STREAM)
		flush_stream(ch);
	else
		flush_packets(ch);
	if (ch->drained != NULL && sp_chan_pending(ch) < ch->low) {
		void (*fn)(void *) = ch->drained;

		ch->drained = NULL;
		fn(ch->drained_ctx);
	}
	watch(ch);
}

/* A growing buffer would leave copies of secrets behind: room for the whole message is made first. */
static bool
reserve_wiped(struct sp_chan *ch, size_t need)
{
	size_t cap = ch->out.cap == 0 ? 4096 : ch->out.cap;
	char *p;

	if (ch->out.cap - ch->out.n >= need)
		return true;
	while (cap - ch->out.n < need)
		cap *= 2;
	if (cap > OUT_MAX || (p = malloc(cap)) == NULL)
		return false;
	if (ch->out.p != NULL) {
		memcpy(p, ch->out.p, ch->out.n);
		explicit_bzero(ch->out.p, ch->out.cap);
		free(ch->out.p);
	}
	ch->out.p = p;
	ch->out.cap = cap;
	return true;
}

struct sp_out *
sp_chan_begin(struct sp_chan *ch, enum sp_msg type)
{
	const struct sp_msgrule *rule = sp_msgrule(type);
	static const char zero[HEAD];

	assert(ch->kind == SP_CHAN_STREAM && ch->open_type < 0 && rule != NULL);
	if (ch->wipe && !reserve_wiped(ch, HEAD + (size_t)rule->max))
		ch->out.full = true;
	ch->open_at = ch->out.n;
	ch->open_type = (int)type;
	sp_out_add(&ch->out, zero, HEAD);
	return &ch->out;
}

void
sp_chan_end(struct sp_chan *ch)
{
	size_t len = ch->out.n - ch->open_at;
	int type = ch->open_type;

	assert(type >= 0);
	ch->open_type = -1;
	if (ch->dead || ch->broken) {
		drop_output(ch);
		return;
	}
	if (ch->out.full) {
		/* No memory, or the peer left OUT_MAX unread: it is lost, from outside this call. */
		ch->out.n = ch->open_at;
		ch->out.full = false;
		ch->fail = "it does not read";
		schedule(ch);
		return;
	}
	len -= HEAD;
	assert(sp_msg_admit(ch->me, ch->peer, (unsigned)type, len, 0));
	for (int i = 0; i < 4; i++)
		ch->out.p[ch->open_at + (size_t)i] = (char)(len >> (24 - 8 * i));
	ch->out.p[ch->open_at + 4] = (char)type;
	if ((ch->events & UV_WRITABLE) == 0)
		schedule(ch);
}

void
sp_chan_flush(struct sp_chan *ch)
{
	flush(ch);
}

bool
sp_chan_catch_up(struct sp_chan *ch)
{
	if (ch->reading)
		return false;
	/* What a socket holds is read in far fewer turns. */
	for (unsigned turns = 0; turns < 64 && !ch->dead && !ch->paused; turns++)
		if (!read_some(ch))
			break;
	return true;
}

size_t
sp_chan_pending(const struct sp_chan *ch)
{
	return ch->out.n - ch->out_from + ch->queue_bytes;
}

void
sp_chan_when_drained(struct sp_chan *ch, size_t low, void (*fn)(void *ctx), void *ctx)
{
	ch->low = low;
	ch->drained = fn;
	ch->drained_ctx = ctx;
	if (!ch->dead)
		schedule(ch);		/* it may be low already */
}

void
sp_chan_set_wipe(struct sp_chan *ch)
{
	ch->wipe = true;
}

static enum sp_status
enqueue(struct sp_chan *ch, enum sp_msg type, sp_slice body, const int *fds, unsigned nfds)
{
	struct packet *p;

	if (ch->queued >= QUEUE_MAX)
		return SP_E_FULL;
	p = malloc(sizeof *p + 1 + body.n);
	if (p == NULL)
		return SP_E_FULL;
	p->next = NULL;
	p->n = 1 + body.n;
	p->bytes[0] = (char)type;
	if (body.n > 0)
		memcpy(p->bytes + 1, body.p, body.n);
	for (p->nfds = 0; p->nfds < nfds; p->nfds++) {
		p->fds[p->nfds] = fcntl(fds[p->nfds], F_DUPFD_CLOEXEC, 3);
		if (p->fds[p->nfds] < 0) {
			close_all(p->fds, p->nfds);
			free(p);
			return SP_E_SYSTEM;
		}
	}
	*ch->queue_end = p;
	ch->queue_end = &p->next;
	ch->queued++;
	ch->queue_bytes += p->n;
	watch(ch);
	return SP_OK;
}

enum sp_status
sp_chan_send(struct sp_chan *ch, enum sp_msg type, sp_slice body, const int *fds, unsigned nfds)
{
	char buf[PACKET_MAX];
	int r = 0;

	assert(ch->kind == SP_CHAN_PACKET && body.n < PACKET_MAX);
	assert(sp_msg_admit(ch->me, ch->peer, type, body.n, nfds));
	if (ch->dead || ch->broken)
		return SP_E_UNAVAILABLE;
	if (ch->queue == NULL) {
		buf[0] = (char)type;
		if (body.n > 0)
			memcpy(buf + 1, body.p, body.n);
		r = put_packet(ch, buf, 1 + body.n, fds, nfds);
		if (ch->wipe)
			explicit_bzero(buf, 1 + body.n);
	}
	if (r < 0)
		return errno == EPIPE || errno == ECONNRESET ? SP_E_UNAVAILABLE : SP_E_SYSTEM;
	return r > 0 ? SP_OK : enqueue(ch, type, body, fds, nfds);
}

void
sp_chan_pause(struct sp_chan *ch, bool paused)
{
	if (ch->paused == paused || ch->dead)
		return;
	ch->paused = paused;
	watch(ch);
	if (!paused && ch->in_to > ch->in_from)
		schedule(ch);
}

void *
sp_chan_ctx(const struct sp_chan *ch)
{
	return ch->ctx;
}

static bool
is_kind(int fd, enum sp_chan_kind kind)
{
	int type = 0, domain = 0;
	socklen_t n = sizeof type, m = sizeof domain;

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) != 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &m) != 0)
		return false;
	return domain == AF_UNIX && type == (kind == SP_CHAN_STREAM ? SOCK_STREAM : SOCK_SEQPACKET);
}

enum sp_status
sp_chan_new(uv_loop_t *loop, int fd, enum sp_chan_kind kind, enum sp_role me, enum sp_role peer,
    const struct sp_chan_ops *ops, void *ctx, struct sp_chan **out)
{
	struct sp_chan *ch = is_kind(fd, kind) ? calloc(1, sizeof *ch) : NULL;

	if (ch == NULL || uv_poll_init(loop, &ch->poll, fd) != 0) {
		free(ch);
		close(fd);
		return SP_E_SYSTEM;
	}
	ch->fd = fd;
	ch->kind = kind;
	ch->me = me;
	ch->peer = peer;
	ch->ops = ops;
	ch->ctx = ctx;
	ch->open_type = -1;
	ch->queue_end = &ch->queue;
	ch->handles = 3;
	sp_out_heap(&ch->out, OUT_MAX);
	uv_prepare_init(loop, &ch->prepare);
	uv_idle_init(loop, &ch->idle);
	ch->poll.data = ch->prepare.data = ch->idle.data = ch;
	watch(ch);
	if (ch->fail != NULL) {
		sp_chan_free(&ch);
		return SP_E_SYSTEM;
	}
	*out = ch;
	return SP_OK;
}

void
sp_chan_free(struct sp_chan **chp)
{
	struct sp_chan *ch = *chp;

	*chp = NULL;
	if (ch == NULL || ch->freed)
		return;
	ch->freed = true;
	if (!ch->dead)
		shut(ch);
	else if (ch->handles == 0) {
		/* The loop has let go long ago. */
		ch->handles = 1;
		on_close((uv_handle_t *)&ch->poll);
	}
}

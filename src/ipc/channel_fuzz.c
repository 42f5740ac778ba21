/*
 * A stream channel between a rude peer and us: the first byte says in which pieces the rest arrives.  Whatever the
 * pieces are, what is handed over must be what one plain pass over the bytes says.
 */
#include "ipc/channel.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { ENOUGH = 65536 };

struct seen { uint64_t sum; unsigned n, closed; bool offence; struct sp_chan *ch; };

static void
must(bool ok)
{
	if (!ok)
		abort();
}

static void
count(struct seen *s, unsigned type, sp_slice body)
{
	s->n++;
	s->sum = s->sum * 31 + type;
	for (size_t i = 0; i < body.n; i++)
		s->sum = s->sum * 31 + (unsigned char)body.p[i];
}

static bool
on_message(void *ctx, struct sp_chan *ch, unsigned type, sp_slice body, const int *fds, unsigned nfds)
{
	must(nfds == 0);
	count(ctx, type, body);
	return true;
}

static void
on_closed(void *ctx, struct sp_chan *ch, const char *why)
{
	struct seen *s = ctx;

	s->closed++;
	s->offence = why != NULL;
	sp_chan_free(&s->ch);
}

static const struct sp_chan_ops ops = { on_message, on_closed };

/* The same by the book. */
static void
expect(sp_slice in, struct seen *s)
{
	while (in.n >= 5) {
		struct sp_rd r = { in, false };
		uint32_t len = (uint32_t)sp_rd_be(&r, 4);
		unsigned type = (unsigned)sp_rd_be(&r, 1);

		if (!sp_msg_admit(SP_FRONT, SP_EGRESS, type, len, 0)) {
			s->offence = true;
			return;
		}
		if (r.in.n < len)
			break;
		count(s, type, sp_sub(r.in, 0, len));
		sp_advance(&in, 5 + (size_t)len);
	}
	s->offence = in.n > 0;		/* it ended within a message */
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static uv_loop_t loop;
	struct seen got = { 0 }, want = { 0 };
	size_t piece, at = 1;
	int v[2];

	if (n < 1 || n > ENOUGH)
		return 0;
	if (loop.data == NULL) {
		must(uv_loop_init(&loop) == 0);
		loop.data = &loop;
	}
	piece = data[0] == 0 ? n : data[0];
	expect(sp_mem(data + 1, n - 1), &want);
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, v) == 0);
	must(sp_chan_new(&loop, v[0], SP_CHAN_STREAM, SP_EGRESS, SP_FRONT, &ops, &got, &got.ch) == SP_OK);
	while (at < n && got.closed == 0) {
		size_t k = n - at < piece ? n - at : piece;
		ssize_t w = send(v[1], data + at, k, MSG_DONTWAIT | MSG_NOSIGNAL);

		at += w > 0 ? (size_t)w : 0;
		if (w < (ssize_t)k || at % 64 < piece)
			(void)uv_run(&loop, UV_RUN_NOWAIT);
	}
	close(v[1]);
	while (uv_loop_alive(&loop))
		(void)uv_run(&loop, UV_RUN_NOWAIT);
	must(got.closed == 1 && got.n == want.n && got.sum == want.sum && got.offence == want.offence);
	return 0;
}

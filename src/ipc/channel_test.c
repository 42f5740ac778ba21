#include "ipc/channel.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

/* One end of a pair is a channel, the other is raw, so that the test can be as rude as it likes. */
struct seen {
	unsigned types[64], n, nfds, closed, drained;
	size_t	 bytes, last;
	bool	 refuse, let_go, pause, answer;
	unsigned let_go_after;
	const char *why;
	struct sp_chan *ch;
	bool	 cloexec;
	char	 head[16];
};

static uv_loop_t loop;

static bool
on_message(void *ctx, struct sp_chan *ch, unsigned type, sp_slice body, const int *fds, unsigned nfds)
{
	struct seen *s = ctx;

	assert_ptr_equal(ch, s->ch);
	assert_ptr_equal(sp_chan_ctx(ch), s);
	if (s->n < SP_COUNT(s->types))
		s->types[s->n] = type;
	s->n++;
	s->bytes += body.n;
	s->last = body.n;
	memcpy(s->head, body.p, body.n < sizeof s->head ? body.n : sizeof s->head);
	for (unsigned i = 0; i < nfds; i++) {
		s->cloexec = (fcntl(fds[i], F_GETFD) & FD_CLOEXEC) != 0;
		close(fds[i]);
	}
	s->nfds += nfds;
	if (s->answer) {
		sp_enc_id(sp_chan_begin(ch, SP_M_CANCEL), &(struct sp_m_id){ 1 });
		sp_chan_end(ch);
	}
	if (s->pause)
		sp_chan_pause(ch, true);
	if (s->let_go && s->n >= s->let_go_after)
		sp_chan_free(&s->ch);
	return !s->refuse;
}

static void
on_closed(void *ctx, struct sp_chan *ch, const char *why)
{
	struct seen *s = ctx;

	s->closed++;
	s->why = why;
	sp_chan_free(&s->ch);
}

static const struct sp_chan_ops ops = { on_message, on_closed };

static void
turn(int times)
{
	for (int i = 0; i < times; i++)
		(void)uv_run(&loop, UV_RUN_NOWAIT);
}

static int
open_end(struct seen *s, enum sp_chan_kind kind, enum sp_role me, enum sp_role peer)
{
	int v[2];

	*s = (struct seen){ 0 };
	assert_int_equal(socketpair(AF_UNIX, (kind == SP_CHAN_STREAM ? SOCK_STREAM : SOCK_SEQPACKET) | SOCK_CLOEXEC,
	    0, v), 0);
	assert_int_equal(sp_chan_new(&loop, v[0], kind, me, peer, &ops, s, &s->ch), SP_OK);
	return v[1];
}

static void
finish(struct seen *s, int fd)
{
	sp_chan_free(&s->ch);
	assert_null(s->ch);
	if (fd >= 0)
		close(fd);
	turn(3);
	assert_false(uv_loop_alive(&loop));
}

static unsigned
open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

/* Frames as a front sends them to an egress. */
static size_t
frame(char *at, unsigned type, size_t len, char fill)
{
	at[0] = (char)(len >> 24);
	at[1] = (char)(len >> 16);
	at[2] = (char)(len >> 8);
	at[3] = (char)len;
	at[4] = (char)type;
	memset(at + 5, fill, len);
	return 5 + len;
}

static void
put(int fd, const void *p, size_t n)
{
	assert_int_equal(send(fd, p, n, MSG_NOSIGNAL), (ssize_t)n);
}

static void
test_split_at_every_byte(void **state)
{
	char buf[256];
	size_t n = frame(buf, SP_M_CALL, 40, 'a');

	n += frame(buf + n, SP_M_CANCEL, 0, 0);
	n += frame(buf + n, SP_M_DATA, 33, 'b');
	for (size_t cut = 0; cut <= n; cut++) {
		struct seen s;
		int fd = open_end(&s, SP_CHAN_STREAM, SP_EGRESS, SP_FRONT);

		if (cut > 0)
			put(fd, buf, cut);
		turn(2);
		if (cut < n)
			put(fd, buf + cut, n - cut);
		turn(2);
		if (s.n != 3 || s.bytes != 73 || s.types[2] != SP_M_DATA || s.closed)
			fail_msg("cut at %zu: %u messages", cut, s.n);
		finish(&s, fd);
	}
}

static void
test_byte_by_byte(void **state)
{
	char buf[128];
	size_t n = frame(buf, SP_M_CALL, 60, 'a');
	struct seen s;
	int fd = open_end(&s, SP_CHAN_STREAM, SP_EGRESS, SP_FRONT);

	for (size_t i = 0; i < n; i++) {
		assert_int_equal(s.n, 0);
		put(fd, buf + i, 1);
		turn(1);
	}
	assert_int_equal(s.n, 1);
	finish(&s, fd);
}

static void
test_offences(void **state)
{
	static const struct { const char *name; unsigned type; uint32_t len; } rows[] = {
		{ "no such type", 200, 0 },
		{ "a type of others", SP_M_SECRET, 4 },
		{ "the wrong way", SP_M_RESULT, 8 },
		{ "one byte over the table", SP_M_CALL, 77825 },
		{ "all there is", SP_M_CALL, UINT32_MAX },
		{ "a message that comes with descriptors only", SP_M_PEER, 16 },
	};

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct seen s;
		char head[5], c;
		int fd = open_end(&s, SP_CHAN_STREAM, SP_EGRESS, SP_FRONT);

		(void)frame(head, rows[i].type, 0, 0);
		for (int b = 0; b < 4; b++)
			head[b] = (char)(rows[i].len >> (24 - 8 * b));
		put(fd, head, sizeof head);
		turn(2);
		if (s.closed != 1 || s.n != 0 || s.why == NULL || recv(fd, &c, 1, 0) != 0)
			fail_msg("%s: not closed", rows[i].name);
		finish(&s, fd);
	}
}

/* The receiver's own refusal, and what follows the offence is not handed over. */
static void
test_refused_by_receiver(void **state)
{
	char buf[64];
	size_t n = frame(buf, SP_M_CANCEL, 0, 0);
	struct seen s;
	int fd = open_end(&s, SP_CHAN_STREAM, SP_EGRESS, SP_FRONT);

	n += frame(buf + n, SP_M_CANCEL, 0, 0);
	s.refuse = true;
	put(fd, buf, n);
	turn(2);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.closed, 1);
	assert_non_null(s.why);
	finish(&s, fd);
}

static void
test_end(void **state)
{
	char buf[64];
	size_t n = frame(buf, SP_M_CANCEL, 0, 0);
	struct seen s;
	int fd = open_end(&s, SP_CHAN_STREAM, SP_EGRESS, SP_FRONT);

	put(fd, buf, n);
	close(fd);
	turn(3);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.closed, 1);
	assert_null(s.why);
	finish(&s, -1);

	fd = open_end(&s, SP_CHAN_STREAM, SP_EGRESS, SP_FRONT);
	put(fd, buf, n - 1);
	close(fd);
	turn(3);
	assert_int_equal(s.n, 0);
	assert_int_equal(s.closed, 1);
	assert_non_null(s.why);
	finish(&s, -1);
}

/* The other end dies with ours unread: what it had said is still heard. */
/* Without a turn of the loop: flushed here, read there; and not from inside a callback. */
static void
test_now(void **state)
{
	struct seen s;
	char buf[64], got[64];
	int fd = open_end(&s, SP_CHAN_STREAM, SP_EGRESS, SP_FRONT);

	put(fd, buf, frame(buf, SP_M_CANCEL, 4, 1));
	put(fd, buf, frame(buf, SP_M_CANCEL, 4, 2));
	assert_true(sp_chan_catch_up(s.ch));
	assert_int_equal(s.n, 2);
	sp_enc_credit(sp_chan_begin(s.ch, SP_M_CREDIT), &(struct sp_m_credit){ 1, 2 });
	sp_chan_end(s.ch);
	assert_int_equal(recv(fd, got, sizeof got, MSG_DONTWAIT), -1);
	sp_chan_flush(s.ch);
	assert_int_equal(recv(fd, got, sizeof got, MSG_DONTWAIT), 13);
	finish(&s, fd);
}

static void
test_reset_keeps_last_words(void **state)
{
	char buf[64];
	struct seen s;
	int fd = open_end(&s, SP_CHAN_STREAM, SP_FRONT, SP_EGRESS);

	sp_enc_id(sp_chan_begin(s.ch, SP_M_CANCEL), &(struct sp_m_id){ 7 });
	sp_chan_end(s.ch);
	turn(2);
	put(fd, buf, frame(buf, SP_M_RESULT, 20, 'r'));
	close(fd);
	sp_enc_id(sp_chan_begin(s.ch, SP_M_CANCEL), &(struct sp_m_id){ 8 });
	sp_chan_end(s.ch);
	turn(4);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.closed, 1);
	assert_null(s.why);
	finish(&s, -1);
}

static void
test_one_write_per_turn(void **state)
{
	char buf[256];
	struct seen s;
	int fd = open_end(&s, SP_CHAN_STREAM, SP_FRONT, SP_EGRESS);

	for (uint32_t i = 0; i < 10; i++) {
		sp_enc_id(sp_chan_begin(s.ch, SP_M_CANCEL), &(struct sp_m_id){ i });
		sp_chan_end(s.ch);
		assert_int_equal(recv(fd, buf, sizeof buf, MSG_DONTWAIT), -1);
	}
	assert_int_equal(sp_chan_pending(s.ch), 90);
	turn(1);
	assert_int_equal(recv(fd, buf, sizeof buf, MSG_DONTWAIT), 90);
	assert_int_equal(buf[3], 4);
	assert_int_equal(buf[4], SP_M_CANCEL);
	assert_int_equal(sp_chan_pending(s.ch), 0);
	finish(&s, fd);
}

static void
on_drained(void *ctx)
{
	((struct seen *)ctx)->drained++;
}

/* A reader that does not read: pending grows, nothing blocks, the callback comes once, and every byte arrives. */
static void
test_slow_reader(void **state)
{
	enum { MESSAGES = 200, PART = 65536 };
	static char part[PART], sink[1 << 20];
	struct seen s;
	size_t got = 0;
	int fd = open_end(&s, SP_CHAN_STREAM, SP_FRONT, SP_EGRESS);

	for (int wipe = 0; wipe < 2; wipe++) {
		if (wipe)
			sp_chan_set_wipe(s.ch);
		s.drained = 0;
		got = 0;
		for (int i = 0; i < MESSAGES; i++) {
			memset(part, i, sizeof part);
			sp_enc_data(sp_chan_begin(s.ch, SP_M_DATA),
			    &(struct sp_m_data){ (uint32_t)i, sp_mem(part, sizeof part) });
			sp_chan_end(s.ch);
		}
		sp_chan_when_drained(s.ch, 65536, on_drained, &s);
		turn(3);
		assert_int_equal(s.drained, 0);
		assert_true(sp_chan_pending(s.ch) > 1000000);
		while (got < (size_t)MESSAGES * (PART + 9)) {
			ssize_t n = recv(fd, sink, sizeof sink, MSG_DONTWAIT);

			if (n > 0) {
				size_t in = got % (PART + 9);

				/* The fill of a message is its number: order and content hold. */
				if (in >= 9)
					assert_int_equal((unsigned char)sink[0], got / (PART + 9));
				got += (size_t)n;
			}
			turn(1);
		}
		assert_int_equal(s.drained, 1);
		assert_int_equal(sp_chan_pending(s.ch), 0);
	}
	assert_int_equal(s.closed, 0);
	finish(&s, fd);
}

/* A peer that never reads is lost at a bound, not at the end of memory. */
static void
test_never_reads(void **state)
{
	static char part[65536];
	struct seen s;
	int fd = open_end(&s, SP_CHAN_STREAM, SP_FRONT, SP_EGRESS);

	for (int i = 0; i < 1200; i++) {
		sp_enc_data(sp_chan_begin(s.ch, SP_M_DATA), &(struct sp_m_data){ 1, sp_mem(part, sizeof part) });
		sp_chan_end(s.ch);
		assert_true(sp_chan_pending(s.ch) <= 64u << 20);
	}
	assert_int_equal(s.closed, 0);
	turn(2);
	assert_int_equal(s.closed, 1);
	assert_non_null(s.why);
	finish(&s, fd);
}

static void
test_free_inside(void **state)
{
	char buf[64];
	size_t n = 0;

	for (int i = 0; i < 3; i++)
		n += frame(buf + n, SP_M_CANCEL, 4, 'x');
	for (unsigned after = 1; after <= 3; after++)
		for (int refuse = 0; refuse < 2; refuse++) {
			struct seen s;
			int fd = open_end(&s, SP_CHAN_STREAM, SP_EGRESS, SP_FRONT);

			s.let_go = true;
			s.let_go_after = after;
			put(fd, buf, n);
			s.refuse = refuse && after == 1;
			turn(3);
			assert_int_equal(s.n, after);
			assert_int_equal(s.closed, 0);
			finish(&s, fd);
		}
}

static void
test_pause(void **state)
{
	char buf[64];
	size_t n = 0;
	struct seen s;
	int fd = open_end(&s, SP_CHAN_STREAM, SP_EGRESS, SP_FRONT);

	for (int i = 0; i < 4; i++)
		n += frame(buf + n, SP_M_CANCEL, 4, 'x');
	s.pause = true;
	put(fd, buf, n);
	turn(3);
	assert_int_equal(s.n, 1);
	sp_chan_pause(s.ch, false);
	turn(3);
	assert_int_equal(s.n, 2);
	s.pause = false;
	sp_chan_pause(s.ch, false);
	turn(3);
	assert_int_equal(s.n, 4);
	/* And while paused nothing new is read. */
	sp_chan_pause(s.ch, true);
	put(fd, buf, n);
	close(fd);
	turn(3);
	assert_int_equal(s.n, 4);
	assert_int_equal(s.closed, 0);
	sp_chan_pause(s.ch, false);
	turn(3);
	assert_int_equal(s.n, 8);
	assert_int_equal(s.closed, 1);
	finish(&s, -1);
}

/* Paused with the buffer full of whole messages, then resumed while more is waiting. */
static void
test_pause_full_buffer(void **state)
{
	static char buf[70000];
	struct seen s;
	int fd = open_end(&s, SP_CHAN_STREAM, SP_EGRESS, SP_FRONT);
	size_t n = frame(buf, SP_M_DATA, 1000, 'x'), sent = 0;

	s.pause = true;
	for (size_t want = 300; s.n < want;) {
		while (sent < want && send(fd, buf, n, MSG_DONTWAIT) == (ssize_t)n)
			sent++;
		turn(2);
		sp_chan_pause(s.ch, false);
		turn(1);
		assert_int_equal(s.closed, 0);
	}
	assert_int_equal(s.bytes, sent * 1000);
	finish(&s, fd);
}

/* Largest messages, and many per read: nothing is lost at the borders of the buffer. */
static void
test_large_and_many(void **state)
{
	static char buf[200000];
	struct seen s;
	int fd = open_end(&s, SP_CHAN_STREAM, SP_EGRESS, SP_FRONT);
	size_t total = 0, messages = 0;

	for (size_t len = 1; len <= 77824; len = len * 3 + 1) {
		for (size_t k = 0; k < 3; k++) {
			size_t n = frame(buf, SP_M_CALL, len, 'x'), at = 0;

			while (at < n) {
				ssize_t w = send(fd, buf + at, n - at < 50001 ? n - at : 50001, MSG_DONTWAIT);

				if (w > 0)
					at += (size_t)w;
				turn(1);
			}
			total += len;
			messages++;
		}
	}
	put(fd, buf, frame(buf, SP_M_CALL, 77824, 'y'));
	turn(4);
	assert_int_equal(s.n, messages + 1);
	assert_int_equal(s.bytes, total + 77824);
	assert_int_equal(s.head[0], 'y');
	finish(&s, fd);

	/* An answer of a megabyte makes the buffer grow for it alone. */
	fd = open_end(&s, SP_CHAN_STREAM, SP_MANAGE, SP_KEEPER);
	{
		char *big = malloc(1048576 + 5);
		size_t n = frame(big, SP_M_ANSWER, 1048576, 'z'), at = 0;

		while (at < n) {
			ssize_t w = send(fd, big + at, n - at, MSG_DONTWAIT);

			if (w > 0)
				at += (size_t)w;
			turn(1);
		}
		free(big);
	}
	turn(2);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.bytes, 1048576);
	finish(&s, fd);
}

/* Answers written while reading leave in the same turn or the next, without anything else happening. */
static void
test_answer_from_callback(void **state)
{
	char buf[64];
	struct seen s;
	int fd = open_end(&s, SP_CHAN_STREAM, SP_FRONT, SP_EGRESS);

	s.answer = true;
	put(fd, buf, frame(buf, SP_M_RESULT, 8, 'x'));
	turn(1);
	assert_int_equal(s.n, 1);
	turn(1);
	assert_int_equal(recv(fd, buf, sizeof buf, MSG_DONTWAIT), 9);
	finish(&s, fd);
}

/* ---------------------------------------------------------------- packets */

static ssize_t
raw_send(int fd, unsigned type, size_t len, int *fds, unsigned nfds)
{
	static char body[8192];
	union { struct cmsghdr align; char room[CMSG_SPACE(sizeof(int) * 250)]; } control = { 0 };
	struct iovec iov = { body, 1 + len };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };

	body[0] = (char)type;
	if (nfds > 0) {
		mh.msg_control = &control;
		mh.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(&control.align), fds, sizeof(int) * nfds);
	}
	return sendmsg(fd, &mh, MSG_NOSIGNAL);
}

static void
test_packets(void **state)
{
	static const struct { const char *name; unsigned type; size_t len; unsigned nfds; bool ok; } rows[] = {
		{ "peer", SP_M_PEER, 16, 1, true },
		{ "peer without its descriptor", SP_M_PEER, 16, 0, false },
		{ "peer with two", SP_M_PEER, 16, 2, false },
		{ "drain", SP_M_DRAIN, 4, 0, true },
		{ "drain with a descriptor", SP_M_DRAIN, 4, 1, false },
		{ "boot with one", SP_M_BOOT, 48, 1, true },
		{ "boot with 32", SP_M_BOOT, 48, 32, true },
		{ "boot with 33", SP_M_BOOT, 48, 33, false },
		{ "boot with 250", SP_M_BOOT, 48, 250, false },
		{ "too long for its kind", SP_M_DRAIN, 9, 0, false },
		{ "longer than any packet", SP_M_BOOT, 8000, 1, false },
		{ "the wrong way", SP_M_READY, 0, 0, false },
		{ "no such type", 250, 0, 0, false },
	};
	unsigned before = open_fds();

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct seen s;
		int fds[250], fd = open_end(&s, SP_CHAN_PACKET, SP_FRONT, SP_SUPER);

		for (size_t k = 0; k < SP_COUNT(fds); k++)
			fds[k] = 0;
		assert_true(raw_send(fd, rows[i].type, rows[i].len, fds, rows[i].nfds) >= 0);
		turn(2);
		if (s.n != rows[i].ok || s.closed == rows[i].ok || (rows[i].ok && s.nfds != rows[i].nfds))
			fail_msg("%s: %u messages, closed %u", rows[i].name, s.n, s.closed);
		if (rows[i].ok && rows[i].nfds > 0)
			assert_true(s.cloexec);
		finish(&s, fd);
		if (open_fds() != before)
			fail_msg("%s: descriptors leak", rows[i].name);
	}
}

/* Nobody sends one: the kernel cannot tell it from the end. */
static void
test_empty_packet_is_the_end(void **state)
{
	struct seen s;
	int fd = open_end(&s, SP_CHAN_PACKET, SP_FRONT, SP_SUPER);

	assert_int_equal(send(fd, "", 0, 0), 0);
	turn(2);
	assert_int_equal(s.closed, 1);
	finish(&s, fd);
}

static void
test_packet_queue(void **state)
{
	struct seen s;
	int fd = open_end(&s, SP_CHAN_PACKET, SP_SUPER, SP_FRONT), sent = 0, got = 0, zero = 0;
	unsigned before = open_fds();
	char body[16] = { 0 };
	enum sp_status st;

	while ((st = sp_chan_send(s.ch, SP_M_PEER, sp_mem(body, sizeof body), &zero, 1)) == SP_OK)
		sent++;
	assert_int_equal(st, SP_E_FULL);
	assert_true(sent > 256);
	assert_int_equal(open_fds(), before + 256);
	assert_true(sp_chan_pending(s.ch) == 256 * 17);
	for (int i = 0; i < sent * 4 && got < sent; i++) {
		while (recv(fd, body, sizeof body, MSG_DONTWAIT) > 0) {
			assert_int_equal(body[0], SP_M_PEER);
			got++;
		}
		turn(1);
	}
	assert_int_equal(got, sent);
	assert_int_equal(open_fds(), before);
	close(fd);
	assert_int_equal(sp_chan_send(s.ch, SP_M_PEER, sp_mem(body, sizeof body), &zero, 1), SP_E_UNAVAILABLE);
	turn(3);
	assert_int_equal(s.closed, 1);
	finish(&s, -1);
}

static void
test_queue_is_dropped_with_the_channel(void **state)
{
	struct seen s;
	unsigned before = open_fds();
	int fd = open_end(&s, SP_CHAN_PACKET, SP_SUPER, SP_FRONT), zero = 0;
	char body[16] = { 0 };

	while (sp_chan_send(s.ch, SP_M_PEER, sp_mem(body, sizeof body), &zero, 1) == SP_OK)
		;
	finish(&s, fd);
	assert_int_equal(open_fds(), before);
}

static void
test_wrong_socket(void **state)
{
	struct sp_chan *ch = NULL;
	unsigned before = open_fds();
	struct seen s = { 0 };
	int v[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, v), 0);
	assert_int_equal(sp_chan_new(&loop, v[0], SP_CHAN_PACKET, SP_FRONT, SP_SUPER, &ops, &s, &ch), SP_E_SYSTEM);
	close(v[1]);
	assert_int_equal(pipe(v), 0);
	assert_int_equal(sp_chan_new(&loop, v[0], SP_CHAN_STREAM, SP_FRONT, SP_SUPER, &ops, &s, &ch), SP_E_SYSTEM);
	close(v[1]);
	assert_null(ch);
	assert_int_equal(open_fds(), before);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_split_at_every_byte),
		cmocka_unit_test(test_byte_by_byte),
		cmocka_unit_test(test_offences),
		cmocka_unit_test(test_refused_by_receiver),
		cmocka_unit_test(test_end),
		cmocka_unit_test(test_now), cmocka_unit_test(test_reset_keeps_last_words),
		cmocka_unit_test(test_one_write_per_turn),
		cmocka_unit_test(test_slow_reader),
		cmocka_unit_test(test_never_reads),
		cmocka_unit_test(test_free_inside),
		cmocka_unit_test(test_pause),
		cmocka_unit_test(test_pause_full_buffer),
		cmocka_unit_test(test_large_and_many),
		cmocka_unit_test(test_answer_from_callback),
		cmocka_unit_test(test_packets),
		cmocka_unit_test(test_empty_packet_is_the_end),
		cmocka_unit_test(test_packet_queue),
		cmocka_unit_test(test_queue_is_dropped_with_the_channel),
		cmocka_unit_test(test_wrong_socket),
	};

	if (uv_loop_init(&loop) != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The command line's end of control.sock: one question at a time, and blocking. */
#include "cli/place.h"

#include "base/rd.h"
#include "os/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { HEAD = 5, WAIT_S = 30 };

bool
sp_place_connect(struct sp_place_state *p)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	const struct timeval wait = { WAIT_S, 0 };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), n;

	if (fd < 0)
		return false;
	/* Through the descriptor: the path of the folder may be longer than an address. */
	n = snprintf(a.sun_path, sizeof a.sun_path, "/proc/self/fd/%d/" SP_STATE_CONTROL, p->dir);
	if (n < 0 || (size_t)n >= sizeof a.sun_path || connect(fd, (struct sockaddr *)&a, sizeof a) != 0) {
		close(fd);
		return false;
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
	p->control = fd;
	return true;
}

static bool
send_all(int fd, sp_slice s)
{
	while (s.n != 0) {
		ssize_t n = send(fd, s.p, s.n, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		sp_advance(&s, (size_t)n);
	}
	return true;
}

static bool
recv_all(int fd, char *at, size_t n)
{
	while (n != 0) {
		ssize_t got = recv(fd, at, n, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		at += got;
		n -= (size_t)got;
	}
	return true;
}

static bool
put_question(int fd, uint32_t op, sp_slice body)
{
	const struct sp_m_ask m = { .id = 1, .op = op, .body = body };
	size_t cap = HEAD + 16 + body.n;
	char *mem = sp_locked_new(cap);
	struct sp_out o, head;
	bool ok;

	if (mem == NULL)
		return false;
	sp_out_init(&o, mem + HEAD, cap - HEAD);
	sp_enc_ask(&o, &m);
	sp_out_init(&head, mem, HEAD);
	sp_out_be(&head, o.n, 4);
	sp_out_be(&head, SP_M_ASK, 1);
	ok = !o.full && send_all(fd, sp_mem(mem, HEAD + o.n));
	sp_locked_free(mem);
	return ok;
}

static enum sp_status
take_answer(int fd, struct sp_out *answer, struct sp_err *e)
{
	char head[HEAD], *at;
	struct sp_rd r = { { head, sizeof head }, false };
	struct sp_m_answer m;
	struct sp_out o;
	uint64_t n, type;
	enum sp_status st;

	if (!recv_all(fd, head, sizeof head))
		return sp_fail(e, SP_E_UNAVAILABLE, NULL, "the gateway did not answer; its log says more");
	n = sp_rd_be(&r, 4);
	type = sp_rd_be(&r, 1);
	sp_out_heap(&o, 1 << 21);
	at = type == SP_M_ANSWER && sp_msg_admit(SP_KEEPER, SP_CLI, SP_M_ANSWER, n, 0) ? sp_out_room(&o, n) : NULL;
	if (at == NULL || !recv_all(fd, at, n) || !sp_dec_answer(sp_out_view(&o), &m)) {
		sp_out_free(&o);
		return sp_fail(e, SP_E_UNAVAILABLE, NULL, "the gateway's answer is not understood: is it of another version?");
	}
	st = (enum sp_status)m.status;
	if (st == SP_OK)
		sp_out_slice(answer, m.body);
	else
		(void)sp_fail(e, st, NULL, "%.*s", (int)m.body.n, m.body.n == 0 ? "" : m.body.p);
	sp_out_free(&o);
	return st;
}

enum sp_status
sp_place_ask(struct sp_place_state *p, uint32_t op, sp_slice body, struct sp_out *answer, struct sp_err *e)
{
	if (p->control < 0)
		return sp_place_here(p, op, body, answer, e);
	if (!put_question(p->control, op, body))
		return sp_fail(e, SP_E_UNAVAILABLE, NULL, "the gateway does not take the question; its log says more");
	return take_answer(p->control, answer, e);
}

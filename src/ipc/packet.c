#include "ipc/packet.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

union control { struct cmsghdr align; char room[CMSG_SPACE(sizeof(int) * SP_MSG_FDS)]; };

static void
take_fds(struct msghdr *mh, struct sp_packet *p)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c != NULL; c = CMSG_NXTHDR(mh, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || n > SP_MSG_FDS - p->nfds)
			continue;
		memcpy(p->fds + p->nfds, CMSG_DATA(c), n * sizeof(int));
		p->nfds += (unsigned)n;
	}
}

enum sp_status
sp_packet_recv(int fd, enum sp_role from, enum sp_role me, struct sp_packet *p)
{
	union control control;
	struct iovec iov = { p->buf, sizeof p->buf };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
	    .msg_controllen = sizeof control };
	ssize_t n;

	p->nfds = 0;
	do {
		n = recvmsg(fd, &mh, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return SP_E_RATE;
	if (n < 1)
		return SP_E_UNAVAILABLE;
	take_fds(&mh, p);
	p->type = (unsigned char)p->buf[0];
	p->body = sp_mem(p->buf + 1, (size_t)n - 1);
	if ((mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0 && sp_msg_admit(from, me, p->type, p->body.n, p->nfds))
		return SP_OK;
	for (unsigned i = 0; i < p->nfds; i++)
		close(p->fds[i]);
	p->nfds = 0;
	return SP_E_REFUSED;
}

enum sp_status
sp_packet_send(int fd, enum sp_msg type, sp_slice body, int pass)
{
	unsigned char head = (unsigned char)type;
	struct iovec iov[2] = { { &head, 1 }, { (void *)(uintptr_t)body.p, body.n } };
	union { struct cmsghdr align; char room[CMSG_SPACE(sizeof(int))]; } control = { 0 };
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = body.n == 0 ? 1 : 2 };
	ssize_t n;

	if (pass >= 0) {
		struct cmsghdr *c = &control.align;

		mh.msg_control = &control;
		mh.msg_controllen = sizeof control;
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &pass, sizeof pass);
	}
	do {
		n = sendmsg(fd, &mh, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	return n == (ssize_t)(body.n + 1) ? SP_OK : SP_E_UNAVAILABLE;
}

/* control.sock: where the command line talks to keeper.  super looks at the uid behind a connection and hands it on. */
#include "super/super_int.h"

#include "base/log.h"
#include "os/state.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { AT_ONCE = 16 };

static void
hand_on(struct sp_super *s, int fd)
{
	struct ucred who = { 0 };
	socklen_t n = sizeof who;
	char buf[8];
	struct sp_out o;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) != 0 || n != sizeof who)
		return;
	if (who.uid != geteuid() && who.uid != 0) {
		sp_log(SP_WARN, "control.refused", SP_U("uid", who.uid));
		return;
	}
	if (!s->keeper_ok || s->phase == SP_STOPPING)
		return;
	sp_out_init(&o, buf, sizeof buf);
	sp_enc_gen(&o, &(struct sp_m_gen){ who.uid });
	(void)!sp_proc_says(&s->keeper, SP_M_CONTROL, sp_out_view(&o), &fd, 1);
}

static void
on_connection(uv_poll_t *h, int status, int events)
{
	struct sp_super *s = h->data;

	for (int i = 0; i < AT_ONCE; i++) {
		int fd = accept4(s->control, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0)
			return;
		hand_on(s, fd);
		close(fd);
	}
}

/* By way of the folder's descriptor: its path may be longer than a socket's may. */
enum sp_status
sp_control_open(struct sp_super *s, struct sp_err *e)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t old;
	bool ok;

	if (fd < 0)
		return sp_fail(e, SP_E_SYSTEM, NULL, "%s: no socket", SP_STATE_CONTROL);
	(void)snprintf(a.sun_path, sizeof a.sun_path, "/proc/self/fd/%d/%s", s->state_dir, SP_STATE_CONTROL);
	(void)unlinkat(s->state_dir, SP_STATE_CONTROL, 0);	/* the lock says that it is nobody's */
	old = umask(0177);
	ok = bind(fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(fd, AT_ONCE) == 0;
	(void)umask(old);
	if (!ok || uv_poll_init(&s->loop, &s->control_poll, fd) != 0) {
		int err = errno;

		close(fd);
		return sp_fail(e, SP_E_SYSTEM, NULL, "%s: cannot be made in the state folder (error %d)",
		    SP_STATE_CONTROL, err);
	}
	s->control = fd;
	s->control_poll.data = s;
	if (uv_poll_start(&s->control_poll, UV_READABLE, on_connection) != 0)
		return sp_fail(e, SP_E_SYSTEM, NULL, "%s: cannot be polled", SP_STATE_CONTROL);
	return SP_OK;
}

void
sp_control_close(struct sp_super *s)
{
	if (s->control < 0)
		return;
	uv_close((uv_handle_t *)&s->control_poll, NULL);
	close(s->control);
	s->control = -1;
	(void)unlinkat(s->state_dir, SP_STATE_CONTROL, 0);
}

/* sd_notify(3), the protocol: one datagram of lines to $NOTIFY_SOCKET. */
#include "super/super_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

void
sp_notify_init(struct sp_super *s)
{
	const char *to = getenv("NOTIFY_SOCKET");

	if (to != NULL && (to[0] == '/' || to[0] == '@') && strlen(to) < sizeof s->notify) {
		(void)snprintf(s->notify, sizeof s->notify, "%s", to);
		s->notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	}
	unsetenv("NOTIFY_SOCKET");
}

void
sp_notify(const struct sp_super *s, const char *text)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	size_t n = strlen(s->notify);

	if (s->notify_fd < 0)
		return;
	memcpy(a.sun_path, s->notify, n);
	if (a.sun_path[0] == '@')
		a.sun_path[0] = 0;
	(void)!sendto(s->notify_fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&a,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
}

void
sp_notify_reloading(const struct sp_super *s)
{
	char text[64];

	(void)snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)sp_mono_us());
	sp_notify(s, text);
}

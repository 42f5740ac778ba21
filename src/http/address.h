/* Where to listen: a TCP address or the path of a Unix socket. */
#ifndef SP_HTTP_ADDRESS_H
#define SP_HTTP_ADDRESS_H

#include "base/slice.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

struct sp_address {
	union { struct sockaddr any; struct sockaddr_in v4; struct sockaddr_in6 v6; struct sockaddr_un un; } u;
	socklen_t n;
	char	  name[160];		/* "127.0.0.1:80", "[::1]:80", "unix:/path" */
};

/* PORT (of 127.0.0.1), ADDRESS:PORT, [V6]:PORT or unix:PATH; no names of hosts.  Port 0: any. */
SP_MUST bool sp_address_read(sp_slice text, struct sp_address *a);
/* Its name, of u. */
void sp_address_name(struct sp_address *a);
/* What this socket is bound to; false: none of these, or a Unix socket without a whole path. */
SP_MUST bool sp_address_of(int fd, struct sp_address *a);
/* 0: unix, or none was given. */
uint16_t sp_address_port(const struct sp_address *a);
/* A listening socket, non-blocking, closed on exec; a Unix socket is its owner's alone (0600), and what a killed process left
 * of it is taken away.  -1 and errno. */
SP_MUST int sp_address_listen(const struct sp_address *a, int backlog);

#endif

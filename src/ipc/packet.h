/*
 * One message on a SEQPACKET channel without a loop: the first that a role receives, and all of spawner's, which has no
 * loop.  The packet is admitted by the table before anything is made of it.
 */
#ifndef SP_IPC_PACKET_H
#define SP_IPC_PACKET_H

#include "base/err.h"
#include "ipc/codec.h"

enum { SP_PACKET_MAX = 1280 };

struct sp_packet {
	unsigned type;
	sp_slice body;			/* in buf */
	int	 fds[SP_MSG_FDS];	/* the caller's to close */
	unsigned nfds;
	char	 buf[SP_PACKET_MAX];
};

/* SP_E_UNAVAILABLE: the other end is gone.  SP_E_RATE: nothing waits (of a socket that does not block).
 * SP_E_REFUSED: not admitted from `from` to `me`, or longer than any message to a role without a loop; no descriptor is left. */
SP_MUST enum sp_status sp_packet_recv(int fd, enum sp_role from, enum sp_role me, struct sp_packet *p);
/* Never waits.  SP_E_UNAVAILABLE: not sent, and the channel is of no use any more.  `pass`: a descriptor, or -1. */
SP_MUST enum sp_status sp_packet_send(int fd, enum sp_msg type, sp_slice body, int pass);

#endif

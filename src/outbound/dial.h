/*
 * From a host to a connected socket: resolve, judge every address, connect to judged ones only.  IPv6 and IPv4 are
 * tried in the resolver's order with a short head start each (RFC 8305); all within one deadline.  Answers of the
 * resolver live for a few seconds, so a name cannot be turned round between judging and connecting: what was judged
 * is what is connected to.
 */
#ifndef SP_DIALER_DIAL_H
#define SP_DIALER_DIAL_H

#include "base/err.h"
#include "wire/uri.h"

#include <sys/socket.h>
#include <uv.h>

enum { SP_DIAL_MS = 5000, SP_DIAL_HEAD_START_MS = 250, SP_DIAL_CACHE_MS = 5000, SP_DIAL_ADDRESSES = 8 };

struct sp_target;		/* a host and port, with what is known of its addresses */
struct sp_dial;

/* `host` is borrowed and must outlive the target.  private_ok: the operator wrote this host. */
SP_MUST enum sp_status sp_target_new(uv_loop_t *loop, sp_slice host, enum sp_host_kind kind, uint16_t port,
    bool private_ok, struct sp_target **out);
/* Its dials must be over or cancelled. */
void sp_target_free(struct sp_target **t);

struct sp_dial_result {
	enum sp_status status;
	int	 fd;			/* SP_OK: connected, non-blocking, TCP_NODELAY; the receiver's to close */
	const char *why;		/* else: constant text for the log; names no address */
	char	 address[64];		/* the address that was connected to, or judged or tried last; may be empty */
};

/* `done` is called once, from the loop, never from inside sp_dial_start(). */
SP_MUST enum sp_status sp_dial_start(struct sp_target *t, void (*done)(void *ctx, const struct sp_dial_result *r),
    void *ctx, struct sp_dial **out);
/* No call of `done` follows. */
void sp_dial_cancel(struct sp_dial **d);

/* For tests: what the resolver is to be taken to have said, in this order, until it expires. */
void sp_target_resolved(struct sp_target *t, const struct sockaddr_storage *a, size_t n);

#endif

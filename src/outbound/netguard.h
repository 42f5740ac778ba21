/*
 * Which addresses may be connected to.  Every address is judged by its bytes, after resolution and right before
 * connect(); a form that carries an IPv4 address (v4-mapped, v4-compatible, v4-translated, NAT64, 6to4, Teredo,
 * ISATAP) is never judged better than what it carries.  What no rule knows is refused.  Pure.
 */
#ifndef SP_DIALER_NETGUARD_H
#define SP_DIALER_NETGUARD_H

#include "base/slice.h"

#include <sys/socket.h>

enum sp_net_class {
	SP_NET_PUBLIC = 0,
	SP_NET_PRIVATE,		/* loopback, private use, carrier NAT: only for hosts written by the operator */
	SP_NET_NEVER		/* metadata services, link-local, multicast, reserved, documentation */
};

/* *why (may be NULL) gets a constant text: the name of the range. */
enum sp_net_class sp_netguard_v4(const uint8_t a[4], const char **why);
enum sp_net_class sp_netguard_v6(const uint8_t a[16], const char **why);
/* May this socket address be connected to?  A scope id (fe80::1%eth0) is refused whatever the address. */
SP_MUST bool sp_netguard_ok(const struct sockaddr *sa, bool private_ok, const char **why);
/*
 * May this text be handed to the resolver as a name?  Only letters, digits, '-', '_' and dots, labels of 1-63 bytes,
 * at most 253; a last label that a C library might read as a number (2130706433, 0x7f.1, 127.1, 127.0.0.1.) is refused.
 */
SP_MUST bool sp_netguard_name_ok(sp_slice host);

#endif

/*
 * May an authority's egress be connected to this host, which a document named?  The host and port that the operator
 * wrote for the authority are what they are; any other must be a name, at the https port, with public addresses.
 * Whether it is https does not change the connection, but what the egress will speak over it: clear text is for
 * an authority on this machine alone.  Pure.
 */
#ifndef SP_DIALER_DIALHOST_H
#define SP_DIALER_DIALHOST_H

#include "wire/uri.h"

/* Of the authority, as the image has it. */
struct sp_dialhost_own { sp_slice host; enum sp_host_kind kind; uint32_t port; bool https, private_ok; };

/* How to connect: the rest of what sp_target_new() wants. */
struct sp_dialhost { enum sp_host_kind kind; uint16_t port; bool private_ok; };

/* NULL: yes, and *out is set; else why not, as constant text. */
SP_MUST const char *sp_dialhost_judge(const struct sp_dialhost_own *own, sp_slice host, uint32_t port, bool https,
    struct sp_dialhost *out);

#endif

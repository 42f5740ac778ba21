/*
 * A channel to one other process.  Stream channels are length-framed (u32 body length, u8 type) and written once
 * per loop turn; SEQPACKET ones carry one message a packet and may carry descriptors.  Nothing blocks: what cannot
 * be written waits, and pending() tells how much, so that senders stop reading their own source.
 * A message that the table does not admit, or a decoder refuses, closes this channel (offence), nothing else.
 */
#ifndef SP_IPC_CHANNEL_H
#define SP_IPC_CHANNEL_H

#include "base/err.h"
#include "ipc/codec.h"

#include <uv.h>

struct sp_chan;

struct sp_chan_ops {
	/* One admitted message.  `fds` are the receiver's to close (nfds of them).  False: an offence. */
	bool (*message)(void *ctx, struct sp_chan *ch, unsigned type, sp_slice body, const int *fds, unsigned nfds);
	/* The other end is gone, or offended (why != NULL).  The channel is already unusable; free it here or later. */
	void (*closed)(void *ctx, struct sp_chan *ch, const char *why);
};

enum sp_chan_kind { SP_CHAN_STREAM, SP_CHAN_PACKET };

/* Takes over fd (made non-blocking).  `me` and `peer` are the roles for the admission table. */
SP_MUST enum sp_status sp_chan_new(uv_loop_t *loop, int fd, enum sp_chan_kind kind, enum sp_role me, enum sp_role peer,
    const struct sp_chan_ops *ops, void *ctx, struct sp_chan **out);
/* Closes; no callback follows.  Safe inside callbacks of the same channel.  Sets *ch NULL. */
void sp_chan_free(struct sp_chan **ch);

/* Stream channels: append a message; the body is written into the returned writer, then sp_chan_end().
 * Flushed at the end of the loop turn.  A message over its table size is a bug of ours (assert). */
struct sp_out *sp_chan_begin(struct sp_chan *ch, enum sp_msg type);
void sp_chan_end(struct sp_chan *ch);
/* Writes what was accepted now, as far as the socket takes it, instead of at the end of the turn. */
void sp_chan_flush(struct sp_chan *ch);
/* Hands over what the other end of a stream channel has written so far.  False: not from inside its own callbacks.  The
 * channel may be closed afterwards. */
SP_MUST bool sp_chan_catch_up(struct sp_chan *ch);
/* Bytes accepted but not yet written. */
size_t sp_chan_pending(const struct sp_chan *ch);
/* Called once when pending falls under `low` again. */
void sp_chan_when_drained(struct sp_chan *ch, size_t low, void (*fn)(void *ctx), void *ctx);
/* Buffers that carried secrets are wiped after writing when this was set (keeper's side of egress channels). */
void sp_chan_set_wipe(struct sp_chan *ch);

/* Packet channels: one message with its descriptors, which stay the caller's.  Queued (at most 256) when the socket is full. */
SP_MUST enum sp_status sp_chan_send(struct sp_chan *ch, enum sp_msg type, sp_slice body, const int *fds, unsigned nfds);
/* Stop and start reading, for back-pressure. */
void sp_chan_pause(struct sp_chan *ch, bool paused);
void *sp_chan_ctx(const struct sp_chan *ch);

#endif

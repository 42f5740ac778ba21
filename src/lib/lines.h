/*
 * One JSON-RPC message a line, over any pair of byte streams (mcp-spec 1.2): what stdio and bytes by hand have in common.
 * Every line is an exchange with the engine; what the engine says becomes lines.  Nothing here reads or writes.
 */
#ifndef SP_LIB_LINES_H
#define SP_LIB_LINES_H

#include "base/out.h"
#include "lib/serving.h"

struct sp_lines {
	struct sp_serving *serving;
	enum sp_transport transport;
	sp_slice peer;
	size_t	 max_line, max_out;
	struct sp_out in;		/* a line that has begun */
	bool	 skipping;		/* the rest of a line that was too long */
	struct sp_out out;		/* lines for the client; from out_from */
	size_t	 out_from;
	char	 session[128];		/* of the 2025 era; empty: none yet */
	struct sp_lines_exchange *open;	/* every exchange that has not ended */
	struct sp_lines_exchange *stream;	/* for what belongs to no request; NULL: none */
	unsigned nopen;
	bool	 closed;		/* the client takes nothing more */
	void	 (*said)(void *ctx);	/* something is in `out`, or no call runs any more; may be NULL */
	void	*ctx;
};

/* `peer` stays; max_line: bytes of a message. */
void sp_lines_init(struct sp_lines *l, struct sp_serving *serving, enum sp_transport transport, sp_slice peer, size_t max_line);
/* Takes all of it: whole lines become messages. */
void sp_lines_feed(struct sp_lines *l, sp_slice bytes);
/* Nothing more comes: a line without its end is a message too. */
void sp_lines_end(struct sp_lines *l);
/* For the client; sp_lines_taken() says how much of it is out. */
sp_slice sp_lines_out(const struct sp_lines *l);
void sp_lines_taken(struct sp_lines *l, size_t n);
/* Do calls run whose answer has yet to come? */
bool sp_lines_busy(const struct sp_lines *l);
/* Is the client to read first, before more is taken from it? */
bool sp_lines_full(const struct sp_lines *l);
/* The client is gone: nothing more is said, modern calls are cancelled. */
void sp_lines_close(struct sp_lines *l);
/* Not from inside the engine. */
void sp_lines_free(struct sp_lines *l);

#endif

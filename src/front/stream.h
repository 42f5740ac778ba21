/* Inside front: event streams that are held. */
#ifndef SP_FRONT_STREAM_H
#define SP_FRONT_STREAM_H

#include "front/front.h"

enum { SP_STREAM_TOOLS, SP_STREAM_PROMPTS, SP_STREAM_RESOURCES, SP_STREAM_KINDS };
enum { SP_STREAM_URIS = 256, SP_STREAM_URI_BYTES = 49152 };	/* of one listening client: what one LISTEN can carry */

struct sp_stream {
	struct sp_req q;		/* c->req points here */
	struct sp_conn *c;
	struct sp_stream *prev, *next;	/* newest first */
	bool	 wants[SP_STREAM_KINDS], dirty[SP_STREAM_KINDS];
	uint64_t due_ms[SP_STREAM_KINDS];	/* the next of this kind may go then */
	uint64_t epoch;			/* when its caller was last looked at */
	uint64_t serial;
	uint64_t waits_since_ms;
	sp_slice uris;			/* listen: JSON array, or empty */
	uint8_t	*heard;			/* one a server: it listens for us */
	size_t	 room;			/* bytes of text */
	char	*ticket;		/* its own copy of q.ticket */
	uint64_t looked_ms;		/* when its caller was last looked at */
	char	 text[];
};

/* That list has changed for this caller. */
void sp_stream_mark(struct sp_stream *s, unsigned kind);
/* May this caller read it, by the rules and catalogues of now? */
SP_MUST bool sp_stream_may_see(struct sp_front *f, const struct sp_req *q, sp_slice uri, struct sp_found *found);

#endif

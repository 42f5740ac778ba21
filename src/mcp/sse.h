/*
 * Reading an event stream (WHATWG HTML, section 9.2.6), over any borders between the pieces that come.  Lines end with
 * CR, LF or CRLF; one byte order mark at the start is passed over; comments and unknown fields are ignored; `data`
 * fields are joined by LF; `retry` counts only when it is digits alone.  An id with a control character is ignored as one
 * with NUL is: it could not be sent back in Last-Event-ID.  What goes over a limit ends the reading: an event is never
 * lost in silence.  The bytes are not checked to be UTF-8; who reads the data does that.
 */
#ifndef SP_MCP_SSE_H
#define SP_MCP_SSE_H

#include "base/out.h"

enum {
	SP_SSE_NAME = 128,		/* bytes of an event's type */
	SP_SSE_ID = 1024,		/* of its id */
	SP_SSE_FIELD = 1088,		/* a line may be so much longer than the data of an event */
};

enum sp_sse_step {
	SP_SSE_MORE,			/* all of *in is consumed */
	SP_SSE_EVENT,			/* type and data are filled; valid until the next call */
	SP_SSE_BAD			/* `why` says it, as constant text; nothing more will be read */
};

struct sp_sse {
	sp_slice type;			/* "message" when the stream named none */
	sp_slice data;			/* may be empty */
	sp_slice id;			/* the last id of the stream, for Last-Event-ID; empty: none */
	uint32_t retry_ms;		/* the last time to wait that the stream named; 0: none */
	const char *why;
	/* Private. */
	struct sp_out line, text;	/* a line that is not all there; data so far, each field with its LF */
	char	 name[SP_SSE_NAME], ids[2][SP_SSE_ID];
	size_t	 limit, name_n, id_n;
	unsigned which;			/* of ids: the one that is not `id` yet */
	bool	 begun, cr, new_id;
};

/* limit: bytes of the data of one event, at least 1. */
void sp_sse_init(struct sp_sse *s, size_t limit);
void sp_sse_free(struct sp_sse *s);
/* One step over *in, consuming what was understood.  At the end of the stream what is not a whole event is dropped. */
SP_MUST enum sp_sse_step sp_sse_read(struct sp_sse *s, sp_slice *in);

#endif

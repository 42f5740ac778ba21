/*
 * The strict face of llhttp (RFC 9112), for both sides: our answers' parser toward upstreams and our server's.
 * One head must lie contiguous in the caller's buffer; bodies are handed out piece by piece.  Whatever llhttp
 * says, this refuses every row K01-K16 of the threat list: version exactly 1.0 or 1.1, methods by table, exactly
 * one valid Host with 1.1, Transfer-Encoding exactly "chunked" and never with 1.0 or Content-Length, one
 * Content-Length of 1-19 plain digits without leading zeros, no bare LF or CR, no obs-fold, no NUL or control in
 * a value, no empty or non-token name, chunk extensions dropped within limits, trailers dropped.
 */
#ifndef SP_WIRE_HTTP1_H
#define SP_WIRE_HTTP1_H

#include "base/err.h"
#include "base/out.h"

#include <llhttp.h>

enum { SP_HTTP_FIELDS = 100 };

enum sp_method { SP_GET = 1, SP_HEAD, SP_POST, SP_PUT, SP_DELETE, SP_OPTIONS, SP_PATCH, SP_TRACE, SP_METHOD_COUNT };
sp_slice sp_method_name(enum sp_method m);
/* 0 when unknown; exact, upper case. */
enum sp_method sp_method_find(sp_slice name);

struct sp_http_field { sp_slice name, value; };	/* value trimmed of OWS */

struct sp_http_head {
	enum sp_method method;		/* requests */
	sp_slice target, host;		/* as sent; host: the one Host value */
	sp_slice path, query;		/* of an origin-form or absolute-form target; query without '?' */
	bool	 has_query;
	unsigned status;		/* responses: 200-599 (1xx are skipped, at most 8, 101 is refused) */
	unsigned minor;			/* HTTP/1.minor */
	bool	 keep_alive, chunked, has_length, expect_continue;
	uint64_t length;		/* when has_length */
	unsigned nfields;
	struct sp_http_field fields[SP_HTTP_FIELDS];
};

struct sp_http_limits {
	size_t	 head;			/* bytes of start line and fields */
	uint64_t body;			/* bytes of decoded body */
};

enum sp_http_kind { SP_HTTP_REQUEST, SP_HTTP_RESPONSE };
enum sp_http_step {
	SP_HTTP_MORE,	/* give more bytes; before the head is complete nothing has been consumed */
	SP_HTTP_HEAD,	/* h->head is filled; its slices lie in the bytes just consumed */
	SP_HTTP_BODY,	/* h->body is the next piece, in the bytes just consumed */
	SP_HTTP_END,	/* the message is over; sp_http_next() before the following one */
	SP_HTTP_BAD	/* h->bad and h->why; nothing more will be read */
};

struct sp_http1 {
	enum sp_http_kind kind;
	struct sp_http_limits lim;
	struct sp_http_head head;
	sp_slice body;
	uint64_t got;			/* decoded body bytes so far */
	enum sp_status bad;		/* errors.def row: E_BAD_REQUEST, E_HEAD_TOO_BIG, E_TOO_BIG, E_NOT_IMPLEMENTED, … */
	const char *why;		/* for the log */
	int	 state;
	bool	 no_body;		/* set by the caller before the head of an answer to HEAD */
	/* Private. */
	bool	 cr, ext;		/* in a line of chunked framing: CR came; more than the size came */
	bool	 heard, coded;		/* llhttp saw the end of this part; and takes the body for chunked */
	unsigned digits, interim;	/* of the chunk size; 1xx answers skipped */
	size_t	 scanned, extra;	/* of the head; bytes of chunk extensions and trailers */
	uint64_t left;			/* of the body, or of this chunk */
	llhttp_t ll;
};

void sp_http_init(struct sp_http1 *h, enum sp_http_kind kind, struct sp_http_limits lim);
/* Only after SP_HTTP_END; does nothing elsewhere.  Clears no_body. */
void sp_http_next(struct sp_http1 *h);
/* One step over *in, consuming what was understood. */
SP_MUST enum sp_http_step sp_http_read(struct sp_http1 *h, sp_slice *in);
/* The peer closed.  A response without length ends here (SP_HTTP_END); all else in the middle is SP_HTTP_BAD. */
SP_MUST enum sp_http_step sp_http_eof(struct sp_http1 *h);
/* First field with this name (ASCII case folded), or NULL; *count (may be NULL) gets how many there are. */
const struct sp_http_field *sp_http_find(const struct sp_http_head *h, sp_slice name, unsigned *count);
/* Standard reason phrase, "" when unknown. */
const char *sp_http_reason(unsigned status);

#endif

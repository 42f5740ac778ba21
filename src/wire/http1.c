#include "wire/http1_private.h"

/* Bytes of chunk extensions and trailers that a message may have, together; and hex digits of a chunk size. */
enum { EXTRA_MAX = 4096, DIGITS_MAX = 16 };

enum sp_http_step
sp_http1_bad(struct sp_http1 *h, enum sp_status st, const char *why)
{
	/* What an upstream did wrong is no fault of our caller's request. */
	if (h->kind == SP_HTTP_RESPONSE && st != SP_E_TOO_BIG)
		st = SP_E_UPSTREAM;
	h->bad = st;
	h->why = why;
	h->state = SP_HTTP_IS_BAD;
	return SP_HTTP_BAD;
}

static struct sp_http1 *
self(llhttp_t *ll)
{
	return ll->data;
}

static int
on_field(llhttp_t *ll, const char *at, size_t n)
{
	struct sp_http_head *d = &self(ll)->head;

	if (self(ll)->state != SP_HTTP_IN_HEAD)
		return 0;	/* a trailer: dropped */
	if (d->nfields == SP_HTTP_FIELDS)
		return HPE_USER;
	d->fields[d->nfields++] = (struct sp_http_field){ { at, n }, { NULL, 0 } };
	return 0;
}

static int
on_value(llhttp_t *ll, const char *at, size_t n)
{
	struct sp_http_head *d = &self(ll)->head;

	if (self(ll)->state != SP_HTTP_IN_HEAD)
		return 0;
	/* One span a value, as the head is one piece; a second would be a continuation line. */
	if (d->nfields == 0 || d->fields[d->nfields - 1].value.p != NULL)
		return -1;
	d->fields[d->nfields - 1].value = sp_trim((sp_slice){ at, n });
	return 0;
}

static int
on_url(llhttp_t *ll, const char *at, size_t n)
{
	self(ll)->head.target = (sp_slice){ at, n };
	return 0;
}

static int
on_head(llhttp_t *ll)
{
	struct sp_http1 *h = self(ll);

	h->heard = true;
	h->coded = (ll->flags & F_CHUNKED) != 0;
	ll->upgrade = 0;	/* we never switch protocols */
	/* Only chunked bodies are llhttp's to decode; lengths are counted here. */
	return h->coded && !h->no_body ? 0 : 1;
}

static int
on_body(llhttp_t *ll, const char *at, size_t n)
{
	self(ll)->body = (sp_slice){ at, n };
	return 0;
}

static int
on_chunk(llhttp_t *ll)
{
	self(ll)->heard = true;
	self(ll)->left = ll->content_length;
	return 0;
}

static int
on_end(llhttp_t *ll)
{
	if (self(ll)->state == SP_HTTP_IN_TRAILER)
		self(ll)->heard = true;
	return 0;
}

const llhttp_settings_t sp_http1_settings = {
	.on_url = on_url, .on_header_field = on_field, .on_header_value = on_value, .on_headers_complete = on_head,
	.on_body = on_body, .on_chunk_header = on_chunk, .on_message_complete = on_end,
};

static void
reset(struct sp_http1 *h)
{
	h->body = (sp_slice){ NULL, 0 };
	h->got = h->left = 0;
	h->bad = SP_OK;
	h->why = NULL;
	h->state = SP_HTTP_IN_HEAD;
	h->no_body = h->cr = h->ext = h->heard = h->coded = false;
	h->digits = h->interim = 0;
	h->scanned = h->extra = 0;
}

void
sp_http_init(struct sp_http1 *h, enum sp_http_kind kind, struct sp_http_limits lim)
{
	h->kind = kind;
	h->lim = lim;
	sp_http1_head_clear(&h->head);
	reset(h);
}

void
sp_http_next(struct sp_http1 *h)
{
	/* What follows a bad message, or the rest of this one, is never taken for a message. */
	if (h->state == SP_HTTP_AT_END)
		reset(h);
}

static enum sp_http_step
body_step(struct sp_http1 *h, sp_slice piece)
{
	h->body = piece;
	h->got += piece.n;
	return SP_HTTP_BODY;
}

static enum sp_http_step
read_length(struct sp_http1 *h, sp_slice *in)
{
	sp_slice piece;
	bool got = sp_take_n(in, h->left < in->n ? (size_t)h->left : in->n, &piece);

	h->left -= piece.n;
	if (h->left == 0)
		h->state = SP_HTTP_AT_END;
	return got ? body_step(h, piece) : SP_HTTP_MORE;
}

static enum sp_http_step
read_to_eof(struct sp_http1 *h, sp_slice *in)
{
	uint64_t room = h->lim.body - h->got;
	sp_slice piece = { in->p, in->n < room ? in->n : (size_t)room };

	if (room == 0)
		return sp_http1_bad(h, SP_E_TOO_BIG, "body over the limit");
	sp_advance(in, piece.n);
	return body_step(h, piece);
}

/* --- chunked framing: llhttp decodes; what it would let pass is stopped before it sees it --- */

/* NULL: this byte may stand here in a line of chunked framing. */
static const char *
judge_byte(struct sp_http1 *h, unsigned char c)
{
	if (c == '\r') {
		h->cr = true;
		return h->state == SP_HTTP_IN_SIZE_LINE && h->digits == 0 ? "chunk without size" : NULL;
	}
	if (h->state == SP_HTTP_IN_CHUNK_END)
		return "no CRLF after chunk";
	if (sp_is_ctl(c) && c != '\t')
		return "control character in chunk framing";
	if (h->state == SP_HTTP_IN_SIZE_LINE && !h->ext && sp_is_hex(c))
		return ++h->digits > DIGITS_MAX ? "chunk size too long" : NULL;
	if (h->state == SP_HTTP_IN_SIZE_LINE && !h->ext && (c != ';' || h->digits == 0))
		return "bad chunk size";
	if (h->state == SP_HTTP_IN_TRAILER && !h->ext && !sp_is_tchar(c))
		return "bad trailer";
	h->ext = true;
	return ++h->extra > EXTRA_MAX ? "chunk extensions or trailers over the limit" : NULL;
}

/* Bytes of *in up to the end of this line, or all; *eol: the line ends there. */
static const char *
judge_line(struct sp_http1 *h, sp_slice in, size_t *n, bool *eol)
{
	const char *why = NULL;
	size_t i = 0;

	*eol = false;
	while (i < in.n && why == NULL && !*eol) {
		unsigned char c = (unsigned char)in.p[i++];

		if (!h->cr)
			why = judge_byte(h, c);
		else if (c == '\n')
			*eol = true;
		else
			why = "CR without LF";
	}
	*n = i;
	return why;
}

/* After a whole line: what comes next. */
static enum sp_http_step
line_done(struct sp_http1 *h, bool blank)
{
	h->cr = h->ext = false;
	h->digits = 0;
	if (h->state == SP_HTTP_IN_CHUNK_END) {
		h->state = SP_HTTP_IN_SIZE_LINE;
		return SP_HTTP_MORE;
	}
	if (h->state == SP_HTTP_IN_TRAILER) {
		if (h->heard != blank)
			return sp_http1_bad(h, SP_E_BAD_REQUEST, "bad trailers");
		if (blank)
			h->state = SP_HTTP_AT_END;
		return SP_HTTP_MORE;
	}
	if (!h->heard)
		return sp_http1_bad(h, SP_E_BAD_REQUEST, "bad chunk size");
	h->heard = false;
	if (h->left > h->lim.body - h->got)
		return sp_http1_bad(h, SP_E_TOO_BIG, "body over the limit");
	h->state = h->left == 0 ? SP_HTTP_IN_TRAILER : SP_HTTP_IN_CHUNK;
	return SP_HTTP_MORE;
}

static enum sp_http_step
read_line(struct sp_http1 *h, sp_slice *in)
{
	size_t n;
	bool eol, blank;
	const char *why = judge_line(h, *in, &n, &eol);

	if (why != NULL || llhttp_execute(&h->ll, in->p, n) != HPE_OK)
		return sp_http1_bad(h, SP_E_BAD_REQUEST, why != NULL ? why : "bad chunked framing");
	sp_advance(in, n);
	blank = !h->ext;
	return eol ? line_done(h, blank) : SP_HTTP_MORE;
}

static enum sp_http_step
read_chunk(struct sp_http1 *h, sp_slice *in)
{
	sp_slice piece;
	uint64_t left = h->left;

	if (!sp_take_n(in, left < in->n ? (size_t)left : in->n, &piece))
		return SP_HTTP_MORE;
	h->body = (sp_slice){ NULL, 0 };
	if (llhttp_execute(&h->ll, piece.p, piece.n) != HPE_OK || h->body.p != piece.p || h->body.n != piece.n)
		return sp_http1_bad(h, SP_E_BAD_REQUEST, "bad chunked framing");
	h->left = left - piece.n;
	if (h->left == 0)
		h->state = SP_HTTP_IN_CHUNK_END;
	return body_step(h, piece);
}

enum sp_http_step
sp_http_read(struct sp_http1 *h, sp_slice *in)
{
	for (;;) {
		enum sp_http_step step = SP_HTTP_MORE;

		if (h->state == SP_HTTP_AT_END)
			return SP_HTTP_END;
		if (h->state == SP_HTTP_IS_BAD)
			return SP_HTTP_BAD;
		if (in->n == 0)
			return SP_HTTP_MORE;
		switch ((enum sp_http_state)h->state) {
		case SP_HTTP_IN_HEAD:
			return sp_http1_head(h, in);
		case SP_HTTP_IN_LENGTH:
			return read_length(h, in);
		case SP_HTTP_TO_EOF:
			return read_to_eof(h, in);
		case SP_HTTP_IN_CHUNK:
			return read_chunk(h, in);
		case SP_HTTP_IN_SIZE_LINE:
		case SP_HTTP_IN_CHUNK_END:
		case SP_HTTP_IN_TRAILER:
			step = read_line(h, in);	/* consumes a line, or all of *in */
			break;
		case SP_HTTP_AT_END:
		case SP_HTTP_IS_BAD:
			break;
		}
		if (step != SP_HTTP_MORE)
			return step;
	}
}

enum sp_http_step
sp_http_eof(struct sp_http1 *h)
{
	if (h->state == SP_HTTP_TO_EOF)
		h->state = SP_HTTP_AT_END;
	if (h->state == SP_HTTP_AT_END)
		return SP_HTTP_END;
	if (h->state == SP_HTTP_IS_BAD)
		return SP_HTTP_BAD;
	return sp_http1_bad(h, SP_E_BAD_REQUEST, "closed in the middle of a message");
}

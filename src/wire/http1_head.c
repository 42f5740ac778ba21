#include "wire/http1_private.h"

#include "wire/uri.h"

enum { INTERIM_MAX = 8 };

/* --- where a head ends (and that nothing but CRLF pairs controls it) --- */

typedef unsigned char block __attribute__((vector_size(16)));

static bool
is_control(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7f;
}

/* Index of the next byte under 0x20 or equal to 0x7f, from i on; n when there is none. */
static size_t
next_control(const char *p, size_t i, size_t n)
{
	for (; n - i >= sizeof(block); i += sizeof(block)) {
		uint64_t w[2];
		block b;

		memcpy(&b, p + i, sizeof b);
		b = (block)((b < 0x20) | (b == 0x7f));
		memcpy(w, &b, sizeof w);
		if ((w[0] | w[1]) == 0)
			continue;
		/* All ones where a control stands: the lowest says which is the first. */
		if (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)
			return i + (size_t)(w[0] != 0 ? __builtin_ctzll(w[0]) : 64 + __builtin_ctzll(w[1])) / 8;
		break;
	}
	while (i < n && !is_control(p[i]))
		i++;
	return i;
}

/*
 * The length of the head in *n, or 0 when it is not all there yet; NULL, or why this is no head.  Every line ends in
 * CRLF; no line begins with white space (no obs-fold) or ':'; the only other control is the tab.
 */
static const char *
scan(struct sp_http1 *h, sp_slice in, size_t *n)
{
	size_t i = h->scanned, max = in.n < h->lim.head ? in.n : h->lim.head;

	*n = 0;
	if (!sp_is_alpha((unsigned char)in.p[0]))
		return "bad first byte";
	for (;;) {
		const char *p;

		i = next_control(in.p, i, max);
		h->scanned = i;
		p = in.p + i;
		if (i == max)
			return NULL;
		if (*p == '\t') {
			i++;
			continue;
		}
		if (*p != '\r')
			return "control character in the head";
		if (max - i > 1 && p[1] != '\n')
			return "CR without LF";
		if (max - i > 2 && p[2] != '\r' && (is_control(p[2]) || p[2] == ' ' || p[2] == ':'))
			return "line begins with white space or a colon";
		if (max - i > 3 && p[2] == '\r' && p[3] == '\n') {
			*n = i + 4;
			return NULL;
		}
		if (max - i < 4)
			return NULL;	/* looked at again when there is more */
		i += 2;
	}
}

/* --- start line --- */

static const struct { sp_slice name; uint8_t ll; } methods[SP_METHOD_COUNT] = {
	[SP_GET] = { SP_LIT_INIT("GET"), HTTP_GET }, [SP_HEAD] = { SP_LIT_INIT("HEAD"), HTTP_HEAD },
	[SP_POST] = { SP_LIT_INIT("POST"), HTTP_POST }, [SP_PUT] = { SP_LIT_INIT("PUT"), HTTP_PUT },
	[SP_DELETE] = { SP_LIT_INIT("DELETE"), HTTP_DELETE }, [SP_OPTIONS] = { SP_LIT_INIT("OPTIONS"), HTTP_OPTIONS },
	[SP_PATCH] = { SP_LIT_INIT("PATCH"), HTTP_PATCH }, [SP_TRACE] = { SP_LIT_INIT("TRACE"), HTTP_TRACE },
};

sp_slice
sp_method_name(enum sp_method m)
{
	return (unsigned)m < SP_METHOD_COUNT ? methods[m].name : (sp_slice){ NULL, 0 };
}

enum sp_method
sp_method_find(sp_slice name)
{
	for (unsigned m = SP_GET; m < SP_METHOD_COUNT; m++)
		if (sp_eq(methods[m].name, name))
			return (enum sp_method)m;
	return 0;
}

/* The method as the bytes have it, before llhttp's opinion. */
static enum sp_http_step
read_method(struct sp_http1 *h, sp_slice head)
{
	sp_slice word;

	if (!sp_take_to(&head, ' ', &word))
		return sp_http1_bad(h, SP_E_BAD_REQUEST, "bad request line");
	h->head.method = sp_method_find(word);
	if (h->head.method != 0)
		return SP_HTTP_MORE;
	for (size_t i = 0; i < word.n; i++)
		if (word.p[i] < 'A' || word.p[i] > 'Z' || word.n > 32)
			return sp_http1_bad(h, SP_E_BAD_REQUEST, "bad method");
	return sp_http1_bad(h, SP_E_NOT_IMPLEMENTED, "unknown method");
}

/* " HTTP/1.x" and nothing else up to the end of the line: llhttp also lets other protocols pass. */
static bool
version_ok(const struct sp_http_head *d, sp_slice rest)
{
	return sp_take(&rest, SP_LIT("HTTP/1.")) && rest.n != 0 && rest.p[0] == '0' + (int)d->minor;
}

/* Both readers must agree on what the one start line says, to the byte. */
static bool
request_line_ok(const struct sp_http_head *d, sp_slice head)
{
	size_t n = sp_method_name(d->method).n + 1;	/* read_method() has looked at these */

	sp_advance(&head, n);
	if (head.p != d->target.p || d->target.n >= head.n)
		return false;
	sp_advance(&head, d->target.n);
	return sp_take(&head, SP_LIT(" ")) && version_ok(d, head) && sp_starts(sp_sub(head, 8, 2), SP_LIT("\r\n"));
}

static bool
status_line_ok(const struct sp_http_head *d, sp_slice head)
{
	uint64_t status;

	if (!version_ok(d, head) || head.n < 13 || head.p[8] != ' ')
		return false;
	sp_advance(&head, 9);
	return sp_take_u64(&head, 599, &status) && status == d->status && (head.p[0] == ' ' || head.p[0] == '\r');
}

/* RFC 9112 section 3.2: origin-form, or absolute-form naming the same host. */
static const char *
read_target(struct sp_http_head *d)
{
	sp_slice in = d->target;

	if (in.n != 0 && in.p[0] != '/') {
		sp_slice authority;
		size_t n = 0;

		if (!sp_take_nocase(&in, SP_LIT("http://")) && !sp_take_nocase(&in, SP_LIT("https://")))
			return "neither a path nor an http URI";
		while (n < in.n && in.p[n] != '/')
			n++;
		if (!sp_take_n(&in, n, &authority) || !sp_eq_nocase(authority, d->host))
			return "the target names another host";
	}
	if (in.n == 0)
		return "target without path";
	d->has_query = sp_take_to(&in, '?', &d->path);
	if (d->has_query)
		d->query = in;
	else
		d->path = in;
	return sp_uri_chars(d->path, false) && sp_uri_chars(d->query, true) ? NULL : "bad character in the target";
}

/* --- fields that decide about framing and routing --- */

struct seen { unsigned host, length, coding, expect; bool close, keep, chunked; };

static const char *
judge_length(struct sp_http_head *d, sp_slice v)
{
	if (v.n > 19 || !sp_take_u64(&v, UINT64_MAX, &d->length) || v.n != 0)
		return "bad Content-Length";
	d->has_length = true;
	return NULL;
}

static void
judge_connection(struct seen *s, sp_slice v)
{
	sp_slice word;

	while (sp_take_part(&v, ',', &word)) {
		word = sp_trim(word);
		s->close = s->close || sp_eq_nocase(word, SP_LIT("close"));
		s->keep = s->keep || sp_eq_nocase(word, SP_LIT("keep-alive"));
	}
}

static const char *
judge_host(struct sp_http_head *d, sp_slice v)
{
	enum sp_host_kind kind;
	sp_slice host;
	uint16_t port;

	d->host = v;
	return sp_hostport_read(v, &host, &kind, &port, NULL) == SP_OK ? NULL : "bad Host";
}

/* By length of the name first: most fields are none of these. */
static const char *
judge_field(struct sp_http_head *d, struct seen *s, const struct sp_http_field *f)
{
	switch (f->name.n) {
	case 0:
		return "field without name";
	case 4:
		if (!sp_eq_nocase(f->name, SP_LIT("host")))
			return NULL;
		return s->host++ != 0 ? "two Host fields" : judge_host(d, f->value);
	case 6:
		if (!sp_eq_nocase(f->name, SP_LIT("expect")))
			return NULL;
		s->expect++;
		d->expect_continue = sp_eq_nocase(f->value, SP_LIT("100-continue"));
		return NULL;
	case 10:
		if (sp_eq_nocase(f->name, SP_LIT("connection")))
			judge_connection(s, f->value);
		return NULL;
	case 14:
		if (!sp_eq_nocase(f->name, SP_LIT("content-length")))
			return NULL;
		return s->length++ != 0 ? "two Content-Length fields" : judge_length(d, f->value);
	case 17:
		if (!sp_eq_nocase(f->name, SP_LIT("transfer-encoding")))
			return NULL;
		s->chunked = sp_eq_nocase(f->value, SP_LIT("chunked"));
		return s->coding++ != 0 || !s->chunked ? "Transfer-Encoding is not `chunked`" : NULL;
	}
	return NULL;
}

static const char *
judge_fields(struct sp_http1 *h, struct seen *s)
{
	struct sp_http_head *d = &h->head;

	for (unsigned i = 0; i < d->nfields; i++) {
		const char *why = judge_field(d, s, &d->fields[i]);

		if (why != NULL)
			return why;
	}
	if (s->coding != 0 && s->length != 0)
		return "Transfer-Encoding beside Content-Length";
	if (s->coding != 0 && d->minor == 0)
		return "Transfer-Encoding in HTTP/1.0";
	/* Both readers of this head must see the same framing. */
	if (h->coded != s->chunked)
		return "unclear Transfer-Encoding";
	d->chunked = s->chunked;
	d->keep_alive = !s->close && (d->minor == 1 || s->keep);
	return NULL;
}

static enum sp_http_step
begin_body(struct sp_http1 *h)
{
	const struct sp_http_head *d = &h->head;

	if (h->no_body || (!d->chunked && h->kind == SP_HTTP_REQUEST && d->length == 0) ||
	    (d->has_length && d->length == 0)) {
		h->state = SP_HTTP_AT_END;
		return SP_HTTP_HEAD;
	}
	if (d->has_length && d->length > h->lim.body)
		return sp_http1_bad(h, SP_E_TOO_BIG, "Content-Length over the limit");
	h->left = d->length;
	h->heard = false;
	h->state = d->chunked ? SP_HTTP_IN_SIZE_LINE : d->has_length ? SP_HTTP_IN_LENGTH : SP_HTTP_TO_EOF;
	return SP_HTTP_HEAD;
}

static enum sp_http_step
judge_request(struct sp_http1 *h, sp_slice head)
{
	struct sp_http_head *d = &h->head;
	struct seen s = { 0 };
	const char *why = judge_fields(h, &s);

	if (h->ll.method != methods[d->method].ll || !request_line_ok(d, head))
		why = "bad request line";
	if (why == NULL && s.host == 0 && d->minor == 1)
		why = "no Host";
	if (why == NULL)
		why = read_target(d);
	if (why == NULL && d->method == SP_TRACE && (d->chunked || d->has_length))
		why = "TRACE with a body";
	if (why != NULL)
		return sp_http1_bad(h, SP_E_BAD_REQUEST, why);
	if (d->minor == 0)	/* RFC 9110 section 10.1.1: a 1.0 client cannot mean it */
		d->expect_continue = false;
	else if (s.expect > 1 || (s.expect == 1 && !d->expect_continue))
		return sp_http1_bad(h, SP_E_EXPECT, "unknown expectation");
	return begin_body(h);
}

/* *skip: an interim answer, to be passed over. */
static enum sp_http_step
judge_response(struct sp_http1 *h, sp_slice head, bool *skip)
{
	struct sp_http_head *d = &h->head;
	struct seen s = { 0 };
	const char *why = judge_fields(h, &s);
	bool framed = d->chunked || d->length != 0;

	d->status = h->ll.status_code;
	*skip = d->status >= 100 && d->status < 200;
	if (why == NULL && (d->status < 100 || d->status == 101 || !status_line_ok(d, head)))
		why = "bad status";
	if (why == NULL && *skip && (framed || ++h->interim > INTERIM_MAX))
		why = "bad interim answer";
	if (why != NULL)
		return sp_http1_bad(h, SP_E_UPSTREAM, why);
	/* RFC 9112 section 6.3: these end with their head, whatever their fields say. */
	if (d->status == 204 || d->status == 304) {
		d->keep_alive = d->keep_alive && (d->status == 304 || !framed);
		h->no_body = true;
	}
	if (!h->no_body && !d->chunked && !d->has_length)
		d->keep_alive = false;
	return *skip ? SP_HTTP_MORE : begin_body(h);
}

void
sp_http1_head_clear(struct sp_http_head *d)
{
	/* The fields are counted: no need to touch 3 kB of them. */
	memset(d, 0, offsetof(struct sp_http_head, fields));
}

static enum sp_http_step
run_llhttp(struct sp_http1 *h, sp_slice head)
{
	llhttp_errno_t rc;

	llhttp_init(&h->ll, h->kind == SP_HTTP_REQUEST ? HTTP_REQUEST : HTTP_RESPONSE, &sp_http1_settings);
	h->ll.data = h;
	h->heard = false;
	rc = llhttp_execute(&h->ll, head.p, head.n);
	h->head.minor = h->ll.http_minor;
	if (rc == HPE_USER)
		return sp_http1_bad(h, SP_E_HEAD_TOO_BIG, "too many fields");
	if (rc == HPE_INVALID_VERSION || (rc == HPE_OK && (h->ll.http_major != 1 || h->ll.http_minor > 1)))
		return sp_http1_bad(h, SP_E_HTTP_VERSION, "neither HTTP/1.1 nor HTTP/1.0");
	if (rc != HPE_OK || !h->heard)
		return sp_http1_bad(h, SP_E_BAD_REQUEST, rc == HPE_OK ? "unclear head" : llhttp_get_error_reason(&h->ll));
	return SP_HTTP_MORE;
}

enum sp_http_step
sp_http1_head(struct sp_http1 *h, sp_slice *in)
{
	while (in->n != 0) {
		enum sp_http_step step = SP_HTTP_MORE;
		sp_slice head;
		size_t n;
		bool skip = false;
		const char *why = scan(h, *in, &n);

		if (why != NULL)
			return sp_http1_bad(h, SP_E_BAD_REQUEST, why);
		if (n == 0 && in->n >= h->lim.head)
			return sp_http1_bad(h, SP_E_HEAD_TOO_BIG, "head over the limit");
		if (n == 0)
			return SP_HTTP_MORE;
		sp_http1_head_clear(&h->head);
		head = (sp_slice){ in->p, n };
		if (h->kind == SP_HTTP_REQUEST)
			step = read_method(h, head);
		if (step == SP_HTTP_MORE)
			step = run_llhttp(h, head);
		if (step != SP_HTTP_MORE)
			return step;
		step = h->kind == SP_HTTP_REQUEST ? judge_request(h, head) : judge_response(h, head, &skip);
		if (step == SP_HTTP_BAD)
			return step;
		sp_advance(in, n);
		h->scanned = 0;
		if (!skip)
			return step;
	}
	return SP_HTTP_MORE;
}

const struct sp_http_field *
sp_http_find(const struct sp_http_head *d, sp_slice name, unsigned *count)
{
	const struct sp_http_field *first = NULL;
	unsigned n = 0;

	for (unsigned i = 0; i < d->nfields; i++) {
		if (!sp_eq_nocase(d->fields[i].name, name))
			continue;
		n++;
		if (first == NULL)
			first = &d->fields[i];
		if (count == NULL)
			break;
	}
	if (count != NULL)
		*count = n;
	return first;
}

const char *
sp_http_reason(unsigned status)
{
	static const struct { uint16_t status; const char *text; } reasons[] = {
		{ 100, "Continue" }, { 200, "OK" }, { 201, "Created" }, { 202, "Accepted" }, { 204, "No Content" },
		{ 206, "Partial Content" }, { 301, "Moved Permanently" }, { 302, "Found" }, { 303, "See Other" },
		{ 304, "Not Modified" }, { 307, "Temporary Redirect" }, { 308, "Permanent Redirect" },
		{ 400, "Bad Request" }, { 401, "Unauthorized" }, { 402, "Payment Required" }, { 403, "Forbidden" },
		{ 404, "Not Found" }, { 405, "Method Not Allowed" }, { 406, "Not Acceptable" },
		{ 407, "Proxy Authentication Required" }, { 408, "Request Timeout" }, { 409, "Conflict" }, { 410, "Gone" },
		{ 411, "Length Required" }, { 412, "Precondition Failed" }, { 413, "Content Too Large" },
		{ 414, "URI Too Long" }, { 415, "Unsupported Media Type" }, { 416, "Range Not Satisfiable" },
		{ 417, "Expectation Failed" }, { 421, "Misdirected Request" }, { 422, "Unprocessable Content" },
		{ 425, "Too Early" }, { 426, "Upgrade Required" }, { 428, "Precondition Required" },
		{ 429, "Too Many Requests" }, { 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" }, { 501, "Not Implemented" }, { 502, "Bad Gateway" },
		{ 503, "Service Unavailable" }, { 504, "Gateway Timeout" }, { 505, "HTTP Version Not Supported" },
	};

	for (size_t i = 0; i < SP_COUNT(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].text;
	return "";
}

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "wire/http1.h"

#define REQ SP_HTTP_REQUEST
#define RES SP_HTTP_RESPONSE
#define H11 "Host: a.example\r\n"
#define POST "POST /mcp HTTP/1.1\r\n" H11
#define TE "Transfer-Encoding: chunked\r\n"
#define BAD "!E_BAD_REQUEST"
#define UP "!E_UPSTREAM"

static const struct sp_http_limits small = { 2048, 64 };

/* --- one text that says what was read: "POST(body) GET() !E_BAD_REQUEST" --- */

static void
note(struct sp_out *o, const char *sep, const char *s)
{
	sp_out_str(o, o->n == 0 ? "" : sep);
	sp_out_str(o, s);
}

static bool
step(struct sp_http1 *h, sp_slice *in, struct sp_out *o, bool head_request)
{
	switch (sp_http_read(h, in)) {
	case SP_HTTP_MORE:
		return false;
	case SP_HTTP_HEAD:
		note(o, " ", "");
		if (h->kind == REQ)
			sp_out_slice(o, sp_method_name(h->head.method));
		else
			sp_out_u64(o, h->head.status);
		sp_out_byte(o, '(');
		return true;
	case SP_HTTP_BODY:
		assert_true(h->body.n != 0);
		sp_out_slice(o, h->body);
		return true;
	case SP_HTTP_END:
		sp_out_byte(o, ')');
		if (!h->head.keep_alive)
			sp_out_byte(o, 'c');
		sp_http_next(h);
		h->no_body = head_request;
		return true;
	case SP_HTTP_BAD:
		note(o, " ", "!");
		sp_out_str(o, sp_errinfo(h->bad)->name);
		assert_non_null(h->why);
		return false;
	}
	return false;
}

/* Gives the bytes in two or more arrivals of at most `piece` bytes, the first of `first`. */
static void
run(enum sp_http_kind kind, sp_slice text, size_t first, size_t piece, bool head_request, struct sp_out *o)
{
	struct sp_http1 h;
	size_t have = first < text.n ? first : text.n, used = 0;

	sp_http_init(&h, kind, small);
	h.no_body = head_request;
	for (;;) {
		/* An allocation of its own, so that a read too far is seen. */
		char *mem = malloc(have - used + 1);
		sp_slice in = { mem, have - used };

		memcpy(mem, text.p + used, in.n);
		while (step(&h, &in, o, head_request))
			;
		used = have - in.n;
		free(mem);
		if (h.bad != SP_OK || have == text.n)
			break;
		have = text.n - have < piece ? text.n : have + piece;
	}
	if (h.bad == SP_OK && h.head.nfields != 0 && sp_http_eof(&h) == SP_HTTP_END)
		sp_out_str(o, ")eof");
}

struct row { const char *name; enum sp_http_kind kind; sp_slice text; const char *want; bool head_request; };
#define Q(name, text, want) { name, REQ, SP_LIT_INIT(text), want, false }
#define A(name, text, want) { name, RES, SP_LIT_INIT(text), want, false }

static void
check_rows(const struct row *rows, size_t n)
{
	unsigned wrong = 0;

	for (size_t i = 0; i < n; i++) {
		const struct row *r = &rows[i];

		for (size_t first = r->text.n; first != SIZE_MAX; first--) {
			char got[512];
			struct sp_out o;

			sp_out_init(&o, got, sizeof got - 1);
			run(r->kind, r->text, first, first == 0 ? 1 : SIZE_MAX, r->head_request, &o);
			got[o.n] = '\0';
			if (strcmp(got, r->want) != 0) {
				print_error("%s, cut at %zu: got `%s`, want `%s`\n", r->name, first, got, r->want);
				wrong++;
				break;
			}
		}
	}
	assert_int_equal(wrong, 0);
}

static void
test_accepted(void **state)
{
	static const struct row rows[] = {
		Q("plain GET", "GET / HTTP/1.1\r\n" H11 "\r\n", "GET()"),
		Q("body by length", POST "Content-Length: 5\r\n\r\nhello", "POST(hello)"),
		Q("length 0", POST "Content-Length: 0\r\n\r\n", "POST()"),
		Q("chunked", POST TE "\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n", "POST(hello!)"),
		Q("chunked in any case", POST "transfer-encoding: Chunked\r\n\r\n1\r\n!\r\n0\r\n\r\n", "POST(!)"),
		Q("K06 plain extension is dropped", POST TE "\r\n1;a=b\r\n!\r\n0\r\n\r\n", "POST(!)"),
		Q("K06 sixteen digits", POST TE "\r\n0000000000000001\r\n!\r\n0\r\n\r\n", "POST(!)"),
		Q("K08 trailers are dropped", POST TE "\r\n1\r\n!\r\n0\r\nAuthorization: Bearer x\r\nHost: evil\r\n\r\n",
		    "POST(!)"),
		Q("K16 body of GET and DELETE", "GET / HTTP/1.1\r\n" H11 "Content-Length: 3\r\n\r\nabcDELETE / HTTP/1.1\r\n" H11
		    "Content-Length: 1\r\n\r\nx", "GET(abc) DELETE(x)"),
		Q("K14 pipelined good", "GET / HTTP/1.1\r\n" H11 "\r\nPUT / HTTP/1.1\r\n" H11 "Content-Length: 2\r\n\r\nok",
		    "GET() PUT(ok)"),
		Q("1.0 closes", "GET / HTTP/1.0\r\n\r\n", "GET()c"),
		Q("1.0 kept", "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "GET()"),
		Q("close wins", "GET / HTTP/1.1\r\n" H11 "Connection: keep-alive, CLOSE\r\n\r\n", "GET()c"),
		Q("h2c offer is not taken", "POST / HTTP/1.1\r\n" H11 "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
		    "HTTP2-Settings: AAMA\r\nContent-Length: 2\r\n\r\nhi", "POST(hi)"),
		Q("h2c offer, chunked", "POST / HTTP/1.1\r\n" H11 "Connection: Upgrade\r\nUpgrade: h2c\r\n" TE
		    "\r\n2\r\nhi\r\n0\r\n\r\nGET / HTTP/1.1\r\n" H11 "\r\n", "POST(hi) GET()"),
		Q("K11 absolute-form of the same host", "GET http://A.example/x HTTP/1.1\r\n" H11 "\r\n", "GET()"),
		Q("empty value, tabs and obs-text in a value", "GET / HTTP/1.1\r\n" H11 "X:\r\nY: \t a\tb\xe9 \t\r\n\r\n", "GET()"),
		Q("host with port and IPv6", "GET / HTTP/1.1\r\nHost: [::1]:8420\r\n\r\n", "GET()"),
		Q("K15 expectation", POST "Expect: 100-Continue\r\nContent-Length: 2\r\n\r\nok", "POST(ok)"),
		Q("incomplete head", "GET / HTTP/1.1\r\n" H11 "\r", ""),
		Q("incomplete body", POST "Content-Length: 9\r\n\r\nabc", "POST(abc"),
	};

	(void)state;
	check_rows(rows, SP_COUNT(rows));
}

static void
test_framing(void **state)
{
	static const struct row rows[] = {
		Q("K01 CL + TE", POST "Content-Length: 6\r\n" TE "\r\n0\r\n\r\nG", BAD),
		Q("K01 TE + CL", POST TE "Content-Length: 6\r\n\r\n0\r\n\r\nG", BAD),
		Q("K02 two lengths", POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", BAD),
		Q("K02 equal lengths", POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", BAD),
		Q("K02 list of lengths", POST "Content-Length: 5, 5\r\n\r\n", BAD),
		Q("K03 +5", POST "Content-Length: +5\r\n\r\nhello", BAD),
		Q("K03 -1", POST "Content-Length: -1\r\n\r\nhello", BAD),
		Q("K03 0x5", POST "Content-Length: 0x5\r\n\r\nhello", BAD),
		Q("K03 5_0", POST "Content-Length: 5_0\r\n\r\nhello", BAD),
		Q("K03 05", POST "Content-Length: 05\r\n\r\nhello", BAD),
		Q("K03 5a", POST "Content-Length: 5a\r\n\r\nhello", BAD),
		Q("K03 5 6", POST "Content-Length: 5 6\r\n\r\nhello", BAD),
		Q("K03 empty", POST "Content-Length:\r\n\r\nhello", BAD),
		Q("K03 2^64", POST "Content-Length: 18446744073709551616\r\n\r\n", BAD),
		Q("K03 twenty digits", POST "Content-Length: 10000000000000000000\r\n\r\n", BAD),
		Q("K03 over the limit", POST "Content-Length: 65\r\n\r\n", "!E_TOO_BIG"),
		Q("K04 chunked, chunked", POST "Transfer-Encoding: chunked, chunked\r\n\r\n", BAD),
		Q("K04 ,chunked", POST "Transfer-Encoding: ,chunked\r\n\r\n", BAD),
		Q("K04 chunked,", POST "Transfer-Encoding: chunked,\r\n\r\n", BAD),
		Q("K04 identity", POST "Transfer-Encoding: identity\r\n\r\n", BAD),
		Q("K04 gzip, chunked", POST "Transfer-Encoding: gzip, chunked\r\n\r\n", BAD),
		Q("K04 xchunked", POST "Transfer-Encoding: xchunked\r\n\r\n", BAD),
		Q("K04 chunked;q=1", POST "Transfer-Encoding: chunked;q=1\r\n\r\n", BAD),
		Q("K04 empty", POST "Transfer-Encoding:\r\n\r\n", BAD),
		Q("K04 two fields", POST TE TE "\r\n", BAD),
		Q("K04 space before colon", POST "Transfer-Encoding : chunked\r\n\r\n", BAD),
		Q("K04 VT", POST "Transfer-Encoding: chunked\x0b\r\n\r\n", BAD),
		Q("K05 TE in 1.0", "POST / HTTP/1.0\r\nHost: a\r\n" TE "\r\n0\r\n\r\n", BAD),
		Q("K06 0x5", POST TE "\r\n0x5\r\nhello\r\n0\r\n\r\n", "POST( " BAD),
		Q("K06 +5", POST TE "\r\n+5\r\nhello\r\n0\r\n\r\n", "POST( " BAD),
		Q("K06 -5", POST TE "\r\n-5\r\nhello\r\n0\r\n\r\n", "POST( " BAD),
		Q("K06 5_", POST TE "\r\n5_\r\nhello\r\n0\r\n\r\n", "POST( " BAD),
		Q("K06 empty", POST TE "\r\n\r\nhello\r\n0\r\n\r\n", "POST( " BAD),
		Q("K06 only an extension", POST TE "\r\n;a\r\nhello\r\n0\r\n\r\n", "POST( " BAD),
		Q("K06 17 digits", POST TE "\r\n00000000000000005\r\nhello\r\n0\r\n\r\n", "POST( " BAD),
		Q("K06 size over 2^63", POST TE "\r\nffffffffffffffff\r\nhello\r\n0\r\n\r\n", "POST( !E_TOO_BIG"),
		Q("K06 leading space", POST TE "\r\n 5\r\nhello\r\n0\r\n\r\n", "POST( " BAD),
		Q("K06 space after size", POST TE "\r\n5 \r\nhello\r\n0\r\n\r\n", "POST( " BAD),
		Q("K06 tab after size", POST TE "\r\n5\t;a\r\nhello\r\n0\r\n\r\n", "POST( " BAD),
		Q("K06 CR in extension", POST TE "\r\n5;a\rb\r\nhello\r\n0\r\n\r\n", "POST( " BAD),
		Q("K06 LF in extension", POST TE "\r\n5;a\nb\r\nhello\r\n0\r\n\r\n", "POST( " BAD),
		Q("K06 bare LF", POST TE "\r\n5\nhello\r\n0\r\n\r\n", "POST( " BAD),
		Q("K06 \\rX", POST TE "\r\n5\rXhello\r\n0\r\n\r\n", "POST( " BAD),
		Q("K06 NUL in extension", POST TE "\r\n5;\0\r\nhello\r\n0\r\n\r\n", "POST( " BAD),
		Q("K07 no CRLF after data", POST TE "\r\n5\r\nhello0\r\n\r\n", "POST(hello " BAD),
		Q("K07 wrong bytes after data", POST TE "\r\n5\r\nhelloXX0\r\n\r\n", "POST(hello " BAD),
		Q("K07 LF after data", POST TE "\r\n5\r\nhello\n0\r\n\r\n", "POST(hello " BAD),
		Q("K07 extra CRLF before the last chunk", POST TE "\r\n5\r\nhello\r\n\r\n0\r\n\r\n", "POST(hello " BAD),
		Q("K07 terminator \\r\\nXX", POST TE "\r\n0\r\nXX\r\n\r\n", "POST( " BAD),
		Q("K08 folded trailer", POST TE "\r\n0\r\nA: b\r\n c\r\n\r\n", "POST( " BAD),
		Q("K08 trailer with LF", POST TE "\r\n0\r\nA: b\n\r\n", "POST( " BAD),
		Q("body over the limit, chunked", POST TE "\r\n40\r\n0123456789012345678901234567890123456789012345678901234567890123"
		    "\r\n1\r\n!\r\n0\r\n\r\n",
		    "POST(0123456789012345678901234567890123456789012345678901234567890123 !E_TOO_BIG"),
	};

	(void)state;
	check_rows(rows, SP_COUNT(rows));
}

static void
test_head(void **state)
{
	static const struct row rows[] = {
		Q("K09 bare LF", "GET / HTTP/1.1\nHost: a\n\n", BAD),
		Q("K09 LF at the end only", "GET / HTTP/1.1\r\nHost: a\r\n\n", BAD),
		Q("K09 LF after the start line", "GET / HTTP/1.1\nHost: a\r\n\r\n", BAD),
		Q("K09 bare CR", "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", BAD),
		Q("K09 CR CR LF", "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", BAD),
		Q("K09 NUL in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", BAD),
		Q("K09 NUL in a name", "GET / HTTP/1.1\r\nHost: a\r\nX\0Y: b\r\n\r\n", BAD),
		Q("K09 obs-fold", "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n", BAD),
		Q("K09 obs-fold by tab", "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n\tc\r\n\r\n", BAD),
		Q("K09 space before colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", BAD),
		Q("K09 space before the first field", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", BAD),
		Q("K09 empty name", "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", BAD),
		Q("K09 no colon", "GET / HTTP/1.1\r\nHost: a\r\nXY\r\n\r\n", BAD),
		Q("K09 high byte in a name", "GET / HTTP/1.1\r\nHost: a\r\nX\xe9: b\r\n\r\n", BAD),
		Q("K09 DEL in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: \x7f\r\n\r\n", BAD),
		Q("empty lines first", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", BAD),
		Q("TLS hello", "\x16\x03\x01\x02", BAD),
		Q("K10 G=\":", "G=\": / HTTP/1.1\r\nHost: a\r\n\r\n", BAD),
		Q("K10 lower case", "get / HTTP/1.1\r\nHost: a\r\n\r\n", BAD),
		Q("K10 unknown", "BREW / HTTP/1.1\r\nHost: a\r\n\r\n", "!E_NOT_IMPLEMENTED"),
		Q("K10 CONNECT", "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", "!E_NOT_IMPLEMENTED"),
		Q("K10 HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "!E_NOT_IMPLEMENTED"),
		Q("K10 empty method", " / HTTP/1.1\r\nHost: a\r\n\r\n", BAD),
		Q("K10 HTTP/1.32", "GET / HTTP/1.32\r\nHost: a\r\n\r\n", "!E_HTTP_VERSION"),
		Q("K10 HTTP/1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", "!E_HTTP_VERSION"),
		Q("K10 HTTP/2.0", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", "!E_HTTP_VERSION"),
		Q("K10 HTTP/01.1", "GET / HTTP/01.1\r\nHost: a\r\n\r\n", "!E_HTTP_VERSION"),
		Q("K10 HTTP/1", "GET / HTTP/1\r\nHost: a\r\n\r\n", "!E_HTTP_VERSION"),
		Q("K10 no version", "GET /\r\nHost: a\r\n\r\n", "!E_HTTP_VERSION"),
		Q("K10 http/1.1", "GET / http/1.1\r\nHost: a\r\n\r\n", BAD),
		Q("K10 SOURCE of ICE", "SOURCE / ICE/1.0\r\nHost: a\r\n\r\n", "!E_NOT_IMPLEMENTED"),
		Q("K10 GET of ICE", "GET / ICE/1.0\r\nHost: a\r\n\r\n", BAD),
		Q("K10 other protocol", "GET / RTSP/1.0\r\nHost: a\r\n\r\n", BAD),
		Q("K11 space in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", BAD),
		Q("K11 two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", BAD),
		Q("K11 space after the version", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", "!E_HTTP_VERSION"),
		Q("K11 raw UTF-8", "GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", BAD),
		Q("K11 backslash", "GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n", BAD),
		Q("K11 fragment", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", BAD),
		Q("K11 bad percent", "GET /%2 HTTP/1.1\r\nHost: a\r\n\r\n", BAD),
		Q("K11 authority-form", "GET a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", BAD),
		Q("K11 asterisk", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", BAD),
		Q("K11 absolute-form of another host", "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", BAD),
		Q("K11 absolute-form with userinfo", "GET http://x@a/ HTTP/1.1\r\nHost: a\r\n\r\n", BAD),
		Q("K11 absolute-form without path", "GET http://a HTTP/1.1\r\nHost: a\r\n\r\n", BAD),
		Q("K11 other scheme", "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", BAD),
		Q("K13 no Host", "GET / HTTP/1.1\r\n\r\n", BAD),
		Q("K13 empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", BAD),
		Q("K13 two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", BAD),
		Q("K13 list of hosts", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", BAD),
		Q("K13 Host with path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", BAD),
		Q("K13 Host with userinfo", "GET / HTTP/1.1\r\nHost: x@a\r\n\r\n", BAD),
		Q("K13 Host with bad port", "GET / HTTP/1.1\r\nHost: a:080\r\n\r\n", BAD),
		Q("K14 good, then bad", "GET / HTTP/1.1\r\n" H11 "\r\nGET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n" H11 "\r\n", "GET() " BAD),
		Q("K15 other expectation", POST "Expect: x\r\nContent-Length: 2\r\n\r\nok", "!E_EXPECT"),
		Q("K15 two expectations", POST "Expect: 100-continue\r\nExpect: 100-continue\r\n\r\n", "!E_EXPECT"),
		Q("K16 TRACE with a body", "TRACE / HTTP/1.1\r\n" H11 "Content-Length: 1\r\n\r\nx", BAD),
	};

	(void)state;
	check_rows(rows, SP_COUNT(rows));
}

#define OK "HTTP/1.1 200 OK\r\n"

static void
test_responses(void **state)
{
	static const struct row rows[] = {
		A("by length", OK "Content-Length: 2\r\n\r\nokHTTP/1.1 404 \r\nContent-Length: 0\r\n\r\n", "200(ok) 404()"),
		A("chunked", OK TE "\r\n2\r\nok\r\n0\r\n\r\n", "200(ok)"),
		A("by end of file", OK "X: y\r\n\r\nrest", "200(rest)eof"),
		A("no reason phrase", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "200()"),
		A("1.0 closes", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", "200(x)c"),
		A("interim answers are skipped", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
		    OK "Content-Length: 0\r\n\r\n", "200()"),
		A("204 ends with its head", "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 304 x\r\nContent-Length: 9\r\n\r\n"
		    OK "Content-Length: 0\r\n\r\n", "204() 304() 200()"),
		A("204 with framing is not kept", "HTTP/1.1 204 x\r\nContent-Length: 9\r\n\r\n", "204()c"),
		{ "answers to HEAD", RES, SP_LIT_INIT(OK "Content-Length: 100000\r\n\r\n" OK TE "\r\n" OK "X: y\r\n\r\n"),
		    "200() 200() 200()", true },
		A("K19 101", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", UP),
		A("K19 nine interim answers", "HTTP/1.1 100 a\r\n\r\nHTTP/1.1 100 a\r\n\r\nHTTP/1.1 100 a\r\n\r\nHTTP/1.1 100 a\r\n\r\n"
		    "HTTP/1.1 100 a\r\n\r\nHTTP/1.1 100 a\r\n\r\nHTTP/1.1 100 a\r\n\r\nHTTP/1.1 100 a\r\n\r\nHTTP/1.1 100 a\r\n\r\n"
		    OK "Content-Length: 0\r\n\r\n", UP),
		A("K19 interim with body", "HTTP/1.1 100 a\r\nContent-Length: 1\r\n\r\nx", UP),
		A("K19 TE + CL", OK TE "Content-Length: 2\r\n\r\n0\r\n\r\n", UP),
		A("K19 two lengths", OK "Content-Length: 2\r\nContent-Length: 2\r\n\r\nok", UP),
		A("K19 obs-fold", OK "X: a\r\n b\r\nContent-Length: 0\r\n\r\n", UP),
		A("K19 gzip coding", OK "Transfer-Encoding: gzip\r\n\r\n", UP),
		A("K05 TE in 1.0", "HTTP/1.0 200 OK\r\n" TE "\r\n0\r\n\r\n", UP),
		A("K10 HTTP/2.0", "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", UP),
		A("K10 status 99", "HTTP/1.1 099 x\r\nContent-Length: 0\r\n\r\n", UP),
		A("K10 status 600", "HTTP/1.1 600 x\r\nContent-Length: 0\r\n\r\n", UP),
		A("K10 status 2000", "HTTP/1.1 2000 x\r\nContent-Length: 0\r\n\r\n", UP),
		A("K10 status 20", "HTTP/1.1 20 x\r\nContent-Length: 0\r\n\r\n", UP),
		A("K10 RTSP", "RTSP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", UP),
		A("not HTTP", "SSH-2.0-OpenSSH\r\n\r\n", UP),
		A("K09 bare LF", "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n", UP),
		A("length over the limit", OK "Content-Length: 65\r\n\r\n", "!E_TOO_BIG"),
		A("end of file over the limit", OK "X: y\r\n\r\n0123456789012345678901234567890123456789012345678901234567890123456789",
		    "200(0123456789012345678901234567890123456789012345678901234567890123 !E_TOO_BIG"),
	};

	(void)state;
	check_rows(rows, SP_COUNT(rows));
}

static const char *
verdict(enum sp_http_kind kind, sp_slice text, struct sp_http1 *h)
{
	sp_slice in = text;

	sp_http_init(h, kind, (struct sp_http_limits){ 16384, 1 << 20 });
	switch (sp_http_read(h, &in)) {
	case SP_HTTP_HEAD:
		return "head";
	case SP_HTTP_MORE:
		return "more";
	case SP_HTTP_BAD:
		return sp_errinfo(h->bad)->name;
	default:
		return "other";
	}
}

/* Every byte at every place of a head: what is accepted is exactly the allow-list, whatever version of llhttp is installed. */
static void
test_every_byte(void **state)
{
	static const struct { const char *place, *before, *after; const char *more; bool token, high; } places[] = {
		{ "name", "GET / HTTP/1.1\r\nHost: a\r\nX", "Y: b\r\n\r\n", "", true, false },
		{ "value", "GET / HTTP/1.1\r\nHost: a\r\nX: a", "b\r\n\r\n", " \t\"(),/:;<=>?@[\\]{}", true, true },
		{ "target", "GET /a", "b HTTP/1.1\r\nHost: a\r\n\r\n", "/:@(),;=?", true, false },
		{ "method", "GE", "T / HTTP/1.1\r\nHost: a\r\n\r\n", "", false, false },
		{ "version", "GET / HTTP/1.", "\r\nHost: a\r\n\r\n", "01", false, false },
		{ "connection", "GET / HTTP/1.1\r\nHost: a\r\nConnection: a", "b\r\n\r\n", " \t\"(),/:;<=>?@[\\]{}", true, true },
	};

	(void)state;
	for (size_t i = 0; i < SP_COUNT(places); i++) {
		for (unsigned c = 0; c < 256; c++) {
			char text[256];
			int n = snprintf(text, sizeof text, "%sZ%s", places[i].before, places[i].after);
			bool want = (places[i].token && sp_is_tchar((unsigned char)c)) || (places[i].high && c >= 0x80) ||
			    (c != 0 && strchr(places[i].more, (int)c) != NULL);
			struct sp_http1 h;

			/* A target has neither '^' nor '`' nor '|', nor a bare '%'; and '#' begins no part of it. */
			if (i == 2 && c != 0 && strchr("^`|%#", (int)c) != NULL)
				want = false;
			if (i == 0 && c == ':')
				want = true;	/* ends the name */
			text[strlen(places[i].before)] = (char)c;
			if ((strcmp(verdict(REQ, sp_mem(text, (size_t)n), &h), "head") == 0) != want)
				fail_msg("byte 0x%02x in %s: want %d", c, places[i].place, want);
		}
	}
}

static void
test_limits(void **state)
{
	struct sp_http1 h;
	struct sp_out o;

	(void)state;
	/* K12 a million fields, a million bytes in one, a head one byte over. */
	sp_out_heap(&o, 1 << 22);
	sp_out_str(&o, "GET / HTTP/1.1\r\nHost: a\r\n");
	for (int i = 0; i < 100; i++)
		sp_out_str(&o, "A: b\r\n");
	sp_out_str(&o, "\r\n");
	assert_string_equal(verdict(REQ, sp_out_view(&o), &h), "E_HEAD_TOO_BIG");
	sp_out_reset(&o);
	sp_out_str(&o, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
	for (int i = 0; i < 1 << 20; i++)
		sp_out_byte(&o, 'x');
	assert_string_equal(verdict(REQ, sp_out_view(&o), &h), "E_HEAD_TOO_BIG");
	sp_out_str(&o, "\r\n\r\n");
	assert_string_equal(verdict(REQ, sp_out_view(&o), &h), "E_HEAD_TOO_BIG");
	/* K11 a target of 64 kB; K10 a method of 1 kB. */
	sp_out_reset(&o);
	sp_out_str(&o, "GET /");
	for (int i = 0; i < 65536; i++)
		sp_out_byte(&o, 'x');
	assert_string_equal(verdict(REQ, sp_out_view(&o), &h), "E_HEAD_TOO_BIG");
	sp_out_reset(&o);
	for (int i = 0; i < 1024; i++)
		sp_out_byte(&o, 'G');
	sp_out_str(&o, " / HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_string_equal(verdict(REQ, sp_out_view(&o), &h), "E_BAD_REQUEST");
	/* K06 64 kB of extension, in one chunk and over many. */
	sp_out_reset(&o);
	sp_out_str(&o, POST TE "\r\n");
	for (int i = 0; i < 1000; i++)
		sp_out_str(&o, "1;aaaaaaaaaa\r\nx\r\n");
	sp_slice in = sp_out_view(&o);
	enum sp_http_step s;
	sp_http_init(&h, REQ, (struct sp_http_limits){ 16384, 1 << 20 });
	while ((s = sp_http_read(&h, &in)) != SP_HTTP_BAD)
		assert_true(s == SP_HTTP_HEAD || s == SP_HTTP_BODY);
	assert_int_equal(h.bad, SP_E_BAD_REQUEST);
	assert_true(h.got < 400);
	sp_out_free(&o);
}

static void
test_head_fields(void **state)
{
	static const char text[] = "POST http://a.example:80/mcp?x=1&y HTTP/1.1\r\nhOST: A.example:80\r\nAccept:  a , b \r\n"
	    "ACCEPT: c\r\nEmpty:\r\nExpect: 100-continue\r\nContent-Length: 12\r\n\r\nhello";
	sp_slice in = { text, sizeof text - 1 };
	struct sp_http1 h;
	unsigned n;

	(void)state;
	sp_http_init(&h, REQ, (struct sp_http_limits){ 1024, 1024 });
	assert_int_equal(sp_http_read(&h, &in), SP_HTTP_HEAD);
	assert_int_equal(in.n, 5);
	assert_int_equal(h.head.method, SP_POST);
	assert_true(sp_eq(h.head.path, SP_LIT("/mcp")));
	assert_true(h.head.has_query && sp_eq(h.head.query, SP_LIT("x=1&y")));
	assert_true(sp_eq(h.head.host, SP_LIT("A.example:80")));
	assert_true(h.head.expect_continue && h.head.keep_alive && h.head.has_length && !h.head.chunked);
	assert_int_equal(h.head.length, 12);
	assert_int_equal(h.head.nfields, 6);
	assert_true(sp_eq(sp_http_find(&h.head, SP_LIT("accept"), &n)->value, SP_LIT("a , b")));
	assert_int_equal(n, 2);
	assert_int_equal(sp_http_find(&h.head, SP_LIT("empty"), NULL)->value.n, 0);
	assert_null(sp_http_find(&h.head, SP_LIT("absent"), &n));
	assert_int_equal(n, 0);
	assert_int_equal(sp_http_read(&h, &in), SP_HTTP_BODY);
	assert_int_equal(sp_http_read(&h, &in), SP_HTTP_MORE);
	assert_int_equal(sp_http_eof(&h), SP_HTTP_BAD);
	/* Nothing after a bad message is ever read as one. */
	in = SP_LIT("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
	sp_http_next(&h);
	assert_int_equal(sp_http_read(&h, &in), SP_HTTP_BAD);
}

static void
test_names(void **state)
{
	(void)state;
	for (unsigned m = SP_GET; m < SP_METHOD_COUNT; m++)
		assert_int_equal(sp_method_find(sp_method_name((enum sp_method)m)), m);
	assert_int_equal(sp_method_find(SP_LIT("post")), 0);
	assert_int_equal(sp_method_find(SP_LIT("")), 0);
	assert_int_equal(sp_method_name(0).n, 0);
	assert_string_equal(sp_http_reason(503), "Service Unavailable");
	assert_string_equal(sp_http_reason(999), "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accepted), cmocka_unit_test(test_framing), cmocka_unit_test(test_head),
		cmocka_unit_test(test_responses), cmocka_unit_test(test_every_byte), cmocka_unit_test(test_limits),
		cmocka_unit_test(test_head_fields), cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * A strict RFC 3986 reader for absolute http and https URIs: comparing origins is a security decision, so what
 * is not plainly valid is refused: userinfo, backslash, white space, controls, non-ASCII, bad percent-encoding,
 * IPv4 in any but dotted-decimal form, zone ids, IPvFuture, empty host, port over 65535 or with leading zeros.
 * Nothing is normalised but the case of scheme and host (host_lower).
 */
#ifndef SP_WIRE_URI_H
#define SP_WIRE_URI_H

#include "base/err.h"
#include "base/out.h"

enum sp_host_kind { SP_HOST_NAME, SP_HOST_IPV4, SP_HOST_IPV6 };

struct sp_uri {
	bool	 https;
	sp_slice host;			/* without brackets; as written */
	enum sp_host_kind kind;
	uint16_t port;			/* as written, else 443 or 80 */
	bool	 has_port;
	sp_slice path;			/* as written; may be empty */
	sp_slice query, fragment;	/* without '?' and '#' */
	bool	 has_query, has_fragment;
	sp_slice whole, authority;
};

/* SP_E_BAD_REQUEST with e->log saying what is wrong.  At most 8 kB.  A host name has labels of letters, digits, '-'
 * and '_', no final dot, and a last label that is no number. */
SP_MUST enum sp_status sp_uri_read(sp_slice text, struct sp_uri *out, struct sp_err *e);
/* HOST, HOST:PORT or [V6]:PORT by the same host rules; *port 0 when absent. */
SP_MUST enum sp_status sp_hostport_read(sp_slice text, sp_slice *host, enum sp_host_kind *kind, uint16_t *port,
    struct sp_err *e);
/* Only characters that RFC 3986 lets stand in a path (or a query or fragment), and whole %XX. */
SP_MUST bool sp_uri_chars(sp_slice s, bool query);
/* Same scheme, host (ASCII case folded) and port. */
SP_MUST bool sp_uri_same_origin(const struct sp_uri *a, const struct sp_uri *b);
/* "https://host[:port]" with lower-case host and without a default port. */
void sp_uri_origin(struct sp_out *o, const struct sp_uri *u);
/* 127.0.0.0/8, ::1, or the name "localhost" / "*.localhost". */
SP_MUST bool sp_host_is_loopback(sp_slice host, enum sp_host_kind kind);
/* Four or sixteen bytes of an address in text form; false when it is none. */
SP_MUST bool sp_ipv4_read(sp_slice s, uint8_t out[4]);
SP_MUST bool sp_ipv6_read(sp_slice s, uint8_t out[16]);

/* Percent-encode everything but unreserved characters (RFC 3986 section 2.3). */
void sp_pct_encode(struct sp_out *o, sp_slice s);
/* Also keeps the characters of `keep`. */
void sp_pct_encode_keep(struct sp_out *o, sp_slice s, sp_slice keep);
/* false: a '%' without two hex digits.  '+' stays '+'. */
SP_MUST bool sp_pct_decode(struct sp_out *o, sp_slice s);

#endif

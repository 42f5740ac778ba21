#include "wire/uri.h"

enum { URI_MAX = 8192, NAME_MAX_BYTES = 253, LABEL_MAX = 63 };

static enum sp_status
refuse(struct sp_err *e, const char *what, sp_slice text)
{
	return sp_fail(e, SP_E_BAD_REQUEST, NULL, "%s in `%.*s`", what, SP_PRI(text));
}

/* --- characters (RFC 3986 section 2) --- */

enum { UNRESERVED = 1, PATH = 2, QUERY = 4, LABEL = 8 };

static const uint8_t classes[256] = {
	['a' ... 'z'] = UNRESERVED | PATH | QUERY | LABEL,
	['A' ... 'Z'] = UNRESERVED | PATH | QUERY | LABEL,
	['0' ... '9'] = UNRESERVED | PATH | QUERY | LABEL,
	['-'] = UNRESERVED | PATH | QUERY | LABEL, ['_'] = UNRESERVED | PATH | QUERY | LABEL,
	['.'] = UNRESERVED | PATH | QUERY, ['~'] = UNRESERVED | PATH | QUERY,
	['!'] = PATH | QUERY, ['$'] = PATH | QUERY, ['&'] = PATH | QUERY, ['\''] = PATH | QUERY,
	['('] = PATH | QUERY, [')'] = PATH | QUERY, ['*'] = PATH | QUERY, ['+'] = PATH | QUERY,
	[','] = PATH | QUERY, [';'] = PATH | QUERY, ['='] = PATH | QUERY, [':'] = PATH | QUERY,
	['@'] = PATH | QUERY, ['/'] = PATH | QUERY, ['?'] = QUERY,
};

static bool
in_class(char c, uint8_t class)
{
	return (classes[(unsigned char)c] & class) != 0;
}

bool
sp_uri_chars(sp_slice s, bool query)
{
	uint8_t class = query ? QUERY : PATH;

	for (size_t i = 0; i < s.n; i++) {
		if (in_class(s.p[i], class))
			continue;
		if (s.p[i] != '%' || s.n - i < 3 || !sp_is_hex((unsigned char)s.p[i + 1]) ||
		    !sp_is_hex((unsigned char)s.p[i + 2]))
			return false;
		i += 2;
	}
	return true;
}

void
sp_pct_encode_keep(struct sp_out *o, sp_slice s, sp_slice keep)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		char esc[3] = { '%', digits[c >> 4], digits[c & 15] };

		if (in_class(s.p[i], UNRESERVED) || sp_has_byte(keep, s.p[i]))
			sp_out_byte(o, s.p[i]);
		else
			sp_out_add(o, esc, sizeof esc);
	}
}

void
sp_pct_encode(struct sp_out *o, sp_slice s)
{
	sp_pct_encode_keep(o, s, SP_LIT(""));
}

bool
sp_pct_decode(struct sp_out *o, sp_slice s)
{
	while (s.n != 0) {
		int hi, lo;

		if (s.p[0] != '%') {
			sp_out_byte(o, s.p[0]);
			sp_advance(&s, 1);
			continue;
		}
		hi = s.n < 3 ? -1 : sp_hex_value((unsigned char)s.p[1]);
		lo = s.n < 3 ? -1 : sp_hex_value((unsigned char)s.p[2]);
		if (hi < 0 || lo < 0)
			return false;
		sp_out_byte(o, (char)(hi << 4 | lo));
		sp_advance(&s, 3);
	}
	return true;
}

/* --- addresses --- */

bool
sp_ipv4_read(sp_slice s, uint8_t out[4])
{
	uint8_t b[4];

	for (size_t i = 0; i < 4; i++) {
		uint64_t v;

		if ((i != 0 && !sp_take(&s, SP_LIT("."))) || !sp_take_u64(&s, 255, &v))
			return false;
		b[i] = (uint8_t)v;
	}
	if (s.n != 0)
		return false;
	memcpy(out, b, sizeof b);
	return true;
}

static bool
take_group(sp_slice *s, uint8_t *out)
{
	size_t n = sp_span(*s, sp_is_hex);
	unsigned v = 0;

	if (n == 0 || n > 4)
		return false;
	for (size_t i = 0; i < n; i++)
		v = v << 4 | (unsigned)sp_hex_value((unsigned char)s->p[i]);
	sp_advance(s, n);
	out[0] = (uint8_t)(v >> 8);
	out[1] = (uint8_t)v;
	return true;
}

/* RFC 4291 section 2.2: groups, at most one "::", perhaps an IPv4 address as the last four bytes. */
bool
sp_ipv6_read(sp_slice s, uint8_t out[16])
{
	uint8_t b[16] = { 0 };
	size_t n = 0, gap = SIZE_MAX;

	if (sp_take(&s, SP_LIT("::")))
		gap = 0;
	while (s.n != 0) {
		if (n <= 12 && sp_ipv4_read(s, b + n)) {
			n += 4;
			s.n = 0;
			break;
		}
		if (n == 16 || !take_group(&s, b + n))
			return false;
		n += 2;
		if (s.n == 0)
			break;
		if (sp_take(&s, SP_LIT("::"))) {
			if (gap != SIZE_MAX)
				return false;
			gap = n;
		} else if (!sp_take(&s, SP_LIT(":")) || s.n == 0) {
			return false;
		}
	}
	if (gap == SIZE_MAX ? n != 16 : n > 14)
		return false;
	memset(out, 0, 16);
	if (gap == SIZE_MAX)
		gap = n;
	memcpy(out, b, gap);
	memcpy(out + 16 - (n - gap), b + gap, n - gap);
	return true;
}

/* --- hosts --- */

/* A label that some reader of addresses takes for a number: decimal, octal or hexadecimal. */
static bool
is_number(sp_slice label)
{
	if (sp_span(label, sp_is_digit) == label.n)
		return true;
	return sp_take_nocase(&label, SP_LIT("0x")) && sp_span(label, sp_is_hex) == label.n;
}

static bool
label_ok(sp_slice label)
{
	if (label.n == 0 || label.n > LABEL_MAX || label.p[0] == '-' || label.p[label.n - 1] == '-')
		return false;
	for (size_t i = 0; i < label.n; i++)
		if (!in_class(label.p[i], LABEL))
			return false;
	return true;
}

static bool
host_kind(sp_slice host, enum sp_host_kind *kind)
{
	sp_slice rest = host, label = { NULL, 0 };
	uint8_t addr[4];

	if (host.n == 0 || host.n > NAME_MAX_BYTES)
		return false;
	while (sp_take_part(&rest, '.', &label))
		if (!label_ok(label))
			return false;
	*kind = is_number(label) ? SP_HOST_IPV4 : SP_HOST_NAME;
	return *kind == SP_HOST_NAME || sp_ipv4_read(host, addr);
}

/* HOST or [V6], consumed. */
static const char *
take_host(sp_slice *in, sp_slice *host, enum sp_host_kind *kind)
{
	uint8_t addr[16];
	size_t n = 0;

	if (sp_take(in, SP_LIT("["))) {
		*kind = SP_HOST_IPV6;
		return sp_take_to(in, ']', host) && sp_ipv6_read(*host, addr) ? NULL : "bad IPv6 address";
	}
	while (n < in->n && in->p[n] != ':')
		n++;
	if (!sp_take_n(in, n, host) || !host_kind(*host, kind))
		return "bad host";
	return NULL;
}

/* Nothing, or ":" and 1 to 65535. */
static const char *
take_port(sp_slice *in, bool *has, uint16_t *port)
{
	uint64_t v;

	*has = in->n != 0;
	if (in->n == 0)
		return NULL;
	if (!sp_take(in, SP_LIT(":")) || !sp_take_u64(in, 65535, &v) || v == 0 || in->n != 0)
		return "bad port";
	*port = (uint16_t)v;
	return NULL;
}

enum sp_status
sp_hostport_read(sp_slice text, sp_slice *host, enum sp_host_kind *kind, uint16_t *port, struct sp_err *e)
{
	sp_slice in = text, h = { NULL, 0 };
	enum sp_host_kind k = SP_HOST_NAME;
	uint16_t p = 0;
	bool has;
	const char *why = take_host(&in, &h, &k);

	if (why == NULL)
		why = take_port(&in, &has, &p);
	if (why != NULL)
		return refuse(e, why, text);
	*host = h;
	*kind = k;
	*port = p;
	return SP_OK;
}

bool
sp_host_is_loopback(sp_slice host, enum sp_host_kind kind)
{
	static const uint8_t one[16] = { [15] = 1 };
	uint8_t a[16];

	switch (kind) {
	case SP_HOST_IPV4:
		return sp_ipv4_read(host, a) && a[0] == 127;
	case SP_HOST_IPV6:
		return sp_ipv6_read(host, a) && memcmp(a, one, sizeof one) == 0;
	case SP_HOST_NAME:
		if (host.n > 10 && host.p[host.n - 10] == '.')
			sp_advance(&host, host.n - 9);
		return sp_eq_nocase(host, SP_LIT("localhost"));
	}
	return false;
}

/* --- URIs (RFC 3986 section 3) --- */

static size_t
span_until(sp_slice s, const char *stops)
{
	size_t n = 0;

	while (n < s.n && (s.p[n] == '\0' || strchr(stops, s.p[n]) == NULL))
		n++;
	return n;
}

static const char *
read_authority(struct sp_uri *u, sp_slice *in)
{
	sp_slice rest;
	const char *why;

	if (!sp_take_n(in, span_until(*in, "/?#"), &u->authority))
		return "no host";
	rest = u->authority;
	u->port = u->https ? 443 : 80;
	why = take_host(&rest, &u->host, &u->kind);
	return why != NULL ? why : take_port(&rest, &u->has_port, &u->port);
}

static const char *
read_tail(struct sp_uri *u, sp_slice in)
{
	if (!sp_take_n(&in, span_until(in, "?#"), &u->path) || !sp_uri_chars(u->path, false))
		return "bad path";
	u->has_query = sp_take(&in, SP_LIT("?"));
	if (u->has_query && (!sp_take_n(&in, span_until(in, "#"), &u->query) || !sp_uri_chars(u->query, true)))
		return "bad query";
	u->has_fragment = sp_take(&in, SP_LIT("#"));
	u->fragment = in;
	return sp_uri_chars(in, true) ? NULL : "bad fragment";
}

enum sp_status
sp_uri_read(sp_slice text, struct sp_uri *out, struct sp_err *e)
{
	struct sp_uri u = { .whole = text };
	sp_slice in = text;
	const char *why;

	if (text.n > URI_MAX)
		return refuse(e, "too many bytes", text);
	u.https = sp_take_nocase(&in, SP_LIT("https://"));
	if (!u.https && !sp_take_nocase(&in, SP_LIT("http://")))
		return refuse(e, "neither http:// nor https://", text);
	why = read_authority(&u, &in);
	if (why == NULL)
		why = read_tail(&u, in);
	if (why != NULL)
		return refuse(e, why, text);
	*out = u;
	return SP_OK;
}

bool
sp_uri_same_origin(const struct sp_uri *a, const struct sp_uri *b)
{
	uint8_t x[16], y[16];

	if (a->https != b->https || a->port != b->port || a->kind != b->kind)
		return false;
	if (a->kind == SP_HOST_IPV6)
		return sp_ipv6_read(a->host, x) && sp_ipv6_read(b->host, y) && memcmp(x, y, sizeof x) == 0;
	return sp_eq_nocase(a->host, b->host);
}

void
sp_uri_origin(struct sp_out *o, const struct sp_uri *u)
{
	sp_out_str(o, u->https ? "https://" : "http://");
	if (u->kind == SP_HOST_IPV6)
		sp_out_byte(o, '[');
	for (size_t i = 0; i < u->host.n; i++) {
		char c = u->host.p[i];

		sp_out_byte(o, c >= 'A' && c <= 'Z' ? (char)(c + 32) : c);
	}
	if (u->kind == SP_HOST_IPV6)
		sp_out_byte(o, ']');
	if (u->port != (u->https ? 443 : 80)) {
		sp_out_byte(o, ':');
		sp_out_u64(o, u->port);
	}
}

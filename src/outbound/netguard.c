#include "outbound/netguard.h"

#include <netinet/in.h>

struct range {
	uint8_t net[16];
	uint8_t bits;
	enum sp_net_class class;
	const char *why;
};

/* IANA special-purpose registry, and the addresses at which clouds hand out credentials.  The first match counts. */
static const struct range v4_ranges[] = {
	{ { 169, 254, 169, 254 }, 32, SP_NET_NEVER, "metadata service" },
	{ { 100, 100, 100, 200 }, 32, SP_NET_NEVER, "metadata service" },
	{ { 168, 63, 129, 16 }, 32, SP_NET_NEVER, "metadata service" },
	{ { 0 }, 8, SP_NET_NEVER, "this network" },
	{ { 10 }, 8, SP_NET_PRIVATE, "private use" },
	{ { 100, 64 }, 10, SP_NET_PRIVATE, "carrier NAT" },
	{ { 127 }, 8, SP_NET_PRIVATE, "loopback" },
	{ { 169, 254 }, 16, SP_NET_NEVER, "link-local" },
	{ { 172, 16 }, 12, SP_NET_PRIVATE, "private use" },
	{ { 192, 0, 0 }, 24, SP_NET_NEVER, "protocol assignments" },
	{ { 192, 0, 2 }, 24, SP_NET_NEVER, "documentation" },
	{ { 192, 88, 99 }, 24, SP_NET_NEVER, "6to4 relay" },
	{ { 192, 168 }, 16, SP_NET_PRIVATE, "private use" },
	{ { 198, 18 }, 15, SP_NET_PRIVATE, "benchmarking" },
	{ { 198, 51, 100 }, 24, SP_NET_NEVER, "documentation" },
	{ { 203, 0, 113 }, 24, SP_NET_NEVER, "documentation" },
	{ { 224 }, 4, SP_NET_NEVER, "multicast" },
	{ { 240 }, 4, SP_NET_NEVER, "reserved" },
};

static const struct range v6_ranges[] = {
	{ { 0xfd, 0x00, 0x0e, 0xc2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54 }, 128, SP_NET_NEVER, "metadata service" },
	{ { 0xfd, 0x20, 0x00, 0xce, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54 }, 128, SP_NET_NEVER, "metadata service" },
	{ { 0 }, 128, SP_NET_NEVER, "unspecified" },
	{ { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 }, 128, SP_NET_PRIVATE, "loopback" },
	{ { 0x01, 0x00 }, 64, SP_NET_NEVER, "discard only" },
	{ { 0x20, 0x01, 0x0d, 0xb8 }, 32, SP_NET_NEVER, "documentation" },
	{ { 0x3f, 0xff, 0x00 }, 20, SP_NET_NEVER, "documentation" },
	{ { 0x20, 0x01, 0x00 }, 23, SP_NET_NEVER, "protocol assignments" },	/* Teredo is judged before */
	{ { 0xfc }, 7, SP_NET_PRIVATE, "unique local" },
	{ { 0xfe, 0x80 }, 10, SP_NET_NEVER, "link-local" },
	{ { 0xfe, 0xc0 }, 10, SP_NET_NEVER, "site-local" },
	{ { 0xff }, 8, SP_NET_NEVER, "multicast" },
	{ { 0x20 }, 3, SP_NET_PUBLIC, "public" },
};

static bool
in_range(const uint8_t *a, const struct range *r)
{
	unsigned whole = r->bits / 8, rest = r->bits % 8;

	if (memcmp(a, r->net, whole) != 0)
		return false;
	return rest == 0 || ((a[whole] ^ r->net[whole]) >> (8 - rest)) == 0;
}

static enum sp_net_class
look_up(const struct range *r, size_t n, const uint8_t *a, enum sp_net_class otherwise, const char **why)
{
	for (size_t i = 0; i < n; i++) {
		if (!in_range(a, &r[i]))
			continue;
		*why = r[i].why;
		return r[i].class;
	}
	*why = otherwise == SP_NET_PUBLIC ? "public" : "not allocated";
	return otherwise;
}

enum sp_net_class
sp_netguard_v4(const uint8_t a[4], const char **why)
{
	const char *text;
	enum sp_net_class c = look_up(v4_ranges, SP_COUNT(v4_ranges), a, SP_NET_PUBLIC, &text);

	if (why != NULL)
		*why = text;
	return c;
}

static void
worse(enum sp_net_class *c, const char **why, const uint8_t v4[4])
{
	const char *text;
	enum sp_net_class got = sp_netguard_v4(v4, &text);

	if (got > *c) {
		*c = got;
		*why = text;
	}
}

static bool
zeros(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != 0)
			return false;
	return true;
}

/*
 * RFC 8215: 64:ff9b:1::/48 is for local use, so never better than private.  Which prefix length the translator uses is
 * not known here (RFC 6052 section 2.2): every reading whose padding is zero counts, and the worst one decides.
 */
static enum sp_net_class
local_nat64(const uint8_t a[16], const char **why)
{
	const uint8_t last[4] = { a[12], a[13], a[14], a[15] };
	const uint8_t p48[4] = { a[6], a[7], a[9], a[10] };
	const uint8_t p56[4] = { a[7], a[9], a[10], a[11] };
	const uint8_t p64[4] = { a[9], a[10], a[11], a[12] };
	enum sp_net_class c = SP_NET_PRIVATE;
	bool any = false;

	*why = "local NAT64";
	if (!zeros(last, 4)) {
		worse(&c, why, last);
		any = true;
	}
	if (a[8] == 0 && zeros(a + 11, 5) && !zeros(p48, 4)) {
		worse(&c, why, p48);
		any = true;
	}
	if (a[8] == 0 && a[6] == 0 && zeros(a + 12, 4) && !zeros(p56, 4)) {
		worse(&c, why, p56);
		any = true;
	}
	if (a[8] == 0 && zeros(a + 6, 2) && zeros(a + 13, 3) && !zeros(p64, 4)) {
		worse(&c, why, p64);
		any = true;
	}
	return any ? c : SP_NET_NEVER;
}

/* Forms whose prefix alone says that they stand for an IPv4 address. */
static bool
carried(const uint8_t a[16], enum sp_net_class *c, const char **why)
{
	static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
	static const uint8_t translated[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0 };
	static const uint8_t nat64[12] = { 0, 0x64, 0xff, 0x9b };
	static const uint8_t nat64_local[6] = { 0, 0x64, 0xff, 0x9b, 0, 1 };
	static const uint8_t teredo[4] = { 0x20, 0x01, 0, 0 };

	*c = SP_NET_PUBLIC;
	*why = "public";
	if (memcmp(a, mapped, 12) == 0 || memcmp(a, translated, 12) == 0 || memcmp(a, nat64, 12) == 0 || zeros(a, 12)) {
		worse(c, why, a + 12);
		return true;
	}
	if (memcmp(a, nat64_local, 6) == 0) {
		*c = local_nat64(a, why);
		return true;
	}
	if (a[0] == 0x20 && a[1] == 0x02) {	/* 6to4 */
		worse(c, why, a + 2);
		return true;
	}
	if (memcmp(a, teredo, 4) == 0) {	/* server, and the client's address with its bits inverted */
		const uint8_t client[4] = { (uint8_t)~a[12], (uint8_t)~a[13], (uint8_t)~a[14], (uint8_t)~a[15] };

		worse(c, why, a + 4);
		worse(c, why, client);
		return true;
	}
	return false;
}

enum sp_net_class
sp_netguard_v6(const uint8_t a[16], const char **why)
{
	static const uint8_t one[16] = { [15] = 1 };
	const char *text;
	enum sp_net_class c;

	/* :: and ::1 look v4-compatible and are not. */
	if (zeros(a, 16) || memcmp(a, one, 16) == 0 || !carried(a, &c, &text))
		c = look_up(v6_ranges, SP_COUNT(v6_ranges), a, SP_NET_NEVER, &text);
	/* ISATAP (RFC 5214 section 6.1) is an interface identifier: under any prefix. */
	if ((a[8] & 0xfd) == 0 && a[9] == 0 && a[10] == 0x5e && a[11] == 0xfe)
		worse(&c, &text, a + 12);
	if (why != NULL)
		*why = text;
	return c;
}

bool
sp_netguard_ok(const struct sockaddr *sa, bool private_ok, const char **why)
{
	enum sp_net_class c = SP_NET_NEVER;
	const char *text = "not an Internet address";

	if (sa->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)sa;

		c = sp_netguard_v4((const void *)&in->sin_addr, &text);
	} else if (sa->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)sa;

		c = sp_netguard_v6(in6->sin6_addr.s6_addr, &text);
		if (in6->sin6_scope_id != 0) {
			c = SP_NET_NEVER;
			text = "scoped address";
		}
	}
	if (why != NULL)
		*why = text;
	return c == SP_NET_PUBLIC || (c == SP_NET_PRIVATE && private_ok);
}

static bool
is_name_byte(unsigned char c)
{
	return sp_is_alpha(c) || sp_is_digit(c) || c == '-' || c == '_';
}

bool
sp_netguard_name_ok(sp_slice host)
{
	sp_slice rest = host, label = { NULL, 0 };

	if (rest.n != 0 && rest.p[rest.n - 1] == '.')
		rest.n--;
	if (rest.n == 0 || rest.n > 253 || rest.p[rest.n - 1] == '.')
		return false;
	while (sp_take_part(&rest, '.', &label))
		if (label.n == 0 || label.n > 63 || sp_span(label, is_name_byte) != label.n)
			return false;
	/* inet_aton() reads 0x7f.1, 017700000001 and 127.1: a name whose last label starts with a digit is no host
	 * name of the public DNS, and may be an address in disguise. */
	return !sp_is_digit((unsigned char)label.p[0]);
}

/* What is accepted is made of its parts and nothing else, and its origin reads back as the same origin. */
#include <arpa/inet.h>
#include <assert.h>

#include "wire/uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
rebuild(struct sp_out *o, const struct sp_uri *u)
{
	sp_out_str(o, u->https ? "https://" : "http://");
	sp_out_slice(o, u->authority);
	sp_out_slice(o, u->path);
	sp_out_str(o, u->has_query ? "?" : "");
	sp_out_slice(o, u->query);
	sp_out_str(o, u->has_fragment ? "#" : "");
	sp_out_slice(o, u->fragment);
}

static void
check_uri(sp_slice text)
{
	static char a[8300], b[8300];
	struct sp_uri u, again;
	struct sp_out o, origin;

	if (sp_uri_read(text, &u, NULL) != SP_OK)
		return;
	sp_out_init(&o, a, sizeof a);
	rebuild(&o, &u);
	assert(sp_eq_nocase(sp_out_view(&o), text) && u.port != 0);
	sp_out_init(&origin, b, sizeof b);
	sp_uri_origin(&origin, &u);
	assert(sp_uri_read(sp_out_view(&origin), &again, NULL) == SP_OK && sp_uri_same_origin(&u, &again));
	for (size_t i = 0; i < text.n; i++)
		assert(text.p[i] > 0x20 && text.p[i] < 0x7f && text.p[i] != '\\');
}

/* Both readers of addresses accept the same texts, and give the same bytes. */
static void
check_address(sp_slice text)
{
	char s[64];
	uint8_t ours[16], theirs[16];
	bool v6, v4;

	if (!sp_cstr(text, s, sizeof s))
		return;
	v6 = sp_ipv6_read(text, ours);
	assert(v6 == (inet_pton(AF_INET6, s, theirs) == 1));
	assert(!v6 || memcmp(ours, theirs, 16) == 0);
	v4 = sp_ipv4_read(text, ours);
	assert(v4 == (inet_pton(AF_INET, s, theirs) == 1));
	assert(!v4 || memcmp(ours, theirs, 4) == 0);
}

static void
check_percent(sp_slice text)
{
	static char a[3 * 8192], b[8192];
	struct sp_out enc, dec;

	sp_out_init(&enc, a, sizeof a);
	sp_out_init(&dec, b, sizeof b);
	sp_pct_encode(&enc, text);
	assert(sp_uri_chars(sp_out_view(&enc), false));
	assert(sp_pct_decode(&dec, sp_out_view(&enc)) && sp_eq(sp_out_view(&dec), text));
	sp_out_reset(&dec);
	(void)!sp_pct_decode(&dec, text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n > 8192)
		return 0;
	check_uri(sp_mem(data, n));
	check_address(sp_mem(data, n));
	check_percent(sp_mem(data, n));
	return 0;
}

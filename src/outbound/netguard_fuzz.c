/*
 * No address that carries an IPv4 address is judged better than what it carries, no name reads as a number, and a host
 * that a document names is the authority's own or a name at the https port without leave for private addresses.
 */
#include "outbound/dialhost.h"
#include "outbound/netguard.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
not_better(const uint8_t prefix[12], const uint8_t v4[4])
{
	uint8_t a[16];

	memcpy(a, prefix, 12);
	memcpy(a + 12, v4, 4);
	if (sp_netguard_v6(a, NULL) < sp_netguard_v4(v4, NULL))
		abort();
}

static void
named(sp_slice host, uint32_t port, bool https)
{
	static const struct sp_dialhost_own own = { SP_LIT_INIT("127.0.0.1"), SP_HOST_IPV4, 8080, false, true };
	struct sp_dialhost to = { .port = 1 };

	if (sp_dialhost_judge(&own, host, port, https, &to) != NULL)
		return;
	if (sp_eq(host, own.host) && port == own.port)
		return;
	if (!https || to.private_ok || to.port != 443 || to.kind != SP_HOST_NAME || !sp_netguard_name_ok(host))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff }, compat[12] = { 0 };
	static const uint8_t translated[12] = { [8] = 0xff, [9] = 0xff }, nat64[12] = { 0, 0x64, 0xff, 0x9b };
	uint8_t six2four[16] = { 0x20, 0x02 };
	char text[300];
	struct in_addr in;

	for (unsigned i = 0; i < 4; i++)
		named(sp_mem(data, n), (i & 1) != 0 ? 443 : 8080, (i & 2) != 0);
	if (n >= 16) {
		const char *why = NULL;

		sp_netguard_v6(data, &why);
		if (why == NULL)
			abort();
	}
	if (n >= 4) {
		not_better(mapped, data);
		not_better(translated, data);
		not_better(nat64, data);
		if (data[0] != 0 || data[1] != 0 || data[2] != 0)	/* ::1 is loopback, not 0.0.0.1 */
			not_better(compat, data);
		memcpy(six2four + 2, data, 4);
		if (sp_netguard_v6(six2four, NULL) < sp_netguard_v4(data, NULL))
			abort();
	}
	if (sp_cstr(sp_mem(data, n), text, sizeof text) && sp_netguard_name_ok(sp_mem(data, n))) {
		uint8_t six[16];

		if (inet_aton(text, &in) != 0 || inet_pton(AF_INET6, text, six) == 1)
			abort();
	}
	return 0;
}

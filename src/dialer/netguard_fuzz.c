/* No address that carries an IPv4 address is judged better than what it carries, and no name reads as a number. */
#include "dialer/netguard.h"

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

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff }, compat[12] = { 0 };
	static const uint8_t translated[12] = { [8] = 0xff, [9] = 0xff }, nat64[12] = { 0, 0x64, 0xff, 0x9b };
	uint8_t six2four[16] = { 0x20, 0x02 };
	char text[300];
	struct in_addr in;

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

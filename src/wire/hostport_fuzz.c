/* A Host value that is accepted is a host of ours with an optional port, and means the same inside a URI. */
#include <assert.h>

#include "wire/uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	sp_slice text = sp_mem(data, n), host = { NULL, 0 };
	enum sp_host_kind kind = SP_HOST_NAME;
	uint16_t port = 0;
	char buf[512];
	struct sp_out o;
	struct sp_uri u;
	bool ok = sp_hostport_read(text, &host, &kind, &port, NULL) == SP_OK, as_uri;

	sp_out_init(&o, buf, sizeof buf);
	sp_out_str(&o, "https://");
	sp_out_slice(&o, text);
	as_uri = !o.full && sp_uri_read(sp_out_view(&o), &u, NULL) == SP_OK;
	if (!ok) {
		/* The only URIs with this beginning have something after the authority. */
		assert(!as_uri || u.authority.n != n);
		return 0;
	}
	assert(as_uri && u.authority.n == n && sp_eq(u.host, host) && u.kind == kind);
	assert(u.has_port ? u.port == port : port == 0 && u.port == 443);
	assert(host.n != 0 && host.p >= text.p && host.p + host.n <= text.p + text.n);
	for (size_t i = 0; i < n; i++)
		assert(sp_is_alpha(data[i]) || sp_is_digit(data[i]) || strchr("-_.:[]", data[i]) != NULL);
	(void)!sp_host_is_loopback(host, kind);
	return 0;
}

#include "outbound/dialhost.h"

#include "outbound/netguard.h"

const char *
sp_dialhost_judge(const struct sp_dialhost_own *own, sp_slice host, uint32_t port, bool https, struct sp_dialhost *out)
{
	bool same_host = sp_eq_nocase(host, own->host), same_port = port == own->port;

	if (!https && !(same_host && !own->https && sp_host_is_loopback(own->host, own->kind)))
		return "not https";
	if (same_host && same_port) {
		*out = (struct sp_dialhost){ own->kind, (uint16_t)port, own->private_ok };
		return NULL;
	}
	if (port != 443)
		return "a port that was not configured";
	if (!sp_netguard_name_ok(host))
		return "not a host name";
	*out = (struct sp_dialhost){ SP_HOST_NAME, 443, false };
	return NULL;
}

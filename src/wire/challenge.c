#include "wire/challenge.h"

/* One parameter as a quoted-string (RFC 9110 section 5.6.4).  What a field value cannot carry becomes '?'. */
static void
param(struct sp_out *o, const char *name, sp_slice value, bool *first)
{
	if (value.n == 0)
		return;
	sp_out_str(o, *first ? " " : ", ");
	*first = false;
	sp_out_str(o, name);
	sp_out_str(o, "=\"");
	for (size_t i = 0; i < value.n; i++) {
		char c = value.p[i];

		if (c == '"' || c == '\\')
			sp_out_byte(o, '\\');
		sp_out_byte(o, c >= 0x20 && c <= 0x7e ? c : '?');
	}
	sp_out_byte(o, '"');
}

void
sp_challenge_write(struct sp_out *o, sp_slice error, sp_slice description, sp_slice scope, sp_slice resource_metadata)
{
	bool first = true;

	sp_out_str(o, "Bearer");
	param(o, "error", error, &first);
	param(o, "error_description", description, &first);
	param(o, "scope", scope, &first);
	param(o, "resource_metadata", resource_metadata, &first);
}

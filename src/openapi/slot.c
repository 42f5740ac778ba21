#include "openapi/slot.h"

bool
sp_slot_reserved(sp_slice header)
{
	static const sp_slice reserved[] = {
		SP_LIT_INIT("Authorization"), SP_LIT_INIT("Cookie"), SP_LIT_INIT("Host"),
		SP_LIT_INIT("Content-Length"), SP_LIT_INIT("Transfer-Encoding"), SP_LIT_INIT("Connection"),
		SP_LIT_INIT("Content-Type"), SP_LIT_INIT("Accept"), SP_LIT_INIT("Accept-Encoding"),
		SP_LIT_INIT("Content-Encoding"), SP_LIT_INIT("Expect"), SP_LIT_INIT("Keep-Alive"),
		SP_LIT_INIT("Proxy-Authorization"), SP_LIT_INIT("Proxy-Connection"), SP_LIT_INIT("TE"),
		SP_LIT_INIT("Trailer"), SP_LIT_INIT("Upgrade"), SP_LIT_INIT("X-HTTP-Method"),
		SP_LIT_INIT("X-HTTP-Method-Override"), SP_LIT_INIT("X-Method-Override"),
	};

	for (size_t i = 0; i < SP_COUNT(reserved); i++)
		if (sp_eq_nocase(header, reserved[i]))
			return true;
	return false;
}

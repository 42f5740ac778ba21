#include "image/shown.h"

#include "crypto/crypto.h"

enum { OWN_MAX = 300, HASH_BYTES = 4, TAIL = 1 + 2 * HASH_BYTES };

sp_slice
sp_shown_make(sp_slice server, sp_slice own_name, char buf[SP_SHOWN_MAX + 1])
{
	char whole[OWN_MAX + 100];
	uint8_t hash[32];
	struct sp_out o, cut;

	sp_out_init(&o, whole, sizeof whole);
	if (server.n != 0) {
		sp_out_slice(&o, sp_sub(server, 0, 64));
		sp_out_byte(&o, '_');
	}
	sp_out_slice(&o, sp_sub(own_name, 0, OWN_MAX));
	sp_out_init(&cut, buf, SP_SHOWN_MAX + 1);
	if (o.n <= SP_SHOWN_MAX) {
		sp_out_slice(&cut, sp_out_view(&o));
		return sp_out_view(&cut);
	}
	sp_sha256(sp_out_view(&o), hash);
	sp_out_slice(&cut, sp_sub(sp_out_view(&o), 0, SP_SHOWN_MAX - TAIL));
	sp_out_byte(&cut, '_');
	sp_out_hex(&cut, hash, HASH_BYTES);
	return sp_out_view(&cut);
}

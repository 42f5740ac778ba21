/*
 * A foreign JWK set (RFC 7517 section 5) as one of our own making: public signature keys only, of types and curves that
 * sp_keyset_read() takes, with kty, kid, alg, use, key_ops and their public numbers and nothing else.
 */
#ifndef SP_JOSE_KEYSET_WRITE_H
#define SP_JOSE_KEYSET_WRITE_H

#include "jose/jws.h"

struct sp_keyset_report {
	unsigned kept, dropped;		/* keys; dropped: of another type or use, broken, or a secret */
	unsigned with_private;		/* of those kept: their private members were left out */
	char	 why[160];		/* of the first that was dropped: no value of it */
};

/*
 * Appends {"keys":[…]} to `o`.  SP_E_UPSTREAM with the reason in e->log: not an object with an array `keys` of at most
 * SP_KEYS_MAX, over SP_KEYS_TEXT_MAX bytes or too deep, or no usable key in it; SP_E_FULL: `o` is full.
 */
SP_MUST enum sp_status sp_keyset_public(sp_slice text, struct sp_out *o, struct sp_keyset_report *r, struct sp_err *e);

#endif

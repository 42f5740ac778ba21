/*
 * base64 (RFC 4648 section 4) and base64url without padding (section 5, RFC 7515 section 2), strict:
 * no white space, no foreign alphabet, no missing or needless padding, no slack bits.
 */
#ifndef SP_BASE_B64_H
#define SP_BASE_B64_H

#include "base/out.h"

/* Decode into buf of cap bytes; false when malformed or too long for buf (buf's content is then undefined). */
SP_MUST bool sp_b64url_decode(sp_slice in, void *buf, size_t cap, size_t *n);
SP_MUST bool sp_b64_decode(sp_slice in, void *buf, size_t cap, size_t *n);
void sp_b64url_encode(struct sp_out *o, const void *p, size_t n);	/* no padding */
void sp_b64_encode(struct sp_out *o, const void *p, size_t n);		/* padded */
/* Bytes that n characters decode to, at most. */
static inline size_t
sp_b64_room(size_t n)
{
	return n / 4 * 3 + 3;
}

#endif

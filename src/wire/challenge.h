/* WWW-Authenticate: Bearer challenges (RFC 6750 section 3, RFC 9728 section 5.1), parameters quoted and escaped. */
#ifndef SP_WIRE_CHALLENGE_H
#define SP_WIRE_CHALLENGE_H

#include "base/out.h"

/* Value of the field.  Empty slices leave their parameter out; order: error, error_description, scope, resource_metadata. */
void sp_challenge_write(struct sp_out *o, sp_slice error, sp_slice description, sp_slice scope, sp_slice resource_metadata);

#endif

/* Inside this folder only: what an introspection endpoint said yes to, by SHA-256 of the token; the oldest goes first. */
#ifndef SP_AUTH_REMEMBER_H
#define SP_AUTH_REMEMBER_H

#include "base/hash.h"
#include "oauth/principal.h"

struct sp_remembered;

/* At most `max` of them; NULL: no memory. */
struct sp_remembered *sp_remembered_new(uint32_t max, struct sp_hash_key seed);
void sp_remembered_free(struct sp_remembered **r);
/* Borrowed; NULL: not there, or no longer. */
struct sp_principal *sp_remembered_find(struct sp_remembered *r, const uint8_t hash[32], int64_t now_s);
/* Takes a reference of its own; without memory nothing is remembered. */
void sp_remembered_put(struct sp_remembered *r, const uint8_t hash[32], struct sp_principal *who, int64_t dies_s);

#endif

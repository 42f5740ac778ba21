/*
 * Verified tokens by SHA-256 of their exact bytes and the resource that they were shown to (threat row B17).  Sets of eight slots: a lookup looks at eight, a full set gives up
 * the slot that was not used for longest.  Which set a hash falls into depends on a key, so nobody can aim.
 */
#ifndef SP_OAUTH_CACHE_H
#define SP_OAUTH_CACHE_H

#include "base/hash.h"
#include "oauth/principal.h"

struct sp_cache;

struct sp_cache *sp_cache_new(uint32_t entries, struct sp_hash_key seed);	/* NULL: no memory */
void sp_cache_free(struct sp_cache **c);
/* Until when an entry is good: a time, the shared epoch, and the epoch of what its source was verified with. */
struct sp_cache_life { int64_t dies_s; uint64_t epoch, inner; };

/* Borrowed; NULL when it is not there, has died, or is of another epoch.  *inner: as it was put. */
struct sp_principal *sp_cache_find(struct sp_cache *c, uint32_t resource, const uint8_t hash[32], int64_t now_s,
    uint64_t epoch, uint64_t *inner);
void sp_cache_del(struct sp_cache *c, uint32_t resource, const uint8_t hash[32]);
/* Takes a reference of its own. */
void sp_cache_put(struct sp_cache *c, uint32_t resource, const uint8_t hash[32], struct sp_principal *who,
    const struct sp_cache_life *life);

#endif

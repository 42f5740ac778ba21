/* SipHash-2-4: the keyed hash behind every table whose keys come from outside. */
#ifndef SP_BASE_HASH_H
#define SP_BASE_HASH_H

#include "base/slice.h"

struct sp_hash_key { uint64_t k[2]; };
uint64_t sp_siphash(const struct sp_hash_key *key, sp_slice s);

#endif

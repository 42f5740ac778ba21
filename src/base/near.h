/* How near two short words are, for "did you mean". */
#ifndef SP_BASE_NEAR_H
#define SP_BASE_NEAR_H

#include "base/slice.h"

/* Edits (insert, delete, replace a byte) that make b of a; SIZE_MAX when a word has over 48 bytes. */
size_t sp_edit_distance(sp_slice a, sp_slice b);

#endif

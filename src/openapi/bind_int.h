/* What the parts of the binder share.  Not for others. */
#ifndef SP_OPENAPI_BIND_INT_H
#define SP_OPENAPI_BIND_INT_H

#include "openapi/bind.h"

/*
 * NULL: this text may stand in a path slot.  Else why not.  A value is judged in every form that a server may
 * decode it to, three times over: none of them may be empty or a . or .. segment (threat row M01).
 */
const char *sp_bind_path_fault(struct sp_arena *a, sp_slice text);
const char *sp_bind_header_fault(sp_slice text);
/* NULL: bytes of the finished target are those of a path and a query, and no segment is . or .. in any spelling. */
const char *sp_bind_target_fault(struct sp_arena *a, sp_slice target);

#endif

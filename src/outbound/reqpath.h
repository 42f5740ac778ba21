/*
 * May a caller of ours ask for this path and query?  Whoever holds a grant for everything below one place writes them, so
 * what could be read as another place by any upstream is refused: as written, and as it reads after every further decoding.
 * Pure.
 */
#ifndef SP_OUTBOUND_REQPATH_H
#define SP_OUTBOUND_REQPATH_H

#include "base/slice.h"

enum { SP_REQPATH_MAX = 8192 };

/* NULL: it may; else a constant text that says what is wrong.  '/' first, then what RFC 3986 lets stand in a path and
 * after '?' in a query: no fragment, no empty segment, no segment "." or ".." (also before ';'), no encoded controls; an
 * encoded '/' or '\' counts as a border of segments. */
SP_MUST const char *sp_reqpath_judge(sp_slice path);

#endif

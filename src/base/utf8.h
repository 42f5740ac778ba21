#ifndef SP_BASE_UTF8_H
#define SP_BASE_UTF8_H

#include "base/out.h"

/* Well-formed UTF-8 (RFC 3629): no overlong form, no surrogate, nothing above U+10FFFF. */
SP_MUST bool sp_utf8_valid(sp_slice s);
/* The next code point, consumed from *in; false at the end or when malformed (nothing consumed). */
SP_MUST bool sp_utf8_take(sp_slice *in, uint32_t *cp);
void sp_utf8_add(struct sp_out *o, uint32_t cp);
/* Copies s with malformed bytes, controls (but \n and \t when keep_lines) and bidi controls as U+FFFD, at most `max` bytes. */
void sp_utf8_clean(struct sp_out *o, sp_slice s, size_t max, bool keep_lines);

#endif

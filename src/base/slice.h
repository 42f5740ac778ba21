/*
 * A run of bytes with a length: the one type by which text from outside travels.
 * Nothing here copies or allocates; a slice borrows what it points at.
 */
#ifndef SP_BASE_SLICE_H
#define SP_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define SP_MUST __attribute__((warn_unused_result))
#define SP_COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define SP_AUTO(fn) __attribute__((cleanup(fn)))
#define SP_PRINTF(f, a) __attribute__((format(printf, f, a)))

typedef struct sp_slice {
	const char *p;
	size_t	    n;
} sp_slice;

/* A string literal as a slice, without its final NUL; also usable in initialisers. */
#define SP_LIT(s) ((sp_slice){ "" s, sizeof(s) - 1 })
#define SP_LIT_INIT(s) { "" s, sizeof(s) - 1 }

/* A NUL-terminated string of our own (never one from outside) as a slice. */
sp_slice sp_str(const char *s);
static inline sp_slice
sp_mem(const void *p, size_t n)
{
	return (sp_slice){ (const char *)p, n };
}

/* Byte for byte; not for secrets (see ct.h). */
bool sp_eq(sp_slice a, sp_slice b);
bool sp_eq_nocase(sp_slice a, sp_slice b);		/* ASCII letters only */
int  sp_cmp(sp_slice a, sp_slice b);			/* <0, 0, >0; bytes, then length */
bool sp_starts(sp_slice s, sp_slice prefix);
bool sp_ends(sp_slice s, sp_slice suffix);
bool sp_has_byte(sp_slice s, char c);
/* Index of the first `needle` in `hay`, or SIZE_MAX. */
size_t sp_find(sp_slice hay, sp_slice needle);

/* Consume from the front.  False: nothing was consumed and *out is unchanged. */
bool sp_take(sp_slice *in, sp_slice prefix);
bool sp_take_nocase(sp_slice *in, sp_slice prefix);
bool sp_take_n(sp_slice *in, size_t n, sp_slice *out);
/* Up to `stop`, which is consumed and not part of *out; false when there is no `stop`. */
bool sp_take_to(sp_slice *in, char stop, sp_slice *out);
/* The next piece between `sep`s; false at the end.  "a,,b" gives "a", "", "b". */
bool sp_take_part(sp_slice *in, char sep, sp_slice *out);
/* Decimal digits up to `max`: no sign, no leading zero (but "0"), no overflow; at least one digit. */
bool sp_take_u64(sp_slice *in, uint64_t max, uint64_t *v);

void   sp_advance(sp_slice *in, size_t n);		/* n <= in->n is the caller's promise (checked) */
size_t sp_span(sp_slice in, bool (*is)(unsigned char c));
sp_slice sp_sub(sp_slice s, size_t from, size_t n);	/* clamped to the slice */
/* Without the ASCII space and tab at both ends (RFC 9110 section 5.6.3 OWS). */
sp_slice sp_trim(sp_slice s);

bool sp_is_digit(unsigned char c);
bool sp_is_alpha(unsigned char c);
bool sp_is_hex(unsigned char c);
bool sp_is_ctl(unsigned char c);			/* 0x00-0x1f and 0x7f */
bool sp_is_tchar(unsigned char c);			/* RFC 9110 section 5.6.2 token */
int  sp_hex_value(unsigned char c);			/* -1 when not a hex digit */

/*
 * Copies `s` with a final NUL into `buf` of `cap` bytes.  False (and an empty buf) when it does not
 * fit or holds a NUL: the only bridge to functions that want a C string.
 */
SP_MUST bool sp_cstr(sp_slice s, char *buf, size_t cap);
/* The same on the heap, the caller's to free; NULL: no memory, or a NUL inside.  strndup() may look beyond the slice. */
SP_MUST char *sp_cstr_new(sp_slice s);

#endif

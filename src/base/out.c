#include "base/out.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void
sp_out_init(struct sp_out *o, void *buf, size_t cap)
{
	*o = (struct sp_out){ .p = buf, .cap = cap };
}

void
sp_out_heap(struct sp_out *o, size_t max)
{
	*o = (struct sp_out){ .max = max, .heap = true };
}

void
sp_out_free(struct sp_out *o)
{
	if (o->heap)
		free(o->p);
	*o = (struct sp_out){ 0 };
}

void
sp_out_wipe(struct sp_out *o)
{
	if (o->n != 0)
		explicit_bzero(o->p, o->n);
	o->n = 0;
	o->full = false;
}

void
sp_out_reset(struct sp_out *o)
{
	o->n = 0;
	o->full = false;
}

static bool
grow(struct sp_out *o, size_t n)
{
	size_t cap = o->cap == 0 ? 256 : o->cap;
	char *p;

	if (!o->heap || n > o->max || o->n > o->max - n)
		return false;
	while (cap < o->n + n)
		cap = cap > o->max / 2 ? o->max : cap * 2;
	if (cap > o->max)
		cap = o->max;
	p = realloc(o->p, cap);
	if (p == NULL)
		return false;
	o->p = p;
	o->cap = cap;
	return true;
}

void *
sp_out_room(struct sp_out *o, size_t n)
{
	void *at;

	if (o->full || (n > o->cap - o->n && !grow(o, n))) {
		o->full = true;
		return NULL;
	}
	at = o->p == NULL ? NULL : o->p + o->n;
	o->n += n;
	return at;
}

void
sp_out_add(struct sp_out *o, const void *p, size_t n)
{
	void *at;

	if (n == 0)
		return;
	at = sp_out_room(o, n);
	if (at != NULL)
		memcpy(at, p, n);
}

void
sp_out_slice(struct sp_out *o, sp_slice s)
{
	sp_out_add(o, s.p, s.n);
}

void
sp_out_str(struct sp_out *o, const char *s)
{
	sp_out_add(o, s, strlen(s));
}

void
sp_out_byte(struct sp_out *o, char c)
{
	sp_out_add(o, &c, 1);
}

void
sp_out_u64(struct sp_out *o, uint64_t v)
{
	char buf[20];
	size_t i = sizeof buf;

	do {
		buf[--i] = (char)('0' + v % 10);
		v /= 10;
	} while (v != 0);
	sp_out_add(o, buf + i, sizeof buf - i);
}

void
sp_out_i64(struct sp_out *o, int64_t v)
{
	if (v < 0) {
		sp_out_byte(o, '-');
		sp_out_u64(o, (uint64_t)0 - (uint64_t)v);
		return;
	}
	sp_out_u64(o, (uint64_t)v);
}

void
sp_out_fmt(struct sp_out *o, const char *fmt, ...)
{
	char small[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(small, sizeof small, fmt, ap);
	va_end(ap);
	if (n < 0) {
		o->full = true;
		return;
	}
	if ((size_t)n < sizeof small) {
		sp_out_add(o, small, (size_t)n);
		return;
	}
	char *big = malloc((size_t)n + 1);
	if (big == NULL) {
		o->full = true;
		return;
	}
	va_start(ap, fmt);
	vsnprintf(big, (size_t)n + 1, fmt, ap);
	va_end(ap);
	sp_out_add(o, big, (size_t)n);
	free(big);
}

void
sp_out_hex(struct sp_out *o, const void *p, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *b = p;

	for (size_t i = 0; i < n; i++) {
		char two[2] = { digits[b[i] >> 4], digits[b[i] & 15] };

		sp_out_add(o, two, 2);
	}
}

void
sp_out_be(struct sp_out *o, uint64_t v, unsigned bytes)
{
	unsigned char b[8];

	for (unsigned i = 0; i < bytes; i++)
		b[i] = (unsigned char)(v >> (8 * (bytes - 1 - i)));
	sp_out_add(o, b, bytes);
}

void
sp_out_lv(struct sp_out *o, sp_slice s, unsigned length_bytes)
{
	if (length_bytes < 8 && s.n >> (8 * length_bytes) != 0) {
		o->full = true;
		return;
	}
	sp_out_be(o, s.n, length_bytes);
	sp_out_slice(o, s);
}

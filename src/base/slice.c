#include "base/slice.h"

#include <assert.h>
#include <stdlib.h>

sp_slice
sp_str(const char *s)
{
	return (sp_slice){ s, s == NULL ? 0 : strlen(s) };
}

bool
sp_eq(sp_slice a, sp_slice b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static unsigned char
lower(unsigned char c)
{
	return c >= 'A' && c <= 'Z' ? (unsigned char)(c + 32) : c;
}

bool
sp_eq_nocase(sp_slice a, sp_slice b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		if (lower((unsigned char)a.p[i]) != lower((unsigned char)b.p[i]))
			return false;
	return true;
}

int
sp_cmp(sp_slice a, sp_slice b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int c = n == 0 ? 0 : memcmp(a.p, b.p, n);

	if (c != 0)
		return c;
	return a.n < b.n ? -1 : a.n > b.n;
}

bool
sp_starts(sp_slice s, sp_slice prefix)
{
	return s.n >= prefix.n && sp_eq((sp_slice){ s.p, prefix.n }, prefix);
}

bool
sp_ends(sp_slice s, sp_slice suffix)
{
	return s.n >= suffix.n && sp_eq((sp_slice){ s.p + (s.n - suffix.n), suffix.n }, suffix);
}

bool
sp_has_byte(sp_slice s, char c)
{
	return s.n != 0 && memchr(s.p, c, s.n) != NULL;
}

size_t
sp_find(sp_slice hay, sp_slice needle)
{
	const char *at;

	if (needle.n == 0)
		return 0;
	if (hay.n < needle.n)
		return SIZE_MAX;
	at = memmem(hay.p, hay.n, needle.p, needle.n);
	return at == NULL ? SIZE_MAX : (size_t)(at - hay.p);
}

void
sp_advance(sp_slice *in, size_t n)
{
	assert(n <= in->n);
	if (n != 0)
		in->p += n;
	in->n -= n;
}

bool
sp_take(sp_slice *in, sp_slice prefix)
{
	if (!sp_starts(*in, prefix))
		return false;
	sp_advance(in, prefix.n);
	return true;
}

bool
sp_take_nocase(sp_slice *in, sp_slice prefix)
{
	if (in->n < prefix.n || !sp_eq_nocase((sp_slice){ in->p, prefix.n }, prefix))
		return false;
	sp_advance(in, prefix.n);
	return true;
}

bool
sp_take_n(sp_slice *in, size_t n, sp_slice *out)
{
	if (n > in->n)
		return false;
	*out = (sp_slice){ in->p, n };
	sp_advance(in, n);
	return true;
}

bool
sp_take_to(sp_slice *in, char stop, sp_slice *out)
{
	const char *at = in->n == 0 ? NULL : memchr(in->p, stop, in->n);

	if (at == NULL)
		return false;
	*out = (sp_slice){ in->p, (size_t)(at - in->p) };
	sp_advance(in, out->n + 1);
	return true;
}

bool
sp_take_part(sp_slice *in, char sep, sp_slice *out)
{
	if (in->p == NULL)
		return false;
	if (!sp_take_to(in, sep, out)) {
		*out = *in;
		*in = (sp_slice){ NULL, 0 };
	}
	return true;
}

bool
sp_take_u64(sp_slice *in, uint64_t max, uint64_t *v)
{
	size_t n = sp_span(*in, sp_is_digit);
	uint64_t x = 0;

	if (n == 0 || (n > 1 && in->p[0] == '0'))
		return false;
	for (size_t i = 0; i < n; i++) {
		uint64_t d = (uint64_t)(in->p[i] - '0');

		if (x > (max - d) / 10 && (x > max / 10 || x * 10 > max - d))
			return false;
		x = x * 10 + d;
	}
	if (x > max)
		return false;
	sp_advance(in, n);
	*v = x;
	return true;
}

size_t
sp_span(sp_slice in, bool (*is)(unsigned char c))
{
	size_t n = 0;

	while (n < in.n && is((unsigned char)in.p[n]))
		n++;
	return n;
}

sp_slice
sp_sub(sp_slice s, size_t from, size_t n)
{
	if (from > s.n)
		from = s.n;
	if (n > s.n - from)
		n = s.n - from;
	return (sp_slice){ s.p == NULL ? NULL : s.p + from, n };
}

static bool
is_ows(char c)
{
	return c == ' ' || c == '\t';
}

sp_slice
sp_trim(sp_slice s)
{
	while (s.n != 0 && is_ows(s.p[0]))
		sp_advance(&s, 1);
	while (s.n != 0 && is_ows(s.p[s.n - 1]))
		s.n--;
	return s;
}

bool
sp_is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

bool
sp_is_alpha(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

int
sp_hex_value(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool
sp_is_hex(unsigned char c)
{
	return sp_hex_value(c) >= 0;
}

bool
sp_is_ctl(unsigned char c)
{
	return c < 0x20 || c == 0x7f;
}

bool
sp_is_tchar(unsigned char c)
{
	return sp_is_alpha(c) || sp_is_digit(c) || (c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

bool
sp_cstr(sp_slice s, char *buf, size_t cap)
{
	assert(cap != 0);
	buf[0] = '\0';
	if (s.n >= cap || sp_has_byte(s, '\0'))
		return false;
	if (s.n != 0)
		memcpy(buf, s.p, s.n);
	buf[s.n] = '\0';
	return true;
}

char *
sp_cstr_new(sp_slice s)
{
	char *p = malloc(s.n + 1);

	if (p == NULL || sp_cstr(s, p, s.n + 1))
		return p;
	free(p);
	return NULL;
}

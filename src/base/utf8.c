#include "base/utf8.h"

/* Length of the sequence a lead byte opens and the range of its second byte (RFC 3629 section 4); 0: no lead byte. */
static unsigned
lead(unsigned char c, unsigned char *low, unsigned char *high)
{
	*low = 0x80;
	*high = 0xbf;
	if (c < 0x80)
		return 1;
	if (c >= 0xc2 && c <= 0xdf)
		return 2;
	if (c >= 0xe0 && c <= 0xef) {
		*low = c == 0xe0 ? 0xa0 : 0x80;		/* overlong */
		*high = c == 0xed ? 0x9f : 0xbf;	/* surrogates */
		return 3;
	}
	if (c >= 0xf0 && c <= 0xf4) {
		*low = c == 0xf0 ? 0x90 : 0x80;		/* overlong */
		*high = c == 0xf4 ? 0x8f : 0xbf;	/* above U+10FFFF */
		return 4;
	}
	return 0;
}

/* Length of the well-formed sequence at p, 0 when there is none. */
static unsigned
sequence(const unsigned char *p, size_t n)
{
	unsigned char low, high;
	unsigned len;

	if (n == 0)
		return 0;
	len = lead(p[0], &low, &high);
	if (len == 0 || len > n)
		return 0;
	if (len > 1 && (p[1] < low || p[1] > high))
		return 0;
	for (unsigned i = 2; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

bool
sp_utf8_valid(sp_slice s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	size_t i = 0;

	while (i < s.n) {
		uint64_t eight;
		unsigned len;

		/* Nearly all text is ASCII: eight bytes at a time. */
		while (s.n - i >= 8) {
			memcpy(&eight, p + i, 8);
			if ((eight & 0x8080808080808080u) != 0)
				break;
			i += 8;
		}
		if (i == s.n)
			break;
		len = sequence(p + i, s.n - i);
		if (len == 0)
			return false;
		i += len;
	}
	return true;
}

bool
sp_utf8_take(sp_slice *in, uint32_t *cp)
{
	static const unsigned char mask[5] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	const unsigned char *p = (const unsigned char *)in->p;
	unsigned len = sequence(p, in->n);
	uint32_t v;

	if (len == 0)
		return false;
	v = p[0] & mask[len];
	for (unsigned i = 1; i < len; i++)
		v = v << 6 | (p[i] & 0x3fu);
	sp_advance(in, len);
	*cp = v;
	return true;
}

void
sp_utf8_add(struct sp_out *o, uint32_t cp)
{
	char b[4];
	size_t n;

	if (cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff))
		cp = 0xfffd;
	if (cp < 0x80) {
		b[0] = (char)cp;
		n = 1;
	} else if (cp < 0x800) {
		b[0] = (char)(0xc0 | cp >> 6);
		b[1] = (char)(0x80 | (cp & 0x3f));
		n = 2;
	} else if (cp < 0x10000) {
		b[0] = (char)(0xe0 | cp >> 12);
		b[1] = (char)(0x80 | (cp >> 6 & 0x3f));
		b[2] = (char)(0x80 | (cp & 0x3f));
		n = 3;
	} else {
		b[0] = (char)(0xf0 | cp >> 18);
		b[1] = (char)(0x80 | (cp >> 12 & 0x3f));
		b[2] = (char)(0x80 | (cp >> 6 & 0x3f));
		b[3] = (char)(0x80 | (cp & 0x3f));
		n = 4;
	}
	sp_out_add(o, b, n);
}

/* Controls, line separators and whatever reorders text on a screen. */
static bool
is_hostile(uint32_t cp, bool keep_lines)
{
	if (cp == '\n' || cp == '\t')
		return !keep_lines;
	return cp < 0x20 || (cp >= 0x7f && cp <= 0x9f) || cp == 0x061c || cp == 0x200e || cp == 0x200f ||
	    (cp >= 0x2028 && cp <= 0x202e) || (cp >= 0x2066 && cp <= 0x2069) || cp == 0xfeff;
}

static size_t
width(uint32_t cp)
{
	return cp < 0x80 ? 1 : cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
}

void
sp_utf8_clean(struct sp_out *o, sp_slice s, size_t max, bool keep_lines)
{
	size_t done = 0;

	while (s.n != 0) {
		uint32_t cp;

		if (!sp_utf8_take(&s, &cp)) {
			sp_advance(&s, 1);
			cp = 0xfffd;
		} else if (is_hostile(cp, keep_lines)) {
			cp = 0xfffd;
		}
		if (width(cp) > max - done)
			return;
		done += width(cp);
		sp_utf8_add(o, cp);
	}
}

#include "base/b64.h"

static const char std_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Value + 1 of each character of the alphabet, 0 for every other byte. */
#define LETTERS \
	['A'] = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, \
	['a'] = 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, \
	['0'] = 53, 54, 55, 56, 57, 58, 59, 60, 61, 62

static const uint8_t std_value[256] = { LETTERS, ['+'] = 63, ['/'] = 64 };
static const uint8_t url_value[256] = { LETTERS, ['-'] = 63, ['_'] = 64 };

/* n characters of one group, 2 to 4, to n - 1 bytes.  Bits that no byte takes must be zero. */
static bool
group(const uint8_t value[256], const unsigned char *c, size_t n, uint8_t *out)
{
	uint32_t bits = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned v = value[c[i]];

		if (v == 0)
			return false;
		bits = bits << 6 | (v - 1);
	}
	bits <<= 6 * (4 - n);
	for (size_t i = 0; i < n - 1; i++)
		out[i] = (uint8_t)(bits >> (16 - 8 * i));
	return (bits & (0xffffffu >> (8 * (n - 1)))) == 0;
}

/* Text without padding. */
static bool
decode(const uint8_t value[256], sp_slice in, uint8_t *out, size_t cap, size_t *n)
{
	const unsigned char *c = (const unsigned char *)in.p;
	size_t whole = in.n / 4, left = in.n % 4;
	size_t size = whole * 3 + (left == 0 ? 0 : left - 1);
	unsigned bad = 0;

	if (left == 1 || size > cap)
		return false;
	for (size_t i = 0; i < whole; i++, c += 4, out += 3) {
		unsigned a = value[c[0]], b = value[c[1]], d = value[c[2]], e = value[c[3]];
		uint32_t bits = (a - 1) << 18 | (b - 1) << 12 | (d - 1) << 6 | (e - 1);

		bad |= (a == 0) | (b == 0) | (d == 0) | (e == 0);
		out[0] = (uint8_t)(bits >> 16);
		out[1] = (uint8_t)(bits >> 8);
		out[2] = (uint8_t)bits;
	}
	if (bad != 0 || (left != 0 && !group(value, c, left, out)))
		return false;
	*n = size;
	return true;
}

bool
sp_b64url_decode(sp_slice in, void *buf, size_t cap, size_t *n)
{
	return decode(url_value, in, buf, cap, n);
}

bool
sp_b64_decode(sp_slice in, void *buf, size_t cap, size_t *n)
{
	if (in.n % 4 != 0)
		return false;
	if (in.n != 0 && in.p[in.n - 1] == '=')
		in.n -= in.p[in.n - 2] == '=' ? 2 : 1;
	return decode(std_value, in, buf, cap, n);
}

static void
encode(struct sp_out *o, const char *alphabet, const uint8_t *p, size_t n, bool pad)
{
	while (n != 0) {
		size_t k = n < 3 ? n : 3;
		uint32_t bits = (uint32_t)p[0] << 16 | (k > 1 ? (uint32_t)p[1] << 8 : 0) | (k > 2 ? p[2] : 0);
		char four[4];

		for (size_t i = 0; i < 4; i++)
			four[i] = i <= k ? alphabet[bits >> (18 - 6 * i) & 63] : '=';
		sp_out_add(o, four, pad ? 4 : k + 1);
		p += k;
		n -= k;
	}
}

void
sp_b64url_encode(struct sp_out *o, const void *p, size_t n)
{
	encode(o, url_alphabet, p, n, false);
}

void
sp_b64_encode(struct sp_out *o, const void *p, size_t n)
{
	encode(o, std_alphabet, p, n, true);
}

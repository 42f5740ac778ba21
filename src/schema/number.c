/* Exact decimal arithmetic on number texts, and hashes of values. */
#include "schema/schema_int.h"

enum { DIVISOR_DIGITS = 18 };
#define EXP_FAR ((int64_t)1 << 40)	/* beyond this no divisor and no number of ours can meet */

bool
sp_divisor_read(sp_slice number, struct sp_divisor *out)
{
	struct sp_jdec d = sp_jdec_read(number);
	uint64_t v = 0;

	if (d.minus || d.zero || d.ndigits > DIVISOR_DIGITS)
		return false;
	for (size_t i = 0; i < d.digits.n; i++)
		if (d.digits.p[i] != '.')
			v = v * 10 + (uint64_t)(d.digits.p[i] - '0');
	*out = (struct sp_divisor){ v, d.exp };
	return true;
}

static uint64_t
mul_mod(uint64_t a, uint64_t b, uint64_t m)
{
	return (uint64_t)((unsigned __int128)a * b % m);
}

static uint64_t
ten_to_mod(uint64_t exp, uint64_t m)
{
	uint64_t r = 1 % m, base = 10 % m;

	for (; exp != 0; exp >>= 1) {
		if ((exp & 1) != 0)
			r = mul_mod(r, base, m);
		base = mul_mod(base, base, m);
	}
	return r;
}

/*
 * number = A * 10^a and divisor = B * 10^b, neither A nor B ending in 0.  When a < b the quotient cannot be whole:
 * A would have to be a multiple of ten.  Else A * 10^(a-b) must be a multiple of B.
 */
bool
sp_is_multiple(sp_slice number, const struct sp_divisor *d)
{
	struct sp_jdec v = sp_jdec_read(number);
	uint64_t r = 0;

	if (v.zero)
		return true;
	if (v.exp < d->exp || v.exp >= EXP_FAR)
		return false;
	for (size_t i = 0; i < v.digits.n; i++)
		if (v.digits.p[i] != '.')
			r = (mul_mod(r, 10, d->digits) + (uint64_t)(v.digits.p[i] - '0')) % d->digits;
	return mul_mod(r, ten_to_mod((uint64_t)(v.exp - d->exp), d->digits), d->digits) == 0;
}

/* --- hashes --- */

static uint64_t
mix(uint64_t h)
{
	h ^= h >> 30;
	h *= 0xbf58476d1ce4e5b9u;
	h ^= h >> 27;
	h *= 0x94d049bb133111ebu;
	return h ^ h >> 31;
}

static uint64_t
text_hash(uint64_t seed, sp_slice s, char but)
{
	uint64_t h = 0xcbf29ce484222325u ^ seed;

	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] != but || but == '\0')
			h = (h ^ (unsigned char)s.p[i]) * 0x100000001b3u;
	return mix(h);
}

static uint64_t
number_hash(sp_slice s)
{
	struct sp_jdec d = sp_jdec_read(s);

	if (d.zero)
		return mix(2);
	return text_hash((uint64_t)d.exp * 2 + d.minus, d.digits, '.');
}

/* One frame a level of the document, whose depth its reader has bounded. */
uint64_t
sp_value_hash(sp_jval *v)
{
	uint64_t h = 1;

	if (sp_jis_num(v))
		return number_hash(sp_jtext(v));
	if (sp_jis_str(v))
		return text_hash(3, sp_jtext(v), '\0');
	if (sp_jis_obj(v)) {
		for (struct sp_jiter it = sp_jeach(v); sp_jnext(&it);)	/* in any order */
			h += mix(text_hash(5, it.key, '\0') ^ mix(sp_value_hash(it.val) + 7));
		return mix(h);
	}
	if (sp_jis_arr(v)) {
		for (struct sp_jiter it = sp_jeach(v); sp_jnext(&it);)
			h = mix(h * 31 + sp_value_hash(it.val));
		return mix(h + 11);
	}
	return mix(sp_jis_null(v) ? 13 : sp_jtrue(v) ? 17 : 19);
}

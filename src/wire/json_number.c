/* JSON number texts compared by value, without ever turning them into a machine number. */
#include "wire/json.h"

#define EXP_MAX ((int64_t)1e17)

/* Saturates: no text that fits into memory can outweigh 10^17. */
static int64_t
read_exp(sp_slice s)
{
	bool minus = sp_take(&s, SP_LIT("-"));
	int64_t v = 0;

	if (!minus)
		sp_take(&s, SP_LIT("+"));
	for (size_t i = 0; i < s.n && v < EXP_MAX; i++)
		v = v * 10 + (s.p[i] - '0');
	if (v > EXP_MAX)
		v = EXP_MAX;
	return minus ? -v : v;
}

static size_t
find_any(sp_slice s, char a, char b)
{
	size_t i = 0;

	while (i < s.n && s.p[i] != a && s.p[i] != b)
		i++;
	return i;
}

static bool
is_void(char c)
{
	return c == '0' || c == '.';
}

struct sp_jdec
sp_jdec_read(sp_slice s)
{
	struct sp_jdec v = { .minus = sp_take(&s, SP_LIT("-")) };
	size_t e = find_any(s, 'e', 'E'), dot, first = 0;

	if (e < s.n)
		v.exp = read_exp(sp_sub(s, e + 1, s.n));
	s.n = e;
	dot = find_any(s, '.', '.');
	while (first < s.n && is_void(s.p[first]))
		first++;
	v.zero = first == s.n;
	if (v.zero)
		return v;
	while (is_void(s.p[s.n - 1]))
		s.n--;
	v.digits = sp_sub(s, first, s.n);
	v.ndigits = v.digits.n - (first < dot && dot < s.n);
	/* Where the last digit stands, counted from the point. */
	v.exp += s.n <= dot ? (int64_t)(dot - s.n) : -(int64_t)(s.n - dot - 1);
	return v;
}

static int
cmp_digits(sp_slice a, sp_slice b)
{
	size_t i = 0, j = 0;

	for (;; i++, j++) {
		if (i < a.n && a.p[i] == '.')
			i++;
		if (j < b.n && b.p[j] == '.')
			j++;
		if (i >= a.n || j >= b.n)
			return (i < a.n) - (j < b.n);
		if (a.p[i] != b.p[j])
			return a.p[i] < b.p[j] ? -1 : 1;
	}
}

int
sp_jnum_cmp(sp_slice a, sp_slice b)
{
	struct sp_jdec x = sp_jdec_read(a), y = sp_jdec_read(b);
	int64_t xtop, ytop;	/* the value is 0.DIGITS times 10^top */
	int c;

	if (x.zero || y.zero) {
		if (x.zero && y.zero)
			return 0;
		return x.zero ? (y.minus ? 1 : -1) : (x.minus ? -1 : 1);
	}
	if (x.minus != y.minus)
		return x.minus ? -1 : 1;
	xtop = x.exp + (int64_t)x.ndigits;
	ytop = y.exp + (int64_t)y.ndigits;
	c = xtop != ytop ? (xtop < ytop ? -1 : 1) : cmp_digits(x.digits, y.digits);
	return x.minus ? -c : c;
}

bool
sp_jnum_is_int(sp_slice a)
{
	struct sp_jdec v = sp_jdec_read(a);

	return v.zero || v.exp >= 0;
}

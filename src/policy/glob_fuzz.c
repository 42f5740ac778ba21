/* The wildcard against the plainest way to say what it means: a table of which prefixes match. */
#include "policy/decide.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { MAX = 96 };

static bool
by_table(sp_slice p, sp_slice t)
{
	bool row[MAX + 1] = { true }, next[MAX + 1];

	for (size_t i = 0; i < p.n; i++) {
		bool star = p.p[i] == '*', deep = star && i + 1 < p.n && p.p[i + 1] == '*';

		i += deep;
		for (size_t j = 0; j <= t.n; j++) {
			if (star)
				next[j] = row[j] || (j != 0 && next[j - 1] && (deep || t.p[j - 1] != '/'));
			else
				next[j] = j != 0 && row[j - 1] && p.p[i] == t.p[j - 1];
		}
		memcpy(row, next, sizeof row);
	}
	return row[t.n];
}

/* One byte: length of the pattern; the rest is the text. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	sp_slice p, t;

	if (n == 0 || data[0] > n - 1 || data[0] > MAX)
		return 0;
	p = sp_mem(data + 1, data[0]);
	t = sp_mem(data + 1 + data[0], n - 1 - data[0]);
	if (t.n > MAX)
		t.n = MAX;
	if (sp_glob(p, t) != by_table(p, t))
		abort();
	if (!sp_has_byte(p, '*') && sp_glob(p, t) != sp_eq(p, t))
		abort();
	if (!sp_glob(SP_LIT("**"), t) || (!sp_has_byte(t, '*') && !sp_glob(t, t)))
		abort();
	return 0;
}

/*
 * The one wildcard of the language (config.md section 1.6).  Leftmost matching is enough: a '*' or '**' may
 * forget all earlier ones, but a '*' that a '/' stops must fall back to the last '**' before it.
 */
#include "policy/decide.h"

/* Where to go on after a mismatch: the pattern behind the star, the text it does not cover yet. */
struct retry {
	bool   set;
	size_t pat, text;
};

static bool
again(struct retry *star, struct retry *deep, sp_slice text, size_t *p, size_t *t)
{
	if (star->set && text.p[star->text] != '/') {
		*t = ++star->text;
		*p = star->pat;
		return true;
	}
	if (!deep->set)
		return false;
	/* What follows '**' spans a fixed number of slashes and met one too many: no start before the first of
	 * them can do better.  This keeps the whole linear in the text. */
	if (star->set)
		while (text.p[deep->text] != '/')
			deep->text++;
	star->set = false;
	*t = ++deep->text;
	*p = deep->pat;
	return true;
}

bool
sp_glob(sp_slice pattern, sp_slice text)
{
	struct retry star = { false, 0, 0 }, deep = { false, 0, 0 };
	size_t p = 0, t = 0;

	while (p < pattern.n || t < text.n) {
		if (p < pattern.n && pattern.p[p] == '*') {
			size_t stars = 1;

			while (p + stars < pattern.n && pattern.p[p + stars] == '*')
				stars++;
			p += stars;
			star = (struct retry){ stars == 1, p, t };
			if (stars > 1)
				deep = (struct retry){ true, p, t };
			continue;
		}
		if (t == text.n)	/* a later start has even less text */
			return false;
		if (p < pattern.n && pattern.p[p] == text.p[t]) {
			p++;
			t++;
			continue;
		}
		if (!again(&star, &deep, text, &p, &t))
			return false;
	}
	return true;
}

#include "policy/checked.h"

#include "base/utf8.h"

static const struct sp_check_said *
said_by(const struct sp_check_said *said, uint32_t n, uint32_t check)
{
	for (uint32_t i = 0; i < n; i++)
		if (said[i].check == check)
			return &said[i];
	return NULL;
}

static sp_slice
name_of(const struct sp_image *img, uint32_t check)
{
	return sp_img_str(img, SP_IMG_AT(img, img->head->checks, check, check)->name);
}

static bool
demands(const struct sp_image *img, uint32_t rule, uint32_t check)
{
	const struct sp_img_rule *r = SP_IMG_AT(img, img->head->rules, rule, rule);

	for (uint32_t i = 0; i < r->checks.n; i++)
		if (sp_img_u32(img, r->checks)[i] == check)
			return true;
	return false;
}

static void
conclude(const struct sp_image *img, struct sp_decision *d, enum sp_outcome outcome, uint32_t check, char *why)
{
	d->outcome = outcome;
	d->reason = why;
	d->reason_rule = UINT32_MAX;
	for (uint32_t i = 0; i < d->nleft && i < SP_RULES_LEFT && d->reason_rule == UINT32_MAX; i++)
		if (demands(img, d->left[i], check))
			d->reason_rule = d->left[i];
}

static void
reason(const struct sp_image *img, uint32_t check, const char *what, sp_slice text, char why[SP_CHECK_REASON])
{
	struct sp_out o;

	sp_out_init(&o, why, SP_CHECK_REASON - 1);
	sp_out_fmt(&o, "check %.*s %s", SP_PRI(sp_sub(name_of(img, check), 0, 64)), what);
	if (text.n != 0) {
		sp_out_str(&o, ": ");
		sp_utf8_clean(&o, text, 256, false);
	}
	why[o.n] = '\0';
}

static bool
lacks(const struct sp_image *img, const struct sp_principal *who, sp_slice scope)
{
	uint32_t i = sp_img_find_scope(img, scope);

	return i == UINT32_MAX || !sp_bit(who->scopes, who->scope_words, i);
}

static bool
lacks_any(const struct sp_image *img, const struct sp_principal *who, sp_slice scopes)
{
	sp_slice one;

	while (sp_take_part(&scopes, ' ', &one))
		if (lacks(img, who, one))
			return true;
	return false;
}

static bool
has_word(sp_slice list, sp_slice word)
{
	sp_slice one;

	while (sp_take_part(&list, ' ', &one))
		if (sp_eq(one, word))
			return true;
	return false;
}

/* Of those that are named already none again. */
static void
add_scopes(struct sp_out *o, sp_slice scopes)
{
	sp_slice one;

	while (sp_take_part(&scopes, ' ', &one)) {
		if (has_word(sp_out_view(o), one))
			continue;
		if (o->n != 0)
			sp_out_byte(o, ' ');
		sp_out_slice(o, one);
	}
}

/* What it comes to: one that names only scopes that the caller has would send it around in circles. */
static enum sp_check_verdict
verdict_of(const struct sp_image *img, const struct sp_principal *who, const struct sp_check_said *s)
{
	if (s == NULL)
		return SP_CHECK_FAILED;
	if (s->verdict == SP_CHECK_SHORT && !lacks_any(img, who, s->scopes))
		return SP_CHECK_DENIED;
	return s->verdict;
}

static void
explain(const struct sp_image *img, const struct sp_check_said *s, enum sp_check_verdict v, uint32_t check,
    char why[SP_CHECK_REASON])
{
	static const sp_slice none = { NULL, 0 };

	switch (v) {
	case SP_CHECK_FAILED:
		reason(img, check, "failed", s == NULL ? SP_LIT("it was not asked") : s->text, why);
		return;
	case SP_CHECK_DENIED:
		if (s->verdict == SP_CHECK_SHORT)
			reason(img, check, "denies: it names scopes that the caller has", s->scopes, why);
		else
			reason(img, check, "denies", s->text, why);
		return;
	case SP_CHECK_REFUSED:
		reason(img, check, "refuses", s->text, why);
		return;
	default:
		reason(img, check, "wants scopes", s == NULL ? none : s->scopes, why);
	}
}

void
sp_decide_checked(const struct sp_image *img, const struct sp_principal *who, const struct sp_check_said *said, uint32_t n,
    struct sp_decision *d, char why[SP_CHECK_REASON], struct sp_out *scopes, sp_slice *say)
{
	enum sp_check_verdict worst = SP_CHECK_ALLOWED;
	uint32_t by = 0;

	if (d->checks == 0 || (d->outcome != SP_ALLOW && d->outcome != SP_ASK))
		return;
	for (uint32_t i = 0; i < img->head->checks.n; i++) {
		const struct sp_check_said *s = said_by(said, n, i);
		enum sp_check_verdict v;

		if ((d->checks >> i & 1) == 0)
			continue;
		v = verdict_of(img, who, s);
		if (v < worst) {
			worst = v;
			by = i;
		}
		if (v != SP_CHECK_SHORT)
			continue;
		if (scopes->n == 0)
			sp_scopes_write(scopes, img, d->wanted, SP_SCOPE_WORDS);
		add_scopes(scopes, s->scopes);
	}
	if (worst == SP_CHECK_ALLOWED)
		return;
	explain(img, said_by(said, n, by), worst, by, why);
	if (worst == SP_CHECK_REFUSED) {
		*say = said_by(said, n, by)->text;
		conclude(img, d, SP_REFUSED, by, why);
		return;
	}
	if (worst != SP_CHECK_SHORT) {
		conclude(img, d, SP_CLOSED, by, why);
		return;
	}
	conclude(img, d, d->manner == SP_MANNER_HIDE ? SP_CLOSED : SP_SHORT, by, why);
	*say = sp_out_view(scopes);
}

struct sp_view
sp_view_of(const struct sp_check_said *said, uint32_t n)
{
	struct sp_view v = { 0, 0 };

	for (uint32_t i = 0; i < n; i++) {
		if (said[i].verdict == SP_CHECK_ALLOWED)
			v.allowed |= UINT64_C(1) << said[i].check;
		else if (said[i].verdict == SP_CHECK_SHORT)
			v.lacking |= UINT64_C(1) << said[i].check;
	}
	return v;
}

static bool
is_scope_char(unsigned char c)
{
	return c == 0x21 || (c >= 0x23 && c <= 0x5b) || (c >= 0x5d && c <= 0x7e);
}

bool
sp_scope_list_ok(sp_slice list)
{
	sp_slice rest = list, one;

	if (list.n == 0 || list.p[list.n - 1] == ' ' || list.p[0] == ' ')
		return false;
	while (sp_take_part(&rest, ' ', &one))
		if (one.n == 0 || sp_span(one, is_scope_char) != one.n || has_word(sp_sub(list, 0, (size_t)(one.p - list.p)), one))
			return false;
	return true;
}

#include "outbound/scrub.h"

#include "outbound/scrub_form.h"

enum {
	SHIFTS = 4096, BUCKETS = 256, NONE = UINT16_MAX,
	FORMS_EACH = 17, ENTRIES_EACH = 128,	/* per value, at most */
	TEXT_MAX = 16384 + 512			/* longest value */
};

struct entry { uint16_t form, next; };

struct sp_scrub {
	size_t	 window;		/* bytes of each form that are searched for; 0: nothing to find */
	size_t	 nvalues, nforms, nentries;
	sp_slice *values;
	struct sp_form *forms;
	struct entry *entries;
	char	*bytes;			/* of all values */
	sp_slice mark;
	uint16_t head[BUCKETS];
	uint8_t	 shift[SHIFTS];		/* by the last two bytes of a window: how far it may move on */
};

static inline unsigned
block(uint8_t a, uint8_t b)
{
	return ((unsigned)a << 8 | b) * 0x9e3779b1u >> 20;
}

/* --- tables */

static bool
has_any(sp_slice v, const char *set, bool high)
{
	for (size_t i = 0; i < v.n; i++) {
		uint8_t c = (uint8_t)v.p[i];

		if ((c != 0 && strchr(set, c) != NULL) || (high && (c >= 0x7f || c < 0x20)))
			return true;
	}
	return false;
}

static void
add_entry(struct sp_scrub *s, unsigned h, size_t form)
{
	uint16_t *head = &s->head[h >> 4];

	s->shift[h] = 0;
	s->entries[s->nentries] = (struct entry){ (uint16_t)form, *head };
	*head = (uint16_t)s->nentries++;
}

/* Upper and lower case of the two bytes, where they may differ; every variant goes into the table. */
static void
add_block(struct sp_scrub *s, const struct sp_form_start *w, size_t j, size_t form)
{
	for (unsigned v = 0; v < 4; v++) {
		uint8_t a = w->text[j], b = w->text[j + 1];
		size_t left = s->window - 2 - j;
		unsigned h;

		if (((v & 1) != 0 && !w->fold[j]) || ((v & 2) != 0 && !w->fold[j + 1]))
			continue;
		h = block((uint8_t)(v & 1 ? a - 32 : a), (uint8_t)(v & 2 ? b - 32 : b));
		if (left == 0)
			add_entry(s, h, form);
		else if (s->shift[h] > left)
			s->shift[h] = (uint8_t)left;
	}
}

static void
add_windows(struct sp_scrub *s, size_t form)
{
	struct sp_form_start w[SP_FORM_ANCHORS];
	const struct sp_form *f = &s->forms[form];
	unsigned n = 0;

	for (unsigned anchor = 0; anchor < SP_FORM_ANCHORS; anchor++) {
		bool twin = false;

		if (!sp_form_start(f, s->values[f->value], anchor, s->window, &w[n]))
			continue;
		for (unsigned k = 0; k < n; k++)
			twin = twin || memcmp(w[k].text, w[n].text, s->window) == 0;
		if (twin)
			continue;
		for (size_t j = 0; j + 1 < s->window; j++)
			add_block(s, &w[n], j, form);
		n++;
	}
	explicit_bzero(w, sizeof w);
}

static void
add_form(struct sp_scrub *s, struct sp_form f)
{
	if (f.family == SP_FORM_B64 && sp_form_b64_chars(&f, s->values[f.value].n) == 0)
		return;
	s->forms[s->nforms] = f;
	add_windows(s, s->nforms++);
}

static void
add_value(struct sp_scrub *s, size_t i)
{
	sp_slice v = s->values[i];
	uint16_t value = (uint16_t)i;

	add_form(s, (struct sp_form){ value, SP_FORM_RAW, 0, false, false });
	add_form(s, (struct sp_form){ value, SP_FORM_HEX, 0, false, false });
	add_form(s, (struct sp_form){ value, SP_FORM_PCT, 0, false, false });
	if (has_any(v, "\"\\/<>&'+`", true))
		add_form(s, (struct sp_form){ value, SP_FORM_JSON, 0, false, false });
	if (has_any(v, "\"<>&'", true))
		add_form(s, (struct sp_form){ value, SP_FORM_HTML, 0, false, false });
	for (unsigned k = 0; k < 12; k++)
		add_form(s, (struct sp_form){ value, SP_FORM_B64, (uint8_t)(k % 3), k / 3 % 2 != 0, k / 6 != 0 });
}

/* --- the mark: must not be completed to a form by what stands beside it, nor hold one */

static bool
mark_fits(const struct sp_scrub *s, sp_slice mark)
{
	for (size_t i = 0; i < s->nvalues; i++)
		if (sp_has_byte(s->values[i], mark.p[0]) || sp_has_byte(s->values[i], mark.p[mark.n - 1]))
			return false;
	return sp_scrub_clean(s, mark);
}

static bool
choose_mark(struct sp_scrub *s)
{
	/* First and last bytes that no encoder of scrub_form.c writes, so that only the values count. */
	static const sp_slice marks[] = {
		SP_LIT_INIT("[redacted]"), SP_LIT_INIT("<redacted>"), SP_LIT_INIT("(redacted)"),
		SP_LIT_INIT("{redacted}"), SP_LIT_INIT("*redacted*"), SP_LIT_INIT("|redacted|"),
		SP_LIT_INIT("~redacted~"), SP_LIT_INIT("^redacted^"), SP_LIT_INIT("\"redacted\""),
		SP_LIT_INIT(" - "), SP_LIT_INIT("\xef\xbf\xbd"), SP_LIT_INIT("\n\n"),
	};

	for (size_t i = 0; i < SP_COUNT(marks); i++) {
		if (!mark_fits(s, marks[i]))
			continue;
		s->mark = marks[i];
		return true;
	}
	return false;
}

/* --- making one */

struct plan { size_t values, bytes, shortest; };

/* The password of user:password, as a value of its own when it is long enough to be searched for. */
static sp_slice
password(const struct sp_scrub_value *v)
{
	sp_slice all = sp_secret_peek(v->secret), user, rest = all;

	if (!v->basic || !sp_take_to(&rest, ':', &user) || rest.n < SP_SCRUB_MIN)
		return (sp_slice){ NULL, 0 };
	return rest;
}

static enum sp_status
measure(const struct sp_scrub_value *v, size_t n, struct plan *p, struct sp_err *e)
{
	*p = (struct plan){ 0, 0, SP_FORM_WINDOW };
	if (n > SP_SCRUB_VALUES)
		return sp_fail(e, SP_E_FULL, NULL, "more than %d secrets for one upstream", SP_SCRUB_VALUES);
	for (size_t i = 0; i < n; i++) {
		sp_slice all = sp_secret_peek(v[i].secret), pass = password(&v[i]);

		if (all.n < SP_SCRUB_MIN)
			return sp_fail(e, SP_E_CONFIG, NULL,
			    "a secret of fewer than %d bytes cannot be kept out of answers", SP_SCRUB_MIN);
		if (all.n > TEXT_MAX)
			return sp_fail(e, SP_E_CONFIG, NULL, "a secret of more than %d bytes", TEXT_MAX);
		p->values += pass.n == 0 ? 1 : 2;
		p->bytes += all.n + pass.n;
		if (all.n < p->shortest)
			p->shortest = all.n;
		if (pass.n != 0 && pass.n < p->shortest)
			p->shortest = pass.n;
	}
	if (p->values * ENTRIES_EACH >= NONE)
		return sp_fail(e, SP_E_FULL, NULL, "too many secrets for one upstream");
	return SP_OK;
}

/* One block of locked memory: the struct, then its arrays, then the bytes of the values. */
static struct sp_scrub *
room(const struct plan *p)
{
	size_t forms = p->values * FORMS_EACH, entries = p->values * ENTRIES_EACH;
	size_t n = sizeof(struct sp_scrub) + p->values * sizeof(sp_slice) + forms * sizeof(struct sp_form) +
	    entries * sizeof(struct entry) + p->bytes;
	struct sp_scrub *s = sp_locked_new(n);

	if (s == NULL)
		return NULL;
	memset(s, 0, n);
	s->values = (void *)(s + 1);
	s->forms = (void *)(s->values + p->values);
	s->entries = (void *)(s->forms + forms);
	s->bytes = (void *)(s->entries + entries);
	return s;
}

static void
keep(struct sp_scrub *s, sp_slice v)
{
	char *to = s->bytes;

	if (v.n == 0)
		return;
	memcpy(to, v.p, v.n);
	s->bytes += v.n;
	s->values[s->nvalues++] = sp_mem(to, v.n);
}

enum sp_status
sp_scrub_new(const struct sp_scrub_value *values, size_t n, struct sp_scrub **out, struct sp_err *e)
{
	struct sp_scrub *s;
	struct plan p;
	enum sp_status st = measure(values, n, &p, e);

	if (st != SP_OK)
		return st;
	s = room(&p);
	if (s == NULL)
		return sp_fail(e, SP_E_FULL, NULL, "no locked memory for the scrubber");
	s->window = n == 0 ? 0 : p.shortest;
	memset(s->shift, s->window == 0 ? 0 : (int)s->window - 1, sizeof s->shift);
	memset(s->head, 0xff, sizeof s->head);
	for (size_t i = 0; i < n; i++) {
		keep(s, sp_secret_peek(values[i].secret));
		keep(s, password(&values[i]));
	}
	for (size_t i = 0; i < s->nvalues; i++)
		add_value(s, i);
	if (!choose_mark(s)) {
		sp_scrub_free(&s);
		return sp_fail(e, SP_E_CONFIG, NULL, "a secret that leaves no mark to put in its place");
	}
	*out = s;
	return SP_OK;
}

void
sp_scrub_free(struct sp_scrub **s)
{
	if (*s != NULL)
		sp_locked_free(*s);
	*s = NULL;
}

/* --- search */

enum { BUDGET_EACH = 8, BUDGET_FREE = 1 << 20 };

/* At `pos` of `text`: the longest form there.  MORE: a form may be there, the bytes do not suffice to tell. */
static enum sp_form_match
look(const struct sp_scrub *s, sp_slice text, size_t pos, unsigned h, bool last, size_t *longest, uint64_t *work)
{
	sp_slice in = { text.p + pos, text.n - pos };
	enum sp_form_match all = SP_FORM_NO;

	*longest = 0;
	for (uint16_t i = s->head[h >> 4]; i != NONE; i = s->entries[i].next) {
		const struct sp_form *f = &s->forms[s->entries[i].form];
		size_t n = 0;
		enum sp_form_match m = sp_form_match(f, s->values[f->value], in, last, &n, work);

		if (m == SP_FORM_MORE)
			return m;
		if (m == SP_FORM_HIT && n > *longest) {
			*longest = n;
			all = m;
		}
	}
	return all;
}

struct work { uint64_t done, limit; };

/* The next place from *pos on where something begins, or (NO) where the bytes end.  Over the limit: MORE. */
static enum sp_form_match
search(const struct sp_scrub *s, sp_slice text, bool last, size_t *pos, size_t *len, struct work *w)
{
	const uint8_t *b = (const uint8_t *)text.p;
	size_t at = *pos, m = s->window;

	if (m == 0)
		at = text.n;
	while (m != 0 && at + m <= text.n) {
		unsigned h = block(b[at + m - 2], b[at + m - 1]);
		enum sp_form_match found;

		if (s->shift[h] != 0) {
			at += s->shift[h];
			continue;
		}
		found = look(s, text, at, h, last, len, &w->done);
		if (w->done > w->limit)
			found = SP_FORM_MORE;
		if (found != SP_FORM_NO) {
			*pos = at;
			return found;
		}
		at++;
	}
	*pos = at;
	return SP_FORM_NO;
}

bool
sp_scrub_clean(const struct sp_scrub *s, sp_slice text)
{
	struct work w = { 0, text.n * BUDGET_EACH + BUDGET_FREE };
	size_t pos = 0, len;

	return search(s, text, true, &pos, &len, &w) == SP_FORM_NO;
}

static void
pass(struct sp_scrub_state *st, sp_slice text, size_t to, struct sp_out *out)
{
	if (to <= st->from)
		return;
	sp_out_add(out, text.p + st->from, to - st->from);
	st->from = to;
	st->marked = false;
}

static enum sp_status
scan(const struct sp_scrub *s, struct sp_scrub_state *st, sp_slice text, bool last, struct sp_out *out)
{
	struct work w = { st->work, st->seen * BUDGET_EACH + BUDGET_FREE };
	size_t len = 0;

	while (search(s, text, last, &st->pos, &len, &w) == SP_FORM_HIT) {
		/* What begins inside the last find only makes that longer; beside it, it shares its mark. */
		if (st->pos >= st->from) {
			pass(st, text, st->pos, out);
			if (!st->marked) {
				sp_out_slice(out, s->mark);
				st->hits++;
			}
			st->marked = true;
		}
		if (st->pos + len > st->from)
			st->from = st->pos + len;
		st->pos++;
	}
	st->work = w.done;
	if (w.done > w.limit)
		return SP_E_TOO_BIG;
	pass(st, text, last ? text.n : st->pos < text.n ? st->pos : text.n, out);
	return out->full ? SP_E_FULL : SP_OK;
}

enum { HELD_MAX = 1 << 27 };

enum sp_status
sp_scrub_run(const struct sp_scrub *s, struct sp_scrub_state *st, sp_slice in, bool last, struct sp_out *out)
{
	sp_slice text = in;
	enum sp_status result;
	size_t gone;

	if (st->failed)
		return SP_E_BUG;
	st->seen += in.n;
	if (!last && !st->held.heap)
		sp_out_heap(&st->held, HELD_MAX);
	if (!last || st->held.n != 0) {
		sp_out_slice(&st->held, in);
		text = sp_out_view(&st->held);
	}
	result = st->held.full ? SP_E_FULL : scan(s, st, text, last, out);
	if (result != SP_OK) {
		st->failed = true;
		return result;
	}
	if (last)
		return SP_OK;
	gone = st->pos < text.n ? st->pos : text.n;
	if (gone != 0)
		memmove(st->held.p, st->held.p + gone, st->held.n - gone);
	st->held.n -= gone;
	st->from -= gone;
	st->pos -= gone;
	return SP_OK;
}

void
sp_scrub_state_free(struct sp_scrub_state *st)
{
	if (st->held.cap != 0)
		explicit_bzero(st->held.p, st->held.cap);
	sp_out_free(&st->held);
	*st = (struct sp_scrub_state){ 0 };
}

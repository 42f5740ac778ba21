#include "config/value.h"

enum { TEXT_MAX = 4096 };

void *
sp_cfg_alloc(struct cfg *c, size_t n, size_t size)
{
	return sp_arena_get(&c->mem, (n == 0 ? 1 : n) * size);	/* a full arena is reported once, at the end */
}

const struct node *
sp_cfg_first(const struct node *n)
{
	return n->kind == NODE_LIST ? n->first : n;
}

const struct node *
sp_cfg_after(const struct node *n, const struct node *member)
{
	return n->kind == NODE_LIST ? member->next : NULL;
}

uint32_t
sp_cfg_count(const struct node *n)
{
	return n->kind == NODE_LIST ? n->n : 1;
}

bool
sp_cfg_some(struct cfg *c, const struct node *n, const char *what)
{
	if (n->kind == NODE_BAD)
		return false;
	if (n->kind == NODE_LIST && n->first == NULL) {
		ERR(c, n, "`%s` is an empty list", what);
		return false;
	}
	return true;
}

static bool
is_null(const struct node *n)
{
	static const char *const words[] = { "", "~", "null", "Null", "NULL" };

	if (!n->plain)
		return n->text.n == 0;
	for (size_t i = 0; i < SP_COUNT(words); i++)
		if (sp_eq(n->text, sp_str(words[i])))
			return true;
	return false;
}

static bool
has_control(sp_slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (sp_is_ctl((unsigned char)s.p[i]))
			return true;
	return false;
}

bool
sp_cfg_text(struct cfg *c, const struct node *n, const char *what, struct item *out)
{
	if (n->kind == NODE_BAD)
		return false;
	if (n->kind != NODE_SCALAR) {
		ERR(c, n, "`%s` must be text", what);
		return false;
	}
	if (is_null(n)) {
		ERR(c, n, "`%s` is empty", what);
		return false;
	}
	if (n->text.n > TEXT_MAX || has_control(n->text)) {
		ERR(c, n, n->text.n > TEXT_MAX ? "`%s` is too long" : "`%s` holds a control character or line break", what);
		return false;
	}
	*out = (struct item){ n->text, n->line, n->col };
	return true;
}

static bool
has_item(const struct items *list, sp_slice text)
{
	for (uint32_t i = 0; i < list->n; i++)
		if (sp_eq(list->v[i].text, text))
			return true;
	return false;
}

bool
sp_cfg_texts(struct cfg *c, const struct node *n, const char *what, struct items *out)
{
	struct items got = { 0 };
	bool good = true;

	if (!sp_cfg_some(c, n, what))
		return false;
	got.v = sp_cfg_alloc(c, sp_cfg_count(n), sizeof *got.v);
	if (got.v == NULL)
		return false;
	for (const struct node *m = sp_cfg_first(n); m != NULL; m = sp_cfg_after(n, m)) {
		struct item one;

		if (!sp_cfg_text(c, m, what, &one)) {
			good = false;
			continue;
		}
		if (got.n < SP_YAML_KEYS && has_item(&got, one.text)) {
			ERR(c, m, "`%.*s` is in this list twice", SP_PRI(one.text));
			good = false;
			continue;
		}
		got.v[got.n++] = one;
	}
	*out = got;
	return good;
}

struct item
sp_cfg_key(const struct node *n)
{
	return (struct item){ n->key->text, n->key->line, n->key->col };
}

size_t
sp_cfg_word(struct cfg *c, const struct node *n, const char *what, const sp_slice *words, size_t nwords)
{
	struct item it;

	if (!sp_cfg_text(c, n, what, &it))
		return SIZE_MAX;
	for (size_t i = 0; i < nwords; i++)
		if (sp_eq(words[i], it.text))
			return i;
	ERR(c, n, "`%s`: unknown word `%.*s`%s", what, SP_PRI(it.text), sp_cfg_hint(c, it.text, words, nwords));
	return SIZE_MAX;
}

struct unit { sp_slice name; uint64_t factor; };

/* Digits and one of the units; false without a message. */
static bool
take_with_unit(sp_slice in, const struct unit *units, size_t n, uint64_t *out)
{
	uint64_t v;

	if (!sp_take_u64(&in, UINT32_MAX, &v))
		return false;
	for (size_t i = 0; i < n; i++)
		if (sp_eq(in, units[i].name)) {
			*out = v * units[i].factor;
			return true;
		}
	return false;
}

static bool
in_bounds(struct cfg *c, const struct node *n, const char *what, uint64_t v, uint64_t min, uint64_t max, const char *unit)
{
	if (v >= min && v <= max)
		return true;
	ERR(c, n, "`%s` must lie between %llu%s and %llu%s", what, (unsigned long long)min, unit,
	    (unsigned long long)max, unit);
	return false;
}

bool
sp_cfg_number(struct cfg *c, const struct node *n, const char *what, uint64_t min, uint64_t max, uint64_t *out)
{
	static const struct unit none[] = { { SP_LIT_INIT(""), 1 } };
	struct item it;
	uint64_t v;

	if (!sp_cfg_text(c, n, what, &it))
		return false;
	if (!take_with_unit(it.text, none, 1, &v)) {
		ERR(c, n, "`%s` must be a whole decimal number", what);
		return false;
	}
	if (!in_bounds(c, n, what, v, min, max, ""))
		return false;
	*out = v;
	return true;
}

bool
sp_cfg_size(struct cfg *c, const struct node *n, const char *what, uint64_t min, uint64_t max, uint64_t *out)
{
	static const struct unit units[] = {
		{ SP_LIT_INIT("B"), 1 }, { SP_LIT_INIT("kB"), 1024 }, { SP_LIT_INIT("MB"), 1024 * 1024 },
	};
	struct item it;
	uint64_t v;

	if (!sp_cfg_text(c, n, what, &it))
		return false;
	if (!take_with_unit(it.text, units, SP_COUNT(units), &v)) {
		ERR(c, n, "`%s` must be a size: 64kB, 1MB", what);
		return false;
	}
	if (!in_bounds(c, n, what, v, min, max, " bytes"))
		return false;
	*out = v;
	return true;
}

bool
sp_cfg_time(struct cfg *c, const struct node *n, const char *what, uint64_t min_ms, uint64_t max_ms, uint64_t *out)
{
	static const struct unit units[] = {
		{ SP_LIT_INIT("s"), 1000 }, { SP_LIT_INIT("m"), 60000 }, { SP_LIT_INIT("h"), 3600000 },
		{ SP_LIT_INIT("d"), 86400000 },
	};
	struct item it;
	uint64_t v;

	if (!sp_cfg_text(c, n, what, &it))
		return false;
	if (!take_with_unit(it.text, units, SP_COUNT(units), &v)) {
		ERR(c, n, "`%s` must be a time: 30s, 5m, 1h, 7d", what);
		return false;
	}
	if (v < min_ms || v > max_ms)
		return in_bounds(c, n, what, v / 1000, min_ms / 1000, max_ms / 1000, "s");
	*out = v;
	return true;
}

bool
sp_cfg_rate(struct cfg *c, const struct node *n, const char *what, uint64_t *calls, uint64_t *per_ms)
{
	static const struct unit units[] = {
		{ SP_LIT_INIT("s"), 1000 }, { SP_LIT_INIT("min"), 60000 }, { SP_LIT_INIT("h"), 3600000 },
	};
	struct item it;
	sp_slice rest, number;
	uint64_t v = 0;

	if (!sp_cfg_text(c, n, what, &it))
		return false;
	rest = it.text;
	if (sp_take_to(&rest, '/', &number) && sp_take_u64(&number, 1000000, &v) && number.n == 0 && v != 0)
		for (size_t i = 0; i < SP_COUNT(units); i++)
			if (sp_eq(rest, units[i].name)) {
				*calls = v;
				*per_ms = units[i].factor;
				return true;
			}
	ERR(c, n, "`%s` must be a rate: 60/min, 10/s, 1000/h", what);
	return false;
}

bool
sp_cfg_is_name(sp_slice s)
{
	if (s.n == 0 || s.n > 32 || s.p[0] < 'a' || s.p[0] > 'z')
		return false;
	for (size_t i = 1; i < s.n; i++)
		if (!(s.p[i] >= 'a' && s.p[i] <= 'z') && !sp_is_digit((unsigned char)s.p[i]) && s.p[i] != '-')
			return false;
	return !sp_eq(s, SP_LIT("all")) && !sp_eq(s, SP_LIT("anyone")) && !sp_eq(s, SP_LIT("anonymous"));
}

/* RFC 6749 section 3.3: scope-token = 1*( %x21 / %x23-5B / %x5D-7E ) */
bool
sp_cfg_scope_token(struct cfg *c, const struct items *names, const char *what)
{
	bool good = true;

	for (uint32_t i = 0; i < names->n; i++) {
		const struct item *it = &names->v[i];
		bool fine = it->text.n <= 256;

		for (size_t j = 0; j < it->text.n; j++) {
			unsigned char b = (unsigned char)it->text.p[j];

			fine = fine && b > 0x20 && b < 0x7f && b != '"' && b != '\\';
		}
		if (fine)
			continue;
		good = false;
		ERR(c, it, "`%s`: a scope is one word without spaces or quotes; several are written as a list: [a, b]", what);
	}
	return good;
}

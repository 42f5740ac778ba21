#include "openapi/yaml_json.h"

#include "base/hash.h"
#include "base/utf8.h"
#include "wire/json.h"

#include <stdlib.h>
#include <yaml.h>

/* Keys seen, of all mappings: one table with open addressing. */
struct key { uint32_t map, at, n, line; };	/* map 0: free; at, n: its JSON string in the output */

struct yaml {
	struct sp_out *o;
	struct sp_err *e;
	struct sp_hash_key hash;
	struct key *keys;
	size_t	 size, used;		/* size: a power of two, or 0 */
	uint32_t values, maps;
	struct level { uint32_t map, n; bool has_key; } level[SP_YAML_LEVELS];	/* map 0: a list */
	unsigned depth, documents;
};

/* Where an event begins, counted from 1. */
static enum sp_status
refuse(struct yaml *y, const yaml_mark_t *at, const char *what)
{
	return sp_fail(y->e, SP_E_CONFIG, NULL, "line %zu, column %zu: %s", at->line + 1, at->column + 1, what);
}

/* --- plain scalars, YAML 1.2 section 10.3.2 --- */

static bool
is_any(sp_slice s, const sp_slice *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (sp_eq(s, list[i]))
			return true;
	return false;
}

static size_t
digits(sp_slice *s, sp_slice *out)
{
	size_t n = sp_span(*s, sp_is_digit);

	return sp_take_n(s, n, out) ? n : 0;
}

/* [-+]? ( [0-9]+ ( \. [0-9]* )? | \. [0-9]+ ) ( [eE] [-+]? [0-9]+ )? as a JSON number; false: it is text. */
static bool
decimal(sp_slice s, struct sp_out *o)
{
	sp_slice whole, part = SP_LIT(""), exp = SP_LIT("");
	bool minus = sp_take(&s, SP_LIT("-")), below = false;
	size_t n, m = 0;

	if (!minus)
		(void)sp_take(&s, SP_LIT("+"));
	n = digits(&s, &whole);
	if (sp_take(&s, SP_LIT(".")))
		m = digits(&s, &part);
	if (n + m == 0)
		return false;
	if (sp_take_nocase(&s, SP_LIT("e"))) {
		below = sp_take(&s, SP_LIT("-"));
		if (!below)
			(void)sp_take(&s, SP_LIT("+"));
		if (digits(&s, &exp) == 0)
			return false;
	}
	if (s.n != 0)
		return false;
	while (n > 1 && whole.p[0] == '0') {	/* JSON has no leading zeros */
		sp_advance(&whole, 1);
		n--;
	}
	sp_out_str(o, minus ? "-" : "");
	sp_out_slice(o, n == 0 ? SP_LIT("0") : whole);
	sp_out_str(o, m == 0 ? "" : ".");
	sp_out_slice(o, part);
	sp_out_str(o, exp.n == 0 ? "" : below ? "e-" : "e");
	sp_out_slice(o, exp);
	return true;
}

/* 0o17 and 0x1f; longer ones than 64 bits are text. */
static bool
other_base(sp_slice s, struct sp_out *o)
{
	unsigned bits = sp_take(&s, SP_LIT("0o")) ? 3 : sp_take(&s, SP_LIT("0x")) ? 4 : 0;
	uint64_t v = 0;

	if (bits == 0 || s.n == 0 || s.n > 16 || (bits == 3 && s.n > 21))
		return false;
	for (size_t i = 0; i < s.n; i++) {
		int d = sp_hex_value((unsigned char)s.p[i]);

		if (d < 0 || d >= 1 << bits)
			return false;
		v = v << bits | (unsigned)d;
	}
	sp_out_u64(o, v);
	return true;
}

static void
plain(struct yaml *y, sp_slice s)
{
	static const sp_slice nulls[] = { SP_LIT_INIT(""), SP_LIT_INIT("~"), SP_LIT_INIT("null"), SP_LIT_INIT("Null"),
		SP_LIT_INIT("NULL") };
	static const sp_slice yes[] = { SP_LIT_INIT("true"), SP_LIT_INIT("True"), SP_LIT_INIT("TRUE") };
	static const sp_slice no[] = { SP_LIT_INIT("false"), SP_LIT_INIT("False"), SP_LIT_INIT("FALSE") };

	if (is_any(s, nulls, SP_COUNT(nulls)))
		sp_out_str(y->o, "null");
	else if (is_any(s, yes, SP_COUNT(yes)))
		sp_out_str(y->o, "true");
	else if (is_any(s, no, SP_COUNT(no)))
		sp_out_str(y->o, "false");
	else if (!decimal(s, y->o) && !other_base(s, y->o))
		sp_jout_str(y->o, s);	/* .inf and .nan, too: JSON has no such numbers */
}

/* --- keys --- */

static sp_slice
key_text(const struct yaml *y, const struct key *k)
{
	return sp_sub(sp_out_view(y->o), k->at, k->n);
}

static struct key *
key_slot(const struct yaml *y, struct key *keys, size_t size, uint32_t map, sp_slice text)
{
	size_t i = (size_t)(sp_siphash(&y->hash, text) + (uint64_t)map * 0x9e3779b97f4a7c15u) & (size - 1);

	while (keys[i].map != 0 && (keys[i].map != map || !sp_eq(key_text(y, &keys[i]), text)))
		i = (i + 1) & (size - 1);
	return &keys[i];
}

static bool
keys_grow(struct yaml *y)
{
	size_t size = y->size == 0 ? 1024 : y->size * 2;
	struct key *big;

	if (y->used * 2 < y->size)
		return true;
	big = calloc(size, sizeof *big);
	if (big == NULL)
		return false;
	for (size_t i = 0; i < y->size; i++)
		if (y->keys[i].map != 0)
			*key_slot(y, big, size, y->keys[i].map, key_text(y, &y->keys[i])) = y->keys[i];
	free(y->keys);
	y->keys = big;
	y->size = size;
	return true;
}

static enum sp_status
key_out(struct yaml *y, struct level *l, const yaml_event_t *ev)
{
	sp_slice s = sp_mem(ev->data.scalar.value, ev->data.scalar.length);
	size_t at = y->o->n;
	struct key *k;

	if (ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && sp_eq(s, SP_LIT("<<")))
		return refuse(y, &ev->start_mark, "merge keys (<<) are not read");
	sp_jout_str(y->o, s);
	if (y->o->full || !keys_grow(y))
		return sp_fail(y->e, SP_E_CONFIG, NULL, "the document is too large");
	k = key_slot(y, y->keys, y->size, l->map, sp_sub(sp_out_view(y->o), at, y->o->n - at));
	if (k->map != 0)
		return sp_fail(y->e, SP_E_CONFIG, NULL, "line %zu, column %zu: key given twice, first at line %u",
		    ev->start_mark.line + 1, ev->start_mark.column + 1, k->line);
	*k = (struct key){ l->map, (uint32_t)at, (uint32_t)(y->o->n - at), (uint32_t)ev->start_mark.line + 1 };
	y->used++;
	sp_out_byte(y->o, ':');
	l->has_key = true;
	return SP_OK;
}

/* --- events --- */

/* Before a value: the comma and the count; *is_key when a key must come here. */
static enum sp_status
place(struct yaml *y, const yaml_event_t *ev, bool *is_key)
{
	struct level *l = y->depth == 0 ? NULL : &y->level[y->depth - 1];

	*is_key = false;
	if (++y->values > SP_YAML_VALUES)
		return refuse(y, &ev->start_mark, "too many values");
	if (l == NULL)
		return SP_OK;
	if (l->has_key) {
		l->has_key = false;
		return SP_OK;
	}
	sp_out_str(y->o, l->n++ == 0 ? "" : ",");
	*is_key = l->map != 0;
	return SP_OK;
}

static enum sp_status
properties(struct yaml *y, const yaml_event_t *ev, const yaml_char_t *anchor, const yaml_char_t *tag)
{
	if (anchor != NULL)
		return refuse(y, &ev->start_mark, "anchors (&) are not read: write the value out, or use $ref");
	return tag == NULL ? SP_OK : refuse(y, &ev->start_mark, "tags (!) are not read");
}

static enum sp_status
on_scalar(struct yaml *y, const yaml_event_t *ev)
{
	sp_slice s = sp_mem(ev->data.scalar.value, ev->data.scalar.length);
	bool is_key;
	enum sp_status st = properties(y, ev, ev->data.scalar.anchor, ev->data.scalar.tag);

	if (st == SP_OK)
		st = place(y, ev, &is_key);
	if (st != SP_OK)
		return st;
	if (is_key)
		return key_out(y, &y->level[y->depth - 1], ev);
	if (ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
		plain(y, s);
	else
		sp_jout_str(y->o, s);
	return SP_OK;
}

static enum sp_status
on_open(struct yaml *y, const yaml_event_t *ev)
{
	bool list = ev->type == YAML_SEQUENCE_START_EVENT, is_key;
	enum sp_status st = list ?
	    properties(y, ev, ev->data.sequence_start.anchor, ev->data.sequence_start.tag) :
	    properties(y, ev, ev->data.mapping_start.anchor, ev->data.mapping_start.tag);

	if (st == SP_OK)
		st = place(y, ev, &is_key);
	if (st != SP_OK)
		return st;
	if (is_key)
		return refuse(y, &ev->start_mark, "a key must be plain text");
	if (y->depth == SP_YAML_LEVELS)
		return refuse(y, &ev->start_mark, "nested too deeply");
	y->level[y->depth++] = (struct level){ .map = list ? 0 : ++y->maps };
	sp_out_byte(y->o, list ? '[' : '{');
	return SP_OK;
}

static void
on_close(struct yaml *y)
{
	sp_out_byte(y->o, y->level[--y->depth].map == 0 ? ']' : '}');
}

static enum sp_status
on_document(struct yaml *y, const yaml_event_t *ev)
{
	if (y->documents++ != 0)
		return refuse(y, &ev->start_mark, "a second document begins here");
	if (ev->data.document_start.version_directive != NULL ||
	    ev->data.document_start.tag_directives.start != ev->data.document_start.tag_directives.end)
		return refuse(y, &ev->start_mark, "directives (%) are not read");
	return SP_OK;
}

static enum sp_status
on_event(struct yaml *y, const yaml_event_t *ev)
{
	switch (ev->type) {
	case YAML_DOCUMENT_START_EVENT:
		return on_document(y, ev);
	case YAML_SCALAR_EVENT:
		return on_scalar(y, ev);
	case YAML_SEQUENCE_START_EVENT:
	case YAML_MAPPING_START_EVENT:
		return on_open(y, ev);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		on_close(y);
		return SP_OK;
	case YAML_ALIAS_EVENT:
		return refuse(y, &ev->start_mark, "aliases (*) are not read: write the value out, or use $ref");
	default:
		return SP_OK;
	}
}

static enum sp_status
bad_syntax(struct yaml *y, const yaml_parser_t *p)
{
	bool marked = p->error != YAML_READER_ERROR && p->error != YAML_MEMORY_ERROR;

	return refuse(y, marked ? &p->problem_mark : &p->mark, p->problem == NULL ? "not YAML" : p->problem);
}

static enum sp_status
parse(struct yaml *y, yaml_parser_t *p)
{
	enum sp_status st = SP_OK;
	bool end = false;

	while (st == SP_OK && !end) {
		yaml_event_t ev;

		if (!yaml_parser_parse(p, &ev))
			return bad_syntax(y, p);
		end = ev.type == YAML_STREAM_END_EVENT;
		st = on_event(y, &ev);
		yaml_event_delete(&ev);
		if (st == SP_OK && y->o->full)
			st = sp_fail(y->e, SP_E_CONFIG, NULL, "the document is too large");
	}
	return st;
}

enum sp_status
sp_yaml_json(sp_slice text, struct sp_out *o, struct sp_err *e)
{
	/* The table's key depends on every byte of the document: its author cannot aim at its slots. */
	static const struct sp_hash_key first = { { 0x53616c6c79706f72u, 0x79616d6c6b657973u } };
	struct yaml y = { .o = o, .e = e };
	yaml_parser_t p;
	enum sp_status st;

	if (text.n > SP_YAML_TEXT)
		return sp_fail(e, SP_E_CONFIG, NULL, "a YAML document may have %d MB: convert it to JSON",
		    SP_YAML_TEXT >> 20);
	if (!sp_utf8_valid(text) || sp_starts(text, SP_LIT("\xef\xbb\xbf")))
		return sp_fail(e, SP_E_CONFIG, NULL, "the document is not UTF-8, or begins with a byte order mark");
	if (!yaml_parser_initialize(&p))
		return sp_fail(e, SP_E_CONFIG, NULL, "no memory for a YAML document");
	y.hash = (struct sp_hash_key){ { sp_siphash(&first, text), first.k[1] } };
	yaml_parser_set_encoding(&p, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&p, (const unsigned char *)text.p, text.n);
	st = parse(&y, &p);
	if (st == SP_OK && y.values == 0)
		st = sp_fail(e, SP_E_CONFIG, NULL, "the document is empty");
	yaml_parser_delete(&p);
	free(y.keys);
	return st;
}

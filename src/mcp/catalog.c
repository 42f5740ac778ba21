#include "mcp/catalog.h"

#include "base/utf8.h"
#include "image/shown.h"
#include "mcp/foreign.h"

#include <stdlib.h>

enum { KINDS = SP_COMPONENT_PROMPT + 1, ITEM_ARGUMENTS = 256, RULES_AT_ONCE = 64, SHORT_TEXT = 256 };

struct kept {
	struct sp_item item;
	sp_slice pattern;		/* of a template, for sp_glob() */
	uint32_t order;			/* in which it came */
};

/* In the order they came; sealed: sorted by shown name. */
struct shelf {
	struct kept *items;
	uint32_t n, cap;
};

struct sp_catalog {
	const struct sp_image *img;
	uint32_t server, total;
	struct sp_arena mem;
	struct shelf shelves[KINDS];
};

static const char *const kind_names[KINDS] = { "", "tool", "resource", "resource template", "prompt" };

enum sp_status
sp_catalog_new(const struct sp_image *img, uint32_t server, struct sp_catalog **out)
{
	struct sp_catalog *c = calloc(1, sizeof *c);

	if (c == NULL)
		return SP_E_FULL;
	c->img = img;
	c->server = server;
	sp_arena_init(&c->mem, SP_CATALOG_BYTES);
	*out = c;
	return SP_OK;
}

void
sp_catalog_free(struct sp_catalog **c)
{
	if (*c == NULL)
		return;
	for (unsigned k = 0; k < KINDS; k++)
		free((*c)->shelves[k].items);
	sp_arena_free(&(*c)->mem);
	free(*c);
	*c = NULL;
}

/* ---- one definition */

struct adding {
	struct sp_catalog *c;
	enum sp_component_kind kind;
	sp_jval *def;
	struct sp_err *e;
	struct sp_item item;
	size_t schema_at, schema_n;	/* where the rest of its text has the inputSchema */
};

static enum sp_status
leave_out(const struct adding *a, const char *why)
{
	return sp_fail(a->e, SP_E_REFUSED, NULL, "%s %.*s is left out: %s", kind_names[a->kind], SP_PRI(a->item.c.name), why);
}

static bool
by_uri(enum sp_component_kind kind)
{
	return kind == SP_COMPONENT_RESOURCE || kind == SP_COMPONENT_TEMPLATE;
}

/* The name, or the URI, as it came: borrowed from the definition. */
static enum sp_status
check_name(struct adding *a)
{
	sp_jval *v = SP_JGET(a->def, "name");
	bool good;

	if (a->kind == SP_COMPONENT_RESOURCE)
		v = SP_JGET(a->def, "uri");
	else if (a->kind == SP_COMPONENT_TEMPLATE)
		v = SP_JGET(a->def, "uriTemplate");
	a->item.c.name = sp_jtext(v);
	if (v == NULL || !sp_jis_str(v))
		return leave_out(a, "it has no name or URI");
	if (!by_uri(a->kind))
		return sp_name_ok(a->item.c.name) ? SP_OK : leave_out(a, "a name is 1 to 128 of A-Z a-z 0-9 _ . -");
	good = a->kind == SP_COMPONENT_RESOURCE ? sp_res_uri_ok(a->item.c.name) : sp_res_template_ok(a->item.c.name);
	if (!good)
		return leave_out(a, "its URI is not an absolute one of at most 4096 plain characters");
	if (sp_uri_is_active(a->item.c.name))
		return leave_out(a, "its URI has a scheme that is not handed on");
	return SP_OK;
}

static enum sp_status
check_tool(struct adding *a)
{
	sp_jval *schema = SP_JGET(a->def, "inputSchema");
	struct sp_err why = { 0 };
	enum sp_status st;

	if (schema == NULL || !sp_jis_obj(schema) || !sp_eq(sp_jtext(SP_JGET(schema, "type")), SP_LIT("object")))
		return leave_out(a, "its inputSchema is no schema of type object");
	st = sp_params_judge(&a->c->mem, schema, &a->item.params, &why);
	return st == SP_E_REFUSED ? leave_out(a, why.log) : st;
}

/* A key that a client sends back: as it came, so it must be clean. */
static bool
argument_ok(sp_jval *name)
{
	sp_slice text = sp_jtext(name);
	char buf[SHORT_TEXT];
	struct sp_out o;

	if (name == NULL || !sp_jis_str(name) || text.n == 0 || text.n > SHORT_TEXT)
		return false;
	sp_out_init(&o, buf, sizeof buf);
	sp_utf8_clean(&o, text, sizeof buf, false);
	return sp_eq(sp_out_view(&o), text);
}

/* `arguments` of a prompt; false: not of the right form. */
static bool
write_arguments(struct sp_out *o, sp_jval *list)
{
	if (list == NULL || sp_jis_null(list))
		return true;
	if (!sp_jis_arr(list))
		return false;
	sp_out_str(o, "\"arguments\":[");
	for (struct sp_jiter it = sp_jeach(list); sp_jnext(&it);) {
		sp_jval *name = SP_JGET(it.val, "name"), *required = SP_JGET(it.val, "required");

		if (it.idx == ITEM_ARGUMENTS || !argument_ok(name))
			return false;
		sp_out_byte(o, '{');
		sp_member_raw(o, "name", name);
		sp_member_text(o, "title", SP_JGET(it.val, "title"), SP_ITEM_TEXT, false);
		sp_member_text(o, "description", SP_JGET(it.val, "description"), SP_ITEM_TEXT, true);
		if (required != NULL && sp_jis_bool(required))
			sp_member_raw(o, "required", required);
		sp_member_end(o, '}');
		sp_out_byte(o, ',');
	}
	sp_member_end(o, ']');
	sp_out_byte(o, ',');
	return true;
}

static void
write_resource(struct sp_out *o, const struct adding *a)
{
	sp_jval *size = SP_JGET(a->def, "size");
	int64_t n;

	sp_member_text(o, "name", SP_JGET(a->def, "name"), SP_ITEM_TEXT, false);
	sp_member_text(o, "mimeType", SP_JGET(a->def, "mimeType"), SHORT_TEXT, false);
	if (a->kind == SP_COMPONENT_RESOURCE && size != NULL && sp_jint(size, &n) && n >= 0)
		sp_member_raw(o, "size", size);
	sp_member_annotations(o, SP_JGET(a->def, "annotations"));
}

/* All members but the name or URI, each with a comma behind it. */
static enum sp_status
write_rest(struct sp_out *o, struct adding *a)
{
	sp_jval *output = SP_JGET(a->def, "outputSchema"), *name = SP_JGET(a->def, "name");

	sp_member_text(o, "title", SP_JGET(a->def, "title"), SP_ITEM_TEXT, false);
	sp_member_text(o, "description", SP_JGET(a->def, "description"), SP_ITEM_TEXT, true);
	if (a->kind == SP_COMPONENT_TOOL) {
		a->schema_at = o->n + sizeof "\"inputSchema\":" - 1;
		sp_member_raw(o, "inputSchema", SP_JGET(a->def, "inputSchema"));
		a->schema_n = o->n - a->schema_at - 1;
		if (output != NULL && sp_jis_obj(output))
			sp_member_raw(o, "outputSchema", output);
		sp_member_hints(o, SP_JGET(a->def, "annotations"));
	} else if (by_uri(a->kind)) {
		if (name == NULL || !sp_jis_str(name))
			return leave_out(a, "it has no name");
		write_resource(o, a);
	} else if (!write_arguments(o, SP_JGET(a->def, "arguments"))) {
		return leave_out(a, "its arguments are no list of at most 256 with clean names");
	}
	sp_member_icons(o, SP_JGET(a->def, "icons"));
	sp_member_meta(o, SP_JGET(a->def, "_meta"), (sp_slice){ NULL, 0 });
	return o->full ? leave_out(a, "it is too large") : SP_OK;
}

/* ---- keeping it */

/* The pattern of a template (RFC 6570): an expression is a run without '/', one that may hold more than one segment any
 * run.  A '*' that the template itself holds is read as a wildcard, too: what matches is still decided by its own URI. */
static sp_slice
make_pattern(struct sp_arena *mem, sp_slice t)
{
	char buf[2 * SP_URI_MAX];
	struct sp_out o;

	sp_out_init(&o, buf, sizeof buf);
	while (t.n != 0) {
		size_t n = 0;

		while (n < t.n && t.p[n] != '{')
			n++;
		sp_out_slice(&o, sp_sub(t, 0, n));
		sp_advance(&t, n);
		if (t.n == 0)
			break;
		n = sp_find(t, SP_LIT("}"));
		sp_out_str(&o, sp_has_byte(SP_LIT("+#/"), t.p[1]) || t.p[n - 1] == '*' ? "**" : "*");
		sp_advance(&t, n + 1);
	}
	return sp_arena_copy(mem, sp_out_view(&o));
}

static sp_slice
compose(struct sp_catalog *c, enum sp_component_kind kind, sp_slice name, sp_slice rest)
{
	static const char *const first[KINDS] = { "", "{\"name\":", "{\"uri\":", "{\"uriTemplate\":", "{\"name\":" };
	sp_slice kept = { NULL, 0 };
	struct sp_out o;

	sp_out_heap(&o, rest.n + 2 * name.n + 64);
	sp_out_str(&o, first[kind]);
	sp_jout_str(&o, name);
	sp_out_byte(&o, ',');
	sp_out_slice(&o, rest);
	sp_member_end(&o, '}');
	if (!o.full)
		kept = sp_arena_copy(&c->mem, sp_out_view(&o));
	sp_out_free(&o);
	return kept;
}

static enum sp_status
find_rules(struct adding *a)
{
	uint32_t some[RULES_AT_ONCE], *all, n = sp_component_rules(a->c->img, &a->item.c, some, RULES_AT_ONCE);

	all = sp_arena_get(&a->c->mem, n * sizeof *all);
	if (all == NULL)
		return SP_E_FULL;
	if (n <= RULES_AT_ONCE)
		memcpy(all, some, n * sizeof *all);
	else
		(void)sp_component_rules(a->c->img, &a->item.c, all, n);
	a->item.c.rules = all;
	a->item.c.nrules = n;
	return SP_OK;
}

static enum sp_status
keep_texts(struct adding *a, sp_slice rest)
{
	struct sp_item *it = &a->item;
	char buf[SP_SHOWN_MAX + 1];

	it->own = compose(a->c, a->kind, it->c.name, rest);
	it->c.name = sp_arena_copy(&a->c->mem, it->c.name);
	it->shown = it->c.name;
	it->json = it->own;
	if (!by_uri(a->kind)) {
		it->shown = sp_arena_copy(&a->c->mem, sp_shown_name(a->c->img, a->c->server, it->c.name, buf));
		it->json = compose(a->c, a->kind, it->shown, rest);
	}
	return it->own.p == NULL || it->json.p == NULL || it->shown.p == NULL || it->c.name.p == NULL ? SP_E_FULL : SP_OK;
}

static enum sp_status
push(struct sp_catalog *c, enum sp_component_kind kind, const struct kept *item)
{
	struct shelf *s = &c->shelves[kind];

	if (s->n == s->cap) {
		uint32_t cap = s->cap == 0 ? 16 : s->cap * 2;
		struct kept *more = realloc(s->items, cap * sizeof *more);

		if (more == NULL)
			return SP_E_FULL;
		s->items = more;
		s->cap = cap;
	}
	s->items[s->n] = *item;
	s->items[s->n++].order = c->total++;
	return SP_OK;
}

/* Both texts end in the same rest, less its last comma. */
static sp_slice
in_own(const struct adding *a, sp_slice rest)
{
	sp_slice own = a->item.own;

	return sp_sub(own, own.n - rest.n + a->schema_at, a->schema_n);
}

static enum sp_status
add(struct adding *a, struct sp_out *rest)
{
	struct kept k = { 0 };
	enum sp_status st = write_rest(rest, a);

	if (st == SP_OK)
		st = find_rules(a);
	if (st == SP_OK)
		st = keep_texts(a, sp_out_view(rest));
	if (st != SP_OK)
		return st;
	if (a->kind == SP_COMPONENT_TOOL)
		a->item.schema = in_own(a, sp_out_view(rest));
	k.item = a->item;
	if (a->kind == SP_COMPONENT_TEMPLATE) {
		k.pattern = make_pattern(&a->c->mem, a->item.c.name);
		if (k.pattern.p == NULL)
			return SP_E_FULL;
	}
	return push(a->c, a->kind, &k);
}

enum sp_status
sp_catalog_add(struct sp_catalog *c, enum sp_component_kind kind, sp_jval *definition, struct sp_err *e)
{
	struct adding a = { .c = c, .kind = kind, .def = definition, .e = e };
	struct sp_out rest;
	enum sp_status st;

	a.item.c = (struct sp_component){ .server = c->server, .kind = kind, .write = true };
	st = check_name(&a);
	if (st == SP_OK && c->total == SP_CATALOG_ITEMS)
		st = SP_E_FULL;
	if (st == SP_OK && kind == SP_COMPONENT_TOOL)
		st = check_tool(&a);
	if (st == SP_OK) {
		sp_out_heap(&rest, SP_ITEM_BYTES - SP_URI_MAX - 64);
		st = add(&a, &rest);
		sp_out_free(&rest);
	}
	if (st == SP_E_FULL)
		return sp_fail(e, SP_E_FULL, NULL, "more than %d components or %d bytes", SP_CATALOG_ITEMS, SP_CATALOG_BYTES);
	return st;
}

/* ---- sealed */

static int
by_shown(const void *a, const void *b)
{
	const struct kept *x = a, *y = b;
	int order = sp_cmp(x->item.shown, y->item.shown);

	return order != 0 ? order : x->order < y->order ? -1 : 1;
}

enum sp_status
sp_catalog_seal(struct sp_catalog *c, uint32_t *dropped)
{
	*dropped = 0;
	for (unsigned k = 0; k < KINDS; k++) {
		struct shelf *s = &c->shelves[k];
		uint32_t n = 0;

		if (s->n != 0)
			qsort(s->items, s->n, sizeof *s->items, by_shown);
		for (uint32_t i = 0; i < s->n; i++) {
			if (n != 0 && sp_eq(s->items[n - 1].item.shown, s->items[i].item.shown))
				continue;
			s->items[n++] = s->items[i];
		}
		*dropped += s->n - n;
		s->n = n;
	}
	return SP_OK;
}

uint32_t
sp_catalog_count(const struct sp_catalog *c, enum sp_component_kind kind)
{
	return c->shelves[kind].n;
}

const struct sp_item *
sp_catalog_at(const struct sp_catalog *c, enum sp_component_kind kind, uint32_t i)
{
	return i < c->shelves[kind].n ? &c->shelves[kind].items[i].item : NULL;
}

const struct sp_item *
sp_catalog_shown(const struct sp_catalog *c, enum sp_component_kind kind, sp_slice shown)
{
	const struct shelf *s = &c->shelves[kind];
	uint32_t lo = 0, hi = s->n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		int order = sp_cmp(s->items[mid].item.shown, shown);

		if (order == 0)
			return &s->items[mid].item;
		if (order < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

/* The shown name follows from the own one; a name that only shares it is another. */
const struct sp_item *
sp_catalog_find(const struct sp_catalog *c, enum sp_component_kind kind, sp_slice own_name)
{
	char buf[SP_SHOWN_MAX + 1];
	sp_slice shown = by_uri(kind) ? own_name : sp_shown_name(c->img, c->server, own_name, buf);
	const struct sp_item *it = sp_catalog_shown(c, kind, shown);

	return it != NULL && sp_eq(it->c.name, own_name) ? it : NULL;
}

const struct sp_item *
sp_catalog_template(const struct sp_catalog *c, sp_slice uri)
{
	const struct shelf *s = &c->shelves[SP_COMPONENT_TEMPLATE];

	for (uint32_t i = 0; i < s->n; i++)
		if (sp_glob(s->items[i].pattern, uri))
			return &s->items[i].item;
	return NULL;
}

bool
sp_catalog_has_scheme(const struct sp_catalog *c, sp_slice scheme)
{
	static const enum sp_component_kind kinds[] = { SP_COMPONENT_RESOURCE, SP_COMPONENT_TEMPLATE };

	for (size_t k = 0; k < SP_COUNT(kinds); k++) {
		const struct shelf *s = &c->shelves[kinds[k]];

		for (uint32_t i = 0; i < s->n; i++)
			if (sp_eq_nocase(sp_scheme(s->items[i].item.c.name), scheme))
				return true;
	}
	return false;
}

bool
sp_catalog_same(const struct sp_catalog *a, const struct sp_catalog *b, enum sp_component_kind kind)
{
	const struct shelf *x = &a->shelves[kind], *y = &b->shelves[kind];

	for (uint32_t i = 0; i < x->n && i < y->n; i++)
		if (!sp_eq(x->items[i].item.json, y->items[i].item.json))
			return false;
	return x->n == y->n;
}

/* ---- shown names */

/* Empty: its names have none. */
static sp_slice
prefix_of(const struct sp_image *img, uint32_t server)
{
	if (sp_img_resource_of(img, server)->alone != 0)
		return (sp_slice){ NULL, 0 };
	return sp_img_str(img, SP_IMG_AT(img, img->head->servers, server, server)->name);
}

sp_slice
sp_shown_name(const struct sp_image *img, uint32_t server, sp_slice own_name, char buf[SP_SHOWN_MAX + 1])
{
	return sp_shown_make(prefix_of(img, server), own_name, buf);
}

sp_slice
sp_own_name(const struct sp_image *img, uint32_t server, sp_slice shown)
{
	sp_slice prefix = prefix_of(img, server);

	if (prefix.n == 0 || (sp_take(&shown, prefix) && sp_take(&shown, SP_LIT("_"))))
		return shown;
	return (sp_slice){ NULL, 0 };
}

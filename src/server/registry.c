/* What a server offers: tools, resources, templates and prompts, judged when they are added and shown as JSON made then. */
#include "server/registry.h"

#include "mcp/foreign.h"

#include <stdlib.h>

static const char *const words[SP_KINDS] = { "", "tool", "resource", "template", "prompt" };

const char *
sp_kind_word(enum sp_component_type kind)
{
	return (unsigned)kind < SP_KINDS ? words[kind] : "";
}

/* ---- finding */

static bool
find(const struct sp_offers *all, sp_slice name, size_t *at)
{
	size_t lo = 0, hi = all->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = sp_cmp(all->v[mid]->name, name);

		if (c == 0) {
			*at = mid;
			return true;
		}
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	*at = lo;
	return false;
}

struct sp_offer *
sp_offer_find(const struct sp_server *s, enum sp_component_type kind, sp_slice name)
{
	size_t at;

	return find(&s->offers[kind], name, &at) ? s->offers[kind].v[at] : NULL;
}

struct sp_offer *
sp_offer_of_uri(const struct sp_server *s, sp_slice uri, struct sp_out *variables)
{
	const struct sp_offers *all = &s->offers[SP_COMPONENT_IS_TEMPLATE];
	struct sp_offer *o = sp_offer_find(s, SP_COMPONENT_IS_RESOURCE, uri);

	sp_out_str(variables, "{}");
	if (o != NULL || !sp_res_uri_ok(uri))
		return o;
	for (size_t i = 0; i < all->n; i++) {
		sp_out_reset(variables);
		if (sp_template_match(all->v[i]->template, uri, variables))
			return all->v[i];
	}
	return NULL;
}

struct sp_offer *
sp_offer_hold(struct sp_offer *o)
{
	o->refs++;
	return o;
}

void
sp_offer_drop(struct sp_offer **o)
{
	struct sp_offer *was = *o;

	*o = NULL;
	if (was == NULL || --was->refs != 0)
		return;
	sp_auth_check_free(was->auth);
	sp_schema_free(&was->input);
	sp_schema_free(&was->output);
	sp_arena_free(&was->arena);
	free(was);
}

void
sp_offers_free(struct sp_server *s)
{
	for (unsigned k = 0; k < SP_KINDS; k++) {
		for (size_t i = 0; i < s->offers[k].n; i++)
			sp_offer_drop(&s->offers[k].v[i]);
		free(s->offers[k].v);
		s->offers[k] = (struct sp_offers){ 0 };
	}
}

/* ---- pieces that all kinds have */

void
sp_add_wrong(struct sp_adding *a, const char *why)
{
	a->bad = true;
	sp_server_mistake(a->s, "%s \"%.*s\": %s", sp_kind_word(a->o->kind), SP_PRI(a->o->name), why);
}

static void
text_wrong(struct sp_adding *a, const char *member)
{
	char why[96];
	struct sp_out o;

	sp_out_init(&o, why, sizeof why - 1);
	sp_out_fmt(&o, "%s is not UTF-8", member);
	why[o.n] = '\0';
	sp_add_wrong(a, why);
}

sp_slice
sp_add_copy(struct sp_adding *a, const char *text)
{
	sp_slice s = sp_arena_copy(&a->o->arena, sp_str(text == NULL ? "" : text));

	return s.p == NULL ? SP_LIT("") : s;
}

static void
comma(struct sp_adding *a)
{
	if (a->json.n > 1)
		sp_out_byte(&a->json, ',');
}

void
sp_add_key(struct sp_adding *a, const char *key)
{
	comma(a);
	sp_jout_str(&a->json, sp_str(key));
	sp_out_byte(&a->json, ':');
}

void
sp_add_text_member(struct sp_adding *a, const char *key, const char *text)
{
	if (text == NULL)
		return;
	if (!sp_utf8_valid(sp_str(text)))
		text_wrong(a, key);
	sp_add_key(a, key);
	sp_jout_str(&a->json, sp_str(text));
}

static bool
icon_ok(const char *src)
{
	return sp_starts(sp_str(src), SP_LIT("https:")) || sp_starts(sp_str(src), SP_LIT("data:"));
}

bool
sp_icons_write(struct sp_out *o, const struct sp_icon *icons)
{
	bool ok = true;

	sp_out_byte(o, '[');
	for (size_t i = 0; icons[i].src != NULL; i++) {
		const char *sep = "";

		ok = ok && icon_ok(icons[i].src) && sp_utf8_valid(sp_str(icons[i].src));
		sp_out_str(o, i == 0 ? "{\"src\":" : ",{\"src\":");
		sp_jout_str(o, sp_str(icons[i].src));
		if (icons[i].mime_type != NULL) {
			sp_out_str(o, ",\"mimeType\":");
			sp_jout_str(o, sp_str(icons[i].mime_type));
		}
		if (icons[i].sizes != NULL)
			sp_out_str(o, ",\"sizes\":[");
		for (size_t k = 0; icons[i].sizes != NULL && icons[i].sizes[k] != NULL; k++, sep = ",") {
			sp_out_str(o, sep);
			sp_jout_str(o, sp_str(icons[i].sizes[k]));
		}
		sp_out_str(o, icons[i].sizes != NULL ? "]}" : "}");
	}
	sp_out_byte(o, ']');
	return ok;
}

void
sp_add_icons(struct sp_adding *a, const struct sp_icon *icons)
{
	if (icons == NULL)
		return;
	sp_add_key(a, "icons");
	if (!sp_icons_write(&a->json, icons))
		sp_add_wrong(a, "the src of an icon must be https: or data:");
}

/* JSON text, compact, as a member; `object`: it must be one.  NULL: it was wrong. */
bool
sp_add_json_member(struct sp_adding *a, const char *key, const char *text, sp_slice *compact)
{
	SP_AUTO(sp_json_free) struct sp_json json = { 0 };
	struct sp_err e = { 0 };
	size_t from;

	if (sp_json_read(sp_str(text), SP_JSON_DEFAULT, &json, &e) != SP_OK || !sp_jis_obj(json.root)) {
		char why[512];
		struct sp_out o;

		sp_out_init(&o, why, sizeof why - 1);
		sp_out_fmt(&o, "%s is not a JSON object: %s", key, e.log);
		why[o.n] = '\0';
		sp_add_wrong(a, why);
		return false;
	}
	sp_add_key(a, key);
	from = a->json.n;
	sp_jwrite(&a->json, json.root);
	if (compact != NULL)
		*compact = sp_arena_copy(&a->o->arena, sp_sub(sp_out_view(&a->json), from, SIZE_MAX));
	return true;
}

static const char *const *
copy_list(struct sp_adding *a, const char *const *list)
{
	size_t n = 0;
	const char **out;

	while (list != NULL && list[n] != NULL)
		n++;
	out = sp_arena_get(&a->o->arena, (n + 1) * sizeof *out);
	for (size_t i = 0; out != NULL && i < n; i++)
		out[i] = sp_add_copy(a, list[i]).p;
	return out;
}

/* ---- checks */

static void
judge_auth(struct sp_adding *a, struct sp_auth_check *auth)
{
	struct sp_err e = { 0 };

	if (auth == NULL) {
		sp_add_wrong(a, "nobody said who may use it.  Write .auth = SP_SIGNED_IN (everybody with a credential), "
		    ".auth = SP_ANYONE (everybody), or a check");
		return;
	}
	a->o->auth = sp_check_take(auth);
	a->o->open_to_nobody = sp_checks_need_nobody(a->s->opt.check, auth);
	/* Before that, sp_server_check() judges all of them together. */
	if (a->s->begun && sp_check_judge(auth, &e) != SP_OK)
		sp_add_wrong(a, e.log);
}

/* ---- begin and end of adding one */

bool
sp_add_begin(struct sp_adding *a, struct sp_server *s, enum sp_component_type kind, const char *name,
    const struct sp_common *c)
{
	*a = (struct sp_adding){ .s = s, .o = calloc(1, sizeof *a->o) };
	if (a->o == NULL) {
		sp_server_mistake(s, "%s: no memory", sp_kind_word(kind));
		return false;
	}
	a->o->refs = 1;
	a->o->kind = kind;
	sp_arena_init(&a->o->arena, SP_OFFER_MAX);
	sp_out_heap(&a->json, SP_OFFER_MAX);
	a->o->name = sp_add_copy(a, name);
	a->o->tags = copy_list(a, c->tags);
	a->o->arg = c->arg;
	a->o->handler = c->handler;
	a->o->on_loop = c->on_loop;
	a->o->timeout_s = c->timeout_s;
	a->o->description = sp_add_copy(a, c->description);
	if (c->handler == NULL)
		sp_add_wrong(a, "it has no handler");
	judge_auth(a, c->auth);
	sp_out_byte(&a->json, '{');
	return true;
}

static bool
insert(struct sp_server *s, struct sp_offer *o)
{
	struct sp_offers *all = &s->offers[o->kind];
	size_t at;

	if (find(all, o->name, &at))
		return false;
	if (all->n == all->cap) {
		size_t cap = all->cap == 0 ? 16 : all->cap * 2;
		struct sp_offer **v = realloc(all->v, cap * sizeof(struct sp_offer *));

		if (v == NULL)
			return false;
		all->v = v;
		all->cap = cap;
	}
	for (size_t i = all->n; i > at; i--)
		all->v[i] = all->v[i - 1];
	all->v[at] = o;
	all->n++;
	s->nopen_to_nobody += o->open_to_nobody ? 1u : 0u;
	s->ncompleters += o->complete != NULL ? 1u : 0u;
	s->ntask_tools += o->task != SP_TASK_NEVER ? 1u : 0u;
	s->has_kind[o->kind] = true;
	return true;
}

static sp_slice
without(struct sp_adding *a)
{
	sp_slice all = a->o->json;
	char *p = sp_arena_get(&a->o->arena, all.n + 1);

	if (p == NULL || all.n < a->cut_to)
		return (sp_slice){ NULL, 0 };
	memcpy(p, all.p, a->cut_from);
	memcpy(p + a->cut_from, all.p + a->cut_to, all.n - a->cut_to);
	return sp_mem(p, all.n - (a->cut_to - a->cut_from));
}

void
sp_add_end(struct sp_adding *a)
{
	struct sp_offer *o = a->o;
	size_t at;

	sp_out_byte(&a->json, '}');
	o->json = sp_arena_copy(&o->arena, sp_out_view(&a->json));
	o->json_legacy = a->cut_to == 0 ? o->json : without(a);
	if (find(&a->s->offers[o->kind], o->name, &at))
		sp_add_wrong(a, "there is one of that name already");
	if (a->json.full || o->arena.full)
		sp_add_wrong(a, "its texts and schemas are too large");
	sp_out_free(&a->json);
	if (a->bad || !insert(a->s, o)) {
		sp_offer_drop(&a->o);
		return;
	}
	if (a->s->begun)
		sp_notify_changed(a->s, o->kind, o);
}

bool
sp_component_remove(struct sp_server *s, enum sp_component_type kind, const char *name)
{
	struct sp_offers *all;
	struct sp_offer *o;
	size_t at;

	if ((unsigned)kind < SP_COMPONENT_IS_TOOL || (unsigned)kind >= SP_KINDS || name == NULL)
		return false;
	all = &s->offers[kind];
	if (!find(all, sp_str(name), &at))
		return false;
	o = all->v[at];
	for (size_t i = at; i + 1 < all->n; i++)
		all->v[i] = all->v[i + 1];
	all->n--;
	s->nopen_to_nobody -= o->open_to_nobody ? 1u : 0u;
	s->ncompleters -= o->complete != NULL ? 1u : 0u;
	s->ntask_tools -= o->task != SP_TASK_NEVER ? 1u : 0u;
	if (s->begun)
		sp_notify_changed(s, kind, o);
	sp_offer_drop(&o);
	return true;
}

#include "cli/import_plan.h"

#include "cli/edit.h"

#include <stdio.h>

/* ---------------------------------------------------------------- names */

static char
low(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool
is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Small letters, digits and '-', a letter first; `cap` with the final NUL. */
static void
make_name(char *to, size_t cap, sp_slice from, const char *otherwise)
{
	size_t n = 0;

	for (size_t i = 0; i < from.n && n + 1 < cap; i++) {
		char c = low(from.p[i]);

		if (is_word(c) ? n != 0 || sp_is_alpha((unsigned char)c) : n != 0 && to[n - 1] != '-')
			to[n++] = is_word(c) ? c : '-';
	}
	while (n != 0 && to[n - 1] == '-')
		n--;
	to[n] = '\0';
	if (n == 0)
		snprintf(to, cap, "%s", otherwise);
}

static bool
name_used(const struct sp_plan *p, const char *name)
{
	if (strcmp(name, "all") == 0 || strcmp(name, "anyone") == 0 || strcmp(name, "anonymous") == 0)
		return true;
	for (size_t i = 0; i < p->n; i++)
		if (strcmp(p->list[i].name, name) == 0)
			return true;
	return false;
}

static bool
record_used(const struct sp_plan *p, sp_slice taken, const char *name)
{
	sp_slice line;

	while (sp_take_part(&taken, '\n', &line))
		if (sp_eq(line, sp_str(name)))
			return true;
	for (size_t i = 0; i <= p->n && i < SP_IMPORT_SERVERS; i++)
		for (size_t k = 0; k < SP_IMPORT_KEYS; k++)
			if (strcmp(p->list[i].record[k], name) == 0)
				return true;
	return false;
}

/* Another tail until it is free; there are fewer names in use than tails. */
static void
choose_name(const struct sp_plan *p, struct sp_plan_server *x)
{
	char base[29];

	make_name(base, sizeof base, x->s->called, "server");
	snprintf(x->name, sizeof x->name, "%s", base);
	for (unsigned i = 2; name_used(p, x->name) && i < 100; i++)
		snprintf(x->name, sizeof x->name, "%s-%u", base, i);
}

static void
choose_record(const struct sp_plan *p, sp_slice taken, struct sp_plan_server *x, size_t k)
{
	const struct sp_import_key *key = &x->s->keys[k];
	char base[59], field[26], name[SP_PLAN_RECORD + 1];

	if (key->how == SP_IMPORT_ENV)
		return;
	make_name(field, sizeof field, key->field, "");
	snprintf(base, sizeof base, "%s%s%s", x->name, field[0] != '\0' ? "-" : "", field);
	snprintf(name, sizeof name, "%s", base);
	for (unsigned i = 2; record_used(p, taken, name) && i < 10000; i++)
		snprintf(name, sizeof name, "%s-%u", base, i);
	snprintf(x->record[k], sizeof x->record[k], "%s", name);
}

void
sp_plan_make(const struct sp_import *found, sp_slice taken, struct sp_plan *out)
{
	memset(out, 0, sizeof *out);
	for (uint32_t i = 0; i < found->n; i++) {
		struct sp_plan_server *x = &out->list[i];

		x->s = &found->list[i];
		x->same = i;
		for (uint32_t k = 0; k < i && x->s->kind == SP_IMPORT_HTTP && x->same == i; k++)
			if (out->list[k].s->kind == SP_IMPORT_HTTP && sp_eq(out->list[k].s->url, x->s->url))
				x->same = out->list[k].same;
		if (x->s->kind == SP_IMPORT_HTTP && x->same == i) {
			choose_name(out, x);
			for (size_t k = 0; k < x->s->nkeys; k++)
				choose_record(out, taken, x, k);
			out->servers++;
		}
		out->n++;
	}
}

bool
sp_plan_moved(void *ctx, const sp_jval *server)
{
	const struct sp_plan *p = ctx;

	for (size_t i = 0; i < p->n; i++)
		if (p->list[i].s->json == server)
			return p->list[i].s->kind == SP_IMPORT_HTTP;
	return false;
}

/* ---------------------------------------------------------------- the configuration */

static bool
fill_secret(const struct sp_plan_server *x, size_t k, struct sp_edit *w, struct sp_out *text)
{
	const struct sp_import_key *key = &x->s->keys[k];
	size_t at = text->n;

	w->secrets[k].name = key->field.n == 0 ? SP_LIT("token") : key->field;
	if (key->how == SP_IMPORT_ENV)
		sp_out_fmt(text, "env:%.*s", SP_PRI(key->value));
	else
		sp_out_fmt(text, "vault:%s", x->record[k]);
	w->secrets[k].ref = sp_mem(text->p + at, text->n - at);
	at = text->n;
	if (key->field.n != 0)
		sp_out_fmt(text, "%s %.*s%s%.*s%s", key->query ? "query" : "header", SP_PRI(key->field), key->before.n != 0 ? " " : "",
		    SP_PRI(key->before), key->before.n != 0 ? "{}" : "");
	w->secrets[k].as = sp_mem(text->p + at, text->n - at);
	w->nsecrets = k + 1;
	return !text->full;
}

static bool
put_server(struct sp_out *o, const struct sp_plan_server *x)
{
	struct sp_edit w = { .name = sp_str(x->name), .kind = SP_LIT("mcp"), .source = x->s->url };
	char mem[4096];
	struct sp_out text;
	bool ok = true;

	sp_out_init(&text, mem, sizeof mem);
	for (size_t k = 0; k < x->s->nkeys && ok; k++)
		ok = fill_secret(x, k, &w, &text);
	return ok && sp_edit_server(o, &w, 2, "\n");
}

static bool
put_place(struct sp_out *o, const char *key, sp_slice value)
{
	bool ok;

	if (value.n == 0)
		return true;
	sp_out_fmt(o, "%s: ", key);
	ok = sp_edit_scalar(o, value);
	sp_out_byte(o, '\n');
	return ok;
}

bool
sp_plan_yaml(struct sp_out *o, const struct sp_plan *p, sp_slice state, sp_slice unlock)
{
	bool ok = true;

	sp_out_str(o, "# Written by `sallyport init` from the servers that MCP clients named.\n"
	    "auth: {type: static}                # tokens made by `sallyport token new`\n");
	ok = put_place(o, "state", state) && put_place(o, "unlock", unlock);
	sp_out_str(o, "servers:\n");
	for (uint32_t i = 0; i < p->n; i++)
		if (p->list[i].name[0] != '\0')
			ok = put_server(o, &p->list[i]) && ok;
	sp_out_str(o, "rules:                              # what these clients could do before; narrow it here\n");
	for (uint32_t i = 0; i < p->n; i++)
		if (p->list[i].name[0] != '\0')
			sp_out_fmt(o, "  - {allow: %s}\n", p->list[i].name);
	return ok && !o->full;
}

void
sp_plan_keys(struct sp_out *o, const struct sp_plan *p)
{
	for (uint32_t i = 0; i < p->n; i++)
		for (size_t k = 0; k < SP_IMPORT_KEYS; k++) {
			if (p->list[i].record[k][0] == '\0' || p->list[i].s->keys[k].how != SP_IMPORT_VALUE)
				continue;
			sp_out_lv(o, sp_str(p->list[i].record[k]), 2);
			sp_out_lv(o, p->list[i].s->keys[k].value, 2);
		}
}

/* ---------------------------------------------------------------- the report */

/* Text from a file, for a terminal. */
static void
put_shown(struct sp_out *o, sp_slice s)
{
	for (size_t i = 0; i < s.n && i < 200; i++)
		sp_out_byte(o, sp_is_ctl((unsigned char)s.p[i]) ? '?' : s.p[i]);
}

static void
put_keys(struct sp_out *o, const struct sp_plan_server *x)
{
	for (size_t k = 0; k < x->s->nkeys; k++) {
		const struct sp_import_key *key = &x->s->keys[k];

		sp_out_fmt(o, "    its %s %.*s -> ", key->query ? "parameter" : "header",
		    SP_PRI(key->field.n == 0 ? SP_LIT("Authorization") : key->field));
		if (key->how == SP_IMPORT_ENV)
			sp_out_fmt(o, "env:%.*s, as in the file\n", SP_PRI(key->value));
		else if (key->how == SP_IMPORT_INPUT)
			sp_out_fmt(o, "vault:%s; the client asks for it, so store it: sallyport vault set %s\n", x->record[k], x->record[k]);
		else
			sp_out_fmt(o, "vault:%s\n", x->record[k]);
	}
}

static void
put_notes(struct sp_out *o, sp_slice notes)
{
	sp_slice line;

	while (sp_take_to(&notes, '\n', &line))
		sp_out_fmt(o, "    %.*s\n", SP_PRI(line));
}

static void
put_line(struct sp_out *o, const struct sp_plan *p, const struct sp_plan_server *x)
{
	sp_slice why = x->s->notes, line;

	sp_out_str(o, "  ");
	put_shown(o, x->s->called);
	switch (x->s->kind) {
	case SP_IMPORT_STDIO:
		sp_out_str(o, ": left alone: the client starts it (stdio servers are not supported yet)\n");
		return;
	case SP_IMPORT_SSE:
		sp_out_str(o, ": left alone: HTTP+SSE, the transport before Streamable HTTP, is not supported\n");
		return;
	case SP_IMPORT_ODD:
		while (sp_take_to(&why, '\n', &line))
			if (why.n == 0)
				sp_out_fmt(o, ": left alone: %.*s\n", SP_PRI(line));
		return;
	case SP_IMPORT_HTTP:
		break;
	}
	sp_out_str(o, " -> server ");
	sp_out_str(o, p->list[x->same].name);
	if (x->name[0] == '\0') {
		sp_out_str(o, ", which has this URL already; the key that was found first counts\n");
		return;
	}
	sp_out_str(o, ", ");
	put_shown(o, x->s->url);
	sp_out_byte(o, '\n');
	put_keys(o, x);
	put_notes(o, x->s->notes);
}

void
sp_plan_report(struct sp_out *o, const struct sp_plan *p, unsigned file)
{
	for (uint32_t i = 0; i < p->n; i++)
		if (p->list[i].s->file == file)
			put_line(o, p, &p->list[i]);
}

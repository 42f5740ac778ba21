/* What a server was made of: options, mistakes, and the check before it serves. */
#include "server/registry.h"

#include "auth/chain.h"
#include "base/log.h"
#include "wire/uri.h"

#include <stdarg.h>
#include <stdio.h>

enum { MISTAKE_MAX = 480, MISTAKES_MAX = 1 << 16 };

void
sp_server_mistake(struct sp_server *s, const char *format, ...)
{
	char text[MISTAKE_MAX];
	va_list ap;
	size_t n;

	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	n = strlen(text);
	for (size_t i = 0; i < n; i++)
		if (text[i] == '\n')
			text[i] = ' ';
	if (s->begun) {
		sp_log(SP_ERROR, "server.mistake", SP_C("what", text));
		return;
	}
	s->nmistakes++;
	sp_out_add(&s->mistakes, text, n);
	sp_out_byte(&s->mistakes, '\n');
}

/* ---- copies */

static const char *
copy(struct sp_server *s, const char *text)
{
	return text == NULL ? NULL : sp_arena_copy(&s->texts, sp_str(text)).p;
}

static void
member(struct sp_out *o, const char *key, const char *text)
{
	if (text == NULL)
		return;
	if (o->n > 1)
		sp_out_byte(o, ',');
	sp_jout_str(o, sp_str(key));
	sp_out_byte(o, ':');
	sp_jout_str(o, sp_str(text));
}

/* Implementation (mcp-spec 2.4). */
static void
make_info(struct sp_server *s, const struct sp_icon *icons)
{
	struct sp_out o;

	sp_out_heap(&o, SP_OFFER_MAX);
	sp_out_byte(&o, '{');
	member(&o, "name", s->opt.name == NULL ? "" : s->opt.name);
	member(&o, "title", s->opt.title);
	member(&o, "version", s->opt.version == NULL ? "" : s->opt.version);
	member(&o, "websiteUrl", s->opt.website_url);
	if (icons != NULL) {
		sp_out_str(&o, ",\"icons\":");
		if (!sp_icons_write(&o, icons))
			sp_server_mistake(s, "server: the src of an icon must be https: or data:");
	}
	sp_out_byte(&o, '}');
	if (o.full)
		sp_server_mistake(s, "server: its texts are too large");
	s->info = sp_arena_copy(&s->texts, sp_out_view(&o));
	sp_out_free(&o);
}

static void
use_defaults(struct sp_server_options *o)
{
	const struct { unsigned *v, dflt; } rows[] = {
		{ &o->workers, 8 }, { &o->max_calls, 1024 }, { &o->max_sessions, 4096 }, { &o->call_timeout_s, 60 },
		{ &o->task_ttl_s, 3600 }, { &o->page_size, 200 },
	};

	for (size_t i = 0; i < SP_COUNT(rows); i++)
		if (*rows[i].v == 0)
			*rows[i].v = rows[i].dflt;
	if (o->max_body == 0)
		o->max_body = 1 << 20;
	if (o->max_result == 0)
		o->max_result = 8 << 20;
}

void
sp_options_take(struct sp_server *s, const struct sp_server_options *given)
{
	struct sp_server_options *o = &s->opt;

	for (size_t i = 0; i < sizeof *o && i < given->size; i++)
		((char *)o)[i] = ((const char *)given)[i];
	o->size = sizeof *o;
	use_defaults(o);
	o->name = copy(s, o->name);
	o->version = copy(s, o->version);
	o->title = copy(s, o->title);
	o->instructions = copy(s, o->instructions);
	o->website_url = copy(s, o->website_url);
	o->url = copy(s, o->url);
	o->check = o->check == NULL ? NULL : sp_check_take(o->check);
	o->auth = sp_provider_take(o->auth);
	make_info(s, o->icons);
	o->icons = NULL;
	o->state_key = NULL;
	if (o->url != NULL)
		s->url = sp_str(o->url);
}

const struct sp_server_options *
sp_server_opts(const struct sp_server *s)
{
	return &s->opt;
}

void
sp_server_url(struct sp_server *s, sp_slice url)
{
	if (s->opt.url != NULL)
		return;
	s->opt.url = sp_arena_copy(&s->texts, url).p;
	s->url = sp_str(s->opt.url == NULL ? "" : s->opt.url);
}

/* ---- judging */

static void
say(void *ctx, const char *text)
{
	sp_server_mistake(ctx, "%s", text);
}

static void
judge_texts(struct sp_server *s)
{
	const struct { const char *what, *text; } rows[] = {
		{ "name", s->opt.name }, { "version", s->opt.version }, { "title", s->opt.title },
		{ "instructions", s->opt.instructions }, { "website_url", s->opt.website_url },
	};

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		if (i < 2 && (rows[i].text == NULL || rows[i].text[0] == '\0'))
			sp_server_mistake(s, "server: it has no %s.  Write sp_server_new(.%s = …)", rows[i].what, rows[i].what);
		else if (rows[i].text != NULL && !sp_utf8_valid(sp_str(rows[i].text)))
			sp_server_mistake(s, "server: %s is not UTF-8", rows[i].what);
	}
}

static void
judge_options(struct sp_server *s)
{
	struct sp_err e = { 0 };
	struct sp_uri uri;

	judge_texts(s);
	if (s->opt.url != NULL && sp_uri_read(sp_str(s->opt.url), &uri, &e) != SP_OK)
		sp_server_mistake(s, "server: url: %s", e.log);
	else if (s->opt.url != NULL && uri.has_fragment)
		sp_server_mistake(s, "server: url: a resource identifier has no fragment");
	if (s->opt.check != NULL && sp_check_judge(s->opt.check, &e) != SP_OK)
		sp_server_mistake(s, "server: check: %s", e.log);
	if (s->opt.auth != NULL)
		(void)sp_provider_mistakes(s->opt.auth, say, s);
	if (s->outbound.check != NULL)
		(void)s->outbound.check(s->outbound.p, say, s);
	for (unsigned k = 0; k < SP_KINDS; k++)
		for (size_t i = 0; i < s->offers[k].n; i++)
			if (sp_check_judge(s->offers[k].v[i]->auth, &e) != SP_OK)
				sp_server_mistake(s, "%s \"%.*s\": %s", sp_kind_word(k), SP_PRI(s->offers[k].v[i]->name), e.log);
	if (s->texts.full)
		sp_server_mistake(s, "server: its texts are too large");
}

bool
sp_server_check(struct sp_server *s, struct sp_error *error)
{
	size_t n = s->mistakes.n;
	unsigned before = s->nmistakes, found;
	sp_slice all, line;
	bool first = true;

	if (s->begun)
		return true;
	judge_options(s);
	found = s->nmistakes;
	all = sp_out_view(&s->mistakes);
	while (sp_take_to(&all, '\n', &line)) {
		sp_log(SP_ERROR, "server.mistake", SP_S("what", line));
		if (first && error != NULL) {
			error->rc = SP_RC_INVALID;
			snprintf(error->text, sizeof error->text, "%.*s", (int)line.n, line.p);
		}
		first = false;
	}
	/* What is judged anew each time is not kept. */
	s->mistakes.n = n;
	s->nmistakes = before;
	return found == 0;
}

/* sp_openapi_provider(): operations of a document as tools of the server, whose handler runs on the loop. */
#include "lib/outbound.h"

#include "auth/check.h"
#include "base/log.h"
#include "image/shown.h"
#include "outbound/answer.h"
#include "wire/json.h"

#include <stdio.h>
#include <stdlib.h>

enum { SECONDS = 60, SECRETS_MAX = 64, ARENA_FLOOR = 262144, ARENA_TIMES = 24 };

/* One for each tool of the image, mounted or not. */
struct sp_outtool {
	struct sp_door *door;
	const struct sp_img_tool *tool;
	const struct sp_img_op *op;
	uint32_t identity, timeout_ms;
};

struct run {
	struct sp_outcall call;
	const struct sp_outtool *tool;
	struct sp_arena arena;
};

/* ---- a call */

static sp_slice
tool_name(const struct sp_outtool *t)
{
	return sp_img_str(&t->door->img, t->tool->name);
}

static void
run_free(struct run *r)
{
	sp_arena_free(&r->arena);	/* wipes arguments */
	free(r);
}

static void
return_error(struct sp_context *ctx, sp_slice text)
{
	(void)sp_return_errorf(ctx, "%.*s", (int)text.n, text.p);
}

static void
return_answer(struct run *r, const struct sp_pool_answer *a)
{
	struct sp_outbound *o = r->call.door->o;
	struct sp_out *result = sp_outbound_room(&o->scratch, (size_t)SP_OUT_ANSWER * 2 + 65536);
	struct sp_out *scrubbed = sp_outbound_room(&o->scrubbed, (size_t)SP_OUT_ANSWER * 2 + 65536);
	const char *incident;
	enum sp_answered how = sp_answer_result(o->scrub, a, (enum sp_op_result)r->tool->op->result, scrubbed, result,
	    &incident);

	if (incident != NULL)
		sp_log(SP_ERROR, "outbound.incident", SP_C("upstream", r->call.door->name), SP_S("tool", tool_name(r->tool)),
		    SP_C("what", incident));
	if (how == SP_ANSWERED)
		(void)sp_context_result(r->call.ctx, sp_out_view(result));
	else
		return_error(r->call.ctx, sp_answered_text(how));
	sp_outbound_room_done(scrubbed);
	sp_outbound_room_done(result);
}

static void
on_end(struct sp_outcall *c, const struct sp_outcall_result *result)
{
	struct run *r = (struct run *)(void *)c;	/* its first member */
	struct sp_context *ctx = c->ctx;

	if (result->end == SP_OUT_ANSWERED)
		return_answer(r, result->a);
	else
		return_error(ctx, sp_outcall_text(result));
	run_free(r);
	(void)sp_complete(ctx);
	sp_release(ctx);
}

/* False: the call is answered. */
static bool
bind_args(struct run *r, struct sp_context *ctx, sp_slice text)
{
	const struct sp_outtool *t = r->tool;
	sp_jval *args = NULL;
	struct sp_err e = { 0 };
	enum sp_status st = sp_json_read_arena(&r->arena, text.n == 0 ? SP_LIT("{}") : text, SP_JSON_DEFAULT, &args, &e);

	if (st == SP_OK)
		st = sp_bind(&r->arena, &t->door->img, t->tool, args, &r->call.req, &e);
	if (st == SP_OK)
		return true;
	if (sp_bind_fault_text(st, &e).n == 0)
		sp_log(SP_ERROR, "call.cannot_bind", SP_S("tool", tool_name(t)), SP_C("why", e.log));
	else if (st == SP_E_REFUSED)
		sp_log(SP_ERROR, "outbound.incident", SP_S("tool", tool_name(t)),
		    SP_C("what", "an argument aimed at a credential slot"));
	return_error(ctx, sp_bind_fault_text(st, &e).n == 0 ? SP_LIT("arguments: not acceptable") : sp_bind_fault_text(st, &e));
	return false;
}

/* Arguments were checked against the schema before. */
static void
on_call(struct sp_context *ctx, void *arg)
{
	const struct sp_outtool *t = arg;
	const char *args = sp_arguments(ctx);
	sp_slice text = sp_str(args == NULL ? "{}" : args);
	struct run *r = calloc(1, sizeof *r);

	if (r == NULL) {
		return_error(ctx, SP_LIT("no memory for the call"));
		return;
	}
	sp_arena_init(&r->arena, text.n * ARENA_TIMES + ARENA_FLOOR);
	r->tool = t;
	r->call = (struct sp_outcall){ .door = t->door, .op = *t->op, .timeout_ms = t->timeout_ms, .done = on_end };
	if (!bind_args(r, ctx, text)) {
		run_free(r);
		return;
	}
	r->call.job = (struct sp_pool_job){ .identity = t->identity, .origin = t->op->origin, .limit = SP_OUT_ANSWER,
	    .safe = t->op->method == SP_GET || t->op->method == SP_HEAD, .no_body = t->op->method == SP_HEAD };
	if (r->call.req.has_body)
		r->call.job.body = r->call.req.body;
	r->call.ctx = sp_defer(ctx);
	if (r->call.ctx == NULL) {
		run_free(r);
		return;
	}
	sp_outcall_start(&r->call);
}

/* ---- mounting */

struct mount {
	const struct sp_openapi_provider_options *opt;
	struct sp_outbound *o;
	struct sp_door *door;
	const char *keys[SECRETS_MAX];
	struct sp_grant *grants[SECRETS_MAX];
	uint32_t ngrants;
};

static bool
find_grants(struct mount *m, const char *name)
{
	const struct sp_secret_for *s = m->opt->secrets;
	bool good = true;

	for (; s != NULL && s->scheme != NULL; s++) {
		struct sp_grant *g = s->grant == NULL ? NULL : sp_grant_find(m->o, sp_str(s->grant));

		if (g == NULL || m->ngrants == SECRETS_MAX) {
			sp_server_mistake(m->o->server, g == NULL ? "sp_openapi_provider(%s): there is no grant `%s` for the scheme `%s`: "
			    "declare it by sp_grant() before this" : "sp_openapi_provider(%s): too many secrets (`%s`, `%s`)", name,
			    s->grant == NULL ? "" : s->grant, s->scheme);
			good = false;
			continue;
		}
		good = good && g->door != NULL;		/* else its mistake was told */
		m->keys[m->ngrants] = s->scheme;
		m->grants[m->ngrants++] = g;
	}
	return good;
}

/* Tools with the same credentials share connections. */
static uint32_t
identity_of(const struct sp_door *d, uint32_t i)
{
	const struct sp_ref *mine = &d->tools[i].op->grants;

	for (uint32_t k = 0; k < i; k++) {
		const struct sp_ref *other = &d->tools[k].op->grants;

		if (mine->n == other->n && (mine->n == 0 ||
		    memcmp(sp_img_u32(&d->img, *mine), sp_img_u32(&d->img, *other), mine->n * sizeof(uint32_t)) == 0))
			return d->tools[k].identity;
	}
	return i + 1;
}

static enum sp_hint
hint(sp_jval *annotations, const char *name)
{
	sp_jval *v = sp_jget(annotations, sp_str(name));

	return !sp_jis_bool(v) ? SP_HINT_UNSAID : sp_jtrue(v) ? SP_HINT_YES : SP_HINT_NO;
}

static const char *
text_of(struct sp_arena *a, sp_jval *v)
{
	return sp_jis_str(v) ? sp_arena_copy(a, sp_jtext(v)).p : NULL;
}

static const char *
json_of(struct sp_arena *a, sp_jval *v)
{
	struct sp_out o;
	const char *p;

	if (!sp_jis_obj(v))
		return NULL;
	sp_out_heap(&o, SIZE_MAX / 2);
	sp_jwrite(&o, v);
	p = sp_arena_copy(a, sp_out_view(&o)).p;
	sp_out_free(&o);
	return p;
}

/* As the image has it: tags, and the Tool object that the program would send. */
static bool
tool_options(const struct mount *m, const struct sp_outtool *t, struct sp_arena *a, struct sp_tool_options *opt)
{
	const struct sp_image *img = &m->door->img;
	char shown[SP_SHOWN_MAX + 1];
	sp_slice prefix = m->opt->name == NULL ? (sp_slice){ NULL, 0 } : sp_str(m->opt->name);
	const char **tags = sp_arena_get(a, (t->tool->tags.n + 1) * sizeof *tags);
	sp_jval *root = NULL, *annotations;

	if (tags == NULL || sp_json_read_arena(a, sp_img_str(img, t->tool->json), SP_JSON_DEFAULT, &root, NULL) != SP_OK)
		return false;
	for (uint32_t i = 0; i < t->tool->tags.n; i++)
		tags[i] = sp_arena_copy(a, sp_img_text(img, t->tool->tags, i)).p;
	annotations = SP_JGET(root, "annotations");
	*opt = (struct sp_tool_options){
		.size = sizeof *opt, .name = sp_arena_copy(a, sp_shown_make(prefix, tool_name(t), shown)).p,
		.title = text_of(a, SP_JGET(root, "title")), .description = text_of(a, SP_JGET(root, "description")),
		.input_schema = sp_arena_copy(a, sp_img_str(img, t->tool->schema)).p,
		.output_schema = json_of(a, SP_JGET(root, "outputSchema")), .tags = tags,
		.read_only = hint(annotations, "readOnlyHint"), .destructive = hint(annotations, "destructiveHint"),
		.idempotent = hint(annotations, "idempotentHint"), .open_world = hint(annotations, "openWorldHint"),
		.handler = on_call, .on_loop = true, .arg = (void *)(uintptr_t)t,
		.timeout_s = t->timeout_ms / 1000 + 2,		/* ours ends it first, and says what became of it */
	};
	return !a->full;
}

static void
mount_tool(const struct mount *m, const struct sp_outtool *t, struct sp_auth_check *check)
{
	struct sp_tool_options opt;
	struct sp_arena a;

	sp_arena_init(&a, 64 << 20);
	if (tool_options(m, t, &a, &opt)) {
		opt.auth = sp_check_hold(check);
		sp_tool_add(m->o->server, &opt);
	} else {
		sp_server_mistake(m->o->server, "sp_openapi_provider(%s): no memory for its tools", m->door->name);
	}
	sp_arena_free(&a);
}

static void
mount_all(struct mount *m)
{
	const struct sp_img_head *h = m->door->img.head;
	unsigned seconds = m->opt->timeout_s == 0 ? SECONDS : m->opt->timeout_s;

	m->door->tools = calloc(h->tools.n + 1u, sizeof *m->door->tools);
	if (m->door->tools == NULL) {
		sp_server_mistake(m->o->server, "sp_openapi_provider(%s): no memory", m->door->name);
		return;
	}
	for (uint32_t i = 0; i < h->tools.n; i++) {
		struct sp_outtool *t = &m->door->tools[i];
		const struct sp_img_tool *tool = SP_IMG_AT(&m->door->img, h->tools, tool, i);
		struct sp_auth_check *check = tool->access == 0 ? m->opt->read : m->opt->write;

		*t = (struct sp_outtool){ .door = m->door, .tool = tool, .op = SP_IMG_AT(&m->door->img, tool->op, op, 0),
		    .timeout_ms = seconds * 1000 };
		t->identity = identity_of(m->door, i);
		if (check != NULL)
			mount_tool(m, t, check);
	}
}

void
sp_outtools_free(struct sp_door *d)
{
	free(d->tools);
	d->tools = NULL;
}

static const char *
bad_options(const struct mount *m)
{
	if (m->opt->document == NULL || m->opt->document[0] == '\0')
		return "`document` is required: the path of an OpenAPI document";
	if (m->opt->read == NULL && m->opt->write == NULL)
		return "`read` and `write` are both missing, so nobody could call anything: give SP_SIGNED_IN, SP_ANYONE or a check";
	if (m->opt->timeout_s > SP_OUT_SECONDS_MAX)
		return "`timeout_s` is at most 3600";
	if (m->o->phase != SP_OUT_NEW)
		return "the server has begun: mount documents before";
	return NULL;
}

void
sp_openapi_mount(struct sp_server *server, const struct sp_openapi_provider_options *options)
{
	struct sp_openapi_provider_options opt = { 0 };
	struct mount m = { .opt = &opt, .o = sp_outbound_of(server) };
	const char *name, *why;

	memcpy(&opt, options, options->size < sizeof opt ? options->size : sizeof opt);
	name = opt.name != NULL ? opt.name : opt.document != NULL ? opt.document : "?";
	if (m.o == NULL)
		return;
	why = bad_options(&m);
	if (why != NULL)
		sp_server_mistake(server, "sp_openapi_provider(%s): %s", name, why);
	else if (find_grants(&m, name)) {
		const struct sp_door_what what = { .name = name, .server = opt.name != NULL ? opt.name : "api",
		    .document = opt.document, .url = opt.url, .keys = m.keys, .grants = m.grants, .ngrants = m.ngrants };

		m.door = sp_door_new(m.o, &what);
		if (m.door != NULL)
			mount_all(&m);
	}
	/* Each tool has its own share by now. */
	sp_auth_check_free(opt.read);
	if (opt.write != opt.read)
		sp_auth_check_free(opt.write);
}

/* Functions of <sallyport/context.h> that ask about a call and tell its client things; they run in the handler's thread. */
#include "server/engine.h"

#include "base/utf8.h"

#include <math.h>
#include <stdlib.h>

enum { NOTE_BYTES = 1 << 18 };

/* ---- what was asked, and by whom */

struct sp_server *
sp_context_server(const struct sp_context *c)
{
	return c->s;
}

const char *
sp_context_name(const struct sp_context *c)
{
	return c->name.p;
}

const struct sp_principal *
sp_context_principal(const struct sp_context *c)
{
	return c->who;
}

const char *
sp_arguments(const struct sp_context *c)
{
	return c->args_text == NULL ? "{}" : c->args_text;
}

const char *
sp_context_meta(const struct sp_context *c)
{
	return c->meta_text == NULL ? "{}" : c->meta_text;
}

bool
sp_is_cancelled(const struct sp_context *c)
{
	return c->cancelled;
}

bool
sp_is_modern(const struct sp_context *c)
{
	return c->ask.era == SP_ERA_MODERN;
}

/* A member of that very name, else along the dots. */
static sp_jval *
find(const struct sp_context *c, const char *name)
{
	sp_slice path = sp_str(name), part;
	sp_jval *v = sp_jget(c->args, path);

	if (v != NULL)
		return v;
	v = c->args;
	while (v != NULL && sp_take_part(&path, '.', &part))
		v = sp_jget(v, part);
	return v == c->args ? NULL : v;
}

const char *
sp_arg_text(struct sp_context *c, const char *name)
{
	sp_jval *v = find(c, name);

	/* A text with U+0000 inside would be cut short. */
	if (v == NULL || !sp_jis_str(v) || sp_has_byte(sp_jtext(v), '\0'))
		return NULL;
	return sp_jtext(v).n == 0 ? "" : sp_jtext(v).p;
}

bool
sp_arg_int(struct sp_context *c, const char *name, int64_t *value)
{
	return sp_jint(find(c, name), value);
}

bool
sp_arg_number(struct sp_context *c, const char *name, double *value)
{
	sp_jval *v = find(c, name);
	char buf[64], *end;
	double d;

	if (v == NULL || !sp_jis_num(v) || !sp_cstr(sp_jtext(v), buf, sizeof buf))
		return false;
	d = strtod(buf, &end);
	if (*end != '\0' || !isfinite(d))
		return false;
	*value = d;
	return true;
}

bool
sp_arg_bool(struct sp_context *c, const char *name, bool absent)
{
	sp_jval *v = find(c, name);

	return v == NULL || !sp_jis_bool(v) ? absent : sp_jtrue(v);
}

const char *
sp_arg_json(struct sp_context *c, const char *name)
{
	sp_jval *v = find(c, name);
	struct sp_out o;
	sp_slice text = { NULL, 0 };

	if (v == NULL)
		return NULL;
	sp_out_heap(&o, c->s->opt.max_body * 6);
	sp_jwrite(&o, v);
	if (!o.full)
		text = sp_arena_copy(&c->arena, sp_out_view(&o));
	sp_out_free(&o);
	return text.p;
}

bool
sp_context_keep(struct sp_context *c, void *p, void (*drop)(void *p))
{
	struct sp_kept *k = malloc(sizeof *k);

	if (k == NULL)
		return false;
	*k = (struct sp_kept){ .next = c->kept, .p = p, .drop = drop };
	c->kept = k;
	return true;
}

/* ---- while it runs */

static bool
wants_progress(const struct sp_context *c)
{
	return c->ask.progress.n != 0 && c->as_task == NULL;
}

enum sp_rc
sp_progress(struct sp_context *c, double progress, double total, const char *message)
{
	enum sp_rc rc = sp_call_open(c);
	struct sp_out params, o;

	if (rc != SP_RC_OK)
		return rc;
	if (!isfinite(progress) || !isfinite(total) || (c->out.progressed && progress <= c->progress) ||
	    (message != NULL && !sp_utf8_valid(sp_str(message))))
		return SP_RC_INVALID;
	c->progress = progress;
	c->out.progressed = true;
	if (!wants_progress(c))
		return SP_RC_OK;
	sp_out_heap(&params, NOTE_BYTES);
	sp_out_heap(&o, NOTE_BYTES);
	sp_out_fmt(&params, "{\"progress\":%.17g", progress);
	if (total != 0)
		sp_out_fmt(&params, ",\"total\":%.17g", total);
	if (message != NULL) {
		sp_out_str(&params, ",\"message\":");
		sp_jout_str(&params, sp_str(message));
	}
	sp_out_byte(&params, '}');
	sp_mcp_progress(&o, sp_out_view(&params), c->ask.progress);
	rc = params.full || o.full ? SP_RC_TOO_BIG : sp_call_say(c, sp_out_view(&o), 0);
	sp_out_free(&params);
	sp_out_free(&o);
	return rc;
}

/* JSON as it is; any other text as a JSON string. */
static void
write_data(struct sp_out *o, const char *data)
{
	SP_AUTO(sp_json_free) struct sp_json json = { 0 };
	struct sp_err e;

	if (sp_json_read(sp_str(data), SP_JSON_DEFAULT, &json, &e) == SP_OK)
		sp_jwrite(o, json.root);
	else
		sp_jout_str(o, sp_str(data));
}

enum sp_rc
sp_message(struct sp_context *c, enum sp_log_level level, const char *logger, const char *data)
{
	enum sp_rc rc = sp_call_open(c);
	struct sp_out params, o;

	if (rc != SP_RC_OK)
		return rc;
	if ((unsigned)level < SP_LOG_DEBUG || (unsigned)level > SP_LOG_EMERGENCY || data == NULL ||
	    !sp_utf8_valid(sp_str(data)) || (logger != NULL && !sp_utf8_valid(sp_str(logger))))
		return SP_RC_INVALID;
	/* mcp-spec 2.3: in the modern era only on request; the level of a session is asked when it is sent. */
	if (c->ask.era == SP_ERA_MODERN && (c->ask.log_level == 0 || (uint32_t)level < c->ask.log_level))
		return SP_RC_OK;
	sp_out_heap(&params, NOTE_BYTES);
	sp_out_heap(&o, NOTE_BYTES);
	sp_out_str(&params, "{\"level\":");
	sp_jout_str(&params, sp_mcp_level_name(level));
	if (logger != NULL) {
		sp_out_str(&params, ",\"logger\":");
		sp_jout_str(&params, sp_str(logger));
	}
	sp_out_str(&params, ",\"data\":");
	write_data(&params, data);
	sp_out_byte(&params, '}');
	sp_mcp_message(&o, sp_out_view(&params));
	rc = params.full || o.full ? SP_RC_TOO_BIG : sp_call_say(c, sp_out_view(&o), level);
	sp_out_free(&params);
	sp_out_free(&o);
	return rc;
}

/* Every denial is explained to the operator, never to the caller: one audit record, and one
 * line with the command that shows the same decision again. */
#include "front/front.h"

#include "base/utf8.h"
#include "crypto/crypto.h"
#include "os/role.h"

void
sp_deny_request(struct sp_front *f, const char *event, const struct sp_err *e, sp_slice token)
{
	uint8_t hash[32];
	char hex[20];
	struct sp_out o;

	if (!sp_quota_take(&f->denials, uv_now(f->loop)))
		return;
	if (token.n == 0) {
		sp_log(SP_WARN, event, SP_C("reason", e->log));
		return;
	}
	sp_sha256(token, hash);
	sp_out_init(&o, hex, sizeof hex);
	sp_out_hex(&o, hash, 8);
	sp_log(SP_WARN, event, SP_C("reason", e->log), SP_S("token", sp_out_view(&o)));
}

static bool
is_plain(unsigned char c)
{
	return sp_is_alpha(c) || sp_is_digit(c) || (c != 0 && strchr("_./:@%+=,-", c) != NULL);
}

void
sp_shell_word(struct sp_out *o, sp_slice s)
{
	char buf[512];
	struct sp_out clean;
	sp_slice in, part;

	if (s.n != 0 && sp_span(s, is_plain) == s.n && s.p[0] != '-') {
		sp_out_slice(o, s);
		return;
	}
	sp_out_init(&clean, buf, sizeof buf);
	sp_utf8_clean(&clean, s, 256, false);
	in = sp_out_view(&clean);
	sp_out_byte(o, '\'');
	while (sp_take_to(&in, '\'', &part)) {
		sp_out_slice(o, part);
		sp_out_str(o, "'\\''");
	}
	sp_out_slice(o, in);
	sp_out_byte(o, '\'');
}

static void
tags_write(struct sp_out *o, const struct sp_image *img, const struct sp_principal *who)
{
	bool first = true;

	for (uint32_t i = 0; i < img->head->tags.n; i++) {
		if (!sp_bit(who->tags, who->tag_words, i))
			continue;
		if (!first)
			sp_out_byte(o, ' ');
		first = false;
		sp_out_slice(o, sp_img_text(img, img->head->tags, i));
	}
}

static void
option(struct sp_out *o, const char *name, const struct sp_out *value)
{
	if (value->n == 0)
		return;
	sp_out_str(o, name);
	sp_shell_word(o, sp_out_view(value));
}

/* --tool SERVER.NAME, --prompt SERVER.NAME or --resource SERVER:URI. */
static void
name_write(struct sp_out *o, const struct sp_image *img, const struct sp_component *what)
{
	bool by_uri = what->kind == SP_COMPONENT_RESOURCE || what->kind == SP_COMPONENT_TEMPLATE;
	char buf[640];
	struct sp_out name;

	sp_out_init(&name, buf, sizeof buf);
	sp_out_slice(&name, sp_img_str(img, SP_IMG_AT(img, img->head->servers, server, what->server)->name));
	sp_out_byte(&name, by_uri ? ':' : '.');
	sp_out_slice(&name, sp_sub(what->name, 0, 512));
	sp_out_str(o, by_uri ? " --resource " : what->kind == SP_COMPONENT_PROMPT ? " --prompt " : " --tool ");
	sp_shell_word(o, sp_out_view(&name));
}

/* sallyport why --as SOURCE/USER --tool SERVER.NAME …: arguments are left to the operator,
 * they may be private. */
static void
why_write(struct sp_out *o, struct sp_front *f, const struct sp_req *q, const struct sp_component *what, bool args)
{
	const struct sp_image *img = f->img;
	char a[640], b[1024];
	struct sp_out as, list;

	sp_out_init(&as, a, sizeof a);
	sp_out_slice(&as, sp_img_str(img, SP_IMG_AT(img, img->head->sources, source, q->who->source)->name));
	if (q->who->user.n != 0) {
		sp_out_byte(&as, '/');
		sp_out_slice(&as, sp_sub(q->who->user, 0, 256));
	}
	sp_out_str(o, "sallyport why --as ");
	sp_shell_word(o, sp_out_view(&as));
	name_write(o, img, what);
	sp_out_init(&list, b, sizeof b);
	sp_scopes_write(&list, img, q->who->scopes, q->who->scope_words);
	option(o, " --scopes ", &list);
	sp_out_init(&list, b, sizeof b);
	tags_write(&list, img, q->who);
	option(o, " --tags ", &list);
	if (args)
		sp_out_str(o, " --args '…'");
}

static const char *
prefix_of(const struct sp_req *q)
{
	switch (q->ask.method) {
	case SP_MCP_PROMPTS_GET:
		return "prompt:";
	case SP_MCP_RESOURCES_READ:
	case SP_MCP_SUBSCRIBE:
	case SP_MCP_UNSUBSCRIBE:
		return "resource:";
	default:
		return "";
	}
}

static void
audit(struct sp_front *f, const struct sp_req *q, const struct sp_component *what, const struct sp_decision *d)
{
	const struct sp_image *img = f->img;
	struct sp_audit_record r = {
		.kind = SP_AUDIT_DECISION, .time_us = sp_now_us(), .outcome = (uint32_t)d->outcome,
	};
	char buf[640];
	struct sp_out name;

	if (f->ring == NULL)
		return;
	sp_out_init(&name, buf, sizeof buf);
	if (what == NULL || what->kind != SP_COMPONENT_TOOL)
		sp_out_str(&name, what == NULL ? prefix_of(q) : what->kind == SP_COMPONENT_PROMPT ? "prompt:" : "resource:");
	sp_out_slice(&name, sp_sub(what == NULL ? q->ask.name : what->name, 0, 512));
	SP_RING_TEXT(r.source, sp_img_str(img, SP_IMG_AT(img, img->head->sources, source, q->who->source)->name));
	SP_RING_TEXT(r.user, q->who->user);
	SP_RING_TEXT(r.tool, sp_out_view(&name));
	if (what != NULL)
		SP_RING_TEXT(r.server, sp_img_str(img, SP_IMG_AT(img, img->head->servers, server, what->server)->name));
	SP_RING_TEXT(r.note, sp_str(d->reason));
	if (d->reason_rule < img->head->rules.n)
		r.rule_line = SP_IMG_AT(img, img->head->rules, rule, d->reason_rule)->line;
	memcpy(r.fingerprint, q->who->fingerprint, sizeof r.fingerprint);
	if (sp_ring_put(f->ring, &r) != SP_OK)
		sp_log(SP_ERROR, "audit.full");	/* room was asked for before; the call is refused either way */
}

void
sp_deny(struct sp_front *f, const struct sp_req *q, const struct sp_component *what, const struct sp_decision *d)
{
	const struct sp_image *img = f->img;
	char buf[4096];
	struct sp_out o;
	uint32_t line = 0;

	sp_count(f->counters, f->row, SP_C_DENIED_TOTAL, 1);
	audit(f, q, what, d);
	if (!sp_quota_take(&f->denials, uv_now(f->loop)))
		return;
	sp_out_init(&o, buf, sizeof buf);
	/* Of a name that nobody has there is nothing to explain but which names there are. */
	if (what != NULL)
		why_write(&o, f, q, what, d->outcome == SP_REFUSED_ARGS);
	else
		sp_out_str(&o, "sallyport tools");
	if (d->reason_rule < img->head->rules.n)
		line = SP_IMG_AT(img, img->head->rules, rule, d->reason_rule)->line;
	sp_log(SP_WARN, "denied", SP_C("reason", d->reason), SP_U("line", line), SP_S("tool", q->ask.name),
	    SP_S("source", sp_img_str(img, SP_IMG_AT(img, img->head->sources, source, q->who->source)->name)),
	    SP_S("user", q->who->user), SP_S("why", sp_out_view(&o)));
}

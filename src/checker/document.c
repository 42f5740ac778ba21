#include "checker/document.h"

#include "base/utf8.h"
#include "wire/json.h"

/* ---------------------------------------------------------------- the question */

static const char *const kinds[] = { "", "tool", "resource", "template", "prompt" };

static void
member(struct sp_out *o, const char *name, sp_slice text)
{
	sp_out_fmt(o, "\"%s\":", name);
	if (text.n == 0)
		sp_out_str(o, "null");
	else
		sp_jout_str(o, text);
}

static void
words(struct sp_out *o, sp_slice list)
{
	bool first = true;
	sp_slice one;

	sp_out_byte(o, '[');
	while (sp_take_part(&list, ' ', &one)) {
		sp_out_str(o, first ? "" : ",");
		first = false;
		sp_jout_str(o, one);
	}
	sp_out_byte(o, ']');
}

static void
texts(struct sp_out *o, sp_slice list)
{
	bool first = true;
	sp_slice one;

	sp_out_byte(o, '[');
	while (sp_text_list_take(&list, &one)) {
		sp_out_str(o, first ? "" : ",");
		first = false;
		sp_jout_str(o, one);
	}
	sp_out_byte(o, ']');
}

static void
principal(struct sp_out *o, const struct sp_m_check *m)
{
	sp_out_str(o, ",\"principal\":");
	if ((m->flags & SP_CHECK_NOBODY) != 0) {
		sp_out_str(o, "null");
		return;
	}
	sp_out_byte(o, '{');
	member(o, "subject", m->user);
	sp_out_byte(o, ',');
	member(o, "issuer", m->issuer);
	sp_out_byte(o, ',');
	member(o, "client_id", m->client_id);
	sp_out_byte(o, ',');
	member(o, "source", m->source);
	sp_out_str(o, ",\"scopes\":");
	words(o, m->scopes);
	sp_out_str(o, ",\"tags\":");
	texts(o, m->tags);
	sp_out_byte(o, '}');
}

static void
component(struct sp_out *o, const struct sp_m_check *m)
{
	sp_out_str(o, ",\"component\":{");
	member(o, "server", m->server);
	sp_out_fmt(o, ",\"kind\":\"%s\",", kinds[m->kind]);
	member(o, "name", m->name);
	sp_out_str(o, ",\"tags\":");
	texts(o, m->about);
	if (m->kind == 1 && (m->flags & SP_CHECK_LIST) == 0)
		sp_out_str(o, (m->flags & SP_CHECK_WRITES) != 0 ? ",\"access\":\"write\"" : ",\"access\":\"read\"");
	sp_out_byte(o, '}');
}

/* Written anew: nothing but JSON can come of it, whoever asked. */
static enum sp_status
arguments(struct sp_out *o, sp_slice text, struct sp_err *e)
{
	const struct sp_json_limits lim = { 512, 0 };
	SP_AUTO(sp_json_free) struct sp_json json = { 0 };
	enum sp_status st = sp_json_read(text, lim, &json, e);

	if (st != SP_OK || !sp_jis_obj(json.root))
		return sp_fail(e, SP_E_BAD_JSON, NULL, "the arguments are no JSON object");
	sp_jwrite(o, json.root);
	return SP_OK;
}

enum sp_status
sp_point_question(sp_slice check, const struct sp_m_check *m, struct sp_out *o, struct sp_err *e)
{
	enum sp_status st = SP_OK;

	sp_out_str(o, "{\"check\":");
	sp_jout_str(o, check);
	principal(o, m);
	component(o, m);
	sp_out_str(o, ",\"arguments\":");
	if ((m->flags & SP_CHECK_HAS_ARGS) != 0)
		st = arguments(o, m->args, e);
	else
		sp_out_str(o, "null");
	sp_out_str(o, ",\"transport\":\"http\",");
	member(o, "peer", m->peer);
	sp_out_byte(o, '}');
	if (st == SP_OK && o->full)
		return sp_fail(e, SP_E_TOO_BIG, NULL, "the question is too large");
	return st;
}

/* ---------------------------------------------------------------- the answer */

static enum sp_status
bad(struct sp_err *e, const char *why)
{
	return sp_fail(e, SP_E_UPSTREAM, NULL, "its answer %s", why);
}

static bool
is_plain(sp_slice text)
{
	uint32_t cp;

	while (text.n != 0)
		if (!sp_utf8_take(&text, &cp) || cp < 0x20 || (cp >= 0x7f && cp < 0xa0))
			return false;
	return true;
}

static enum sp_status
read_message(sp_jval *v, struct sp_point_answer *a, struct sp_err *e)
{
	sp_slice text = sp_jtext(v);

	if (!sp_jis_str(v) || text.n == 0 || text.n > SP_CHECK_TEXT_MAX || !is_plain(text))
		return bad(e, "has a `message` that is no text of 1 to 255 bytes in one line");
	memcpy(a->text, text.p, text.n);
	a->text_n = text.n;
	return SP_OK;
}

static enum sp_status
read_scopes(sp_jval *v, struct sp_point_answer *a, struct sp_err *e)
{
	struct sp_out o;

	sp_out_init(&o, a->scopes, sizeof a->scopes - 1);
	for (struct sp_jiter it = sp_jeach(v); sp_jis_arr(v) && sp_jnext(&it);) {
		if (!sp_jis_str(it.val) || sp_has_byte(sp_jtext(it.val), ' '))
			return bad(e, "has `scopes` that are none");
		if (o.n != 0)
			sp_out_byte(&o, ' ');
		sp_out_slice(&o, sp_jtext(it.val));
	}
	a->scopes_n = o.n;
	return !o.full && sp_scope_list_ok(sp_out_view(&o)) ? SP_OK :
	    bad(e, "has `scopes` that are no list of different scopes, of at most 511 bytes together");
}

static enum sp_status
read_age(sp_jval *v, struct sp_point_answer *a, struct sp_err *e)
{
	int64_t n;

	if (!sp_jis_num(v) || !sp_jint(v, &n) || n < 0)
		return bad(e, "has a `max_age_s` that is no number of seconds");
	a->max_age_s = n > SP_POINT_AGE_MAX_S ? SP_POINT_AGE_MAX_S : (uint32_t)n;
	return SP_OK;
}

static enum sp_status
read_decision(sp_slice word, struct sp_point_answer *a, struct sp_err *e)
{
	if (sp_eq(word, SP_LIT("allow")))
		a->verdict = SP_CHECK_ALLOWED;
	else if (sp_eq(word, SP_LIT("deny")))
		a->verdict = SP_CHECK_DENIED;
	else if (sp_eq(word, SP_LIT("scopes")))
		a->verdict = SP_CHECK_SHORT;
	else
		return bad(e, "has no `decision` of allow, deny or scopes");
	return SP_OK;
}

/* An obligation that we do not know must not be lost: a member that has no row here makes the answer none. */
static enum sp_status
read_member(sp_slice key, sp_jval *v, struct sp_point_answer *a, struct sp_err *e)
{
	if (sp_eq(key, SP_LIT("decision")))
		return SP_OK;
	if (sp_eq(key, SP_LIT("message")))
		return read_message(v, a, e);
	if (sp_eq(key, SP_LIT("scopes")))
		return read_scopes(v, a, e);
	if (sp_eq(key, SP_LIT("max_age_s")))
		return read_age(v, a, e);
	return bad(e, "has a member that is not known here");
}

enum sp_status
sp_point_read(sp_slice body, struct sp_point_answer *out, struct sp_err *e)
{
	const struct sp_json_limits lim = { 4, 256 };
	SP_AUTO(sp_json_free) struct sp_json json = { 0 };
	struct sp_point_answer a = { 0 };
	sp_jval *decision;
	enum sp_status st;

	if (sp_json_read(body, lim, &json, e) != SP_OK || !sp_jis_obj(json.root))
		return bad(e, "is no JSON object");
	decision = SP_JGET(json.root, "decision");
	st = read_decision(sp_jis_str(decision) ? sp_jtext(decision) : (sp_slice){ NULL, 0 }, &a, e);
	for (struct sp_jiter it = sp_jeach(json.root); st == SP_OK && sp_jnext(&it);)
		st = read_member(it.key, it.val, &a, e);
	if (st != SP_OK)
		return st;
	if (a.text_n != 0 && a.verdict != SP_CHECK_DENIED)
		return bad(e, "has a `message` and does not deny");
	if ((a.scopes_n != 0) != (a.verdict == SP_CHECK_SHORT))
		return bad(e, a.scopes_n == 0 ? "wants scopes and names none" : "has `scopes` and decides otherwise");
	if (a.text_n != 0)
		a.verdict = SP_CHECK_REFUSED;
	*out = a;
	return SP_OK;
}

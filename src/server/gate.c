/* The one place where it is decided who may see and use what (config.md section 3: outcomes). */
#include "server/engine.h"

#include "base/log.h"
#include "crypto/crypto.h"

#define NOT_THESE "refused: these arguments are not allowed"

/* ---- who it is */

static void
mark_of(const struct sp_principal *who, uint8_t mark[32])
{
	struct sp_out o;

	sp_out_heap(&o, 1 << 20);
	sp_out_str(&o, "caller");
	sp_out_be(&o, who->source, 4);
	sp_out_lv(&o, who->issuer, 4);
	sp_out_lv(&o, who->user, 4);
	sp_out_lv(&o, who->client_id, 4);
	if (o.full)
		sp_random_bytes(mark, 32);	/* no memory: nobody's, so nothing is shared */
	else
		sp_sha256(sp_out_view(&o), mark);
	sp_out_free(&o);
}

void
sp_caller_mark(struct sp_server *s, struct sp_principal *who, uint8_t mark[32])
{
	size_t at = ((uintptr_t)who >> 6) % SP_COUNT(s->marks);

	if (who == NULL) {
		memset(mark, 0, 32);
		return;
	}
	if (s->marks[at].who != who) {
		sp_principal_drop(&s->marks[at].who);
		mark_of(who, s->marks[at].mark);
		s->marks[at].who = sp_principal_hold(who);
	}
	memcpy(mark, s->marks[at].mark, 32);
}

/* ---- asking */

static const char *
c_text(struct sp_out *o, sp_slice s)
{
	size_t from = o->n;

	if (s.n == 0 || memchr(s.p, '\0', s.n) != NULL)
		return NULL;
	sp_out_slice(o, s);
	sp_out_byte(o, '\0');
	return o->full ? NULL : o->p + from;
}

static void
add_scopes(struct sp_verdict *v, const char *scopes)
{
	sp_slice all = sp_str(scopes), one;
	struct sp_out o;

	sp_out_init(&o, v->scopes, sizeof v->scopes - 1);
	o.n = strlen(v->scopes);
	while (sp_take_part(&all, ' ', &one)) {
		sp_slice have = sp_out_view(&o), h;
		bool there = one.n == 0;

		while (!there && sp_take_part(&have, ' ', &h))
			there = sp_eq(h, one);
		if (there || o.n + one.n + 1 > o.cap)
			continue;
		if (o.n != 0)
			sp_out_byte(&o, ' ');
		sp_out_slice(&o, one);
	}
	v->scopes[o.n] = '\0';
}

static void
log_denied(const struct sp_auth_context *a, enum sp_auth_verdict verdict, const struct sp_exchange *x)
{
	if (verdict == SP_VERDICT_FAILED)
		sp_log(SP_ERROR, "check.failed", SP_C("name", a->name), SP_C("why", a->text));
	else if (a->arguments != NULL)
		sp_log(SP_INFO, "call.denied", SP_C("name", a->name), SP_S("user", x->who == NULL ? SP_LIT("") : x->who->user),
		    SP_C("why", a->text));
}

/* One check; the verdicts of all of them are joined as sp_all_of() does it. */
static void
ask(const struct sp_auth_check *check, struct sp_auth_context *a, const struct sp_exchange *x, struct sp_verdict *v)
{
	enum sp_auth_verdict verdict;

	a->text[0] = a->scopes[0] = '\0';
	verdict = sp_check_ask(check, a);
	if (verdict != SP_VERDICT_ALLOW)
		log_denied(a, verdict, x);
	switch (verdict) {
	case SP_VERDICT_ALLOW:
		add_scopes(v, a->scopes);	/* wanted too, should another check lack some */
		return;
	case SP_VERDICT_SCOPES:
		if (v->st == SP_OK)
			v->st = SP_E_SCOPE;
		add_scopes(v, a->scopes);
		return;
	case SP_VERDICT_REFUSE:
		if (v->st != SP_OK)
			return;
		v->st = SP_E_REFUSED;
		memcpy(v->text, a->text, sizeof v->text);
		return;
	default:
		v->st = SP_E_DENIED;
	}
}

static void
ask_both(struct sp_server *s, struct sp_auth_context *a, const struct sp_exchange *x, const struct sp_offer *offer,
    struct sp_verdict *v)
{
	*v = (struct sp_verdict){ .st = SP_OK };
	if (s->opt.check != NULL)
		ask(s->opt.check, a, x, v);
	if (v->st == SP_OK || v->st == SP_E_SCOPE)
		ask(offer->auth, a, x, v);
}

static bool
could_sign_in(const struct sp_exchange *x)
{
	return x->has_provider && !x->signed_in;
}

enum sp_status
sp_gate(struct sp_server *s, const struct sp_exchange *x, const struct sp_offer *offer, const char *name,
    const char *arguments, struct sp_verdict *v)
{
	struct sp_auth_context a = { .who = x->who, .signed_in = x->signed_in, .name = name, .arguments = arguments,
		.transport = x->transport };
	struct sp_out *texts = &s->gate_texts;
	struct sp_verdict listed;

	*v = (struct sp_verdict){ .st = could_sign_in(x) ? SP_E_NO_TOKEN : SP_E_DENIED };
	if (offer == NULL || (could_sign_in(x) && !offer->open_to_nobody))
		return v->st;
	a.kind = offer->kind;
	a.tags = offer->tags;
	if (x->token.n + x->peer.n != 0 && sp_out_room(texts, x->token.n + x->peer.n + 2) != NULL) {
		texts->n = 0;	/* the room stays where it is */
		a.token = c_text(texts, x->token);
		a.peer = c_text(texts, x->peer);
	}
	ask_both(s, &a, x, offer, v);
	/* config.md section 3: who has it in the list is told that it is the arguments. */
	if (v->st == SP_E_DENIED && arguments != NULL) {
		a.arguments = NULL;
		ask_both(s, &a, x, offer, &listed);
		if (listed.st == SP_OK) {
			*v = (struct sp_verdict){ .st = SP_E_REFUSED };
			memcpy(v->text, NOT_THESE, sizeof NOT_THESE);
		}
	}
	sp_out_wipe(texts);
	if (could_sign_in(x) && (v->st == SP_E_DENIED || v->st == SP_E_SCOPE))
		v->st = SP_E_NO_TOKEN;
	return v->st;
}

enum sp_status
sp_gate_door(const struct sp_server *s, const struct sp_exchange *x)
{
	return could_sign_in(x) && s->nopen_to_nobody == 0 ? SP_E_NO_TOKEN : SP_OK;
}

/* ---- what is answered */

/* A transport without HTTP cannot challenge: the model is told what is missing. */
static void
tell_scopes(struct sp_context *c, const struct sp_verdict *v)
{
	char buf[sizeof v->scopes + 32];
	struct sp_out o;
	sp_slice object;

	sp_out_init(&o, buf, sizeof buf - 1);
	sp_out_fmt(&o, "refused: this needs the scopes %s", v->scopes);
	buf[o.n] = '\0';
	(void)sp_result_fail(c, sp_reply_begin(c->s), SP_E_REFUSED, buf, &object);
	sp_answer_ok(c);
}

void
sp_gate_refuse(struct sp_context *c, const struct sp_verdict *v)
{
	sp_slice object;

	switch (v->st) {
	case SP_E_REFUSED:
		(void)sp_result_fail(c, sp_reply_begin(c->s), SP_E_REFUSED, v->text, &object);
		sp_answer_ok(c);
		return;
	case SP_E_SCOPE:
		if (c->x == NULL || c->x->head == NULL) {
			tell_scopes(c, v);
			return;
		}
		sp_call_refuse_scope(c, v->scopes);
		return;
	case SP_E_NO_TOKEN:
		sp_call_refuse(c, SP_E_NO_TOKEN, (sp_slice){ NULL, 0 }, (sp_slice){ NULL, 0 });
		return;
	default:
		sp_mcp_unknown(sp_reply_begin(c->s), &c->ask, c->rpc.id);
		sp_answer_ok(c);
	}
}

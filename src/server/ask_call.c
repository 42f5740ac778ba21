/*
 * Questions of a call: the functions of <sallyport/context.h> that ask, and how questions and answers reach the client and come
 * back in each era.
 */
#include "server/engine.h"

#include "base/log.h"
#include "server/ask.h"
#include "server/seal.h"

#include <stdlib.h>

static const sp_slice nothing = { NULL, 0 };

struct sp_seal { uint8_t key[SP_AEAD_KEY]; };

struct sp_seal *
sp_seal_new(const uint8_t *key)
{
	struct sp_seal *seal = calloc(1, sizeof *seal);

	if (seal == NULL)
		return NULL;
	if (key == NULL)
		sp_random_bytes(seal->key, sizeof seal->key);
	else
		memcpy(seal->key, key, sizeof seal->key);
	return seal;
}

void
sp_seal_free(struct sp_seal **seal)
{
	if (*seal != NULL)
		explicit_bzero((*seal)->key, sizeof (*seal)->key);
	free(*seal);
	*seal = NULL;
}

static struct sp_ask *
asking(struct sp_context *c)
{
	if (c->asking == NULL && (c->asking = malloc(sizeof *c->asking)) != NULL)
		sp_asking_init(c->asking, c->caps);
	return c->asking;
}

void
sp_ask_end(struct sp_context *c)
{
	if (c->asking == NULL)
		return;
	sp_asking_free(c->asking);
	free(c->asking);
	c->asking = NULL;
}

/* ---------------------------------------------------------------- for handlers */

/* mcp-spec 1.4: questions are asked on behalf of these three methods only. */
static enum sp_rc
may_ask(struct sp_context *c)
{
	enum sp_rc rc = sp_call_open(c);

	if (rc != SP_RC_OK)
		return rc;
	if (c->completing)
		return SP_RC_INVALID;
	return asking(c) == NULL ? SP_RC_NO_MEMORY : SP_RC_OK;
}

enum sp_rc
sp_elicit(struct sp_context *c, const char *key, const char *message, const char *schema, struct sp_elicit_answer *answer)
{
	enum sp_rc rc = may_ask(c);

	return rc == SP_RC_OK ? sp_ask_form(c->asking, key, message, schema, answer) : rc;
}

enum sp_rc
sp_elicit_url(struct sp_context *c, const char *key, const char *message, const char *url, struct sp_elicit_answer *answer)
{
	enum sp_rc rc = may_ask(c);
	uint8_t id[16];

	if (rc != SP_RC_OK)
		return rc;
	sp_random_bytes(id, sizeof id);
	return sp_ask_url(c->asking, key, message, url, c->ask.era == SP_ERA_LEGACY ? id : NULL, answer);
}

enum sp_rc
sp_sample(struct sp_context *c, const char *key, const char *params, const char **answer)
{
	enum sp_rc rc = may_ask(c);

	return rc == SP_RC_OK ? sp_ask_sample(c->asking, key, params, answer) : rc;
}

enum sp_rc
sp_list_roots(struct sp_context *c, const char *key, const char **answer)
{
	enum sp_rc rc = may_ask(c);

	return rc == SP_RC_OK ? sp_ask_roots(c->asking, key, answer) : rc;
}

static sp_slice
text_of(sp_jval *block)
{
	return sp_eq(sp_jtext(SP_JGET(block, "type")), SP_LIT("text")) ? sp_jtext(SP_JGET(block, "text")) : nothing;
}

const char *
sp_sampled_text(struct sp_context *c, const char *answer)
{
	struct sp_json j = { 0 };
	sp_jval *content;
	sp_slice text;

	if (answer == NULL || sp_json_read(sp_str(answer), SP_JSON_DEFAULT, &j, NULL) != SP_OK)
		return NULL;
	content = SP_JGET(j.root, "content");
	text = text_of(content);
	if (content != NULL && sp_jis_arr(content))
		for (struct sp_jiter it = sp_jeach(content); text.p == NULL && sp_jnext(&it);)
			text = text_of(it.val);
	/* A text with U+0000 inside would be cut short. */
	if (text.p != NULL)
		text = sp_has_byte(text, '\0') ? nothing : sp_arena_copy(&c->arena, text);
	sp_json_free(&j);
	return text.p;
}

enum sp_rc
sp_state_set(struct sp_context *c, const char *state)
{
	enum sp_rc rc = may_ask(c);

	return rc == SP_RC_OK ? sp_ask_keep(c->asking, state) : rc;
}

const char *
sp_state(const struct sp_context *c)
{
	return c->asking == NULL ? NULL : c->asking->state;
}

/* ---------------------------------------------------------------- requestState */

static enum sp_status
purpose(const struct sp_context *c, struct sp_reqstate_for *f, struct sp_err *e)
{
	*f = (struct sp_reqstate_for){ .method = c->rpc.method, .name = c->name };
	memcpy(f->mark, c->mark, sizeof f->mark);
	return sp_arguments_digest(c->args, f->arguments) ? SP_OK : sp_fail(e, SP_E_FULL, NULL, "no memory for a digest");
}

static enum sp_status
open_state(struct sp_context *c, sp_jval *state, struct sp_err *e)
{
	struct sp_reqstate_for f;
	enum sp_status st = purpose(c, &f, e);
	struct sp_out kept;

	if (st != SP_OK)
		return st;
	sp_out_heap(&kept, SP_REQSTATE_BYTES);
	st = sp_reqstate_open(&kept, c->s->seal->key, &f, c->s->host.now_s(c->s->host.ctx), sp_jtext(state), e);
	if (st == SP_OK)
		st = sp_asking_unpack(c->asking, sp_out_view(&kept), e);
	sp_out_wipe(&kept);
	sp_out_free(&kept);
	return st;
}

enum sp_status
sp_ask_read(struct sp_context *c, struct sp_err *e)
{
	sp_jval *responses = SP_JGET(c->ask.params, "inputResponses"), *state = SP_JGET(c->ask.params, "requestState");
	enum sp_status st = SP_OK;

	if (responses == NULL && state == NULL)
		return SP_OK;
	if (asking(c) == NULL)
		return sp_fail(e, SP_E_FULL, NULL, "no memory for answers");
	/* What was answered in an earlier round counts before what is said now. */
	if (state != NULL)
		st = open_state(c, state, e);
	if (st == SP_OK && responses != NULL)
		st = sp_asking_read(c->asking, responses, e);
	if (st != SP_OK)
		sp_log(SP_INFO, "answers.refused", SP_S("name", c->name), SP_C("why", e->log));
	return st;
}

static bool
write_state(struct sp_context *c, struct sp_out *o)
{
	uint8_t salt[SP_REQSTATE_SALT];
	struct sp_reqstate_for f;
	struct sp_err e = { 0 };
	struct sp_out kept;
	enum sp_status st = purpose(c, &f, &e);

	sp_random_bytes(salt, sizeof salt);
	sp_out_heap(&kept, SP_REQSTATE_BYTES + SP_ASK_BYTES);
	sp_asking_pack(c->asking, &kept);
	if (st == SP_OK)
		st = kept.full ? SP_E_TOO_BIG : sp_reqstate_seal(o, c->s->seal->key, salt, &f,
		    c->s->host.now_s(c->s->host.ctx) + SP_REQSTATE_TTL_S, sp_out_view(&kept), &e);
	sp_out_wipe(&kept);
	sp_out_free(&kept);
	if (st != SP_OK)
		sp_log(SP_ERROR, "handler.broken", SP_S("name", c->name), SP_C("why", e.log));
	return st == SP_OK;
}

/* ---------------------------------------------------------------- out */

bool
sp_ask_pending(const struct sp_context *c)
{
	return c->asking != NULL && (c->asking->nasked != 0 || c->asking->broken);
}

/* Somebody may take ten minutes to answer. */
static void
wait_for_answers(struct sp_context *c)
{
	unsigned own = c->offer->timeout_s != 0 ? c->offer->timeout_s : c->s->opt.call_timeout_s;

	sp_call_deadline(c, own > SP_REQSTATE_TTL_S ? own : SP_REQSTATE_TTL_S);
}

/* An answer did not fit: mcp-spec 1.4, malformed responses are a JSON-RPC error. */
static void
refuse_answer(struct sp_context *c)
{
	struct sp_out *o = sp_reply_begin(c->s);
	const struct sp_err *why = &c->asking->why;
	size_t from = sizeof "{\"jsonrpc\":\"2.0\",\"id\":,\"error\":" - 1 + c->rpc.id.n;

	sp_log(SP_INFO, "answers.refused", SP_S("name", c->name), SP_C("why", why->log));
	sp_rpc_error(o, c->rpc.id, why->code, sp_str(why->pub), nothing);
	if (c->task != NULL && o->n > from)
		sp_task_done(c, true, sp_sub(sp_out_view(o), from, o->n - from - 1));
	else
		sp_call_reply(c, why->code, sp_out_view(o));
}

static bool
send_requests(struct sp_context *c)
{
	struct sp_ask *a = c->asking;

	for (unsigned i = 0; i < a->nasked; i++) {
		struct sp_out o, id;
		uint8_t random[SP_ASK_ID / 2];
		bool ok;

		sp_random_bytes(random, sizeof random);
		sp_out_init(&id, a->asked[i].id, SP_ASK_ID);
		sp_out_hex(&id, random, sizeof random);
		a->asked[i].id[SP_ASK_ID] = '\0';
		sp_out_heap(&o, 8 * SP_ASK_TEXT);
		sp_asked_request(&a->asked[i], &o);
		ok = !o.full && sp_call_send(c, sp_out_view(&o));
		sp_out_free(&o);
		if (!ok)
			return false;
	}
	c->phase = SP_CALL_ASKS;
	wait_for_answers(c);
	return true;
}

static bool
reply_input_required(struct sp_context *c)
{
	struct sp_out *o = sp_reply_begin(c->s);

	sp_result_open(o, c, "input_required");
	sp_out_str(o, ",\"inputRequests\":");
	sp_asking_requests(c->asking, o);
	sp_out_str(o, ",\"requestState\":\"");
	if (!write_state(c, o))
		return false;
	sp_out_str(o, "\"" SP_MCP_CLOSE);
	if (o->full)
		return false;
	sp_call_reply(c, SP_OK, sp_out_view(o));
	return true;
}

bool
sp_ask_out(struct sp_context *c)
{
	if (c->asking->broken) {
		refuse_answer(c);
		return true;
	}
	if (c->task != NULL) {
		c->phase = SP_CALL_ASKS;
		sp_task_asks(c);
		return true;
	}
	return c->ask.era == SP_ERA_MODERN ? reply_input_required(c) : send_requests(c);
}

/* ---------------------------------------------------------------- 2025 era: in */

/* Threat row L09: only calls of this session are looked at, and a session is one caller's. */
void
sp_ask_response(struct sp_server *s, struct sp_session *session, sp_slice id, sp_jval *root)
{
	struct sp_context *c = session == NULL ? NULL : session->calls;

	if (id.n != SP_ASK_ID + 2 || id.p[0] != '"')
		return;
	id = sp_sub(id, 1, SP_ASK_ID);
	for (; c != NULL; c = c->peer_next)
		if (c->phase == SP_CALL_ASKS && c->asking != NULL &&
		    sp_asking_respond(c->asking, id, SP_JGET(root, "result"), SP_JGET(root, "error")))
			break;
	if (c == NULL || c->asking->nasked != 0)
		return;
	sp_asking_again(c->asking);
	sp_call_deadline(c, c->offer->timeout_s != 0 ? c->offer->timeout_s : s->opt.call_timeout_s);
	sp_call_rerun(c);
}

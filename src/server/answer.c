/* Answers of clients: their shape, and how questions and answers travel. */
#include "server/ask_int.h"

#include "base/ct.h"
#include "base/rd.h"
#include "mcp/foreign.h"

#include <stdlib.h>

enum { BLOCKS_MAX = 256, ROOTS_MAX = 1024 };

/* ---- memory */

void
sp_asking_init(struct sp_ask *a, uint32_t caps)
{
	*a = (struct sp_ask){ .caps = caps };
}

void
sp_asked_free(struct sp_asked *q)
{
	free(q->key);
	free(q->params);
	sp_schema_free(&q->schema);
	*q = (struct sp_asked){ 0 };
}

static void
given_free(struct sp_given *g)
{
	free(g->key);
	free(g->json);
	free(g->shown);
	*g = (struct sp_given){ 0 };
}

void
sp_asking_again(struct sp_ask *a)
{
	while (a->nasked != 0)
		sp_asked_free(&a->asked[--a->nasked]);
	for (unsigned i = 0; i < a->ngiven; i++) {
		free(a->given[i].shown);
		a->given[i].shown = NULL;
	}
	free(a->before);
	a->before = NULL;
	a->replaced = false;
}

void
sp_asking_free(struct sp_ask *a)
{
	sp_asking_again(a);
	while (a->ngiven != 0)
		given_free(&a->given[--a->ngiven]);
	free(a->state);
	*a = (struct sp_ask){ 0 };
}

char *
sp_ask_copy(sp_slice s)
{
	char *p = malloc(s.n + 1);

	if (p != NULL) {
		if (s.n != 0)
			memcpy(p, s.p, s.n);
		p[s.n] = '\0';
	}
	return p;
}

char *
sp_ask_taken(struct sp_out *o)
{
	char *p = o->full ? NULL : sp_ask_copy(sp_out_view(o));

	sp_out_free(o);
	return p;
}

struct sp_given *
sp_given_find(struct sp_ask *a, sp_slice key)
{
	for (unsigned i = 0; i < a->ngiven; i++)
		if (sp_eq(sp_str(a->given[i].key), key))
			return &a->given[i];
	return NULL;
}

struct sp_asked *
sp_asked_find(struct sp_ask *a, sp_slice key)
{
	for (unsigned i = 0; i < a->nasked; i++)
		if (sp_eq(sp_str(a->asked[i].key), key))
			return &a->asked[i];
	return NULL;
}

void
sp_asked_close(struct sp_ask *a, struct sp_asked *q)
{
	sp_asked_free(q);
	*q = a->asked[--a->nasked];
	a->asked[a->nasked] = (struct sp_asked){ 0 };
}

static enum sp_status
full(struct sp_err *e)
{
	return sp_fail(e, SP_E_TOO_BIG, "too many or too large answers", "answers to a call's questions are over the limits");
}

/* The first answer counts: what a handler has seen does not change when it runs again. */
enum sp_status
sp_given_add(struct sp_ask *a, sp_slice key, sp_jval *result, bool lacks, struct sp_err *e)
{
	struct sp_given g = { .lacks = lacks };
	struct sp_out o;

	if (sp_given_find(a, key) != NULL)
		return SP_OK;
	if (a->ngiven == SP_COUNT(a->given))
		return full(e);
	sp_out_heap(&o, SP_ASK_BYTES - a->bytes);
	if (result != NULL)
		sp_jwrite(&o, result);
	a->bytes += o.full ? 0 : o.n;
	g.json = result == NULL ? NULL : sp_ask_taken(&o);
	g.key = sp_ask_copy(key);
	sp_out_free(&o);
	if (g.key == NULL || (result != NULL && g.json == NULL)) {
		given_free(&g);
		return full(e);
	}
	a->given[a->ngiven++] = g;
	return SP_OK;
}

/* ---- do answers have the shape of their kind? */

static bool
content_ok(sp_jval *content)
{
	size_t n = 0;

	if (sp_jis_obj(content))
		return sp_jis_str(SP_JGET(content, "type"));
	for (struct sp_jiter it = sp_jeach(content); sp_jnext(&it);)
		if (!sp_jis_str(SP_JGET(it.val, "type")) || ++n > BLOCKS_MAX)
			return false;
	return sp_jis_arr(content);
}

static bool
sampled_ok(sp_jval *r)
{
	sp_slice role = sp_jtext(SP_JGET(r, "role"));

	return (sp_eq(role, SP_LIT("assistant")) || sp_eq(role, SP_LIT("user"))) && sp_jis_str(SP_JGET(r, "model")) &&
	    SP_JGET(r, "content") != NULL && content_ok(SP_JGET(r, "content"));
}

static bool
roots_ok(sp_jval *r)
{
	sp_jval *roots = SP_JGET(r, "roots");
	size_t n = 0;

	for (struct sp_jiter it = sp_jeach(roots); sp_jnext(&it);) {
		sp_jval *name = SP_JGET(it.val, "name");

		if (!sp_jis_str(SP_JGET(it.val, "uri")) || (name != NULL && !sp_jis_str(name)) || ++n > ROOTS_MAX)
			return false;
	}
	return roots != NULL && sp_jis_arr(roots);
}

enum sp_elicit_action
sp_answer_action(sp_jval *r)
{
	sp_slice action = sp_jtext(SP_JGET(r, "action"));

	return sp_eq(action, SP_LIT("accept")) ? SP_ELICIT_ACCEPT : sp_eq(action, SP_LIT("decline")) ? SP_ELICIT_DECLINE :
	    sp_eq(action, SP_LIT("cancel")) ? SP_ELICIT_CANCEL : (enum sp_elicit_action)0;
}

/* mcp-spec 2.2: texts, numbers, booleans, lists of texts. */
static bool
values_flat(sp_jval *content)
{
	for (struct sp_jiter it = sp_jeach(content); sp_jnext(&it);) {
		if (sp_jis_obj(it.val) || sp_jis_null(it.val))
			return false;
		for (struct sp_jiter m = sp_jeach(it.val); sp_jnext(&m);)
			if (!sp_jis_str(m.val))
				return false;
	}
	return sp_jis_obj(content);
}

static enum sp_status
misfit(struct sp_err *e, const char *key, const char *why)
{
	return sp_fail(e, SP_E_BAD_PARAMS, "an answer does not fit what was asked", "answer \"%.*s\": %s", SP_PRI(sp_str(key)), why);
}

static enum sp_status
form_check(const char *key, const struct sp_schema *schema, sp_jval *r, struct sp_err *e)
{
	struct sp_json none = { 0 };
	sp_jval *content = SP_JGET(r, "content");
	struct sp_err why = { 0 };
	enum sp_status st = SP_OK;

	/* An accepted form without fields may come without content. */
	if (content == NULL) {
		st = sp_json_read(SP_LIT("{}"), SP_JSON_DEFAULT, &none, e);
		content = none.root;
	}
	if (st == SP_OK && !values_flat(content))
		st = misfit(e, key, "content must be an object of texts, numbers, booleans and lists of texts");
	else if (st == SP_OK && sp_schema_check(schema, content, 0, &why) != SP_OK)
		st = misfit(e, key, why.pub[0] == '\0' ? why.log : why.pub);
	sp_json_free(&none);
	return st;
}

enum sp_status
sp_answer_check(const char *key, enum sp_ask_method method, const struct sp_schema *schema, sp_jval *r, struct sp_err *e)
{
	if (!sp_jis_obj(r))
		return misfit(e, key, "is no object");
	switch (method) {
	case SP_ASK_SAMPLE:
		return sampled_ok(r) ? SP_OK : misfit(e, key, "is no answer to sampling/createMessage");
	case SP_ASK_ROOTS:
		return roots_ok(r) ? SP_OK : misfit(e, key, "is no answer to roots/list");
	case SP_ASK_FORM:
	case SP_ASK_URL:
		break;
	}
	if (sp_answer_action(r) == 0)
		return misfit(e, key, "action is none of accept, decline and cancel");
	return method == SP_ASK_FORM && sp_answer_action(r) == SP_ELICIT_ACCEPT ? form_check(key, schema, r, e) : SP_OK;
}

/* ---- questions out */

static const char *const methods[] = {
	[SP_ASK_FORM] = "elicitation/create", [SP_ASK_URL] = "elicitation/create", [SP_ASK_SAMPLE] = "sampling/createMessage",
	[SP_ASK_ROOTS] = "roots/list",
};

static void
write_method(struct sp_out *o, const struct sp_asked *q)
{
	sp_out_str(o, "\"method\":\"");
	sp_out_str(o, methods[q->method]);
	sp_out_str(o, "\",\"params\":");
	sp_out_str(o, q->params);
	sp_out_byte(o, '}');
}

void
sp_asking_requests(const struct sp_ask *a, struct sp_out *o)
{
	sp_out_byte(o, '{');
	for (unsigned i = 0; i < a->nasked; i++) {
		sp_out_str(o, i == 0 ? "\"" : ",\"");
		sp_out_str(o, a->asked[i].key);
		sp_out_str(o, "\":{");
		write_method(o, &a->asked[i]);
	}
	sp_out_byte(o, '}');
}

void
sp_asked_request(const struct sp_asked *q, struct sp_out *o)
{
	sp_out_str(o, "{\"jsonrpc\":\"2.0\",\"id\":\"");
	sp_out_str(o, q->id);
	sp_out_str(o, "\",");
	write_method(o, q);
}

/* ---- answers in */

static enum sp_status
responses_ok(sp_jval *responses, struct sp_err *e)
{
	size_t n = 0;

	if (!sp_jis_obj(responses))
		return sp_fail(e, SP_E_BAD_PARAMS, "inputResponses must be an object", "inputResponses is no object");
	for (struct sp_jiter it = sp_jeach(responses); sp_jnext(&it);) {
		if (!sp_jis_obj(it.val))
			return sp_fail(e, SP_E_BAD_PARAMS, "each of inputResponses must be an object", "an answer is no object");
		if (++n > 2 * SP_ASK_MAX)
			return sp_fail(e, SP_E_BAD_PARAMS, "too many inputResponses", "over %d answers", 2 * SP_ASK_MAX);
	}
	return SP_OK;
}

enum sp_status
sp_asking_read(struct sp_ask *a, sp_jval *responses, struct sp_err *e)
{
	enum sp_status st = responses_ok(responses, e);

	/* Which of them the handler asks about shows when it runs; a key that it cannot have is passed over. */
	for (struct sp_jiter it = sp_jeach(responses); st == SP_OK && sp_jnext(&it);)
		if (it.key.n <= SP_ASK_KEY && sp_name_ok(it.key))
			st = sp_given_add(a, it.key, it.val, false, e);
	return st;
}

enum sp_status
sp_asking_update(struct sp_ask *a, sp_jval *responses, struct sp_err *e)
{
	struct sp_asked *q;
	enum sp_status st = SP_OK;

	if (!sp_jis_obj(responses))
		return responses_ok(responses, e);
	for (struct sp_jiter it = sp_jeach(responses); st == SP_OK && sp_jnext(&it);)
		if ((q = sp_asked_find(a, it.key)) != NULL)
			st = sp_answer_check(q->key, q->method, q->schema, it.val, e);
	for (struct sp_jiter it = sp_jeach(responses); st == SP_OK && sp_jnext(&it);)
		if ((q = sp_asked_find(a, it.key)) != NULL && (st = sp_given_add(a, it.key, it.val, false, e)) == SP_OK)
			sp_asked_close(a, q);
	return st;
}

/* The ids are random: how much of one was right is told to nobody. */
static struct sp_asked *
asked_by_id(struct sp_ask *a, sp_slice id)
{
	for (unsigned i = 0; i < a->nasked; i++)
		if (a->asked[i].id[0] != '\0' && sp_ct_slice_eq(sp_str(a->asked[i].id), id))
			return &a->asked[i];
	return NULL;
}

bool
sp_asking_respond(struct sp_ask *a, sp_slice id, sp_jval *result, sp_jval *error)
{
	struct sp_asked *q = asked_by_id(a, id);
	int64_t code;
	bool lacks = error != NULL && sp_jint(SP_JGET(error, "code"), &code) && code == -32601;

	if (q == NULL)
		return false;
	if (sp_given_add(a, sp_str(q->key), error == NULL ? result : NULL, lacks, &a->why) != SP_OK)
		a->broken = true;
	sp_asked_close(a, q);
	return true;
}

/* ---- from round to round: number of answers (2 bytes), each key (length 1) and JSON (length 4); is there a state (1), it
 * (length 4) */

void
sp_asking_pack(const struct sp_ask *a, struct sp_out *o)
{
	unsigned n = 0;

	for (unsigned i = 0; i < a->ngiven; i++)
		n += a->given[i].used && a->given[i].json != NULL ? 1 : 0;
	sp_out_be(o, n, 2);
	for (unsigned i = 0; i < a->ngiven; i++) {
		if (!a->given[i].used || a->given[i].json == NULL)
			continue;
		sp_out_lv(o, sp_str(a->given[i].key), 1);
		sp_out_lv(o, sp_str(a->given[i].json), 4);
	}
	sp_out_be(o, a->state != NULL, 1);
	if (a->state != NULL)
		sp_out_lv(o, sp_str(a->state), 4);
}

static enum sp_status
unpack_answer(struct sp_ask *a, sp_slice key, sp_slice json, struct sp_err *e)
{
	struct sp_json j = { 0 };
	enum sp_status st = sp_json_read(json, SP_JSON_DEFAULT, &j, e);

	if (st == SP_OK)
		st = sp_given_add(a, key, j.root, false, e);
	sp_json_free(&j);
	return st;
}

enum sp_status
sp_asking_unpack(struct sp_ask *a, sp_slice packed, struct sp_err *e)
{
	struct sp_rd r = { packed, false };
	uint64_t n = sp_rd_be(&r, 2);
	enum sp_status st = SP_OK;
	char *state = NULL;

	for (uint64_t i = 0; i < n && !r.bad && st == SP_OK; i++) {
		sp_slice key = sp_rd_lv(&r, 1, SP_ASK_KEY), json = sp_rd_lv(&r, 4, packed.n);

		if (!r.bad)
			st = unpack_answer(a, key, json, e);
	}
	if (sp_rd_be(&r, 1) != 0)
		state = sp_ask_copy(sp_rd_lv(&r, 4, SP_ASK_STATE));
	if (st == SP_OK && !sp_rd_done(&r))
		st = sp_fail(e, SP_E_BAD_PARAMS, "requestState is not valid for this request", "what was sealed cannot be read");
	if (st != SP_OK) {
		free(state);
		return st;
	}
	free(a->state);
	a->state = state;
	return SP_OK;
}

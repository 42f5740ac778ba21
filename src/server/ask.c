#include "server/ask_int.h"

#include "mcp/foreign.h"

#include <stdlib.h>

enum { PARAMS_DEPTH = 32 };

/* ---- asking */

static bool
key_ok(const char *key)
{
	return key != NULL && strlen(key) <= SP_ASK_KEY && sp_name_ok(sp_str(key));
}

/* What the handler asks.  `params` and `schema` become the question's, or are freed. */
static enum sp_rc
open_question(struct sp_ask *a, const char *key, enum sp_ask_method method, char *params, struct sp_schema *schema)
{
	struct sp_asked q = { sp_ask_copy(sp_str(key)), params, method, schema, "" }, *same = sp_asked_find(a, sp_str(key));
	enum sp_rc rc = SP_RC_PENDING;

	if (q.key == NULL || params == NULL)
		rc = SP_RC_NO_MEMORY;
	else if (same != NULL)
		rc = same->method == method && strcmp(same->params, params) == 0 ? SP_RC_PENDING : SP_RC_INVALID;
	else if (a->nasked == SP_COUNT(a->asked))
		rc = SP_RC_TOO_BIG;
	else {
		a->asked[a->nasked++] = q;
		return SP_RC_PENDING;
	}
	sp_asked_free(&q);
	return rc;
}

/* The answer at hand as JSON, checked.  SP_RC_PENDING with *g NULL: there is none; otherwise the handler is to return, and
 * a->broken is set. */
static enum sp_rc
find_answer(struct sp_ask *a, const char *key, enum sp_ask_method method, const struct sp_schema *schema, struct sp_given **g,
    struct sp_json *j)
{
	*g = sp_given_find(a, sp_str(key));
	if (*g == NULL)
		return SP_RC_PENDING;
	(*g)->used = true;
	if ((*g)->json == NULL)
		return (*g)->lacks ? SP_RC_UNSUPPORTED : SP_RC_DENIED;
	if (sp_json_read(sp_str((*g)->json), (struct sp_json_limits){ 64, 0 }, j, &a->why) != SP_OK)
		return SP_RC_NO_MEMORY;
	if (sp_answer_check(key, method, schema, j->root, &a->why) == SP_OK)
		return SP_RC_OK;
	a->broken = true;
	return SP_RC_PENDING;
}

static const char *
show(struct sp_given *g, sp_jval *v)
{
	struct sp_out o;

	if (g->shown != NULL)
		return g->shown;
	sp_out_heap(&o, SP_ASK_BYTES);
	sp_jwrite(&o, v);
	g->shown = sp_ask_taken(&o);
	return g->shown;
}

static enum sp_rc
read_schema(const char *text, struct sp_schema **schema)
{
	struct sp_json j = { 0 };
	const char *why;
	enum sp_rc rc = SP_RC_OK;

	if (strlen(text) > SP_ASK_TEXT)
		return SP_RC_TOO_BIG;
	if (sp_json_read(sp_str(text), SP_JSON_DEFAULT, &j, NULL) != SP_OK || !sp_form_ok(j.root, &why) ||
	    sp_schema_new(sp_str(text), schema, NULL) != SP_OK)
		rc = SP_RC_INVALID;
	sp_json_free(&j);
	return rc;
}

static char *
form_params(const char *message, const char *schema)
{
	struct sp_json j = { 0 };
	struct sp_out o;

	if (sp_json_read(sp_str(schema), SP_JSON_DEFAULT, &j, NULL) != SP_OK)
		return NULL;
	sp_out_heap(&o, 2 * SP_ASK_TEXT);
	sp_out_str(&o, "{\"message\":");
	sp_jout_str(&o, sp_str(message));
	sp_out_str(&o, ",\"requestedSchema\":");
	sp_jwrite(&o, j.root);
	sp_out_byte(&o, '}');
	sp_json_free(&j);
	return sp_ask_taken(&o);
}

enum sp_rc
sp_ask_form(struct sp_ask *a, const char *key, const char *message, const char *schema, struct sp_elicit_answer *answer)
{
	struct sp_schema *compiled = NULL;
	struct sp_json j = { 0 };
	struct sp_given *g;
	enum sp_rc rc;

	if (!key_ok(key) || message == NULL || strlen(message) > SP_ASK_TEXT || schema == NULL || answer == NULL)
		return SP_RC_INVALID;
	rc = read_schema(schema, &compiled);
	if (rc == SP_RC_OK && (a->caps & SP_CLIENT_ELICIT_FORM) == 0)
		rc = SP_RC_UNSUPPORTED;
	if (rc != SP_RC_OK) {
		sp_schema_free(&compiled);
		return rc;
	}
	rc = find_answer(a, key, SP_ASK_FORM, compiled, &g, &j);
	if (rc == SP_RC_PENDING && g == NULL)
		return open_question(a, key, SP_ASK_FORM, form_params(message, schema), compiled);
	if (rc == SP_RC_OK) {
		sp_jval *content = SP_JGET(j.root, "content");
		enum sp_elicit_action action = sp_answer_action(j.root);
		const char *text = action != SP_ELICIT_ACCEPT ? NULL : content == NULL ? "{}" : show(g, content);

		if (action == SP_ELICIT_ACCEPT && text == NULL)
			rc = SP_RC_NO_MEMORY;
		else
			*answer = (struct sp_elicit_answer){ action, text };
	}
	sp_json_free(&j);
	sp_schema_free(&compiled);
	return rc;
}

/* Only pages that a browser opens by itself; mcp-spec 4.12. */
static bool
url_ok(sp_slice url)
{
	sp_slice scheme = sp_scheme(url);

	return sp_res_uri_ok(url) && (sp_eq_nocase(scheme, SP_LIT("https")) || sp_eq_nocase(scheme, SP_LIT("http"))) &&
	    sp_starts(sp_sub(url, scheme.n, url.n), SP_LIT("://"));
}

enum sp_rc
sp_ask_url(struct sp_ask *a, const char *key, const char *message, const char *url, const uint8_t elicitation[16],
    struct sp_elicit_answer *answer)
{
	struct sp_json j = { 0 };
	struct sp_given *g;
	struct sp_out o;
	enum sp_rc rc;

	if (!key_ok(key) || message == NULL || strlen(message) > SP_ASK_TEXT || url == NULL || !url_ok(sp_str(url)) ||
	    answer == NULL)
		return SP_RC_INVALID;
	if ((a->caps & SP_CLIENT_ELICIT_URL) == 0)
		return SP_RC_UNSUPPORTED;
	rc = find_answer(a, key, SP_ASK_URL, NULL, &g, &j);
	if (rc == SP_RC_PENDING && g == NULL && sp_asked_find(a, sp_str(key)) != NULL)
		return SP_RC_PENDING;
	if (rc == SP_RC_PENDING && g == NULL) {
		sp_out_heap(&o, 2 * SP_ASK_TEXT);
		sp_out_str(&o, "{\"mode\":\"url\",\"message\":");
		sp_jout_str(&o, sp_str(message));
		sp_out_str(&o, ",\"url\":");
		sp_jout_str(&o, sp_str(url));
		if (elicitation != NULL) {
			sp_out_str(&o, ",\"elicitationId\":\"");
			sp_out_hex(&o, elicitation, 16);
			sp_out_byte(&o, '"');
		}
		sp_out_byte(&o, '}');
		return open_question(a, key, SP_ASK_URL, sp_ask_taken(&o), NULL);
	}
	if (rc == SP_RC_OK)
		*answer = (struct sp_elicit_answer){ sp_answer_action(j.root), NULL };
	sp_json_free(&j);
	return rc;
}

static enum sp_rc
sample_params(struct sp_ask *a, const char *text, char **params)
{
	struct sp_json j = { 0 };
	struct sp_out o;
	sp_slice context;
	int64_t max;
	enum sp_rc rc = SP_RC_OK;

	if (strlen(text) > 4 * SP_ASK_TEXT)
		return SP_RC_TOO_BIG;
	if (sp_json_read(sp_str(text), (struct sp_json_limits){ PARAMS_DEPTH, 0 }, &j, NULL) != SP_OK)
		return SP_RC_INVALID;
	context = sp_jtext(SP_JGET(j.root, "includeContext"));
	if (!sp_jis_arr(SP_JGET(j.root, "messages")) || !sp_jint(SP_JGET(j.root, "maxTokens"), &max) || max <= 0)
		rc = SP_RC_INVALID;
	else if ((a->caps & SP_CLIENT_SAMPLING) == 0 ||
	    ((a->caps & SP_CLIENT_SAMPLE_TOOLS) == 0 && (SP_JGET(j.root, "tools") != NULL ||
	    SP_JGET(j.root, "toolChoice") != NULL)) ||
	    ((a->caps & SP_CLIENT_SAMPLE_CONTEXT) == 0 && context.n != 0 && !sp_eq(context, SP_LIT("none"))))
		rc = SP_RC_UNSUPPORTED;
	if (rc == SP_RC_OK) {
		sp_out_heap(&o, 4 * SP_ASK_TEXT + 64);
		sp_jwrite(&o, j.root);
		*params = sp_ask_taken(&o);
		rc = *params == NULL ? SP_RC_NO_MEMORY : SP_RC_OK;
	}
	sp_json_free(&j);
	return rc;
}

enum sp_rc
sp_ask_sample(struct sp_ask *a, const char *key, const char *params, const char **answer)
{
	struct sp_json j = { 0 };
	struct sp_given *g;
	char *text = NULL;
	enum sp_rc rc;

	if (!key_ok(key) || params == NULL || answer == NULL)
		return SP_RC_INVALID;
	rc = sample_params(a, params, &text);
	if (rc != SP_RC_OK)
		return rc;
	rc = find_answer(a, key, SP_ASK_SAMPLE, NULL, &g, &j);
	if (rc == SP_RC_PENDING && g == NULL)
		return open_question(a, key, SP_ASK_SAMPLE, text, NULL);
	free(text);
	if (rc == SP_RC_OK)
		*answer = g->json;
	sp_json_free(&j);
	return rc;
}

enum sp_rc
sp_ask_roots(struct sp_ask *a, const char *key, const char **answer)
{
	struct sp_json j = { 0 };
	struct sp_given *g;
	enum sp_rc rc;

	if (!key_ok(key) || answer == NULL)
		return SP_RC_INVALID;
	if ((a->caps & SP_CLIENT_ROOTS) == 0)
		return SP_RC_UNSUPPORTED;
	rc = find_answer(a, key, SP_ASK_ROOTS, NULL, &g, &j);
	if (rc == SP_RC_PENDING && g == NULL)
		return open_question(a, key, SP_ASK_ROOTS, sp_ask_copy(SP_LIT("{}")), NULL);
	if (rc == SP_RC_OK) {
		const char *roots = show(g, SP_JGET(j.root, "roots"));

		if (roots == NULL)
			rc = SP_RC_NO_MEMORY;
		else
			*answer = roots;
	}
	sp_json_free(&j);
	return rc;
}

enum sp_rc
sp_ask_keep(struct sp_ask *a, const char *state)
{
	char *kept = NULL;

	if (state != NULL && strlen(state) > SP_ASK_STATE)
		return SP_RC_TOO_BIG;
	if (state != NULL && (kept = sp_ask_copy(sp_str(state))) == NULL)
		return SP_RC_NO_MEMORY;
	if (a->replaced)
		free(a->state);
	else
		a->before = a->state;
	a->replaced = true;
	a->state = kept;
	return SP_RC_OK;
}

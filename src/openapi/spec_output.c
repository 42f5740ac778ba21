/*
 * What an operation answers.  Real upstreams do not keep to what their documents say of answers, and a client may
 * refuse a result that does not: so the outputSchema names the members and promises nothing of them.
 */
#include "openapi/spec_int.h"

enum { DEEP = 6, LOOK_COST = 128 };

/* The schema of the first successful answer that is JSON; NULL: there is none. */
static sp_jval *
answer_schema(struct sp_reader *r, sp_jval *op, sp_jval *response)
{
	sp_jval *types = SP_JGET(op, "produces"), *schema = NULL;

	if (sp_spec_deref(r, response, &response) != SP_OK)
		return NULL;
	if (r->dialect != 20) {
		for (struct sp_jiter it = sp_jeach(SP_JGET(response, "content")); schema == NULL && sp_jnext(&it);)
			if (sp_spec_media_json(sp_spec_media(it.key)))
				schema = SP_JGET(it.val, "schema");
		return schema;
	}
	if (yyjson_arr_size(types) == 0)
		types = SP_JGET(r->root, "produces");
	for (struct sp_jiter it = sp_jeach(types); sp_jnext(&it);)
		if (sp_spec_media_json(sp_spec_media(sp_jtext(it.val))))
			schema = SP_JGET(response, "schema");
	return yyjson_arr_size(types) == 0 ? SP_JGET(response, "schema") : schema;
}

static sp_jval *
success_schema(struct sp_reader *r, sp_jval *op)
{
	sp_jval *all = SP_JGET(op, "responses"), *schema;
	static const char *const first[] = { "200", "201", "202", "203", "206", "207" };

	for (size_t i = 0; i < SP_COUNT(first); i++) {
		schema = answer_schema(r, op, sp_jget(all, sp_str(first[i])));
		if (schema != NULL)
			return schema;
	}
	schema = answer_schema(r, op, SP_JGET(all, "2XX"));
	return schema != NULL ? schema : answer_schema(r, op, SP_JGET(all, "2xx"));
}

/* Is every value that this allows an object?  *members: where its properties stand, if in one place. */
static bool
is_object(struct sp_reader *r, sp_jval *schema, sp_jval **members, unsigned depth)
{
	static const char *const each[] = { "oneOf", "anyOf" };
	sp_jval *none = NULL;
	bool all;

	/* Lists of references to lists: any number of looks. */
	if (depth == DEEP || r->work < LOOK_COST || sp_spec_deref(r, schema, &schema) != SP_OK)
		return false;
	r->work -= LOOK_COST;
	*members = SP_JGET(schema, "properties");
	if (SP_JGET(schema, "type") != NULL)
		return sp_spec_types(r, schema) == SP_T_OBJ;
	if (sp_jis_obj(*members))
		return true;
	for (struct sp_jiter it = sp_jeach(SP_JGET(schema, "allOf")); sp_jnext(&it);)
		if (is_object(r, it.val, &none, depth + 1))
			return true;
	for (size_t i = 0; i < SP_COUNT(each); i++) {
		sp_jval *list = sp_jget(schema, sp_str(each[i]));

		all = yyjson_arr_size(list) != 0;
		for (struct sp_jiter it = sp_jeach(list); all && sp_jnext(&it);)
			all = is_object(r, it.val, &none, depth + 1);
		if (all)
			return true;
	}
	return false;
}

enum sp_status
sp_spec_output(struct sp_reader *r, sp_jval *op, struct sp_spec_op *out)
{
	sp_jval *schema = out->method == SP_HEAD ? NULL : success_schema(r, op), *members = NULL;
	struct sp_out *o = &r->text;
	unsigned n = 0;

	if (schema == NULL)
		return SP_OK;
	out->result = is_object(r, schema, &members, 0) ? SP_RESULT_OBJECT : SP_RESULT_WRAPPED;
	sp_out_reset(o);
	sp_out_str(o, "{\"type\":\"object\"");
	if (out->result == SP_RESULT_WRAPPED)
		sp_out_str(o, ",\"properties\":{\"result\":{}}");
	else
		for (struct sp_jiter it = sp_jeach(members); n < SP_SPEC_SHOWN && sp_jnext(&it); n++) {
			sp_out_str(o, n == 0 ? ",\"properties\":{" : ",");
			sp_jout_str(o, it.key);
			sp_out_str(o, ":{}");
		}
	sp_out_str(o, n == 0 ? "}" : "}}");
	if (o->full || o->n > r->work)	/* names of a megabyte: better no schema than a broken one */
		return out->result = SP_RESULT_TEXT, SP_OK;
	r->work -= o->n;
	out->output = sp_arena_copy(r->a, sp_out_view(o));
	return out->output.p == NULL ? sp_spec_full(r) : SP_OK;
}

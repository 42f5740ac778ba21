/* Security schemes, requirements, and the slots that belong to them. */
#include "openapi/slot.h"
#include "openapi/spec_int.h"

static sp_jval *
schemes_object(const struct sp_reader *r)
{
	if (r->dialect == 20)
		return SP_JGET(r->root, "securityDefinitions");
	return SP_JGET(SP_JGET(r->root, "components"), "securitySchemes");
}

static enum sp_place
place_of(sp_slice in)
{
	if (sp_eq(in, SP_LIT("header")))
		return SP_PLACE_HEADER;
	if (sp_eq(in, SP_LIT("query")))
		return SP_PLACE_QUERY;
	return sp_eq(in, SP_LIT("cookie")) ? SP_PLACE_COOKIE : 0;
}

static bool
is_field(sp_slice name)
{
	return name.n != 0 && name.n <= 128 && sp_span(name, sp_is_tchar) == name.n;
}

/* Kinds that cannot be sent are listed with usable = false: their slot is guarded all the same. */
static void
scheme_read(sp_jval *v, struct sp_spec_scheme *s)
{
	sp_slice type = sp_jtext(SP_JGET(v, "type")), how = sp_jtext(SP_JGET(v, "scheme"));

	s->kind = "of no known type";
	if (sp_eq(type, SP_LIT("apiKey"))) {
		s->kind = "apiKey";
		s->place = place_of(sp_jtext(SP_JGET(v, "in")));
		s->field = sp_jtext(SP_JGET(v, "name"));
		/* A query name may be any text; it is percent-encoded. */
		s->usable = s->place == SP_PLACE_QUERY ? s->field.n != 0 && s->field.n <= 128 :
		    s->place != 0 && is_field(s->field);
		return;
	}
	if (sp_eq(type, SP_LIT("mutualTLS"))) {
		s->kind = "mutualTLS";
		return;
	}
	s->place = SP_PLACE_HEADER;
	s->field = SP_LIT("Authorization");
	s->basic = sp_eq(type, SP_LIT("basic")) ||
	    (sp_eq(type, SP_LIT("http")) && sp_eq_nocase(how, SP_LIT("basic")));
	s->bearer = sp_eq(type, SP_LIT("oauth2")) || sp_eq(type, SP_LIT("openIdConnect")) ||
	    (sp_eq(type, SP_LIT("http")) && sp_eq_nocase(how, SP_LIT("bearer")));
	s->usable = s->basic || s->bearer;
	if (s->usable)
		s->kind = s->basic ? "basic" : "bearer";
	else if (sp_eq(type, SP_LIT("http")))
		s->kind = sp_eq_nocase(how, SP_LIT("digest")) ? "http digest" : "http with a scheme of its own";
}

enum sp_status
sp_spec_schemes(struct sp_reader *r)
{
	sp_jval *all = schemes_object(r), *v;
	struct sp_spec_scheme *s;
	size_t n = yyjson_obj_size(all);

	if (n > SP_SPEC_SCHEMES)
		return sp_fail(r->e, SP_E_CONFIG, NULL, "%zu security schemes, at most %d are read", n,
		    SP_SPEC_SCHEMES);
	s = sp_arena_get(r->a, n * sizeof *s);
	if (s == NULL)
		return sp_spec_full(r);
	r->out->schemes = s;
	for (struct sp_jiter it = sp_jeach(all); sp_jnext(&it); s++) {
		if (sp_spec_deref(r, it.val, &v) != SP_OK)
			return sp_fail(r->e, SP_E_CONFIG, NULL, "security scheme %.*s: %s", SP_PRI(it.key), r->why);
		scheme_read(v, s);
		s->name = sp_arena_copy(r->a, it.key);
		s->field = sp_arena_copy(r->a, s->field);
		if (s->name.p == NULL || s->field.p == NULL)
			return sp_spec_full(r);
		r->out->nschemes++;
	}
	return SP_OK;
}

static bool
scheme_find(const struct sp_reader *r, sp_slice name, uint32_t *at)
{
	for (uint32_t i = 0; i < r->out->nschemes; i++)
		if (sp_eq(r->out->schemes[i].name, name)) {
			*at = i;
			return true;
		}
	return false;
}

static enum sp_status
option_read(struct sp_reader *r, sp_jval *v, uint32_t **need, uint32_t *n)
{
	size_t room = yyjson_obj_size(v);
	uint32_t at;

	if (!sp_jis_obj(v) || room > SP_SPEC_OPTIONS)
		return sp_spec_skip(r, "an alternative of \"security\" is no object or has more than %d schemes",
		    SP_SPEC_OPTIONS);
	*need = sp_arena_get(r->a, room * sizeof **need);
	if (*need == NULL)
		return sp_spec_full(r);
	*n = 0;
	for (struct sp_jiter it = sp_jeach(v); sp_jnext(&it);) {
		if (!scheme_find(r, it.key, &at))
			return sp_spec_skip(r, "security scheme %.*s is not defined", SP_PRI(it.key));
		(*need)[(*n)++] = at;
	}
	return SP_OK;
}

/* Alternatives of which one is enough; an empty one says that nothing is needed, an empty list that nothing is sent. */
enum sp_status
sp_spec_security(struct sp_reader *r, sp_jval *security, struct sp_security *out)
{
	struct sp_security s = { 0 };
	size_t room = yyjson_arr_size(security);
	enum sp_status st;

	if (!sp_jis_arr(security) || room > SP_SPEC_OPTIONS)
		return sp_spec_skip(r, "\"security\" is no list, or has more than %d alternatives", SP_SPEC_OPTIONS);
	s.options = sp_arena_get(r->a, room * sizeof *s.options);
	s.nneed = sp_arena_get(r->a, room * sizeof *s.nneed);
	if (s.options == NULL || s.nneed == NULL)
		return sp_spec_full(r);
	for (struct sp_jiter it = sp_jeach(security); sp_jnext(&it); s.n++) {
		st = option_read(r, it.val, &s.options[s.n], &s.nneed[s.n]);
		if (st != SP_OK)
			return st;
	}
	*out = s;
	return SP_OK;
}

bool
sp_spec_is_slot(const struct sp_reader *r, sp_slice in, sp_slice name)
{
	enum sp_place place = place_of(in);

	if (place == 0)
		return false;
	if (place == SP_PLACE_HEADER && sp_slot_reserved(name))
		return true;
	for (uint32_t i = 0; i < r->out->nschemes; i++) {
		const struct sp_spec_scheme *s = &r->out->schemes[i];

		/* Servers that fold the case of query names exist: when in doubt it is the slot. */
		if (s->place == place && s->field.n != 0 && sp_eq_nocase(s->field, name))
			return true;
	}
	return false;
}

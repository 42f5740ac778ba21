/* What may be asked of a person in a form (mcp-spec 2.2): a flat object of primitives, every keyword by allow-list. */
#include "server/ask.h"

enum { FIELDS_MAX = 64, CHOICES_MAX = 256 };

struct keyword { const char *name; bool (*ok)(sp_jval *v); };

static bool
is_text(sp_jval *v)
{
	return sp_jis_str(v);
}

static bool
is_size(sp_jval *v)
{
	int64_t n;

	return sp_jint(v, &n) && n >= 0;
}

static bool
is_number(sp_jval *v)
{
	return sp_jis_num(v);
}

static bool
is_bool(sp_jval *v)
{
	return sp_jis_bool(v);
}

static bool
is_texts(sp_jval *v)
{
	size_t n = 0;

	if (!sp_jis_arr(v))
		return false;
	for (struct sp_jiter it = sp_jeach(v); sp_jnext(&it);)
		if (!sp_jis_str(it.val) || ++n > CHOICES_MAX)
			return false;
	return true;
}

static bool
is_choices(sp_jval *v)
{
	return is_texts(v) && sp_jeach(v).a.max != 0;
}

static bool
is_format(sp_jval *v)
{
	sp_slice s = sp_jtext(v);

	return sp_eq(s, SP_LIT("email")) || sp_eq(s, SP_LIT("uri")) || sp_eq(s, SP_LIT("date")) || sp_eq(s, SP_LIT("date-time"));
}

/* [{const, title}, …] */
static bool
is_titled(sp_jval *v)
{
	size_t n = 0;

	for (struct sp_jiter it = sp_jeach(v); sp_jnext(&it);) {
		size_t known = 0;

		for (struct sp_jiter m = sp_jeach(it.val); sp_jnext(&m);)
			known += (sp_eq(m.key, SP_LIT("const")) || sp_eq(m.key, SP_LIT("title"))) && sp_jis_str(m.val) ? 1 : 3;
		if (!sp_jis_obj(it.val) || known != 2 || ++n > CHOICES_MAX)
			return false;
	}
	return sp_jis_arr(v) && n != 0;
}

static bool
is_items(sp_jval *v)
{
	sp_jval *list = SP_JGET(v, "enum"), *titled = SP_JGET(v, "anyOf");
	bool typed = sp_eq(sp_jtext(SP_JGET(v, "type")), SP_LIT("string"));

	for (struct sp_jiter it = sp_jeach(v); sp_jnext(&it);)
		if (!sp_eq(it.key, SP_LIT("type")) && !sp_eq(it.key, SP_LIT("enum")) && !sp_eq(it.key, SP_LIT("anyOf")))
			return false;
	return list != NULL ? titled == NULL && typed && is_choices(list) : is_titled(titled);
}

static const struct keyword of_text[] = {
	{ "minLength", is_size }, { "maxLength", is_size }, { "format", is_format }, { "default", is_text },
	{ "enum", is_choices }, { "enumNames", is_texts }, { "oneOf", is_titled }, { 0 },
};
static const struct keyword of_number[] = { { "minimum", is_number }, { "maximum", is_number }, { "default", is_number }, { 0 } };
static const struct keyword of_bool[] = { { "default", is_bool }, { 0 } };
static const struct keyword of_list[] = {
	{ "items", is_items }, { "minItems", is_size }, { "maxItems", is_size }, { "default", is_texts }, { 0 },
};
static const struct keyword of_every[] = { { "type", is_text }, { "title", is_text }, { "description", is_text }, { 0 } };

static const struct { const char *type; const struct keyword *keywords; } types[] = {
	{ "string", of_text }, { "number", of_number }, { "integer", of_number }, { "boolean", of_bool }, { "array", of_list },
};

static const struct keyword *
find(const struct keyword *k, sp_slice name)
{
	for (; k->name != NULL; k++)
		if (sp_eq(sp_str(k->name), name))
			return k;
	return NULL;
}

static bool
field_ok(sp_jval *field)
{
	sp_slice type = sp_jtext(SP_JGET(field, "type"));
	const struct keyword *own = NULL;

	for (size_t i = 0; i < SP_COUNT(types); i++)
		if (sp_eq(sp_str(types[i].type), type))
			own = types[i].keywords;
	if (own == NULL || (own == of_list && SP_JGET(field, "items") == NULL))
		return false;
	for (struct sp_jiter it = sp_jeach(field); sp_jnext(&it);) {
		const struct keyword *k = find(of_every, it.key);

		if (k == NULL)
			k = find(own, it.key);
		if (k == NULL || !k->ok(it.val))
			return false;
	}
	return true;
}

static bool
required_ok(sp_jval *required, sp_jval *properties)
{
	if (required == NULL)
		return true;
	if (!is_texts(required))
		return false;
	for (struct sp_jiter it = sp_jeach(required); sp_jnext(&it);)
		if (sp_jget(properties, sp_jtext(it.val)) == NULL)
			return false;
	return true;
}

static bool
no(const char **why, const char *text)
{
	*why = text;
	return false;
}

bool
sp_form_ok(sp_jval *schema, const char **why)
{
	sp_jval *properties = SP_JGET(schema, "properties");
	size_t n = 0;

	if (!sp_eq(sp_jtext(SP_JGET(schema, "type")), SP_LIT("object")) || !sp_jis_obj(properties))
		return no(why, "must have type object and properties");
	for (struct sp_jiter it = sp_jeach(schema); sp_jnext(&it);)
		if (!sp_eq(it.key, SP_LIT("type")) && !sp_eq(it.key, SP_LIT("properties")) && !sp_eq(it.key, SP_LIT("required")) &&
		    !sp_eq(it.key, SP_LIT("$schema")))
			return no(why, "may have only $schema, type, properties and required");
	for (struct sp_jiter it = sp_jeach(properties); sp_jnext(&it);)
		if (++n > FIELDS_MAX || !field_ok(it.val))
			return no(why, "each of at most 64 properties must be a text, number, boolean or enumeration with the "
			    "keywords that forms have");
	if (!required_ok(SP_JGET(schema, "required"), properties))
		return no(why, "required must name properties");
	return true;
}

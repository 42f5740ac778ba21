/* SCHEMA NUL VALUE.  Whatever both are: an answer within the budget, the same twice, and the opposite under `not`. */
#include <assert.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "schema/schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { STEPS = 20000 };

static void
check_not(sp_slice schema, sp_jval *v, enum sp_status was)
{
	SP_AUTO(sp_schema_free) struct sp_schema *s = NULL;
	SP_AUTO(sp_out_free) struct sp_out o;
	enum sp_status st;

	sp_out_heap(&o, 1 << 20);
	sp_out_str(&o, "{\"not\":");
	sp_out_slice(&o, schema);
	sp_out_str(&o, "}");
	if (sp_schema_new(sp_out_view(&o), &s, NULL) != SP_OK)
		return;		/* one level deeper than a schema may be */
	st = sp_schema_check(s, v, STEPS, NULL);
	assert(st == SP_E_TOO_BIG || was == SP_E_TOO_BIG || (st == SP_OK) == (was == SP_E_BAD_PARAMS));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	SP_AUTO(sp_schema_free) struct sp_schema *s = NULL;
	SP_AUTO(sp_json_free) struct sp_json j = { 0 };
	sp_slice value = { (const char *)data, n }, schema;
	struct sp_err e = { 0 };
	enum sp_status st;

	if (n > 65536 || !sp_take_to(&value, '\0', &schema))
		return 0;
	st = sp_schema_new(schema, &s, &e);
	assert((st == SP_OK) == (s != NULL));
	if (st != SP_OK) {
		assert(st == SP_E_CONFIG && e.log[0] != '\0');
		return 0;
	}
	if (sp_json_read(value, SP_JSON_DEFAULT, &j, NULL) != SP_OK)
		return 0;
	st = sp_schema_check(s, j.root, STEPS, &e);
	assert(st == SP_OK || st == SP_E_BAD_PARAMS || st == SP_E_TOO_BIG);
	assert(st == SP_OK || (sp_utf8_valid(sp_str(e.pub)) && sp_starts(sp_str(e.pub), SP_LIT("arguments: /"))));
	assert(sp_schema_check(s, j.root, STEPS, NULL) == st);
	/* References count from the root, which `not` would move. */
	if (!sp_has_byte(schema, '$') && !sp_has_byte(schema, '\\'))
		check_not(schema, j.root, st);
	return 0;
}

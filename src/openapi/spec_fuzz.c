/* Whatever the document: its tools have plain, different names, checkable schemas, and no argument for a credential. */
#include <assert.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "openapi/slot.h"
#include "openapi/spec.h"
#include "schema/schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static bool
is_name(unsigned char c)
{
	return sp_is_alpha(c) || sp_is_digit(c) || c == '_' || c == '.' || c == '-';
}

static void
check_text(sp_slice s)
{
	assert(sp_utf8_valid(s));
	for (size_t i = 0; i < s.n; i++)
		assert(!sp_is_ctl((unsigned char)s.p[i]) || s.p[i] == '\n' || s.p[i] == '\t');
}

static void
check_params(const struct sp_spec *spec, const struct sp_spec_op *op)
{
	for (uint32_t i = 0; i < op->nparams; i++) {
		const struct sp_spec_param *p = &op->params[i];

		assert(p->wire.n != 0 && p->arg.n != 0 && sp_span(p->arg, is_name) == p->arg.n);
		assert(p->in >= SP_IN_PATH && p->in <= SP_IN_COOKIE && (p->in != SP_IN_PATH || p->required));
		assert(p->in != SP_IN_HEADER || !sp_slot_reserved(p->wire));
		for (uint32_t k = 0; k < spec->nschemes; k++)
			assert((p->in != SP_IN_HEADER || spec->schemes[k].place != SP_PLACE_HEADER ||
			    !sp_eq_nocase(p->wire, spec->schemes[k].field)) && (p->in != SP_IN_QUERY ||
			    spec->schemes[k].place != SP_PLACE_QUERY || !sp_eq(p->wire, spec->schemes[k].field)));
		for (uint32_t k = 0; k < i; k++)
			assert(!sp_eq(op->params[k].arg, p->arg));
	}
}

static void
check_op(const struct sp_spec *spec, const struct sp_spec_op *op)
{
	SP_AUTO(sp_schema_free) struct sp_schema *s = NULL;
	SP_AUTO(sp_json_free) struct sp_json j = { 0 };
	SP_AUTO(sp_out_free) struct sp_out o;

	assert(sp_starts(op->path, SP_LIT("/")) && !sp_starts(op->path, SP_LIT("//")));
	assert(sp_schema_new(op->schema, &s, NULL) == SP_OK);
	check_text(op->title);
	check_text(op->description);
	check_params(spec, op);
	assert(op->server.n == 0 || sp_utf8_valid(op->server));
	for (uint32_t i = 0; i < op->nparts; i++)
		assert(op->parts[i].name.n != 0 && op->encode != SP_ENC_JSON);
	assert((op->output.n == 0) == (op->result == SP_RESULT_TEXT));
	for (uint32_t i = 0; i < op->noptions; i++) {
		for (uint32_t k = 0; k < op->nneed[i]; k++)
			assert(op->options[i][k] < spec->nschemes);
	}
	sp_out_heap(&o, 16 << 20);
	sp_spec_tool_json(&o, op, op->name);
	assert(!o.full && sp_json_read(sp_out_view(&o), (struct sp_json_limits){ 160, 0 }, &j, NULL) == SP_OK);
	assert(sp_eq(sp_jtext(SP_JGET(SP_JGET(j.root, "inputSchema"), "type")), SP_LIT("object")));
	assert(op->output.n == 0 ||
	    sp_eq(sp_jtext(SP_JGET(SP_JGET(j.root, "outputSchema"), "type")), SP_LIT("object")));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct sp_spec spec = { 0 };
	struct sp_err e = { 0 };
	struct sp_arena a;

	sp_arena_init(&a, 32 << 20);
	if (sp_spec_read(&a, sp_mem(data, n), &spec, &e) == SP_OK)
		for (uint32_t i = 0; i < spec.nops; i++) {
			const struct sp_spec_op *op = &spec.ops[i];

			check_text(op->skipped);
			check_text(op->path);
			assert(sp_span(op->name, is_name) == op->name.n && (op->name.n != 0 || op->method == 0));
			for (uint32_t k = 0; k < i && k < 100; k++)
				assert(op->method == 0 || !sp_eq(spec.ops[k].name, op->name));
			if (op->skipped.n == 0)
				check_op(&spec, op);
		}
	else
		assert(e.code == SP_E_CONFIG);
	sp_arena_free(&a);
	return 0;
}

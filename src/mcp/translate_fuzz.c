/* Answers of an upstream.  First byte: era and method; the rest: JSON, taken as a result, as an error and as params.
 * What is written is one line of JSON that the client's era knows, and a second translation changes nothing. */
#include "mcp/translate.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
check_one_line(const struct sp_out *o, struct sp_json *j)
{
	/* Foreign members may nest as deep as was read; nothing is added to that. */
	assert(sp_json_read(sp_out_view(o), SP_JSON_DEFAULT, j, NULL) == SP_OK);
	assert(sp_jis_obj(j->root) && !sp_has_byte(sp_out_view(o), '\n'));
}

static void
check_links(sp_jval *content)
{
	for (struct sp_jiter it = sp_jeach(content); sp_jnext(&it);) {
		sp_slice uri = sp_jtext(SP_JGET(it.val, "uri"));

		if (sp_eq(sp_jtext(SP_JGET(it.val, "type")), SP_LIT("resource_link")))
			assert(sp_eq_nocase(sp_sub(uri, 0, 4), SP_LIT("http")));
	}
}

static void
result(const struct sp_hop *h, sp_jval *root)
{
	struct sp_json once = { 0 };
	struct sp_err e = { 0 };
	struct sp_out o, again;

	sp_out_heap(&o, 1 << 20);
	sp_out_heap(&again, 1 << 20);
	if (sp_translate_result(&o, h, root, &e) == SP_OK) {
		check_one_line(&o, &once);
		assert((SP_JGET(once.root, "resultType") != NULL) == (h->to == SP_ERA_MODERN));
		assert(SP_JGET(once.root, "requestState") == NULL && SP_JGET(once.root, "inputRequests") == NULL);
		check_links(SP_JGET(once.root, "content"));
		assert(sp_translate_result(&again, h, once.root, &e) == SP_OK && sp_eq(sp_out_view(&o), sp_out_view(&again)));
	} else {
		assert(e.log[0] != '\0' && e.pub[0] != '\0');
	}
	sp_json_free(&once);
	sp_out_free(&o);
	sp_out_free(&again);
}

static void
error(const struct sp_hop *h, sp_jval *root)
{
	struct sp_json j = { 0 };
	struct sp_out o;
	int64_t code;

	sp_out_heap(&o, 65536);
	sp_translate_error(&o, h, root);
	check_one_line(&o, &j);
	assert(sp_jint(SP_JGET(j.root, "code"), &code) && (code < -32099 || code > -32020));
	assert(h->to == SP_ERA_LEGACY || code != -32002);
	assert(sp_jtext(SP_JGET(j.root, "message")).n != 0);
	sp_json_free(&j);
	sp_out_free(&o);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const enum sp_mcp_method methods[] = { SP_MCP_TOOLS_CALL, SP_MCP_PROMPTS_GET, SP_MCP_RESOURCES_READ,
		SP_MCP_COMPLETE, SP_MCP_SUBSCRIBE };
	struct sp_hop h = { .name = SP_LIT("wiki://asked") };
	struct sp_json j = { 0 };
	struct sp_err e = { 0 };
	uint32_t level;

	if (n < 2 || sp_json_read(sp_mem(data + 1, n - 1), SP_JSON_DEFAULT, &j, &e) != SP_OK)
		return 0;
	h.to = (data[0] & 1) != 0 ? SP_ERA_MODERN : SP_ERA_LEGACY;
	h.method = methods[data[0] / 2 % SP_COUNT(methods)];
	result(&h, j.root);
	error(&h, j.root);
	for (int note = SP_TRANSLATE_PROGRESS; note <= SP_TRANSLATE_UPDATED; note++) {
		struct sp_json params = { 0 };
		struct sp_out o;

		sp_out_heap(&o, 1 << 20);
		if (sp_translate_note(&o, (enum sp_translate_note)note, j.root, &level, &e) == SP_OK) {
			check_one_line(&o, &params);
			assert((level != 0) == (note == SP_TRANSLATE_MESSAGE) && level <= 8);
			assert(SP_JGET(params.root, "progressToken") == NULL && SP_JGET(params.root, "_meta") == NULL);
		}
		sp_json_free(&params);
		sp_out_free(&o);
	}
	sp_json_free(&j);
	return 0;
}

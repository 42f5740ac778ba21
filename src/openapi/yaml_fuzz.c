/* Whatever the YAML: what is accepted is JSON without equal keys, and JSON text that is accepted stays what it was. */
#include <assert.h>

#include "openapi/yaml_json.h"
#include "wire/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	SP_AUTO(sp_json_free) struct sp_json j = { 0 };
	SP_AUTO(sp_json_free) struct sp_json k = { 0 };
	SP_AUTO(sp_out_free) struct sp_out o;
	SP_AUTO(sp_out_free) struct sp_out again;
	struct sp_err e = { 0 };

	sp_out_heap(&o, 16 << 20);
	sp_out_heap(&again, 16 << 20);
	if (sp_yaml_json(sp_mem(data, n), &o, &e) != SP_OK) {
		assert(e.code == SP_E_CONFIG && e.log[0] != '\0');
		return 0;
	}
	/* U+0000 in a key is what JSON of ours refuses and YAML can write. */
	if (sp_json_read(sp_out_view(&o), (struct sp_json_limits){ SP_YAML_LEVELS, 0 }, &j, &e) != SP_OK) {
		assert(sp_find(sp_str(e.log), SP_LIT("U+0000 in a key")) != SIZE_MAX);
		return 0;
	}
	/* Read as YAML once more, our own output means the same. */
	if (sp_yaml_json(sp_out_view(&o), &again, &e) == SP_OK) {
		assert(sp_json_read(sp_out_view(&again), (struct sp_json_limits){ SP_YAML_LEVELS, 0 }, &k, NULL) == SP_OK);
		assert(sp_jequal(j.root, k.root));
	}
	return 0;
}

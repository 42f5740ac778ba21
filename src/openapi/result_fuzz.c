/* Whatever an upstream answers: one JSON object, and nothing of its media type but a plain name. */
#include <assert.h>

#include "openapi/result.h"
#include "wire/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	SP_AUTO(sp_json_free) struct sp_json j = { 0 };
	SP_AUTO(sp_out_free) struct sp_out o;
	sp_slice in = { (const char *)data, n }, media;
	unsigned status;

	sp_out_heap(&o, 16 << 20);
	if (n < 2 || n > 65536)
		return 0;
	status = 100u + (unsigned)data[0] * 256u % 500u + data[1] % 100u;
	sp_advance(&in, 2);
	if (!sp_take_to(&in, '\n', &media))
		media = (sp_slice){ NULL, 0 };
	sp_result_http(&o, status, media, in, (enum sp_op_result)(n % 3));
	assert(!o.full && sp_json_read(sp_out_view(&o), SP_JSON_DEFAULT, &j, NULL) == SP_OK);
	assert(sp_jtrue(SP_JGET(j.root, "isError")) == (status < 200 || status > 299));
	assert(yyjson_arr_size(SP_JGET(j.root, "content")) == 1);
	/* What a tool promises is there, and is an object. */
	assert(sp_jis_obj(SP_JGET(j.root, "structuredContent")) == (n % 3 != 0 && status >= 200 && status <= 299));
	return 0;
}

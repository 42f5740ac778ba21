#include "mcp/tools.h"

#include "base/b64.h"
#include "base/ct.h"
#include "mcp/result.h"

enum { MARK = 8, NAME_MAX_BYTES = 80 };

static const struct sp_img_tool *
tool_at(const struct sp_image *img, uint32_t i)
{
	return SP_IMG_AT(img, img->head->tools, tool, i);
}

/* The mark binds the name to the caller; `key` is the generation's. */
static void
mark(const struct sp_hash_key *key, const struct sp_principal *who, sp_slice name, unsigned char out[MARK])
{
	char buf[24 + NAME_MAX_BYTES];
	struct sp_out o;
	uint64_t h;

	sp_out_init(&o, buf, sizeof buf);
	sp_out_str(&o, "cursor");
	sp_out_be(&o, who->source, 4);
	sp_out_be(&o, who->key, 8);
	sp_out_slice(&o, name);
	h = sp_siphash(key, sp_out_view(&o));
	for (unsigned i = 0; i < MARK; i++)
		out[i] = (unsigned char)(h >> (8 * i));
}

void
sp_cursor_write(struct sp_out *o, const struct sp_hash_key *key, const struct sp_principal *who, sp_slice last)
{
	unsigned char raw[MARK + NAME_MAX_BYTES];

	last = sp_sub(last, 0, NAME_MAX_BYTES);
	mark(key, who, last, raw);
	if (last.n != 0)
		memcpy(raw + MARK, last.p, last.n);
	sp_b64url_encode(o, raw, MARK + last.n);
}

enum sp_status
sp_cursor_read(const struct sp_image *img, const struct sp_hash_key *key, const struct sp_principal *who,
    sp_slice cursor, uint32_t *first, struct sp_err *e)
{
	unsigned char raw[SP_CURSOR_MAX], want[MARK];
	uint32_t lo = 0, hi = img->head->tools.n;
	sp_slice name;
	size_t n;

	if (cursor.n > SP_CURSOR_MAX || !sp_b64url_decode(cursor, raw, sizeof raw, &n) || n <= MARK ||
	    n - MARK > NAME_MAX_BYTES)
		return sp_fail(e, SP_E_BAD_PARAMS, "invalid cursor", "a cursor of the wrong form");
	name = sp_mem(raw + MARK, n - MARK);
	mark(key, who, name, want);
	if (!sp_ct_eq(want, raw, MARK))
		return sp_fail(e, SP_E_BAD_PARAMS, "invalid cursor", "a cursor that was not given to this caller");
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (sp_cmp(sp_img_str(img, tool_at(img, mid)->shown), name) <= 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	*first = lo;
	return SP_OK;
}

/* Tools from `i` on; the index after the last one written.  At least one is written if there is one. */
static uint32_t
page(struct sp_out *o, const struct sp_image *img, const struct sp_principal *who, uint32_t i, sp_slice *last)
{
	size_t start = o->n;
	uint32_t count = 0;

	for (; i < img->head->tools.n; i++) {
		const struct sp_img_tool *t = tool_at(img, i);
		sp_slice json = sp_img_str(img, t->json);

		if (!sp_decide_listed(img, who, i))
			continue;
		if (count == SP_PAGE_TOOLS || (count != 0 && o->n - start + json.n > SP_PAGE_BYTES))
			return i;
		if (count++ != 0)
			sp_out_byte(o, ',');
		sp_out_slice(o, json);
		*last = sp_img_str(img, t->shown);
	}
	return i;
}

enum sp_status
sp_mcp_tools_list(struct sp_out *o, const struct sp_image *img, const struct sp_hash_key *key,
    const struct sp_principal *who, const struct sp_mcp_ask *ask, sp_slice id, struct sp_err *e)
{
	sp_slice last = { NULL, 0 };
	uint32_t i = 0;
	bool comma;

	if (ask->has_cursor) {
		enum sp_status st = sp_cursor_read(img, key, who, ask->cursor, &i, e);

		if (st != SP_OK)
			return st;
	}
	sp_mcp_open(o, ask->era, id, &comma);
	if (ask->era == SP_ERA_MODERN) {
		sp_out_str(o, ",\"ttlMs\":");
		sp_out_u64(o, SP_MCP_TTL_MS);
		sp_out_str(o, ",\"cacheScope\":\"private\",");
	}
	sp_out_str(o, "\"tools\":[");
	i = page(o, img, who, i, &last);
	sp_out_byte(o, ']');
	if (i < img->head->tools.n) {
		sp_out_str(o, ",\"nextCursor\":\"");
		sp_cursor_write(o, key, who, last);
		sp_out_byte(o, '"');
	}
	sp_out_str(o, SP_MCP_CLOSE);
	return SP_OK;
}

#include "mcp/testimage.h"
#include "mcp/tools.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#define TEN "AAAAAAAAAA"
#define LONG TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

static const struct sp_hash_key key = { { 1, 2 } };
static const uint64_t none[1] = { 0 }, read_only[1] = { 1 }, both[1] = { 3 }, ops[1] = { 1 };

static struct sp_principal
who(const uint64_t *scopes, const uint64_t *tags, uint64_t id)
{
	return (struct sp_principal){ .refs = 1, .source = 0, .scopes = scopes, .tags = tags, .scope_words = 1, .tag_words = 1,
	    .key = id };
}

/* Names on a page, and its next cursor, by reading it as a client would. */
struct page {
	char names[TI_FIXED + TI_MAX][16];
	uint32_t n;
	char cursor[SP_CURSOR_MAX + 1];
	size_t bytes;
};

static struct page got;

static enum sp_status
list(const struct sp_image *img, const struct sp_principal *p, const char *cursor, enum sp_era era)
{
	struct sp_mcp_ask ask = { .era = era, .has_cursor = cursor != NULL, .cursor = sp_str(cursor) };
	struct sp_json doc = { 0 };
	struct sp_out o;
	sp_jval *result;
	enum sp_status st;

	memset(&got, 0, sizeof got);
	sp_out_heap(&o, 64 << 20);
	st = sp_mcp_tools_list(&o, img, &key, p, &ask, SP_LIT("1"), NULL);
	got.bytes = o.n;
	if (st != SP_OK) {
		assert_int_equal(o.n, 0);
		sp_out_free(&o);
		return st;
	}
	assert_int_equal(sp_json_read(sp_out_view(&o), SP_JSON_DEFAULT, &doc, NULL), SP_OK);
	result = SP_JGET(doc.root, "result");
	assert_int_equal(SP_JGET(result, "resultType") != NULL, era == SP_ERA_MODERN);
	assert_int_equal(SP_JGET(result, "ttlMs") != NULL, era == SP_ERA_MODERN);
	assert_int_equal(SP_JGET(result, "_meta") != NULL, era == SP_ERA_MODERN);
	if (era == SP_ERA_MODERN)
		assert_true(sp_eq(sp_jtext(SP_JGET(result, "cacheScope")), SP_LIT("private")));
	for (struct sp_jiter it = sp_jeach(SP_JGET(result, "tools")); sp_jnext(&it);)
		assert_true(sp_cstr(sp_jtext(SP_JGET(it.val, "name")), got.names[got.n++], 16));
	assert_true(sp_cstr(sp_jtext(SP_JGET(result, "nextCursor")), got.cursor, sizeof got.cursor));
	sp_json_free(&doc);
	sp_out_free(&o);
	return SP_OK;
}

static void
test_filter(void **state)
{
	static const struct {
		const char *name;
		const uint64_t *scopes, *tags;
		const char *want;
	} rows[] = {
		{ "E03 no scopes", none, none, "dns_shown docs_search" },
		{ "read", read_only, none, "dns_list dns_shown docs_search" },
		{ "write without the tag", both, none, "dns_list dns_shown docs_search" },
		{ "write with the tag", both, ops, "dns_create dns_delete dns_list dns_shown docs_search" },
		{ "the tag without scopes", none, ops, "dns_shown docs_search" },
	};
	struct sp_imgb b;
	struct sp_image img;

	ti_make(&b, &(struct ti_options){ 0 }, &img);
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct sp_principal p = who(rows[i].scopes, rows[i].tags, 1);
		char text[256];
		struct sp_out o;

		assert_int_equal(list(&img, &p, NULL, i % 2 == 0 ? SP_ERA_MODERN : SP_ERA_LEGACY), SP_OK);
		sp_out_init(&o, text, sizeof text);
		for (uint32_t k = 0; k < got.n; k++)
			sp_out_fmt(&o, "%s%s", k == 0 ? "" : " ", got.names[k]);
		if (!sp_eq(sp_out_view(&o), sp_str(rows[i].want)) || got.cursor[0] != '\0')
			fail_msg("%s: %.*s", rows[i].name, (int)o.n, o.p);
	}
	sp_imgb_free(&b);
}

/* All pages together are the whole list, in order, once; E03: what is hidden leaves no trace
 * in number or size. */
static void
test_pages(void **state)
{
	static const struct { uint32_t extra; size_t pad; uint32_t most; } rows[] = {
		{ 199, 0, SP_PAGE_TOOLS }, { 198, 0, SP_PAGE_TOOLS }, { 197, 0, SP_PAGE_TOOLS }, { 1000, 0, SP_PAGE_TOOLS },
		{ 300, 20000, 15 }, { 3, 300000, 2 },
	};

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct sp_imgb b;
		struct sp_image img;
		struct sp_principal p = who(none, none, 1);
		char cursor[SP_CURSOR_MAX + 1] = "", last[16] = "";
		uint32_t total = 0, pages = 0;

		ti_make(&b, &(struct ti_options){ .extra = rows[i].extra, .pad = rows[i].pad }, &img);
		do {
			assert_int_equal(list(&img, &p, pages == 0 ? NULL : cursor, SP_ERA_MODERN), SP_OK);
			assert_true(got.n != 0 && got.n <= rows[i].most);
			for (uint32_t k = 0; k < got.n; k++) {
				assert_true(strcmp(last, got.names[k]) < 0);
				memcpy(last, got.names[k], sizeof last);
			}
			total += got.n;
			memcpy(cursor, got.cursor, sizeof cursor);
			assert_true(++pages < 1000);
		} while (cursor[0] != '\0');
		if (total != rows[i].extra + 2)
			fail_msg("row %zu: %u tools on %u pages", i, total, pages);
		sp_imgb_free(&b);
	}
}

static void
test_cursors(void **state)
{
	static const char *const bad[] = { "", "x", "AAAA", "!!!!", "AAAAAAAAAAA", "AAAAAAAAAAAA",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", LONG };
	struct sp_imgb b;
	struct sp_image img;
	struct sp_principal p = who(none, none, 1), other = who(none, none, 2);
	char cursor[SP_CURSOR_MAX + 1];

	ti_make(&b, &(struct ti_options){ .extra = 500 }, &img);
	assert_int_equal(list(&img, &p, NULL, SP_ERA_LEGACY), SP_OK);
	memcpy(cursor, got.cursor, sizeof cursor);
	assert_int_equal(list(&img, &p, cursor, SP_ERA_LEGACY), SP_OK);
	if (list(&img, &other, cursor, SP_ERA_LEGACY) != SP_E_BAD_PARAMS)
		fail_msg("E25 another caller's cursor");
	for (size_t i = 0; i < strlen(cursor); i++) {
		char was = cursor[i];

		cursor[i] = was == 'A' ? 'B' : 'A';
		if (list(&img, &p, cursor, SP_ERA_LEGACY) != SP_E_BAD_PARAMS)
			fail_msg("E25 forged at byte %zu", i);
		cursor[i] = '\0';
		if (i != 0 && list(&img, &p, cursor, SP_ERA_LEGACY) != SP_E_BAD_PARAMS)
			fail_msg("E25 cut at byte %zu", i);
		cursor[i] = was;
	}
	for (size_t i = 0; i < SP_COUNT(bad); i++)
		if (list(&img, &p, bad[i], SP_ERA_LEGACY) != SP_E_BAD_PARAMS)
			fail_msg("E25 cursor %s", bad[i]);
	sp_imgb_free(&b);
}

int
main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(test_filter), cmocka_unit_test(test_pages), cmocka_unit_test(test_cursors),
	};

	return cmocka_run_group_tests(t, NULL, NULL);
}

/* Definitions that an upstream sends.  First byte: the kind; the rest: JSON.  What is kept is clean, bounded, found again
 * by its names, and the same when it is added once more. */
#include "mcp/catalog.h"

#include "crypto/crypto.h"
#include "mcp/foreign.h"
#include "mcp/testimage.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct sp_imgb builder;
static struct sp_image img;

static const struct ti_rule rules[] = { { SP_VERB_ALLOW, 1, SP_SELECT_ALL }, { SP_VERB_DENY, 1, SP_SELECT_NAME, "a*" } };

static struct sp_catalog *
make(enum sp_component_kind kind, sp_slice text)
{
	struct sp_catalog *c = NULL;
	struct sp_json j = { 0 };
	struct sp_err e = { 0 };
	uint32_t dropped;
	bool good;

	if (sp_json_read(text, SP_JSON_DEFAULT, &j, &e) != SP_OK)
		return NULL;
	assert(sp_catalog_new(&img, 1, &c) == SP_OK);
	good = sp_catalog_add(c, kind, j.root, &e) == SP_OK;
	if (good)	/* twice: the second is dropped */
		assert(sp_catalog_add(c, kind, j.root, &e) == SP_OK);
	assert(sp_catalog_seal(c, &dropped) == SP_OK && dropped == (good ? 1 : 0));
	sp_json_free(&j);
	if (!good)
		sp_catalog_free(&c);
	return c;
}

static void
look(const struct sp_catalog *c, enum sp_component_kind kind)
{
	const struct sp_item *it = sp_catalog_at(c, kind, 0);
	struct sp_json j = { 0 };

	assert(it != NULL && it->own.n <= SP_ITEM_BYTES && it->c.nrules != 0 && it->c.write);
	assert(sp_catalog_find(c, kind, it->c.name) == it && sp_catalog_shown(c, kind, it->shown) == it);
	assert(sp_json_read(it->json, SP_JSON_DEFAULT, &j, NULL) == SP_OK);
	assert(SP_JGET(j.root, "execution") == NULL);
	if (kind == SP_COMPONENT_TOOL) {
		struct sp_json s = { 0 };

		assert(sp_name_ok(it->c.name) && it->shown.n <= SP_SHOWN_MAX);
		assert(sp_json_read(it->schema, SP_JSON_DEFAULT, &s, NULL) == SP_OK);
		assert(sp_jequal(s.root, SP_JGET(j.root, "inputSchema")));
		sp_json_free(&s);
	}
	if (kind == SP_COMPONENT_RESOURCE || kind == SP_COMPONENT_TEMPLATE)
		assert(!sp_uri_is_active(it->c.name) && sp_catalog_has_scheme(c, sp_scheme(it->c.name)));
	sp_json_free(&j);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct sp_catalog *one, *two;
	enum sp_component_kind kind;

	if (img.base == NULL) {
		assert(sp_crypto_init(NULL) == SP_OK);
		ti_make(&builder, &(struct ti_options){ .mcp = 1, .rules = rules, .nrules = 2 }, &img);
	}
	if (n < 2)
		return 0;
	kind = (enum sp_component_kind)(SP_COMPONENT_TOOL + data[0] % 4);
	one = make(kind, sp_mem(data + 1, n - 1));
	if (one == NULL)
		return 0;
	look(one, kind);
	two = make(kind, sp_catalog_at(one, kind, 0)->own);
	assert(two != NULL && sp_catalog_same(one, two, kind));
	assert(sp_eq(sp_catalog_at(one, kind, 0)->own, sp_catalog_at(two, kind, 0)->own));
	(void)sp_catalog_template(one, SP_LIT("wiki://a/b"));
	sp_catalog_free(&one);
	sp_catalog_free(&two);
	return 0;
}

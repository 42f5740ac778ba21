/* Whatever bytes the check lets pass, every record can be walked and every index followed. */
#include <assert.h>
#include <stdlib.h>

#include "image/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static volatile uint64_t seen;

static void
touch(sp_slice s)
{
	if (s.n != 0)
		seen += (unsigned char)s.p[0] + (unsigned char)s.p[s.n - 1];
}

#define REC(name, ...) \
	static void walk_##name(const struct sp_image *img, const struct sp_img_##name *r) \
	{ \
		__VA_ARGS__ \
	}
#define U(f) seen += r->f;
#define L(f) seen += r->f;
#define S(f) touch(sp_img_str(img, r->f));
#define T(f) for (uint32_t i = 0; i < r->f.n; i++) touch(sp_img_text(img, r->f, i));
#define W(f) for (uint32_t i = 0; i < r->f.n; i++) seen += sp_img_words(img, r->f)[i];
#define N(f) for (uint32_t i = 0; i < r->f.n; i++) seen += sp_img_u32(img, r->f)[i];
#define A(f, rec) for (uint32_t i = 0; i < r->f.n; i++) walk_##rec(img, SP_IMG_AT(img, r->f, rec, i));
#include "image/image.def"

static void
follow(const struct sp_image *img)
{
	const struct sp_img_head *h = img->head;

	for (uint32_t i = 0; i < h->tools.n; i++) {
		const struct sp_img_tool *t = SP_IMG_AT(img, h->tools, tool, i);
		const struct sp_img_server *s = SP_IMG_AT(img, h->servers, server, t->server);

		assert(t->server < h->servers.n && sp_img_find_tool(img, s->resource, sp_img_str(img, t->shown)) == i);
		for (uint32_t k = 0; k < t->rules.n; k++)
			seen += SP_IMG_AT(img, h->rules, rule, sp_img_u32(img, t->rules)[k])->verb;
		assert(s->kind != SP_SERVER_OPENAPI || t->op.n == 1);
		if (t->op.n == 0)
			continue;
		const struct sp_img_op *op = SP_IMG_AT(img, t->op, op, 0);
		for (uint32_t k = 0; k < op->grants.n; k++)
			seen += SP_IMG_AT(img, s->grants, grant, sp_img_u32(img, op->grants)[k])->port;
	}
	for (uint32_t i = 0; i < h->resources.n; i++) {
		const struct sp_img_resource *r = SP_IMG_AT(img, h->resources, resource, i);
		uint32_t first, end;

		assert(sp_img_find_resource(img, sp_img_str(img, r->path)) == i);
		sp_img_tools_of(img, i, &first, &end);
		assert(first <= end && end <= h->tools.n);
		for (; first < end; first++) {
			uint32_t server = SP_IMG_AT(img, h->tools, tool, first)->server;

			assert(sp_img_resource_of(img, server) == r && (r->alone == 0 || r->alone == server + 1));
		}
	}
	for (uint32_t i = 0; i < h->scopes.n; i++)
		assert(sp_img_find_scope(img, sp_img_str(img, SP_IMG_AT(img, h->scopes, scope, i)->name)) <= i);
	(void)sp_img_find_tag(img, SP_LIT("ops"));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct sp_image img;
	struct sp_err e;
	char *copy;

	if (n > 1 << 16)
		return 0;
	copy = aligned_alloc(8, (n + 8) & ~(size_t)7);
	memcpy(copy, data, n);
	/* The size is what a mutation breaks first. */
	if (n >= 16 && data[12] == 0xff)
		memcpy(copy + 8, &(uint64_t){ n }, 8);
	if (sp_image_check(copy, n, &img, &e) == SP_OK) {
		walk_head(&img, img.head);
		follow(&img);
	}
	free(copy);
	return 0;
}

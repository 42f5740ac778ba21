#include "image/image.h"
#include "image/layout.h"

void
sp_imgb_init(struct sp_imgb *b, size_t max)
{
	void *start;

	sp_out_heap(&b->o, max > UINT32_MAX ? UINT32_MAX : max);
	start = sp_out_room(&b->o, sizeof(struct sp_image_start));
	if (start != NULL)
		memset(start, 0, sizeof(struct sp_image_start));
}

void
sp_imgb_free(struct sp_imgb *b)
{
	sp_out_free(&b->o);
}

static struct sp_ref
here(const struct sp_imgb *b, uint32_t n)
{
	return b->o.full || n == 0 ? (struct sp_ref){ 0, 0 } : (struct sp_ref){ (uint32_t)b->o.n, n };
}

static void
align(struct sp_imgb *b)
{
	static const char zeros[SP_IMAGE_ALIGN];

	sp_out_add(&b->o, zeros, (SP_IMAGE_ALIGN - b->o.n % SP_IMAGE_ALIGN) % SP_IMAGE_ALIGN);
}

struct sp_ref
sp_imgb_str(struct sp_imgb *b, sp_slice s)
{
	struct sp_ref r = here(b, (uint32_t)s.n);

	if (s.n > UINT32_MAX)
		b->o.full = true;
	sp_out_slice(&b->o, s);
	return b->o.full ? (struct sp_ref){ 0, 0 } : r;
}

struct sp_ref
sp_imgb_array(struct sp_imgb *b, const void *recs, size_t size, uint32_t n)
{
	struct sp_ref r;

	align(b);
	r = here(b, n);
	if (size != 0 && n > UINT32_MAX / size)
		b->o.full = true;
	sp_out_add(&b->o, recs, size * n);
	return b->o.full ? (struct sp_ref){ 0, 0 } : r;
}

struct sp_ref
sp_imgb_texts(struct sp_imgb *b, const sp_slice *s, uint32_t n)
{
	struct sp_ref r;

	align(b);
	r = here(b, n);
	if (sp_out_room(&b->o, n * sizeof(struct sp_ref)) == NULL)
		return (struct sp_ref){ 0, 0 };
	for (uint32_t i = 0; i < n; i++) {
		struct sp_ref text = sp_imgb_str(b, s[i]);

		if (b->o.full)
			return (struct sp_ref){ 0, 0 };
		/* The memory may have moved: by offset, not by pointer. */
		memcpy(b->o.p + r.off + i * sizeof text, &text, sizeof text);
	}
	return r;
}

struct sp_ref
sp_imgb_words(struct sp_imgb *b, const uint64_t *w, uint32_t n)
{
	return sp_imgb_array(b, w, sizeof *w, n);
}

struct sp_ref
sp_imgb_u32(struct sp_imgb *b, const uint32_t *v, uint32_t n)
{
	return sp_imgb_array(b, v, sizeof *v, n);
}

/* The names of an index: of tools, or the paths of resources. */
struct names {
	const struct sp_imgb *b;
	const struct sp_img_tool *tools;	/* or */
	const struct sp_img_resource *resources;
	size_t	 servers;		/* where they are, for tools */
	uint32_t n;
};

static uint32_t
hash_of(const struct names *v, uint32_t i)
{
	struct sp_img_server s;
	struct sp_ref r;

	if (v->tools == NULL) {
		r = v->resources[i].path;
		return sp_image_hash(0, (sp_slice){ v->b->o.p + r.off, r.n });
	}
	r = v->tools[i].shown;
	memcpy(&s, v->b->o.p + v->servers + v->tools[i].server * sizeof s, sizeof s);
	return sp_image_hash(s.resource, (sp_slice){ v->b->o.p + r.off, r.n });
}

static bool
index_fill(const struct names *v, uint32_t *index, uint32_t mask)
{
	for (uint32_t i = 0; i < v->n; i++) {
		uint32_t h = hash_of(v, i), k = 0;

		while (k < SP_IMAGE_PROBES && index[(h + k) & mask] != 0)
			k++;
		if (k == SP_IMAGE_PROBES)
			return false;
		index[(h + k) & mask] = i + 1;
	}
	return true;
}

static struct sp_ref
index_make(struct sp_imgb *b, const struct names *v)
{
	uint32_t size = 4;

	while (size < 2 * v->n)
		size *= 2;
	/* Crowded by chance: a larger table helps.  Crowded on purpose: it does not, and the image is refused. */
	for (unsigned tries = 0; tries < 4 && !b->o.full; tries++, size *= 2) {
		struct sp_ref r;
		size_t was = b->o.n;
		void *at;

		align(b);
		r = here(b, size);
		at = sp_out_room(&b->o, size * sizeof(uint32_t));
		if (at == NULL)
			return (struct sp_ref){ 0, 0 };
		memset(at, 0, size * sizeof(uint32_t));
		if (index_fill(v, at, size - 1))
			return r;
		b->o.n = was;
	}
	b->o.full = true;
	return (struct sp_ref){ 0, 0 };
}

struct sp_ref
sp_imgb_tool_index(struct sp_imgb *b, const struct sp_img_head *head, const struct sp_img_tool *tools, uint32_t n)
{
	const struct names v = { b, tools, NULL, head->servers.off, n };

	for (uint32_t i = 0; i < n; i++)
		b->o.full = b->o.full || tools[i].server >= head->servers.n;
	if (n == 0 || n > 1u << 24 || b->o.full) {
		b->o.full = b->o.full || n != 0;
		return (struct sp_ref){ 0, 0 };
	}
	return index_make(b, &v);
}

void
sp_imgb_resources(struct sp_imgb *b, struct sp_img_head *head, const struct sp_img_resource *r, uint32_t n)
{
	const struct names v = { b, NULL, r, 0, n };

	head->resources = SP_IMGB_ARRAY(b, r, n);
	b->o.full = b->o.full || n > SP_IMAGE_RESOURCES;
	if (!b->o.full)
		head->resource_index = index_make(b, &v);
}

enum sp_status
sp_imgb_finish(struct sp_imgb *b, const struct sp_img_head *head, struct sp_err *e)
{
	struct sp_ref r = sp_imgb_array(b, head, sizeof *head, 1);
	struct sp_image_start start;
	struct sp_image img;

	if (b->o.full)
		return sp_fail(e, SP_E_CONFIG, NULL, "the compiled configuration is too large, or its tool names collide");
	start = (struct sp_image_start){ SP_IMAGE_MAGIC, r.off, b->o.n };
	memcpy(b->o.p, &start, sizeof start);
	return sp_image_check(b->o.p, b->o.n, &img, e);
}

#include "image/image.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum { IMAGE_MAX = 256 << 20 };

enum sp_status
sp_image_open(int fd, struct sp_image *out, struct sp_err *e)
{
	const int want = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW;
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;
	void *p;
	enum sp_status rc;

	/* Unsealed, the bytes could change after they were checked. */
	if (seals < 0 || (seals & want) != want)
		return sp_fail(e, SP_E_CONFIG, NULL, "the image is not a sealed memfd");
	if (fstat(fd, &st) != 0)
		return sp_fail(e, SP_E_SYSTEM, NULL, "fstat of the image: errno %d", errno);
	if (st.st_size <= 0 || st.st_size > IMAGE_MAX)
		return sp_fail(e, SP_E_CONFIG, NULL, "the image has %lld bytes", (long long)st.st_size);
	/* Private, because kernels before 6.7 map a write-sealed file no other way; the pages are shared all the same. */
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return sp_fail(e, SP_E_SYSTEM, NULL, "mapping the image: errno %d", errno);
	rc = sp_image_check(p, (size_t)st.st_size, out, e);
	if (rc != SP_OK)
		munmap(p, (size_t)st.st_size);
	return rc;
}

void
sp_image_close(struct sp_image *img)
{
	if (img == NULL || img->base == NULL)
		return;
	munmap((void *)(uintptr_t)img->base, img->size);
	*img = (struct sp_image){ NULL, 0, NULL };
}

sp_slice
sp_img_text(const struct sp_image *img, struct sp_ref r, uint32_t i)
{
	const struct sp_ref *refs = (const struct sp_ref *)(const void *)(img->base + r.off);

	return sp_img_str(img, refs[i]);
}

/* FNV-1a and a final mix.  Not keyed: an image whose names collide too often is refused when it is made. */
uint32_t
sp_image_hash(uint32_t resource, sp_slice s)
{
	uint32_t h = (2166136261u ^ resource) * 16777619u;

	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (unsigned char)s.p[i]) * 16777619u;
	h ^= h >> 16;
	h *= 0x85ebca6bu;
	return h ^ h >> 13;
}

static uint32_t
resource_of_tool(const struct sp_image *img, uint32_t tool)
{
	const struct sp_img_tool *t = SP_IMG_AT(img, img->head->tools, tool, tool);

	return SP_IMG_AT(img, img->head->servers, server, t->server)->resource;
}

uint32_t
sp_img_find_tool(const struct sp_image *img, uint32_t resource, sp_slice shown)
{
	const struct sp_img_head *head = img->head;
	const uint32_t *index = sp_img_u32(img, head->tool_index);
	uint32_t mask = head->tool_index.n - 1, h = sp_image_hash(resource, shown);

	if (head->tool_index.n == 0)
		return UINT32_MAX;
	for (uint32_t k = 0; k < SP_IMAGE_PROBES; k++) {
		uint32_t v = index[(h + k) & mask];

		if (v == 0)
			return UINT32_MAX;
		if (sp_eq(sp_img_str(img, SP_IMG_AT(img, head->tools, tool, v - 1)->shown), shown) &&
		    resource_of_tool(img, v - 1) == resource)
			return v - 1;
	}
	return UINT32_MAX;
}

/* The first tool of this resource or of one after it. */
static uint32_t
first_of(const struct sp_image *img, uint32_t resource)
{
	uint32_t lo = 0, hi = img->head->tools.n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (resource_of_tool(img, mid) < resource)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

void
sp_img_tools_of(const struct sp_image *img, uint32_t resource, uint32_t *first, uint32_t *end)
{
	*first = first_of(img, resource);
	*end = first_of(img, resource + 1);
}

uint32_t
sp_img_find_resource(const struct sp_image *img, sp_slice path)
{
	const struct sp_img_head *head = img->head;
	const uint32_t *index = sp_img_u32(img, head->resource_index);
	uint32_t mask = head->resource_index.n - 1, h = sp_image_hash(0, path);

	for (uint32_t k = 0; k < SP_IMAGE_PROBES; k++) {
		uint32_t v = index[(h + k) & mask];

		if (v == 0)
			return UINT32_MAX;
		if (sp_eq(sp_img_str(img, SP_IMG_AT(img, head->resources, resource, v - 1)->path), path))
			return v - 1;
	}
	return UINT32_MAX;
}

uint32_t
sp_img_find_scope(const struct sp_image *img, sp_slice name)
{
	for (uint32_t i = 0; i < img->head->scopes.n; i++)
		if (sp_eq(sp_img_str(img, SP_IMG_AT(img, img->head->scopes, scope, i)->name), name))
			return i;
	return UINT32_MAX;
}

uint32_t
sp_img_find_tag(const struct sp_image *img, sp_slice name)
{
	for (uint32_t i = 0; i < img->head->tags.n; i++)
		if (sp_eq(sp_img_text(img, img->head->tags, i), name))
			return i;
	return UINT32_MAX;
}

/*
 * Reading the compiled configuration.  An image is foreign data until sp_image_open() has checked it: sizes,
 * every offset, every count, every index, every enum.  After that, access is by plain pointers into the mapping.
 */
#ifndef SP_IMAGE_IMAGE_H
#define SP_IMAGE_IMAGE_H

#include "base/err.h"
#include "base/out.h"
#include "wire/http1.h"	/* enum sp_method */

#define SP_IMAGE_MAGIC 0x53505932u	/* the last digit counts format changes */
#define SP_IMG_ANYONE UINT32_MAX
enum { SP_SHOWN_MAX = 64 };	/* bytes of the name that clients see */
/* Most scopes, and tags; most steps of sp_img_find_tool() and sp_img_find_resource(); most of these. */
enum { SP_IMAGE_SETS = 1024, SP_IMAGE_PROBES = 64, SP_IMAGE_RESOURCES = 257 };

enum sp_source_type { SP_SOURCE_JWT = 1, SP_SOURCE_STATIC, SP_SOURCE_ANONYMOUS, SP_SOURCE_REMOTE, SP_SOURCE_PEER,
	SP_SOURCE_INTROSPECTION };
enum sp_place { SP_PLACE_HEADER = 1, SP_PLACE_QUERY, SP_PLACE_COOKIE };
enum sp_server_kind { SP_SERVER_OPENAPI = 1, SP_SERVER_MANAGEMENT, SP_SERVER_MCP };
enum sp_param_in { SP_IN_PATH = 1, SP_IN_QUERY, SP_IN_HEADER, SP_IN_COOKIE };
enum sp_param_style {
	SP_STYLE_SIMPLE = 1, SP_STYLE_FORM, SP_STYLE_LABEL, SP_STYLE_MATRIX, SP_STYLE_SPACE, SP_STYLE_PIPE, SP_STYLE_DEEP,
	SP_STYLE_JSON			/* a parameter with `content`: its value as JSON text */
};
enum sp_body_kind { SP_BODY_NONE = 0, SP_BODY_FLAT, SP_BODY_ARG };	/* FLAT: all arguments that are no parameter, as one object */
/* BASE64: the argument is base64 text, and what it decodes to is sent.  TEXT: the argument is the body as it is. */
enum sp_body_encode { SP_ENC_JSON = 0, SP_ENC_FORM, SP_ENC_MULTIPART, SP_ENC_TEXT, SP_ENC_BASE64 };
/* TEXT: lists repeat it, objects are JSON.  STYLED: the document says a style, for objects too. */
enum sp_part_kind { SP_PART_TEXT = 0, SP_PART_JSON, SP_PART_BASE64, SP_PART_STYLED };
/* Text only; also as structuredContent, for answers that are objects; the same, under "result", for others. */
enum sp_op_result { SP_RESULT_TEXT = 0, SP_RESULT_OBJECT, SP_RESULT_WRAPPED };
enum sp_json_type { SP_T_NULL = 1, SP_T_BOOL = 2, SP_T_INT = 4, SP_T_NUM = 8, SP_T_STR = 16, SP_T_ARR = 32, SP_T_OBJ = 64 };
enum sp_verb { SP_VERB_ALLOW = 1, SP_VERB_ASK, SP_VERB_GUARD, SP_VERB_DENY };
enum sp_value_kind { SP_VALUE_TEXT = 1, SP_VALUE_PATTERN, SP_VALUE_NUMBER, SP_VALUE_BOOL, SP_VALUE_RANGE, SP_VALUE_USER };
enum sp_manner { SP_MANNER_CHALLENGE = 0, SP_MANNER_LIST, SP_MANNER_HIDE };	/* order of strictness: LIST < CHALLENGE < HIDE */
/* Of a rule's TOOLS: NAME, RESOURCE and PROMPT compare names or URIs with the pattern. */
enum sp_select {
	SP_SELECT_ALL = 1, SP_SELECT_NAME, SP_SELECT_READ, SP_SELECT_WRITE, SP_SELECT_TAG, SP_SELECT_RESOURCE, SP_SELECT_PROMPT
};
/* A set of checks is one word; bytes of a check's own text for the caller, and of the scopes that it names. */
enum { SP_IMAGE_CHECKS = 64, SP_CHECK_TEXT_MAX = 255, SP_CHECK_SCOPES_MAX = 511 };
/* A command: reference: split at runs of spaces, no shell; a program without '/' is looked for in SP_COMMAND_PATH. */
#define SP_COMMAND_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
enum { SP_COMMAND_MAX = 1000, SP_COMMAND_WORDS = 64 };	/* bytes of the reference; words of it, the program among them */
enum sp_isolation { SP_ISOLATION_FULL = 0, SP_ISOLATION_LANDLOCK, SP_ISOLATION_AVAILABLE };

/* A reference inside the image: offset in bytes from its start, count of elements. */
struct sp_ref { uint32_t off, n; };

#define REC(name, ...) struct sp_img_##name { __VA_ARGS__ };
#define U(f) uint32_t f;
#define L(f) uint64_t f;
#define S(f) struct sp_ref f;
#define A(f, rec) struct sp_ref f;
#define T(f) struct sp_ref f;
#define W(f) struct sp_ref f;
#define N(f) struct sp_ref f;
#include "image/image.def"
#undef REC
#undef U
#undef L
#undef S
#undef A
#undef T
#undef W
#undef N

struct sp_image {
	const char *base;
	size_t	    size;
	const struct sp_img_head *head;
};

/* Maps a sealed memfd (F_SEAL_WRITE|SHRINK|GROW required) and checks all of it.  The descriptor may be closed after.
 * SP_E_CONFIG with e->log naming record and field.  sp_image_check() is the same on memory (8-byte aligned), for tests and fuzzing. */
SP_MUST enum sp_status sp_image_open(int fd, struct sp_image *out, struct sp_err *e);
SP_MUST enum sp_status sp_image_check(const void *base, size_t size, struct sp_image *out, struct sp_err *e);
void sp_image_close(struct sp_image *img);

static inline sp_slice
sp_img_str(const struct sp_image *img, struct sp_ref r)
{
	return (sp_slice){ img->base + r.off, r.n };
}
/* Element i of a T field. */
sp_slice sp_img_text(const struct sp_image *img, struct sp_ref r, uint32_t i);
/* Element i of an A field: SP_IMG_AT(img, head->tools, tool, i). */
#define SP_IMG_AT(img, ref, rec, i) \
	((const struct sp_img_##rec *)(const void *)((img)->base + (ref).off) + (i))
static inline const uint32_t *
sp_img_u32(const struct sp_image *img, struct sp_ref r)
{
	return (const uint32_t *)(const void *)(img->base + r.off);
}
static inline const uint64_t *
sp_img_words(const struct sp_image *img, struct sp_ref r)
{
	return (const uint64_t *)(const void *)(img->base + r.off);
}
/* Index of the tool with this shown name at a resource, or UINT32_MAX.  O(1). */
uint32_t sp_img_find_tool(const struct sp_image *img, uint32_t resource, sp_slice shown);
/* The tools of a resource: indices *first to *end - 1. */
void sp_img_tools_of(const struct sp_image *img, uint32_t resource, uint32_t *first, uint32_t *end);
/* Index of the resource with this path, byte for byte, or UINT32_MAX.  O(1). */
uint32_t sp_img_find_resource(const struct sp_image *img, sp_slice path);
/* Where a server is served, and whether under its own names. */
static inline const struct sp_img_resource *
sp_img_resource_of(const struct sp_image *img, uint32_t server)
{
	return SP_IMG_AT(img, img->head->resources, resource, SP_IMG_AT(img, img->head->servers, server, server)->resource);
}
uint32_t sp_image_hash(uint32_t resource, sp_slice s);
/* Index of a scope or tag, or UINT32_MAX. */
uint32_t sp_img_find_scope(const struct sp_image *img, sp_slice name);
uint32_t sp_img_find_tag(const struct sp_image *img, sp_slice name);

/* Building (loader and tests).  Everything appended; the head last.  Errors are sticky: sp_imgb_finish() tells. */
struct sp_imgb { struct sp_out o; };
void sp_imgb_init(struct sp_imgb *b, size_t max);
struct sp_ref sp_imgb_str(struct sp_imgb *b, sp_slice s);			/* equal short texts may be shared */
struct sp_ref sp_imgb_texts(struct sp_imgb *b, const sp_slice *s, uint32_t n);
struct sp_ref sp_imgb_array(struct sp_imgb *b, const void *recs, size_t size, uint32_t n);
#define SP_IMGB_ARRAY(b, recs, n) sp_imgb_array(b, recs, sizeof *(recs), n)
struct sp_ref sp_imgb_words(struct sp_imgb *b, const uint64_t *w, uint32_t n);
struct sp_ref sp_imgb_u32(struct sp_imgb *b, const uint32_t *v, uint32_t n);
/* The table tool_index over n tools with their `server` and `shown` set, after head->servers: slot (hash + k) & mask for
 * k < SP_IMAGE_PROBES.  Names that collide on purpose make sp_imgb_finish() fail. */
struct sp_ref sp_imgb_tool_index(struct sp_imgb *b, const struct sp_img_head *head, const struct sp_img_tool *tools, uint32_t n);
/* head->resources and head->resource_index. */
void sp_imgb_resources(struct sp_imgb *b, struct sp_img_head *head, const struct sp_img_resource *r, uint32_t n);
/* Puts magic, size and head in place and checks the result with sp_image_check(). The bytes are b->o's. */
SP_MUST enum sp_status sp_imgb_finish(struct sp_imgb *b, const struct sp_img_head *head, struct sp_err *e);
void sp_imgb_free(struct sp_imgb *b);

#endif

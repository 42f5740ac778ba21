/* For tests and fuzz targets: documents written with single quotes, and an image of all tools of a document. */
#ifndef SP_OPENAPI_TEST_DOC_H
#define SP_OPENAPI_TEST_DOC_H

#include <stdlib.h>

#include "openapi/bind.h"
#include "openapi/spec.h"

/* 'a' becomes "a"; a real apostrophe is written as `. */
static inline sp_slice
test_json(struct sp_arena *a, const char *text)
{
	sp_slice s = sp_arena_copy(a, sp_str(text));
	char *p = (char *)(uintptr_t)s.p;

	for (size_t i = 0; i < s.n; i++)
		p[i] = (char)(p[i] == '\'' ? '"' : p[i] == '`' ? '\'' : p[i]);
	return s;
}

static inline int
test_tool_cmp(const void *x, const void *y)
{
	const struct sp_spec_op *a = *(const struct sp_spec_op *const *)x, *b = *(const struct sp_spec_op *const *)y;

	return sp_cmp(a->name, b->name);
}

static inline struct sp_img_op
test_op(struct sp_imgb *b, const struct sp_spec_op *o)
{
	struct sp_img_param *p = calloc(o->nparams + 1, sizeof *p);
	struct sp_img_op op = { .method = o->method, .path = sp_imgb_str(b, o->path), .body = (uint32_t)o->body,
		.body_arg = sp_imgb_str(b, o->body_arg), .body_required = o->body_required,
		.media = sp_imgb_str(b, o->media), .encode = (uint32_t)o->encode, .result = (uint32_t)o->result };
	struct sp_img_part *parts = calloc(o->nparts + 1, sizeof *parts);

	for (uint32_t i = 0; i < o->nparams; i++)
		p[i] = (struct sp_img_param){ sp_imgb_str(b, o->params[i].arg), sp_imgb_str(b, o->params[i].wire),
			(uint32_t)o->params[i].in, o->params[i].required, (uint32_t)o->params[i].style,
			o->params[i].explode, o->params[i].reserved, o->params[i].type };
	op.params = SP_IMGB_ARRAY(b, p, o->nparams);
	for (uint32_t i = 0; i < o->nparts; i++)
		parts[i] = (struct sp_img_part){ sp_imgb_str(b, o->parts[i].name), (uint32_t)o->parts[i].kind,
			(uint32_t)o->parts[i].style, o->parts[i].explode, sp_imgb_str(b, o->parts[i].media) };
	op.parts = SP_IMGB_ARRAY(b, parts, o->nparts);
	free(parts);
	free(p);
	return op;
}

/* One server with base path /api and the slots given; tools sorted by name, shown under it. */
static inline enum sp_status
test_image(struct sp_imgb *b, const struct sp_spec *spec, const sp_slice *slots, uint32_t nslots, struct sp_image *img,
    struct sp_err *e)
{
	struct sp_img_source source = { .type = SP_SOURCE_STATIC, .name = sp_imgb_str(b, SP_LIT("static")) };
	struct sp_img_server server = { .name = sp_imgb_str(b, SP_LIT("s")), .kind = SP_SERVER_OPENAPI,
		.host = sp_imgb_str(b, SP_LIT("api.test")), .port = 443, .https = 1,
		.base_path = sp_imgb_str(b, SP_LIT("/api")), .slots = sp_imgb_texts(b, slots, nslots) };
	struct sp_img_listen listen = { .kind = 0, .host = sp_imgb_str(b, SP_LIT("127.0.0.1")), .host_kind = 1, .port = 1 };
	struct sp_img_head head = { .url = sp_imgb_str(b, SP_LIT("http://127.0.0.1:1/mcp")),
		.limit_calls = 300, .limit_calls_ms = 60000, .limit_in_flight = 16 };
	const struct sp_spec_op **ops = calloc(spec->nops + 1, sizeof *ops);
	struct sp_img_tool *tools = calloc(spec->nops + 1, sizeof *tools);
	uint32_t n = 0;
	enum sp_status st;

	for (uint32_t i = 0; i < spec->nops; i++)
		if (spec->ops[i].skipped.n == 0 && spec->ops[i].name.n <= 64)
			ops[n++] = &spec->ops[i];
	qsort(ops, n, sizeof *ops, test_tool_cmp);
	for (uint32_t i = 0; i < n; i++) {
		struct sp_img_op op = test_op(b, ops[i]);

		tools[i] = (struct sp_img_tool){ .name = sp_imgb_str(b, ops[i]->name),
			.shown = sp_imgb_str(b, ops[i]->name), .json = sp_imgb_str(b, SP_LIT("{}")),
			.schema = sp_imgb_str(b, ops[i]->schema), .op = SP_IMGB_ARRAY(b, &op, 1) };
	}
	head.sources = SP_IMGB_ARRAY(b, &source, 1);
	sp_imgb_resources(b, &head, &(struct sp_img_resource){ .path = sp_imgb_str(b, SP_LIT("/mcp")), .url = head.url }, 1);
	head.servers = SP_IMGB_ARRAY(b, &server, 1);
	head.listens = SP_IMGB_ARRAY(b, &listen, 1);
	head.tools = SP_IMGB_ARRAY(b, tools, n);
	head.tool_index = sp_imgb_tool_index(b, &head, tools, n);
	st = sp_imgb_finish(b, &head, e);
	free(tools);
	free(ops);
	return st == SP_OK ? sp_image_check(b->o.p, b->o.n, img, e) : st;
}

#endif

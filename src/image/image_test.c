#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "image/image.h"

#define STR(s) sp_imgb_str(b, SP_LIT(s))

/* Two of everything that refers to something; what a test changes is changed here, before the head is sealed. */
struct parts {
	struct sp_img_source source[2];
	struct sp_img_scope scope[2];
	struct sp_img_grant grant[2];
	struct sp_img_server server[2];
	struct sp_img_param param;
	struct sp_img_op op;
	struct sp_img_tool tool[3];
	struct sp_img_caller caller;
	struct sp_img_value value;
	struct sp_img_cond cond;
	struct sp_img_group any, not;
	struct sp_img_rule rule[2];
	struct sp_img_listen listen[2];
	struct sp_img_give give;
	uint32_t op_grants[2], tool_rules[2];
	uint64_t closure[2], scopes, tags;
	sp_slice tag_names[2];
	struct sp_img_resource resource[2];
	struct sp_img_head head;
	struct sp_ref index;
	bool own_index;
	uint32_t nresources;
	struct sp_ref paths;
	bool own_paths;
};

static void
fill(struct parts *p, struct sp_imgb *b)
{
	static const sp_slice aud[] = { SP_LIT_INIT("https://a.example/mcp"), SP_LIT_INIT("b") };
	static const sp_slice path[] = { SP_LIT_INIT("zone"), SP_LIT_INIT("name") };
	struct sp_ref none = { 0, 0 };

	*p = (struct parts){ .closure = { 3, 2 }, .scopes = 2, .tags = 1, .op_grants = { 0, 1 }, .tool_rules = { 0, 1 },
		.tag_names = { SP_LIT_INIT("ops"), SP_LIT_INIT("pii") }, .nresources = 2 };
	p->give = (struct sp_img_give){ STR("ops"), sp_imgb_words(b, &p->scopes, 1) };
	p->source[0] = (struct sp_img_source){ .type = SP_SOURCE_JWT, .name = STR("jwt"), .issuer = STR("https://i"),
		.audiences = sp_imgb_texts(b, aud, 2), .users = none };
	p->source[1] = (struct sp_img_source){ .type = SP_SOURCE_ANONYMOUS, .name = STR("anonymous") };
	p->scope[0] = (struct sp_img_scope){ .name = STR("dns:write") };
	p->scope[1] = (struct sp_img_scope){ .name = STR("dns:read"), .says = STR("read zones") };
	p->grant[0] = (struct sp_img_grant){ .name = STR("key"), .ref = STR("vault:pdns"), .place = SP_PLACE_HEADER,
		.field = STR("X-Api-Key"), .host = STR("dns.internal"), .port = 443, .https = 1, .methods = 1u << SP_GET };
	p->grant[1] = (struct sp_img_grant){ .name = STR("q"), .ref = STR("env:Q"), .place = SP_PLACE_QUERY,
		.field = STR("api key"), .host = STR("dns.internal"), .port = 443, .path_prefix = STR("/v1") };
	p->server[0] = (struct sp_img_server){ .name = STR("dns"), .kind = SP_SERVER_OPENAPI, .host = STR("dns.internal"),
		.port = 443, .https = 1, .base_path = STR("/api") };
	p->server[1] = (struct sp_img_server){ .name = STR("sallyport"), .kind = SP_SERVER_MANAGEMENT, .resource = 1 };
	p->param = (struct sp_img_param){ STR("id"), STR("id"), SP_IN_PATH, 1, SP_STYLE_SIMPLE, 0, 0, SP_T_STR };
	p->op = (struct sp_img_op){ .method = SP_GET, .path = STR("/zones/{id}") };
	p->tool[0] = (struct sp_img_tool){ .name = STR("a"), .shown = STR("dns_a"), .json = STR("{}"), .schema = STR("{}") };
	p->tool[1] = (struct sp_img_tool){ .name = STR("b"), .shown = STR("dns_b"), .access = 1 };
	p->tool[2] = (struct sp_img_tool){ .server = 1, .name = STR("health"), .shown = STR("health") };
	p->caller = (struct sp_img_caller){ .source = 0, .has_pattern = 1, .pattern = STR("a*") };
	p->value = (struct sp_img_value){ SP_VALUE_RANGE, STR("0"), STR("9") };
	p->cond = (struct sp_img_cond){ .argument = STR("zone.name"), .path = sp_imgb_texts(b, path, 2) };
	p->rule[0] = (struct sp_img_rule){ .verb = SP_VERB_ALLOW, .line = 3, .text = STR("allow: dns") };
	p->rule[1] = (struct sp_img_rule){ .verb = SP_VERB_DENY, .line = 4 };
	p->listen[0] = (struct sp_img_listen){ .kind = 0, .host = STR("127.0.0.1"), .host_kind = 1, .port = 8420 };
	p->listen[1] = (struct sp_img_listen){ .kind = 1, .path = STR("/run/sp.sock") };
	p->resource[0] = (struct sp_img_resource){ .path = STR("/mcp"), .url = STR("http://127.0.0.1:8420/mcp") };
	p->resource[1] = (struct sp_img_resource){ .path = STR("/admin"), .url = STR("http://127.0.0.1:8420/admin"), .alone = 2 };
	p->head = (struct sp_img_head){ .url = STR("http://127.0.0.1:8420/mcp"), .anonymous = 2,
		.limit_calls = 300, .limit_calls_ms = 60000, .limit_in_flight = 16 };
}

static void
link_rules(struct parts *p, struct sp_imgb *b)
{
	for (int i = 0; i < 2; i++)
		p->scope[i].closure = p->scope[i].closure.n != 0 ? p->scope[i].closure : sp_imgb_words(b, &p->closure[i], 1);
	p->cond.values = p->cond.values.off == 1 ? (struct sp_ref){ 0, 0 } : SP_IMGB_ARRAY(b, &p->value, 1);
	p->any.scopes = p->any.scopes.n != 0 ? p->any.scopes : sp_imgb_words(b, &p->scopes, 1);
	p->not.tags = sp_imgb_words(b, &p->tags, 1);
	p->rule[0].callers = SP_IMGB_ARRAY(b, &p->caller, 1);
	p->rule[0].when = SP_IMGB_ARRAY(b, &p->cond, 1);
	p->rule[0].any = SP_IMGB_ARRAY(b, &p->any, 1);
	p->rule[0].not = p->rule[0].not.n != 0 ? p->rule[0].not : SP_IMGB_ARRAY(b, &p->not, 1);
	p->rule[0].scopes = sp_imgb_words(b, &p->scopes, 1);
	p->rule[0].tags = sp_imgb_words(b, &p->tags, 1);
}

static enum sp_status
finish(struct parts *p, struct sp_imgb *b, struct sp_err *e)
{
	link_rules(p, b);
	p->source[0].give_by_tag = SP_IMGB_ARRAY(b, &p->give, 1);
	p->server[0].grants = SP_IMGB_ARRAY(b, p->grant, 2);
	p->op.params = SP_IMGB_ARRAY(b, &p->param, 1);
	p->op.grants = sp_imgb_u32(b, p->op_grants, 2);
	for (int i = 0; i < 2; i++) {
		p->tool[i].op = p->tool[i].op.off == 1 ? (struct sp_ref){ 0, 0 } : SP_IMGB_ARRAY(b, &p->op, 1);
		p->tool[i].rules = sp_imgb_u32(b, p->tool_rules, 2);
	}
	sp_imgb_resources(b, &p->head, p->resource, p->nresources);
	p->head.resource_index = p->own_paths ? p->paths : p->head.resource_index;
	p->head.sources = SP_IMGB_ARRAY(b, p->source, 2);
	p->head.scopes = SP_IMGB_ARRAY(b, p->scope, 2);
	p->head.tags = sp_imgb_texts(b, p->tag_names, 2);
	p->head.servers = SP_IMGB_ARRAY(b, p->server, 2);
	p->head.tools = SP_IMGB_ARRAY(b, p->tool, 3);
	p->head.tool_index = p->own_index ? p->index : sp_imgb_tool_index(b, &p->head, p->tool, 3);
	p->head.rules = SP_IMGB_ARRAY(b, p->rule, 2);
	p->head.listens = SP_IMGB_ARRAY(b, p->listen, 2);
	return sp_imgb_finish(b, &p->head, e);
}

static void
test_whole(void **state)
{
	struct sp_imgb b;
	struct parts p;
	struct sp_err e = { 0 };
	struct sp_image img;
	uint32_t first, end;

	(void)state;
	sp_imgb_init(&b, 1 << 20);
	fill(&p, &b);
	if (finish(&p, &b, &e) != SP_OK)
		fail_msg("%s", e.log);
	assert_int_equal(sp_image_check(b.o.p, b.o.n, &img, &e), SP_OK);
	assert_int_equal(sp_img_find_tool(&img, 0, SP_LIT("dns_a")), 0);
	assert_int_equal(sp_img_find_tool(&img, 1, SP_LIT("health")), 2);
	assert_int_equal(sp_img_find_tool(&img, 0, SP_LIT("health")), UINT32_MAX);
	assert_int_equal(sp_img_find_tool(&img, 1, SP_LIT("dns_a")), UINT32_MAX);
	assert_int_equal(sp_img_find_tool(&img, 0, SP_LIT("dns_c")), UINT32_MAX);
	assert_int_equal(sp_img_find_tool(&img, 0, SP_LIT("")), UINT32_MAX);
	assert_int_equal(sp_img_find_scope(&img, SP_LIT("dns:read")), 1);
	sp_img_tools_of(&img, 0, &first, &end);
	assert_true(first == 0 && end == 2);
	sp_img_tools_of(&img, 1, &first, &end);
	assert_true(first == 2 && end == 3);
	assert_int_equal(sp_img_find_resource(&img, SP_LIT("/mcp")), 0);
	assert_int_equal(sp_img_find_resource(&img, SP_LIT("/admin")), 1);
	assert_int_equal(sp_img_find_resource(&img, SP_LIT("/admin/")), UINT32_MAX);
	assert_int_equal(sp_img_find_resource(&img, SP_LIT("")), UINT32_MAX);
	assert_true(sp_img_resource_of(&img, 1) == SP_IMG_AT(&img, img.head->resources, resource, 1));
	assert_int_equal(sp_img_find_scope(&img, SP_LIT("dns")), UINT32_MAX);
	assert_int_equal(sp_img_find_tag(&img, SP_LIT("pii")), 1);
	assert_true(sp_eq(sp_img_text(&img, SP_IMG_AT(&img, img.head->sources, source, 0)->audiences, 1), SP_LIT("b")));
	assert_true(sp_eq(sp_img_str(&img, SP_IMG_AT(&img, img.head->servers, server, 0)->base_path), SP_LIT("/api")));
	assert_int_equal(sp_img_u32(&img, SP_IMG_AT(&img, img.head->tools, tool, 1)->rules)[1], 1);
	assert_int_equal(*sp_img_words(&img, SP_IMG_AT(&img, img.head->scopes, scope, 0)->closure), 3);
	sp_imgb_free(&b);
}

/* One change each that must be refused; `b` for changes that need words of their own. */
#define CHANGE(name, ...) static void name(struct parts *p, struct sp_imgb *b) { (void)b; __VA_ARGS__ }
#define CHANGES(X) \
	X(source_type, p->source[0].type = 9;) X(source_type_0, p->source[0].type = 0;) X(source_name, p->source[0].name.n = 0;) \
	X(source_name_bounds, p->source[0].name.off = UINT32_MAX;) X(source_issuer_length, p->source[0].issuer.n = UINT32_MAX;) \
	X(audiences_misaligned, p->source[0].audiences.off += 4;) X(audiences_count, p->source[0].audiences.n = 1u << 30;) \
	X(scope_empty, p->scope[0].name.n = 0;) X(closure_lacks_itself, p->closure[1] = 1;) X(closure_beyond, p->closure[0] = 7;) \
	X(give_beyond, p->scopes = 4;) X(tags_beyond, p->tags = 4;) X(give_tag, p->give.tag.n = 0;) \
	X(grant_place, p->grant[0].place = 0;) X(grant_basic, p->grant[0].basic = 2;) X(grant_port_0, p->grant[0].port = 0;) \
	X(grant_port, p->grant[0].port = 65536;) X(grant_methods, p->grant[0].methods = 1;) \
	X(grant_methods_high, p->grant[0].methods = 1u << SP_METHOD_COUNT;) X(grant_host, p->grant[0].host.n = 0;) \
	X(grant_field_space, p->grant[0].field = STR("X Y");) X(grant_field_crlf, p->grant[1].field = STR("X\r\nY: z");) \
	X(grant_before, p->grant[0].before = STR("a\nb");) X(grant_prefix, p->grant[0].path_prefix = STR("v1");) \
	X(server_kind, p->server[0].kind = 3;) X(server_port, p->server[0].port = 0;) X(server_host, p->server[0].host.n = 0;) \
	X(server_host_kind, p->server[0].host_kind = 3;) X(server_private, p->server[0].private_ok = 7;) \
	X(server_path, p->server[0].base_path = STR("api");) X(server_slots, p->server[0].slots = (struct sp_ref){ 12, 1 };) \
	X(param_in, p->param.in = 0;) X(param_style, p->param.style = 9;) X(param_type, p->param.type = 128;) \
	X(param_wire, p->param.wire.n = 0;) X(param_header, p->param.in = SP_IN_HEADER; p->param.wire = STR("a b");) \
	X(op_method, p->op.method = 0;) X(op_method_high, p->op.method = SP_METHOD_COUNT;) X(op_path, p->op.path = STR("zones");) \
	X(op_path_crlf, p->op.path = STR("/a\r\n");) X(op_body, p->op.body = 3;) X(op_media, p->op.media = STR("a\r\nb");) \
	X(op_grant, p->op_grants[1] = 2;) X(op_missing, p->tool[0].op.off = 1;) \
	X(tool_server, p->tool[0].server = 2; p->own_index = true;) X(tool_of_server_without_grants, p->tool[0].server = 1;) \
	X(tool_access, p->tool[1].access = 2;) X(tool_rule, p->tool_rules[1] = 2;) X(tool_shown, p->tool[0].shown.n = 0;) \
	X(tool_shown_control, p->tool[0].shown = STR("dns\n");) X(tool_twice, p->tool[1].shown = STR("dns_a");) \
	X(tool_order, p->tool[0].shown = STR("x");) \
	X(tool_shown_long, p->tool[0].shown = STR("0123456789012345678901234567890123456789012345678901234567890123x");) \
	X(caller_source, p->caller.source = 2;) X(caller_pattern, p->caller.has_pattern = 2;) X(value_kind, p->value.kind = 0;) \
	X(cond_path, p->cond.path.n = 0;) X(cond_values, p->cond.values.off = 1;) X(rule_verb, p->rule[1].verb = 5;) \
	X(rule_manner, p->rule[1].manner = 3;) X(rule_not_scopes, p->any.scopes = sp_imgb_words(b, &p->scopes, 1); \
	    p->rule[0].not = SP_IMGB_ARRAY(b, &p->any, 1);) \
	X(group_short, p->any.scopes = (struct sp_ref){ 0, 17 };) X(listen_kind, p->listen[0].kind = 2;) \
	X(listen_port, p->listen[0].port = 65536;) X(listen_path, p->listen[1].path.n = 0;) X(listen_host, p->listen[0].host.n = 0;) \
	X(head_isolation, p->head.isolation = 3;) X(head_anonymous, p->head.anonymous = 1;) X(head_anonymous_high, p->head.anonymous = 3;) \
	X(source_own_audience, p->source[0].own_audience = 2;) X(server_resource, p->server[0].resource = 2;) \
	X(server_where_another_is_alone, p->server[0].resource = 1;) X(resource_path, p->resource[1].path = STR("mcp");) \
	X(resource_path_none, p->resource[0].path.n = 0;) X(resource_path_crlf, p->resource[0].path = STR("/a\r\n");) \
	X(resource_url, p->resource[1].url = STR("http://a\n");) X(resource_url_none, p->resource[1].url.n = 0;) \
	X(resource_metadata_url, p->resource[1].metadata_url = STR("http://a\r\nb");) \
	X(resource_alone_high, p->resource[1].alone = 3;) X(resource_alone_of_another, p->resource[1].alone = 1;) \
	X(resource_nobody_is_alone, p->server[1].resource = 0;) X(resource_path_twice, p->resource[1].path = STR("/mcp");) \
	X(resources_none, p->nresources = 0;) X(resource_index_none, p->own_paths = true;) \
	X(resource_index_of_three, p->own_paths = true; p->paths = sp_imgb_u32(b, (uint32_t[]){ 1, 2, 2 }, 3);) \
	X(resource_index_high, p->own_paths = true; p->paths = sp_imgb_u32(b, (uint32_t[]){ 1, 2, 3, 0 }, 4);) \
	X(resource_index_empty, p->own_paths = true; p->paths = sp_imgb_u32(b, (uint32_t[4]){ 0 }, 4);) \
	X(tools_not_by_resource, p->tool[0].server = 1; p->tool[0].op.off = 1;) X(head_url, p->head.url = STR("http://a\n");) \
	X(head_in_flight, p->head.limit_in_flight = 1ull << 32;) \
	X(index_missing, p->own_index = true;) \
	X(index_of_three, p->own_index = true; p->index = sp_imgb_u32(b, (uint32_t[]){ 1, 2, 3 }, 3);) \
	X(index_high, p->own_index = true; p->index = sp_imgb_u32(b, (uint32_t[]){ 1, 2, 3, 4 }, 4);) \
	X(index_empty, p->own_index = true; p->index = sp_imgb_u32(b, (uint32_t[8]){ 0 }, 8);) \
	X(index_twice, p->own_index = true; p->index = sp_imgb_u32(b, (uint32_t[]){ 1, 1, 1, 1 }, 4);)
#define DEFINE(name, ...) CHANGE(change_##name, __VA_ARGS__)
#define ROW(name, ...) { #name, change_##name },
CHANGES(DEFINE)
static const struct { const char *name; void (*change)(struct parts *, struct sp_imgb *); } changes[] = { CHANGES(ROW) };

static void
test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < SP_COUNT(changes); i++) {
		struct sp_imgb b;
		struct parts p;
		struct sp_err e = { 0 };

		sp_imgb_init(&b, 1 << 20);
		fill(&p, &b);
		changes[i].change(&p, &b);
		if (finish(&p, &b, &e) != SP_E_CONFIG || strchr(e.log, '.') == NULL)
			fail_msg("%s: accepted, or without a place: `%s`", changes[i].name, e.log);
		sp_imgb_free(&b);
	}
}

/* A valid image cut at every length, and with every single byte changed: refused, or still safe to walk (the fuzz target walks). */
static void
test_damage(void **state)
{
	struct sp_imgb b;
	struct parts p;
	struct sp_image img;
	struct sp_err e;
	char *copy;

	(void)state;
	sp_imgb_init(&b, 1 << 20);
	fill(&p, &b);
	assert_int_equal(finish(&p, &b, &e), SP_OK);
	for (size_t n = 0; n < b.o.n; n++) {
		copy = aligned_alloc(8, (n + 8) & ~(size_t)7);
		memcpy(copy, b.o.p, n);
		assert_int_equal(sp_image_check(copy, n, &img, &e), SP_E_CONFIG);
		free(copy);
	}
	copy = aligned_alloc(8, (b.o.n + 7) & ~(size_t)7);
	for (size_t i = 0; i < b.o.n; i++)
		for (int bit = 0; bit < 8; bit++) {
			memcpy(copy, b.o.p, b.o.n);
			copy[i] = (char)(copy[i] ^ 1 << bit);
			if (sp_image_check(copy, b.o.n, &img, &e) == SP_OK)
				assert_true(sp_img_find_tool(&img, 0, SP_LIT("dns_a")) == 0 || sp_img_find_tool(&img, 0, SP_LIT("dns_a")) == UINT32_MAX);
		}
	free(copy);
	assert_int_equal(sp_image_check(b.o.p + 4, b.o.n - 4, &img, &e), SP_E_CONFIG);
	sp_imgb_free(&b);
}

static void
test_memfd(void **state)
{
	struct sp_imgb b;
	struct parts p;
	struct sp_err e = { 0 };
	struct sp_image img = { 0 };
	int fd = memfd_create("image", MFD_ALLOW_SEALING | MFD_CLOEXEC);

	(void)state;
	sp_imgb_init(&b, 1 << 20);
	fill(&p, &b);
	assert_int_equal(finish(&p, &b, &e), SP_OK);
	assert_int_equal(write(fd, b.o.p, b.o.n), (ssize_t)b.o.n);
	assert_int_equal(sp_image_open(fd, &img, &e), SP_E_CONFIG);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
	assert_int_equal(sp_image_open(fd, &img, &e), SP_E_CONFIG);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	if (sp_image_open(fd, &img, &e) != SP_OK)
		fail_msg("%s", e.log);
	close(fd);
	assert_int_equal(sp_img_find_tool(&img, 0, SP_LIT("dns_b")), 1);
	sp_image_close(&img);
	assert_null(img.base);
	sp_image_close(&img);
	sp_imgb_free(&b);
	assert_int_equal(sp_image_open(-1, &img, &e), SP_E_CONFIG);
}

/* Names made to collide fill no lookup with work: such an image is refused when it is made. */
static void
test_collisions(void **state)
{
	enum { N = 70 };
	static struct sp_img_tool tools[N];
	struct sp_img_server server = { .name = { 0, 0 } };
	struct sp_img_head head = { .generation = 0 };
	struct sp_imgb b;
	struct sp_err e;
	char name[24];
	unsigned found = 0;

	(void)state;
	sp_imgb_init(&b, 1 << 20);
	head.servers = SP_IMGB_ARRAY(&b, &server, 1);
	for (uint64_t i = 0; found < N; i++) {
		int n = snprintf(name, sizeof name, "n%llu", (unsigned long long)i);

		/* The same slot in every size that is tried. */
		if ((sp_image_hash(0, sp_mem(name, (size_t)n)) & 0x7ff) == 0)
			tools[found++].shown = sp_imgb_str(&b, sp_mem(name, (size_t)n));
	}
	assert_int_equal(sp_imgb_tool_index(&b, &head, tools, N).n, 0);
	assert_int_equal(sp_imgb_finish(&b, &(struct sp_img_head){ 0 }, &e), SP_E_CONFIG);
	sp_imgb_free(&b);
}

static void
test_full(void **state)
{
	struct sp_imgb b;
	struct sp_err e;

	(void)state;
	/* Whatever the room is too small for: one error at the end. */
	for (size_t max = 0; max < 8000; max += max < 64 ? 1 : 57) {
		struct parts p;

		sp_imgb_init(&b, max);
		fill(&p, &b);
		if (finish(&p, &b, &e) == SP_OK)
			assert_true(max > 1000);
		else
			assert_true(b.o.full);
		sp_imgb_free(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole), cmocka_unit_test(test_refused), cmocka_unit_test(test_damage), cmocka_unit_test(test_memfd),
		cmocka_unit_test(test_collisions), cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

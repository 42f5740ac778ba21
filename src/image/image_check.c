/*
 * What makes an image trustworthy: every reference in bounds, every index and enum in range, every set wide
 * enough.  The structural part comes from image.def; the meaning of numbers is in the sem_ functions.
 * Records nest by type only, so the depth is fixed; arrays may be shared, so the work is bounded apart.
 */
#include "image/image.h"
#include "image/layout.h"

struct ck {
	const char *base;
	size_t	    size;
	uint64_t    work, work_max;	/* bytes of elements looked at */
	const struct sp_img_head *head;
	struct sp_err *e;
};

static bool
bad(struct ck *c, const char *rec, const char *field, const char *what)
{
	sp_fail(c->e, SP_E_CONFIG, NULL, "image: %s.%s: %s", rec, field, what);
	return false;
}

static bool
text_ok(struct ck *c, struct sp_ref r, const char *rec, const char *field)
{
	if (r.off > c->size || r.n > c->size - r.off)
		return bad(c, rec, field, "outside the image");
	return true;
}

static bool
block_ok(struct ck *c, struct sp_ref r, size_t each, const char *rec, const char *field)
{
	if (r.off > c->size || r.n > (c->size - r.off) / each)
		return bad(c, rec, field, "outside the image");
	if (r.n != 0 && r.off % SP_IMAGE_ALIGN != 0)
		return bad(c, rec, field, "not aligned");
	c->work += (uint64_t)r.n * each;
	if (c->work > c->work_max)
		return bad(c, rec, field, "elements are shared too often");
	return true;
}

static bool
texts_ok(struct ck *c, struct sp_ref r, const char *rec, const char *field)
{
	const struct sp_ref *refs;

	if (!block_ok(c, r, sizeof *refs, rec, field))
		return false;
	refs = (const struct sp_ref *)(const void *)(c->base + r.off);
	for (uint32_t i = 0; i < r.n; i++)
		if (!text_ok(c, refs[i], rec, field))
			return false;
	return true;
}

/* --- meaning --- */

#define NEED(cond, rec, field, what) do { if (!(cond)) return bad(c, #rec, #field, what); } while (0)
#define RANGE(r, rec, field, lo, hi) NEED(in_range((r)->field, lo, hi), rec, field, "out of range")
#define FLAG(r, rec, field) NEED((r)->field <= 1, rec, field, "not 0 or 1")

static bool
in_range(uint64_t v, uint64_t lo, uint64_t hi)
{
	return v >= lo && v <= hi;
}

static sp_slice
text(const struct ck *c, struct sp_ref r)
{
	return (sp_slice){ c->base + r.off, r.n };
}

/* No byte that could end a line of HTTP or of a log. */
static bool
is_clean(const struct ck *c, struct sp_ref r)
{
	sp_slice s = text(c, r);

	for (size_t i = 0; i < s.n; i++)
		if (sp_is_ctl((unsigned char)s.p[i]))
			return false;
	return true;
}

static bool
is_token(const struct ck *c, struct sp_ref r)
{
	return r.n != 0 && sp_span(text(c, r), sp_is_tchar) == r.n;
}

static bool
is_path(const struct ck *c, struct sp_ref r)
{
	return r.n == 0 || (c->base[r.off] == '/' && is_clean(c, r));
}

/* Empty, or wide enough for all `count` bits and none above them set. */
static bool
is_set(const struct ck *c, struct sp_ref r, uint32_t count)
{
	const uint64_t *w = (const uint64_t *)(const void *)(c->base + r.off);

	if (r.n == 0)
		return true;
	if (r.n < (count + 63) / 64 || r.n > SP_IMAGE_SETS / 64)
		return false;
	for (uint32_t i = 0; i < r.n; i++) {
		uint32_t from = i * 64;

		if (from >= count ? w[i] != 0 : count - from < 64 && w[i] >> (count - from) != 0)
			return false;
	}
	return true;
}

static bool
is_scopes(const struct ck *c, struct sp_ref r)
{
	return is_set(c, r, c->head->scopes.n);
}

static bool
is_tags(const struct ck *c, struct sp_ref r)
{
	return is_set(c, r, c->head->tags.n);
}

static bool
indices_ok(const struct ck *c, struct sp_ref r, uint32_t below)
{
	const uint32_t *v = (const uint32_t *)(const void *)(c->base + r.off);

	for (uint32_t i = 0; i < r.n; i++)
		if (v[i] >= below)
			return false;
	return true;
}

static bool
sem_scope(struct ck *c, const struct sp_img_scope *r)
{
	const struct sp_img_scope *first = (const struct sp_img_scope *)(const void *)(c->base + c->head->scopes.off);
	uint32_t i = (uint32_t)(r - first);
	const uint64_t *w = (const uint64_t *)(const void *)(c->base + r->closure.off);

	NEED(r->name.n != 0 && is_clean(c, r->name), scope, name, "empty or not clean");
	NEED(r->closure.n != 0 && is_scopes(c, r->closure), scope, closure, "not a set of scopes");
	NEED(w[i / 64] >> (i % 64) & 1, scope, closure, "lacks the scope itself");
	return true;
}

static bool
sem_give(struct ck *c, const struct sp_img_give *r)
{
	NEED(r->tag.n != 0, give, tag, "empty");
	NEED(is_scopes(c, r->scopes), give, scopes, "not a set of scopes");
	return true;
}

static bool
sem_authority(struct ck *c, const struct sp_img_authority *r)
{
	FLAG(r, authority, https);
	FLAG(r, authority, private_ok);
	RANGE(r, authority, host_kind, 0, 2);
	RANGE(r, authority, port, 1, 65535);
	NEED(r->host.n != 0 && is_clean(c, r->host), authority, host, "empty or not clean");
	NEED(is_path(c, r->path), authority, path, "not a path");
	NEED(r->issuer.n != 0 || r->url.n != 0, authority, url, "nothing to ask");
	NEED(r->source <= c->head->sources.n, authority, source, "no such source");
	NEED(is_clean(c, r->client_id) && (r->client_id.n != 0) == (r->source != 0), authority, client_id, "not a client's");
	NEED((r->client_secret.n != 0) == (r->source != 0), authority, client_secret, "not a client's");
	NEED(r->source == 0 || r->url.n != 0, authority, url, "no endpoint");
	return true;
}

static bool
sem_account(struct ck *c, const struct sp_img_account *r)
{
	NEED(r->name.n != 0 && is_clean(c, r->name), account, name, "empty or not clean");
	return true;
}

static bool
sem_source(struct ck *c, const struct sp_img_source *r)
{
	RANGE(r, source, type, SP_SOURCE_JWT, SP_SOURCE_INTROSPECTION);
	FLAG(r, source, own_audience);
	FLAG(r, source, published);
	NEED(r->authority <= c->head->authorities.n, source, authority, "no such authority");
	NEED(r->endpoint <= c->head->authorities.n, source, endpoint, "no such authority");
	NEED(r->endpoint != 0 || r->type != SP_SOURCE_INTROSPECTION, source, endpoint, "there is none");
	NEED(r->endpoint == 0 || (r->authority == 0 && r->keys_ref.n == 0 && r->keys.n == 0), source, endpoint, "keys beside it");
	NEED(r->header.n == 0 || is_token(c, r->header), source, header, "not a name");
	NEED(r->name.n != 0 && is_clean(c, r->name), source, name, "empty or not clean");
	NEED(is_scopes(c, r->require_scopes), source, require_scopes, "not a set of scopes");
	NEED(is_tags(c, r->require_tags), source, require_tags, "not a set of tags");
	NEED(is_scopes(c, r->give_scopes), source, give_scopes, "not a set of scopes");
	return true;
}

static bool
sem_grant(struct ck *c, const struct sp_img_grant *r)
{
	const uint32_t methods = (1u << SP_METHOD_COUNT) - 2;

	RANGE(r, grant, place, SP_PLACE_HEADER, SP_PLACE_COOKIE);
	FLAG(r, grant, basic);
	FLAG(r, grant, https);
	RANGE(r, grant, port, 1, 65535);
	NEED((r->methods & ~methods) == 0, grant, methods, "unknown method");
	NEED(r->host.n != 0 && is_clean(c, r->host), grant, host, "empty or not clean");
	NEED(r->place == SP_PLACE_QUERY ? r->field.n != 0 && is_clean(c, r->field) : is_token(c, r->field),
	    grant, field, "not a name");
	NEED(is_clean(c, r->before), grant, before, "not clean");
	NEED(is_clean(c, r->after), grant, after, "not clean");
	NEED(is_path(c, r->path_prefix), grant, path_prefix, "not a path");
	return true;
}

static bool
sem_origin(struct ck *c, const struct sp_img_origin *r)
{
	RANGE(r, origin, port, 1, 65535);
	RANGE(r, origin, host_kind, 0, 2);
	FLAG(r, origin, https);
	FLAG(r, origin, private_ok);
	NEED(r->host.n != 0 && is_clean(c, r->host), origin, host, "empty or not clean");
	NEED(is_path(c, r->base_path), origin, base_path, "not a path");
	return true;
}

static bool
sem_server(struct ck *c, const struct sp_img_server *r)
{
	const struct sp_img_op *op = (const struct sp_img_op *)(const void *)(c->base + r->ops.off);

	RANGE(r, server, kind, SP_SERVER_OPENAPI, SP_SERVER_MCP);
	RANGE(r, server, port, r->kind != SP_SERVER_MANAGEMENT, 65535);
	RANGE(r, server, host_kind, 0, 2);
	FLAG(r, server, https);
	FLAG(r, server, private_ok);
	NEED(r->resource < c->head->resources.n, server, resource, "no such resource");
	NEED((r->host.n != 0 || r->kind == SP_SERVER_MANAGEMENT) && is_clean(c, r->host), server, host,
	    "empty or not clean");
	NEED(is_path(c, r->base_path), server, base_path, "not a path");
	NEED(r->ops.n == (r->kind == SP_SERVER_MCP ? 3 : 0), server, ops, "wrong number");
	for (uint32_t i = 0; i < r->ops.n; i++)
		NEED(op[i].origin == 0 && indices_ok(c, op[i].grants, r->grants.n), server, ops, "no such grant");
	return true;
}

static bool
sem_param(struct ck *c, const struct sp_img_param *r)
{
	RANGE(r, param, in, SP_IN_PATH, SP_IN_COOKIE);
	RANGE(r, param, style, SP_STYLE_SIMPLE, SP_STYLE_JSON);
	RANGE(r, param, type, 0, 2 * SP_T_OBJ - 1);
	FLAG(r, param, required);
	FLAG(r, param, explode);
	FLAG(r, param, reserved);
	NEED(r->in == SP_IN_HEADER || r->in == SP_IN_COOKIE ? is_token(c, r->wire) : r->wire.n != 0, param, wire, "not a name");
	return true;
}

static bool
sem_part(struct ck *c, const struct sp_img_part *r)
{
	RANGE(r, part, kind, SP_PART_TEXT, SP_PART_STYLED);
	RANGE(r, part, style, SP_STYLE_SIMPLE, SP_STYLE_JSON);
	FLAG(r, part, explode);
	NEED(r->name.n != 0, part, name, "empty");
	NEED(is_clean(c, r->media), part, media, "not clean");
	return true;
}

static bool
sem_op(struct ck *c, const struct sp_img_op *r)
{
	RANGE(r, op, method, SP_GET, SP_METHOD_COUNT - 1);
	RANGE(r, op, body, SP_BODY_NONE, SP_BODY_ARG);
	RANGE(r, op, encode, SP_ENC_JSON, SP_ENC_BASE64);
	RANGE(r, op, result, SP_RESULT_TEXT, SP_RESULT_WRAPPED);
	FLAG(r, op, body_required);
	NEED(r->path.n != 0 && is_path(c, r->path), op, path, "not a path");
	NEED(is_clean(c, r->media), op, media, "not clean");
	return true;
}

static bool
sem_tool(struct ck *c, const struct sp_img_tool *r)
{
	const struct sp_img_server *server;
	const struct sp_img_op *op = (const struct sp_img_op *)(const void *)(c->base + r->op.off);

	NEED(r->server < c->head->servers.n, tool, server, "no such server");
	server = (const struct sp_img_server *)(const void *)(c->base + c->head->servers.off) + r->server;
	FLAG(r, tool, access);
	NEED(in_range(r->shown.n, 1, 64) && is_clean(c, r->shown), tool, shown, "not 1 to 64 clean bytes");
	NEED(r->name.n != 0 && is_clean(c, r->name), tool, name, "empty or not clean");
	NEED(r->op.n <= 1 && (r->op.n == 1 || server->kind != SP_SERVER_OPENAPI), tool, op, "wrong number");
	NEED(r->op.n == 0 || indices_ok(c, op->grants, server->grants.n), op, grants, "no such grant of its server");
	NEED(r->op.n == 0 || op->origin <= server->origins.n, op, origin, "no such origin of its server");
	NEED(indices_ok(c, r->rules, c->head->rules.n), tool, rules, "no such rule");
	return true;
}

static bool
sem_select(struct ck *c, const struct sp_img_select *r)
{
	NEED(r->server < c->head->servers.n || r->server == SP_IMG_ANYONE, select, server, "no such server");
	RANGE(r, select, what, SP_SELECT_ALL, SP_SELECT_PROMPT);
	return true;
}

static bool
sem_caller(struct ck *c, const struct sp_img_caller *r)
{
	NEED(r->source < c->head->sources.n || r->source == SP_IMG_ANYONE, caller, source, "no such source");
	FLAG(r, caller, has_pattern);
	return true;
}

static bool
sem_value(struct ck *c, const struct sp_img_value *r)
{
	RANGE(r, value, kind, SP_VALUE_TEXT, SP_VALUE_USER);
	return true;
}

/* Without values a condition would never hold, and its `deny` never bind. */
static bool
sem_cond(struct ck *c, const struct sp_img_cond *r)
{
	NEED(r->path.n != 0, cond, path, "empty");
	NEED(r->values.n != 0, cond, values, "empty");
	return true;
}

static bool
sem_group(struct ck *c, const struct sp_img_group *r)
{
	NEED(is_scopes(c, r->scopes), group, scopes, "not a set of scopes");
	NEED(is_tags(c, r->tags), group, tags, "not a set of tags");
	return true;
}

static bool
sem_rule(struct ck *c, const struct sp_img_rule *r)
{
	const struct sp_img_group *not = (const struct sp_img_group *)(const void *)(c->base + r->not.off);

	RANGE(r, rule, verb, SP_VERB_ALLOW, SP_VERB_DENY);
	RANGE(r, rule, manner, SP_MANNER_CHALLENGE, SP_MANNER_HIDE);
	NEED(is_scopes(c, r->scopes), rule, scopes, "not a set of scopes");
	NEED(is_tags(c, r->tags), rule, tags, "not a set of tags");
	NEED(r->not.n == 0 || (r->not.n == 1 && not->scopes.n == 0), rule, not, "not one group of tags");
	NEED(indices_ok(c, r->checks, c->head->checks.n), rule, checks, "no such check");
	return true;
}

static bool
sem_check(struct ck *c, const struct sp_img_check *r)
{
	bool plug_in = r->library.n != 0;

	NEED(r->name.n != 0 && is_clean(c, r->name), check, name, "empty or not clean");
	NEED(is_clean(c, r->library) && memchr(c->base + r->library.off, 0, r->library.n) == NULL, check, library, "not clean");
	FLAG(r, check, https);
	FLAG(r, check, private_ok);
	RANGE(r, check, host_kind, 0, 2);
	RANGE(r, check, port, !plug_in, 65535);
	NEED(plug_in == (r->host.n == 0) && is_clean(c, r->host), check, host, "not clean, or not one of library and host");
	NEED(plug_in || (r->path.n != 0 && is_path(c, r->path)), check, path, "not a path");
	return true;
}

static bool
sem_listen(struct ck *c, const struct sp_img_listen *r)
{
	RANGE(r, listen, kind, 0, 1);
	RANGE(r, listen, host_kind, 0, 2);
	RANGE(r, listen, port, 0, 65535);
	NEED(is_clean(c, r->host) && (r->kind == 1 || r->host.n != 0), listen, host, "empty or not clean");
	NEED(is_clean(c, r->path) && (r->kind == 0 || r->path.n != 0), listen, path, "empty or not clean");
	return true;
}

static bool
sem_resource(struct ck *c, const struct sp_img_resource *r)
{
	NEED(r->path.n != 0 && is_path(c, r->path), resource, path, "not a path");
	NEED(r->url.n != 0 && is_clean(c, r->url), resource, url, "empty or not clean");
	NEED(is_clean(c, r->metadata_url), resource, metadata_url, "not clean");
	NEED(r->alone <= c->head->servers.n, resource, alone, "no such server");
	return true;
}

/* Whoever is alone at a resource is there, and nobody else. */
static bool
resources_ok(struct ck *c, const struct sp_img_head *r)
{
	const struct sp_image img = { c->base, c->size, r };
	uint32_t size = r->resource_index.n;

	NEED(in_range(r->resources.n, 1, SP_IMAGE_RESOURCES), head, resources, "none, or too many");
	NEED(size != 0 && (size & (size - 1)) == 0, head, resource_index, "not a power of two");
	for (uint32_t i = 0; i < size; i++)
		NEED(sp_img_u32(&img, r->resource_index)[i] <= r->resources.n, head, resource_index, "no such resource");
	for (uint32_t i = 0; i < r->resources.n; i++) {
		const struct sp_img_resource *x = SP_IMG_AT(&img, r->resources, resource, i);

		NEED(sp_img_find_resource(&img, sp_img_str(&img, x->path)) == i, head, resource_index, "does not find a resource");
		NEED(x->alone == 0 || SP_IMG_AT(&img, r->servers, server, x->alone - 1)->resource == i, resource, alone,
		    "a server of another resource");
	}
	for (uint32_t i = 0; i < r->servers.n; i++) {
		uint32_t alone = sp_img_resource_of(&img, i)->alone;

		NEED(alone == 0 || alone == i + 1, server, resource, "another server is alone there");
	}
	return true;
}

static bool
tools_ok(struct ck *c, const struct sp_img_head *r)
{
	const struct sp_image img = { c->base, c->size, r };
	const uint32_t *index = sp_img_u32(&img, r->tool_index);

	NEED(r->tools.n == 0 || (r->tool_index.n != 0 && (r->tool_index.n & (r->tool_index.n - 1)) == 0),
	    head, tool_index, "not a power of two");
	for (uint32_t i = 0; i < r->tool_index.n; i++)
		NEED(index[i] <= r->tools.n, head, tool_index, "no such tool");
	for (uint32_t i = 0; i < r->tools.n; i++) {
		const struct sp_img_tool *t = SP_IMG_AT(&img, r->tools, tool, i);
		sp_slice shown = sp_img_str(&img, t->shown), last = i == 0 ? shown : sp_img_str(&img, t[-1].shown);
		uint32_t at = SP_IMG_AT(&img, r->servers, server, t->server)->resource;
		uint32_t before = i == 0 ? 0 : SP_IMG_AT(&img, r->servers, server, t[-1].server)->resource;

		NEED(i == 0 || before < at || (before == at && sp_cmp(last, shown) < 0),
		    head, tools, "not sorted by resource and shown name");
		NEED(sp_img_find_tool(&img, at, shown) == i, head, tool_index, "does not find a tool");
	}
	return true;
}

/* Source and endpoint point at each other; nobody fetches keys from an endpoint. */
static bool
endpoints_ok(struct ck *c, const struct sp_img_head *r)
{
	const struct sp_img_source *src = (const struct sp_img_source *)(const void *)(c->base + r->sources.off);
	const struct sp_img_authority *au = (const struct sp_img_authority *)(const void *)(c->base + r->authorities.off);

	for (uint32_t i = 0; i < r->sources.n; i++) {
		NEED(src[i].authority == 0 || au[src[i].authority - 1].source == 0, source, authority, "an endpoint");
		NEED(src[i].endpoint == 0 || au[src[i].endpoint - 1].source == i + 1, source, endpoint, "another source's");
	}
	for (uint32_t i = 0; i < r->authorities.n; i++)
		NEED(au[i].source == 0 || src[au[i].source - 1].endpoint == i + 1, authority, source, "which asks another");
	return true;
}

static bool
sem_head(struct ck *c, const struct sp_img_head *r)
{
	const struct sp_img_source *src = (const struct sp_img_source *)(const void *)(c->base + r->sources.off);

	RANGE(r, head, isolation, SP_ISOLATION_FULL, SP_ISOLATION_AVAILABLE);
	NEED(r->anonymous <= r->sources.n, head, anonymous, "no such source");
	NEED(r->anonymous == 0 || src[r->anonymous - 1].type == SP_SOURCE_ANONYMOUS, head, anonymous,
	    "not an anonymous source");
	NEED(is_clean(c, r->url) && is_clean(c, r->origin), head, url, "not clean");
	RANGE(r, head, limit_in_flight, 0, UINT32_MAX);
	RANGE(r, head, limit_calls, 0, UINT32_MAX);
	return endpoints_ok(c, r) && resources_ok(c, r) && tools_ok(c, r);
}

/* --- structure, from the table --- */

#define REC(name, ...) \
	static bool check_##name(struct ck *c, const struct sp_img_##name *r) \
	{ \
		const char *rec = #name; \
		(void)rec; \
		__VA_ARGS__ \
		return sem_##name(c, r); \
	}
#define U(f)
#define L(f)
#define S(f) if (!text_ok(c, r->f, rec, #f)) return false;
#define T(f) if (!texts_ok(c, r->f, rec, #f)) return false;
#define W(f) if (!block_ok(c, r->f, sizeof(uint64_t), rec, #f)) return false;
#define N(f) if (!block_ok(c, r->f, sizeof(uint32_t), rec, #f)) return false;
#define A(f, sub) \
	if (!block_ok(c, r->f, sizeof(struct sp_img_##sub), rec, #f)) \
		return false; \
	for (uint32_t i = 0; i < r->f.n; i++) \
		if (!check_##sub(c, (const struct sp_img_##sub *)(const void *)(c->base + r->f.off) + i)) \
			return false;
#include "image/image.def"

enum sp_status
sp_image_check(const void *base, size_t size, struct sp_image *out, struct sp_err *e)
{
	const struct sp_image_start *start = base;
	struct ck c = { base, size, 0, (uint64_t)size * 16, NULL, e };

	if ((uintptr_t)base % SP_IMAGE_ALIGN != 0 || size < sizeof *start || size > UINT32_MAX)
		return sp_fail(e, SP_E_CONFIG, NULL, "image: %zu bytes are none", size);
	if (start->magic != SP_IMAGE_MAGIC)
		return sp_fail(e, SP_E_CONFIG, NULL, "image: of another version (%08x)", start->magic);
	if (start->size != size || start->head % SP_IMAGE_ALIGN != 0 || start->head > size ||
	    size - start->head < sizeof(struct sp_img_head))
		return sp_fail(e, SP_E_CONFIG, NULL, "image: head outside the image");
	c.head = (const struct sp_img_head *)(const void *)(c.base + start->head);
	if (c.head->scopes.n > SP_IMAGE_SETS || c.head->tags.n > SP_IMAGE_SETS)
		return sp_fail(e, SP_E_CONFIG, NULL, "image: over %d scopes or tags", SP_IMAGE_SETS);
	if (c.head->checks.n > SP_IMAGE_CHECKS)
		return sp_fail(e, SP_E_CONFIG, NULL, "image: over %d checks", SP_IMAGE_CHECKS);
	if (!check_head(&c, c.head))
		return SP_E_CONFIG;
	*out = (struct sp_image){ base, size, c.head };
	return SP_OK;
}

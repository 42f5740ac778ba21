/* `check --full`: every value in effect, defaults included, in the form of the file.  References, never values. */
#include "config/config.h"

#include "policy/decide.h"
#include "wire/http1.h"
#include "wire/json.h"
#include "wire/uri.h"

static void
line(struct sp_out *o, const char *key, sp_slice value)
{
	sp_out_fmt(o, "%s: ", key);
	sp_out_slice(o, value);
	sp_out_byte(o, '\n');
}

static void
listens(struct sp_out *o, const struct sp_image *img)
{
	sp_out_str(o, "listen: [");
	for (uint32_t i = 0; i < img->head->listens.n; i++) {
		const struct sp_img_listen *l = SP_IMG_AT(img, img->head->listens, listen, i);
		bool v6 = l->host_kind == SP_HOST_IPV6;

		sp_out_str(o, i == 0 ? "" : ", ");
		if (l->kind == 1)
			sp_out_fmt(o, "unix:%.*s", SP_PRI(sp_img_str(img, l->path)));
		else
			sp_out_fmt(o, v6 ? "\"[%.*s]:%u\"" : "%.*s:%u", SP_PRI(sp_img_str(img, l->host)), l->port);
	}
	sp_out_str(o, "]\n");
}

static void
size(struct sp_out *o, const char *key, uint64_t v)
{
	if (v % (1024 * 1024) == 0)
		sp_out_fmt(o, "  %s: %lluMB\n", key, (unsigned long long)v / (1024 * 1024));
	else if (v % 1024 == 0)
		sp_out_fmt(o, "  %s: %llukB\n", key, (unsigned long long)v / 1024);
	else
		sp_out_fmt(o, "  %s: %lluB\n", key, (unsigned long long)v);
}

static void
limits(struct sp_out *o, const struct sp_img_head *h)
{
	sp_out_str(o, "limits:\n");
	size(o, "head", h->limit_head);
	size(o, "body", h->limit_body);
	size(o, "answer", h->limit_answer);
	sp_out_fmt(o, "  depth: %llu\n", (unsigned long long)h->limit_depth);
	sp_out_fmt(o, "  connections: %llu\n", (unsigned long long)h->limit_connections);
	sp_out_fmt(o, "  in_flight: %llu\n", (unsigned long long)h->limit_in_flight);
	sp_out_fmt(o, "  calls: %llu/%s\n", (unsigned long long)h->limit_calls,
	    h->limit_calls_ms == 1000 ? "s" : h->limit_calls_ms == 60000 ? "min" : "h");
	sp_out_fmt(o, "  head_time: %llus\n", (unsigned long long)h->head_ms / 1000);
	sp_out_fmt(o, "  body_time: %llus\n", (unsigned long long)h->body_ms / 1000);
	sp_out_fmt(o, "  idle_time: %llus\n", (unsigned long long)h->idle_ms / 1000);
	sp_out_fmt(o, "  call_time: %llus\n", (unsigned long long)h->call_ms / 1000);
}

static void
texts(struct sp_out *o, const struct sp_image *img, const char *key, struct sp_ref r)
{
	if (r.n == 0)
		return;
	sp_out_fmt(o, "%s: [", key);
	for (uint32_t i = 0; i < r.n; i++) {
		if (i != 0)
			sp_out_str(o, ", ");
		sp_jout_str(o, sp_img_text(img, r, i));
	}
	sp_out_str(o, "]\n");
}

static void
scopes(struct sp_out *o, const struct sp_image *img, const char *key, struct sp_ref set)
{
	if (set.n == 0)
		return;
	sp_out_fmt(o, "%s: ", key);
	sp_scopes_write(o, img, sp_img_words(img, set), set.n);
	sp_out_byte(o, '\n');
}

static void
tags(struct sp_out *o, const struct sp_image *img, const char *key, struct sp_ref set)
{
	if (set.n == 0)
		return;
	sp_out_fmt(o, "%s:", key);
	for (uint32_t i = 0; i < img->head->tags.n; i++)
		if (sp_bit(sp_img_words(img, set), set.n, i))
			sp_out_fmt(o, " %.*s", SP_PRI(sp_img_text(img, img->head->tags, i)));
	sp_out_byte(o, '\n');
}

static void
keys_of(struct sp_out *o, const struct sp_image *img, const struct sp_img_source *s)
{
	const struct sp_img_authority *a;

	if (s->endpoint != 0) {
		a = SP_IMG_AT(img, img->head->authorities, authority, s->endpoint - 1);
		line(o, "    introspection_url", sp_img_str(img, a->url));
		line(o, "    client_id", sp_img_str(img, a->client_id));
		line(o, "    client_secret", sp_img_str(img, a->client_secret));
		sp_out_str(o, "    # a good answer counts for 60s at most, and never past its exp\n");
	}
	if (s->keys_ref.n != 0)
		line(o, "    keys", sp_img_str(img, s->keys_ref));
	if (s->authority == 0)
		return;
	a = SP_IMG_AT(img, img->head->authorities, authority, s->authority - 1);
	line(o, "    keys", a->url.n != 0 ? sp_img_str(img, a->url) : SP_LIT("(the issuer's metadata says)"));
}

/* `url` is whichever resource is asked. */
static void
audiences(struct sp_out *o, const struct sp_image *img, const struct sp_img_source *s)
{
	sp_out_str(o, "    audience: [");
	if (s->own_audience != 0)
		sp_out_str(o, s->audiences.n == 0 ? "url" : "url, ");
	for (uint32_t i = 0; i < s->audiences.n; i++) {
		sp_out_str(o, i == 0 ? "" : ", ");
		sp_jout_str(o, sp_img_text(img, s->audiences, i));
	}
	sp_out_str(o, "]\n");
}

static void
source(struct sp_out *o, const struct sp_image *img, const struct sp_img_source *s)
{
	static const char *const types[] = { "", "jwt", "static", "anonymous", "remote", "peer", "introspection" };

	sp_out_fmt(o, "  - type: %s\n    name: %.*s\n", types[s->type], SP_PRI(sp_img_str(img, s->name)));
	if (s->header.n != 0)
		line(o, "    header", sp_img_str(img, s->header));
	if (s->type == SP_SOURCE_PEER)
		sp_out_fmt(o, "    # accounts of this machine that are admitted: %u\n", img->head->accounts.n);
	if (s->type == SP_SOURCE_JWT || s->type == SP_SOURCE_REMOTE || s->type == SP_SOURCE_INTROSPECTION) {
		line(o, "    issuer", s->issuer.n != 0 ? sp_img_str(img, s->issuer) : SP_LIT("(any; JWTs do not go there)"));
		keys_of(o, img, s);
		if (s->published != 0)
			sp_out_str(o, "    # published as a place to get tokens\n");
		audiences(o, img, s);
		sp_out_fmt(o, "    claims: {user: %.*s, tags: %.*s, scopes: %.*s}\n", SP_PRI(sp_img_str(img, s->claim_user)),
		    SP_PRI(sp_img_str(img, s->claim_tags)), SP_PRI(sp_img_str(img, s->claim_scopes)));
	}
	texts(o, img, "    users", s->users);
	scopes(o, img, "    require_scopes", s->require_scopes);
	tags(o, img, "    restrict_tag", s->require_tags);
	scopes(o, img, "    give_scopes", s->give_scopes);
	for (uint32_t i = 0; i < s->give_by_tag.n; i++) {
		const struct sp_img_give *g = SP_IMG_AT(img, s->give_by_tag, give, i);

		sp_out_fmt(o, "    give_by_tag %.*s", SP_PRI(sp_img_str(img, g->tag)));
		scopes(o, img, "", g->scopes);
	}
}

static void
methods(struct sp_out *o, uint32_t bits)
{
	bool first = true;

	sp_out_str(o, "        methods: ");
	if (bits == 0)
		sp_out_str(o, "any");
	for (unsigned m = 1; m < SP_METHOD_COUNT; m++) {
		if ((bits >> m & 1) == 0)
			continue;
		sp_out_fmt(o, "%s%.*s", first ? "" : ", ", SP_PRI(sp_method_name((enum sp_method)m)));
		first = false;
	}
	sp_out_byte(o, '\n');
}

void
sp_config_place_write(struct sp_out *o, const struct sp_image *img, const struct sp_img_grant *g)
{
	static const char *const places[] = { "", "header", "query", "cookie" };

	sp_out_fmt(o, "%s %.*s", places[g->place], SP_PRI(sp_img_str(img, g->field)));
	if (g->basic != 0)
		sp_out_str(o, " (basic)");
	else if (g->before.n + g->after.n != 0)
		sp_out_fmt(o, " (%.*s{}%.*s)", SP_PRI(sp_img_str(img, g->before)), SP_PRI(sp_img_str(img, g->after)));
}

static void
grant(struct sp_out *o, const struct sp_image *img, const struct sp_img_grant *g)
{
	sp_out_fmt(o, "      %.*s:\n", SP_PRI(sp_img_str(img, g->name)));
	line(o, "        secret", sp_img_str(img, g->ref));
	sp_out_str(o, "        as: ");
	sp_config_place_write(o, img, g);
	sp_out_fmt(o, "\n        host: %.*s:%u%.*s\n", SP_PRI(sp_img_str(img, g->host)), g->port,
	    SP_PRI(sp_img_str(img, g->path_prefix)));
	methods(o, g->methods);
}

static void
server(struct sp_out *o, const struct sp_image *img, uint32_t index)
{
	const struct sp_img_server *s = SP_IMG_AT(img, img->head->servers, server, index);
	const struct sp_img_resource *at = sp_img_resource_of(img, index);

	sp_out_fmt(o, "  %.*s:\n    %s: %s://%.*s:%u%.*s\n", SP_PRI(sp_img_str(img, s->name)),
	    s->kind == SP_SERVER_MCP ? "mcp" : "url", s->https != 0 ? "https" : "http", SP_PRI(sp_img_str(img, s->host)), s->port,
	    SP_PRI(sp_img_str(img, s->base_path)));
	if (at->alone != 0)
		sp_out_fmt(o, "    path: %.*s\n    # alone at %.*s, under its own names\n", SP_PRI(sp_img_str(img, at->path)),
		    SP_PRI(sp_img_str(img, at->url)));
	if (s->kind == SP_SERVER_MANAGEMENT)
		sp_out_str(o, "    # inside the program, never on the network\n");
	if (s->grants.n != 0)
		sp_out_str(o, "    secrets:\n");
	for (uint32_t i = 0; i < s->grants.n; i++)
		grant(o, img, SP_IMG_AT(img, s->grants, grant, i));
}

static void
check(struct sp_out *o, const struct sp_image *img, const struct sp_img_check *k)
{
	sp_out_fmt(o, "  %.*s: ", SP_PRI(sp_img_str(img, k->name)));
	if (k->library.n != 0)
		sp_out_fmt(o, "%.*s    # a plug-in, in a process of its own\n", SP_PRI(sp_img_str(img, k->library)));
	else
		sp_out_fmt(o, "%s://%.*s:%u%.*s    # a decision point\n", k->https != 0 ? "https" : "http",
		    SP_PRI(sp_img_str(img, k->host)), k->port, SP_PRI(sp_img_str(img, k->path)));
}

static void
vocabulary(struct sp_out *o, const struct sp_image *img)
{
	const struct sp_img_head *h = img->head;

	if (h->scopes.n != 0)
		sp_out_str(o, "scopes:\n");
	for (uint32_t i = 0; i < h->scopes.n; i++) {
		const struct sp_img_scope *s = SP_IMG_AT(img, h->scopes, scope, i);

		sp_out_fmt(o, "  %.*s: ", SP_PRI(sp_img_str(img, s->name)));
		sp_out_str(o, "holds ");
		sp_scopes_write(o, img, sp_img_words(img, s->closure), s->closure.n);
		sp_out_byte(o, '\n');
	}
}

void
sp_config_full(struct sp_out *o, const struct sp_image *img)
{
	static const char *const isolation[] = { "full", "landlock", "available" };
	const struct sp_img_head *h = img->head;

	listens(o, img);
	line(o, "url", sp_img_str(img, h->url));
	line(o, "state", h->state_path.n == 0 ? SP_LIT("(the default folder)") : sp_img_str(img, h->state_path));
	line(o, "unlock", h->unlock_ref.n == 0 ? SP_LIT("(vault.key in the state folder)") : sp_img_str(img, h->unlock_ref));
	line(o, "isolation", sp_str(isolation[h->isolation]));
	limits(o, h);
	vocabulary(o, img);
	sp_out_str(o, "auth:\n");
	for (uint32_t i = 0; i < h->sources.n; i++)
		source(o, img, SP_IMG_AT(img, h->sources, source, i));
	sp_out_str(o, "servers:\n");
	for (uint32_t i = 0; i < h->servers.n; i++)
		server(o, img, i);
	if (h->checks.n != 0)
		sp_out_str(o, "checks:\n");
	for (uint32_t i = 0; i < h->checks.n; i++)
		check(o, img, SP_IMG_AT(img, h->checks, check, i));
	sp_out_str(o, "rules:\n");
	for (uint32_t i = 0; i < h->rules.n; i++) {
		const struct sp_img_rule *r = SP_IMG_AT(img, h->rules, rule, i);

		sp_out_fmt(o, "  - %.*s    # line %u\n", (int)r->text.n, sp_img_str(img, r->text).p, r->line);
	}
}

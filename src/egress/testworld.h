/*
 * For tests only: a whole egress over socket pairs, with a front, a keeper, a dialer and an upstream that the test
 * plays.  The loop is turned by hand.
 */
#ifndef SP_EGRESS_TESTWORLD_H
#define SP_EGRESS_TESTWORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "crypto/crypto.h"
#include "egress/egress.h"
#include "wire/http1.h"
#include "wire/uri.h"

#define TW_TOKEN "spt_reader0000000000000000000000000000000000000"
#define TW_KEY "k3y-9f8e7d6c5b4a3928"
#define TW_KEY2 "second-key-0a1b2c3d4e5f"

/* --- the image: one server with grants of every kind, another with one tool */

enum tw_grant { G_KEY, G_BEARER, G_BASIC, G_QUERY, G_COOKIE, G_NARROW, G_TWIN, G_COUNT };
enum tw_tool { T_ANY, T_BASIC, T_BEARER, T_COOKIE, T_GET, T_HEAD, T_HIDDEN, T_NARROW, T_POST, T_QUERY, T_TWIN, T_ZOTHER };

static struct sp_ref
tw_str(struct sp_imgb *b, const char *s)
{
	return sp_imgb_str(b, sp_str(s));
}

static struct sp_img_grant
tw_grant(struct sp_imgb *b, const char *name, enum sp_place place, const char *field, const char *before)
{
	return (struct sp_img_grant){ .name = tw_str(b, name), .ref = tw_str(b, "vault:x"), .place = (uint32_t)place,
	    .field = tw_str(b, field), .before = tw_str(b, before), .host = tw_str(b, "127.0.0.1"), .port = 8080, .line = 7 };
}

static struct sp_img_tool
tw_tool(struct sp_imgb *b, const char *name, const char *shown, enum sp_method m, const char *path, int grant, bool open)
{
	struct sp_img_param p[] = {
		{ .arg = tw_str(b, "id"), .wire = tw_str(b, "id"), .in = SP_IN_PATH, .required = 1, .style = SP_STYLE_SIMPLE },
		{ .arg = tw_str(b, "q"), .wire = tw_str(b, "q"), .in = SP_IN_QUERY, .style = SP_STYLE_FORM, .explode = 1 },
		{ .arg = tw_str(b, "note"), .wire = tw_str(b, "X-Note"), .in = SP_IN_HEADER, .style = SP_STYLE_SIMPLE },
	};
	uint32_t g[2] = { (uint32_t)grant, G_KEY }, rule = 0;
	struct sp_img_op op = { .method = (uint32_t)m, .path = tw_str(b, path), .params = SP_IMGB_ARRAY(b, p, 3),
	    .grants = grant < 0 ? (struct sp_ref){ 0, 0 } : sp_imgb_u32(b, g, grant == G_TWIN ? 2 : 1) };

	if (m == SP_POST) {
		op.body = SP_BODY_FLAT;
		op.media = tw_str(b, "application/json");
	}
	return (struct sp_img_tool){ .name = tw_str(b, name), .shown = tw_str(b, shown), .json = tw_str(b, "{}"),
	    .schema = tw_str(b, "{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"string\"},\"n\":{\"type\":\"integer\"}},"
	    "\"required\":[\"id\"]}"), .op = SP_IMGB_ARRAY(b, &op, 1),
	    .rules = open ? sp_imgb_u32(b, &rule, 1) : (struct sp_ref){ 0, 0 } };
}

static struct sp_img_server
tw_server(struct sp_imgb *b)
{
	sp_slice slots[] = { SP_LIT("header x-api-key"), SP_LIT("header authorization"), SP_LIT("query api_key"),
	    SP_LIT("cookie sid") };
	struct sp_img_grant g[G_COUNT] = {
		[G_KEY] = tw_grant(b, "key", SP_PLACE_HEADER, "X-API-Key", ""),
		[G_BEARER] = tw_grant(b, "bearer", SP_PLACE_HEADER, "Authorization", "Bearer "),
		[G_BASIC] = tw_grant(b, "basic", SP_PLACE_HEADER, "Authorization", ""),
		[G_QUERY] = tw_grant(b, "query", SP_PLACE_QUERY, "api_key", ""),
		[G_COOKIE] = tw_grant(b, "cookie", SP_PLACE_COOKIE, "sid", ""),
		[G_NARROW] = tw_grant(b, "narrow", SP_PLACE_HEADER, "X-Narrow", ""),
		[G_TWIN] = tw_grant(b, "twin", SP_PLACE_HEADER, "x-api-key", ""),
	};
	struct sp_img_server s = { .name = tw_str(b, "api"), .kind = SP_SERVER_OPENAPI, .host = tw_str(b, "127.0.0.1"),
	    .port = 8080, .host_kind = SP_HOST_IPV4, .base_path = tw_str(b, "/v1"), .private_ok = 1,
	    .slots = sp_imgb_texts(b, slots, SP_COUNT(slots)) };

	g[G_BASIC].basic = 1;
	g[G_NARROW].path_prefix = tw_str(b, "/v1/zones");
	g[G_NARROW].methods = 1u << SP_GET;
	s.grants = SP_IMGB_ARRAY(b, g, G_COUNT);
	return s;
}

/* Not NULL: a JWKS.  There is a source of JWTs then, and the servers are at the second of two resources, TW_HERE. */
static const char *tw_jwks;
#define TW_HERE "http://localhost:8420/here"
#define TW_THERE "http://localhost:8420/mcp"
#define TW_ISSUER "https://as.test"

static struct sp_ref
tw_sources(struct sp_imgb *b)
{
	struct sp_img_source src[2] = { { .type = SP_SOURCE_STATIC }, { .type = SP_SOURCE_JWT, .own_audience = 1 } };

	src[0].name = tw_str(b, "static");
	if (tw_jwks == NULL)
		return SP_IMGB_ARRAY(b, src, 1);
	src[1].name = tw_str(b, "jwt");
	src[1].issuer = tw_str(b, TW_ISSUER);
	src[1].keys = tw_str(b, tw_jwks);
	src[1].claim_user = tw_str(b, "sub");
	return SP_IMGB_ARRAY(b, src, 2);
}

static void
tw_resources(struct sp_imgb *b, struct sp_img_head *h)
{
	struct sp_img_resource at[2] = { { .path = tw_str(b, "/mcp"), .url = tw_str(b, TW_THERE) },
	    { .path = tw_str(b, "/here"), .url = tw_str(b, TW_HERE) } };

	sp_imgb_resources(b, h, at, tw_jwks == NULL ? 1 : 2);
}

static void
tw_image(struct sp_imgb *b, struct sp_image *img)
{
	struct sp_img_rule rule = { .verb = SP_VERB_ALLOW, .line = 12 };
	struct sp_img_server servers[2];
	struct sp_img_head h = { .generation = 1, .limit_head = 16384, .limit_body = 1 << 20, .limit_answer = 1 << 20,
	    .limit_depth = 64, .limit_connections = 64, .limit_in_flight = 16, .limit_calls = 300,
	    .limit_calls_ms = 60000, .head_ms = 10000, .body_ms = 30000, .idle_ms = 60000, .call_ms = 60000 };
	struct sp_err e = { 0 };

	sp_imgb_init(b, 1 << 20);
	h.url = tw_str(b, TW_THERE);
	h.origin = tw_str(b, "http://localhost:8420");
	tw_resources(b, &h);
	rule.text = tw_str(b, "{allow: api}");
	servers[0] = tw_server(b);
	servers[0].resource = tw_jwks != NULL;
	servers[1] = servers[0];
	servers[1].name = tw_str(b, "other");
	struct sp_img_tool t[] = {
		[T_ANY] = tw_tool(b, "any", "api_any", SP_GET, "/open/{id}", -1, true),
		[T_BASIC] = tw_tool(b, "basic", "api_basic", SP_GET, "/basic/{id}", G_BASIC, true),
		[T_BEARER] = tw_tool(b, "bearer", "api_bearer", SP_GET, "/bearer/{id}", G_BEARER, true),
		[T_COOKIE] = tw_tool(b, "cookie", "api_cookie", SP_GET, "/cookie/{id}", G_COOKIE, true),
		[T_GET] = tw_tool(b, "get", "api_get", SP_GET, "/items/{id}", G_KEY, true),
		[T_HEAD] = tw_tool(b, "head", "api_head", SP_HEAD, "/items/{id}", G_KEY, true),
		[T_HIDDEN] = tw_tool(b, "hidden", "api_hidden", SP_GET, "/hidden/{id}", G_KEY, false),
		[T_NARROW] = tw_tool(b, "narrow", "api_narrow", SP_GET, "/zones/{id}", G_NARROW, true),
		[T_POST] = tw_tool(b, "post", "api_post", SP_POST, "/items/{id}", G_KEY, true),
		[T_QUERY] = tw_tool(b, "query", "api_query", SP_GET, "/query/{id}", G_QUERY, true),
		[T_TWIN] = tw_tool(b, "twin", "api_twin", SP_GET, "/twin/{id}", G_TWIN, true),
		[T_ZOTHER] = tw_tool(b, "get", "other_get", SP_GET, "/items/{id}", G_KEY, true),
	};
	t[T_ZOTHER].server = 1;
	h.sources = tw_sources(b);
	h.rules = SP_IMGB_ARRAY(b, &rule, 1);
	h.servers = SP_IMGB_ARRAY(b, servers, 2);
	h.tools = SP_IMGB_ARRAY(b, t, SP_COUNT(t));
	h.tool_index = sp_imgb_tool_index(b, &h, t, SP_COUNT(t));
	if (sp_imgb_finish(b, &h, &e) != SP_OK || sp_image_check(b->o.p, b->o.n, img, &e) != SP_OK)
		fail_msg("test image: %s", e.log);
}

static int
tw_secrets(void **state)
{
	struct sp_err e;

	signal(SIGPIPE, SIG_IGN);
	sp_log_init("test", SP_ERROR);
	return sp_secret_init(1 << 20, false, NULL, &e) == SP_OK && sp_crypto_init(&e) == SP_OK ? 0 : -1;
}

static int
tw_secrets_end(void **state)
{
	sp_secret_end();
	return 0;
}

#endif

/* For tests only: an upstream MCP server, played, behind an egress whose peers are played too.  After playworld.h. */
#ifndef SP_EGRESS_MCPWORLD_H
#define SP_EGRESS_MCPWORLD_H

#include "egress/playworld.h"
#include "mcp/era.h"

#pragma GCC diagnostic ignored "-Wunused-function"

#define MW_OTHER "spt_other00000000000000000000000000000000000000"
#define MW_SESSION "0123456789abcdef0123456789abcdef"
#define MW_SESSION2 "fedcba9876543210fedcba9876543210"

/* --- the image */

static struct sp_img_rule
mw_rule(struct sp_imgb *b, enum sp_verb verb, enum sp_select what, const char *pattern, uint32_t line)
{
	struct sp_img_select s = { .server = 0, .what = (uint32_t)what, .pattern = tw_str(b, pattern) };

	return (struct sp_img_rule){ .verb = (uint32_t)verb, .line = line, .selects = SP_IMGB_ARRAY(b, &s, 1),
	    .text = tw_str(b, "{allow: wiki}") };
}

static void
mw_image(struct sp_imgb *b, struct sp_image *img)
{
	struct sp_img_source src = { .type = SP_SOURCE_STATIC };
	struct sp_img_grant g = tw_grant(b, "key", SP_PLACE_HEADER, "Authorization", "Bearer ");
	struct sp_img_op ops[3] = { { .method = SP_POST }, { .method = SP_GET }, { .method = SP_DELETE } };
	struct sp_img_server s = { .kind = SP_SERVER_MCP, .port = 8080, .host_kind = SP_HOST_IPV4, .private_ok = 1 };
	struct sp_img_head h = { .generation = 1, .limit_head = 16384, .limit_body = 1 << 20, .limit_answer = 1 << 20,
	    .limit_depth = 64, .limit_connections = 64, .limit_in_flight = 16, .limit_calls = 300,
	    .limit_calls_ms = 60000, .head_ms = 10000, .body_ms = 30000, .idle_ms = 60000, .call_ms = 60000 };
	uint32_t grant = 0;
	struct sp_err e = { 0 };

	sp_imgb_init(b, 1 << 20);
	g = tw_grant(b, "key", SP_PLACE_HEADER, "Authorization", "Bearer ");
	for (size_t i = 0; i < SP_COUNT(ops); i++) {
		ops[i].grants = sp_imgb_u32(b, &grant, 1);
		ops[i].path = tw_str(b, "/");
	}
	s.name = tw_str(b, "wiki");
	s.host = tw_str(b, "127.0.0.1");
	s.base_path = tw_str(b, "/mcp");
	s.grants = SP_IMGB_ARRAY(b, &g, 1);
	s.ops = SP_IMGB_ARRAY(b, ops, 3);
	src.name = tw_str(b, "static");
	struct sp_img_rule rules[] = {
		mw_rule(b, SP_VERB_ALLOW, SP_SELECT_ALL, "", 12),
		mw_rule(b, SP_VERB_DENY, SP_SELECT_NAME, "hidden_*", 13),
		mw_rule(b, SP_VERB_DENY, SP_SELECT_RESOURCE, "mem://secret/**", 14),
	};
	h.url = tw_str(b, "http://localhost:8420/mcp");
	h.origin = tw_str(b, "http://localhost:8420");
	sp_imgb_resources(b, &h, &(struct sp_img_resource){ .path = tw_str(b, "/mcp"), .url = h.url }, 1);
	h.sources = SP_IMGB_ARRAY(b, &src, 1);
	h.rules = SP_IMGB_ARRAY(b, rules, SP_COUNT(rules));
	h.servers = SP_IMGB_ARRAY(b, &s, 1);
	h.tool_index = sp_imgb_tool_index(b, &h, NULL, 0);
	if (sp_imgb_finish(b, &h, &e) != SP_OK || sp_image_check(b->o.p, b->o.n, img, &e) != SP_OK)
		fail_msg("test image: %s", e.log);
}

/* --- requests, as the upstream reads them */

enum { MW_HEARD = 1 << 18 };

struct mw_request {
	unsigned conn;
	char	 method[16], head[8192], body[65536];
	uint64_t id;			/* of the JSON-RPC request, 0: none */
};

struct mw {
	struct play w;
	char	*heard[PW_CONNS];
	size_t	 nheard[PW_CONNS];
	unsigned answered;
	struct mw_request rq;		/* the last one that was taken */
	/* what it is */
	bool	 modern, no_session, no_watch;
	const char *version;		/* legacy: that it chooses */
	const char *caps, *tools, *resources, *templates, *prompts;
	unsigned sessions;		/* begun */
	unsigned lists;			/* tools/list requests */
	unsigned initialized, deleted;
	int	 watch;			/* connection that holds the stream, -1 */
	const char *before_initialize;	/* an event before its answer */
};

static const char *
mw_find(const char *text, const char *part)
{
	const char *p = strstr(text, part);

	return p == NULL ? NULL : p + strlen(part);
}

/* The next request that is complete, on any connection. */
static bool
mw_next(struct mw *u)
{
	struct play *w = &u->w;

	pw_turn(w, 8);
	for (unsigned i = 0; i < w->nup; i++) {
		const char *end, *len;
		size_t head, body = 0;
		ssize_t r;

		if (w->up[i] < 0)
			continue;
		if (u->heard[i] == NULL)
			u->heard[i] = calloc(1, MW_HEARD);
		assert_non_null(u->heard[i]);
		r = recv(w->up[i], u->heard[i] + u->nheard[i], MW_HEARD - 1 - u->nheard[i], MSG_DONTWAIT);
		if (r > 0)
			u->nheard[i] += (size_t)r;
		u->heard[i][u->nheard[i]] = '\0';
		end = mw_find(u->heard[i], "\r\n\r\n");
		if (end == NULL)
			continue;
		head = (size_t)(end - u->heard[i]);
		len = mw_find(u->heard[i], "Content-Length: ");
		if (len != NULL && len < end)
			body = strtoul(len, NULL, 10);
		if (u->nheard[i] < head + body)
			continue;
		assert_true(head < sizeof u->rq.head && body < sizeof u->rq.body);
		memset(&u->rq, 0, sizeof u->rq);
		u->rq.conn = i;
		memcpy(u->rq.head, u->heard[i], head);
		memcpy(u->rq.body, end, body);
		memcpy(u->rq.method, u->heard[i], strcspn(u->heard[i], " ") % sizeof u->rq.method);
		if (mw_find(u->rq.body, "\"id\":") != NULL && strstr(u->rq.body, "\"method\":") != NULL)
			u->rq.id = strtoull(mw_find(u->rq.body, "\"id\":"), NULL, 10);
		memmove(u->heard[i], u->heard[i] + head + body, u->nheard[i] - head - body + 1);
		u->nheard[i] -= head + body;
		return true;
	}
	return false;
}

static bool
mw_asks(const struct mw *u, const char *method)
{
	char want[80];

	(void)snprintf(want, sizeof want, "\"method\":\"%s\"", method);
	return strstr(u->rq.body, want) != NULL;
}

/* --- answers */

static void
mw_raw(struct mw *u, unsigned conn, const char *status, const char *fields, const char *body)
{
	size_t cap = strlen(body) + strlen(fields) + 256;
	char *text = malloc(cap);

	assert_non_null(text);
	(void)snprintf(text, cap, "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\n\r\n%s", status, fields, strlen(body), body);
	pw_say(&u->w, conn, sp_str(text));
	free(text);
}

static void
mw_json(struct mw *u, const char *status, const char *extra, const char *body)
{
	char fields[512];

	(void)snprintf(fields, sizeof fields, "Content-Type: application/json\r\n%s", extra);
	mw_raw(u, u->rq.conn, status, fields, body);
}

/* The result (or error) of the request that was taken last. */
static void
mw_result(struct mw *u, const char *member, const char *value)
{
	size_t cap = strlen(value) + 128;
	char *text = malloc(cap);

	assert_non_null(text);
	(void)snprintf(text, cap, "{\"jsonrpc\":\"2.0\",\"id\":%llu,\"%s\":%s}", (unsigned long long)u->rq.id, member, value);
	mw_json(u, "200 OK", "", text);
	free(text);
}

static void
mw_events(struct mw *u)
{
	pw_say(&u->w, u->rq.conn, SP_LIT("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n"));
}

static void
mw_chunk(struct mw *u, unsigned conn, const char *text)
{
	char size[24];

	(void)snprintf(size, sizeof size, "%zx\r\n", strlen(text));
	pw_say(&u->w, conn, sp_str(size));
	pw_say(&u->w, conn, sp_str(text));
	pw_say(&u->w, conn, SP_LIT("\r\n"));
}

static void
mw_event(struct mw *u, unsigned conn, const char *fmt, ...)
{
	static char json[65536], text[65600];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(json, sizeof json, fmt, ap);
	va_end(ap);
	(void)snprintf(text, sizeof text, "data: %s\n\n", json);
	mw_chunk(u, conn, text);
}

static void
mw_events_end(struct mw *u, unsigned conn)
{
	pw_say(&u->w, conn, SP_LIT("0\r\n\r\n"));
}

/* --- what it does by itself */

static const char *
mw_list_of(const struct mw *u, const char **member)
{
	static const struct { const char *method, *member; } rows[] = {
		{ "tools/list", "tools" }, { "resources/list", "resources" },
		{ "resources/templates/list", "resourceTemplates" }, { "prompts/list", "prompts" },
	};
	const char *texts[] = { u->tools, u->resources, u->templates, u->prompts };

	for (size_t i = 0; i < SP_COUNT(rows); i++)
		if (mw_asks(u, rows[i].method)) {
			*member = rows[i].member;
			return texts[i] == NULL ? "[]" : texts[i];
		}
	return NULL;
}

static void
mw_initialize(struct mw *u)
{
	char text[2048], field[128] = "";

	(void)snprintf(text, sizeof text, "{\"jsonrpc\":\"2.0\",\"id\":%llu,\"result\":{\"protocolVersion\":\"%s\",\"capabilities\":%s,"
	    "\"serverInfo\":{\"name\":\"w\",\"version\":\"1\"},\"instructions\":\"be kind\"}}", (unsigned long long)u->rq.id,
	    u->version, u->caps);
	u->sessions++;
	if (!u->no_session)
		(void)snprintf(field, sizeof field, "Mcp-Session-Id: s-%u\r\n", u->sessions);
	if (u->before_initialize == NULL) {
		mw_json(u, "200 OK", field, text);
		return;
	}
	(void)snprintf(u->rq.head, 512, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n%s"
	    "Transfer-Encoding: chunked\r\n\r\n", field);
	pw_say(&u->w, u->rq.conn, sp_str(u->rq.head));
	mw_event(u, u->rq.conn, "%s", u->before_initialize);
	mw_event(u, u->rq.conn, "%s", text);
	mw_events_end(u, u->rq.conn);
}

/* False: it is for the test to answer. */
static bool
mw_serve_one(struct mw *u)
{
	const char *member, *list = mw_list_of(u, &member);
	char text[70000];

	if (mw_asks(u, "server/discover") && u->modern) {
		(void)snprintf(text, sizeof text, "{\"resultType\":\"complete\",\"supportedVersions\":[\"2026-07-28\"],\"capabilities\":%s,"
		    "\"ttlMs\":60000,\"cacheScope\":\"public\"}", u->caps);
		mw_result(u, "result", text);
	} else if (mw_asks(u, "server/discover")) {
		mw_json(u, "400 Bad Request", "", "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32600,\"message\":\"no session\"},\"id\":null}");
	} else if (mw_asks(u, "initialize")) {
		mw_initialize(u);
	} else if (mw_asks(u, "notifications/initialized")) {
		u->initialized++;
		mw_raw(u, u->rq.conn, "202 Accepted", "", "");
	} else if (list != NULL) {
		u->lists += mw_asks(u, "tools/list") ? 1 : 0;
		(void)snprintf(text, sizeof text, "{\"%s\":%s%s}", member, list, u->modern ?
		    ",\"resultType\":\"complete\",\"ttlMs\":60000,\"cacheScope\":\"public\"" : "");
		mw_result(u, "result", text);
	} else if (strcmp(u->rq.method, "DELETE") == 0) {
		u->deleted++;
		mw_raw(u, u->rq.conn, "200 OK", "", "");
	} else if ((strcmp(u->rq.method, "GET") == 0 && strstr(u->rq.head, "Last-Event-ID") == NULL) ||
	    mw_asks(u, "subscriptions/listen")) {
		u->watch = u->no_watch ? -1 : (int)u->rq.conn;
		if (u->no_watch)
			mw_raw(u, u->rq.conn, "405 Method Not Allowed", "", "");
		else
			mw_events(u);
	} else {
		return false;
	}
	return true;
}

/* Serves until a request comes that is the test's; false: none comes. */
static bool
mw_serve(struct mw *u)
{
	for (unsigned idle = 0; idle < 3;) {
		if (!mw_next(u)) {
			idle++;
			continue;
		}
		idle = 0;
		if (!mw_serve_one(u))
			return true;
	}
	return false;
}

/* Time passes, and it serves. */
static bool
mw_serve_for(struct mw *u, unsigned ms)
{
	for (unsigned t = 0; t < ms; t += 10) {
		if (mw_serve(u))
			return true;
		usleep(10000);
	}
	return false;
}

/* --- the world */

#define MW_TOOLS "[{\"name\":\"echo\",\"description\":\"says it again\",\"inputSchema\":{\"type\":\"object\",\"properties\":" \
	"{\"text\":{\"type\":\"string\"},\"region\":{\"type\":\"string\",\"x-mcp-header\":\"Region\"}}}}," \
	"{\"name\":\"hidden_one\",\"inputSchema\":{\"type\":\"object\"}}]"
#define MW_CAPS "{\"tools\":{\"listChanged\":true},\"resources\":{\"subscribe\":true},\"prompts\":{},\"logging\":{},\"completions\":{}}"

static void
mw_start(struct mw *u, bool modern)
{
	memset(u, 0, sizeof *u);
	u->modern = modern;
	u->version = "2025-11-25";
	u->caps = MW_CAPS;
	u->tools = MW_TOOLS;
	u->resources = "[{\"uri\":\"mem://a\",\"name\":\"a\"}]";
	u->templates = "[{\"uriTemplate\":\"mem://t/{x}\",\"name\":\"t\"}]";
	u->prompts = "[{\"name\":\"greet\"}]";
	u->watch = -1;
	pw_start_with(&u->w, NULL, mw_image);
}

static void
mw_sync(struct mw *u)
{
	pw_token(&u->w, TW_TOKEN);
	pw_token_of(&u->w, MW_OTHER, "other");
	pw_secret(&u->w, 0, SP_LIT(TW_KEY));
	pw_empty(&u->w, SP_M_TOKEN_SYNC);
	pw_empty(&u->w, SP_M_SECRET_SYNC);
	pw_turn(&u->w, 4);
}

/* Up, with its catalogue sent. */
static void
mw_open(struct mw *u, bool modern)
{
	mw_start(u, modern);
	mw_sync(u);
	assert_false(mw_serve(u));
}

static void
mw_close(struct mw *u)
{
	pw_close(&u->w);
	for (unsigned i = 0; i < PW_CONNS; i++)
		free(u->heard[i]);
}

static uint32_t
mw_call_full(struct mw *u, struct sp_m_call m, const char *token, const char *args)
{
	m.id = ++u->w.next_id;
	m.tool = UINT32_MAX;
	m.deadline_ms = m.deadline_ms == 0 ? 30000 : m.deadline_ms;
	m.era = m.era == 0 ? SP_ERA_MODERN : m.era;
	m.token = sp_str(token);
	m.args = sp_str(args);
	m.args_total = (uint32_t)m.args.n;
	sp_enc_call(sp_chan_begin(u->w.front, SP_M_CALL), &m);
	sp_chan_end(u->w.front);
	pw_turn(&u->w, 6);
	return m.id;
}

static uint32_t
mw_call(struct mw *u, enum sp_mcp_method method, const char *name, const char *args)
{
	return mw_call_full(u, (struct sp_m_call){ .method = (uint32_t)method, .name = sp_str(name) }, TW_TOKEN, args);
}

static uint32_t
mw_echo(struct mw *u)
{
	return mw_call(u, SP_MCP_TOOLS_CALL, "echo", "{\"text\":\"hi\"}");
}

static const char *
mw_notes(struct mw *u)
{
	sp_out_byte(&u->w.notes.notes, '\0');
	u->w.notes.notes.n--;
	return u->w.notes.notes.p;
}

#define MW_HI "{\"content\":[{\"type\":\"text\",\"text\":\"hi\"}]}"

#endif

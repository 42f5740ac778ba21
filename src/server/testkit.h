/* For tests of the engine: exchanges that write down what is said, and a host whose time and threads the test has. */
#ifndef SP_SERVER_TESTKIT_H
#define SP_SERVER_TESTKIT_H

#include "base/check.h"
#include "base/log.h"
#include "server/server_int.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum kit_mode { KIT_INLINE, KIT_LATER, KIT_NO_ROOM };
enum { KIT_JOBS = 64, KIT_TEXT = 1 << 16 };

struct kit {
	struct sp_server *s;
	enum kit_mode mode;
	uint64_t now_ms;
	int64_t	 now_s;
	unsigned wakes;
	struct { void (*run)(void *arg); void *arg; } jobs[KIT_JOBS];
	unsigned njobs;
};

/* One message of a client and all that came of it. */
struct said {
	struct sp_exchange x;
	struct sp_http_head head;
	unsigned answers, pauses, sends;
	enum sp_status st;
	uint32_t retry_ms;
	size_t	 unread;
	char	 json[KIT_TEXT];	/* of the answer */
	char	 notes[KIT_TEXT];	/* of each send: [event] json newline */
	size_t	 nnotes;
	char	 session[64], scope[512];
};

static inline bool
kit_run(void *ctx, void (*job)(void *arg), void *arg)
{
	struct kit *k = ctx;

	if (k->mode == KIT_NO_ROOM || k->njobs == KIT_JOBS)
		return false;
	if (k->mode == KIT_INLINE) {
		job(arg);
		return true;
	}
	k->jobs[k->njobs].run = job;
	k->jobs[k->njobs++].arg = arg;
	return true;
}

static inline void
kit_wake(void *ctx)
{
	((struct kit *)ctx)->wakes++;
}

static inline uint64_t
kit_now_ms(void *ctx)
{
	return ((struct kit *)ctx)->now_ms;
}

static inline int64_t
kit_now_s(void *ctx)
{
	return ((struct kit *)ctx)->now_s;
}

/* The jobs that wait, and then what they said. */
static inline void
kit_work(struct kit *k)
{
	unsigned n = k->njobs;

	for (unsigned i = 0; i < n; i++)
		k->jobs[i].run(k->jobs[i].arg);
	for (unsigned i = n; i < k->njobs; i++)
		k->jobs[i - n] = k->jobs[i];
	k->njobs -= n;
	sp_server_turn(k->s);
}

static inline void
kit_begin(struct kit *k)
{
	struct sp_error e = { .rc = SP_RC_OK };
	const struct sp_server_host host = { kit_run, kit_wake, kit_now_ms, kit_now_s, k };

	k->now_ms = 1000;
	k->now_s = 1000;
	if (sp_server_begin(k->s, &host, &e) != SP_OK)
		fail_msg("%s", e.text);
}

static inline bool
said_send(struct sp_exchange *x, sp_slice json, sp_slice event)
{
	struct said *f = x->conn;

	f->sends++;
	f->nnotes += (size_t)snprintf(f->notes + f->nnotes, sizeof f->notes - f->nnotes, "[%.*s] %.*s\n", (int)event.n, event.p,
	    (int)json.n, json.p);
	return true;
}

static inline void
said_answer(struct sp_exchange *x, const struct sp_reply *r)
{
	struct said *f = x->conn;

	f->answers++;
	f->st = r->st;
	snprintf(f->json, sizeof f->json, "%.*s", (int)r->json.n, r->json.p);
	snprintf(f->session, sizeof f->session, "%.*s", (int)r->session.n, r->session.p);
	snprintf(f->scope, sizeof f->scope, "%.*s", (int)r->scope.n, r->scope.p);
}

static inline void
said_pause(struct sp_exchange *x, uint32_t retry_ms)
{
	struct said *f = x->conn;

	f->pauses++;
	f->retry_ms = retry_ms;
}

static inline size_t
said_unread(const struct sp_exchange *x)
{
	return ((const struct said *)x->conn)->unread;
}

static const struct sp_exchange_ops said_ops = { said_send, said_answer, said_pause, said_unread };

/* Keeps who it is; everything else is new. */
static inline void
said_begin(struct said *f, struct sp_principal *who)
{
	memset(f, 0, sizeof *f);
	f->x = (struct sp_exchange){ .ops = &said_ops, .conn = f, .who = who, .signed_in = who != NULL,
		.transport = SP_TRANSPORT_HTTP, .head = &f->head, .streams = true };
}

static inline void
said_header(struct said *f, const char *name, const char *value)
{
	f->head.fields[f->head.nfields++] = (struct sp_http_field){ sp_str(name), sp_str(value) };
}

#define META "\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\"," \
	"\"io.modelcontextprotocol/clientCapabilities\":{}"

/* A request of the 2026 era, over HTTP as f says, with fitting headers.  `params`: members beside _meta, or "". */
static inline void
kit_modern(struct kit *k, struct said *f, const char *method, const char *name, const char *params)
{
	char body[KIT_TEXT];

	if (f->x.head != NULL) {
		f->head.nfields = 0;
		said_header(f, "mcp-protocol-version", "2026-07-28");
		said_header(f, "mcp-method", method);
		if (name != NULL)
			said_header(f, "mcp-name", name);
	}
	snprintf(body, sizeof body, "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"%s\",\"params\":{" META "}%s%s}}", method,
	    params[0] == '\0' ? "" : ",", params);
	sp_server_message(k->s, &f->x, sp_str(body));
}

/* Any message of the 2025 era in a session (NULL: none). */
static inline void
kit_legacy(struct kit *k, struct said *f, const char *session, const char *body)
{
	if (f->x.head != NULL) {
		f->head.nfields = 0;
		said_header(f, "mcp-protocol-version", "2025-11-25");
		if (session != NULL)
			said_header(f, "mcp-session-id", session);
	} else {
		f->x.session = sp_str(session == NULL ? "" : session);
	}
	sp_server_message(k->s, &f->x, sp_str(body));
}

/* A session of this caller. */
static inline void
kit_session(struct kit *k, struct sp_principal *who, char id[static 64])
{
	struct said *f = malloc(sizeof *f);

	said_begin(f, who);
	kit_legacy(k, f, NULL, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{"
	    "\"protocolVersion\":\"2025-11-25\",\"capabilities\":{},\"clientInfo\":{\"name\":\"t\",\"version\":\"1\"}}}");
	snprintf(id, 64, "%s", f->session);
	free(f);
}

static inline bool
has(const char *text, const char *part)
{
	return strstr(text, part) != NULL;
}

/* A caller; scopes and tags end in NULL. */
static inline struct sp_principal *
kit_who(const char *user, const struct sp_facts *facts)
{
	struct sp_principal *p = calloc(1, sizeof *p);

	*p = (struct sp_principal){ .refs = 1, .user = sp_str(user), .expires_s = INT64_MAX, .facts = facts };
	return p;
}

#endif

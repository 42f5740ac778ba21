/*
 * For tests only: a whole front over socket pairs, with a keeper and an egress that the
 * test plays.  The loop is turned by hand, so nothing waits for real time.
 */
#ifndef SP_FRONT_TESTWORLD_H
#define SP_FRONT_TESTWORLD_H

#include "crypto/crypto.h"
#include "front/front.h"
#include "mcp/testimage.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { TW_CALLS = 64, TW_OUT = 1 << 20 };

struct tw_call {
	uint32_t id, tool, args_total, method, era, log_level, progress, header;
	char token[1024], name[512], rpc_id[64], args[512];
	size_t got, ticket, session;	/* session, ticket: bytes */
	bool cancelled, listen;
	uint64_t credit;
	struct sp_chan *ch;
};

struct world {
	uv_loop_t loop;
	struct sp_imgb b;
	struct sp_image img;
	struct sp_front f;
	struct sp_chan *egress, *wiki, *keeper, *packets;	/* wiki: of server 1 */
	unsigned asks, tokens, wants, peers, news, ends, annuls;	/* what keeper and egresses were asked */
	uint32_t last_ask, last_want, last_new, last_end;
	uint8_t	 who[32];
	char	 annulled[64];
	bool	 silent_keeper;		/* it does not answer SESSION_NEW */
	struct tw_call calls[TW_CALLS];
	unsigned ncalls;
	const char *auto_result;	/* egress answers each call with this at once */
	bool egress_lost;
};

#define TW_READER "spt_reader0000000000000000000000000000000000000"
#define TW_ADMIN "spt_admin00000000000000000000000000000000000000"

static inline struct tw_call *
tw_find(struct world *w, uint32_t id)
{
	for (unsigned k = 0; k < w->ncalls && k < TW_CALLS; k++) {
		struct tw_call *c = &w->calls[(w->ncalls - 1 - k) % TW_CALLS];

		if (c->id == id)
			return c;
	}
	return NULL;
}

static inline void
tw_result(struct world *w, uint32_t id, const char *json)
{
	struct sp_m_result m = { id, SP_RESULT_TOOL, (uint32_t)strlen(json), sp_str(json) };

	struct sp_chan *ch = tw_find(w, id)->ch;

	sp_enc_result(sp_chan_begin(ch, SP_M_RESULT), &m);
	sp_chan_end(ch);
}

static inline void
tw_kind(struct world *w, uint32_t id, enum sp_result_kind kind, const char *json)
{
	struct sp_m_result m = { id, kind, (uint32_t)strlen(json), sp_str(json) };
	struct sp_chan *ch = tw_find(w, id)->ch;

	sp_enc_result(sp_chan_begin(ch, SP_M_RESULT), &m);
	sp_chan_end(ch);
}

static inline void
tw_note(struct world *w, uint32_t id, enum sp_note note, const char *json)
{
	struct sp_m_note m = { id, note, sp_str(json) };
	struct sp_chan *ch = tw_find(w, id)->ch;

	sp_enc_note(sp_chan_begin(ch, SP_M_NOTE), &m);
	sp_chan_end(ch);
}

static inline void
tw_on_listen(struct world *w, struct sp_chan *ch, const struct sp_m_listen *m)
{
	struct tw_call *c = &w->calls[w->ncalls++ % TW_CALLS];

	*c = (struct tw_call){ .id = m->id, .listen = true, .ch = ch, .session = m->session.n, .ticket = m->ticket.n };
	assert_true(sp_cstr(m->token, c->token, sizeof c->token));
	assert_true(sp_cstr(m->uris, c->args, sizeof c->args));
}

static inline void
tw_on_annul(struct world *w, const struct sp_m_annul *m)
{
	w->annuls++;
	assert_true(sp_cstr(m->rpc_id, w->annulled, sizeof w->annulled));
}

static inline void
tw_on_call(struct world *w, struct sp_chan *ch, const struct sp_m_call *m)
{
	struct tw_call *c = &w->calls[w->ncalls++ % TW_CALLS];

	*c = (struct tw_call){ .id = m->id, .tool = m->tool, .args_total = m->args_total, .got = m->args.n, .method = m->method,
	    .era = m->era, .log_level = m->log_level, .progress = m->progress, .header = m->header, .ch = ch,
	    .ticket = m->ticket.n, .session = m->session.n };
	assert_true(sp_cstr(m->token, c->token, sizeof c->token));
	assert_true(sp_cstr(m->name, c->name, sizeof c->name));
	assert_true(sp_cstr(m->rpc_id, c->rpc_id, sizeof c->rpc_id));
	if (m->args.n < sizeof c->args)
		assert_true(sp_cstr(m->args, c->args, sizeof c->args));
	if (w->auto_result != NULL && m->method == SP_MCP_TOOLS_CALL)
		tw_result(w, m->id, w->auto_result);
}

static inline bool
tw_egress_message(void *ctx, struct sp_chan *ch, unsigned type, sp_slice body, const int *fds, unsigned nfds)
{
	struct world *w = ctx;
	struct sp_m_call call;
	struct sp_m_data data;
	struct sp_m_credit credit;
	struct sp_m_listen listen;
	struct sp_m_annul annul;
	struct sp_m_id id;

	switch (type) {
	case SP_M_CALL:
		assert_true(sp_dec_call(body, &call));
		tw_on_call(w, ch, &call);
		return true;
	case SP_M_LISTEN:
		assert_true(sp_dec_listen(body, &listen));
		tw_on_listen(w, ch, &listen);
		return true;
	case SP_M_ANNUL:
		assert_true(sp_dec_annul(body, &annul));
		tw_on_annul(w, &annul);
		return true;
	case SP_M_DATA:
		assert_true(sp_dec_data(body, &data));
		tw_find(w, data.id)->got += data.part.n;
		return true;
	case SP_M_CREDIT:
		assert_true(sp_dec_credit(body, &credit));
		tw_find(w, credit.id)->credit += credit.bytes;
		return true;
	case SP_M_CANCEL:
		assert_true(sp_dec_id(body, &id));
		if (tw_find(w, id.id) != NULL)
			tw_find(w, id.id)->cancelled = true;
		return true;
	default:
		return false;
	}
}

static inline void
tw_egress_closed(void *ctx, struct sp_chan *ch, const char *why)
{
	struct world *w = ctx;

	w->egress_lost = true;
	sp_chan_free(ch == w->wiki ? &w->wiki : &w->egress);
}

static const struct sp_chan_ops tw_egress_ops = { tw_egress_message, tw_egress_closed };

static inline void
tw_session(struct world *w, uint32_t id, enum sp_status st, const char *text)
{
	struct sp_m_session m = { id, st, sp_str(text) };

	sp_enc_session(sp_chan_begin(w->keeper, SP_M_SESSION), &m);
	sp_chan_end(w->keeper);
}

static inline void
tw_on_new(struct world *w, const struct sp_m_session_new *m)
{
	w->news++;
	w->last_new = m->id;
	memcpy(w->who, m->who, sizeof w->who);
	if (!w->silent_keeper)
		tw_session(w, m->id, SP_OK, "a-session-of-the-test");
}

static inline bool
tw_keeper_message(void *ctx, struct sp_chan *ch, unsigned type, sp_slice body, const int *fds, unsigned nfds)
{
	struct world *w = ctx;
	struct sp_m_ticket_ask ask;
	struct sp_m_token_ask told;
	struct sp_m_session_new fresh;
	struct sp_m_session_end end;
	struct sp_m_id id;

	switch (type) {
	case SP_M_TICKET_ASK:
		assert_true(sp_dec_ticket_ask(body, &ask));
		w->asks++;
		w->last_ask = ask.id;
		return true;
	case SP_M_TOKEN_ASK:
		assert_true(sp_dec_token_ask(body, &told));
		w->tokens++;
		w->last_ask = told.id;
		return true;
	case SP_M_PEER_ASK:
		assert_true(sp_dec_id(body, &id) && nfds == 1);
		close(fds[0]);
		w->peers++;
		w->last_ask = id.id;
		return true;
	case SP_M_KEYS_WANT:
		assert_true(sp_dec_id(body, &id));
		w->wants++;
		w->last_want = id.id;
		return true;
	case SP_M_SESSION_NEW:
		assert_true(sp_dec_session_new(body, &fresh));
		tw_on_new(w, &fresh);
		return true;
	case SP_M_SESSION_END:
		assert_true(sp_dec_session_end(body, &end));
		w->ends++;
		w->last_end = end.id;
		return true;
	default:
		return false;
	}
}

static inline void
tw_keeper_closed(void *ctx, struct sp_chan *ch, const char *why)
{
	struct world *w = ctx;

	sp_chan_free(ch == w->packets ? &w->packets : &w->keeper);
}

static const struct sp_chan_ops tw_keeper_ops = { tw_keeper_message, tw_keeper_closed };

static inline void
tw_turn(struct world *w, unsigned n)
{
	while (n-- > 0)
		uv_run(&w->loop, UV_RUN_NOWAIT);
}

static inline void
tw_pair(int sv[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sv), 0);
}

static inline void
tw_token(struct world *w, const char *token, const char *name, const char *scopes, const char *tags)
{
	struct sp_m_token m = { .expires_s = INT64_MAX, .name = sp_str(name), .client_id = sp_str(name), .scopes = sp_str(scopes),
	    .tags = sp_str(tags) };

	sp_sha256(sp_str(token), m.hash);
	sp_enc_token(sp_chan_begin(w->keeper, SP_M_TOKEN_PUT), &m);
	sp_chan_end(w->keeper);
}

static inline void
tw_token_sync(struct world *w)
{
	(void)sp_chan_begin(w->keeper, SP_M_TOKEN_SYNC);
	sp_chan_end(w->keeper);
	tw_turn(w, 4);
}

static inline void
tw_keeper(struct world *w)
{
	int sv[2];

	if (w->keeper != NULL)
		sp_chan_free(&w->keeper);
	tw_pair(sv);
	assert_int_equal(sp_chan_new(&w->loop, sv[0], SP_CHAN_STREAM, SP_KEEPER, SP_FRONT, &tw_keeper_ops, w, &w->keeper), SP_OK);
	assert_int_equal(sp_front_peer(&w->f, SP_KEEPER, 0, 1, sv[1]), SP_OK);
}

static inline void
tw_egress(struct world *w, uint32_t incarnation)
{
	int sv[2];

	tw_pair(sv);
	w->egress_lost = false;
	assert_int_equal(sp_chan_new(&w->loop, sv[0], SP_CHAN_STREAM, SP_EGRESS, SP_FRONT, &tw_egress_ops, w, &w->egress), SP_OK);
	assert_int_equal(sp_front_peer(&w->f, SP_EGRESS, 0, incarnation, sv[1]), SP_OK);
}

/* The channel that carries descriptors. */
static inline void
tw_packets(struct world *w)
{
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sv), 0);
	assert_int_equal(sp_chan_new(&w->loop, sv[0], SP_CHAN_PACKET, SP_KEEPER, SP_FRONT, &tw_keeper_ops, w, &w->packets), SP_OK);
	assert_int_equal(sp_front_peer(&w->f, SP_KEEPER, 0, 1, sv[1]), SP_OK);
}

static inline void
tw_wiki(struct world *w, uint32_t incarnation)
{
	int sv[2];

	tw_pair(sv);
	if (w->wiki != NULL)
		sp_chan_free(&w->wiki);
	assert_int_equal(sp_chan_new(&w->loop, sv[0], SP_CHAN_STREAM, SP_EGRESS, SP_FRONT, &tw_egress_ops, w, &w->wiki), SP_OK);
	assert_int_equal(sp_front_peer(&w->f, SP_EGRESS, 1, incarnation, sv[1]), SP_OK);
}

static inline void
tw_item(struct world *w, uint32_t serial, enum sp_component_kind kind, const char *json)
{
	struct sp_m_item m = { serial, kind, sp_str(json) };

	sp_enc_item(sp_chan_begin(w->wiki, SP_M_ITEM), &m);
	sp_chan_end(w->wiki);
}

static inline void
tw_catalog(struct world *w, uint32_t serial, uint32_t items, uint32_t caps)
{
	struct sp_m_catalog m = { serial, 1, items, caps, SP_LIT("") };

	sp_enc_catalog(sp_chan_begin(w->wiki, SP_M_CATALOG), &m);
	sp_chan_end(w->wiki);
	tw_turn(w, 6);
}

static inline void
tw_open(struct world *w, const struct ti_options *o)
{
	struct sp_err e = { 0 };

	memset(w, 0, sizeof *w);
	signal(SIGPIPE, SIG_IGN);
	sp_log_init("test", SP_ERROR);
	assert_int_equal(sp_crypto_init(&e), SP_OK);
	ti_make(&w->b, o, &w->img);
	assert_int_equal(uv_loop_init(&w->loop), 0);
	if (sp_front_init(&w->f, &w->img, &w->loop, (struct sp_hash_key){ { 3, 4 } }, &e) != SP_OK)
		fail_msg("front: %s", e.log);
	tw_keeper(w);
	tw_token(w, TW_READER, "ann", "dns:read", "");
	tw_token(w, TW_ADMIN, "bob", "dns:write", "ops");
	tw_token_sync(w);
	tw_egress(w, 1);
	w->auto_result = "{\"content\":[{\"type\":\"text\",\"text\":\"ok\"}]}";
}

static inline void
tw_close(struct world *w)
{
	if (w->egress != NULL)
		sp_chan_free(&w->egress);
	if (w->wiki != NULL)
		sp_chan_free(&w->wiki);
	if (w->packets != NULL)
		sp_chan_free(&w->packets);
	if (w->keeper != NULL)
		sp_chan_free(&w->keeper);
	sp_front_close(&w->f);
	tw_turn(w, 8);
	assert_int_equal(uv_loop_close(&w->loop), 0);
	sp_imgb_free(&w->b);
}

/* A client's end of a new connection. */
static inline int
tw_client(struct world *w)
{
	int sv[2];

	tw_pair(sv);
	assert_int_equal(sp_hub_adopt(&w->f.hub, sv[1], 7), SP_OK);
	return sv[0];
}

static inline void
tw_send(struct world *w, int fd, sp_slice s)
{
	while (s.n != 0) {
		ssize_t n = write(fd, s.p, s.n);

		if (n > 0)
			sp_advance(&s, (size_t)n);
		else if (errno != EAGAIN)
			return;
		tw_turn(w, 1);
	}
	tw_turn(w, 6);
}

/* All that came back so far, and whether the connection was closed. */
static inline sp_slice
tw_take(struct world *w, int fd, bool *closed)
{
	static char buf[TW_OUT + 1];
	size_t have = 0;
	ssize_t n;

	*closed = false;
	for (unsigned idle = 0; idle < 4 && have < TW_OUT;) {
		n = read(fd, buf + have, TW_OUT - have);
		if (n > 0) {
			have += (size_t)n;
			idle = 0;
		} else if (n == 0) {
			*closed = true;
			break;
		} else {
			idle++;
			tw_turn(w, 2);
		}
	}
	buf[have] = '\0';
	return sp_mem(buf, have);
}

/* One request on a connection of its own. */
static inline sp_slice
tw_ask(struct world *w, const char *text, bool *closed)
{
	int fd = tw_client(w);
	sp_slice got;

	tw_send(w, fd, sp_str(text));
	got = tw_take(w, fd, closed);
	close(fd);
	tw_turn(w, 4);
	return got;
}

static inline bool
tw_has(sp_slice s, const char *what)
{
	return sp_find(s, sp_str(what)) != SIZE_MAX;
}

/* A POST of this body with these further header lines. */
static inline const char *
tw_post_to(const char *path, const char *lines, const char *body)
{
	static char buf[131072];

	snprintf(buf, sizeof buf, "POST %s HTTP/1.1\r\nHost: localhost:8420\r\nContent-Type: application/json\r\n"
	    "Accept: application/json, text/event-stream\r\nContent-Length: %zu\r\n%s\r\n%s", path, strlen(body), lines, body);
	return buf;
}

static inline const char *
tw_post(const char *lines, const char *body)
{
	return tw_post_to("/mcp", lines, body);
}

#define TW_AS(token) "Authorization: Bearer " token "\r\n"
#define TW_LEGACY "MCP-Protocol-Version: 2025-11-25\r\n"
#define TW_MODERN(m) "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: " m "\r\n"
#define TW_NAME(n) "Mcp-Name: " n "\r\n"
#define TW_META "\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\"," \
	"\"io.modelcontextprotocol/clientCapabilities\":{}}"
#define TW_RPC(m, p) "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"" m "\",\"params\":{" p "}}"
#define TW_CALL(n, args) TW_RPC("tools/call", "\"name\":\"" n "\",\"arguments\":" args)

#endif

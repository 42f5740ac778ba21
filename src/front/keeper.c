/* What keeper says: static tokens, key sets, tickets, sessions. */
#include "http/answer.h"
#include "front/front.h"

#include "os/role.h"

#include <sys/socket.h>
#include <unistd.h>

static bool
token_put(struct sp_front *f, sp_slice body)
{
	struct sp_m_token m;
	struct sp_static_token t;

	if (!sp_dec_token(body, &m))
		return false;
	t = (struct sp_static_token){ .name = m.name, .client_id = m.client_id, .scopes = m.scopes, .tags = m.tags,
	    .expires_s = m.expires_s };
	memcpy(t.hash, m.hash, sizeof t.hash);
	if (sp_verifier_put(f->verifier, &t) != SP_OK)
		sp_log(SP_ERROR, "token.no_room", SP_S("name", m.name));
	return true;
}

static bool
statement_key(struct sp_front *f, sp_slice body)
{
	struct sp_m_hash m;

	return sp_dec_hash(body, &m) && sp_verifier_statement_key(f->verifier, m.hash) == SP_OK &&
	    sp_sessions_key(&f->sessions, m.hash) == SP_OK;
}

static bool
keys(struct sp_front *f, sp_slice body)
{
	struct sp_m_keys m;
	struct sp_err e = { 0 };

	if (!sp_dec_keys(body, &m) || m.authority >= f->img->head->authorities.n)
		return false;
	if (sp_verifier_keys(f->verifier, m.authority, (enum sp_status)m.status, m.text, &e) != SP_OK)
		sp_log(SP_ERROR, "keys.unusable", SP_U("authority", m.authority), SP_C("reason", e.log));
	sp_ask_keys_came(f, m.authority);
	return true;
}

static bool
ticket(struct sp_front *f, sp_slice body)
{
	struct sp_m_ticket m;

	return sp_dec_ticket(body, &m) && sp_ask_answered(f, &m);
}

/* The request that waits for this; NULL: it is over. */
static struct sp_conn *
waiting(struct sp_front *f, uint32_t id, enum sp_wait wait)
{
	struct sp_conn *c = sp_hub_find(&f->hub, id);
	struct sp_req *q = c == NULL ? NULL : sp_req_of(c);

	if (q == NULL || q->wait != wait)
		return NULL;
	q->wait = SP_WAIT_NONE;
	return c;
}

static bool
is_visible(unsigned char c)
{
	return c > 0x20 && c < 0x7f;
}

static bool
session(struct sp_front *f, sp_slice body)
{
	struct sp_m_session m;
	struct sp_conn *c;

	if (!sp_dec_session(body, &m))
		return false;
	if (m.status == SP_OK && (m.text.n == 0 || m.text.n > SP_SESSION_TEXT_MAX || sp_span(m.text, is_visible) != m.text.n))
		return false;
	c = waiting(f, m.id, SP_WAIT_SESSION);
	if (c == NULL)
		return true;
	if (m.status == SP_OK)
		sp_reply_session(c, m.text);
	else
		sp_reply_rpc(c, SP_E_UNAVAILABLE, (sp_slice){ NULL, 0 }, 1);
	return true;
}

static bool
session_ended(struct sp_front *f, sp_slice body)
{
	struct sp_answer a = { .status = 204 };
	struct sp_m_id m;
	struct sp_conn *c;

	if (!sp_dec_id(body, &m))
		return false;
	c = waiting(f, m.id, SP_WAIT_SESSION_END);
	if (c != NULL)
		sp_conn_answer(c, &a, NULL, 0);
	return true;
}

static bool
session_gone(struct sp_front *f, sp_slice body)
{
	struct sp_m_session_end m;

	if (!sp_dec_session_end(body, &m))
		return false;
	sp_session_gone(&f->sessions, m.session, m.expires_s, sp_now_s());
	sp_streams_session_gone(f, m.session);
	return true;
}

static bool
token_del(struct sp_front *f, sp_slice body)
{
	struct sp_m_hash m;

	if (!sp_dec_hash(body, &m))
		return false;
	sp_verifier_del(f->verifier, m.hash);
	return true;
}

static bool
token_sync(struct sp_front *f, sp_slice body)
{
	sp_verifier_synced(f->verifier);
	return true;
}

static const struct { enum sp_msg type; bool (*take)(struct sp_front *f, sp_slice body); } rows[] = {
	{ SP_M_TOKEN_PUT, token_put },
	{ SP_M_TOKEN_DEL, token_del },
	{ SP_M_TOKEN_SYNC, token_sync },
	{ SP_M_STATEMENT_KEY, statement_key },
	{ SP_M_KEYS, keys },
	{ SP_M_TICKET, ticket },
	{ SP_M_SESSION, session },
	{ SP_M_SESSION_ENDED, session_ended },
	{ SP_M_SESSION_GONE, session_gone },
};

static bool
on_message(void *ctx, struct sp_chan *ch, unsigned type, sp_slice body, const int *fds, unsigned nfds)
{
	for (size_t i = 0; i < SP_COUNT(rows); i++)
		if ((unsigned)rows[i].type == type)
			return rows[i].take(ctx, body);
	return false;
}

/* Who waits for a session waits in vain; the questions about credentials are asked again when another keeper comes. */
static void
fail_sessions(struct sp_front *f)
{
	struct sp_conn *c, *next;

	for (c = f->hub.busy.first; c != NULL; c = next) {
		struct sp_req *q = c->req;

		next = c->next;
		if (q != NULL && (q->wait == SP_WAIT_SESSION || q->wait == SP_WAIT_SESSION_END))
			c->hub->svc->late(c);
	}
}

static void
on_closed(void *ctx, struct sp_chan *ch, const char *why)
{
	struct sp_front *f = ctx;

	if (why != NULL)
		sp_log(SP_ERROR, "keeper.offence", SP_C("why", why));
	if (ch == f->descriptors) {
		sp_chan_free(&f->descriptors);
	} else {
		sp_chan_free(&f->keeper);
		fail_sessions(f);
	}
	if (f->lost != NULL)
		f->lost(f->done_ctx, SP_KEEPER, 0);
}

static const struct sp_chan_ops ops = { on_message, on_closed };

void
sp_keeper_close(struct sp_front *f)
{
	if (f->keeper != NULL)
		sp_chan_free(&f->keeper);
	if (f->descriptors != NULL)
		sp_chan_free(&f->descriptors);
}

enum sp_status
sp_keeper_link(struct sp_front *f, int fd)
{
	int type = 0;
	socklen_t n = sizeof type;
	enum sp_status st;

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) != 0) {
		close(fd);
		return SP_E_SYSTEM;
	}
	if (type == SOCK_SEQPACKET) {
		if (f->descriptors != NULL)
			sp_chan_free(&f->descriptors);
		return sp_chan_new(f->loop, fd, SP_CHAN_PACKET, SP_FRONT, SP_KEEPER, &ops, f, &f->descriptors);
	}
	if (f->keeper != NULL)
		sp_chan_free(&f->keeper);
	st = sp_chan_new(f->loop, fd, SP_CHAN_STREAM, SP_FRONT, SP_KEEPER, &ops, f, &f->keeper);
	if (st != SP_OK)
		return st;
	sp_chan_set_wipe(f->keeper);	/* parts of tokens pass through it */
	sp_verifier_announced(f->verifier);
	sp_ask_restart(f);
	return SP_OK;
}

#include "front/manage.h"
#include "http/answer.h"

#include "base/ct.h"
#include "crypto/crypto.h"
#include "wire/json.h"
#include "wire/uri.h"

#include <unistd.h>

enum {
	HEAD_MAX = 16384, BODY_MAX = 65536, CONNECTIONS = 64, HEAD_MS = 10000, BODY_MS = 30000, IDLE_MS = 60000,
	ASK_MS = 10000, LINES_DEFAULT = 50, LINES_MAX = 1000, NAME_MAX_BYTES = 128, QUESTION_MAX = 1024
};

static const sp_slice nothing = { NULL, 0 };

/* ---------------------------------------------------------------- routes */

static const struct route {
	enum sp_method method;
	const char *allow;
	sp_slice path;
	bool named;			/* the last segment is a name */
	enum sp_admin_op op;
} routes[] = {
	{ SP_GET, "GET", SP_LIT_INIT("/health"), false, SP_ADMIN_HEALTH },
	{ SP_GET, "GET", SP_LIT_INIT("/tokens"), false, SP_ADMIN_TOKEN_LIST },
	{ SP_DELETE, "DELETE", SP_LIT_INIT("/tokens/"), true, SP_ADMIN_TOKEN_REVOKE },
	{ SP_GET, "GET", SP_LIT_INIT("/audit"), false, SP_ADMIN_AUDIT_TAIL },
	{ SP_GET, "GET", SP_LIT_INIT("/tools"), false, SP_ADMIN_TOOLS },
};

static enum sp_status
read_name(struct sp_arena *a, sp_slice text, sp_slice *name)
{
	char *buf = sp_arena_get(a, NAME_MAX_BYTES);
	struct sp_out o;

	if (buf == NULL)
		return SP_E_TOO_BIG;
	sp_out_init(&o, buf, NAME_MAX_BYTES);
	if (sp_has_byte(text, '/') || !sp_pct_decode(&o, text) || o.full || o.n == 0)
		return SP_E_BAD_REQUEST;
	for (size_t i = 0; i < o.n; i++)
		if (sp_is_ctl((unsigned char)o.p[i]))
			return SP_E_BAD_REQUEST;
	*name = sp_out_view(&o);
	return SP_OK;
}

static enum sp_status
read_lines(sp_slice query, uint32_t *lines)
{
	uint64_t v = LINES_DEFAULT;

	if (query.n != 0 && (!sp_take(&query, SP_LIT("lines=")) || !sp_take_u64(&query, LINES_MAX, &v)))
		return SP_E_BAD_REQUEST;
	if (query.n != 0 || v == 0)
		return SP_E_BAD_REQUEST;
	*lines = (uint32_t)v;
	return SP_OK;
}

enum sp_status
sp_manage_route(struct sp_arena *a, const struct sp_http_head *head, struct sp_manage_ask *out, const char **allow)
{
	for (size_t i = 0; i < SP_COUNT(routes); i++) {
		const struct route *r = &routes[i];

		if (r->named ? !sp_starts(head->path, r->path) : !sp_eq(head->path, r->path))
			continue;
		*allow = r->allow;
		if (head->method != r->method)
			return SP_E_METHOD;
		*out = (struct sp_manage_ask){ .op = r->op };
		if (r->named)
			return read_name(a, sp_sub(head->path, r->path.n, SIZE_MAX), &out->name);
		return r->op == SP_ADMIN_AUDIT_TAIL ? read_lines(head->query, &out->lines) : SP_OK;
	}
	return SP_E_NOT_FOUND;
}

/* ---------------------------------------------------------------- requests */

static struct sp_manage *
manage_of(const struct sp_conn *c)
{
	return c->hub->ctx;
}

static bool
has_key(const struct sp_manage *m, const struct sp_http_head *head)
{
	unsigned n;
	const struct sp_http_field *f = sp_http_find(head, SP_LIT("x-management-key"), &n);
	uint8_t hash[32];

	if (n != 1)
		return false;
	sp_sha256(f->value, hash);
	return sp_ct_eq(hash, m->key, sizeof hash);
}

static enum sp_take
on_head(struct sp_conn *c)
{
	struct sp_manage *m = manage_of(c);
	const struct sp_http_head *head = &c->w->http.head;
	struct sp_manage_ask *ask = sp_arena_get(&c->w->arena, sizeof *ask);
	const char *allow = NULL;
	enum sp_status st;

	if (ask == NULL || m->keeper == NULL || !m->has_key)
		st = SP_E_UNAVAILABLE;
	else if (!has_key(m, head))
		st = SP_E_NO_TOKEN;
	else
		st = sp_manage_route(&c->w->arena, head, ask, &allow);
	if (st == SP_OK) {
		c->req = ask;
		return SP_TAKE_BODY;
	}
	if (st == SP_E_NO_TOKEN && sp_hub_may_log(c->hub))
		sp_log(SP_WARN, "manage.refused", SP_C("reason", "no key, or a wrong one"));
	if (st == SP_E_METHOD)
		sp_answer_method(c, sp_str(allow));
	else
		sp_answer_status(c, st, nothing);
	return SP_TAKE_DONE;
}

static void
on_body(struct sp_conn *c)
{
	struct sp_manage *m = manage_of(c);
	const struct sp_manage_ask *ask = c->req;
	struct sp_m_ask q = { .id = sp_conn_request(c), .op = (uint32_t)ask->op };
	char buf[QUESTION_MAX];
	struct sp_out o;

	if (m->keeper == NULL) {
		sp_answer_status(c, SP_E_UNAVAILABLE, nothing);
		return;
	}
	sp_out_init(&o, buf, sizeof buf);
	if (ask->name.n != 0) {
		sp_out_str(&o, "{\"name\":");
		sp_jout_str(&o, ask->name);
		sp_out_byte(&o, '}');
	} else if (ask->lines != 0) {
		sp_out_fmt(&o, "{\"lines\":%u}", ask->lines);
	} else {
		sp_out_str(&o, "{}");
	}
	if (o.full) {
		sp_answer_status(c, SP_E_BAD_REQUEST, nothing);
		return;
	}
	q.body = sp_out_view(&o);
	sp_enc_ask(sp_chan_begin(m->keeper, SP_M_ASK), &q);
	sp_chan_end(m->keeper);
	sp_conn_park(c, ASK_MS);
}

static void
on_late(struct sp_conn *c)
{
	sp_answer_status(c, SP_E_UNAVAILABLE, nothing);
}

static void
on_nothing(struct sp_conn *c)
{
}

static const struct sp_service service = {
	.head = on_head, .body = on_body, .late = on_late, .sent = on_nothing, .end = on_nothing,
};

/* ---------------------------------------------------------------- keeper */

static void
answer(struct sp_conn *c, const struct sp_m_answer *m)
{
	const struct sp_manage_ask *ask = c->req;
	unsigned http = m->status == SP_OK ? 200 : sp_errinfo((enum sp_status)m->status)->http;
	struct sp_answer a = { .status = http == 0 ? 500 : http, .type = SP_JSON_TYPE };
	bool object = m->body.n != 0 && (m->body.p[0] == '{' || m->body.p[0] == '[');

	/* An error travels as a sentence, or as an object of keeper's own making. */
	if (m->status != SP_OK && !object) {
		sp_answer_status(c, (enum sp_status)m->status, m->body);
		return;
	}
	if (ask->op == SP_ADMIN_AUDIT_TAIL)
		a.type = SP_LIT("text/plain; charset=utf-8");	/* one JSON object a line */
	if (a.status == 503)
		a.retry_after_s = 1;
	sp_conn_answer(c, &a, &m->body, 1);
}

static bool
keeper_message(void *ctx, struct sp_chan *ch, unsigned type, sp_slice body, const int *fds, unsigned nfds)
{
	struct sp_manage *m = ctx;
	struct sp_m_answer got;
	struct sp_m_hash key;
	struct sp_conn *c;

	switch (type) {
	case SP_M_MANAGE_KEY:
		if (!sp_dec_hash(body, &key))
			return false;
		memcpy(m->key, key.hash, sizeof m->key);
		m->has_key = true;
		return true;
	case SP_M_ANSWER:
		if (!sp_dec_answer(body, &got))
			return false;
		c = sp_hub_find(&m->hub, got.id);
		if (c != NULL && c->state == SP_CONN_PARKED)
			answer(c, &got);
		return true;
	case SP_M_TOKEN_PUT:		/* for those who verify tokens */
	case SP_M_TOKEN_DEL:
	case SP_M_TOKEN_SYNC:
		return true;
	default:
		return false;
	}
}

static void
keeper_closed(void *ctx, struct sp_chan *ch, const char *why)
{
	struct sp_manage *m = ctx;
	struct sp_conn *c, *next;

	if (why != NULL)
		sp_log(SP_ERROR, "keeper.offence", SP_C("why", why));
	sp_chan_free(&m->keeper);
	m->has_key = false;
	for (c = m->hub.busy.first; c != NULL; c = next) {
		next = c->next;
		if (c->state == SP_CONN_PARKED)
			sp_answer_status(c, SP_E_UNAVAILABLE, nothing);
	}
}

static const struct sp_chan_ops keeper_ops = { keeper_message, keeper_closed };

/* ---------------------------------------------------------------- dialer */

static bool
dialer_message(void *ctx, struct sp_chan *ch, unsigned type, sp_slice body, const int *fds, unsigned nfds)
{
	struct sp_manage *m = ctx;

	if (type != SP_M_CONNECTION || nfds != 1)
		return false;
	if (m->hub.draining)
		close(fds[0]);
	else if (sp_hub_adopt(&m->hub, fds[0], 0) != SP_OK)
		sp_log(SP_ERROR, "manage.no_room", SP_U("connections", m->hub.nconn));
	return true;
}

static void
dialer_closed(void *ctx, struct sp_chan *ch, const char *why)
{
	struct sp_manage *m = ctx;

	if (why != NULL)
		sp_log(SP_ERROR, "dialer.offence", SP_C("why", why));
	sp_chan_free(&m->dialer);
}

static const struct sp_chan_ops dialer_ops = { dialer_message, dialer_closed };

/* ---------------------------------------------------------------- beginning and end */

enum sp_status
sp_manage_peer(struct sp_manage *m, enum sp_role role, int fd)
{
	if (role == SP_KEEPER) {
		if (m->keeper != NULL)
			keeper_closed(m, m->keeper, NULL);
		return sp_chan_new(m->loop, fd, SP_CHAN_STREAM, SP_MANAGE, SP_KEEPER, &keeper_ops, m, &m->keeper);
	}
	if (role == SP_DIALER) {
		if (m->dialer != NULL)
			sp_chan_free(&m->dialer);
		return sp_chan_new(m->loop, fd, SP_CHAN_PACKET, SP_MANAGE, SP_DIALER, &dialer_ops, m, &m->dialer);
	}
	close(fd);
	return SP_E_BUG;
}

static void
on_empty(void *ctx)
{
	struct sp_manage *m = ctx;

	if (m->done != NULL)
		m->done(m->done_ctx);
}

enum sp_status
sp_manage_init(struct sp_manage *m, uv_loop_t *loop, struct sp_hash_key seed, struct sp_err *e)
{
	const struct sp_hub_limits lim = { HEAD_MAX, BODY_MAX, CONNECTIONS, HEAD_MS, BODY_MS, IDLE_MS };
	enum sp_status st;

	*m = (struct sp_manage){ .loop = loop };
	st = sp_hub_init(&m->hub, loop, &service, m, lim, seed, e);
	m->hub.empty = on_empty;
	return st;
}

void
sp_manage_close(struct sp_manage *m)
{
	sp_hub_close(&m->hub);
	if (m->keeper != NULL)
		sp_chan_free(&m->keeper);
	if (m->dialer != NULL)
		sp_chan_free(&m->dialer);
}

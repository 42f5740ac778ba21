/* One fetch: the metadata where it may lie, then the key set; each request over a connection of its own. */
#include "egress/authority_int.h"

#include "base/log.h"
#include "jose/keyset_write.h"

#include <stdio.h>
#include <unistd.h>

static void next(struct sp_authority *a);

/* --- ends */

static void
over(struct sp_authority *a, const char *why)
{
	a->running = false;
	uv_timer_stop(&a->deadline);
	uv_timer_stop(&a->turn);
	sp_pool_free(&a->pool);
	sp_authority_fetched(a, why);
}

static void
on_deadline(uv_timer_t *t)
{
	over(t->data, "no whole answer in time");
}

static void
on_turn(uv_timer_t *t)
{
	struct sp_authority *a = t->data;

	sp_pool_free(&a->pool);
	next(a);
}

static void
blame(struct sp_authority *a, const char *why)
{
	if (a->why[0] == '\0')
		(void)snprintf(a->why, sizeof a->why, "%.319s", why);
}

/* --- the pool's questions */

static enum sp_status
on_head(void *ctx, struct sp_pool_job *job, struct sp_out *o)
{
	struct sp_authority *a = ctx;
	char buf[300];
	struct sp_out origin;
	sp_slice host;

	sp_out_init(&origin, buf, sizeof buf);
	sp_uri_origin(&origin, &a->to);
	host = sp_out_view(&origin);
	(void)sp_take(&host, a->to.https ? SP_LIT("https://") : SP_LIT("http://"));
	sp_out_str(o, "GET ");
	sp_out_add(o, a->path, a->path_n);
	sp_out_str(o, " HTTP/1.1\r\nHost: ");
	sp_out_slice(o, host);
	sp_out_str(o, "\r\nUser-Agent: sallyport\r\nAccept-Encoding: identity\r\nAccept: application/json, "
	    "application/jwk-set+json\r\nConnection: close\r\n\r\n");
	return o->full || origin.full ? SP_E_TOO_BIG : SP_OK;
}

static void
read_metadata(struct sp_authority *a, sp_slice body)
{
	struct sp_err e = { 0 };
	struct sp_out uri;

	sp_out_init(&uri, a->uri, sizeof a->uri);
	if (sp_authority_metadata(body, sp_img_str(a->cfg.img, a->me->issuer), &uri, &e) != SP_OK) {
		blame(a, e.log);
		a->location++;
		return;
	}
	a->uri_n = uri.n;
	a->step = SP_FETCH_KEYS;
}

static void
report(const struct sp_authority *a, const struct sp_keyset_report *r)
{
	if (r->dropped != 0)
		sp_log(SP_WARN, "keys.dropped", SP_S("authority", a->name), SP_U("keys", r->dropped), SP_C("why", r->why));
	if (r->with_private != 0)
		sp_log(SP_ERROR, "keys.private", SP_S("authority", a->name), SP_U("keys", r->with_private),
		    SP_C("why", "the authority publishes private keys; only their public parts are used"));
}

/* Into a->incoming; else a->why says why not. */
static void
read_keys(struct sp_authority *a, const struct sp_pool_answer *ans)
{
	struct sp_keyset_report r;
	struct sp_err e = { 0 };
	enum sp_status st;

	sp_out_free(&a->incoming);
	sp_out_heap(&a->incoming, SP_AUTHORITY_BODY);
	st = sp_keyset_public(ans->body, &a->incoming, &r, &e);
	report(a, &r);
	a->fresh_s = sp_authority_fresh_s(ans->head);
	if (st != SP_OK)
		blame(a, e.log);
}

static void
on_ended(uv_timer_t *t)
{
	struct sp_authority *a = t->data;

	over(a, a->why[0] == '\0' ? NULL : a->why);
}

/* Not from inside the pool, which goes with its request. */
static void
end_soon(struct sp_authority *a)
{
	uv_timer_start(&a->turn, on_ended, 0, 0);
}

static void
on_answer(void *ctx, struct sp_pool_job *job, const struct sp_pool_answer *ans)
{
	struct sp_authority *a = ctx;

	a->status = ans->status;
	if (a->step == SP_FETCH_METADATA) {
		if (ans->status == 200)
			read_metadata(a, ans->body);
		else
			a->location++;
		uv_timer_start(&a->turn, on_turn, 0, 0);
		return;
	}
	a->why[0] = '\0';
	if (ans->status == 200)
		read_keys(a, ans);
	else				/* C05: a redirect is no answer either */
		(void)snprintf(a->why, sizeof a->why, "the key set's place answers with status %u", ans->status);
	end_soon(a);
}

static void
on_failed(void *ctx, struct sp_pool_job *job, enum sp_pool_fault fault, enum sp_status st, unsigned status, const char *why)
{
	struct sp_authority *a = ctx;

	a->why[0] = '\0';
	blame(a, why);
	end_soon(a);
}

static bool
on_dial(void *ctx, uint32_t id, uint32_t origin)
{
	struct sp_authority *a = ctx;
	struct sp_m_dial_host host = { .port = a->to.port, .https = a->to.https, .host = a->to.host };
	struct sp_m_dial own = { 0 };
	bool is_own = sp_uri_same_origin(&a->to, &a->own);
	char buf[320];
	struct sp_out o;

	if (a->dialer == NULL)
		return false;
	/* The pool goes and comes again; these numbers do not. */
	host.id = own.id = ++a->dials;
	a->pool_dial = id;
	sp_out_init(&o, buf, sizeof buf);
	if (is_own)
		sp_enc_dial(&o, &own);
	else
		sp_enc_dial_host(&o, &host);
	return !o.full && sp_chan_send(a->dialer, is_own ? SP_M_DIAL : SP_M_DIAL_HOST, sp_out_view(&o), NULL, 0) == SP_OK;
}

/* --- requests */

static void
request(struct sp_authority *a)
{
	static const struct sp_pool_ops ops = { .head = on_head, .answer = on_answer, .failed = on_failed, .dial = on_dial };
	const struct sp_pool_origin at = { a->to.https ? a->cfg.tls : NULL, a->to.host, a->to.kind != SP_HOST_NAME };
	struct sp_pool_config cfg = { .loop = a->cfg.loop, .origins = &at, .norigins = 1, .limit_answer = SP_AUTHORITY_BODY,
	    .ops = &ops, .ctx = a };
	struct sp_err e = { 0 };

	if (a->to.https != (at.tls != NULL)) {
		over(a, "TLS is not set up");
		return;
	}
	if (sp_pool_new(&cfg, &a->pool, &e) != SP_OK) {
		over(a, "no memory for a connection");
		return;
	}
	a->job = (struct sp_pool_job){ .identity = 1, .safe = true };
	if (sp_pool_submit(a->pool, &a->job) != SP_OK)
		over(a, "no room for the request");
}

static bool
set_path(struct sp_authority *a, sp_slice path, sp_slice query, bool has_query)
{
	struct sp_out o;

	sp_out_init(&o, a->path, sizeof a->path);
	if (path.n == 0)
		sp_out_byte(&o, '/');
	sp_out_slice(&o, path);
	if (has_query)
		sp_out_byte(&o, '?');
	sp_out_slice(&o, query);
	a->path_n = o.n;
	return !o.full;
}

/* C12: whoever can change the metadata can change who signs; the operator hears of it. */
static void
note_host(struct sp_authority *a)
{
	char host[sizeof a->keys_host];

	if (!sp_cstr(a->to.host, host, sizeof host) || sp_eq_nocase(sp_str(host), sp_str(a->keys_host)))
		return;
	sp_log(SP_WARN, "keys.host_changed", SP_S("authority", a->name), SP_C("before", a->keys_host), SP_C("now", host));
	memcpy(a->keys_host, host, sizeof host);
}

static const char *
aim_at_metadata(struct sp_authority *a)
{
	struct sp_out o;

	a->to = a->own;
	sp_out_init(&o, a->path, sizeof a->path);
	if (!sp_authority_location(sp_img_str(a->cfg.img, a->me->path), a->location, &o)) {
		if (a->why[0] == '\0')
			(void)snprintf(a->why, sizeof a->why, "no metadata: its last place answers with status %u", a->status);
		return a->why;
	}
	a->path_n = o.n;
	return o.full ? "the issuer is too long" : NULL;
}

static const char *
aim_at_keys(struct sp_authority *a)
{
	const sp_slice none = { NULL, 0 };

	if (a->me->url.n != 0) {
		a->to = a->own;
		return set_path(a, sp_img_str(a->cfg.img, a->me->path), none, false) ? NULL : "its URL is too long";
	}
	if (sp_uri_read(sp_mem(a->uri, a->uri_n), &a->to, NULL) != SP_OK ||
	    !set_path(a, a->to.path, a->to.query, a->to.has_query))
		return "jwks_uri is no URL";
	note_host(a);
	return NULL;
}

static void
next(struct sp_authority *a)
{
	const char *why = a->step == SP_FETCH_METADATA ? aim_at_metadata(a) : aim_at_keys(a);

	if (why == NULL)
		request(a);
	else
		over(a, why);
}

void
sp_authority_fetch(struct sp_authority *a)
{
	if (a->running)
		return;
	a->running = a->tried = true;
	a->began_ms = uv_now(a->cfg.loop);
	a->step = a->me->url.n != 0 ? SP_FETCH_KEYS : SP_FETCH_METADATA;
	a->location = 0;
	a->why[0] = '\0';
	sp_count(a->cfg.counters, a->cfg.row, SP_C_KEY_FETCHES_TOTAL, 1);
	uv_timer_stop(&a->due);
	uv_timer_start(&a->deadline, on_deadline, SP_AUTHORITY_FETCH_MS, 0);
	next(a);
}

void
sp_authority_fetch_init(struct sp_authority *a)
{
	const struct sp_img_authority *me = a->me;

	a->own = (struct sp_uri){ .https = me->https != 0, .host = sp_img_str(a->cfg.img, me->host),
	    .kind = (enum sp_host_kind)me->host_kind, .port = (uint16_t)me->port,
	    .has_port = me->port != (me->https != 0 ? 443 : 80) };
	if (!sp_cstr(a->own.host, a->keys_host, sizeof a->keys_host))
		a->keys_host[0] = '\0';
}

/* --- dialer */

static bool
on_dialed(struct sp_authority *a, sp_slice body, int fd)
{
	struct sp_m_dialed m;

	if (!sp_dec_dialed(body, &m)) {
		close(fd);
		return false;
	}
	if (a->pool == NULL || m.id != a->dials)
		close(fd);		/* for a request that is over */
	else
		sp_pool_dialed(a->pool, a->pool_dial, fd);
	return true;
}

static bool
dialer_message(void *ctx, struct sp_chan *ch, unsigned type, sp_slice body, const int *fds, unsigned nfds)
{
	struct sp_authority *a = ctx;
	struct sp_m_dial_error m;
	char why[160];

	if (type == SP_M_DIALED)
		return on_dialed(a, body, fds[0]);
	if (type != SP_M_DIAL_ERROR || !sp_dec_dial_error(body, &m) ||
	    !sp_cstr(sp_sub(m.text, 0, sizeof why - 1), why, sizeof why))
		return false;
	if (a->pool != NULL && m.id == a->dials)
		sp_pool_dial_failed(a->pool, a->pool_dial, why);
	return true;
}

static void
dialer_closed(void *ctx, struct sp_chan *ch, const char *why)
{
	struct sp_authority *a = ctx;

	if (why != NULL)
		sp_log(SP_ERROR, "peer.lost", SP_C("role", "dialer"), SP_C("why", why));
	if (a->dialer == ch)
		sp_chan_free(&a->dialer);
}

enum sp_status
sp_authority_dialer(struct sp_authority *a, int fd)
{
	static const struct sp_chan_ops ops = { dialer_message, dialer_closed };
	enum sp_status st;

	sp_chan_free(&a->dialer);
	st = sp_chan_new(a->cfg.loop, fd, SP_CHAN_PACKET, SP_EGRESS, SP_DIALER, &ops, a, &a->dialer);
	if (st == SP_OK && a->pool != NULL)
		sp_pool_dialer(a->pool);
	return st;
}

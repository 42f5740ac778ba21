#include "egress/endpoint.h"

#include "base/log.h"
#include "crypto/sign.h"
#include "ipc/channel.h"
#include "oauth/introspect.h"
#include "oauth/statement.h"
#include "os/role.h"
#include "outbound/scrub.h"
#include "wire/uri.h"

#include <stdlib.h>
#include <unistd.h>

enum { TICK_MS = 250, LEEWAY_S = 30, ARENA = 4 << 20, LINES = 20 };	/* LINES: of the log, a second */

/* One token. */
struct question {
	struct sp_pool_job job;		/* the first member: the pool gives it back */
	struct question *next;
	uint32_t id;			/* keeper's */
	uint32_t resource;		/* that the token was shown to */
	uint64_t until_ms;
	char	*body;			/* locked */
	uint8_t	 mark[8];		/* of the token, for the log */
};

struct sp_endpoint {
	struct sp_endpoint_config cfg;
	const struct sp_img_authority *me;
	const struct sp_img_source *source;
	struct sp_chan *keeper, *dialer;
	struct sp_pool *pool;
	struct sp_secret *secret, *coming;	/* coming: until all has been sent */
	struct sp_scrub *scrub;			/* NULL: the secret is a key, which is never sent */
	uint32_t identity;			/* one more with every secret */
	sp_slice *audiences;
	struct question *questions;
	uint32_t nquestions;
	struct sp_arena arena;
	uv_timer_t tick;
	uint64_t second_ms;
	uint32_t lines;
};

/* ---------------------------------------------------------------- what keeper is told */

static void
say(struct sp_endpoint *ep, const struct sp_m_introspected *m)
{
	if (ep->keeper == NULL)
		return;
	sp_enc_introspected(sp_chan_begin(ep->keeper, SP_M_INTROSPECTED), m);
	sp_chan_end(ep->keeper);
}

static void
say_no(struct sp_endpoint *ep, uint32_t id, enum sp_status st)
{
	say(ep, &(struct sp_m_introspected){ .id = id, .status = st == SP_E_BAD_TOKEN ? SP_E_BAD_TOKEN : SP_E_UNAVAILABLE });
}

/* Whoever sends us tokens at random does not fill the log. */
static bool
may_log(struct sp_endpoint *ep)
{
	uint64_t now = uv_now(ep->cfg.loop);

	if (now - ep->second_ms >= 1000) {
		ep->second_ms = now;
		ep->lines = 0;
	}
	return ep->lines++ < LINES;
}

static void
note(struct sp_endpoint *ep, const struct question *q, enum sp_status st, const char *why)
{
	char mark[17];
	struct sp_out o;

	if (st != SP_E_BAD_TOKEN)
		sp_count(ep->cfg.counters, ep->cfg.row, SP_C_INTROSPECTION_ERRORS_TOTAL, 1);
	if (!may_log(ep))
		return;
	sp_out_init(&o, mark, sizeof mark);
	sp_out_hex(&o, q->mark, sizeof q->mark);
	sp_log(SP_WARN, st == SP_E_BAD_TOKEN ? "introspection.refused" : "introspection.failed",
	    SP_S("source", sp_img_str(ep->cfg.img, ep->source->name)), SP_S("token", sp_out_view(&o)), SP_C("why", why));
}

static void
drop(struct sp_endpoint *ep, struct question *q)
{
	for (struct question **at = &ep->questions; *at != NULL; at = &(*at)->next) {
		if (*at != q)
			continue;
		*at = q->next;
		ep->nquestions--;
		break;
	}
	sp_locked_free(q->body);
	free(q);
}

static void
fail(struct sp_endpoint *ep, struct question *q, enum sp_status st, const char *why)
{
	note(ep, q, st, why);
	say_no(ep, q->id, st);
	drop(ep, q);
}

/* ---------------------------------------------------------------- answers */

/* The names of the bits: what the configuration does not mention has none. */
static void
name_scopes(const struct sp_image *img, const struct sp_who *w, struct sp_out *list)
{
	for (uint32_t i = 0; i < img->head->scopes.n; i++)
		if (sp_bit(w->scopes, SP_WHO_WORDS, i))
			sp_told_add(list, sp_img_str(img, SP_IMG_AT(img, img->head->scopes, scope, i)->name));
}

static void
name_tags(const struct sp_image *img, const struct sp_who *w, struct sp_out *list)
{
	for (uint32_t i = 0; i < img->head->tags.n; i++)
		if (sp_bit(w->tags, SP_WHO_WORDS, i))
			sp_told_add(list, sp_img_text(img, img->head->tags, i));
}

static enum sp_status
tell(struct sp_endpoint *ep, const struct question *q, const struct sp_who *w, struct sp_err *e)
{
	char scopes[SP_TOLD_LIST], tags[SP_TOLD_LIST];
	struct sp_out s, t;
	struct sp_told told;

	sp_out_init(&s, scopes, sizeof scopes);
	sp_out_init(&t, tags, sizeof tags);
	name_scopes(ep->cfg.img, w, &s);
	name_tags(ep->cfg.img, w, &t);
	told = (struct sp_told){ w->user, w->issuer, w->client_id, sp_out_view(&s), sp_out_view(&t), w->expires_s };
	if (s.full || t.full)
		return sp_fail(e, SP_E_UNAVAILABLE, NULL, "its scopes or tags that rules mention have over %d bytes", SP_TOLD_LIST);
	if (!sp_told_fits(&told))
		return sp_fail(e, SP_E_BAD_TOKEN, NULL, "user is empty or over %d bytes", SP_TOLD_TEXT);
	say(ep, &(struct sp_m_introspected){ .id = q->id, .status = SP_OK, .ends_s = told.ends_s, .user = told.user,
	    .issuer = told.issuer, .client_id = told.client_id, .scopes = told.scopes, .tags = told.tags });
	return SP_OK;
}

static enum sp_status
judge(struct sp_endpoint *ep, const struct question *q, const struct sp_pool_answer *ans, struct sp_err *e)
{
	const struct sp_image *img = ep->cfg.img;
	struct sp_claims_want want = { .issuer = sp_img_str(ep->cfg.img, ep->source->issuer),
	    .audiences = ep->audiences, .naudiences = ep->source->audiences.n, .now_s = sp_now_s(), .leeway_s = LEEWAY_S };
	int64_t exp_s = 0;
	enum sp_status st;
	sp_jval *claims;
	struct sp_who w;

	/* Threat row B01: what was given for one resource is not taken by another. */
	if (ep->source->own_audience != 0)
		want.resource = sp_img_str(img, SP_IMG_AT(img, img->head->resources, resource, q->resource)->url);
	/* C18: nothing of what repeats our secret is used or shown. */
	if (ep->scrub != NULL && !sp_scrub_clean(ep->scrub, ans->body)) {
		sp_count(ep->cfg.counters, ep->cfg.row, SP_C_INCIDENTS_TOTAL, 1);
		return sp_fail(e, SP_E_UNAVAILABLE, NULL, "the introspection endpoint's answer repeats client_secret (status %u)",
		    ans->status);
	}
	st = sp_introspect_judge(&ep->arena, ans->status, ans->body, &want, &claims, &exp_s, e);
	if (st != SP_OK)
		return st;
	if (exp_s <= want.now_s)
		return sp_fail(e, SP_E_BAD_TOKEN, NULL, "expired %lld s ago", (long long)(want.now_s - exp_s));
	sp_who_init(&w, ep->cfg.img, ep->me->source - 1);
	st = sp_introspect_who(&w, claims, exp_s, e);
	return st == SP_OK ? tell(ep, q, &w, e) : st;
}

static void
on_answer(void *ctx, struct sp_pool_job *job, const struct sp_pool_answer *ans)
{
	struct sp_endpoint *ep = ctx;
	struct question *q = (struct question *)job;
	struct sp_err e = { 0 };
	enum sp_status st = judge(ep, q, ans, &e);

	sp_arena_reset(&ep->arena);
	if (st == SP_OK)
		drop(ep, q);
	else
		fail(ep, q, st, e.log);
}

static void
on_failed(void *ctx, struct sp_pool_job *job, enum sp_pool_fault fault, enum sp_status st, unsigned status, const char *why)
{
	fail(ctx, (struct question *)job, SP_E_UNAVAILABLE, why);
}

static void
on_tick(uv_timer_t *t)
{
	struct sp_endpoint *ep = t->data;
	struct question *q, *next;

	for (q = ep->questions; q != NULL; q = next) {
		next = q->next;
		if (uv_now(ep->cfg.loop) < q->until_ms)
			continue;
		sp_pool_cancel(ep->pool, &q->job);
		fail(ep, q, SP_E_UNAVAILABLE, "no whole answer in time");
	}
	if (ep->questions == NULL)
		uv_timer_stop(t);
}

/* ---------------------------------------------------------------- questions */

static struct sp_introspect_client
client_of(const struct sp_endpoint *ep)
{
	sp_slice secret = sp_secret_peek(ep->secret);

	return (struct sp_introspect_client){ .how = sp_introspect_auth_of(secret), .secret = secret,
		.id = sp_img_str(ep->cfg.img, ep->me->client_id), .audience = sp_img_str(ep->cfg.img, ep->me->url) };
}

static enum sp_status
write_authorization(const struct sp_endpoint *ep, struct sp_out *o)
{
	struct sp_introspect_client c = client_of(ep);
	size_t room = sp_introspect_head_room(&c);
	struct sp_out value, scratch;
	char *mem;
	enum sp_status st;

	if (c.how != SP_INTROSPECT_BASIC)
		return SP_OK;
	mem = sp_locked_new(room);
	if (mem == NULL)
		return SP_E_FULL;
	sp_out_init(&scratch, mem, room);
	sp_out_str(o, "Authorization: ");
	value = *o;
	st = sp_introspect_authorization(&value, &scratch, &c, NULL);
	o->n = value.n;
	o->full = value.full;
	sp_out_str(o, "\r\n");
	sp_locked_free(mem);
	return st;
}

static void
write_host(const struct sp_endpoint *ep, struct sp_out *o)
{
	const struct sp_img_authority *a = ep->me;
	sp_slice host = sp_img_str(ep->cfg.img, a->host);
	bool v6 = a->host_kind == SP_HOST_IPV6;

	sp_out_str(o, v6 ? "[" : "");
	sp_out_slice(o, host);
	sp_out_str(o, v6 ? "]" : "");
	if (a->port != (a->https != 0 ? 443 : 80))
		sp_out_fmt(o, ":%u", a->port);
}

static enum sp_status
on_head(void *ctx, struct sp_pool_job *job, struct sp_out *o)
{
	const struct sp_endpoint *ep = ctx;

	if (ep->secret == NULL)
		return SP_E_UNAVAILABLE;
	sp_out_str(o, "POST ");
	sp_out_slice(o, sp_img_str(ep->cfg.img, ep->me->path));
	sp_out_str(o, " HTTP/1.1\r\nHost: ");
	write_host(ep, o);
	sp_out_fmt(o, "\r\nUser-Agent: sallyport\r\nAccept-Encoding: identity\r\nAccept: " SP_INTROSPECT_ACCEPT
	    "\r\nContent-Type: " SP_INTROSPECT_TYPE "\r\nContent-Length: %zu\r\n", job->body.n);
	if (write_authorization(ep, o) != SP_OK)
		return SP_E_FULL;
	sp_out_str(o, "\r\n");
	return o->full ? SP_E_TOO_BIG : SP_OK;
}

static bool
on_dial(void *ctx, uint32_t id, uint32_t origin)
{
	struct sp_endpoint *ep = ctx;
	char buf[16];
	struct sp_out o;

	if (ep->dialer == NULL)
		return false;
	sp_out_init(&o, buf, sizeof buf);
	sp_enc_dial(&o, &(struct sp_m_dial){ id, 0 });
	return sp_chan_send(ep->dialer, SP_M_DIAL, sp_out_view(&o), NULL, 0) == SP_OK;
}

/* The body may hold what proves who we are, and always a token. */
static enum sp_status
write_body(struct sp_endpoint *ep, struct question *q, sp_slice token, struct sp_err *e)
{
	struct sp_introspect_client c = client_of(ep);
	struct sp_introspect_moment when = { .now_s = sp_now_s() };
	size_t room = sp_introspect_body_room(&c, token);
	struct sp_out o;
	enum sp_status st;

	q->body = sp_locked_new(room);
	if (q->body == NULL)
		return sp_fail(e, SP_E_UNAVAILABLE, NULL, "no room in locked memory");
	sp_random_bytes(when.jti, sizeof when.jti);
	sp_out_init(&o, q->body, room);
	st = sp_introspect_body(&o, &c, token, &when, e);
	q->job.body = sp_out_view(&o);
	return st;
}

static enum sp_status
ask(struct sp_endpoint *ep, struct question *q, sp_slice token, struct sp_err *e)
{
	uint8_t hash[32];
	enum sp_status st;

	sp_sha256(token, hash);
	memcpy(q->mark, hash, sizeof q->mark);
	if (ep->secret == NULL)
		return sp_fail(e, SP_E_UNAVAILABLE, NULL, "client_secret is not there (yet)");
	if (ep->nquestions > SP_ENDPOINT_QUESTIONS)
		return sp_fail(e, SP_E_UNAVAILABLE, NULL, "too many tokens wait for this endpoint");
	st = write_body(ep, q, token, e);
	if (st != SP_OK)
		return st;
	/* RFC 7662 section 2.1: it changes nothing there, so it may be sent again. */
	q->job.safe = true;
	q->job.identity = ep->identity;
	sp_count(ep->cfg.counters, ep->cfg.row, SP_C_INTROSPECTIONS_TOTAL, 1);
	return SP_OK;
}

static void
take_question(struct sp_endpoint *ep, const struct sp_m_token_ask *m)
{
	struct question *q = calloc(1, sizeof *q);
	struct sp_err e = { 0 };
	enum sp_status st;

	if (q == NULL) {
		say_no(ep, m->id, SP_E_UNAVAILABLE);
		return;
	}
	q->id = m->id;
	q->resource = m->resource;
	q->until_ms = uv_now(ep->cfg.loop) + SP_ENDPOINT_MS;
	q->next = ep->questions;
	ep->questions = q;
	ep->nquestions++;
	uv_timer_start(&ep->tick, on_tick, TICK_MS, TICK_MS);
	st = ask(ep, q, m->token, &e);
	if (st != SP_OK)
		fail(ep, q, SP_E_UNAVAILABLE, e.log);
	else if (sp_pool_submit(ep->pool, &q->job) != SP_OK)
		fail(ep, q, SP_E_UNAVAILABLE, "too many tokens wait for this endpoint");
}

/* ---------------------------------------------------------------- what we are to it */

static void
take_secret(struct sp_endpoint *ep, sp_slice value)
{
	sp_secret_free(&ep->coming);
	ep->coming = sp_secret_new(value.n);
	if (ep->coming == NULL || sp_secret_set(ep->coming, value) != SP_OK)
		sp_log(SP_ERROR, "secret.not_kept", SP_C("why", "no room in locked memory"));
}

/* A key is never sent, so that no answer can repeat it; one that does not sign is said at once. */
static bool
is_fit(struct sp_endpoint *ep, struct sp_err *e)
{
	struct sp_scrub_value v = { ep->coming, false };
	struct sp_scrub *fresh = NULL;
	enum sp_alg alg;

	if (sp_introspect_auth_of(sp_secret_peek(ep->coming)) == SP_INTROSPECT_JWT) {
		if (sp_pem_alg(sp_secret_peek(ep->coming), &alg, e) != SP_OK)
			return false;
	} else if (sp_scrub_new(&v, 1, &fresh, e) != SP_OK) {
		return false;
	}
	sp_scrub_free(&ep->scrub);
	ep->scrub = fresh;
	return true;
}

static void
use_secret(struct sp_endpoint *ep)
{
	struct sp_err e = { 0 };

	if (ep->coming != NULL && !is_fit(ep, &e)) {
		sp_log(SP_ERROR, "source.secret_unfit", SP_S("source", sp_img_str(ep->cfg.img, ep->source->name)),
		    SP_S("ref", sp_img_str(ep->cfg.img, ep->me->client_secret)), SP_C("why", e.log));
		sp_secret_free(&ep->coming);
	}
	sp_secret_free(&ep->secret);
	ep->secret = ep->coming;
	ep->coming = NULL;
	ep->identity++;
	sp_pool_retire(ep->pool);
}

/* ---------------------------------------------------------------- peers */

static bool
keeper_message(void *ctx, struct sp_chan *ch, unsigned type, sp_slice body, const int *fds, unsigned nfds)
{
	struct sp_endpoint *ep = ctx;
	struct sp_m_token_ask ask;
	struct sp_m_secret secret;

	if (type == SP_M_INTROSPECT) {
		if (!sp_dec_token_ask(body, &ask) || ask.source + 1 != ep->me->source ||
		    ask.resource >= ep->cfg.img->head->resources.n)
			return false;
		take_question(ep, &ask);
	} else if (type == SP_M_SECRET) {
		if (!sp_dec_secret(body, &secret) || secret.grant != 0)
			return false;
		take_secret(ep, secret.value);
	} else if (type == SP_M_SECRET_SYNC) {
		use_secret(ep);
	}
	return true;			/* what is for calls is not for this one */
}

static void
keeper_closed(void *ctx, struct sp_chan *ch, const char *why)
{
	struct sp_endpoint *ep = ctx;

	if (why != NULL)
		sp_log(SP_ERROR, "peer.lost", SP_C("role", "keeper"), SP_C("why", why));
	if (ep->keeper == ch)
		sp_chan_free(&ep->keeper);
}

/* Nobody waits for what a keeper before asked. */
static void
forget_questions(struct sp_endpoint *ep)
{
	while (ep->questions != NULL) {
		sp_pool_cancel(ep->pool, &ep->questions->job);
		drop(ep, ep->questions);
	}
}

static bool
dialer_message(void *ctx, struct sp_chan *ch, unsigned type, sp_slice body, const int *fds, unsigned nfds)
{
	struct sp_endpoint *ep = ctx;
	struct sp_m_dial_error no;
	struct sp_m_dialed yes;
	char why[160];

	if (type == SP_M_DIALED) {
		if (!sp_dec_dialed(body, &yes)) {
			close(fds[0]);
			return false;
		}
		sp_pool_dialed(ep->pool, yes.id, fds[0]);
		return true;
	}
	if (type != SP_M_DIAL_ERROR || !sp_dec_dial_error(body, &no) ||
	    !sp_cstr(sp_sub(no.text, 0, sizeof why - 1), why, sizeof why))
		return false;
	sp_pool_dial_failed(ep->pool, no.id, why);
	return true;
}

static void
dialer_closed(void *ctx, struct sp_chan *ch, const char *why)
{
	struct sp_endpoint *ep = ctx;

	if (why != NULL)
		sp_log(SP_ERROR, "peer.lost", SP_C("role", "dialer"), SP_C("why", why));
	if (ep->dialer == ch)
		sp_chan_free(&ep->dialer);
}

enum sp_status
sp_endpoint_peer(struct sp_endpoint *ep, enum sp_role role, int fd)
{
	static const struct sp_chan_ops keeper_ops = { keeper_message, keeper_closed }, dialer_ops = { dialer_message, dialer_closed };
	enum sp_status st;

	if (role == SP_DIALER) {
		sp_chan_free(&ep->dialer);
		st = sp_chan_new(ep->cfg.loop, fd, SP_CHAN_PACKET, SP_EGRESS, SP_DIALER, &dialer_ops, ep, &ep->dialer);
		if (st == SP_OK)
			sp_pool_dialer(ep->pool);
		return st;
	}
	if (role != SP_KEEPER) {
		close(fd);
		return SP_E_BUG;
	}
	forget_questions(ep);
	sp_chan_free(&ep->keeper);
	st = sp_chan_new(ep->cfg.loop, fd, SP_CHAN_STREAM, SP_EGRESS, SP_KEEPER, &keeper_ops, ep, &ep->keeper);
	if (st == SP_OK)
		sp_chan_set_wipe(ep->keeper);
	return st;
}

/* ---------------------------------------------------------------- life */

static enum sp_status
make_pool(struct sp_endpoint *ep, struct sp_err *e)
{
	static const struct sp_pool_ops ops = { .head = on_head, .answer = on_answer, .failed = on_failed, .dial = on_dial };
	const struct sp_pool_origin at = { ep->cfg.tls, sp_img_str(ep->cfg.img, ep->me->host), ep->me->host_kind != SP_HOST_NAME };
	const struct sp_pool_config cfg = { .loop = ep->cfg.loop, .origins = &at, .norigins = 1,
	    .limit_answer = SP_INTROSPECT_ANSWER, .ops = &ops, .ctx = ep };

	return sp_pool_new(&cfg, &ep->pool, e);
}

enum sp_status
sp_endpoint_new(const struct sp_endpoint_config *cfg, struct sp_endpoint **out, struct sp_err *e)
{
	const struct sp_image *img = cfg->img;
	struct sp_endpoint *ep;
	enum sp_status st;

	if (cfg->index >= img->head->authorities.n ||
	    SP_IMG_AT(img, img->head->authorities, authority, cfg->index)->source == 0)
		return sp_fail(e, SP_E_BUG, NULL, "no such endpoint");
	ep = calloc(1, sizeof *ep);
	if (ep == NULL)
		return sp_fail(e, SP_E_SYSTEM, NULL, "no memory");
	ep->cfg = *cfg;
	ep->me = SP_IMG_AT(img, img->head->authorities, authority, cfg->index);
	ep->source = SP_IMG_AT(img, img->head->sources, source, ep->me->source - 1);
	ep->identity = 1;
	ep->audiences = calloc(ep->source->audiences.n + 1u, sizeof *ep->audiences);
	st = (ep->me->https != 0) != (cfg->tls != NULL) ? sp_fail(e, SP_E_BUG, NULL, "TLS is not as the endpoint needs it") :
	    ep->audiences == NULL ? sp_fail(e, SP_E_SYSTEM, NULL, "no memory") : sp_who_check_image(img, e);
	if (st == SP_OK)
		st = make_pool(ep, e);
	if (st != SP_OK) {
		free(ep->audiences);
		free(ep);
		return st;
	}
	for (uint32_t i = 0; i < ep->source->audiences.n; i++)
		ep->audiences[i] = sp_img_text(img, ep->source->audiences, i);
	sp_arena_init(&ep->arena, ARENA);
	(void)uv_timer_init(cfg->loop, &ep->tick);
	ep->tick.data = ep;
	*out = ep;
	return SP_OK;
}

static void
on_closed(uv_handle_t *h)
{
	free(h->data);
}

void
sp_endpoint_free(struct sp_endpoint **epp)
{
	struct sp_endpoint *ep = *epp;

	if (ep == NULL)
		return;
	*epp = NULL;
	sp_chan_free(&ep->keeper);
	sp_chan_free(&ep->dialer);
	forget_questions(ep);
	sp_pool_free(&ep->pool);
	sp_scrub_free(&ep->scrub);
	sp_secret_free(&ep->secret);
	sp_secret_free(&ep->coming);
	sp_arena_free(&ep->arena);
	free(ep->audiences);
	uv_close((uv_handle_t *)&ep->tick, on_closed);
}

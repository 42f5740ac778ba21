/* Requests of handlers: judged in the handler's thread, made by the server's. */
#include "lib/outbound.h"

#include "outbound/answer.h"
#include "outbound/inject.h"
#include "outbound/reqpath.h"

#include <stdio.h>
#include <stdlib.h>

enum { SECONDS = 30, HEADERS_MAX = 64, HEADER_BYTES = 48 << 10, BODY_MAX = 64 << 20 };

/* What a handler gets to see; one block of memory. */
struct answer {
	struct sp_client_response response;
	char	 text[];		/* media, NUL, body, NUL */
};

struct request {
	struct sp_outcall call;
	struct sp_arena arena;
	size_t	 most;
	struct answer *answer;
	enum sp_rc rc;
	/* a handler that waits */
	bool	 waits, finished;
	pthread_cond_t over;
	/* one that does not */
	sp_client_done done;
	void	*arg;
};

static void
say(struct sp_client_response *r, const char *text)
{
	(void)snprintf(r->error, sizeof r->error, "%s", text);
}

/* ---- judging */

static enum sp_rc
deny(char *error, size_t cap, enum sp_rc rc, const char *format, sp_slice what)
{
	(void)snprintf(error, cap, format, SP_PRI(what));
	return rc;
}

struct judging {
	const struct sp_client_request_options *opt;
	const struct sp_grant *grant;
	struct request *r;
	char	*error;
	size_t	 cap;
};

static enum sp_rc
no(const struct judging *j, enum sp_rc rc, const char *format, sp_slice what)
{
	return deny(j->error, j->cap, rc, format, what);
}

static enum sp_rc
judge_method(const struct judging *j)
{
	sp_slice name = j->opt->method == NULL ? SP_LIT("GET") : sp_str(j->opt->method);
	enum sp_method m = sp_method_find(name);
	bool safe = m == SP_GET || m == SP_HEAD;

	if (m == 0 || m == SP_TRACE || (j->grant->methods != 0 && (j->grant->methods >> m & 1) == 0))
		return no(j, SP_RC_DENIED, "the method %.*s is not granted; nothing was sent", name);
	if (safe && j->opt->body_size != 0)
		return no(j, SP_RC_INVALID, "a %.*s request has no body; nothing was sent", name);
	j->r->call.req.method = j->r->call.op.method = m;
	j->r->call.job.safe = safe;
	j->r->call.job.no_body = m == SP_HEAD;
	return SP_RC_OK;
}

static enum sp_rc
judge_path(const struct judging *j)
{
	sp_slice path = j->opt->path == NULL ? (sp_slice){ NULL, 0 } : sp_str(j->opt->path), base = j->grant->uri.path;
	const char *why = sp_reqpath_judge(path);
	struct sp_out o;
	char *p;

	if (why != NULL)
		return no(j, SP_RC_DENIED, "%.*s; nothing was sent", sp_str(why));
	if (sp_ends(base, SP_LIT("/")))
		base.n--;
	p = sp_arena_get(&j->r->arena, base.n + path.n);
	if (p == NULL)
		return SP_RC_NO_MEMORY;
	sp_out_init(&o, p, base.n + path.n);
	sp_out_slice(&o, base);
	sp_out_slice(&o, path);
	j->r->call.req.target = sp_out_view(&o);
	return SP_RC_OK;
}

/* The binder writes the name of this one field as it is; who asks may write it as they like. */
static sp_slice
field_name(sp_slice name)
{
	return sp_eq_nocase(name, SP_LIT("Accept")) ? SP_LIT("Accept") : name;
}

static enum sp_rc
add_field(const struct judging *j, sp_slice name, sp_slice value)
{
	struct sp_bind_field *f = &j->r->call.req.fields[j->r->call.req.nfields];

	for (size_t i = 0; i < value.n; i++)
		if (sp_is_ctl((unsigned char)value.p[i]) && value.p[i] != '\t')
			return no(j, SP_RC_INVALID, "the header %.*s has a control character; nothing was sent", name);
	f->name = sp_arena_copy(&j->r->arena, name);
	f->value = sp_arena_copy(&j->r->arena, value);
	j->r->call.req.nfields++;
	return f->name.p == NULL || f->value.p == NULL ? SP_RC_TOO_BIG : SP_RC_OK;
}

static enum sp_rc
judge_headers(const struct judging *j)
{
	const struct sp_header_field *h = j->opt->headers;
	enum sp_rc rc = SP_RC_OK;

	j->r->call.req.fields = sp_arena_get(&j->r->arena, (HEADERS_MAX + 1) * sizeof(struct sp_bind_field));
	if (j->r->call.req.fields == NULL)
		return SP_RC_NO_MEMORY;
	for (size_t i = 0; rc == SP_RC_OK && h != NULL && h[i].name != NULL; i++) {
		sp_slice name = sp_str(h[i].name);

		if (i == HEADERS_MAX)
			return no(j, SP_RC_TOO_BIG, "%.*s: too many headers; nothing was sent", name);
		if (sp_eq_nocase(name, SP_LIT("Content-Type")))
			return no(j, SP_RC_INVALID, "write %.*s as content_type; nothing was sent", name);
		rc = add_field(j, field_name(name), sp_str(h[i].value == NULL ? "" : h[i].value));
	}
	if (rc == SP_RC_OK && j->opt->content_type != NULL)
		rc = add_field(j, SP_LIT("Content-Type"), sp_str(j->opt->content_type));
	return rc;
}

/* What sp_inject() would leave out is not left out silently. */
static enum sp_rc
judge_slots(const struct judging *j)
{
	struct sp_door *d = j->grant->door;
	const struct sp_inject in = { &d->img, d->server, d->secrets };
	sp_slice what;

	if (!sp_inject_owns(&in, &j->r->call.req, &what))
		return SP_RC_OK;
	return no(j, SP_RC_DENIED, "%.*s belongs to the credential or to the connection; nothing was sent", what);
}

static enum sp_rc
judge_body(const struct judging *j, bool borrow)
{
	struct sp_request *req = &j->r->call.req;
	sp_slice body = sp_mem(j->opt->body, j->opt->body_size);

	if (body.n > BODY_MAX || (body.n != 0 && body.p == NULL))
		return no(j, SP_RC_TOO_BIG, "the body is larger than 64 MB%.*s; nothing was sent", SP_LIT(""));
	req->has_body = j->opt->body != NULL && !j->r->call.job.safe;
	req->body = borrow || body.n == 0 ? body : sp_arena_copy(&j->r->arena, body);
	j->r->call.job.body = req->body;
	return body.n != 0 && req->body.p == NULL ? SP_RC_NO_MEMORY : SP_RC_OK;
}

static enum sp_rc
judge(const struct judging *j, bool borrow)
{
	enum sp_rc rc = judge_method(j);

	if (rc == SP_RC_OK)
		rc = judge_path(j);
	if (rc == SP_RC_OK)
		rc = judge_headers(j);
	if (rc == SP_RC_OK)
		rc = judge_slots(j);
	if (rc == SP_RC_OK)
		rc = judge_body(j, borrow);
	return rc;
}

/* ---- making one */

static void
request_free(struct request *r)
{
	sp_arena_free(&r->arena);
	if (r->waits)
		pthread_cond_destroy(&r->over);
	free(r->answer);
	free(r);
}

static enum sp_rc
request_new(struct sp_context *ctx, const char *name, const struct sp_client_request_options *given, bool borrow,
    struct request **out, char *error, size_t cap)
{
	struct sp_outbound *o = sp_outbound_find(sp_context_server(ctx));
	struct sp_client_request_options opt = { 0 };
	struct judging j = { .opt = &opt, .error = error, .cap = cap };
	enum sp_rc rc;

	memcpy(&opt, given, given->size < sizeof opt ? given->size : sizeof opt);
	j.grant = o == NULL || name == NULL ? NULL : sp_grant_find(o, sp_str(name));
	if (j.grant == NULL || j.grant->door == NULL)
		return deny(error, cap, SP_RC_DENIED, "there is no grant %.*s; nothing was sent", sp_str(name == NULL ? "" : name));
	if (opt.max_answer > SP_OUT_ANSWER_MAX || opt.timeout_s > SP_OUT_SECONDS_MAX)
		return deny(error, cap, SP_RC_INVALID, "max_answer is at most 64 MB, timeout_s 3600%.*s", SP_LIT(""));
	j.r = calloc(1, sizeof *j.r);
	if (j.r == NULL)
		return SP_RC_NO_MEMORY;
	sp_arena_init(&j.r->arena, HEADER_BYTES + SP_REQPATH_MAX * 2 + (borrow ? 0 : opt.body_size));
	j.r->most = opt.max_answer == 0 ? SP_OUT_ANSWER : opt.max_answer;
	j.r->call = (struct sp_outcall){ .door = j.grant->door, .ctx = ctx, .job = { .identity = 1, .limit = j.r->most },
	    .op = { .grants = SP_IMG_AT(&j.grant->door->img, j.grant->door->server->ops, op, 0)->grants },
	    .timeout_ms = (opt.timeout_s == 0 ? SECONDS : opt.timeout_s) * 1000 };
	rc = judge(&j, borrow);
	if (rc != SP_RC_OK)
		request_free(j.r);
	else
		*out = j.r;
	return rc;
}

/* ---- its end, on the server's thread */

static enum sp_rc
rc_of(const struct sp_outcall_result *r)
{
	switch (r->end) {
	case SP_OUT_ANSWERED:
		return SP_RC_OK;
	case SP_OUT_REFUSED:
		return r->st == SP_E_REFUSED ? SP_RC_DENIED : r->st == SP_E_TOO_BIG ? SP_RC_TOO_BIG : SP_RC_UNAVAILABLE;
	case SP_OUT_FAULT:
		return r->fault == SP_POOL_TOO_BIG ? SP_RC_TOO_BIG : SP_RC_UNAVAILABLE;
	case SP_OUT_CANCELLED:
		return SP_RC_CANCELLED;
	case SP_OUT_LATE: case SP_OUT_STOPPED: case SP_OUT_CROWDED:
		break;
	}
	return SP_RC_UNAVAILABLE;
}

static struct answer *
answer_new(unsigned status, sp_slice media, sp_slice body)
{
	struct answer *a = calloc(1, sizeof *a + media.n + body.n + 2);

	if (a == NULL)
		return NULL;
	if (media.n != 0)
		memcpy(a->text, media.p, media.n);
	if (body.n != 0)
		memcpy(a->text + media.n + 1, body.p, body.n);
	a->response = (struct sp_client_response){ .status = status, .content_type = a->text, .body = a->text + media.n + 1,
	    .body_size = body.n };
	return a;
}

static const char *
take_answer(struct request *r, const struct sp_pool_answer *a)
{
	struct sp_outbound *o = r->call.door->o;
	sp_slice media = a->media, body = a->body;
	struct sp_out *room = sp_outbound_room(&o->scrubbed, r->most * 2 + 65536);
	bool clear = sp_answer_clear(o->scrub, &body, room);

	if (!sp_scrub_clean(o->scrub, media) || sp_has_byte(media, '\0'))
		media = (sp_slice){ NULL, 0 };
	if (clear)
		r->answer = answer_new(a->status, media, body);
	sp_outbound_room_done(room);
	if (r->answer != NULL)
		return NULL;
	return clear ? "no memory for the answer" : "the answer could not be cleared of secrets and is not shown";
}

static void
on_end(struct sp_outcall *c, const struct sp_outcall_result *result)
{
	struct request *r = (struct request *)(void *)c;	/* its first member */
	struct sp_outbound *o = c->door->o;
	sp_slice text = sp_outcall_text(result);
	const char *why = NULL;

	r->rc = rc_of(result);
	if (result->end == SP_OUT_ANSWERED) {
		why = take_answer(r, result->a);
		r->rc = why == NULL ? SP_RC_OK : SP_RC_UNAVAILABLE;
	}
	if (r->answer == NULL)
		r->answer = answer_new(0, (sp_slice){ NULL, 0 }, (sp_slice){ NULL, 0 });
	if (r->answer == NULL)
		r->rc = SP_RC_NO_MEMORY;
	else
		(void)snprintf(r->answer->response.error, sizeof r->answer->response.error, "%.*s",
		    why != NULL ? (int)strlen(why) : (int)text.n, why != NULL ? why : text.p == NULL ? "" : text.p);
	if (!r->waits) {
		static const struct sp_client_response nothing = { .content_type = "", .body = "" };

		r->done(c->ctx, r->rc, r->answer == NULL ? &nothing : &r->answer->response, r->arg);
		request_free(r);
		return;
	}
	pthread_mutex_lock(&o->lock);
	r->finished = true;
	pthread_cond_signal(&r->over);
	pthread_mutex_unlock(&o->lock);		/* r is the handler's from here on */
}

/* ---- the public functions */

static void
wait_for(struct sp_outbound *o, struct request *r)
{
	pthread_mutex_lock(&o->lock);
	while (!r->finished)
		pthread_cond_wait(&r->over, &o->lock);
	pthread_mutex_unlock(&o->lock);
}

enum sp_rc
sp_client_ask(struct sp_context *ctx, const char *grant, const struct sp_client_request_options *options,
    struct sp_client_response *response)
{
	struct sp_outbound *o = sp_outbound_find(sp_context_server(ctx));
	struct request *r = NULL;
	enum sp_rc rc;

	*response = (struct sp_client_response){ .content_type = "", .body = "" };
	if (o != NULL && sp_outbound_here(o)) {
		say(response, "it would wait on the thread that makes requests: use sp_client_start()");
		return SP_RC_INVALID;
	}
	rc = request_new(ctx, grant, options, true, &r, response->error, sizeof response->error);
	if (rc != SP_RC_OK)
		return rc;
	r->call.done = on_end;
	r->waits = true;
	pthread_cond_init(&r->over, NULL);
	if (!sp_outcall_queue(o, &r->call)) {
		say(response, "the server does not make requests now; nothing was sent");
		request_free(r);
		return SP_RC_UNAVAILABLE;
	}
	wait_for(o, r);
	rc = r->rc;
	if (r->answer != NULL && (rc != SP_RC_OK || sp_context_keep(ctx, r->answer, free))) {
		*response = r->answer->response;
		if (rc == SP_RC_OK)
			r->answer = NULL;		/* the context's */
		else
			response->content_type = response->body = "";
	} else {
		rc = SP_RC_NO_MEMORY;
	}
	request_free(r);
	return rc;
}

enum sp_rc
sp_client_start(struct sp_context *ctx, const char *grant, const struct sp_client_request_options *options,
    sp_client_done done, void *arg)
{
	struct sp_outbound *o = sp_outbound_find(sp_context_server(ctx));
	struct request *r = NULL;
	char error[200];
	enum sp_rc rc = done == NULL ? SP_RC_INVALID :
	    request_new(ctx, grant, options, false, &r, error, sizeof error);

	if (rc != SP_RC_OK)
		return rc;
	r->call.done = on_end;
	r->done = done;
	r->arg = arg;
	if (sp_outcall_queue(o, &r->call))
		return SP_RC_OK;
	request_free(r);
	return SP_RC_UNAVAILABLE;
}

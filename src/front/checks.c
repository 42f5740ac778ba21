/*
 * Checks of somebody's own.  A request waits for what they say, then begins again with that in its hands: the decision is
 * made anew from the same facts.
 */
#include "http/answer.h"
#include "front/front.h"

static const sp_slice nothing = { NULL, 0 };

enum { PATIENCE_MS = SP_CHECK_MS + 1000 };	/* the asker watches the time itself */

static void
resume(struct sp_conn *c)
{
	if (c->w->http.head.method == SP_GET)
		sp_stream_get(c);
	else
		sp_method(c);
}

static void
on_looked(void *ctx)
{
	struct sp_conn *c = ctx;
	struct sp_req *q = sp_req_of(c);
	uint32_t n;
	const struct sp_check_said *said = sp_inquiry_said(q->looking, &n);

	q->view = sp_view_of(said, n);
	sp_inquiry_free(&q->looking);
	q->wait = SP_WAIT_NONE;
	resume(c);
}

static void
on_said(void *ctx)
{
	struct sp_conn *c = ctx;

	sp_req_of(c)->wait = SP_WAIT_NONE;
	resume(c);
}

static void
ask(struct sp_conn *c, const struct sp_check_question *what, uint64_t checks)
{
	struct sp_front *f = sp_front_of(c);
	struct sp_req *q = sp_req_of(c);
	bool list = what->what == NULL;
	enum sp_status st = sp_ask_checks(f->asker, what, checks, list ? on_looked : on_said, c, list ? &q->looking : &q->inquiry);

	if (st == SP_OK) {
		*(list ? &q->viewed : &q->asked) = true;
		q->wait = SP_WAIT_CHECK;
		sp_conn_park(c, PATIENCE_MS);
	} else if (c->w->http.head.method == SP_GET) {
		sp_answer_status(c, SP_E_UNAVAILABLE, nothing);
	} else {
		sp_reply_rpc(c, SP_E_UNAVAILABLE, nothing, 1);
	}
}

/* One question for each check, not for each component. */
static bool
view_of(struct sp_conn *c, enum sp_component_kind kind, uint64_t checks)
{
	struct sp_check_question what = { .who = sp_req_of(c)->who, .kind = kind, .tool = UINT32_MAX };
	char peer[SP_PEER_MAX];

	if (checks == 0 || sp_req_of(c)->viewed)
		return true;
	what.peer = sp_peer_text(c->fd, peer);
	ask(c, &what, checks);
	return false;
}

bool
sp_front_view(struct sp_conn *c, unsigned kind)
{
	return view_of(c, kind == 0 ? SP_COMPONENT_TOOL : (enum sp_component_kind)kind,
	    sp_list_checks(sp_front_of(c)->img, sp_req_of(c)->who, kind));
}

/* Its arguments are those that will be sent, byte for byte. */
static void
ask_about(struct sp_conn *c, const struct sp_found *found, uint64_t checks)
{
	struct sp_req *q = sp_req_of(c);
	char peer[SP_PEER_MAX];
	struct sp_check_question what = { .who = q->who, .kind = found->c.kind, .what = &found->c, .tool = found->tool,
	    .has_args = sp_mcp_shows_args(q->ask.method) };

	if (sp_call_write_args(c) != SP_OK) {
		sp_reply_rpc(c, SP_E_TOO_BIG, nothing, 0);
		return;
	}
	if (what.has_args)
		what.args = q->args.n == 0 ? SP_LIT("{}") : q->args;
	what.peer = sp_peer_text(c->fd, peer);
	ask(c, &what, checks);
}

bool
sp_front_checks(struct sp_conn *c, const struct sp_found *found, struct sp_decision *d, struct sp_front_said *s)
{
	const struct sp_image *img = sp_front_of(c)->img;
	struct sp_req *q = sp_req_of(c);
	const struct sp_check_said *said;
	uint32_t n;

	if (d->checks != 0 && !q->asked) {
		ask_about(c, found, d->checks);
		return false;
	}
	if (q->asked) {
		said = sp_inquiry_said(q->inquiry, &n);
		sp_decide_checked(img, q->who, said, n, d, s->why, &s->scopes, &s->say);
	}
	/* Does the caller's list have what this call does not get?  Only then its arguments are to blame. */
	if ((d->outcome != SP_CLOSED && d->outcome != SP_REFUSED_ARGS) || d->list_checks == 0 ||
	    sp_front_is_anonymous(sp_front_of(c), q))
		return true;
	if (!view_of(c, found->c.kind, d->list_checks))
		return false;
	sp_decide_listing(img, q->who, &found->c, &q->view, d);
	return true;
}

void
sp_front_checks_end(struct sp_req *q)
{
	sp_inquiry_free(&q->inquiry);
	sp_inquiry_free(&q->looking);
}

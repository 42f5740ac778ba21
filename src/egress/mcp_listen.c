/* A client that wants to hear of resources, while the checks are asked that have a say in which. */
#include "egress/mcp_int.h"

#include <stdlib.h>

enum { WAITS = 256 };

struct sp_listen_wait {
	struct sp_listen_wait *next, *prev;
	struct sp_egress_front *front;
	uint32_t id;
	uint64_t epoch;
	struct sp_principal *who;
	struct sp_inquiry *inquiry;
	struct sp_out text;		/* the message; it holds a token */
};

static void
wait_free(struct sp_listen_wait *w)
{
	struct sp_watch *at = &w->front->eg->mcp->watch;

	*(w->prev == NULL ? &at->waits : &w->prev->next) = w->next;
	if (w->next != NULL)
		w->next->prev = w->prev;
	at->nwaits--;
	sp_inquiry_free(&w->inquiry);
	sp_principal_drop(&w->who);
	if (w->text.p != NULL)
		sp_out_wipe(&w->text);
	sp_out_free(&w->text);
	free(w);
}

static void
on_said(void *ctx)
{
	struct sp_listen_wait *w = ctx;
	uint32_t n;
	const struct sp_check_said *said = sp_inquiry_said(w->inquiry, &n);
	const struct sp_view view = sp_view_of(said, n);
	struct sp_m_listen m;

	if (w->epoch == sp_egress_epoch(w->front->eg) && sp_dec_listen(sp_out_view(&w->text), &m))
		sp_listen_begin(w->front, &m, w->who, &view, w->epoch);
	else
		sp_listen_refuse(w->front, w->id, SP_E_UNAVAILABLE);
	wait_free(w);
}

static struct sp_listen_wait *
wait_new(struct sp_egress_front *f, const struct sp_m_listen *msg, struct sp_principal *who)
{
	struct sp_watch *at = &f->eg->mcp->watch;
	struct sp_listen_wait *w = f->eg->asker == NULL || at->nwaits >= WAITS ? NULL : calloc(1, sizeof *w);

	if (w == NULL)
		return NULL;
	w->front = f;
	w->id = msg->id;
	w->epoch = sp_egress_epoch(f->eg);
	w->who = sp_principal_hold(who);
	sp_out_heap(&w->text, sp_msgrule(SP_M_LISTEN)->max);
	sp_enc_listen(&w->text, msg);
	w->next = at->waits;
	if (w->next != NULL)
		w->next->prev = w;
	at->waits = w;
	at->nwaits++;
	return w;
}

void
sp_listen_ask(struct sp_egress_front *f, const struct sp_m_listen *msg, struct sp_principal *who, uint64_t checks)
{
	const struct sp_check_question q = { .who = who, .kind = SP_COMPONENT_RESOURCE, .tool = UINT32_MAX, .peer = msg->peer };
	struct sp_listen_wait *w = wait_new(f, msg, who);

	if (w != NULL && !w->text.full && sp_ask_checks(f->eg->asker, &q, checks, on_said, w, &w->inquiry) == SP_OK)
		return;
	if (w != NULL)
		wait_free(w);
	sp_listen_refuse(f, msg->id, SP_E_UNAVAILABLE);
}

static struct sp_listen_wait *
find(const struct sp_egress_front *f, uint32_t id)
{
	struct sp_listen_wait *w = f->eg->mcp == NULL ? NULL : f->eg->mcp->watch.waits;

	while (w != NULL && (w->front != f || w->id != id))
		w = w->next;
	return w;
}

bool
sp_listen_waits(const struct sp_egress_front *f, uint32_t id)
{
	return find(f, id) != NULL;
}

bool
sp_listen_unask(struct sp_egress_front *f, uint32_t id)
{
	struct sp_listen_wait *w = find(f, id);

	if (w != NULL)
		wait_free(w);
	return w != NULL;
}

void
sp_listen_unask_all(struct sp_mcp *m, const struct sp_egress_front *f)
{
	struct sp_listen_wait *w, *next;

	for (w = m->watch.waits; w != NULL; w = next) {
		next = w->next;
		if (f == NULL || w->front == f)
			wait_free(w);
	}
}

/*
 * Calls that go on although their client has gone (legacy era): what they hold of their caller's allowance is given back
 * when egress ends them, or when their time is over.  A small table: when it is full such a call is cancelled.
 */
#include "front/front.h"

bool
sp_orphan_put(struct sp_front *f, const struct sp_orphan *o)
{
	if (f->norphans == SP_ORPHANS)
		return false;
	f->orphans[f->norphans++] = *o;
	sp_front_need_tick(f);
	return true;
}

bool
sp_orphan_has(const struct sp_front *f, uint32_t server, uint32_t id)
{
	for (uint32_t i = 0; i < f->norphans; i++)
		if (f->orphans[i].id == id && f->orphans[i].server == server)
			return true;
	return false;
}

static void
drop(struct sp_front *f, uint32_t i)
{
	struct sp_orphan *o = &f->orphans[i];

	if (o->has_slot)
		sp_slots_give(f->slots, f->index, o->slot);
	*o = f->orphans[--f->norphans];
}

void
sp_orphan_ended(struct sp_front *f, uint32_t server, uint32_t id, bool cancel)
{
	for (uint32_t i = 0; i < f->norphans; i++) {
		if (f->orphans[i].id != id || f->orphans[i].server != server)
			continue;
		if (cancel)
			sp_link_cancel(&f->links[server], id);
		drop(f, i);
		return;
	}
}

void
sp_orphans_lost(struct sp_front *f, uint32_t server)
{
	for (uint32_t i = f->norphans; i-- > 0;)
		if (f->orphans[i].server == server)
			drop(f, i);
}

void
sp_orphans_tick(struct sp_front *f, uint64_t now_ms)
{
	for (uint32_t i = f->norphans; i-- > 0;) {
		if (now_ms < f->orphans[i].until_ms)
			continue;
		sp_link_cancel(&f->links[f->orphans[i].server], f->orphans[i].id);
		drop(f, i);
	}
}

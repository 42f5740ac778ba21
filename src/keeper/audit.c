#include "keeper/audit.h"

#include "audit/log.h"
#include "base/log.h"
#include "keeper/intents.h"
#include "os/role.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	RINGS_MAX = 512, BATCH_BYTES = 524288, BATCH_RECORDS = 1024, ROUNDS = 16,
	BUSY_MS = 10, CALM_MS = 20, IDLE_MS = 50, RETRY_MS = 500,
	SYNC_US = 100000, MARK_US = 10000000, RECOVER_LINES = 40000, RECOVER_BYTES = 16 << 20,
	FUTURE_US = 60000000, MARGIN_US = 30000000,
};
#define MARK_HEAD "audit.head"

struct ring {
	struct sp_ring *r;
	struct sp_seat seat;
	uint32_t incarnation;
	dev_t	 dev;
	ino_t	 ino;
	bool	 gone;			/* its writer is dead */
	bool	 settle;		/* when it is empty, calls of dead writers are dead */
	uint32_t taken;			/* records of the batch under way */
};

struct sp_audit {
	struct sp_audit_opts o;
	struct sp_audit_log *log;
	int	 dir;
	uv_timer_t timer;
	uv_work_t sync;
	int	 sync_fd, sync_error;
	bool	 syncing, dirty, stopped;
	bool	 closing, timer_closed;
	bool	 failed;		/* nothing can be written: audit_full is set */
	uint64_t failed_us, synced_us, marked_us, busy_us;
	struct sp_chain syncing_head, synced_head, marked_head;
	struct sp_intents intents;
	struct ring ring[RINGS_MAX];
	uint32_t nrings, turn;
	struct sp_out batch;
	char	 batch_mem[BATCH_BYTES];
};

static void
fail_mode(struct sp_audit *a, const struct sp_err *e)
{
	if (!a->failed) {
		a->failed = true;
		a->failed_us = sp_now_us();
		sp_log(SP_ERROR, "audit.stopped", SP_C("why", e->log),
		    SP_C("remedy", "calls are refused until the log can be written: make room in the state folder"));
	}
	atomic_store(&a->o.page->audit_full, 1);
}

static void
well_again(struct sp_audit *a)
{
	char text[96];

	if (!a->failed)
		return;
	a->failed = false;
	atomic_store(&a->o.page->audit_full, 0);
	snprintf(text, sizeof text, "the log could not be written for %llu ms; calls were refused",
	    (unsigned long long)(sp_now_us() - a->failed_us) / 1000);
	sp_log(SP_WARN, "audit.resumed");
	sp_audit_note(a, "repair", text);
}

/* ---------------------------------------------------------------- a batch */

/* What a captured role could have written is made harmless here or by the line writer. */
static void
take_record(struct sp_audit *a, struct ring *g, struct sp_audit_record *rec, struct sp_chain *head, uint64_t now_us)
{
	const struct sp_audit_source from = { sp_role_name((enum sp_role)g->seat.role), g->seat.index,
		g->seat.generation, g->incarnation };

	if (rec->time_us == 0 || rec->time_us > now_us + FUTURE_US)
		rec->time_us = now_us;
	sp_audit_put_record(&a->batch, head, rec, &from);
	if (rec->kind == SP_AUDIT_INTENT && !sp_intents_open(&a->intents, &g->seat, g->incarnation, 0, rec))
		sp_log(SP_WARN, "audit.too_many_open", SP_U("open", a->intents.n));
	if (rec->kind == SP_AUDIT_OUTCOME)
		sp_intents_close(&a->intents, &g->seat, rec->call);
}

static void
take_ring(struct sp_audit *a, struct ring *g, struct sp_chain *head, uint64_t now_us)
{
	struct sp_audit_record rec;

	g->taken = 0;
	while (g->taken < BATCH_RECORDS && a->batch.n + SP_AUDIT_LINE_MAX < BATCH_BYTES &&
	    sp_ring_peek_at(g->r, g->taken, &rec)) {
		take_record(a, g, &rec, head, now_us);
		g->taken++;
	}
}

/* Lines for calls whose process has died; how many. */
static uint32_t
take_dead(struct sp_audit *a, struct sp_chain *head, uint64_t now_us)
{
	uint32_t n = 0;

	for (struct sp_intent *i = a->intents.dead; i != NULL && n < BATCH_RECORDS / 4; i = i->next, n++) {
		const struct sp_audit_source from = { sp_role_name((enum sp_role)i->seat.role), i->seat.index,
			i->seat.generation, i->incarnation };
		struct sp_audit_record rec = i->rec;

		rec.kind = SP_AUDIT_OUTCOME;
		rec.outcome = SP_UNKNOWN_OUTCOME;
		rec.time_us = now_us;
		SP_RING_TEXT(rec.note, SP_LIT("its process ended before the answer"));
		sp_audit_put_record(&a->batch, head, &rec, &from);
	}
	return n;
}

/* The ring of who lives in this seat now, else of who died there. */
static struct ring *
find_ring(struct sp_audit *a, const struct sp_seat *p)
{
	struct ring *dead = NULL;

	for (uint32_t i = 0; i < a->nrings; i++) {
		struct ring *g = &a->ring[i];
		const struct sp_seat *q = &g->seat;

		if (q->role != p->role || q->index != p->index || q->generation != p->generation)
			continue;
		if (!g->gone)
			return g;
		dead = g;
	}
	return dead;
}

/* Are calls of writers that died in this seat to be given up?  Only when all they wrote is in the log. */
static void
settle(struct sp_audit *a, struct ring *g)
{
	const struct ring *now;
	struct sp_audit_record rec;

	if (!g->settle || sp_ring_peek_at(g->r, 0, &rec))
		return;
	g->settle = false;
	now = find_ring(a, &g->seat);
	sp_intents_kill(&a->intents, &g->seat, now->gone ? UINT32_MAX : now->incarnation);
}

/* One batch from all rings.  How many lines were written; -1: it does not work now. */
static int
round_of(struct sp_audit *a)
{
	uint64_t now_us = sp_now_us();
	struct sp_err e = { 0 };
	struct sp_chain head;
	uint32_t dead, lines;
	enum sp_status st = sp_audit_log_turn(a->log, now_us, &e);

	if (st != SP_OK) {
		fail_mode(a, &e);
		return -1;
	}
	head = sp_audit_log_head(a->log);
	sp_out_reset(&a->batch);
	dead = lines = take_dead(a, &head, now_us);
	for (uint32_t i = 0; i < a->nrings; i++) {
		struct ring *g = &a->ring[(a->turn + i) % a->nrings];

		take_ring(a, g, &head, now_us);
		lines += g->taken;
	}
	a->turn++;
	if (lines != 0)
		st = sp_audit_log_append(a->log, sp_out_view(&a->batch), &head, &e);
	if (st != SP_OK) {
		fail_mode(a, &e);
		return -1;
	}
	sp_intents_bury(&a->intents, dead);
	for (uint32_t i = 0; i < a->nrings; i++) {
		if (a->ring[i].taken != 0)
			sp_ring_advance_n(a->ring[i].r, a->ring[i].taken);
		a->ring[i].taken = 0;
		settle(a, &a->ring[i]);
	}
	a->dirty |= lines != 0;
	return (int)lines;
}

static int
drain(struct sp_audit *a, int rounds)
{
	int total = 0, n = 0;

	while (rounds-- > 0 && (n = round_of(a)) > 0)
		total += n;
	if (n >= 0)
		well_again(a);
	return n < 0 ? -1 : total;
}

void
sp_audit_drain(struct sp_audit *a)
{
	(void)drain(a, ROUNDS);
}

/* ---------------------------------------------------------------- on disk */

static void
sync_work(uv_work_t *w)
{
	struct sp_audit *a = w->data;

	a->sync_error = fdatasync(a->sync_fd) == 0 ? 0 : errno;
}

static void
remember(struct sp_audit *a, uint64_t now_us)
{
	char mark[SP_AUDIT_MARK];

	if (a->synced_head.seq == a->marked_head.seq)
		return;
	sp_audit_mark_write(&a->synced_head, mark);
	a->marked_us = now_us;
	if (sp_store_mark_set(a->o.store, MARK_HEAD, sp_mem(mark, sizeof mark), NULL) == SP_OK)
		a->marked_head = a->synced_head;
}

static void
end_if_idle(struct sp_audit *a)
{
	if (!a->closing || !a->timer_closed || a->syncing)
		return;
	sp_audit_log_free(&a->log);
	close(a->dir);
	free(a);
}

static void
sync_done(uv_work_t *w, int status)
{
	struct sp_audit *a = w->data;
	struct sp_err e = { 0 };
	uint64_t now_us = sp_now_us();

	close(a->sync_fd);
	a->syncing = false;
	if (a->closing) {
		end_if_idle(a);
		return;
	}
	if (status != 0 || a->sync_error != 0) {
		(void)sp_fail(&e, SP_E_SYSTEM, NULL, "the audit log does not sync: %s", strerror(a->sync_error));
		a->dirty = true;
		fail_mode(a, &e);
		return;
	}
	a->synced_head = a->syncing_head;
	if (!a->stopped && now_us - a->marked_us >= MARK_US)
		remember(a, now_us);
}

static void
sync_now(struct sp_audit *a, uint64_t now_us)
{
	if (!a->dirty || a->syncing || now_us - a->synced_us < SYNC_US)
		return;
	a->sync_fd = sp_audit_log_dup(a->log);
	if (a->sync_fd < 0)
		return;
	a->synced_us = now_us;
	a->syncing_head = sp_audit_log_head(a->log);
	a->sync.data = a;
	if (uv_queue_work(a->o.loop, &a->sync, sync_work, sync_done) != 0) {
		close(a->sync_fd);
		return;
	}
	a->syncing = true;
	a->dirty = false;
}

static void
on_timer(uv_timer_t *t)
{
	struct sp_audit *a = t->data;
	uint64_t now_us = sp_now_us(), next = IDLE_MS;
	int n;

	sp_intents_expire(&a->intents, now_us);
	n = drain(a, ROUNDS);
	if (n > 0)
		a->busy_us = now_us;
	if (n < 0)
		next = RETRY_MS;
	else if (n > 256)
		next = BUSY_MS;
	else if (now_us - a->busy_us < 5000000)
		next = CALM_MS;
	sync_now(a, now_us);
	uv_timer_start(&a->timer, on_timer, next, 0);
}

/* ---------------------------------------------------------------- rings */

static void
drop_ring(struct sp_audit *a, struct ring *g)
{
	sp_ring_free(&g->r);
	*g = a->ring[--a->nrings];
}

/* Room for one more: a dead writer's ring that has been emptied. */
static bool
make_room(struct sp_audit *a)
{
	struct sp_audit_record rec;

	if (a->nrings < RINGS_MAX)
		return true;
	for (uint32_t i = 0; i < a->nrings; i++) {
		if (!a->ring[i].gone || a->ring[i].settle || sp_ring_peek_at(a->ring[i].r, 0, &rec))
			continue;
		drop_ring(a, &a->ring[i]);
		return true;
	}
	return false;
}

enum sp_status
sp_audit_ring(struct sp_audit *a, const struct sp_m_peer *who, int fd, struct sp_err *e)
{
	const struct sp_seat seat = { who->role, who->index, who->generation };
	struct ring *g, fresh = { .seat = seat, .incarnation = who->incarnation, .settle = true };
	enum sp_status st = SP_OK;
	struct stat sb;

	if (fstat(fd, &sb) != 0) {
		close(fd);
		return sp_fail(e, SP_E_SYSTEM, NULL, "the ring's descriptor is useless");
	}
	fresh.dev = sb.st_dev;
	fresh.ino = sb.st_ino;
	/* What the one before wrote is its own. */
	sp_audit_drain(a);
	g = find_ring(a, &seat);
	if (g != NULL && g->dev == sb.st_dev && g->ino == sb.st_ino) {
		g->incarnation = who->incarnation;
		g->gone = false;
		g->settle = true;
	} else {
		if (g != NULL)
			g->gone = g->settle = true;
		st = make_room(a) ? sp_ring_map_reader(fd, &fresh.r, e) :
		    sp_fail(e, SP_E_FULL, NULL, "more than %d audit rings", RINGS_MAX);
		if (st == SP_OK)
			a->ring[a->nrings++] = fresh;
	}
	close(fd);
	if (st == SP_OK)
		sp_audit_drain(a);
	return st;
}

void
sp_audit_gone(struct sp_audit *a, const struct sp_m_peer *who)
{
	const struct sp_seat seat = { who->role, who->index, who->generation };
	struct ring *g = find_ring(a, &seat);

	/* Late news of one that has a successor already. */
	if (g == NULL || g->incarnation != who->incarnation)
		return;
	g->gone = g->settle = true;
	sp_audit_drain(a);
}

/* ---------------------------------------------------------------- beginning and end */

void
sp_audit_note(struct sp_audit *a, const char *kind, const char *text)
{
	struct sp_err e = { 0 };

	if (sp_audit_log_note(a->log, sp_now_us(), kind, sp_str(text), &e) != SP_OK)
		fail_mode(a, &e);
	else
		a->dirty = true;
}

void
sp_audit_health(const struct sp_audit *a, struct sp_out *o)
{
	struct sp_chain head = sp_audit_log_head(a->log);

	sp_out_fmt(o, "{\"seq\":%llu,\"file\":%u,\"hash\":\"", (unsigned long long)head.seq, sp_audit_log_file(a->log));
	sp_out_hex(o, head.hash, sizeof head.hash);
	sp_out_fmt(o, "\",\"full\":%s,\"open\":%u}", a->failed ? "true" : "false", a->intents.n);
}

static enum sp_status
open_folder(struct sp_audit *a, struct sp_err *e)
{
	if (mkdirat(a->o.state_dir, SP_AUDIT_DIR, 0700) != 0 && errno != EEXIST)
		return sp_fail(e, SP_E_SYSTEM, NULL, "cannot make the audit folder: %s", strerror(errno));
	a->dir = openat(a->o.state_dir, SP_AUDIT_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (a->dir < 0)
		return sp_fail(e, SP_E_SYSTEM, NULL, "cannot open the audit folder: %s", strerror(errno));
	return SP_OK;
}

static void
recover(struct sp_audit *a)
{
	struct sp_out lines;

	sp_out_heap(&lines, RECOVER_BYTES);
	if (sp_audit_tail(a->dir, RECOVER_LINES, RECOVER_BYTES, &lines, NULL) == SP_OK)
		sp_intents_recover(&a->intents, sp_out_view(&lines), a->o.call_ms * 1000 + MARGIN_US);
	sp_out_free(&lines);
	if (a->intents.n != 0)
		sp_log(SP_INFO, "audit.recovered", SP_U("open_calls", a->intents.n));
}

static enum sp_status
open_log(struct sp_audit *a, struct sp_err *e)
{
	struct sp_chain mark = { 0 };
	char buf[SP_AUDIT_MARK];
	bool known, clean = true;
	size_t n = 0;
	enum sp_status st = open_folder(a, e);

	if (st != SP_OK)
		return st;
	known = sp_store_mark_get(a->o.store, MARK_HEAD, buf, sizeof buf, &n, NULL) == SP_OK &&
	    sp_audit_mark_read(sp_mem(buf, n), &mark);
	st = sp_audit_log_open(a->dir, a->o.rotate, known ? &mark : NULL, sp_now_us(), &a->log, &clean, e);
	if (st != SP_OK)
		return st;
	a->marked_head = mark;
	if (!clean)
		recover(a);
	return SP_OK;
}

enum sp_status
sp_audit_new(const struct sp_audit_opts *o, struct sp_audit **out, struct sp_err *e)
{
	struct sp_audit *a = calloc(1, sizeof *a);
	enum sp_status st;

	if (a == NULL)
		return sp_fail(e, SP_E_FULL, NULL, "no memory");
	a->o = *o;
	a->dir = -1;
	sp_intents_init(&a->intents);
	sp_out_init(&a->batch, a->batch_mem, sizeof a->batch_mem);
	st = open_log(a, e);
	if (st == SP_OK && uv_timer_init(o->loop, &a->timer) != 0)
		st = sp_fail(e, SP_E_SYSTEM, NULL, "no timer");
	if (st != SP_OK) {
		sp_audit_log_free(&a->log);
		if (a->dir >= 0)
			close(a->dir);
		sp_intents_wipe(&a->intents);
		free(a);
		return st;
	}
	a->timer.data = a;
	a->marked_us = sp_now_us();
	uv_timer_start(&a->timer, on_timer, CALM_MS, 0);
	*out = a;
	return SP_OK;
}

void
sp_audit_stop(struct sp_audit *a)
{
	struct sp_err e = { 0 };

	if (a->stopped)
		return;
	a->stopped = true;
	uv_timer_stop(&a->timer);
	(void)drain(a, 1000);
	sp_audit_note(a, SP_AUDIT_KIND_STOP, "stopped in good order");
	if (sp_audit_log_sync(a->log, &e) != SP_OK) {
		sp_log(SP_ERROR, "audit.not_synced", SP_C("why", e.log));
		return;
	}
	a->synced_head = sp_audit_log_head(a->log);
	remember(a, sp_now_us());
}

static void
closed(uv_handle_t *h)
{
	struct sp_audit *a = h->data;

	a->timer_closed = true;
	end_if_idle(a);
}

void
sp_audit_free(struct sp_audit **p)
{
	struct sp_audit *a = *p;

	if (a == NULL)
		return;
	*p = NULL;
	while (a->nrings > 0)
		drop_ring(a, &a->ring[a->nrings - 1]);
	sp_intents_wipe(&a->intents);
	a->closing = a->stopped = true;
	uv_close((uv_handle_t *)&a->timer, closed);
}

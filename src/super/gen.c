/* A generation: one image and the processes that serve it. */
#include "super/super_int.h"

#include "base/log.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

struct sp_gen *
sp_gen_live(const struct sp_super *s)
{
	for (struct sp_gen *g = s->gens; g != NULL; g = g->next)
		if (g->state == SP_GEN_LIVE)
			return g;
	return NULL;
}

struct sp_gen *
sp_gen_oldest(const struct sp_super *s)
{
	struct sp_gen *g = s->gens;

	while (g != NULL && g->next != NULL)
		g = g->next;
	return g;
}

/* Fronts of all generations share the slots, so their numbers are unique. */
bool
sp_gen_front_used(const struct sp_super *s, uint32_t index)
{
	for (const struct sp_gen *g = s->gens; g != NULL; g = g->next)
		for (uint32_t i = 0; i < g->nfronts; i++)
			if (g->procs[i].index == index)
				return true;
	return false;
}

static uint32_t
front_count(const struct sp_super *s)
{
	cpu_set_t set;
	uint32_t n = s->opts.fronts;

	if (n == 0 && sched_getaffinity(0, sizeof set, &set) == 0)
		n = (uint32_t)CPU_COUNT(&set);
	if (n == 0)
		n = 1;
	return n > SP_FRONTS_EACH ? SP_FRONTS_EACH : n;
}

static uint32_t
free_front(const struct sp_super *s, uint32_t from)
{
	while (from < SP_FRONTS_MAX && sp_gen_front_used(s, from))
		from++;
	return from;
}

static bool
has_management(const struct sp_image *img)
{
	for (uint32_t i = 0; i < img->head->servers.n; i++)
		if (SP_IMG_AT(img, img->head->servers, server, i)->kind == SP_SERVER_MANAGEMENT)
			return true;
	return false;
}

static bool
has_commands(const struct sp_image *img)
{
	const struct sp_img_head *h = img->head;

	for (uint32_t i = 0; i < h->servers.n; i++) {
		const struct sp_img_server *srv = SP_IMG_AT(img, h->servers, server, i);

		for (uint32_t k = 0; k < srv->grants.n; k++)
			if (sp_starts(sp_img_str(img, SP_IMG_AT(img, srv->grants, grant, k)->ref), SP_LIT("command:")))
				return true;
	}
	for (uint32_t i = 0; i < h->sources.n; i++)
		if (sp_starts(sp_img_str(img, SP_IMG_AT(img, h->sources, source, i)->keys_ref), SP_LIT("command:")))
			return true;
	for (uint32_t i = 0; i < h->authorities.n; i++)
		if (sp_starts(sp_img_str(img, SP_IMG_AT(img, h->authorities, authority, i)->client_secret), SP_LIT("command:")))
			return true;
	return false;
}

/* An egress for each server, then one for each authority; a checker for each check. */
static bool
make_procs(struct sp_gen *g)
{
	const uint32_t egresses = g->img.head->servers.n + g->img.head->authorities.n;
	const uint32_t checks = g->img.head->checks.n;
	uint32_t nfronts = front_count(g->s), at = 0, index = 0;
	bool management = has_management(&g->img);

	g->procs = calloc(nfronts + egresses + checks + 3u, sizeof *g->procs);
	if (g->procs == NULL)
		return false;
	for (uint32_t i = 0; i < nfronts; i++, index++) {
		index = free_front(g->s, index);
		if (index >= SP_FRONTS_MAX)
			break;
		sp_proc_init(&g->procs[at++], g->s, g, SP_FRONT, index);
	}
	g->nfronts = at;
	for (uint32_t i = 0; i < egresses; i++)
		sp_proc_init(&g->procs[at++], g->s, g, SP_EGRESS, i);
	for (uint32_t i = 0; i < checks; i++)
		sp_proc_init(&g->procs[at++], g->s, g, SP_CHECKER, i);
	sp_proc_init(&g->procs[at++], g->s, g, SP_DIALER, 0);
	if (management)
		sp_proc_init(&g->procs[at++], g->s, g, SP_MANAGE, 0);
	if (has_commands(&g->img))
		sp_proc_init(&g->procs[at++], g->s, g, SP_SPAWNER, 0);
	g->nprocs = g->handles = at;
	return g->nfronts > 0;
}

/* ---------------------------------------------------------------- the end */

static void
on_handle_closed(uv_handle_t *h)
{
	struct sp_proc *p = h->data;
	struct sp_gen *g = p->gen;

	if (--g->handles > 0)
		return;
	sp_plugins_close(g);
	sp_image_close(&g->img);
	close(g->image_fd);
	free(g->procs);
	free(g);
}

static void
remove_gen(struct sp_gen *g)
{
	for (struct sp_gen **at = &g->s->gens; *at != NULL; at = &(*at)->next)
		if (*at == g) {
			*at = g->next;
			break;
		}
	for (uint32_t i = 0; i < g->nprocs; i++)
		sp_proc_free(&g->procs[i], on_handle_closed);
}

static uint32_t
drain_ms(const struct sp_gen *g)
{
	uint64_t ms = g->img.head->call_ms;

	return ms > SP_DRAIN_MS ? SP_DRAIN_MS : (uint32_t)ms;
}

/* A front that drains may still have a caller whom only the endpoint of an introspection source knows. */
static bool
is_asked(const struct sp_gen *g, const struct sp_proc *p)
{
	const struct sp_img_head *h = g->img.head;
	uint32_t i = p->index - h->servers.n;

	return p->role == SP_EGRESS && p->index >= h->servers.n && i < h->authorities.n &&
	    SP_IMG_AT(&g->img, h->authorities, authority, i)->source != 0;
}

void
sp_gen_drain(struct sp_gen *g, uint32_t ms)
{
	bool askers = false;

	for (uint32_t i = 0; i < g->nprocs; i++) {
		struct sp_proc *p = &g->procs[i];

		if (is_asked(g, p))
			continue;
		if (p->state != SP_LEAVING)
			sp_proc_drain(p, ms);
		askers = askers || (p->role == SP_FRONT && p->pid != 0);
	}
	for (uint32_t i = 0; i < g->nprocs && !askers; i++)
		if (is_asked(g, &g->procs[i]) && g->procs[i].state != SP_LEAVING)
			sp_proc_drain(&g->procs[i], ms);
}

void
sp_gen_left(struct sp_gen *g)
{
	if (g->state == SP_GEN_LEAVING || g->s->phase == SP_STOPPING)
		sp_gen_drain(g, drain_ms(g));
	/* While stopping, the list stays as it is: keeper may still need the images. */
	if (g->state != SP_GEN_LEAVING || g->s->phase == SP_STOPPING)
		return;
	for (uint32_t i = 0; i < g->nprocs; i++)
		if (g->procs[i].pid != 0)
			return;
	sp_log(SP_INFO, "generation.gone", SP_U("generation", g->number));
	remove_gen(g);
}

void
sp_gen_leave(struct sp_gen *g)
{
	g->state = SP_GEN_LEAVING;
	sp_gen_left(g);
}

static void
kill_all(struct sp_gen *g)
{
	g->state = SP_GEN_LEAVING;
	for (uint32_t i = 0; i < g->nprocs; i++) {
		struct sp_proc *p = &g->procs[i];

		uv_timer_stop(&p->timer);
		if (p->state != SP_DOWN)
			p->state = SP_LEAVING;
		sp_proc_kill(p);
	}
	sp_gen_left(g);
}

/* A new generation does not come up: what was, stays. */
void
sp_gen_failed(struct sp_gen *g, const char *why)
{
	struct sp_super *s = g->s;
	struct sp_gen *live = sp_gen_live(s);

	if (g->state != SP_GEN_STARTING)
		return;
	if (live == NULL) {
		sp_super_fatal(s, why);
		return;
	}
	sp_log(SP_ERROR, "reload.failed", SP_U("generation", g->number), SP_C("why", why),
	    SP_U("stays", live->number));
	kill_all(g);
	sp_listen_prune(s, &live->img);
	sp_notify(s, "READY=1");
}

/* ---------------------------------------------------------------- ready */

static bool
all_up(const struct sp_gen *g)
{
	for (uint32_t i = 0; i < g->nprocs; i++)
		if (g->procs[i].state != SP_UP)
			return false;
	return true;
}

void
sp_gen_tick(struct sp_super *s)
{
	for (struct sp_gen *g = s->gens; g != NULL; g = g->next)
		if (g->state == SP_GEN_STARTING && sp_mono_ms() - g->began_ms > SP_START_MS) {
			sp_gen_failed(g, "some roles do not become ready");
			return;
		}
}

static void
take_over(struct sp_gen *g)
{
	struct sp_super *s = g->s;
	struct sp_gen *next;

	sp_log(SP_INFO, "reloaded", SP_U("generation", g->number),
	    SP_U("servers", g->img.head->servers.n), SP_U("tools", g->img.head->tools.n));
	/* Whatever was remembered under the old rules is void. */
	atomic_fetch_add(&s->page->epoch, 1);
	sp_listen_prune(s, &g->img);
	for (struct sp_gen *old = g->next; old != NULL; old = next) {
		next = old->next;
		if (old->state != SP_GEN_LEAVING)
			sp_gen_leave(old);
	}
	sp_notify(s, "READY=1");
}

void
sp_gen_ready(struct sp_gen *g)
{
	if (g->state != SP_GEN_STARTING || !all_up(g))
		return;
	g->state = SP_GEN_LIVE;
	if (g->s->phase == SP_BEGINNING)
		sp_super_check_ready(g->s);
	else
		take_over(g);
}

/* ---------------------------------------------------------------- the beginning */

void
sp_gen_start(struct sp_super *s, int image_fd, struct sp_image *img)
{
	struct sp_gen *g = calloc(1, sizeof *g), *live = sp_gen_live(s);
	struct sp_err e = { .log = "no memory, or no numbers left for fronts" };
	uint32_t n = 0;

	/* At most one old generation drains beside the live one: who reloads faster than calls end cuts them off. */
	for (struct sp_gen *old = s->gens, *next; old != NULL; old = next) {
		next = old->next;
		if (old->state == SP_GEN_LEAVING && n++ > 0)
			kill_all(old);
	}
	if (g != NULL) {
		*g = (struct sp_gen){ .s = s, .number = img->head->generation, .image_fd = image_fd,
		    .img = *img, .began_ms = sp_mono_ms() };
		sp_random(g->seed, sizeof g->seed);
	}
	if (g == NULL || sp_plugins_open(g, &e) != SP_OK || !make_procs(g)) {
		if (live == NULL)
			sp_super_fatal(s, e.log);
		else
			sp_log(SP_ERROR, "reload.failed", SP_C("why", e.log));
		if (g != NULL && g->procs != NULL) {
			g->state = SP_GEN_LEAVING;
			g->next = s->gens;
			s->gens = g;
			remove_gen(g);
		} else {
			if (g != NULL)
				sp_plugins_close(g);
			free(g);
			sp_image_close(img);
			close(image_fd);
		}
		return;
	}
	g->next = s->gens;
	s->gens = g;
	sp_wire_generation(s, g);
	sp_secrets_send(s, &g->img);
	for (uint32_t i = 0; i < g->nprocs; i++)
		sp_proc_start(&g->procs[i]);
}

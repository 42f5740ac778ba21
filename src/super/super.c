/* From the first line to the exit status: beginning, serving, stopping. */
#include "super/super_int.h"

#include "base/log.h"
#include "os/state.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TICK_MS = 2000, KEEPER_MS = 5000, PATH_ROOM = 4096 };

/* ---------------------------------------------------------------- stopping */

static bool
others_left(const struct sp_super *s)
{
	for (const struct sp_gen *g = s->gens; g != NULL; g = g->next)
		for (uint32_t i = 0; i < g->nprocs; i++)
			if (g->procs[i].pid != 0)
				return true;
	return s->loader > 0;
}

static void
kill_everything(struct sp_super *s)
{
	for (struct sp_gen *g = s->gens; g != NULL; g = g->next)
		for (uint32_t i = 0; i < g->nprocs; i++)
			sp_proc_kill(&g->procs[i]);
	sp_proc_kill(&s->keeper);
}

static void
on_stop_late(uv_timer_t *t)
{
	struct sp_super *s = t->data;

	sp_log(SP_ERROR, "stop.late", SP_C("why", "some roles did not leave in time"));
	s->status = 1;
	kill_everything(s);
}

void
sp_super_stopping(struct sp_super *s)
{
	if (s->phase != SP_STOPPING || others_left(s))
		return;
	if (s->keeper.pid == 0) {
		uv_stop(&s->loop);
		return;
	}
	/* keeper last: what the others wrote must be in the log. */
	if (s->keeper_last)
		return;
	s->keeper_last = true;
	uv_timer_start(&s->stop, on_stop_late, KEEPER_MS + 2000, 0);
	sp_proc_drain(&s->keeper, KEEPER_MS);
}

static uint32_t
drain_ms(const struct sp_super *s)
{
	uint64_t ms = 0;

	for (const struct sp_gen *g = s->gens; g != NULL; g = g->next)
		if (g->img.head->call_ms > ms)
			ms = g->img.head->call_ms;
	return ms > SP_DRAIN_MS ? SP_DRAIN_MS : (uint32_t)ms;
}

void
sp_super_stop(struct sp_super *s, int status)
{
	uint32_t ms = drain_ms(s);

	if (s->phase == SP_STOPPING)
		return;
	s->phase = SP_STOPPING;
	s->status = status;
	sp_notify(s, "STOPPING=1");
	if (s->page != NULL)
		atomic_store(&s->page->draining, 1);
	sp_load_abort(s);
	sp_control_close(s);
	sp_wire_forget(s);
	uv_timer_stop(&s->tick);
	if (s->keeper.state == SP_DOWN)
		uv_timer_stop(&s->keeper.timer);	/* the next run reads what is in the rings */
	/* Fronts stop accepting by themselves; ours must go too, or connections would wait for nobody. */
	sp_listen_close(s);
	for (struct sp_gen *g = s->gens; g != NULL; g = g->next)
		sp_gen_drain(g, ms);
	uv_timer_start(&s->stop, on_stop_late, (uint64_t)ms + 3000, 0);
	sp_super_stopping(s);
}

void
sp_super_fatal(struct sp_super *s, const char *why)
{
	if (s->phase != SP_BEGINNING)
		return;
	sp_log(SP_ERROR, "start.failed", SP_C("why", why));
	sp_super_stop(s, 1);
	/* Nobody has been served: there is nothing to drain. */
	for (struct sp_gen *g = s->gens; g != NULL; g = g->next)
		for (uint32_t i = 0; i < g->nprocs; i++)
			sp_proc_kill(&g->procs[i]);
}

static void
stop_at_once(struct sp_super *s)
{
	s->status = 1;
	kill_everything(s);
	if (s->loader > 0)
		(void)kill(s->loader, SIGKILL);
	uv_stop(&s->loop);
}

/* ---------------------------------------------------------------- ready */

void
sp_super_check_ready(struct sp_super *s)
{
	struct sp_gen *live = sp_gen_live(s);
	char names[1024];
	struct sp_out o;

	if (s->keeper.state == SP_UP && s->keeper_ok && s->ready)
		sp_log(SP_INFO, "keeper.up");
	if (s->ready || s->phase != SP_BEGINNING || live == NULL || s->keeper.state != SP_UP || !s->keeper_ok)
		return;
	s->ready = true;
	s->phase = SP_SERVING;
	uv_timer_stop(&s->stop);
	sp_out_init(&o, names, sizeof names);
	sp_listen_names(s, &o);
	sp_log(SP_INFO, "ready", SP_S("listen", sp_out_view(&o)),
	    SP_S("url", sp_img_str(&live->img, live->img.head->url)),
	    SP_U("tools", live->img.head->tools.n), SP_U("fronts", live->nfronts), SP_U("pid", getpid()));
	sp_notify(s, "READY=1");
	/* Nothing that needs our own /proc follows. */
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (s->again)
		sp_load_begin(s);
}

static void
on_start_late(uv_timer_t *t)
{
	sp_super_fatal(t->data, "not ready within a minute");
}

/* ---------------------------------------------------------------- signals and time */

static void
on_signal_number(struct sp_super *s, uint32_t n)
{
	switch (n) {
	case SIGCHLD:
		sp_proc_reap(s);
		return;
	case SIGHUP:
		if (s->phase == SP_BEGINNING)
			s->again = true;
		if (s->phase != SP_SERVING)
			return;
		sp_log(SP_INFO, "reload");
		sp_notify_reloading(s);
		sp_load_begin(s);
		return;
	default:
		if (s->phase == SP_STOPPING) {
			stop_at_once(s);
			return;
		}
		sp_log(SP_INFO, "stopping", SP_U("signal", n));
		sp_super_stop(s, s->phase == SP_SERVING ? 0 : 1);
	}
}

static void
on_signals(uv_poll_t *h, int status, int events)
{
	struct sp_super *s = h->data;
	struct signalfd_siginfo si;

	while (read(s->sigfd, &si, sizeof si) == (ssize_t)sizeof si)
		on_signal_number(s, si.ssi_signo);
}

/* The resolver reads its files by rules that name them as they were: when they are replaced dialer needs new rules. */
static void
look_at_resolver(struct sp_super *s)
{
	struct stat a = { 0 }, b = { 0 };
	char now[sizeof s->resolver];
	bool first = s->resolver[0] == 0;

	(void)stat("/etc/resolv.conf", &a);
	(void)stat("/etc/hosts", &b);
	(void)snprintf(now, sizeof now, "%llu/%llu", (unsigned long long)a.st_ino, (unsigned long long)b.st_ino);
	if (strcmp(now, s->resolver) == 0)
		return;
	(void)snprintf(s->resolver, sizeof s->resolver, "%s", now);
	for (struct sp_gen *g = s->gens; !first && g != NULL; g = g->next)
		for (uint32_t i = 0; i < g->nprocs; i++)
			if (g->procs[i].role == SP_DIALER)
				sp_proc_kill(&g->procs[i]);
}

static void
on_tick(uv_timer_t *t)
{
	struct sp_super *s = t->data;

	sp_rings_sweep(s);
	sp_gen_tick(s);
	look_at_resolver(s);
}

/* ---------------------------------------------------------------- beginning */

/* Beside the program in a build tree; as it was installed, wherever that tree lies now; where it was built to go. */
static enum sp_status
open_program(struct sp_super *s, enum sp_role role, const char *beside, struct sp_err *e)
{
	static const char *const places[] = { "libexec", "../libexec/sallyport", SP_LIBEXEC };
	char path[PATH_ROOM + 64];
	struct stat st;

	s->exe[role] = -1;
	for (size_t i = 0; i < SP_COUNT(places) && s->exe[role] < 0; i++) {
		bool whole = places[i][0] == '/';

		(void)snprintf(path, sizeof path, "%s%s%s/sallyport-%s", whole ? "" : beside, whole ? "" : "/", places[i],
		    sp_role_name(role));
		s->exe[role] = open(path, O_PATH | O_CLOEXEC);
	}
	if (s->exe[role] < 0 || fstat(s->exe[role], &st) != 0 || !S_ISREG(st.st_mode))
		return sp_fail(e, SP_E_SYSTEM, NULL, "sallyport-%s is neither in %s/libexec, %s/../libexec/sallyport nor " SP_LIBEXEC,
		    sp_role_name(role), beside, beside);
	return SP_OK;
}

/* Held from now on: an upgrade under way does not mix versions. */
static enum sp_status
open_programs(struct sp_super *s, struct sp_err *e)
{
	static const enum sp_role roles[] = { SP_LOADER, SP_FRONT, SP_MANAGE, SP_EGRESS, SP_DIALER, SP_KEEPER, SP_SPAWNER,
	    SP_CHECKER };
	char self[PATH_ROOM];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	enum sp_status st = SP_OK;
	char *slash;

	if (n <= 0)
		return sp_fail(e, SP_E_SYSTEM, NULL, "/proc is not mounted");
	self[n] = 0;
	slash = strrchr(self, '/');
	if (slash != NULL)
		*slash = 0;
	for (size_t i = 0; i < SP_COUNT(roles) && st == SP_OK; i++)
		st = open_program(s, roles[i], self, e);
	return st;
}

static void
be_ready_for_children(void)
{
	struct rlimit files;
	const struct rlimit none = { 0, 0 };

	(void)setrlimit(RLIMIT_CORE, &none);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	signal(SIGPIPE, SIG_IGN);
}

static enum sp_status
take_signals(struct sp_super *s, struct sp_err *e)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
		return sp_fail(e, SP_E_SYSTEM, NULL, "signals cannot be blocked");
	s->sigfd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->sigfd < 0 || uv_poll_init(&s->loop, &s->signals, s->sigfd) != 0)
		return sp_fail(e, SP_E_SYSTEM, NULL, "no signalfd");
	s->signals.data = s;
	return uv_poll_start(&s->signals, UV_READABLE, on_signals) == 0 ? SP_OK :
	    sp_fail(e, SP_E_SYSTEM, NULL, "signalfd cannot be polled");
}

static enum sp_status
make_shared(struct sp_super *s, struct sp_err *e)
{
	enum sp_status st = sp_page_create(&s->page_fd, e);

	if (st == SP_OK)
		st = sp_page_readonly(s->page_fd, &s->page_ro, e);
	if (st == SP_OK)
		st = sp_page_map(s->page_fd, true, &s->page, e);
	if (st == SP_OK)
		st = sp_slots_create(&s->slots_fd, e);
	if (st == SP_OK)
		st = sp_slots_map(s->slots_fd, &s->slots, e);
	if (st == SP_OK)
		st = sp_counters_create(&s->counters_fd, e);
	if (st == SP_OK)
		st = sp_counters_map(s->counters_fd, &s->counters, e);
	return st;
}

enum sp_status
sp_super_open_state(struct sp_super *s, struct sp_err *e)
{
	enum sp_status st = sp_state_open_folder(s->state_path, true, &s->state_dir, e);

	if (st == SP_OK)
		st = sp_state_lock(s->state_dir, &s->lock, NULL, e);
	if (st == SP_OK)
		st = sp_state_prepare(s->state_dir, e);
	if (st != SP_OK)
		return st;
	s->ring_dir = openat(s->state_dir, SP_STATE_RING, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (s->ring_dir < 0)
		return sp_fail(e, SP_E_SYSTEM, NULL, "the folder of audit rings cannot be opened (error %d)", errno);
	st = sp_rings_find(s, e);
	return st == SP_OK ? sp_control_open(s, e) : st;
}

static void
reset(struct sp_super *s, const struct sp_super_opts *opts)
{
	*s = (struct sp_super){ .opts = *opts, .sigfd = -1, .null = -1, .loader_fd = -1, .state_dir = -1,
	    .ring_dir = -1, .lock = -1, .page_fd = -1, .page_ro = -1, .slots_fd = -1, .counters_fd = -1, .control = -1,
	    .unlock_pipe = -1, .notify_fd = -1, .next_generation = 1 };
	for (size_t i = 0; i < SP_COUNT(s->exe); i++)
		s->exe[i] = -1;
	/* Not from 1: records of an earlier run must not look like ours. */
	sp_random(&s->next_incarnation, sizeof s->next_incarnation);
	s->next_incarnation &= 0x7fffffffu;
}

static enum sp_status
begin(struct sp_super *s, struct sp_err *e)
{
	enum sp_status st;

	if (uv_loop_init(&s->loop) != 0)
		return sp_fail(e, SP_E_SYSTEM, NULL, "no event loop");
	uv_timer_init(&s->loop, &s->tick);
	uv_timer_init(&s->loop, &s->stop);
	uv_timer_init(&s->loop, &s->load_timer);
	s->tick.data = s->stop.data = s->load_timer.data = s;
	s->null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (s->null < 0)
		return sp_fail(e, SP_E_SYSTEM, NULL, "/dev/null cannot be opened");
	sp_proc_init(&s->keeper, s, NULL, SP_KEEPER, 0);
	sp_notify_init(s);
	st = open_programs(s, e);
	if (st == SP_OK && s->opts.metrics != NULL)
		st = sp_listen_metrics(s, s->opts.metrics, e);
	if (st == SP_OK)
		st = take_signals(s, e);
	if (st == SP_OK)
		st = make_shared(s, e);
	return st;
}

/* Descriptors of whoever started us are none of our children's business, or ours. */
static enum sp_status
tidy_descriptors(struct sp_super *s, struct sp_err *e)
{
	enum sp_status st;

	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			return sp_fail(e, SP_E_SYSTEM, NULL, "standard input, output and error must be open");
	st = sp_listen_inherit(s, e);
	if (st == SP_OK && s->listeners == NULL)
		(void)close_range(3, ~0u, 0);
	return st;
}

int
sp_super_main(const struct sp_super_opts *opts)
{
	static struct sp_super s;
	struct sp_err e = { 0 };
	enum sp_status st;

	sp_log_init("super", opts->log_level);
	reset(&s, opts);
	be_ready_for_children();
	st = tidy_descriptors(&s, &e);
	if (st == SP_OK)
		st = begin(&s, &e);
	if (st != SP_OK) {
		sp_log(SP_ERROR, "start.failed", SP_C("why", e.log));
		return 1;
	}
	uv_timer_start(&s.tick, on_tick, TICK_MS, TICK_MS);
	uv_timer_start(&s.stop, on_start_late, SP_START_MS, 0);
	sp_load_begin(&s);
	(void)uv_run(&s.loop, UV_RUN_DEFAULT);
	/* Roles that were not waited for die with us.  What keeper has read needs no file. */
	for (struct sp_gen *g = s.gens; g != NULL; g = g->next)
		for (uint32_t i = 0; i < g->nprocs; i++)
			sp_rings_retire(&g->procs[i]);
	sp_rings_sweep(&s);
	if (s.ready)
		sp_log(SP_INFO, "stopped", SP_U("status", s.status));
	return s.status;
}

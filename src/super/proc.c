/* The life of one process: started, ready, drained, dead, started again. */
#include "super/super_int.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LOWEST = 5, EXIT_NO_EXEC = 127, ENV_MAX = 64 };

/* ---------------------------------------------------------------- the child */

/* What is passed on.  The rest of the environment is nobody's business, and may hold secrets. */
static void
fill_env(const char **envp, bool commands)
{
	static const char *const passed[] = { "SSL_CERT_FILE", "SSL_CERT_DIR", "ASAN_OPTIONS", "UBSAN_OPTIONS" };
	static char text[SP_COUNT(passed)][1024];
	size_t n = 0;

	envp[n++] = "UV_USE_IO_URING=0";
	envp[n++] = "MALLOC_ARENA_MAX=1";
	for (size_t i = 0; i < SP_COUNT(passed); i++) {
		const char *v = getenv(passed[i]);
		int len = v == NULL ? -1 : snprintf(text[i], sizeof text[i], "%s=%s", passed[i], v);

		if (len > 0 && (size_t)len < sizeof text[i])
			envp[n++] = text[i];
	}
	/* What programs of command: references get comes by way of spawner. */
	for (char **e = environ; commands && e != NULL && *e != NULL && n < ENV_MAX - 1; e++)
		if (sp_env_is_passed(*e))
			envp[n++] = *e;
	envp[n] = NULL;
}

/* Shares our memory until it is another program: nothing but system calls here. */
static void
be_child(const struct sp_super *s, const struct sp_child *c, const char *const *envp, pid_t parent)
{
	sigset_t none;
	int exe, fd3, fd4;

	/* Away from the numbers that they are to replace. */
	exe = fcntl(c->exe, F_DUPFD_CLOEXEC, LOWEST);
	fd3 = c->fd3 < 0 ? -1 : fcntl(c->fd3, F_DUPFD_CLOEXEC, LOWEST);
	fd4 = c->fd4 < 0 ? -1 : fcntl(c->fd4, F_DUPFD_CLOEXEC, LOWEST);
	if (exe < 0 || dup2(s->null, 0) < 0 || dup2(s->null, 1) < 0)
		_exit(EXIT_NO_EXEC);
	if (fd3 < 0 ? close(3) != 0 && errno != EBADF : dup2(fd3, 3) < 0)
		_exit(EXIT_NO_EXEC);
	if (fd4 < 0 ? close(4) != 0 && errno != EBADF : dup2(fd4, 4) < 0)
		_exit(EXIT_NO_EXEC);
	(void)close_range(LOWEST, ~0u, CLOSE_RANGE_CLOEXEC);
	/* Without a terminal: nothing can be pushed into it, and its signals are ours to judge. */
	(void)setsid();
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != parent || (!c->stay && chdir("/") != 0))
		_exit(EXIT_NO_EXEC);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)syscall(SYS_execveat, exe, "", c->argv, envp, AT_EMPTY_PATH);
	_exit(EXIT_NO_EXEC);
}

pid_t
sp_child_start(struct sp_super *s, const struct sp_child *c)
{
	const char *envp[ENV_MAX];
	const pid_t parent = getpid();
	pid_t pid;

	fill_env(envp, c->commands);
	/* vfork: copying our page tables for each role would be the longest part of the start. */
	pid = vfork();
	if (pid == 0)
		be_child(s, c, envp, parent);
	return pid;
}

/* ---------------------------------------------------------------- telling */

void
sp_proc_who(const struct sp_proc *p, struct sp_m_peer *who)
{
	*who = (struct sp_m_peer){ (uint32_t)p->role, p->index, p->gen == NULL ? 0 : p->gen->number,
	    p->incarnation };
}

bool
sp_proc_says(struct sp_proc *p, enum sp_msg type, sp_slice body, const int *fds, unsigned nfds)
{
	enum sp_status st = p->ch == NULL ? SP_E_UNAVAILABLE : sp_chan_send(p->ch, type, body, fds, nfds);

	if (st == SP_OK)
		return true;
	/* One that does not hear us cannot be trusted to be in step: it is started again. */
	if (p->ch != NULL && st != SP_E_UNAVAILABLE) {
		sp_log(SP_ERROR, "role.deaf", SP_C("process", sp_role_name(p->role)), SP_U("index", p->index),
		    SP_C("message", sp_msgrule(type)->name), SP_C("why", sp_errinfo(st)->name));
		sp_proc_kill(p);
	}
	return false;
}

static bool
send_boot(struct sp_proc *p)
{
	struct sp_super *s = p->s;
	const struct sp_gen *g = p->gen != NULL ? p->gen : sp_gen_oldest(s);
	struct sp_m_boot m = { .role = (uint32_t)p->role, .index = p->index, .generation = g->number,
	    .incarnation = p->incarnation, .row = p->row, .log_level = (uint32_t)s->opts.log_level,
	    .isolation = g->img.head->isolation, .seed = { g->seed[0], g->seed[1] } };
	int fds[SP_MSG_FDS];
	unsigned n = 0;
	char buf[64];
	struct sp_out o;

	fds[n++] = g->image_fd;
	fds[n++] = p->role == SP_KEEPER ? s->page_fd : s->page_ro;
	if (p->ring >= 0)
		fds[n++] = p->ring;
	if (p->role == SP_FRONT)
		fds[n++] = s->slots_fd;
	if (p->ring >= 0)
		fds[n++] = s->counters_fd;
	if (p->role == SP_KEEPER)
		fds[n++] = s->state_dir;
	if (p->role == SP_CHECKER && g->libraries[p->index] >= 0)
		fds[n++] = g->libraries[p->index];
	if (p->role == SP_FRONT) {
		m.nlisten = sp_listen_fds(s, &g->img, fds + n, SP_LISTENERS, &m.nmetrics);
		n += m.nlisten;
	}
	sp_out_init(&o, buf, sizeof buf);
	sp_enc_boot(&o, &m);
	return sp_proc_says(p, SP_M_BOOT, sp_out_view(&o), fds, n);
}

/* ---------------------------------------------------------------- what it says */

static void
on_ready(struct sp_proc *p)
{
	if (p->state != SP_STARTING)
		return;
	p->state = SP_UP;
	uv_timer_stop(&p->timer);
	sp_log(SP_DEBUG, "role.ready", SP_C("process", sp_role_name(p->role)), SP_U("index", p->index),
	    SP_U("ms", sp_mono_ms() - p->began_ms));
	if (p->gen != NULL)
		sp_gen_ready(p->gen);
	else
		sp_super_check_ready(p->s);
}

static bool
on_keeper_up(struct sp_proc *p, sp_slice body)
{
	struct sp_m_text m;
	char why[520];

	if (!sp_dec_text(body, &m))
		return false;
	if (m.text.n == 0) {
		p->s->keeper_ok = true;
		sp_super_check_ready(p->s);
		return true;
	}
	(void)snprintf(why, sizeof why, "%.*s", (int)m.text.n, m.text.p);
	sp_super_fatal(p->s, why);
	/* Later a new one tries again: a full disk may have been emptied. */
	if (p->s->phase == SP_SERVING)
		sp_proc_kill(p);
	return true;
}

static bool
on_message(void *ctx, struct sp_chan *ch, unsigned type, sp_slice body, const int *fds, unsigned nfds)
{
	struct sp_proc *p = ctx;
	struct sp_m_peer other;

	switch (type) {
	case SP_M_READY:
		on_ready(p);
		return true;
	case SP_M_KEEPER_UP:
		return p->role == SP_KEEPER && on_keeper_up(p, body);
	case SP_M_RELINK:
		if (!sp_dec_peer(body, &other))
			return false;
		sp_wire_again(p, &other);
		return true;
	}
	return false;
}

/* It is dying, or it broke the table: in both cases it does not live on. */
static void
on_closed(void *ctx, struct sp_chan *ch, const char *why)
{
	struct sp_proc *p = ctx;

	if (why != NULL)
		sp_log(SP_ERROR, "role.offence", SP_C("process", sp_role_name(p->role)), SP_U("index", p->index),
		    SP_C("why", why));
	if (p->ch == ch)
		sp_chan_free(&p->ch);
	sp_proc_kill(p);
}

static const struct sp_chan_ops role_ops = { on_message, on_closed };

/* ---------------------------------------------------------------- start */

static void
on_timer(uv_timer_t *t)
{
	struct sp_proc *p = t->data;

	if (p->state == SP_DOWN) {
		sp_proc_start(p);
		return;
	}
	sp_log(SP_ERROR, p->state == SP_STARTING ? "role.not_ready" : "role.does_not_leave",
	    SP_C("process", sp_role_name(p->role)), SP_U("index", p->index));
	sp_proc_kill(p);
}

void
sp_proc_init(struct sp_proc *p, struct sp_super *s, struct sp_gen *gen, enum sp_role role, uint32_t index)
{
	*p = (struct sp_proc){ .s = s, .gen = gen, .role = role, .index = index, .ring = -1, .row = UINT32_MAX };
	for (uint32_t i = 0; (role == SP_FRONT || role == SP_EGRESS) && i < SP_COUNTER_ROWS; i++)
		if (!s->row_taken[i]) {
			s->row_taken[i] = true;
			p->row = i;
			break;
		}
	uv_timer_init(&s->loop, &p->timer);
	p->timer.data = p;
}

void
sp_proc_free(struct sp_proc *p, uv_close_cb closed)
{
	sp_rings_retire(p);
	if (p->row != UINT32_MAX)
		p->s->row_taken[p->row] = false;
	uv_close((uv_handle_t *)&p->timer, closed);
}

static void
start_later(struct sp_proc *p)
{
	if (p->backoff_ms == 0 || sp_mono_ms() - p->began_ms >= SP_STEADY_MS)
		p->backoff_ms = SP_BACKOFF_MIN;
	uv_timer_start(&p->timer, on_timer, p->backoff_ms, 0);
	p->backoff_ms = p->backoff_ms * 2 > SP_BACKOFF_MAX ? SP_BACKOFF_MAX : p->backoff_ms * 2;
}

static void
not_started(struct sp_proc *p, const char *what, const char *why)
{
	sp_log(SP_ERROR, "role.not_started", SP_C("process", sp_role_name(p->role)), SP_U("index", p->index),
	    SP_C("what", what), SP_C("why", why));
	start_later(p);
}

static bool
run(struct sp_proc *p, const int ends[2])
{
	static const char *const names[SP_ROLE_COUNT] = {
		[SP_FRONT] = "sallyport-front", [SP_MANAGE] = "sallyport-manage", [SP_EGRESS] = "sallyport-egress",
		[SP_DIALER] = "sallyport-dialer", [SP_KEEPER] = "sallyport-keeper",
		[SP_SPAWNER] = "sallyport-spawner", [SP_CHECKER] = "sallyport-checker",
	};
	const char *const argv[] = { names[p->role], NULL };
	const struct sp_child c = { p->s->exe[p->role], ends[1], -1, argv, false, p->role == SP_SPAWNER };
	pid_t pid = sp_child_start(p->s, &c);
	int err = errno;

	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		not_started(p, "fork", strerror(err));
		return false;
	}
	p->pid = pid;
	p->state = SP_STARTING;
	uv_timer_start(&p->timer, on_timer, SP_READY_MS, 0);
	if (sp_chan_new(&p->s->loop, ends[0], SP_CHAN_PACKET, SP_SUPER, p->role, &role_ops, p, &p->ch) != SP_OK) {
		sp_proc_kill(p);
		return false;
	}
	return true;
}

void
sp_proc_start(struct sp_proc *p)
{
	struct sp_super *s = p->s;
	struct sp_err e = { 0 };
	int ends[2];

	p->began_ms = sp_mono_ms();
	p->incarnation = s->next_incarnation++;
	if ((p->role == SP_FRONT || p->role == SP_EGRESS) && sp_rings_give(p, &e) != SP_OK) {
		not_started(p, "ring", e.log);
		return;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
		not_started(p, "channel", strerror(errno));
		return;
	}
	if (run(p, ends) && send_boot(p))
		sp_wire_all(p);
}

/* ---------------------------------------------------------------- end */

void
sp_proc_kill(struct sp_proc *p)
{
	if (p->pid > 0)
		(void)kill(p->pid, SIGKILL);
}

void
sp_proc_drain(struct sp_proc *p, uint32_t ms)
{
	char buf[8];
	struct sp_out o;

	if (p->state == SP_DOWN) {
		uv_timer_stop(&p->timer);
		return;
	}
	if (p->state == SP_STARTING) {
		p->state = SP_LEAVING;
		sp_proc_kill(p);
		return;
	}
	p->state = SP_LEAVING;
	sp_out_init(&o, buf, sizeof buf);
	sp_enc_drain(&o, &(struct sp_m_drain){ ms });
	if (!sp_proc_says(p, SP_M_DRAIN, sp_out_view(&o), NULL, 0))
		sp_proc_kill(p);
	uv_timer_start(&p->timer, on_timer, (uint64_t)ms + 1000, 0);
}

static void
say_death(const struct sp_proc *p, int status, bool expected)
{
	enum sp_level level = expected ? SP_DEBUG : SP_ERROR;
	const char *name = sp_role_name(p->role);

	if (WIFSIGNALED(status))
		sp_log(level, "role.died", SP_C("process", name), SP_U("index", p->index),
		    SP_U("signal", WTERMSIG(status)), SP_U("ms", sp_mono_ms() - p->began_ms));
	else
		sp_log(level, "role.ended", SP_C("process", name), SP_U("index", p->index),
		    SP_U("status", WEXITSTATUS(status)), SP_U("ms", sp_mono_ms() - p->began_ms));
}

/* What follows from the death of a process that nobody told to go. */
static void
after_death(struct sp_proc *p, bool refused)
{
	struct sp_super *s = p->s;
	char why[128];

	(void)snprintf(why, sizeof why, "%s %u ended before it was ready; its line above says why",
	    sp_role_name(p->role), (unsigned)p->index);
	if (p->role == SP_KEEPER && s->ready && s->prompted) {
		sp_log(SP_ERROR, "stopped", SP_C("why", "keeper died, and the vault was opened with a typed "
		    "passphrase that nobody has kept; start again"));
		sp_super_stop(s, 1);
		return;
	}
	if (refused && p->gen != NULL && p->gen->state == SP_GEN_STARTING) {
		sp_gen_failed(p->gen, why);
		return;
	}
	if (refused && p->gen == NULL && s->phase == SP_BEGINNING) {
		sp_super_fatal(s, why);
		return;
	}
	start_later(p);
}

static void
on_death(struct sp_proc *p, int status)
{
	struct sp_super *s = p->s;
	bool leaving = p->state == SP_LEAVING || s->phase == SP_STOPPING ||
	    (p->gen != NULL && p->gen->state == SP_GEN_LEAVING);
	bool refused = p->state == SP_STARTING && WIFEXITED(status) && WEXITSTATUS(status) != 0;

	say_death(p, status, leaving);
	p->pid = 0;
	p->state = SP_DOWN;
	uv_timer_stop(&p->timer);
	sp_chan_free(&p->ch);
	if (p->role == SP_KEEPER)
		s->keeper_ok = false;
	if (p->role == SP_FRONT)
		sp_slots_clear_front(s->slots, p->index);
	sp_counters_clear_gauges(s->counters, p->row);
	sp_wire_gone(p);
	if (!leaving) {
		after_death(p, refused);
		return;
	}
	if (p->gen != NULL)
		sp_gen_left(p->gen);
	if (s->phase == SP_STOPPING)
		sp_super_stopping(s);
}

static struct sp_proc *
find(struct sp_super *s, pid_t pid)
{
	if (s->keeper.pid == pid)
		return &s->keeper;
	for (struct sp_gen *g = s->gens; g != NULL; g = g->next)
		for (uint32_t i = 0; i < g->nprocs; i++)
			if (g->procs[i].pid == pid)
				return &g->procs[i];
	return NULL;
}

void
sp_proc_reap(struct sp_super *s)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct sp_proc *p;

		if (sp_load_ended(s, pid, status))
			continue;
		p = find(s, pid);
		if (p != NULL)
			on_death(p, status);
	}
}

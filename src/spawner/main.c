/*
 * sallyport-spawner: started by sallyport when the configuration has a command: reference, never by hand.  keeper names a
 * reference of this generation's image; its program is started, and the end to read its output from goes to keeper.
 * Nothing that such a program writes is read here.
 */
#include "base/log.h"
#include "image/image.h"
#include "ipc/packet.h"
#include "os/role.h"
#include "spawner/run.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

enum { SUPER_AT, KEEPER_AT, RUNS_AT, POLLS = RUNS_AT + SP_RUNS_MAX };

struct spawner {
	struct sp_image img;
	struct sp_m_boot boot;
	int	 keeper;		/* channel; -1: none */
	struct sp_m_peer keeper_is;
	struct sp_run run[SP_RUNS_MAX];
};

/* ---------------------------------------------------------------- keeper */

static void
kill_all(struct spawner *s)
{
	for (size_t i = 0; i < SP_RUNS_MAX; i++)
		if (s->run[i].pid != 0)
			sp_run_kill(&s->run[i]);
}

/* Whoever asked is gone, and so is the reader of what still runs. */
static void
lose_keeper(struct spawner *s)
{
	if (s->keeper >= 0)
		close(s->keeper);
	s->keeper = -1;
	kill_all(s);
}

/* super makes a new channel when keeper lives on. */
static void
offence(struct spawner *s, const char *why)
{
	char buf[16];
	struct sp_out o;

	sp_log(SP_ERROR, "spawner.keeper_lost", SP_C("why", why));
	lose_keeper(s);
	sp_out_init(&o, buf, sizeof buf);
	sp_enc_peer(&o, &s->keeper_is);
	(void)!sp_packet_send(SP_ROLE_CHANNEL, SP_M_RELINK, sp_out_view(&o), -1);
}

static void
say(struct spawner *s, enum sp_msg type, sp_slice body, int fd)
{
	if (s->keeper >= 0 && sp_packet_send(s->keeper, type, body, fd) != SP_OK)
		offence(s, "it does not take what it asked for");
}

static void
say_ended(struct spawner *s, uint32_t id, enum sp_status st, const char *why)
{
	const struct sp_m_run_ended m = { id, (uint32_t)st, sp_str(why) };
	char buf[264];
	struct sp_out o;

	sp_out_init(&o, buf, sizeof buf);
	sp_enc_run_ended(&o, &m);
	say(s, SP_M_RUN_ENDED, sp_out_view(&o), -1);
}

/* Whoever is keeper may start what the file names, and nothing else. */
static bool
is_configured(const struct sp_image *img, sp_slice ref)
{
	for (uint32_t i = 0; i < img->head->servers.n; i++) {
		const struct sp_img_server *srv = SP_IMG_AT(img, img->head->servers, server, i);

		for (uint32_t k = 0; k < srv->grants.n; k++)
			if (sp_eq(sp_img_str(img, SP_IMG_AT(img, srv->grants, grant, k)->ref), ref))
				return true;
	}
	for (uint32_t i = 0; i < img->head->sources.n; i++)
		if (sp_eq(sp_img_str(img, SP_IMG_AT(img, img->head->sources, source, i)->keys_ref), ref))
			return true;
	for (uint32_t i = 0; i < img->head->authorities.n; i++)
		if (sp_eq(sp_img_str(img, SP_IMG_AT(img, img->head->authorities, authority, i)->client_secret), ref))
			return true;
	return false;
}

static struct sp_run *
free_place(struct spawner *s)
{
	for (size_t i = 0; i < SP_RUNS_MAX; i++)
		if (s->run[i].pid == 0)
			return &s->run[i];
	return NULL;
}

static void
start(struct spawner *s, const struct sp_m_run *m)
{
	struct sp_run *r = free_place(s);
	struct sp_err e = { 0 };
	sp_slice argv = m->ref;
	enum sp_status st;
	char buf[8];
	struct sp_out o;
	int out;

	if (!sp_take(&argv, SP_LIT("command:")) || !is_configured(&s->img, m->ref)) {
		sp_log(SP_ERROR, "spawner.refused", SP_C("why", "a reference that is not in the configuration"));
		say_ended(s, m->id, SP_E_REFUSED, "not in the configuration");
		return;
	}
	if (r == NULL) {
		say_ended(s, m->id, SP_E_RATE, "too many at once");
		return;
	}
	st = sp_run_start(argv, sp_mono_ms(), r, &out, &e);
	if (st != SP_OK) {
		say_ended(s, m->id, st, e.log);
		return;
	}
	r->id = m->id;
	sp_out_init(&o, buf, sizeof buf);
	sp_enc_ran(&o, &(struct sp_m_ran){ m->id });
	say(s, SP_M_RAN, sp_out_view(&o), out);
	close(out);
}

static void
on_keeper(struct spawner *s)
{
	struct sp_packet p;
	struct sp_m_run m;

	switch (sp_packet_recv(s->keeper, SP_KEEPER, SP_SPAWNER, &p)) {
	case SP_OK:
		if (p.type == SP_M_RUN && sp_dec_run(p.body, &m))
			start(s, &m);
		else
			offence(s, "a message of wrong form");
		return;
	case SP_E_UNAVAILABLE:
		lose_keeper(s);
		return;
	case SP_E_RATE:
		return;
	default:
		offence(s, "a message that is not admitted");
	}
}

/* ---------------------------------------------------------------- super */

/* False: it is time to go. */
static bool
on_super(struct spawner *s)
{
	struct sp_packet p;

	if (sp_packet_recv(SP_ROLE_CHANNEL, SP_SUPER, SP_SPAWNER, &p) != SP_OK || p.type == SP_M_DRAIN)
		return false;
	if (p.type == SP_M_PEER && sp_dec_peer(p.body, &s->keeper_is) && s->keeper_is.role == SP_KEEPER) {
		lose_keeper(s);
		s->keeper = p.fds[0];
		return true;
	}
	for (unsigned i = 0; i < p.nfds; i++)
		close(p.fds[i]);
	return true;
}

/* ---------------------------------------------------------------- runs */

static void
on_ended(struct spawner *s, struct sp_run *r)
{
	struct sp_err e = { 0 };
	uint32_t id = r->id;
	enum sp_status st = sp_run_ended(r, &e);

	sp_run_sweep(s->run, SP_RUNS_MAX);
	say_ended(s, id, st, st == SP_OK ? "" : e.log);
}

static int
wait_ms(struct spawner *s)
{
	uint64_t now = sp_mono_ms(), next = UINT64_MAX;

	for (size_t i = 0; i < SP_RUNS_MAX; i++) {
		struct sp_run *r = &s->run[i];

		if (r->pid == 0 || r->late)
			continue;
		if (r->deadline_ms <= now)
			sp_run_kill(r);
		else if (r->deadline_ms < next)
			next = r->deadline_ms;
	}
	return next == UINT64_MAX ? -1 : (int)(next - now);
}

static void
serve(struct spawner *s)
{
	struct pollfd p[POLLS];

	for (;;) {
		int wait = wait_ms(s), n;

		p[SUPER_AT] = (struct pollfd){ SP_ROLE_CHANNEL, POLLIN, 0 };
		p[KEEPER_AT] = (struct pollfd){ s->keeper, POLLIN, 0 };
		for (size_t i = 0; i < SP_RUNS_MAX; i++)
			p[RUNS_AT + i] = (struct pollfd){ s->run[i].pid != 0 ? s->run[i].pidfd : -1, POLLIN, 0 };
		n = poll(p, POLLS, wait);
		if (n < 0 && errno != EINTR)
			return;
		if (n <= 0)
			continue;
		for (size_t i = 0; i < SP_RUNS_MAX; i++)
			if (p[RUNS_AT + i].revents != 0)
				on_ended(s, &s->run[i]);
		if (p[KEEPER_AT].revents != 0 && s->keeper >= 0)
			on_keeper(s);
		if (p[SUPER_AT].revents != 0 && !on_super(s))
			return;
	}
}

static void
leave(struct spawner *s)
{
	kill_all(s);
	for (size_t i = 0; i < SP_RUNS_MAX; i++)
		if (s->run[i].pid != 0) {
			struct sp_err e = { 0 };

			(void)!sp_run_ended(&s->run[i], &e);
		}
	sp_run_sweep(s->run, SP_RUNS_MAX);
}

static enum sp_status
begin(struct spawner *s, struct sp_err *e)
{
	struct sp_jail jail = { .role = SP_SPAWNER, .state_dir = -1 };
	int fds[SP_MSG_FDS];
	unsigned nfds;
	enum sp_status st = sp_role_boot(SP_SPAWNER, &s->boot, fds, &nfds, e);

	if (st != SP_OK)
		return st;
	sp_log_init("spawner", (enum sp_level)s->boot.log_level);
	if (nfds != 2)
		return sp_fail(e, SP_E_SYSTEM, "no start", "BOOT has %u descriptors, not 2", nfds);
	st = sp_image_open(fds[0], &s->img, e);
	close(fds[0]);
	close(fds[1]);
	jail.isolation = (enum sp_isolation)s->boot.isolation;
	if (st == SP_OK)
		st = sp_jail_enter(&jail, e);
	if (st != SP_OK)
		return st;
	sp_run_adopt_orphans();
	return sp_packet_send(SP_ROLE_CHANNEL, SP_M_READY, SP_LIT(""), -1);
}

int
main(void)
{
	static struct spawner s = { .keeper = -1 };
	struct sp_err e = { 0 };
	enum sp_status st;

	sp_log_init("spawner", SP_INFO);
	sp_role_quiet(SP_SPAWNER);
	st = begin(&s, &e);
	if (st != SP_OK) {
		sp_log(SP_ERROR, "role.failed", SP_C("status", sp_errinfo(st)->name), SP_C("why", e.log));
		return 1;
	}
	serve(&s);
	leave(&s);
	/* Exit handlers of libraries have no business here. */
	_exit(0);
}

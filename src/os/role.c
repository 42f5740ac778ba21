#include "os/role.h"

#include "base/log.h"
#include "ipc/packet.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum { CHANNEL = SP_ROLE_CHANNEL, BOOT_WAIT_MS = 30000, EXIT_FAILED = 1 };

struct life {
	const struct sp_role_def *def;
	struct sp_boot boot;
	struct sp_m_boot said;
	int	 fds[SP_MSG_FDS];
	unsigned nfds;
	uv_loop_t loop;
	void	*ctx;
	struct sp_err err;
};

/* Which descriptors BOOT brings to whom: a ring and the counters. */
static bool
has_ring(enum sp_role r)
{
	return r == SP_FRONT || r == SP_EGRESS;
}

void
sp_role_quiet(enum sp_role role)
{
	const struct rlimit none = { 0, 0 };
	char name[16];
	int fd;

	/* Signals go to the whole terminal or control group; super decides, and its channel tells us. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	/* When memory is short, those that hold no state go first. */
	if (role != SP_KEEPER && (fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC)) >= 0) {
		if (write(fd, "200", 3) != 3)
			sp_log(SP_DEBUG, "role.oom_score");
		close(fd);
	}
	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	(void)snprintf(name, sizeof name, "sp-%s", sp_role_name(role));
	(void)prctl(PR_SET_NAME, name, 0, 0, 0);
	/* So that the descriptors of BOOT are all there is. */
	(void)close_range(CHANNEL + 1, ~0u, 0);
}

/* The first packet, read without a loop: nothing else can happen before it. */
enum sp_status
sp_role_boot(enum sp_role role, struct sp_m_boot *said, int fds[SP_MSG_FDS], unsigned *nfds, struct sp_err *e)
{
	struct pollfd p = { CHANNEL, POLLIN, 0 };
	struct sp_packet in = { 0 };

	if (poll(&p, 1, BOOT_WAIT_MS) != 1)
		return sp_fail(e, SP_E_SYSTEM, "no start",
		    "nothing on descriptor %d: this program is started by sallyport, not by hand", CHANNEL);
	if (sp_packet_recv(CHANNEL, SP_SUPER, role, &in) != SP_OK)
		return sp_fail(e, SP_E_SYSTEM, "no start",
		    "no BOOT on descriptor %d: this program is started by sallyport, not by hand", CHANNEL);
	if (in.type != SP_M_BOOT || !sp_dec_boot(in.body, said) || said->role != (uint32_t)role)
		return sp_fail(e, SP_E_SYSTEM, "no start", "BOOT is not for a %s of this version",
		    sp_role_name(role));
	memcpy(fds, in.fds, sizeof in.fds[0] * in.nfds);
	*nfds = in.nfds;
	return SP_OK;
}

static int
next_fd(struct life *l, unsigned *at)
{
	return *at < l->nfds ? l->fds[(*at)++] : -1;
}

static enum sp_status
map_ring(struct life *l, int fd)
{
	enum sp_status st = sp_ring_map_writer(fd, &l->boot.ring, &l->err);

	close(fd);
	return st;
}

static enum sp_status
map_slots(struct life *l, int fd)
{
	enum sp_status st = sp_slots_map(fd, &l->boot.slots, &l->err);

	close(fd);
	return st;
}

static enum sp_status
map_counters(struct life *l, int fd)
{
	enum sp_status st = sp_counters_map(fd, &l->boot.counters, &l->err);

	close(fd);
	return st;
}

static enum sp_status
enter_state(struct life *l, int fd)
{
	l->boot.state_dir = fd;
	return fchdir(fd) == 0 ? SP_OK :
	    sp_fail(&l->err, SP_E_SYSTEM, "no start", "cannot enter the state folder: error %d", errno);
}

static enum sp_status
map_all(struct life *l)
{
	struct sp_boot *b = &l->boot;
	bool library = b->role == SP_CHECKER && l->nfds == 3;
	unsigned at = 0, want = 2u + 2u * has_ring(b->role) + (b->role == SP_FRONT) + (b->role == SP_KEEPER) + library +
	    l->said.nlisten;
	enum sp_status st;
	int image, page;

	if (l->nfds != want || l->said.nlisten > SP_BOOT_LISTENERS)
		return sp_fail(&l->err, SP_E_SYSTEM, "no start", "BOOT has %u descriptors, not %u",
		    l->nfds, want);
	image = next_fd(l, &at);
	page = next_fd(l, &at);
	st = sp_image_open(image, &b->img, &l->err);
	close(image);
	if (st == SP_OK)
		st = sp_page_map(page, b->role == SP_KEEPER, &b->page, &l->err);
	close(page);
	if (st == SP_OK && has_ring(b->role))
		st = map_ring(l, next_fd(l, &at));
	if (st == SP_OK && b->role == SP_FRONT)
		st = map_slots(l, next_fd(l, &at));
	if (st == SP_OK && has_ring(b->role))
		st = map_counters(l, next_fd(l, &at));
	if (st == SP_OK && b->role == SP_KEEPER)
		st = enter_state(l, next_fd(l, &at));
	if (st == SP_OK && library)
		b->library = next_fd(l, &at);
	while (st == SP_OK && b->nlisten < l->said.nlisten)
		b->listeners[b->nlisten++] = next_fd(l, &at);
	return st;
}

static void
fill_boot(struct life *l)
{
	struct sp_boot *b = &l->boot;

	b->role = l->def->role;
	b->index = l->said.index;
	b->generation = l->said.generation;
	b->incarnation = l->said.incarnation;
	b->row = l->said.row;
	b->nmetrics = l->said.nmetrics;
	b->seed[0] = l->said.seed[0];
	b->seed[1] = l->said.seed[1];
	b->isolation = (enum sp_isolation)l->said.isolation;
	b->state_dir = b->library = -1;
	b->loop = &l->loop;
}

/* ---------------------------------------------------------------- super speaks */

static bool
on_peer(struct life *l, sp_slice body, int fd)
{
	struct sp_m_peer p;

	if (!sp_dec_peer(body, &p) || l->def->peer == NULL) {
		close(fd);
		return false;
	}
	if (l->def->peer(l->ctx, &p, fd) != SP_OK)
		sp_log(SP_ERROR, "role.peer_refused", SP_C("peer", sp_role_name((enum sp_role)p.role)),
		    SP_U("index", p.index));
	return true;
}

static bool
on_message(void *ctx, struct sp_chan *ch, unsigned type, sp_slice body, const int *fds, unsigned nfds)
{
	struct life *l = ctx;
	struct sp_m_drain d;

	if (type == SP_M_PEER)
		return on_peer(l, body, fds[0]);
	if (type == SP_M_DRAIN) {
		if (!sp_dec_drain(body, &d))
			return false;
		if (l->def->drain == NULL)
			sp_role_exit(&l->boot);
		else
			l->def->drain(l->ctx, d.ms);
		return true;
	}
	if (type != SP_M_BOOT && l->def->message != NULL)
		return l->def->message(l->ctx, type, body, fds, nfds);
	for (unsigned i = 0; i < nfds; i++)
		close(fds[i]);
	return false;
}

static void
on_closed(void *ctx, struct sp_chan *ch, const char *why)
{
	struct life *l = ctx;

	if (why != NULL)
		sp_log(SP_ERROR, "role.super_lost", SP_C("why", why));
	uv_stop(&l->loop);
}

static const struct sp_chan_ops super_ops = { on_message, on_closed };

/* ---------------------------------------------------------------- the life */

static enum sp_status
live(struct life *l)
{
	struct sp_boot *b = &l->boot;
	const struct sp_jail *jail;
	enum sp_status st = sp_role_boot(l->def->role, &l->said, l->fds, &l->nfds, &l->err);

	if (st != SP_OK)
		return st;
	fill_boot(l);
	sp_log_init(sp_role_name(b->role), (enum sp_level)l->said.log_level);
	if (uv_loop_init(&l->loop) != 0)
		return sp_fail(&l->err, SP_E_SYSTEM, "no start", "no event loop");
	st = map_all(l);
	if (st == SP_OK)
		st = sp_chan_new(&l->loop, CHANNEL, SP_CHAN_PACKET, b->role, SP_SUPER, &super_ops, l,
		    &b->super);
	if (st == SP_OK)
		st = l->def->prepare(b, &l->ctx, &l->err);
	if (st != SP_OK)
		return st;
	jail = &(struct sp_jail){ .role = b->role, .isolation = b->isolation, .state_dir = b->state_dir,
	    .load = b->library >= 0 ? l->def->load : NULL, .ctx = l->ctx };
	st = sp_jail_enter(jail, &l->err);
	if (st == SP_OK && l->def->start != NULL)
		st = l->def->start(l->ctx, &l->err);
	if (st == SP_OK)
		st = sp_chan_send(b->super, SP_M_READY, SP_LIT(""), NULL, 0);
	if (st == SP_OK)
		(void)uv_run(&l->loop, UV_RUN_DEFAULT);
	return st;
}

int
sp_role_main(const struct sp_role_def *def)
{
	static struct life l;
	enum sp_status st;

	l.def = def;
	sp_log_init(sp_role_name(def->role), SP_INFO);
	sp_role_quiet(def->role);
	st = live(&l);
	if (st == SP_OK)
		_exit(0);
	sp_log(SP_ERROR, "role.failed", SP_C("status", sp_errinfo(st)->name), SP_C("why", l.err.log));
	_exit(EXIT_FAILED);
}

void
sp_role_exit(struct sp_boot *b)
{
	uv_stop(b->loop);
}

void
sp_role_relink(struct sp_boot *b, const struct sp_m_peer *peer)
{
	char buf[16];
	struct sp_out o;

	if (b->super == NULL)
		return;
	sp_out_init(&o, buf, sizeof buf);
	sp_enc_peer(&o, peer);
	if (sp_chan_send(b->super, SP_M_RELINK, sp_out_view(&o), NULL, 0) != SP_OK)
		sp_log(SP_WARN, "role.relink_unsaid", SP_C("peer", sp_role_name((enum sp_role)peer->role)),
		    SP_U("index", peer->index));
}

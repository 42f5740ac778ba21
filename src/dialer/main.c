/*
 * sallyport-dialer: started by sallyport, never by hand.  Egress i asks to be connected to one of the origins of
 * upstream i, nothing else; the answer is a connected socket or a reason.  The egresses after those of the servers are
 * those of the authorities: they may also name a public host, which their metadata named.  For the management API the
 * socket is one end of a pair whose other end goes to sallyport-manage.
 */
#include "base/log.h"
#include "outbound/dial.h"
#include "outbound/dialhost.h"
#include "os/role.h"

#include <ctype.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	DIALS_EACH = 128,		/* under way for one egress; more than it may have connections */
	GUESTS_EACH = 4,		/* hosts that it named, at a time */
};

struct dialer;

/* A host that was named, for as long as the connection is being made: nothing of it is remembered. */
struct guest {
	char	 host[256];
	struct sp_target *target;
};

struct asked {
	struct egress *from;
	struct sp_dial *dial;
	struct guest *guest;		/* NULL: one of its own targets */
	uint32_t id;
	bool	 used;
};

struct egress {			/* one per server, authority and check; its channel comes and goes */
	struct dialer *dialer;
	struct sp_chan *ch;
	sp_slice name;			/* for the log */
	bool	 management;
	bool	 check;			/* its process is a checker */
	const struct sp_img_authority *authority;	/* NULL: it is a server's */
	struct sp_target **targets;	/* its origins, its own first */
	uint32_t ntargets;
	struct asked asked[DIALS_EACH];
	struct guest guests[GUESTS_EACH];
};

struct dialer {
	struct sp_boot *boot;
	uint32_t n;
	struct egress *egress;		/* n of them: servers, then authorities, then checks */
	struct sp_chan *manage;
	uv_timer_t drain;
	bool	 draining;
};

/* --- answers */

static void
say_error(struct egress *e, uint32_t id, enum sp_status st, const char *why)
{
	struct sp_m_dial_error m = { .id = id, .status = (uint32_t)st, .text = sp_str(why) };
	char buf[512];
	struct sp_out o;

	sp_out_init(&o, buf, sizeof buf);
	sp_enc_dial_error(&o, &m);
	if (o.full || sp_chan_send(e->ch, SP_M_DIAL_ERROR, sp_out_view(&o), NULL, 0) != SP_OK)
		sp_log(SP_WARN, "dial.unanswered", SP_S("server", e->name));
}

/* Closes our end in any case. */
static void
say_connected(struct egress *e, uint32_t id, int fd, const char *address)
{
	struct sp_m_dialed m = { .id = id, .address = sp_str(address) };
	char buf[256];
	struct sp_out o;

	sp_out_init(&o, buf, sizeof buf);
	sp_enc_dialed(&o, &m);
	if (o.full || sp_chan_send(e->ch, SP_M_DIALED, sp_out_view(&o), &fd, 1) != SP_OK)
		sp_log(SP_WARN, "dial.unanswered", SP_S("server", e->name));
	close(fd);
}

/* The place is free again; its dial is over. */
static void
release(struct asked *a)
{
	sp_dial_cancel(&a->dial);
	if (a->guest != NULL)
		sp_target_free(&a->guest->target);
	a->guest = NULL;
	a->used = false;
}

static void
on_done(void *ctx, const struct sp_dial_result *r)
{
	struct asked *a = ctx;
	struct egress *e = a->from;
	sp_slice host = a->guest == NULL ? e->name : sp_str(a->guest->host);

	a->dial = NULL;
	release(a);
	if (r->status == SP_OK) {
		sp_log(SP_DEBUG, "dial.connected", SP_S("server", e->name), SP_C("address", r->address));
		say_connected(e, a->id, r->fd, r->address);
		return;
	}
	sp_log(SP_WARN, "dial.failed", SP_S("server", e->name), SP_S("host", host), SP_C("why", r->why),
	    SP_C("address", r->address));
	say_error(e, a->id, r->status, r->why);
}

/* --- questions */

static void
dial_manage(struct egress *e, uint32_t id)
{
	struct dialer *d = e->dialer;
	int fds[2];
	enum sp_status st;

	if (d->manage == NULL) {
		say_error(e, id, SP_E_UNAVAILABLE, "the management service is not there");
		return;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0) {
		say_error(e, id, SP_E_SYSTEM, "no descriptors left");
		return;
	}
	st = sp_chan_send(d->manage, SP_M_CONNECTION, SP_LIT(""), &fds[1], 1);
	close(fds[1]);
	if (st != SP_OK) {
		close(fds[0]);
		say_error(e, id, SP_E_UNAVAILABLE, "the management service does not take connections");
		return;
	}
	say_connected(e, id, fds[0], "management");
}

static struct asked *
free_place(struct egress *e)
{
	for (size_t i = 0; i < DIALS_EACH; i++)
		if (!e->asked[i].used)
			return &e->asked[i];
	return NULL;
}

static void
dial(struct egress *e, uint32_t id, struct sp_target *t, struct guest *guest)
{
	struct asked *a = free_place(e);

	if (a == NULL) {
		if (guest != NULL)
			sp_target_free(&guest->target);
		say_error(e, id, SP_E_UNAVAILABLE, "too many connections are being made");
		return;
	}
	*a = (struct asked){ .from = e, .id = id, .used = true, .guest = guest };
	if (sp_dial_start(t, on_done, a, &a->dial) != SP_OK) {
		release(a);
		say_error(e, id, SP_E_SYSTEM, "the connection cannot be begun");
	}
}

static bool
dial_own(struct egress *e, const struct sp_m_dial *m)
{
	if (m->origin >= e->ntargets && !(e->management && m->origin == 0))
		return false;
	if (e->management)
		dial_manage(e, m->id);
	else
		dial(e, m->id, e->targets[m->origin], NULL);
	return true;
}

static struct guest *
free_guest(struct egress *e)
{
	for (size_t i = 0; i < GUESTS_EACH; i++)
		if (e->guests[i].target == NULL)
			return &e->guests[i];
	return NULL;
}

static bool
dial_host(struct egress *e, const struct sp_m_dial_host *m)
{
	const struct sp_img_authority *au = e->authority;
	struct guest *g = free_guest(e);
	struct sp_dialhost to = { 0 };
	struct sp_dialhost_own own;
	const char *why;

	if (au == NULL)
		return false;
	own = (struct sp_dialhost_own){ sp_img_str(&e->dialer->boot->img, au->host), (enum sp_host_kind)au->host_kind,
	    au->port, au->https != 0, au->private_ok != 0 };
	why = sp_dialhost_judge(&own, m->host, m->port, m->https != 0, &to);
	if (why != NULL) {
		sp_log(SP_WARN, "dial.refused", SP_S("authority", e->name), SP_C("why", why), SP_S("host", m->host));
		say_error(e, m->id, SP_E_REFUSED, why);
		return true;
	}
	if (g == NULL || !sp_cstr(m->host, g->host, sizeof g->host) ||
	    sp_target_new(e->dialer->boot->loop, sp_str(g->host), to.kind, to.port, to.private_ok, &g->target) != SP_OK) {
		say_error(e, m->id, SP_E_UNAVAILABLE, "too many connections are being made");
		return true;
	}
	dial(e, m->id, g->target, g);
	return true;
}

static void
forget(struct egress *e)
{
	for (size_t i = 0; i < DIALS_EACH; i++)
		release(&e->asked[i]);
	sp_chan_free(&e->ch);
}

static bool
egress_message(void *ctx, struct sp_chan *ch, unsigned type, sp_slice body, const int *fds, unsigned nfds)
{
	struct sp_m_dial_host host;
	struct sp_m_dial own;

	if (type == SP_M_DIAL)
		return sp_dec_dial(body, &own) && dial_own(ctx, &own);
	return type == SP_M_DIAL_HOST && sp_dec_dial_host(body, &host) && dial_host(ctx, &host);
}

/* Egresses drain by what they have; whoever still needs a connection asks, so this role leaves after them. */
static void
leave_if_done(struct dialer *d)
{
	if (!d->draining)
		return;
	for (uint32_t i = 0; i < d->n; i++)
		if (d->egress[i].ch != NULL)
			return;
	sp_role_exit(d->boot);
}

static void
egress_closed(void *ctx, struct sp_chan *ch, const char *why)
{
	struct egress *e = ctx;
	uint32_t index = (uint32_t)(e - e->dialer->egress);

	if (why != NULL)
		sp_log(SP_ERROR, "peer.lost", SP_C("role", e->check ? "checker" : "egress"), SP_S("server", e->name), SP_C("why", why));
	if (e->check)
		index -= e->dialer->n - e->dialer->boot->img.head->checks.n;
	sp_role_relink(e->dialer->boot, &(struct sp_m_peer){ e->check ? SP_CHECKER : SP_EGRESS, index,
	    e->dialer->boot->generation, 0 });
	if (e->ch == ch)
		forget(e);
	leave_if_done(e->dialer);
}

static bool
manage_message(void *ctx, struct sp_chan *ch, unsigned type, sp_slice body, const int *fds, unsigned nfds)
{
	for (unsigned i = 0; i < nfds; i++)
		close(fds[i]);
	return false;			/* it has nothing to say to us */
}

static void
manage_closed(void *ctx, struct sp_chan *ch, const char *why)
{
	struct dialer *d = ctx;

	sp_role_relink(d->boot, &(struct sp_m_peer){ SP_MANAGE, 0, d->boot->generation, 0 });
	if (d->manage == ch)
		sp_chan_free(&d->manage);
}

/* --- the role */

/*
 * The resolver loads its modules when they are first used, and after the jail nothing executable can be mapped:
 * what nsswitch.conf names is loaded now.  A module that is not there is the resolver's own affair.
 */
static void
load_resolver_modules(void)
{
	FILE *f = fopen("/etc/nsswitch.conf", "re");
	char line[1024], name[96];

	while (f != NULL && fgets(line, sizeof line, f) != NULL) {
		sp_slice rest = sp_trim(sp_str(line)), word;

		if (!sp_take(&rest, SP_LIT("hosts:")))
			continue;
		for (;;) {
			size_t n = 0;

			while (rest.n != 0 && !sp_is_alpha((unsigned char)rest.p[0]) && rest.p[0] != '[')
				sp_advance(&rest, 1);
			while (n < rest.n && !isspace((unsigned char)rest.p[n]))
				n++;
			if (n == 0)
				break;
			word = sp_sub(rest, 0, n);
			sp_advance(&rest, n);
			if (word.p[0] == '[' || word.n > 32)
				continue;
			(void)snprintf(name, sizeof name, "libnss_%.*s.so.2", SP_PRI(word));
			(void)dlopen(name, RTLD_NOW | RTLD_GLOBAL);
		}
	}
	if (f != NULL)
		(void)fclose(f);
}

static enum sp_status
add_target(struct egress *e, struct sp_ref host, uint32_t kind, uint32_t port, uint32_t private_ok)
{
	struct sp_boot *b = e->dialer->boot;

	return sp_target_new(b->loop, sp_img_str(&b->img, host), (enum sp_host_kind)kind, (uint16_t)port, private_ok != 0,
	    &e->targets[e->ntargets++]);
}

static enum sp_status
prepare_server(struct egress *e, const struct sp_img_server *s)
{
	const struct sp_image *img = &e->dialer->boot->img;
	enum sp_status st;

	e->name = sp_img_str(img, s->name);
	e->management = s->kind == SP_SERVER_MANAGEMENT;
	if (e->management)
		return SP_OK;
	e->targets = calloc(1u + s->origins.n, sizeof(struct sp_target *));
	if (e->targets == NULL)
		return SP_E_FULL;
	st = add_target(e, s->host, s->host_kind, s->port, s->private_ok);
	for (uint32_t i = 0; st == SP_OK && i < s->origins.n; i++) {
		const struct sp_img_origin *o = SP_IMG_AT(img, s->origins, origin, i);

		st = add_target(e, o->host, o->host_kind, o->port, o->private_ok);
	}
	return st;
}

static enum sp_status
prepare_authority(struct egress *e, const struct sp_img_authority *a)
{
	e->authority = a;
	e->name = sp_img_str(&e->dialer->boot->img, a->host);
	e->targets = calloc(1, sizeof(struct sp_target *));
	return e->targets == NULL ? SP_E_FULL : add_target(e, a->host, a->host_kind, a->port, a->private_ok);
}

static enum sp_status
prepare_check(struct egress *e, const struct sp_img_check *c)
{
	e->name = sp_img_str(&e->dialer->boot->img, c->name);
	e->check = true;
	if (c->library.n != 0)
		return SP_OK;		/* a plug-in: nobody comes from there */
	e->targets = calloc(1, sizeof(struct sp_target *));
	return e->targets == NULL ? SP_E_FULL : add_target(e, c->host, c->host_kind, c->port, c->private_ok);
}

/* Servers, then authorities, then checks. */
static enum sp_status
prepare_one(struct egress *e, uint32_t i)
{
	const struct sp_image *img = &e->dialer->boot->img;
	const struct sp_img_head *h = img->head;

	if (i < h->servers.n)
		return prepare_server(e, SP_IMG_AT(img, h->servers, server, i));
	i -= h->servers.n;
	if (i < h->authorities.n)
		return prepare_authority(e, SP_IMG_AT(img, h->authorities, authority, i));
	return prepare_check(e, SP_IMG_AT(img, h->checks, check, i - h->authorities.n));
}

static enum sp_status
prepare(struct sp_boot *b, void **ctx, struct sp_err *err)
{
	const struct sp_img_head *h = b->img.head;
	struct dialer *d = calloc(1, sizeof *d);

	if (d == NULL)
		return sp_fail(err, SP_E_SYSTEM, NULL, "no memory");
	d->boot = b;
	d->n = h->servers.n + h->authorities.n + h->checks.n;
	d->egress = calloc(d->n == 0 ? 1 : d->n, sizeof *d->egress);
	if (d->egress == NULL)
		return sp_fail(err, SP_E_SYSTEM, NULL, "no memory");
	for (uint32_t i = 0; i < d->n; i++) {
		struct egress *e = &d->egress[i];

		e->dialer = d;
		if (prepare_one(e, i) != SP_OK)
			return sp_fail(err, SP_E_SYSTEM, NULL, "no memory");
	}
	if (uv_timer_init(b->loop, &d->drain) != 0)
		return sp_fail(err, SP_E_SYSTEM, NULL, "no timer");
	d->drain.data = d;
	load_resolver_modules();
	*ctx = d;
	return SP_OK;
}

static enum sp_status
peer(void *ctx, const struct sp_m_peer *p, int fd)
{
	static const struct sp_chan_ops egress_ops = { egress_message, egress_closed };
	static const struct sp_chan_ops manage_ops = { manage_message, manage_closed };
	struct dialer *d = ctx;
	uint32_t at = p->index;

	if (p->role == SP_MANAGE) {
		sp_chan_free(&d->manage);
		return sp_chan_new(d->boot->loop, fd, SP_CHAN_PACKET, SP_DIALER, SP_MANAGE, &manage_ops, d, &d->manage);
	}
	if (p->role == SP_CHECKER && p->index < d->boot->img.head->checks.n) {
		at = d->n - d->boot->img.head->checks.n + p->index;
	} else if (p->role != SP_EGRESS || p->index >= d->n - d->boot->img.head->checks.n) {
		close(fd);
		return SP_E_BUG;
	}
	forget(&d->egress[at]);
	return sp_chan_new(d->boot->loop, fd, SP_CHAN_PACKET, SP_DIALER, (enum sp_role)p->role, &egress_ops, &d->egress[at],
	    &d->egress[at].ch);
}

static void
on_drained(uv_timer_t *t)
{
	struct dialer *d = t->data;

	sp_role_exit(d->boot);
}

static void
drain(void *ctx, uint32_t ms)
{
	struct dialer *d = ctx;

	d->draining = true;
	uv_timer_start(&d->drain, on_drained, ms, 0);
	leave_if_done(d);
}

int
main(void)
{
	static const struct sp_role_def def = {
		.role = SP_DIALER, .prepare = prepare, .peer = peer, .drain = drain,
	};

	return sp_role_main(&def);
}

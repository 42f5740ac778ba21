/*
 * Values that a command prints.  spawner runs it; its standard output comes to us as a descriptor that is read as bytes
 * arrive, straight into locked memory.  A value is used for five minutes and then asked for anew; the old one stays in use
 * until the new one is whole, but not for ever: a command that keeps failing closes the calls that need it.
 */
#include "keeper/keeper.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define COMMAND "command:"

enum {
	FRESH_MS = 300000, STALE_MS = 900000, AGAIN_MS = 15000, ANSWER_MS = 15000, FAILURES = 3, AT_ONCE = 4,
	ROOM = SP_VAULT_VALUE_MAX + 3,	/* the largest value, CR LF, and one byte that shows that it was larger */
};

/* One run, until its pipe is closed; it may outlive the reference that it was for. */
struct sp_krun {
	uv_poll_t poll;
	struct sp_kcommand *c;		/* NULL: nobody wants its output any more */
	int	  fd;
	char	 *mem;			/* locked, ROOM bytes */
	size_t	  n;
};

static struct sp_kcommand *
find(const struct sp_keeper *k, sp_slice ref)
{
	for (struct sp_kcommand *c = k->commands; c != NULL; c = c->next)
		if (sp_eq(sp_mem(c->text, c->n), ref))
			return c;
	return NULL;
}

bool
sp_keeper_is_command(sp_slice ref)
{
	return sp_starts(ref, SP_LIT(COMMAND));
}

bool
sp_keeper_command_decided(const struct sp_keeper *k, sp_slice ref)
{
	const struct sp_kcommand *c = find(k, ref);

	return c == NULL || c->decided;
}

enum sp_status
sp_keeper_command_value(const struct sp_keeper *k, sp_slice ref, struct sp_secret *out, struct sp_err *e)
{
	const struct sp_kcommand *c = find(k, ref);

	if (c == NULL)
		return sp_fail(e, SP_E_FULL, NULL, "too many commands");
	if (c->value == NULL)
		return sp_fail(e, SP_E_UNAVAILABLE, NULL, "%s", c->why[0] != '\0' ? c->why : "the command has not been run yet");
	return sp_secret_copy(out, c->value);
}

/* ---------------------------------------------------------------- how a run ends */

static void
run_closed(uv_handle_t *h)
{
	struct sp_krun *r = h->data;

	close(r->fd);
	free(r);
}

static void
stop_reading(struct sp_kcommand *c)
{
	struct sp_krun *r = c->run;

	c->run = NULL;
	if (r == NULL)
		return;
	r->c = NULL;
	sp_locked_free(r->mem);
	r->mem = NULL;
	uv_close((uv_handle_t *)&r->poll, run_closed);
}

static void
over(struct sp_kcommand *c)
{
	stop_reading(c);
	c->asked = c->ended = c->eof = false;
	c->id = 0;
}

static void
withdraw(struct sp_kcommand *c)
{
	if (c->value == NULL)
		return;
	sp_secret_free(&c->value);
	sp_log(SP_ERROR, "command.withdrawn", SP_S("ref", sp_mem(c->text, c->n)), SP_C("why", c->why));
	sp_keeper_changed(c->k, sp_mem(c->text, c->n));
}

/* `why` is spawner's or ours, never output of the command. */
static void
failed(struct sp_kcommand *c, sp_slice why)
{
	char text[256];

	over(c);
	snprintf(c->why, sizeof c->why, "the command failed: %.*s", SP_PRI(why));
	c->failures++;
	c->next_ms = sp_mono_ms() + AGAIN_MS;
	sp_log(SP_ERROR, "command.failed", SP_S("ref", sp_mem(c->text, c->n)), SP_U("failures", c->failures), SP_S("why", why));
	snprintf(text, sizeof text, "%.*s: %.*s", (int)(c->n > 100 ? 100 : c->n), c->text, SP_PRI(why));
	sp_audit_note(c->k->audit, "command", text);
	if (!c->decided) {
		c->decided = true;
		sp_keeper_changed(c->k, sp_mem(c->text, c->n));
	} else if (c->failures >= FAILURES) {
		withdraw(c);
	}
}

static void
use(struct sp_kcommand *c, struct sp_secret *fresh)
{
	bool same = c->value != NULL && sp_secret_same(c->value, fresh);

	sp_secret_free(&c->value);
	c->value = fresh;
	c->decided = true;
	c->failures = 0;
	c->why[0] = '\0';
	c->good_ms = sp_mono_ms();
	c->next_ms = c->good_ms + FRESH_MS;
	if (!same)
		sp_keeper_changed(c->k, sp_mem(c->text, c->n));
}

/* All output is here, and the command ended well. */
static void
take(struct sp_kcommand *c)
{
	struct sp_secret *value = c->k->value, *fresh = NULL;
	sp_slice ref = sp_mem(c->text, c->n);
	struct sp_err e = { 0 };
	enum sp_status st;

	st = c->run->n == ROOM ? SP_E_TOO_BIG : sp_secret_set(value, sp_mem(c->run->mem, c->run->n));
	if (st != SP_OK)
		(void)sp_fail(&e, st, NULL, "its output is larger than 16 kB");
	else
		st = sp_keeper_trim(value, SP_LIT("its output"), &e);
	if (st == SP_OK && sp_secret_len(value) > SP_VAULT_VALUE_MAX)
		st = sp_fail(&e, SP_E_TOO_BIG, NULL, "its output is larger than 16 kB");
	if (st == SP_OK && ((fresh = sp_secret_new(sp_secret_len(value))) == NULL || sp_secret_copy(fresh, value) != SP_OK))
		st = sp_fail(&e, SP_E_FULL, NULL, "no room in locked memory");
	sp_secret_cut(value, 0);
	if (st != SP_OK) {
		sp_secret_free(&fresh);
		failed(c, sp_str(e.log));
		return;
	}
	over(c);
	sp_log(SP_DEBUG, "command.ran", SP_S("ref", ref));
	use(c, fresh);
}

static void
on_readable(uv_poll_t *h, int status, int events)
{
	struct sp_krun *r = h->data;
	struct sp_kcommand *c = r->c;
	ssize_t n = 1;

	if (c == NULL)
		return;
	while (r->n < ROOM && (n = read(r->fd, r->mem + r->n, ROOM - r->n)) > 0)
		r->n += (size_t)n;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	uv_poll_stop(&r->poll);
	if (n < 0) {
		failed(c, SP_LIT("its output cannot be read"));
		return;
	}
	c->eof = true;
	if (c->ended)
		take(c);
}

/* ---------------------------------------------------------------- spawner */

static struct sp_kpeer *
spawner(const struct sp_keeper *k)
{
	for (struct sp_kpeer *p = k->peers; p != NULL; p = p->next)
		if (p->who.role == SP_SPAWNER)
			return p;
	return NULL;
}

static struct sp_kcommand *
find_run(const struct sp_keeper *k, uint32_t id)
{
	for (struct sp_kcommand *c = k->commands; c != NULL; c = c->next)
		if (c->asked && c->id == id)
			return c;
	return NULL;
}

/* Takes over fd, also when it fails. */
static bool
begin_reading(struct sp_kcommand *c, int fd)
{
	struct sp_krun *r = calloc(1, sizeof *r);
	int flags = fcntl(fd, F_GETFL);

	if (r == NULL || flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 || (r->mem = sp_locked_new(ROOM)) == NULL ||
	    uv_poll_init(c->k->b->loop, &r->poll, fd) != 0) {
		close(fd);
		if (r != NULL)
			sp_locked_free(r->mem);
		free(r);
		return false;
	}
	r->c = c;
	r->fd = fd;
	r->poll.data = r;
	c->run = r;
	return uv_poll_start(&r->poll, UV_READABLE, on_readable) == 0;
}

bool
sp_keeper_on_ran(struct sp_kpeer *p, sp_slice body, int fd)
{
	struct sp_kcommand *c;
	struct sp_m_ran m;
	int own;

	if (!sp_dec_ran(body, &m) || fd < 0)
		return false;
	c = find_run(p->k, m.id);
	if (c == NULL || c->run != NULL)
		return true;		/* of a run that was given up */
	own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (own < 0 || !begin_reading(c, own))
		failed(c, SP_LIT("no memory to read its output"));
	return true;
}

bool
sp_keeper_on_run_ended(struct sp_kpeer *p, sp_slice body, int fd)
{
	struct sp_m_run_ended m;
	struct sp_kcommand *c;

	if (!sp_dec_run_ended(body, &m))
		return false;
	c = find_run(p->k, m.id);
	if (c == NULL)
		return true;
	c->ended = true;
	if (m.status != SP_OK)
		failed(c, m.why.n != 0 ? m.why : SP_LIT("no reason was given"));
	else if (c->run == NULL)
		failed(c, SP_LIT("it had no output"));
	else if (c->eof)
		take(c);
	return true;
}

static void
ask(struct sp_kcommand *c, struct sp_kpeer *to)
{
	struct sp_m_run m = { .ref = sp_mem(c->text, c->n) };
	char buf[1024];
	struct sp_out o;

	c->id = m.id = ++c->k->run_id;
	c->asked = true;
	c->asked_ms = sp_mono_ms();
	sp_out_init(&o, buf, sizeof buf);
	sp_enc_run(&o, &m);
	if (o.full || sp_chan_send(to->ch, SP_M_RUN, sp_out_view(&o), NULL, 0) != SP_OK)
		failed(c, SP_LIT("it is too long, or spawner does not listen"));
}

/* What is due, a few at once; what got no answer has failed. */
void
sp_keeper_tick_commands(struct sp_keeper *k)
{
	struct sp_kpeer *to = spawner(k);
	uint64_t now = sp_mono_ms();
	unsigned running = 0;

	for (struct sp_kcommand *c = k->commands; c != NULL; c = c->next) {
		if (c->asked && now - c->asked_ms >= ANSWER_MS)
			failed(c, SP_LIT("it did not end in time"));
		running += c->asked;
		if (c->value != NULL && now - c->good_ms >= STALE_MS) {
			snprintf(c->why, sizeof c->why, "the command has not succeeded for 15 minutes");
			withdraw(c);
		}
	}
	for (struct sp_kcommand *c = k->commands; c != NULL && to != NULL && running < AT_ONCE; c = c->next) {
		if (c->asked || now < c->next_ms)
			continue;
		running++;
		ask(c, to);
	}
}

void
sp_keeper_spawner_gone(struct sp_keeper *k)
{
	for (struct sp_kcommand *c = k->commands; c != NULL; c = c->next)
		if (c->asked)
			failed(c, SP_LIT("spawner ended"));
}

/* ---------------------------------------------------------------- which commands there are */

static void
want(struct sp_keeper *k, sp_slice ref)
{
	struct sp_kcommand *c = find(k, ref);

	if (!sp_keeper_is_command(ref))
		return;
	if (c == NULL) {
		c = k->ncommands < SP_KEEPER_REFS ? calloc(1, sizeof *c + ref.n) : NULL;
		if (c == NULL) {
			sp_log(SP_ERROR, "command.too_many", SP_S("ref", ref));
			return;
		}
		c->k = k;
		c->n = ref.n;
		memcpy(c->text, ref.p, ref.n);
		c->next = k->commands;
		k->commands = c;
		k->ncommands++;
	}
	c->wanted = true;
}

static void
want_of_image(struct sp_keeper *k, const struct sp_image *img)
{
	const struct sp_img_head *h = img->head;

	for (uint32_t i = 0; i < h->servers.n; i++) {
		const struct sp_img_server *s = SP_IMG_AT(img, h->servers, server, i);

		for (uint32_t g = 0; g < s->grants.n; g++)
			want(k, sp_img_str(img, SP_IMG_AT(img, s->grants, grant, g)->ref));
	}
	for (uint32_t i = 0; i < h->sources.n; i++)
		want(k, sp_img_str(img, SP_IMG_AT(img, h->sources, source, i)->keys_ref));
	for (uint32_t i = 0; i < h->authorities.n; i++)
		want(k, sp_img_str(img, SP_IMG_AT(img, h->authorities, authority, i)->client_secret));
}

static void
drop(struct sp_keeper *k, struct sp_kcommand **at)
{
	struct sp_kcommand *c = *at;

	*at = c->next;
	k->ncommands--;
	stop_reading(c);
	sp_secret_free(&c->value);
	free(c);
}

void
sp_keeper_want_commands(struct sp_keeper *k)
{
	for (struct sp_kcommand *c = k->commands; c != NULL; c = c->next)
		c->wanted = false;
	for (size_t i = 0; i < SP_COUNT(k->gen); i++)
		if (k->gen[i].used)
			want_of_image(k, &k->gen[i].img);
	for (struct sp_kcommand **at = &k->commands; *at != NULL;) {
		if ((*at)->wanted)
			at = &(*at)->next;
		else
			drop(k, at);
	}
}

void
sp_keeper_forget_commands(struct sp_keeper *k)
{
	while (k->commands != NULL)
		drop(k, &k->commands);
}

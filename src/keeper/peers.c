/* Who is there, what they are told, and what they may ask. */
#include "keeper/keeper.h"

#include "base/log.h"
#include "wire/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---------------------------------------------------------------- tokens */

static bool
knows_tokens(const struct sp_kpeer *p)
{
	return !p->packets && (p->who.role == SP_FRONT || p->who.role == SP_MANAGE || sp_keeper_serves_calls(p->k, p));
}

static void
send_token(struct sp_chan *ch, const struct sp_token_row *t)
{
	struct sp_m_token m = { .expires_s = t->expires_s, .name = t->name, .client_id = t->client_id, .scopes = t->scopes,
		.tags = t->tags };

	memcpy(m.hash, t->hash, sizeof m.hash);
	sp_enc_token(sp_chan_begin(ch, SP_M_TOKEN_PUT), &m);
	sp_chan_end(ch);
}

struct sending { struct sp_chan *ch; int64_t now_s; };

static bool
send_one(void *ctx, const struct sp_token_row *t)
{
	const struct sending *s = ctx;

	if (t->revoked_s == 0 && t->expires_s > s->now_s)
		send_token(s->ch, t);
	return true;
}

/* Without the end mark the other side answers "later", never "wrong token". */
static void
send_tokens(struct sp_keeper *k, struct sp_chan *ch)
{
	struct sending s = { ch, sp_now_s() };
	struct sp_err e = { 0 };

	if (sp_store_tokens(k->admin.store, send_one, &s, &e) != SP_OK) {
		sp_log(SP_ERROR, "tokens.unreadable", SP_C("why", e.log));
		return;
	}
	(void)sp_chan_begin(ch, SP_M_TOKEN_SYNC);
	sp_chan_end(ch);
}

static void
tell_all(struct sp_keeper *k, const struct sp_admin_effect *eff)
{
	struct sp_m_hash del;

	memcpy(del.hash, eff->hash, sizeof del.hash);
	for (struct sp_kpeer *p = k->peers; p != NULL; p = p->next) {
		if (!knows_tokens(p))
			continue;
		if (eff->kind == SP_EFFECT_TOKEN_PUT) {
			send_token(p->ch, &eff->token);
		} else {
			sp_enc_hash(sp_chan_begin(p->ch, SP_M_TOKEN_DEL), &del);
			sp_chan_end(p->ch);
		}
	}
	/* What somebody remembers of a verified token is void. */
	if (eff->kind == SP_EFFECT_TOKEN_DEL)
		sp_keeper_raise_epoch(k);
}

/* Whoever sees the new epoch finds everything that led to it in its channel: fronts read that first. */
void
sp_keeper_raise_epoch(struct sp_keeper *k)
{
	for (struct sp_kpeer *p = k->peers; p != NULL; p = p->next)
		if (!p->packets)
			sp_chan_flush(p->ch);
	atomic_fetch_add(&k->b->page->epoch, 1);
}

/* ---------------------------------------------------------------- questions */

static void
put_roles(struct sp_keeper *k, struct sp_out *o)
{
	sp_out_fmt(o, "{\"role\":\"keeper\",\"index\":0,\"generation\":%u,\"incarnation\":%u}", k->newest, k->b->incarnation);
	for (const struct sp_kpeer *p = k->peers; p != NULL; p = p->next)
		sp_out_fmt(o, ",{\"role\":\"%s\",\"index\":%u,\"generation\":%u,\"incarnation\":%u}",
		    sp_role_name((enum sp_role)p->who.role), p->who.index, p->who.generation, p->who.incarnation);
}

static void
health(struct sp_keeper *k, struct sp_out *o)
{
	sp_out_fmt(o, "{\"version\":\"%s\",\"uptime_s\":%llu,\"roles\":[", SP_VERSION,
	    (unsigned long long)(sp_mono_ms() - k->started_ms) / 1000);
	put_roles(k, o);
	sp_out_fmt(o, "],\"vault\":{\"open\":%s,\"records\":%u},\"audit\":", k->admin.vault != NULL ? "true" : "false",
	    k->admin.vault != NULL ? sp_vault_count(k->admin.vault) : 0);
	sp_audit_health(k->audit, o);
	sp_out_byte(o, '}');
}

static void
tools(struct sp_keeper *k, struct sp_out *o)
{
	const struct sp_image *img = sp_keeper_image(k, k->newest);
	uint32_t n = img == NULL ? 0 : img->head->tools.n;

	sp_out_str(o, "{\"tools\":[");
	for (uint32_t i = 0; i < n; i++) {
		const struct sp_img_tool *t = SP_IMG_AT(img, img->head->tools, tool, i);
		const struct sp_img_server *s = SP_IMG_AT(img, img->head->servers, server, t->server);

		sp_out_str(o, i == 0 ? "{\"server\":" : ",{\"server\":");
		sp_jout_str(o, sp_img_str(img, s->name));
		sp_out_str(o, ",\"name\":");
		sp_jout_str(o, sp_img_str(img, t->name));
		sp_out_str(o, t->access == 0 ? ",\"access\":\"read\"}" : ",\"access\":\"write\"}");
	}
	sp_out_str(o, "]}");
}

static enum sp_status
run(struct sp_keeper *k, const struct sp_m_ask *q, bool cli, uint32_t uid, struct sp_out *o, struct sp_err *e)
{
	struct sp_admin_effect *eff;
	enum sp_status st;

	if (!cli && !sp_admin_public(q->op))
		return sp_fail(e, SP_E_DENIED, NULL, "only the command line may ask this");
	if (q->op == SP_ADMIN_HEALTH || q->op == SP_ADMIN_TOOLS) {
		(q->op == SP_ADMIN_HEALTH ? health : tools)(k, o);
		return o->full ? sp_fail(e, SP_E_TOO_BIG, NULL, "the answer is too large") : SP_OK;
	}
	if (q->op == SP_ADMIN_AUDIT_TAIL)
		sp_audit_drain(k->audit);
	eff = calloc(1, sizeof *eff);
	if (eff == NULL)
		return sp_fail(e, SP_E_FULL, NULL, "no memory");
	st = sp_admin_run(&k->admin, q->op, q->body, sp_now_s(), o, eff, e);
	if (st == SP_OK && (eff->kind == SP_EFFECT_TOKEN_PUT || eff->kind == SP_EFFECT_TOKEN_DEL))
		tell_all(k, eff);
	if (st == SP_OK && eff->kind == SP_EFFECT_SECRET) {
		char ref[SP_VAULT_NAME_MAX + 8];

		snprintf(ref, sizeof ref, "vault:%s", eff->name);
		sp_keeper_changed(k, sp_str(ref));
	}
	/* What follows from the vault's key has changed with it. */
	if (st == SP_OK && q->op == SP_ADMIN_VAULT_REKEY)
		sp_keeper_make_key(k);
	if (st == SP_OK && eff->note[0] != '\0')
		sp_keeper_audit(k, eff->note, uid, cli);
	free(eff);
	return st;
}

static bool
on_ask(struct sp_keeper *k, struct sp_chan *ch, sp_slice body, bool cli, uint32_t uid)
{
	struct sp_m_answer a = { 0 };
	struct sp_err e = { 0 };
	struct sp_m_ask q;
	struct sp_out o;

	if (!sp_dec_ask(body, &q))
		return false;
	sp_out_heap(&o, SP_ADMIN_ANSWER_MAX);
	a.id = q.id;
	a.status = (uint32_t)run(k, &q, cli, uid, &o, &e);
	a.body = a.status == SP_OK ? sp_out_view(&o) : sp_str(e.log);
	sp_enc_answer(sp_chan_begin(ch, SP_M_ANSWER), &a);
	sp_chan_end(ch);
	sp_out_free(&o);
	/* It may have held a value. */
	if (q.body.n != 0)
		explicit_bzero((void *)(uintptr_t)q.body.p, q.body.n);
	return true;
}

/* ---------------------------------------------------------------- roles */

bool
sp_keeper_serves_calls(const struct sp_keeper *k, const struct sp_kpeer *p)
{
	const struct sp_image *img = sp_keeper_image(k, p->who.generation);

	return p->who.role == SP_EGRESS && img != NULL && p->who.index < img->head->servers.n;
}

static bool
on_manage_ask(struct sp_kpeer *p, sp_slice body, int fd)
{
	return on_ask(p->k, p->ch, body, false, 0);
}

/* What stands in messages.def for streams may not come as a packet, and the reverse. */
static const struct { bool (*take)(struct sp_kpeer *p, sp_slice body, int fd); bool packets; } table[SP_M_COUNT] = {
	[SP_M_ASK] = { on_manage_ask, false },
	[SP_M_KEYS] = { sp_keeper_on_keys, false },
	[SP_M_KEYS_OK] = { sp_keeper_on_keys_ok, false },
	[SP_M_KEYS_WANT] = { sp_keeper_on_keys_want, false },
	[SP_M_TOKEN_ASK] = { sp_keeper_on_token_ask, false },
	[SP_M_INTROSPECTED] = { sp_keeper_on_introspected, false },
	[SP_M_TICKET_ASK] = { sp_keeper_on_ticket_ask, false },
	[SP_M_SESSION_NEW] = { sp_keeper_on_session_new, false },
	[SP_M_SESSION_END] = { sp_keeper_on_session_end, false },
	[SP_M_PEER_ASK] = { sp_keeper_on_peer_ask, true },
	[SP_M_RAN] = { sp_keeper_on_ran, true },
	[SP_M_RUN_ENDED] = { sp_keeper_on_run_ended, true },
};

static bool
peer_message(void *ctx, struct sp_chan *ch, unsigned type, sp_slice body, const int *fds, unsigned nfds)
{
	struct sp_kpeer *p = ctx;
	bool ok = type < SP_M_COUNT && table[type].take != NULL && table[type].packets == p->packets &&
	    table[type].take(p, body, nfds != 0 ? fds[0] : -1);

	for (unsigned i = 0; i < nfds; i++)
		close(fds[i]);
	return ok;
}

static void
drop_peer(struct sp_kpeer *p)
{
	for (struct sp_kpeer **at = &p->k->peers; *at != NULL; at = &(*at)->next) {
		if (*at != p)
			continue;
		*at = p->next;
		p->k->npeers--;
		break;
	}
	sp_keeper_keys_without(p->k, p);
	sp_keeper_questions_without(p->k, p);
	if (p->who.role == SP_SPAWNER)
		sp_keeper_spawner_gone(p->k);
	sp_chan_free(&p->ch);
	free(p);
}

static void
peer_closed(void *ctx, struct sp_chan *ch, const char *why)
{
	struct sp_kpeer *p = ctx;

	if (why != NULL)
		sp_log(SP_ERROR, "peer.offence", SP_C("role", sp_role_name((enum sp_role)p->who.role)),
		    SP_U("index", p->who.index), SP_C("why", why));
	sp_role_relink(p->k->b, &p->who);
	drop_peer(p);
}

static const struct sp_chan_ops peer_ops = { peer_message, peer_closed };

static void
greet(struct sp_keeper *k, struct sp_kpeer *p)
{
	if (p->who.role == SP_SPAWNER)
		sp_keeper_tick_commands(k);
	if (p->packets)
		return;
	/* A waiting call must find its secret when it finds its token. */
	if (p->who.role == SP_EGRESS) {
		sp_chan_set_wipe(p->ch);
		sp_keeper_secrets(k, p);
	}
	sp_keeper_manage_key(k, p);
	sp_keeper_say_key(k, p);
	sp_keeper_say_keys(k, p);
	sp_keeper_say_gone(k, p);
	if (knows_tokens(p))
		send_tokens(k, p->ch);
}

/* Only spawner's channel, and a second one of a front, pass descriptors. */
static bool
kind_of(const struct sp_m_peer *who, int fd, bool *packets)
{
	socklen_t n = sizeof(int);
	int type = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) != 0 || (type != SOCK_STREAM && type != SOCK_SEQPACKET))
		return false;
	*packets = type == SOCK_SEQPACKET;
	return *packets ? who->role == SP_FRONT || who->role == SP_SPAWNER : who->role != SP_SPAWNER;
}

enum sp_status
sp_keeper_peer(struct sp_keeper *k, const struct sp_m_peer *who, int fd, struct sp_err *e)
{
	struct sp_kpeer *p = NULL;
	bool packets = false;
	enum sp_status st;

	if (!kind_of(who, fd, &packets)) {
		close(fd);
		return sp_fail(e, SP_E_BUG, NULL, "a channel of the wrong kind");
	}
	if (k->npeers >= SP_KEEPER_PEERS || (p = calloc(1, sizeof *p)) == NULL) {
		close(fd);
		return sp_fail(e, SP_E_FULL, NULL, "no room for another role");
	}
	*p = (struct sp_kpeer){ .next = k->peers, .k = k, .who = *who, .packets = packets };
	st = sp_chan_new(k->b->loop, fd, packets ? SP_CHAN_PACKET : SP_CHAN_STREAM, SP_KEEPER, (enum sp_role)who->role,
	    &peer_ops, p, &p->ch);
	if (st != SP_OK) {
		free(p);
		return sp_fail(e, st, NULL, "no channel to a role");
	}
	k->peers = p;
	k->npeers++;
	greet(k, p);
	return SP_OK;
}

/* ---------------------------------------------------------------- the command line */

static bool
control_message(void *ctx, struct sp_chan *ch, unsigned type, sp_slice body, const int *fds, unsigned nfds)
{
	struct sp_kcontrol *c = ctx;

	c->since_ms = sp_mono_ms();
	return type == SP_M_ASK && on_ask(c->k, ch, body, true, c->uid);
}

static void
drop_control(struct sp_kcontrol *c)
{
	for (struct sp_kcontrol **at = &c->k->controls; *at != NULL; at = &(*at)->next) {
		if (*at != c)
			continue;
		*at = c->next;
		c->k->ncontrols--;
		break;
	}
	sp_chan_free(&c->ch);
	free(c);
}

static void
control_closed(void *ctx, struct sp_chan *ch, const char *why)
{
	if (why != NULL)
		sp_log(SP_WARN, "control.offence", SP_C("why", why));
	drop_control(ctx);
}

static const struct sp_chan_ops control_ops = { control_message, control_closed };

enum sp_status
sp_keeper_control(struct sp_keeper *k, uint32_t uid, int fd, struct sp_err *e)
{
	struct sp_kcontrol *c;
	enum sp_status st;

	/* Q06: whoever got past the socket's mode is still nobody to us.  super took the uid from the kernel; when each role
	 * has an id of its own, only root started us. */
	if (uid != 0 && uid != (uint32_t)geteuid()) {
		close(fd);
		return sp_fail(e, SP_E_REFUSED, NULL, "user %u may not administer this gateway", uid);
	}
	if (k->ncontrols >= SP_KEEPER_CONTROLS || (c = calloc(1, sizeof *c)) == NULL) {
		close(fd);
		return sp_fail(e, SP_E_FULL, NULL, "more than %d commands at once", SP_KEEPER_CONTROLS);
	}
	*c = (struct sp_kcontrol){ .next = k->controls, .k = k, .uid = uid, .since_ms = sp_mono_ms() };
	st = sp_chan_new(k->b->loop, fd, SP_CHAN_STREAM, SP_KEEPER, SP_CLI, &control_ops, c, &c->ch);
	if (st != SP_OK) {
		free(c);
		return sp_fail(e, st, NULL, "no channel to the command line");
	}
	sp_chan_set_wipe(c->ch);
	k->controls = c;
	k->ncontrols++;
	return SP_OK;
}

void
sp_keeper_tick_controls(struct sp_keeper *k)
{
	uint64_t now = sp_mono_ms();
	struct sp_kcontrol *c, *next;

	for (c = k->controls; c != NULL; c = next) {
		next = c->next;
		if (now - c->since_ms > SP_KEEPER_CONTROL_MS)
			drop_control(c);
	}
}

void
sp_keeper_drop_all(struct sp_keeper *k)
{
	while (k->controls != NULL)
		drop_control(k->controls);
	while (k->peers != NULL)
		drop_peer(k->peers);
}

/*
 * What keeper signs: tickets for callers whose credential only keeper can judge, and sessions.  One key for both, made
 * from the vault's, so that statements outlive us; without a vault a random seed is kept in the store.
 */
#include "keeper/keeper.h"

#include "base/b64.h"
#include "base/log.h"
#include "crypto/crypto.h"
#include "oauth/statement.h"
#include "vault/sign.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#define MARK_SEED "statement.seed"

/* ---------------------------------------------------------------- the key */

static enum sp_status
stored_seed(struct sp_keeper *k, struct sp_secret *seed, struct sp_err *e)
{
	uint8_t *mem = sp_locked_new(SP_SIGN_SEED);
	enum sp_status st;
	size_t n = 0;

	if (mem == NULL)
		return sp_fail(e, SP_E_FULL, NULL, "no room in locked memory");
	st = sp_store_mark_get(k->admin.store, MARK_SEED, (char *)mem, SP_SIGN_SEED, &n, e);
	if (st != SP_OK || n != SP_SIGN_SEED) {
		sp_random_bytes(mem, SP_SIGN_SEED);
		st = sp_store_mark_set(k->admin.store, MARK_SEED, sp_mem(mem, SP_SIGN_SEED), e);
	}
	if (st == SP_OK)
		st = sp_secret_set(seed, sp_mem(mem, SP_SIGN_SEED));
	sp_locked_free(mem);
	return st;
}

static void
send_key(const struct sp_keeper *k, struct sp_kpeer *p)
{
	struct sp_m_hash m;

	memcpy(m.hash, k->public_key, sizeof m.hash);
	sp_enc_hash(sp_chan_begin(p->ch, SP_M_STATEMENT_KEY), &m);
	sp_chan_end(p->ch);
}

void
sp_keeper_say_key(struct sp_keeper *k, struct sp_kpeer *p)
{
	if (k->signs && (p->who.role == SP_FRONT || sp_keeper_serves_calls(k, p)))
		send_key(k, p);
}

void
sp_keeper_make_key(struct sp_keeper *k)
{
	SP_AUTO(sp_secret_free) struct sp_secret *seed = sp_secret_new(SP_SIGN_SEED);
	struct sp_err e = { 0 };
	uint8_t before[SP_SIGN_PUBLIC];
	enum sp_status st = SP_E_FULL;

	memcpy(before, k->public_key, sizeof before);
	if (seed != NULL && k->sign != NULL)
		st = k->admin.vault != NULL ? sp_vault_seed(k->admin.vault, seed) : stored_seed(k, seed, &e);
	if (st == SP_OK)
		st = sp_sign_key(seed, k->sign, k->public_key);
	if (st != SP_OK) {
		sp_log(SP_ERROR, "statement.no_key", SP_C("why", e.log[0] != '\0' ? e.log : "no room in locked memory"));
		return;
	}
	if (k->signs && memcmp(before, k->public_key, sizeof before) == 0)
		return;
	k->signs = true;
	for (struct sp_kpeer *p = k->peers; p != NULL; p = p->next)
		if (!p->packets)
			sp_keeper_say_key(k, p);
}

static void
sign(const struct sp_keeper *k, const struct sp_statement *s, struct sp_out *o)
{
	uint8_t sig[SP_SIGN_BYTES];
	char buf[SP_STATEMENT_MAX];
	struct sp_out text;

	sp_statement_write(o, s);
	sp_out_init(&text, buf, sizeof buf);
	sp_statement_signed(&text, sp_out_view(o));
	sp_sign(k->sign, sp_out_view(&text), sig);
	sp_out_add(o, sig, sizeof sig);
}

/* ---------------------------------------------------------------- tickets */

void
sp_keeper_answer_ticket(struct sp_kpeer *p, uint32_t id, enum sp_status st, const struct sp_statement *s)
{
	struct sp_m_ticket m = { .id = id, .status = (uint32_t)st };
	char buf[SP_STATEMENT_MAX], body[SP_STATEMENT_MAX + 16];
	struct sp_out o, packet;

	sp_out_init(&o, buf, sizeof buf);
	if (st == SP_OK) {
		sign(p->k, s, &o);
		m.ticket = sp_out_view(&o);
	}
	if (!p->packets) {
		sp_enc_ticket(sp_chan_begin(p->ch, SP_M_TICKET), &m);
		sp_chan_end(p->ch);
		return;
	}
	sp_out_init(&packet, body, sizeof body);
	sp_enc_ticket(&packet, &m);
	if (sp_chan_send(p->ch, SP_M_TICKET, sp_out_view(&packet), NULL, 0) != SP_OK)
		sp_log(SP_ERROR, "ticket.not_sent", SP_U("front", p->who.index));
}

/* Names the secret, not the caller; once, since every call would say it again. */
static void
complain(struct sp_keeper *k, sp_slice source, sp_slice ref, const char *why)
{
	uint8_t hash[32], both[2][32];
	uint64_t mark;

	sp_sha256(source, both[0]);
	sp_sha256(sp_str(why), both[1]);
	sp_sha256(sp_mem(both, sizeof both), hash);
	memcpy(&mark, hash, sizeof mark);
	for (uint32_t i = 0; i < k->nsaid; i++)
		if (k->said[i] == mark)
			return;
	if (k->nsaid == SP_COUNT(k->said))
		return;
	k->said[k->nsaid++] = mark;
	sp_log(SP_ERROR, "source.secret_unfit", SP_S("source", source), SP_S("ref", ref), SP_C("why", why));
}

/* SP_E_BAD_TOKEN: this source's secret does not make the MAC.  SP_E_UNAVAILABLE: there is no secret. */
static enum sp_status
try_secret(struct sp_keeper *k, const struct sp_image *img, const struct sp_img_source *s, const struct sp_m_ticket_ask *q)
{
	sp_slice name = sp_img_str(img, s->name), ref = sp_img_str(img, s->keys_ref);
	size_t least = sp_mac_secret_min((enum sp_alg)q->alg), n;
	struct sp_err e = { 0 };
	char why[120];
	bool holds;

	if (sp_keeper_resolve(k, ref, &e) != SP_OK) {
		complain(k, name, ref, e.log);
		return SP_E_UNAVAILABLE;
	}
	n = sp_secret_len(k->value);
	holds = sp_mac_check((enum sp_alg)q->alg, sp_secret_peek(k->value), q->input, q->mac);
	sp_secret_cut(k->value, 0);
	if (n < least) {
		/* RFC 7518 section 3.2: a key as long as the hash, or longer. */
		snprintf(why, sizeof why, "%s tokens are refused: the secret has %zu bytes, at least %zu are needed",
		    sp_alg_name((enum sp_alg)q->alg), n, least);
		complain(k, name, ref, why);
		return SP_E_BAD_TOKEN;
	}
	return holds ? SP_OK : SP_E_BAD_TOKEN;
}

/* The token that these parts make is the one that the ticket will name: front cannot have another one vouched for. */
static bool
is_of_token(const struct sp_m_ticket_ask *q)
{
	char mac[128];
	uint8_t hash[32];
	struct sp_out o, all;
	bool same;

	sp_out_init(&o, mac, sizeof mac);
	sp_out_byte(&o, '.');
	sp_b64url_encode(&o, q->mac.p, q->mac.n);
	sp_out_heap(&all, 65536);
	sp_out_slice(&all, q->input);
	sp_out_slice(&all, sp_out_view(&o));
	same = !o.full && !all.full;
	if (same)
		sp_sha256(sp_out_view(&all), hash);
	sp_out_free(&all);
	return same && memcmp(hash, q->token_hash, sizeof hash) == 0;
}

/* The sources of one issuer that have a secret, from the one that was asked for on: the first that made the MAC. */
static enum sp_status
judge(struct sp_keeper *k, const struct sp_image *img, const struct sp_m_ticket_ask *q, struct sp_statement *s)
{
	const struct sp_img_source *first = SP_IMG_AT(img, img->head->sources, source, q->source);
	enum sp_status st = SP_E_BAD_TOKEN;

	for (uint32_t i = q->source; i < img->head->sources.n; i++) {
		const struct sp_img_source *src = SP_IMG_AT(img, img->head->sources, source, i);
		enum sp_status one;

		if (src->keys_ref.n == 0 || !sp_eq(sp_img_str(img, src->issuer), sp_img_str(img, first->issuer)))
			continue;
		one = try_secret(k, img, src, q);
		if (one == SP_OK) {
			sp_statement_source(sp_img_str(img, src->name), s->source);
			return SP_OK;
		}
		if (one == SP_E_UNAVAILABLE)
			st = one;
	}
	return st;
}

bool
sp_keeper_on_ticket_ask(struct sp_kpeer *p, sp_slice body, int fd)
{
	const struct sp_image *img = sp_keeper_image(p->k, p->who.generation);
	struct sp_statement s = { .kind = SP_STATEMENT_MAC, .expires_s = sp_now_s() + SP_TICKET_S };
	struct sp_m_ticket_ask q;
	enum sp_status st;

	if (!sp_dec_ticket_ask(body, &q) || img == NULL || q.source >= img->head->sources.n ||
	    sp_mac_secret_min((enum sp_alg)q.alg) == 0 || !is_of_token(&q))
		return false;
	memcpy(s.token, q.token_hash, sizeof s.token);
	st = p->k->signs ? judge(p->k, img, &q, &s) : SP_E_UNAVAILABLE;
	sp_keeper_answer_ticket(p, q.id, st, &s);
	return true;
}

/* The other end of a connection that one of our listeners accepted.  A pair that somebody made for himself has no name. */
static bool
peer_uid(int fd, uint32_t *uid)
{
	struct sockaddr_un name;
	struct ucred who;
	socklen_t n = sizeof name, m = sizeof who;

	if (getsockname(fd, (struct sockaddr *)&name, &n) != 0 || name.sun_family != AF_UNIX ||
	    n <= offsetof(struct sockaddr_un, sun_path))
		return false;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &m) != 0 || m != sizeof who || who.uid == (uid_t)-1)
		return false;
	*uid = who.uid;
	return true;
}

static const struct sp_img_source *
first_peer(const struct sp_image *img)
{
	for (uint32_t i = 0; img != NULL && i < img->head->sources.n; i++) {
		const struct sp_img_source *s = SP_IMG_AT(img, img->head->sources, source, i);

		if (s->type == SP_SOURCE_PEER)
			return s;
	}
	return NULL;
}

bool
sp_keeper_on_peer_ask(struct sp_kpeer *p, sp_slice body, int fd)
{
	const struct sp_image *img = sp_keeper_image(p->k, p->who.generation);
	const struct sp_img_source *src = first_peer(img);
	struct sp_statement s = { .kind = SP_STATEMENT_PEER, .expires_s = sp_now_s() + SP_TICKET_S };
	struct sp_m_id q;

	if (!sp_dec_id(body, &q) || fd < 0 || src == NULL)
		return false;
	sp_statement_source(sp_img_str(img, src->name), s.source);
	if (!peer_uid(fd, &s.uid)) {
		sp_log(SP_WARN, "peer.no_uid", SP_U("front", p->who.index));
		sp_keeper_answer_ticket(p, q.id, SP_E_BAD_TOKEN, NULL);
	} else {
		sp_keeper_answer_ticket(p, q.id, p->k->signs ? SP_OK : SP_E_UNAVAILABLE, &s);
	}
	return true;
}

/* ---------------------------------------------------------------- sessions */

bool
sp_keeper_on_session_new(struct sp_kpeer *p, sp_slice body, int fd)
{
	struct sp_statement s = { .kind = SP_STATEMENT_SESSION, .expires_s = sp_now_s() + SP_SESSION_S };
	char buf[SP_STATEMENT_MAX], text[SP_SESSION_TEXT_MAX];
	struct sp_m_session m = { 0 };
	struct sp_m_session_new q;
	struct sp_out o, t;

	if (!sp_dec_session_new(body, &q))
		return false;
	m.id = q.id;
	m.status = p->k->signs ? SP_OK : SP_E_UNAVAILABLE;
	sp_out_init(&t, text, sizeof text);
	if (p->k->signs) {
		memcpy(s.who, q.who, sizeof s.who);
		sp_random_bytes(s.random, sizeof s.random);
		s.revision = q.revision;
		s.caps = q.caps;
		sp_out_init(&o, buf, sizeof buf);
		sign(p->k, &s, &o);
		sp_b64url_encode(&t, o.p, o.n);
	}
	m.text = sp_out_view(&t);
	sp_enc_session(sp_chan_begin(p->ch, SP_M_SESSION), &m);
	sp_chan_end(p->ch);
	return true;
}

static void
send_gone(struct sp_kpeer *p, const uint8_t session[32], int64_t expires_s)
{
	struct sp_m_session_end m = { .expires_s = expires_s };

	memcpy(m.session, session, sizeof m.session);
	sp_enc_session_end(sp_chan_begin(p->ch, SP_M_SESSION_GONE), &m);
	sp_chan_end(p->ch);
}

static bool
send_one_gone(void *ctx, const uint8_t session[32], int64_t expires_s)
{
	send_gone(ctx, session, expires_s);
	return true;
}

void
sp_keeper_say_gone(struct sp_keeper *k, struct sp_kpeer *p)
{
	struct sp_err e = { 0 };

	if (p->who.role == SP_FRONT && sp_store_gone(k->admin.store, sp_now_s(), send_one_gone, p, &e) != SP_OK)
		sp_log(SP_ERROR, "sessions.unreadable", SP_C("why", e.log));
}

static void
note_end(struct sp_keeper *k, const uint8_t session[32])
{
	char text[64];
	struct sp_out o;

	sp_out_init(&o, text, sizeof text - 1);
	sp_out_hex(&o, session, 8);
	sp_out_str(&o, " ended by its client");
	text[o.n] = '\0';
	sp_audit_note(k->audit, "session", text);
}

bool
sp_keeper_on_session_end(struct sp_kpeer *p, sp_slice body, int fd)
{
	struct sp_keeper *k = p->k;
	int64_t now_s = sp_now_s();
	struct sp_m_session_end q;
	struct sp_err e = { 0 };

	if (!sp_dec_session_end(body, &q))
		return false;
	if (q.expires_s > now_s + SP_SESSION_S)
		q.expires_s = now_s + SP_SESSION_S;
	if (q.expires_s > now_s) {
		/* Told to all that live, even if it could not be written down for those to come. */
		if (sp_store_gone_add(k->admin.store, q.session, q.expires_s, &e) != SP_OK)
			sp_log(SP_ERROR, "session.not_kept", SP_C("why", e.log));
		for (struct sp_kpeer *f = k->peers; f != NULL; f = f->next)
			if (f->who.role == SP_FRONT && !f->packets)
				send_gone(f, q.session, q.expires_s);
		sp_keeper_raise_epoch(k);
		note_end(k, q.session);
	}
	sp_enc_id(sp_chan_begin(p->ch, SP_M_SESSION_ENDED), &(struct sp_m_id){ q.id });
	sp_chan_end(p->ch);
	return true;
}

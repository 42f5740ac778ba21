/* For tests only: keys, tokens, and a fetcher that answers when the test says so. */
#ifndef SP_AUTH_TESTWORLD_H
#define SP_AUTH_TESTWORLD_H

#include "auth/chain.h"
#include "base/check.h"
#include "crypto/testsign.h"
#include "jose/jws.h"

#include <stdio.h>
#include <stdlib.h>

#define ISS "https://as.example"
#define RES "https://tools.example.com/mcp"
#define NOW 1800000000
#define LITERAL "{\"iss\":\"" ISS "\",\"aud\":\"" RES "\",\"sub\":\"ann\",\"exp\":1800000600"
#define GOOD LITERAL "}"
enum { FETCHES = 64, SP_TOKEN_ROOM = 24 * 1024 };

/* ---------------------------------------------------------------- tokens */

static inline const char *
text_of(struct sp_out *o)
{
	sp_out_byte(o, '\0');
	assert_false(o->full);
	return o->p;
}

static inline const char *
pem_of(const struct sp_testkey *k)
{
	static char buf[4][4096];
	static unsigned turn;
	struct sp_out o;

	sp_out_init(&o, buf[turn++ % 4], sizeof buf[0]);
	sp_testkey_pem(k, &o);
	return text_of(&o);
}

/* {"keys":[…]} of up to three keys, each with members of its own. */
static inline const char *
set_of(const struct sp_testkey *const *k, const char *const *extra, size_t n)
{
	static char buf[8][8192];
	static unsigned turn;
	struct sp_out o;

	sp_out_init(&o, buf[turn++ % 8], sizeof buf[0]);
	sp_out_str(&o, "{\"keys\":[");
	for (size_t i = 0; i < n; i++) {
		if (i != 0)
			sp_out_byte(&o, ',');
		sp_testkey_jwk(k[i], &o, extra[i]);
	}
	sp_out_str(&o, "]}");
	return text_of(&o);
}

static inline const char *
token_of(const struct sp_testkey *k, enum sp_alg a, const char *header, const char *payload)
{
	static char buf[16][SP_TOKEN_ROOM];
	static unsigned turn;
	char usual[64];
	struct sp_out o;

	snprintf(usual, sizeof usual, "{\"alg\":\"%s\"}", sp_alg_name(a));
	sp_out_init(&o, buf[turn++ % 16], sizeof buf[0]);
	sp_testkey_token(k, a, sp_str(header != NULL ? header : usual), sp_str(payload), &o);
	return text_of(&o);
}

/* ---------------------------------------------------------------- authorities */

struct world {
	struct sp_chain *c;
	struct sp_fetcher fetcher;
	struct sp_fetch *open[FETCHES];		/* NULL: answered or given up */
	unsigned n, given_up;
	bool	 busy;				/* start() refuses */
	char	 last_body[65536], last_auth[8192], last_url[512];
	uint64_t now_ms;
	int64_t	 now_s;
	unsigned readies;
};

static inline bool
world_start(void *ctx, struct sp_fetch *f)
{
	struct world *w = ctx;

	if (w->busy || w->n == FETCHES)
		return false;
	assert_true(f->max_answer > 0 && f->timeout_ms > 0);
	assert_true(sp_cstr(f->body, w->last_body, sizeof w->last_body));
	assert_true(sp_cstr(f->authorization, w->last_auth, sizeof w->last_auth));
	assert_true(sp_cstr(f->url, w->last_url, sizeof w->last_url));
	w->open[w->n++] = f;
	return true;
}

static inline void
world_cancel(void *ctx, struct sp_fetch *f)
{
	struct world *w = ctx;

	for (unsigned i = 0; i < w->n; i++)
		if (w->open[i] == f) {
			w->open[i] = NULL;
			w->given_up++;
			return;
		}
	fail_msg("a fetch was given up that does not run");
}

/* The i-th request gets this answer. */
static inline void
world_answer(struct world *w, unsigned i, unsigned status, const char *body)
{
	struct sp_fetch *f = w->open[i];

	assert_non_null(f);
	w->open[i] = NULL;
	f->done(f->ctx, status, sp_str(body));
}

static inline void
world_end(struct world *w, struct sp_auth_provider *p)
{
	sp_chain_free(&w->c);
	for (unsigned i = 0; i < w->n; i++)
		assert_null(w->open[i]);
	sp_auth_provider_free(p);
}

static inline void
world_begin(struct world *w, struct sp_auth_provider *p)
{
	struct sp_err e = { 0 };

	*w = (struct world){ .now_ms = 1000, .now_s = NOW };
	w->fetcher = (struct sp_fetcher){ world_start, world_cancel, w };
	if (sp_chain_new(p, SP_LIT(RES), &w->fetcher, &w->c, &e) != SP_OK)
		fail_msg("%s", e.log);
}

static inline void
world_ready(void *ctx)
{
	((struct world *)ctx)->readies++;
}

/* Asks without waiting for what is asked of others: SP_E_TICKET then. */
static inline enum sp_status
world_ask(struct world *w, const char *token, struct sp_principal **who, struct sp_err *e)
{
	struct sp_chain_wait *wait;

	*who = NULL;
	return sp_chain_ask(w->c, sp_str(token), w->now_ms, w->now_s, who, &wait, world_ready, w, e);
}

/* Asks, lets every request get this answer, and asks again: as a transport does. */
static inline enum sp_status
world_settle(struct world *w, const char *token, unsigned status, const char *body, struct sp_principal **who,
    struct sp_err *e)
{
	enum sp_status st = world_ask(w, token, who, e);
	unsigned before = w->readies;

	for (unsigned tries = 0; st == SP_E_TICKET && tries < 8; tries++) {
		for (unsigned i = 0; i < w->n && w->readies == before; i++)
			if (w->open[i] != NULL)
				world_answer(w, i, status, body);
		assert_int_equal(w->readies, before + 1);
		st = world_ask(w, token, who, e);
		before = w->readies;
	}
	return st;
}

/* One token at one provider, which is freed. */
static inline enum sp_status
verdict_of(struct sp_auth_provider *p, const char *token, struct sp_principal **who, struct sp_err *e)
{
	enum sp_status st;
	struct world w;

	world_begin(&w, p);
	st = world_ask(&w, token, who, e);
	assert_true((st == SP_OK) == (*who != NULL));
	world_end(&w, p);
	return st;
}

static inline void
expect(const char *name, struct sp_auth_provider *p, const char *token, enum sp_status want)
{
	struct sp_principal *who;
	struct sp_err e = { 0 };
	enum sp_status st = verdict_of(p, token, &who, &e);

	if (st != want)
		fail_msg("%s: %s (%s)", name, sp_errinfo(st)->name, e.log);
	sp_principal_drop(&who);
}

#endif

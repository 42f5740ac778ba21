/* Key sets that are fetched: one fetch for all who wait, none while it is too early, the old set while there is no new one. */
#include "auth/chain_int.h"

#include "base/log.h"
#include "jose/keyset.h"
#include "jose/keyset_write.h"

static void
fetch(struct sp_chain *c, struct sp_chain_keys *k)
{
	k->tried = true;
	k->began_ms = c->now_ms;
	k->flight.f = (struct sp_fetch){
		.url = sp_str(k->p->jwks_uri), .method = SP_LIT("GET"), .max_answer = SP_KEYS_TEXT_MAX,
		.timeout_ms = SP_KEYS_TIMEOUT_MS, .done = sp_keys_landed, .ctx = k,
	};
	if (!sp_chain_start(&k->flight))
		sp_log(SP_WARN, "keys.not_fetched", SP_C("provider", k->p->name), SP_C("why", "no room for a request"));
}

/* C01: not again at once, however many keys are named that nobody knows. */
static bool
is_early(const struct sp_chain *c, const struct sp_chain_keys *k)
{
	return k->tried && c->now_ms - k->began_ms < (k->known ? SP_KEYS_COOL_MS : SP_KEYS_RETRY_MS);
}

void
sp_keys_turn(struct sp_chain *c, struct sp_chain_keys *k)
{
	uint64_t age = c->now_ms - k->came_ms;
	struct sp_err e;

	if (!k->known)
		return;
	if (age >= SP_KEYS_STALE_MS) {
		/* Without an answer for a day: they may have been taken back long ago. */
		k->known = false;
		if (sp_verifier_keys(c->verifier, k->authority, SP_E_UNAVAILABLE, SP_LIT(""), &e) == SP_OK)
			sp_log(SP_ERROR, "keys.stale", SP_C("provider", k->p->name));
	}
	if (age >= SP_KEYS_FRESH_MS && !k->flight.running && !is_early(c, k))
		fetch(c, k);
}

struct sp_flight *
sp_keys_wanted(struct sp_chain *c, struct sp_chain_keys *k)
{
	if (!k->flight.running && !is_early(c, k))
		fetch(c, k);
	return k->flight.running ? &k->flight : NULL;
}

static enum sp_status
take_set(struct sp_chain_keys *k, unsigned status, sp_slice body, struct sp_err *e)
{
	SP_AUTO(sp_out_free) struct sp_out set = { 0 };
	struct sp_keyset_report r;
	enum sp_status st;

	if (status == 0)
		return sp_fail(e, SP_E_UNAVAILABLE, NULL, "no answer");
	/* C05: a redirect is no answer either. */
	if (status != 200)
		return sp_fail(e, SP_E_UNAVAILABLE, NULL, "status %u", status);
	sp_out_heap(&set, SP_KEYS_TEXT_MAX);
	st = sp_keyset_public(body, &set, &r, e);
	if (st != SP_OK)
		return st;
	if (r.with_private != 0)
		sp_log(SP_ERROR, "keys.private", SP_C("provider", k->p->name), SP_U("keys", r.with_private));
	return sp_verifier_keys(k->flight.c->verifier, k->authority, SP_OK, sp_out_view(&set), e);
}

void
sp_keys_landed(void *ctx, unsigned status, sp_slice body)
{
	struct sp_chain_keys *k = ctx;
	struct sp_err e = { 0 };

	k->flight.running = false;
	if (take_set(k, status, body, &e) == SP_OK) {
		k->known = true;
		k->came_ms = k->began_ms;
	} else {
		sp_log(SP_WARN, "keys.not_fetched", SP_C("provider", k->p->name), SP_C("why", e.log), SP_B("kept", k->known));
	}
	sp_chain_landed(k->flight.c, &k->flight);
}

/* What keeper sends: static tokens as hashes, key sets, its own key, and the values of this upstream's secrets. */
#include "base/log.h"
#include "egress/egress_int.h"

#include <stdlib.h>

static sp_slice
grant_name(const struct sp_egress *eg, uint32_t i)
{
	return sp_img_str(eg->cfg.img, SP_IMG_AT(eg->cfg.img, eg->server->grants, grant, i)->name);
}

static bool
is_basic(const struct sp_egress *eg, uint32_t i)
{
	return SP_IMG_AT(eg->cfg.img, eg->server->grants, grant, i)->basic != 0;
}

/* --- the scrubber knows every value that was ever sent, and a few former ones of each */

static size_t
all_values(const struct sp_egress *eg, struct sp_scrub_value *v, bool with_old)
{
	size_t n = 0;

	for (uint32_t i = 0; i < eg->server->grants.n; i++) {
		if (eg->secrets[i] != NULL)
			v[n++] = (struct sp_scrub_value){ eg->secrets[i], is_basic(eg, i) };
		for (unsigned k = 0; with_old && k < SP_EGRESS_OLD; k++)
			if (eg->grants[i].old[k] != NULL)
				v[n++] = (struct sp_scrub_value){ eg->grants[i].old[k], is_basic(eg, i) };
	}
	return n;
}

static void
forget_old(struct sp_egress *eg)
{
	for (uint32_t i = 0; i < eg->server->grants.n; i++)
		for (unsigned k = 0; k < SP_EGRESS_OLD; k++)
			sp_secret_free(&eg->grants[i].old[k]);
}

/* Without a scrubber nothing is called: fail closed.  Locked memory is short: former values are given up first. */
static void
rebuild_scrub(struct sp_egress *eg)
{
	struct sp_scrub_value *v = calloc((size_t)eg->server->grants.n * (1 + SP_EGRESS_OLD) + 1, sizeof *v);
	struct sp_err e = { 0 };
	enum sp_status st;

	sp_scrub_free(&eg->scrub);
	if (v == NULL)
		return;
	st = sp_scrub_new(v, all_values(eg, v, true), &eg->scrub, &e);
	if (st == SP_E_FULL) {
		forget_old(eg);
		st = sp_scrub_new(v, all_values(eg, v, false), &eg->scrub, &e);
	}
	if (st != SP_OK)
		sp_log(SP_ERROR, "scrub.failed", SP_C("why", e.log));
	free(v);
}

/* --- secrets */

static void
retire(struct sp_egress *eg, uint32_t i)
{
	struct sp_egress_grant *g = &eg->grants[i];

	if (eg->secrets[i] == NULL)
		return;
	sp_secret_free(&g->old[g->next_old]);
	g->old[g->next_old] = eg->secrets[i];
	g->next_old = (g->next_old + 1) % SP_EGRESS_OLD;
	eg->secrets[i] = NULL;
}

/* A copy that answers can be cleared of; NULL, and a line in the log, when it cannot be used. */
static struct sp_secret *
take(struct sp_egress *eg, uint32_t i, sp_slice value)
{
	struct sp_secret *s = sp_secret_new(value.n);
	struct sp_scrub *trial = NULL;
	struct sp_scrub_value one = { s, is_basic(eg, i) };
	struct sp_err e = { 0 };

	if (s == NULL || sp_secret_set(s, value) != SP_OK)
		(void)sp_fail(&e, SP_E_FULL, NULL, "no locked memory");
	else if (sp_scrub_new(&one, 1, &trial, &e) == SP_OK) {
		sp_scrub_free(&trial);
		return s;
	}
	sp_log(SP_ERROR, "secret.unusable", SP_S("secret", grant_name(eg, i)), SP_C("why", e.log));
	sp_secret_free(&s);
	return NULL;
}

static void
replace(struct sp_egress *eg, uint32_t i, struct sp_secret *s)
{
	retire(eg, i);
	eg->secrets[i] = s;
	/* First what clears answers of it, then its use. */
	rebuild_scrub(eg);
	sp_pool_retire(eg->pool);
}

static bool
on_secret(struct sp_egress *eg, sp_slice body)
{
	struct sp_m_secret m;
	struct sp_secret *s;
	bool ok = sp_dec_secret(body, &m) && m.grant < eg->server->grants.n;

	if (ok) {
		s = take(eg, m.grant, m.value);
		eg->grants[m.grant].round = eg->round;
		if (s != NULL && eg->secrets[m.grant] != NULL && sp_secret_same(s, eg->secrets[m.grant]))
			sp_secret_free(&s);
		else
			replace(eg, m.grant, s);
	}
	/* The channel's buffer is ordinary memory. */
	if (body.n != 0)
		explicit_bzero((void *)(uintptr_t)body.p, body.n);
	return ok;
}

static void
on_secret_sync(struct sp_egress *eg)
{
	bool changed = false;

	for (uint32_t i = 0; i < eg->server->grants.n; i++) {
		if (eg->grants[i].round == eg->round || eg->secrets[i] == NULL)
			continue;
		retire(eg, i);		/* it was taken away: no longer used, still scrubbed */
		changed = true;
	}
	if (changed)
		sp_pool_retire(eg->pool);
	eg->secrets_synced = true;
	for (uint32_t i = 0; i < eg->server->grants.n; i++)
		if (eg->secrets[i] == NULL)
			sp_log(SP_WARN, "secret.missing", SP_S("secret", grant_name(eg, i)));
}

sp_slice
sp_creds_missing(const struct sp_egress *eg, const struct sp_img_op *op)
{
	const uint32_t *list = sp_img_u32(eg->cfg.img, op->grants);

	for (uint32_t i = 0; i < op->grants.n; i++)
		if (eg->secrets[list[i]] == NULL)
			return grant_name(eg, list[i]);
	return (sp_slice){ NULL, 0 };
}

/* --- tokens */

static bool
on_token_put(struct sp_egress *eg, sp_slice body)
{
	struct sp_static_token t = { 0 };
	struct sp_m_token m;

	if (!sp_dec_token(body, &m))
		return false;
	memcpy(t.hash, m.hash, sizeof t.hash);
	t.name = m.name;
	t.client_id = m.client_id;
	t.scopes = m.scopes;
	t.tags = m.tags;
	t.expires_s = m.expires_s;
	/* One that cannot be kept is refused like an unknown one. */
	if (sp_verifier_put(eg->verifier, &t) != SP_OK)
		sp_log(SP_ERROR, "token.no_memory", SP_S("token", m.name));
	return true;
}

static bool
on_token_del(struct sp_egress *eg, sp_slice body)
{
	struct sp_m_hash m;

	if (!sp_dec_hash(body, &m))
		return false;
	sp_verifier_del(eg->verifier, m.hash);
	return true;
}

/* --- keys */

static bool
on_keys(struct sp_egress *eg, sp_slice body)
{
	struct sp_m_keys_ok ok;
	struct sp_m_keys m;
	struct sp_err e = { 0 };

	if (!sp_dec_keys(body, &m) || m.authority >= eg->cfg.img->head->authorities.n)
		return false;
	/* A set that cannot be used leaves the one before; keeper goes on either way. */
	if (sp_verifier_keys(eg->verifier, m.authority, (enum sp_status)m.status, m.text, &e) != SP_OK)
		sp_log(SP_WARN, "keys.unusable", SP_U("authority", m.authority), SP_C("why", e.log));
	ok = (struct sp_m_keys_ok){ m.authority, m.serial };
	sp_enc_keys_ok(sp_chan_begin(eg->keeper, SP_M_KEYS_OK), &ok);
	sp_chan_end(eg->keeper);
	return true;
}

static bool
on_statement_key(struct sp_egress *eg, sp_slice body)
{
	struct sp_m_hash m;

	if (!sp_dec_hash(body, &m))
		return false;
	if (sp_verifier_statement_key(eg->verifier, m.hash) != SP_OK)
		sp_log(SP_ERROR, "keys.statement_key", SP_C("why", "the key cannot be used"));
	return true;
}

bool
sp_keeper_message(void *ctx, struct sp_chan *ch, unsigned type, sp_slice body, const int *fds, unsigned nfds)
{
	struct sp_egress *eg = ctx;
	bool before = eg->tokens_synced && eg->secrets_synced;

	switch (type) {
	case SP_M_TOKEN_PUT:
		return on_token_put(eg, body);
	case SP_M_TOKEN_DEL:
		return on_token_del(eg, body);
	case SP_M_SECRET:
		return on_secret(eg, body);
	case SP_M_KEYS:
		return on_keys(eg, body);
	case SP_M_STATEMENT_KEY:
		return on_statement_key(eg, body);
	case SP_M_TOKEN_SYNC:
		sp_verifier_synced(eg->verifier);
		eg->tokens_synced = true;
		break;
	case SP_M_SECRET_SYNC:
		on_secret_sync(eg);
		break;
	default:
		return false;
	}
	if (eg->tokens_synced && eg->secrets_synced && eg->mcp != NULL)
		sp_mcp_start(eg->mcp);
	if (!before && eg->tokens_synced && eg->secrets_synced)
		sp_calls_resume(eg);
	return true;
}

/* --- life */

enum sp_status
sp_creds_init(struct sp_egress *eg, struct sp_err *e)
{
	size_t n = eg->server->grants.n == 0 ? 1 : eg->server->grants.n;

	eg->secrets = calloc(n, sizeof(struct sp_secret *));
	eg->grants = calloc(n, sizeof *eg->grants);
	if (eg->secrets == NULL || eg->grants == NULL)
		return sp_fail(e, SP_E_SYSTEM, NULL, "no memory");
	return sp_scrub_new(NULL, 0, &eg->scrub, e);
}

void
sp_creds_begin(struct sp_egress *eg)
{
	eg->round++;
	sp_verifier_announced(eg->verifier);
}

void
sp_creds_free(struct sp_egress *eg)
{
	for (uint32_t i = 0; i < eg->server->grants.n; i++) {
		if (eg->secrets != NULL)
			sp_secret_free(&eg->secrets[i]);
		for (unsigned k = 0; eg->grants != NULL && k < SP_EGRESS_OLD; k++)
			sp_secret_free(&eg->grants[i].old[k]);
	}
	free(eg->secrets);
	free(eg->grants);
	sp_scrub_free(&eg->scrub);
}

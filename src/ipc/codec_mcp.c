/* Messages about catalogues, streams, key sets, tickets, sessions and commands. */
#include "ipc/codec_int.h"

void
sp_enc_note(struct sp_out *o, const struct sp_m_note *m)
{
	sp_out_be(o, m->id, 4);
	sp_out_be(o, m->note, 4);
	sp_out_slice(o, m->params);
}

bool
sp_dec_note(sp_slice body, struct sp_m_note *m)
{
	struct sp_rd r = { body, false };
	struct sp_m_note v = { 0 };

	v.id = rd32(&r);
	v.note = rd_enum(&r, SP_NOTE_COUNT);
	v.params = sp_rd_rest(&r, SP_DATA_MAX);
	/* At least {}. */
	if (!sp_rd_done(&r) || v.note == 0 || v.params.n < 2)
		return false;
	*m = v;
	return true;
}

void
sp_enc_annul(struct sp_out *o, const struct sp_m_annul *m)
{
	sp_out_add(o, m->session, sizeof m->session);
	sp_out_slice(o, m->rpc_id);
}

bool
sp_dec_annul(sp_slice body, struct sp_m_annul *m)
{
	struct sp_rd r = { body, false };
	struct sp_m_annul v = { 0 };

	rd_copy(&r, v.session, sizeof v.session);
	v.rpc_id = sp_rd_rest(&r, SP_IPC_ID_MAX);
	if (!sp_rd_done(&r) || v.rpc_id.n == 0)
		return false;
	*m = v;
	return true;
}

void
sp_enc_listen(struct sp_out *o, const struct sp_m_listen *m)
{
	sp_out_be(o, m->id, 4);
	sp_out_be(o, m->header, 4);
	sp_out_lv(o, m->session, 1);
	sp_out_lv(o, m->ticket, 2);
	sp_out_lv(o, m->peer, 1);
	sp_out_lv(o, m->token, 2);
	sp_out_slice(o, m->uris);
}

bool
sp_dec_listen(sp_slice body, struct sp_m_listen *m)
{
	struct sp_rd r = { body, false };
	struct sp_m_listen v = { 0 };

	v.id = rd32(&r);
	v.header = rd32(&r);
	v.session = rd_session(&r);
	v.ticket = sp_rd_lv(&r, 2, SP_TICKET_MAX);
	v.peer = sp_rd_lv(&r, 1, SP_PEER_MAX);
	v.token = sp_rd_lv(&r, 2, UINT16_MAX);
	v.uris = sp_rd_rest(&r, max_of(SP_M_LISTEN));
	if (!sp_rd_done(&r))
		return false;
	*m = v;
	return true;
}

void
sp_enc_item(struct sp_out *o, const struct sp_m_item *m)
{
	sp_out_be(o, m->serial, 4);
	sp_out_be(o, m->kind, 4);
	sp_out_slice(o, m->json);
}

bool
sp_dec_item(sp_slice body, struct sp_m_item *m)
{
	struct sp_rd r = { body, false };
	struct sp_m_item v = { 0 };

	v.serial = rd32(&r);
	v.kind = rd32(&r);
	v.json = sp_rd_rest(&r, max_of(SP_M_ITEM));
	if (!sp_rd_done(&r) || v.json.n == 0)
		return false;
	*m = v;
	return true;
}

void
sp_enc_catalog(struct sp_out *o, const struct sp_m_catalog *m)
{
	sp_out_be(o, m->serial, 4);
	sp_out_be(o, m->known, 4);
	sp_out_be(o, m->items, 4);
	sp_out_be(o, m->caps, 4);
	sp_out_slice(o, m->instructions);
}

bool
sp_dec_catalog(sp_slice body, struct sp_m_catalog *m)
{
	struct sp_rd r = { body, false };
	struct sp_m_catalog v = { 0 };

	v.serial = rd32(&r);
	v.known = rd_enum(&r, 2);
	v.items = rd32(&r);
	v.caps = rd32(&r);
	v.instructions = sp_rd_rest(&r, max_of(SP_M_CATALOG));
	if (!sp_rd_done(&r))
		return false;
	*m = v;
	return true;
}

void
sp_enc_keys(struct sp_out *o, const struct sp_m_keys *m)
{
	sp_out_be(o, m->authority, 4);
	sp_out_be(o, m->serial, 4);
	sp_out_be(o, m->status, 4);
	sp_out_slice(o, m->text);
}

bool
sp_dec_keys(sp_slice body, struct sp_m_keys *m)
{
	struct sp_rd r = { body, false };
	struct sp_m_keys v = { 0 };

	v.authority = rd32(&r);
	v.serial = rd32(&r);
	v.status = rd_enum(&r, SP_STATUS_COUNT);
	v.text = sp_rd_rest(&r, max_of(SP_M_KEYS));
	if (!sp_rd_done(&r) || (v.status == SP_OK) == (v.text.n == 0))
		return false;
	*m = v;
	return true;
}

void
sp_enc_ticket_ask(struct sp_out *o, const struct sp_m_ticket_ask *m)
{
	sp_out_be(o, m->id, 4);
	sp_out_be(o, m->source, 4);
	sp_out_be(o, m->alg, 4);
	sp_out_add(o, m->token_hash, sizeof m->token_hash);
	sp_out_lv(o, m->mac, 1);
	sp_out_slice(o, m->input);
}

bool
sp_dec_ticket_ask(sp_slice body, struct sp_m_ticket_ask *m)
{
	struct sp_rd r = { body, false };
	struct sp_m_ticket_ask v = { 0 };

	v.id = rd32(&r);
	v.source = rd32(&r);
	v.alg = rd32(&r);
	rd_copy(&r, v.token_hash, sizeof v.token_hash);
	v.mac = sp_rd_lv(&r, 1, 64);
	v.input = sp_rd_rest(&r, max_of(SP_M_TICKET_ASK));
	if (!sp_rd_done(&r))
		return false;
	*m = v;
	return true;
}

void
sp_enc_token_ask(struct sp_out *o, const struct sp_m_token_ask *m)
{
	sp_out_be(o, m->id, 4);
	sp_out_be(o, m->source, 4);
	sp_out_be(o, m->resource, 4);
	sp_out_slice(o, m->token);
}

bool
sp_dec_token_ask(sp_slice body, struct sp_m_token_ask *m)
{
	struct sp_rd r = { body, false };
	struct sp_m_token_ask v = { 0 };

	v.id = rd32(&r);
	v.source = rd32(&r);
	v.resource = rd32(&r);
	v.token = sp_rd_rest(&r, SP_IPC_TOKEN_MAX);
	if (!sp_rd_done(&r) || v.token.n == 0)
		return false;
	*m = v;
	return true;
}

void
sp_enc_introspected(struct sp_out *o, const struct sp_m_introspected *m)
{
	sp_out_be(o, m->id, 4);
	sp_out_be(o, m->status, 4);
	sp_out_be(o, (uint64_t)m->ends_s, 8);
	sp_out_lv(o, m->user, 2);
	sp_out_lv(o, m->issuer, 2);
	sp_out_lv(o, m->client_id, 2);
	sp_out_lv(o, m->scopes, 2);
	sp_out_lv(o, m->tags, 2);
}

/* Somebody or nobody: a user only with SP_OK. */
bool
sp_dec_introspected(sp_slice body, struct sp_m_introspected *m)
{
	struct sp_rd r = { body, false };
	struct sp_m_introspected v = { 0 };
	const size_t max = max_of(SP_M_INTROSPECTED);
	uint64_t ends;

	v.id = rd32(&r);
	v.status = rd_enum(&r, SP_STATUS_COUNT);
	ends = sp_rd_be(&r, 8);
	v.user = sp_rd_lv(&r, 2, max);
	v.issuer = sp_rd_lv(&r, 2, max);
	v.client_id = sp_rd_lv(&r, 2, max);
	v.scopes = sp_rd_lv(&r, 2, max);
	v.tags = sp_rd_lv(&r, 2, max);
	v.ends_s = (int64_t)ends;
	if (!sp_rd_done(&r) || ends > INT64_MAX || (v.status == SP_OK) != (v.user.n != 0) ||
	    (v.status != SP_OK && v.status != SP_E_BAD_TOKEN && v.status != SP_E_UNAVAILABLE))
		return false;
	*m = v;
	return true;
}

/* id, status, and text only with SP_OK. */
static bool
dec_reply(sp_slice body, enum sp_msg type, uint32_t *id, uint32_t *status, sp_slice *text)
{
	struct sp_rd r = { body, false };
	uint32_t n = rd32(&r), st = rd_enum(&r, SP_STATUS_COUNT);
	sp_slice rest = sp_rd_rest(&r, max_of(type));

	if (!sp_rd_done(&r) || (st == SP_OK) == (rest.n == 0))
		return false;
	*id = n;
	*status = st;
	*text = rest;
	return true;
}

void
sp_enc_ticket(struct sp_out *o, const struct sp_m_ticket *m)
{
	sp_out_be(o, m->id, 4);
	sp_out_be(o, m->status, 4);
	sp_out_slice(o, m->ticket);
}

bool
sp_dec_ticket(sp_slice body, struct sp_m_ticket *m)
{
	return dec_reply(body, SP_M_TICKET, &m->id, &m->status, &m->ticket);
}

void
sp_enc_session(struct sp_out *o, const struct sp_m_session *m)
{
	sp_out_be(o, m->id, 4);
	sp_out_be(o, m->status, 4);
	sp_out_slice(o, m->text);
}

bool
sp_dec_session(sp_slice body, struct sp_m_session *m)
{
	return dec_reply(body, SP_M_SESSION, &m->id, &m->status, &m->text);
}

void
sp_enc_session_new(struct sp_out *o, const struct sp_m_session_new *m)
{
	sp_out_be(o, m->id, 4);
	sp_out_be(o, m->revision, 4);
	sp_out_be(o, m->caps, 4);
	sp_out_add(o, m->who, sizeof m->who);
}

bool
sp_dec_session_new(sp_slice body, struct sp_m_session_new *m)
{
	struct sp_rd r = { body, false };
	struct sp_m_session_new v = { 0 };

	v.id = rd32(&r);
	v.revision = rd32(&r);
	v.caps = rd32(&r);
	rd_copy(&r, v.who, sizeof v.who);
	if (!sp_rd_done(&r))
		return false;
	*m = v;
	return true;
}

void
sp_enc_session_end(struct sp_out *o, const struct sp_m_session_end *m)
{
	sp_out_be(o, m->id, 4);
	sp_out_add(o, m->session, sizeof m->session);
	sp_out_be(o, (uint64_t)m->expires_s, 8);
}

bool
sp_dec_session_end(sp_slice body, struct sp_m_session_end *m)
{
	struct sp_rd r = { body, false };
	struct sp_m_session_end v = { 0 };

	v.id = rd32(&r);
	rd_copy(&r, v.session, sizeof v.session);
	v.expires_s = (int64_t)sp_rd_be(&r, 8);
	if (!sp_rd_done(&r))
		return false;
	*m = v;
	return true;
}

void
sp_enc_dial_host(struct sp_out *o, const struct sp_m_dial_host *m)
{
	sp_out_be(o, m->id, 4);
	sp_out_be(o, m->port, 4);
	sp_out_be(o, m->https, 4);
	sp_out_slice(o, m->host);
}

bool
sp_dec_dial_host(sp_slice body, struct sp_m_dial_host *m)
{
	struct sp_rd r = { body, false };
	struct sp_m_dial_host v = { 0 };

	v.id = rd32(&r);
	v.port = rd_enum(&r, 65536);
	v.https = rd_enum(&r, 2);
	v.host = sp_rd_rest(&r, 255);
	if (!sp_rd_done(&r) || v.host.n == 0 || v.port == 0)
		return false;
	*m = v;
	return true;
}

void
sp_enc_run(struct sp_out *o, const struct sp_m_run *m)
{
	sp_out_be(o, m->id, 4);
	sp_out_slice(o, m->ref);
}

bool
sp_dec_run(sp_slice body, struct sp_m_run *m)
{
	struct sp_rd r = { body, false };
	struct sp_m_run v = { 0 };

	v.id = rd32(&r);
	v.ref = sp_rd_rest(&r, max_of(SP_M_RUN));
	if (!sp_rd_done(&r) || v.ref.n == 0)
		return false;
	*m = v;
	return true;
}

void
sp_enc_run_ended(struct sp_out *o, const struct sp_m_run_ended *m)
{
	sp_out_be(o, m->id, 4);
	sp_out_be(o, m->status, 4);
	sp_out_slice(o, m->why);
}

bool
sp_dec_run_ended(sp_slice body, struct sp_m_run_ended *m)
{
	struct sp_rd r = { body, false };
	struct sp_m_run_ended v = { 0 };

	v.id = rd32(&r);
	v.status = rd_enum(&r, SP_STATUS_COUNT);
	v.why = sp_rd_rest(&r, max_of(SP_M_RUN_ENDED));
	if (!sp_rd_done(&r))
		return false;
	*m = v;
	return true;
}

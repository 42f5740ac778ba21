#include "ipc/codec.h"

#include "base/err.h"

static const struct sp_msgrule rules[] = {
#define M(name, from, to, max, fds, text) { #name, from, to, max, fds },
#include "ipc/messages.def"
#undef M
};

static const char *const role_names[SP_ROLE_COUNT] = {
	[SP_SUPER] = "super", [SP_LOADER] = "loader", [SP_FRONT] = "front", [SP_MANAGE] = "manage",
	[SP_EGRESS] = "egress", [SP_DIALER] = "dialer", [SP_KEEPER] = "keeper", [SP_CLI] = "cli",
	[SP_SPAWNER] = "spawner",
};

const char *
sp_role_name(enum sp_role r)
{
	return (unsigned)r < SP_ROLE_COUNT ? role_names[r] : "unknown";
}

const struct sp_msgrule *
sp_msgrule(unsigned type)
{
	return type < SP_COUNT(rules) ? &rules[type] : NULL;
}

bool
sp_msg_admit(enum sp_role from, enum sp_role to, unsigned type, size_t len, unsigned nfds)
{
	const struct sp_msgrule *r = sp_msgrule(type);

	/* A row may name two roles on both sides; nobody speaks to its own kind. */
	if (r == NULL || from == to || (unsigned)from >= SP_ROLE_COUNT || (unsigned)to >= SP_ROLE_COUNT)
		return false;
	if ((r->from & 1u << from) == 0 || (r->to & 1u << to) == 0 || len > r->max)
		return false;
	return r->fds == 255 ? nfds >= 1 && nfds <= SP_MSG_FDS : nfds == r->fds;
}

static uint32_t
rd32(struct sp_rd *r)
{
	return (uint32_t)sp_rd_be(r, 4);
}

/* A number below `limit`: an enum from the other side. */
static uint32_t
rd_enum(struct sp_rd *r, uint32_t limit)
{
	uint32_t v = rd32(r);

	if (v >= limit)
		r->bad = true;
	return v;
}

static void
rd_copy(struct sp_rd *r, void *dst, size_t n)
{
	sp_slice s = sp_rd_bytes(r, n);

	if (s.n == n)
		memcpy(dst, s.p, n);
}

static size_t
max_of(enum sp_msg type)
{
	return rules[type].max;
}

void
sp_enc_boot(struct sp_out *o, const struct sp_m_boot *m)
{
	const uint32_t f[] = { m->role, m->index, m->generation, m->incarnation, m->nlisten, m->nmetrics, m->row,
	    m->log_level, m->isolation };

	for (size_t i = 0; i < SP_COUNT(f); i++)
		sp_out_be(o, f[i], 4);
	sp_out_be(o, m->seed[0], 8);
	sp_out_be(o, m->seed[1], 8);
}

bool
sp_dec_boot(sp_slice body, struct sp_m_boot *m)
{
	struct sp_rd r = { body, false };
	struct sp_m_boot v = { 0 };

	v.role = rd_enum(&r, SP_ROLE_COUNT);
	v.index = rd32(&r);
	v.generation = rd32(&r);
	v.incarnation = rd32(&r);
	v.nlisten = rd_enum(&r, SP_MSG_FDS + 1);
	v.nmetrics = rd_enum(&r, v.nlisten + 1);
	v.row = rd32(&r);
	v.log_level = rd_enum(&r, SP_DEBUG + 1);
	v.isolation = rd_enum(&r, 3);
	v.seed[0] = sp_rd_be(&r, 8);
	v.seed[1] = sp_rd_be(&r, 8);
	if (!sp_rd_done(&r))
		return false;
	*m = v;
	return true;
}

void
sp_enc_peer(struct sp_out *o, const struct sp_m_peer *m)
{
	sp_out_be(o, m->role, 4);
	sp_out_be(o, m->index, 4);
	sp_out_be(o, m->generation, 4);
	sp_out_be(o, m->incarnation, 4);
}

bool
sp_dec_peer(sp_slice body, struct sp_m_peer *m)
{
	struct sp_rd r = { body, false };
	struct sp_m_peer v = { 0 };

	v.role = rd_enum(&r, SP_ROLE_COUNT);
	v.index = rd32(&r);
	v.generation = rd32(&r);
	v.incarnation = rd32(&r);
	if (!sp_rd_done(&r))
		return false;
	*m = v;
	return true;
}

/* One number: several messages are no more than that. */
static bool
dec_u32(sp_slice body, uint32_t *out)
{
	struct sp_rd r = { body, false };
	uint32_t v = rd32(&r);

	if (!sp_rd_done(&r))
		return false;
	*out = v;
	return true;
}

void
sp_enc_drain(struct sp_out *o, const struct sp_m_drain *m)
{
	sp_out_be(o, m->ms, 4);
}

bool
sp_dec_drain(sp_slice body, struct sp_m_drain *m)
{
	return dec_u32(body, &m->ms);
}

void
sp_enc_gen(struct sp_out *o, const struct sp_m_gen *m)
{
	sp_out_be(o, m->generation, 4);
}

bool
sp_dec_gen(sp_slice body, struct sp_m_gen *m)
{
	return dec_u32(body, &m->generation);
}

void
sp_enc_id(struct sp_out *o, const struct sp_m_id *m)
{
	sp_out_be(o, m->id, 4);
}

bool
sp_dec_id(sp_slice body, struct sp_m_id *m)
{
	return dec_u32(body, &m->id);
}

void
sp_enc_ran(struct sp_out *o, const struct sp_m_ran *m)
{
	sp_out_be(o, m->id, 4);
}

bool
sp_dec_ran(sp_slice body, struct sp_m_ran *m)
{
	return dec_u32(body, &m->id);
}

static bool
dec_two(sp_slice body, uint32_t *a, uint32_t *b)
{
	struct sp_rd r = { body, false };
	uint32_t v = rd32(&r), w = rd32(&r);

	if (!sp_rd_done(&r))
		return false;
	*a = v;
	*b = w;
	return true;
}

void
sp_enc_dial(struct sp_out *o, const struct sp_m_dial *m)
{
	sp_out_be(o, m->id, 4);
	sp_out_be(o, m->origin, 4);
}

bool
sp_dec_dial(sp_slice body, struct sp_m_dial *m)
{
	return dec_two(body, &m->id, &m->origin);
}

void
sp_enc_keys_ok(struct sp_out *o, const struct sp_m_keys_ok *m)
{
	sp_out_be(o, m->authority, 4);
	sp_out_be(o, m->serial, 4);
}

bool
sp_dec_keys_ok(sp_slice body, struct sp_m_keys_ok *m)
{
	return dec_two(body, &m->authority, &m->serial);
}

void
sp_enc_text(struct sp_out *o, const struct sp_m_text *m)
{
	sp_out_slice(o, m->text);
}

bool
sp_dec_text(sp_slice body, struct sp_m_text *m)
{
	struct sp_rd r = { body, false };
	sp_slice text = sp_rd_rest(&r, max_of(SP_M_SECRET_FD));

	if (!sp_rd_done(&r) || memchr(body.n == 0 ? "" : body.p, 0, body.n) != NULL)
		return false;
	m->text = text;
	return true;
}

void
sp_enc_call(struct sp_out *o, const struct sp_m_call *m)
{
	sp_out_be(o, m->id, 4);
	sp_out_be(o, m->tool, 4);
	sp_out_be(o, m->deadline_ms, 4);
	sp_out_be(o, m->args_total, 4);
	sp_out_be(o, m->method, 1);
	sp_out_be(o, m->era, 1);
	sp_out_be(o, m->log_level, 1);
	sp_out_be(o, m->progress, 1);
	sp_out_be(o, m->header, 4);
	sp_out_lv(o, m->session, 1);
	sp_out_lv(o, m->name, 2);
	sp_out_lv(o, m->rpc_id, 2);
	sp_out_lv(o, m->ticket, 2);
	sp_out_lv(o, m->token, 2);
	sp_out_slice(o, m->args);
}

/* Nothing, or a session's name. */
static sp_slice
rd_session(struct sp_rd *r)
{
	sp_slice s = sp_rd_lv(r, 1, 32);

	if (s.n != 0 && s.n != 32)
		r->bad = true;
	return s;
}

bool
sp_dec_call(sp_slice body, struct sp_m_call *m)
{
	struct sp_rd r = { body, false };
	struct sp_m_call v = { 0 };

	v.id = rd32(&r);
	v.tool = rd32(&r);
	v.deadline_ms = rd32(&r);
	v.args_total = rd32(&r);
	v.method = (uint32_t)sp_rd_be(&r, 1);
	v.era = (uint32_t)sp_rd_be(&r, 1);
	v.log_level = (uint32_t)sp_rd_be(&r, 1);
	v.progress = (uint32_t)sp_rd_be(&r, 1);
	v.header = rd32(&r);
	v.session = rd_session(&r);
	v.name = sp_rd_lv(&r, 2, SP_NAME_MAX);
	v.rpc_id = sp_rd_lv(&r, 2, SP_IPC_ID_MAX);
	v.ticket = sp_rd_lv(&r, 2, SP_TICKET_MAX);
	v.token = sp_rd_lv(&r, 2, UINT16_MAX);
	v.args = sp_rd_rest(&r, max_of(SP_M_CALL));
	/* The first part never holds more than the whole. */
	if (!sp_rd_done(&r) || v.args.n > v.args_total || v.era > 2 || v.log_level > 8 || v.progress > 1)
		return false;
	*m = v;
	return true;
}

void
sp_enc_result(struct sp_out *o, const struct sp_m_result *m)
{
	sp_out_be(o, m->id, 4);
	sp_out_be(o, m->kind, 1);
	sp_out_be(o, m->total, 4);
	sp_out_slice(o, m->part);
}

bool
sp_dec_result(sp_slice body, struct sp_m_result *m)
{
	struct sp_rd r = { body, false };
	struct sp_m_result v = { 0 };

	v.id = rd32(&r);
	v.kind = (uint32_t)sp_rd_be(&r, 1);
	v.total = rd32(&r);
	v.part = sp_rd_rest(&r, max_of(SP_M_RESULT));
	if (!sp_rd_done(&r) || v.part.n > v.total || v.kind >= SP_RESULT_KINDS)
		return false;
	*m = v;
	return true;
}

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

void
sp_enc_data(struct sp_out *o, const struct sp_m_data *m)
{
	sp_out_be(o, m->id, 4);
	sp_out_slice(o, m->part);
}

/* An empty part would let a peer keep us busy outside its credit. */
bool
sp_dec_data(sp_slice body, struct sp_m_data *m)
{
	struct sp_rd r = { body, false };
	struct sp_m_data v = { 0 };

	v.id = rd32(&r);
	v.part = sp_rd_rest(&r, SP_DATA_MAX);
	if (!sp_rd_done(&r) || v.part.n == 0)
		return false;
	*m = v;
	return true;
}

void
sp_enc_credit(struct sp_out *o, const struct sp_m_credit *m)
{
	sp_out_be(o, m->id, 4);
	sp_out_be(o, m->bytes, 4);
}

bool
sp_dec_credit(sp_slice body, struct sp_m_credit *m)
{
	struct sp_rd r = { body, false };
	struct sp_m_credit v = { 0 };

	v.id = rd32(&r);
	v.bytes = rd_enum(&r, SP_CREDIT + 1);
	if (!sp_rd_done(&r) || v.bytes == 0)
		return false;
	*m = v;
	return true;
}

void
sp_enc_call_error(struct sp_out *o, const struct sp_m_call_error *m)
{
	sp_out_be(o, m->id, 4);
	sp_out_be(o, m->status, 4);
	sp_out_be(o, m->retry_after_s, 4);
	sp_out_slice(o, m->text);
}

bool
sp_dec_call_error(sp_slice body, struct sp_m_call_error *m)
{
	struct sp_rd r = { body, false };
	struct sp_m_call_error v = { 0 };

	v.id = rd32(&r);
	v.status = rd_enum(&r, SP_STATUS_COUNT);
	v.retry_after_s = rd32(&r);
	v.text = sp_rd_rest(&r, max_of(SP_M_CALL_ERROR));
	if (!sp_rd_done(&r) || v.status == SP_OK)
		return false;
	*m = v;
	return true;
}

void
sp_enc_token(struct sp_out *o, const struct sp_m_token *m)
{
	sp_out_add(o, m->hash, sizeof m->hash);
	sp_out_be(o, (uint64_t)m->expires_s, 8);
	sp_out_lv(o, m->name, 2);
	sp_out_lv(o, m->client_id, 2);
	sp_out_lv(o, m->scopes, 2);
	sp_out_lv(o, m->tags, 2);
}

bool
sp_dec_token(sp_slice body, struct sp_m_token *m)
{
	struct sp_rd r = { body, false };
	struct sp_m_token v = { 0 };

	rd_copy(&r, v.hash, sizeof v.hash);
	v.expires_s = (int64_t)sp_rd_be(&r, 8);
	v.name = sp_rd_lv(&r, 2, max_of(SP_M_TOKEN_PUT));
	v.client_id = sp_rd_lv(&r, 2, max_of(SP_M_TOKEN_PUT));
	v.scopes = sp_rd_lv(&r, 2, max_of(SP_M_TOKEN_PUT));
	v.tags = sp_rd_lv(&r, 2, max_of(SP_M_TOKEN_PUT));
	if (!sp_rd_done(&r))
		return false;
	*m = v;
	return true;
}

void
sp_enc_hash(struct sp_out *o, const struct sp_m_hash *m)
{
	sp_out_add(o, m->hash, sizeof m->hash);
}

bool
sp_dec_hash(sp_slice body, struct sp_m_hash *m)
{
	struct sp_rd r = { body, false };
	struct sp_m_hash v = { 0 };

	rd_copy(&r, v.hash, sizeof v.hash);
	if (!sp_rd_done(&r))
		return false;
	*m = v;
	return true;
}

void
sp_enc_secret(struct sp_out *o, const struct sp_m_secret *m)
{
	sp_out_be(o, m->grant, 4);
	sp_out_slice(o, m->value);
}

bool
sp_dec_secret(sp_slice body, struct sp_m_secret *m)
{
	struct sp_rd r = { body, false };
	struct sp_m_secret v = { 0 };

	v.grant = rd32(&r);
	v.value = sp_rd_rest(&r, max_of(SP_M_SECRET));
	if (!sp_rd_done(&r))
		return false;
	*m = v;
	return true;
}

void
sp_enc_ask(struct sp_out *o, const struct sp_m_ask *m)
{
	sp_out_be(o, m->id, 4);
	sp_out_be(o, m->op, 4);
	sp_out_slice(o, m->body);
}

bool
sp_dec_ask(sp_slice body, struct sp_m_ask *m)
{
	struct sp_rd r = { body, false };
	struct sp_m_ask v = { 0 };

	v.id = rd32(&r);
	v.op = rd_enum(&r, SP_ADMIN_OP_COUNT);
	v.body = sp_rd_rest(&r, max_of(SP_M_ASK));
	if (!sp_rd_done(&r) || v.op == 0)
		return false;
	*m = v;
	return true;
}

void
sp_enc_answer(struct sp_out *o, const struct sp_m_answer *m)
{
	sp_out_be(o, m->id, 4);
	sp_out_be(o, m->status, 4);
	sp_out_slice(o, m->body);
}

bool
sp_dec_answer(sp_slice body, struct sp_m_answer *m)
{
	struct sp_rd r = { body, false };
	struct sp_m_answer v = { 0 };

	v.id = rd32(&r);
	v.status = rd_enum(&r, SP_STATUS_COUNT);
	v.body = sp_rd_rest(&r, max_of(SP_M_ANSWER));
	if (!sp_rd_done(&r))
		return false;
	*m = v;
	return true;
}

void
sp_enc_dial_error(struct sp_out *o, const struct sp_m_dial_error *m)
{
	sp_out_be(o, m->id, 4);
	sp_out_be(o, m->status, 4);
	sp_out_slice(o, m->text);
}

bool
sp_dec_dial_error(sp_slice body, struct sp_m_dial_error *m)
{
	struct sp_rd r = { body, false };
	struct sp_m_dial_error v = { 0 };

	v.id = rd32(&r);
	v.status = rd_enum(&r, SP_STATUS_COUNT);
	v.text = sp_rd_rest(&r, max_of(SP_M_DIAL_ERROR));
	if (!sp_rd_done(&r) || v.status == SP_OK)
		return false;
	*m = v;
	return true;
}

void
sp_enc_dialed(struct sp_out *o, const struct sp_m_dialed *m)
{
	sp_out_be(o, m->id, 4);
	sp_out_slice(o, m->address);
}

bool
sp_dec_dialed(sp_slice body, struct sp_m_dialed *m)
{
	struct sp_rd r = { body, false };
	struct sp_m_dialed v = { 0 };

	v.id = rd32(&r);
	v.address = sp_rd_rest(&r, max_of(SP_M_DIALED));
	if (!sp_rd_done(&r))
		return false;
	*m = v;
	return true;
}

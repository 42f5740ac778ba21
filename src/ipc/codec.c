#include "ipc/codec_int.h"

static const struct sp_msgrule rules[] = {
#define M(name, from, to, max, fds, text) { #name, from, to, max, fds },
#include "ipc/messages.def"
#undef M
};

static const char *const role_names[SP_ROLE_COUNT] = {
	[SP_SUPER] = "super", [SP_LOADER] = "loader", [SP_FRONT] = "front", [SP_MANAGE] = "manage",
	[SP_EGRESS] = "egress", [SP_DIALER] = "dialer", [SP_KEEPER] = "keeper", [SP_CLI] = "cli",
	[SP_SPAWNER] = "spawner", [SP_CHECKER] = "checker",
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
	sp_out_lv(o, m->peer, 1);
	sp_out_lv(o, m->token, 2);
	sp_out_slice(o, m->args);
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
	v.peer = sp_rd_lv(&r, 1, SP_PEER_MAX);
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

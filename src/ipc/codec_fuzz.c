/*
 * Every decoder, chosen by the first byte.  What is taken must lie inside the input and come back as the same bytes;
 * what the table would not admit is not asked.
 */
#include "base/err.h"
#include "ipc/codec.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static char room[2 << 20];

static void
must(bool ok)
{
	if (!ok)
		abort();
}

static void
inside(sp_slice whole, sp_slice part)
{
	if (part.n != 0)
		must(part.p >= whole.p && part.n <= whole.n && part.p <= whole.p + (whole.n - part.n));
}

static void look_boot(sp_slice b, const struct sp_m_boot *m) { must(m->role < SP_ROLE_COUNT && m->isolation < 3 && m->nmetrics <= m->nlisten); }
static void look_peer(sp_slice b, const struct sp_m_peer *m) { must(m->role < SP_ROLE_COUNT); }
static void look_drain(sp_slice b, const struct sp_m_drain *m) { must(b.n == 4); }
static void look_gen(sp_slice b, const struct sp_m_gen *m) { must(b.n == 4); }
static void look_id(sp_slice b, const struct sp_m_id *m) { must(b.n == 4); }
static void look_dial(sp_slice b, const struct sp_m_dial *m) { must(b.n == 8); }
static void look_hash(sp_slice b, const struct sp_m_hash *m) { must(memcmp(m->hash, b.p, 32) == 0); }
static void look_ran(sp_slice b, const struct sp_m_ran *m) { must(b.n == 4); }
static void look_keys_ok(sp_slice b, const struct sp_m_keys_ok *m) { must(b.n == 8); }
static void look_note(sp_slice b, const struct sp_m_note *m) { inside(b, m->params); must(m->note != 0 && m->params.n > 1); }
static void look_annul(sp_slice b, const struct sp_m_annul *m) { inside(b, m->rpc_id); must(m->rpc_id.n > 0); }
static void look_item(sp_slice b, const struct sp_m_item *m) { inside(b, m->json); must(m->json.n > 0); }
static void look_catalog(sp_slice b, const struct sp_m_catalog *m) { inside(b, m->instructions); must(m->known < 2); }
static void look_keys(sp_slice b, const struct sp_m_keys *m) { inside(b, m->text); must((m->status == SP_OK) != (m->text.n == 0)); }
static void look_ticket(sp_slice b, const struct sp_m_ticket *m) { inside(b, m->ticket); }
static void look_session(sp_slice b, const struct sp_m_session *m) { inside(b, m->text); }
static void look_session_new(sp_slice b, const struct sp_m_session_new *m) { must(b.n == 44); }
static void look_session_end(sp_slice b, const struct sp_m_session_end *m) { must(b.n == 44); }
static void look_dial_host(sp_slice b, const struct sp_m_dial_host *m) { inside(b, m->host); must(m->port > 0 && m->port < 65536); }
static void look_run(sp_slice b, const struct sp_m_run *m) { inside(b, m->ref); must(m->ref.n > 0); }
static void look_run_ended(sp_slice b, const struct sp_m_run_ended *m) { inside(b, m->why); }
static void look_data(sp_slice b, const struct sp_m_data *m) { inside(b, m->part); must(m->part.n > 0); }
static void look_secret(sp_slice b, const struct sp_m_secret *m) { inside(b, m->value); }
static void look_checked(sp_slice b, const struct sp_m_checked *m) { inside(b, m->text); inside(b, m->scopes); must(m->verdict < 5); }
static void look_dialed(sp_slice b, const struct sp_m_dialed *m) { inside(b, m->address); }

static void
look_text(sp_slice b, const struct sp_m_text *m)
{
	inside(b, m->text);
	must(!sp_has_byte(m->text, 0));
}

static void
look_call(sp_slice b, const struct sp_m_call *m)
{
	inside(b, m->session);
	inside(b, m->name);
	inside(b, m->rpc_id);
	inside(b, m->ticket);
	inside(b, m->token);
	inside(b, m->args);
	must(m->args.n <= m->args_total);
}

static void
look_check(sp_slice b, const struct sp_m_check *m)
{
	sp_slice tags = m->tags, about = m->about, one;

	inside(b, m->user);
	inside(b, m->name);
	inside(b, m->peer);
	inside(b, m->args);
	while (sp_text_list_take(&tags, &one))
		inside(b, one);
	while (sp_text_list_take(&about, &one))
		inside(b, one);
	must(tags.n == 0 && about.n == 0);
	must((m->flags & SP_CHECK_LIST) == 0 || m->name.n + m->args.n == 0);
}

static void
look_listen(sp_slice b, const struct sp_m_listen *m)
{
	inside(b, m->session);
	inside(b, m->ticket);
	inside(b, m->token);
	inside(b, m->uris);
	must(m->session.n == 0 || m->session.n == 32);
}

static void
look_ticket_ask(sp_slice b, const struct sp_m_ticket_ask *m)
{
	inside(b, m->mac);
	inside(b, m->input);
	must(m->mac.n <= 64);
}

static void
look_token_ask(sp_slice b, const struct sp_m_token_ask *m)
{
	inside(b, m->token);
	must(m->token.n > 0 && m->token.n <= SP_IPC_TOKEN_MAX);
}

static void
look_introspected(sp_slice b, const struct sp_m_introspected *m)
{
	inside(b, m->user);
	inside(b, m->issuer);
	inside(b, m->client_id);
	inside(b, m->scopes);
	inside(b, m->tags);
	must(m->ends_s >= 0 && (m->status == SP_OK) == (m->user.n > 0));
}

static void
look_result(sp_slice b, const struct sp_m_result *m)
{
	inside(b, m->part);
	must(m->part.n <= m->total);
}

static void
look_credit(sp_slice b, const struct sp_m_credit *m)
{
	must(m->bytes > 0 && m->bytes <= SP_CREDIT);
}

static void
look_call_error(sp_slice b, const struct sp_m_call_error *m)
{
	inside(b, m->text);
	must(m->status != 0);
}

static void
look_dial_error(sp_slice b, const struct sp_m_dial_error *m)
{
	inside(b, m->text);
	must(m->status != 0);
}

static void
look_token(sp_slice b, const struct sp_m_token *m)
{
	inside(b, m->name);
	inside(b, m->client_id);
	inside(b, m->scopes);
	inside(b, m->tags);
}

static void
look_ask(sp_slice b, const struct sp_m_ask *m)
{
	inside(b, m->body);
	must(m->op > 0 && m->op < SP_ADMIN_OP_COUNT);
}

static void
look_answer(sp_slice b, const struct sp_m_answer *m)
{
	inside(b, m->body);
}

#define TRY(x) \
static void \
try_##x(sp_slice b) \
{ \
	struct sp_m_##x m; \
	struct sp_out o; \
	if (!sp_dec_##x(b, &m)) \
		return; \
	look_##x(b, &m); \
	sp_out_init(&o, room, sizeof room); \
	sp_enc_##x(&o, &m); \
	must(!o.full && sp_eq(sp_out_view(&o), b)); \
}
SP_CODECS(TRY)

static void (*const tries[])(sp_slice) = {
#define ROW(x) try_##x,
SP_CODECS(ROW)
};

/* A message goes one way between two kinds of role, within its size, or it is not admitted. */
static void
try_admit(const uint8_t *data, size_t n)
{
	unsigned type = data[1];
	enum sp_role from = (enum sp_role)(data[2] % 16), to = (enum sp_role)(data[3] % 16);
	size_t len = (size_t)data[4] << 16 | (size_t)data[5] << 8 | data[6];
	unsigned nfds = data[7] % 40;
	const struct sp_msgrule *rule = sp_msgrule(type);

	must((rule == NULL) == (type >= SP_M_COUNT));
	if (!sp_msg_admit(from, to, type, len, nfds))
		return;
	must(rule != NULL && from != to && from < SP_ROLE_COUNT && to < SP_ROLE_COUNT);
	must((rule->from & 1u << from) != 0 && (rule->to & 1u << to) != 0 && len <= rule->max);
	must(nfds == rule->fds || (rule->fds == 255 && nfds > 0 && nfds <= SP_MSG_FDS));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *copy;

	if (n == 0 || n > 1 << 20)
		return 0;
	if (data[0] == 255) {
		if (n >= 8)
			try_admit(data, n);
		return 0;
	}
	/* A copy of the exact size, so that the sanitizer sees one byte too far. */
	copy = malloc(n);
	if (copy == NULL)
		return 0;
	memcpy(copy, data, n);
	tries[data[0] % SP_COUNT(tries)](sp_mem(copy + 1, n - 1));
	free(copy);
	return 0;
}

/*
 * Messages as structs, and the encoder and decoder of each.  Decoders refuse leftovers and sizes over the table's;
 * slices borrow from the message's bytes.  Encoders write the body only; ipc/channel.h frames it.
 */
#ifndef SP_IPC_CODEC_H
#define SP_IPC_CODEC_H

#include "base/out.h"
#include "base/rd.h"

enum sp_role {
	SP_SUPER, SP_LOADER, SP_FRONT, SP_MANAGE, SP_EGRESS, SP_DIALER, SP_KEEPER, SP_CLI, SP_SPAWNER, SP_CHECKER,
	SP_ROLE_COUNT
};
const char *sp_role_name(enum sp_role r);

enum {
	R_SUPER = 1 << SP_SUPER, R_FRONT = 1 << SP_FRONT, R_MANAGE = 1 << SP_MANAGE, R_EGRESS = 1 << SP_EGRESS,
	R_DIALER = 1 << SP_DIALER, R_KEEPER = 1 << SP_KEEPER, R_CLI = 1 << SP_CLI,
	R_SPAWNER = 1 << SP_SPAWNER, R_CHECKER = 1 << SP_CHECKER,
	R_FRONTS = R_FRONT | R_MANAGE,
	R_SERVING = R_FRONT | R_MANAGE | R_EGRESS | R_DIALER | R_KEEPER | R_SPAWNER | R_CHECKER,
};

enum sp_msg {
#define M(name, from, to, max, fds, text) SP_M_##name,
#include "ipc/messages.def"
#undef M
	SP_M_COUNT
};

enum { SP_MSG_FDS = 32 };	/* descriptors that one message can carry */
struct sp_msgrule { const char *name; uint32_t from, to; uint32_t max; unsigned fds; };
const struct sp_msgrule *sp_msgrule(unsigned type);		/* NULL: no such message */
/* May `from` send this to `to`? */
SP_MUST bool sp_msg_admit(enum sp_role from, enum sp_role to, unsigned type, size_t len, unsigned nfds);

/* Bytes of arguments or result that may be under way per call and direction before a CREDIT must come. */
enum { SP_NAME_MAX = 4096, SP_IPC_ID_MAX = 1600, SP_TICKET_MAX = 4096, SP_IPC_TOKEN_MAX = 16384 };
enum { SP_CREDIT = 262144, SP_DATA_MAX = 65536, SP_INLINE_MAX = 49152 };

/* nmetrics: so many of nlisten, the last; row: of the counters. */
struct sp_m_boot {
	uint32_t role, index, generation, incarnation, nlisten, nmetrics, row, log_level, isolation;
	uint64_t seed[2];
};
struct sp_m_peer { uint32_t role, index, generation, incarnation; };		/* also GONE, RING and RELINK */
struct sp_m_drain { uint32_t ms; };
struct sp_m_gen { uint32_t generation; };					/* also UNLOCK{kind}, CONTROL{uid} */
struct sp_m_text { sp_slice text; };						/* SECRET_FD, SECRET_ENV: the reference; KEEPER_UP; DIALED: address */
/*
 * tool: index in the image, or UINT32_MAX and `name`: the own name (or URI) of a component of an mcp server.
 * method: enum sp_mcp_method; era: enum sp_era of the client; log_level: 0 none, else 1 + RFC 5424 severity order of
 * mcp (1 debug … 8 emergency); progress: the client wants notifications of progress.
 * session: empty, or the 32 bytes that name the client's session; rpc_id: JSON text, only with a session.
 * ticket: empty, or what keeper signed (oauth/statement.h).  header: 0, or 1 + index of the source in whose own header
 * (not Authorization) the token came: sp_verify_from().  args: the first part; "" when none were given.
 * peer: the client as its own front saw it, for checks: an address, or "".
 */
struct sp_m_call {
	uint32_t id, tool, deadline_ms, args_total;
	uint32_t method, era, log_level, progress, header;
	sp_slice session, name, rpc_id, ticket, token, args, peer;
};
enum sp_result_kind {
	SP_RESULT_TOOL = 0,		/* the members of a CallToolResult: front adds what its era wants */
	SP_RESULT_WHOLE,		/* a result object, complete in the era of the call */
	SP_RESULT_ERROR,		/* a JSON-RPC error object */
	SP_RESULT_KINDS
};
struct sp_m_result { uint32_t id, kind, total; sp_slice part; };		/* total: bytes of the whole object; one line, whatever its kind */
enum sp_note { SP_NOTE_PROGRESS = 1, SP_NOTE_MESSAGE, SP_NOTE_UPDATED, SP_NOTE_COUNT };
struct sp_m_note { uint32_t id, note; sp_slice params; };			/* note: enum sp_note; params: JSON object in one line, without progressToken and subscriptionId */
struct sp_m_annul { uint8_t session[32]; sp_slice rpc_id; };
struct sp_m_listen { uint32_t id, header; sp_slice session, ticket, token, uris, peer; };	/* uris: JSON array of texts, or empty: those its session subscribed to */
struct sp_m_item { uint32_t serial, kind; sp_slice json; };			/* kind: enum sp_component_kind */
/* serial: of its items; known: 0 when there is no catalogue (yet, or no more); caps: bits of enum sp_mcp_cap. */
struct sp_m_catalog { uint32_t serial, known, items, caps; sp_slice instructions; };
struct sp_m_keys { uint32_t authority, serial, status; sp_slice text; };	/* status: SP_OK and a JWKS of public keys, or SP_E_UNAVAILABLE */
struct sp_m_keys_ok { uint32_t authority, serial; };
struct sp_m_ticket_ask { uint32_t id, source, alg; uint8_t token_hash[32]; sp_slice mac, input; };	/* alg: enum sp_alg, HS* */
struct sp_m_token_ask { uint32_t id, source, resource; sp_slice token; };			/* also INTROSPECT */
/* status: SP_OK and who bears it, in the lists of oauth/statement.h; SP_E_BAD_TOKEN; SP_E_UNAVAILABLE.  ends_s: of the token. */
struct sp_m_introspected { uint32_t id, status; int64_t ends_s; sp_slice user, issuer, client_id, scopes, tags; };
struct sp_m_ticket { uint32_t id, status; sp_slice ticket; };
struct sp_m_session_new { uint32_t id, revision, caps; uint8_t who[32]; };	/* revision: enum sp_mcp_revision; who: sp_principal_mark() */
struct sp_m_session { uint32_t id, status; sp_slice text; };			/* the value of Mcp-Session-Id */
struct sp_m_session_end { uint32_t id; uint8_t session[32]; int64_t expires_s; };	/* also SESSION_GONE, with id 0 */
struct sp_m_dial_host { uint32_t id, port, https; sp_slice host; };
struct sp_m_run { uint32_t id; sp_slice ref; };
struct sp_m_ran { uint32_t id; };
struct sp_m_run_ended { uint32_t id, status; sp_slice why; };			/* status: SP_OK: exit status 0 */
/*
 * A question to a check.  until_ms: of the monotonic clock, then nobody waits any more.  kind: enum sp_component_kind;
 * flags: enum sp_check_flag.  A list is asked about as a whole: `server`, `name`, `about` and `args` are empty then.
 * scopes: space separated; tags (the caller's) and about (the component's tags): sp_text_list.
 */
enum sp_check_flag { SP_CHECK_LIST = 1, SP_CHECK_WRITES = 2, SP_CHECK_NOBODY = 4, SP_CHECK_HAS_ARGS = 8, SP_CHECK_FLAGS = 16 };
enum { SP_CHECK_ARGS_MAX = 262144, SP_PEER_MAX = 64 };
struct sp_m_check {
	uint32_t id, kind, flags;
	uint64_t until_ms;
	int64_t	 expires_s;		/* INT64_MAX: never */
	sp_slice user, issuer, client_id, source, scopes, tags, server, name, about, peer, args;
};
/* verdict: enum sp_check_verdict (policy/checked.h).  text: a refusal's, or why it failed; scopes: of "short" only. */
struct sp_m_checked { uint32_t id, verdict; sp_slice text, scopes; };
/* Several texts in one field, each with its length before it.  Take: false at the end; a list that was decoded has no other. */
void sp_text_list_add(struct sp_out *o, sp_slice text);
SP_MUST bool sp_text_list_take(sp_slice *list, sp_slice *text);
struct sp_m_data { uint32_t id; sp_slice part; };
struct sp_m_credit { uint32_t id, bytes; };
struct sp_m_call_error { uint32_t id, status, retry_after_s; sp_slice text; };	/* status: enum sp_status; text may be shown to the caller */
struct sp_m_id { uint32_t id; };						/* CANCEL, SESSION_ENDED, KEYS_WANT{authority}, PEER_ASK */
struct sp_m_token { uint8_t hash[32]; int64_t expires_s; sp_slice name, client_id, scopes, tags; };
struct sp_m_hash { uint8_t hash[32]; };						/* TOKEN_DEL, MANAGE_KEY */
struct sp_m_secret { uint32_t grant; sp_slice value; };				/* grant: index in the server's grants */
struct sp_m_ask { uint32_t id, op; sp_slice body; };				/* op: enum sp_admin_op */
struct sp_m_answer { uint32_t id, status; sp_slice body; };			/* status: enum sp_status */
struct sp_m_dial { uint32_t id, origin; };		/* origin: 0 the server's own, else 1 + index of its `origins` */
struct sp_m_dial_error { uint32_t id, status; sp_slice text; };
struct sp_m_dialed { uint32_t id; sp_slice address; };

/* Administrative operations; the bodies are JSON objects of our own making, or (VAULT_SET) our own binary form. */
enum sp_admin_op {
	SP_ADMIN_HEALTH = 1,		/* {} -> {"version","roles":[…],"uptime_s","audit":{…}} */
	SP_ADMIN_TOKEN_LIST,		/* {} -> {"tokens":[{"name","scopes","tags","created","expires","fingerprint"}…]} */
	SP_ADMIN_TOKEN_NEW,		/* CLI only.  {"name","client_id","scopes","tags","expires","hash"(hex)} -> {} */
	SP_ADMIN_TOKEN_REVOKE,		/* {"name"} -> {"revoked":n} */
	SP_ADMIN_VAULT_LIST,		/* CLI only.  {} -> {"records":[{"name","set","bytes"}…]} */
	SP_ADMIN_VAULT_SET,		/* CLI only.  u16 length, name, value */
	SP_ADMIN_VAULT_RM,		/* CLI only.  {"name"} */
	SP_ADMIN_VAULT_REKEY,		/* CLI only.  u8 step (admin/admin.h), then the new key or passphrase */
	SP_ADMIN_AUDIT_TAIL,		/* {"lines":n} -> the last lines, newest last */
	SP_ADMIN_TOOLS,			/* {} -> {"tools":[{"server","name","access"}…]} */
	SP_ADMIN_OP_COUNT
};

/* For each: void sp_enc_x(struct sp_out *, const struct sp_m_x *); SP_MUST bool sp_dec_x(sp_slice body, struct sp_m_x *); */
#define SP_CODECS(X) X(boot) X(peer) X(drain) X(gen) X(text) X(call) X(result) X(data) X(credit) X(call_error) X(id) \
	X(token) X(hash) X(secret) X(ask) X(answer) X(dial) X(dial_error) X(dialed) X(note) X(annul) X(listen) X(item) \
	X(catalog) X(keys) X(keys_ok) X(ticket_ask) X(ticket) X(session_new) X(session) X(session_end) X(dial_host) X(run) \
	X(ran) X(run_ended) X(check) X(checked) X(token_ask) X(introspected)
#define SP_CODEC_DECL(x) \
	void sp_enc_##x(struct sp_out *o, const struct sp_m_##x *m); \
	SP_MUST bool sp_dec_##x(sp_slice body, struct sp_m_##x *m);
SP_CODECS(SP_CODEC_DECL)

#endif

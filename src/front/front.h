/*
 * The role that faces clients: it reads requests, verifies tokens, decides, and hands
 * allowed calls to the egress of their server.  It holds public keys, hashes of tokens, and
 * the tokens that pass through; no secret of an upstream.
 */
#ifndef SP_FRONT_FRONT_H
#define SP_FRONT_FRONT_H

#include "base/log.h"
#include "front/conn.h"
#include "image/image.h"
#include "ipc/channel.h"
#include "mcp/era.h"
#include "mcp/params.h"
#include "oauth/verifier.h"
#include "os/ring.h"
#include "os/shared.h"
#include "policy/decide.h"

struct sp_front;

/* The channel to the egress of one server. */
struct sp_link {
	struct sp_front *front;
	struct sp_chan *ch;		/* NULL: not there (yet, or again) */
	uint32_t server, incarnation;
	bool	 full;			/* it reads too slowly: calls wait */
};

/* Static tokens that the verifier knows, so that a new keeper can say which are left. */
struct sp_known {
	struct sp_known_token { uint8_t hash[32]; uint32_t round; bool used; } *v;
	uint32_t n, cap, round;		/* cap: a power of two, or 0 */
};

struct sp_front {
	const struct sp_image *img;
	uint32_t index;
	struct sp_hash_key seed;
	uv_loop_t *loop;
	struct sp_verifier *verifier;
	struct sp_ring *ring;
	struct sp_page *page;
	struct sp_slots *slots;
	struct sp_hub hub;
	struct sp_link *links;		/* one a server */
	struct sp_chan *keeper;
	struct sp_known known;
	struct sp_param_headers *params;	/* one a tool */
	struct sp_arena forever;	/* what params point into */
	struct sp_quota denials;
	struct sp_out text;		/* scratch for bodies of answers */
	void	(*done)(void *ctx);	/* drained */
	void	(*lost)(void *ctx, uint32_t server);	/* the channel to its egress has ended; may be NULL */
	void	*done_ctx;		/* for both */
};

enum sp_call_state { SP_CALL_NONE, SP_CALL_WAITS, SP_CALL_SENT, SP_CALL_ANSWERING, SP_CALL_OVER };

/* One request; in the arena of its work. */
struct sp_req {
	struct sp_principal *who;	/* held */
	sp_slice token;			/* empty: anonymous */
	sp_slice id;			/* JSON text */
	struct sp_mcp_ask ask;
	/* tools/call */
	uint8_t	 call;			/* enum sp_call_state */
	bool	 has_slot;
	uint32_t slot;
	uint32_t server, tool;
	uint64_t deadline_ms;
	sp_slice args;			/* as JSON text, re-written from what was decided on */
	size_t	 args_sent;
	uint64_t credit;		/* bytes of args that egress will still take */
	uint64_t total, got;		/* of the result */
	uint64_t owed;			/* bytes of the result for which no credit was given back yet */
};

/* Before the jail.  `img` outlives the front; ring, page and slots may be NULL in tests only. */
SP_MUST enum sp_status sp_front_init(struct sp_front *f, const struct sp_image *img, uv_loop_t *loop,
    struct sp_hash_key seed, struct sp_err *e);
void sp_front_close(struct sp_front *f);
/* A channel to an egress or to keeper; takes over fd. */
SP_MUST enum sp_status sp_front_peer(struct sp_front *f, enum sp_role role, uint32_t index, uint32_t incarnation,
    int fd);
/* That egress died: its calls end here and now. */
void sp_front_gone(struct sp_front *f, uint32_t server, uint32_t incarnation);

/* request.c */
extern const struct sp_service sp_front_service;
void sp_front_body(struct sp_conn *c);
void sp_front_end(struct sp_conn *c);

/* reply.c: what a request is answered with. */
struct sp_front *sp_front_of(const struct sp_conn *c);
struct sp_req *sp_req_of(const struct sp_conn *c);
/* 401, 403 or 400 with a challenge.  `scope`: for SP_E_SCOPE. */
void sp_reply_challenge(struct sp_conn *c, enum sp_status st, sp_slice scope);
/* A JSON-RPC error with the status line of errors.def; `message` empty: the status's text. */
void sp_reply_rpc(struct sp_conn *c, enum sp_status st, sp_slice message, uint32_t retry_after_s);
void sp_reply_tool_error(struct sp_conn *c, sp_slice text);
void sp_reply_unknown(struct sp_conn *c);
/* Scratch to write a JSON answer into, and its sending with 200. */
struct sp_out *sp_reply_text(struct sp_conn *c);
void sp_reply_ok(struct sp_conn *c);
void sp_reply_accepted(struct sp_conn *c);

/* call.c */
void sp_call_start(struct sp_conn *c);
void sp_call_late(struct sp_conn *c);
void sp_call_sent(struct sp_conn *c);
void sp_call_end(struct sp_conn *c);
void sp_call_push(struct sp_conn *c);		/* sends what the link and the credit allow */

/* result.c: what egress says. */
bool sp_link_message(void *ctx, struct sp_chan *ch, unsigned type, sp_slice body, const int *fds, unsigned nfds);
void sp_link_closed(void *ctx, struct sp_chan *ch, const char *why);
void sp_result_sent(struct sp_conn *c);

/* deny.c */
/* Why a call ended here: the audit record and the operator's line.  tool: index, or UINT32_MAX
 * for an unknown name. */
void sp_deny(struct sp_front *f, const struct sp_req *q, uint32_t tool, const struct sp_decision *d);
/* A line for the operator about a request that was refused before it had a caller. */
void sp_deny_request(struct sp_front *f, const char *event, const struct sp_err *e, sp_slice token);
/* Text for a POSIX shell: as it is, or in single quotes; what a terminal could obey is replaced. */
void sp_shell_word(struct sp_out *o, sp_slice s);

/* known.c */
void sp_known_begin(struct sp_known *k);	/* a new keeper speaks */
SP_MUST bool sp_known_put(struct sp_known *k, const uint8_t hash[32]);
void sp_known_del(struct sp_known *k, const uint8_t hash[32]);
/* Calls `drop` for every token that this keeper did not name, and forgets it. */
void sp_known_end(struct sp_known *k, void (*drop)(void *ctx, const uint8_t hash[32]), void *ctx);
void sp_known_free(struct sp_known *k);

#endif

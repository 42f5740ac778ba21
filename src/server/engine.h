/* What the files of the engine say to each other, and to nobody else. */
#ifndef SP_SERVER_ENGINE_H
#define SP_SERVER_ENGINE_H

#include "mcp/result.h"
#include "server/server_int.h"

/* ---- registry.c */
struct sp_offer *sp_offer_find(const struct sp_server *s, enum sp_component_type kind, sp_slice name);
struct sp_offer *sp_offer_hold(struct sp_offer *o);
void sp_offer_drop(struct sp_offer **o);
/* The resource of this URI, or the first template that it fits, whose variables are written as a JSON object ({} else).
 * NULL: none. */
struct sp_offer *sp_offer_of_uri(const struct sp_server *s, sp_slice uri, struct sp_out *variables);
void sp_offers_free(struct sp_server *s);
/* "tool", "resource", … */
const char *sp_kind_word(enum sp_component_type kind);

/* ---- template.c: RFC 6570 as far as one can match by it */
struct sp_template;
/* Expressions {name}, {+name}, {name*}, {?a,b} (last).  SP_E_CONFIG: e->log says why.  Memory from `a`. */
SP_MUST enum sp_status sp_template_new(struct sp_arena *a, sp_slice text, struct sp_template **out, struct sp_err *e);
/*
 * A variable ends where the text behind it begins for the first time.  {name} has no '/', and its decoded form neither
 * that nor '\'; no variable has control characters or "." and ".." between slashes; values are UTF-8.
 */
SP_MUST bool sp_template_match(const struct sp_template *t, sp_slice uri, struct sp_out *variables);

/* ---- options.c */
void sp_options_take(struct sp_server *s, const struct sp_server_options *given);

/* ---- gate.c */
/* What has no component: lists, initialize, streams.  SP_E_NO_TOKEN when a credential is needed for anything here. */
enum sp_status sp_gate_door(const struct sp_server *s, const struct sp_exchange *x);

/* ---- server.c: contexts */
struct sp_context *sp_context_new(struct sp_server *s, struct sp_exchange *x);
/* It is over: leaves its lists and its exchange; freed when no handler runs. */
void sp_context_end(struct sp_context *c);
void sp_context_join(struct sp_context *c, struct sp_session *session);
void sp_notes_free(struct sp_notes *n);
/* Server's scratch for one answer; emptied. */
struct sp_out *sp_reply_begin(struct sp_server *s);

/* ---- dispatch.c */
/* The whole answer is in s->reply; the context ends. */
void sp_answer_ok(struct sp_context *c);

/* ---- session.c */
/* SP_E_SESSION: unknown, or another caller's.  It is the youngest now. */
SP_MUST enum sp_status sp_session_find(struct sp_server *s, sp_slice id, const uint8_t mark[32], struct sp_session **out);
struct sp_session *sp_session_new(struct sp_server *s, const uint8_t mark[32]);
/* Its calls are cancelled, its streams end. */
void sp_session_free(struct sp_server *s, struct sp_session *session);
bool sp_session_subscribe(struct sp_session *session, sp_slice uri);
void sp_session_unsubscribe(struct sp_session *session, sp_slice uri);
bool sp_session_subscribed(const struct sp_session *session, sp_slice uri);

/* ---- list.c, call.c, notify.c: rows of the method table */
void sp_list_answer(struct sp_context *c);
void sp_call_start(struct sp_context *c);
void sp_subscribe_answer(struct sp_context *c);
void sp_listen_start(struct sp_context *c);

/* ---- call.c */
/* What a handler's thread said, taken out of c under the lock. */
void sp_call_take(struct sp_context *c, unsigned signals, struct sp_notes *notes);
/* Runs the handler; some thread. */
void sp_call_job(void *arg);
/* The call failed: isError or a JSON-RPC error, and its end. */
void sp_call_fail(struct sp_context *c, enum sp_status st, const char *text);
void sp_call_tick(struct sp_context *c, uint64_t now_ms);
/* The client has gone. */
void sp_call_gone(struct sp_context *c);
/* 2025 era: back for the rest.  False: there is nothing of that name. */
bool sp_call_resume(struct sp_session *session, struct sp_exchange *x, sp_slice last);

/* ---- result.c: what a handler gave, as JSON */
/* The whole message into `o`.  *object: where in it the result (or error) object stands.  True: it is an error object. */
bool sp_result_write(struct sp_context *c, struct sp_out *o, sp_slice *object);
/* isError for tools, a JSON-RPC error for all else, instead of what the handler gave.  The same is answered. */
bool sp_result_fail(struct sp_context *c, struct sp_out *o, enum sp_status st, const char *text, sp_slice *object);

/* ---- content.c */
/* What a handler added is forgotten. */
void sp_content_reset(struct sp_content *out);

/* ---- notify.c */
void sp_stream_free(struct sp_stream **stream);
void sp_stream_tick(struct sp_context *c, uint64_t now_ms);
/* The engine ends it: a listening client is told so. */
void sp_stream_finish(struct sp_context *c);
/* `offer` was added or taken away, or (NULL) something of that kind: streams whose callers may see it hear so. */
void sp_notify_changed(struct sp_server *s, enum sp_component_type kind, struct sp_offer *offer);
void sp_notify_updated(struct sp_server *s, sp_slice uri);

#endif

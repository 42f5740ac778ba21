/*
 * What a handler can do.  A context is one call; it lives until its handler has returned, or, after sp_defer(), until
 * sp_release().  All functions may be called from any thread, of one context by one thread at a time.
 *
 * Content is added piece by piece and sent when the call ends.  What cannot be sent (a text that is not UTF-8, a result that
 * does not fit its schema or is too large) makes the call end with an error that names the reason in the log; the caller
 * learns that the tool failed.  Nothing of a cancelled call is sent; its functions return SP_RC_CANCELLED.
 */
#ifndef SALLYPORT_CONTEXT_H
#define SALLYPORT_CONTEXT_H

#include <sallyport/auth.h>
#include <sallyport/server.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- what was asked, and by whom */

/* The server whose component it is. */
SP_API struct sp_server *sp_context_server(const struct sp_context *ctx);
SP_API const char *sp_context_name(const struct sp_context *ctx);	/* of the tool, prompt; URI that is read */
/* NULL: nobody.  Its claims are at hand; the raw token is not. */
SP_API const struct sp_principal *sp_context_principal(const struct sp_context *ctx);
/* All arguments as a JSON object, as the schema allows them. */
SP_API const char *sp_arguments(const struct sp_context *ctx);
/* One of them by name, or (nested) by dotted path; a template's variables are texts.  NULL, false: absent, or another type. */
SP_API const char *sp_arg_text(struct sp_context *ctx, const char *name);
SP_API SP_CHECKED bool sp_arg_int(struct sp_context *ctx, const char *name, int64_t *value);
SP_API SP_CHECKED bool sp_arg_number(struct sp_context *ctx, const char *name, double *value);
SP_API bool sp_arg_bool(struct sp_context *ctx, const char *name, bool absent);
SP_API const char *sp_arg_json(struct sp_context *ctx, const char *name);	/* any type, as JSON text */
/* The request's _meta as a JSON object (trace context and the like), without keys of the protocol; never NULL. */
SP_API const char *sp_context_meta(const struct sp_context *ctx);
/* Does the client no longer want the answer?  Slow handlers ask from time to time. */
SP_API bool sp_is_cancelled(const struct sp_context *ctx);
SP_API bool sp_client_can(const struct sp_context *ctx, enum sp_client_can what);
/* Is it the 2026-07-28 era?  For what only one of them has; handlers rarely need it. */
SP_API bool sp_is_modern(const struct sp_context *ctx);

/* ---- the answer */

/* Text; of a resource its contents; of a prompt a message of the user. */
SP_API enum sp_rc sp_return_text(struct sp_context *ctx, const char *text);
SP_API enum sp_rc sp_return_textf(struct sp_context *ctx, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Any JSON: the structured result of a tool, and the same as text; of a resource its contents. */
SP_API enum sp_rc sp_return_json(struct sp_context *ctx, const char *json);
/* The tool failed, and the model may know why (isError); of resources and prompts a JSON-RPC error.  Ends what was added. */
SP_API enum sp_rc sp_return_error(struct sp_context *ctx, const char *text);
SP_API enum sp_rc sp_return_errorf(struct sp_context *ctx, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A JSON-RPC error of the application; `data`: JSON or NULL.  Codes of the protocol (-32768 to -32000) are SP_RC_INVALID, but
 * for -32602 and -32603. */
SP_API enum sp_rc sp_return_rpc_error(struct sp_context *ctx, int code, const char *message, const char *data);

/* One more piece of content: what is added is copied, and sent in this order. */
SP_API enum sp_rc sp_add_text(struct sp_context *ctx, const char *text);
SP_API enum sp_rc sp_add_image(struct sp_context *ctx, const char *mime_type, const void *bytes, size_t n);
SP_API enum sp_rc sp_add_audio(struct sp_context *ctx, const char *mime_type, const void *bytes, size_t n);
SP_API enum sp_rc sp_add_resource_link(struct sp_context *ctx, const char *uri, const char *name, const char *mime_type);
/* An embedded resource; of a resource's own handler: contents, `uri` NULL for its own URI. */
SP_API enum sp_rc sp_add_resource_text(struct sp_context *ctx, const char *uri, const char *mime_type, const char *text);
SP_API enum sp_rc sp_add_resource_blob(struct sp_context *ctx, const char *uri, const char *mime_type, const void *bytes,
    size_t n);
/* A whole content block as JSON, for what has no function. */
SP_API enum sp_rc sp_add_content(struct sp_context *ctx, const char *json);
/* Prompts: what is added from now on is said by "user" or "assistant". */
SP_API enum sp_rc sp_add_message(struct sp_context *ctx, const char *role, const char *text);	/* text NULL: only the role */
/* For what was added last: annotations{audience, priority, lastModified} as JSON. */
SP_API enum sp_rc sp_annotate(struct sp_context *ctx, const char *json);
/* Completion: one value; at most 100 are sent. */
SP_API enum sp_rc sp_add_completion(struct sp_context *ctx, const char *value);
/* How long clients may keep what a resource's handler returned, and whether others may have it; default 0 and private. */
SP_API enum sp_rc sp_cache_for(struct sp_context *ctx, unsigned ms, bool everybody);

/* ---- while it runs */

/* Only if the client asked for it; `total` 0: not known; `message` may be NULL.  Progress must grow. */
SP_API enum sp_rc sp_progress(struct sp_context *ctx, double progress, double total, const char *message);
enum sp_log_level { SP_LOG_DEBUG = 1, SP_LOG_INFO, SP_LOG_NOTICE, SP_LOG_WARNING, SP_LOG_ERROR, SP_LOG_CRITICAL, SP_LOG_ALERT,
	SP_LOG_EMERGENCY };
/* A message for the client's log, if it wants this level.  `data`: JSON, or any other text.  No secrets. */
SP_API enum sp_rc sp_message(struct sp_context *ctx, enum sp_log_level level, const char *logger, const char *data);
/* 2025 era: the stream is closed after what was sent so far, and the client comes back for the rest after so long. */
SP_API enum sp_rc sp_close_stream(struct sp_context *ctx, unsigned retry_ms);

/*
 * Handlers that answer later: the call goes on when the handler has returned.  ctx stays valid until sp_release(), which must
 * come exactly once; sp_complete() ends the call.  A second sp_complete() is SP_RC_OVER, one after a cancellation
 * SP_RC_CANCELLED, one without sp_defer() SP_RC_INVALID; none of them does anything.
 */
SP_API struct sp_context *sp_defer(struct sp_context *ctx);
SP_API enum sp_rc sp_complete(struct sp_context *ctx);
SP_API void sp_release(struct sp_context *ctx);

/*
 * ---- asking the client
 *
 * In both eras the same: SP_RC_PENDING means that the question goes out, and that the handler is to return; when the answer
 * is there the handler is run again from its start, and finds it.  So what has effects stands after the last question.
 * `key` names a question within the call.  Several may be asked before returning.  What is needed to go on can be kept by
 * sp_state_set(): it travels sealed, bound to the caller and the request, and expires.
 */
enum sp_elicit_action { SP_ELICIT_ACCEPT = 1, SP_ELICIT_DECLINE, SP_ELICIT_CANCEL };
struct sp_elicit_answer {
	enum sp_elicit_action action;
	const char *content;		/* accepted: JSON object that fits the schema; else NULL */
};
/* `schema`: JSON Schema of an object of texts, numbers, booleans and enumerations. */
SP_API SP_CHECKED enum sp_rc sp_elicit(struct sp_context *ctx, const char *key, const char *message, const char *schema,
    struct sp_elicit_answer *answer);
/* Asks to open a page; accepted: the person agreed to, no more. */
SP_API SP_CHECKED enum sp_rc sp_elicit_url(struct sp_context *ctx, const char *key, const char *message, const char *url,
    struct sp_elicit_answer *answer);
/* sampling/createMessage: `params` {messages, maxTokens, …} as JSON; the answer {role, content, model, …} too. */
SP_API SP_CHECKED enum sp_rc sp_sample(struct sp_context *ctx, const char *key, const char *params, const char **answer);
/* The text of a sampled answer's (first) text content, or NULL. */
SP_API const char *sp_sampled_text(struct sp_context *ctx, const char *answer);
/* roots/list: JSON array [{uri, name?}]. */
SP_API SP_CHECKED enum sp_rc sp_list_roots(struct sp_context *ctx, const char *key, const char **answer);
/* At most 16 kB; NULL: nothing was kept.  What sp_state() gave stays until the handler returns, also after one sp_state_set(). */
SP_API enum sp_rc sp_state_set(struct sp_context *ctx, const char *state);
SP_API const char *sp_state(const struct sp_context *ctx);

/* ---- tasks */

/* The call becomes a task: its client gets the task now, and the outcome when it asks for it; time-outs are those of tasks.
 * Questions asked before this are asked of the call, later ones of the task.  SP_RC_OK: it is one (also when it was one
 * already, as after a question); SP_RC_UNSUPPORTED: the client cannot, SP_RC_UNAVAILABLE: too many tasks are kept, so go on
 * without; SP_RC_INVALID: the tool's options do not say so. */
SP_API enum sp_rc sp_become_task(struct sp_context *ctx);
/* Does it run as a task?  Its caller may have gone. */
SP_API bool sp_is_task(const struct sp_context *ctx);
/* What pollers are told. */
SP_API enum sp_rc sp_task_status(struct sp_context *ctx, const char *message);

#ifdef __cplusplus
}
#endif

#endif

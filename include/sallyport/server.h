/*
 * A server: what it offers, and to whom.  It is put together on one thread; tools and the rest may also be added and taken
 * away while it serves, on the thread that serves it (clients are told that lists changed).  Mistakes are collected:
 * nothing here fails by itself, sp_server_check() says what is wrong, all of it, and a server with mistakes does not start.
 */
#ifndef SALLYPORT_SERVER_H
#define SALLYPORT_SERVER_H

#include <sallyport/auth.h>
#include <sallyport/provider.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sp_server;
struct sp_context;

struct sp_icon { const char *src, *mime_type; const char *const *sizes; };	/* src: https: or data: */

struct sp_server_options {
	size_t	    size;
	const char *name, *version;		/* required */
	const char *title, *instructions, *website_url;
	const struct sp_icon *icons;		/* the last one has no src */
	/* The resource identifier, e.g. https://tools.example.com/mcp: expected audience, base of metadata, never taken from a
	 * request.  Default on loopback: what the server listens on, with the path /mcp. */
	const char *url;
	struct sp_auth_provider *auth;		/* NULL: no source of tokens; checks then run without a principal */
	struct sp_auth_check *check;		/* of every component, in addition to its own */
	/* 32 bytes that seal requestState; the same for all instances that stand behind one address.  NULL: random at start. */
	const uint8_t *state_key;
	unsigned    workers;			/* threads for handlers; 8.  A slow handler keeps one of them, never the server */
	unsigned    max_calls;			/* at once, of all callers; 1024.  More are told to come again */
	unsigned    max_sessions;		/* of the 2025 era; 4096.  The one that was unused for longest goes */
	unsigned    call_timeout_s;		/* 60.  A task: task_ttl_s */
	unsigned    task_ttl_s;			/* 3600: so long a task's outcome is kept */
	unsigned    page_size;			/* of lists; 200 */
	size_t	    max_body;			/* bytes of a message; 1 MB */
	size_t	    max_result;			/* bytes of a result; 8 MB */
};
/* A server without anything yet; the options are read and copied. */
#define sp_server_new(...) sp_server_create(&(const struct sp_server_options){ \
	.size = sizeof(struct sp_server_options), __VA_ARGS__ })
/* NULL only without memory. */
SP_API struct sp_server *sp_server_create(const struct sp_server_options *options);
/* Ends calls and sessions.  Waits for handlers that run in workers. */
SP_API void sp_server_free(struct sp_server *server);
/* Is it fit to serve?  False: *error has the first mistake; all of them went to the log. */
SP_API SP_CHECKED bool sp_server_check(struct sp_server *server, struct sp_error *error);

/*
 * A handler answers one request by functions of context.h, and returns.  What it returned by then is the result; for
 * a longer answer without a thread see sp_defer().  It runs in a worker, so several may run at once.
 */
typedef void (*sp_handler)(struct sp_context *ctx, void *arg);
/* Adds values that begin with `value` by sp_add_completion(). */
typedef void (*sp_completer)(struct sp_context *ctx, const char *argument, const char *value, void *arg);

/* May a call become a task (extension io.modelcontextprotocol/tasks), whose outcome its client polls for?  The handler decides
 * when, by sp_become_task(); what it answers before that is answered at once.  ALWAYS: clients without the extension are told
 * that they need it, before the handler runs. */
enum sp_task_support { SP_TASK_NEVER = 0, SP_TASK_IF_CLIENT_CAN, SP_TASK_ALWAYS };
enum sp_hint { SP_HINT_UNSAID = 0, SP_HINT_YES, SP_HINT_NO };
/* What a client has to be able to do, for sp_tool_options.needs. */
enum sp_client_can { SP_CLIENT_CAN_ELICIT = 1, SP_CLIENT_CAN_SAMPLE = 2, SP_CLIENT_HAS_ROOTS = 4 };

struct sp_tool_options {
	size_t	    size;
	const char *name;			/* 1 to 128 of A-Z a-z 0-9 _ - . */
	const char *title, *description;
	const char *input_schema;		/* JSON Schema 2020-12, an object; default: no arguments.  Checked before the handler runs */
	const char *output_schema;		/* the structured result is checked against it */
	enum sp_hint read_only, destructive, idempotent, open_world;
	const char *const *tags;		/* of the component: for checks, shown in _meta of nobody */
	const struct sp_icon *icons;
	const char *meta;			/* JSON object: the tool's _meta */
	struct sp_auth_check *auth;		/* required */
	sp_handler  handler;			/* required */
	bool	    on_loop;			/* the handler runs on the server's thread instead: it must not wait for anything */
	void	   *arg;			/* for the handler */
	enum sp_task_support task;
	unsigned    needs;			/* enum sp_client_can: other clients are told what is missing */
	unsigned    timeout_s;			/* instead of the server's */
};
/* A tool, by the handler that is its function; the options are read and copied. */
#define sp_tool(server, ...) sp_tool_add((server), &(const struct sp_tool_options){ \
	.size = sizeof(struct sp_tool_options), __VA_ARGS__ })
SP_API void sp_tool_add(struct sp_server *server, const struct sp_tool_options *options);

struct sp_resource_options {
	size_t	    size;
	const char *uri;			/* or: */
	const char *uri_template;		/* RFC 6570; its variables are the handler's arguments */
	const char *name;			/* required */
	const char *title, *description, *mime_type;
	int64_t	    bytes;			/* its size, if known; 0: not said */
	const char *const *tags;
	const struct sp_icon *icons;
	const char *meta;
	struct sp_auth_check *auth;		/* required */
	sp_handler  handler;			/* required; sp_return_text() and the like give the contents */
	sp_completer complete;			/* of a template's variables; NULL: none */
	bool	    on_loop;
	void	   *arg;			/* for both */
	unsigned    timeout_s;
};
/* A resource, or with `uri_template` a template of many. */
#define sp_resource(server, ...) sp_resource_add((server), &(const struct sp_resource_options){ \
	.size = sizeof(struct sp_resource_options), __VA_ARGS__ })
SP_API void sp_resource_add(struct sp_server *server, const struct sp_resource_options *options);

struct sp_prompt_argument { const char *name, *title, *description; bool required; };
struct sp_prompt_options {
	size_t	    size;
	const char *name;			/* as of a tool */
	const char *title, *description;
	const struct sp_prompt_argument *arguments;	/* the last one has no name */
	const char *const *tags;
	const struct sp_icon *icons;
	const char *meta;
	struct sp_auth_check *auth;		/* required */
	sp_handler  handler;			/* required; sp_add_message() and the like give the messages */
	sp_completer complete;			/* of its arguments */
	bool	    on_loop;
	void	   *arg;
	unsigned    timeout_s;
};
/* A prompt, by the handler that writes its messages. */
#define sp_prompt(server, ...) sp_prompt_add((server), &(const struct sp_prompt_options){ \
	.size = sizeof(struct sp_prompt_options), __VA_ARGS__ })
SP_API void sp_prompt_add(struct sp_server *server, const struct sp_prompt_options *options);

/* False: there is none of that name (URI, uriTemplate).  Calls that run go on. */
SP_API bool sp_component_remove(struct sp_server *server, enum sp_component_type kind, const char *name);

/* ---- what clients are told; from any thread */

/* The content of a resource has changed: who subscribed to it hears so. */
SP_API void sp_resource_updated(struct sp_server *server, const char *uri);
/* Lists changed for another reason than adding and removing, which tell by themselves. */
SP_API void sp_list_changed(struct sp_server *server, enum sp_component_type kind);

#ifdef __cplusplus
}
#endif

#endif

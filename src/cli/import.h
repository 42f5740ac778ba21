/*
 * The configuration files of MCP clients, read: which servers they name, where, and with which keys.  Pure.
 * Formats: `mcpServers` (Claude, Cursor, Windsurf, Gemini) or `servers` (VS Code) is a mapping NAME -> server; a server with
 * `command` is started by the client, one with `url`, `serverUrl` or `httpUrl` is spoken to over HTTP; `headers` may hold
 * keys; ${NAME}, ${env:NAME} and $NAME stand for variables, ${input:ID} for what the client asks.  ~/.claude.json has such a
 * mapping also below projects.PATH.
 */
#ifndef SP_CLI_IMPORT_H
#define SP_CLI_IMPORT_H

#include "base/arena.h"
#include "base/err.h"
#include "wire/json.h"

enum { SP_IMPORT_SERVERS = 64, SP_IMPORT_KEYS = 8, SP_IMPORT_FILE_MAX = 16777216 };

struct sp_import_client {
	const char *file;
	bool	 home;			/* below the home folder, not below this one */
	const char *url_key, *variable;	/* how a rewritten file names the gateway and SALLYPORT_TOKEN */
	bool	 typed;			/* it wants "type": "http" */
	bool	 sse;			/* `url` means the old transport here */
	bool	 dollar;		/* $NAME is a variable */
};
extern const struct sp_import_client sp_import_clients[];
extern const size_t sp_import_clients_n;

struct sp_import_key {
	enum { SP_IMPORT_VALUE = 1, SP_IMPORT_ENV, SP_IMPORT_INPUT } how;
	sp_slice value;			/* the secret, the name of the variable, the id of the input */
	sp_slice field;			/* name of the header or query parameter; empty: Authorization: Bearer */
	bool	 query;
	sp_slice before;		/* what stands before the value in the header: "Basic " */
};

enum sp_import_kind {
	SP_IMPORT_HTTP = 1,
	SP_IMPORT_STDIO,		/* started by the client */
	SP_IMPORT_SSE,			/* the transport before Streamable HTTP */
	SP_IMPORT_ODD			/* `note` says what is wrong */
};

struct sp_import_server {
	enum sp_import_kind kind;
	sp_slice called;		/* by the client */
	sp_slice url;			/* HTTP: without the keys in its query */
	struct sp_import_key keys[SP_IMPORT_KEYS];
	size_t	 nkeys;
	sp_slice notes;			/* lines: what was left out, and why */
	unsigned file;			/* as given */
	const sp_jval *json;		/* where it stands */
};

struct sp_import {
	struct sp_import_server list[SP_IMPORT_SERVERS];
	size_t	 n, dropped;		/* dropped: more than the list takes */
};

/* Comments and trailing commas as spaces, as VS Code allows them; everything else, strings too, byte for byte.
 * True: there were any. */
bool sp_import_plain(struct sp_out *o, sp_slice text);
/* Adds the servers of one file.  `root` and all slices live in `mem`.  SP_E_BAD_JSON: no JSON object, e->log says why. */
SP_MUST enum sp_status sp_import_read(struct sp_arena *mem, sp_slice text, const struct sp_import_client *c, unsigned file,
    struct sp_import *out, sp_jval **root, struct sp_err *e);
/* The file anew: without the servers for which `moved` says so, with the gateway in their place.  Two spaces a level. */
typedef bool (*sp_import_moved_fn)(void *ctx, const sp_jval *server);
void sp_import_rewrite(struct sp_out *o, sp_jval *root, const struct sp_import_client *c, const char *url,
    sp_import_moved_fn moved, void *ctx);

#endif

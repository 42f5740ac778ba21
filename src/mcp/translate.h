/*
 * From an upstream's answers to the client's era.  What an upstream sends is foreign: a result that is none for its
 * method is refused, fields that belong to the hop between us and it are removed, and the client's era gets its own.
 *
 * Removed: resultType, ttlMs, cacheScope, inputRequests, requestState, and of _meta all io.modelcontextprotocol/ keys.
 * Added for the modern era: resultType complete, our serverInfo in _meta, and for resources/read ttlMs 0 and cacheScope
 * private.  structuredContent goes to a legacy client only if it is an object.
 *
 * Links (threat row O09): the URI of a resource_link or of an embedded resource may have the scheme http, https, or one
 * that the server itself lists resources or templates with (so also file: and ui:, if it does); never javascript:,
 * data: and the like (sp_uri_is_active()).  Any other link becomes a text block that says so, an embedded text becomes
 * a text block, an embedded blob a text block that says so; of resources/read the contents under such a URI are left out,
 * but those under the URI that was asked for.  A content block of a type that we do not know becomes a text block that
 * says so.  Texts themselves are not changed.
 */
#ifndef SP_MCP_TRANSLATE_H
#define SP_MCP_TRANSLATE_H

#include "mcp/catalog.h"
#include "mcp/era.h"

struct sp_hop {
	enum sp_era to;			/* the client's */
	enum sp_mcp_method method;	/* that is answered: tools/call, prompts/get, resources/read, complete, (un)subscribe,
					 * setLevel, ping */
	sp_slice name;			/* as it was asked of the upstream: own name, or URI */
	const struct sp_catalog *catalog;	/* of this server, for the schemes; NULL: only http and https */
};

/* Writes the result object in one line.  SP_E_UPSTREAM: refused; e->pub may be shown to the caller (constant text:
 * asks for input, or no valid result), e->log says which field. SP_E_TOO_BIG: *o is full.  *o is then to be thrown away. */
SP_MUST enum sp_status sp_translate_result(struct sp_out *o, const struct sp_hop *h, sp_jval *result, struct sp_err *e);

/*
 * Writes an error object in one line, whatever `error` is.  Codes: -32002 and -32602 with data.uri change places by
 * era for what names a resource; -32700, -32600 and the reserved -32020 to -32099 speak of our own hop, or ask for what we
 * do not serve, and become -32603 without data; so does what is no integer of 32 bits.  The message loses control and bidi
 * characters and is cut at 1,024 bytes; data is kept up to 4,096 bytes.
 */
void sp_translate_error(struct sp_out *o, const struct sp_hop *h, sp_jval *error);

enum sp_translate_note { SP_TRANSLATE_PROGRESS = 1, SP_TRANSLATE_MESSAGE, SP_TRANSLATE_UPDATED };	/* as enum sp_note */
/*
 * Writes the params of a notification in one line, without progressToken, subscriptionId and _meta.  *level: of a message,
 * 1 debug to 8 emergency, else 0: the caller compares it with what was asked for.  Progress numbers keep their text.
 * SP_E_UPSTREAM: refused, e->log says why; the notification is to be dropped.  SP_E_TOO_BIG: *o is full.
 */
SP_MUST enum sp_status sp_translate_note(struct sp_out *o, enum sp_translate_note note, sp_jval *params, uint32_t *level,
    struct sp_err *e);

#endif

/*
 * Lists over the image and the catalogues of mcp servers: what this caller may see, sorted by shown name (resources and
 * templates by URI), in pages.  A cursor is the last name listed with a keyed mark over it, the kind and the caller, so
 * that a forged one, or one of another caller, resource or list, is refused; what follows it is filtered anew, so it grants nothing.
 */
#ifndef SP_MCP_LIST_H
#define SP_MCP_LIST_H

#include "base/hash.h"
#include "mcp/catalog.h"
#include "mcp/era.h"

enum { SP_PAGE_ITEMS = 200, SP_PAGE_BYTES = 262144, SP_CURSOR_MAX = 5632, SP_FOUND_RULES = 2048 };

/* What is served at one resource.  At most 256 servers, as the loader writes them. */
struct sp_world {
	const struct sp_image *img;
	struct sp_catalog *const *catalogs;	/* one a server; NULL: not of kind mcp, or not known yet */
	const uint32_t *caps;			/* one a server: enum sp_mcp_cap, of those that are known */
	struct sp_hash_key key;
	const sp_slice *instructions;		/* one a server, or NULL: none has any */
	uint32_t resource;			/* index: of its servers only */
};

/* `view`: what checks said, here and below (policy/decide.h).  The whole JSON-RPC answer of one page; ask->method says which list.  Of a URI that two servers have, the first
 * server's is listed, and found: a caller whom the rules close it does not see the other.
 * SP_E_BAD_PARAMS: the cursor; *o is then untouched. */
SP_MUST enum sp_status sp_mcp_list(struct sp_out *o, const struct sp_world *w, const struct sp_principal *who,
    const struct sp_view *view, const struct sp_mcp_ask *ask, sp_slice id, struct sp_err *e);

/* Who a name or URI belongs to. */
struct sp_found {
	struct sp_component c;		/* rules included */
	uint32_t tool;			/* index in the image, or UINT32_MAX */
	const struct sp_item *item;	/* of a catalogue, or NULL: the image's, or not listed there */
	uint32_t rules[SP_FOUND_RULES];	/* where c.rules points when there is no item and no tool */
};
/*
 * tools/call, prompts/get, complete, resources/read, (un)subscribe: the component behind ask->name.  A name of a server
 * whose catalogue is not known yet is found by its prefix, without an item, so that the rules can speak and its egress
 * can say what is wrong.  A URI is found by the listed resources, then the templates (the component is then the resource
 * of that URI), then, unlisted, at the only server that may have resources and that rules name for it.  A completion is
 * found by its prompt or template.  False: nobody has it.  *out must stay where it is while out->c is used.
 */
SP_MUST bool sp_mcp_find(const struct sp_world *w, const struct sp_mcp_ask *ask, struct sp_found *out);
/* What we can do for this caller: tools, and of every server that has something this caller's lists show, what that server
 * can.  A server that is not known yet may have lists of every kind: a client asks for our capabilities only once. */
uint32_t sp_mcp_caps(const struct sp_world *w, const struct sp_principal *who, const struct sp_view *view);
/* What servers say about their use: of every server that has something this caller's lists show, each under its name, but
 * that of one that is alone. */
void sp_mcp_instructions(struct sp_out *o, const struct sp_world *w, const struct sp_principal *who,
    const struct sp_view *view);

#endif

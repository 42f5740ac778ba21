/*
 * The components of one mcp server: what its egress was told by the upstream, and what fronts list and look up.  Both
 * build it with the same function from the same JSON, so that what is listed is what can be called.  An upstream's
 * definitions are foreign: names outside [A-Za-z0-9_.-]{1,128} (tools, prompts), URIs that are none or run as a program
 * (javascript: and the like), tools without an input schema of type object or with invalid x-mcp-header marks are left
 * out, with a reason; texts lose control and bidi characters and are cut; sizes are bounded (threat rows E05, E26, E27).
 * Kept are the fields that the specification names, less `execution` and keys of a hop in _meta; schemas keep every
 * member, its order and the text of its numbers, and nothing that they point at is ever fetched.  Pure.
 */
#ifndef SP_MCP_CATALOG_H
#define SP_MCP_CATALOG_H

#include "mcp/params.h"
#include "policy/decide.h"

enum {
	SP_CATALOG_ITEMS = 10000,		/* of one server */
	SP_CATALOG_BYTES = 32 << 20,
	SP_ITEM_BYTES = 262144 - 64,		/* JSON text of one */
	SP_ITEM_TEXT = 16384			/* bytes of a title or description */
};

struct sp_catalog;

struct sp_item {
	struct sp_component c;			/* with its rules */
	sp_slice shown;				/* tools, prompts: SERVER_name (of a server that is alone: its name), over 64 characters cut and hashed as in the image; else as c.name */
	sp_slice json;				/* the object for lists: under its shown name, without fields of another hop */
	sp_slice own;				/* the same under its own name: what goes from egress to front */
	sp_slice schema;			/* tools: inputSchema */
	struct sp_param_headers params;		/* tools: its x-mcp-header marks */
};

/* `img` must outlive it. */
SP_MUST enum sp_status sp_catalog_new(const struct sp_image *img, uint32_t server, struct sp_catalog **out);
void sp_catalog_free(struct sp_catalog **c);

/* Adds one component from its definition (a Tool, Resource, ResourceTemplate or Prompt object).  SP_E_REFUSED: left
 * out, e->log says why (for the operator; names it, cut and cleaned); SP_E_FULL: no room, the catalogue cannot be used. */
SP_MUST enum sp_status sp_catalog_add(struct sp_catalog *c, enum sp_component_kind kind, sp_jval *definition,
    struct sp_err *e);
/* Nothing more comes: sorts, indexes.  Of two with the same name the first stays; *dropped counts the others. */
SP_MUST enum sp_status sp_catalog_seal(struct sp_catalog *c, uint32_t *dropped);

/* The rest is for sealed ones.  Items of one kind, sorted by shown name. */
uint32_t sp_catalog_count(const struct sp_catalog *c, enum sp_component_kind kind);
const struct sp_item *sp_catalog_at(const struct sp_catalog *c, enum sp_component_kind kind, uint32_t i);
const struct sp_item *sp_catalog_find(const struct sp_catalog *c, enum sp_component_kind kind, sp_slice own_name);
const struct sp_item *sp_catalog_shown(const struct sp_catalog *c, enum sp_component_kind kind, sp_slice shown);
/* The first template that this URI can come from (RFC 6570, matched by its literal parts: an expression stands for a run
 * without '/', one with operator '+', '#' or '/' or modifier '*' for any run); NULL: none. */
const struct sp_item *sp_catalog_template(const struct sp_catalog *c, sp_slice uri);
/* Does a resource or template of it have this scheme? */
SP_MUST bool sp_catalog_has_scheme(const struct sp_catalog *c, sp_slice scheme);
/* Same items, same JSON? */
SP_MUST bool sp_catalog_same(const struct sp_catalog *a, const struct sp_catalog *b, enum sp_component_kind kind);

/* The shown name of a component of this server, into `buf`; and back: what follows the prefix of the server (all of it, if
 * the server is alone at its resource), or empty when the name is not of that server (a name that was cut cannot be taken back: look it up in the catalogue). */
sp_slice sp_shown_name(const struct sp_image *img, uint32_t server, sp_slice own_name, char buf[SP_SHOWN_MAX + 1]);
sp_slice sp_own_name(const struct sp_image *img, uint32_t server, sp_slice shown);

#endif

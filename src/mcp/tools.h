/*
 * tools/list: what this caller may see, sorted by shown name, in pages.  A cursor is the
 * last name listed with a keyed mark over it and the caller, so that a forged one, or one
 * of another caller, is refused; what follows it is filtered anew, so a cursor grants
 * nothing.
 */
#ifndef SP_MCP_TOOLS_H
#define SP_MCP_TOOLS_H

#include "base/hash.h"
#include "mcp/era.h"
#include "policy/decide.h"

enum { SP_PAGE_TOOLS = 200, SP_PAGE_BYTES = 262144, SP_CURSOR_MAX = 128 };

/* Index of the first tool after the cursor.  SP_E_BAD_PARAMS: not a cursor that we gave to
 * this caller. */
SP_MUST enum sp_status sp_cursor_read(const struct sp_image *img, const struct sp_hash_key *key,
    const struct sp_principal *who, sp_slice cursor, uint32_t *first, struct sp_err *e);
void sp_cursor_write(struct sp_out *o, const struct sp_hash_key *key, const struct sp_principal *who, sp_slice last);

/* The whole JSON-RPC answer of one page.  SP_E_BAD_PARAMS: the cursor; *o is then untouched. */
SP_MUST enum sp_status sp_mcp_tools_list(struct sp_out *o, const struct sp_image *img, const struct sp_hash_key *key,
    const struct sp_principal *who, const struct sp_mcp_ask *ask, sp_slice id, struct sp_err *e);

#endif

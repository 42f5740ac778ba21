/*
 * An upstream's answer on its way to whoever asked: cleared of what was injected, and as the result of a tool.  What
 * failed is told in fixed texts, which name no place and no value.
 */
#ifndef SP_OUTBOUND_ANSWER_H
#define SP_OUTBOUND_ANSWER_H

#include "openapi/result.h"
#include "outbound/pool.h"
#include "outbound/scrub.h"

/* *text without any secret: as it is, or written into `o`, which must be empty.  False: it could not be cleared, and
 * nothing of it may be shown.  A scrubber that is not there clears nothing. */
SP_MUST bool sp_answer_clear(const struct sp_scrub *s, sp_slice *text, struct sp_out *o);

enum sp_answered {
	SP_ANSWERED,			/* `o` has a CallToolResult */
	SP_ANSWERED_REDIRECT, SP_ANSWERED_DIRTY, SP_ANSWERED_TOO_BIG	/* it has nothing of use: sp_answered_text() */
};
/* `scrubbed`: room for a body that had to be cleared, empty.  *incident: a constant text when a secret had come back. */
SP_MUST enum sp_answered sp_answer_result(const struct sp_scrub *s, const struct sp_pool_answer *a, enum sp_op_result form,
    struct sp_out *scrubbed, struct sp_out *o, const char **incident);
sp_slice sp_answered_text(enum sp_answered how);

/* Why there is no answer; `sent`: a byte of the request may have arrived.  Not for SP_POOL_REFUSED: */
sp_slice sp_pool_fault_text(enum sp_pool_fault fault, bool sent);
/* what sp_inject() refused, by its status. */
sp_slice sp_inject_fault_text(enum sp_status st);
/* Arguments that cannot be bound, by the status of sp_schema_check() and sp_bind(); empty: a fault of our own. */
sp_slice sp_bind_fault_text(enum sp_status st, const struct sp_err *e);

#endif

/*
 * Requests to authorities (key sets, introspection) for src/auth/chain.h, in this process, on one loop.  https, or http to
 * this machine.  The host of a URL was written by the operator, so its address may be private; it is judged all the same
 * (metadata services and link-local never).  No redirect is followed, no connection serves two authorities, answers and
 * times are bounded, certificates are verified; the trust store is read when the first https request needs it.
 */
#ifndef SP_LIB_FETCH_H
#define SP_LIB_FETCH_H

#include "auth/chain.h"

#include <uv.h>

struct sp_lib_fetch;

/* Takes no part in keeping the loop alive but while a request runs.  SP_E_SYSTEM: no (locked) memory. */
SP_MUST enum sp_status sp_lib_fetch_new(uv_loop_t *loop, struct sp_lib_fetch **out, struct sp_err *e);
/* For sp_chain_new(); as long as the fetch itself. */
const struct sp_fetcher *sp_lib_fetcher(struct sp_lib_fetch *f);
/* After sp_chain_free(), on the loop's thread, not from inside `done`.  The loop needs a turn to let go of the handles. */
void sp_lib_fetch_free(struct sp_lib_fetch **f);

#endif

/*
 * The trusted response path: a secret that was sent upstream must not come back.  A scrubber knows some values and
 * removes each in thirteen forms (as is; base64 and base64url at each of three offsets; hex in both cases;
 * percent-encoded, minimal and full; JSON-escaped; HTML-escaped), also where an encoder mixes escaped and plain
 * bytes, across the borders of pieces.  Overlapping finds become one mark; no byte of any find is let through, and
 * the mark is chosen so that it cannot complete a new one.
 *
 * Limit, stated in the docs: an upstream that wants to can encode what it was given in ways nobody lists.
 *
 * Search: Wu-Manber over the first 8 to 24 bytes of each form; forms are compared by re-encoding the value on the fly,
 * so no encoded copy of it exists.  Values and tables live in locked memory.
 */
#ifndef SP_EGRESS_SCRUB_H
#define SP_EGRESS_SCRUB_H

#include "base/err.h"
#include "base/out.h"
#include "vault/secret.h"

struct sp_scrub;

enum { SP_SCRUB_MIN = 8, SP_SCRUB_VALUES = 1024 };

/* basic: the value is user:password, and the password alone is removed too when it is long enough. */
struct sp_scrub_value { const struct sp_secret *secret; bool basic; };

/* Copies the values.  n == 0 makes a scrubber that finds nothing.
 * SP_E_CONFIG: a value shorter than SP_SCRUB_MIN bytes (it would tear holes into every answer, and answers would tell
 * it byte by byte), or one of which no mark can be kept apart; SP_E_FULL: no locked memory, or too many values. */
SP_MUST enum sp_status sp_scrub_new(const struct sp_scrub_value *values, size_t n, struct sp_scrub **out,
    struct sp_err *e);
void sp_scrub_free(struct sp_scrub **s);		/* wipes; NULL-safe */

/* Is `text`, as a whole, free of every form?  False also when it could not be told within the budget. */
SP_MUST bool sp_scrub_clean(const struct sp_scrub *s, sp_slice text);

/* One text that comes in pieces; all-zero at the start. */
struct sp_scrub_state {
	struct sp_out held;		/* bytes that may begin a form */
	size_t	 pos, from;		/* in held: next place to look at, first byte not passed on */
	uint64_t seen, work;
	bool	 marked;		/* a mark was the last thing passed on */
	bool	 failed;
	uint32_t hits;			/* marks written */
};

/* Appends to `out` what is known to be clean; `last` ends the text.  SP_E_TOO_BIG: the text is built to make searching
 * slow, SP_E_FULL: `out` or memory is full.  After an error nothing of the text may be used. */
SP_MUST enum sp_status sp_scrub_run(const struct sp_scrub *s, struct sp_scrub_state *st, sp_slice in, bool last,
    struct sp_out *out);
void sp_scrub_state_free(struct sp_scrub_state *st);	/* wipes */

#endif

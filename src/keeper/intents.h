/*
 * Calls that were begun and of which no outcome is known yet.  When their process is gone, each gets a line that says
 * so: what reached the upstream never disappears from the log.
 */
#ifndef SP_KEEPER_INTENTS_H
#define SP_KEEPER_INTENTS_H

#include "audit/chain.h"
#include "ipc/codec.h"

/* Which ring: a role's place; incarnations follow each other in it. */
struct sp_seat { uint32_t role, index, generation; };

struct sp_intent {
	struct sp_intent *next;
	struct sp_seat seat;
	uint32_t incarnation;
	uint64_t until_us;		/* recovered from the log: cannot be alive after this; else 0 */
	struct sp_audit_record rec;
};

struct sp_intents {
	struct sp_intent *bucket[1024];
	struct sp_intent *dead, **dead_end;	/* waiting for their line, oldest first */
	uint32_t n, recovered;
	bool	 overflowed;
};

enum { SP_INTENTS_MAX = 65536 };

void sp_intents_init(struct sp_intents *t);
void sp_intents_wipe(struct sp_intents *t);
/* False: too many are open; this one will have no line if its process dies. */
bool sp_intents_open(struct sp_intents *t, const struct sp_seat *at, uint32_t incarnation, uint64_t until_us,
    const struct sp_audit_record *rec);
void sp_intents_close(struct sp_intents *t, const struct sp_seat *at, uint64_t call);
/* Those of this seat, but of another incarnation than `alive` (UINT32_MAX: of any), become dead. */
void sp_intents_kill(struct sp_intents *t, const struct sp_seat *at, uint32_t alive);
/* Recovered ones that cannot be alive any more become dead. */
void sp_intents_expire(struct sp_intents *t, uint64_t now_us);
/* The first n dead ones have their line. */
void sp_intents_bury(struct sp_intents *t, uint32_t n);
/* Reads lines of the log, oldest first: what remains open is recovered.  `call_us`: the longest that a call can take. */
void sp_intents_recover(struct sp_intents *t, sp_slice lines, uint64_t call_us);

#endif

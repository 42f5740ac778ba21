/*
 * The audit log's only writer while the gateway runs: empties every role's ring, numbers and chains what it finds, and
 * gives the slots back when the lines are in the file.  Killed between the two, it writes a line twice, never not at all.
 */
#ifndef SP_KEEPER_AUDIT_H
#define SP_KEEPER_AUDIT_H

#include "ipc/codec.h"
#include "os/shared.h"
#include "vault/store.h"

#include <uv.h>

struct sp_audit;

struct sp_audit_opts {
	uv_loop_t *loop;
	int	 state_dir;
	struct sp_page *page;		/* audit_full is set while nothing can be written */
	struct sp_store *store;		/* remembers how far the log was written */
	uint64_t call_ms;		/* the longest that a call can take */
	uint64_t rotate;		/* bytes of a file */
};

/* Opens the log, recovers, starts the timer.  After the jail: the sync runs on a thread. */
SP_MUST enum sp_status sp_audit_new(const struct sp_audit_opts *o, struct sp_audit **out, struct sp_err *e);
/* A role's ring; takes over fd.  Those of earlier incarnations in its place are dead. */
SP_MUST enum sp_status sp_audit_ring(struct sp_audit *a, const struct sp_m_peer *who, int fd, struct sp_err *e);
void sp_audit_gone(struct sp_audit *a, const struct sp_m_peer *who);
/* Takes what is there now; for a reader who wants the last lines. */
void sp_audit_drain(struct sp_audit *a);
void sp_audit_note(struct sp_audit *a, const char *kind, const char *text);
/* {"seq":…,"file":…,"hash":…,"full":…,"open":…} */
void sp_audit_health(const struct sp_audit *a, struct sp_out *o);
/* The last lines, a stop line, and all of it on disk.  Nothing may be asked of it afterwards but free. */
void sp_audit_stop(struct sp_audit *a);
void sp_audit_free(struct sp_audit **a);

#endif

/*
 * Starting the program of a command: reference and seeing to its end: no shell, its own session, standard output alone, a
 * clean environment, and nothing left of it afterwards (threat rows O04, O06).
 */
#ifndef SP_SPAWNER_RUN_H
#define SP_SPAWNER_RUN_H

#include "base/err.h"

#include <sys/types.h>

enum { SP_RUN_MS = 5000, SP_RUNS_MAX = 8 };

struct sp_run {
	uint32_t id;
	pid_t	 pid;			/* 0: none; it leads its session and process group */
	int	 pidfd;			/* readable when it has ended */
	uint64_t deadline_ms;
	bool	 late;			/* it was killed for that */
};

/* `argv`: the reference less "command:".  *out: the end to read its standard output from.  SP_E_CONFIG: no such program
 * (e->log names it, and nothing of what follows it); SP_E_SYSTEM. */
SP_MUST enum sp_status sp_run_start(sp_slice argv, uint64_t now_ms, struct sp_run *r, int *out, struct sp_err *e);
/* Once pidfd is readable: kills what is left of its group and frees the place.  SP_OK: it ended by itself, with status 0;
 * SP_E_UNAVAILABLE: e->log says how. */
SP_MUST enum sp_status sp_run_ended(struct sp_run *r, struct sp_err *e);
/* Kills its group.  It ends soon after, and is then reported as late. */
void sp_run_kill(struct sp_run *r);
/* Kills what ended runs have left behind: processes that made themselves independent and so became our children.
 * `runs`: those that still run are spared. */
void sp_run_sweep(const struct sp_run *runs, size_t n);
/* The programs that one of us starts may not outlive it, wherever they hide.  Once, at the start. */
void sp_run_adopt_orphans(void);

#endif

/*
 * Threads for handlers.  They are started when there is work and nobody to do it, up to a number, and stay; signals are left
 * to the threads of the program.  The queue is bounded.
 */
#ifndef SP_LIB_WORKERS_H
#define SP_LIB_WORKERS_H

#include "base/slice.h"

struct sp_workers;

/* At most `threads` of them, `queue` jobs that wait; NULL: no memory.  No thread is started yet. */
struct sp_workers *sp_workers_new(unsigned threads, unsigned queue);
/* job(arg) runs on one of them; from any thread.  False: no room, or they are being stopped. */
SP_MUST bool sp_workers_run(struct sp_workers *w, void (*job)(void *arg), void *arg);
/* Takes no more jobs, runs those that it has, waits for all threads.  Not from a worker. */
void sp_workers_stop(struct sp_workers *w);
void sp_workers_free(struct sp_workers **w);	/* stops them too; NULL-safe */

#endif

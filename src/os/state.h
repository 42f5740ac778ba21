/*
 * The state folder: where it is, who may have it, and the one lock that names the writer.  The gateway and every
 * command that changes something use these, so that they always mean the same folder.
 */
#ifndef SP_OS_STATE_H
#define SP_OS_STATE_H

#include "base/err.h"

#include <sys/types.h>

#define SP_STATE_LOCK "lock"
#define SP_STATE_CONTROL "control.sock"
#define SP_STATE_AUDIT "audit"
#define SP_STATE_RING "ring"

/* `configured` (head.state_path) if it is not empty, else the first of $STATE_DIRECTORY, else ~/.local/share/sallyport,
 * else (no home) /var/lib/sallyport. */
SP_MUST enum sp_status sp_state_path(sp_slice configured, char *buf, size_t cap, struct sp_err *e);
/* Opens it, made with mode 0700 (and what leads to it) when `create`.  SP_E_NOT_FOUND: it is not there and not to be
 * made.  SP_E_CONFIG: somebody else's, or others can write to it. */
SP_MUST enum sp_status sp_state_open_folder(const char *path, bool create, int *dir, struct sp_err *e);
/* The subfolders audit and ring.  As root also: folder and files go to keeper's user id, ring stays ours. */
SP_MUST enum sp_status sp_state_prepare(int dir, struct sp_err *e);
/* Takes the lock for as long as *fd is open.  SP_E_UNAVAILABLE: another process has it; *holder (may be NULL) is its id
 * or 0. */
SP_MUST enum sp_status sp_state_lock(int dir, int *fd, pid_t *holder, struct sp_err *e);

#endif

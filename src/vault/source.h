/*
 * Where a process that starts finds its secrets: a file that nobody else can read, or the environment, from which it is
 * taken away.  Pure of locked memory, so that whoever only hands secrets on can use it too.
 */
#ifndef SP_VAULT_SOURCE_H
#define SP_VAULT_SOURCE_H

#include "base/err.h"

#include <sys/types.h>

enum { SP_SOURCE_MAX = 16384, SP_SOURCE_PATH = 4096 };

/* A plain file of ours, root's or `also`'s, which group and others cannot read, of 1 to SP_SOURCE_MAX bytes and a line
 * break.  SP_E_CONFIG names the file and what is wrong. */
SP_MUST enum sp_status sp_source_open(const char *path, uid_t also, int *fd, struct sp_err *e);
/* Gives the value of a variable to `take` and then overwrites it where it stood and unsets it, taken or not.
 * SP_E_CONFIG: unset, empty or over SP_SOURCE_MAX; else what `take` says. */
SP_MUST enum sp_status sp_source_env(sp_slice name, enum sp_status (*take)(void *ctx, sp_slice value, struct sp_err *e),
    void *ctx, struct sp_err *e);

#endif

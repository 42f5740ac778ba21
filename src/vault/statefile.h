/*
 * Files of the state folder, always reached through the folder's descriptor: read whole after a check of what they
 * are, and replaced whole, so that a crash at any moment leaves the old bytes or the new ones.
 */
#ifndef SP_VAULT_STATEFILE_H
#define SP_VAULT_STATEFILE_H

#include "base/err.h"
#include "base/out.h"
#include "vault/secret.h"

/* A regular file, no link, not readable by group or others, owned by us, by root, or by the owner of `dir`.
 * SP_E_NOT_FOUND: there is none.  SP_E_CONFIG: it is something else, with the remedy in e->log. */
SP_MUST enum sp_status sp_state_open(int dir, const char *name, int *fd, size_t *size, struct sp_err *e);
/* Is the open file fit to hold a secret (a regular file, closed to group and others)?  `what` names it in e->log. */
SP_MUST enum sp_status sp_state_fit(int fd, const char *what, size_t *size, struct sp_err *e);
/* All of it, appended to `out`.  SP_E_TOO_BIG: over `max`. */
SP_MUST enum sp_status sp_state_read(int dir, const char *name, size_t max, struct sp_out *out, struct sp_err *e);
/* The same into locked memory (up to the secret's capacity). */
SP_MUST enum sp_status sp_state_read_secret(int dir, const char *name, struct sp_secret *out, struct sp_err *e);
/* Writes beside, syncs, renames, syncs the folder.  Mode 0600; belongs to the folder's owner. */
SP_MUST enum sp_status sp_state_replace(int dir, const char *name, sp_slice bytes, struct sp_err *e);
/* As root: gives the open file to the folder's owner, who is the one to use it later. */
void sp_state_own(int dir, int fd);

#endif

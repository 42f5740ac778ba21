/* Files of the user that a command changes: the old one is kept beside it, the new one takes its place at once. */
#ifndef SP_CLI_FILE_H
#define SP_CLI_FILE_H

#include "base/err.h"
#include "base/out.h"

enum { SP_BACKUPS_MAX = 99, SP_PATH_MAX = 4096 };

/* The file behind `path`, links followed; `real` has SP_PATH_MAX bytes. */
SP_MUST enum sp_status sp_file_real(const char *path, char *real, struct sp_err *e);
/* A copy as PATH.bak-N with the first N that is free, mode 0600; `bak` has SP_PATH_MAX + 16 bytes and gets its name. */
SP_MUST enum sp_status sp_file_backup(const char *real, char *bak, struct sp_err *e);
/* Writes beside, syncs, renames over it.  Mode and owner stay as they are; without an old file it is made with 0600. */
SP_MUST enum sp_status sp_file_replace(const char *real, sp_slice bytes, struct sp_err *e);
/* "FILE:LINE: + text" for each line of `fresh` that is not in `old`, of which nothing may be missing. */
void sp_file_added(struct sp_out *o, const char *name, sp_slice old, sp_slice fresh);

#endif

/*
 * Foreign bytes are read in a child that is jailed like loader: it can open files for reading, write what it found to one
 * pipe, and print on standard error; nothing else.
 */
#ifndef SP_CLI_JAILED_H
#define SP_CLI_JAILED_H

#include "base/err.h"
#include "base/out.h"

/* In the child; what it adds to `o` (at most `max` bytes of heap there) is what the caller gets.  Its result is the exit status. */
typedef int (*sp_jailed_fn)(void *ctx, struct sp_out *o);

/* Runs `work` and appends what it wrote to `o`.  Its exit status, or -1 when it could not run, was killed, or `o` is full. */
SP_MUST int sp_jailed(sp_jailed_fn work, void *ctx, size_t max, struct sp_out *o);

#endif

/* Completion scripts, from the same rows that the commands are read by. */
#ifndef SP_CLI_COMPLETION_H
#define SP_CLI_COMPLETION_H

#include "base/out.h"
#include "cli/options.h"

typedef void (*sp_completion_fn)(struct sp_out *o, const struct sp_command *const *commands, size_t n);
void sp_completion_bash(struct sp_out *o, const struct sp_command *const *commands, size_t n);
void sp_completion_zsh(struct sp_out *o, const struct sp_command *const *commands, size_t n);
void sp_completion_fish(struct sp_out *o, const struct sp_command *const *commands, size_t n);

#endif

/*
 * The commands of the program.  Each gets its own part of the line (argv[0] is the command's name) and returns
 * the exit status: 0 done, 1 it did not work or found errors, 2 it was called wrongly.
 */
#ifndef SP_CLI_CMD_H
#define SP_CLI_CMD_H

#include "cli/options.h"

extern const struct sp_command sp_cmd_quickstart, sp_cmd_init, sp_cmd_add, sp_cmd_serve, sp_cmd_check, sp_cmd_why, sp_cmd_tools,
    sp_cmd_vault, sp_cmd_token, sp_cmd_audit, sp_cmd_doctor, sp_cmd_completion, sp_cmd_version;

/* All of them in the order of --help; sp_commands_n of them. */
extern const struct sp_command *const sp_commands[];
extern const size_t sp_commands_n;

#endif

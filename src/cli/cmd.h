/*
 * The commands of the program.  Each gets its own part of the line (argv[0] is the command's name) and returns
 * the exit status: 0 done, 1 it did not work or found errors, 2 it was called wrongly.
 */
#ifndef SP_CLI_CMD_H
#define SP_CLI_CMD_H

int cmd_quickstart(int argc, char **argv);
int cmd_serve(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_why(int argc, char **argv);
int cmd_vault(int argc, char **argv);
int cmd_token(int argc, char **argv);
int cmd_audit(int argc, char **argv);
int cmd_tools(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_version(int argc, char **argv);

#endif

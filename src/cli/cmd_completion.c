/* sallyport completion: a script that makes the shell know all commands and options. */
#include "cli/cmd.h"
#include "cli/completion.h"

#include <stdio.h>

static const char help[] =
    "usage: sallyport completion bash | zsh | fish\n"
    "\n"
    "Prints a script for the shell that completes commands, operations, options and files.\n"
    "\n"
    "example:\n"
    "  source <(sallyport completion bash)\n";

static const char *const ops[] = { "bash", "zsh", "fish" };

static int
run(int argc, char **argv)
{
	static const sp_completion_fn write[SP_COUNT(ops)] = { sp_completion_bash, sp_completion_zsh, sp_completion_fish };
	struct sp_out o;
	const char *word;
	size_t n, op;
	bool good;
	int status = sp_opts_read(&sp_cmd_completion, argc, argv, NULL, &word, &n);

	if (status != SP_OPTS_GO)
		return status;
	op = sp_operation(&sp_cmd_completion, word);
	if (op == SP_COUNT(ops))
		return 2;
	sp_out_heap(&o, 1 << 20);
	write[op](&o, sp_commands, sp_commands_n);
	good = !o.full && fwrite(o.p, 1, o.n, stdout) == o.n && fflush(stdout) == 0;
	sp_out_free(&o);
	return good ? 0 : 1;
}

const struct sp_command sp_cmd_completion = { .name = "completion", .run = run, .text = "print a completion script for the shell",
	.help = help, SP_OPS(ops), .min = 1, .max = 1 };

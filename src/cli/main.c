/* sallyport: one word, one command. */
#include "cli/cmd.h"

#include <stdio.h>

const struct sp_command *const sp_commands[] = {
	&sp_cmd_quickstart, &sp_cmd_init, &sp_cmd_add, &sp_cmd_serve, &sp_cmd_check, &sp_cmd_why, &sp_cmd_tools,
	&sp_cmd_vault, &sp_cmd_token, &sp_cmd_audit, &sp_cmd_doctor, &sp_cmd_completion, &sp_cmd_version,
};
const size_t sp_commands_n = SP_COUNT(sp_commands);

static void
print_help(FILE *to)
{
	fputs("usage: sallyport COMMAND [WORDS]\n\n"
	    "The guarded passage for MCP servers: who may call which tool, and which credential that call needs.\n\n", to);
	for (size_t i = 0; i < sp_commands_n; i++)
		fprintf(to, "  %-11s %s\n", sp_commands[i]->name, sp_commands[i]->text);
	fputs("\n`sallyport COMMAND --help` says more, with an example.\n", to);
}

static int
version(int argc, char **argv)
{
	const char *word;
	size_t n;
	int status = sp_opts_read(&sp_cmd_version, argc, argv, NULL, &word, &n);

	if (status != SP_OPTS_GO)
		return status;
	printf("sallyport %s\n", SP_VERSION);
	return 0;
}

const struct sp_command sp_cmd_version = { .name = "version", .run = version, .text = "print the version",
	.help = "usage: sallyport version\n\nPrints the version.\n\nexample:\n  sallyport version\n" };

static int
unknown(const char *word)
{
	const char *names[SP_COUNT(sp_commands)], *near;

	for (size_t i = 0; i < SP_COUNT(sp_commands); i++)
		names[i] = sp_commands[i]->name;
	near = sp_nearest(sp_str(word), names, SP_COUNT(names));
	fprintf(stderr, "sallyport: there is no command `%.32s`", word);
	if (near != NULL)
		fprintf(stderr, ". Did you mean `%s`?\n", near);
	else
		fprintf(stderr, ". `sallyport --help` lists them\n");
	return 2;
}

int
main(int argc, char **argv)
{
	sp_slice word = sp_str(argc > 1 ? argv[1] : "--help");

	if (sp_eq(word, SP_LIT("--version")))
		return version(1, argv);
	if (sp_eq(word, SP_LIT("--help")) || sp_eq(word, SP_LIT("-h")) || sp_eq(word, SP_LIT("help"))) {
		print_help(argc > 1 ? stdout : stderr);
		return argc > 1 ? 0 : 2;
	}
	for (size_t i = 0; i < sp_commands_n; i++)
		if (sp_eq(word, sp_str(sp_commands[i]->name)))
			return sp_commands[i]->run(argc - 1, argv + 1);
	return unknown(argv[1]);
}

/* sallyport: one word, one command. */
#include "cli/cmd.h"
#include "cli/options.h"

#include <stdio.h>

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *text;
} commands[] = {
	{ "quickstart", cmd_quickstart, "a first gateway, running, from nothing" },
	{ "serve", cmd_serve, "run the gateway" },
	{ "check", cmd_check, "read the configuration and say what is wrong" },
	{ "why", cmd_why, "explain a decision: who may call what, and which rule says so" },
	{ "tools", cmd_tools, "list the tools of a configuration" },
	{ "vault", cmd_vault, "keep secrets: init, set, list, rm, rekey" },
	{ "token", cmd_token, "static tokens: new, list, revoke" },
	{ "audit", cmd_audit, "the audit log: verify, tail" },
	{ "doctor", cmd_doctor, "say what this machine lacks" },
	{ "version", cmd_version, "print the version" },
};

static void
print_help(FILE *to)
{
	fputs("usage: sallyport COMMAND [WORDS]\n\n"
	    "The guarded passage for MCP servers: who may call which tool, and which credential that call needs.\n\n", to);
	for (size_t i = 0; i < SP_COUNT(commands); i++)
		fprintf(to, "  %-11s %s\n", commands[i].name, commands[i].text);
	fputs("\n`sallyport COMMAND --help` says more, with an example.\n", to);
}

int
cmd_version(int argc, char **argv)
{
	bool wants_help = false;
	const struct sp_opt opts[] = { { "help", 'h', SP_OPT_FLAG, &wants_help, 0 } };
	const char *word;
	size_t n;

	if (!sp_opts_read("version", argc, argv, opts, SP_COUNT(opts), &word, 1, &n) || n != 0)
		return 2;
	if (wants_help)
		printf("usage: sallyport version\n\nPrints the version.\n\nexample:\n  sallyport version\n");
	else
		printf("sallyport %s\n", SP_VERSION);
	return 0;
}

static int
unknown(const char *word)
{
	const char *names[SP_COUNT(commands)], *near;

	for (size_t i = 0; i < SP_COUNT(commands); i++)
		names[i] = commands[i].name;
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
		return cmd_version(1, argv);
	if (sp_eq(word, SP_LIT("--help")) || sp_eq(word, SP_LIT("-h")) || sp_eq(word, SP_LIT("help"))) {
		print_help(argc > 1 ? stdout : stderr);
		return argc > 1 ? 0 : 2;
	}
	for (size_t i = 0; i < SP_COUNT(commands); i++)
		if (sp_eq(word, sp_str(commands[i].name)))
			return commands[i].run(argc - 1, argv + 1);
	return unknown(argv[1]);
}

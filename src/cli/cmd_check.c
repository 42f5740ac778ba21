/* sallyport check [FILE] [--full] [--table]: no network, no secret opened, all findings at once. */
#include "cli/cmd.h"
#include "cli/checked.h"

#include "config/config.h"

#include <unistd.h>

static const char help[] =
    "usage: sallyport check [FILE] [--full] [--table]\n"
    "       sallyport check --schema\n"
    "\n"
    "Reads the configuration (sallyport.yaml) and all it names, and prints everything that is wrong or dangerous at\n"
    "once.  No network is used and no secret is opened.  Exit status 1 when there is an error; `serve` refuses the same.\n"
    "\n"
    "  -c, --config FILE    the same as FILE\n"
    "  --full               also print all values in effect, defaults included\n"
    "  --table              also print tools x sources: a allow, c a check decides, ? ask, s short of a scope, . closed\n"
    "  --schema             print the JSON Schema of the configuration instead, for editors\n"
    "\n"
    "example:\n"
    "  sallyport check sallyport.yaml --table\n";

struct check_args { const char *config; bool full, table, schema; };
static const struct sp_opt opts[] = {
	SP_OPT_TEXT("config", 'c', struct check_args, config, "FILE"), SP_OPT_FLAG("full", 0, struct check_args, full),
	SP_OPT_FLAG("table", 0, struct check_args, table), SP_OPT_FLAG("schema", 0, struct check_args, schema),
};

static int
print_schema(void)
{
	struct sp_out o;
	bool good;

	sp_out_heap(&o, 1 << 20);
	sp_config_json_schema(&o);
	good = sp_checked_print(STDOUT_FILENO, &o);
	sp_out_free(&o);
	return good ? 0 : 1;
}

static int
run(int argc, char **argv)
{
	struct check_args a = { .config = SP_CONFIG_DEFAULT };
	struct sp_imgb b;
	struct sp_image img;
	struct sp_out o;
	const char *file;
	bool good;
	size_t n;
	int status = sp_opts_read(&sp_cmd_check, argc, argv, &a, &file, &n);

	if (status != SP_OPTS_GO)
		return status;
	if (a.schema)
		return print_schema();
	if (sp_checked_open(n == 1 ? file : a.config, true, &b, &img) != SP_OK)
		return 1;
	sp_out_heap(&o, 64 << 20);
	if (a.full)
		sp_config_full(&o, &img);
	if (a.table)
		sp_config_table(&o, &img);
	sp_config_summary(&o, &img);
	good = sp_checked_print(STDOUT_FILENO, &o);
	sp_out_free(&o);
	sp_imgb_free(&b);
	return good ? 0 : 1;
}

const struct sp_command sp_cmd_check = { .name = "check", .run = run, .text = "read the configuration and say what is wrong",
	.help = help, SP_OPTS(opts), .max = 1, .word = "FILE" };

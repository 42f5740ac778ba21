/* sallyport check [FILE] [--full] [--table]: no network, no secret opened, all findings at once. */
#include "cli/cmd.h"
#include "cli/checked.h"

#include "config/config.h"

#include <unistd.h>

static const char help[] =
    "usage: sallyport check [FILE] [--full] [--table]\n"
    "\n"
    "Reads the configuration (sallyport.yaml) and all it names, and prints everything that is wrong or dangerous at\n"
    "once.  No network is used and no secret is opened.  Exit status 1 when there is an error; `serve` refuses the same.\n"
    "\n"
    "  --full     also print all values in effect, defaults included\n"
    "  --table    also print tools x sources: a allow, ? ask, s short of a scope, . closed\n"
    "\n"
    "example:\n"
    "  sallyport check sallyport.yaml --table\n";

struct options { const char *file; bool full, table, help; };

static bool
read_options(int argc, char **argv, struct options *o)
{
	for (int i = 1; i < argc; i++) {
		sp_slice a = sp_str(argv[i]);

		if (sp_eq(a, SP_LIT("--full")))
			o->full = true;
		else if (sp_eq(a, SP_LIT("--table")))
			o->table = true;
		else if (sp_eq(a, SP_LIT("--help")) || sp_eq(a, SP_LIT("-h")))
			o->help = true;
		else if ((sp_eq(a, SP_LIT("-c")) || sp_eq(a, SP_LIT("--config"))) && i + 1 < argc && o->file == NULL)
			o->file = argv[++i];
		else if (o->file == NULL && a.n != 0 && a.p[0] != '-')
			o->file = argv[i];
		else
			return false;
	}
	return true;
}

int
cmd_check(int argc, char **argv)
{
	struct options opt = { 0 };
	struct sp_imgb b;
	struct sp_image img;
	struct sp_out o;
	bool good;

	if (!read_options(argc, argv, &opt) || opt.help) {
		o = (struct sp_out){ .p = (char *)(uintptr_t)help, .n = sizeof help - 1 };
		good = sp_checked_print(opt.help ? STDOUT_FILENO : STDERR_FILENO, &o);
		return opt.help && good ? 0 : 2;
	}
	if (sp_checked_open(opt.file == NULL ? SP_CONFIG_DEFAULT : opt.file, true, &b, &img) != SP_OK)
		return 1;
	sp_out_heap(&o, 64 << 20);
	if (opt.full)
		sp_config_full(&o, &img);
	if (opt.table)
		sp_config_table(&o, &img);
	sp_config_summary(&o, &img);
	good = sp_checked_print(STDOUT_FILENO, &o);
	sp_out_free(&o);
	sp_imgb_free(&b);
	return good ? 0 : 1;
}

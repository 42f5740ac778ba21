/* sallyport serve: the gateway. */
#include "cli/cmd.h"
#include "cli/checked.h"
#include "cli/options.h"

#include "super/super.h"

#include <stdio.h>

static const char help[] =
    "usage: sallyport serve [-c FILE] [--fronts N] [--quiet | --debug]\n"
    "\n"
    "Runs the gateway until SIGTERM or SIGINT, which let running calls finish.  SIGHUP reads the configuration anew; a bad one\n"
    "is refused and the old one goes on.  Logs go to standard error, one JSON object a line.\n"
    "\n"
    "  -c, --config FILE    the configuration (sallyport.yaml)\n"
    "  --fronts N           processes that take connections (one per processor)\n"
    "  --quiet              log warnings and errors only; --debug: everything\n"
    "\n"
    "example:\n"
    "  sallyport serve -c sallyport.yaml\n";

enum { FRONTS_MAX = 64 };

int
cmd_serve(int argc, char **argv)
{
	struct sp_super_opts so = { .config = SP_CONFIG_DEFAULT, .log_level = SP_INFO };
	uint64_t fronts = 0;
	bool quiet = false, debug = false, wants_help = false;
	const struct sp_opt opts[] = {
		{ "config", 'c', SP_OPT_TEXT, &so.config, 0 }, { "fronts", 0, SP_OPT_NUMBER, &fronts, FRONTS_MAX },
		{ "quiet", 'q', SP_OPT_FLAG, &quiet, 0 }, { "debug", 0, SP_OPT_FLAG, &debug, 0 },
		{ "help", 'h', SP_OPT_FLAG, &wants_help, 0 },
	};
	const char *word;
	size_t n;

	if (!sp_opts_read("serve", argc, argv, opts, SP_COUNT(opts), &word, 1, &n))
		return 2;
	if (wants_help || n > 1 || (quiet && debug)) {
		fputs(help, wants_help ? stdout : stderr);
		return wants_help ? 0 : 2;
	}
	if (n == 1)
		so.config = word;
	so.fronts = (unsigned)fronts;
	so.log_level = quiet ? SP_WARN : debug ? SP_DEBUG : SP_INFO;
	return sp_super_main(&so);
}

/* sallyport serve: the gateway. */
#include "cli/cmd.h"
#include "cli/checked.h"
#include "cli/options.h"

#include "super/super.h"

#include <stdio.h>

static const char help[] =
    "usage: sallyport serve [-c FILE] [--fronts N] [--metrics WHERE] [--quiet | --debug]\n"
    "\n"
    "Runs the gateway until SIGTERM or SIGINT, which let running calls finish.  SIGHUP reads the configuration anew; a bad one\n"
    "is refused and the old one goes on.  Logs go to standard error, one JSON object a line.\n"
    "\n"
    "  -c, --config FILE    the configuration (sallyport.yaml)\n"
    "  --fronts N           processes that take connections (one per processor)\n"
    "  --metrics WHERE      serve /metrics (Prometheus) and /healthz there too: PORT of 127.0.0.1, ADDRESS:PORT, unix:PATH\n"
    "  --quiet              log warnings and errors only; --debug: everything\n"
    "\n"
    "example:\n"
    "  sallyport serve -c sallyport.yaml\n";

enum { FRONTS_MAX = 64 };

struct serve_args { struct sp_super_opts so; uint64_t fronts; bool quiet, debug; };
static const struct sp_opt opts[] = {
	SP_OPT_TEXT("config", 'c', struct serve_args, so.config, "FILE"), SP_OPT_NUMBER("fronts", 0, struct serve_args, fronts, FRONTS_MAX),
	SP_OPT_TEXT("metrics", 0, struct serve_args, so.metrics, "WHERE"), SP_OPT_FLAG("quiet", 'q', struct serve_args, quiet), SP_OPT_FLAG("debug", 0, struct serve_args, debug),
};

static int
run(int argc, char **argv)
{
	struct serve_args a = { .so = { .config = SP_CONFIG_DEFAULT, .log_level = SP_INFO } };
	const char *word;
	size_t n;
	int status = sp_opts_read(&sp_cmd_serve, argc, argv, &a, &word, &n);

	if (status != SP_OPTS_GO)
		return status;
	if (a.quiet && a.debug) {
		fprintf(stderr, "sallyport serve: --quiet and --debug exclude each other\n");
		return 2;
	}
	if (n == 1)
		a.so.config = word;
	a.so.fronts = (unsigned)a.fronts;
	a.so.log_level = a.quiet ? SP_WARN : a.debug ? SP_DEBUG : SP_INFO;
	return sp_super_main(&a.so);
}

const struct sp_command sp_cmd_serve = { .name = "serve", .run = run, .text = "run the gateway", .help = help, SP_OPTS(opts), .max = 1,
	.word = "FILE" };

/*
 * The one process that parses configuration and OpenAPI documents: jailed first, holding nothing, gone when done.
 *   sallyport-loader CONFIG GENERATION
 * Findings go to standard error, the image to descriptor 4.  Exit status 0: the image is whole; 1: there were errors.
 */
#include "base/fd.h"
#include "base/log.h"
#include "config/config.h"
#include "crypto/crypto.h"
#include "os/role.h"

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

enum { IMAGE_FD = 4, CPU_SECONDS = 60 };

static void
say(const char *what, const char *why)
{
	char buf[500];
	struct sp_out o;

	sp_out_init(&o, buf, sizeof buf);
	sp_out_fmt(&o, "sallyport-loader: %s: %s\n", what, why);
	(void)!sp_write_all(STDERR_FILENO, sp_out_view(&o));
}

/* What the file asks for under `isolation` is not known yet: here every layer that there is counts, and the roles that
 * follow refuse to start without those the file wants. */
static enum sp_status
enter_jail(struct sp_err *e)
{
	const struct sp_jail jail = {
		.role = SP_LOADER, .isolation = SP_ISOLATION_AVAILABLE, .state_dir = -1, .read_paths = true,
	};
	const struct rlimit cpu = { CPU_SECONDS, CPU_SECONDS };

	if (setrlimit(RLIMIT_CPU, &cpu) == -1)
		return sp_fail(e, SP_E_SYSTEM, NULL, "setrlimit: %m");
	return sp_jail_enter(&jail, e);
}

static int
run(sp_slice path, uint32_t generation)
{
	struct sp_config_opts opts = { .generation = generation, .uid = geteuid() };
	struct sp_findings found;
	struct sp_imgb image;
	struct sp_out text;
	bool good;

	sp_findings_init(&found, path);
	good = sp_config_load(path, &opts, &found, &image) == SP_OK;
	sp_out_heap(&text, 1 << 20);
	sp_findings_write(&text, &found);
	(void)!sp_write_all(STDERR_FILENO, sp_out_view(&text));
	if (good && !sp_write_all(IMAGE_FD, sp_out_view(&image.o))) {
		say("descriptor 4", "the image cannot be written");
		good = false;
	}
	sp_imgb_free(&image);
	sp_out_free(&text);
	sp_findings_free(&found);
	return good ? 0 : 1;
}

int
main(int argc, char **argv)
{
	struct sp_err e = { 0 };
	uint64_t generation;
	sp_slice number;

	sp_log_init("loader", SP_WARN);
	if (argc != 3) {
		say("usage", "sallyport-loader CONFIG GENERATION");
		return 2;
	}
	number = sp_str(argv[2]);
	if (!sp_take_u64(&number, UINT32_MAX, &generation) || number.n != 0) {
		say("usage", "GENERATION is a number");
		return 2;
	}
	if (sp_crypto_init(&e) != SP_OK || enter_jail(&e) != SP_OK) {
		say("cannot start", e.log);
		return 1;
	}
	/* Nothing is buffered; exit handlers of libraries have no business in the jail. */
	_exit(run(sp_str(argv[1]), (uint32_t)generation));
}

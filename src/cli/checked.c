#include "cli/checked.h"

#include "base/fd.h"
#include "config/config.h"
#include "crypto/crypto.h"
#include "os/role.h"

#include <unistd.h>

bool
sp_checked_print(int fd, const struct sp_out *o)
{
	return sp_write_all(fd, sp_out_view(o)) && !o->full;
}

void
sp_checked_say(const char *command, const char *text)
{
	char buf[700];
	struct sp_out o;

	sp_out_init(&o, buf, sizeof buf);
	sp_out_fmt(&o, "sallyport %s: %s\n", command, text);
	(void)!sp_checked_print(STDERR_FILENO, &o);
}

static void
print_findings(struct sp_findings *f)
{
	struct sp_out o;

	sp_out_heap(&o, 1 << 20);
	sp_findings_write(&o, f);
	(void)!sp_checked_print(STDERR_FILENO, &o);
	sp_out_free(&o);
}

enum sp_status
sp_checked_open(const char *path, bool warnings, struct sp_imgb *b, struct sp_image *img)
{
	const struct sp_jail jail = {
		.role = SP_LOADER, .isolation = SP_ISOLATION_AVAILABLE, .state_dir = -1, .read_paths = true,
	};
	const struct sp_config_opts opts = { .uid = geteuid() };
	struct sp_findings found;
	struct sp_err e = { 0 };
	enum sp_status st;

	if (sp_crypto_init(&e) != SP_OK || sp_jail_enter(&jail, &e) != SP_OK) {
		sp_checked_say("check", e.log);
		return e.code;
	}
	sp_findings_init(&found, sp_str(path));
	st = sp_config_load(sp_str(path), &opts, &found, b);
	if (warnings || st != SP_OK)
		print_findings(&found);
	sp_findings_free(&found);
	if (st != SP_OK)
		return st;
	st = sp_image_check(b->o.p, b->o.n, img, &e);
	if (st != SP_OK) {
		sp_checked_say("check", e.log);
		sp_imgb_free(b);
	}
	return st;
}

struct given { const char *path; sp_slice text; };

static enum sp_status
read_given(void *ctx, sp_slice path, size_t max, struct sp_out *out, struct sp_err *e)
{
	const struct given *g = ctx;

	if (!sp_eq(path, sp_str(g->path)))
		return sp_config_read_file(NULL, path, max, out, e);
	if (g->text.n > max)
		return sp_fail(e, SP_E_CONFIG, NULL, "larger than %zu bytes", max);
	sp_out_slice(out, g->text);
	return SP_OK;
}

enum sp_status
sp_checked_text(const char *path, sp_slice text)
{
	struct given g = { path, text };
	const struct sp_config_opts opts = { .read = read_given, .ctx = &g };
	struct sp_findings found;
	struct sp_imgb b;
	enum sp_status st;

	sp_findings_init(&found, sp_str(path));
	st = sp_config_load(sp_str(path), &opts, &found, &b);
	print_findings(&found);
	sp_findings_free(&found);
	if (st == SP_OK)
		sp_imgb_free(&b);
	return st;
}

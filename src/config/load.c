#include "config/value.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MODEL_BYTES = 1 << 30, IMAGE_BYTES = 512 << 20 };

static enum sp_status
read_open(int fd, size_t max, struct sp_out *out, struct sp_err *e)
{
	struct stat st;

	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode))
		return sp_fail(e, SP_E_CONFIG, NULL, "not a regular file");
	for (;;) {
		char buf[16384];
		ssize_t n = read(fd, buf, sizeof buf);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return sp_fail(e, SP_E_CONFIG, NULL, "%m");
		if (n == 0)
			return SP_OK;
		if ((size_t)n > max - out->n)
			return sp_fail(e, SP_E_CONFIG, NULL, "larger than %zu bytes", max);
		sp_out_add(out, buf, (size_t)n);
		if (out->full)
			return sp_fail(e, SP_E_CONFIG, NULL, "out of memory");
	}
}

/* O_NONBLOCK: a FIFO in the way must not hold us up before it is refused. */
enum sp_status
sp_config_read_file(void *ctx, sp_slice path, size_t max, struct sp_out *out, struct sp_err *e)
{
	enum sp_status st;
	char name[4097];
	int fd;

	if (!sp_cstr(path, name, sizeof name))
		return sp_fail(e, SP_E_CONFIG, NULL, "not a usable path");
	fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd == -1)
		return sp_fail(e, SP_E_CONFIG, NULL, "%m");
	st = read_open(fd, max, out, e);
	close(fd);
	return st;
}

static bool
is_program(void *ctx, sp_slice path)
{
	struct stat st;
	char name[4097];

	return sp_cstr(path, name, sizeof name) && stat(name, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 0111) != 0;
}

static sp_slice
folder_of(sp_slice path)
{
	size_t n = path.n;

	while (n != 0 && path.p[n - 1] != '/')
		n--;
	return sp_sub(path, 0, n);
}

static void
examine(struct cfg *c, const struct node *root)
{
	sp_cfg_read_top(c, root);
	sp_cfg_collect_names(c);
	sp_cfg_check_sources(c);
	sp_cfg_load_keys(c);
	sp_cfg_make_authorities(c);
	sp_cfg_load_accounts(c);
	sp_cfg_make_resources(c);
	sp_cfg_load_documents(c);
	sp_cfg_make_tools(c);
	sp_cfg_find_parts(c);
	sp_cfg_match_rules(c);
	sp_cfg_check_rules(c);
	sp_cfg_check_servers(c);
	sp_cfg_check_checks(c);
	if (c->mem.full)
		sp_findings_add(c->f, false, 0, 0, "the file and its documents need more than 1 GB of memory");
}

static enum sp_status
compile(struct cfg *c, struct sp_imgb *out)
{
	struct sp_err e = { 0 };

	sp_imgb_init(out, IMAGE_BYTES);
	if (sp_cfg_compile(c, out, &e) == SP_OK)
		return SP_OK;
	sp_findings_add(c->f, false, 0, 0, "%s", e.log);
	sp_imgb_free(out);
	return SP_E_CONFIG;
}

static enum sp_status
load(struct cfg *c, sp_slice path, struct sp_imgb *out)
{
	struct sp_err e = { 0 };
	struct sp_out text;
	struct node *root = NULL;

	sp_out_heap(&text, SP_YAML_BYTES + 1);
	if (c->opts->read(c->opts->ctx, path, SP_YAML_BYTES, &text, &e) != SP_OK)
		sp_findings_add(c->f, false, 0, 0, "cannot be read: %s", e.log);
	else
		root = sp_yaml_read(&c->mem, sp_out_view(&text), c->f);
	sp_out_free(&text);
	if (root != NULL)
		examine(c, root);
	return root == NULL || c->f->errors != 0 ? SP_E_CONFIG : compile(c, out);
}

enum sp_status
sp_config_load(sp_slice path, const struct sp_config_opts *opts, struct sp_findings *f, struct sp_imgb *out)
{
	struct sp_config_opts o = *opts;
	struct cfg *c = calloc(1, sizeof *c);
	enum sp_status st;

	memset(out, 0, sizeof *out);
	if (c == NULL) {
		sp_findings_add(f, false, 0, 0, "out of memory");
		return SP_E_CONFIG;
	}
	if (o.read == NULL)
		o.read = sp_config_read_file;
	if (o.runs == NULL)
		o.runs = is_program;
	if (o.plugin == NULL)
		o.plugin = sp_config_judge_plugin;
	c->f = f;
	c->opts = &o;
	c->dir = folder_of(path);
	sp_arena_init(&c->mem, MODEL_BYTES);
	st = load(c, path, out);
	sp_arena_free(&c->mem);
	free(c);
	return st;
}

/*
 * Any bytes as the configuration of a client: what is made of them is YAML of our form, shows no control characters to a
 * terminal, and a file that was written anew reads again, with the same servers left that were not moved.
 */
#include "cli/import_plan.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
must(bool ok)
{
	if (!ok)
		abort();
}

static size_t
left(const struct sp_import *found)
{
	size_t n = 0;

	for (size_t i = 0; i < found->n; i++)
		n += found->list[i].kind != SP_IMPORT_HTTP && !sp_eq(found->list[i].called, SP_LIT("sallyport"));
	return n;
}

static void
look_at_texts(const struct sp_plan *p)
{
	struct sp_out yaml, report, keys;

	sp_out_heap(&yaml, 1 << 20);
	sp_out_heap(&report, 1 << 20);
	sp_out_heap(&keys, 1 << 22);
	(void)!sp_plan_yaml(&yaml, p, SP_LIT(""), SP_LIT(""));
	sp_plan_report(&report, p, 0);
	sp_plan_keys(&keys, p);
	for (size_t i = 0; i < report.n; i++)
		must(!sp_is_ctl((unsigned char)report.p[i]) || report.p[i] == '\n');
	for (size_t i = 0; i < yaml.n; i++)
		must(!sp_is_ctl((unsigned char)yaml.p[i]) || yaml.p[i] == '\n');
	sp_out_free(&yaml);
	sp_out_free(&report);
	sp_out_free(&keys);
}

static void
look_at_rewrite(struct sp_arena *mem, sp_jval *root, const struct sp_import_client *c, const struct sp_import *was, struct sp_plan *p)
{
	static struct sp_import again;
	struct sp_out o;
	struct sp_err e;
	sp_jval *fresh;

	sp_out_heap(&o, 1 << 24);
	sp_import_rewrite(&o, root, c, "http://127.0.0.1:8420/mcp", sp_plan_moved, p);
	memset(&again, 0, sizeof again);
	if (!o.full) {
		must(sp_import_read(mem, sp_out_view(&o), c, 0, &again, &fresh, &e) == SP_OK);
		must(was->dropped != 0 || left(&again) == left(was));
	}
	sp_out_free(&o);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct sp_import found;
	static struct sp_plan plan;
	const struct sp_import_client *c = &sp_import_clients[n == 0 ? 0 : data[0] % sp_import_clients_n];
	struct sp_arena mem;
	struct sp_out plain;
	struct sp_err e = { 0 };
	sp_jval *root;

	sp_arena_init(&mem, 1 << 26);
	sp_out_heap(&plain, 1 << 21);
	memset(&found, 0, sizeof found);
	(void)sp_import_plain(&plain, n == 0 ? SP_LIT("") : sp_mem(data + 1, n - 1));
	must(n == 0 || plain.full || plain.n == n - 1);
	if (sp_import_read(&mem, sp_out_view(&plain), c, 0, &found, &root, &e) == SP_OK) {
		sp_plan_make(&found, SP_LIT("w\nw-2\n"), &plan);
		look_at_texts(&plan);
		look_at_rewrite(&mem, root, c, &found, &plan);
	} else {
		must(e.log[0] != '\0');
	}
	sp_out_free(&plain);
	sp_arena_free(&mem);
	return 0;
}

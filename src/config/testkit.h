/* For tests: configurations from memory. */
#ifndef SP_CONFIG_TESTKIT_H
#define SP_CONFIG_TESTKIT_H

#include "config/config.h"
#include "crypto/crypto.h"

#include <stdio.h>
#include <stdlib.h>

struct kit_file { const char *name, *text; };

#define KIT_JWK "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"1\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}"
#define KIT_OP(method, name, more) "\"/" name "\":{\"" method "\":{\"operationId\":\"" name "\"," more "\"responses\":{}}}"
#define KIT_DOC(paths) "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"t\",\"version\":\"1\"},\"paths\":{" paths "}}"

/* ctx: an array of files, ended by one without a name. */
static inline enum sp_status
kit_read(void *ctx, sp_slice path, size_t max, struct sp_out *out, struct sp_err *e)
{
	for (const struct kit_file *f = ctx; f->name != NULL; f++)
		if (sp_eq(sp_str(f->name), path)) {
			if (strlen(f->text) > max)
				return sp_fail(e, SP_E_CONFIG, NULL, "larger than %zu bytes", max);
			sp_out_str(out, f->text);
			return SP_OK;
		}
	return sp_fail(e, SP_E_CONFIG, NULL, "No such file or directory");
}

/* Programs that there are: those that files names. */
static inline bool
kit_runs(void *ctx, sp_slice path)
{
	for (const struct kit_file *f = ctx; f->name != NULL; f++)
		if (sp_eq(sp_str(f->name), path))
			return true;
	return false;
}

/* Loads files[0]; on success *img lives in *b. */
static inline enum sp_status
kit_load(const struct kit_file *files, struct sp_config_opts opts, struct sp_findings *f, struct sp_imgb *b,
    struct sp_image *img)
{
	struct sp_err e = { 0 };
	enum sp_status st;

	if (sp_crypto_init(&e) != SP_OK)
		abort();
	opts.read = kit_read;
	opts.runs = kit_runs;
	opts.ctx = (void *)(uintptr_t)files;
	sp_findings_init(f, sp_str(files[0].name));
	st = sp_config_load(sp_str(files[0].name), &opts, f, b);
	if (st == SP_OK && sp_image_check(b->o.p, b->o.n, img, &e) != SP_OK) {
		fprintf(stderr, "image: %s\n", e.log);
		abort();
	}
	return st;
}

static inline void
kit_show(struct sp_findings *f)
{
	struct sp_out o;

	sp_out_heap(&o, 1 << 20);
	sp_findings_write(&o, f);
	fprintf(stderr, "%.*s", (int)o.n, o.p);
	sp_out_free(&o);
}

#endif

/*
 * For tests/policy/differential.py: reads sets of {yaml, files} and calls, one JSON object a line, an empty line between
 * sets; prints "ok LINES…" (of rules found pointless) or "error", then "OUTCOME listed|unlisted SCOPES" for each call.
 */
#include "config/config.h"
#include "crypto/crypto.h"
#include "oauth/verifier.h"
#include "policy/decide.h"

#include <stdio.h>
#include <stdlib.h>

static const char jwks[] = "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"1\","
    "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}";

static enum sp_status
read_given(void *ctx, sp_slice path, size_t max, struct sp_out *out, struct sp_err *e)
{
	const struct sp_json *j = ctx;
	sp_slice text = sp_eq(path, SP_LIT("x.yaml")) ? sp_jtext(SP_JGET(j->root, "yaml")) :
	    sp_eq(path, SP_LIT("jwks.json")) ? sp_str(jwks) : sp_jtext(sp_jget(SP_JGET(j->root, "files"), path));

	if (text.p == NULL)
		return sp_fail(e, SP_E_CONFIG, NULL, "no such file");
	sp_out_slice(out, text);
	return SP_OK;
}

static bool
load(sp_slice line, struct sp_imgb *b, struct sp_image *img)
{
	struct sp_config_opts opts = { .accept_ask = true, .accept_pointless = true, .read = read_given };
	struct sp_findings f;
	struct sp_json j = { 0 };
	struct sp_err e = { 0 };
	struct sp_out o;
	bool good;

	sp_findings_init(&f, SP_LIT("x.yaml"));
	opts.ctx = &j;
	good = sp_json_read(line, SP_JSON_DEFAULT, &j, &e) == SP_OK &&
	    sp_config_load(SP_LIT("x.yaml"), &opts, &f, b) == SP_OK && sp_image_check(b->o.p, b->o.n, img, &e) == SP_OK;
	sp_out_heap(&o, 1 << 20);
	sp_findings_write(&o, &f);
	if (good) {
		fputs("ok", stdout);
		for (uint32_t i = 0; i < f.n; i++)
			if (sp_starts(f.list[i].text, SP_LIT("changes no decision")))
				printf(" %u", f.list[i].line);
		putchar('\n');
	} else {
		printf("error %s %.*s\n", e.log, SP_PRI(sp_out_view(&o)));
	}
	sp_out_free(&o);
	sp_json_free(&j);
	sp_findings_free(&f);
	return good;
}

static uint32_t
find_tool(const struct sp_image *img, sp_slice name)
{
	char shown[80];
	struct sp_out o;

	sp_out_init(&o, shown, sizeof shown);
	for (size_t i = 0; i < name.n; i++)
		sp_out_byte(&o, name.p[i] == '.' ? '_' : name.p[i]);
	return sp_img_find_tool(img, 0, sp_out_view(&o));
}

static uint32_t
find_source(const struct sp_image *img, sp_slice name)
{
	for (uint32_t i = 0; i < img->head->sources.n; i++)
		if (sp_eq(sp_img_str(img, SP_IMG_AT(img, img->head->sources, source, i)->name), name))
			return i;
	return UINT32_MAX;
}

static void
answer(const struct sp_image *img, sp_slice line)
{
	static const char *const words[] = { "closed", "args", "short", "ask", "allow" };
	struct sp_json j = { 0 }, args = { 0 };
	struct sp_principal *who = NULL;
	struct sp_decision d;
	struct sp_err e = { 0 };
	struct sp_out o;

	if (sp_json_read(line, SP_JSON_DEFAULT, &j, &e) != SP_OK ||
	    sp_json_read(sp_jtext(SP_JGET(j.root, "args")), SP_JSON_DEFAULT, &args, &e) != SP_OK ||
	    sp_principal_make(img, find_source(img, sp_jtext(SP_JGET(j.root, "source"))), sp_jtext(SP_JGET(j.root, "user")),
	    sp_jtext(SP_JGET(j.root, "scopes")), sp_jtext(SP_JGET(j.root, "tags")), &who, &e) != SP_OK) {
		printf("bad call: %s\n", e.log);
		exit(1);
	}
	sp_decide(img, who, find_tool(img, sp_jtext(SP_JGET(j.root, "tool"))), args.root, &d);
	sp_out_heap(&o, 65536);
	sp_scopes_write(&o, img, d.wanted, d.outcome == SP_SHORT ? SP_SCOPE_WORDS : 0);
	printf("%s %s%s%.*s\n", words[d.outcome], d.listed ? "listed" : "unlisted", o.n == 0 ? "" : " ", SP_PRI(sp_out_view(&o)));
	sp_out_free(&o);
	sp_principal_drop(&who);
	sp_json_free(&args);
	sp_json_free(&j);
}

int
main(void)
{
	struct sp_imgb b = { 0 };
	struct sp_image img;
	struct sp_err e;
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	bool loaded = false;

	if (sp_crypto_init(&e) != SP_OK)
		return 1;
	while ((n = getline(&line, &cap, stdin)) > 0) {
		sp_slice s = { line, (size_t)n - 1 };

		if (s.n == 0) {
			sp_imgb_free(&b);
			loaded = false;
		} else if (loaded) {
			answer(&img, s);
		} else if (!(loaded = load(s, &b, &img))) {
			free(line);
			return 1;
		}
	}
	sp_imgb_free(&b);
	free(line);
	return 0;
}

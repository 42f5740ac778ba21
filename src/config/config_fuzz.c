/* Any text as configuration: it is refused with a reason, or its image passes the check, decides and prints. */
#include "config/testkit.h"
#include "oauth/verifier.h"
#include "policy/decide.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct kit_file files[] = {
	{ "x.yaml", NULL },
	{ "jwks.json", "{\"keys\":[" KIT_JWK "]}" },
	{ "a.json", KIT_DOC(KIT_OP("get", "list", "\"tags\":[\"t\"],") "," KIT_OP("post", "make", "")) },
	{ "/etc/passwd", "root:x:0:0::/:/\nann:x:1000:1000::/:/\nbob:x:1001:1000::/:/\n" },
	{ "/etc/group", "ann:x:1000:bob\nops:x:5:ann,bob\n" },
	{ "/usr/bin/pass", "" },
	{ NULL, NULL },
};
static sp_slice input;

static enum sp_status
read_input(void *ctx, sp_slice path, size_t max, struct sp_out *out, struct sp_err *e)
{
	if (!sp_eq(path, SP_LIT("x.yaml")))
		return kit_read(files + 1, path, max, out, e);
	if (input.n > max)
		return sp_fail(e, SP_E_CONFIG, NULL, "too large");
	sp_out_slice(out, input);
	return SP_OK;
}

static void
use(const struct sp_image *img)
{
	struct sp_principal *who = NULL;
	struct sp_decision d;
	struct sp_err e;
	struct sp_out o;

	for (uint32_t s = 0; s < img->head->sources.n; s++) {
		if (sp_principal_make(img, s, SP_LIT("ann"), SP_LIT("a b"), SP_LIT("t"), &who, &e) != SP_OK)
			continue;
		for (uint32_t t = 0; t < img->head->tools.n; t++) {
			sp_decide(img, who, t, NULL, &d);
			if (d.listed != sp_decide_listed(img, who, t, NULL) || (d.outcome == SP_ALLOW && !d.listed) ||
			    (d.outcome == SP_REFUSED_ARGS && !d.listed) || (d.outcome == SP_CLOSED && d.listed))
				abort();
		}
		sp_principal_drop(&who);
	}
	sp_out_heap(&o, 1 << 24);
	sp_config_full(&o, img);
	sp_config_table(&o, img);
	sp_config_summary(&o, img);
	if (o.full)
		abort();
	sp_out_free(&o);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct sp_config_opts opts = { .read = read_input, .runs = kit_runs, .ctx = files, .uid = 1000 };
	struct sp_findings f;
	struct sp_imgb b;
	struct sp_image img;
	struct sp_err e = { 0 };
	struct sp_out o;
	enum sp_status st;

	/* The first byte says which of the forms that only tests have. */
	if (n != 0 && data[0] == 0x01)
		opts.accept_ask = opts.accept_pointless = true;
	input = sp_mem(data, n);
	if (opts.accept_ask)
		sp_advance(&input, 1);
	if (sp_crypto_init(&e) != SP_OK)
		abort();
	sp_findings_init(&f, SP_LIT("x.yaml"));
	st = sp_config_load(SP_LIT("x.yaml"), &opts, &f, &b);
	if ((st == SP_OK) != (f.errors == 0))
		abort();
	sp_out_heap(&o, 1 << 20);
	sp_findings_write(&o, &f);
	for (size_t i = 0; i < o.n; i++)
		if (sp_is_ctl((unsigned char)o.p[i]) && o.p[i] != '\n')
			abort();
	sp_out_free(&o);
	if (st == SP_OK) {
		if (sp_image_check(b.o.p, b.o.n, &img, &e) != SP_OK)
			abort();
		use(&img);
		sp_imgb_free(&b);
	}
	sp_findings_free(&f);
	return 0;
}

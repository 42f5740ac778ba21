/*
 * A value, then a text.  Whatever the text and however it is cut: pieces give what the whole gives; what comes out is
 * clean; and no form of the value, made here by encoders of our own and put between pieces of the text, survives.
 */
#include "base/b64.h"
#include "outbound/scrub.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { TEXT_MAX = 4096, OUT_MAX = 1 << 18 };

static char forms[8][1024];
static struct sp_out form[8];

static void
b64_form(struct sp_out *o, sp_slice v, size_t k, bool url)
{
	char plain[256] = { 0 }, text[512];
	struct sp_out t;
	size_t from = (8 * k + 5) / 6, to = 8 * (k + v.n) / 6;

	memcpy(plain + k, v.p, v.n);
	sp_out_init(&t, text, sizeof text);
	(url ? sp_b64url_encode : sp_b64_encode)(&t, plain, k + v.n + 3);
	sp_out_add(o, text + from, to - from);
}

static void
make_forms(sp_slice v)
{
	for (size_t i = 0; i < SP_COUNT(form); i++)
		sp_out_init(&form[i], forms[i], sizeof forms[i]);
	sp_out_slice(&form[0], v);
	sp_out_hex(&form[1], v.p, v.n);
	for (size_t k = 0; k < 3; k++)
		b64_form(&form[2 + k], v, k, k == 1);
	for (size_t i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.p[i];

		sp_out_fmt(&form[5], "%%%02x", c);
		if (c == '"' || c == '\\')
			sp_out_fmt(&form[6], "\\%c", c);
		else if (c == '\n' || c == '\r' || c == '\t' || c == '\b' || c == '\f')
			sp_out_fmt(&form[6], "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : c == '\t' ? 't' : c == '\b' ? 'b' : 'f');
		else if (c < 0x20)
			sp_out_fmt(&form[6], "\\u%04X", c);
		else
			sp_out_byte(&form[6], (char)c);
		if (c == '&' || c == '<' || c == '>' || c == '"')
			sp_out_str(&form[7], c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : "&quot;");
		else
			sp_out_byte(&form[7], (char)c);
	}
}

static bool
run(const struct sp_scrub *s, sp_slice text, size_t piece, struct sp_out *out)
{
	struct sp_scrub_state st = { 0 };
	enum sp_status r = SP_OK;

	do {
		size_t take = piece < text.n ? piece : text.n;

		r = sp_scrub_run(s, &st, sp_sub(text, 0, take), take == text.n, out);
		sp_advance(&text, take);
	} while (r == SP_OK && text.n != 0);
	sp_scrub_state_free(&st);
	return r == SP_OK;
}

static void
one_text(const struct sp_scrub *s, sp_slice text, size_t piece)
{
	struct sp_out whole, cut;

	sp_out_heap(&whole, OUT_MAX);
	sp_out_heap(&cut, OUT_MAX);
	if (!run(s, text, text.n + 1, &whole) || !run(s, text, piece, &cut))
		goto out;	/* refused: nothing of it is used */
	if (!sp_eq(sp_out_view(&whole), sp_out_view(&cut)))
		abort();
	if (!sp_scrub_clean(s, sp_out_view(&whole)))
		abort();
	for (size_t i = 0; i < SP_COUNT(form); i++)
		if (form[i].n != 0 && sp_find(sp_out_view(&whole), sp_out_view(&form[i])) != SIZE_MAX)
			abort();
out:
	sp_out_free(&whole);
	sp_out_free(&cut);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static bool ready;
	struct sp_scrub_value v = { NULL, false };
	struct sp_secret *secret;
	struct sp_scrub *s;
	struct sp_err e;
	struct sp_out text;
	sp_slice value, rest;
	size_t len, at;

	if (!ready && sp_secret_init(SP_SECRET_REGION, false, NULL, &e) != SP_OK)
		abort();
	ready = true;
	if (n < 3 + SP_SCRUB_MIN || n > TEXT_MAX)
		return 0;
	len = SP_SCRUB_MIN + data[0] % 56;
	if (n < 3 + len)
		return 0;
	value = sp_mem(data + 3, len);
	rest = sp_mem(data + 3 + len, n - 3 - len);
	at = rest.n == 0 ? 0 : data[1] % (rest.n + 1);
	v.secret = secret = sp_secret_new(len);
	if (secret == NULL || sp_secret_set(secret, value) != SP_OK)
		abort();
	if (sp_scrub_new(&v, 1, &s, &e) == SP_OK) {
		make_forms(value);
		one_text(s, rest, 1 + data[2]);
		for (size_t i = 0; i < SP_COUNT(form); i++) {
			sp_out_heap(&text, OUT_MAX);
			sp_out_slice(&text, sp_sub(rest, 0, at));
			sp_out_slice(&text, sp_out_view(&form[i]));
			sp_out_slice(&text, sp_sub(rest, at, rest.n));
			one_text(s, sp_out_view(&text), 1 + data[2]);
			sp_out_free(&text);
		}
		sp_scrub_free(&s);
	}
	sp_secret_free(&secret);
	return 0;
}

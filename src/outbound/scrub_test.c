#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/b64.h"
#include "outbound/scrub.h"

/* --- encoders of the test's own: none of this is shared with what is tested */

static void
enc_raw(struct sp_out *o, sp_slice v)
{
	sp_out_slice(o, v);
}

/* The characters of base64 that depend on the value alone, with k foreign bytes in front. */
static void
enc_b64(struct sp_out *o, sp_slice v, size_t k, bool url)
{
	char plain[1024], buf[2048];
	struct sp_out text;
	size_t from = (8 * k + 5) / 6, to = 8 * (k + v.n) / 6;

	memset(plain, 'x', k);
	memcpy(plain + k, v.p, v.n);
	memset(plain + k + v.n, 'y', 3);
	sp_out_init(&text, buf, sizeof buf);
	(url ? sp_b64url_encode : sp_b64_encode)(&text, plain, k + v.n + 3);
	sp_out_add(o, buf + from, to - from);
}
static void enc_b64_0(struct sp_out *o, sp_slice v) { enc_b64(o, v, 0, false); }
static void enc_b64_1(struct sp_out *o, sp_slice v) { enc_b64(o, v, 1, false); }
static void enc_b64_2(struct sp_out *o, sp_slice v) { enc_b64(o, v, 2, false); }
static void enc_b64url_0(struct sp_out *o, sp_slice v) { enc_b64(o, v, 0, true); }
static void enc_b64url_1(struct sp_out *o, sp_slice v) { enc_b64(o, v, 1, true); }
static void enc_b64url_2(struct sp_out *o, sp_slice v) { enc_b64(o, v, 2, true); }

static void
each(struct sp_out *o, sp_slice v, const char *fmt)
{
	for (size_t i = 0; i < v.n; i++)
		sp_out_fmt(o, fmt, (unsigned char)v.p[i]);
}
static void enc_hex(struct sp_out *o, sp_slice v) { each(o, v, "%02x"); }
static void enc_hex_upper(struct sp_out *o, sp_slice v) { each(o, v, "%02X"); }
static void enc_pct_full(struct sp_out *o, sp_slice v) { each(o, v, "%%%02X"); }
static void enc_pct_full_lower(struct sp_out *o, sp_slice v) { each(o, v, "%%%02x"); }

static void
pct(struct sp_out *o, sp_slice v, const char *keep, bool plus)
{
	for (size_t i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.p[i];

		if (sp_is_alpha(c) || sp_is_digit(c) || (c != 0 && strchr(keep, c) != NULL))
			sp_out_byte(o, (char)c);
		else if (plus && c == ' ')
			sp_out_byte(o, '+');
		else
			sp_out_fmt(o, "%%%02X", c);
	}
}
static void enc_pct_min(struct sp_out *o, sp_slice v) { pct(o, v, "-._~", false); }
static void enc_pct_plus(struct sp_out *o, sp_slice v) { pct(o, v, "-._~", true); }
static void enc_pct_component(struct sp_out *o, sp_slice v) { pct(o, v, "-._~!*'()", false); }

static void
json(struct sp_out *o, sp_slice v, bool slash, bool html)
{
	for (size_t i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.p[i];

		if (c == '"' || c == '\\' || (slash && c == '/'))
			sp_out_fmt(o, "\\%c", c);
		else if (c == '\n')
			sp_out_str(o, "\\n");
		else if (c < 0x20 || (html && (c == '<' || c == '>' || c == '&')))
			sp_out_fmt(o, "\\u%04x", c);
		else
			sp_out_byte(o, (char)c);
	}
}
static void
enc_json_net(struct sp_out *o, sp_slice v)
{
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] != 0 && strchr("\"<>&'+`", v.p[i]) != NULL)
			sp_out_fmt(o, "\\u%04X", (unsigned char)v.p[i]);
		else
			json(o, sp_sub(v, i, 1), false, false);
}
static void enc_json(struct sp_out *o, sp_slice v) { json(o, v, false, false); }
static void enc_json_slash(struct sp_out *o, sp_slice v) { json(o, v, true, false); }
static void enc_json_html(struct sp_out *o, sp_slice v) { json(o, v, false, true); }

static void
html(struct sp_out *o, sp_slice v, const char *quot, const char *apos)
{
	for (size_t i = 0; i < v.n; i++) {
		char c = v.p[i];

		if (c == '&')
			sp_out_str(o, "&amp;");
		else if (c == '<')
			sp_out_str(o, "&lt;");
		else if (c == '>')
			sp_out_str(o, "&gt;");
		else if (c == '"')
			sp_out_str(o, quot);
		else if (c == '\'')
			sp_out_str(o, apos);
		else
			sp_out_byte(o, c);
	}
}
static void enc_html(struct sp_out *o, sp_slice v) { html(o, v, "&quot;", "&#39;"); }
static void enc_html_go(struct sp_out *o, sp_slice v) { html(o, v, "&#34;", "&#39;"); }
static void enc_html_py(struct sp_out *o, sp_slice v) { html(o, v, "&quot;", "&#x27;"); }
static void enc_html_xml(struct sp_out *o, sp_slice v) { html(o, v, "&quot;", "&apos;"); }

static const struct { const char *name; void (*enc)(struct sp_out *, sp_slice); } forms[] = {
	{ "M13 as is", enc_raw },
	{ "M13 base64, offset 0", enc_b64_0 }, { "M13 base64, offset 1", enc_b64_1 },
	{ "M13 base64, offset 2", enc_b64_2 }, { "M13 base64url, offset 0", enc_b64url_0 },
	{ "M13 base64url, offset 1", enc_b64url_1 }, { "M13 base64url, offset 2", enc_b64url_2 },
	{ "M13 hex, lower case", enc_hex }, { "M13 hex, upper case", enc_hex_upper },
	{ "M13 percent, minimal", enc_pct_min }, { "M13 percent, full", enc_pct_full },
	{ "M13 JSON", enc_json }, { "M13 HTML", enc_html },
	{ "percent, full, lower case", enc_pct_full_lower }, { "percent, spaces as plus", enc_pct_plus },
	{ "percent, encodeURIComponent", enc_pct_component },
	{ "JSON, slashes escaped", enc_json_slash }, { "JSON, safe in HTML", enc_json_html },
	{ "JSON, .NET", enc_json_net },
	{ "HTML, decimal", enc_html_go }, { "HTML, hexadecimal", enc_html_py }, { "HTML, apos", enc_html_xml },
};

static const sp_slice values[] = {
	SP_LIT_INIT("k3y-9f8e7d6c5b4a"),
	SP_LIT_INIT("12345678"),
	SP_LIT_INIT("a+b/c=d&e<f>g\"h'i\\j k!%41~"),
	SP_LIT_INIT("sk_live_51H8xQ2eZvKYlo2C0000111122223333444455556666777788889999"),
	SP_LIT_INIT("p\xc3\xa4ssw\xc3\xb6rd \xf0\x9f\x94\x91 and\nmore"),
	SP_LIT_INIT("aaaaaaaaaaaa"),
	SP_LIT_INIT("abababababab"),
	SP_LIT_INIT("\xff\xfe\x80\x00\x01\x7f\x1f\xf0\x90"),
	SP_LIT_INIT("\"\"\"\"\"\"\"\"\"\"&&&&<<<<////"),
	SP_LIT_INIT("%25%25%25%25%2"),
};

static struct sp_secret *
secret(sp_slice v)
{
	struct sp_secret *s = sp_secret_new(v.n);

	assert_non_null(s);
	assert_int_equal(sp_secret_set(s, v), SP_OK);
	return s;
}

static struct sp_scrub *
scrubber(sp_slice v, bool basic)
{
	struct sp_secret *s = secret(v);
	struct sp_scrub_value one = { s, basic };
	struct sp_scrub *out = NULL;
	struct sp_err e = { 0 };

	if (sp_scrub_new(&one, 1, &out, &e) != SP_OK)
		fail_msg("sp_scrub_new: %s", e.log);
	sp_secret_free(&s);
	return out;
}

/* The text in pieces, cut at the places of `cuts` (ascending). */
static void
run(const struct sp_scrub *s, sp_slice text, const size_t *cuts, size_t n, struct sp_out *out, uint32_t *hits)
{
	struct sp_scrub_state st = { 0 };
	size_t from = 0;

	for (size_t i = 0; i < n; i++) {
		assert_int_equal(sp_scrub_run(s, &st, sp_sub(text, from, cuts[i] - from), false, out), SP_OK);
		from = cuts[i];
	}
	assert_int_equal(sp_scrub_run(s, &st, sp_sub(text, from, text.n), true, out), SP_OK);
	*hits = st.hits;
	sp_scrub_state_free(&st);
}

static void
one_form(const char *name, sp_slice value, const struct sp_scrub *s, sp_slice form)
{
	char text[4096], want[64], got[4096];
	struct sp_out t, w, g;
	uint32_t hits;

	/* '.' and newline: what stands around must not be taken for part of a form, nor complete one. */
	sp_out_init(&t, text, sizeof text);
	sp_out_str(&t, "before.\n");
	sp_out_slice(&t, form);
	sp_out_str(&t, "\n.after");
	sp_out_init(&w, want, sizeof want);
	sp_out_str(&w, "before.\n[redacted]\n.after");
	assert_false(t.full);
	if (sp_scrub_clean(s, sp_out_view(&t)))
		fail_msg("%s of %.*s: called clean", name, SP_PRI(value));
	for (size_t cut = 0; cut <= t.n; cut++) {
		sp_out_init(&g, got, sizeof got);
		run(s, sp_out_view(&t), &cut, 1, &g, &hits);
		if (!sp_eq(sp_out_view(&g), sp_out_view(&w)) || hits != 1)
			fail_msg("%s of %.*s, cut at %zu: %.*s", name, SP_PRI(value), cut, SP_PRI(sp_out_view(&g)));
	}
	/* byte by byte */
	sp_out_init(&g, got, sizeof got);
	struct sp_scrub_state st = { 0 };
	for (size_t i = 0; i < t.n; i++)
		assert_int_equal(sp_scrub_run(s, &st, sp_mem(t.p + i, 1), i + 1 == t.n, &g), SP_OK);
	sp_scrub_state_free(&st);
	if (!sp_eq(sp_out_view(&g), sp_out_view(&w)))
		fail_msg("%s of %.*s, byte by byte: %.*s", name, SP_PRI(value), SP_PRI(sp_out_view(&g)));
}

static void
test_forms_at_every_cut(void **state)
{
	for (size_t v = 0; v < SP_COUNT(values); v++) {
		struct sp_scrub *s = scrubber(values[v], false);

		for (size_t f = 0; f < SP_COUNT(forms); f++) {
			char buf[2048];
			struct sp_out o;

			sp_out_init(&o, buf, sizeof buf);
			forms[f].enc(&o, values[v]);
			one_form(forms[f].name, values[v], s, sp_out_view(&o));
		}
		sp_scrub_free(&s);
	}
}

/* Whole encodings with a prefix of every length: the value is gone, whatever its offset. */
static void
test_b64_in_context(void **state)
{
	sp_slice v = values[0];
	struct sp_scrub *s = scrubber(v, false);

	for (size_t k = 0; k < 9; k++)
		for (size_t tail = 0; tail < 4; tail++) {
			char plain[128], enc[256], got[256];
			struct sp_out e, g;
			uint32_t hits;

			memset(plain, 'q', sizeof plain);
			memcpy(plain + k, v.p, v.n);
			sp_out_init(&e, enc, sizeof enc);
			sp_b64_encode(&e, plain, k + v.n + tail);
			sp_out_init(&g, got, sizeof got);
			run(s, sp_out_view(&e), NULL, 0, &g, &hits);
			if (hits != 1)
				fail_msg("M13 base64 after %zu bytes, before %zu: not found", k, tail);
			/* At most one character of each neighbour's bits is left beside the mark. */
			assert_true(g.n <= 10 + (k * 8 + 5) / 6 + (tail * 8 + 5) / 6 + 3);
		}
	sp_scrub_free(&s);
}

static const struct { const char *name; sp_slice value, text, want; uint32_t hits; } texts[] = {
	{ "nothing", SP_LIT_INIT("12345678"), SP_LIT_INIT("1234567"), SP_LIT_INIT("1234567"), 0 },
	{ "empty", SP_LIT_INIT("12345678"), SP_LIT_INIT(""), SP_LIT_INIT(""), 0 },
	{ "alone", SP_LIT_INIT("12345678"), SP_LIT_INIT("12345678"), SP_LIT_INIT("[redacted]"), 1 },
	{ "twice, side by side", SP_LIT_INIT("12345678"), SP_LIT_INIT("1234567812345678"), SP_LIT_INIT("[redacted]"), 1 },
	{ "twice", SP_LIT_INIT("12345678"), SP_LIT_INIT("12345678-12345678"), SP_LIT_INIT("[redacted]-[redacted]"), 2 },
	{ "overlapping itself", SP_LIT_INIT("abababab"), SP_LIT_INIT("xabababababababx"), SP_LIT_INIT("x[redacted]x"), 1 },
	{ "half of it", SP_LIT_INIT("12345678"), SP_LIT_INIT("xx1234"), SP_LIT_INIT("xx1234"), 0 },
	{ "false start", SP_LIT_INIT("aaaaaaab"), SP_LIT_INIT("aaaaaaaaaaab"), SP_LIT_INIT("aaaa[redacted]"), 1 },
	{ "M13 hex in mixed case", SP_LIT_INIT("lmnolmno"), SP_LIT_INIT("6c6D6e6F6C6d6E6f"), SP_LIT_INIT("[redacted]"), 1 },
	{ "M13 percent, after the start", SP_LIT_INIT("0123456789abcdefghijklmnopqrstuv"),
	    SP_LIT_INIT("0123456789abcdefghijklmno%70%71rstuv"), SP_LIT_INIT("[redacted]"), 1 },
	{ "M13 JSON, escaped code points", SP_LIT_INIT("\xc3\xa4\xc3\xb6\xc3\xbc\xf0\x9f\x94\x91"),
	    SP_LIT_INIT("x\\u00e4\\u00F6\\u00fc\\uD83D\\udd11x"), SP_LIT_INIT("x[redacted]x"), 1 },
	{ "M13 HTML, decimal code points", SP_LIT_INIT("<abcdefg>"), SP_LIT_INIT("&lt;abcdefg&#62;"),
	    SP_LIT_INIT("[redacted]"), 1 },
	{ "the mark cannot complete a value", SP_LIT_INIT("]abcdefg"), SP_LIT_INIT("]abcdefgabcdefg"),
	    SP_LIT_INIT("<redacted>abcdefg"), 1 },
	{ "the mark does not hold a value", SP_LIT_INIT("redacted"), SP_LIT_INIT("a redacted b"), SP_LIT_INIT("a  -  b"), 1 },
	{ "incomplete escape at the end", SP_LIT_INIT("abcdefg\""), SP_LIT_INIT("abcdefg\\"), SP_LIT_INIT("abcdefg\\"), 0 },
	{ "incomplete entity at the end", SP_LIT_INIT("abcdefg\""), SP_LIT_INIT("abcdefg&quo"),
	    SP_LIT_INIT("abcdefg&quo"), 0 },
	{ "an escape that is none", SP_LIT_INIT("abcd\\uzzzz"), SP_LIT_INIT("abcd\\uzzzz"), SP_LIT_INIT("[redacted]"), 1 },
	{ "NUL inside", SP_LIT_INIT("abc\0defg"), SP_LIT_INIT("xabc\0defgx"), SP_LIT_INIT("x[redacted]x"), 1 },
};

static void
test_texts(void **state)
{
	for (size_t i = 0; i < SP_COUNT(texts); i++) {
		struct sp_scrub *s = scrubber(texts[i].value, false);

		for (size_t a = 0; a <= texts[i].text.n; a++)
			for (size_t b = a; b <= texts[i].text.n; b++) {
				char buf[256];
				struct sp_out o;
				uint32_t hits;

				sp_out_init(&o, buf, sizeof buf);
				run(s, texts[i].text, (size_t[]){ a, b }, 2, &o, &hits);
				if (!sp_eq(sp_out_view(&o), texts[i].want) || hits != texts[i].hits)
					fail_msg("%s, cut at %zu and %zu: %.*s, %u marks", texts[i].name, a, b,
					    SP_PRI(sp_out_view(&o)), hits);
			}
		sp_scrub_free(&s);
	}
}

static void
test_rotation(void **state)
{
	struct sp_secret *old = secret(SP_LIT("old-key-0001")), *new = secret(SP_LIT("old-key-0001-and-more"));
	struct sp_scrub_value two[] = { { old, false }, { new, false } };
	struct sp_scrub *s = NULL;
	struct sp_err e;
	char buf[256];
	struct sp_out o;
	uint32_t hits;

	assert_int_equal(sp_scrub_new(two, 2, &s, &e), SP_OK);
	sp_out_init(&o, buf, sizeof buf);
	/* M19: both are removed, and of the longer one nothing is left where the shorter begins it. */
	run(s, SP_LIT("a old-key-0001 b old-key-0001-and-more c"), NULL, 0, &o, &hits);
	assert_true(sp_eq(sp_out_view(&o), SP_LIT("a [redacted] b [redacted] c")));
	sp_scrub_free(&s);
	sp_secret_free(&old);
	sp_secret_free(&new);
}

static void
test_basic(void **state)
{
	struct sp_scrub *s = scrubber(SP_LIT("user:correct-horse"), true);
	char buf[256];
	struct sp_out o;
	uint32_t hits;

	sp_out_init(&o, buf, sizeof buf);
	run(s, SP_LIT("Basic dXNlcjpjb3JyZWN0LWhvcnNl; password correct-horse; user user"), NULL, 0, &o, &hits);
	assert_true(sp_eq(sp_out_view(&o), SP_LIT("Basic [redacted]; password [redacted]; user user")));
	sp_scrub_free(&s);
	s = scrubber(SP_LIT("user:12345"), true);	/* too short to be searched for alone */
	sp_out_reset(&o);
	run(s, SP_LIT("x user:12345 12345"), NULL, 0, &o, &hits);
	assert_true(sp_eq(sp_out_view(&o), SP_LIT("x [redacted] 12345")));
	sp_scrub_free(&s);
}

static void
test_refused(void **state)
{
	struct sp_secret *small = secret(SP_LIT("1234567"));
	struct sp_scrub_value v = { small, false };
	struct sp_scrub *s = NULL;
	struct sp_err e = { 0 };
	char all[1024];
	struct sp_secret *every;

	/* M16 */
	assert_int_equal(sp_scrub_new(&v, 1, &s, &e), SP_E_CONFIG);
	assert_null(s);
	assert_true(strstr(e.log, "1234567") == NULL);
	sp_secret_free(&small);
	for (size_t i = 0; i < sizeof all; i++)
		all[i] = (char)i;
	every = secret(sp_mem(all, sizeof all));
	v.secret = every;
	assert_int_equal(sp_scrub_new(&v, 1, &s, &e), SP_E_CONFIG);
	sp_secret_free(&every);
}

static void
test_none(void **state)
{
	struct sp_scrub *s = NULL;
	struct sp_err e;
	char buf[64];
	struct sp_out o;
	uint32_t hits;

	assert_int_equal(sp_scrub_new(NULL, 0, &s, &e), SP_OK);
	sp_out_init(&o, buf, sizeof buf);
	run(s, SP_LIT("anything"), (size_t[]){ 3 }, 1, &o, &hits);
	assert_true(sp_eq(sp_out_view(&o), SP_LIT("anything")));
	assert_true(sp_scrub_clean(s, SP_LIT("anything")));
	sp_scrub_free(&s);
}

/* A text made to be slow ends the answer instead of the gateway's time. */
static void
test_budget(void **state)
{
	size_t n = 1 << 20;
	char *secret_text = malloc(4096), *text = malloc(n);
	struct sp_scrub_state st = { 0 };
	struct sp_scrub *s;
	struct sp_out o;

	assert_non_null(secret_text);
	assert_non_null(text);
	memset(secret_text, 'a', 4096);
	secret_text[4095] = 'b';
	memset(text, 'a', n);
	s = scrubber(sp_mem(secret_text, 4096), false);
	sp_out_heap(&o, 4 * n);
	assert_int_equal(sp_scrub_run(s, &st, sp_mem(text, n), true, &o), SP_E_TOO_BIG);
	assert_int_equal(sp_scrub_run(s, &st, sp_mem(text, 1), true, &o), SP_E_BUG);
	assert_false(sp_scrub_clean(s, sp_mem(text, n)));
	sp_scrub_state_free(&st);
	sp_out_free(&o);
	sp_scrub_free(&s);
	free(secret_text);
	free(text);
}

/* Not a test of speed but of its order: printed, and far from a tenfold of the goal. */
static void
test_speed(void **state)
{
	struct sp_scrub *s = scrubber(SP_LIT("k3y-9f8e7d6c5b4a3928"), false);
	size_t n = 1 << 20;
	char *text = malloc(n);
	struct timespec a, b;
	double us;

	assert_non_null(text);
	for (size_t i = 0; i < n; i++)
		text[i] = "{\"name\":\"zone-0123.example.org.\",\"kind\":\"Native\",\"serial\":2026112201},"[i % 71];
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 0; i < 16; i++)
		assert_true(sp_scrub_clean(s, sp_mem(text, n)));
	clock_gettime(CLOCK_MONOTONIC, &b);
	us = (double)(b.tv_sec - a.tv_sec) * 1e6 + (double)(b.tv_nsec - a.tv_nsec) / 1e3;
	printf("scrub: %.3f us per kB\n", us / (16.0 * 1024));
	sp_scrub_free(&s);
	free(text);
}

static int
setup(void **state)
{
	struct sp_err e;

	return sp_secret_init(SP_SECRET_REGION, false, NULL, &e) == SP_OK ? 0 : -1;
}

static int
teardown(void **state)
{
	sp_secret_end();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(test_forms_at_every_cut), cmocka_unit_test(test_b64_in_context),
		cmocka_unit_test(test_texts), cmocka_unit_test(test_rotation), cmocka_unit_test(test_basic),
		cmocka_unit_test(test_refused), cmocka_unit_test(test_none), cmocka_unit_test(test_budget),
		cmocka_unit_test(test_speed),
	};
	return cmocka_run_group_tests(all, setup, teardown);
}

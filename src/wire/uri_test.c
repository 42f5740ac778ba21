#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "wire/json.h"
#include "wire/uri.h"

#define NONE SP_LIT_INIT("")

struct good { const char *name; sp_slice text, host, path, query, origin; enum sp_host_kind kind; uint16_t port; bool loopback; };
#define L SP_LIT_INIT

static const struct good goods[] = {
	{ "plain", L("https://a.example/mcp"), L("a.example"), L("/mcp"), NONE, L("https://a.example"), SP_HOST_NAME, 443, false },
	{ "case and default port", L("HTTPS://A.Example:443"), L("A.Example"), NONE, NONE, L("https://a.example"), 0, 443, false },
	{ "http and port", L("http://a_b-c.example:8080/?"), L("a_b-c.example"), L("/"), NONE, L("http://a_b-c.example:8080"), 0, 8080, false },
	{ "query and fragment", L("https://a/b?c=d/?@#e?f"), L("a"), L("/b"), L("c=d/?@"), L("https://a"), 0, 443, false },
	{ "query without path", L("https://a?b"), L("a"), NONE, L("b"), L("https://a"), 0, 443, false },
	{ "IPv4", L("http://127.0.0.1:1/"), L("127.0.0.1"), L("/"), NONE, L("http://127.0.0.1:1"), SP_HOST_IPV4, 1, true },
	{ "IPv6", L("http://[::1]:65535/"), L("::1"), L("/"), NONE, L("http://[::1]:65535"), SP_HOST_IPV6, 65535, true },
	{ "IPv6 with IPv4", L("http://[::FFFF:1.2.3.4]/"), L("::FFFF:1.2.3.4"), L("/"), NONE, L("http://[::ffff:1.2.3.4]"), SP_HOST_IPV6, 80, false },
	{ "localhost", L("http://LocalHost"), L("LocalHost"), NONE, NONE, L("http://localhost"), 0, 80, true },
	{ "name under localhost", L("http://a.localhost"), L("a.localhost"), NONE, NONE, L("http://a.localhost"), 0, 80, true },
	{ "name that looks like it", L("http://notlocalhost"), L("notlocalhost"), NONE, NONE, L("http://notlocalhost"), 0, 80, false },
	{ "number in front", L("http://1.2.3.4.example"), L("1.2.3.4.example"), NONE, NONE, L("http://1.2.3.4.example"), 0, 80, false },
	{ "sub-delims and escapes", L("https://a/!$&'()*+,;=:@%2F%00~"), L("a"), L("/!$&'()*+,;=:@%2F%00~"), NONE, L("https://a"), 0, 443, false },
};

static void
test_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < SP_COUNT(goods); i++) {
		const struct good *g = &goods[i];
		struct sp_err e = { 0 };
		struct sp_uri u = { 0 };
		char buf[256];
		struct sp_out o;

		sp_out_init(&o, buf, sizeof buf);
		if (sp_uri_read(g->text, &u, &e) != SP_OK)
			fail_msg("%s: %s", g->name, e.log);
		sp_uri_origin(&o, &u);
		if (!sp_eq(u.host, g->host) || !sp_eq(u.path, g->path) || !sp_eq(u.query, g->query) || u.kind != g->kind ||
		    u.port != g->port || !sp_eq(sp_out_view(&o), g->origin) || !sp_eq(u.whole, g->text))
			fail_msg("%s: read wrong", g->name);
		if (sp_host_is_loopback(u.host, u.kind) != g->loopback)
			fail_msg("%s: loopback", g->name);
		assert_true(sp_uri_same_origin(&u, &u));
	}
}

static const struct { const char *name; sp_slice text; } bads[] = {
	{ "empty", L("") }, { "no scheme", L("a.example/x") }, { "relative", L("//a/x") }, { "no slashes", L("http:a") },
	{ "one slash", L("http:/a") }, { "N11 ftp", L("ftp://a/") }, { "N11 file", L("file:///etc/passwd") },
	{ "N11 javascript", L("javascript:alert(1)") }, { "no host", L("http://") }, { "no host, path", L("http:///x") },
	{ "no host, port", L("http://:80/") }, { "space in front", L(" http://a/") }, { "space behind", L("http://a/ ") },
	{ "N04 decimal", L("http://2130706433/") }, { "N04 hex", L("http://0x7f000001/") }, { "N04 hex, upper", L("http://0X7F.1/") },
	{ "N04 octal", L("http://017700000001/") }, { "N04 short", L("http://127.1/") }, { "N04 final dot", L("http://127.0.0.1./") },
	{ "N04 zero", L("http://0/") }, { "N04 circled digits", L("http://\xe2\x91\xa0\xe2\x91\xa1\xe2\x91\xa6.\xe2\x93\xaa.\xe2\x93\xaa.\xe2\x91\xa0/") },
	{ "N04 ideographic stops", L("http://127\xe3\x80\x82" "0\xe3\x80\x82" "0\xe3\x80\x82" "1/") }, { "N04 escaped", L("http://%31%32%37.0.0.1/") },
	{ "N04 leading zeros", L("http://127.0.0.01/") }, { "N04 five parts", L("http://1.2.3.4.5/") }, { "N04 256", L("http://1.2.3.256/") },
	{ "N04 hex last label", L("http://a.0xff/") }, { "N04 empty hex", L("http://a.0x/") }, { "N04 number last", L("http://a.1/") },
	{ "N05 final dot", L("http://localhost./") }, { "N06 userinfo", L("http://ok.com@127.0.0.1/") },
	{ "N06 user and password", L("http://u:p@a/") }, { "N06 empty userinfo", L("http://@a/") },
	{ "N06 backslash", L("http://ok.com\\@127.0.0.1/") }, { "N06 backslashes for slashes", L("http:\\\\a\\x") },
	{ "N06 tab in host", L("http://a\tb/") }, { "N06 newline in host", L("http://a\nb/") }, { "N06 CR LF", L("http://a/\r\nX: y") },
	{ "N06 two ports", L("http://a:80:80/") }, { "N06 at in port", L("http://a:80@b/") }, { "NUL", L("http://a\0b/") },
	{ "N12 port 0", L("http://a:0/") }, { "N12 port 65536", L("http://a:65536/") }, { "port with zeros", L("http://a:080/") },
	{ "empty port", L("http://a:/") }, { "port with sign", L("http://a:+80/") }, { "port of letters", L("http://a:http/") },
	{ "N16 zone", L("http://[fe80::1%25eth0]/") }, { "N16 future", L("http://[v1.x]/") }, { "N16 open bracket", L("http://[::1/") },
	{ "N16 text after bracket", L("http://[::1]x/") }, { "N16 no brackets", L("http://::1/") }, { "IPv6 two gaps", L("http://[1::2::3]/") },
	{ "IPv6 nine groups", L("http://[1:2:3:4:5:6:7:8:9]/") }, { "IPv6 seven groups", L("http://[1:2:3:4:5:6:7]/") },
	{ "IPv6 long group", L("http://[12345::]/") }, { "IPv6 final colon", L("http://[1:2:3:4:5:6:7:]/") },
	{ "IPv6 first colon", L("http://[:1:2:3:4:5:6:7]/") }, { "IPv6 three colons", L("http://[:::1]/") },
	{ "IPv6 IPv4 in the middle", L("http://[1.2.3.4::1]/") }, { "IPv6 bad IPv4", L("http://[::1.2.3]/") }, { "IPv6 empty", L("http://[]/") },
	{ "label begins with hyphen", L("http://-a/") }, { "label ends with hyphen", L("http://a-.b/") }, { "empty label", L("http://a..b/") },
	{ "first dot", L("http://.a/") }, { "sub-delim in host", L("http://a!b/") }, { "escape in host", L("http://a%2eb/") },
	{ "raw UTF-8 in path", L("http://a/\xc3\xa9") }, { "space in path", L("http://a/b c") }, { "quote in path", L("http://a/\"") },
	{ "angle bracket", L("http://a/<b>") }, { "bracket in path", L("http://a/[b]") }, { "brace in query", L("http://a/?{b}") },
	{ "bad escape", L("http://a/%2") }, { "bad escape digits", L("http://a/%zz") }, { "second fragment", L("http://a/#b#c") },
	{ "bar", L("http://a/b|c") }, { "caret", L("http://a/b^c") }, { "DEL", L("http://a/\x7f") },
};

static void
test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < SP_COUNT(bads); i++) {
		struct sp_uri u;
		struct sp_err e = { 0 };

		if (sp_uri_read(bads[i].text, &u, &e) != SP_E_BAD_REQUEST)
			fail_msg("%s: accepted", bads[i].name);
		assert_true(e.log[0] != '\0');
	}
}

static void
test_long(void **state)
{
	static char text[9000];
	struct sp_uri u;

	(void)state;
	memset(text, 'a', sizeof text);
	memcpy(text, "https://", 8);
	assert_int_equal(sp_uri_read(sp_mem(text, 8 + 63), &u, NULL), SP_OK);
	assert_int_equal(sp_uri_read(sp_mem(text, 8 + 64), &u, NULL), SP_E_BAD_REQUEST);
	for (size_t i = 8 + 1; i < sizeof text; i += 2)
		text[i] = '.';
	assert_int_equal(sp_uri_read(sp_mem(text, 8 + 253), &u, NULL), SP_OK);
	assert_int_equal(sp_uri_read(sp_mem(text, 8 + 255), &u, NULL), SP_E_BAD_REQUEST);
	memcpy(text, "https://a/", 10);
	assert_int_equal(sp_uri_read(sp_mem(text, 8192), &u, NULL), SP_OK);
	assert_int_equal(sp_uri_read(sp_mem(text, 8193), &u, NULL), SP_E_BAD_REQUEST);
}

static void
test_same_origin(void **state)
{
	static const struct { sp_slice a, b; bool same; } rows[] = {
		{ L("https://a/x"), L("HTTPS://A:443/y"), true }, { L("https://a"), L("http://a:443"), false },
		{ L("https://a"), L("https://a:8443"), false }, { L("https://a"), L("https://a.b"), false },
		{ L("http://[::1]"), L("http://[0:0::0:1]"), true }, { L("http://[::1]"), L("http://[::2]"), false },
		{ L("http://[::1.2.3.4]"), L("http://1.2.3.4"), false },
	};

	(void)state;
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct sp_uri a, b;

		assert_int_equal(sp_uri_read(rows[i].a, &a, NULL), SP_OK);
		assert_int_equal(sp_uri_read(rows[i].b, &b, NULL), SP_OK);
		if (sp_uri_same_origin(&a, &b) != rows[i].same)
			fail_msg("same origin row %zu", i);
	}
}

static void
test_hostport(void **state)
{
	static const struct { sp_slice text, host; enum sp_host_kind kind; int port; } rows[] = {
		{ L("a.example"), L("a.example"), SP_HOST_NAME, 0 }, { L("a:1"), L("a"), SP_HOST_NAME, 1 },
		{ L("10.0.0.1:8420"), L("10.0.0.1"), SP_HOST_IPV4, 8420 }, { L("[::]:8420"), L("::"), SP_HOST_IPV6, 8420 },
		{ L("[::1]"), L("::1"), SP_HOST_IPV6, 0 }, { L(""), NONE, 0, -1 }, { L(":80"), NONE, 0, -1 },
		{ L("a:"), NONE, 0, -1 }, { L("a:b"), NONE, 0, -1 }, { L("a/b"), NONE, 0, -1 }, { L("::1"), NONE, 0, -1 },
		{ L("a b"), NONE, 0, -1 }, { L("x@a"), NONE, 0, -1 }, { L("a:1:2"), NONE, 0, -1 }, { L("[::1]80"), NONE, 0, -1 },
		{ L("*"), NONE, 0, -1 }, { L("a,b"), NONE, 0, -1 }, { L("a?"), NONE, 0, -1 }, { L("a#"), NONE, 0, -1 },
	};

	(void)state;
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		sp_slice host = NONE;
		enum sp_host_kind kind = 0;
		uint16_t port = 9;
		bool ok = sp_hostport_read(rows[i].text, &host, &kind, &port, NULL) == SP_OK;

		if (ok != (rows[i].port >= 0) || (ok && (!sp_eq(host, rows[i].host) || kind != rows[i].kind || port != rows[i].port)))
			fail_msg("hostport `%.*s`", SP_PRI(rows[i].text));
	}
}

static void
test_percent(void **state)
{
	char buf[64];
	struct sp_out o;

	(void)state;
	sp_out_init(&o, buf, sizeof buf);
	sp_pct_encode(&o, SP_LIT("aZ09-._~ /?\0\xff%"));
	assert_true(sp_eq(sp_out_view(&o), SP_LIT("aZ09-._~%20%2F%3F%00%FF%25")));
	sp_out_reset(&o);
	sp_pct_encode_keep(&o, SP_LIT("a/b c"), SP_LIT("/"));
	assert_true(sp_eq(sp_out_view(&o), SP_LIT("a/b%20c")));
	sp_out_reset(&o);
	assert_true(sp_pct_decode(&o, SP_LIT("a%2fb+%00%Ff")));
	assert_true(sp_eq(sp_out_view(&o), SP_LIT("a/b+\0\xff")));
	assert_false(sp_pct_decode(&o, SP_LIT("%")));
	assert_false(sp_pct_decode(&o, SP_LIT("%4")));
	assert_false(sp_pct_decode(&o, SP_LIT("%4g")));
}

/* --- web-platform-tests: what must fail there must fail here; what passes here must mean the same there --- */

static sp_slice
load(struct sp_out *o)
{
	FILE *f = fopen(SP_SRCDIR "/../shared/vectors/url/urltestdata.json", "rb");
	int c;

	if (f == NULL)
		return (sp_slice){ NULL, 0 };
	while ((c = fgetc(f)) != EOF)
		sp_out_byte(o, (char)c);
	fclose(f);
	/* Lone surrogates, which the file writes as escapes, are no JSON of ours; as U+FFFD they are as bad in a URL. */
	for (size_t i = 0; i + 6 < o->n; i++)
		if (memcmp(o->p + i, "\\u", 2) == 0 && (o->p[i + 2] | 32) == 'd' && o->p[i + 3] >= '8')
			memcpy(o->p + i + 2, "FFFD", 4);
	return sp_out_view(o);
}

static void
check_vector(sp_jval *row, unsigned *accepted)
{
	sp_slice input = sp_jtext(SP_JGET(row, "input"));
	struct sp_uri u;
	char buf[512];
	struct sp_out o;

	if (sp_uri_read(input, &u, NULL) != SP_OK)
		return;
	(*accepted)++;
	if (sp_jtrue(SP_JGET(row, "failure")))
		fail_msg("must fail: `%.*s`", SP_PRI(input));
	sp_out_init(&o, buf, sizeof buf);
	sp_uri_origin(&o, &u);
	/* There, IPv6 addresses are rewritten; here their text stays. */
	if (u.kind != SP_HOST_IPV6 && SP_JGET(row, "origin") != NULL && !sp_eq(sp_out_view(&o), sp_jtext(SP_JGET(row, "origin"))))
		fail_msg("another origin: `%.*s`", SP_PRI(input));
	/* There, an apostrophe in a query becomes %27. */
	if (u.query.n != 0 && !sp_has_byte(u.query, '\'') &&
	    !sp_eq(u.query, sp_sub(sp_jtext(SP_JGET(row, "search")), 1, SIZE_MAX)))
		fail_msg("another query: `%.*s`", SP_PRI(input));
}

static void
test_vectors(void **state)
{
	struct sp_out o;
	struct sp_json j = { 0 };
	struct sp_err e = { 0 };
	unsigned rows = 0, accepted = 0;
	sp_slice text;

	(void)state;
	sp_out_heap(&o, 1 << 22);
	text = load(&o);
	if (text.n == 0) {
		print_message("skipped: no vectors (url/urltestdata.json)\n");
		skip();
	}
	if (sp_json_read(text, SP_JSON_DEFAULT, &j, &e) != SP_OK)
		fail_msg("%s", e.log);
	for (struct sp_jiter it = sp_jeach(j.root); sp_jnext(&it);)
		if (sp_jis_obj(it.val))
			rows++, check_vector(it.val, &accepted);
	print_message("%u rows, %u accepted\n", rows, accepted);
	assert_true(rows > 800 && accepted > 30);
	sp_json_free(&j);
	sp_out_free(&o);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good), cmocka_unit_test(test_bad), cmocka_unit_test(test_long),
		cmocka_unit_test(test_same_origin), cmocka_unit_test(test_hostport), cmocka_unit_test(test_percent),
		cmocka_unit_test(test_vectors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

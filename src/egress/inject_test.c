#include "egress/testworld.h"

struct fixture {
	struct sp_imgb b;
	struct sp_image img;
	struct sp_secret *secrets[G_COUNT];
	char *head;
};

static void
put(struct fixture *f, enum tw_grant g, sp_slice v)
{
	sp_secret_free(&f->secrets[g]);
	f->secrets[g] = sp_secret_new(v.n);
	assert_int_equal(sp_secret_set(f->secrets[g], v), SP_OK);
}

static void
open_fixture(struct fixture *f)
{
	memset(f, 0, sizeof *f);
	tw_image(&f->b, &f->img);
	f->head = sp_locked_new(4096);
	assert_non_null(f->head);
	for (int g = 0; g < G_COUNT; g++)
		put(f, (enum tw_grant)g, SP_LIT(TW_KEY));
	put(f, G_BASIC, SP_LIT("user:pass word"));
	put(f, G_QUERY, SP_LIT("a&b=c d%+"));
}

static void
close_fixture(struct fixture *f)
{
	for (int g = 0; g < G_COUNT; g++)
		sp_secret_free(&f->secrets[g]);
	sp_locked_free(f->head);
	sp_imgb_free(&f->b);
}

static enum sp_status
inject(struct fixture *f, enum tw_tool tool, const struct sp_request *r, struct sp_out *o, struct sp_err *e)
{
	const struct sp_img_tool *t = SP_IMG_AT(&f->img, f->img.head->tools, tool, tool);
	const struct sp_inject in = { &f->img, SP_IMG_AT(&f->img, f->img.head->servers, server, 0), f->secrets };

	sp_out_init(o, f->head, 4096);
	return sp_inject(&in, SP_IMG_AT(&f->img, t->op, op, 0), r, o, e);
}

#define HOST "Host: 127.0.0.1:8080\r\nUser-Agent: sallyport\r\nAccept-Encoding: identity\r\n"

static const struct {
	const char *name;
	enum tw_tool tool;
	unsigned method;
	const char *target;
	struct sp_bind_field fields[3];
	uint32_t nfields;
	const char *want;
} rows[] = {
	{ "header", T_GET, SP_GET, "/v1/items/7?q=1", { { SP_LIT_INIT("Accept"), SP_LIT_INIT("*/*") } }, 1,
	    "GET /v1/items/7?q=1 HTTP/1.1\r\n" HOST "Accept: */*\r\nX-API-Key: " TW_KEY "\r\n\r\n" },
	{ "bearer", T_BEARER, SP_GET, "/v1/bearer/7", { { { 0 }, { 0 } } }, 0,
	    "GET /v1/bearer/7 HTTP/1.1\r\n" HOST "Authorization: Bearer " TW_KEY "\r\n\r\n" },
	{ "basic", T_BASIC, SP_GET, "/v1/basic/7", { { { 0 }, { 0 } } }, 0,
	    "GET /v1/basic/7 HTTP/1.1\r\n" HOST "Authorization: Basic dXNlcjpwYXNzIHdvcmQ=\r\n\r\n" },
	{ "query", T_QUERY, SP_GET, "/v1/query/7", { { { 0 }, { 0 } } }, 0,
	    "GET /v1/query/7?api_key=a%26b%3Dc%20d%25%2B HTTP/1.1\r\n" HOST "\r\n" },
	{ "query, after others", T_QUERY, SP_GET, "/v1/query/7?q=1", { { { 0 }, { 0 } } }, 0,
	    "GET /v1/query/7?q=1&api_key=a%26b%3Dc%20d%25%2B HTTP/1.1\r\n" HOST "\r\n" },
	{ "cookie", T_COOKIE, SP_GET, "/v1/cookie/7", { { { 0 }, { 0 } } }, 0,
	    "GET /v1/cookie/7 HTTP/1.1\r\n" HOST "Cookie: sid=" TW_KEY "\r\n\r\n" },
	{ "no credential", T_ANY, SP_GET, "/v1/open/7", { { { 0 }, { 0 } } }, 0,
	    "GET /v1/open/7 HTTP/1.1\r\n" HOST "\r\n" },
	{ "POST without a body says so", T_POST, SP_POST, "/v1/items/7", { { { 0 }, { 0 } } }, 0,
	    "POST /v1/items/7 HTTP/1.1\r\n" HOST "Content-Length: 0\r\nX-API-Key: " TW_KEY "\r\n\r\n" },
	{ "M04 argument named as the credential's header", T_GET, SP_GET, "/v1/items/7",
	    { { SP_LIT_INIT("x-ApI-kEy"), SP_LIT_INIT("mine") }, { SP_LIT_INIT("X-Note"), SP_LIT_INIT("hi") } }, 2,
	    "GET /v1/items/7 HTTP/1.1\r\n" HOST "X-Note: hi\r\nX-API-Key: " TW_KEY "\r\n\r\n" },
	{ "M04 Authorization, though this operation uses another slot", T_GET, SP_GET, "/v1/items/7",
	    { { SP_LIT_INIT("authorization"), SP_LIT_INIT("Bearer x") } }, 1,
	    "GET /v1/items/7 HTTP/1.1\r\n" HOST "X-API-Key: " TW_KEY "\r\n\r\n" },
	{ "M04 Host, Content-Length, Cookie", T_ANY, SP_GET, "/v1/open/7",
	    { { SP_LIT_INIT("Host"), SP_LIT_INIT("evil") }, { SP_LIT_INIT("content-length"), SP_LIT_INIT("5") },
	    { SP_LIT_INIT("Cookie"), SP_LIT_INIT("a=b") } }, 3,
	    "GET /v1/open/7 HTTP/1.1\r\n" HOST "\r\n" },
	{ "K20 line break in a header that the binder let through", T_ANY, SP_GET, "/v1/open/7",
	    { { SP_LIT_INIT("X-Note"), SP_LIT_INIT("a\r\nX-API-Key: b") }, { SP_LIT_INIT("X-N\r\n"), SP_LIT_INIT("b") } }, 2,
	    "GET /v1/open/7 HTTP/1.1\r\n" HOST "\r\n" },
	{ "M06 query argument with the name of the key", T_QUERY, SP_GET, "/v1/query/7?api_key=mine&q=1",
	    { { { 0 }, { 0 } } }, 0, "GET /v1/query/7?q=1&api_key=a%26b%3Dc%20d%25%2B HTTP/1.1\r\n" HOST "\r\n" },
	{ "M06 the name encoded", T_QUERY, SP_GET, "/v1/query/7?%61pi_%6bey=mine", { { { 0 }, { 0 } } }, 0,
	    "GET /v1/query/7?api_key=a%26b%3Dc%20d%25%2B HTTP/1.1\r\n" HOST "\r\n" },
	{ "M06 upper case", T_GET, SP_GET, "/v1/items/7?API_KEY=mine", { { { 0 }, { 0 } } }, 0,
	    "GET /v1/items/7 HTTP/1.1\r\n" HOST "X-API-Key: " TW_KEY "\r\n\r\n" },
	{ "narrow path and method", T_NARROW, SP_GET, "/v1/zones/a", { { { 0 }, { 0 } } }, 0,
	    "GET /v1/zones/a HTTP/1.1\r\n" HOST "X-Narrow: " TW_KEY "\r\n\r\n" },
};

static void
test_rows(void **state)
{
	struct fixture f;

	open_fixture(&f);
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct sp_bind_field fields[3];
		struct sp_request r = { .method = rows[i].method, .target = sp_str(rows[i].target), .fields = fields,
		    .nfields = rows[i].nfields };
		struct sp_err e = { 0 };
		struct sp_out o;

		memcpy(fields, rows[i].fields, sizeof fields);
		if (inject(&f, rows[i].tool, &r, &o, &e) != SP_OK)
			fail_msg("%s: %s", rows[i].name, e.log);
		if (!sp_eq(sp_out_view(&o), sp_str(rows[i].want)))
			fail_msg("%s: %.*s", rows[i].name, (int)o.n, o.p);
	}
	close_fixture(&f);
}

static const struct {
	const char *name;
	enum tw_tool tool;
	unsigned method;
	const char *target;
	enum sp_status want;
} refusals[] = {
	{ "Q02 path outside the prefix", T_NARROW, SP_GET, "/v1/other", SP_E_REFUSED },
	{ "Q02 a name that begins like the prefix", T_NARROW, SP_GET, "/v1/zones2", SP_E_REFUSED },
	{ "Q02 climbing out of the prefix", T_NARROW, SP_GET, "/v1/zones/../admin", SP_E_REFUSED },
	{ "Q02 climbing, encoded dots", T_NARROW, SP_GET, "/v1/zones/%2e%2e/admin", SP_E_REFUSED },
	{ "Q02 climbing, encoded slash", T_NARROW, SP_GET, "/v1/zones/..%2fadmin", SP_E_REFUSED },
	{ "Q02 climbing, encoded backslash", T_NARROW, SP_GET, "/v1/zones/..%5Cadmin", SP_E_REFUSED },
	{ "Q02 climbing at the end", T_NARROW, SP_GET, "/v1/zones/..", SP_E_REFUSED },
	{ "Q02 bad encoding", T_NARROW, SP_GET, "/v1/zones/%zz", SP_E_REFUSED },
	{ "method differs from the operation's", T_GET, SP_POST, "/v1/items/7", SP_E_REFUSED },
	{ "space in the target", T_GET, SP_GET, "/v1/items/7 HTTP/1.1\r\nX: y", SP_E_REFUSED },
	{ "K20 line break in the target", T_GET, SP_GET, "/v1/items/7\r\nHost: evil", SP_E_REFUSED },
	{ "absolute target", T_GET, SP_GET, "http://evil/", SP_E_REFUSED },
	{ "empty target", T_GET, SP_GET, "", SP_E_REFUSED },
	{ "fragment", T_GET, SP_GET, "/v1/items/7#x", SP_E_REFUSED },
	{ "two secrets for one field", T_TWIN, SP_GET, "/v1/twin/7", SP_E_REFUSED },
};

static void
test_refusals(void **state)
{
	struct fixture f;

	open_fixture(&f);
	for (size_t i = 0; i < SP_COUNT(refusals); i++) {
		struct sp_request r = { .method = refusals[i].method, .target = sp_str(refusals[i].target) };
		struct sp_err e = { 0 };
		struct sp_out o;
		enum sp_status st = inject(&f, refusals[i].tool, &r, &o, &e);

		if (st != refusals[i].want)
			fail_msg("%s: %d, %.*s", refusals[i].name, st, (int)o.n, o.p);
		/* Nothing of it is left, and no secret is in the reason. */
		if (o.n != 0 || sp_find(sp_mem(f.head, 4096), SP_LIT(TW_KEY)) != SIZE_MAX || strstr(e.log, TW_KEY) != NULL)
			fail_msg("%s: something is left", refusals[i].name);
	}
	close_fixture(&f);
}

/* Cookies of arguments and of secrets are one field; what is a slot or no plain cookie is left out. */
static void
test_cookies(void **state)
{
	static const struct { const char *name; enum tw_tool tool; const char *cookies, *want; } cases[] = {
		{ "M05 arguments alone", T_ANY, "a=1; b=x%3B%20admin%3D1", "Cookie: a=1; b=x%3B%20admin%3D1\r\n" },
		{ "M05 arguments and a secret", T_COOKIE, "a=1; b=2", "Cookie: a=1; b=2; sid=" TW_KEY "\r\n" },
		{ "M05 a slot's name", T_COOKIE, "SID=mine; a=1", "Cookie: a=1; sid=" TW_KEY "\r\n" },
		{ "M05 a slot's name, alone", T_ANY, "sid=mine", "" },
		{ "M05 no cookie at all", T_ANY, "a b=1; =2; c; d=x\"y; e=1\r\nX: y", "" },
		{ "no secret beside them", T_GET, "a=1", "Cookie: a=1\r\nX-API-Key: " TW_KEY "\r\n" },
	};
	struct fixture f;

	open_fixture(&f);
	for (size_t i = 0; i < SP_COUNT(cases); i++) {
		struct sp_request r = { .method = SP_GET, .target = SP_LIT("/v1/x/7"), .cookies = sp_str(cases[i].cookies) };
		struct sp_err e = { 0 };
		char want[512];
		struct sp_out o;

		snprintf(want, sizeof want, "GET /v1/x/7 HTTP/1.1\r\n" HOST "%s\r\n", cases[i].want);
		if (inject(&f, cases[i].tool, &r, &o, &e) != SP_OK || !sp_eq(sp_out_view(&o), sp_str(want)))
			fail_msg("%s: %s %.*s", cases[i].name, e.log, (int)o.n, o.p);
	}
	close_fixture(&f);
}

/* An operation with a server of its own: the Host is that one's, and a secret of the other stays at home. */
static void
test_operation_origin(void **state)
{
	struct sp_request r = { .method = SP_GET, .target = SP_LIT("/up/7") };
	struct sp_img_origin *o = calloc(1, sizeof *o);
	struct fixture f;
	struct sp_err e = { 0 };
	struct sp_out out;

	assert_non_null(o);
	open_fixture(&f);
	struct sp_img_server *s = (struct sp_img_server *)(uintptr_t)SP_IMG_AT(&f.img, f.img.head->servers, server, 0);
	const struct sp_img_tool *keyed = SP_IMG_AT(&f.img, f.img.head->tools, tool, T_GET);
	const struct sp_img_tool *open = SP_IMG_AT(&f.img, f.img.head->tools, tool, T_ANY);
	struct sp_img_op *with = (struct sp_img_op *)(uintptr_t)SP_IMG_AT(&f.img, keyed->op, op, 0);
	struct sp_img_op *without = (struct sp_img_op *)(uintptr_t)SP_IMG_AT(&f.img, open->op, op, 0);
	const struct sp_img_grant *g = SP_IMG_AT(&f.img, s->grants, grant, G_KEY);

	/* Its record stands in the place of one that these operations do not need: the grant for T_TWIN. */
	*o = (struct sp_img_origin){ .host = s->name, .port = 8443, .https = 1 };
	memcpy((void *)(uintptr_t)SP_IMG_AT(&f.img, s->grants, grant, G_TWIN), o, sizeof *o);
	s->origins = (struct sp_ref){ s->grants.off + G_TWIN * (uint32_t)sizeof *g, 1 };
	s->grants.n = G_TWIN;
	with->origin = without->origin = 1;
	assert_int_equal(inject(&f, T_ANY, &r, &out, &e), SP_OK);
	assert_true(sp_starts(sp_out_view(&out), SP_LIT("GET /up/7 HTTP/1.1\r\nHost: api:8443\r\n")));
	/* M08, Q02: the grant is for the server's own origin. */
	assert_int_equal(inject(&f, T_GET, &r, &out, &e), SP_E_REFUSED);
	assert_int_equal(out.n, 0);
	/* Granted for that origin it goes there, and no longer to the server's own. */
	struct sp_img_grant *mine = (struct sp_img_grant *)(uintptr_t)g;
	mine->host = s->name;
	mine->port = 8443;
	mine->https = 1;
	assert_int_equal(inject(&f, T_GET, &r, &out, &e), SP_OK);
	assert_true(sp_find(sp_out_view(&out), SP_LIT("X-API-Key: " TW_KEY)) != SIZE_MAX);
	with->origin = 0;
	assert_int_equal(inject(&f, T_GET, &r, &out, &e), SP_E_REFUSED);
	close_fixture(&f);
	free(o);
}

/* Several secrets in one request, each in its own place. */
static void
test_several(void **state)
{
	struct sp_request r = { .method = SP_GET, .target = SP_LIT("/v1/x/7?q=1"), .cookies = SP_LIT("a=1") };
	static const uint32_t all[] = { G_KEY, G_BASIC, G_QUERY, G_COOKIE };
	struct fixture f;
	struct sp_err e = { 0 };
	struct sp_out o;

	open_fixture(&f);
	/* The list of grants stands where the parameters of this operation do: long enough, and aligned. */
	const struct sp_img_tool *t = SP_IMG_AT(&f.img, f.img.head->tools, tool, T_GET);
	struct sp_img_op *op = (struct sp_img_op *)(uintptr_t)SP_IMG_AT(&f.img, t->op, op, 0);

	memcpy((void *)(uintptr_t)(f.img.base + op->params.off), all, sizeof all);
	op->grants = (struct sp_ref){ op->params.off, SP_COUNT(all) };
	if (inject(&f, T_GET, &r, &o, &e) != SP_OK || !sp_eq(sp_out_view(&o), SP_LIT(
	    "GET /v1/x/7?q=1&api_key=a%26b%3Dc%20d%25%2B HTTP/1.1\r\n" HOST "Cookie: a=1; sid=" TW_KEY "\r\n"
	    "X-API-Key: " TW_KEY "\r\nAuthorization: Basic dXNlcjpwYXNzIHdvcmQ=\r\n\r\n")))
		fail_msg("%s %.*s", e.log, (int)o.n, o.p);
	close_fixture(&f);
}

/* The image says one origin, the grant another: what a wrong loader would make. */
static void
test_other_origin(void **state)
{
	static const struct { const char *name; const char *host; uint32_t port, https; } other[] = {
		{ "Q02 host", "127.0.0.2", 8080, 0 }, { "Q02 port", "127.0.0.1", 8081, 0 },
		{ "Q04 scheme", "127.0.0.1", 8080, 1 },
	};
	struct sp_request r = { .method = SP_GET, .target = SP_LIT("/v1/items/7") };

	for (size_t i = 0; i < SP_COUNT(other); i++) {
		struct fixture f;
		struct sp_err e = { 0 };
		struct sp_img_grant *g;
		struct sp_out o;

		open_fixture(&f);
		g = (struct sp_img_grant *)(uintptr_t)SP_IMG_AT(&f.img,
		    SP_IMG_AT(&f.img, f.img.head->servers, server, 0)->grants, grant, G_KEY);
		memcpy((char *)(uintptr_t)sp_img_str(&f.img, g->host).p, other[i].host, 9);
		g->port = other[i].port;
		g->https = other[i].https;
		/* the host text is shared with the server's: keep that as it was */
		if (i == 0) {
			struct sp_img_server *s = (struct sp_img_server *)(uintptr_t)SP_IMG_AT(&f.img, f.img.head->servers, server, 0);

			s->host = s->name;	/* "api" is not 127.0.0.2 */
		}
		if (inject(&f, T_GET, &r, &o, &e) != SP_E_REFUSED || o.n != 0)
			fail_msg("%s: not refused", other[i].name);
		close_fixture(&f);
	}
}

static const struct { const char *name; enum tw_tool tool; enum tw_grant grant; sp_slice value; } bad[] = {
	{ "line break in a header", T_GET, G_KEY, SP_LIT_INIT("abc\r\ndef") },
	{ "NUL in a header", T_GET, G_KEY, SP_LIT_INIT("abc\0def") },
	{ "empty", T_GET, G_KEY, SP_LIT_INIT("") },
	{ "semicolon in a cookie", T_COOKIE, G_COOKIE, SP_LIT_INIT("a; admin=1") },
	{ "M05 space in a cookie", T_COOKIE, G_COOKIE, SP_LIT_INIT("a b") },
	{ "empty in a query", T_QUERY, G_QUERY, SP_LIT_INIT("") },
};

static void
test_bad_secrets(void **state)
{
	struct fixture f;

	open_fixture(&f);
	for (size_t i = 0; i < SP_COUNT(bad); i++) {
		struct sp_request r = { .method = SP_GET, .target = SP_LIT("/v1/items/7") };
		struct sp_err e = { 0 };
		struct sp_out o;

		put(&f, bad[i].grant, bad[i].value);
		if (inject(&f, bad[i].tool, &r, &o, &e) != SP_E_CONFIG || o.n != 0)
			fail_msg("%s: not refused", bad[i].name);
		put(&f, bad[i].grant, SP_LIT(TW_KEY));
	}
	sp_secret_free(&f.secrets[G_KEY]);
	struct sp_request r = { .method = SP_GET, .target = SP_LIT("/v1/items/7") };
	struct sp_err e = { 0 };
	struct sp_out o;
	assert_int_equal(inject(&f, T_GET, &r, &o, &e), SP_E_UNAVAILABLE);
	assert_non_null(strstr(e.log, "secret key (line 7)"));
	/* A head that does not fit. */
	put(&f, G_KEY, SP_LIT(TW_KEY));
	char *big = calloc(1, 5000);
	memset(big, 'a', 4999);
	big[0] = '/';
	r.target = sp_mem(big, 4999);
	assert_int_equal(inject(&f, T_GET, &r, &o, &e), SP_E_TOO_BIG);
	assert_int_equal(o.n, 0);
	free(big);
	close_fixture(&f);
}

int
main(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(test_rows), cmocka_unit_test(test_refusals), cmocka_unit_test(test_other_origin),
		cmocka_unit_test(test_bad_secrets), cmocka_unit_test(test_cookies), cmocka_unit_test(test_operation_origin),
		cmocka_unit_test(test_several),
	};
	return cmocka_run_group_tests(all, tw_secrets, tw_secrets_end);
}

/* The egress of an authority against a played keeper, dialer and upstream. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tls/testcert.h"

#include "base/log.h"
#include "crypto/crypto.h"
#include "crypto/testsign.h"
#include "egress/authority_int.h"
#include "vault/secret.h"

#define ISSUER "http://127.0.0.1:9000/tenant1"
#define META "{\"issuer\":\"" ISSUER "\",\"jwks_uri\":\"http://127.0.0.1:9000/keys?v=1\"}"

enum { CONNS = 32, REPLY = 1 << 20 };

struct asked { bool host, https; char name[256]; uint32_t port; };

struct world {
	uv_loop_t loop;
	struct sp_imgb b;
	struct sp_image img;
	struct sp_authority *a;
	struct sp_counters *counters;
	struct sp_chan *keeper, *dialer;
	struct asked asked[CONNS];
	int	 up[CONNS];
	unsigned nup;
	const char *dial_error;
	unsigned told;			/* KEYS messages */
	uint32_t serial, status;
	struct sp_out text;
};

/* Two sets of one key each, and their normal form. */
static char *set_a, *set_b;

/* --- peers */

static bool
keeper_message(void *ctx, struct sp_chan *ch, unsigned type, sp_slice body, const int *fds, unsigned nfds)
{
	struct world *w = ctx;
	struct sp_m_keys m;

	assert_int_equal(type, SP_M_KEYS);
	assert_true(sp_dec_keys(body, &m));
	assert_int_equal(m.authority, 0);
	assert_true((m.status == SP_OK) == (m.text.n != 0));
	w->told++;
	w->serial = m.serial;
	w->status = m.status;
	sp_out_reset(&w->text);
	sp_out_slice(&w->text, m.text);
	sp_out_byte(&w->text, '\0');
	return true;
}

static void
keeper_closed(void *ctx, struct sp_chan *ch, const char *why)
{
	sp_chan_free(&((struct world *)ctx)->keeper);
}

static void
dial_answer(struct world *w, uint32_t id)
{
	struct sp_m_dialed ok = { id, SP_LIT("127.0.0.1:9000") };
	struct sp_m_dial_error err = { id, SP_E_UPSTREAM, { NULL, 0 } };
	char buf[256];
	struct sp_out o;
	int sv[2];

	sp_out_init(&o, buf, sizeof buf);
	if (w->dial_error != NULL) {
		err.text = sp_str(w->dial_error);
		sp_enc_dial_error(&o, &err);
		assert_int_equal(sp_chan_send(w->dialer, SP_M_DIAL_ERROR, sp_out_view(&o), NULL, 0), SP_OK);
		w->up[w->nup++] = -1;
		return;
	}
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sv), 0);
	w->up[w->nup++] = sv[0];
	sp_enc_dialed(&o, &ok);
	assert_int_equal(sp_chan_send(w->dialer, SP_M_DIALED, sp_out_view(&o), &sv[1], 1), SP_OK);
	close(sv[1]);
}

static bool
dialer_message(void *ctx, struct sp_chan *ch, unsigned type, sp_slice body, const int *fds, unsigned nfds)
{
	struct world *w = ctx;
	struct asked *at = &w->asked[w->nup];
	struct sp_m_dial_host host;
	struct sp_m_dial own;

	assert_true(w->nup < CONNS);
	if (type == SP_M_DIAL) {
		assert_true(sp_dec_dial(body, &own));
		assert_int_equal(own.origin, 0);
		*at = (struct asked){ .host = false };
		dial_answer(w, own.id);
		return true;
	}
	assert_true(type == SP_M_DIAL_HOST && sp_dec_dial_host(body, &host));
	*at = (struct asked){ .host = true, .https = host.https != 0, .port = host.port };
	assert_true(sp_cstr(host.host, at->name, sizeof at->name));
	dial_answer(w, host.id);
	return true;
}

static void
dialer_closed(void *ctx, struct sp_chan *ch, const char *why)
{
	sp_chan_free(&((struct world *)ctx)->dialer);
}

static void
turn(struct world *w)
{
	for (int i = 0; i < 12; i++)
		uv_run(&w->loop, UV_RUN_NOWAIT);
}

static void
join(struct world *w, enum sp_role role)
{
	static const struct sp_chan_ops keeper_ops = { keeper_message, keeper_closed };
	static const struct sp_chan_ops dialer_ops = { dialer_message, dialer_closed };
	bool keeper = role == SP_KEEPER;
	struct sp_chan **ch = keeper ? &w->keeper : &w->dialer;
	int sv[2];

	sp_chan_free(ch);
	assert_int_equal(socketpair(AF_UNIX, (keeper ? SOCK_STREAM : SOCK_SEQPACKET) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sv), 0);
	assert_int_equal(sp_chan_new(&w->loop, sv[0], keeper ? SP_CHAN_STREAM : SP_CHAN_PACKET, role, SP_EGRESS,
	    keeper ? &keeper_ops : &dialer_ops, w, ch), SP_OK);
	assert_int_equal(sp_authority_peer(w->a, role, sv[1]), SP_OK);
	turn(w);
}

/* --- the world */

static struct sp_ref
text(struct world *w, const char *s)
{
	return sp_imgb_str(&w->b, sp_str(s));
}

static void
make_image(struct world *w, struct sp_img_authority *au)
{
	struct sp_img_source src = { .type = SP_SOURCE_JWT, .authority = 1 };
	struct sp_img_head h = { .generation = 1, .limit_head = 16384, .limit_body = 1 << 20, .limit_answer = 1 << 20,
	    .limit_depth = 64, .limit_connections = 64, .limit_in_flight = 16, .limit_calls = 300,
	    .limit_calls_ms = 60000, .head_ms = 10000, .body_ms = 30000, .idle_ms = 60000, .call_ms = 60000 };
	struct sp_err e = { 0 };

	h.url = text(w, "http://localhost:8420/mcp");
	h.origin = text(w, "http://localhost:8420");
	sp_imgb_resources(&w->b, &h, &(struct sp_img_resource){ .path = text(w, "/mcp"), .url = h.url }, 1);
	src.name = text(w, "jwt");
	src.issuer = au->issuer;
	h.sources = SP_IMGB_ARRAY(&w->b, &src, 1);
	h.authorities = SP_IMGB_ARRAY(&w->b, au, 1);
	if (sp_imgb_finish(&w->b, &h, &e) != SP_OK || sp_image_check(w->b.o.p, w->b.o.n, &w->img, &e) != SP_OK)
		fail_msg("image: %s", e.log);
}

static void
begin(struct world *w, const char *issuer, const char *url, struct sp_tls_context *tls)
{
	struct sp_img_authority au = { .private_ok = 1, .line = 3 };
	struct sp_err e = { 0 };
	struct sp_uri u;
	int fd = -1;

	memset(w, 0, sizeof *w);
	sp_imgb_init(&w->b, 1 << 16);
	sp_out_heap(&w->text, REPLY);
	assert_int_equal(sp_uri_read(sp_str(url != NULL ? url : issuer), &u, &e), SP_OK);
	au.issuer = text(w, issuer);
	au.url = text(w, url != NULL ? url : "");
	au.host = sp_imgb_str(&w->b, u.host);
	au.host_kind = (uint32_t)u.kind;
	au.port = u.port;
	au.https = u.https;
	au.path = sp_imgb_str(&w->b, url == NULL && sp_eq(u.path, SP_LIT("/")) ? (sp_slice){ "", 0 } : u.path);
	make_image(w, &au);
	assert_int_equal(uv_loop_init(&w->loop), 0);
	assert_int_equal(sp_counters_create(&fd, &e), SP_OK);
	assert_int_equal(sp_counters_map(fd, &w->counters, &e), SP_OK);
	close(fd);
	if (sp_authority_new(&(struct sp_authority_config){ .loop = &w->loop, .img = &w->img, .incarnation = 2, .tls = tls,
	    .counters = w->counters, .row = 1 }, &w->a, &e) != SP_OK)
		fail_msg("authority: %s", e.log);
	sp_authority_start(w->a);
	join(w, SP_KEEPER);
	join(w, SP_DIALER);
}

static void
finish(struct world *w)
{
	sp_authority_free(&w->a);
	sp_chan_free(&w->keeper);
	sp_chan_free(&w->dialer);
	for (unsigned i = 0; i < w->nup; i++)
		if (w->up[i] >= 0)
			close(w->up[i]);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&w->loop), 0);
	sp_imgb_free(&w->b);
	sp_out_free(&w->text);
}

/* What the n-th connection asked for. */
static const char *
heard(struct world *w, unsigned n)
{
	static char buf[8192];
	ssize_t r;

	if (n >= w->nup || w->up[n] < 0)
		return "(no connection)";
	r = recv(w->up[n], buf, sizeof buf - 1, MSG_DONTWAIT);
	buf[r > 0 ? r : 0] = '\0';
	return buf;
}

static void
say(struct world *w, unsigned n, sp_slice what)
{
	while (what.n != 0 && w->up[n] >= 0) {
		ssize_t r = send(w->up[n], what.p, what.n, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (r < 0 && errno != EAGAIN)
			return;
		if (r > 0)
			sp_advance(&what, (size_t)r);
		turn(w);
	}
	turn(w);
}

static void
reply(struct world *w, unsigned n, const char *head, const char *body)
{
	char *all = malloc(strlen(body) + 512);
	int k = snprintf(all, strlen(body) + 512, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s", head, strlen(body), body);

	say(w, n, sp_mem(all, (size_t)k));
	free(all);
}

static void
want_keys(struct world *w)
{
	struct sp_m_id m = { 0 };

	sp_enc_id(sp_chan_begin(w->keeper, SP_M_KEYS_WANT), &m);
	sp_chan_end(w->keeper);
	turn(w);
}

static uint64_t
counted(struct world *w, enum sp_counter what)
{
	return sp_counter_sum(w->counters, what);
}

/* As if so much time had gone by since the last fetch and the last set. */
static void
let_pass(struct world *w, uint64_t ms)
{
	w->a->began_ms -= ms;
	w->a->came_ms -= ms;
}

/* --- the key set from a place of its own */

#define JSON "200 OK\r\nContent-Type: application/json"

static void
test_url(void **state)
{
	struct world w;
	const char *req;

	begin(&w, ISSUER, "http://127.0.0.1:9000/jwks.json", NULL);
	assert_int_equal(w.told, 1);		/* nobody waits for the first */
	assert_int_equal(w.status, SP_E_UNAVAILABLE);
	assert_int_equal(w.nup, 1);
	assert_false(w.asked[0].host);
	req = heard(&w, 0);
	assert_string_equal(req, "GET /jwks.json HTTP/1.1\r\nHost: 127.0.0.1:9000\r\nUser-Agent: sallyport\r\n"
	    "Accept-Encoding: identity\r\nAccept: application/json, application/jwk-set+json\r\nConnection: close\r\n\r\n");
	reply(&w, 0, JSON, set_a);
	assert_int_equal(w.told, 2);
	assert_int_equal(w.status, SP_OK);
	assert_string_equal(w.text.p, set_a);
	assert_true(w.serial > (2u << 16));
	/* A keeper that comes later is told at once. */
	join(&w, SP_KEEPER);
	assert_int_equal(w.told, 3);
	assert_string_equal(w.text.p, set_a);
	assert_int_equal(counted(&w, SP_C_KEY_FETCHES_TOTAL), 1);
	assert_int_equal(counted(&w, SP_C_KEY_FETCH_ERRORS_TOTAL), 0);
	finish(&w);
}

/* --- discovery, and what is refused */

struct step { const char *path, *head, *body; };

#define OAS "GET /.well-known/oauth-authorization-server/tenant1 "
#define OIDC "GET /.well-known/openid-configuration/tenant1 "
#define OIDC_IN "GET /tenant1/.well-known/openid-configuration "
#define KEYS "GET /keys?v=1 "
#define WITH_KEYS(uri) "{\"issuer\":\"" ISSUER "\",\"jwks_uri\":\"" uri "\"}"
#define ALL_THREE(head, body) { OAS, head, body }, { OIDC, head, body }, { OIDC_IN, head, body }
#define SET NULL			/* set_a */

static const struct {
	const char *name;
	struct step steps[4];
	bool	 ok;
	const char *why;		/* in the log */
} flows[] = {
	{ "RFC 8414 first", { { OAS, JSON, META }, { KEYS, JSON, SET } }, true, NULL },
	{ "then OpenID before the path", { { OAS, "404 No", "" }, { OIDC, JSON, META }, { KEYS, JSON, SET } }, true, NULL },
	{ "then OpenID behind the path", { { OAS, "404 No", "" }, { OIDC, "401 No", "" }, { OIDC_IN, JSON, META },
	    { KEYS, JSON, SET } }, true, NULL },
	{ "an HTML page is not metadata", { { OAS, "200 OK\r\nContent-Type: text/html", "<html>" }, { OIDC, JSON, META },
	    { KEYS, JSON, SET } }, true, NULL },
	{ "C06 another content type is no matter", { { OAS, "200 OK\r\nContent-Type: text/plain", META },
	    { KEYS, "200 OK", SET } }, true, NULL },
	{ "no metadata at all", { ALL_THREE("404 No", "") }, false, "status 404" },
	{ "C10 another issuer", { ALL_THREE(JSON, "{\"issuer\":\"http://127.0.0.1:9000/tenant2\",\"jwks_uri\":"
	    "\"http://127.0.0.1:9000/keys?v=1\"}") }, false, "issuer" },
	{ "C10 a slash more", { ALL_THREE(JSON, "{\"issuer\":\"" ISSUER "/\",\"jwks_uri\":\"http://127.0.0.1:9000/keys\"}") },
	    false, "issuer" },
	{ "C10 no issuer", { ALL_THREE(JSON, "{\"jwks_uri\":\"http://127.0.0.1:9000/keys\"}") }, false, "issuer" },
	{ "C10 the right one later", { { OAS, JSON, "{\"issuer\":\"x\"}" }, { OIDC, JSON, META }, { KEYS, JSON, SET } }, true, NULL },
	{ "no jwks_uri", { ALL_THREE(JSON, "{\"issuer\":\"" ISSUER "\"}") }, false, "jwks_uri" },
	{ "C11 ftp", { ALL_THREE(JSON, WITH_KEYS("ftp://127.0.0.1:9000/keys")) }, false, "jwks_uri" },
	{ "C11 file", { ALL_THREE(JSON, WITH_KEYS("file:///etc/passwd")) }, false, "jwks_uri" },
	{ "C11 data", { ALL_THREE(JSON, WITH_KEYS("data:application/json,{}")) }, false, "jwks_uri" },
	{ "C11 clear text to another host", { ALL_THREE(JSON, WITH_KEYS("http://169.254.169.254/keys")) }, false, "jwks_uri" },
	{ "C11 clear text to another port", { ALL_THREE(JSON, WITH_KEYS("http://127.0.0.1:6379/keys")) }, false, "jwks_uri" },
	{ "C11 userinfo", { ALL_THREE(JSON, WITH_KEYS("http://127.0.0.1:9000@evil.test/keys")) }, false, "jwks_uri" },
	{ "C11 a fragment", { ALL_THREE(JSON, WITH_KEYS("http://127.0.0.1:9000/keys#x")) }, false, "jwks_uri" },
	{ "C11 a line end", { ALL_THREE(JSON, WITH_KEYS("http://127.0.0.1:9000/keys\\r\\nX: y")) }, false, "jwks_uri" },
	{ "C11 relative", { ALL_THREE(JSON, WITH_KEYS("/keys")) }, false, "jwks_uri" },
	{ "C05 metadata elsewhere", { ALL_THREE("302 Found\r\nLocation: http://169.254.169.254/", "") }, false, "status 302" },
	{ "C05 keys elsewhere", { { OAS, JSON, META }, { KEYS, "302 Found\r\nLocation: http://169.254.169.254/", "" } }, false,
	    "status 302" },
	{ "C03 500", { { OAS, JSON, META }, { KEYS, "500 No", "" } }, false, "status 500" },
	{ "C04 compressed", { { OAS, JSON, META }, { KEYS, JSON "\r\nContent-Encoding: gzip", "x" } }, false, "coding" },
	{ "C04 over the limit", { { OAS, JSON, META }, { KEYS, JSON "\r\nX-Big: 1", "BIG" } }, false, "limit" },
	{ "C06 keys as HTML", { { OAS, JSON, META }, { KEYS, "200 OK\r\nContent-Type: application/json", "<html></html>" } }, false,
	    "JSON" },
	{ "C06 no keys", { { OAS, JSON, META }, { KEYS, JSON, "{}" } }, false, "keys" },
	{ "C06 keys is null", { { OAS, JSON, META }, { KEYS, JSON, "{\"keys\":null}" } }, false, "keys" },
	{ "C07 nothing but oct", { { OAS, JSON, META }, { KEYS, JSON, "{\"keys\":[{\"kty\":\"oct\",\"k\":"
	    "\"c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0\"}]}" } }, false, "secret" },
};

static const char *
body_of(const struct step *s)
{
	static char *big;

	if (s->body == SET)
		return set_a;
	if (strcmp(s->body, "BIG") != 0)
		return s->body;
	if (big == NULL) {
		big = malloc(SP_AUTHORITY_BODY + 2);
		memset(big, ' ', SP_AUTHORITY_BODY + 1);
		big[SP_AUTHORITY_BODY + 1] = '\0';
	}
	return big;
}

static void
test_c03_to_c11_flows(void **state)
{
	for (size_t i = 0; i < SP_COUNT(flows); i++) {
		struct world w;
		unsigned n = 0;

		begin(&w, ISSUER, NULL, NULL);
		for (; n < SP_COUNT(flows[i].steps) && flows[i].steps[n].path != NULL; n++) {
			const struct step *s = &flows[i].steps[n];

			if (!sp_starts(sp_str(heard(&w, n)), sp_str(s->path)))
				fail_msg("%s: request %u", flows[i].name, n);
			reply(&w, n, s->head, body_of(s));
		}
		if (w.a->running || w.nup != n)
			fail_msg("%s: %u requests", flows[i].name, w.nup);
		if ((w.status == SP_OK) != flows[i].ok || counted(&w, SP_C_KEY_FETCH_ERRORS_TOTAL) == flows[i].ok)
			fail_msg("%s: status %u", flows[i].name, w.status);
		if (flows[i].why != NULL && strstr(w.a->why, flows[i].why) == NULL)
			fail_msg("%s: %s", flows[i].name, w.a->why);
		finish(&w);
	}
}

static void
test_unreachable(void **state)
{
	struct world w;

	begin(&w, ISSUER, "http://127.0.0.1:9000/jwks.json", NULL);
	w.dial_error = "connection refused";
	close(w.up[0]);
	w.up[0] = -1;
	turn(&w);
	turn(&w);
	/* The connection broke before an answer; it was new, so nothing is sent again. */
	assert_false(w.a->running);
	want_keys(&w);				/* within the cool-down: what there is, and no fetch */
	assert_int_equal(w.status, SP_E_UNAVAILABLE);
	assert_int_equal(counted(&w, SP_C_KEY_FETCHES_TOTAL), 1);
	let_pass(&w, SP_AUTHORITY_COOL_MS);
	want_keys(&w);
	assert_int_equal(counted(&w, SP_C_KEY_FETCHES_TOTAL), 2);
	assert_int_equal(counted(&w, SP_C_KEY_FETCH_ERRORS_TOTAL), 2);
	assert_string_equal(w.a->why, "connection refused");
	assert_int_equal(w.told, 3);
	finish(&w);
}

/* --- asking again */

static void
test_c01_c02_one_fetch(void **state)
{
	struct world w;
	uint32_t serial;
	unsigned told;

	begin(&w, ISSUER, "http://127.0.0.1:9000/jwks.json", NULL);
	/* C02: however many want it, one fetch; one answer is for all of them. */
	for (int i = 0; i < 1000; i++)
		want_keys(&w);
	assert_int_equal(w.nup, 1);
	reply(&w, 0, JSON, set_a);
	assert_string_equal(w.text.p, set_a);
	assert_int_equal(counted(&w, SP_C_KEY_FETCHES_TOTAL), 1);
	serial = w.serial;
	/* C01: within the cool-down the set that is there is the answer. */
	told = w.told;
	for (int i = 0; i < 100; i++)
		want_keys(&w);
	assert_int_equal(w.nup, 1);
	assert_int_equal(w.told, told + 100);
	/* After it there is one fetch, and one message though nothing is new. */
	let_pass(&w, SP_AUTHORITY_COOL_MS);
	told = w.told;
	want_keys(&w);
	want_keys(&w);
	assert_int_equal(w.nup, 2);
	assert_int_equal(w.told, told);
	reply(&w, 1, JSON, set_a);
	assert_int_equal(w.told, told + 1);
	assert_int_equal(w.serial, serial);
	/* And one with a new set. */
	let_pass(&w, SP_AUTHORITY_COOL_MS);
	want_keys(&w);
	reply(&w, 2, JSON, set_b);
	assert_int_equal(w.serial, serial + 1);
	assert_string_equal(w.text.p, set_b);
	finish(&w);
}

/* C03: an old set is better than none, for a day. */
static void
test_c03_stale(void **state)
{
	struct world w;
	unsigned told;

	begin(&w, ISSUER, "http://127.0.0.1:9000/jwks.json", NULL);
	reply(&w, 0, JSON, set_a);
	told = w.told;
	let_pass(&w, SP_AUTHORITY_STALE_MS - 60000);
	want_keys(&w);
	reply(&w, 1, "500 No", "");
	assert_int_equal(w.told, told + 1);
	assert_int_equal(w.status, SP_OK);
	assert_string_equal(w.text.p, set_a);
	assert_in_range(uv_timer_get_due_in(&w.a->due), 1, SP_AUTHORITY_RETRY_MS);
	let_pass(&w, 60000);
	want_keys(&w);
	reply(&w, 2, JSON, "{}");
	assert_int_equal(w.told, told + 2);
	assert_int_equal(w.status, SP_E_UNAVAILABLE);
	/* And it comes back by itself. */
	w.a->began_ms -= SP_AUTHORITY_COOL_MS;
	want_keys(&w);
	reply(&w, 3, JSON, set_a);
	assert_int_equal(w.status, SP_OK);
	finish(&w);
}

static void
test_c03_back_off(void **state)
{
	static const uint64_t waits[] = { 5000, 10000, 20000, 40000, 80000, 160000, 300000, 300000 };
	struct world w;

	begin(&w, ISSUER, "http://127.0.0.1:9000/jwks.json", NULL);
	for (unsigned i = 0; i < SP_COUNT(waits); i++) {
		reply(&w, i, "503 No", "");
		assert_in_range(uv_timer_get_due_in(&w.a->due), waits[i] - 500, waits[i]);
		w.a->began_ms -= SP_AUTHORITY_COOL_MS;
		want_keys(&w);
	}
	finish(&w);
}

/* C03: one deadline for all of it, however slowly it comes. */
static void
test_c03_deadline(void **state)
{
	uint64_t began = uv_hrtime();
	struct world w;

	begin(&w, ISSUER, NULL, NULL);
	reply(&w, 0, JSON, META);
	say(&w, 1, SP_LIT("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"));
	while (w.a->running) {
		say(&w, 1, SP_LIT(" "));
		usleep(20000);
		assert_true(uv_hrtime() - began < 8000000000);
	}
	assert_in_range((uv_hrtime() - began) / 1000000, SP_AUTHORITY_FETCH_MS - 500, SP_AUTHORITY_FETCH_MS + 2000);
	assert_int_equal(counted(&w, SP_C_KEY_FETCH_ERRORS_TOTAL), 1);
	finish(&w);
}

static const struct { const char *name, *field; uint32_t s; } fresh[] = {
	{ "nothing said", "X: y", 3600 }, { "an hour and a bit", "Cache-Control: public, max-age=4000", 4000 },
	{ "too short", "Cache-Control: max-age=1", 300 }, { "zero", "Cache-Control: max-age=0", 300 },
	{ "too long", "Cache-Control: max-age=31536000", 86400 }, { "not to be kept", "Cache-Control: no-store", 300 },
	{ "checked each time", "cache-control: max-age=4000, No-Cache", 300 }, { "no number", "Cache-Control: max-age=x", 3600 },
	{ "overflow", "Cache-Control: max-age=99999999999999999999", 3600 }, { "quoted", "Cache-Control: max-age=\"60\"", 3600 },
	{ "negative", "Cache-Control: max-age=-1", 3600 }, { "for shared caches", "Cache-Control: s-maxage=60", 3600 },
};

static void
test_fresh(void **state)
{
	for (size_t i = 0; i < SP_COUNT(fresh); i++) {
		struct world w;
		char head[200];
		uint64_t ms = (uint64_t)fresh[i].s * 875;

		(void)snprintf(head, sizeof head, JSON "\r\n%s", fresh[i].field);
		begin(&w, ISSUER, "http://127.0.0.1:9000/jwks.json", NULL);
		reply(&w, 0, head, set_a);
		if (w.status != SP_OK || w.a->fresh_s != fresh[i].s)
			fail_msg("%s: %u", fresh[i].name, w.a->fresh_s);
		assert_in_range(uv_timer_get_due_in(&w.a->due), ms - 1000, ms);
		finish(&w);
	}
}

/* A connection for a fetch that is over is nobody's, whatever number the pool gives its own. */
static void
test_late_connection(void **state)
{
	struct world w;
	struct sp_m_dialed late = { 1, SP_LIT("x") };
	char buf[64], c;
	struct sp_out o;
	int sv[2];

	begin(&w, ISSUER, NULL, NULL);
	reply(&w, 0, "404 No", "");
	assert_int_equal(w.nup, 2);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sv), 0);
	sp_out_init(&o, buf, sizeof buf);
	sp_enc_dialed(&o, &late);
	assert_int_equal(sp_chan_send(w.dialer, SP_M_DIALED, sp_out_view(&o), &sv[1], 1), SP_OK);
	close(sv[1]);
	turn(&w);
	assert_int_equal(recv(sv[0], &c, 1, MSG_DONTWAIT), 0);
	close(sv[0]);
	finish(&w);
}

/* What keeper may not send here ends the channel, nothing else. */
static void
test_wrong_keeper(void **state)
{
	struct sp_m_id other = { 1 };
	struct world w;

	begin(&w, ISSUER, "http://127.0.0.1:9000/jwks.json", NULL);
	sp_enc_id(sp_chan_begin(w.keeper, SP_M_KEYS_WANT), &other);
	sp_chan_end(w.keeper);
	turn(&w);
	assert_null(w.keeper);
	reply(&w, 0, JSON, set_a);
	join(&w, SP_KEEPER);
	assert_int_equal(w.status, SP_OK);
	finish(&w);
}

/* --- over TLS, with the keys on another host */

static void
serve(struct world *w, unsigned n, X509 *cert, const char *path, const char *body)
{
	char buf[2048], all[4096];
	struct end s;
	int r = 0, fd = w->up[n];

	w->up[n] = -1;
	s = server(fd, cert, 0);
	for (int i = 0; i < 50 && r <= 0; i++) {
		if (SSL_is_init_finished(s.ssl))
			r = SSL_read(s.ssl, buf, sizeof buf - 1);
		else
			(void)SSL_do_handshake(s.ssl);
		turn(w);
	}
	if (path != NULL) {
		buf[r > 0 ? r : 0] = '\0';
		assert_true(sp_starts(sp_str(buf), sp_str(path)));
		r = snprintf(all, sizeof all, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(body), body);
		assert_int_equal(SSL_write(s.ssl, all, r), r);
		turn(w);
	}
	end_free(&s);
	turn(w);
}

#define TLS_META(uri) "{\"issuer\":\"https://idp.test\",\"jwks_uri\":\"" uri "\"}"

static void
test_c12_c13_other_host(void **state)
{
	X509 *idp = make_cert("x", "DNS:idp.test", -60, 600, leaf_key, ca, ca_key);
	X509 *keys = make_cert("x", "DNS:keys.test", -60, 600, leaf_key, ca, ca_key);
	struct sp_tls_context *tls = NULL;
	struct sp_err e = { 0 };
	struct world w;

	assert_int_equal(sp_tls_prepare(bundle_fd(), &tls, &e), SP_OK);
	begin(&w, "https://idp.test", NULL, tls);
	serve(&w, 0, idp, "GET /.well-known/oauth-authorization-server HTTP/1.1\r\nHost: idp.test\r\n",
	    TLS_META("https://keys.test/a"));
	/* C12: another host is asked for by name, so that dialer judges it; the change is noted. */
	assert_int_equal(w.nup, 2);
	assert_true(w.asked[1].host && w.asked[1].https);
	assert_string_equal(w.asked[1].name, "keys.test");
	assert_int_equal(w.asked[1].port, 443);
	assert_string_equal(w.a->keys_host, "keys.test");
	serve(&w, 1, keys, "GET /a HTTP/1.1\r\nHost: keys.test\r\n", set_a);
	assert_int_equal(w.status, SP_OK);
	/* C12, C13: what answers there must be that host; the set before stays. */
	let_pass(&w, SP_AUTHORITY_COOL_MS);
	want_keys(&w);
	serve(&w, 2, idp, "GET /", TLS_META("https://other.test:443/b"));
	assert_string_equal(w.a->keys_host, "other.test");
	serve(&w, 3, keys, NULL, NULL);
	assert_false(w.a->running);
	assert_int_equal(counted(&w, SP_C_KEY_FETCH_ERRORS_TOTAL), 1);
	assert_int_equal(w.status, SP_OK);
	/* C11: no clear text from an authority that has TLS. */
	let_pass(&w, SP_AUTHORITY_COOL_MS);
	want_keys(&w);
	serve(&w, 4, idp, "GET /.well-known/oauth-authorization-server ", TLS_META("http://idp.test/a"));
	serve(&w, 5, idp, "GET /.well-known/openid-configuration ", TLS_META("http://idp.test/a"));
	assert_false(w.a->running);
	assert_int_equal(w.nup, 6);
	assert_non_null(strstr(w.a->why, "https"));
	finish(&w);
	sp_tls_context_free(&tls);
	X509_free(idp);
	X509_free(keys);
}

static char *
make_set(void)
{
	struct sp_testkey *k = sp_testkey_new(SP_ES256, 0);
	struct sp_out o;
	char *all, *kty;

	sp_out_heap(&o, 4096);
	sp_out_str(&o, "{\"keys\":[");
	sp_testkey_jwk(k, &o, "");
	sp_out_str(&o, "]}");
	sp_out_byte(&o, '\0');
	all = strdup(o.p);
	kty = strstr(all, "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":");
	assert_non_null(kty);			/* members in our order, so it is its own normal form */
	sp_out_free(&o);
	sp_testkey_free(&k);
	return all;
}

static int
setup(void **state)
{
	struct sp_err e = { 0 };

	signal(SIGPIPE, SIG_IGN);
	sp_log_init("test", SP_ERROR);
	if (tc_setup(state) != 0 || sp_secret_init(1 << 20, false, NULL, &e) != SP_OK || sp_crypto_init(&e) != SP_OK)
		return -1;
	set_a = make_set();
	set_b = make_set();
	return 0;
}

static int
teardown(void **state)
{
	free(set_a);
	free(set_b);
	sp_secret_end();
	return tc_teardown(state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_url), cmocka_unit_test(test_c03_to_c11_flows), cmocka_unit_test(test_unreachable),
		cmocka_unit_test(test_c01_c02_one_fetch), cmocka_unit_test(test_c03_stale), cmocka_unit_test(test_c03_back_off),
		cmocka_unit_test(test_c03_deadline), cmocka_unit_test(test_fresh), cmocka_unit_test(test_late_connection),
		cmocka_unit_test(test_wrong_keeper), cmocka_unit_test(test_c12_c13_other_host),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

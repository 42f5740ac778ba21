/* The same egress with TLS to its upstream. */
#include "tls/testcert.h"

#include "egress/playworld.h"

#define OK_HEAD "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"

static struct sp_tls_context *
context(void)
{
	struct sp_tls_context *c = NULL;
	struct sp_err e = { 0 };

	if (sp_tls_prepare(bundle_fd(), &c, &e) != SP_OK)
		fail_msg("%s", e.log);
	return c;
}

/* The grants of the test image are for http: make them fit this server. */
static void
all_https(struct play *w)
{
	const struct sp_img_server *s = SP_IMG_AT(&w->img, w->img.head->servers, server, 0);

	for (uint32_t i = 0; i < s->grants.n; i++)
		((struct sp_img_grant *)(uintptr_t)SP_IMG_AT(&w->img, s->grants, grant, i))->https = 1;
}

static void
shake_all(struct play *w, struct end *s)
{
	for (int i = 0; i < 20; i++) {
		(void)SSL_do_handshake(s->ssl);
		pw_turn(w, 4);
	}
}

static size_t
heard(struct end *s, char *buf, size_t cap)
{
	int n = SSL_read(s->ssl, buf, (int)cap - 1);

	buf[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

static void
test_call(void **state)
{
	struct sp_tls_context *tls = context();
	X509 *cert = make_cert("x", "IP:127.0.0.1", -60, 600, leaf_key, ca, ca_key);
	char buf[8192];
	struct play w;
	struct end s;
	uint32_t id;

	pw_start(&w, tls);
	all_https(&w);
	pw_sync(&w);
	id = pw_call(&w, T_POST);
	s = server(w.up[0], cert, 0);
	shake_all(&w, &s);
	/* head and body in one record */
	assert_true(heard(&s, buf, sizeof buf) > 0);
	assert_true(sp_starts(sp_str(buf), SP_LIT("POST /v1/items/7 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n")));
	assert_non_null(strstr(buf, "X-API-Key: " TW_KEY));
	SSL_write(s.ssl, OK_HEAD "Content-Length: 2\r\n\r\nok", (int)strlen(OK_HEAD "Content-Length: 2\r\n\r\nok"));
	pw_turn(&w, 6);
	assert_non_null(strstr(pw_text(&w, id), "\"text\":\"ok\""));
	/* the session tickets that came with the handshake are no data: the connection is used again */
	for (int i = 0; i < 3; i++) {
		id = pw_call(&w, T_POST);
		assert_true(heard(&s, buf, sizeof buf) > 0);
		SSL_write(s.ssl, OK_HEAD "Content-Length: 3\r\n\r\n", (int)strlen(OK_HEAD "Content-Length: 3\r\n\r\n"));
		pw_turn(&w, 6);
		SSL_write(s.ssl, "yes", 3);
		pw_turn(&w, 6);
		assert_non_null(strstr(pw_text(&w, id), "\"text\":\"yes\""));
	}
	assert_int_equal(w.ndial, 1);
	/* K21: data on an idle connection */
	SSL_write(s.ssl, "HTTP/1.1 200 OK\r\n", 17);
	pw_turn(&w, 6);
	assert_int_equal(sp_pool_connections(w.eg.pool), 0);
	w.up[0] = -1;
	end_free(&s);
	X509_free(cert);
	pw_close(&w);
	sp_tls_context_free(&tls);
}

static void
test_wrong_certificate(void **state)
{
	struct sp_tls_context *tls = context();
	X509 *cert = make_cert("x", "IP:127.0.0.2", -60, 600, leaf_key, ca, ca_key);
	char buf[64];
	struct play w;
	struct end s;
	uint32_t id;

	pw_start(&w, tls);
	all_https(&w);
	pw_sync(&w);
	id = pw_call(&w, T_POST);
	s = server(w.up[0], cert, 0);
	shake_all(&w, &s);
	/* N07: a wrong address that TLS refuses; nothing was sent, and the text says no more than that */
	assert_non_null(strstr(pw_text(&w, id), "the upstream could not be reached; nothing was sent"));
	assert_int_equal(heard(&s, buf, sizeof buf), 0);
	w.up[0] = -1;
	end_free(&s);
	X509_free(cert);
	pw_close(&w);
	sp_tls_context_free(&tls);
}

/* A body of many records, then one that is cut off without a proper end. */
static void
test_large_and_cut(void **state)
{
	struct sp_tls_context *tls = context();
	X509 *cert = make_cert("x", "IP:127.0.0.1", -60, 600, leaf_key, ca, ca_key);
	static char body[100000];
	char buf[8192];
	struct play w;
	struct end s;
	uint32_t id;
	size_t sent = 0;

	memset(body, 'z', sizeof body);
	pw_start(&w, tls);
	all_https(&w);
	pw_sync(&w);
	id = pw_call(&w, T_POST);
	s = server(w.up[0], cert, 0);
	shake_all(&w, &s);
	assert_true(heard(&s, buf, sizeof buf) > 0);
	SSL_write(s.ssl, OK_HEAD "Content-Length: 100000\r\n\r\n", (int)strlen(OK_HEAD "Content-Length: 100000\r\n\r\n"));
	SSL_set_mode(s.ssl, SSL_MODE_ENABLE_PARTIAL_WRITE);
	while (sent < sizeof body) {
		int n = SSL_write(s.ssl, body + sent, (int)(sizeof body - sent));

		sent += n > 0 ? (size_t)n : 0;
		pw_turn(&w, 4);
	}
	pw_turn(&w, 20);
	assert_true(pw_reply(&w, id)->done);
	assert_true(pw_reply(&w, id)->n > sizeof body);
	/* K22: no length, and no close_notify: not taken for a whole answer */
	id = pw_call(&w, T_POST);
	assert_true(heard(&s, buf, sizeof buf) > 0);
	SSL_write(s.ssl, OK_HEAD "\r\nhalf", (int)strlen(OK_HEAD "\r\nhalf"));
	pw_turn(&w, 6);
	assert_false(pw_reply(&w, id)->done);
	w.up[0] = -1;
	end_free(&s);
	pw_turn(&w, 6);
	assert_non_null(strstr(pw_text(&w, id), "outcome is unknown"));
	X509_free(cert);
	pw_close(&w);
	sp_tls_context_free(&tls);
}

static int
setup(void **state)
{
	return tc_setup(state) == 0 && tw_secrets(state) == 0 ? 0 : -1;
}

static int
teardown(void **state)
{
	return tc_teardown(state) == 0 && tw_secrets_end(state) == 0 ? 0 : -1;
}

int
main(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(test_call), cmocka_unit_test(test_wrong_certificate), cmocka_unit_test(test_large_and_cut),
	};
	return cmocka_run_group_tests(all, setup, teardown);
}

#include "tls/testcert.h"

#include "tls/client.h"

static void
pair(int fds[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
}

static enum sp_tls_result
shake(struct sp_tls *t, struct end *s)
{
	enum sp_tls_result r = SP_TLS_WANT_READ;

	for (int i = 0; i < 20 && (r == SP_TLS_WANT_READ || r == SP_TLS_WANT_WRITE); i++) {
		r = sp_tls_handshake(t);
		(void)SSL_do_handshake(s->ssl);
	}
	return r;
}

static struct sp_tls_context *
context(void)
{
	struct sp_tls_context *c = NULL;
	struct sp_err e = { 0 };

	if (sp_tls_prepare(bundle_fd(), &c, &e) != SP_OK)
		fail_msg("%s", e.log);
	return c;
}

static const struct {
	const char *name, *cn, *san;
	long from, to;
	enum { OURS, FOREIGN, ITSELF } by;	/* who signed it */
	bool literal;
	const char *host;
	int version;
	enum sp_tls_result want;
} rows[] = {
	{ "right host", "x", "DNS:api.test", -60, 600, OURS, false, "api.test", 0, SP_TLS_OK },
	{ "right host, final dot", "x", "DNS:api.test", -60, 600, OURS, false, "api.test.", 0, SP_TLS_OK },
	{ "right host, TLS 1.2", "x", "DNS:api.test", -60, 600, OURS, false, "api.test", TLS1_2_VERSION, SP_TLS_OK },
	{ "wildcard", "x", "DNS:*.a.test", -60, 600, OURS, false, "api.a.test", 0, SP_TLS_OK },
	{ "address", "x", "IP:127.0.0.1", -60, 600, OURS, true, "127.0.0.1", 0, SP_TLS_OK },
	{ "address, IPv6", "x", "IP:::1", -60, 600, OURS, true, "::1", 0, SP_TLS_OK },
	{ "N07 C13 other host", "x", "DNS:evil.test", -60, 600, OURS, false, "api.test", 0, SP_TLS_FAILED },
	{ "K25 C13 name in the subject only", "api.test", NULL, -60, 600, OURS, false, "api.test", 0, SP_TLS_FAILED },
	{ "C13 other address", "x", "IP:127.0.0.2", -60, 600, OURS, true, "127.0.0.1", 0, SP_TLS_FAILED },
	{ "address as a name", "x", "DNS:127.0.0.1", -60, 600, OURS, true, "127.0.0.1", 0, SP_TLS_FAILED },
	{ "partial wildcard", "x", "DNS:a*.test", -60, 600, OURS, false, "api.test", 0, SP_TLS_FAILED },
	{ "wildcard over two labels", "x", "DNS:*.a.test", -60, 600, OURS, false, "a.b.a.test", 0, SP_TLS_FAILED },
	{ "C13 expired", "x", "DNS:api.test", -600, -60, OURS, false, "api.test", 0, SP_TLS_FAILED },
	{ "C13 not yet valid", "x", "DNS:api.test", 600, 6000, OURS, false, "api.test", 0, SP_TLS_FAILED },
	{ "C13 signed by nobody known", "x", "DNS:api.test", -60, 600, FOREIGN, false, "api.test", 0, SP_TLS_FAILED },
	{ "C13 signed by itself", "x", "DNS:api.test", -60, 600, ITSELF, false, "api.test", 0, SP_TLS_FAILED },
	{ "C13 TLS 1.0", "x", "DNS:api.test", -60, 600, OURS, false, "api.test", TLS1_VERSION, SP_TLS_FAILED },
	{ "C13 TLS 1.1", "x", "DNS:api.test", -60, 600, OURS, false, "api.test", TLS1_1_VERSION, SP_TLS_FAILED },
};

static void
test_verification(void **state)
{
	struct sp_tls_context *c = context();

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		X509 *cert = make_cert(rows[i].cn, rows[i].san, rows[i].from, rows[i].to, leaf_key,
		    rows[i].by == ITSELF ? NULL : ca, rows[i].by == OURS ? ca_key : leaf_key);
		struct sp_tls *t = NULL;
		struct sp_err e = { 0 };
		enum sp_tls_result got;
		struct end s;
		int fds[2];

		pair(fds);
		s = server(fds[1], cert, rows[i].version);
		if (sp_tls_new(c, fds[0], sp_str(rows[i].host), rows[i].literal, &t, &e) != SP_OK)
			fail_msg("%s: %s", rows[i].name, e.log);
		got = shake(t, &s);
		if (got != rows[i].want)
			fail_msg("%s: %d (%s)", rows[i].name, got, sp_tls_why(t));
		if (got == SP_TLS_FAILED && sp_tls_why(t)[0] == '\0')
			fail_msg("%s: no reason", rows[i].name);
		sp_tls_free(&t);
		close(fds[0]);
		end_free(&s);
		X509_free(cert);
	}
	sp_tls_context_free(&c);
}

/*
 * C13: nothing in the environment turns verification off or adds somebody to trust.  The bundle that is named here has
 * the test's own CA, and the context is made from an empty one.
 */
static void
test_c13_environment(void **state)
{
	static const struct { const char *name, *value; } vars[] = {
		{ "NODE_TLS_REJECT_UNAUTHORIZED", "0" }, { "PYTHONHTTPSVERIFY", "0" }, { "GIT_SSL_NO_VERIFY", "1" },
		{ "SSL_VERIFY", "off" }, { "SALLYPORT_TLS_VERIFY", "off" }, { "SSL_CERT_DIR", "/tmp" },
		{ "OPENSSL_CONF", "/dev/null" }, { "SSLKEYLOGFILE", "/dev/null" },
	};
	char bundle[64];
	X509 *other = make_cert("Other CA", NULL, -600, 6000, leaf_key, NULL, leaf_key);
	X509 *cert = make_cert("x", "DNS:api.test", -60, 600, leaf_key, ca, ca_key);
	struct sp_tls_context *c = NULL;
	struct sp_tls *t = NULL;
	struct sp_err e = { 0 };
	BIO *b = BIO_new(BIO_s_mem());
	int fds[2], trusted = bundle_fd(), fd = memfd_create("other", MFD_CLOEXEC);
	struct end s;
	char *pem;
	long n;

	for (size_t i = 0; i < SP_COUNT(vars); i++)
		setenv(vars[i].name, vars[i].value, 1);
	(void)snprintf(bundle, sizeof bundle, "/proc/self/fd/%d", trusted);
	setenv("SSL_CERT_FILE", bundle, 1);
	assert_int_equal(PEM_write_bio_X509(b, other), 1);
	n = BIO_get_mem_data(b, &pem);
	assert_int_equal(write(fd, pem, (size_t)n), n);
	assert_int_equal(sp_tls_prepare(fd, &c, &e), SP_OK);
	pair(fds);
	s = server(fds[1], cert, 0);
	assert_int_equal(sp_tls_new(c, fds[0], SP_LIT("api.test"), false, &t, &e), SP_OK);
	assert_int_equal(shake(t, &s), SP_TLS_FAILED);
	sp_tls_free(&t);
	sp_tls_context_free(&c);
	close(fds[0]);
	close(trusted);
	end_free(&s);
	BIO_free(b);
	X509_free(cert);
	X509_free(other);
	test_verification(state);
	for (size_t i = 0; i < SP_COUNT(vars); i++)
		unsetenv(vars[i].name);
	unsetenv("SSL_CERT_FILE");
}

static struct sp_tls *
connected(struct sp_tls_context *c, X509 *cert, int version, int *fd, struct end *s)
{
	struct sp_tls *t = NULL;
	struct sp_err e;
	int fds[2];

	pair(fds);
	*s = server(fds[1], cert, version);
	assert_int_equal(sp_tls_new(c, fds[0], SP_LIT("api.test"), false, &t, &e), SP_OK);
	assert_int_equal(shake(t, s), SP_TLS_OK);
	*fd = fds[0];
	return t;
}

static void
test_data_and_end(void **state)
{
	struct sp_tls_context *c = context();
	X509 *cert = make_cert("x", "DNS:api.test", -60, 600, leaf_key, ca, ca_key);
	struct end s;
	int fd;
	struct sp_tls *t = connected(c, cert, 0, &fd, &s);
	char buf[64];
	size_t n = 0;

	assert_int_equal(sp_tls_write(t, "GET /", 5, &n), SP_TLS_OK);
	assert_int_equal(SSL_read(s.ssl, buf, sizeof buf), 5);
	/* K21: session tickets are waiting in the socket; they are no data. */
	assert_int_equal(sp_tls_read(t, buf, sizeof buf, &n), SP_TLS_WANT_READ);
	assert_int_equal(SSL_write(s.ssl, "hello", 5), 5);
	assert_int_equal(sp_tls_read(t, buf, 2, &n), SP_TLS_OK);
	assert_int_equal(n, 2);
	assert_true(sp_tls_pending(t));
	assert_int_equal(sp_tls_read(t, buf, sizeof buf, &n), SP_TLS_OK);
	assert_int_equal(n, 3);
	assert_false(sp_tls_pending(t));
	SSL_shutdown(s.ssl);
	assert_int_equal(sp_tls_read(t, buf, sizeof buf, &n), SP_TLS_EOF);
	sp_tls_free(&t);
	close(fd);
	end_free(&s);
	/* K22: cut off without close_notify */
	t = connected(c, cert, 0, &fd, &s);
	end_free(&s);
	assert_int_equal(sp_tls_read(t, buf, sizeof buf, &n), SP_TLS_FAILED);
	sp_tls_free(&t);
	close(fd);
	X509_free(cert);
	sp_tls_context_free(&c);
}

/* K25: a server that asks for a new handshake gets none. */
static void
test_renegotiation(void **state)
{
	struct sp_tls_context *c = context();
	X509 *cert = make_cert("x", "DNS:api.test", -60, 600, leaf_key, ca, ca_key);
	struct end s;
	int fd, done = 0;
	struct sp_tls *t = connected(c, cert, TLS1_2_VERSION, &fd, &s);
	char buf[64];
	size_t n = 0;

	assert_int_equal(SSL_renegotiate(s.ssl), 1);
	(void)SSL_do_handshake(s.ssl);
	assert_int_not_equal(sp_tls_read(t, buf, sizeof buf, &n), SP_TLS_OK);
	for (int i = 0; i < 5 && !done; i++)
		done = SSL_do_handshake(s.ssl) == 1 && SSL_renegotiate_pending(s.ssl) == 0;
	assert_int_equal(n, 0);
	assert_false(done);
	sp_tls_free(&t);
	close(fd);
	end_free(&s);
	X509_free(cert);
	sp_tls_context_free(&c);
}

static void
test_garbage(void **state)
{
	struct sp_tls_context *c = context();
	struct sp_tls *t = NULL;
	struct sp_err e;
	int fds[2];

	pair(fds);
	assert_int_equal(sp_tls_new(c, fds[0], SP_LIT("api.test"), false, &t, &e), SP_OK);
	assert_int_equal(sp_tls_handshake(t), SP_TLS_WANT_READ);
	assert_int_equal(write(fds[1], "HTTP/1.1 400 Bad Request\r\n\r\n", 28), 28);
	assert_int_equal(sp_tls_handshake(t), SP_TLS_FAILED);
	sp_tls_free(&t);
	close(fds[0]);
	close(fds[1]);
	sp_tls_context_free(&c);
}

static void
test_trust_store(void **state)
{
	struct sp_tls_context *c = NULL;
	struct sp_tls *t = NULL;
	struct sp_err e = { 0 };
	int fd = memfd_create("empty", MFD_CLOEXEC);

	assert_int_equal(write(fd, "no certificate\n", 15), 15);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(sp_tls_prepare(fd, &c, &e), SP_OK);
	assert_int_equal(sp_tls_new(c, 0, SP_LIT("api.test"), false, &t, &e), SP_E_UPSTREAM);
	assert_int_equal(sp_tls_new(c, 0, SP_LIT("api.test"), false, &t, &e), SP_E_UPSTREAM);
	sp_tls_context_free(&c);
}

int
main(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(test_verification), cmocka_unit_test(test_c13_environment), cmocka_unit_test(test_data_and_end),
		cmocka_unit_test(test_renegotiation), cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_trust_store),
	};
	return cmocka_run_group_tests(all, tc_setup, tc_teardown);
}

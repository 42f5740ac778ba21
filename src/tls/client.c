#include "tls/client.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <unistd.h>

enum { BUNDLE_MAX = 8 << 20, CERTS_MAX = 4096 };

struct sp_tls_context {
	SSL_CTX *ctx;
	int	 trust_fd;		/* -1 once it was read */
	bool	 trusted;
};

struct sp_tls {
	SSL *ssl;
	const char *why;
};

/* Where distributions keep the bundle: Debian, Fedora, SUSE, Alpine. */
static const char *const bundles[] = {
	"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
	"/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem",
};

static int
open_bundle(void)
{
	for (size_t i = 0; i < SP_COUNT(bundles); i++) {
		int fd = open(bundles[i], O_RDONLY | O_CLOEXEC);

		if (fd != -1)
			return fd;
	}
	return -1;
}

/* What OpenSSL says about the last failure, from its own tables. */
static const char *
reason(const char *otherwise)
{
	const char *text = ERR_reason_error_string(ERR_peek_last_error());

	return text != NULL ? text : otherwise;
}

static const unsigned char http11[] = { 8, 'h', 't', 't', 'p', '/', '1', '.', '1' };

static bool
configure(SSL_CTX *ctx)
{
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_verify_depth(ctx, 10);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
	    SSL_MODE_RELEASE_BUFFERS);
	return SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
	    SSL_CTX_set_alpn_protos(ctx, http11, sizeof http11) == 0;
}

enum sp_status
sp_tls_prepare(int trust_fd, struct sp_tls_context **out, struct sp_err *e)
{
	struct sp_tls_context *c = calloc(1, sizeof *c);

	if (trust_fd == -1)
		trust_fd = open_bundle();
	if (c == NULL || trust_fd == -1) {
		free(c);
		return sp_fail(e, SP_E_SYSTEM, NULL, "no trust store: install the package ca-certificates");
	}
	c->trust_fd = trust_fd;
	/* No openssl.cnf: what is negotiated is written here and nowhere else. */
	if (OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) == 1)
		c->ctx = SSL_CTX_new(TLS_client_method());
	if (c->ctx == NULL || !configure(c->ctx)) {
		enum sp_status st = sp_fail(e, SP_E_SYSTEM, NULL, "TLS: %s", reason("cannot be set up"));

		sp_tls_context_free(&c);
		return st;
	}
	*out = c;
	return SP_OK;
}

void
sp_tls_context_free(struct sp_tls_context **c)
{
	if (*c == NULL)
		return;
	SSL_CTX_free((*c)->ctx);
	if ((*c)->trust_fd != -1)
		close((*c)->trust_fd);
	free(*c);
	*c = NULL;
}

/* --- the trust store */

static char *
read_all(int fd, size_t *n)
{
	/* Not fstat(): it is a path call to the kernel, which the jail of a role without paths refuses. */
	off_t size = lseek(fd, 0, SEEK_END);
	size_t got = 0;
	char *p;

	if (size <= 0 || size > BUNDLE_MAX || lseek(fd, 0, SEEK_SET) != 0)
		return NULL;
	p = malloc((size_t)size);
	while (p != NULL && got < (size_t)size) {
		ssize_t r = read(fd, p + got, (size_t)size - got);

		if (r <= 0) {
			free(p);
			return NULL;
		}
		got += (size_t)r;
	}
	*n = got;
	return p;
}

static unsigned
add_certs(X509_STORE *store, BIO *bio)
{
	unsigned n = 0;

	while (n < CERTS_MAX) {
		X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);

		if (x == NULL)
			break;
		n += X509_STORE_add_cert(store, x) == 1;
		X509_free(x);
	}
	ERR_clear_error();		/* the end of the bundle is reported as an error */
	return n;
}

/* Once, at the first connection: it costs more than a whole start. */
static enum sp_status
load_trust(struct sp_tls_context *c, struct sp_err *e)
{
	size_t n = 0;
	char *text;
	BIO *bio;

	if (c->trusted)
		return SP_OK;
	text = c->trust_fd == -1 ? NULL : read_all(c->trust_fd, &n);
	bio = text == NULL ? NULL : BIO_new_mem_buf(text, (int)n);
	if (bio != NULL)
		c->trusted = add_certs(SSL_CTX_get_cert_store(c->ctx), bio) != 0;
	BIO_free(bio);
	free(text);
	if (c->trust_fd != -1)
		close(c->trust_fd);
	c->trust_fd = -1;
	return c->trusted ? SP_OK : sp_fail(e, SP_E_UPSTREAM, NULL, "the trust store cannot be read");
}

/* --- a connection */

static bool
name_peer(SSL *ssl, const char *host, bool literal)
{
	X509_VERIFY_PARAM *p = SSL_get0_param(ssl);

	if (literal)
		return X509_VERIFY_PARAM_set1_ip_asc(p, host) == 1;
	X509_VERIFY_PARAM_set_hostflags(p, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	return X509_VERIFY_PARAM_set1_host(p, host, 0) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

enum sp_status
sp_tls_new(struct sp_tls_context *c, int fd, sp_slice host, bool literal, struct sp_tls **out, struct sp_err *e)
{
	enum sp_status st = load_trust(c, e);
	struct sp_tls *t;
	char name[256];

	if (st != SP_OK)
		return st;
	/* "example.com." is the same host; certificates and SNI have it without the dot. */
	if (!literal && host.n != 0 && host.p[host.n - 1] == '.')
		host.n--;
	if (host.n == 0 || !sp_cstr(host, name, sizeof name))
		return sp_fail(e, SP_E_BUG, NULL, "TLS: not a host");
	t = calloc(1, sizeof *t);
	if (t != NULL)
		t->ssl = SSL_new(c->ctx);
	if (t == NULL || t->ssl == NULL || !name_peer(t->ssl, name, literal) || SSL_set_fd(t->ssl, fd) != 1) {
		sp_tls_free(&t);
		return sp_fail(e, SP_E_SYSTEM, NULL, "TLS: %s", reason("no connection"));
	}
	SSL_set_connect_state(t->ssl);
	*out = t;
	return SP_OK;
}

void
sp_tls_free(struct sp_tls **t)
{
	if (*t == NULL)
		return;
	SSL_free((*t)->ssl);
	free(*t);
	*t = NULL;
}

static enum sp_tls_result
judge(struct sp_tls *t, int r)
{
	switch (SSL_get_error(t->ssl, r)) {
	case SSL_ERROR_WANT_READ:
		return SP_TLS_WANT_READ;
	case SSL_ERROR_WANT_WRITE:
		return SP_TLS_WANT_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		return SP_TLS_EOF;
	case SSL_ERROR_SYSCALL:
		t->why = "the connection broke";
		return SP_TLS_FAILED;
	default:
		t->why = reason("protocol error");
		return SP_TLS_FAILED;
	}
}

enum sp_tls_result
sp_tls_handshake(struct sp_tls *t)
{
	long verdict;
	int r;

	ERR_clear_error();
	r = SSL_do_handshake(t->ssl);
	if (r != 1) {
		enum sp_tls_result got = judge(t, r);

		verdict = SSL_get_verify_result(t->ssl);
		if (got == SP_TLS_FAILED && verdict != X509_V_OK)
			t->why = X509_verify_cert_error_string(verdict);
		return got == SP_TLS_EOF ? SP_TLS_FAILED : got;
	}
	/* SSL_VERIFY_PEER has ended the handshake already; this is the second lock on the same door. */
	if (SSL_get_verify_result(t->ssl) != X509_V_OK || SSL_get0_peer_certificate(t->ssl) == NULL) {
		t->why = "the certificate was not verified";
		return SP_TLS_FAILED;
	}
	return SP_TLS_OK;
}

enum sp_tls_result
sp_tls_read(struct sp_tls *t, void *buf, size_t cap, size_t *n)
{
	ERR_clear_error();
	return SSL_read_ex(t->ssl, buf, cap, n) == 1 ? SP_TLS_OK : judge(t, 0);
}

enum sp_tls_result
sp_tls_write(struct sp_tls *t, const void *buf, size_t n, size_t *taken)
{
	ERR_clear_error();
	return SSL_write_ex(t->ssl, buf, n, taken) == 1 ? SP_TLS_OK : judge(t, 0);
}

bool
sp_tls_pending(const struct sp_tls *t)
{
	return SSL_has_pending(t->ssl) == 1;
}

const char *
sp_tls_why(const struct sp_tls *t)
{
	return t->why == NULL ? "" : t->why;
}

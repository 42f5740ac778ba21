/* For tests only: a certificate authority and a TLS server in memory. */
#ifndef SP_TLS_TESTCERT_H
#define SP_TLS_TESTCERT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static EVP_PKEY *ca_key, *leaf_key;
static X509 *ca;

static void
ext(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX c;
	X509_EXTENSION *e;

	X509V3_set_ctx(&c, issuer, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &c, nid, value);
	assert_non_null(e);
	assert_int_equal(X509_add_ext(x, e, -1), 1);
	X509_EXTENSION_free(e);
}

static X509 *
make_cert(const char *cn, const char *san, long from_s, long to_s, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key)
{
	static long serial = 1;
	X509 *x = X509_new();
	X509_NAME *name = X509_get_subject_name(x);

	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), serial++);
	X509_gmtime_adj(X509_getm_notBefore(x), from_s);
	X509_gmtime_adj(X509_getm_notAfter(x), to_s);
	X509_set_pubkey(x, key);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)cn, -1, -1, 0);
	X509_set_issuer_name(x, issuer == NULL ? name : X509_get_subject_name(issuer));
	ext(x, issuer == NULL ? x : issuer, NID_basic_constraints, issuer == NULL ? "critical,CA:TRUE" : "CA:FALSE");
	if (san != NULL)
		ext(x, issuer == NULL ? x : issuer, NID_subject_alt_name, san);
	assert_true(X509_sign(x, issuer_key, EVP_sha256()) > 0);
	return x;
}

static int
bundle_fd(void)
{
	int fd = memfd_create("bundle", MFD_CLOEXEC);
	BIO *b = BIO_new_fd(dup(fd), BIO_CLOSE);

	assert_int_equal(PEM_write_bio_X509(b, ca), 1);
	BIO_free(b);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

struct end {
	SSL_CTX *ctx;
	SSL *ssl;
	int fd;
};

static int
choose_h2(SSL *ssl, const unsigned char **out, unsigned char *n, const unsigned char *in, unsigned inlen, void *arg)
{
	for (unsigned i = 0; i < inlen; i += in[i] + 1u)
		if (in[i] == 2 && memcmp(in + i + 1, "h2", 2) == 0)
			fail_msg("K25: h2 was offered");
	*out = in + 1;
	*n = in[0];
	return SSL_TLSEXT_ERR_OK;
}

static struct end
server(int fd, X509 *cert, int max_version)
{
	struct end s = { SSL_CTX_new(TLS_server_method()), NULL, fd };

	SSL_CTX_set_security_level(s.ctx, 0);
	SSL_CTX_set_max_proto_version(s.ctx, max_version);
	SSL_CTX_set_min_proto_version(s.ctx, TLS1_VERSION);
	SSL_CTX_use_certificate(s.ctx, cert);
	SSL_CTX_use_PrivateKey(s.ctx, leaf_key);
	SSL_CTX_set_alpn_select_cb(s.ctx, choose_h2, NULL);
	s.ssl = SSL_new(s.ctx);
	SSL_set_fd(s.ssl, fd);
	SSL_set_accept_state(s.ssl);
	return s;
}

static void
end_free(struct end *s)
{
	SSL_free(s->ssl);
	SSL_CTX_free(s->ctx);
	close(s->fd);
}

static int
tc_setup(void **state)
{
	signal(SIGPIPE, SIG_IGN);
	ca_key = EVP_EC_gen("P-256");
	leaf_key = EVP_EC_gen("P-256");
	ca = make_cert("Test CA", NULL, -600, 6000, ca_key, NULL, ca_key);
	return 0;
}

static int
tc_teardown(void **state)
{
	X509_free(ca);
	EVP_PKEY_free(ca_key);
	EVP_PKEY_free(leaf_key);
	return 0;
}

#endif

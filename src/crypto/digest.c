#include "crypto/internal.h"

#include <openssl/crypto.h>
#include <openssl/err.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/random.h>

/* What the folder fetches once, before the jail; the library may do so on several threads. */
static pthread_mutex_t once = PTHREAD_MUTEX_INITIALIZER;
static EVP_MD *sha256, *sha384, *sha512;
static EVP_MAC *hmac;
static atomic_bool ready;
/* A context that nobody uses at the moment: who takes it leaves nothing, and whoever comes then makes one. */
static _Atomic(EVP_MD_CTX *) spare;

const struct sp_algorithm sp_algorithms[SP_ALG_COUNT] = {
	[SP_RS256] = { "RS256", SP_KTY_RSA, 256, false },
	[SP_RS384] = { "RS384", SP_KTY_RSA, 384, false },
	[SP_RS512] = { "RS512", SP_KTY_RSA, 512, false },
	[SP_PS256] = { "PS256", SP_KTY_RSA, 256, true },
	[SP_PS384] = { "PS384", SP_KTY_RSA, 384, true },
	[SP_PS512] = { "PS512", SP_KTY_RSA, 512, true },
	[SP_ES256] = { "ES256", SP_KTY_EC256, 256, false },
	[SP_ES384] = { "ES384", SP_KTY_EC384, 384, false },
	[SP_ES512] = { "ES512", SP_KTY_EC521, 512, false },
	[SP_EDDSA] = { "EdDSA", SP_KTY_ED25519, 0, false },
	[SP_HS256] = { "HS256", SP_KTY_OCT, 256, false },
	[SP_HS384] = { "HS384", SP_KTY_OCT, 384, false },
	[SP_HS512] = { "HS512", SP_KTY_OCT, 512, false },
};

static enum sp_status
fetch(struct sp_err *e)
{
	/* openssl.cnf, and OPENSSL_CONF in the environment, could load foreign code. */
	if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
		return sp_fail(e, SP_E_SYSTEM, NULL, "OpenSSL does not start");
	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	sha384 = EVP_MD_fetch(NULL, "SHA384", NULL);
	sha512 = EVP_MD_fetch(NULL, "SHA512", NULL);
	hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	if (sha256 == NULL || sha384 == NULL || sha512 == NULL || hmac == NULL)
		return sp_fail(e, SP_E_SYSTEM, NULL, "OpenSSL lacks SHA-2 or HMAC");
	spare = EVP_MD_CTX_new();
	if (spare == NULL)
		return sp_fail(e, SP_E_SYSTEM, NULL, "no memory for a digest");
	ready = true;
	return SP_OK;
}

enum sp_status
sp_crypto_init(struct sp_err *e)
{
	enum sp_status st;

	if (ready)
		return SP_OK;
	pthread_mutex_lock(&once);
	st = ready ? SP_OK : fetch(e);
	pthread_mutex_unlock(&once);
	return st;
}

EVP_MAC *
sp_hmac(void)
{
	return hmac;
}

EVP_MD *
sp_alg_md(enum sp_alg a)
{
	switch (sp_algorithms[a].bits) {
	case 256:
		return sha256;
	case 384:
		return sha384;
	case 512:
		return sha512;
	}
	return NULL;
}

bool
sp_digest(EVP_MD *md, sp_slice in, uint8_t *out)
{
	EVP_MD_CTX *ctx = atomic_exchange(&spare, NULL);
	unsigned n;
	bool ok;

	if (ctx == NULL)
		ctx = EVP_MD_CTX_new();
	ok = ctx != NULL && EVP_DigestInit_ex2(ctx, md, NULL) == 1 && EVP_DigestUpdate(ctx, in.p, in.n) == 1 &&
	    EVP_DigestFinal_ex(ctx, out, &n) == 1;
	EVP_MD_CTX_free(atomic_exchange(&spare, ctx));
	return ok;
}

/* There is no answer to "SHA-256 failed" that a caller could act on; going on with garbage would be worse. */
void
sp_sha256(sp_slice in, uint8_t out[32])
{
	if (!ready || !sp_digest(sha256, in, out))
		abort();
}

void
sp_random_bytes(void *p, size_t n)
{
	unsigned char *b = p;

	while (n != 0) {
		ssize_t r = getrandom(b, n > 256 ? 256 : n, 0);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			abort();
		b += r;
		n -= (size_t)r;
	}
}

enum sp_alg
sp_alg_find(sp_slice name)
{
	for (unsigned a = SP_ALG_NONE + 1; a < SP_ALG_COUNT; a++)
		if (sp_eq(name, sp_str(sp_algorithms[a].name)))
			return (enum sp_alg)a;
	return SP_ALG_NONE;
}

const char *
sp_alg_name(enum sp_alg a)
{
	return a > SP_ALG_NONE && a < SP_ALG_COUNT ? sp_algorithms[a].name : "none";
}

bool
sp_alg_fits(enum sp_alg a, enum sp_kty t)
{
	return a > SP_ALG_NONE && a < SP_ALG_COUNT && sp_algorithms[a].kty == t;
}

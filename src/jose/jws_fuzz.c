#include "jose/jws.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* RFC 8037 appendix A.2 and RFC 7515 appendix A.3: their private keys are public, so the fuzzer may even find the signed ones. */
static const char keys[] = "{\"keys\":["
    "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"ed\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"},"
    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"ec\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}";

static bool
inside(sp_slice in, sp_slice part)
{
	return part.p >= in.p && part.n <= in.n && part.p + part.n <= in.p + in.n;
}

/* The parts of a split are the whole text; what opens holds on the same bytes again; a payload lies in the arena. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct sp_keyset *ks;
	sp_slice in = sp_mem(data, n);
	struct sp_jws_parts p;
	struct sp_verified v;
	struct sp_jws_head h;
	struct sp_jws_mac m;
	struct sp_arena a;
	bool head;

	if (ks == NULL && (sp_crypto_init(NULL) != SP_OK || sp_keyset_read(sp_str(keys), false, &ks, NULL) != SP_OK))
		abort();
	if (sp_jws_split(in, &p) == SP_OK) {
		if (!inside(in, p.header) || !inside(in, p.payload) || !inside(in, p.sig) || !inside(in, p.signed_part))
			abort();
		if (p.header.n + p.payload.n + p.sig.n + 2 != n || p.header.n == 0 || p.sig.n == 0)
			abort();
	}
	sp_arena_init(&a, 1 << 20);
	(void)sp_jws_peek_iss(&a, in);
	head = sp_jws_peek_head(&a, in, &h, NULL) == SP_OK;
	if (head && (h.alg == SP_ALG_NONE || (h.kid.n != 0 && inside(in, h.kid))))
		abort();
	if (sp_jws_open_mac(&a, in, &v, &m, NULL) == SP_OK) {
		if (!head || !sp_alg_fits(v.alg, SP_KTY_OCT) || !inside(in, m.input) || m.mac.p != (char *)m.macbuf || m.mac.n > 64)
			abort();
	}
	if (sp_jws_open(&a, in, ks, &v, NULL) == SP_OK) {
		if (!head || inside(in, v.payload) || (v.alg != SP_EDDSA && v.alg != SP_ES256) || sp_jws_split(in, &p) != SP_OK)
			abort();
	}
	sp_arena_free(&a);
	return 0;
}

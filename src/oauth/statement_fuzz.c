#include "crypto/testsign.h"
#include "oauth/statement.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
check(struct sp_pkey *key, sp_slice in, sp_slice body)
{
	struct sp_statement s;
	struct sp_err e = { 0 };
	struct sp_out o;
	char buf[SP_STATEMENT_MAX];

	if (sp_statement_read(key, in, 1000, &s, &e) != SP_OK) {
		if (e.log[0] == '\0')
			abort();
		return;
	}
	sp_out_init(&o, buf, sizeof buf);
	sp_statement_write(&o, &s);
	if (s.expires_s <= 1000 || o.full || !sp_eq(sp_out_view(&o), body))
		abort();
}

/* As it is, and with a signature that holds: what is read is written as the same bytes. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct sp_testkey *test;
	static struct sp_pkey *key;
	sp_slice in = sp_mem(data, n);
	struct sp_out o, signed_bytes;
	char whole[2 * SP_STATEMENT_MAX], text[2 * SP_STATEMENT_MAX];

	if (test == NULL) {
		char pem[512];

		if (sp_crypto_init(NULL) != SP_OK || (test = sp_testkey_new(SP_EDDSA, 0)) == NULL)
			abort();
		sp_out_init(&o, pem, sizeof pem);
		sp_testkey_pem(test, &o);
		if (sp_pkey_pem(sp_out_view(&o), &key, NULL) != SP_OK)
			abort();
	}
	check(key, in, in);
	if (n > SP_STATEMENT_MAX)
		return 0;
	sp_out_init(&signed_bytes, text, sizeof text);
	sp_statement_signed(&signed_bytes, in);
	sp_out_init(&o, whole, sizeof whole);
	sp_out_slice(&o, in);
	sp_testkey_sign(test, SP_EDDSA, sp_out_view(&signed_bytes), &o);
	check(key, sp_out_view(&o), in);
	return 0;
}

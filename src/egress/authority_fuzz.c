/*
 * The documents of an authority: the first byte says which.  Metadata that is accepted names the one issuer and a place
 * that may be asked; a key set that is accepted is read again as public keys alone, and is its own normal form.
 */
#include "egress/authority_doc.h"

#include "crypto/crypto.h"
#include "jose/keyset_write.h"
#include "wire/uri.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
metadata(sp_slice doc, sp_slice issuer)
{
	struct sp_uri u, own;
	struct sp_err e = { 0 };
	char buf[SP_AUTHORITY_URI];
	struct sp_out o;

	sp_out_init(&o, buf, sizeof buf);
	if (sp_authority_metadata(doc, issuer, &o, &e) != SP_OK) {
		if (e.log[0] == '\0' || o.n != 0)
			abort();
		return;
	}
	if (o.full || sp_uri_read(sp_out_view(&o), &u, NULL) != SP_OK || sp_uri_read(issuer, &own, NULL) != SP_OK)
		abort();
	if (!u.https && !sp_uri_same_origin(&u, &own))
		abort();
	if (own.https && !u.https)
		abort();
}

static void
key_set(sp_slice doc)
{
	struct sp_keyset_report r, again;
	struct sp_keyset *ks = NULL;
	struct sp_out o, twice;
	struct sp_err e = { 0 };

	sp_out_heap(&o, 1 << 20);
	sp_out_heap(&twice, 1 << 20);
	if (sp_keyset_public(doc, &o, &r, &e) != SP_OK) {
		if (e.log[0] == '\0')
			abort();
	} else {
		if (r.kept == 0 || r.kept > 100 || sp_find(sp_out_view(&o), SP_LIT("\"d\":")) != SIZE_MAX)
			abort();
		if (sp_keyset_read(sp_out_view(&o), false, &ks, &e) != SP_OK || sp_keyset_count(ks) != r.kept ||
		    sp_keyset_dropped(ks) != 0)
			abort();
		if (sp_keyset_public(sp_out_view(&o), &twice, &again, &e) != SP_OK ||
		    !sp_eq(sp_out_view(&o), sp_out_view(&twice)) || again.with_private != 0)
			abort();
	}
	sp_keyset_free(&ks);
	sp_out_free(&o);
	sp_out_free(&twice);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n == 0 || sp_crypto_init(NULL) != SP_OK)
		return 0;
	if (data[0] == 'm') {
		metadata(sp_mem(data + 1, n - 1), SP_LIT("https://idp.test"));
		metadata(sp_mem(data + 1, n - 1), SP_LIT("http://127.0.0.1:9000"));
	} else {
		key_set(sp_mem(data + 1, n - 1));
	}
	return 0;
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crypto/testsign.h"
#include "jose/keyset_write.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT = 1 << 20 };

/* Public keys of each type, as JWK texts: A RSA, B P-256, C Ed25519. */
static char *keys[3];

/* In a pattern @, ^, ~ stand for the members of those keys, without their braces. */
static void
fill(struct sp_out *o, const char *pattern)
{
	for (; *pattern != '\0'; pattern++) {
		const char *key = *pattern == '@' ? keys[0] : *pattern == '^' ? keys[1] : *pattern == '~' ? keys[2] : NULL;

		if (key == NULL)
			sp_out_byte(o, *pattern);
		else
			sp_out_add(o, key + 1, strlen(key) - 2);
	}
}

static const struct {
	const char *name, *in, *want;
	unsigned dropped, with_private;
} rows[] = {
	{ "all types", "{'keys':[{@},{^},{~}]}", "{'keys':[{@},{^},{~}]}", 0, 0 },
	{ "what is known of a key stays", "{'keys':[{^,'kid':'1','alg':'ES256','use':'sig','key_ops':['verify']}]}",
	    "{'keys':[{^,'kid':'1','alg':'ES256','use':'sig','key_ops':['verify']}]}", 0, 0 },
	{ "what is not known goes", "{'x':1,'keys':[{'zz':{},^,'x5c':['a'],'x5u':'http://a'}],'y':[]}", "{'keys':[{^}]}", 0, 0 },
	{ "of key_ops only what counts", "{'keys':[{^,'key_ops':['sign',[[]],'verify']}]}", "{'keys':[{^,'key_ops':['verify']}]}",
	    0, 0 },
	{ "C07 oct", "{'keys':[{'kty':'oct','k':'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'},{^}]}", "{'keys':[{^}]}", 1, 0 },
	{ "C07 nothing but oct", "{'keys':[{'kty':'oct','k':'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'}]}", NULL, 1, 0 },
	{ "C08 unknown type among good ones", "{'keys':[{@},{'kty':'XYZ','q':1},{~}]}", "{'keys':[{@},{~}]}", 1, 0 },
	{ "C08 broken keys among good ones", "{'keys':[{'kty':'RSA','n':'AQ','e':'AQAB'},{'kty':'EC','crv':'P-256','x':'AA','y':'AA'},"
	    "{'kty':'OKP','crv':'Ed448','x':'AA'},{'kty':'OKP'},{},[],7,null,{^}]}", "{'keys':[{^}]}", 8, 0 },
	{ "C08 a key for encryption", "{'keys':[{@,'use':'enc'},{^}]}", "{'keys':[{^}]}", 1, 0 },
	{ "C08 alg of another type", "{'keys':[{@,'alg':'ES256'},{^,'alg':'RSA-OAEP'},{~}]}", "{'keys':[{~}]}", 2, 0 },
	{ "C08 kid is no text", "{'keys':[{@,'kid':7},{^}]}", "{'keys':[{^}]}", 1, 0 },
	{ "C08 key_ops is no list", "{'keys':[{@,'key_ops':'verify'},{^}]}", "{'keys':[{^}]}", 1, 0 },
	{ "C09 private parts", "{'keys':[{^,'d':'c2VjcmV0','p':'c2VjcmV0'}]}", "{'keys':[{^}]}", 0, 1 },
	{ "C09 an RSA key with a k", "{'keys':[{@,'k':'c2VjcmV0'}]}", "{'keys':[{@}]}", 0, 1 },
	{ "C06 HTML", "<!DOCTYPE html><html></html>", NULL, 0, 0 },
	{ "C06 nothing", "", NULL, 0, 0 },
	{ "C06 no keys", "{'jwks':[]}", NULL, 0, 0 },
	{ "C06 keys is an object", "{'keys':{^}}", NULL, 0, 0 },
	{ "C06 keys is null", "{'keys':null}", NULL, 0, 0 },
	{ "C06 an array", "[{^}]", NULL, 0, 0 },
	{ "C06 a single key", "{^}", NULL, 0, 0 },
	{ "C06 an empty set", "{'keys':[]}", NULL, 0, 0 },
	{ "C06 PEM", "-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----\n", NULL, 0, 0 },
	{ "a member twice", "{'keys':[{^,'kid':'a','kid':'b'}]}", NULL, 0, 0 },
};

static void
quotes(struct sp_out *o)
{
	for (size_t i = 0; i < o->n; i++)
		if (o->p[i] == '\'')
			o->p[i] = '"';
}

static void
test_rows(void **state)
{
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct sp_keyset_report r;
		struct sp_out in, want, got;
		struct sp_err e = { 0 };
		enum sp_status st;

		sp_out_heap(&in, TEXT);
		sp_out_heap(&want, TEXT);
		sp_out_heap(&got, TEXT);
		fill(&in, rows[i].in);
		quotes(&in);
		st = sp_keyset_public(sp_out_view(&in), &got, &r, &e);
		if (rows[i].want == NULL && (st != SP_E_UPSTREAM || e.log[0] == '\0'))
			fail_msg("%s: accepted", rows[i].name);
		if (rows[i].want != NULL) {
			fill(&want, rows[i].want);
			quotes(&want);
			if (st != SP_OK || !sp_eq(sp_out_view(&got), sp_out_view(&want)))
				fail_msg("%s: %s %.*s", rows[i].name, e.log, (int)got.n, got.p);
		}
		if (r.dropped != rows[i].dropped || r.with_private != rows[i].with_private)
			fail_msg("%s: %u dropped, %u with private parts", rows[i].name, r.dropped, r.with_private);
		if (strstr(r.why, "c2VjcmV0") != NULL || strstr(r.why, "AAAA") != NULL)
			fail_msg("%s: %s", rows[i].name, r.why);
		sp_out_free(&in);
		sp_out_free(&want);
		sp_out_free(&got);
	}
}

static void
test_limits(void **state)
{
	static const struct { const char *name, *before, *each, *after; unsigned times; bool ok; } sets[] = {
		{ "100 keys", "{\"keys\":[{~}", ",{~}", "]}", 99, true },
		{ "C04 101 keys", "{\"keys\":[{~}", ",{~}", "]}", 100, false },
		{ "C04 a million keys", "{\"keys\":[{}", ",{}", "]}", 160000, false },
		{ "C04 deep", "{\"keys\":", "[", "", 100000, false },
		{ "C04 over 512 KiB", "{\"keys\":[{~}],\"x\":\"", "aaaaaaaaaaaaaaaa", "\"}", 32768, false },
		{ "under 512 KiB", "{\"keys\":[{~}],\"x\":\"", "aaaaaaaaaaaaaaaa", "\"}", 32000, true },
		{ "C04 one huge key", "{\"keys\":[{~,\"kid\":\"", "aaaaaaaaaaaaaaaa", "\"}]}", 4000, false },
	};

	for (size_t i = 0; i < SP_COUNT(sets); i++) {
		struct sp_keyset_report r;
		struct sp_out in, got;
		struct sp_err e = { 0 };

		sp_out_heap(&in, TEXT);
		sp_out_heap(&got, TEXT);
		fill(&in, sets[i].before);
		for (unsigned k = 0; k < sets[i].times; k++)
			fill(&in, sets[i].each);
		fill(&in, sets[i].after);
		if ((sp_keyset_public(sp_out_view(&in), &got, &r, &e) == SP_OK) != sets[i].ok)
			fail_msg("%s: %s", sets[i].name, e.log);
		sp_out_free(&in);
		sp_out_free(&got);
	}
}

static int
setup(void **state)
{
	static const enum sp_alg algs[] = { SP_RS256, SP_ES256, SP_EDDSA };
	struct sp_err e = { 0 };

	if (sp_crypto_init(&e) != SP_OK)
		return -1;
	for (size_t i = 0; i < SP_COUNT(keys); i++) {
		struct sp_testkey *k = sp_testkey_new(algs[i], 0);
		struct sp_keyset_report r;
		struct sp_out o, norm;

		/* Its own form, as members in our order. */
		sp_out_heap(&o, TEXT);
		sp_out_heap(&norm, TEXT);
		sp_out_str(&o, "{\"keys\":[");
		sp_testkey_jwk(k, &o, "");
		sp_out_str(&o, "]}");
		assert_int_equal(sp_keyset_public(sp_out_view(&o), &norm, &r, &e), SP_OK);
		/* Not strndup: it may look beyond what it copies. */
		keys[i] = calloc(1, norm.n - 10);
		assert_non_null(keys[i]);
		memcpy(keys[i], norm.p + 9, norm.n - 11);
		assert_non_null(strstr(keys[i], i == 0 ? "\"n\":" : "\"x\":"));
		sp_out_free(&o);
		sp_out_free(&norm);
		sp_testkey_free(&k);
	}
	return 0;
}

static int
teardown(void **state)
{
	for (size_t i = 0; i < SP_COUNT(keys); i++)
		free(keys[i]);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows), cmocka_unit_test(test_limits) };

	return cmocka_run_group_tests(tests, setup, teardown);
}

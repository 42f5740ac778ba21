#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "vault/statefile.h"
#include "vault/vault.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct sp_kdf_cost cheap = { 1, 64 };

struct env {
	char path[64];
	int  dir;
	struct sp_secret *key, *value;
};

static struct sp_secret *
secret(sp_slice s)
{
	struct sp_secret *x = sp_secret_new(s.n == 0 ? 1 : s.n);

	assert_non_null(x);
	assert_int_equal(sp_secret_set(x, s), SP_OK);
	return x;
}

static int
setup(void **state)
{
	struct env *v = calloc(1, sizeof *v);

	snprintf(v->path, sizeof v->path, "/tmp/sp-vault-XXXXXX");
	assert_non_null(mkdtemp(v->path));
	v->dir = open(v->path, O_RDONLY | O_DIRECTORY);
	assert_int_equal(sp_secret_init(SP_SECRET_REGION, false, NULL, NULL), SP_OK);
	v->key = sp_secret_new(SP_MATERIAL_MAX);
	assert_int_equal(sp_material_random(v->key), SP_OK);
	v->value = sp_secret_new(SP_VAULT_VALUE_MAX + 1);
	*state = v;
	return 0;
}

static int
teardown(void **state)
{
	struct env *v = *state;
	static const char *const names[] = { "vault", ".vault.new", "link", "other" };

	for (size_t i = 0; i < SP_COUNT(names); i++)
		unlinkat(v->dir, names[i], 0);
	rmdir(v->path);
	close(v->dir);
	sp_secret_free(&v->key);
	sp_secret_free(&v->value);
	sp_secret_end();
	free(v);
	return 0;
}

static struct sp_vault *
fresh(struct env *v)
{
	struct sp_vault *k = NULL;

	assert_int_equal(sp_vault_create(v->dir, v->key, &cheap, 1000, NULL), SP_OK);
	assert_int_equal(sp_vault_open(v->dir, v->key, &k, NULL), SP_OK);
	return k;
}

static enum sp_status
set(struct env *v, struct sp_vault *k, sp_slice name, sp_slice value, struct sp_err *e)
{
	assert_int_equal(sp_secret_set(v->value, value), SP_OK);
	return sp_vault_set(k, name, v->value, 2000, e);
}

static void
has(struct env *v, struct sp_vault *k, sp_slice name, sp_slice want)
{
	assert_int_equal(sp_vault_get(k, name, v->value, NULL), SP_OK);
	assert_true(sp_eq(sp_secret_peek(v->value), want));
}

static void
test_round_trip(void **state)
{
	struct env *v = *state;
	struct sp_vault *k = fresh(v);
	struct sp_vault_entry at;
	struct sp_err e;

	assert_int_equal(sp_vault_create(v->dir, v->key, &cheap, 1, &e), SP_E_REFUSED);
	assert_int_equal(set(v, k, SP_LIT("pdns"), SP_LIT("pdns-value-1"), NULL), SP_OK);
	assert_int_equal(set(v, k, SP_LIT("a.b_c-9"), SP_LIT("value of abc"), NULL), SP_OK);
	assert_int_equal(set(v, k, SP_LIT("zz"), SP_LIT("value of zz"), NULL), SP_OK);
	assert_int_equal(set(v, k, SP_LIT("pdns"), SP_LIT("pdns-value-2"), NULL), SP_OK);
	assert_int_equal(sp_vault_count(k), 3);
	sp_vault_free(&k);
	assert_int_equal(sp_vault_open(v->dir, v->key, &k, &e), SP_OK);
	assert_int_equal(sp_vault_generation(k), 5);
	has(v, k, SP_LIT("pdns"), SP_LIT("pdns-value-2"));
	has(v, k, SP_LIT("a.b_c-9"), SP_LIT("value of abc"));
	sp_vault_at(k, 1, &at);
	assert_true(sp_eq(at.name, SP_LIT("pdns")));
	assert_int_equal(at.bytes, 12);
	assert_int_equal(at.set_s, 2000);
	assert_int_equal(sp_vault_rm(k, SP_LIT("a.b_c-9"), 3000, NULL), SP_OK);
	assert_int_equal(sp_vault_rm(k, SP_LIT("a.b_c-9"), 3000, &e), SP_E_NOT_FOUND);
	assert_int_equal(sp_vault_get(k, SP_LIT("a.b_c-9"), v->value, &e), SP_E_NOT_FOUND);
	assert_non_null(strstr(e.log, "sallyport vault set a.b_c-9"));
	has(v, k, SP_LIT("zz"), SP_LIT("value of zz"));
	assert_false(sp_vault_has(k, SP_LIT("pdn")));
	sp_vault_free(&k);
}

static void
test_names_and_values(void **state)
{
	struct env *v = *state;
	struct sp_vault *k = fresh(v);
	char big[SP_VAULT_VALUE_MAX + 1], long_name[66];
	static const struct { const char *name; sp_slice text; bool ok; } names[] = {
		{ "one letter", SP_LIT_INIT("a"), true }, { "digit first", SP_LIT_INIT("0.x"), true },
		{ "empty", SP_LIT_INIT(""), false }, { "capital", SP_LIT_INIT("A"), false },
		{ "dot first", SP_LIT_INIT(".a"), false }, { "slash", SP_LIT_INIT("a/b"), false },
		{ "NUL inside", SP_LIT_INIT("a\0b"), false }, { "newline", SP_LIT_INIT("a\n"), false },
		{ "not ASCII", SP_LIT_INIT("\xc3\xa4"), false },
	};

	for (size_t i = 0; i < SP_COUNT(names); i++)
		if (sp_vault_name_ok(names[i].text) != names[i].ok)
			fail_msg("name: %s", names[i].name);
	memset(long_name, 'a', sizeof long_name);
	assert_true(sp_vault_name_ok(sp_mem(long_name, 64)));
	assert_false(sp_vault_name_ok(sp_mem(long_name, 65)));
	memset(big, 'v', sizeof big);
	/* M16: what is too short cannot be told from other text in an answer. */
	assert_int_equal(set(v, k, SP_LIT("x"), SP_LIT("1234567"), NULL), SP_E_BAD_PARAMS);
	assert_int_equal(set(v, k, SP_LIT("x"), SP_LIT(""), NULL), SP_E_BAD_PARAMS);
	assert_int_equal(set(v, k, SP_LIT("x"), SP_LIT("12345678"), NULL), SP_OK);
	assert_int_equal(set(v, k, SP_LIT("x"), sp_mem(big, SP_VAULT_VALUE_MAX), NULL), SP_OK);
	assert_int_equal(set(v, k, SP_LIT("x"), sp_mem(big, SP_VAULT_VALUE_MAX + 1), NULL), SP_E_BAD_PARAMS);
	assert_int_equal(set(v, k, SP_LIT("X"), SP_LIT("12345678"), NULL), SP_E_BAD_PARAMS);
	sp_vault_free(&k);
}

static void
load(struct env *v, struct sp_out *o)
{
	sp_out_heap(o, 1 << 20);
	assert_int_equal(sp_state_read(v->dir, "vault", 1 << 20, o, NULL), SP_OK);
}

static void
small_vault(struct env *v, struct sp_out *o)
{
	struct sp_vault *k = fresh(v);

	assert_int_equal(set(v, k, SP_LIT("one"), SP_LIT("first value"), NULL), SP_OK);
	assert_int_equal(set(v, k, SP_LIT("two"), SP_LIT("second value"), NULL), SP_OK);
	sp_vault_free(&k);
	load(v, o);
}

/* Q05: no bit of the file can change unnoticed. */
static void
test_q05_every_bit(void **state)
{
	struct env *v = *state;
	struct sp_vault *k = NULL;
	struct sp_out o;

	small_vault(v, &o);
	for (size_t i = 0; i < o.n * 8; i++) {
		struct sp_err e = { 0 };
		enum sp_status st;

		o.p[i / 8] ^= (char)(1 << i % 8);
		st = sp_vault_open_bytes(sp_out_view(&o), v->key, &k, &e);
		if ((st != SP_E_CONFIG && st != SP_E_VERSION) || k != NULL || e.log[0] == '\0')
			fail_msg("Q05 bit %zu: status %d, %s", i, st, e.log);
		o.p[i / 8] ^= (char)(1 << i % 8);
	}
	assert_int_equal(sp_vault_open_bytes(sp_out_view(&o), v->key, &k, NULL), SP_OK);
	sp_vault_free(&k);
	sp_out_free(&o);
}

/* Q05: the same when whoever flips the bit repairs the plain checksum: the keyed one, or the slot, refuses. */
static void
test_q05_every_bit_checksum_repaired(void **state)
{
	struct env *v = *state;
	struct sp_vault *k = NULL;
	struct sp_out o;
	uint8_t sum[SP_SEAL_MAC];

	small_vault(v, &o);
	for (size_t i = 0; i < (o.n - SP_SEAL_MAC) * 8; i++) {
		struct sp_err e = { 0 };
		enum sp_status st;

		o.p[i / 8] ^= (char)(1 << i % 8);
		sp_seal_checksum(sp_mem(o.p, o.n - sizeof sum), sum);
		memcpy(o.p + o.n - sizeof sum, sum, sizeof sum);
		st = sp_vault_open_bytes(sp_out_view(&o), v->key, &k, &e);
		if (st == SP_OK || k != NULL || e.log[0] == '\0')
			fail_msg("Q05 bit %zu, checksum repaired: accepted", i);
		o.p[i / 8] ^= (char)(1 << i % 8);
	}
	sp_out_free(&o);
}

/* Q05: cut off at every byte, and one byte more. */
static void
test_q05_truncation(void **state)
{
	struct env *v = *state;
	struct sp_vault *k = NULL;
	struct sp_out o;
	struct sp_err e;

	small_vault(v, &o);
	for (size_t n = 0; n < o.n; n++) {
		enum sp_status st = sp_vault_open_bytes(sp_mem(o.p, n), v->key, &k, &e);

		if (st != SP_E_CONFIG || strstr(e.log, "cut off") == NULL)
			fail_msg("Q05 cut at %zu: status %d, %s", n, st, e.log);
	}
	sp_out_byte(&o, 0);
	assert_int_equal(sp_vault_open_bytes(sp_out_view(&o), v->key, &k, &e), SP_E_CONFIG);
	assert_non_null(strstr(e.log, "length"));
	sp_out_free(&o);
}

/* The values under each other's names, sealed bytes untouched. */
static void
swap_records(struct sp_vault_record *r)
{
	struct sp_vault_record t = r[0];
	sp_slice one = r[0].name, two = r[1].name;

	r[0] = r[1];
	r[1] = t;
	r[0].name = one;
	r[1].name = two;
}

/* Q05: whoever has the file of today and of yesterday, but no key, cannot mix them.  The keyed sum is taken as good
 * here (the test has the key), so that the record's own seal must refuse. */
static void
test_q05_record_swap(void **state)
{
	struct env *v = *state;
	struct sp_vault_record room[SP_VAULT_RECORDS];
	struct sp_vault_file f;
	struct sp_secret *keys = sp_secret_new(SP_SEAL_KEYS);
	struct sp_vault *k = NULL;
	struct sp_out o, bad;
	struct sp_err e;
	sp_slice maced, mac;

	small_vault(v, &o);
	assert_int_equal(sp_vault_file_read(sp_out_view(&o), room, &f, &maced, &mac, NULL), SP_OK);
	assert_int_equal(sp_slot_open(&f.slot[0], f.id, v->key, keys, NULL), SP_OK);
	sp_out_heap(&bad, 1 << 20);
	swap_records(room);
	sp_vault_file_write(&bad, &f, keys);
	assert_int_equal(sp_vault_open_bytes(sp_out_view(&bad), v->key, &k, &e), SP_E_CONFIG);
	assert_non_null(strstr(e.log, "tampered"));
	/* Dropped: the second moves to the first position. */
	sp_out_reset(&bad);
	assert_int_equal(sp_vault_file_read(sp_out_view(&o), room, &f, &maced, &mac, NULL), SP_OK);
	f.record = room + 1;
	f.nrecords = 1;
	sp_vault_file_write(&bad, &f, keys);
	assert_int_equal(sp_vault_open_bytes(sp_out_view(&bad), v->key, &k, &e), SP_E_CONFIG);
	assert_non_null(strstr(e.log, "tampered"));
	sp_out_free(&bad);
	sp_out_free(&o);
	sp_secret_free(&keys);
}

/* Q05, Q12: distinct errors; the file is untouched by each. */
static void
test_q12_wrong_key_and_version(void **state)
{
	struct env *v = *state;
	struct sp_secret *other = sp_secret_new(SP_MATERIAL_MAX), *words = secret(SP_LIT("correct horse battery"));
	struct sp_vault *k = NULL;
	struct sp_out o, after;
	struct sp_err e;
	uint8_t sum[SP_SEAL_MAC];

	small_vault(v, &o);
	assert_int_equal(sp_material_random(other), SP_OK);
	assert_int_equal(sp_vault_open(v->dir, other, &k, &e), SP_E_REFUSED);
	assert_non_null(strstr(e.log, "wrong key"));
	assert_int_equal(sp_vault_open(v->dir, words, &k, &e), SP_E_REFUSED);
	assert_non_null(strstr(e.log, "64 hexadecimal digits"));
	load(v, &after);
	assert_true(sp_eq(sp_out_view(&o), sp_out_view(&after)));
	sp_out_free(&after);
	o.p[11] = 2;
	sp_seal_checksum(sp_mem(o.p, o.n - sizeof sum), sum);
	memcpy(o.p + o.n - sizeof sum, sum, sizeof sum);
	assert_int_equal(sp_state_replace(v->dir, "vault", sp_out_view(&o), NULL), SP_OK);
	assert_int_equal(sp_vault_open(v->dir, v->key, &k, &e), SP_E_VERSION);
	assert_non_null(strstr(e.log, "format 2"));
	load(v, &after);
	assert_true(sp_eq(sp_out_view(&o), sp_out_view(&after)));
	sp_out_free(&after);
	assert_int_equal(sp_state_replace(v->dir, "vault", SP_LIT("not a vault at all"), NULL), SP_OK);
	assert_int_equal(sp_vault_open(v->dir, v->key, &k, &e), SP_E_CONFIG);
	assert_non_null(strstr(e.log, "no vault"));
	sp_out_free(&o);
	sp_secret_free(&other);
	sp_secret_free(&words);
}

static void
test_passphrase(void **state)
{
	struct env *v = *state;
	struct sp_secret *words = secret(SP_LIT("correct horse battery\n")), *bare = secret(SP_LIT("correct horse battery")),
	    *wrong = secret(SP_LIT("correct horse batterz")), *tiny = secret(SP_LIT("too short"));
	struct sp_vault *k = NULL;
	struct sp_err e;

	assert_int_equal(sp_vault_create(v->dir, tiny, &cheap, 1, &e), SP_E_CONFIG);
	assert_int_equal(sp_vault_create(v->dir, words, &cheap, 1, &e), SP_OK);
	assert_int_equal(sp_vault_open(v->dir, bare, &k, &e), SP_OK);
	sp_vault_free(&k);
	assert_int_equal(sp_vault_open(v->dir, wrong, &k, &e), SP_E_REFUSED);
	assert_non_null(strstr(e.log, "passphrase"));
	assert_int_equal(sp_vault_open(v->dir, v->key, &k, &e), SP_E_REFUSED);
	sp_secret_free(&words);
	sp_secret_free(&bare);
	sp_secret_free(&wrong);
	sp_secret_free(&tiny);
}

static void
test_material_kind(void **state)
{
	static const struct { const char *name; sp_slice m; enum sp_kdf want; } rows[] = {
		{ "64 hex", SP_LIT_INIT("00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF"), SP_KDF_KEY },
		{ "64 hex, newline", SP_LIT_INIT("00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n"), SP_KDF_KEY },
		{ "64 hex, CR LF", SP_LIT_INIT("00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\r\n"), SP_KDF_KEY },
		{ "64 hex, two newlines", SP_LIT_INIT("00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n\n"), SP_KDF_ARGON2ID },
		{ "63 hex", SP_LIT_INIT("0112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"), SP_KDF_ARGON2ID },
		{ "32 raw bytes", SP_LIT_INIT("\x80" "1234567890123456789012345678901"), SP_KDF_KEY },
		{ "31 raw bytes", SP_LIT_INIT("\x80" "123456789012345678901234567890"), SP_KDF_ARGON2ID },
		{ "32 characters", SP_LIT_INIT("12345678901234567890123456789012"), SP_KDF_ARGON2ID },
		{ "empty", SP_LIT_INIT(""), SP_KDF_ARGON2ID },
	};

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct sp_secret *s = secret(rows[i].m);

		if (sp_material_kind(s) != rows[i].want)
			fail_msg("material: %s", rows[i].name);
		sp_secret_free(&s);
	}
}

static void
test_rekey(void **state)
{
	struct env *v = *state;
	struct sp_vault *k = fresh(v);
	struct sp_secret *words = secret(SP_LIT("correct horse battery"));
	struct sp_err e;

	assert_int_equal(set(v, k, SP_LIT("one"), SP_LIT("first value"), NULL), SP_OK);
	assert_int_equal(sp_vault_rekey_begin(k, v->key, words, &cheap, 5, &e), SP_OK);
	/* Between the two steps both open it, changes included. */
	assert_int_equal(set(v, k, SP_LIT("two"), SP_LIT("second value"), NULL), SP_OK);
	sp_vault_free(&k);
	assert_int_equal(sp_vault_open(v->dir, v->key, &k, &e), SP_OK);
	assert_true(sp_vault_half_rekeyed(k));
	sp_vault_free(&k);
	assert_int_equal(sp_vault_open(v->dir, words, &k, &e), SP_OK);
	has(v, k, SP_LIT("two"), SP_LIT("second value"));
	assert_int_equal(sp_vault_rekey_end(k, words, 6, &e), SP_OK);
	assert_false(sp_vault_half_rekeyed(k));
	has(v, k, SP_LIT("one"), SP_LIT("first value"));
	sp_vault_free(&k);
	assert_int_equal(sp_vault_open(v->dir, v->key, &k, &e), SP_E_REFUSED);
	assert_int_equal(sp_vault_open(v->dir, words, &k, &e), SP_OK);
	sp_vault_free(&k);
	sp_secret_free(&words);
}

/* M25: what may not hold a secret. */
static void
test_m25_files(void **state)
{
	struct env *v = *state;
	struct sp_vault *k = NULL;
	struct sp_out o;
	struct sp_err e;

	small_vault(v, &o);
	fchmodat(v->dir, "vault", 0644, 0);
	assert_int_equal(sp_vault_open(v->dir, v->key, &k, &e), SP_E_CONFIG);
	assert_non_null(strstr(e.log, "chmod 600"));
	fchmodat(v->dir, "vault", 0600, 0);
	renameat(v->dir, "vault", v->dir, "other");
	assert_int_equal(symlinkat("other", v->dir, "vault"), 0);
	assert_int_equal(sp_vault_open(v->dir, v->key, &k, &e), SP_E_CONFIG);
	assert_non_null(strstr(e.log, "symbolic link"));
	unlinkat(v->dir, "vault", 0);
	assert_int_equal(mkfifoat(v->dir, "vault", 0600), 0);
	assert_int_equal(sp_vault_open(v->dir, v->key, &k, &e), SP_E_CONFIG);
	assert_non_null(strstr(e.log, "regular file"));
	unlinkat(v->dir, "vault", 0);
	assert_int_equal(mkdirat(v->dir, "vault", 0700), 0);
	assert_int_equal(sp_vault_open(v->dir, v->key, &k, &e), SP_E_CONFIG);
	unlinkat(v->dir, "vault", AT_REMOVEDIR);
	assert_int_equal(sp_vault_open(v->dir, v->key, &k, &e), SP_E_NOT_FOUND);
	assert_non_null(strstr(e.log, "sallyport vault init"));
	sp_out_free(&o);
}

/* A disk that takes nothing: the old vault stays, in memory and on disk. */
static void
test_write_failure_keeps_all(void **state)
{
	struct env *v = *state;
	struct sp_vault *k = fresh(v);
	struct sp_err e;

	assert_int_equal(set(v, k, SP_LIT("one"), SP_LIT("first value"), NULL), SP_OK);
	/* A folder where the new file must go cannot be unlinked as a file: every write fails. */
	assert_int_equal(mkdirat(v->dir, ".vault.new", 0700), 0);
	assert_int_equal(set(v, k, SP_LIT("one"), SP_LIT("second value"), &e), SP_E_SYSTEM);
	assert_int_equal(sp_vault_rm(k, SP_LIT("one"), 9, &e), SP_E_SYSTEM);
	has(v, k, SP_LIT("one"), SP_LIT("first value"));
	unlinkat(v->dir, ".vault.new", AT_REMOVEDIR);
	assert_int_equal(set(v, k, SP_LIT("one"), SP_LIT("second value"), &e), SP_OK);
	has(v, k, SP_LIT("one"), SP_LIT("second value"));
	sp_vault_free(&k);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_round_trip), T(test_names_and_values), T(test_q05_every_bit),
		T(test_q05_every_bit_checksum_repaired), T(test_q05_truncation), T(test_q05_record_swap),
		T(test_q12_wrong_key_and_version), T(test_passphrase), T(test_material_kind), T(test_rekey),
		T(test_m25_files), T(test_write_failure_keeps_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

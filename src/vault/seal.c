#include "vault/seal.h"

#include "base/out.h"

#include <assert.h>
#include <sodium.h>

#define BYTES(s) (const unsigned char *)(s).p

static const struct sp_kdf_cost standard = { 3, 262144 };
enum { OPS_MAX = 16, MEM_MAX_KIB = 1048576, MEM_MIN_KIB = 8 };

static sp_slice
without_newline(sp_slice m)
{
	if (sp_ends(m, SP_LIT("\r\n")))
		return sp_sub(m, 0, m.n - 2);
	return sp_ends(m, SP_LIT("\n")) ? sp_sub(m, 0, m.n - 1) : m;
}

static bool
is_hex_key(sp_slice m)
{
	for (size_t i = 0; i < m.n; i++)
		if (!sp_is_hex((unsigned char)m.p[i]))
			return false;
	return m.n == 2 * SP_SEAL_KEY;
}

/* 32 random bytes are text with a probability of 1e-14; a passphrase of 32 characters always is. */
static bool
is_raw_key(sp_slice m)
{
	for (size_t i = 0; i < m.n; i++)
		if (sp_is_ctl((unsigned char)m.p[i]) || (unsigned char)m.p[i] > 0x7e)
			return m.n == SP_SEAL_KEY;
	return false;
}

enum sp_kdf
sp_material_kind(const struct sp_secret *material)
{
	sp_slice m = sp_secret_peek(material);

	return is_raw_key(m) || is_hex_key(without_newline(m)) ? SP_KDF_KEY : SP_KDF_ARGON2ID;
}

enum sp_status
sp_material_random(struct sp_secret *out)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t raw[SP_SEAL_KEY];
	char *p = sp_secret_space(out, 2 * sizeof raw + 1);

	if (p == NULL)
		return SP_E_TOO_BIG;
	randombytes_buf(raw, sizeof raw);
	for (size_t i = 0; i < sizeof raw; i++) {
		p[2 * i] = digits[raw[i] >> 4];
		p[2 * i + 1] = digits[raw[i] & 15];
	}
	p[2 * sizeof raw] = '\n';
	sodium_memzero(raw, sizeof raw);
	return SP_OK;
}

/* The material of a key as 32 bytes; the salt makes it another key in every vault. */
static void
from_key(sp_slice m, const uint8_t salt[SP_SEAL_SALT], uint8_t out[SP_SEAL_KEY])
{
	uint8_t raw[SP_SEAL_KEY];

	if (is_raw_key(m)) {
		memcpy(raw, m.p, sizeof raw);
	} else {
		for (size_t i = 0; i < sizeof raw; i++)
			raw[i] = (uint8_t)(sp_hex_value((unsigned char)m.p[2 * i]) << 4 |
			    sp_hex_value((unsigned char)m.p[2 * i + 1]));
	}
	crypto_generichash(out, SP_SEAL_KEY, salt, SP_SEAL_SALT, raw, sizeof raw);
	sodium_memzero(raw, sizeof raw);
}

static enum sp_status
unwrap_key(const struct sp_slot *slot, const struct sp_secret *material, uint8_t *out, struct sp_err *e)
{
	sp_slice m = sp_secret_peek(material);

	if (slot->kdf != (uint32_t)sp_material_kind(material))
		return sp_fail(e, SP_E_REFUSED, NULL, slot->kdf == SP_KDF_KEY ?
		    "wrong key: the vault wants a key of 64 hexadecimal digits" :
		    "wrong key: the vault wants a passphrase");
	if (slot->kdf == SP_KDF_KEY) {
		from_key(m, slot->salt, out);
		return SP_OK;
	}
	m = without_newline(m);
	if (slot->ops == 0 || slot->ops > OPS_MAX || slot->mem_kib < MEM_MIN_KIB || slot->mem_kib > MEM_MAX_KIB)
		return sp_fail(e, SP_E_CONFIG, NULL, "the vault asks for an unreasonable cost of the passphrase");
	if (crypto_pwhash(out, SP_SEAL_KEY, m.p, m.n, slot->salt, slot->ops, (size_t)slot->mem_kib * 1024,
	    crypto_pwhash_ALG_ARGON2ID13) != 0)
		return sp_fail(e, SP_E_SYSTEM, NULL, "no memory to try the passphrase: %u MB are needed",
		    slot->mem_kib / 1024);
	return SP_OK;
}

/* The slot's own parameters are authenticated with the key it wraps. */
static sp_slice
slot_ad(struct sp_out *o, const struct sp_slot *slot, const uint8_t *id)
{
	sp_out_str(o, "sallyport vault slot 1");
	sp_out_add(o, id, SP_SEAL_ID);
	sp_out_be(o, slot->kdf, 4);
	sp_out_be(o, slot->ops, 4);
	sp_out_be(o, slot->mem_kib, 4);
	sp_out_add(o, slot->salt, sizeof slot->salt);
	assert(!o->full);
	return sp_out_view(o);
}

#define AEAD(fn) crypto_aead_xchacha20poly1305_ietf_##fn

enum sp_status
sp_slot_make(struct sp_slot *slot, const uint8_t id[SP_SEAL_ID], const struct sp_secret *material,
    const struct sp_secret *keys, const struct sp_kdf_cost *cost, struct sp_err *e)
{
	uint8_t *wrap = sp_locked_new(SP_SEAL_KEY), ad_mem[128];
	struct sp_slot s = { .kdf = (uint32_t)sp_material_kind(material) };
	struct sp_out o;
	enum sp_status st;
	sp_slice ad;

	if (wrap == NULL)
		return sp_fail(e, SP_E_FULL, NULL, "no room in locked memory");
	if (s.kdf == SP_KDF_ARGON2ID) {
		s.ops = cost == NULL ? standard.ops : cost->ops;
		s.mem_kib = cost == NULL ? standard.mem_kib : cost->mem_kib;
	}
	randombytes_buf(s.salt, sizeof s.salt);
	randombytes_buf(s.nonce, sizeof s.nonce);
	sp_out_init(&o, ad_mem, sizeof ad_mem);
	ad = slot_ad(&o, &s, id);
	if (s.kdf == SP_KDF_ARGON2ID && without_newline(sp_secret_peek(material)).n < SP_PASSPHRASE_MIN)
		st = sp_fail(e, SP_E_CONFIG, NULL, "a passphrase must have at least %d characters", SP_PASSPHRASE_MIN);
	else
		st = unwrap_key(&s, material, wrap, e);
	if (st == SP_OK) {
		AEAD(encrypt)(s.wrapped, NULL, BYTES(sp_secret_peek(keys)), SP_SEAL_KEY, BYTES(ad), ad.n, NULL,
		    s.nonce, wrap);
		*slot = s;
	}
	sp_locked_free(wrap);
	return st;
}

static void
derive(uint8_t *keys)
{
	crypto_kdf_derive_from_key(keys + SP_SEAL_KEY, SP_SEAL_KEY, 1, "spvault1", keys);
	crypto_kdf_derive_from_key(keys + 2 * SP_SEAL_KEY, SP_SEAL_KEY, 2, "spvault1", keys);
}

enum sp_status
sp_seal_seed(const struct sp_secret *keys, struct sp_secret *seed)
{
	uint8_t *out = sp_secret_space(seed, SP_SEAL_KEY);

	if (out == NULL)
		return SP_E_TOO_BIG;
	crypto_kdf_derive_from_key(out, SP_SEAL_KEY, 1, "spstmnt1", BYTES(sp_secret_peek(keys)));
	return SP_OK;
}

enum sp_status
sp_seal_keys_new(struct sp_secret *keys)
{
	uint8_t *k = sp_secret_space(keys, SP_SEAL_KEYS);

	if (k == NULL)
		return SP_E_TOO_BIG;
	randombytes_buf(k, SP_SEAL_KEY);
	derive(k);
	return SP_OK;
}

enum sp_status
sp_slot_open(const struct sp_slot *slot, const uint8_t id[SP_SEAL_ID], const struct sp_secret *material,
    struct sp_secret *keys, struct sp_err *e)
{
	uint8_t *wrap = sp_locked_new(SP_SEAL_KEY), *k = sp_secret_space(keys, SP_SEAL_KEYS), ad_mem[128];
	struct sp_out o;
	enum sp_status st;
	sp_slice ad;

	if (wrap == NULL || k == NULL) {
		sp_locked_free(wrap);
		return sp_fail(e, SP_E_FULL, NULL, "no room in locked memory");
	}
	sp_out_init(&o, ad_mem, sizeof ad_mem);
	ad = slot_ad(&o, slot, id);
	st = unwrap_key(slot, material, wrap, e);
	if (st == SP_OK && AEAD(decrypt)(k, NULL, NULL, slot->wrapped, sizeof slot->wrapped, BYTES(ad), ad.n,
	    slot->nonce, wrap) != 0)
		st = sp_fail(e, SP_E_REFUSED, NULL, slot->kdf == SP_KDF_KEY ?
		    "wrong key: this key does not open the vault" :
		    "wrong key: this passphrase does not open the vault");
	if (st == SP_OK)
		derive(k);
	else
		sp_secret_cut(keys, 0);
	sp_locked_free(wrap);
	return st;
}

static sp_slice
record_ad(struct sp_out *o, const struct sp_seal_ad *ad)
{
	sp_out_str(o, "sallyport vault record 1");
	sp_out_add(o, ad->id, SP_SEAL_ID);
	sp_out_be(o, ad->position, 4);
	sp_out_be(o, ad->set_s, 8);
	sp_out_lv(o, ad->name, 1);
	assert(!o->full);
	return sp_out_view(o);
}

void
sp_seal_record(const struct sp_secret *keys, const struct sp_seal_ad *with, const struct sp_secret *value,
    uint8_t nonce[SP_SEAL_NONCE], uint8_t *ct)
{
	sp_slice v = sp_secret_peek(value), ad;
	uint8_t ad_mem[160];
	struct sp_out o;

	sp_out_init(&o, ad_mem, sizeof ad_mem);
	ad = record_ad(&o, with);
	/* 24 random bytes: no two of a key's lifetime meet. */
	randombytes_buf(nonce, SP_SEAL_NONCE);
	AEAD(encrypt)(ct, NULL, BYTES(v), v.n, BYTES(ad), ad.n, NULL, nonce, BYTES(sp_secret_peek(keys)) + SP_SEAL_KEY);
}

bool
sp_seal_open(const struct sp_secret *keys, const struct sp_seal_ad *with, const uint8_t nonce[SP_SEAL_NONCE],
    sp_slice ct, struct sp_secret *value)
{
	uint8_t ad_mem[160], *at;
	struct sp_out o;
	sp_slice ad;

	if (ct.n < SP_SEAL_TAG || (at = sp_secret_space(value, ct.n - SP_SEAL_TAG)) == NULL)
		return false;
	sp_out_init(&o, ad_mem, sizeof ad_mem);
	ad = record_ad(&o, with);
	if (AEAD(decrypt)(at, NULL, NULL, BYTES(ct), ct.n, BYTES(ad), ad.n, nonce,
	    BYTES(sp_secret_peek(keys)) + SP_SEAL_KEY) == 0)
		return true;
	sp_secret_cut(value, 0);
	return false;
}

void
sp_seal_mac(const struct sp_secret *keys, sp_slice bytes, uint8_t mac[SP_SEAL_MAC])
{
	crypto_generichash(mac, SP_SEAL_MAC, BYTES(bytes), bytes.n, BYTES(sp_secret_peek(keys)) + 2 * SP_SEAL_KEY,
	    SP_SEAL_KEY);
}

void
sp_seal_checksum(sp_slice bytes, uint8_t sum[SP_SEAL_MAC])
{
	crypto_generichash(sum, SP_SEAL_MAC, BYTES(bytes), bytes.n, NULL, 0);
}

/*
 * The cryptography of the vault file.  A random data key seals the records; one or two slots wrap that key for
 * what the operator has (a key, or a passphrase through argon2id).  Two slots exist only while a vault changes its
 * key, so that a crash between the two files leaves one of them working.
 */
#ifndef SP_VAULT_SEAL_H
#define SP_VAULT_SEAL_H

#include "vault/secret.h"

enum sp_kdf { SP_KDF_KEY = 1, SP_KDF_ARGON2ID = 2 };
enum {
	SP_SEAL_ID = 16, SP_SEAL_SALT = 16, SP_SEAL_NONCE = 24, SP_SEAL_TAG = 16, SP_SEAL_KEY = 32, SP_SEAL_MAC = 32,
	SP_SEAL_KEYS = 3 * SP_SEAL_KEY,		/* size of the secret that holds data key, record key and file key */
	SP_PASSPHRASE_MIN = 12, SP_MATERIAL_MAX = 1024,
};

struct sp_slot {
	uint32_t kdf, ops, mem_kib;
	uint8_t	 salt[SP_SEAL_SALT], nonce[SP_SEAL_NONCE], wrapped[SP_SEAL_KEY + SP_SEAL_TAG];
};

/* Cost of argon2id; NULL where it is asked for: 3 passes over 256 MB. */
struct sp_kdf_cost { uint32_t ops, mem_kib; };

/* What the operator has: 64 hexadecimal digits or 32 bytes that are no text are a key, all else a passphrase.
 * One final newline does not count. */
enum sp_kdf sp_material_kind(const struct sp_secret *material);
/* A new key as 64 hexadecimal digits and a newline. */
SP_MUST enum sp_status sp_material_random(struct sp_secret *out);
/* SP_E_CONFIG: a passphrase shorter than SP_PASSPHRASE_MIN. */
SP_MUST enum sp_status sp_slot_make(struct sp_slot *slot, const uint8_t id[SP_SEAL_ID], const struct sp_secret *material,
    const struct sp_secret *keys, const struct sp_kdf_cost *cost, struct sp_err *e);
/* SP_E_REFUSED: the material does not open it. */
SP_MUST enum sp_status sp_slot_open(const struct sp_slot *slot, const uint8_t id[SP_SEAL_ID],
    const struct sp_secret *material, struct sp_secret *keys, struct sp_err *e);
/* A fresh data key, and what is derived from it. */
SP_MUST enum sp_status sp_seal_keys_new(struct sp_secret *keys);

/* What is authenticated with a value besides itself. */
struct sp_seal_ad { const uint8_t *id; uint32_t position; uint64_t set_s; sp_slice name; };
/* ct: room for the value and SP_SEAL_TAG more. */
void sp_seal_record(const struct sp_secret *keys, const struct sp_seal_ad *ad, const struct sp_secret *value,
    uint8_t nonce[SP_SEAL_NONCE], uint8_t *ct);
SP_MUST bool sp_seal_open(const struct sp_secret *keys, const struct sp_seal_ad *ad,
    const uint8_t nonce[SP_SEAL_NONCE], sp_slice ct, struct sp_secret *value);
/* SP_SEAL_KEY bytes that follow from the data key and are used for nothing else here. */
SP_MUST enum sp_status sp_seal_seed(const struct sp_secret *keys, struct sp_secret *seed);
void sp_seal_mac(const struct sp_secret *keys, sp_slice bytes, uint8_t mac[SP_SEAL_MAC]);
void sp_seal_checksum(sp_slice bytes, uint8_t sum[SP_SEAL_MAC]);

#endif

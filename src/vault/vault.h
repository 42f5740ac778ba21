/*
 * The vault: named values in one sealed file, `vault` in the state folder.  Whoever opens it holds the state lock.
 * The file is held in memory as it is on disk; a value is opened only into a secret, one at a time.  Every change
 * is written whole and atomically before the function returns; when it fails, the old file and the old values stay.
 */
#ifndef SP_VAULT_VAULT_H
#define SP_VAULT_VAULT_H

#include "vault/seal.h"
#include "vault/vaultfile.h"

#define SP_VAULT_FILE "vault"
#define SP_VAULT_KEY_FILE "vault.key"

struct sp_vault;
struct sp_vault_entry { sp_slice name; uint64_t set_s; size_t bytes; };

/* A new, empty vault.  SP_E_REFUSED: there is one already. */
SP_MUST enum sp_status sp_vault_create(int dir, const struct sp_secret *material, const struct sp_kdf_cost *cost,
    uint64_t now_s, struct sp_err *e);
/* SP_E_NOT_FOUND: there is none; SP_E_REFUSED: wrong key; SP_E_VERSION: newer format; SP_E_CONFIG: damaged or no vault.
 * Each has its text and remedy in e->log; the file is untouched. */
SP_MUST enum sp_status sp_vault_open(int dir, const struct sp_secret *material, struct sp_vault **out, struct sp_err *e);
/* The same on bytes, for tests and fuzzing; such a vault cannot be changed. */
SP_MUST enum sp_status sp_vault_open_bytes(sp_slice bytes, const struct sp_secret *material, struct sp_vault **out,
    struct sp_err *e);
void sp_vault_free(struct sp_vault **v);

uint32_t sp_vault_count(const struct sp_vault *v);
void sp_vault_at(const struct sp_vault *v, uint32_t i, struct sp_vault_entry *out);
SP_MUST bool sp_vault_has(const struct sp_vault *v, sp_slice name);
/* One more with every write: a smaller one than was seen before means that an old file was put in place. */
uint64_t sp_vault_generation(const struct sp_vault *v);
/* A change of the key was begun and not ended: an old key still opens the vault. */
SP_MUST bool sp_vault_half_rekeyed(const struct sp_vault *v);

/* SP_SEAL_KEY bytes that nobody knows who cannot open the vault: the same until its key changes. */
SP_MUST enum sp_status sp_vault_seed(const struct sp_vault *v, struct sp_secret *seed);

/* SP_E_NOT_FOUND: no such record. */
SP_MUST enum sp_status sp_vault_get(struct sp_vault *v, sp_slice name, struct sp_secret *out, struct sp_err *e);
/* SP_E_BAD_PARAMS: bad name, or a value outside 8 bytes to 16 kB; SP_E_FULL: 1024 records. */
SP_MUST enum sp_status sp_vault_set(struct sp_vault *v, sp_slice name, const struct sp_secret *value, uint64_t now_s,
    struct sp_err *e);
SP_MUST enum sp_status sp_vault_rm(struct sp_vault *v, sp_slice name, uint64_t now_s, struct sp_err *e);
/* Another data key, which both what opens the vault now (`old`) and `fresh` open. */
SP_MUST enum sp_status sp_vault_rekey_begin(struct sp_vault *v, const struct sp_secret *old,
    const struct sp_secret *fresh, const struct sp_kdf_cost *cost, uint64_t now_s, struct sp_err *e);
/* From now on only `fresh` opens it.  To be called when `fresh` is safely stored. */
SP_MUST enum sp_status sp_vault_rekey_end(struct sp_vault *v, const struct sp_secret *fresh, uint64_t now_s,
    struct sp_err *e);

#endif

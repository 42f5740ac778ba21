/*
 * The vault file as bytes, format 1.  Numbers are big-endian.
 *
 *	 0  8  "SPVAULT\n"
 *	 8  4  format version
 *	12  4  slots (1 or 2)
 *	16  8  length of the file
 *	24  8  generation: one more with every write
 *	32  8  written, Unix time
 *	40  4  records
 *	44  4  zero
 *	48 16  id of the data key
 *	64     slots: kdf 4, passes 4, kB of memory 4, zero 4, salt 16, nonce 24, wrapped key 48
 *	       records: length of name 1, name, set (Unix time) 8, length of sealed value 4, nonce 24, sealed value
 *	       keyed BLAKE2b of all before 32: no record is added, dropped, moved or taken from an older file
 *	       BLAKE2b of all before 32: tells damage from a wrong key
 *
 * Reading is pure: bytes in, borrowed pieces out.
 */
#ifndef SP_VAULT_VAULTFILE_H
#define SP_VAULT_VAULTFILE_H

#include "base/out.h"
#include "vault/seal.h"

enum {
	SP_VAULT_FORMAT = 1, SP_VAULT_SLOTS = 2, SP_VAULT_RECORDS = 1024, SP_VAULT_NAME_MAX = 64,
	SP_VAULT_VALUE_MIN = 8, SP_VAULT_VALUE_MAX = 16384, SP_VAULT_FILE_MAX = 33554432,
};

struct sp_vault_record {
	sp_slice name, ct;		/* ct: sealed value with its tag */
	uint64_t set_s;
	uint8_t	 nonce[SP_SEAL_NONCE];
};

struct sp_vault_file {
	uint64_t generation, written_s;
	uint8_t	 id[SP_SEAL_ID];
	struct sp_slot slot[SP_VAULT_SLOTS];
	uint32_t nslots, nrecords;
	const struct sp_vault_record *record;
};

/* [a-z0-9][a-z0-9._-]{0,63} */
SP_MUST bool sp_vault_name_ok(sp_slice name);
/* `room` takes SP_VAULT_RECORDS records.  *maced: the bytes that *mac answers for.
 * SP_E_CONFIG: no vault, cut off, or damaged; SP_E_VERSION: a newer format.  e->log says which and what to do. */
SP_MUST enum sp_status sp_vault_file_read(sp_slice bytes, struct sp_vault_record *room, struct sp_vault_file *out,
    sp_slice *maced, sp_slice *mac, struct sp_err *e);
/* Appends the whole file. */
void sp_vault_file_write(struct sp_out *o, const struct sp_vault_file *f, const struct sp_secret *keys);

#endif

/* Any bytes as a vault file: what is accepted lies inside the input and is written back byte for byte. */
#include "vault/vaultfile.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
inside(sp_slice s, sp_slice in)
{
	if (s.p < in.p || s.p + s.n > in.p + in.n)
		abort();
}

static void
judge(sp_slice in, struct sp_secret *keys)
{
	static struct sp_vault_record room[SP_VAULT_RECORDS];
	struct sp_vault_file f;
	struct sp_err e = { 0 };
	struct sp_out o;
	sp_slice maced, mac;

	if (sp_vault_file_read(in, room, &f, &maced, &mac, &e) != SP_OK) {
		if (e.log[0] == '\0')
			abort();
		return;
	}
	inside(maced, in);
	inside(mac, in);
	for (uint32_t i = 0; i < f.nrecords; i++) {
		inside(f.record[i].name, in);
		inside(f.record[i].ct, in);
	}
	sp_out_heap(&o, SP_VAULT_FILE_MAX);
	sp_vault_file_write(&o, &f, keys);
	if (o.full || o.n != in.n || memcmp(o.p, in.p, in.n - 2 * SP_SEAL_MAC) != 0)
		abort();
	sp_out_free(&o);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct sp_secret *keys;
	uint8_t *copy = malloc(n + 1);

	if (keys == NULL) {
		if (sp_secret_init(65536, false, NULL, NULL) != SP_OK)
			abort();
		keys = sp_secret_new(SP_SEAL_KEYS);
		if (keys == NULL || sp_secret_space(keys, SP_SEAL_KEYS) == NULL)
			abort();
	}
	if (copy == NULL)
		return 0;
	memcpy(copy, data, n);
	judge(sp_mem(copy, n), keys);
	/* With its plain checksum made good, which a fuzzer would never guess. */
	if (n > SP_SEAL_MAC) {
		sp_seal_checksum(sp_mem(copy, n - SP_SEAL_MAC), copy + n - SP_SEAL_MAC);
		judge(sp_mem(copy, n), keys);
	}
	free(copy);
	return 0;
}

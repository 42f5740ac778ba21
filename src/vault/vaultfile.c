#include "vault/vaultfile.h"

#include "base/rd.h"

#include <string.h>

enum { HEAD = 64, SLOT = 4 * 4 + SP_SEAL_SALT + SP_SEAL_NONCE + SP_SEAL_KEY + SP_SEAL_TAG, TAIL = 2 * SP_SEAL_MAC };

static const sp_slice magic = SP_LIT_INIT("SPVAULT\n");

bool
sp_vault_name_ok(sp_slice name)
{
	if (name.n == 0 || name.n > SP_VAULT_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];
		bool word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');

		if (!word && (i == 0 || (c != '.' && c != '_' && c != '-')))
			return false;
	}
	return true;
}

#define DAMAGED "the vault file is damaged (%s); nothing was changed. Restore it from a backup"

static void
take(struct sp_rd *r, void *to, size_t n)
{
	sp_slice s = sp_rd_bytes(r, n);

	if (s.n == n)
		memcpy(to, s.p, n);
}

static bool
read_slot(struct sp_rd *r, struct sp_slot *s)
{
	uint64_t zero;

	*s = (struct sp_slot){ 0 };
	s->kdf = (uint32_t)sp_rd_be(r, 4);
	s->ops = (uint32_t)sp_rd_be(r, 4);
	s->mem_kib = (uint32_t)sp_rd_be(r, 4);
	zero = sp_rd_be(r, 4);
	take(r, s->salt, sizeof s->salt);
	take(r, s->nonce, sizeof s->nonce);
	take(r, s->wrapped, sizeof s->wrapped);
	return zero == 0 && (s->kdf == SP_KDF_KEY || s->kdf == SP_KDF_ARGON2ID);
}

static bool
read_record(struct sp_rd *r, struct sp_vault_record *rec)
{
	uint64_t n;

	*rec = (struct sp_vault_record){ 0 };
	rec->name = sp_rd_lv(r, 1, SP_VAULT_NAME_MAX);
	rec->set_s = sp_rd_be(r, 8);
	n = sp_rd_be(r, 4);
	take(r, rec->nonce, sizeof rec->nonce);
	if (r->bad || n <= SP_SEAL_TAG || n > SP_VAULT_VALUE_MAX + SP_SEAL_TAG)
		return false;
	rec->ct = sp_rd_bytes(r, (size_t)n);
	return !r->bad && sp_vault_name_ok(rec->name);
}

static enum sp_status
read_body(struct sp_rd *r, struct sp_vault_record *room, struct sp_vault_file *f, struct sp_err *e)
{
	f->record = room;
	for (uint32_t i = 0; i < f->nslots; i++)
		if (!read_slot(r, &f->slot[i]))
			return sp_fail(e, SP_E_CONFIG, NULL, DAMAGED, "its key slot is malformed");
	for (uint32_t i = 0; i < f->nrecords; i++) {
		if (!read_record(r, &room[i]))
			return sp_fail(e, SP_E_CONFIG, NULL, DAMAGED, "a record is malformed");
		/* Sorted and unique: there is one way to write a vault. */
		if (i > 0 && sp_cmp(room[i - 1].name, room[i].name) >= 0)
			return sp_fail(e, SP_E_CONFIG, NULL, DAMAGED, "its records are out of order");
	}
	if (!sp_rd_done(r))
		return sp_fail(e, SP_E_CONFIG, NULL, DAMAGED, "there are bytes left over");
	return SP_OK;
}

static enum sp_status
check_frame(sp_slice bytes, struct sp_rd *r, struct sp_err *e)
{
	uint8_t sum[SP_SEAL_MAC];
	uint64_t version, length;

	if (!sp_starts(bytes, magic))
		return sp_fail(e, SP_E_CONFIG, NULL, sp_starts(magic, bytes) ?
		    "the vault file is cut off; nothing was changed. Restore it from a backup" :
		    "this file is no vault");
	*r = (struct sp_rd){ sp_sub(bytes, magic.n, bytes.n), false };
	version = sp_rd_be(r, 4);
	if (!r->bad && version != SP_VAULT_FORMAT)
		return sp_fail(e, SP_E_VERSION, NULL, "the vault has format %llu, this program knows %d; nothing was "
		    "changed. Use the version that wrote it", (unsigned long long)version, SP_VAULT_FORMAT);
	(void)sp_rd_be(r, 4);
	length = sp_rd_be(r, 8);
	if (r->bad || bytes.n < length || bytes.n < HEAD + TAIL)
		return sp_fail(e, SP_E_CONFIG, NULL, "the vault file is cut off (%zu bytes); nothing was changed. "
		    "Restore it from a backup", bytes.n);
	if (bytes.n != length)
		return sp_fail(e, SP_E_CONFIG, NULL, DAMAGED, "its length is wrong");
	sp_seal_checksum(sp_sub(bytes, 0, bytes.n - SP_SEAL_MAC), sum);
	if (memcmp(sum, bytes.p + bytes.n - SP_SEAL_MAC, sizeof sum) != 0)
		return sp_fail(e, SP_E_CONFIG, NULL, DAMAGED, "its checksum is wrong");
	return SP_OK;
}

enum sp_status
sp_vault_file_read(sp_slice bytes, struct sp_vault_record *room, struct sp_vault_file *out, sp_slice *maced,
    sp_slice *mac, struct sp_err *e)
{
	struct sp_vault_file f = { 0 };
	enum sp_status st;
	struct sp_rd r;
	uint64_t zero;

	st = check_frame(bytes, &r, e);
	if (st != SP_OK)
		return st;
	r = (struct sp_rd){ sp_sub(bytes, 12, bytes.n - 12 - TAIL), false };
	f.nslots = (uint32_t)sp_rd_be(&r, 4);
	(void)sp_rd_be(&r, 8);
	f.generation = sp_rd_be(&r, 8);
	f.written_s = sp_rd_be(&r, 8);
	f.nrecords = (uint32_t)sp_rd_be(&r, 4);
	zero = sp_rd_be(&r, 4);
	take(&r, f.id, sizeof f.id);
	if (r.bad || zero != 0 || f.nslots == 0 || f.nslots > SP_VAULT_SLOTS || f.nrecords > SP_VAULT_RECORDS)
		return sp_fail(e, SP_E_CONFIG, NULL, DAMAGED, "its head is malformed");
	st = read_body(&r, room, &f, e);
	if (st != SP_OK)
		return st;
	*out = f;
	*maced = sp_sub(bytes, 0, bytes.n - TAIL);
	*mac = sp_sub(bytes, bytes.n - TAIL, SP_SEAL_MAC);
	return SP_OK;
}

static size_t
file_size(const struct sp_vault_file *f)
{
	size_t n = HEAD + (size_t)f->nslots * SLOT + TAIL;

	for (uint32_t i = 0; i < f->nrecords; i++)
		n += 1 + f->record[i].name.n + 8 + 4 + SP_SEAL_NONCE + f->record[i].ct.n;
	return n;
}

static void
write_slot(struct sp_out *o, const struct sp_slot *s)
{
	sp_out_be(o, s->kdf, 4);
	sp_out_be(o, s->ops, 4);
	sp_out_be(o, s->mem_kib, 4);
	sp_out_be(o, 0, 4);
	sp_out_add(o, s->salt, sizeof s->salt);
	sp_out_add(o, s->nonce, sizeof s->nonce);
	sp_out_add(o, s->wrapped, sizeof s->wrapped);
}

static void
write_record(struct sp_out *o, const struct sp_vault_record *r)
{
	sp_out_lv(o, r->name, 1);
	sp_out_be(o, r->set_s, 8);
	sp_out_be(o, r->ct.n, 4);
	sp_out_add(o, r->nonce, sizeof r->nonce);
	sp_out_slice(o, r->ct);
}

void
sp_vault_file_write(struct sp_out *o, const struct sp_vault_file *f, const struct sp_secret *keys)
{
	uint8_t sum[SP_SEAL_MAC];
	size_t from = o->n;

	sp_out_slice(o, magic);
	sp_out_be(o, SP_VAULT_FORMAT, 4);
	sp_out_be(o, f->nslots, 4);
	sp_out_be(o, file_size(f), 8);
	sp_out_be(o, f->generation, 8);
	sp_out_be(o, f->written_s, 8);
	sp_out_be(o, f->nrecords, 4);
	sp_out_be(o, 0, 4);
	sp_out_add(o, f->id, sizeof f->id);
	for (uint32_t i = 0; i < f->nslots; i++)
		write_slot(o, &f->slot[i]);
	for (uint32_t i = 0; i < f->nrecords; i++)
		write_record(o, &f->record[i]);
	if (o->full)
		return;
	sp_seal_mac(keys, sp_mem(o->p + from, o->n - from), sum);
	sp_out_add(o, sum, sizeof sum);
	if (o->full)
		return;
	sp_seal_checksum(sp_mem(o->p + from, o->n - from), sum);
	sp_out_add(o, sum, sizeof sum);
}

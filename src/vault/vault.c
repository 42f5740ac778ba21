#include "vault/vault.h"

#include "base/ct.h"
#include "vault/statefile.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <unistd.h>

struct sp_vault {
	int dir;			/* -1: read-only */
	struct sp_secret *keys;
	struct sp_secret *value;	/* one record while it moves */
	struct sp_out bytes;		/* the file; the records below point into it */
	struct sp_vault_file file;
	struct sp_vault_record record[SP_VAULT_RECORDS];
};

void
sp_vault_free(struct sp_vault **v)
{
	if (v == NULL || *v == NULL)
		return;
	sp_secret_free(&(*v)->keys);
	sp_secret_free(&(*v)->value);
	sp_out_free(&(*v)->bytes);
	free(*v);
	*v = NULL;
}

static enum sp_status
empty_vault(int dir, struct sp_vault **out, struct sp_err *e)
{
	struct sp_vault *v = calloc(1, sizeof *v);

	if (v == NULL)
		return sp_fail(e, SP_E_FULL, NULL, "no memory");
	v->dir = dir;
	v->keys = sp_secret_new(SP_SEAL_KEYS);
	v->value = sp_secret_new(SP_VAULT_VALUE_MAX);
	sp_out_heap(&v->bytes, SP_VAULT_FILE_MAX);
	v->file.record = v->record;
	if (v->keys == NULL || v->value == NULL) {
		sp_vault_free(&v);
		return sp_fail(e, SP_E_FULL, NULL, "no room in locked memory");
	}
	*out = v;
	return SP_OK;
}

/* Writes `f` (sealed with `keys`) to disk, then makes it the vault's content. */
static enum sp_status
commit(struct sp_vault *v, const struct sp_vault_file *f, const struct sp_secret *keys, struct sp_err *e)
{
	struct sp_out o;
	sp_slice maced, mac;
	enum sp_status st;

	if (v->dir < 0)
		return sp_fail(e, SP_E_BUG, NULL, "this vault is read-only");
	sp_out_heap(&o, SP_VAULT_FILE_MAX);
	sp_vault_file_write(&o, f, keys);
	if (o.full) {
		sp_out_free(&o);
		return sp_fail(e, SP_E_FULL, NULL, "no memory for the vault file");
	}
	st = sp_state_replace(v->dir, SP_VAULT_FILE, sp_out_view(&o), e);
	if (st == SP_OK)
		st = sp_vault_file_read(sp_out_view(&o), v->record, &v->file, &maced, &mac, e);
	if (st != SP_OK) {
		sp_out_free(&o);
		return st;
	}
	sp_out_free(&v->bytes);
	v->bytes = o;
	return SP_OK;
}

enum sp_status
sp_vault_create(int dir, const struct sp_secret *material, const struct sp_kdf_cost *cost, uint64_t now_s,
    struct sp_err *e)
{
	struct sp_vault *v = NULL;
	struct sp_vault_file f = { .generation = 1, .written_s = now_s, .nslots = 1 };
	enum sp_status st;

	if (faccessat(dir, SP_VAULT_FILE, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return sp_fail(e, SP_E_REFUSED, NULL, "there is a vault already; `sallyport vault rekey` changes its key");
	st = empty_vault(dir, &v, e);
	if (st != SP_OK)
		return st;
	randombytes_buf(f.id, sizeof f.id);
	f.record = v->record;
	st = sp_seal_keys_new(v->keys);
	if (st == SP_OK)
		st = sp_slot_make(&f.slot[0], f.id, material, v->keys, cost, e);
	if (st == SP_OK)
		st = commit(v, &f, v->keys, e);
	sp_vault_free(&v);
	return st;
}

static enum sp_status
unlock(struct sp_vault *v, const struct sp_secret *material, sp_slice maced, sp_slice mac, struct sp_err *e)
{
	uint8_t want[SP_SEAL_MAC];
	enum sp_status st = SP_E_REFUSED;

	for (uint32_t i = 0; i < v->file.nslots && st == SP_E_REFUSED; i++)
		st = sp_slot_open(&v->file.slot[i], v->file.id, material, v->keys, e);
	if (st != SP_OK)
		return st;
	sp_seal_mac(v->keys, maced, want);
	if (!sp_ct_slice_eq(mac, sp_mem(want, sizeof want)))
		return sp_fail(e, SP_E_CONFIG, NULL, "the vault file was tampered with: its records are not those "
		    "that were written together; nothing was changed. Restore it from a backup");
	return SP_OK;
}

/* Takes over v->bytes. */
static enum sp_status
open_bytes(struct sp_vault *v, const struct sp_secret *material, struct sp_err *e)
{
	sp_slice maced, mac;
	enum sp_status st;

	st = sp_vault_file_read(sp_out_view(&v->bytes), v->record, &v->file, &maced, &mac, e);
	if (st == SP_OK)
		st = unlock(v, material, maced, mac, e);
	/* Every record is opened once, so that a vault that opens has no value that does not. */
	for (uint32_t i = 0; st == SP_OK && i < v->file.nrecords; i++) {
		st = sp_vault_get(v, v->record[i].name, v->value, e);
		sp_secret_cut(v->value, 0);
	}
	return st;
}

enum sp_status
sp_vault_open_bytes(sp_slice bytes, const struct sp_secret *material, struct sp_vault **out, struct sp_err *e)
{
	struct sp_vault *v = NULL;
	enum sp_status st = empty_vault(-1, &v, e);

	if (st != SP_OK)
		return st;
	sp_out_slice(&v->bytes, bytes);
	st = v->bytes.full ? sp_fail(e, SP_E_TOO_BIG, NULL, "the vault file is too large") : open_bytes(v, material, e);
	if (st != SP_OK) {
		sp_vault_free(&v);
		return st;
	}
	*out = v;
	return SP_OK;
}

enum sp_status
sp_vault_open(int dir, const struct sp_secret *material, struct sp_vault **out, struct sp_err *e)
{
	struct sp_vault *v = NULL;
	enum sp_status st = empty_vault(dir, &v, e);

	if (st != SP_OK)
		return st;
	st = sp_state_read(dir, SP_VAULT_FILE, SP_VAULT_FILE_MAX, &v->bytes, e);
	if (st == SP_E_NOT_FOUND)
		(void)sp_fail(e, st, NULL, "there is no vault yet: `sallyport vault init` makes one");
	if (st == SP_OK)
		st = open_bytes(v, material, e);
	if (st != SP_OK) {
		sp_vault_free(&v);
		return st;
	}
	*out = v;
	return SP_OK;
}

uint32_t
sp_vault_count(const struct sp_vault *v)
{
	return v->file.nrecords;
}

void
sp_vault_at(const struct sp_vault *v, uint32_t i, struct sp_vault_entry *out)
{
	const struct sp_vault_record *r = &v->record[i];

	*out = (struct sp_vault_entry){ r->name, r->set_s, r->ct.n - SP_SEAL_TAG };
}

uint64_t
sp_vault_generation(const struct sp_vault *v)
{
	return v->file.generation;
}

bool
sp_vault_half_rekeyed(const struct sp_vault *v)
{
	return v->file.nslots > 1;
}

enum sp_status
sp_vault_seed(const struct sp_vault *v, struct sp_secret *seed)
{
	return sp_seal_seed(v->keys, seed);
}

/* Index of `name`, or where it belongs (*found tells). */
static uint32_t
place_of(const struct sp_vault *v, sp_slice name, bool *found)
{
	uint32_t lo = 0, hi = v->file.nrecords;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (sp_cmp(v->record[mid].name, name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	*found = lo < v->file.nrecords && sp_eq(v->record[lo].name, name);
	return lo;
}

bool
sp_vault_has(const struct sp_vault *v, sp_slice name)
{
	bool found;

	(void)place_of(v, name, &found);
	return found;
}

static enum sp_status
open_at(struct sp_vault *v, uint32_t i, struct sp_secret *out, struct sp_err *e)
{
	const struct sp_vault_record *r = &v->record[i];
	struct sp_seal_ad ad = { v->file.id, i, r->set_s, r->name };

	if (!sp_seal_open(v->keys, &ad, r->nonce, r->ct, out))
		return sp_fail(e, SP_E_CONFIG, NULL, "the vault file was tampered with: record %.*s does not open; "
		    "nothing was changed. Restore it from a backup", SP_PRI(r->name));
	return SP_OK;
}

enum sp_status
sp_vault_get(struct sp_vault *v, sp_slice name, struct sp_secret *out, struct sp_err *e)
{
	bool found;
	uint32_t i = place_of(v, name, &found);

	if (!found)
		return sp_fail(e, SP_E_NOT_FOUND, NULL, "vault:%.*s does not exist: `sallyport vault set %.*s` makes it",
		    SP_PRI(name), SP_PRI(name));
	return open_at(v, i, out, e);
}

/* A new file under construction: every record is opened and sealed again, for its position and key. */
struct draft {
	struct sp_vault_file f;
	const struct sp_secret *keys;
	struct sp_vault_record record[SP_VAULT_RECORDS];
	struct sp_out mem;		/* sealed values, one after the other */
};

static struct draft *
draft_new(const struct sp_vault *v, const struct sp_secret *keys, uint64_t now_s)
{
	struct draft *d = calloc(1, sizeof *d);
	size_t room = SP_VAULT_VALUE_MAX + SP_SEAL_TAG;

	if (d == NULL)
		return NULL;
	d->f = v->file;
	d->f.generation++;
	d->f.written_s = now_s;
	d->f.nrecords = 0;
	d->f.record = d->record;
	d->keys = keys;
	for (uint32_t i = 0; i < v->file.nrecords; i++)
		room += v->record[i].ct.n;
	/* All at once, so that nothing moves while records point into it. */
	sp_out_heap(&d->mem, room);
	if (sp_out_room(&d->mem, room) == NULL) {
		free(d);
		return NULL;
	}
	sp_out_reset(&d->mem);
	return d;
}

static void
draft_free(struct draft **d)
{
	if (*d == NULL)
		return;
	sp_out_free(&(*d)->mem);
	free(*d);
	*d = NULL;
}

static void
draft_add(struct draft *d, sp_slice name, uint64_t set_s, const struct sp_secret *value)
{
	struct sp_vault_record *r = &d->record[d->f.nrecords];
	struct sp_seal_ad ad = { d->f.id, d->f.nrecords, set_s, name };
	size_t n = sp_secret_len(value) + SP_SEAL_TAG;
	uint8_t *ct = sp_out_room(&d->mem, n);

	*r = (struct sp_vault_record){ .name = name, .set_s = set_s, .ct = sp_mem(ct, n) };
	sp_seal_record(d->keys, &ad, value, r->nonce, ct);
	d->f.nrecords++;
}

/* Records from..to of the vault, as they are, at their new positions. */
static enum sp_status
draft_copy(struct draft *d, struct sp_vault *v, uint32_t from, uint32_t to, struct sp_err *e)
{
	for (uint32_t i = from; i < to; i++) {
		enum sp_status st = open_at(v, i, v->value, e);

		if (st != SP_OK)
			return st;
		draft_add(d, v->record[i].name, v->record[i].set_s, v->value);
		sp_secret_cut(v->value, 0);
	}
	return SP_OK;
}

enum sp_status
sp_vault_set(struct sp_vault *v, sp_slice name, const struct sp_secret *value, uint64_t now_s, struct sp_err *e)
{
	SP_AUTO(draft_free) struct draft *d = NULL;
	size_t n = sp_secret_len(value);
	enum sp_status st;
	bool found;
	uint32_t at;

	if (!sp_vault_name_ok(name))
		return sp_fail(e, SP_E_BAD_PARAMS, NULL, "bad name `%.*s`: small letters, digits, '.', '_' and '-', "
		    "a letter or digit first, at most %d", SP_PRI(name), SP_VAULT_NAME_MAX);
	if (n < SP_VAULT_VALUE_MIN || n > SP_VAULT_VALUE_MAX)
		return sp_fail(e, SP_E_BAD_PARAMS, NULL, "the value has %zu bytes: at least %d are needed, so that it can "
		    "be told from other text in an answer, and at most %d are taken", n, SP_VAULT_VALUE_MIN,
		    SP_VAULT_VALUE_MAX);
	at = place_of(v, name, &found);
	if (!found && v->file.nrecords == SP_VAULT_RECORDS)
		return sp_fail(e, SP_E_FULL, NULL, "the vault holds %d records, which is all it can", SP_VAULT_RECORDS);
	d = draft_new(v, v->keys, now_s);
	if (d == NULL)
		return sp_fail(e, SP_E_FULL, NULL, "no memory");
	st = draft_copy(d, v, 0, at, e);
	if (st != SP_OK)
		return st;
	draft_add(d, name, now_s, value);
	st = draft_copy(d, v, found ? at + 1 : at, v->file.nrecords, e);
	return st == SP_OK ? commit(v, &d->f, v->keys, e) : st;
}

enum sp_status
sp_vault_rm(struct sp_vault *v, sp_slice name, uint64_t now_s, struct sp_err *e)
{
	SP_AUTO(draft_free) struct draft *d = NULL;
	enum sp_status st;
	bool found;
	uint32_t at = place_of(v, name, &found);

	if (!found)
		return sp_fail(e, SP_E_NOT_FOUND, NULL, "there is no record `%.*s`", SP_PRI(name));
	d = draft_new(v, v->keys, now_s);
	if (d == NULL)
		return sp_fail(e, SP_E_FULL, NULL, "no memory");
	st = draft_copy(d, v, 0, at, e);
	if (st == SP_OK)
		st = draft_copy(d, v, at + 1, v->file.nrecords, e);
	return st == SP_OK ? commit(v, &d->f, v->keys, e) : st;
}

static enum sp_status
make_slots(struct draft *d, const struct sp_secret *const *material, uint32_t n, const struct sp_kdf_cost *cost,
    struct sp_err *e)
{
	for (uint32_t i = 0; i < n; i++) {
		enum sp_status st = sp_slot_make(&d->f.slot[i], d->f.id, material[i], d->keys, cost, e);

		if (st != SP_OK)
			return st;
	}
	d->f.nslots = n;
	return SP_OK;
}

enum sp_status
sp_vault_rekey_begin(struct sp_vault *v, const struct sp_secret *old, const struct sp_secret *fresh,
    const struct sp_kdf_cost *cost, uint64_t now_s, struct sp_err *e)
{
	const struct sp_secret *both[] = { old, fresh };
	SP_AUTO(sp_secret_free) struct sp_secret *keys = sp_secret_new(SP_SEAL_KEYS);
	SP_AUTO(draft_free) struct draft *d = NULL;
	enum sp_status st;

	if (keys == NULL || sp_seal_keys_new(keys) != SP_OK || (d = draft_new(v, keys, now_s)) == NULL)
		return sp_fail(e, SP_E_FULL, NULL, "no memory");
	randombytes_buf(d->f.id, sizeof d->f.id);
	st = make_slots(d, both, SP_COUNT(both), cost, e);
	if (st == SP_OK)
		st = draft_copy(d, v, 0, v->file.nrecords, e);
	if (st == SP_OK)
		st = commit(v, &d->f, keys, e);
	if (st == SP_OK)
		st = sp_secret_copy(v->keys, keys);
	return st;
}

enum sp_status
sp_vault_rekey_end(struct sp_vault *v, const struct sp_secret *fresh, uint64_t now_s, struct sp_err *e)
{
	SP_AUTO(sp_secret_free) struct sp_secret *keys = sp_secret_new(SP_SEAL_KEYS);
	struct sp_vault_file f = v->file;
	enum sp_status st = SP_E_REFUSED;

	if (keys == NULL)
		return sp_fail(e, SP_E_FULL, NULL, "no memory");
	for (uint32_t i = 0; i < v->file.nslots && st == SP_E_REFUSED; i++) {
		st = sp_slot_open(&v->file.slot[i], v->file.id, fresh, keys, e);
		if (st == SP_OK)
			f.slot[0] = v->file.slot[i];
	}
	if (st != SP_OK)
		return st;
	f.nslots = 1;
	f.generation++;
	f.written_s = now_s;
	return commit(v, &f, v->keys, e);
}

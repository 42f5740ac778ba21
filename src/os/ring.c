#include "os/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define RING_MAGIC 0x31676e6952707953u	/* "SypRing1", little-endian; the last digit counts format changes */

/* A record counts once `commit` is its number plus one; numbers never start over, so an old word never fits. */
struct slot {
	_Atomic uint64_t commit;
	struct sp_audit_record rec;
	char spare[SP_RING_SLOT - sizeof(uint64_t) - sizeof(struct sp_audit_record)];
};

struct ring_file {
	_Atomic uint64_t magic;
	uint32_t slots, slot_bytes;
	/* Records that the reader is done with.  Apart, because the two sides write at the same time. */
	_Alignas(64) _Atomic uint64_t done;
	_Alignas(4096) struct slot slot[SP_RING_SLOTS];
};
_Static_assert(sizeof(struct slot) == SP_RING_SLOT, "a slot is a fixed part of the format");

struct sp_ring {
	struct ring_file *f;
	uint64_t next;			/* writer: number of the next record; reader: of the oldest unread one */
};

static enum sp_status
check_file(int fd, struct sp_err *e)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return sp_fail(e, SP_E_SYSTEM, NULL, "audit ring: errno %d", errno);
	if (!S_ISREG(st.st_mode) || st.st_size != (off_t)sizeof(struct ring_file))
		return sp_fail(e, SP_E_SYSTEM, NULL, "audit ring: not a ring file of this version (%lld bytes)",
		    (long long)st.st_size);
	return SP_OK;
}

static enum sp_status
map(int fd, struct ring_file **out, struct sp_err *e)
{
	enum sp_status st = check_file(fd, e);
	void *p;

	if (st != SP_OK)
		return st;
	p = mmap(NULL, sizeof(struct ring_file), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return sp_fail(e, SP_E_SYSTEM, NULL, "mapping the audit ring: errno %d", errno);
	*out = p;
	return SP_OK;
}

/* Zero bytes are an empty ring: the magic alone is missing, also after a start that was cut short. */
static enum sp_status
prepare(int fd, struct sp_err *e)
{
	struct ring_file *f;
	struct stat st;
	enum sp_status rc;
	int err;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > (off_t)sizeof *f)
		return sp_fail(e, SP_E_SYSTEM, NULL, "audit ring: not a ring file of this version");
	/* All blocks now, so that a full disk is found here and not by a fault while writing. */
	err = posix_fallocate(fd, 0, sizeof *f);
	if (err != 0)
		return sp_fail(e, SP_E_SYSTEM, NULL, "no room for the audit ring: errno %d", err);
	rc = map(fd, &f, e);
	if (rc != SP_OK)
		return rc;
	if (atomic_load(&f->magic) == 0) {
		f->slots = SP_RING_SLOTS;
		f->slot_bytes = SP_RING_SLOT;
		atomic_store(&f->magic, RING_MAGIC);
	}
	if (atomic_load(&f->magic) != RING_MAGIC || f->slots != SP_RING_SLOTS || f->slot_bytes != SP_RING_SLOT)
		rc = sp_fail(e, SP_E_SYSTEM, NULL, "audit ring: of another version");
	munmap(f, sizeof *f);
	return rc;
}

enum sp_status
sp_ring_create(int dirfd, const char *name, int *fd, struct sp_err *e)
{
	int f = openat(dirfd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	enum sp_status st;

	if (f < 0)
		return sp_fail(e, SP_E_SYSTEM, NULL, "audit ring `%s`: errno %d", name, errno);
	st = prepare(f, e);
	if (st != SP_OK) {
		close(f);
		return st;
	}
	*fd = f;
	return SP_OK;
}

static enum sp_status
open_ring(int fd, struct sp_ring **out, struct sp_err *e)
{
	struct sp_ring *r;
	enum sp_status st;

	r = calloc(1, sizeof *r);
	if (r == NULL)
		return sp_fail(e, SP_E_FULL, NULL, "no memory for an audit ring");
	st = map(fd, &r->f, e);
	if (st == SP_OK && atomic_load(&r->f->magic) != RING_MAGIC)
		st = sp_fail(e, SP_E_SYSTEM, NULL, "audit ring: of another version");
	if (st != SP_OK) {
		sp_ring_free(&r);
		return st;
	}
	r->next = atomic_load_explicit(&r->f->done, memory_order_acquire);
	*out = r;
	return SP_OK;
}

static struct slot *
slot_of(const struct sp_ring *r, uint64_t number)
{
	return &r->f->slot[number % SP_RING_SLOTS];
}

static bool
committed(const struct sp_ring *r, uint64_t number)
{
	return atomic_load_explicit(&slot_of(r, number)->commit, memory_order_acquire) == number + 1;
}

enum sp_status
sp_ring_map_writer(int fd, struct sp_ring **out, struct sp_err *e)
{
	enum sp_status st = open_ring(fd, out, e);
	struct sp_ring *r;

	if (st != SP_OK)
		return st;
	/* Behind what a predecessor committed; what it had only begun is overwritten. */
	r = *out;
	for (uint32_t i = 0; i < SP_RING_SLOTS && committed(r, r->next); i++)
		r->next++;
	return SP_OK;
}

bool
sp_ring_room(const struct sp_ring *r, uint32_t n)
{
	/* A reader ahead of the writer is nonsense in the file, and wraps round to "full". */
	uint64_t unread = r->next - atomic_load_explicit(&r->f->done, memory_order_acquire);

	return n <= SP_RING_SLOTS && unread <= SP_RING_SLOTS - n;
}

enum sp_status
sp_ring_put(struct sp_ring *r, const struct sp_audit_record *rec)
{
	struct slot *s = slot_of(r, r->next);

	if (!sp_ring_room(r, 1))
		return SP_E_UNAVAILABLE;
	memcpy(&s->rec, rec, sizeof *rec);
	atomic_store_explicit(&s->commit, r->next + 1, memory_order_release);
	r->next++;
	return SP_OK;
}

/* --- the reader: a role that was taken over writes whatever it likes --- */

enum sp_status
sp_ring_map_reader(int fd, struct sp_ring **out, struct sp_err *e)
{
	return open_ring(fd, out, e);
}

/* Up to the first NUL, or cut where there is none; nothing hides behind it, and no control character stays. */
static void
clean_text(char *field, size_t cap)
{
	size_t n = strnlen(field, cap - 1);

	memset(field + n, 0, cap - n);
	for (size_t i = 0; i < n; i++)
		if (sp_is_ctl((unsigned char)field[i]))
			field[i] = '?';
}

static bool
numbers_ok(const struct sp_audit_record *r)
{
	const uint32_t outcomes = 5;	/* of enum sp_outcome */

	if (r->status > 999)
		return false;
	switch (r->kind) {
	case SP_AUDIT_DECISION:
		return r->outcome < outcomes ||
		    (r->outcome >= SP_AUDIT_STATUS(0) && r->outcome < SP_AUDIT_STATUS(SP_STATUS_COUNT));
	case SP_AUDIT_OUTCOME:
		return r->outcome >= SP_DONE && r->outcome <= SP_NOT_SENT;
	case SP_AUDIT_INTENT:
		return r->outcome < outcomes;
	case SP_AUDIT_INCIDENT:
		return r->outcome < SP_AUDIT_STATUS(SP_STATUS_COUNT);
	}
	return false;
}

/* Keeps what can be kept: a record that lies about its kind is an incident of its role. */
static void
judge(struct sp_audit_record *r)
{
	clean_text(r->source, sizeof r->source);
	clean_text(r->user, sizeof r->user);
	clean_text(r->tool, sizeof r->tool);
	clean_text(r->server, sizeof r->server);
	clean_text(r->note, sizeof r->note);
	if (numbers_ok(r))
		return;
	r->kind = SP_AUDIT_INCIDENT;
	r->outcome = r->status = 0;
	SP_RING_TEXT(r->note, SP_LIT("a record of this role was not well-formed"));
}

bool
sp_ring_peek_at(struct sp_ring *r, uint32_t i, struct sp_audit_record *out)
{
	struct sp_audit_record rec;

	if (i >= SP_RING_SLOTS || !committed(r, r->next + i))
		return false;
	/* Once, then judged: the bytes may change under a second look. */
	memcpy(&rec, &slot_of(r, r->next + i)->rec, sizeof rec);
	atomic_signal_fence(memory_order_seq_cst);
	judge(&rec);
	*out = rec;
	return true;
}

bool
sp_ring_peek(struct sp_ring *r, struct sp_audit_record *out)
{
	return sp_ring_peek_at(r, 0, out);
}

void
sp_ring_advance_n(struct sp_ring *r, uint32_t n)
{
	r->next += n;
	atomic_store_explicit(&r->f->done, r->next, memory_order_release);
}

void
sp_ring_advance(struct sp_ring *r)
{
	sp_ring_advance_n(r, 1);
}

void
sp_ring_free(struct sp_ring **r)
{
	if (r == NULL || *r == NULL)
		return;
	if ((*r)->f != NULL)
		munmap((*r)->f, sizeof *(*r)->f);
	free(*r);
	*r = NULL;
}

void
sp_ring_text(char *dst, size_t cap, sp_slice s)
{
	size_t n = s.n < cap ? s.n : cap - 1;

	memset(dst, 0, cap);
	/* Not in the middle of a character. */
	while (n < s.n && n != 0 && ((unsigned char)s.p[n] & 0xc0) == 0x80)
		n--;
	for (size_t i = 0; i < n; i++)
		dst[i] = sp_is_ctl((unsigned char)s.p[i]) ? '?' : s.p[i];
}

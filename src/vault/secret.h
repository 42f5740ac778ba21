/*
 * Bytes that nobody may see: they live in one region of the process that is locked into memory, kept out of core
 * dumps, surrounded by guard pages, and wiped when given back.  A role makes the region once, before its jail;
 * afterwards no system call is needed.
 * No function turns a secret into text but sp_secret_peek(), and tools/lint lists the files that may call it.
 */
#ifndef SP_VAULT_SECRET_H
#define SP_VAULT_SECRET_H

#include "base/err.h"

struct sp_secret;

enum { SP_SECRET_REGION = 262144, SP_SECRET_LARGEST = 1 << 30 };

/* Makes the region of this process; `size` is rounded up to pages.  must_lock: SP_E_SYSTEM when the kernel will
 * not lock it (e->log names the remedy); else *locked (may be NULL) says whether it did.  A second call is SP_E_BUG. */
SP_MUST enum sp_status sp_secret_init(size_t size, bool must_lock, bool *locked, struct sp_err *e);
/* Wipes and unmaps the region: every secret must have been freed. */
void sp_secret_end(void);
/*
 * The library instead: whoever keeps secrets says so first, on any thread, and drops it after the last of them was freed.
 * Regions are made as they are needed, up to 64; the last one to drop unmaps them.  What cannot be locked is SP_E_SYSTEM.
 * Different secrets may be used by different threads; one of them by one thread at a time.
 */
SP_MUST enum sp_status sp_secret_hold(struct sp_err *e);
void sp_secret_drop(void);

/* An empty secret that can hold up to `cap` bytes; NULL: the region is full (or was never made). */
struct sp_secret *sp_secret_new(size_t cap);
/* Wipes; sets *s NULL.  NULL-safe. */
void sp_secret_free(struct sp_secret **s);
/* SP_E_TOO_BIG: more than its capacity; the old value stays. */
SP_MUST enum sp_status sp_secret_set(struct sp_secret *s, sp_slice value);
/* The same from another secret, which never leaves locked memory on the way. */
SP_MUST enum sp_status sp_secret_copy(struct sp_secret *to, const struct sp_secret *from);
/* Space for exactly n bytes, which become the value: for decryption and read() straight into locked memory.
 * The old value is wiped.  NULL: more than its capacity. */
SP_MUST void *sp_secret_space(struct sp_secret *s, size_t n);
/* Keeps the first n bytes (n at most its length), wipes the rest. */
void sp_secret_cut(struct sp_secret *s, size_t n);
/* Everything that `fd` yields until its end, read straight into `s`.  SP_E_TOO_BIG: more than its capacity
 * (the value is then empty); SP_E_SYSTEM: read error. */
SP_MUST enum sp_status sp_secret_fill(struct sp_secret *s, int fd);
/* Without one final line break (LF or CR LF), as files and commands end. */
void sp_secret_trim(struct sp_secret *s);
size_t sp_secret_len(const struct sp_secret *s);
/* Same bytes?  In time that depends on the lengths only. */
SP_MUST bool sp_secret_same(const struct sp_secret *a, const struct sp_secret *b);
/* The only way out.  Valid until the secret is set or freed; never to be logged, copied to the heap or sent to
 * anyone but the place it was granted for. */
sp_slice sp_secret_peek(const struct sp_secret *s);

/* Locked memory for a writer (struct sp_out) that a secret is written into; NULL: the region is full. */
SP_MUST void *sp_locked_new(size_t n);
void sp_locked_free(void *p);			/* wipes; NULL-safe */

#endif

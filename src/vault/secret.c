#include "vault/secret.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

enum { GRAIN = 64, SPANS = 2048 };

/* The region is cut into spans, in order and without gaps.  Their list lies outside the locked memory. */
struct span { uint32_t at, n; bool used; };

/* A process has one region; whoever holds a secret need not carry it about. */
static struct region {
	unsigned char *p;
	size_t size, nspans;
	struct span span[SPANS];
} region;

struct sp_secret { unsigned char *p; size_t n, cap; };

static enum sp_status
not_locked(int error, struct sp_err *e)
{
	struct rlimit lim = { 0, 0 };

	(void)getrlimit(RLIMIT_MEMLOCK, &lim);
	return sp_fail(e, SP_E_SYSTEM, NULL,
	    "cannot lock %zu kB of memory for secrets (%s; the limit is %llu kB): raise it (`ulimit -l`, LimitMEMLOCK= "
	    "in the service), or accept swapping with `isolation: available`",
	    region.size / 1024, strerror(error), (unsigned long long)lim.rlim_cur / 1024);
}

enum sp_status
sp_secret_init(size_t size, bool must_lock, bool *locked, struct sp_err *e)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	bool ok;
	int error;

	if (region.p != NULL || size == 0 || size > UINT32_MAX / 2)
		return sp_fail(e, SP_E_BUG, NULL, "a second region for secrets");
	if (sodium_init() < 0)
		return sp_fail(e, SP_E_SYSTEM, NULL, "libsodium does not start");
	region.size = (size + page - 1) / page * page;
	region.p = sodium_malloc(region.size);
	if (region.p == NULL)
		return sp_fail(e, SP_E_SYSTEM, NULL, "no memory for secrets: %s", strerror(errno));
	/* sodium_malloc() locks too, but does not say whether it could. */
	ok = mlock(region.p, region.size) == 0;
	error = errno;
	if (!ok && must_lock) {
		enum sp_status st = not_locked(error, e);

		sodium_free(region.p);
		region.p = NULL;
		return st;
	}
	sodium_memzero(region.p, region.size);
	region.span[0] = (struct span){ 0, (uint32_t)region.size, false };
	region.nspans = 1;
	if (locked != NULL)
		*locked = ok;
	return SP_OK;
}

void
sp_secret_end(void)
{
	if (region.p == NULL)
		return;
	sodium_free(region.p);
	region = (struct region){ 0 };
}

static void
insert(size_t i, struct span s)
{
	memmove(&region.span[i + 1], &region.span[i], (region.nspans - i) * sizeof region.span[0]);
	region.span[i] = s;
	region.nspans++;
}

static void
drop(size_t i)
{
	region.nspans--;
	memmove(&region.span[i], &region.span[i + 1], (region.nspans - i) * sizeof region.span[0]);
}

void *
sp_locked_new(size_t n)
{
	size_t want = n == 0 ? GRAIN : (n + GRAIN - 1) / GRAIN * GRAIN;

	if (region.p == NULL || n > region.size)
		return NULL;
	for (size_t i = 0; i < region.nspans; i++) {
		struct span *s = &region.span[i];

		if (s->used || s->n < want)
			continue;
		if (s->n > want) {
			if (region.nspans == SPANS)
				return NULL;
			insert(i + 1, (struct span){ s->at + (uint32_t)want, s->n - (uint32_t)want, false });
			s->n = (uint32_t)want;
		}
		s->used = true;
		return region.p + s->at;
	}
	return NULL;
}

static size_t
span_at(const void *p)
{
	size_t at = (size_t)((const unsigned char *)p - region.p);

	for (size_t i = 0; i < region.nspans; i++)
		if (region.span[i].at == at && region.span[i].used)
			return i;
	return SIZE_MAX;
}

void
sp_locked_free(void *p)
{
	size_t i;

	if (p == NULL)
		return;
	i = span_at(p);
	assert(i != SIZE_MAX);
	sodium_memzero(p, region.span[i].n);
	region.span[i].used = false;
	if (i + 1 < region.nspans && !region.span[i + 1].used) {
		region.span[i].n += region.span[i + 1].n;
		drop(i + 1);
	}
	if (i > 0 && !region.span[i - 1].used) {
		region.span[i - 1].n += region.span[i].n;
		drop(i);
	}
}

struct sp_secret *
sp_secret_new(size_t cap)
{
	struct sp_secret *s = malloc(sizeof *s);
	unsigned char *p = s == NULL ? NULL : sp_locked_new(cap);

	if (p == NULL) {
		free(s);
		return NULL;
	}
	*s = (struct sp_secret){ p, 0, cap };
	return s;
}

void
sp_secret_free(struct sp_secret **s)
{
	if (s == NULL || *s == NULL)
		return;
	sp_locked_free((*s)->p);
	free(*s);
	*s = NULL;
}

void *
sp_secret_space(struct sp_secret *s, size_t n)
{
	if (n > s->cap)
		return NULL;
	sodium_memzero(s->p, s->n);
	s->n = n;
	return s->p;
}

enum sp_status
sp_secret_set(struct sp_secret *s, sp_slice value)
{
	if (value.n > s->cap)
		return SP_E_TOO_BIG;
	if (value.n != 0)
		memmove(s->p, value.p, value.n);
	if (s->n > value.n)
		sodium_memzero(s->p + value.n, s->n - value.n);
	s->n = value.n;
	return SP_OK;
}

enum sp_status
sp_secret_copy(struct sp_secret *to, const struct sp_secret *from)
{
	return sp_secret_set(to, (sp_slice){ (const char *)from->p, from->n });
}

void
sp_secret_cut(struct sp_secret *s, size_t n)
{
	assert(n <= s->n);
	sodium_memzero(s->p + n, s->n - n);
	s->n = n;
}

enum sp_status
sp_secret_fill(struct sp_secret *s, int fd)
{
	char more;

	sp_secret_cut(s, 0);
	for (;;) {
		bool full = s->n == s->cap;
		/* A full secret is asked for one byte more, to tell "exactly" from "too much". */
		ssize_t n = read(fd, full ? (void *)&more : (void *)(s->p + s->n), full ? 1 : s->cap - s->n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			return SP_OK;
		if (n < 0 || full) {
			sp_secret_cut(s, 0);
			explicit_bzero(&more, 1);
			return n < 0 ? SP_E_SYSTEM : SP_E_TOO_BIG;
		}
		s->n += (size_t)n;
	}
}

size_t
sp_secret_len(const struct sp_secret *s)
{
	return s->n;
}

bool
sp_secret_same(const struct sp_secret *a, const struct sp_secret *b)
{
	return a->n == b->n && sodium_memcmp(a->p, b->p, a->n) == 0;
}

sp_slice
sp_secret_peek(const struct sp_secret *s)
{
	return (sp_slice){ (const char *)s->p, s->n };
}

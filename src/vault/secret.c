#include "vault/secret.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

struct sp_secret { unsigned char *p; size_t n, cap; };

enum { GRAIN = 64, SPANS = 2048, REGIONS = 64 };

/* A region is cut into spans, in order and without gaps.  Their list lies outside the locked memory. */
struct span { uint32_t at, n; bool used; };

struct region {
	unsigned char *p;
	size_t size, nspans;
	struct span span[SPANS];
};

/* What a process has locked; whoever holds a secret need not carry it about.  A role has one region and never another. */
static struct {
	pthread_mutex_t lock;
	struct region *list[REGIONS];
	unsigned n, holders;
	bool	 grows;
} all = { .lock = PTHREAD_MUTEX_INITIALIZER };

static enum sp_status
not_locked(size_t size, int error, const char *otherwise, struct sp_err *e)
{
	struct rlimit lim = { 0, 0 };

	(void)getrlimit(RLIMIT_MEMLOCK, &lim);
	return sp_fail(e, SP_E_SYSTEM, NULL,
	    "cannot lock %zu kB of memory for secrets (%s; the limit is %llu kB): raise it (`ulimit -l`, LimitMEMLOCK= "
	    "in the service)%s",
	    size / 1024, strerror(error), (unsigned long long)lim.rlim_cur / 1024, otherwise);
}

static void
region_free(struct region *r)
{
	if (r->p != NULL)
		sodium_free(r->p);
	free(r);
}

/* One more; the lock is held.  `otherwise`: what else can be done when nothing can be locked; NULL: it need not be. */
static enum sp_status
add_region(size_t size, const char *otherwise, bool *locked, struct sp_err *e)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct region *r;
	int error;

	if (sodium_init() < 0)
		return sp_fail(e, SP_E_SYSTEM, NULL, "libsodium does not start");
	r = all.n == REGIONS ? NULL : calloc(1, sizeof *r);
	if (r == NULL)
		return sp_fail(e, SP_E_SYSTEM, NULL, "no room for another region of secrets");
	r->size = (size + page - 1) / page * page;
	r->p = sodium_malloc(r->size);
	if (r->p == NULL) {
		error = errno;
		region_free(r);
		return sp_fail(e, SP_E_SYSTEM, NULL, "no memory for secrets: %s", strerror(error));
	}
	/* sodium_malloc() locks too, but does not say whether it could. */
	*locked = mlock(r->p, r->size) == 0;
	error = errno;
	if (!*locked && otherwise != NULL) {
		enum sp_status st = not_locked(r->size, error, otherwise, e);

		region_free(r);
		return st;
	}
	sodium_memzero(r->p, r->size);
	r->span[0] = (struct span){ 0, (uint32_t)r->size, false };
	r->nspans = 1;
	all.list[all.n++] = r;
	return SP_OK;
}

static void
drop_regions(void)
{
	while (all.n != 0)
		region_free(all.list[--all.n]);
	all.grows = false;
}

enum sp_status
sp_secret_init(size_t size, bool must_lock, bool *locked, struct sp_err *e)
{
	enum sp_status st;
	bool ok = false;

	if (size == 0 || size > UINT32_MAX / 2)
		return sp_fail(e, SP_E_BUG, NULL, "no size for a region of secrets");
	pthread_mutex_lock(&all.lock);
	if (all.n != 0)
		st = sp_fail(e, SP_E_BUG, NULL, "a second region for secrets");
	else
		st = add_region(size, must_lock ? ", or accept swapping with `isolation: available`" : NULL, &ok, e);
	pthread_mutex_unlock(&all.lock);
	if (st == SP_OK && locked != NULL)
		*locked = ok;
	return st;
}

void
sp_secret_end(void)
{
	pthread_mutex_lock(&all.lock);
	drop_regions();
	pthread_mutex_unlock(&all.lock);
}

enum sp_status
sp_secret_hold(struct sp_err *e)
{
	enum sp_status st = SP_OK;
	bool locked;

	pthread_mutex_lock(&all.lock);
	if (all.n == 0) {
		st = add_region(SP_SECRET_REGION, "", &locked, e);
		all.grows = st == SP_OK;
	}
	all.holders += st == SP_OK;
	pthread_mutex_unlock(&all.lock);
	return st;
}

void
sp_secret_drop(void)
{
	pthread_mutex_lock(&all.lock);
	assert(all.holders != 0);
	if (--all.holders == 0 && all.grows)
		drop_regions();
	pthread_mutex_unlock(&all.lock);
}

static void
insert(struct region *r, size_t i, struct span s)
{
	memmove(&r->span[i + 1], &r->span[i], (r->nspans - i) * sizeof r->span[0]);
	r->span[i] = s;
	r->nspans++;
}

static void
drop(struct region *r, size_t i)
{
	r->nspans--;
	memmove(&r->span[i], &r->span[i + 1], (r->nspans - i) * sizeof r->span[0]);
}

static void *
take(struct region *r, size_t want)
{
	for (size_t i = 0; i < r->nspans; i++) {
		struct span *s = &r->span[i];

		if (s->used || s->n < want)
			continue;
		if (s->n > want) {
			if (r->nspans == SPANS)
				return NULL;
			insert(r, i + 1, (struct span){ s->at + (uint32_t)want, s->n - (uint32_t)want, false });
			s->n = (uint32_t)want;
		}
		s->used = true;
		return r->p + s->at;
	}
	return NULL;
}

void *
sp_locked_new(size_t n)
{
	size_t want = n == 0 ? GRAIN : (n + GRAIN - 1) / GRAIN * GRAIN;
	void *p = NULL;
	bool locked;

	if (n > SP_SECRET_LARGEST)
		return NULL;
	pthread_mutex_lock(&all.lock);
	for (unsigned i = 0; p == NULL && i < all.n; i++)
		p = take(all.list[i], want);
	if (p == NULL && all.grows &&
	    add_region(want > SP_SECRET_REGION ? want : SP_SECRET_REGION, "", &locked, NULL) == SP_OK)
		p = take(all.list[all.n - 1], want);
	pthread_mutex_unlock(&all.lock);
	return p;
}

static struct region *
region_at(const void *p)
{
	for (unsigned i = 0; i < all.n; i++)
		if ((const unsigned char *)p >= all.list[i]->p && (const unsigned char *)p < all.list[i]->p + all.list[i]->size)
			return all.list[i];
	return NULL;
}

static size_t
span_at(const struct region *r, const void *p)
{
	size_t at = (size_t)((const unsigned char *)p - r->p);

	for (size_t i = 0; i < r->nspans; i++)
		if (r->span[i].at == at && r->span[i].used)
			return i;
	return SIZE_MAX;
}

static void
give_back(struct region *r, size_t i)
{
	sodium_memzero(r->p + r->span[i].at, r->span[i].n);
	r->span[i].used = false;
	if (i + 1 < r->nspans && !r->span[i + 1].used) {
		r->span[i].n += r->span[i + 1].n;
		drop(r, i + 1);
	}
	if (i > 0 && !r->span[i - 1].used) {
		r->span[i - 1].n += r->span[i].n;
		drop(r, i);
	}
}

void
sp_locked_free(void *p)
{
	struct region *r;
	size_t i;

	if (p == NULL)
		return;
	pthread_mutex_lock(&all.lock);
	r = region_at(p);
	i = r == NULL ? SIZE_MAX : span_at(r, p);
	assert(i != SIZE_MAX);
	give_back(r, i);
	pthread_mutex_unlock(&all.lock);
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

void
sp_secret_trim(struct sp_secret *s)
{
	sp_slice v = sp_secret_peek(s);

	sp_secret_cut(s, sp_ends(v, SP_LIT("\r\n")) ? v.n - 2 : sp_ends(v, SP_LIT("\n")) ? v.n - 1 : v.n);
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

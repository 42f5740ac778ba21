#include "os/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PROBES = 16, TRIES = 64 };

/*
 * One caller.  `due` is when its bucket will be full again (nanoseconds of the monotonic clock): one word is the whole
 * token bucket.  Each front counts its own calls, so that those of a dead one can be struck out.
 */
struct caller {
	_Alignas(64) _Atomic uint64_t key;	/* 0: free */
	_Atomic uint64_t due;
	_Atomic uint16_t busy[SP_FRONTS_MAX];
};

struct sp_slots {
	_Atomic uint32_t fronts;		/* highest front seen, plus one */
	struct caller caller[SP_SLOTS];
};

/* --- anonymous memory of a fixed size --- */

static enum sp_status
create(const char *name, size_t size, int *fd, struct sp_err *e)
{
	int f = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	/* Sealed in size: nobody can make another's access fault by cutting it. */
	if (f < 0 || ftruncate(f, (off_t)size) != 0 ||
	    fcntl(f, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
		int err = errno;

		if (f >= 0)
			close(f);
		return sp_fail(e, SP_E_SYSTEM, NULL, "shared memory `%s`: errno %d", name, err);
	}
	*fd = f;
	return SP_OK;
}

static enum sp_status
map(int fd, size_t size, bool writable, void **out, struct sp_err *e)
{
	const int want = F_SEAL_SHRINK | F_SEAL_GROW;
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;
	void *p;

	if (seals < 0 || (seals & want) != want || fstat(fd, &st) != 0 || st.st_size != (off_t)size)
		return sp_fail(e, SP_E_SYSTEM, NULL, "shared memory: not sealed, or of another version");
	p = mmap(NULL, size, PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return sp_fail(e, SP_E_SYSTEM, NULL, "mapping shared memory: errno %d", errno);
	*out = p;
	return SP_OK;
}

enum sp_status
sp_page_create(int *fd, struct sp_err *e)
{
	return create("page", sizeof(struct sp_page), fd, e);
}

enum sp_status
sp_page_readonly(int fd, int *ro, struct sp_err *e)
{
	char path[32];
	int f;

	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	f = open(path, O_RDONLY | O_CLOEXEC);
	if (f < 0)
		return sp_fail(e, SP_E_SYSTEM, NULL, "opening the shared page for reading: errno %d", errno);
	*ro = f;
	return SP_OK;
}

enum sp_status
sp_page_map(int fd, bool writable, struct sp_page **out, struct sp_err *e)
{
	void *p;
	enum sp_status st = map(fd, sizeof(struct sp_page), writable, &p, e);

	if (st == SP_OK)
		*out = p;
	return st;
}

enum sp_status
sp_slots_create(int *fd, struct sp_err *e)
{
	return create("slots", sizeof(struct sp_slots), fd, e);
}

enum sp_status
sp_slots_map(int fd, struct sp_slots **out, struct sp_err *e)
{
	void *p;
	enum sp_status st = map(fd, sizeof(struct sp_slots), true, &p, e);

	if (st == SP_OK)
		*out = p;
	return st;
}

/* --- counters --- */

struct row {
	_Alignas(64) _Atomic uint64_t count[SP_COUNTERS];	/* gauges: two's complement */
	_Atomic uint64_t bucket[SP_LATENCY_BUCKETS];
	_Atomic uint64_t sum_us;
};

struct sp_counters {
	struct row row[SP_COUNTER_ROWS];
};

#define counter 0
#define gauge 1
static const bool is_gauge[SP_COUNTERS] = {
#define C(name, type, text) [SP_C_##name] = type,
#include "os/counters.def"
#undef C
};
#undef counter
#undef gauge

enum sp_status
sp_counters_create(int *fd, struct sp_err *e)
{
	return create("counters", sizeof(struct sp_counters), fd, e);
}

enum sp_status
sp_counters_map(int fd, struct sp_counters **out, struct sp_err *e)
{
	void *p;
	enum sp_status st = map(fd, sizeof(struct sp_counters), true, &p, e);

	if (st == SP_OK)
		*out = p;
	return st;
}

static void
add(struct sp_counters *c, uint32_t row, enum sp_counter what, uint64_t n)
{
	if (c != NULL && row < SP_COUNTER_ROWS && what < SP_COUNTERS)
		atomic_fetch_add_explicit(&c->row[row].count[what], n, memory_order_relaxed);
}

void
sp_count(struct sp_counters *c, uint32_t row, enum sp_counter what, uint64_t n)
{
	add(c, row, what, n);
}

void
sp_gauge(struct sp_counters *c, uint32_t row, enum sp_counter what, int64_t change)
{
	add(c, row, what, (uint64_t)change);
}

uint64_t
sp_counter_sum(const struct sp_counters *c, enum sp_counter what)
{
	uint64_t sum = 0;

	if (c == NULL || what >= SP_COUNTERS)
		return 0;
	for (uint32_t i = 0; i < SP_COUNTER_ROWS; i++)
		sum += atomic_load_explicit(&c->row[i].count[what], memory_order_relaxed);
	return is_gauge[what] && sum > INT64_MAX ? 0 : sum;
}

void
sp_counters_clear_gauges(struct sp_counters *c, uint32_t row)
{
	if (c == NULL || row >= SP_COUNTER_ROWS)
		return;
	for (uint32_t i = 0; i < SP_COUNTERS; i++)
		if (is_gauge[i])
			atomic_store_explicit(&c->row[row].count[i], 0, memory_order_relaxed);
}

void
sp_count_latency(struct sp_counters *c, uint32_t row, uint64_t us)
{
	uint32_t at = 0;

	if (c == NULL || row >= SP_COUNTER_ROWS)
		return;
	while (at < SP_LATENCY_BUCKETS - 1 && us > (uint64_t)1000 << at)
		at++;
	atomic_fetch_add_explicit(&c->row[row].bucket[at], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&c->row[row].sum_us, us, memory_order_relaxed);
}

void
sp_latency_sum(const struct sp_counters *c, uint64_t buckets[SP_LATENCY_BUCKETS], uint64_t *sum_us)
{
	*sum_us = 0;
	for (uint32_t k = 0; k < SP_LATENCY_BUCKETS; k++)
		buckets[k] = 0;
	for (uint32_t i = 0; c != NULL && i < SP_COUNTER_ROWS; i++) {
		const struct row *r = &c->row[i];

		for (uint32_t k = 0; k < SP_LATENCY_BUCKETS; k++)
			buckets[k] += atomic_load_explicit(&r->bucket[k], memory_order_relaxed);
		*sum_us += atomic_load_explicit(&r->sum_us, memory_order_relaxed);
	}
}

/* --- slots --- */

static void
note_front(struct sp_slots *s, uint32_t front)
{
	uint32_t seen = atomic_load_explicit(&s->fronts, memory_order_relaxed);

	while (seen <= front && !atomic_compare_exchange_weak(&s->fronts, &seen, front + 1))
		;
}

static uint32_t
calls_under_way(struct sp_slots *s, struct caller *c)
{
	uint32_t n = atomic_load(&s->fronts), sum = 0;

	for (uint32_t i = 0; i < n && i < SP_FRONTS_MAX; i++)
		sum += atomic_load(&c->busy[i]);
	return sum;
}

/* Nothing under way and the bucket full: taking it over forgets nothing. */
static bool
is_idle(struct sp_slots *s, struct caller *c, uint64_t now)
{
	return atomic_load(&c->due) <= now && calls_under_way(s, c) == 0;
}

static uint64_t
spread(uint64_t key)
{
	key *= 0x9e3779b97f4a7c15u;
	return key ^ key >> 32;
}

/* The slot of this key: its own, a free one, an idle one, or, the table being full, one shared with others. */
static uint32_t
find(struct sp_slots *s, uint64_t key, uint64_t now)
{
	uint32_t home = (uint32_t)(spread(key) % SP_SLOTS), idle = UINT32_MAX;

	for (uint32_t i = 0; i < PROBES; i++) {
		uint32_t at = (home + i) % SP_SLOTS;
		uint64_t has = atomic_load(&s->caller[at].key);

		if (has == 0 && atomic_compare_exchange_strong(&s->caller[at].key, &has, key))
			return at;
		if (has == key)
			return at;
		if (idle == UINT32_MAX && is_idle(s, &s->caller[at], now))
			idle = at;
	}
	if (idle != UINT32_MAX) {
		atomic_store(&s->caller[idle].key, key);
		return idle;
	}
	return home;
}

/* Takes one token.  0, or the seconds after which there will be one. */
static uint32_t
take_token(struct caller *c, uint64_t now, uint64_t each, uint64_t all)
{
	uint64_t due = atomic_load(&c->due);

	for (unsigned i = 0; i < TRIES; i++) {
		uint64_t base = due < now ? now : due, after;

		/* No honest value lies further ahead than an empty bucket. */
		if (base > now + all)
			base = now + all;
		after = base + each;
		if (after > now + all)
			return (uint32_t)((after - now - all) / 1000000000u + 1);
		if (atomic_compare_exchange_weak(&c->due, &due, after))
			return 0;
	}
	return 1;
}

enum sp_status
sp_slots_take(struct sp_slots *s, uint32_t front, uint64_t key, uint64_t now_ms, uint32_t calls, uint64_t per_ms,
    uint32_t in_flight, uint32_t *slot, uint32_t *retry_s)
{
	const uint64_t per_max = UINT64_MAX / 4 / 1000000u;
	uint64_t now, all, each;
	struct caller *c;
	uint32_t at;

	*retry_s = 1;
	if (front >= SP_FRONTS_MAX || calls == 0 || per_ms == 0 || in_flight == 0)
		return SP_E_RATE;	/* a limit of nothing is no absence of a limit */
	now = (now_ms < per_max ? now_ms : per_max) * 1000000u;
	all = (per_ms < per_max ? per_ms : per_max) * 1000000u;
	each = all / calls != 0 ? all / calls : 1;
	note_front(s, front);
	at = find(s, key == 0 ? 1 : key, now);
	c = &s->caller[at];
	/* Counted first, judged after: two fronts at once may both be refused, never both admitted. */
	if (atomic_load(&c->busy[front]) == UINT16_MAX)
		return SP_E_RATE;
	atomic_fetch_add(&c->busy[front], 1);
	if (calls_under_way(s, c) > in_flight) {
		sp_slots_give(s, front, at);
		return SP_E_RATE;
	}
	*retry_s = take_token(c, now, each, all);
	if (*retry_s != 0) {
		sp_slots_give(s, front, at);
		return SP_E_RATE;
	}
	*slot = at;
	return SP_OK;
}

void
sp_slots_give(struct sp_slots *s, uint32_t front, uint32_t slot)
{
	_Atomic uint16_t *busy;

	if (front >= SP_FRONTS_MAX || slot >= SP_SLOTS)
		return;
	busy = &s->caller[slot].busy[front];
	/* Only this front counts here, but for its death notice, after which there may be nothing left to give. */
	if (atomic_load(busy) != 0)
		atomic_fetch_sub(busy, 1);
}

void
sp_slots_clear_front(struct sp_slots *s, uint32_t front)
{
	if (front >= SP_FRONTS_MAX)
		return;
	for (uint32_t i = 0; i < SP_SLOTS; i++)
		atomic_store(&s->caller[i].busy[front], 0);
}

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/shared.h"

static struct sp_slots *
slots(void)
{
	struct sp_slots *s = NULL;
	int fd = -1;

	assert_int_equal(sp_slots_create(&fd, NULL), SP_OK);
	assert_int_equal(sp_slots_map(fd, &s, NULL), SP_OK);
	close(fd);
	return s;
}

static bool
take(struct sp_slots *s, uint32_t front, uint64_t key, uint64_t now_ms, uint32_t calls, uint32_t in_flight, uint32_t *slot,
    uint32_t *retry_s)
{
	return sp_slots_take(s, front, key, now_ms, calls, 60000, in_flight, slot, retry_s) == SP_OK;
}

static void
test_bucket(void **state)
{
	struct sp_slots *s = slots();
	uint32_t slot, retry;

	(void)state;
	/* Six in a minute: all at once, then one each ten seconds. */
	for (int i = 0; i < 6; i++) {
		assert_true(take(s, 0, 77, 1000, 6, 9, &slot, &retry));
		sp_slots_give(s, 0, slot);
	}
	assert_false(take(s, 0, 77, 1000, 6, 9, &slot, &retry));
	assert_in_range(retry, 10, 11);
	assert_false(take(s, 1, 77, 10999, 6, 9, &slot, &retry));
	assert_int_equal(retry, 1);
	assert_true(take(s, 1, 77, 11000, 6, 9, &slot, &retry));
	assert_false(take(s, 0, 77, 11000, 6, 9, &slot, &retry));
	/* Another caller is not touched by it. */
	assert_true(take(s, 0, 78, 11000, 6, 9, &slot, &retry));
	/* A pause fills the bucket, but never over the brim; a clock behind another's gives nothing. */
	for (int i = 0; i < 6; i++)
		assert_true(take(s, 0, 77, 10000000, 6, 9, &slot, &retry)), sp_slots_give(s, 0, slot);
	assert_false(take(s, 0, 77, 10000000, 6, 9, &slot, &retry));
	assert_false(take(s, 0, 77, 5, 6, 9, &slot, &retry));
}

static void
test_nothing_is_not_unlimited(void **state)
{
	struct sp_slots *s = slots();
	uint32_t slot, retry = 0;

	(void)state;
	assert_false(take(s, 0, 1, 1000, 0, 9, &slot, &retry));
	assert_int_equal(retry, 1);
	assert_false(take(s, 0, 1, 1000, 9, 0, &slot, &retry));
	assert_false(take(s, SP_FRONTS_MAX, 1, 1000, 9, 9, &slot, &retry));
	assert_int_equal(sp_slots_take(s, 0, 1, 1000, 9, 0, 9, &slot, &retry), SP_E_RATE);
	/* Limits and times of any size. */
	for (int i = 0; i < 3; i++)
		assert_int_equal(sp_slots_take(s, 0, 2, UINT64_MAX, 3, UINT64_MAX, 9, &slot, &retry), SP_OK);
	assert_int_equal(sp_slots_take(s, 0, 2, UINT64_MAX, 3, UINT64_MAX, 9, &slot, &retry), SP_E_RATE);
	assert_int_equal(sp_slots_take(s, 0, 3, 1, UINT32_MAX, 1, UINT32_MAX, &slot, &retry), SP_OK);
	sp_slots_give(s, SP_FRONTS_MAX, 0);
	sp_slots_give(s, 0, SP_SLOTS);
	sp_slots_clear_front(s, SP_FRONTS_MAX);
}

static void
test_in_flight(void **state)
{
	struct sp_slots *s = slots();
	uint32_t slot[4], retry;

	(void)state;
	/* Three at once, whichever fronts hold them. */
	assert_true(take(s, 0, 5, 1, 1000, 3, &slot[0], &retry));
	assert_true(take(s, 7, 5, 1, 1000, 3, &slot[1], &retry));
	assert_true(take(s, SP_FRONTS_MAX - 1, 5, 1, 1000, 3, &slot[2], &retry));
	assert_false(take(s, 0, 5, 1, 1000, 3, &slot[3], &retry));
	sp_slots_give(s, 7, slot[1]);
	assert_true(take(s, 0, 5, 1, 1000, 3, &slot[3], &retry));
	assert_false(take(s, 7, 5, 1, 1000, 3, &slot[1], &retry));
	/* Front 0 died with two: they are void, the others stay; its late giving back changes nothing. */
	sp_slots_clear_front(s, 0);
	sp_slots_give(s, 0, slot[0]);
	assert_true(take(s, 1, 5, 1, 1000, 3, &slot[0], &retry));
	assert_true(take(s, 1, 5, 1, 1000, 3, &slot[0], &retry));
	assert_false(take(s, 1, 5, 1, 1000, 3, &slot[0], &retry));
	/* A refusal takes no token and no place. */
	for (int i = 0; i < 2000; i++)
		assert_false(take(s, 1, 5, 1, 1000, 3, &slot[0], &retry));
	sp_slots_clear_front(s, 1);
	assert_true(take(s, 1, 5, 1, 1000, 3, &slot[0], &retry));
}

/* More callers than slots: some share, none is without a limit. */
static void
test_r07_full_table(void **state)
{
	struct sp_slots *s = slots();
	uint32_t slot, retry, admitted = 0;

	(void)state;
	for (uint64_t key = 1; key <= 20 * SP_SLOTS; key++)
		admitted += take(s, 0, key * 2654435761u, 1000, 1, 1, &slot, &retry);
	assert_in_range(admitted, SP_SLOTS / 2, SP_SLOTS);
	/* A minute later all buckets are full again, but nothing was given back: still nothing. */
	for (uint64_t key = 1; key <= SP_SLOTS; key++)
		assert_false(take(s, 0, (key + 100 * SP_SLOTS) * 2654435761u, 70000, 1, 1, &slot, &retry) && slot >= SP_SLOTS);
	sp_slots_clear_front(s, 0);
	/* Idle slots go to those who come now. */
	admitted = 0;
	for (uint64_t key = 1; key <= SP_SLOTS / 4; key++)
		admitted += take(s, 0, (key + 200 * SP_SLOTS) * 2654435761u, 200000, 1, 1, &slot, &retry);
	assert_int_equal(admitted, SP_SLOTS / 4);
}

static void
hammer(struct sp_slots *s, uint32_t front, _Atomic uint32_t *now, _Atomic uint32_t *worst, _Atomic uint32_t *total, bool die)
{
	for (int i = 0; i < 20000; i++) {
		uint32_t slot, retry, n, w;

		if (!take(s, front, 9, 1000, 3000, 4, &slot, &retry))
			continue;
		atomic_fetch_add(total, 1);
		if (die && i > 2000)
			raise(SIGKILL);
		n = atomic_fetch_add(now, 1) + 1;
		for (w = atomic_load(worst); w < n && !atomic_compare_exchange_weak(worst, &w, n);)
			;
		atomic_fetch_sub(now, 1);
		sp_slots_give(s, front, slot);
	}
	_exit(0);
}

/* Four processes at once: the limits hold to the call, also when one dies with a call under way. */
static void
test_processes(void **state)
{
	struct sp_slots *s = slots();
	_Atomic uint32_t *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint32_t slot, retry;
	pid_t pid[4];

	(void)state;
	for (uint32_t f = 0; f < 4; f++) {
		pid[f] = fork();
		if (pid[f] == 0)
			hammer(s, f, &shared[0], &shared[1], &shared[2], f == 3);
	}
	for (uint32_t f = 0; f < 4; f++) {
		int status;

		waitpid(pid[f], &status, 0);
		if (WIFSIGNALED(status))
			sp_slots_clear_front(s, f);
	}
	assert_in_range(shared[1], 1, 4);
	assert_in_range(shared[2], 1, 3000);
	/* Nothing is left behind. */
	for (int i = 0; i < 4; i++)
		assert_true(take(s, 0, 9, 10000000, 3000, 4, &slot, &retry));
	assert_false(take(s, 0, 9, 10000000, 3000, 4, &slot, &retry));
}

static void
test_page(void **state)
{
	struct sp_page *w = NULL, *r = NULL;
	struct sp_slots *s = NULL;
	struct sp_err e = { 0 };
	int fd = -1, ro = -1;

	(void)state;
	assert_int_equal(sp_page_create(&fd, &e), SP_OK);
	assert_int_equal(sp_page_map(fd, true, &w, &e), SP_OK);
	assert_int_equal(sp_page_map(fd, false, &r, &e), SP_OK);
	assert_int_equal(atomic_load(&r->epoch), 0);
	atomic_fetch_add(&w->epoch, 1);
	atomic_store(&w->audit_full, 1);
	assert_int_equal(atomic_load(&r->epoch), 1);
	assert_int_equal(atomic_load(&r->audit_full), 1);
	/* A reader that was taken over cannot make its mapping writable. */
	assert_int_equal(sp_page_readonly(fd, &ro, &e), SP_OK);
	assert_int_equal(sp_page_map(ro, true, &r, &e), SP_E_SYSTEM);
	assert_int_equal(sp_page_map(ro, false, &r, &e), SP_OK);
	assert_int_equal(mprotect(r, sizeof *r, PROT_READ | PROT_WRITE), -1);
	assert_int_equal(atomic_load(&r->epoch), 1);
	close(ro);
	assert_int_equal(sp_page_readonly(-1, &ro, &e), SP_E_SYSTEM);
	/* Cannot be cut under a role that reads it; is not taken for the other kind. */
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(sp_slots_map(fd, &s, &e), SP_E_SYSTEM);
	close(fd);
	assert_int_equal(sp_page_map(-1, false, &r, &e), SP_E_SYSTEM);
	fd = memfd_create("other", 0);
	assert_int_equal(ftruncate(fd, sizeof(struct sp_page)), 0);
	assert_int_equal(sp_page_map(fd, false, &r, &e), SP_E_SYSTEM);
	close(fd);
}

static void
test_counters(void **state)
{
	static const struct { uint64_t us; uint32_t bucket; } calls[] = {
		{ 0, 0 }, { 1000, 0 }, { 1001, 1 }, { 2000, 1 }, { 4001, 3 }, { 16384000, 14 }, { 16384001, 15 }, { UINT64_MAX / 4, 15 },
	};
	uint64_t bucket[SP_LATENCY_BUCKETS], want[SP_LATENCY_BUCKETS] = { 0 }, sum, us = 0;
	struct sp_counters *c = NULL, *other = NULL;
	struct sp_err e = { 0 };
	int fd = -1;

	(void)state;
	assert_int_equal(sp_counters_create(&fd, &e), SP_OK);
	assert_int_equal(sp_counters_map(fd, &c, &e), SP_OK);
	assert_int_equal(sp_counters_map(fd, &other, &e), SP_OK);
	/* Two rows, two mappings, one sum. */
	sp_count(c, 0, SP_C_REQUESTS_TOTAL, 2);
	sp_count(other, SP_COUNTER_ROWS - 1, SP_C_REQUESTS_TOTAL, 3);
	assert_int_equal(sp_counter_sum(c, SP_C_REQUESTS_TOTAL), 5);
	sp_gauge(c, 3, SP_C_STREAMS, 4);
	sp_gauge(other, 4, SP_C_STREAMS, 2);
	sp_gauge(c, 3, SP_C_STREAMS, -1);
	sp_count(c, 3, SP_C_CALLS_TOTAL, 7);
	assert_int_equal(sp_counter_sum(other, SP_C_STREAMS), 5);
	/* Row 3 dies: what it held is gone, what it did is not. */
	sp_counters_clear_gauges(c, 3);
	assert_int_equal(sp_counter_sum(c, SP_C_STREAMS), 2);
	assert_int_equal(sp_counter_sum(c, SP_C_CALLS_TOTAL), 7);
	sp_gauge(c, 3, SP_C_STREAMS, -9);
	assert_int_equal(sp_counter_sum(c, SP_C_STREAMS), 0);
	/* Out of the table, or no table: nothing. */
	sp_count(c, SP_COUNTER_ROWS, SP_C_REQUESTS_TOTAL, 1);
	sp_count(c, UINT32_MAX, SP_C_REQUESTS_TOTAL, 1);
	sp_count(NULL, 0, SP_C_REQUESTS_TOTAL, 1);
	sp_count_latency(c, UINT32_MAX, 1);
	sp_counters_clear_gauges(c, UINT32_MAX);
	assert_int_equal(sp_counter_sum(c, SP_C_REQUESTS_TOTAL), 5);
	assert_int_equal(sp_counter_sum(NULL, SP_C_REQUESTS_TOTAL), 0);
	for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
		sp_count_latency(c, (uint32_t)i, calls[i].us);
		want[calls[i].bucket]++;
		us += calls[i].us;
	}
	sp_latency_sum(other, bucket, &sum);
	assert_memory_equal(bucket, want, sizeof want);
	assert_int_equal(sum, us);
	sp_latency_sum(NULL, bucket, &sum);
	assert_int_equal(bucket[0] + sum, 0);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(sp_counters_map(-1, &c, &e), SP_E_SYSTEM);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bucket), cmocka_unit_test(test_nothing_is_not_unlimited), cmocka_unit_test(test_in_flight),
		cmocka_unit_test(test_r07_full_table), cmocka_unit_test(test_processes), cmocka_unit_test(test_page),
		cmocka_unit_test(test_counters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

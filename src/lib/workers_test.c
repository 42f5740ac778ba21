#include "lib/workers.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

static _Atomic unsigned ran, running, most;
static _Atomic bool hold;

static void
job(void *arg)
{
	unsigned n = ++running;

	while (n > most)
		most = n;
	while (hold)
		usleep(500);
	running--;
	ran++;
}

static void
begin(void)
{
	ran = running = most = 0;
	hold = true;
}

static void
test_bounds(void **state)
{
	struct sp_workers *w = sp_workers_new(3, 5);

	begin();
	/* Three run, five wait, and there is no room for more. */
	for (unsigned i = 0; i < 3; i++) {
		assert_true(sp_workers_run(w, job, NULL));
		while (running != i + 1)
			usleep(500);
	}
	for (unsigned i = 0; i < 5; i++)
		assert_true(sp_workers_run(w, job, NULL));
	assert_false(sp_workers_run(w, job, NULL));
	hold = false;
	sp_workers_free(&w);
	assert_null(w);
	assert_int_equal(ran, 8);
	assert_int_equal(most, 3);
}

static void
test_stop(void **state)
{
	struct sp_workers *w = sp_workers_new(1, 10);

	begin();
	hold = false;
	sp_workers_stop(w);
	assert_false(sp_workers_run(w, job, NULL));
	sp_workers_stop(w);
	sp_workers_free(&w);
	sp_workers_free(&w);
	/* What waits when it is stopped is still run. */
	w = sp_workers_new(1, 10);
	for (unsigned i = 0; i < 10; i++)
		assert_true(sp_workers_run(w, job, NULL));
	sp_workers_free(&w);
	assert_int_equal(ran, 10);
}

static void
look(void *arg)
{
	sigset_t now;

	pthread_sigmask(SIG_SETMASK, NULL, &now);
	*(bool *)arg = sigismember(&now, SIGTERM) == 1 && sigismember(&now, SIGCHLD) == 1;
	ran++;
}

static void
test_signals(void **state)
{
	struct sp_workers *w = sp_workers_new(1, 1);
	bool blocked = false;
	sigset_t now;

	begin();
	assert_true(sp_workers_run(w, look, &blocked));
	sp_workers_free(&w);
	assert_true(blocked);
	pthread_sigmask(SIG_SETMASK, NULL, &now);
	assert_int_equal(sigismember(&now, SIGTERM), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bounds), cmocka_unit_test(test_stop), cmocka_unit_test(test_signals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "os/role.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

static uint64_t
now_us(clockid_t id)
{
	struct timespec ts;

	if (clock_gettime(id, &ts) != 0)
		abort();
	return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

int64_t
sp_now_s(void)
{
	return (int64_t)(now_us(CLOCK_REALTIME) / 1000000u);
}

uint64_t
sp_now_us(void)
{
	return now_us(CLOCK_REALTIME);
}

uint64_t
sp_mono_ms(void)
{
	return now_us(CLOCK_MONOTONIC) / 1000u;
}

uint64_t
sp_mono_us(void)
{
	return now_us(CLOCK_MONOTONIC);
}

void
sp_random(void *p, size_t n)
{
	char *at = p;

	while (n > 0) {
		ssize_t got = getrandom(at, n, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			abort();
		at += got;
		n -= (size_t)got;
	}
}

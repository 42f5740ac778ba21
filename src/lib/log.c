/* <sallyport/base.h>. */
#include <sallyport/base.h>

#include "base/log.h"

#include <pthread.h>

const char *
sp_version(void)
{
	return SP_VERSION;
}

const char *
sp_rc_text(enum sp_rc rc)
{
	static const struct { enum sp_rc rc; const char *text; } rows[] = {
		{ SP_RC_OK, "ok" }, { SP_RC_PENDING, "pending" }, { SP_RC_INVALID, "invalid" }, { SP_RC_OVER, "over" },
		{ SP_RC_CANCELLED, "cancelled" }, { SP_RC_UNSUPPORTED, "unsupported" }, { SP_RC_DENIED, "denied" },
		{ SP_RC_TOO_BIG, "too big" }, { SP_RC_NO_MEMORY, "no memory" }, { SP_RC_UNAVAILABLE, "unavailable" },
		{ SP_RC_SYSTEM, "system error" },
	};

	for (size_t i = 0; i < SP_COUNT(rows); i++)
		if (rows[i].rc == rc)
			return rows[i].text;
	return "unknown";
}

/* One log for the process, as standard error is one. */
static struct {
	pthread_mutex_t lock;
	sp_log_fn fn;
	void	*arg;
} sink = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* What a reader of lines says itself would wait for its own lock. */
static _Thread_local bool reading;

static void
put(const char *line, size_t n)
{
	if (reading)
		return;
	if (n != 0 && line[n - 1] == '\n')
		n--;
	pthread_mutex_lock(&sink.lock);
	reading = true;
	if (sink.fn != NULL)
		sink.fn(line, n, sink.arg);
	reading = false;
	pthread_mutex_unlock(&sink.lock);
}

void
sp_log_to(sp_log_fn fn, void *arg)
{
	if (reading)
		return;		/* from inside fn: there is nothing that it could mean */
	pthread_mutex_lock(&sink.lock);
	sink.fn = fn;
	sink.arg = arg;
	pthread_mutex_unlock(&sink.lock);
	sp_log_divert(put);
}

#include "lib/workers.h"

#include "base/log.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

enum { STACK_BYTES = 1 << 20 };

struct job { void (*fn)(void *arg); void *arg; };

struct sp_workers {
	pthread_mutex_t lock;
	pthread_cond_t more;
	pthread_t *threads;
	struct job *queue;		/* a ring */
	unsigned max, started, idle;
	unsigned cap, first, n;
	bool	 stopping;
};

struct sp_workers *
sp_workers_new(unsigned threads, unsigned queue)
{
	struct sp_workers *w = calloc(1, sizeof *w);

	if (w == NULL)
		return NULL;
	w->max = threads == 0 ? 1 : threads;
	w->cap = queue == 0 ? 1 : queue;
	w->threads = calloc(w->max, sizeof *w->threads);
	w->queue = calloc(w->cap, sizeof *w->queue);
	if (w->threads == NULL || w->queue == NULL) {
		free(w->threads);
		free(w->queue);
		free(w);
		return NULL;
	}
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->more, NULL);
	return w;
}

static void *
work(void *arg)
{
	struct sp_workers *w = arg;
	struct job j;

	pthread_mutex_lock(&w->lock);
	for (;;) {
		w->idle++;
		while (w->n == 0 && !w->stopping)
			pthread_cond_wait(&w->more, &w->lock);
		w->idle--;
		if (w->n == 0)
			break;
		j = w->queue[w->first];
		w->first = (w->first + 1) % w->cap;
		w->n--;
		pthread_mutex_unlock(&w->lock);
		j.fn(j.arg);
		pthread_mutex_lock(&w->lock);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* With the lock held.  Signals are for the program's own threads: a handler that is interrupted would be ours to explain. */
static bool
start_one(struct sp_workers *w)
{
	pthread_attr_t attr;
	sigset_t all, before;
	int err;

	if (pthread_attr_init(&attr) != 0)
		return false;
	(void)pthread_attr_setstacksize(&attr, STACK_BYTES);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&w->threads[w->started], &attr, work, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	if (err != 0) {
		sp_log(SP_ERROR, "workers.no_thread", SP_U("threads", w->started), SP_I("errno", err));
		return false;
	}
	w->started++;
	return true;
}

bool
sp_workers_run(struct sp_workers *w, void (*job)(void *arg), void *arg)
{
	bool ok;

	pthread_mutex_lock(&w->lock);
	ok = !w->stopping && w->n < w->cap;
	if (ok && w->n >= w->idle && w->started < w->max)
		(void)start_one(w);	/* without it the others take the job, if there are any */
	ok = ok && w->started != 0;
	if (ok) {
		w->queue[(w->first + w->n) % w->cap] = (struct job){ job, arg };
		w->n++;
		pthread_cond_signal(&w->more);
	}
	pthread_mutex_unlock(&w->lock);
	return ok;
}

void
sp_workers_stop(struct sp_workers *w)
{
	unsigned n;

	pthread_mutex_lock(&w->lock);
	w->stopping = true;
	n = w->started;
	w->started = 0;
	pthread_cond_broadcast(&w->more);
	pthread_mutex_unlock(&w->lock);
	for (unsigned i = 0; i < n; i++)
		pthread_join(w->threads[i], NULL);
}

void
sp_workers_free(struct sp_workers **w)
{
	struct sp_workers *it = *w;

	*w = NULL;
	if (it == NULL)
		return;
	sp_workers_stop(it);
	pthread_cond_destroy(&it->more);
	pthread_mutex_destroy(&it->lock);
	free(it->threads);
	free(it->queue);
	free(it);
}

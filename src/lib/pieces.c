/* The scrubber of <sallyport/pieces.h> over outbound/scrub.h. */
#include "outbound/scrub.h"

#include <sallyport/pieces.h>

#include <stdio.h>
#include <stdlib.h>

struct sp_scrubber {
	struct sp_scrub *scrub;
	struct sp_scrub_state state;
	bool	 failed, holds;
};

static void
say(struct sp_error *error, enum sp_status st, const char *text)
{
	if (error == NULL)
		return;
	error->rc = st == SP_E_FULL ? SP_RC_NO_MEMORY : st == SP_E_SYSTEM ? SP_RC_SYSTEM : SP_RC_INVALID;
	(void)snprintf(error->text, sizeof error->text, "%s", text);
}

static enum sp_status
copy(const char *const *secrets, size_t n, struct sp_scrub_value *values, struct sp_err *e)
{
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(secrets[i]);
		struct sp_secret *s = sp_secret_new(len);

		values[i].secret = s;
		if (s == NULL || sp_secret_set(s, sp_mem(secrets[i], len)) != SP_OK)
			return sp_fail(e, SP_E_FULL, NULL, "no locked memory for secret number %zu", i + 1);
	}
	return SP_OK;
}

static enum sp_status
fill(struct sp_scrubber *s, const char *const *secrets, struct sp_err *e)
{
	struct sp_scrub_value *values;
	enum sp_status st;
	size_t n = 0;

	while (secrets != NULL && secrets[n] != NULL)
		n++;
	if (n > SP_SCRUB_VALUES)
		return sp_fail(e, SP_E_CONFIG, NULL, "over %d secrets", SP_SCRUB_VALUES);
	st = sp_secret_hold(e);
	if (st != SP_OK)
		return st;
	s->holds = true;
	values = calloc(n + 1, sizeof *values);
	if (values == NULL)
		return sp_fail(e, SP_E_FULL, NULL, "no memory");
	st = copy(secrets, n, values, e);
	if (st == SP_OK)
		st = sp_scrub_new(values, n, &s->scrub, e);
	for (size_t i = 0; i < n; i++) {
		struct sp_secret *one = (struct sp_secret *)(uintptr_t)values[i].secret;

		sp_secret_free(&one);
	}
	free(values);
	return st;
}

struct sp_scrubber *
sp_scrubber_new(const char *const *secrets, struct sp_error *error)
{
	struct sp_scrubber *s = calloc(1, sizeof *s);
	struct sp_err e = { 0 };
	enum sp_status st = s != NULL ? fill(s, secrets, &e) : sp_fail(&e, SP_E_FULL, NULL, "no memory");

	if (st == SP_OK)
		return s;
	say(error, st, e.log);
	sp_scrubber_free(s);
	return NULL;
}

size_t
sp_scrubber_pass(struct sp_scrubber *s, const void *in, size_t n, bool last, char *out, size_t cap, unsigned *hits)
{
	uint32_t before = s->state.hits;
	struct sp_out o;

	sp_out_init(&o, out, cap);
	if (s->failed || sp_scrub_run(s->scrub, &s->state, sp_mem(in, n), last, &o) != SP_OK || o.full) {
		s->failed = true;
		/* Part of it may lie there already. */
		sp_out_wipe(&o);
		return SIZE_MAX;
	}
	if (hits != NULL)
		*hits += s->state.hits - before;
	if (last) {
		sp_scrub_state_free(&s->state);
		s->state = (struct sp_scrub_state){ 0 };
	}
	return o.n;
}

void
sp_scrubber_free(struct sp_scrubber *s)
{
	if (s == NULL)
		return;
	sp_scrub_state_free(&s->state);
	sp_scrub_free(&s->scrub);
	if (s->holds)
		sp_secret_drop();
	free(s);
}

/* Values that a command prints, with spawner played over a socket pair. */
#include "keeper/testkeeper.h"

static const char document[] = "{\"openapi\":\"3.0.0\",\"info\":{\"title\":\"t\",\"version\":\"1\"},"
    "\"components\":{\"securitySchemes\":{\"k\":{\"type\":\"apiKey\",\"in\":\"header\",\"name\":\"X-Key\"}}},"
    "\"paths\":{\"/x\":{\"get\":{\"operationId\":\"getX\",\"security\":[{\"k\":[]}],"
    "\"responses\":{\"200\":{\"description\":\"ok\"}}}}}}";
static const char configuration[] =
    "auth: {type: static}\n"
    "servers:\n"
    "  one: {openapi: d.json, url: 'http://127.0.0.1:81', secrets: {k: 'command:/bin/true pass one'}}\n"
    "  two: {openapi: d.json, url: 'http://127.0.0.1:82', secrets: {k: 'vault:one'}}\n"
    "rules: [{allow: one}, {allow: two}]\n";
static const struct texts texts = { document, configuration };

static int
setup(void **state)
{
	*state = keeper_new(&texts);
	unlock(*state, "correct horse battery");
	return 0;
}

/* Waits until keeper asks; its id. */
static uint32_t
asked(struct env *v, struct end *spawner)
{
	struct sp_m_run m;

	for (int i = 0; i < 40 && count(spawner, SP_M_RUN) == 0; i++) {
		usleep(50000);
		turn(v, spawner);
	}
	assert_int_equal(count(spawner, SP_M_RUN), 1);
	assert_true(sp_dec_run(sp_mem(last(spawner, SP_M_RUN)->body, last(spawner, SP_M_RUN)->n), &m));
	assert_true(sp_eq(m.ref, SP_LIT("command:/bin/true pass one")));
	forget(spawner);
	return m.id;
}

static void
ran(struct env *v, struct end *spawner, uint32_t id, int fd)
{
	char body[8];
	struct sp_out o;

	sp_out_init(&o, body, sizeof body);
	sp_enc_ran(&o, &(struct sp_m_ran){ id });
	tell_packet(v, spawner, SP_M_RAN, &o, fd);
}

static void
ended(struct env *v, struct end *spawner, uint32_t id, uint32_t status, const char *why)
{
	char body[300];
	struct sp_out o;

	sp_out_init(&o, body, sizeof body);
	sp_enc_run_ended(&o, &(struct sp_m_run_ended){ id, status, sp_str(why) });
	tell_packet(v, spawner, SP_M_RUN_ENDED, &o, -1);
}

/* As if so much time had passed. */
static void
later(struct env *v, uint64_t ms)
{
	for (struct sp_kcommand *c = v->k->commands; c != NULL; c = c->next) {
		c->next_ms = c->next_ms < ms ? 0 : c->next_ms - ms;
		c->good_ms -= ms;
		c->asked_ms -= ms;
	}
}

/* A whole run: this output, this end. */
static void
run(struct env *v, struct end *spawner, sp_slice output, uint32_t status, const char *why)
{
	uint32_t id = asked(v, spawner);
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	ran(v, spawner, id, ends[0]);
	assert_int_equal(write(ends[1], output.p, output.n), output.n);
	close(ends[1]);
	turn(v, NULL);
	ended(v, spawner, id, status, why);
}

static void
test_value_arrives(void **state)
{
	struct env *v = *state;
	struct end *one = END(), *two = END(), *spawner = END();
	uint32_t id;
	int ends[2];

	peer(v, SP_EGRESS, 0, one);
	peer(v, SP_EGRESS, 1, two);
	assert_int_equal(count(one, SP_M_SECRET_SYNC), 0);	/* its calls wait for spawner */
	assert_int_equal(count(two, SP_M_SECRET_SYNC), 1);
	forget(two);
	peer_by(v, SP_SPAWNER, 0, SOCK_SEQPACKET, spawner);
	id = asked(v, spawner);
	assert_int_equal(pipe(ends), 0);
	ran(v, spawner, id, ends[0]);
	assert_int_equal(write(ends[1], "value-of", 8), 8);
	turn(v, one);
	assert_int_equal(write(ends[1], "-command\n", 9), 9);
	close(ends[1]);
	turn(v, one);
	assert_int_equal(one->nseen == 0 ? 0 : count(one, SP_M_SECRET), 0);	/* how it ended is not known yet */
	ended(v, spawner, id, SP_OK, "");
	turn(v, one);
	turn(v, two);
	assert_true(has(one, "value-of-command") && !has(one, "value-of-command\n") && count(one, SP_M_SECRET_SYNC) == 1);
	assert_int_equal(two->nseen, 0);
	forget(one);
	later(v, 310000);
	run(v, spawner, SP_LIT("value-of-command\n"), SP_OK, "");
	turn(v, one);
	assert_int_equal(one->nseen, 0);			/* the same: nobody needs to hear it */
	later(v, 310000);
	run(v, spawner, SP_LIT("another value\n"), SP_OK, "");
	turn(v, one);
	assert_true(has(one, "another value"));
	end_free(one);
	end_free(two);
	end_free(spawner);
}

static void
test_bad_outputs(void **state)
{
	static char big[16400];
	static const struct { const char *name; sp_slice output; uint32_t status; const char *why, *said; } rows[] = {
		{ "exit status", { "secret-output", 13 }, SP_E_REFUSED, "it ended with status 3", "it ended with status 3" },
		{ "no output", { "", 0 }, SP_OK, "", "its output is empty" },
		{ "M16 too short", { "1234567\n", 8 }, SP_OK, "", "fewer than 8 bytes" },
		{ "too much", { big, sizeof big }, SP_OK, "", "larger than 16 kB" },
		{ "one byte too much", { big, 16385 }, SP_OK, "", "larger than 16 kB" },
	};

	memset(big, 'x', sizeof big);
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct env *v = keeper_new(&texts);
		struct end *one = END(), *spawner = END(), *cli = END();
		char text[8192];
		void *again = v;

		unlock(v, "correct horse battery");
		peer(v, SP_EGRESS, 0, one);
		peer_by(v, SP_SPAWNER, 0, SOCK_SEQPACKET, spawner);
		run(v, spawner, rows[i].output, rows[i].status, rows[i].why);
		turn(v, one);
		if (count(one, SP_M_SECRET) != 0 || count(one, SP_M_SECRET_SYNC) != 1)
			fail_msg("%s: calls neither get a value nor fail", rows[i].name);
		control(v, (uint32_t)geteuid(), cli);
		assert_int_equal(ask(v, cli, SP_ADMIN_AUDIT_TAIL, SP_LIT("{\"lines\":3}"), text, sizeof text), SP_OK);
		if (strstr(text, rows[i].said) == NULL || strstr(text, "secret-output") != NULL)
			fail_msg("%s: %s", rows[i].name, text);
		end_free(one);
		end_free(spawner);
		end_free(cli);
		assert_int_equal(teardown(&again), 0);
	}
}

/* A failing command keeps its old value for a while, then has none; one that works again has one at once. */
static void
test_failures(void **state)
{
	struct env *v = *state;
	struct end *one = END(), *spawner = END();

	peer(v, SP_EGRESS, 0, one);
	peer_by(v, SP_SPAWNER, 0, SOCK_SEQPACKET, spawner);
	run(v, spawner, SP_LIT("value-of-command\n"), SP_OK, "");
	turn(v, one);
	forget(one);
	for (int i = 0; i < 3; i++) {
		turn(v, one);
		assert_int_equal(one->nseen, 0);
		later(v, 310000 - (i == 0 ? 0 : 290000));
		run(v, spawner, SP_LIT("half a val"), SP_E_REFUSED, "killed");
	}
	turn(v, one);
	assert_true(count(one, SP_M_SECRET) == 0 && count(one, SP_M_SECRET_SYNC) == 1);	/* withdrawn */
	forget(one);
	later(v, 20000);
	run(v, spawner, SP_LIT("value-of-command\n"), SP_OK, "");
	turn(v, one);
	assert_int_equal(count(one, SP_M_SECRET), 1);
	forget(one);
	/* No spawner at all: the value has its end too. */
	end_free(spawner);
	turn(v, one);
	later(v, 910000);
	for (int i = 0; i < 30 && count(one, SP_M_SECRET_SYNC) == 0; i++) {
		usleep(50000);
		turn(v, one);
	}
	assert_true(count(one, SP_M_SECRET) == 0 && count(one, SP_M_SECRET_SYNC) == 1);
	end_free(one);
}

/* spawner dies, hangs, or speaks of runs that nobody asked for. */
static void
test_spawner_gone(void **state)
{
	struct env *v = *state;
	struct end *one = END(), *spawner = END();
	uint32_t id;
	int ends[2];

	peer(v, SP_EGRESS, 0, one);
	peer_by(v, SP_SPAWNER, 0, SOCK_SEQPACKET, spawner);
	id = asked(v, spawner);
	assert_int_equal(pipe(ends), 0);
	ran(v, spawner, id + 1, dup(ends[0]));			/* of no run */
	ended(v, spawner, id + 1, SP_OK, "");
	ran(v, spawner, id, ends[0]);
	assert_int_equal(write(ends[1], "value-of-command\n", 17), 17);
	end_free(spawner);
	close(ends[1]);
	turn(v, one);
	assert_int_equal(count(one, SP_M_SECRET), 0);		/* whole, but nobody said that it ended well */
	assert_int_equal(count(one, SP_M_SECRET_SYNC), 1);
	forget(one);
	spawner = END();
	later(v, 20000);
	peer_by(v, SP_SPAWNER, 0, SOCK_SEQPACKET, spawner);
	id = asked(v, spawner);
	later(v, 20000);					/* it hangs */
	for (int i = 0; i < 30 && v->k->commands != NULL && count(spawner, SP_M_RUN) == 0; i++) {
		usleep(50000);
		turn(v, spawner);
		later(v, 20000);
	}
	assert_true(asked(v, spawner) != id);
	assert_int_equal(v->k->npeers, 2);
	end_free(one);
	end_free(spawner);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_value_arrives), cmocka_unit_test(test_bad_outputs), T(test_failures), T(test_spawner_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

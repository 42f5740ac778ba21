/* keeper's life, its secrets, tokens and commands. */
#include "keeper/testkeeper.h"

static const char document[] = "{\"openapi\":\"3.0.0\",\"info\":{\"title\":\"t\",\"version\":\"1\"},"
    "\"components\":{\"securitySchemes\":{\"k\":{\"type\":\"apiKey\",\"in\":\"header\",\"name\":\"X-Key\"},"
    "\"l\":{\"type\":\"apiKey\",\"in\":\"header\",\"name\":\"X-Second\"}}},"
    "\"paths\":{\"/x\":{\"get\":{\"operationId\":\"getX\",\"security\":[{\"k\":[],\"l\":[]}],"
    "\"responses\":{\"200\":{\"description\":\"ok\"}}}}}}";
static const char configuration[] =
    "auth: {type: static}\n"
    "servers:\n"
    "  one: {openapi: d.json, url: http://127.0.0.1:81, secrets: {k: vault:one, l: file:second}}\n"
    "  two: {openapi: d.json, url: http://127.0.0.1:82, secrets: {k: vault:two, l: env:TWO}}\n"
    "  gateway: {openapi: sallyport:management, secrets: {managementKey: vault:management}}\n"
    "rules:\n"
    "  - {allow: one}\n"
    "  - {allow: two}\n"
    "  - {allow: gateway}\n";

static const struct texts texts = { document, configuration };

static int
setup(void **state)
{
	*state = keeper_new(&texts);
	return 0;
}

/* ---------------------------------------------------------------- tests */

static void
test_up(void **state)
{
	struct env *v = *state;

	turn(v, NULL);
	assert_int_equal(count(&v->super, SP_M_KEEPER_UP), 0);	/* the vault is locked */
	unlock(v, "correct horse battery");
	assert_int_equal(count(&v->super, SP_M_KEEPER_UP), 1);
	assert_int_equal(v->super.seen[0].n, 0);			/* no complaint */
	forget(&v->super);
}

static void
test_wrong_key_is_said(void **state)
{
	struct env *v = *state;

	unlock(v, "a wrong passphrase");
	assert_int_equal(count(&v->super, SP_M_KEEPER_UP), 1);
	assert_true(has(&v->super, "wrong key"));
	forget(&v->super);
}

/* Q02 and more: each egress gets the values of its own server, and waits while the vault is locked. */
static void
test_secrets_go_to_their_server_only(void **state)
{
	struct env *v = *state;
	struct end *one = END(), *two = END(), *front = END();
	struct sp_out o;
	int fd;

	sp_out_heap(&o, 4096);
	peer(v, SP_EGRESS, 0, one);
	assert_int_equal(count(one, SP_M_SECRET) + count(one, SP_M_SECRET_SYNC), 0);
	assert_int_equal(count(one, SP_M_TOKEN_SYNC), 1);
	fd = open("second", O_RDWR | O_CREAT, 0600);
	assert_int_equal(write(fd, "value-of-second\n", 16), 16);
	assert_true(sp_keeper_message(v->k, SP_M_SECRET_FD, text_body(&o, "file:second"), &fd, 1));
	assert_true(from_super(v, SP_M_SECRET_ENV, text_body(&o, "env:TWO"), "value-of-env"));
	unlock(v, "correct horse battery");
	turn(v, one);
	assert_int_equal(count(one, SP_M_SECRET), 2);
	assert_int_equal(count(one, SP_M_SECRET_SYNC), 1);
	assert_true(has(one, "secret-of-one") && has(one, "value-of-second"));
	assert_false(has(one, "value-of-second\n") || has(one, "value-of-env") || has(one, "management-key"));
	peer(v, SP_EGRESS, 1, two);
	assert_int_equal(count(two, SP_M_SECRET), 1);		/* vault:two does not exist: its calls fail, the other's do not */
	assert_true(has(two, "value-of-env"));
	assert_int_equal(count(two, SP_M_SECRET_SYNC), 1);
	peer(v, SP_FRONT, 0, front);
	assert_int_equal(count(front, SP_M_SECRET) + count(front, SP_M_SECRET_SYNC), 0);
	assert_int_equal(count(front, SP_M_TOKEN_SYNC), 1);
	sp_out_free(&o);
	end_free(one);
	end_free(two);
	end_free(front);
}

/* M25: what is fit to hold a secret. */
static void
test_m25_references(void **state)
{
	static const struct { const char *name, *ref, *value; mode_t mode; bool good; } rows[] = {
		{ "M25 plain", "file:second", "12345678", 0600, true }, { "M25 one newline", "file:second", "12345678\n", 0600, true },
		{ "M25 CR LF", "file:second", "12345678\r\n", 0600, true },
		{ "M25 group can read", "file:second", "12345678", 0640, false }, { "M25 empty", "file:second", "", 0600, false },
		{ "M25 a newline alone", "file:second", "\n", 0600, false }, { "M16 short", "file:second", "1234567\n", 0600, false },
	};
	struct env *v = *state;
	struct sp_out o;

	sp_out_heap(&o, 4096);
	unlock(v, "correct horse battery");
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct end *one = END();
		int fd = open("second", O_RDWR | O_CREAT | O_TRUNC, 0600);

		assert_int_equal(write(fd, rows[i].value, strlen(rows[i].value)), strlen(rows[i].value));
		fchmod(fd, rows[i].mode);
		assert_true(sp_keeper_message(v->k, SP_M_SECRET_FD, text_body(&o, rows[i].ref), &fd, 1));
		peer(v, SP_EGRESS, 0, one);
		if (count(one, SP_M_SECRET) != (rows[i].good ? 2u : 1u) || has_in(one, SP_M_SECRET, "\n"))
			fail_msg("%s", rows[i].name);
		end_free(one);
		turn(v, NULL);
	}
	sp_out_free(&o);
}

static sp_slice
set_body(struct sp_out *o, const char *name, const char *value)
{
	sp_out_reset(o);
	sp_out_lv(o, sp_str(name), 2);
	sp_out_str(o, value);
	return sp_out_view(o);
}

/* M19: a value that changes reaches its egress at once, and nobody else. */
static void
test_rotation(void **state)
{
	struct env *v = *state;
	struct end *one = END(), *two = END(), *manage = END(), *cli = END();
	char text[8192];
	struct sp_out o;

	sp_out_heap(&o, 4096);
	unlock(v, "correct horse battery");
	peer(v, SP_EGRESS, 0, one);
	peer(v, SP_EGRESS, 1, two);
	peer(v, SP_MANAGE, 0, manage);
	assert_int_equal(count(manage, SP_M_MANAGE_KEY), 1);
	forget(one);
	forget(two);
	forget(manage);
	control(v, (uint32_t)geteuid(), cli);
	assert_int_equal(ask(v, cli, SP_ADMIN_VAULT_SET, set_body(&o, "one", "new-value-of-one"), text, sizeof text), SP_OK);
	turn(v, one);
	turn(v, two);
	assert_true(has(one, "new-value-of-one") && count(one, SP_M_SECRET_SYNC) == 1);
	assert_int_equal(two->nseen, 0);
	forget(one);
	assert_int_equal(ask(v, cli, SP_ADMIN_VAULT_RM, SP_LIT("{\"name\":\"one\"}"), text, sizeof text), SP_OK);
	turn(v, one);
	assert_true(!has(one, "new-value-of-one") && count(one, SP_M_SECRET_SYNC) == 1);
	assert_int_equal(ask(v, cli, SP_ADMIN_VAULT_SET, set_body(&o, "management", "another key"), text, sizeof text), SP_OK);
	turn(v, manage);
	assert_int_equal(count(manage, SP_M_MANAGE_KEY), 1);
	assert_int_equal(ask(v, cli, SP_ADMIN_VAULT_SET, set_body(&o, "x", "short"), text, sizeof text), SP_E_BAD_PARAMS);
	assert_null(strstr(text, "short"));
	sp_out_free(&o);
	end_free(one);
	end_free(two);
	end_free(manage);
	end_free(cli);
}

static void
test_tokens(void **state)
{
	static const char body[] = "{\"name\":\"cron\",\"client_id\":\"cron\",\"scopes\":\"a b\",\"tags\":\"\",\"expires\":4102444800,"
	    "\"hash\":\"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\"}";
	struct env *v = *state;
	struct end *front = END(), *egress = END(), *late = END(), *cli = END();
	uint64_t epoch = atomic_load(&v->page.epoch);
	char text[8192];

	unlock(v, "correct horse battery");
	peer(v, SP_FRONT, 0, front);
	peer(v, SP_EGRESS, 0, egress);
	control(v, (uint32_t)geteuid(), cli);
	assert_int_equal(ask(v, cli, SP_ADMIN_TOKEN_NEW, sp_str(body), text, sizeof text), SP_OK);
	turn(v, front);
	turn(v, egress);
	assert_int_equal(count(front, SP_M_TOKEN_PUT), 1);
	assert_int_equal(count(egress, SP_M_TOKEN_PUT), 1);
	assert_true(has(egress, "cron") && has(egress, "a b"));
	assert_int_equal(atomic_load(&v->page.epoch), epoch);
	peer(v, SP_FRONT, 1, late);
	assert_int_equal(count(late, SP_M_TOKEN_PUT), 1);
	assert_int_equal(ask(v, cli, SP_ADMIN_TOKEN_LIST, SP_LIT("{}"), text, sizeof text), SP_OK);
	assert_non_null(strstr(text, "\"fingerprint\":\"0011223344556677\""));
	assert_null(strstr(text, "8899aabbccddeeff"));
	assert_int_equal(ask(v, cli, SP_ADMIN_TOKEN_REVOKE, SP_LIT("{\"name\":\"cron\"}"), text, sizeof text), SP_OK);
	turn(v, front);
	turn(v, egress);
	assert_int_equal(count(front, SP_M_TOKEN_DEL), 1);
	assert_int_equal(count(egress, SP_M_TOKEN_DEL), 1);
	assert_int_equal(atomic_load(&v->page.epoch), epoch + 1);
	assert_int_equal(ask(v, cli, SP_ADMIN_AUDIT_TAIL, SP_LIT("{\"lines\":5}"), text, sizeof text), SP_OK);
	assert_non_null(strstr(text, "token new cron, by user id"));
	assert_non_null(strstr(text, "token revoke cron, by user id"));
	end_free(front);
	end_free(egress);
	end_free(late);
	end_free(cli);
}

/* Q01: the management API reads and revokes; secrets and new tokens are not among its questions. */
static void
test_q01_manage_may_not(void **state)
{
	static const struct { uint32_t op; uint32_t want; } rows[] = {
		{ SP_ADMIN_HEALTH, SP_OK }, { SP_ADMIN_TOKEN_LIST, SP_OK }, { SP_ADMIN_TOOLS, SP_OK },
		{ SP_ADMIN_TOKEN_NEW, SP_E_DENIED }, { SP_ADMIN_VAULT_LIST, SP_E_DENIED }, { SP_ADMIN_VAULT_SET, SP_E_DENIED },
		{ SP_ADMIN_VAULT_RM, SP_E_DENIED }, { SP_ADMIN_VAULT_REKEY, SP_E_DENIED },
	};
	struct env *v = *state;
	struct end *manage = END();
	char text[65536];

	unlock(v, "correct horse battery");
	peer(v, SP_MANAGE, 0, manage);
	forget(manage);
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		if (ask(v, manage, rows[i].op, SP_LIT("{}"), text, sizeof text) != rows[i].want)
			fail_msg("Q01 operation %u: %s", rows[i].op, text);
		if (strstr(text, "secret-of-one") != NULL || strstr(text, "management-key") != NULL)
			fail_msg("Q01 operation %u shows a value", rows[i].op);
	}
	assert_int_equal(ask(v, manage, SP_ADMIN_TOOLS, SP_LIT("{}"), text, sizeof text), SP_OK);
	assert_non_null(strstr(text, "{\"server\":\"one\",\"name\":\"getX\",\"access\":\"read\"}"));
	end_free(manage);
}

/* Q06: another user's connection is closed, whatever super let through. */
static void
test_q06_other_uid(void **state)
{
	struct env *v = *state;
	struct end *cli = END();
	char c;

	control(v, 4242, cli);
	assert_int_equal(recv(cli->fd, &c, 1, 0), 0);
	end_free(cli);
}

/* What is not in the table ends the one who sent it, and nobody else. */
static void
test_offences(void **state)
{
	static const struct { const char *name; sp_slice bytes; } rows[] = {
		{ "a message of keeper's own", SP_LIT_INIT("\0\0\0\0\x12") }, { "unknown message", SP_LIT_INIT("\0\0\0\0\xff") },
		{ "too long", SP_LIT_INIT("\xff\xff\xff\xff\x00") },
	};
	struct env *v = *state;
	struct end *good = END();

	unlock(v, "correct horse battery");
	peer(v, SP_FRONT, 9, good);
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct end *bad = END();
		char buf[4096];
		ssize_t n = 1;

		peer(v, SP_MANAGE, 0, bad);
		assert_int_equal(write(bad->fd, rows[i].bytes.p, rows[i].bytes.n), rows[i].bytes.n);
		turn(v, NULL);
		while (n > 0)
			n = recv(bad->fd, buf, sizeof buf, MSG_DONTWAIT);
		if (n != 0)
			fail_msg("offence: %s: still connected", rows[i].name);
		end_free(bad);
	}
	assert_int_equal(v->k->npeers, 1);
	end_free(good);
}

static void
test_restart_keeps_all(void **state)
{
	struct env *v = *state;
	struct end *one = END();
	struct sp_audit_report r;
	struct sp_err e;
	int dir;

	unlock(v, "correct horse battery");
	stop(v);
	forget(&v->super);
	make_image(v);
	start(v);
	unlock(v, "correct horse battery");
	peer(v, SP_EGRESS, 0, one);
	assert_true(has(one, "secret-of-one"));
	dir = open("audit", O_RDONLY | O_DIRECTORY);
	assert_int_equal(sp_audit_verify(dir, NULL, &r, &e), SP_OK);
	close(dir);
	end_free(one);
	forget(&v->super);
}

static uint32_t
rekey(struct env *v, struct end *cli, unsigned step, const char *material)
{
	char text[4096];
	struct sp_out o;
	uint32_t st;

	sp_out_heap(&o, 4096);
	sp_out_be(&o, step, 1);
	sp_out_str(&o, material);
	st = ask(v, cli, SP_ADMIN_VAULT_REKEY, sp_out_view(&o), text, sizeof text);
	if (strstr(text, material) != NULL)
		fail_msg("the answer shows the key");
	sp_out_free(&o);
	return st;
}

static void
again(struct env *v, const char *material)
{
	stop(v);
	forget(&v->super);
	make_image(v);
	start(v);
	turn(v, NULL);
	unlock(v, material);
}

#define HEX "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

/*
 * The key of a running gateway's vault is changed: everybody keeps what he has, statements get another key at once, and
 * after a restart only the new key opens; in between both do.
 */
static void
test_rekey(void **state)
{
	static const struct { const char *name, *material; } rows[] = {
		{ "a key file", HEX "\n" }, { "a passphrase, by terminal or env:", "another long passphrase" },
		{ "32 raw bytes, as a credential", "\x01\xff" "2345678901234567890123456789\x02\xfe" },
	};

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct env *v = keeper_new(&texts);
		struct end *one = END(), *front = END(), *cli = END(), *after = END();
		uint8_t key[2][32];
		void *gone = v;

		unlock(v, "correct horse battery");
		peer(v, SP_EGRESS, 0, one);
		peer(v, SP_FRONT, 0, front);
		memcpy(key[0], last(front, SP_M_STATEMENT_KEY)->body, 32);
		forget(one);
		control(v, (uint32_t)geteuid(), cli);
		CHECK(rows[i].name, rekey(v, cli, SP_REKEY_BEGIN, rows[i].material) == SP_OK);
		turn(v, one);
		turn(v, front);
		CHECK(rows[i].name, count(one, SP_M_STATEMENT_KEY) == 1 && count(one, SP_M_SECRET) == 0);
		memcpy(key[1], last(front, SP_M_STATEMENT_KEY)->body, 32);
		CHECK(rows[i].name, memcmp(key[0], key[1], 32) != 0);
		CHECK("not the new key", rekey(v, cli, SP_REKEY_END, "some other long passphrase") == SP_E_REFUSED);
		end_free(cli);
		again(v, "correct horse battery");		/* keeper dies before the end */
		CHECK("the old key still opens", sp_vault_half_rekeyed(v->k->admin.vault));
		again(v, rows[i].material);
		CHECK("the new one too", v->k->admin.vault != NULL);
		cli = END();
		control(v, (uint32_t)geteuid(), cli);
		CHECK(rows[i].name, rekey(v, cli, SP_REKEY_END, rows[i].material) == SP_OK);
		again(v, rows[i].material);
		peer(v, SP_EGRESS, 0, after);
		CHECK(rows[i].name, has(after, "secret-of-one"));
		assert_memory_equal(last(after, SP_M_STATEMENT_KEY)->body, key[1], 32);
		again(v, "correct horse battery");		/* what env: still holds, after --new */
		CHECK("the old key is refused", v->k->admin.vault == NULL && has(&v->super, "wrong key"));
		CHECK("and it is said what to do", has(&v->super, "`unlock:` must name the new one"));
		forget(&v->super);
		end_free(one);
		end_free(front);
		end_free(cli);
		end_free(after);
		assert_int_equal(teardown(&gone), 0);
	}
}

static void
test_rekey_refused(void **state)
{
	static const struct { const char *name; unsigned step; const char *material; uint32_t want; } rows[] = {
		{ "empty", SP_REKEY_BEGIN, "", SP_E_BAD_PARAMS }, { "no such step", 9, HEX, SP_E_BAD_PARAMS },
		{ "a short passphrase", SP_REKEY_BEGIN, "short", SP_E_CONFIG }, { "an end without beginning", SP_REKEY_END, HEX, SP_E_REFUSED },
	};
	struct env *v = *state;
	struct end *cli = END(), *one = END();

	unlock(v, "correct horse battery");
	control(v, (uint32_t)geteuid(), cli);
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		char text[4096];
		struct sp_out o;

		sp_out_heap(&o, 4096);
		sp_out_be(&o, rows[i].step, 1);
		sp_out_str(&o, rows[i].material);
		CHECK(rows[i].name, ask(v, cli, SP_ADMIN_VAULT_REKEY, sp_out_view(&o), text, sizeof text) == rows[i].want);
		sp_out_free(&o);
	}
	again(v, "correct horse battery");
	peer(v, SP_EGRESS, 0, one);
	assert_true(has(one, "secret-of-one"));
	end_free(one);
	end_free(cli);
}

/* A store that cannot be opened is said to super, in words, and keeper does nothing else. */
static void
test_damaged_store_is_said(void **state)
{
	struct env *v = *state;
	FILE *f;

	turn(v, NULL);
	stop(v);
	forget(&v->super);
	f = fopen("store.db", "w");
	for (int i = 0; i < 5000; i++)
		fputs("garbage", f);
	fclose(f);
	make_image(v);
	start(v);
	turn(v, NULL);
	assert_int_equal(count(&v->super, SP_M_KEEPER_UP), 1);
	assert_true(has(&v->super, "store.db is damaged"));
	forget(&v->super);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_up), T(test_wrong_key_is_said), T(test_secrets_go_to_their_server_only), T(test_m25_references),
		T(test_rotation), T(test_tokens), T(test_q01_manage_may_not), T(test_q06_other_uid), T(test_offences),
		T(test_restart_keeps_all), T(test_damaged_store_is_said), cmocka_unit_test(test_rekey), T(test_rekey_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

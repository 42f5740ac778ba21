#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "vault/statefile.h"
#include "vault/store.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct env { char path[64]; int dir, home; };

static int
setup(void **state)
{
	struct env *v = calloc(1, sizeof *v);

	snprintf(v->path, sizeof v->path, "/tmp/sp-store-XXXXXX");
	assert_non_null(mkdtemp(v->path));
	v->home = open(".", O_RDONLY | O_DIRECTORY);
	v->dir = open(v->path, O_RDONLY | O_DIRECTORY);
	assert_int_equal(fchdir(v->dir), 0);
	*state = v;
	return 0;
}

static int
teardown(void **state)
{
	struct env *v = *state;
	static const char *const names[] = { "store.db", "store.db-wal", "store.db-shm", "store.db-journal", "store.db.1", "other" };

	for (size_t i = 0; i < SP_COUNT(names); i++)
		unlinkat(v->dir, names[i], 0);
	assert_int_equal(fchdir(v->home), 0);
	assert_int_equal(rmdir(v->path), 0);
	close(v->dir);
	close(v->home);
	free(v);
	return 0;
}

static struct sp_token_row
row(sp_slice name, uint8_t h)
{
	struct sp_token_row t = { .name = name, .client_id = name, .scopes = SP_LIT("dns:read dns:write"),
		.tags = SP_LIT("ops"), .created_s = 100, .expires_s = 5000 };

	memset(t.hash, h, sizeof t.hash);
	return t;
}

struct seen { unsigned n, revoked; char names[256]; uint8_t first; };

static bool
see(void *ctx, const struct sp_token_row *t)
{
	struct seen *s = ctx;
	size_t at = strlen(s->names);

	snprintf(s->names + at, sizeof s->names - at, "%.*s,", SP_PRI(t->name));
	s->n++;
	s->revoked += t->revoked_s != 0;
	if (s->n == 1)
		s->first = t->hash[31];
	if (!sp_eq(t->scopes, SP_LIT("dns:read dns:write")) || t->created_s != 100)
		fail_msg("row %s changed", s->names);
	return true;
}

static void
test_tokens(void **state)
{
	struct env *v = *state;
	struct sp_store *s = NULL;
	struct sp_token_row t = row(SP_LIT("cron"), 1);
	struct seen seen = { 0 };
	uint8_t hash[32];
	struct sp_err e;

	assert_int_equal(sp_store_open(v->dir, &s, &e), SP_OK);
	assert_int_equal(sp_store_token_add(s, &t, &e), SP_OK);
	assert_int_equal(sp_store_token_add(s, &t, &e), SP_E_REFUSED);
	t = row(SP_LIT("admin"), 2);
	assert_int_equal(sp_store_token_add(s, &t, &e), SP_OK);
	assert_int_equal(sp_store_token_revoke(s, SP_LIT("cron"), 200, hash, &e), SP_OK);
	assert_int_equal(hash[0], 1);
	assert_int_equal(sp_store_token_revoke(s, SP_LIT("cron"), 200, hash, &e), SP_E_NOT_FOUND);
	assert_int_equal(sp_store_token_revoke(s, SP_LIT("nobody"), 200, hash, &e), SP_E_NOT_FOUND);
	/* The name of a dead one may be used again. */
	t = row(SP_LIT("cron"), 3);
	assert_int_equal(sp_store_token_add(s, &t, &e), SP_OK);
	assert_int_equal(sp_store_token_revoke(s, SP_LIT("cron"), 200, hash, &e), SP_OK);
	assert_int_equal(hash[0], 3);
	sp_store_free(&s);
	assert_int_equal(sp_store_open(v->dir, &s, &e), SP_OK);
	assert_int_equal(sp_store_tokens(s, see, &seen, &e), SP_OK);
	assert_string_equal(seen.names, "admin,cron,");
	assert_int_equal(seen.revoked, 1);
	assert_int_equal(seen.first, 2);
	assert_int_equal(sp_store_tokens_prune(s, 300, &e), SP_OK);
	seen = (struct seen){ 0 };
	assert_int_equal(sp_store_tokens(s, see, &seen, &e), SP_OK);
	assert_string_equal(seen.names, "admin,");
	sp_store_free(&s);
}

static void
test_refused_texts(void **state)
{
	struct env *v = *state;
	static const struct { const char *name; sp_slice token, words; } rows[] = {
		{ "empty name", SP_LIT_INIT(""), SP_LIT_INIT("a") }, { "space in name", SP_LIT_INIT("a b"), SP_LIT_INIT("a") },
		{ "NUL in name", SP_LIT_INIT("a\0b"), SP_LIT_INIT("a") }, { "dash first", SP_LIT_INIT("-a"), SP_LIT_INIT("a") },
		{ "quote in scope", SP_LIT_INIT("a"), SP_LIT_INIT("a\"b") }, { "two spaces", SP_LIT_INIT("a"), SP_LIT_INIT("a  b") },
		{ "space first", SP_LIT_INIT("a"), SP_LIT_INIT(" a") }, { "space last", SP_LIT_INIT("a"), SP_LIT_INIT("a ") },
		{ "tab", SP_LIT_INIT("a"), SP_LIT_INIT("a\tb") }, { "newline", SP_LIT_INIT("a"), SP_LIT_INIT("a\nb") },
		{ "backslash", SP_LIT_INIT("a"), SP_LIT_INIT("a\\b") }, { "not ASCII", SP_LIT_INIT("a"), SP_LIT_INIT("\xc3\xa4") },
	};
	struct sp_store *s = NULL;
	struct sp_err e;

	assert_int_equal(sp_store_open(v->dir, &s, &e), SP_OK);
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct sp_token_row t = row(rows[i].token, 1);

		t.scopes = rows[i].words;
		if (sp_store_token_add(s, &t, &e) != SP_E_BAD_PARAMS)
			fail_msg("accepted: %s", rows[i].name);
	}
	sp_store_free(&s);
}

static void
test_marks(void **state)
{
	struct env *v = *state;
	struct sp_store *s = NULL;
	char buf[8];
	size_t n = 0;
	struct sp_err e;

	assert_int_equal(sp_store_open(v->dir, &s, &e), SP_OK);
	assert_int_equal(sp_store_mark_get(s, "x", buf, sizeof buf, &n, &e), SP_E_NOT_FOUND);
	assert_int_equal(sp_store_mark_set(s, "x", SP_LIT("one"), &e), SP_OK);
	assert_int_equal(sp_store_mark_set(s, "x", SP_LIT("two"), &e), SP_OK);
	assert_int_equal(sp_store_mark_get(s, "x", buf, sizeof buf, &n, &e), SP_OK);
	assert_true(sp_eq(sp_mem(buf, n), SP_LIT("two")));
	sp_store_free(&s);
}

static void
sql(const char *text)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open("store.db", &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

struct gone { unsigned n; uint8_t first, last; int64_t expires_s; };

static bool
see_gone(void *ctx, const uint8_t session[32], int64_t expires_s)
{
	struct gone *g = ctx;

	if (g->n++ == 0)
		g->first = session[31];
	g->last = session[31];
	g->expires_s = expires_s;
	return true;
}

/* E21: a session that was ended stays ended, whoever starts again, until its statement has ended too. */
static void
test_gone(void **state)
{
	struct env *v = *state;
	struct sp_store *s = NULL;
	struct gone g = { 0 };
	uint8_t id[32] = { 0 };
	struct sp_err e;

	assert_int_equal(sp_store_open(v->dir, &s, &e), SP_OK);
	for (uint8_t i = 1; i <= 3; i++) {
		id[31] = i;
		assert_int_equal(sp_store_gone_add(s, id, 1000 + i, &e), SP_OK);
	}
	assert_int_equal(sp_store_gone_add(s, id, 2000, &e), SP_OK);	/* once more */
	sp_store_free(&s);
	assert_int_equal(sp_store_open(v->dir, &s, &e), SP_OK);
	assert_int_equal(sp_store_gone(s, 1001, see_gone, &g, &e), SP_OK);
	assert_true(g.n == 2 && g.first == 2 && g.last == 3 && g.expires_s == 2000);
	g = (struct gone){ 0 };
	assert_int_equal(sp_store_gone(s, 2000, see_gone, &g, &e), SP_OK);
	assert_int_equal(g.n, 0);
	sp_store_free(&s);
}

static void
test_gone_is_bounded(void **state)
{
	struct env *v = *state;
	struct sp_store *s = NULL;
	struct gone g = { 0 };
	uint8_t id[32] = { 0 };
	struct sp_err e;

	assert_int_equal(sp_store_open(v->dir, &s, &e), SP_OK);
	sp_store_free(&s);
	sql("WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c WHERE i<16384) "
	    "INSERT INTO gone SELECT CAST(printf('%032d',i) AS BLOB), 1000+i FROM c");
	assert_int_equal(sp_store_open(v->dir, &s, &e), SP_OK);
	assert_int_equal(sp_store_gone_add(s, id, 50000, &e), SP_OK);
	assert_int_equal(sp_store_gone(s, 0, see_gone, &g, &e), SP_OK);
	assert_true(g.n == SP_GONE_MAX && g.first == '2' && g.expires_s == 50000);
	sp_store_free(&s);
}

/* A store of the format before gets what it lacks, and is kept beside as it was. */
static void
test_migration(void **state)
{
	struct env *v = *state;
	struct sp_token_row t = row(SP_LIT("cron"), 1);
	struct sp_store *s = NULL;
	struct seen seen = { 0 };
	struct gone g = { 0 };
	uint8_t id[32] = { 7 };
	struct sp_err e;
	struct stat st;

	assert_int_equal(sp_store_open(v->dir, &s, &e), SP_OK);
	assert_int_equal(sp_store_token_add(s, &t, &e), SP_OK);
	sp_store_free(&s);
	sql("DROP TABLE gone; PRAGMA user_version=1");
	close(open("store.db.1", O_WRONLY | O_CREAT, 0644));		/* of an attempt that did not end */
	if (sp_store_open(v->dir, &s, &e) != SP_OK)
		fail_msg("%s", e.log);
	assert_int_equal(sp_store_gone_add(s, id, 50000, &e), SP_OK);
	assert_int_equal(sp_store_gone(s, 0, see_gone, &g, &e), SP_OK);
	assert_int_equal(g.n, 1);
	assert_int_equal(sp_store_tokens(s, see, &seen, &e), SP_OK);
	assert_string_equal(seen.names, "cron,");
	sp_store_free(&s);
	assert_true(stat("store.db.1", &st) == 0 && (st.st_mode & 0777) == 0600);
	unlinkat(v->dir, "store.db", 0);
	renameat(v->dir, "store.db.1", v->dir, "store.db");
	sql("CREATE TABLE gone(x); DROP TABLE gone");	/* the copy is a store of the old format: it has none */
	seen = (struct seen){ 0 };
	assert_int_equal(sp_store_open(v->dir, &s, &e), SP_OK);
	assert_int_equal(sp_store_tokens(s, see, &seen, &e), SP_OK);
	assert_string_equal(seen.names, "cron,");
	sp_store_free(&s);
}

/* Q12: a newer format, another program's file, garbage: refused, and not touched. */
static void
test_q12_foreign_files(void **state)
{
	struct env *v = *state;
	struct sp_store *s = NULL;
	struct sp_err e;
	FILE *f;

	assert_int_equal(sp_store_open(v->dir, &s, &e), SP_OK);
	sp_store_free(&s);
	sql("PRAGMA user_version=3");
	assert_int_equal(sp_store_open(v->dir, &s, &e), SP_E_VERSION);
	assert_non_null(strstr(e.log, "format 3"));
	sql("PRAGMA user_version=-1");
	assert_int_equal(sp_store_open(v->dir, &s, &e), SP_E_VERSION);
	sql("PRAGMA user_version=1; PRAGMA application_id=7");
	assert_int_equal(sp_store_open(v->dir, &s, &e), SP_E_CONFIG);
	assert_non_null(strstr(e.log, "another program"));
	unlinkat(v->dir, "store.db", 0);
	f = fopen("store.db", "w");
	for (int i = 0; i < 5000; i++)
		fputs("garbage", f);
	fclose(f);
	chmod("store.db", 0600);
	assert_int_equal(sp_store_open(v->dir, &s, &e), SP_E_CONFIG);
	assert_null(s);
}

/* M25 */
static void
test_m25_files(void **state)
{
	struct env *v = *state;
	struct sp_store *s = NULL;
	struct sp_err e;

	assert_int_equal(sp_store_open(v->dir, &s, &e), SP_OK);
	sp_store_free(&s);
	chmod("store.db", 0640);
	assert_int_equal(sp_store_open(v->dir, &s, &e), SP_E_CONFIG);
	chmod("store.db", 0600);
	renameat(v->dir, "store.db", v->dir, "other");
	assert_int_equal(symlinkat("other", v->dir, "store.db"), 0);
	assert_int_not_equal(sp_store_open(v->dir, &s, &e), SP_OK);
}

static void
test_one_writer(void **state)
{
	struct env *v = *state;
	struct sp_store *s = NULL, *t = NULL;
	sqlite3 *db = NULL;
	struct sp_err e;

	assert_int_equal(sp_store_open(v->dir, &s, &e), SP_OK);
	assert_int_equal(sqlite3_open("store.db", &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "DELETE FROM token", NULL, NULL, NULL), SQLITE_BUSY);
	sqlite3_close(db);
	sp_store_free(&s);
	assert_int_equal(sp_store_open(v->dir, &t, &e), SP_OK);
	sp_store_free(&t);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_tokens), T(test_refused_texts), T(test_marks), T(test_gone), T(test_gone_is_bounded), T(test_migration),
		T(test_q12_foreign_files), T(test_m25_files),
		T(test_one_writer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

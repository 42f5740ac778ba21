#include "vault/store.h"

#include "vault/statefile.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { APPLICATION = 0x53505331 };	/* "SPS1" */

enum stmt { ADD, REVOKE, FIND, ALL, COUNT, PRUNE, MARK_SET, MARK_GET, GONE_ADD, GONE_ALL, GONE_COUNT, GONE_PRUNE,
	GONE_FIRST, STMTS };

static const char *const sql[STMTS] = {
	[ADD] = "INSERT OR REPLACE INTO token(name,hash,client_id,scopes,tags,created,expires,revoked) VALUES(?,?,?,?,?,?,?,0)",
	[REVOKE] = "UPDATE token SET revoked=? WHERE name=? AND revoked=0",
	[FIND] = "SELECT hash,revoked,expires FROM token WHERE name=?",
	[ALL] = "SELECT name,hash,client_id,scopes,tags,created,expires,revoked FROM token ORDER BY name",
	[COUNT] = "SELECT count(*) FROM token",
	[PRUNE] = "DELETE FROM token WHERE (revoked<>0 AND revoked<?1) OR expires<?1",
	[MARK_SET] = "INSERT INTO mark(name,value) VALUES(?,?) ON CONFLICT(name) DO UPDATE SET value=excluded.value",
	[MARK_GET] = "SELECT value FROM mark WHERE name=?",
	[GONE_ADD] = "INSERT INTO gone(session,expires) VALUES(?,?) ON CONFLICT(session) DO UPDATE SET expires=excluded.expires",
	[GONE_ALL] = "SELECT session,expires FROM gone ORDER BY expires",
	[GONE_COUNT] = "SELECT count(*) FROM gone",
	[GONE_PRUNE] = "DELETE FROM gone WHERE expires<=?",
	[GONE_FIRST] = "DELETE FROM gone WHERE session=(SELECT session FROM gone ORDER BY expires LIMIT 1)",
};

#define GONE_TABLE \
    "CREATE TABLE gone(session BLOB PRIMARY KEY NOT NULL CHECK(length(session)=32), expires INTEGER NOT NULL) WITHOUT ROWID;" \
    "CREATE INDEX gone_expires ON gone(expires);"

static const char schema[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE token(name TEXT PRIMARY KEY NOT NULL, hash BLOB NOT NULL UNIQUE CHECK(length(hash)=32),"
    " client_id TEXT NOT NULL, scopes TEXT NOT NULL, tags TEXT NOT NULL, created INTEGER NOT NULL,"
    " expires INTEGER NOT NULL, revoked INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE mark(name TEXT PRIMARY KEY NOT NULL, value BLOB NOT NULL) WITHOUT ROWID;"
    GONE_TABLE
    "PRAGMA application_id=1397773105;"
    "PRAGMA user_version=2;"
    "COMMIT";

static const char from_1[] = "BEGIN IMMEDIATE;" GONE_TABLE "PRAGMA user_version=2; COMMIT";

struct sp_store {
	sqlite3 *db;
	sqlite3_stmt *st[STMTS];
};

/* The stock file system of SQLite, but names stay as they are: relative to the working folder. */
static int
plain_name(sqlite3_vfs *vfs, const char *name, int cap, char *out)
{
	int n = snprintf(out, (size_t)cap, "%s", name);

	return n < 0 || n >= cap ? SQLITE_CANTOPEN : SQLITE_OK;
}

static const char *
vfs_name(void)
{
	static sqlite3_vfs vfs;
	const sqlite3_vfs *stock = sqlite3_vfs_find("unix");

	if (vfs.zName == NULL && stock != NULL) {
		vfs = *stock;
		vfs.zName = "sallyport";
		vfs.xFullPathname = plain_name;
		vfs.pNext = NULL;
		if (sqlite3_vfs_register(&vfs, 0) != SQLITE_OK)
			return NULL;
	}
	return vfs.zName;
}

static enum sp_status
failed(struct sp_store *s, struct sp_err *e)
{
	int rc = s->db == NULL ? SQLITE_NOMEM : sqlite3_errcode(s->db) & 0xff;
	const char *what = s->db == NULL ? "no memory" : sqlite3_errmsg(s->db);

	if (rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB)
		return sp_fail(e, SP_E_CONFIG, NULL, "store.db is damaged, or no store (%s); nothing was changed. Restore "
		    "it from a backup, or move it away and make the tokens anew", what);
	if (rc == SQLITE_BUSY || rc == SQLITE_LOCKED)
		return sp_fail(e, SP_E_UNAVAILABLE, NULL, "store.db is in use by another process");
	return sp_fail(e, SP_E_SYSTEM, NULL, "store.db: %s", what);
}

static int
number(struct sp_store *s, const char *text, int64_t *out)
{
	sqlite3_stmt *q = NULL;
	int rc = sqlite3_prepare_v2(s->db, text, -1, &q, NULL);

	if (rc == SQLITE_OK && (rc = sqlite3_step(q)) == SQLITE_ROW) {
		*out = sqlite3_column_int64(q, 0);
		rc = SQLITE_OK;
	}
	sqlite3_finalize(q);
	return rc;
}

/* Is what lies there ours, of a format we know, and whole?  *format 0: it is empty. */
static enum sp_status
judge(struct sp_store *s, int64_t *format, struct sp_err *e)
{
	int64_t application = 0, version = 0, tables = 0;
	sqlite3_stmt *q = NULL;
	bool whole = false;

	if (number(s, "PRAGMA application_id", &application) != SQLITE_OK ||
	    number(s, "PRAGMA user_version", &version) != SQLITE_OK ||
	    number(s, "SELECT count(*) FROM sqlite_schema", &tables) != SQLITE_OK)
		return failed(s, e);
	*format = 0;
	if (tables == 0 && version == 0 && application == 0)
		return SP_OK;
	if (application != APPLICATION)
		return sp_fail(e, SP_E_CONFIG, NULL, "store.db belongs to another program; nothing was changed");
	if (version < 1 || version > SP_STORE_FORMAT)
		return sp_fail(e, SP_E_VERSION, NULL, "store.db has format %lld, this program knows %d; nothing was "
		    "changed. Use the version that wrote it", (long long)version, SP_STORE_FORMAT);
	if (sqlite3_prepare_v2(s->db, "PRAGMA quick_check(1)", -1, &q, NULL) == SQLITE_OK &&
	    sqlite3_step(q) == SQLITE_ROW)
		whole = sp_eq(sp_str((const char *)sqlite3_column_text(q, 0)), SP_LIT("ok"));
	sqlite3_finalize(q);
	*format = version;
	return whole ? SP_OK : sp_fail(e, SP_E_CONFIG, NULL, "store.db is damaged; nothing was changed. Restore it from "
	    "a backup, or move it away and make the tokens anew");
}

static enum sp_status
prepare_all(struct sp_store *s, struct sp_err *e)
{
	for (int i = 0; i < STMTS; i++)
		if (sqlite3_prepare_v3(s->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &s->st[i], NULL) != SQLITE_OK)
			return failed(s, e);
	return SP_OK;
}

/* The file is made by us, with our mode and owner, before SQLite sees it. */
static enum sp_status
make_file(int dir, const char *name, struct sp_err *e)
{
	int fd = openat(dir, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	enum sp_status st;
	size_t size;

	if (fd < 0)
		return sp_fail(e, SP_E_SYSTEM, NULL, "cannot open %s: %s", name, strerror(errno));
	st = sp_state_fit(fd, name, &size, e);
	if (st == SP_OK && size == 0)
		sp_state_own(dir, fd);
	close(fd);
	return st;
}

/* What was there stays beside, as it was. */
static enum sp_status
migrate(struct sp_store *s, int dir, struct sp_err *e)
{
	static const char copy[] = SP_STORE_FILE ".1";
	enum sp_status st;

	(void)unlinkat(dir, copy, 0);	/* of an attempt that did not end */
	st = make_file(dir, copy, e);
	if (st != SP_OK)
		return st;
	if (sqlite3_exec(s->db, "VACUUM INTO '" SP_STORE_FILE ".1'", NULL, NULL, NULL) != SQLITE_OK ||
	    sqlite3_exec(s->db, from_1, NULL, NULL, NULL) != SQLITE_OK)
		return failed(s, e);
	return SP_OK;
}

static enum sp_status
open_db(struct sp_store *s, int dir, struct sp_err *e)
{
	/* Exclusive before the first access: the index of the WAL is then memory of ours, not a file.
	 * FULL: a token that was announced is on disk. */
	static const char pragmas[] = "PRAGMA locking_mode=EXCLUSIVE; PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON;"
	    "PRAGMA temp_store=MEMORY; PRAGMA synchronous=FULL; PRAGMA mmap_size=0";
	const char *vfs = vfs_name();
	enum sp_status st;
	int64_t format = 0;

	if (vfs == NULL || sqlite3_open_v2(SP_STORE_FILE, &s->db,
	    SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW, vfs) != SQLITE_OK)
		return failed(s, e);
	sqlite3_extended_result_codes(s->db, 1);
	(void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	(void)sqlite3_busy_timeout(s->db, 2000);
	if (sqlite3_exec(s->db, pragmas, NULL, NULL, NULL) != SQLITE_OK)
		return failed(s, e);
	st = judge(s, &format, e);
	if (st != SP_OK)
		return st;
	if (sqlite3_exec(s->db, "PRAGMA journal_mode=WAL", NULL, NULL, NULL) != SQLITE_OK ||
	    (format == 0 && sqlite3_exec(s->db, schema, NULL, NULL, NULL) != SQLITE_OK))
		return failed(s, e);
	if (format == 1 && (st = migrate(s, dir, e)) != SP_OK)
		return st;
	return prepare_all(s, e);
}

enum sp_status
sp_store_open(int dir, struct sp_store **out, struct sp_err *e)
{
	struct sp_store *s = calloc(1, sizeof *s);
	enum sp_status st;

	if (s == NULL)
		return sp_fail(e, SP_E_FULL, NULL, "no memory");
	st = make_file(dir, SP_STORE_FILE, e);
	if (st == SP_OK)
		st = open_db(s, dir, e);
	if (st != SP_OK) {
		sp_store_free(&s);
		return st;
	}
	*out = s;
	return SP_OK;
}

void
sp_store_free(struct sp_store **s)
{
	if (s == NULL || *s == NULL)
		return;
	for (int i = 0; i < STMTS; i++)
		sqlite3_finalize((*s)->st[i]);
	sqlite3_close((*s)->db);
	free(*s);
	*s = NULL;
}

bool
sp_token_name_ok(sp_slice name)
{
	if (name.n == 0 || name.n > SP_TOKEN_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.n; i++) {
		unsigned char c = (unsigned char)name.p[i];

		if (!sp_is_alpha(c) && !sp_is_digit(c) && (i == 0 || !sp_has_byte(SP_LIT("._@-"), (char)c)))
			return false;
	}
	return true;
}

bool
sp_token_words_ok(sp_slice words)
{
	bool gap = true;		/* a word must follow */

	if (words.n > SP_TOKEN_TEXT_MAX)
		return false;
	for (size_t i = 0; i < words.n; i++) {
		unsigned char c = (unsigned char)words.p[i];

		if (c == ' ' ? gap : c <= 0x20 || c > 0x7e || c == '"' || c == '\\')
			return false;
		gap = c == ' ';
	}
	return words.n == 0 || !gap;
}

static void
bind_text(sqlite3_stmt *q, int i, sp_slice s)
{
	sqlite3_bind_text(q, i, s.n == 0 ? "" : s.p, (int)s.n, SQLITE_TRANSIENT);
}

static sp_slice
column(sqlite3_stmt *q, int i)
{
	const void *p = sqlite3_column_blob(q, i);

	return sp_mem(p == NULL ? "" : p, (size_t)sqlite3_column_bytes(q, i));
}

/* Runs a statement that yields no rows, and makes it ready for the next time. */
static int
run(sqlite3_stmt *q)
{
	int rc = sqlite3_step(q);

	sqlite3_reset(q);
	sqlite3_clear_bindings(q);
	return rc;
}

/* One row of FIND; false: none. */
static bool
find(struct sp_store *s, sp_slice name, uint8_t hash[32], int64_t *revoked, int64_t *expires)
{
	sqlite3_stmt *q = s->st[FIND];
	bool found = false;

	bind_text(q, 1, name);
	if (sqlite3_step(q) == SQLITE_ROW && column(q, 0).n == 32) {
		memcpy(hash, column(q, 0).p, 32);
		*revoked = sqlite3_column_int64(q, 1);
		*expires = sqlite3_column_int64(q, 2);
		found = true;
	}
	sqlite3_reset(q);
	return found;
}

enum sp_status
sp_store_token_add(struct sp_store *s, const struct sp_token_row *t, struct sp_err *e)
{
	sqlite3_stmt *q = s->st[ADD];
	int64_t n = 0, revoked, expires;
	uint8_t hash[32];
	int rc;

	if (!sp_token_name_ok(t->name))
		return sp_fail(e, SP_E_BAD_PARAMS, NULL, "bad name `%.*s`: letters, digits, '.', '_', '@' and '-', "
		    "a letter or digit first, at most %d", SP_PRI(t->name), SP_TOKEN_NAME_MAX);
	if (!sp_token_words_ok(t->scopes) || !sp_token_words_ok(t->tags) || !sp_token_words_ok(t->client_id))
		return sp_fail(e, SP_E_BAD_PARAMS, NULL, "scopes and tags are words with single spaces between, at most %d "
		    "bytes, without quotes and backslashes", SP_TOKEN_TEXT_MAX);
	/* Rules speak of names, so the successor of a dead token may bear its name. */
	if (find(s, t->name, hash, &revoked, &expires) && revoked == 0 && expires > t->created_s)
		return sp_fail(e, SP_E_REFUSED, NULL, "there is a token `%.*s` already: choose another name, or revoke it "
		    "first", SP_PRI(t->name));
	sqlite3_reset(s->st[COUNT]);
	if (sqlite3_step(s->st[COUNT]) == SQLITE_ROW)
		n = sqlite3_column_int64(s->st[COUNT], 0);
	sqlite3_reset(s->st[COUNT]);
	if (n >= SP_TOKENS_MAX)
		return sp_fail(e, SP_E_FULL, NULL, "there are %d tokens, which is all the store takes", SP_TOKENS_MAX);
	bind_text(q, 1, t->name);
	sqlite3_bind_blob(q, 2, t->hash, 32, SQLITE_TRANSIENT);
	bind_text(q, 3, t->client_id);
	bind_text(q, 4, t->scopes);
	bind_text(q, 5, t->tags);
	sqlite3_bind_int64(q, 6, t->created_s);
	sqlite3_bind_int64(q, 7, t->expires_s);
	rc = run(q);
	return rc == SQLITE_DONE ? SP_OK : failed(s, e);
}

enum sp_status
sp_store_token_revoke(struct sp_store *s, sp_slice name, int64_t now_s, uint8_t hash[32], struct sp_err *e)
{
	sqlite3_stmt *q = s->st[REVOKE];
	uint8_t found[32];
	int64_t revoked, expires;

	if (!find(s, name, found, &revoked, &expires))
		return sp_fail(e, SP_E_NOT_FOUND, NULL, "there is no token `%.*s`", SP_PRI(name));
	if (revoked != 0)
		return sp_fail(e, SP_E_NOT_FOUND, NULL, "the token `%.*s` is revoked already", SP_PRI(name));
	sqlite3_bind_int64(q, 1, now_s <= 0 ? 1 : now_s);
	bind_text(q, 2, name);
	if (run(q) != SQLITE_DONE)
		return failed(s, e);
	memcpy(hash, found, 32);
	return SP_OK;
}

enum sp_status
sp_store_tokens(struct sp_store *s, bool (*each)(void *ctx, const struct sp_token_row *t), void *ctx,
    struct sp_err *e)
{
	sqlite3_stmt *q = s->st[ALL];
	bool more = true;
	int rc = SQLITE_DONE;

	while (more && (rc = sqlite3_step(q)) == SQLITE_ROW) {
		struct sp_token_row t = { .name = column(q, 0), .client_id = column(q, 2), .scopes = column(q, 3),
			.tags = column(q, 4), .created_s = sqlite3_column_int64(q, 5),
			.expires_s = sqlite3_column_int64(q, 6), .revoked_s = sqlite3_column_int64(q, 7) };

		if (column(q, 1).n != 32)
			continue;
		memcpy(t.hash, column(q, 1).p, 32);
		more = each(ctx, &t);
	}
	rc = rc == SQLITE_ROW ? SQLITE_DONE : rc;
	sqlite3_reset(q);
	return rc == SQLITE_DONE ? SP_OK : failed(s, e);
}

enum sp_status
sp_store_tokens_prune(struct sp_store *s, int64_t before_s, struct sp_err *e)
{
	sqlite3_bind_int64(s->st[PRUNE], 1, before_s);
	return run(s->st[PRUNE]) == SQLITE_DONE ? SP_OK : failed(s, e);
}

enum sp_status
sp_store_mark_set(struct sp_store *s, const char *name, sp_slice value, struct sp_err *e)
{
	sqlite3_stmt *q = s->st[MARK_SET];

	sqlite3_bind_text(q, 1, name, -1, SQLITE_STATIC);
	sqlite3_bind_blob(q, 2, value.n == 0 ? "" : value.p, (int)value.n, SQLITE_TRANSIENT);
	return run(q) == SQLITE_DONE ? SP_OK : failed(s, e);
}

enum sp_status
sp_store_mark_get(struct sp_store *s, const char *name, char *buf, size_t cap, size_t *n, struct sp_err *e)
{
	sqlite3_stmt *q = s->st[MARK_GET];
	enum sp_status st = SP_E_NOT_FOUND;

	sqlite3_bind_text(q, 1, name, -1, SQLITE_STATIC);
	if (sqlite3_step(q) == SQLITE_ROW && column(q, 0).n <= cap) {
		*n = column(q, 0).n;
		memcpy(buf, column(q, 0).p, *n);
		st = SP_OK;
	}
	sqlite3_reset(q);
	return st == SP_OK ? st : sp_fail(e, st, NULL, "no mark %s", name);
}

static enum sp_status
make_room(struct sp_store *s, struct sp_err *e)
{
	sqlite3_stmt *q = s->st[GONE_COUNT];
	int64_t n = sqlite3_step(q) == SQLITE_ROW ? sqlite3_column_int64(q, 0) : 0;

	sqlite3_reset(q);
	return n < SP_GONE_MAX || run(s->st[GONE_FIRST]) == SQLITE_DONE ? SP_OK : failed(s, e);
}

enum sp_status
sp_store_gone_add(struct sp_store *s, const uint8_t session[32], int64_t expires_s, struct sp_err *e)
{
	sqlite3_stmt *q = s->st[GONE_ADD];
	enum sp_status st = make_room(s, e);

	if (st != SP_OK)
		return st;
	sqlite3_bind_blob(q, 1, session, 32, SQLITE_TRANSIENT);
	sqlite3_bind_int64(q, 2, expires_s);
	return run(q) == SQLITE_DONE ? SP_OK : failed(s, e);
}

enum sp_status
sp_store_gone(struct sp_store *s, int64_t now_s, bool (*each)(void *ctx, const uint8_t session[32], int64_t expires_s),
    void *ctx, struct sp_err *e)
{
	sqlite3_stmt *q = s->st[GONE_ALL];
	bool more = true;
	int rc = SQLITE_DONE;

	sqlite3_bind_int64(s->st[GONE_PRUNE], 1, now_s);
	if (run(s->st[GONE_PRUNE]) != SQLITE_DONE)
		return failed(s, e);
	while (more && (rc = sqlite3_step(q)) == SQLITE_ROW)
		if (column(q, 0).n == 32)
			more = each(ctx, (const uint8_t *)column(q, 0).p, sqlite3_column_int64(q, 1));
	rc = rc == SQLITE_ROW ? SQLITE_DONE : rc;
	sqlite3_reset(q);
	return rc == SQLITE_DONE ? SP_OK : failed(s, e);
}

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "os/ring.h"

struct place { char dir[64]; int dirfd, fd; };

static int
setup(void **state)
{
	struct place *p = calloc(1, sizeof *p);
	struct sp_err e = { 0 };

	snprintf(p->dir, sizeof p->dir, "/tmp/sp-ring-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	p->dirfd = open(p->dir, O_PATH | O_DIRECTORY);
	if (sp_ring_create(p->dirfd, "ring", &p->fd, &e) != SP_OK)
		fail_msg("%s", e.log);
	*state = p;
	return 0;
}

static int
teardown(void **state)
{
	struct place *p = *state;

	unlinkat(p->dirfd, "ring", 0);
	unlinkat(p->dirfd, "other", 0);
	close(p->fd);
	close(p->dirfd);
	rmdir(p->dir);
	free(p);
	return 0;
}

static struct sp_ring *
writer(struct place *p)
{
	struct sp_ring *r = NULL;

	assert_int_equal(sp_ring_map_writer(p->fd, &r, NULL), SP_OK);
	return r;
}

static struct sp_ring *
reader(struct place *p)
{
	struct sp_ring *r = NULL;

	assert_int_equal(sp_ring_map_reader(p->fd, &r, NULL), SP_OK);
	return r;
}

static struct sp_audit_record
record(uint64_t call)
{
	struct sp_audit_record rec = { .time_us = 1, .call = call, .kind = SP_AUDIT_INTENT };

	SP_RING_TEXT(rec.user, SP_LIT("ann"));
	/* Every later byte tells of a torn record. */
	rec.bytes_in = (uint32_t)call;
	memcpy(rec.fingerprint, &call, sizeof call);
	return rec;
}

static bool
put(struct sp_ring *w, uint64_t call)
{
	struct sp_audit_record rec = record(call);

	return sp_ring_put(w, &rec) == SP_OK;
}

static void
test_order(void **state)
{
	struct sp_ring *w = writer(*state), *r = reader(*state);
	struct sp_audit_record rec;

	assert_false(sp_ring_peek(r, &rec));
	for (uint64_t i = 0; i < 3 * SP_RING_SLOTS; i++) {
		assert_true(put(w, i));
		assert_true(sp_ring_peek(r, &rec));
		assert_int_equal(rec.call, i);
		assert_string_equal(rec.user, "ann");
		assert_true(sp_ring_peek(r, &rec));
		sp_ring_advance(r);
		assert_false(sp_ring_peek(r, &rec));
	}
	sp_ring_free(&w);
	sp_ring_free(&r);
	assert_null(r);
	sp_ring_free(&r);
}

static void
test_full(void **state)
{
	struct sp_ring *w = writer(*state), *r = reader(*state);
	struct sp_audit_record rec;

	for (uint64_t i = 0; i < SP_RING_SLOTS; i++) {
		assert_int_equal(sp_ring_room(w, 2), i < SP_RING_SLOTS - 1);
		assert_true(put(w, i));
	}
	assert_false(sp_ring_room(w, 1));
	assert_true(sp_ring_room(w, 0));
	assert_false(sp_ring_room(w, UINT32_MAX));
	assert_false(put(w, 9));
	/* A batch is looked at first and given back at once. */
	for (uint32_t i = 0; i < SP_RING_SLOTS; i++) {
		assert_true(sp_ring_peek_at(r, i, &rec));
		assert_int_equal(rec.call, i);
	}
	assert_false(sp_ring_peek_at(r, SP_RING_SLOTS, &rec));
	assert_false(sp_ring_peek_at(r, UINT32_MAX, &rec));
	assert_false(put(w, 9));
	sp_ring_advance_n(r, 10);
	assert_true(sp_ring_room(w, 10) && !sp_ring_room(w, 11));
	assert_true(put(w, 9));
	sp_ring_free(&w);
	sp_ring_free(&r);
}

/* Both sides may die and come back: nothing committed is lost, nothing read twice that was given back. */
static void
test_restart(void **state)
{
	struct sp_ring *w = writer(*state), *r = reader(*state);
	struct sp_audit_record rec;
	uint64_t next = 0;

	for (uint64_t i = 0; i < 20000; i++) {
		if (i % 7 == 0) {
			sp_ring_free(&w);
			w = writer(*state);
		}
		assert_true(put(w, i));
		if (i % 5 != 0)
			continue;
		sp_ring_free(&r);
		r = reader(*state);
		for (; sp_ring_peek(r, &rec); next++) {
			assert_int_equal(rec.call, next);
			sp_ring_advance(r);
		}
	}
	sp_ring_free(&w);
	sp_ring_free(&r);
}

static void
pause_us(long us)
{
	nanosleep(&(struct timespec){ .tv_nsec = us * 1000 }, NULL);
}

static void
write_until_killed(struct place *p, uint64_t base)
{
	struct sp_ring *w = writer(p);

	for (uint64_t i = 0;; i++)
		while (!put(w, base + i))
			pause_us(50);
}

/* Kill -9 at any instruction: what is read is whole, in order, without gap, from every life of the writer. */
static void
test_kill_writer(void **state)
{
	struct place *p = *state;
	struct sp_ring *r = reader(p);
	struct sp_audit_record rec;
	uint64_t seen = 0;

	for (uint64_t life = 1; life <= 40; life++) {
		uint64_t next = life << 32;
		pid_t pid = fork();
		int status;

		assert_true(pid >= 0);
		if (pid == 0)
			write_until_killed(p, next);
		pause_us(300 + (long)(life * 37 % 400) * 7);
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		for (; sp_ring_peek(r, &rec); sp_ring_advance(r), next++, seen++) {
			uint64_t stamp;

			memcpy(&stamp, rec.fingerprint, sizeof stamp);
			if (rec.call != next || rec.bytes_in != (uint32_t)next || stamp != next || rec.kind != SP_AUDIT_INTENT)
				fail_msg("life %u: record %llu instead of %llu", (unsigned)life, (unsigned long long)rec.call,
				    (unsigned long long)next);
		}
	}
	print_message("%llu records of 40 killed writers\n", (unsigned long long)seen);
	assert_true(seen > 40);
	sp_ring_free(&r);
}

static void
read_until_killed(struct place *p, int out)
{
	struct sp_ring *r = reader(p);
	struct sp_audit_record rec;

	for (;;) {
		if (!sp_ring_peek(r, &rec)) {
			pause_us(20);
			continue;
		}
		if (write(out, &rec.call, sizeof rec.call) != sizeof rec.call)
			_exit(1);
		sp_ring_advance(r);
	}
}

/* A killed reader repeats at most the record it was busy with. */
static void
test_kill_reader(void **state)
{
	struct place *p = *state;
	struct sp_ring *w = writer(p);
	uint64_t sent = 0, got, last = 0;
	int fds[2];

	assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
	fcntl(fds[1], F_SETPIPE_SZ, 1 << 20);
	for (unsigned life = 0; life < 20; life++) {
		unsigned repeats = 0;
		pid_t pid = fork();
		int status;

		assert_true(pid >= 0);
		if (pid == 0)
			read_until_killed(p, fds[1]);
		for (unsigned i = 0; i < 400; i++)
			if (put(w, sent + 1))
				sent++;
		pause_us(200 + (long)life * 97);
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		while (read(fds[0], &got, sizeof got) == sizeof got) {
			repeats += got == last;
			if (got != last + 1 && got != last)
				fail_msg("read %llu after %llu", (unsigned long long)got, (unsigned long long)last);
			last = got;
		}
		assert_true(repeats <= 1);
	}
	assert_true(last > 0);
	close(fds[0]);
	close(fds[1]);
	sp_ring_free(&w);
}

/* The reader trusts nothing: a role that was taken over fills a slot as it likes. */
static void
test_hostile_record(void **state)
{
	static const struct { const char *name; uint32_t kind, outcome, status; bool ok; } rows[] = {
		{ "decision", SP_AUDIT_DECISION, 4, 0, true }, { "decision by status", SP_AUDIT_DECISION, SP_AUDIT_STATUS(SP_E_RATE), 0, true },
		{ "decision out of range", SP_AUDIT_DECISION, 5, 0, false },
		{ "status out of range", SP_AUDIT_DECISION, SP_AUDIT_STATUS(SP_STATUS_COUNT), 0, false },
		{ "kind 0", 0, 0, 0, false }, { "kind 5", 5, 0, 0, false }, { "kind high", UINT32_MAX, 0, 0, false },
		{ "outcome 0", SP_AUDIT_OUTCOME, 0, 200, false }, { "outcome 1", SP_AUDIT_OUTCOME, SP_DONE, 200, true },
		{ "outcome 5", SP_AUDIT_OUTCOME, 5, 200, false }, { "HTTP status 1000", SP_AUDIT_OUTCOME, SP_DONE, 1000, false },
		{ "intent out of range", SP_AUDIT_INTENT, 77, 0, false }, { "incident", SP_AUDIT_INCIDENT, 0, 0, true },
	};
	struct sp_ring *w = writer(*state), *r = reader(*state);

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct sp_audit_record rec = { .call = 7, .kind = rows[i].kind, .outcome = rows[i].outcome, .status = rows[i].status };

		SP_RING_TEXT(rec.tool, SP_LIT("t"));
		assert_int_equal(sp_ring_put(w, &rec), SP_OK);
		memset(&rec, 0xee, sizeof rec);
		assert_true(sp_ring_peek(r, &rec));
		sp_ring_advance(r);
		if (rec.call != 7 || strcmp(rec.tool, "t") != 0 || rec.kind != (rows[i].ok ? rows[i].kind : SP_AUDIT_INCIDENT) ||
		    (!rows[i].ok && (rec.note[0] == '\0' || rec.status != 0 || rec.outcome != 0)))
			fail_msg("%s", rows[i].name);
	}
	sp_ring_free(&w);
	sp_ring_free(&r);
}

static void
test_hostile_text(void **state)
{
	struct sp_ring *w = writer(*state), *r = reader(*state);
	struct sp_audit_record rec = { .kind = SP_AUDIT_INTENT };

	memset(rec.user, 'x', sizeof rec.user);
	memset(rec.source, '\n', sizeof rec.source);
	memcpy(rec.tool, "a\0hidden", 8);
	assert_int_equal(sp_ring_put(w, &rec), SP_OK);
	assert_true(sp_ring_peek(r, &rec));
	assert_int_equal(strlen(rec.user), sizeof rec.user - 1);
	assert_int_equal(strspn(rec.source, "?"), sizeof rec.source - 1);
	assert_memory_equal(rec.tool, "a\0\0\0\0\0\0\0", 8);
	sp_ring_free(&w);
	sp_ring_free(&r);
}

/* Random bytes in the whole file: refused, or read as well-formed records, and never more of them than slots. */
static void
test_hostile_file(void **state)
{
	struct place *p = *state;
	struct stat st;
	uint64_t *m, rnd = 88172645463325252u;

	assert_int_equal(fstat(p->fd, &st), 0);
	m = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, p->fd, 0);
	assert_true(m != MAP_FAILED);
	for (unsigned round = 0; round < 3; round++) {
		struct sp_ring *r = NULL, *w = NULL;
		struct sp_audit_record rec;
		unsigned n = 0;

		for (size_t i = 8; i < (size_t)st.st_size / 8; i++)
			rnd ^= rnd << 13, rnd ^= rnd >> 7, rnd ^= rnd << 17, m[i] = rnd;
		/* Commit words that fit, for some of the slots. */
		m[8] = round == 0 ? 0 : UINT64_MAX - 2;
		for (size_t i = 0; i < 100; i++)
			m[512 + (size_t)((m[8] + i) % SP_RING_SLOTS) * 64] = m[8] + i + 1;
		assert_int_equal(sp_ring_map_reader(p->fd, &r, NULL), SP_OK);
		while (sp_ring_peek(r, &rec) && n <= SP_RING_SLOTS) {
			assert_true(rec.kind >= SP_AUDIT_DECISION && rec.kind <= SP_AUDIT_INCIDENT);
			assert_true(memchr(rec.user, 0, sizeof rec.user) != NULL);
			sp_ring_advance(r);
			n++;
		}
		assert_true(n >= 100 && n <= SP_RING_SLOTS);
		assert_int_equal(sp_ring_map_writer(p->fd, &w, NULL), SP_OK);
		assert_true(put(w, 1));
		m[8] = UINT64_MAX / 2;	/* a reader that claims to be ahead */
		assert_false(put(w, 2));
		sp_ring_free(&r);
		sp_ring_free(&w);
	}
	munmap(m, (size_t)st.st_size);
}

static void
test_create(void **state)
{
	struct place *p = *state;
	struct sp_ring *w = writer(p), *r = NULL;
	struct sp_audit_record rec;
	struct sp_err e = { 0 };
	struct stat st;
	int fd = -1;

	/* Kept as it is, with what it holds; private; all of its blocks there. */
	assert_true(put(w, 5));
	assert_int_equal(sp_ring_create(p->dirfd, "ring", &fd, &e), SP_OK);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_true(st.st_blocks * 512 >= st.st_size);
	assert_int_equal(sp_ring_map_reader(fd, &r, &e), SP_OK);
	assert_true(sp_ring_peek(r, &rec) && rec.call == 5);
	sp_ring_free(&r);
	sp_ring_free(&w);
	close(fd);
	/* A link, a file of another size, of another version. */
	assert_int_equal(symlinkat("ring", p->dirfd, "other"), 0);
	assert_int_equal(sp_ring_create(p->dirfd, "other", &fd, &e), SP_E_SYSTEM);
	assert_int_equal(unlinkat(p->dirfd, "other", 0), 0);
	fd = openat(p->dirfd, "other", O_CREAT | O_RDWR, 0600);
	assert_int_equal(write(fd, "SypRing9", 8), 8);
	assert_int_equal(sp_ring_map_writer(fd, &w, &e), SP_E_SYSTEM);
	assert_int_equal(sp_ring_map_reader(fd, &r, &e), SP_E_SYSTEM);
	close(fd);
	assert_int_equal(sp_ring_create(p->dirfd, "other", &fd, &e), SP_E_SYSTEM);
	fd = openat(p->dirfd, "other", O_RDWR);
	assert_int_equal(ftruncate(fd, st.st_size + 1), 0);
	close(fd);
	assert_int_equal(sp_ring_create(p->dirfd, "other", &fd, &e), SP_E_SYSTEM);
	/* A creation that was cut short is taken up again. */
	unlinkat(p->dirfd, "other", 0);
	fd = openat(p->dirfd, "other", O_CREAT | O_RDWR, 0600);
	assert_int_equal(ftruncate(fd, 5000), 0);
	close(fd);
	assert_int_equal(sp_ring_create(p->dirfd, "other", &fd, &e), SP_OK);
	close(fd);
	assert_int_equal(sp_ring_map_reader(-1, &r, &e), SP_E_SYSTEM);
}

static void
test_text(void **state)
{
	char f[8];

	(void)state;
	SP_RING_TEXT(f, SP_LIT("abc"));
	assert_memory_equal(f, "abc\0\0\0\0\0", 8);
	SP_RING_TEXT(f, SP_LIT("abcdefghij"));
	assert_string_equal(f, "abcdefg");
	SP_RING_TEXT(f, SP_LIT("abcdef\xc3\xa9"));
	assert_string_equal(f, "abcdef");
	SP_RING_TEXT(f, SP_LIT("a\0b\nc"));
	assert_string_equal(f, "a?b?c");
	SP_RING_TEXT(f, ((sp_slice){ NULL, 0 }));
	assert_string_equal(f, "");
	SP_RING_TEXT(f, SP_LIT("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80"));
	assert_string_equal(f, "");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_order), T(test_full), T(test_restart), T(test_kill_writer), T(test_kill_reader), T(test_hostile_record),
		T(test_hostile_text), T(test_hostile_file), T(test_create), T(test_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

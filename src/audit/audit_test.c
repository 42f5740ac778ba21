#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "audit/log.h"
#include "crypto/crypto.h"
#include "policy/decide.h"
#include "wire/json.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

struct env { char path[64]; int dir; struct sp_chain chain; };

static const struct sp_audit_source egress = { "egress", 2, 3, 4 };

static int
setup(void **state)
{
	struct env *v = calloc(1, sizeof *v);

	assert_int_equal(sp_crypto_init(NULL), SP_OK);
	snprintf(v->path, sizeof v->path, "/tmp/sp-audit-XXXXXX");
	assert_non_null(mkdtemp(v->path));
	v->dir = open(v->path, O_RDONLY | O_DIRECTORY);
	*state = v;
	return 0;
}

static int
teardown(void **state)
{
	struct env *v = *state;
	uint32_t *list = NULL, n = 0;
	char name[24];

	assert_int_equal(sp_audit_list(v->dir, &list, &n, NULL), SP_OK);
	for (uint32_t i = 0; i < n; i++) {
		sp_audit_file_name(list[i], name);
		unlinkat(v->dir, name, 0);
	}
	free(list);
	unlinkat(v->dir, "notes.txt", 0);
	assert_int_equal(rmdir(v->path), 0);
	close(v->dir);
	free(v);
	return 0;
}

static struct sp_audit_record
record(uint32_t kind, uint64_t call)
{
	struct sp_audit_record r = { .time_us = 1763848501123456, .call = call, .kind = kind, .outcome = SP_DONE,
		.status = 200, .duration_us = 812, .bytes_out = 10, .bytes_in = 2000, .rule_line = 7,
		.fingerprint = { 0xde, 0xad, 0xbe, 0xef } };

	snprintf(r.source, sizeof r.source, "ci");
	snprintf(r.user, sizeof r.user, "repo:acme/app");
	snprintf(r.tool, sizeof r.tool, "createZone");
	snprintf(r.server, sizeof r.server, "dns");
	snprintf(r.note, sizeof r.note, "sent");
	return r;
}

static void
save(struct env *v, uint32_t file, sp_slice bytes)
{
	char name[24];
	int fd;

	sp_audit_file_name(file, name);
	fd = openat(v->dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes.p, bytes.n), bytes.n);
	close(fd);
}

/* Three files of `each` lines, the open line counted. */
static void
three_files(struct env *v, uint64_t each, struct sp_out text[3])
{
	for (uint32_t f = 0; f < 3; f++) {
		sp_out_heap(&text[f], 1 << 20);
		sp_audit_put_open(&text[f], &v->chain, 1763848500000000, f + 1);
		for (uint64_t i = 1; i < each; i++) {
			struct sp_audit_record r = record(i % 2 == 0 ? SP_AUDIT_OUTCOME : SP_AUDIT_INTENT, i / 2);

			sp_audit_put_record(&text[f], &v->chain, &r, &egress);
		}
		assert_false(text[f].full);
		save(v, f + 1, sp_out_view(&text[f]));
	}
}

static void
free_files(struct sp_out text[3])
{
	for (int f = 0; f < 3; f++)
		sp_out_free(&text[f]);
}

static void
test_line(void **state)
{
	struct sp_chain c = { .seq = 41 };
	struct sp_audit_record r = record(SP_AUDIT_OUTCOME, 99);
	struct sp_audit_call call;
	struct sp_out o;
	struct sp_json j = { 0 };
	static const char want[] = "{\"seq\":42,\"time\":\"2025-11-22T21:55:01.123Z\",\"kind\":\"outcome\","
	    "\"ring\":\"egress/2/3/4\",\"call\":99,\"source\":\"ci\",\"user\":\"repo:acme/app\",\"tool\":\"createZone\","
	    "\"server\":\"dns\",\"outcome\":\"done\",\"status\":200,\"duration_us\":812,\"bytes_in\":2000,"
	    "\"bytes_out\":10,\"rule\":7,\"note\":\"sent\",\"fingerprint\":\"deadbeef00000000\",\"hash\":\"";

	sp_out_heap(&o, 8192);
	sp_audit_put_record(&o, &c, &r, &egress);
	assert_true(sp_starts(sp_out_view(&o), sp_str(want)));
	assert_int_equal(c.seq, 42);
	assert_int_equal(sp_json_read(sp_sub(sp_out_view(&o), 0, o.n - 1), SP_JSON_DEFAULT, &j, NULL), SP_OK);
	sp_json_free(&j);
	assert_true(sp_audit_call_read(sp_out_view(&o), &call));
	assert_true(call.outcome && !call.intent);
	assert_int_equal(call.call, 99);
	assert_int_equal(call.time_ms, 1763848501123);
	assert_true(sp_eq(call.ring, SP_LIT("egress/2/3/4")));
	assert_true(sp_eq(call.user, SP_LIT("repo:acme/app")));
	sp_out_free(&o);
}

/* What a captured role could write must stay one line of valid JSON. */
static void
test_foreign_records(void **state)
{
	static const struct { const char *name, *text; } rows[] = {
		{ "newline and a forged line", "a\n{\"seq\":7,\"kind\":\"decision\"" },
		{ "quote ends the text", "a\",\"outcome\":\"allow" }, { "backslash", "\\" }, { "control", "\x01\x02\x7f" },
		{ "bad UTF-8", "\xff\xfe\x80" }, { "cut UTF-8", "\xe2\x82" }, { "line separator", "\xe2\x80\xa8" },
	};
	struct sp_out o;

	sp_out_heap(&o, 65536);
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct sp_chain c = { 0 }, again = { 0 };
		struct sp_audit_record r = record(77, UINT64_MAX);
		struct sp_json j = { 0 };
		sp_slice line;

		memset(r.user, 'u', sizeof r.user);	/* no NUL */
		snprintf(r.tool, sizeof r.tool, "%s", rows[i].text);
		snprintf(r.source, sizeof r.source, "%s", rows[i].text);
		r.time_us = UINT64_MAX;
		r.outcome = 12345;
		sp_out_reset(&o);
		sp_audit_put_record(&o, &c, &r, &egress);
		line = sp_sub(sp_out_view(&o), 0, o.n - 1);
		if (o.full || sp_has_byte(line, '\n') ||
		    sp_json_read(line, SP_JSON_DEFAULT, &j, NULL) != SP_OK || sp_jtext(SP_JGET(j.root, "user")).n != 96)
			fail_msg("foreign record: %s", rows[i].name);
		if (sp_audit_check(line, false, &again, NULL) != SP_OK)
			fail_msg("foreign record does not verify: %s", rows[i].name);
		if (!sp_eq(sp_jtext(SP_JGET(j.root, "kind")), SP_LIT("malformed")))
			fail_msg("foreign kind: %s", rows[i].name);
		sp_json_free(&j);
	}
	sp_out_free(&o);
}

/* The longest record there can be fits a line. */
static void
test_longest_record(void **state)
{
	struct sp_chain c = { .seq = UINT64_MAX - 2 };
	struct sp_audit_record r;
	struct sp_out o;

	memset(&r, 1, sizeof r);
	sp_out_heap(&o, 65536);
	sp_audit_put_record(&o, &c, &r, &(struct sp_audit_source){ "manage", UINT32_MAX, UINT32_MAX, UINT32_MAX });
	assert_false(o.full);
	assert_true(o.n > 1500 && o.n <= SP_AUDIT_LINE_MAX);
	sp_out_free(&o);
}

static void
test_outcome_names(void **state)
{
	static const struct { uint32_t kind, outcome; const char *want; } rows[] = {
		{ SP_AUDIT_DECISION, SP_CLOSED, "closed" }, { SP_AUDIT_DECISION, SP_ALLOW, "allow" },
		{ SP_AUDIT_DECISION, SP_AUDIT_STATUS(SP_E_BAD_RPC), "E_BAD_RPC" },
		{ SP_AUDIT_DECISION, SP_AUDIT_STATUS(SP_E_BUG), "E_BUG" }, { SP_AUDIT_DECISION, 50, "malformed" },
		{ SP_AUDIT_INTENT, 3, "open" }, { SP_AUDIT_OUTCOME, SP_UNKNOWN_OUTCOME, "unknown" },
		{ SP_AUDIT_OUTCOME, 0, "malformed" }, { SP_AUDIT_INCIDENT, 0, "incident" },
	};

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct sp_audit_record r = record(rows[i].kind, 1);
		struct sp_chain c = { 0 };
		struct sp_out o;
		char want[64];

		r.outcome = rows[i].outcome;
		snprintf(want, sizeof want, ",\"outcome\":\"%s\",", rows[i].want);
		sp_out_heap(&o, 8192);
		sp_audit_put_record(&o, &c, &r, &egress);
		if (sp_find(sp_out_view(&o), sp_str(want)) == SIZE_MAX)
			fail_msg("outcome %u/%u is not %s", rows[i].kind, rows[i].outcome, rows[i].want);
		sp_out_free(&o);
	}
}

static void
test_verify_rotation(void **state)
{
	struct env *v = *state;
	struct sp_out text[3];
	struct sp_audit_report r;
	struct sp_err e;

	assert_int_equal(sp_audit_verify(v->dir, NULL, &r, &e), SP_OK);
	assert_int_equal(r.files, 0);
	three_files(v, 50, text);
	save(v, 0, SP_LIT(""));
	unlinkat(v->dir, "00000000.jsonl", 0);
	assert_int_equal(sp_audit_verify(v->dir, &v->chain, &r, &e), SP_OK);
	assert_int_equal(r.files, 3);
	assert_int_equal(r.lines, 150);
	assert_int_equal(r.last.seq, 150);
	/* Older files may be archived; the rest is still whole. */
	unlinkat(v->dir, "00000001.jsonl", 0);
	assert_int_equal(sp_audit_verify(v->dir, &v->chain, &r, &e), SP_OK);
	assert_int_equal(r.first_seq, 51);
	free_files(text);
}

static sp_slice
line_of(const struct sp_out *o, unsigned n)
{
	sp_slice in = sp_out_view(o), line = { NULL, 0 };

	for (unsigned i = 0; i < n; i++)
		assert_true(sp_take_to(&in, '\n', &line));
	return sp_mem(line.p, line.n + 1);
}

static void
expect(struct env *v, const char *name, uint32_t file, uint64_t line, const char *text)
{
	struct sp_audit_report r;
	struct sp_err e = { 0 };

	if (sp_audit_verify(v->dir, NULL, &r, &e) != SP_E_CONFIG)
		fail_msg("%s: not noticed", name);
	if (r.bad_file != file || r.bad_line != line || strstr(e.log, text) == NULL)
		fail_msg("%s: %u:%llu: %s", name, r.bad_file, (unsigned long long)r.bad_line, e.log);
}

/* Q11: whatever is done to a line is found where it was done. */
static void
test_q11_tamper(void **state)
{
	struct env *v = *state;
	struct sp_out text[3], bad;
	sp_slice all, a, b;
	char *at;

	three_files(v, 20, text);
	sp_out_heap(&bad, 1 << 20);
	all = sp_out_view(&text[1]);
	a = line_of(&text[1], 5);
	b = line_of(&text[1], 6);

	sp_out_slice(&bad, all);
	at = memmem(bad.p + (b.p - all.p), bad.n - (size_t)(b.p - all.p), "createZone", 10);
	at[0] = 'C';
	save(v, 2, sp_out_view(&bad));
	expect(v, "Q11 a text changed", 2, 6, "was changed");

	sp_out_reset(&bad);
	sp_out_add(&bad, all.p, (size_t)(a.p - all.p));
	sp_out_add(&bad, b.p, all.n - (size_t)(b.p - all.p));
	save(v, 2, sp_out_view(&bad));
	expect(v, "Q11 a line removed", 2, 5, "lines were removed");

	sp_out_reset(&bad);
	sp_out_add(&bad, all.p, (size_t)(a.p - all.p));
	sp_out_slice(&bad, b);
	sp_out_slice(&bad, a);
	sp_out_add(&bad, b.p + b.n, all.n - (size_t)(b.p + b.n - all.p));
	save(v, 2, sp_out_view(&bad));
	expect(v, "Q11 two lines swapped", 2, 5, "lines were removed");

	sp_out_reset(&bad);
	sp_out_add(&bad, all.p, (size_t)(b.p - all.p));
	sp_out_slice(&bad, a);
	sp_out_add(&bad, b.p, all.n - (size_t)(b.p - all.p));
	save(v, 2, sp_out_view(&bad));
	expect(v, "Q11 a line repeated", 2, 6, "moved or repeated");

	sp_out_reset(&bad);
	sp_out_add(&bad, all.p, all.n - line_of(&text[1], 20).n);
	save(v, 2, sp_out_view(&bad));
	expect(v, "Q11 a file's end removed", 3, 1, "lines were removed");

	sp_out_reset(&bad);
	sp_out_slice(&bad, all);
	bad.p[bad.n - 5] = bad.p[bad.n - 5] == 'a' ? 'b' : 'a';
	save(v, 2, sp_out_view(&bad));
	expect(v, "Q11 a hash changed", 2, 20, "hash");

	sp_out_reset(&bad);
	sp_out_add(&bad, all.p, all.n - 10);
	save(v, 2, sp_out_view(&bad));
	expect(v, "Q11 torn in the middle", 2, 20, "torn");

	unlinkat(v->dir, "00000002.jsonl", 0);
	expect(v, "Q11 a file removed", 3, 0, "missing");
	save(v, 2, sp_out_view(&text[0]));
	expect(v, "Q11 a file replaced by another", 2, 1, "moved or repeated");
	save(v, 2, SP_LIT("hello\n"));
	expect(v, "Q11 not a log", 2, 1, "not a line");
	sp_out_free(&bad);
	free_files(text);
}

/* Q11: every bit of a line. */
static void
test_q11_every_bit(void **state)
{
	struct sp_chain start = { .seq = 8 }, c = start;
	struct sp_audit_record r = record(SP_AUDIT_INTENT, 5);
	struct sp_out o;

	sp_out_heap(&o, 8192);
	sp_audit_put_record(&o, &c, &r, &egress);
	for (size_t i = 0; i < (o.n - 1) * 8; i++) {
		struct sp_chain at = start;

		o.p[i / 8] ^= (char)(1 << i % 8);
		if (sp_audit_check(sp_sub(sp_out_view(&o), 0, o.n - 1), false, &at, NULL) == SP_OK)
			fail_msg("Q11 bit %zu", i);
		o.p[i / 8] ^= (char)(1 << i % 8);
	}
	sp_out_free(&o);
}

/* Q11: the end removed, or everything rewritten: only the mark in the store tells. */
static void
test_q11_mark(void **state)
{
	struct env *v = *state;
	struct sp_out text[3];
	struct sp_audit_report r;
	struct sp_chain mark;
	struct sp_err e;

	three_files(v, 20, text);
	mark = v->chain;
	unlinkat(v->dir, "00000003.jsonl", 0);
	assert_int_equal(sp_audit_verify(v->dir, NULL, &r, &e), SP_OK);
	assert_int_equal(sp_audit_verify(v->dir, &mark, &r, &e), SP_E_CONFIG);
	assert_non_null(strstr(e.log, "end was removed"));
	save(v, 3, sp_out_view(&text[2]));
	mark.hash[3] ^= 1;
	assert_int_equal(sp_audit_verify(v->dir, &mark, &r, &e), SP_E_CONFIG);
	assert_non_null(strstr(e.log, "replaced"));
	free_files(text);
}

static void
test_torn_tail(void **state)
{
	struct env *v = *state;
	struct sp_out text[3];
	struct sp_audit_report r;
	struct sp_err e;
	sp_slice last;

	three_files(v, 10, text);
	last = line_of(&text[2], 10);
	for (size_t cut = 1; cut < last.n; cut++) {
		save(v, 3, sp_mem(text[2].p, text[2].n - cut));
		if (sp_audit_verify(v->dir, NULL, &r, &e) != SP_OK || r.torn != last.n - cut || r.last.seq != 29)
			fail_msg("torn %zu bytes before the end: %s", cut, e.log);
	}
	free_files(text);
}

static void
test_tail(void **state)
{
	struct env *v = *state;
	struct sp_out text[3], o, all;
	struct sp_err e;

	sp_out_heap(&o, 1 << 20);
	sp_out_heap(&all, 1 << 20);
	assert_int_equal(sp_audit_tail(v->dir, 5, 1 << 20, &o, &e), SP_OK);
	assert_int_equal(o.n, 0);
	three_files(v, 10, text);
	for (int i = 0; i < 3; i++)
		sp_out_slice(&all, sp_out_view(&text[i]));
	for (uint32_t n = 1; n <= 35; n++) {
		sp_slice got;
		uint32_t count = 0;

		sp_out_reset(&o);
		assert_int_equal(sp_audit_tail(v->dir, n, 1 << 20, &o, &e), SP_OK);
		got = sp_out_view(&o);
		for (size_t i = 0; i < got.n; i++)
			count += got.p[i] == '\n';
		if (count != (n < 30 ? n : 30) || !sp_ends(sp_out_view(&all), got) || !sp_starts(got, SP_LIT("{\"seq\":")))
			fail_msg("tail %u gives %u lines", n, count);
	}
	sp_out_reset(&o);
	assert_int_equal(sp_audit_tail(v->dir, 30, 1000, &o, &e), SP_OK);
	assert_true(o.n <= 1000 && o.n > 0 && sp_ends(sp_out_view(&all), sp_out_view(&o)));
	assert_true(sp_starts(sp_out_view(&o), SP_LIT("{\"seq\":")));
	sp_out_free(&o);
	sp_out_free(&all);
	free_files(text);
}

static void
test_file_names(void **state)
{
	struct env *v = *state;
	uint32_t *list = NULL, n = 0, file;
	char name[24];

	sp_audit_file_name(7, name);
	assert_string_equal(name, "00000007.jsonl");
	assert_true(sp_audit_file_number(SP_LIT("00000007.jsonl"), &file));
	assert_int_equal(file, 7);
	assert_false(sp_audit_file_number(SP_LIT("7.jsonl"), &file));
	assert_false(sp_audit_file_number(SP_LIT("0000000x.jsonl"), &file));
	assert_false(sp_audit_file_number(SP_LIT("00000007.jsonl~"), &file));
	close(openat(v->dir, "notes.txt", O_CREAT | O_WRONLY, 0600));
	save(v, 10, SP_LIT(""));
	save(v, 9, SP_LIT(""));
	assert_int_equal(sp_audit_list(v->dir, &list, &n, NULL), SP_OK);
	assert_int_equal(n, 2);
	assert_int_equal(list[0], 9);
	free(list);
}

static struct sp_audit_log *
log_at(struct env *v, uint64_t rotate, const struct sp_chain *mark, bool *clean)
{
	struct sp_audit_log *l = NULL;
	struct sp_err e = { 0 };

	if (sp_audit_log_open(v->dir, rotate, mark, 1763848500000000, &l, clean, &e) != SP_OK)
		fail_msg("%s", e.log);
	return l;
}

static enum sp_status
append(struct sp_audit_log *l, uint64_t call)
{
	struct sp_audit_record r = record(SP_AUDIT_INTENT, call);
	struct sp_chain head;
	char buf[8192];
	struct sp_out o;
	enum sp_status st = sp_audit_log_turn(l, 1763848500000000, NULL);

	if (st != SP_OK)
		return st;
	head = sp_audit_log_head(l);
	sp_out_init(&o, buf, sizeof buf);
	sp_audit_put_record(&o, &head, &r, &egress);
	return sp_audit_log_append(l, sp_out_view(&o), &head, NULL);
}

static void
test_log_rotates_and_resumes(void **state)
{
	struct env *v = *state;
	struct sp_audit_report r;
	struct sp_audit_log *l;
	struct sp_chain mark;
	struct sp_err e;
	bool clean = false;

	l = log_at(v, 4000, NULL, &clean);
	assert_true(clean);
	for (uint64_t i = 0; i < 50; i++) {
		assert_int_equal(append(l, i), SP_OK);
		if (i % 7 == 0) {
			sp_audit_log_free(&l);
			l = log_at(v, 4000, NULL, &clean);
			assert_false(clean);
		}
	}
	assert_int_equal(sp_audit_log_note(l, 1, SP_AUDIT_KIND_STOP, SP_LIT("stopped"), &e), SP_OK);
	mark = sp_audit_log_head(l);
	sp_audit_log_free(&l);
	assert_int_equal(sp_audit_verify(v->dir, &mark, &r, &e), SP_OK);
	assert_true(r.files > 4);
	assert_int_equal(r.lines, 51 + r.files);
	l = log_at(v, 4000, &mark, &clean);
	assert_true(clean);
	sp_audit_log_free(&l);
	assert_int_equal(sp_audit_verify(v->dir, &mark, &r, &e), SP_OK);
	assert_int_equal(r.last.seq, mark.seq);
}

static sp_slice
whole(struct env *v, uint32_t file, char *buf, size_t cap)
{
	ssize_t n;
	int fd;

	assert_int_equal(sp_audit_open_file(v->dir, file, &fd, NULL), SP_OK);
	n = read(fd, buf, cap);
	assert_true(n >= 0);
	close(fd);
	return sp_mem(buf, (size_t)n);
}

/* A crash in the middle of a write, at every byte: the whole lines stay, the chain goes on, the cut is noted. */
static void
test_log_torn_at_every_byte(void **state)
{
	struct env *v = *state;
	char all[4096], now[8192];
	struct sp_audit_report r;
	struct sp_audit_log *l;
	struct sp_err e;
	sp_slice text;
	bool clean;

	l = log_at(v, 1 << 20, NULL, &clean);
	assert_int_equal(append(l, 1), SP_OK);
	assert_int_equal(append(l, 2), SP_OK);
	sp_audit_log_free(&l);
	text = whole(v, 1, all, sizeof all);
	for (size_t n = 0; n < text.n; n++) {
		save(v, 1, sp_mem(all, n));
		l = log_at(v, 1 << 20, NULL, &clean);
		assert_int_equal(append(l, 3), SP_OK);
		sp_audit_log_free(&l);
		if (sp_audit_verify(v->dir, NULL, &r, &e) != SP_OK || r.torn != 0)
			fail_msg("torn at %zu: %u:%llu %s", n, r.bad_file, (unsigned long long)r.bad_line, e.log);
		if (n > 0 && all[n - 1] != '\n' &&
		    sp_find(whole(v, 1, now, sizeof now), SP_LIT("\"kind\":\"repair\"")) == SIZE_MAX)
			fail_msg("torn at %zu: not noted", n);
	}
	/* The file that was just made, without its first line: the chain comes from the one before. */
	save(v, 1, text);
	save(v, 2, SP_LIT("{\"se"));
	l = log_at(v, 1 << 20, NULL, &clean);
	assert_int_equal(append(l, 3), SP_OK);
	sp_audit_log_free(&l);
	assert_int_equal(sp_audit_verify(v->dir, NULL, &r, &e), SP_OK);
	assert_int_equal(r.files, 2);
}

/* Q11: what was done to the end while nobody wrote is noted where it goes on. */
static void
test_q11_resume_notes(void **state)
{
	struct env *v = *state;
	char all[8192], now[8192];
	struct sp_audit_log *l;
	struct sp_chain mark;
	sp_slice text;
	bool clean;

	l = log_at(v, 1 << 20, NULL, &clean);
	for (uint64_t i = 0; i < 5; i++)
		assert_int_equal(append(l, i), SP_OK);
	mark = sp_audit_log_head(l);
	sp_audit_log_free(&l);
	text = whole(v, 1, all, sizeof all);
	while (text.p[text.n - 2] != '\n')
		text.n--;
	save(v, 1, sp_mem(text.p, text.n - 1));
	l = log_at(v, 1 << 20, &mark, &clean);
	sp_audit_log_free(&l);
	assert_int_not_equal(sp_find(whole(v, 1, now, sizeof now), SP_LIT("line 6 was written, but the log ended")), SIZE_MAX);
	all[text.n - 20] = all[text.n - 20] == 'a' ? 'b' : 'a';
	save(v, 1, sp_mem(text.p, text.n - 1));
	l = log_at(v, 1 << 20, NULL, &clean);
	sp_audit_log_free(&l);
	assert_int_not_equal(sp_find(whole(v, 1, now, sizeof now), SP_LIT("the log was changed")), SIZE_MAX);
}

/* Q10: a disk that is full leaves no half line and no half file, and goes on when there is room. */
static void
test_q10_full_disk(void **state)
{
	struct env *v = *state;
	struct sp_audit_report r;
	struct sp_audit_log *l;
	struct sp_chain head;
	struct rlimit was, small;
	struct sp_err e;
	bool clean;

	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &was);
	l = log_at(v, 6000, NULL, &clean);
	small = was;
	small.rlim_cur = 3000;
	setrlimit(RLIMIT_FSIZE, &small);
	while (append(l, 1) == SP_OK)
		head = sp_audit_log_head(l);
	assert_int_equal(append(l, 2), SP_E_SYSTEM);
	assert_int_equal(sp_audit_log_head(l).seq, head.seq);
	assert_int_equal(sp_audit_verify(v->dir, &head, &r, &e), SP_OK);
	assert_int_equal(r.torn, 0);
	setrlimit(RLIMIT_FSIZE, &was);
	for (int i = 0; i < 20; i++)
		assert_int_equal(append(l, 3), SP_OK);
	/* No room for a new file either. */
	small.rlim_cur = 100;
	setrlimit(RLIMIT_FSIZE, &small);
	while (append(l, 4) == SP_OK)
		;
	setrlimit(RLIMIT_FSIZE, &was);
	assert_int_equal(append(l, 5), SP_OK);
	head = sp_audit_log_head(l);
	sp_audit_log_free(&l);
	assert_int_equal(sp_audit_verify(v->dir, &head, &r, &e), SP_OK);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_line), T(test_foreign_records), T(test_longest_record), T(test_outcome_names),
		T(test_verify_rotation), T(test_q11_tamper), T(test_q11_every_bit), T(test_q11_mark), T(test_torn_tail),
		T(test_tail), T(test_file_names), T(test_log_rotates_and_resumes), T(test_log_torn_at_every_byte),
		T(test_q11_resume_notes), T(test_q10_full_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

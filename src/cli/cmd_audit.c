/* sallyport audit: the log of what was decided and done, and the proof that nobody changed it. */
#include "cli/cmd.h"
#include "cli/place.h"

#include "audit/log.h"
#include "os/state.h"
#include "wire/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static const char help[] =
    "usage: sallyport audit verify\n"
    "       sallyport audit tail [-n N]\n"
    "\n"
    "`verify` walks all files of the audit log and checks that every line is there, in order and unchanged; exit status 1 and\n"
    "the first bad FILE:LINE when not.  `tail` prints the last N lines (20), one JSON object each, newest last.\n"
    "\n"
    SP_WHERE_HELP
    "  -n, --lines N        how many lines\n"
    "\n"
    "example:\n"
    "  sallyport audit tail -n 100\n";

enum { LINES = 20, LINES_MAX = 100000 };

static int
open_folder(struct sp_place_state *p)
{
	int dir = openat(p->dir, SP_STATE_AUDIT, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (dir < 0)
		fprintf(stderr, "sallyport audit: %s/" SP_STATE_AUDIT ": %s\n", p->path, strerror(errno));
	return dir;
}

static bool
unhex(sp_slice hex, uint8_t out[32])
{
	for (size_t i = 0; hex.n == 64 && i < 64; i++)
		if (sp_hex_value((unsigned char)hex.p[i]) < 0)
			return false;
	for (size_t i = 0; hex.n == 64 && i < 32; i++)
		out[i] = (uint8_t)(sp_hex_value((unsigned char)hex.p[2 * i]) << 4 | sp_hex_value((unsigned char)hex.p[2 * i + 1]));
	return hex.n == 64;
}

/* How far the log was written, from the gateway that writes it. */
static bool
mark_asked(struct sp_place_state *p, struct sp_chain *mark)
{
	SP_AUTO(sp_json_free) struct sp_json j = { 0 };
	struct sp_out answer;
	int64_t seq = 0;
	bool ok;

	sp_out_heap(&answer, SP_ADMIN_ANSWER_MAX);
	ok = sp_place_ask(p, SP_ADMIN_HEALTH, SP_LIT("{}"), &answer, NULL) == SP_OK &&
	    sp_json_read(sp_out_view(&answer), SP_JSON_DEFAULT, &j, NULL) == SP_OK &&
	    sp_jint(SP_JGET(SP_JGET(j.root, "audit"), "seq"), &seq) && seq > 0 &&
	    unhex(sp_jtext(SP_JGET(SP_JGET(j.root, "audit"), "hash")), mark->hash);
	mark->seq = (uint64_t)seq;
	sp_out_free(&answer);
	return ok;
}

/* The same from the store, when nobody writes. */
static bool
mark_stored(struct sp_place_state *p, struct sp_chain *mark)
{
	char buf[SP_AUDIT_MARK];
	size_t n = 0;

	return sp_place_local(p, false, NULL) == SP_OK &&
	    sp_store_mark_get(p->admin.store, "audit.head", buf, sizeof buf, &n, NULL) == SP_OK &&
	    sp_audit_mark_read(sp_mem(buf, n), mark);
}

/* Reading needs neither lock nor gateway; whoever has one of them also knows where the log must end. */
static bool
find_mark(struct sp_place_state *p, struct sp_chain *mark)
{
	struct sp_err e = { 0 };

	if (sp_place_connect(p))
		return mark_asked(p, mark);
	if (sp_state_lock(p->dir, &p->lock, NULL, &e) != SP_OK)
		return false;
	return faccessat(p->dir, SP_STORE_FILE, F_OK, AT_SYMLINK_NOFOLLOW) == 0 && fchdir(p->dir) == 0 && mark_stored(p, mark);
}

static int
verify(struct sp_place_state *p)
{
	struct sp_audit_report r;
	struct sp_chain mark = { 0 };
	struct sp_err e = { 0 };
	int dir = open_folder(p);
	enum sp_status st;
	char name[24];
	bool known;

	if (dir < 0)
		return 1;
	known = find_mark(p, &mark);
	st = sp_audit_verify(dir, known ? &mark : NULL, &r, &e);
	close(dir);
	if (st != SP_OK) {
		sp_audit_file_name(r.bad_file, name);
		if (r.bad_file != 0)
			printf("%s/" SP_STATE_AUDIT "/%s:%llu: %s\n", p->path, name, (unsigned long long)r.bad_line, e.log);
		else
			printf("%s/" SP_STATE_AUDIT ": %s\n", p->path, e.log);
		return 1;
	}
	printf("ok: %llu lines in %u files, numbers %llu to %llu\n", (unsigned long long)r.lines, r.files,
	    (unsigned long long)r.first_seq, (unsigned long long)r.last.seq);
	if (r.torn != 0 && p->control < 0)
		printf("the last line is torn (%zu bytes): the next start cuts and notes it\n", r.torn);
	if (r.first_seq > 1)
		printf("it begins with line %llu: older files are not here\n", (unsigned long long)r.first_seq);
	if (!known)
		printf("how far it was written is not known here; the end was not checked\n");
	return 0;
}

static int
tail(struct sp_place_state *p, uint64_t lines)
{
	struct sp_err e = { 0 };
	struct sp_out o, body;
	enum sp_status st;
	char question[64];
	int dir;

	sp_out_heap(&o, 256 << 20);
	/* The gateway empties the rings first. */
	if (lines <= SP_ADMIN_LINES_MAX && sp_place_connect(p)) {
		sp_out_init(&body, question, sizeof question);
		sp_out_fmt(&body, "{\"lines\":%llu}", (unsigned long long)lines);
		st = sp_place_ask(p, SP_ADMIN_AUDIT_TAIL, sp_out_view(&body), &o, &e);
	} else {
		dir = open_folder(p);
		if (dir < 0)
			return 1;
		st = sp_audit_tail(dir, (uint32_t)lines, 256 << 20, &o, &e);
		close(dir);
	}
	if (st == SP_OK && o.n != 0)
		(void)fwrite(o.p, 1, o.n, stdout);
	sp_out_free(&o);
	if (st == SP_OK && fflush(stdout) != 0)
		st = sp_fail(&e, SP_E_SYSTEM, NULL, "cannot print: %s", strerror(errno));
	return st == SP_OK ? 0 : sp_say("audit", e.log);
}

struct audit_args { struct sp_where where; uint64_t lines; };
static const struct sp_opt opts[] = {
	SP_WHERE_OPTS(struct audit_args, where), SP_OPT_NUMBER("lines", 'n', struct audit_args, lines, LINES_MAX),
};
static const char *const ops[] = { "verify", "tail" };

static int
run(int argc, char **argv)
{
	struct audit_args a = { .lines = LINES };
	struct sp_place_state p;
	const char *word;
	size_t n, op;
	int status = sp_opts_read(&sp_cmd_audit, argc, argv, &a, &word, &n);

	if (status != SP_OPTS_GO)
		return status;
	op = sp_operation(&sp_cmd_audit, word);
	if (op == SP_COUNT(ops))
		return 2;
	if (sp_place_open(&p, "audit", &a.where, SP_REACH_READ) != SP_OK)
		return 1;
	status = op == 0 ? verify(&p) : tail(&p, a.lines);
	sp_place_close(&p);
	return status;
}

const struct sp_command sp_cmd_audit = { .name = "audit", .run = run, .text = "the audit log: verify, tail",
	.help = help, SP_OPTS(opts), SP_OPS(ops), .min = 1, .max = 1 };

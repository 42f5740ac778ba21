/* sallyport token: static tokens.  The text of one is shown once, here, and kept nowhere. */
#include "cli/cmd.h"
#include "cli/place.h"

#include "base/b64.h"
#include "base/out.h"
#include "crypto/crypto.h"
#include "os/role.h"
#include "wire/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static const char help[] =
    "usage: sallyport token new NAME [--scopes \"A B\"] [--tags \"X Y\"] [--days N] [--header-file PATH]\n"
    "       sallyport token list\n"
    "       sallyport token revoke NAME\n"
    "\n"
    "A static token lets a program in: `auth: {type: static}`.  NAME is its user in rules and audit.  `new` prints the token\n"
    "once; only its hash is kept.  `revoke` takes effect within a second in a running gateway.\n"
    "\n"
    "  --scopes \"A B\"       what it may do; --tags \"X Y\": what it is\n"
    "  --days N             how long it lives (90)\n"
    "  --client ID          its client id (its name)\n"
    "  --header-file PATH   write `Authorization: Bearer …` there (0600) instead of printing the token: curl -H @PATH\n"
    SP_WHERE_HELP
    "\n"
    "example:\n"
    "  sallyport token new cron --scopes deploy:plan --days 30\n";

enum { TOKEN_BYTES = 32, TOKEN_TEXT = 4 + 43, DAYS = 90, DAYS_MAX = 3650 };

struct token_args {
	struct sp_where where;
	const char *scopes, *tags, *client, *header, *name;
	uint64_t days;
};

/* ---------------------------------------------------------------- new */

/* Words with single spaces between, whatever was typed between them. */
static sp_slice
words(struct sp_out *o, const char *text)
{
	sp_slice in = sp_str(text == NULL ? "" : text), word;
	size_t from = o->n;

	while (sp_take_part(&in, ' ', &word)) {
		if (word.n == 0)
			continue;
		if (o->n != from)
			sp_out_byte(o, ' ');
		sp_out_slice(o, word);
	}
	return sp_mem(o->p + from, o->n - from);
}

static enum sp_status
make_header(struct sp_place_state *p, const char *path, int *fd, int *dir, const char **name, struct sp_err *e)
{
	enum sp_status st = sp_place_folder(p, path, dir, name, e);

	if (st != SP_OK)
		return st;
	*fd = openat(*dir, *name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (*fd >= 0)
		return SP_OK;
	close(*dir);
	*dir = -1;
	return sp_fail(e, SP_E_SYSTEM, NULL, "%s: %s; no token was made", path, strerror(errno));
}

static bool
show(int fd, sp_slice token)
{
	static const sp_slice before = SP_LIT_INIT("Authorization: Bearer ");
	char *mem = sp_locked_new(256);
	struct sp_out o;
	bool ok;

	if (mem == NULL)
		return false;
	sp_out_init(&o, mem, 256);
	if (fd != STDOUT_FILENO)
		sp_out_slice(&o, before);
	sp_out_slice(&o, token);
	sp_out_byte(&o, '\n');
	ok = write(fd, o.p, o.n) == (ssize_t)o.n && (fd == STDOUT_FILENO || fsync(fd) == 0);
	sp_locked_free(mem);
	return ok;
}

static enum sp_status
ask_new(struct sp_place_state *p, const struct token_args *a, sp_slice token, struct sp_err *e)
{
	char mem[8192];
	struct sp_token_row t = { .name = sp_str(a->name), .created_s = sp_now_s() };
	struct sp_out text, body, answer;
	enum sp_status st;

	sp_out_init(&text, mem, sizeof mem);
	t.client_id = sp_str(a->client != NULL ? a->client : a->name);
	t.scopes = words(&text, a->scopes);
	t.tags = words(&text, a->tags);
	t.expires_s = t.created_s + (int64_t)a->days * 86400;
	if (text.full)
		return sp_fail(e, SP_E_BAD_PARAMS, NULL, "the scopes or tags are too long");
	sp_sha256(token, t.hash);
	sp_out_heap(&body, 65536);
	sp_out_heap(&answer, SP_ADMIN_ANSWER_MAX);
	sp_admin_token_body(&body, &t);
	st = body.full ? SP_E_FULL : sp_place_ask(p, SP_ADMIN_TOKEN_NEW, sp_out_view(&body), &answer, e);
	sp_out_free(&body);
	sp_out_free(&answer);
	return st;
}

static sp_slice
make_token(char *mem)
{
	uint8_t *raw = (uint8_t *)mem + 64;
	struct sp_out o;

	sp_random_bytes(raw, TOKEN_BYTES);
	sp_out_init(&o, mem, 64);
	sp_out_str(&o, "spt_");
	sp_b64url_encode(&o, raw, TOKEN_BYTES);
	explicit_bzero(raw, TOKEN_BYTES);
	return sp_out_view(&o);
}

static enum sp_status
token_new(struct sp_place_state *p, const struct token_args *a, struct sp_err *e)
{
	char *mem = sp_locked_new(64 + TOKEN_BYTES);
	int fd = STDOUT_FILENO, dir = -1;
	const char *name = NULL;
	enum sp_status st = SP_OK;
	sp_slice token;

	if (mem == NULL)
		return sp_fail(e, SP_E_FULL, NULL, "no memory");
	token = make_token(mem);
	if (a->header != NULL)
		st = make_header(p, a->header, &fd, &dir, &name, e);
	/* Into the file first: a token that is in force but lost would be worse than a line nobody accepts. */
	if (st == SP_OK && dir >= 0 && !show(fd, token))
		st = sp_fail(e, SP_E_SYSTEM, NULL, "%s cannot be written: %s; no token was made", a->header, strerror(errno));
	if (st == SP_OK)
		st = ask_new(p, a, token, e);
	if (st == SP_OK && dir < 0 && !show(fd, token))
		st = sp_fail(e, SP_E_SYSTEM, NULL, "the token cannot be printed; revoke %s and make it again", a->name);
	if (dir >= 0) {
		if (st != SP_OK)
			(void)unlinkat(dir, name, 0);
		close(fd);
		close(dir);
	}
	sp_locked_free(mem);
	if (st == SP_OK)
		fprintf(stderr, "token %s is valid for %llu days; it is not shown again%s%s\n", a->name, (unsigned long long)a->days,
		    a->header != NULL ? ", and is in " : "", a->header != NULL ? a->header : "");
	return st;
}

/* ---------------------------------------------------------------- list, revoke */

static void
print_row(sp_jval *t, int64_t now_s)
{
	sp_slice name = sp_jtext(SP_JGET(t, "name")), scopes = sp_jtext(SP_JGET(t, "scopes")), tags = sp_jtext(SP_JGET(t, "tags"));
	sp_slice print = sp_jtext(SP_JGET(t, "fingerprint"));
	int64_t expires = 0, revoked = 0;
	char until[32] = "?";
	struct tm tm;
	time_t at;

	if (!sp_jint(SP_JGET(t, "expires"), &expires))
		return;
	at = (time_t)expires;
	if (gmtime_r(&at, &tm) != NULL)
		(void)strftime(until, sizeof until, "%Y-%m-%d", &tm);
	printf("%-20.*s  %-8s  until %s  %.*s", (int)name.n, name.p,
	    sp_jint(SP_JGET(t, "revoked"), &revoked) && revoked != 0 ? "revoked" : expires <= now_s ? "expired" : "valid", until,
	    (int)print.n, print.p);
	printf("  scopes: %.*s", scopes.n == 0 ? 1 : (int)scopes.n, scopes.n == 0 ? "-" : scopes.p);
	if (tags.n != 0)
		printf("  tags: %.*s", (int)tags.n, tags.p);
	printf("\n");
}

static enum sp_status
token_list(struct sp_place_state *p, const struct token_args *a, struct sp_err *e)
{
	SP_AUTO(sp_json_free) struct sp_json j = { 0 };
	struct sp_out answer;
	enum sp_status st;

	sp_out_heap(&answer, SP_ADMIN_ANSWER_MAX);
	st = sp_place_ask(p, SP_ADMIN_TOKEN_LIST, SP_LIT("{}"), &answer, e);
	if (st == SP_OK)
		st = sp_json_read(sp_out_view(&answer), SP_JSON_DEFAULT, &j, e);
	for (struct sp_jiter it = sp_jeach(st == SP_OK ? SP_JGET(j.root, "tokens") : NULL); sp_jnext(&it);)
		print_row(it.val, sp_now_s());
	sp_out_free(&answer);
	return st;
}

static enum sp_status
token_revoke(struct sp_place_state *p, const struct token_args *a, struct sp_err *e)
{
	struct sp_out body, answer;
	enum sp_status st;

	sp_out_heap(&body, 65536);
	sp_out_heap(&answer, SP_ADMIN_ANSWER_MAX);
	sp_admin_name_body(&body, sp_str(a->name));
	st = body.full ? SP_E_FULL : sp_place_ask(p, SP_ADMIN_TOKEN_REVOKE, sp_out_view(&body), &answer, e);
	sp_out_free(&body);
	sp_out_free(&answer);
	if (st == SP_OK)
		fprintf(stderr, "token %s is revoked\n", a->name);
	return st;
}

/* ---------------------------------------------------------------- all */

static const struct token_command {
	const char *name;
	bool named;
	enum sp_status (*run)(struct sp_place_state *p, const struct token_args *a, struct sp_err *e);
} commands[] = { { "new", true, token_new }, { "list", false, token_list }, { "revoke", true, token_revoke } };

static const struct sp_opt opts[] = {
	SP_WHERE_OPTS(struct token_args, where), SP_OPT_TEXT("scopes", 0, struct token_args, scopes, "SCOPES"),
	SP_OPT_TEXT("tags", 0, struct token_args, tags, "TAGS"), SP_OPT_NUMBER("days", 0, struct token_args, days, DAYS_MAX),
	SP_OPT_TEXT("client", 0, struct token_args, client, "ID"), SP_OPT_TEXT("header-file", 0, struct token_args, header, "FILE"),
};
static const char *const ops[] = { "new", "list", "revoke" };

static int
run(int argc, char **argv)
{
	struct token_args a = { .days = DAYS };
	const struct token_command *c;
	struct sp_place_state p;
	struct sp_err e = { 0 };
	const char *given[SP_WORDS_MAX];
	enum sp_status st;
	size_t n, op;
	int status = sp_opts_read(&sp_cmd_token, argc, argv, &a, given, &n);

	if (status != SP_OPTS_GO)
		return status;
	op = sp_operation(&sp_cmd_token, given[0]);
	if (op == SP_COUNT(ops))
		return 2;
	c = &commands[op];
	if (n != (c->named ? 2u : 1u)) {
		fprintf(stderr, "sallyport token: `%s` takes %s\n", c->name, c->named ? "one name" : "no further word");
		return 2;
	}
	a.name = given[1];
	if (sp_place_open(&p, "token", &a.where, SP_REACH_WRITE) != SP_OK)
		return 1;
	st = c->run(&p, &a, &e);
	if (st != SP_OK)
		(void)sp_say("token", e.log);
	sp_place_close(&p);
	return st == SP_OK ? 0 : 1;
}

const struct sp_command sp_cmd_token = { .name = "token", .run = run, .text = "static tokens: new, list, revoke",
	.help = help, SP_OPTS(opts), SP_OPS(ops), .min = 1, .max = SP_WORDS_MAX, .word = "NAME" };

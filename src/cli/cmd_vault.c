/* sallyport vault: the sealed file of secrets.  Values come from the terminal or a pipe, never from the command line. */
#include "cli/cmd.h"
#include "cli/place.h"
#include "cli/term.h"

#include "base/out.h"
#include "os/role.h"
#include "vault/statefile.h"
#include "wire/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static const char help[] =
    "usage: sallyport vault init\n"
    "       sallyport vault set NAME\n"
    "       sallyport vault list\n"
    "       sallyport vault rm NAME\n"
    "       sallyport vault rekey [--new REF]\n"
    "\n"
    "The vault holds the values that the configuration calls vault:NAME.  `set` asks for the value on the terminal, without\n"
    "echo and twice, or reads it from standard input (one final newline does not count); it takes effect at once in a\n"
    "running gateway.  `rekey` seals everything anew: with a new key file, or with what --new says.\n"
    "\n"
    SP_WHERE_HELP
    "  --new REF            rekey: what is to open the vault from now on\n"
    "\n"
    "examples:\n"
    "  sallyport vault init\n"
    "  sallyport vault set pdns\n"
    "  pass show pdns | sallyport vault set pdns\n";

struct vault_args { struct sp_where where; const char *fresh, *name; };

/* ---------------------------------------------------------------- init */

/* Folder and name of the key file that `ref` speaks of; *name stays NULL when it is no file.  *dir may be a new descriptor. */
static enum sp_status
key_place(struct sp_place_state *p, const char *ref, int *dir, const char **name, struct sp_err *e)
{
	sp_slice r = sp_str(ref);

	if (r.n == 0) {
		*name = SP_VAULT_KEY_FILE;
		return SP_OK;
	}
	return sp_take(&r, SP_LIT("file:")) ? sp_place_folder(p, r.p, dir, name, e) : SP_OK;
}

/* The key file of `ref`, made when it is not there. */
static enum sp_status
make_key(struct sp_place_state *p, const char *ref, struct sp_err *e)
{
	SP_AUTO(sp_secret_free) struct sp_secret *key = sp_secret_new(SP_MATERIAL_MAX);
	const char *name = NULL;
	int dir = p->dir;
	enum sp_status st = key_place(p, ref, &dir, &name, e);

	if (st != SP_OK || name == NULL)
		return st;
	if (faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) != 0) {
		if (key == NULL || sp_material_random(key) != SP_OK)
			st = sp_fail(e, SP_E_FULL, NULL, "no memory");
		else
			st = sp_state_replace(dir, name, sp_secret_peek(key), e);
	}
	if (dir != p->dir)
		close(dir);
	return st;
}

enum sp_status
sp_place_vault_make(struct sp_place_state *p, struct sp_err *e)
{
	SP_AUTO(sp_secret_free) struct sp_secret *material = sp_secret_new(SP_MATERIAL_MAX);
	enum sp_status st = sp_place_reach(p, SP_REACH_WRITE, e);

	if (st != SP_OK)
		return st;
	if (p->control >= 0)
		return sp_fail(e, SP_E_UNAVAILABLE, NULL, "the gateway is running on %s: stop it first", p->path);
	if (faccessat(p->dir, SP_VAULT_FILE, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return sp_fail(e, SP_E_REFUSED, NULL, "there is a vault in %s already; `sallyport vault rekey` changes its key",
		    p->path);
	if (material == NULL)
		return sp_fail(e, SP_E_FULL, NULL, "no memory");
	st = make_key(p, p->unlock, e);
	if (st == SP_OK)
		st = sp_place_material(p, p->unlock, true, material, e);
	if (st == SP_OK)
		st = sp_vault_create(p->dir, material, NULL, (uint64_t)sp_now_s(), e);
	if (st != SP_OK)
		return st;
	sp_place_note(p, "vault init");
	printf("vault made: %s/" SP_VAULT_FILE "\n", p->path);
	if (p->unlock[0] == '\0')
		printf("its key:    %s/" SP_VAULT_KEY_FILE " (keep a copy elsewhere: without it the vault is lost)\n", p->path);
	else
		printf("it opens with: %s\n", p->unlock);
	return SP_OK;
}

static enum sp_status
init(struct sp_place_state *p, const struct vault_args *a, struct sp_err *e)
{
	return sp_place_vault_make(p, e);
}

/* ---------------------------------------------------------------- set, rm, list */

static bool
has_controls(const struct sp_secret *s)
{
	sp_slice v = sp_secret_peek(s);

	for (size_t i = 0; i < v.n; i++)
		if (sp_is_ctl((unsigned char)v.p[i]))
			return true;
	return false;
}

enum sp_status
sp_place_vault_set(struct sp_place_state *p, sp_slice name, sp_slice value, struct sp_err *e)
{
	enum { BODY = 2 + SP_VAULT_NAME_MAX + SP_VAULT_VALUE_MAX };
	char *mem = sp_locked_new(BODY);
	struct sp_out body, answer;
	enum sp_status st;

	if (mem == NULL)
		return sp_fail(e, SP_E_FULL, NULL, "no memory");
	sp_out_init(&body, mem, BODY);
	sp_out_lv(&body, name, 2);
	sp_out_slice(&body, value);
	sp_out_heap(&answer, SP_ADMIN_ANSWER_MAX);
	st = body.full ? sp_fail(e, SP_E_BAD_PARAMS, NULL, "the value is too long") :
	    sp_place_ask(p, SP_ADMIN_VAULT_SET, sp_out_view(&body), &answer, e);
	sp_out_free(&answer);
	sp_locked_free(mem);
	return st;
}

static enum sp_status
set(struct sp_place_state *p, const struct vault_args *a, struct sp_err *e)
{
	SP_AUTO(sp_secret_free) struct sp_secret *value = sp_secret_new(SP_VAULT_VALUE_MAX + 2);
	enum sp_status st;
	char what[128];

	if (!sp_vault_name_ok(sp_str(a->name)))
		return sp_fail(e, SP_E_BAD_PARAMS, NULL, "that is no name of a record: small letters, digits, '.', '_' and '-', a "
		    "letter or digit first, at most %d", SP_VAULT_NAME_MAX);
	if (value == NULL)
		return sp_fail(e, SP_E_FULL, NULL, "no memory");
	snprintf(what, sizeof what, "value of %s", a->name);
	st = sp_term_secret(what, true, value, e);
	if (st == SP_OK && (sp_secret_len(value) < SP_VAULT_VALUE_MIN || sp_secret_len(value) > SP_VAULT_VALUE_MAX))
		st = sp_fail(e, SP_E_BAD_PARAMS, NULL, "the value has %zu bytes: at least %d are needed, so that it can be told from "
		    "other text in an answer, and at most %d are taken", sp_secret_len(value), SP_VAULT_VALUE_MIN,
		    SP_VAULT_VALUE_MAX);
	if (st == SP_OK)
		st = sp_place_reach(p, SP_REACH_WRITE, e);
	if (st == SP_OK)
		st = sp_place_vault_set(p, sp_str(a->name), sp_secret_peek(value), e);
	if (st == SP_OK && has_controls(value))
		fprintf(stderr, "sallyport vault: note: the value holds line breaks or control characters; no header takes it\n");
	return st;
}

static enum sp_status
rm(struct sp_place_state *p, const struct vault_args *a, struct sp_err *e)
{
	struct sp_out body, answer;
	enum sp_status st;

	sp_out_heap(&body, 4096);
	sp_out_heap(&answer, SP_ADMIN_ANSWER_MAX);
	sp_admin_name_body(&body, sp_str(a->name));
	st = sp_place_reach(p, SP_REACH_WRITE, e);
	if (st == SP_OK)
		st = sp_place_ask(p, SP_ADMIN_VAULT_RM, sp_out_view(&body), &answer, e);
	sp_out_free(&body);
	sp_out_free(&answer);
	return st;
}

static void
print_time(int64_t s)
{
	time_t t = (time_t)s;
	struct tm tm;
	char buf[32] = "?";

	if (gmtime_r(&t, &tm) != NULL)
		(void)strftime(buf, sizeof buf, "%Y-%m-%d %H:%M", &tm);
	printf("%s", buf);
}

static enum sp_status
list(struct sp_place_state *p, const struct vault_args *a, struct sp_err *e)
{
	SP_AUTO(sp_json_free) struct sp_json j = { 0 };
	struct sp_out answer;
	enum sp_status st;

	sp_out_heap(&answer, SP_ADMIN_ANSWER_MAX);
	st = sp_place_reach(p, SP_REACH_WRITE, e);
	if (st == SP_OK)
		st = sp_place_ask(p, SP_ADMIN_VAULT_LIST, SP_LIT("{}"), &answer, e);
	if (st == SP_OK)
		st = sp_json_read(sp_out_view(&answer), SP_JSON_DEFAULT, &j, e);
	for (struct sp_jiter it = sp_jeach(st == SP_OK ? SP_JGET(j.root, "records") : NULL); sp_jnext(&it);) {
		sp_slice name = sp_jtext(SP_JGET(it.val, "name"));
		int64_t when = 0, bytes = 0;

		if (!sp_jint(SP_JGET(it.val, "set"), &when) || !sp_jint(SP_JGET(it.val, "bytes"), &bytes))
			continue;
		print_time(when);
		printf("  %5lld bytes  %.*s\n", (long long)bytes, (int)name.n, name.p);
	}
	sp_out_free(&answer);
	return st;
}

/* ---------------------------------------------------------------- rekey */

static enum sp_status
rekey_step(struct sp_place_state *p, unsigned step, const struct sp_secret *fresh, struct sp_err *e)
{
	char *mem = sp_locked_new(1 + SP_MATERIAL_MAX);
	struct sp_out body, answer;
	enum sp_status st;

	if (mem == NULL)
		return sp_fail(e, SP_E_FULL, NULL, "no memory");
	sp_out_init(&body, mem, 1 + SP_MATERIAL_MAX);
	sp_out_be(&body, step, 1);
	sp_out_slice(&body, sp_secret_peek(fresh));
	sp_out_heap(&answer, 4096);
	st = sp_place_ask(p, SP_ADMIN_VAULT_REKEY, sp_out_view(&body), &answer, e);
	sp_out_free(&answer);
	sp_locked_free(mem);
	return st;
}

static enum sp_status
save_key(struct sp_place_state *p, const char *ref, const struct sp_secret *key, struct sp_err *e)
{
	const char *name = NULL;
	int dir = p->dir;
	enum sp_status st = key_place(p, ref, &dir, &name, e);

	if (st == SP_OK && name != NULL)
		st = sp_state_replace(dir, name, sp_secret_peek(key), e);
	if (dir != p->dir)
		close(dir);
	return st;
}

static bool
is_file(const char *ref)
{
	return ref[0] == '\0' || sp_starts(sp_str(ref), SP_LIT("file:"));
}

/* Both keys open the vault until the new one is stored: a crash in between loses nothing. */
static enum sp_status
rekey(struct sp_place_state *p, const struct vault_args *a, struct sp_err *e)
{
	SP_AUTO(sp_secret_free) struct sp_secret *fresh = sp_secret_new(SP_MATERIAL_MAX);
	const char *ref = a->fresh != NULL ? a->fresh : p->unlock;
	enum sp_status st;

	if (fresh == NULL)
		return sp_fail(e, SP_E_FULL, NULL, "no memory");
	if (a->fresh == NULL && !is_file(ref) && !sp_eq(sp_str(ref), SP_LIT("passphrase")))
		return sp_fail(e, SP_E_CONFIG, NULL, "%s cannot be changed from here: say with --new what is to open the vault", ref);
	if (is_file(ref))
		st = sp_material_random(fresh);
	else
		st = sp_place_material(p, ref, true, fresh, e);
	if (st == SP_OK)
		st = sp_place_reach(p, SP_REACH_WRITE, e);
	if (st == SP_OK)
		st = rekey_step(p, SP_REKEY_BEGIN, fresh, e);
	if (st == SP_OK)
		st = save_key(p, ref, fresh, e);
	if (st == SP_OK)
		st = rekey_step(p, SP_REKEY_END, fresh, e);
	if (st == SP_OK && a->fresh != NULL && strcmp(a->fresh, p->unlock) != 0)
		printf("write this into the configuration before the next start: unlock: %s\n", a->fresh);
	return st;
}

/* ---------------------------------------------------------------- all */

static const struct vault_command {
	const char *name;
	bool named;
	enum sp_status (*run)(struct sp_place_state *p, const struct vault_args *a, struct sp_err *e);
} commands[] = {
	{ "init", false, init }, { "set", true, set }, { "list", false, list }, { "rm", true, rm }, { "rekey", false, rekey },
};

static int
misused(const struct vault_command *c, size_t words)
{
	if (c->named && words > 2)
		fprintf(stderr, "sallyport vault: `%s` takes a name and nothing else. A value on the command line can be read by every "
		    "process and stays in the shell's history: it is asked for, or read from standard input\n", c->name);
	else
		fprintf(stderr, "sallyport vault: `%s` takes %s\n", c->name, c->named ? "the name of a record" : "no further word");
	return 2;
}

static const struct sp_opt opts[] = {
	SP_WHERE_OPTS(struct vault_args, where), SP_OPT_TEXT("new", 0, struct vault_args, fresh, "REF"),
};
static const char *const ops[] = { "init", "set", "list", "rm", "rekey" };

static int
run(int argc, char **argv)
{
	struct vault_args a = { 0 };
	const struct vault_command *c;
	struct sp_place_state p;
	struct sp_err e = { 0 };
	const char *words[SP_WORDS_MAX];
	enum sp_status st;
	size_t n, op;
	int status = sp_opts_read(&sp_cmd_vault, argc, argv, &a, words, &n);

	if (status != SP_OPTS_GO)
		return status;
	op = sp_operation(&sp_cmd_vault, words[0]);
	if (op == SP_COUNT(ops))
		return 2;
	c = &commands[op];
	if (n != (c->named ? 2u : 1u))
		return misused(c, n);
	a.name = words[1];
	if (sp_place_open(&p, "vault", &a.where, SP_REACH_NOTHING) != SP_OK)
		return 1;
	st = c->run(&p, &a, &e);
	if (st != SP_OK)
		(void)sp_say("vault", e.log);
	sp_place_close(&p);
	return st == SP_OK ? 0 : 1;
}

const struct sp_command sp_cmd_vault = { .name = "vault", .run = run, .text = "keep secrets: init, set, list, rm, rekey",
	.help = help, SP_OPTS(opts), SP_OPS(ops), .min = 1, .max = SP_WORDS_MAX, .word = "NAME" };

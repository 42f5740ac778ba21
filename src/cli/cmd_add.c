/* sallyport add: a server, and perhaps a rule, put into sallyport.yaml without touching the rest of it. */
#include "cli/checked.h"
#include "cli/cmd.h"
#include "cli/edit.h"
#include "cli/file.h"
#include "cli/jailed.h"

#include "base/fd.h"
#include "config/config.h"
#include "config/node.h"
#include "crypto/crypto.h"

#include <stdio.h>
#include <unistd.h>

static const char help[] =
    "usage: sallyport add NAME openapi PATH [--url URL] [--secret SCHEME=REF …] [--allow TOOLS]\n"
    "       sallyport add NAME mcp URL [--secret NAME=REF …] [--allow TOOLS]\n"
    "\n"
    "Puts a server into sallyport.yaml: lines are inserted, comments and order stay.  The result is checked as `check` does\n"
    "before it takes the place of the file, the old file is kept as sallyport.yaml.bak-N, and the lines and the command that\n"
    "undoes it are printed.  Where lines cannot be inserted safely, what to write by hand is printed instead.\n"
    "\n"
    "  -c, --config FILE        the configuration (sallyport.yaml)\n"
    "  --url URL                base of an API, where its document does not say\n"
    "  --secret NAME=REF        a secret: vault:NAME, env:NAME, file:PATH …, never the value.  NAME is the document's security\n"
    "                           scheme, for mcp it is free; 'key=vault:wiki as header X-API-Key' says where it goes\n"
    "  --allow read | all | NAME,…   also add a rule for its reading tools, for all of it, or for these tools\n"
    "  --require-scopes \"A B\"   what that rule demands\n"
    "  --dry-run                print the lines and change nothing\n"
    "\n"
    "examples:\n"
    "  sallyport add dns openapi pdns.json --url http://127.0.0.1:8081/api/v1 --secret APIKeyHeader=vault:pdns --allow read\n"
    "  sallyport add wiki mcp https://wiki.example.com/mcp --secret token=vault:wiki --allow search,read_page\n";

struct add_args { const char *config, *url, *allow, *scopes; struct sp_opt_list secrets; bool dry; };
static const struct sp_opt opts[] = {
	SP_OPT_TEXT("config", 'c', struct add_args, config, "FILE"), SP_OPT_TEXT("url", 0, struct add_args, url, "URL"),
	SP_OPT_LIST("secret", 0, struct add_args, secrets, "NAME=REF"), SP_OPT_TEXT("allow", 0, struct add_args, allow, "TOOLS"),
	SP_OPT_TEXT("require-scopes", 0, struct add_args, scopes, "SCOPES"), SP_OPT_FLAG("dry-run", 0, struct add_args, dry),
};

struct job {
	const char *path;		/* as it will be read, links followed */
	struct sp_edit what;
	char	 names[4096];		/* of the rule's tools */
};

/* ---------------------------------------------------------------- what is asked for */

static int
misused(const char *why)
{
	fprintf(stderr, "sallyport add: %s\n", why);
	return 2;
}

static bool
is_name(sp_slice s)
{
	if (s.n == 0 || s.n > 32 || s.p[0] < 'a' || s.p[0] > 'z')
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!sp_is_digit((unsigned char)s.p[i]) && s.p[i] != '-' && (s.p[i] < 'a' || s.p[i] > 'z'))
			return false;
	return !sp_eq(s, SP_LIT("all")) && !sp_eq(s, SP_LIT("anyone")) && !sp_eq(s, SP_LIT("anonymous"));
}

static bool
is_reference(sp_slice s)
{
	static const char *const kinds[] = { "vault:", "file:", "env:", "command:", "user:" };

	for (size_t i = 0; i < SP_COUNT(kinds); i++)
		if (sp_starts(s, sp_str(kinds[i])) && s.n > strlen(kinds[i]))
			return true;
	return false;
}

/* NAME=REF or "NAME=REF as PLACE".  The value is never repeated: it may be a secret by mistake. */
static bool
read_secret(const char *text, struct sp_edit *what)
{
	sp_slice ref = sp_str(text), name;
	size_t as;

	if (!sp_take_to(&ref, '=', &name) || name.n == 0)
		return false;
	as = sp_find(ref, SP_LIT(" as "));
	what->secrets[what->nsecrets].name = name;
	what->secrets[what->nsecrets].as = as == SIZE_MAX ? (sp_slice){ NULL, 0 } : sp_trim(sp_sub(ref, as + 4, ref.n));
	what->secrets[what->nsecrets].ref = as == SIZE_MAX ? ref : sp_trim(sp_sub(ref, 0, as));
	return is_reference(what->secrets[what->nsecrets++].ref);
}

static bool
add_tool(struct job *j, struct sp_out *o, sp_slice after)
{
	size_t from = o->n;

	if (j->what.ntools == SP_EDIT_TOOLS)
		return false;
	sp_out_slice(o, j->what.name);
	sp_out_slice(o, after);
	j->what.tools[j->what.ntools++] = sp_mem(o->p + from, o->n - from);
	return !o->full;
}

static bool
read_allow(struct job *j, sp_slice allow)
{
	struct sp_out o;
	char one[256];
	sp_slice part;

	sp_out_init(&o, j->names, sizeof j->names);
	if (sp_eq(allow, SP_LIT("all")))
		return add_tool(j, &o, SP_LIT(""));
	if (sp_eq(allow, SP_LIT("read")))
		return add_tool(j, &o, SP_LIT(".access:read"));
	while (sp_take_part(&allow, ',', &part)) {
		int n = snprintf(one, sizeof one, ".%.*s", SP_PRI(part));

		if (part.n == 0 || n < 0 || (size_t)n >= sizeof one || !add_tool(j, &o, sp_str(one)))
			return false;
	}
	return j->what.ntools != 0;
}

static int
read_job(const char *const *words, const struct add_args *a, struct job *j)
{
	struct sp_edit *w = &j->what;

	*w = (struct sp_edit){ .name = sp_str(words[0]), .kind = sp_str(words[1]), .source = sp_str(words[2]), .url = sp_str(a->url),
		.scopes = sp_str(a->scopes) };
	if (!is_name(w->name))
		return misused("a server's name has small letters, digits and '-', a letter first, at most 32; all, anyone and anonymous are taken");
	if (!sp_eq(w->kind, SP_LIT("openapi")) && !sp_eq(w->kind, SP_LIT("mcp")))
		return misused("the second word is `openapi` or `mcp`");
	if (sp_eq(w->kind, SP_LIT("openapi")) && (sp_starts(w->source, SP_LIT("http://")) || sp_starts(w->source, SP_LIT("https://"))))
		return misused("save the document beside the configuration first (curl -o NAME.json URL): no network is used to check it");
	if (sp_eq(w->kind, SP_LIT("mcp")) && w->url.n != 0)
		return misused("--url belongs to openapi: the URL of an mcp server is the third word");
	for (size_t i = 0; i < a->secrets.n; i++)
		if (!read_secret(a->secrets.v[i], w))
			return misused("--secret takes NAME=REF, and REF is vault:NAME, env:NAME, file:PATH, command:ARGV or user:NAME; store the "
			    "value with `sallyport vault set NAME`");
	if (a->allow != NULL && !read_allow(j, sp_str(a->allow)))
		return misused("--allow takes read, all, or names of tools with commas between");
	return a->scopes != NULL && a->allow == NULL ? misused("--require-scopes belongs to --allow") : SP_OPTS_GO;
}

/* ---------------------------------------------------------------- the file */

static void
by_hand(const struct sp_edit *w)
{
	struct sp_out o;

	sp_out_heap(&o, 65536);
	sp_out_str(&o, "write this by hand, below `servers:`\n");
	(void)!sp_edit_server(&o, w, 2, "\n");
	if (w->ntools != 0) {
		sp_out_str(&o, "and this below `rules:`\n");
		(void)!sp_edit_rule(&o, w, 2, "\n");
	}
	(void)!sp_checked_print(STDERR_FILENO, &o);
	sp_out_free(&o);
}

/* In the child: the new text, checked. */
static int
edit_and_check(void *ctx, struct sp_out *o)
{
	const struct job *j = ctx;
	struct sp_arena mem;
	struct sp_err e = { 0 };
	struct sp_out text;
	enum sp_status st;

	sp_out_heap(&text, SP_YAML_BYTES + 1);
	sp_arena_init(&mem, 256 << 20);
	if (sp_config_read_file(NULL, sp_str(j->path), SP_YAML_BYTES, &text, &e) != SP_OK) {
		fprintf(stderr, "sallyport add: %s cannot be read: %s\n", j->path, e.log);
		return 1;
	}
	st = sp_edit_add(&mem, sp_out_view(&text), &j->what, o, &e);
	if (st == SP_OK)
		return sp_checked_text(j->path, sp_out_view(o)) == SP_OK ? 0 : 1;
	fprintf(stderr, "sallyport add: %s: %s\n", j->path, e.log);
	if (st == SP_E_REFUSED)
		by_hand(&j->what);
	return 1;
}

static void
tell(const struct job *j, const char *bak, bool dry)
{
	sp_slice name = j->what.name;

	if (j->what.ntools == 0)
		printf("nobody may call it yet: add a rule, like\n  - {allow: %.*s%s}\n", SP_PRI(name),
		    sp_eq(j->what.kind, SP_LIT("openapi")) ? ".access:read" : "");
	if (dry)
		printf("nothing was changed\n");
	else
		printf("undo: mv '%s' '%s'\na running gateway takes it with SIGHUP (systemctl reload sallyport)\n", bak, j->path);
}

static int
apply(const struct job *j, const char *shown, sp_slice old, sp_slice fresh, bool dry)
{
	char bak[SP_PATH_MAX + 16] = "";
	struct sp_err e = { 0 };
	struct sp_out o;

	if (!dry && (sp_file_backup(j->path, bak, &e) != SP_OK || sp_file_replace(j->path, fresh, &e) != SP_OK)) {
		fprintf(stderr, "sallyport add: %s\n", e.log);
		return 1;
	}
	sp_out_heap(&o, 1 << 20);
	sp_file_added(&o, shown, old, fresh);
	(void)fwrite(o.p, 1, o.n, stdout);
	sp_out_free(&o);
	tell(j, bak, dry);
	return 0;
}

static int
work(struct job *j, const char *config, bool dry)
{
	struct sp_out old, fresh;
	struct sp_err e = { 0 };
	char real[SP_PATH_MAX];
	int status;

	if (sp_file_real(config, real, &e) != SP_OK || sp_crypto_init(&e) != SP_OK) {
		fprintf(stderr, "sallyport add: %s; `sallyport init` or `quickstart` makes a first one\n", e.log);
		return 1;
	}
	j->path = real;
	sp_out_heap(&old, SP_YAML_BYTES + 1);
	sp_out_heap(&fresh, SP_YAML_BYTES + 16384);
	status = sp_config_read_file(NULL, sp_str(real), SP_YAML_BYTES, &old, &e) == SP_OK ? 0 : 1;
	if (status == 0)
		status = sp_jailed(edit_and_check, j, SP_YAML_BYTES + 8192, &fresh);
	if (status == 0)
		status = apply(j, config, sp_out_view(&old), sp_out_view(&fresh), dry);
	else
		fprintf(stderr, "sallyport add: %s was not changed\n", config);
	sp_out_free(&old);
	sp_out_free(&fresh);
	return status == 0 ? 0 : 1;
}

static int
run(int argc, char **argv)
{
	struct add_args a = { .config = SP_CONFIG_DEFAULT };
	struct job j = { 0 };
	const char *words[3];
	size_t n;
	int status = sp_opts_read(&sp_cmd_add, argc, argv, &a, words, &n);

	if (status == SP_OPTS_GO)
		status = read_job(words, &a, &j);
	return status == SP_OPTS_GO ? work(&j, a.config, a.dry) : status;
}

const struct sp_command sp_cmd_add = { .name = "add", .run = run, .text = "put a server into the configuration", .help = help,
	SP_OPTS(opts), .min = 3, .max = 3, .word = "FILE" };

/*
 * sallyport init: a first sallyport.yaml from what the MCP clients of this user know.  The clients' files are read in a
 * jailed child; what comes back is the configuration, a report without any key, and, asked for apart and into locked
 * memory, the keys on their way into the vault.
 */
#include "cli/checked.h"
#include "cli/cmd.h"
#include "cli/file.h"
#include "cli/import_plan.h"
#include "cli/jailed.h"
#include "cli/place.h"

#include "base/rd.h"
#include "config/config.h"
#include "vault/secret.h"
#include "vault/statefile.h"
#include "vault/vault.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char help[] =
    "usage: sallyport init [--from FILE …] [--dry-run | --yes] [--rewrite]\n"
    "\n"
    "Writes sallyport.yaml in this folder from the MCP servers that clients name: Claude Code and Desktop, Cursor, VS Code,\n"
    "Windsurf, Gemini, in this folder and in the home folder.  Servers over HTTP become `mcp:` servers; keys that stand in\n"
    "the clients' files go into the vault and are never printed; servers that the client starts are left alone.  Shows what\n"
    "it found, asks, and prints the command that undoes it.\n"
    "\n"
    "  --from FILE          read this file instead of those that are found (may be repeated)\n"
    "  --dry-run            show what would happen and change nothing\n"
    "  --yes                do not ask\n"
    "  --rewrite            also point the clients' files to the gateway; each is kept as FILE.bak-N (0600)\n"
    "  --state FOLDER       the state folder, with the vault\n"
    "  --unlock REF         what opens the vault: file:PATH, env:NAME, credential:NAME, passphrase\n"
    "\n"
    "example:\n"
    "  sallyport init --dry-run\n";

struct init_args { struct sp_where where; struct sp_opt_list from; bool dry, yes, rewrite; };
static const struct sp_opt opts[] = {
	SP_OPT_LIST("from", 0, struct init_args, from, "FILE"), SP_OPT_FLAG("dry-run", 0, struct init_args, dry),
	SP_OPT_FLAG("yes", 'y', struct init_args, yes), SP_OPT_FLAG("rewrite", 0, struct init_args, rewrite),
	SP_OPT_TEXT("state", 0, struct init_args, where.state, "FOLDER"), SP_OPT_TEXT("unlock", 0, struct init_args, where.unlock, "REF"),
};

#define ENDPOINT "http://127.0.0.1:8420/mcp"
enum { FILES_MAX = 32, KEYS_BYTES = 131072, PIECES_BYTES = 96 << 20, TEXT_MAX = 20 << 20 };

struct source {
	char	 path[SP_PATH_MAX], shown[SP_PATH_MAX];
	const struct sp_import_client *client;
};

struct job {
	const struct init_args *args;
	char	 yaml[SP_PATH_MAX];		/* the file to be made */
	struct source files[FILES_MAX];
	unsigned n;
	struct sp_out taken;			/* names of the vault's records, a line each */
	sp_slice made;				/* the configuration, to be checked */
};

/* ---------------------------------------------------------------- in the child */

struct survey {
	struct sp_arena mem;
	struct sp_import found;
	struct sp_plan plan;
	sp_jval *root[FILES_MAX];
	bool	 commented[FILES_MAX];
	char	 trouble[FILES_MAX][160];
};

static void
read_one(const struct job *j, struct survey *s, unsigned i)
{
	struct sp_out text, plain;
	struct sp_err e = { 0 };
	enum sp_status st;

	sp_out_heap(&text, SP_IMPORT_FILE_MAX + 1);
	sp_out_heap(&plain, SP_IMPORT_FILE_MAX + 1);
	st = sp_config_read_file(NULL, sp_str(j->files[i].path), SP_IMPORT_FILE_MAX, &text, &e);
	if (st == SP_OK) {
		s->commented[i] = sp_import_plain(&plain, sp_out_view(&text));
		st = sp_import_read(&s->mem, sp_out_view(&plain), j->files[i].client, i, &s->found, &s->root[i], &e);
	}
	if (st != SP_OK)
		snprintf(s->trouble[i], sizeof s->trouble[i], "%.150s", e.log);
	sp_out_wipe(&text);
	sp_out_wipe(&plain);
	sp_out_free(&text);
	sp_out_free(&plain);
}

static struct survey *
survey(const struct job *j)
{
	struct survey *s = calloc(1, sizeof *s);

	if (s == NULL)
		return NULL;
	sp_arena_init(&s->mem, 512 << 20);
	for (unsigned i = 0; i < j->n; i++)
		read_one(j, s, i);
	sp_plan_make(&s->found, sp_out_view(&j->taken), &s->plan);
	return s;
}

static bool
is_moved_from(const struct survey *s, unsigned file)
{
	for (size_t i = 0; i < s->plan.n; i++)
		if (s->plan.list[i].s->file == file && s->plan.list[i].s->kind == SP_IMPORT_HTTP)
			return true;
	return false;
}

static void
report_file(struct sp_out *o, const struct job *j, const struct survey *s, unsigned i)
{
	sp_out_fmt(o, "%s\n", j->files[i].shown);
	if (s->trouble[i][0] != '\0')
		sp_out_fmt(o, "  is not understood: %s\n", s->trouble[i]);
	sp_plan_report(o, &s->plan, i);
	if (j->args->rewrite && s->commented[i] && is_moved_from(s, i))
		sp_out_fmt(o, "  has comments, so it is not rewritten: name " ENDPOINT " there by hand\n");
}

static void
report(struct sp_out *o, const struct job *j, const struct survey *s)
{
	for (unsigned i = 0; i < j->n; i++)
		report_file(o, j, s, i);
	if (s->found.dropped != 0)
		sp_out_fmt(o, "%zu more servers were not read: %d are taken at once\n", s->found.dropped, SP_IMPORT_SERVERS);
}

/* u32 length and text of: the report, the configuration (empty: nothing to import), each file anew (empty: it stays). */
static int
put_pieces(void *ctx, struct sp_out *o)
{
	const struct job *j = ctx;
	struct survey *s = survey(j);
	struct sp_out text;
	bool ok = true;

	if (s == NULL)
		return 1;
	sp_out_heap(&text, TEXT_MAX);
	report(&text, j, s);
	sp_out_lv(o, sp_out_view(&text), 4);
	sp_out_reset(&text);
	if (s->plan.servers != 0)
		ok = sp_plan_yaml(&text, &s->plan, sp_str(j->args->where.state), sp_str(j->args->where.unlock));
	sp_out_lv(o, sp_out_view(&text), 4);
	for (unsigned i = 0; i < j->n; i++) {
		sp_out_reset(&text);
		if (j->args->rewrite && !s->commented[i] && is_moved_from(s, i))
			sp_import_rewrite(&text, s->root[i], j->files[i].client, ENDPOINT, sp_plan_moved, &s->plan);
		sp_out_lv(o, sp_out_view(&text), 4);
	}
	return ok && !text.full ? 0 : 1;
}

static int
put_keys(void *ctx, struct sp_out *o)
{
	struct survey *s = survey(ctx);

	if (s == NULL)
		return 1;
	sp_plan_keys(o, &s->plan);
	return 0;
}

static int
check_made(void *ctx, struct sp_out *o)
{
	const struct job *j = ctx;

	return sp_checked_text(j->yaml, j->made) == SP_OK ? 0 : 1;
}

/* ---------------------------------------------------------------- where things are */

static int
failed(const char *what)
{
	fprintf(stderr, "sallyport init: %s\n", what);
	return 1;
}

static bool
add_source(struct job *j, const char *folder, const char *file, const char *shown, const struct sp_import_client *c)
{
	struct source *f = &j->files[j->n];
	int n = snprintf(f->path, sizeof f->path, "%s%s%s", folder, folder[0] == '\0' ? "" : "/", file);
	struct stat st;

	if (j->n == FILES_MAX || n < 0 || (size_t)n >= sizeof f->path || stat(f->path, &st) != 0 || !S_ISREG(st.st_mode))
		return false;
	/* The home folder may be this one. */
	for (unsigned i = 0; i < j->n; i++)
		if (strcmp(j->files[i].path, f->path) == 0)
			return true;
	snprintf(f->shown, sizeof f->shown, "%s", shown);
	f->client = c;
	j->n++;
	return true;
}

/* The form that a named file is in, by its name; else the first. */
static const struct sp_import_client *
client_of(const char *path)
{
	for (size_t i = 0; i < sp_import_clients_n; i++)
		if (sp_ends(sp_str(path), sp_str(sp_import_clients[i].file)))
			return &sp_import_clients[i];
	return &sp_import_clients[0];
}

static int
find_sources(struct job *j, const char *here)
{
	const char *home = getenv("HOME");

	for (size_t i = 0; i < j->args->from.n; i++) {
		const char *file = j->args->from.v[i];

		if (!add_source(j, file[0] == '/' ? "" : here, file, file, client_of(file))) {
			fprintf(stderr, "sallyport init: %s is not there, or is no file\n", file);
			return 1;
		}
	}
	for (size_t i = 0; i < sp_import_clients_n && j->args->from.n == 0; i++) {
		const struct sp_import_client *c = &sp_import_clients[i];
		char shown[128];

		snprintf(shown, sizeof shown, "%s%s", c->home ? "~/" : "", c->file);
		if (!c->home || (home != NULL && home[0] == '/'))
			(void)add_source(j, c->home ? home : here, c->file, shown, c);
	}
	return j->n != 0 ? 0 : failed("no configuration of an MCP client was found here or in the home folder; name one with --from, or "
	    "begin with `sallyport quickstart`");
}

/* ---------------------------------------------------------------- the vault */

/* The records' names, so that none is overwritten.  Where there is no vault there are none. */
static enum sp_status
read_taken(struct sp_place_state *p, struct sp_out *names, struct sp_err *e)
{
	SP_AUTO(sp_json_free) struct sp_json j = { 0 };
	struct sp_out answer;
	enum sp_status st;

	sp_out_heap(&answer, SP_ADMIN_ANSWER_MAX);
	st = sp_place_ask(p, SP_ADMIN_VAULT_LIST, SP_LIT("{}"), &answer, e);
	if (st == SP_OK)
		st = sp_json_read(sp_out_view(&answer), SP_JSON_DEFAULT, &j, e);
	for (struct sp_jiter it = sp_jeach(st == SP_OK ? SP_JGET(j.root, "records") : NULL); sp_jnext(&it);) {
		sp_out_slice(names, sp_jtext(SP_JGET(it.val, "name")));
		sp_out_byte(names, '\n');
	}
	sp_out_free(&answer);
	return st;
}

static enum sp_status
look_at_vault(struct job *j, struct sp_place_state *p, struct sp_err *e)
{
	char path[SP_PATH_MAX + 16];
	enum sp_status st;

	snprintf(path, sizeof path, "%s/" SP_VAULT_FILE, p->path);
	if (access(path, F_OK) != 0)
		return SP_OK;
	st = sp_place_reach(p, SP_REACH_WRITE, e);
	return st == SP_OK ? read_taken(p, &j->taken, e) : st;
}

static enum sp_status
store_keys(struct sp_place_state *p, sp_slice keys, struct sp_err *e)
{
	struct sp_rd r = { keys, false };
	enum sp_status st = SP_OK;

	while (st == SP_OK && r.in.n != 0 && !r.bad) {
		sp_slice name = sp_rd_lv(&r, 2, SP_VAULT_NAME_MAX), value = sp_rd_lv(&r, 2, SP_VAULT_VALUE_MAX);

		if (r.bad)
			return sp_fail(e, SP_E_BUG, NULL, "the keys were not read whole");
		if (p->dir < 0)
			st = sp_place_vault_make(p, e);
		if (st == SP_OK)
			st = sp_place_vault_set(p, name, value, e);
		if (st == SP_OK)
			printf("stored vault:%.*s\n  undo: sallyport vault rm %.*s\n", SP_PRI(name), SP_PRI(name));
	}
	return st;
}

static enum sp_status
move_keys(struct job *j, struct sp_place_state *p, struct sp_err *e)
{
	char *mem = sp_locked_new(KEYS_BYTES);
	struct sp_out keys;
	enum sp_status st;

	if (mem == NULL)
		return sp_fail(e, SP_E_FULL, NULL, "no locked memory for the keys");
	sp_out_init(&keys, mem, KEYS_BYTES);
	st = sp_jailed(put_keys, j, KEYS_BYTES - 8192, &keys) == 0 ? store_keys(p, sp_out_view(&keys), e) :
	    sp_fail(e, SP_E_SYSTEM, NULL, "the keys cannot be read, or there are too many");
	sp_locked_free(mem);
	return st;
}

/* ---------------------------------------------------------------- doing it */

static bool
confirmed(void)
{
	char line[16] = "";
	int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0) {
		fprintf(stderr, "sallyport init: nothing was changed: there is no terminal to ask; say --yes\n");
		return false;
	}
	dprintf(fd, "Do this? [y/N] ");
	n = read(fd, line, sizeof line - 1);
	close(fd);
	if (n > 0 && (line[0] == 'y' || line[0] == 'Y'))
		return true;
	fprintf(stderr, "sallyport init: nothing was changed\n");
	return false;
}

static enum sp_status
write_new(const char *path, sp_slice text, struct sp_err *e)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return sp_fail(e, SP_E_SYSTEM, NULL, "%s: %s", path, strerror(errno));
	close(fd);
	return sp_file_replace(path, text, e);
}

/* What undoes it goes to standard output as it happens, so that it is known also when a later step fails. */
static enum sp_status
rewrite(const struct source *f, sp_slice text, struct sp_err *e)
{
	char real[SP_PATH_MAX], bak[SP_PATH_MAX + 16];
	enum sp_status st = sp_file_real(f->path, real, e);

	if (text.n == 0)
		return SP_OK;
	if (st == SP_OK)
		st = sp_file_backup(real, bak, e);
	if (st == SP_OK)
		st = sp_file_replace(real, text, e);
	if (st == SP_OK)
		printf("rewrote %s\n  undo: mv '%s' '%s'\n  the old file still holds the keys; when all is well: rm '%s'\n", f->shown, bak, real, bak);
	return st;
}

static int
apply(struct job *j, struct sp_place_state *p, sp_slice yaml, const sp_slice *texts)
{
	struct sp_err e = { 0 };
	enum sp_status st = move_keys(j, p, &e);

	if (st == SP_OK)
		st = write_new(j->yaml, yaml, &e);
	if (st == SP_OK)
		printf("wrote %s\n  undo: rm '%s'\n", j->yaml, j->yaml);
	for (unsigned i = 0; i < j->n && st == SP_OK; i++)
		st = rewrite(&j->files[i], texts[i], &e);
	if (st != SP_OK)
		return failed(e.log);
	if (!j->args->rewrite)
		printf("the clients' files were not changed and still hold their keys; --rewrite points them to the gateway\n");
	printf("next: sallyport token new me   (and give it to the clients as SALLYPORT_TOKEN)\n      sallyport serve\n");
	return 0;
}

static int
carry_out(struct job *j, struct sp_place_state *p, const struct sp_out *pieces)
{
	struct sp_rd r = { sp_out_view(pieces), false };
	sp_slice report = sp_rd_lv(&r, 4, TEXT_MAX), yaml = sp_rd_lv(&r, 4, TEXT_MAX), texts[FILES_MAX];
	struct sp_out none;
	int status;

	for (unsigned i = 0; i < j->n; i++)
		texts[i] = sp_rd_lv(&r, 4, TEXT_MAX);
	if (!sp_rd_done(&r))
		return failed("the clients' files were not read whole");
	printf("%.*s", (int)report.n, report.p);
	if (yaml.n == 0)
		return failed("no server over HTTP was found: nothing to write; `sallyport add` takes one by hand");
	sp_out_heap(&none, 16384);
	j->made = yaml;
	status = sp_jailed(check_made, j, 4096, &none);
	sp_out_free(&none);
	if (status != 0)
		return failed("the configuration that would be written has errors, so nothing was changed");
	printf("\n%s:\n%.*s\n", SP_CONFIG_DEFAULT, (int)yaml.n, yaml.p);
	for (unsigned i = 0; i < j->n; i++)
		if (texts[i].n != 0)
			printf("%s: names the gateway (" ENDPOINT ") instead of these servers\n", j->files[i].shown);
	fflush(stdout);
	if (j->args->dry) {
		printf("nothing was changed\n");
		return 0;
	}
	return j->args->yes || confirmed() ? apply(j, p, yaml, texts) : 1;
}

static int
work(struct job *j, struct sp_place_state *p)
{
	struct sp_err e = { 0 };
	struct sp_out pieces;
	int status = 1;

	sp_out_heap(&j->taken, SP_ADMIN_ANSWER_MAX);
	sp_out_heap(&pieces, PIECES_BYTES);
	if (look_at_vault(j, p, &e) != SP_OK)
		status = failed(e.log);
	else if (sp_jailed(put_pieces, j, PIECES_BYTES - 8192, &pieces) != 0)
		status = failed("the clients' files cannot be read, or what they hold cannot be written as a configuration");
	else
		status = carry_out(j, p, &pieces);
	sp_out_free(&pieces);
	sp_out_free(&j->taken);
	return status;
}

static int
begin(struct job *j)
{
	struct sp_place_state p;
	char *here = getcwd(NULL, 0);
	int status = 1, n;

	if (here == NULL)
		return failed(strerror(errno));
	n = snprintf(j->yaml, sizeof j->yaml, "%s/" SP_CONFIG_DEFAULT, here);
	if (n < 0 || (size_t)n >= sizeof j->yaml)
		status = failed("the folder's name is too long");
	else if (access(j->yaml, F_OK) == 0)
		status = failed(SP_CONFIG_DEFAULT " is there already: `sallyport add` puts a server into it");
	else if (find_sources(j, here) == 0 && sp_place_open(&p, "init", &j->args->where, SP_REACH_NOTHING) == SP_OK) {
		status = work(j, &p);
		sp_place_close(&p);
	}
	free(here);
	return status;
}

static int
run(int argc, char **argv)
{
	struct init_args a = { 0 };
	struct job *j = calloc(1, sizeof *j);
	const char *word;
	size_t n;
	int status = sp_opts_read(&sp_cmd_init, argc, argv, &a, &word, &n);

	if (status == SP_OPTS_GO && j == NULL)
		status = failed("no memory");
	if (status == SP_OPTS_GO) {
		j->args = &a;
		status = begin(j);
	}
	free(j);
	return status;
}

const struct sp_command sp_cmd_init = { .name = "init", .run = run, .text = "a first configuration, from what MCP clients know",
	.help = help, SP_OPTS(opts) };

#include "cli/place.h"

#include "audit/log.h"
#include "base/rd.h"
#include "cli/checked.h"
#include "cli/jailed.h"
#include "cli/term.h"
#include "config/node.h"
#include "crypto/crypto.h"
#include "os/role.h"
#include "os/state.h"
#include "vault/statefile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int
sp_say(const char *command, const char *text)
{
	fprintf(stderr, "sallyport %s: %s\n", command, text);
	return 1;
}

/* ---------------------------------------------------------------- the configuration */

/* In the child: what the file says of `state` and `unlock`, also while the rest of it has errors (one of them may be the very
 * secret that is being put into the vault). */
static void
put_path(struct sp_out *o, const char *config, sp_slice text)
{
	const char *slash = strrchr(config, '/');

	if (text.n != 0 && text.p[0] != '/' && slash != NULL)
		sp_out_add(o, config, (size_t)(slash - config) + 1);
	sp_out_slice(o, text);
}

static void
put_place(struct sp_out *o, const char *config, const struct node *root)
{
	const struct node *state = sp_node_get(root, "state"), *unlock = sp_node_get(root, "unlock");
	sp_slice ref = unlock != NULL && unlock->kind == NODE_SCALAR ? unlock->text : SP_LIT("");

	if (state != NULL && state->kind == NODE_SCALAR)
		put_path(o, config, state->text);
	sp_out_byte(o, '\0');
	if (sp_take(&ref, SP_LIT("file:"))) {
		sp_out_str(o, "file:");
		put_path(o, config, ref);
	} else {
		sp_out_slice(o, ref);
	}
	sp_out_byte(o, '\0');
}

/* In the child. */
static int
read_config(void *ctx, struct sp_out *o)
{
	const char *config = *(const char *const *)ctx;
	const struct node *root = NULL;
	struct sp_findings found;
	struct sp_arena mem;
	struct sp_out text;

	sp_out_heap(&text, SP_YAML_BYTES + 1);
	sp_arena_init(&mem, 64 << 20);
	sp_findings_init(&found, sp_str(config));
	if (sp_config_read_file(NULL, sp_str(config), SP_YAML_BYTES, &text, NULL) == SP_OK)
		root = sp_yaml_read(&mem, sp_out_view(&text), &found);
	/* A guess at what broken YAML meant could name another folder. */
	if (root == NULL || root->kind != NODE_MAP || found.errors != 0)
		return 1;
	put_place(o, config, root);
	return 0;
}

static bool
from_config(struct sp_place_state *p, const char *config, char *state, size_t cap)
{
	char buf[13000];
	struct sp_out o;
	sp_slice in, a, b;
	int status;

	sp_out_init(&o, buf, sizeof buf);
	status = sp_jailed(read_config, &config, 8800, &o);
	in = sp_out_view(&o);
	return status == 0 && sp_take_to(&in, '\0', &a) && sp_take_to(&in, '\0', &b) && in.n == 0 && sp_cstr(a, state, cap) &&
	    sp_cstr(b, p->unlock, sizeof p->unlock);
}

/* The options beat the file, and a named file beats the one that happens to lie here. */
static enum sp_status
find_place(struct sp_place_state *p, const struct sp_where *w, struct sp_err *e)
{
	char configured[4096] = "";
	const char *config = w->config;
	bool must = config != NULL;

	if (config == NULL && w->state == NULL && access(SP_CONFIG_DEFAULT, R_OK) == 0)
		config = SP_CONFIG_DEFAULT;
	if (must && access(config, R_OK) != 0)
		return sp_fail(e, SP_E_CONFIG, NULL, "%s cannot be read: %s", config, strerror(errno));
	if (config != NULL && !from_config(p, config, configured, sizeof configured))
		return sp_fail(e, SP_E_CONFIG, NULL, "`state` and `unlock` of %s cannot be read; say --state FOLDER", config);
	if (w->unlock != NULL && !sp_cstr(sp_str(w->unlock), p->unlock, sizeof p->unlock))
		return sp_fail(e, SP_E_CONFIG, NULL, "--unlock is too long");
	return sp_state_path(sp_str(w->state != NULL ? w->state : configured), p->path, sizeof p->path, e);
}

/* ---------------------------------------------------------------- opening */

enum sp_status
sp_place_reach(struct sp_place_state *p, enum sp_reach how, struct sp_err *e)
{
	enum sp_status st = sp_state_open_folder(p->path, how == SP_REACH_WRITE, &p->dir, e);
	struct sp_err held;

	p->admin.state_dir = p->dir;
	if (st != SP_OK || how == SP_REACH_READ)
		return st;
	st = sp_state_lock(p->dir, &p->lock, NULL, e);
	if (st == SP_E_UNAVAILABLE) {
		held = *e;
		if (sp_place_connect(p))
			return SP_OK;
		*e = held;
		return sp_err_context(e, "it does not answer on control.sock (is it just starting?)");
	}
	if (st == SP_OK)
		st = sp_state_prepare(p->dir, e);
	/* Store and vault are opened by names relative to their folder. */
	if (st == SP_OK && fchdir(p->dir) != 0)
		st = sp_fail(e, SP_E_SYSTEM, NULL, "cannot enter %s: %s", p->path, strerror(errno));
	return st;
}

enum sp_status
sp_place_open(struct sp_place_state *p, const char *command, const struct sp_where *w, enum sp_reach how)
{
	struct sp_err e = { 0 };
	enum sp_status st;

	*p = (struct sp_place_state){ .command = command, .home = -1, .dir = -1, .lock = -1, .control = -1 };
	p->home = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	st = sp_crypto_init(&e);
	if (st == SP_OK)
		st = sp_secret_init(SP_SECRET_REGION, false, NULL, &e);
	if (st == SP_OK)
		st = find_place(p, w, &e);
	if (st == SP_OK && how != SP_REACH_NOTHING)
		st = sp_place_reach(p, how, &e);
	if (st != SP_OK) {
		(void)sp_say(command, e.log);
		sp_place_close(p);
	}
	return st;
}

void
sp_place_close(struct sp_place_state *p)
{
	sp_vault_free(&p->admin.vault);
	sp_secret_free(&p->admin.material);
	sp_store_free(&p->admin.store);
	if (p->control >= 0)
		close(p->control);
	if (p->lock >= 0)
		close(p->lock);
	if (p->dir >= 0)
		close(p->dir);
	if (p->home >= 0)
		close(p->home);
	sp_secret_end();
}

/* ---------------------------------------------------------------- what opens the vault */

enum sp_status
sp_place_folder(struct sp_place_state *p, const char *path, int *dir, const char **name, struct sp_err *e)
{
	const char *slash = strrchr(path, '/');
	char folder[4096];
	int fd;

	*name = slash == NULL ? path : slash + 1;
	if (!sp_cstr(slash == NULL ? SP_LIT(".") : sp_mem(path, slash == path ? 1 : (size_t)(slash - path)), folder,
	    sizeof folder) || (*name)[0] == '\0' || strlen(*name) > 64)
		return sp_fail(e, SP_E_CONFIG, NULL, "%s is not the path of a file", path);
	fd = openat(p->home, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return sp_fail(e, SP_E_SYSTEM, NULL, "%s: %s", folder, strerror(errno));
	*dir = fd;
	return SP_OK;
}

static enum sp_status
read_file(struct sp_place_state *p, const char *path, struct sp_secret *out, struct sp_err *e)
{
	const char *name;
	enum sp_status st;
	int dir;

	st = sp_place_folder(p, path, &dir, &name, e);
	if (st != SP_OK)
		return st;
	st = sp_state_read_secret(dir, name, out, e);
	close(dir);
	return st;
}

static enum sp_status
read_credential(struct sp_place_state *p, const char *name, struct sp_secret *out, struct sp_err *e)
{
	const char *folder = getenv("CREDENTIALS_DIRECTORY");
	char path[4096];
	int n;

	if (folder == NULL)
		return sp_fail(e, SP_E_CONFIG, NULL, "credential:%s is there only for the service: run this as part of it", name);
	n = snprintf(path, sizeof path, "%s/%s", folder, name);
	if (n < 0 || (size_t)n >= sizeof path || strchr(name, '/') != NULL)
		return sp_fail(e, SP_E_CONFIG, NULL, "credential:%s is no name of a credential", name);
	return read_file(p, path, out, e);
}

enum sp_status
sp_place_material(struct sp_place_state *p, const char *ref, bool twice, struct sp_secret *out, struct sp_err *e)
{
	sp_slice r = sp_str(ref);
	const char *value;
	enum sp_status st;

	if (r.n == 0) {
		st = sp_state_read_secret(p->dir, SP_VAULT_KEY_FILE, out, e);
		if (st == SP_E_NOT_FOUND)
			return sp_fail(e, st, NULL, "%s/" SP_VAULT_KEY_FILE " does not exist: `sallyport vault init` makes it, or say "
			    "--unlock if the vault has another key", p->path);
		return st;
	}
	if (sp_eq(r, SP_LIT("passphrase")))
		return sp_term_ask("passphrase of the vault", twice, out, e);
	if (sp_take(&r, SP_LIT("file:")))
		return read_file(p, r.p, out, e);
	if (sp_take(&r, SP_LIT("credential:")))
		return read_credential(p, r.p, out, e);
	if (!sp_take(&r, SP_LIT("env:")))
		return sp_fail(e, SP_E_CONFIG, NULL, "`unlock` is one of file:PATH, env:NAME, credential:NAME, passphrase");
	value = getenv(r.p);
	if (value == NULL || value[0] == '\0')
		return sp_fail(e, SP_E_CONFIG, NULL, "the environment variable %s is unset or empty", r.p);
	st = sp_secret_set(out, sp_str(value));
	return st == SP_OK ? st : sp_fail(e, st, NULL, "the environment variable %s is too long", r.p);
}

/* ---------------------------------------------------------------- here */

enum sp_status
sp_place_local(struct sp_place_state *p, bool vault, struct sp_err *e)
{
	SP_AUTO(sp_secret_free) struct sp_secret *material = NULL;
	bool older = false;
	enum sp_status st = SP_OK;

	if (p->admin.store == NULL)
		st = sp_store_open(p->dir, &p->admin.store, e);
	if (st != SP_OK || !vault || p->admin.vault != NULL)
		return st;
	if (faccessat(p->dir, SP_VAULT_FILE, F_OK, AT_SYMLINK_NOFOLLOW) != 0)
		return sp_fail(e, SP_E_NOT_FOUND, NULL, "there is no vault in %s: `sallyport vault init` makes one", p->path);
	material = sp_secret_new(SP_MATERIAL_MAX);
	if (material == NULL)
		return sp_fail(e, SP_E_FULL, NULL, "no memory");
	st = sp_place_material(p, p->unlock, false, material, e);
	if (st == SP_OK)
		st = sp_admin_unlock(&p->admin, &material, &older, e);
	if (st == SP_OK && older)
		fprintf(stderr, "sallyport %s: the vault is older than the one used last: was it restored?\n", p->command);
	return st;
}

void
sp_place_note(struct sp_place_state *p, const char *what)
{
	struct sp_audit_log *log = NULL;
	struct sp_err e = { 0 };
	enum sp_status st;
	char text[256];
	bool clean;
	int dir = openat(p->dir, SP_AUDIT_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (dir < 0)
		return;
	snprintf(text, sizeof text, "%s, by user id %u", what, (unsigned)getuid());
	st = sp_audit_log_open(dir, SP_AUDIT_ROTATE, NULL, sp_now_us(), &log, &clean, &e);
	if (st == SP_OK)
		st = sp_audit_log_note(log, sp_now_us(), "admin", sp_str(text), &e);
	if (st == SP_OK)
		st = sp_audit_log_sync(log, &e);
	if (st != SP_OK)
		fprintf(stderr, "sallyport %s: done, but not in the audit log: %s\n", p->command, e.log);
	sp_audit_log_free(&log);
	close(dir);
}

static bool
is_vault_op(uint32_t op)
{
	return op == SP_ADMIN_VAULT_LIST || op == SP_ADMIN_VAULT_SET || op == SP_ADMIN_VAULT_RM || op == SP_ADMIN_VAULT_REKEY;
}

enum sp_status
sp_place_here(struct sp_place_state *p, uint32_t op, sp_slice body, struct sp_out *answer, struct sp_err *e)
{
	struct sp_admin_effect *eff;
	enum sp_status st = sp_place_local(p, is_vault_op(op), e);

	if (st != SP_OK)
		return st;
	eff = calloc(1, sizeof *eff);
	if (eff == NULL)
		return sp_fail(e, SP_E_FULL, NULL, "no memory");
	st = sp_admin_run(&p->admin, op, body, sp_now_s(), answer, eff, e);
	if (st == SP_OK && eff->note[0] != '\0')
		sp_place_note(p, eff->note);
	free(eff);
	return st;
}

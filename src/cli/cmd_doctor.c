/* sallyport doctor: what the kernel, the state folder and the programs are like, each with its remedy. */
#include "cli/cmd.h"
#include "cli/checked.h"
#include "cli/jailed.h"
#include "cli/place.h"

#include "audit/files.h"
#include "config/config.h"
#include "os/state.h"
#include "vault/statefile.h"
#include "wire/uri.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

static const char help[] =
    "usage: sallyport doctor\n"
    "\n"
    "Checks what the gateway needs: the kernel's layers of isolation, locked memory, the role programs, the state folder,\n"
    "vault, tokens and audit log; of the configuration the commands it runs and the key sets it fetches.  Each finding has\n"
    "its remedy; exit status 1 when something is missing.  Changes nothing.\n"
    "\n"
    SP_WHERE_HELP
    "\n"
    "example:\n"
    "  sallyport doctor -c sallyport.yaml\n";

/* One line; `remedy` NULL: it is well. */
static unsigned
say(const char *what, const char *found, const char *remedy)
{
	printf("%-4s  %-16s %s\n", remedy == NULL ? "ok" : "FAIL", what, found);
	if (remedy != NULL)
		printf("      %-16s -> %s\n", "", remedy);
	return remedy != NULL;
}

static unsigned
note(const char *what, const char *found)
{
	printf("%-4s  %-16s %s\n", "-", what, found);
	return 0;
}

/* ---------------------------------------------------------------- the kernel */

static unsigned
kernel_landlock(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, 1);
	char text[64];

	if (abi < 1)
		return say("Landlock", strerror(errno), "Boot Linux 5.13 or later with lsm=landlock,… or write `isolation: available`");
	snprintf(text, sizeof text, "version %ld", abi);
	return say("Landlock", text, NULL);
}

static bool
in_child(bool (*works)(void))
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0)
		_exit(works() ? 0 : 1);
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool
namespaces_work(void)
{
	int flags = CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET;

	return unshare(geteuid() == 0 ? flags : flags | CLONE_NEWUSER) == 0;
}

static bool
seccomp_works(void)
{
	uint32_t action = SECCOMP_RET_KILL_PROCESS;

	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

static bool
memory_locks(void)
{
	enum { WANT = 524288 };
	void *p = mmap(NULL, WANT, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p != MAP_FAILED && mlock(p, WANT) == 0;
}

static unsigned
kernel(void)
{
	struct utsname u;
	unsigned bad = 0;

	if (uname(&u) == 0)
		bad += note("kernel", u.release);
	bad += kernel_landlock();
	bad += in_child(seccomp_works) ? say("seccomp", "filters", NULL) :
	    say("seccomp", "no filters", "Use a kernel with CONFIG_SECCOMP_FILTER, or write `isolation: available`");
	bad += in_child(namespaces_work) ? say("namespaces", "ipc, uts, net", NULL) :
	    say("namespaces", "refused", "Allow them (user.max_user_namespaces, AppArmor, the container's profile), or write "
	    "`isolation: landlock`");
	bad += in_child(memory_locks) ? say("locked memory", "512 kB", NULL) :
	    say("locked memory", "less than 512 kB", "Raise it (`ulimit -l`, LimitMEMLOCK=), or write `isolation: available`");
	return bad;
}

/* Where super looks: beside the program in a build tree, in the tree that was installed, where it was built to go. */
static bool
has_role(const char *folder, const char *role)
{
	char path[4200];
	int n = snprintf(path, sizeof path, "%s/sallyport-%s", folder, role);

	return n > 0 && (size_t)n < sizeof path && access(path, X_OK) == 0;
}

static unsigned
programs(void)
{
	static const char *const roles[] = { "loader", "front", "manage", "egress", "dialer", "keeper", "spawner", "checker" };
	char self[4096] = "", beside[4128], tree[4128], missing[128] = "", *slash;
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 16);
	size_t at = 0;

	self[n < 0 ? 0 : n] = '\0';
	slash = strrchr(self, '/');
	if (slash != NULL)
		*slash = '\0';
	snprintf(beside, sizeof beside, "%s/libexec", self);
	snprintf(tree, sizeof tree, "%s/../libexec/sallyport", self);
	for (size_t i = 0; i < SP_COUNT(roles); i++)
		if (!has_role(beside, roles[i]) && !has_role(tree, roles[i]) && !has_role(SP_LIBEXEC, roles[i]))
			at += (size_t)snprintf(missing + at, sizeof missing - at, " %s", roles[i]);
	if (at == 0)
		return say("role programs", "all there", NULL);
	return say("role programs", missing, "Install them in " SP_LIBEXEC);
}

/* ---------------------------------------------------------------- the configuration */

static void
put_command(struct sp_out *o, sp_slice ref)
{
	sp_slice program;

	if (!sp_take(&ref, SP_LIT("command:")))
		return;
	if (!sp_take_to(&ref, ' ', &program))
		program = ref;
	sp_out_fmt(o, "c%.*s\n", SP_PRI(program));
}

/* In the child: a line for each program that is run, and for each host that key sets come from. */
static int
look_at_config(void *ctx, struct sp_out *o)
{
	const char *path = *(const char *const *)ctx;
	const struct sp_config_opts options = { 0 };
	struct sp_findings found;
	struct sp_err e = { 0 };
	struct sp_image img;
	struct sp_imgb b;

	sp_findings_init(&found, sp_str(path));
	if (sp_config_load(sp_str(path), &options, &found, &b) != SP_OK || sp_image_check(b.o.p, b.o.n, &img, &e) != SP_OK) {
		sp_out_fmt(o, "e%u\n", found.errors);
		return 0;
	}
	for (uint32_t i = 0; i < img.head->sources.n; i++)
		put_command(o, sp_img_str(&img, SP_IMG_AT(&img, img.head->sources, source, i)->keys_ref));
	for (uint32_t i = 0; i < img.head->servers.n; i++) {
		const struct sp_img_server *s = SP_IMG_AT(&img, img.head->servers, server, i);

		for (uint32_t k = 0; k < s->grants.n; k++)
			put_command(o, sp_img_str(&img, SP_IMG_AT(&img, s->grants, grant, k)->ref));
	}
	for (uint32_t i = 0; i < img.head->authorities.n; i++) {
		const struct sp_img_authority *a = SP_IMG_AT(&img, img.head->authorities, authority, i);

		put_command(o, sp_img_str(&img, a->client_secret));
		if (!sp_host_is_loopback(sp_img_str(&img, a->host), (enum sp_host_kind)a->host_kind))
			sp_out_fmt(o, "h%.*s\n", SP_PRI(sp_img_str(&img, a->host)));
	}
	return 0;
}

/* Where spawner looks. */
static bool
has_program(const char *name)
{
	sp_slice folders = SP_LIT(SP_COMMAND_PATH), folder;
	char path[4200];
	int n;

	if (name[0] == '/')
		return access(name, X_OK) == 0;
	while (sp_take_part(&folders, ':', &folder)) {
		n = snprintf(path, sizeof path, "%.*s/%s", (int)folder.n, folder.p, name);
		if (n > 0 && (size_t)n < sizeof path && access(path, X_OK) == 0)
			return true;
	}
	return false;
}

/* An interface that is up and leads out of this machine. */
static bool
has_network(void)
{
	struct ifaddrs *all = NULL;
	bool found = false;

	if (getifaddrs(&all) != 0)
		return false;
	for (const struct ifaddrs *i = all; i != NULL; i = i->ifa_next)
		found |= (i->ifa_flags & IFF_UP) != 0 && (i->ifa_flags & IFF_LOOPBACK) == 0 && i->ifa_addr != NULL &&
		    (i->ifa_addr->sa_family == AF_INET || i->ifa_addr->sa_family == AF_INET6);
	freeifaddrs(all);
	return found;
}

static unsigned
config_line(sp_slice line)
{
	char text[512];

	if (line.n < 2 || !sp_cstr(sp_sub(line, 1, line.n), text, sizeof text))
		return 0;
	if (line.p[0] == 'e')
		return say("configuration", "has errors", "`sallyport check` says which");
	if (line.p[0] == 'c')
		return has_program(text) ? say("command", text, NULL) : say("command", text, "Install it, or write its whole path; it is looked "
		    "for in " SP_COMMAND_PATH);
	return has_network() ? say("key sets from", text, NULL) : say("key sets from", text, "No interface leads out of this machine: "
	    "tokens of this issuer cannot be verified until one does");
}

static unsigned
configuration(const char *given)
{
	const char *path = given != NULL ? given : SP_CONFIG_DEFAULT;
	struct sp_out o;
	sp_slice in, line;
	unsigned bad = 0;

	if (given == NULL && access(path, R_OK) != 0)
		return note("configuration", "no " SP_CONFIG_DEFAULT " here");
	sp_out_heap(&o, 1 << 20);
	if (sp_jailed(look_at_config, &path, 1 << 19, &o) != 0)
		bad = say("configuration", path, "It could not be read");
	in = sp_out_view(&o);
	while (sp_take_to(&in, '\n', &line))
		bad += config_line(line);
	if (bad == 0)
		bad = say("configuration", path, NULL);
	sp_out_free(&o);
	return bad;
}

/* ---------------------------------------------------------------- the state */

static enum sp_status
open_vault(struct sp_place_state *p, struct sp_err *e)
{
	SP_AUTO(sp_secret_free) struct sp_secret *material = sp_secret_new(SP_MATERIAL_MAX);
	enum sp_status st;

	if (material == NULL)
		return sp_fail(e, SP_E_FULL, NULL, "no memory");
	st = sp_place_material(p, p->unlock, false, material, e);
	return st == SP_OK ? sp_vault_open(p->dir, material, &p->admin.vault, e) : st;
}

static unsigned
vault_here(struct sp_place_state *p)
{
	struct sp_err e = { 0 };
	char text[64];

	if (faccessat(p->dir, SP_VAULT_FILE, F_OK, AT_SYMLINK_NOFOLLOW) != 0)
		return note("vault", "none; `sallyport vault init` makes one");
	if (sp_eq(sp_str(p->unlock), SP_LIT("passphrase")) && !isatty(STDIN_FILENO))
		return note("vault", "opens with a passphrase; not tried without a terminal");
	if (open_vault(p, &e) != SP_OK)
		return say("vault", "does not open", e.log);
	snprintf(text, sizeof text, "opens, %u records", sp_vault_count(p->admin.vault));
	if (sp_vault_half_rekeyed(p->admin.vault))
		return say("vault", "opens, but a change of its key was broken off", "Run `sallyport vault rekey` again: until then "
		    "the old key opens it too");
	return say("vault", text, NULL);
}

static unsigned
audit_here(struct sp_place_state *p)
{
	struct sp_audit_report r;
	struct sp_err e = { 0 };
	enum sp_status st;
	char text[96];
	int dir = openat(p->dir, SP_STATE_AUDIT, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (dir < 0)
		return note("audit log", "none yet");
	st = sp_audit_verify(dir, NULL, &r, &e);
	close(dir);
	if (st != SP_OK) {
		snprintf(text, sizeof text, "does not verify from file %u, line %llu on", r.bad_file,
		    (unsigned long long)r.bad_line);
		return say("audit log", text, e.log);
	}
	snprintf(text, sizeof text, "%llu lines verified", (unsigned long long)r.lines);
	return say("audit log", text, NULL);
}

static unsigned
state_here(struct sp_place_state *p)
{
	struct sp_err e = { 0 };
	enum sp_status st = sp_state_lock(p->dir, &p->lock, NULL, &e);

	if (st == SP_E_UNAVAILABLE)
		return sp_place_connect(p) ? say("gateway", "runs, and answers on control.sock", NULL) :
		    say("gateway", e.log, "It does not answer on control.sock: is it just starting?  Its log says more");
	if (st != SP_OK)
		return say("lock", e.log, "Make the state folder ours and writable");
	if (fchdir(p->dir) != 0)
		return say("state folder", strerror(errno), "Make it accessible");
	(void)note("gateway", "does not run");
	if (faccessat(p->dir, SP_STORE_FILE, F_OK, AT_SYMLINK_NOFOLLOW) != 0)
		return note("tokens", "none yet") + vault_here(p);
	if (sp_place_local(p, false, &e) != SP_OK)
		return say("tokens", "store.db does not open", e.log);
	return say("tokens", "store.db opens", NULL) + vault_here(p);
}

static unsigned
state(struct sp_place_state *p)
{
	struct sp_err e = { 0 };
	enum sp_status st = sp_place_reach(p, SP_REACH_READ, &e);
	unsigned bad;

	if (st == SP_E_NOT_FOUND) {
		(void)note("state folder", p->path);
		return note("state", "not there yet; the first command that needs it makes it");
	}
	if (st != SP_OK)
		return say("state folder", p->path, e.log);
	(void)say("state folder", p->path, NULL);
	bad = state_here(p);
	return bad + audit_here(p);
}

struct doctor_args { struct sp_where where; };
static const struct sp_opt opts[] = { SP_WHERE_OPTS(struct doctor_args, where) };

static int
run(int argc, char **argv)
{
	struct doctor_args a = { 0 };
	struct sp_place_state p;
	const char *word;
	unsigned bad;
	size_t n;
	int status = sp_opts_read(&sp_cmd_doctor, argc, argv, &a, &word, &n);

	if (status != SP_OPTS_GO)
		return status;
	setvbuf(stdout, NULL, _IOLBF, 0);
	bad = kernel() + programs();
	if (sp_place_open(&p, "doctor", &a.where, SP_REACH_NOTHING) != SP_OK)
		return 1;
	/* Before the state is entered: paths are relative to this folder. */
	bad += configuration(a.where.config);
	bad += state(&p);
	sp_place_close(&p);
	return bad == 0 ? 0 : 1;
}

const struct sp_command sp_cmd_doctor = { .name = "doctor", .run = run, .text = "say what this machine lacks", .help = help,
	SP_OPTS(opts) };

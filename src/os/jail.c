/*
 * Entering a jail, outermost layer first: namespaces, own uid, no capabilities, no new privileges, Landlock,
 * seccomp.  A layer that the kernel lacks ends us under isolation: full, with its name and a remedy.
 */
#include "os/jail_int.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

/* With `available` a missing layer is a warning at every start, otherwise the end. */
static enum sp_status
missing(const struct sp_jail *j, const char *layer, int why, const char *remedy, struct sp_err *e)
{
	struct utsname u = { 0 };
	char text[64];

	(void)uname(&u);
	(void)sp_fail(e, SP_E_SYSTEM, "cannot isolate", "%s: no %s on Linux %.32s (%s). %s",
	    sp_role_name(j->role), layer, u.release, strerror_r(why, text, sizeof text), remedy);
	if (j->isolation != SP_ISOLATION_AVAILABLE)
		return SP_E_SYSTEM;
	sp_log(SP_WARN, "jail.layer_missing", SP_C("layer", layer), SP_C("why", e != NULL ? e->log : remedy));
	return SP_OK;
}

static int
write_proc(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return errno;
	n = write(fd, text, strlen(text));
	close(fd);
	return n == (ssize_t)strlen(text) ? 0 : EIO;
}

/* We stay who we are inside the new user namespace, so that files keep their owners. */
static int
map_self(uid_t uid, gid_t gid)
{
	char text[48];
	int r = write_proc("/proc/self/setgroups", "deny");

	if (r != 0 && r != ENOENT)
		return r;
	(void)snprintf(text, sizeof text, "%u %u 1", uid, uid);
	r = write_proc("/proc/self/uid_map", text);
	if (r != 0)
		return r;
	(void)snprintf(text, sizeof text, "%u %u 1", gid, gid);
	return write_proc("/proc/self/gid_map", text);
}

static int
enter_namespaces(const struct sp_jail *j, bool root)
{
	int flags = CLONE_NEWIPC | CLONE_NEWUTS | (j->role == SP_DIALER ? 0 : CLONE_NEWNET);
	uid_t uid = geteuid();
	gid_t gid = getegid();
	int r;

	if (root)
		return unshare(flags) == 0 ? 0 : errno;
	/* Our own /proc files are ours to write only while we are dumpable. */
	(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	r = unshare(flags | CLONE_NEWUSER) == 0 ? map_self(uid, gid) : errno;
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	return r;
}

static int
own_uid(enum sp_role role)
{
	uid_t id = SP_UID_BASE + (uid_t)role;

	if (setgroups(0, NULL) != 0 || setresgid(id, id, id) != 0 || setresuid(id, id, id) != 0)
		return errno;
	/* Must be impossible now. */
	return setuid(0) == 0 || setgid(0) == 0 ? ENOTRECOVERABLE : 0;
}

/* The bounding set first: that takes a capability. */
static void
drop_bounding(void)
{
	for (unsigned long cap = 0; cap < 64; cap++)
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0)
			break;
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

static int
drop_capabilities(void)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct none[2] = { 0 }, now[2] = { 0 };

	if (syscall(SYS_capset, &head, none) != 0 || syscall(SYS_capget, &head, now) != 0)
		return errno;
	return (now[0].effective | now[0].permitted | now[1].effective | now[1].permitted) == 0 ? 0 : EPERM;
}

/* Namespaces and Landlock bind the calling thread alone. */
static bool
has_threads(void)
{
	return unshare(CLONE_VM | CLONE_SIGHAND | CLONE_THREAD) != 0 && errno == EINVAL;
}

static enum sp_status
shed_privileges(const struct sp_jail *j, bool root, struct sp_err *e)
{
	enum sp_status st = SP_OK;
	int r;

	drop_bounding();
	/* Loader reads what its caller may read; without capabilities and under Landlock. */
	if (root && j->role != SP_LOADER && (r = own_uid(j->role)) != 0)
		st = missing(j, "own user id", r,
		    "Give us CAP_SETUID and CAP_SETGID with the ids 64100-64110, or start us unprivileged.", e);
	if (st == SP_OK && (r = drop_capabilities()) != 0)
		return sp_fail(e, SP_E_SYSTEM, "cannot isolate", "capabilities cannot be dropped: error %d", r);
	/* Changing the uid has reset both. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return sp_fail(e, SP_E_SYSTEM, "cannot isolate", "prctl fails: error %d", errno);
	return st;
}

/* Whatever spawner may not do, no program that it starts may. */
static enum sp_status
enter_light(const struct sp_jail *j, struct sp_err *e)
{
	int r;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return sp_fail(e, SP_E_SYSTEM, "cannot isolate", "prctl fails: error %d", errno);
	if ((r = sp_seccomp_enter(j)) != 0)
		return missing(j, "seccomp", r, "Use a kernel with CONFIG_SECCOMP_FILTER, "
		    "or write isolation: available.", e);
	return SP_OK;
}

/* Constructors of foreign code run here.  Whatever they begin must end with us: no process, and no thread, which would
 * be outside of what is to come. */
static enum sp_status
load_foreign(const struct sp_jail *j, struct sp_err *e)
{
	const struct rlimit none = { 0, 0 };
	struct sp_jail strict = *j;
	enum sp_status st;
	int r;

	if (setrlimit(RLIMIT_NPROC, &none) != 0)
		return sp_fail(e, SP_E_SYSTEM, "cannot isolate", "setrlimit fails: error %d", errno);
	st = j->load(j->ctx, e);
	if (st != SP_OK)
		return st;
	if (has_threads())
		return sp_fail(e, SP_E_REFUSED, "cannot isolate", "the plug-in has started a thread");
	strict.load = NULL;
	if ((r = sp_landlock_enter(&strict)) != 0)
		return missing(j, "Landlock", r, "Write isolation: available.", e);
	return SP_OK;
}

enum sp_status
sp_jail_enter(const struct sp_jail *j, struct sp_err *e)
{
	bool root = geteuid() == 0;
	enum sp_status st = SP_OK;
	int r;

	if (j->role == SP_SPAWNER)
		return enter_light(j, e);
	if (has_threads())
		return sp_fail(e, SP_E_BUG, "cannot isolate", "a thread was started before the jail");
	if (j->isolation != SP_ISOLATION_LANDLOCK && (r = enter_namespaces(j, root)) != 0)
		st = missing(j, root ? "namespaces" : "user namespaces", r,
		    "Allow them (user.max_user_namespaces, AppArmor, the container's profile), "
		    "or write isolation: landlock.", e);
	if (st == SP_OK)
		st = shed_privileges(j, root, e);
	if (st == SP_OK && (r = sp_landlock_enter(j)) != 0)
		st = missing(j, "Landlock", r, "Boot with lsm=landlock,… on Linux 5.13 or later, "
		    "or write isolation: available.", e);
	if (st == SP_OK && j->load != NULL)
		st = load_foreign(j, e);
	if (st == SP_OK && (r = sp_seccomp_enter(j)) != 0)
		st = missing(j, "seccomp", r, "Use a kernel with CONFIG_SECCOMP_FILTER, "
		    "or write isolation: available.", e);
	return st;
}

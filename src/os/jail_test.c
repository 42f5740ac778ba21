/* Every role's jail is entered for real, in a child for each probe, as root (when the test is) and as nobody. */
#include "os/role.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOBODY = 65534 };

/* What a probe has at hand, all opened before the jail. */
static struct {
	int   state, listener, tcp;
	pid_t parent;
	char  folder[64];
	enum sp_isolation isolation;
} env;

static int
result(long r)
{
	return r >= 0 ? 0 : errno;
}

/* ---------------------------------------------------------------- probes: 0 or errno */

static int p_open(void) { return result(open("/etc/passwd", O_RDONLY)); }
static int p_openat2(void) { return result(syscall(437, AT_FDCWD, "/etc/passwd", NULL, 0)); }
static int p_stat(void) { struct stat st; return result(stat("/etc/passwd", &st)); }
static int p_resolv(void) { return result(open("/etc/hosts", O_RDONLY)); }
static int p_write_hosts(void) { return result(open("/etc/hosts", O_RDWR)); }
static int p_proc(void) { return result(open("/proc/self/environ", O_RDONLY)); }
static int p_state(void) { return result(openat(env.state, "probe", O_RDWR | O_CREAT, 0666)); }
static int p_escape(void) { return result(openat(env.state, "../../etc/passwd", O_RDONLY)); }
static int p_mkdir(void) { return result(mkdir("/tmp/sallyport-probe", 0700)); }
static int p_chmod(void) { return result(chmod("/tmp", 0777)); }
static int p_symlink(void) { return result(symlink("/etc/passwd", "link")); }
static int p_tcp4(void) { return result(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)); }
static int p_udp6(void) { return result(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0)); }
static int p_unix(void) { return result(socket(AF_UNIX, SOCK_STREAM, 0)); }
static int p_netlink(void) { return result(socket(AF_NETLINK, SOCK_RAW, 0)); }
static int p_packet(void) { return result(socket(AF_PACKET, SOCK_RAW, 0)); }
static int p_vsock(void) { return result(socket(AF_VSOCK, SOCK_STREAM, 0)); }
static int p_pair(void) { int v[2]; return result(socketpair(AF_UNIX, SOCK_STREAM, 0, v)); }
static int p_listen(void) { return result(listen(env.tcp, 1)); }

static int
p_connect(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(1),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int r = result(connect(env.tcp, (struct sockaddr *)&a, sizeof a));

	return r == ECONNREFUSED || r == ENETUNREACH ? 0 : r;
}

static int
p_bind(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	return result(bind(env.tcp, (struct sockaddr *)&a, sizeof a));
}

static int
p_accept(void)
{
	int r = result(accept4(env.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK));

	return r == EAGAIN ? 0 : r;
}

static int p_nodelay(void) { return result(setsockopt(env.tcp, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int))); }
static int p_device(void) { return result(setsockopt(env.tcp, SOL_SOCKET, SO_BINDTODEVICE, "lo", 2)); }

static int
p_filter(void)
{
	struct sock_filter f = { 6, 0, 0, 0 };
	struct sock_fprog prog = { 1, &f };

	return result(setsockopt(env.tcp, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof prog));
}

static int
p_resolve(void)
{
	struct addrinfo *ai = NULL;

	if (getaddrinfo("localhost", "80", NULL, &ai) != 0)
		return EIO;
	freeaddrinfo(ai);
	return 0;
}

static int
p_exec(void)
{
	static const char *const argv[] = { "/bin/true", NULL };

	return result(execve(argv[0], (char *const *)(uintptr_t)argv, NULL));
}

static int p_execveat(void) { return result(syscall(SYS_execveat, 0, "", NULL, NULL, AT_EMPTY_PATH)); }

static int
p_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return result(pid);
}

static int p_vfork(void) { return result(syscall(SYS_vfork)); }

static void *
idle(void *arg)
{
	return arg;
}

static int
p_thread(void)
{
	pthread_t t;
	int r = pthread_create(&t, NULL, idle, NULL);

	return r == 0 ? pthread_join(t, NULL) : r;
}

static int p_ptrace(void) { return result(ptrace(PTRACE_ATTACH, env.parent, NULL, NULL)); }

static int
p_peek(void)
{
	char c;
	struct iovec here = { &c, 1 }, there = { &env, 1 };

	return result(process_vm_readv(env.parent, &here, 1, &there, 1, 0));
}

static int p_kill(void) { return result(kill(env.parent, 0)); }
static int p_tgkill(void) { return result(syscall(SYS_tgkill, env.parent, env.parent, 0)); }
static int p_setown(void) { return result(fcntl(env.tcp, F_SETOWN, env.parent)); }
static int p_pidfd(void) { return result(syscall(434, env.parent, 0)); }
static int p_pidfd_getfd(void) { return result(syscall(438, 0, 0, 0)); }
static int p_uring(void) { return result(syscall(425, 1, NULL)); }
static int p_bpf(void) { return result(syscall(SYS_bpf, 0, NULL, 0)); }
static int p_perf(void) { return result(syscall(SYS_perf_event_open, NULL, 0, 0, 0, 0)); }
static int p_uffd(void) { return result(syscall(SYS_userfaultfd, 0)); }
static int p_keyctl(void) { return result(syscall(SYS_keyctl, 0, 0, 0, 0, 0)); }
static int p_unshare(void) { return result(unshare(CLONE_NEWUSER)); }
static int p_setns(void) { return result(setns(0, 0)); }
static int p_mount(void) { return result(syscall(SYS_mount, "none", "/", "tmpfs", 0, NULL)); }
static int p_chroot(void) { return result(chroot("/")); }
static int p_handle(void) { return result(syscall(SYS_open_by_handle_at, 0, NULL, 0)); }
static int p_module(void) { return result(syscall(SYS_finit_module, 0, "", 0)); }
static int p_tiocsti(void) { return result(syscall(SYS_ioctl, 0, (long)TIOCSTI, "x")); }
static int p_tiocsti_high(void) { return result(syscall(SYS_ioctl, 0, TIOCSTI | 1L << 32, "x")); }
static int p_fionbio_high(void) { return result(syscall(SYS_ioctl, env.tcp, FIONBIO | 1L << 32, "\0\0\0")); }
static int p_setuid(void) { return result(setresuid(0, 0, 0)); }
static int p_memfd(void) { return result(memfd_create("x", 0)); }

static int
p_mmap(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? errno : 0;
}

static int
p_mmap_exec(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? errno : 0;
}

static int
p_mprotect_exec(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? EIO : result(mprotect(p, 4096, PROT_READ | PROT_EXEC));
}

static int p_clock(void) { return sp_now_s() > 0 && sp_mono_us() > 0 ? 0 : EIO; }
static int p_random(void) { uint64_t v; sp_random(&v, sizeof v); return 0; }
static int p_abort(void) { abort(); }

#ifdef __x86_64__
/* The 32-bit gate and the x32 numbers reach the same kernel by other numbers. */
static int
p_int80(void)
{
	long r;

	__asm__ volatile("int $0x80" : "=a"(r) : "0"(20L) : "memory", "r8", "r9", "r10", "r11");
	return r > 0 ? 0 : EIO;
}

static int p_x32(void) { return result(syscall(0x40000000L + SYS_getpid)); }
#else
static int p_int80(void) { raise(SIGSYS); return 0; }
static int p_x32(void) { raise(SIGSYS); return 0; }
#endif

/* ---------------------------------------------------------------- the table */

enum { OK = 0, DIES = 1000, ANY = 1001, ABORTS = 1002, NO = EPERM, LL = EACCES };

static const struct {
	const char *name;
	int (*probe)(void);
	int front, egress, dialer, keeper, loader;
} probes[] = {
	{ "P07 open a file",		p_open,		NO, NO, LL, LL, OK },
	{ "open by openat2",		p_openat2,	ENOSYS, ENOSYS, ENOSYS, ENOSYS, ENOSYS },
	{ "stat",			p_stat,		NO, NO, OK, OK, OK },
	{ "read /etc/hosts",		p_resolv,	NO, NO, OK, LL, OK },
	{ "write /etc/hosts",		p_write_hosts,	NO, NO, LL, LL, LL },
	{ "P07 read our /proc",	p_proc,		NO, NO, LL, LL, ANY },
	{ "write beneath the state folder", p_state,	NO, NO, LL, OK, LL },
	{ "P08 leave the state folder by ..", p_escape,	NO, NO, LL, LL, ANY },
	{ "mkdir in /tmp",		p_mkdir,	NO, NO, NO, LL, NO },
	{ "chmod",			p_chmod,	NO, NO, NO, NO, NO },
	{ "symlink",			p_symlink,	NO, NO, NO, NO, NO },
	{ "P05 socket IPv4",		p_tcp4,		NO, NO, OK, NO, NO },
	{ "P05 socket IPv6 datagram",	p_udp6,		NO, NO, OK, NO, NO },
	{ "P05 socket unix",		p_unix,		NO, NO, NO, NO, NO },
	{ "P05 socket netlink",		p_netlink,	NO, NO, NO, NO, NO },
	{ "P05 socket packet",		p_packet,	NO, NO, NO, NO, NO },
	{ "P05 socket vsock",		p_vsock,	NO, NO, NO, NO, NO },
	{ "socketpair",			p_pair,		NO, NO, OK, OK, NO },
	{ "P05 connect",		p_connect,	NO, NO, OK, NO, NO },
	{ "bind",			p_bind,		NO, NO, NO, NO, NO },
	{ "listen",			p_listen,	NO, NO, NO, NO, NO },
	{ "accept",			p_accept,	OK, NO, NO, NO, NO },
	{ "TCP_NODELAY",		p_nodelay,	OK, OK, OK, OK, NO },
	{ "SO_BINDTODEVICE",		p_device,	NO, NO, NO, NO, NO },
	{ "SO_ATTACH_FILTER",		p_filter,	NO, NO, NO, NO, NO },
	{ "resolve a name",		p_resolve,	ANY, ANY, OK, ANY, ANY },
	{ "P10 execve",			p_exec,		DIES, DIES, DIES, DIES, DIES },
	{ "P10 execveat",		p_execveat,	DIES, DIES, DIES, DIES, DIES },
	{ "fork",			p_fork,		NO, NO, NO, NO, NO },
	{ "vfork",			p_vfork,	DIES, DIES, DIES, DIES, DIES },
	{ "start a thread",		p_thread,	NO, NO, OK, OK, NO },
	{ "P10 ptrace our parent",	p_ptrace,	DIES, DIES, DIES, DIES, DIES },
	{ "P10 process_vm_readv",	p_peek,		DIES, DIES, DIES, DIES, DIES },
	{ "kill our parent",		p_kill,		NO, NO, NO, NO, NO },
	{ "tgkill our parent",		p_tgkill,	NO, NO, NO, NO, NO },
	{ "F_SETOWN our parent",	p_setown,	NO, NO, NO, NO, NO },
	{ "pidfd_open",			p_pidfd,	NO, NO, NO, NO, NO },
	{ "pidfd_getfd",		p_pidfd_getfd,	DIES, DIES, DIES, DIES, DIES },
	{ "P10 io_uring",		p_uring,	DIES, DIES, DIES, DIES, DIES },
	{ "P10 bpf",			p_bpf,		DIES, DIES, DIES, DIES, DIES },
	{ "P10 perf_event_open",	p_perf,		DIES, DIES, DIES, DIES, DIES },
	{ "P10 userfaultfd",		p_uffd,		DIES, DIES, DIES, DIES, DIES },
	{ "P10 keyctl",			p_keyctl,	DIES, DIES, DIES, DIES, DIES },
	{ "P09 unshare",		p_unshare,	DIES, DIES, DIES, DIES, DIES },
	{ "P09 setns",			p_setns,	DIES, DIES, DIES, DIES, DIES },
	{ "P09 mount",			p_mount,	DIES, DIES, DIES, DIES, DIES },
	{ "chroot",			p_chroot,	DIES, DIES, DIES, DIES, DIES },
	{ "P10 open_by_handle_at",	p_handle,	DIES, DIES, DIES, DIES, DIES },
	{ "P11 TIOCSTI",		p_tiocsti,	NO, NO, NO, NO, NO },
	{ "P11 TIOCSTI, high bits set",	p_tiocsti_high, NO, NO, NO, NO, NO },
	{ "P11 FIONBIO, high bits set",	p_fionbio_high, NO, NO, NO, NO, NO },
	{ "P10 finit_module",		p_module,	DIES, DIES, DIES, DIES, DIES },
	{ "back to root",		p_setuid,	NO, NO, NO, NO, NO },
	{ "memfd_create",		p_memfd,	NO, NO, NO, NO, NO },
	{ "memory",			p_mmap,		OK, OK, OK, OK, OK },
	{ "executable memory",		p_mmap_exec,	NO, NO, NO, NO, NO },
	{ "memory made executable",	p_mprotect_exec, NO, NO, NO, NO, NO },
	{ "clocks",			p_clock,	OK, OK, OK, OK, OK },
	{ "random",			p_random,	OK, OK, OK, OK, OK },
	{ "abort",			p_abort,	ABORTS, ABORTS, ABORTS, ABORTS, ABORTS },
	{ "P10 int 0x80",		p_int80,	DIES, DIES, DIES, DIES, DIES },
	{ "P10 x32",			p_x32,		DIES, DIES, DIES, DIES, DIES },
};

static const enum sp_role roles[] = { SP_FRONT, SP_MANAGE, SP_EGRESS, SP_DIALER, SP_KEEPER, SP_LOADER, SP_CHECKER };

static int
expected(size_t i, enum sp_role role)
{
	switch (role) {
	case SP_DIALER:
		return probes[i].dialer;
	case SP_KEEPER:
		return probes[i].keeper;
	case SP_LOADER:
		return probes[i].loader;
	case SP_EGRESS:
	case SP_CHECKER:	/* P05, P07, P10: what a plug-in can try */
		return probes[i].egress;
	default:
		return probes[i].front;
	}
}

static struct sp_jail
jail_of(enum sp_role role)
{
	return (struct sp_jail){ .role = role, .isolation = env.isolation,
	    .state_dir = role == SP_KEEPER ? env.state : -1, .read_paths = role == SP_LOADER };
}

static void
be_nobody(void)
{
	if (geteuid() == 0 && (setgroups(0, NULL) != 0 || setresgid(NOBODY, NOBODY, NOBODY) != 0 ||
	    setresuid(NOBODY, NOBODY, NOBODY) != 0))
		_exit(201);
}

/* Runs `probe` in the jail of a role: 0, an errno, DIES or ABORTS; 200 and above: the jail was not entered. */
static int
run(enum sp_role role, bool nobody, int (*probe)(void))
{
	pid_t pid = fork();
	int st = 0;

	if (pid == 0) {
		struct sp_jail j = jail_of(role);
		struct sp_err e = { 0 };

		if (nobody)
			be_nobody();
		if (sp_jail_enter(&j, &e) != SP_OK) {
			fprintf(stderr, "%s\n", e.log);
			_exit(200);
		}
		_exit(probe());
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &st, 0), pid);
	if (WIFSIGNALED(st) && WTERMSIG(st) == SIGSYS)
		return DIES;
	if (WIFSIGNALED(st) && WTERMSIG(st) == SIGABRT)
		return ABORTS;
	return WIFEXITED(st) ? WEXITSTATUS(st) : 255;
}

static void
probe_all(bool nobody)
{
	int bad = 0;

	for (size_t r = 0; r < SP_COUNT(roles); r++)
		for (size_t i = 0; i < SP_COUNT(probes); i++) {
			int want = expected(i, roles[r]), got = run(roles[r], nobody, probes[i].probe);

			if (got == want || (want == ANY && got < 200))
				continue;
			fprintf(stderr, "%s as %s: %s: %d, not %d\n", sp_role_name(roles[r]),
			    nobody ? "nobody" : "root", probes[i].name, got, want);
			bad++;
		}
	assert_int_equal(bad, 0);
}

static void
test_probes_as_root(void **state)
{
	if (geteuid() != 0) {
		print_message("skipped: not root\n");
		skip();
	}
	probe_all(false);
}

static void
test_probes_unprivileged(void **state)
{
	probe_all(true);
}

/* ---------------------------------------------------------------- seen from outside */

static void
read_text(pid_t pid, const char *name, char *buf, size_t cap)
{
	char path[64];
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	n = read(fd, buf, cap - 1);
	close(fd);
	buf[n > 0 ? n : 0] = 0;
}

static bool
same_namespace(pid_t pid, const char *name)
{
	char path[64], a[64] = "", b[64] = "";

	(void)snprintf(path, sizeof path, "/proc/%d/ns/%s", (int)pid, name);
	assert_true(readlink(path, a, sizeof a - 1) > 0);
	(void)snprintf(path, sizeof path, "/proc/self/ns/%s", name);
	assert_true(readlink(path, b, sizeof b - 1) > 0);
	return strcmp(a, b) == 0;
}

static pid_t
park(enum sp_role role, bool nobody, int *release)
{
	int ready[2], go[2];
	char c = 0;
	pid_t pid;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	assert_int_equal(pipe2(go, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		struct sp_jail j = jail_of(role);
		struct sp_err e = { 0 };

		close(go[1]);
		if (nobody)
			be_nobody();
		if (sp_jail_enter(&j, &e) != SP_OK || write(ready[1], "r", 1) != 1)
			_exit(1);
		_exit(read(go[0], &c, 1) == 0 ? 0 : 1);
	}
	close(ready[1]);
	close(go[0]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	*release = go[1];
	return pid;
}

static void
assert_line(const char *role, const char *status, const char *line)
{
	if (strstr(status, line) == NULL)
		fail_msg("%s: no \"%s\" in\n%s", role, line, status);
}

static void
look_at(enum sp_role role, bool nobody)
{
	const char *name = sp_role_name(role);
	char status[4096], want[96];
	int release, st;
	pid_t pid = park(role, nobody, &release);
	unsigned id = nobody ? NOBODY : role == SP_LOADER ? 0 : SP_UID_BASE + (unsigned)role;

	read_text(pid, "status", status, sizeof status);
	(void)snprintf(want, sizeof want, "\nUid:\t%u\t%u\t%u\t%u\n", id, id, id, id);
	if (geteuid() == 0)
		assert_line(name, status, want);
	assert_line(name, status, "\nCapEff:\t0000000000000000\n");
	assert_line(name, status, "\nCapPrm:\t0000000000000000\n");
	assert_line(name, status, "\nCapBnd:\t0000000000000000\n");
	assert_line(name, status, "\nCapAmb:\t0000000000000000\n");
	assert_line(name, status, "\nNoNewPrivs:\t1\n");
	assert_line(name, status, "\nSeccomp:\t2\n");
	if (env.isolation == SP_ISOLATION_FULL && geteuid() == 0) {
		assert_int_equal(same_namespace(pid, "net"), role == SP_DIALER);
		assert_false(same_namespace(pid, "ipc"));
		assert_false(same_namespace(pid, "uts"));
		assert_int_equal(same_namespace(pid, "user"), !nobody);
	}
	close(release);
	assert_int_equal(waitpid(pid, &st, 0), pid);
	assert_int_equal(st, 0);
}

static void
test_seen_from_outside(void **state)
{
	for (size_t r = 0; r < SP_COUNT(roles); r++) {
		if (geteuid() == 0)
			look_at(roles[r], false);
		look_at(roles[r], true);
	}
}

/* ---------------------------------------------------------------- what a kernel may lack */

/* Makes one system call fail, as a kernel or a container does that lacks it. */
static void
lack(int nr, unsigned err, bool only_filters)
{
	struct sock_filter f[] = {
		{ 0x20, 0, 0, 0 },				/* the number */
		{ 0x15, 0, 3, (uint32_t)nr },
		{ 0x20, 0, 0, 16 },				/* first argument */
		{ 0x15, only_filters ? 0 : 1, only_filters ? 1 : 0, only_filters ? 1 : UINT32_MAX },
		{ 0x06, 0, 0, SECCOMP_RET_ERRNO | err },
		{ 0x06, 0, 0, SECCOMP_RET_ALLOW },
	};
	struct sock_fprog prog = { SP_COUNT(f), f };

	if (!only_filters)
		f[3] = (struct sock_filter){ 0x15, 0, 0, 0 };
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, 2, &prog) != 0)
		_exit(202);
}

static void
test_missing_layers(void **state)
{
	static const struct {
		const char *name; int nr; unsigned err; bool only_filters; enum sp_isolation isolation;
		const char *says;	/* NULL: starts */
	} rows[] = {
		{ "P16 no Landlock", 444, ENOSYS, false, SP_ISOLATION_FULL, "Landlock" },
		{ "P16 no Landlock, namespaces not wanted", 444, EOPNOTSUPP, false, SP_ISOLATION_LANDLOCK,
		    "Landlock" },
		{ "P16 no Landlock, take what there is", 444, ENOSYS, false, SP_ISOLATION_AVAILABLE, NULL },
		{ "P16 no namespaces", SYS_unshare, EPERM, false, SP_ISOLATION_FULL, "namespaces" },
		{ "P16 no namespaces, not wanted", SYS_unshare, EPERM, false, SP_ISOLATION_LANDLOCK, NULL },
		{ "P16 no namespaces, take what there is", SYS_unshare, ENOSYS, false, SP_ISOLATION_AVAILABLE,
		    NULL },
		{ "P16 no seccomp", SYS_seccomp, EINVAL, true, SP_ISOLATION_FULL, "seccomp" },
		{ "P16 no seccomp, take what there is", SYS_seccomp, EINVAL, true, SP_ISOLATION_AVAILABLE, NULL },
	};

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		pid_t pid = fork();
		int st = 0;

		if (pid == 0) {
			struct sp_jail j = { SP_FRONT, rows[i].isolation, -1, false };
			struct sp_err e = { 0 };

			if (rows[i].isolation == SP_ISOLATION_FULL && env.isolation != SP_ISOLATION_FULL)
				j.isolation = SP_ISOLATION_LANDLOCK;
			(void)freopen("/dev/null", "w", stderr);
			lack(rows[i].nr, rows[i].err, rows[i].only_filters);
			if (rows[i].says == NULL)
				_exit(sp_jail_enter(&j, &e) == SP_OK ? 0 : 1);
			if (sp_jail_enter(&j, &e) == SP_OK)
				_exit(2);
			_exit(strstr(e.log, rows[i].says) != NULL && strstr(e.log, " on Linux ") != NULL &&
			    strstr(e.log, "isolation:") != NULL ? 0 : 3);
		}
		assert_int_equal(waitpid(pid, &st, 0), pid);
		if (st != 0)
			fail_msg("%s: status %#x", rows[i].name, (unsigned)st);
	}
}

static void *
sleeper(void *arg)
{
	pause();
	return arg;
}

static void
test_no_thread_before(void **state)
{
	pid_t pid = fork();
	int st = 0;

	if (pid == 0) {
		struct sp_jail j = jail_of(SP_DIALER);
		struct sp_err e = { 0 };
		pthread_t t;

		if (pthread_create(&t, NULL, sleeper, NULL) != 0)
			_exit(4);
		_exit(sp_jail_enter(&j, &e) == SP_E_BUG ? 0 : 5);
	}
	assert_int_equal(waitpid(pid, &st, 0), pid);
	assert_int_equal(st, 0);
}

/* ---------------------------------------------------------------- */

static int
p_nothing(void)
{
	return 0;
}

static int
set_up(void **state)
{
	(void)snprintf(env.folder, sizeof env.folder, "/tmp/sp-jail-XXXXXX");
	if (mkdtemp(env.folder) == NULL || chmod(env.folder, 0777) != 0)
		return -1;
	env.state = open(env.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	env.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	env.tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	env.parent = getpid();
	if (env.state < 0 || env.tcp < 0 || listen(env.listener, 1) != 0)
		return -1;
	umask(0);		/* root's keeper and nobody's write the same file */
	env.isolation = SP_ISOLATION_FULL;
	if (run(SP_FRONT, true, p_nothing) != 0) {
		print_message("skipped: namespaces (not allowed here)\n");
		env.isolation = SP_ISOLATION_LANDLOCK;
	}
	return 0;
}

static int
tear_down(void **state)
{
	char path[96];

	(void)snprintf(path, sizeof path, "%s/probe", env.folder);
	(void)unlink(path);
	return rmdir(env.folder);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_probes_as_root),
		cmocka_unit_test(test_probes_unprivileged),
		cmocka_unit_test(test_seen_from_outside),
		cmocka_unit_test(test_missing_layers),
		cmocka_unit_test(test_no_thread_before),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

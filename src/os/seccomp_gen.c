/*
 * Run while building: turns syscalls.def into one filter program per role, as C arrays on standard output.  Making them
 * at every start of a role would take longer than the rest of its jail.  Foreign architectures (and x32) end the process.
 */
#include "ipc/codec.h"
#include "os/seccomp_pid.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#define SET_VMA 0x53564d41

enum verdict { V_ALLOW, V_GONE, V_DEADLY, V_BARRED };
enum condition {
	C_NONE, C_FCNTL, C_IOCTL, C_SOCKOPT, C_INET, C_UNIX, C_PROT, C_THREAD, C_GETLIMIT, C_NAME, C_SELF
};

struct row {
	const char    *call;
	enum verdict   verdict;
	uint32_t       roles;
	enum condition cond;
};

static const struct row rows[] = {
#define ALLOW(call, roles, cond, why) { #call, V_ALLOW, roles, C_##cond },
#define GONE(call, why) { #call, V_GONE, ~(uint32_t)R_SPAWNER, C_NONE },
#define DEADLY(call, why) { #call, V_DEADLY, ~(uint32_t)R_SPAWNER, C_NONE },
#define BARRED(call, why) { #call, V_BARRED, UINT32_MAX, C_NONE },
#include "os/syscalls.def"
#undef ALLOW
#undef GONE
#undef DEADLY
#undef BARRED
};

/* A value that one argument, or two of them, may have. */
struct pair { unsigned arg; uint64_t a; unsigned arg2; uint64_t b; };
enum { ONE = 99 };

static const struct pair fcntls[] = {
	{ 1, F_GETFD, ONE, 0 }, { 1, F_SETFD, ONE, 0 }, { 1, F_GETFL, ONE, 0 }, { 1, F_SETFL, ONE, 0 },
	{ 1, F_DUPFD, ONE, 0 }, { 1, F_DUPFD_CLOEXEC, ONE, 0 }, { 1, F_GETLK, ONE, 0 }, { 1, F_SETLK, ONE, 0 },
	{ 1, F_SETLKW, ONE, 0 }, { 1, F_OFD_GETLK, ONE, 0 }, { 1, F_OFD_SETLK, ONE, 0 },
	{ 1, F_GET_SEALS, ONE, 0 }, { 1, F_ADD_SEALS, ONE, 0 },
};
static const struct pair ioctls[] = {
	{ 1, FIONBIO, ONE, 0 }, { 1, FIONREAD, ONE, 0 }, { 1, FIOCLEX, ONE, 0 }, { 1, TCGETS, ONE, 0 },
};
static const struct pair sockopts[] = {
	{ 1, IPPROTO_TCP, 2, TCP_NODELAY }, { 1, IPPROTO_TCP, 2, TCP_CORK }, { 1, IPPROTO_TCP, 2, TCP_QUICKACK },
	{ 1, IPPROTO_TCP, 2, TCP_KEEPIDLE }, { 1, IPPROTO_TCP, 2, TCP_KEEPINTVL },
	{ 1, IPPROTO_TCP, 2, TCP_KEEPCNT }, { 1, IPPROTO_TCP, 2, TCP_USER_TIMEOUT },
	{ 1, SOL_SOCKET, 2, SO_KEEPALIVE }, { 1, SOL_SOCKET, 2, SO_LINGER },
	{ 1, SOL_SOCKET, 2, SO_SNDBUF }, { 1, SOL_SOCKET, 2, SO_RCVBUF }, { 1, SOL_SOCKET, 2, SO_REUSEADDR },
	{ 1, IPPROTO_IP, 2, IP_RECVERR }, { 1, IPPROTO_IPV6, 2, IPV6_RECVERR },
	{ 1, IPPROTO_IPV6, 2, IPV6_V6ONLY },
};
static const struct pair inets[] = { { 0, AF_INET, ONE, 0 }, { 0, AF_INET6, ONE, 0 } };
static const struct pair unixes[] = { { 0, AF_UNIX, ONE, 0 } };
static const struct pair limits[] = { { 0, 0, 2, 0 } };
static const struct pair names[] = { { 0, PR_SET_NAME, ONE, 0 }, { 0, SET_VMA, ONE, 0 } };

static int
add_pairs(scmp_filter_ctx f, int nr, const struct pair *p, size_t n)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		struct scmp_arg_cmp cmp[2] = {
			SCMP_CMP(p[i].arg, SCMP_CMP_EQ, p[i].a, 0),
			SCMP_CMP(p[i].arg2 == ONE ? 0 : p[i].arg2, SCMP_CMP_EQ, p[i].b, 0),
		};

		r = seccomp_rule_add_array(f, SCMP_ACT_ALLOW, nr, p[i].arg2 == ONE ? 1 : 2, cmp);
	}
	return r;
}

static int
add_masked(scmp_filter_ctx f, int nr, unsigned arg, uint64_t mask, uint64_t value)
{
	struct scmp_arg_cmp cmp = SCMP_CMP(arg, SCMP_CMP_MASKED_EQ, mask, value);

	return seccomp_rule_add_array(f, SCMP_ACT_ALLOW, nr, 1, &cmp);
}

static int
allow(scmp_filter_ctx f, int nr, enum condition cond)
{
	const uint64_t worlds = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
	    CLONE_NEWPID | CLONE_NEWNET;
	const struct pair self = { 0, SP_SECCOMP_PID, ONE, 0 };

	switch (cond) {
	case C_NONE:
		return seccomp_rule_add(f, SCMP_ACT_ALLOW, nr, 0);
	case C_FCNTL:
		return add_pairs(f, nr, fcntls, SP_COUNT(fcntls));
	case C_IOCTL:
		return add_pairs(f, nr, ioctls, SP_COUNT(ioctls));
	case C_SOCKOPT:
		return add_pairs(f, nr, sockopts, SP_COUNT(sockopts));
	case C_INET:
		return add_pairs(f, nr, inets, SP_COUNT(inets));
	case C_UNIX:
		return add_pairs(f, nr, unixes, SP_COUNT(unixes));
	case C_GETLIMIT:
		return add_pairs(f, nr, limits, SP_COUNT(limits));
	case C_NAME:
		return add_pairs(f, nr, names, SP_COUNT(names));
	case C_SELF:
		return add_pairs(f, nr, &self, 1);
	case C_PROT:
		return add_masked(f, nr, 2, PROT_EXEC, 0);
	case C_THREAD:
		return add_masked(f, nr, 0, worlds | CLONE_THREAD | CLONE_VM, CLONE_THREAD | CLONE_VM);
	}
	return -EINVAL;
}

static int
add_row(scmp_filter_ctx f, const struct row *row, enum sp_role role)
{
	int nr = seccomp_syscall_resolve_name(row->call);

	/* A call that this architecture, or this version of the tables, does not have: the default refuses it. */
	if (nr == __NR_SCMP_ERROR || nr < 0 || (row->roles & 1u << role) == 0)
		return 0;
	if (row->verdict == V_GONE)
		return seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), nr, 0);
	if (row->verdict == V_BARRED && role == SP_SPAWNER)
		return seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), nr, 0);
	if (row->verdict == V_DEADLY || row->verdict == V_BARRED)
		return seccomp_rule_add(f, SCMP_ACT_KILL_PROCESS, nr, 0);
	return allow(f, nr, row->cond);
}

static int
make(scmp_filter_ctx f, enum sp_role role)
{
	int r = seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);

	/* A binary tree: the position of a call in the table is no cost. */
	if (r == 0)
		r = seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	for (size_t i = 0; i < SP_COUNT(rows) && r == 0; i++)
		r = add_row(f, &rows[i], role);
	return r;
}

static int
print(scmp_filter_ctx f, const char *name)
{
	static struct sock_filter prog[4096];
	FILE *tmp = tmpfile();
	size_t n;

	if (tmp == NULL || seccomp_export_bpf(f, fileno(tmp)) != 0 || fseek(tmp, 0, SEEK_SET) != 0)
		return -1;
	n = fread(prog, sizeof prog[0], SP_COUNT(prog), tmp);
	(void)fclose(tmp);
	if (n == 0 || n == SP_COUNT(prog))
		return -1;
	printf("static const struct sock_filter filter_%s[] = {\n", name);
	for (size_t i = 0; i < n; i++)
		printf("\t{ 0x%02x, %u, %u, 0x%08x },\n", prog[i].code, prog[i].jt, prog[i].jf, prog[i].k);
	printf("};\n");
	return 0;
}

int
main(void)
{
	static const struct { enum sp_role role; const char *name; } roles[] = {
		{ SP_LOADER, "loader" }, { SP_FRONT, "front" }, { SP_MANAGE, "manage" },
		{ SP_EGRESS, "egress" }, { SP_DIALER, "dialer" }, { SP_KEEPER, "keeper" }, { SP_SPAWNER, "spawner" },
		{ SP_CHECKER, "checker" },
	};

	for (size_t i = 0; i < SP_COUNT(roles); i++) {
		/* What a configured program needs is not ours to know: there the table names what is refused. */
		scmp_filter_ctx f = seccomp_init(roles[i].role == SP_SPAWNER ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EPERM));
		int r = f == NULL ? -1 : make(f, roles[i].role);

		if (r == 0)
			r = print(f, roles[i].name);
		seccomp_release(f);
		if (r != 0) {
			fprintf(stderr, "the filter of %s cannot be made: %d\n", roles[i].name, r);
			return 1;
		}
	}
	return 0;
}

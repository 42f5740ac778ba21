/* Loads the filter of a role, made from syscalls.def while building (seccomp_gen.c). */
#include "os/jail_int.h"
#include "os/seccomp_pid.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/seccomp_filters.h"

enum { FILTER_MAX = 1024 };

static const struct { const struct sock_filter *f; size_t n; } filters[SP_ROLE_COUNT] = {
#define ROW(role, name) \
	[role] = { filter_##name, SP_COUNT(filter_##name) }
	ROW(SP_LOADER, loader), ROW(SP_FRONT, front), ROW(SP_MANAGE, manage), ROW(SP_EGRESS, egress),
	ROW(SP_DIALER, dialer), ROW(SP_KEEPER, keeper), ROW(SP_SPAWNER, spawner), ROW(SP_CHECKER, checker),
#undef ROW
};

int
sp_seccomp_enter(const struct sp_jail *j)
{
	struct sock_filter own[FILTER_MAX];
	struct sock_fprog prog = { 0, own };
	unsigned patched = 0;

	if ((unsigned)j->role >= SP_ROLE_COUNT || filters[j->role].n == 0 || filters[j->role].n > FILTER_MAX)
		return EINVAL;
	prog.len = (unsigned short)filters[j->role].n;
	memcpy(own, filters[j->role].f, prog.len * sizeof own[0]);
	for (unsigned i = 0; i < prog.len; i++)
		if (BPF_CLASS(own[i].code) == BPF_JMP && own[i].k == SP_SECCOMP_PID) {
			own[i].k = (uint32_t)getpid();
			patched++;
		}
	/* Only spawner's has no call that is allowed for oneself alone. */
	if (patched == 0 && j->role != SP_SPAWNER)
		return EINVAL;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) != 0)
		return errno;
	return 0;
}

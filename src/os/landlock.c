/*
 * Landlock: which files, ports and processes a role reaches.  By the raw calls: the numbers are the kernel's
 * interface, and a newer kernel offers more than the headers that we were built with.
 */
#include "os/jail_int.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NR_CREATE = 444, NR_ADD_RULE = 445, NR_RESTRICT = 446, RULE_PATH = 1 };

enum {
	FS_WRITE_FILE = 1 << 1, FS_READ_FILE = 1 << 2, FS_READ_DIR = 1 << 3, FS_REMOVE_DIR = 1 << 4,
	FS_REMOVE_FILE = 1 << 5, FS_MAKE_DIR = 1 << 7, FS_MAKE_REG = 1 << 8, FS_REFER = 1 << 13,
	FS_TRUNCATE = 1 << 14,
	FS_ABI1 = 0x1fff, FS_ABI2 = 0x3fff, FS_ABI3 = 0x7fff, FS_ABI5 = 0xffff,
	NET_BIND = 1, NET_CONNECT = 2,
	SCOPE_ABSTRACT_UNIX = 1, SCOPE_SIGNAL = 2,
};

struct ruleset_attr { uint64_t fs, net, scope; };
struct path_attr { uint64_t access; int32_t fd; } __attribute__((packed));

/* What the resolver reads.  Fixed files, not folders: no way to look around. */
static const char *const resolver_files[] = {
	"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf",
	"/etc/services",
};

/* Where the loader of shared objects looks: a plug-in may need libm. */
static const char *const library_folders[] = { "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib" };

static uint64_t
fs_rights(long abi)
{
	if (abi >= 5)
		return FS_ABI5;
	if (abi >= 3)
		return FS_ABI3;
	return abi == 2 ? FS_ABI2 : FS_ABI1;
}

static int
allow_beneath(int set, int fd, uint64_t access)
{
	struct path_attr at = { access, fd };

	return syscall(NR_ADD_RULE, set, RULE_PATH, &at, 0) == 0 ? 0 : errno;
}

static int
allow_path(int set, const char *path, uint64_t access)
{
	int fd = open(path, O_PATH | O_CLOEXEC), r;

	if (fd < 0)
		return errno == ENOENT || errno == EACCES ? 0 : errno;
	r = allow_beneath(set, fd, access);
	close(fd);
	return r;
}

static int
add_rules(int set, const struct sp_jail *j, uint64_t handled)
{
	const uint64_t state = FS_WRITE_FILE | FS_READ_FILE | FS_READ_DIR | FS_REMOVE_DIR | FS_REMOVE_FILE |
	    FS_MAKE_DIR | FS_MAKE_REG | FS_REFER | FS_TRUNCATE;
	int r = 0;

	if (j->role == SP_KEEPER && j->state_dir >= 0)
		r = allow_beneath(set, j->state_dir, state & handled);
	if (j->role == SP_LOADER && j->read_paths)
		r = allow_path(set, "/", FS_READ_FILE | FS_READ_DIR);
	if (j->role == SP_DIALER)
		for (size_t i = 0; i < SP_COUNT(resolver_files) && r == 0; i++)
			r = allow_path(set, resolver_files[i], FS_READ_FILE);
	for (size_t i = 0; j->load != NULL && i < SP_COUNT(library_folders) && r == 0; i++)
		r = allow_path(set, library_folders[i], FS_READ_FILE | FS_READ_DIR);
	if (j->load != NULL && r == 0)
		r = allow_path(set, "/etc/ld.so.cache", FS_READ_FILE);
	return r;
}

int
sp_landlock_enter(const struct sp_jail *j)
{
	long abi = syscall(NR_CREATE, NULL, 0, 1);
	struct ruleset_attr attr = { 0 };
	size_t size = sizeof attr;
	int set, r;

	if (abi < 1)
		return errno != 0 ? errno : ENOSYS;
	attr.fs = fs_rights(abi);
	attr.net = j->role == SP_DIALER ? NET_BIND : NET_BIND | NET_CONNECT;
	attr.scope = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL;
	if (abi < 6)
		size = sizeof attr.fs + sizeof attr.net;
	if (abi < 4)
		size = sizeof attr.fs;
	set = (int)syscall(NR_CREATE, &attr, size, 0);
	if (set < 0)
		return errno;
	r = add_rules(set, j, attr.fs);
	if (r == 0 && syscall(NR_RESTRICT, set, 0) != 0)
		r = errno;
	close(set);
	return r;
}

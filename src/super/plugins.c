/* Shared objects of plug-ins: read once for a generation, so that its checkers, started again too, run the same code. */
#include "super/super_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LIBRARY_MAX = 64 << 20, PART = 65536 };

static enum sp_status
copy(int from, int to, size_t n)
{
	static char buf[PART];
	size_t done = 0;

	while (done < n) {
		ssize_t got = read(from, buf, sizeof buf);

		if (got <= 0 || write(to, buf, (size_t)got) != got)
			return SP_E_SYSTEM;
		done += (size_t)got;
	}
	return SP_OK;
}

/* Nobody changes it any more, neither by its path nor through what is mapped. */
static enum sp_status
take(int file, const struct stat *st, int *out)
{
	int fd = memfd_create("sallyport-plugin", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return SP_E_SYSTEM;
	if (copy(file, fd, (size_t)st->st_size) != SP_OK ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
		close(fd);
		return SP_E_SYSTEM;
	}
	*out = fd;
	return SP_OK;
}

/* What `check` has judged, judged again on what is opened: loader names files, and is believed in nothing. */
static enum sp_status
open_one(sp_slice path, sp_slice check, int *out, struct sp_err *e)
{
	char name[4096];
	struct stat st = { 0 };
	enum sp_status done = SP_E_REFUSED;
	int fd = sp_cstr(path, name, sizeof name) ? open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;

	if (fd < 0 || fstat(fd, &st) != 0)
		return sp_fail(e, SP_E_SYSTEM, NULL, "check %.*s: its plug-in cannot be opened (error %d)", SP_PRI(check), errno);
	if (S_ISREG(st.st_mode) && (st.st_mode & 022) == 0 && (st.st_uid == 0 || st.st_uid == geteuid()) &&
	    st.st_size > 0 && st.st_size <= LIBRARY_MAX)
		done = take(fd, &st, out);
	close(fd);
	if (done == SP_E_REFUSED)
		return sp_fail(e, done, NULL, "check %.*s: its plug-in is no file of at most 64 MB that only root or we can write",
		    SP_PRI(check));
	return done == SP_OK ? SP_OK : sp_fail(e, done, NULL, "check %.*s: its plug-in cannot be copied", SP_PRI(check));
}

enum sp_status
sp_plugins_open(struct sp_gen *g, struct sp_err *e)
{
	const uint32_t n = g->img.head->checks.n;
	enum sp_status st = SP_OK;

	g->libraries = calloc(n + 1u, sizeof *g->libraries);
	if (g->libraries == NULL)
		return sp_fail(e, SP_E_SYSTEM, NULL, "no memory");
	for (uint32_t i = 0; i < n; i++)
		g->libraries[i] = -1;
	for (uint32_t i = 0; i < n && st == SP_OK; i++) {
		const struct sp_img_check *c = SP_IMG_AT(&g->img, g->img.head->checks, check, i);

		if (c->library.n != 0)
			st = open_one(sp_img_str(&g->img, c->library), sp_img_str(&g->img, c->name), &g->libraries[i], e);
	}
	return st;
}

void
sp_plugins_close(struct sp_gen *g)
{
	for (uint32_t i = 0; g->libraries != NULL && i < g->img.head->checks.n; i++)
		if (g->libraries[i] >= 0)
			close(g->libraries[i]);
	free(g->libraries);
	g->libraries = NULL;
}

#include "audit/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES_MAX = 1000000 };

static int
by_number(const void *a, const void *b)
{
	uint32_t x, y;

	memcpy(&x, a, sizeof x);
	memcpy(&y, b, sizeof y);
	return x < y ? -1 : x > y;
}

static bool
collect(DIR *d, uint32_t **list, uint32_t *n)
{
	uint32_t cap = 0, file;

	for (struct dirent *de; (de = readdir(d)) != NULL && *n < FILES_MAX;) {
		if (!sp_audit_file_number(sp_str(de->d_name), &file))
			continue;
		if (*n == cap) {
			uint32_t *more = reallocarray(*list, cap = cap == 0 ? 64 : cap * 2, sizeof **list);

			if (more == NULL)
				return false;
			*list = more;
		}
		(*list)[(*n)++] = file;
	}
	return true;
}

enum sp_status
sp_audit_list(int dir, uint32_t **out, uint32_t *n, struct sp_err *e)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	uint32_t *list = NULL, count = 0;
	bool ok;

	if (d == NULL) {
		if (fd >= 0)
			close(fd);
		return sp_fail(e, SP_E_SYSTEM, NULL, "cannot list the audit folder: %s", strerror(errno));
	}
	ok = collect(d, &list, &count);
	closedir(d);
	if (!ok) {
		free(list);
		return sp_fail(e, SP_E_FULL, NULL, "no memory");
	}
	if (count != 0)
		qsort(list, count, sizeof *list, by_number);
	*out = list;
	*n = count;
	return SP_OK;
}

enum sp_status
sp_audit_open_file(int dir, uint32_t file, int *out, struct sp_err *e)
{
	char name[24];
	struct stat st;
	int fd;

	sp_audit_file_name(file, name);
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return sp_fail(e, SP_E_SYSTEM, NULL, "%s: %s", name, strerror(errno));
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return sp_fail(e, SP_E_CONFIG, NULL, "%s is not a regular file", name);
	}
	*out = fd;
	return SP_OK;
}

void
sp_audit_lines_init(struct sp_audit_lines *l, int fd)
{
	l->fd = fd;
	l->from = l->to = l->torn = 0;
	l->line = l->at = 0;
}

int
sp_audit_lines_next(struct sp_audit_lines *l, sp_slice *line)
{
	for (;;) {
		const char *at = l->buf + l->from, *nl = memchr(at, '\n', l->to - l->from);
		ssize_t n;

		if (nl != NULL) {
			*line = sp_mem(at, (size_t)(nl - at));
			l->from += line->n + 1;
			l->at += line->n + 1;
			l->line++;
			return line->n > SP_AUDIT_LINE_MAX ? -1 : 1;
		}
		if (l->to - l->from > SP_AUDIT_LINE_MAX)
			return -1;
		memmove(l->buf, at, l->to - l->from);
		l->to -= l->from;
		l->from = 0;
		n = read(l->fd, l->buf + l->to, sizeof l->buf - l->to);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0) {
			l->torn = l->to;
			return 0;
		}
		l->to += (size_t)n;
	}
}

static enum sp_status
check_mark(const struct sp_chain *mark, const struct sp_chain *c, struct sp_err *e)
{
	if (mark == NULL || mark->seq != c->seq || memcmp(mark->hash, c->hash, sizeof c->hash) == 0)
		return SP_OK;
	return sp_fail(e, SP_E_CONFIG, NULL, "line %llu is not the one that was written: the log was replaced",
	    (unsigned long long)c->seq);
}

static enum sp_status
verify_file(struct sp_audit_lines *l, const struct sp_chain *mark, struct sp_audit_report *r, bool last,
    struct sp_err *e)
{
	sp_slice line;
	enum sp_status st;
	int more;

	while ((more = sp_audit_lines_next(l, &line)) == 1) {
		r->bad_line = l->line;
		st = sp_audit_check(line, r->lines == 0, &r->last, e);
		if (st == SP_OK)
			st = check_mark(mark, &r->last, e);
		if (st != SP_OK)
			return st;
		if (r->lines++ == 0)
			r->first_seq = r->last.seq;
	}
	r->bad_line = l->line + 1;
	if (more < 0)
		return sp_fail(e, SP_E_CONFIG, NULL, "not a line of this log, or the disk does not read");
	if (l->torn != 0 && !last)
		return sp_fail(e, SP_E_CONFIG, NULL, "the file ends in a torn line, but another follows");
	r->torn = l->torn;
	return SP_OK;
}

static enum sp_status
verify_files(int dir, const uint32_t *list, uint32_t n, const struct sp_chain *mark, struct sp_audit_report *r,
    struct sp_err *e)
{
	struct sp_audit_lines *l = malloc(sizeof *l);
	enum sp_status st = l == NULL ? sp_fail(e, SP_E_FULL, NULL, "no memory") : SP_OK;
	int fd;

	for (uint32_t i = 0; i < n && st == SP_OK; i++) {
		r->bad_file = list[i];
		r->bad_line = 0;
		if (i > 0 && list[i] != list[i - 1] + 1) {
			st = sp_fail(e, SP_E_CONFIG, NULL, "the file before it is missing");
			break;
		}
		st = sp_audit_open_file(dir, list[i], &fd, e);
		if (st != SP_OK)
			break;
		sp_audit_lines_init(l, fd);
		st = verify_file(l, mark, r, i + 1 == n, e);
		close(fd);
		r->files++;
	}
	free(l);
	return st;
}

enum sp_status
sp_audit_verify(int dir, const struct sp_chain *mark, struct sp_audit_report *out, struct sp_err *e)
{
	uint32_t *list = NULL, n = 0;
	enum sp_status st = sp_audit_list(dir, &list, &n, e);

	*out = (struct sp_audit_report){ 0 };
	if (st == SP_OK)
		st = verify_files(dir, list, n, mark, out, e);
	free(list);
	if (st != SP_OK)
		return st;
	if (mark != NULL && mark->seq > out->last.seq)
		return sp_fail(e, SP_E_CONFIG, NULL, "the log ends at line %llu, but line %llu was written: its end was "
		    "removed", (unsigned long long)out->last.seq, (unsigned long long)mark->seq);
	if (mark != NULL && out->lines != 0 && mark->seq != 0 && mark->seq < out->first_seq)
		return sp_fail(e, SP_E_CONFIG, NULL, "the log begins behind line %llu, the last one known to be written",
		    (unsigned long long)mark->seq);
	out->bad_file = 0;
	out->bad_line = 0;
	return SP_OK;
}

/* Reads the file backwards in pieces until `*lines` newlines were seen; the offset where the wanted lines begin. */
static bool
tail_start(int fd, off_t size, uint32_t *lines, off_t *start, off_t *end)
{
	char buf[65536];
	off_t at = size;

	*end = -1;
	while (at > 0) {
		size_t n = at < (off_t)sizeof buf ? (size_t)at : sizeof buf;

		if (pread(fd, buf, n, at - (off_t)n) != (ssize_t)n)
			return false;
		for (size_t i = n; i > 0; i--) {
			if (buf[i - 1] != '\n')
				continue;
			if (*end < 0) {
				*end = at - (off_t)n + (off_t)i;
			} else if (--*lines == 0) {
				*start = at - (off_t)n + (off_t)i;
				return true;
			}
		}
		at -= (off_t)n;
	}
	if (*end < 0)
		*end = 0;
	else
		--*lines;
	*start = 0;
	return true;
}

static enum sp_status
quote(int fd, off_t from, off_t to, size_t max, struct sp_out *o, struct sp_err *e)
{
	/* Too much: the newest part, from a line's start. */
	bool cut = (size_t)(to - from) > max;
	size_t n, skip = 0;
	char *at, *nl;

	if (cut)
		from = to - (off_t)max;
	n = (size_t)(to - from);
	if (n == 0)
		return SP_OK;
	at = sp_out_room(o, n);
	if (at == NULL)
		return sp_fail(e, SP_E_FULL, NULL, "no memory");
	if (pread(fd, at, n, from) != (ssize_t)n)
		return sp_fail(e, SP_E_SYSTEM, NULL, "the audit log does not read");
	if (cut && (nl = memchr(at, '\n', n)) != NULL)
		skip = (size_t)(nl - at) + 1;
	memmove(at, at + skip, n - skip);
	o->n -= skip;
	return SP_OK;
}

struct piece { uint32_t file; off_t from, to; };

static enum sp_status
measure(int dir, uint32_t file, uint32_t *left, struct piece *out, struct sp_err *e)
{
	enum sp_status st;
	struct stat sb;
	int fd;

	st = sp_audit_open_file(dir, file, &fd, e);
	if (st != SP_OK)
		return st;
	if (fstat(fd, &sb) != 0 || !tail_start(fd, sb.st_size, left, &out->from, &out->to))
		st = sp_fail(e, SP_E_SYSTEM, NULL, "the audit log does not read");
	out->file = file;
	close(fd);
	return st;
}

enum sp_status
sp_audit_tail(int dir, uint32_t lines, size_t max, struct sp_out *out, struct sp_err *e)
{
	struct piece piece[8];
	uint32_t *list = NULL, n = 0, k = 0, left = lines;
	enum sp_status st = sp_audit_list(dir, &list, &n, e);
	size_t total = 0;

	while (st == SP_OK && left > 0 && k < n && k < SP_COUNT(piece) && total < max) {
		st = measure(dir, list[n - 1 - k], &left, &piece[k], e);
		if (st == SP_OK)
			total += (size_t)(piece[k].to - piece[k].from);
		k++;
	}
	/* From the oldest piece on; what is over `max` is missing at its front. */
	while (st == SP_OK && k > 0) {
		const struct piece *p = &piece[--k];
		size_t rest = total - (size_t)(p->to - p->from), room = max > rest ? max - rest : 0;
		int fd;

		total = rest;
		st = sp_audit_open_file(dir, p->file, &fd, e);
		if (st != SP_OK)
			break;
		st = quote(fd, p->from, p->to, room, out, e);
		close(fd);
	}
	free(list);
	return st;
}

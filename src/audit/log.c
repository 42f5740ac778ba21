#include "audit/log.h"

#include "base/rd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct sp_audit_log {
	int	 dir, fd;
	uint32_t file;
	uint64_t size, rotate;
	struct sp_chain head;
};

/* What the end of a file says. */
struct ending {
	struct sp_chain head;
	uint64_t whole, torn;		/* bytes of whole lines; behind them */
	bool	 any, sound, clean;
};

void
sp_audit_mark_write(const struct sp_chain *c, char buf[SP_AUDIT_MARK])
{
	struct sp_out o;

	sp_out_init(&o, buf, SP_AUDIT_MARK);
	sp_out_be(&o, c->seq, 8);
	sp_out_add(&o, c->hash, sizeof c->hash);
}

bool
sp_audit_mark_read(sp_slice s, struct sp_chain *c)
{
	struct sp_rd r = { s, false };
	struct sp_chain out = { .seq = sp_rd_be(&r, 8) };
	sp_slice h = sp_rd_bytes(&r, sizeof out.hash);

	if (!sp_rd_done(&r))
		return false;
	memcpy(out.hash, h.p, sizeof out.hash);
	*c = out;
	return true;
}

/* Offset behind the last newline before `end`; 0: there is none. */
static off_t
line_start(int fd, off_t end)
{
	char buf[8192];

	while (end > 0) {
		size_t n = end < (off_t)sizeof buf ? (size_t)end : sizeof buf;

		if (pread(fd, buf, n, end - (off_t)n) != (ssize_t)n)
			return 0;
		for (size_t i = n; i > 0; i--)
			if (buf[i - 1] == '\n')
				return end - (off_t)n + (off_t)i;
		end -= (off_t)n;
	}
	return 0;
}

/* The line that ends (with its newline) at `end`, in buf. */
static sp_slice
line_before(int fd, off_t end, char *buf, size_t cap, off_t *start)
{
	size_t n;

	*start = line_start(fd, end - 1);
	n = (size_t)(end - 1 - *start);
	if (n > cap || pread(fd, buf, n, *start) != (ssize_t)n)
		return SP_LIT("");
	return sp_mem(buf, n);
}

static void
look_at_end(int fd, struct ending *out)
{
	char last[SP_AUDIT_LINE_MAX], before[SP_AUDIT_LINE_MAX];
	off_t size = lseek(fd, 0, SEEK_END), end, start, unused;
	struct sp_chain from = { 0 };
	sp_slice line;

	*out = (struct ending){ 0 };
	if (size < 0)
		return;
	end = line_start(fd, size);
	out->whole = (uint64_t)end;
	out->torn = (uint64_t)(size - end);
	if (end == 0)
		return;
	out->any = true;
	line = line_before(fd, end, last, sizeof last, &start);
	if (!sp_audit_head(line, &out->head))
		return;
	if (start == 0)
		out->sound = sp_audit_check(line, true, &from, NULL) == SP_OK;
	else
		out->sound = sp_audit_head(line_before(fd, start, before, sizeof before, &unused), &from) &&
		    sp_audit_check(line, false, &from, NULL) == SP_OK;
	out->clean = sp_find(line, SP_LIT(",\"kind\":\"" SP_AUDIT_KIND_STOP "\"")) != SIZE_MAX;
}

static enum sp_status
open_file(struct sp_audit_log *l, uint32_t file, bool fresh, struct sp_err *e)
{
	char name[24];
	struct stat st;
	int fd;

	sp_audit_file_name(file, name);
	fd = openat(l->dir, name, O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC |
	    (fresh ? O_CREAT | O_EXCL : 0), 0600);
	if (fd < 0)
		return sp_fail(e, SP_E_SYSTEM, NULL, "audit/%s: %s", name, strerror(errno));
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return sp_fail(e, SP_E_CONFIG, NULL, "audit/%s is not a regular file", name);
	}
	/* Made by root for the one who will go on writing it. */
	if (fresh && geteuid() == 0 && fstat(l->dir, &st) == 0)
		(void)!fchown(fd, st.st_uid, st.st_gid);
	if (l->fd >= 0)
		close(l->fd);
	l->fd = fd;
	l->file = file;
	l->size = fresh ? 0 : (uint64_t)st.st_size;
	if (fresh && fsync(l->dir) != 0)
		return sp_fail(e, SP_E_SYSTEM, NULL, "the audit folder does not sync: %s", strerror(errno));
	return SP_OK;
}

enum sp_status
sp_audit_log_append(struct sp_audit_log *l, sp_slice lines, const struct sp_chain *head, struct sp_err *e)
{
	uint64_t done = 0;

	while (done < lines.n) {
		ssize_t n = write(l->fd, lines.p + done, lines.n - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			int error = n == 0 ? ENOSPC : errno;

			/* A line that is there in part must not be there at all. */
			if (done != 0 && ftruncate(l->fd, (off_t)l->size) != 0)
				return sp_fail(e, SP_E_BUG, NULL, "the audit log cannot be cut back: %s", strerror(errno));
			return sp_fail(e, SP_E_SYSTEM, NULL, "the audit log cannot be written: %s", strerror(error));
		}
		done += (uint64_t)n;
	}
	l->size += lines.n;
	l->head = *head;
	return SP_OK;
}

/* The open line of a file that has none yet. */
static enum sp_status
begin_file(struct sp_audit_log *l, uint64_t now_us, struct sp_err *e)
{
	struct sp_chain next = l->head;
	char buf[1024];
	struct sp_out o;

	sp_out_init(&o, buf, sizeof buf);
	sp_audit_put_open(&o, &next, now_us, l->file);
	return o.full ? SP_E_BUG : sp_audit_log_append(l, sp_out_view(&o), &next, e);
}

enum sp_status
sp_audit_log_turn(struct sp_audit_log *l, uint64_t now_us, struct sp_err *e)
{
	char name[24];
	enum sp_status st;

	if (l->size == 0)
		return begin_file(l, now_us, e);
	if (l->size < l->rotate)
		return SP_OK;
	st = sp_audit_log_sync(l, e);
	if (st == SP_OK)
		st = open_file(l, l->file + 1, true, e);
	if (st != SP_OK)
		return st;
	st = begin_file(l, now_us, e);
	if (st != SP_OK) {
		/* A full disk: back to the old file, as if nothing had been tried. */
		sp_audit_file_name(l->file, name);
		(void)unlinkat(l->dir, name, 0);
		if (open_file(l, l->file - 1, false, NULL) != SP_OK)
			return sp_fail(e, SP_E_BUG, NULL, "the audit log was moved away while it was written");
	}
	return st;
}

enum sp_status
sp_audit_log_note(struct sp_audit_log *l, uint64_t now_us, const char *kind, sp_slice text, struct sp_err *e)
{
	struct sp_chain next;
	char buf[SP_AUDIT_LINE_MAX];
	struct sp_out o;
	enum sp_status st = sp_audit_log_turn(l, now_us, e);

	if (st != SP_OK)
		return st;
	next = l->head;
	sp_out_init(&o, buf, sizeof buf);
	sp_audit_put_note(&o, &next, now_us, kind, text);
	return o.full ? SP_E_BUG : sp_audit_log_append(l, sp_out_view(&o), &next, e);
}

int
sp_audit_log_dup(const struct sp_audit_log *l)
{
	return fcntl(l->fd, F_DUPFD_CLOEXEC, 3);
}

enum sp_status
sp_audit_log_sync(struct sp_audit_log *l, struct sp_err *e)
{
	return fdatasync(l->fd) == 0 ? SP_OK :
	    sp_fail(e, SP_E_SYSTEM, NULL, "the audit log does not sync: %s", strerror(errno));
}

struct sp_chain
sp_audit_log_head(const struct sp_audit_log *l)
{
	return l->head;
}

uint32_t
sp_audit_log_file(const struct sp_audit_log *l)
{
	return l->file;
}

void
sp_audit_log_free(struct sp_audit_log **l)
{
	if (l == NULL || *l == NULL)
		return;
	if ((*l)->fd >= 0)
		close((*l)->fd);
	free(*l);
	*l = NULL;
}

/* The chain goes on where the last whole line is: in the last file, or in one before it that has any. */
static enum sp_status
find_head(struct sp_audit_log *l, const uint32_t *list, uint32_t n, struct ending *last, bool *sound, struct sp_err *e)
{
	struct ending at;
	enum sp_status st;
	int fd;

	for (uint32_t i = n; i > 0; i--) {
		st = sp_audit_open_file(l->dir, list[i - 1], &fd, e);
		if (st != SP_OK)
			return st;
		look_at_end(fd, &at);
		close(fd);
		if (i == n)
			*last = at;
		if (at.any) {
			l->head = at.head;
			last->clean = at.clean;
			*sound = at.sound;
			return SP_OK;
		}
	}
	last->clean = true;
	return SP_OK;
}

static enum sp_status
note_findings(struct sp_audit_log *l, const struct ending *last, bool sound, const struct sp_chain *mark,
    const struct sp_chain *found, uint64_t now_us, struct sp_err *e)
{
	char text[160];
	enum sp_status st = SP_OK;

	if (last->torn != 0) {
		snprintf(text, sizeof text, "a torn last line of %llu bytes was cut off", (unsigned long long)last->torn);
		st = sp_audit_log_note(l, now_us, "repair", sp_str(text), e);
	}
	if (st == SP_OK && !sound)
		st = sp_audit_log_note(l, now_us, "incident", SP_LIT("the line before the end is not chained to it: the log "
		    "was changed; `sallyport audit verify` says where"), e);
	if (st == SP_OK && mark != NULL && (mark->seq > found->seq ||
	    (mark->seq == found->seq && memcmp(mark->hash, found->hash, sizeof found->hash) != 0))) {
		snprintf(text, sizeof text, "line %llu was written, but the log ended at line %llu, or was another",
		    (unsigned long long)mark->seq, (unsigned long long)found->seq);
		st = sp_audit_log_note(l, now_us, "incident", sp_str(text), e);
	}
	return st;
}

static enum sp_status
open_log(struct sp_audit_log *l, const struct sp_chain *mark, uint64_t now_us, bool *clean, struct sp_err *e)
{
	uint32_t *list = NULL, n = 0;
	struct ending last = { .clean = true };
	struct sp_chain found;
	bool sound = true;
	enum sp_status st = sp_audit_list(l->dir, &list, &n, e);

	if (st == SP_OK && n != 0)
		st = find_head(l, list, n, &last, &sound, e);
	if (st == SP_OK)
		st = open_file(l, n == 0 ? 1 : list[n - 1], n == 0, e);
	free(list);
	if (st != SP_OK)
		return st;
	if (last.torn != 0 && ftruncate(l->fd, (off_t)last.whole) != 0)
		return sp_fail(e, SP_E_SYSTEM, NULL, "the audit log cannot be cut back: %s", strerror(errno));
	l->size = last.whole;
	found = l->head;
	*clean = last.clean && last.torn == 0;
	st = sp_audit_log_turn(l, now_us, e);
	return st == SP_OK ? note_findings(l, &last, sound, mark, &found, now_us, e) : st;
}

enum sp_status
sp_audit_log_open(int dir, uint64_t rotate_bytes, const struct sp_chain *mark, uint64_t now_us,
    struct sp_audit_log **out, bool *clean, struct sp_err *e)
{
	struct sp_audit_log *l = calloc(1, sizeof *l);
	enum sp_status st;

	if (l == NULL)
		return sp_fail(e, SP_E_FULL, NULL, "no memory");
	l->dir = dir;
	l->fd = -1;
	l->rotate = rotate_bytes;
	st = open_log(l, mark, now_us, clean, e);
	if (st != SP_OK) {
		sp_audit_log_free(&l);
		return st;
	}
	*out = l;
	return SP_OK;
}

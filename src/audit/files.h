/* The files of the audit log: walking, checking and quoting them.  Nothing here changes one. */
#ifndef SP_AUDIT_FILES_H
#define SP_AUDIT_FILES_H

#include "audit/chain.h"

/* The numbers of the files in `dir`, ascending, to be freed; *n 0 and *out NULL: there are none. */
SP_MUST enum sp_status sp_audit_list(int dir, uint32_t **out, uint32_t *n, struct sp_err *e);
SP_MUST enum sp_status sp_audit_open_file(int dir, uint32_t file, int *fd, struct sp_err *e);

/* Lines of an open file, from its current position. */
struct sp_audit_lines {
	int	 fd;
	size_t	 from, to;
	uint64_t line;			/* number of the last one, from 1 */
	uint64_t at;			/* file offset behind the last whole line */
	size_t	 torn;			/* at the end: bytes without a newline */
	char	 buf[65536];
};
void sp_audit_lines_init(struct sp_audit_lines *l, int fd);
/* 1: *line, without its newline, until the next call.  0: the end (torn tells of a rest).  -1: a line over the limit or
 * a read error. */
SP_MUST int sp_audit_lines_next(struct sp_audit_lines *l, sp_slice *line);

struct sp_audit_report {
	uint32_t files;
	uint64_t lines, first_seq;
	struct sp_chain last;
	size_t	 torn;			/* bytes behind the last whole line of the last file */
	uint32_t bad_file;		/* SP_E_CONFIG: where it is, */
	uint64_t bad_line;		/* 0: the file as a whole */
};
/* Walks all files.  `mark`: a line that must be among them (NULL: none is known).  SP_E_CONFIG: the first thing wrong.
 * The first file may be any (older ones may have been archived); a torn last line is reported, not refused. */
SP_MUST enum sp_status sp_audit_verify(int dir, const struct sp_chain *mark, struct sp_audit_report *out,
    struct sp_err *e);
/* The last `lines` whole lines, oldest first, at most `max` bytes of them. */
SP_MUST enum sp_status sp_audit_tail(int dir, uint32_t lines, size_t max, struct sp_out *out, struct sp_err *e);

#endif

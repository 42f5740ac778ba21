/*
 * Writing the audit log: one writer (whoever holds the state lock), whole lines only.  Blocking; no loop of its own.
 */
#ifndef SP_AUDIT_LOG_H
#define SP_AUDIT_LOG_H

#include "audit/files.h"

enum { SP_AUDIT_ROTATE = 64 << 20 };

struct sp_audit_log;

/* Finds the head of the chain in the last file of `dir` (the audit folder, which stays the caller's), cuts a torn last
 * line, and opens or makes the file to write.  What it found is noted in the log itself.
 * `mark`: the last line known to be on disk (NULL: none is); when it is not there, that is noted too.
 * *clean: the log ends with a clean stop (or is new), so no call can be open. */
SP_MUST enum sp_status sp_audit_log_open(int dir, uint64_t rotate_bytes, const struct sp_chain *mark, uint64_t now_us,
    struct sp_audit_log **out, bool *clean, struct sp_err *e);
void sp_audit_log_free(struct sp_audit_log **l);

struct sp_chain sp_audit_log_head(const struct sp_audit_log *l);
uint32_t sp_audit_log_file(const struct sp_audit_log *l);
/* To be called before lines are made: opens the next file when this one is full. */
SP_MUST enum sp_status sp_audit_log_turn(struct sp_audit_log *l, uint64_t now_us, struct sp_err *e);
/* Appends lines that were chained from the head on; `head` is theirs.  When it fails (a full disk), nothing of them is in
 * the file, and the head is the old one. */
SP_MUST enum sp_status sp_audit_log_append(struct sp_audit_log *l, sp_slice lines, const struct sp_chain *head,
    struct sp_err *e);
/* One line of our own: kind and text as in sp_audit_put_note(). */
SP_MUST enum sp_status sp_audit_log_note(struct sp_audit_log *l, uint64_t now_us, const char *kind, sp_slice text,
    struct sp_err *e);
/* A duplicate of the file's descriptor, for a sync elsewhere; -1: none left. */
int sp_audit_log_dup(const struct sp_audit_log *l);
SP_MUST enum sp_status sp_audit_log_sync(struct sp_audit_log *l, struct sp_err *e);

#define SP_AUDIT_KIND_STOP "stop"

/* The mark as it stands in the store. */
enum { SP_AUDIT_MARK = 40 };
void sp_audit_mark_write(const struct sp_chain *c, char buf[SP_AUDIT_MARK]);
SP_MUST bool sp_audit_mark_read(sp_slice s, struct sp_chain *c);

#endif

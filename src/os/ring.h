/*
 * The audit ring: a preallocated file, mapped before the jail, one writer (the role) and one reader (keeper).
 * The writer fills a slot and then stores its commit word; the reader trusts nothing in it.  It survives kill -9
 * of everybody, because the pages belong to the file; it does not survive power loss before keeper's fdatasync.
 */
#ifndef SP_OS_RING_H
#define SP_OS_RING_H

#include "base/err.h"

enum { SP_RING_SLOTS = 8192, SP_RING_SLOT = 512 };

enum sp_audit_kind { SP_AUDIT_DECISION = 1, SP_AUDIT_INTENT, SP_AUDIT_OUTCOME, SP_AUDIT_INCIDENT };

/* Fixed-size, no pointers; text fields are cut to fit and NUL-padded.  Everything checked again by the reader. */
struct sp_audit_record {
	uint64_t time_us;		/* Unix time */
	uint64_t call;			/* INTENT and OUTCOME of one call share it; unique within one ring and incarnation */
	uint32_t kind;			/* enum sp_audit_kind */
	uint32_t outcome;		/* DECISION: enum sp_outcome, or SP_AUDIT_STATUS(enum sp_status); OUTCOME: enum sp_audit_outcome */
	uint32_t status;		/* HTTP status of the upstream, or 0 */
	uint32_t duration_us;
	uint32_t bytes_out, bytes_in;
	uint32_t rule_line;		/* of the deciding rule, 0: none */
	char	 source[32];
	char	 user[96];
	char	 tool[68];
	char	 server[32];
	char	 note[96];		/* constant text, never from outside */
	uint8_t	 fingerprint[8];
};
/* A status as the outcome of a decision, told from enum sp_outcome. */
#define SP_AUDIT_STATUS(st) (0x100u | (uint32_t)(st))
enum sp_audit_outcome { SP_DONE = 1, SP_FAILED, SP_UNKNOWN_OUTCOME, SP_NOT_SENT };

struct sp_ring;

/* Super: makes (or keeps) the file of a ring, preallocated; returns an open descriptor. */
SP_MUST enum sp_status sp_ring_create(int dirfd, const char *name, int *fd, struct sp_err *e);
/* Writer: maps it.  Continues after what a predecessor wrote. */
SP_MUST enum sp_status sp_ring_map_writer(int fd, struct sp_ring **out, struct sp_err *e);
/* SP_E_UNAVAILABLE: full (the reader is behind, or the disk is): answer 503 before doing anything. */
SP_MUST enum sp_status sp_ring_put(struct sp_ring *r, const struct sp_audit_record *rec);
/* Room for n more records right now? */
SP_MUST bool sp_ring_room(const struct sp_ring *r, uint32_t n);
SP_MUST enum sp_status sp_ring_map_reader(int fd, struct sp_ring **out, struct sp_err *e);
/* Copies the oldest unread committed record; false when there is none.  What comes back is well-formed: texts end in NUL
 * and have no control characters, enums are in range; a record that was not is an SP_AUDIT_INCIDENT with a note.  sp_ring_advance() gives its slot back. */
SP_MUST bool sp_ring_peek(struct sp_ring *r, struct sp_audit_record *out);
void sp_ring_advance(struct sp_ring *r);
/* The i-th unread one (0: the oldest), and giving back n slots at once: a batch is given back only when it was written. */
SP_MUST bool sp_ring_peek_at(struct sp_ring *r, uint32_t i, struct sp_audit_record *out);
void sp_ring_advance_n(struct sp_ring *r, uint32_t n);
void sp_ring_free(struct sp_ring **r);
/* Copies text into a record's field. */
#define SP_RING_TEXT(field, slice) sp_ring_text(field, sizeof(field), slice)
void sp_ring_text(char *dst, size_t cap, sp_slice s);

#endif

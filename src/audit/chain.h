/*
 * The audit log as bytes: files NNNNNNNN.jsonl of one JSON object a line, each line chained to the one before.
 *
 *	{"seq":N, … ,"hash":"H"}	H: SHA-256 of the hash before (32 bytes) and of the line up to `,"hash"`
 *
 * The first line of a file is of kind `open` and repeats the hash before as `prev`, so that a file can be checked by
 * itself.  Whoever removes, changes or adds a line must change every later one, and the mark in the store.
 * Writing and checking are pure; the loops and files are keeper's and the command line's.
 */
#ifndef SP_AUDIT_CHAIN_H
#define SP_AUDIT_CHAIN_H

#include "base/out.h"
#include "os/ring.h"

enum { SP_AUDIT_LINE_MAX = 4096, SP_AUDIT_FORMAT = 1 };
#define SP_AUDIT_DIR "audit"
#define SP_AUDIT_SUFFIX ".jsonl"

/* The last line: its number and hash.  All zero: there is none. */
struct sp_chain { uint64_t seq; uint8_t hash[32]; };

/* Whose ring a record lay in; SP_RING_NONE: keeper's own lines. */
struct sp_audit_source { const char *role; uint32_t index, generation, incarnation; };

/* Each appends one whole line and moves the chain on; when `o` is full nothing was added and the chain stays.
 * The record is foreign: text is cut at its field, cleaned and escaped, numbers out of range are named as such. */
void sp_audit_put_record(struct sp_out *o, struct sp_chain *c, const struct sp_audit_record *rec,
    const struct sp_audit_source *from);
/* What happened to the log itself.  `text` is ours. */
void sp_audit_put_note(struct sp_out *o, struct sp_chain *c, uint64_t time_us, const char *kind, sp_slice text);
void sp_audit_put_open(struct sp_out *o, struct sp_chain *c, uint64_t time_us, uint32_t file);

/* Checks one line (without its newline) against the chain and moves it on.  `start`: nothing is known yet, so the
 * line must be an `open` line and its `prev` is believed.  SP_E_CONFIG: e->log says what is wrong. */
SP_MUST enum sp_status sp_audit_check(sp_slice line, bool start, struct sp_chain *c, struct sp_err *e);
/* Number and hash as the line has them, unchecked; false: it has not the form of a line. */
SP_MUST bool sp_audit_head(sp_slice line, struct sp_chain *out);

/* "00000007.jsonl" */
void sp_audit_file_name(uint32_t file, char name[24]);
SP_MUST bool sp_audit_file_number(sp_slice name, uint32_t *file);

/* A line of a call, read back to find those without an outcome.  Texts are the line's (escaped as they stand). */
struct sp_audit_call {
	bool	 intent, outcome;
	uint64_t call, time_ms;
	uint32_t kind;			/* enum sp_audit_kind, 0: another */
	sp_slice ring, source, user, tool, server, fingerprint;
};
SP_MUST bool sp_audit_call_read(sp_slice line, struct sp_audit_call *out);

#endif

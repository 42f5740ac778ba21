/* What the parts of the checker share.  Not for others. */
#ifndef SP_SCHEMA_CHECK_INT_H
#define SP_SCHEMA_CHECK_INT_H

#include "schema/schema_int.h"

/* STOP: the budget is spent; it passes through everything, `not` included. */
enum sp_verdict { SP_PASS = 1, SP_FAIL, SP_STOP };

/* Where in the instance we are. */
struct sp_spot {
	const struct sp_spot *up;
	sp_slice key;
	size_t	 idx;
	bool	 in_array;
};

/* Which resources evaluation has entered: the dynamic scope, innermost first. */
struct sp_scope {
	const struct sp_scope *up;
	uint32_t resource;
};

/* Members or elements of one value that some rule has looked at. */
struct sp_seen {
	size_t	  n;
	uint64_t *bits, few[2];
};

struct sp_check {
	const struct sp_schema *s;
	uint64_t steps;
	unsigned depth;
	unsigned quiet;		/* inside a branch whose failure is no failure of the whole */
	bool	 said;
	struct sp_err *e;
};

/* Everything that a rule needs to know. */
struct sp_at {
	struct sp_check *c;
	const struct sp_node *node;
	sp_jval *v;
	const struct sp_spot  *spot;
	const struct sp_scope *scope;
	struct sp_seen *seen;	/* NULL: nobody asks */
};

SP_MUST enum sp_verdict sp_check_node(struct sp_check *c, const struct sp_node *n, sp_jval *v,
    const struct sp_spot *spot, const struct sp_scope *scope, struct sp_seen *seen);
/* Failure at `at` (or at its member `key`, when that is not NULL); the first one is reported. */
SP_MUST enum sp_verdict sp_check_fail(const struct sp_at *at, const sp_slice *key, const char *what);
SP_MUST bool sp_check_pay(struct sp_check *c, uint64_t price);

SP_MUST bool sp_seen_init(struct sp_seen *s, struct sp_check *c, sp_jval *v);
void sp_seen_free(struct sp_seen *s);
void sp_seen_mark(struct sp_seen *s, size_t i);		/* s may be NULL */
void sp_seen_mark_all(struct sp_seen *s);
bool sp_seen_has(const struct sp_seen *s, size_t i);
void sp_seen_merge(struct sp_seen *to, const struct sp_seen *from);

/* Groups of rules; each is called for values of its type only. */
SP_MUST enum sp_verdict sp_check_object(const struct sp_at *at);
SP_MUST enum sp_verdict sp_check_array(const struct sp_at *at);
SP_MUST enum sp_verdict sp_check_here(const struct sp_at *at);
SP_MUST enum sp_verdict sp_check_unevaluated(const struct sp_at *at);

#endif

/*
 * A server and a rule put into the text of a sallyport.yaml: lines are inserted, and nothing else is touched, so that
 * comments and order stay.  What came out is read again and compared: everything that was there must be there, plus
 * exactly what was asked for.  Where that cannot be had the caller gets a refusal.
 */
#ifndef SP_CLI_EDIT_H
#define SP_CLI_EDIT_H

#include "base/arena.h"
#include "base/err.h"
#include "base/out.h"

enum { SP_EDIT_SECRETS = 16, SP_EDIT_TOOLS = 32 };

struct sp_edit {
	sp_slice name;
	sp_slice kind, source;		/* "openapi" or "mcp", and its value */
	sp_slice url;			/* empty: none */
	struct { sp_slice name, ref, as; } secrets[SP_EDIT_SECRETS];	/* `as` may be empty */
	size_t	 nsecrets;
	sp_slice tools[SP_EDIT_TOOLS];	/* of the rule, whole: "wiki.search" */
	size_t	 ntools;		/* 0: no rule is added */
	sp_slice scopes;		/* of the rule, divided by spaces; empty: none */
};

/* A value as it may stand anywhere in YAML, also between braces.  False: it holds control characters. */
SP_MUST bool sp_edit_scalar(struct sp_out *o, sp_slice s);
/* The lines of the server below `indent` spaces, and of the rule. */
SP_MUST bool sp_edit_server(struct sp_out *o, const struct sp_edit *what, unsigned indent, const char *eol);
SP_MUST bool sp_edit_rule(struct sp_out *o, const struct sp_edit *what, unsigned indent, const char *eol);
/* The new text in `out`.  SP_E_CONFIG: the old one has errors, or the server already.  SP_E_REFUSED: the text is of a
 * form that cannot be changed by inserting lines; e->log says what. */
SP_MUST enum sp_status sp_edit_add(struct sp_arena *mem, sp_slice text, const struct sp_edit *what, struct sp_out *out,
    struct sp_err *e);

#endif

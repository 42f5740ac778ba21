/* Inside ask*.c only: the tables of questions and answers. */
#ifndef SP_SERVER_ASK_INT_H
#define SP_SERVER_ASK_INT_H

#include "server/ask.h"

char *sp_ask_copy(sp_slice s);			/* on the heap, with a final NUL; NULL: no memory */
char *sp_ask_taken(struct sp_out *o);		/* the same of what was written to *o, which is freed; NULL also when it was full */

struct sp_given *sp_given_find(struct sp_ask *a, sp_slice key);
struct sp_asked *sp_asked_find(struct sp_ask *a, sp_slice key);
void sp_asked_free(struct sp_asked *q);
void sp_asked_close(struct sp_ask *a, struct sp_asked *q);
/* `result` NULL: the client answered with an error.  The first answer to a key counts.  SP_E_TOO_BIG. */
SP_MUST enum sp_status sp_given_add(struct sp_ask *a, sp_slice key, sp_jval *result, bool lacks, struct sp_err *e);

/* Does the answer have the shape of its kind, and fit the form's schema?  SP_E_BAD_PARAMS. */
SP_MUST enum sp_status sp_answer_check(const char *key, enum sp_ask_method method, const struct sp_schema *schema, sp_jval *r,
    struct sp_err *e);
enum sp_elicit_action sp_answer_action(sp_jval *r);	/* 0: none of them */

#endif

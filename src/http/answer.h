/* The answers that follow from a status alone, the same for both services. */
#ifndef SP_FRONT_ANSWER_H
#define SP_FRONT_ANSWER_H

#include "base/log.h"
#include "http/conn.h"

#define SP_JSON_TYPE SP_LIT("application/json")

/* {"error":…} or, for a status that has a JSON-RPC code, a JSON-RPC error without id; status
 * line of errors.def. */
void sp_answer_status(struct sp_conn *c, enum sp_status st, sp_slice message);
void sp_answer_continue(struct sp_conn *c);
/* 405 with what is allowed. */
void sp_answer_method(struct sp_conn *c, sp_slice allow);

#endif

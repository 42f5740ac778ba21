/* The answers that are the same for all services. */
#ifndef SP_HTTP_ANSWER_H
#define SP_HTTP_ANSWER_H

#include "base/log.h"
#include "http/conn.h"

#define SP_JSON_TYPE SP_LIT("application/json")

/* {"error":…} or, for a status that has a JSON-RPC code, a JSON-RPC error without id; status
 * line of errors.def. */
void sp_answer_status(struct sp_conn *c, enum sp_status st, sp_slice message);
void sp_answer_continue(struct sp_conn *c);
/* 405 with what is allowed. */
void sp_answer_method(struct sp_conn *c, sp_slice allow);
/* GET or HEAD?  False: 405 was answered. */
SP_MUST bool sp_answer_reads_only(struct sp_conn *c);
/* /healthz */
void sp_answer_health(struct sp_conn *c, bool well);
/* RFC 9728: the document, to GET, HEAD, OPTIONS. */
void sp_answer_metadata(struct sp_conn *c, sp_slice json);
/* 401 (SP_E_NO_TOKEN, SP_E_BAD_TOKEN), 403 (SP_E_SCOPE) or 400 (SP_E_BAD_REQUEST) with WWW-Authenticate; `scope` and
 * `metadata_url` may be empty. */
void sp_answer_challenge(struct sp_conn *c, enum sp_status st, sp_slice scope, sp_slice metadata_url);

#endif

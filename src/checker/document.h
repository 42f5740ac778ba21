/* What a decision point is told, and what it may say.  Pure. */
#ifndef SP_CHECKER_DOCUMENT_H
#define SP_CHECKER_DOCUMENT_H

#include "base/err.h"
#include "ipc/codec.h"
#include "policy/checked.h"

enum { SP_POINT_ANSWER = 16384, SP_POINT_AGE_MAX_S = 60 };

/*
 * {"check","principal":{"subject","issuer","client_id","source","scopes","tags"} or null,
 *  "component":{"server","kind","name","tags","access"},"arguments":{…} or null,"transport","peer"}: server and name are
 * null for a list, access is for tools.  The arguments must be JSON: SP_E_BAD_JSON.
 */
SP_MUST enum sp_status sp_point_question(sp_slice check, const struct sp_m_check *m, struct sp_out *o, struct sp_err *e);

/* text, scopes: in memory of its own. */
struct sp_point_answer {
	enum sp_check_verdict verdict;
	char	 text[SP_CHECK_TEXT_MAX + 1], scopes[SP_CHECK_SCOPES_MAX + 1];
	size_t	 text_n, scopes_n;
	uint32_t max_age_s;		/* 0: not to be kept; at most SP_POINT_AGE_MAX_S */
};
/*
 * {"decision":"allow"|"deny"|"scopes","message":TEXT,"scopes":[TEXT…],"max_age_s":N}: message with deny only, scopes with
 * "scopes" and then not empty.  Everything else, and every further member, is SP_E_UPSTREAM, and e->log says why.
 */
SP_MUST enum sp_status sp_point_read(sp_slice body, struct sp_point_answer *out, struct sp_err *e);

#endif

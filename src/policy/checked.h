/*
 * What the checks of the rules left make of a decision (config.md section 3, step 5).  Pure: whoever decides asks them and
 * brings what they said.  The order in which they answer means nothing.
 */
#ifndef SP_POLICY_CHECKED_H
#define SP_POLICY_CHECKED_H

#include "policy/decide.h"

enum sp_check_verdict {
	SP_CHECK_FAILED = 0,		/* it could not decide, or not in time; `text` says why, for the operator */
	SP_CHECK_DENIED,
	SP_CHECK_REFUSED,		/* `text` is for the caller */
	SP_CHECK_SHORT,			/* `scopes` */
	SP_CHECK_ALLOWED,
	SP_CHECK_VERDICTS
};

/* One answer; check: its index in the image.  text: at most SP_CHECK_TEXT_MAX bytes; scopes: space separated. */
struct sp_check_said {
	uint32_t check;
	enum sp_check_verdict verdict;
	sp_slice text, scopes;
};

/* Bytes for a reason: one line for log and audit. */
enum { SP_CHECK_REASON = 400 };

/*
 * Step 5 for a decision with d->checks set; others stay as they are.  A check that is not among the answers has failed.
 * A plain denial beats a refusal, that beats missing scopes.  `d->reason` then points into *why.
 * Refused: *say is the text for the caller.  Short: *say is every scope that is wanted, space separated, written to `scopes`.
 */
void sp_decide_checked(const struct sp_image *img, const struct sp_principal *who, const struct sp_check_said *said, uint32_t n,
    struct sp_decision *d, char why[SP_CHECK_REASON], struct sp_out *scopes, sp_slice *say);
struct sp_view sp_view_of(const struct sp_check_said *said, uint32_t n);
/* A scope as RFC 6749 section 3.3 has it, one or several with single spaces between them, each once. */
SP_MUST bool sp_scope_list_ok(sp_slice list);

#endif

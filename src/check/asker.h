/*
 * Asking checks of somebody's own, from front and again from egress: one channel to the process of each check, a bounded
 * number of open questions, one deadline.  What is not answered in time, or cannot be asked, has failed.
 */
#ifndef SP_CHECK_ASKER_H
#define SP_CHECK_ASKER_H

#include "ipc/channel.h"
#include "policy/checked.h"

enum {
	SP_CHECK_MS = 2000,		/* for an answer */
	SP_CHECK_OPEN = 256,		/* questions of one process to one check */
	SP_CHECK_UNREAD = 4 << 20	/* bytes that one check has not read: more is not asked */
};

struct sp_asker;
struct sp_inquiry;

struct sp_asker_config {
	uv_loop_t *loop;
	const struct sp_image *img;
	enum sp_role me;		/* SP_FRONT or SP_EGRESS */
};

/* What is asked.  All of it is borrowed during the call. */
struct sp_check_question {
	const struct sp_principal *who;
	enum sp_component_kind kind;
	const struct sp_component *what;	/* NULL: about a list of that kind */
	uint32_t tool;				/* index in the image, for its tags; or UINT32_MAX */
	bool	 has_args;
	sp_slice args;				/* JSON object */
	sp_slice peer;
};

SP_MUST enum sp_status sp_asker_new(const struct sp_asker_config *cfg, struct sp_asker **out);
/* Inquiries that are open then are forgotten without a call; they may be freed before or after. */
void sp_asker_free(struct sp_asker **a);
/* A channel to the process of this check; the descriptor is taken over.  It replaces the one before. */
SP_MUST enum sp_status sp_asker_peer(struct sp_asker *a, uint32_t check, int fd);

/* Asks these checks (bits over the image's).  done() comes once, never from inside this call, unless the inquiry is freed
 * before.  SP_E_FULL: no memory. */
SP_MUST enum sp_status sp_ask_checks(struct sp_asker *a, const struct sp_check_question *q, uint64_t checks,
    void (*done)(void *ctx), void *ctx, struct sp_inquiry **out);
/* After done(): one answer for each check that was asked; they live as long as the inquiry. */
const struct sp_check_said *sp_inquiry_said(const struct sp_inquiry *i, uint32_t *n);
void sp_inquiry_free(struct sp_inquiry **i);		/* NULL-safe */

/* The question as a message, without id and deadline.  Lists are written to `o`, which must stay. */
SP_MUST bool sp_check_question_write(const struct sp_image *img, const struct sp_check_question *q, struct sp_out *o, struct sp_m_check *m);
/* The client's network address without its port, "local" for a Unix socket; empty: unknown. */
sp_slice sp_peer_text(int fd, char buf[SP_PEER_MAX]);

#endif

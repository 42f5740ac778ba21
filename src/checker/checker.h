/*
 * The process of one check of somebody's own: a plug-in, which is foreign code in a jail of its own, or a decision point,
 * which is asked over HTTP.  It has channels to fronts and to the egresses of upstreams, which ask; it holds no secret, and
 * is believed in nothing but its own verdict.
 */
#ifndef SP_CHECKER_CHECKER_H
#define SP_CHECKER_CHECKER_H

#include "image/image.h"
#include "ipc/channel.h"
#include "policy/checked.h"

enum {
	SP_CHECKER_MS = 2000,		/* at most, for one answer */
	SP_CHECKER_UNREAD = 1 << 20	/* bytes of answers that an asker has not read: then it loses its channel */
};

struct sp_checker_asker;

/* What a check says. */
struct sp_verdict { enum sp_check_verdict verdict; sp_slice text, scopes; };

/* Answers, unless the asker has gone meanwhile. */
void sp_checker_answer(struct sp_checker_asker *to, uint32_t id, const struct sp_verdict *v);

/* A plug-in. */
struct sp_plugin;
/* Between Landlock and the system call filter: constructors run now.  `fd`: the shared object.  `name` is the check's. */
SP_MUST enum sp_status sp_plugin_load(int fd, sp_slice name, struct sp_plugin **out, struct sp_err *e);
/* Runs it; what it says lives until the next call.  Takes longer than SP_CHECKER_MS: SIGALRM ends the process. */
void sp_plugin_ask(struct sp_plugin *p, const struct sp_m_check *m, struct sp_verdict *out);

/* A decision point. */
struct sp_point;
struct sp_tls_context;
struct sp_point_config {
	uv_loop_t *loop;
	const struct sp_image *img;
	uint32_t index;			/* into its checks */
	struct sp_tls_context *tls;	/* borrowed; NULL when the decision point is in clear text */
	/* Called once for each question that was put, unless its asker was forgotten. */
	void	(*answer)(struct sp_checker_asker *to, uint32_t id, const struct sp_verdict *v);
};
/* sp_crypto_init() and sp_secret_init() come first. */
SP_MUST enum sp_status sp_point_new(const struct sp_point_config *cfg, struct sp_point **out, struct sp_err *e);
void sp_point_free(struct sp_point **p);
SP_MUST enum sp_status sp_point_dialer(struct sp_point *p, int fd);
/* May answer before it returns. */
void sp_point_ask(struct sp_point *p, struct sp_checker_asker *from, const struct sp_m_check *m);
void sp_point_forget(struct sp_point *p, const struct sp_checker_asker *from);

#endif

/*
 * Connections to the one upstream of this process, over sockets that dialer hands in.  A connection belongs to one
 * origin, and one that has carried one credential identity never carries another; before it is used again it must be silent and open.  A request is
 * sent again once only if its connection was used before, no byte of an answer came, and its method is GET or HEAD, or
 * if the kernel did not take a single byte of it.  What the upstream says is untrusted: head, body, time and the memory
 * of all answers together are bounded.
 */
#ifndef SP_EGRESS_POOL_H
#define SP_EGRESS_POOL_H

#include "base/err.h"
#include "base/out.h"
#include "tls/client.h"
#include "wire/http1.h"

#include <uv.h>

enum {
	SP_POOL_CONNS = 64, SP_POOL_LASTING = SP_POOL_CONNS / 2, SP_POOL_WAITING = 1024, SP_POOL_IDLE_MS = 4000, SP_POOL_HANDSHAKE_MS = 10000,
	SP_POOL_HEAD = 57344,		/* the head of a request, in locked memory */
	SP_POOL_BUFFERED = 64 << 20,	/* bytes of unfinished answers of this process */
};

struct sp_pool;
struct sp_upconn;

/* One request; part of what its owner keeps.  The owner sets the first group before sp_pool_submit(). */
struct sp_pool_job {
	uint32_t identity;		/* of its credentials, from 1 */
	uint32_t origin;		/* which origin: 0 the server's own */
	bool	 safe;			/* GET or HEAD */
	bool	 stream;		/* the answer's body comes in pieces, by begin() and piece(), as it arrives */
	bool	 lasting;		/* a stream that may wait for long: at most SP_POOL_LASTING of them, so that calls go on */
	bool	 no_body;		/* HEAD: the answer has none */
	sp_slice body;			/* must stay until the job is over */
	uint64_t limit;			/* bytes of the answer's body; 0: the pool's limit, which is also the most */

	struct sp_pool_job *next, *prev;	/* the pool's own from here */
	struct sp_upconn *conn;
	bool	 waiting, sent, again;
	uint64_t bytes_out, bytes_in;
};

struct sp_pool_answer {			/* everything in it is the upstream's; valid during the call */
	unsigned status;
	sp_slice media;
	const struct sp_http_head *head;	/* all of its fields; NULL at the end of a stream, which had them in begin() */
	sp_slice body;			/* empty for streams */
};

enum sp_pool_fault {
	SP_POOL_UNREACHABLE = 1,	/* no connection: nothing was sent */
	SP_POOL_REFUSED,		/* head() said no: nothing was sent */
	SP_POOL_BROKEN,			/* the connection ended before the answer did */
	SP_POOL_GARBAGE,		/* not an acceptable answer */
	SP_POOL_TOO_BIG,		/* answer over its limit */
	SP_POOL_CODING,			/* an answer in a coding that was not asked for */
	SP_POOL_CROWDED,		/* all answers together over theirs */
	SP_POOL_FAULTS
};

struct sp_pool_ops {
	/* Writes the head of the request into `o`, right before it is sent (again); not OK: the job fails as REFUSED,
	 * and *status is what this said. */
	enum sp_status (*head)(void *ctx, struct sp_pool_job *job, struct sp_out *o);
	/* Exactly one of these two ends a job.  `why` is a constant text for the log; status: of the answer, or 0. */
	void (*answer)(void *ctx, struct sp_pool_job *job, const struct sp_pool_answer *a);
	void (*failed)(void *ctx, struct sp_pool_job *job, enum sp_pool_fault fault, enum sp_status st,
	    unsigned status, const char *why);
	/* Of streams: the head is there; then the body as it comes, any number of times; answer() or failed() still ends the
	 * job.  False: enough, the job is over without a further call and its connection is closed.  There is no limit on
	 * the whole of a stream: that, and its time, are the owner's to watch.  Both may be NULL where no job is a stream. */
	bool (*begin)(void *ctx, struct sp_pool_job *job, const struct sp_pool_answer *a);
	bool (*piece)(void *ctx, struct sp_pool_job *job, sp_slice part);
	/* Asks dialer for a connection; false: there is no dialer now (sp_pool_dialer() tells of the next one). */
	bool (*dial)(void *ctx, uint32_t id, uint32_t origin);
};

struct sp_pool_config {
	uv_loop_t *loop;
	const struct sp_pool_origin { struct sp_tls_context *tls; sp_slice host; bool literal; } *origins;
	uint32_t norigins;		/* copied, but for the text of the hosts; tls NULL: in clear text; host: of the certificate */
	uint64_t limit_answer;
	void	*head;			/* SP_POOL_HEAD bytes of locked memory, shared with other pools of the loop; NULL: its own */
	const struct sp_pool_ops *ops;
	void	*ctx;
};

/* sp_secret_init() must have been called: the buffer for heads is locked memory. */
SP_MUST enum sp_status sp_pool_new(const struct sp_pool_config *cfg, struct sp_pool **out, struct sp_err *e);
/* Closes everything; jobs are forgotten without a call. */
void sp_pool_free(struct sp_pool **p);

/* May send at once, and may call back before it returns.  SP_E_UNAVAILABLE: too many wait, or too many are lasting;
 * SP_E_BUG: no such origin. */
SP_MUST enum sp_status sp_pool_submit(struct sp_pool *p, struct sp_pool_job *job);
/* No callback follows.  A request under way costs its connection.  Allowed inside begin() and piece() too. */
void sp_pool_cancel(struct sp_pool *p, struct sp_pool_job *job);

/* A dialer is there (again): connections that were asked for before are asked for anew. */
void sp_pool_dialer(struct sp_pool *p);
/* Its answers; `fd` is the pool's now. */
void sp_pool_dialed(struct sp_pool *p, uint32_t id, int fd);
void sp_pool_dial_failed(struct sp_pool *p, uint32_t id, const char *why);
/* Credentials have changed: no connection outlives the request it carries now. */
void sp_pool_retire(struct sp_pool *p);
unsigned sp_pool_connections(const struct sp_pool *p);

#endif

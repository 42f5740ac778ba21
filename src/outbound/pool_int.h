/* Shared by pool.c (which connection for whom) and upconn.c (one connection). */
#ifndef SP_EGRESS_POOL_INT_H
#define SP_EGRESS_POOL_INT_H

#include "outbound/pool.h"
#include "wire/http1.h"

enum { SP_POOL_READ = 65536, SP_POOL_ANSWER_HEAD = 65536, SP_POOL_MEDIA = 128 };

enum sp_upconn_state { SP_UP_SHAKE, SP_UP_IDLE, SP_UP_BUSY, SP_UP_GONE };

struct sp_upconn {
	struct sp_pool *pool;
	uv_poll_t poll;
	int	 fd, events;
	enum sp_upconn_state state;
	struct sp_tls *tls;
	uint32_t origin, identity;	/* identity 0: has carried nothing yet */
	bool	 used, old;		/* it carried a request; credentials changed since */
	uint64_t since_ms;		/* in this state */
	uint64_t idle_ms;		/* how long it may be idle */

	struct sp_pool_job *job;
	sp_slice head, body;		/* still to be written; head: in `rest` */
	char	*rest;			/* locked memory */
	bool	 reused;		/* this request found it used */

	struct sp_http1 http;
	bool	 heard;			/* a byte of the answer came */
	struct sp_out carry;		/* an unfinished head */
	struct sp_out text;		/* of the body */
	sp_slice direct;		/* a body that lies in the read buffer as a whole */
	sp_slice raw;			/* the bytes of the head, in the read buffer or in `carry`, until they are in `kept` */
	struct sp_out kept;		/* the head of an answer that came with several reads */
	unsigned status;
	char	 media[SP_POOL_MEDIA];
	size_t	 media_n;
};

/* An origin, and its jobs and connections on the way to each other. */
struct sp_pool_place {
	struct sp_pool_origin at;
	unsigned waiting, dialing, shaking;
};

struct sp_pool {
	struct sp_pool_config cfg;
	struct sp_pool_place *places;	/* cfg.norigins of them */
	uint32_t turn;			/* the place that is asked first whether it needs a connection */
	uv_timer_t *sweep;
	bool	 sweeping;
	struct sp_upconn *conns[SP_POOL_CONNS];
	unsigned n;
	uint32_t next_id;
	struct { uint32_t id, origin; } dials[SP_POOL_CONNS];	/* that dialer has not answered */
	unsigned ndials;
	struct sp_pool_job *first, *last;	/* waiting */
	unsigned nwaiting, nlasting;
	size_t	 buffered;
	void	*head;			/* locked */
	char	*read;			/* SP_POOL_READ bytes, for whoever reads now */
};

/* upconn.c */
/* Takes over fd.  SP_E_UPSTREAM: no trust store; SP_E_SYSTEM. */
SP_MUST enum sp_status sp_upconn_new(struct sp_pool *p, uint32_t origin, int fd);
void sp_upconn_close(struct sp_upconn *c);
/* Is it silent and open?  False: it must be closed. */
SP_MUST bool sp_upconn_silent(struct sp_upconn *c);
/* False: head() refused; the job has failed and the connection is as it was. */
bool sp_upconn_send(struct sp_upconn *c, struct sp_pool_job *job);

/* pool.c, told by upconn.c */
void sp_pool_ready(struct sp_upconn *c);		/* handshake done */
void sp_pool_unready(struct sp_upconn *c, const char *why);	/* handshake failed; c is closed by this */
void sp_pool_idle(struct sp_upconn *c);			/* its answer is complete, and it may be used again */
void sp_pool_resubmit(struct sp_pool *p, struct sp_pool_job *job);
/* Every end of a job comes by here, before its owner is told. */
void sp_pool_over(struct sp_pool *p, struct sp_pool_job *job);
void sp_pool_kick(struct sp_pool *p);

#endif

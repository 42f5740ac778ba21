/*
 * The egress of an introspection endpoint (RFC 7662): it holds what we are to that endpoint, sends it the tokens that keeper
 * asks about, reads what it says and gives keeper typed fields: who bears the token, or that it is not good, or that there
 * was no answer.  It remembers nothing.  A token goes nowhere else, and into no log; nor does anything of an answer that
 * repeats our secret.
 */
#ifndef SP_EGRESS_ENDPOINT_H
#define SP_EGRESS_ENDPOINT_H

#include "image/image.h"
#include "ipc/codec.h"
#include "os/shared.h"
#include "outbound/pool.h"

enum {
	SP_ENDPOINT_MS = 5000,			/* for one question */
	SP_ENDPOINT_QUESTIONS = 256,		/* at once; more are not asked */
	SP_ENDPOINT_REGION = 524288,		/* locked memory: the client's secret, heads, bodies */
};

struct sp_endpoint;

struct sp_endpoint_config {
	uv_loop_t *loop;
	const struct sp_image *img;
	uint32_t index;				/* into its authorities; one with a source */
	struct sp_tls_context *tls;		/* borrowed; NULL when the endpoint is in clear text */
	struct sp_counters *counters;		/* may be NULL */
	uint32_t row;
};

/* sp_crypto_init() and sp_secret_init() come first. */
SP_MUST enum sp_status sp_endpoint_new(const struct sp_endpoint_config *cfg, struct sp_endpoint **out, struct sp_err *e);
/* A channel to keeper or dialer; the descriptor is taken over.  It replaces the one before. */
SP_MUST enum sp_status sp_endpoint_peer(struct sp_endpoint *ep, enum sp_role role, int fd);
/* The memory goes when the loop has let go of it. */
void sp_endpoint_free(struct sp_endpoint **ep);

#endif

/*
 * The management API: a front without listeners.  Connections come from dialer, made for
 * the egress that guards this API like any other upstream; each request is authenticated by
 * a key of its own and becomes one question to keeper. What is not in the table of routes
 * does not exist; creating tokens or secrets is not in it.
 */
#ifndef SP_FRONT_MANAGE_H
#define SP_FRONT_MANAGE_H

#include "http/conn.h"
#include "ipc/channel.h"

struct sp_manage {
	struct sp_hub hub;
	uv_loop_t *loop;
	struct sp_chan *keeper, *dialer;
	uint8_t	 key[32];		/* SHA-256 of the key */
	bool	 has_key;
	void   (*done)(void *ctx);
	void	*done_ctx;
};

SP_MUST enum sp_status sp_manage_init(struct sp_manage *m, uv_loop_t *loop, struct sp_hash_key seed,
    struct sp_err *e);
void sp_manage_close(struct sp_manage *m);
/* A channel to keeper or dialer; takes over fd. */
SP_MUST enum sp_status sp_manage_peer(struct sp_manage *m, enum sp_role role, int fd);

struct sp_manage_ask { enum sp_admin_op op; sp_slice name; uint32_t lines; };
/* A request line to an operation; SP_E_NOT_FOUND, SP_E_METHOD (*allow says what),
 * SP_E_BAD_REQUEST.  `name` lies in `a`. */
SP_MUST enum sp_status sp_manage_route(struct sp_arena *a, const struct sp_http_head *head, struct sp_manage_ask *out,
    const char **allow);

#endif

/* keeper as a role (os/role.h): what main hands over, and what tests call. */
#ifndef SP_KEEPER_ROLE_H
#define SP_KEEPER_ROLE_H

#include "os/role.h"

SP_MUST enum sp_status sp_keeper_prepare(struct sp_boot *b, void **ctx, struct sp_err *e);
SP_MUST enum sp_status sp_keeper_start(void *ctx, struct sp_err *e);
SP_MUST enum sp_status sp_keeper_new_peer(void *ctx, const struct sp_m_peer *who, int fd);
SP_MUST bool sp_keeper_message(void *ctx, unsigned type, sp_slice body, const int *fds, unsigned nfds);
void sp_keeper_drain(void *ctx, uint32_t ms);

#endif

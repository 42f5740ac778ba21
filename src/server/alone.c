/* For tests of the engine by itself: a server whose handlers ask nothing, whose tools are no tasks, without providers. */
#include "server/server_int.h"

#include <stdlib.h>

struct sp_seal { int none; };

struct sp_seal *
sp_seal_new(const uint8_t *key)
{
	return calloc(1, sizeof(struct sp_seal));
}

void
sp_seal_free(struct sp_seal **seal)
{
	free(*seal);
	*seal = NULL;
}

enum sp_status
sp_ask_read(struct sp_context *c, struct sp_err *e)
{
	return SP_OK;
}

bool
sp_ask_pending(const struct sp_context *c)
{
	return false;
}

bool
sp_ask_out(struct sp_context *c)
{
	return false;
}

void
sp_ask_response(struct sp_server *s, struct sp_session *session, sp_slice id, sp_jval *root)
{
}

void
sp_ask_end(struct sp_context *c)
{
}

bool
sp_tasks_new(struct sp_server *s)
{
	return true;
}

void
sp_tasks_free(struct sp_server *s)
{
}

void
sp_tasks_tick(struct sp_server *s, uint64_t now_ms)
{
}

bool
sp_task_client_can(const struct sp_context *c)
{
	return (c->caps & SP_CLIENT_TASKS) != 0;
}

void
sp_task_start(struct sp_context *c)
{
}

void
sp_task_done(struct sp_context *c, bool is_error, sp_slice object)
{
}

void
sp_task_end(struct sp_context *c)
{
}

void
sp_task_get(struct sp_context *c)
{
	sp_call_refuse(c, SP_E_BAD_PARAMS, (sp_slice){ NULL, 0 }, (sp_slice){ NULL, 0 });
}

void
sp_task_update(struct sp_context *c)
{
	sp_task_get(c);
}

void
sp_task_cancel(struct sp_context *c)
{
	sp_task_get(c);
}

bool
sp_task_is(const struct sp_server *s, const uint8_t mark[32], sp_slice task_id)
{
	return false;
}

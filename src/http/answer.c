#include "http/answer.h"

#include "mcp/rpc.h"

static void
write_body(struct sp_out *o, enum sp_status st, sp_slice message)
{
	const struct sp_errinfo *info = sp_errinfo(st);

	if (info->rpc != 0) {
		sp_rpc_error(o, (sp_slice){ NULL, 0 }, st, message, (sp_slice){ NULL, 0 });
		return;
	}
	sp_out_str(o, "{\"error\":");
	sp_jout_str(o, message.n == 0 ? sp_str(info->text) : message);
	sp_out_byte(o, '}');
}

void
sp_answer_status(struct sp_conn *c, enum sp_status st, sp_slice message)
{
	unsigned http = sp_errinfo(st)->http;
	struct sp_answer a = { .status = http < 400 ? 500 : http, .type = SP_JSON_TYPE };
	char buf[512];
	struct sp_out o;
	sp_slice body;

	sp_out_init(&o, buf, sizeof buf);
	write_body(&o, st, message);
	body = o.full ? SP_LIT("{}") : sp_out_view(&o);
	if (a.status == 503)
		a.retry_after_s = 1;
	sp_conn_answer(c, &a, &body, 1);
}

void
sp_answer_method(struct sp_conn *c, sp_slice allow)
{
	struct sp_answer a = { .status = sp_errinfo(SP_E_METHOD)->http, .type = SP_JSON_TYPE };
	sp_slice body = SP_LIT("{\"error\":\"method not allowed\"}");

	a.extra[a.nextra].name = "Allow";
	a.extra[a.nextra++].value = allow;
	sp_conn_answer(c, &a, &body, 1);
}

#include "http/answer.h"

#include "mcp/rpc.h"
#include "wire/challenge.h"

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

bool
sp_answer_reads_only(struct sp_conn *c)
{
	if (c->w->http.head.method == SP_GET || c->w->http.head.method == SP_HEAD)
		return true;
	sp_answer_method(c, SP_LIT("GET, HEAD"));
	return false;
}

void
sp_answer_health(struct sp_conn *c, bool well)
{
	struct sp_answer a = { .status = well ? 200 : 503, .type = SP_LIT("text/plain; charset=utf-8"),
	    .retry_after_s = well ? 0 : 1 };
	sp_slice body = well ? SP_LIT("ok\n") : SP_LIT("unavailable\n");

	if (sp_answer_reads_only(c))
		sp_conn_answer(c, &a, &body, 1);
}

void
sp_answer_metadata(struct sp_conn *c, sp_slice json)
{
	struct sp_answer a = { .status = 200, .type = SP_JSON_TYPE, .cache = SP_LIT("public, max-age=300") };

	switch (c->w->http.head.method) {
	case SP_GET:
	case SP_HEAD:
		sp_conn_answer(c, &a, &json, 1);
		return;
	case SP_OPTIONS:
		a = (struct sp_answer){ .status = 204 };
		a.extra[a.nextra].name = "Allow";
		a.extra[a.nextra++].value = SP_LIT("GET, HEAD, OPTIONS");
		sp_conn_answer(c, &a, NULL, 0);
		return;
	default:
		sp_answer_method(c, SP_LIT("GET, HEAD, OPTIONS"));
	}
}

/* design.md section 2: no credential gets no error word; every bad token gets the same words. */
void
sp_answer_challenge(struct sp_conn *c, enum sp_status st, sp_slice scope, sp_slice metadata_url)
{
	const struct sp_errinfo *info = sp_errinfo(st);
	sp_slice word = sp_str(info->oauth), none = { NULL, 0 }, body;
	struct sp_answer a = { .status = info->http };
	struct sp_out o, value;

	sp_out_heap(&o, 131072);
	sp_out_heap(&value, 65536);
	sp_challenge_write(&value, word, word.n == 0 ? none : sp_str(info->text), scope, metadata_url);
	a.extra[a.nextra].name = "WWW-Authenticate";
	a.extra[a.nextra++].value = sp_out_view(&value);
	/* Nothing was offered, so nothing was wrong: the challenge says it all. */
	if (word.n != 0) {
		a.type = SP_JSON_TYPE;
		sp_out_str(&o, "{\"error\":");
		sp_jout_str(&o, word);
		sp_out_str(&o, ",\"error_description\":");
		sp_jout_str(&o, sp_str(info->text));
		if (scope.n != 0) {
			sp_out_str(&o, ",\"scope\":");
			sp_jout_str(&o, scope);
		}
		sp_out_byte(&o, '}');
	}
	body = sp_out_view(&o);
	if (value.full || o.full)
		sp_answer_status(c, SP_E_FULL, none);
	else
		sp_conn_answer(c, &a, &body, word.n == 0 ? 0 : 1);
	sp_out_free(&value);
	sp_out_free(&o);
}

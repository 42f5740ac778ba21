#include "outbound/answer.h"

bool
sp_answer_clear(const struct sp_scrub *s, sp_slice *text, struct sp_out *o)
{
	struct sp_scrub_state st = { 0 };
	enum sp_status r;

	if (s == NULL)
		return false;
	if (sp_scrub_clean(s, *text))
		return true;
	r = sp_scrub_run(s, &st, *text, true, o);
	sp_scrub_state_free(&st);
	*text = sp_out_view(o);
	return r == SP_OK;
}

static bool
write_result(const struct sp_scrub *s, const struct sp_pool_answer *a, enum sp_op_result form, struct sp_out *scrubbed,
    struct sp_out *o, const char **incident)
{
	sp_slice body = a->body, media = a->media;
	bool ok;

	if (s == NULL || !sp_scrub_clean(s, media))
		media = (sp_slice){ NULL, 0 };
	ok = sp_answer_clear(s, &body, scrubbed);
	if (!ok || body.p != a->body.p || media.p != a->media.p)
		*incident = ok ? "the upstream's answer held a secret; it was removed" :
		    "the upstream's answer could not be cleared of secrets";
	if (!ok)
		return false;
	sp_result_http(o, a->status, media, body, form);
	/* What leaves is looked at once more, as it leaves. */
	if (!o->full && !sp_scrub_clean(s, sp_out_view(o))) {
		*incident = "a result held a secret after it was cleared; it was dropped";
		return false;
	}
	return true;
}

enum sp_answered
sp_answer_result(const struct sp_scrub *s, const struct sp_pool_answer *a, enum sp_op_result form, struct sp_out *scrubbed,
    struct sp_out *o, const char **incident)
{
	*incident = NULL;
	if (a->status >= 300 && a->status <= 399)
		return SP_ANSWERED_REDIRECT;
	if (!write_result(s, a, form, scrubbed, o, incident))
		return SP_ANSWERED_DIRTY;
	return o->full ? SP_ANSWERED_TOO_BIG : SP_ANSWERED;
}

sp_slice
sp_answered_text(enum sp_answered how)
{
	switch (how) {
	case SP_ANSWERED_REDIRECT:
		return SP_LIT("the upstream answered with a redirect, which is not followed");
	case SP_ANSWERED_TOO_BIG:
		return SP_LIT("the upstream's answer is too large");
	case SP_ANSWERED_DIRTY:
	case SP_ANSWERED:
		break;
	}
	return SP_LIT("the upstream's answer could not be cleared of secrets and is not shown");
}

sp_slice
sp_pool_fault_text(enum sp_pool_fault fault, bool sent)
{
	static const sp_slice texts[SP_POOL_FAULTS] = {
		[SP_POOL_UNREACHABLE] = SP_LIT_INIT("the upstream could not be reached; nothing was sent"),
		[SP_POOL_BROKEN] = SP_LIT_INIT("the upstream ended the connection early; the outcome is unknown"),
		[SP_POOL_GARBAGE] = SP_LIT_INIT("the upstream's answer is not valid HTTP; the outcome is unknown"),
		[SP_POOL_TOO_BIG] = SP_LIT_INIT("the upstream's answer is too large"),
		[SP_POOL_CODING] = SP_LIT_INIT("the upstream's answer is in an encoding that was not asked for"),
		[SP_POOL_CROWDED] = SP_LIT_INIT("there is no room for the upstream's answer; the outcome is unknown"),
	};

	return texts[fault == SP_POOL_UNREACHABLE && sent ? SP_POOL_BROKEN : fault];
}

sp_slice
sp_inject_fault_text(enum sp_status st)
{
	switch (st) {
	case SP_E_REFUSED:
		return SP_LIT("refused: the credential is not granted for this request");
	case SP_E_TOO_BIG:
		return SP_LIT("arguments: too large for a request");
	default:
		return SP_LIT("the credential for this tool is not available; the operator's log names it");
	}
}

sp_slice
sp_bind_fault_text(enum sp_status st, const struct sp_err *e)
{
	switch (st) {
	case SP_E_BAD_PARAMS:
		return e->pub[0] == '\0' ? SP_LIT("arguments: not acceptable") : sp_str(e->pub);
	case SP_E_TOO_BIG:
		return SP_LIT("arguments: too large or too complex");
	case SP_E_REFUSED:
		return SP_LIT("refused: these arguments are not allowed");
	default:
		return (sp_slice){ NULL, 0 };
	}
}

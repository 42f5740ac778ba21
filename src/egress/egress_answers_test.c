/* What upstreams may answer, at once and byte by byte: each a clean result or tool error. */
#include "egress/playworld.h"

#define OK_HEAD "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"

static const struct {
	const char *name, *answer, *want;
	bool hang_up, incident;
	uint32_t outcome;
	unsigned status;
} answers[] = {
	{ "M12 401 with its own challenge", "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer realm=\"up\"\r\nSet-Cookie: a=b\r\n"
	    "Content-Length: 2\r\n\r\nno", "the upstream answered 401 Unauthorized", false, false, SP_DONE, 401 },
	{ "M11 redirect", "HTTP/1.1 302 Found\r\nLocation: http://evil/\r\nContent-Length: 0\r\n\r\n",
	    "redirect, which is not followed", false, false, SP_DONE, 302 },
	{ "M14 gzip", OK_HEAD "Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x08", "encoding that was not asked for",
	    false, false, SP_FAILED, 200 },
	{ "M13 key in the body", OK_HEAD "Content-Length: 28\r\n\r\n{\"k\":\"" TW_KEY "\"}", "[redacted]", false, true, SP_DONE, 200 },
	{ "M13 key in an error body, base64", "HTTP/1.1 500 Oops\r\nContent-Length: 34\r\n\r\nkey: azN5LTlmOGU3ZDZjNWI0YTM5Mjg=!",
	    "[redacted]", false, true, SP_DONE, 500 },
	{ "M13 key in two chunks", OK_HEAD "Transfer-Encoding: chunked\r\n\r\n9\r\n" "k3y-9f8e7\r\nb\r\nd6c5b4a3928\r\n0\r\n\r\n",
	    "[redacted]", false, true, SP_DONE, 200 },
	{ "M13 key of another tool", OK_HEAD "Content-Length: 23\r\n\r\n" TW_KEY2, "[redacted]", false, true, SP_DONE, 200 },
	{ "M13 password of another tool alone", OK_HEAD "Content-Length: 13\r\n\r\ncorrect-horse", "[redacted]", false, true, SP_DONE, 200 },
	{ "M13 key in the type", "HTTP/1.1 200 OK\r\nContent-Type: x/" TW_KEY "\r\nContent-Length: 1\r\n\r\nx", "x",
	    false, true, SP_DONE, 200 },
	{ "M13 key in the reason", "HTTP/1.1 500 " TW_KEY "\r\nContent-Length: 0\r\n\r\n", "500 Internal Server Error", false, false,
	    SP_DONE, 500 },
	{ "K22 body cut short", OK_HEAD "Content-Length: 10\r\n\r\nabc", "outcome is unknown", true, false, SP_FAILED, 200 },
	{ "K22 chunks cut short", OK_HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nabc", "outcome is unknown", true, false, SP_FAILED, 200 },
	{ "K22 closed without an answer", "", "outcome is unknown", true, false, SP_UNKNOWN_OUTCOME, 0 },
	{ "K22 closed within the head", "HTTP/1.1 200 OK\r\nConte", "outcome is unknown", true, false, SP_UNKNOWN_OUTCOME, 0 },
	{ "K22 until the end of the connection", "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nall of it", "all of it", true, false,
	    SP_DONE, 200 },
	{ "K22 garbage", "\x16\x03\x01\x02garbage\r\n\r\n", "not valid HTTP", false, false, SP_UNKNOWN_OUTCOME, 0 },
	{ "K22 says it is larger than allowed", OK_HEAD "Content-Length: 99999999999\r\n\r\n", "too large", false, false,
	    SP_UNKNOWN_OUTCOME, 0 },
	{ "K19 both framings", OK_HEAD "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "not valid HTTP", false, false,
	    SP_UNKNOWN_OUTCOME, 0 },
	{ "K19 two lengths", OK_HEAD "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc", "not valid HTTP", false, false,
	    SP_UNKNOWN_OUTCOME, 0 },
	{ "K19 bare line feeds", "HTTP/1.1 200 OK\nContent-Length: 0\n\n", "not valid HTTP", false, false, SP_UNKNOWN_OUTCOME, 0 },
	{ "K19 folded field", "HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n", "not valid HTTP", false, false,
	    SP_UNKNOWN_OUTCOME, 0 },
	{ "K19 101", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "not valid HTTP", false, false, SP_UNKNOWN_OUTCOME, 0 },
	{ "K19 some 1xx", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" OK_HEAD
	    "Content-Length: 2\r\n\r\nok", "\"text\":\"ok\"", false, false, SP_DONE, 200 },
	{ "empty answer", "HTTP/1.1 204 No Content\r\n\r\n", "\"text\":\"\"", false, false, SP_DONE, 204 },
};

static void
one_answer(size_t i, bool drop_by_drop)
{
	sp_slice text = sp_str(answers[i].answer);
	struct sp_audit_record r;
	bool incident = false, outcome = false;
	struct play w;
	uint32_t id;

	pw_open(&w);
	id = pw_call(&w, T_GET);
	assert_true(pw_heard(&w, 0).n != 0);
	if (!drop_by_drop)
		pw_say(&w, 0, text);
	for (size_t k = 0; drop_by_drop && k < text.n; k++)
		pw_say(&w, 0, sp_sub(text, k, 1));
	if (answers[i].hang_up)
		pw_hang_up(&w, 0);
	want_text(answers[i].name, &w, id, answers[i].want);
	/* Always: no secret, nothing of the upstream's head. */
	for (unsigned k = 0; k < w.nreplies; k++)
		if (strstr(w.replies[k].text, TW_KEY) != NULL || strstr(w.replies[k].text, TW_KEY2) != NULL ||
		    strstr(w.replies[k].text, "realm") != NULL || strstr(w.replies[k].text, "evil") != NULL)
			fail_msg("%s: %s", answers[i].name, w.replies[k].text);
	while (pw_record(&w, &r)) {
		incident = incident || r.kind == SP_AUDIT_INCIDENT;
		if (r.kind != SP_AUDIT_OUTCOME)
			continue;
		outcome = true;
		if (r.outcome != answers[i].outcome || r.status != answers[i].status)
			fail_msg("%s: outcome %u, status %u", answers[i].name, r.outcome, r.status);
	}
	if (!outcome || incident != answers[i].incident)
		fail_msg("%s: outcome %d, incident %d", answers[i].name, outcome, incident);
	assert_int_equal(w.eg.ncalls, 0);
	assert_int_equal(w.eg.open_intents, 0);
	pw_close(&w);
}

static void
test_answers(void **state)
{
	for (size_t i = 0; i < SP_COUNT(answers); i++)
		for (int drops = 0; drops < 2; drops++)
			one_answer(i, drops);
}

static void
test_endless(void **state)
{
	struct play w;
	uint32_t id;

	/* K22: chunks without end */
	pw_open(&w);
	id = pw_call(&w, T_GET);
	pw_say(&w, 0, SP_LIT(OK_HEAD "Transfer-Encoding: chunked\r\n\r\n"));
	for (int i = 0; i < 5000 && !pw_reply(&w, id)->done; i++) {
		char chunk[1024 + 8] = "400\r\n";

		memset(chunk + 5, 'x', 1024);
		memcpy(chunk + 5 + 1024, "\r\n", 2);
		pw_say(&w, 0, sp_mem(chunk, 1024 + 7));
	}
	want_error("K22 endless", &w, id, "too large");
	/* K19: 1xx without end */
	id = pw_call(&w, T_GET);
	for (int i = 0; i < 100 && !pw_reply(&w, id)->done; i++)
		pw_say(&w, 1, SP_LIT("HTTP/1.1 102 Processing\r\n\r\n"));
	want_error("K19 1xx flood", &w, id, "not valid HTTP");
	/* K22: a head without end */
	id = pw_call(&w, T_GET);
	pw_say(&w, 2, SP_LIT("HTTP/1.1 200 OK\r\n"));
	for (int i = 0; i < 5000 && !pw_reply(&w, id)->done; i++)
		pw_say(&w, 2, SP_LIT("X-A: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\n"));
	want_error("K22 endless head", &w, id, "not valid HTTP");
	assert_int_equal(w.eg.ncalls, 0);
	pw_close(&w);
}

int
main(void)
{
	const struct CMUnitTest all[] = { cmocka_unit_test(test_answers), cmocka_unit_test(test_endless) };

	return cmocka_run_group_tests(all, tw_secrets, tw_secrets_end);
}

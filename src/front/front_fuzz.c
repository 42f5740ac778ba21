/*
 * Whatever a client sends to a whole front, in two arrivals: what comes back is a row of
 * well-formed HTTP answers, after a refusal with "close" nothing follows, and no token of
 * ours is in it.  Nothing answers calls: they wait, as streams do, until the client has gone.
 */
#include "front/testworld.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct world *w;
static const struct ti_rule rules[] = { { .verb = SP_VERB_ALLOW, .server = 1, .what = SP_SELECT_ALL, .anyone = true } };

static void
start(void)
{
	static struct world world;

	w = &world;
	tw_open(w, &(struct ti_options){ .anonymous = true, .waits = true, .mcp = 1, .rules = rules, .nrules = SP_COUNT(rules) });
	tw_wiki(w, 1);
	tw_item(w, 1, SP_COMPONENT_RESOURCE, "{\"uri\":\"doc://a\",\"name\":\"a\"}");
	tw_item(w, 1, SP_COMPONENT_PROMPT, "{\"name\":\"hello\"}");
	tw_catalog(w, 1, 2, SP_CAP_RESOURCES | SP_CAP_PROMPTS | SP_CAP_SUBSCRIBE);
	w->auto_result = NULL;
	sp_log_init("fuzz", SP_ERROR);
}

static void
check_answers(sp_slice got)
{
	static struct sp_http1 h;
	bool last = false;

	sp_http_init(&h, SP_HTTP_RESPONSE, (struct sp_http_limits){ 65536, 1 << 24 });
	assert_true(!tw_has(got, TW_READER) && !tw_has(got, TW_ADMIN));
	while (sp_take(&got, SP_LIT("HTTP/1.1 100 Continue\r\n\r\n")))
		;
	while (got.n != 0) {
		enum sp_http_step step;

		assert_false(last);
		do
			step = sp_http_read(&h, &got);
		while (step == SP_HTTP_BODY || step == SP_HTTP_HEAD);
		/* The answer to HEAD ends after its head, and we do not know here which those are. */
		if (step != SP_HTTP_END)
			return;
		last = !h.head.keep_alive;
		sp_http_next(&h);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	size_t cut = n == 0 ? 0 : data[0] * n / 256;
	bool closed;
	int fd;

	if (w == NULL)
		start();
	if (n == 0 || n > 60000)
		return 0;
	fd = tw_client(w);
	tw_send(w, fd, sp_mem(data + 1, cut == 0 ? 0 : cut - 1));
	tw_send(w, fd, sp_mem(data + (cut == 0 ? 1 : cut), n - (cut == 0 ? 1 : cut)));
	check_answers(tw_take(w, fd, &closed));
	close(fd);
	tw_turn(w, 4);
	assert_int_equal(w->f.hub.nconn, 0);
	assert_int_equal(w->f.nstreams, 0);
	sp_orphans_lost(&w->f, 0);
	sp_orphans_lost(&w->f, 1);
	return 0;
}

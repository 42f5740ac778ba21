/* Asking checks, whose processes are played over socket pairs: good, hostile, late and missing ones (threat row E11). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "check/asker.h"
#include "config/testkit.h"
#include "oauth/verifier.h"
#include "os/role.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

static struct kit_file files[] = {
	{ "sallyport.yaml", "auth: [{type: static}, {type: anonymous}]\nscopes: {a: {says: a}}\n"
	    "checks: {one: https://one.example, two: https://two.example}\n"
	    "servers: {s: {openapi: s.json, url: https://s.example}}\n"
	    "rules: [{allow: s.get, check: one, restrict_tag: ops}, {allow: s.put, check: two}, {allow: s.free, for: anyone}]\n" },
	{ "s.json", KIT_DOC(KIT_OP("get", "get", "\"tags\":[\"zones\"],") "," KIT_OP("post", "put", "") "," KIT_OP("get", "free", "")) },
	{ NULL, NULL },
};

struct env {
	uv_loop_t loop;
	struct sp_imgb b;
	struct sp_image img;
	struct sp_asker *asker;
	struct sp_principal *who;
	struct sp_inquiry *inquiry;
	int	 check[2];		/* their ends; -1: not there */
	unsigned told;
};

static void
turn(struct env *v)
{
	for (int i = 0; i < 3; i++)
		(void)uv_run(&v->loop, UV_RUN_NOWAIT);
}

static void
connect_check(struct env *v, unsigned k)
{
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(sp_asker_peer(v->asker, k, ends[0]), SP_OK);
	if (v->check[k] >= 0)
		close(v->check[k]);
	v->check[k] = ends[1];
}

static int
set_up(void **state)
{
	struct env *v = calloc(1, sizeof *v);
	struct sp_config_opts opts = { .accept_pointless = true };
	struct sp_findings f;
	struct sp_err e = { 0 };

	if (v == NULL || uv_loop_init(&v->loop) != 0 || kit_load(files, opts, &f, &v->b, &v->img) != SP_OK)
		return 1;
	sp_findings_free(&f);
	v->check[0] = v->check[1] = -1;
	*state = v;
	if (sp_principal_make(&v->img, 0, SP_LIT("ann"), SP_LIT("a"), SP_LIT("ops"), &v->who, &e) != SP_OK)
		return 1;
	return sp_asker_new(&(struct sp_asker_config){ &v->loop, &v->img, SP_FRONT }, &v->asker) != SP_OK;
}

static int
tear_down(void **state)
{
	struct env *v = *state;

	sp_inquiry_free(&v->inquiry);
	sp_asker_free(&v->asker);
	for (unsigned k = 0; k < 2; k++)
		if (v->check[k] >= 0)
			close(v->check[k]);
	turn(v);
	sp_principal_drop(&v->who);
	sp_imgb_free(&v->b);
	(void)uv_loop_close(&v->loop);
	free(v);
	return 0;
}

static void
on_done(void *ctx)
{
	struct env *v = ctx;

	v->told++;
}

static void
ask(struct env *v, uint64_t checks, sp_slice args)
{
	uint32_t tool = sp_img_find_tool(&v->img, 0, SP_LIT("s_get"));
	struct sp_component c = sp_component_of_tool(&v->img, tool);
	struct sp_check_question q = { .who = v->who, .kind = SP_COMPONENT_TOOL, .what = &c, .tool = tool, .has_args = true, .args = args,
	    .peer = SP_LIT("192.0.2.7") };

	sp_inquiry_free(&v->inquiry);
	v->told = 0;
	assert_int_equal(sp_ask_checks(v->asker, &q, checks, on_done, v, &v->inquiry), SP_OK);
	assert_int_equal(v->told, 0);		/* never from inside */
	turn(v);
}

/* The question as it came to check k; its id. */
static uint32_t
take(struct env *v, unsigned k, struct sp_m_check *m)
{
	static char buf[1 << 19];
	ssize_t n = recv(v->check[k], buf, sizeof buf, MSG_DONTWAIT);

	assert_true(n > 5 && buf[4] == SP_M_CHECK);
	assert_true(sp_dec_check(sp_mem(buf + 5, (size_t)n - 5), m));
	return m->id;
}

static void
say(struct env *v, unsigned k, uint32_t id, enum sp_check_verdict verdict, const char *text, const char *scopes)
{
	const struct sp_m_checked m = { id, (uint32_t)verdict, sp_str(text), sp_str(scopes) };
	char buf[1100];
	struct sp_out o, body;
	char room[1024];

	sp_out_init(&body, room, sizeof room);
	sp_enc_checked(&body, &m);
	sp_out_init(&o, buf, sizeof buf);
	sp_out_be(&o, body.n, 4);
	sp_out_byte(&o, (char)SP_M_CHECKED);
	sp_out_slice(&o, sp_out_view(&body));
	assert_int_equal(send(v->check[k], o.p, o.n, MSG_NOSIGNAL), (ssize_t)o.n);
	turn(v);
}

static void
expect(struct env *v, unsigned i, enum sp_check_verdict verdict, const char *text)
{
	uint32_t n;
	const struct sp_check_said *s = sp_inquiry_said(v->inquiry, &n);

	assert_int_equal(v->told, 1);
	assert_true(i < n);
	assert_int_equal(s[i].verdict, verdict);
	if (!sp_eq(s[i].text, sp_str(text)))
		fail_msg("%.*s", SP_PRI(s[i].text));
}

static bool
is_open(struct env *v, unsigned k)
{
	char c;

	return recv(v->check[k], &c, 1, MSG_DONTWAIT | MSG_PEEK) != 0;
}

static void
wait_told(struct env *v, int ms)
{
	for (; v->told == 0 && ms > 0; ms -= 10) {
		(void)poll(NULL, 0, 10);
		turn(v);
	}
}

static void
test_question(void **state)
{
	struct env *v = *state;
	struct sp_m_check m;
	sp_slice list, one;

	connect_check(v, 0);
	connect_check(v, 1);
	ask(v, 3, SP_LIT("{\"zone\":\"a\"}"));
	(void)take(v, 1, &m);
	(void)take(v, 0, &m);
	assert_true(sp_eq(m.user, SP_LIT("ann")) && sp_eq(m.source, SP_LIT("static")) && sp_eq(m.scopes, SP_LIT("a")));
	list = m.tags;
	assert_true(sp_text_list_take(&list, &one) && sp_eq(one, SP_LIT("ops")) && list.n == 0);
	list = m.about;
	assert_true(sp_text_list_take(&list, &one) && sp_eq(one, SP_LIT("zones")) && list.n == 0);
	assert_true(sp_eq(m.server, SP_LIT("s")) && sp_eq(m.name, SP_LIT("get")) && sp_eq(m.args, SP_LIT("{\"zone\":\"a\"}")));
	assert_true(sp_eq(m.peer, SP_LIT("192.0.2.7")) && m.kind == SP_COMPONENT_TOOL && m.flags == SP_CHECK_HAS_ARGS);
	assert_true(m.until_ms > sp_mono_ms() && m.until_ms <= sp_mono_ms() + SP_CHECK_MS);
}

static void
test_answers(void **state)
{
	struct env *v = *state;
	struct sp_m_check m;
	uint32_t a, b;

	connect_check(v, 0);
	connect_check(v, 1);
	ask(v, 3, SP_LIT("{}"));
	b = take(v, 1, &m);
	a = take(v, 0, &m);
	say(v, 1, b, SP_CHECK_REFUSED, "no", "");
	assert_int_equal(v->told, 0);
	say(v, 1, b, SP_CHECK_ALLOWED, "", "");		/* a second answer counts for nothing */
	say(v, 0, a + 77, SP_CHECK_ALLOWED, "", "");	/* nor one to what nobody asked */
	say(v, 0, b, SP_CHECK_ALLOWED, "", "");		/* nor for another check */
	assert_int_equal(v->told, 0);
	say(v, 0, a, SP_CHECK_ALLOWED, "", "");
	expect(v, 0, SP_CHECK_ALLOWED, "");
	expect(v, 1, SP_CHECK_REFUSED, "no");
}

/* What a check's process may not say: it loses the channel, and the question has failed. */
static void
test_hostile_answers(void **state)
{
	static const struct { const char *name; enum sp_check_verdict verdict; const char *text, *scopes; } rows[] = {
		{ "E11 a refusal without a text", SP_CHECK_REFUSED, "", "" },
		{ "E11 short without scopes", SP_CHECK_SHORT, "", "" },
		{ "E11 scopes that end a header", SP_CHECK_SHORT, "", "a\"\r\nX: y" },
		{ "E11 scopes and allowed", SP_CHECK_ALLOWED, "", "a" },
		{ "E11 a text of two lines", SP_CHECK_REFUSED, "a\nb", "" },
		{ "E11 a text that is not UTF-8", SP_CHECK_DENIED, "\xff", "" },
		{ "E11 no verdict", (enum sp_check_verdict)9, "", "" },
	};
	struct env *v = *state;

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct sp_m_check m;

		connect_check(v, 0);
		ask(v, 1, SP_LIT("{}"));
		say(v, 0, take(v, 0, &m), rows[i].verdict, rows[i].text, rows[i].scopes);
		if (v->told != 1 || is_open(v, 0))
			fail_msg("%s", rows[i].name);
		expect(v, 0, SP_CHECK_FAILED, "its process ended");
	}
}

static void
test_ends(void **state)
{
	struct env *v = *state;
	struct sp_m_check m;
	uint32_t id;

	/* E11: it crashes. */
	connect_check(v, 0);
	ask(v, 1, SP_LIT("{}"));
	close(v->check[0]);
	v->check[0] = -1;
	turn(v);
	expect(v, 0, SP_CHECK_FAILED, "its process ended");
	/* Not there yet: the question waits for it. */
	ask(v, 1, SP_LIT("{}"));
	assert_int_equal(v->told, 0);
	connect_check(v, 0);
	turn(v);
	id = take(v, 0, &m);
	say(v, 0, id, SP_CHECK_DENIED, "", "");
	expect(v, 0, SP_CHECK_DENIED, "");
	/* Another process in its place: what the one before was asked has failed. */
	ask(v, 1, SP_LIT("{}"));
	connect_check(v, 0);
	turn(v);
	expect(v, 0, SP_CHECK_FAILED, "its process ended");
	/* Nobody wants to know any more. */
	ask(v, 1, SP_LIT("{}"));
	id = take(v, 0, &m);
	sp_inquiry_free(&v->inquiry);
	say(v, 0, id, SP_CHECK_ALLOWED, "", "");
	assert_int_equal(v->told, 0);
}

static void
test_late(void **state)
{
	struct env *v = *state;
	struct sp_m_check m;
	uint32_t id;

	connect_check(v, 0);
	ask(v, 3, SP_LIT("{}"));
	id = take(v, 0, &m);
	wait_told(v, SP_CHECK_MS + 3000);
	expect(v, 0, SP_CHECK_FAILED, "no answer in time");
	expect(v, 1, SP_CHECK_FAILED, "its process is not running");
	say(v, 0, id, SP_CHECK_ALLOWED, "", "");
	expect(v, 0, SP_CHECK_FAILED, "no answer in time");
}

static void
test_limits(void **state)
{
	struct env *v = *state;
	struct sp_inquiry *many[SP_CHECK_OPEN];
	struct sp_check_question list = { .who = v->who, .kind = SP_COMPONENT_PROMPT, .tool = UINT32_MAX };
	struct sp_m_check m;
	char *large = calloc(1, SP_CHECK_ARGS_MAX + 1);

	assert_non_null(large);
	memset(large, 'x', SP_CHECK_ARGS_MAX + 1);
	connect_check(v, 0);
	ask(v, 1, sp_mem(large, SP_CHECK_ARGS_MAX + 1));
	wait_told(v, 1000);
	expect(v, 0, SP_CHECK_FAILED, "the question is too large: arguments of more than 256 kB are shown to no check");
	assert_true(recv(v->check[0], large, 1, MSG_DONTWAIT) < 0);
	free(large);
	for (size_t i = 0; i < SP_COUNT(many); i++)
		assert_int_equal(sp_ask_checks(v->asker, &list, 1, on_done, v, &many[i]), SP_OK);
	ask(v, 1, SP_LIT("{}"));
	wait_told(v, 1000);
	expect(v, 0, SP_CHECK_FAILED, "too many questions are open");
	for (size_t i = 0; i < SP_COUNT(many); i++)
		sp_inquiry_free(&many[i]);
	assert_int_equal(sp_ask_checks(v->asker, &list, 4, on_done, v, &many[0]), SP_E_BUG);	/* no such check */
	connect_check(v, 1);
	assert_int_equal(sp_ask_checks(v->asker, &list, 2, on_done, v, &many[0]), SP_OK);
	turn(v);
	(void)take(v, 1, &m);
	assert_true(m.flags == SP_CHECK_LIST && m.kind == SP_COMPONENT_PROMPT && m.name.n + m.server.n + m.args.n == 0);
	/* The asker goes first: the inquiry stays its owner's. */
	sp_asker_free(&v->asker);
	sp_inquiry_free(&many[0]);
}

static void
test_peers(void **state)
{
	char buf[SP_PEER_MAX];
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_true(sp_eq(sp_peer_text(ends[0], buf), SP_LIT("local")));
	assert_int_equal(sp_peer_text(-1, buf).n, 0);
	close(ends[0]);
	close(ends[1]);
}

#define T(x) cmocka_unit_test_setup_teardown(x, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_question), T(test_answers), T(test_hostile_answers), T(test_ends), T(test_late), T(test_limits), cmocka_unit_test(test_peers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

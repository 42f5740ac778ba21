#include "ipc/codec.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/err.h"

static char room[1 << 20];

/* A question up to the component, about nobody. */
#define CHECK(kind, flags) "\0\0\0\1" kind flags "\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0"

/* A sample of each message: encoded, decoded, encoded again, the bytes must be the same; every truncation and every
 * addition must be refused or (where the last field is "the rest") give other bytes, never read outside. */
static const struct sp_m_boot boot = { SP_FRONT, 3, 7, 9, 2, 1, 70, SP_INFO, 1, { 0x0102030405060708u, UINT64_MAX } };
static const struct sp_m_peer peer = { SP_EGRESS, 1, 2, UINT32_MAX };
static const struct sp_m_drain drain = { 10000 };
static const struct sp_m_gen gen = { 3 };
static const struct sp_m_text text = { SP_LIT_INIT("file:/etc/key") };
static const struct sp_m_call call = { 5, 6, 60000, 9, 5, 2, 8, 1, 3, SP_LIT_INIT("0123456789abcdef0123456789abcdef"),
	SP_LIT_INIT("echo"), SP_LIT_INIT("\"7\""), SP_LIT_INIT("ticket"), SP_LIT_INIT("a.b.c"), SP_LIT_INIT("{\"a\":1}"),
	SP_LIT_INIT("192.0.2.1") };
static const struct sp_m_result result = { 5, SP_RESULT_WHOLE, 100, SP_LIT_INIT("{\"content\":[]}") };
static const struct sp_m_note note = { 5, SP_NOTE_MESSAGE, SP_LIT_INIT("{}") };
static const struct sp_m_annul annul = { { 9, 8 }, SP_LIT_INIT("17") };
static const struct sp_m_listen listen = { 6, 2, SP_LIT_INIT(""), SP_LIT_INIT("t"), SP_LIT_INIT("a.b.c"), SP_LIT_INIT("[\"x:y\"]"),
	SP_LIT_INIT("192.0.2.1") };
static const struct sp_m_item item = { 2, 1, SP_LIT_INIT("{\"name\":\"echo\"}") };
static const struct sp_m_catalog catalog = { 2, 1, 1, 7, SP_LIT_INIT("Ask first.") };
static const struct sp_m_keys keys = { 1, 2, SP_OK, SP_LIT_INIT("{\"keys\":[]}") };
static const struct sp_m_keys_ok keys_ok = { 1, 2 };
static const struct sp_m_ticket_ask ticket_ask = { 3, 0, 9, { 4 }, SP_LIT_INIT("mac"), SP_LIT_INIT("a.b") };
static const struct sp_m_token_ask token_ask = { 3, 1, 2, SP_LIT_INIT("opaque&token=x") };
static const struct sp_m_introspected introspected = { 3, SP_OK, INT64_MAX, SP_LIT_INIT("ann"), SP_LIT_INIT("https://as.example"),
	SP_LIT_INIT("cli"), SP_LIT_INIT("\0\3dns"), SP_LIT_INIT("") };
static const struct sp_m_ticket ticket = { 3, SP_OK, SP_LIT_INIT("signed") };
static const struct sp_m_session_new session_new = { 3, 2, 1, { 7 } };
static const struct sp_m_session session = { 3, SP_OK, SP_LIT_INIT("id") };
static const struct sp_m_session_end session_end = { 3, { 7 }, INT64_MAX };
static const struct sp_m_dial_host dial_host = { 8, 443, 1, SP_LIT_INIT("keys.example") };
static const struct sp_m_run run = { 8, SP_LIT_INIT("command:pass show x") };
static const struct sp_m_ran ran = { 8 };
static const struct sp_m_run_ended run_ended = { 8, SP_E_UPSTREAM, SP_LIT_INIT("exit status 1") };
static const struct sp_m_check check = { 9, 1, SP_CHECK_HAS_ARGS | SP_CHECK_WRITES, 5000, INT64_MAX, SP_LIT_INIT("ann"), SP_LIT_INIT("https://i.example"),
	SP_LIT_INIT("app"), SP_LIT_INIT("people"), SP_LIT_INIT("a b"), SP_LIT_INIT("\0\1t\0\2uv"), SP_LIT_INIT("dns"), SP_LIT_INIT("list"),
	SP_LIT_INIT("\0\1z"), SP_LIT_INIT("192.0.2.1"), SP_LIT_INIT("{}") };
static const struct sp_m_checked checked = { 9, 3, SP_LIT_INIT(""), SP_LIT_INIT("a b") };
static const struct sp_m_data data = { 5, SP_LIT_INIT("more") };
static const struct sp_m_credit credit = { 5, SP_CREDIT };
static const struct sp_m_call_error call_error = { 5, SP_E_UPSTREAM, 3, SP_LIT_INIT("it failed") };
static const struct sp_m_id id = { UINT32_MAX };
static const struct sp_m_token token = { { 1, 2, 3 }, INT64_MIN, SP_LIT_INIT("cron"), SP_LIT_INIT(""),
	SP_LIT_INIT("dns:read dns:write"), SP_LIT_INIT("ops") };
static const struct sp_m_hash hash = { { 0xff, 0, 1 } };
static const struct sp_m_secret secret = { 2, SP_LIT_INIT("s\0t") };
static const struct sp_m_ask ask = { 1, SP_ADMIN_HEALTH, SP_LIT_INIT("{}") };
static const struct sp_m_answer answer = { 1, SP_OK, SP_LIT_INIT("{}") };
static const struct sp_m_dial dial = { 8, 1 };
static const struct sp_m_dial_error dial_error = { 8, SP_E_UPSTREAM, SP_LIT_INIT("no such host") };
static const struct sp_m_dialed dialed = { 8, SP_LIT_INIT("[::1]:443") };

#define ROUND(x) \
static bool \
round_##x(sp_slice in, struct sp_out *out) \
{ \
	struct sp_m_##x m; \
	if (!sp_dec_##x(in, &m)) \
		return false; \
	sp_enc_##x(out, &m); \
	return true; \
} \
static void \
sample_##x(struct sp_out *out) \
{ \
	sp_enc_##x(out, &x); \
}
SP_CODECS(ROUND)

static const struct {
	const char *name;
	bool (*round)(sp_slice, struct sp_out *);
	void (*sample)(struct sp_out *);
} codecs[] = {
#define ROW(x) { #x, round_##x, sample_##x },
SP_CODECS(ROW)
};

static void
check_stable(const char *name, bool (*round)(sp_slice, struct sp_out *), sp_slice in, bool must)
{
	struct sp_out o;
	bool ok;

	sp_out_init(&o, room, sizeof room);
	ok = round(in, &o);
	if ((must && !ok) || (ok && (o.full || !sp_eq(sp_out_view(&o), in))))
		fail_msg("%s: %zu bytes %s", name, in.n, ok ? "come back otherwise" : "are refused");
}

static void
test_round_trips(void **state)
{
	for (size_t i = 0; i < SP_COUNT(codecs); i++) {
		char buf[512];
		struct sp_out o;
		sp_slice whole;

		sp_out_init(&o, buf, sizeof buf);
		codecs[i].sample(&o);
		assert_false(o.full);
		whole = sp_out_view(&o);
		check_stable(codecs[i].name, codecs[i].round, whole, true);
		for (size_t n = 0; n < whole.n; n++)
			check_stable(codecs[i].name, codecs[i].round, sp_sub(whole, 0, n), false);
		for (size_t bit = 0; bit < whole.n * 8; bit++) {
			buf[bit / 8] ^= (char)(1 << bit % 8);
			check_stable(codecs[i].name, codecs[i].round, whole, false);
			buf[bit / 8] ^= (char)(1 << bit % 8);
		}
		buf[whole.n] = 'x';
		check_stable(codecs[i].name, codecs[i].round, sp_mem(buf, whole.n + 1), false);
	}
}

/* Fixed forms take no byte more or less. */
static void
test_fixed_sizes(void **state)
{
	static const struct { const char *name; bool (*round)(sp_slice, struct sp_out *); size_t n; } rows[] = {
		{ "boot", round_boot, 52 }, { "peer", round_peer, 16 }, { "drain", round_drain, 4 },
		{ "gen", round_gen, 4 }, { "credit", round_credit, 8 }, { "id", round_id, 4 },
		{ "hash", round_hash, 32 }, { "dial", round_dial, 8 },
	};
	char zeros[64] = { 0 };

	for (size_t i = 0; i < SP_COUNT(rows); i++)
		for (size_t n = 0; n <= sizeof zeros; n++) {
			struct sp_out o;
			bool ok;

			sp_out_init(&o, room, sizeof room);
			zeros[7] = 1;		/* credit of 1 */
			ok = rows[i].round(sp_mem(zeros, n), &o);
			if (ok != (n == rows[i].n))
				fail_msg("%s: %zu bytes: %s", rows[i].name, n, ok ? "taken" : "refused");
		}
}

static void
test_hostile(void **state)
{
	static const struct { const char *name; bool (*round)(sp_slice, struct sp_out *); sp_slice in; } rows[] = {
		{ "peer of no role", round_peer, SP_LIT_INIT("\0\0\0\x0a\0\0\0\0\0\0\0\0\0\0\0\0") },
		{ "credit of nothing", round_credit, SP_LIT_INIT("\0\0\0\1\0\0\0\0") },
		{ "credit beyond the window", round_credit, SP_LIT_INIT("\0\0\0\1\0\4\0\1") },
		{ "credit of everything", round_credit, SP_LIT_INIT("\0\0\0\1\xff\xff\xff\xff") },
		{ "empty data", round_data, SP_LIT_INIT("\0\0\0\1") },
		{ "call with more arguments than announced", round_call,
		    SP_LIT_INIT("\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0xy") },
		{ "call whose token runs past the end", round_call,
		    SP_LIT_INIT("\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xff\xffxy") },
		{ "call of half a session", round_call,
		    SP_LIT_INIT("\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\0\0\0\0\0\2ab\0\0\0\0\0\0\0\0\0") },
		{ "call of no era", round_call,
		    SP_LIT_INIT("\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0\3\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0") },
		{ "result with more than its total", round_result, SP_LIT_INIT("\0\0\0\1\0\0\0\0\1xy") },
		{ "error that is none", round_call_error, SP_LIT_INIT("\0\0\0\1\0\0\0\0\0\0\0\0") },
		{ "error of no status", round_call_error, SP_LIT_INIT("\0\0\0\1\0\0\1\0\0\0\0\0") },
		{ "ask of no operation", round_ask, SP_LIT_INIT("\0\0\0\1\0\0\0\0{}") },
		{ "ask beyond the operations", round_ask, SP_LIT_INIT("\0\0\0\1\0\0\0\x7f{}") },
		{ "answer of no status", round_answer, SP_LIT_INIT("\0\0\0\1\x7f\0\0\0") },
		{ "dial error that is none", round_dial_error, SP_LIT_INIT("\0\0\0\1\0\0\0\0") },
		{ "call of a peer that is too long", round_call, SP_LIT_INIT("\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\0\0\0\0\0"
		    "\0\0\0\0\0\0\0\x41") },
		{ "check of no kind", round_check, SP_LIT_INIT(CHECK("\0", "\1") "\0\0\0\0\0\0") },
		{ "check of a kind too many", round_check, SP_LIT_INIT(CHECK("\5", "\1") "\0\0\0\0\0\0") },
		{ "check with unknown flags", round_check, SP_LIT_INIT(CHECK("\1", "\x11") "\0\0\0\0\0\0") },
		{ "check of a list with a name", round_check, SP_LIT_INIT(CHECK("\1", "\1") "\1s\0\1n\0\0\0") },
		{ "check of a list with arguments", round_check, SP_LIT_INIT(CHECK("\1", "\x9") "\0\0\0\0\0\0{}") },
		{ "check of a component without a name", round_check, SP_LIT_INIT(CHECK("\1", "\0") "\1s\0\0\0\0\0") },
		{ "check with arguments that are not announced", round_check, SP_LIT_INIT(CHECK("\1", "\0") "\1s\0\1n\0\0\0{}") },
		{ "check with half a tag of the component", round_check, SP_LIT_INIT(CHECK("\1", "\0") "\1s\0\1n\0\3\0\2x\0") },
		{ "checked without a verdict that there is", round_checked, SP_LIT_INIT("\0\0\0\1\5\0\0\0") },
		{ "checked with scopes over their size", round_checked, SP_LIT_INIT("\0\0\0\1\3\0\2\0") },
		{ "text with NUL", round_text, SP_LIT_INIT("file:/a\0b") },
	};

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct sp_out o;

		sp_out_init(&o, room, sizeof room);
		if (rows[i].round(rows[i].in, &o))
			fail_msg("%s: taken", rows[i].name);
	}
}

static void
test_admission(void **state)
{
	static const struct {
		const char *name; enum sp_role from, to; unsigned type; size_t len; unsigned nfds; bool ok;
	} rows[] = {
		{ "call", SP_FRONT, SP_EGRESS, SP_M_CALL, 77824, 0, true },
		{ "call over its size", SP_FRONT, SP_EGRESS, SP_M_CALL, 77825, 0, false },
		{ "call with a descriptor", SP_FRONT, SP_EGRESS, SP_M_CALL, 10, 1, false },
		{ "call the wrong way", SP_EGRESS, SP_FRONT, SP_M_CALL, 10, 0, false },
		{ "call to keeper", SP_FRONT, SP_KEEPER, SP_M_CALL, 10, 0, false },
		{ "data both ways, out", SP_FRONT, SP_EGRESS, SP_M_DATA, 65540, 0, true },
		{ "data both ways, back", SP_EGRESS, SP_FRONT, SP_M_DATA, 65540, 0, true },
		{ "data among fronts", SP_FRONT, SP_FRONT, SP_M_DATA, 10, 0, false },
		{ "boot with all descriptors", SP_SUPER, SP_KEEPER, SP_M_BOOT, 52, 32, true },
		{ "boot without", SP_SUPER, SP_KEEPER, SP_M_BOOT, 52, 0, false },
		{ "boot with too many", SP_SUPER, SP_KEEPER, SP_M_BOOT, 52, 33, false },
		{ "boot from a front", SP_FRONT, SP_KEEPER, SP_M_BOOT, 52, 3, false },
		{ "boot to super", SP_SUPER, SP_SUPER, SP_M_BOOT, 52, 3, false },
		{ "secret from a front", SP_FRONT, SP_EGRESS, SP_M_SECRET, 48, 0, false },
		{ "secret to a front", SP_KEEPER, SP_FRONT, SP_M_SECRET, 48, 0, false },
		{ "secret to egress", SP_KEEPER, SP_EGRESS, SP_M_SECRET, 48, 0, true },
		{ "ask from a front", SP_FRONT, SP_KEEPER, SP_M_ASK, 48, 0, false },
		{ "ask from manage", SP_MANAGE, SP_KEEPER, SP_M_ASK, 48, 0, true },
		{ "control with two descriptors", SP_SUPER, SP_KEEPER, SP_M_CONTROL, 4, 2, false },
		{ "question to a check", SP_FRONT, SP_CHECKER, SP_M_CHECK, 365568, 0, true },
		{ "question of an egress", SP_EGRESS, SP_CHECKER, SP_M_CHECK, 100, 0, true },
		{ "question over its size", SP_FRONT, SP_CHECKER, SP_M_CHECK, 365569, 0, false },
		{ "question to a front", SP_EGRESS, SP_FRONT, SP_M_CHECK, 100, 0, false },
		{ "answer of a check to keeper", SP_CHECKER, SP_KEEPER, SP_M_CHECKED, 8, 0, false },
		{ "answer of a check that nobody can give but it", SP_FRONT, SP_EGRESS, SP_M_CHECKED, 8, 0, false },
		{ "check asks for a host", SP_CHECKER, SP_DIALER, SP_M_DIAL_HOST, 20, 0, false },
		{ "check asks keeper", SP_CHECKER, SP_KEEPER, SP_M_ASK, 20, 0, false },
		{ "no such message", SP_FRONT, SP_EGRESS, SP_M_COUNT, 0, 0, false },
		{ "no such message, far", SP_FRONT, SP_EGRESS, 255, 0, 0, false },
		{ "no such role", (enum sp_role)40, SP_EGRESS, SP_M_CALL, 0, 0, false },
		{ "no such receiver", SP_FRONT, (enum sp_role)40, SP_M_CALL, 0, 0, false },
	};

	for (size_t i = 0; i < SP_COUNT(rows); i++)
		if (sp_msg_admit(rows[i].from, rows[i].to, rows[i].type, rows[i].len, rows[i].nfds) != rows[i].ok)
			fail_msg("%s: %s", rows[i].name, rows[i].ok ? "refused" : "admitted");
	for (unsigned t = 0; t < SP_M_COUNT; t++)
		assert_true(sp_msgrule(t)->from != 0 && sp_msgrule(t)->to != 0);
	assert_null(sp_msgrule(SP_M_COUNT));
	assert_string_equal(sp_role_name((enum sp_role)77), "unknown");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trips),
		cmocka_unit_test(test_fixed_sizes),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_admission),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

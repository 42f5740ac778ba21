#include "base/check.h"
#include "base/err.h"

static void
test_table(void **state)
{
	assert_int_equal(sp_errinfo(SP_E_BAD_TOKEN)->http, 401);
	assert_string_equal(sp_errinfo(SP_E_BAD_TOKEN)->oauth, "invalid_token");
	assert_string_equal(sp_errinfo(SP_E_BAD_TOKEN)->name, "E_BAD_TOKEN");
	assert_int_equal(sp_errinfo(SP_E_HEADER_MISMATCH)->rpc, -32020);
	assert_null(sp_errinfo(SP_E_NO_TOKEN)->oauth);
	assert_ptr_equal(sp_errinfo((enum sp_status)9999), sp_errinfo(SP_E_BUG));
	assert_ptr_equal(sp_errinfo((enum sp_status)-1), sp_errinfo(SP_E_BUG));
	for (unsigned st = SP_E_BUG; st < SP_STATUS_COUNT; st++) {
		const struct sp_errinfo *i = sp_errinfo((enum sp_status)st);

		CHECK(i->name, i->text != NULL && i->text[0] != '\0');
		CHECK(i->name, i->http == 0 || (i->http >= 200 && i->http < 600));
	}
}

static void
test_fail(void **state)
{
	static char big[1000];
	struct sp_err e;

	assert_int_equal(sp_fail(NULL, SP_E_SCOPE, "x", "y"), SP_E_SCOPE);
	assert_int_equal(sp_err_context(NULL, "x"), SP_E_BUG);
	assert_int_equal(sp_fail(&e, SP_E_BAD_TOKEN, NULL, "iss %.*s", SP_PRI(SP_LIT("a\nb\x7f\x1b"))), SP_E_BAD_TOKEN);
	assert_string_equal(e.pub, "invalid token");
	assert_string_equal(e.log, "iss a?b??");	/* one line stays one line */
	assert_int_equal(sp_err_context(&e, "source %s", "x\r"), SP_E_BAD_TOKEN);
	assert_string_equal(e.log, "source x?: iss a?b??");
	memset(big, 'x', sizeof big - 1);
	sp_fail(&e, SP_E_BUG, big, "%s", big);
	assert_int_equal(strlen(e.pub), sizeof e.pub - 1);
	assert_int_equal(strlen(e.log), sizeof e.log - 1);
	sp_err_context(&e, "front");
	assert_int_equal(strlen(e.log), sizeof e.log - 1);
	assert_memory_equal(e.log, "front: xxx", 10);
	sp_err_context(&e, "%s", big);
	assert_int_equal(strlen(e.log), sizeof e.log - 1);
	sp_fail(&e, SP_E_BUG, NULL, "%.*s", SP_PRI(sp_mem(big, 999)));
	assert_int_equal(strlen(e.log), 128);
	sp_fail(&e, SP_E_BUG, NULL, "[%.*s]", SP_PRI(((sp_slice){ NULL, 0 })));
	assert_string_equal(e.log, "[]");
}

int
main(void)
{
	const struct CMUnitTest t[] = { cmocka_unit_test(test_table), cmocka_unit_test(test_fail) };

	return cmocka_run_group_tests(t, NULL, NULL);
}

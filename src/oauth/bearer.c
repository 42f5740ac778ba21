#include "oauth/verifier.h"

static bool
is_space(unsigned char c)
{
	return c == ' ';
}

/* RFC 6750 section 2.1. */
static bool
is_b64token(unsigned char c)
{
	return sp_is_alpha(c) || sp_is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~' || c == '+' || c == '/';
}

static bool
is_equals(unsigned char c)
{
	return c == '=';
}

enum sp_status
sp_bearer(sp_slice field, sp_slice *token)
{
	sp_slice in = field, rest;

	/* Another scheme, or one that only begins like this one. */
	if (!sp_take_nocase(&in, SP_LIT("bearer")) || (in.n != 0 && sp_is_tchar((unsigned char)in.p[0])))
		return SP_E_NO_TOKEN;
	if (in.n == 0 || in.p[0] != ' ')
		return SP_E_BAD_REQUEST;
	sp_advance(&in, sp_span(in, is_space));

	rest = in;
	sp_advance(&rest, sp_span(rest, is_b64token));
	if (rest.n == in.n)
		return SP_E_BAD_REQUEST;
	sp_advance(&rest, sp_span(rest, is_equals));
	if (rest.n != 0)
		return SP_E_BAD_REQUEST;

	*token = in;
	return SP_OK;
}

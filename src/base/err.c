#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>

static const struct sp_errinfo table[SP_STATUS_COUNT] = {
	[SP_OK] = { 200, NULL, 0, SP_DEBUG, "ok", "ok" },
#define E(code, http, oauth, rpc, level, text) [SP_##code] = { http, oauth, rpc, SP_##level, text, #code },
#include "base/errors.def"
#undef E
};

const struct sp_errinfo *
sp_errinfo(enum sp_status st)
{
	return &table[(unsigned)st < SP_STATUS_COUNT ? st : SP_E_BUG];
}

/* Control characters from outside must not forge log lines. */
static void
clean(char *s)
{
	for (; *s != '\0'; s++)
		if (sp_is_ctl((unsigned char)*s))
			*s = '?';
}

enum sp_status
sp_fail(struct sp_err *e, enum sp_status st, const char *pub, const char *fmt, ...)
{
	va_list ap;

	if (e == NULL)
		return st;
	e->code = st;
	snprintf(e->pub, sizeof e->pub, "%s", pub == NULL ? sp_errinfo(st)->text : pub);
	va_start(ap, fmt);
	vsnprintf(e->log, sizeof e->log, fmt, ap);
	va_end(ap);
	clean(e->log);
	return st;
}

enum sp_status
sp_err_context(struct sp_err *e, const char *fmt, ...)
{
	char old[sizeof e->log];
	va_list ap;
	int n;

	if (e == NULL)
		return SP_E_BUG;
	memcpy(old, e->log, sizeof old);
	va_start(ap, fmt);
	n = vsnprintf(e->log, sizeof e->log, fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof e->log)
		snprintf(e->log + n, sizeof e->log - (size_t)n, ": %.*s", (int)sizeof e->log - n - 3, old);
	clean(e->log);
	return e->code;
}

/*
 * The one error convention: a fallible function returns enum sp_status (SP_MUST), writes results only
 * on success, and fills a caller-owned struct sp_err when there is more to say.  errors.def maps a
 * status to HTTP, OAuth, JSON-RPC and log level; nobody writes these numbers anywhere else.
 */
#ifndef SP_BASE_ERR_H
#define SP_BASE_ERR_H

#include "base/slice.h"

enum sp_status {
	SP_OK = 0,
#define E(code, http, oauth, rpc, level, text) SP_##code,
#include "base/errors.def"
#undef E
	SP_STATUS_COUNT
};

enum sp_level { SP_ERROR, SP_WARN, SP_INFO, SP_DEBUG };

/* Fixed size, never allocated.  `pub` may be shown to a caller; `log` is the operator's. */
struct sp_err {
	enum sp_status code;
	char	       pub[160];
	char	       log[400];
};

struct sp_errinfo {
	uint16_t      http;
	const char   *oauth;
	int32_t	      rpc;
	enum sp_level level;
	const char   *text;
	const char   *name;
};

const struct sp_errinfo *sp_errinfo(enum sp_status st);

/* Fills *e (which may be NULL) and returns `st`.  `pub` is a constant; the format makes `log`, cut to fit.
 * Foreign text goes through "%.*s" with SP_PRI() and is cleaned of control characters here. */
enum sp_status sp_fail(struct sp_err *e, enum sp_status st, const char *pub, const char *fmt, ...) SP_PRINTF(4, 5);
/* Puts "context: " in front of e->log; the code stays.  Returns e->code. */
enum sp_status sp_err_context(struct sp_err *e, const char *fmt, ...) SP_PRINTF(2, 3);

/* For "%.*s": at most 128 bytes of foreign text. */
#define SP_PRI(s) (int)((s).n > 128 ? 128 : (s).n), (s).p == NULL ? "" : (s).p

#endif

/* What all other headers need: results, errors, lists, the version. */
#ifndef SALLYPORT_BASE_H
#define SALLYPORT_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SP_API __attribute__((visibility("default")))
#define SP_CHECKED __attribute__((warn_unused_result))

/* The version of these headers; sp_version() is the library's.  The same major number: compatible. */
#define SP_VERSION_MAJOR 0
#define SP_VERSION_MINOR 1
#define SP_VERSION_PATCH 0
SP_API const char *sp_version(void);

/* How something ended. */
enum sp_rc {
	SP_RC_OK = 0,
	SP_RC_PENDING = 1,		/* the answer is not there yet: return from the handler, it is run again with it */
	SP_RC_INVALID = -1,		/* used in a way that cannot work: bad option, bad JSON, wrong moment */
	SP_RC_OVER = -2,		/* the call has been answered already */
	SP_RC_CANCELLED = -3,		/* the client does not want the answer any more */
	SP_RC_UNSUPPORTED = -4,		/* the client cannot do that */
	SP_RC_DENIED = -5,		/* a rule, a grant or a credential says no */
	SP_RC_TOO_BIG = -6,
	SP_RC_NO_MEMORY = -7,
	SP_RC_UNAVAILABLE = -8,		/* something that is needed cannot be reached, or is full */
	SP_RC_SYSTEM = -9		/* the operating system refused; the text says what */
};
/* A word for it, e.g. "cancelled"; never NULL. */
SP_API const char *sp_rc_text(enum sp_rc rc);

/* Why something failed, for the person who runs the program: names the place and the remedy, never a secret. */
struct sp_error {
	enum sp_rc rc;
	char	   text[508];
};

/* A list of texts, ending in NULL. */
#define SP_LIST(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* Where the library writes what an operator should know: one line of JSON each, without line break.  The default is
 * standard error.  NULL: nothing is written.  Called from any thread, one at a time. */
typedef void (*sp_log_fn)(const char *line, size_t n, void *arg);
SP_API void sp_log_to(sp_log_fn fn, void *arg);

#ifdef __cplusplus
}
#endif

#endif

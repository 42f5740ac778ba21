/* Single pieces, without a server, a loop or any I/O: time is an argument. */
#ifndef SALLYPORT_PIECES_H
#define SALLYPORT_PIECES_H

#include <sallyport/auth.h>
#include <sallyport/provider.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- verify a token */

struct sp_verifying;
/* `provider` (owned from now on) as it stands: JWTs by keys that it was given, static tokens, verifiers of one's own, and any
 * multi_auth of these.  `resource`: the expected audience where the provider names none.  NULL: *error says why. */
SP_API struct sp_verifying *sp_verifying_new(struct sp_auth_provider *provider, const char *resource, struct sp_error *error);
/* SP_RC_OK: *who is to be freed by sp_principal_free().  SP_RC_DENIED: not good, or (a scope is missing) not good enough;
 * error->text has the reason, which is not for the caller.  SP_RC_UNAVAILABLE: nobody can tell. */
SP_API SP_CHECKED enum sp_rc sp_verifying_token(struct sp_verifying *v, const char *token, int64_t now_s,
    struct sp_principal **who, struct sp_error *error);
SP_API void sp_principal_free(struct sp_principal *who);
SP_API void sp_verifying_free(struct sp_verifying *v);

/* ---- decide */

struct sp_question {
	enum sp_component_type kind;
	const char *name;
	const char *const *tags;
	const char *arguments;			/* JSON object; NULL: as for a list */
	const struct sp_principal *who;		/* NULL: nobody */
	const char *token, *peer;		/* for checks that ask; may be NULL */
};
struct sp_decided {
	enum sp_auth_verdict verdict;
	char	    scopes[512];		/* SP_VERDICT_SCOPES: all that are wanted, separated by spaces */
	char	    text[256];			/* SP_VERDICT_REFUSE: for the caller; else why, for the operator */
};
/* One check about one question, as a server asks it; *decided is written whole. */
SP_API void sp_decide_check(const struct sp_auth_check *check, const struct sp_question *question, struct sp_decided *decided);

/* ---- scrub: takes secrets out of bytes, in thirteen encodings, across the borders of pieces */

struct sp_scrubber;
/* The secrets (ends in NULL; each of at least 8 bytes) are copied into locked memory.  NULL: *error says why. */
SP_API struct sp_scrubber *sp_scrubber_new(const char *const *secrets, struct sp_error *error);
/* Writes what may be shown into `out`; returns how many bytes.  `last`: nothing follows, and the next pass begins another
 * text.  *hits (NULL: not wanted) counts on what was taken out.  Bytes that may begin a secret are held back until more has
 * come, and marks may be longer than what they replace: 2 n + 4096 bytes, and 16 times the longest secret more, are always
 * enough.  SIZE_MAX: it failed, which it does from then on; show nothing. */
SP_API size_t sp_scrubber_pass(struct sp_scrubber *s, const void *in, size_t n, bool last, char *out, size_t cap,
    unsigned *hits);
SP_API void sp_scrubber_free(struct sp_scrubber *s);

#ifdef __cplusplus
}
#endif

#endif

/* Inside this folder only: what a check is made of. */
#ifndef SP_AUTH_CHECK_INT_H
#define SP_AUTH_CHECK_INT_H

#include "auth/check.h"
#include "auth/texts.h"

enum sp_check_kind {
	SP_CHECK_BROKEN = 0,		/* no memory when it was made: denies */
	SP_CHECK_HOLE,			/* NULL where a check should be: denies */
	SP_CHECK_SIGNED_IN, SP_CHECK_ANYONE, SP_CHECK_SCOPES, SP_CHECK_TAG, SP_CHECK_TAG_SCOPES, SP_CHECK_ROLES,
	SP_CHECK_ALL, SP_CHECK_ANY, SP_CHECK_NOT, SP_CHECK_CUSTOM
};
enum { SP_CHECK_DEPTH = 64, SP_CHECK_NAME_MAX = 256 };

struct sp_auth_check {
	enum sp_check_kind kind;
	unsigned refs, given;		/* owners; how many of them took it */
	bool	 twice;			/* more took it than there were to give away */
	unsigned depth;			/* 1: no parts */
	char	*name;			/* the tag, the claim of the roles, or the name of one's own check */
	struct sp_texts texts;		/* scopes or roles */
	struct sp_auth_check **parts;
	size_t	 nparts;
	sp_auth_check_fn fn;
	void	*arg;
};

/* Adds a name to a list that is separated by spaces, once; false: it does not fit. */
SP_MUST bool sp_words_add(char *words, size_t cap, const char *word);
SP_MUST bool sp_words_has(const char *words, const char *word);

#endif

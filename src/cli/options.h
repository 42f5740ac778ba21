/* The words of a command line.  What is refused is named, but never its value: it may be a secret. */
#ifndef SP_CLI_OPTIONS_H
#define SP_CLI_OPTIONS_H

#include "base/slice.h"

struct sp_opt {
	const char *name;		/* without the dashes */
	char	    letter;		/* 0: none */
	enum { SP_OPT_FLAG, SP_OPT_TEXT, SP_OPT_NUMBER } kind;
	void	   *to;			/* bool, const char *, uint64_t */
	uint64_t    max;		/* SP_OPT_NUMBER: from 1 to this */
};

/* Options may stand anywhere; "--" ends them; "--name=value" is the same as "--name value".  False: what is wrong was
 * printed.  `words` gets at most `max` others; more are counted in *n, so that the caller can say what it thinks of them. */
SP_MUST bool sp_opts_read(const char *command, int argc, char **argv, const struct sp_opt *opts, size_t nopts,
    const char **words, size_t max, size_t *n);
/* The candidate that is nearest to `word`, or NULL when none is near. */
const char *sp_nearest(sp_slice word, const char *const *candidates, size_t n);
/* Which of a command's operations `word` is; n when it is none, which was said with the nearest or with all of them. */
SP_MUST size_t sp_operation(const char *command, const char *word, const char *const *names, size_t n);

#endif

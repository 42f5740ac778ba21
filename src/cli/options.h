/*
 * The words of a command line.  A command is a row of data: what it is called, what it says of itself, its options and
 * its operations.  Reading, --help, completion and the test of the manual all use the same row.
 * What is refused is named, but never its value: it may be a secret.
 */
#ifndef SP_CLI_OPTIONS_H
#define SP_CLI_OPTIONS_H

#include "base/slice.h"

enum { SP_OPT_LIST_MAX = 16 };
/* An option that may be given several times. */
struct sp_opt_list { const char *v[SP_OPT_LIST_MAX]; size_t n; };

struct sp_opt {
	const char *name;		/* without the dashes */
	char	    letter;		/* 0: none */
	enum { SP_OPT_FLAG, SP_OPT_TEXT, SP_OPT_NUMBER, SP_OPT_LIST } kind;
	size_t	    at;			/* where in the command's arguments: bool, const char *, uint64_t, struct sp_opt_list */
	const char *value;		/* what it takes; FILE and FOLDER are completed as such; NULL: a flag */
	uint64_t    max;		/* SP_OPT_NUMBER: from 1 to this */
};
#define SP_OPT_FLAG(n, l, type, member) { n, l, SP_OPT_FLAG, offsetof(type, member), NULL, 0 }
#define SP_OPT_TEXT(n, l, type, member, val) { n, l, SP_OPT_TEXT, offsetof(type, member), val, 0 }
#define SP_OPT_NUMBER(n, l, type, member, max) { n, l, SP_OPT_NUMBER, offsetof(type, member), "N", max }
#define SP_OPT_LIST(n, l, type, member, val) { n, l, SP_OPT_LIST, offsetof(type, member), val, 0 }

struct sp_command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *text;		/* one line for `sallyport --help` */
	const char *help;		/* all of it, with an example */
	const struct sp_opt *opts;	/* beside --help, which every command has */
	size_t	    nopts;
	const char *const *ops;		/* its first word is one of these; NULL: it has no operations */
	size_t	    nops;
	size_t	    min, max;		/* words that are no options */
	const char *word;		/* what the words are, or the one after the operation: FILE is completed as such */
};
#define SP_OPTS(table) .opts = table, .nopts = SP_COUNT(table)
#define SP_OPS(table) .ops = table, .nops = SP_COUNT(table)

enum { SP_WORDS_MAX = 64, SP_OPTS_GO = -1 };

/* Options may stand anywhere; "--" ends them; "--name=value" is the same as "--name value".  SP_OPTS_GO, or the exit
 * status: --help was answered, or what is wrong was printed.  `to` is the command's arguments; `words` has room for c->max. */
SP_MUST int sp_opts_read(const struct sp_command *c, int argc, char **argv, void *to, const char **words, size_t *n);
/* The candidate that is nearest to `word`, or NULL when none is near. */
const char *sp_nearest(sp_slice word, const char *const *candidates, size_t n);
/* Which of the command's operations `word` is; nops when it is none, which was said with the nearest or with all of them. */
SP_MUST size_t sp_operation(const struct sp_command *c, const char *word);

#endif

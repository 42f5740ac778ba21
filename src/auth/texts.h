/* Inside this folder only: lists of texts of our own, copied from what a caller of the library wrote. */
#ifndef SP_AUTH_TEXTS_H
#define SP_AUTH_TEXTS_H

#include "base/slice.h"

/* p NULL: not given; n 0 otherwise: given, and empty. */
struct sp_texts { char **p; size_t n; };

/* What stands for a text that was NULL: no name, no scope. */
#define SP_TEXT_HOLE ""
/* `from` ends in NULL; NULL: not given.  False: no memory. */
SP_MUST bool sp_texts_copy(struct sp_texts *t, const char *const *from);
SP_MUST bool sp_texts_copy_n(struct sp_texts *t, size_t n, const char *const *from);	/* a NULL among them is a hole */
size_t sp_texts_count(const char *const *from);
SP_MUST bool sp_texts_one(struct sp_texts *t, const char *one);
void sp_texts_free(struct sp_texts *t);
bool sp_texts_has(const struct sp_texts *t, const char *text);
/* Copies a text; NULL stays NULL.  False: no memory. */
SP_MUST bool sp_text_copy(char **to, const char *from);

/* 1 to 256 bytes without control characters. */
bool sp_text_is_name(const char *s);
/* The same, of the characters of a scope (RFC 6749 section 3.3). */
bool sp_text_is_scope(const char *s);

#endif

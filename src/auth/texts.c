#include "auth/texts.h"

#include <stdlib.h>

enum { NAME_MAX_BYTES = 256 };

bool
sp_text_copy(char **to, const char *from)
{
	if (from == NULL)
		return true;
	*to = strdup(from);
	return *to != NULL;
}

size_t
sp_texts_count(const char *const *from)
{
	size_t n = 0;

	while (from != NULL && from[n] != NULL)
		n++;
	return n;
}

bool
sp_texts_copy_n(struct sp_texts *t, size_t n, const char *const *from)
{
	t->p = calloc(n + 1, sizeof *t->p);
	for (; t->p != NULL && t->n < n; t->n++)
		if (!sp_text_copy(&t->p[t->n], from[t->n] != NULL ? from[t->n] : SP_TEXT_HOLE))
			return false;
	return t->p != NULL;
}

bool
sp_texts_copy(struct sp_texts *t, const char *const *from)
{
	return from == NULL || sp_texts_copy_n(t, sp_texts_count(from), from);
}

bool
sp_texts_one(struct sp_texts *t, const char *one)
{
	return one == NULL || sp_texts_copy(t, (const char *const[]){ one, NULL });
}

void
sp_texts_free(struct sp_texts *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->p[i]);
	free(t->p);
	*t = (struct sp_texts){ 0 };
}

bool
sp_texts_has(const struct sp_texts *t, const char *text)
{
	for (size_t i = 0; i < t->n; i++)
		if (strcmp(t->p[i], text) == 0)
			return true;
	return false;
}

bool
sp_text_is_name(const char *s)
{
	size_t n = strlen(s);

	if (n == 0 || n > NAME_MAX_BYTES)
		return false;
	for (size_t i = 0; i < n; i++)
		if (sp_is_ctl((unsigned char)s[i]))
			return false;
	return true;
}

bool
sp_text_is_scope(const char *s)
{
	for (size_t i = 0; s[i] != '\0'; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c <= ' ' || c >= 0x7f || c == '"' || c == '\\')
			return false;
	}
	return sp_text_is_name(s);
}

/* May this text stand in that slot of a request? */
#include "openapi/bind_int.h"

#include "base/utf8.h"

enum { PATH_VALUE = 4096, ROUNDS = 3 };

/* What a server may take for the ASCII character: full-width and other look-alikes fold to it on some. */
static uint32_t
fold(uint32_t cp)
{
	switch (cp) {
	case 0x2024: case 0x3002: case 0xfe52: case 0xff0e: case 0xff61:
		return '.';
	case 0x2044: case 0x2215: case 0x29f8: case 0xff0f:
	case 0x2216: case 0x29f5: case 0xfe68: case 0xff3c: case '\\':
		return '/';
	case 0x3000: case 0xa0:
		return ' ';
	case 0xff1b:
		return ';';
	default:
		return cp;
	}
}

struct segment { unsigned dots; bool other, over; };

static bool
is_dots(const struct segment *s)
{
	return !s->other && (s->dots == 1 || s->dots == 2);
}

static void
segment_add(struct segment *s, uint32_t cp)
{
	if (s->over || cp == ' ')	/* blanks at the end of a name vanish on some systems */
		return;
	if (cp == ';')			/* what follows is a parameter of the segment to some servers */
		s->over = true;
	else if (cp == '.')
		s->dots++;
	else if (cp == 0x2025)
		s->dots += 2;
	else
		s->other = true;
}

static bool
has_dot_segment(sp_slice s)
{
	struct segment seg = { 0 };
	uint32_t cp;

	while (sp_utf8_take(&s, &cp)) {
		cp = fold(cp);
		if (cp != '/') {
			segment_add(&seg, cp);
			continue;
		}
		if (is_dots(&seg))
			return true;
		seg = (struct segment){ 0 };
	}
	return is_dots(&seg);
}

static bool
has_control(sp_slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (sp_is_ctl((unsigned char)s.p[i]))
			return true;
	return false;
}

static bool
is_escape(sp_slice s, size_t i)
{
	return s.p[i] == '%' && s.n - i > 2 && sp_is_hex((unsigned char)s.p[i + 1]) &&
	    sp_is_hex((unsigned char)s.p[i + 2]);
}

static bool
has_escape(sp_slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (is_escape(s, i))
			return true;
	return false;
}

/* Decodes in place, leaving a lone '%' alone.  True: a separator came out. */
static bool
decode(char *p, size_t *n)
{
	sp_slice s = { p, *n };
	bool separator = false;
	size_t to = 0;

	for (size_t i = 0; i < s.n; i++) {
		char c = p[i];

		if (is_escape(s, i)) {
			c = (char)(sp_hex_value((unsigned char)p[i + 1]) * 16 + sp_hex_value((unsigned char)p[i + 2]));
			separator |= c == '/' || c == '\\';
			i += 2;
		}
		p[to++] = c;
	}
	*n = to;
	return separator;
}

static const char *
form_fault(sp_slice s)
{
	if (has_control(s))
		return "has a control character";
	if (sp_has_byte(s, '\\'))
		return "has a backslash";
	if (!sp_utf8_valid(s))
		return "is not UTF-8 when decoded";
	return has_dot_segment(s) ? "is or has a . or .. segment" : NULL;
}

const char *
sp_bind_path_fault(struct sp_arena *a, sp_slice text)
{
	const char *fault;
	char *p;
	size_t n = text.n;

	if (n == 0)
		return "is empty";
	if (n > PATH_VALUE)
		return "is too long for a path";
	fault = form_fault(text);
	if (fault != NULL || !has_escape(text))
		return fault;
	p = sp_arena_get(a, n);
	if (p == NULL)
		return "is too long for a path";
	memcpy(p, text.p, n);
	for (unsigned i = 0; i < ROUNDS && has_escape((sp_slice){ p, n }); i++) {
		if (decode(p, &n))
			return "has a percent-encoded separator";
		fault = form_fault((sp_slice){ p, n });
		if (fault != NULL)
			return fault;
	}
	return has_escape((sp_slice){ p, n }) ? "is percent-encoded too many times" : NULL;
}

const char *
sp_bind_header_fault(sp_slice text)
{
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] < ' ' || (unsigned char)text.p[i] > '~')
			return "has a character that a header cannot carry";
	if (text.n != 0 && (text.p[0] == ' ' || text.p[text.n - 1] == ' '))
		return "begins or ends with a blank, which a header cannot carry";
	return NULL;
}

static bool
is_target_char(unsigned char c)
{
	return sp_is_alpha(c) || sp_is_digit(c) || (c != '\0' && strchr("-._~!$&'()*+,;=:@/%", c) != NULL);
}

/* RFC 3986 section 3.4: a query may hold a further '?'. */
static bool
is_query_char(unsigned char c)
{
	return c == '?' || is_target_char(c);
}

const char *
sp_bind_target_fault(struct sp_arena *a, sp_slice target)
{
	sp_slice in = target, path = target, segment;

	if (sp_take_to(&in, '?', &path) && sp_span(in, is_query_char) != in.n)
		return "do not make a valid query";
	if (sp_span(path, is_target_char) != path.n || path.n == 0 || path.p[0] != '/' ||
	    sp_starts(path, SP_LIT("//")))
		return "do not make a valid path";
	while (sp_take_part(&path, '/', &segment)) {
		sp_slice plain = sp_arena_copy(a, segment);

		if (plain.p == NULL)
			return "do not fit into the memory of a request";
		decode((char *)(uintptr_t)plain.p, &plain.n);
		if (has_dot_segment(plain))
			return "make a . or .. segment";
	}
	return NULL;
}

#include "outbound/reqpath.h"

#include "wire/uri.h"

enum { ROUNDS = 8 };		/* of decoding; what still changes after them is refused */

/* RFC 3986 section 3.3 knows "." and ".."; servers in Java also take "..;a" for one. */
static bool
is_dots(sp_slice segment)
{
	sp_slice rest = segment, name = segment;

	(void)sp_take_to(&rest, ';', &name);
	return sp_eq(name, SP_LIT(".")) || sp_eq(name, SP_LIT(".."));
}

static bool
is_border(char c)
{
	return c == '/' || c == '\\';
}

/* `path` begins with a border. */
static const char *
judge_segments(sp_slice path)
{
	size_t from = 1;

	for (size_t i = 1; i <= path.n; i++) {
		if (i < path.n && !is_border(path.p[i]))
			continue;
		if (is_dots(sp_sub(path, from, i - from)))
			return "the path has a dot segment";
		if (i == from && i != path.n)
			return "the path has an empty segment";
		from = i + 1;
	}
	return NULL;
}

/* 0xc0 and 0xc1 stand in no UTF-8; lax decoders read "%c0%ae" as a dot. */
static const char *
judge_bytes(sp_slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (sp_is_ctl(c))
			return "the path has an encoded control character";
		if (c == 0xc0 || c == 0xc1)
			return "the path is encoded twice over";
	}
	return NULL;
}

/* One decoding more; a '%' that begins nothing stays. */
static sp_slice
decode(sp_slice in, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < in.n; i++) {
		int hi = -1, lo = -1;

		if (in.p[i] == '%' && in.n - i > 2) {
			hi = sp_hex_value((unsigned char)in.p[i + 1]);
			lo = sp_hex_value((unsigned char)in.p[i + 2]);
		}
		if (hi < 0 || lo < 0) {
			out[n++] = in.p[i];
			continue;
		}
		out[n++] = (char)(hi << 4 | lo);
		i += 2;
	}
	return sp_mem(out, n);
}

static const char *
judge_decoded(sp_slice path)
{
	char buf[SP_REQPATH_MAX];
	sp_slice now = path;
	const char *why = judge_segments(path);

	for (unsigned i = 0; why == NULL && sp_has_byte(now, '%'); i++) {
		size_t before = now.n;

		if (i == ROUNDS)
			return "the path is encoded too often";
		now = decode(now, buf);
		if (now.n == before)
			return NULL;
		why = judge_bytes(now);
		if (why == NULL)
			why = judge_segments(now);
	}
	return why;
}

const char *
sp_reqpath_judge(sp_slice path)
{
	sp_slice query = { NULL, 0 }, rest = path, only = path;

	if (path.n == 0 || path.p[0] != '/')
		return "the path must begin with '/'";
	if (path.n > SP_REQPATH_MAX)
		return "the path is too long";
	if (sp_take_to(&rest, '?', &only))
		query = rest;
	if (!sp_uri_chars(only, false) || !sp_uri_chars(query, true))
		return "the path must be percent-encoded";
	return judge_decoded(only);
}

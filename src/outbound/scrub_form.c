#include "outbound/scrub_form.h"

static const char b64_std[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char b64_url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char hex[] = "0123456789abcdef";

static uint8_t
at(sp_slice s, size_t i)
{
	return (uint8_t)s.p[i];
}

/* --- base64: with `offset` unknown bytes in front, only characters that depend on the value alone. */

static size_t
b64_first(const struct sp_form *f)
{
	return (8u * f->offset + 5) / 6;
}

size_t
sp_form_b64_chars(const struct sp_form *f, size_t n)
{
	size_t bits = 8 * (f->offset + n);

	if (!f->end)
		return bits / 6 - b64_first(f);
	/* The last character holds some bits of the value, then zeros. */
	return bits % 6 == 0 ? 0 : bits / 6 + 1 - b64_first(f);
}

static uint8_t
b64_char(const struct sp_form *f, sp_slice v, size_t i)
{
	size_t bit = 6 * (b64_first(f) + i) - 8u * f->offset, byte = bit / 8;
	unsigned two = (unsigned)at(v, byte) << 8;

	if (byte + 1 < v.n)
		two |= at(v, byte + 1);
	return (uint8_t)(f->url ? b64_url : b64_std)[two >> (10 - bit % 8) & 63];
}

/* --- matching: consume one byte of the value (or one character of it), escaped or plain. */

struct cursor { sp_slice v, in; size_t i, p; bool last; };

static enum sp_form_match
short_of(const struct cursor *c)
{
	return c->last ? SP_FORM_NO : SP_FORM_MORE;
}

static enum sp_form_match
plain(struct cursor *c)
{
	if (at(c->in, c->p) != at(c->v, c->i))
		return SP_FORM_NO;
	c->p++;
	c->i++;
	return SP_FORM_HIT;
}

/* The UTF-8 form of a code point, which the value must continue with. */
static bool
take_code(struct cursor *c, uint32_t code, size_t used)
{
	uint8_t u[4];
	size_t n = 1;

	if (code == at(c->v, c->i) && code < 0x100) {	/* ASCII, or bytes taken for Latin-1 */
		c->i++;
		c->p += used;
		return true;
	}
	if (code < 0x80 || code > 0x10ffff)
		return false;
	n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
	for (size_t k = n; k-- > 1; code >>= 6)
		u[k] = (uint8_t)(0x80 | (code & 63));
	u[0] = (uint8_t)((n == 2 ? 0xc0 : n == 3 ? 0xe0 : 0xf0) | code);
	if (c->v.n - c->i < n || memcmp(c->v.p + c->i, u, n) != 0)
		return false;
	c->i += n;
	c->p += used;
	return true;
}

static bool
hex_at(const struct cursor *c, size_t from, unsigned digits, uint32_t *code)
{
	*code = 0;
	for (unsigned k = 0; k < digits; k++) {
		int d = sp_hex_value(at(c->in, c->p + from + k));

		if (d < 0)
			return false;
		*code = *code << 4 | (uint32_t)d;
	}
	return true;
}

static enum sp_form_match
step_pct(struct cursor *c)
{
	uint32_t code;

	if (at(c->in, c->p) == '%') {
		if (c->in.n - c->p < 3 && !c->last)
			return SP_FORM_MORE;
		if (c->in.n - c->p >= 3 && hex_at(c, 1, 2, &code) && code == at(c->v, c->i)) {
			c->p += 3;
			c->i++;
			return SP_FORM_HIT;
		}
	}
	if (at(c->in, c->p) == '+' && at(c->v, c->i) == ' ') {
		c->p++;
		c->i++;
		return SP_FORM_HIT;
	}
	return plain(c);
}

static enum sp_form_match
step_u(struct cursor *c)
{
	uint32_t code, low;

	if (c->in.n - c->p < 6)
		return short_of(c);
	if (!hex_at(c, 2, 4, &code))
		return SP_FORM_NO;
	if (code < 0xd800 || code > 0xdbff)
		return take_code(c, code, 6) ? SP_FORM_HIT : SP_FORM_NO;
	if (c->in.n - c->p < 12)
		return short_of(c);
	if (at(c->in, c->p + 6) != '\\' || at(c->in, c->p + 7) != 'u' || !hex_at(c, 8, 4, &low) ||
	    low < 0xdc00 || low > 0xdfff)
		return SP_FORM_NO;
	return take_code(c, 0x10000 + ((code & 0x3ff) << 10 | (low & 0x3ff)), 12) ? SP_FORM_HIT : SP_FORM_NO;
}

static enum sp_form_match
step_json(struct cursor *c)
{
	static const char names[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
	const char *which;
	uint8_t k;

	if (at(c->in, c->p) != '\\')
		return plain(c);
	if (c->in.n - c->p < 2)
		return c->last ? plain(c) : SP_FORM_MORE;
	k = at(c->in, c->p + 1);
	if (k == 'u') {
		enum sp_form_match m = step_u(c);

		return m == SP_FORM_NO ? plain(c) : m;
	}
	which = k == 0 ? NULL : strchr(names, k);
	if (which != NULL && (uint8_t)bytes[which - names] == at(c->v, c->i)) {
		c->p += 2;
		c->i++;
		return SP_FORM_HIT;
	}
	return plain(c);
}

enum { ENTITY_MAX = 10 };	/* "&#x10ffff;" */

static bool
entity(sp_slice name, uint32_t *code)
{
	static const struct { sp_slice name; uint32_t code; } known[] = {
		{ SP_LIT_INIT("amp"), '&' }, { SP_LIT_INIT("lt"), '<' }, { SP_LIT_INIT("gt"), '>' },
		{ SP_LIT_INIT("quot"), '"' }, { SP_LIT_INIT("apos"), '\'' },
	};
	uint32_t base = 10;

	for (size_t i = 0; i < SP_COUNT(known); i++)
		if (sp_eq(name, known[i].name)) {
			*code = known[i].code;
			return true;
		}
	if (!sp_take(&name, SP_LIT("#")))
		return false;
	if (sp_take_nocase(&name, SP_LIT("x")))
		base = 16;
	*code = 0;
	for (size_t i = 0; i < name.n; i++) {
		int d = sp_hex_value((unsigned char)name.p[i]);

		if (d < 0 || (uint32_t)d >= base)
			return false;
		*code = *code * base + (uint32_t)d;
	}
	return name.n != 0;
}

static enum sp_form_match
step_html(struct cursor *c)
{
	sp_slice rest = sp_sub(c->in, c->p + 1, ENTITY_MAX), name;
	uint32_t code;

	if (at(c->in, c->p) != '&')
		return plain(c);
	if (sp_take_to(&rest, ';', &name)) {
		if (entity(name, &code) && take_code(c, code, name.n + 2))
			return SP_FORM_HIT;
		return plain(c);
	}
	return rest.n < ENTITY_MAX && !c->last ? SP_FORM_MORE : plain(c);
}

static enum sp_form_match
step_hex(struct cursor *c)
{
	uint32_t code;

	if (sp_hex_value(at(c->in, c->p)) != at(c->v, c->i) >> 4)
		return SP_FORM_NO;
	if (c->in.n - c->p < 2)
		return short_of(c);
	if (!hex_at(c, 0, 2, &code) || code != at(c->v, c->i))
		return SP_FORM_NO;
	c->p += 2;
	c->i++;
	return SP_FORM_HIT;
}

static enum sp_form_match
match_b64(const struct sp_form *f, sp_slice v, sp_slice in, bool last, size_t *len, uint64_t *work)
{
	size_t n = sp_form_b64_chars(f, v.n), i = 0;

	while (i < n && i < in.n && at(in, i) == b64_char(f, v, i))
		i++;
	*work += i + 1;
	*len = n;
	if (i == n)
		return SP_FORM_HIT;
	return i == in.n && !last ? SP_FORM_MORE : SP_FORM_NO;
}

enum sp_form_match
sp_form_match(const struct sp_form *f, sp_slice v, sp_slice in, bool last, size_t *len, uint64_t *work)
{
	static enum sp_form_match (*const steps[])(struct cursor *) = {
		[SP_FORM_RAW] = plain, [SP_FORM_HEX] = step_hex, [SP_FORM_PCT] = step_pct,
		[SP_FORM_JSON] = step_json, [SP_FORM_HTML] = step_html,
	};
	struct cursor c = { v, in, 0, 0, last };

	if (f->family == SP_FORM_B64)
		return match_b64(f, v, in, last, len, work);
	while (c.i < v.n) {
		enum sp_form_match m;

		if (c.p == in.n)
			return short_of(&c);
		++*work;
		m = steps[f->family](&c);
		if (m != SP_FORM_HIT)
			return m;
	}
	*len = c.p;
	return SP_FORM_HIT;
}

/* --- beginnings */

struct start { struct sp_form_start *out; size_t n, want; };

static void
put(struct start *s, uint8_t c, bool fold)
{
	if (s->n == s->want)
		return;
	s->out->text[s->n] = c;
	s->out->fold[s->n++] = fold && c >= 'a' && c <= 'f';
}

static void
put_str(struct start *s, const char *text)
{
	while (*text != '\0')
		put(s, (uint8_t)*text++, false);
}

static void
put_hex(struct start *s, uint8_t c)
{
	put(s, (uint8_t)hex[c >> 4], true);
	put(s, (uint8_t)hex[c & 15], true);
}

static bool
one_of(uint8_t c, const char *set)
{
	return c != 0 && strchr(set, c) != NULL;
}

/* What encoders leave as it is: RFC 3986 unreserved; with JavaScript's encodeURIComponent; with encodeURI. */
static void
start_pct(struct start *s, uint8_t c, unsigned anchor)
{
	bool unreserved = sp_is_alpha(c) || sp_is_digit(c) || one_of(c, "-._~");
	bool keep = anchor == 0 ? false : anchor >= 5 ? true : unreserved;

	if (anchor == 2 && c == ' ') {
		put(s, '+', false);
		return;
	}
	if (anchor == 3)
		keep = keep || one_of(c, "!*'()");
	if (anchor == 4)
		keep = keep || one_of(c, "!*'();:@&=+$,/?#[]");
	if (keep) {
		put(s, c, false);
		return;
	}
	put(s, '%', false);
	put_hex(s, c);
}

static void
put_u(struct start *s, uint32_t code)
{
	put_str(s, "\\u");
	put_hex(s, (uint8_t)(code >> 8));
	put_hex(s, (uint8_t)code);
}

/* One UTF-8 character of the value as \uXXXX; its length.  What is no UTF-8 counts as Latin-1. */
static size_t
start_unicode(struct start *s, sp_slice v, size_t i)
{
	uint8_t c = at(v, i);
	size_t n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc2 ? 2 : 1;
	uint32_t code = n == 1 ? c : c & (0x7fu >> n);

	if (n > v.n - i)
		n = 1;
	for (size_t k = 1; k < n; k++) {
		if ((at(v, i + k) & 0xc0) != 0x80) {
			n = 1;
			break;
		}
		code = code << 6 | (at(v, i + k) & 63);
	}
	if (n == 1)
		code = c;
	if (code < 0x10000) {
		put_u(s, code);
		return n;
	}
	put_u(s, 0xd800 + ((code - 0x10000) >> 10 & 0x3ff));
	put_u(s, 0xdc00 + ((code - 0x10000) & 0x3ff));
	return n;
}

/* 0: minimal; 1: '/' too; 2: ASCII only; 3: ASCII only and safe inside HTML; 4: minimal and safe inside HTML; 5: as is;
 * 6: as 3, with quotes and '+' as code points (.NET). */
static size_t
start_json(struct start *s, sp_slice v, size_t i, unsigned anchor)
{
	static const char names[] = "\"\\bfnrt", bytes[] = "\"\\\b\f\n\r\t";
	uint8_t c = at(v, i);
	const char *which = c == 0 ? NULL : strchr(bytes, c);
	bool html = anchor == 3 || anchor == 4 || anchor == 6;

	if (anchor == 6 && one_of(c, "\"+`\x7f"))
		put_u(s, c);
	else if (anchor == 5 || anchor > 6)
		put(s, c, false);
	else if (which != NULL) {
		put(s, '\\', false);
		put(s, (uint8_t)names[which - bytes], false);
	} else if (c == '/' && anchor == 1)
		put_str(s, "\\/");
	else if (c < 0x20 || (html && one_of(c, "<>&'")))
		put_u(s, c);
	else if (c >= 0x7f && (anchor == 2 || anchor == 3 || anchor == 6))
		return start_unicode(s, v, i);
	else
		put(s, c, false);
	return 1;
}

/* What each encoder escapes, and how it writes the quotes: OWASP's five, Go, Python, XML, DOM text, nothing, PHP's
 * ENT_COMPAT, DOM attributes, minimal XML. */
static const struct { const char *set, *quot, *apos; } html_ways[SP_FORM_ANCHORS] = {
	{ "&<>\"'", "&quot;", "&#39;" }, { "&<>\"'", "&#34;", "&#39;" }, { "&<>\"'", "&quot;", "&#x27;" },
	{ "&<>\"'", "&quot;", "&apos;" }, { "&<>", NULL, NULL }, { "", NULL, NULL },
	{ "&<>\"", "&quot;", NULL }, { "&\"", "&quot;", NULL }, { "&<", NULL, NULL },
};

static void
start_html(struct start *s, uint8_t c, unsigned anchor)
{
	if (!one_of(c, html_ways[anchor].set))
		put(s, c, false);
	else if (c == '&')
		put_str(s, "&amp;");
	else if (c == '<')
		put_str(s, "&lt;");
	else if (c == '>')
		put_str(s, "&gt;");
	else
		put_str(s, c == '"' ? html_ways[anchor].quot : html_ways[anchor].apos);
}

bool
sp_form_start(const struct sp_form *f, sp_slice v, unsigned anchor, size_t n, struct sp_form_start *out)
{
	struct start s = { out, 0, n };
	bool many = f->family == SP_FORM_PCT || f->family == SP_FORM_JSON || f->family == SP_FORM_HTML;

	if (n > SP_FORM_WINDOW || anchor >= (many ? (unsigned)SP_FORM_ANCHORS : 1))
		return false;
	*out = (struct sp_form_start){ 0 };
	if (f->family == SP_FORM_B64) {
		size_t chars = sp_form_b64_chars(f, v.n);

		for (size_t i = 0; i < chars && s.n < n; i++)
			put(&s, b64_char(f, v, i), false);
		return s.n == n;
	}
	for (size_t i = 0; i < v.n && s.n < n;) {
		size_t used = 1;

		switch (f->family) {
		case SP_FORM_HEX: put_hex(&s, at(v, i)); break;
		case SP_FORM_PCT: start_pct(&s, at(v, i), anchor); break;
		case SP_FORM_JSON: used = start_json(&s, v, i, anchor); break;
		case SP_FORM_HTML: start_html(&s, at(v, i), anchor); break;
		default: put(&s, at(v, i), false);
		}
		i += used;
	}
	return s.n == n;
}

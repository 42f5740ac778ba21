#include "mcp/foreign.h"

#include "base/utf8.h"

enum { SHORT_TEXT = 256, ICONS_MAX = 16, ROLES_MAX = 4, WORD_MAX = 32 };

/* ---- names and URIs */

static bool
is_name_char(unsigned char c)
{
	return sp_is_alpha(c) || sp_is_digit(c) || c == '_' || c == '.' || c == '-';
}

bool
sp_name_ok(sp_slice name)
{
	return name.n != 0 && name.n <= SP_NAME_MAX && sp_span(name, is_name_char) == name.n;
}

static bool
is_scheme_char(unsigned char c)
{
	return sp_is_alpha(c) || sp_is_digit(c) || c == '+' || c == '-' || c == '.';
}

sp_slice
sp_scheme(sp_slice uri)
{
	size_t n = sp_span(uri, is_scheme_char);

	if (n == 0 || n == uri.n || uri.p[n] != ':' || !sp_is_alpha((unsigned char)uri.p[0]))
		return (sp_slice){ NULL, 0 };
	return sp_sub(uri, 0, n);
}

static bool
is_visible(unsigned char c)
{
	return c > 0x20 && c < 0x7f;
}

static bool
is_uri_char(unsigned char c)
{
	return is_visible(c) && c != '"' && c != '<' && c != '>' && c != '\\' && c != '^' && c != '`' && c != '{' && c != '|' &&
	    c != '}';
}

bool
sp_res_uri_ok(sp_slice uri)
{
	sp_slice scheme = sp_scheme(uri);

	return scheme.n != 0 && scheme.n + 1 < uri.n && uri.n <= SP_URI_MAX && sp_span(uri, is_uri_char) == uri.n;
}

bool
sp_res_template_ok(sp_slice t)
{
	sp_slice scheme = sp_scheme(t);
	bool inside = false;

	if (scheme.n == 0 || scheme.n + 1 >= t.n || t.n > SP_URI_MAX)
		return false;
	for (size_t i = 0; i < t.n; i++) {
		unsigned char c = (unsigned char)t.p[i];

		if (c == '{' || c == '}') {
			if (inside != (c == '}') || (inside && t.p[i - 1] == '{'))
				return false;
			inside = !inside;
		} else if (!(inside ? is_visible(c) : is_uri_char(c) || c == '|')) {
			return false;
		}
	}
	return !inside;
}

bool
sp_uri_is_active(sp_slice uri)
{
	static const sp_slice active[] = {
		SP_LIT_INIT("javascript"), SP_LIT_INIT("vbscript"), SP_LIT_INIT("livescript"), SP_LIT_INIT("data"),
		SP_LIT_INIT("blob"), SP_LIT_INIT("about"), SP_LIT_INIT("view-source"), SP_LIT_INIT("filesystem"),
		SP_LIT_INIT("jar"), SP_LIT_INIT("chrome"), SP_LIT_INIT("res"), SP_LIT_INIT("mhtml"),
		SP_LIT_INIT("mk"), SP_LIT_INIT("shell"), SP_LIT_INIT("ms-its"), SP_LIT_INIT("ms-msdt"), SP_LIT_INIT("search-ms"),
	};

	sp_slice scheme = sp_scheme(uri), rest = uri;

	/* data://config is the way many servers name things; without a comma no reader of RFC 2397 makes a document of it. */
	if (sp_take_nocase(&rest, SP_LIT("data://")) && !sp_has_byte(rest, ','))
		return false;
	for (size_t i = 0; i < SP_COUNT(active); i++)
		if (sp_eq_nocase(scheme, active[i]))
			return true;
	return false;
}

/* ---- members */

static void
key(struct sp_out *o, const char *name)
{
	sp_out_byte(o, '"');
	sp_out_str(o, name);
	sp_out_str(o, "\":");
}

void
sp_member_end(struct sp_out *o, char close)
{
	if (!o->full && o->n != 0 && o->p[o->n - 1] == ',')
		o->n--;
	sp_out_byte(o, close);
}

void
sp_member_text(struct sp_out *o, const char *name, sp_jval *v, size_t max, bool keep_lines)
{
	struct sp_out clean;

	if (v == NULL || !sp_jis_str(v))
		return;
	sp_out_heap(&clean, max + 1);
	sp_utf8_clean(&clean, sp_jtext(v), max, keep_lines);
	if (clean.full)
		o->full = true;
	key(o, name);
	sp_jout_str(o, sp_out_view(&clean));
	sp_out_byte(o, ',');
	sp_out_free(&clean);
}

void
sp_member_raw(struct sp_out *o, const char *name, sp_jval *v)
{
	if (v == NULL)
		return;
	key(o, name);
	sp_jwrite(o, v);
	sp_out_byte(o, ',');
}

/* mcp-spec 2.4: https or data only; of data, pictures. */
static bool
icon_ok(sp_jval *icon)
{
	sp_slice src = sp_jtext(SP_JGET(icon, "src")), rest = src;

	if (!sp_jis_str(SP_JGET(icon, "src")) || sp_span(src, is_visible) != src.n)
		return false;
	if (sp_take_nocase(&rest, SP_LIT("https://")))
		return rest.n != 0 && src.n <= SP_URI_MAX;
	return sp_take_nocase(&rest, SP_LIT("data:image/"));
}

/* A list of at most `max` plain words. */
static bool
all_words(sp_jval *list, size_t max)
{
	if (!sp_jis_arr(list))
		return false;
	for (struct sp_jiter it = sp_jeach(list); sp_jnext(&it);) {
		sp_slice word = sp_jtext(it.val);

		if (!sp_jis_str(it.val) || it.idx >= max || word.n > WORD_MAX || sp_span(word, is_visible) != word.n)
			return false;
	}
	return true;
}

void
sp_member_icons(struct sp_out *o, sp_jval *v)
{
	unsigned n = 0;

	for (struct sp_jiter it = sp_jeach(sp_jis_arr(v) ? v : NULL); sp_jnext(&it) && n < ICONS_MAX;) {
		sp_jval *sizes = SP_JGET(it.val, "sizes");

		if (!icon_ok(it.val))
			continue;
		if (n++ == 0)
			sp_out_str(o, "\"icons\":[");
		sp_out_byte(o, '{');
		sp_member_raw(o, "src", SP_JGET(it.val, "src"));
		sp_member_text(o, "mimeType", SP_JGET(it.val, "mimeType"), SHORT_TEXT, false);
		if (all_words(sizes, ICONS_MAX))
			sp_member_raw(o, "sizes", sizes);
		sp_member_text(o, "theme", SP_JGET(it.val, "theme"), SHORT_TEXT, false);
		sp_member_end(o, '}');
		sp_out_byte(o, ',');
	}
	if (n == 0)
		return;
	sp_member_end(o, ']');
	sp_out_byte(o, ',');
}

void
sp_member_meta(struct sp_out *o, sp_jval *meta, sp_slice first)
{
	bool any = first.n != 0;

	for (struct sp_jiter it = sp_jeach(meta); sp_jnext(&it) && !any;)
		any = it.key.n != 0 && !sp_starts(it.key, SP_LIT("io.modelcontextprotocol/"));
	if (!any)
		return;
	key(o, "_meta");
	sp_out_byte(o, '{');
	sp_out_slice(o, first);
	if (first.n != 0)
		sp_out_byte(o, ',');
	for (struct sp_jiter it = sp_jeach(sp_jis_obj(meta) ? meta : NULL); sp_jnext(&it);) {
		if (it.key.n == 0 || sp_starts(it.key, SP_LIT("io.modelcontextprotocol/")))
			continue;
		sp_jout_str(o, it.key);
		sp_out_byte(o, ':');
		sp_jwrite(o, it.val);
		sp_out_byte(o, ',');
	}
	sp_member_end(o, '}');
	sp_out_byte(o, ',');
}

void
sp_member_hints(struct sp_out *o, sp_jval *v)
{
	static const char *const hints[] = { "readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint" };

	if (v == NULL || !sp_jis_obj(v))
		return;
	sp_out_str(o, "\"annotations\":{");
	sp_member_text(o, "title", SP_JGET(v, "title"), SHORT_TEXT, false);
	for (size_t i = 0; i < SP_COUNT(hints); i++) {
		sp_jval *hint = sp_jget(v, sp_str(hints[i]));

		if (hint != NULL && sp_jis_bool(hint))
			sp_member_raw(o, hints[i], hint);
	}
	sp_member_end(o, '}');
	sp_out_byte(o, ',');
}

void
sp_member_annotations(struct sp_out *o, sp_jval *v)
{
	sp_jval *audience = SP_JGET(v, "audience"), *priority = SP_JGET(v, "priority");

	if (v == NULL || !sp_jis_obj(v))
		return;
	sp_out_str(o, "\"annotations\":{");
	if (audience != NULL && all_words(audience, ROLES_MAX))
		sp_member_raw(o, "audience", audience);
	if (priority != NULL && sp_jis_num(priority))
		sp_member_raw(o, "priority", priority);
	sp_member_text(o, "lastModified", SP_JGET(v, "lastModified"), SHORT_TEXT, false);
	sp_member_end(o, '}');
	sp_out_byte(o, ',');
}

/*
 * RFC 3986 section 5: references against a base.  Here URIs are only names that are compared, never fetched, so any
 * scheme will do and nothing is refused.
 */
#include "schema/schema_int.h"

struct parts {
	sp_slice scheme, authority, path, query;
	bool	 has_scheme, has_authority, has_query;
};

static bool
is_scheme_char(unsigned char c)
{
	return sp_is_alpha(c) || sp_is_digit(c) || c == '+' || c == '-' || c == '.';
}

static struct parts
split(sp_slice s)
{
	struct parts p = { 0 };
	size_t n = sp_span(s, is_scheme_char);

	if (n != 0 && n < s.n && s.p[n] == ':' && sp_is_alpha((unsigned char)s.p[0])) {
		p.has_scheme = true;
		p.scheme = sp_sub(s, 0, n);
		sp_advance(&s, n + 1);
	}
	n = sp_find(s, SP_LIT("?"));
	if (n != SIZE_MAX) {
		p.has_query = true;
		p.query = sp_sub(s, n + 1, s.n);
		s = sp_sub(s, 0, n);
	}
	if (sp_take(&s, SP_LIT("//"))) {
		n = sp_find(s, SP_LIT("/"));
		p.has_authority = true;
		p.authority = sp_sub(s, 0, n == SIZE_MAX ? s.n : n);
		sp_advance(&s, p.authority.n);
	}
	p.path = s;
	return p;
}

/* Drops the last segment and its slash. */
static void
drop_segment(struct sp_out *o, size_t start)
{
	while (o->n > start && o->p[o->n - 1] != '/')
		o->n--;
	if (o->n > start)
		o->n--;
}

/* RFC 3986 section 5.2.4. */
static void
remove_dots(struct sp_out *o, sp_slice in)
{
	size_t start = o->n, n;

	while (in.n != 0) {
		if (sp_take(&in, SP_LIT("../")) || sp_take(&in, SP_LIT("./")))
			continue;
		if (sp_starts(in, SP_LIT("/./"))) {
			sp_advance(&in, 2);
			continue;
		}
		if (sp_eq(in, SP_LIT("/."))) {
			sp_out_byte(o, '/');
			return;
		}
		if (sp_starts(in, SP_LIT("/../"))) {
			sp_advance(&in, 3);
			drop_segment(o, start);
			continue;
		}
		if (sp_eq(in, SP_LIT("/.."))) {
			drop_segment(o, start);
			sp_out_byte(o, '/');
			return;
		}
		if (sp_eq(in, SP_LIT(".")) || sp_eq(in, SP_LIT("..")))
			return;
		n = sp_find(sp_sub(in, 1, in.n), SP_LIT("/"));
		n = n == SIZE_MAX ? in.n : n + 1;
		sp_out_slice(o, sp_sub(in, 0, n));
		sp_advance(&in, n);
	}
}

/* RFC 3986 section 5.2.3: the base's path without its last segment, then the reference's. */
static void
merge(struct sp_out *o, const struct parts *base, sp_slice path)
{
	sp_slice dir = base->path;

	while (dir.n != 0 && dir.p[dir.n - 1] != '/')
		dir.n--;
	if (dir.n == 0 && base->has_authority)
		dir = SP_LIT("/");
	sp_out_slice(o, dir);
	sp_out_slice(o, path);
}

static void
path_write(struct sp_out *o, const struct parts *base, const struct parts *r, struct sp_out *scratch)
{
	if (!r->has_scheme && !r->has_authority && r->path.n == 0) {
		sp_out_slice(o, base->path);
		return;
	}
	if (r->has_scheme || r->has_authority || sp_starts(r->path, SP_LIT("/"))) {
		/* What has no hierarchy (urn:…) has no dots to remove. */
		if (r->has_scheme && !r->has_authority && !sp_starts(r->path, SP_LIT("/")))
			sp_out_slice(o, r->path);
		else
			remove_dots(o, r->path);
		return;
	}
	merge(scratch, base, r->path);
	remove_dots(o, sp_out_view(scratch));
}

sp_slice
sp_uri_resolve(struct sp_arena *a, sp_slice base, sp_slice ref)
{
	struct parts b = split(base), r = split(ref);
	const struct parts *top = r.has_scheme ? &r : &b, *host = r.has_scheme || r.has_authority ? &r : &b;
	const struct parts *query = host == &r || r.path.n != 0 || r.has_query ? &r : &b;
	size_t room = base.n + ref.n + 8;
	char *buf = sp_arena_get(a, room), *tmp = sp_arena_get(a, room);
	struct sp_out o, scratch;

	if (buf == NULL || tmp == NULL)
		return (sp_slice){ NULL, 0 };
	sp_out_init(&o, buf, room);
	sp_out_init(&scratch, tmp, room);
	if (top->has_scheme) {
		sp_out_slice(&o, top->scheme);
		sp_out_byte(&o, ':');
	}
	if (host->has_authority) {
		sp_out_str(&o, "//");
		sp_out_slice(&o, host->authority);
	}
	path_write(&o, &b, &r, &scratch);
	if (query->has_query) {
		sp_out_byte(&o, '?');
		sp_out_slice(&o, query->query);
	}
	return o.full ? (sp_slice){ NULL, 0 } : sp_out_view(&o);
}

#include "outbound/inject.h"

#include "base/b64.h"
#include "openapi/slot.h"
#include "wire/http1.h"
#include "wire/uri.h"

struct job {
	const struct sp_inject *in;
	const struct sp_img_op *op;
	const struct sp_request *req;
	struct sp_out *o;
	struct sp_err *e;
	bool has_query, has_cookie;
};

static const struct sp_img_grant *
grant_at(const struct job *j, uint32_t i)
{
	return SP_IMG_AT(j->in->img, j->in->server->grants, grant, i);
}

static sp_slice
text(const struct job *j, struct sp_ref r)
{
	return sp_img_str(j->in->img, r);
}

/* Where this operation's requests go: the server's own origin, or another that its document names. */
struct target { sp_slice host; uint32_t port, https, host_kind; };

static struct target
target_of(const struct job *j)
{
	const struct sp_img_server *s = j->in->server;
	const struct sp_img_origin *o;

	if (j->op->origin == 0)
		return (struct target){ text(j, s->host), s->port, s->https, s->host_kind };
	o = SP_IMG_AT(j->in->img, s->origins, origin, j->op->origin - 1);
	return (struct target){ text(j, o->host), o->port, o->https, o->host_kind };
}

/* --- slots: what an argument must never fill, by any credential of this server */

static bool
is_slot(const struct job *j, sp_slice kind, enum sp_place place, sp_slice name)
{
	const struct sp_img_server *s = j->in->server;

	for (uint32_t i = 0; i < s->slots.n; i++) {
		sp_slice slot = sp_img_text(j->in->img, s->slots, i);

		if (sp_take(&slot, kind) && sp_eq_nocase(slot, name))
			return true;
	}
	for (uint32_t i = 0; i < s->grants.n; i++)
		if (grant_at(j, i)->place == place && sp_eq_nocase(text(j, grant_at(j, i)->field), name))
			return true;
	return false;
}

static bool
has_query_slot(const struct job *j)
{
	const struct sp_img_server *s = j->in->server;

	for (uint32_t i = 0; i < s->slots.n; i++)
		if (sp_starts(sp_img_text(j->in->img, s->slots, i), SP_LIT("query ")))
			return true;
	for (uint32_t i = 0; i < s->grants.n; i++)
		if (grant_at(j, i)->place == SP_PLACE_QUERY)
			return true;
	return false;
}

/* Is this piece of a query one that a slot owns, however its name is encoded? */
static bool
is_query_slot(const struct job *j, sp_slice piece)
{
	char buf[256];
	struct sp_out name;
	sp_slice raw = piece, head;

	if (sp_take_to(&raw, '=', &head))
		piece = head;
	sp_out_init(&name, buf, sizeof buf);
	if (!sp_pct_decode(&name, piece) || name.full)
		return is_slot(j, SP_LIT("query "), SP_PLACE_QUERY, piece);
	return is_slot(j, SP_LIT("query "), SP_PLACE_QUERY, sp_out_view(&name));
}

/* --- writing */

static void
put_target(struct job *j)
{
	sp_slice rest = j->req->target, path = rest, piece;
	char sep = '?';

	if (!sp_has_byte(rest, '?') || !has_query_slot(j)) {
		j->has_query = sp_has_byte(rest, '?');
		sp_out_slice(j->o, rest);
		return;
	}
	(void)sp_take_to(&rest, '?', &path);
	sp_out_slice(j->o, path);
	while (sp_take_part(&rest, '&', &piece)) {
		if (is_query_slot(j, piece))
			continue;
		sp_out_byte(j->o, sep);
		sp_out_slice(j->o, piece);
		sep = '&';
	}
	j->has_query = sep == '&';
}

static void
put_field(struct sp_out *o, sp_slice name, sp_slice value)
{
	sp_out_slice(o, name);
	sp_out_add(o, ": ", 2);
	sp_out_slice(o, value);
	sp_out_add(o, "\r\n", 2);
}

static void
put_host(struct job *j)
{
	const struct target t = target_of(j);
	bool six = t.host_kind == SP_HOST_IPV6;

	sp_out_add(j->o, "Host: ", 6);
	if (six)
		sp_out_byte(j->o, '[');
	sp_out_slice(j->o, t.host);
	if (six)
		sp_out_byte(j->o, ']');
	if (t.port != (t.https != 0 ? 443u : 80u)) {
		sp_out_byte(j->o, ':');
		sp_out_u64(j->o, t.port);
	}
	sp_out_add(j->o, "\r\n", 2);
}

static bool
value_ok(sp_slice v)
{
	for (size_t i = 0; i < v.n; i++)
		if (sp_is_ctl((unsigned char)v.p[i]) && v.p[i] != '\t')
			return false;
	return true;
}

/* Nothing that frames, routes or authenticates comes from arguments; Accept and Content-Type are the binder's own. */
static bool
field_ok(const struct job *j, const struct sp_bind_field *f)
{
	if (sp_eq(f->name, SP_LIT("Accept")) || sp_eq(f->name, SP_LIT("Content-Type")))
		return value_ok(f->value);
	return f->name.n != 0 && sp_span(f->name, sp_is_tchar) == f->name.n && value_ok(f->value) &&
	    !sp_slot_reserved(f->name) && !sp_eq_nocase(f->name, SP_LIT("User-Agent")) &&
	    !is_slot(j, SP_LIT("header "), SP_PLACE_HEADER, f->name);
}

static void
put_fields(struct job *j)
{
	const struct sp_request *r = j->req;
	bool says_length = r->has_body || r->method == SP_POST || r->method == SP_PUT || r->method == SP_PATCH;

	sp_out_str(j->o, "User-Agent: sallyport\r\nAccept-Encoding: identity\r\n");
	for (uint32_t i = 0; i < r->nfields; i++)
		if (field_ok(j, &r->fields[i]))
			put_field(j->o, r->fields[i].name, r->fields[i].value);
	if (!says_length)
		return;
	sp_out_str(j->o, "Content-Length: ");
	sp_out_u64(j->o, r->has_body ? r->body.n : 0);
	sp_out_add(j->o, "\r\n", 2);
}

/* --- the credentials */

static enum sp_status
bad_secret(const struct job *j, const struct sp_img_grant *g, const char *why)
{
	return sp_fail(j->e, SP_E_CONFIG, NULL, "secret %.*s (line %u) %s", SP_PRI(text(j, g->name)), g->line, why);
}

static bool
is_cookie_byte(unsigned char c)
{
	return c > 0x20 && c < 0x7f && c != '"' && c != ',' && c != ';' && c != '\\';
}

/* before + value + after, as it stands in a header or cookie. */
static enum sp_status
put_value(struct job *j, const struct sp_img_grant *g, sp_slice value)
{
	bool cookie = g->place == SP_PLACE_COOKIE;

	if (value.n == 0)
		return bad_secret(j, g, "is empty");
	if (g->basic != 0) {
		sp_out_slice(j->o, g->before.n == 0 ? SP_LIT("Basic ") : text(j, g->before));
		sp_b64_encode(j->o, value.p, value.n);
		sp_out_slice(j->o, text(j, g->after));
		return SP_OK;
	}
	if (!value_ok(value) || (cookie && sp_span(value, is_cookie_byte) != value.n))
		return bad_secret(j, g, "has bytes that cannot stand there");
	sp_out_slice(j->o, text(j, g->before));
	sp_out_slice(j->o, value);
	sp_out_slice(j->o, text(j, g->after));
	return SP_OK;
}

static enum sp_status
put_query(struct job *j, const struct sp_img_grant *g, sp_slice value)
{
	if (value.n == 0)
		return bad_secret(j, g, "is empty");
	sp_out_byte(j->o, j->has_query ? '&' : '?');
	j->has_query = true;
	sp_pct_encode(j->o, text(j, g->field));
	sp_out_byte(j->o, '=');
	sp_pct_encode(j->o, text(j, g->before));
	sp_pct_encode(j->o, value);
	sp_pct_encode(j->o, text(j, g->after));
	return SP_OK;
}

/* One "name=value" of the binder: a plain one, and no slot's. */
static bool
cookie_ok(const struct job *j, sp_slice piece)
{
	sp_slice value = piece, name;

	if (!sp_take_to(&value, '=', &name) || name.n == 0 || sp_span(name, sp_is_tchar) != name.n)
		return false;
	for (size_t i = 0; i < value.n; i++)
		if (!is_cookie_byte((unsigned char)value.p[i]) && value.p[i] != ',')
			return false;
	return !is_slot(j, SP_LIT("cookie "), SP_PLACE_COOKIE, name);
}

/* "Cookie: " or "; ": there is one Cookie field, of arguments first and of secrets last. */
static void
put_cookie_lead(struct job *j)
{
	sp_out_str(j->o, j->has_cookie ? "; " : "Cookie: ");
	j->has_cookie = true;
}

static void
put_cookies(struct job *j)
{
	sp_slice all = j->req->cookies, piece;

	while (all.n != 0 && sp_take_part(&all, ';', &piece)) {
		piece = sp_trim(piece);
		if (!cookie_ok(j, piece))
			continue;
		put_cookie_lead(j);
		sp_out_slice(j->o, piece);
	}
}

/* The operation's grants with this place, one after the other. */
static enum sp_status
put_place(struct job *j, enum sp_place place)
{
	const uint32_t *list = sp_img_u32(j->in->img, j->op->grants);
	enum sp_status st = SP_OK;

	for (uint32_t i = 0; i < j->op->grants.n && st == SP_OK; i++) {
		const struct sp_img_grant *g = grant_at(j, list[i]);
		sp_slice value;

		if (g->place != place)
			continue;
		if (j->in->secrets[list[i]] == NULL)
			return sp_fail(j->e, SP_E_UNAVAILABLE, NULL, "secret %.*s (line %u) has not been received",
			    SP_PRI(text(j, g->name)), g->line);
		value = sp_secret_peek(j->in->secrets[list[i]]);
		if (place == SP_PLACE_QUERY) {
			st = put_query(j, g, value);
			continue;
		}
		if (place == SP_PLACE_COOKIE) {
			put_cookie_lead(j);
			sp_out_slice(j->o, text(j, g->field));
			sp_out_byte(j->o, '=');
			st = put_value(j, g, value);
			continue;
		}
		sp_out_slice(j->o, text(j, g->field));
		sp_out_add(j->o, ": ", 2);
		st = put_value(j, g, value);
		sp_out_add(j->o, "\r\n", 2);
	}
	return st;
}

/* One field, one credential: which of two the upstream would believe is not ours to guess. */
static bool
twins(const struct job *j)
{
	const uint32_t *list = sp_img_u32(j->in->img, j->op->grants);

	for (uint32_t i = 0; i < j->op->grants.n; i++)
		for (uint32_t k = 0; k < i; k++) {
			const struct sp_img_grant *a = grant_at(j, list[i]), *b = grant_at(j, list[k]);

			if (a->place == b->place && sp_eq_nocase(text(j, a->field), text(j, b->field)))
				return true;
		}
	return false;
}

/* --- the second look, at the bytes themselves */

struct final { enum sp_method method; struct sp_uri origin; sp_slice path; };

/* The request line and Host as an upstream will read them.  `buf` holds the origin. */
static bool
read_final(const struct job *j, char *buf, size_t cap, struct final *f)
{
	sp_slice in = sp_out_view(j->o), method, target, host, query;
	struct sp_out url;

	if (!sp_take_to(&in, ' ', &method) || !sp_take_to(&in, ' ', &target) ||
	    !sp_take(&in, SP_LIT("HTTP/1.1\r\nHost: ")) || !sp_take_to(&in, '\r', &host))
		return false;
	f->method = sp_method_find(method);
	query = target;
	f->path = sp_take_to(&query, '?', &f->path) ? f->path : target;
	sp_out_init(&url, buf, cap);
	sp_out_str(&url, target_of(j).https != 0 ? "https://" : "http://");
	sp_out_slice(&url, host);
	sp_out_byte(&url, '/');
	if (url.full || sp_uri_read(sp_out_view(&url), &f->origin, NULL) != SP_OK)
		return false;
	return sp_eq(f->origin.authority, host);
}

static bool
is_path_byte(unsigned char c)
{
	return c > 0x20 && c < 0x7f && strchr("\"#<>?\\^`{|}", c) == NULL;
}

/* Some upstreams decode before they look for "..": so does this, and takes an encoded separator for one. */
static bool
climbs(sp_slice path)
{
	size_t dots = 0, others = 0;

	for (size_t i = 0; i <= path.n; i++) {
		unsigned char c = i == path.n ? '/' : (unsigned char)path.p[i];

		if (c == '%' && path.n - i > 2) {
			int hi = sp_hex_value((unsigned char)path.p[i + 1]), lo = sp_hex_value((unsigned char)path.p[i + 2]);

			if (hi < 0 || lo < 0)
				return true;
			c = (unsigned char)(hi << 4 | lo);
			i += 2;
		}
		if (c == '/' || c == '\\') {
			if (others == 0 && (dots == 1 || dots == 2))
				return true;
			dots = others = 0;
		} else if (c == '.') {
			dots++;
		} else {
			others++;
		}
	}
	return false;
}

/* The prefix itself, or something beneath it; never a name that merely begins like it. */
static bool
beneath(sp_slice path, sp_slice prefix)
{
	if (prefix.n == 0 || sp_eq(prefix, SP_LIT("/")))
		return true;
	if (!sp_starts(path, prefix) || climbs(path))
		return false;
	return path.n == prefix.n || prefix.p[prefix.n - 1] == '/' || path.p[prefix.n] == '/';
}

static enum sp_status
check_grant(const struct job *j, const struct sp_img_grant *g, const struct final *f)
{
	const char *why = NULL;

	if (!sp_eq_nocase(f->origin.host, text(j, g->host)) || f->origin.port != g->port)
		why = "host or port";
	else if (f->origin.https != (g->https != 0))
		why = "scheme";
	else if (g->methods != 0 && (g->methods >> f->method & 1) == 0)
		why = "method";
	else if (!beneath(f->path, text(j, g->path_prefix)))
		why = "path";
	/* A secret in clear text only ever to this machine. */
	else if (!f->origin.https && j->in->server->kind != SP_SERVER_MANAGEMENT &&
	    !sp_host_is_loopback(f->origin.host, f->origin.kind))
		why = "scheme: clear text beyond this machine";
	if (why == NULL)
		return SP_OK;
	return sp_fail(j->e, SP_E_REFUSED, NULL, "secret %.*s (line %u) is not granted for this request: %s",
	    SP_PRI(text(j, g->name)), g->line, why);
}

static enum sp_status
check(const struct job *j)
{
	const uint32_t *list = sp_img_u32(j->in->img, j->op->grants);
	enum sp_status st = SP_OK;
	struct final f;
	char buf[512];

	if (!read_final(j, buf, sizeof buf, &f) || f.method == 0 || (unsigned)f.method != j->op->method ||
	    f.path.n == 0 || f.path.p[0] != '/' || sp_span(f.path, is_path_byte) != f.path.n)
		return sp_fail(j->e, SP_E_REFUSED, NULL, "the finished request does not read as it was meant");
	for (uint32_t i = 0; i < j->op->grants.n && st == SP_OK; i++)
		st = check_grant(j, grant_at(j, list[i]), &f);
	return st;
}

static enum sp_status
build(struct job *j)
{
	enum sp_status st;

	if (twins(j))
		return sp_fail(j->e, SP_E_REFUSED, NULL, "two secrets for one place");
	sp_out_slice(j->o, sp_method_name((enum sp_method)j->req->method));
	sp_out_byte(j->o, ' ');
	put_target(j);
	st = put_place(j, SP_PLACE_QUERY);
	if (st != SP_OK)
		return st;
	sp_out_str(j->o, " HTTP/1.1\r\n");
	put_host(j);
	put_fields(j);
	put_cookies(j);
	st = put_place(j, SP_PLACE_COOKIE);
	if (j->has_cookie)
		sp_out_add(j->o, "\r\n", 2);
	if (st == SP_OK)
		st = put_place(j, SP_PLACE_HEADER);
	sp_out_add(j->o, "\r\n", 2);
	if (st == SP_OK && j->o->full)
		st = sp_fail(j->e, SP_E_TOO_BIG, NULL, "the head of the request is too large");
	return st;
}

enum sp_status
sp_inject(const struct sp_inject *in, const struct sp_img_op *op, const struct sp_request *req, struct sp_out *o,
    struct sp_err *e)
{
	struct job j = { in, op, req, o, e, false, false };
	enum sp_status st = build(&j);

	if (st == SP_OK)
		st = check(&j);
	if (st != SP_OK) {
		explicit_bzero(o->p, o->cap);
		sp_out_reset(o);
	}
	return st;
}

bool
sp_inject_owns(const struct sp_inject *in, const struct sp_request *req, sp_slice *what)
{
	const struct job j = { .in = in, .req = req };
	sp_slice rest = req->target, piece;

	for (uint32_t i = 0; i < req->nfields; i++)
		if (!field_ok(&j, &req->fields[i])) {
			*what = req->fields[i].name;
			return true;
		}
	if (!sp_take_to(&rest, '?', &piece))
		return false;
	while (sp_take_part(&rest, '&', &piece))
		if (is_query_slot(&j, piece)) {
			*what = piece;
			(void)sp_take_to(&piece, '=', what);
			return true;
		}
	return false;
}

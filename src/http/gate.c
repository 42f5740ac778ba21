#include "http/gate.h"

#include "mcp/era.h"

#define WELL_KNOWN "/.well-known/oauth-protected-resource"

static bool
in_list(const struct sp_image *img, struct sp_ref list, sp_slice s, bool fold)
{
	for (uint32_t i = 0; i < list.n; i++) {
		sp_slice t = sp_img_text(img, list, i);

		if (fold ? sp_eq_nocase(t, s) : sp_eq(t, s))
			return true;
	}
	return false;
}

/* RFC 9728 section 3.1: the path of the resource behind the well-known part, none for "/".  Where there is one resource only,
 * clients may ask without its path, too. */
static bool
find_metadata(const struct sp_image *img, sp_slice path, uint32_t *out)
{
	uint32_t i;

	if (!sp_take(&path, SP_LIT(WELL_KNOWN)) || sp_eq(path, SP_LIT("/")))
		return false;
	i = sp_img_find_resource(img, path.n == 0 ? SP_LIT("/") : path);
	if (i == UINT32_MAX && path.n == 0 && img->head->resources.n == 1)
		i = 0;
	if (i == UINT32_MAX || SP_IMG_AT(img, img->head->resources, resource, i)->metadata.n == 0)
		return false;
	*out = i;
	return true;
}

enum sp_status
sp_gate_where(const struct sp_image *img, const struct sp_http_head *head, enum sp_where *out, uint32_t *resource,
    struct sp_err *e)
{
	unsigned n;
	const struct sp_http_field *origin = sp_http_find(head, SP_LIT("origin"), &n);
	const struct sp_img_head *h = img->head;

	/* A name that is not ours is how a web page reaches a local port (DNS rebinding). */
	if (head->host.n == 0 || !in_list(img, h->hosts, head->host, true))
		return sp_fail(e, SP_E_MISDIRECTED, NULL, "Host %.*s is not served here", SP_PRI(head->host));
	if (n > 1 || (n == 1 && !in_list(img, h->origins, origin->value, false)))
		return sp_fail(e, SP_E_ORIGIN, NULL, "Origin %.*s is not allowed", SP_PRI(origin->value));
	*resource = sp_img_find_resource(img, head->path);
	if (*resource != UINT32_MAX)
		*out = SP_AT_MCP;
	else if (sp_eq(head->path, SP_LIT("/healthz")))
		*out = SP_AT_HEALTH;
	else if (find_metadata(img, head->path, resource))
		*out = SP_AT_METADATA;
	else
		return sp_fail(e, SP_E_NOT_FOUND, NULL, "no such path");
	return SP_OK;
}

/* RFC 6750 section 2: a token in the query beside the one in the header is more than one method. */
static bool
token_in_query(const struct sp_http_head *head)
{
	sp_slice in = head->query, part;

	while (sp_take_part(&in, '&', &part))
		if (sp_starts(part, SP_LIT("access_token=")))
			return true;
	return false;
}

enum sp_status
sp_gate_token(const struct sp_http_head *head, sp_slice *token, bool *offered, struct sp_err *e)
{
	unsigned n;
	const struct sp_http_field *f = sp_http_find(head, SP_LIT("authorization"), &n);
	enum sp_status st;
	sp_slice got;

	*offered = n != 0;
	if (n == 0)
		return SP_E_NO_TOKEN;
	if (n > 1)
		return sp_fail(e, SP_E_BAD_REQUEST, "more than one credential", "Authorization was sent twice");
	st = sp_bearer(f->value, &got);
	if (st == SP_E_NO_TOKEN)
		return st;
	if (st != SP_OK)
		return sp_fail(e, SP_E_BAD_REQUEST, "malformed credential", "a malformed bearer credential");
	if (token_in_query(head))
		return sp_fail(e, SP_E_BAD_REQUEST, "more than one credential", "a token in header and query");
	*token = got;
	return SP_OK;
}

enum sp_status
sp_gate_own(const struct sp_verifier *v, const struct sp_http_head *head, sp_slice *token, uint32_t *source,
    struct sp_err *e)
{
	const struct sp_http_field *f, *found = NULL;
	uint32_t from = 0, here;
	unsigned n, all = 0;
	sp_slice name;

	/* Sources may share a header: the first is told, and the verifier goes on from there. */
	for (uint32_t i = 0; sp_verifier_header(v, i, &here, &name); i++) {
		f = sp_http_find(head, name, &n);
		if (n == 0 || f == found)
			continue;
		all += n;
		found = f;
		from = here;
	}
	if (all == 0)
		return SP_E_NO_TOKEN;
	(void)sp_http_find(head, SP_LIT("authorization"), &n);
	if (all + n > 1 || token_in_query(head))
		return sp_fail(e, SP_E_BAD_REQUEST, "more than one credential", "a token in more than one place");
	if (found->value.n == 0)
		return sp_fail(e, SP_E_BAD_REQUEST, "malformed credential", "an empty credential");
	*token = found->value;
	*source = from;
	return SP_OK;
}

/* RFC 9110 section 8.3: application/json, and no charset but UTF-8. */
static bool
is_json(sp_slice v)
{
	sp_slice part, name;

	if (!sp_take_part(&v, ';', &part) || !sp_eq_nocase(sp_trim(part), SP_LIT("application/json")))
		return false;
	while (sp_take_part(&v, ';', &part)) {
		part = sp_trim(part);
		if (!sp_take_to(&part, '=', &name))
			return false;
		if (!sp_eq_nocase(name, SP_LIT("charset")))
			continue;
		if (!sp_eq_nocase(part, SP_LIT("utf-8")) && !sp_eq_nocase(part, SP_LIT("\"utf-8\"")))
			return false;
	}
	return true;
}

/* q=0, q=0.0, … (RFC 9110 section 12.4.2). */
static bool
is_zero(sp_slice q)
{
	if (!sp_take(&q, SP_LIT("0")))
		return false;
	return q.n == 0 || (sp_take(&q, SP_LIT(".")) && sp_starts(SP_LIT("000"), q));
}

static bool
range_takes(sp_slice range, sp_slice whole, sp_slice family)
{
	sp_slice type, part, name;

	if (!sp_take_part(&range, ';', &type))
		return false;
	type = sp_trim(type);
	if (!sp_eq_nocase(type, whole) && !sp_eq_nocase(type, family) && !sp_eq(type, SP_LIT("*/*")))
		return false;
	while (sp_take_part(&range, ';', &part)) {
		part = sp_trim(part);
		if (sp_take_to(&part, '=', &name) && sp_eq_nocase(name, SP_LIT("q")) && is_zero(part))
			return false;
	}
	return true;
}

/* `absent`: the answer when there is no Accept at all. */
static bool
accepts(const struct sp_http_head *head, sp_slice whole, sp_slice family, bool absent)
{
	bool any = false;

	for (unsigned i = 0; i < head->nfields; i++) {
		sp_slice in = head->fields[i].value, range;

		if (!sp_eq_nocase(head->fields[i].name, SP_LIT("accept")))
			continue;
		any = true;
		while (sp_take_part(&in, ',', &range))
			if (range_takes(range, whole, family))
				return true;
	}
	return !any && absent;
}

bool
sp_gate_takes_events(const struct sp_http_head *head)
{
	return accepts(head, SP_LIT("text/event-stream"), SP_LIT("text/*"), false);
}

enum sp_status
sp_gate_post(const struct sp_http_head *head, struct sp_err *e)
{
	unsigned n;
	const struct sp_http_field *f;

	if (head->method != SP_POST)
		return sp_fail(e, SP_E_METHOD, NULL, "method is not POST");
	f = sp_http_find(head, SP_LIT("content-type"), &n);
	if (n != 1 || !is_json(f->value))
		return sp_fail(e, SP_E_MEDIA, "Content-Type must be application/json", "not application/json");
	f = sp_http_find(head, SP_LIT("content-encoding"), &n);
	if (n > 1 || (n == 1 && !sp_eq_nocase(f->value, SP_LIT("identity"))))
		return sp_fail(e, SP_E_MEDIA, "Content-Encoding is not supported", "an encoded body");
	/* A client that does not name the event stream beside JSON loses nothing but notifications. */
	if (!accepts(head, SP_LIT("application/json"), SP_LIT("application/*"), true))
		return sp_fail(e, SP_E_ACCEPT, "Accept must allow application/json", "Accept without JSON");
	return SP_OK;
}

bool
sp_gate_is_modern(const struct sp_http_head *head)
{
	unsigned n;
	const struct sp_http_field *f = sp_http_find(head, SP_LIT("mcp-protocol-version"), &n);

	return n == 1 && sp_eq(f->value, SP_LIT(SP_MCP_MODERN));
}

sp_slice
sp_gate_allow(const struct sp_http_head *head)
{
	return sp_gate_is_modern(head) ? SP_LIT("POST") : SP_LIT("GET, POST, DELETE");
}

enum sp_status
sp_gate_method(const struct sp_http_head *head, bool has_session, struct sp_err *e)
{
	if (head->method != SP_GET && head->method != SP_DELETE)
		return sp_gate_post(head, e);
	if (sp_gate_is_modern(head))
		return SP_E_METHOD;
	if (!has_session)
		return sp_fail(e, SP_E_BAD_RPC, "Mcp-Session-Id is missing", "no session");
	if (head->method == SP_GET && !sp_gate_takes_events(head))
		return sp_fail(e, SP_E_ACCEPT, "Accept must allow text/event-stream", "Accept without an event stream");
	return SP_OK;
}

#include "oauth/statement.h"

#include "base/rd.h"

enum { VERSION = 1, SIG = 64 };

/* Nothing else that the key might ever sign begins like this. */
static const sp_slice context = SP_LIT_INIT("sallyport statement 1");

/* ---------------------------------------------------------------- what somebody else said */

void
sp_told_add(struct sp_out *list, sp_slice name)
{
	sp_out_lv(list, name, 2);
}

bool
sp_told_next(sp_slice *list, sp_slice *name)
{
	struct sp_rd r = { *list, false };
	sp_slice s = sp_rd_lv(&r, 2, SP_TOLD_LIST);

	if (list->n == 0 || r.bad || s.n == 0)
		return false;
	*name = s;
	*list = r.in;
	return true;
}

static bool
is_list(sp_slice s)
{
	sp_slice name;

	if (s.n > SP_TOLD_LIST)
		return false;
	while (sp_told_next(&s, &name))
		;
	return s.n == 0;
}

bool
sp_told_fits(const struct sp_told *t)
{
	return t->user.n != 0 && t->user.n <= SP_TOLD_TEXT && t->issuer.n <= SP_TOLD_TEXT && t->client_id.n <= SP_TOLD_TEXT &&
	    t->ends_s > 0 && is_list(t->scopes) && is_list(t->tags);
}

static void
write_told(struct sp_out *o, const struct sp_told *t)
{
	sp_out_be(o, (uint64_t)t->ends_s, 8);
	sp_out_lv(o, t->user, 2);
	sp_out_lv(o, t->issuer, 2);
	sp_out_lv(o, t->client_id, 2);
	sp_out_lv(o, t->scopes, 2);
	sp_out_lv(o, t->tags, 2);
}

static bool
read_told(struct sp_rd *r, struct sp_told *t)
{
	uint64_t ends = sp_rd_be(r, 8);

	t->user = sp_rd_lv(r, 2, SP_TOLD_TEXT);
	t->issuer = sp_rd_lv(r, 2, SP_TOLD_TEXT);
	t->client_id = sp_rd_lv(r, 2, SP_TOLD_TEXT);
	t->scopes = sp_rd_lv(r, 2, SP_TOLD_LIST);
	t->tags = sp_rd_lv(r, 2, SP_TOLD_LIST);
	t->ends_s = ends > INT64_MAX ? 0 : (int64_t)ends;
	return !r->bad && sp_told_fits(t);
}

/* ---------------------------------------------------------------- statements */

void
sp_statement_write(struct sp_out *o, const struct sp_statement *s)
{
	sp_out_byte(o, VERSION);
	sp_out_byte(o, (char)s->kind);
	sp_out_be(o, (uint64_t)s->expires_s, 8);
	switch (s->kind) {
	case SP_STATEMENT_MAC:
		sp_out_add(o, s->source, sizeof s->source);
		sp_out_add(o, s->token, sizeof s->token);
		return;
	case SP_STATEMENT_PEER:
		sp_out_add(o, s->source, sizeof s->source);
		sp_out_be(o, s->uid, 4);
		return;
	case SP_STATEMENT_SESSION:
		sp_out_add(o, s->who, sizeof s->who);
		sp_out_add(o, s->random, sizeof s->random);
		sp_out_be(o, s->revision, 4);
		sp_out_be(o, s->caps, 4);
		return;
	case SP_STATEMENT_TOLD:
		sp_out_add(o, s->source, sizeof s->source);
		sp_out_add(o, s->token, sizeof s->token);
		sp_out_add(o, s->resource, sizeof s->resource);
		sp_out_be(o, s->epoch, 8);
		write_told(o, &s->told);
	}
}

void
sp_statement_signed(struct sp_out *o, sp_slice bytes)
{
	sp_out_slice(o, context);
	sp_out_slice(o, bytes);
}

static void
fixed(struct sp_rd *r, uint8_t *out, size_t n)
{
	sp_slice s = sp_rd_bytes(r, n);

	if (!r->bad)
		memcpy(out, s.p, n);
}

static bool
read_fields(sp_slice body, struct sp_statement *s)
{
	struct sp_rd r = { body, false };
	uint64_t expires;

	if (sp_rd_be(&r, 1) != VERSION)
		return false;
	s->kind = (enum sp_statement_kind)sp_rd_be(&r, 1);
	expires = sp_rd_be(&r, 8);
	if (expires > INT64_MAX)
		return false;
	s->expires_s = (int64_t)expires;
	switch (s->kind) {
	case SP_STATEMENT_MAC:
		fixed(&r, s->source, sizeof s->source);
		fixed(&r, s->token, sizeof s->token);
		return sp_rd_done(&r);
	case SP_STATEMENT_PEER:
		fixed(&r, s->source, sizeof s->source);
		s->uid = (uint32_t)sp_rd_be(&r, 4);
		return sp_rd_done(&r);
	case SP_STATEMENT_SESSION:
		fixed(&r, s->who, sizeof s->who);
		fixed(&r, s->random, sizeof s->random);
		s->revision = (uint32_t)sp_rd_be(&r, 4);
		s->caps = (uint32_t)sp_rd_be(&r, 4);
		return sp_rd_done(&r);
	case SP_STATEMENT_TOLD:
		fixed(&r, s->source, sizeof s->source);
		fixed(&r, s->token, sizeof s->token);
		fixed(&r, s->resource, sizeof s->resource);
		s->epoch = sp_rd_be(&r, 8);
		return read_told(&r, &s->told) && sp_rd_done(&r);
	}
	return false;
}

/* The signature first: what nobody signed is not even looked at. */
enum sp_status
sp_statement_read(struct sp_pkey *key, sp_slice bytes, int64_t now_s, struct sp_statement *out, struct sp_err *e)
{
	struct sp_statement s = { 0 };
	char buf[SP_STATEMENT_MAX];
	struct sp_out o;
	sp_slice body;

	if (bytes.n <= SIG || bytes.n > SP_STATEMENT_MAX)
		return sp_fail(e, SP_E_BAD_TOKEN, NULL, "a statement of %zu bytes", bytes.n);
	body = sp_sub(bytes, 0, bytes.n - SIG);
	sp_out_init(&o, buf, sizeof buf);
	sp_statement_signed(&o, body);
	if (o.full || !sp_verify_sig(key, SP_EDDSA, sp_out_view(&o), sp_sub(bytes, body.n, SIG)))
		return sp_fail(e, SP_E_BAD_TOKEN, NULL, "a statement that keeper did not sign");
	if (!read_fields(body, &s))
		return sp_fail(e, SP_E_BAD_TOKEN, NULL, "a statement of another form");
	if (s.expires_s <= now_s)
		return sp_fail(e, SP_E_BAD_TOKEN, NULL, "a statement that ended %lld s ago", (long long)(now_s - s.expires_s));
	*out = s;
	return SP_OK;
}

void
sp_statement_source(sp_slice name, uint8_t out[16])
{
	uint8_t hash[32];

	sp_sha256(name, hash);
	memcpy(out, hash, 16);
}

/* Each text by its own hash, so that no border between two can move. */
void
sp_principal_mark(const struct sp_image *img, uint32_t resource, const struct sp_principal *who, uint8_t out[32])
{
	const struct sp_img_resource *at = SP_IMG_AT(img, img->head->resources, resource, resource);
	const struct sp_img_source *src = SP_IMG_AT(img, img->head->sources, source, who->source);
	const sp_slice part[] = { sp_img_str(img, at->url), sp_img_str(img, src->name), who->issuer, who->user, who->client_id };
	uint8_t all[SP_COUNT(part)][32];

	for (size_t i = 0; i < SP_COUNT(part); i++)
		sp_sha256(part[i], all[i]);
	sp_sha256(sp_mem(all, sizeof all), out);
}

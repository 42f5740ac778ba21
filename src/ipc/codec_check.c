/* Questions to checks, and their answers. */
#include "ipc/codec_int.h"

enum { LIST_MAX = 16384, NAMES_MAX = 32768 };

void
sp_text_list_add(struct sp_out *o, sp_slice text)
{
	sp_out_lv(o, text, 2);
}

bool
sp_text_list_take(sp_slice *list, sp_slice *text)
{
	struct sp_rd r = { *list, false };
	sp_slice s;

	if (list->n == 0)
		return false;
	s = sp_rd_lv(&r, 2, UINT16_MAX);
	if (r.bad)
		return false;
	*text = s;
	*list = r.in;
	return true;
}

static bool
is_list(sp_slice list)
{
	sp_slice text;

	while (list.n != 0)
		if (!sp_text_list_take(&list, &text))
			return false;
	return true;
}

void
sp_enc_check(struct sp_out *o, const struct sp_m_check *m)
{
	sp_out_be(o, m->id, 4);
	sp_out_be(o, m->kind, 1);
	sp_out_be(o, m->flags, 1);
	sp_out_be(o, m->until_ms, 8);
	sp_out_be(o, (uint64_t)m->expires_s, 8);
	sp_out_lv(o, m->user, 2);
	sp_out_lv(o, m->issuer, 2);
	sp_out_lv(o, m->client_id, 2);
	sp_out_lv(o, m->source, 1);
	sp_out_lv(o, m->scopes, 2);
	sp_out_lv(o, m->tags, 2);
	sp_out_lv(o, m->server, 1);
	sp_out_lv(o, m->name, 2);
	sp_out_lv(o, m->about, 2);
	sp_out_lv(o, m->peer, 1);
	sp_out_slice(o, m->args);
}

/* About a list nothing is said of one component; arguments are there or not. */
static bool
fits(const struct sp_m_check *m)
{
	bool list = (m->flags & SP_CHECK_LIST) != 0, has_args = (m->flags & SP_CHECK_HAS_ARGS) != 0;

	if (m->kind == 0 || m->kind > 4 || m->flags >= SP_CHECK_FLAGS || !is_list(m->tags) || !is_list(m->about))
		return false;
	if (list && (m->server.n + m->name.n + m->about.n != 0 || has_args || (m->flags & SP_CHECK_WRITES) != 0))
		return false;
	if (!list && (m->server.n == 0 || m->name.n == 0))
		return false;
	return has_args ? m->args.n >= 2 : m->args.n == 0;
}

bool
sp_dec_check(sp_slice body, struct sp_m_check *m)
{
	struct sp_rd r = { body, false };
	struct sp_m_check v = { 0 };

	v.id = rd32(&r);
	v.kind = (uint32_t)sp_rd_be(&r, 1);
	v.flags = (uint32_t)sp_rd_be(&r, 1);
	v.until_ms = sp_rd_be(&r, 8);
	v.expires_s = (int64_t)sp_rd_be(&r, 8);
	v.user = sp_rd_lv(&r, 2, SP_NAME_MAX);
	v.issuer = sp_rd_lv(&r, 2, SP_NAME_MAX);
	v.client_id = sp_rd_lv(&r, 2, SP_NAME_MAX);
	v.source = sp_rd_lv(&r, 1, UINT8_MAX);
	v.scopes = sp_rd_lv(&r, 2, NAMES_MAX);
	v.tags = sp_rd_lv(&r, 2, NAMES_MAX);
	v.server = sp_rd_lv(&r, 1, UINT8_MAX);
	v.name = sp_rd_lv(&r, 2, SP_NAME_MAX);
	v.about = sp_rd_lv(&r, 2, LIST_MAX);
	v.peer = sp_rd_lv(&r, 1, SP_PEER_MAX);
	v.args = sp_rd_rest(&r, SP_CHECK_ARGS_MAX);
	if (!sp_rd_done(&r) || !fits(&v))
		return false;
	*m = v;
	return true;
}

void
sp_enc_checked(struct sp_out *o, const struct sp_m_checked *m)
{
	sp_out_be(o, m->id, 4);
	sp_out_be(o, m->verdict, 1);
	sp_out_lv(o, m->text, 1);
	sp_out_lv(o, m->scopes, 2);
}

bool
sp_dec_checked(sp_slice body, struct sp_m_checked *m)
{
	struct sp_rd r = { body, false };
	struct sp_m_checked v = { 0 };

	v.id = rd32(&r);
	v.verdict = (uint32_t)sp_rd_be(&r, 1);
	v.text = sp_rd_lv(&r, 1, 255);
	v.scopes = sp_rd_lv(&r, 2, 511);
	if (!sp_rd_done(&r) || v.verdict > 4)
		return false;
	*m = v;
	return true;
}

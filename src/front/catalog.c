/*
 * The catalogue of an mcp server, as its egress sends it: put together aside, and in place of the one before only when it is
 * complete.  Egress built it with the same functions, so whatever does not fit is an offence.
 */
#include "front/front.h"

#include "wire/json.h"

#include <stdlib.h>

bool
sp_link_item(struct sp_link *l, const struct sp_m_item *m)
{
	struct sp_front *f = l->front;
	struct sp_json_limits lim = SP_JSON_DEFAULT;
	SP_AUTO(sp_json_free) struct sp_json json = { 0 };
	struct sp_err e = { 0 };

	if (SP_IMG_AT(f->img, f->img->head->servers, server, l->server)->kind != SP_SERVER_MCP ||
	    m->kind < SP_COMPONENT_TOOL || m->kind > SP_COMPONENT_PROMPT)
		return false;
	if (l->staged != NULL && l->staged_serial != m->serial)
		sp_catalog_free(&l->staged);	/* it changed while it was being sent */
	if (l->staged == NULL) {
		if (sp_catalog_new(f->img, l->server, &l->staged) != SP_OK)
			return false;
		l->staged_serial = m->serial;
		l->staged_items = 0;
	}
	if (l->staged_items++ == SP_CATALOG_ITEMS || sp_json_read(m->json, lim, &json, &e) != SP_OK)
		return false;
	return sp_catalog_add(l->staged, (enum sp_component_kind)m->kind, json.root, &e) == SP_OK;
}

static bool
complete(struct sp_link *l, const struct sp_m_catalog *m)
{
	uint32_t dropped = 0;

	if (l->staged == NULL && m->items == 0) {
		l->staged_serial = m->serial;
		l->staged_items = 0;
		if (sp_catalog_new(l->front->img, l->server, &l->staged) != SP_OK)
			return false;
	}
	return l->staged != NULL && l->staged_serial == m->serial && l->staged_items == m->items &&
	    sp_catalog_seal(l->staged, &dropped) == SP_OK && dropped == 0;
}

/* Without memory they are missing, and nothing else. */
static void
keep_instructions(struct sp_front *f, uint32_t server, sp_slice text)
{
	char *copy = text.n == 0 ? NULL : malloc(text.n);

	if (copy != NULL)
		memcpy(copy, text.p, text.n);
	free((char *)(uintptr_t)f->instructions[server].p);
	f->instructions[server] = copy == NULL ? (sp_slice){ NULL, 0 } : sp_mem(copy, text.n);
}

sp_slice
sp_front_instructions(struct sp_front *f, const struct sp_req *q)
{
	sp_out_reset(&f->note);
	sp_mcp_instructions(&f->note, &f->worlds[q->resource], q->who, &q->view);
	return f->note.full ? (sp_slice){ NULL, 0 } : sp_out_view(&f->note);
}

bool
sp_link_catalog(struct sp_link *l, const struct sp_m_catalog *m)
{
	struct sp_front *f = l->front;
	struct sp_catalog *before = f->catalogs[l->server];

	if (SP_IMG_AT(f->img, f->img->head->servers, server, l->server)->kind != SP_SERVER_MCP)
		return false;
	if (m->known != 0 && !complete(l, m))
		return false;
	if (m->known == 0)
		sp_catalog_free(&l->staged);
	f->catalogs[l->server] = l->staged;
	f->caps[l->server] = m->known != 0 ? m->caps : 0;
	keep_instructions(f, l->server, m->known != 0 ? m->instructions : (sp_slice){ NULL, 0 });
	l->staged = NULL;
	sp_streams_changed(f, l->server, before, f->catalogs[l->server]);
	sp_streams_server(f, l->server, false);
	sp_catalog_free(&before);
	return true;
}

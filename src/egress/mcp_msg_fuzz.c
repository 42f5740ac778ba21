/*
 * What an MCP upstream says, as text: aims at sp_upmsg_read(), sp_upmsg_initialized(), sp_upmsg_discovered(),
 * sp_upmsg_versions(), sp_upmsg_value(), sp_upmsg_reply().  The first byte chooses how the rest is taken.
 */
#include "base/utf8.h"
#include "egress/mcp_msg.h"

#include <stdlib.h>

static void
want(bool ok)
{
	if (!ok)
		abort();
}

/* A value that goes into a header is one line of visible text, and comes back as what it was. */
static void
value(sp_slice text)
{
	struct sp_arena a;
	sp_slice coded, back;

	sp_arena_init(&a, 1 << 20);
	coded = sp_upmsg_value(&a, text);
	want(coded.p != NULL || text.n > (1 << 18));
	for (size_t i = 0; i < coded.n; i++)
		want(((unsigned char)coded.p[i] >= 0x20 || coded.p[i] == '\t') && (unsigned char)coded.p[i] < 0x7f);
	if (coded.p != NULL)
		want(sp_mcp_value(&a, coded, &back) && sp_eq(back, text));
	sp_arena_free(&a);
}

static void
reply(const struct sp_upmsg *m)
{
	struct sp_json doc = { 0 };
	struct sp_out o;

	sp_out_heap(&o, 1 << 16);
	sp_upmsg_reply(&o, m);
	want(!o.full && sp_json_read(sp_out_view(&o), SP_JSON_DEFAULT, &doc, NULL) == SP_OK);
	want(sp_jequal(SP_JGET(doc.root, "id"), m->id_val));
	sp_json_free(&doc);
	sp_out_free(&o);
}

static void
message(sp_jval *root)
{
	struct sp_upmsg_server s;
	struct sp_upmsg m;
	struct sp_err e;
	bool modern, legacy;

	if (sp_upmsg_read(root, &m, &e) != SP_OK)
		return;
	switch (m.kind) {
	case SP_UPMSG_RESULT:
		want(sp_jis_obj(m.body) && m.has_id && m.id > 0);
		if (sp_upmsg_initialized(m.body, &s))
			want(s.version.p != NULL);
		if (sp_upmsg_discovered(m.body, &s))
			want(s.caps < 64);
		break;
	case SP_UPMSG_ERROR:
		want(sp_jis_obj(m.body));
		(void)sp_upmsg_code(m.body);
		sp_upmsg_versions(SP_JGET(SP_JGET(m.body, "data"), "supported"), &modern, &legacy);
		break;
	case SP_UPMSG_REQUEST:
		want(m.method.n != 0 && m.id_val != NULL);
		reply(&m);
		break;
	case SP_UPMSG_NOTE:
		want(m.method.n != 0 && m.id_val == NULL);
		(void)!sp_upmsg_is_token(m.body, 7);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct sp_json doc = { 0 };
	sp_slice in = sp_mem(data, n);

	if (n == 0)
		return 0;
	sp_advance(&in, 1);
	if ((data[0] & 1) != 0) {
		if (sp_utf8_valid(in))		/* as every text of JSON is */
			value(in);
	} else if (sp_json_read(in, SP_JSON_DEFAULT, &doc, NULL) == SP_OK) {
		message(doc.root);
		for (struct sp_jiter it = sp_jeach(doc.root); sp_jnext(&it);)
			message(it.val);
		sp_json_free(&doc);
	}
	return 0;
}

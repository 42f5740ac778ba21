/* Where secrets go, and servers that are of no use. */
#include "config/value.h"

#include "wire/http1.h"

static uint32_t
find_scheme(const struct cfg_server *s, sp_slice name)
{
	for (uint32_t i = 0; i < s->spec.nschemes; i++)
		if (sp_eq(s->spec.schemes[i].name, name))
			return i;
	return UINT32_MAX;
}

static void
find_schemes(struct cfg *c, struct cfg_server *s)
{
	sp_slice *names = sp_cfg_alloc(c, s->spec.nschemes, sizeof *names);

	if (names == NULL)
		return;
	for (uint32_t i = 0; i < s->spec.nschemes; i++)
		names[i] = s->spec.schemes[i].name;
	for (uint32_t i = 0; i < s->nsecrets; i++) {
		struct cfg_secret *x = &s->secrets[i];

		x->scheme = find_scheme(s, x->name.text);
		x->known = x->scheme != UINT32_MAX;
		if (!x->known)
			ERR(c, &x->name, "the document has no security scheme `%.*s`%s", SP_PRI(x->name.text),
			    sp_cfg_hint(c, x->name.text, names, s->spec.nschemes));
		else if (!x->has_as && !s->spec.schemes[x->scheme].usable)
			ERR(c, &x->name, "the document does not say where `%.*s` goes (%s): write {secret: …, as: …}",
			    SP_PRI(x->name.text), s->spec.schemes[x->scheme].kind);
	}
}

static void
check_management(struct cfg *c, const struct cfg_server *s)
{
	for (uint32_t i = 0; i < s->nsecrets; i++) {
		const struct cfg_secret *x = &s->secrets[i];

		if (!sp_eq(x->name.text, SP_LIT("managementKey")) || !sp_eq(x->ref, SP_LIT(SP_MANAGEMENT_REF)) ||
		    x->has_as || x->host.text.n != 0)
			ERR(c, &x->name, "the management server takes exactly managementKey: " SP_MANAGEMENT_REF);
	}
	if (s->nsecrets == 0)
		ERR(c, &s->name, "the management server needs secrets: {managementKey: " SP_MANAGEMENT_REF "}");
}

/* `host`: HOST[:PORT][/PATH-PREFIX], which must be where this server's requests go. */
static void
check_host(struct cfg *c, const struct cfg_server *s, const struct cfg_secret *x)
{
	sp_slice rest = x->host.text, origin = x->host.text, host;
	enum sp_host_kind kind;
	struct sp_err e = { 0 };
	uint16_t port;

	if (x->host.text.n == 0)
		return;
	if (sp_take_to(&rest, '/', &origin))
		rest = sp_sub(x->host.text, origin.n, x->host.text.n);
	else
		rest.n = 0;
	if (sp_hostport_read(origin, &host, &kind, &port, &e) != SP_OK || !sp_cfg_is_clean_path(rest)) {
		ERR(c, &x->host, "`host` must be HOST[:PORT][/PATH-PREFIX] without wildcards");
		return;
	}
	if (sp_cfg_goes_to(s, x) == NULL)
		ERR(c, &x->host, "`host`: all calls of this server go to %.*s%s, so this secret would never be sent",
		    SP_PRI(s->base.authority), s->norigins == 0 ? "" : " or to a server of single operations");
}

static void
check_transport(struct cfg *c, const struct cfg_server *s)
{
	if (s->kind == SP_SERVER_MANAGEMENT)
		return;
	for (uint32_t i = 0; i < s->nsecrets; i++) {
		const struct sp_uri *to = sp_cfg_goes_to(s, &s->secrets[i]);

		if (to != NULL && !to->https && !sp_host_is_loopback(to->host, to->kind))
			ERR(c, &s->secrets[i].name, "a secret over http is refused except to loopback: %.*s must be https",
			    SP_PRI(to->authority));
	}
}

/* ---- what opened operations need */

static void
warn_without_credential(struct cfg *c, const struct cfg_server *s)
{
	const struct cfg_tool *first = NULL;
	uint32_t n = 0;

	for (uint32_t i = s->first_tool; i < s->first_tool + s->ntools; i++) {
		const struct cfg_tool *t = &c->tools[i];

		if (!t->opened || sp_cfg_option(s, t) != -1)
			continue;
		if (first == NULL)
			first = t;
		n++;
	}
	if (first == NULL)
		return;
	WARN(c, &s->name, "%u opened tool%s need%s a credential and get%s none: %s%.*s wants %.*s", n, n == 1 ? "" : "s",
	    n == 1 ? "s" : "", n == 1 ? "s" : "", n == 1 ? "" : "the first, ", SP_PRI(first->name),
	    SP_PRI(s->spec.schemes[first->op->options[0][0]].name));
}

static void
mark_used(struct cfg *c, struct cfg_server *s)
{
	for (uint32_t i = s->first_tool; i < s->first_tool + s->ntools; i++) {
		const struct cfg_tool *t = &c->tools[i];
		int option = t->opened ? sp_cfg_option(s, t) : -1;

		if (option < 0)
			continue;
		for (uint32_t k = 0; k < t->op->nneed[option]; k++)
			for (uint32_t x = 0; x < s->nsecrets; x++)
				if (s->secrets[x].known && s->secrets[x].scheme == t->op->options[option][k])
					s->secrets[x].used |= 1u << t->op->method;
	}
}

static void
warn_methods(struct cfg *c, const struct cfg_secret *x)
{
	for (unsigned m = 1; m < SP_METHOD_COUNT; m++)
		if (x->methods != 0 && (x->used & ~x->methods & 1u << m) != 0)
			WARN(c, &x->name, "`methods` leaves out %.*s, which is needed: such requests will fail",
			    SP_PRI(sp_method_name((enum sp_method)m)));
}

static void
warn_useless(struct cfg *c, const struct cfg_server *s)
{
	bool reached = false;

	for (uint32_t i = s->first_tool; i < s->first_tool + s->ntools; i++)
		reached |= c->tools[i].opened;
	if (!reached) {
		WARN(c, &s->name, "nobody reaches the server `%.*s`: no rule opens a tool of it", SP_PRI(s->name.text));
		return;
	}
	for (uint32_t i = 0; i < s->nsecrets; i++) {
		if (s->secrets[i].known && s->secrets[i].used == 0)
			WARN(c, &s->secrets[i].name, "the secret `%.*s` is unused: no opened tool needs it",
			    SP_PRI(s->secrets[i].name.text));
		warn_methods(c, &s->secrets[i]);
	}
}

/* One endpoint, one way to talk to it: every secret goes with every request. */
static void
check_mcp(struct cfg *c, struct cfg_server *s)
{
	if (!s->reached)
		WARN(c, &s->name, "nobody reaches the server `%.*s`: no rule opens anything of it", SP_PRI(s->name.text));
	for (uint32_t i = 0; i < s->nsecrets; i++) {
		s->secrets[i].used = 1u << SP_POST | 1u << SP_GET | 1u << SP_DELETE;
		warn_methods(c, &s->secrets[i]);
	}
}

void
sp_cfg_check_servers(struct cfg *c)
{
	bool complete = true;

	for (uint32_t i = 0; i < c->nrules; i++)
		complete = complete && !c->rules[i].bad;
	for (uint32_t i = 0; i < c->nservers; i++) {
		struct cfg_server *s = &c->servers[i];

		if (s->has_spec)
			find_schemes(c, s);
		if (s->kind == SP_SERVER_MANAGEMENT)
			check_management(c, s);
		if (s->has_base) {
			check_transport(c, s);
			for (uint32_t k = 0; k < s->nsecrets; k++)
				check_host(c, s, &s->secrets[k]);
		}
		if (s->kind == SP_SERVER_MCP && complete)
			check_mcp(c, s);
		if (!s->has_spec || !complete)
			continue;
		mark_used(c, s);
		warn_without_credential(c, s);
		warn_useless(c, s);
	}
}

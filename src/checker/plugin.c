/* The host of a plug-in: foreign code that sees one question at a time, through the functions of <sallyport/auth.h>. */
#include "checker/checker.h"

#include "auth/check.h"
#include "base/arena.h"
#include "base/utf8.h"

#include <sallyport/plugin.h>

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>

enum { QUESTION_MEMORY = 1 << 20 };

typedef enum sp_auth_verdict (*check_fn)(struct sp_auth_context *auth);

struct sp_plugin {
	check_fn check;
	struct sp_auth_check *asked;	/* a check of one's own, as the library has it */
	struct sp_arena mem;		/* of the question */
	char	 text[SP_CHECK_TEXT_MAX + 1], scopes[SP_CHECK_SCOPES_MAX + 1];
};

/* The library's context, and what only plug-ins have. */
struct context {
	struct sp_auth_context a;
	const char *server;
};

const char *
sp_auth_context_server(const struct sp_auth_context *auth)
{
	return ((const struct context *)(const void *)auth)->server;
}

/* ---------------------------------------------------------------- the question */

/* A text that ends where it seems to; NULL: it does not, or there is no memory. */
static const char *
text(struct sp_plugin *p, sp_slice s)
{
	return sp_has_byte(s, '\0') ? NULL : sp_arena_copy(&p->mem, s).p;
}

static const char *
some_text(struct sp_plugin *p, sp_slice s, bool *ok)
{
	const char *t = s.n == 0 ? NULL : text(p, s);

	*ok = *ok && (s.n == 0 || t != NULL);
	return t;
}

static uint32_t
count_texts(sp_slice list)
{
	uint32_t n = 0;
	sp_slice one;

	while (sp_text_list_take(&list, &one))
		n++;
	return n;
}

static uint32_t
count_words(sp_slice list)
{
	uint32_t n = 0;
	sp_slice one;

	while (sp_take_part(&list, ' ', &one))
		n++;
	return n;
}

/* Ends in NULL; words: separated by spaces, else a list of texts. */
static const char *const *
list(struct sp_plugin *p, sp_slice from, bool spaced, uint32_t *n, bool *ok)
{
	uint32_t most = spaced ? count_words(from) : count_texts(from);
	const char **v = sp_arena_get(&p->mem, (most + 1u) * sizeof(char *));
	sp_slice one;

	*n = 0;
	*ok = *ok && v != NULL;
	while (*ok && (spaced ? sp_take_part(&from, ' ', &one) : sp_text_list_take(&from, &one))) {
		v[*n] = text(p, one);
		*ok = v[*n] != NULL;
		*n += *ok;
	}
	return v;
}

static bool
read_principal(struct sp_plugin *p, const struct sp_m_check *m, struct sp_principal *who, struct sp_facts *facts)
{
	bool ok = true;

	*facts = (struct sp_facts){ .subject = some_text(p, m->user, &ok), .issuer = some_text(p, m->issuer, &ok),
	    .client_id = some_text(p, m->client_id, &ok), .source = some_text(p, m->source, &ok) };
	facts->scopes = list(p, m->scopes, true, &facts->nscopes, &ok);
	facts->tags = list(p, m->tags, false, &facts->ntags, &ok);
	*who = (struct sp_principal){ .refs = 1, .expires_s = m->expires_s, .facts = facts };
	return ok;
}

static bool
read_context(struct sp_plugin *p, const struct sp_m_check *m, const struct sp_principal *who, struct context *c)
{
	bool nobody = (m->flags & SP_CHECK_NOBODY) != 0, ok = true;
	uint32_t n;

	*c = (struct context){ .a = { .who = nobody ? NULL : who, .signed_in = !nobody,
	    .kind = (enum sp_component_type)m->kind, .name = text(p, m->name), .transport = SP_TRANSPORT_HTTP,
	    .peer = some_text(p, m->peer, &ok) }, .server = text(p, m->server) };
	c->a.tags = list(p, m->about, false, &n, &ok);
	if ((m->flags & SP_CHECK_HAS_ARGS) != 0)
		c->a.arguments = some_text(p, m->args, &ok);
	return ok && c->a.name != NULL && c->server != NULL;
}

/* ---------------------------------------------------------------- the call */

/* E11: one that hangs loses its process.  That it could switch this off costs it its own answers only. */
static void
watch(unsigned ms)
{
	const struct itimerval t = { .it_value = { ms / 1000, (suseconds_t)(ms % 1000) * 1000 } };

	(void)setitimer(ITIMER_REAL, &t, NULL);
}

static enum sp_auth_verdict
call(struct sp_auth_context *a, void *arg)
{
	const struct sp_plugin *p = arg;
	enum sp_auth_verdict v;

	watch(SP_CHECKER_MS);
	v = p->check(a);
	watch(0);
	return v;
}

static enum sp_check_verdict
verdict_of(enum sp_auth_verdict v)
{
	switch (v) {
	case SP_VERDICT_ALLOW:
		return SP_CHECK_ALLOWED;
	case SP_VERDICT_DENY:
		return SP_CHECK_DENIED;
	case SP_VERDICT_REFUSE:
		return SP_CHECK_REFUSED;
	case SP_VERDICT_SCOPES:
		return SP_CHECK_SHORT;
	case SP_VERDICT_FAILED:
		break;
	}
	return SP_CHECK_FAILED;
}

static void
failed(struct sp_verdict *out, const char *why)
{
	*out = (struct sp_verdict){ .verdict = SP_CHECK_FAILED, .text = sp_str(why) };
}

/* What the plug-in wrote into the context is in its own memory still, and may be anything. */
static void
say(struct sp_plugin *p, enum sp_auth_verdict v, struct sp_auth_context *a, struct sp_verdict *out)
{
	struct sp_out o;

	a->text[sizeof a->text - 1] = a->scopes[sizeof a->scopes - 1] = '\0';
	sp_out_init(&o, p->text, sizeof p->text - 1);
	sp_utf8_clean(&o, sp_str(a->text), SP_CHECK_TEXT_MAX, false);
	*out = (struct sp_verdict){ .verdict = verdict_of(v), .text = sp_out_view(&o) };
	if (out->verdict == SP_CHECK_REFUSED && out->text.n == 0)
		failed(out, "it refuses without a text");
	if (out->verdict != SP_CHECK_SHORT)
		return;
	memcpy(p->scopes, a->scopes, sizeof p->scopes);
	out->scopes = sp_str(p->scopes);
	if (!sp_scope_list_ok(out->scopes))
		failed(out, "it names scopes that are none");
}

void
sp_plugin_ask(struct sp_plugin *p, const struct sp_m_check *m, struct sp_verdict *out)
{
	struct sp_principal who;
	struct sp_facts facts;
	struct context c;

	sp_arena_reset(&p->mem);
	if (!read_principal(p, m, &who, &facts) || !read_context(p, m, &who, &c)) {
		failed(out, "the question has a text with a NUL in it");
		return;
	}
	say(p, sp_check_ask(p->asked, &c.a), &c.a, out);
}

/* ---------------------------------------------------------------- loading */

static enum sp_status
find(void *library, struct sp_plugin *p, sp_slice name, struct sp_err *e)
{
	const uint32_t *abi = dlsym(library, "sallyport_plugin_abi");
	void *fn = dlsym(library, "sallyport_check");

	if (abi == NULL || fn == NULL)
		return sp_fail(e, SP_E_CONFIG, NULL, "check %.*s: the plug-in has no %s (see sallyport/plugin.h)", SP_PRI(name),
		    abi == NULL ? "SALLYPORT_PLUGIN" : "sallyport_check()");
	if (*abi != SALLYPORT_PLUGIN_ABI)
		return sp_fail(e, SP_E_CONFIG, NULL, "check %.*s: the plug-in was made for form %u of sallyport/plugin.h, not %u; "
		    "compile it anew", SP_PRI(name), *abi, SALLYPORT_PLUGIN_ABI);
	memcpy(&p->check, &fn, sizeof p->check);	/* ISO C knows no cast between the two */
	return SP_OK;
}

enum sp_status
sp_plugin_load(int fd, sp_slice name, struct sp_plugin **out, struct sp_err *e)
{
	struct sp_plugin *p = calloc(1, sizeof *p);
	char path[64], own[64];
	enum sp_status st;
	void *library;

	if (p == NULL || !sp_cstr(name, own, sizeof own)) {
		free(p);
		return sp_fail(e, SP_E_SYSTEM, NULL, "no memory");
	}
	(void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	watch(SP_CHECKER_MS);
	library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	watch(0);
	if (library == NULL)
		st = sp_fail(e, SP_E_CONFIG, NULL, "check %s: the plug-in cannot be loaded: %s", own, dlerror());
	else
		st = find(library, p, name, e);
	if (st == SP_OK)
		p->asked = sp_auth_check(own, call, p);
	if (st == SP_OK && p->asked == NULL)
		st = sp_fail(e, SP_E_SYSTEM, NULL, "no memory");
	if (st != SP_OK) {
		if (library != NULL)
			dlclose(library);
		free(p);
		return st;
	}
	sp_arena_init(&p->mem, QUESTION_MEMORY);
	*out = p;
	return SP_OK;
}

/*
 * Tokens and answers of authorities, in any order: nobody is ever accepted whom none of these answers, and no token, names.
 * The input is a row of steps: a letter, then text up to the next line break.
 *   t TEXT   a token is shown        a TEXT   the oldest request is answered with 200      s TEXT   … with the status in its
 *   c N      N seconds pass          f        the last question is forgotten                         first three digits
 * Only an answer that says so literally can make the endpoint's word a yes; JWTs have no key that anybody could sign with, but
 * what a fetched set brings.
 */
#include "auth/chain.h"
#include "oauth/verifier.h"

#include <stdlib.h>

#define KEYS "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}"
enum { OPEN_MAX = 64 };

struct world {
	struct sp_fetch *open[OPEN_MAX];
	unsigned n;
	struct sp_chain *c;
	struct sp_chain_wait *wait;
	uint64_t now_ms;
	int64_t	 now_s;
	bool	 yes;			/* some answer could be taken for one */
	bool	 keys;			/* … or for a set of keys */
};

static bool
start(void *ctx, struct sp_fetch *f)
{
	struct world *w = ctx;

	if (w->n == OPEN_MAX)
		return false;
	if (f->url.n == 0 || f->max_answer == 0 || f->timeout_ms == 0)
		abort();
	w->open[w->n++] = f;
	return true;
}

static void
cancel(void *ctx, struct sp_fetch *f)
{
	struct world *w = ctx;
	unsigned i = 0;

	while (i < w->n && w->open[i] != f)
		i++;
	if (i == w->n)
		abort();
	memmove(&w->open[i], &w->open[i + 1], (--w->n - i) * sizeof w->open[0]);
}

static void
ready(void *ctx)
{
	((struct world *)ctx)->wait = NULL;
}

/* Questions that are not forgotten end with the chain: only the last one's handle is kept. */
static void
show(struct world *w, sp_slice token)
{
	struct sp_principal *who = NULL;
	struct sp_chain_wait *wait = NULL;
	struct sp_err e = { 0 };
	enum sp_status st = sp_chain_ask(w->c, token, w->now_ms, w->now_s, &who, &wait, ready, w, &e);

	if ((st == SP_OK) != (who != NULL) || (st == SP_E_TICKET) != (wait != NULL))
		abort();
	if (st != SP_OK && st != SP_E_TICKET && st != SP_E_BAD_TOKEN && st != SP_E_SCOPE && st != SP_E_UNAVAILABLE)
		abort();
	if (wait != NULL)
		w->wait = wait;
	if (st != SP_OK)
		return;
	if (token.n == 0 || who->expires_s <= w->now_s || sp_principal_source(who) == NULL)
		abort();
	if (strcmp(sp_principal_source(who), "introspection") == 0 ? !w->yes : !w->keys)
		abort();
	sp_principal_drop(&who);
}

static void
answer(struct world *w, unsigned status, sp_slice body)
{
	struct sp_fetch *f;

	if (w->n == 0)
		return;
	f = w->open[0];
	memmove(&w->open[0], &w->open[1], --w->n * sizeof w->open[0]);
	body = sp_sub(body, 0, f->max_answer);
	/* JSON may write letters as escapes, but no literal. */
	w->yes = w->yes || (status == 200 && sp_find(body, SP_LIT("true")) != SIZE_MAX);
	w->keys = w->keys || (status == 200 && sp_eq(f->method, SP_LIT("GET")));
	f->done(f->ctx, status, body);
}

static unsigned
number(sp_slice s)
{
	uint64_t v = 0;

	return sp_take_u64(&s, 100000, &v) ? (unsigned)v : 0;
}

static void
step(struct world *w, char what, sp_slice text)
{
	switch (what) {
	case 't':
		show(w, text);
		break;
	case 'a':
		answer(w, 200, text);
		break;
	case 's':
		answer(w, number(sp_sub(text, 0, 3)), sp_sub(text, 3, text.n));
		break;
	case 'c':
		w->now_s += number(text);
		w->now_ms += (uint64_t)number(text) * 1000;
		break;
	case 'f':
		sp_chain_forget(&w->wait);
		break;
	}
}

static struct sp_auth_provider *
provider(void)
{
	return sp_multi_auth(
	    .server = sp_token_verifier_jwt(.issuer = "https://as.example", .jwks_uri = "https://as.example/keys"),
	    .verifiers = SP_PROVIDERS(
		sp_token_verifier_introspection(.introspection_url = "https://as.example/i", .client_id = "c", .client_secret = "s",
		    .issuer = "https://i.example", .cache_ttl_s = 60, .max_cache_size = 4),
		sp_token_verifier_jwt(.name = "given", .issuer = "https://g.example", .jwks = KEYS)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world w = { .now_ms = 1, .now_s = 1800000000 };
	const struct sp_fetcher fetcher = { start, cancel, &w };
	struct sp_auth_provider *p = provider();
	sp_slice rest = sp_mem(data, size), line;
	struct sp_err e;

	if (sp_chain_new(p, SP_LIT("https://tools.example.com/mcp"), &fetcher, &w.c, &e) != SP_OK)
		abort();
	while (sp_take_part(&rest, '\n', &line))
		if (line.n != 0)
			step(&w, line.p[0], sp_sub(line, 1, line.n));
	sp_chain_free(&w.c);
	if (w.n != 0)
		abort();
	sp_auth_provider_free(p);
	return 0;
}

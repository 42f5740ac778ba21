/*
 * Sessions of the 2025 era.  An id is 128 random bits and no credential: only the caller who got it finds it, for everybody
 * else it is not there.  Their number is bounded; the one that was unused for longest goes.
 */
#include "server/engine.h"

#include "base/log.h"
#include "crypto/crypto.h"

#include <stdlib.h>

enum { LOOKED_AT = 64 };

static struct sp_session **
bucket_of(const struct sp_server *s, sp_slice id)
{
	return &s->sessions[sp_siphash(&s->key, id) & (s->nbuckets - 1)];
}

static void
unlink_use(struct sp_server *s, struct sp_session *x)
{
	*(x->newer == NULL ? &s->newest : &x->newer->older) = x->older;
	*(x->older == NULL ? &s->oldest : &x->older->newer) = x->newer;
	x->newer = x->older = NULL;
}

static void
link_use(struct sp_server *s, struct sp_session *x)
{
	x->older = s->newest;
	*(s->newest == NULL ? &s->oldest : &s->newest->newer) = x;
	s->newest = x;
}

enum sp_status
sp_session_find(struct sp_server *s, sp_slice id, const uint8_t mark[32], struct sp_session **out)
{
	struct sp_session *x = NULL;

	if (s->nbuckets != 0 && id.n == SP_SESSION_ID)
		for (x = *bucket_of(s, id); x != NULL; x = x->bucket)
			if (memcmp(x->id, id.p, SP_SESSION_ID) == 0)
				break;
	if (x == NULL || memcmp(x->mark, mark, sizeof x->mark) != 0)
		return SP_E_SESSION;
	unlink_use(s, x);
	link_use(s, x);
	*out = x;
	return SP_OK;
}

/* The one of this caller (NULL: of anybody) that was unused for longest; one whose calls run only if all of the first that
 * were looked at are like that. */
static struct sp_session *
oldest_of(const struct sp_server *s, const uint8_t *mark)
{
	struct sp_session *first = NULL;
	unsigned looked = 0;

	for (struct sp_session *x = s->oldest; x != NULL && looked < LOOKED_AT; x = x->newer) {
		if (mark != NULL && memcmp(x->mark, mark, sizeof x->mark) != 0)
			continue;
		if (x->calls == NULL)
			return x;
		if (looked++ == 0)
			first = x;
	}
	return first;
}

/* Who has more than a quarter of all makes room among his own: nobody drives others out by opening many. */
static void
make_room(struct sp_server *s, const uint8_t mark[32])
{
	size_t own = 0;

	for (const struct sp_session *x = s->oldest; x != NULL; x = x->newer)
		own += memcmp(x->mark, mark, sizeof x->mark) == 0 ? 1 : 0;
	sp_log(SP_INFO, "session.evicted", SP_U("sessions", s->nsessions), SP_U("own", own));
	sp_session_free(s, oldest_of(s, own > s->nsessions / 4 ? mark : NULL));
}

static bool
make_buckets(struct sp_server *s)
{
	size_t n = 64;

	if (s->nbuckets != 0)
		return true;
	while (n < s->opt.max_sessions && n < 1u << 20)
		n *= 2;
	s->sessions = calloc(n, sizeof(struct sp_session *));
	s->nbuckets = s->sessions == NULL ? 0 : n;
	return s->nbuckets != 0;
}

struct sp_session *
sp_session_new(struct sp_server *s, const uint8_t mark[32])
{
	uint8_t raw[SP_SESSION_ID / 2];
	struct sp_session *x, **at;
	struct sp_out id;

	if (!make_buckets(s))
		return NULL;
	if (s->nsessions >= s->opt.max_sessions)
		make_room(s, mark);
	x = calloc(1, sizeof *x);
	if (x == NULL)
		return NULL;
	sp_random_bytes(raw, sizeof raw);
	sp_out_init(&id, x->id, SP_SESSION_ID);
	sp_out_hex(&id, raw, sizeof raw);
	memcpy(x->mark, mark, sizeof x->mark);
	x->log_level = sp_mcp_level(SP_LIT("info"));
	at = bucket_of(s, sp_out_view(&id));
	x->bucket = *at;
	*at = x;
	s->nsessions++;
	link_use(s, x);
	return x;
}

void
sp_session_free(struct sp_server *s, struct sp_session *x)
{
	struct sp_session **at = bucket_of(s, sp_mem(x->id, SP_SESSION_ID));

	/* Nobody finds it any more, whatever the ends of its calls bring about. */
	while (*at != x)
		at = &(*at)->bucket;
	*at = x->bucket;
	unlink_use(s, x);
	s->nsessions--;
	while (x->calls != NULL) {
		struct sp_context *c = x->calls;

		if (c->stream != NULL)
			sp_stream_finish(c);
		else
			sp_call_cancel(c);
	}
	for (size_t i = 0; i < x->nuris; i++)
		free(x->uris[i]);
	free(x->uris);
	free(x);
}

/* ---- subscriptions */

static size_t
find_uri(const struct sp_session *x, sp_slice uri)
{
	size_t i = 0;

	while (i < x->nuris && !sp_eq(sp_str(x->uris[i]), uri))
		i++;
	return i;
}

bool
sp_session_subscribed(const struct sp_session *x, sp_slice uri)
{
	return find_uri(x, uri) < x->nuris;
}

bool
sp_session_subscribe(struct sp_session *x, sp_slice uri)
{
	char *copy;

	if (sp_session_subscribed(x, uri))
		return true;
	if (x->nuris == SP_SUBSCRIPTIONS)
		return false;
	if (x->uris == NULL)
		x->uris = calloc(SP_SUBSCRIPTIONS, sizeof(char *));
	copy = x->uris == NULL ? NULL : malloc(uri.n + 1);
	if (copy == NULL)
		return false;
	memcpy(copy, uri.p, uri.n);
	copy[uri.n] = '\0';
	x->uris[x->nuris++] = copy;
	return true;
}

void
sp_session_unsubscribe(struct sp_session *x, sp_slice uri)
{
	size_t i = find_uri(x, uri);

	if (i == x->nuris)
		return;
	free(x->uris[i]);
	x->uris[i] = x->uris[--x->nuris];
}

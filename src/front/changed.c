/* Whose lists does another catalogue change?  Only theirs who may see something of what differs. */
#include "front/stream.h"

#include <stdlib.h>

struct pair { const struct sp_item *before, *after; };

struct change {
	struct sp_front *f;
	uint32_t server;
	unsigned kind;			/* of streams */
	struct pair *v;
	size_t	 n;
};

static uint32_t
count_of(const struct sp_catalog *c, enum sp_component_kind kind)
{
	return c == NULL ? 0 : sp_catalog_count(c, kind);
}

/* Both are sorted by shown name: one walk finds what was added, removed or written anew. */
static void
compare(struct change *g, enum sp_component_kind kind, const struct sp_catalog *a, const struct sp_catalog *b)
{
	uint32_t na = count_of(a, kind), nb = count_of(b, kind), i = 0, j = 0;

	while (i < na || j < nb) {
		struct pair p = { i < na ? sp_catalog_at(a, kind, i) : NULL, j < nb ? sp_catalog_at(b, kind, j) : NULL };
		int order = p.before == NULL ? 1 : p.after == NULL ? -1 : sp_cmp(p.before->shown, p.after->shown);

		i += order <= 0;
		j += order >= 0;
		if (order == 0 && sp_eq(p.before->json, p.after->json))
			continue;
		g->v[g->n++] = (struct pair){ order <= 0 ? p.before : NULL, order >= 0 ? p.after : NULL };
	}
}

static bool
concerns(const struct change *g, const struct sp_req *q)
{
	for (size_t i = 0; i < g->n; i++) {
		const struct pair *p = &g->v[i];

		if ((p->before != NULL && sp_decide_component_listed(g->f->img, q->who, &p->before->c, &q->view)) ||
		    (p->after != NULL && sp_decide_component_listed(g->f->img, q->who, &p->after->c, &q->view)))
			return true;
	}
	return false;
}

static void
tell(const struct change *g)
{
	const struct sp_req *last = NULL;
	struct sp_stream *s, *next;
	bool it_does = false;

	for (s = g->f->first_stream; s != NULL; s = next) {
		next = s->next;
		if (!sp_front_serves(g->f, &s->q, g->server))
			continue;
		/* Streams of one caller mostly follow each other. */
		if (last == NULL || s->q.who != last->who || memcmp(&s->q.view, &last->view, sizeof last->view) != 0)
			it_does = concerns(g, &s->q);
		last = &s->q;
		if (it_does)
			sp_stream_mark(s, g->kind);
	}
}

void
sp_streams_changed(struct sp_front *f, uint32_t server, const struct sp_catalog *before, const struct sp_catalog *after)
{
	static const struct { unsigned kind; enum sp_component_kind of[2]; } rows[] = {
		{ SP_STREAM_TOOLS, { SP_COMPONENT_TOOL } },
		{ SP_STREAM_PROMPTS, { SP_COMPONENT_PROMPT } },
		{ SP_STREAM_RESOURCES, { SP_COMPONENT_RESOURCE, SP_COMPONENT_TEMPLATE } },
	};

	for (size_t r = 0; r < SP_COUNT(rows) && f->first_stream != NULL; r++) {
		struct change g = { .f = f, .server = server, .kind = rows[r].kind };
		size_t most = 0;

		for (unsigned i = 0; i < 2; i++)
			if (rows[r].of[i] != 0)
				most += count_of(before, rows[r].of[i]) + count_of(after, rows[r].of[i]);
		g.v = calloc(most + 1, sizeof *g.v);
		if (g.v == NULL)
			return;
		for (unsigned i = 0; i < 2; i++)
			if (rows[r].of[i] != 0)
				compare(&g, rows[r].of[i], before, after);
		if (g.n != 0)
			tell(&g);
		free(g.v);
	}
}

#include "config/value.h"

#include "base/near.h"

static const struct known_key { enum key_place place; sp_slice name; int from; } known[] = {
#define K(place, name, from) { place, SP_LIT_INIT(name), from },
#include "config/keys.def"
#undef K
};

sp_slice
sp_cfg_nearest(sp_slice word, const sp_slice *names, size_t n)
{
	sp_slice best = { NULL, 0 };
	size_t least_so_far = SIZE_MAX;

	for (size_t i = 0; i < n; i++) {
		size_t d = sp_edit_distance(word, names[i]);

		/* A beginning that fits is near, however long the rest ("perm" for "permissions"). */
		if (word.n >= 4 && sp_starts(names[i], word))
			d = d < 2 ? d : 2;
		if (d < least_so_far) {
			least_so_far = d;
			best = names[i];
		}
	}
	if (least_so_far > 3 || least_so_far * 2 >= word.n + 1)
		return (sp_slice){ NULL, 0 };
	return best;
}

const char *
sp_cfg_hint(struct cfg *c, sp_slice word, const sp_slice *names, size_t n)
{
	sp_slice near = sp_cfg_nearest(word, names, n);
	char buf[200];
	struct sp_out o;
	sp_slice text;

	if (near.p == NULL)
		return "";
	sp_out_init(&o, buf, sizeof buf);
	sp_out_fmt(&o, ". Did you mean `%.*s`?", SP_PRI(near));
	text = sp_arena_copy(&c->mem, sp_out_view(&o));
	return text.p == NULL ? "" : text.p;
}

size_t
sp_cfg_known_keys(enum key_place place, sp_slice *out, size_t cap)
{
	size_t n = 0;

	for (size_t i = 0; i < SP_COUNT(known) && n < cap; i++)
		if (known[i].place == place && known[i].from <= SP_CFG_STEP)
			out[n++] = known[i].name;
	return n;
}

static const struct known_key *
find_key(enum key_place place, sp_slice name)
{
	for (size_t i = 0; i < SP_COUNT(known); i++)
		if (known[i].place == place && sp_eq(known[i].name, name))
			return &known[i];
	return NULL;
}

static void
complain_unknown(struct cfg *c, const struct node *key, enum key_place place)
{
	sp_slice names[SP_COUNT(known)];
	size_t n = sp_cfg_known_keys(place, names, SP_COUNT(names));

	ERR(c, key, "unknown key `%.*s`%s", SP_PRI(key->text), sp_cfg_hint(c, key->text, names, n));
}

bool
sp_cfg_keys(struct cfg *c, const struct node *n, enum key_place place, const char *what)
{
	if (n->kind == NODE_BAD)
		return false;
	if (n->kind != NODE_MAP) {
		ERR(c, n, "%s must be a mapping of keys and values", what);
		return false;
	}
	if (n->first == NULL) {
		ERR(c, n, "%s is empty", what);
		return false;
	}
	for (const struct node *v = n->first; v != NULL; v = v->next) {
		const struct known_key *k = find_key(place, v->key->text);

		if (k == NULL)
			complain_unknown(c, v->key, place);
		else if (k->from > SP_CFG_STEP && !(c->opts->accept_ask && sp_eq(k->name, SP_LIT("ask"))))
			ERR(c, v->key, "unknown key `%.*s` (not available in this version)", SP_PRI(k->name));
	}
	return true;
}

/*
 * Who is who on this machine, for sources of type peer: the accounts of /etc/passwd that `users` admits, with their
 * groups in /etc/group.  Read once, when the file is: keeper has no path to them, and no role asks a directory service.
 */
#include "config/value.h"

#include "policy/decide.h"

#include <stdlib.h>

enum { TABLE_BYTES = 1 << 20, GROUPS_MAX = 1024, NAME_BYTES = 128 };

struct fields { sp_slice f[7]; uint32_t n; };

/* The fields of one line, with ':' between them. */
static void
split(sp_slice line, struct fields *out)
{
	out->n = 0;
	while (out->n < SP_COUNT(out->f) && sp_take_part(&line, ':', &out->f[out->n]))
		out->n++;
}

static bool
number(sp_slice s, uint32_t *out)
{
	uint64_t v;

	if (!sp_take_u64(&s, UINT32_MAX, &v) || s.n != 0)
		return false;
	*out = (uint32_t)v;
	return true;
}

/* A login name or group that can stand in a pattern and in a log. */
static bool
is_plain(sp_slice name)
{
	if (name.n == 0 || name.n > NAME_BYTES)
		return false;
	for (size_t i = 0; i < name.n; i++)
		if ((unsigned char)name.p[i] <= 0x20 || (unsigned char)name.p[i] >= 0x7f || strchr("*:,\"\\/", name.p[i]) != NULL)
			return false;
	return true;
}

static bool
read_table(struct cfg *c, const struct cfg_source *s, const char *path, sp_slice *out)
{
	struct sp_err e = { 0 };
	struct sp_out text;
	bool good;

	sp_out_heap(&text, TABLE_BYTES + 1);
	good = c->opts->read(c->opts->ctx, sp_str(path), TABLE_BYTES, &text, &e) == SP_OK;
	if (good)
		*out = sp_arena_copy(&c->mem, sp_out_view(&text));
	else
		ERR(c, s, "`type: peer`: %s cannot be read: %s", path, e.log);
	sp_out_free(&text);
	return good && out->p != NULL;
}

/* The first line with this number is the account, as for the rest of the system. */
static sp_slice
name_of(sp_slice passwd, uint32_t uid)
{
	struct fields f;
	sp_slice line;
	uint32_t v;

	while (sp_take_part(&passwd, '\n', &line)) {
		split(line, &f);
		if (f.n >= 4 && number(f.f[2], &v) && v == uid)
			return f.f[0];
	}
	return (sp_slice){ NULL, 0 };
}

/* Without `users` only whoever runs us: written as the pattern, so that all see the same. */
static void
settle_users(struct cfg *c, struct cfg_source *s, sp_slice passwd)
{
	sp_slice name = name_of(passwd, c->opts->uid);

	if (s->users.n != 0)
		return;
	if (!is_plain(name)) {
		ERR(c, s, "`type: peer`: /etc/passwd has no name for the user id %u: write `users`", c->opts->uid);
		return;
	}
	s->users.v = sp_cfg_alloc(c, 1, sizeof *s->users.v);
	if (s->users.v == NULL)
		return;
	s->users.v[0] = (struct item){ name, s->line, s->col };
	s->users.n = 1;
}

static bool
admits(const struct cfg_source *s, sp_slice name)
{
	for (uint32_t i = 0; i < s->users.n; i++)
		if (sp_glob(s->users.v[i].text, name))
			return true;
	return false;
}

static void
add_accounts(struct cfg *c, const struct cfg_source *s, const sp_slice passwd)
{
	struct cfg_account a = { 0 };
	struct fields f;
	sp_slice rest = passwd, line;

	while (sp_take_part(&rest, '\n', &line)) {
		split(line, &f);
		if (f.n < 4 || !number(f.f[2], &a.uid) || !number(f.f[3], &a.gid) || !is_plain(f.f[0]) ||
		    !admits(s, f.f[0]) || name_of(passwd, a.uid).p != f.f[0].p)
			continue;
		if (c->naccounts == SP_CFG_ACCOUNTS) {
			ERR(c, s, "`type: peer`: more than %d accounts of this machine are admitted: write `users`", SP_CFG_ACCOUNTS);
			return;
		}
		a.name = f.f[0];
		c->accounts[c->naccounts++] = a;
	}
}

static bool
is_member(sp_slice members, sp_slice name)
{
	sp_slice one;

	while (sp_take_part(&members, ',', &one))
		if (sp_eq(one, name))
			return true;
	return false;
}

static void
add_groups(struct cfg *c, struct cfg_account *a, sp_slice table)
{
	struct item found[GROUPS_MAX];
	struct fields f;
	sp_slice line;
	uint32_t gid;

	while (a->groups.n < GROUPS_MAX && sp_take_part(&table, '\n', &line)) {
		split(line, &f);
		if (f.n < 3 || !number(f.f[2], &gid) || !is_plain(f.f[0]))
			continue;
		if (gid == a->gid || (f.n >= 4 && is_member(f.f[3], a->name)))
			found[a->groups.n++] = (struct item){ .text = f.f[0] };
	}
	a->groups.v = sp_cfg_alloc(c, a->groups.n, sizeof *a->groups.v);
	if (a->groups.v == NULL)
		a->groups.n = 0;
	else if (a->groups.n != 0)
		memcpy(a->groups.v, found, a->groups.n * sizeof *found);
}

static void
warn_absent(struct cfg *c, const struct cfg_source *s)
{
	for (uint32_t i = 0; i < s->users.n; i++) {
		bool found = false;

		for (uint32_t k = 0; k < c->naccounts && !found; k++)
			found = sp_glob(s->users.v[i].text, c->accounts[k].name);
		if (!found)
			WARN(c, &s->users.v[i], "`users`: /etc/passwd has no account `%.*s`", SP_PRI(s->users.v[i].text));
	}
}

static int
by_uid(const void *a, const void *b)
{
	const struct cfg_account *x = a, *y = b;

	return x->uid < y->uid ? -1 : x->uid > y->uid;
}

void
sp_cfg_load_accounts(struct cfg *c)
{
	sp_slice passwd, groups;
	struct cfg_source *s = NULL;

	for (uint32_t i = 0; i < c->nsources; i++)
		if (c->sources[i].type == SP_SOURCE_PEER)
			s = &c->sources[i];
	if (s == NULL || !read_table(c, s, "/etc/passwd", &passwd) || !read_table(c, s, "/etc/group", &groups))
		return;
	c->accounts = sp_cfg_alloc(c, SP_CFG_ACCOUNTS, sizeof *c->accounts);
	if (c->accounts == NULL)
		return;
	settle_users(c, s, passwd);
	add_accounts(c, s, passwd);
	for (uint32_t i = 0; i < c->naccounts; i++)
		add_groups(c, &c->accounts[i], groups);
	warn_absent(c, s);
	qsort(c->accounts, c->naccounts, sizeof *c->accounts, by_uid);
}

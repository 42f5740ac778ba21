/* `checks`: decision points and plug-ins; and `check` of a rule, which names them. */
#include "config/value.h"

#include <sys/stat.h>
#include <unistd.h>

/* What is wrong with the file of a plug-in; NULL: nothing.  Whoever can write it decides for us. */
const char *
sp_config_judge_plugin(void *ctx, sp_slice path)
{
	char name[4096];
	struct stat st;

	if (!sp_cstr(path, name, sizeof name) || stat(name, &st) != 0)
		return "there is no such file";
	if (!S_ISREG(st.st_mode))
		return "that is no regular file";
	if ((st.st_mode & 022) != 0)
		return "group or others can write that file; chmod go-w";
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return "that file belongs to somebody else";
	return NULL;
}

static bool
read_library(struct cfg *c, const struct item *at, struct cfg_check *k)
{
	const char *wrong;

	if (!sp_ends(at->text, SP_LIT(".so"))) {
		ERR(c, at, "a check is the URL of a decision point (https://…) or the path of a plug-in (PATH.so)");
		return false;
	}
	if (!sp_cfg_path(c, at, "checks", &k->library))
		return false;
	wrong = c->opts->plugin(c->opts->ctx, k->library);
	if (wrong != NULL)
		ERR(c, at, "plug-in: %s", wrong);
	return wrong == NULL;
}

static bool
read_point(struct cfg *c, const struct item *at, struct cfg_check *k)
{
	if (!sp_cfg_url_query(c, at, "checks", &k->url))
		return false;
	if (!k->url.https && !sp_host_is_loopback(k->url.host, k->url.kind)) {
		ERR(c, at, "a decision point must be https (http only on loopback)");
		return false;
	}
	if (!sp_cfg_is_clean_path(k->url.path)) {
		ERR(c, at, "a decision point's path must be plain (no `%%`, `//` or dot segments)");
		return false;
	}
	return true;
}

/* One that is wrong is known by its name all the same, so that rules are not blamed for it. */
static void
read_check(struct cfg *c, const struct node *n)
{
	struct cfg_check *k = &c->checks[c->nchecks];
	struct item at;

	*k = (struct cfg_check){ .name = sp_cfg_key(n) };
	if (!sp_cfg_is_name(k->name.text)) {
		ERR(c, &k->name, "`%.*s` is no name: a letter, then letters, digits and `-`, at most 32, all lower case",
		    SP_PRI(sp_sub(k->name.text, 0, 64)));
		return;
	}
	c->nchecks++;
	if (!sp_cfg_text(c, n, "checks", &at))
		return;
	if (sp_cfg_is_web(at.text))
		(void)!read_point(c, &at, k);
	else
		(void)!read_library(c, &at, k);
}

void
sp_cfg_read_checks(struct cfg *c, const struct node *n)
{
	if (n == NULL || n->kind == NODE_BAD)
		return;
	if (n->kind != NODE_MAP || n->first == NULL) {
		ERR(c, n, "`checks` must be a mapping: NAME: https://… or PATH.so");
		return;
	}
	if (n->n > SP_IMAGE_CHECKS) {
		ERR(c, n, "`checks`: more than %d", SP_IMAGE_CHECKS);
		return;
	}
	c->checks = sp_cfg_alloc(c, n->n, sizeof *c->checks);
	for (const struct node *v = n->first; c->checks != NULL && v != NULL; v = v->next)
		read_check(c, v);
}

/* ---- `check` of a rule */

static void
unknown_check(struct cfg *c, const struct item *at)
{
	sp_slice *names = sp_cfg_alloc(c, c->nchecks + 1u, sizeof *names);

	if (names == NULL)
		return;
	for (uint32_t i = 0; i < c->nchecks; i++)
		names[i] = c->checks[i].name.text;
	ERR(c, at, "no check is called `%.*s`%s", SP_PRI(at->text), c->nchecks == 0 ? ": `checks` names none" :
	    sp_cfg_hint(c, at->text, names, c->nchecks));
}

void
sp_cfg_read_check_names(struct cfg *c, struct cfg_rule *r, const struct node *n)
{
	struct items list;

	if (n == NULL)
		return;
	if (!sp_cfg_texts(c, n, "check", &list)) {
		r->bad = true;
		return;
	}
	for (uint32_t i = 0; i < list.n; i++) {
		uint32_t k = 0;

		while (k < c->nchecks && !sp_eq(c->checks[k].name.text, list.v[i].text))
			k++;
		if (k == c->nchecks) {
			unknown_check(c, &list.v[i]);
			r->bad = true;
			continue;
		}
		c->checks[k].used = true;
		r->checks |= UINT64_C(1) << k;
	}
}

void
sp_cfg_check_checks(struct cfg *c)
{
	for (uint32_t i = 0; i < c->nchecks; i++)
		if (!c->checks[i].used)
			WARN(c, &c->checks[i].name, "no rule demands the check `%.*s`", SP_PRI(c->checks[i].name.text));
}

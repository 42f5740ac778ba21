/* sallyport why: one decision, explained.  The same function as in front and egress, over the same compiled tables. */
#include "cli/cmd.h"
#include "cli/checked.h"

#include "config/config.h"
#include "oauth/verifier.h"
#include "policy/decide.h"
#include "schema/schema.h"

#include <unistd.h>

static const char help[] =
    "usage: sallyport why [-c FILE] --as SOURCE/USER --tool SERVER.NAME [--scopes …] [--tags …] [--args JSON]\n"
    "       sallyport why [-c FILE] --as SOURCE/USER --resource SERVER:URI | --prompt SERVER.NAME …\n"
    "\n"
    "Explains what a caller would get and which rules say so.  Without --as: a caller without a credential.  Scopes and\n"
    "tags are those of the token, separated by spaces; what the source gives is added.  What an MCP server has is known\n"
    "to the running gateway only, so any name of its components can be asked about.\n"
    "\n"
    "  -c, --config FILE    the configuration (sallyport.yaml)\n"
    "  --as SOURCE/USER     who calls\n"
    "  --tool SERVER.NAME   what is called, as rules or as clients name it\n"
    "  --resource SERVER:URI, --prompt SERVER.NAME   what is read or got instead\n"
    "  --scopes \"A B\", --tags \"X Y\", --args JSON     what the token and the call hold\n"
    "\n"
    "example:\n"
    "  sallyport why --as people/bob --tool dns.deleteZone --scopes 'dns:write' --tags ops --args '{\"zone\":\"a.test.\"}'\n";

struct why_args { const char *config, *as, *tool, *resource, *prompt, *scopes, *tags, *args; };
static const struct sp_opt opts[] = {
	SP_OPT_TEXT("config", 'c', struct why_args, config, "FILE"), SP_OPT_TEXT("as", 0, struct why_args, as, "SOURCE/USER"),
	SP_OPT_TEXT("tool", 0, struct why_args, tool, "SERVER.NAME"),
	SP_OPT_TEXT("resource", 0, struct why_args, resource, "SERVER:URI"),
	SP_OPT_TEXT("prompt", 0, struct why_args, prompt, "SERVER.NAME"), SP_OPT_TEXT("scopes", 0, struct why_args, scopes, "SCOPES"),
	SP_OPT_TEXT("tags", 0, struct why_args, tags, "TAGS"), SP_OPT_TEXT("args", 0, struct why_args, args, "JSON"),
};

/* More rules than this name no component: the file has at most 1 MB, but a table here must end somewhere. */
enum { RULES_MAX = 16384 };

struct why {
	const struct sp_image *img;
	const struct sp_principal *who;
	uint32_t tool;			/* UINT32_MAX: known only while running */
	struct sp_component c;
	sp_jval *args;
	struct sp_decision d;
	struct sp_out *o;
	uint32_t rules[RULES_MAX];
};

/* ---------------------------------------------------------------- what is asked about */

static uint32_t
find_server(const struct sp_image *img, sp_slice name)
{
	for (uint32_t i = 0; i < img->head->servers.n; i++)
		if (sp_eq(sp_img_str(img, SP_IMG_AT(img, img->head->servers, server, i)->name), name))
			return i;
	return UINT32_MAX;
}

/* SERVER.NAME as rules have it, or the name that clients see. */
static uint32_t
find_tool(const struct sp_image *img, sp_slice name)
{
	sp_slice own = name, server;
	uint32_t shown = UINT32_MAX, s = sp_take_to(&own, '.', &server) ? find_server(img, server) : UINT32_MAX;

	for (uint32_t i = 0; s != UINT32_MAX && i < img->head->tools.n; i++) {
		const struct sp_img_tool *t = SP_IMG_AT(img, img->head->tools, tool, i);

		if (t->server == s && sp_eq(sp_img_str(img, t->name), own))
			return i;
	}
	/* Servers that are alone may show the same names: then only SERVER.NAME says which is meant. */
	for (uint32_t i = 0; i < img->head->resources.n; i++) {
		uint32_t at = sp_img_find_tool(img, i, name);

		if (at != UINT32_MAX && shown != UINT32_MAX)
			return UINT32_MAX;
		shown = at != UINT32_MAX ? at : shown;
	}
	return shown;
}

/* A component of an mcp server: `sep` divides its server from its name. */
static bool
find_running(struct why *w, sp_slice what, char sep, enum sp_component_kind kind)
{
	sp_slice name = what, server;
	uint32_t s = UINT32_MAX;

	if (sp_take_to(&name, sep, &server))
		s = find_server(w->img, server);
	if (s == UINT32_MAX || name.n == 0 || SP_IMG_AT(w->img, w->img->head->servers, server, s)->kind != SP_SERVER_MCP)
		return false;
	w->c = (struct sp_component){ .server = s, .kind = kind, .write = true, .name = name };
	w->c.nrules = sp_component_rules(w->img, &w->c, w->rules, SP_COUNT(w->rules));
	w->c.rules = w->rules;
	return w->c.nrules <= SP_COUNT(w->rules);
}

static bool
find_component(struct why *w, const struct why_args *a)
{
	w->tool = UINT32_MAX;
	if (a->resource != NULL)
		return find_running(w, sp_str(a->resource), ':', SP_COMPONENT_RESOURCE);
	if (a->prompt != NULL)
		return find_running(w, sp_str(a->prompt), '.', SP_COMPONENT_PROMPT);
	w->tool = find_tool(w->img, sp_str(a->tool));
	if (w->tool == UINT32_MAX)
		return find_running(w, sp_str(a->tool), '.', SP_COMPONENT_TOOL) ||
		    find_running(w, sp_str(a->tool), '_', SP_COMPONENT_TOOL);
	w->c = sp_component_of_tool(w->img, w->tool);
	return true;
}

/* ---------------------------------------------------------------- who asks */

static uint32_t
find_source(const struct sp_image *img, sp_slice name)
{
	for (uint32_t i = 0; i < img->head->sources.n; i++)
		if (sp_eq(sp_img_str(img, SP_IMG_AT(img, img->head->sources, source, i)->name), name))
			return i;
	return UINT32_MAX;
}

/* SP_OK and *who NULL: nobody may come without a credential here. */
static enum sp_status
find_caller(const struct sp_image *img, const struct why_args *opt, struct sp_principal **who, struct sp_err *e)
{
	sp_slice user = sp_str(opt->as), name;
	uint32_t source;

	*who = NULL;
	if (opt->as == NULL) {
		if (img->head->anonymous == 0)
			return SP_OK;
		return sp_principal_make(img, img->head->anonymous - 1, sp_str(NULL), sp_str(NULL), sp_str(NULL), who, e);
	}
	if (!sp_take_to(&user, '/', &name)) {
		name = user;
		user = (sp_slice){ NULL, 0 };
	}
	source = find_source(img, name);
	if (source == UINT32_MAX)
		return sp_fail(e, SP_E_CONFIG, NULL, "no source is called `%.*s`", SP_PRI(name));
	return sp_principal_make(img, source, user, sp_str(opt->scopes), sp_str(opt->tags), who, e);
}

static void
write_tags(struct sp_out *o, const struct sp_image *img, const uint64_t *words, uint32_t n)
{
	for (uint32_t i = 0; i < img->head->tags.n; i++)
		if (sp_bit(words, n, i))
			sp_out_fmt(o, " %.*s", SP_PRI(sp_img_text(img, img->head->tags, i)));
}

static void
write_caller(const struct why *w)
{
	const struct sp_image *img = w->img;

	sp_out_str(w->o, "caller:  ");
	if (w->who == NULL) {
		sp_out_str(w->o, "no credential, and no `anonymous` source\n");
		return;
	}
	sp_out_slice(w->o, sp_img_str(img, SP_IMG_AT(img, img->head->sources, source, w->who->source)->name));
	if (w->who->user.n != 0)
		sp_out_fmt(w->o, "/%.*s", SP_PRI(w->who->user));
	sp_out_str(w->o, "; scopes: ");
	sp_scopes_write(w->o, img, w->who->scopes, w->who->scope_words);
	sp_out_str(w->o, "; tags:");
	write_tags(w->o, img, w->who->tags, w->who->tag_words);
	sp_out_byte(w->o, '\n');
}

static bool
is_anonymous(const struct why *w)
{
	return w->who == NULL || (w->img->head->anonymous != 0 && w->who->source == w->img->head->anonymous - 1);
}

static void
write_outcome(const struct why *w)
{
	static const char *const words[] = {
		[SP_CLOSED] = "closed", [SP_REFUSED_ARGS] = "refused arguments", [SP_SHORT] = "short of a scope",
		[SP_ASK] = "ask", [SP_ALLOW] = "allow", [SP_REFUSED] = "refused",
	};
	const struct sp_decision *d = &w->d;

	sp_out_fmt(w->o, "outcome: %s: %s", words[d->outcome], d->reason);
	if (d->reason_rule != UINT32_MAX)
		sp_out_fmt(w->o, " (line %u)", SP_IMG_AT(w->img, w->img->head->rules, rule, d->reason_rule)->line);
	sp_out_str(w->o, d->listed ? "; in the caller's list\n" : "; not in the caller's list\n");
}

/* What the caller sees: config.md section 3. */
static void
write_answer(const struct why *w)
{
	sp_out_str(w->o, "answer:  ");
	switch (w->d.outcome) {
	case SP_ALLOW:
		sp_out_str(w->o, w->d.checks == 0 ? "the result\n" : "the result, if the checks below allow\n");
		return;
	case SP_ASK:
		sp_out_str(w->o, "the result after an approval, or isError: declined, or not answered\n");
		return;
	case SP_REFUSED_ARGS:
		sp_out_str(w->o, "isError: refused: these arguments are not allowed\n");
		return;
	case SP_SHORT:
		if (!is_anonymous(w)) {
			sp_out_str(w->o, "403 insufficient_scope: ");
			sp_scopes_write(w->o, w->img, w->d.wanted, SP_SCOPE_WORDS);
			sp_out_byte(w->o, '\n');
			return;
		}
		break;
	case SP_CLOSED:
	case SP_REFUSED:
		break;
	}
	sp_out_str(w->o, is_anonymous(w) ? "401, as for every name\n" : "as for an unknown name\n");
}

static void
write_checks(const struct why *w, uint64_t checks, const char *between)
{
	const char *before = " ";

	for (uint32_t i = 0; i < w->img->head->checks.n; i++) {
		if ((checks >> i & 1) == 0)
			continue;
		sp_out_fmt(w->o, "%s%.*s", before, SP_PRI(sp_img_str(w->img, SP_IMG_AT(w->img, w->img->head->checks, check, i)->name)));
		before = between;
	}
}

/* What they say is not ours to guess: a check is asked by the running gateway alone. */
static void
write_asked(const struct why *w)
{
	if (w->d.checks == 0 || (w->d.outcome != SP_ALLOW && w->d.outcome != SP_ASK))
		return;
	sp_out_str(w->o, "checks: ");
	write_checks(w, w->d.checks, ", ");
	sp_out_str(w->o, "; each of them must allow; the running gateway asks them, and its log says what they answer\n");
}

static void
write_rule(const struct why *w, uint32_t rule)
{
	const struct sp_img_rule *r = SP_IMG_AT(w->img, w->img->head->rules, rule, rule);
	struct sp_rule_look look;

	sp_rule_look(w->img, w->who, rule, w->args, &look);
	sp_out_fmt(w->o, "  line %u: ", r->line);
	sp_out_slice(w->o, sp_img_str(w->img, r->text));
	if (!look.decided)
		sp_out_str(w->o, "; undecided, so it binds and does not open");
	else if (!look.opens && (r->verb == SP_VERB_ALLOW || r->verb == SP_VERB_ASK))
		sp_out_str(w->o, "; does not open without a credential");
	if (look.tags_unmet) {
		sp_out_str(w->o, "; a tag demand is unmet");
		if (r->tags.n != 0) {
			sp_out_str(w->o, " (it wants");
			write_tags(w->o, w->img, sp_img_words(w->img, r->tags), r->tags.n);
			sp_out_byte(w->o, ')');
		}
	}
	if (look.scopes_missing) {
		sp_out_str(w->o, "; lacks ");
		sp_scopes_write(w->o, w->img, look.missing, SP_SCOPE_WORDS);
	}
	if (look.checks != 0) {
		sp_out_str(w->o, "; asks");
		write_checks(w, look.checks, " ");
	}
	sp_out_byte(w->o, '\n');
}

static void
write_rules(const struct why *w)
{
	bool first = true;

	for (uint32_t i = 0; w->who != NULL && i < w->c.nrules; i++) {
		struct sp_rule_look look;

		sp_rule_look(w->img, w->who, w->c.rules[i], w->args, &look);
		if (!look.left)
			continue;
		if (first)
			sp_out_str(w->o, "rules left:\n");
		first = false;
		write_rule(w, w->c.rules[i]);
	}
	if (first)
		sp_out_str(w->o, "rules left: none\n");
}

/* An mcp server's requests are alike: the first of its operations stands for all. */
static void
write_secrets(const struct why *w)
{
	const struct sp_img_server *s = SP_IMG_AT(w->img, w->img->head->servers, server, w->c.server);
	struct sp_ref ops = w->tool == UINT32_MAX ? s->ops : SP_IMG_AT(w->img, w->img->head->tools, tool, w->tool)->op;
	const struct sp_img_op *op;
	const uint32_t *idx;

	if (ops.n == 0)
		return;
	op = SP_IMG_AT(w->img, ops, op, 0);
	idx = sp_img_u32(w->img, op->grants);
	for (uint32_t i = 0; i < op->grants.n; i++) {
		const struct sp_img_grant *g = SP_IMG_AT(w->img, s->grants, grant, idx[i]);

		sp_out_str(w->o, "secret ");
		sp_config_grant_write(w->o, w->img, s, g);
		sp_out_str(w->o, " as ");
		sp_config_place_write(w->o, w->img, g);
		sp_out_byte(w->o, '\n');
	}
}

static void
write_schema_note(const struct why *w, bool given)
{
	struct sp_schema *schema = NULL;
	struct sp_err e = { 0 };
	const struct sp_img_tool *t;

	if (!given || w->tool == UINT32_MAX)
		return;
	t = SP_IMG_AT(w->img, w->img->head->tools, tool, w->tool);
	if (sp_schema_new(sp_img_str(w->img, t->schema), &schema, &e) != SP_OK)
		return;
	if (sp_schema_check(schema, w->args, 0, &e) != SP_OK)
		sp_out_fmt(w->o, "note:    the tool refuses these arguments whatever the rules say: %s\n", e.pub);
	sp_schema_free(&schema);
}

static void
write_all_of_it(struct why *w, const struct why_args *opt)
{
	const char *kind = opt->resource != NULL ? "resource:" : opt->prompt != NULL ? "prompt:  " : "tool:    ";
	const char *name = opt->resource != NULL ? opt->resource : opt->prompt != NULL ? opt->prompt : opt->tool;

	sp_decide_component(w->img, w->who, &w->c, w->args, &w->d);
	sp_out_fmt(w->o, "%s%s%.*s\n", kind, opt->resource != NULL ? " " : "", SP_PRI(sp_str(name)));
	write_caller(w);
	write_outcome(w);
	write_answer(w);
	write_asked(w);
	write_rules(w);
	write_schema_note(w, opt->args != NULL);
	write_secrets(w);
	if (w->tool == UINT32_MAX)
		sp_out_str(w->o, "note:    whether the server has it is known to the running gateway only\n");
}

static int
explain(struct why *w, const struct why_args *opt)
{
	struct sp_principal *who = NULL;
	struct sp_json args = { 0 };
	struct sp_err e = { 0 };
	int status = 1;

	if (!find_component(w, opt)) {
		sp_checked_say("why", "there is no such thing: see `sallyport tools`; of an mcp server say SERVER.NAME or SERVER:URI");
	} else if (opt->args != NULL && (sp_json_read(sp_str(opt->args), SP_JSON_DEFAULT, &args, &e) != SP_OK ||
	    !sp_jis_obj(args.root))) {
		sp_checked_say("why", "--args must be a JSON object");
	} else if (find_caller(w->img, opt, &who, &e) != SP_OK) {
		sp_checked_say("why", e.log);
		sp_out_str(w->o, e.code == SP_E_BAD_TOKEN ? "answer:  401, the source does not admit this caller\n" : "");
	} else {
		w->who = who;
		w->args = args.root;
		write_all_of_it(w, opt);
		status = 0;
	}
	sp_principal_drop(&who);
	sp_json_free(&args);
	return status;
}

static int
run(int argc, char **argv)
{
	struct why_args a = { .config = SP_CONFIG_DEFAULT };
	struct why w = { 0 };
	struct sp_imgb b;
	struct sp_image img;
	struct sp_out o;
	const char *word;
	size_t n;
	int status = sp_opts_read(&sp_cmd_why, argc, argv, &a, &word, &n);

	if (status != SP_OPTS_GO)
		return status;
	if ((a.tool != NULL) + (a.resource != NULL) + (a.prompt != NULL) != 1) {
		sp_checked_say("why", "say one of --tool SERVER.NAME, --resource SERVER:URI, --prompt SERVER.NAME");
		return 2;
	}
	if (sp_checked_open(a.config, false, &b, &img) != SP_OK)
		return 1;
	sp_out_heap(&o, 1 << 20);
	w.img = &img;
	w.o = &o;
	status = explain(&w, &a);
	if (!sp_checked_print(STDOUT_FILENO, &o))
		status = 1;
	sp_out_free(&o);
	sp_imgb_free(&b);
	return status;
}

const struct sp_command sp_cmd_why = { .name = "why", .run = run,
	.text = "explain a decision: who may call what, and which rule says so", .help = help, SP_OPTS(opts) };

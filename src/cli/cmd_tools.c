/* sallyport tools: what stands behind the gateway and who may call it; of the file, or of the gateway that runs. */
#include "cli/checked.h"
#include "cli/cmd.h"
#include "cli/place.h"

#include "config/config.h"
#include "policy/decide.h"
#include "wire/json.h"

#include <stdio.h>
#include <unistd.h>

static const char help[] =
    "usage: sallyport tools [-c FILE] [--json] [SERVER | SERVER.NAME …]\n"
    "       sallyport tools --running [--json] [SERVER | SERVER.NAME …]\n"
    "\n"
    "Lists the tools of the configuration: the name that rules use, the name that clients see, whether it reads or writes,\n"
    "and whose callers may call it (users, tags and arguments in the caller's favour).  NAME may hold wildcards.  The tools\n"
    "of an mcp server are known to the running gateway only.\n"
    "\n"
    "  -c, --config FILE    the configuration (sallyport.yaml)\n"
    "  --json               one JSON object a line, with tags, schema and description\n"
    "  --running            ask the gateway that runs instead of reading the file\n"
    "  --state FOLDER       where that one runs, if not where the configuration says\n"
    "\n"
    "examples:\n"
    "  sallyport tools\n"
    "  sallyport tools 'dns.list*' --json\n";

struct tools_args { struct sp_where where; bool json, running; };
static const struct sp_opt opts[] = {
	SP_OPT_TEXT("config", 'c', struct tools_args, where.config, "FILE"),
	SP_OPT_TEXT("state", 0, struct tools_args, where.state, "FOLDER"), SP_OPT_FLAG("json", 0, struct tools_args, json),
	SP_OPT_FLAG("running", 0, struct tools_args, running),
};

/* What was asked for: everything when no word was said. */
struct wanted { const char *words[SP_WORDS_MAX]; size_t n; bool found[SP_WORDS_MAX]; };

static bool
is_wanted(struct wanted *w, sp_slice server, sp_slice name)
{
	bool any = w->n == 0;

	for (size_t i = 0; i < w->n; i++) {
		sp_slice pattern = sp_str(w->words[i]), s;
		bool hit = sp_take_to(&pattern, '.', &s) ? sp_eq(s, server) && name.n != 0 && sp_glob(pattern, name) :
		    sp_eq(pattern, server);

		w->found[i] |= hit;
		any |= hit;
	}
	return any;
}

static int
missed(const struct wanted *w)
{
	int status = 0;

	for (size_t i = 0; i < w->n; i++) {
		if (w->found[i])
			continue;
		fprintf(stderr, "sallyport tools: there is no server or tool `%.80s`\n", w->words[i]);
		status = 1;
	}
	return status;
}

static void
pad(struct sp_out *o, size_t from, size_t width)
{
	do
		sp_out_byte(o, ' ');
	while (o->n - from < width && !o->full);
}

/* ---------------------------------------------------------------- of the file */

static void
put_callers(struct sp_out *o, const struct sp_image *img, uint32_t tool)
{
	bool first = true;

	for (uint32_t s = 0; s < img->head->sources.n; s++) {
		const struct sp_img_source *source = SP_IMG_AT(img, img->head->sources, source, s);
		char c = sp_config_reach(img, s, tool);

		if (c == '.')
			continue;
		sp_out_str(o, first ? "" : ", ");
		sp_out_slice(o, source->type == SP_SOURCE_ANONYMOUS ? SP_LIT("anyone") : sp_img_str(img, source->name));
		sp_out_str(o, c == 's' ? " with scopes" : c == '?' ? " after approval" : c == 'c' ? " if checks allow" : "");
		first = false;
	}
	if (first)
		sp_out_str(o, "nobody");
}

static void
put_callers_json(struct sp_out *o, const struct sp_image *img, uint32_t tool)
{
	for (uint32_t s = 0; s < img->head->sources.n; s++) {
		char c = sp_config_reach(img, s, tool);

		sp_out_byte(o, s == 0 ? '{' : ',');
		sp_jout_str(o, sp_img_str(img, SP_IMG_AT(img, img->head->sources, source, s)->name));
		sp_out_str(o, c == 'a' ? ":\"allow\"" : c == 'c' ? ":\"check\"" : c == '?' ? ":\"ask\"" : c == 's' ? ":\"short\"" : ":\"closed\"");
	}
	sp_out_byte(o, '}');
}

/* What clients see; of a server that is alone also where. */
static void
put_shown(struct sp_out *o, const struct sp_image *img, const struct sp_img_tool *t)
{
	const struct sp_img_resource *at = sp_img_resource_of(img, t->server);

	sp_out_slice(o, sp_img_str(img, t->shown));
	if (at->alone != 0)
		sp_out_fmt(o, " at %.*s", SP_PRI(sp_img_str(img, at->path)));
}

static void
put_json(struct sp_out *o, const struct sp_image *img, uint32_t i)
{
	const struct sp_img_tool *t = SP_IMG_AT(img, img->head->tools, tool, i);

	sp_out_str(o, "{\"server\":");
	sp_jout_str(o, sp_img_str(img, SP_IMG_AT(img, img->head->servers, server, t->server)->name));
	sp_out_str(o, ",\"name\":");
	sp_jout_str(o, sp_img_str(img, t->name));
	sp_out_str(o, ",\"url\":");
	sp_jout_str(o, sp_img_str(img, sp_img_resource_of(img, t->server)->url));
	sp_out_str(o, t->access == 0 ? ",\"access\":\"read\",\"tags\":[" : ",\"access\":\"write\",\"tags\":[");
	for (uint32_t k = 0; k < t->tags.n; k++) {
		sp_out_str(o, k == 0 ? "" : ",");
		sp_jout_str(o, sp_img_text(img, t->tags, k));
	}
	sp_out_str(o, "],\"callers\":");
	put_callers_json(o, img, i);
	sp_out_str(o, ",\"tool\":");
	sp_out_slice(o, sp_img_str(img, t->json));
	sp_out_str(o, "}\n");
}

static void
put_line(struct sp_out *o, const struct sp_image *img, uint32_t i, const size_t width[2])
{
	const struct sp_img_tool *t = SP_IMG_AT(img, img->head->tools, tool, i);
	size_t from = o->n;

	sp_out_slice(o, sp_img_str(img, SP_IMG_AT(img, img->head->servers, server, t->server)->name));
	sp_out_byte(o, '.');
	sp_out_slice(o, sp_img_str(img, t->name));
	pad(o, from, width[0]);
	put_shown(o, img, t);
	pad(o, from, width[0] + width[1]);
	sp_out_str(o, t->access == 0 ? "read   " : "write  ");
	put_callers(o, img, i);
	sp_out_byte(o, '\n');
}

/* The widest of what will be shown, within reason. */
static void
measure(const struct sp_image *img, struct wanted *w, size_t width[2])
{
	enum { WIDEST = 48 };

	width[0] = width[1] = 8;
	for (uint32_t i = 0; i < img->head->tools.n; i++) {
		const struct sp_img_tool *t = SP_IMG_AT(img, img->head->tools, tool, i);
		sp_slice server = sp_img_str(img, SP_IMG_AT(img, img->head->servers, server, t->server)->name);
		const struct sp_img_resource *at = sp_img_resource_of(img, t->server);
		size_t a = server.n + 1 + t->name.n + 2, b = t->shown.n + 2 + (at->alone == 0 ? 0 : 4 + at->path.n);

		if (!is_wanted(w, server, sp_img_str(img, t->name)))
			continue;
		width[0] = a > width[0] && a <= WIDEST ? a : width[0];
		width[1] = b > width[1] && b <= WIDEST ? b : width[1];
	}
}

/* Servers whose tools no file can tell. */
static void
put_running_only(struct sp_out *o, const struct sp_image *img, struct wanted *w, bool json)
{
	for (uint32_t i = 0; i < img->head->servers.n; i++) {
		const struct sp_img_server *s = SP_IMG_AT(img, img->head->servers, server, i);
		sp_slice name = sp_img_str(img, s->name), url = sp_img_str(img, sp_img_resource_of(img, i)->url);

		if (s->kind != SP_SERVER_MCP || !is_wanted(w, name, SP_LIT("")))
			continue;
		if (json) {
			sp_out_str(o, "{\"server\":");
			sp_jout_str(o, name);
			sp_out_str(o, ",\"url\":");
			sp_jout_str(o, url);
			sp_out_str(o, ",\"tools\":null}\n");
		} else {
			sp_out_fmt(o, "tools of %.*s are known to the running gateway only: see tools/list of a client of %.*s\n", SP_PRI(name),
			    SP_PRI(url));
		}
	}
}

static void
put_file(struct sp_out *o, const struct sp_image *img, struct wanted *w, bool json)
{
	size_t width[2];

	measure(img, w, width);
	for (uint32_t i = 0; i < img->head->tools.n; i++) {
		const struct sp_img_tool *t = SP_IMG_AT(img, img->head->tools, tool, i);

		if (!is_wanted(w, sp_img_str(img, SP_IMG_AT(img, img->head->servers, server, t->server)->name), sp_img_str(img, t->name)))
			continue;
		if (json)
			put_json(o, img, i);
		else
			put_line(o, img, i, width);
	}
	put_running_only(o, img, w, json);
}

static int
of_file(const struct tools_args *a, struct wanted *w)
{
	struct sp_image img;
	struct sp_imgb b;
	struct sp_out o;
	int status = 0;

	if (sp_checked_open(a->where.config == NULL ? SP_CONFIG_DEFAULT : a->where.config, false, &b, &img) != SP_OK)
		return 1;
	sp_out_heap(&o, 256 << 20);
	put_file(&o, &img, w, a->json);
	if (!sp_checked_print(STDOUT_FILENO, &o))
		status = 1;
	sp_out_free(&o);
	sp_imgb_free(&b);
	return missed(w) | status;
}

/* ---------------------------------------------------------------- of the gateway */

static void
put_answer(struct sp_out *o, sp_jval *tools, struct wanted *w, bool json)
{
	for (struct sp_jiter it = sp_jeach(tools); sp_jnext(&it);) {
		sp_slice server = sp_jtext(SP_JGET(it.val, "server")), name = sp_jtext(SP_JGET(it.val, "name"));
		sp_slice access = sp_jtext(SP_JGET(it.val, "access"));

		if (!is_wanted(w, server, name))
			continue;
		if (json)
			sp_jwrite(o, it.val);
		else
			sp_out_fmt(o, "%-5.*s  %.*s.%.*s", SP_PRI(access), SP_PRI(server), SP_PRI(name));
		sp_out_byte(o, '\n');
	}
}

static int
of_gateway(const struct tools_args *a, struct wanted *w)
{
	SP_AUTO(sp_json_free) struct sp_json j = { 0 };
	struct sp_place_state p;
	struct sp_out answer, o;
	struct sp_err e = { 0 };
	enum sp_status st;
	int status = 1;

	if (sp_place_open(&p, "tools", &a->where, SP_REACH_READ) != SP_OK)
		return 1;
	sp_out_heap(&answer, SP_ADMIN_ANSWER_MAX);
	sp_out_heap(&o, 4 * SP_ADMIN_ANSWER_MAX);
	st = sp_place_connect(&p) ? SP_OK : sp_fail(&e, SP_E_UNAVAILABLE, NULL, "no gateway answers in %s", p.path);
	if (st == SP_OK)
		st = sp_place_ask(&p, SP_ADMIN_TOOLS, SP_LIT("{}"), &answer, &e);
	if (st == SP_OK)
		st = sp_json_read(sp_out_view(&answer), SP_JSON_DEFAULT, &j, &e);
	if (st == SP_OK) {
		put_answer(&o, SP_JGET(j.root, "tools"), w, a->json);
		status = sp_checked_print(STDOUT_FILENO, &o) ? missed(w) : 1;
	} else {
		(void)sp_say("tools", e.log);
	}
	sp_out_free(&answer);
	sp_out_free(&o);
	sp_place_close(&p);
	return status;
}

static int
run(int argc, char **argv)
{
	struct tools_args a = { 0 };
	struct wanted w = { 0 };
	int status = sp_opts_read(&sp_cmd_tools, argc, argv, &a, w.words, &w.n);

	if (status != SP_OPTS_GO)
		return status;
	return a.running ? of_gateway(&a, &w) : of_file(&a, &w);
}

const struct sp_command sp_cmd_tools = { .name = "tools", .run = run, .text = "list tools, and who may call them", .help = help,
	SP_OPTS(opts), .max = SP_WORDS_MAX, .word = "NAME" };

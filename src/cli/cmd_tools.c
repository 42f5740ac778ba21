/* sallyport tools: what a configuration turns into tools, before any rule. */
#include "cli/checked.h"
#include "cli/cmd.h"
#include "cli/options.h"

#include "base/out.h"

#include <stdio.h>
#include <unistd.h>

static const char help[] =
    "usage: sallyport tools [-c FILE] [--json]\n"
    "\n"
    "Lists every tool of every server of the configuration (sallyport.yaml): its name in rules, the name that clients see,\n"
    "whether it reads or writes, its tags.  Being listed here opens nothing: `sallyport check --table` says who may call what.\n"
    "\n"
    "example:\n"
    "  sallyport tools -c sallyport.yaml\n";

static void
put_tags(struct sp_out *o, const struct sp_image *img, struct sp_ref tags)
{
	for (uint32_t i = 0; i < tags.n; i++) {
		sp_out_byte(o, i == 0 ? ' ' : ',');
		sp_out_slice(o, sp_img_text(img, tags, i));
	}
}

static void
put_tool(struct sp_out *o, const struct sp_image *img, const struct sp_img_tool *t, bool json)
{
	const struct sp_img_server *s = SP_IMG_AT(img, img->head->servers, server, t->server);

	if (json) {
		sp_out_slice(o, sp_img_str(img, t->json));
		sp_out_byte(o, '\n');
		return;
	}
	sp_out_slice(o, sp_img_str(img, s->name));
	sp_out_byte(o, '.');
	sp_out_slice(o, sp_img_str(img, t->name));
	sp_out_str(o, "  ");
	sp_out_slice(o, sp_img_str(img, t->shown));
	sp_out_str(o, t->access == 0 ? "  read " : "  write");
	put_tags(o, img, t->tags);
	sp_out_byte(o, '\n');
}

int
cmd_tools(int argc, char **argv)
{
	const char *config = SP_CONFIG_DEFAULT, *word;
	bool wants_help = false, json = false, good;
	const struct sp_opt opts[] = {
		{ "config", 'c', SP_OPT_TEXT, &config, 0 }, { "json", 0, SP_OPT_FLAG, &json, 0 },
		{ "help", 'h', SP_OPT_FLAG, &wants_help, 0 },
	};
	struct sp_image img;
	struct sp_imgb b;
	struct sp_out o;
	size_t n;

	if (!sp_opts_read("tools", argc, argv, opts, SP_COUNT(opts), &word, 1, &n))
		return 2;
	if (wants_help || n > 1) {
		fputs(help, wants_help ? stdout : stderr);
		return wants_help ? 0 : 2;
	}
	if (sp_checked_open(n == 1 ? word : config, false, &b, &img) != SP_OK)
		return 1;
	sp_out_heap(&o, 256 << 20);
	for (uint32_t i = 0; i < img.head->tools.n; i++)
		put_tool(&o, &img, SP_IMG_AT(&img, img.head->tools, tool, i), json);
	good = sp_checked_print(STDOUT_FILENO, &o);
	sp_out_free(&o);
	sp_imgb_free(&b);
	return good ? 0 : 1;
}

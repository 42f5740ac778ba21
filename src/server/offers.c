/* Tools, resources, templates and prompts as <sallyport/server.h> adds them. */
#include "server/registry.h"

#include "mcp/foreign.h"

#define NO_ARGUMENTS "{\"type\":\"object\",\"additionalProperties\":false}"

/* Members that this library does not know are those of a younger header: left alone.  Members that the program does not
 * know, being older, are zero. */
static void
take_options(void *mine, size_t cap, const void *given, size_t size)
{
	const char *from = given;
	char *to = mine;

	for (size_t i = 0; i < cap && i < size; i++)
		to[i] = from[i];
}

static void
wrong_by(struct sp_adding *a, const char *what, const struct sp_err *e)
{
	char why[512];
	struct sp_out o;

	sp_out_init(&o, why, sizeof why - 1);
	sp_out_fmt(&o, "%s: %s", what, e->log);
	why[o.n] = '\0';
	sp_add_wrong(a, why);
}

/* ---- tools */

static void
hint(struct sp_adding *a, const char **sep, const char *key, enum sp_hint value)
{
	if (value == SP_HINT_UNSAID)
		return;
	sp_out_fmt(&a->json, "%s\"%s\":%s", *sep, key, value == SP_HINT_YES ? "true" : "false");
	*sep = ",";
}

static void
annotations(struct sp_adding *a, const struct sp_tool_options *t)
{
	const char *sep = "";

	if (t->read_only == SP_HINT_UNSAID && t->destructive == SP_HINT_UNSAID && t->idempotent == SP_HINT_UNSAID &&
	    t->open_world == SP_HINT_UNSAID)
		return;
	sp_add_key(a, "annotations");
	sp_out_byte(&a->json, '{');
	hint(a, &sep, "readOnlyHint", t->read_only);
	hint(a, &sep, "destructiveHint", t->destructive);
	hint(a, &sep, "idempotentHint", t->idempotent);
	hint(a, &sep, "openWorldHint", t->open_world);
	sp_out_byte(&a->json, '}');
}

static bool
is_object_schema(sp_slice schema)
{
	SP_AUTO(sp_json_free) struct sp_json json = { 0 };
	struct sp_err e;

	return sp_json_read(schema, SP_JSON_DEFAULT, &json, &e) == SP_OK &&
	    sp_eq(sp_jtext(SP_JGET(json.root, "type")), SP_LIT("object"));
}

static void
input_schema(struct sp_adding *a, const char *text)
{
	SP_AUTO(sp_json_free) struct sp_json json = { 0 };
	struct sp_err e = { 0 };
	sp_slice compact;

	if (!sp_add_json_member(a, "inputSchema", text == NULL ? NO_ARGUMENTS : text, &compact))
		return;
	if (!is_object_schema(compact))
		sp_add_wrong(a, "input_schema: its type must be \"object\"");
	else if (sp_schema_new(compact, &a->o->input, &e) != SP_OK)
		wrong_by(a, "input_schema", &e);
	if (sp_json_read(compact, SP_JSON_DEFAULT, &json, &e) == SP_OK &&
	    sp_params_judge(&a->o->arena, json.root, &a->o->headers, &e) != SP_OK)
		wrong_by(a, "input_schema", &e);
}

/* mcp-spec 2.4: of the 2025 era it describes an object; a tool with another one has none there. */
static void
output_schema(struct sp_adding *a, const char *text)
{
	struct sp_err e = { 0 };
	size_t before = a->json.n;
	sp_slice compact;

	if (text == NULL || !sp_add_json_member(a, "outputSchema", text, &compact))
		return;
	if (sp_schema_new(compact, &a->o->output, &e) != SP_OK)
		wrong_by(a, "output_schema", &e);
	if (!is_object_schema(compact)) {
		a->cut_from = before;
		a->cut_to = a->json.n;
	}
}

void
sp_tool_add(struct sp_server *s, const struct sp_tool_options *options)
{
	struct sp_tool_options t = { 0 };
	struct sp_adding a;

	take_options(&t, sizeof t, options, options->size);
	if (!sp_add_begin(&a, s, SP_COMPONENT_IS_TOOL, t.name, &(const struct sp_common){ t.tags, t.description, t.auth,
	    t.handler, t.arg, t.on_loop, t.timeout_s }))
		return;
	if (!sp_name_ok(a.o->name))
		sp_add_wrong(&a, "its name must be 1 to 128 of A-Z a-z 0-9 _ - .");
	a.o->needs = t.needs;
	a.o->task = t.task;
	if ((t.needs & ~(unsigned)(SP_CLIENT_CAN_ELICIT | SP_CLIENT_CAN_SAMPLE | SP_CLIENT_HAS_ROOTS)) != 0)
		sp_add_wrong(&a, "needs has something that is not of enum sp_client_can");
	if ((unsigned)t.task > SP_TASK_ALWAYS)
		sp_add_wrong(&a, "task is none of enum sp_task_support");
	sp_add_text_member(&a, "name", a.o->name.p);
	sp_add_text_member(&a, "title", t.title);
	sp_add_text_member(&a, "description", t.description);
	sp_add_icons(&a, t.icons);
	input_schema(&a, t.input_schema);
	output_schema(&a, t.output_schema);
	annotations(&a, &t);
	if (t.meta != NULL)
		(void)sp_add_json_member(&a, "_meta", t.meta, NULL);
	sp_add_end(&a);
}

/* ---- resources and templates */

static void
resource_name(struct sp_adding *a, const struct sp_resource_options *r)
{
	struct sp_err e = { 0 };

	if (r->uri != NULL && r->uri_template != NULL)
		sp_add_wrong(a, "it has both uri and uri_template");
	else if (r->uri == NULL && r->uri_template == NULL)
		sp_add_wrong(a, "it has neither uri nor uri_template");
	else if (r->uri != NULL && !sp_res_uri_ok(a->o->name))
		sp_add_wrong(a, "uri must be an absolute URI");
	else if (r->uri_template != NULL && sp_template_new(&a->o->arena, a->o->name, &a->o->template, &e) != SP_OK)
		wrong_by(a, "uri_template", &e);
	if (r->name == NULL || r->name[0] == '\0')
		sp_add_wrong(a, "it has no name");
	if (r->bytes < 0)
		sp_add_wrong(a, "bytes is negative");
}

void
sp_resource_add(struct sp_server *s, const struct sp_resource_options *options)
{
	struct sp_resource_options r = { 0 };
	struct sp_adding a;
	bool is_template;

	take_options(&r, sizeof r, options, options->size);
	is_template = r.uri_template != NULL;
	if (!sp_add_begin(&a, s, is_template ? SP_COMPONENT_IS_TEMPLATE : SP_COMPONENT_IS_RESOURCE,
	    is_template ? r.uri_template : r.uri, &(const struct sp_common){ r.tags, r.description, r.auth, r.handler,
	    r.arg, r.on_loop, r.timeout_s }))
		return;
	resource_name(&a, &r);
	a.o->mime_type = sp_add_copy(&a, r.mime_type);
	a.o->complete = r.complete;
	if (r.complete != NULL && !is_template)
		sp_add_wrong(&a, "only a template has variables to complete");
	sp_add_text_member(&a, is_template ? "uriTemplate" : "uri", a.o->name.p);
	sp_add_text_member(&a, "name", r.name);
	sp_add_text_member(&a, "title", r.title);
	sp_add_text_member(&a, "description", r.description);
	sp_add_text_member(&a, "mimeType", r.mime_type);
	if (r.bytes > 0 && !is_template) {
		sp_add_key(&a, "size");
		sp_out_i64(&a.json, r.bytes);
	}
	sp_add_icons(&a, r.icons);
	if (r.meta != NULL)
		(void)sp_add_json_member(&a, "_meta", r.meta, NULL);
	sp_add_end(&a);
}

/* ---- prompts */

static void
one_argument(struct sp_adding *a, const struct sp_prompt_argument *arg, bool first)
{
	const struct { const char *key, *text; } rows[] = {
		{ ",\"title\":", arg->title }, { ",\"description\":", arg->description },
	};

	sp_out_str(&a->json, first ? "{\"name\":" : ",{\"name\":");
	sp_jout_str(&a->json, sp_str(arg->name));
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		if (rows[i].text == NULL)
			continue;
		sp_out_str(&a->json, rows[i].key);
		sp_jout_str(&a->json, sp_str(rows[i].text));
	}
	sp_out_str(&a->json, arg->required ? ",\"required\":true}" : "}");
}

static void
prompt_arguments(struct sp_adding *a, const struct sp_prompt_argument *args)
{
	size_t n = 0, k = 0;
	const char **required;

	while (args != NULL && args[n].name != NULL)
		n++;
	required = sp_arena_get(&a->o->arena, (n + 1) * sizeof *required);
	if (n == 0 || required == NULL)
		return;
	sp_add_key(a, "arguments");
	sp_out_byte(&a->json, '[');
	for (size_t i = 0; i < n; i++) {
		if (args[i].name[0] == '\0' || !sp_utf8_valid(sp_str(args[i].name)))
			sp_add_wrong(a, "an argument has no proper name");
		one_argument(a, &args[i], i == 0);
		if (args[i].required)
			required[k++] = sp_add_copy(a, args[i].name).p;
	}
	sp_out_byte(&a->json, ']');
	a->o->required = required;
}

void
sp_prompt_add(struct sp_server *s, const struct sp_prompt_options *options)
{
	struct sp_prompt_options p = { 0 };
	struct sp_adding a;

	take_options(&p, sizeof p, options, options->size);
	if (!sp_add_begin(&a, s, SP_COMPONENT_IS_PROMPT, p.name, &(const struct sp_common){ p.tags, p.description, p.auth,
	    p.handler, p.arg, p.on_loop, p.timeout_s }))
		return;
	if (!sp_name_ok(a.o->name))
		sp_add_wrong(&a, "its name must be 1 to 128 of A-Z a-z 0-9 _ - .");
	a.o->complete = p.complete;
	sp_add_text_member(&a, "name", a.o->name.p);
	sp_add_text_member(&a, "title", p.title);
	sp_add_text_member(&a, "description", p.description);
	prompt_arguments(&a, p.arguments);
	sp_add_icons(&a, p.icons);
	if (p.meta != NULL)
		(void)sp_add_json_member(&a, "_meta", p.meta, NULL);
	sp_add_end(&a);
}

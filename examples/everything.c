/*
 * One of everything a server can offer: what the official conformance suite asks for, in both protocol eras, and a place to
 * look things up.  Anyone may call all of it, unless --token TEXT says whom to let in.
 *
 *	build/examples/everything --port 8000 [--token TEXT] [--workers N] [--url URL]
 */
#include <sallyport/sallyport.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define OBJECT(properties) "{\"type\":\"object\",\"properties\":{" properties "}}"

/* A red pixel, and silence. */
static const unsigned char png[] = {
	0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44, 0x52, 0x00, 0x00, 0x00, 0x01,
	0x00, 0x00, 0x00, 0x01, 0x08, 0x02, 0x00, 0x00, 0x00, 0x90, 0x77, 0x53, 0xde, 0x00, 0x00, 0x00, 0x0c, 0x49, 0x44, 0x41,
	0x54, 0x08, 0xd7, 0x63, 0xf8, 0xcf, 0xc0, 0x00, 0x00, 0x03, 0x01, 0x01, 0x00, 0x18, 0xdd, 0x8d, 0xb0, 0x00, 0x00, 0x00,
	0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82,
};
static const unsigned char wav[] = "RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x40\x1f\0\0\x01\0\x08\0data\0\0\0";

static void
pause_ms(long ms)
{
	nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000 }, NULL);
}

/* ---------------------------------------------------------------- content */

static void
simple_text(struct sp_context *ctx, void *arg)
{
	(void)arg;
	sp_return_text(ctx, "This is a simple text response for testing.");
}

static void
image_content(struct sp_context *ctx, void *arg)
{
	(void)arg;
	sp_add_image(ctx, "image/png", png, sizeof png);
}

static void
audio_content(struct sp_context *ctx, void *arg)
{
	(void)arg;
	sp_add_audio(ctx, "audio/wav", wav, sizeof wav - 1);
}

static void
embedded_resource(struct sp_context *ctx, void *arg)
{
	(void)arg;
	sp_add_resource_text(ctx, "test://embedded-resource", "text/plain", "This is an embedded resource content.");
}

static void
multiple_content_types(struct sp_context *ctx, void *arg)
{
	(void)arg;
	sp_add_text(ctx, "Multiple content types test:");
	sp_add_image(ctx, "image/png", png, sizeof png);
	sp_add_resource_text(ctx, "test://mixed-content-resource", "application/json", "{\"test\":\"data\",\"value\":123}");
}

static void
error_handling(struct sp_context *ctx, void *arg)
{
	(void)arg;
	sp_return_error(ctx, "This tool intentionally returns an error for testing");
}

static void
echo(struct sp_context *ctx, void *arg)
{
	(void)arg;
	sp_return_json(ctx, sp_arguments(ctx));
}

static void
whoami(struct sp_context *ctx, void *arg)
{
	const char *subject = sp_principal_subject(sp_context_principal(ctx));

	(void)arg;
	sp_return_text(ctx, subject == NULL ? "nobody" : subject);
}

/* ---------------------------------------------------------------- while it runs */

static void
with_logging(struct sp_context *ctx, void *arg)
{
	(void)arg;
	sp_message(ctx, SP_LOG_INFO, "everything", "Tool execution started");
	pause_ms(50);
	sp_message(ctx, SP_LOG_INFO, "everything", "Tool processing data");
	pause_ms(50);
	sp_message(ctx, SP_LOG_INFO, "everything", "Tool execution completed");
	sp_return_text(ctx, "logged");
}

static void
with_progress(struct sp_context *ctx, void *arg)
{
	(void)arg;
	for (int i = 0; i <= 100; i += 50) {
		sp_progress(ctx, i, 100, "working");
		pause_ms(50);
	}
	sp_return_text(ctx, "progressed");
}

static void
slow(struct sp_context *ctx, void *arg)
{
	int64_t ms = 0;

	(void)arg;
	if (!sp_arg_int(ctx, "ms", &ms))
		ms = 0;
	for (int64_t i = 0; i < ms && !sp_is_cancelled(ctx); i += 10)
		pause_ms(10);
	sp_return_text(ctx, "slept");
}

/* Its client is sent away, and comes back for the answer. */
static void
reconnection(struct sp_context *ctx, void *arg)
{
	(void)arg;
	sp_close_stream(ctx, 500);
	pause_ms(100);
	sp_return_text(ctx, "Reconnection test completed successfully");
}

static void
log_once(struct sp_context *ctx, void *arg)
{
	(void)arg;
	sp_message(ctx, SP_LOG_INFO, "everything", "said");
	sp_return_text(ctx, "done");
}

static void
change_list(struct sp_context *ctx, void *kind)
{
	sp_list_changed(sp_context_server(ctx), *(const enum sp_component_type *)kind);
	sp_return_text(ctx, "changed");
}

static void
touch(struct sp_context *ctx, void *arg)
{
	(void)arg;
	sp_resource_updated(sp_context_server(ctx), "test://watched-resource");
	sp_return_text(ctx, "touched");
}

/* ---------------------------------------------------------------- asking the client */

#define USER "{\"type\":\"object\",\"properties\":{\"username\":{\"type\":\"string\",\"description\":\"User's response\"}," \
	"\"email\":{\"type\":\"string\",\"description\":\"User's email address\"}},\"required\":[\"username\",\"email\"]}"
#define DEFAULTS "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\",\"default\":\"John Doe\"}," \
	"\"age\":{\"type\":\"integer\",\"default\":30},\"score\":{\"type\":\"number\",\"default\":95.5}," \
	"\"status\":{\"type\":\"string\",\"enum\":[\"active\",\"inactive\",\"pending\"],\"default\":\"active\"}," \
	"\"verified\":{\"type\":\"boolean\",\"default\":true}}}"
#define TITLED "[{\"const\":\"value1\",\"title\":\"First Option\"},{\"const\":\"value2\",\"title\":\"Second Option\"}]"
#define ENUMS "{\"type\":\"object\",\"properties\":{" \
	"\"untitledSingle\":{\"type\":\"string\",\"enum\":[\"option1\",\"option2\",\"option3\"]}," \
	"\"titledSingle\":{\"type\":\"string\",\"oneOf\":" TITLED "}," \
	"\"legacyEnum\":{\"type\":\"string\",\"enum\":[\"opt1\",\"opt2\"],\"enumNames\":[\"Option One\",\"Option Two\"]}," \
	"\"untitledMulti\":{\"type\":\"array\",\"items\":{\"type\":\"string\",\"enum\":[\"option1\",\"option2\"]}}," \
	"\"titledMulti\":{\"type\":\"array\",\"items\":{\"anyOf\":" TITLED "}}}}"
#define ASK_SAMPLE "{\"messages\":[{\"role\":\"user\",\"content\":{\"type\":\"text\"," \
	"\"text\":\"What is the capital of France?\"}}],\"maxTokens\":100}"

static void
report(struct sp_context *ctx, enum sp_rc rc, const struct sp_elicit_answer *a)
{
	if (rc == SP_RC_OK)
		sp_return_textf(ctx, "User response: action=%s, content=%s", a->action == SP_ELICIT_ACCEPT ? "accept" :
		    a->action == SP_ELICIT_DECLINE ? "decline" : "cancel", a->content == NULL ? "{}" : a->content);
	else if (rc != SP_RC_PENDING)
		sp_return_errorf(ctx, "the client was not asked: %s", sp_rc_text(rc));
}

/* `schema`: what is asked for. */
static void
elicit(struct sp_context *ctx, void *schema)
{
	const char *message = sp_arg_text(ctx, "message");
	struct sp_elicit_answer a;

	report(ctx, sp_elicit(ctx, "answer", message == NULL ? "Please answer" : message, schema, &a), &a);
}

static void
streaming_elicitation(struct sp_context *ctx, void *arg)
{
	struct sp_elicit_answer a;

	(void)arg;
	sp_progress(ctx, 1, 2, "about to ask");
	report(ctx, sp_elicit(ctx, "answer", "Go on?", OBJECT("\"ok\":{\"type\":\"boolean\"}"), &a), &a);
}

static void
sample(struct sp_context *ctx, void *arg)
{
	const char *answer;
	enum sp_rc rc = sp_sample(ctx, "capital_question", ASK_SAMPLE, &answer);

	(void)arg;
	if (rc == SP_RC_OK)
		sp_return_textf(ctx, "LLM response: %s", sp_sampled_text(ctx, answer) == NULL ? answer : sp_sampled_text(ctx, answer));
	else if (rc != SP_RC_PENDING)
		sp_return_errorf(ctx, "the client was not asked: %s", sp_rc_text(rc));
}

static void
roots(struct sp_context *ctx, void *arg)
{
	const char *answer;
	enum sp_rc rc = sp_list_roots(ctx, "client_roots", &answer);

	(void)arg;
	if (rc == SP_RC_OK)
		sp_return_textf(ctx, "Roots: %s", answer);
	else if (rc != SP_RC_PENDING)
		sp_return_errorf(ctx, "the client was not asked: %s", sp_rc_text(rc));
}

static void
greet_user(struct sp_context *ctx, void *arg)
{
	struct sp_elicit_answer a;

	(void)arg;
	if (sp_elicit(ctx, "user_name", "What is your name?", OBJECT("\"name\":{\"type\":\"string\"}"), &a) == SP_RC_OK)
		sp_return_textf(ctx, "Hello, %s!", a.content == NULL ? "stranger" : a.content);
}

static void
request_state(struct sp_context *ctx, void *arg)
{
	struct sp_elicit_answer a;

	(void)arg;
	sp_state_set(ctx, "asked");
	if (sp_elicit(ctx, "confirm", "Please confirm", OBJECT("\"ok\":{\"type\":\"boolean\"}"), &a) == SP_RC_OK)
		sp_return_text(ctx, sp_state(ctx) == NULL ? "state-lost" : "state-ok");
}

static void
multiple_inputs(struct sp_context *ctx, void *arg)
{
	struct sp_elicit_answer a;
	const char *capital, *where;
	enum sp_rc one, two, three;

	(void)arg;
	sp_state_set(ctx, "asked");
	one = sp_elicit(ctx, "user_name", "What is your name?", OBJECT("\"name\":{\"type\":\"string\"}"), &a);
	two = sp_sample(ctx, "greeting", ASK_SAMPLE, &capital);
	three = sp_list_roots(ctx, "client_roots", &where);
	if (one == SP_RC_OK && two == SP_RC_OK && three == SP_RC_OK)
		sp_return_text(ctx, "all three answers are here");
}

static void
multi_round(struct sp_context *ctx, void *arg)
{
	struct sp_elicit_answer name, color;

	(void)arg;
	if (sp_elicit(ctx, "step1", "Step 1: your name?", OBJECT("\"name\":{\"type\":\"string\"}"), &name) != SP_RC_OK)
		return;
	if (sp_elicit(ctx, "step2", "Step 2: your colour?", OBJECT("\"color\":{\"type\":\"string\"}"), &color) != SP_RC_OK)
		return;
	sp_return_textf(ctx, "%s %s", name.content, color.content);
}

/* Only what this client can do. */
static void
by_capabilities(struct sp_context *ctx, void *arg)
{
	struct sp_elicit_answer a;
	enum sp_rc one = SP_RC_OK, two = SP_RC_OK;
	const char *answer;

	(void)arg;
	if (sp_client_can(ctx, SP_CLIENT_CAN_SAMPLE))
		one = sp_sample(ctx, "capital_question", ASK_SAMPLE, &answer);
	if (sp_client_can(ctx, SP_CLIENT_CAN_ELICIT))
		two = sp_elicit(ctx, "user_name", "What is your name?", OBJECT("\"name\":{\"type\":\"string\"}"), &a);
	if (one == SP_RC_OK && two == SP_RC_OK)
		sp_return_text(ctx, "asked all that could be asked");
}

static void
ask_prompt(struct sp_context *ctx, void *arg)
{
	struct sp_elicit_answer a;

	(void)arg;
	if (sp_elicit(ctx, "user_context", "What is it about?", OBJECT("\"context\":{\"type\":\"string\"}"), &a) == SP_RC_OK)
		sp_add_message(ctx, "user", a.content == NULL ? "nothing" : a.content);
}

/* ---------------------------------------------------------------- tasks */

static void
greet(struct sp_context *ctx, void *arg)
{
	const char *name = sp_arg_text(ctx, "name");

	(void)arg;
	sp_return_textf(ctx, "Hello, %s!", name == NULL ? "World" : name);
}

static void
slow_compute(struct sp_context *ctx, void *arg)
{
	int64_t seconds = 0;

	(void)arg;
	if (!sp_arg_int(ctx, "seconds", &seconds))
		seconds = 0;
	if (seconds > 0)
		sp_become_task(ctx);
	for (int64_t i = 0; i < seconds * 100 && !sp_is_cancelled(ctx); i++)
		pause_ms(10);
	sp_return_textf(ctx, "computed for %lld s", (long long)seconds);
}

static void
failing_job(struct sp_context *ctx, void *arg)
{
	(void)arg;
	sp_become_task(ctx);
	pause_ms(1000);
	sp_return_error(ctx, "the job failed");
}

static void
protocol_error_job(struct sp_context *ctx, void *arg)
{
	(void)arg;
	sp_become_task(ctx);
	sp_return_rpc_error(ctx, -32603, "the job broke", NULL);
}

static void
confirm_delete(struct sp_context *ctx, void *arg)
{
	struct sp_elicit_answer a;

	(void)arg;
	sp_become_task(ctx);
	if (sp_elicit(ctx, "confirm", "Delete it?", OBJECT("\"confirm\":{\"type\":\"boolean\"}"), &a) == SP_RC_OK)
		sp_return_text(ctx, a.action == SP_ELICIT_ACCEPT ? "deleted" : "kept");
}

static void
multi_input(struct sp_context *ctx, void *arg)
{
	struct sp_elicit_answer a, b;
	enum sp_rc one, two;

	(void)arg;
	sp_become_task(ctx);
	one = sp_elicit(ctx, "first", "The first?", OBJECT("\"name\":{\"type\":\"string\"}"), &a);
	two = sp_elicit(ctx, "second", "The second?", OBJECT("\"confirm\":{\"type\":\"boolean\"}"), &b);
	if (one == SP_RC_OK && two == SP_RC_OK)
		sp_return_text(ctx, "both answers are here");
}

static void
ask_then_task(struct sp_context *ctx, void *arg)
{
	struct sp_elicit_answer a;

	(void)arg;
	if (sp_elicit(ctx, "user_name", "What is your name?", OBJECT("\"name\":{\"type\":\"string\"}"), &a) != SP_RC_OK)
		return;
	sp_become_task(ctx);
	sp_return_textf(ctx, "Hello, %s!", a.content == NULL ? "stranger" : a.content);
}

/* ---------------------------------------------------------------- resources, prompts */

static void
static_text(struct sp_context *ctx, void *text)
{
	sp_return_text(ctx, text);
}

static void
static_binary(struct sp_context *ctx, void *arg)
{
	(void)arg;
	sp_add_resource_blob(ctx, NULL, "image/png", png, sizeof png);
}

static void
from_template(struct sp_context *ctx, void *arg)
{
	const char *id = sp_arg_json(ctx, "id");

	(void)arg;
	sp_return_textf(ctx, "{\"id\":%s,\"templateTest\":true,\"data\":\"Data for ID: %s\"}", id, sp_arg_text(ctx, "id"));
}

static void
simple_prompt(struct sp_context *ctx, void *arg)
{
	(void)arg;
	sp_return_text(ctx, "This is a simple prompt for testing.");
}

static void
prompt_with_arguments(struct sp_context *ctx, void *arg)
{
	(void)arg;
	sp_return_textf(ctx, "Prompt with arguments: arg1='%s', arg2='%s'", sp_arg_text(ctx, "arg1"), sp_arg_text(ctx, "arg2"));
}

static void
prompt_with_resource(struct sp_context *ctx, void *arg)
{
	(void)arg;
	sp_add_resource_text(ctx, sp_arg_text(ctx, "resourceUri"), "text/plain", "Embedded resource content for testing.");
	sp_add_text(ctx, "Please process the embedded resource above.");
}

static void
prompt_with_image(struct sp_context *ctx, void *arg)
{
	(void)arg;
	sp_add_image(ctx, "image/png", png, sizeof png);
	sp_add_text(ctx, "Please analyze the image above.");
}

static void
complete(struct sp_context *ctx, const char *argument, const char *value, void *arg)
{
	static const char *const cities[] = { "paris", "park", "party" };

	(void)argument;
	(void)arg;
	for (size_t i = 0; i < sizeof cities / sizeof *cities; i++)
		if (strncmp(cities[i], value, strlen(value)) == 0)
			sp_add_completion(ctx, cities[i]);
}

/* ---------------------------------------------------------------- the server */

#define SCHEMA_2020_12 "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"type\":\"object\",\"$defs\":{\"address\":{" \
	"\"$anchor\":\"addressDef\",\"type\":\"object\",\"properties\":{\"street\":{\"type\":\"string\"},\"city\":{\"type\":\"string\"}}}}," \
	"\"properties\":{\"name\":{\"type\":\"string\"},\"address\":{\"$ref\":\"#/$defs/address\"}," \
	"\"contactMethod\":{\"type\":\"string\",\"enum\":[\"phone\",\"email\"]},\"phone\":{\"type\":\"string\"},\"email\":{\"type\":\"string\"}}," \
	"\"allOf\":[{\"anyOf\":[{\"required\":[\"phone\"]},{\"required\":[\"email\"]}]}]," \
	"\"if\":{\"properties\":{\"contactMethod\":{\"const\":\"phone\"}},\"required\":[\"contactMethod\"]}," \
	"\"then\":{\"required\":[\"phone\"]},\"else\":{\"required\":[\"email\"]},\"additionalProperties\":false}"

static const enum sp_component_type tools_changed = SP_COMPONENT_IS_TOOL, prompts_changed = SP_COMPONENT_IS_PROMPT;

static const struct {
	const char *name, *description, *schema;
	sp_handler handler;
	const void *arg;
	enum sp_task_support task;
	unsigned needs;
} tools[] = {
	{ "test_simple_text", "Answers with a text", NULL, simple_text },
	{ "test_image_content", "Answers with an image", NULL, image_content },
	{ "test_audio_content", "Answers with a sound", NULL, audio_content },
	{ "test_embedded_resource", "Answers with a resource", NULL, embedded_resource },
	{ "test_multiple_content_types", "Answers with several things", NULL, multiple_content_types },
	{ "test_error_handling", "Fails", NULL, error_handling },
	{ "test_tool_with_logging", "Says three things on the way", NULL, with_logging },
	{ "test_tool_with_progress", "Tells how far it is", NULL, with_progress },
	{ "test_sampling", "Asks the model", OBJECT("\"prompt\":{\"type\":\"string\"}"), sample },
	{ "test_elicitation", "Asks the user", OBJECT("\"message\":{\"type\":\"string\"}"), elicit, USER },
	{ "test_elicitation_sep1034_defaults", "Asks with defaults", NULL, elicit, DEFAULTS },
	{ "test_elicitation_sep1330_enums", "Asks to choose", NULL, elicit, ENUMS },
	{ "test_reconnection", "Sends its client away for a while", NULL, reconnection },
	{ "json_schema_2020_12_tool", "Has a schema with many words", SCHEMA_2020_12, echo },
	{ "test_missing_capability", "Cannot do without sampling", NULL, sample, NULL, SP_TASK_NEVER, SP_CLIENT_CAN_SAMPLE },
	{ "test_streaming_elicitation", "Tells, then asks", NULL, streaming_elicitation },
	{ "test_logging_tool", "Says something, if it may", NULL, log_once },
	{ "test_trigger_tool_change", "The list of tools changes", NULL, change_list, &tools_changed },
	{ "test_trigger_prompt_change", "The list of prompts changes", NULL, change_list, &prompts_changed },
	{ "test_touch", "The watched resource changes", NULL, touch },
	{ "test_input_required_result_elicitation", "Asks for a name", NULL, greet_user },
	{ "test_input_required_result_sampling", "Asks the model", NULL, sample },
	{ "test_input_required_result_list_roots", "Asks for roots", NULL, roots },
	{ "test_input_required_result_request_state", "Keeps a state", NULL, request_state },
	{ "test_input_required_result_multiple_inputs", "Asks three things at once", NULL, multiple_inputs },
	{ "test_input_required_result_multi_round", "Asks twice", NULL, multi_round },
	{ "test_input_required_result_tampered_state", "Keeps a state", NULL, request_state },
	{ "test_input_required_result_capabilities", "Asks what the client can answer", NULL, by_capabilities },
	{ "greet", "Greets", OBJECT("\"name\":{\"type\":\"string\"}"), greet },
	{ "test_region", "Wants its argument in a header too", OBJECT("\"region\":{\"type\":\"string\",\"x-mcp-header\":\"Region\"}"), echo },
	{ "slow_compute", "Computes for so long", OBJECT("\"seconds\":{\"type\":\"integer\"},\"label\":{\"type\":\"string\"}"), slow_compute,
	    NULL, SP_TASK_IF_CLIENT_CAN },
	{ "failing_job", "Fails after a while", NULL, failing_job, NULL, SP_TASK_ALWAYS },
	{ "protocol_error_job", "Breaks", NULL, protocol_error_job, NULL, SP_TASK_IF_CLIENT_CAN },
	{ "confirm_delete", "Asks before it deletes", OBJECT("\"filename\":{\"type\":\"string\"}"), confirm_delete, NULL,
	    SP_TASK_IF_CLIENT_CAN },
	{ "multi_input", "Asks two things", NULL, multi_input, NULL, SP_TASK_IF_CLIENT_CAN },
	{ "test_tool_with_task", "Asks, then becomes a task", NULL, ask_then_task, NULL, SP_TASK_IF_CLIENT_CAN },
	{ "echo", "Says what it was told", "{\"type\":\"object\"}", echo },
	{ "slow", "Takes its time", OBJECT("\"ms\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":60000}"), slow },
	{ "whoami", "Who calls", NULL, whoami },
};

static void
add_resources(struct sp_server *s, struct sp_auth_check *who)
{
	sp_resource(s, .uri = "test://static-text", .name = "static-text", .description = "A text", .mime_type = "text/plain",
	    .handler = static_text, .arg = "This is the content of the static text resource.", .auth = who);
	sp_resource(s, .uri = "test://static-binary", .name = "static-binary", .description = "An image", .mime_type = "image/png",
	    .handler = static_binary, .auth = who);
	sp_resource(s, .uri = "test://watched-resource", .name = "watched-resource", .description = "It changes",
	    .mime_type = "text/plain", .handler = static_text, .arg = "watched", .auth = who);
	sp_resource(s, .uri_template = "test://template/{id}/data", .name = "template", .description = "Data by id",
	    .mime_type = "application/json", .handler = from_template, .complete = complete, .auth = who);
}

static void
add_prompts(struct sp_server *s, struct sp_auth_check *who)
{
	const struct sp_prompt_argument two[] = { { "arg1", NULL, "The first", true }, { "arg2", NULL, "The second", true }, { 0 } };
	const struct sp_prompt_argument uri[] = { { "resourceUri", NULL, "What to embed", true }, { 0 } };

	sp_prompt(s, .name = "test_simple_prompt", .description = "A prompt", .handler = simple_prompt, .auth = who);
	sp_prompt(s, .name = "test_prompt_with_arguments", .description = "A prompt with arguments", .arguments = two,
	    .handler = prompt_with_arguments, .complete = complete, .auth = who);
	sp_prompt(s, .name = "test_prompt_with_embedded_resource", .description = "A prompt with a resource", .arguments = uri,
	    .handler = prompt_with_resource, .auth = who);
	sp_prompt(s, .name = "test_prompt_with_image", .description = "A prompt with an image", .handler = prompt_with_image,
	    .auth = who);
	sp_prompt(s, .name = "test_input_required_result_prompt", .description = "A prompt that asks", .handler = ask_prompt,
	    .auth = who);
}

int
main(int argc, char **argv)
{
	struct sp_token_entry tokens[] = { { .client_id = "everything", .scopes = SP_LIST("all") }, { 0 } };
	struct { const char *name, *value; } opts[] = { { "--port", "8000" }, { "--token", NULL }, { "--workers", "8" }, { "--url", NULL } };
	const char *token;
	struct sp_auth_check *who;
	struct sp_server *s;
	char listen[32];
	int code;

	for (int i = 1; i + 1 < argc; i += 2)
		for (size_t k = 0; k < sizeof opts / sizeof *opts; k++)
			if (strcmp(argv[i], opts[k].name) == 0)
				opts[k].value = argv[i + 1];
	snprintf(listen, sizeof listen, "127.0.0.1:%s", opts[0].value);
	token = opts[1].value;
	tokens[0].token = token;
	who = token == NULL ? SP_ANYONE : SP_SIGNED_IN;
	s = sp_server_new(.name = "everything", .version = "1.0", .title = "Everything", .instructions = "Call anything.",
	    .auth = token == NULL ? NULL : sp_token_verifier_static(.tokens = tokens),
	    .workers = (unsigned)strtoul(opts[2].value, NULL, 10), .url = opts[3].value);

	for (size_t i = 0; i < sizeof tools / sizeof *tools; i++)
		sp_tool(s, .name = tools[i].name, .description = tools[i].description, .input_schema = tools[i].schema,
		    .handler = tools[i].handler, .arg = (void *)(uintptr_t)tools[i].arg, .task = tools[i].task,
		    .needs = tools[i].needs, .auth = who);
	add_resources(s, who);
	add_prompts(s, who);

	code = sp_server_run(s, listen);
	sp_server_free(s);
	return code;
}

/*
 * Each tool has its own key: read_data needs a scope, admin_action is for callers who bear a tag.
 *
 *	build/examples/per_tool_scopes 127.0.0.1:8000
 */
#include <sallyport/sallyport.h>

static void
read_data(struct sp_context *ctx, void *arg)
{
	(void)arg;
	sp_return_json(ctx, "{\"sensitive\":\"data\"}");
}

static void
admin_action(struct sp_context *ctx, void *arg)
{
	(void)arg;
	sp_return_text(ctx, "admin operation complete");
}

int
main(int argc, char **argv)
{
	const struct sp_token_entry tokens[] = {
		{ .token = "reader-token-1", .client_id = "reader", .scopes = SP_LIST("read:data") },
		{ .token = "admin-token-1", .client_id = "admin", .tags = SP_LIST("admin") },
		{ 0 },
	};
	struct sp_server *server = sp_server_new(.name = "Scopes", .version = "1.0",
		.auth = sp_token_verifier_static(.tokens = tokens));
	int code;

	sp_tool(server, .name = "read_data", .description = "Reads the data", .read_only = SP_HINT_YES,
		.handler = read_data, .auth = sp_require_scopes("read:data"));
	sp_tool(server, .name = "admin_action", .description = "Does what only administrators may",
		.handler = admin_action, .auth = sp_restrict_tag("admin"));

	code = sp_server_run(server, argc > 1 ? argv[1] : NULL);
	sp_server_free(server);
	return code;
}

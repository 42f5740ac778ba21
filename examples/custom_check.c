/*
 * A check of one's own, and nothing else: whoever sends the key may call the tool.
 *
 *	API_KEY=… build/examples/custom_check 127.0.0.1:8000
 */
#include <sallyport/sallyport.h>

#include <stdio.h>
#include <stdlib.h>

static enum sp_auth_verdict
api_key(struct sp_auth_context *auth, void *expected)
{
	const char *token = sp_auth_context_token(auth);

	if (token == NULL)
		return sp_authorization_error(auth, "API key required");
	if (!sp_same_secret(expected, token))
		return sp_authorization_error(auth, "Invalid API key");
	return SP_VERDICT_ALLOW;
}

static void
protected_tool(struct sp_context *ctx, void *arg)
{
	(void)arg;
	sp_return_text(ctx, "authorized");
}

int
main(int argc, char **argv)
{
	char *key = getenv("API_KEY");
	struct sp_server *server;
	int code;

	if (key == NULL) {
		fputs("set API_KEY to the key that callers must send as their bearer token\n", stderr);
		return 2;
	}
	server = sp_server_new(.name = "Custom check", .version = "1.0");
	sp_tool(server, .name = "protected_tool", .description = "For who has the key",
		.handler = protected_tool, .auth = sp_auth_check("api_key", api_key, key));

	code = sp_server_run(server, argc > 1 ? argv[1] : NULL);
	sp_server_free(server);
	return code;
}

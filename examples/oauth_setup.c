/*
 * A server behind an OAuth provider: its clients sign in, it knows the provider as one confidential client.
 *
 *	OAUTH_CLIENT_SECRET=… build/examples/oauth_setup 127.0.0.1:8000
 */
#include <sallyport/sallyport.h>

#include <stdio.h>
#include <stdlib.h>

static void
whoami(struct sp_context *ctx, void *arg)
{
	(void)arg;
	sp_return_textf(ctx, "signed in as %s", sp_principal_subject(sp_context_principal(ctx)));
}

int
main(int argc, char **argv)
{
	const char *secret = getenv("OAUTH_CLIENT_SECRET");
	struct sp_auth_provider *auth;
	struct sp_server *server;
	int code;

	if (secret == NULL) {
		fputs("set OAUTH_CLIENT_SECRET to the secret of the client at the provider\n", stderr);
		return 2;
	}
	auth = sp_oauth_provider(
		.client_id = "your-client-id",
		.client_secret = secret,
		.authorization_url = "https://provider.example.com/oauth/authorize",
		.token_url = "https://provider.example.com/oauth/token");
	server = sp_server_new(.name = "SecureServer", .version = "1.0", .auth = auth);

	sp_tool(server, .name = "whoami", .description = "Who is signed in", .handler = whoami, .auth = SP_SIGNED_IN);

	code = sp_server_run(server, argc > 1 ? argv[1] : NULL);
	sp_server_free(server);
	return code;
}

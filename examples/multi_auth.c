/*
 * Several ways in: people through the OAuth provider, machines with a JWT of their own issuer.
 *
 *	OAUTH_CLIENT_SECRET=… JWT_ISSUER=… JWT_JWKS_URI=… build/examples/multi_auth 127.0.0.1:8000
 */
#include <sallyport/sallyport.h>

#include <stdio.h>
#include <stdlib.h>

static void
whoami(struct sp_context *ctx, void *arg)
{
	const struct sp_principal *who = sp_context_principal(ctx);

	(void)arg;
	sp_return_textf(ctx, "%s by %s", sp_principal_subject(who), sp_principal_source(who));
}

int
main(int argc, char **argv)
{
	const char *secret = getenv("OAUTH_CLIENT_SECRET"), *issuer = getenv("JWT_ISSUER"), *keys = getenv("JWT_JWKS_URI");
	struct sp_auth_provider *people, *machines;
	struct sp_server *server;
	int code;

	if (secret == NULL || issuer == NULL || keys == NULL) {
		fputs("set OAUTH_CLIENT_SECRET, JWT_ISSUER and JWT_JWKS_URI\n", stderr);
		return 2;
	}
	people = sp_oauth_provider(
		.client_id = "your-client-id",
		.client_secret = secret,
		.authorization_url = "https://provider.example.com/oauth/authorize",
		.token_url = "https://provider.example.com/oauth/token");
	machines = sp_token_verifier_jwt(.issuer = issuer, .jwks_uri = keys);
	server = sp_server_new(.name = "MultiAuth", .version = "1.0",
		.auth = sp_multi_auth(.server = people, .verifiers = SP_PROVIDERS(machines)));

	sp_tool(server, .name = "whoami", .description = "Who calls, and how", .handler = whoami, .auth = SP_SIGNED_IN);

	code = sp_server_run(server, argc > 1 ? argv[1] : NULL);
	sp_server_free(server);
	return code;
}

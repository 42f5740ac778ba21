/* A server of the tests, guarded as its arguments say:
 *   guarded LISTEN introspection URL CLIENT SECRET CACHE_S
 *   guarded LISTEN remote ISSUER JWKS_URI
 * $GUARDED_URL: what clients type, where that is not the listener. */
#include <sallyport/sallyport.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
whoami(struct sp_context *ctx, void *arg)
{
	const struct sp_principal *who = sp_context_principal(ctx);

	(void)arg;
	sp_return_textf(ctx, "%s by %s", sp_principal_client_id(who), sp_principal_source(who));
}

static struct sp_auth_provider *
provider(char **argv)
{
	if (strcmp(argv[2], "introspection") == 0)
		return sp_token_verifier_introspection(.introspection_url = argv[3], .client_id = argv[4], .client_secret = argv[5],
		    .user_claim = "client_id", .cache_ttl_s = (unsigned)strtoul(argv[6], NULL, 10));
	return sp_remote_auth_provider(.token_verifier = sp_token_verifier_jwt(.issuer = argv[3], .jwks_uri = argv[4]),
	    .scopes_supported = SP_LIST("use", "more"), .resource_name = "Guarded");
}

int
main(int argc, char **argv)
{
	struct sp_server *server;
	int code;

	if (argc < 5)
		return 2;
	server = sp_server_new(.name = "guarded", .version = "1.0", .auth = provider(argv), .url = getenv("GUARDED_URL"));
	sp_tool(server, .name = "whoami", .description = "Who calls", .handler = whoami, .auth = SP_SIGNED_IN);
	sp_tool(server, .name = "use", .description = "Needs two scopes", .handler = whoami, .auth = sp_require_scopes("use", "more"));
	code = sp_server_run(server, argv[1]);
	sp_server_free(server);
	return code;
}

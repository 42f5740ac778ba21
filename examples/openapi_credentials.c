/*
 * The API of a PowerDNS server as tools.  Its key is added to each request as the last step, for that one host; the client
 * never sees it, nor does any code here.
 *
 *	PDNS_KEY=… build/examples/openapi_credentials pdns.json http://127.0.0.1:8081/api/v1 127.0.0.1:8000
 */
#include <sallyport/sallyport.h>

#include <stdio.h>

int
main(int argc, char **argv)
{
	const struct sp_token_entry tokens[] = {
		{ .token = "reader-token-1", .client_id = "reader", .scopes = SP_LIST("dns:read") },
		{ .token = "writer-token-1", .client_id = "writer", .scopes = SP_LIST("dns:read", "dns:write") },
		{ 0 },
	};
	static const struct sp_secret_for secrets[] = { { "APIKeyHeader", "pdns" }, { 0 } };
	struct sp_server *server;
	int code;

	if (argc < 3) {
		fprintf(stderr, "usage: %s DOCUMENT URL [LISTEN]\n", argv[0]);
		return 2;
	}
	server = sp_server_new(.name = "DNS", .version = "1.0", .auth = sp_token_verifier_static(.tokens = tokens));

	sp_grant(server, .name = "pdns", .secret = "env:PDNS_KEY", .url = argv[2], .as = "header X-API-Key");
	sp_openapi_provider(server, .name = "dns", .document = argv[1], .url = argv[2], .secrets = secrets,
		.read = sp_require_scopes("dns:read"), .write = sp_require_scopes("dns:write"));

	code = sp_server_run(server, argc > 3 ? argv[3] : NULL);
	sp_server_free(server);
	return code;
}

/* The smallest server that is of use: what the size, start and echo figures of the library are taken of. */
#include <sallyport/sallyport.h>

#include <stdio.h>
#include <stdlib.h>

static void
echo(struct sp_context *ctx, void *arg)
{
	sp_return_text(ctx, sp_arg_text(ctx, "text"));
}

int
main(int argc, char **argv)
{
	const char *issuer = getenv("BENCH_ISSUER"), *key = getenv("BENCH_KEY");
	struct sp_server *s;
	int code;

	if (argc != 2 || issuer == NULL || key == NULL) {
		fprintf(stderr, "usage: BENCH_ISSUER=… BENCH_KEY=… %s LISTEN\n", argv[0]);
		return 2;
	}
	s = sp_server_new(.name = "hello", .version = "1.0", .auth = sp_token_verifier_jwt(.issuer = issuer, .public_key = key));
	sp_tool(s, .name = "api_echo", .description = "Says what it was told", .handler = echo, .on_loop = true,
		.input_schema = "{\"type\":\"object\",\"required\":[\"text\"],\"properties\":{\"text\":{\"type\":\"string\"},"
		    "\"zone\":{\"type\":\"string\"}}}",
		.auth = sp_require_scopes("api:use"));
	code = sp_server_run(s, argv[1]);
	sp_server_free(s);
	return code;
}

/*
 * A server that clients launch: MCP over standard input and output.
 *
 *	npx @modelcontextprotocol/inspector --cli build/examples/stdio_server --method tools/list
 */
#include <sallyport/sallyport.h>

static void
add(struct sp_context *ctx, void *arg)
{
	double a, b;

	(void)arg;
	if (!sp_arg_number(ctx, "a", &a) || !sp_arg_number(ctx, "b", &b))
		sp_return_error(ctx, "a and b must be numbers");
	else
		sp_return_textf(ctx, "%g", a + b);
}

int
main(void)
{
	struct sp_server *server = sp_server_new(.name = "Adder", .version = "1.0");
	int code;

	sp_tool(server, .name = "add", .description = "Adds two numbers",
		.input_schema = "{\"type\":\"object\",\"required\":[\"a\",\"b\"],\"additionalProperties\":false,"
		    "\"properties\":{\"a\":{\"type\":\"number\"},\"b\":{\"type\":\"number\"}}}",
		.handler = add, .auth = SP_ANYONE);

	code = sp_server_run_stdio(server);
	sp_server_free(server);
	return code;
}

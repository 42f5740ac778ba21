/* Every form in which providers and checks are written, as strict C11 reads it; compiled, never run. */
#include <sallyport/sallyport.h>

struct sp_auth_provider *providers(void);
struct sp_auth_check *checks(sp_auth_check_fn fn);

struct sp_auth_provider *
providers(void)
{
	return sp_multi_auth(
	    .server = sp_remote_auth_provider(
		.token_verifier = sp_token_verifier_jwt(.issuer = "https://as.example", .jwks_uri = "https://as.example/keys",
		    .required_scopes = SP_LIST("read", "write")),
		.authorization_servers = SP_LIST("https://as.example")),
	    .verifiers = SP_PROVIDERS(
		sp_token_verifier_static(.tokens = (const struct sp_token_entry[]){
		    { .token = "a-token-that-is-long", .client_id = "ci", .scopes = SP_LIST("read") }, { 0 } }),
		sp_token_verifier_introspection(.introspection_url = "https://as.example/i", .client_id = "rs", .client_secret = "s"),
		sp_token_verifier_custom(.name = "own"),
		sp_oauth_provider(.client_id = "c")),
	    .required_scopes = SP_NONE);
}

struct sp_auth_check *
checks(sp_auth_check_fn fn)
{
	return sp_all_of(SP_SIGNED_IN, sp_require_scopes("a", "b"),
	    sp_any_of(sp_restrict_tag("admin"), sp_require_roles("ops"), sp_restrict_tag_scopes("x", "y")),
	    sp_not(sp_auth_check("own", fn, NULL)), SP_ANYONE);
}

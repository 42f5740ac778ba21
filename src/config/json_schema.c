/* The form of the file as a JSON Schema: which keys there are comes from keys.def, what each is from the table here. */
#include "config/value.h"

#include "wire/json.h"

/* YAML makes numbers and booleans of plain words, and the key decides that they are text (config.md section 1.2). */
#define TEXT "{\"type\":[\"string\",\"number\",\"boolean\"],\"minLength\":1}"
#define MANY(one) "{\"anyOf\":[" one ",{\"type\":\"array\",\"minItems\":1,\"items\":" one "}]}"
#define TEXTS MANY(TEXT)
#define NUMBER "{\"anyOf\":[{\"type\":\"integer\",\"minimum\":1},{\"type\":\"string\",\"pattern\":\"^[0-9]+$\"}]}"
#define LIKE(pattern) "{\"type\":\"string\",\"pattern\":\"" pattern "\"}"
#define SIZE LIKE("^[0-9]+(B|kB|MB)$")
#define TIME LIKE("^[0-9]+[smhd]$")
#define RATE LIKE("^[0-9]+/(s|min|h)$")
#define REF LIKE("^(vault|file|env|command):.+$")
#define WORDS(list) "{\"enum\":[" list "]}"
#define FORM(name) "{\"$ref\":\"#/$defs/" name "\"}"
#define FORMS(name) MANY(FORM(name))
#define MAP(of) "{\"type\":\"object\",\"minProperties\":1,\"additionalProperties\":" of "}"
#define CONDITIONS MAP(TEXTS)

/* `schema` NULL: the types of sources. */
static const struct form { enum key_place place; const char *key, *schema, *text; } forms[] = {
	{ IN_TOP, "listen", TEXTS, "Where clients connect: HOST:PORT or unix:PATH. Default: 127.0.0.1:8420" },
	{ IN_TOP, "url", TEXT, "What clients type: endpoint, resource identifier and expected audience" },
	{ IN_TOP, "scopes", MAP(FORM("scope")), "Vocabulary of scopes. If it is written, every scope of the file must be in it" },
	{ IN_TOP, "auth", FORMS("source"), "Who comes in: sources of callers, in order" },
	{ IN_TOP, "servers", MAP(FORM("server")), "What stands behind: NAME to server" },
	{ IN_TOP, "checks", MAP(LIKE("^(https?://.+|.+[.]so)$")), "Checks of one's own: NAME to a decision point (https://…) or a plug-in (PATH.so)" },
	{ IN_TOP, "rules", FORMS("rule"), "Who may call what. Without a rule nobody can call anything" },
	{ IN_TOP, "limits", FORM("limits"), "Sizes, times and rates" },
	{ IN_TOP, "state", TEXT, "Folder of vault, store and audit log" },
	{ IN_TOP, "unlock", TEXT, "What opens the vault: passphrase, file:PATH, env:NAME or credential:NAME" },
	{ IN_TOP, "isolation", WORDS("\"full\",\"landlock\",\"available\""), "Which layers of the jail must be there. Default: full" },
	{ IN_SCOPE, "says", TEXT, "What it means, in words" },
	{ IN_SCOPE, "implies", TEXTS, "Scopes that it includes" },
	{ IN_SOURCE, "type", NULL, "What kind of source it is" },
	{ IN_SOURCE, "name", TEXT, "How rules and the audit log call it. Default: its type" },
	{ IN_SOURCE, "issuer", TEXT, "The `iss` of its tokens, and where its metadata is" },
	{ IN_SOURCE, "audience", TEXTS, "What `aud` must have one of; url is the resource that is asked. Default: url" },
	{ IN_SOURCE, "keys", TEXT, "URL of a JWKS, path of a JWKS or PEM file, or the reference of an HS secret. Default: the issuer's metadata says" },
	{ IN_SOURCE, "introspection_url", TEXT, "Who judges its tokens (RFC 7662)" },
	{ IN_SOURCE, "client_id", TEXT, "What we are to it" },
	{ IN_SOURCE, "client_secret", REF, "The reference of the client's secret, or of its private key (PEM)" },
	{ IN_SOURCE, "header", TEXT, "static: the header that carries the token. Default: Authorization: Bearer" },
	{ IN_SOURCE, "claims", FORM("claims"), "Which claims are user, tags and scopes" },
	{ IN_SOURCE, "users", TEXTS, "Patterns of users; others are refused" },
	{ IN_SOURCE, "require_scopes", TEXTS, "Scopes that each of its callers must have" },
	{ IN_SOURCE, "restrict_tag", TEXTS, "Tags that each of its callers must have" },
	{ IN_SOURCE, "give_scopes", TEXTS, "Scopes for every caller" },
	{ IN_SOURCE, "give_by_tag", MAP(TEXTS), "Scopes for callers with a tag: TAG to scopes" },
	{ IN_CLAIMS, "user", TEXT, "Dotted path. Default: sub" },
	{ IN_CLAIMS, "tags", TEXT, "Dotted path. Default: tags" },
	{ IN_CLAIMS, "scopes", TEXT, "Dotted path. Default: scope" },
	{ IN_SERVER, "openapi", TEXT, "Path of its OpenAPI document" },
	{ IN_SERVER, "mcp", TEXT, "URL of an MCP server (Streamable HTTP)" },
	{ IN_SERVER, "url", TEXT, "Base of the API. Default: the document's first server" },
	{ IN_SERVER, "path", TEXT, "Serve it alone at this path of url's origin: a resource of its own, its names without prefix" },
	{ IN_SERVER, "secrets", MAP("{\"anyOf\":[" REF "," FORM("secret") "]}"), "NAME to a reference, or to where it goes. "
	    "With `openapi` NAME is the security scheme of the document" },
	{ IN_SECRET, "secret", REF, "The reference: vault:NAME, file:PATH, env:NAME or command:ARGV" },
	{ IN_SECRET, "as", TEXT, "bearer, basic, header NAME, query NAME or cookie NAME, each with an optional template" },
	{ IN_SECRET, "host", TEXT, "HOST[:PORT][/PATH-PREFIX] that it may go to. Default: the server's own" },
	{ IN_SECRET, "methods", TEXTS, "HTTP methods that it may go with" },
	{ IN_RULE, "allow", TEXTS, "Opens: all, SERVER, SERVER.NAME, SERVER.access:read, SERVER.tag:TAG, SERVER.resource:URI, SERVER.prompt:NAME" },
	{ IN_RULE, "guard", TEXTS, "Opens nothing, only demands" },
	{ IN_RULE, "deny", TEXTS, "Closes, whatever other rules say" },
	{ IN_RULE, "for", TEXTS, "It speaks of these callers: SOURCE, SOURCE/USER or anyone" },
	{ IN_RULE, "when", CONDITIONS, "It speaks of calls with these arguments" },
	{ IN_RULE, "unless", CONDITIONS, "It is silent for calls with these arguments" },
	{ IN_RULE, "require_scopes", TEXTS, "All of them" },
	{ IN_RULE, "restrict_tag", TEXTS, "All of them; tags of the caller" },
	{ IN_RULE, "check", TEXTS, "All of them allow: names under `checks`" },
	{ IN_RULE, "any", FORMS("group"), "At least one group is met" },
	{ IN_RULE, "not", FORM("not"), "The group is not met" },
	{ IN_RULE, "missing_scopes", WORDS("\"challenge\",\"list\",\"hide\""), "What who lacks only scopes is told. Default: challenge" },
	{ IN_GROUP, "require_scopes", TEXTS, "All of them" },
	{ IN_GROUP, "restrict_tag", TEXTS, "All of them; tags of the caller" },
	{ IN_NOT, "restrict_tag", TEXTS, "All of them; tags of the caller" },
	{ IN_LIMITS, "head", SIZE, "Head of a request. Default: 16kB" },
	{ IN_LIMITS, "body", SIZE, "Body of a request. Default: 1MB" },
	{ IN_LIMITS, "answer", SIZE, "Answer of an upstream. Default: 8MB" },
	{ IN_LIMITS, "depth", NUMBER, "Nesting of JSON. Default: 64" },
	{ IN_LIMITS, "connections", NUMBER, "At once. Default: 1024" },
	{ IN_LIMITS, "in_flight", NUMBER, "Calls of one caller at once. Default: 16" },
	{ IN_LIMITS, "calls", RATE, "Of one caller. Default: 300/min" },
	{ IN_LIMITS, "head_time", TIME, "For a request's head. Default: 10s" },
	{ IN_LIMITS, "body_time", TIME, "For a request's body. Default: 30s" },
	{ IN_LIMITS, "idle_time", TIME, "Of a silent connection. Default: 60s" },
	{ IN_LIMITS, "call_time", TIME, "For a call. Default: 60s" },
};

/* What must be there: one of these keys, or all of them. */
static const struct place { enum key_place place; const char *name, *more; } places[] = {
	{ IN_SCOPE, "scope", "" },
	{ IN_SOURCE, "source", ",\"required\":[\"type\"]" },
	{ IN_CLAIMS, "claims", "" },
	{ IN_SERVER, "server", ",\"oneOf\":[{\"required\":[\"openapi\"]},{\"required\":[\"mcp\"]}]" },
	{ IN_SECRET, "secret", ",\"required\":[\"secret\"]" },
	{ IN_RULE, "rule", ",\"oneOf\":[{\"required\":[\"allow\"]},{\"required\":[\"guard\"]},{\"required\":[\"deny\"]}]" },
	{ IN_GROUP, "group", "" },
	{ IN_NOT, "not", "" },
	{ IN_LIMITS, "limits", "" },
};

static const struct form *
form_of(enum key_place place, sp_slice key)
{
	for (size_t i = 0; i < SP_COUNT(forms); i++)
		if (forms[i].place == place && sp_eq(sp_str(forms[i].key), key))
			return &forms[i];
	return NULL;
}

static void
write_types(struct sp_out *o)
{
	sp_slice types[16];
	size_t n = sp_cfg_source_types(types, SP_COUNT(types));

	sp_out_str(o, "{\"enum\":[");
	for (size_t i = 0; i < n; i++) {
		sp_out_str(o, i == 0 ? "" : ",");
		sp_jout_str(o, types[i]);
	}
	sp_out_str(o, "]}");
}

static void
write_key(struct sp_out *o, enum key_place place, sp_slice key)
{
	const struct form *f = form_of(place, key);

	sp_jout_str(o, key);
	sp_out_str(o, ":{\"description\":");
	sp_jout_str(o, sp_str(f == NULL ? "" : f->text));
	sp_out_str(o, ",\"allOf\":[");
	if (f == NULL)
		sp_out_str(o, "{}");
	else if (f->schema == NULL)
		write_types(o);
	else
		sp_out_str(o, f->schema);
	sp_out_str(o, "]}");
}

static void
write_object(struct sp_out *o, enum key_place place, const char *more)
{
	sp_slice keys[64];
	size_t n = sp_cfg_known_keys(place, keys, SP_COUNT(keys));

	sp_out_str(o, "\"type\":\"object\",\"minProperties\":1,\"additionalProperties\":false");
	sp_out_str(o, more);
	sp_out_str(o, ",\"properties\":{");
	for (size_t i = 0; i < n; i++) {
		sp_out_str(o, i == 0 ? "\n" : ",\n");
		write_key(o, place, keys[i]);
	}
	sp_out_str(o, "}");
}

void
sp_config_json_schema(struct sp_out *o)
{
	sp_out_str(o, "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"title\":\"sallyport.yaml\",");
	write_object(o, IN_TOP, ",\"required\":[\"auth\",\"servers\"]");
	sp_out_str(o, ",\n\"$defs\":{");
	for (size_t i = 0; i < SP_COUNT(places); i++) {
		sp_out_str(o, i == 0 ? "\n" : ",\n");
		sp_jout_str(o, sp_str(places[i].name));
		sp_out_str(o, ":{");
		write_object(o, places[i].place, places[i].more);
		sp_out_str(o, "}");
	}
	sp_out_str(o, "}}\n");
}

/* Every refusal and warning of config.md sections 1, 2, 3 and 5, each with its text and place. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "config/testkit.h"

#define AUTH "auth: {type: static}\n"
#define JWT(more) "auth: {type: jwt, issuer: https://i.example.com, keys: jwks.json" more "}\n"
#define DNS "servers: {dns: {openapi: dns.json, url: https://dns.internal/api, secrets: {key: vault:pdns}}}\n"
#define RULES "rules: [{allow: dns, require_scopes: dns}]\n"
#define FINE AUTH DNS RULES
#define KEYS(keys) "auth: {type: jwt, issuer: https://i.example.com, keys: " keys "}\n" DNS RULES
#define INTRO(more) "auth: {type: introspection, introspection_url: https://i.example.com/i, client_id: c, client_secret: vault:c" more "}\n"
#define PEER(more) "listen: unix:s\nauth: {type: peer" more "}\n" DNS RULES
#define COMMAND(argv) AUTH "servers: {dns: {openapi: dns.json, url: https://d.internal, secrets: {key: \"command:" argv "\"}}}\n" RULES
#define WIKI(url) AUTH "servers: {wiki: {mcp: " url "}}\n"
#define WIKIS "servers: {wiki: {mcp: https://wiki.internal/mcp}, dns: {openapi: dns.json, url: https://d.internal}}\n"
#define SECRET(url, secret) AUTH "servers: {wiki: {mcp: " url ", secrets: {t: " secret "}}}\n" \
	"rules: [{allow: wiki, require_scopes: x}]\n"
#define AT(path) AUTH "servers: {wiki: {mcp: https://wiki.internal/mcp, path: " path "}}\nrules: [{allow: wiki, require_scopes: x}]\n"
#define MCP(rules) AUTH "servers: {wiki: {mcp: https://wiki.internal/mcp}}\nrules: [" rules "]\n"

#define SECURED "\"components\":{\"securitySchemes\":{" \
	"\"key\":{\"type\":\"apiKey\",\"in\":\"header\",\"name\":\"X-API-Key\"}," \
	"\"spare\":{\"type\":\"http\",\"scheme\":\"basic\"},\"mtls\":{\"type\":\"mutualTLS\"}}}"
#define ZONE "\"parameters\":[{\"name\":\"zone\",\"in\":\"query\",\"schema\":{\"type\":\"string\"}}],"

static const char dns[] = "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"t\",\"version\":\"1\"},"
    "\"servers\":[{\"url\":\"https://dns.example.com/v1\"}],\"security\":[{\"key\":[]}],"
    "\"paths\":{" KIT_OP("get", "listZones", ZONE "\"tags\":[\"zones\"],") ","
    KIT_OP("post", "createZone", "") "," KIT_OP("delete", "deleteZone", ZONE) ","
    KIT_OP("get", "free", "\"security\":[],") "}," SECURED "}";
static const char two[] = "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"t\",\"version\":\"1\"},"
    "\"paths\":{" KIT_OP("get", "both", "\"security\":[{\"key\":[],\"spare\":[]}],") "}," SECURED "}";

static const char loopback[] = "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"t\",\"version\":\"1\"},"
    "\"servers\":[{\"url\":\"http://127.0.0.1:9000\"}],\"paths\":{" KIT_OP("get", "x", "") "}}";
static const char serverless[] = "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"t\",\"version\":\"1\"},"
    "\"paths\":{" KIT_OP("get", "x", "") "}}";

static struct kit_file files[] = {
	{ "c/sallyport.yaml", NULL },
	{ "c/dns.json", dns },
	{ "c/two.json", two },
	{ "c/loopback.json", loopback },
	{ "c/serverless.json", serverless },
	{ "c/bad.json", "{\"openapi\":\"9\"}" },
	{ "c/doc.yaml", "openapi: 3.1.0\n" },
	{ "c/jwks.json", "{\"keys\":[" KIT_JWK "]}" },
	{ "c/oct.json", "{\"keys\":[" KIT_JWK ",{\"kty\":\"oct\",\"k\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}]}" },
	{ "c/private.json", "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\","
	    "\"d\":\"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A\"}]}" },
	{ "c/private.pem", "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
	    "-----END PRIVATE KEY-----\n" },
	{ "/etc/passwd", "root:x:0:0::/root:/bin/sh\nann:x:1000:1000:Ann:/home/ann:/bin/sh\nalso:x:1000:7::/:/\nbad\n:x:3:3::/:/\n"
	    "bob:x:1001:1001::/home/bob:/bin/sh\n*:x:1002:1002::/:/\n" },
	{ "/etc/group", "ann:x:1000:\nops:x:50:ann,bob\nbad\n" },
	{ "/usr/bin/pass", "" },
	{ "/opt/get", "" },
	{ "c/half.json", "{\"keys\":[" KIT_JWK ",{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}]}" },
	{ NULL, NULL },
};

/* `finding`: "LINE:COL: level: text" as it is printed after the file's name, or a beginning of it; "": no finding at all. */
static const struct row { const char *name, *yaml, *finding; } rows[] = {
	{ "fine", FINE, "" },
	/* section 1: the language */
	{ "empty file", "", "error: the file is empty" },
	{ "only a comment", "# nothing\n", "error: the file is empty" },
	{ "byte order mark", "\xef\xbb\xbf" FINE, "1:1: error: begins with a byte order mark" },
	{ "not UTF-8", FINE "# \xff\n", "error: not UTF-8" },
	{ "not YAML", "auth: {type: static\n", "2:1: error: not YAML: did not find expected ',' or '}'" },
	{ "a tab", "auth:\n\ttype: static\n", "2:1: error: not YAML" },
	{ "anchor", AUTH DNS "rules: &r [{allow: dns, require_scopes: dns}]\n", "3:8: error: anchors (`&`) are not part" },
	{ "alias", "auth: *a\n" DNS RULES, "1:7: error: aliases (`*`) are not part" },
	{ "tag", "auth: !!map {type: static}\n" DNS RULES, "1:7: error: tags (`!`) are not part" },
	{ "tag of a scalar", AUTH DNS "rules: [{allow: !x dns, require_scopes: dns}]\n", "3:17: error: tags (`!`) are not part" },
	{ "merge key", AUTH DNS RULES "limits: {<<: {depth: 5}}\n", "4:10: error: merge keys" },
	{ "second document", FINE "---\n" FINE, "4:1: error: a second document" },
	{ "directive", "%YAML 1.1\n---\n" FINE, "1:1: error: directives (`%`) are not part" },
	{ "repeated key", AUTH DNS RULES "state: a\nstate: b\n", "5:1: error: `state` is written twice, first at line 4" },
	{ "repeated key in flow", "auth: {type: static, type: jwt}\n" DNS RULES, "1:22: error: `type` is written twice" },
	{ "repeated escaped key", AUTH DNS RULES "state: a\n\"st\\x61te\": b\n", "5:1: error: `state` is written twice" },
	{ "key that is a list", "[a]: b\n", "1:1: error: a key must be plain text" },
	{ "a list as file", "- a\n", "1:1: error: the file must be a mapping" },
	{ "nested too deeply", "auth: [[[[[[[[[[[[[[[[[[x]]]]]]]]]]]]]]]]]]\n", "1:22: error: nested too deeply" },
	{ "null", "auth: null\n" DNS RULES, "1:7: error: a source must be a mapping" },
	{ "empty text", AUTH DNS RULES "state: \"\"\n", "4:8: error: `state` is empty" },
	{ "tilde", AUTH DNS RULES "state: ~\n", "4:8: error: `state` is empty" },
	{ "nothing after the colon", AUTH DNS RULES "state:\n", "4:7: error: `state` is empty" },
	{ "empty list", AUTH DNS "rules: []\n", "3:8: error: `rules` is an empty list" },
	{ "empty list of scopes", AUTH DNS "rules: [{allow: dns, require_scopes: []}]\n", "3:38: error: `require_scopes` is an empty list" },
	{ "the key decides the type: no is text", "auth: {type: static, name: no}\n" DNS RULES, "" },
	{ "the key decides the type: 5 is text", AUTH DNS RULES "state: 5\n", "" },
	{ "line break in text", AUTH DNS RULES "state: \"a\\nb\"\n", "4:8: error: `state` holds a control character" },
	{ "list in a list", AUTH DNS "rules: [{allow: dns, require_scopes: [[dns]]}]\n", "3:39: error: `require_scopes` must be text" },
	{ "twice in a list", AUTH DNS "rules: [{allow: [dns, dns], require_scopes: dns}]\n", "3:23: error: `dns` is in this list twice" },
	/* keys */
	{ "Q08 unknown key", AUTH DNS "rules: [{allow: dns, require_scope: dns}]\n",
	    "3:22: error: unknown key `require_scope`. Did you mean `require_scopes`?" },
	{ "Q08 the other spelling", AUTH DNS "rules: [{allow: dns, required_scopes: dns}]\n",
	    "3:22: error: unknown key `required_scopes`. Did you mean `require_scopes`?" },
	{ "unknown key, nothing near", AUTH DNS RULES "elephant: 1\n", "4:1: error: unknown key `elephant`\n" },
	{ "key of a later step", AUTH DNS RULES "tls: {cert: a}\n", "4:1: error: unknown key `tls` (not available in this version)" },
	{ "ask is of a later step", AUTH DNS "rules: [{ask: dns}]\n", "3:10: error: unknown key `ask` (not available in this version)" },
	{ "type of a later step", "auth: {type: oauth}\n" DNS RULES, "1:14: error: `type: oauth` is not available in this version" },
	{ "unknown type", "auth: {type: jwtt}\n" DNS RULES, "1:14: error: unknown type `jwtt`. Did you mean `jwt`?" },
	{ "auth is required", DNS RULES, "error: `auth` is required" },
	{ "servers are required", AUTH, "error: `servers` is required" },
	{ "no rules: a server nobody reaches", AUTH DNS, "2:11: warning: nobody reaches the server `dns`" },
	/* values */
	{ "size", FINE "limits: {body: 1GB}\n", "4:16: error: `body` must be a size: 64kB, 1MB" },
	{ "size without unit", FINE "limits: {body: 1000}\n", "4:16: error: `body` must be a size" },
	{ "size too large", FINE "limits: {head: 1MB}\n", "4:16: error: `head` must lie between 1024 bytes and 65536 bytes" },
	{ "time", FINE "limits: {idle_time: 60}\n", "4:21: error: `idle_time` must be a time" },
	{ "time of zero", FINE "limits: {idle_time: 0s}\n", "4:21: error: `idle_time` must lie between 1s and 3600s" },
	{ "time that overflows", FINE "limits: {idle_time: 99999999999999999999d}\n", "4:21: error: `idle_time` must be a time" },
	{ "rate", FINE "limits: {calls: 60}\n", "4:17: error: `calls` must be a rate" },
	{ "rate of zero", FINE "limits: {calls: 0/min}\n", "4:17: error: `calls` must be a rate" },
	{ "number", FINE "limits: {depth: 0x10}\n", "4:17: error: `depth` must be a whole decimal number" },
	{ "negative number", FINE "limits: {depth: -1}\n", "4:17: error: `depth` must be a whole decimal number" },
	{ "all limits", FINE "limits: {head: 8kB, body: 2MB, answer: 64kB, depth: 9, connections: 5, in_flight: 2, calls: 5/s, "
	    "head_time: 5s, body_time: 1m, idle_time: 1h, call_time: 30s}\n", "" },
	{ "isolation", FINE "isolation: ful\n", "4:12: error: `isolation`: unknown word `ful`. Did you mean `full`?" },
	{ "unlock", FINE "unlock: hunter2\n", "4:9: error: `unlock` must be one of passphrase, file:PATH, env:NAME, credential:NAME\n" },
	{ "unlock by credential", FINE "unlock: credential:vault\n", "" },
	{ "state with a tilde", FINE "state: ~/x\n", "4:8: error: `state`: `~` is not expanded" },
	/* listen and url */
	{ "F03 public address without url", FINE "listen: 0.0.0.0:8420\n", "4:9: error: `url` is required with a public address" },
	{ "public address in a list", FINE "listen: [127.0.0.1:1, \"[::]:2\"]\n", "4:23: error: `url` is required with a public" },
	{ "public address with url", FINE "listen: 0.0.0.0:8420\nurl: https://tools.example.com/mcp\n", "" },
	{ "loopback v6", FINE "listen: \"[::1]:8420\"\n", "" },
	{ "unix socket", FINE "listen: unix:x.sock\n", "" },
	{ "no port", FINE "listen: 127.0.0.1\n", "4:9: error: `listen` needs a port" },
	{ "a name", FINE "listen: example.com:80\n", "4:9: error: `listen` must be an address, not a name" },
	{ "a star", FINE "listen: \"*:80\"\n", "4:9: error: `listen` must be HOST:PORT" },
	{ "octal address", FINE "listen: 0177.0.0.1:80\n", "4:9: error: `listen` must be HOST:PORT" },
	{ "listen twice", FINE "listen: [\"127.0.0.1:1\", \"127.0.0.1:1\"]\n", "4:25: error: `127.0.0.1:1` is in this list twice" },
	{ "url over http", FINE "url: http://tools.example.com/mcp\n", "4:6: warning: `url` is http: tokens cross the network in clear" },
	{ "url without scheme", FINE "url: tools.example.com\n", "4:6: error: `url` must be an absolute http or https URL" },
	{ "url with user", FINE "url: https://me:pw@tools.example.com/mcp\n", "4:6: error: `url`: a URL must not carry user:password@" },
	{ "url with query", FINE "url: https://tools.example.com/mcp?x=1\n", "4:6: error: `url`: a query or fragment" },
	{ "url with dots", FINE "url: https://tools.example.com/a/../mcp\n", "4:6: error: `url`: the path must be plain" },
	{ "url in well-known", FINE "url: https://tools.example.com/.well-known/x\n", "4:6: error: `url`: the path must be plain" },
	/* sources */
	{ "source without type", "auth: {name: x}\n" DNS RULES, "1:7: error: a source needs a `type`" },
	{ "bad name", "auth: {type: static, name: Cron}\n" DNS RULES, "1:28: error: `name` must be" },
	{ "taken name", "auth: {type: static, name: anyone}\n" DNS RULES, "1:28: error: `name` must be" },
	{ "two names alike", "auth: [{type: static}, {type: jwt, name: static, issuer: https://i.example.com, keys: jwks.json}]\n" DNS RULES,
	    "1:42: error: the source name `static` is taken by line 1" },
	{ "B22 two sources for one token", "auth: [{type: static}, {type: static, name: b}]\n" DNS RULES,
	    "1:24: error: two sources for one token" },
	{ "key of another type", "auth: {type: static, issuer: https://i.example.com}\n" DNS RULES,
	    "1:22: error: `issuer` is no key of a source of type `static`" },
	{ "B22 tokens in the file", "auth: {type: static, tokens: [abc]}\n" DNS RULES, "1:22: error: unknown key `tokens`" },
	{ "jwt", JWT("") DNS RULES, "" },
	{ "jwt without issuer", "auth: {type: jwt, keys: jwks.json}\n" DNS RULES, "1:7: error: a source of type `jwt` needs an `issuer`" },
	{ "issuer over http", "auth: {type: jwt, issuer: http://i.example.com, keys: jwks.json}\n" DNS RULES,
	    "1:27: error: `issuer` must be https" },
	{ "issuer on loopback", "auth: {type: jwt, issuer: http://127.0.0.1:9000/realm, keys: jwks.json}\n" DNS RULES, "" },
	{ "issuer with user", "auth: {type: jwt, issuer: https://a:b@i.example.com, keys: jwks.json}\n" DNS RULES,
	    "1:27: error: `issuer`: a URL must not carry user:password@" },
	{ "keys from a URL", "auth: {type: jwt, issuer: https://i.example.com, keys: https://i.example.com/jwks}\n" DNS RULES, "" },
	{ "keys from a URL with a query", KEYS("'https://i.example.com/jwks?tenant=1'"), "" },
	{ "keys over http", KEYS("http://i.example.com/jwks"), "1:56: error: `keys` must be https (http only on loopback)\n" },
	{ "keys over http on loopback", KEYS("'http://[::1]:9000/jwks'"), "" },
	{ "keys with a user", KEYS("https://u:hunter2@i.example.com/jwks"), "1:56: error: `keys`: a URL must not carry user:password@" },
	{ "keys with a fragment", KEYS("'https://i.example.com/jwks#x'"), "1:56: error: `keys`: a fragment" },
	{ "keys with dots", KEYS("https://i.example.com/a/../jwks"), "1:56: error: `keys`: the path must be plain" },
	{ "keys of no host", KEYS("'https://'"), "1:56: error: `keys` must be an absolute http or https URL" },
	{ "keys from the vault", KEYS("vault:hs"), "" },
	{ "keys from the environment", KEYS("env:HS"), "" },
	{ "keys from a file of a secret", KEYS("file:hs.key"), "" },
	{ "keys of a caller", KEYS("user:hs"), "1:56: error: `keys`: `user:` references are not available" },
	{ "keys from a bad reference", KEYS("vault:S3CR3T"), "1:56: error: `keys` must be a reference" },
	{ "keys missing: the issuer says", "auth: {type: jwt, issuer: https://i.example.com}\n" DNS RULES, "" },
	{ "keys missing: the issuer on loopback", "auth: {type: jwt, issuer: http://localhost:9000/x}\n" DNS RULES, "" },
	{ "keys missing: no plain path", "auth: {type: jwt, issuer: https://i.example.com/a%20b}\n" DNS RULES,
	    "1:27: error: `issuer`: the path must be plain" },
	{ "remote", "auth: {type: remote, issuer: https://i.example.com, claims: {tags: realm_access.roles}}\n" DNS RULES, "" },
	{ "remote without issuer", "auth: {type: remote}\n" DNS RULES, "1:7: error: a source of type `remote` needs an `issuer`" },
	{ "one issuer twice, in order", "auth: [{type: jwt, name: a, issuer: https://i.example.com, audience: x}, "
	    "{type: remote, issuer: https://i.example.com}]\n" DNS RULES, "" },
	{ "remote takes no header", "auth: {type: remote, issuer: https://i.example.com, header: X-Key}\n" DNS RULES,
	    "1:53: error: `header` is no key of a source of type `remote`" },
	{ "remote with a key of a later step", "auth: {type: remote, token_url: https://i.example.com}\n" DNS RULES,
	    "1:22: error: unknown key `token_url` (not available" },
	/* introspection */
	{ "introspection", INTRO("") DNS RULES, "" },
	{ "introspection with an issuer", INTRO(", issuer: https://i.example.com, audience: [x, url]") DNS RULES, "" },
	{ "introspection on loopback", "auth: {type: introspection, introspection_url: http://127.0.0.1:9/i?x=1, client_id: c, "
	    "client_secret: file:c}\n" DNS RULES, "" },
	{ "introspection without anything", "auth: {type: introspection}\n" DNS RULES,
	    "1:7: error: a source of type `introspection` needs an `introspection_url`" },
	{ "introspection without a client", "auth: {type: introspection, introspection_url: https://i.example.com/i}\n" DNS RULES,
	    "1:7: error: `introspection_url` needs a `client_id`" },
	{ "introspection without a secret", "auth: {type: introspection, introspection_url: https://i.example.com/i, client_id: c}\n"
	    DNS RULES, "1:7: error: `introspection_url` needs a `client_secret`" },
	{ "introspection with a literal secret", "auth: {type: introspection, introspection_url: https://i.example.com/i, client_id: c, "
	    "client_secret: hunter2}\n" DNS RULES, "1:102: error: `client_secret` must be a reference" },
	{ "introspection in clear text", "auth: {type: introspection, introspection_url: http://i.example.com/i, client_id: c, "
	    "client_secret: vault:c}\n" DNS RULES, "1:48: error: `introspection_url` must be https (http only on loopback)" },
	{ "introspection with a user", "auth: {type: introspection, introspection_url: https://a:b@i.example.com/i, client_id: c, "
	    "client_secret: vault:c}\n" DNS RULES, "1:48: error: `introspection_url`" },
	{ "introspection with keys", INTRO(", keys: jwks.json") DNS RULES,
	    "1:111: error: `keys` beside `introspection_url`: the token is judged by one of them" },
	{ "introspection takes no header", INTRO(", header: X-Key") DNS RULES,
	    "1:111: error: `header` is no key of a source of type `introspection`" },
	{ "parity 23: no method to choose wrongly", INTRO(", client_auth_method: x") DNS RULES,
	    "1:111: error: unknown key `client_auth_method`" },
	{ "remote by introspection", "auth: {type: remote, issuer: https://i.example.com, introspection_url: https://i.example.com/i, "
	    "client_id: c, client_secret: vault:c}\n" DNS RULES, "" },
	{ "remote with a client and no endpoint", "auth: {type: remote, issuer: https://i.example.com, client_id: c}\n" DNS RULES,
	    "1:53: error: `client_id` needs an `introspection_url` beside it" },
	{ "jwt with an endpoint", "auth: {type: jwt, issuer: https://i.example.com, introspection_url: https://i.example.com/i}\n" DNS
	    RULES, "1:50: error: `introspection_url` is no key of a source of type `jwt`" },
	{ "two sources for one opaque token", "auth: [{type: introspection, introspection_url: https://i.example.com/i, client_id: c, "
	    "client_secret: vault:c}, {type: remote, issuer: https://j.example.com, introspection_url: https://j.example.com/i, "
	    "client_id: c, client_secret: vault:c}]\n" DNS RULES, "1:178: error: two sources for one token: line 1 has an `introspection_url` already" },
	/* static with a header */
	{ "a header of its own", "auth: {type: static, header: X-API-Key}\n" DNS RULES, "" },
	{ "two headers and Authorization", "auth: [{type: static}, {type: static, name: b, header: X-Key}, "
	    "{type: static, name: c, header: X-Other}]\n" DNS RULES, "" },
	{ "B22 one header twice", "auth: [{type: static, header: X-Key}, {type: static, name: b, header: x-KEY}]\n" DNS RULES,
	    "1:71: error: two sources for one token: line 1 takes it from this `header` already" },
	{ "header Authorization", "auth: {type: static, header: authorization}\n" DNS RULES,
	    "1:30: error: `header`: authorization means something else; take a name of its own, as X-API-Key (without" },
	{ "header Cookie", "auth: {type: static, header: Cookie}\n" DNS RULES, "1:30: error: `header`: Cookie means something else" },
	{ "header of MCP", "auth: {type: static, header: Mcp-Session-Id}\n" DNS RULES, "1:30: error: `header`: Mcp-Session-Id means" },
	{ "header of a proxy", "auth: {type: static, header: X-Forwarded-User}\n" DNS RULES, "1:30: error: `header`: X-Forwarded-User" },
	{ "no header's name", "auth: {type: static, header: 'X Key'}\n" DNS RULES, "1:30: error: `header` must be the name of one header" },
	{ "header elsewhere", "auth: {type: anonymous, header: X-Key}\n" DNS "rules: [{allow: dns.free, for: anyone}]\n",
	    "1:25: error: `header` is no key of a source of type `anonymous`" },
	/* peer */
	{ "peer", PEER(""), "" },
	{ "peer without a Unix socket", "auth: {type: peer}\n" DNS RULES, "1:7: error: `type: peer` needs a `listen: unix:PATH`" },
	{ "peer with users", PEER(", users: [ann, 'b*']"), "" },
	{ "peer with users that are not there", PEER(", users: [ann, carl]"), "2:33: warning: `users`: /etc/passwd has no account `carl`\n" },
	{ "peer with claims", PEER(", claims: {user: x}"), "2:20: error: `claims` is no key of a source of type `peer`" },
	{ "two peers", "listen: unix:s\nauth: [{type: peer}, {type: peer, name: b}]\n" DNS RULES, "2:22: error: line 2 has a `peer` source already" },
	{ "keys not there", "auth: {type: jwt, issuer: https://i.example.com, keys: s3cret}\n" DNS RULES,
	    "1:56: error: `keys`: the file cannot be read: No such file or directory\n" },
	{ "A07 A08 an HMAC secret among public keys", "auth: {type: jwt, issuer: https://i.example.com, keys: oct.json}\n" DNS RULES,
	    "1:56: error: `keys`: the file holds an HMAC secret beside or instead of public keys" },
	{ "a private JWK", "auth: {type: jwt, issuer: https://i.example.com, keys: private.json}\n" DNS RULES,
	    "1:56: error: `keys`: the file holds a private key" },
	{ "a private PEM", "auth: {type: jwt, issuer: https://i.example.com, keys: private.pem}\n" DNS RULES,
	    "1:56: error: `keys`: the file holds a private key" },
	{ "an unusable key beside a good one", "auth: {type: jwt, issuer: https://i.example.com, keys: half.json}\n" DNS RULES,
	    "1:56: warning: `keys`: 1 keys of the file cannot be used" },
	{ "no key at all", "auth: {type: jwt, issuer: https://i.example.com, keys: dns.json}\n" DNS RULES, "1:56: error: `keys`: " },
	{ "claims", JWT(", claims: {user: email, tags: realm_access.roles, scopes: scp}") DNS RULES, "" },
	{ "claims with an empty step", JWT(", claims: {tags: a..b}") DNS RULES, "1:82: error: `tags` must be a path" },
	{ "unknown claim", JWT(", claims: {group: x}") DNS RULES, "1:76: error: unknown key `group`" },
	{ "all of a source", JWT(", users: ['*@acme.example'], require_scopes: base, restrict_tag: staff, give_scopes: dns, "
	    "give_by_tag: {ops: [dns]}, audience: [url, other]") DNS RULES, "" },
	{ "give_by_tag is no list", JWT(", give_by_tag: [a]") DNS RULES, "1:80: error: `give_by_tag` must be a mapping" },
	/* scopes */
	{ "E08 two scopes in one text", AUTH DNS "rules: [{allow: dns, require_scopes: \"read write\"}]\n",
	    "3:38: error: `require_scopes`: a scope is one word" },
	{ "E08 a tab in a scope", AUTH DNS "rules: [{allow: dns, require_scopes: \"read\\twrite\"}]\n",
	    "3:38: error: `require_scopes` holds a control character" },
	{ "E08 a no-break space", AUTH DNS "rules: [{allow: dns, require_scopes: \"a\\u00a0b\"}]\n", "3:38: error: `require_scopes`: a scope" },
	{ "scope outside the vocabulary", AUTH DNS "rules: [{allow: dns, require_scopes: dnz}]\nscopes: {dns: {says: x}}\n",
	    "3:38: error: the scope `dnz` is not among `scopes`. Did you mean `dns`?" },
	{ "implied scope outside the vocabulary", FINE "scopes: {dns: {implies: other}}\n", "4:25: error: the scope `other` is not among" },
	{ "scopes that imply each other", FINE "scopes: {dns: {implies: b}, b: {implies: dns}}\n", "" },
	{ "scope without anything", FINE "scopes: {dns: {}}\n", "4:15: error: a scope is empty" },
	/* references */
	{ "literal secret", AUTH "servers: {dns: {openapi: dns.json, url: https://d.internal, secrets: {key: s3cr3t}}}\n" RULES,
	    "2:76: error: `key` must be a reference. Store the value: sallyport vault set NAME, then write vault:NAME\n" },
	{ "literal secret in the long form", AUTH "servers: {dns: {openapi: dns.json, url: https://d.internal, secrets: {key: {secret: s3cr3t}}}}\n" RULES,
	    "2:85: error: `secret` must be a reference. Store the value: sallyport vault set NAME, then write vault:NAME\n" },
	{ "a name that the vault cannot hold", AUTH "servers: {dns: {openapi: dns.json, url: https://d.internal, secrets: {key: vault:PDNS}}}\n" RULES,
	    "2:76: error: `key` must be a reference. Store the value: sallyport vault set NAME, then write vault:NAME\n" },
	{ "Q09 expansion", AUTH "servers: {dns: {openapi: dns.json, url: https://d.internal, secrets: {key: \"${KEY}\"}}}\n" RULES,
	    "2:76: error: `key` must be a reference" },
	{ "Q09 env without a name", AUTH "servers: {dns: {openapi: dns.json, url: https://d.internal, secrets: {key: \"env:\"}}}\n" RULES,
	    "2:76: error: `key` must be a reference" },
	{ "bad vault name", AUTH "servers: {dns: {openapi: dns.json, url: https://d.internal, secrets: {key: vault:../x}}}\n" RULES,
	    "2:76: error: `key` must be a reference" },
	{ "command reference", COMMAND("pass  show x "), "" },
	{ "command by its whole path", COMMAND("/opt/get x"), "" },
	{ "command that is not there", COMMAND("pas hunter2"), "2:76: warning: `key`: the program `pas` is not there" },
	{ "whole path that is not there", COMMAND("/opt/got hunter2"), "2:76: warning: `key`: the program `/opt/got` is not there" },
	{ "command by a relative path", COMMAND("./get x"), "2:76: error: `key`: `command:` wants the whole path of its program" },
	{ "command by way of a folder", COMMAND("bin/get x"), "2:76: error: `key`: `command:` wants the whole path" },
	{ "command of nothing", COMMAND("  "), "2:76: error: `key`: `command:` wants a program" },
	{ "Q09 no expansion in a command", COMMAND("${SHELL} x"), "2:76: warning: `key`: the program `${SHELL}` is not there" },
	{ "reference of a caller", AUTH "servers: {dns: {openapi: dns.json, url: https://d.internal, secrets: {key: \"user:x\"}}}\n" RULES,
	    "2:76: error: `key`: `user:` references are not available in this version" },
	{ "file and env references", AUTH "servers: {dns: {openapi: two.json, url: https://d.internal, secrets: {key: file:k, spare: env:K}}}\n" RULES, "" },
	/* servers */
	{ "bad server name", AUTH "servers: {DNS: {openapi: dns.json}}\nrules: [{allow: all, require_scopes: x}]\n",
	    "2:11: error: the name of a server must be" },
	{ "taken server name", AUTH "servers: {all: {openapi: dns.json}}\n", "2:11: error: the name of a server must be" },
	{ "server without a kind", AUTH "servers: {dns: {url: https://d.internal}}\n", "2:16: error: a server needs `openapi`" },
	{ "mcp server", WIKI("https://wiki.internal/mcp") "rules: [{allow: wiki, require_scopes: x}]\n", "" },
	{ "mcp server that nobody reaches", WIKI("https://wiki.internal/mcp"), "2:11: warning: nobody reaches the server `wiki`" },
	{ "mcp server over http", WIKI("http://wiki.internal:8080/mcp") "rules: [{allow: wiki, require_scopes: x}]\n", "" },
	{ "mcp server with a query", WIKI("'https://wiki.internal/mcp?tenant=1'") "rules: [{allow: wiki, require_scopes: x}]\n", "" },
	{ "secret in its query", WIKI("'https://wiki.internal/mcp?Api_Key=hunter2'"),
	    "2:23: error: `mcp`: `Api_Key` looks like a secret, which may not stand in a file: write it as" },
	{ "mcp server with a user", WIKI("https://me:hunter2@wiki.internal/mcp"), "2:23: error: `mcp`: a URL must not carry user:password@" },
	{ "mcp server with dots", WIKI("https://wiki.internal/a/../mcp"), "2:23: error: `mcp`: the path must be plain" },
	{ "mcp server and document", AUTH "servers: {wiki: {mcp: https://wiki.internal, openapi: dns.json}}\n",
	    "2:18: error: a server has one of `openapi` and `mcp`" },
	{ "mcp server and url", AUTH "servers: {wiki: {mcp: https://wiki.internal, url: https://x}}\n", "2:46: error: `url` is no key of an MCP server" },
	{ "mcp server and a key of a later step", AUTH "servers: {wiki: {mcp: https://wiki.internal, pin: x}}\n",
	    "2:46: error: unknown key `pin` (not available in this version)" },
	/* path */
	{ "a path", AT("/wiki"), "" },
	{ "the path of url", AT("/mcp"), "" },
	{ "the root", AT("/"), "" },
	{ "more than one segment, and marks", AT("/a/b-c_d.e~f:g@h"), "" },
	{ "a path without its slash", AT("wiki"), "2:56: error: `path` must begin with /, as in /wiki: the origin is that of `url`" },
	{ "a URL as path", AT("https://h.example/wiki"), "2:56: error: `path` must begin with /" },
	{ "no path", AT("\"\""), "2:56: error: `path` is empty" },
	{ "a list as path", AT("[/a]"), "2:56: error: `path` must be text" },
	{ "F01 dot segments", AT("/a/../b"), "2:56: error: `path` must be plain: no `%`, `//`, dot segments" },
	{ "F01 a dot at the end", AT("/a/."), "2:56: error: `path` must be plain" },
	{ "F01 encoded bytes", AT("/%61"), "2:56: error: `path` must be plain" },
	{ "F01 two slashes", AT("//h.example/a"), "2:56: error: `path` must be plain" },
	{ "F01 a space", AT("/a b"), "2:56: error: `path` must be plain" },
	{ "F01 a backslash", AT("/a\\b"), "2:56: error: `path` must be plain" },
	{ "F01 a quote", AT("'/a\"b'"), "2:56: error: `path` must be plain" },
	{ "F01 a letter beyond ASCII", AT("/\xc3\xa9"), "2:56: error: `path` must be plain" },
	{ "F01 a query", AT("/a?b=c"), "2:56: error: `path` takes no query and no fragment" },
	{ "F01 a fragment", AT("\"/a#b\""), "2:56: error: `path` takes no query and no fragment" },
	{ "9 a slash at the end", AT("/wiki/"), "2:56: error: `path` must not end in /: write /wiki" },
	{ "a path of ours", AT("/healthz"), "2:56: error: `path`: /healthz is the gateway's own: take another" },
	{ "a path among the well-known", AT("/.well-known/oauth-protected-resource/mcp"), "2:56: error: `path`: /.well-known/oauth" },
	{ "the well-known folder", AT("/.well-known"), "2:56: error: `path`: /.well-known is the gateway's own: take another" },
	{ "a path that only looks like ours", AT("/healthz2"), "" },
	{ "two servers at one path", AUTH "servers:\n  a: {mcp: https://a.internal, path: /x}\n  b: {mcp: https://b.internal, path: /x}\n"
	    "rules: [{allow: [a, b], require_scopes: x}]\n",
	    "4:38: error: `path`: /x is that of server `a` (line 3). Give each its own" },
	{ "another server beside the one at url's path", AUTH "servers:\n  a: {mcp: https://a.internal, path: /mcp}\n"
	    "  b: {mcp: https://b.internal}\nrules: [{allow: [a, b], require_scopes: x}]\n",
	    "4:3: error: server `b` is served nowhere: `a` is alone at /mcp, the path of `url`. Give it a `path` of its own, "
	    "or `a` another" },
	{ "another server with a path beside it", AUTH "servers:\n  a: {mcp: https://a.internal, path: /mcp}\n"
	    "  b: {mcp: https://b.internal, path: /b}\nrules: [{allow: [a, b], require_scopes: x}]\n", "" },
	{ "a url without path is the root", "url: https://h.example\n" AUTH "servers: {a: {mcp: https://a.internal, path: /}}\n"
	    "rules: [{allow: a, require_scopes: x}]\n", "" },
	{ "mcp server with secrets", SECRET("https://wiki.internal/mcp", "vault:t"), "" },
	{ "mcp server with a secret in its query", SECRET("https://wiki.internal/mcp", "{secret: vault:t, as: query key}"), "" },
	{ "Q04 mcp server with a secret over http", SECRET("http://wiki.internal/mcp", "vault:t"),
	    "2:59: error: a secret over http is refused except to loopback: wiki.internal must be https" },
	{ "mcp server with a secret on loopback", SECRET("http://127.0.0.1:81/mcp", "vault:t"), "" },
	{ "Q02 mcp server with a secret for another host", SECRET("https://wiki.internal/mcp", "{secret: vault:t, host: other.example}"),
	    "2:87: error: `host`: all calls of this server go to wiki.internal" },
	{ "Q03 mcp server with a secret for any host", SECRET("https://wiki.internal/mcp", "{secret: vault:t, host: '*'}"),
	    "2:87: error: `host` must be HOST[:PORT][/PATH-PREFIX] without wildcards" },
	{ "mcp server with methods left out", SECRET("https://wiki.internal/mcp", "{secret: vault:t, methods: [POST, GET]}"),
	    "2:60: warning: `methods` leaves out DELETE, which is needed" },
	{ "document not there", AUTH "servers: {dns: {openapi: x.json, url: https://d.internal}}\n" RULES,
	    "2:26: error: `openapi`: the document cannot be read: No such file" },
	{ "document from a URL", AUTH "servers: {dns: {openapi: https://d.internal/x.json}}\n" RULES, "2:26: error: `openapi` from a URL" },
	{ "document of another kind", AUTH "servers: {dns: {openapi: bad.json, url: https://d.internal}}\n" RULES, "2:26: error: `openapi`: version 9" },
	{ "YAML document without paths", AUTH "servers: {dns: {openapi: doc.yaml, url: https://d.internal}}\n" RULES,
	    "2:26: error: `openapi`: /paths: missing" },
	{ "M08 no server in the document", AUTH "servers: {s: {openapi: serverless.json}}\nrules: [{allow: s}]\n",
	    "2:11: error: `url` is required: the document does not say" },
	{ "M08 a private server in the document", AUTH "servers: {s: {openapi: loopback.json}}\nrules: [{allow: s}]\n",
	    "2:11: error: `url` is required: the document names a loopback address" },
	{ "a private server in the file", AUTH "servers: {s: {openapi: loopback.json, url: http://127.0.0.1:9000}}\nrules: [{allow: s}]\n", "" },
	{ "user in the server's url", AUTH "servers: {dns: {openapi: dns.json, url: https://a:b@d.internal}}\n" RULES,
	    "2:41: error: `url`: a URL must not carry user:password@" },
	{ "Q04 secret over http", AUTH "servers: {dns: {openapi: dns.json, url: http://d.internal, secrets: {key: vault:k}}}\n" RULES,
	    "2:70: error: a secret over http is refused except to loopback" },
	{ "Q04 secret over http to loopback", AUTH "servers: {dns: {openapi: two.json, url: http://127.0.0.1:1, secrets: {key: vault:k, spare: vault:b}}}\n" RULES, "" },
	{ "no such scheme", AUTH "servers: {dns: {openapi: dns.json, url: https://d.internal, secrets: {kee: vault:k}}}\n" RULES,
	    "2:71: error: the document has no security scheme `kee`. Did you mean `key`?" },
	{ "scheme without a place", AUTH "servers: {dns: {openapi: dns.json, url: https://d.internal, secrets: {key: vault:k, mtls: vault:m}}}\n" RULES,
	    "2:85: error: the document does not say where `mtls` goes" },
	{ "unused secret", AUTH "servers: {dns: {openapi: dns.json, url: https://d.internal, secrets: {key: vault:k, spare: vault:s}}}\n"
	    "rules: [{allow: dns.listZones}]\n", "2:85: warning: the secret `spare` is unused" },
	{ "credential not configured", AUTH "servers: {dns: {openapi: dns.json, url: https://d.internal}}\nrules: [{allow: dns.listZones}]\n",
	    "2:11: warning: 1 opened tool needs a credential and gets none: listZones wants key" },
	{ "M10 none needed", AUTH "servers: {dns: {openapi: dns.json, url: https://d.internal}}\nrules: [{allow: dns.free}]\n", "" },
#define LONG(more) AUTH "servers: {dns: {openapi: dns.json, url: https://d.internal/api, secrets: {key: {secret: vault:k, " more "}}}}\n" \
	"rules: [{allow: dns.listZones}]\n"
	{ "as header", LONG("as: header X-Token"), "" },
	{ "as header with template", LONG("as: \"header Authorization token {}\""), "" },
	{ "as query", LONG("as: query key"), "" },
	{ "as cookie", LONG("as: cookie sid"), "" },
	{ "as basic", LONG("as: basic"), "" },
	{ "as basic with template", LONG("as: \"basic api:{}\""), "2:102: error: `as: basic` takes no template" },
	{ "as bearer with template", LONG("as: \"bearer x-{}\""), "" },
	{ "as bearer with a word too many", LONG("as: bearer x"), "2:102: error: `as`: a template is plain text with one {}" },
	{ "as unknown", LONG("as: heder X"), "2:102: error: `as` must be bearer, basic, header NAME, query NAME or cookie NAME. Did you mean `header`?" },
	{ "as without a name", LONG("as: header"), "2:102: error: `as: header` needs a name" },
	{ "as Host", LONG("as: header Host"), "2:102: error: `as`: the header Host cannot carry a secret" },
	{ "as with CR LF", LONG("as: \"header X\\r\\nY\""), "2:102: error: `as` holds a control character" },
	{ "as with two places", LONG("as: \"header X {}{}\""), "2:102: error: `as`: a template is plain text with one {}" },
	{ "host of another", LONG("host: evil.example"), "2:104: error: `host`: all calls of this server go to d.internal" },
	{ "Q03 host with a wildcard", LONG("host: \"*.internal\""), "2:104: error: `host` must be HOST[:PORT][/PATH-PREFIX] without wildcards" },
	{ "host with a prefix", LONG("host: d.internal/api/v1"), "" },
	{ "methods", LONG("methods: [GET, HEAD]"), "" },
	{ "methods in lower case", LONG("methods: get"), "2:107: error: unknown method `get`" },
	{ "methods too few", LONG("methods: POST"), "2:75: warning: `methods` leaves out GET" },
	{ "management", AUTH "servers: {self: {openapi: sallyport:management, secrets: {managementKey: vault:management}}}\n"
	    "rules: [{allow: self, require_scopes: admin}]\n", "" },
	{ "management without its secret", AUTH "servers: {self: {openapi: sallyport:management}}\nrules: [{allow: self, require_scopes: admin}]\n",
	    "2:11: error: the management server needs secrets: {managementKey: vault:management}" },
	{ "management with another secret", AUTH "servers: {self: {openapi: sallyport:management, secrets: {managementKey: vault:x}}}\n"
	    "rules: [{allow: self, require_scopes: admin}]\n", "2:59: error: the management server takes exactly managementKey: vault:management" },
	{ "management with a url", AUTH "servers: {self: {openapi: sallyport:management, url: https://x.example, secrets: {managementKey: vault:management}}}\n"
	    "rules: [{allow: self, require_scopes: admin}]\n", "2:49: error: `url` is no key of the management server" },
	/* rules: their form */
	{ "no verb", AUTH DNS "rules: [{for: static}]\n", "3:9: error: a rule needs one of `allow`, `guard`, `deny`" },
	{ "two verbs", AUTH DNS "rules: [{allow: dns, deny: dns}]\n", "3:22: error: one rule has one verb, and `allow` is here already" },
	{ "unknown server", AUTH DNS "rules: [{allow: dnss, require_scopes: x}]\n", "3:17: error: no server is called `dnss`. Did you mean `dns`?" },
	{ "unknown tool", AUTH DNS "rules: [{allow: dns.listZone, require_scopes: x}]\n",
	    "3:17: error: server `dns` has no tool `listZone`. Did you mean `listZones`?" },
	{ "pattern without a tool", AUTH DNS "rules: [{allow: dns.x_*, require_scopes: x}]\n", "3:17: error: `dns.x_*` names no tool" },
	{ "tag without a tool", AUTH DNS "rules: [{allow: all.tag:x, require_scopes: x}]\n", "3:17: error: `all.tag:x` names no tool" },
	{ "wildcard server", AUTH DNS "rules: [{allow: \"*.listZones\", require_scopes: x}]\n", "3:17: error: `*.listZones`: a server's name has no wildcard" },
	{ "bad access", AUTH DNS "rules: [{allow: dns.access:all, require_scopes: x}]\n", "3:17: error: `access:` is read or write" },
	{ "prompts of an OpenAPI server", AUTH DNS "rules: [{allow: dns.prompt:x, require_scopes: x}]\n",
	    "3:17: error: `dns.prompt:x`: an OpenAPI server has no resources and prompts, only tools" },
	{ "resources of nobody", AUTH DNS "rules: [{allow: 'all.resource:**', require_scopes: x}]\n", "3:17: error: `all.resource:**`: an OpenAPI" },
	/* rules over catalogues that nobody knows */
	{ "names of an mcp server are taken as they are", MCP("{allow: [wiki.get_page, 'wiki.list_*'], require_scopes: x}"), "" },
	{ "resources and prompts", MCP("{allow: ['wiki.resource:file:///docs/**', wiki.prompt:greet], require_scopes: x}"), "" },
	{ "resource without a URI", MCP("{allow: 'wiki.resource:', require_scopes: x}"), "3:17: error: `resource:` needs a URI" },
	{ "prompt without a name", MCP("{allow: 'wiki.prompt:', require_scopes: x}"), "3:17: error: `prompt:` needs a name" },
	{ "access:read of an mcp server", MCP("{allow: [wiki.access:read, wiki.x], require_scopes: x}"),
	    "3:18: warning: `wiki.access:read` names nothing: what an MCP server says of its own tools is not believed in this version. "
	    "Write their names: wiki.get_*\n" },
	{ "a rule of access:read alone", MCP("{guard: wiki.access:read, require_scopes: y}, {allow: wiki.x, require_scopes: x}"),
	    "3:17: warning: `wiki.access:read` names nothing" },
	{ "tag of an mcp server", MCP("{allow: wiki.tag:x, require_scopes: x}"), "3:17: error: `wiki.tag:x` names nothing: tools of an MCP server" },
	{ "tag of all, one of them unknown", MCP("{allow: wiki, require_scopes: x}, {guard: all.tag:nope, require_scopes: y}"),
	    "3:51: error: `all.tag:nope` names no tool" },
	{ "twins", MCP("{allow: wiki.a, require_scopes: x}, {allow: wiki.a, require_scopes: x}"),
	    "3:45: error: changes no decision: line 3 opens wiki.a already, and what it demands stays" },
	{ "part of the whole", MCP("{allow: wiki.get_a, require_scopes: x}, {allow: wiki, require_scopes: x}"),
	    "3:9: error: changes no decision: line 3 opens wiki.get_a already" },
	{ "part of a pattern", MCP("{allow: wiki.get_a*, require_scopes: x}, {allow: wiki.get_*, require_scopes: x}"),
	    "3:9: error: changes no decision: line 3 opens wiki.get_a* already" },
	{ "a slash is no part of one star", MCP("{allow: 'wiki.a**', require_scopes: x}, {allow: 'wiki.a*', require_scopes: x}"),
	    "3:49: error: changes no decision: line 3 opens wiki.a* already" },
	{ "two stars are not within one", MCP("{allow: 'wiki.resource:a/**', require_scopes: x}, {allow: 'wiki.resource:a/*', require_scopes: y}"),
	    "3:59: warning: also binds wiki.resource:a/*, opened at line 3: it now needs x and y" },
	{ "patterns that may meet", MCP("{allow: wiki.get_*, require_scopes: x}, {guard: 'wiki.*_zone', restrict_tag: t}"), "" },
	{ "a guard over a pattern of what is open", MCP("{allow: wiki, require_scopes: x}, {guard: wiki.delete_*, restrict_tag: editor}"), "" },
	{ "a deny over a name that a pattern opens", MCP("{allow: wiki.get_*, require_scopes: x}, {deny: wiki.get_secret}"), "" },
	{ "a deny over what nothing can open", MCP("{allow: wiki.get_*, require_scopes: x}, {deny: wiki.put_x}"),
	    "3:49: error: changes no decision: no rule opens what it names" },
	{ "a deny over tools, resources are open", MCP("{allow: 'wiki.resource:**', require_scopes: x}, {deny: wiki.put_x}"),
	    "3:57: error: changes no decision: no rule opens what it names" },
	{ "denied anyway", MCP("{allow: wiki.put_a, require_scopes: x}, {allow: wiki.b, require_scopes: x}, {deny: wiki.access:write}"),
	    "3:9: error: changes no decision: line 3 closes wiki.put_a, and `deny` beats all" },
	{ "deny of tools leaves resources", MCP("{allow: wiki, require_scopes: x}, {deny: wiki.access:write}"), "" },
	{ "all, of two kinds", MCP("{allow: all, require_scopes: x}, {guard: all.access:write, require_scopes: w}"), "" },
	{ "arguments of unknown tools", MCP("{allow: wiki.send, require_scopes: x, when: {amount: 0..100}}"), "" },
	{ "no caller can satisfy", MCP("{allow: wiki.x, restrict_tag: [a, b], not: {restrict_tag: a}}"), "3:9: error: no caller can satisfy this rule" },
	{ "a whole server without a demand", MCP("{allow: wiki}"), "3:9: warning: opens every tool of `wiki` without a demand" },
	{ "a whole server, writes guarded", MCP("{allow: wiki}, {guard: all.access:write, require_scopes: w}"), "" },
	{ "a whole server to anyone", "auth: [{type: static}, {type: anonymous}]\n" WIKIS "rules: [{allow: wiki, for: anyone}]\n",
	    "3:9: warning: opens every tool of `wiki` to anyone" },
	{ "chosen tools", MCP("{allow: [wiki.a, wiki.get_*]}"), "" },
	{ "nothing after the dot", AUTH DNS "rules: [{allow: dns., require_scopes: x}]\n", "3:17: error: `dns.`: nothing after the dot" },
	{ "unknown selector", AUTH DNS "rules: [{allow: dns.tags:x, require_scopes: x}]\n", "3:17: error: `dns.tags:x`: after the dot" },
	{ "unknown source", AUTH DNS "rules: [{allow: dns.free, for: statik}]\n", "3:32: error: no source is called `statik`. Did you mean `static`?" },
	{ "source with a wildcard", AUTH DNS "rules: [{allow: dns.free, for: \"s*\"}]\n", "3:32: error: `s*`: a source's name has no wildcard" },
	{ "source without user", AUTH DNS "rules: [{allow: dns.free, for: static/}]\n", "3:32: error: `static/`: nothing after the slash" },
	{ "deny with demands", AUTH DNS "rules: [{allow: dns.free}, {deny: dns.free, require_scopes: x}]\n", "3:45: error: `deny` takes no demands" },
	{ "guard without demands", AUTH DNS "rules: [{allow: dns.free}, {guard: dns.free}]\n",
	    "3:28: error: changes no decision: a `guard` without demands" },
	{ "missing_scopes without scopes", AUTH DNS "rules: [{allow: dns.free, missing_scopes: list}]\n", "3:27: error: `missing_scopes` without scopes" },
	{ "missing_scopes with scopes in any", AUTH DNS "rules: [{allow: dns.listZones, any: {require_scopes: x}, missing_scopes: list}]\n", "" },
	{ "missing_scopes unknown", AUTH DNS "rules: [{allow: dns.free, require_scopes: x, missing_scopes: lst}]\n",
	    "3:62: error: `missing_scopes`: unknown word `lst`. Did you mean `list`?" },
	{ "not with scopes", AUTH DNS "rules: [{allow: dns.free, not: {require_scopes: x}}]\n", "3:33: error: unknown key `require_scopes`" },
	{ "empty group", AUTH DNS "rules: [{allow: dns.free, any: [{}]}]\n", "3:33: error: a group of `any` is empty" },
	{ "any, one or many", AUTH DNS "rules: [{allow: dns.listZones, any: {restrict_tag: x}}]\n", "" },
	/* conditions */
#define WHEN(c) AUTH DNS "rules: [{allow: dns.listZones, when: {zone: " c "}}]\n"
	{ "all kinds of values", WHEN("[x, \"*.test.\", 5, -0.5, true, 0..100, ..5, 5.., $user, \"true\", 1.2.3, a..b]"), "" },
	{ "exponent", WHEN("1e3"), "3:45: error: write the number in plain decimal" },
	{ "hexadecimal", WHEN("0x10"), "3:45: error: write the number in plain decimal" },
	{ "leading zero", WHEN("007"), "3:45: error: write the number in plain decimal" },
	{ "plus", WHEN("+5"), "3:45: error: write the number in plain decimal" },
	{ "infinity", WHEN(".inf"), "3:45: error: write the number in plain decimal" },
	{ "True", WHEN("True"), "3:45: error: write true or false" },
	{ "null in a condition", WHEN("null"), "3:45: error: `a condition` is empty" },
	{ "range of nothing", WHEN("5..1"), "3:45: error: the range 5..1 is empty" },
	{ "range without ends", WHEN("\"x\", amount: .."), "3:58: error: not a range of decimal numbers" },
	{ "range of dates", WHEN("2024-01-01..2024-02-01"), "3:45: error: not a range of decimal numbers" },
	{ "other dollar text", WHEN("$tenant"), "3:45: error: `$user` is the only `$` text" },
	{ "Q09 expansion in a condition", WHEN("\"a${X}\""), "3:45: error: `$user` is the only `$` text" },
	{ "a mapping as condition", WHEN("{a: b}"), "3:45: error: a condition wants values; for a member write the path: zone.NAME" },
	{ "empty conditions", AUTH DNS "rules: [{allow: dns.free, when: {}}]\n", "3:33: error: conditions are a mapping" },
	{ "path with an empty step", AUTH DNS "rules: [{allow: dns.listZones, when: {zone..x: 1}}]\n", "3:39: error: an argument is a name" },
	{ "two bad arguments in a row", AUTH DNS "rules: [{allow: dns.listZones, when: {a.b.c.d..e: 1, f.g.h.i..j: 1, x..y: 1}}]\n",
	    "3:39: error: an argument is a name" },
	{ "argument that no tool has", AUTH DNS "rules: [{allow: dns.listZones, when: {zon: x}}]\n",
	    "3:39: warning: no tool of this rule has an argument `zon`" },
	/* whole files, as far as this version goes */
	{ "Keycloak before one MCP server", "listen: 0.0.0.0:8420\nurl: https://wiki.example.com/mcp\n"
	    "auth: {type: remote, issuer: https://sso.example.com/realms/acme, claims: {tags: realm_access.roles}}\n"
	    "servers:\n  wiki: {mcp: http://wiki.internal:8080/mcp}\n"
	    "rules:\n  - {allow: wiki, require_scopes: wiki}\n  - {guard: wiki.delete_*, restrict_tag: editor}\n", "" },
	{ "public and protected tools", "auth: [{type: remote, issuer: https://login.example.com}, {type: anonymous}]\n"
	    "servers:\n  catalog: {mcp: https://catalog.internal/mcp}\n"
	    "  orders: {openapi: dns.json, url: https://orders.internal, secrets: {key: vault:orders}}\n"
	    "rules:\n  - {allow: catalog.search_*, for: anyone}\n"
	    "  - {allow: orders.access:read, require_scopes: orders:read, missing_scopes: list}\n"
	    "  - {allow: orders.deleteZone, require_scopes: orders:write, restrict_tag: support, when: {zone: a}}\n"
	    "limits: {calls: 60/min}\n", "" },
	/* rules: their effect */
	{ "changes no decision: opened already", AUTH DNS "rules:\n  - {allow: dns.listZones}\n  - {allow: dns.listZones, when: {zone: a}}\n",
	    "5:5: error: changes no decision: line 4 opens dns.listZones for all arguments. Write: deny … unless …\n" },
	{ "changes no decision: twins", AUTH DNS "rules:\n  - {allow: dns.listZones}\n  - {allow: dns.listZones}\n",
	    "5:5: error: changes no decision: line 4 opens dns.listZones already\n" },
	{ "changes no decision: part of more", AUTH DNS "rules:\n  - {allow: dns.listZones}\n  - {allow: dns.access:read}\n",
	    "4:5: error: changes no decision: line 5 opens dns.listZones already\n" },
	{ "changes no decision: hoped to loosen", AUTH DNS "rules:\n  - {allow: dns.access:read, require_scopes: dns}\n  - {allow: dns.listZones}\n",
	    "5:5: error: changes no decision: line 4 opens dns.listZones already, and what it demands stays\n" },
	{ "changes no decision: denied anyway", AUTH DNS "rules:\n  - {allow: dns.listZones}\n  - {allow: dns.free}\n  - {deny: dns.listZones}\n",
	    "4:5: error: changes no decision: line 6 closes dns.listZones, and `deny` beats all\n" },
	{ "changes no decision: nothing opens it", AUTH DNS "rules:\n  - {allow: dns.listZones}\n  - {deny: dns.free}\n",
	    "5:5: error: changes no decision: no rule opens what it names to those it speaks of\n" },
	{ "changes no decision: guarded already", AUTH DNS "rules:\n  - {allow: dns.free, require_scopes: [a, b]}\n  - {guard: dns.free, require_scopes: a}\n",
	    "5:5: error: changes no decision: line 4 demands it for dns.free already\n" },
	{ "changes no decision: implied", AUTH DNS "scopes: {w: {implies: r}, r: {says: x}}\nrules:\n  - {allow: dns.free, require_scopes: w}\n"
	    "  - {guard: dns.free, require_scopes: r}\n", "6:5: error: changes no decision: line 5 demands it" },
	{ "a stricter manner is a change", AUTH DNS "rules:\n  - {allow: dns.listZones, require_scopes: a}\n"
	    "  - {guard: dns.listZones, require_scopes: a, missing_scopes: hide}\n", "" },
	{ "for others is a change", "auth: [{type: static}, {type: anonymous}]\n" DNS "rules:\n  - {allow: dns.free}\n  - {allow: dns.free, for: anyone}\n",
	    "4:5: error: changes no decision: line 5 opens dns.free already\n" },
	{ "also binds", AUTH DNS "rules:\n  - {allow: dns.access:read, require_scopes: dns:read}\n  - {allow: dns.listZones, require_scopes: dns:write}\n",
	    "5:5: warning: also binds dns.listZones, opened at line 4: it now needs dns:read and dns:write\n" },
	{ "does not loosen", AUTH DNS "rules:\n  - {allow: dns.listZones, require_scopes: x}\n  - {allow: dns.access:read}\n",
	    "5:5: warning: does not loosen dns.listZones: line 4 still binds it, it needs x\n" },
	{ "write without a demand", AUTH DNS "rules: [{allow: [dns.createZone, dns.deleteZone]}]\n",
	    "3:9: warning: opens 2 writes without a demand (dns.createZone, …)\n" },
	{ "write guarded elsewhere", AUTH DNS "rules: [{allow: dns.createZone}, {guard: all.access:write, require_scopes: w}]\n", "" },
	{ "write with conditions and a demand", AUTH DNS "rules: [{allow: dns.deleteZone, require_scopes: w, when: {zone: a}}]\n", "" },
	{ "write for chosen callers", AUTH DNS "rules: [{allow: dns.createZone, for: static/cron}]\n", "" },
	{ "write to anyone", "auth: [{type: static}, {type: anonymous}]\n" DNS "rules: [{allow: dns.createZone, for: anyone}]\n",
	    "3:9: warning: opens 1 write to anyone (dns.createZone)\n" },
	{ "anyone without anonymous", AUTH DNS "rules: [{allow: dns.free, for: anyone}]\n",
	    "3:32: error: `anyone` needs a source of type `anonymous` in `auth`" },
	{ "anonymous without anyone", "auth: [{type: static}, {type: anonymous}]\n" DNS RULES,
	    "1:24: error: an `anonymous` source, and no rule opens anything `for: anyone`" },
	{ "two anonymous", "auth: [{type: anonymous}, {type: anonymous}]\n" DNS "rules: [{allow: dns.free, for: anyone}]\n",
	    "1:27: error: line 1 has an `anonymous` source already" },
	{ "for: anonymous opens nothing", "auth: [{type: static}, {type: anonymous}]\n" DNS
	    "rules: [{allow: dns.listZones, for: anonymous}, {allow: dns.free, for: anyone}]\n",
	    "3:37: error: no caller of `anonymous` can satisfy this rule: only `for: anyone` opens" },
	{ "nobody can: only anonymous comes in", "auth: {type: anonymous}\n" DNS "rules: [{allow: dns.listZones}, {allow: dns.free, for: anyone}]\n",
	    "3:9: error: no caller can satisfy this rule: only `for: anyone` opens" },
	{ "nobody can: contradiction", AUTH DNS "rules: [{allow: dns.free, restrict_tag: [a, b], not: {restrict_tag: a}}]\n",
	    "3:9: error: no caller can satisfy this rule\n" },
	{ "nobody can: not among the users", "auth: {type: static, users: [cron, ci-*]}\n" DNS "rules: [{allow: dns.free, for: static/bob}]\n",
	    "3:32: error: no caller of `static/bob` can satisfy this rule\n" },
};

/* The line of the findings that begins so, after the file's name; all of it must be the finding when `want` ends in a line break. */
static bool
has_finding(sp_slice text, const char *want)
{
	sp_slice line;

	while (sp_take_part(&text, '\n', &line)) {
		char with_end[1200];
		struct sp_out o;

		if (!sp_take(&line, SP_LIT("c/sallyport.yaml:")))
			continue;
		(void)sp_take(&line, SP_LIT(" "));
		sp_out_init(&o, with_end, sizeof with_end);
		sp_out_slice(&o, line);
		sp_out_byte(&o, '\n');
		if (sp_starts(sp_out_view(&o), sp_str(want)))
			return true;
	}
	return false;
}

static bool
try_row(const struct row *r)
{
	struct sp_findings f;
	struct sp_imgb b;
	struct sp_image img;
	struct sp_out o;
	enum sp_status st;
	bool good;

	files[0].text = r->yaml;
	st = kit_load(files, (struct sp_config_opts){ .uid = 1000 }, &f, &b, &img);
	sp_out_heap(&o, 1 << 20);
	sp_findings_write(&o, &f);
	good = (*r->finding == '\0' ? o.n == 0 : has_finding(sp_out_view(&o), r->finding)) &&
	    (st == SP_OK) == (f.errors == 0) && (st != SP_OK || b.o.n != 0);
	/* Never a value that may be a secret. */
	good = good && sp_find(sp_out_view(&o), SP_LIT("s3cr")) == SIZE_MAX && sp_find(sp_out_view(&o), SP_LIT("hunter2")) == SIZE_MAX;
	if (!good)
		print_error("status %d, findings:\n%.*s", (int)st, (int)o.n, o.p);
	sp_imgb_free(&b);
	sp_out_free(&o);
	sp_findings_free(&f);
	return good;
}

static void
test_rows(void **state)
{
	bool good = true;

	(void)state;
	for (size_t i = 0; i < SP_COUNT(rows); i++)
		if (!try_row(&rows[i])) {
			print_error("^ row failed: %s\n", rows[i].name);
			good = false;
		}
	assert_true(good);
}

/* All findings at once, in the order of the file. */
static void
test_all_at_once(void **state)
{
	static const char yaml[] = "state: ~/x\nauth: {type: static, issuer: x}\nservers: {dns: {openapi: dns.json, url: https://d.internal, "
	    "secrets: {key: s3cr3t}}}\nrules:\n  - {alow: dns}\n  - {allow: dns.x}\n";
	struct sp_findings f;
	struct sp_imgb b;
	struct sp_image img;
	struct sp_out o;

	(void)state;
	files[0].text = yaml;
	assert_int_equal(kit_load(files, (struct sp_config_opts){ 0 }, &f, &b, &img), SP_E_CONFIG);
	assert_int_equal(f.errors, 6);
	sp_out_heap(&o, 1 << 20);
	sp_findings_write(&o, &f);
	for (uint32_t i = 1; i < f.n; i++)
		assert_true(f.list[i - 1].line <= f.list[i].line);
	sp_out_free(&o);
	sp_findings_free(&f);
}

/* A thousand mistakes: all counted, the first kept. */
static void
test_flood(void **state)
{
	struct sp_findings f;
	struct sp_imgb b;
	struct sp_image img;
	struct sp_out o;

	(void)state;
	sp_out_heap(&o, 1 << 20);
	sp_out_str(&o, AUTH DNS "rules:\n");
	for (int i = 0; i < 1000; i++)
		sp_out_str(&o, "  - {allow: nothing}\n");
	sp_out_byte(&o, '\0');
	files[0].text = o.p;
	assert_int_equal(kit_load(files, (struct sp_config_opts){ 0 }, &f, &b, &img), SP_E_CONFIG);
	assert_true(f.errors >= 1000);
	assert_int_equal(f.n, SP_FINDINGS_MAX);
	sp_out_free(&o);
	sp_findings_free(&f);
}

/* Cut anywhere, a file is refused or means something; it never harms. */
static void
test_truncation(void **state)
{
	static const char yaml[] = JWT(", claims: {tags: a.b}, give_by_tag: {ops: [dns]}") DNS
	    "rules:\n  - {allow: dns.access:read, require_scopes: dns, when: {zone: [\"*\", 0..5, $user]}}\n"
	    "  - {guard: dns, any: [{restrict_tag: x}, {require_scopes: y}]}\nlimits: {calls: 5/s}\n";
	char text[sizeof yaml];

	(void)state;
	for (size_t n = 0; n < sizeof yaml; n++) {
		struct sp_findings f;
		struct sp_imgb b;
		struct sp_image img;

		memcpy(text, yaml, n);
		text[n] = '\0';
		files[0].text = text;
		if (kit_load(files, (struct sp_config_opts){ 0 }, &f, &b, &img) == SP_OK)
			sp_imgb_free(&b);
		else
			assert_true(f.errors != 0);
		sp_findings_free(&f);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_all_at_once),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_truncation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

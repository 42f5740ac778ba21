// An authorization server: oidc-provider with client credentials and access tokens for one resource.
// argv: port, resource, [jwt | opaque], [seconds that a token lives].  GET /rotate makes a new signing key the first one;
// GET /asked counts the introspections.  Beside the client that gets tokens there are two that only introspect: one whose id and
// secret have every character that a form or a header could trip over, and (JWK in the environment) one with a key.
import { createServer } from "node:http";
import { generateKeyPairSync } from "node:crypto";
import { Provider } from "oidc-provider";

const [port, resource, format = "jwt", lives = "600"] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;

function key(kid) {
	const jwk = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ format: "jwk" });
	return { ...jwk, kid, use: "sig", alg: "RS256" };
}

let generation = 0;
let provider;
function start() {
	provider = new Provider(issuer, {
		jwks: { keys: [key(`k${++generation}`)] },
		clients: [
			{ client_id: "e2e", client_secret: "not-a-secret-of-anybody", grant_types: ["client_credentials"], response_types: [], redirect_uris: [] },
			{ client_id: "gate:way &=1", client_secret: "p%41:&=+/ word", grant_types: [], response_types: [], redirect_uris: [] },
			...(process.env.JWK ? [{ client_id: "keyed", token_endpoint_auth_method: "private_key_jwt", jwks: { keys: [JSON.parse(process.env.JWK)] },
				grant_types: [], response_types: [], redirect_uris: [] }] : []),
		],
		scopes: ["dns:read", "dns:write", "use"],
		features: {
			clientCredentials: { enabled: true }, devInteractions: { enabled: false },
			introspection: { enabled: true }, revocation: { enabled: true },
			resourceIndicators: { enabled: true, defaultResource: () => resource, useGrantedResource: () => true,
				getResourceServerInfo: () => ({ scope: "dns:read dns:write use", audience: resource, accessTokenFormat: format, accessTokenTTL: Number(lives) }) },
		},
	});
}
start();
let asked = 0;
const http = createServer((req, res) => {
	if (req.url === "/rotate") {
		start();
		res.end(String(generation));
		return;
	}
	if (req.url === "/asked") {
		res.end(String(asked));
		return;
	}
	asked += req.url === "/token/introspection";
	provider.callback()(req, res);
});
http.listen(Number(port), "127.0.0.1", () => console.log(port));

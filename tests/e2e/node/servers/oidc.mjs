// An authorization server: oidc-provider with client credentials and JWT access tokens for one resource.
// argv: port, resource.  GET /rotate makes a new signing key the first one.
import { createServer } from "node:http";
import { generateKeyPairSync } from "node:crypto";
import { Provider } from "oidc-provider";

const [port, resource] = process.argv.slice(2);
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
		clients: [{ client_id: "e2e", client_secret: "not-a-secret-of-anybody", grant_types: ["client_credentials"], response_types: [], redirect_uris: [] }],
		scopes: ["dns:read", "dns:write", "use"],
		features: {
			clientCredentials: { enabled: true }, devInteractions: { enabled: false },
			resourceIndicators: { enabled: true, defaultResource: () => resource, useGrantedResource: () => true,
				getResourceServerInfo: () => ({ scope: "dns:read dns:write use", audience: resource, accessTokenFormat: "jwt", accessTokenTTL: 600 }) },
		},
	});
}
start();
const http = createServer((req, res) => {
	if (req.url === "/rotate") {
		start();
		res.end(String(generation));
		return;
	}
	provider.callback()(req, res);
});
http.listen(Number(port), "127.0.0.1", () => console.log(port));

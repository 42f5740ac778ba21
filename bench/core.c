/*
 * Times the pure functions on the path of a call: prints "name value" lines for bench/run.  Each figure is the best of
 * several batches, because interference only ever adds.  `bench-core openapi FILE` times the loading of one document.
 */
#include "config/config.h"
#include "oauth/verifier.h"
#include "crypto/crypto.h"
#include "base/b64.h"
#include "jose/jws.h"
#include "wire/http1.h"
#include "wire/json.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

enum { BATCHES = 7 };

static double
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void
die(const char *what)
{
	fprintf(stderr, "bench-core: %s\n", what);
	exit(1);
}

/* Microseconds of one call of fn, the best batch of `n` calls. */
static double
best_us(void (*fn)(void *), void *ctx, int n)
{
	double best = 1e18;

	for (int b = 0; b < BATCHES; b++) {
		double start = now_us(), took;

		for (int i = 0; i < n; i++)
			fn(ctx);
		took = (now_us() - start) / n;
		if (took < best)
			best = took;
	}
	return best;
}

/* ------------------------------------------------------------------ tokens */
struct signer { EVP_PKEY *key; const char *alg; char pem[2000]; char token[4096]; size_t token_n; };

static void
sign_token(struct signer *s, const char *audience)
{
	struct sp_out o;
	char head[128], claims[1024], pad[430];
	unsigned char sig[600];
	size_t n = sizeof sig;
	EVP_MD_CTX *c = EVP_MD_CTX_new();

	memset(pad, 'p', sizeof pad - 1);
	pad[sizeof pad - 1] = '\0';
	snprintf(head, sizeof head, "{\"alg\":\"%s\",\"typ\":\"at+jwt\",\"kid\":\"k1\"}", s->alg);
	snprintf(claims, sizeof claims, "{\"iss\":\"https://issuer.test\",\"aud\":\"%s\",\"sub\":\"bench\",\"scope\":\"api:use\","
	    "\"iat\":%lld,\"exp\":%lld,\"pad\":\"%s\"}", audience, (long long)time(NULL), (long long)time(NULL) + 3600, pad);
	sp_out_init(&o, s->token, sizeof s->token);
	sp_b64url_encode(&o, head, strlen(head));
	sp_out_byte(&o, '.');
	sp_b64url_encode(&o, claims, strlen(claims));
	if (EVP_DigestSignInit(c, NULL, EVP_sha256(), NULL, s->key) != 1 ||
	    EVP_DigestSign(c, sig, &n, (unsigned char *)o.p, o.n) != 1)
		die("cannot sign");
	EVP_MD_CTX_free(c);
	if (strcmp(s->alg, "ES256") == 0) {		/* DER to R||S */
		const unsigned char *p = sig + 3;
		unsigned char raw[64] = { 0 };

		for (int half = 0; half < 2; half++) {
			size_t len = p[0], skip = len > 32 ? len - 32 : 0;

			memcpy(raw + 32 * half + 32 - (len - skip), p + 1 + skip, len - skip);
			p += 1 + len + 1;
		}
		memcpy(sig, raw, n = 64);
	}
	sp_out_byte(&o, '.');
	sp_b64url_encode(&o, sig, n);
	s->token_n = o.n;
}

static void
make_signer(struct signer *s, const char *alg)
{
	BIO *mem = BIO_new(BIO_s_mem());
	int n;

	s->alg = alg;
	s->key = alg[0] == 'R' ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048)
	    : EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	if (s->key == NULL || PEM_write_bio_PUBKEY(mem, s->key) != 1 || (n = BIO_read(mem, s->pem, sizeof s->pem - 1)) <= 0)
		die("cannot make a key");
	s->pem[n] = '\0';
	BIO_free(mem);
	sign_token(s, "http://127.0.0.1:8420/mcp");
}

struct sig_case { struct sp_pkey *key; enum sp_alg alg; sp_slice msg, sig; };

static void
run_sig(void *ctx)
{
	struct sig_case *c = ctx;

	if (!sp_verify_sig(c->key, c->alg, c->msg, c->sig))
		die("signature");
}

struct verify_case { struct sp_verifier *v; sp_slice token; uint64_t epoch; bool cold; };

static void
run_verify(void *ctx)
{
	struct verify_case *c = ctx;
	struct sp_principal *who;
	struct sp_err e;

	if (c->cold)
		c->epoch++;		/* every cached entry belongs to another epoch */
	if (sp_verify(c->v, 0, c->token, (int64_t)time(NULL), c->epoch, &who, &e) != SP_OK)
		die(e.log);
	sp_principal_drop(&who);
}

static struct sp_verifier *
make_verifier(const char *pem, struct sp_image *img)
{
	static struct sp_imgb b[2];
	static int used;
	struct sp_imgb *o = &b[used++];
	struct sp_verifier *v;
	struct sp_hash_key seed = { { 1, 2 } };
	sp_slice aud = SP_LIT("http://127.0.0.1:8420/mcp"), scope = SP_LIT("api:use");
	uint64_t one = 1;
	struct sp_err e;

	sp_imgb_init(o, 1 << 20);
	struct sp_img_scope sc = { .name = sp_imgb_str(o, scope), .closure = sp_imgb_words(o, &one, 1) };
	struct sp_img_source src = { .type = SP_SOURCE_JWT, .name = sp_imgb_str(o, SP_LIT("jwt")),
		.issuer = sp_imgb_str(o, SP_LIT("https://issuer.test")), .audiences = sp_imgb_texts(o, &aud, 1),
		.keys = sp_imgb_str(o, sp_str(pem)), .claim_user = sp_imgb_str(o, SP_LIT("sub")),
		.claim_tags = sp_imgb_str(o, SP_LIT("tags")), .claim_scopes = sp_imgb_str(o, SP_LIT("scope")) };
	struct sp_img_head head = { .scopes = SP_IMGB_ARRAY(o, &sc, 1), .sources = SP_IMGB_ARRAY(o, &src, 1) };
	struct sp_img_resource at = { .path = sp_imgb_str(o, SP_LIT("/mcp")), .url = sp_imgb_str(o, aud) };

	sp_imgb_resources(o, &head, &at, 1);
	if (sp_imgb_finish(o, &head, &e) != SP_OK || sp_image_check(o->o.p, o->o.n, img, &e) != SP_OK ||
	    sp_verifier_new(img, 1024, seed, &v, &e) != SP_OK)
		die(e.log);
	return v;
}

static void
tokens(const char *alg, const char *name, int n)
{
	struct signer s;
	struct sp_jws_parts parts;
	struct sig_case sc = { .alg = alg[0] == 'R' ? SP_RS256 : SP_ES256 };
	struct verify_case vc = { .epoch = 1, .cold = true };
	struct sp_image img;
	char sig[600];
	size_t sig_n;
	struct sp_err e;

	make_signer(&s, alg);
	if (sp_pkey_pem(sp_str(s.pem), &sc.key, &e) != SP_OK || sp_jws_split(sp_mem(s.token, s.token_n), &parts) != SP_OK ||
	    !sp_b64url_decode(parts.sig, sig, sizeof sig, &sig_n))
		die("cannot prepare");
	sc.msg = parts.signed_part;
	sc.sig = sp_mem(sig, sig_n);
	printf("verify_%s_per_s %.0f\n", name, 1e6 / best_us(run_sig, &sc, n));
	vc.v = make_verifier(s.pem, &img);
	vc.token = sp_mem(s.token, s.token_n);
	printf("cold_token_%s_per_s %.0f\n", name, 1e6 / best_us(run_verify, &vc, n));
	if (alg[0] == 'R') {
		vc.cold = false;
		run_verify(&vc);
		printf("cached_token_us %.3f\n", best_us(run_verify, &vc, 50000));
	}
}

/* -------------------------------------------------------------- HTTP and JSON */
static void
run_head(void *ctx)
{
	sp_slice in = *(sp_slice *)ctx;
	struct sp_http1 h;

	sp_http_init(&h, SP_HTTP_REQUEST, (struct sp_http_limits){ 16384, 1 << 20 });
	if (sp_http_read(&h, &in) != SP_HTTP_HEAD)
		die("head");
}

static void
head(void)
{
	char text[2048], pad[900];
	sp_slice in;

	memset(pad, 'T', sizeof pad - 1);
	pad[sizeof pad - 1] = '\0';
	in = sp_mem(text, (size_t)snprintf(text, sizeof text, "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:8420\r\nUser-Agent: bench/1\r\n"
	    "Accept: application/json, text/event-stream\r\nContent-Type: application/json\r\nContent-Length: 300\r\n"
	    "Accept-Language: *\r\nSec-Fetch-Mode: cors\r\nAccept-Encoding: gzip, deflate\r\nConnection: keep-alive\r\n"
	    "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: dns_listZones\r\n"
	    "Authorization: Bearer %s\r\n\r\n", pad));
	printf("http_head_ns %.1f\n", best_us(run_head, &in, 20000) * 1e3);
}

struct json_case { struct sp_arena a; sp_slice text; };

static void
run_json(void *ctx)
{
	struct json_case *c = ctx;
	sp_jval *root, *params;

	sp_arena_reset(&c->a);
	if (sp_json_read_arena(&c->a, c->text, SP_JSON_DEFAULT, &root, NULL) != SP_OK)
		die("json");
	params = SP_JGET(root, "params");
	if (SP_JGET(root, "method") == NULL || SP_JGET(params, "name") == NULL || SP_JGET(params, "arguments") == NULL)
		die("json members");
}

static void
json(void)
{
	struct json_case c = { .text = SP_LIT("{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/call\",\"params\":{\"name\":"
	    "\"dns_patchZone\",\"arguments\":{\"server_id\":\"localhost\",\"zone_id\":\"example.test.\",\"rrsets\":[{\"name\":"
	    "\"www.example.test.\",\"type\":\"A\",\"ttl\":3600,\"changetype\":\"REPLACE\",\"records\":[{\"content\":\"192.0.2.7\","
	    "\"disabled\":false}]}]},\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","
	    "\"io.modelcontextprotocol/clientCapabilities\":{},\"io.modelcontextprotocol/clientInfo\":{\"name\":\"bench\","
	    "\"version\":\"1.0\"}}}}") };

	sp_arena_init(&c.a, 1 << 20);
	printf("json_call_ns %.1f\n", best_us(run_json, &c, 50000) * 1e3);
	sp_arena_free(&c.a);
}

static void
run_list(void *ctx)
{
	struct json_case *c = ctx;
	struct sp_json j;
	struct sp_out o;
	bool keep = false;

	if (sp_json_read(c->text, SP_JSON_DEFAULT, &j, NULL) != SP_OK)
		die("list");
	sp_out_heap(&o, 1 << 20);
	sp_out_byte(&o, '[');
	for (struct sp_jiter it = sp_jeach(SP_JGET(j.root, "tools")); sp_jnext(&it); keep = !keep)
		if (keep)
			sp_jwrite(&o, it.val);
	sp_out_byte(&o, ']');
	if (o.full)
		die("list output");
	sp_out_free(&o);
	sp_json_free(&j);
}

static void
list(void)
{
	struct json_case c;
	struct sp_out o;

	sp_out_heap(&o, 1 << 20);
	sp_out_str(&o, "{\"tools\":[");
	for (int i = 0; o.n < 200000; i++)
		sp_out_fmt(&o, "%s{\"name\":\"server_operation_%d\",\"description\":\"Changes one thing of the many things that there "
		    "are, and says what it was before.\",\"inputSchema\":{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"string\","
		    "\"maxLength\":255},\"count\":{\"type\":\"integer\",\"minimum\":0},\"deep\":{\"type\":\"object\",\"properties\":{"
		    "\"a\":{\"type\":\"boolean\"},\"b\":{\"type\":\"array\",\"items\":{\"type\":\"number\"}}}}},\"required\":[\"id\"]},"
		    "\"annotations\":{\"readOnlyHint\":false}}", i == 0 ? "" : ",", i);
	sp_out_str(&o, "]}");
	c.text = sp_out_view(&o);
	printf("list_200k_us %.1f\n", best_us(run_list, &c, 50));
	sp_out_free(&o);
}

/* ------------------------------------------------------------------ documents */
struct document { struct sp_out text; size_t image; };

static enum sp_status
document_read(void *ctx, sp_slice path, size_t max, struct sp_out *out, struct sp_err *e)
{
	const struct document *d = ctx;

	(void)max;
	(void)e;
	if (sp_eq(path, SP_LIT("document")))
		sp_out_slice(out, sp_out_view(&d->text));
	else
		sp_out_str(out, "auth: {type: static}\nservers: {api: {openapi: document, url: https://api.test}}\n"
		    "rules: [{allow: api}]\n");
	return SP_OK;
}

/* What `check` and the loader do with a document: from its text to a checked image. */
static void
document_load(void *ctx)
{
	struct document *d = ctx;
	struct sp_config_opts opts = { .read = document_read, .ctx = d };
	struct sp_findings found;
	struct sp_imgb image;
	struct sp_out why;

	sp_findings_init(&found, SP_LIT("bench.yaml"));
	if (sp_config_load(SP_LIT("bench.yaml"), &opts, &found, &image) != SP_OK) {
		sp_out_heap(&why, 1 << 20);
		sp_findings_write(&why, &found);
		sp_out_byte(&why, '\0');
		die(why.p);
	}
	d->image = image.o.n;
	sp_imgb_free(&image);
	sp_findings_free(&found);
}

static void
document(const char *name)
{
	struct document d = { .image = 0 };
	struct rusage use;
	char buf[65536];
	size_t n;
	FILE *f = fopen(name, "rb");

	if (f == NULL)
		die("the document cannot be opened");
	sp_out_heap(&d.text, 128 << 20);
	while ((n = fread(buf, 1, sizeof buf, f)) != 0)
		sp_out_add(&d.text, buf, n);
	fclose(f);
	printf("openapi_ms %.1f\n", best_us(document_load, &d, 1) / 1e3);
	printf("openapi_image_kb %zu\n", d.image >> 10);
	getrusage(RUSAGE_SELF, &use);
	printf("openapi_peak_kb %ld\n", use.ru_maxrss);
	sp_out_free(&d.text);
}

int
main(int argc, char **argv)
{
	struct sp_err e;

	if (sp_crypto_init(&e) != SP_OK)
		die(e.log);
	if (argc == 3 && strcmp(argv[1], "openapi") == 0) {
		document(argv[2]);
		return 0;
	}
	tokens("RS256", "rs256", 2000);
	tokens("ES256", "es256", 1000);
	head();
	json();
	list();
	return 0;
}

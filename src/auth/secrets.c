/* The only file of this folder that looks at secrets: to judge a MAC, and to prove to an authority who asks. */
#include "auth/provider_int.h"

#include "crypto/sign.h"

#include <stdio.h>

static void
useless(struct sp_auth_provider *p, const char *why)
{
	(void)snprintf(p->secret_why, sizeof p->secret_why, "%.190s", why);
}

void
sp_provider_secret(struct sp_auth_provider *p, const char *text, bool key)
{
	enum sp_alg alg;
	struct sp_err e;

	if (text == NULL)
		return;
	p->has_secret = p->has_secret || !key;
	p->has_key = p->has_key || key;
	p->secret_n = strlen(text);
	/* Wherever in it: a blank line before a key must not make it a password (A06). */
	p->secret_is_pem = sp_find(sp_str(text), SP_LIT("-----BEGIN")) != SIZE_MAX;
	if (p->secret_n == 0 || p->secret != NULL)
		return;
	if (!p->holds && sp_secret_hold(&e) != SP_OK) {
		useless(p, e.log);
		return;
	}
	p->holds = true;
	p->secret = sp_secret_new(p->secret_n);
	if (p->secret == NULL || sp_secret_set(p->secret, sp_str(text)) != SP_OK)
		useless(p, "there is no locked memory for it");
	else if (key && sp_pem_alg(sp_str(text), &alg, &e) != SP_OK)
		useless(p, e.log);
}

void
sp_provider_secret_free(struct sp_auth_provider *p)
{
	sp_secret_free(&p->secret);
	if (p->holds)
		sp_secret_drop();
	p->holds = false;
}

bool
sp_provider_mac_ok(const struct sp_auth_provider *p, const struct sp_ticket_need *need)
{
	return p->secret != NULL &&
	    sp_mac_check((enum sp_alg)need->alg, sp_secret_peek(p->secret), need->input, need->mac);
}

/* ---------------------------------------------------------------- introspection */

void
sp_introspect_request_free(struct sp_introspect_request *r)
{
	sp_locked_free(r->head);
	sp_locked_free(r->body);
	*r = (struct sp_introspect_request){ 0 };
}

static enum sp_status
write_request(const struct sp_introspect_client *c, sp_slice token, int64_t now_s, struct sp_introspect_request *r,
    struct sp_err *e)
{
	size_t head = sp_introspect_head_room(c), body = sp_introspect_body_room(c, token);
	struct sp_introspect_moment when = { .now_s = now_s };
	struct sp_out o, scratch;
	enum sp_status st;

	r->head = sp_locked_new(2 * head);
	r->body = sp_locked_new(body);
	if (r->head == NULL || r->body == NULL)
		return sp_fail(e, SP_E_UNAVAILABLE, NULL, "no locked memory for a request to the introspection endpoint");
	sp_random_bytes(when.jti, sizeof when.jti);
	sp_out_init(&o, r->head, head);
	sp_out_init(&scratch, (char *)r->head + head, head);
	st = sp_introspect_authorization(&o, &scratch, c, e);
	r->authorization = sp_out_view(&o);
	if (st != SP_OK)
		return st;
	sp_out_init(&o, r->body, body);
	st = sp_introspect_body(&o, c, token, &when, e);
	r->content = sp_out_view(&o);
	return st;
}

enum sp_status
sp_provider_request(const struct sp_auth_provider *p, sp_slice token, int64_t now_s, struct sp_introspect_request *r,
    struct sp_err *e)
{
	struct sp_introspect_client c = {
		.how = (enum sp_introspect_auth)p->auth, .id = sp_str(p->client_id), .secret = sp_secret_peek(p->secret),
		.audience = sp_str(p->url),
	};
	enum sp_status st;

	*r = (struct sp_introspect_request){ 0 };
	st = write_request(&c, token, now_s, r, e);
	if (st != SP_OK)
		sp_introspect_request_free(r);
	return st;
}

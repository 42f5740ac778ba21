/* References and the values that egresses get.  Every egress gets the secrets of its own server and no other. */
#include "keeper/keeper.h"

#include "base/log.h"
#include "crypto/crypto.h"
#include "vault/statefile.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define VAULT "vault:"
#define MANAGEMENT "management"

static struct sp_kref *
find_ref(const struct sp_keeper *k, sp_slice text)
{
	for (struct sp_kref *r = k->refs; r != NULL; r = r->next)
		if (sp_eq(sp_mem(r->text, r->n), text))
			return r;
	return NULL;
}

/* ---------------------------------------------------------------- file: and env: */

enum sp_status
sp_keeper_trim(struct sp_secret *s, sp_slice what, struct sp_err *e)
{
	size_t n;

	sp_secret_trim(s);
	n = sp_secret_len(s);
	if (n >= SP_VAULT_VALUE_MIN)
		return SP_OK;
	return sp_fail(e, SP_E_CONFIG, NULL, n == 0 ? "%.*s is empty" : "%.*s has fewer than 8 bytes, which cannot be told "
	    "from other text in an answer", SP_PRI(what));
}

static enum sp_status
read_ref(struct sp_keeper *k, sp_slice ref, int fd, struct sp_err *e)
{
	char what[160];
	enum sp_status st = SP_OK;
	size_t size;

	snprintf(what, sizeof what, "%.*s", SP_PRI(ref));
	if (sp_starts(ref, SP_LIT("file:")))
		st = sp_state_fit(fd, what, &size, e);
	if (st != SP_OK)
		return st;
	/* The descriptor may have been read by a keeper before us. */
	(void)lseek(fd, 0, SEEK_SET);
	st = sp_secret_fill(k->value, fd);
	if (st != SP_OK)
		return sp_fail(e, st, NULL, st == SP_E_TOO_BIG ? "%s has more than 16 kB" : "%s cannot be read", what);
	return sp_keeper_trim(k->value, ref, e);
}

static struct sp_kref *
new_ref(struct sp_keeper *k, sp_slice text)
{
	struct sp_kref *r = k->nrefs < SP_KEEPER_REFS ? calloc(1, sizeof *r + text.n) : NULL;

	if (r == NULL)
		return NULL;
	r->n = text.n;
	memcpy(r->text, text.p, text.n);
	r->next = k->refs;
	k->refs = r;
	k->nrefs++;
	return r;
}

bool
sp_keeper_take_ref(struct sp_keeper *k, sp_slice ref, int fd)
{
	struct sp_kref *r = find_ref(k, ref);
	struct sp_secret *fresh = NULL;
	struct sp_err e = { 0 };
	enum sp_status st;

	if (ref.n == 0 || (!sp_starts(ref, SP_LIT("file:")) && !sp_starts(ref, SP_LIT("env:"))))
		return false;
	if (r == NULL && (r = new_ref(k, ref)) == NULL) {
		sp_log(SP_ERROR, "secret.too_many", SP_S("ref", ref));
		return true;
	}
	st = read_ref(k, ref, fd, &e);
	if (st == SP_OK && ((fresh = sp_secret_new(sp_secret_len(k->value))) == NULL ||
	    sp_secret_copy(fresh, k->value) != SP_OK))
		st = sp_fail(&e, SP_E_FULL, NULL, "no room in locked memory");
	sp_secret_cut(k->value, 0);
	if (st != SP_OK)
		sp_secret_free(&fresh);
	sp_secret_free(&r->value);
	r->value = fresh;
	snprintf(r->why, sizeof r->why, "%.*s", (int)sizeof r->why - 1, e.log);
	sp_keeper_changed(k, ref);
	return true;
}

void
sp_keeper_forget_refs(struct sp_keeper *k)
{
	while (k->refs != NULL) {
		struct sp_kref *r = k->refs;

		k->refs = r->next;
		sp_secret_free(&r->value);
		free(r);
	}
	k->nrefs = 0;
}

/* ---------------------------------------------------------------- values */

enum sp_status
sp_keeper_resolve(struct sp_keeper *k, sp_slice ref, struct sp_err *e)
{
	const struct sp_kref *r;
	sp_slice name = ref;

	if (sp_take(&name, SP_LIT(VAULT))) {
		if (k->admin.vault == NULL)
			return sp_fail(e, SP_E_NOT_FOUND, NULL, "there is no vault: stop the gateway, run `sallyport vault init` "
			    "and `sallyport vault set %.*s`, start it again", SP_PRI(name));
		return sp_vault_get(k->admin.vault, name, k->value, e);
	}
	if (sp_keeper_is_command(ref))
		return sp_keeper_command_value(k, ref, k->value, e);
	r = find_ref(k, ref);
	if (r == NULL)
		return sp_fail(e, SP_E_NOT_FOUND, NULL, "%.*s was not there when the gateway started", SP_PRI(ref));
	if (r->value == NULL)
		return sp_fail(e, SP_E_CONFIG, NULL, "%s", r->why);
	return sp_secret_copy(k->value, r->value);
}

/* The whole set, then SYNC: what is not in it is no longer the egress's. */
static void
send_all(struct sp_keeper *k, struct sp_kpeer *p, const struct sp_image *img, const struct sp_img_server *s)
{
	for (uint32_t i = 0; i < s->grants.n; i++) {
		const struct sp_img_grant *g = SP_IMG_AT(img, s->grants, grant, i);
		struct sp_m_secret m = { .grant = i };
		struct sp_err e = { 0 };

		if (sp_keeper_resolve(k, sp_img_str(img, g->ref), &e) != SP_OK) {
			sp_log(SP_ERROR, "secret.unresolved", SP_S("server", sp_img_str(img, s->name)),
			    SP_S("secret", sp_img_str(img, g->name)), SP_S("ref", sp_img_str(img, g->ref)), SP_C("why", e.log));
			continue;
		}
		m.value = sp_secret_peek(k->value);
		sp_enc_secret(sp_chan_begin(p->ch, SP_M_SECRET), &m);
		sp_chan_end(p->ch);
		sp_secret_cut(k->value, 0);
	}
	(void)sp_chan_begin(p->ch, SP_M_SECRET_SYNC);
	sp_chan_end(p->ch);
}

static const struct sp_img_server *
server_of(const struct sp_keeper *k, const struct sp_kpeer *p, const struct sp_image **img)
{
	*img = sp_keeper_image(k, p->who.generation);
	if (p->who.role != SP_EGRESS || *img == NULL || p->who.index >= (*img)->head->servers.n)
		return NULL;
	return SP_IMG_AT(*img, (*img)->head->servers, server, p->who.index);
}

/* The introspection endpoint whose egress this is; NULL: it is none. */
static const struct sp_img_authority *
endpoint_of(const struct sp_keeper *k, const struct sp_kpeer *p, const struct sp_image **img)
{
	const struct sp_img_authority *a;
	uint32_t servers;

	*img = sp_keeper_image(k, p->who.generation);
	servers = *img == NULL ? 0 : (*img)->head->servers.n;
	if (p->who.role != SP_EGRESS || *img == NULL || p->who.index < servers ||
	    p->who.index - servers >= (*img)->head->authorities.n)
		return NULL;
	a = SP_IMG_AT(*img, (*img)->head->authorities, authority, p->who.index - servers);
	return a->source != 0 ? a : NULL;
}

/* What we are to this endpoint, as its one grant. */
static void
send_client(struct sp_keeper *k, struct sp_kpeer *p, const struct sp_image *img, const struct sp_img_authority *a)
{
	struct sp_m_secret m = { .grant = 0 };
	struct sp_err e = { 0 };

	if (sp_keeper_resolve(k, sp_img_str(img, a->client_secret), &e) == SP_OK) {
		m.value = sp_secret_peek(k->value);
		sp_enc_secret(sp_chan_begin(p->ch, SP_M_SECRET), &m);
		sp_chan_end(p->ch);
		sp_secret_cut(k->value, 0);
	} else {
		sp_log(SP_ERROR, "secret.unresolved", SP_S("endpoint", sp_img_str(img, a->url)),
		    SP_S("ref", sp_img_str(img, a->client_secret)), SP_C("why", e.log));
	}
	(void)sp_chan_begin(p->ch, SP_M_SECRET_SYNC);
	sp_chan_end(p->ch);
}

static bool
uses(const struct sp_image *img, const struct sp_img_server *s, sp_slice ref)
{
	for (uint32_t i = 0; i < s->grants.n; i++)
		if (sp_eq(sp_img_str(img, SP_IMG_AT(img, s->grants, grant, i)->ref), ref))
			return true;
	return false;
}

/* While the vault is locked, or a command has not run yet, calls of those who need it wait. */
static bool
not_there_yet(const struct sp_keeper *k, sp_slice ref)
{
	return (k->locked && sp_starts(ref, SP_LIT(VAULT))) ||
	    (sp_keeper_is_command(ref) && !sp_keeper_command_decided(k, ref));
}

static bool
must_wait(const struct sp_keeper *k, const struct sp_image *img, const struct sp_img_server *s)
{
	for (uint32_t i = 0; i < s->grants.n; i++)
		if (not_there_yet(k, sp_img_str(img, SP_IMG_AT(img, s->grants, grant, i)->ref)))
			return true;
	return false;
}

void
sp_keeper_secrets(struct sp_keeper *k, struct sp_kpeer *p)
{
	const struct sp_image *img;
	const struct sp_img_server *s = server_of(k, p, &img);
	const struct sp_img_authority *a = endpoint_of(k, p, &img);

	if (a != NULL && !not_there_yet(k, sp_img_str(img, a->client_secret)))
		send_client(k, p, img, a);
	/* No SYNC: they wait. */
	if (s == NULL || must_wait(k, img, s))
		return;
	send_all(k, p, img, s);
}

void
sp_keeper_manage_key(struct sp_keeper *k, struct sp_kpeer *p)
{
	struct sp_err e = { 0 };
	struct sp_m_hash m;

	if (p->who.role != SP_MANAGE || k->locked)
		return;
	if (sp_keeper_resolve(k, SP_LIT(VAULT MANAGEMENT), &e) == SP_OK) {
		sp_sha256(sp_secret_peek(k->value), m.hash);
		sp_secret_cut(k->value, 0);
	} else {
		/* The hash of nothing that exists. */
		sp_log(SP_WARN, "management.no_key", SP_C("why", e.log));
		sp_random_bytes(m.hash, sizeof m.hash);
	}
	sp_enc_hash(sp_chan_begin(p->ch, SP_M_MANAGE_KEY), &m);
	sp_chan_end(p->ch);
}

void
sp_keeper_changed(struct sp_keeper *k, sp_slice ref)
{
	for (struct sp_kpeer *p = k->peers; p != NULL; p = p->next) {
		const struct sp_image *img;
		const struct sp_img_server *s = server_of(k, p, &img);
		const struct sp_img_authority *a = endpoint_of(k, p, &img);

		if ((s != NULL && uses(img, s, ref)) || (a != NULL && sp_eq(sp_img_str(img, a->client_secret), ref)))
			sp_keeper_secrets(k, p);
		if (sp_eq(ref, SP_LIT(VAULT MANAGEMENT)))
			sp_keeper_manage_key(k, p);
	}
}

void
sp_keeper_all_secrets(struct sp_keeper *k)
{
	for (struct sp_kpeer *p = k->peers; p != NULL; p = p->next) {
		sp_keeper_secrets(k, p);
		sp_keeper_manage_key(k, p);
	}
}

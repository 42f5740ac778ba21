/* The life of keeper: what super brings, and when it ends. */
#include "keeper/keeper.h"

#include "base/log.h"
#include "crypto/crypto.h"
#include "audit/log.h"
#include "keeper/role.h"
#include "vault/sign.h"
#include "vault/statefile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { TICK_MS = 500, KEEP_DEAD_S = 90 * 86400 };

const struct sp_image *
sp_keeper_image(const struct sp_keeper *k, uint32_t generation)
{
	for (size_t i = 0; i < SP_COUNT(k->gen); i++)
		if (k->gen[i].used && k->gen[i].number == generation)
			return &k->gen[i].img;
	return NULL;
}

void
sp_keeper_audit(struct sp_keeper *k, const char *note, uint32_t uid, bool cli)
{
	char text[256];

	if (cli)
		snprintf(text, sizeof text, "%s, by user id %u", note, uid);
	else
		snprintf(text, sizeof text, "%s, through the management API", note);
	/* Behind what happened before it. */
	sp_audit_drain(k->audit);
	sp_audit_note(k->audit, "admin", text);
}

/* ---------------------------------------------------------------- generations */

static bool
in_use(const struct sp_keeper *k, uint32_t generation)
{
	for (const struct sp_kpeer *p = k->peers; p != NULL; p = p->next)
		if (p->who.generation == generation)
			return true;
	return generation == k->newest;
}

static enum sp_status
add_image(struct sp_keeper *k, uint32_t number, const struct sp_image *img, struct sp_err *e)
{
	size_t at = SP_COUNT(k->gen);

	for (size_t i = 0; i < SP_COUNT(k->gen); i++) {
		if (k->gen[i].used && k->gen[i].number == number)
			return sp_fail(e, SP_E_BUG, NULL, "generation %u is known already", number);
		if (k->gen[i].used && !in_use(k, k->gen[i].number)) {
			sp_image_close(&k->gen[i].img);
			k->gen[i].used = false;
		}
		if (!k->gen[i].used)
			at = i;
	}
	if (at == SP_COUNT(k->gen))
		return sp_fail(e, SP_E_FULL, NULL, "too many generations at once");
	k->gen[at].number = number;
	k->gen[at].img = *img;
	k->gen[at].used = true;
	k->newest = number;
	sp_keeper_want_commands(k);
	return SP_OK;
}

static bool
on_generation(struct sp_keeper *k, sp_slice body, int fd)
{
	struct sp_image img;
	struct sp_err e = { 0 };
	struct sp_m_gen m;
	enum sp_status st;

	if (!sp_dec_gen(body, &m))
		return false;
	st = sp_image_open(fd, &img, &e);
	if (st == SP_OK && (st = add_image(k, m.generation, &img, &e)) != SP_OK)
		sp_image_close(&img);
	if (st != SP_OK)
		sp_log(SP_ERROR, "generation.refused", SP_U("generation", m.generation), SP_C("why", e.log));
	return true;
}

/* ---------------------------------------------------------------- up */

static void
say_up(struct sp_keeper *k, const char *why)
{
	char buf[512];
	struct sp_out o;

	if (k->said_up)
		return;
	k->said_up = true;
	if (why[0] != '\0') {
		k->useless = true;
		sp_log(SP_ERROR, "keeper.useless", SP_C("why", why));
	}
	sp_out_init(&o, buf, sizeof buf);
	sp_enc_text(&o, &(struct sp_m_text){ sp_str(why) });
	if (o.full || sp_chan_send(k->b->super, SP_M_KEEPER_UP, sp_out_view(&o), NULL, 0) != SP_OK)
		sp_log(SP_ERROR, "keeper.mute");
}

/* env: and credential: keep what they had at start, so a key that was changed since does not come from there. */
static void
say_locked(struct sp_keeper *k, enum sp_status st, const char *why)
{
	char text[500];

	snprintf(text, sizeof text, "%.300s%s", why, st != SP_E_REFUSED ? "" : ". If its key was changed (`sallyport vault "
	    "rekey --new`), `unlock:` must name the new one: write it and start the gateway again");
	say_up(k, text);
}

/* M23: the material goes straight into locked memory, and stays there for a change of key. */
static bool
on_unlock(struct sp_keeper *k, sp_slice body, int fd)
{
	SP_AUTO(sp_secret_free) struct sp_secret *material = NULL;
	bool older = false;
	struct sp_err e = { 0 };
	enum sp_status st;
	struct sp_m_gen m;

	if (!sp_dec_gen(body, &m))
		return false;
	if (k->useless || !k->locked)
		return true;
	material = sp_secret_new(SP_MATERIAL_MAX);
	(void)lseek(fd, 0, SEEK_SET);
	if (material == NULL || (st = sp_secret_fill(material, fd)) != SP_OK)
		st = sp_fail(&e, SP_E_CONFIG, NULL, "what should open the vault cannot be read, or has more than 1 kB");
	else if (sp_secret_len(material) == 0)
		st = sp_fail(&e, SP_E_CONFIG, NULL, "what should open the vault is empty");
	else
		st = sp_admin_unlock(&k->admin, &material, &older, &e);
	if (st != SP_OK) {
		say_locked(k, st, e.log);
		return true;
	}
	if (older) {
		sp_log(SP_WARN, "vault.older", SP_C("why", "the vault is older than the one used last: was it restored?"));
		sp_audit_note(k->audit, "incident", "the vault is older than the one used last");
	}
	k->locked = false;
	sp_log(SP_INFO, "vault.open", SP_U("records", sp_vault_count(k->admin.vault)));
	sp_keeper_make_key(k);
	sp_keeper_all_secrets(k);
	say_up(k, "");
	return true;
}

/* ---------------------------------------------------------------- what super brings */

static bool
on_ring(struct sp_keeper *k, sp_slice body, int fd)
{
	struct sp_err e = { 0 };
	struct sp_m_peer who;
	int own;

	if (!sp_dec_peer(body, &who))
		return false;
	own = k->audit == NULL ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (own >= 0 && sp_audit_ring(k->audit, &who, own, &e) != SP_OK)
		sp_log(SP_ERROR, "audit.ring_refused", SP_C("role", sp_role_name((enum sp_role)who.role)), SP_C("why", e.log));
	return true;
}

static bool
on_ref(struct sp_keeper *k, sp_slice body, int fd)
{
	struct sp_m_text m;

	return sp_dec_text(body, &m) && (k->useless || sp_keeper_take_ref(k, m.text, fd));
}

static bool
on_control(struct sp_keeper *k, sp_slice body, int fd)
{
	struct sp_err e = { 0 };
	struct sp_m_gen m;
	int own;

	if (!sp_dec_gen(body, &m))
		return false;
	own = k->useless || k->leaving ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (own >= 0 && sp_keeper_control(k, m.generation, own, &e) != SP_OK)
		sp_log(SP_WARN, "control.refused", SP_U("uid", m.generation), SP_C("why", e.log));
	return true;
}

static bool
on_gone(struct sp_keeper *k, sp_slice body, int fd)
{
	struct sp_m_peer who;

	if (!sp_dec_peer(body, &who))
		return false;
	if (k->audit != NULL)
		sp_audit_gone(k->audit, &who);
	return true;
}

bool
sp_keeper_message(void *ctx, unsigned type, sp_slice body, const int *fds, unsigned nfds)
{
	static bool (*const table[SP_M_COUNT])(struct sp_keeper *k, sp_slice body, int fd) = {
		[SP_M_GONE] = on_gone, [SP_M_GENERATION] = on_generation, [SP_M_RING] = on_ring, [SP_M_SECRET_FD] = on_ref,
		[SP_M_SECRET_ENV] = on_ref, [SP_M_UNLOCK] = on_unlock, [SP_M_CONTROL] = on_control,
	};
	bool ok = type < SP_M_COUNT && table[type] != NULL && table[type](ctx, body, nfds != 0 ? fds[0] : -1);

	for (unsigned i = 0; i < nfds; i++)
		close(fds[i]);
	return ok;
}

enum sp_status
sp_keeper_new_peer(void *ctx, const struct sp_m_peer *who, int fd)
{
	struct sp_keeper *k = ctx;
	struct sp_err e = { 0 };
	enum sp_status st;

	if (k->useless || k->leaving) {
		close(fd);
		return SP_OK;
	}
	st = sp_keeper_peer(k, who, fd, &e);
	if (st != SP_OK)
		sp_log(SP_ERROR, "peer.refused", SP_C("why", e.log));
	return st;
}

/* ---------------------------------------------------------------- time */

static void
leave(struct sp_keeper *k)
{
	uv_timer_stop(&k->tick);
	sp_keeper_forget_keys(k);
	sp_keeper_forget_commands(k);
	if (k->audit != NULL)
		sp_audit_stop(k->audit);
	sp_keeper_drop_all(k);
	sp_keeper_forget_refs(k);
	sp_vault_free(&k->admin.vault);
	sp_secret_free(&k->admin.material);
	sp_secret_free(&k->value);
	sp_secret_free(&k->sign);
	sp_store_free(&k->admin.store);
	sp_secret_end();
	sp_role_exit(k->b);
}

/* The last to go: everybody else's records must be in the log. */
static void
on_leave(uv_timer_t *t)
{
	struct sp_keeper *k = t->data;

	if (k->npeers != 0 && sp_mono_ms() < k->leave_ms)
		return;
	uv_timer_stop(t);
	leave(k);
}

void
sp_keeper_drain(void *ctx, uint32_t ms)
{
	struct sp_keeper *k = ctx;

	if (k->leaving)
		return;
	k->leaving = true;
	k->leave_ms = sp_mono_ms() + ms;
	uv_timer_start(&k->leave, on_leave, 0, 20);
}

static void
on_tick(uv_timer_t *t)
{
	sp_keeper_tick_controls(t->data);
	sp_keeper_tick_keys(t->data);
	sp_keeper_tick_questions(t->data);
	sp_keeper_tick_commands(t->data);
}

/* There is nothing to wait for when there is no vault: said from the loop, behind READY. */
static void
on_first_tick(uv_timer_t *t)
{
	struct sp_keeper *k = t->data;

	if (k->why[0] != '\0')
		say_up(k, k->why);
	else if (!k->locked)
		say_up(k, "");
	uv_timer_start(t, on_tick, TICK_MS, TICK_MS);
}

/* ---------------------------------------------------------------- beginning */

enum sp_status
sp_keeper_prepare(struct sp_boot *b, void **ctx, struct sp_err *e)
{
	struct sp_keeper *k = calloc(1, sizeof *k);
	enum sp_status st;
	bool locked = true;

	if (k == NULL)
		return sp_fail(e, SP_E_FULL, NULL, "no memory");
	k->b = b;
	k->started_ms = sp_mono_ms();
	k->admin.state_dir = b->state_dir;
	*ctx = k;
	st = sp_crypto_init(e);
	if (st == SP_OK)
		st = sp_secret_init(SP_KEEPER_REGION, b->isolation != SP_ISOLATION_AVAILABLE, &locked, e);
	if (st != SP_OK)
		return st;
	if (!locked)
		sp_log(SP_WARN, "secret.not_locked", SP_C("why", "secrets may reach the swap; `isolation: available` says so"));
	k->value = sp_secret_new(SP_VAULT_VALUE_MAX + 2);
	k->sign = sp_secret_new(SP_SIGN_KEY);
	if (k->value == NULL || k->sign == NULL || uv_timer_init(b->loop, &k->tick) != 0 || uv_timer_init(b->loop, &k->leave) != 0)
		return sp_fail(e, SP_E_SYSTEM, NULL, "no memory");
	k->tick.data = k->leave.data = k;
	return add_image(k, b->generation, &b->img, e);
}

static enum sp_status
open_state(struct sp_keeper *k, struct sp_err *e)
{
	struct sp_audit_opts o = { k->b->loop, k->b->state_dir, k->b->page, NULL, k->b->img.head->call_ms, SP_AUDIT_ROTATE };
	char text[96];
	enum sp_status st = sp_store_open(k->b->state_dir, &k->admin.store, e);

	if (st == SP_OK)
		st = sp_store_tokens_prune(k->admin.store, sp_now_s() - KEEP_DEAD_S, e);
	o.store = k->admin.store;
	if (st == SP_OK)
		st = sp_audit_new(&o, &k->audit, e);
	if (st != SP_OK)
		return st;
	snprintf(text, sizeof text, "version %s, generation %u, incarnation %u of keeper", SP_VERSION, k->b->generation,
	    k->b->incarnation);
	sp_audit_note(k->audit, "start", text);
	k->locked = faccessat(k->b->state_dir, SP_VAULT_FILE, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	if (!k->locked)
		sp_keeper_make_key(k);
	return SP_OK;
}

/* In the jail, as the user that keeper stays: the files it makes are its own. */
enum sp_status
sp_keeper_start(void *ctx, struct sp_err *e)
{
	struct sp_keeper *k = ctx;
	struct sp_err why = { 0 };

	if (open_state(k, &why) != SP_OK) {
		/* super must hear it, and tell whoever started us. */
		snprintf(k->why, sizeof k->why, "%s", why.log);
		k->useless = true;
	}
	uv_timer_start(&k->tick, on_first_tick, 0, 0);
	return SP_OK;
}

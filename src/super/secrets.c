/*
 * Secrets that come by way of super.  A file is opened and its descriptor handed over; a value from the environment is
 * written into a pipe at once and overwritten where it stood.  From then on it lives in the kernel's memory only: each
 * keeper gets a copy made by tee(2), which never passes through ours.
 */
#include "super/super_int.h"

#include "base/log.h"
#include "vault/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

enum { PASSPHRASE_MAX = 1024, PATH_ROOM = SP_SOURCE_PATH };

static struct sp_supref *
find(const struct sp_super *s, sp_slice text)
{
	for (struct sp_supref *r = s->refs; r != NULL; r = r->next)
		if (sp_eq(sp_str(r->text), text))
			return r;
	return NULL;
}

/* ---------------------------------------------------------------- files */

static enum sp_status
open_secret(const char *path, int *out, struct sp_err *e)
{
	return sp_source_open(path, SP_UID_BASE + SP_KEEPER, out, e);
}

static enum sp_status
open_ref_file(sp_slice ref, int *fd, struct sp_err *e)
{
	char path[PATH_ROOM];

	if (!sp_take(&ref, SP_LIT("file:")) || !sp_cstr(ref, path, sizeof path))
		return sp_fail(e, SP_E_CONFIG, NULL, "a secret's path is too long");
	return open_secret(path, fd, e);
}

/* ---------------------------------------------------------------- pipes */

static enum sp_status
fill_pipe(void *ctx, sp_slice value, struct sp_err *e)
{
	int ends[2], *out = ctx;
	ssize_t n;

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
		return sp_fail(e, SP_E_SYSTEM, NULL, "no pipe for a secret (error %d)", errno);
	n = write(ends[1], value.p, value.n);
	close(ends[1]);
	if (n != (ssize_t)value.n) {
		close(ends[0]);
		return sp_fail(e, SP_E_SYSTEM, NULL, "a secret does not fit its pipe");
	}
	*out = ends[0];
	return SP_OK;
}

/* The same bytes in another pipe, at its end. */
static int
copy_pipe(int from)
{
	int ends[2];
	ssize_t n;

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
		return -1;
	n = tee(from, ends[1], SP_SOURCE_MAX * 2, SPLICE_F_NONBLOCK);
	close(ends[1]);
	if (n > 0)
		return ends[0];
	close(ends[0]);
	return -1;
}

static enum sp_status
take_env(sp_slice name, int *out, struct sp_err *e)
{
	return sp_source_env(name, fill_pipe, out, e);
}

/* ---------------------------------------------------------------- references */

static enum sp_status
remember(struct sp_super *s, sp_slice ref, struct sp_err *e)
{
	struct sp_supref *r;
	sp_slice name = ref;
	enum sp_status st = SP_OK;
	int fd = -1;

	if (sp_starts(ref, SP_LIT("file:"))) {
		st = open_ref_file(ref, &fd, e);
		if (st != SP_OK)
			return st;
		close(fd);
	}
	if (find(s, ref) != NULL)
		return SP_OK;
	r = calloc(1, sizeof *r + ref.n + 1);
	if (r == NULL)
		return sp_fail(e, SP_E_FULL, NULL, "no memory");
	memcpy(r->text, ref.p, ref.n);
	r->pipe = -1;
	if (sp_take(&name, SP_LIT("env:")))
		st = take_env(name, &r->pipe, e);
	if (st != SP_OK) {
		free(r);
		return st;
	}
	r->next = s->refs;
	s->refs = r;
	return SP_OK;
}

static bool
is_ours(sp_slice ref)
{
	return sp_starts(ref, SP_LIT("file:")) || sp_starts(ref, SP_LIT("env:"));
}

/* The next reference of an image that is ours to bring, of servers, of sources, of introspection endpoints; false: there is none any more. */
struct ref_place { uint32_t server, grant, source, authority; };

static bool
next_ref(const struct sp_image *img, struct ref_place *at, sp_slice *ref)
{
	const struct sp_img_head *h = img->head;

	for (; at->server < h->servers.n; at->server++, at->grant = 0) {
		const struct sp_img_server *srv = SP_IMG_AT(img, h->servers, server, at->server);

		while (at->grant < srv->grants.n) {
			*ref = sp_img_str(img, SP_IMG_AT(img, srv->grants, grant, at->grant++)->ref);
			if (is_ours(*ref))
				return true;
		}
	}
	while (at->source < h->sources.n) {
		*ref = sp_img_str(img, SP_IMG_AT(img, h->sources, source, at->source++)->keys_ref);
		if (is_ours(*ref))
			return true;
	}
	while (at->authority < h->authorities.n) {
		*ref = sp_img_str(img, SP_IMG_AT(img, h->authorities, authority, at->authority++)->client_secret);
		if (is_ours(*ref))
			return true;
	}
	return false;
}

enum sp_status
sp_secrets_collect(struct sp_super *s, const struct sp_image *img, struct sp_err *e)
{
	sp_slice unlock = sp_img_str(img, img->head->unlock_ref), ref;
	struct ref_place at = { 0 };
	enum sp_status st = SP_OK;

	while (st == SP_OK && next_ref(img, &at, &ref))
		st = remember(s, ref, e);
	if (st == SP_OK && sp_starts(unlock, SP_LIT("env:")))
		st = remember(s, unlock, e);
	return st;
}

static void
send_text(struct sp_super *s, enum sp_msg type, sp_slice text, int fd)
{
	char buf[1024];
	struct sp_out o;

	sp_out_init(&o, buf, sizeof buf);
	sp_enc_text(&o, &(struct sp_m_text){ text });
	if (o.full)
		sp_log(SP_ERROR, "secret.not_sent", SP_S("ref", text));
	else
		(void)!sp_proc_says(&s->keeper, type, sp_out_view(&o), &fd, 1);
}

static void
send_ref(struct sp_super *s, sp_slice text)
{
	const struct sp_supref *r = find(s, text);
	struct sp_err e = { 0 };
	int fd = -1;

	if (r == NULL)
		return;
	if (r->pipe >= 0)
		fd = copy_pipe(r->pipe);
	else if (open_ref_file(text, &fd, &e) != SP_OK)
		fd = -1;
	if (fd < 0) {
		sp_log(SP_ERROR, "secret.not_sent", SP_S("ref", text), SP_C("why", e.log));
		return;
	}
	send_text(s, r->pipe >= 0 ? SP_M_SECRET_ENV : SP_M_SECRET_FD, text, fd);
	close(fd);
}

void
sp_secrets_send(struct sp_super *s, const struct sp_image *img)
{
	struct ref_place at = { 0 };
	sp_slice ref;

	while (s->keeper.ch != NULL && next_ref(img, &at, &ref))
		send_ref(s, ref);
}

/* ---------------------------------------------------------------- what opens the vault */

static bool
has_vault(const struct sp_super *s)
{
	return faccessat(s->state_dir, "vault", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* From the terminal, without echo, straight into a pipe. */
static enum sp_status
ask_passphrase(struct sp_super *s, struct sp_err *e)
{
	static const char prompt[] = "passphrase of the vault: ";
	char buf[PASSPHRASE_MAX];
	struct termios was, quiet;
	enum sp_status st;
	size_t n = 0;
	int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);

	if (tty < 0 || tcgetattr(tty, &was) != 0) {
		if (tty >= 0)
			close(tty);
		return sp_fail(e, SP_E_CONFIG, NULL, "unlock: passphrase needs a terminal; a service uses file: or "
		    "credential:");
	}
	quiet = was;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	(void)tcsetattr(tty, TCSAFLUSH, &quiet);
	(void)!write(tty, prompt, sizeof prompt - 1);
	while (n < sizeof buf && read(tty, buf + n, 1) == 1 && buf[n] != '\n')
		n++;
	(void)tcsetattr(tty, TCSAFLUSH, &was);
	(void)!write(tty, "\n", 1);
	close(tty);
	st = n == 0 || n == sizeof buf ? sp_fail(e, SP_E_CONFIG, NULL, "the passphrase is empty or too long") :
	    fill_pipe(&s->unlock_pipe, sp_mem(buf, n), e);
	explicit_bzero(buf, sizeof buf);
	return st;
}

static enum sp_status
open_credential(sp_slice name, int *fd, struct sp_err *e)
{
	const char *folder = getenv("CREDENTIALS_DIRECTORY");
	char path[PATH_ROOM];
	int n;

	if (folder == NULL || folder[0] != '/')
		return sp_fail(e, SP_E_CONFIG, NULL, "unlock: credential: there is no $CREDENTIALS_DIRECTORY; "
		    "use LoadCredential= in the unit");
	if (name.n == 0 || sp_has_byte(name, '/') || sp_has_byte(name, 0))
		return sp_fail(e, SP_E_CONFIG, NULL, "unlock: credential: not a name");
	n = snprintf(path, sizeof path, "%s/%.*s", folder, (int)name.n, name.p);
	if (n < 0 || (size_t)n >= sizeof path)
		return sp_fail(e, SP_E_CONFIG, NULL, "unlock: credential: the path is too long");
	*fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	return *fd >= 0 ? SP_OK : sp_fail(e, SP_E_CONFIG, NULL, "credential %s: %s", path, strerror(errno));
}

static enum sp_status
open_unlock(struct sp_super *s, const struct sp_image *img, int *fd, struct sp_err *e)
{
	sp_slice ref = sp_img_str(img, img->head->unlock_ref);
	const struct sp_supref *r;
	char path[PATH_ROOM + 32];

	if (ref.n == 0) {
		(void)snprintf(path, sizeof path, "%s/vault.key", s->state_path);
		return open_secret(path, fd, e);
	}
	if (sp_starts(ref, SP_LIT("file:")))
		return open_ref_file(ref, fd, e);
	if (sp_take(&ref, SP_LIT("credential:")))
		return open_credential(ref, fd, e);
	if (sp_starts(ref, SP_LIT("env:"))) {
		r = find(s, ref);
		*fd = r == NULL ? -1 : copy_pipe(r->pipe);
	} else {
		*fd = s->unlock_pipe;
		s->unlock_pipe = -1;
	}
	return *fd >= 0 ? SP_OK : sp_fail(e, SP_E_CONFIG, NULL, "what opens the vault is not there any more");
}

/* Everything that can be wrong about it is told before anything is started. */
enum sp_status
sp_unlock_prepare(struct sp_super *s, const struct sp_image *img, struct sp_err *e)
{
	sp_slice ref = sp_img_str(img, img->head->unlock_ref);
	enum sp_status st;
	int fd;

	if (!has_vault(s) || s->keeper.pid != 0)
		return SP_OK;
	if (sp_eq(ref, SP_LIT("passphrase"))) {
		st = ask_passphrase(s, e);
		s->prompted = st == SP_OK;
		return st;
	}
	st = open_unlock(s, img, &fd, e);
	if (st == SP_OK)
		close(fd);
	return st;
}

void
sp_unlock_send(struct sp_super *s, const struct sp_image *img)
{
	sp_slice ref = sp_img_str(img, img->head->unlock_ref);
	struct sp_err e = { 0 };
	char buf[8];
	struct sp_out o;
	int fd;

	if (!has_vault(s))
		return;
	if (open_unlock(s, img, &fd, &e) != SP_OK) {
		sp_super_fatal(s, e.log);
		sp_log(SP_ERROR, "vault.locked", SP_C("why", e.log));
		return;
	}
	sp_out_init(&o, buf, sizeof buf);
	sp_enc_gen(&o, &(struct sp_m_gen){ sp_eq(ref, SP_LIT("passphrase")) ? 2 : ref.n == 0 ? 3 : 1 });
	(void)!sp_proc_says(&s->keeper, SP_M_UNLOCK, sp_out_view(&o), &fd, 1);
	close(fd);
}

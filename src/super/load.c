/* Reading the configuration: loader fills a memfd, which is then sealed and checked like any foreign data. */
#include "super/super_int.h"

#include "base/log.h"
#include "os/state.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LOAD_MS = 120000, NOEXEC_SEAL = 8 };

static int
make_memfd(void)
{
	int fd = memfd_create("image", MFD_CLOEXEC | MFD_ALLOW_SEALING | NOEXEC_SEAL);

	return fd >= 0 || errno != EINVAL ? fd : memfd_create("image", MFD_CLOEXEC | MFD_ALLOW_SEALING);
}

static void
refused(struct sp_super *s, const char *why)
{
	const struct sp_gen *live = sp_gen_live(s);

	if (live == NULL) {
		sp_super_fatal(s, why);
		return;
	}
	sp_log(SP_ERROR, "reload.refused", SP_C("why", why), SP_U("stays", live->number));
	sp_listen_prune(s, &live->img);
	sp_notify(s, "READY=1");
}

static void
on_late(uv_timer_t *t)
{
	struct sp_super *s = t->data;

	if (s->loader > 0)
		(void)kill(s->loader, SIGKILL);
}

void
sp_load_begin(struct sp_super *s)
{
	char number[16];
	const char *const argv[] = { "sallyport-loader", s->opts.config, number, NULL };

	if (s->loader > 0) {
		s->again = true;
		return;
	}
	s->again = false;
	s->loading = s->next_generation++;
	s->loader_fd = make_memfd();
	if (s->loader_fd < 0) {
		refused(s, "no memory for the image");
		return;
	}
	(void)snprintf(number, sizeof number, "%u", s->loading);
	s->loader = sp_child_start(s, &(struct sp_child){ s->exe[SP_LOADER], -1, s->loader_fd, argv, true });
	if (s->loader < 0) {
		close(s->loader_fd);
		s->loader = 0;
		refused(s, "loader cannot be started");
		return;
	}
	uv_timer_start(&s->load_timer, on_late, LOAD_MS, 0);
}

static enum sp_status
prepare_state(struct sp_super *s, const struct sp_image *img, struct sp_err *e)
{
	char path[sizeof s->state_path];
	enum sp_status st = sp_state_path(sp_img_str(img, img->head->state_path), path, sizeof path, e);

	if (st != SP_OK)
		return st;
	if (s->state_dir >= 0)
		return strcmp(path, s->state_path) == 0 ? SP_OK :
		    sp_fail(e, SP_E_CONFIG, NULL, "`state` cannot change while we run; start again");
	(void)snprintf(s->state_path, sizeof s->state_path, "%s", path);
	return sp_super_open_state(s, e);
}

/* Everything that can be refused, before anything is started for the new image. */
static enum sp_status
accept_image(struct sp_super *s, int fd, struct sp_err *e)
{
	struct sp_image img;
	enum sp_status st;

	if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
		close(fd);
		return sp_fail(e, SP_E_SYSTEM, NULL, "the image cannot be sealed (error %d)", errno);
	}
	st = sp_image_open(fd, &img, e);
	if (st != SP_OK) {
		close(fd);
		return st;
	}
	st = img.head->generation == s->loading ? prepare_state(s, &img, e) :
	    sp_fail(e, SP_E_BUG, NULL, "the image is of another generation");
	if (st == SP_OK)
		st = sp_secrets_collect(s, &img, e);
	if (st == SP_OK)
		st = sp_unlock_prepare(s, &img, e);
	if (st == SP_OK)
		st = sp_listen_open(s, &img, e);
	if (st != SP_OK) {
		sp_image_close(&img);
		close(fd);
		return st;
	}
	sp_gen_start(s, fd, &img);
	return SP_OK;
}

bool
sp_load_ended(struct sp_super *s, pid_t pid, int status)
{
	struct sp_err e = { 0 };
	int fd = s->loader_fd;

	if (pid != s->loader || pid <= 0)
		return false;
	s->loader = 0;
	s->loader_fd = -1;
	uv_timer_stop(&s->load_timer);
	if (s->phase == SP_STOPPING) {
		close(fd);
		sp_super_stopping(s);
		return true;
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		close(fd);
		refused(s, WIFEXITED(status) ? "the configuration has errors; they are named above" :
		    "loader was killed");
	} else if (accept_image(s, fd, &e) != SP_OK) {
		refused(s, e.log);
	} else if (s->phase == SP_BEGINNING) {
		sp_proc_start(&s->keeper);
	}
	if (s->again && s->phase == SP_SERVING)
		sp_load_begin(s);
	return true;
}

void
sp_load_abort(struct sp_super *s)
{
	uv_timer_stop(&s->load_timer);
	if (s->loader > 0)
		(void)kill(s->loader, SIGKILL);
}

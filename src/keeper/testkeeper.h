/*
 * For tests only: keeper in its state folder, with super, egresses, fronts, manage, spawner and a command line played over
 * socket pairs.
 */
#ifndef SP_KEEPER_TESTKEEPER_H
#define SP_KEEPER_TESTKEEPER_H

#include "audit/files.h"
#include "base/check.h"
#include "base/log.h"
#include "config/config.h"
#include "crypto/crypto.h"
#include "keeper/keeper.h"
#include "keeper/role.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct seen { unsigned type; char *body; size_t n; };

/* The other end of a channel of keeper's. */
struct end { int fd; bool packets; char in[1 << 18]; size_t n; struct seen seen[256]; unsigned nseen; };

/* What keeper_new() starts with. */
struct texts { const char *document, *configuration; };

struct env {
	const struct texts *texts;
	char path[64];
	int home;
	uv_loop_t loop;
	struct sp_boot boot;
	struct sp_page page;
	struct sp_imgb imgb;
	struct sp_keeper *k;
	struct end super;
	struct sp_secret *key;
};

static inline enum sp_status
read_config(void *ctx, sp_slice path, size_t max, struct sp_out *out, struct sp_err *e)
{
	const struct env *v = ctx;

	sp_out_str(out, sp_ends(path, SP_LIT(".json")) ? v->texts->document : v->texts->configuration);
	return SP_OK;
}

static inline void
make_image(struct env *v)
{
	struct sp_config_opts o = { .generation = 1, .read = read_config, .ctx = v };
	struct sp_findings f;
	struct sp_out text;

	sp_imgb_free(&v->imgb);
	sp_findings_init(&f, SP_LIT("c.yaml"));
	if (sp_config_load(SP_LIT("c.yaml"), &o, &f, &v->imgb) != SP_OK) {
		sp_out_heap(&text, 65536);
		sp_findings_write(&text, &f);
		fail_msg("%.*s", (int)text.n, text.p);
	}
	sp_findings_free(&f);
	assert_int_equal(sp_image_check(v->imgb.o.p, v->imgb.o.n, &v->boot.img, NULL), SP_OK);
}

static inline bool
super_message(void *ctx, struct sp_chan *ch, unsigned type, sp_slice body, const int *fds, unsigned nfds)
{
	return true;
}

static inline void
super_closed(void *ctx, struct sp_chan *ch, const char *why)
{
}

static const struct sp_chan_ops super_ops = { super_message, super_closed };

static inline void
start(struct env *v)
{
	struct sp_err e = { 0 };
	void *ctx = NULL;
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	v->super = (struct end){ .fd = ends[1], .packets = true };
	assert_int_equal(uv_loop_init(&v->loop), 0);
	v->boot.role = SP_KEEPER;
	v->boot.generation = 1;
	v->boot.incarnation = 77;
	v->boot.loop = &v->loop;
	v->boot.page = &v->page;
	v->boot.isolation = SP_ISOLATION_AVAILABLE;
	v->boot.state_dir = open(v->path, O_RDONLY | O_DIRECTORY);
	assert_int_equal(sp_chan_new(&v->loop, ends[0], SP_CHAN_PACKET, SP_KEEPER, SP_SUPER, &super_ops, v, &v->boot.super), SP_OK);
	if (sp_keeper_prepare(&v->boot, &ctx, &e) != SP_OK || sp_keeper_start(ctx, &e) != SP_OK)
		fail_msg("%s", e.log);
	v->k = ctx;
}

static inline void forget(struct end *x);

static inline void
stop(struct env *v)
{
	sp_keeper_drain(v->k, 0);
	(void)uv_run(&v->loop, UV_RUN_DEFAULT);
	if (v->k->audit != NULL)
		sp_audit_free(&v->k->audit);
	uv_close((uv_handle_t *)&v->k->tick, NULL);
	uv_close((uv_handle_t *)&v->k->leave, NULL);
	sp_chan_free(&v->boot.super);
	(void)uv_run(&v->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&v->loop), 0);
	free(v->k);
	v->k = NULL;
	close(v->boot.state_dir);
	forget(&v->super);
	close(v->super.fd);
}

static inline struct env *
keeper_new(const struct texts *texts)
{
	struct env *v = calloc(1, sizeof *v);
	struct sp_secret *value;
	struct sp_vault *vault = NULL;
	int dir;

	v->texts = texts;
	sp_log_init("test", SP_ERROR);
	assert_int_equal(sp_crypto_init(NULL), SP_OK);
	snprintf(v->path, sizeof v->path, "/tmp/sp-keeper-XXXXXX");
	assert_non_null(mkdtemp(v->path));
	v->home = open(".", O_RDONLY | O_DIRECTORY);
	assert_int_equal(chdir(v->path), 0);
	make_image(v);
	/* The vault as the command line leaves it. */
	dir = open(".", O_RDONLY | O_DIRECTORY);
	assert_int_equal(sp_secret_init(65536, false, NULL, NULL), SP_OK);
	value = sp_secret_new(64);
	assert_int_equal(sp_secret_set(value, SP_LIT("correct horse battery")), SP_OK);
	assert_int_equal(sp_vault_create(dir, value, &(struct sp_kdf_cost){ 1, 64 }, 1, NULL), SP_OK);
	assert_int_equal(sp_vault_open(dir, value, &vault, NULL), SP_OK);
	assert_int_equal(sp_secret_set(value, SP_LIT("secret-of-one")), SP_OK);
	assert_int_equal(sp_vault_set(vault, SP_LIT("one"), value, 1, NULL), SP_OK);
	assert_int_equal(sp_secret_set(value, SP_LIT("management-key")), SP_OK);
	assert_int_equal(sp_vault_set(vault, SP_LIT("management"), value, 1, NULL), SP_OK);
	sp_vault_free(&vault);
	sp_secret_free(&value);
	sp_secret_end();
	close(dir);
	start(v);
	return v;
}

static inline void
remove_all(int at, const char *path)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY);
	DIR *d = fdopendir(fd);

	for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 && unlinkat(fd, e->d_name, 0) != 0)
			remove_all(fd, e->d_name);
	closedir(d);
	unlinkat(at, path, AT_REMOVEDIR);
}

static inline int
teardown(void **state)
{
	struct env *v = *state;

	if (v->k != NULL)
		stop(v);
	sp_imgb_free(&v->imgb);
	assert_int_equal(fchdir(v->home), 0);
	close(v->home);
	remove_all(AT_FDCWD, v->path);
	free(v);
	return 0;
}

/* ---------------------------------------------------------------- the other ends */

static inline void
remember(struct end *x, unsigned type, const char *body, size_t n)
{
	assert_true(x->nseen < SP_COUNT(x->seen));
	x->seen[x->nseen] = (struct seen){ type, malloc(n + 1), n };
	memcpy(x->seen[x->nseen].body, body, n);
	x->nseen++;
}

static inline void
listen_to(struct end *x)
{
	ssize_t n = recv(x->fd, x->in + x->n, sizeof x->in - x->n, MSG_DONTWAIT);

	if (n <= 0)
		return;
	if (x->packets) {
		remember(x, (unsigned char)x->in[0], x->in + 1, (size_t)n - 1);
		return;
	}
	x->n += (size_t)n;
	for (;;) {
		struct sp_rd r = { { x->in, x->n }, false };
		size_t len = (size_t)sp_rd_be(&r, 4);

		if (x->n < 5 || x->n < 5 + len)
			return;
		remember(x, (unsigned char)x->in[4], x->in + 5, len);
		memmove(x->in, x->in + 5 + len, x->n - 5 - len);
		x->n -= 5 + len;
	}
}

static inline void
turn(struct env *v, struct end *x)
{
	for (int i = 0; i < 30; i++) {
		(void)uv_run(&v->loop, UV_RUN_NOWAIT);
		if (x != NULL)
			listen_to(x);
		listen_to(&v->super);
	}
}

static inline void
forget(struct end *x)
{
	for (unsigned i = 0; i < x->nseen; i++)
		free(x->seen[i].body);
	x->nseen = 0;
}

static inline unsigned
count(const struct end *x, unsigned type)
{
	unsigned n = 0;

	for (unsigned i = 0; i < x->nseen; i++)
		n += x->seen[i].type == type;
	return n;
}

/* In messages of this type; SP_M_COUNT: in any. */
static inline bool
has_in(const struct end *x, unsigned type, const char *text)
{
	for (unsigned i = 0; i < x->nseen; i++)
		if ((type == SP_M_COUNT || x->seen[i].type == type) && sp_find(sp_mem(x->seen[i].body, x->seen[i].n), sp_str(text)) != SIZE_MAX)
			return true;
	return false;
}

static inline bool
has(const struct end *x, const char *text)
{
	return has_in(x, SP_M_COUNT, text);
}

static inline void
peer_by(struct env *v, enum sp_role role, uint32_t index, int type, struct end *x)
{
	const struct sp_m_peer who = { (uint32_t)role, index, 1, 5 };
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends), 0);
	*x = (struct end){ .fd = ends[1], .packets = type == SOCK_SEQPACKET };
	assert_int_equal(sp_keeper_new_peer(v->k, &who, ends[0]), SP_OK);
	turn(v, x);
}

/* Hands keeper a message of super's with the reading end of a pipe that holds `value`. */
static inline void
peer(struct env *v, enum sp_role role, uint32_t index, struct end *x)
{
	peer_by(v, role, index, SOCK_STREAM, x);
}

static inline bool
from_super(struct env *v, unsigned type, sp_slice body, const char *value)
{
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], value, strlen(value)), strlen(value));
	close(ends[1]);
	return sp_keeper_message(v->k, type, body, ends, 1);
}

static inline void
unlock(struct env *v, const char *words)
{
	assert_true(from_super(v, SP_M_UNLOCK, sp_mem("\0\0\0\2", 4), words));
	turn(v, NULL);
}

static inline sp_slice
text_body(struct sp_out *o, const char *text)
{
	sp_out_reset(o);
	sp_enc_text(o, &(struct sp_m_text){ sp_str(text) });
	return sp_out_view(o);
}

static inline void
control(struct env *v, uint32_t uid, struct end *x)
{
	struct sp_out o;
	char buf[16];
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	*x = (struct end){ .fd = ends[1] };
	sp_out_init(&o, buf, sizeof buf);
	sp_enc_gen(&o, &(struct sp_m_gen){ uid });
	assert_true(sp_keeper_message(v->k, SP_M_CONTROL, sp_out_view(&o), &ends[0], 1));
	turn(v, x);
}

/* Asks and waits; the status, and the text of the answer. */
static inline uint32_t
ask(struct env *v, struct end *x, uint32_t op, sp_slice body, char *text, size_t cap)
{
	struct sp_m_ask q = { 9, op, body };
	struct sp_m_answer a;
	struct sp_out o, frame;

	sp_out_heap(&o, 65536);
	sp_out_heap(&frame, 65536);
	sp_enc_ask(&o, &q);
	sp_out_be(&frame, o.n, 4);
	sp_out_be(&frame, SP_M_ASK, 1);
	sp_out_slice(&frame, sp_out_view(&o));
	assert_int_equal(write(x->fd, frame.p, frame.n), frame.n);
	sp_out_free(&o);
	sp_out_free(&frame);
	for (int i = 0; i < 100 && count(x, SP_M_ANSWER) == 0; i++)
		turn(v, x);
	for (unsigned i = 0; i < x->nseen; i++) {
		if (x->seen[i].type != SP_M_ANSWER)
			continue;
		assert_true(sp_dec_answer(sp_mem(x->seen[i].body, x->seen[i].n), &a));
		assert_int_equal(a.id, 9);
		snprintf(text, cap, "%.*s", (int)a.body.n, a.body.p);
		forget(x);
		return a.status;
	}
	fail_msg("no answer to operation %u", op);
	return 0;
}

/* One message to keeper, as this peer. */
static inline void
tell(struct env *v, struct end *x, unsigned type, const struct sp_out *body)
{
	struct sp_out frame;

	sp_out_heap(&frame, 1 << 20);
	sp_out_be(&frame, body->n, 4);
	sp_out_be(&frame, type, 1);
	sp_out_slice(&frame, sp_out_view(body));
	assert_int_equal(write(x->fd, frame.p, frame.n), frame.n);
	sp_out_free(&frame);
	turn(v, x);
}

/* The same as a packet, with a descriptor (-1: none), which is closed here. */
static inline void
tell_packet(struct env *v, struct end *x, unsigned type, const struct sp_out *body, int fd)
{
	char first = (char)type;
	union { char room[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } u = { { 0 } };
	struct iovec io[2] = { { &first, 1 }, { body->p, body->n } };
	struct msghdr m = { .msg_iov = io, .msg_iovlen = body->n == 0 ? 1 : 2 };

	if (fd >= 0) {
		m.msg_control = u.room;
		m.msg_controllen = sizeof u.room;
		u.align = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(&u.align), &fd, sizeof fd);
	}
	assert_true(sendmsg(x->fd, &m, 0) > 0);
	if (fd >= 0)
		close(fd);
	turn(v, x);
}

/* The last message of this type, or NULL. */
static inline const struct seen *
last(const struct end *x, unsigned type)
{
	for (unsigned i = x->nseen; i-- > 0;)
		if (x->seen[i].type == type)
			return &x->seen[i];
	return NULL;
}

static inline void
end_free(struct end *x)
{
	forget(x);
	close(x->fd);
	free(x);
}

#define END() (struct end *)calloc(1, sizeof(struct end))

#endif

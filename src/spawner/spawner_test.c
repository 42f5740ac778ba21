/* The real sallyport-spawner from this build, driven as super and keeper drive it, with real commands. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "config/testkit.h"
#include "ipc/packet.h"
#include "os/role.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_MS = 20000, OUTPUT_MAX = 65536 };

static char folder[64];
static int super = -1, keeper = -1;
static pid_t spawner;

/* ---------------------------------------------------------------- the world */

static const struct { const char *name, *text; } scripts[] = {
	{ "stubborn", "#!/bin/sh\ntrap '' TERM HUP INT\necho $$ >%s/pids\nsleep 1000 &\necho $! >>%s/pids\n"
	    "setsid sh -c 'echo $$ >>%s/pids; exec sleep 1000' &\nwait\nwait\n" },
	{ "daemon", "#!/bin/sh\n(setsid sh -c 'echo $$ >%s/pids; exec sleep 1000' >/dev/null 2>&1 &)\n"
	    "while ! [ -s %s/pids ]; do :; done\necho started\n" },
	{ "suicide", "#!/bin/sh\nkill -9 $$\n" },
	{ "streams", "#!/bin/sh\necho noise >&2\nread x && echo input\npwd\n" },
	{ "fails", "#!/bin/sh\necho half\nexit 3\n" },
};

/* What the file names.  "@" stands for the folder of the scripts. */
static const char *const commands[] = {
	"echo hello", "echo  a   b ", "false", "sp-no-such-program s3cr3t", "yes", "env", "sleep 1000",
	"grep NoNewPrivs /proc/self/status", "grep Seccomp: /proc/self/status", "sh -c exit", "@stubborn", "@daemon", "@suicide", "@streams", "ls /proc/self/fd", "@fails",
	"@absent", "echo ${HOME} $(id) ; `id` | cat",
};

static void
command(const char *text, char *buf, size_t cap)
{
	const int n = text[0] == '@' ? snprintf(buf, cap, "command:%s/%s", folder, text + 1) : snprintf(buf, cap, "command:%s", text);

	assert_true(n > 0 && (size_t)n < cap);
}

static int
make_image(void)
{
	static char yaml[8192];
	struct kit_file files[] = { { "x.yaml", yaml }, { NULL, NULL } };
	struct sp_findings f;
	struct sp_imgb b;
	struct sp_image img;
	struct sp_out o;
	int fd = memfd_create("image", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	sp_out_init(&o, yaml, sizeof yaml - 1);
	sp_out_str(&o, "auth: {type: static}\nservers:\n  s:\n    mcp: https://s.internal/mcp\n    secrets:\n");
	for (size_t i = 0; i < SP_COUNT(commands); i++) {
		char ref[300];

		command(commands[i], ref, sizeof ref);
		sp_out_fmt(&o, "      k%zu: \"%s\"\n", i, ref);
	}
	sp_out_str(&o, "rules: [{allow: s.x}]\n");
	yaml[o.n] = 0;
	if (kit_load(files, (struct sp_config_opts){ 0 }, &f, &b, &img) != SP_OK)
		kit_show(&f);
	sp_findings_free(&f);
	assert_int_equal(write(fd, b.o.p, b.o.n), (ssize_t)b.o.n);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), 0);
	sp_imgb_free(&b);
	return fd;
}

static void
write_scripts(void)
{
	for (size_t i = 0; i < SP_COUNT(scripts); i++) {
		char path[128], text[600];
		int fd, n = snprintf(text, sizeof text, scripts[i].text, folder, folder, folder);

		(void)snprintf(path, sizeof path, "%s/%s", folder, scripts[i].name);
		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
		assert_int_equal(write(fd, text, (size_t)n), n);
		close(fd);
	}
}

static void
exec_spawner(int fd)
{
	static char self[4000], path[4200];
	char *argv[] = { path, NULL };
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

	if (n <= 0)
		_exit(98);
	*strrchr(self, '/') = 0;
	(void)snprintf(path, sizeof path, "%s/libexec/sallyport-spawner", self);
	if (dup2(fd, 3) != 3)
		_exit(97);
	execv(path, argv);
	_exit(96);
}

static void
send_many(int fd, unsigned type, sp_slice body, const int *fds, unsigned nfds)
{
	union { struct cmsghdr align; char room[CMSG_SPACE(sizeof(int) * 4)]; } control = { 0 };
	char buf[200];
	struct iovec iov = { buf, body.n + 1 };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
	    .msg_controllen = CMSG_SPACE(sizeof(int) * nfds) };

	control.align.cmsg_level = SOL_SOCKET;
	control.align.cmsg_type = SCM_RIGHTS;
	control.align.cmsg_len = CMSG_LEN(sizeof(int) * nfds);
	memcpy(CMSG_DATA(&control.align), fds, sizeof(int) * nfds);
	buf[0] = (char)type;
	memcpy(buf + 1, body.p, body.n);
	assert_int_equal(sendmsg(fd, &mh, MSG_NOSIGNAL), (ssize_t)body.n + 1);
}

static bool
wait_readable(int fd)
{
	struct pollfd p = { fd, POLLIN, 0 };

	return poll(&p, 1, PATIENCE_MS) == 1;
}

static void
give_keeper(void)
{
	int ends[2];
	char buf[16];
	struct sp_out o;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	sp_out_init(&o, buf, sizeof buf);
	sp_enc_peer(&o, &(struct sp_m_peer){ SP_KEEPER, 0, 0, 7 });
	assert_int_equal(sp_packet_send(super, SP_M_PEER, sp_out_view(&o), ends[1]), SP_OK);
	close(ends[1]);
	if (keeper >= 0)
		close(keeper);
	keeper = ends[0];
}

static int
set_up(void **state)
{
	const struct sp_m_boot boot = { .role = SP_SPAWNER, .generation = 1, .incarnation = 3, .log_level = SP_ERROR,
	    .isolation = SP_ISOLATION_AVAILABLE };
	static struct sp_packet p;
	char buf[64];
	struct sp_out o;
	int ends[2], fds[2];

	(void)state;
	(void)snprintf(folder, sizeof folder, "/tmp/sp-spawner-XXXXXX");
	assert_non_null(mkdtemp(folder));
	write_scripts();
	setenv("SP_TEST_SECRET", "s3cr3t", 1);
	setenv("LD_BIND_NOW", "1", 1);
	setenv("LC_ALL", "C", 1);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	fds[0] = make_image();
	fds[1] = memfd_create("page", MFD_CLOEXEC);
	spawner = fork();
	assert_true(spawner >= 0);
	if (spawner == 0)
		exec_spawner(ends[1]);
	close(ends[1]);
	super = ends[0];
	sp_out_init(&o, buf, sizeof buf);
	sp_enc_boot(&o, &boot);
	send_many(super, SP_M_BOOT, sp_out_view(&o), fds, 2);
	close(fds[0]);
	close(fds[1]);
	assert_true(wait_readable(super));
	assert_int_equal(sp_packet_recv(super, SP_SPAWNER, SP_SUPER, &p), SP_OK);
	assert_int_equal(p.type, SP_M_READY);
	give_keeper();
	return 0;
}

static int
tear_down(void **state)
{
	int st;

	(void)state;
	close(super);
	if (keeper >= 0)
		close(keeper);
	keeper = -1;
	if (spawner > 0) {
		assert_int_equal(waitpid(spawner, &st, 0), spawner);
		assert_true(WIFEXITED(st) && WEXITSTATUS(st) == 0);
	}
	for (size_t i = 0; i < SP_COUNT(scripts); i++) {
		char path[128];

		(void)snprintf(path, sizeof path, "%s/%s", folder, scripts[i].name);
		(void)unlink(path);
	}
	{
		char path[128];

		(void)snprintf(path, sizeof path, "%s/pids", folder);
		(void)unlink(path);
	}
	return rmdir(folder);
}

/* ---------------------------------------------------------------- as keeper */

static void
ask(uint32_t id, const char *text)
{
	char ref[300], buf[1024];
	struct sp_out o;

	command(text, ref, sizeof ref);
	sp_out_init(&o, buf, sizeof buf);
	sp_enc_run(&o, &(struct sp_m_run){ id, sp_str(ref) });
	assert_int_equal(sp_packet_send(keeper, SP_M_RUN, sp_out_view(&o), -1), SP_OK);
}

struct ended { uint32_t id, status; char why[300]; int out; bool ran; };

/* The next answers, up to a RUN_ENDED. */
static struct ended
answer(void)
{
	static struct sp_packet p;
	struct ended e = { .out = -1 };
	struct sp_m_run_ended m;
	struct sp_m_ran ran;

	for (;;) {
		assert_true(wait_readable(keeper));
		assert_int_equal(sp_packet_recv(keeper, SP_SPAWNER, SP_KEEPER, &p), SP_OK);
		if (p.type == SP_M_RAN) {
			assert_true(sp_dec_ran(p.body, &ran));
			e.out = p.fds[0];
			e.ran = true;
			continue;
		}
		assert_int_equal(p.type, SP_M_RUN_ENDED);
		assert_true(sp_dec_run_ended(p.body, &m));
		e.id = m.id;
		e.status = m.status;
		(void)snprintf(e.why, sizeof e.why, "%.*s", SP_PRI(m.why));
		return e;
	}
}

static char *
output(int fd)
{
	static char buf[OUTPUT_MAX];
	size_t n = 0;
	ssize_t got;

	while (fd >= 0 && n < sizeof buf - 1 && (got = read(fd, buf + n, sizeof buf - 1 - n)) > 0)
		n += (size_t)got;
	buf[n] = 0;
	if (fd >= 0)
		close(fd);
	return buf;
}

static const struct { const char *name, *command; uint32_t status; const char *out, *why; } rows[] = {
	{ "output", "echo hello", SP_OK, "hello\n", "" },
	{ "words, not a shell's", "echo  a   b ", SP_OK, "a b\n", "" },
	{ "O02 no shell", "echo ${HOME} $(id) ; `id` | cat", SP_OK, "${HOME} $(id) ; `id` | cat\n", "" },
	{ "failure", "false", SP_E_UNAVAILABLE, "", "ended with status 1" },
	{ "failure after output", "@fails", SP_E_UNAVAILABLE, "half\n", "ended with status 3" },
	{ "ended by a signal", "@suicide", SP_E_UNAVAILABLE, "", "ended by signal 9" },
	{ "missing program", "sp-no-such-program s3cr3t", SP_E_CONFIG, "", "the program `sp-no-such-program` is not there" },
	{ "stdin is empty, stderr nobody's, the folder /", "@streams", SP_OK, "/\n", "" },
	{ "O04 no descriptor of ours", "ls /proc/self/fd", SP_OK, "0\n1\n2\n3\n", "" },
	{ "no new privileges", "grep NoNewPrivs /proc/self/status", SP_OK, "NoNewPrivs:\t1\n", "" },
	{ "the filter is theirs too", "grep Seccomp: /proc/self/status", SP_OK, "Seccomp:\t2\n", "" },
	{ "O02 a reference that is not in the configuration", "echo other", SP_E_REFUSED, "", "not in the configuration" },
	{ "O02 a beginning of one", "echo", SP_E_REFUSED, "", "not in the configuration" },
};

static void
test_rows(void **state)
{
	bool good = true;

	for (uint32_t i = 0; i < SP_COUNT(rows); i++) {
		struct ended e;
		const char *out;

		ask(i, rows[i].command);
		e = answer();
		out = output(e.out);
		if (e.id == i && e.status == rows[i].status && strcmp(out, rows[i].out) == 0 && strcmp(e.why, rows[i].why) == 0)
			continue;
		print_error("%s: status %u, output \"%s\", \"%s\"\n", rows[i].name, e.status, out, e.why);
		good = false;
	}
	assert_true(good);
}

static void
test_missing_file(void **state)
{
	struct ended e;

	ask(1, "@absent");
	e = answer();
	assert_int_equal(e.status, SP_E_CONFIG);
	assert_false(e.ran);
	assert_non_null(strstr(e.why, "/absent` is not there"));
}

/* O04: names of the list, nothing of ours, nothing that changes what a program is. */
static void
test_environment(void **state)
{
	static const char *const absent[] = { "SP_TEST_SECRET", "s3cr3t", "LD_", "ASAN", "MALLOC_", "UV_", "LISTEN", "CREDENTIALS" };
	struct ended e;
	char *out;

	ask(1, "env");
	e = answer();
	out = output(e.out);
	assert_int_equal(e.status, SP_OK);
	assert_non_null(strstr(out, "PATH="));
	assert_non_null(strstr(out, "LC_ALL=C\n"));
	for (size_t i = 0; i < SP_COUNT(absent); i++)
		assert_null(strstr(out, absent[i]));
}

static void
test_endless_output(void **state)
{
	struct ended e;
	struct sp_packet p;
	char buf[4096];

	ask(1, "yes");
	assert_true(wait_readable(keeper));
	assert_int_equal(sp_packet_recv(keeper, SP_SPAWNER, SP_KEEPER, &p), SP_OK);
	assert_int_equal(p.type, SP_M_RAN);
	for (int i = 0; i < 64; i++)
		assert_true(read(p.fds[0], buf, sizeof buf) > 0);
	close(p.fds[0]);		/* whoever has had enough closes */
	e = answer();
	assert_int_equal(e.status, SP_E_UNAVAILABLE);
	assert_string_equal(e.why, "ended by signal 13");
}

static unsigned
read_pids(pid_t *out, unsigned cap)
{
	char path[128];
	unsigned n = 0;
	long v;
	FILE *f;

	(void)snprintf(path, sizeof path, "%s/pids", folder);
	f = fopen(path, "r");
	while (f != NULL && n < cap && fscanf(f, "%ld", &v) == 1)
		out[n++] = (pid_t)v;
	if (f != NULL)
		(void)fclose(f);
	return n;
}

static bool
all_gone(const pid_t *pids, unsigned n)
{
	const struct timespec ts = { 0, 10000000 };

	for (int i = 0; i < 300; i++) {
		unsigned left = 0;

		for (unsigned k = 0; k < n; k++)
			left += kill(pids[k], 0) == 0;
		if (left == 0)
			return true;
		(void)nanosleep(&ts, NULL);
	}
	return false;
}

/* O06: it ignores SIGTERM, it forks, and one of its children leaves its group. */
static void
test_timeout(void **state)
{
	struct timespec a, b;
	struct ended e;
	pid_t pids[8];
	unsigned n;

	(void)clock_gettime(CLOCK_MONOTONIC, &a);
	ask(1, "@stubborn");
	e = answer();
	(void)clock_gettime(CLOCK_MONOTONIC, &b);
	assert_int_equal(e.status, SP_E_UNAVAILABLE);
	assert_string_equal(e.why, "killed after 5 s");
	assert_in_range(b.tv_sec - a.tv_sec, 4, 8);
	n = read_pids(pids, SP_COUNT(pids));
	assert_int_equal(n, 3);
	assert_true(all_gone(pids, n));
	(void)output(e.out);		/* ends: nobody holds the other end any more */
}

/* O06: what it leaves behind ends with it. */
static void
test_daemon(void **state)
{
	struct ended e;
	pid_t pids[2];

	ask(1, "@daemon");
	e = answer();
	assert_int_equal(e.status, SP_OK);
	assert_string_equal(output(e.out), "started\n");
	assert_int_equal(read_pids(pids, SP_COUNT(pids)), 1);
	assert_true(all_gone(pids, 1));
}

static void
test_many(void **state)
{
	unsigned refused = 0, late = 0;

	for (uint32_t i = 0; i < 10; i++)
		ask(i, "sleep 1000");
	for (uint32_t i = 0; i < 10; i++) {
		struct ended e = answer();

		refused += e.status == SP_E_RATE;
		late += e.status == SP_E_UNAVAILABLE;
		if (e.out >= 0)
			close(e.out);
	}
	assert_int_equal(refused, 2);
	assert_int_equal(late, 8);
	ask(20, "echo hello");
	assert_int_equal(answer().status, SP_OK);
}

static void
wait_for_pids(pid_t *pids, unsigned n)
{
	const struct timespec ts = { 0, 10000000 };

	for (int i = 0; i < 1000 && read_pids(pids, n) < n; i++)
		(void)nanosleep(&ts, NULL);
	assert_int_equal(read_pids(pids, n), n);
}

static void
test_keeper_dies(void **state)
{
	pid_t pids[3];

	ask(1, "@stubborn");
	wait_for_pids(pids, 3);
	close(keeper);
	keeper = -1;
	assert_true(all_gone(pids, 3));
	give_keeper();			/* the next one starts with nothing under way */
	ask(2, "echo hello");
	assert_int_equal(answer().status, SP_OK);
}

static void
test_drain(void **state)
{
	struct sp_packet p;
	pid_t pids[3];
	char buf[8];
	struct sp_out o;

	ask(1, "@stubborn");
	wait_for_pids(pids, 3);
	sp_out_init(&o, buf, sizeof buf);
	sp_enc_drain(&o, &(struct sp_m_drain){ 1000 });
	assert_int_equal(sp_packet_send(super, SP_M_DRAIN, sp_out_view(&o), -1), SP_OK);
	assert_true(wait_readable(super));
	assert_int_equal(sp_packet_recv(super, SP_SPAWNER, SP_SUPER, &p), SP_E_UNAVAILABLE);
	assert_true(all_gone(pids, 3));
}

static void
test_offences(void **state)
{
	static const sp_slice bodies[] = { SP_LIT_INIT(""), SP_LIT_INIT("\0\0\0"), SP_LIT_INIT("\0\0\0\1") };

	for (size_t i = 0; i < SP_COUNT(bodies); i++) {
		struct sp_packet p;
		struct sp_m_peer who;

		assert_int_equal(sp_packet_send(keeper, SP_M_RUN, bodies[i], -1), SP_OK);
		assert_true(wait_readable(super));
		assert_int_equal(sp_packet_recv(super, SP_SPAWNER, SP_SUPER, &p), SP_OK);
		assert_int_equal(p.type, SP_M_RELINK);
		assert_true(sp_dec_peer(p.body, &who));
		assert_int_equal(who.incarnation, 7);
		give_keeper();
	}
	/* Not keeper's to say. */
	assert_int_equal(sp_packet_send(keeper, SP_M_DRAIN, SP_LIT("\0\0\0\1"), -1), SP_OK);
	assert_true(wait_readable(super));
	give_keeper();
	ask(2, "echo hello");
	assert_int_equal(answer().status, SP_OK);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(test_rows), T(test_missing_file), T(test_environment), T(test_endless_output), T(test_timeout), T(test_daemon),
		T(test_many), T(test_keeper_dies), T(test_drain), T(test_offences),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * `sallyport quickstart`: a gateway over its own management API, from nothing.  What is there already is kept;
 * a second run continues with the same state.  Everything is done through the program's own commands, so this
 * file knows no format; secrets go through a pipe, never through argv or the screen.
 */
#include "base/out.h"
#include "cli/cmd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FIRST_PORT = 8420, LAST_PORT = 8499, READY_MS = 15000 };

struct quick {
	char dir[3072];		/* configuration, header files, snippets */
	char state[3072];
	char config[3200], log[3200], reader[3200], admin[3200];
	unsigned port;
};

static const char usage[] =
    "usage: sallyport quickstart [--dir FOLDER]\n\n"
    "Writes a first configuration, a vault and two tokens (reader, admin) where they are absent, starts the gateway in\n"
    "the background, and prints what to paste.  FOLDER (default ~/.config/sallyport, state in ~/.local/share/sallyport)\n"
    "holds everything when it is given.\n\n"
    "example: sallyport quickstart --dir ./demo\n";

static bool
exists(const char *path)
{
	return access(path, F_OK) == 0;
}

static int
failed(const char *what, const char *path)
{
	fprintf(stderr, "sallyport: quickstart: %s %s: %s\n", what, path, strerror(errno));
	return 1;
}

/* mkdir -p with mode 0700. */
static bool
make_dirs(const char *path)
{
	char part[3200];

	snprintf(part, sizeof part, "%s", path);
	for (char *at = part + 1; *at != '\0'; at++) {
		if (*at != '/')
			continue;
		*at = '\0';
		if (mkdir(part, 0700) == -1 && errno != EEXIST)
			return false;
		*at = '/';
	}
	return mkdir(part, 0700) == 0 || errno == EEXIST;
}

static bool
write_file(const char *path, mode_t mode, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	size_t n = strlen(text);
	bool ok;

	if (fd == -1)
		return false;
	ok = write(fd, text, n) == (ssize_t)n && fsync(fd) == 0;
	return close(fd) == 0 && ok;
}

/* Runs this program with other words; what it says on standard output is dropped, on standard error shown.
 * `input` (may be NULL) is written to its standard input. */
static int
self(const char *const words[], const char *input)
{
	int in[2], status;
	pid_t pid;

	if (pipe2(in, O_CLOEXEC) == -1)
		return -1;
	pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

		if (dup2(in[0], 0) == -1 || dup2(null, 1) == -1)
			_exit(127);
		execv("/proc/self/exe", (char *const *)(uintptr_t)words);
		_exit(127);
	}
	close(in[0]);
	if (pid > 0 && input != NULL && write(in[1], input, strlen(input)) == -1)
		fprintf(stderr, "sallyport: quickstart: %s\n", strerror(errno));
	close(in[1]);
	if (pid == -1 || waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#define SELF(input, ...) self((const char *const[]){ "sallyport", __VA_ARGS__, NULL }, input)

static bool
port_taken(unsigned port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool taken;

	if (fd == -1)
		return false;
	taken = connect(fd, (struct sockaddr *)&a, sizeof a) == 0;
	close(fd);
	return taken;
}

/* The port of the `listen` line that we wrote; a file that was edited into another shape keeps the default. */
static unsigned
port_of(const char *config)
{
	char line[512];
	unsigned port = FIRST_PORT;
	FILE *f = fopen(config, "re");

	while (f != NULL && fgets(line, sizeof line, f) != NULL) {
		sp_slice in = sp_str(line);
		uint64_t v;

		if (sp_take(&in, SP_LIT("listen: 127.0.0.1:")) && sp_take_u64(&in, 65535, &v) && v != 0)
			port = (unsigned)v;
	}
	if (f != NULL)
		fclose(f);
	return port;
}

static bool
write_config(struct quick *q, bool own_state)
{
	char text[2048];
	unsigned port = FIRST_PORT;

	if (exists(q->config))
		return true;
	while (port < LAST_PORT && port_taken(port))
		port++;
	snprintf(text, sizeof text,
	    "# Written by `sallyport quickstart`: the gateway guards its own management API.\n"
	    "# Put your own API beside it: docs/openapi.md\n"
	    "listen: 127.0.0.1:%u\n"
	    "%s"
	    "scopes:\n"
	    "  gateway:read: {says: \"See tools, tokens, audit and health\"}\n"
	    "  gateway:admin: {says: Revoke tokens, implies: gateway:read}\n"
	    "auth: {type: static}\n"
	    "servers:\n"
	    "  gateway: {openapi: sallyport:management, secrets: {managementKey: vault:management}}\n"
	    "rules:\n"
	    "  - {allow: gateway.access:read, require_scopes: gateway:read}\n"
	    "  - {allow: gateway.access:write, require_scopes: gateway:admin}\n",
	    port, own_state ? "state: state\n" : "");
	return write_file(q->config, 0600, text);
}

static bool
set_management_key(const struct quick *q)
{
	unsigned char key[32];
	char text[sizeof key * 2 + 1];
	struct sp_out o;
	bool ok;

	if (getrandom(key, sizeof key, 0) != (ssize_t)sizeof key)
		return false;
	sp_out_init(&o, text, sizeof text - 1);
	sp_out_hex(&o, key, sizeof key);
	text[o.n] = '\0';
	ok = SELF(text, "vault", "set", "management", "-c", q->config) == 0;
	explicit_bzero(key, sizeof key);
	explicit_bzero(text, sizeof text);
	return ok;
}

static bool
make_token(const struct quick *q, const char *name, const char *scopes, const char *header)
{
	if (exists(header))
		return true;
	return SELF(NULL, "token", "new", name, "--scopes", scopes, "--days", "90", "--header-file", header, "-c", q->config) == 0;
}

/* What is missing is made; what is there is kept. */
static bool
prepare(struct quick *q, bool own_state)
{
	char vault[3300];

	if (!make_dirs(q->dir) || !make_dirs(q->state))
		return failed("cannot make", q->dir), false;
	if (!write_config(q, own_state))
		return failed("cannot write", q->config), false;
	q->port = port_of(q->config);
	snprintf(vault, sizeof vault, "%s/vault", q->state);
	if (!exists(vault) && (SELF(NULL, "vault", "init", "-c", q->config) != 0 || !set_management_key(q)))
		return false;
	return make_token(q, "reader", "gateway:read", q->reader) && make_token(q, "admin", "gateway:admin", q->admin);
}

static bool
running(const struct quick *q)
{
	char path[3300];
	int fd;
	bool held;

	snprintf(path, sizeof path, "%s/lock", q->state);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd == -1)
		return false;
	held = flock(fd, LOCK_EX | LOCK_NB) == -1 && errno == EWOULDBLOCK;
	close(fd);
	return held;
}

/* Does the gateway answer a call of the reader?  Until keeper has announced the tokens it says 503. */
static bool
answers(const struct quick *q)
{
	static const char body[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}";
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)q->port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const struct timeval patience = { 2, 0 };
	char header[256] = "", request[1024], answer[16] = "";
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), n;
	FILE *f = fopen(q->reader, "re");
	bool good = false;

	if (f != NULL && fgets(header, sizeof header, f) != NULL)
		header[strcspn(header, "\r\n")] = '\0';
	if (f != NULL)
		fclose(f);
	n = snprintf(request, sizeof request, "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n%s\r\nContent-Type: application/json\r\n"
	    "Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2025-11-25\r\nConnection: close\r\n"
	    "Content-Length: %zu\r\n\r\n%s", q->port, header, sizeof body - 1, body);
	if (fd != -1 && n > 0 && (size_t)n < sizeof request &&
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0 &&
	    connect(fd, (struct sockaddr *)&a, sizeof a) == 0 && send(fd, request, (size_t)n, MSG_NOSIGNAL) == n &&
	    recv(fd, answer, 12, MSG_WAITALL) == 12)
		good = memcmp(answer + 9, "503", 3) != 0;
	explicit_bzero(header, sizeof header);
	explicit_bzero(request, sizeof request);
	if (fd != -1)
		close(fd);
	return good;
}

/* Starts `serve` in a session of its own, its log in the state folder; true when it answers. */
static bool
start(const struct quick *q)
{
	pid_t pid = fork();

	if (pid == 0) {
		int log = open(q->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
		int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

		if (setsid() == -1 || log == -1 || dup2(null, 0) == -1 || dup2(log, 1) == -1 || dup2(log, 2) == -1)
			_exit(127);
		execl("/proc/self/exe", "sallyport", "serve", "-c", q->config, (char *)NULL);
		_exit(127);
	}
	for (int ms = 0; pid > 0 && ms < READY_MS; ms += 20) {
		if (waitpid(pid, NULL, WNOHANG) == pid) {
			fprintf(stderr, "sallyport: quickstart: the gateway ended; its log: %s\n", q->log);
			return false;
		}
		if (port_taken(q->port) && answers(q)) {
			printf("started    the gateway, process %ld; stop it with: kill %ld\n", (long)pid, (long)pid);
			return true;
		}
		usleep(20000);
	}
	fprintf(stderr, "sallyport: quickstart: the gateway does not answer; its log: %s\n", q->log);
	return false;
}

/* Snippets for common MCP clients.  They name a variable or ask, and never hold the token. */
static bool
write_snippets(const struct quick *q)
{
	char path[3300], text[4096];

	snprintf(path, sizeof path, "%s/clients", q->dir);
	if (!make_dirs(path))
		return false;
	snprintf(path, sizeof path, "%s/clients/cursor.json", q->dir);
	snprintf(text, sizeof text, "{\"mcpServers\":{\"sallyport\":{\"url\":\"http://127.0.0.1:%u/mcp\","
	    "\"headers\":{\"Authorization\":\"Bearer ${env:SALLYPORT_TOKEN}\"}}}}\n", q->port);
	if (!exists(path) && !write_file(path, 0600, text))
		return false;
	snprintf(path, sizeof path, "%s/clients/vscode.json", q->dir);
	snprintf(text, sizeof text, "{\"inputs\":[{\"type\":\"promptString\",\"id\":\"sallyport\",\"description\":\"Sallyport token\","
	    "\"password\":true}],\n \"servers\":{\"sallyport\":{\"type\":\"http\",\"url\":\"http://127.0.0.1:%u/mcp\","
	    "\"headers\":{\"Authorization\":\"Bearer ${input:sallyport}\"}}}}\n", q->port);
	if (!exists(path) && !write_file(path, 0600, text))
		return false;
	snprintf(path, sizeof path, "%s/clients/mcp.json", q->dir);
	snprintf(text, sizeof text, "{\"mcpServers\":{\"sallyport\":{\"type\":\"http\",\"url\":\"http://127.0.0.1:%u/mcp\","
	    "\"headers\":{\"Authorization\":\"Bearer ${SALLYPORT_TOKEN}\"}}}}\n", q->port);
	return exists(path) || write_file(path, 0600, text);
}

static void
curl_line(const struct quick *q, const char *word, const char *header, const char *tool, const char *arguments)
{
	printf("%-10s curl -s http://127.0.0.1:%u/mcp -H @'%s' -H 'Content-Type: application/json' -H 'Accept: application/json, "
	    "text/event-stream' -d '{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"%s\","
	    "\"arguments\":%s}}'\n", word, q->port, header, tool, arguments);
}

static void
tell(const struct quick *q)
{
	char self_path[4096];
	ssize_t n = readlink("/proc/self/exe", self_path, sizeof self_path - 1);

	/* The program need not be on the PATH yet. */
	if (n > 0)
		self_path[n] = '\0';
	else
		snprintf(self_path, sizeof self_path, "sallyport");
	printf("endpoint   http://127.0.0.1:%u/mcp\n", q->port);
	printf("config     %s\n", q->config);
	printf("state      %s (log: %s)\n", q->state, q->log);
	printf("tokens     %s (scope gateway:read), %s (scope gateway:admin)\n", q->reader, q->admin);
	printf("clients    %s/clients/ (mcp.json, cursor.json, vscode.json)\n", q->dir);
	curl_line(q, "try", q->reader, "gateway_health", "{}");
	curl_line(q, "refused", q->reader, "gateway_revokeToken", "{\"name\":\"admin\"}");
	printf("why        '%s' why --as static/reader --scopes gateway:read --tool gateway.revokeToken -c '%s'\n", self_path, q->config);
}

static bool
places(struct quick *q, const char *dir)
{
	const char *home = getenv("HOME"), *config = getenv("XDG_CONFIG_HOME");
	int n, m;

	if (dir != NULL) {
		char *real;

		if (!make_dirs(dir) || (real = realpath(dir, NULL)) == NULL)
			return failed("cannot make", dir), false;
		n = snprintf(q->dir, sizeof q->dir, "%s", real);
		m = snprintf(q->state, sizeof q->state, "%s/state", real);
		free(real);
	} else if (home == NULL || home[0] != '/') {
		fprintf(stderr, "sallyport: quickstart: HOME is not set; say --dir FOLDER\n");
		return false;
	} else {
		n = config != NULL && config[0] == '/' ? snprintf(q->dir, sizeof q->dir, "%s/sallyport", config)
		    : snprintf(q->dir, sizeof q->dir, "%s/.config/sallyport", home);
		m = snprintf(q->state, sizeof q->state, "%s/.local/share/sallyport", home);
	}
	if (n < 0 || (size_t)n >= sizeof q->dir || m < 0 || (size_t)m >= sizeof q->state) {
		fprintf(stderr, "sallyport: quickstart: the folder's name is too long\n");
		return false;
	}
	snprintf(q->config, sizeof q->config, "%s/sallyport.yaml", q->dir);
	snprintf(q->log, sizeof q->log, "%s/gateway.log", q->state);
	snprintf(q->reader, sizeof q->reader, "%s/reader.header", q->dir);
	snprintf(q->admin, sizeof q->admin, "%s/admin.header", q->dir);
	return true;
}

struct quick_args { const char *dir; };
static const struct sp_opt opts[] = { SP_OPT_TEXT("dir", 0, struct quick_args, dir, "FOLDER") };

static int
run(int argc, char **argv)
{
	struct quick q = { .port = FIRST_PORT };
	struct quick_args a = { 0 };
	const char *word;
	size_t n;
	int status = sp_opts_read(&sp_cmd_quickstart, argc, argv, &a, &word, &n);

	if (status != SP_OPTS_GO)
		return status;
	signal(SIGPIPE, SIG_IGN);
	if (!places(&q, a.dir) || !prepare(&q, a.dir != NULL))
		return 1;
	if (running(&q))
		printf("running    the gateway was already there; same state\n");
	else if (!start(&q))
		return 1;
	if (!write_snippets(&q))
		return failed("cannot write", q.dir);
	tell(&q);
	return 0;
}

const struct sp_command sp_cmd_quickstart = { .name = "quickstart", .run = run, .text = "a first gateway, running, from nothing",
	.help = usage, SP_OPTS(opts) };

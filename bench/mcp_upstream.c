/*
 * The smallest MCP server that can be measured against: one process, one epoll, keep-alive, a fixed tool.  It answers the
 * id of the request and nothing else of it, so that what is measured is what stands in front.  argv: port.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ROOM = 16384, CONNECTIONS = 1024 };

static struct conn { size_t n; char buf[ROOM + 1]; } *conns[CONNECTIONS];

static const char tool[] = "\"tools\":[{\"name\":\"echo\",\"description\":\"Answers\",\"inputSchema\":{\"type\":\"object\","
    "\"properties\":{\"zone\":{\"type\":\"string\"},\"text\":{\"type\":\"string\"}}}}]";

static const char *
result_of(const char *body)
{
	static char call[512];

	if (strstr(body, "\"tools/call\"") != NULL) {
		if (call[0] == '\0')
			(void)snprintf(call, sizeof call, "\"content\":[{\"type\":\"text\",\"text\":\"%0220d\"}],\"isError\":false", 0);
		return call;
	}
	if (strstr(body, "\"initialize\"") != NULL)
		return "\"protocolVersion\":\"2025-11-25\",\"capabilities\":{\"tools\":{}},\"serverInfo\":{\"name\":\"bench\",\"version\":\"1\"}";
	return strstr(body, "\"tools/list\"") != NULL ? tool : NULL;
}

static void
answer(int fd, const char *body)
{
	const char *id = strstr(body, "\"id\":"), *result = result_of(body);
	char text[2048], out[4096];
	size_t idn;
	int n;

	if (id == NULL) {
		(void)!write(fd, "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n", 45);
		return;
	}
	id += 5;
	idn = strcspn(id, ",}");
	n = result == NULL ? snprintf(text, sizeof text, "{\"jsonrpc\":\"2.0\",\"id\":%.*s,\"error\":{\"code\":-32601,\"message\":\"no\"}}",
	    (int)idn, id) : snprintf(text, sizeof text, "{\"jsonrpc\":\"2.0\",\"id\":%.*s,\"result\":{%s}}", (int)idn, id, result);
	n = snprintf(out, sizeof out, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", n, text);
	(void)!write(fd, out, (size_t)n);
}

/* False: the connection is over. */
static int
serve(int fd, struct conn *c)
{
	ssize_t got = read(fd, c->buf + c->n, ROOM - c->n);
	char *end, *length;

	if (got <= 0)
		return got < 0 && errno == EAGAIN;
	c->n += (size_t)got;
	c->buf[c->n] = '\0';
	while ((end = strstr(c->buf, "\r\n\r\n")) != NULL) {
		size_t head = (size_t)(end - c->buf) + 4, body = 0;
		char keep;

		if ((length = strcasestr(c->buf, "content-length:")) != NULL && length < end)
			body = strtoul(length + 15, NULL, 10);
		if (head + body > ROOM)
			return 0;
		if (c->n < head + body)
			return 1;
		keep = c->buf[head + body];
		c->buf[head + body] = '\0';
		if (memcmp(c->buf, "POST", 4) == 0)
			answer(fd, c->buf + head);
		else
			(void)!write(fd, "HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n", 54);
		c->buf[head + body] = keep;
		c->n -= head + body;
		memmove(c->buf, c->buf + head + body, c->n + 1);
	}
	return c->n < ROOM;
}

int
main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int lfd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), ep = epoll_create1(0), one = 1;
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = lfd }, got[64];

	at.sin_port = htons((uint16_t)(argc > 1 ? atoi(argv[1]) : 0));
	(void)setsockopt(lfd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(lfd, (struct sockaddr *)&at, sizeof at) != 0 || listen(lfd, 1024) != 0 || epoll_ctl(ep, EPOLL_CTL_ADD, lfd, &ev) != 0)
		return 1;
	for (;;) {
		int n = epoll_wait(ep, got, 64, -1);

		for (int i = 0; i < n; i++) {
			int fd = got[i].data.fd;

			if (fd == lfd) {
				int c = accept4(lfd, NULL, NULL, SOCK_NONBLOCK);

				if (c < 0 || c >= CONNECTIONS || (conns[c] = calloc(1, sizeof *conns[c])) == NULL) {
					close(c);
					continue;
				}
				(void)setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
				ev = (struct epoll_event){ .events = EPOLLIN, .data.fd = c };
				(void)epoll_ctl(ep, EPOLL_CTL_ADD, c, &ev);
			} else if (!serve(fd, conns[fd])) {
				free(conns[fd]);
				conns[fd] = NULL;
				close(fd);
			}
		}
	}
}

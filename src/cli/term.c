#include "cli/term.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

enum { CANCEL = 3 };			/* Ctrl-C, which is a byte like others while we read */

/* A terminal hands over a line at a time, so one read is the whole of it. */
static enum sp_status
read_line(int fd, const char *what, const char *again, struct sp_secret *out, struct sp_err *e)
{
	size_t cap = 4096;
	char *at;
	ssize_t n;

	dprintf(fd, "%s%s: ", what, again);
	at = sp_secret_space(out, cap);
	if (at == NULL)
		at = sp_secret_space(out, cap = 1024);
	n = at == NULL ? -1 : read(fd, at, cap);
	dprintf(fd, "\n");
	sp_secret_cut(out, n < 0 ? 0 : (size_t)n);
	if (n < 0)
		return sp_fail(e, SP_E_SYSTEM, NULL, "the terminal does not read: %s", strerror(errno));
	if (n == 0 || sp_has_byte(sp_secret_peek(out), CANCEL)) {
		sp_secret_cut(out, 0);
		return sp_fail(e, SP_E_REFUSED, NULL, "cancelled");
	}
	sp_secret_trim(out);
	return SP_OK;
}

static enum sp_status
ask_twice(int fd, const char *what, bool twice, struct sp_secret *out, struct sp_err *e)
{
	SP_AUTO(sp_secret_free) struct sp_secret *second = NULL;
	enum sp_status st = read_line(fd, what, "", out, e);

	if (st != SP_OK || !twice)
		return st;
	second = sp_secret_new(4096);
	if (second == NULL)
		return sp_fail(e, SP_E_FULL, NULL, "no room in locked memory");
	st = read_line(fd, what, " again", second, e);
	if (st == SP_OK && !sp_secret_same(out, second))
		st = sp_fail(e, SP_E_REFUSED, NULL, "the two are not the same; nothing was changed");
	return st;
}

enum sp_status
sp_term_ask(const char *what, bool twice, struct sp_secret *out, struct sp_err *e)
{
	int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct termios was, mute;
	enum sp_status st;

	if (fd < 0 || tcgetattr(fd, &was) != 0) {
		if (fd >= 0)
			close(fd);
		return sp_fail(e, SP_E_UNAVAILABLE, NULL, "there is no terminal to ask for the %s", what);
	}
	mute = was;
	mute.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL | ISIG);
	mute.c_lflag |= ICANON;
	(void)tcsetattr(fd, TCSAFLUSH, &mute);
	st = ask_twice(fd, what, twice, out, e);
	(void)tcsetattr(fd, TCSAFLUSH, &was);
	close(fd);
	return st;
}

enum sp_status
sp_term_secret(const char *what, bool twice, struct sp_secret *out, struct sp_err *e)
{
	enum sp_status st;

	if (isatty(STDIN_FILENO))
		return sp_term_ask(what, twice, out, e);
	st = sp_secret_fill(out, STDIN_FILENO);
	if (st != SP_OK)
		return sp_fail(e, st, NULL, st == SP_E_TOO_BIG ? "the %s on standard input is too long" :
		    "the %s cannot be read from standard input", what);
	sp_secret_trim(out);
	return SP_OK;
}

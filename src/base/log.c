#include "base/log.h"

#include "base/utf8.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 16384, TEXT_MAX = 512, TAIL_ROOM = 32 };

/* Set once in main, before anything is logged. */
static char role[32] = "";
static enum sp_level max_level = SP_INFO;
/* The library's: its user may say where lines go, while it runs. */
static void (*_Atomic diverted)(const char *line, size_t n);

void
sp_log_init(const char *name, enum sp_level max)
{
	snprintf(role, sizeof role, "%s", name);
	max_level = max;
}

void
sp_log_divert(void (*put)(const char *line, size_t n))
{
	atomic_store(&diverted, put);
}

static void
quoted(struct sp_out *o, sp_slice s)
{
	char buf[TEXT_MAX];
	struct sp_out clean;

	sp_out_init(&clean, buf, sizeof buf);
	sp_utf8_clean(&clean, s, sizeof buf, true);
	sp_out_byte(o, '"');
	for (size_t i = 0; i < clean.n; i++) {
		char c = buf[i];

		if (c == '"' || c == '\\')
			sp_out_byte(o, '\\');
		if (c == '\n' || c == '\t')
			sp_out_str(o, c == '\n' ? "\\n" : "\\t");
		else
			sp_out_byte(o, c);
	}
	sp_out_byte(o, '"');
}

static void
member(struct sp_out *o, const struct sp_field *f)
{
	sp_out_byte(o, ',');
	quoted(o, sp_str(f->name));
	sp_out_byte(o, ':');
	switch (f->kind) {
	case SP_FIELD_SLICE:
		quoted(o, f->s);
		break;
	case SP_FIELD_U64:
		sp_out_u64(o, f->u);
		break;
	case SP_FIELD_I64:
		sp_out_i64(o, (int64_t)f->u);
		break;
	case SP_FIELD_BOOL:
		sp_out_str(o, f->u != 0 ? "true" : "false");
		break;
	}
}

static void
stamp(struct sp_out *o)
{
	struct timespec now = { 0, 0 };
	struct tm tm = { 0 };

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	sp_out_fmt(o, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
	    tm.tm_hour, tm.tm_min, tm.tm_sec, now.tv_nsec / 1000000);
}

/* A reader of stderr that is stuck must not stop a role: what does not go out at once is lost. */
static void
put(const char *p, size_t n)
{
	while (n != 0) {
		ssize_t r = write(STDERR_FILENO, p, n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return;
		p += r;
		n -= (size_t)r;
	}
}

void
sp_log_fields(enum sp_level level, const char *event, const struct sp_field *f, size_t n)
{
	static const char *const names[] = { "error", "warn", "info", "debug" };
	char buf[LINE_MAX_BYTES];
	struct sp_out o;
	void (*divert)(const char *, size_t);
	int saved = errno;

	if (level > max_level)
		return;
	sp_out_init(&o, buf, sizeof buf - TAIL_ROOM);
	sp_out_str(&o, "{\"time\":\"");
	stamp(&o);
	sp_out_str(&o, "\",\"level\":\"");
	sp_out_str(&o, names[(unsigned)level < SP_COUNT(names) ? level : SP_ERROR]);
	sp_out_str(&o, "\"");
	if (role[0] != '\0') {
		sp_out_str(&o, ",\"role\":");
		quoted(&o, sp_str(role));
	}
	sp_out_str(&o, ",\"event\":");
	quoted(&o, sp_str(event));
	for (size_t i = 0; i < n && !o.full; i++) {
		size_t before = o.n;

		member(&o, &f[i]);
		if (o.full)		/* a field is there whole or not at all */
			o.n = before;
	}
	memcpy(buf + o.n, o.full ? ",\"cut\":true}\n" : "}\n", o.full ? 13 : 2);
	divert = atomic_load(&diverted);
	(divert == NULL ? put : divert)(buf, o.n + (o.full ? 13 : 2));
	errno = saved;
}

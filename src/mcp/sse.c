#include "mcp/sse.h"

enum { KEEP = 65536 };			/* bytes that a reader holds between large events */

void
sp_sse_init(struct sp_sse *s, size_t limit)
{
	*s = (struct sp_sse){ .limit = limit };
	sp_out_heap(&s->line, limit + SP_SSE_FIELD);
	sp_out_heap(&s->text, limit + 1);
}

void
sp_sse_free(struct sp_sse *s)
{
	sp_out_free(&s->line);
	sp_out_free(&s->text);
}

static void
empty(struct sp_out *o, size_t max)
{
	if (o->cap <= KEEP) {
		sp_out_reset(o);
		return;
	}
	sp_out_free(o);
	sp_out_heap(o, max);
}

static bool
has_ctl(sp_slice v)
{
	for (size_t i = 0; i < v.n; i++)
		if (sp_is_ctl((unsigned char)v.p[i]))
			return true;
	return false;
}

/* --- fields: NULL, or what is wrong */

static const char *
add_data(struct sp_sse *s, sp_slice v)
{
	if (s->text.n + v.n > s->limit)
		return "an event over the limit";
	sp_out_slice(&s->text, v);
	sp_out_byte(&s->text, '\n');
	return s->text.full ? "no memory for an event" : NULL;
}

static const char *
set_name(struct sp_sse *s, sp_slice v)
{
	if (v.n > sizeof s->name)
		return "the type of an event is too long";
	memcpy(s->name, v.p, v.n);
	s->name_n = v.n;
	return NULL;
}

static const char *
set_id(struct sp_sse *s, sp_slice v)
{
	if (has_ctl(v))
		return NULL;
	if (v.n > sizeof s->ids[0])
		return "the id of an event is too long";
	memcpy(s->ids[s->which], v.p, v.n);
	s->id_n = v.n;
	s->new_id = true;
	return NULL;
}

static const char *
set_retry(struct sp_sse *s, sp_slice v)
{
	uint64_t ms = 0;

	for (size_t i = 0; i < v.n; i++) {
		if (!sp_is_digit((unsigned char)v.p[i]))
			return NULL;
		ms = ms * 10 + (uint64_t)(v.p[i] - '0');
		if (ms > UINT32_MAX)
			ms = UINT32_MAX;
	}
	if (v.n != 0)
		s->retry_ms = (uint32_t)ms;
	return NULL;
}

static const char *
take_field(struct sp_sse *s, sp_slice line)
{
	static const struct {
		sp_slice name;
		const char *(*set)(struct sp_sse *, sp_slice);
	} fields[] = {
		{ SP_LIT_INIT("data"), add_data }, { SP_LIT_INIT("event"), set_name }, { SP_LIT_INIT("id"), set_id },
		{ SP_LIT_INIT("retry"), set_retry },
	};
	sp_slice name, value = line;

	if (!sp_take_to(&value, ':', &name)) {
		name = line;
		value = sp_sub(line, line.n, 0);
	}
	(void)sp_take(&value, SP_LIT(" "));
	for (size_t i = 0; i < SP_COUNT(fields); i++)
		if (sp_eq(name, fields[i].name))
			return fields[i].set(s, value);
	return NULL;			/* unknown; a comment has no name */
}

/* --- lines */

/* The blank line.  The id counts even if there was no data. */
static enum sp_sse_step
dispatch(struct sp_sse *s)
{
	if (s->new_id) {
		s->id = (sp_slice){ s->ids[s->which], s->id_n };
		s->which = 1 - s->which;
		s->new_id = false;
	}
	s->type = s->name_n == 0 ? SP_LIT("message") : (sp_slice){ s->name, s->name_n };
	s->name_n = 0;
	if (s->text.n == 0)
		return SP_SSE_MORE;
	s->data = (sp_slice){ s->text.p, s->text.n - 1 };
	return SP_SSE_EVENT;
}

static enum sp_sse_step
bad(struct sp_sse *s, const char *why)
{
	s->why = why;
	return SP_SSE_BAD;
}

/* A whole line, without its end. */
static enum sp_sse_step
take_line(struct sp_sse *s, sp_slice line)
{
	const char *why;

	if (!s->begun)
		(void)sp_take(&line, SP_LIT("\xef\xbb\xbf"));
	s->begun = true;
	if (line.n == 0)
		return dispatch(s);
	why = take_field(s, line);
	return why == NULL ? SP_SSE_MORE : bad(s, why);
}

static size_t
find_end(sp_slice in)
{
	size_t i = 0;

	while (i < in.n && in.p[i] != '\n' && in.p[i] != '\r')
		i++;
	return i;
}

/* The next line of *in, which may have begun before; false: its end is not there yet. */
static bool
next_line(struct sp_sse *s, sp_slice *in, sp_slice *line)
{
	size_t n = find_end(*in);
	sp_slice part = sp_sub(*in, 0, n);

	if (n == in->n || s->line.n != 0)
		sp_out_slice(&s->line, part);
	if (n == in->n) {
		sp_advance(in, n);
		return false;
	}
	*line = s->line.n != 0 ? sp_out_view(&s->line) : part;
	s->cr = in->p[n] == '\r';
	sp_advance(in, n + 1);
	return true;
}

enum sp_sse_step
sp_sse_read(struct sp_sse *s, sp_slice *in)
{
	enum sp_sse_step step = SP_SSE_MORE;

	if (s->why != NULL)
		return SP_SSE_BAD;
	if (s->data.p != NULL) {
		s->data = (sp_slice){ NULL, 0 };
		empty(&s->text, s->limit + 1);
	}
	while (step == SP_SSE_MORE && in->n != 0) {
		sp_slice line;
		bool whole;

		/* The LF of a CRLF: the line ended with its CR, however late this comes. */
		if (s->cr) {
			s->cr = false;
			(void)sp_take(in, SP_LIT("\n"));
			continue;
		}
		whole = next_line(s, in, &line);
		if (s->line.full || (whole && line.n > s->line.max))
			return bad(s, "a line over the limit");
		if (!whole)
			break;
		step = take_line(s, line);
		empty(&s->line, s->limit + SP_SSE_FIELD);
	}
	return step;
}

/* Byte 0 picks the side.  However the bytes arrive, the same is read; and what is read is clean and lies in the input. */
#include <assert.h>
#include <stdlib.h>

#include "wire/http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
note(struct sp_out *o, sp_slice s)
{
	sp_out_be(o, s.n, 4);
	sp_out_slice(o, s);
}

static void
check_head(struct sp_out *o, const struct sp_http1 *h, sp_slice used)
{
	const struct sp_http_head *d = &h->head;

	assert(d->nfields <= SP_HTTP_FIELDS && !(d->chunked && d->has_length));
	sp_out_fmt(o, "H%d %u %u %d%d%d%d %llu ", d->method, d->status, d->minor, d->keep_alive, d->chunked, d->has_length,
	    d->expect_continue, (unsigned long long)d->length);
	note(o, d->path);
	note(o, d->query);
	note(o, d->host);
	for (unsigned i = 0; i < d->nfields; i++) {
		const struct sp_http_field *f = &d->fields[i];

		assert(f->name.n != 0 && sp_span(f->name, sp_is_tchar) == f->name.n);
		assert(f->name.p >= used.p && f->name.p + f->name.n <= used.p + used.n);
		assert(f->value.n == 0 || (f->value.p >= used.p && f->value.p + f->value.n <= used.p + used.n));
		for (size_t k = 0; k < f->value.n; k++)
			assert(f->value.p[k] == '\t' || !sp_is_ctl((unsigned char)f->value.p[k]));
		note(o, f->name);
		note(o, f->value);
	}
	if (h->kind == SP_HTTP_REQUEST) {
		unsigned hosts;

		sp_http_find(d, SP_LIT("host"), &hosts);
		assert(hosts == 1 || (hosts == 0 && d->minor == 0));
		assert(d->path.n != 0 && d->path.p[0] == '/');
	} else {
		assert(d->status >= 200 && d->status < 600);
	}
}

static void
run(enum sp_http_kind kind, sp_slice text, size_t piece, struct sp_out *o)
{
	struct sp_http1 h;
	size_t have = 0, used = 0;
	bool more = true;

	sp_http_init(&h, kind, (struct sp_http_limits){ 512, 256 });
	while (more && have < text.n) {
		sp_slice in, was;
		char *mem;

		have = text.n - have < piece ? text.n : have + piece;
		mem = malloc(have - used + 1);
		memcpy(mem, text.p + used, have - used);
		in = was = (sp_slice){ mem, have - used };
		for (enum sp_http_step s = SP_HTTP_HEAD; s != SP_HTTP_MORE && more;) {
			sp_slice before = in;

			s = sp_http_read(&h, &in);
			assert(in.p + in.n == was.p + was.n);
			if (s == SP_HTTP_HEAD)
				check_head(o, &h, (sp_slice){ before.p, before.n - in.n });
			else if (s == SP_HTTP_BODY)
				sp_out_slice(o, h.body);
			else if (s == SP_HTTP_END)
				sp_out_byte(o, 'E'), sp_http_next(&h);
			else if (s == SP_HTTP_BAD)
				sp_out_fmt(o, "!%d", h.bad), more = false;
			assert(h.got <= 256);
		}
		used = have - in.n;
		free(mem);
	}
	sp_out_fmt(o, "%d", sp_http_eof(&h));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static char a[65536], b[65536];
	const size_t pieces[] = { 1, 2, 7, 64 };
	enum sp_http_kind kind;
	struct sp_out whole;

	if (n == 0 || n > 4096)
		return 0;
	kind = data[0] == 'A' ? SP_HTTP_RESPONSE : SP_HTTP_REQUEST;
	sp_out_init(&whole, a, sizeof a);
	run(kind, sp_mem(data + 1, n - 1), SIZE_MAX, &whole);
	for (size_t i = 0; i < SP_COUNT(pieces); i++) {
		struct sp_out split;

		sp_out_init(&split, b, sizeof b);
		run(kind, sp_mem(data + 1, n - 1), pieces[i], &split);
		assert(whole.full || sp_eq(sp_out_view(&whole), sp_out_view(&split)));
	}
	return 0;
}

#include "config/config.h"

#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { FINDING_BYTES = 600 };

void
sp_findings_init(struct sp_findings *f, sp_slice file)
{
	memset(f, 0, sizeof *f);
	f->file = file;
	sp_arena_init(&f->mem, SP_FINDINGS_MAX * (FINDING_BYTES + 64));
}

void
sp_findings_free(struct sp_findings *f)
{
	sp_arena_free(&f->mem);
	f->n = 0;
}

void
sp_findings_add(struct sp_findings *f, bool warning, uint32_t line, uint32_t col, const char *fmt, ...)
{
	char raw[FINDING_BYTES], clean[FINDING_BYTES];
	struct sp_out o;
	va_list ap;
	int n;

	if (warning)
		f->warnings++;
	else
		f->errors++;
	if (f->n == SP_FINDINGS_MAX || (warning && f->n >= SP_WARNINGS_MAX))
		return;
	va_start(ap, fmt);
	n = vsnprintf(raw, sizeof raw, fmt, ap);
	va_end(ap);
	if (n < 0)
		n = 0;
	if ((size_t)n >= sizeof raw)
		n = (int)sizeof raw - 1;
	sp_out_init(&o, clean, sizeof clean);
	sp_utf8_clean(&o, sp_mem(raw, (size_t)n), sizeof clean, false);
	f->list[f->n] = (struct sp_finding){
		.warning = warning, .line = line, .col = col, .order = f->n,
		.text = sp_arena_copy(&f->mem, sp_out_view(&o)),
	};
	f->n++;
}

static int
by_place(const void *a, const void *b)
{
	const struct sp_finding *x = a, *y = b;

	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	if (x->col != y->col)
		return x->col < y->col ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

void
sp_findings_write(struct sp_out *o, struct sp_findings *f)
{
	qsort(f->list, f->n, sizeof f->list[0], by_place);
	for (uint32_t i = 0; i < f->n; i++) {
		const struct sp_finding *x = &f->list[i];

		sp_out_slice(o, f->file);
		if (x->line != 0)
			sp_out_fmt(o, ":%u:%u", x->line, x->col);
		sp_out_str(o, x->warning ? ": warning: " : ": error: ");
		sp_out_slice(o, x->text);
		sp_out_byte(o, '\n');
	}
	if (f->errors + f->warnings > f->n) {
		sp_out_slice(o, f->file);
		sp_out_fmt(o, ": %u more findings are not shown\n", f->errors + f->warnings - f->n);
	}
}

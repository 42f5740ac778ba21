/* Whatever the arguments: the request stays under its template, every value in its slot, and the body is JSON. */
#include <assert.h>

#include "base/utf8.h"
#include "openapi/test_bind.h"
#include "wire/http1.h"
#include "wire/uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static size_t
count(sp_slice s, char c)
{
	size_t k = 0;

	for (size_t i = 0; i < s.n; i++)
		k += s.p[i] == c;
	return k;
}

static bool
is_plain(unsigned char c)
{
	return sp_is_alpha(c) || sp_is_digit(c) || strchr("-._~!$&'()*+,;=:@/%?", c) != NULL;
}

static void
check_segment(sp_slice s)
{
	char buf[1 << 16];
	struct sp_out o;
	sp_slice part, in;

	sp_out_init(&o, buf, sizeof buf);
	assert(sp_pct_decode(&o, s));
	in = sp_out_view(&o);
	assert(sp_utf8_valid(in));
	while (sp_take_part(&in, '/', &part))
		assert(!sp_eq(part, SP_LIT(".")) && !sp_eq(part, SP_LIT("..")));
}

static const char *const names[] = { "s", "l", "c", "must", "f%5Bx%20y%5D", "n", "v", "other", "q", "r" };

/* Only an object that is spread may bring names of its own, and never a slot's. */
static void
check_name(sp_slice tool, sp_slice name)
{
	bool known = false;

	for (size_t i = 0; i < SP_COUNT(names); i++)
		known |= sp_eq(name, sp_str(names[i]));
	assert(known || sp_starts(tool, SP_LIT("q_")));
	assert(!sp_eq_nocase(name, SP_LIT("token")));
}

static void
check_target(sp_slice tool, sp_slice target, sp_slice template)
{
	sp_slice path = target, query = target, segment, pair, name;

	assert(sp_starts(target, SP_LIT("/api/")) && sp_span(target, is_plain) == target.n);
	if (!sp_take_to(&query, '?', &path)) {
		path = target;
		query = (sp_slice){ NULL, 0 };
	}
	/* One segment under the template for one in it: no value adds or removes one. */
	assert(count(path, '/') == count(template, '/') + 1);
	for (sp_slice in = path; sp_take_part(&in, '/', &segment);)
		check_segment(segment);
	while (sp_take_part(&query, '&', &pair)) {
		assert(sp_take_to(&pair, '=', &name) && count(pair, '=') == 0);
		check_name(tool, name);
	}
}

static bool
is_cookie_char(unsigned char c)
{
	return c > ' ' && c < 0x7f && c != ';' && c != '"' && c != '\\';
}

static void
check_cookies(sp_slice all)
{
	sp_slice piece, name;

	while (all.n != 0 && sp_take_part(&all, ';', &piece)) {
		piece = sp_trim(piece);
		assert(sp_span(piece, is_cookie_char) == piece.n && sp_take_to(&piece, '=', &name));
		assert(name.n != 0 && sp_span(name, sp_is_tchar) == name.n && !sp_eq_nocase(name, SP_LIT("sid")));
	}
}

static void
check_fields(const struct sp_request *q)
{
	assert(q->nfields >= 1 && sp_eq(q->fields[0].name, SP_LIT("Accept")));
	for (uint32_t i = 0; i < q->nfields; i++) {
		sp_slice v = q->fields[i].value;

		assert(i == 0 || sp_starts(q->fields[i].name, SP_LIT("X-")) ||
		    (i == q->nfields - 1 && q->has_body && sp_eq(q->fields[i].name, SP_LIT("Content-Type"))));
		assert(!sp_eq_nocase(q->fields[i].name, SP_LIT("X-Other")));
		for (size_t k = 0; k < v.n; k++)
			assert(v.p[k] >= ' ' && v.p[k] <= '~');
	}
}

/* A form has only its own separators; a multipart body ends where it says. */
static void
check_other(const struct sp_request *q)
{
	sp_slice media = q->fields[q->nfields - 1].value, body = q->body, pair;
	char end[128];

	if (sp_take(&media, SP_LIT("multipart/form-data; boundary="))) {
		snprintf(end, sizeof end, "--%.*s--\r\n", SP_PRI(media));
		assert(sp_ends(body, sp_str(end)) && sp_find(body, sp_str(end)) == body.n - strlen(end));
		return;
	}
	if (!sp_eq(media, SP_LIT("application/x-www-form-urlencoded")))
		return;
	assert(sp_span(body, is_plain) == body.n);
	while (body.n != 0 && sp_take_part(&body, '&', &pair))
		assert(count(pair, '=') == 1);
}

static void
check_body(const struct sp_request *q, sp_jval *args)
{
	SP_AUTO(sp_json_free) struct sp_json j = { 0 };

	if (!q->has_body)
		return;
	if (!sp_eq(q->fields[q->nfields - 1].value, SP_LIT("application/json")) &&
	    !sp_ends(q->fields[q->nfields - 1].value, SP_LIT("+json"))) {
		check_other(q);
		return;
	}
	assert(sp_json_read(q->body, SP_JSON_DEFAULT, &j, NULL) == SP_OK);
	/* What is in a flat body is what was given. */
	for (struct sp_jiter it = sp_jeach(j.root); sp_jis_obj(j.root) && sp_jget(args, SP_LIT("body")) == NULL && sp_jnext(&it);)
		assert(sp_jequal(sp_jget(args, it.key), it.val));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct world w;
	const struct sp_img_tool *tool;
	struct sp_arena a;
	struct sp_request q;
	struct sp_err e = { 0 };
	sp_jval *args;

	if (w.img.base == NULL)
		world_make(&w);
	if (n < 2 || n > 4096)
		return 0;
	tool = SP_IMG_AT(&w.img, w.img.head->tools, tool, data[0] % w.img.head->tools.n);
	sp_arena_init(&a, 1 << 20);
	if (sp_json_read_arena(&a, sp_mem(data + 1, n - 1), SP_JSON_DEFAULT, &args, &e) == SP_OK) {
		if (sp_bind(&a, &w.img, tool, args, &q, &e) == SP_OK) {
			check_target(sp_img_str(&w.img, tool->name), q.target, sp_img_str(&w.img, SP_IMG_AT(&w.img, tool->op, op, 0)->path));
			check_fields(&q);
			check_cookies(q.cookies);
			check_body(&q, args);
		} else {
			assert(e.code == SP_E_BAD_PARAMS || e.code == SP_E_REFUSED || e.code == SP_E_TOO_BIG);
			assert(sp_utf8_valid(sp_str(e.pub)));
		}
	}
	sp_arena_free(&a);
	return 0;
}

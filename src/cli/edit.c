#include "cli/edit.h"

#include "config/node.h"

/* ---------------------------------------------------------------- writing */

static bool
is_plain(sp_slice s)
{
	const sp_slice also = SP_LIT("-_./:@+");
	unsigned char last;

	if (s.n == 0 || !(sp_is_alpha((unsigned char)s.p[0]) || sp_is_digit((unsigned char)s.p[0]) || s.p[0] == '/' || s.p[0] == '.'))
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!sp_is_alpha((unsigned char)s.p[i]) && !sp_is_digit((unsigned char)s.p[i]) && !sp_has_byte(also, s.p[i]))
			return false;
	last = (unsigned char)s.p[s.n - 1];
	return last != ':' && last != '.';
}

bool
sp_edit_scalar(struct sp_out *o, sp_slice s)
{
	if (is_plain(s)) {
		sp_out_slice(o, s);
		return true;
	}
	sp_out_byte(o, '"');
	for (size_t i = 0; i < s.n; i++) {
		if (sp_is_ctl((unsigned char)s.p[i]))
			return false;
		if (s.p[i] == '"' || s.p[i] == '\\')
			sp_out_byte(o, '\\');
		sp_out_byte(o, s.p[i]);
	}
	sp_out_byte(o, '"');
	return true;
}

static void
put_indent(struct sp_out *o, unsigned n)
{
	while (n-- != 0)
		sp_out_byte(o, ' ');
}

static bool
put_key(struct sp_out *o, unsigned indent, const char *key, sp_slice value, const char *eol)
{
	bool ok;

	put_indent(o, indent);
	sp_out_fmt(o, "%s: ", key);
	ok = sp_edit_scalar(o, value);
	sp_out_str(o, eol);
	return ok;
}

static bool
put_secrets(struct sp_out *o, const struct sp_edit *what, unsigned indent, const char *eol)
{
	bool ok = true;

	if (what->nsecrets == 0)
		return true;
	put_indent(o, indent);
	sp_out_str(o, "secrets: {");
	for (size_t i = 0; i < what->nsecrets; i++) {
		sp_out_str(o, i == 0 ? "" : ", ");
		ok &= sp_edit_scalar(o, what->secrets[i].name);
		sp_out_str(o, what->secrets[i].as.n != 0 ? ": {secret: " : ": ");
		ok &= sp_edit_scalar(o, what->secrets[i].ref);
		if (what->secrets[i].as.n == 0)
			continue;
		sp_out_str(o, ", as: ");
		ok &= sp_edit_scalar(o, what->secrets[i].as);
		sp_out_byte(o, '}');
	}
	sp_out_byte(o, '}');
	sp_out_str(o, eol);
	return ok;
}

bool
sp_edit_server(struct sp_out *o, const struct sp_edit *what, unsigned indent, const char *eol)
{
	char kind[16];
	bool ok = sp_cstr(what->kind, kind, sizeof kind);

	put_indent(o, indent);
	sp_out_slice(o, what->name);
	sp_out_fmt(o, ":%s", eol);
	ok = ok && put_key(o, indent + 2, kind, what->source, eol);
	if (what->url.n != 0)
		ok = put_key(o, indent + 2, "url", what->url, eol) && ok;
	return put_secrets(o, what, indent + 2, eol) && ok;
}

static bool
put_list(struct sp_out *o, const sp_slice *list, size_t n)
{
	bool ok = true;

	sp_out_str(o, n > 1 ? "[" : "");
	for (size_t i = 0; i < n; i++) {
		sp_out_str(o, i == 0 ? "" : ", ");
		ok &= sp_edit_scalar(o, list[i]);
	}
	sp_out_str(o, n > 1 ? "]" : "");
	return ok;
}

bool
sp_edit_rule(struct sp_out *o, const struct sp_edit *what, unsigned indent, const char *eol)
{
	sp_slice in = what->scopes, part, scopes[SP_EDIT_TOOLS];
	size_t n = 0;
	bool ok;

	put_indent(o, indent);
	sp_out_str(o, "- {allow: ");
	ok = put_list(o, what->tools, what->ntools);
	while (ok && sp_take_part(&in, ' ', &part)) {
		if (part.n == 0)
			continue;
		ok = n < SP_COUNT(scopes);
		if (ok)
			scopes[n++] = part;
	}
	if (n != 0) {
		sp_out_str(o, ", require_scopes: ");
		ok = put_list(o, scopes, n) && ok;
	}
	sp_out_fmt(o, "}%s", eol);
	return ok;
}

/* ---------------------------------------------------------------- where */

/* Offset of the first byte of a line, from 1; the length of the text when there is no such line. */
static size_t
line_at(sp_slice text, uint32_t line)
{
	sp_slice in = text, skipped;

	while (--line != 0)
		if (!sp_take_to(&in, '\n', &skipped))
			return text.n;
	return text.n - in.n;
}

static bool
is_content(sp_slice line)
{
	sp_slice t = sp_trim(line);

	if (sp_ends(t, SP_LIT("\r")))
		t.n--;
	return t.n != 0 && t.p[0] != '#';
}

/* The end of the last line with content between `from` and `to`: comments after it speak of what follows. */
static size_t
content_end(sp_slice text, size_t from, size_t to)
{
	sp_slice in = sp_sub(text, from, to - from), line;
	size_t end = from;

	while (in.n != 0) {
		if (!sp_take_to(&in, '\n', &line)) {
			line = in;
			sp_advance(&in, in.n);
		}
		if (is_content(line))
			end = to - in.n;
	}
	return end;
}

struct place {
	size_t at;			/* lines are inserted here */
	unsigned indent;
	bool absent;			/* the key itself has to be written first */
};

static bool
find_place(sp_slice text, const struct node *root, const char *key, char item, struct place *p)
{
	const struct node *n = sp_node_get(root, key);
	size_t start;

	*p = (struct place){ .at = content_end(text, 0, text.n), .indent = 2, .absent = true };
	if (n == NULL)
		return true;
	start = line_at(text, n->line) + n->col - 1;
	/* Block style alone can be continued by a line; a list of one item may have been written without a list. */
	if (n->kind != (item == '-' ? NODE_LIST : NODE_MAP) || n->n == 0 || n->line <= n->key->line || start >= text.n ||
	    (item == '-' ? text.p[start] != '-' : text.p[start] == '{'))
		return false;
	*p = (struct place){ .indent = n->col - 1 };
	p->at = content_end(text, start, n->next == NULL ? text.n : line_at(text, n->next->key->line));
	return true;
}

static void
insert(struct sp_out *o, sp_slice text, size_t *done, size_t at, const char *eol)
{
	sp_out_slice(o, sp_sub(text, *done, at - *done));
	if (at != 0 && text.p[at - 1] != '\n' && at > *done)
		sp_out_str(o, eol);
	*done = at;
}

static bool
put_piece(struct sp_out *o, const struct sp_edit *what, const struct place *p, bool rule, const char *eol)
{
	if (p->absent)
		sp_out_fmt(o, "%s:%s", rule ? "rules" : "servers", eol);
	return rule ? sp_edit_rule(o, what, p->indent, eol) : sp_edit_server(o, what, p->indent, eol);
}

/* ---------------------------------------------------------------- the proof */

static bool
same(const struct node *a, const struct node *b)
{
	const struct node *x = a->first, *y = b->first;

	if (a->kind != b->kind || a->n != b->n || a->plain != b->plain || !sp_eq(a->text, b->text))
		return false;
	for (; x != NULL && y != NULL; x = x->next, y = y->next)
		if ((a->kind == NODE_MAP && !sp_eq(x->key->text, y->key->text)) || !same(x, y))
			return false;
	return x == NULL && y == NULL;
}

/* All of `a` stands at the beginning of `b`, which has `more` members beside. */
static bool
grown(const struct node *a, const struct node *b, uint32_t more)
{
	const struct node *x = a == NULL ? NULL : a->first, *y = b->first;

	if (b->n != (a == NULL ? 0 : a->n) + more || (a != NULL && a->kind != b->kind))
		return false;
	for (; x != NULL; x = x->next, y = y->next)
		if ((a->kind == NODE_MAP && !sp_eq(x->key->text, y->key->text)) || !same(x, y))
			return false;
	return true;
}

static bool
proven(const struct node *old, const struct node *fresh, const struct sp_edit *what)
{
	const struct node *servers, *rules;
	uint32_t more = sp_node_get(old, "servers") == NULL ? 1 : 0;

	more += what->ntools != 0 && sp_node_get(old, "rules") == NULL ? 1 : 0;
	if (fresh == NULL || fresh->kind != NODE_MAP || fresh->n != old->n + more)
		return false;
	servers = sp_node_get(fresh, "servers");
	rules = sp_node_get(fresh, "rules");
	if (servers == NULL || servers->kind != NODE_MAP || !grown(sp_node_get(old, "servers"), servers, 1) ||
	    !sp_eq(servers->last->key->text, what->name) || servers->last->kind != NODE_MAP)
		return false;
	if (what->ntools != 0 && (rules == NULL || rules->kind != NODE_LIST || !grown(sp_node_get(old, "rules"), rules, 1)))
		return false;
	for (const struct node *x = old->first; x != NULL; x = x->next) {
		char key[64];
		const struct node *y = sp_cstr(x->key->text, key, sizeof key) ? sp_node_get(fresh, key) : NULL;

		if (sp_eq(x->key->text, SP_LIT("servers")) || (what->ntools != 0 && sp_eq(x->key->text, SP_LIT("rules"))))
			continue;
		if (y == NULL || !same(x, y))
			return false;
	}
	return true;
}

/* ---------------------------------------------------------------- all */

static const struct node *
read_tree(struct sp_arena *mem, sp_slice text)
{
	struct sp_findings f;
	const struct node *root;
	bool good;

	sp_findings_init(&f, SP_LIT("text"));
	root = sp_yaml_read(mem, text, &f);
	good = root != NULL && root->kind == NODE_MAP && f.errors == 0;
	sp_findings_free(&f);
	return good ? root : NULL;
}

static bool
write_edited(struct sp_out *o, sp_slice text, const struct sp_edit *what, const struct place p[2], const char *eol)
{
	unsigned n = what->ntools == 0 ? 1 : 2, first = n == 2 && p[1].at < p[0].at ? 1 : 0;
	size_t done = 0;
	bool ok = true;

	for (unsigned i = 0; i < n; i++) {
		unsigned k = first ^ i;

		insert(o, text, &done, p[k].at, eol);
		ok = put_piece(o, what, &p[k], k == 1, eol) && ok;
	}
	sp_out_slice(o, sp_sub(text, done, text.n - done));
	return ok && !o->full;
}

/* YAML ends lines in more ways than we count: CR alone, NEL, LS, PS. */
static bool
has_odd_breaks(sp_slice text)
{
	for (size_t i = 0; i < text.n; i++) {
		sp_slice rest = sp_sub(text, i, 3);

		if ((text.p[i] == '\r' && !sp_starts(rest, SP_LIT("\r\n"))) || sp_starts(rest, SP_LIT("\xc2\x85")) ||
		    sp_eq(rest, SP_LIT("\xe2\x80\xa8")) || sp_eq(rest, SP_LIT("\xe2\x80\xa9")))
			return true;
	}
	return false;
}

static bool
is_block(sp_slice text, const struct node *root)
{
	size_t at = line_at(text, root->line);

	return root->col == 1 && at < text.n && text.p[at] != '{';
}

enum sp_status
sp_edit_add(struct sp_arena *mem, sp_slice text, const struct sp_edit *what, struct sp_out *out, struct sp_err *e)
{
	const struct node *root = read_tree(mem, text), *servers;
	const char *eol = sp_find(text, SP_LIT("\r\n")) != SIZE_MAX ? "\r\n" : "\n";
	struct place p[2];

	if (root == NULL)
		return sp_fail(e, SP_E_CONFIG, NULL, "the file is not valid: `sallyport check` says where");
	servers = sp_node_get(root, "servers");
	for (const struct node *s = servers == NULL ? NULL : servers->first; s != NULL && servers->kind == NODE_MAP; s = s->next)
		if (sp_eq(s->key->text, what->name))
			return sp_fail(e, SP_E_CONFIG, NULL, "there is a server %.*s already, in line %u", SP_PRI(what->name), s->key->line);
	if (has_odd_breaks(text))
		return sp_fail(e, SP_E_REFUSED, NULL, "the file has line breaks that are neither LF nor CRLF");
	if (root->n == 0 || !is_block(text, root))
		return sp_fail(e, SP_E_REFUSED, NULL, "the file is written between braces, or is indented");
	if (!find_place(text, root, "servers", 0, &p[0]))
		return sp_fail(e, SP_E_REFUSED, NULL, "`servers` is not written as lines `NAME:`");
	if (what->ntools != 0 && !find_place(text, root, "rules", '-', &p[1]))
		return sp_fail(e, SP_E_REFUSED, NULL, "`rules` is not written as lines `- …`");
	if (!write_edited(out, text, what, p, eol))
		return sp_fail(e, SP_E_REFUSED, NULL, "what is to be added is too long, or holds control characters");
	if (!proven(root, read_tree(mem, sp_out_view(out)), what))
		return sp_fail(e, SP_E_REFUSED, NULL, "inserting lines would change what else the file says");
	return SP_OK;
}

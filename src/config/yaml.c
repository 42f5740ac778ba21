#include "config/node.h"

#include "base/utf8.h"

#include <yaml.h>

struct reader {
	struct sp_arena	   *mem;
	struct sp_findings *f;
	struct node *stack[SP_YAML_DEPTH];	/* open lists and mappings */
	struct node *key[SP_YAML_DEPTH];	/* the key that waits for its value */
	unsigned depth, nodes;
	struct node *root;
	bool stop;
};

#define COMPLAIN(r, n, ...) sp_findings_add((r)->f, false, (n)->line, (n)->col, __VA_ARGS__)

static struct node *
node_new(struct reader *r, enum node_kind kind, const yaml_event_t *ev)
{
	struct node *n = sp_arena_get(r->mem, sizeof *n);

	if (n == NULL || ++r->nodes > SP_YAML_NODES) {
		sp_findings_add(r->f, false, (uint32_t)ev->start_mark.line + 1, 0, "too many values");
		r->stop = true;
		return NULL;
	}
	n->kind = kind;
	n->line = (uint32_t)ev->start_mark.line + 1;
	n->col = (uint32_t)ev->start_mark.column + 1;
	return n;
}

static bool
has_key(const struct node *map, sp_slice key, uint32_t *line)
{
	for (const struct node *v = map->first; v != NULL; v = v->next)
		if (sp_eq(v->key->text, key)) {
			*line = v->key->line;
			return true;
		}
	return false;
}

static void
append(struct node *parent, struct node *n)
{
	if (parent->last == NULL)
		parent->first = n;
	else
		parent->last->next = n;
	parent->last = n;
	parent->n++;
}

/* A key of the mapping on top of the stack. */
static void
take_key(struct reader *r, struct node *n)
{
	if (n->kind != NODE_SCALAR) {
		if (n->kind != NODE_BAD)
			COMPLAIN(r, n, "a key must be plain text");
		n->kind = NODE_BAD;
		n->text = SP_LIT("");
	} else if (n->plain && sp_eq(n->text, SP_LIT("<<"))) {
		COMPLAIN(r, n, "merge keys are not part of this language");
		n->kind = NODE_BAD;
	}
	r->key[r->depth - 1] = n;
}

static void
take_value(struct reader *r, struct node *map, struct node *n)
{
	struct node *key = r->key[r->depth - 1];
	uint32_t line;

	r->key[r->depth - 1] = NULL;
	n->key = key;
	if (key->kind == NODE_BAD)
		return;
	if (map->n == SP_YAML_KEYS) {
		COMPLAIN(r, key, "more than %d keys in one mapping", SP_YAML_KEYS);
		r->stop = true;
		return;
	}
	if (has_key(map, key->text, &line)) {
		COMPLAIN(r, key, "`%.*s` is written twice, first at line %u", SP_PRI(key->text), line);
		return;
	}
	append(map, n);
}

/* Puts a finished scalar or a list or mapping just opened into its place. */
static void
place(struct reader *r, struct node *n)
{
	struct node *top = r->depth == 0 ? NULL : r->stack[r->depth - 1];

	if (top == NULL)
		r->root = n;
	else if (top->kind == NODE_LIST)
		append(top, n);
	else if (r->key[r->depth - 1] == NULL)
		take_key(r, n);
	else
		take_value(r, top, n);
}

static void
check_properties(struct reader *r, const struct node *n, const yaml_char_t *anchor, const yaml_char_t *tag)
{
	if (anchor != NULL)
		COMPLAIN(r, n, "anchors (`&`) are not part of this language; quote text that begins with `&`");
	if (tag != NULL)
		COMPLAIN(r, n, "tags (`!`) are not part of this language; quote text that begins with `!`");
}

static void
on_scalar(struct reader *r, const yaml_event_t *ev)
{
	struct node *n = node_new(r, NODE_SCALAR, ev);

	if (n == NULL)
		return;
	check_properties(r, n, ev->data.scalar.anchor, ev->data.scalar.tag);
	n->plain = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	n->text = sp_arena_copy(r->mem, sp_mem(ev->data.scalar.value, ev->data.scalar.length));
	if (n->text.p == NULL) {
		COMPLAIN(r, n, "out of memory");
		r->stop = true;
		return;
	}
	place(r, n);
}

static void
on_open(struct reader *r, const yaml_event_t *ev)
{
	bool list = ev->type == YAML_SEQUENCE_START_EVENT;
	struct node *n = node_new(r, list ? NODE_LIST : NODE_MAP, ev);
	bool is_key = r->depth != 0 && r->stack[r->depth - 1]->kind == NODE_MAP && r->key[r->depth - 1] == NULL;

	if (n == NULL)
		return;
	if (list)
		check_properties(r, n, ev->data.sequence_start.anchor, ev->data.sequence_start.tag);
	else
		check_properties(r, n, ev->data.mapping_start.anchor, ev->data.mapping_start.tag);
	if (r->depth == SP_YAML_DEPTH || is_key) {
		COMPLAIN(r, n, is_key ? "a key must be plain text" : "nested too deeply");
		r->stop = true;
		return;
	}
	place(r, n);
	r->stack[r->depth] = n;
	r->key[r->depth] = NULL;
	r->depth++;
}

static void
on_alias(struct reader *r, const yaml_event_t *ev)
{
	struct node *n = node_new(r, NODE_BAD, ev);

	if (n == NULL)
		return;
	COMPLAIN(r, n, "aliases (`*`) are not part of this language; quote text that begins with `*`");
	place(r, n);
}

static void
on_document(struct reader *r, const yaml_event_t *ev)
{
	uint32_t line = (uint32_t)ev->start_mark.line + 1, col = (uint32_t)ev->start_mark.column + 1;

	if (r->root != NULL) {
		sp_findings_add(r->f, false, line, col, "a second document; one file has one");
		r->stop = true;
	}
	if (ev->data.document_start.version_directive != NULL ||
	    ev->data.document_start.tag_directives.start != ev->data.document_start.tag_directives.end)
		sp_findings_add(r->f, false, line, col, "directives (`%%`) are not part of this language");
}

static void
on_event(struct reader *r, const yaml_event_t *ev)
{
	switch (ev->type) {
	case YAML_DOCUMENT_START_EVENT:
		on_document(r, ev);
		break;
	case YAML_SCALAR_EVENT:
		on_scalar(r, ev);
		break;
	case YAML_SEQUENCE_START_EVENT:
	case YAML_MAPPING_START_EVENT:
		on_open(r, ev);
		break;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		r->depth--;
		break;
	case YAML_ALIAS_EVENT:
		on_alias(r, ev);
		break;
	default:
		break;
	}
}

static void
syntax_error(struct reader *r, const yaml_parser_t *p)
{
	bool marked = p->error != YAML_READER_ERROR && p->error != YAML_MEMORY_ERROR;
	uint32_t line = (uint32_t)(marked ? p->problem_mark.line : p->mark.line) + 1;
	uint32_t col = (uint32_t)(marked ? p->problem_mark.column : p->mark.column) + 1;

	sp_findings_add(r->f, false, line, col, "not YAML: %s%s%s",
	    p->problem == NULL ? "cannot be read" : p->problem,
	    p->context == NULL ? "" : " ", p->context == NULL ? "" : p->context);
}

static void
parse(struct reader *r, sp_slice text)
{
	yaml_parser_t p;
	yaml_event_t ev;
	bool end = false;

	if (!yaml_parser_initialize(&p)) {
		sp_findings_add(r->f, false, 0, 0, "out of memory");
		r->stop = true;
		return;
	}
	yaml_parser_set_encoding(&p, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&p, (const unsigned char *)text.p, text.n);
	while (!end && !r->stop) {
		if (!yaml_parser_parse(&p, &ev)) {
			syntax_error(r, &p);
			r->stop = true;
			break;
		}
		end = ev.type == YAML_STREAM_END_EVENT;
		on_event(r, &ev);
		yaml_event_delete(&ev);
	}
	yaml_parser_delete(&p);
}

struct node *
sp_yaml_read(struct sp_arena *a, sp_slice text, struct sp_findings *f)
{
	struct reader r = { .mem = a, .f = f };

	if (text.n > SP_YAML_BYTES) {
		sp_findings_add(f, false, 0, 0, "larger than 1 MB");
		return NULL;
	}
	if (sp_starts(text, SP_LIT("\xef\xbb\xbf"))) {
		sp_findings_add(f, false, 1, 1, "begins with a byte order mark: save it as plain UTF-8");
		return NULL;
	}
	if (!sp_utf8_valid(text)) {
		sp_findings_add(f, false, 0, 0, "not UTF-8");
		return NULL;
	}
	if (text.n != 0)
		parse(&r, text);
	if (r.stop)
		return NULL;
	if (r.root == NULL)
		sp_findings_add(f, false, 0, 0, "the file is empty");
	return r.root;
}

const struct node *
sp_node_get(const struct node *map, const char *key)
{
	if (map == NULL || map->kind != NODE_MAP)
		return NULL;
	for (const struct node *v = map->first; v != NULL; v = v->next)
		if (sp_eq(v->key->text, sp_str(key)))
			return v;
	return NULL;
}

/* ---- one line of flow style */

static bool
needs_quotes(const struct node *n)
{
	sp_slice s = n->text;

	if (!n->plain || s.n == 0)
		return true;
	for (size_t i = 0; i < s.n; i++)
		if (strchr(",[]{}\"\\", s.p[i]) != NULL || sp_is_ctl((unsigned char)s.p[i]))
			return true;
	return false;
}

static void
write_scalar(struct sp_out *o, const struct node *n)
{
	bool quotes = needs_quotes(n);

	if (quotes)
		sp_out_byte(o, '"');
	for (size_t i = 0; i < n->text.n; i++) {
		if (quotes && (n->text.p[i] == '"' || n->text.p[i] == '\\'))
			sp_out_byte(o, '\\');
		sp_out_byte(o, n->text.p[i]);
	}
	if (quotes)
		sp_out_byte(o, '"');
}

/* Recursion is bounded by SP_YAML_DEPTH. */
void
sp_node_write(struct sp_out *o, const struct node *n)
{
	if (n->kind == NODE_SCALAR || n->kind == NODE_BAD) {
		write_scalar(o, n);
		return;
	}
	sp_out_byte(o, n->kind == NODE_LIST ? '[' : '{');
	for (const struct node *v = n->first; v != NULL; v = v->next) {
		if (v != n->first)
			sp_out_str(o, ", ");
		if (n->kind == NODE_MAP) {
			write_scalar(o, v->key);
			sp_out_str(o, ": ");
		}
		sp_node_write(o, v);
	}
	sp_out_byte(o, n->kind == NODE_LIST ? ']' : '}');
}

#include "cli/options.h"

#include "base/near.h"

#include <stdio.h>

enum { WORD_MAX = 32, NEAR = 2 };

const char *
sp_nearest(sp_slice word, const char *const *candidates, size_t n)
{
	const char *best = NULL;
	size_t best_distance = (word.n + 1) / 3 < NEAR ? (word.n + 1) / 3 + 1 : NEAR + 1;

	for (size_t i = 0; i < n; i++) {
		size_t d = sp_edit_distance(word, sp_str(candidates[i]));

		if (d < best_distance && d < sp_str(candidates[i]).n) {
			best = candidates[i];
			best_distance = d;
		}
	}
	return best;
}

size_t
sp_operation(const struct sp_command *c, const char *word)
{
	const char *const *names = c->ops, *near;
	size_t n = c->nops;

	for (size_t i = 0; i < n; i++)
		if (strcmp(word, names[i]) == 0)
			return i;
	near = sp_nearest(sp_str(word), names, n);
	fprintf(stderr, "sallyport %s: there is no such operation", c->name);
	if (near != NULL)
		fprintf(stderr, ". Did you mean `%s`?\n", near);
	for (size_t i = 0; near == NULL && i < n; i++)
		fprintf(stderr, "%s%s%s", i == 0 ? ": " : ", ", names[i], i + 1 == n ? "\n" : "");
	return n;
}

static bool
unknown(const struct sp_command *c, sp_slice name)
{
	const char *names[32], *near;
	size_t n = 0;

	for (; n < c->nopts && n < SP_COUNT(names); n++)
		names[n] = c->opts[n].name;
	near = sp_nearest(name, names, n);
	fprintf(stderr, "sallyport %s: unknown option --%.*s", c->name, (int)(name.n > WORD_MAX ? WORD_MAX : name.n), name.p);
	if (near != NULL)
		fprintf(stderr, ". Did you mean --%s?\n", near);
	else
		fprintf(stderr, ". `sallyport %s --help` lists them\n", c->name);
	return false;
}

static const struct sp_opt *
find(sp_slice name, char letter, const struct sp_opt *opts, size_t nopts)
{
	for (size_t i = 0; i < nopts; i++)
		if (letter != 0 ? opts[i].letter == letter : sp_eq(name, sp_str(opts[i].name)))
			return &opts[i];
	return NULL;
}

static bool
take_number(const struct sp_command *c, const struct sp_opt *o, const char *value, uint64_t *to)
{
	sp_slice in = sp_str(value);
	uint64_t v;

	if (sp_take_u64(&in, o->max, &v) && in.n == 0 && v != 0) {
		*to = v;
		return true;
	}
	fprintf(stderr, "sallyport %s: --%s takes a number from 1 to %llu\n", c->name, o->name, (unsigned long long)o->max);
	return false;
}

static bool
take_value(const struct sp_command *c, const struct sp_opt *o, const char *value, void *to)
{
	void *at = (char *)to + o->at;
	struct sp_opt_list *list = at;

	if (o->kind == SP_OPT_NUMBER)
		return take_number(c, o, value, at);
	if (o->kind == SP_OPT_TEXT) {
		*(const char **)at = value;
		return true;
	}
	if (list->n == SP_OPT_LIST_MAX) {
		fprintf(stderr, "sallyport %s: --%s may be given %d times\n", c->name, o->name, SP_OPT_LIST_MAX);
		return false;
	}
	list->v[list->n++] = value;
	return true;
}

/* One option, and its value from here or from the next word; *used: the next word was taken. */
static bool
take_option(const struct sp_command *c, const char *word, const char *next, void *to, bool *used)
{
	sp_slice in = sp_str(word), name;
	bool has_value = false;
	const struct sp_opt *o;
	const char *value = NULL;

	*used = false;
	if (in.p[1] == '-') {
		sp_advance(&in, 2);
		name = in;
		has_value = sp_take_to(&in, '=', &name);
		value = in.p;
		o = find(name, 0, c->opts, c->nopts);
	} else {
		name = sp_sub(in, 1, 1);
		o = in.n == 2 ? find(name, in.p[1], c->opts, c->nopts) : NULL;
	}
	if (o == NULL)
		return unknown(c, name);
	if (o->kind == SP_OPT_FLAG) {
		if (has_value) {
			fprintf(stderr, "sallyport %s: --%s takes no value\n", c->name, o->name);
			return false;
		}
		*(bool *)((char *)to + o->at) = true;
		return true;
	}
	if (!has_value && next == NULL) {
		fprintf(stderr, "sallyport %s: --%s needs a value\n", c->name, o->name);
		return false;
	}
	*used = !has_value;
	return take_value(c, o, has_value ? value : next, to);
}

static bool
is_help(sp_slice w)
{
	return sp_eq(w, SP_LIT("--help")) || sp_eq(w, SP_LIT("-h"));
}

static int
print_help(const struct sp_command *c, FILE *to)
{
	fputs(c->help, to);
	return to == stdout ? 0 : 2;
}

int
sp_opts_read(const struct sp_command *c, int argc, char **argv, void *to, const char **words, size_t *n)
{
	bool over = false, used;

	*n = 0;
	for (int i = 1; i < argc; i++) {
		sp_slice w = sp_str(argv[i]);

		if (!over && is_help(w))
			return print_help(c, stdout);
		if (!over && sp_eq(w, SP_LIT("--"))) {
			over = true;
		} else if (!over && w.n > 1 && w.p[0] == '-') {
			if (!take_option(c, argv[i], i + 1 < argc ? argv[i + 1] : NULL, to, &used))
				return 2;
			i += used;
		} else {
			if (*n < c->max)
				words[*n] = argv[i];
			++*n;
		}
	}
	return *n < c->min || *n > c->max ? print_help(c, stderr) : SP_OPTS_GO;
}

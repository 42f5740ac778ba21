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
sp_operation(const char *command, const char *word, const char *const *names, size_t n)
{
	const char *near;

	for (size_t i = 0; i < n; i++)
		if (strcmp(word, names[i]) == 0)
			return i;
	near = sp_nearest(sp_str(word), names, n);
	fprintf(stderr, "sallyport %s: there is no such operation", command);
	if (near != NULL)
		fprintf(stderr, ". Did you mean `%s`?\n", near);
	for (size_t i = 0; near == NULL && i < n; i++)
		fprintf(stderr, "%s%s%s", i == 0 ? ": " : ", ", names[i], i + 1 == n ? "\n" : "");
	return n;
}

static bool
unknown(const char *command, sp_slice name, const struct sp_opt *opts, size_t nopts)
{
	const char *names[32], *near;

	for (size_t i = 0; i < nopts && i < SP_COUNT(names); i++)
		names[i] = opts[i].name;
	near = sp_nearest(name, names, nopts < SP_COUNT(names) ? nopts : SP_COUNT(names));
	fprintf(stderr, "sallyport %s: unknown option --%.*s", command, (int)(name.n > WORD_MAX ? WORD_MAX : name.n), name.p);
	if (near != NULL)
		fprintf(stderr, ". Did you mean --%s?\n", near);
	else
		fprintf(stderr, ". `sallyport %s --help` lists them\n", command);
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
take_value(const char *command, const struct sp_opt *o, const char *value)
{
	sp_slice in = sp_str(value);
	uint64_t v;

	if (o->kind == SP_OPT_TEXT) {
		*(const char **)o->to = value;
		return true;
	}
	if (!sp_take_u64(&in, o->max, &v) || in.n != 0 || v == 0) {
		fprintf(stderr, "sallyport %s: --%s takes a number from 1 to %llu\n", command, o->name,
		    (unsigned long long)o->max);
		return false;
	}
	*(uint64_t *)o->to = v;
	return true;
}

/* One option, and its value from here or from the next word; *used: the next word was taken. */
static bool
take_option(const char *command, const char *word, const char *next, const struct sp_opt *opts, size_t nopts, bool *used)
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
		o = find(name, 0, opts, nopts);
	} else {
		name = sp_sub(in, 1, 1);
		o = in.n == 2 ? find(name, in.p[1], opts, nopts) : NULL;
	}
	if (o == NULL)
		return unknown(command, name, opts, nopts);
	if (o->kind == SP_OPT_FLAG) {
		if (has_value) {
			fprintf(stderr, "sallyport %s: --%s takes no value\n", command, o->name);
			return false;
		}
		*(bool *)o->to = true;
		return true;
	}
	if (!has_value && next == NULL) {
		fprintf(stderr, "sallyport %s: --%s needs a value\n", command, o->name);
		return false;
	}
	*used = !has_value;
	return take_value(command, o, has_value ? value : next);
}

bool
sp_opts_read(const char *command, int argc, char **argv, const struct sp_opt *opts, size_t nopts, const char **words,
    size_t max, size_t *n)
{
	bool over = false, used;

	*n = 0;
	for (int i = 1; i < argc; i++) {
		sp_slice w = sp_str(argv[i]);

		if (!over && sp_eq(w, SP_LIT("--"))) {
			over = true;
		} else if (!over && w.n > 1 && w.p[0] == '-') {
			if (!take_option(command, argv[i], i + 1 < argc ? argv[i + 1] : NULL, opts, nopts, &used))
				return false;
			i += used;
		} else {
			if (*n < max)
				words[*n] = argv[i];
			++*n;
		}
	}
	return true;
}

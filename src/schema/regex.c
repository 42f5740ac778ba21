/*
 * `pattern` by PCRE2 without JIT, close to ECMA-262 in Unicode mode.  A match first gets little work, then more for
 * a multiple of the price, then is refused: a pattern that explodes cannot hold a process.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "schema/schema_int.h"

#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>

enum { PATTERN_MAX = 8192, HEAP_KB = 4096, PARENS = 100 };

static const struct tier { uint32_t work, depth; uint64_t price; } tiers[] = {
	{ 1000, 500, 20 }, { 100000, 20000, 20000 },
};

struct sp_regex {
	pcre2_code *code;
	pcre2_match_context *limits[SP_COUNT(tiers)];
};

/* ECMA-262's long names of general categories; PCRE2 has the short ones only. */
static const struct { sp_slice name; const char *brief; } categories[] = {
	{ SP_LIT_INIT("Letter"), "L" }, { SP_LIT_INIT("Cased_Letter"), "L&" }, { SP_LIT_INIT("LC"), "L&" },
	{ SP_LIT_INIT("Uppercase_Letter"), "Lu" }, { SP_LIT_INIT("Lowercase_Letter"), "Ll" },
	{ SP_LIT_INIT("Titlecase_Letter"), "Lt" }, { SP_LIT_INIT("Modifier_Letter"), "Lm" },
	{ SP_LIT_INIT("Other_Letter"), "Lo" }, { SP_LIT_INIT("Mark"), "M" }, { SP_LIT_INIT("Combining_Mark"), "M" },
	{ SP_LIT_INIT("Nonspacing_Mark"), "Mn" }, { SP_LIT_INIT("Spacing_Mark"), "Mc" },
	{ SP_LIT_INIT("Enclosing_Mark"), "Me" }, { SP_LIT_INIT("Number"), "N" },
	{ SP_LIT_INIT("Decimal_Number"), "Nd" }, { SP_LIT_INIT("digit"), "Nd" },
	{ SP_LIT_INIT("Letter_Number"), "Nl" }, { SP_LIT_INIT("Other_Number"), "No" },
	{ SP_LIT_INIT("Punctuation"), "P" }, { SP_LIT_INIT("punct"), "P" },
	{ SP_LIT_INIT("Connector_Punctuation"), "Pc" }, { SP_LIT_INIT("Dash_Punctuation"), "Pd" },
	{ SP_LIT_INIT("Open_Punctuation"), "Ps" }, { SP_LIT_INIT("Close_Punctuation"), "Pe" },
	{ SP_LIT_INIT("Initial_Punctuation"), "Pi" }, { SP_LIT_INIT("Final_Punctuation"), "Pf" },
	{ SP_LIT_INIT("Other_Punctuation"), "Po" }, { SP_LIT_INIT("Symbol"), "S" },
	{ SP_LIT_INIT("Math_Symbol"), "Sm" }, { SP_LIT_INIT("Currency_Symbol"), "Sc" },
	{ SP_LIT_INIT("Modifier_Symbol"), "Sk" }, { SP_LIT_INIT("Other_Symbol"), "So" },
	{ SP_LIT_INIT("Separator"), "Z" }, { SP_LIT_INIT("Space_Separator"), "Zs" },
	{ SP_LIT_INIT("Line_Separator"), "Zl" }, { SP_LIT_INIT("Paragraph_Separator"), "Zp" },
	{ SP_LIT_INIT("Other"), "C" }, { SP_LIT_INIT("Control"), "Cc" }, { SP_LIT_INIT("cntrl"), "Cc" },
	{ SP_LIT_INIT("Format"), "Cf" }, { SP_LIT_INIT("Surrogate"), "Cs" }, { SP_LIT_INIT("Private_Use"), "Co" },
	{ SP_LIT_INIT("Unassigned"), "Cn" },
};

static void
category_write(struct sp_out *o, sp_slice name)
{
	if (!sp_take(&name, SP_LIT("General_Category=")))
		sp_take(&name, SP_LIT("gc="));
	for (size_t i = 0; i < SP_COUNT(categories); i++)
		if (sp_eq(categories[i].name, name)) {
			sp_out_str(o, categories[i].brief);
			return;
		}
	sp_out_slice(o, name);
}

/* The pattern with category names that PCRE2 knows. */
static void
translate(struct sp_out *o, sp_slice s)
{
	while (s.n != 0) {
		sp_slice two, name;

		if (s.p[0] != '\\' || !sp_take_n(&s, 2, &two)) {
			sp_out_byte(o, s.p[0]);
			sp_advance(&s, 1);
			continue;
		}
		sp_out_slice(o, two);
		if ((two.p[1] != 'p' && two.p[1] != 'P') || !sp_starts(s, SP_LIT("{")) || !sp_take_to(&s, '}', &name))
			continue;
		sp_out_byte(o, '{');
		sp_advance(&name, 1);
		category_write(o, name);
		sp_out_byte(o, '}');
	}
}

static pcre2_code *
compile(sp_slice pattern, char *why, size_t cap)
{
	const uint32_t options = PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C | PCRE2_DOLLAR_ENDONLY | PCRE2_ALT_BSUX |
	    PCRE2_ALLOW_EMPTY_CLASS | PCRE2_MATCH_UNSET_BACKREF;
	pcre2_compile_context *ctx = pcre2_compile_context_create(NULL);
	pcre2_code *code = NULL;
	PCRE2_UCHAR text[128];
	PCRE2_SIZE at = 0;
	int error = 0;

	if (ctx == NULL) {
		snprintf(why, cap, "no memory");
		return NULL;
	}
	if (pcre2_set_parens_nest_limit(ctx, PARENS) == 0 && pcre2_set_newline(ctx, PCRE2_NEWLINE_ANYCRLF) == 0 &&
	    pcre2_set_compile_extra_options(ctx, PCRE2_EXTRA_ALT_BSUX) == 0)
		code = pcre2_compile((PCRE2_SPTR)pattern.p, pattern.n, options, &error, &at, ctx);
	pcre2_compile_context_free(ctx);
	if (code == NULL) {
		if (pcre2_get_error_message(error, text, sizeof text) < 0)
			text[0] = '\0';
		snprintf(why, cap, "%s at byte %zu", (const char *)text, (size_t)at);
	}
	return code;
}

static bool
limits_set(struct sp_regex *r)
{
	for (size_t i = 0; i < SP_COUNT(tiers); i++) {
		r->limits[i] = pcre2_match_context_create(NULL);
		if (r->limits[i] == NULL || pcre2_set_match_limit(r->limits[i], tiers[i].work) != 0 ||
		    pcre2_set_depth_limit(r->limits[i], tiers[i].depth) != 0 ||
		    pcre2_set_heap_limit(r->limits[i], HEAP_KB) != 0)
			return false;
	}
	return true;
}

struct sp_regex *
sp_regex_new(sp_slice pattern, char *why, size_t cap)
{
	struct sp_regex *r;
	struct sp_out o;

	if (pattern.n > PATTERN_MAX || sp_starts(pattern, SP_LIT("(*"))) {
		snprintf(why, cap, "longer than %d bytes, or begins with (*", PATTERN_MAX);
		return NULL;
	}
	r = calloc(1, sizeof *r);
	if (r == NULL)
		return NULL;
	sp_out_heap(&o, PATTERN_MAX + 64);
	translate(&o, pattern);
	r->code = o.full ? NULL : compile(o.n == 0 ? SP_LIT("") : sp_out_view(&o), why, cap);
	sp_out_free(&o);
	if (r->code != NULL && limits_set(r))
		return r;
	sp_regex_free(r);
	return NULL;
}

void
sp_regex_free(struct sp_regex *r)
{
	if (r == NULL)
		return;
	for (size_t i = 0; i < SP_COUNT(tiers); i++)
		pcre2_match_context_free(r->limits[i]);
	pcre2_code_free(r->code);
	free(r);
}

static bool
pay(uint64_t *steps, uint64_t price)
{
	if (*steps < price)
		return false;
	*steps -= price;
	return true;
}

enum sp_regex_answer
sp_regex_match(const struct sp_regex *r, sp_slice subject, uint64_t *steps)
{
	pcre2_match_data *data = pcre2_match_data_create(1, NULL);
	enum sp_regex_answer answer = SP_REGEX_COSTLY;

	for (size_t i = 0; data != NULL && i < SP_COUNT(tiers); i++) {
		int rc;

		if (!pay(steps, tiers[i].price + subject.n / 16))
			break;
		rc = pcre2_match(r->code, (PCRE2_SPTR)(subject.p == NULL ? "" : subject.p), subject.n, 0, 0, data,
		    r->limits[i]);
		if (rc >= 0 || rc == PCRE2_ERROR_NOMATCH) {
			answer = rc >= 0 ? SP_REGEX_YES : SP_REGEX_NO;
			break;
		}
		if (rc != PCRE2_ERROR_MATCHLIMIT && rc != PCRE2_ERROR_DEPTHLIMIT)
			break;		/* whatever else it is, it is no match */
	}
	pcre2_match_data_free(data);
	return answer;
}

/* The compiled form of a schema.  Not for others. */
#ifndef SP_SCHEMA_SCHEMA_INT_H
#define SP_SCHEMA_SCHEMA_INT_H

#include "base/arena.h"
#include "image/image.h"
#include "schema/schema.h"

enum {
	SP_SCHEMA_TEXT = 8 << 20,	/* bytes of a schema */
	SP_SCHEMA_DEPTH = 128,		/* levels of its JSON */
	SP_SCHEMA_NEST = 1024,		/* schemas inside each other while checking: where loops of references end */
	SP_SCHEMA_STEPS = 1000000
};

/* A divisor, prepared.  False: more than 18 significant digits, or not above 0. */
struct sp_divisor { uint64_t digits; int64_t exp; };
SP_MUST bool sp_divisor_read(sp_slice number, struct sp_divisor *out);
SP_MUST bool sp_is_multiple(sp_slice number, const struct sp_divisor *d);
/* Equal values (JSON Schema's equality) have equal hashes. */
uint64_t sp_value_hash(sp_jval *v);
/* Cells that a value takes: a measure of the work of looking at all of it. */
static inline uint64_t
sp_value_cells(sp_jval *v)
{
	return (uint64_t)(unsafe_yyjson_get_next(v) - v);
}

/* Patterns: PCRE2 in the dialect of JSON Schema (ECMA-262), with limits. */
struct sp_regex;
enum sp_regex_answer { SP_REGEX_NO, SP_REGEX_YES, SP_REGEX_COSTLY };
/* NULL: *why says what is wrong. */
struct sp_regex *sp_regex_new(sp_slice pattern, char *why, size_t cap);
void sp_regex_free(struct sp_regex *r);
/* Takes what it costs from *steps; SP_REGEX_COSTLY: over the limit, or not enough steps. */
enum sp_regex_answer sp_regex_match(const struct sp_regex *r, sp_slice subject, uint64_t *steps);

/* Absolute form of a reference without fragment (RFC 3986 section 5.2), in the arena; {NULL,0} when it is full. */
sp_slice sp_uri_resolve(struct sp_arena *a, sp_slice base, sp_slice ref);

struct sp_node;
struct sp_kid { sp_slice key; struct sp_node *node; };
struct sp_kids { struct sp_kid *kid; uint32_t n; };		/* sorted by key */
struct sp_list { struct sp_node **node; uint32_t n; };
struct sp_names_list { sp_slice *name; uint32_t n; };

struct sp_obj_rules {
	struct sp_kids properties, dependent;
	struct { struct sp_regex **regex; struct sp_node **node; uint32_t n; } patterns;
	struct sp_node *additional, *names, *unevaluated;
	struct sp_names_list required;
	struct { sp_slice *key; struct sp_names_list *need; uint32_t n; } needs;
	uint64_t min, max;
};

struct sp_arr_rules {
	struct sp_list prefix;
	struct sp_node *items, *contains, *unevaluated;
	uint64_t min, max, min_contains, max_contains;
	bool	 unique;
};

struct sp_str_rules {
	uint64_t min, max;		/* code points */
	struct sp_regex *pattern;
};

struct sp_num_rules {
	sp_slice low, high, above, below;	/* {NULL,0}: none */
	struct sp_divisor divisor;		/* digits 0: none */
};

/* Rules for the same value. */
struct sp_here_rules {
	struct sp_node *ref, *dynamic, *not_, *if_, *then_, *else_;
	sp_slice dynamic_name;		/* {NULL,0}: `dynamic` is a plain reference */
	struct sp_list all, any, one;
};

struct sp_node {
	sp_jval *at;
	uint32_t resource;
	uint32_t types;			/* enum sp_json_type bits; 0: any */
	bool	 never;			/* the schema `false` */
	sp_jval *const_, *enum_;
	struct sp_obj_rules  *obj;
	struct sp_arr_rules  *arr;
	struct sp_str_rules  *str;
	struct sp_num_rules  *num;
	struct sp_here_rules *here;
	struct sp_kids defs;		/* for references only */
};

struct sp_resource { sp_slice uri; struct sp_node *root; uint32_t number; };
struct sp_anchor { uint32_t resource; sp_slice name; struct sp_node *node; bool dynamic; };

struct sp_schema {
	struct sp_arena a;
	struct sp_json	doc;
	struct sp_node *root;
	struct sp_resource *resource;	/* by number */
	uint32_t nresources;
	struct sp_anchor *anchor;	/* sorted by resource and name */
	uint32_t nanchors;
	struct sp_regex **regex;
	uint32_t nregexes, regex_cap;
};

const struct sp_anchor *sp_anchor_find(const struct sp_schema *s, uint32_t resource, sp_slice name);
int sp_kid_cmp(const void *x, const void *y);
struct sp_node *sp_kid_find(const struct sp_kids *k, sp_slice key);

/* --- while compiling --- */

struct sp_compile {
	struct sp_schema *s;
	struct sp_err	 *e;
	struct sp_node	**node_of;	/* by number of the JSON value */
	struct sp_pending { struct sp_node *from; sp_jval *ref; bool dynamic; } *pending;
	uint32_t npending, pending_cap;
	uint32_t resource_cap, anchor_cap;
	bool	 late;			/* reading a place that only a reference made a schema */
};

/* The node of the schema at v, compiled if it is not yet. */
SP_MUST enum sp_status sp_compile_node(struct sp_compile *c, sp_jval *v, uint32_t resource, struct sp_node **out);
/* SP_E_CONFIG, with the place of `at` as a JSON pointer in front. */
SP_MUST enum sp_status sp_compile_bad(struct sp_compile *c, sp_jval *at, const char *fmt, ...) SP_PRINTF(3, 4);
SP_MUST enum sp_status sp_compile_full(struct sp_compile *c);
/* resolve.c: $id, $anchor and $dynamicAnchor of a node; then all references. */
SP_MUST enum sp_status sp_compile_ids(struct sp_compile *c, struct sp_node *n);
SP_MUST enum sp_status sp_compile_pending(struct sp_compile *c, struct sp_node *from, sp_jval *ref, bool dynamic);
SP_MUST enum sp_status sp_compile_refs(struct sp_compile *c);
SP_MUST bool sp_grow(void *array, uint32_t n, uint32_t *cap, size_t size);

#endif

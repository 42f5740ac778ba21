/*
 * The strict face of yyjson.  Reading refuses, beside bad syntax: invalid UTF-8, a BOM, duplicate keys at any
 * level (also escaped twins), nesting over the limit, too many values, lone surrogates, U+0000 in a key, bytes
 * after the value.  Numbers keep their text (YYJSON_READ_NUMBER_AS_RAW): what was checked is what is sent.
 * No recursion: depth costs no stack.
 */
#ifndef SP_WIRE_JSON_H
#define SP_WIRE_JSON_H

#include "base/arena.h"
#include "base/err.h"
#include "base/out.h"

#include <yyjson.h>

typedef yyjson_val sp_jval;		/* borrowed from the sp_json that read it */

struct sp_json_limits {
	unsigned depth;			/* levels of array and object; 64 is the default everywhere, 512 the most */
	size_t	 values;		/* all values; 0: no more than the text's length allows */
};
#define SP_JSON_DEFAULT ((struct sp_json_limits){ 64, 0 })

/* A parsed document.  All-zero is empty. */
struct sp_json {
	yyjson_doc *doc;
	sp_jval	   *root;
};

/* Parses a copy of `text`.  SP_E_BAD_JSON with e->log saying what and at which byte (also: nested too deep);
 * SP_E_TOO_BIG: more than lim.values, or no memory.
 * On success *out is owned by the caller (sp_json_free; NULL-safe; SP_AUTO works).
 * Memory from malloc: about 4 bytes a byte of text. */
SP_MUST enum sp_status sp_json_read(sp_slice text, struct sp_json_limits lim, struct sp_json *out, struct sp_err *e);
/* The same with all memory from `a` (nothing to free): for a request's body. */
SP_MUST enum sp_status sp_json_read_arena(struct sp_arena *a, sp_slice text, struct sp_json_limits lim,
    sp_jval **root, struct sp_err *e);
void sp_json_free(struct sp_json *j);

/* Member of an object by exact key; NULL when v is NULL, no object, or has no such member. */
sp_jval *sp_jget(sp_jval *v, sp_slice key);
#define SP_JGET(v, lit) sp_jget(v, SP_LIT(lit))
static inline bool sp_jis_obj(sp_jval *v) { return yyjson_is_obj(v); }
static inline bool sp_jis_arr(sp_jval *v) { return yyjson_is_arr(v); }
static inline bool sp_jis_str(sp_jval *v) { return yyjson_is_str(v); }
static inline bool sp_jis_num(sp_jval *v) { return yyjson_is_raw(v); }
static inline bool sp_jis_bool(sp_jval *v) { return yyjson_is_bool(v); }
static inline bool sp_jis_null(sp_jval *v) { return yyjson_is_null(v); }
static inline bool sp_jtrue(sp_jval *v) { return yyjson_is_true(v); }
/* The text of a string (unescaped; may hold NUL) or of a number (as written); {NULL,0} otherwise. */
sp_slice sp_jtext(sp_jval *v);
/* An integer without fraction or exponent within int64; false otherwise. */
SP_MUST bool sp_jint(sp_jval *v, int64_t *out);
/* A number taken apart without turning it into a machine number: DIGITS * 10^exp.  `digits` runs from the first to the
 * last digit that is not 0 and may hold the '.'; ndigits does not count it.  Exponents beyond 10^17 are 10^17. */
struct sp_jdec {
	bool	 minus, zero;
	sp_slice digits;
	size_t	 ndigits;
	int64_t	 exp;
};
struct sp_jdec sp_jdec_read(sp_slice number);
/* Decimal comparison of two JSON number texts, exact for any size and exponent up to 10^9: <0, 0, >0. */
int sp_jnum_cmp(sp_slice a, sp_slice b);
SP_MUST bool sp_jnum_is_int(sp_slice a);		/* 42, 42.0, 4.2e1 are; 42.5 is not */
/* Compact text of v with number texts kept, strings escaped minimally, order kept. */
void sp_jwrite(struct sp_out *o, sp_jval *v);
/* Equality as JSON Schema has it: numbers by value, objects without order. */
SP_MUST bool sp_jequal(sp_jval *a, sp_jval *b);

/* Iteration: for (struct sp_jiter it = sp_jobj(v); sp_jnext(&it);) … it.key, it.val (it.key empty for arrays).
 * Over anything else than an object or array it yields nothing. */
struct sp_jiter {
	sp_slice key;
	sp_jval *val;
	size_t	 idx;			/* of val, from 0 */
	yyjson_obj_iter o;
	yyjson_arr_iter a;
	int	 kind;
};
struct sp_jiter sp_jeach(sp_jval *v);
bool sp_jnext(struct sp_jiter *it);

/* Writing by hand: a quoted, escaped string.  Input that is not UTF-8 is cleaned (U+FFFD). */
void sp_jout_str(struct sp_out *o, sp_slice s);
/* Only the escaped inside, for a string written in pieces; pieces must not split a UTF-8 sequence. */
void sp_jout_part(struct sp_out *o, sp_slice s);

#endif

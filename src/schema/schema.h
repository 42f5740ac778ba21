/*
 * JSON Schema 2020-12 for tool arguments: compiled once, checked with a step budget, never fetching a reference.
 * Local references only ("#…", $anchor, $dynamicRef, embedded $id); `pattern` by PCRE2 with match limits.
 * An unusable schema is an error when compiled, never a pass when checked.
 */
#ifndef SP_SCHEMA_SCHEMA_H
#define SP_SCHEMA_SCHEMA_H

#include "wire/json.h"

struct sp_schema;

/* Keeps its own copy of the document.  SP_E_CONFIG: names the place as a JSON pointer. */
SP_MUST enum sp_status sp_schema_new(sp_slice text, struct sp_schema **out, struct sp_err *e);
void sp_schema_free(struct sp_schema **s);
/* SP_OK; SP_E_BAD_PARAMS with e->pub "arguments: /path: what is wrong" (no value of the argument is quoted);
 * SP_E_TOO_BIG: over `steps` (0: one million). */
SP_MUST enum sp_status sp_schema_check(const struct sp_schema *s, sp_jval *v, uint64_t steps, struct sp_err *e);

#endif

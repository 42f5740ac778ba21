/*
 * One event, one line: a name and typed fields, as one JSON object on standard error.
 *   sp_log(SP_WARN, "token.rejected", SP_S("iss", iss), SP_U("age_s", age));
 * There is no field type for secrets.  Foreign text is cut to 512 bytes and escaped.  Lines are written whole.
 */
#ifndef SP_BASE_LOG_H
#define SP_BASE_LOG_H

#include "base/err.h"

struct sp_field {
	const char *name;
	enum { SP_FIELD_SLICE, SP_FIELD_U64, SP_FIELD_I64, SP_FIELD_BOOL } kind;
	sp_slice s;
	uint64_t u;
};

#define SP_S(name, slice) ((struct sp_field){ name, SP_FIELD_SLICE, slice, 0 })
#define SP_C(name, cstr) ((struct sp_field){ name, SP_FIELD_SLICE, sp_str(cstr), 0 })
#define SP_U(name, v) ((struct sp_field){ name, SP_FIELD_U64, { NULL, 0 }, (uint64_t)(v) })
#define SP_I(name, v) ((struct sp_field){ name, SP_FIELD_I64, { NULL, 0 }, (uint64_t)(v) })
#define SP_B(name, v) ((struct sp_field){ name, SP_FIELD_BOOL, { NULL, 0 }, (v) ? 1u : 0u })

#define sp_log(level, event, ...) do { \
	const struct sp_field sp_fields_[] = { { NULL, SP_FIELD_BOOL, { NULL, 0 }, 0 }, ##__VA_ARGS__ }; \
	sp_log_fields(level, event, sp_fields_ + 1, SP_COUNT(sp_fields_) - 1); \
} while (0)

void sp_log_fields(enum sp_level level, const char *event, const struct sp_field *f, size_t n);
/* Set once in main: the role's name in every line, and the most talkative level that is written. */
void sp_log_init(const char *role, enum sp_level max);
/* Where lines go instead of standard error: with their line break, from any thread.  NULL: standard error again. */
void sp_log_divert(void (*put)(const char *line, size_t n));

#endif

/*
 * A YAML document as JSON text, so that one reader judges both.  The YAML 1.2 core schema decides what a plain scalar
 * is: `yes`, `no` and `on` are text.  Numbers keep their digits.  What would make one text mean another is refused with
 * its line and column: anchors, aliases, tags, merge keys, directives, second documents, keys given twice.
 */
#ifndef SP_OPENAPI_YAML_H
#define SP_OPENAPI_YAML_H

#include "base/err.h"
#include "base/out.h"

enum { SP_YAML_TEXT = 32 << 20, SP_YAML_LEVELS = 128, SP_YAML_VALUES = 8 << 20 };

/* Appends to `o`, whose limit bounds the answer.  SP_E_CONFIG: e->log says what and where. */
SP_MUST enum sp_status sp_yaml_json(sp_slice text, struct sp_out *o, struct sp_err *e);

#endif

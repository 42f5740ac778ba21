/* An upstream's answer as a CallToolResult object (JSON text). */
#ifndef SP_OPENAPI_RESULT_H
#define SP_OPENAPI_RESULT_H

#include "base/err.h"
#include "base/out.h"
#include "image/image.h"

/*
 * status 2xx: the body as one content block; other: isError and "the upstream answered STATUS REASON" before its text.
 * `media`: the Content-Type value.  Text and JSON types become text (invalid UTF-8: U+FFFD); an empty body "".  Other
 * bytes of at most SP_RESULT_BLOB: image or audio content, else an embedded resource; larger ones a fixed sentence naming
 * type and size.  Nothing of the upstream's header is shown.
 * `form`: what the tool's outputSchema promises.  An answer that does not fit it, is no JSON or is larger than
 * SP_RESULT_JSON is an empty object: the schema requires nothing.
 */
enum { SP_RESULT_BLOB = 1 << 20, SP_RESULT_JSON = 1 << 20 };
void sp_result_http(struct sp_out *o, unsigned status, sp_slice media, sp_slice body, enum sp_op_result form);
/* {"content":[{"type":"text","text":…}],"isError":true} */
void sp_result_error(struct sp_out *o, sp_slice text);

#endif

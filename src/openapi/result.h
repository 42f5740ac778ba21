/* An upstream's answer as a CallToolResult object (JSON text). */
#ifndef SP_OPENAPI_RESULT_H
#define SP_OPENAPI_RESULT_H

#include "base/err.h"
#include "base/out.h"

/* status 2xx: the body as text content; other: isError and "the upstream answered STATUS REASON" before it.
 * `media`: the Content-Type value.  Text and JSON types become text (invalid UTF-8: U+FFFD); an empty body "";
 * other types a fixed sentence naming type and size.  Nothing of the upstream's header is shown. */
void sp_result_http(struct sp_out *o, unsigned status, sp_slice media, sp_slice body);
/* {"content":[{"type":"text","text":…}],"isError":true} */
void sp_result_error(struct sp_out *o, sp_slice text);

#endif

/* Between http1.c (steps and bodies) and http1_head.c (heads). */
#ifndef SP_WIRE_HTTP1_PRIVATE_H
#define SP_WIRE_HTTP1_PRIVATE_H

#include "wire/http1.h"

enum sp_http_state {
	SP_HTTP_IN_HEAD, SP_HTTP_IN_LENGTH, SP_HTTP_IN_SIZE_LINE, SP_HTTP_IN_CHUNK, SP_HTTP_IN_CHUNK_END,
	SP_HTTP_IN_TRAILER, SP_HTTP_TO_EOF, SP_HTTP_AT_END, SP_HTTP_IS_BAD
};

/* Callbacks of llhttp, for the whole message. */
extern const llhttp_settings_t sp_http1_settings;

enum sp_http_step sp_http1_bad(struct sp_http1 *h, enum sp_status st, const char *why);
void sp_http1_head_clear(struct sp_http_head *d);
/* Reads a whole head or nothing; h->state says how the body is framed. */
enum sp_http_step sp_http1_head(struct sp_http1 *h, sp_slice *in);

#endif

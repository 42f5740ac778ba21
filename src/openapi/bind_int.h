/* What the parts of the binder share.  Not for others. */
#ifndef SP_OPENAPI_BIND_INT_H
#define SP_OPENAPI_BIND_INT_H

#include "openapi/bind.h"

struct sp_binder {
	struct sp_arena *a;
	const struct sp_image *img;
	const struct sp_img_server *server;
	const struct sp_img_op *op;
	sp_jval *args;
	struct sp_request *out;
	struct sp_err *e;
	struct sp_out target, cookies;
	bool has_query, has_cookie;
	sp_slice media, boundary;	/* of the body */
	unsigned pieces;		/* parts of a multipart body */
};

/* --- bind.c */
/* SP_E_BAD_PARAMS, told to the caller. */
SP_MUST enum sp_status sp_bind_bad(struct sp_binder *b, sp_slice arg, const char *why);
SP_MUST enum sp_status sp_bind_too_big(struct sp_binder *b);
/* Is this name one of the server's credential slots?  `kind` is "query ", "header " or "cookie ". */
SP_MUST bool sp_bind_is_slot(const struct sp_binder *b, sp_slice kind, sp_slice name);
SP_MUST bool sp_bind_is_param(const struct sp_binder *b, sp_slice arg);
/* Text, number or boolean as it is written; false: it is something else. */
SP_MUST bool sp_bind_scalar(sp_jval *v, sp_slice *text);
/* At least the bytes of sp_jwrite(v). */
size_t sp_bind_json_room(sp_jval *v);
/* The value as JSON text, in the arena; {NULL,0} when it is full. */
sp_slice sp_bind_json(struct sp_arena *a, sp_jval *v);

/* --- bind_style.c: one value in one of the styles (OpenAPI 3.1 section 4.8.12.4, RFC 6570) */
struct sp_way {
	unsigned in;			/* enum sp_param_in; 0: a form body */
	unsigned style;			/* enum sp_param_style */
	bool	 explode, reserved, required;
	bool	 object;		/* the document says that it may be an object */
	bool	 part;			/* in 0 only: parts of a multipart body, where nothing is encoded */
	sp_slice arg, wire;
	struct sp_out *o;
	bool	*begun;			/* query, cookies, form, part: something stands there already */
};
SP_MUST enum sp_status sp_bind_value(struct sp_binder *b, const struct sp_way *w, sp_jval *v);

/* --- bind_body.c */
/* Begins a part of the name w->wire; one that was begun ends. */
void sp_bind_part(struct sp_binder *b, const struct sp_way *w);
/* Sets body, has_body and b->media. */
SP_MUST enum sp_status sp_bind_body(struct sp_binder *b);

/* --- bind_value.c */
/*
 * NULL: this text may stand in a path slot.  Else why not.  A value is judged in every form that a server may
 * decode it to, three times over: none of them may be empty or a . or .. segment (threat row M01).
 */
const char *sp_bind_path_fault(struct sp_arena *a, sp_slice text);
const char *sp_bind_header_fault(sp_slice text);
/* NULL: bytes of the finished target are those of a path and a query, and no segment is . or .. in any spelling. */
const char *sp_bind_target_fault(struct sp_arena *a, sp_slice target);

#endif

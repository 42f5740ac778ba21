/* What the parts of the document reader share.  Not for others. */
#ifndef SP_OPENAPI_SPEC_INT_H
#define SP_OPENAPI_SPEC_INT_H

#include "base/hash.h"
#include "openapi/spec.h"
#include "wire/http1.h"

enum {
	SP_SPEC_TEXT = 128 << 20,	/* bytes of a document */
	SP_SPEC_DEPTH = 128,		/* levels of its JSON */
	SP_SPEC_OPS = 200000,
	SP_SPEC_SCHEMES = 64,
	SP_SPEC_PARAMS = 256,		/* of one operation; members of its form */
	SP_SPEC_SHOWN = 32,		/* members that an outputSchema names */
	SP_SPEC_TAGS = 64,
	SP_SPEC_OPTIONS = 32,		/* security alternatives, and schemes in one of them */
	SP_SPEC_NAME = 100,		/* bytes of a tool's own name */
	SP_SPEC_WORDS = 4096,		/* bytes of a description */
	SP_SPEC_SCHEMA = 1 << 20,	/* bytes of one inputSchema */
	SP_SPEC_WORK = 384 << 20,	/* bytes of all inputSchemas, also of those that were given up */
	SP_SPEC_HOPS = 32		/* references that lead to references */
};

/* Names in use; `next` numbers the twins. */
struct sp_names {
	struct sp_name { sp_slice name; uint32_t next; } *slot;
	size_t size, used;		/* size: a power of two, or 0 */
	struct sp_hash_key key;
};

/* Members of a large object, sorted, so that a document with many references stays linear. */
struct sp_index {
	struct sp_index *link;
	sp_jval *obj;
	size_t n;
	struct sp_index_row { sp_slice key; sp_jval *val; } row[];
};
enum { SP_INDEX_BUCKETS = 1024, SP_INDEX_FEW = 16 };

/*
 * Schemas that are referred to.  A schema keeps its name for the whole document; `list` is those that the present
 * operation (`round`) needs, each once, in order of first use.
 */
struct sp_defs {
	struct sp_def { sp_jval *schema; sp_slice name; uint32_t round; } *slot;
	size_t	 size, used;
	struct sp_names names;
	struct { sp_jval *schema; sp_slice name; } *list;
	uint32_t n, cap;
	uint32_t round;
};

struct sp_reader {
	struct sp_arena *a;
	struct sp_spec	*out;
	struct sp_err	*e;
	sp_jval	 *root;
	unsigned  dialect;
	struct sp_index *index[SP_INDEX_BUCKETS];
	struct sp_names names;
	struct sp_defs	defs;
	struct sp_out	text;		/* the inputSchema under work */
	struct sp_out	words;		/* scratch for cleaned text */
	struct sp_out	own_words;	/* the description that belongs to the schema being written */
	bool	 base64;		/* the schema being written is of a body whose bytes are given as base64 */
	size_t	 work;			/* bytes of schema text that may still be made */
	char	 why[256];		/* the reason when an operation is skipped */
	/* the document's own security and media type, for operations that name none */
	struct sp_security { uint32_t n; uint32_t **options; uint32_t *nneed; } security;
	enum sp_status security_st;	/* of reading it: the skip is told where it is used */
	char	 security_why[256];
	sp_slice base_server;		/* the document's first server as written */
};

/*
 * Statuses inside the reader: SP_OK; SP_E_REFUSED: this operation is no tool, r->why says why;
 * all else ends the reading and is in *r->e.
 */
SP_MUST enum sp_status sp_spec_skip(struct sp_reader *r, const char *fmt, ...) SP_PRINTF(2, 3);
SP_MUST enum sp_status sp_spec_full(struct sp_reader *r);	/* the arena has no more room */

/* spec_ref.c */
/* Member of an object that may be large. */
sp_jval *sp_spec_get(struct sp_reader *r, sp_jval *obj, sp_slice key);
/* What "#/a/b" points at. */
SP_MUST enum sp_status sp_spec_find(struct sp_reader *r, sp_slice ref, sp_jval **out);
/* Follows {"$ref": …} to what is none; *out is v itself when there is nothing to follow. */
SP_MUST enum sp_status sp_spec_deref(struct sp_reader *r, sp_jval *v, sp_jval **out);
void sp_spec_index_free(struct sp_reader *r);
/* Registers `base` (at most SP_SPEC_NAME bytes), or base_2, base_3, … whichever is free; the copy lies in the arena. */
SP_MUST enum sp_status sp_spec_name(struct sp_reader *r, struct sp_names *t, sp_slice base, sp_slice *out);
/* At most `max` bytes of s, with '_' for what is not [A-Za-z0-9_.-]. */
void sp_spec_name_clean(struct sp_out *o, sp_slice s, size_t max);

/* spec_schema.c */
/* Appends the 2020-12 form of a schema object of the document to r->text; `words`, if any, is its description. */
SP_MUST enum sp_status sp_spec_schema(struct sp_reader *r, sp_jval *schema, sp_slice words);
/* Appends ,"$defs":{…} with everything that was referred to since sp_spec_defs_reset(). */
SP_MUST enum sp_status sp_spec_defs_write(struct sp_reader *r);
void sp_spec_defs_reset(struct sp_reader *r);
/* A schema's types as enum sp_json_type bits; 0: any. */
uint32_t sp_spec_types(const struct sp_reader *r, sp_jval *schema);
/* A copy without control and bidi characters, in the arena. */
SP_MUST enum sp_status sp_spec_words(struct sp_reader *r, sp_jval *text, size_t max, sp_slice *out);

/* spec_security.c */
SP_MUST enum sp_status sp_spec_schemes(struct sp_reader *r);
SP_MUST enum sp_status sp_spec_security(struct sp_reader *r, sp_jval *security, struct sp_security *out);
/* Names that arguments may never set: credential slots of the document and fields that frame or route the request. */
SP_MUST bool sp_spec_is_slot(const struct sp_reader *r, sp_slice in, sp_slice name);

/* Appends a URL of "servers" with the defaults of its variables.  SP_E_REFUSED: it has none, or one outside its enum. */
SP_MUST enum sp_status sp_spec_server_write(struct sp_out *o, sp_jval *server);

/* spec_op.c */
SP_MUST enum sp_status sp_spec_op_read(struct sp_reader *r, sp_jval *item, sp_jval *op, struct sp_spec_op *out);

/* spec_param.c */
struct sp_params {
	struct sp_spec_param *p;
	sp_jval *obj[SP_SPEC_PARAMS];	/* the parameter objects, in the same order */
	uint32_t n;
	sp_jval *body;			/* Swagger 2.0: the body parameter */
	sp_jval *form[SP_SPEC_PARAMS];	/* Swagger 2.0: the formData parameters, members of the body */
	uint32_t nform;
};
SP_MUST enum sp_status sp_spec_params(struct sp_reader *r, sp_jval *item, sp_jval *op, sp_slice path,
    struct sp_params *out);
/* Gives every parameter an argument name that no other parameter and no member of `members` or of a form has. */
SP_MUST enum sp_status sp_spec_args(struct sp_reader *r, struct sp_params *ps, sp_jval *members,
    sp_slice body_arg);
sp_jval *sp_spec_param_schema(const struct sp_reader *r, sp_jval *param);
/* Swagger 2.0: how a list is written, as a style. */
SP_MUST enum sp_status sp_spec_collection(struct sp_reader *r, sp_jval *param, bool in_query, enum sp_param_style *style,
    bool *explode);
SP_MUST enum sp_status sp_spec_style(struct sp_reader *r, sp_slice name, enum sp_param_style *out);

/* spec_body.c */
struct sp_body {
	enum sp_body_kind kind;
	enum sp_body_encode encode;
	bool	 required;
	sp_slice media;
	sp_jval *schema;	/* as written */
	sp_jval *flat;		/* what it refers to, when its members become arguments */
	sp_jval *words;
	sp_jval *encoding;	/* the media type's object of that name */
	struct sp_spec_part *parts;
	uint32_t nparts;
};
SP_MUST enum sp_status sp_spec_body(struct sp_reader *r, sp_jval *op, unsigned method, const struct sp_params *ps,
    struct sp_body *out);
const struct sp_spec_part *sp_spec_part_find(const struct sp_body *b, sp_slice name);

/* spec_input.c */
SP_MUST enum sp_status sp_spec_input(struct sp_reader *r, const struct sp_params *ps, const struct sp_body *b, sp_slice *out);

/* spec_output.c */
/* What a JSON answer of the operation becomes, and the schema that says so. */
SP_MUST enum sp_status sp_spec_output(struct sp_reader *r, sp_jval *op, struct sp_spec_op *out);
/* The essence of a media type, or empty when it is none. */
sp_slice sp_spec_media(sp_slice media);
SP_MUST bool sp_spec_media_json(sp_slice essence);

#endif

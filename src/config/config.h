/*
 * sallyport.yaml to the compiled image (config.md is the contract).  Strict: what is not understood is refused, and
 * all findings come at once, each with its place.  Used by loader, `check` and `why`; no role reads YAML.
 */
#ifndef SP_CONFIG_CONFIG_H
#define SP_CONFIG_CONFIG_H

#include "base/arena.h"
#include "image/image.h"

/* More are counted, not kept; warnings leave room for errors. */
enum { SP_FINDINGS_MAX = 500, SP_WARNINGS_MAX = 400 };

struct sp_finding {
	bool	 warning;
	uint32_t line, col;		/* from 1; 0: the file as a whole */
	uint32_t order;
	sp_slice text;			/* never a value that could be a secret */
};

struct sp_findings {
	struct sp_finding list[SP_FINDINGS_MAX];
	uint32_t n;
	uint32_t errors, warnings;	/* counted also when not kept */
	sp_slice file;			/* the name that goes in front */
	struct sp_arena mem;
};

void sp_findings_init(struct sp_findings *f, sp_slice file);
void sp_findings_free(struct sp_findings *f);
/* Does not come back with a status: when memory is out the finding still counts. */
void sp_findings_add(struct sp_findings *f, bool warning, uint32_t line, uint32_t col, const char *fmt, ...)
    SP_PRINTF(5, 6);
/* "FILE:LINE:COL: error: text" lines in the order of the file. */
void sp_findings_write(struct sp_out *o, struct sp_findings *f);

/* Where files come from.  `path` is joined to the folder of the configuration already. */
typedef enum sp_status (*sp_config_read_fn)(void *ctx, sp_slice path, size_t max, struct sp_out *out,
    struct sp_err *e);

/* From the file system; a regular file only. */
enum sp_status sp_config_read_file(void *ctx, sp_slice path, size_t max, struct sp_out *out, struct sp_err *e);

struct sp_config_opts {
	uint32_t generation;
	uint32_t uid;			/* whose login name a source of type `peer` means without `users` */
	bool	 accept_ask;		/* tests only: `ask` is decided, but not yet served */
	bool	 accept_pointless;	/* tests only: rules without effect are warnings */
	sp_config_read_fn read;		/* NULL: sp_config_read_file */
	bool	 (*runs)(void *ctx, sp_slice path);	/* is there a program?  NULL: the file system */
	/* What is wrong with the file of a plug-in, or NULL.  NULL: sp_config_judge_plugin. */
	const char *(*plugin)(void *ctx, sp_slice path);
	void	*ctx;
};

/* By the file system: it is there, and nobody but its owner, who is root or we, can write it. */
const char *sp_config_judge_plugin(void *ctx, sp_slice path);

/*
 * Reads the file at `path` and what it names.  SP_OK: no error was found (there may be warnings) and `out` is a
 * finished image, to be freed with sp_imgb_free().  SP_E_CONFIG: see the findings; `out` is empty.
 * sp_crypto_init() must have been called.  `f` is initialised by the caller with the name to be shown.
 */
SP_MUST enum sp_status sp_config_load(sp_slice path, const struct sp_config_opts *opts, struct sp_findings *f,
    struct sp_imgb *out);

/* What `check` prints, from a checked image: the ok: line, all values in effect, tools x sources. */
void sp_config_summary(struct sp_out *o, const struct sp_image *img);
void sp_config_full(struct sp_out *o, const struct sp_image *img);
void sp_config_table(struct sp_out *o, const struct sp_image *img);
/* One cell of that table: 'a' allow, 'c' when its checks do, '?' ask, 's' short of a scope, '.' closed. */
char sp_config_reach(const struct sp_image *img, uint32_t source, uint32_t tool);

/* "pdns → https://dns.internal" and "header X-API-Key (Bearer {})". */
void sp_config_grant_write(struct sp_out *o, const struct sp_image *img, const struct sp_img_server *s,
    const struct sp_img_grant *g);
void sp_config_place_write(struct sp_out *o, const struct sp_image *img, const struct sp_img_grant *g);

/* The form of the file as a JSON Schema (2020-12), for editors: the keys that this version accepts, with what they are.  What
 * one key says about another is left to `check`. */
void sp_config_json_schema(struct sp_out *o);

/* The OpenAPI document behind `openapi: sallyport:management`. */
sp_slice sp_management_document(void);
/* Name, host and secret of that server: what its egress and front agree on. */
#define SP_MANAGEMENT_HOST "management.internal"
#define SP_MANAGEMENT_REF "vault:management"

#endif

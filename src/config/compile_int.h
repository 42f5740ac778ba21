/* Shared by the files that write the image. */
#ifndef SP_CONFIG_COMPILE_INT_H
#define SP_CONFIG_COMPILE_INT_H

#include "config/value.h"

struct compiler {
	struct cfg     *c;
	struct sp_imgb *b;
	uint32_t scope_words, tag_words;
	uint32_t *scratch;		/* as many as there are rules */
	bool	 failed;		/* out of memory */
};

/* Zeroed memory in the arena; NULL marks the compiler failed. */
void *sp_cc_get(struct compiler *k, size_t n, size_t size);
sp_slice sp_cc_lower(struct compiler *k, sp_slice s);
sp_slice sp_cc_keep(struct compiler *k, struct sp_out *o);
struct sp_ref sp_cc_texts(struct compiler *k, const struct items *list);
struct sp_ref sp_cc_words(struct compiler *k, const struct cfg_set *s, uint32_t n);
struct sp_ref sp_cc_scope_set(struct compiler *k, const struct items *names);
struct sp_ref sp_cc_tag_set(struct compiler *k, const struct items *names);

/* Adds a text that is not there yet. */
void sp_cc_add(sp_slice *v, uint32_t *n, sp_slice s);

/* What is served where, with its metadata. */
void sp_cc_resources(struct compiler *k, struct sp_img_head *head);
struct sp_ref sp_cc_scopes(struct compiler *k);
struct sp_ref sp_cc_sources(struct compiler *k, struct sp_img_head *head);
struct sp_ref sp_cc_authorities(struct compiler *k);
struct sp_ref sp_cc_accounts(struct compiler *k);
struct sp_ref sp_cc_checks(struct compiler *k);

#endif

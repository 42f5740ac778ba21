/* Values by the key that wants them (config.md sections 1.2, 1.3): each reader reports and answers false. */
#ifndef SP_CONFIG_VALUE_H
#define SP_CONFIG_VALUE_H

#include "config/model.h"

enum key_place {
	IN_TOP, IN_SCOPE, IN_SOURCE, IN_CLAIMS, IN_SERVER, IN_SECRET, IN_RULE, IN_GROUP, IN_NOT, IN_LIMITS
};

/* A mapping with known keys; false: it is no mapping (reported).  Unknown keys are reported, and do not make it false. */
SP_MUST bool sp_cfg_keys(struct cfg *c, const struct node *n, enum key_place place, const char *what);
/* The keys of a place that this version accepts, in the order of the table; returns how many. */
size_t sp_cfg_known_keys(enum key_place place, sp_slice *out, size_t cap);
/* The types of sources, likewise. */
size_t sp_cfg_source_types(sp_slice *out, size_t cap);
/* "Did you mean" over NULL-terminated words or names; {NULL,0} when nothing is near. */
sp_slice sp_cfg_nearest(sp_slice word, const sp_slice *names, size_t n);
/* " Did you mean `x`?" or "", in the arena. */
const char *sp_cfg_hint(struct cfg *c, sp_slice word, const sp_slice *names, size_t n);

/* Members of a list, or the single value as the only member.  Nested lists are no members. */
const struct node *sp_cfg_first(const struct node *n);
const struct node *sp_cfg_after(const struct node *n, const struct node *member);
uint32_t sp_cfg_count(const struct node *n);
/* Reports an empty list; false for it and for NODE_BAD. */
SP_MUST bool sp_cfg_some(struct cfg *c, const struct node *n, const char *what);

SP_MUST bool sp_cfg_text(struct cfg *c, const struct node *n, const char *what, struct item *out);
SP_MUST bool sp_cfg_texts(struct cfg *c, const struct node *n, const char *what, struct items *out);
/* A key of a user's own (names of servers, secrets, scopes, tags). */
struct item sp_cfg_key(const struct node *n);
/* One of the words; SIZE_MAX when not (reported with a suggestion). */
size_t sp_cfg_word(struct cfg *c, const struct node *n, const char *what, const sp_slice *words, size_t nwords);
SP_MUST bool sp_cfg_number(struct cfg *c, const struct node *n, const char *what, uint64_t min, uint64_t max, uint64_t *out);
SP_MUST bool sp_cfg_size(struct cfg *c, const struct node *n, const char *what, uint64_t min, uint64_t max, uint64_t *out);
SP_MUST bool sp_cfg_time(struct cfg *c, const struct node *n, const char *what, uint64_t min_ms, uint64_t max_ms, uint64_t *out);
SP_MUST bool sp_cfg_rate(struct cfg *c, const struct node *n, const char *what, uint64_t *calls, uint64_t *per_ms);
/* vault:NAME, file:PATH (joined), env:NAME, command:ARGV.  The value is never part of a message. */
SP_MUST bool sp_cfg_is_ref(sp_slice text);	/* does it begin like one? */
SP_MUST bool sp_cfg_ref(struct cfg *c, const struct node *n, const char *what, sp_slice *out);
/* No `%`, no empty and no dot segments. */
SP_MUST bool sp_cfg_is_clean_path(sp_slice path);
/* An absolute http or https URL without userinfo, query and fragment; _query: one may be there. */
SP_MUST bool sp_cfg_url(struct cfg *c, const struct item *at, const char *what, struct sp_uri *out);
SP_MUST bool sp_cfg_url_query(struct cfg *c, const struct item *at, const char *what, struct sp_uri *out);
/* A path, relative to the file's folder. */
SP_MUST bool sp_cfg_path(struct cfg *c, const struct item *at, const char *what, sp_slice *out);
SP_MUST bool sp_cfg_scope_token(struct cfg *c, const struct items *names, const char *what);
SP_MUST bool sp_cfg_is_name(sp_slice s);	/* [a-z][a-z0-9-]{0,31}, not a taken word */
/* An array of n zeroed T in the arena; reports when full. */
void *sp_cfg_alloc(struct cfg *c, size_t n, size_t size);

#endif

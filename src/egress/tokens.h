/*
 * Which static tokens keeper has announced, so that those a new keeper does not announce again can go: one that was
 * revoked while the old keeper died is simply missing then.
 */
#ifndef SP_EGRESS_TOKENS_H
#define SP_EGRESS_TOKENS_H

#include "base/slice.h"

struct sp_token_set {
	struct sp_token_seen { uint8_t hash[32]; uint32_t round; bool gone; } *v;
	uint32_t n, cap, live;		/* n counts gone ones too */
	uint32_t *table;		/* 1 + place in v; a power of two, at most half full */
	uint32_t table_n;
	uint32_t round;
};

void sp_tokens_begin(struct sp_token_set *s);		/* a keeper begins to announce */
SP_MUST bool sp_tokens_put(struct sp_token_set *s, const uint8_t hash[32]);	/* false: no memory */
void sp_tokens_del(struct sp_token_set *s, const uint8_t hash[32]);
/* It has announced all: the others are dropped, each after a call. */
void sp_tokens_end(struct sp_token_set *s, void (*drop)(void *ctx, const uint8_t hash[32]), void *ctx);
void sp_tokens_free(struct sp_token_set *s);

#endif

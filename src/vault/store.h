/*
 * The store: `store.db` in the state folder (SQLite, one writer: whoever holds the state lock).  Static tokens as
 * hashes, sessions that are over before their time, and marks that tell whether vault and audit log are those that were
 * last seen.
 * Paths are never resolved: the process's working folder must be the state folder when a store is opened and while it
 * is open, so that the store works for a role that can reach nothing else.
 */
#ifndef SP_VAULT_STORE_H
#define SP_VAULT_STORE_H

#include "base/err.h"

#define SP_STORE_FILE "store.db"

enum { SP_STORE_FORMAT = 2, SP_TOKENS_MAX = 10000, SP_GONE_MAX = 16384, SP_TOKEN_NAME_MAX = 64, SP_TOKEN_TEXT_MAX = 1024 };

struct sp_store;

/* A static token.  When read, texts live until the callback returns. */
struct sp_token_row {
	sp_slice name, client_id, scopes, tags;		/* scopes and tags: separated by single spaces */
	uint8_t	 hash[32];				/* SHA-256 of the token's text */
	int64_t	 created_s, expires_s, revoked_s;	/* revoked_s 0: it is not */
};

/* Opens or makes it.  `dir` is the state folder, which is the working folder too.  SP_E_VERSION: a newer format;
 * SP_E_CONFIG: damaged, or no store; the file is untouched by either.  An older format is brought up to date in one
 * transaction; before that a copy is left as store.db.N, N being its format. */
SP_MUST enum sp_status sp_store_open(int dir, struct sp_store **out, struct sp_err *e);
void sp_store_free(struct sp_store **s);

/* [A-Za-z0-9][A-Za-z0-9._@-]{0,63}: it is the user's name in rules and audit. */
SP_MUST bool sp_token_name_ok(sp_slice name);
/* Words of visible ASCII but '"' and '\' (RFC 6749 section 3.3), separated by single spaces; may be empty. */
SP_MUST bool sp_token_words_ok(sp_slice words);
/* SP_E_BAD_PARAMS: malformed; SP_E_REFUSED: a token in force has this name; SP_E_FULL: 10,000 tokens. */
SP_MUST enum sp_status sp_store_token_add(struct sp_store *s, const struct sp_token_row *t, struct sp_err *e);
/* SP_E_NOT_FOUND: no token that is in force has this name.  hash: of the one that was. */
SP_MUST enum sp_status sp_store_token_revoke(struct sp_store *s, sp_slice name, int64_t now_s, uint8_t hash[32],
    struct sp_err *e);
/* Every token, by name; `each` returns false to stop.  Also revoked and expired ones. */
SP_MUST enum sp_status sp_store_tokens(struct sp_store *s, bool (*each)(void *ctx, const struct sp_token_row *t),
    void *ctx, struct sp_err *e);
/* Forgets what was revoked or has expired before `before_s`. */
SP_MUST enum sp_status sp_store_tokens_prune(struct sp_store *s, int64_t before_s, struct sp_err *e);

/* A session that is over although its statement is good until expires_s.  When SP_GONE_MAX are remembered, the one whose
 * statement ends first is forgotten. */
SP_MUST enum sp_status sp_store_gone_add(struct sp_store *s, const uint8_t session[32], int64_t expires_s,
    struct sp_err *e);
/* Those that are good after now_s, the rest is forgotten; `each` returns false to stop. */
SP_MUST enum sp_status sp_store_gone(struct sp_store *s, int64_t now_s,
    bool (*each)(void *ctx, const uint8_t session[32], int64_t expires_s), void *ctx, struct sp_err *e);

/* A small text under a name.  get: SP_E_NOT_FOUND. */
SP_MUST enum sp_status sp_store_mark_set(struct sp_store *s, const char *name, sp_slice value, struct sp_err *e);
SP_MUST enum sp_status sp_store_mark_get(struct sp_store *s, const char *name, char *buf, size_t cap, size_t *n,
    struct sp_err *e);

#endif

/*
 * What an operator can ask of the state: tokens, vault, audit log.  The same code answers in keeper, for the command
 * line while the gateway runs and for the management API, and in the command line itself when it holds the state lock.
 * Operations and bodies: enum sp_admin_op in ipc/codec.h.
 */
#ifndef SP_ADMIN_ADMIN_H
#define SP_ADMIN_ADMIN_H

#include "ipc/codec.h"
#include "vault/store.h"
#include "vault/vault.h"

enum { SP_ADMIN_ANSWER_MAX = 1000000, SP_ADMIN_LINES_MAX = 1000 };
/* SP_ADMIN_VAULT_REKEY: one byte, then the key or passphrase that is to open the vault. */
enum { SP_REKEY_BEGIN = 1, SP_REKEY_END = 2 };

struct sp_admin {
	int state_dir;
	struct sp_store *store;
	struct sp_vault *vault;		/* NULL: there is none, or it is not open */
	struct sp_secret *material;	/* what opens it now */
};

/* What running roles must be told, and the audit log. */
struct sp_admin_effect {
	enum { SP_EFFECT_NONE, SP_EFFECT_TOKEN_PUT, SP_EFFECT_TOKEN_DEL, SP_EFFECT_SECRET } kind;
	struct sp_token_row token;	/* PUT; texts lie in `texts` */
	char	 texts[4 * SP_TOKEN_TEXT_MAX];
	uint8_t	 hash[32];		/* DEL */
	char	 name[SP_VAULT_NAME_MAX + 1];	/* SECRET: the record */
	char	 note[128];		/* for the audit log; empty: it changed nothing */
};

/* May it be asked without the command line, by the management API? */
SP_MUST bool sp_admin_public(uint32_t op);
/* Answers one operation; `answer` gets JSON (or lines), or nothing when it fails.  SP_E_NO_METHOD: not one of these (HEALTH
 * and TOOLS are keeper's own).  e->log may be shown to who asked. */
SP_MUST enum sp_status sp_admin_run(struct sp_admin *a, uint32_t op, sp_slice body, int64_t now_s, struct sp_out *answer,
    struct sp_admin_effect *effect, struct sp_err *e);

/* {"name":…}: a question about one thing. */
void sp_admin_name_body(struct sp_out *o, sp_slice name);
void sp_admin_token_body(struct sp_out *o, const struct sp_token_row *t);

/* Opens the vault with `material` (moved into *a), and remembers in the store how far it was written.
 * *older: it is older than what was seen before, as after a restore. */
SP_MUST enum sp_status sp_admin_unlock(struct sp_admin *a, struct sp_secret **material, bool *older, struct sp_err *e);
void sp_admin_remember(struct sp_admin *a);

#endif

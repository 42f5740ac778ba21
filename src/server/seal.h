/*
 * requestState (mcp-spec 1.4, MRTR): what a call that asked its client something has to know when the client comes back, in
 * the client's hands.  It is encrypted and authenticated, and bound to who called, method, component and arguments; it expires.
 * Pure: time, salt and key are arguments.
 *
 * base64url of: format (1 byte), Unix time of expiry (8), salt (32), ciphertext, tag (16).
 */
#ifndef SP_SERVER_SEAL_H
#define SP_SERVER_SEAL_H

#include "base/out.h"
#include "crypto/crypto.h"
#include "wire/json.h"

enum {
	SP_REQSTATE_TTL_S = 600,
	SP_REQSTATE_BYTES = 65536,		/* of what is kept */
	SP_REQSTATE_TEXT = (SP_REQSTATE_BYTES + 64) / 3 * 4 + 4,
	SP_REQSTATE_SALT = SP_AEAD_SALT,
};

/* What a state is good for. */
struct sp_reqstate_for {
	uint8_t	 mark[32];			/* whose it is (sp_caller_mark()) */
	sp_slice method, name;
	uint8_t	 arguments[32];			/* sp_arguments_digest() */
};

/* The same for every text of the same arguments, whatever the order of their keys; absent and {} are the same.  False: no
 * memory, or nested over 64 levels. */
SP_MUST bool sp_arguments_digest(sp_jval *arguments, uint8_t out[32]);

/* Appends the text.  `salt`: random; `kept`: not empty.  SP_E_TOO_BIG: more than SP_REQSTATE_BYTES, or *o is full; SP_E_FULL: no memory. */
SP_MUST enum sp_status sp_reqstate_seal(struct sp_out *o, const uint8_t key[SP_AEAD_KEY],
    const uint8_t salt[SP_REQSTATE_SALT], const struct sp_reqstate_for *f, int64_t expires_s, sp_slice kept, struct sp_err *e);
/* Appends what was kept.  SP_E_BAD_PARAMS, with one text for all reasons; e->log has the reason. */
SP_MUST enum sp_status sp_reqstate_open(struct sp_out *o, const uint8_t key[SP_AEAD_KEY], const struct sp_reqstate_for *f,
    int64_t now_s, sp_slice text, struct sp_err *e);

#endif

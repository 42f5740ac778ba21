/*
 * What keeper signs with its Ed25519 key and every other role checks: tickets, which say that keeper decided once about a
 * caller whose credential needs a secret (the MAC of an HS* token), a descriptor (peer) or somebody else's word (an
 * introspection endpoint's, which its egress read); and sessions of the legacy era.  The key is derived from the vault's, so statements outlive keeper's death; another vault key ends them all.
 * Binary form: u8 version, u8 kind, fields, 64 bytes of signature over all before it with the context
 * "sallyport statement 1".  Pure: time is an argument.
 */
#ifndef SP_OAUTH_STATEMENT_H
#define SP_OAUTH_STATEMENT_H

#include "base/err.h"
#include "base/out.h"
#include "crypto/crypto.h"
#include "oauth/principal.h"
#include "image/image.h"

enum { SP_TOLD_TEXT = 512, SP_TOLD_LIST = 1024 };	/* bytes of one text, of one list */
enum { SP_STATEMENT_MAX = 4096, SP_SESSION_TEXT_MAX = 344, SP_TICKET_S = 60, SP_SESSION_S = 86400 };
enum sp_statement_kind { SP_STATEMENT_MAC = 1, SP_STATEMENT_PEER, SP_STATEMENT_SESSION, SP_STATEMENT_TOLD };

/* What an introspection endpoint said about the bearer of a token.  Lists: names that the configuration knows, each with its
 * length before it. */
struct sp_told {
	sp_slice user, issuer, client_id;
	sp_slice scopes, tags;
	int64_t	 ends_s;		/* of the token; INT64_MAX: nobody said */
};
void sp_told_add(struct sp_out *list, sp_slice name);
bool sp_told_next(sp_slice *list, sp_slice *name);	/* false: at its end */
/* Within the limits, and lists of whole names? */
SP_MUST bool sp_told_fits(const struct sp_told *t);

struct sp_statement {
	enum sp_statement_kind kind;
	int64_t	 expires_s;
	uint8_t	 source[16];		/* MAC, PEER, TOLD: first bytes of SHA-256 of the source's name: generations number sources anew */
	uint8_t	 token[32];		/* MAC, TOLD: SHA-256 of the whole token */
	uint32_t uid;			/* PEER */
	uint8_t	 who[32];		/* SESSION: sp_principal_mark() of its owner */
	uint8_t	 random[16];		/* SESSION */
	uint8_t	 resource[16];		/* TOLD: whose audience was looked for, as sp_statement_source() of its identifier */
	uint64_t epoch;			/* TOLD: of revocation, when the question was asked */
	struct sp_told told;		/* TOLD: borrowed from the bytes that were read */
	uint32_t revision, caps;	/* SESSION: enum sp_mcp_revision, enum sp_mcp_client_cap */
};

/* All before the signature. */
void sp_statement_write(struct sp_out *o, const struct sp_statement *s);
/* What is signed for these bytes: the context and them; at most SP_STATEMENT_MAX bytes. */
void sp_statement_signed(struct sp_out *o, sp_slice bytes);
/* Bytes with their signature.  SP_E_BAD_TOKEN: not ours, not of this form, or expired (e->log says which). */
SP_MUST enum sp_status sp_statement_read(struct sp_pkey *key, sp_slice bytes, int64_t now_s,
    struct sp_statement *out, struct sp_err *e);

/* How a statement names a source, or a resource. */
void sp_statement_source(sp_slice name, uint8_t out[16]);

/* Who somebody is at a resource, for telling callers and their sessions apart: SHA-256 over the identifier of the resource
 * and the names of source, issuer, user and client. */
void sp_principal_mark(const struct sp_image *img, uint32_t resource, const struct sp_principal *who, uint8_t out[32]);

#endif

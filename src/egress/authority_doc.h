/*
 * What the documents of an authority say: its metadata (RFC 8414 section 3, OpenID Connect Discovery section 4) and how
 * long its key set may be kept.  Pure.
 */
#ifndef SP_EGRESS_AUTHORITY_DOC_H
#define SP_EGRESS_AUTHORITY_DOC_H

#include "base/err.h"
#include "base/out.h"
#include "wire/http1.h"

enum {
	SP_AUTHORITY_LOCATIONS = 3,
	SP_AUTHORITY_URI = 2048,	/* bytes of jwks_uri */
	SP_AUTHORITY_FRESH_MIN_S = 300, SP_AUTHORITY_FRESH_S = 3600, SP_AUTHORITY_FRESH_MAX_S = 86400,
};

/* The path of the k-th place where the metadata may lie; `path` is the issuer's, without a final '/'.  False: there is none. */
SP_MUST bool sp_authority_location(sp_slice path, unsigned k, struct sp_out *o);

/*
 * Appends `jwks_uri` of the document, which must name exactly this issuer.  It must be https; of an issuer in clear text,
 * which is on this machine, it must be of the issuer's own origin.  SP_E_UPSTREAM: no metadata of an authority;
 * SP_E_REFUSED: metadata that must not be used.  e->log says why.
 */
SP_MUST enum sp_status sp_authority_metadata(sp_slice text, sp_slice issuer, struct sp_out *jwks_uri, struct sp_err *e);

/* Seconds that the answer may be kept: Cache-Control max-age within our bounds, or an hour. */
uint32_t sp_authority_fresh_s(const struct sp_http_head *h);

#endif

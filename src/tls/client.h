/*
 * TLS toward upstreams, over a connected non-blocking socket.  The certificate is always verified, for this host or
 * address; TLS 1.2 or later; no renegotiation, no compression, no HTTP/2, no session is ever resumed (so nothing ties
 * two identities together).  No file is opened here after sp_tls_prepare(): the trust store is read from a
 * descriptor when the first connection needs it.
 */
#ifndef SP_TLS_CLIENT_H
#define SP_TLS_CLIENT_H

#include "base/err.h"

struct sp_tls_context;
struct sp_tls;

/* Before the jail: what OpenSSL would look up later.  Takes over `trust_fd` (a PEM bundle; -1: the system's, whose
 * usual places are tried). SP_E_SYSTEM: no trust store, or OpenSSL failed. */
SP_MUST enum sp_status sp_tls_prepare(int trust_fd, struct sp_tls_context **out, struct sp_err *e);
void sp_tls_context_free(struct sp_tls_context **c);

/* A new connection over `fd`, which stays the caller's.  `host` is a name, or an address when `literal`; it is sent
 * as SNI (names only) and must be in the certificate.  SP_E_UPSTREAM: the trust store cannot be read. */
SP_MUST enum sp_status sp_tls_new(struct sp_tls_context *c, int fd, sp_slice host, bool literal, struct sp_tls **out,
    struct sp_err *e);
/* Frees; sends nothing. */
void sp_tls_free(struct sp_tls **t);

enum sp_tls_result {
	SP_TLS_OK,
	SP_TLS_WANT_READ, SP_TLS_WANT_WRITE,	/* call again when the socket is ready for that */
	SP_TLS_EOF,				/* the peer ended the connection properly */
	SP_TLS_FAILED				/* sp_tls_why() */
};

/* Until it is OK nothing else may be called. */
SP_MUST enum sp_tls_result sp_tls_handshake(struct sp_tls *t);
/* OK: 1 to cap bytes.  An end without close_notify is FAILED, so that a cut-off answer is not taken for a whole one. */
SP_MUST enum sp_tls_result sp_tls_read(struct sp_tls *t, void *buf, size_t cap, size_t *n);
/* OK: 1 to n bytes were taken.  After WANT_* the same bytes must be offered again (at any address). */
SP_MUST enum sp_tls_result sp_tls_write(struct sp_tls *t, const void *buf, size_t n, size_t *taken);
/* Bytes of an answer that were decrypted already: the socket says nothing about them. */
SP_MUST bool sp_tls_pending(const struct sp_tls *t);
/* Why it failed, for the log: constant text or OpenSSL's, never the peer's. */
const char *sp_tls_why(const struct sp_tls *t);

#endif

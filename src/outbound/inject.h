/*
 * The last step before a request leaves: every credential slot is cleared, the operation's own credentials are written
 * last, and the finished bytes are read again and compared with what each credential was granted for.  Beside scrub.c
 * the only file that may call sp_secret_peek().
 */
#ifndef SP_EGRESS_INJECT_H
#define SP_EGRESS_INJECT_H

#include "image/image.h"
#include "openapi/bind.h"
#include "vault/secret.h"

struct sp_inject {
	const struct sp_image *img;
	const struct sp_img_server *server;
	struct sp_secret *const *secrets;	/* one for each of the server's grants; NULL: not received */
};

/*
 * Writes the head of the request, to its empty line, into `o`, which must be empty, of fixed size and in locked memory.
 * The body is not copied.  On any error `o` has been wiped and nothing may be sent:
 * SP_E_UNAVAILABLE: a secret has not been received (e->log names the grant);
 * SP_E_CONFIG: a secret cannot stand where it is to go, e.g. a line break in a header (e->log names the grant);
 * SP_E_REFUSED: the finished request is not what a credential was granted for: an incident;
 * SP_E_TOO_BIG: over the size of `o`.
 */
SP_MUST enum sp_status sp_inject(const struct sp_inject *in, const struct sp_img_op *op, const struct sp_request *req,
    struct sp_out *o, struct sp_err *e);
/* Would sp_inject() leave something of this request out, because a credential, the connection or we ourselves own its
 * name?  *what: the first such field or query parameter, as written. */
SP_MUST bool sp_inject_owns(const struct sp_inject *in, const struct sp_request *req, sp_slice *what);

#endif

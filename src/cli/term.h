/* Secrets typed or piped in: straight into locked memory, never echoed. */
#ifndef SP_CLI_TERM_H
#define SP_CLI_TERM_H

#include "vault/secret.h"

/* Standard input when it is no terminal (one final newline does not count), else the terminal: `what` is asked for
 * without echo, twice when `twice`.  SP_E_REFUSED: cancelled, or the two differ; SP_E_TOO_BIG: over its capacity. */
SP_MUST enum sp_status sp_term_secret(const char *what, bool twice, struct sp_secret *out, struct sp_err *e);
/* Always from the terminal: SP_E_UNAVAILABLE when there is none. */
SP_MUST enum sp_status sp_term_ask(const char *what, bool twice, struct sp_secret *out, struct sp_err *e);

#endif

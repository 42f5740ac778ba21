/* Protected resource metadata (RFC 9728): the document and where it is found. */
#ifndef SP_OAUTH_PRM_H
#define SP_OAUTH_PRM_H

#include "base/out.h"

/* The JSON document.  `resource` byte for byte as configured; no authorization_servers when there are none;
 * offline_access is never listed (it is between client and authorization server). */
void sp_prm_write(struct sp_out *o, sp_slice resource, const sp_slice *servers, size_t nservers,
    const sp_slice *scopes, size_t nscopes);
/* The same, with what people may read about the resource; both may be NULL. */
struct sp_prm_about { const char *name, *documentation; };
void sp_prm_write_about(struct sp_out *o, sp_slice resource, const sp_slice *servers, size_t nservers,
    const sp_slice *scopes, size_t nscopes, const struct sp_prm_about *about);
/* The well-known URL of a resource "https://host/path": its path goes behind the well-known part (section 3.1).
 * False: `resource` is no URL with an authority, or has a fragment. */
SP_MUST bool sp_prm_url(struct sp_out *o, sp_slice resource);

#endif

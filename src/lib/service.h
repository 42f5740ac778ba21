/*
 * MCP over HTTP for the servers of one endpoint: which of them a head is for, who sends it, and the exchange with that
 * server's engine (Streamable HTTP, both eras).  Over the connections of http/conn.h, so over sockets and memory alike.
 */
#ifndef SP_LIB_SERVICE_H
#define SP_LIB_SERVICE_H

#include "http/conn.h"
#include "lib/serving.h"

/* One server at one path. */
struct sp_site {
	struct sp_serving *serving;
	char	*path;			/* of requests */
	sp_slice metadata_path;		/* of its own metadata, in serving->metadata_url; empty: none */
	size_t	 max_body;
};

struct sp_endpoint {
	struct sp_hub hub;
	struct sp_site *sites;
	unsigned nsites;
	sp_slice *hosts, *origins;	/* what Host and Origin may be; from malloc, each ends in NUL */
	unsigned nhosts, norigins;
	bool	 any_loopback;		/* Host may be any name of this machine */
	enum sp_transport transport;
	const char *peer;		/* of every connection, or NULL: each its own */
};

extern const struct sp_service sp_lib_service;

/* A host that is served, with its port; as Origin too unless `scheme` is NULL.  "127.0.0.1", 80: also without the port. */
SP_MUST bool sp_endpoint_host(struct sp_endpoint *p, const char *scheme, sp_slice host, unsigned port);
/* The host and origin of a URL that a server has. */
SP_MUST bool sp_endpoint_url(struct sp_endpoint *p, sp_slice url);
/* As it is. */
SP_MUST bool sp_endpoint_add(sp_slice **list, unsigned *n, sp_slice text);
/* Is it one? */
SP_MUST bool sp_endpoint_path(sp_slice path, struct sp_error *error);
/* `path` NULL: that of its url.  After sp_serving_guard(). */
SP_MUST bool sp_endpoint_site(struct sp_endpoint *p, struct sp_site *site, struct sp_serving *serving, const char *path,
    struct sp_error *error);
/* Limits of connections that fit these servers. */
struct sp_hub_limits sp_endpoint_limits(const struct sp_endpoint *p);
/* Frees lists and paths, not the servers. */
void sp_endpoint_wipe(struct sp_endpoint *p);

/* Inside: which site a head is for. */
enum sp_lib_place { SP_LIB_AT_MCP = 1, SP_LIB_AT_METADATA, SP_LIB_AT_HEALTH };
SP_MUST enum sp_status sp_endpoint_find(const struct sp_endpoint *p, const struct sp_http_head *head, enum sp_lib_place *place,
    struct sp_site **site, struct sp_err *e);

#endif

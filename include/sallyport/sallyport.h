/*
 * libsallyport: MCP servers in C, with the gates of Sallyport in the same process.
 *
 * Inbound, providers say who calls (sallyport/provider.h) and checks say who may see and call what (sallyport/auth.h): a
 * component that nobody gave a check is an error.  Outbound, credentials are added at the last moment, for the one host
 * they were granted to (sallyport/outbound.h).  A server (sallyport/server.h) is a set of tools, resources, prompts and
 * handlers; what a handler can do stands in sallyport/context.h; sallyport/transport.h has HTTP, stdio, embedding in a
 * loop of one's own, and feeding bytes by hand; sallyport/pieces.h has single pieces without any I/O.
 *
 * Texts are UTF-8 and end in NUL; what is passed in is copied, what is given out lives as long as the object it was asked
 * of, unless a function says otherwise.  Lists end in NULL: SP_LIST("a", "b").  Structures of options begin with their
 * size, so that programs and libraries of different age understand each other: fill them by the macros of the same name,
 * which also let one write only the members one wants:
 *
 *	sp_tool(server, .name = "add", .handler = add, .auth = SP_SIGNED_IN);
 */
#ifndef SALLYPORT_SALLYPORT_H
#define SALLYPORT_SALLYPORT_H

#include <sallyport/base.h>
#include <sallyport/auth.h>
#include <sallyport/provider.h>
#include <sallyport/outbound.h>
#include <sallyport/server.h>
#include <sallyport/context.h>
#include <sallyport/transport.h>
#include <sallyport/pieces.h>

#endif

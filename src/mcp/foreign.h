/*
 * What an upstream wrote, made fit to be handed on: texts, URIs, icons, _meta.  Pure; shared by the catalogue and the
 * translation of results.
 */
#ifndef SP_MCP_FOREIGN_H
#define SP_MCP_FOREIGN_H

#include "wire/json.h"

enum { SP_URI_MAX = 4096, SP_NAME_MAX = 128 };

/* Names of tools and prompts: [A-Za-z0-9_.-]{1,128} (threat row E05). */
SP_MUST bool sp_name_ok(sp_slice name);
/* Absolute, printable ASCII without space, at most SP_URI_MAX bytes.  A template may hold RFC 6570 expressions behind its
 * scheme. */
SP_MUST bool sp_res_uri_ok(sp_slice uri);
SP_MUST bool sp_res_template_ok(sp_slice uri_template);
/* Up to the first ':'; empty: none. */
sp_slice sp_scheme(sp_slice uri);
/* Of a scheme whose text may be run or shown as a document of the viewer's own: javascript, data, vbscript, blob, about, … */
SP_MUST bool sp_uri_is_active(sp_slice uri);

/* Members of an object.  Each writes `"key":value,` if there is something to write, and nothing else. */
/* A text without control and bidi characters, cut at `max` bytes. */
void sp_member_text(struct sp_out *o, const char *key, sp_jval *v, size_t max, bool keep_lines);
/* Icons whose src is https or an image as data:. */
void sp_member_icons(struct sp_out *o, sp_jval *v);
/* As it came. */
void sp_member_raw(struct sp_out *o, const char *key, sp_jval *v);
/* _meta without the keys of a hop; `first`: members to begin with, or empty. */
void sp_member_meta(struct sp_out *o, sp_jval *meta, sp_slice first);
/* Annotations of tools, or of resources and content: the known ones, of the right type. */
void sp_member_hints(struct sp_out *o, sp_jval *v);
void sp_member_annotations(struct sp_out *o, sp_jval *v);
/* Ends an object or array that was written with commas behind its members. */
void sp_member_end(struct sp_out *o, char close);

#endif

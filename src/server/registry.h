/* One component on its way into a server: what all kinds have in common. */
#ifndef SP_SERVER_REGISTRY_H
#define SP_SERVER_REGISTRY_H

#include "base/utf8.h"
#include "server/engine.h"

enum { SP_OFFER_MAX = 1 << 22 };	/* bytes of texts and schemas of one component */

struct sp_adding {
	struct sp_server *s;
	struct sp_offer *o;
	struct sp_out json;		/* as lists show it; open */
	size_t	 cut_from, cut_to;	/* of json: what the 2025 era does not get */
	bool	 bad;			/* a mistake was said */
};

/* Members that every kind of options has. */
struct sp_common {
	const char *const *tags;
	const char *description;
	struct sp_auth_check *auth;
	sp_handler handler;
	void	*arg;
	bool	 on_loop;
	unsigned timeout_s;
};

/* False: no memory, and nothing to end. */
bool sp_add_begin(struct sp_adding *a, struct sp_server *s, enum sp_component_type kind, const char *name,
    const struct sp_common *c);
void sp_add_end(struct sp_adding *a);
void sp_add_wrong(struct sp_adding *a, const char *why);

sp_slice sp_add_copy(struct sp_adding *a, const char *text);
/* Each writes a member; NULL writes nothing. */
void sp_add_key(struct sp_adding *a, const char *key);
void sp_add_text_member(struct sp_adding *a, const char *key, const char *text);
void sp_add_icons(struct sp_adding *a, const struct sp_icon *icons);
/* `text` must be a JSON object, *compact (may be NULL) gets it without white space.  False: a mistake was said. */
bool sp_add_json_member(struct sp_adding *a, const char *key, const char *text, sp_slice *compact);
/* The array; false: a src that is neither https: nor data:. */
bool sp_icons_write(struct sp_out *o, const struct sp_icon *icons);

#endif

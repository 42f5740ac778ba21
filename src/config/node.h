/*
 * A YAML document as a tree with places.  Anchors, aliases, tags, merge keys, directives, second documents and repeated
 * keys are findings; what they stood for is a NODE_BAD, of which nobody complains again.
 */
#ifndef SP_CONFIG_NODE_H
#define SP_CONFIG_NODE_H

#include "config/config.h"

enum node_kind { NODE_BAD = 0, NODE_SCALAR, NODE_LIST, NODE_MAP };

enum {
	SP_YAML_BYTES = 1000000,
	SP_YAML_DEPTH = 16,
	SP_YAML_KEYS = 1000,		/* of one mapping */
	SP_YAML_NODES = 100000
};

struct node {
	enum node_kind kind;
	bool	 plain;			/* a scalar without quotes */
	uint32_t line, col;
	sp_slice text;			/* scalars */
	const struct node *key;		/* of a value in a mapping */
	struct node *first, *next;	/* members of a list or values of a mapping; the sibling after this one */
	struct node *last;
	uint32_t n;			/* members */
};

/* NULL when there is no tree to look at; findings tell why. */
struct node *sp_yaml_read(struct sp_arena *a, sp_slice text, struct sp_findings *f);
/* The value of a key, or NULL. */
const struct node *sp_node_get(const struct node *map, const char *key);
/* The tree in flow form on one line, as a person would write it. */
void sp_node_write(struct sp_out *o, const struct node *n);

#endif

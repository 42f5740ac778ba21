/*
 * The one decision (config.md section 3): the same function for list and call, in front and again in egress.
 * Pure: no clock, no I/O, no allocation.  Cost: the rules that name the tool, nothing else.
 */
#ifndef SP_POLICY_DECIDE_H
#define SP_POLICY_DECIDE_H

#include "image/image.h"
#include "oauth/principal.h"
#include "wire/json.h"

enum sp_outcome {
	SP_CLOSED = 0,		/* 0, so that a forgotten decision denies; also short by rules that hide (`manner` is then HIDE) */
	SP_REFUSED_ARGS,	/* closed, but the caller's list has the tool */
	SP_SHORT,		/* `manner` is CHALLENGE or LIST */
	SP_ASK,
	SP_ALLOW,
	SP_REFUSED		/* by a check, with a text for the caller (policy/checked.h) */
};

enum { SP_RULES_LEFT = 64, SP_SCOPE_WORDS = 16, SP_TAG_WORDS = 16 };	/* at most 1024 scopes and tags in a file (loader refuses more) */

struct sp_decision {
	enum sp_outcome outcome;
	enum sp_manner	manner;			/* SP_SHORT: the strictest of the rules left */
	bool	 listed;			/* the caller's tools/list has this tool */
	uint64_t wanted[SP_SCOPE_WORDS];	/* every scope the rules left want */
	uint64_t checks;			/* SP_ALLOW, SP_ASK: these still have a say (bits over the image's checks): policy/checked.h */
	uint64_t list_checks;			/* `listed` takes them in the caller's favour: sp_decide_listing() when it matters */
	uint32_t left[SP_RULES_LEFT];		/* rules left, for `why`; nleft may exceed what is stored */
	uint32_t nleft;
	const char *reason;			/* constant text for log and `why`: "no rule opens it", "tag demand unmet by rule", … */
	uint32_t reason_rule;			/* index of the rule the reason speaks of, or UINT32_MAX */
};

/* What the checks said that were asked without arguments, for lists: bits over the image's checks.  NULL, where a view is
 * wanted: nobody was asked, all are taken in the caller's favour. */
struct sp_view { uint64_t allowed, lacking; };	/* lacking: only scopes */

/* `who` NULL: no credential and no anonymous source (always closed).  `args` NULL: no arguments given (an empty object). */
void sp_decide(const struct sp_image *img, const struct sp_principal *who, uint32_t tool, sp_jval *args,
    struct sp_decision *out);
/* Does the caller's tools/list have this tool?  Conditions are taken in the caller's favour. */
SP_MUST bool sp_decide_listed(const struct sp_image *img, const struct sp_principal *who, uint32_t tool,
    const struct sp_view *view);
/*
 * What a decision is about.  A tool of the image has its rules there; of a component that is known only while running
 * (an mcp server's), the rules are those whose TOOLS name it: sp_component_rules() finds them, once.
 */
enum sp_component_kind { SP_COMPONENT_TOOL = 1, SP_COMPONENT_RESOURCE, SP_COMPONENT_TEMPLATE, SP_COMPONENT_PROMPT };
struct sp_component {
	uint32_t server;
	enum sp_component_kind kind;
	bool	 write;			/* access; of an mcp server always, until its definitions can be pinned */
	sp_slice name;			/* own name; a resource's URI; a template's uriTemplate */
	const uint32_t *rules;		/* indices, in file order */
	uint32_t nrules;
};
/* Writes up to `cap` indices of rules that name the component (c->rules is not looked at); returns how many there are. */
uint32_t sp_component_rules(const struct sp_image *img, const struct sp_component *c, uint32_t *out, uint32_t cap);
struct sp_component sp_component_of_tool(const struct sp_image *img, uint32_t tool);
void sp_decide_component(const struct sp_image *img, const struct sp_principal *who, const struct sp_component *c,
    sp_jval *args, struct sp_decision *out);
SP_MUST bool sp_decide_component_listed(const struct sp_image *img, const struct sp_principal *who,
    const struct sp_component *c, const struct sp_view *view);
/* A decision that closes, once the view is known: does the caller's list have it?  Others stay as they are. */
void sp_decide_listing(const struct sp_image *img, const struct sp_principal *who, const struct sp_component *c,
    const struct sp_view *view, struct sp_decision *d);
/* The checks that a list of this kind has to ask for this caller; kind 0: of any kind. */
uint64_t sp_list_checks(const struct sp_image *img, const struct sp_principal *who, unsigned kind);
/* One rule against one call, for `why`: what it lacks to be satisfied. */
struct sp_rule_look {
	bool left, decided;			/* it speaks of this call; without doubt */
	bool opens;
	bool tags_unmet, scopes_missing;
	uint64_t checks;			/* that it demands */
	uint64_t missing[SP_SCOPE_WORDS];	/* the scopes that it wants and the caller has not */
};
void sp_rule_look(const struct sp_image *img, const struct sp_principal *who, uint32_t rule, sp_jval *args,
    struct sp_rule_look *out);
/* The scopes of a set as one space-separated text, in the order of the image. */
void sp_scopes_write(struct sp_out *o, const struct sp_image *img, const uint64_t *words, uint32_t n);

/* config.md section 1.6: '*' any run but '/', '**' any run; whole, case-sensitive, byte for byte; linear in the text per star. */
SP_MUST bool sp_glob(sp_slice pattern, sp_slice text);

#endif

/* What the file says, after reading and before compiling.  All memory in one arena; texts end with a NUL beyond their length. */
#ifndef SP_CONFIG_MODEL_H
#define SP_CONFIG_MODEL_H

#include "config/node.h"
#include "openapi/spec.h"
#include "wire/uri.h"

enum {
	SP_CFG_STEP = 3,		/* the column `from` of config.md: what this version knows */
	SP_CFG_RULES = 2000,
	SP_CFG_NAMES = 1024,		/* scopes and tags each: SP_SCOPE_WORDS of policy/decide.h */
	SP_CFG_SERVERS = 256,
	SP_CFG_SOURCES = 64,
	SP_CFG_LISTENS = 16,
	SP_CFG_ACCOUNTS = 4096,		/* of this machine, whom a source of type peer admits */
	SP_CFG_PATH = 1024,		/* bytes of a server's `path` */
	SP_CFG_PARTS = 4096,		/* distinct parts of mcp servers that rules name */
	SP_CFG_DOCUMENT = 64 << 20	/* bytes of an OpenAPI document */
};

struct item { sp_slice text; uint32_t line, col; };
struct items { struct item *v; uint32_t n; };

struct cfg_listen {
	bool	 unix_path;
	sp_slice host, path;
	enum sp_host_kind kind;
	uint16_t port;
	bool	 loopback;
	uint32_t line, col;
};

struct cfg_scope { struct item name; sp_slice says; struct items implies; };
struct cfg_give { struct item tag; struct items scopes; };

struct cfg_authority {
	sp_slice issuer, url;
	struct sp_uri u;		/* of url, else of issuer */
	uint32_t source;		/* 1 + index: url is its introspection endpoint; 0: keys are fetched */
	uint32_t line;
};
struct cfg_account { uint32_t uid, gid; sp_slice name; struct items groups; };

struct cfg_source {
	enum sp_source_type type;
	struct item name, issuer, keys;
	struct item header;		/* static: lower case; empty: Authorization */
	sp_slice keys_ref;		/* an HS secret */
	struct sp_uri issuer_parts;
	uint32_t authority, endpoint;	/* 1 + index; 0: none */
	struct item endpoint_url, client_id;	/* of introspection; empty: there is none */
	sp_slice client_secret;		/* a reference */
	bool	 published;
	struct items audience, users, require_scopes, restrict_tag, give_scopes;
	sp_slice keys_text;
	sp_slice claim_user, claim_tags, claim_scopes;
	struct cfg_give *give; uint32_t ngive;
	uint32_t line, col;
};

struct cfg_secret {
	struct item name;
	sp_slice ref;
	bool	 has_as;
	enum sp_place place;
	bool	 basic;
	sp_slice field, before, after;
	struct item host;		/* as written; empty: the server's own */
	uint32_t methods;		/* as written; 0: none */
	bool	 known;			/* the document has a scheme of this name */
	uint32_t scheme;		/* its index */
	uint32_t used;			/* methods of opened operations that need it */
};

struct cfg_origin { struct sp_uri uri; sp_slice base_path; };	/* base_path without its final '/' */

struct cfg_resource { sp_slice path, url; uint32_t alone; };	/* alone: 1 + index of its only server; 0: those that say so */

struct cfg_server {
	struct item name, document;
	struct item path;		/* empty: at `url` with others */
	uint32_t resource;
	struct item url;		/* of an mcp server: its endpoint */
	enum sp_server_kind kind;
	struct cfg_secret *secrets; uint32_t nsecrets;
	struct sp_spec spec;
	bool	 has_spec;
	struct sp_uri base;		/* of `url` or of the document */
	bool	 has_base, private_ok;
	struct cfg_origin *origins; uint32_t norigins;	/* other servers of the document's operations */
	uint32_t first_tool, ntools;
	bool	 reached;		/* some rule opens something of it */
};

enum cfg_what { WHAT_ALL, WHAT_NAME, WHAT_READ, WHAT_WRITE, WHAT_TAG, WHAT_RESOURCE, WHAT_PROMPT };
struct cfg_target {			/* one entry of TOOLS */
	struct item text;
	uint32_t server;		/* index, or UINT32_MAX: all */
	enum cfg_what what;
	sp_slice pattern;
	bool	 bad;
};

struct cfg_caller { struct item text; uint32_t source; bool has_pattern; sp_slice pattern; };
struct cfg_value { enum sp_value_kind kind; sp_slice text, high; };
struct cfg_cond { struct item argument; struct items path; struct cfg_value *values; uint32_t nvalues; };
struct cfg_group { struct items scopes, tags; };

struct cfg_check {
	struct item name;
	sp_slice library;		/* joined to the folder of the file; empty: a decision point */
	struct sp_uri url;
	bool	 used;
};

struct cfg_rule {
	enum sp_verb verb;
	uint32_t line, col;
	sp_slice text;
	struct cfg_target *targets; uint32_t ntargets;
	struct cfg_caller *callers; uint32_t ncallers;
	struct cfg_cond *when; uint32_t nwhen;
	struct cfg_cond *unless; uint32_t nunless;
	struct items scopes, tags;
	struct cfg_group *any; uint32_t nany;
	struct cfg_group not; bool has_not;
	uint64_t checks;		/* bits over the checks */
	enum sp_manner manner;
	bool	 bad;			/* an error was reported: no further opinion about it */
	uint64_t *names;		/* bits over tools, then over parts: those that it surely names as a whole */
};

/* Something of an mcp server that a rule names.  What it has is known only while running. */
struct cfg_part { uint32_t server; enum cfg_what what; sp_slice pattern; };

struct cfg_tool {
	uint32_t server;
	const struct sp_spec_op *op;
	uint32_t origin;		/* 0: the server's own, else 1 + index into its origins */
	sp_slice name, shown;
	bool	 write;
	bool	 opened;
};

struct cfg_limits {
	uint64_t head, body, answer, depth, connections, in_flight, calls, calls_ms;
	uint64_t head_ms, body_ms, idle_ms, call_ms;
};

struct cfg {
	struct sp_arena mem;
	struct sp_findings *f;
	const struct sp_config_opts *opts;
	sp_slice dir;			/* folder of the file with its final '/', or empty */
	struct cfg_listen listens[SP_CFG_LISTENS]; uint32_t nlistens;
	struct item url;
	struct sp_uri url_parts; bool has_url;
	bool	 scopes_written;
	struct cfg_scope *scopes; uint32_t nscopes;
	struct cfg_source *sources; uint32_t nsources;
	struct cfg_server *servers; uint32_t nservers;
	struct cfg_resource *resources; uint32_t nresources;	/* the first is that of `url` */
	struct cfg_rule *rules; uint32_t nrules;
	struct cfg_tool *tools; uint32_t ntools;
	struct cfg_part *parts; uint32_t nparts;
	bool	 too_many_parts;	/* none is in the table then */
	struct cfg_authority *authorities; uint32_t nauthorities;
	struct cfg_account *accounts; uint32_t naccounts;
	struct cfg_check *checks; uint32_t nchecks;
	struct cfg_limits limits;
	struct item *scope_names; uint32_t nscope_names;	/* the vocabulary, then what else is mentioned */
	struct item *tag_names; uint32_t ntag_names;		/* what rules and sources speak of */
	uint64_t (*closure)[SP_CFG_NAMES / 64];			/* per scope: itself and what it implies */
	sp_slice state, unlock;
	enum sp_isolation isolation;
};

#define ERR(c, at, ...) sp_findings_add((c)->f, false, (at)->line, (at)->col, __VA_ARGS__)
/* An error that only tests turn into a warning: sp_config_opts.accept_pointless. */
#define OBJECT(c, at, ...) \
	sp_findings_add((c)->f, (c)->opts->accept_pointless, (at)->line, (at)->col, __VA_ARGS__)
#define WARN(c, at, ...) sp_findings_add((c)->f, true, (at)->line, (at)->col, __VA_ARGS__)

/* Reading by parts: each takes the value's node (NULL: the key is absent) and reports what is wrong. */
void sp_cfg_read_top(struct cfg *c, const struct node *root);
void sp_cfg_read_limits(struct cfg *c, const struct node *n);
void sp_cfg_read_listen(struct cfg *c, const struct node *n);
void sp_cfg_read_url(struct cfg *c, const struct node *n);
void sp_cfg_read_scopes(struct cfg *c, const struct node *n);
void sp_cfg_read_auth(struct cfg *c, const struct node *n);
void sp_cfg_read_servers(struct cfg *c, const struct node *n);
void sp_cfg_read_secrets(struct cfg *c, struct cfg_server *s, const struct node *n);
void sp_cfg_read_rules(struct cfg *c, const struct node *n);
void sp_cfg_read_checks(struct cfg *c, const struct node *n);		/* before the rules */
void sp_cfg_read_check_names(struct cfg *c, struct cfg_rule *r, const struct node *n);
void sp_cfg_read_conditions(struct cfg *c, struct cfg_rule *r, const struct node *n, struct cfg_cond **out, uint32_t *count);

/* Tables of scopes and tags; reports scopes outside the vocabulary. */
void sp_cfg_collect_names(struct cfg *c);
struct cfg_set { uint64_t w[SP_CFG_NAMES / 64]; };
struct cfg_set sp_cfg_scopes(const struct cfg *c, const struct items *names);		/* as written */
struct cfg_set sp_cfg_implied(const struct cfg *c, struct cfg_set s);			/* and all they imply */
struct cfg_set sp_cfg_tags(const struct cfg *c, const struct items *names);
SP_MUST bool sp_cfg_within(const struct cfg_set *a, const struct cfg_set *b);
void sp_cfg_join(struct cfg_set *a, const struct cfg_set *b);

/* After reading: documents, tools, what rules name, what is pointless or dangerous; then the image. */
void sp_cfg_load_keys(struct cfg *c);
SP_MUST bool sp_cfg_is_web(sp_slice text);	/* begins like a URL */
void sp_cfg_make_authorities(struct cfg *c);
SP_MUST bool sp_cfg_reads_claims(const struct cfg_source *s);	/* its callers come with claims */
void sp_cfg_load_accounts(struct cfg *c);
void sp_cfg_find_parts(struct cfg *c);
/* Does this target speak of all of the part; could it speak of some of it? */
SP_MUST bool sp_cfg_names_part(const struct cfg_target *t, const struct cfg_part *p);
SP_MUST bool sp_cfg_parts_overlap(const struct cfg_part *a, const struct cfg_part *b);
/* The parts of mcp server `server` that a target means: at most one.  False: none. */
SP_MUST bool sp_cfg_part_of(const struct cfg_target *t, uint32_t server, struct cfg_part *out);
void sp_cfg_make_resources(struct cfg *c);
void sp_cfg_load_documents(struct cfg *c);
void sp_cfg_make_tools(struct cfg *c);
void sp_cfg_match_rules(struct cfg *c);
void sp_cfg_check_sources(struct cfg *c);
void sp_cfg_check_rules(struct cfg *c);
void sp_cfg_check_servers(struct cfg *c);
void sp_cfg_check_checks(struct cfg *c);
SP_MUST enum sp_status sp_cfg_compile(struct cfg *c, struct sp_imgb *out, struct sp_err *e);

/* First security alternative of a tool all of whose schemes have a secret that may go where the tool goes;
 * -1: none; -2: none is needed. */
int sp_cfg_option(const struct cfg_server *s, const struct cfg_tool *t);
const struct cfg_secret *sp_cfg_secret_of(const struct cfg_server *s, const struct cfg_tool *t, uint32_t scheme);
/* The one origin that a secret may go to: the server's own, or the other one that its `host` names; NULL: neither. */
const struct sp_uri *sp_cfg_goes_to(const struct cfg_server *s, const struct cfg_secret *x);
/* Bits over tools and parts. */
static inline bool
cfg_names(const struct cfg_rule *r, uint32_t tool)
{
	return (r->names[tool / 64] >> (tool % 64) & 1) != 0;
}
static inline bool
cfg_conditional(const struct cfg_rule *r)
{
	return r->nwhen != 0 || r->nunless != 0;
}
static inline bool
cfg_opens(const struct cfg_rule *r)
{
	return r->verb == SP_VERB_ALLOW || r->verb == SP_VERB_ASK;
}

#endif

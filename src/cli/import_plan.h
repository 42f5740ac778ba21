/* What `init` makes of the servers it found: names, records of the vault, the configuration.  Pure. */
#ifndef SP_CLI_IMPORT_PLAN_H
#define SP_CLI_IMPORT_PLAN_H

#include "cli/import.h"

enum { SP_PLAN_RECORD = 64 };

struct sp_plan_server {
	const struct sp_import_server *s;
	uint32_t same;			/* the one with the same URL that came first; else itself */
	char	 name[33];		/* HTTP only */
	char	 record[SP_IMPORT_KEYS][SP_PLAN_RECORD + 1];	/* of the vault; empty for variables */
};
struct sp_plan {
	struct sp_plan_server list[SP_IMPORT_SERVERS];
	size_t n, servers;		/* servers: that will be in the configuration */
};

/* `taken`: names of records there are, a line each. */
void sp_plan_make(const struct sp_import *found, sp_slice taken, struct sp_plan *out);
/* sallyport.yaml.  `state` and `unlock` may be empty.  False: a text of it cannot be written. */
SP_MUST bool sp_plan_yaml(struct sp_out *o, const struct sp_plan *p, sp_slice state, sp_slice unlock);
/* Lines about the servers of one file: what becomes of each.  No value of a key is in it. */
void sp_plan_report(struct sp_out *o, const struct sp_plan *p, unsigned file);
/* The keys for the vault: u16 length and record, u16 length and value, of each. */
void sp_plan_keys(struct sp_out *o, const struct sp_plan *p);
/* sp_import_moved_fn; ctx: the plan. */
bool sp_plan_moved(void *ctx, const sp_jval *server);

#endif

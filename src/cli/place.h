/*
 * The state that a command works on.  Whoever holds the state lock writes: when that is a running gateway, commands ask
 * it over control.sock; else they take the lock and do the same with the same code.
 */
#ifndef SP_CLI_PLACE_H
#define SP_CLI_PLACE_H

#include "admin/admin.h"
#include "cli/options.h"

/* As given on the command line; NULL: not. */
struct sp_where { const char *config, *state, *unlock; };
#define SP_WHERE_OPTS(type, w) \
	SP_OPT_TEXT("config", 'c', type, w.config, "FILE"), SP_OPT_TEXT("state", 0, type, w.state, "FOLDER"), \
	SP_OPT_TEXT("unlock", 0, type, w.unlock, "REF")
#define SP_WHERE_HELP \
	"  -c, --config FILE    take `state` and `unlock` from this configuration (default: sallyport.yaml, if there is one)\n" \
	"  --state FOLDER       the state folder\n" \
	"  --unlock REF         what opens the vault: file:PATH, env:NAME, credential:NAME, passphrase\n"

struct sp_place_state {
	const char *command;
	int	 home;			/* the working folder at the start: paths of the command line are relative to it */
	char	 path[4096];		/* the state folder */
	char	 unlock[4200];		/* empty: vault.key in the state folder */
	int	 dir, lock, control;	/* control: >= 0 while a gateway runs */
	struct sp_admin admin;		/* store and vault, when we hold the lock; opened when first needed */
};

enum sp_reach { SP_REACH_NOTHING, SP_REACH_READ, SP_REACH_WRITE };

/* Finds the folder.  NOTHING: it is only named.  READ: it must be there.  WRITE: it is made, and either locked or reached through the gateway.  Not SP_OK:
 * an error was printed. */
SP_MUST enum sp_status sp_place_open(struct sp_place_state *p, const char *command, const struct sp_where *w,
    enum sp_reach reach);
/* The second half of it, for a command that has to ask something first: whoever types must not hold the lock. */
SP_MUST enum sp_status sp_place_reach(struct sp_place_state *p, enum sp_reach how, struct sp_err *e);
void sp_place_close(struct sp_place_state *p);
/* Connects to the gateway, if one runs and answers. */
SP_MUST bool sp_place_connect(struct sp_place_state *p);

/* One question, answered by the gateway or here. */
SP_MUST enum sp_status sp_place_ask(struct sp_place_state *p, uint32_t op, sp_slice body, struct sp_out *answer,
    struct sp_err *e);
SP_MUST enum sp_status sp_place_here(struct sp_place_state *p, uint32_t op, sp_slice body, struct sp_out *answer,
    struct sp_err *e);
/* What opens the vault, from where `ref` (empty: the default) says.  `twice`: a passphrase is new, and typed twice. */
SP_MUST enum sp_status sp_place_material(struct sp_place_state *p, const char *ref, bool twice, struct sp_secret *out,
    struct sp_err *e);
/* Store and (with `vault`) vault, opened here; the lock is ours. */
SP_MUST enum sp_status sp_place_local(struct sp_place_state *p, bool vault, struct sp_err *e);
/* A new vault, and its key file if that is what opens it; says so on standard output. */
SP_MUST enum sp_status sp_place_vault_make(struct sp_place_state *p, struct sp_err *e);
/* Puts one record into the vault: through the gateway, or here. */
SP_MUST enum sp_status sp_place_vault_set(struct sp_place_state *p, sp_slice name, sp_slice value, struct sp_err *e);
/* A line in the audit log for what was done here. */
void sp_place_note(struct sp_place_state *p, const char *what);
/* Opens the folder of `path` (relative to where the command was called), and says what the file is called in it. */
SP_MUST enum sp_status sp_place_folder(struct sp_place_state *p, const char *path, int *dir, const char **name,
    struct sp_err *e);

/* "sallyport COMMAND: TEXT" on standard error; returns 1. */
int sp_say(const char *command, const char *text);

#endif

/*
 * keeper holds everything: vault, references to secrets, tokens, the audit log.  So it parses nothing foreign and has
 * no network: it hears super, and answers its own roles and the command line.
 */
#ifndef SP_KEEPER_KEEPER_H
#define SP_KEEPER_KEEPER_H

#include "admin/admin.h"
#include "keeper/audit.h"
#include "os/role.h"

enum {
	SP_KEEPER_GENERATIONS = 16, SP_KEEPER_PEERS = 4096, SP_KEEPER_CONTROLS = 16, SP_KEEPER_CONTROL_MS = 60000,
	SP_KEEPER_REFS = 256, SP_KEEPER_REGION = 524288,
};

struct sp_keeper;

/* A role that we have a channel to. */
struct sp_kpeer {
	struct sp_kpeer *next;
	struct sp_keeper *k;
	struct sp_chan *ch;
	struct sp_m_peer who;
};

/* Somebody at control.sock. */
struct sp_kcontrol {
	struct sp_kcontrol *next;
	struct sp_keeper *k;
	struct sp_chan *ch;
	uint32_t uid;
	uint64_t since_ms;
};

/* What a `file:` or `env:` reference stands for. */
struct sp_kref {
	struct sp_kref *next;
	struct sp_secret *value;	/* NULL: refused */
	char why[200];
	size_t n;
	char text[];
};

struct sp_keeper {
	struct sp_boot *b;
	struct sp_admin admin;
	struct sp_audit *audit;
	struct { uint32_t number; bool used; struct sp_image img; } gen[SP_KEEPER_GENERATIONS];
	struct sp_kpeer *peers;
	struct sp_kcontrol *controls;
	struct sp_kref *refs;
	struct sp_secret *value;	/* one value on its way */
	uint32_t npeers, ncontrols, nrefs, newest;
	uint64_t started_ms;
	uv_timer_t tick, leave;
	bool	 locked;		/* there is a vault, and nobody has opened it yet */
	bool	 said_up, useless, leaving;
	uint64_t leave_ms;
	char	 why[400];		/* useless: why */
};

/* keeper.c */
const struct sp_image *sp_keeper_image(const struct sp_keeper *k, uint32_t generation);	/* NULL: unknown */
void sp_keeper_audit(struct sp_keeper *k, const char *note, uint32_t uid, bool cli);

/* grants.c: references and the values that egresses get */
void sp_keeper_secrets(struct sp_keeper *k, struct sp_kpeer *p);
void sp_keeper_manage_key(struct sp_keeper *k, struct sp_kpeer *p);
/* A value has changed: everybody who has it gets the new one.  `ref`: as in the configuration. */
void sp_keeper_changed(struct sp_keeper *k, sp_slice ref);
void sp_keeper_all_secrets(struct sp_keeper *k);
SP_MUST bool sp_keeper_take_ref(struct sp_keeper *k, sp_slice ref, int fd);
void sp_keeper_forget_refs(struct sp_keeper *k);

/* peers.c: who is there, and the tokens they know */
SP_MUST enum sp_status sp_keeper_peer(struct sp_keeper *k, const struct sp_m_peer *who, int fd, struct sp_err *e);
SP_MUST enum sp_status sp_keeper_control(struct sp_keeper *k, uint32_t uid, int fd, struct sp_err *e);
void sp_keeper_tick_controls(struct sp_keeper *k);
void sp_keeper_drop_all(struct sp_keeper *k);

#endif

/*
 * keeper holds everything: vault, references to secrets, tokens, the audit log.  So it parses nothing foreign and has
 * no network: it hears super, and answers its own roles and the command line.
 */
#ifndef SP_KEEPER_KEEPER_H
#define SP_KEEPER_KEEPER_H

#include "admin/admin.h"
#include "keeper/audit.h"
#include "oauth/statement.h"
#include "os/role.h"

enum {
	SP_KEEPER_GENERATIONS = 16, SP_KEEPER_PEERS = 4096, SP_KEEPER_CONTROLS = 16, SP_KEEPER_CONTROL_MS = 60000,
	SP_KEEPER_REFS = 256, SP_KEEPER_REGION = 524288,
};

struct sp_keeper;

struct sp_krun;

/* A role that we have a channel to. */
struct sp_kpeer {
	struct sp_kpeer *next;
	struct sp_keeper *k;
	struct sp_chan *ch;
	struct sp_m_peer who;
	bool packets;			/* a second channel, for descriptors */
};

/* A `command:` reference. */
struct sp_kcommand {
	struct sp_kcommand *next;
	struct sp_keeper *k;
	struct sp_krun *run;		/* its output comes in */
	struct sp_secret *value;	/* in use; NULL: none */
	bool	 wanted;		/* by an image in use */
	bool	 decided;		/* it has run once, well or not: nobody needs to wait for it */
	bool	 asked, ended, eof;	/* of the run under way */
	uint32_t id, failures;
	uint64_t asked_ms, good_ms, next_ms;
	char	 why[200];
	size_t	 n;
	char	 text[];
};

struct sp_kkeys;
struct sp_kquestion;

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
	struct sp_kkeys *keysets;
	struct sp_kcommand *commands;
	struct sp_kquestion *questions;	/* that introspection endpoints have not answered yet */
	struct sp_secret *value;	/* one value on its way */
	struct sp_secret *sign;		/* the key of statements */
	uint8_t public_key[32];		/* its public half */
	uint32_t npeers, ncontrols, nrefs, nkeysets, ncommands, newest;
	uint32_t keys_serial, run_id, nquestions, question_id;
	uint64_t said[64];		/* what was said about unfit secrets, as hashes */
	uint32_t nsaid;
	uint64_t started_ms;
	uv_timer_t tick, leave;
	bool	 locked;		/* there is a vault, and nobody has opened it yet */
	bool	 signs;			/* there is a key of statements */
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

/* The value of a reference, into k->value. */
SP_MUST enum sp_status sp_keeper_resolve(struct sp_keeper *k, sp_slice ref, struct sp_err *e);
/* One final newline does not count; what is too short could not be told from other text in an answer. */
SP_MUST enum sp_status sp_keeper_trim(struct sp_secret *s, sp_slice what, struct sp_err *e);

/* The messages below come as body and descriptor (-1: none), which stays the caller's.  False: an offence. */

/* statements.c: what we sign */
void sp_keeper_make_key(struct sp_keeper *k);		/* anew, when what it follows from may have changed */
void sp_keeper_say_key(struct sp_keeper *k, struct sp_kpeer *p);
void sp_keeper_say_gone(struct sp_keeper *k, struct sp_kpeer *p);
SP_MUST bool sp_keeper_on_ticket_ask(struct sp_kpeer *p, sp_slice body, int fd);
SP_MUST bool sp_keeper_on_peer_ask(struct sp_kpeer *p, sp_slice body, int fd);
SP_MUST bool sp_keeper_on_session_new(struct sp_kpeer *p, sp_slice body, int fd);
SP_MUST bool sp_keeper_on_session_end(struct sp_kpeer *p, sp_slice body, int fd);

/* A ticket, signed here, or why there is none. */
void sp_keeper_answer_ticket(struct sp_kpeer *p, uint32_t id, enum sp_status st, const struct sp_statement *s);

/* questions.c: tokens that introspection endpoints judge */
void sp_keeper_questions_without(struct sp_keeper *k, const struct sp_kpeer *p);	/* it asks no more, and answers no more */
void sp_keeper_tick_questions(struct sp_keeper *k);
SP_MUST bool sp_keeper_on_token_ask(struct sp_kpeer *p, sp_slice body, int fd);
SP_MUST bool sp_keeper_on_introspected(struct sp_kpeer *p, sp_slice body, int fd);

/* keysets.c: key sets that are passed on */
void sp_keeper_say_keys(struct sp_keeper *k, struct sp_kpeer *p);
void sp_keeper_keys_without(struct sp_keeper *k, const struct sp_kpeer *p);	/* nobody waits for it any more */
void sp_keeper_tick_keys(struct sp_keeper *k);
void sp_keeper_forget_keys(struct sp_keeper *k);
SP_MUST bool sp_keeper_on_keys(struct sp_kpeer *p, sp_slice body, int fd);
SP_MUST bool sp_keeper_on_keys_ok(struct sp_kpeer *p, sp_slice body, int fd);
SP_MUST bool sp_keeper_on_keys_want(struct sp_kpeer *p, sp_slice body, int fd);

/* commands.c: values that a command prints */
SP_MUST bool sp_keeper_is_command(sp_slice ref);
/* Has it run once, well or not?  Until then who needs it waits. */
SP_MUST bool sp_keeper_command_decided(const struct sp_keeper *k, sp_slice ref);
SP_MUST enum sp_status sp_keeper_command_value(const struct sp_keeper *k, sp_slice ref, struct sp_secret *out,
    struct sp_err *e);
void sp_keeper_want_commands(struct sp_keeper *k);	/* those of the images in use, and no other */
void sp_keeper_tick_commands(struct sp_keeper *k);
void sp_keeper_spawner_gone(struct sp_keeper *k);
void sp_keeper_forget_commands(struct sp_keeper *k);
SP_MUST bool sp_keeper_on_ran(struct sp_kpeer *p, sp_slice body, int fd);
SP_MUST bool sp_keeper_on_run_ended(struct sp_kpeer *p, sp_slice body, int fd);

/* peers.c: who is there, and the tokens they know */
SP_MUST enum sp_status sp_keeper_peer(struct sp_keeper *k, const struct sp_m_peer *who, int fd, struct sp_err *e);
/* An egress of a server, which verifies callers; not one of an authority. */
SP_MUST bool sp_keeper_serves_calls(const struct sp_keeper *k, const struct sp_kpeer *p);
SP_MUST enum sp_status sp_keeper_control(struct sp_keeper *k, uint32_t uid, int fd, struct sp_err *e);
void sp_keeper_tick_controls(struct sp_keeper *k);
void sp_keeper_raise_epoch(struct sp_keeper *k);
void sp_keeper_drop_all(struct sp_keeper *k);

#endif

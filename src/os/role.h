/*
 * The life of a role process, the same for all: log, receive BOOT on descriptor 3, map what came with it, let the role
 * prepare (everything that needs paths or memory locks), jail, tell READY, loop.  A role exits when super's channel closes.
 */
#ifndef SP_OS_ROLE_H
#define SP_OS_ROLE_H

#include "image/image.h"
#include "ipc/channel.h"
#include "os/ring.h"
#include "os/shared.h"

struct sp_boot {
	enum sp_role role;
	uint32_t index;			/* front number, or server number for egress */
	uint32_t generation, incarnation;
	uint64_t seed[2];		/* for keyed hashes; the same in all roles of a generation */
	uv_loop_t *loop;
	struct sp_chan *super;
	struct sp_image img;		/* keeper: of the first generation; later ones by GENERATION */
	struct sp_ring *ring;		/* front, egress; else NULL */
	struct sp_page *page;
	struct sp_slots *slots;		/* front only */
	struct sp_counters *counters;	/* front, egress; else NULL */
	uint32_t row;			/* of its counters */
	int listeners[SP_MSG_FDS];
	uint32_t nlisten;
	uint32_t nmetrics;		/* the last so many of the listeners answer /metrics and /healthz only */
	enum sp_isolation isolation;
	int state_dir;			/* keeper only: descriptor of the state folder; else -1 */
	int library;			/* checker of a plug-in only: the shared object; else -1 */
};

struct sp_role_def {
	enum sp_role role;
	/* Before the jail.  *ctx is handed to the others.  An error ends the process with a message. */
	enum sp_status (*prepare)(struct sp_boot *b, void **ctx, struct sp_err *e);
	/* checker of a plug-in: inside all of the jail but the system call filter, it loads foreign code. */
	enum sp_status (*load)(void *ctx, struct sp_err *e);
	/* After the jail, before the loop: start listening and timers. */
	enum sp_status (*start)(void *ctx, struct sp_err *e);
	/* A channel to another role has arrived; the descriptor is the role's now. */
	enum sp_status (*peer)(void *ctx, const struct sp_m_peer *p, int fd);
	/* DRAIN: stop accepting, finish within ms, then call sp_role_exit(). */
	void (*drain)(void *ctx, uint32_t ms);
	/* Other messages of super (GONE, RING, …).  False: offence.  May be NULL. */
	bool (*message)(void *ctx, unsigned type, sp_slice body, const int *fds, unsigned nfds);
};

/* The descriptors of BOOT, in this order: image, page (these two for every role), ring (front, egress), slots (front), counters (front,
 * egress), state folder (keeper), shared object (checker of a plug-in), listeners.  At most SP_BOOT_LISTENERS of the last.
 * keeper's working directory is the state folder; the others' is "/".  No thread may run before the jail. */
enum { SP_BOOT_LISTENERS = 27 };

int sp_role_main(const struct sp_role_def *def);
/* The first steps of it, for the one role that has no loop: signals, limits, descriptors; then BOOT. */
enum { SP_ROLE_CHANNEL = 3 };
void sp_role_quiet(enum sp_role role);
SP_MUST enum sp_status sp_role_boot(enum sp_role role, struct sp_m_boot *said, int fds[SP_MSG_FDS], unsigned *nfds,
    struct sp_err *e);
/* Entries of the environment (NAME=VALUE) that programs of command: references get: where things are, who somebody is,
 * how texts are written.  Nothing that holds a secret or changes what a program is (threat row O04). */
SP_MUST bool sp_env_is_passed(const char *entry);
/* Leaves the loop; the process ends with 0.  What channels have not written yet is lost. */
void sp_role_exit(struct sp_boot *b);

/* The channel to a peer has ended, by whatever cause.  If the peer still lives super makes a new one, a second later:
 * an offence ends a channel, not the service.  For a peer that has died it does nothing. */
void sp_role_relink(struct sp_boot *b, const struct sp_m_peer *peer);

/* The user ids of roles when we are started as root: this number plus enum sp_role. */
enum { SP_UID_BASE = 64100 };

/* What a kernel layer is missing is an error that names layer, kernel and remedy (isolation: full), or a warning (available). */
/* spawner has only the layers that what it starts can live with: no new privileges, and a filter against what
 * administers the machine or looks into other processes. */
struct sp_jail {
	enum sp_role role;
	enum sp_isolation isolation;
	int  state_dir;				/* keeper: reads and writes beneath it; -1: no path at all */
	bool read_paths;			/* loader: may open any path for reading */
	/* checker: called when only the filter is missing.  Until it returns it reads the folders of shared libraries, and
	 * nothing else; no process or thread can be started. */
	enum sp_status (*load)(void *ctx, struct sp_err *e);
	void *ctx;
};
SP_MUST enum sp_status sp_jail_enter(const struct sp_jail *j, struct sp_err *e);

/* Wall clock, Unix time; monotonic milliseconds. */
int64_t	 sp_now_s(void);
uint64_t sp_now_us(void);
uint64_t sp_mono_ms(void);
uint64_t sp_mono_us(void);
/* getrandom or abort. */
void sp_random(void *p, size_t n);

#endif

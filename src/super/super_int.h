/* Shared by the files of super, not by others. */
#ifndef SP_SUPER_INT_H
#define SP_SUPER_INT_H

#include "super/super.h"

#include "image/image.h"
#include "ipc/channel.h"
#include "os/role.h"
#include "os/shared.h"

#include <uv.h>

enum {
	SP_FRONTS_EACH = 16,		/* per generation at most: three generations fit SP_FRONTS_MAX */
	SP_READY_MS = 30000,		/* a role that is not ready by then is started again */
	SP_START_MS = 60000,		/* for all of them */
	SP_DRAIN_MS = 10000,		/* at most, for running calls */
	SP_BACKOFF_MIN = 100, SP_BACKOFF_MAX = 5000, SP_STEADY_MS = 10000,
	SP_LISTENERS = SP_BOOT_LISTENERS,
};

struct sp_super;
struct sp_gen;

enum sp_proc_state { SP_DOWN, SP_STARTING, SP_UP, SP_LEAVING };

/* The place of one process; incarnations follow each other in it. */
struct sp_proc {
	struct sp_super *s;
	struct sp_gen *gen;		/* NULL: keeper */
	enum sp_role role;
	uint32_t index, incarnation;
	enum sp_proc_state state;
	pid_t	 pid;			/* 0: none */
	struct sp_chan *ch;
	int	 ring;			/* front, egress; -1: none yet */
	uint32_t ring_incarnation;	/* as its file is named now */
	uint32_t row;			/* front, egress: of the counters; UINT32_MAX: none is free, so none counts */
	uint64_t began_ms;
	uint32_t backoff_ms;
	uv_timer_t timer;		/* down: when to start; starting, leaving: when to kill */
};

enum sp_gen_state { SP_GEN_STARTING, SP_GEN_LIVE, SP_GEN_LEAVING };

/* One reading of the configuration, and the processes that serve it. */
struct sp_gen {
	struct sp_gen *next;		/* older */
	struct sp_super *s;
	uint32_t number;
	enum sp_gen_state state;
	int	 image_fd;
	struct sp_image img;
	uint64_t seed[2], began_ms;
	uint32_t nfronts, nprocs;
	struct sp_proc *procs;		/* fronts, egresses, checkers, dialer, manage, spawner */
	int	*libraries;		/* one a check: the shared object of a plug-in, sealed; -1: it is none */
	uint32_t handles;		/* still open; the last frees */
};

struct sp_listener {
	struct sp_listener *next;
	int	 fd;
	bool	 inherited;
	bool	 metrics;		/* for /metrics and /healthz only; of all generations */
	char	 name[160];		/* "127.0.0.1:8420", "unix:/run/x" */
};

/* A reference whose value keeper needs from us. */
struct sp_supref {
	struct sp_supref *next;
	int	 pipe;			/* env: the value, in the kernel's memory and nowhere in ours; else -1 */
	char	 text[];		/* env:NAME, file:PATH */
};

/* The ring of a writer that has gone, until keeper has read it all. */
struct sp_oldring {
	struct sp_oldring *next;
	struct sp_m_peer who;
	int	 fd;
	char	 name[64];
};

/* A channel that was lost between two living roles. */
struct sp_relink {
	struct sp_relink *next;
	struct sp_super *s;
	uint32_t a, b;			/* incarnations */
	uv_timer_t timer;
};

enum sp_phase { SP_BEGINNING, SP_SERVING, SP_STOPPING };

struct sp_super {
	struct sp_super_opts opts;
	uv_loop_t loop;
	enum sp_phase phase;
	int	 status;		/* exit status */
	bool	 ready, keeper_ok, keeper_last, prompted;
	int	 exe[SP_ROLE_COUNT];
	uint32_t next_incarnation, next_generation;

	int	 sigfd;
	uv_poll_t signals;
	uv_timer_t tick, stop;
	int	 null;

	/* load.c */
	pid_t	 loader;
	int	 loader_fd;
	uint32_t loading;		/* generation */
	bool	 again;			/* SIGHUP came meanwhile */
	uv_timer_t load_timer;

	/* state.c */
	char	 state_path[4096];
	int	 state_dir, ring_dir, lock;
	int	 page_fd, page_ro, slots_fd, counters_fd;
	struct sp_page *page;
	struct sp_slots *slots;
	struct sp_counters *counters;
	bool	 row_taken[SP_COUNTER_ROWS];
	struct sp_oldring *oldrings;

	int	 control;
	uv_poll_t control_poll;

	struct sp_listener *listeners;
	struct sp_supref *refs;
	int	 unlock_pipe;		/* a typed passphrase, for one keeper; else -1 */
	char	 notify[108];
	int	 notify_fd;
	char	 resolver[64];		/* what dialer's resolver files looked like */

	struct sp_proc keeper;
	struct sp_gen *gens;		/* newest first */
	struct sp_relink *relinks;
};

/* super.c */
void sp_super_fatal(struct sp_super *s, const char *why);	/* before it was ready: no start */
void sp_super_check_ready(struct sp_super *s);
void sp_super_stop(struct sp_super *s, int status);
void sp_super_stopping(struct sp_super *s);			/* another process has gone */
SP_MUST enum sp_status sp_super_open_state(struct sp_super *s, struct sp_err *e);

/* proc.c */
void sp_proc_init(struct sp_proc *p, struct sp_super *s, struct sp_gen *gen, enum sp_role role, uint32_t index);
void sp_proc_free(struct sp_proc *p, uv_close_cb closed);	/* the place is given up */
void sp_proc_start(struct sp_proc *p);
void sp_proc_drain(struct sp_proc *p, uint32_t ms);
void sp_proc_kill(struct sp_proc *p);
void sp_proc_reap(struct sp_super *s);				/* SIGCHLD */
void sp_proc_who(const struct sp_proc *p, struct sp_m_peer *who);
SP_MUST bool sp_proc_says(struct sp_proc *p, enum sp_msg type, sp_slice body, const int *fds, unsigned nfds);
/* The child's part: stdin, stdout, descriptors 3 and 4 (-1: closed), environment; does not return. */
struct sp_child {
	int exe, fd3, fd4;
	const char *const *argv;
	bool stay;			/* in our working directory */
	bool commands;			/* with the environment that commands get */
};
pid_t sp_child_start(struct sp_super *s, const struct sp_child *c);

/* wire.c */
void sp_wire_all(struct sp_proc *p);				/* p has just been started */
void sp_wire_gone(struct sp_proc *p);				/* and has died */
void sp_wire_again(struct sp_proc *p, const struct sp_m_peer *other);
void sp_wire_forget(struct sp_super *s);
void sp_wire_generation(struct sp_super *s, const struct sp_gen *g);	/* keeper hears of a new image */

/* gen.c */
void sp_gen_start(struct sp_super *s, int image_fd, struct sp_image *img);
void sp_gen_ready(struct sp_gen *g);				/* one more of its processes is up */
void sp_gen_failed(struct sp_gen *g, const char *why);
/* Whoever serves nobody else leaves; the others when those have gone: it is called again until all are told. */
void sp_gen_drain(struct sp_gen *g, uint32_t ms);
void sp_gen_left(struct sp_gen *g);				/* one of its processes has gone for good */
void sp_gen_leave(struct sp_gen *g);
struct sp_gen *sp_gen_live(const struct sp_super *s);
struct sp_gen *sp_gen_oldest(const struct sp_super *s);
bool sp_gen_front_used(const struct sp_super *s, uint32_t index);
void sp_gen_tick(struct sp_super *s);

/* plugins.c */
SP_MUST enum sp_status sp_plugins_open(struct sp_gen *g, struct sp_err *e);
void sp_plugins_close(struct sp_gen *g);

/* load.c */
void sp_load_begin(struct sp_super *s);
bool sp_load_ended(struct sp_super *s, pid_t pid, int status);	/* false: not the loader */
void sp_load_abort(struct sp_super *s);

/* listen.c */
SP_MUST enum sp_status sp_listen_inherit(struct sp_super *s, struct sp_err *e);
/* Opens what the image names and is not open yet.  On an error nothing has changed. */
SP_MUST enum sp_status sp_listen_open(struct sp_super *s, const struct sp_image *img, struct sp_err *e);
void sp_listen_prune(struct sp_super *s, const struct sp_image *live);	/* closes what it does not name */
void sp_listen_close(struct sp_super *s);
/* Those for /metrics last: *nmetrics of them. */
uint32_t sp_listen_fds(const struct sp_super *s, const struct sp_image *img, int *fds, uint32_t cap, uint32_t *nmetrics);
/* `--metrics`, as super.h says. */
SP_MUST enum sp_status sp_listen_metrics(struct sp_super *s, const char *where, struct sp_err *e);
void sp_listen_names(const struct sp_super *s, struct sp_out *o);

/* rings.c */
SP_MUST enum sp_status sp_rings_find(struct sp_super *s, struct sp_err *e);	/* left by the run before */
SP_MUST enum sp_status sp_rings_give(struct sp_proc *p, struct sp_err *e);	/* p->ring, for a new incarnation */
void sp_rings_retire(struct sp_proc *p);			/* its file waits for keeper */
void sp_rings_tell(struct sp_super *s);				/* keeper is new: everything it must read */
void sp_rings_sweep(struct sp_super *s);

/* control.c */
SP_MUST enum sp_status sp_control_open(struct sp_super *s, struct sp_err *e);
void sp_control_close(struct sp_super *s);

/* secrets.c */
SP_MUST enum sp_status sp_secrets_collect(struct sp_super *s, const struct sp_image *img, struct sp_err *e);
void sp_secrets_send(struct sp_super *s, const struct sp_image *img);
SP_MUST enum sp_status sp_unlock_prepare(struct sp_super *s, const struct sp_image *img, struct sp_err *e);
void sp_unlock_send(struct sp_super *s, const struct sp_image *img);

/* notify.c */
void sp_notify_init(struct sp_super *s);
void sp_notify(const struct sp_super *s, const char *text);
void sp_notify_reloading(const struct sp_super *s);

#endif

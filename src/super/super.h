/*
 * super: starts the roles, wires them, restarts them.  It reads no byte from outside: its input is the image (checked),
 * fixed-form messages of its roles, signals, and the uid behind a connection to control.sock.
 */
#ifndef SP_SUPER_SUPER_H
#define SP_SUPER_SUPER_H

#include "base/err.h"

struct sp_super_opts {
	const char *config;		/* path, as the user wrote it */
	unsigned fronts;		/* 0: one per processor */
	enum sp_level log_level;
	const char *metrics;		/* where /metrics and /healthz are served beside the endpoints: PORT (on 127.0.0.1),
					 * ADDRESS:PORT, unix:PATH; NULL: nowhere else */
};

/* Runs the gateway until a signal ends it.  The exit status of the program: 0 drained, 1 it did not start or had to be
 * broken off.  Wants to be the only thread, with standard error open. */
int sp_super_main(const struct sp_super_opts *opts);

#endif

/* Memory that roles share: the page with the epoch, and the rate and in-flight slots of fronts. */
#ifndef SP_OS_SHARED_H
#define SP_OS_SHARED_H

#include "base/err.h"

#include <stdatomic.h>

enum { SP_FRONTS_MAX = 64, SP_SLOTS = 4096 };

/* Written by keeper (and super), mapped read-only by everybody else. */
struct sp_page {
	_Atomic uint64_t epoch;		/* raised by every revocation and reload */
	_Atomic uint32_t audit_full;	/* keeper cannot write the audit log: answer 503 */
	_Atomic uint32_t draining;
};

/*
 * Counters for /metrics: one row a process, written by it alone, read by whoever renders them.  super gives out the rows;
 * what one has counted stays when its process ends, but its gauges go back to 0.  Numbers only: never a name, a token or
 * a value of anybody.  Every front and egress can write all of it, so nothing but /metrics may depend on it.
 */
enum sp_counter {
#define C(name, type, text) SP_C_##name,
#include "os/counters.def"
#undef C
	SP_COUNTERS
};
enum { SP_COUNTER_ROWS = 512, SP_LATENCY_BUCKETS = 16 };
struct sp_counters;
SP_MUST enum sp_status sp_counters_create(int *fd, struct sp_err *e);
SP_MUST enum sp_status sp_counters_map(int fd, struct sp_counters **out, struct sp_err *e);
/* Everywhere below: without counters (NULL), or with a row that there is not, nothing is counted. */
void sp_count(struct sp_counters *c, uint32_t row, enum sp_counter what, uint64_t n);
void sp_gauge(struct sp_counters *c, uint32_t row, enum sp_counter what, int64_t change);
/* A gauge that has fallen below 0 in all is 0. */
uint64_t sp_counter_sum(const struct sp_counters *c, enum sp_counter what);
/* The process of this row has ended.  (Super.) */
void sp_counters_clear_gauges(struct sp_counters *c, uint32_t row);
/* Upper ends of the buckets of call durations, in milliseconds: 1, 2, 4, … ; the last has none. */
void sp_count_latency(struct sp_counters *c, uint32_t row, uint64_t us);
/* Each bucket for itself, not added up. */
void sp_latency_sum(const struct sp_counters *c, uint64_t buckets[SP_LATENCY_BUCKETS], uint64_t *sum_us);

struct sp_slots;
/* Makes an anonymous shared memfd of the right size. */
SP_MUST enum sp_status sp_page_create(int *fd, struct sp_err *e);
/* A second descriptor that can only be mapped for reading, whatever its holder tries: for everybody but keeper.  (Super.) */
SP_MUST enum sp_status sp_page_readonly(int fd, int *ro, struct sp_err *e);
SP_MUST enum sp_status sp_page_map(int fd, bool writable, struct sp_page **out, struct sp_err *e);
SP_MUST enum sp_status sp_slots_create(int *fd, struct sp_err *e);
SP_MUST enum sp_status sp_slots_map(int fd, struct sp_slots **out, struct sp_err *e);

/* Takes one call of the caller `key` for front `front`: token bucket of `calls` per `per_ms`, and at most `in_flight` at once.
 * SP_OK: *slot must be given back.  SP_E_RATE: *retry_s says when.  A full table shares slots by hash (never unlimited). */
SP_MUST enum sp_status sp_slots_take(struct sp_slots *s, uint32_t front, uint64_t key, uint64_t now_ms, uint32_t calls,
    uint64_t per_ms, uint32_t in_flight, uint32_t *slot, uint32_t *retry_s);
void sp_slots_give(struct sp_slots *s, uint32_t front, uint32_t slot);
/* A front died: what it held is void.  (Super.) */
void sp_slots_clear_front(struct sp_slots *s, uint32_t front);

#endif

/*
 * /healthz, and what comes in by the listeners for metrics: /metrics in the text format 0.0.4 of Prometheus, and /healthz.
 * Numbers only: no token, caller, tool or argument is ever a label.
 */
#include "http/answer.h"
#include "front/front.h"

enum sp_take
sp_health(struct sp_conn *c)
{
	struct sp_front *f = sp_front_of(c);

	sp_answer_health(c, f->keeper != NULL &&
	    (f->page == NULL || atomic_load_explicit(&f->page->audit_full, memory_order_relaxed) == 0));
	return SP_TAKE_DONE;
}

static void
lower(struct sp_out *o, const char *name)
{
	sp_out_str(o, "sallyport_");
	for (; *name != '\0'; name++)
		sp_out_byte(o, (char)(*name >= 'A' && *name <= 'Z' ? *name - 'A' + 'a' : *name));
}

static void
heading(struct sp_out *o, const char *name, const char *type, const char *help)
{
	sp_out_str(o, "# HELP ");
	lower(o, name);
	sp_out_byte(o, ' ');
	sp_out_str(o, help);
	sp_out_str(o, "\n# TYPE ");
	lower(o, name);
	sp_out_byte(o, ' ');
	sp_out_str(o, type);
	sp_out_byte(o, '\n');
}

static void
write_counters(struct sp_out *o, const struct sp_counters *c)
{
	static const struct { const char *name, *type, *help; } rows[] = {
#define C(name, type, help) { #name, #type, help },
#include "os/counters.def"
#undef C
	};

	for (unsigned i = 0; i < SP_COUNT(rows); i++) {
		heading(o, rows[i].name, rows[i].type, rows[i].help);
		lower(o, rows[i].name);
		sp_out_byte(o, ' ');
		sp_out_u64(o, sp_counter_sum(c, (enum sp_counter)i));
		sp_out_byte(o, '\n');
	}
}

/* Buckets are added up, and times are in seconds: that is how the format wants them. */
static void
write_latency(struct sp_out *o, const struct sp_counters *c)
{
	uint64_t bucket[SP_LATENCY_BUCKETS], sum_us = 0, n = 0;

	sp_latency_sum(c, bucket, &sum_us);
	heading(o, "CALL_DURATION_SECONDS", "histogram", "time from handing a call over to the end of its answer");
	for (unsigned i = 0; i < SP_LATENCY_BUCKETS; i++) {
		uint64_t ms = (uint64_t)1 << i;

		n += bucket[i];
		if (i == SP_LATENCY_BUCKETS - 1)
			sp_out_str(o, "sallyport_call_duration_seconds_bucket{le=\"+Inf\"} ");
		else
			sp_out_fmt(o, "sallyport_call_duration_seconds_bucket{le=\"%u.%03u\"} ", (unsigned)(ms / 1000),
			    (unsigned)(ms % 1000));
		sp_out_u64(o, n);
		sp_out_byte(o, '\n');
	}
	sp_out_fmt(o, "sallyport_call_duration_seconds_sum %llu.%06u\n", (unsigned long long)(sum_us / 1000000),
	    (unsigned)(sum_us % 1000000));
	sp_out_fmt(o, "sallyport_call_duration_seconds_count %llu\n", (unsigned long long)n);
}

enum sp_take
sp_metrics(struct sp_conn *c)
{
	struct sp_front *f = sp_front_of(c);
	const struct sp_http_head *head = &c->w->http.head;
	struct sp_answer a = { .status = 200, .type = SP_LIT("text/plain; version=0.0.4; charset=utf-8") };
	struct sp_out *o = sp_reply_text(c);
	sp_slice body;
	unsigned n;

	(void)sp_http_find(head, SP_LIT("origin"), &n);
	if (n != 0)
		sp_answer_status(c, SP_E_ORIGIN, (sp_slice){ NULL, 0 });	/* no web page has business here */
	else if (sp_eq(head->path, SP_LIT("/healthz")))
		return sp_health(c);
	else if (!sp_eq(head->path, SP_LIT("/metrics")))
		sp_answer_status(c, SP_E_NOT_FOUND, (sp_slice){ NULL, 0 });
	else if (sp_answer_reads_only(c)) {
		write_counters(o, f->counters);
		write_latency(o, f->counters);
		body = sp_out_view(o);
		sp_conn_answer(c, &a, &body, 1);
	}
	return SP_TAKE_DONE;
}

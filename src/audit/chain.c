#include "audit/chain.h"

#include "crypto/crypto.h"
#include "policy/decide.h"
#include "wire/json.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* ,"hash":"<64>"} */
enum { HASH_HEX = 64, TAIL = 9 + HASH_HEX + 2, BODY_MAX = SP_AUDIT_LINE_MAX - TAIL - 1 };

/* The line under construction, behind the hash before it: one piece of memory to hash. */
struct draft {
	struct sp_out o;
	char mem[32 + BODY_MAX];
};

static void
begin(struct draft *d, const struct sp_chain *c)
{
	sp_out_init(&d->o, d->mem, sizeof d->mem);
	sp_out_add(&d->o, c->hash, sizeof c->hash);
	sp_out_str(&d->o, "{\"seq\":");
	sp_out_u64(&d->o, c->seq + 1);
}

static void
end(struct draft *d, struct sp_chain *c, struct sp_out *o)
{
	struct sp_chain next = { .seq = c->seq + 1 };
	sp_slice body = sp_sub(sp_out_view(&d->o), 32, d->o.n);
	struct sp_out line;
	char *at;

	if (d->o.full || o->full)
		o->full = true;
	at = o->full ? NULL : sp_out_room(o, body.n + TAIL + 1);
	if (at == NULL)
		return;
	sp_sha256(sp_out_view(&d->o), next.hash);
	sp_out_init(&line, at, body.n + TAIL + 1);
	sp_out_slice(&line, body);
	sp_out_str(&line, ",\"hash\":\"");
	sp_out_hex(&line, next.hash, sizeof next.hash);
	sp_out_add(&line, "\"}\n", 3);
	*c = next;
}

/* Most texts are plain; the others take the careful way. */
static bool
is_plain(const char *p, size_t n)
{
	unsigned bad = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned char b = (unsigned char)p[i];

		bad |= (unsigned)(b < 0x20) | (unsigned)(b > 0x7e) | (unsigned)(b == '"') | (unsigned)(b == '\\');
	}
	return bad == 0;
}

static void
put_text(struct sp_out *o, const char *key, size_t keylen, const char *field, size_t cap)
{
	size_t n = strnlen(field, cap);

	sp_out_add(o, key, keylen);
	if (!is_plain(field, n)) {
		sp_jout_str(o, sp_mem(field, n));
		return;
	}
	sp_out_byte(o, '"');
	sp_out_add(o, field, n);
	sp_out_byte(o, '"');
}

#define LITERAL(o, s) sp_out_add(o, s, sizeof(s) - 1)
#define TEXT(o, key, field) put_text(o, ",\"" key "\":", sizeof(",\"" key "\":") - 1, field, sizeof(field))
#define NUMBER(o, key, v) (LITERAL(o, ",\"" key "\":"), sp_out_u64(o, v))

static void
two(char *p, unsigned v)
{
	p[0] = (char)('0' + v / 10 % 10);
	p[1] = (char)('0' + v % 10);
}

/* RFC 3339 with milliseconds, UTC. */
static void
put_time(struct sp_out *o, uint64_t us)
{
	time_t s = (time_t)(us / 1000000);
	unsigned ms = (unsigned)(us / 1000 % 1000), year;
	char t[] = "2000-01-01T00:00:00.000Z";
	struct tm tm;

	LITERAL(o, ",\"time\":\"");
	if (gmtime_r(&s, &tm) == NULL || tm.tm_year < 0 || tm.tm_year > 9999 - 1900) {
		LITERAL(o, "0000-01-01T00:00:00.000Z\"");
		return;
	}
	year = (unsigned)tm.tm_year + 1900;
	two(t, year / 100);
	two(t + 2, year);
	two(t + 5, (unsigned)tm.tm_mon + 1);
	two(t + 8, (unsigned)tm.tm_mday);
	two(t + 11, (unsigned)tm.tm_hour);
	two(t + 14, (unsigned)tm.tm_min);
	two(t + 17, (unsigned)tm.tm_sec);
	two(t + 20, ms / 10);
	t[22] = (char)('0' + ms % 10);
	sp_out_add(o, t, sizeof t - 1);
	sp_out_byte(o, '"');
}

static const char *
kind_name(uint32_t k)
{
	static const char *const names[] = {
		[SP_AUDIT_DECISION] = "decision", [SP_AUDIT_INTENT] = "intent", [SP_AUDIT_OUTCOME] = "outcome",
		[SP_AUDIT_INCIDENT] = "incident",
	};

	return k < SP_COUNT(names) && names[k] != NULL ? names[k] : "malformed";
}

static const char *
outcome_name(const struct sp_audit_record *r)
{
	static const char *const decision[] = {
		[SP_CLOSED] = "closed", [SP_REFUSED_ARGS] = "refused", [SP_SHORT] = "short", [SP_ASK] = "ask",
		[SP_ALLOW] = "allow", [SP_REFUSED] = "refused",
	};
	static const char *const outcome[] = {
		[SP_DONE] = "done", [SP_FAILED] = "failed", [SP_UNKNOWN_OUTCOME] = "unknown", [SP_NOT_SENT] = "not_sent",
	};

	if (r->kind == SP_AUDIT_OUTCOME)
		return r->outcome < SP_COUNT(outcome) && outcome[r->outcome] != NULL ? outcome[r->outcome] : "malformed";
	if (r->kind == SP_AUDIT_INTENT)
		return "open";
	if (r->kind == SP_AUDIT_DECISION && r->outcome < SP_COUNT(decision))
		return decision[r->outcome];
	if ((r->outcome & 0x100) != 0 && (r->outcome & 0xff) < SP_STATUS_COUNT)
		return sp_errinfo((enum sp_status)(r->outcome & 0xff))->name;
	return r->kind == SP_AUDIT_INCIDENT ? "incident" : "malformed";
}

static void
put_ring(struct sp_out *o, const struct sp_audit_source *s)
{
	LITERAL(o, ",\"ring\":\"");
	sp_out_str(o, s->role);
	sp_out_byte(o, '/');
	sp_out_u64(o, s->index);
	sp_out_byte(o, '/');
	sp_out_u64(o, s->generation);
	sp_out_byte(o, '/');
	sp_out_u64(o, s->incarnation);
	sp_out_byte(o, '"');
}

void
sp_audit_put_record(struct sp_out *out, struct sp_chain *c, const struct sp_audit_record *r,
    const struct sp_audit_source *from)
{
	struct draft d;
	struct sp_out *o = &d.o;

	begin(&d, c);
	put_time(o, r->time_us);
	LITERAL(o, ",\"kind\":\"");
	sp_out_str(o, kind_name(r->kind));
	sp_out_byte(o, '"');
	put_ring(o, from);
	NUMBER(o, "call", r->call);
	TEXT(o, "source", r->source);
	TEXT(o, "user", r->user);
	TEXT(o, "tool", r->tool);
	TEXT(o, "server", r->server);
	LITERAL(o, ",\"outcome\":\"");
	sp_out_str(o, outcome_name(r));
	sp_out_byte(o, '"');
	NUMBER(o, "status", r->status);
	NUMBER(o, "duration_us", r->duration_us);
	NUMBER(o, "bytes_in", r->bytes_in);
	NUMBER(o, "bytes_out", r->bytes_out);
	NUMBER(o, "rule", r->rule_line);
	TEXT(o, "note", r->note);
	LITERAL(o, ",\"fingerprint\":\"");
	sp_out_hex(o, r->fingerprint, sizeof r->fingerprint);
	sp_out_byte(o, '"');
	end(&d, c, out);
}

void
sp_audit_put_note(struct sp_out *out, struct sp_chain *c, uint64_t time_us, const char *kind, sp_slice text)
{
	struct draft d;

	begin(&d, c);
	put_time(&d.o, time_us);
	LITERAL(&d.o, ",\"kind\":\"");
	sp_out_str(&d.o, kind);
	LITERAL(&d.o, "\",\"note\":");
	sp_jout_str(&d.o, sp_sub(text, 0, 512));
	end(&d, c, out);
}

void
sp_audit_put_open(struct sp_out *out, struct sp_chain *c, uint64_t time_us, uint32_t file)
{
	struct draft d;

	begin(&d, c);
	put_time(&d.o, time_us);
	LITERAL(&d.o, ",\"kind\":\"open\",\"format\":");
	sp_out_u64(&d.o, SP_AUDIT_FORMAT);
	NUMBER(&d.o, "file", file);
	LITERAL(&d.o, ",\"prev\":\"");
	sp_out_hex(&d.o, c->hash, sizeof c->hash);
	sp_out_byte(&d.o, '"');
	end(&d, c, out);
}

/* Small letters only: there is one way to write a hash. */
static int
hex_value(char c)
{
	return c >= 'A' && c <= 'F' ? -1 : sp_hex_value((unsigned char)c);
}

static bool
unhex(sp_slice s, uint8_t *out, size_t n)
{
	if (s.n != 2 * n)
		return false;
	for (size_t i = 0; i < n; i++) {
		int hi = hex_value(s.p[2 * i]), lo = hex_value(s.p[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return false;
		out[i] = (uint8_t)(hi << 4 | lo);
	}
	return true;
}

bool
sp_audit_head(sp_slice line, struct sp_chain *out)
{
	sp_slice in = line, tail;

	if (line.n > SP_AUDIT_LINE_MAX || line.n < TAIL + 8 || !sp_take(&in, SP_LIT("{\"seq\":")) ||
	    !sp_take_u64(&in, UINT64_MAX - 1, &out->seq) || !sp_starts(in, SP_LIT(",\"")))
		return false;
	tail = sp_sub(line, line.n - TAIL, TAIL);
	return sp_take(&tail, SP_LIT(",\"hash\":\"")) && sp_ends(tail, SP_LIT("\"}")) &&
	    unhex(sp_sub(tail, 0, HASH_HEX), out->hash, sizeof out->hash);
}

/* The `prev` of an open line, which is its last field before the hash. */
static bool
prev_of(sp_slice line, uint8_t prev[32])
{
	enum { PREV = 9 + HASH_HEX + 1 };	/* ,"prev":"<64>" */
	sp_slice at = line.n < TAIL + PREV ? SP_LIT("") : sp_sub(line, line.n - TAIL - PREV, PREV);

	return sp_find(line, SP_LIT(",\"kind\":\"open\",\"format\":")) != SIZE_MAX &&
	    sp_take(&at, SP_LIT(",\"prev\":\"")) && unhex(sp_sub(at, 0, HASH_HEX), prev, 32) && at.p[HASH_HEX] == '"';
}

enum sp_status
sp_audit_check(sp_slice line, bool start, struct sp_chain *c, struct sp_err *e)
{
	struct sp_chain said, at = *c;
	char mem[32 + SP_AUDIT_LINE_MAX];
	uint8_t prev[32], want[32];
	struct sp_out o;

	if (!sp_audit_head(line, &said))
		return sp_fail(e, SP_E_CONFIG, NULL, "not a line of this log");
	if (start) {
		if (!prev_of(line, at.hash) || said.seq == 0)
			return sp_fail(e, SP_E_CONFIG, NULL, "the file does not begin with an `open` line");
		at.seq = said.seq - 1;
	}
	if (said.seq != at.seq + 1)
		return sp_fail(e, SP_E_CONFIG, NULL, "line %llu follows line %llu: %s", (unsigned long long)said.seq,
		    (unsigned long long)at.seq, said.seq > at.seq ? "lines were removed" : "lines were moved or repeated");
	if (prev_of(line, prev) && memcmp(prev, at.hash, sizeof prev) != 0)
		return sp_fail(e, SP_E_CONFIG, NULL, "the file does not continue the one before it");
	sp_out_init(&o, mem, sizeof mem);
	sp_out_add(&o, at.hash, sizeof at.hash);
	sp_out_slice(&o, sp_sub(line, 0, line.n - TAIL));
	sp_sha256(sp_out_view(&o), want);
	if (memcmp(want, said.hash, sizeof want) != 0)
		return sp_fail(e, SP_E_CONFIG, NULL, "the hash of line %llu is wrong: it, or the line before, was changed",
		    (unsigned long long)said.seq);
	*c = said;
	return SP_OK;
}

void
sp_audit_file_name(uint32_t file, char name[24])
{
	snprintf(name, 24, "%08u" SP_AUDIT_SUFFIX, file);
}

bool
sp_audit_file_number(sp_slice name, uint32_t *file)
{
	uint32_t n = 0;

	if (name.n != 8 + sizeof(SP_AUDIT_SUFFIX) - 1 || !sp_ends(name, SP_LIT(SP_AUDIT_SUFFIX)))
		return false;
	for (size_t i = 0; i < 8; i++) {
		if (!sp_is_digit((unsigned char)name.p[i]))
			return false;
		n = n * 10 + (uint32_t)(name.p[i] - '0');
	}
	*file = n;
	return true;
}

/* The text of a JSON string that stands here, as it is escaped, up to its closing quote. */
static bool
take_string(sp_slice *in, sp_slice *out)
{
	for (size_t i = 0; i < in->n; i++) {
		if (in->p[i] == '\\')
			i++;
		else if (in->p[i] == '"') {
			*out = sp_sub(*in, 0, i);
			sp_advance(in, i + 1);
			return true;
		}
	}
	return false;
}

static bool
digits(sp_slice *in, unsigned n, uint64_t *out)
{
	uint64_t v = 0;

	if (in->n < n)
		return false;
	for (unsigned i = 0; i < n; i++) {
		if (!sp_is_digit((unsigned char)in->p[i]))
			return false;
		v = v * 10 + (unsigned)(in->p[i] - '0');
	}
	sp_advance(in, n);
	*out = v;
	return true;
}

static bool
take_time(sp_slice *in, uint64_t *ms)
{
	uint64_t y, mo, d, h, mi, s, frac;
	struct tm tm;

	if (!digits(in, 4, &y) || !sp_take(in, SP_LIT("-")) || !digits(in, 2, &mo) || !sp_take(in, SP_LIT("-")) ||
	    !digits(in, 2, &d) || !sp_take(in, SP_LIT("T")) || !digits(in, 2, &h) || !sp_take(in, SP_LIT(":")) ||
	    !digits(in, 2, &mi) || !sp_take(in, SP_LIT(":")) || !digits(in, 2, &s) || !sp_take(in, SP_LIT(".")) ||
	    !digits(in, 3, &frac) || !sp_take(in, SP_LIT("Z\"")))
		return false;
	tm = (struct tm){ .tm_year = (int)y - 1900, .tm_mon = (int)mo - 1, .tm_mday = (int)d, .tm_hour = (int)h,
		.tm_min = (int)mi, .tm_sec = (int)s };
	*ms = (uint64_t)timegm(&tm) * 1000 + frac;
	return true;
}

static bool
take_kind(sp_slice *in, uint32_t *kind)
{
	sp_slice name;

	if (!take_string(in, &name))
		return false;
	*kind = 0;
	for (uint32_t k = SP_AUDIT_DECISION; k <= SP_AUDIT_INCIDENT; k++)
		if (sp_eq(name, sp_str(kind_name(k))))
			*kind = k;
	return *kind != 0;
}

/* Fields stand in the order in which they are written. */
bool
sp_audit_call_read(sp_slice line, struct sp_audit_call *out)
{
	struct sp_audit_call c = { 0 };
	sp_slice in = line;
	uint64_t seq;
	size_t at;

	if (!sp_take(&in, SP_LIT("{\"seq\":")) || !sp_take_u64(&in, UINT64_MAX, &seq) ||
	    !sp_take(&in, SP_LIT(",\"time\":\"")) || !take_time(&in, &c.time_ms) ||
	    !sp_take(&in, SP_LIT(",\"kind\":\"")) || !take_kind(&in, &c.kind) ||
	    !sp_take(&in, SP_LIT(",\"ring\":\"")) || !take_string(&in, &c.ring) ||
	    !sp_take(&in, SP_LIT(",\"call\":")) || !sp_take_u64(&in, UINT64_MAX, &c.call) ||
	    !sp_take(&in, SP_LIT(",\"source\":\"")) || !take_string(&in, &c.source) ||
	    !sp_take(&in, SP_LIT(",\"user\":\"")) || !take_string(&in, &c.user) ||
	    !sp_take(&in, SP_LIT(",\"tool\":\"")) || !take_string(&in, &c.tool) ||
	    !sp_take(&in, SP_LIT(",\"server\":\"")) || !take_string(&in, &c.server))
		return false;
	at = sp_find(in, SP_LIT(",\"fingerprint\":\""));
	if (at == SIZE_MAX)
		return false;
	sp_advance(&in, at + sizeof(",\"fingerprint\":\"") - 1);
	if (!take_string(&in, &c.fingerprint))
		return false;
	c.intent = c.kind == SP_AUDIT_INTENT;
	c.outcome = c.kind == SP_AUDIT_OUTCOME;
	*out = c;
	return true;
}

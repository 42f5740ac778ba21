/* Any bytes as an audit line, and as a record: what is written verifies, what verifies is one exact line. */
#include "audit/chain.h"
#include "crypto/crypto.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
as_line(sp_slice in)
{
	struct sp_audit_call call;
	struct sp_chain c = { 0 }, head;

	if (sp_audit_call_read(in, &call) && call.ring.n != 0 &&
	    (call.ring.p < in.p || call.fingerprint.p + call.fingerprint.n > in.p + in.n))
		abort();
	if (sp_audit_check(in, true, &c, NULL) == SP_OK && (!sp_audit_head(in, &head) || head.seq != c.seq))
		abort();
}

static void
as_record(const uint8_t *data, size_t n)
{
	const struct sp_audit_source from = { "front", 1, 2, 3 };
	struct sp_chain c = { .seq = 5 }, again = c;
	struct sp_audit_record r = { 0 };
	struct sp_audit_call call;
	char mem[SP_AUDIT_LINE_MAX + 1];
	struct sp_out o;
	sp_slice line;

	memcpy(&r, data, n < sizeof r ? n : sizeof r);
	sp_out_init(&o, mem, sizeof mem);
	sp_audit_put_record(&o, &c, &r, &from);
	if (o.full || o.n < 2)
		abort();
	line = sp_sub(sp_out_view(&o), 0, o.n - 1);
	if (sp_has_byte(line, '\n') || sp_audit_check(line, false, &again, NULL) != SP_OK || again.seq != 6)
		abort();
	if (r.kind >= SP_AUDIT_DECISION && r.kind <= SP_AUDIT_INCIDENT &&
	    (!sp_audit_call_read(line, &call) || call.call != r.call))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static bool ready;

	if (!ready && sp_crypto_init(NULL) != SP_OK)
		abort();
	ready = true;
	as_line(sp_mem(data, n));
	as_record(data, n);
	return 0;
}

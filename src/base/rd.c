#include "base/rd.h"

sp_slice
sp_rd_bytes(struct sp_rd *r, size_t n)
{
	sp_slice out = { NULL, 0 };

	if (r->bad || !sp_take_n(&r->in, n, &out))
		r->bad = true;
	return out;
}

uint64_t
sp_rd_be(struct sp_rd *r, unsigned bytes)
{
	sp_slice b = sp_rd_bytes(r, bytes);
	uint64_t v = 0;

	for (size_t i = 0; i < b.n; i++)
		v = v << 8 | (unsigned char)b.p[i];
	return v;
}

sp_slice
sp_rd_lv(struct sp_rd *r, unsigned length_bytes, size_t max)
{
	uint64_t n = sp_rd_be(r, length_bytes);

	if (n > max)
		r->bad = true;
	return r->bad ? (sp_slice){ NULL, 0 } : sp_rd_bytes(r, (size_t)n);
}

sp_slice
sp_rd_rest(struct sp_rd *r, size_t max)
{
	if (r->in.n > max)
		r->bad = true;
	return r->bad ? (sp_slice){ NULL, 0 } : sp_rd_bytes(r, r->in.n);
}

bool
sp_rd_done(const struct sp_rd *r)
{
	return !r->bad && r->in.n == 0;
}

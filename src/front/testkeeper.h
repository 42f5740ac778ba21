/* For tests only: what a keeper signs. */
#ifndef SP_FRONT_TESTKEEPER_H
#define SP_FRONT_TESTKEEPER_H

#include "base/b64.h"
#include "crypto/testsign.h"
#include "front/testworld.h"
#include "oauth/statement.h"
#include "os/role.h"

/* The raw public key: the last 32 bytes of its PEM's content. */
static inline void
tk_public(const struct sp_testkey *k, uint8_t out[32])
{
	char pem[512], der[128], flat[256];
	struct sp_out o, f;
	sp_slice in, line;
	size_t n;

	sp_out_init(&o, pem, sizeof pem);
	sp_testkey_pem(k, &o);
	sp_out_init(&f, flat, sizeof flat);
	in = sp_out_view(&o);
	while (sp_take_to(&in, '\n', &line))
		if (!sp_starts(line, SP_LIT("-")))
			sp_out_slice(&f, line);
	assert_true(sp_b64_decode(sp_out_view(&f), der, sizeof der, &n) && n > 32);
	memcpy(out, der + n - 32, 32);
}

/* Tells the front which key statements are signed with. */
static inline struct sp_testkey *
tk_key(struct world *w)
{
	struct sp_testkey *k = sp_testkey_new(SP_EDDSA, 0);
	struct sp_m_hash m;

	tk_public(k, m.hash);
	sp_enc_hash(sp_chan_begin(w->keeper, SP_M_STATEMENT_KEY), &m);
	sp_chan_end(w->keeper);
	tw_turn(w, 4);
	return k;
}

/* The bytes of a statement with their signature. */
static inline void
tk_sign(const struct sp_testkey *k, const struct sp_statement *s, struct sp_out *o)
{
	char buf[SP_STATEMENT_MAX];
	struct sp_out text;

	sp_statement_write(o, s);
	sp_out_init(&text, buf, sizeof buf);
	sp_statement_signed(&text, sp_out_view(o));
	sp_testkey_sign(k, SP_EDDSA, sp_out_view(&text), o);
	assert_true(!o->full);
}

/* The id of a session of whoever asked for one last. */
static inline const char *
tk_session(const struct world *w, const struct sp_testkey *k, int64_t seconds, uint32_t revision, char *out, size_t cap)
{
	struct sp_statement s = { .kind = SP_STATEMENT_SESSION, .expires_s = sp_now_s() + seconds, .revision = revision };
	char buf[SP_STATEMENT_MAX];
	struct sp_out o, t;

	memcpy(s.who, w->who, sizeof s.who);
	sp_random_bytes(s.random, sizeof s.random);
	sp_out_init(&o, buf, sizeof buf);
	tk_sign(k, &s, &o);
	sp_out_init(&t, out, cap);
	sp_b64url_encode(&t, o.p, o.n);
	sp_out_byte(&t, '\0');
	assert_true(!t.full);
	return out;
}

/* A session of this caller, made as a client makes it. */
static inline const char *
tk_open(struct world *w, const struct sp_testkey *k, const char *as, char *out, size_t cap)
{
	bool closed;
	sp_slice got = tw_ask(w, tw_post(as, TW_RPC("initialize", "\"protocolVersion\":\"2025-11-25\",\"capabilities\":{}")),
	    &closed);

	assert_true(tw_has(got, "Mcp-Session-Id: "));
	return tk_session(w, k, SP_SESSION_S, SP_MCP_2025_11_25, out, cap);
}

#endif

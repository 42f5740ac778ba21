#include "base/hash.h"

/* SipHash-2-4 (Aumasson, Bernstein 2012): two rounds a word, four at the end, 64 bits out. */
struct state { uint64_t v0, v1, v2, v3; };

static inline uint64_t
rotl(uint64_t x, unsigned b)
{
	return x << b | x >> (64 - b);
}

static inline void
rounds(struct state *s, unsigned n)
{
	while (n-- != 0) {
		s->v0 += s->v1;
		s->v1 = rotl(s->v1, 13) ^ s->v0;
		s->v0 = rotl(s->v0, 32);
		s->v2 += s->v3;
		s->v3 = rotl(s->v3, 16) ^ s->v2;
		s->v0 += s->v3;
		s->v3 = rotl(s->v3, 21) ^ s->v0;
		s->v2 += s->v1;
		s->v1 = rotl(s->v1, 17) ^ s->v2;
		s->v2 = rotl(s->v2, 32);
	}
}

static inline uint64_t
little(const unsigned char *p, size_t n)
{
	uint64_t m = 0;

	for (size_t i = 0; i < n; i++)
		m |= (uint64_t)p[i] << (8 * i);
	return m;
}

static inline void
word(struct state *s, uint64_t m)
{
	s->v3 ^= m;
	rounds(s, 2);
	s->v0 ^= m;
}

uint64_t
sp_siphash(const struct sp_hash_key *key, sp_slice in)
{
	const unsigned char *p = (const unsigned char *)in.p;
	size_t whole = in.n / 8, left = in.n % 8;
	struct state s = {
		key->k[0] ^ 0x736f6d6570736575u, key->k[1] ^ 0x646f72616e646f6du,
		key->k[0] ^ 0x6c7967656e657261u, key->k[1] ^ 0x7465646279746573u,
	};

	for (size_t i = 0; i < whole; i++)
		word(&s, little(p + 8 * i, 8));
	word(&s, (left == 0 ? 0 : little(p + 8 * whole, left)) | (uint64_t)in.n << 56);
	s.v2 ^= 0xff;
	rounds(&s, 4);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

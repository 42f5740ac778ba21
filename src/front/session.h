/*
 * Sessions of the legacy era: statements that keeper signed.  Nothing is kept about them here but what saves a signature
 * check, and which of them are over.
 */
#ifndef SP_FRONT_SESSION_H
#define SP_FRONT_SESSION_H

#include "oauth/statement.h"

enum { SP_SESSIONS_KEPT = 4096, SP_SESSIONS_GONE = 65536 };

struct sp_session { uint8_t name[32], who[32]; uint32_t revision, caps; int64_t expires_s; };
struct sp_gone { uint8_t name[32]; int64_t expires_s; };	/* expires_s 0: a free place */

struct sp_sessions {
	struct sp_pkey *key;		/* keeper's; NULL until it has said it */
	uint8_t	 raw[32];
	struct sp_session *kept;	/* verified ones; made when the first is */
	struct sp_gone *gone;
	uint32_t ngone, cap;
	int64_t	 floor_s;		/* there was no room to remember one that is over: all that end before this are */
};

void sp_sessions_free(struct sp_sessions *s);
SP_MUST enum sp_status sp_sessions_key(struct sp_sessions *s, const uint8_t key[32]);
/* The session with this id.  SP_E_SESSION: none of ours, over, or expired; SP_E_UNAVAILABLE: keeper's key is not here yet.
 * name: SHA-256 of the text, what messages call it. */
SP_MUST enum sp_status sp_session_find(struct sp_sessions *s, sp_slice text, int64_t now_s, struct sp_session *out);
/* That session is over, until its statement ends anyway. */
void sp_session_gone(struct sp_sessions *s, const uint8_t name[32], int64_t expires_s, int64_t now_s);

#endif

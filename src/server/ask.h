/*
 * What a call asks its client, and what it was answered: questions by key, in both eras the same (mcp-spec 1.4 MRTR, 2.2).
 * A handler is run again from its start when answers have come; it then finds what it asked before.  Pure.
 *
 * An answer is foreign: it is checked against what was asked whenever it is used.  One that does not fit ends the call with
 * SP_E_BAD_PARAMS (sp_ask.broken).
 */
#ifndef SP_SERVER_ASK_H
#define SP_SERVER_ASK_H

#include <sallyport/context.h>

#include "mcp/era.h"
#include "schema/schema.h"

enum {
	SP_ASK_KEY = 64,			/* bytes of a key, of A-Z a-z 0-9 _ - . */
	SP_ASK_MAX = 32,			/* questions that are open at once; answers of one call: twice as many */
	SP_ASK_STATE = 16384,			/* of sp_state_set() */
	SP_ASK_TEXT = 65536,			/* of a question */
	SP_ASK_BYTES = 1 << 20,			/* of all answers */
	SP_ASK_ID = 32,				/* hexadecimal digits of the id of a request of ours */
};

enum sp_ask_method { SP_ASK_FORM = 1, SP_ASK_URL, SP_ASK_SAMPLE, SP_ASK_ROOTS };

struct sp_asked {
	char	*key, *params;			/* params: JSON object */
	enum sp_ask_method method;
	struct sp_schema *schema;		/* SP_ASK_FORM: what the content has to fit */
	char	 id[SP_ASK_ID + 1];		/* 2025 era: of the request; empty: not sent yet */
};

struct sp_given {
	char	*key, *json;			/* json: the result; NULL: the client answered with an error */
	bool	 lacks;				/* that error said that it has no such method */
	bool	 used;				/* the handler asked for it: it is kept for the next round */
	char	*shown;				/* what the handler was given of it */
};

struct sp_ask {
	uint32_t caps;				/* enum sp_mcp_client_cap */
	struct sp_asked asked[SP_ASK_MAX];	/* of this run, not answered yet */
	unsigned nasked;
	struct sp_given given[2 * SP_ASK_MAX];
	unsigned ngiven;
	size_t	 bytes;				/* of all that is given */
	char	*state;				/* of sp_state_set(), or NULL */
	char	*before;			/* what it was when this run began, if it is another now: a handler may look at it */
	bool	 replaced;			/* in this run */
	bool	 broken;			/* an answer does not fit; `why` says it */
	struct sp_err why;
};

void sp_asking_init(struct sp_ask *a, uint32_t caps);
void sp_asking_free(struct sp_ask *a);
/* Before the handler is run again: its questions are forgotten, what it was answered stays. */
void sp_asking_again(struct sp_ask *a);

/* ---- by the handler; as in context.h.  What *answer points at stays until sp_asking_again() or _free(). */
SP_MUST enum sp_rc sp_ask_form(struct sp_ask *a, const char *key, const char *message, const char *schema,
    struct sp_elicit_answer *answer);
/* `elicitation`: 16 random bytes that name it (2025 era), or NULL. */
SP_MUST enum sp_rc sp_ask_url(struct sp_ask *a, const char *key, const char *message, const char *url,
    const uint8_t elicitation[16], struct sp_elicit_answer *answer);
SP_MUST enum sp_rc sp_ask_sample(struct sp_ask *a, const char *key, const char *params, const char **answer);
SP_MUST enum sp_rc sp_ask_roots(struct sp_ask *a, const char *key, const char **answer);
enum sp_rc sp_ask_keep(struct sp_ask *a, const char *state);
/* Is it an object of texts, numbers, booleans and enumerations, as mcp-spec 2.2 has it?  *why (a constant) if not. */
SP_MUST bool sp_form_ok(sp_jval *schema, const char **why);

/* ---- questions out */
/* {"KEY":{"method":…,"params":{…}},…} of all that is open. */
void sp_asking_requests(const struct sp_ask *a, struct sp_out *o);
/* 2025 era: the request, once its id is set. */
void sp_asked_request(const struct sp_asked *q, struct sp_out *o);

/* ---- answers in.  Those to keys that nobody asks about are ignored. */
/* inputResponses of a call.  SP_E_BAD_PARAMS: no object of objects, too many; SP_E_TOO_BIG. */
SP_MUST enum sp_status sp_asking_read(struct sp_ask *a, sp_jval *responses, struct sp_err *e);
/* inputResponses of tasks/update: only to open questions, which are closed, and checked at once.  Nothing is taken when one
 * of them does not fit: SP_E_BAD_PARAMS. */
SP_MUST enum sp_status sp_asking_update(struct sp_ask *a, sp_jval *responses, struct sp_err *e);
/* 2025 era: the open question with this id is answered by a result or an error.  False: there is none. */
SP_MUST bool sp_asking_respond(struct sp_ask *a, sp_slice id, sp_jval *result, sp_jval *error);

/* ---- what travels from round to round (seal.h): the answers that were used, and the state */
void sp_asking_pack(const struct sp_ask *a, struct sp_out *o);
SP_MUST enum sp_status sp_asking_unpack(struct sp_ask *a, sp_slice packed, struct sp_err *e);

#endif

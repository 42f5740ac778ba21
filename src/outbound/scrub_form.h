/* The forms of a value: how each begins (for the search tables) and whether a text is one.  Used by scrub.c only. */
#ifndef SP_EGRESS_SCRUB_FORM_H
#define SP_EGRESS_SCRUB_FORM_H

#include "base/slice.h"

enum sp_form_family { SP_FORM_RAW, SP_FORM_HEX, SP_FORM_PCT, SP_FORM_JSON, SP_FORM_HTML, SP_FORM_B64 };

struct sp_form {
	uint16_t value;			/* index of the value */
	uint8_t	 family;
	uint8_t	 offset;		/* B64: bytes that stand before the value in its group of three */
	bool	 url, end;		/* B64: alphabet; the value ends the encoded text */
};

enum sp_form_match { SP_FORM_NO, SP_FORM_HIT, SP_FORM_MORE };

/* Is `in` (which begins where the form would) a text of this form?  HIT: *len bytes are.  MORE: so far it is, and
 * in.n bytes do not suffice; not answered when `last`.  *work is raised by the bytes compared. */
enum sp_form_match sp_form_match(const struct sp_form *f, sp_slice value, sp_slice in, bool last, size_t *len,
    uint64_t *work);

enum { SP_FORM_WINDOW = 24, SP_FORM_ANCHORS = 9 };
/* The beginning of a form; where fold[i], text[i] is a lower-case letter that may also come in upper case. */
struct sp_form_start { uint8_t text[SP_FORM_WINDOW]; bool fold[SP_FORM_WINDOW]; };
/* The anchor-th way in which a text of this form may begin, `n` bytes of it; false: there is no such way. */
SP_MUST bool sp_form_start(const struct sp_form *f, sp_slice value, unsigned anchor, size_t n,
    struct sp_form_start *out);
/* Characters of the base64 form; 0: this variant says nothing that another does not. */
size_t sp_form_b64_chars(const struct sp_form *f, size_t value_n);

#endif

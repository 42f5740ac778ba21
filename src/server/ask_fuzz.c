/* What clients send back: inputResponses, requestState, and (as if a key had leaked) what a state holds. */
#include "server/ask.h"
#include "server/seal.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define FORM "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"}},\"required\":[\"name\"]}"
#define MESSAGES "{\"messages\":[],\"maxTokens\":1}"

/* An answer is used only if it is what was asked for. */
static void
use(struct sp_ask *a)
{
	struct sp_elicit_answer form, page;
	const char *text;
	enum sp_rc rc = sp_ask_form(a, "form", "?", FORM, &form);

	if (rc == SP_RC_OK && form.action == SP_ELICIT_ACCEPT && strstr(form.content, "\"name\":\"") == NULL)
		abort();
	if (sp_ask_url(a, "page", "?", "https://x.example/", NULL, &page) == SP_RC_OK &&
	    (page.action < SP_ELICIT_ACCEPT || page.action > SP_ELICIT_CANCEL || page.content != NULL))
		abort();
	if (sp_ask_sample(a, "sample", MESSAGES, &text) == SP_RC_OK && strstr(text, "\"model\"") == NULL)
		abort();
	if (sp_ask_roots(a, "roots", &text) == SP_RC_OK && text[0] != '[')
		abort();
	if (a->nasked > 4 || a->ngiven > 2 * SP_ASK_MAX || a->bytes > SP_ASK_BYTES)
		abort();
}

/* What was kept is read as the same again. */
static void
travel(struct sp_ask *a)
{
	struct sp_out first, second;
	struct sp_ask b;

	sp_out_heap(&first, 4 * SP_ASK_BYTES);
	sp_out_heap(&second, 4 * SP_ASK_BYTES);
	sp_asking_init(&b, a->caps);
	sp_asking_pack(a, &first);
	if (sp_asking_unpack(&b, sp_out_view(&first), NULL) != SP_OK)
		abort();
	for (unsigned i = 0; i < b.ngiven; i++)
		b.given[i].used = true;
	sp_asking_pack(&b, &second);
	if (!sp_eq(sp_out_view(&first), sp_out_view(&second)))
		abort();
	sp_asking_free(&b);
	sp_out_free(&first);
	sp_out_free(&second);
}

static void
open_text(sp_slice text)
{
	static const uint8_t key[SP_AEAD_KEY] = { 7 };
	const struct sp_reqstate_for f = { { 1 }, SP_LIT("tools/call"), SP_LIT("x"), { 2 } };
	struct sp_out o;

	sp_out_heap(&o, SP_REQSTATE_BYTES);
	if (sp_reqstate_open(&o, key, &f, 1000, text, NULL) == SP_OK)
		abort();
	sp_out_free(&o);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const uint32_t caps = SP_CLIENT_ELICITATION | SP_CLIENT_ELICIT_FORM | SP_CLIENT_ELICIT_URL | SP_CLIENT_SAMPLING |
	    SP_CLIENT_ROOTS;
	sp_slice in = sp_sub(sp_mem(data, n), 1, n);
	struct sp_json j = { 0 };
	struct sp_ask a;
	bool ok;

	if (n == 0)
		return 0;
	if (data[0] == 's') {
		open_text(in);
		return 0;
	}
	sp_asking_init(&a, caps);
	if (data[0] == 'p')
		ok = sp_asking_unpack(&a, in, NULL) == SP_OK;
	else
		ok = sp_json_read(in, SP_JSON_DEFAULT, &j, NULL) == SP_OK && sp_asking_read(&a, j.root, NULL) == SP_OK;
	if (ok) {
		use(&a);
		travel(&a);
		if (data[0] == 'u' && sp_asking_update(&a, j.root, NULL) == SP_OK && a.broken)
			use(&a);
	}
	sp_asking_free(&a);
	sp_json_free(&j);
	return 0;
}

/* Any image that passes the check, with any arguments: the decision keeps its laws. */
#include "policy/decide.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
laws(const struct sp_decision *d, bool listed)
{
	if (d->listed != listed || d->reason == NULL)
		abort();
	/* What is allowed is listed; what is closed is not, or says that the arguments did it. */
	if ((d->outcome == SP_ALLOW || d->outcome == SP_ASK || d->outcome == SP_REFUSED_ARGS) && !listed)
		abort();
	if (d->outcome == SP_CLOSED && listed)
		abort();
	if ((d->outcome == SP_ALLOW || d->outcome == SP_ASK || d->outcome == SP_SHORT) && d->nleft == 0)
		abort();
	if (d->outcome == SP_SHORT && d->manner == SP_MANNER_HIDE)
		abort();
}

/* What is known only while running: its rules are in file order, and without any it is closed. */
static void
look_running(const struct sp_image *img, const struct sp_principal *who, sp_jval *args)
{
	for (uint32_t i = 0; i < 4 * img->head->servers.n && i < 32; i++) {
		struct sp_component c = { .server = i / 4, .kind = (enum sp_component_kind)(1 + i % 4), .write = true,
		    .name = sp_jtext(SP_JGET(args, "zone")) };
		uint32_t rules[SP_RULES_LEFT];
		struct sp_decision d;

		c.nrules = sp_component_rules(img, &c, rules, SP_RULES_LEFT);
		c.rules = rules;
		if (c.nrules > SP_RULES_LEFT)
			c.nrules = SP_RULES_LEFT;
		for (uint32_t k = 0; k < c.nrules; k++)
			if (rules[k] >= img->head->rules.n || (k != 0 && rules[k] <= rules[k - 1]))
				abort();
		sp_decide_component(img, who, &c, args, &d);
		laws(&d, sp_decide_component_listed(img, who, &c, NULL));
		if (c.nrules == 0 && d.outcome != SP_CLOSED)
			abort();
	}
}

static void
look(const struct sp_image *img, const struct sp_principal *who, sp_jval *args)
{
	for (uint32_t t = 0; t < img->head->tools.n && t < 16; t++) {
		struct sp_component c = sp_component_of_tool(img, t);
		struct sp_decision d, same;

		sp_decide(img, who, t, args, &d);
		laws(&d, sp_decide_listed(img, who, t, NULL));
		sp_decide_component(img, who, &c, args, &same);
		if (same.outcome != d.outcome || same.listed != d.listed || same.nleft != d.nleft)
			abort();
	}
	look_running(img, who, args);
}

/* Two bytes: length of the arguments' text; then it; the rest is the image. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const uint64_t none[SP_SCOPE_WORDS], all[SP_SCOPE_WORDS] = { UINT64_MAX, 5 };
	struct sp_image img;
	struct sp_json args = { 0 };
	struct sp_err e = { 0 };
	size_t len;
	void *copy;

	if (n < 2)
		return 0;
	len = (size_t)data[0] << 8 | data[1];
	if (len > n - 2)
		return 0;
	copy = aligned_alloc(16, (n - 2 - len + 16) & ~(size_t)15);
	if (copy == NULL)
		abort();
	memcpy(copy, data + 2 + len, n - 2 - len);
	if (sp_json_read(sp_mem(data + 2, len), SP_JSON_DEFAULT, &args, &e) != SP_OK)
		args.root = NULL;
	if (sp_image_check(copy, n - 2 - len, &img, &e) == SP_OK) {
		for (uint32_t s = 0; s < img.head->sources.n && s < 8; s++) {
			struct sp_principal who = { .source = s, .user = SP_LIT("ann"), .scopes = none, .tags = none };

			look(&img, &who, args.root);
			who.scopes = who.tags = all;
			who.scope_words = who.tag_words = 2;
			look(&img, &who, args.root);
		}
	}
	sp_json_free(&args);
	free(copy);
	return 0;
}

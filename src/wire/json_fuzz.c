/* What is accepted has no twin keys and no U+0000 in one, is written and read back the same, and its numbers are in order. */
#include <assert.h>
#include <stdlib.h>

#include "wire/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
check_keys(sp_jval *v)
{
	for (struct sp_jiter a = sp_jeach(v); sp_jis_obj(v) && sp_jnext(&a);) {
		assert(!sp_has_byte(a.key, '\0') && sp_jget(v, a.key) == a.val);
		for (struct sp_jiter b = sp_jeach(v); a.idx < 64 && sp_jnext(&b);)
			assert(a.idx == b.idx || !sp_eq(a.key, b.key));
	}
}

static int
sign(int c)
{
	return (c > 0) - (c < 0);
}

static void
check_numbers(sp_slice *num, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		assert(sp_jnum_cmp(num[i], num[i]) == 0);
		for (size_t j = 0; j < i; j++) {
			int c = sign(sp_jnum_cmp(num[i], num[j]));
			double a = strtod(num[i].p, NULL), b = strtod(num[j].p, NULL);

			assert(c == -sign(sp_jnum_cmp(num[j], num[i])));
			/* Rounding may make two numbers one, but never turns them round. */
			assert(c == 0 ? a == b : c < 0 ? a <= b : a >= b);
			assert(c != 0 || sp_jnum_is_int(num[i]) == sp_jnum_is_int(num[j]));
			for (size_t k = 0; k < j; k++)
				assert(c < 0 || sp_jnum_cmp(num[j], num[k]) < 0 || sp_jnum_cmp(num[i], num[k]) >= 0);
		}
	}
}

static void
check_doc(struct sp_json *j)
{
	sp_slice num[8];
	size_t nums = 0, count = yyjson_doc_get_val_count(j->doc);

	for (size_t i = 0; i < count; i++) {
		sp_jval *v = j->root + i;
		int64_t x;

		check_keys(v);
		if (!sp_jis_num(v))
			continue;
		if (nums < SP_COUNT(num))
			num[nums++] = sp_jtext(v);
		if (sp_jint(v, &x)) {
			char buf[32];
			struct sp_out o;

			sp_out_init(&o, buf, sizeof buf);
			sp_out_i64(&o, x);
			assert(sp_jnum_is_int(sp_jtext(v)) && sp_jnum_cmp(sp_out_view(&o), sp_jtext(v)) == 0);
		}
	}
	check_numbers(num, nums);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct sp_json j = { 0 }, again = { 0 };
	struct sp_out o, twice;
	struct sp_err e;

	if (n > 4096 || sp_json_read(sp_mem(data, n), SP_JSON_DEFAULT, &j, &e) != SP_OK)
		return 0;
	check_doc(&j);
	sp_out_heap(&o, 1 << 20);
	sp_out_heap(&twice, 1 << 20);
	sp_jwrite(&o, j.root);
	assert(!o.full && sp_json_read(sp_out_view(&o), SP_JSON_DEFAULT, &again, &e) == SP_OK);
	assert(sp_jequal(j.root, again.root) && sp_jequal(again.root, j.root));
	sp_jwrite(&twice, again.root);
	assert(sp_eq(sp_out_view(&o), sp_out_view(&twice)));
	sp_out_free(&o);
	sp_out_free(&twice);
	sp_json_free(&j);
	sp_json_free(&again);
	return 0;
}

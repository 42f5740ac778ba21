#include "wire/json.h"

#include "base/utf8.h"

/* Length of the run of bytes that stand for themselves inside a JSON string: printable ASCII but '"' and '\'. */
static size_t
plain_run(sp_slice s)
{
	size_t n = 0;

	while (n < s.n) {
		unsigned char c = (unsigned char)s.p[n];

		if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\')
			break;
		n++;
	}
	return n;
}

static void
escape(struct sp_out *o, unsigned char c)
{
	static const char names[] = "\"\"\\\\\bb\ff\nn\rr\tt";

	for (size_t i = 0; i + 1 < sizeof names; i += 2)
		if ((unsigned char)names[i] == c) {
			sp_out_byte(o, '\\');
			sp_out_byte(o, names[i + 1]);
			return;
		}
	sp_out_str(o, "\\u00");
	sp_out_hex(o, &c, 1);
}

void
sp_jout_part(struct sp_out *o, sp_slice s)
{
	while (s.n != 0) {
		size_t n = plain_run(s);
		sp_slice at;
		uint32_t cp;

		sp_out_add(o, s.p, n);
		sp_advance(&s, n);
		if (s.n == 0)
			return;
		if ((unsigned char)s.p[0] < 0x80) {
			escape(o, (unsigned char)s.p[0]);
			sp_advance(&s, 1);
			continue;
		}
		at = s;
		if (sp_utf8_take(&s, &cp)) {
			sp_out_add(o, at.p, at.n - s.n);
			continue;
		}
		sp_out_str(o, "\xef\xbf\xbd");
		sp_advance(&s, 1);
	}
}

void
sp_jout_str(struct sp_out *o, sp_slice s)
{
	char *at;

	if (s.n != 0 && plain_run(s) == s.n) {	/* nearly all */
		at = sp_out_room(o, s.n + 2);
		if (at == NULL)
			return;
		at[0] = '"';
		memcpy(at + 1, s.p, s.n);
		at[s.n + 1] = '"';
		return;
	}
	sp_out_byte(o, '"');
	sp_jout_part(o, s);
	sp_out_byte(o, '"');
}

static void
write_leaf(struct sp_out *o, sp_jval *v)
{
	if (sp_jis_str(v))
		sp_jout_str(o, sp_jtext(v));
	else if (sp_jis_num(v))
		sp_out_slice(o, sp_jtext(v));
	else if (sp_jis_bool(v))
		sp_out_str(o, sp_jtrue(v) ? "true" : "false");
	else
		sp_out_str(o, "null");
}

void
sp_jwrite(struct sp_out *o, sp_jval *v)
{
	struct { uint64_t left; bool obj; } up[512];
	unsigned depth = 0;
	bool key = false;

	if (v == NULL) {
		sp_out_str(o, "null");
		return;
	}
	/* Values lie in one array in the order of the text: the walk is one step a value. */
	for (;; v++) {
		bool ctn = !key && (sp_jis_arr(v) || sp_jis_obj(v));

		if (ctn && depth == SP_COUNT(up)) {
			o->full = true;		/* no reader of ours lets this deep a document in */
			return;
		}
		if (ctn) {
			sp_out_byte(o, sp_jis_obj(v) ? '{' : '[');
			up[depth].left = unsafe_yyjson_get_len(v);
			up[depth++].obj = key = sp_jis_obj(v);
			if (up[depth - 1].left != 0)
				continue;
		} else {
			write_leaf(o, v);
			if (key) {
				sp_out_byte(o, ':');
				key = false;
				continue;
			}
			if (depth != 0)
				up[depth - 1].left--;
		}
		while (depth != 0 && up[depth - 1].left == 0) {
			sp_out_byte(o, up[--depth].obj ? '}' : ']');
			if (depth != 0)
				up[depth - 1].left--;
		}
		if (depth == 0)
			return;
		sp_out_byte(o, ',');
		key = up[depth - 1].obj;
	}
}

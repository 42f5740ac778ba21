#include "openapi/result.h"

#include "base/b64.h"
#include "base/utf8.h"
#include "wire/http1.h"
#include "wire/json.h"

/* The type without parameters, lower case, or empty when it is no media type. */
static sp_slice
essence_read(sp_slice media, char *buf, size_t cap)
{
	sp_slice s = media, first;
	unsigned slashes = 0;

	if (sp_take_to(&s, ';', &first))
		s = first;
	s = sp_trim(s);
	if (s.n > cap)
		return SP_LIT("");
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		slashes += c == '/';
		if (c != '/' && !sp_is_tchar(c))
			return SP_LIT("");
		buf[i] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
	}
	return slashes == 1 ? (sp_slice){ buf, s.n } : SP_LIT("");
}

static bool
is_text_type(sp_slice t)
{
	static const sp_slice named[] = {
		SP_LIT_INIT("application/json"), SP_LIT_INIT("application/xml"), SP_LIT_INIT("application/yaml"),
		SP_LIT_INIT("application/x-yaml"), SP_LIT_INIT("application/javascript"),
		SP_LIT_INIT("application/x-ndjson"), SP_LIT_INIT("application/jsonl"), SP_LIT_INIT("application/toml"),
		SP_LIT_INIT("application/graphql"), SP_LIT_INIT("application/sql"),
		SP_LIT_INIT("application/x-www-form-urlencoded"),
	};

	if (sp_starts(t, SP_LIT("text/")) || sp_ends(t, SP_LIT("+json")) || sp_ends(t, SP_LIT("+xml")) ||
	    sp_ends(t, SP_LIT("+yaml")))
		return true;
	for (size_t i = 0; i < SP_COUNT(named); i++)
		if (sp_eq(t, named[i]))
			return true;
	return false;
}

/* Without a type, or with one that says nothing, the bytes must speak for themselves. */
static bool
is_shown(sp_slice type, sp_slice body)
{
	if (is_text_type(type))
		return true;
	return type.n == 0 && sp_utf8_valid(body) && !sp_has_byte(body, '\0');
}

static void
text_write(struct sp_out *o, sp_slice type, sp_slice body)
{
	if (body.n == 0 || is_shown(type, body)) {
		sp_jout_part(o, body);
		return;
	}
	sp_out_str(o, "[the upstream answered with ");
	sp_out_u64(o, body.n);
	sp_out_str(o, " bytes of type ");
	sp_jout_part(o, type.n == 0 ? SP_LIT("unknown") : type);
	sp_out_str(o, ", which are not shown as text]");
}

/* MCP 2025-06-18 "Tool Result": image, audio, embedded resource. */
static void
blob_write(struct sp_out *o, sp_slice type, sp_slice body)
{
	bool image = sp_starts(type, SP_LIT("image/")), audio = sp_starts(type, SP_LIT("audio/"));

	if (type.n == 0)
		type = SP_LIT("application/octet-stream");
	if (image || audio)
		sp_out_str(o, image ? "{\"type\":\"image\",\"mimeType\":" : "{\"type\":\"audio\",\"mimeType\":");
	else
		sp_out_str(o, "{\"type\":\"resource\",\"resource\":{\"uri\":\"urn:sallyport:answer\",\"mimeType\":");
	sp_jout_str(o, type);
	sp_out_str(o, image || audio ? ",\"data\":\"" : ",\"blob\":\"");
	sp_b64_encode(o, body.p, body.n);
	sp_out_str(o, image || audio ? "\"}" : "\"}}");
}

/* Written anew from what was parsed: valid JSON whatever the upstream sent. */
static void
structured_write(struct sp_out *o, sp_slice type, sp_slice body, enum sp_op_result form)
{
	SP_AUTO(sp_json_free) struct sp_json j = { 0 };
	bool json = sp_ends(type, SP_LIT("/json")) || sp_ends(type, SP_LIT("+json"));

	if (form == SP_RESULT_TEXT)
		return;
	sp_out_str(o, ",\"structuredContent\":");
	if (!json || body.n > SP_RESULT_JSON || sp_json_read(body, SP_JSON_DEFAULT, &j, NULL) != SP_OK ||
	    (form == SP_RESULT_OBJECT && !sp_jis_obj(j.root))) {
		sp_out_str(o, "{}");
		return;
	}
	sp_out_str(o, form == SP_RESULT_WRAPPED ? "{\"result\":" : "");
	sp_jwrite(o, j.root);
	sp_out_str(o, form == SP_RESULT_WRAPPED ? "}" : "");
}

static void
failure_write(struct sp_out *o, unsigned status, sp_slice type, sp_slice body)
{
	const char *reason = sp_http_reason(status);

	sp_out_str(o, "{\"content\":[{\"type\":\"text\",\"text\":\"the upstream answered ");
	sp_out_u64(o, status);
	sp_out_str(o, reason[0] == '\0' ? "" : " ");
	sp_out_str(o, reason);
	sp_out_str(o, body.n == 0 ? "" : "\\n");
	text_write(o, type, body);
	sp_out_str(o, "\"}],\"isError\":true}");
}

void
sp_result_http(struct sp_out *o, unsigned status, sp_slice media, sp_slice body, enum sp_op_result form)
{
	char buf[100];
	sp_slice type = essence_read(media, buf, sizeof buf);

	if (status < 200 || status > 299) {
		failure_write(o, status, type, body);
		return;
	}
	sp_out_str(o, "{\"content\":[");
	if (body.n == 0 || body.n > SP_RESULT_BLOB || is_shown(type, body)) {
		sp_out_str(o, "{\"type\":\"text\",\"text\":\"");
		text_write(o, type, body);
		sp_out_str(o, "\"}");
	} else {
		blob_write(o, type, body);
	}
	sp_out_byte(o, ']');
	structured_write(o, type, body, form);
	sp_out_str(o, ",\"isError\":false}");
}

void
sp_result_error(struct sp_out *o, sp_slice text)
{
	sp_out_str(o, "{\"content\":[{\"type\":\"text\",\"text\":");
	sp_jout_str(o, text);
	sp_out_str(o, "}],\"isError\":true}");
}

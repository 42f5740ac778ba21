/* References to secrets, paths and URLs: values that must be right before anything is opened. */
#include "config/value.h"

bool
sp_cfg_path(struct cfg *c, const struct item *at, const char *what, sp_slice *out)
{
	char buf[4096];
	struct sp_out o;

	if (sp_starts(at->text, SP_LIT("~"))) {
		ERR(c, at, "`%s`: `~` is not expanded; write the whole path, or one relative to this file", what);
		return false;
	}
	sp_out_init(&o, buf, sizeof buf - 1);
	if (at->text.p[0] != '/')
		sp_out_slice(&o, c->dir);
	sp_out_slice(&o, at->text);
	if (o.full) {
		ERR(c, at, "`%s`: the path is too long", what);
		return false;
	}
	*out = sp_arena_copy(&c->mem, sp_out_view(&o));
	return out->p != NULL;
}

/* What `sallyport vault set` takes: [a-z0-9][a-z0-9._-]{0,63}. */
static bool
is_vault_name(sp_slice s)
{
	if (s.n == 0 || s.n > 64 || s.p[0] == '.' || s.p[0] == '-' || s.p[0] == '_')
		return false;
	for (size_t i = 0; i < s.n; i++) {
		unsigned char b = (unsigned char)s.p[i];

		if (!(b >= 'a' && b <= 'z') && !sp_is_digit(b) && b != '.' && b != '_' && b != '-')
			return false;
	}
	return true;
}

static bool
is_env_name(sp_slice s)
{
	if (s.n == 0 || s.n > 128 || sp_is_digit((unsigned char)s.p[0]))
		return false;
	for (size_t i = 0; i < s.n; i++) {
		unsigned char b = (unsigned char)s.p[i];

		if (!sp_is_alpha(b) && !sp_is_digit(b) && b != '_')
			return false;
	}
	return true;
}

static bool
file_ref(struct cfg *c, const struct item *it, sp_slice path, const char *what, sp_slice *out)
{
	struct item at = { path, it->line, it->col };
	char buf[4200];
	struct sp_out o;
	sp_slice joined;

	if (!sp_cfg_path(c, &at, what, &joined))
		return false;
	sp_out_init(&o, buf, sizeof buf);
	sp_out_str(&o, "file:");
	sp_out_slice(&o, joined);
	*out = sp_arena_copy(&c->mem, sp_out_view(&o));
	return out->p != NULL;
}

bool
sp_cfg_is_ref(sp_slice s)
{
	static const sp_slice kinds[] = {
		SP_LIT_INIT("vault:"), SP_LIT_INIT("file:"), SP_LIT_INIT("env:"), SP_LIT_INIT("command:"), SP_LIT_INIT("user:"),
	};

	for (size_t i = 0; i < SP_COUNT(kinds); i++)
		if (sp_starts(s, kinds[i]))
			return true;
	return false;
}

/* As spawner looks for it: a whole path, or a name in the folders of SP_COMMAND_PATH. */
static bool
is_program(struct cfg *c, sp_slice word)
{
	sp_slice folders = SP_LIT(SP_COMMAND_PATH), folder;
	char buf[SP_COMMAND_MAX + 64];
	struct sp_out o;

	if (word.p[0] == '/')
		return c->opts->runs(c->opts->ctx, word);
	while (sp_take_part(&folders, ':', &folder)) {
		sp_out_init(&o, buf, sizeof buf);
		sp_out_fmt(&o, "%.*s/%.*s", SP_PRI(folder), SP_PRI(word));
		if (!o.full && c->opts->runs(c->opts->ctx, sp_out_view(&o)))
			return true;
	}
	return false;
}

/* The program's name is shown, never what follows. */
static bool
command_ref(struct cfg *c, const struct item *it, sp_slice argv, const char *what)
{
	sp_slice rest = argv, word, program = { NULL, 0 };
	uint32_t n = 0;

	while (sp_take_part(&rest, ' ', &word)) {
		if (word.n != 0 && n++ == 0)
			program = word;
	}
	if (n == 0 || n > SP_COMMAND_WORDS || it->text.n > SP_COMMAND_MAX) {
		ERR(c, it, "`%s`: `command:` wants a program and at most %d arguments, %d bytes in all", what,
		    SP_COMMAND_WORDS - 1, SP_COMMAND_MAX);
		return false;
	}
	if (program.p[0] != '/' && sp_has_byte(program, '/')) {
		ERR(c, it, "`%s`: `command:` wants the whole path of its program, or a name that is in " SP_COMMAND_PATH, what);
		return false;
	}
	if (!is_program(c, program))
		WARN(c, it, "`%s`: the program `%.*s` is not there (a name is looked for in " SP_COMMAND_PATH ")", what,
		    SP_PRI(program));
	return true;
}

/* What stands here may be the secret itself: no message shows any of it. */
bool
sp_cfg_ref(struct cfg *c, const struct node *n, const char *what, sp_slice *out)
{
	struct item it;
	sp_slice rest;

	if (!sp_cfg_text(c, n, what, &it))
		return false;
	rest = it.text;
	if (sp_take(&rest, SP_LIT("vault:")) && is_vault_name(rest)) {
		*out = it.text;
		return true;
	}
	rest = it.text;
	if (sp_take(&rest, SP_LIT("env:")) && is_env_name(rest)) {
		*out = it.text;
		return true;
	}
	rest = it.text;
	if (sp_take(&rest, SP_LIT("file:")) && rest.n != 0)
		return file_ref(c, &it, rest, what, out);
	rest = it.text;
	if (sp_take(&rest, SP_LIT("command:"))) {
		*out = it.text;
		return command_ref(c, &it, rest, what);
	}
	if (sp_starts(it.text, SP_LIT("user:"))) {
		ERR(c, n, "`%s`: `user:` references are not available in this version", what);
		return false;
	}
	ERR(c, n, "`%s` must be a reference. Store the value: sallyport vault set NAME, then write vault:NAME", what);
	return false;
}

bool
sp_cfg_is_clean_path(sp_slice path)
{
	sp_slice rest = path, part;

	if (path.n == 0)
		return true;
	if (sp_has_byte(path, '%') || sp_find(path, SP_LIT("//")) != SIZE_MAX)
		return false;
	while (sp_take_part(&rest, '/', &part))
		if (sp_eq(part, SP_LIT(".")) || sp_eq(part, SP_LIT("..")))
			return false;
	return true;
}

static bool
has_userinfo(sp_slice url)
{
	size_t at = sp_find(url, SP_LIT("://"));
	sp_slice rest, authority;

	if (at == SIZE_MAX)
		return false;
	rest = sp_sub(url, at + 3, url.n);
	if (!sp_take_to(&rest, '/', &authority))
		authority = rest;
	return sp_has_byte(authority, '@');
}

bool
sp_cfg_url_query(struct cfg *c, const struct item *at, const char *what, struct sp_uri *out)
{
	struct sp_err e = { 0 };
	struct sp_uri u;

	if (has_userinfo(at->text)) {
		ERR(c, at, "`%s`: a URL must not carry user:password@; use `secrets`", what);
		return false;
	}
	if (sp_uri_read(at->text, &u, &e) != SP_OK) {
		sp_slice why = sp_str(e.log);

		/* Without the quotation behind it: a URL may carry a secret. */
		why.n = sp_find(why, SP_LIT(" in `")) < why.n ? sp_find(why, SP_LIT(" in `")) : 0;
		ERR(c, at, "`%s` must be an absolute http or https URL%s%.*s", what, why.n == 0 ? "" : ": ", SP_PRI(why));
		return false;
	}
	if (u.has_fragment) {
		ERR(c, at, "`%s`: a fragment has no place here", what);
		return false;
	}
	*out = u;
	return true;
}

bool
sp_cfg_url(struct cfg *c, const struct item *at, const char *what, struct sp_uri *out)
{
	struct sp_uri u;

	if (!sp_cfg_url_query(c, at, what, &u))
		return false;
	if (u.has_query) {
		ERR(c, at, "`%s`: a query or fragment has no place here", what);
		return false;
	}
	*out = u;
	return true;
}

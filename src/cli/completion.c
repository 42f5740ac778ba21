#include "cli/completion.h"

/* Files are completed by the shell; of other values and words it knows nothing. */
static bool
is_file(const char *value)
{
	return value != NULL && (strcmp(value, "FILE") == 0 || strcmp(value, "FOLDER") == 0);
}

static void
put_ops(struct sp_out *o, const struct sp_command *c)
{
	for (size_t i = 0; i < c->nops; i++)
		sp_out_fmt(o, "%s%s", i == 0 ? "" : " ", c->ops[i]);
}

static void
put_names(struct sp_out *o, const struct sp_command *const *commands, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sp_out_fmt(o, "%s%s", i == 0 ? "" : " ", commands[i]->name);
}

/* ---------------------------------------------------------------- bash */

static void
bash_values(struct sp_out *o, const struct sp_command *c)
{
	for (size_t i = 0; i < c->nopts; i++) {
		const struct sp_opt *p = &c->opts[i];

		if (p->value == NULL)
			continue;
		sp_out_fmt(o, "\t%s:--%s", c->name, p->name);
		if (p->letter != 0)
			sp_out_fmt(o, " | %s:-%c", c->name, p->letter);
		sp_out_fmt(o, ") %sreturn ;;\n", is_file(p->value) ? "COMPREPLY=($(compgen -f -- \"$cur\")); " : "");
	}
}

static void
bash_command(struct sp_out *o, const struct sp_command *c)
{
	sp_out_fmt(o, "\t%s) opts='", c->name);
	for (size_t i = 0; i < c->nopts; i++)
		sp_out_fmt(o, "--%s ", c->opts[i].name);
	sp_out_str(o, "--help' ops='");
	put_ops(o, c);
	sp_out_fmt(o, "' files=%s ;;\n", is_file(c->word) ? "yes" : "");
}

void
sp_completion_bash(struct sp_out *o, const struct sp_command *const *commands, size_t n)
{
	sp_out_str(o, "# bash completion for sallyport: source <(sallyport completion bash)\n"
	    "_sallyport()\n{\n"
	    "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} cmd='' op='' opts='' ops='' files='' i\n"
	    "\tCOMPREPLY=()\n"
	    "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	    "\t\tcase ${COMP_WORDS[i]} in\n"
	    "\t\t-*) ;;\n"
	    "\t\t*) if [ -z \"$cmd\" ]; then cmd=${COMP_WORDS[i]}; else op=${COMP_WORDS[i]}; fi ;;\n"
	    "\t\tesac\n"
	    "\tdone\n"
	    "\tif [ -z \"$cmd\" ]; then\n"
	    "\t\tCOMPREPLY=($(compgen -W '");
	put_names(o, commands, n);
	sp_out_str(o, " --help --version' -- \"$cur\"))\n\t\treturn\n\tfi\n\tcase $cmd:$prev in\n");
	for (size_t i = 0; i < n; i++)
		bash_values(o, commands[i]);
	sp_out_str(o, "\tesac\n\tcase $cmd in\n");
	for (size_t i = 0; i < n; i++)
		bash_command(o, commands[i]);
	sp_out_str(o, "\tesac\n"
	    "\tcase $cur in\n"
	    "\t-*) COMPREPLY=($(compgen -W \"$opts\" -- \"$cur\")) ;;\n"
	    "\t*) if [ -n \"$ops\" ] && [ -z \"$op\" ]; then COMPREPLY=($(compgen -W \"$ops\" -- \"$cur\"))\n"
	    "\t   elif [ -n \"$files\" ]; then COMPREPLY=($(compgen -f -- \"$cur\")); fi ;;\n"
	    "\tesac\n}\n"
	    "complete -o filenames -F _sallyport sallyport\n");
}

/* ---------------------------------------------------------------- zsh */

/* Inside single quotes, in a description: neither a quote nor what ends the description. */
static void
zsh_text(struct sp_out *o, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '\'')
			sp_out_str(o, "'\\'");
		else if (*text == ':' || *text == '[' || *text == ']')
			sp_out_byte(o, '\\');
		sp_out_byte(o, *text);
	}
}

static void
zsh_option(struct sp_out *o, const struct sp_opt *p)
{
	const char *many = p->kind == SP_OPT_LIST ? "*" : "";

	for (int form = p->letter != 0 ? 0 : 1; form < 2; form++) {
		if (form == 0)
			sp_out_fmt(o, " '%s-%c", many, p->letter);
		else
			sp_out_fmt(o, " '%s--%s", many, p->name);
		if (p->value != NULL) {
			sp_out_str(o, form == 0 ? ":" : "=:");
			zsh_text(o, p->value);
			sp_out_str(o, is_file(p->value) ? ":_files" : ":");
		}
		sp_out_byte(o, '\'');
	}
}

static void
zsh_command(struct sp_out *o, const struct sp_command *c)
{
	sp_out_fmt(o, "\t%s) _arguments", c->name);
	for (size_t i = 0; i < c->nopts; i++)
		zsh_option(o, &c->opts[i]);
	sp_out_str(o, " '--help'");
	if (c->nops != 0) {
		sp_out_str(o, " '1:operation:(");
		put_ops(o, c);
		sp_out_str(o, ")'");
	}
	sp_out_str(o, is_file(c->word) ? " '*:file:_files' ;;\n" : " '*:word:' ;;\n");
}

void
sp_completion_zsh(struct sp_out *o, const struct sp_command *const *commands, size_t n)
{
	sp_out_str(o, "#compdef sallyport\n# zsh completion for sallyport: source <(sallyport completion zsh)\n"
	    "_sallyport()\n{\n\tlocal -a commands\n\tcommands=(");
	for (size_t i = 0; i < n; i++) {
		sp_out_fmt(o, "'%s:", commands[i]->name);
		zsh_text(o, commands[i]->text);
		sp_out_str(o, i + 1 == n ? "'" : "' ");
	}
	sp_out_str(o, ")\n\tif (( CURRENT == 2 )); then\n\t\t_describe command commands\n\t\treturn\n\tfi\n"
	    "\tlocal command=$words[2]\n\tshift words\n\t(( CURRENT-- ))\n\tcase $command in\n");
	for (size_t i = 0; i < n; i++)
		zsh_command(o, commands[i]);
	sp_out_str(o, "\tesac\n}\n"
	    "if [ \"$funcstack[1]\" = _sallyport ]; then _sallyport \"$@\"; else compdef _sallyport sallyport; fi\n");
}

/* ---------------------------------------------------------------- fish */

static void
fish_text(struct sp_out *o, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '\'' || *text == '\\')
			sp_out_byte(o, '\\');
		sp_out_byte(o, *text);
	}
}

static void
fish_command(struct sp_out *o, const struct sp_command *c)
{
	sp_out_fmt(o, "complete -c sallyport -n __fish_use_subcommand -a %s -d '", c->name);
	fish_text(o, c->text);
	sp_out_str(o, "'\n");
	for (size_t i = 0; i < c->nopts; i++) {
		const struct sp_opt *p = &c->opts[i];

		sp_out_fmt(o, "complete -c sallyport -n '__fish_seen_subcommand_from %s' -l %s", c->name, p->name);
		if (p->letter != 0)
			sp_out_fmt(o, " -s %c", p->letter);
		sp_out_str(o, p->value == NULL ? "\n" : is_file(p->value) ? " -r -F\n" : " -x\n");
	}
	sp_out_fmt(o, "complete -c sallyport -n '__fish_seen_subcommand_from %s' -l help -s h\n", c->name);
	if (c->nops != 0) {
		sp_out_fmt(o, "complete -c sallyport -n '__fish_seen_subcommand_from %s; and not __fish_seen_subcommand_from ", c->name);
		put_ops(o, c);
		sp_out_str(o, "' -a '");
		put_ops(o, c);
		sp_out_str(o, "'\n");
	}
	if (is_file(c->word))
		sp_out_fmt(o, "complete -c sallyport -n '__fish_seen_subcommand_from %s' -F\n", c->name);
}

void
sp_completion_fish(struct sp_out *o, const struct sp_command *const *commands, size_t n)
{
	sp_out_str(o, "# fish completion for sallyport: sallyport completion fish | source\ncomplete -c sallyport -f\n");
	for (size_t i = 0; i < n; i++)
		fish_command(o, commands[i]);
}

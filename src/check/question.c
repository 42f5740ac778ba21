/* From a principal and a component to the message that asks about them. */
#include "check/asker.h"

#include <arpa/inet.h>
#include <sys/socket.h>

static sp_slice
scopes_of(const struct sp_image *img, const struct sp_principal *who, struct sp_out *o)
{
	size_t from = o->n;

	sp_scopes_write(o, img, who->scopes, who->scope_words);
	return sp_sub(sp_out_view(o), from, o->n - from);
}

static sp_slice
tags_of(const struct sp_image *img, const struct sp_principal *who, struct sp_out *o)
{
	size_t from = o->n;

	for (uint32_t i = 0; i < img->head->tags.n; i++)
		if (sp_bit(who->tags, who->tag_words, i))
			sp_text_list_add(o, sp_img_text(img, img->head->tags, i));
	return sp_sub(sp_out_view(o), from, o->n - from);
}

static sp_slice
about(const struct sp_image *img, uint32_t tool, struct sp_out *o)
{
	size_t from = o->n;

	if (tool < img->head->tools.n) {
		const struct sp_img_tool *t = SP_IMG_AT(img, img->head->tools, tool, tool);

		for (uint32_t i = 0; i < t->tags.n; i++)
			sp_text_list_add(o, sp_img_text(img, t->tags, i));
	}
	return sp_sub(sp_out_view(o), from, o->n - from);
}

static bool
is_nobody(const struct sp_image *img, const struct sp_principal *who)
{
	return img->head->anonymous != 0 && who->source == img->head->anonymous - 1;
}

bool
sp_check_question_write(const struct sp_image *img, const struct sp_check_question *q, struct sp_out *o, struct sp_m_check *m)
{
	const struct sp_principal *who = q->who;
	const struct sp_component *c = q->what;

	*m = (struct sp_m_check){ .kind = (uint32_t)q->kind, .expires_s = who->expires_s, .user = who->user,
	    .issuer = who->issuer, .client_id = who->client_id, .peer = q->peer,
	    .source = sp_img_str(img, SP_IMG_AT(img, img->head->sources, source, who->source)->name) };
	/* `o` has all its room from the start, so that what was written stays where it is. */
	m->scopes = scopes_of(img, who, o);
	m->tags = tags_of(img, who, o);
	m->flags = is_nobody(img, who) ? SP_CHECK_NOBODY : 0;
	if (c == NULL) {
		m->flags |= SP_CHECK_LIST;
		return !o->full;
	}
	m->server = sp_img_str(img, SP_IMG_AT(img, img->head->servers, server, c->server)->name);
	m->name = c->name;
	m->about = about(img, q->tool, o);
	if (c->kind == SP_COMPONENT_TOOL && c->write)
		m->flags |= SP_CHECK_WRITES;
	if (q->has_args) {
		m->flags |= SP_CHECK_HAS_ARGS;
		m->args = q->args;
	}
	return !o->full && q->args.n <= SP_CHECK_ARGS_MAX;
}

sp_slice
sp_peer_text(int fd, char buf[SP_PEER_MAX])
{
	union { struct sockaddr any; struct sockaddr_in v4; struct sockaddr_in6 v6; struct sockaddr_storage room; } a = { 0 };
	socklen_t n = sizeof a;
	const char *text = NULL;

	if (getpeername(fd, &a.any, &n) != 0)
		return (sp_slice){ NULL, 0 };
	if (a.any.sa_family == AF_UNIX)
		return SP_LIT("local");
	if (a.any.sa_family == AF_INET)
		text = inet_ntop(AF_INET, &a.v4.sin_addr, buf, SP_PEER_MAX);
	else if (a.any.sa_family == AF_INET6)
		text = inet_ntop(AF_INET6, &a.v6.sin6_addr, buf, SP_PEER_MAX);
	return text == NULL ? (sp_slice){ NULL, 0 } : sp_str(text);
}

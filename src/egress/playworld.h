/* For tests only: the peers of an egress, played.  Included after testworld.h. */
#ifndef SP_EGRESS_PLAYWORLD_H
#define SP_EGRESS_PLAYWORLD_H

#include "egress/testworld.h"

/* Not every test needs all of it. */
#pragma GCC diagnostic ignored "-Wunused-function"

enum { PW_CALLS = 128, PW_CONNS = 80 };

struct pw_reply {
	uint32_t id, total, error, retry, kind;
	char	*text;			/* what came of the result */
	size_t	 n;
	bool	 began, done;
	char	 error_text[256];
};

/* What an egress of an mcp server sends beside answers. */
struct pw_notes {
	struct sp_out items;		/* kind, JSON and LF of each, since the last catalogue */
	struct sp_out catalog;		/* the same of a whole one */
	struct sp_m_catalog last;
	unsigned catalogs, nitems;
	char	 instructions[256];
	struct sp_out notes;		/* id, note and params of each, in lines */
	unsigned nnotes;
};

struct play {
	uv_loop_t loop;
	struct sp_imgb b;
	struct sp_image img;
	struct sp_egress eg;
	struct sp_page page;
	struct sp_ring *ring, *reader;
	struct sp_chan *front, *keeper, *dialer;
	bool	 front_lost, drained, no_dial;
	const char *dial_error;
	int	 up[PW_CONNS];		/* the upstream's ends, in the order they were made */
	unsigned nup, ndial;
	struct pw_reply replies[PW_CALLS];
	unsigned nreplies;
	uint32_t next_id;
	uint64_t credit;		/* given by egress */
	unsigned intents;		/* seen in the audit, without an outcome yet */
	bool	 give_credit;		/* play a front whose client reads */
	uint32_t keys_ok;		/* serial of the last KEYS_OK */
	struct pw_notes notes;
};

static struct pw_reply *
pw_reply(struct play *w, uint32_t id)
{
	for (unsigned i = 0; i < w->nreplies; i++)
		if (w->replies[i].id == id)
			return &w->replies[i];
	assert_true(w->nreplies < PW_CALLS);
	w->replies[w->nreplies] = (struct pw_reply){ .id = id };
	return &w->replies[w->nreplies++];
}

static void
pw_piece(struct play *w, struct pw_reply *r, sp_slice part)
{
	struct sp_m_credit m = { r->id, (uint32_t)part.n };

	assert_true(part.n <= r->total - r->n);
	r->text = realloc(r->text, r->n + part.n + 1);
	assert_non_null(r->text);
	memcpy(r->text + r->n, part.p, part.n);
	r->n += part.n;
	r->text[r->n] = '\0';
	r->done = r->n == r->total;
	if (!w->give_credit || r->done)
		return;
	sp_enc_credit(sp_chan_begin(w->front, SP_M_CREDIT), &m);
	sp_chan_end(w->front);
}

static void
pw_on_item(struct play *w, sp_slice body)
{
	struct sp_m_item m;

	assert_true(sp_dec_item(body, &m));
	sp_out_fmt(&w->notes.items, "%u ", m.kind);
	sp_out_slice(&w->notes.items, m.json);
	sp_out_byte(&w->notes.items, '\n');
	w->notes.nitems++;
}

static void
pw_on_catalog(struct play *w, sp_slice body)
{
	struct pw_notes *n = &w->notes;

	assert_true(sp_dec_catalog(body, &n->last));
	assert_int_equal(n->last.items, n->nitems);
	assert_true(sp_cstr(n->last.instructions, n->instructions, sizeof n->instructions));
	n->catalogs++;
	sp_out_reset(&n->catalog);
	sp_out_slice(&n->catalog, sp_out_view(&n->items));
	sp_out_byte(&n->catalog, '\0');
	sp_out_reset(&n->items);
	n->nitems = 0;
}

static void
pw_on_note(struct play *w, sp_slice body)
{
	struct sp_m_note m;

	assert_true(sp_dec_note(body, &m));
	sp_out_fmt(&w->notes.notes, "%u %u ", m.id, m.note);
	sp_out_slice(&w->notes.notes, m.params);
	sp_out_byte(&w->notes.notes, '\n');
	w->notes.nnotes++;
}

static bool
pw_front_message(void *ctx, struct sp_chan *ch, unsigned type, sp_slice body, const int *fds, unsigned nfds)
{
	struct play *w = ctx;
	struct sp_m_result res;
	struct sp_m_data data;
	struct sp_m_credit credit;
	struct sp_m_call_error err;
	struct pw_reply *r;

	switch (type) {
	case SP_M_RESULT:
		assert_true(sp_dec_result(body, &res));
		r = pw_reply(w, res.id);
		assert_false(r->began);
		r->began = true;
		r->total = res.total;
		r->kind = res.kind;
		pw_piece(w, r, res.part);
		return true;
	case SP_M_DATA:
		assert_true(sp_dec_data(body, &data));
		r = pw_reply(w, data.id);
		assert_true(r->began && !r->done);
		pw_piece(w, r, data.part);
		return true;
	case SP_M_CREDIT:
		assert_true(sp_dec_credit(body, &credit));
		w->credit += credit.bytes;
		return true;
	case SP_M_CALL_ERROR:
		assert_true(sp_dec_call_error(body, &err));
		r = pw_reply(w, err.id);
		assert_false(r->done);
		r->done = true;
		r->error = err.status;
		r->retry = err.retry_after_s;
		assert_true(sp_cstr(err.text, r->error_text, sizeof r->error_text));
		return true;
	case SP_M_ITEM:
		pw_on_item(w, body);
		return true;
	case SP_M_CATALOG:
		pw_on_catalog(w, body);
		return true;
	case SP_M_NOTE:
		pw_on_note(w, body);
		return true;
	default:
		return false;
	}
}

static void
pw_front_closed(void *ctx, struct sp_chan *ch, const char *why)
{
	struct play *w = ctx;

	w->front_lost = true;
	sp_chan_free(&w->front);
}

static bool
pw_keeper_message(void *ctx, struct sp_chan *ch, unsigned type, sp_slice body, const int *fds, unsigned nfds)
{
	struct sp_m_keys_ok m;

	if (type != SP_M_KEYS_OK || !sp_dec_keys_ok(body, &m))
		return false;
	((struct play *)ctx)->keys_ok = m.serial;
	return true;
}

static void
pw_keeper_closed(void *ctx, struct sp_chan *ch, const char *why)
{
	sp_chan_free(&((struct play *)ctx)->keeper);
}

static void
pw_dialer_closed(void *ctx, struct sp_chan *ch, const char *why)
{
	sp_chan_free(&((struct play *)ctx)->dialer);
}

static void
pw_dialed(struct play *w, uint32_t id)
{
	struct sp_m_dialed m = { id, SP_LIT("127.0.0.1:8080") };
	char buf[64];
	struct sp_out o;
	int sv[2];

	assert_true(w->nup < PW_CONNS);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sv), 0);
	w->up[w->nup++] = sv[0];
	sp_out_init(&o, buf, sizeof buf);
	sp_enc_dialed(&o, &m);
	assert_int_equal(sp_chan_send(w->dialer, SP_M_DIALED, sp_out_view(&o), &sv[1], 1), SP_OK);
	close(sv[1]);
}

static bool
pw_dialer_message(void *ctx, struct sp_chan *ch, unsigned type, sp_slice body, const int *fds, unsigned nfds)
{
	struct play *w = ctx;
	struct sp_m_dial m;
	struct sp_m_dial_error e = { .status = SP_E_UPSTREAM };
	char buf[256];
	struct sp_out o;

	assert_true(type == SP_M_DIAL && sp_dec_dial(body, &m));
	w->ndial++;
	if (w->no_dial)
		return true;
	if (w->dial_error == NULL) {
		pw_dialed(w, m.id);
		return true;
	}
	e.id = m.id;
	e.text = sp_str(w->dial_error);
	sp_out_init(&o, buf, sizeof buf);
	sp_enc_dial_error(&o, &e);
	assert_int_equal(sp_chan_send(w->dialer, SP_M_DIAL_ERROR, sp_out_view(&o), NULL, 0), SP_OK);
	return true;
}

static void
pw_turn(struct play *w, unsigned n)
{
	while (n-- > 0)
		uv_run(&w->loop, UV_RUN_NOWAIT);
}

/* --- joining */

static void
pw_join(struct play *w, enum sp_role role, enum sp_chan_kind kind, const struct sp_chan_ops *ops, struct sp_chan **ch)
{
	int sv[2], type = kind == SP_CHAN_STREAM ? SOCK_STREAM : SOCK_SEQPACKET;

	sp_chan_free(ch);
	assert_int_equal(socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sv), 0);
	assert_int_equal(sp_chan_new(&w->loop, sv[0], kind, role, SP_EGRESS, ops, w, ch), SP_OK);
	assert_int_equal(sp_egress_peer(&w->eg, role, 0, sv[1]), SP_OK);
}

static void
pw_front(struct play *w)
{
	static const struct sp_chan_ops ops = { pw_front_message, pw_front_closed };

	w->front_lost = false;
	pw_join(w, SP_FRONT, SP_CHAN_STREAM, &ops, &w->front);
}

static void
pw_keeper(struct play *w)
{
	static const struct sp_chan_ops ops = { pw_keeper_message, pw_keeper_closed };

	pw_join(w, SP_KEEPER, SP_CHAN_STREAM, &ops, &w->keeper);
}

static void
pw_dialer(struct play *w)
{
	static const struct sp_chan_ops ops = { pw_dialer_message, pw_dialer_closed };

	pw_join(w, SP_DIALER, SP_CHAN_PACKET, &ops, &w->dialer);
}

static void
pw_secret(struct play *w, uint32_t grant, sp_slice value)
{
	struct sp_m_secret m = { grant, value };

	sp_enc_secret(sp_chan_begin(w->keeper, SP_M_SECRET), &m);
	sp_chan_end(w->keeper);
}

static void
pw_token_of(struct play *w, const char *token, const char *name)
{
	struct sp_m_token m = { .expires_s = INT64_MAX, .name = sp_str(name), .client_id = SP_LIT("c") };

	sp_sha256(sp_str(token), m.hash);
	sp_enc_token(sp_chan_begin(w->keeper, SP_M_TOKEN_PUT), &m);
	sp_chan_end(w->keeper);
}

static void
pw_token(struct play *w, const char *token)
{
	pw_token_of(w, token, "reader");
}

static void
pw_empty(struct play *w, enum sp_msg type)
{
	(void)sp_chan_begin(w->keeper, type);
	sp_chan_end(w->keeper);
}

static void
pw_sync(struct play *w)
{
	pw_token(w, TW_TOKEN);
	for (uint32_t g = 0; g < G_COUNT; g++)
		pw_secret(w, g, g == G_BASIC ? SP_LIT("user:correct-horse") : g == G_BEARER ? SP_LIT(TW_KEY2) : SP_LIT(TW_KEY));
	pw_empty(w, SP_M_TOKEN_SYNC);
	pw_empty(w, SP_M_SECRET_SYNC);
	pw_turn(w, 4);
}

static void
pw_on_done(void *ctx)
{
	((struct play *)ctx)->drained = true;
}

static void
pw_ring(struct play *w)
{
	char dir[] = "/tmp/sp-egress-test-XXXXXX";
	struct sp_err e = { 0 };
	int dirfd, fd = -1;

	assert_non_null(mkdtemp(dir));
	dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(dirfd >= 0);
	if (sp_ring_create(dirfd, "ring", &fd, &e) != SP_OK || sp_ring_map_writer(fd, &w->ring, &e) != SP_OK ||
	    sp_ring_map_reader(fd, &w->reader, &e) != SP_OK)
		fail_msg("ring: %s", e.log);
	close(fd);
	assert_int_equal(unlinkat(dirfd, "ring", 0), 0);
	close(dirfd);
	assert_int_equal(rmdir(dir), 0);
}

static void
pw_start_with(struct play *w, struct sp_tls_context *tls, void (*image)(struct sp_imgb *b, struct sp_image *img))
{
	struct sp_err e = { 0 };

	memset(w, 0, sizeof *w);
	sp_out_heap(&w->notes.items, 64 << 20);
	sp_out_heap(&w->notes.catalog, 64 << 20);
	sp_out_heap(&w->notes.notes, 64 << 20);
	image(&w->b, &w->img);
	if (tls != NULL)
		((struct sp_img_server *)(uintptr_t)SP_IMG_AT(&w->img, w->img.head->servers, server, 0))->https = 1;
	assert_int_equal(uv_loop_init(&w->loop), 0);
	pw_ring(w);
	w->give_credit = true;
	if (sp_egress_init(&w->eg, &(struct sp_egress_config){ .loop = &w->loop, .img = &w->img, .index = 0,
	    .incarnation = 1, .ring = w->ring, .page = &w->page, .seed = { { 1, 2 } }, .tls = tls, .done = pw_on_done,
	    .ctx = w }, &e) != SP_OK)
		fail_msg("egress: %s", e.log);
	pw_front(w);
	pw_keeper(w);
	pw_dialer(w);
}

static void
pw_start(struct play *w, struct sp_tls_context *tls)
{
	pw_start_with(w, tls, tw_image);
}

static void
pw_open(struct play *w)
{
	pw_start(w, NULL);
	pw_sync(w);
}

static void
pw_close(struct play *w)
{
	sp_egress_free(&w->eg);
	sp_chan_free(&w->front);
	sp_chan_free(&w->keeper);
	sp_chan_free(&w->dialer);
	for (unsigned i = 0; i < w->nup; i++)
		if (w->up[i] >= 0)
			close(w->up[i]);
	for (unsigned i = 0; i < w->nreplies; i++)
		free(w->replies[i].text);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&w->loop), 0);
	sp_ring_free(&w->ring);
	sp_ring_free(&w->reader);
	sp_imgb_free(&w->b);
	sp_out_free(&w->notes.items);
	sp_out_free(&w->notes.catalog);
	sp_out_free(&w->notes.notes);
}

/* --- calling */

static uint32_t
pw_call_full(struct play *w, uint32_t tool, const char *token, sp_slice args, size_t first, uint32_t ms)
{
	struct sp_m_call m = { .id = ++w->next_id, .tool = tool, .deadline_ms = ms, .args_total = (uint32_t)args.n,
	    .token = sp_str(token), .args = sp_sub(args, 0, first) };

	sp_enc_call(sp_chan_begin(w->front, SP_M_CALL), &m);
	sp_chan_end(w->front);
	pw_turn(w, 6);
	return m.id;
}

static uint32_t
pw_call(struct play *w, uint32_t tool)
{
	return pw_call_full(w, tool, TW_TOKEN, SP_LIT("{\"id\":\"7\"}"), SIZE_MAX, 30000);
}

/* What the upstream's n-th connection has received since the last look. */
static sp_slice
pw_heard(struct play *w, unsigned n)
{
	static char buf[1 << 17];
	ssize_t r;

	assert_true(n < w->nup);
	r = recv(w->up[n], buf, sizeof buf - 1, MSG_DONTWAIT);
	if (r < 0)
		return (sp_slice){ "", 0 };
	buf[r] = '\0';
	return sp_mem(buf, (size_t)r);
}

static bool
pw_is_closed(struct play *w, unsigned n)
{
	char c;

	ssize_t r = recv(w->up[n], &c, 1, MSG_DONTWAIT | MSG_PEEK);

	return r == 0 || (r < 0 && errno == ECONNRESET);
}

static void
pw_say(struct play *w, unsigned n, sp_slice text)
{
	while (text.n != 0) {
		ssize_t r = send(w->up[n], text.p, text.n, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (r < 0 && errno != EAGAIN)
			return;
		if (r > 0)
			sp_advance(&text, (size_t)r);
		pw_turn(w, 2);
	}
	pw_turn(w, 6);
}

static void
pw_answer(struct play *w, unsigned n, const char *body)
{
	char head[256];

	assert_true(pw_heard(w, n).n != 0);
	(void)snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
	    strlen(body));
	pw_say(w, n, sp_str(head));
	pw_say(w, n, sp_str(body));
}

static void
pw_hang_up(struct play *w, unsigned n)
{
	close(w->up[n]);
	w->up[n] = -1;
	pw_turn(w, 6);
}

static const char *
pw_text(struct play *w, uint32_t id)
{
	struct pw_reply *r = pw_reply(w, id);

	return r->done && r->text != NULL ? r->text : "(no result)";
}

/* The next record of the audit, oldest first. */
static bool
pw_record(struct play *w, struct sp_audit_record *r)
{
	if (!sp_ring_peek(w->reader, r))
		return false;
	sp_ring_advance(w->reader);
	return true;
}

/* --- judging */

static void
want_text(const char *name, struct play *w, uint32_t id, const char *part)
{
	if (strstr(pw_text(w, id), part) == NULL)
		fail_msg("%s: %.300s (error %u)", name, pw_text(w, id), pw_reply(w, id)->error);
}

static void
want_error(const char *name, struct play *w, uint32_t id, const char *part)
{
	want_text(name, w, id, part);
	want_text(name, w, id, "\"isError\":true");
}

static void
want_outcome(const char *name, struct play *w, uint32_t outcome, unsigned status)
{
	struct sp_audit_record r = { 0 };

	while (pw_record(w, &r)) {
		w->intents += r.kind == SP_AUDIT_INTENT;
		if (r.kind != SP_AUDIT_OUTCOME)
			continue;
		if (w->intents-- == 0 || r.outcome != outcome || r.status != status)
			fail_msg("%s: outcome %u status %u", name, r.outcome, r.status);
		assert_string_equal(r.user, "reader");
		assert_string_equal(r.source, "static");
		assert_true(sp_eq(sp_str(r.server), sp_img_str(&w->img, w->eg.server->name)));
		assert_int_equal(r.rule_line, 12);
		return;
	}
	fail_msg("%s: no outcome", name);
}

static bool
saw_incident(struct play *w)
{
	struct sp_audit_record r;
	bool seen = false;

	while (pw_record(w, &r))
		seen = seen || r.kind == SP_AUDIT_INCIDENT;
	return seen;
}

#endif

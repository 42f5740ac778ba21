/*
 * Files of the audit rings, ring/ROLE-INDEX-GENERATION-INCARNATION in the state folder.  A name says whose records
 * are inside, so that what the run before left unread is still told to keeper as what it is.
 */
#include "super/super_int.h"

#include "base/log.h"
#include "os/ring.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { NAME_MAX_BYTES = 64, OLD_MAX = 256, SCAN_MAX = 4096 };

static void
put_name(char *buf, const struct sp_m_peer *who)
{
	(void)snprintf(buf, NAME_MAX_BYTES, "%s-%u-%u-%u", sp_role_name((enum sp_role)who->role), who->index,
	    who->generation, who->incarnation);
}

static bool
read_name(const char *name, struct sp_m_peer *who)
{
	sp_slice in = sp_str(name), role;
	uint64_t v[3];

	if (!sp_take_to(&in, '-', &role))
		return false;
	for (size_t i = 0; i < SP_COUNT(v); i++)
		if ((i > 0 && !sp_take(&in, SP_LIT("-"))) || !sp_take_u64(&in, UINT32_MAX, &v[i]))
			return false;
	if (in.n != 0 || (!sp_eq(role, SP_LIT("front")) && !sp_eq(role, SP_LIT("egress"))))
		return false;
	*who = (struct sp_m_peer){ sp_eq(role, SP_LIT("front")) ? SP_FRONT : SP_EGRESS, (uint32_t)v[0],
	    (uint32_t)v[1], (uint32_t)v[2] };
	return true;
}

/* Read to the end by keeper?  *ok false: not a ring that we understand. */
static bool
is_read(int fd, bool *ok)
{
	struct sp_audit_record rec;
	struct sp_ring *r = NULL;
	struct sp_err e = { 0 };
	bool done;

	*ok = sp_ring_map_reader(fd, &r, &e) == SP_OK;
	if (!*ok)
		return false;
	done = !sp_ring_peek(r, &rec);
	sp_ring_free(&r);
	return done;
}

static bool
keep(struct sp_super *s, const struct sp_m_peer *who, int fd, const char *name)
{
	struct sp_oldring *o = calloc(1, sizeof *o);

	if (o == NULL || !sp_cstr(sp_str(name), o->name, sizeof o->name)) {
		free(o);
		return false;
	}
	o->who = *who;
	o->fd = fd;
	o->next = s->oldrings;
	s->oldrings = o;
	return true;
}

static void
take_old(struct sp_super *s, const char *name)
{
	struct sp_m_peer who;
	bool ok;
	int fd;

	if (!read_name(name, &who))
		return;
	fd = openat(s->ring_dir, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return;
	if (is_read(fd, &ok)) {
		(void)unlinkat(s->ring_dir, name, 0);
		close(fd);
	} else if (!ok) {
		sp_log(SP_WARN, "ring.unreadable", SP_C("file", name));
		close(fd);
	} else if (!keep(s, &who, fd, name)) {
		close(fd);
	}
}

enum sp_status
sp_rings_find(struct sp_super *s, struct sp_err *e)
{
	int copy = openat(s->ring_dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;

	if (d == NULL) {
		if (copy >= 0)
			close(copy);
		return sp_fail(e, SP_E_SYSTEM, NULL, "the folder of audit rings cannot be read (error %d)", errno);
	}
	for (int i = 0; i < SCAN_MAX && (entry = readdir(d)) != NULL; i++)
		take_old(s, entry->d_name);
	closedir(d);
	return SP_OK;
}

enum sp_status
sp_rings_give(struct sp_proc *p, struct sp_err *e)
{
	struct sp_super *s = p->s;
	char name[NAME_MAX_BYTES], old[NAME_MAX_BYTES];
	struct sp_m_peer who;
	enum sp_status st;

	sp_proc_who(p, &who);
	put_name(name, &who);
	if (p->ring < 0) {
		st = sp_ring_create(s->ring_dir, name, &p->ring, e);
		if (st == SP_OK)
			p->ring_incarnation = p->incarnation;
		return st;
	}
	who.incarnation = p->ring_incarnation;
	put_name(old, &who);
	if (renameat(s->ring_dir, old, s->ring_dir, name) != 0)
		return sp_fail(e, SP_E_SYSTEM, NULL, "an audit ring cannot be renamed (error %d)", errno);
	p->ring_incarnation = p->incarnation;
	return SP_OK;
}

void
sp_rings_retire(struct sp_proc *p)
{
	struct sp_m_peer who;
	char name[NAME_MAX_BYTES];

	if (p->ring < 0)
		return;
	sp_proc_who(p, &who);
	who.incarnation = p->ring_incarnation;
	put_name(name, &who);
	if (!keep(p->s, &who, p->ring, name))
		close(p->ring);		/* its file stays; the next run finds it */
	p->ring = -1;
}

static void
tell(struct sp_super *s, const struct sp_m_peer *who, int fd, bool dead)
{
	char buf[16];
	struct sp_out o;

	sp_out_init(&o, buf, sizeof buf);
	sp_enc_peer(&o, who);
	if (sp_proc_says(&s->keeper, SP_M_RING, sp_out_view(&o), &fd, 1) && dead)
		(void)!sp_proc_says(&s->keeper, SP_M_GONE, sp_out_view(&o), NULL, 0);
}

void
sp_rings_tell(struct sp_super *s)
{
	uint32_t n = 0;

	/* The dead first: the living follow them in the same places. */
	for (struct sp_oldring *o = s->oldrings; o != NULL && n < OLD_MAX; o = o->next, n++)
		tell(s, &o->who, o->fd, true);
	for (struct sp_gen *g = s->gens; g != NULL; g = g->next)
		for (uint32_t i = 0; i < g->nprocs; i++) {
			struct sp_proc *p = &g->procs[i];
			struct sp_m_peer who;

			if (p->ring < 0)
				continue;
			sp_proc_who(p, &who);
			who.incarnation = p->ring_incarnation;
			tell(s, &who, p->ring, p->pid == 0);
		}
}

void
sp_rings_sweep(struct sp_super *s)
{
	struct sp_oldring **at = &s->oldrings;
	bool ok;

	while (*at != NULL) {
		struct sp_oldring *o = *at;

		if (!is_read(o->fd, &ok) && ok) {
			at = &o->next;
			continue;
		}
		(void)unlinkat(s->ring_dir, o->name, 0);
		close(o->fd);
		*at = o->next;
		free(o);
	}
}

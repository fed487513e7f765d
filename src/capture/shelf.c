/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/shelf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct entry {
	char *name;
	struct stat st;
};

struct list {
	struct entry *at;
	size_t n, room;
	uint64_t bytes;
	bool failed; // no memory
	const struct stat *present;
};

static bool is_same(const struct stat *a, const struct stat *b)
{
	return b && a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static void note(void *arg, const char *made, const struct stat *st)
{
	struct list *const l = arg;

	l->bytes += (uint64_t)st->st_size;
	if (is_same(st, l->present))
		return;
	if (l->n == l->room) {
		const size_t room = l->room ? 2 * l->room : 64;
		struct entry *const at = realloc(l->at, room * sizeof(*at));

		l->failed |= !at;
		if (!at)
			return;
		l->at = at;
		l->room = room;
	}
	l->at[l->n].name = strdup(made);
	l->at[l->n].st = *st;
	l->failed |= !l->at[l->n].name;
	l->n += l->at[l->n].name != NULL;
}

/* The oldest first. */
static int compare(const void *a, const void *b)
{
	const struct entry *const x = a, *const y = b;
	const struct timespec *const s = &x->st.st_mtim, *const t = &y->st.st_mtim;

	if (s->tv_sec != t->tv_sec)
		return s->tv_sec < t->tv_sec ? -1 : 1;
	if (s->tv_nsec != t->tv_nsec)
		return s->tv_nsec < t->tv_nsec ? -1 : 1;
	return strcmp(x->name, y->name);
}

int hm_shelf_tidy(const struct hm_shelf *shelf, const struct hm_output *o,
		  const struct stat *present, time_t now)
{
	struct list l = {.present = present};
	int removed = hm_output_list(o, note, &l);

	if (removed == 0 && l.failed)
		removed = -ENOMEM;
	if (removed == 0 && l.n > 0)
		qsort(l.at, l.n, sizeof(*l.at), compare);
	for (size_t i = 0; i < l.n && removed >= 0; i++) {
		const struct entry *const e = &l.at[i];
		const bool old =
			shelf->keep_s && e->st.st_mtim.tv_sec + (int64_t)shelf->keep_s < now;
		const bool much = shelf->keep_bytes && l.bytes > shelf->keep_bytes;
		int code;

		if (!old && !much)
			break;
		code = hm_output_remove(o, e->name, &e->st);
		if (code == 0 || code == -ENOENT)
			l.bytes -= (uint64_t)e->st.st_size;
		removed = code == 0 ? removed + 1 : code == -ENOENT ? removed : code;
	}
	for (size_t i = 0; i < l.n; i++)
		free(l.at[i].name);
	free(l.at);
	return removed;
}

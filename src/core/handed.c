/* SPDX-License-Identifier: BSD-3-Clause */
/* handed: see handed.h. Rights of the file system are a thread's own in Linux, but libc's setgroups() changes
 * those of all threads: hence system calls. */
#include "core/handed.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define GROUPS_MAX   1024
#define CLOSER_STACK (64 * 1024)

struct hm_handed {
	_Atomic unsigned refs;
	int fd;
	uid_t uid;
	gid_t gid;
	int n_groups;
	gid_t groups[];
};

/* --- closing --- */

static void *close_it(void *fd)
{
	close((int)(intptr_t)fd);
	return NULL;
}

static void close_aside(int fd)
{
	pthread_attr_t a;
	pthread_t thread;
	int failed;

	pthread_attr_init(&a);
	pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&a, CLOSER_STACK);
	failed = pthread_create(&thread, &a, close_it, (void *)(intptr_t)fd);
	pthread_attr_destroy(&a);
	if (failed)
		close(fd);
}

/* --- one --- */

/* Who is at the other end, as the kernel says. */
static int identify(int sock, struct ucred *who, gid_t groups[GROUPS_MAX], int *n_groups)
{
	socklen_t n = sizeof(*who), bytes = GROUPS_MAX * sizeof(gid_t);

	if (sock < 0) {
		*who = (struct ucred){.uid = geteuid(), .gid = getegid()};
		*n_groups = getgroups(GROUPS_MAX, groups);
		return *n_groups < 0 ? -errno : 0;
	}
	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, who, &n) < 0 ||
	    getsockopt(sock, SOL_SOCKET, SO_PEERGROUPS, groups, &bytes) < 0)
		return -errno;
	*n_groups = (int)(bytes / sizeof(gid_t));
	return 0;
}

struct hm_handed *hm_handed_create(int fd, int sock)
{
	gid_t groups[GROUPS_MAX];
	struct hm_handed *h = NULL;
	struct ucred who;
	int n = 0;

	if (identify(sock, &who, groups, &n) == 0)
		h = calloc(1, sizeof(*h) + (size_t)n * sizeof(gid_t));
	if (!h) {
		close_aside(fd);
		return NULL;
	}
	h->refs = 1;
	h->fd = fd;
	h->uid = who.uid;
	h->gid = who.gid;
	h->n_groups = n;
	memcpy(h->groups, groups, (size_t)n * sizeof(gid_t));
	return h;
}

struct hm_handed *hm_handed_get(struct hm_handed *h)
{
	if (h)
		atomic_fetch_add_explicit(&h->refs, 1, memory_order_relaxed);
	return h;
}

void hm_handed_put(struct hm_handed *h)
{
	// acquire and release: whoever frees it sees all that others did with it
	if (!h || atomic_fetch_sub_explicit(&h->refs, 1, memory_order_acq_rel) > 1)
		return;
	close_aside(h->fd);
	free(h);
}

int hm_handed_fd(const struct hm_handed *h)
{
	return h->fd;
}

/* --- lists --- */

bool hm_handed_move(struct hm_handed_list *to, struct hm_handed_list *from)
{
	bool all = to->n + from->n <= HM_HANDED_MAX;

	for (unsigned i = 0; i < from->n; i++)
		if (to->n < HM_HANDED_MAX)
			to->at[to->n++] = from->at[i];
		else
			hm_handed_put(from->at[i]);
	from->n = 0;
	return all;
}

struct hm_handed *hm_handed_take(struct hm_handed_list *l)
{
	struct hm_handed *first = l && l->n ? l->at[0] : NULL;

	if (first)
		memmove(l->at, l->at + 1, --l->n * sizeof(*l->at));
	return first;
}

void hm_handed_clear(struct hm_handed_list *l)
{
	while (l->n)
		hm_handed_put(l->at[--l->n]);
}

/* --- acting in a client's name --- */

static bool is_own(const struct hm_handed *h)
{
	return !h || h->uid == geteuid();
}

void hm_rights_leave(const struct hm_rights *own)
{
	if (own->n_groups < 0)
		return;
	setfsuid(own->uid);
	setfsgid(own->gid);
	syscall(SYS_setgroups, (size_t)own->n_groups, own->groups);
}

int hm_rights_enter(struct hm_rights *own, const struct hm_handed *h)
{
	own->n_groups = -1;
	if (is_own(h))
		return 0;
	own->uid = geteuid();
	own->gid = getegid();
	own->n_groups = getgroups(GROUPS_MAX, own->groups);
	if (own->n_groups < 0)
		return -errno;
	if (syscall(SYS_setgroups, (size_t)h->n_groups, h->groups) < 0) {
		int code = errno;

		own->n_groups = -1;
		return -code;
	}
	setfsgid(h->gid);
	setfsuid(h->uid);
	// they tell no failure: an impossible id changes nothing and tells the one in force
	if ((uid_t)setfsuid((uid_t)-1) == h->uid && (gid_t)setfsgid((gid_t)-1) == h->gid)
		return 0;
	hm_rights_leave(own);
	return -EPERM;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* handed: descriptors that clients pass over the control socket (SCM_RIGHTS), and in whose name things are done
 * with them. A client opens a file or a folder with its own rights; what the daemon then makes in the folder it
 * makes with the client's rights, too, though it may be root.
 *
 * Counted references; get and put from any thread.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#define HM_HANDED_MAX 8 // with one line

struct hm_handed;

/* What came with one line and has not been taken yet. */
struct hm_handed_list {
	unsigned n;
	struct hm_handed *at[HM_HANDED_MAX];
};

/* Takes over fd, also where it fails. Whoever is at the other end of the Unix socket `sock` has passed it; -1: this
 * process itself. NULL: no memory, or the kernel does not say who that is. */
struct hm_handed *hm_handed_create(int fd, int sock);
struct hm_handed *hm_handed_get(struct hm_handed *h); // NULL is allowed
/* The last one closes fd. Never waits: closing a file of a network or FUSE file system may. NULL is allowed. */
void hm_handed_put(struct hm_handed *h);
int hm_handed_fd(const struct hm_handed *h); // stays its own

/* All of `from` to the end of `to`; what has no room there is given back. False: some had none. */
bool hm_handed_move(struct hm_handed_list *to, struct hm_handed_list *from);
/* The first, whose reference is the caller's now; NULL: there is none. */
struct hm_handed *hm_handed_take(struct hm_handed_list *l);
void hm_handed_clear(struct hm_handed_list *l);

/* The rights of a thread while it acts in a client's name. */
struct hm_rights {
	uid_t uid;
	gid_t gid;
	int n_groups; // -1: nothing was changed
	gid_t groups[1024];
};

/* From here on this thread opens and removes files with the rights of whoever passed h, until hm_rights_leave().
 * NULL: with the daemon's own. 0, or a negative errno: the daemon, not being root, can act for its own user only. */
int hm_rights_enter(struct hm_rights *own, const struct hm_handed *h);
void hm_rights_leave(const struct hm_rights *own);

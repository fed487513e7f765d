/* SPDX-License-Identifier: BSD-3-Clause */
/* socket: the listening end of the control socket in the file system. */
#pragma once

#include <sys/types.h>

#include "core/error.h"

struct hm_socket {
	int fd;
	dev_t device; // of the file, to remove none but our own
	ino_t inode;
};

/* Makes the folder (0755) if it is missing, removes a socket that nobody answers, binds with `mode`
 * and listens. 0 or a negative errno with err. */
int hm_socket_listen(struct hm_socket *s, const char *path, mode_t mode, struct hm_error *err);
/* Removes the file, if it is still ours, and closes. */
void hm_socket_close(struct hm_socket *s, const char *path);

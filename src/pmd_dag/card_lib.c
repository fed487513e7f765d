/* SPDX-License-Identifier: BSD-3-Clause */
/* Opening a card library, by the rule that EAL has for its own plug-ins: nobody else may swap it. */
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include <rte_errno.h>

#include "card.h"

static int
check_path(const char *path, char *why, size_t size)
{
	char real[PATH_MAX], *slash;
	struct stat st;
	int ret;

	if (path[0] != '/') {
		snprintf(why, size, "want a plain file name or an absolute path");
		return -EINVAL;
	}
	if (realpath(path, real) == NULL) {
		ret = -errno;
		snprintf(why, size, "%s", strerror(-ret));
		return ret;
	}
	do {
		if (stat(real[0] != '\0' ? real : "/", &st) < 0) {
			ret = -errno;
			snprintf(why, size, "%s: %s", real, strerror(-ret));
			return ret;
		}
		if (st.st_mode & S_IWOTH) {
			snprintf(why, size, "%s is world-writable, refused", real);
			return -EPERM;
		}
		slash = strrchr(real, '/');
		if (slash != NULL)
			*slash = '\0';
	} while (slash != NULL);
	return 0;
}

void *
card_lib_open(const char *path, char *why, size_t size)
{
	void *handle;
	int ret;

	if (strchr(path, '/') != NULL) {
		ret = check_path(path, why, size);
		if (ret < 0) {
			rte_errno = -ret;
			return NULL;
		}
	}
	handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (handle == NULL) {
		snprintf(why, size, "%s", dlerror());
		rte_errno = ENOENT;
	}
	return handle;
}

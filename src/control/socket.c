/* SPDX-License-Identifier: BSD-3-Clause */
/* socket: see socket.h. */
#include "control/socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 512

static int make_folder(const char *path, struct hm_error *err)
{
	char folder[sizeof(((struct sockaddr_un *)0)->sun_path)];
	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		if (slash == path)
			continue;
		memcpy(folder, path, (size_t)(slash - path));
		folder[slash - path] = '\0';
		if (mkdir(folder, 0755) < 0 && errno != EEXIST)
			return hm_error_set(err, -errno, 0,
					    "control socket %s: cannot make its folder %s: %s",
					    path, folder, strerror(errno));
	}
	return 0;
}

/* Removes what an ended daemon left at `path`; refuses to touch anything else. */
static int clear_stale(const char *path, const struct sockaddr_un *a, struct hm_error *err)
{
	struct stat st;
	if (lstat(path, &st) < 0)
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return hm_error_set(err, -EEXIST, 0,
				    "control socket %s: there is a file that is no socket; remove "
				    "it or choose another path",
				    path);
	int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (probe < 0)
		return hm_error_set(err, -errno, 0, "cannot make a socket: %s", strerror(errno));
	int refused = connect(probe, (const struct sockaddr *)a, sizeof(*a)) < 0 ? errno : 0;
	close(probe);
	if (refused != ECONNREFUSED && refused != ENOENT)
		return hm_error_set(err, -EADDRINUSE, 0,
				    "control socket %s: another daemon answers there; stop it or "
				    "choose another path",
				    path);
	if (unlink(path) < 0 && errno != ENOENT)
		return hm_error_set(err, -errno, 0,
				    "control socket %s: cannot remove the one an ended daemon "
				    "left: %s",
				    path, strerror(errno));
	return 0;
}

int hm_socket_listen(struct hm_socket *s, const char *path, mode_t mode, struct hm_error *err)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	struct stat st;
	s->fd = -1;
	if (strlen(path) >= sizeof(a.sun_path))
		return hm_error_set(err, -ENAMETOOLONG, 0,
				    "control socket %s: longer than %zu bytes", path,
				    sizeof(a.sun_path) - 1);
	memcpy(a.sun_path, path, strlen(path));
	int done = make_folder(path, err);
	if (done == 0)
		done = clear_stale(path, &a, err);
	if (done < 0)
		return done;
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t mask = umask(0177); // nobody else may connect before the rights are set
	int bound = s->fd < 0 ? -1 : bind(s->fd, (struct sockaddr *)&a, sizeof(a));
	int cause = errno;
	umask(mask);
	if (bound == 0 &&
	    (chmod(path, mode) < 0 || lstat(path, &st) < 0 || listen(s->fd, BACKLOG) < 0)) {
		cause = errno;
		unlink(path);
		bound = -1;
	}
	if (bound < 0) {
		if (s->fd >= 0)
			close(s->fd);
		s->fd = -1;
		return hm_error_set(err, -cause, 0, "control socket %s: %s", path, strerror(cause));
	}
	s->device = st.st_dev;
	s->inode = st.st_ino;
	return 0;
}

void hm_socket_close(struct hm_socket *s, const char *path)
{
	struct stat st;
	if (s->fd < 0)
		return;
	if (lstat(path, &st) == 0 && st.st_dev == s->device && st.st_ino == s->inode)
		unlink(path);
	close(s->fd);
	s->fd = -1;
}

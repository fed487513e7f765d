/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/output.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/handed.h"

#define FILE_ERROR 6155 // MAPI: a file cannot be opened
#define AGAIN_MAX  1000000
#define FILE_MODE  0640
#define BENEATH    (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)

struct hm_output {
	char *name;
	struct hm_handed *handed; // NULL: the folder is the configuration's
	int folder;               // -1: a file was passed
	bool opened;              // the file that was passed
};

/* --- what was passed --- */

/* Type and mode without asking a file system that is slow, or made to be slow. */
static int look_at(int fd, struct statx *st)
{
	return statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, st);
}

/* /dev/null: the one device that may be written to. */
static bool is_null_device(const struct statx *st)
{
	return S_ISCHR(st->stx_mode) && st->stx_rdev_major == 1 && st->stx_rdev_minor == 3;
}

static int check_file(int fd, const struct statx *st, const char *name, struct hm_error *err)
{
	const int flags = fcntl(fd, F_GETFL);

	if (!S_ISREG(st->stx_mode) && !is_null_device(st))
		return hm_error_set(
			err, -EINVAL, FILE_ERROR,
			"\"%s\": the descriptor passed is of neither a regular file nor "
			"a folder (nor /dev/null)",
			name);
	if (flags < 0 || (flags & O_PATH) || (flags & O_ACCMODE) == O_RDONLY)
		return hm_error_set(err, -EBADF, FILE_ERROR,
				    "\"%s\": the descriptor passed is not open for writing", name);
	if (flags & O_APPEND)
		return hm_error_set(err, -EINVAL, FILE_ERROR,
				    "\"%s\": the descriptor passed was opened with O_APPEND, which "
				    "does not go with writing at a place",
				    name);
	return 0;
}

static int take_handed(struct hm_output *o, struct hm_handed *h, struct hm_error *err)
{
	const int fd = hm_handed_fd(h);
	struct hm_rights own;
	struct statx st;
	int code;

	if (look_at(fd, &st) < 0)
		return hm_error_set(err, -errno, FILE_ERROR, "\"%s\": the descriptor passed: %s",
				    o->name, strerror(errno));
	if (!S_ISDIR(st.stx_mode)) {
		code = check_file(fd, &st, o->name, err);
	} else {
		o->folder = fd;
		code = hm_output_name_check(o->name, err);
		if (code == 0 && hm_rights_enter(&own, h) < 0)
			code = hm_error_set(err, -EPERM, FILE_ERROR,
					    "\"%s\": the daemon does not run as root and can make "
					    "files for its own user only: pass a file instead of a "
					    "folder",
					    o->name);
		else if (code == 0)
			hm_rights_leave(&own);
	}
	if (code == 0)
		o->handed = hm_handed_get(h);
	return code;
}

/* --- the folder of the configuration --- */

static int take_configured(struct hm_output *o, const struct hm_apply_ctx *ctx,
			   struct hm_error *err)
{
	if (!ctx->administrator)
		return hm_error_set(err, -EACCES, FILE_ERROR,
				    "\"%s\": pass a descriptor of the file, or of its folder: only "
				    "administrators name files below capture.dir",
				    o->name);
	if (!ctx->capture_dir || !ctx->capture_dir[0])
		return hm_error_set(err, -ENOENT, FILE_ERROR,
				    "\"%s\": the configuration has no folder for files "
				    "(capture.dir), and no descriptor was passed",
				    o->name);
	if (hm_output_name_check(o->name, err) < 0)
		return -EINVAL;
	o->folder = open(ctx->capture_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (o->folder < 0)
		return hm_error_set(err, -errno, FILE_ERROR, "capture.dir \"%s\": %s",
				    ctx->capture_dir, strerror(errno));
	return 0;
}

/* --- life --- */

struct hm_output *hm_output_create(const char *name, const struct hm_apply_ctx *ctx,
				   struct hm_error *err)
{
	struct hm_output *o = calloc(1, sizeof(*o));
	int code;

	if (o)
		o->name = strdup(name);
	if (!o || !o->name) {
		free(o);
		hm_error_set(err, -ENOMEM, 3084, "out of memory");
		errno = ENOMEM;
		return NULL;
	}
	o->folder = -1;
	code = ctx->handed ? take_handed(o, ctx->handed, err) : take_configured(o, ctx, err);
	if (code == 0)
		return o;
	if (!o->handed && ctx->handed)
		o->folder = -1; // the client's, not ours to close
	hm_output_destroy(o);
	errno = -code;
	return NULL;
}

void hm_output_destroy(struct hm_output *o)
{
	if (!o)
		return;
	if (!o->handed && o->folder >= 0)
		close(o->folder);
	hm_handed_put(o->handed);
	free(o->name);
	free(o);
}

bool hm_output_is_file(const struct hm_output *o)
{
	return o->folder < 0;
}

const char *hm_output_name(const struct hm_output *o)
{
	return o->name;
}

/* --- files --- */

static int open_beneath(int folder, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (uint64_t)flags | O_CLOEXEC, .mode = mode, .resolve = BENEATH};
	int fd;

	do // EAGAIN: somebody renamed something meanwhile
		fd = (int)syscall(SYS_openat2, folder, path, &how, sizeof(how));
	while (fd < 0 && (errno == EAGAIN || errno == EINTR));
	return fd < 0 ? -errno : fd;
}

/* The file that was passed begins anew, once. */
static int open_passed(struct hm_output *o, struct hm_error *err)
{
	const int fd = fcntl(hm_handed_fd(o->handed), F_DUPFD_CLOEXEC, 3);

	if (fd < 0)
		return hm_error_set(err, -errno, FILE_ERROR, "\"%s\": %s", o->name,
				    strerror(errno));
	// /dev/null has no length
	if (o->opened || (ftruncate(fd, 0) < 0 && errno != EINVAL)) {
		const int code = o->opened ? EEXIST : errno;

		close(fd);
		return hm_error_set(err, -code, FILE_ERROR, "\"%s\": %s", o->name, strerror(code));
	}
	o->opened = true;
	return fd;
}

static int create_file(const struct hm_output *o, uint64_t time_ns, uint64_t number, char *made)
{
	struct hm_rights own;
	int fd = hm_rights_enter(&own, o->handed);

	if (fd < 0)
		return fd;
	fd = -EEXIST;
	for (unsigned again = 0; fd == -EEXIST && again < AGAIN_MAX; again++)
		if (hm_output_name_make(o->name, time_ns, number, again, made, HM_OUTPUT_NAME_MAX))
			fd = open_beneath(o->folder, made, O_WRONLY | O_CREAT | O_EXCL, FILE_MODE);
		else
			fd = -ENAMETOOLONG;
	hm_rights_leave(&own);
	return fd;
}

int hm_output_open(struct hm_output *o, uint64_t time_ns, uint64_t number, char *made,
		   struct hm_error *err)
{
	int fd;

	if (hm_output_is_file(o)) {
		snprintf(made, HM_OUTPUT_NAME_MAX, "%s", o->name);
		return open_passed(o, err);
	}
	fd = create_file(o, time_ns, number, made);
	if (fd < 0)
		hm_error_set(err, fd, FILE_ERROR, "\"%s\": cannot be created: %s", made,
			     strerror(-fd));
	return fd;
}

int hm_output_open_direct(const struct hm_output *o, int fd)
{
	char path[32];
	struct hm_rights own;
	int direct = hm_rights_enter(&own, o->handed);

	if (direct < 0)
		return direct;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	direct = open(path, O_WRONLY | O_DIRECT | O_CLOEXEC);
	direct = direct < 0 ? -errno : direct;
	hm_rights_leave(&own);
	return direct;
}

/* --- the folder's files --- */

/* The folder in which files are made: a descriptor, or a negative errno. */
static int open_folder(const struct hm_output *o)
{
	const char *slash = strrchr(o->name, '/');
	char path[HM_OUTPUT_NAME_MAX];

	if (!slash)
		return open_beneath(o->folder, ".", O_RDONLY | O_DIRECTORY, 0);
	// a folder's name has no directives but %%
	hm_output_name_make(o->name, 0, 0, 0, path, sizeof(path));
	*strrchr(path, '/') = '\0';
	return open_beneath(o->folder, path, O_RDONLY | O_DIRECTORY, 0);
}

static int list_folder(const struct hm_output *o, hm_output_cb found, void *arg)
{
	const char *slash = strrchr(o->name, '/');
	const char *base = slash ? slash + 1 : o->name;
	const int fd = open_folder(o);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	struct stat st;

	if (!d) {
		const int code = fd < 0 ? -fd : errno;

		if (fd >= 0)
			close(fd);
		return -code;
	}
	while ((e = readdir(d)))
		if (hm_output_name_matches(base, e->d_name) &&
		    fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
			found(arg, e->d_name, &st);
	closedir(d);
	return 0;
}

int hm_output_list(const struct hm_output *o, hm_output_cb found, void *arg)
{
	struct hm_rights own;
	int code = hm_rights_enter(&own, o->handed);

	if (code < 0)
		return code;
	code = list_folder(o, found, arg);
	hm_rights_leave(&own);
	return code;
}

static int remove_file(const struct hm_output *o, const char *made, const struct stat *st)
{
	const int folder = open_folder(o);
	struct stat now;
	int code = 0;

	if (folder < 0)
		return folder;
	if (fstatat(folder, made, &now, AT_SYMLINK_NOFOLLOW) < 0)
		code = -errno;
	else if (now.st_dev != st->st_dev || now.st_ino != st->st_ino)
		code = -ESTALE;
	else if (unlinkat(folder, made, 0) < 0)
		code = -errno;
	close(folder);
	return code;
}

int hm_output_remove(const struct hm_output *o, const char *made, const struct stat *st)
{
	struct hm_rights own;
	int code = hm_rights_enter(&own, o->handed);

	if (code < 0)
		return code;
	code = remove_file(o, made, st);
	hm_rights_leave(&own);
	return code;
}

bool hm_output_path(const struct hm_output *o, const char *made, char *path, size_t size)
{
	char link[32];
	ssize_t n;

	if (hm_output_is_file(o))
		return false;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", o->folder);
	n = readlink(link, path, size);
	return n > 0 && (size_t)n < size &&
	       (size_t)snprintf(path + n, size - (size_t)n, "/%s", made) < size - (size_t)n;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "anon/key.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define WRONG  7001
#define SCHEME "file:"
#define ROOM               \
	(2 * HM_ANON_KEY + \
	 2) // digits, a newline, and one byte more, which tells that it is too long

static unsigned digit(char c)
{
	return isdigit((unsigned char)c) ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a') + 10;
}

/* Whether the n characters are a key. */
static bool read_key(uint8_t key[HM_ANON_KEY], const char *text, size_t n)
{
	if (n == HM_ANON_KEY) {
		memcpy(key, text, n);
		return true;
	}
	if (n != (size_t)2 * HM_ANON_KEY)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!isxdigit((unsigned char)text[i]))
			return false;
	for (size_t i = 0; i < HM_ANON_KEY; i++)
		key[i] = (uint8_t)(digit(text[2 * i]) << 4 | digit(text[2 * i + 1]));
	return true;
}

/* Asks the open file, so that nobody can put another in its place in between. */
static int check_rights(int fd, const char *path, struct hm_error *err)
{
	struct stat s;

	if (fstat(fd, &s) < 0)
		return hm_error_set(err, -errno, WRONG, "key file \"%s\": %s", path,
				    strerror(errno));
	if (!S_ISREG(s.st_mode))
		return hm_error_set(err, -EINVAL, WRONG, "key file \"%s\" is not a regular file",
				    path);
	if (s.st_uid != 0 && s.st_uid != geteuid())
		return hm_error_set(err, -EPERM, WRONG,
				    "key file \"%s\" belongs to user %u, and neither to root nor "
				    "to the daemon's user",
				    path, s.st_uid);
	if (s.st_mode & 077)
		return hm_error_set(err, -EPERM, WRONG,
				    "key file \"%s\" has mode %04o: others may read or write it",
				    path, s.st_mode & 07777);
	return 0;
}

static int read_open(uint8_t key[HM_ANON_KEY], int fd, const char *path, struct hm_error *err)
{
	int rc = check_rights(fd, path, err);
	char text[ROOM];
	ssize_t n;

	if (rc < 0)
		return rc;
	n = read(fd, text, sizeof(text));
	if (n < 0)
		return hm_error_set(err, -errno, WRONG, "key file \"%s\": %s", path,
				    strerror(errno));
	if (!read_key(key, text, (size_t)n) &&
	    !(n > 0 && text[n - 1] == '\n' && read_key(key, text, (size_t)n - 1)))
		rc = hm_error_set(err, -EINVAL, WRONG,
				  "key file \"%s\" must hold 32 bytes or 64 hexadecimal digits",
				  path);
	explicit_bzero(text, sizeof(text));
	return rc;
}

static int read_file(uint8_t key[HM_ANON_KEY], const char *path, struct hm_error *err)
{
	int fd, rc;

	if (path[0] != '/')
		return hm_error_set(err, -EINVAL, WRONG,
				    "key file \"%s\" is not a path from the root", path);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK); // a pipe must not wait
	if (fd < 0)
		return hm_error_set(err, -errno, WRONG, "key file \"%s\": %s", path,
				    strerror(errno));
	rc = read_open(key, fd, path, err);
	close(fd);
	return rc;
}

int hm_anon_key(uint8_t key[HM_ANON_KEY], const char *text, bool may_read, struct hm_error *err)
{
	if (strncmp(text, SCHEME, strlen(SCHEME)) == 0) {
		if (may_read)
			return read_file(key, text + strlen(SCHEME), err);
		return hm_error_set(err, -EPERM, WRONG,
				    "a key file is read for the configuration and for "
				    "administrators only; give the key itself");
	}
	if (read_key(key, text, strlen(text)))
		return 0;
	return hm_error_set(err, -EINVAL, WRONG,
			    "the key must be 32 characters, 64 hexadecimal digits or "
			    "\"file:PATH\"; it has %zu characters",
			    strlen(text));
}

static uint8_t run_key[HM_ANON_KEY];
static bool has_run_key;

static void make_run_key(void)
{
	has_run_key = getrandom(run_key, sizeof(run_key), 0) == sizeof(run_key);
}

bool hm_anon_run_key(uint8_t key[HM_ANON_KEY])
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, make_run_key);
	memcpy(key, run_key, sizeof(run_key));
	return has_run_key;
}

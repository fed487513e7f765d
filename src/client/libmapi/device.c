/* SPDX-License-Identifier: BSD-3-Clause */
/* device: traces that a program opens. The file is opened here, with the program's rights, and its descriptor goes to
 * the daemon, which reads it and calls it PATH@NUMBER.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/libmapi/internal.h"
#include "core/config.h"

/* A device that this process has made; holds a session. */
struct device {
	struct device *next;
	struct session *session;
	char name[];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct device *devices;

void device_forget(void)
{
	devices = NULL;
	pthread_mutex_init(&lock, NULL);
}

bool device_is_own(const char *name)
{
	bool found = false;

	pthread_mutex_lock(&lock);
	for (const struct device *d = devices; d && !found; d = d->next)
		found = !strcmp(d->name, name);
	pthread_mutex_unlock(&lock);
	return found;
}

/* Takes it off the list; NULL after mapi_fail(). */
static struct device *take(const char *name)
{
	struct device **at, *d = NULL;

	pthread_mutex_lock(&lock);
	for (at = &devices; *at && strcmp((*at)->name, name) != 0; at = &(*at)->next)
		;
	if (*at) {
		d = *at;
		*at = d->next;
	}
	pthread_mutex_unlock(&lock);
	if (!d)
		mapi_fail(MAPI_NO_DEVICE, "this process has made no device \"%s\"", name);
	return d;
}

static void put(struct device *d)
{
	pthread_mutex_lock(&lock);
	d->next = devices;
	devices = d;
	pthread_mutex_unlock(&lock);
}

/* --- the file --- */

/* Whether it begins like pcap, in either byte order, with us, ns or the old patched header; or like pcapng. */
static bool is_pcap(int fd)
{
	static const uint32_t magics[] = {0xa1b2c3d4, 0xa1b23c4d, 0xa1b2cd34, 0x0a0d0d0a};
	uint32_t magic = 0;

	if (pread(fd, &magic, sizeof(magic), 0) != sizeof(magic))
		return false;
	for (size_t i = 0; i < sizeof(magics) / sizeof(magics[0]); i++)
		if (magic == magics[i] || magic == __builtin_bswap32(magics[i]))
			return true;
	return false;
}

int device_trace_format(const char *path)
{
	struct stat st;
	int fd, format = MFF_PCAP;

	if (!strchr(path, '/') || stat(path, &st) < 0 || !S_ISREG(st.st_mode))
		return -1;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return format; // whoever opens it as such a trace will tell why not
	if (!is_pcap(fd))
		format = MFF_DAG_ERF;
	close(fd);
	return format;
}

static int check_file(int fd, const char *path, int format)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return mapi_fail(MAPI_ERROR_FILE, "%s is no file", path);
	if (format == MFF_PCAP && !is_pcap(fd))
		return mapi_fail(MAPI_ERROR_FILE, "%s is no pcap and no pcapng file", path);
	if (format == MFF_DAG_ERF && is_pcap(fd))
		return mapi_fail(MAPI_ERROR_FILE, "%s is a pcap file, and not ERF", path);
	return 0;
}

/* -1 after mapi_fail(). */
static int open_trace(const char *path, int format)
{
	int fd;

	if (!path)
		return mapi_fail(MFUNCT_INVALID_ARGUMENT_1, "no trace is named");
	if (format != MFF_PCAP && format != MFF_DAG_ERF)
		return mapi_fail(MAPI_NO_DRIVER,
				 "no driver reads traces of format %d: there are MFF_PCAP and "
				 "MFF_DAG_ERF",
				 format);
	// without waiting for somebody to write into a FIFO
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return mapi_fail(MAPI_ERROR_FILE, "cannot open %s: %s", path, strerror(errno));
	if (check_file(fd, path, format) == 0)
		return fd;
	close(fd);
	return -1;
}

/* --- devices --- */

/* What the daemon may call it: the path, or its end, as far as it is text. */
static json_t *label(const char *path)
{
	size_t n = strlen(path);
	json_t *text = json_string(n > HM_DEVICE_LABEL_MAX ? path + n - HM_DEVICE_LABEL_MAX : path);

	return text && *path ? text : json_string("trace");
}

static struct device *remember(struct session *s, const char *name)
{
	struct device *d = name ? malloc(sizeof(*d) + strlen(name) + 1) : NULL;

	if (!d) {
		mapi_fail(MAPI_OUT_OF_MEMORY, "out of memory");
		return NULL;
	}
	d->session = session_hold(s);
	memcpy(d->name, name, strlen(name) + 1);
	put(d);
	return d;
}

static const char *create(struct session *s, int fd, const char *path)
{
	struct hm_client_extras x = {.send = {fd}, .n_send = 1};
	struct hm_error err = {0};
	struct device *d = NULL;
	json_t *answer;

	table_begin();
	answer = hm_client_request(session_client(s), "device.create",
				   json_pack("{s:o}", "name", label(path)), &x, &err);
	if (answer)
		d = remember(s, json_string_value(json_object_get(answer, "name")));
	else
		mapi_fail_as(&err, MAPI_ERROR_SEND_FD);
	json_decref(answer);
	return d ? d->name : NULL;
}

char *mapi_create_offline_device(const char *path, int format)
{
	int fd = open_trace(path, format);
	struct session *s = fd < 0 ? NULL : session_get();
	const char *name = s ? create(s, fd, path) : NULL;
	char *copy = name ? strdup(name) : NULL;

	if (name && !copy)
		mapi_fail(MAPI_OUT_OF_MEMORY, "out of memory");
	session_put(s);
	if (fd >= 0)
		close(fd);
	return copy;
}

/* The session of a device, held; NULL after mapi_fail(). */
static struct session *session_of(const char *name)
{
	struct session *s = NULL;

	pthread_mutex_lock(&lock);
	for (struct device *d = devices; d && !s; d = d->next)
		if (!strcmp(d->name, name))
			s = session_hold(d->session);
	pthread_mutex_unlock(&lock);
	if (!s)
		mapi_fail(MAPI_NO_DEVICE, "this process has made no device \"%s\"", name);
	return s;
}

int mapi_start_offline_device(const char *dev)
{
	struct session *s;
	json_t *answer;

	if (!table_begun())
		return -1;
	if (!dev)
		return mapi_fail(MAPI_NO_DEVICE, "no device is named");
	s = session_of(dev);
	if (!s)
		return -1;
	answer = session_call(s, "device.start", json_pack("{s:s}", "device", dev), MAPI_NO_DEVICE);
	json_decref(answer);
	session_put(s);
	return answer ? 0 : -1;
}

int mapi_delete_offline_device(char *dev)
{
	struct hm_error err = {0};
	struct device *d;

	if (!table_begun())
		return -1;
	if (!dev)
		return mapi_fail(MAPI_NO_DEVICE, "no device is named");
	d = take(dev);
	if (!d)
		return -1;
	// a daemon that has gone has none any more
	json_decref(hm_client_call(session_client(d->session), "device.delete",
				   json_pack("{s:s}", "device", d->name), &err));
	session_put(d->session);
	free(d);
	return 0;
}

int mapi_create_offline_flow(const char *path, int format)
{
	char *name = mapi_create_offline_device(path, format);
	int fd;

	if (!name)
		return -1;
	fd = flow_create(name, strdup(name));
	if (fd < 0)
		mapi_delete_offline_device(name); // and the error stays that of the flow
	free(name);
	return fd;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* flow: making, connecting and closing flows. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "client/libmapi/internal.h"

const char *local_device(const char *dev)
{
	static const char *const names[] = {"localhost", "127.0.0.1"};
	const char *colon = strchr(dev, ':');
	char host[MAPI_STR_LENGTH] = "";
	bool local;

	if (!colon || device_is_own(dev)) // whose name may hold a colon
		return dev;
	gethostname(host, sizeof(host) - 1);
	local = (size_t)(colon - dev) == strlen(host) && !strncasecmp(dev, host, strlen(host));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		local |= (size_t)(colon - dev) == strlen(names[i]) &&
			 !strncasecmp(dev, names[i], strlen(names[i]));
	if (local && !strpbrk(colon + 1, ":, "))
		return colon + 1;
	mapi_fail(
		MAPI_SOCKET_ERROR,
		"\"%s\" is a scope of remote devices, and flows on other hosts are not supported: "
		"give a device of this host, without colon",
		dev);
	return NULL;
}

/* A flow on a device by its name in the daemon. Takes over own_device. */
int flow_create(const char *device, char *own_device)
{
	struct session *s = session_get();
	struct flow *f = NULL;
	json_t *answer = NULL;

	if (s) {
		table_begin();
		answer = session_call(s, "flow.create",
				      json_pack("{s:s%}", "device", device, strlen(device)),
				      MAPI_NO_DRIVER);
	}
	if (!answer) {
		session_put(s);
		free(own_device);
		return -1;
	}
	f = table_add(s, json_integer_value(json_object_get(answer, "flow")), device, own_device);
	json_decref(answer);
	return f ? f->fd : -1;
}

int mapi_create_flow(const char *dev)
{
	const char *device;
	int format;

	if (!dev)
		return mapi_fail(MAPI_DEVICE_INFO_ERR, "no device is named");
	format = device_is_own(dev) ? -1 : device_trace_format(dev);
	if (format >= 0)
		return mapi_create_offline_flow(dev, format);
	device = local_device(dev);
	return device ? flow_create(device, NULL) : -1;
}

struct flow *flow_find(int fd, int number)
{
	struct flow *f = NULL;

	if (!table_begun())
		return NULL;
	f = fd > 0 ? table_find(fd) : NULL;
	if (!f)
		mapi_fail(fd > 0 ? MAPI_INVALID_FLOW : number, "there is no flow %d", fd);
	return f;
}

int mapi_connect(int fd)
{
	struct flow *f = flow_find(fd, MAPI_INVALID_FLOW);
	struct hm_client_extras x = {.no_limit = true}; // patterns may take long to compile
	struct hm_error err = {0};
	json_t *answer;
	int done = 0;

	if (!f)
		return -1;
	answer = hm_client_request(session_client(f->session), "flow.connect",
				   json_pack("{s:I}", "flow", f->number), &x, &err);
	if (answer)
		atomic_store(&f->connected, true);
	else
		done = mapi_fail_as(&err, MAPI_UNKNOWN_ERROR);
	json_decref(answer);
	if (done == 0 && f->own_device)
		done = mapi_start_offline_device(f->own_device);
	flow_release(f);
	return done;
}

/* Files are complete when it returns, as with MAPI. */
int mapi_close_flow(int fd)
{
	struct flow *f = flow_find(fd, MAPI_INVALID_FLOW);
	struct hm_client_extras x = {.no_limit = true};
	struct hm_error err = {0};

	if (!f)
		return -1;
	if (!table_remove(f)) {
		flow_release(f);
		return mapi_fail(MAPI_INVALID_FLOW, "there is no flow %d", fd);
	}
	// a daemon that has gone has closed it
	json_decref(hm_client_request(session_client(f->session), "flow.close",
				      json_pack("{s:I, s:b}", "flow", f->number, "wait", true), &x,
				      &err));
	if (f->own_device)
		mapi_delete_offline_device(f->own_device);
	flow_release(f);
	return 0;
}

int mapi_get_scope_size(int fd)
{
	struct flow *f = flow_find(fd, MAPI_INVALID_FLOW);

	if (!f)
		return -1;
	flow_release(f);
	return 1;
}

int mapi_is_remote(int fd)
{
	struct flow *f = flow_find(fd, MAPI_INVALID_FLOW);

	if (!f)
		return -1;
	flow_release(f);
	return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* info: what there is: flows, their functions, devices, libraries. A device that a client has made has a negative id.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/libmapi/internal.h"

/* There is one version of each function, for all devices. */
#define DEVICE_TYPE "1"

static void copy_text(char *to, size_t size, const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	snprintf(to, size, "%s", text ? text : "");
}

#define COPY_TEXT(to, object, key) copy_text(to, sizeof(to), object, key)

static int number_in(const json_t *object, const char *key)
{
	return (int)json_integer_value(json_object_get(object, key));
}

/* An answer of the daemon without a flow of ours; NULL after mapi_fail(). */
static json_t *ask(const char *method, int number)
{
	struct session *s = session_get();
	json_t *answer = s ? session_call(s, method, NULL, number) : NULL;

	session_put(s);
	return answer;
}

/* --- devices --- */

static int device_id(const json_t *device)
{
	int number = number_in(device, "device");

	return json_object_get(device, "owner") ? -number : number;
}

static void fill_device(mapi_device_info_t *info, const json_t *device)
{
	memset(info, 0, sizeof(*info));
	info->id = device_id(device);
	COPY_TEXT(info->device, device, "name");
	COPY_TEXT(info->name, device, "driver");
	COPY_TEXT(info->alias, device, "alias");
	COPY_TEXT(info->description, device, "description");
	info->link_speed = number_in(device, "link_speed_mbps");
	info->mpls = json_is_true(json_object_get(device, "mpls"));
	info->vlan = json_is_true(json_object_get(device, "vlan"));
}

/* The first device, in the daemon's order, of that id, or with a greater one. */
static int find_device(int id, bool greater, mapi_device_info_t *info)
{
	json_t *list, *device, *found = NULL;
	size_t i;

	if (!info)
		return mapi_fail(MFUNCT_INVALID_ARGUMENT_2,
				 "no place for the information is given");
	list = ask("device.list", MAPI_DEVICE_INFO_ERR);
	if (!list)
		return -1;
	json_array_foreach (list, i, device)
		if (!found && (greater ? device_id(device) > id : device_id(device) == id))
			found = device;
	if (found)
		fill_device(info, found);
	else
		mapi_fail(MAPI_DEVICE_INFO_ERR, "there is no device %s %d",
			  greater ? "above number" : "of number", id);
	json_decref(list);
	return found ? 0 : -1;
}

int mapi_get_device_info(int devid, mapi_device_info_t *info)
{
	return find_device(devid, false, info);
}

int mapi_get_next_device_info(int devid, mapi_device_info_t *info)
{
	return find_device(devid, true, info);
}

/* The daemon's line of a device; NULL after mapi_fail(). */
static json_t *line_of_device(struct session *s, const char *name, int number)
{
	json_t *list = session_call(s, "device.list", NULL, number), *device, *found = NULL;
	size_t i;

	if (!list)
		return NULL;
	json_array_foreach (list, i, device) {
		const char *own = json_string_value(json_object_get(device, "name"));
		if (own && !strcmp(own, name))
			found = json_incref(device);
	}
	json_decref(list);
	if (!found)
		mapi_fail(number, "there is no device \"%s\"", name);
	return found;
}

int mapi_stats(const char *dev, struct mapi_stat *stats)
{
	const char *name = dev ? local_device(dev) : NULL;
	json_t *device, *wire, *dropped;
	struct session *s;

	if (!dev)
		return mapi_fail(MAPI_DEVICE_INFO_ERR, "no device is named");
	if (!stats)
		return mapi_fail(MFUNCT_INVALID_ARGUMENT_2, "no place for the numbers is given");
	if (!table_begun() || !name)
		return -1;
	s = session_get();
	device = s ? line_of_device(s, name, MAPI_STATS_ERROR) : NULL;
	session_put(s);
	if (!device)
		return -1;
	wire = json_object_get(device, "wire");
	dropped = json_object_get(wire, "dropped");
	memset(stats, 0, sizeof(*stats));
	stats->ps_recv = (unsigned)json_integer_value(json_object_get(wire, "received"));
	stats->ps_drop = (unsigned)json_integer_value(json_object_get(dropped, "missed"));
	stats->ps_ifdrop = (unsigned)json_integer_value(json_object_get(dropped, "errors"));
	snprintf(stats->hostname, sizeof(stats->hostname), "localhost");
	snprintf(stats->dev, sizeof(stats->dev), "%s", name);
	json_decref(device);
	return 1;
}

/* --- flows --- */

static enum mapi_flow_status status_of(const json_t *flow)
{
	const char *status = json_string_value(json_object_get(flow, "status"));

	if (status && !strcmp(status, "active"))
		return FLOW_ACTIVE;
	if (status && !strcmp(status, "finished"))
		return FLOW_FINISHED;
	return status && !strcmp(status, "closing") ? FLOW_CLOSED : FLOW_INIT;
}

static int fill_flow(mapi_flow_info_t *info, struct session *s, const json_t *flow, int fd)
{
	const char *device = json_string_value(json_object_get(flow, "device"));
	const char *start = json_string_value(json_object_get(flow, "connected_ns"));
	json_t *line = device ? line_of_device(s, device, MAPI_FLOW_INFO_ERR) : NULL;

	memset(info, 0, sizeof(*info));
	info->uid = (uid_t)json_integer_value(json_object_get(flow, "owner"));
	info->fd = fd;
	info->devid = line ? device_id(line) : 0; // another client's device is not shown
	COPY_TEXT(info->device, flow, "device");
	info->num_functions = (unsigned)json_array_size(json_object_get(flow, "functions"));
	info->start = start ? (time_t)(strtoull(start, NULL, 10) / 1000000000) : 0;
	info->status = status_of(flow);
	json_decref(line);
	return 0;
}

/* What the daemon says of a flow of ours; NULL after mapi_fail(). */
static json_t *ask_flow(struct flow *f, int number)
{
	struct hm_error err = {0};
	json_t *answer = hm_client_call(session_client(f->session), "flow.info",
					json_pack("{s:I}", "flow", f->number), &err);

	if (!answer)
		mapi_fail(err.mapi_errno == MAPI_SOCKET_ERROR ? MAPI_SOCKET_ERROR : number, "%s",
			  err.text);
	return answer;
}

int mapi_get_flow_info(int fd, mapi_flow_info_t *info)
{
	struct flow *f;
	json_t *answer;

	if (!table_begun())
		return -1;
	if (fd > 0 && !info)
		return mapi_fail(MFUNCT_INVALID_ARGUMENT_2,
				 "no place for the information is given");
	f = flow_find(fd, MAPI_INVALID_FLOW);
	if (!f)
		return -1;
	answer = ask_flow(f, MAPI_FLOW_INFO_ERR);
	if (answer)
		fill_flow(info, f->session, answer, fd);
	json_decref(answer);
	flow_release(f);
	return answer ? 0 : -1;
}

int mapi_get_next_flow_info(int fd, mapi_flow_info_t *info)
{
	struct session *s;
	json_t *list, *flow, *next = NULL;
	size_t i;

	if (!info)
		return mapi_fail(MFUNCT_INVALID_ARGUMENT_2,
				 "no place for the information is given");
	s = session_get();
	if (!s)
		return -1;
	list = session_call(s, "flow.list", NULL, MAPI_FLOW_INFO_ERR);
	json_array_foreach (list, i, flow) {
		int number = number_in(flow, "flow");
		if (number > (fd > 0 ? fd : 0) && (!next || number < number_in(next, "flow")))
			next = flow;
	}
	if (next)
		fill_flow(info, s, next, number_in(next, "flow"));
	else if (list)
		mapi_fail(MAPI_FLOW_INFO_ERR, "there is no flow above number %d", fd);
	json_decref(list);
	session_put(s);
	return next ? 0 : -1;
}

/* --- functions of flows --- */

/* Of an array, what it has now. */
static int result_size(struct flow *f, const struct applied *a)
{
	const json_t *fields = json_object_get(a->description, "result");
	mapi_results_t results = {0};
	struct hm_error err;
	json_t *answer = NULL;
	size_t room = 0;
	int size;

	if (is_read_one_by_one(a))
		return image_size(record_fields(a));
	if (atomic_load(&f->connected))
		answer = hm_client_call(
			session_client(f->session), "flow.read",
			json_pack("{s:I, s:i}", "flow", f->number, "function", a->fid), &err);
	if (!answer)
		return image_size(fields);
	size = image_write(&results, &room, fields, json_object_get(answer, "value"), NULL) == 0
		       ? results.size
		       : 0;
	free(results.res);
	json_decref(answer);
	return size;
}

static int fill_function(mapi_function_info_t *info, struct flow *f, const struct applied *a)
{
	json_t *answer = ask_flow(f, MAPI_FUNCTION_INFO_ERR), *line;

	if (!answer)
		return -1;
	line = json_array_get(json_object_get(answer, "functions"), (size_t)a->fid - 1);
	memset(info, 0, sizeof(*info));
	info->fid = a->fid;
	COPY_TEXT(info->name, a->description, "name");
	COPY_TEXT(info->libname, a->description, "library");
	snprintf(info->devtype, sizeof(info->devtype), DEVICE_TYPE);
	info->pkts = (unsigned long long)json_integer_value(json_object_get(line, "in"));
	info->passed_pkts = (unsigned long long)json_integer_value(json_object_get(line, "out"));
	info->result_size = result_size(f, a);
	json_decref(answer);
	return 0;
}

/* The function fid, or the first one above. */
static int find_function(int fd, int fid, bool greater, mapi_function_info_t *info)
{
	struct flow *f;
	struct applied *a;
	int done = -1;

	if (!table_begun())
		return -1;
	if (fd <= 0 || fid < !greater)
		return mapi_fail(MAPI_INVALID_FID, "there is no function %d of flow %d", fid, fd);
	if (!info)
		return mapi_fail(MFUNCT_INVALID_ARGUMENT_3,
				 "no place for the information is given");
	f = table_find(fd);
	if (!f) // as MAPI's own programs expect it
		return mapi_fail(greater ? MAPI_FUNCTION_INFO_ERR : MAPI_INIT_ERROR,
				 "there is no flow %d", fd);
	a = flow_function(f, fid + greater);
	if (a)
		done = fill_function(info, f, a);
	else
		mapi_fail(MAPI_FUNCTION_INFO_ERR, "flow %d has no function %s%d", fd,
			  greater ? "above " : "", fid);
	flow_release(f);
	return done;
}

int mapi_get_function_info(int fd, int fid, mapi_function_info_t *info)
{
	return find_function(fd, fid, false, info);
}

int mapi_get_next_function_info(int fd, int fid, mapi_function_info_t *info)
{
	return find_function(fd, fid, true, info);
}

/* --- libraries --- */

/* Library `number` of the list; NULL after mapi_fail(). */
static const json_t *library_of(const json_t *list, int number)
{
	const json_t *library = number < 0 ? NULL : json_array_get(list, (size_t)number);

	if (!library)
		mapi_fail(MAPI_LIBRARY_NOT_FOUND, "there is no library %d", number);
	return library;
}

int mapi_get_library_info(int libnum, mapi_lib_info_t *info)
{
	const json_t *library;
	json_t *list;

	if (!info)
		return mapi_fail(MFUNCT_INVALID_ARGUMENT_2,
				 "no place for the information is given");
	list = ask("library.list", MAPI_LIBRARY_NOT_FOUND);
	library = list ? library_of(list, libnum) : NULL;
	if (library) {
		memset(info, 0, sizeof(*info));
		info->id = libnum;
		COPY_TEXT(info->libname, library, "name");
		info->functs = (unsigned)json_array_size(json_object_get(library, "functions"));
	}
	json_decref(list);
	return library ? 0 : -1;
}

int mapi_get_next_library_info(int libnum, mapi_lib_info_t *info)
{
	return mapi_get_library_info(libnum < 0 ? 0 : libnum + 1, info);
}

/* A letter an argument. */
static void describe_arguments(char *to, size_t size, const json_t *description)
{
	json_t *argument;
	size_t i, n = 0;

	json_array_foreach (json_object_get(description, "arguments"), i, argument) {
		const char *letter = json_string_value(json_object_get(argument, "mapi"));
		if (letter && n + 1 < size)
			to[n++] = *letter == 'R' ? 's'
						 : *letter; // MAPI has no letter for lists of flows
	}
	to[n] = '\0';
}

static int fill_libfunct(mapi_libfunct_info_t *info, struct session *s, const char *name)
{
	const json_t *description = name ? session_function(s, name) : NULL;

	if (!description)
		return -1;
	memset(info, 0, sizeof(*info));
	COPY_TEXT(info->name, description, "name");
	COPY_TEXT(info->descr, description, "summary");
	describe_arguments(info->argdescr, sizeof(info->argdescr), description);
	snprintf(info->devtype, sizeof(info->devtype), DEVICE_TYPE);
	return 0;
}

int mapi_get_libfunct_info(int libnum, int fnum, mapi_libfunct_info_t *info)
{
	const json_t *library, *name = NULL;
	struct session *s;
	json_t *list;
	int done = -1;

	if (!info)
		return mapi_fail(MFUNCT_INVALID_ARGUMENT_3,
				 "no place for the information is given");
	s = session_get();
	if (!s)
		return -1;
	list = session_call(s, "library.list", NULL, MAPI_LIBRARY_NOT_FOUND);
	library = list ? library_of(list, libnum) : NULL;
	if (library && fnum >= 0)
		name = json_array_get(json_object_get(library, "functions"), (size_t)fnum);
	if (name)
		done = fill_libfunct(info, s, json_string_value(name));
	else if (library)
		mapi_fail(MAPI_LIBRARY_NOT_FOUND, "library %d has no function %d", libnum, fnum);
	json_decref(list);
	session_put(s);
	return done;
}

int mapi_get_next_libfunct_info(int libnum, int fnum, mapi_libfunct_info_t *info)
{
	return mapi_get_libfunct_info(libnum, fnum < 0 ? 0 : fnum + 1, info);
}

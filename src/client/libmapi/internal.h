/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of libmapi share.
 *
 * A process has one session with the daemon as long as it has flows or devices; a session that has broken (the daemon
 * ended) keeps its flows until they are closed, and the next flow begins a new one. Flow and device objects are
 * counted: a call holds the one it works on, so that another thread may close it meanwhile.
 *
 * Locks: the table's (table.c), held for look-ups only; a flow's own, for its list of functions and their results,
 * never while waiting for the daemon with something that may take long.
 */
#pragma once

#include <jansson.h>
#include <mapi.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/client.h"
#include "core/error.h"
#include "core/pktring.h"

/* --- error.c --- */

enum {
	MAPI_NO_DRIVER = 3200,
	MAPI_NO_DEVICE = 3202,
	MAPI_FLOW_ALREADY_ACTIVE = 3081,
	MAPI_OUT_OF_MEMORY = 3084,
	MAPI_LIBRARY_NOT_FOUND = 6151,
	MAPI_UNKNOWN_ERROR = 5121,
	MAPI_SOCKET_ERROR = 5123,
	MAPI_INIT_ERROR = 6141,
	MAPI_FLOW_NOT_CONNECTED = 6143,
	MAPI_FUNCTION_NOT_FOUND = 6144,
	MAPI_INVALID_FLOW = 6145,
	MAPI_NO_RESULT = 6146,
	MAPI_INVALID_FID = 6147,
	MAPI_BUFFER_ERROR = 6148,
	MAPI_FLOW_INFO_ERR = 6149,
	MAPI_FUNCTION_INFO_ERR = 6150,
	MAPI_ERROR_FILE = 6155,
	MAPI_ERROR_SEND_FD = 6156,
	MAPI_DEVICE_INFO_ERR = 6157,
	MFUNCT_INVALID_ARGUMENT = 7000,
	MFUNCT_INVALID_ARGUMENT_1 = 7001,
	MFUNCT_INVALID_ARGUMENT_2 = 7002,
	MFUNCT_INVALID_ARGUMENT_3 = 7003,
	MFUNCT_INVALID_ARGUMENT_4 = 7004,
	MFUNCT_COULD_NOT_APPLY = 7006,
	MFUNCT_INVALID_ARGUMENT_6 = 7011,
	MAPI_STATS_ERROR = 8004,
};

/* Notes this thread's error and returns -1. */
int mapi_fail(int number, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same with what the daemon said, or `number` where that has none. */
int mapi_fail_as(const struct hm_error *err, int number);

/* --- session.c --- */

struct session;

/* The session of this process, begun if need be. NULL after mapi_fail(). */
struct session *session_get(void);
struct session *session_hold(struct session *s);
void session_put(struct session *s); // the last one ends the conversation
struct hm_client *session_client(const struct session *s);
/* What function.list says of a function, by name or alias; NULL after mapi_fail(). Borrowed. */
const json_t *session_function(struct session *s, const char *name);
/* Calls a method; takes over params. NULL after mapi_fail(), with `number` where the daemon has none. */
json_t *session_call(struct session *s, const char *method, json_t *params, int number);

void session_forget(void); // in a child after fork(), like those below

/* --- table.c --- */

/* One use of a function. Written by mapi_apply_function() before the flow knows it; its result is guarded by `lock`. */
struct applied {
	int fid;                   // its number in the flow, from 1
	const json_t *description; // of its function, as long as the session
	bool nowait;               // TO_BUFFER
	pthread_mutex_t lock;
	mapi_results_t results;
	size_t room;                    // bytes at results.res
	json_t *records;                // fetched and not yet read, NULL: none
	json_int_t seen;                // of a sequence
	char unit[16];                  // of the records' values
	struct hm_pktring_reader *ring; // NULL: not asked for yet
};

struct flow {
	int fd;
	unsigned refs; // the table's lock
	struct session *session;
	json_int_t number; // the daemon's
	atomic_bool closed;
	char *device;     // as given
	char *own_device; // made by mapi_create_offline_flow(), NULL: none
	pthread_mutex_t lock;
	atomic_bool connected;
	int n;
	struct applied **functions; // number - 1
};

/* Whether a call that makes a flow or a device has ever reached a daemon; if not, after mapi_fail(). */
bool table_begun(void);
void table_begin(void);
void table_forget(void);
/* Adds a flow and gives it its descriptor; takes over session and own_device. NULL after mapi_fail(). */
struct flow *table_add(struct session *s, json_int_t number, const char *device, char *own_device);
/* The flow of a descriptor, held; NULL if there is none. */
struct flow *table_find(int fd);
/* Takes it off the table: its descriptor is unknown from now on. False: somebody else has. */
bool table_remove(struct flow *f);
void flow_release(struct flow *f);

/* --- device.c --- */

bool device_is_own(const char *name); // made by this process
/* The format of the trace that a path names; -1: it is no path of a file. */
int device_trace_format(const char *path);
void device_forget(void);

/* --- flow.c --- */

/* The device of a scope "host:device" if its host is this one, `dev` if it is no scope; NULL after mapi_fail(). */
const char *local_device(const char *dev);

/* A flow on a device of the daemon; takes over own_device. -1 after mapi_fail(). */
int flow_create(const char *device, char *own_device);
/* The flow of a descriptor, held; NULL after mapi_fail(): 6141 before there was any, `number` if fd is none, 6145 if
 * it is not in the table. */
struct flow *flow_find(int fd, int number);
/* A function of the flow; NULL: it has none of that number. */
struct applied *flow_function(struct flow *f, int fid);

/* --- results.c --- */

/* A function of a connected flow; NULL after mapi_fail(), `number` if fd or fid is none. *f, where it is not NULL, is
 * the caller's to release. */
struct applied *find_running(int fd, int fid, int number, struct flow **f);
/* Its result is a series of records, which are read one after the other and waited for. */
bool is_read_one_by_one(const struct applied *a);
const json_t *record_fields(const struct applied *a); // of one of them

/* --- packets.c --- */

/* Waits until a function has packets or records that nobody has taken; *end: it never will. 0, or -1 after mapi_fail(). */
int wait_for_news(struct flow *f, struct applied *a, bool *end);

/* --- image.c --- */

/* Writes a result, as flow.read gives it, into `results` as its C structure; *room is what results->res holds. `unit` is
 * that of the function's values, NULL: its key "unit" says it. 0, or -1 after mapi_fail(). */
int image_write(mapi_results_t *results, size_t *room, const json_t *description,
		const json_t *value, const char *unit);
/* Bytes of a result with empty arrays; 0: the function has none. */
int image_size(const json_t *description);

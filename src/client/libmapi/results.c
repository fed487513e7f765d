/* SPDX-License-Identifier: BSD-3-Clause */
/* results: reading what functions have counted. */
#include <stdlib.h>
#include <string.h>

#include "client/libmapi/internal.h"

/* A function of a connected flow; NULL after mapi_fail(). *f is to be released if it is not NULL. */
struct applied *find_running(int fd, int fid, int number, struct flow **f)
{
	struct applied *a;

	*f = NULL;
	if (!table_begun())
		return NULL;
	if (fd <= 0 || fid <= 0) {
		mapi_fail(number, "there is no function %d of flow %d", fid, fd);
		return NULL;
	}
	*f = flow_find(fd, number);
	if (!*f)
		return NULL;
	if (!atomic_load(&(*f)->connected)) {
		mapi_fail(MAPI_FLOW_NOT_CONNECTED, "flow %d is not connected", fd);
		return NULL;
	}
	a = flow_function(*f, fid);
	if (!a)
		mapi_fail(MAPI_INVALID_FID, "flow %d has no function %d", fd, fid);
	return a;
}

static const json_t *fields_of(const struct applied *a)
{
	return json_object_get(a->description, "result");
}

static bool has_result(const struct applied *a)
{
	json_t *field;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)fields_of(a), i, field)
		if (json_object_get(field, "c"))
			return true;
	return false;
}

/* ts_ns of an answer, in us. */
static unsigned long long time_of(const json_t *answer)
{
	const char *ns = json_string_value(json_object_get(answer, "ts_ns"));

	return ns ? strtoull(ns, NULL, 10) / 1000 : 0;
}

static int read_latest(struct flow *f, struct applied *a)
{
	json_t *answer = session_call(
		f->session, "flow.read",
		json_pack("{s:I, s:i}", "flow", f->number, "function", a->fid), MAPI_UNKNOWN_ERROR);
	int done;

	if (!answer)
		return -1;
	pthread_mutex_lock(&a->lock);
	done = image_write(&a->results, &a->room, fields_of(a), json_object_get(answer, "value"),
			   json_string_value(json_object_get(answer, "unit")));
	a->results.ts = time_of(answer);
	pthread_mutex_unlock(&a->lock);
	json_decref(answer);
	return done;
}

/* --- what is handed out once --- */

#define RECORDS_AT_ONCE 64

static bool has_records(const struct applied *a)
{
	return json_object_get(a->description, "records");
}

/* Fetches records if there are none left; *end: there will never be any. a->lock is held. */
static int fetch(struct flow *f, struct applied *a, bool *end)
{
	json_t *answer, *value;

	if (json_array_size(a->records) > 0)
		return 0;
	answer = session_call(f->session, "flow.read",
			      json_pack("{s:I, s:i, s:i}", "flow", f->number, "function", a->fid,
					"records", RECORDS_AT_ONCE),
			      MAPI_UNKNOWN_ERROR);
	if (!answer)
		return -1;
	value = json_object_get(answer, "value");
	json_decref(a->records);
	a->records = json_incref(json_object_get(value, "records"));
	*end = json_is_true(json_object_get(value, "end"));
	a->results.ts = time_of(answer);
	json_decref(answer);
	return 0;
}

/* 1: one record is in a->results; 0: none was there; -1 after mapi_fail(). */
static int take(struct flow *f, struct applied *a, bool *end)
{
	int got = -1;

	pthread_mutex_lock(&a->lock);
	if (fetch(f, a, end) == 0) {
		json_t *record = json_array_get(a->records, 0);
		got = record != NULL;
		if (record &&
		    image_write(&a->results, &a->room, json_object_get(a->description, "records"),
				record, NULL) < 0)
			got = -1;
		json_array_remove(a->records, 0);
	}
	pthread_mutex_unlock(&a->lock);
	return got;
}

static int read_next(struct flow *f, struct applied *a)
{
	bool end = false;
	int got;

	while ((got = take(f, a, &end)) == 0) {
		if (end)
			return mapi_fail(MAPI_NO_RESULT,
					 "flow %d has finished: there is no further result", f->fd);
		if (wait_for_news(f, a, &end) < 0)
			return -1;
		end = false; // the last ones may be there now
	}
	return got < 0 ? -1 : 0;
}

mapi_results_t *(mapi_read_results)(int fd, int fid)
{
	struct flow *f;
	struct applied *a = find_running(fd, fid, MAPI_INVALID_FLOW, &f);
	mapi_results_t *results = NULL;

	if (a && !has_result(a) && !has_records(a))
		mapi_fail(MAPI_NO_RESULT, "%s has no result",
			  json_string_value(json_object_get(a->description, "name")));
	else if (a && (has_records(a) ? read_next(f, a) : read_latest(f, a)) == 0)
		results = &a->results;
	if (f)
		flow_release(f);
	return results;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* results: reading what functions have counted. */
#include <stdio.h>
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

/* --- what is read one by one --- */

/* Records that the daemon hands out once, or the newest of a sequence (docs/protocol.md), of which we count ourselves
 * what we have seen. Either is fetched in bunches, into a->records. */

#define RECORDS_AT_ONCE 64

/* The name of the field that is a sequence, or of the array that has its newest; NULL: there is none. */
static const char *field_name(const struct applied *a, const char *key, const char *value)
{
	json_t *field;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)fields_of(a), i, field) {
		json_t *has = json_object_get(field, key);
		const char *text = json_string_value(has);
		if (value ? text && !strcmp(text, value) : json_is_true(has))
			return json_string_value(json_object_get(field, "name"));
	}
	return NULL;
}

static const char *sequence_of(const struct applied *a)
{
	return field_name(a, "sequence", NULL);
}

bool is_read_one_by_one(const struct applied *a)
{
	return json_object_get(a->description, "records") || sequence_of(a);
}

const json_t *record_fields(const struct applied *a)
{
	const json_t *records = json_object_get(a->description, "records");
	json_t *field;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)fields_of(a), i, field)
		if (!records)
			records = json_object_get(field, "of");
	return records;
}

/* The end of a sequence that we have not seen, as far as it is still there. An event without data is null. */
static json_t *unseen(struct applied *a, const json_t *value)
{
	const char *entries = field_name(a, "type", "array");
	const json_t *newest = entries ? json_object_get(value, entries) : NULL;
	json_int_t count = json_integer_value(json_object_get(value, sequence_of(a)));
	size_t n = count > a->seen ? (size_t)(count - a->seen) : 0, have;
	json_t *list = json_array();

	if (!newest) {
		n = n < RECORDS_AT_ONCE ? n : RECORDS_AT_ONCE;
		a->seen += (json_int_t)n;
		while (n-- > 0)
			json_array_append_new(list, json_null());
		return list;
	}
	have = json_array_size(newest);
	for (size_t i = have > n ? have - n : 0; i < have; i++)
		json_array_append(list, json_array_get(newest, i));
	a->seen = count;
	return list;
}

/* Fetches records if there are none left. 0; 1: this use of the function has none, and its latest result is in
 * a->results; -1 after mapi_fail(). a->lock is held. */
static int fetch(struct flow *f, struct applied *a)
{
	json_t *answer, *value, *records;
	const char *unit;
	int done = 0;

	if (json_array_size(a->records) > 0)
		return 0;
	answer = session_call(f->session, "flow.read",
			      json_pack("{s:I, s:i, s:i}", "flow", f->number, "function", a->fid,
					"records", RECORDS_AT_ONCE),
			      MAPI_UNKNOWN_ERROR);
	if (!answer)
		return -1;
	value = json_object_get(answer, "value");
	unit = json_string_value(json_object_get(value, "unit"));
	records = json_object_get(value, "records");
	json_decref(a->records);
	a->records = sequence_of(a) ? unseen(a, value) : json_incref(records);
	snprintf(a->unit, sizeof(a->unit), "%s", unit ? unit : "");
	a->results.ts = time_of(answer);
	if (!a->records)
		done = image_write(&a->results, &a->room, fields_of(a), value, NULL) < 0 ? -1 : 1;
	json_decref(answer);
	return done;
}

/* 1: one record is in a->results; 0: none was there; -1 after mapi_fail(). */
static int take(struct flow *f, struct applied *a)
{
	json_t *record;
	int got;

	pthread_mutex_lock(&a->lock);
	got = fetch(f, a);
	record = got == 0 ? json_array_get(a->records, 0) : NULL;
	if (record)
		got = image_write(&a->results, &a->room, record_fields(a), record,
				  a->unit[0] ? a->unit : NULL) < 0
			      ? -1
			      : 1;
	if (record)
		json_array_remove(a->records, 0);
	pthread_mutex_unlock(&a->lock);
	return got;
}

static int read_next(struct flow *f, struct applied *a)
{
	bool end = false;
	int got;

	for (;;) {
		got = take(f, a);
		if (got != 0)
			return got < 0 ? -1 : 0;
		if (end) // and it was looked once more after that
			return mapi_fail(MAPI_NO_RESULT,
					 "flow %d has finished: there is no further result", f->fd);
		if (wait_for_news(f, a, &end) < 0)
			return -1;
	}
}

mapi_results_t *(mapi_read_results)(int fd, int fid)
{
	struct flow *f;
	struct applied *a = find_running(fd, fid, MAPI_INVALID_FLOW, &f);
	mapi_results_t *results = NULL;

	if (a && !has_result(a) && !is_read_one_by_one(a))
		mapi_fail(MAPI_NO_RESULT, "%s has no result",
			  json_string_value(json_object_get(a->description, "name")));
	else if (a && (is_read_one_by_one(a) ? read_next(f, a) : read_latest(f, a)) == 0)
		results = &a->results;
	if (f)
		flow_release(f);
	return results;
}

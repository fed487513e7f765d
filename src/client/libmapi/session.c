/* SPDX-License-Identifier: BSD-3-Clause */
/* session: the conversation that all flows of a process share. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "client/libmapi/internal.h"

struct session {
	struct hm_client *client;
	unsigned refs;     // `lock`
	json_t *functions; // function.list, once somebody wants it; never changes after
	json_t *libraries; // library.list, in the same way
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct session *current; // NULL: none, or it has broken and waits for its flows to go

static struct session *begin(void)
{
	struct hm_error err = {0};
	struct session *s = calloc(1, sizeof(*s));

	if (!s) {
		mapi_fail(MAPI_OUT_OF_MEMORY, "out of memory");
		return NULL;
	}
	s->client = hm_client_open(NULL, "libmapi", &err);
	if (!s->client) {
		mapi_fail_as(&err, MAPI_SOCKET_ERROR);
		free(s);
		return NULL;
	}
	return s;
}

struct session *session_get(void)
{
	struct session *s;

	pthread_mutex_lock(&lock);
	if (current && hm_client_lost(current->client))
		current = NULL;
	if (!current)
		current = begin();
	s = current;
	if (s)
		s->refs++;
	pthread_mutex_unlock(&lock);
	return s;
}

struct session *session_hold(struct session *s)
{
	pthread_mutex_lock(&lock);
	s->refs++;
	pthread_mutex_unlock(&lock);
	return s;
}

void session_put(struct session *s)
{
	bool last;

	if (!s)
		return;
	pthread_mutex_lock(&lock);
	last = --s->refs == 0;
	if (last && current == s)
		current = NULL;
	pthread_mutex_unlock(&lock);
	if (!last)
		return;
	hm_client_close(s->client);
	json_decref(s->functions);
	free(s);
}

void session_forget(void)
{
	if (current)
		hm_client_abandon(current->client);
	current = NULL;
	pthread_mutex_init(&lock, NULL);
}

struct hm_client *session_client(const struct session *s)
{
	return s->client;
}

json_t *session_call(struct session *s, const char *method, json_t *params, int number)
{
	struct hm_error err = {0};
	json_t *result = hm_client_call(s->client, method, params, &err);

	if (!result)
		mapi_fail_as(&err, number);
	return result;
}

/* function.list, asked for once; NULL after mapi_fail(). */
static const json_t *functions_of(struct session *s)
{
	json_t *list, *answer;

	pthread_mutex_lock(&lock);
	list = s->functions;
	pthread_mutex_unlock(&lock);
	if (list)
		return list;
	answer = session_call(s, "function.list", NULL, MAPI_UNKNOWN_ERROR);
	if (!answer)
		return NULL;
	pthread_mutex_lock(&lock);
	if (!s->functions)
		s->functions = json_incref(answer);
	list = s->functions;
	pthread_mutex_unlock(&lock);
	json_decref(answer); // it was ours, or we came second
	return list;
}

static bool has_name(const json_t *function, const char *name)
{
	const char *own = json_string_value(json_object_get(function, "name"));
	json_t *alias;
	size_t i;

	if (own && !strcasecmp(own, name))
		return true;
	json_array_foreach (json_object_get(function, "aliases"), i, alias)
		if (json_is_string(alias) && !strcasecmp(json_string_value(alias), name))
			return true;
	return false;
}

const json_t *session_function(struct session *s, const char *name)
{
	const json_t *list = functions_of(s);
	json_t *function;
	size_t i;

	if (!list)
		return NULL;
	json_array_foreach ((json_t *)(uintptr_t)list, i, function)
		if (has_name(function, name))
			return function;
	mapi_fail(MAPI_FUNCTION_NOT_FOUND, "there is no function \"%s\"", name);
	return NULL;
}

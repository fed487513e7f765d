/* SPDX-License-Identifier: BSD-3-Clause */
/* rpc: frames requests and answers (see rpc.h). */
#include "control/rpc.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/restrict.h"
#include "core/policy.h"

/* Answers of a batch array, sent together when the last is there. */
struct hm_batch_answer {
	struct hm_peer *peer; // NULL when it has gone
	json_t *answers;
	unsigned open; // calls without answer, and one while the batch is being read
};

/* --- peers --- */

void hm_peer_open(struct hm_peer *p, struct hm_control *control)
{
	p->control = control;
	p->prev = NULL;
	p->next = control->peers;
	if (p->next)
		p->next->prev = p;
	control->peers = p;
}

void hm_peer_gone(struct hm_peer *p)
{
	for (struct hm_call *c = p->calls; c; c = c->next) {
		c->peer = NULL;
		if (c->batch)
			c->batch->peer = NULL;
	}
	p->calls = NULL;
	if (p->prev)
		p->prev->next = p->next;
	else
		p->control->peers = p->next;
	if (p->next)
		p->next->prev = p->prev;
	struct hm_engine *e = p->control->engine;
	struct hm_device *d;
	hm_flow_close_client(e, p->owner.client);
	while ((d = hm_device_of_client(e, p->owner.client)))
		hm_control_delete_device(p->control, d, NULL, NULL);
	hm_peer_forget_groups(p);
}

static void send_json(struct hm_peer *p, json_t *message, int fd)
{
	char *line = json_dumps(message, JSON_COMPACT | JSON_REAL_PRECISION(12));
	json_decref(message);
	if (!line) {
		if (fd >= 0)
			close(fd);
		p->close(p); // out of memory; an answer must not be missing without a sign
		return;
	}
	size_t n = strlen(line);
	line[n] = '\n'; // in the place of its end: lines have a length
	p->send(p, line, n + 1, fd);
}

/* --- answers --- */

/* A sentence may quote foreign bytes, cut in the middle of a letter: they must not cost the answer.
 */
static json_t *message_text(const char *text)
{
	json_t *string = json_string(text);
	char plain[2048];
	size_t n = 0;
	if (string)
		return string;
	for (; text[n] && n < sizeof(plain) - 1; n++)
		plain[n] = (unsigned char)text[n] < 128 ? text[n] : '?';
	return json_stringn(plain, n);
}

static json_t *error_message(json_t *id, int code, const char *text, json_t *data)
{
	json_t *error = json_pack("{s:i, s:o}", "code", code, "message", message_text(text));
	if (data)
		json_object_set_new(error, "data", data);
	return json_pack("{s:s, s:o, s:o}", "jsonrpc", "2.0", "id",
			 id ? json_incref(id) : json_null(), "error", error);
}

static void batch_done(struct hm_batch_answer *b)
{
	if (--b->open > 0)
		return;
	if (b->peer && json_array_size(b->answers) > 0)
		send_json(b->peer, json_incref(b->answers), -1);
	json_decref(b->answers);
	free(b);
}

/* Sends the message, or nothing to a notification, and frees the call. */
static void answer(struct hm_call *c, json_t *message, int fd)
{
	struct hm_peer *p = c->peer;
	struct hm_batch_answer *b = c->batch;
	if (p) {
		p->n_calls--;
		if (c->prev)
			c->prev->next = c->next;
		else
			p->calls = c->next;
		if (c->next)
			c->next->prev = c->prev;
	}
	if (c->id && b) {
		json_array_append_new(b->answers, message);
	} else if (c->id && p) {
		send_json(p, message, fd);
		fd = -1;
	} else {
		json_decref(message);
	}
	if (fd >= 0)
		close(fd);
	json_decref(c->id);
	free(c);
	if (b)
		batch_done(b);
}

void hm_call_result_fd(struct hm_call *c, json_t *result, int fd)
{
	if (!result) {
		if (fd >= 0)
			close(fd);
		hm_call_refuse(c, HM_RPC_INTERNAL, NULL, "out of memory");
		return;
	}
	answer(c,
	       json_pack("{s:s, s:o, s:o}", "jsonrpc", "2.0", "id",
			 c->id ? json_incref(c->id) : json_null(), "result", result),
	       fd);
}

void hm_call_result(struct hm_call *c, json_t *result)
{
	hm_call_result_fd(c, result, -1);
}

void hm_call_refuse(struct hm_call *c, int code, json_t *data, const char *format, ...)
{
	char text[2048];
	va_list ap;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	answer(c, error_message(c->id, code, text, data), -1);
}

void hm_call_fail(struct hm_call *c, const struct hm_error *err)
{
	json_t *data = err->mapi_errno ? json_pack("{s:i}", "mapi_errno", err->mapi_errno) : NULL;
	hm_call_refuse(c, HM_RPC_FAILED, data, "%s", err->text);
}

void hm_peer_breach(struct hm_peer *p, int code, const char *format, ...)
{
	char text[512];
	va_list ap;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	send_json(p, error_message(NULL, code, text, NULL), -1);
	p->close(p);
}

/* --- methods --- */

static const struct hm_method *const tables[] = {hm_methods_daemon, hm_methods_device,
						 hm_methods_flow, hm_methods_result,
						 hm_methods_policy};
#define N_TABLES (sizeof(tables) / sizeof(tables[0]))

const struct hm_method *hm_method_next(const struct hm_method *m)
{
	if (!m)
		return tables[0];
	if (m[1].name)
		return m + 1;
	for (size_t i = 0; i + 1 < N_TABLES; i++)
		for (const struct hm_method *t = tables[i]; t->name; t++)
			if (t == m)
				return tables[i + 1];
	return NULL;
}

const struct hm_method *hm_method_find(const char *name)
{
	const struct hm_method *m = NULL;
	while ((m = hm_method_next(m)) && strcmp(m->name, name) != 0)
		;
	return m;
}

/* --- requests --- */

/* Parameters by position become parameters by name. NULL if there are too many. */
static json_t *by_name(const struct hm_key *keys, const json_t *params)
{
	if (!params)
		return json_object();
	if (!json_is_array(params))
		return json_incref((json_t *)params);
	json_t *object = json_object();
	for (size_t i = 0; i < json_array_size(params); i++) {
		if (!keys[i].name) {
			json_decref(object);
			return NULL;
		}
		json_object_set(object, keys[i].name, json_array_get(params, i));
	}
	return object;
}

static void refuse_params(struct hm_call *c, const struct hm_mistakes *m)
{
	char text[1536];
	size_t used = 0;
	for (size_t i = 0; i < m->lines.n && used < sizeof(text); i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s",
					 i ? "; also " : "", m->lines.at[i]);
	hm_call_refuse(c, HM_RPC_PARAMS, NULL, "%s", text);
}

static void invoke(struct hm_call *c, const struct hm_method *m, const json_t *params)
{
	struct hm_mistakes mistakes = {0};
	json_t *named = by_name(m->params, params);
	if (!named) {
		hm_call_refuse(c, HM_RPC_PARAMS, NULL, "params: more values than %s has parameters",
			       m->name);
		return;
	}
	hm_keys_check(m->params, named, "params", &mistakes);
	if (mistakes.lines.n > 0 || mistakes.more > 0)
		refuse_params(c, &mistakes);
	else
		m->handler(c, named);
	hm_mistakes_free(&mistakes);
	json_decref(named);
}

/* What is wrong with the frame of a request; NULL if nothing is. */
static const char *frame_mistake(const json_t *request)
{
	const json_t *id = json_object_get(request, "id");
	const json_t *params = json_object_get(request, "params");
	const char *version = json_string_value(json_object_get(request, "jsonrpc"));
	if (!json_is_object(request))
		return "a request is an object, {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":...}";
	if (!version || strcmp(version, "2.0") != 0)
		return "\"jsonrpc\" must be \"2.0\"";
	if (id && !json_is_string(id) && !json_is_integer(id) && !json_is_null(id))
		return "\"id\" must be a string, an integer or null";
	if (!json_is_string(json_object_get(request, "method")))
		return "\"method\" must be a string";
	if (params && !json_is_object(params) && !json_is_array(params))
		return "\"params\" must be an object or an array";
	return NULL;
}

static struct hm_call *open_call(struct hm_peer *p, json_t *id, struct hm_batch_answer *batch)
{
	struct hm_call *c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->peer = p;
	c->id = json_incref(id);
	c->batch = batch;
	if (batch)
		batch->open++;
	c->next = p->calls;
	if (c->next)
		c->next->prev = c;
	p->calls = c;
	p->n_calls++;
	return c;
}

static void serve(struct hm_peer *p, const json_t *request, struct hm_batch_answer *batch)
{
	const char *mistake = frame_mistake(request);
	json_t *id = json_object_get(request, "id"), *null = json_null();
	if (mistake && (!id || json_is_real(id) || json_is_boolean(id) || json_is_object(id) ||
			json_is_array(id)))
		id = null; // an unusable request is answered, too
	struct hm_call *c = open_call(p, id, batch);
	if (!c) {
		p->close(p);
		return;
	}
	if (mistake) {
		hm_call_refuse(c, HM_RPC_REQUEST, NULL, "%s", mistake);
		return;
	}
	const char *name = json_string_value(json_object_get(request, "method"));
	const struct hm_method *m = hm_method_find(name);
	if (!m)
		hm_call_refuse(c, HM_RPC_METHOD, NULL,
			       "there is no method \"%.64s\"; method.list tells which there are",
			       name);
	else if (m->role > hm_peer_role(p) && p->owner.policy)
		hm_call_refuse(c, HM_RPC_RIGHTS, json_pack("{s:i}", "mapi_errno", 3139),
			       "policy \"%s\" does not allow %s", hm_policy_name(p->owner.policy),
			       m->name);
	else if (m->role > hm_peer_role(p))
		hm_call_refuse(c, HM_RPC_RIGHTS, NULL,
			       "%s is for administrators; user %u is not one (control."
			       "administrators in the configuration)",
			       m->name, p->owner.uid);
	else if (p->handed.n > 0 && (!m->takes_handed || batch))
		hm_call_refuse(c, HM_RPC_REQUEST, json_pack("{s:i}", "mapi_errno", 6156),
			       "%u descriptor%s came with this line, and %s takes none%s",
			       p->handed.n, p->handed.n == 1 ? "" : "s", m->name,
			       batch ? " in a batch" : "");
	else
		invoke(c, m, json_object_get(request, "params"));
}

static void serve_batch(struct hm_peer *p, const json_t *requests)
{
	size_t n = json_array_size(requests);
	if (n == 0 || n > HM_RPC_BATCH_MAX) {
		send_json(p,
			  error_message(NULL, HM_RPC_REQUEST, "a batch must hold 1 to 64 requests",
					NULL),
			  -1);
		return;
	}
	struct hm_batch_answer *b = calloc(1, sizeof(*b));
	if (!b) {
		p->close(p);
		return;
	}
	b->peer = p;
	b->answers = json_array();
	b->open = 1;
	for (size_t i = 0; i < n; i++)
		serve(p, json_array_get(requests, i), b);
	batch_done(b);
}

static void serve_line(struct hm_peer *p, const char *line, size_t n)
{
	unsigned at_line, column;
	json_error_t where;
	if (hm_json_nesting(line, n, HM_RPC_NESTING_MAX, &at_line, &column) < 0) {
		hm_peer_breach(p, HM_RPC_PARSE, "column %u: nested deeper than %u levels", column,
			       HM_RPC_NESTING_MAX);
		return;
	}
	if (p->n_calls >= p->control->config->control.max_calls_per_client) {
		hm_peer_breach(p, HM_RPC_LIMIT,
			       "%u requests wait for their answer already "
			       "(control.max_calls_per_client)",
			       p->n_calls);
		return;
	}
	json_t *request = json_loadb(line, n, JSON_REJECT_DUPLICATES, &where);
	if (!request) {
		char text[256];
		snprintf(text, sizeof(text), "column %d: %s", where.column, where.text);
		send_json(p, error_message(NULL, HM_RPC_PARSE, text, NULL), -1);
	} else if (json_is_array(request)) {
		serve_batch(p, request);
	} else {
		serve(p, request, NULL);
	}
	json_decref(request);
}

void hm_peer_line(struct hm_peer *p, const char *line, size_t n)
{
	serve_line(p, line, n);
	hm_handed_clear(&p->handed);
}

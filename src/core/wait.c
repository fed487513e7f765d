/* SPDX-License-Identifier: BSD-3-Clause */
/* Clients that wait for a function to hand something out. Workers call nobody: the control core looks about every
 * millisecond, at as many functions as there are waits.
 */
#include <errno.h>
#include <stdlib.h>

#include "core/engine_internal.h"

struct hm_wait {
	struct hm_wait *next;
	uint32_t flow, function;
	uint64_t client, after;
	hm_answer_cb answer;
	void *arg;
};

static void fail(struct hm_wait *w, const struct hm_error *err)
{
	w->answer(w->arg, NULL, err);
	free(w);
}

/* Whether it was answered, and is gone. */
static bool look(struct hm_engine *e, struct hm_wait *w)
{
	struct hm_flow *f = hm_flow_by_id(e, w->flow);
	struct hm_error err;
	enum hm_news news;

	if (!f || f->state != HM_FLOW_ACTIVE) {
		hm_error_set(&err, -ECANCELED, 6145, "flow %u was closed", w->flow);
		fail(w, &err);
		return true;
	}
	// it has as many functions as when the wait began, since it is connected
	news = hm_instance_news(hm_flow_function(f, w->function), w->after,
				f->device->state == HM_DEVICE_FINISHED);
	if (news == HM_NEWS_LATER)
		return false;
	w->answer(w->arg, json_pack("{s:b}", "end", news == HM_NEWS_END), NULL);
	free(w);
	return true;
}

void hm_flow_wait(struct hm_flow *f, const json_t *which, uint64_t after, uint64_t client,
		  hm_answer_cb answer, void *arg)
{
	struct hm_error err;
	struct hm_instance *in = hm_flow_running(f, which, &err);
	struct hm_wait *w = NULL;

	if (in && hm_instance_news(in, after, false) == HM_NEWS_NEVER)
		hm_error_set(&err, -ENODATA, 6146, "%s hands out nothing", in->fn->name);
	else if (in && !(w = malloc(sizeof(*w))))
		hm_error_set(&err, -ENOMEM, 3084, "out of memory");
	if (!w) {
		answer(arg, NULL, &err);
		return;
	}
	*w = (struct hm_wait){.flow = f->id,
			      .function = in->number,
			      .client = client,
			      .after = after,
			      .answer = answer,
			      .arg = arg};
	if (look(f->engine, w))
		return;
	w->next = f->engine->waits;
	f->engine->waits = w;
}

unsigned hm_waits_poll(struct hm_engine *e)
{
	struct hm_wait **at = &e->waits, *w, *next;
	unsigned work = 0;

	while ((w = *at)) {
		next = w->next;
		if (look(e, w)) { // answers go out later: nobody has come or gone meanwhile
			*at = next;
			work++;
		} else {
			at = &w->next;
		}
	}
	return work;
}

/* Those of a client, or all. */
static void end_waits(struct hm_engine *e, const uint64_t *client, const struct hm_error *err)
{
	struct hm_wait **at = &e->waits, *w;

	while ((w = *at)) {
		if (client && w->client != *client) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		fail(w, err);
	}
}

void hm_waits_forget(struct hm_engine *e, uint64_t client)
{
	struct hm_error err;

	hm_error_set(&err, -ECANCELED, 0, "the client has gone");
	end_waits(e, &client, &err);
}

void hm_waits_fini(struct hm_engine *e, const struct hm_error *err)
{
	end_waits(e, NULL, err);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* survey: a look at the open records of the flow caches: how old they are, and the largest of them.
 *
 * Workers look at their own caches, a bounded number of places a tick, so that nobody else reads
 * what a worker writes; the control core asks, adds up what they saw, and answers. Records keep
 * their places, so none is seen twice; what comes and goes meanwhile may be missed.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/answer.h"
#include "netflow/cache.h"

#define HM_SURVEY_AGES    20   // below 1 s, 2 s, 4 s ... 3 days, and above
#define HM_SURVEY_TOP_MAX 1000 // records
#define HM_SURVEY_WAITING 16   // questions
#define HM_SURVEY_PLACES  2048 // that a worker looks at in a tick

struct hm_survey; // what has been seen

/* The `top` largest records, by bytes or by packets of both directions. NULL: no memory. */
struct hm_survey *hm_survey_create(unsigned top, bool by_bytes);
void hm_survey_destroy(struct hm_survey *s);
/* One open record; ages count up to now_ns. */
void hm_survey_see(struct hm_survey *s, const struct hm_flow_record *r, uint64_t now_ns);
void hm_survey_add(struct hm_survey *to, const struct hm_survey *from);
/* {"records", "packets", "bytes", "ages", "idle", "top"}, the largest record first. */
json_t *hm_survey_json(struct hm_survey *s);

/* --- one worker's part --- */

struct hm_survey_lane;

/* In each tick. */
void hm_survey_step(struct hm_survey_lane *l, uint64_t now_ns);

/* --- the control core's --- */

struct hm_surveyor; // takes one question after the other

struct hm_surveyor *hm_surveyor_create(unsigned lanes); // NULL: no memory
/* Tells those who wait that there is no answer. No worker may step any more. */
void hm_surveyor_destroy(struct hm_surveyor *s);
/* Before the worker runs; the cache must live as long as the surveyor. */
struct hm_survey_lane *hm_surveyor_lane(struct hm_surveyor *s, unsigned i,
					const struct hm_cache *cache);
/* Answered by a later poll. A negative errno: refused at once. */
int hm_surveyor_ask(struct hm_surveyor *s, unsigned top, bool by_bytes, hm_answer_cb answer,
		    void *arg, struct hm_error *err);
void hm_surveyor_poll(struct hm_surveyor *s, uint64_t now_ns); // of a clock that does not step

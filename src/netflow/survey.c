/* SPDX-License-Identifier: BSD-3-Clause */
#include "netflow/survey.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_A_S      UINT64_C(1000000000)
#define PATIENCE_NS (3 * NS_A_S) // for a worker that does not go on

struct hm_survey {
	bool by_bytes;
	uint64_t records, packets, bytes;
	uint64_t age[HM_SURVEY_AGES], idle[HM_SURVEY_AGES];
	unsigned n, max;
	struct hm_flow_record top[]; // a heap, the smallest first
};

/* --- what is seen --- */

struct hm_survey *hm_survey_create(unsigned top, bool by_bytes)
{
	struct hm_survey *s = calloc(1, sizeof(*s) + top * sizeof(s->top[0]));

	if (s) {
		s->max = top;
		s->by_bytes = by_bytes;
	}
	return s;
}

void hm_survey_destroy(struct hm_survey *s)
{
	free(s);
}

static uint64_t weight(const struct hm_survey *s, const struct hm_flow_record *r)
{
	return s->by_bytes ? r->bytes[0] + r->bytes[1] : r->packets[0] + r->packets[1];
}

static void swap(struct hm_flow_record *a, struct hm_flow_record *b)
{
	struct hm_flow_record t = *a;

	*a = *b;
	*b = t;
}

static void sift_up(struct hm_survey *s, unsigned i)
{
	for (; i > 0 && weight(s, &s->top[i]) < weight(s, &s->top[(i - 1) / 2]); i = (i - 1) / 2)
		swap(&s->top[i], &s->top[(i - 1) / 2]);
}

static void sift_down(struct hm_survey *s, unsigned i)
{
	for (;;) {
		unsigned least = i;
		for (unsigned k = 2 * i + 1; k <= 2 * i + 2 && k < s->n; k++)
			if (weight(s, &s->top[k]) < weight(s, &s->top[least]))
				least = k;
		if (least == i)
			return;
		swap(&s->top[i], &s->top[least]);
		i = least;
	}
}

static void offer(struct hm_survey *s, const struct hm_flow_record *r)
{
	if (s->n < s->max) {
		s->top[s->n++] = *r;
		sift_up(s, s->n - 1);
	} else if (s->max > 0 && weight(s, r) > weight(s, &s->top[0])) {
		s->top[0] = *r;
		sift_down(s, 0);
	}
}

/* Place 0 is below a second, each further one below twice as much; the last one has no end. */
static unsigned age_place(uint64_t from_ns, uint64_t now_ns)
{
	uint64_t seconds = now_ns > from_ns ? (now_ns - from_ns) / NS_A_S : 0;
	unsigned place = seconds == 0 ? 0 : 64 - (unsigned)__builtin_clzll(seconds);

	return place < HM_SURVEY_AGES ? place : HM_SURVEY_AGES - 1;
}

void hm_survey_see(struct hm_survey *s, const struct hm_flow_record *r, uint64_t now_ns)
{
	uint64_t last = r->last_ns[0] > r->last_ns[1] ? r->last_ns[0] : r->last_ns[1];

	s->records++;
	s->packets += r->packets[0] + r->packets[1];
	s->bytes += r->bytes[0] + r->bytes[1];
	s->age[age_place(r->start_ns, now_ns)]++;
	s->idle[age_place(last, now_ns)]++;
	offer(s, r);
}

void hm_survey_add(struct hm_survey *to, const struct hm_survey *from)
{
	to->records += from->records;
	to->packets += from->packets;
	to->bytes += from->bytes;
	for (unsigned i = 0; i < HM_SURVEY_AGES; i++) {
		to->age[i] += from->age[i];
		to->idle[i] += from->idle[i];
	}
	for (unsigned i = 0; i < from->n; i++)
		offer(to, &from->top[i]);
}

/* --- as JSON --- */

static json_t *times_json(uint64_t ns)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, ns);
	return json_string(text);
}

/* Counters by direction: of what the initiator sent, and of what came back. */
static json_t *record_json(const struct hm_flow_record *r)
{
	unsigned from = r->initiator, to = from ^ 1;
	uint64_t last = r->last_ns[0] > r->last_ns[1] ? r->last_ns[0] : r->last_ns[1];
	char address[2][INET6_ADDRSTRLEN];

	for (unsigned i = 0; i < 2; i++)
		inet_ntop(r->key.version == 4 ? AF_INET : AF_INET6, r->key.addr[i], address[i],
			  sizeof(address[i]));
	return json_pack("{s:s, s:s, s:i, s:i, s:i, s:[I,I], s:[I,I], s:o, s:o}", "source",
			 address[from], "destination", address[to], "source_port",
			 (int)ntohs(r->key.port_be[from]), "destination_port",
			 (int)ntohs(r->key.port_be[to]), "protocol", (int)r->key.proto, "packets",
			 (json_int_t)r->packets[from], (json_int_t)r->packets[to], "bytes",
			 (json_int_t)r->bytes[from], (json_int_t)r->bytes[to], "first_ns",
			 times_json(r->start_ns), "last_ns", times_json(last));
}

static json_t *ages_json(const uint64_t *n)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < HM_SURVEY_AGES; i++)
		json_array_append_new(list, json_integer((json_int_t)n[i]));
	return list;
}

static json_t *edges_json(void)
{
	json_t *list = json_array();

	for (unsigned i = 0; i + 1 < HM_SURVEY_AGES; i++)
		json_array_append_new(list, json_integer((json_int_t)1 << i));
	return list;
}

json_t *hm_survey_json(struct hm_survey *s)
{
	json_t *top = json_array();

	while (s->n > 0) { // the smallest leaves the heap first
		json_array_insert_new(top, 0, record_json(&s->top[0]));
		s->top[0] = s->top[--s->n];
		sift_down(s, 0);
	}
	return json_pack("{s:I, s:I, s:I, s:o, s:o, s:o, s:o}", "records", (json_int_t)s->records,
			 "packets", (json_int_t)s->packets, "bytes", (json_int_t)s->bytes,
			 "below_s", edges_json(), "ages", ages_json(s->age), "idle",
			 ages_json(s->idle), "top", top);
}

/* --- workers --- */

struct hm_survey_lane {
	const struct hm_cache *cache;
	struct hm_survey
		*asked;         // set by the control core; the worker takes it away when it is done
	struct hm_survey *seen; // the same, until the control core has added it up
	uint32_t at;            // place in the cache; the worker's
};

struct visit {
	struct hm_survey *survey;
	uint64_t now_ns;
};

static void see(void *arg, const struct hm_flow_record *r)
{
	const struct visit *v = arg;

	hm_survey_see(v->survey, r, v->now_ns);
}

void hm_survey_step(struct hm_survey_lane *l, uint64_t now_ns)
{
	struct visit v = {__atomic_load_n(&l->asked, __ATOMIC_ACQUIRE), now_ns}; // ask_lanes()
	uint32_t at;

	if (__builtin_expect(!v.survey, 1))
		return;
	at = hm_cache_walk(l->cache, l->at, HM_SURVEY_PLACES, see, &v);
	__atomic_store_n(&l->at, at, __ATOMIC_RELAXED);
	if (at == 0)
		__atomic_store_n(&l->asked, NULL, __ATOMIC_RELEASE); // take_lanes()
}

/* --- control core --- */

struct question {
	unsigned top;
	bool by_bytes;
	hm_answer_cb answer;
	void *arg;
};

struct hm_surveyor {
	struct question waiting[HM_SURVEY_WAITING];
	unsigned n_waiting; // the first of them is being answered if `sum` is set
	bool told;          // it has been told that there is no answer
	struct hm_survey *sum;
	uint64_t progress, progress_ns;
	unsigned n_lanes;
	struct hm_survey_lane lane[];
};

struct hm_surveyor *hm_surveyor_create(unsigned lanes)
{
	struct hm_surveyor *s = calloc(1, sizeof(*s) + lanes * sizeof(s->lane[0]));

	if (s)
		s->n_lanes = lanes;
	return s;
}

struct hm_survey_lane *hm_surveyor_lane(struct hm_surveyor *s, unsigned i,
					const struct hm_cache *cache)
{
	s->lane[i].cache = cache;
	return &s->lane[i];
}

/* The first question is done with. */
static void finish(struct hm_surveyor *s, json_t *result, const struct hm_error *err)
{
	const struct question q = s->waiting[0];

	memmove(s->waiting, s->waiting + 1, --s->n_waiting * sizeof(q));
	if (!s->told)
		q.answer(q.arg, result, err);
	else
		json_decref(result);
	s->told = false;
}

void hm_surveyor_destroy(struct hm_surveyor *s)
{
	struct hm_error err;

	if (!s)
		return;
	hm_error_set(&err, -ECANCELED, 0, "the flow has been closed meanwhile");
	while (s->n_waiting > 0)
		finish(s, NULL, &err);
	for (unsigned i = 0; i < s->n_lanes; i++)
		hm_survey_destroy(s->lane[i].seen);
	hm_survey_destroy(s->sum);
	free(s);
}

int hm_surveyor_ask(struct hm_surveyor *s, unsigned top, bool by_bytes, hm_answer_cb answer,
		    void *arg, struct hm_error *err)
{
	if (s->n_waiting == HM_SURVEY_WAITING)
		return hm_error_set(err, -EBUSY, 0,
				    "%d questions about this flow cache wait already: try again "
				    "later",
				    HM_SURVEY_WAITING);
	s->waiting[s->n_waiting++] = (struct question){top, by_bytes, answer, arg};
	return 0;
}

/* Each worker that has records looks at its own. False: no memory. */
static bool ask_lanes(struct hm_surveyor *s)
{
	const struct question *q = &s->waiting[0];

	s->sum = hm_survey_create(q->top, q->by_bytes);
	for (unsigned i = 0; s->sum && i < s->n_lanes; i++) {
		struct hm_survey_lane *l = &s->lane[i];
		if (!l->cache || hm_cache_used(l->cache) == 0)
			continue;
		l->seen = hm_survey_create(q->top, q->by_bytes);
		if (!l->seen)
			return false;
	}
	for (unsigned i = 0; s->sum && i < s->n_lanes; i++)
		__atomic_store_n(&s->lane[i].asked, s->lane[i].seen, __ATOMIC_RELEASE); // step
	return s->sum != NULL;
}

/* Adds up what the workers have seen; how many have not done yet, and how far they are. */
static unsigned take_lanes(struct hm_surveyor *s, uint64_t *progress)
{
	unsigned busy = 0;

	for (unsigned i = 0; i < s->n_lanes; i++) {
		struct hm_survey_lane *l = &s->lane[i];
		if (__atomic_load_n(&l->asked, __ATOMIC_ACQUIRE)) { // hm_survey_step()
			busy++;
			*progress += __atomic_load_n(&l->at, __ATOMIC_RELAXED);
		} else if (l->seen) {
			hm_survey_add(s->sum, l->seen);
			hm_survey_destroy(l->seen);
			l->seen = NULL;
		}
	}
	return busy;
}

static void give_up(struct hm_surveyor *s)
{
	for (unsigned i = 0; i < s->n_lanes; i++) {
		hm_survey_destroy(s->lane[i].seen);
		s->lane[i].seen = NULL;
	}
	hm_survey_destroy(s->sum);
	s->sum = NULL;
}

static void begin(struct hm_surveyor *s, uint64_t now_ns)
{
	struct hm_error err;

	s->progress = UINT64_MAX;
	s->progress_ns = now_ns;
	if (ask_lanes(s))
		return;
	give_up(s); // no worker has been asked
	hm_error_set(&err, -ENOMEM, 3084, "out of memory");
	finish(s, NULL, &err);
}

/* A worker that does not run cannot look; what it was given stays its own until it does. */
static void lose_patience(struct hm_surveyor *s, uint64_t progress, uint64_t now_ns)
{
	struct hm_error err;

	if (progress != s->progress) {
		s->progress = progress;
		s->progress_ns = now_ns;
	} else if (!s->told && now_ns - s->progress_ns >= PATIENCE_NS) {
		hm_error_set(&err, -ETIMEDOUT, 0,
			     "a worker of the device does not look at its flow cache: does the "
			     "device run?");
		s->waiting[0].answer(s->waiting[0].arg, NULL, &err);
		s->told = true;
	}
}

void hm_surveyor_poll(struct hm_surveyor *s, uint64_t now_ns)
{
	uint64_t progress = 0;

	if (s->n_waiting == 0)
		return;
	if (!s->sum)
		begin(s, now_ns);
	if (!s->sum)
		return;
	if (take_lanes(s, &progress) > 0) {
		lose_patience(s, progress, now_ns);
		return;
	}
	finish(s, s->told ? NULL : hm_survey_json(s->sum), NULL);
	hm_survey_destroy(s->sum);
	s->sum = NULL;
}

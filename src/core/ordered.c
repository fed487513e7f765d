/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/ordered.h"

#include <errno.h>
#include <rte_malloc.h>
#include <rte_mbuf_dyn.h>
#include <string.h>

#include "core/clock.h"
#include "core/device.h"

/* --- making --- */

unsigned hm_ordered_runners(enum hm_order_kind kind, unsigned n_lanes)
{
	return kind == HM_ORDER_ALL ? 1 : RTE_MIN(n_lanes, (unsigned)HM_PAIR_PARTS);
}

static struct hm_order_conf conf_of(const struct hm_device_config *c, unsigned n_lanes,
				    enum hm_order_kind kind, int socket)
{
	return (struct hm_order_conf){
		.sources = c->queues,
		.lanes = n_lanes,
		.burst = c->burst,
		.snaplen = c->source == HM_SOURCE_TRACE ? UINT16_MAX : c->snaplen,
		.share = hm_ordered_runners(kind, n_lanes),
		.socket = socket,
	};
}

/* Where all runners of pairs are one they are not needed: the order of all is that of pairs, too. */
uint64_t hm_ordered_memory(const struct hm_device_config *c, unsigned n_lanes)
{
	const struct hm_order_conf all = conf_of(c, n_lanes, HM_ORDER_ALL, -1),
				   pairs = conf_of(c, n_lanes, HM_ORDER_PAIRS, -1);

	if (c->queues == 1)
		return 0;
	return hm_order_memory(&all) +
	       (pairs.share > 1 ? pairs.share * hm_order_memory(&pairs) : 0);
}

struct hm_ordered *hm_ordered_create(const struct hm_device *d, struct hm_error *err)
{
	struct hm_ordered *o = rte_zmalloc_socket("ordered", sizeof(*o), RTE_CACHE_LINE_SIZE,
						  d->workers[0]->socket);

	if (!o) {
		hm_error_set(err, -ENOMEM, 3084, "no memory (raise eal.memory_mb)");
		return NULL;
	}
	o->n_lanes = d->n_lanes;
	o->n_queues = d->config->queues;
	o->by_number = d->lanes[0]->queues[0]->source_floor != NULL;
	o->slack_ns = (uint64_t)d->config->order_slack_us * 1000;
	return o;
}

static void destroy_runners(struct hm_runners *s)
{
	if (!s)
		return;
	hm_nodes_destroy(s->nodes);
	for (unsigned k = 0; k < s->n; k++)
		hm_order_destroy(s->runner[k].order);
	rte_free(s->shares);
	rte_free(s);
}

static bool make_parts(struct hm_runners *s, const struct hm_device *d, enum hm_order_kind kind,
		       struct hm_error *err)
{
	int sockets[HM_PAIR_PARTS];

	for (unsigned k = 0; k < s->n; k++) {
		const unsigned lane = (s->first_lane + k) % d->n_lanes;
		struct hm_order_conf conf;

		sockets[k] = d->workers[lane]->socket;
		conf = conf_of(d->config, d->n_lanes, kind, sockets[k]);
		s->runner[k].lane = d->lanes[lane];
		s->runner[k].order = hm_order_create(&conf, err);
		if (!s->runner[k].order)
			return false;
	}
	if (s->n > 1)
		s->shares =
			rte_zmalloc("shares", d->n_lanes * sizeof(*s->shares), RTE_CACHE_LINE_SIZE);
	s->nodes = hm_nodes_create(s->n, sockets);
	if (s->nodes && (s->shares || s->n == 1))
		return true;
	hm_error_set(err, -ENOMEM, 3084, "no memory (raise eal.memory_mb)");
	return false;
}

struct hm_runners *hm_ordered_make(struct hm_ordered *o, const struct hm_device *d,
				   enum hm_order_kind kind, struct hm_error *err)
{
	struct hm_runners *s = rte_zmalloc_socket("runners", sizeof(*s), RTE_CACHE_LINE_SIZE,
						  d->workers[0]->socket);

	if (!s) {
		hm_error_set(err, -ENOMEM, 3084, "no memory (raise eal.memory_mb)");
		return NULL;
	}
	s->n = hm_ordered_runners(kind, d->n_lanes);
	s->first_lane = d->index % d->n_lanes; // several devices share the work
	if (!make_parts(s, d, kind, err)) {
		destroy_runners(s);
		return NULL;
	}
	atomic_store_explicit(&o->runners[kind], s, memory_order_release); // hm_ordered_get
	return s;
}

void hm_ordered_destroy(struct hm_ordered *o)
{
	if (!o)
		return;
	hm_runners_foreach (s, o)
		destroy_runners(s);
	rte_free(o);
}

bool hm_ordered_drained(const struct hm_ordered *o)
{
	hm_runner_foreach (r, o)
		if (!atomic_load_explicit(&r->drained, memory_order_acquire))
			return false;
	return true;
}

/* --- flows --- */

/* Refs depend on nothing but what came and went before: they are the same everywhere. */
uint32_t hm_runners_flow_add(struct hm_runners *s)
{
	uint32_t ref = hm_order_flow_add(s->runner[0].order);

	for (unsigned k = 1; k < s->n; k++)
		hm_order_flow_add(s->runner[k].order);
	return ref;
}

void hm_runners_flow_stop(struct hm_runners *s, uint32_t ref)
{
	for (unsigned k = 0; k < s->n; k++)
		hm_order_flow_stop(s->runner[k].order, ref);
}

void hm_runners_flow_remove(struct hm_runners *s, uint32_t ref)
{
	for (unsigned k = 0; k < s->n; k++)
		hm_order_flow_remove(s->runner[k].order, ref);
}

static void add_counts(struct hm_order_counts *sum, const struct hm_order_counts *c)
{
	sum->handed_over += c->handed_over;
	sum->dropped += c->dropped;
	sum->run += c->run;
	sum->late += c->late;
}

void hm_runners_flow_counts(const struct hm_runners *s, uint32_t ref, struct hm_order_counts *c)
{
	*c = (struct hm_order_counts){0};
	for (unsigned k = 0; k < s->n; k++) {
		struct hm_order_counts one;

		hm_order_flow_counts(s->runner[k].order, ref, &one);
		add_counts(c, &one);
	}
}

void hm_runners_counts(const struct hm_runners *s, struct hm_order_counts *c)
{
	*c = (struct hm_order_counts){0};
	for (unsigned k = 0; k < s->n; k++) {
		struct hm_order_counts one;

		hm_order_counts(s->runner[k].order, &one);
		add_counts(c, &one);
	}
}

json_t *hm_runners_lcores(const struct hm_runners *s, const struct hm_device *d)
{
	json_t *list = json_array();

	for (unsigned k = 0; k < s->n; k++)
		json_array_append_new(list,
				      json_integer(d->workers[s->runner[k].lane->number]->lcore));
	return list;
}

/* --- producers --- */

/* The packets of the batch by runner; of several flows that mark the same ones the first has them looked at. */
static const uint64_t *shares_of(struct hm_runners *s, unsigned lane, const struct hm_batch *b,
				 uint64_t mask)
{
	struct hm_shares *shares = &s->shares[lane];

	if (shares->number != b->number) {
		memset(shares, 0, sizeof(*shares));
		shares->number = b->number;
	}
	mask &= ~shares->known;
	shares->known |= mask;
	hm_mask_foreach (i, mask)
		shares->of[hm_pair_part(b, i) % s->n] |= UINT64_C(1) << i;
	return shares->of;
}

void hm_runners_mark(struct hm_runners *s, unsigned lane, uint32_t ref, const struct hm_batch *b,
		     uint64_t mask)
{
	const uint64_t *shares;

	if (s->n == 1) {
		hm_order_mark(hm_order_lane(s->runner[0].order, lane), ref, mask);
		return;
	}
	shares = shares_of(s, lane, b, mask);
	for (unsigned k = 0; k < s->n; k++)
		if (mask & shares[k])
			hm_order_mark(hm_order_lane(s->runner[k].order, lane), ref,
				      mask & shares[k]);
}

bool hm_ordered_ready(struct hm_ordered *o, const struct hm_queue *q)
{
	hm_runner_foreach (r, o)
		if (!hm_order_ready(r->order, q->queue))
			return false;
	return true;
}

static uint64_t number_of(const struct hm_lane *l, struct rte_mbuf *m)
{
	return *RTE_MBUF_DYNFIELD(m, l->sequence_offset, uint64_t *);
}

/* Times of all queues meet in one place, which is written rarely, so that it costs no cache misses. */
static void note_time(struct hm_ordered *o, uint64_t ts_ns)
{
	uint64_t seen = atomic_load_explicit(&o->seen_ns, memory_order_relaxed);

	if (ts_ns > seen + o->slack_ns / 8)
		atomic_store_explicit(&o->seen_ns, ts_ns, memory_order_relaxed);
}

uint64_t hm_ordered_now(const struct hm_ordered *o, struct hm_queue *q)
{
	uint64_t seen = atomic_load_explicit(&o->seen_ns, memory_order_relaxed), clock;

	if (o->by_number || !seen)
		return 0;
	// a card may keep a time of its own: it goes on by as much as the host's
	clock = hm_clock_now_ns();
	if (q->seen_ns != seen || clock < q->seen_clock_ns) {
		q->seen_ns = seen;
		q->seen_clock_ns = clock;
	}
	return seen + (clock - q->seen_clock_ns);
}

/* The keys of the packets that go over. */
static const uint64_t *keys_of(struct hm_ordered *o, const struct hm_lane *l,
			       const struct hm_batch *b, struct rte_mbuf *const *mbufs,
			       uint64_t *numbers)
{
	uint64_t marked = 0;

	if (!o->by_number)
		return b->ts_ns;
	hm_runner_foreach (r, o)
		marked |= hm_order_marked(hm_order_lane(r->order, l->number));
	hm_mask_foreach (i, marked)
		numbers[i] = number_of(l, mbufs[i]);
	return numbers;
}

void hm_ordered_put(struct hm_ordered *o, struct hm_lane *l, struct hm_queue *q,
		    const struct hm_batch *b, struct rte_mbuf *const *mbufs)
{
	uint64_t numbers[HM_BATCH_MAX];
	const uint64_t *keys = keys_of(o, l, b, mbufs, numbers);

	q->last_key = o->by_number ? number_of(l, mbufs[b->n - 1]) : b->ts_ns[b->n - 1];
	if (!o->by_number)
		note_time(o, q->last_key);
	hm_runner_foreach (r, o)
		hm_order_put(r->order, q->queue, hm_order_lane(r->order, l->number), b, keys);
}

static void publish_floor(struct hm_ordered *o, const struct hm_queue *q, uint64_t floor)
{
	hm_runner_foreach (r, o)
		hm_order_publish(r->order, q->queue, floor);
}

void hm_ordered_publish(struct hm_ordered *o, const struct hm_queue *q, unsigned n, uint64_t now_ns)
{
	uint64_t floor = q->last_key;

	if (o->by_number) // a number is given once, a time may come again
		floor = RTE_MAX(floor + (n > 0),
				atomic_load_explicit(q->source_floor, memory_order_acquire));
	else if (n < q->burst && now_ns > o->slack_ns) // there was nothing more
		floor = now_ns - o->slack_ns;
	publish_floor(o, q, floor);
}

void hm_ordered_end(struct hm_ordered *o, const struct hm_lane *l)
{
	for (unsigned i = 0; i < l->n_queues; i++)
		publish_floor(o, l->queues[i], HM_ORDER_END);
}

/* --- runners --- */

/* Runs the body for what the lane's worker owns, of each order that there is. */
#define FOREACH_OWN(o, l, own)                                           \
	for (enum hm_order_kind kind = 0; kind < HM_ORDER_KINDS; kind++) \
		for (struct hm_runner *own = own_of(o, l, kind); own; own = NULL)

static struct hm_runner *own_of(struct hm_ordered *o, const struct hm_lane *l,
				enum hm_order_kind kind)
{
	struct hm_runners *s = hm_ordered_get(o, kind);
	unsigned k;

	if (!s)
		return NULL;
	k = (l->number + o->n_lanes - s->first_lane) % o->n_lanes;
	return k < s->n ? &s->runner[k] : NULL;
}

static void fill_batch(struct hm_batch *b, const struct hm_lane *l,
		       const struct hm_order_packet *const *packets, unsigned n)
{
	b->n = n;
	b->device = l->device_index;
	b->queue = 0;
	b->link = l->link;
	b->all = hm_mask_first(n);
	for (unsigned i = 0; i < n; i++) {
		const struct hm_order_packet *p = packets[i];

		b->data[i] = hm_order_bytes(p);
		b->caplen[i] = p->caplen;
		b->wirelen[i] = p->wirelen;
		b->ts_ns[i] = p->ts_ns;
		b->ifindex[i] = p->ifindex;
	}
}

/* As many batches in a thousand are timed as on the lanes (worker.c, start_sample). */
static struct hm_stopwatch *start_sample(struct hm_runner *own, struct hm_stopwatch *watch)
{
	uint32_t every = atomic_load_explicit(&own->lane->sample_batches, memory_order_relaxed);

	if (likely(++own->unsampled < every || !every))
		return NULL;
	own->unsampled = 0;
	watch->stages = own->stages;
	hm_stopwatch_start(watch);
	return watch;
}

static unsigned run_batch(struct hm_runner *own, struct hm_worker *w, bool wait)
{
	const struct hm_order_packet *packets[HM_BATCH_MAX];
	struct hm_program *p = atomic_load_explicit(&own->program, memory_order_acquire);
	struct hm_lane *l = own->lane;
	struct hm_batch *b = &w->batch;
	struct hm_stopwatch clock;
	unsigned n;

	if (wait && p && !hm_program_ready(p))
		return 0;
	n = hm_order_take(own->order, packets, HM_BATCH_MAX);
	if (!n)
		return 0;
	// Looked at again: the programs that handed these packets over were published behind this one,
	// so every flow that wants them is in it, unless it has been closed meanwhile.
	p = atomic_load_explicit(&own->program, memory_order_acquire);
	fill_batch(b, l, packets, n);
	hm_parse(b, &l->parse);
	if (p)
		hm_program_run(p, b, &w->workspace, &l->parse, start_sample(own, &clock));
	own->newest_ns = RTE_MAX(own->newest_ns, b->ts_ns[n - 1]);
	hm_order_release(own->order);
	return n;
}

unsigned hm_ordered_run(struct hm_ordered *o, struct hm_lane *l, struct hm_worker *w, bool wait)
{
	unsigned sum = 0;

	FOREACH_OWN (o, l, own) {
		unsigned n = 1;

		for (uint32_t i = 0; n > 0 && i < o->n_queues; i++)
			sum += n = run_batch(own, w, wait);
	}
	return sum;
}

void hm_ordered_tick(struct hm_ordered *o, struct hm_lane *l, struct hm_worker *w)
{
	FOREACH_OWN (o, l, own) {
		struct hm_program *p = atomic_load_explicit(&own->program, memory_order_acquire);
		uint64_t floor = hm_order_floor(own->order);

		if (!o->by_number && floor != HM_ORDER_END && floor > own->newest_ns)
			own->newest_ns = floor; // time goes on without packets
		if (p && own->newest_ns)
			hm_program_tick(p, own->newest_ns, &w->workspace, &l->parse, l->lossless);
	}
}

static bool drain(struct hm_runner *own, struct hm_worker *w, bool wait)
{
	struct hm_program *p = atomic_load_explicit(&own->program, memory_order_acquire);

	return hm_order_ended(own->order) &&
	       (!p || hm_program_drain(p, &w->workspace, &own->lane->parse, wait));
}

void hm_ordered_finish(struct hm_ordered *o, struct hm_lane *l, struct hm_worker *w, bool wait)
{
	FOREACH_OWN (o, l, own)
		if (!atomic_load_explicit(&own->drained, memory_order_relaxed) &&
		    drain(own, w, wait))
			atomic_store_explicit(&own->drained, true, memory_order_release);
}

bool hm_ordered_drain(struct hm_ordered *o, struct hm_lane *l, struct hm_worker *w, bool wait)
{
	bool done = true;

	FOREACH_OWN (o, l, own) {
		while (run_batch(own, w, wait) > 0)
			;
		done &= drain(own, w, wait);
	}
	return done;
}

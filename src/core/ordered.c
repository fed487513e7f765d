/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/ordered.h"

#include <errno.h>
#include <rte_malloc.h>
#include <rte_mbuf_dyn.h>
#include <string.h>

#include "core/clock.h"
#include "core/device.h"

struct hm_order_conf hm_ordered_conf(const struct hm_device_config *c, unsigned n_lanes, int socket)
{
	return (struct hm_order_conf){
		.sources = c->queues,
		.lanes = n_lanes,
		.burst = c->burst,
		.snaplen = c->source == HM_SOURCE_TRACE ? UINT16_MAX : c->snaplen,
		.socket = socket,
	};
}

struct hm_ordered *hm_ordered_create(const struct hm_device *d, struct hm_error *err)
{
	unsigned here =
		d->index % d->n_lanes; // the ordered parts of several devices share the work
	const struct hm_order_conf conf =
		hm_ordered_conf(d->config, d->n_lanes, d->workers[here]->socket);
	struct hm_ordered *o = rte_zmalloc_socket("ordered", sizeof(*o), RTE_CACHE_LINE_SIZE,
						  d->workers[here]->socket);

	if (!o) {
		hm_error_set(err, -ENOMEM, 3084, "no memory (raise eal.memory_mb)");
		return NULL;
	}
	o->order = hm_order_create(&conf, err);
	o->nodes = hm_nodes_create(1, &d->workers[here]->socket);
	if (!o->order || !o->nodes) {
		if (o->order)
			hm_error_set(err, -ENOMEM, 3084, "no memory (raise eal.memory_mb)");
		hm_ordered_destroy(o);
		return NULL;
	}
	o->lane = d->lanes[here];
	o->n_queues = d->config->queues;
	o->by_number = o->lane->queues[0]->source_floor != NULL;
	o->slack_ns = (uint64_t)d->config->order_slack_us * 1000;
	return o;
}

void hm_ordered_destroy(struct hm_ordered *o)
{
	if (!o)
		return;
	hm_nodes_destroy(o->nodes);
	hm_order_destroy(o->order);
	rte_free(o);
}

bool hm_ordered_ready(struct hm_ordered *o, const struct hm_queue *q)
{
	return hm_order_ready(o->order, q->queue);
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

void hm_ordered_put(struct hm_ordered *o, struct hm_lane *l, struct hm_queue *q,
		    const struct hm_batch *b, struct rte_mbuf *const *mbufs)
{
	struct hm_order_lane *own = hm_order_lane(o->order, l->number);
	uint64_t numbers[HM_BATCH_MAX];
	const uint64_t *keys = b->ts_ns;

	if (o->by_number) {
		q->last_key = number_of(l, mbufs[b->n - 1]);
		hm_mask_foreach (i, hm_order_marked(own))
			numbers[i] = number_of(l, mbufs[i]);
		keys = numbers;
	} else {
		q->last_key = b->ts_ns[b->n - 1];
		note_time(o, q->last_key);
	}
	hm_order_put(o->order, q->queue, own, b, keys);
}

void hm_ordered_publish(struct hm_ordered *o, const struct hm_queue *q, unsigned n, uint64_t now_ns)
{
	uint64_t floor = q->last_key;

	if (o->by_number) // a number is given once, a time may come again
		floor = RTE_MAX(floor + (n > 0),
				atomic_load_explicit(q->source_floor, memory_order_acquire));
	else if (n < q->burst && now_ns > o->slack_ns) // there was nothing more
		floor = now_ns - o->slack_ns;
	hm_order_publish(o->order, q->queue, floor);
}

void hm_ordered_end(struct hm_ordered *o, const struct hm_lane *l)
{
	for (unsigned i = 0; i < l->n_queues; i++)
		hm_order_publish(o->order, l->queues[i]->queue, HM_ORDER_END);
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
static struct hm_stopwatch *start_sample(struct hm_ordered *o, struct hm_stopwatch *watch)
{
	uint32_t every = atomic_load_explicit(&o->lane->sample_batches, memory_order_relaxed);

	if (likely(++o->unsampled < every || !every))
		return NULL;
	o->unsampled = 0;
	watch->stages = o->stages;
	hm_stopwatch_start(watch);
	return watch;
}

unsigned hm_ordered_run(struct hm_ordered *o, struct hm_worker *w, bool wait)
{
	const struct hm_order_packet *packets[HM_BATCH_MAX];
	struct hm_program *p = atomic_load_explicit(&o->program, memory_order_acquire);
	struct hm_batch *b = &w->batch;
	struct hm_stopwatch clock;
	unsigned n;

	if (wait && p && !hm_program_ready(p))
		return 0;
	n = hm_order_take(o->order, packets, HM_BATCH_MAX);
	if (!n)
		return 0;
	// Looked at again: the programs that handed these packets over were published behind this one,
	// so every flow that wants them is in it, unless it has been closed meanwhile.
	p = atomic_load_explicit(&o->program, memory_order_acquire);
	fill_batch(b, o->lane, packets, n);
	hm_parse(b, &o->lane->parse);
	if (p)
		hm_program_run(p, b, &w->workspace, &o->lane->parse, start_sample(o, &clock));
	o->newest_ns = RTE_MAX(o->newest_ns, b->ts_ns[n - 1]);
	hm_order_release(o->order);
	return n;
}

void hm_ordered_tick(struct hm_ordered *o, struct hm_worker *w)
{
	struct hm_program *p = atomic_load_explicit(&o->program, memory_order_acquire);
	uint64_t floor = hm_order_floor(o->order);

	if (!o->by_number && floor != HM_ORDER_END && floor > o->newest_ns)
		o->newest_ns = floor; // time goes on without packets
	if (p && o->newest_ns)
		hm_program_tick(p, o->newest_ns, &w->workspace, &o->lane->parse, o->lane->lossless);
}

bool hm_ordered_drain(struct hm_ordered *o, struct hm_worker *w, bool wait)
{
	struct hm_program *p = atomic_load_explicit(&o->program, memory_order_acquire);

	return hm_order_ended(o->order) &&
	       (!p || hm_program_drain(p, &w->workspace, &o->lane->parse, wait));
}

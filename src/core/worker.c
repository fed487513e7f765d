/* SPDX-License-Identifier: BSD-3-Clause */
/* The path of a packet: poll_queue() takes a burst, fill_batch() makes a batch of it, hm_parse() reads the
 * headers once, hm_program_run() runs every flow's functions over it, and the buffers go back in bulk.
 */
#include "core/worker.h"

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf_dyn.h>
#include <rte_pause.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "core/injector.h"
#include "core/kernels.h"
#include "core/ordered.h"
#include "pmd_dag/net_dag.h"

#define PATIENCE      1000             // empty rounds before an adaptive worker begins to sleep
#define SLEEP_STEP_NS UINT64_C(50000)  // each further empty round sleeps that much longer,
#define SLEEP_MAX_NS  UINT64_C(500000) // up to this
#define DRAIN_WAITS   2000             // rounds at the end, 50 us each

static inline void add(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

static inline uint32_t block_begin(struct hm_rx_block *block)
{
	uint32_t sequence = atomic_load_explicit(&block->sequence, memory_order_relaxed);

	atomic_store_explicit(&block->sequence, sequence + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release); // reader: hm_rx_read
	return sequence;
}

static inline void block_end(struct hm_rx_block *block, uint32_t sequence)
{
	atomic_store_explicit(&block->sequence, sequence + 2, memory_order_release);
}

void hm_rx_read(const struct hm_rx_block *block, struct hm_rx_counts *c)
{
	for (;;) {
		uint32_t before = atomic_load_explicit(&block->sequence, memory_order_acquire);

		c->received = atomic_load_explicit(&block->received, memory_order_relaxed);
		c->parsed = atomic_load_explicit(&block->parsed, memory_order_relaxed);
		c->in_flight = atomic_load_explicit(&block->in_flight, memory_order_relaxed);
		c->bytes = atomic_load_explicit(&block->bytes, memory_order_relaxed);
		c->cut = atomic_load_explicit(&block->cut, memory_order_relaxed);
		c->newest_ns = atomic_load_explicit(&block->newest_ns, memory_order_relaxed);
		for (unsigned i = 0; i < HM_PARSE_OUTCOMES; i++)
			c->rejected[i] =
				atomic_load_explicit(&block->rejected[i], memory_order_relaxed);
		atomic_thread_fence(memory_order_acquire); // writer: block_begin
		if (!(before & 1) &&
		    before == atomic_load_explicit(&block->sequence, memory_order_relaxed))
			return;
		rte_pause();
	}
}

/* --- lanes come and go --- */

void hm_worker_add(struct hm_worker *w, struct hm_lane *l)
{
	uint16_t n = atomic_load_explicit(&w->n_lanes, memory_order_relaxed), i = 0;

	while (i < n && atomic_load_explicit(&w->lanes[i], memory_order_relaxed))
		i++;
	atomic_store_explicit(&w->lanes[i], l, memory_order_release); // worker: lane_at
	if (i == n)
		atomic_store_explicit(&w->n_lanes, n + 1, memory_order_release);
}

void hm_worker_remove(struct hm_worker *w, struct hm_lane *l)
{
	for (unsigned i = 0; i < HM_DEVICES_MAX; i++)
		if (atomic_load_explicit(&w->lanes[i], memory_order_relaxed) == l)
			atomic_store_explicit(&w->lanes[i], NULL, memory_order_release);
}

static inline unsigned lane_places(struct hm_worker *w)
{
	return atomic_load_explicit(&w->n_lanes, memory_order_acquire);
}

static inline struct hm_lane *lane_at(struct hm_worker *w, unsigned i)
{
	return atomic_load_explicit(&w->lanes[i], memory_order_acquire);
}

/* Times of the whole batch; drivers that stamp do so for all packets of a burst or for none. */
static void fill_times(struct hm_lane *l, struct hm_batch *b, struct rte_mbuf *const *mbufs)
{
	uint64_t now, factor;

	if (l->ts_offset < 0 || (mbufs[0]->ol_flags & l->ts_flag) != l->ts_flag) {
		now = hm_clock_now_ns();
		for (uint32_t i = 0; i < b->n; i++)
			b->ts_ns[i] = now;
		return;
	}
	for (uint32_t i = 0; i < b->n; i++)
		b->ts_ns[i] = *RTE_MBUF_DYNFIELD(mbufs[i], l->ts_offset, rte_mbuf_timestamp_t *);
	factor = atomic_load_explicit(&l->ts_factor, memory_order_relaxed);
	if (likely(factor == UINT64_C(1) << 32))
		return;
	for (uint32_t i = 0; i < b->n; i++)
		b->ts_ns[i] = l->ts_base_ns +
			      (uint64_t)(((__int128)(int64_t)(b->ts_ns[i] - l->ts_base_ticks) *
					  (__int128)factor) >>
					 32);
}

/* From packet buffers to lanes. Returns how many buffers were cut to their first segment. */
static unsigned fill_batch(struct hm_lane *l, struct hm_batch *b, struct rte_mbuf *const *mbufs)
{
	unsigned cut = 0;

	for (uint32_t i = 0; i < b->n; i++) {
		const struct rte_mbuf *m = mbufs[i];

		b->data[i] = rte_pktmbuf_mtod(m, const uint8_t *); // hm_parse() prefetches it
		b->caplen[i] = m->data_len;
		b->wirelen[i] = m->pkt_len;
		b->ifindex[i] = 0;
		cut += m->nb_segs > 1;
	}
	if (l->capture_offset >= 0)
		for (uint32_t i = 0; i < b->n; i++) {
			const struct net_dag_capture *c = RTE_MBUF_DYNFIELD(
				mbufs[i], l->capture_offset, const struct net_dag_capture *);
			b->wirelen[i] = c->wire_len;
			b->ifindex[i] = c->ifindex;
		}
	fill_times(l, b, mbufs);
	return cut;
}

static void count_received(struct hm_queue *q, const struct hm_batch *b, unsigned cut)
{
	struct hm_rx_block *block = &q->block;
	uint32_t sequence = block_begin(block);

	add(&block->received, b->n);
	atomic_store_explicit(&block->in_flight, b->n, memory_order_relaxed);
	if (unlikely(cut))
		add(&block->cut, cut);
	block_end(block, sequence);
}

static void count_parsed(struct hm_queue *q, const struct hm_batch *b)
{
	struct hm_rx_block *block = &q->block;
	uint32_t sequence = block_begin(block);

	add(&block->parsed, b->n - hm_mask_count(b->rejected));
	hm_mask_foreach (i, b->rejected)
		add(&block->rejected[b->outcome[i]], 1);
	add(&block->bytes, hm_kernels.sum_u32(b->wirelen, b->all));
	atomic_store_explicit(&block->newest_ns, b->ts_ns[b->n - 1], memory_order_relaxed);
	atomic_store_explicit(&block->in_flight, 0, memory_order_relaxed);
	block_end(block, sequence);
}

/* One batch in many is timed; then the watch runs. */
static bool start_sample(struct hm_lane *l, struct hm_stopwatch *watch)
{
	uint32_t every = atomic_load_explicit(&l->sample_batches, memory_order_relaxed);

	if (likely(l->unsampled < every || !every))
		return false;
	watch->stages = l->stages;
	hm_stopwatch_start(watch);
	return true;
}

static inline void lap(struct hm_stopwatch *watch, enum hm_stage stage, const struct hm_batch *b)
{
	if (unlikely(watch != NULL))
		hm_lap(watch, &watch->stages[stage], b->n, b->n);
}

static unsigned poll_queue(struct hm_worker *w, struct hm_lane *l, struct hm_queue *q,
			   struct hm_program *p, struct hm_ordered *o)
{
	struct rte_mbuf *mbufs[HM_BATCH_MAX];
	struct hm_batch *b = &w->batch;
	struct hm_stopwatch clock, *watch = start_sample(l, &clock) ? &clock : NULL;
	unsigned cut;

	b->n = rte_eth_rx_burst(q->port, q->queue, mbufs, q->burst);
	if (!b->n)
		return 0;
	b->device = l->device_index;
	b->queue = q->queue;
	b->link = l->link;
	b->all = hm_mask_first(b->n);
	cut = fill_batch(l, b, mbufs);
	count_received(q, b, cut);
	lap(watch, HM_STAGE_RECEIVE, b);
	hm_parse(b, &l->parse);
	lap(watch, HM_STAGE_PARSE, b);
	if (p)
		hm_program_run(p, b, &w->workspace, &l->parse, watch);
	if (o)
		hm_ordered_put(o, l, q, b, mbufs);
	count_parsed(q, b);
	l->newest_ns = RTE_MAX(l->newest_ns, b->ts_ns[b->n - 1]);
	rte_pktmbuf_free_bulk(mbufs, b->n);
	lap(watch, HM_STAGE_RELEASE, b);
	l->unsampled = watch ? 1 : l->unsampled + 1;
	return b->n;
}

/* With an ordered part: a queue whose ring is full is left out, the others of the lane go on, since the order
 * may be waiting for them. */
static unsigned poll_ordered(struct hm_worker *w, struct hm_lane *l, struct hm_queue *q,
			     struct hm_program *p, struct hm_ordered *o)
{
	uint64_t now;
	unsigned n;

	if (l->lossless && !hm_ordered_ready(o, q))
		return 0;
	now = hm_ordered_now(o, q);
	n = poll_queue(w, l, q, p, o);
	hm_ordered_publish(o, q, n, now);
	return n;
}

static void end_lane(struct hm_worker *w, struct hm_lane *l, struct hm_program *p,
		     struct hm_ordered *o)
{
	if (o) {
		hm_ordered_end(o, l);
		hm_ordered_finish(o, l, w, l->lossless);
	}
	if (!atomic_load_explicit(&l->drained, memory_order_relaxed) &&
	    (!p || hm_program_drain(p, &w->workspace, &l->parse, l->lossless)))
		atomic_store_explicit(&l->drained, true, memory_order_release);
}

static unsigned poll_lane(struct hm_worker *w, struct hm_lane *l)
{
	struct hm_ordered *o;
	struct hm_program *p;
	unsigned n = 0;
	bool ending;

	if (l->injector) // a device that is stopped receives nothing, but sends
		n = hm_injector_flush(l->injector);
	p = atomic_load_explicit(&l->program,
				 memory_order_acquire); // control core: begin_generation
	if (unlikely(p != atomic_load_explicit(&l->adopted, memory_order_relaxed))) {
		hm_program_adopt(p);
		atomic_store_explicit(&l->adopted, p, memory_order_release); // is_adopted
	}
	if (!atomic_load_explicit(&l->running, memory_order_acquire))
		return n;
	// looked at before the bursts: what was offered before the end is received below
	ending = atomic_load_explicit(&l->ending, memory_order_acquire);
	o = atomic_load_explicit(&l->ordered,
				 memory_order_acquire); // there before a program needs it
	if (o)
		n += hm_ordered_run(o, l, w, l->lossless);
	for (unsigned i = 0; i < l->n_queues; i++) {
		if (l->lossless && p && !hm_program_ready(p))
			return n;
		n += o ? poll_ordered(w, l, l->queues[i], p, o)
		       : poll_queue(w, l, l->queues[i], p, NULL);
	}
	if (unlikely(ending && !n))
		end_lane(w, l, p, o);
	return n;
}

/* The time of a device: that of its newest packet. On a live one it goes on while none come, by as much
 * as the host's clock does: a card may keep a time of its own, or replay an old one. */
static uint64_t device_time(struct hm_lane *l)
{
	uint64_t clock;

	if (l->packet_time || !l->newest_ns)
		return l->newest_ns;
	clock = hm_clock_now_ns();
	if (l->aged_ns != l->newest_ns || clock < l->aged_clock_ns) {
		l->aged_ns = l->newest_ns;
		l->aged_clock_ns = clock;
	}
	return l->newest_ns + (clock - l->aged_clock_ns);
}

/* Timers of the functions. */
static void tick(struct hm_worker *w)
{
	for (unsigned i = 0; i < lane_places(w); i++) {
		struct hm_lane *l = lane_at(w, i);
		if (!l)
			continue;
		struct hm_program *p = atomic_load_explicit(&l->program, memory_order_acquire);
		struct hm_ordered *o = atomic_load_explicit(&l->ordered, memory_order_acquire);
		uint64_t now;

		if (o && atomic_load_explicit(&l->running, memory_order_acquire))
			hm_ordered_tick(o, l, w);
		if (!p || !p->n_ticks || !atomic_load_explicit(&l->running, memory_order_acquire))
			continue;
		now = device_time(l);
		if (now)
			hm_program_tick(p, now, &w->workspace, &l->parse, l->lossless);
	}
}

static void rest(struct hm_worker *w, uint32_t empty_rounds)
{
	struct timespec t = {0};

	for (unsigned i = 0; i < lane_places(w); i++) {
		const struct hm_lane *l = lane_at(w, i);
		if (l && !l->adaptive)
			empty_rounds = 0;
	}
	if (empty_rounds < PATIENCE) {
		rte_pause();
		return;
	}
	t.tv_nsec = (long)RTE_MIN((empty_rounds - PATIENCE + 1) * SLEEP_STEP_NS, SLEEP_MAX_NS);
	nanosleep(&t, NULL);
}

/* One round of what is done before the worker ends. True: nothing is left. */
static bool drain_lane(struct hm_worker *w, struct hm_lane *l, bool wait)
{
	struct hm_program *p = atomic_load_explicit(&l->program, memory_order_acquire);
	struct hm_ordered *o = atomic_load_explicit(&l->ordered, memory_order_acquire);
	bool done = !p || hm_program_drain(p, &w->workspace, &l->parse, wait && l->lossless);

	if (!o)
		return done;
	hm_ordered_end(o, l);
	return hm_ordered_drain(o, l, w, wait && l->lossless) && done;
}

/* Everything that functions hold goes out before the worker ends; the control core takes it away. Packets that
 * wait for their order go on, for a while not into a full output of a lossless source. */
static void drain_all(struct hm_worker *w)
{
	bool done = false;

	for (uint32_t round = 0; !done; round++) {
		done = true;
		for (unsigned i = 0; i < lane_places(w); i++) {
			struct hm_lane *l = lane_at(w, i);
			done &= !l || drain_lane(w, l, round < DRAIN_WAITS);
			if (l && l->injector && round < DRAIN_WAITS)
				done &= !hm_injector_flush(l->injector) &&
					!hm_injector_waiting(l->injector);
		}
		rte_rcu_qsbr_quiescent(w->qsbr, w->index);
		if (!done)
			rest(w, PATIENCE);
	}
}

int hm_worker_main(void *worker)
{
	struct hm_worker *w = worker;
	uint64_t tick_cycles = rte_get_tsc_hz() / 1000, last_tick = 0;
	uint32_t empty_rounds = 0;

	rte_rcu_qsbr_thread_online(w->qsbr, w->index);
	while (!atomic_load_explicit(w->stop, memory_order_acquire)) {
		unsigned n = 0;
		uint64_t now;

		for (unsigned i = 0; i < lane_places(w); i++) {
			struct hm_lane *l = lane_at(w, i);
			n += l ? poll_lane(w, l) : 0;
		}
		now = rte_rdtsc();
		if (now - last_tick > tick_cycles) {
			tick(w);
			last_tick = now;
		}
		rte_rcu_qsbr_quiescent(w->qsbr, w->index);
		if (n) {
			empty_rounds = 0;
		} else {
			empty_rounds++;
			rest(w, empty_rounds);
		}
	}
	drain_all(w);
	rte_rcu_qsbr_thread_offline(w->qsbr, w->index);
	atomic_store_explicit(&w->done, true, memory_order_release);
	return 0;
}

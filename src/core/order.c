/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/order.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/pages.h"

#define ALIGN     16u
#define LANE_ROW  (HM_ORDER_FLOWS_MAX + 16) // not a power of two: rows lie in different cache sets
#define SLOT(ref) ((ref)&0xffff) // the rest of a ref is a number that tells its users apart
#define NEXT_USE  0x10000u
#define FIRST_USE NEXT_USE // so that no ref is 0
#define RING_MIN  (UINT64_C(4) << 20)

/* One writer each. */
struct flow_counts {
	_Atomic uint64_t handed_over, dropped;
};

struct hm_order_lane {
	uint64_t marked;
	uint16_t n[HM_BATCH_MAX];
	uint32_t refs[HM_BATCH_MAX][LANE_ROW];
	struct flow_counts counts[HM_ORDER_FLOWS_MAX];
};

/* Positions are running byte counts: released <= taken <= shown <= written <= released + size. */
struct source {
	// set once
	alignas(64) uint8_t *ring;
	uint64_t size; // a power of two

	// the producer's
	alignas(64) _Atomic uint64_t shown, floor;
	_Atomic uint64_t handed_over, dropped;
	uint64_t written, released_seen;

	// the consumer's
	alignas(64) _Atomic uint64_t released;
	uint64_t taken, shown_seen, floor_seen;
};

static_assert(offsetof(struct hm_order_packet, wirelen) <= ALIGN, "a filler may be no longer");

struct hm_order {
	struct hm_order_conf conf;
	uint64_t longest; // bytes of the largest record
	uint64_t batch;   // of a batch of those, with the filler before it
	struct source sources[HM_ORDER_SOURCES_MAX];
	struct hm_order_lane *lanes;

	// the control core's; the consumer reads refs
	_Atomic uint32_t refs[HM_ORDER_FLOWS_MAX]; // 0: nobody gets packets of this slot
	uint32_t next_refs[HM_ORDER_FLOWS_MAX];    // that the slot will have when it is taken again
	bool used[HM_ORDER_FLOWS_MAX];

	// the consumer's
	alignas(64) uint64_t last_key;
	unsigned n_taken; // and not released yet
	_Atomic uint64_t run, late, floor;
	_Atomic uint64_t flow_run[HM_ORDER_FLOWS_MAX];
	uint64_t wants[HM_ORDER_FLOWS_MAX]; // masks of the packets taken; not 0 only for `wanted`
	uint16_t n_wanted, wanted[HM_ORDER_FLOWS_MAX];
};

static inline void add(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

static inline uint64_t read(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static uint64_t record_size(uint32_t n_refs, uint32_t caplen)
{
	uint64_t size = sizeof(struct hm_order_packet) + n_refs * sizeof(uint32_t) + caplen;

	return (size + ALIGN - 1) & ~(uint64_t)(ALIGN - 1);
}

/* --- making --- */

static void measure(const struct hm_order_conf *conf, uint64_t *longest, uint64_t *batch,
		    uint64_t *ring)
{
	uint64_t least;

	*longest = record_size(HM_ORDER_FLOWS_MAX, conf->snaplen);
	*batch = *longest * (conf->burst + 1);
	least = *batch + *batch / 2; // a producer goes on while the consumer has half a batch
	if (least < RING_MIN / conf->share)
		least = RING_MIN / conf->share;
	*ring = 1;
	while (*ring < least)
		*ring *= 2;
}

uint64_t hm_order_memory(const struct hm_order_conf *conf)
{
	uint64_t longest, batch, ring;

	measure(conf, &longest, &batch, &ring);
	return conf->sources * ring + conf->lanes * sizeof(struct hm_order_lane);
}

struct hm_order *hm_order_create(const struct hm_order_conf *conf, struct hm_error *err)
{
	struct hm_order *o = aligned_alloc(64, (sizeof(*o) + 63) & ~(size_t)63);
	uint64_t ring;
	bool failed;

	if (!o) {
		hm_error_set(err, -ENOMEM, 3084, "out of memory");
		return NULL;
	}
	memset(o, 0, sizeof(*o));
	o->conf = *conf;
	measure(conf, &o->longest, &o->batch, &ring);
	o->lanes = hm_pages_map(conf->lanes * sizeof(*o->lanes), conf->socket);
	failed = !o->lanes;
	for (uint32_t i = 0; i < conf->sources && !failed; i++) {
		o->sources[i].size = ring;
		o->sources[i].ring = hm_pages_map(ring, conf->socket);
		failed = !o->sources[i].ring;
	}
	for (uint32_t i = 0; i < HM_ORDER_FLOWS_MAX; i++)
		o->next_refs[i] = FIRST_USE | i;
	if (failed) {
		hm_order_destroy(o);
		hm_error_set(err, -ENOMEM, 3084,
			     "no memory for %u rings of %u MB that put the packets of %u queues in "
			     "order: lower queues, burst or snaplen",
			     conf->sources, (unsigned)(ring >> 20), conf->sources);
		return NULL;
	}
	return o;
}

void hm_order_destroy(struct hm_order *o)
{
	if (!o)
		return;
	for (uint32_t i = 0; i < o->conf.sources; i++)
		if (o->sources[i].ring)
			hm_pages_unmap(o->sources[i].ring, o->sources[i].size);
	if (o->lanes)
		hm_pages_unmap(o->lanes, o->conf.lanes * sizeof(*o->lanes));
	free(o);
}

/* --- flows --- */

static void clear_counts(struct hm_order *o, uint32_t slot)
{
	for (uint32_t i = 0; i < o->conf.lanes; i++) {
		atomic_store_explicit(&o->lanes[i].counts[slot].handed_over, 0,
				      memory_order_relaxed);
		atomic_store_explicit(&o->lanes[i].counts[slot].dropped, 0, memory_order_relaxed);
	}
	atomic_store_explicit(&o->flow_run[slot], 0, memory_order_relaxed);
}

uint32_t hm_order_flow_add(struct hm_order *o)
{
	for (uint32_t slot = 0; slot < HM_ORDER_FLOWS_MAX; slot++) {
		uint32_t ref = o->next_refs[slot];

		if (o->used[slot])
			continue;
		o->used[slot] = true;
		o->next_refs[slot] = ref + NEXT_USE < NEXT_USE ? FIRST_USE | slot : ref + NEXT_USE;
		clear_counts(o, slot);
		atomic_store_explicit(&o->refs[slot], ref, memory_order_release); // note_wants
		return ref;
	}
	return 0;
}

void hm_order_flow_stop(struct hm_order *o, uint32_t ref)
{
	atomic_store_explicit(&o->refs[SLOT(ref)], 0, memory_order_release); // note_wants
}

void hm_order_flow_remove(struct hm_order *o, uint32_t ref)
{
	o->used[SLOT(ref)] = false;
}

void hm_order_flow_counts(const struct hm_order *o, uint32_t ref, struct hm_order_counts *c)
{
	uint32_t slot = SLOT(ref);

	// what has run was handed over before: looked at first, it is never more
	*c = (struct hm_order_counts){
		.run = atomic_load_explicit(&o->flow_run[slot], memory_order_acquire)};
	for (uint32_t i = 0; i < o->conf.lanes; i++) {
		c->handed_over += read(&o->lanes[i].counts[slot].handed_over);
		c->dropped += read(&o->lanes[i].counts[slot].dropped);
	}
}

void hm_order_counts(const struct hm_order *o, struct hm_order_counts *c)
{
	*c = (struct hm_order_counts){.late = read(&o->late),
				      .run = atomic_load_explicit(&o->run, memory_order_acquire)};
	for (uint32_t i = 0; i < o->conf.sources; i++) {
		c->handed_over += read(&o->sources[i].handed_over);
		c->dropped += read(&o->sources[i].dropped);
	}
}

/* --- producer --- */

struct hm_order_lane *hm_order_lane(struct hm_order *o, uint32_t lane)
{
	return &o->lanes[lane];
}

void hm_order_mark(struct hm_order_lane *l, uint32_t ref, uint64_t mask)
{
	l->marked |= mask;
	hm_mask_foreach (i, mask)
		l->refs[i][l->n[i]++] = ref;
}

uint64_t hm_order_marked(const struct hm_order_lane *l)
{
	return l->marked;
}

/* Bytes that may be written, the consumer asked again if it has to be. */
static uint64_t room_of(struct source *s, uint64_t wanted)
{
	if (s->released_seen + s->size - s->written < wanted)
		// what is behind it has been read; pairs with hm_order_release()
		s->released_seen = atomic_load_explicit(&s->released, memory_order_acquire);
	return s->released_seen + s->size - s->written;
}

bool hm_order_ready(struct hm_order *o, uint32_t source)
{
	return room_of(&o->sources[source], o->batch) >= o->batch;
}

/* Room for a record in one piece; what is left of the ring before its end becomes filler. */
static struct hm_order_packet *take_room(struct source *s, uint64_t size)
{
	uint64_t at = s->written & (s->size - 1), left = s->size - at;
	struct hm_order_packet *p = (struct hm_order_packet *)(s->ring + at);

	if (size <= left) {
		if (room_of(s, size) < size)
			return NULL;
		s->written += size;
		return p;
	}
	if (room_of(s, left + size) < left + size)
		return NULL;
	// at least 16 bytes are left, in which the filler's size and n_refs lie
	p->size = (uint32_t)left;
	p->n_refs = 0;
	s->written += left + size;
	return (struct hm_order_packet *)s->ring;
}

static void copy_packet(struct hm_order_packet *p, const struct hm_batch *b, unsigned i,
			const uint32_t *refs, uint32_t n_refs, uint32_t caplen)
{
	p->ts_ns = b->ts_ns[i];
	p->caplen = caplen;
	p->wirelen = b->wirelen[i];
	p->ifindex = b->ifindex[i];
	p->n_refs = (uint16_t)n_refs;
	memcpy(p->refs, refs, n_refs * sizeof(*refs));
	memcpy(&p->refs[n_refs], b->data[i], caplen);
}

static void count_flows(struct hm_order_lane *l, unsigned i, bool put)
{
	for (uint32_t k = 0; k < l->n[i]; k++) {
		struct flow_counts *c = &l->counts[SLOT(l->refs[i][k])];

		add(put ? &c->handed_over : &c->dropped, 1);
	}
}

void hm_order_put(struct hm_order *o, uint32_t source, struct hm_order_lane *l,
		  const struct hm_batch *b, const uint64_t *keys)
{
	struct source *s = &o->sources[source];
	unsigned put = 0;

	hm_mask_foreach (i, l->marked) {
		uint32_t caplen = b->caplen[i] < o->conf.snaplen ? b->caplen[i] : o->conf.snaplen;
		uint64_t size = record_size(l->n[i], caplen);
		struct hm_order_packet *p = take_room(s, size);

		count_flows(l, i, p != NULL);
		if (p) {
			p->key = keys[i];
			p->size = (uint32_t)size;
			copy_packet(p, b, i, l->refs[i], l->n[i], caplen);
			put++;
		}
		l->n[i] = 0;
	}
	if (l->marked) {
		add(&s->handed_over, put);
		add(&s->dropped, hm_mask_count(l->marked) - put);
	}
	l->marked = 0;
}

void hm_order_publish(struct hm_order *o, uint32_t source, uint64_t floor)
{
	struct source *s = &o->sources[source];

	// in this order: who sees the floor sees the packets below it (look_again)
	if (s->written != read(&s->shown))
		atomic_store_explicit(&s->shown, s->written, memory_order_release);
	if (floor > read(&s->floor))
		atomic_store_explicit(&s->floor, floor, memory_order_release);
}

/* --- consumer --- */

/* The next packet of a source, NULL if none is known to be there. */
static const struct hm_order_packet *front(struct source *s)
{
	while (s->taken != s->shown_seen) {
		const struct hm_order_packet *p =
			(const struct hm_order_packet *)(s->ring + (s->taken & (s->size - 1)));

		if (p->n_refs)
			return p;
		s->taken += p->size;
	}
	return NULL;
}

static const struct hm_order_packet *look_again(struct source *s)
{
	const struct hm_order_packet *p = front(s);

	if (p)
		return p;
	s->floor_seen = atomic_load_explicit(&s->floor, memory_order_acquire);
	s->shown_seen = atomic_load_explicit(&s->shown, memory_order_acquire);
	return front(s);
}

/* A place in the order: a key, and the source that has it or will not go below it. */
struct place {
	uint64_t key;
	uint32_t source;
};

static bool before(struct place a, struct place b)
{
	return a.key != b.key ? a.key < b.key : a.source < b.source;
}

/* The first packet of all, and the place up to which its source may go on: the nearest place of any other
 * source, be it a packet or a floor. NULL: nothing may be taken now. */
static const struct hm_order_packet *first_of_all(struct hm_order *o, uint32_t *source,
						  struct place *limit)
{
	const struct place end = {HM_ORDER_END, HM_ORDER_SOURCES_MAX};
	const struct hm_order_packet *first = NULL;
	struct place nearest = end, wall = end; // of packets, of floors

	*limit = end;
	for (uint32_t i = 0; i < o->conf.sources; i++) {
		struct source *s = &o->sources[i];
		const struct hm_order_packet *p = look_again(s);
		struct place here = {p ? p->key : s->floor_seen, i};

		if (!p) {
			wall = s->floor_seen != HM_ORDER_END && before(here, wall) ? here : wall;
		} else if (before(here, nearest)) {
			*limit = nearest;
			nearest = here;
			first = p;
		} else if (before(here, *limit)) {
			*limit = here;
		}
	}
	atomic_store_explicit(&o->floor, before(wall, nearest) ? wall.key : nearest.key,
			      memory_order_relaxed);
	if (before(wall, *limit))
		*limit = wall;
	*source = nearest.source;
	return first && before(nearest, wall) ? first : NULL;
}

static void note_wants(struct hm_order *o, const struct hm_order_packet *p, unsigned i)
{
	for (uint32_t k = 0; k < p->n_refs; k++) {
		uint32_t ref = p->refs[k], slot = SLOT(ref);

		if (atomic_load_explicit(&o->refs[slot], memory_order_acquire) != ref)
			continue; // closed meanwhile
		if (!o->wants[slot])
			o->wanted[o->n_wanted++] = (uint16_t)slot;
		o->wants[slot] |= UINT64_C(1) << i;
	}
	if (p->key < o->last_key)
		add(&o->late, 1);
	else
		o->last_key = p->key;
}

unsigned hm_order_take(struct hm_order *o, const struct hm_order_packet **packets, unsigned max)
{
	unsigned n = 0;

	while (n < max) {
		struct place limit, here;
		const struct hm_order_packet *p = first_of_all(o, &here.source, &limit);
		struct source *s = &o->sources[here.source];

		if (!p)
			break;
		do {
			__builtin_prefetch(hm_order_bytes(p));
			note_wants(o, p, n);
			packets[n++] = p;
			s->taken += p->size;
			p = front(s);
			here.key = p ? p->key : 0;
		} while (p && n < max && before(here, limit));
	}
	o->n_taken = n;
	return n;
}

uint64_t hm_order_wants(const struct hm_order *o, uint32_t ref)
{
	return o->wants[SLOT(ref)];
}

void hm_order_release(struct hm_order *o)
{
	for (unsigned i = 0; i < o->n_wanted; i++) {
		uint16_t slot = o->wanted[i];

		atomic_store_explicit(&o->flow_run[slot],
				      read(&o->flow_run[slot]) + hm_mask_count(o->wants[slot]),
				      memory_order_release); // hm_order_flow_counts
		o->wants[slot] = 0;
	}
	o->n_wanted = 0;
	atomic_store_explicit(&o->run, read(&o->run) + o->n_taken,
			      memory_order_release); // hm_order_counts
	o->n_taken = 0;
	for (uint32_t i = 0; i < o->conf.sources; i++) {
		struct source *s = &o->sources[i];

		if (s->taken != read(&s->released))
			atomic_store_explicit(&s->released, s->taken,
					      memory_order_release); // room_of
	}
}

bool hm_order_ended(const struct hm_order *o)
{
	for (uint32_t i = 0; i < o->conf.sources; i++) {
		const struct source *s = &o->sources[i];

		// the floor first: what was put before it is shown
		if (atomic_load_explicit(&s->floor, memory_order_acquire) != HM_ORDER_END ||
		    atomic_load_explicit(&s->shown, memory_order_acquire) != s->taken)
			return false;
	}
	return true;
}

uint64_t hm_order_floor(const struct hm_order *o)
{
	return read(&o->floor);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "netflow/meter.h"

#include <errno.h>
#include <rte_ring.h>
#include <rte_ring_peek_zc.h>
#include <string.h>

#include "core/pages.h"

#define RING_RECORDS 65536

/* --- worker --- */

static void set(uint64_t *counter, uint64_t value)
{
	__atomic_store_n(counter, value, __ATOMIC_RELAXED);
}

static void __attribute__((noinline))
count_lost(struct hm_shortfall *lost, const struct hm_flow_record *r, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		set(&lost->packets, lost->packets + r[i].packets[0] + r[i].packets[1]);
		set(&lost->octets, lost->octets + r[i].bytes[0] + r[i].bytes[1]);
		for (unsigned d = 0; d < 2; d++) {
			if (r[i].packets[d] == 0)
				continue;
			if (lost->first_ns == 0 || r[i].first_ns[d] < lost->first_ns)
				set(&lost->first_ns, r[i].first_ns[d]);
			if (r[i].last_ns[d] > lost->last_ns)
				set(&lost->last_ns, r[i].last_ns[d]);
			set(&lost->flows, lost->flows + 1);
		}
	}
}

static void hand_over(void *arg, const struct hm_flow_record *r, unsigned n)
{
	struct hm_meter *l = arg;
	struct rte_ring_zc_data to;
	unsigned done = rte_ring_enqueue_zc_burst_elem_start(l->ring, sizeof(*r), n, &to, NULL);

	// copied here: the ring's own copying goes by 4 bytes
	if (done > 0) {
		memcpy(to.ptr1, r, to.n1 * sizeof(*r));
		if (to.n1 < done)
			memcpy(to.ptr2, r + to.n1, (done - to.n1) * sizeof(*r));
		rte_ring_enqueue_zc_elem_finish(l->ring, done);
	}
	if (done < n)
		count_lost(&l->lost, r + done, n - done);
}

unsigned hm_meter_room(const struct hm_meter *l, unsigned budget)
{
	unsigned n = rte_ring_free_count(l->ring);

	return n < budget ? n : budget;
}

/* --- control core --- */

static void count_taken(struct hm_meter *l, const struct hm_flow_record *r, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		l->taken += hm_flow_directions(&r[i]);
}

unsigned hm_meter_move(struct hm_meter *l, unsigned max, uint64_t now_ns,
		       void (*put)(void *arg, const struct hm_flow_record *r, unsigned n,
				   uint64_t now_ns),
		       void *arg)
{
	struct rte_ring_zc_data from;
	unsigned n = rte_ring_dequeue_zc_burst_elem_start(l->ring, sizeof(struct hm_flow_record),
							  max, &from, NULL);
	if (n == 0)
		return 0;
	count_taken(l, from.ptr1, from.n1);
	put(arg, from.ptr1, from.n1, now_ns);
	if (from.n1 < n) {
		count_taken(l, from.ptr2, n - from.n1);
		put(arg, from.ptr2, n - from.n1, now_ns);
	}
	rte_ring_dequeue_zc_elem_finish(l->ring, n);
	return n;
}

/* --- life --- */

static void *prepare(void *arg)
{
	struct hm_meter *l = arg;
	int r = hm_cache_populate(l->cache);

	if (r == 0 && l->warm)
		hm_warm_restore(l->warm, l->number, l->cache);
	atomic_store_explicit(&l->state, r < 0 ? r : 1, memory_order_release); // hm_meter_prepared
	return NULL;
}

static int create_ring(struct hm_meter *l, int socket)
{
	ssize_t bytes = rte_ring_get_memsize_elem(sizeof(struct hm_flow_record), RING_RECORDS);

	if (bytes < 0)
		return (int)bytes;
	l->ring = hm_pages_map((size_t)bytes, socket);
	if (!l->ring)
		return -errno;
	l->ring_bytes = (size_t)bytes;
	return rte_ring_init(l->ring, "flow_report", RING_RECORDS, RING_F_SP_ENQ | RING_F_SC_DEQ);
}

int hm_meter_init(struct hm_meter *l, const struct hm_cache_conf *conf, struct hm_warm *warm,
		  unsigned number)
{
	struct hm_cache_conf own = *conf;
	int r = create_ring(l, conf->socket);

	if (r < 0)
		return r;
	l->warm = warm;
	l->number = number;
	own.out = hand_over;
	own.out_arg = l;
	own.later = true;
	if (warm) {
		own.entries_at = hm_warm_entries(warm, number);
		own.made = hm_warm_made(warm, number);
	}
	l->cache = hm_cache_create(&own);
	if (!l->cache)
		return -errno;
	r = pthread_create(&l->thread, NULL, prepare, l);
	l->has_thread = r == 0;
	return -r;
}

void hm_meter_fini(struct hm_meter *l)
{
	if (l->has_thread)
		pthread_join(l->thread, NULL);
	hm_cache_destroy(l->cache);
	hm_pages_unmap(l->ring, l->ring_bytes);
	memset(l, 0, sizeof(*l));
}

int hm_meter_prepared(const struct hm_meter *l)
{
	return atomic_load_explicit(&l->state, memory_order_acquire); // prepare()
}

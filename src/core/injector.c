/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/injector.h"

#include <errno.h>
#include <rte_ethdev.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_memcpy.h>
#include <rte_ring.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define DESCRIPTORS      1024 // at most that a port holds packets in until they are on the wire
#define POOL_CACHE       64
#define BURSTS           4 // a round: receiving must not starve
#define ETHERNET_ROOM    (RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN)
#define CACHED(n_lcores) ((n_lcores) * (POOL_CACHE + POOL_CACHE / 2)) // pools keep half more

enum port_state { PORT_NOT_STARTED, PORT_FAILED, PORT_DOWN, PORT_UP };

struct hm_injector {
	uint16_t port;
	uint32_t bytes_max; // of a packet without a VLAN tag
	enum hm_link link;
	const char *device;
	struct rte_ring *ring;
	struct rte_mempool *pool;
	_Atomic int state; // enum port_state
	_Atomic unsigned n_producers;
	alignas(64) _Atomic uint64_t offered; // counted before the ring has them
	_Atomic uint64_t port_busy;
	alignas(64) _Atomic uint64_t sent; // one writer, the worker that sends
	_Atomic uint64_t link_down;
	unsigned n_held; // taken out of the ring, not yet by the port
	struct rte_mbuf *held[HM_BATCH_MAX];
};

/* --- control core --- */

static unsigned pool_size(unsigned n_lcores)
{
	return HM_INJECTOR_PACKETS + HM_BATCH_MAX + DESCRIPTORS + CACHED(n_lcores);
}

static uint32_t buffer_room(uint32_t mtu)
{
	return RTE_ALIGN_CEIL(RTE_PKTMBUF_HEADROOM + mtu + ETHERNET_ROOM, 64);
}

uint64_t hm_injector_memory(const struct hm_device_config *config)
{
	if (config->inject == HM_INJECT_NOBODY)
		return 0;
	return (uint64_t)pool_size(2) *
	       (sizeof(struct rte_mbuf) + buffer_room(RTE_ETHER_MTU) + RTE_CACHE_LINE_SIZE);
}

static int make_queue(struct hm_injector *inj, uint16_t mtu, int socket, struct hm_error *err)
{
	unsigned n = pool_size(rte_lcore_count());
	uint32_t room = RTE_MIN(buffer_room(mtu), (uint32_t)UINT16_MAX);
	char name[RTE_MEMPOOL_NAMESIZE];

	snprintf(name, sizeof(name), "inject_%u", inj->port);
	inj->ring = rte_ring_create(name, HM_INJECTOR_PACKETS, socket,
				    RING_F_MP_RTS_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ);
	inj->pool = rte_pktmbuf_pool_create(name, n, POOL_CACHE, 0, (uint16_t)room, socket);
	if (inj->ring && inj->pool)
		return 0;
	return hm_error_set(err, -ENOMEM, 3084,
			    "no memory for %u packets of %u bytes that wait to be sent (raise "
			    "eal.memory_mb, or leave out \"inject\")",
			    n, room);
}

struct hm_injector *hm_injector_create(const char *device, uint16_t port, enum hm_link link,
				       int socket, struct hm_error *err)
{
	struct hm_injector *inj;
	uint32_t room;
	uint16_t mtu;
	int ret = rte_eth_dev_get_mtu(port, &mtu);

	if (ret < 0) {
		hm_error_set(err, ret, 1026, "the port does not tell its MTU: %s",
			     rte_strerror(-ret));
		return NULL;
	}
	inj = rte_zmalloc_socket("injector", sizeof(*inj), RTE_CACHE_LINE_SIZE, socket);
	if (!inj) {
		hm_error_set(err, -ENOMEM, 3084, "no memory (raise eal.memory_mb)");
		return NULL;
	}
	inj->device = device;
	inj->port = port;
	inj->link = link;
	if (make_queue(inj, mtu, socket, err) < 0) {
		hm_injector_destroy(inj);
		return NULL;
	}
	// of the largest MTU there is, some bytes do not fit into a buffer
	room = rte_pktmbuf_data_room_size(inj->pool) - RTE_PKTMBUF_HEADROOM;
	inj->bytes_max = RTE_MIN((uint32_t)mtu + RTE_ETHER_HDR_LEN, room - RTE_VLAN_HLEN);
	return inj;
}

void hm_injector_destroy(struct hm_injector *inj)
{
	if (!inj)
		return;
	rte_pktmbuf_free_bulk(inj->held, inj->n_held);
	while (inj->ring && (inj->n_held = rte_ring_sc_dequeue_burst(inj->ring, (void **)inj->held,
								     HM_BATCH_MAX, NULL)) > 0)
		rte_pktmbuf_free_bulk(inj->held, inj->n_held);
	rte_ring_free(inj->ring);
	rte_mempool_free(inj->pool);
	rte_free(inj);
}

void hm_injector_start(struct hm_injector *inj)
{
	atomic_store_explicit(&inj->state, PORT_DOWN, memory_order_relaxed);
	hm_injector_look(inj);
}

void hm_injector_look(struct hm_injector *inj)
{
	struct rte_eth_link link = {0};
	bool up;

	if (atomic_load_explicit(&inj->state, memory_order_relaxed) < PORT_DOWN)
		return;
	// a port that does not know is asked to send, and takes nothing if it cannot
	up = rte_eth_link_get_nowait(inj->port, &link) < 0 || link.link_status;
	atomic_store_explicit(&inj->state, up ? PORT_UP : PORT_DOWN, memory_order_release);
}

void hm_injector_give_up(struct hm_injector *inj)
{
	atomic_store_explicit(&inj->state, PORT_FAILED, memory_order_release);
}

static uint64_t load(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_acquire);
}

void hm_injector_counts(const struct hm_injector *inj, struct hm_injector_counts *c)
{
	// in this order: what has left was offered before
	c->sent = load(&inj->sent);
	c->link_down = load(&inj->link_down);
	c->port_busy = load(&inj->port_busy);
	c->offered = load(&inj->offered);
	c->queued = c->offered - c->sent - c->link_down - c->port_busy;
	c->up = atomic_load_explicit(&inj->state, memory_order_relaxed) == PORT_UP;
}

int hm_injector_join(struct hm_injector *inj, struct hm_error *err)
{
	unsigned n = atomic_fetch_add_explicit(&inj->n_producers, 1, memory_order_relaxed);

	if (n < HM_INJECTOR_PRODUCERS)
		return 0;
	hm_injector_leave(inj);
	return hm_error_set(
		err, -EBUSY, 7001,
		"%d workers of flows inject into device %s already, and cannot be more: "
		"close some of these flows",
		HM_INJECTOR_PRODUCERS, inj->device);
}

void hm_injector_leave(struct hm_injector *inj)
{
	atomic_fetch_sub_explicit(&inj->n_producers, 1, memory_order_relaxed);
}

const char *hm_injector_device(const struct hm_injector *inj)
{
	return inj->device;
}

enum hm_link hm_injector_link(const struct hm_injector *inj)
{
	return inj->link;
}

/* --- producers --- */

static inline void count(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED); // one writer
}

/* Those that may be sent; counts the others. */
static uint64_t sendable(const struct hm_injector *inj, const struct hm_batch *b, uint64_t in,
			 struct hm_inject_counts *counts)
{
	uint64_t cut = in & b->snapped, too_short = 0, too_long = 0;

	hm_mask_foreach (i, in & ~cut) {
		uint32_t tag = b->vlan >> i & 1 ? RTE_VLAN_HLEN : 0;

		too_short |= (uint64_t)(b->caplen[i] < RTE_ETHER_HDR_LEN) << i;
		too_long |= (uint64_t)(b->caplen[i] > inj->bytes_max + tag) << i;
	}
	count(&counts->cut, hm_mask_count(cut));
	count(&counts->too_short, hm_mask_count(too_short));
	count(&counts->too_long, hm_mask_count(too_long));
	return in & ~(cut | too_short | too_long);
}

static void copy(const struct hm_batch *b, uint64_t in, struct rte_mbuf **mbufs)
{
	unsigned k = 0;

	hm_mask_foreach (i, in) {
		struct rte_mbuf *m = mbufs[k++];

		rte_memcpy(rte_pktmbuf_mtod(m, void *), b->data[i], b->caplen[i]);
		m->data_len = (uint16_t)b->caplen[i];
		m->pkt_len = b->caplen[i];
	}
}

void hm_injector_put(struct hm_injector *inj, const struct hm_batch *b, uint64_t in,
		     struct hm_inject_counts *counts)
{
	struct rte_mbuf *mbufs[HM_BATCH_MAX];
	unsigned n, taken;

	in = sendable(inj, b, in, counts);
	n = hm_mask_count(in);
	if (!n)
		return;
	if (rte_pktmbuf_alloc_bulk(inj->pool, mbufs, n) < 0) {
		count(&counts->no_buffer, n);
		return;
	}
	copy(b, in, mbufs);
	atomic_fetch_add_explicit(&inj->offered, n, memory_order_release);
	taken = rte_ring_enqueue_burst(inj->ring, (void *const *)mbufs, n, NULL);
	count(&counts->injected, taken);
	if (likely(taken == n))
		return;
	count(&counts->port_busy, n - taken);
	rte_pktmbuf_free_bulk(mbufs + taken, n - taken);
	atomic_fetch_add_explicit(&inj->port_busy, n - taken, memory_order_release);
}

bool hm_injector_ready(const struct hm_injector *inj)
{
	unsigned n = atomic_load_explicit(&inj->n_producers, memory_order_relaxed);
	int state = atomic_load_explicit(&inj->state, memory_order_relaxed);

	return rte_ring_free_count(inj->ring) >= n * HM_BATCH_MAX || state == PORT_DOWN ||
	       state == PORT_FAILED;
}

/* --- the worker that sends --- */

static void add(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
			      memory_order_release); // reader: hm_injector_counts
}

/* Returns how many of those held have gone; the others are at the beginning. */
static unsigned send_held(struct hm_injector *inj, unsigned n, bool up)
{
	unsigned sent;

	if (!up) {
		rte_pktmbuf_free_bulk(inj->held, n);
		add(&inj->link_down, n);
		return n;
	}
	sent = rte_eth_tx_burst(inj->port, 0, inj->held, (uint16_t)n);
	memmove(inj->held, inj->held + sent, (n - sent) * sizeof(*inj->held));
	add(&inj->sent, sent);
	return sent;
}

unsigned hm_injector_flush(struct hm_injector *inj)
{
	int state = atomic_load_explicit(&inj->state, memory_order_acquire);
	unsigned n = inj->n_held, gone = 0;

	if (state == PORT_NOT_STARTED)
		return 0;
	for (unsigned burst = 0; burst < BURSTS; burst++) {
		unsigned now;

		n += rte_ring_sc_dequeue_burst(inj->ring, (void **)inj->held + n, HM_BATCH_MAX - n,
					       NULL);
		if (!n)
			break;
		now = send_held(inj, n, state == PORT_UP);
		gone += now;
		n -= now;
		if (n)
			break;
	}
	inj->n_held = n;
	return gone;
}

bool hm_injector_waiting(const struct hm_injector *inj)
{
	return inj->n_held > 0 || !rte_ring_empty(inj->ring);
}

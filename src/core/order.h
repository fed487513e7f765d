/* SPDX-License-Identifier: BSD-3-Clause */
/* order: the packets of several queues, one after another again, for functions whose result depends on it.
 *
 * Each queue of a device is a source with a ring of its own. Its worker (the producer) copies the packets
 * that ordered flows want into the ring, with a key; the ordered worker (the consumer) takes the packets of
 * all sources by rising key, and of equal keys the lowest source's first. The ring is the pool of copies:
 * what the consumer has released, the producer writes over. Nobody locks, allocates or waits.
 *
 * A source that has nothing may not hold up the others: its floor says that no packet with a lower key will
 * come from it. A packet that comes all the same is late: it is counted, and passed on at once.
 *
 *	producer, a batch:	mark (a flow, a mask) ...  put(batch, keys)  publish(floor)
 *	consumer:		n = take(packets, 64)  wants(flow) ...  release
 *
 * A flow is known here by a ref, which is its own for ever: packets of a closed flow that are still in a
 * ring find no other flow in its place.
 */
#pragma once

#include <stdatomic.h>

#include "core/batch.h"
#include "core/error.h"

#define HM_ORDER_FLOWS_MAX   1024
#define HM_ORDER_SOURCES_MAX 32
#define HM_ORDER_END         UINT64_MAX // floor of a source that has ended

struct hm_order;
struct hm_order_lane; // what one worker has: the marks of its present batch

/* A packet in a ring. */
struct hm_order_packet {
	uint32_t size;   // of all this, padding too
	uint16_t n_refs; // 0: filler up to the ring's end, of which nothing else is written
	uint16_t ifindex;
	uint32_t caplen, wirelen;
	uint64_t key, ts_ns;
	uint32_t refs[]; // the flows that want it; behind them the packet's bytes
};

struct hm_order_conf {
	uint32_t sources, lanes;
	uint32_t burst;   // packets a batch
	uint32_t snaplen; // of the longest packet; cut beyond
	uint32_t share;   // one packet in so many is to come here: its rings are so much smaller
	int socket;       // NUMA node, -1: any
};

struct hm_order_counts {
	uint64_t handed_over; // put into rings
	uint64_t dropped;     // found no room
	uint64_t run;         // taken out, in order
	uint64_t late;        // of those: after one with a higher key
};

struct hm_order *hm_order_create(const struct hm_order_conf *conf, struct hm_error *err);
void hm_order_destroy(struct hm_order *o);
/* Bytes that the rings will take. */
uint64_t hm_order_memory(const struct hm_order_conf *conf);

/* --- flows: control core --- */

/* A ref of its own, never 0; 0: there are HM_ORDER_FLOWS_MAX already. */
uint32_t hm_order_flow_add(struct hm_order *o);
/* From here on its packets are thrown away. */
void hm_order_flow_stop(struct hm_order *o, uint32_t ref);
/* It has been stopped, and every worker has been quiescent since: nobody uses the ref any more. */
void hm_order_flow_remove(struct hm_order *o, uint32_t ref);
/* Packets of one flow. Any thread. handed_over is never below run; equal when nothing is queued. */
void hm_order_flow_counts(const struct hm_order *o, uint32_t ref, struct hm_order_counts *c);
/* Packets over all, each once however many flows want it. Any thread. */
void hm_order_counts(const struct hm_order *o, struct hm_order_counts *c);

/* --- producers: the worker of a lane and its sources --- */

struct hm_order_lane *hm_order_lane(struct hm_order *o, uint32_t lane);
/* The flow wants these packets of the present batch. */
void hm_order_mark(struct hm_order_lane *l, uint32_t ref, uint64_t mask);
/* The packets of the present batch that any flow wants. */
uint64_t hm_order_marked(const struct hm_order_lane *l);
/* Whether a whole batch of the longest packets has room. */
bool hm_order_ready(struct hm_order *o, uint32_t source);
/* Copies what is marked, and forgets the marks. keys[i] is packet i's. What has no room is dropped and
 * counted. */
void hm_order_put(struct hm_order *o, uint32_t source, struct hm_order_lane *l,
		  const struct hm_batch *b, const uint64_t *keys);
/* Shows the consumer what was put, and that nothing below `floor` follows; the floor never falls. */
void hm_order_publish(struct hm_order *o, uint32_t source, uint64_t floor);

/* --- consumer: the ordered worker --- */

/* Up to `max` (1..64) packets in order, which stay where they are until they are released. */
unsigned hm_order_take(struct hm_order *o, const struct hm_order_packet **packets, unsigned max);
/* Those of the packets taken that the flow wants. */
uint64_t hm_order_wants(const struct hm_order *o, uint32_t ref);
void hm_order_release(struct hm_order *o);
/* Every source has ended, and everything has been taken. */
bool hm_order_ended(const struct hm_order *o);
/* No packet with a lower key will be taken any more, but late ones. */
uint64_t hm_order_floor(const struct hm_order *o);

static inline const uint8_t *hm_order_bytes(const struct hm_order_packet *p)
{
	return (const uint8_t *)&p->refs[p->n_refs];
}

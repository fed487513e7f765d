/* SPDX-License-Identifier: BSD-3-Clause */
/* key: what tells the flows of a batch's packets apart, for all packets at once. Endpoints are put in
 * one canonical order, so that both directions have one key; the hash is made of the key alone, so
 * that equal keys always meet (the parser's leaves out the ports of fragments).
 */
#pragma once

#include "core/batch.h"
#include "netflow/entry.h"
#include "netflow/fragments.h"

/* By number in the batch; undefined for packets that are not in the mask. Zeroed before the first batch. */
struct hm_keys {
	union hm_entry_name name[HM_BATCH_MAX];
	union hm_entry_rest rest[HM_BATCH_MAX];  // of IPv6
	union hm_flow_first first[HM_BATCH_MAX]; // if the key has something of it
	uint16_t vlan[HM_BATCH_MAX];             // the same
	union hm_flow_frame frame[HM_BATCH_MAX]; // if it has something of that
	uint32_t hash[HM_BATCH_MAX];
	union hm_fragment_ports split[HM_BATCH_MAX]; // of fragments that have none themselves
	uint8_t sender[HM_BATCH_MAX];                // endpoint
	uint8_t flags[HM_BATCH_MAX];                 // TCP's, 0 otherwise

	struct hm_fragments fragments; // from batch to batch
};

/* What of a packet's further fields is compared. */
struct hm_key_masks {
	bool wide; // something is
	union hm_flow_first first;
	uint16_t vlan;
	bool framed; // the next is
	union hm_flow_frame frame;
};

void hm_key_masks(struct hm_key_masks *m, uint32_t key); // set of HM_FLOW_KEY_
/* Of the packets of `in`, all of them IPv4 or IPv6. */
void hm_keys_make(struct hm_keys *k, const struct hm_key_masks *m, const struct hm_batch *b,
		  uint64_t in);
/* Those of `in` whose flow is one of the 1 in `interval` that are chosen, by their hash: whole flows, in both
 * directions, the same ones at every worker and in every run. */
uint64_t hm_keys_choose(const struct hm_keys *k, uint64_t in, uint32_t interval);
/* The hash of an entry's key, the same as of its packets. `frames` NULL: there are none. */
uint32_t hm_key_hash(const struct hm_entry *e, const struct hm_entry_frames *frames,
		     const struct hm_key_masks *m);

/* The fields of a packet that are kept of a record's first one. */
union hm_flow_first hm_key_first(const struct hm_batch *b, unsigned i);
uint16_t hm_key_vlan(const struct hm_batch *b, unsigned i);
uint8_t hm_key_tos(const struct hm_batch *b, unsigned i);
union hm_flow_frame hm_key_frame(const struct hm_batch *b, unsigned i);
/* The same, as a frame the other way would have it. */
union hm_flow_frame hm_key_frame_back(const union hm_flow_frame *f);

/* SPDX-License-Identifier: BSD-3-Clause */
/* pktring_packets: numbered packets for the tests of the packet ring. A packet's number says how
 * long it is and what each of its bytes is, so that a reader can check every one it gets. */
#pragma once

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/batch.h"
#include "core/pktring.h"

#define PACKET_MIN 8

struct packets {
	struct hm_batch batch;
	uint32_t longest;
	uint8_t *memory; // HM_BATCH_MAX packets
};

static inline uint64_t packet_mix(uint64_t n)
{
	n = (n ^ n >> 31) * UINT64_C(0x7fb5d329728ea185);
	n = (n ^ n >> 27) * UINT64_C(0x81dadef4bc2dd44d);
	return n ^ n >> 33;
}

static inline uint32_t packet_length(uint64_t number, uint32_t longest)
{
	return PACKET_MIN + (uint32_t)(packet_mix(number) % (longest - PACKET_MIN + 1));
}

static inline uint64_t packet_time_ns(uint64_t number)
{
	return UINT64_C(1700000000999999000) + number * 7;
}

static inline void packet_bytes(uint64_t number, uint8_t *to, uint32_t length)
{
	memcpy(to, &number, PACKET_MIN);
	memset(to + PACKET_MIN, (int)(packet_mix(number) >> 56), length - PACKET_MIN);
}

static inline void packets_init(struct packets *p, uint32_t longest)
{
	memset(&p->batch, 0, sizeof(p->batch));
	p->batch.link = HM_LINK_ETHERNET;
	p->longest = longest;
	p->memory = malloc((size_t)HM_BATCH_MAX * longest);
	if (!p->memory)
		abort();
}

static inline void packets_fini(struct packets *p)
{
	free(p->memory);
}

/* A batch of the n packets number first, first + step, ... */
static inline const struct hm_batch *packets_fill(struct packets *p, uint64_t first, uint32_t n,
						  uint64_t step)
{
	struct hm_batch *const b = &p->batch;
	b->n = n;
	b->all = hm_mask_first(n);
	for (uint32_t i = 0; i < n; i++) {
		const uint64_t number = first + i * step;
		uint8_t *const to = p->memory + (size_t)i * p->longest;
		b->data[i] = to;
		b->caplen[i] = packet_length(number, p->longest);
		b->wirelen[i] = b->caplen[i] + 4;
		b->ts_ns[i] = packet_time_ns(number);
		b->ifindex[i] = (uint16_t)number;
		packet_bytes(number, to, b->caplen[i]);
	}
	return b;
}

static inline uint64_t packet_number(const struct hm_pktring_packet *p)
{
	uint64_t number;
	memcpy(&number, p->data, sizeof(number));
	return number;
}

/* Whether a packet that was read is, in all its parts, the one that its number says. */
static inline bool packet_is_right(const struct hm_pktring_packet *p, uint32_t longest,
				   uint32_t snaplen)
{
	uint8_t want[2048];
	if (p->caplen < PACKET_MIN || longest > sizeof(want))
		return false;
	const uint64_t number = packet_number(p);
	const uint32_t length = packet_length(number, longest);
	const uint32_t caplen = length < snaplen ? length : snaplen;
	packet_bytes(number, want, length);
	return p->caplen == caplen && p->wirelen == length + 4 && p->ifindex == (uint16_t)number &&
	       p->ts_ns == packet_time_ns(number) && memcmp(p->data, want, caplen) == 0;
}

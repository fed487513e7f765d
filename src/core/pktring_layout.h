/* SPDX-License-Identifier: BSD-3-Clause */
/* pktring_layout: what lies where in a packet ring's memfd; for pktring.c, pktring_reader.c and
 * their tests only.
 *
 *	page 0                  struct hm_pktring_header, written once
 *	then for each writer:
 *	  1 page                struct hm_pktring_written, by the writer
 *	  1 page                struct hm_pktring_read, by the reader: the only page it may write
 *	  bytes / 64 slots      struct hm_pktring_slot, a power of two
 *	  bytes                 packets: struct hm_mapipkt and data, each starting at a multiple of
 *8, none of them wrapping around the end
 *
 * Packets of a writer are numbered 0, 1, 2 ...; packet n is named by slot n modulo the slots.
 */
#pragma once

#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>

#include "core/pktring.h"

#define HM_PKTRING_MAGIC   UINT64_C(0x676e69726b70686d) // "mhpkring"
#define HM_PKTRING_VERSION 1
#define HM_PKTRING_PAGE    4096u
#define HM_PKTRING_ALIGN   8u

struct hm_pktring_header {
	uint64_t magic;
	uint32_t version;
	uint32_t writers;
	uint32_t bytes; // of packets, for each writer
	uint32_t snaplen;
	uint32_t link;
	uint32_t preference;
	uint64_t total; // size of the memfd
};

struct hm_pktring_written {
	alignas(64) _Atomic uint64_t head; // packets put in: n < head may be read
	_Atomic uint64_t dropped;
	_Atomic uint32_t ended;
	/* HM_PKTRING_FAST: packets n < oldest may have been overwritten. It moves before the first
	 * byte of one of them changes, in steps of 1/16 of the ring, and has a line of its own, so
	 * that a reader who looks at it after each packet rarely misses its cache. */
	alignas(64) _Atomic uint64_t oldest;
};

struct hm_pktring_read {
	alignas(64) _Atomic uint64_t taken; // packets that the reader got
	_Atomic uint64_t skipped;           // packets that it found overwritten
	_Atomic uint64_t freed;             // it is done with packets n < freed
};

struct hm_pktring_slot {
	_Atomic uint64_t ts_ns;
	_Atomic uint64_t place; // offset in the packets << 32 | caplen
};
static_assert(sizeof(struct hm_pktring_slot) == 16, "four slots a cache line");
static_assert(sizeof(struct hm_pktring_written) <= HM_PKTRING_PAGE, "one page");
static_assert((uint64_t)(HM_BATCH_MAX + 1) * (HM_PKTRING_SNAPLEN_MAX + 32) <=
		      2 * (uint64_t)HM_PKTRING_BYTES_DEFAULT,
	      "a batch of the longest packets fits twice the default");
static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "shared between processes");

static inline uint32_t hm_pktring_slots(uint32_t bytes)
{
	return bytes / 64;
}

static inline uint32_t hm_pktring_record_bytes(uint32_t caplen)
{
	return ((uint32_t)sizeof(struct hm_mapipkt) + caplen + HM_PKTRING_ALIGN - 1) &
	       ~(HM_PKTRING_ALIGN - 1);
}

static inline uint64_t hm_pktring_slots_bytes(uint32_t bytes)
{
	const uint64_t n = hm_pktring_slots(bytes) * sizeof(struct hm_pktring_slot);
	return (n + HM_PKTRING_PAGE - 1) & ~(uint64_t)(HM_PKTRING_PAGE - 1);
}

static inline uint64_t hm_pktring_stride(uint32_t bytes)
{
	return 2 * HM_PKTRING_PAGE + hm_pktring_slots_bytes(bytes) + bytes;
}

static inline uint64_t hm_pktring_total(uint32_t writers, uint32_t bytes)
{
	return HM_PKTRING_PAGE + writers * hm_pktring_stride(bytes);
}

/* Where one writer's parts are in a mapping of the memfd. */
struct hm_pktring_parts {
	struct hm_pktring_written *written;
	struct hm_pktring_read *read;
	struct hm_pktring_slot *slots;
	uint8_t *packets;
};

static inline struct hm_pktring_parts hm_pktring_parts(void *map, uint32_t bytes, unsigned writer)
{
	uint8_t *const base = (uint8_t *)map + HM_PKTRING_PAGE + writer * hm_pktring_stride(bytes);
	uint8_t *const slots = base + 2 * HM_PKTRING_PAGE;
	return (struct hm_pktring_parts){
		.written = (struct hm_pktring_written *)(void *)base,
		.read = (struct hm_pktring_read *)(void *)(base + HM_PKTRING_PAGE),
		.slots = (struct hm_pktring_slot *)(void *)slots,
		.packets = slots + hm_pktring_slots_bytes(bytes),
	};
}

/* Rules that a ring's configuration and a header found in shared memory have to keep alike. */
static inline bool hm_pktring_bytes_ok(uint32_t bytes, uint32_t snaplen)
{
	return bytes >= HM_PKTRING_BYTES_MIN && bytes <= HM_PKTRING_BYTES_MAX &&
	       (bytes & (bytes - 1)) == 0 && snaplen <= HM_PKTRING_SNAPLEN_MAX &&
	       2 * hm_pktring_record_bytes(snaplen) <= bytes;
}

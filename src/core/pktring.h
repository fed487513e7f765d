/* SPDX-License-Identifier: BSD-3-Clause */
/* pktring: packets in shared memory, from workers to a client; Streamline's packet ring and index
 * ring.
 *
 * One sealed memfd holds a header and, for each worker, one index ring and one ring of packets with
 * one writer (the worker) and one reader index. A packet is copied once, as a 20-byte header laid
 * out like MAPI's struct mapipkt directly followed by caplen bytes; an index slot names its place
 * and its ns timestamp. A reader maps the memfd and reads in place.
 *
 * Preference when full: HM_PKTRING_SLOW drops new packets and counts them; HM_PKTRING_FAST
 * overwrites the oldest and the reader can tell how many it lost; HM_PKTRING_WAIT is for a source
 * that can wait: it asks hm_pktring_ready() before it puts, and then nothing is lost. No writer ever
 * waits in put. Ledger, at any time: offered = delivered + overwritten + dropped + queued.
 *
 * Neither side trusts the other. The writer keeps private copies of all it relies on and takes from
 * shared memory only the reader's counts, and those clamped: a reader that scribbles loses its own
 * packets and nothing else. The reader checks the header, and every slot before it follows it.
 * No DPDK here: clients link pktring_reader.c.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/batch.h"
#include "core/error.h"

#define HM_PKTRING_BYTES_DEFAULT (4u << 20)
#define HM_PKTRING_BYTES_MIN     (4u << 10)
#define HM_PKTRING_BYTES_MAX     (1u << 30)
#define HM_PKTRING_WRITERS_MAX   64
#define HM_PKTRING_SNAPLEN_MAX   65535

enum hm_pktring_preference { HM_PKTRING_SLOW, HM_PKTRING_FAST, HM_PKTRING_WAIT };

struct hm_pktring_conf {
	unsigned writers; // workers, 1..HM_PKTRING_WRITERS_MAX
	uint32_t bytes; // of packet memory for each writer, a power of two with room for two of the
			// longest packets, HM_PKTRING_WAIT: for a batch of them; 0: enough
	uint32_t snaplen; // longer packets are cut in the ring; 0: HM_PKTRING_SNAPLEN_MAX
	enum hm_link link;
	enum hm_pktring_preference preference;
};

struct hm_pktring_counts {
	uint64_t offered, delivered, overwritten, dropped, queued;
};

/* Starts each packet in the ring: MAPI's struct mapipkt without its last member. */
struct hm_mapipkt {
	uint64_t ts; // 2^-32 s since 1970
	uint16_t ifindex;
	uint16_t pad;
	uint32_t caplen;
	uint32_t wlen;
} __attribute__((packed, aligned(4)));
static_assert(sizeof(struct hm_mapipkt) == 20, "the packet follows at offset 20");

struct hm_pktring;

/* --- daemon side --- */

/* Whether a ring can be made like that; says what is allowed if not. */
int hm_pktring_check(const struct hm_pktring_conf *conf, struct hm_error *err);
/* What a ring that is right will take. */
uint64_t hm_pktring_bytes(const struct hm_pktring_conf *conf);
/* On the control core. Allocates and touches all memory, so that no writer ever faults. NULL with
 * err and errno. */
struct hm_pktring *hm_pktring_create(const struct hm_pktring_conf *conf, struct hm_error *err);
/* When no worker can see the ring. A client that still maps it reads the rest, then "end". */
void hm_pktring_destroy(struct hm_pktring *r);
int hm_pktring_fd(const struct hm_pktring *r); // to pass to the client; stays the ring's

/* Copies the packets of `in`; on the writer's worker. Wakes nobody: readers poll. */
void hm_pktring_put(struct hm_pktring *r, unsigned writer, const struct hm_batch *b, uint64_t in);
/* Whether a whole batch of the longest packets fits now; always so unless the preference is
 * HM_PKTRING_WAIT. On the writer's worker. */
bool hm_pktring_ready(struct hm_pktring *r, unsigned writer);
/* No more packets will come: readers get "end" after the last. On the writer's worker. */
void hm_pktring_end(struct hm_pktring *r, unsigned writer);

/* The reader is gone: always ready, and what does not fit is dropped. Any thread. */
void hm_pktring_abandon(struct hm_pktring *r);
void hm_pktring_counts(const struct hm_pktring *r, struct hm_pktring_counts *c); // any thread

/* --- reader side, also in clients that know nothing of DPDK --- */

struct hm_pktring_reader;

struct hm_pktring_packet {
	uint64_t ts_ns;
	const struct hm_mapipkt *mapipkt; // header and data, one behind the other
	const uint8_t *data;
	uint32_t caplen, wirelen;
	uint16_t ifindex;
};

/* Maps the ring, checks every field of its header and locks it: one process at a time reads a ring,
 * the next one goes on where it stopped. Takes over fd on success; NULL with err and errno. */
struct hm_pktring_reader *hm_pktring_open(int fd, struct hm_error *err);
enum hm_link hm_pktring_link(const struct hm_pktring_reader *r);
uint32_t hm_pktring_snaplen(const struct hm_pktring_reader *r);
/* 1: *p filled, oldest of all that is queued first; 0: nothing now; -ENODATA: all writers have
 * ended and everything has been read; -EBADMSG: the ring contradicts itself (and does from then
 * on). The packet is valid until the next call. It lies in the ring, where the writer leaves it
 * alone until then; with HM_PKTRING_FAST nothing stops the writer, so it is copied to the reader's
 * own memory, and what was overwritten meanwhile is never returned but counted as lost. */
int hm_pktring_next(struct hm_pktring_reader *r, struct hm_pktring_packet *p);
uint64_t hm_pktring_lost(const struct hm_pktring_reader *r); // overwritten + dropped so far
void hm_pktring_close(struct hm_pktring_reader *r);

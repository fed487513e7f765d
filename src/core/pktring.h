/* SPDX-License-Identifier: BSD-3-Clause */
/* pktring: packets in shared memory, from workers to a client; Streamline's packet ring and index
 * ring.
 *
 * One memfd holds a header and, for each worker, one ring of packets with one writer (the worker)
 * and one reader index. A packet is copied once, as a 20-byte header laid out like MAPI's struct
 * mapipkt (ts as 2^-32 s since 1970 u64, ifindex u16, 2 bytes padding, caplen u32, wlen u32),
 * directly followed by caplen bytes; an index slot names its place and its ns timestamp. A reader
 * maps the memfd and reads in place.
 *
 * Preference when full: HM_PKTRING_SLOW drops new packets and counts them; HM_PKTRING_FAST
 * overwrites the oldest and the reader can tell how many it lost; HM_PKTRING_WAIT makes the writer
 * wait (only a private trace may do that). Ledger: offered = delivered + overwritten + dropped +
 * queued. The reader's memory is not trusted by the writer: every index read from it is checked.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/batch.h"
#include "core/error.h"

enum hm_pktring_preference { HM_PKTRING_SLOW, HM_PKTRING_FAST, HM_PKTRING_WAIT };

struct hm_pktring_conf {
	unsigned writers; // workers
	uint32_t bytes;   // of packet memory for each writer, a power of two; 0: 4 MiB
	uint32_t snaplen; // longer packets are cut in the ring; 0: whole
	enum hm_link link;
	enum hm_pktring_preference preference;
};

struct hm_pktring_counts {
	uint64_t offered, delivered, overwritten, dropped, queued;
};

struct hm_pktring;

/* --- daemon side --- */
struct hm_pktring *hm_pktring_create(const struct hm_pktring_conf *conf, struct hm_error *err);
void hm_pktring_destroy(struct hm_pktring *r);
int hm_pktring_fd(const struct hm_pktring *r); // to pass to the client; stays the ring's
/* Copies the packets of `in`; on the writer's worker. Wakes nobody: readers poll, or ask to be
 * woken by a flag that hm_pktring_wake() on the control core looks at. */
void hm_pktring_put(struct hm_pktring *r, unsigned writer, const struct hm_batch *b, uint64_t in);
/* No more packets will come: readers get "end" after the last. */
void hm_pktring_end(struct hm_pktring *r, unsigned writer);
void hm_pktring_counts(const struct hm_pktring *r, struct hm_pktring_counts *c);

/* --- reader side, also in clients that know nothing of DPDK --- */
struct hm_pktring_reader;
struct hm_pktring_packet {
	uint64_t ts_ns;
	const void *mapipkt; // 20-byte header and data, in the ring
	const uint8_t *data;
	uint32_t caplen, wirelen;
	uint16_t ifindex;
};
/* Maps the ring (checks every field of its header). Takes over fd on success. */
struct hm_pktring_reader *hm_pktring_open(int fd, struct hm_error *err);
enum hm_link hm_pktring_link(const struct hm_pktring_reader *r);
/* 1: *p filled, oldest of all writers first, valid until the next call; 0: nothing now;
 * -ENODATA: all writers have ended and everything has been read. */
int hm_pktring_next(struct hm_pktring_reader *r, struct hm_pktring_packet *p);
uint64_t hm_pktring_lost(const struct hm_pktring_reader *r); // overwritten + dropped so far
void hm_pktring_close(struct hm_pktring_reader *r);

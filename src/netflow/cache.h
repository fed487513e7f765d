/* SPDX-License-Identifier: BSD-3-Clause */
/* cache: a worker's flow cache. Packets of a batch in, finished flow records out.
 *
 * A record ends when no packet came for inactive_ns, when it is active_ns old (the biflow then goes
 * on in a new record of the same direction), when TCP ends (RST, or what follows the FINs of both
 * sides), when the cache is full and it is the oldest of those in the way, and when it is drained.
 * Time is packet time. Whether a packet still belongs to a record depends on the packets alone,
 * never on how they are batched or when timers run: timers only hand out earlier what is over
 * anyway.
 *
 * One worker owns a cache. hm_cache_add() never blocks by itself; it hands records to `out`, up to
 * HM_CACHE_OUT at a time, and what that cannot keep it counts.
 */
#pragma once

#include "core/batch.h"
#include "core/table.h"
#include "core/wheel.h"
#include "netflow/entry.h"
#include "netflow/record.h"

#define HM_CACHE_OUT         32
#define HM_CACHE_ENTRIES_MIN 64
#define HM_CACHE_ENTRIES_MAX (UINT32_C(1) << 28)

/* What a packet of a new flow meets when all places are taken. */
enum hm_overload {
	HM_OVERLOAD_EVICT, // the record longest without a packet, of those in the way, makes room
	HM_OVERLOAD_STOP,  // it is not metered
	HM_OVERLOAD_SAMPLE, // nor is it; and while the last quarter of the cache fills, fewer and fewer
			    // new flows are let in, chosen by their hash
};
#define HM_OVERLOAD_NAMES "evict|stop|sample"

/* Takes over `n` records; they are valid during the call only. */
typedef void (*hm_cache_out)(void *arg, const struct hm_flow_record *records, unsigned n);

struct hm_cache_conf {
	uint32_t entries;
	uint64_t active_ns, inactive_ns;
	uint32_t key; // set of HM_FLOW_KEY_, besides addresses, ports and protocol
	bool frames;  // records have what is of frames; with such a key they have it anyway
	enum hm_overload overload;
	uint32_t flow_sampling; // one of so many flows is metered, chosen by its hash; 0, 1: each
	int socket;             // NUMA node, < 0: any
	bool later;             // hm_cache_populate() follows
	void *entries_at; // hm_cache_entry_bytes() of zeroed memory for the entries and, behind
			  // them, their frames alone, which outlives the cache; NULL: of its own
	uint64_t *made;   // directions handed out so far, counted here, too; NULL: nowhere
	hm_cache_out out;
	void *out_arg;
};

/* Packets that are in no flow record. */
struct hm_unmetered {
	uint64_t packets, octets;   // on the wire
	uint64_t first_ns, last_ns; // 0: there was none
};

/* One writer, the worker; the control core reads fields with relaxed loads. */
struct hm_cache_counts {
	uint64_t packets, bytes;        // metered
	struct hm_unmetered not_ip;     // packets that no flow record can hold
	struct hm_unmetered refused;    // of new flows that found no place
	struct hm_unmetered unsampled;  // of flows that are not chosen
	uint64_t created;               // entries
	uint64_t biflows;               // records handed out
	uint64_t records;               // directions of them: what a collector counts
	uint64_t ended[HM_END_REASONS]; // biflows by reason; [0] unused
};

struct hm_cache;

struct hm_cache *hm_cache_create(const struct hm_cache_conf *conf); // NULL with errno
void hm_cache_destroy(struct hm_cache *c); // records still in it are gone: drain first
/* Makes all memory present. Any thread, before the first packet; as long as a hm_cache_create() that is not
 * told to do it later. 0 or a negative errno: this memory is not there. */
int hm_cache_populate(struct hm_cache *c);
/* Takes over an open record of a cache before this one, whatever its size and `key` were. `frames` NULL: that
 * cache had none. Before the first packet. False: it is none (its fields do not make its hash), or there is no
 * place. */
bool hm_cache_take(struct hm_cache *c, const struct hm_entry *e,
		   const struct hm_entry_frames *frames, uint32_t key);

/* From now on; what waits for a timer is looked at when it would have been. The worker. */
void hm_cache_set_timeouts(struct hm_cache *c, uint64_t active_ns, uint64_t inactive_ns);
/* Meters the packets of `in` and lets a bounded number of timers run. */
void hm_cache_add(struct hm_cache *c, const struct hm_batch *b, uint64_t in);
/* Hands out what is over at now_ns, looking at no more than `budget` entries. */
void hm_cache_expire(struct hm_cache *c, uint64_t now_ns, unsigned budget);
/* Hands out up to `max` entries, as HM_END_FORCED unless they are over; true: the cache is empty. */
bool hm_cache_drain(struct hm_cache *c, unsigned max);
/* Shows the open records at no more than `n` places from place `from` on, the worker's as all of
 * these; where to go on, 0: that was the last place. A walk begins at 0. */
uint32_t hm_cache_walk(const struct hm_cache *c, uint32_t from, unsigned n,
		       void (*see)(void *arg, const struct hm_flow_record *r), void *arg);

const struct hm_cache_counts *hm_cache_counts(const struct hm_cache *c);
uint32_t hm_cache_used(const struct hm_cache *c);
uint32_t hm_cache_entries(const struct hm_cache *c);
/* Places that have ever been used, from 1 on: all entries are there. */
uint32_t hm_cache_places(const struct hm_cache *c);
size_t hm_cache_memory(const struct hm_cache *c);           // all of it
size_t hm_cache_bytes(uint32_t entries, bool frames);       // the same, of one to be made
size_t hm_cache_entry_bytes(uint32_t entries, bool frames); // of the entries and their frames
/* Where the frames are behind the entries. */
struct hm_entry_frames *hm_cache_frames_at(void *entries_at, uint32_t entries);

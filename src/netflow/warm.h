/* SPDX-License-Identifier: BSD-3-Clause */
/* warm: open flow records that outlive the daemon, in a file (on tmpfs: in memory) that it maps.
 *
 * The caches of one FLOW_REPORT have their entries in the file, worker by worker; index and timers are made
 * anew from them. Sequence numbers of exporters are there, too. At an orderly stop each worker seals its part:
 * how many places were used, and a checksum of them. A killed daemon's part is not sealed; its entries are
 * taken one by one then, if their key has their hash, and what had been handed out of the caches and was not
 * exported is known by number.
 *
 * The next daemon makes a new file beside the old one, takes every record out of the old file into its caches,
 * of whatever size, key and number of workers, and then puts the new one in its place: one that is killed
 * before that has changed nothing. Whoever has a file locked owns it.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "netflow/cache.h"

#define HM_WARM_PATH_MAX  256
#define HM_WARM_EXPORTERS 8

struct hm_warm_conf {
	const char *path; // from the root
	unsigned lanes;   // workers
	uint32_t entries; // of each one's cache
	uint32_t key;     // of the caches
	bool frames;      // they have what is of frames
	unsigned exporters;
	uint64_t exporter[HM_WARM_EXPORTERS]; // which they are, by a hash
};

/* What an exporter has come to. */
struct hm_warm_exporter {
	uint64_t id;
	uint64_t settled; // directions exported or lost, as `made` of the caches counts them
	uint32_t sequence;
	uint32_t reserved;
};

struct hm_warm;

/* Looks at the file, and makes the next one. A file that cannot be used is no error: `cold` of the statistics
 * says why, and the log does. An error: it cannot be made, is somebody else's, or another process has it. */
struct hm_warm *hm_warm_open(const struct hm_warm_conf *conf, struct hm_error *err);
/* Without `keep` the file goes: its records are exported. Whoever has not seen it ready leaves the old one. */
void hm_warm_close(struct hm_warm *w, bool keep);

/* Memory of a lane's entries, and its counter of handed out directions. */
void *hm_warm_entries(struct hm_warm *w, unsigned lane);
uint64_t *hm_warm_made(struct hm_warm *w, unsigned lane);
/* Takes the lane's share of the old records into its cache. Once a lane, any thread. */
void hm_warm_restore(struct hm_warm *w, unsigned lane, struct hm_cache *cache);
/* All lanes have theirs: the file takes the old one's place. 1, 0: not yet, or a negative errno. */
int hm_warm_ready(struct hm_warm *w, struct hm_error *err);

/* The worker: time of a packet, in their order; and that it meters no more and its records stay as they are. */
void hm_warm_note_time(struct hm_warm *w, unsigned lane, uint64_t newest_ns);
void hm_warm_seal(struct hm_warm *w, unsigned lane, const struct hm_cache *cache);

/* The control core: what the exporter before came to (false: there was none), and what this one does. */
bool hm_warm_exporter_before(const struct hm_warm *w, unsigned i, struct hm_warm_exporter *before);
void hm_warm_note_exporter(struct hm_warm *w, unsigned i, uint64_t settled, uint32_t sequence);
/* Directions that the daemon before had handed out of its caches; 0 if it was not killed. */
uint64_t hm_warm_made_before(const struct hm_warm *w);

/* {"file", "restored", "bad", "cold": why nothing was taken over, or ""} */
json_t *hm_warm_stats(const struct hm_warm *w);
/* {"from_ns": newest packet of the daemon before, "to_ns": first one of this}, "0" for none: packets that came
 * between were metered by nobody. */
json_t *hm_warm_gap(const struct hm_warm *w);

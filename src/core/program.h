/* SPDX-License-Identifier: BSD-3-Clause */
/* program: what a worker runs over each batch of one device: the functions of all its flows as one flat,
 * topologically ordered array. An entry has its parent's index and the number of entries to skip when its
 * mask is empty; there are no per-packet indirect calls, one call a batch and entry. Built on the control
 * core, published with one pointer store, immutable but for its scratch masks, which belong to its worker.
 */
#pragma once

#include "core/batch.h"
#include "core/copies.h"
#include "core/instance.h"
#include "core/parse.h"
#include "core/search.h"

#define HM_ROOT            UINT32_MAX
#define HM_TRANSFORM_DEPTH 4 // transforms behind transforms in one flow

struct hm_entry {
	uint64_t (*process)(void *core, const struct hm_batch *b, uint64_t in); // NULL: transform
	void *state;                                                            // core->state
	struct hm_core *core;
	uint32_t parent; // index, or HM_ROOT
	uint32_t skip;   // entries of this subtree, this one included
	const struct hm_function *fn;
};

/* The batches that transforms fill, and the copies in them; one a worker. */
struct hm_workspace {
	struct hm_copies *copies;
	struct hm_batch child[HM_TRANSFORM_DEPTH];
};

struct hm_program {
	uint32_t n;
	struct hm_search_db *db; // holds a reference; NULL without patterns
	struct hm_search *search[1 + HM_TRANSFORM_DEPTH]; // [0] the device's batch, then by depth
	uint32_t n_ticks, n_drains, n_readies;
	uint32_t *ticks, *drains, *readies; // entries whose function has tick, drain, ready
	uint64_t *out;                      // scratch: the mask that left each entry
	struct hm_entry entry[];
};

/* `instances[i]` in order, flows one after another; `first[i]` says that a flow begins at i. For the
 * `lane`-th worker of the device. Takes a reference on db. NULL without memory. */
struct hm_program *hm_program_create(struct hm_instance *const *instances, const bool *first,
				     uint32_t n, unsigned lane, struct hm_search_db *db,
				     int socket);
void hm_program_destroy(struct hm_program *p);

/* Worker: runs the program over a parsed batch. */
void hm_program_run(struct hm_program *p, struct hm_batch *b, struct hm_workspace *ws,
		    const struct hm_parse_conf *conf);
void hm_program_tick(struct hm_program *p, uint64_t now_ns);
/* Whether every function can take a whole batch now; a lossless source waits until it is so. */
bool hm_program_ready(const struct hm_program *p);
bool hm_program_drain(struct hm_program *p); // true: nothing is left

/* SPDX-License-Identifier: BSD-3-Clause */
/* program: what one worker runs over each batch of one device: the nodes of all its flows in one flat array
 * (layout.h has the order). There are no per-packet indirect calls: one call a batch and entry, and none where
 * no packet gets. Filters and patterns are evaluated for all entries at once, when the first one asks. Built
 * on the control core, published with one pointer store, immutable but for its scratch, which is its worker's.
 */
#pragma once

#include "core/batch.h"
#include "core/copies.h"
#include "core/layout.h"
#include "core/parse.h"
#include "core/search.h"
#include "filter/filter.h"

struct hm_entry {
	union {
		uint64_t (*process)(void *core, const struct hm_batch *b, uint64_t in);
		uint64_t (*transform)(void *core, const struct hm_batch *b, uint64_t in,
				      struct hm_batch *out, struct hm_copies *pool);
		const uint32_t *entry_of; // of a switch, by slot: the entry, 0: none
	};
	void *state; // of a gate: struct hm_gate_lane
	uint64_t *
		out; // counter of packets out, behind it a transform's of those dropped; NULL: all go on
	uint32_t parent; // index; entry 0 is the root
	uint32_t skip;   // entries of this subtree, this one included
	uint32_t slot;   // of its filter or pattern; of a switch: length of entry_of;
			 // of a transform: which of mores it is, from 1 on
	uint32_t kind;   // enum hm_entry_kind
};

/* A function with a state, for what is called once in a while. */
struct hm_call_of {
	const struct hm_function *fn;
	void *state;
};

/* A transform that may have packets of its own to hand on. */
struct hm_more_of {
	bool (*more)(void *core);
	uint32_t entry;
};

/* A counter that the worker reads before its first batch with the program (instance.h, hm_instance_marks). */
struct hm_mark {
	const uint64_t *from;
	uint64_t value;
};

/* The scans for patterns of one worker, a database's: [0] the device's batch, then by depth. They are dear to
 * make, so programs that follow one another with the same database pass them on. */
struct hm_searches {
	uint32_t refs; // control core
	struct hm_search_db *db;
	struct hm_search *at[1 + HM_TRANSFORM_DEPTH];
};

/* Returns one with a reference, NULL without memory. */
struct hm_searches *hm_searches_create(struct hm_search_db *db, unsigned depth, int socket);
void hm_searches_unref(struct hm_searches *s); // NULL is allowed

/* The batches that transforms fill, and the copies in them; one a worker. */
struct hm_workspace {
	struct hm_copies *copies;
	uint64_t batches; // run so far: gates draw by it
	struct hm_batch child[HM_TRANSFORM_DEPTH];
	struct hm_batch none; // empty, for transforms that hand on what they held
};

struct hm_program {
	uint32_t n;
	uint64_t bytes;
	struct hm_searches *searches; // NULL without patterns
	struct hm_filter_scan
		*filters[1 + HM_TRANSFORM_DEPTH]; // as in searches; NULL without filters
	uint32_t n_ticks, n_drains, n_readies, n_mores, n_marks;
	uint16_t device; // of the last batch
	enum hm_link link;
	struct hm_call_of *ticks, *drains, *readies;
	struct hm_more_of *mores;
	struct hm_mark *marks;
	uint64_t *mask; // scratch: what left each entry
	struct hm_entry *entry;
	struct hm_sample **sample; // of each entry, for batches that are timed
};

/* For the lane-th worker of the device. Takes over a reference on `searches` and takes one on `index`; the caller
 * fills the n_marks marks. NULL without memory. */
struct hm_program *hm_program_create(const struct hm_layout *layout, unsigned lane,
				     struct hm_searches *searches, struct hm_filter_index *index,
				     uint32_t n_marks, int socket);
void hm_program_destroy(struct hm_program *p); // NULL is allowed

/* Worker: before its first batch with the program. */
void hm_program_adopt(struct hm_program *p);
/* Worker: runs the program over a parsed batch. With a stopwatch that runs, each entry is timed; NULL: none. */
void hm_program_run(struct hm_program *p, struct hm_batch *b, struct hm_workspace *ws,
		    const struct hm_parse_conf *conf, struct hm_stopwatch *watch);
/* With `wait` what transforms held is not handed on to functions that cannot take it now (hm_program_ready). */
void hm_program_tick(struct hm_program *p, uint64_t now_ns, struct hm_workspace *ws,
		     const struct hm_parse_conf *conf, bool wait);
/* Whether every function can take a whole batch now; a lossless source waits until it is so. */
bool hm_program_ready(const struct hm_program *p);
/* As tick. True: nothing is left. */
bool hm_program_drain(struct hm_program *p, struct hm_workspace *ws,
		      const struct hm_parse_conf *conf, bool wait);

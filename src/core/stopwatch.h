/* SPDX-License-Identifier: BSD-3-Clause */
/* stopwatch: what the parts of a batch's way cost, in cycles of the time stamp counter. One batch in many is
 * timed (hm_engine_sample): each part ends with a lap, which books the time since the last lap. A sample has one
 * writer, its worker; the control core reads it with relaxed loads. What reading the counter costs is taken off.
 */
#pragma once

#include <stdint.h>

#define HM_SAMPLE_BATCHES 512 // one of so many is timed, unless the configuration says otherwise

/* Sums over all timed batches. */
struct hm_sample {
	uint64_t cycles;
	uint64_t packets; // that reached the part
	uint64_t passed;  // of those, and went on
	uint64_t batches; // in which some did
};

/* The parts that all flows have in common. */
enum hm_stage {
	HM_STAGE_RECEIVE,
	HM_STAGE_PARSE,
	HM_STAGE_FILTERS,  // the index of all filters
	HM_STAGE_PATTERNS, // the scan for all patterns
	HM_STAGE_RELEASE,  // counting, and giving the buffers back
	HM_STAGES
};

const char *hm_stage_name(enum hm_stage stage);

struct hm_stopwatch {
	uint64_t last;
	struct hm_sample *stages; // HM_STAGES of them
};

/* Cycles that a lap itself takes; from program start. */
extern uint64_t hm_lap_cycles;

static inline void hm_stopwatch_start(struct hm_stopwatch *w)
{
	w->last = __builtin_ia32_rdtsc();
}

static inline void hm_sample_add(uint64_t *sum, uint64_t n)
{
	__atomic_store_n(sum, *sum + n, __ATOMIC_RELAXED);
}

static inline void hm_lap(struct hm_stopwatch *w, struct hm_sample *s, unsigned packets,
			  unsigned passed)
{
	uint64_t now = __builtin_ia32_rdtsc(), cycles = now - w->last;

	hm_sample_add(&s->cycles, cycles > hm_lap_cycles ? cycles - hm_lap_cycles : 0);
	hm_sample_add(&s->packets, packets);
	hm_sample_add(&s->passed, passed);
	hm_sample_add(&s->batches, 1);
	w->last = now;
}

/* Adds what a sample has now. Any thread. */
static inline void hm_sample_read(const struct hm_sample *s, struct hm_sample *sum)
{
	sum->cycles += __atomic_load_n(&s->cycles, __ATOMIC_RELAXED);
	sum->packets += __atomic_load_n(&s->packets, __ATOMIC_RELAXED);
	sum->passed += __atomic_load_n(&s->passed, __ATOMIC_RELAXED);
	sum->batches += __atomic_load_n(&s->batches, __ATOMIC_RELAXED);
}

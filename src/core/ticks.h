/* SPDX-License-Identifier: BSD-3-Clause */
/* ticks: another function's value once an interval of packet time, for STATS and BUCKET.
 *
 * Intervals follow each other from the first packet on. The first packet that lies behind one closes it: the value
 * is that of the packet before, and of a counter what it has counted in the interval. An interval without packets
 * gives 0.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct hm_ticks {
	uint64_t interval_ns;
	bool running;      // a counter: differences
	bool begun;        // there was a packet
	uint64_t start_ns; // of the present interval
	uint64_t last;     // value at the packet before
	uint64_t base;     // value at the start
};

/* Once an interval; intervals without packets all at once, `times` of them, the first at start_ns. */
typedef void (*hm_tick_cb)(void *arg, uint64_t start_ns, uint64_t value, uint64_t times);

static inline void hm_ticks_init(struct hm_ticks *t, uint64_t interval_ns, bool running)
{
	*t = (struct hm_ticks){.interval_ns = interval_ns, .running = running};
}

/* How many intervals lie behind the packet that were not over at the one before. The caller adds them to start_ns. */
static inline uint64_t hm_ticks_over(struct hm_ticks *t, uint64_t ts_ns)
{
	if (!t->begun)
		t->start_ns = ts_ns;
	t->begun = true;
	return t->interval_ns && ts_ns > t->start_ns ? (ts_ns - t->start_ns) / t->interval_ns : 0;
}

static inline void hm_ticks_packet(struct hm_ticks *t, uint64_t ts_ns, uint64_t value,
				   hm_tick_cb tick, void *arg)
{
	uint64_t n = hm_ticks_over(t, ts_ns);

	if (n > 0) {
		tick(arg, t->start_ns, t->last - (t->running ? t->base : 0), 1);
		if (n > 1)
			tick(arg, t->start_ns + t->interval_ns, 0, n - 1);
		t->base = t->last;
		t->start_ns += n * t->interval_ns;
	}
	t->last = value;
}

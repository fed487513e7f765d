/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/clock.h"

#include <rte_cycles.h>
#include <rte_pause.h>
#include <stdatomic.h>
#include <time.h>

// ns = base_ns + (tsc - base_tsc) * factor / 2^32; one writer, the control core
static struct {
	_Atomic uint32_t sequence; // odd while it is written
	_Atomic uint64_t base_tsc, base_ns, factor;
} shared;

static uint64_t realtime_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

void hm_clock_adjust(void)
{
	uint32_t sequence = atomic_load_explicit(&shared.sequence, memory_order_relaxed);
	uint64_t tsc = rte_rdtsc(), ns = realtime_ns();
	uint64_t factor = (uint64_t)(((unsigned __int128)NS_PER_S << 32) / rte_get_tsc_hz());

	atomic_store_explicit(&shared.sequence, sequence + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release); // readers: hm_clock_now_ns
	atomic_store_explicit(&shared.base_tsc, tsc, memory_order_relaxed);
	atomic_store_explicit(&shared.base_ns, ns, memory_order_relaxed);
	atomic_store_explicit(&shared.factor, factor, memory_order_relaxed);
	atomic_store_explicit(&shared.sequence, sequence + 2, memory_order_release);
}

void hm_clock_init(void)
{
	hm_clock_adjust();
}

uint64_t hm_clock_now_ns(void)
{
	for (;;) {
		uint32_t before = atomic_load_explicit(&shared.sequence, memory_order_acquire);
		uint64_t tsc = atomic_load_explicit(&shared.base_tsc, memory_order_relaxed);
		uint64_t ns = atomic_load_explicit(&shared.base_ns, memory_order_relaxed);
		uint64_t factor = atomic_load_explicit(&shared.factor, memory_order_relaxed);

		atomic_thread_fence(memory_order_acquire); // writer: hm_clock_adjust
		if (!(before & 1) &&
		    before == atomic_load_explicit(&shared.sequence, memory_order_relaxed)) {
			// another core may have set the base a moment after our counter was read
			int64_t passed = (int64_t)(rte_rdtsc() - tsc);
			return passed < 0 ? ns
					  : ns + (uint64_t)(((unsigned __int128)passed * factor) >>
							    32);
		}
		rte_pause();
	}
}

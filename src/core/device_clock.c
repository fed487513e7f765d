/* SPDX-License-Identifier: BSD-3-Clause */
/* A port's own clock, brought to nanoseconds since 1970. The base is one pair of looks at the port's
 * counter and the host's clock; the factor is refined with every later pair, so that only one word ever
 * changes under the workers and the time never jumps by more than the clocks have drifted. */
#include "core/device.h"

#include <rte_cycles.h>

#include "core/clock.h"

bool hm_device_clock_readable(const struct hm_device *d)
{
	uint64_t ticks;

	return rte_eth_read_clock(d->port, &ticks) == 0;
}

void hm_device_clock_init(struct hm_device *d)
{
	uint64_t ticks, now = hm_clock_now_ns();

	if (d->lanes[0]->ts_offset < 0 || rte_eth_read_clock(d->port, &ticks) != 0)
		return;
	for (unsigned i = 0; i < d->n_lanes; i++) {
		d->lanes[i]->ts_base_ticks = ticks;
		d->lanes[i]->ts_base_ns = now;
	}
	rte_delay_us_sleep(10000);
	hm_device_clock_calibrate(d);
}

void hm_device_clock_calibrate(struct hm_device *d)
{
	const struct hm_lane *base = d->lanes[0];
	uint64_t ticks, now, factor;

	if (!base->ts_base_ticks || rte_eth_read_clock(d->port, &ticks) != 0)
		return;
	now = hm_clock_now_ns();
	if (ticks <= base->ts_base_ticks || now <= base->ts_base_ns)
		return;
	factor = (uint64_t)(((unsigned __int128)(now - base->ts_base_ns) << 32) /
			    (ticks - base->ts_base_ticks));
	for (unsigned i = 0; i < d->n_lanes; i++)
		atomic_store_explicit(&d->lanes[i]->ts_factor, factor, memory_order_relaxed);
}

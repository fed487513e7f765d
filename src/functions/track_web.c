/* SPDX-License-Identifier: BSD-3-Clause */
/* TRACK_WEB passes TCP with data and port 80 or 443 at either end, over IPv4 and IPv6. */
#include "core/function.h"
#include "track/ports.h"

static uint64_t track_web_process(void *core, const struct hm_batch *b, uint64_t in)
{
	static const uint16_t ports[] = {80, 443};

	(void)core;
	return hm_track_tcp_data(b, in, ports, sizeof(ports) / sizeof(ports[0]));
}

static const struct hm_function track_web = {
	.name = "TRACK_WEB",
	.summary = "passes packets of the web that carry data",
	.flags = HM_FN_FILTERS | HM_FN_STATELESS,
	.cost = {.batch = 20, .packet = 5},
	.process = track_web_process,
};

HM_FUNCTION_REGISTER(track_web);

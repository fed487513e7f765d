/* SPDX-License-Identifier: BSD-3-Clause */
/* TRACK_MAPI passes TCP with data and port 2233, that of distributed MAPI, at either end, over IPv4 and IPv6. */
#include "core/function.h"
#include "track/ports.h"

static uint64_t track_mapi_process(void *core, const struct hm_batch *b, uint64_t in)
{
	static const uint16_t ports[] = {2233};

	(void)core;
	return hm_track_tcp_data(b, in, ports, sizeof(ports) / sizeof(ports[0]));
}

static const struct hm_function track_mapi = {
	.name = "TRACK_MAPI",
	.summary = "passes packets of distributed MAPI that carry data",
	.flags = HM_FN_FILTERS | HM_FN_STATELESS,
	.cost = {.batch = 20, .packet = 5},
	.process = track_mapi_process,
};

HM_FUNCTION_REGISTER(track_mapi);

/* SPDX-License-Identifier: BSD-3-Clause */
#include "track/ports.h"

uint64_t hm_track_tcp_data(const struct hm_batch *b, uint64_t in, const uint16_t *ports, size_t n)
{
	uint64_t found = 0;

	hm_mask_foreach (i, in & b->tcp & b->l4_ok) {
		const uint8_t *tcp = b->data[i] + b->l4[i];
		uint16_t source = (uint16_t)(tcp[0] << 8 | tcp[1]);
		uint16_t dest = (uint16_t)(tcp[2] << 8 | tcp[3]);
		bool known = false;

		for (size_t p = 0; p < n; p++)
			known |= source == ports[p] || dest == ports[p];
		found |= (uint64_t)(known && b->payload[i] < b->end[i]) << i;
	}
	return found;
}

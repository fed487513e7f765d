/* SPDX-License-Identifier: BSD-3-Clause */
/* ROT13 hands on copies of the packets in which the letters of the transport payload are rotated by 13
 * places (MAPI tutorial, "write your own function"). Functions behind it see the copies; the originals,
 * and other flows, are not touched. Checksums stay those of the original. Costs a copy a packet.
 */
#include <string.h>

#include "core/copies.h"
#include "core/function.h"

static uint8_t rotated[256];

static void rotate(uint8_t *to, const uint8_t *from, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		to[i] = rotated[from[i]];
}

static uint64_t rot13_transform(void *core, const struct hm_batch *b, uint64_t in,
				struct hm_batch *out, struct hm_copies *pool)
{
	uint64_t dropped = 0;

	(void)core;
	hm_mask_foreach (i, in) {
		uint32_t n = b->caplen[i], start = b->payload[i], end = b->end[i];
		uint8_t *copy = n <= hm_copies_room(pool) ? hm_copies_take(pool) : NULL;

		if (!copy) {
			dropped |= UINT64_C(1) << i;
			continue;
		}
		memcpy(copy, b->data[i], n);
		if (start != HM_NONE && start < end)
			rotate(copy + start, b->data[i] + start, end - start);
		hm_batch_add(out, b, i, copy, n, b->wirelen[i]);
	}
	return dropped;
}

static void __attribute__((constructor)) fill_table(void)
{
	for (unsigned c = 0; c < 256; c++) {
		unsigned upper = c & ~0x20u;

		rotated[c] = (uint8_t)c;
		if (upper >= 'A' && upper <= 'Z')
			rotated[c] = (uint8_t)(c + (upper < 'N' ? 13 : -13u));
	}
}

static const struct hm_function rot13 = {
	.name = "ROT13",
	.summary = "rotates the letters of the payload by 13 places, in copies",
	.flags = HM_FN_STATELESS,
	.transform = rot13_transform,
};

HM_FUNCTION_REGISTER(rot13);

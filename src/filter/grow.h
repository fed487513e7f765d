/* SPDX-License-Identifier: BSD-3-Clause */
/* grow: arrays that get longer. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Makes room for element n of an array, whose pointer `array` points to, of `room` elements. false: no memory, the array is as it
 * was. */
static inline bool hm_grow(void *array, uint32_t n, uint32_t *room, size_t size)
{
	uint32_t wanted = *room ? *room : 16;
	void *at;

	if (n < *room)
		return true;
	while (wanted <= n)
		wanted *= 2;
	memcpy(&at, array, sizeof(at)); // `array` points to a pointer of any type
	at = realloc(at, wanted * size);
	if (!at)
		return false;
	memcpy(array, &at, sizeof(at));
	*room = wanted;
	return true;
}

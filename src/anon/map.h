/* SPDX-License-Identifier: BSD-3-Clause */
/* map: ANONYMIZE's MAP and MAP_DISTRIBUTION, which give each value of a field another one, always the same.
 *
 * MAP counts values in the order in which they come: 1, 2, 3 ... It has a table for addresses, one for ports, and one
 * for each other size. MAP_DISTRIBUTION draws: the number comes out of the key and the value alone, so that no table
 * is needed, and any number of workers draw the same.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "anon/rule.h"

#define HM_ANON_VALUE_MAX 16

enum hm_anon_map_kind {
	HM_ANON_MAP_BYTES,
	HM_ANON_MAP_SHORTS,
	HM_ANON_MAP_PORTS,
	HM_ANON_MAP_WORDS, // three and four bytes
	HM_ANON_MAP_ADDRESSES,
	HM_ANON_MAP_OTHERS, // MAC addresses, interface identifiers
	HM_ANON_MAPS
};

struct hm_anon_maps;

/* Tables for up to `values` values each, where a field has more than 65,536. NULL: no memory. */
struct hm_anon_maps *hm_anon_maps_create(uint32_t values);
void hm_anon_maps_destroy(struct hm_anon_maps *m); // NULL is allowed
uint64_t hm_anon_maps_bytes(uint32_t values);
/* The number of the value of n bytes, up to HM_ANON_VALUE_MAX; 0: its table is full. */
uint32_t hm_anon_map(struct hm_anon_maps *m, enum hm_anon_map_kind kind, const uint8_t *value,
		     uint32_t n);

struct hm_anon_draw;

struct hm_anon_draw *hm_anon_draw_create(const uint8_t key[32]);
void hm_anon_draw_destroy(struct hm_anon_draw *d); // NULL is allowed
/* By the rule's distribution; Gaussian numbers are rounded and stay within 0 and `highest`. */
uint32_t hm_anon_draw(struct hm_anon_draw *d, const struct hm_anon_rule *r, uint32_t highest,
		      const uint8_t *value, uint32_t n);

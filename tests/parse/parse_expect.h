/* SPDX-License-Identifier: BSD-3-Clause */
/* parse_expect: compares the parser's view of a frame with what a test says, whole and cut. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "parse_frames.h"

#define NONE HM_NONE

/* Cuts the frame at every byte: what batch.h promises holds, headers that are still found are
 * found at the same place, and the capture says that it is cut. */
static inline void expect_cuts(const struct packet *p, enum hm_link link, uint32_t tunnels)
{
	struct parse_fields whole = parse_bytes(p->bytes, p->n, p->n, link, tunnels);

	for (unsigned caplen = 0; caplen < p->n; caplen++) {
		struct parse_fields f = parse_bytes(p->bytes, caplen, p->n, link, tunnels);

		assert_true(f.masks & M_SNAPPED);
		if ((f.masks ^ whole.masks) & M_TUNNEL)
			continue; // the view from outside
		if (f.l3 != NONE)
			assert_int_equal(f.l3, whole.l3);
		if (f.masks & M_MPLS)
			assert_int_equal(f.label, whole.label);
		if (f.l4 != NONE) {
			assert_int_equal(f.l4, whole.l4);
			assert_int_equal(f.hash, whole.hash);
		}
		if (f.l3 != NONE)
			assert_int_equal(f.ip_len, whole.ip_len);
	}
}

/* `want` leaves hash alone, which has tests of its own, and may leave label alone. */
static inline void expect_link(const struct packet *p, enum hm_link link, uint32_t tunnels,
			       struct parse_fields want)
{
	struct parse_fields f = parse_bytes(p->bytes, p->n, p->n, link, tunnels);

	assert_string_equal(hm_parse_outcome_name(f.outcome), hm_parse_outcome_name(want.outcome));
	assert_int_equal(f.masks, want.masks);
	assert_int_equal(f.ethertype, want.ethertype);
	assert_int_equal(f.l3, want.l3);
	assert_int_equal(f.l4, want.l4);
	assert_int_equal(f.payload, want.payload);
	assert_int_equal(f.end, want.end);
	assert_int_equal(f.ip_len, want.ip_len);
	assert_int_equal(f.vlan_tci, want.vlan_tci);
	if (want.label != 0)
		assert_int_equal(f.label, want.label);
	assert_int_equal(f.proto, want.proto);
	expect_cuts(p, link, tunnels);
}

static inline void expect(const struct packet *p, struct parse_fields want)
{
	expect_link(p, HM_LINK_ETHERNET, 0, want);
}

/* A packet without any network header found. */
static inline void expect_rejected(const struct packet *p, enum hm_link link,
				   enum hm_parse_outcome outcome, unsigned ethertype,
				   unsigned masks)
{
	expect_link(p, link, 0,
		    (struct parse_fields){.outcome = (uint8_t)outcome,
					  .masks = M_REJECTED | masks,
					  .ethertype = (uint16_t)ethertype,
					  .l3 = NONE,
					  .l4 = NONE,
					  .payload = NONE,
					  .end = (uint16_t)p->n});
}

/* put_udp4()'s packet at `l3`, with more mask bits than its own. */
static inline struct parse_fields udp4_at(unsigned l3, unsigned masks)
{
	return (struct parse_fields){.masks = M_IPV4 | M_UDP | M_L4 | masks,
				     .ethertype = 0x0800,
				     .l3 = (uint16_t)l3,
				     .l4 = (uint16_t)(l3 + 20),
				     .payload = (uint16_t)(l3 + 28),
				     .end = (uint16_t)(l3 + 32),
				     .ip_len = 32,
				     .proto = 17};
}

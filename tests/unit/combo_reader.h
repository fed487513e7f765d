/* SPDX-License-Identifier: BSD-3-Clause */
/* combo_reader: the plainest way to read a COMBO channel: byte by byte, without DPDK or the driver.
 * What it counts is what the driver has to count.
 */
#pragma once

#include <errno.h>
#include <string.h>

#include "pmd_dag/sim_sze2/libsze2.h"

struct combo_reader {
	uint64_t packets, bytes, checksum;
	uint64_t zero, bad_size, bad_hw, cut, bad_lock, resync_bytes;
	uint64_t empty, no_time, bad_time, no_interface, locks, lock_errors;
};

static inline uint32_t combo_reader_byte(const struct szedata_lock *l, uint64_t pos)
{
	const uint8_t *p = pos < l->len ? l->start : l->next->start;
	return p[pos < l->len ? pos : pos - l->len];
}

static inline uint64_t combo_reader_number(const struct szedata_lock *l, uint64_t pos, int bytes)
{
	uint64_t v = 0;
	for (int i = bytes; i-- > 0;)
		v = v << 8 | combo_reader_byte(l, pos + (uint64_t)i);
	return v;
}

static inline void combo_reader_frame(struct combo_reader *r, const struct szedata_lock *l,
				      uint64_t pos, uint64_t size, uint64_t hw)
{
	uint64_t start = (4 + hw + 7) / 8 * 8;
	uint64_t ns = hw >= 12 ? combo_reader_number(l, pos + 8, 4) : 0;
	uint64_t s = hw >= 12 ? combo_reader_number(l, pos + 12, 4) : 0;
	if (size == start) {
		r->empty++;
		return;
	}
	r->packets++;
	r->bytes += size - start;
	r->no_interface += hw == 0;
	if ((ns == 0 && s == 0) || (ns == UINT32_MAX && s == UINT32_MAX))
		r->no_time++;
	else if (ns > 999999999)
		r->bad_time++;
	for (uint64_t i = start; i < size; i++)
		r->checksum = r->checksum * 31 + combo_reader_byte(l, pos + i);
}

static inline void combo_reader_lock(struct combo_reader *r, const struct szedata_lock *l,
				     uint32_t channel, uint64_t ring)
{
	uint64_t end = l->len + (l->next ? (uint64_t)l->next->len : 0), pos = 0;
	r->locks++;
	if (l->area != channel || end > ring) {
		r->bad_lock++;
		r->resync_bytes += end;
		return;
	}
	while (pos < end) {
		uint64_t size = end - pos < 4 ? 4 : combo_reader_number(l, pos, 2);
		uint64_t hw = end - pos < 4 ? 0 : combo_reader_number(l, pos + 2, 2);
		uint64_t *bad = NULL;
		if (end - pos < 4)
			bad = &r->cut;
		else if (size == 0)
			bad = &r->zero;
		else if (size < 4 || size > 24 * 1024)
			bad = &r->bad_size;
		else if ((4 + hw + 7) / 8 * 8 > size)
			bad = &r->bad_hw;
		else if (size > end - pos)
			bad = &r->cut;
		if (bad) {
			++*bad;
			r->resync_bytes += end - pos;
			return;
		}
		combo_reader_frame(r, l, pos, size, hw);
		pos += (size + 7) / 8 * 8;
	}
}

/* Until the card has had nothing new a hundred times. */
static inline struct combo_reader combo_reader_run(const char *node, uint32_t channel)
{
	struct combo_reader r = {0};
	uint32_t rx = UINT32_C(1) << channel, tx = 0, ring = 0;
	struct szedata *h = szedata_open(node);
	if (!h || szedata_subscribe3(h, &rx, &tx) || szedata_start(h) ||
	    szedata_get_area_size(h, 0, (uint8_t)channel, &ring))
		return r;
	for (int idle = 0; idle < 100;) {
		errno = 0;
		const struct szedata_lock *l = szedata_rx_lock_data(h, ~0u);
		if (!l) {
			r.lock_errors += errno != 0;
			idle++;
			continue;
		}
		idle = 0;
		combo_reader_lock(&r, l, channel, ring);
		while (szedata_rx_unlock_data(h, l) != 0)
			;
	}
	szedata_close(h);
	return r;
}

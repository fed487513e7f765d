/* SPDX-License-Identifier: BSD-3-Clause */
/* filter_frames: packets that filters may disagree about, of every link type; repeatable. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/link.h"

#define FRAME_ROOM 160

struct filter_frame {
	uint8_t *bytes; // a block of its own of exactly caplen bytes, so that sanitizers see all
	uint32_t caplen, wirelen;
};

/* Makes n frames for a link type; every second one is cut somewhere, some have changed bytes. */
struct filter_frame *filter_frames_make(enum hm_link link, size_t n, uint64_t seed);
void filter_frames_free(struct filter_frame *frames, size_t n);

/* A number below `below`. */
uint32_t filter_draw(uint64_t *seed, uint32_t below);

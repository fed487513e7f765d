/* SPDX-License-Identifier: BSD-3-Clause */
/* memory_trace: a whole trace in memory, for benchmarks that must not measure a disk. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/batch.h"

struct memory_packet {
	const uint8_t *data;
	uint64_t ts_ns;
	uint32_t caplen, wirelen;
};

struct memory_trace {
	struct memory_packet *packets;
	size_t n, room;
	uint8_t *memory;
	size_t used;
	uint64_t span_ns; // from the first packet to the last, and a little
	enum hm_link link;
};

/* pcap or pcapng; says on stderr what is wrong. 0 or -1. */
int memory_trace_load(struct memory_trace *t, const char *file);
void memory_trace_free(struct memory_trace *t);
/* Fills what the worker fills of a batch with packets i .. i + n - 1, `shift_ns` later. */
void memory_trace_batch(const struct memory_trace *t, size_t i, uint32_t n, uint64_t shift_ns,
			struct hm_batch *b);

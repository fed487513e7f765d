/* SPDX-License-Identifier: BSD-3-Clause */
/* filter_private: what the files of this folder know of each other. */
#pragma once

#include <pcap/pcap.h>

#include "filter/filter.h"

/* libpcap's compiled program: the last word on what an expression means. */
struct hm_bpf {
	unsigned n_insns;
	struct bpf_insn insns[];
};

struct hm_filter {
	struct hm_filter *next; // of the same bucket
	uint32_t refs, slot, snaplen, hash;
	enum hm_link link;
	struct hm_bpf *bpf;
	char canonical[]; // the key, with link and snaplen
};

/* bpf.c: compiles an expression that is known to be free of names. NULL with err. */
struct hm_bpf *hm_bpf_compile(const char *expression, enum hm_link link, uint32_t snaplen,
			      struct hm_error *err);
uint64_t hm_bpf_run(const struct hm_bpf *bpf, const struct hm_batch *b, uint64_t in);

/* filter.c: another reference. */
struct hm_filter *hm_filter_ref(struct hm_filter *f);

struct hm_filter_index {
	uint32_t refs, n, n_slots;
	struct hm_filter **filters; // each once
	struct hm_filter **by_slot; // NULL: none there
	uint8_t *asked;             // see struct hm_filter_scan
	uint64_t bytes;
};

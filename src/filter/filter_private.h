/* SPDX-License-Identifier: BSD-3-Clause */
/* filter_private: what the files of this folder know of each other. */
#pragma once

#include <pcap/pcap.h>

#include "filter/classes.h"
#include "filter/dag.h"
#include "filter/filter.h"
#include "filter/finder.h"

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
	struct hm_tree tree; // n_nodes 0: not indexed
	char canonical[];    // the key, with link and snaplen
};

/* bpf.c: compiles an expression that is known to be free of names. NULL with err. */
struct hm_bpf *hm_bpf_compile(const char *expression, enum hm_link link, uint32_t snaplen,
			      struct hm_error *err);
uint64_t hm_bpf_run(const struct hm_bpf *bpf, const struct hm_batch *b, uint64_t in);

/* filter.c: another reference. */
struct hm_filter *hm_filter_ref(struct hm_filter *f);

/* What the predicates of one view look up. Guards of the view are numbered from .guards. */
struct hm_index_view {
	struct hm_view view;
	uint32_t guards;
	struct hm_ports ports;
	struct hm_trie ipv4;
	struct hm_prefixes ipv6, mac;
	uint32_t protocols; // entries: 256 of IPv4, then 256 of IPv6; HM_NO_FIELD
};

/* A lane and how it is guarded. */
struct hm_index_lane {
	struct hm_lane lane;
	uint32_t view;
};

/* What a predicate that is no look-up asks: a guard's mask, or a lane. */
struct hm_question {
	uint8_t kind, compare; // of struct hm_predicate
	uint32_t view, at;     // at: guard or lane
	uint32_t mask, number;
};

/* What a filter depends on: packets that are cut there have to be asked again. */
struct hm_suspect {
	uint32_t slot;
	uint32_t views;          // bits of views; views from number 31 share the last bit
	uint32_t lanes, n_lanes; // in suspect_lanes[]
};

/* How to say that a node is a filter: without looking at the node. */
struct hm_match {
	uint32_t slot;  // of its only filter, n_slots if it is none
	uint32_t plain; // 1 if it is one, 0 if not
	uint32_t more;  // roots that need a longer look: several filters, or one with lanes
};

/* A comparison that is one filter: evaluated each batch. */
struct hm_always {
	struct hm_question question;
	uint32_t slot, root;
};

struct hm_filter_index {
	uint32_t refs, n, n_slots;
	struct hm_filter **filters; // each once
	struct hm_filter **by_slot; // NULL: none there
	uint8_t *asked;             // see struct hm_filter_scan
	// the filters that are indexed are numbered as the dag's roots
	uint32_t n_views, room_views, n_lanes, room_lanes, room_suspect_lanes, n_suspect_lanes;
	struct hm_index_view *views;
	struct hm_index_lane *lanes;
	struct hm_finder find_view, find_lane; // while it is built
	struct hm_question *questions;         // by predicate
	struct hm_suspect *suspects;           // by root
	uint32_t *suspect_lanes;
	struct hm_match *matches; // by node
	uint32_t n_compares, n_always;
	struct hm_always *compares; // those of dag.always that are comparisons and one filter
	uint32_t *always;           // the others
	struct hm_lists lists;
	struct hm_dag dag;
	uint64_t bytes;
};

/* SPDX-License-Identifier: BSD-3-Clause */
/* filter: capture filter expressions (pcap-filter(7)), all those of all flows evaluated together.
 *
 * A filter is interned: two flows with the same expression, link type and snap length hold the same
 * filter. It has a slot, which stays its own as long as it lives, so that its mask is found at the
 * same place in every snapshot that contains it. Three things, as in core/search.h:
 *
 *	struct hm_filter	one expression; control core
 *	hm_filter_index		a snapshot of filters, immutable; any number of workers
 *	hm_filter_scan		one worker's masks for one index and one batch object
 *
 * Numbers only: host, network and Ethernet host names are refused before anything could ask a
 * resolver, since an answer may take seconds and change later. Service and protocol names come from
 * the local tables (/etc/services, /etc/protocols). Uses no DPDK.
 */
#pragma once

#include "core/batch.h"
#include "core/error.h"

#define HM_FILTER_EXPRESSION_MAX 8192 // bytes of an expression
#define HM_FILTER_TERMS_MAX      256  // joined by and, or: libpcap's time grows with the cube

struct hm_filter;
struct hm_filter_index;

/* Takes `expression` for packets of a link type. `snaplen` is what the device captures at most, 0:
 * no limit. Returns a reference; NULL with err filled: 7001 no or an empty expression, 1025 it is
 * not a valid filter (libpcap's words), has a name in it or is too long, 1027 no memory. Control
 * core only; a filter is read-only. */
struct hm_filter *hm_filter_create(const char *expression, enum hm_link link, uint32_t snaplen,
				   struct hm_error *err);
/* Gives a reference back, on the control core. NULL is allowed. */
void hm_filter_destroy(struct hm_filter *f);

/* Small and its own while the filter lives; given to another one afterwards. */
uint32_t hm_filter_slot(const struct hm_filter *f);
/* The expression as filters are told apart, white space made equal. Lives as long as the filter. */
const char *hm_filter_canonical(const struct hm_filter *f);
/* Bytes that it takes if nobody else has it, with its part of an index and of a worker's scan. */
uint64_t hm_filter_bytes(const struct hm_filter *f);
/* What evaluates it: "index", or "bpf" if there is something in it that the index does not cover; for
 * EXPLAIN. */
const char *hm_filter_engine(const struct hm_filter *f);
/* Never in active[] of a scan: asks for each packet when it is asked for. */
bool hm_filter_is_lazy(const struct hm_filter *f);

/* The packets of `in` that match, by libpcap's program alone: on captured bytes, with `len` as the
 * length on the wire. Any thread. */
uint64_t hm_filter_run(const struct hm_filter *f, const struct hm_batch *b, uint64_t in);

/* A snapshot of filters of one link type. The same filter may be there often, NULLs are skipped.
 * Holds references to the filters. NULL with err (1027, no memory). References of the index are
 * taken and given back on the control core. */
struct hm_filter_index *hm_filter_index_create(struct hm_filter *const *filters, uint32_t n,
					       struct hm_error *err);
struct hm_filter_index *hm_filter_index_ref(struct hm_filter_index *index);
void hm_filter_index_unref(struct hm_filter_index *index); // NULL is allowed
/* Whether the index holds just these filters (then there is nothing to build). */
bool hm_filter_index_matches(const struct hm_filter_index *index, struct hm_filter *const *filters,
			     uint32_t n);
uint64_t hm_filter_index_bytes(const struct hm_filter_index *index);

/* What the program looks at; scan.c has the rest behind it. */
struct hm_filter_scan {
	bool ran;             // hm_filter_scan_run() of this batch
	uint32_t n_active;    // after it: filters whose mask may be other than 0, none of them lazy
	uint32_t n_slots;     // of the index: largest + 1
	uint32_t *active;     // their slots
	uint64_t *mask;       // by slot: the batch's packets that match, of the filters not lazy
	const uint8_t *asked; // by slot: hm_filter_scan_ask() knows more than mask[]
};

/* For the NUMA node `socket` (-1: any). Holds a reference to the index. NULL without memory. Create
 * and destroy on the control core. */
struct hm_filter_scan *hm_filter_scan_create(struct hm_filter_index *index, int socket);
void hm_filter_scan_destroy(struct hm_filter_scan *s); // NULL is allowed
uint64_t hm_filter_scan_bytes(const struct hm_filter_scan *s);

/* Worker. A new batch; costs only what the last one touched. */
void hm_filter_scan_begin(struct hm_filter_scan *s);
/* Worker. Evaluates the index for all packets of the batch, which has been parsed; once. */
void hm_filter_scan_run(struct hm_filter_scan *s, const struct hm_batch *b);
uint64_t hm_filter_scan_ask(struct hm_filter_scan *s, const struct hm_batch *b, uint64_t in,
			    uint32_t slot);
/* Worker. The packets of `in` that the filter in `slot` matches. A slot that the index does not
 * hold matches nothing. */
static inline uint64_t hm_filter_hits(struct hm_filter_scan *s, const struct hm_batch *b,
				      uint64_t in, uint32_t slot)
{
	if (s->ran && slot < s->n_slots && !s->asked[slot])
		return in & s->mask[slot];
	return hm_filter_scan_ask(s, b, in, slot);
}

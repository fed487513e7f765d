/* SPDX-License-Identifier: BSD-3-Clause */
/* filter: capture filter expressions (pcap-filter(7)) over batches.
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

/* Compiles `expression` for packets of a link type. `snaplen` is what the device captures at most,
 * 0: no limit. NULL with err filled: 7001 no or an empty expression, 1025 it is not a valid filter
 * (libpcap's words), has a name in it or is too long, 1027 no memory for libpcap's handle. Control
 * core only; the filter is then read-only and may be run by any number of threads. */
struct hm_filter *hm_filter_create(const char *expression, enum hm_link link, uint32_t snaplen,
				   struct hm_error *err);

/* The packets of `in` that match: on captured bytes, with `len` as the length on the wire. */
uint64_t hm_filter_run(const struct hm_filter *f, const struct hm_batch *b, uint64_t in);

/* After no thread can run it any more. NULL is allowed. */
void hm_filter_destroy(struct hm_filter *f);

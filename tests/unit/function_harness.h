/* SPDX-License-Identifier: BSD-3-Clause */
/* function_harness: a packet function without the engine around it. Applies, connects and runs one
 * instance over frames in batches of any size, as a worker would, and reads its results.
 *
 *	struct harness h;
 *	assert_int_equal(harness_open(&h, "STR_SEARCH", "[\"abc\", 0, 0]", &err), 0);
 *	harness_run(&h, frames, n, 64, passed);
 *	harness_close(&h);
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/outbox.h"
#include "core/registry.h"
#include "core/search.h"
#include "filter/filter.h"

struct frame {
	const void *data;
	uint32_t caplen;
	uint32_t wirelen; // 0: caplen
	uint64_t ts_ns;
	uint16_t ifindex;
};

struct harness {
	const struct hm_function *f;
	// the function before it in the flow, whose values it reads; NULL: none
	const struct hm_function *before;
	void *before_core;
	void *conf, *core;
	bool has_conf, has_core; // conf_init, core_init went well
	struct hm_search_db *db;
	struct hm_search *search;
	struct hm_filter_index *index;
	struct hm_filter_scan *filters;
	uint64_t in; // packets that it was given
};

/* Finds what INJECT sends with; NULL: there are no devices. */
extern int (*harness_injector)(const struct hm_apply_ctx *ctx, const char *device,
			       struct hm_injector **found, struct hm_error *err);

/* The configuration's key file for ANONYMIZE; NULL: none. */
extern const char *harness_anonymize_key;

/* `args` is the JSON array of the arguments. Returns what the function (or hm_args_parse) returned
 * when it refused, with err; -ENOENT for an unknown function. Close it in any case. */
int harness_open(struct harness *h, const char *name, const char *args, struct hm_error *err);
/* The same for function 2 of a flow whose function 1 is `before`, without arguments. */
int harness_open_behind(struct harness *h, const char *before, const char *name, const char *args,
			struct hm_error *err);
/* Runs the function over the frames, `batch` (1..64) at a time; passed[i] tells whether frame i went
 * on. Checks that the function passes nothing that it was not given: every third packet is taken
 * out of the mask if `gaps` is set, and passed[i] is false for these. */
void harness_run(struct harness *h, const struct frame *frames, size_t n, unsigned batch, bool gaps,
		 bool *passed);
/* What fn->stats says; the caller's. */
json_t *harness_stats(const struct harness *h);
/* Up to `max` records of what it hands out once; the caller's. */
json_t *harness_take(const struct harness *h, unsigned max);
/* The result field of that name. */
uint64_t harness_result(const struct harness *h, const char *field);
void harness_close(struct harness *h);

/* Writes Ethernet, IPv4 and UDP headers and the payload; returns the frame's length (payload + 42),
 * for which `room` must have space. */
#define HARNESS_UDP_HEADERS 42
uint32_t harness_udp(uint8_t *room, uint16_t source_port, uint16_t port, const void *payload,
		     uint16_t n);

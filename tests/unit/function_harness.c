/* SPDX-License-Identifier: BSD-3-Clause */
#include "function_harness.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "core/parse.h"
#include "core/reference.h"

int (*harness_injector)(const struct hm_apply_ctx *ctx, const char *device,
			struct hm_injector **found, struct hm_error *err);
const char *harness_anonymize_key;

static int apply(struct harness *h, const json_t *args, struct hm_error *err)
{
	const struct hm_applied before = {
		.fn = h->before,
		.unit = h->before && h->before->values ? h->before->values->unit : HM_UNIT_NONE};
	struct hm_reads reads = {0};
	const struct hm_apply_ctx ctx = {.link = HM_LINK_ETHERNET,
					 .snaplen = 9216,
					 .n_workers = 1,
					 .device = "test",
					 .flow_id = 7,
					 .before = &before,
					 .n_before = h->before != NULL,
					 .injector = harness_injector,
					 .anonymize_key = harness_anonymize_key,
					 .reads = &reads};
	union hm_value values[HM_ARGS_MAX] = {0};
	int rc = hm_args_parse(h->f, args, values, err);

	if (rc == 0 && h->f->conf_init)
		rc = h->f->conf_init(h->conf, values, &ctx, err);
	h->has_conf = rc == 0;
	return rc;
}

static int find_search(struct harness *h, struct hm_error *err)
{
	const struct hm_pattern *p = h->f->pattern ? h->f->pattern(h->conf) : NULL;
	struct hm_pattern_set *set;

	if (!p)
		return 0;
	set = hm_pattern_set_create(&p, 1);
	h->db = hm_search_compile(set, err);
	hm_pattern_set_destroy(set);
	h->search = h->db ? hm_search_create(h->db, -1) : NULL;
	return h->search ? 0 : -EINVAL;
}

static int find_filters(struct harness *h, struct hm_error *err)
{
	struct hm_filter *f = h->f->filter ? h->f->filter(h->conf) : NULL;

	if (!f)
		return 0;
	h->index = hm_filter_index_create(&f, 1, err);
	h->filters = h->index ? hm_filter_scan_create(h->index, -1) : NULL;
	return h->filters ? 0 : -EINVAL;
}

static void *state_before(const struct hm_core_ctx *ctx, uint32_t up)
{
	const struct harness *h = ctx->place;

	assert_int_equal(up, 1);
	return h->before_core;
}

static int connect(struct harness *h, struct hm_error *err)
{
	const struct hm_core_ctx ctx = {.n_workers = 1,
					.socket = -1,
					.conf = h->conf,
					.device = "test",
					.flow = "flow",
					.flow_id = 7,
					.function_id = 1 + (h->before != NULL),
					.before = state_before,
					.place = h};
	const struct timespec nap = {.tv_nsec = 1000000};
	int rc = h->f->connect ? h->f->connect(h->conf, err) : 0;

	if (rc == 0)
		rc = find_search(h, err);
	if (rc == 0)
		rc = find_filters(h, err);
	if (rc == 0 && h->f->core_init)
		rc = h->f->core_init(h->core, &ctx, err);
	while (rc == 0 && h->f->prepared && (rc = h->f->prepared(h->conf, err)) == 0)
		nanosleep(&nap, NULL);
	rc = rc > 0 ? 0 : rc;
	h->has_core = rc == 0;
	return rc;
}

// states are what a worker has: zeroed and on cache lines
static void *new_state(size_t size)
{
	size_t room = (size + 64) & ~(size_t)63;
	void *state = aligned_alloc(64, room);

	assert_non_null(state);
	return memset(state, 0, room);
}

int harness_open(struct harness *h, const char *name, const char *args, struct hm_error *err)
{
	return harness_open_behind(h, NULL, name, args, err);
}

int harness_open_behind(struct harness *h, const char *before, const char *name, const char *args,
			struct hm_error *err)
{
	json_t *json = json_loads(args, JSON_ALLOW_NUL, NULL);
	int rc;

	assert_non_null(json);
	memset(err, 0, sizeof(*err));
	*h = (struct harness){.f = hm_function_find(name)};
	if (before) {
		h->before = hm_function_find(before);
		assert_non_null(h->before);
		h->before_core = new_state(h->before->core_size);
	}
	if (!h->f) {
		json_decref(json);
		return hm_error_set(err, -ENOENT, 6144, "no function %s", name);
	}
	h->conf = new_state(h->f->conf_size);
	h->core = new_state(h->f->core_size);
	rc = apply(h, json, err);
	json_decref(json); // strings of arguments are gone now, as in the daemon
	return rc < 0 ? rc : connect(h, err);
}

static void fill(struct hm_batch *b, const struct frame *frames, unsigned n)
{
	b->n = n;
	b->all = hm_mask_first(n);
	b->link = HM_LINK_ETHERNET;
	for (unsigned i = 0; i < n; i++) {
		b->data[i] = frames[i].data;
		b->caplen[i] = frames[i].caplen;
		b->wirelen[i] = frames[i].wirelen ? frames[i].wirelen : frames[i].caplen;
		b->ts_ns[i] = frames[i].ts_ns;
		b->ifindex[i] = frames[i].ifindex;
	}
}

/* What the program does with a function (core/program.c), without sharing. */
static uint64_t run_function(struct harness *h, const struct hm_batch *b, uint64_t in)
{
	assert_null(h->f->transform); // which the test calls itself
	h->in += hm_mask_count(in);
	if (h->f->process)
		return h->f->process(h->core, b, in);
	if (h->filters)
		return hm_filter_hits(h->filters, b, in, hm_filter_slot(h->f->filter(h->conf)));
	if (h->search)
		return hm_search_hits(h->search, b, in, hm_pattern_slot(h->f->pattern(h->conf)));
	return in;
}

void harness_run(struct harness *h, const struct frame *frames, size_t n, unsigned batch, bool gaps,
		 bool *passed)
{
	static const struct hm_parse_conf plain;

	assert_in_range(batch, 1, HM_BATCH_MAX);
	for (size_t first = 0; first < n; first += batch) {
		struct hm_batch b;
		unsigned m = n - first < batch ? (unsigned)(n - first) : batch;
		uint64_t in, out;

		memset(&b, 0, sizeof(b));
		fill(&b, frames + first, m);
		hm_parse(&b, &plain);
		b.search = h->search;
		if (b.search)
			hm_search_begin(b.search);
		b.filters = h->filters;
		if (b.filters)
			hm_filter_scan_begin(b.filters);
		in = b.all;
		for (unsigned i = 0; i < m; i++) {
			if (gaps && (first + i) % 3 == 0)
				in &= ~(UINT64_C(1) << i);
		}
		if (h->before && h->before->process)
			in = h->before->process(h->before_core, &b, in);
		out = run_function(h, &b, in);
		assert_int_equal(out & ~in, 0);
		for (unsigned i = 0; i < m; i++)
			passed[first + i] = out >> i & 1;
	}
}

json_t *harness_stats(const struct harness *h)
{
	return h->f->stats(h->conf, &h->core, 1);
}

json_t *harness_take(const struct harness *h, unsigned max)
{
	json_t *records = json_array();
	const void *record;

	while (max-- > 0 && (record = hm_outbox_take(h->f->outbox(h->conf))))
		json_array_append_new(records, h->f->record(h->conf, record));
	return records;
}

uint64_t harness_result(const struct harness *h, const char *field)
{
	const struct hm_field *f = h->f->results;

	while (f && f->name && strcmp(f->name, field) != 0)
		f++;
	assert_non_null(f);
	assert_non_null(f->name);
	if (f->merge == HM_MERGE_IN)
		return h->in;
	if (f->type == HM_FIELD_U32) {
		uint32_t value;
		memcpy(&value, (const char *)h->core + f->offset, sizeof(value));
		return value;
	} else {
		uint64_t value;
		memcpy(&value, (const char *)h->core + f->offset, sizeof(value));
		return value;
	}
}

void harness_close(struct harness *h)
{
	hm_filter_scan_destroy(h->filters);
	hm_filter_index_unref(h->index);
	hm_search_destroy(h->search);
	hm_search_db_unref(h->db);
	if (h->has_core && h->f->core_fini)
		h->f->core_fini(h->core);
	if (h->has_conf && h->f->conf_fini)
		h->f->conf_fini(h->conf);
	free(h->core);
	free(h->conf);
	free(h->before_core);
	memset(h, 0, sizeof(*h));
}

static void put16(uint8_t *at, uint16_t n)
{
	at[0] = (uint8_t)(n >> 8);
	at[1] = (uint8_t)n;
}

uint32_t harness_udp(uint8_t *room, uint16_t source_port, uint16_t port, const void *payload,
		     uint16_t n)
{
	static const uint8_t headers[HARNESS_UDP_HEADERS] = {
		2,    0, 0, 0, 0,   2, 2, 0, 0,  0,  0, 1, 8, 0, // Ethernet
		0x45, 0, 0, 0, 0,   1, 0, 0, 64, 17, 0, 0,       // IPv4
		192,  0, 2, 1, 192, 0, 2, 2};                    // then UDP

	memcpy(room, headers, sizeof(headers));
	put16(room + 16, (uint16_t)(28 + n));
	put16(room + 34, source_port);
	put16(room + 36, port);
	put16(room + 38, (uint16_t)(8 + n));
	memcpy(room + HARNESS_UDP_HEADERS, payload, n);
	return (uint32_t)HARNESS_UDP_HEADERS + n;
}

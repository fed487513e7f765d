/* SPDX-License-Identifier: BSD-3-Clause */
/* flow_report_feed: a trace through the parser and FLOW_REPORT to a collector, without the engine. What a
 * worker and the control core do in turns happens here in one thread. Prints the result as JSON.
 *
 *	flow_report_feed TRACE BATCH '["IPFIX", "127.0.0.1:4739", {...}]'
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/parse.h"
#include "core/registry.h"
#include "trace/trace.h"

struct feed {
	const struct hm_function *f;
	void *conf, *core;
	struct hm_batch b;
	uint8_t (*bytes)[UINT16_MAX];
};

static int fail(const char *what, const struct hm_error *err)
{
	fprintf(stderr, "flow_report_feed: %s: %s\n", what, err->text);
	return 1;
}

static void poll_once(struct feed *x)
{
	const struct timespec nap = {.tv_nsec = 200000};

	if (x->f->poll(x->conf, 0) == 0)
		nanosleep(&nap, NULL);
}

/* As a lossless source does it. */
static void run_batch(struct feed *x)
{
	static const struct hm_parse_conf plain;

	if (x->b.n == 0)
		return;
	x->b.all = hm_mask_first(x->b.n);
	hm_parse(&x->b, &plain);
	while (!x->f->ready(x->core))
		poll_once(x);
	x->f->process(x->core, &x->b, x->b.all);
	x->f->tick(x->core, x->b.ts_ns[x->b.n - 1]);
	x->f->poll(x->conf, 0);
	x->b.n = 0;
}

static int feed_trace(struct feed *x, const char *file, uint32_t batch, struct hm_error *err)
{
	struct hm_trace_reader *r = hm_trace_open(file, err);
	struct hm_trace_packet p;
	int more;

	if (!r)
		return -1;
	x->b.link = hm_trace_link(r);
	while ((more = hm_trace_next(r, &p, err)) == 1) {
		uint32_t i = x->b.n++, caplen = p.caplen < UINT16_MAX ? p.caplen : UINT16_MAX;
		memcpy(x->bytes[i], p.data, caplen);
		x->b.data[i] = x->bytes[i];
		x->b.caplen[i] = caplen;
		x->b.wirelen[i] = p.wirelen;
		x->b.ts_ns[i] = p.ts_ns;
		x->b.ifindex[i] = p.ifindex;
		if (x->b.n == batch)
			run_batch(x);
	}
	run_batch(x);
	hm_trace_close(r);
	return more;
}

static int open_function(struct feed *x, const char *arguments, struct hm_error *err)
{
	const struct hm_apply_ctx apply = {.lossless = true, .n_workers = 1, .device = "feed"};
	const struct hm_core_ctx ctx = {.n_workers = 1,
					.socket = -1,
					.lossless = true,
					.conf = x->conf,
					.device = "feed",
					.flow = "feed"};
	union hm_value values[HM_ARGS_MAX] = {0};
	json_t *args = json_loads(arguments, 0, NULL);
	int r = hm_args_parse(x->f, args, values, err);

	if (r == 0)
		r = x->f->conf_init(x->conf, values, &apply, err);
	json_decref(args);
	if (r == 0)
		r = x->f->core_init(x->core, &ctx, err);
	while (r == 0) { // no packet before: 0 is "not yet"
		r = x->f->prepared(x->conf, err);
		if (r == 0)
			poll_once(x);
	}
	return r < 0 ? r : 0;
}

int main(int argc, char **argv)
{
	struct feed x = {.f = hm_function_find("FLOW_REPORT")};
	struct hm_error err = {0};
	json_t *stats;

	if (argc != 4)
		return 2;
	x.conf = calloc(1, x.f->conf_size);
	x.core = calloc(1, x.f->core_size);
	x.bytes = calloc(HM_BATCH_MAX, sizeof(*x.bytes));
	if (open_function(&x, argv[3], &err) < 0)
		return fail("FLOW_REPORT", &err);
	if (feed_trace(&x, argv[1], (uint32_t)atoi(argv[2]), &err) < 0)
		return fail(argv[1], &err);
	while (!x.f->drain(x.core) || !x.f->idle(x.conf))
		poll_once(&x);
	x.f->closing(x.conf);
	while (!x.f->idle(x.conf))
		poll_once(&x);
	stats = x.f->stats(x.conf, &x.core, 1);
	for (const struct hm_field *f = x.f->results; f->name; f++)
		json_object_set_new(stats, f->name,
				    json_integer(*(json_int_t *)((char *)x.core + f->offset)));
	json_dumpf(stats, stdout, JSON_COMPACT);
	json_decref(stats);
	x.f->conf_fini(x.conf);
	free(x.bytes);
	free(x.core);
	free(x.conf);
	return 0;
}

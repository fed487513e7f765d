/* SPDX-License-Identifier: BSD-3-Clause */
/* PRINT_PACKET hands out a line of text a packet, for people who look for a mistake: no more than `rate` a second of
 * packet time and worker, the others are counted. All packets pass. The worker copies the packet's first bytes; the
 * text is made where it is read.
 */
#include "core/function.h"
#include "core/outbox.h"
#include "core/packet_text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define HEAD       232 // bytes that are kept of a packet: its headers
#define NS_A_S     UINT64_C(1000000000)
#define WAITING    1000
#define PER_SECOND 10

struct note {
	uint64_t ts_ns;
	uint32_t n, caplen, wirelen;
	enum hm_link link;
	uint8_t head[HEAD];
};

struct print_conf {
	uint32_t rate, bytes, records;
	unsigned n_workers;
	struct hm_outbox *outbox; // from connect() on
};

struct print_core {
	const struct print_conf *conf;
	unsigned worker;
	uint64_t begin_ns; // of the second
	uint64_t left;     // packets that may still be printed in it
	uint64_t skipped;
};

static void note(struct print_core *c, const struct hm_batch *b, unsigned i)
{
	struct note *n = hm_outbox_room(c->conf->outbox, c->worker);

	if (!n)
		return;
	n->ts_ns = b->ts_ns[i];
	n->n = b->caplen[i] < HEAD ? b->caplen[i] : HEAD;
	n->caplen = b->caplen[i];
	n->wirelen = b->wirelen[i];
	n->link = b->link;
	memcpy(n->head, b->data[i], n->n);
	hm_outbox_put(c->conf->outbox, c->worker);
}

static uint64_t print_process(void *core, const struct hm_batch *b, uint64_t in)
{
	struct print_core *c = core;
	uint64_t skipped = 0;

	hm_mask_foreach (i, in) {
		if (b->ts_ns[i] - c->begin_ns >= NS_A_S) { // also if the clock was set back
			c->begin_ns = b->ts_ns[i];
			c->left = c->conf->rate;
		}
		if (c->left == 0) {
			skipped++;
			continue;
		}
		c->left--;
		note(c, b, i);
	}
	__atomic_store_n(&c->skipped, c->skipped + skipped, __ATOMIC_RELAXED); // control core
	return in;
}

/* --- control core --- */

static json_t *hex(const uint8_t *bytes, uint32_t n)
{
	char text[2 * HEAD + 1] = "";

	for (uint32_t i = 0; i < n; i++)
		snprintf(text + 2 * (size_t)i, 3, "%02x", bytes[i]);
	return json_string(text);
}

static json_t *print_record(void *conf, const void *record)
{
	const struct print_conf *c = conf;
	const struct note *n = record;
	const struct hm_packet_view view = {.link = n->link,
					    .ts_ns = n->ts_ns,
					    .data = n->head,
					    .n = n->n,
					    .caplen = n->caplen,
					    .wirelen = n->wirelen};
	char text[HM_PACKET_TEXT];

	hm_packet_text(text, &view);
	return json_pack("{s:o, s:s, s:o*}", "ts_ns", hm_json_u64(n->ts_ns), "text", text, "bytes",
			 c->bytes ? hex(n->head, n->n < c->bytes ? n->n : c->bytes) : NULL);
}

static struct hm_outbox *print_outbox(const void *conf)
{
	return ((const struct print_conf *)conf)->outbox;
}

static const struct hm_option print_options[] = {
	{.name = "rate",
	 .min = 1,
	 .max = 1000000,
	 .value_default = PER_SECOND,
	 .offset = offsetof(struct print_conf, rate)},
	{.name = "records",
	 .min = 1,
	 .max = 65536,
	 .value_default = WAITING,
	 .offset = offsetof(struct print_conf, records)},
	{.name = "bytes", .max = HEAD, .offset = offsetof(struct print_conf, bytes)},
	{0},
};

static int print_conf_init(void *conf, const union hm_value *args, const struct hm_apply_ctx *ctx,
			   struct hm_error *err)
{
	struct print_conf *c = conf;

	c->n_workers = ctx->n_workers;
	return hm_options_parse("PRINT_PACKET", print_options, args[0].options, c, 7001, err);
}

static uint64_t print_memory(const void *conf, unsigned n_workers)
{
	return hm_outbox_bytes(n_workers, sizeof(struct note),
			       ((const struct print_conf *)conf)->records);
}

static int print_connect(void *conf, struct hm_error *err)
{
	struct print_conf *c = conf;

	c->outbox = hm_outbox_create(c->n_workers, sizeof(struct note), c->records, err);
	return c->outbox ? 0 : -ENOMEM;
}

static void print_conf_fini(void *conf)
{
	struct print_conf *c = conf;

	hm_outbox_destroy(c->outbox);
	c->outbox = NULL;
}

static int print_core_init(void *core, const struct hm_core_ctx *ctx, struct hm_error *err)
{
	struct print_core *c = core;

	c->conf = ctx->conf;
	c->worker = ctx->worker;
	c->left = c->conf->rate;
	return 0;
}

static const struct hm_arg print_args[] = {
	{.name = "options",
	 .type = HM_ARG_OPTIONS,
	 .optional = true,
	 .help = "\"rate\": packets a second at most (10); \"records\": that wait to be read at "
		 "most "
		 "(1000); \"bytes\": so many of each in hexadecimal, too (0)"},
	{0},
};

/* MAPI's printed on the daemon's screen, and had no result in C. */
static const struct hm_field print_results[] = {
	{.name = "skipped",
	 .type = HM_FIELD_U64,
	 .c = HM_C_NONE,
	 .merge = HM_MERGE_SUM,
	 .unit = "packets",
	 .offset = offsetof(struct print_core, skipped),
	 .help = "more than rate in a second"},
	{0},
};

static const struct hm_function print_packet = {
	.name = "PRINT_PACKET",
	.summary = "hands out a line of text for some packets, to look for mistakes",
	.args = print_args,
	.results = print_results,
	.conf_size = sizeof(struct print_conf),
	.core_size = sizeof(struct print_core),
	.conf_init = print_conf_init,
	.memory = print_memory,
	.connect = print_connect,
	.conf_fini = print_conf_fini,
	.core_init = print_core_init,
	.process = print_process,
	.outbox = print_outbox,
	.record = print_record,
};

HM_FUNCTION_REGISTER(print_packet);

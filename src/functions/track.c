/* SPDX-License-Identifier: BSD-3-Clause */
/* TRACK passes connections of one application protocol, of all that nDPI knows (track/dissector.h). Only the first packets of
 * a connection are looked at; then its verdict is in the table. */
#include <errno.h>
#include <stdio.h>

#include "core/function.h"
#include "track/connections.h"
#include "track/dissector.h"

#define SYN                        0x02
#define TCP_FLAGS                  13
#define MFUNCT_INVALID_ARGUMENT_1  7001
#define MFUNCT_INVALID_ARGUMENT_2  7002
#define MAPID_MEM_ALLOCATION_ERROR 3084

struct track_options {
	uint32_t connections, idle_s, packets, examined, memory_kib;
};

struct track_conf {
	unsigned protocol;
	struct track_options options;
};

enum state { OPEN, IS, IS_NOT };

struct record {
	struct hm_tracked tracked; // first
	struct hm_dissection dissection;
	uint32_t seen; // packets with data
	uint32_t state;
};

struct track_core {
	struct hm_track track;
	struct hm_dissector *dissector;
	const struct track_conf *conf;
	uint64_t connections, others, lost; // any thread may read
};

static void count(uint64_t *counter)
{
	__atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED);
}

static void decide(struct track_core *c, struct record *r, enum hm_verdict verdict)
{
	if (verdict == HM_VERDICT_OPEN)
		return;
	hm_dissector_end(c->dissector, &r->dissection);
	r->state = verdict == HM_VERDICT_IS ? IS : IS_NOT;
	count(verdict == HM_VERDICT_IS       ? &c->connections
	      : verdict == HM_VERDICT_IS_NOT ? &c->others
					     : &c->lost);
}

static struct record *find(struct track_core *c, const struct hm_batch *b, unsigned i)
{
	const bool begins = (b->tcp >> i & 1) && b->data[i][b->l4[i] + TCP_FLAGS] & SYN;
	struct hm_track_key key;
	struct record *r;

	hm_track_key(&key, b, i, 0);
	r = hm_track_find(&c->track, b->hash[i], &key, b->ts_ns[i]);
	if (r && begins && r->seen) { // another connection between the same ports
		hm_dissector_end(c->dissector, &r->dissection);
		hm_track_remove(&c->track, &r->tracked);
		r = NULL;
	}
	if (r)
		return r;
	r = hm_track_begin(&c->track, b->hash[i], &key, b->ts_ns[i]);
	r->dissection = hm_dissector_begin(c->dissector);
	return r;
}

/* Whether packet i is of the protocol. */
static bool look(struct track_core *c, const struct hm_batch *b, unsigned i, bool data)
{
	struct record *r = find(c, b, i);

	if (r->state == OPEN) {
		r->seen += data;
		decide(c, r,
		       hm_dissector_packet(c->dissector, &r->dissection, c->conf->protocol,
					   b->data[i] + b->l3[i], (uint32_t)(b->end[i] - b->l3[i]),
					   b->ts_ns[i], r->seen >= c->conf->options.packets));
	}
	return r->state == IS;
}

static uint64_t track_process(void *core, const struct hm_batch *b, uint64_t in)
{
	struct track_core *c = core;
	const uint64_t all = in & (b->ipv4 | b->ipv6) & (b->tcp | b->udp) & b->l4_ok & ~b->fragment;
	uint64_t passed = 0, data = 0;

	hm_mask_foreach (i, all) {
		hm_table_prefetch(&c->track.table, b->hash[i]);
		data |= (uint64_t)(b->payload[i] < b->end[i]) << i;
	}
	hm_mask_foreach (i, all)
		passed |= (uint64_t)look(c, b, i, data >> i & 1) << i;
	return passed & data;
}

/* --- control core --- */

#define OPTION(key, least, most, usual)                                          \
	{                                                                        \
		.name = #key, .min = least, .max = most, .value_default = usual, \
		.offset = offsetof(struct track_options, key)                    \
	}

static const struct hm_option options[] = {
	OPTION(connections, 64, HM_TRACK_MAX_CONNECTIONS, HM_TRACK_DEFAULT_CONNECTIONS),
	OPTION(idle_s, 1, HM_TRACK_MAX_IDLE_S, HM_TRACK_DEFAULT_IDLE_S),
	OPTION(packets, 1, 255, 24),
	OPTION(examined, 16, 65536, 2048),
	OPTION(memory_kib, 256, 1 << 20, 8192),
	{0},
};

static int track_conf_init(void *conf, const union hm_value *args, const struct hm_apply_ctx *ctx,
			   struct hm_error *err)
{
	struct track_conf *c = conf;
	char near[120];
	int protocol = hm_dissector_find(args[0].s, near, sizeof(near));

	(void)ctx;
	if (protocol < 0)
		return hm_error_set(err, -EINVAL, MFUNCT_INVALID_ARGUMENT_1,
				    "TRACK: nDPI knows no protocol \"%.64s\"%s%s; "
				    "docs/functions/track.md lists them",
				    args[0].s, near[0] ? "; near it are " : "", near);
	c->protocol = (unsigned)protocol;
	return hm_options_parse("TRACK", options, args[1].options, &c->options,
				MFUNCT_INVALID_ARGUMENT_2, err);
}

static uint64_t track_memory(const void *conf, unsigned n_workers)
{
	const struct track_options *o = &((const struct track_conf *)conf)->options;

	return n_workers * ((uint64_t)hm_table_bytes(o->connections, sizeof(struct record)) +
			    hm_dissector_bytes(o->examined, o->memory_kib));
}

static int track_core_init(void *core, const struct hm_core_ctx *ctx, struct hm_error *err)
{
	const struct track_conf *conf = ctx->conf;
	struct track_core *c = core;

	c->conf = conf;
	c->dissector = hm_dissector_create(conf->options.examined, conf->options.memory_kib);
	if (c->dissector &&
	    hm_track_init(&c->track, conf->options.connections, sizeof(struct record),
			  conf->options.idle_s, ctx->socket) == 0)
		return 0;
	hm_dissector_destroy(c->dissector);
	return hm_error_set(err, -ENOMEM, MAPID_MEM_ALLOCATION_ERROR,
			    "TRACK: no memory for %u connections, %u of them looked at",
			    conf->options.connections, conf->options.examined);
}

static void track_core_fini(void *core)
{
	struct track_core *c = core;

	hm_dissector_destroy(c->dissector);
	hm_track_fini(&c->track);
}

static const struct hm_arg track_args[] = {
	{.name = "protocol",
	 .type = HM_ARG_STRING,
	 .help = "a protocol of nDPI, in any case: HTTP, TLS, DNS, SIP, RTP, RTSP, QUIC, SkypeCall "
		 "... "
		 "(docs/functions/track.md)"},
	{.name = "options",
	 .type = HM_ARG_OPTIONS,
	 .optional = true,
	 .help = "\"connections\": that are remembered at most, on each worker (16384); "
		 "\"idle_s\": for "
		 "so many seconds without a packet (60); \"packets\": with data that are looked at "
		 "of "
		 "each (24); \"examined\": connections that are looked at at a time (2048); "
		 "\"memory_kib\": that nDPI has for them (8192)"},
	{0},
};

#define RESULT(field, text)                                                                        \
	{                                                                                          \
		.name = #field, .type = HM_FIELD_U64, .c = HM_C_ULONG_LONG, .unit = "connections", \
		.offset = offsetof(struct track_core, field), .help = text                         \
	}

static const struct hm_field track_results[] = {
	RESULT(connections, "that were recognized"),
	RESULT(others, "that are of another protocol, or of none that nDPI knows"),
	RESULT(lost, "that were given up, for want of memory"),
	{.name = "forgotten",
	 .type = HM_FIELD_U64,
	 .c = HM_C_ULONG_LONG,
	 .unit = "connections",
	 .offset = offsetof(struct track_core, track.forgotten),
	 .help = "before their time, since there was no place"},
	{0},
};

static const struct hm_function track = {
	.name = "TRACK",
	.summary = "passes connections of an application protocol that nDPI recognizes",
	.flags = HM_FN_FILTERS | HM_FN_PAYLOAD,
	.args = track_args,
	.results = track_results,
	.conf_size = sizeof(struct track_conf),
	.core_size = sizeof(struct track_core),
	.cost = {.batch = 200, .packet = 150},
	.conf_init = track_conf_init,
	.memory = track_memory,
	.core_init = track_core_init,
	.core_fini = track_core_fini,
	.process = track_process,
};

HM_FUNCTION_REGISTER(track);

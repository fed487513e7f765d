/* SPDX-License-Identifier: BSD-3-Clause */
#include "track/application.h"

#include <errno.h>

#define MAPID_MEM_ALLOCATION_ERROR 3084

enum state { OPEN, IS, IS_NOT };

struct record {
	struct hm_tracked tracked; // first
	struct hm_dissection dissection;
	uint32_t seen; // packets with data
	uint32_t state;
};

static void count(uint64_t *counter)
{
	__atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED);
}

static void decide(struct hm_application_core *c, struct record *r, enum hm_verdict verdict)
{
	if (verdict == HM_VERDICT_OPEN)
		return;
	hm_dissector_end(c->dissector, &r->dissection);
	r->state = verdict == HM_VERDICT_IS ? IS : IS_NOT;
	count(verdict == HM_VERDICT_IS       ? &c->connections
	      : verdict == HM_VERDICT_IS_NOT ? &c->others
					     : &c->lost);
}

static struct record *find(struct hm_application_core *c, const struct hm_batch *b, unsigned i)
{
	const bool begins = hm_track_begins(b, i);
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
static bool look(struct hm_application_core *c, const struct hm_batch *b, unsigned i, bool data)
{
	struct record *r = find(c, b, i);

	if (r->state == OPEN) {
		r->seen += data;
		decide(c, r,
		       hm_dissector_packet(c->dissector, &r->dissection, &c->conf->protocols,
					   b->data[i] + b->l3[i], (uint32_t)(b->end[i] - b->l3[i]),
					   b->ts_ns[i], r->seen >= c->conf->options.packets));
	}
	return r->state == IS;
}

uint64_t hm_application_process(void *core, const struct hm_batch *b, uint64_t in)
{
	struct hm_application_core *c = core;
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
		.offset = offsetof(struct hm_application_options, key)           \
	}

static const struct hm_option options[] = {
	OPTION(connections, 64, HM_TRACK_MAX_CONNECTIONS, HM_TRACK_DEFAULT_CONNECTIONS),
	OPTION(idle_s, 1, HM_TRACK_MAX_IDLE_S, HM_TRACK_DEFAULT_IDLE_S),
	OPTION(packets, 1, 255, 24),
	OPTION(examined, 16, 65536, 2048),
	OPTION(memory_kib, 256, 1 << 20, 8192),
	{0},
};

int hm_application_conf_init(struct hm_application_conf *c, const char *function,
			     const json_t *given, int mapi_errno, struct hm_error *err)
{
	c->function = function;
	return hm_options_parse(function, options, given, &c->options, mapi_errno, err);
}

uint64_t hm_application_memory(const void *conf, unsigned n_workers)
{
	const struct hm_application_options *o =
		&((const struct hm_application_conf *)conf)->options;

	return n_workers * ((uint64_t)hm_table_bytes(o->connections, sizeof(struct record)) +
			    hm_dissector_bytes(o->examined, o->memory_kib));
}

int hm_application_core_init(void *core, const struct hm_core_ctx *ctx, struct hm_error *err)
{
	const struct hm_application_conf *conf = ctx->conf;
	struct hm_application_core *c = core;

	c->conf = conf;
	c->dissector = hm_dissector_create(conf->options.examined, conf->options.memory_kib);
	if (c->dissector &&
	    hm_track_init(&c->track, conf->options.connections, sizeof(struct record),
			  conf->options.idle_s, ctx->socket) == 0)
		return 0;
	hm_dissector_destroy(c->dissector);
	return hm_error_set(err, -ENOMEM, MAPID_MEM_ALLOCATION_ERROR,
			    "%s: no memory for %u connections, %u of them looked at",
			    conf->function, conf->options.connections, conf->options.examined);
}

void hm_application_core_fini(void *core)
{
	struct hm_application_core *c = core;

	hm_dissector_destroy(c->dissector);
	hm_track_fini(&c->track);
}

#define RESULT(field, text)                                                                        \
	{                                                                                          \
		.name = #field, .type = HM_FIELD_U64, .c = HM_C_ULONG_LONG, .unit = "connections", \
		.offset = offsetof(struct hm_application_core, field), .help = text                \
	}

const struct hm_field hm_application_results[] = {
	RESULT(connections, "that were recognized"),
	RESULT(others, "that are of another protocol, or of none that nDPI knows"),
	RESULT(lost, "that were given up, for want of memory"),
	{.name = "forgotten",
	 .type = HM_FIELD_U64,
	 .c = HM_C_ULONG_LONG,
	 .unit = "connections",
	 .offset = offsetof(struct hm_application_core, track.forgotten),
	 .help = "before their time, since there was no place"},
	{0},
};

/* SPDX-License-Identifier: BSD-3-Clause */
#include "track/tracker.h"

#include <errno.h>
#include <stdlib.h>

#include "core/search.h"

/* --- workers --- */

static bool has_other_port(const struct hm_track_protocol *p, const struct hm_batch *b, unsigned i)
{
	const uint8_t *l4 = b->data[i] + b->l4[i];
	uint16_t source = (uint16_t)(l4[0] << 8 | l4[1]), dest = (uint16_t)(l4[2] << 8 | l4[3]);

	for (const uint16_t *port = p->other_ports; port && *port; port++)
		if (source == *port || dest == *port)
			return true;
	return false;
}

/* Those of `data` that begin as the protocol's messages do: of one byte each, since few others do. */
static uint64_t may_be_messages(const struct hm_track_protocol *p, const struct hm_batch *b,
				uint64_t data)
{
	const uint8_t *begins = p->message_begins;
	uint64_t may = 0;

	if (!p->is_message)
		return 0;
	hm_mask_foreach (i, data) {
		uint8_t first = b->data[i][b->payload[i]];

		may |= (uint64_t)((first == begins[0]) | (first == begins[1]) |
				  (first == begins[2]))
		       << i;
	}
	return may;
}

static bool tells(const struct hm_track_protocol *p, const struct hm_batch *b, unsigned i, bool hit)
{
	const uint8_t *payload = b->data[i] + b->payload[i];
	size_t captured = (size_t)(b->end[i] - b->payload[i]);
	size_t sent = b->ip_len[i] - (size_t)(b->payload[i] - b->l3[i]);

	if (has_other_port(p, b, i))
		return false;
	if (hit && hm_signature_match(p->signatures, p->any_case, payload, captured))
		return true;
	return p->is_message && p->is_message(payload, captured, sent, b->udp >> i & 1);
}

/* Whether the connection of packet i is the protocol's, now that `told` is known of the packet. */
static bool follow(struct hm_tracker_core *c, const struct hm_batch *b, unsigned i, bool told)
{
	bool begins = hm_track_begins(b, i);
	struct hm_track_key key;
	struct hm_tracked *known;

	if (!told && hm_table_candidate(&c->track.table, b->hash[i]) == 0)
		return false;
	hm_track_key(&key, b, i, 0);
	known = hm_track_find(&c->track, b->hash[i], &key, b->ts_ns[i]);
	if (known && begins) {
		hm_track_remove(&c->track, known); // another connection between the same ports
		known = NULL;
	}
	if (known || !told)
		return known != NULL;
	hm_track_begin(&c->track, b->hash[i], &key, b->ts_ns[i]);
	__atomic_store_n(&c->connections, c->connections + 1, __ATOMIC_RELAXED);
	return true;
}

uint64_t hm_tracker_process(void *core, const struct hm_batch *b, uint64_t in)
{
	struct hm_tracker_core *c = core;
	const struct hm_track_protocol *p = c->protocol;
	uint64_t all = in & (b->ipv4 | b->ipv6) & (b->tcp | (p->udp ? b->udp : 0)) & b->l4_ok &
		       ~b->fragment;
	uint64_t data = 0, hits, told = 0, passed = 0;

	hm_mask_foreach (i, all)
		data |= (uint64_t)(b->payload[i] < b->end[i]) << i;
	hits = data ? hm_search_hits(b->search, b, data, c->slot) : 0;
	hm_mask_foreach (i, hits | may_be_messages(p, b, data))
		told |= (uint64_t)tells(p, b, i, hits >> i & 1) << i;
	if (!told && hm_table_used(&c->track.table) == 0)
		return 0;
	hm_mask_foreach (i, all)
		hm_table_prefetch(&c->track.table, b->hash[i]);
	hm_mask_foreach (i, all)
		passed |= (uint64_t)follow(c, b, i, told >> i & 1) << i;
	return passed & data;
}

/* --- control core --- */

static const struct hm_option options[] = {
	{.name = "connections",
	 .min = 64,
	 .max = HM_TRACK_MAX_CONNECTIONS,
	 .value_default = HM_TRACK_DEFAULT_CONNECTIONS,
	 .offset = offsetof(struct hm_tracker_conf, connections)},
	{.name = "idle_s",
	 .min = 1,
	 .max = HM_TRACK_MAX_IDLE_S,
	 .value_default = HM_TRACK_DEFAULT_IDLE_S,
	 .offset = offsetof(struct hm_tracker_conf, idle_s)},
	{0},
};

int hm_tracker_conf_init(void *conf, const struct hm_track_protocol *protocol,
			 const union hm_value *args, struct hm_error *err)
{
	((struct hm_tracker_conf *)conf)->protocol = protocol;
	return hm_options_parse(protocol->function, options, args[0].options, conf, 7001, err);
}

int hm_tracker_connect(void *conf, struct hm_error *err)
{
	struct hm_tracker_conf *c = conf;
	char *text;

	if (c->pattern)
		return 0;
	text = hm_signature_regexp(c->protocol->signatures, c->protocol->any_case);
	if (!text)
		return hm_error_set(err, -ENOMEM, 3084, "%s: no memory for its signatures",
				    c->protocol->function);
	c->pattern = hm_pattern_regexp(text, err);
	free(text);
	return c->pattern ? 0 : -EINVAL;
}

void hm_tracker_conf_fini(void *conf)
{
	hm_pattern_release(((struct hm_tracker_conf *)conf)->pattern);
}

const struct hm_pattern *hm_tracker_pattern(const void *conf)
{
	return ((const struct hm_tracker_conf *)conf)->pattern;
}

uint64_t hm_tracker_memory(const void *conf, unsigned n_workers)
{
	const struct hm_tracker_conf *c = conf;

	return n_workers * (uint64_t)hm_table_bytes(c->connections, sizeof(struct hm_tracked));
}

int hm_tracker_core_init(void *core, const struct hm_core_ctx *ctx, struct hm_error *err)
{
	const struct hm_tracker_conf *conf = ctx->conf;
	struct hm_tracker_core *c = core;

	c->protocol = conf->protocol;
	c->slot = hm_pattern_slot(conf->pattern);
	if (hm_track_init(&c->track, conf->connections, sizeof(struct hm_tracked), conf->idle_s,
			  ctx->socket) < 0)
		return hm_error_set(err, -ENOMEM, 3084, "%s: no memory for %u connections",
				    conf->protocol->function, conf->connections);
	return 0;
}

void hm_tracker_core_fini(void *core)
{
	hm_track_fini(&((struct hm_tracker_core *)core)->track);
}

const struct hm_arg hm_tracker_args[] = {
	{.name = "options",
	 .type = HM_ARG_OPTIONS,
	 .optional = true,
	 .help = "\"connections\": that are remembered at most, on each worker (16384); "
		 "\"idle_s\": for so many seconds without a packet (60)"},
	{0},
};

const struct hm_field hm_tracker_results[] = {
	{.name = "connections",
	 .type = HM_FIELD_U64,
	 .c = HM_C_ULONG_LONG,
	 .unit = "connections",
	 .offset = offsetof(struct hm_tracker_core, connections),
	 .help = "that were recognized"},
	{.name = "forgotten",
	 .type = HM_FIELD_U64,
	 .c = HM_C_ULONG_LONG,
	 .unit = "connections",
	 .offset = offsetof(struct hm_tracker_core, track.forgotten),
	 .help = "before their time, since there was no place"},
	{0},
};

/* SPDX-License-Identifier: BSD-3-Clause */
#include "track/media_tracker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "track/media.h"

static void count(uint64_t *counter)
{
	__atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED); // reader: control core
}

static uint16_t load16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* --- what is said --- */

static void listen_at(struct hm_media_tracker_core *c, uint8_t version, const uint8_t *address,
		      uint16_t port_be, uint64_t ts_ns)
{
	struct hm_track_key key;
	uint32_t hash;

	hm_track_key_of_end(&key, version, address, port_be, 0);
	hash = hm_track_hash(&key);
	if (hm_track_find(&c->track, hash, &key, ts_ns))
		return;
	if (hm_table_used(&c->track.table) == 0)
		memset(c->ports, 0, sizeof(c->ports));
	hm_track_begin(&c->track, hash, &key, ts_ns);
	c->ports[port_be / 64] |= UINT64_C(1) << port_be % 64;
}

static void hear(struct hm_media_tracker_core *c, const struct hm_batch *b, unsigned i)
{
	struct hm_media_reader reader;
	struct hm_media_end end;
	struct hm_track_key key;
	unsigned sender = hm_track_key(&key, b, i, 0);

	hm_media_begin(&reader, b->data[i] + b->payload[i], (size_t)(b->end[i] - b->payload[i]));
	while (hm_media_next(&reader, &end)) {
		bool named = end.host == HM_MEDIA_AT_ADDRESS;
		unsigned side = end.host == HM_MEDIA_AT_RECEIVER ? !sender : sender;

		count(&c->announced);
		for (unsigned p = 0; p < end.n_ports; p++)
			listen_at(c, named ? end.version : key.version,
				  named ? end.address : key.end[side].address,
				  htons((uint16_t)(end.port + p)), b->ts_ns[i]);
	}
}

/* --- media --- */

static bool is_announced(const struct hm_media_tracker_core *c, uint16_t port_be)
{
	return c->ports[port_be / 64] >> port_be % 64 & 1;
}

static bool is_media(struct hm_media_tracker_core *c, const struct hm_batch *b, unsigned i)
{
	const uint8_t *ports = b->data[i] + b->l4[i];
	struct hm_track_key packet;
	bool found = false;

	if (!is_announced(c, load16(ports)) && !is_announced(c, load16(ports + 2)))
		return false;
	hm_track_key(&packet, b, i, 0);
	for (unsigned e = 0; e < 2; e++) {
		struct hm_track_key key;

		hm_track_key_of_end(&key, packet.version, packet.end[e].address,
				    packet.end[e].port_be, 0);
		found |= hm_track_find(&c->track, hm_track_hash(&key), &key, b->ts_ns[i]) != NULL;
	}
	if (found)
		count(&c->media);
	return found;
}

uint64_t hm_media_tracker_process(void *core, const struct hm_batch *b, uint64_t in)
{
	struct hm_media_tracker_core *c = core;
	uint64_t all = in & (b->ipv4 | b->ipv6) & (b->tcp | b->udp) & b->l4_ok & ~b->fragment;
	uint64_t spoken = c->udp ? all : all & b->tcp, passed = 0;

	// in order: what a packet announces counts from the next one on
	hm_mask_foreach (i, all) {
		const uint8_t *ports = b->data[i] + b->l4[i];
		bool port = load16(ports) == c->port_be || load16(ports + 2) == c->port_be;

		if (port && spoken >> i & 1) {
			passed |= UINT64_C(1) << i;
			if (b->payload[i] < b->end[i])
				hear(c, b, i);
		} else if (b->udp >> i & 1) {
			passed |= (uint64_t)is_media(c, b, i) << i;
		}
	}
	return passed;
}

/* --- control core --- */

static const struct hm_option options[] = {
	{.name = "connections",
	 .min = 64,
	 .max = HM_TRACK_MAX_CONNECTIONS,
	 .value_default = HM_TRACK_DEFAULT_CONNECTIONS,
	 .offset = offsetof(struct hm_media_tracker_conf, connections)},
	{.name = "idle_s",
	 .min = 1,
	 .max = HM_TRACK_MAX_IDLE_S,
	 .value_default = HM_TRACK_DEFAULT_IDLE_S,
	 .offset = offsetof(struct hm_media_tracker_conf, idle_s)},
	{.name = "port", .max = UINT16_MAX, .offset = offsetof(struct hm_media_tracker_conf, port)},
	{0},
};

int hm_media_tracker_conf_init(struct hm_media_tracker_conf *conf, const char *function,
			       uint16_t port, bool udp, const union hm_value *args,
			       struct hm_error *err)
{
	conf->function = function;
	conf->udp = udp;
	int rc = hm_options_parse(function, options, args[0].options, conf, 7001, err);

	if (conf->port == 0)
		conf->port = port;
	return rc;
}

int hm_media_tracker_core_init(void *core, const struct hm_core_ctx *ctx, struct hm_error *err)
{
	const struct hm_media_tracker_conf *conf = ctx->conf;
	struct hm_media_tracker_core *c = core;

	c->port_be = htons((uint16_t)conf->port);
	c->udp = conf->udp;
	if (hm_track_init(&c->track, conf->connections, sizeof(struct hm_tracked), conf->idle_s,
			  ctx->socket) < 0)
		return hm_error_set(err, -ENOMEM, 3084, "%s: no memory for %u connections",
				    conf->function, conf->connections);
	return 0;
}

void hm_media_tracker_core_fini(void *core)
{
	hm_track_fini(&((struct hm_media_tracker_core *)core)->track);
}

uint64_t hm_media_tracker_memory(const void *conf, unsigned n_workers)
{
	const struct hm_media_tracker_conf *c = conf;

	return n_workers * (uint64_t)hm_table_bytes(c->connections, sizeof(struct hm_tracked));
}

const struct hm_arg hm_media_tracker_args[] = {
	{.name = "options",
	 .type = HM_ARG_OPTIONS,
	 .optional = true,
	 .help = "\"connections\": ports for media that are remembered at most (16384); "
		 "\"idle_s\": for so many seconds without a packet (60); \"port\": where the "
		 "protocol is spoken; 0: its usual one"},
	{0},
};

const struct hm_field hm_media_tracker_results[] = {
	{.name = "announced",
	 .type = HM_FIELD_U64,
	 .c = HM_C_ULONG_LONG,
	 .unit = "announcements",
	 .offset = offsetof(struct hm_media_tracker_core, announced),
	 .help = "places where media go"},
	{.name = "media",
	 .type = HM_FIELD_U64,
	 .c = HM_C_ULONG_LONG,
	 .unit = "packets",
	 .offset = offsetof(struct hm_media_tracker_core, media),
	 .help = "that passed as media"},
	{.name = "forgotten",
	 .type = HM_FIELD_U64,
	 .c = HM_C_ULONG_LONG,
	 .unit = "ports",
	 .offset = offsetof(struct hm_media_tracker_core, track.forgotten),
	 .help = "before their time, since there was no place"},
	{0},
};

/* SPDX-License-Identifier: BSD-3-Clause */
#include "netflow/exporter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netflow/exporter_state.h"

#define FLUSH_NS (100 * HM_NS_A_MS) // a message that does not fill leaves after this

static const char *const state_names[] = {
	[HM_EXPORTER_UP] = "up", [HM_EXPORTER_AWAY] = "away", [HM_EXPORTER_ASKING] = "asking"};

void hm_exporter_defaults(struct hm_exporter_conf *conf)
{
	memset(conf, 0, sizeof(*conf)); // gaps, too: configurations are compared byte by byte
	conf->format = hm_format_by_name("ipfix");
	conf->transport = &hm_transport_udp;
	conf->to.port = conf->format->port;
	conf->to.multicast_ttl = 1;
	conf->to.tls.lifetime_s = HM_LIFETIME_USUAL;
	conf->origin.sampling_interval = 1;
	conf->tell = HM_TELL_ALL;
	conf->template_interval_s = 60;
	conf->template_packets = 1000;
	conf->mtu = 1400;
	conf->queue_messages = 8192;
	conf->spool.max_mb = 256;
	conf->device = "";
}

/* Byte by byte: the gaps are 0 from hm_exporter_defaults() on. If not, two that are equal look different, and
 * the exporter begins anew. */
bool hm_exporter_conf_equal(const struct hm_exporter_conf *a, const struct hm_exporter_conf *b)
{
	return memcmp((const char *)a, (const char *)b, sizeof(*a)) == 0;
}

bool hm_exporter_names_files(const struct hm_exporter_conf *conf)
{
	return conf->to.path[0] != '\0' || conf->to.tls.key[0] != '\0' ||
	       conf->spool.dir[0] != '\0';
}

static uint32_t power_of_two(uint32_t n)
{
	uint32_t p = 1;

	while (p < n)
		p <<= 1;
	return p;
}

static bool take_memory(struct hm_exporter *x)
{
	uint32_t least, slots;

	x->fit = x->room;
	least = hm_exporter_messages(x, HM_EXPORTER_PUT_MAX) + 1;
	slots = power_of_two(x->conf.queue_messages > least ? x->conf.queue_messages : least);
	x->mask = slots - 1;
	x->buffer = malloc((size_t)slots * x->room);
	x->slot = calloc(slots, sizeof(*x->slot));
	x->sent = calloc(slots, sizeof(*x->sent));
	x->note_bytes = malloc(x->room);
	return x->buffer && x->slot && x->sent && x->note_bytes && hm_exporter_open_spool(x);
}

struct hm_exporter *hm_exporter_create(const struct hm_exporter_conf *conf)
{
	struct hm_exporter *x = calloc(1, sizeof(*x));
	struct hm_error err;

	if (!x)
		return NULL;
	x->conf = *conf;
	x->room = conf->mtu - conf->transport->overhead;
	if (hm_layout_build(&x->layout, &conf->layout, conf->format, &err) < 0 || !take_memory(x)) {
		hm_exporter_destroy(x);
		return NULL;
	}
	x->templates_due = x->flushed = true;
	return x;
}

void hm_exporter_destroy(struct hm_exporter *x)
{
	if (!x)
		return;
	x->conf.transport->close(x->connection);
	hm_exporter_close_spool(x);
	free(x->note_bytes);
	free(x->sent);
	free(x->slot);
	free(x->buffer);
	free(x);
}

unsigned hm_exporter_poll(struct hm_exporter *x, uint64_t now_ns)
{
	uint64_t before = x->counts.messages;

	if (x->open.at && (x->finishing || now_ns - x->open_since_ns >= FLUSH_NS))
		hm_exporter_close_message(x);
	hm_exporter_send(x, now_ns);
	return (unsigned)(x->counts.messages - before);
}

void hm_exporter_finish(struct hm_exporter *x, uint64_t now_ns)
{
	if (x->finishing)
		return;
	x->finishing = true;
	if (x->state != HM_EXPORTER_UP)
		x->away_since_ns = x->next_probe_ns = now_ns; // one more chance
	hm_exporter_close_message(x);
}

void hm_exporter_retire(struct hm_exporter *x)
{
	hm_exporter_close_message(x);
}

bool hm_exporter_is_lost(const struct hm_exporter *x)
{
	return x->gave_up;
}

const char *hm_exporter_spool_dir(const struct hm_exporter *x)
{
	return x->conf.spool.dir;
}

bool hm_exporter_idle(const struct hm_exporter *x)
{
	return x->counts.queued == 0 && x->flushed && (!x->spool || hm_spool_is_flushed(x->spool));
}

/* FNV-1a, the end of the text included. */
static uint64_t mix(uint64_t hash, const char *text)
{
	do
		hash = (hash ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
	while (*text++ != '\0');
	return hash;
}

uint64_t hm_exporter_id(const struct hm_exporter_conf *conf)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	char numbers[32];

	snprintf(numbers, sizeof(numbers), "%u %u", conf->to.port, conf->origin.domain);
	hash = mix(mix(hash, conf->format->name), conf->transport->name);
	hash = mix(mix(mix(hash, conf->to.host), conf->to.path), numbers);
	return hash | 1;
}

void hm_exporter_resume(struct hm_exporter *x, uint32_t sequence)
{
	x->sequence = sequence;
}

uint32_t hm_exporter_sequence(const struct hm_exporter *x)
{
	return x->sequence;
}

void hm_exporter_counts(const struct hm_exporter *x, struct hm_exporter_counts *counts)
{
	*counts = x->counts;
	if (x->spool)
		hm_spool_counts(x->spool, &counts->spool);
}

void hm_exporter_add_counts(const struct hm_exporter *x, struct hm_exporter_counts *sum)
{
	struct hm_exporter_counts c;

	hm_exporter_counts(x, &c);
	sum->sent += c.sent;
	sum->queued += c.queued;
	sum->queue_full += c.queue_full;
	sum->refused += c.refused;
	sum->unreachable += c.unreachable;
	sum->unsupported += c.unsupported;
	sum->spool.recovered += c.spool.recovered;
	sum->spool.spooled += c.spool.spooled;
	sum->spool.full += c.spool.full;
	sum->spool.failed += c.spool.failed;
}

static json_t *records_json(const struct hm_exporter_counts *c)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:{s:I, s:I, s:I, s:I, s:I, s:I}}", "offered",
			 (json_int_t)(c->offered + c->spool.recovered), "recovered",
			 (json_int_t)c->spool.recovered, "exported",
			 (json_int_t)(c->sent - c->refused), "spooled",
			 (json_int_t)c->spool.spooled, "queued", (json_int_t)c->queued, "lost",
			 "queue_full", (json_int_t)c->queue_full, "refused", (json_int_t)c->refused,
			 "unreachable", (json_int_t)c->unreachable, "unsupported",
			 (json_int_t)c->unsupported, "spool_full", (json_int_t)c->spool.full,
			 "spool_failed", (json_int_t)c->spool.failed);
}

static json_t *spool_json(const struct hm_exporter *x, const struct hm_spool_counts *c)
{
	return json_pack("{s:s, s:b, s:I, s:I, s:I, s:s}", "dir", x->conf.spool.dir, "ready",
			 hm_spool_is_ready(x->spool), "bytes", (json_int_t)c->bytes, "max_bytes",
			 (json_int_t)x->conf.spool.max_mb << 20, "bad_files",
			 (json_int_t)c->bad_files, "error", c->error);
}

json_t *hm_exporter_stats(const struct hm_exporter *x)
{
	const struct hm_endpoint *to = &x->conf.to;
	struct hm_exporter_counts c;
	json_t *stats;

	hm_exporter_counts(x, &c);
	stats = json_pack(
		"{s:s, s:s, s:s, s:i, s:I, s:s, s:s, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
		"protocol", x->conf.format->name, "transport", x->conf.transport->name, "host",
		to->path[0] ? to->path : to->host, "port", (int)to->port, "observation_domain",
		(json_int_t)x->conf.origin.domain, "state", state_names[x->state], "last_error",
		x->last_error, "records", records_json(&c), "data_records",
		(json_int_t)c.data_records, "messages", (json_int_t)c.messages, "bytes",
		(json_int_t)c.bytes, "templates", (json_int_t)c.templates, "send_errors",
		(json_int_t)c.send_errors, "busy", (json_int_t)c.busy, "reconnects",
		(json_int_t)c.reconnects);
	if (x->spool)
		json_object_set_new(stats, "spool", spool_json(x, &c.spool));
	return stats;
}

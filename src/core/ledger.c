/* SPDX-License-Identifier: BSD-3-Clause */
/* The ledger: every packet, and every flow record, in exactly one place. Each line carries its terms and
 * whether they add up; docs/ledger.md explains them.
 */
#include <string.h>

#include "core/clock.h"
#include "core/engine_internal.h"
#include "core/injector.h"
#include "core/outbox.h"
#include "core/pktring.h"

void hm_device_rx(const struct hm_device *d, struct hm_rx_counts *c)
{
	*c = (struct hm_rx_counts){0};
	for (unsigned i = 0; i < d->n_lanes; i++)
		for (unsigned q = 0; q < d->lanes[i]->n_queues; q++) {
			struct hm_rx_counts one;

			hm_rx_read(&d->lanes[i]->queues[q]->block, &one);
			c->received += one.received;
			c->parsed += one.parsed;
			c->in_flight += one.in_flight;
			c->bytes += one.bytes;
			c->cut += one.cut;
			c->newest_ns = RTE_MAX(c->newest_ns, one.newest_ns);
			for (unsigned o = 0; o < HM_PARSE_OUTCOMES; o++)
				c->rejected[o] += one.rejected[o];
		}
}

void hm_device_watch_wire(struct hm_device *d, struct rte_eth_stats *s)
{
	*s = (struct rte_eth_stats){0};
	rte_eth_stats_get(d->port, s);
	// memif begins again at 0 with every peer: from then on nobody can say what was on the wire
	d->wire_unknown |= s->ipackets < d->wire_last;
	d->wire_last = s->ipackets;
}

json_t *hm_device_wire(struct hm_device *d, uint64_t *received)
{
	struct rte_eth_stats s;

	hm_device_watch_wire(d, &s);
	*received = s.ipackets;
	// a driver that finds no buffer leaves the packet in the ring: if it is lost, it is in imissed
	return json_pack("{s:b, s:I, s:{s:I, s:I}, s:I}", "known", !d->wire_unknown, "received",
			 (json_int_t)s.ipackets, "dropped", "missed", (json_int_t)s.imissed,
			 "errors", (json_int_t)s.ierrors, "no_buffer_events",
			 (json_int_t)s.rx_nombuf);
}

static json_t *rejected_json(const struct hm_rx_counts *c, uint64_t *sum)
{
	json_t *rejected = json_object();

	*sum = 0;
	for (unsigned o = HM_PARSE_OK + 1; o < HM_PARSE_OUTCOMES; o++) {
		json_object_set_new(rejected, hm_parse_outcome_name(o),
				    json_integer((json_int_t)c->rejected[o]));
		*sum += c->rejected[o];
	}
	return rejected;
}

static json_t *device_line(struct hm_device *d, bool *all_balanced)
{
	uint64_t wire_received, rejected_sum;
	struct hm_rx_counts c;
	json_t *wire, *rejected;
	bool at_rest, balanced;

	hm_device_rx(d, &c);
	wire = hm_device_wire(d, &wire_received); // after the workers' counts: never behind them
	rejected = rejected_json(&c, &rejected_sum);
	at_rest = d->state == HM_DEVICE_FINISHED;
	balanced = c.received == c.parsed + rejected_sum + c.in_flight &&
		   (d->wire_unknown ||
		    (at_rest ? wire_received == c.received : wire_received >= c.received));
	*all_balanced &= balanced;
	return json_pack("{s:s, s:s, s:b, s:o, s:I, s:I, s:o, s:I, s:I, s:I, s:b}", "name",
			 d->config->name, "state", hm_device_state_name(d), "at_rest", at_rest,
			 "wire", wire, "received", (json_int_t)c.received, "parsed",
			 (json_int_t)c.parsed, "rejected", rejected, "in_flight",
			 (json_int_t)c.in_flight, "bytes", (json_int_t)c.bytes, "cut",
			 (json_int_t)c.cut, "balanced", balanced);
}

/* What INJECT has given to a device. */
static json_t *injector_line(const struct hm_device *d, bool *all_balanced)
{
	struct hm_injector_counts c;
	struct rte_eth_stats port = {0};
	bool balanced;

	hm_injector_counts(d->injector, &c);
	rte_eth_stats_get(d->port, &port);
	// more than can wait is no queue, but packets that nobody accounts for
	balanced = c.queued <= HM_INJECTOR_PACKETS + (HM_INJECTOR_PRODUCERS + 1) * HM_BATCH_MAX;
	*all_balanced &= balanced;
	return json_pack("{s:s, s:s, s:I, s:I, s:I, s:{s:I, s:I}, s:I, s:b}", "name",
			 d->config->name, "link", c.up ? "up" : "down", "offered",
			 (json_int_t)c.offered, "sent", (json_int_t)c.sent, "queued",
			 (json_int_t)c.queued, "dropped", "link_down", (json_int_t)c.link_down,
			 "port_busy", (json_int_t)c.port_busy, "errors", (json_int_t)port.oerrors,
			 "balanced", balanced);
}

/* in = out + filtered + dropped. What a filter took away is what neither went on nor was dropped or kept out. */
/* Only a function that may have more to hand on than it got makes packets: as many as are out beyond those in. */
static json_t *entry_line(const struct hm_flow *f, const struct hm_instance *in, bool *all_balanced)
{
	uint64_t left, made;
	struct hm_counts c;
	bool balanced;

	hm_instance_counts(in, &c);
	left = c.out + c.dropped + c.skipped;
	made = in->fn->more && left > c.in ? left - c.in : 0;
	balanced = left <= c.in + made;
	*all_balanced &= balanced;
	return json_pack("{s:i, s:s*, s:i, s:s, s:I, s:I, s:I, s:I, s:{s:I, s:I}, s:b}", "flow",
			 (int)f->id, "name", f->name, "function", (int)in->number, "function_name",
			 in->fn->name, "in", (json_int_t)c.in, "made", (json_int_t)made, "out",
			 (json_int_t)c.out, "filtered", (json_int_t)(c.in + made - left), "dropped",
			 "no_copy", (json_int_t)c.dropped, "budget", (json_int_t)c.skipped,
			 "balanced", balanced);
}

static bool has_reader(const struct hm_instance *in)
{
	return (in->fn->pktring && in->fn->pktring(in->conf)) ||
	       (in->fn->outbox && in->fn->outbox(in->conf));
}

static json_t *reader_line(const struct hm_flow *f, const struct hm_instance *in,
			   bool *all_balanced)
{
	struct hm_pktring_counts c = {0};
	bool balanced;

	if (in->fn->outbox) {
		struct hm_outbox_counts o;

		hm_outbox_counts(in->fn->outbox(in->conf), &o);
		c = (struct hm_pktring_counts){.offered = o.offered,
					       .delivered = o.delivered,
					       .dropped = o.dropped,
					       .queued = o.queued};
	} else {
		hm_pktring_counts(in->fn->pktring(in->conf), &c);
	}
	balanced = c.offered == c.delivered + c.overwritten + c.dropped + c.queued;
	*all_balanced &= balanced;
	return json_pack("{s:i, s:s*, s:i, s:I, s:I, s:I, s:I, s:I, s:b}", "flow", (int)f->id,
			 "name", f->name, "function", (int)in->number, "offered",
			 (json_int_t)c.offered, "delivered", (json_int_t)c.delivered, "overwritten",
			 (json_int_t)c.overwritten, "dropped", (json_int_t)c.dropped, "queued",
			 (json_int_t)c.queued, "balanced", balanced);
}

static json_int_t term(const json_t *line, const char *key)
{
	return json_integer_value(json_object_get(line, key));
}

/* At rest a function that writes files or holds packets has been offered all that reached it. */
static bool has_all(const struct hm_flow *f, const struct hm_instance *in, const json_t *line)
{
	struct hm_counts c;

	if (f->state >= HM_FLOW_CLOSING || f->device->state != HM_DEVICE_FINISHED)
		return true;
	hm_instance_counts(in, &c);
	if (in->fn->flags & HM_FN_HOLDS)
		return (json_int_t)(c.in - c.skipped) == term(line, "in");
	return (json_int_t)(c.in - c.skipped) == term(line, "offered") + term(line, "ignored");
}

/* Functions that make flow records, write files or hold packets say so themselves, under `key` of their result. */
static void add_own_line(const struct hm_flow *f, const struct hm_instance *in, const char *key,
			 json_t *lines, bool *all_balanced)
{
	json_t *result = hm_instance_result(in), *line = json_object_get(result, key);

	if (line && in->fn->flags & (HM_FN_WRITES | HM_FN_HOLDS) && !has_all(f, in, line))
		json_object_set_new(line, "balanced", json_false());
	if (line) {
		json_object_set_new(line, "flow", json_integer(f->id));
		if (f->name)
			json_object_set_new(line, "name", json_string(f->name));
		json_object_set_new(line, "function", json_integer(in->number));
		*all_balanced &= json_is_true(json_object_get(line, "balanced"));
		json_array_append(lines, line);
	}
	json_decref(result);
}

json_t *hm_ledger(struct hm_engine *e)
{
	json_t *devices = json_array(), *entries = json_array(), *readers = json_array(),
	       *netflow = json_array(), *order = json_array(), *files = json_array(),
	       *inject = json_array(), *held = json_array();
	bool balanced = true;
	struct hm_device *d;
	struct hm_flow *f;

	TAILQ_FOREACH (d, &e->devices, next)
		json_array_append_new(devices, device_line(d, &balanced));
	TAILQ_FOREACH (d, &e->devices, next)
		if (d->injector)
			json_array_append_new(inject, injector_line(d, &balanced));
	TAILQ_FOREACH (f, &e->flows, next)
		if (f->state == HM_FLOW_ACTIVE)
			hm_flow_order_line(f, order, &balanced);
	TAILQ_FOREACH (f, &e->flows, next)
		for (uint32_t i = 0; i < f->n; i++) {
			const struct hm_instance *in = f->instances[i];

			if (!in->node)
				continue;
			if (in->counting && f->state < HM_FLOW_CLOSING)
				json_array_append_new(entries, entry_line(f, in, &balanced));
			if (has_reader(in))
				json_array_append_new(readers, reader_line(f, in, &balanced));
			if (in->fn->flags & HM_FN_EXPORTS)
				add_own_line(f, in, "ledger", netflow, &balanced);
			if (in->fn->flags & HM_FN_WRITES)
				add_own_line(f, in, "file", files, &balanced);
			if (in->fn->flags & HM_FN_HOLDS)
				add_own_line(f, in, "ledger", held, &balanced);
		}
	return json_pack("{s:o, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "ts_ns",
			 hm_json_u64(hm_clock_now_ns()), "balanced", balanced, "devices", devices,
			 "entries", entries, "readers", readers, "netflow", netflow, "order", order,
			 "files", files, "inject", inject, "held", held);
}

json_t *hm_netflow_stats(struct hm_engine *e)
{
	json_t *list = json_array();
	struct hm_flow *f;

	TAILQ_FOREACH (f, &e->flows, next)
		for (uint32_t i = 0; i < f->n; i++) {
			const struct hm_instance *in = f->instances[i];
			json_t *result = NULL;

			if (in->node && in->fn->flags & HM_FN_EXPORTS)
				result = hm_instance_result(in);
			if (result && json_object_get(result, "exporters")) {
				json_object_set_new(result, "flow", json_integer(f->id));
				json_object_set_new(result, "function", json_integer(in->number));
				if (f->name)
					json_object_set_new(result, "name", json_string(f->name));
				json_incref(result);
				json_array_append_new(list, result);
			}
			json_decref(result);
		}
	return list;
}

/* In Mbit/s, 0: unknown. */
static uint32_t link_speed(const struct hm_device *d)
{
	struct rte_eth_link link;

	if (d->config->link_speed_mbps > 0)
		return d->config->link_speed_mbps;
	if (rte_eth_link_get_nowait(d->port, &link) < 0 ||
	    link.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN)
		return 0;
	return link.link_speed;
}

static json_t *described(const struct hm_device *d)
{
	return json_pack("{s:s, s:s, s:I, s:b, s:b}", "alias", d->config->alias, "description",
			 d->config->description, "link_speed_mbps", (json_int_t)link_speed(d),
			 "mpls", d->config->mpls, "vlan", d->config->vlan);
}

json_t *hm_device_list(struct hm_engine *e, const struct hm_owner *who)
{
	json_t *list = json_array();
	struct hm_device *d;

	TAILQ_FOREACH (d, &e->devices, next) {
		struct hm_rx_counts c;
		json_t *info, *workers;
		uint64_t received;

		if (!hm_device_visible(d, who))
			continue;
		workers = json_array();
		hm_device_rx(d, &c);
		for (unsigned k = 0; k < d->n_lanes; k++)
			json_array_append_new(workers, json_integer(d->workers[k]->lcore));
		info = json_pack("{s:i, s:s, s:s, s:s, s:s, s:i, s:i, s:o, s:b, s:I, s:I, s:o}",
				 "device", (int)d->number, "name", d->config->name, "driver",
				 d->info.driver_name, "state", hm_device_state_name(d), "link",
				 hm_link_name(d->link), "queues", (int)d->config->queues, "burst",
				 (int)d->config->burst, "lcores", workers, "lossless", d->lossless,
				 "packets", (json_int_t)c.received, "bytes", (json_int_t)c.bytes,
				 "newest_ns", hm_json_u64(c.newest_ns));
		json_object_set_new(info, "wire", hm_device_wire(d, &received));
		json_object_update_new(info, described(d));
		if (d->own)
			json_object_set_new(info, "owner", json_integer(d->owner.uid));
		if (d->error[0])
			json_object_set_new(info, "error", json_string(d->error));
		if (d->config->source == HM_SOURCE_TRACE)
			json_object_set_new(info, "trace", hm_device_trace_json(d));
		json_array_append_new(list, info);
	}
	return list;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "netflow/report.h"

#include <string.h>

#define NS_A_S UINT64_C(1000000000)

static uint64_t load(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

/* Of all workers. */
struct totals {
	struct hm_cache_counts counts;
	uint64_t entries, memory, lost, taken;
};

static void add_up(const struct hm_report *r, struct totals *t)
{
	memset(t, 0, sizeof(*t));
	for (unsigned i = 0; i < HM_WORKERS_MAX; i++) {
		const struct hm_meter *l = &r->meter[i];
		const struct hm_cache_counts *c;
		if (!l->cache)
			continue;
		c = hm_cache_counts(l->cache);
		// lost and taken first: what is made meanwhile then counts as queued
		t->lost += load(&l->lost.flows);
		t->taken += l->taken;
		t->counts.packets += load(&c->packets);
		t->counts.records += load(&c->records);
		t->counts.biflows += load(&c->biflows);
		t->counts.not_ip.packets += load(&c->not_ip.packets);
		t->counts.refused.packets += load(&c->refused.packets);
		t->counts.unsampled.packets += load(&c->unsampled.packets);
		t->counts.created += load(&c->created);
		for (unsigned k = 0; k < HM_END_REASONS; k++)
			t->counts.ended[k] += load(&c->ended[k]);
		t->entries += hm_cache_entries(l->cache);
		t->memory += hm_cache_memory(l->cache);
	}
}

static json_t *losses(const struct hm_exporter_counts *c, uint64_t ring_full, uint64_t restart)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "ring_full",
			 (json_int_t)ring_full, "queue_full", (json_int_t)c->queue_full, "refused",
			 (json_int_t)c->refused, "unreachable", (json_int_t)c->unreachable,
			 "unsupported", (json_int_t)c->unsupported, "spool_full",
			 (json_int_t)c->spool.full, "spool_failed", (json_int_t)c->spool.failed,
			 "restart", (json_int_t)restart);
}

/* made = exported + filtered + spooled + queued + lost, in directions of biflows; with several exporters
 * each counts once for each. What is not yet taken from the rings counts as queued; what an earlier run
 * left in the spool has been made, too, and so has what a daemon that was killed had not exported. And
 * of packets: what came = metered + not_ip + refused + unsampled. */
static json_t *ledger(const struct hm_report *r, const struct totals *t)
{
	uint64_t n = hm_exporters_n(r->exporters),
		 in_rings = t->counts.records - t->lost - t->taken;
	uint64_t ring_full = r->lost_each_then + n * (t->lost - r->lost_then);
	uint64_t made, queued, lost, exported;
	struct hm_exporters_sum sum;
	const struct hm_exporter_counts *c = &sum.counts;
	json_t *line;

	hm_exporters_sum(r->exporters, &sum);
	made = sum.handed + n * in_rings + ring_full + c->spool.recovered + r->lost_before;
	queued = n * in_rings + c->queued;
	exported = c->sent - c->refused;
	lost = ring_full + c->queue_full + c->refused + c->unreachable + c->unsupported +
	       c->spool.full + c->spool.failed + r->lost_before;
	line = json_pack("{s:{s:I, s:I, s:I, s:I}, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:b}",
			 "packets", "metered", (json_int_t)t->counts.packets, "not_ip",
			 (json_int_t)t->counts.not_ip.packets, "refused",
			 (json_int_t)t->counts.refused.packets, "unsampled",
			 (json_int_t)t->counts.unsampled.packets, "made", (json_int_t)made,
			 "recovered", (json_int_t)c->spool.recovered, "exported",
			 (json_int_t)exported, "filtered", (json_int_t)sum.filtered, "spooled",
			 (json_int_t)c->spool.spooled, "queued", (json_int_t)queued, "lost",
			 losses(c, ring_full, r->lost_before), "balanced",
			 made == exported + sum.filtered + c->spool.spooled + queued + lost);
	if (line && r->warm)
		json_object_set_new(line, "gap", hm_warm_gap(r->warm));
	return line;
}

static void add_shortfall(struct hm_shortfall *to, uint64_t flows, uint64_t packets,
			  uint64_t octets, uint64_t first_ns, uint64_t last_ns)
{
	to->flows += flows;
	to->packets += packets;
	to->octets += octets;
	if (first_ns != 0 && (to->first_ns == 0 || first_ns < to->first_ns))
		to->first_ns = first_ns;
	if (last_ns > to->last_ns)
		to->last_ns = last_ns;
}

static void add_unmetered(struct hm_shortfall *to, const struct hm_unmetered *u)
{
	add_shortfall(to, 0, load(&u->packets), load(&u->octets), load(&u->first_ns),
		      load(&u->last_ns));
}

void hm_report_shortfalls(const void *arg, struct hm_shortfall *ignored,
			  struct hm_shortfall *unsent)
{
	const struct hm_report *r = arg;

	for (unsigned i = 0; i < HM_WORKERS_MAX; i++) {
		const struct hm_meter *l = &r->meter[i];
		const struct hm_cache_counts *c;
		if (!l->cache)
			continue;
		c = hm_cache_counts(l->cache);
		add_unmetered(ignored, &c->not_ip);
		add_unmetered(ignored, &c->refused);
		add_shortfall(unsent, load(&l->lost.flows), load(&l->lost.packets),
			      load(&l->lost.octets), load(&l->lost.first_ns),
			      load(&l->lost.last_ns));
	}
}

static const char *const overloads[] = {[HM_OVERLOAD_EVICT] = "evict",
					[HM_OVERLOAD_STOP] = "stop",
					[HM_OVERLOAD_SAMPLE] = "sample"};

json_t *hm_report_stats(const struct hm_report *r, const struct hm_report_options *o)
{
	const struct hm_cache_counts *c;
	struct totals t;
	json_t *all;

	add_up(r, &t);
	c = &t.counts;
	all = json_pack(
		"{s:{s:I, s:I, s:I, s:s, s:I, s:I, s:I}, s:I, s:I, s:{s:I, s:I, s:I, s:I, s:I},"
		" s:o, s:o}",
		"cache", "capacity", (json_int_t)t.entries, "memory_bytes", (json_int_t)t.memory,
		"created", (json_int_t)c->created, "overload", overloads[o->overload], "refused",
		(json_int_t)c->refused.packets, "active_timeout_s",
		(json_int_t)(o->active_ns / NS_A_S), "inactive_timeout_s",
		(json_int_t)(o->inactive_ns / NS_A_S), "not_ip", (json_int_t)c->not_ip.packets,
		"biflows", (json_int_t)c->biflows, "ended", "idle",
		(json_int_t)c->ended[HM_END_IDLE], "active", (json_int_t)c->ended[HM_END_ACTIVE],
		"detected", (json_int_t)c->ended[HM_END_DETECTED], "forced",
		(json_int_t)c->ended[HM_END_FORCED], "resources",
		(json_int_t)c->ended[HM_END_RESOURCES], "exporters",
		hm_exporters_stats(r->exporters), "ledger", ledger(r, &t));
	if (all && r->warm)
		json_object_set_new(all, "warm", hm_warm_stats(r->warm));
	if (all && r->routes)
		json_object_set_new(all, "routes", hm_routes_file_stats(r->routes));
	return all;
}

int hm_report_change_exporters(struct hm_report *r, const struct hm_report_options *o,
			       struct hm_error *err)
{
	uint64_t n = hm_exporters_n(r->exporters), lost = 0;
	int failed = hm_exporters_change(r->exporters, o->exporter, o->n_exporters, err);

	if (failed < 0)
		return failed;
	for (unsigned i = 0; i < HM_WORKERS_MAX; i++)
		lost += load(&r->meter[i].lost.flows);
	r->lost_each_then += n * (lost - r->lost_then);
	r->lost_then = lost;
	return 0;
}

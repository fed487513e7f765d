/* SPDX-License-Identifier: BSD-3-Clause */
/* What --check prints: what would be started, before anything is. */
#include <string.h>

#include "core/admission.h"
#include "core/eal.h"
#include "core/engine_internal.h"
#include "core/lcores.h"
#include "core/ordered.h"

static const char *const sources[] = {"vdev", "pci", "trace"};

/* What the rings take that put the packets of several queues in order, once a flow needs that. They are mapped
 * by themselves: `eal.memory_mb` does not have to hold them. */
static uint64_t order_bytes(const struct hm_device_config *c, unsigned n_workers)
{
	return hm_ordered_memory(c, RTE_MIN(c->queues, n_workers ? n_workers : 1));
}

static json_t *plan_device(const struct hm_device_config *c, const unsigned *workers,
			   unsigned n_workers, unsigned *next_worker, uint64_t *total)
{
	uint32_t buffers, room;
	uint64_t bytes = hm_device_memory(c, &buffers, &room);
	json_t *queues = json_array();

	for (uint32_t q = 0; q < c->queues && n_workers; q++)
		json_array_append_new(queues, json_integer(workers[(*next_worker)++ % n_workers]));
	*total += bytes;
	return json_pack("{s:s, s:s, s:s, s:i, s:o, s:i, s:i, s:i, s:I, s:I}", "name", c->name,
			 "source", sources[c->source], "where", c->where, "queues", (int)c->queues,
			 "lcore_of_queue", queues, "burst", (int)c->burst, "buffers_per_queue",
			 (int)buffers, "buffer_bytes", (int)room, "memory_bytes", (json_int_t)bytes,
			 "order_bytes", (json_int_t)order_bytes(c, n_workers));
}

static json_t *plan_flow(const struct hm_flow_config *c)
{
	json_t *names = json_array(), *function;
	size_t i;

	json_array_foreach (c->functions, i, function)
		json_array_append(names, json_array_get(function, 0));
	return json_pack("{s:s, s:s, s:o, s:o}", "name", c->name, "device", c->device, "functions",
			 names, "admission", hm_terms_json(&c->terms));
}

json_t *hm_engine_plan(const struct hm_config *config)
{
	unsigned workers[128], n_workers = 0, next_worker = 0;
	json_t *devices = json_array(), *flows = json_array(), *lcores = json_array();
	uint64_t set[2] = {0}, total = 0;
	int control = -1;

	hm_lcores_parse(config->eal.lcores, set, NULL);
	for (unsigned i = 0; i < 128; i++)
		if (set[i / 64] >> (i % 64) & 1) {
			if (control < 0) {
				control = (int)i;
				continue;
			}
			workers[n_workers++] = i;
			json_array_append_new(lcores, json_integer((json_int_t)i));
		}
	for (size_t i = 0; i < config->n_devices; i++)
		json_array_append_new(devices, plan_device(&config->devices[i], workers, n_workers,
							   &next_worker, &total));
	for (size_t i = 0; i < config->n_flows; i++)
		json_array_append_new(flows, plan_flow(&config->flows[i]));
	return json_pack(
		"{s:s, s:i, s:o, s:s, s:i, s:I, s:o, s:o, s:o, s:s}", "lcores", config->eal.lcores,
		"control_lcore", control, "worker_lcores", lcores, "memory",
		hm_eal_uses_hugepages(&config->eal) ? "hugepages" : "ordinary pages", "memory_mb",
		(int)config->eal.memory_mb, "packet_buffer_bytes", (json_int_t)total, "devices",
		devices, "flows", flows, "admission",
		hm_admission_limit_json(&config->admission, config->explain.sample_batches),
		"control_socket", config->control.socket);
}

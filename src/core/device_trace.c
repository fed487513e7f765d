/* SPDX-License-Identifier: BSD-3-Clause */
/* A trace as a device: a simulated DAG card of this process plays the file, net_dag receives from it. The
 * driver sees nothing but the card; the card's state (waiting, finished, failed) is asked for here.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "core/device.h"
#include "pmd_dag/sim/dag_sim.h"

// numbers that no DAG_SIM_CARDS file of a person will use
#define FIRST_CARD 9000

#define OWN_BUFFER_MB 8

static const char *card_name(const struct hm_device *d)
{
	static _Thread_local char name[16];

	snprintf(name, sizeof(name), "dag%u", FIRST_CARD + d->index);
	return name;
}

const char *hm_device_trace_port(const struct hm_device *d)
{
	static _Thread_local char name[24];

	snprintf(name, sizeof(name), "net_dag_trace%u", d->index);
	return name;
}

void hm_device_trace_unplug(const struct hm_device *d)
{
	rte_eal_hotplug_remove("vdev", hm_device_trace_port(d));
}

int hm_device_trace_add(struct hm_device *d, char *vdev_args, size_t size, struct hm_error *err)
{
	const struct hm_device_config *c = d->config;
	struct dag_sim_card card = DAG_SIM_CARD_DEFAULTS;
	struct dag_sim_status status;
	struct hm_error cause;
	int ret;

	if (d->own) { // fed while it is read: loading it would keep the control core from its work
		card.fd = d->fd;
		card.buffer_mb = OWN_BUFFER_MB;
	} else {
		card.path = c->where;
	}
	card.pace = c->pace;
	card.loop = c->loop;
	card.streams = c->queues;
	card.fcs = 0;
	card.hold = true;
	ret = dag_sim_card_add(card_name(d), &card, &cause);
	if (ret < 0)
		return hm_error_set(err, ret, 6155, "%s", cause.text);
	d->fd = -1;
	dag_sim_card_status(card_name(d), &status);
	d->link = status.link;
	snprintf(vdev_args, size, "lib=libdag_sim.so,card=%s,fcs=0,flush=0,sequence=card",
		 card_name(d));
	return 0;
}

int hm_device_trace_start(struct hm_device *d, struct hm_error *err)
{
	int ret = dag_sim_card_start(card_name(d));

	return ret < 0 ? hm_error_set(err, ret, 1026, "trace %s cannot be started", d->config->name)
		       : 0;
}

const _Atomic uint64_t *hm_device_trace_floor(const struct hm_device *d, uint16_t queue)
{
	return dag_sim_stream_floor(card_name(d), queue);
}

bool hm_device_trace_ended(struct hm_device *d)
{
	struct dag_sim_status status;

	if (dag_sim_card_status(card_name(d), &status) < 0)
		return true;
	if (status.state == DAG_SIM_FAILED)
		memcpy(d->error, status.error, sizeof(d->error));
	return status.state == DAG_SIM_FINISHED || status.state == DAG_SIM_FAILED;
}

void hm_device_trace_remove(struct hm_device *d)
{
	dag_sim_card_remove(card_name(d));
}

json_t *hm_device_trace_json(const struct hm_device *d)
{
	struct dag_sim_status status;

	if (dag_sim_card_status(card_name(d), &status) < 0)
		return json_object();
	return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:b}", "file", d->config->where, "packets",
			 (json_int_t)status.packets, "skipped", (json_int_t)status.skipped,
			 "corrected", (json_int_t)status.corrected, "cut", (json_int_t)status.cut,
			 "laps", (json_int_t)status.laps, "preloaded", status.preloaded);
}

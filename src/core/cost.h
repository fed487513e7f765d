/* SPDX-License-Identifier: BSD-3-Clause */
/* cost: what flows cost a worker, in cycles a packet of their device: measured of those that run, predicted of those
 * that do not yet. Measured is what the batches that were timed took (stopwatch.h). Predicted is a model of cycles a
 * batch and cycles a packet, as the function says or as most of its kind, times what the same function was
 * measured to take of it elsewhere. Control core only.
 */
#pragma once

#include "core/flow.h"

struct hm_flow_cost {
	double own;    // entries that no other flow has
	double shared; // its part of entries that others have, too, and of the stages of the device
	double cycles; // both
	double worker; // part of one worker, at the packets a second that the device has now
};

/* What the device's timed batches took, all workers: packets and batches, and cycles of all stages but filters and
 * patterns. */
void hm_cost_device(const struct hm_device *d, struct hm_sample *sum);
void hm_cost_stage(const struct hm_device *d, enum hm_stage stage, struct hm_sample *sum);
void hm_cost_node(const struct hm_node *n, struct hm_sample *sum);

/* Cycles a packet of the device that the node takes, by measurement; < 0: nothing was timed since it came. */
double hm_cost_measured(const struct hm_device *d, const struct hm_node *n);
/* The same by the model, if as many packets and batches reach it as did, or as reach such a function otherwise. */
double hm_cost_predicted(const struct hm_device *d, const struct hm_node *n);

/* What the stages of filters and patterns take more for a node that one flow alone has; 0 for others. */
double hm_cost_more_scans(const struct hm_device *d, const struct hm_node *n);
/* Cycles a packet as a part of one worker, at the packets a second that the device has now. */
double hm_cost_worker_part(const struct hm_device *d, double cycles);

/* Of a flow that is connected. False: nothing was timed since it came. */
bool hm_flow_cost_measured(const struct hm_flow *f, struct hm_flow_cost *c);
/* Of a flow whose instances have their nodes, connected or about to be: what its own entries will cost. `shared` is
 * what the stages of filters and patterns will take more for it; entries that others have already cost nothing. */
void hm_flow_cost_predicted(const struct hm_flow *f, struct hm_flow_cost *c);

/* Takes what all functions were measured to cost into the model; about once a second. */
void hm_cost_learn(struct hm_engine *e);
/* Packets a second of the device; about once a second. */
void hm_cost_watch_rate(struct hm_device *d, double seconds);

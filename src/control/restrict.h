/* SPDX-License-Identifier: BSD-3-Clause */
/* restrict: what users with a policy (core/policy.h) are told and may touch. Their packets have been through the policy's
 * functions whatever they do; this is about everything else: other users' flows, devices that they do not have, and what
 * the daemon says of itself. */
#pragma once

#include <grp.h>

#include "control/rpc.h"

/* Finds the policy of a peer whose owner is set, which is in these groups. */
/* False: no memory, and nobody knows what it may see. */
bool hm_peer_set_groups(struct hm_peer *p, const gid_t *groups, size_t n);
void hm_peer_forget_groups(struct hm_peer *p);
enum hm_role hm_peer_role(const struct hm_peer *p);

/* Whether results and packets of the flow are for the peer. */
bool hm_peer_owns(const struct hm_peer *p, const struct hm_flow *f);
bool hm_peer_has_device(const struct hm_peer *p, const struct hm_device *d);

/* The configuration in force has other policies than before: flows that would have another one now are closed. */
void hm_control_policies_changed(struct hm_control *c);

/* What of such answers is for the peer. They are changed, and returned. */
json_t *hm_restrict_devices(const struct hm_peer *p, json_t *devices);
json_t *hm_restrict_flows(const struct hm_peer *p, json_t *flows);
json_t *hm_restrict_ledger(const struct hm_peer *p, json_t *ledger);
json_t *hm_restrict_explain(const struct hm_peer *p, json_t *explained);

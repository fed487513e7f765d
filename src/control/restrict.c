/* SPDX-License-Identifier: BSD-3-Clause */
/* restrict: see restrict.h. */
#include "control/restrict.h"

#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/policy.h"

HM_LOG_TYPE(policy);

/* --- whose policy --- */

bool hm_peer_set_groups(struct hm_peer *p, const gid_t *groups, size_t n)
{
	p->groups = malloc((n + 1) * sizeof(*groups));
	if (!p->groups)
		return false;
	p->n_groups = n;
	memcpy(p->groups, groups, n * sizeof(*groups));
	if (!p->owner.administrator)
		p->owner.policy =
			hm_policy_get(hm_roles_policy(&p->control->roles, p->owner.uid, groups, n));
	return true;
}

void hm_peer_forget_groups(struct hm_peer *p)
{
	free(p->groups);
	p->groups = NULL;
	hm_policy_put(p->owner.policy);
	p->owner.policy = NULL;
}

enum hm_role hm_peer_role(const struct hm_peer *p)
{
	if (p->owner.administrator)
		return HM_ROLE_ADMINISTRATOR;
	return p->owner.policy ? HM_ROLE_RESTRICTED : HM_ROLE_READER;
}

bool hm_peer_owns(const struct hm_peer *p, const struct hm_flow *f)
{
	const struct hm_owner *owner = hm_flow_owner(f);
	if (p->owner.administrator)
		return true;
	if (owner->uid != p->owner.uid || owner->configured)
		return false;
	// the same user in other groups may have seen more
	return !p->owner.policy || hm_policy_equal(owner->policy, p->owner.policy);
}

bool hm_peer_has_device(const struct hm_peer *p, const struct hm_device *d)
{
	return !p->owner.policy || hm_device_owner(d) ||
	       hm_policy_has_device(p->owner.policy, hm_device_name(d));
}

/* --- other policies --- */

static void close_flows(struct hm_control *c, const struct hm_peer *p)
{
	struct hm_flow *f = NULL, *next;
	for (f = hm_flow_next(c->engine, NULL); f; f = next) {
		next = hm_flow_next(c->engine, f);
		if (hm_flow_owner(f)->client == p->owner.client)
			hm_control_close_flow(c, f, NULL, NULL);
	}
}

static void look_again(struct hm_control *c, struct hm_peer *p)
{
	struct hm_policy *old = p->owner.policy;
	if (p->owner.administrator)
		return;
	p->owner.policy =
		hm_policy_get(hm_roles_policy(&c->roles, p->owner.uid, p->groups, p->n_groups));
	if (!hm_policy_equal(old, p->owner.policy)) {
		HM_LOG(NOTICE, "policy of uid=%u is %s now, its flows are closed", p->owner.uid,
		       p->owner.policy ? hm_policy_name(p->owner.policy) : "none");
		p->policy_changed = true;
		close_flows(c, p);
	}
	hm_policy_put(old);
}

void hm_control_policies_changed(struct hm_control *c)
{
	struct hm_flow *f, *next;
	for (struct hm_peer *p = c->peers; p; p = p->next)
		look_again(c, p);
	// nobody knows any more which groups the user of a persistent flow was in
	for (f = hm_flow_next(c->engine, NULL); f; f = next) {
		const struct hm_owner *owner = hm_flow_owner(f);
		next = hm_flow_next(c->engine, f);
		if (owner->client == 0 && !owner->configured && !owner->administrator) {
			HM_LOG(NOTICE, "flow %u of uid=%u is closed: policies have changed",
			       hm_flow_id(f), owner->uid);
			hm_control_close_flow(c, f, NULL, NULL);
		}
	}
}

/* --- answers --- */

typedef bool (*keep_cb)(const struct hm_peer *p, const json_t *line);

static void keep(const struct hm_peer *p, json_t *list, keep_cb is_kept)
{
	for (size_t i = json_array_size(list); i-- > 0;)
		if (!is_kept(p, json_array_get(list, i)))
			json_array_remove(list, i);
}

static bool is_device(const struct hm_peer *p, const json_t *line)
{
	const char *name = json_string_value(json_object_get(line, "name"));
	return json_object_get(line, "owner") ||
	       (name && hm_policy_has_device(p->owner.policy, name));
}

/* A line of one of its flows, about a function that it has applied itself. */
static bool is_own(const struct hm_peer *p, const json_t *line)
{
	struct hm_error gone;
	const json_t *function = json_object_get(line, "function");
	const struct hm_flow *f =
		hm_flow_find(p->control->engine, json_object_get(line, "flow"), &gone);
	return f && hm_peer_owns(p, f) && (!function || json_integer_value(function) > 0);
}

json_t *hm_restrict_devices(const struct hm_peer *p, json_t *devices)
{
	if (p->owner.policy)
		keep(p, devices, is_device);
	return devices;
}

/* One flow or a list of them. */
json_t *hm_restrict_flows(const struct hm_peer *p, json_t *flows)
{
	json_t *flow;
	size_t i;
	if (p->owner.administrator)
		return flows;
	if (p->owner.policy && json_is_array(flows))
		keep(p, flows, is_own);
	json_object_del(flows, "policy");
	json_array_foreach (flows, i, flow)
		json_object_del(flow, "policy");
	return flows;
}

static bool all_balanced(const json_t *ledger)
{
	const char *key;
	json_t *list, *line;
	size_t i;
	json_object_foreach ((json_t *)ledger, key, list)
		json_array_foreach (list, i, line)
			if (json_is_false(json_object_get(line, "balanced")))
				return false;
	return true;
}

json_t *hm_restrict_ledger(const struct hm_peer *p, json_t *ledger)
{
	static const char *const of_flows[] = {"entries", "readers", "netflow",
					       "order",   "files",   "held"};
	if (!p->owner.policy)
		return ledger;
	keep(p, json_object_get(ledger, "devices"), is_device);
	json_array_clear(json_object_get(ledger, "inject"));
	for (size_t i = 0; i < sizeof(of_flows) / sizeof(of_flows[0]); i++)
		keep(p, json_object_get(ledger, of_flows[i]), is_own);
	json_object_set_new(ledger, "balanced", json_boolean(all_balanced(ledger)));
	return ledger;
}

static bool names_own(const struct hm_peer *p, const json_t *entry)
{
	json_t *flows = json_object_get(entry, "flows");
	keep(p, flows, is_own);
	return json_array_size(flows) > 0;
}

/* Entries that are left begin where the policy's end. */
static void close_gaps(json_t *entries)
{
	json_t *known = json_object(), *entry;
	size_t i;
	char key[24];
	json_array_foreach (entries, i, entry) {
		snprintf(key, sizeof(key), "%lld",
			 (long long)json_integer_value(json_object_get(entry, "parent")));
		if (!json_object_get(known, key))
			json_object_set_new(entry, "parent", json_integer(0));
		snprintf(key, sizeof(key), "%lld",
			 (long long)json_integer_value(json_object_get(entry, "entry")));
		json_object_set_new(known, key, json_true());
		json_object_set_new(
			entry, "n_flows",
			json_integer((json_int_t)json_array_size(json_object_get(entry, "flows"))));
	}
	json_decref(known);
}

json_t *hm_restrict_explain(const struct hm_peer *p, json_t *explained)
{
	json_t *device;
	size_t i;
	if (!p->owner.policy)
		return explained;
	json_array_foreach (json_object_get(explained, "devices"), i, device) {
		keep(p, json_object_get(device, "entries"), names_own);
		close_gaps(json_object_get(device, "entries"));
	}
	return explained;
}

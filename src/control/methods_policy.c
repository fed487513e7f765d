/* SPDX-License-Identifier: BSD-3-Clause */
/* methods_policy: the policies in force, and who has them. */
#include <string.h>

#include "control/restrict.h"
#include "core/policy.h"
#include "core/registry.h"

static const struct hm_key no_params[] = {
	{0},
};

static json_t *strings(const struct hm_strings *from)
{
	json_t *list = json_array();
	for (size_t i = 0; i < from->n; i++)
		json_array_append_new(list, json_string(from->at[i]));
	return list;
}

/* With secrets left out. */
static json_t *functions_shown(const json_t *functions)
{
	json_t *list = json_array(), *call;
	size_t i;
	json_array_foreach ((json_t *)functions, i, call) {
		const json_t *name = json_array_get(call, 0);
		const struct hm_function *fn = hm_function_find(json_string_value(name));
		json_t *args = json_copy(call), *shown = json_pack("[O]", name), *all;
		json_array_remove(args, 0);
		all = fn ? hm_args_shown(fn, args) : json_array();
		json_array_extend(shown, all);
		json_array_append_new(list, shown);
		json_decref(all);
		json_decref(args);
	}
	return list;
}

static json_int_t count_connections(const struct hm_control *c, const char *name)
{
	json_int_t n = 0;
	for (const struct hm_peer *p = c->peers; p; p = p->next)
		n += p->owner.policy && strcmp(hm_policy_name(p->owner.policy), name) == 0;
	return n;
}

static json_int_t count_flows(struct hm_control *c, const char *name)
{
	json_int_t n = 0;
	for (struct hm_flow *f = hm_flow_next(c->engine, NULL); f; f = hm_flow_next(c->engine, f)) {
		const struct hm_policy *p = hm_flow_owner(f)->policy;
		n += p && strcmp(hm_policy_name(p), name) == 0;
	}
	return n;
}

static void policy_list(struct hm_call *c, const json_t *params)
{
	struct hm_control *control = c->peer->control;
	json_t *list = json_array();
	for (size_t i = 0; i < control->config->n_policies; i++) {
		const struct hm_policy_config *p = &control->config->policies[i];
		json_array_append_new(
			list,
			json_pack("{s:s, s:o, s:o, s:b, s:o, s:o, s:o, s:I, s:I, s:I}", "name",
				  p->name, "users", strings(&p->users), "functions",
				  functions_shown(p->functions), "payload", p->payload, "devices",
				  strings(&p->devices), "allow", strings(&p->allow), "refuse",
				  strings(&p->refuse), "max_keep_s", (json_int_t)p->max_keep_s,
				  "connections", count_connections(control, p->name), "flows",
				  count_flows(control, p->name)));
	}
	hm_call_result(c, list);
}

const struct hm_method hm_methods_policy[] = {
	{"policy.list", HM_ROLE_ADMINISTRATOR, no_params, policy_list,
	 "the policies: what their users see, and how many connections and flows have them"},
	{0},
};

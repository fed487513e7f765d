/* SPDX-License-Identifier: BSD-3-Clause */
/* methods_device: the methods about devices and about the functions there are. */
#include "control/rpc.h"
#include "core/function.h"

static const struct hm_key device_params[] = {
	{.name = "device",
	 .type = HM_KEY_WHICH,
	 .required = true,
	 .help = "a device, by name or number"},
	{0},
};

static const struct hm_key function_params[] = {
	{.name = "function",
	 .type = HM_KEY_STRING,
	 .required = true,
	 .min = 1,
	 .max = 128,
	 .help = "the name of a function, in any case"},
	{0},
};

static const struct hm_key no_params[] = {
	{0},
};

static void device_list(struct hm_call *c, const json_t *params)
{
	hm_call_result(c, hm_device_list(c->peer->control->engine));
}

static void switch_device(struct hm_call *c, const json_t *params,
			  int (*change)(struct hm_device *, struct hm_error *), const char *status)
{
	struct hm_error err = {0};
	struct hm_device *d =
		hm_device_find(c->peer->control->engine, json_object_get(params, "device"), &err);
	if (!d || change(d, &err) < 0)
		hm_call_fail(c, &err);
	else
		hm_call_result(c, json_pack("{s:s}", "status", status));
}

static void device_start(struct hm_call *c, const json_t *params)
{
	switch_device(c, params, hm_device_start, "started");
}

static void device_stop(struct hm_call *c, const json_t *params)
{
	switch_device(c, params, hm_device_stop, "stopped");
}

static void function_list(struct hm_call *c, const json_t *params)
{
	json_t *list = json_array();
	for (const struct hm_function *f = hm_function_next(NULL); f; f = hm_function_next(f))
		json_array_append_new(list, hm_function_describe(f));
	hm_call_result(c, list);
}

static void function_info(struct hm_call *c, const json_t *params)
{
	const char *name = json_string_value(json_object_get(params, "function"));
	const struct hm_function *f = hm_function_find(name);
	if (f)
		hm_call_result(c, hm_function_describe(f));
	else
		hm_call_refuse(
			c, HM_RPC_FAILED, json_pack("{s:i}", "mapi_errno", 6144),
			"there is no function \"%.64s\"; function.list tells which there are",
			name);
}

const struct hm_method hm_methods_device[] = {
	{"device.list", HM_ROLE_READER, no_params, device_list, "all devices and their state"},
	{"device.start", HM_ROLE_ADMINISTRATOR, device_params, device_start,
	 "starts a device: a trace that waits begins"},
	{"device.stop", HM_ROLE_ADMINISTRATOR, device_params, device_stop, "stops a device"},
	{"function.list", HM_ROLE_READER, no_params, function_list,
	 "all functions with arguments and results"},
	{"function.info", HM_ROLE_READER, function_params, function_info, "one function"},
	{0},
};

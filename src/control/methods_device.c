/* SPDX-License-Identifier: BSD-3-Clause */
/* methods_device: the methods about devices and about the functions there are. */
#include <stdio.h>

#include "control/config.h"
#include "control/restrict.h"
#include "core/handed.h"
#include "core/registry.h"

static const struct hm_key device_params[] = {
	{.name = "device",
	 .type = HM_KEY_WHICH,
	 .required = true,
	 .help = "a device, by name or number"},
	{0},
};

static const struct hm_key create_params[] = {
	{.name = "name",
	 .type = HM_KEY_STRING,
	 .min = 1,
	 .max = HM_DEVICE_LABEL_MAX,
	 .fallback = "\"trace\"",
	 .help = "what it is called, for people; \"@\" and its number are added"},
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
	hm_call_result(c, hm_restrict_devices(c->peer, hm_device_list(c->peer->control->engine,
								      &c->peer->owner)));
}

/* The device, if the caller may change it; else the call is answered. */
static struct hm_device *find_own_device(struct hm_call *c, const json_t *params)
{
	const struct hm_owner *who = &c->peer->owner;
	struct hm_error err = {0};
	struct hm_device *d = hm_device_find(c->peer->control->engine, who,
					     json_object_get(params, "device"), &err);
	if (!d)
		hm_call_fail(c, &err);
	else if (who->administrator || hm_device_owner(d))
		return d;
	else
		hm_call_refuse(c, HM_RPC_RIGHTS, NULL,
			       "device %s is the configuration's: only administrators may do this",
			       hm_device_name(d));
	return NULL;
}

static void switch_device(struct hm_call *c, const json_t *params,
			  int (*change)(struct hm_device *, struct hm_error *), const char *status)
{
	struct hm_error err = {0};
	struct hm_device *d = find_own_device(c, params);
	if (!d)
		return;
	if (change(d, &err) < 0)
		hm_call_fail(c, &err);
	else
		hm_call_result(c, json_pack("{s:s}", "status", status));
}

/* A client's words, which logs and terminals will show: no control characters, those of UTF-8 neither. */
static void copy_label(char to[HM_DEVICE_LABEL_MAX + 1], const json_t *params)
{
	const char *label = json_string_value(json_object_get(params, "name"));
	char before = '\0', *c;
	snprintf(to, HM_DEVICE_LABEL_MAX + 1, "%s", label ? label : "trace");
	for (c = to; *c; c++) {
		const unsigned char byte = (unsigned char)*c;
		if (byte < ' ' || byte == 0x7f)
			*c = '?';
		else if (before == '\xc2' && byte < 0xa0)
			c[-1] = *c = '?';
		before = *c;
	}
}

static void device_create(struct hm_call *c, const json_t *params)
{
	struct hm_control *control = c->peer->control;
	struct hm_new_device new = {.release = hm_config_free_trace,
				    .owner = c->peer->owner,
				    .max = control->config->control.max_devices_per_client};
	struct hm_error err = {0};
	char label[HM_DEVICE_LABEL_MAX + 1];
	if (control->stopping || c->peer->handed.n != 1) {
		hm_call_refuse(c, HM_RPC_FAILED,
			       json_pack("{s:i}", "mapi_errno", control->stopping ? 6140 : 6156),
			       "%s",
			       control->stopping
				       ? "the daemon is stopping"
				       : "one descriptor, of the trace, must come with this line");
		return;
	}
	copy_label(label, params);
	new.config = hm_config_trace(label);
	if (!new.config) {
		hm_call_refuse(c, HM_RPC_INTERNAL, NULL, "out of memory");
		return;
	}
	new.fd = hm_handed_fd(c->peer->handed.at[0]);
	struct hm_device *d = hm_device_create(control->engine, &new, &err);
	if (d)
		hm_call_result(c, json_pack("{s:I, s:s}", "device", (json_int_t)hm_device_number(d),
					    "name", hm_device_name(d)));
	else
		hm_call_fail(c, &err);
}

void hm_control_delete_device(struct hm_control *control, struct hm_device *d, hm_done_cb done,
			      void *arg)
{
	struct hm_flow *f;
	while ((f = hm_device_flow(d)))
		hm_control_close_flow(control, f, NULL, NULL);
	hm_device_delete(d, done, arg);
}

static void deleted(void *arg, const struct hm_error *err)
{
	hm_call_result(arg, json_object());
}

static void device_delete(struct hm_call *c, const json_t *params)
{
	struct hm_device *d = find_own_device(c, params);
	if (!d)
		return;
	if (!hm_device_owner(d)) {
		hm_call_refuse(
			c, HM_RPC_FAILED, NULL,
			"device %s is the configuration's: it stays as long as the daemon runs",
			hm_device_name(d));
		return;
	}
	hm_control_delete_device(c->peer->control, d, deleted, c);
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

static void library_list(struct hm_call *c, const json_t *params)
{
	hm_call_result(c, hm_function_libraries());
}

const struct hm_method hm_methods_device[] = {
	{"device.list", HM_ROLE_RESTRICTED, no_params, device_list, "all devices and their state"},
	{"device.create", HM_ROLE_RESTRICTED, create_params, device_create,
	 "makes a device of a trace that the client has opened", true},
	{"device.start", HM_ROLE_RESTRICTED, device_params, device_start,
	 "starts a device: a trace that waits begins"},
	{"device.stop", HM_ROLE_RESTRICTED, device_params, device_stop, "stops a device"},
	{"device.delete", HM_ROLE_RESTRICTED, device_params, device_delete,
	 "removes a device that a client has made, and closes its flows"},
	{"function.list", HM_ROLE_RESTRICTED, no_params, function_list,
	 "all functions with arguments and results"},
	{"library.list", HM_ROLE_RESTRICTED, no_params, library_list,
	 "MAPI's function libraries and what they have"},
	{"function.info", HM_ROLE_RESTRICTED, function_params, function_info, "one function"},
	{0},
};

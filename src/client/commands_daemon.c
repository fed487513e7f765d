/* SPDX-License-Identifier: BSD-3-Clause */
/* commands_daemon: homardctl's commands about the daemon, its devices and its functions. */
#include <stdio.h>
#include <string.h>

#include "client/commands.h"
#include "client/print.h"

static int version(struct hm_ctl *ctl, int argc, char **argv)
{
	return hm_ctl_call(ctl, "version", NULL, NULL);
}

static int memory(struct hm_ctl *ctl, int argc, char **argv)
{
	return hm_ctl_call(ctl, "memory", NULL, NULL);
}

static int methods(struct hm_ctl *ctl, int argc, char **argv)
{
	struct hm_error err = {0};
	if (ctl->json)
		return hm_ctl_call(ctl, "method.list", NULL, NULL);
	json_t *list = hm_client_call(ctl->client, "method.list", NULL, &err), *m;
	struct hm_table t;
	size_t i;
	if (!list)
		return hm_ctl_failed(ctl, &err);
	hm_table_start(&t, "METHOD|ROLE|HELP");
	json_array_foreach (list, i, m) {
		const char *method = "?", *role = "?", *help = "?";
		json_unpack(m, "{s:s, s:s, s:s}", "method", &method, "role", &role, "help", &help);
		hm_table_cell(&t, "%s", method);
		hm_table_cell(&t, "%s", role);
		hm_table_cell(&t, "%s", help);
	}
	hm_table_print(&t);
	json_decref(list);
	return HM_EXIT_OK;
}

static int devices(struct hm_ctl *ctl, int argc, char **argv)
{
	return hm_ctl_call(ctl, "device.list", NULL, NULL);
}

static int policies(struct hm_ctl *ctl, int argc, char **argv)
{
	return hm_ctl_call(ctl, "policy.list", NULL, NULL);
}

static json_t *device(const char *name)
{
	return json_pack("{s:o}", "device", hm_ctl_which(name));
}

static int device_start(struct hm_ctl *ctl, int argc, char **argv)
{
	return hm_ctl_call(ctl, "device.start", device(argv[0]), NULL);
}

static int device_stop(struct hm_ctl *ctl, int argc, char **argv)
{
	return hm_ctl_call(ctl, "device.stop", device(argv[0]), NULL);
}

static void print_functions(const json_t *list)
{
	struct hm_table t;
	json_t *f;
	size_t i;
	hm_table_start(&t, "FUNCTION|LIBRARY|SUMMARY");
	json_array_foreach ((json_t *)list, i, f) {
		const char *name = "?", *library = "?", *summary = "";
		json_unpack(f, "{s:s, s?s, s?s}", "name", &name, "library", &library, "summary",
			    &summary);
		hm_table_cell(&t, "%s", name);
		hm_table_cell(&t, "%s", library);
		hm_table_cell(&t, "%s", summary);
	}
	hm_table_print(&t);
}

static int functions(struct hm_ctl *ctl, int argc, char **argv)
{
	if (argc == 0)
		return hm_ctl_call(ctl, "function.list", NULL, print_functions);
	return hm_ctl_call(ctl, "function.info", json_pack("{s:s}", "function", argv[0]), NULL);
}

static int reload(struct hm_ctl *ctl, int argc, char **argv)
{
	return hm_ctl_call(ctl, "config.reload", NULL, NULL);
}

static int log_level(struct hm_ctl *ctl, int argc, char **argv)
{
	json_t *params = json_object();
	if (argc == 2)
		json_object_set_new(params, "type", json_string(argv[0]));
	if (argc > 0)
		json_object_set_new(params, "level", json_string(argv[argc - 1]));
	return hm_ctl_call(ctl, "log.level", params, NULL);
}

static int shutdown_daemon(struct hm_ctl *ctl, int argc, char **argv)
{
	return hm_ctl_call(ctl, "shutdown", NULL, NULL);
}

/* Any method, with its parameters as JSON. */
static int call(struct hm_ctl *ctl, int argc, char **argv)
{
	json_error_t where;
	json_t *params = NULL;
	if (argc == 2 && !(params = json_loads(argv[1], 0, &where)))
		return hm_ctl_usage(ctl, "the parameters are no JSON: %s", where.text);
	return hm_ctl_call(ctl, argv[0], params, hm_ctl_print_json);
}

const struct hm_command hm_commands_daemon[] = {
	{"version", "", 0, 0, version, "versions of daemon, protocol and DPDK"},
	{"devices", "", 0, 0, devices, "all devices and their state"},
	{"device start", "DEVICE", 1, 1, device_start,
	 "starts a device\nA trace that waits begins; connect its flows first.\n"},
	{"device stop", "DEVICE", 1, 1, device_stop, "stops a device"},
	{"policies", "", 0, 0, policies,
	 "what users may see, and how many connections and flows have each policy"},
	{"functions", "[FUNCTION]", 0, 1, functions,
	 "all functions, or arguments and results of one"},
	{"ledger", "", 0, 0, hm_ctl_ledger,
	 "where every packet and flow record went\n"
	 "Each line is a sum; exit code 1 if one of them does not balance.\n"},
	{"explain sample", "BATCHES", 1, 1, hm_ctl_explain_sample,
	 "how often a batch is timed for explain\n"
	 "One batch of so many on each worker; 0 switches it off.\n"},
	{"explain", "[FLOW]", 0, 1, hm_ctl_explain,
	 "where each function runs, with which flows it is shared, and what it costs\n"
	 "Cycles are cycles a packet of the device, of batches that were timed; \"a packet "
	 "there\"\n"
	 "is of the packets that reach the entry. docs/design/0009-explain.md has the details.\n"},
	{"memory", "", 0, 0, memory, "what the daemon has allocated"},
	{"reload", "", 0, 0, reload, "loads the configuration file again"},
	{"log", "[[TYPE] LEVEL]", 0, 2, log_level,
	 "shows or changes what the daemon logs\n"
	 "TYPE is a shell pattern (homard.*), LEVEL one of emergency, alert, critical, error,\n"
	 "warning, notice, info, debug. Without LEVEL the levels are shown.\n"},
	{"methods", "", 0, 0, methods, "all methods of the control protocol"},
	{"call", "METHOD [PARAMS]", 1, 2, call,
	 "calls any method, PARAMS is JSON\n\n  homardctl call flow.info '{\"flow\": \"web\"}'\n"},
	{"shutdown", "", 0, 0, shutdown_daemon,
	 "stops the daemon when everything received is counted and exported"},
	{0},
};

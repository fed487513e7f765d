/* SPDX-License-Identifier: BSD-3-Clause */
/* methods_daemon: the methods about the daemon as a whole. */
#include <fnmatch.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/restrict.h"
#include "core/version.h"

#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_malloc.h>

static json_t *versions(void)
{
	json_t *version = hm_version_json();
	json_object_set_new(version, "protocol", json_integer(HM_RPC_PROTOCOL));
	return version;
}

static void version(struct hm_call *c, const json_t *params)
{
	json_t *v = versions();
	uint64_t up_s = (uv_hrtime() - c->peer->control->started_ns) / 1000000000;
	json_object_set_new(v, "uptime_s", json_integer((json_int_t)up_s));
	json_object_set_new(v, "config", json_string(c->peer->control->config->file));
	hm_call_result(c, v);
}

static const struct hm_key hello_params[] = {
	{.name = "protocol",
	 .type = HM_KEY_INT,
	 .required = true,
	 .min = 1,
	 .max = 1000000,
	 .help = "the protocol's version that the client speaks"},
	{.name = "client",
	 .type = HM_KEY_STRING,
	 .min = 0,
	 .max = 256,
	 .help = "the client's name, for the log"},
	{0},
};

static void hello(struct hm_call *c, const json_t *params)
{
	const struct hm_peer *p = c->peer;
	json_int_t asked = json_integer_value(json_object_get(params, "protocol"));
	if (asked != HM_RPC_PROTOCOL) {
		hm_call_refuse(c, HM_RPC_FAILED, NULL,
			       "protocol %lld is not spoken here; version %d is", (long long)asked,
			       HM_RPC_PROTOCOL);
		return;
	}
	const struct hm_control_config *limits = &p->control->config->control;
	json_t *v = versions();
	json_object_set_new(v, "uid", json_integer(p->owner.uid));
	json_object_set_new(v, "role", json_string(hm_role_name(hm_peer_role(p))));
	json_object_set_new(
		v, "limits",
		json_pack("{s:I, s:I, s:I, s:i}", "line_bytes", (json_int_t)limits->max_line_bytes,
			  "flows", (json_int_t)limits->max_flows_per_client, "calls",
			  (json_int_t)limits->max_calls_per_client, "nesting", HM_RPC_NESTING_MAX));
	hm_call_result(c, v);
}

static void method_list(struct hm_call *c, const json_t *params)
{
	json_t *list = json_array();
	for (const struct hm_method *m = hm_method_next(NULL); m; m = hm_method_next(m))
		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:s, s:o}", "method", m->name, "help",
						m->help, "role", hm_role_name(m->role), "params",
						hm_keys_schema(m->params)));
	hm_call_result(c, list);
}

static void ledger(struct hm_call *c, const json_t *params)
{
	hm_call_result(c, hm_restrict_ledger(c->peer, hm_ledger(c->peer->control->engine)));
}

static void netflow_stats(struct hm_call *c, const json_t *params)
{
	hm_call_result(c, hm_netflow_stats(c->peer->control->engine));
}

static json_int_t resident_bytes(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	long long pages = 0;
	if (!f || fscanf(f, "%*d %lld", &pages) != 1)
		pages = 0;
	if (f)
		fclose(f);
	return pages * sysconf(_SC_PAGESIZE);
}

static void memory(struct hm_call *c, const json_t *params)
{
	struct mallinfo2 libc = mallinfo2();
	json_int_t used = 0, size = 0;
	for (unsigned i = 0; i < rte_socket_count(); i++) {
		struct rte_malloc_socket_stats s;
		if (rte_malloc_get_socket_stats(rte_socket_id_by_idx(i), &s) < 0)
			continue;
		used += (json_int_t)s.heap_allocsz_bytes;
		size += (json_int_t)s.heap_totalsz_bytes;
	}
	hm_call_result(c, json_pack("{s:{s:I, s:I}, s:I, s:I}", "heap", "used_bytes", used,
				    "size_bytes", size, "malloc_bytes",
				    (json_int_t)(libc.uordblks + libc.hblkhd), "resident_bytes",
				    resident_bytes()));
}

static void search_stats(struct hm_call *c, const json_t *params)
{
	hm_call_result(c, hm_search_stats(c->peer->control->engine));
}

static void config_reload(struct hm_call *c, const json_t *params)
{
	hm_control_reload(c->peer->control, c);
}

/* DPDK's levels, 1 to 8, as it names them. */
#define LEVELS "emergency|alert|critical|error|warning|notice|info|debug"

static const struct hm_key log_params[] = {
	{.name = "type",
	 .type = HM_KEY_STRING,
	 .min = 1,
	 .max = 128,
	 .fallback = "\"homard.*\"",
	 .help = "log types: a shell pattern; `*` are all of homard and DPDK"},
	{.name = "level",
	 .type = HM_KEY_CHOICE,
	 .choices = LEVELS,
	 .help = "what is logged from now on; without it nothing changes"},
	{0},
};

/* [{"type": "homard.device", "level": "notice"}, ...] of the types that match. DPDK has no other
 * list of them than this dump. */
static json_t *log_levels(const char *pattern)
{
	char *text = NULL, *rest, *line;
	size_t n = 0;
	json_t *list = json_array();
	FILE *f = open_memstream(&text, &n);
	if (!f)
		return list;
	rte_log_dump(f);
	fclose(f);
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		char type[128], level[32];
		if (sscanf(line, "id %*u: %127[^,], level is %31s", type, level) == 2 &&
		    fnmatch(pattern, type, 0) == 0)
			json_array_append_new(
				list, json_pack("{s:s, s:s}", "type", type, "level", level));
	}
	free(text);
	return list;
}

static void log_level(struct hm_call *c, const json_t *params)
{
	const char *pattern = json_string_value(json_object_get(params, "type"));
	const char *level = json_string_value(json_object_get(params, "level"));
	if (!pattern)
		pattern = "homard.*";
	if (level)
		rte_log_set_level_pattern(pattern, (uint32_t)hm_key_choice(LEVELS, level) + 1);
	json_t *list = log_levels(pattern);
	if (json_array_size(list) == 0) {
		hm_call_refuse(c, HM_RPC_FAILED, NULL, "no log type matches \"%.64s\"", pattern);
		json_decref(list);
		return;
	}
	hm_call_result(c, list);
}

static void shutdown_daemon(struct hm_call *c, const json_t *params)
{
	struct hm_control *control = c->peer->control;
	hm_call_result(c, json_pack("{s:s}", "status", "stopping"));
	hm_control_stop(control);
}

static const struct hm_key no_params[] = {
	{0},
};

const struct hm_method hm_methods_daemon[] = {
	{"hello", HM_ROLE_RESTRICTED, hello_params, hello,
	 "says which protocol the client speaks; answers with versions, role and limits"},
	{"version", HM_ROLE_RESTRICTED, no_params, version,
	 "versions of daemon, protocol and DPDK"},
	{"method.list", HM_ROLE_RESTRICTED, no_params, method_list,
	 "all methods with their parameters as JSON schema"},
	{"ledger", HM_ROLE_RESTRICTED, no_params, ledger,
	 "where every packet and flow record went"},
	{"netflow.stats", HM_ROLE_READER, no_params, netflow_stats,
	 "every FLOW_REPORT with its cache and exporters"},
	{"memory", HM_ROLE_READER, no_params, memory, "what the daemon has allocated"},
	{"search.stats", HM_ROLE_READER, no_params, search_stats,
	 "what is searched on each device, and what the cache of compiled patterns did"},
	{"config.reload", HM_ROLE_ADMINISTRATOR, no_params, config_reload,
	 "loads the configuration file again: flows, netflow, users and limits"},
	{"log.level", HM_ROLE_ADMINISTRATOR, log_params, log_level,
	 "shows or changes what is logged"},
	{"shutdown", HM_ROLE_ADMINISTRATOR, no_params, shutdown_daemon,
	 "stops the daemon when everything received is counted and exported"},
	{0},
};

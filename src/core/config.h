/* SPDX-License-Identifier: BSD-3-Clause */
/* config: what the operator's JSON file says, checked and with every default filled in. Filled by
 * src/control/config.c; read by everybody; never changed after it is loaded. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define HM_WORKERS_MAX 64
#define HM_DEVICES_MAX 32
#define HM_QUEUES_MAX  32
/* What fits into mapi_device_info_t. */
#define HM_DEVICE_ALIAS_MAX       255
#define HM_DEVICE_DESCRIPTION_MAX 1023
#define HM_DEVICE_LABEL_MAX       240 // "@" and a number follow

enum hm_hugepages { HM_HUGE_AUTO, HM_HUGE_ON, HM_HUGE_OFF };
enum hm_idle { HM_IDLE_DEFAULT, HM_IDLE_POLL, HM_IDLE_ADAPTIVE };
enum hm_source { HM_SOURCE_VDEV, HM_SOURCE_PCI, HM_SOURCE_TRACE };
/* Who may have packets sent out of a device. */
enum hm_inject { HM_INJECT_NOBODY, HM_INJECT_ADMINISTRATORS, HM_INJECT_EVERYBODY };

struct hm_strings {
	char **at;
	size_t n;
};

struct hm_eal_config {
	char *lcores;       // EAL's --lcores; first one is the control core
	uint32_t memory_mb; // EAL's -m
	enum hm_hugepages hugepages;
	struct hm_strings args; // more EAL arguments, as they are
};

/* Of what the flows of clients take. */
struct hm_memory_limits {
	uint32_t client_mb, total_mb;
};

struct hm_control_config {
	char *socket;
	mode_t mode;
	struct hm_strings administrators; // user names, "@group" or numbers; root and the daemon's
					  // user always are
	struct hm_strings readers;        // empty: everybody who can open the socket
	uint32_t max_devices_per_client;
	uint32_t max_clients, max_flows_per_client, max_calls_per_client, max_line_bytes;
	struct hm_memory_limits max_memory;
};

struct hm_search_config {
	char *cache_dir;   // "": none
	uint32_t cache_mb; // of its files
};

struct hm_capture_config {
	char *dir; // below which files are made, "": nowhere
};

/* Of every FLOW_REPORT whose flow does not say otherwise. */
struct hm_flow_report_config {
	uint32_t active_timeout_s, inactive_timeout_s, cache_entries, observation_domain;
};

struct hm_anonymize_config {
	char *key_file; // of ANONYMIZE's pseudonyms, "": a key of this run
};

struct hm_explain_config {
	uint32_t sample_batches; // one batch of so many is timed, 0: none
};

/* What may be spent: cycles a packet of the device, or a part of a worker's time; both 0: no limit. */
struct hm_budget {
	uint32_t cycles_per_packet;
	double worker_share;
};

enum hm_over_budget { HM_OVER_SAMPLE, HM_OVER_SUSPEND };

struct hm_admission_config {
	struct hm_budget budget; // of all flows of a device together
	int over_budget;         // enum hm_over_budget
};

#define HM_PRIORITY_DEFAULT 50
#define HM_PRIORITY_MAX     100

/* On which terms a flow runs. */
struct hm_terms {
	struct hm_budget budget;
	uint32_t priority; // 0 .. HM_PRIORITY_MAX
	int over_budget;   // enum hm_over_budget
};

struct hm_device_config {
	char *name;
	// what clients are told and homard does not use: MAPI's device info
	char *alias, *description; // "": none
	uint32_t link_speed_mbps;  // 0: what the port says
	bool mpls, vlan;
	enum hm_source source;
	char *where;     // vdev string, PCI address or trace path
	uint32_t queues; // receive queues, each polled by one worker
	uint32_t burst;  // packets a burst, 1..64
	uint32_t rx_descriptors;
	uint32_t snaplen; // room of a packet buffer
	uint32_t buffers; // mbufs a queue, 0: from descriptors and burst
	uint32_t tunnels; // set of enum hm_tunnel
	enum hm_idle idle;
	uint32_t order_slack_us; // how much older than others a queue's next packet may be
	enum hm_inject inject;
	// traces
	double pace;   // 0: as fast as the workers go ("max"), 1: "realtime", n: "xN"
	uint32_t loop; // times, 0: for ever
};

struct hm_flow_config {
	char *name;
	char *device;
	json_t *functions; // array of ["NAME", argument ...]
	char *path;        // JSON path, for errors ("flows[2]")
	struct hm_terms terms;
};

/* What users may see (policy.h). */
struct hm_policy_config {
	char *name;
	struct hm_strings users;                  // names, "@group", numbers, "*": everybody
	json_t *functions;                        // array of ["NAME", argument ...]
	struct hm_strings devices, allow, refuse; // empty: all, all, none
	bool payload;
	uint32_t max_keep_s; // of files with packets, 0: no limit
	char *path;          // JSON path, for errors ("policies[2]")
};

struct hm_config {
	char *file;
	struct hm_strings libraries; // absolute paths
	struct hm_eal_config eal;
	struct hm_control_config control;
	struct hm_search_config search;
	struct hm_capture_config capture;
	struct hm_flow_report_config flow_report;
	struct hm_anonymize_config anonymize;
	struct hm_explain_config explain;
	struct hm_admission_config admission;
	struct hm_device_config *devices;
	size_t n_devices;
	struct hm_policy_config *policies;
	size_t n_policies;
	struct hm_flow_config
		*flows; // "netflow" entries are in here, too, as flows ending in FLOW_REPORT
	size_t n_flows;
};

/* SPDX-License-Identifier: BSD-3-Clause */
/* device: a DPDK port set up for monitoring, and its lanes on the workers. A trace is a device like any
 * other: net_dag on a simulated card that replays the file. Control core only.
 */
#pragma once

#include <rte_ethdev.h>
#include <sys/queue.h>

#include "core/engine.h"
#include "core/governor.h"
#include "core/ordered.h"
#include "core/worker.h"

enum hm_device_state {
	HM_DEVICE_WAITING, // set up, nothing received yet
	HM_DEVICE_RUNNING,
	HM_DEVICE_FINISHED, // a trace whose last packet has been counted
	HM_DEVICE_STOPPED,
};

/* What a device that goes waits for. */
enum hm_leaving { HM_STAYS, HM_LEAVING_FLOWS, HM_LEAVING_WORKERS };

struct hm_generation; // of programs, see publish.c
struct hm_compile_job;

struct hm_device {
	TAILQ_ENTRY(hm_device) next; // of the engine's
	struct hm_engine *engine;
	const struct hm_device_config *config;
	uint32_t number; // for clients, from 1, never used again
	uint16_t index;  // of all there are now, below HM_DEVICES_MAX
	uint16_t port;
	enum hm_link link;
	enum hm_device_state state;
	// of a client, made at run time (devices.c); own is NULL for the configuration's
	struct hm_device_config *own;
	void (*release)(struct hm_device_config *c);
	struct hm_owner owner;
	int fd; // of its trace, until the card has it, or -1
	enum hm_leaving leaving;
	uint64_t token;  // of the quiescent state without its lanes
	hm_done_cb gone; // who waits for its end, or NULL
	void *gone_arg;
	bool lossless;            // the source waits: a trace at "max" pace
	bool want_start;          // as soon as the flows of the configuration are connected
	uint64_t wire_last;       // ipackets when last looked at
	bool wire_unknown;        // the driver's counters have gone backwards
	uint64_t received_last;   // by the workers, when last looked at
	double packets_per_s;     // between the last two looks
	char error[HM_ERROR_MAX]; // why the source ended early, empty if it did not

	struct rte_eth_dev_info info;
	struct rte_mempool *pools[HM_QUEUES_MAX];
	unsigned n_lanes;
	struct hm_lane *lanes[HM_WORKERS_MAX];
	struct hm_worker *workers[HM_WORKERS_MAX]; // of each lane

	struct hm_injector *injector; // NULL: nobody may send
	struct hm_ordered *ordered;   // NULL until a flow needs order across queues
	struct hm_nodes *nodes;       // of all its flows
	// publish.c
	uint32_t n_waiting;               // flows in the programs up to where they wait for others
	uint32_t n_connecting;            // flows that wait for their first packets
	uint32_t n_preparing;             // those of them that are preparing
	uint32_t fresh_max;               // of them that the next generation takes at most, 0: all
	bool dirty;                       // flows came or went since the last generation
	struct hm_generation *generation; // programs being replaced
	uint64_t last_generation, next_generation_tsc;
	struct {
		uint32_t flows, filters,
			patterns; // of the running programs, each as often as it is used
	} uses;
	// admission.c
	struct hm_governed_all governed;
	struct {
		struct hm_sample timed, filters, patterns;
		bool known;    // there was a look
		double shared; // cycles a packet that no gate could save
		double total;  // of all flows together
	} looked;
	struct hm_filter_index *filter_index; // of the next programs, NULL without filters
	// publish_patterns.c
	bool patterns_changed;            // flows with patterns came or went since the last look
	struct hm_search_store *patterns; // what its flows search, compiled
	struct hm_search_db *db; // the store's, of the next programs; NULL without patterns
	struct hm_searches
		*searches[HM_WORKERS_MAX]; // of each lane for db, handed from program to program
};

TAILQ_HEAD(hm_device_list, hm_device);

/* Finds or makes the port, configures queues and pools. engine, config, index and fd are set. 0, or negative errno
 * with err. */
int hm_device_init(struct hm_device *d, struct hm_error *err);
/* Gives each queue to a worker, round robin from *next_worker on. No worker knows of it yet. */
int hm_device_assign(struct hm_device *d, struct hm_worker *const *workers, unsigned n_workers,
		     unsigned *next_worker, struct hm_error *err);
/* struct hm_apply_ctx has it, with a flow as `place`. */
int hm_flow_injector(const struct hm_apply_ctx *ctx, const char *device, struct hm_injector **found,
		     struct hm_error *err);
/* The workers poll its lanes from now on, or no longer. */
void hm_device_show(struct hm_device *d);
void hm_device_hide(struct hm_device *d);
int hm_device_launch(struct hm_device *d, struct hm_error *err); // rte_eth_dev_start, lanes run
/* Stops taking packets and goes on again; flows stay connected. A trace waits meanwhile. */
int hm_device_pause(struct hm_device *d, struct hm_error *err);
int hm_device_resume(struct hm_device *d, struct hm_error *err);
/* Looks whether the source has ended; once a millisecond or so. Returns true when the state changed. */
bool hm_device_look(struct hm_device *d);
void hm_device_halt(struct hm_device *d); // workers have stopped polling
void hm_device_fini(struct hm_device *d);

/* Who runs packets in an order across queues; made when they are first asked for. NULL with err. */
struct hm_runners *hm_device_runners(struct hm_device *d, enum hm_order_kind kind,
				     struct hm_error *err);

const char *hm_device_state_name(const struct hm_device *d);
/* Sum over all queues. */
void hm_device_rx(const struct hm_device *d, struct hm_rx_counts *c);
/* What the device says was on the wire: received and lost by cause. */
/* Reads the driver's counters and notices when they have begun again; at least once a second. */
void hm_device_watch_wire(struct hm_device *d, struct rte_eth_stats *s);
json_t *hm_device_wire(struct hm_device *d, uint64_t *received);

/* Bytes of packet buffers that a device will take, and their number a queue; needs no EAL. */
uint64_t hm_device_memory(const struct hm_device_config *config, uint32_t *buffers, uint32_t *room);
bool hm_device_zero_copy(const struct hm_device_config *config);
/* As far as its configuration says; cards for monitoring and traces do not. */
bool hm_device_sends(const struct hm_device_config *config);
/* Whether a flow's owner may have packets sent out of it; 7001. */
int hm_device_may_inject(const struct hm_device_config *config, bool administrator,
			 struct hm_error *err);

/* --- device_clock.c --- */
bool hm_device_clock_readable(const struct hm_device *d);
/* First look, 10 ms long, before the lanes run; then again about once a second. */
void hm_device_clock_init(struct hm_device *d);
void hm_device_clock_calibrate(struct hm_device *d);

/* --- device_trace.c --- */
int hm_device_trace_add(struct hm_device *d, char *vdev_args, size_t size, struct hm_error *err);
int hm_device_trace_start(struct hm_device *d, struct hm_error *err);
const _Atomic uint64_t *hm_device_trace_floor(const struct hm_device *d, uint16_t queue);
bool hm_device_trace_ended(struct hm_device *d); // fills d->error if it ended early
const char *hm_device_trace_port(const struct hm_device *d);
/* The port has been closed: its name may be used again. */
void hm_device_trace_unplug(const struct hm_device *d);
void hm_device_trace_remove(struct hm_device *d);
json_t *hm_device_trace_json(const struct hm_device *d);

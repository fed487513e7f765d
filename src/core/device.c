/* SPDX-License-Identifier: BSD-3-Clause */
/* Ports: found or made, set up for monitoring (promiscuous, symmetric RSS, nothing stripped or merged). */
#include "core/device.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <rte_dev.h>
#include <rte_malloc.h>
#include <rte_mbuf_dyn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/engine_internal.h"
#include "core/injector.h"
#include "core/log.h"
#include "core/ordered.h"
#include "pmd_dag/net_dag.h"

HM_LOG_TYPE(device)

#define DESCRIPTORS_DEFAULT 1024
#define POOL_CACHE          256
#define RSS_WANTED          (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_SCTP)

/* S. Woo, K. Park, "Scalable TCP session monitoring with symmetric receive-side scaling", 2012: this
 * key gives both directions of a connection the same hash. */
static void symmetric_key(uint8_t *key, unsigned length)
{
	for (unsigned i = 0; i < length; i++)
		key[i] = i & 1 ? 0x5a : 0x6d;
}

/* A card by its own name: dag0, dag0:2, /dev/dag0:2. Those are names of no DPDK driver. */
static bool is_card_name(const char *where)
{
	if (!strncmp(where, "/dev/", 5))
		where += 5;
	return !strncmp(where, "dag", 3) && isdigit((unsigned char)where[3]);
}

bool hm_device_sends(const struct hm_device_config *config)
{
	return config->source == HM_SOURCE_PCI ||
	       (config->source == HM_SOURCE_VDEV && strncmp(config->where, "net_dag", 7) != 0 &&
		strncmp(config->where, "net_combo6", 10) != 0 && !is_card_name(config->where));
}

int hm_device_may_inject(const struct hm_device_config *config, bool administrator,
			 struct hm_error *err)
{
	if (config->inject == HM_INJECT_EVERYBODY ||
	    (config->inject == HM_INJECT_ADMINISTRATORS && administrator))
		return 0;
	if (config->inject == HM_INJECT_ADMINISTRATORS)
		return hm_error_set(err, -EPERM, 7001,
				    "only administrators may send packets out of device %s (its "
				    "\"inject\" in the configuration)",
				    config->name);
	return hm_error_set(err, -EPERM, 7001,
			    "the configuration allows nobody to send packets out of device %s: "
			    "%s",
			    config->name,
			    hm_device_sends(config)
				    ? "give it \"inject\": \"administrators\" or \"everybody\""
				    : "name one that can send");
}

bool hm_device_zero_copy(const struct hm_device_config *config)
{
	if (config->source == HM_SOURCE_TRACE)
		return true;
	return config->source == HM_SOURCE_VDEV &&
	       (!strncmp(config->where, "net_dag", 7) || is_card_name(config->where)) &&
	       !strstr(config->where, "zero_copy=0");
}

uint64_t hm_device_memory(const struct hm_device_config *config, uint32_t *buffers, uint32_t *room)
{
	uint32_t descriptors =
		config->rx_descriptors ? config->rx_descriptors : DESCRIPTORS_DEFAULT;

	// descriptors that the port holds, a burst that the worker holds, and what pool caches keep
	*buffers = config->buffers ? config->buffers
				   : 2 * descriptors + 2 * config->burst + 2 * POOL_CACHE;
	// zero copy: a buffer only carries a pointer into the card's ring
	*room = RTE_PKTMBUF_HEADROOM + (hm_device_zero_copy(config) ? 0 : config->snaplen);
	return (uint64_t)config->queues * *buffers *
	       (sizeof(struct rte_mbuf) + RTE_ALIGN_CEIL(*room, 64) + RTE_CACHE_LINE_SIZE);
}

/* A NIC that its kernel driver still holds: say which command gives it to DPDK. */
static int check_binding(const char *address, struct hm_error *err)
{
	static const char *const good[] = {"vfio-pci",  "igb_uio",   "uio_pci_generic",
					   "mlx4_core", "mlx5_core", "nfb"};
	char path[PATH_MAX], target[PATH_MAX];
	const char *driver;
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", address);
	if (access(path, F_OK) < 0)
		return hm_error_set(
			err, -ENODEV, 3200,
			"there is no PCI device %s (dpdk-devbind.py --status lists them)", address);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", address);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return hm_error_set(
			err, -ENODEV, 1026,
			"PCI device %s has no driver; run: dpdk-devbind.py --bind=vfio-pci %s",
			address, address);
	target[n] = '\0';
	driver = strrchr(target, '/') ? strrchr(target, '/') + 1 : target;
	for (unsigned i = 0; i < RTE_DIM(good); i++)
		if (!strcmp(driver, good[i]))
			return 0;
	return hm_error_set(err, -EBUSY, 1026,
			    "PCI device %s is held by the kernel driver %s; run: "
			    "dpdk-devbind.py --bind=vfio-pci %s",
			    address, driver, address);
}

static int find_port(struct hm_device *d, struct hm_error *err)
{
	const struct hm_device_config *c = d->config;
	char name[RTE_DEV_NAME_MAX_LEN], args[PATH_MAX + 256];
	const char *comma;
	int ret = 0;

	args[0] = '\0';
	if (c->source == HM_SOURCE_PCI) {
		snprintf(name, sizeof(name), "%s", c->where);
		ret = check_binding(name, err);
	} else if (c->source == HM_SOURCE_TRACE) {
		snprintf(name, sizeof(name), "%s", hm_device_trace_port(d));
		ret = hm_device_trace_add(d, args, sizeof(args), err);
	} else if (is_card_name(c->where)) {
		snprintf(name, sizeof(name), "net_dag_card%u", d->index);
		snprintf(args, sizeof(args), "card=%s", c->where);
	} else {
		comma = strchrnul(c->where, ',');
		snprintf(name, sizeof(name), "%.*s", (int)(comma - c->where), c->where);
		snprintf(args, sizeof(args), "%s", *comma ? comma + 1 : "");
	}
	if (ret < 0)
		return ret;
	if (rte_eth_dev_get_port_by_name(name, &d->port) == 0)
		return 0; // EAL has it already: a PCI device, or a --vdev argument
	ret = rte_eal_hotplug_add(c->source == HM_SOURCE_PCI ? "pci" : "vdev", name, args);
	if (ret < 0 || rte_eth_dev_get_port_by_name(name, &d->port) != 0)
		return hm_error_set(
			err, ret < 0 ? ret : -ENODEV, 1026,
			"DPDK has no port %s%s%s (%s): the driver's own message is above; "
			"%s",
			name, *args ? "," : "", args, ret < 0 ? rte_strerror(-ret) : "not found",
			is_card_name(c->where) ? "a DAG card needs the vendor's libdag.so, which "
						 "comes with the card's software"
					       : "check the driver's name and its arguments");
	return 0;
}

static void set_offloads(const struct hm_device *d, struct rte_eth_conf *conf)
{
	uint64_t capable = d->info.rx_offload_capa;

	conf->rxmode.offloads =
		capable & (RTE_ETH_RX_OFFLOAD_TIMESTAMP | RTE_ETH_RX_OFFLOAD_SCATTER |
			   RTE_ETH_RX_OFFLOAD_RSS_HASH);
	conf->rxmode.mtu = RTE_ETHER_MTU;
	if (d->info.max_mtu > RTE_ETHER_MTU && d->info.max_mtu != UINT16_MAX)
		conf->rxmode.mtu = RTE_MIN(d->info.max_mtu, d->config->snaplen);
	conf->rxmode.mtu = RTE_MAX(conf->rxmode.mtu, (uint32_t)d->info.min_mtu);
}

static int configure_port(struct hm_device *d, struct hm_error *err)
{
	uint16_t queues = (uint16_t)d->config->queues;
	struct rte_eth_conf conf = {0};
	uint8_t key[128];
	int ret = rte_eth_dev_info_get(d->port, &d->info);

	if (ret < 0)
		return hm_error_set(err, ret, 1026, "cannot read what the port can do: %s",
				    rte_strerror(-ret));
	if (queues > d->info.max_rx_queues)
		return hm_error_set(err, -EINVAL, 1026,
				    "queues is %u, but %s has 1 to %u receive queues", queues,
				    d->info.driver_name, d->info.max_rx_queues);
	set_offloads(d, &conf);
	if (queues > 1 && (d->info.flow_type_rss_offloads & RSS_WANTED)) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_hf = d->info.flow_type_rss_offloads & RSS_WANTED;
		if (d->info.hash_key_size && d->info.hash_key_size <= sizeof(key)) {
			symmetric_key(key, d->info.hash_key_size);
			conf.rx_adv_conf.rss_conf.rss_key = key;
			conf.rx_adv_conf.rss_conf.rss_key_len = d->info.hash_key_size;
		}
	}
	if (d->config->inject && !d->info.max_tx_queues)
		return hm_error_set(err, -ENOTSUP, 1026,
				    "inject: %s has no transmit queue; leave it out",
				    d->info.driver_name);
	// INJECT sends on queue 0; some drivers want a transmit queue for each receive queue anyhow
	ret = rte_eth_dev_configure(d->port, queues, RTE_MIN(queues, d->info.max_tx_queues), &conf);
	if (ret < 0)
		return hm_error_set(err, ret, 1026, "%s refuses %u queues: %s", d->info.driver_name,
				    queues, rte_strerror(-ret));
	return 0;
}

static int setup_queues(struct hm_device *d, struct hm_error *err)
{
	uint16_t rx = (uint16_t)(d->config->rx_descriptors ? d->config->rx_descriptors
							   : DESCRIPTORS_DEFAULT);
	uint16_t tx = 512;
	int socket = rte_eth_dev_socket_id(d->port), ret;
	uint32_t buffers, room;

	if (socket < 0)
		socket = (int)rte_socket_id();
	ret = rte_eth_dev_adjust_nb_rx_tx_desc(d->port, &rx, &tx);
	if (ret < 0)
		return hm_error_set(err, ret, 1026, "rx_descriptors: %s", rte_strerror(-ret));
	hm_device_memory(d->config, &buffers, &room);
	room = RTE_MAX(room, RTE_PKTMBUF_HEADROOM + d->info.min_rx_bufsize);
	if (room > UINT16_MAX)
		room = UINT16_MAX;
	for (uint16_t q = 0; q < d->config->queues; q++) {
		char name[RTE_MEMPOOL_NAMESIZE];

		snprintf(name, sizeof(name), "rx_%u_%u", d->index, q);
		d->pools[q] = rte_pktmbuf_pool_create(name, buffers, POOL_CACHE, 0, (uint16_t)room,
						      socket);
		if (!d->pools[q])
			return hm_error_set(err, -ENOMEM, 3084,
					    "no memory for %u packet buffers of %u bytes (raise "
					    "eal.memory_mb, or lower "
					    "snaplen, buffers or queues)",
					    buffers, room);
		ret = rte_eth_rx_queue_setup(d->port, q, rx, (unsigned)socket, NULL, d->pools[q]);
		if (ret < 0)
			return hm_error_set(
				err, ret, 1026,
				"%s refuses receive queue %u with buffers for %u bytes: %s "
				"(some drivers, af_xdp for one, want a buffer to fit into a "
				"page: try \"snaplen\": 2048)",
				d->info.driver_name, q, d->config->snaplen, rte_strerror(-ret));
	}
	for (uint16_t q = 0; q < RTE_MIN(d->config->queues, d->info.max_tx_queues); q++) {
		ret = rte_eth_tx_queue_setup(d->port, q, tx, (unsigned)socket, NULL);
		if (ret < 0)
			return hm_error_set(err, ret, 1026, "transmit queue %u: %s", q,
					    rte_strerror(-ret));
	}
	if (!d->config->inject)
		return 0;
	d->injector = hm_injector_create(d->config->name, d->port, d->link, socket, err);
	return d->injector ? 0 : -ENOMEM;
}

/* Two devices on one port would poll its queues from two workers at once. */
static int check_alone(struct hm_device *d, struct hm_error *err)
{
	const struct hm_device *other;

	TAILQ_FOREACH (other, &d->engine->devices, next)
		if (other != d && other->port == d->port) {
			d->port = RTE_MAX_ETHPORTS; // the other one closes it
			return hm_error_set(err, -EBUSY, 1026,
					    "%s is the port of device %s already: a device with "
					    "more \"queues\" spreads its packets over workers",
					    d->config->where, other->config->name);
		}
	return 0;
}

int hm_device_init(struct hm_device *d, struct hm_error *err)
{
	int ret;

	d->port = RTE_MAX_ETHPORTS;
	d->link = HM_LINK_ETHERNET;
	d->lossless = d->config->source == HM_SOURCE_TRACE && d->config->pace == 0;
	ret = find_port(d, err);
	if (ret == 0)
		ret = check_alone(d, err);
	if (ret == 0)
		ret = configure_port(d, err);
	if (ret == 0)
		ret = setup_queues(d, err);
	return ret;
}

/* How times of this port become nanoseconds since 1970. */
static void set_time_source(const struct hm_device *d, struct hm_lane *l)
{
	int flag = rte_mbuf_dynflag_lookup(RTE_MBUF_DYNFLAG_RX_TIMESTAMP_NAME, NULL);
	bool ns = !strcmp(d->info.driver_name, "net_dag") ||
		  !strcmp(d->info.driver_name, "net_combo6"),
	     us = !strcmp(d->info.driver_name, "net_pcap");

	l->ts_offset = rte_mbuf_dynfield_lookup(RTE_MBUF_DYNFIELD_TIMESTAMP_NAME, NULL);
	l->capture_offset = ns ? rte_mbuf_dynfield_lookup(NET_DAG_CAPTURE_NAME, NULL) : -1;
	l->sequence_offset = ns ? rte_mbuf_dynfield_lookup(NET_DAG_SEQUENCE_NAME, NULL) : -1;
	// a driver with a clock of its own and no way to read it cannot be calibrated: host time
	if (l->ts_offset < 0 || flag < 0 || (!ns && !us && !hm_device_clock_readable(d)))
		l->ts_offset = -1;
	else
		l->ts_flag = ns ? 0 : UINT64_C(1) << flag; // cards' drivers fill it in every packet
	atomic_init(&l->ts_factor, (us ? UINT64_C(1000) : UINT64_C(1)) << 32);
}

static struct hm_lane *lane_of(struct hm_device *d, struct hm_worker *w)
{
	struct hm_lane *l;

	for (unsigned i = 0; i < d->n_lanes; i++)
		if (d->workers[i] == w)
			return d->lanes[i];
	l = rte_zmalloc_socket("lane", sizeof(*l), RTE_CACHE_LINE_SIZE, w->socket);
	if (!l)
		return NULL;
	l->device = d;
	l->device_index = d->index;
	l->link = d->link;
	l->parse.tunnels = d->config->tunnels;
	l->lossless = d->lossless;
	l->packet_time = d->config->source == HM_SOURCE_TRACE;
	l->adaptive = d->config->idle == HM_IDLE_ADAPTIVE ||
		      (d->config->idle == HM_IDLE_DEFAULT && d->config->source != HM_SOURCE_PCI);
	set_time_source(d, l);
	atomic_init(&l->sample_batches, d->engine->sample_batches);
	l->number = (uint16_t)d->n_lanes;
	d->workers[d->n_lanes] = w;
	d->lanes[d->n_lanes++] = l;
	return l;
}

int hm_device_assign(struct hm_device *d, struct hm_worker *const *workers, unsigned n_workers,
		     unsigned *next_worker, struct hm_error *err)
{
	int sockets[HM_WORKERS_MAX];

	for (uint16_t i = 0; i < d->config->queues; i++) {
		struct hm_worker *w = workers[(*next_worker)++ % n_workers];
		struct hm_lane *l = lane_of(d, w);
		struct hm_queue *q =
			rte_zmalloc_socket("queue", sizeof(*q), RTE_CACHE_LINE_SIZE, w->socket);
		if (!l || !q) {
			rte_free(q);
			return hm_error_set(err, -ENOMEM, 3084, "no memory (raise eal.memory_mb)");
		}
		q->port = d->port;
		q->queue = i;
		q->burst = (uint16_t)d->config->burst;
		if (d->config->source == HM_SOURCE_TRACE)
			q->source_floor = hm_device_trace_floor(d, i);
		l->queues[l->n_queues++] = q;
	}
	d->lanes[0]->injector = d->injector; // it has queue 0
	for (unsigned i = 0; i < d->n_lanes; i++)
		sockets[i] = d->workers[i]->socket;
	d->nodes = hm_nodes_create(d->n_lanes, sockets);
	return d->nodes ? 0 : hm_error_set(err, -ENOMEM, 3084, "no memory (raise eal.memory_mb)");
}

void hm_device_show(struct hm_device *d)
{
	for (unsigned i = 0; i < d->n_lanes; i++)
		hm_worker_add(d->workers[i], d->lanes[i]);
}

void hm_device_hide(struct hm_device *d)
{
	for (unsigned i = 0; i < d->n_lanes; i++)
		hm_worker_remove(d->workers[i], d->lanes[i]);
}

static void set_running(struct hm_device *d, bool running)
{
	for (unsigned i = 0; i < d->n_lanes; i++)
		atomic_store_explicit(&d->lanes[i]->running, running, memory_order_release);
}

int hm_device_launch(struct hm_device *d, struct hm_error *err)
{
	int ret = rte_eth_dev_start(d->port);

	if (ret < 0 && d->injector)
		hm_injector_give_up(d->injector);
	if (ret < 0)
		return hm_error_set(err, ret, 1026, "%s: %s does not start: %s", d->config->name,
				    d->info.driver_name, rte_strerror(-ret));
	if (rte_eth_promiscuous_enable(d->port) < 0)
		HM_LOG(WARNING,
		       "not promiscuous: only the port's own frames are seen device=%s driver=%s",
		       d->config->name, d->info.driver_name);
	if (d->injector)
		hm_injector_start(d->injector);
	hm_device_clock_init(d);
	set_running(d, true);
	if (d->config->source == HM_SOURCE_TRACE) {
		ret = hm_device_trace_start(d, err);
		if (ret < 0)
			return ret;
	}
	d->state = HM_DEVICE_RUNNING;
	HM_LOG(NOTICE, "device started device=%s driver=%s queues=%u link=%s", d->config->name,
	       d->info.driver_name, d->config->queues, hm_link_name(d->link));
	return 0;
}

int hm_device_pause(struct hm_device *d, struct hm_error *err)
{
	// the port itself goes on: what comes now is the device's loss, and it counts it
	set_running(d, false);
	d->state = HM_DEVICE_STOPPED;
	HM_LOG(NOTICE, "device stopped device=%s", d->config->name);
	return 0;
}

int hm_device_resume(struct hm_device *d, struct hm_error *err)
{
	if (d->error[0])
		return hm_error_set(err, -EIO, 1026, "device %s has failed: %s", d->config->name,
				    d->error);
	set_running(d, true);
	d->state = HM_DEVICE_RUNNING;
	HM_LOG(NOTICE, "device started device=%s", d->config->name);
	return 0;
}

bool hm_device_look(struct hm_device *d)
{
	if (d->state != HM_DEVICE_RUNNING || d->config->source != HM_SOURCE_TRACE ||
	    !hm_device_trace_ended(d))
		return false;
	for (unsigned i = 0; i < d->n_lanes; i++)
		atomic_store_explicit(&d->lanes[i]->ending, true, memory_order_release);
	for (unsigned i = 0; i < d->n_lanes; i++)
		if (!atomic_load_explicit(&d->lanes[i]->drained, memory_order_acquire))
			return false;
	if (!hm_ordered_drained(d->ordered))
		return false;
	d->state = HM_DEVICE_FINISHED;
	if (d->error[0])
		HM_LOG(ERR, "trace ended early device=%s: %s", d->config->name, d->error);
	else
		HM_LOG(NOTICE, "trace finished device=%s", d->config->name);
	return true;
}

struct hm_runners *hm_device_runners(struct hm_device *d, enum hm_order_kind kind,
				     struct hm_error *err)
{
	struct hm_runners *s = hm_ordered_get(d->ordered, kind);

	if (s)
		return s;
	if (!d->ordered)
		d->ordered = hm_ordered_create(d, err);
	if (!d->ordered)
		return NULL;
	s = hm_ordered_make(d->ordered, d, kind, err);
	for (unsigned i = 0; i < d->n_lanes; i++)
		atomic_store_explicit(&d->lanes[i]->ordered, d->ordered,
				      memory_order_release); // worker: poll_lane
	return s;
}

void hm_device_halt(struct hm_device *d)
{
	// what came from workers that ended after the one that sends
	while (d->injector && hm_injector_flush(d->injector) > 0)
		;
	if (d->port != RTE_MAX_ETHPORTS)
		rte_eth_dev_stop(d->port);
}

void hm_device_fini(struct hm_device *d)
{
	hm_ordered_destroy(d->ordered);
	hm_nodes_destroy(d->nodes);
	for (unsigned i = 0; i < d->n_lanes; i++) {
		for (unsigned q = 0; q < d->lanes[i]->n_queues; q++)
			rte_free(d->lanes[i]->queues[q]);
		rte_free(d->lanes[i]);
	}
	if (d->port != RTE_MAX_ETHPORTS)
		rte_eth_dev_close(d->port);
	hm_injector_destroy(d->injector); // behind the port, which may have some of its buffers
	if (d->config->source == HM_SOURCE_TRACE)
		hm_device_trace_unplug(d);
	for (unsigned q = 0; q < HM_QUEUES_MAX; q++)
		rte_mempool_free(d->pools[q]);
	if (d->config->source == HM_SOURCE_TRACE)
		hm_device_trace_remove(d);
}

const char *hm_device_state_name(const struct hm_device *d)
{
	static const char *const names[] = {"waiting", "running", "finished", "stopped"};

	return names[d->state];
}

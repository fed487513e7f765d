/* SPDX-License-Identifier: BSD-3-Clause */
/* combo_loop: what receiving from a COMBO channel and freeing costs, without doing anything with the
 * packets.
 *
 *	combo_loop ROW [BYTES [SECONDS]]
 *
 * ROW combo_walk only locks, looks at each segment's header and unlocks; ROW combo_rx receives and
 * frees through the driver. Both read the simulated card with a ring full of frames of BYTES (64),
 * FCS included. Prints one JSON object.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "pmd_dag/combo_segment.h"
#include "pmd_dag/sim_sze2/libsze2.h"
#include "pmd_dag/sim_sze2/sze2_sim.h"
#include "trace/trace.h"

#define BURST      64
#define MBUFS      8191
#define FCS        4
#define RING_BYTES (4u << 20)

static double seconds(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void die(const char *what)
{
	fprintf(stderr, "combo_loop: %s\n", what);
	exit(1);
}

// As many frames as the ring holds, in memory; a name that opens them.
static void make_frames(char *path, size_t size, uint32_t bytes)
{
	const struct hm_trace_writer_conf conf = {.format = HM_TRACE_PCAP,
						  .link = HM_LINK_ETHERNET};
	static uint8_t frame[16384];
	struct hm_error err = {0};
	int fd = memfd_create("frames", 0);
	struct hm_trace_writer *w = hm_trace_fdcreate(dup(fd), "frames", &conf, &err);
	if (!w)
		die(err.text);
	struct hm_trace_packet p = {.data = frame, .caplen = bytes, .wirelen = bytes};
	for (uint32_t i = 0; i < RING_BYTES / (16 + ((bytes + 7) & ~7u)); i++) {
		p.ts_ns = UINT64_C(1700000000000000000) + i * UINT64_C(67);
		if (hm_trace_write(w, &p) < 0)
			die("no memory for frames");
	}
	if (hm_trace_finish(w) < 0)
		die("no memory for frames");
	snprintf(path, size, "/proc/self/fd/%d", fd);
}

static void start_driver(void)
{
	const struct rte_eth_conf conf = {0};
	char core[16];
	snprintf(core, sizeof(core), "0@%d", sched_getcpu());
	const char *args[] = {"combo_loop",
			      "--lcores",
			      core,
			      "-m",
			      "128",
			      "--no-pci",
			      "--no-telemetry",
			      "--file-prefix",
			      "homard-bench",
			      "--no-shconf",
			      "--no-huge",
			      "--log-level",
			      "4"};
	if (rte_eal_init(sizeof(args) / sizeof(args[0]), (char **)(uintptr_t)args) < 0)
		die("EAL does not start");
	struct rte_mempool *pool = rte_pktmbuf_pool_create(
		"pool", MBUFS, 512, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	if (!pool || rte_eal_hotplug_add("vdev", "net_combo60", "lib=libsze2_sim.so,card=0") < 0 ||
	    rte_eth_dev_configure(0, 1, 0, &conf) < 0 ||
	    rte_eth_rx_queue_setup(0, 0, BURST, 0, NULL, pool) < 0 || rte_eth_dev_start(0) < 0)
		die("the port does not start");
}

static struct szedata *start_walk(void)
{
	uint32_t rx = 1, tx = 0;
	struct szedata *h = szedata_open("szedataII0");
	if (!h || szedata_subscribe3(h, &rx, &tx) != 0 || szedata_start(h) != 0)
		die("the card does not start");
	return h;
}

static uint64_t walk_lock(struct szedata *h)
{
	const struct szedata_lock *l = szedata_rx_lock_data(h, 1);
	struct combo_segment s;
	uint64_t n = 0;
	if (!l)
		return 0;
	const struct combo_window w = {.start = {l->start, l->next ? l->next->start : NULL},
				       .seam = l->len,
				       .end = l->len + (l->next ? (uint64_t)l->next->len : 0)};
	for (uint64_t pos = 0; pos < w.end; pos = s.next, n++)
		if (combo_segment_look(&w, pos, &s) != COMBO_SEGMENT_GOOD)
			die("a corrupt segment");
	szedata_rx_unlock_data(h, l);
	return n;
}

static uint64_t receive_and_free(void)
{
	struct rte_mbuf *pkts[BURST];
	uint16_t n = rte_eth_rx_burst(0, 0, pkts, BURST);
	rte_pktmbuf_free_bulk(pkts, n);
	return n;
}

int main(int argc, char **argv)
{
	struct sze2_sim_card card = SZE2_SIM_CARD_DEFAULTS;
	struct hm_error err = {0};
	struct szedata *h = NULL;
	char frames[64];
	const char *row = argc > 1 ? argv[1] : "";
	const uint32_t bytes = argc > 2 ? (uint32_t)atoi(argv[2]) : 64;
	const double want = argc > 3 ? atof(argv[3]) : 5.0;
	if (argc > 4 || (strcmp(row, "combo_walk") != 0 && strcmp(row, "combo_rx") != 0) ||
	    bytes < 20 || bytes > 2048) {
		fputs("usage: combo_loop combo_walk|combo_rx [BYTES [SECONDS]]\n", stderr);
		return 2;
	}
	make_frames(frames, sizeof(frames), bytes - FCS);
	card.path = frames;
	card.loop = 0;
	card.ring_bytes = RING_BYTES;
	card.lock_frames = 4096;
	card.preload = true;
	card.poison = false;
	if (sze2_sim_card_add("szedataII0", &card, &err) < 0)
		die(err.text);
	if (strcmp(row, "combo_walk") == 0)
		h = start_walk();
	else
		start_driver();
	uint64_t done = 0, tsc0 = rte_rdtsc();
	double t0 = seconds(CLOCK_MONOTONIC), c0 = seconds(CLOCK_PROCESS_CPUTIME_ID), t;
	do {
		for (int round = 0; round < 1024; round++)
			done += h ? walk_lock(h) : receive_and_free();
		t = seconds(CLOCK_MONOTONIC) - t0;
	} while (t < want);
	uint64_t cycles = rte_rdtsc() - tsc0;
	double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - c0;
	printf("{\"name\":\"%s\",\"mpps\":%.2f,\"mpps_cpu\":%.2f,\"cycles_per_packet\":%.1f,"
	       "\"seconds\":%.1f,\"bytes_per_packet\":%u}\n",
	       row, (double)done / t / 1e6, (double)done / cpu / 1e6,
	       done ? (double)cycles / (double)done : 0, t, bytes);
	if (!h)
		rte_eal_cleanup();
	return 0;
}

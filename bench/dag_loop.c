/* SPDX-License-Identifier: BSD-3-Clause */
/* dag_loop: what receiving from a DAG stream costs, without doing anything with the packets.
 *
 *	dag_loop ROW [TRACE | - [SECONDS]]
 *
 * dag_minimal is the least a zero-copy loop can do, written plainly here: advance, walk the
 * records, attach each to an mbuf, free it, look which slots came back. The other rows receive and
 * free through the real driver: dag_rx; dag_copy, by copying; dag_numbered, with the sequence
 * numbers that cards of several streams have; dag_two, two streams on two cores (mpps is their sum,
 * mpps_cpu that of both cores' time). All read the simulated card with the trace loaded into its
 * ring; "-" (the default) is a ring of 64-byte frames. Prints one JSON object.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>

#include "pmd_dag/sim/dag_sim.h"
#include "pmd_dag/sim/libdag.h"
#include "trace/erf.h"

#define BURST 64
#define SLOTS 4096
#define MBUFS 8191

static const struct row {
	const char *name, *args;
	uint32_t streams;
	enum dag_sim_sequence sequence;
	uint16_t room; // of an mbuf
} rows[] = {
	{"dag_minimal", NULL, 1, DAG_SIM_NUMBER_NEVER, 0},
	{"dag_rx", "", 1, DAG_SIM_NUMBER_NEVER, 0},
	{"dag_copy", ",zero_copy=0", 1, DAG_SIM_NUMBER_NEVER, 2048},
	{"dag_numbered", ",sequence=card", 1, DAG_SIM_NUMBER_ALWAYS, 0},
	{"dag_two", "", 2, DAG_SIM_NUMBER_NEVER, 0},
};

static double seconds(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void die(const char *what)
{
	fprintf(stderr, "dag_loop: %s\n", what);
	exit(1);
}

// A pcap of 64-byte UDP frames in memory; its name in `path`.
static void make_frames(char *path, size_t size)
{
	static const uint32_t head[6] = {0xa1b23c4d, 0x00040002, 0, 0, 65535, 1};
	uint8_t frame[60] = {[12] = 0x08, [14] = 0x45, [17] = 46, [22] = 64, [23] = 17};
	int fd = memfd_create("frames", 0);
	FILE *f = fd >= 0 ? fdopen(dup(fd), "w") : NULL;
	if (!f)
		die("no memory for frames");
	fwrite(head, sizeof(head), 1, f);
	for (uint32_t i = 0; i < 8192; i++) {
		uint32_t record[4] = {1700000000, i * 67, sizeof(frame), sizeof(frame)};
		memcpy(frame + 26, &i, sizeof(i));
		fwrite(record, sizeof(record), 1, f);
		fwrite(frame, sizeof(frame), 1, f);
	}
	fclose(f);
	snprintf(path, size, "/proc/self/fd/%d", fd);
}

// Hugepages where some are free, without touching any file system.
static bool huge_pages_free(void)
{
	unsigned free_pages = 0;
	FILE *f = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "re");
	if (f && fscanf(f, "%u", &free_pages) != 1)
		free_pages = 0;
	if (f)
		fclose(f);
	return free_pages >= 64;
}

// One lcore, or a second one where the machine has another CPU.
static void start_eal(uint32_t lcores)
{
	char cores[32], memory[] = "--in-memory";
	cpu_set_t set;
	int here = sched_getcpu(), other = 0;
	sched_getaffinity(0, sizeof(set), &set);
	while (other < CPU_SETSIZE && (other == here || !CPU_ISSET((unsigned)other, &set)))
		other++;
	if (lcores > 1 && other == CPU_SETSIZE)
		die("a second core is needed");
	snprintf(cores, sizeof(cores), lcores > 1 ? "0@%d,1@%d" : "0@%d", here, other);
	if (!huge_pages_free())
		strcpy(memory, "--no-huge");
	char *args[] = {(char *)(uintptr_t) "dag_loop",
			(char *)(uintptr_t) "--lcores",
			cores,
			(char *)(uintptr_t) "-m",
			(char *)(uintptr_t) "128",
			(char *)(uintptr_t) "--no-pci",
			(char *)(uintptr_t) "--no-telemetry",
			(char *)(uintptr_t) "--file-prefix",
			(char *)(uintptr_t) "homard-bench",
			(char *)(uintptr_t) "--no-shconf",
			(char *)(uintptr_t) "--iova-mode=va",
			(char *)(uintptr_t) "--log-level",
			(char *)(uintptr_t) "4",
			memory};
	if (rte_eal_init(sizeof(args) / sizeof(args[0]), args) < 0)
		die("EAL does not start");
}

static struct rte_mempool *make_pool(const char *name, uint16_t room)
{
	struct rte_mempool *pool = rte_pktmbuf_pool_create(
		name, MBUFS, 512, 0, (uint16_t)(RTE_PKTMBUF_HEADROOM + room), SOCKET_ID_ANY);
	if (!pool)
		die("no memory for mbufs");
	return pool;
}

struct slot {
	struct rte_mbuf_ext_shared_info shinfo;
	uint64_t busy;
	const uint8_t *end;
};

static void slot_freed(void *addr, void *opaque)
{
	(void)addr;
	__atomic_store_n(&((struct slot *)opaque)->busy, 0, __ATOMIC_RELEASE);
}

struct minimal {
	int fd;
	struct rte_mempool *pool;
	struct slot slots[SLOTS];
	uint32_t head, tail;
	uint8_t *bottom, *cur, *top;
};

static void minimal_start(struct minimal *x, struct rte_mempool *pool)
{
	char name[] = "dag0";
	struct timeval none = {0};
	x->pool = pool;
	x->fd = dag_open(name);
	if (x->fd < 0 || dag_attach_stream64(x->fd, 0, 0, 0) < 0 ||
	    dag_set_stream_poll64(x->fd, 0, 0, &none, &none) < 0 || dag_start_stream(x->fd, 0) < 0)
		die("the card does not start");
	for (uint32_t i = 0; i < SLOTS; i++) {
		x->slots[i].shinfo.free_cb = slot_freed;
		x->slots[i].shinfo.fcb_opaque = &x->slots[i];
	}
	x->top = dag_advance_stream(x->fd, 0, &x->bottom);
	x->cur = x->bottom;
}

static unsigned minimal_burst(struct minimal *x, struct rte_mbuf **pkts)
{
	unsigned n = 0;
	while (x->tail != x->head &&
	       !__atomic_load_n(&x->slots[x->tail % SLOTS].busy, __ATOMIC_ACQUIRE))
		x->bottom = (uint8_t *)(uintptr_t)x->slots[x->tail++ % SLOTS].end;
	if (x->cur == x->top) {
		// every mbuf has come back here: nothing but padding lies behind bottom
		x->bottom = x->cur;
		x->top = dag_advance_stream(x->fd, 0, &x->bottom);
		x->cur = x->bottom;
		if (!x->top)
			die("advance failed");
	}
	if (x->cur == x->top || rte_pktmbuf_alloc_bulk(x->pool, pkts, BURST) < 0)
		return 0;
	while (n < BURST && x->cur < x->top) {
		uint8_t *rec = x->cur;
		uint32_t rlen = hm_erf_rlen(rec);
		x->cur += rlen;
		if (hm_erf_type(rec) != HM_ERF_ETH)
			continue;
		struct slot *s = &x->slots[x->head++ % SLOTS];
		struct rte_mbuf *m = pkts[n++];
		s->end = x->cur;
		s->busy = 1;
		rte_mbuf_ext_refcnt_set(&s->shinfo, 1);
		rte_pktmbuf_attach_extbuf(m, rec, RTE_BAD_IOVA, (uint16_t)rlen, &s->shinfo);
		m->data_off = HM_ERF_HEADER + 2;
		m->pkt_len = m->data_len =
			(uint16_t)hm_erf_caplen(rlen, m->data_off, hm_erf_wlen(rec), 4);
	}
	if (n < BURST)
		rte_pktmbuf_free_bulk(pkts + n, BURST - n);
	return n;
}

static void driver_start(const struct row *row)
{
	const struct rte_eth_conf conf = {0};
	const uint16_t queues = (uint16_t)row->streams;
	char args[128], name[16];
	snprintf(args, sizeof(args), "lib=libdag_sim.so,card=dag0%s", row->args);
	if (rte_eal_hotplug_add("vdev", "net_dag0", args) < 0 ||
	    rte_eth_dev_configure(0, queues, 0, &conf) < 0)
		die("the port does not start");
	for (uint16_t q = 0; q < queues; q++) {
		snprintf(name, sizeof(name), "pool%u", q);
		if (rte_eth_rx_queue_setup(0, q, SLOTS, 0, NULL, make_pool(name, row->room)) < 0)
			die("the port does not start");
	}
	if (rte_eth_dev_start(0) < 0)
		die("the port does not start");
}

struct lane {                          // one core; its counters are hot
	alignas(64) struct minimal *x; // NULL: the driver
	uint16_t queue;
	double want;
	uint64_t done, bytes, cycles;
	double took, cpu;
};

static int run(void *arg)
{
	struct lane *l = arg;
	struct rte_mbuf *pkts[BURST];
	double t0 = seconds(CLOCK_MONOTONIC), c0 = seconds(CLOCK_THREAD_CPUTIME_ID);
	uint64_t tsc0 = rte_rdtsc();
	do {
		for (int round = 0; round < 1024; round++) {
			unsigned n = l->x ? minimal_burst(l->x, pkts)
					  : rte_eth_rx_burst(0, l->queue, pkts, BURST);
			for (unsigned i = 0; i < n; i++)
				l->bytes += pkts[i]->pkt_len;
			rte_pktmbuf_free_bulk(pkts, n);
			l->done += n;
		}
		l->took = seconds(CLOCK_MONOTONIC) - t0;
	} while (l->took < l->want);
	l->cycles = rte_rdtsc() - tsc0;
	l->cpu = seconds(CLOCK_THREAD_CPUTIME_ID) - c0;
	return 0;
}

static void measure(const struct row *row, struct minimal *x, double want)
{
	static struct lane lanes[2];
	double mpps = 0, cpu = 0;
	uint64_t done = 0, bytes = 0, cycles = 0;
	for (uint32_t i = 0; i < row->streams; i++)
		lanes[i] = (struct lane){.x = x, .queue = (uint16_t)i, .want = want};
	if (row->streams > 1)
		rte_eal_remote_launch(run, &lanes[1], 1);
	run(&lanes[0]);
	rte_eal_mp_wait_lcore();
	for (uint32_t i = 0; i < row->streams; i++) {
		mpps += (double)lanes[i].done / lanes[i].took / 1e6;
		cpu += lanes[i].cpu;
		done += lanes[i].done;
		bytes += lanes[i].bytes;
		cycles += lanes[i].cycles;
	}
	printf("{\"name\":\"%s\",\"mpps\":%.2f,\"mpps_cpu\":%.2f,\"cycles_per_packet\":%.1f,"
	       "\"seconds\":%.1f,\"bytes_per_packet\":%.1f}\n",
	       row->name, mpps, (double)done / cpu / 1e6, done ? (double)cycles / (double)done : 0,
	       want, done ? (double)bytes / (double)done : 0);
}

static const struct row *find_row(const char *name)
{
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strcmp(rows[i].name, name) == 0)
			return &rows[i];
	return NULL;
}

int main(int argc, char **argv)
{
	struct dag_sim_card card = DAG_SIM_CARD_DEFAULTS;
	struct hm_error err = {0};
	char frames[64];
	const struct row *row = find_row(argc > 1 ? argv[1] : "");
	if (argc > 4 || !row) {
		fputs("usage: dag_loop dag_minimal|dag_rx|dag_copy|dag_numbered|dag_two "
		      "[TRACE | - [SECONDS]]\n",
		      stderr);
		return 2;
	}
	card.loop = 0;
	card.streams = row->streams;
	card.sequence = row->sequence;
	card.path = argc > 2 ? argv[2] : "-";
	if (strcmp(card.path, "-") == 0) {
		make_frames(frames, sizeof(frames));
		card.path = frames;
	}
	if (dag_sim_card_add("dag0", &card, &err) < 0)
		die(err.text);
	start_eal(row->streams);
	static struct minimal x;
	if (row->args)
		driver_start(row);
	else
		minimal_start(&x, make_pool("pool", row->room));
	measure(row, row->args ? NULL : &x, argc > 3 ? atof(argv[3]) : 5.0);
	rte_eal_cleanup();
	return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* bare_loop: how fast this core can look at every packet of a trace at all.
 *
 *	bare_loop FILE [SECONDS]
 *
 * Copies the trace into memory and walks it again and again in bursts of 64: finds the network and
 * transport headers behind Ethernet and one VLAN tag, hashes the 5-tuple with CRC32, and adds up so
 * that nothing is optimized away. No buffers, no driver, no functions: what the appliance is
 * measured against. Prints one JSON object.
 */
#include <nmmintrin.h>
#include <pcap/pcap.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <x86intrin.h>

#define BURST     64
#define ROOM      ((size_t)8 << 30) // address space for the copy; only what is used is backed
#define PAD       64                // readable bytes behind each packet, so that reads need no test
#define LOOK_OVER 64                // bytes of headers that one look may touch

struct packet {
	const uint8_t *data;
	uint32_t length;
};

struct trace {
	struct packet *packets;
	size_t n, capacity, used;
	uint8_t *memory;
};

static double clock_seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static uint64_t load_u64(const uint8_t *p)
{
	uint64_t value;

	memcpy(&value, p, sizeof(value));
	return value;
}

static uint32_t load_u32(const uint8_t *p)
{
	uint32_t value;

	memcpy(&value, p, sizeof(value));
	return value;
}

static uint16_t load_be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* One packet: its flow hash plus its payload offset. Every offset stays below LOOK_OVER + PAD. */
static inline uint64_t look(const struct packet *packet)
{
	const uint8_t *p = packet->data;
	uint32_t l3 = 14, l4, proto;
	uint16_t type;
	uint64_t hash;

	if (packet->length < 34)
		return 0;
	type = load_be16(p + 12);
	if (type == 0x8100) {
		type = load_be16(p + 16);
		l3 = 18;
	}
	if (type == 0x0800) {
		proto = p[l3 + 9];
		l4 = l3 + (p[l3] & 15u) * 4;
		hash = _mm_crc32_u64(proto, load_u64(p + l3 + 12));
	} else if (type == 0x86dd) {
		proto = p[l3 + 6];
		l4 = l3 + 40;
		hash = proto;
		for (uint32_t i = 8; i < 40; i += 8)
			hash = _mm_crc32_u64(hash, load_u64(p + l3 + i));
	} else {
		return 0;
	}
	hash = _mm_crc32_u32((uint32_t)hash, load_u32(p + l4));
	return hash + l4 + (proto == 6 ? 20 : 8);
}

static uint64_t walk_once(const struct trace *t)
{
	uint64_t sum = 0;

	for (size_t i = 0; i + 2 * BURST <= t->n; i += BURST) {
		for (size_t j = 0; j < BURST; j++)
			_mm_prefetch((const char *)t->packets[i + BURST + j].data, _MM_HINT_T0);
		for (size_t j = 0; j < BURST; j++)
			sum += look(&t->packets[i + j]);
	}
	return sum;
}

static int add_packet(struct trace *t, const u_char *data, uint32_t length)
{
	if (t->n == t->capacity) {
		size_t capacity = t->capacity ? t->capacity * 2 : 1 << 20;
		struct packet *more = realloc(t->packets, capacity * sizeof(*more));

		if (!more)
			return -1;
		t->packets = more;
		t->capacity = capacity;
	}
	memcpy(t->memory + t->used, data, length);
	t->packets[t->n++] = (struct packet){t->memory + t->used, length};
	t->used += (length + 15) & ~15u;
	return 0;
}

static int load_trace(struct trace *t, const char *path)
{
	char error[PCAP_ERRBUF_SIZE];
	struct pcap_pkthdr *header;
	const u_char *data;
	pcap_t *in = pcap_open_offline(path, error);

	if (!in) {
		fprintf(stderr, "bare_loop: %s\n", error);
		return -1;
	}
	t->memory = mmap(NULL, ROOM, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (t->memory == MAP_FAILED) {
		perror("bare_loop: mmap");
		pcap_close(in);
		return -1;
	}
	madvise(t->memory, ROOM, MADV_HUGEPAGE);
	while (pcap_next_ex(in, &header, &data) == 1 &&
	       t->used + header->caplen + PAD + LOOK_OVER < ROOM) {
		if (add_packet(t, data, header->caplen) < 0) {
			fputs("bare_loop: out of memory\n", stderr);
			pcap_close(in);
			return -1;
		}
	}
	pcap_close(in);
	if (t->n >= 2 * BURST)
		return 0;
	fprintf(stderr, "bare_loop: %s has %zu packets, at least %d are wanted\n", path, t->n,
		2 * BURST);
	return -1;
}

static void measure(const struct trace *t, double wanted)
{
	double start = clock_seconds(CLOCK_MONOTONIC),
	       cpu = clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
	uint64_t tsc = __rdtsc(), packets = 0, sum = 0;
	double elapsed;

	do {
		sum += walk_once(t);
		packets += (t->n / BURST - 1) * BURST;
		elapsed = clock_seconds(CLOCK_MONOTONIC) - start;
	} while (elapsed < wanted);
	tsc = __rdtsc() - tsc;
	cpu = clock_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	printf("{\"name\":\"bare_loop\",\"mpps\":%.2f,\"mpps_cpu\":%.2f,\"cycles_per_packet\":%.1f,"
	       "\"seconds\":%.1f,\"check\":%llu}\n",
	       (double)packets / elapsed / 1e6, (double)packets / cpu / 1e6,
	       (double)tsc / (double)packets, elapsed, (unsigned long long)sum);
}

int main(int argc, char **argv)
{
	struct trace t = {0};
	double seconds = argc > 2 ? strtod(argv[2], NULL) : 5.0;

	if (argc < 2 || argc > 3 || !(seconds > 0 && seconds <= 3600)) {
		fputs("usage: bare_loop FILE [SECONDS]   (pcap or pcapng; 0 < SECONDS <= 3600)\n",
		      stderr);
		return 2;
	}
	if (load_trace(&t, argv[1]) < 0)
		return 1;
	measure(&t, seconds);
	free(t.packets);
	return 0;
}

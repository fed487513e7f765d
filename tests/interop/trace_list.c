/* SPDX-License-Identifier: BSD-3-Clause */
/* trace_list: one line a packet, "time_ns captured wire hash", as homard's reader sees a trace or,
 * with --libpcap, as libpcap does (and so tcpdump). Exit status 1 with the error on stderr.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pcap/pcap.h>

#include "trace/trace.h"

static void print_packet(uint64_t ts_ns, uint32_t caplen, uint32_t wirelen, const uint8_t *data)
{
	uint64_t h = 0xcbf29ce484222325u; // FNV-1a
	for (uint32_t i = 0; i < caplen; i++)
		h = (h ^ data[i]) * 0x100000001b3u;
	printf("%" PRIu64 " %u %u %016" PRIx64 "\n", ts_ns, caplen, wirelen, h);
}

static int list(const char *path)
{
	struct hm_error err;
	struct hm_trace_packet p;
	struct hm_trace_reader *r = hm_trace_open(path, &err);
	int rc = -1;
	if (r) {
		printf("link %d\n", (int)hm_trace_link(r));
		while ((rc = hm_trace_next(r, &p, &err)) == 1)
			print_packet(p.ts_ns, p.caplen, p.wirelen, p.data);
		hm_trace_close(r);
	}
	if (rc < 0)
		fprintf(stderr, "%s\n", err.text);
	return rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int list_libpcap(const char *path)
{
	char err[PCAP_ERRBUF_SIZE];
	struct pcap_pkthdr *h;
	const u_char *data;
	int rc;
	pcap_t *p = pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, err);
	if (!p) {
		fprintf(stderr, "%s\n", err);
		return EXIT_FAILURE;
	}
	printf("link %d\n", pcap_datalink(p) == DLT_RAW ? HM_LINK_RAW : pcap_datalink(p));
	while ((rc = pcap_next_ex(p, &h, &data)) == 1)
		print_packet((uint64_t)h->ts.tv_sec * 1000000000u + (uint64_t)h->ts.tv_usec,
			     h->caplen, h->len, data);
	if (rc != PCAP_ERROR_BREAK)
		fprintf(stderr, "%s\n", pcap_geterr(p));
	pcap_close(p);
	return rc == PCAP_ERROR_BREAK ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	if (argc == 2 && argv[1][0] != '-')
		return list(argv[1]);
	if (argc == 3 && strcmp(argv[1], "--libpcap") == 0)
		return list_libpcap(argv[2]);
	fputs("usage: trace_list [--libpcap] FILE\n", stderr);
	return 2;
}

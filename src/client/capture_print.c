/* SPDX-License-Identifier: BSD-3-Clause */
/* capture_print: a line a packet, for people. What is in the packet says the parser. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "client/capture.h"
#include "core/parse.h"

static const char *protocol_name(uint8_t number)
{
	switch (number) {
	case IPPROTO_TCP:
		return "TCP";
	case IPPROTO_UDP:
		return "UDP";
	case IPPROTO_SCTP:
		return "SCTP";
	case IPPROTO_ICMP:
		return "ICMP";
	case IPPROTO_ICMPV6:
		return "ICMPv6";
	default:
		return NULL;
	}
}

/* "192.0.2.1.80": an address and, where there is one, its port. */
static void print_end(int family, const uint8_t *address, const uint8_t *port)
{
	char text[INET6_ADDRSTRLEN];
	uint16_t n;

	fputs(inet_ntop(family, address, text, sizeof(text)), stdout);
	if (port) {
		memcpy(&n, port, sizeof(n));
		printf(".%u", ntohs(n));
	}
}

static void print_ip(const struct hm_batch *b)
{
	const bool v4 = b->ipv4 != 0;
	const uint8_t *const ip = b->data[0] + b->l3[0];
	const uint8_t *const addresses = ip + (v4 ? 12 : 8);
	const size_t size = v4 ? 4 : 16;
	const uint8_t *const ports =
		b->l4_ok && (b->tcp | b->udp | b->sctp) ? b->data[0] + b->l4[0] : NULL;
	const char *const name = protocol_name(b->proto[0]);

	printf(" %s ", v4 ? "IP" : "IP6");
	print_end(v4 ? AF_INET : AF_INET6, addresses, ports);
	fputs(" > ", stdout);
	print_end(v4 ? AF_INET : AF_INET6, addresses + size, ports ? ports + 2 : NULL);
	if (name)
		printf(": %s", name);
	else
		printf(": protocol %u", b->proto[0]);
	if (b->fragment)
		fputs(", fragment", stdout);
}

void hm_capture_print(const struct hm_pktring_packet *p, enum hm_link link)
{
	static const struct hm_parse_conf conf = {0};
	static struct hm_batch b;
	const time_t second = (time_t)(p->ts_ns / 1000000000);
	struct tm at;
	char text[32];

	memset(&b, 0, sizeof(b));
	b.n = 1;
	b.all = 1;
	b.link = link;
	b.data[0] = p->data;
	b.caplen[0] = p->caplen;
	b.wirelen[0] = p->wirelen;
	hm_parse(&b, &conf);
	gmtime_r(&second, &at);
	strftime(text, sizeof(text), "%FT%T", &at);
	printf("%s.%09uZ", text, (unsigned)(p->ts_ns % 1000000000));
	if ((b.ipv4 | b.ipv6) && b.l3[0] != HM_NONE)
		print_ip(&b);
	else if (b.arp)
		fputs(" ARP", stdout);
	else if (b.ethertype[0] != 0)
		printf(" ethertype 0x%04x", b.ethertype[0]);
	printf(", length %u", p->wirelen);
	if (p->caplen < p->wirelen)
		printf(", %u captured", p->caplen);
	putchar('\n');
}

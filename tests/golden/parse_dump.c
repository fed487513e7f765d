/* SPDX-License-Identifier: BSD-3-Clause */
/* parse_dump: the parser's view of every packet of a trace, one JSON object a line, for tests that
 * compare it with what other programs see.
 *
 *	parse_dump FILE [TUNNEL ...]
 */
#include <arpa/inet.h>
#include <stdio.h>

#include "core/parse.h"
#include "trace/trace.h"

static unsigned be16(const uint8_t *p)
{
	return (unsigned)(p[0] << 8 | p[1]);
}

static int offset(uint16_t value)
{
	return value == HM_NONE ? -1 : value;
}

static void print_addresses(const struct hm_batch *b)
{
	const uint8_t *ip = b->data[0] + b->l3[0];
	char from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN];
	int family = b->ipv4 ? AF_INET : AF_INET6;

	if (!(b->ipv4 | b->ipv6))
		return;
	inet_ntop(family, ip + (b->ipv4 ? 12 : 8), from, sizeof(from));
	inet_ntop(family, ip + (b->ipv4 ? 16 : 24), to, sizeof(to));
	printf(",\"src\":\"%s\",\"dst\":\"%s\"", from, to);
}

static void print_masks(const struct hm_batch *b)
{
	const struct {
		const char *name;
		uint64_t mask;
	} masks[] = {
		{"ipv4", b->ipv4},
		{"ipv6", b->ipv6},
		{"arp", b->arp},
		{"tcp", b->tcp},
		{"udp", b->udp},
		{"sctp", b->sctp},
		{"icmp", b->icmp},
		{"icmp6", b->icmp6},
		{"l4_ok", b->l4_ok},
		{"fragment", b->fragment},
		{"later_fragment", b->later_fragment},
		{"vlan", b->vlan},
		{"mpls", b->mpls},
		{"pppoe", b->pppoe},
		{"tunnel", b->tunnel},
	};

	for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++)
		printf(",\"%s\":%d", masks[i].name, (int)(masks[i].mask & 1));
}

static void print_packet(const struct hm_batch *b)
{
	printf("{\"outcome\":\"%s\",\"ethertype\":%u,\"l3\":%d,\"l4\":%d,\"payload\":%d,"
	       "\"end\":%u,\"ip_len\":%u,\"proto\":%u,\"vlan_tci\":%u,\"hash\":%u",
	       hm_parse_outcome_name(b->outcome[0]), b->ethertype[0], offset(b->l3[0]),
	       offset(b->l4[0]), offset(b->payload[0]), b->end[0], b->ip_len[0], b->proto[0],
	       b->vlan_tci[0], b->hash[0]);
	print_masks(b);
	print_addresses(b);
	if (b->l4_ok & (b->tcp | b->udp | b->sctp)) {
		const uint8_t *l4 = b->data[0] + b->l4[0];

		printf(",\"sport\":%u,\"dport\":%u", be16(l4), be16(l4 + 2));
	}
	puts("}");
}

int main(int argc, char **argv)
{
	static struct hm_batch b = {.n = 1, .all = 1};
	struct hm_parse_conf conf = {0};
	struct hm_trace_reader *reader;
	struct hm_trace_packet p;
	struct hm_error err;
	int more;

	if (argc < 2) {
		fputs("usage: parse_dump FILE [TUNNEL ...]\n", stderr);
		return 2;
	}
	for (int i = 2; i < argc; i++)
		conf.tunnels |= hm_tunnel_by_name(argv[i]);
	reader = hm_trace_open(argv[1], &err);
	if (!reader) {
		fprintf(stderr, "parse_dump: %s\n", err.text);
		return 1;
	}
	b.link = hm_trace_link(reader);
	while ((more = hm_trace_next(reader, &p, &err)) == 1) {
		b.data[0] = p.data;
		b.caplen[0] = p.caplen < UINT16_MAX ? p.caplen : UINT16_MAX;
		b.wirelen[0] = p.wirelen;
		hm_parse(&b, &conf);
		print_packet(&b);
	}
	hm_trace_close(reader);
	if (more < 0)
		fprintf(stderr, "parse_dump: %s\n", err.text);
	return more < 0;
}

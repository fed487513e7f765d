/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/packet_text.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/parse.h"

#define NS_A_S 1000000000

struct line {
	char *text;
	size_t used;
};

static void __attribute__((format(printf, 2, 3))) add(struct line *l, const char *format, ...)
{
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(l->text + l->used, HM_PACKET_TEXT - l->used, format, ap);
	va_end(ap);
	l->used += n > 0 ? (size_t)n : 0;
	if (l->used >= HM_PACKET_TEXT)
		l->used = HM_PACKET_TEXT - 1;
}

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
static void add_end(struct line *l, int family, const uint8_t *address, const uint8_t *port)
{
	char text[INET6_ADDRSTRLEN];
	uint16_t n;

	add(l, "%s", inet_ntop(family, address, text, sizeof(text)));
	if (port) {
		memcpy(&n, port, sizeof(n));
		add(l, ".%u", ntohs(n));
	}
}

static void add_ip(struct line *l, const struct hm_batch *b)
{
	const bool v4 = b->ipv4 != 0;
	const uint8_t *ip = b->data[0] + b->l3[0], *addresses = ip + (v4 ? 12 : 8);
	const size_t size = v4 ? 4 : 16;
	const uint8_t *ports =
		b->l4_ok && (b->tcp | b->udp | b->sctp) ? b->data[0] + b->l4[0] : NULL;
	const char *name = protocol_name(b->proto[0]);

	add(l, " %s ", v4 ? "IP" : "IP6");
	add_end(l, v4 ? AF_INET : AF_INET6, addresses, ports);
	add(l, " > ");
	add_end(l, v4 ? AF_INET : AF_INET6, addresses + size, ports ? ports + 2 : NULL);
	if (name)
		add(l, ": %s", name);
	else
		add(l, ": protocol %u", b->proto[0]);
	if (b->fragment)
		add(l, ", fragment");
}

void hm_packet_text(char text[HM_PACKET_TEXT], const struct hm_packet_view *p)
{
	static const struct hm_parse_conf conf = {0};
	const time_t second = (time_t)(p->ts_ns / NS_A_S);
	struct hm_batch b = {.n = 1, .all = 1, .link = p->link};
	struct line l = {.text = text};
	struct tm at;

	b.data[0] = p->data;
	b.caplen[0] = p->n;
	b.wirelen[0] = p->wirelen;
	hm_parse(&b, &conf);
	gmtime_r(&second, &at);
	l.used = strftime(text, HM_PACKET_TEXT, "%FT%T", &at);
	add(&l, ".%09uZ", (unsigned)(p->ts_ns % NS_A_S));
	if ((b.ipv4 | b.ipv6) && b.l3[0] != HM_NONE)
		add_ip(&l, &b);
	else if (b.arp)
		add(&l, " ARP");
	else if (b.ethertype[0] != 0)
		add(&l, " ethertype 0x%04x", b.ethertype[0]);
	add(&l, ", length %u", p->wirelen);
	if (p->caplen < p->wirelen)
		add(&l, ", %u captured", p->caplen);
}

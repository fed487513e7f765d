/* SPDX-License-Identifier: BSD-3-Clause */
#include "filter_expressions.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "filter_frames.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

const char *const filter_corner_cases[] = {
	"ip",
	"ip6",
	"arp",
	"rarp",
	"tcp",
	"udp",
	"sctp",
	"icmp",
	"icmp6",
	"igmp",
	"igrp",
	"pim",
	"vrrp",
	"carp",
	"ah",
	"esp",
	"not ip",
	"not tcp",
	"not (tcp or udp)",
	"tcp or not tcp",
	"ip and not ip",
	"ip proto 6",
	"ip proto \\tcp",
	"ip6 proto 6",
	"ip6 proto 44",
	"proto 17",
	"proto \\udp",
	"ip proto 255",
	"ether proto 0x88cc",
	"ether proto \\ip",
	"ether proto \\arp",
	"ether proto 0x8100",
	"ether proto 1600",
	"host 10.0.0.1",
	"src host 10.0.0.1",
	"dst host 10.0.0.1",
	"src and dst host 10.0.0.1",
	"dst or src host 10.0.0.2",
	"ip host 10.0.0.1",
	"arp host 10.0.0.1",
	"rarp host 10.0.0.2",
	"arp src host 10.0.0.1",
	"host 10.0.0.1 or 10.0.0.2",
	"host 10.0.0.1 and 10.0.0.2",
	"src 10.0.0.1",
	"dst 10.0.0.1",
	"host 10.1",
	"src 10.1.0",
	"host 5",
	"host 0x0a000001",
	"net 10",
	"net 10.1",
	"net 10.1.2",
	"net 10.0.0.0/8",
	"net 10.1.0.0/16",
	"net 10.1.0.0/17",
	"src net 10.1.2.0/24",
	"dst net 10.1.2.0/25",
	"net 0.0.0.0/0",
	"src net 0.0.0.0/0",
	"arp net 0.0.0.0/0",
	"net 10.0.0.0 mask 255.0.0.0",
	"net 10.0.0.1 mask 255.0.0.255",
	"net 10.1.2.3/32",
	"net 10.0.0.2/31",
	"net 128.0.0.0/1",
	"net 10.1.2.3",
	"net 0",
	"net 1",
	"src and dst net 10.0.0.0/8",
	"host 2001:db8::1",
	"src host 2001:db8::1",
	"ip6 host 2001:db8::2",
	"net 2001:db8::/32",
	"ip6 net 2001:db8:1::/48",
	"net ::/0",
	"src net ::/0",
	"net 2001:db8::/97",
	"net 2001:db8::/64",
	"src and dst host 2001:db8::1",
	"net fe80::/10",
	"net ::1/128",
	"net 2001:db8::/33",
	"dst net ff00::/8",
	"net 8000::/1",
	"ip6 host 10.0.0.1",
	"host ::1 or 10.0.0.1",
	"port 80",
	"src port 80",
	"dst port 80",
	"src and dst port 80",
	"src or dst port 53",
	"tcp port 80",
	"udp port 53",
	"sctp port 80",
	"tcp src port 443",
	"udp dst port 53",
	"port 0",
	"port 65535",
	"port http",
	"port domain",
	"udp port domain",
	"port 80 or 443",
	"port 80 or 443 or 53",
	"port (80 or 443)",
	"(port 80 or 443)",
	"port 80 and not 443",
	"port not 80",
	"not port 80",
	"not port 80 and not port 443",
	"tcp port (80 or 443) and not host 10.0.0.1",
	"portrange 50-100",
	"src portrange 50-100",
	"udp portrange 0-65535",
	"portrange 100-50",
	"portrange 80",
	"portrange 0-0",
	"tcp dst portrange 443-5000",
	"portrange 65535-65535",
	"portrange 22-53 or 443-1000",
	"not portrange 0-1023",
	"(port 80) or 443",
	"host 10.0.0.1 or (port 80) or 10.0.0.2",
	"port 80 or (host 10.0.0.1) or 443",
	"len > 60",
	"len >= 60",
	"len = 74",
	"len != 74",
	"len < 100",
	"len <= 100",
	"100 < len",
	"100 >= len",
	"74 = len",
	"less 74",
	"greater 74",
	"len & 1 = 0",
	"less 0",
	"greater 0",
	"len > 4294967295",
	"tcp[tcpflags] & tcp-syn != 0",
	"tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
	"tcp[13] = 2",
	"tcp[13] & 7 = 2",
	"not tcp[13] & 2 != 0",
	"not tcp[13] = 2",
	"tcp[0:2] = 80",
	"tcp[2:2] > 1000",
	"tcp[4:4] > 0x7fffffff",
	"tcp[100] = 0",
	"not tcp[100] = 0",
	"tcp[100] = 0 or host 10.0.0.1",
	"host 10.0.0.1 or tcp[100] = 0",
	"tcp[30] >= 0",
	"tcp[30] & 0 = 0",
	"tcp[30] = 1 or not tcp[30] = 1",
	"(tcp[60] = 1 and ip) or (not tcp[60] = 1 and ip)",
	"tcp[60] > 5 or tcp[60] <= 5",
	"ip[0] & 0xf > 5",
	"ip[0] & 0xf0 != 0x40",
	"ip[6:2] & 0x1fff != 0",
	"ip[6:2] & 0x3fff = 0",
	"ip[8] < 64",
	"ip[8] >= 64",
	"64 > ip[8]",
	"ip[2:2] > 60",
	"ip[12:4] = 0x0a000001",
	"ip[16:4] & 0xffff0000 = 0x0a010000",
	"ip[9] = 6",
	"ip[200] = 0",
	"not ip[200] = 0",
	"ip6[6] = 17",
	"ip6[4:2] > 40",
	"ip6[24] = 255",
	"icmp[icmptype] = icmp-echo",
	"icmp[0] < 128",
	"icmp6[icmp6type] = icmp6-echo",
	"icmp6[0] >= 128",
	"igmp[0] > 100",
	"sctp[0:2] = 80",
	"udp[4:2] > 100",
	"udp[8] & 1 = 1",
	"arp[6:2] = 1",
	"arp[7] & 1 = 0",
	"rarp[7] = 3",
	"pim[0] > 9",
	"vrrp[1] > 9",
	"ether[0] & 1 != 0",
	"ether[12:2] = 0x800",
	"ether[150] = 0",
	"not ether[150] = 0",
	"ether[100] = 0 or ip",
	"link[14] = 0x45",
	"5 > 3",
	"3 > 5",
	"ip[0] + 1 > 5",
	"ip[ip[8] & 3] > 5",
	"tcp[(tcp[12] & 0xf0) >> 2] > 5",
	"ip[0] > ip[8]",
	"ip[8] * 2 = 4",
	"-1 < len",
	"(tcp[13] & 2) != 0",
	"((tcp[13] & 2) != 0)",
	"(ip[8]) > (5)",
	"ip[8] & 3 & 1 = 1",
	"3 & ip[8] = 1",
	"ip[(8)] = 64",
	"ip[4+4] > 64",
	"ip[2*4] > 64",
	"ip[16>>1] > 64",
	"tcp[12] & 0xf0 > 5*16",
	"ether host 00:11:22:33:44:55",
	"ether src 02:00:00:00:00:01",
	"ether dst 02-00-00-00-00-02",
	"ether dst 0200.0000.0000",
	"ether host 001122334455",
	"ether src and dst 02:00:00:00:00:01",
	"ether host ff:ff:ff:ff:ff:ff",
	"not ether host 02:00:00:00:00:01",
	"broadcast",
	"multicast",
	"ether broadcast",
	"ether multicast",
	"ip broadcast",
	"ip multicast",
	"ip6 multicast",
	"not broadcast and not multicast",
	"vlan",
	"vlan 1",
	"vlan 1 and ip",
	"vlan and tcp port 80",
	"vlan or ip",
	"not vlan",
	"not vlan and ip",
	"vlan and vlan",
	"vlan and vlan and ip",
	"vlan 1 and vlan 2",
	"vlan 1 or vlan 2",
	"(vlan 1 or vlan 2) and ip",
	"ip or vlan",
	"tcp or (vlan and tcp)",
	"vlan and host 10.0.0.1",
	"vlan and ether[14:2] = 1",
	"vlan and ip[8] > 64",
	"vlan and tcp[13] & 2 != 0",
	"vlan and arp",
	"vlan 0",
	"vlan 4095",
	"vlan (1)",
	"vlan and ether host 02:00:00:00:00:01",
	"vlan and ether proto 0x88cc",
	"vlan and (port 80 or (vlan and port 80))",
	"mpls",
	"mpls 16",
	"mpls and ip",
	"mpls and ip6",
	"mpls 17 and host 10.0.0.1",
	"mpls and mpls",
	"mpls 16 and mpls 17",
	"not mpls",
	"mpls and mpls and ip",
	"mpls or ip",
	"vlan and mpls",
	"vlan and mpls and ip",
	"mpls and tcp port 80",
	"mpls and ip[8] > 1",
	"mpls and mpls and mpls and ip",
	"mpls and net 0.0.0.0/0",
	"pppoed",
	"pppoes",
	"pppoes 1",
	"pppoes and ip",
	"pppoes and ip6",
	"pppoes 1 and tcp port 80",
	"vlan and pppoes and ip",
	"pppoes and host 10.0.0.1",
	"pppoes and ether[0] = 0",
	"pppoes and mpls",
	"not pppoes",
	"pppoes or tcp",
	"pppoes and arp",
	"ip protochain 6",
	"ip6 protochain 17",
	"llc",
	"stp",
	"iso",
	"ipx",
	"geneve",
	"atalk",
	"aarp",
	"ether proto 0x809b",
	"ether proto 0x42",
	"byte 0 = 2",
	"ether[0:4] = 0",
	"decnet host 10.12",
	"inbound",
	"isis",
	"netbeui",
	"lat",
	"tcp && port 80 || udp && ! port 53",
	"!tcp",
	"! ! tcp",
	"not not port 80",
	"not (not (port 80))",
	"(((tcp)))",
	"((port 80) or (443))",
	"tcp or udp and icmp",
	"tcp and udp or icmp",
	"icmp or tcp and udp",
	"not tcp and udp",
	"not (tcp and port 80)",
	"(host 10.0.0.1 or tcp port 443) and not (host 10.0.0.2 or src port 443)",
	"port 80 or port 80",
	"port 80 and port 80",
	"host 10.0.0.1 and (port 80 or port 443) and (net 10.0.0.0/8 or net 192.168.0.0/16)",
	"(port 80 or tcp) and (port 443 or udp or host 10.0.0.1)",
	"not (port 80 or (tcp and not host 10.0.0.1))",
	NULL};

struct writer {
	char *text;
	size_t size, n;
	uint64_t *seed;
};

static uint32_t draw(struct writer *w, uint32_t below)
{
	return filter_draw(w->seed, below);
}

static void __attribute__((format(printf, 2, 3))) print(struct writer *w, const char *format, ...)
{
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vsnprintf(w->text + w->n, w->size - w->n, format, arguments);
	va_end(arguments);
	w->n += n > 0 && (size_t)n < w->size - w->n ? (size_t)n : 0;
}

#define PICK(w, ...)                                                \
	({                                                          \
		static const char *const choices[] = {__VA_ARGS__}; \
		choices[draw(w, (uint32_t)COUNT(choices))];         \
	})

static const char *pick_address(struct writer *w)
{
	return PICK(w, "10.0.0.1", "10.0.0.2", "10.1.0.1", "10.1.2.3", "192.168.1.1", "224.0.0.5",
		    "0.0.0.0", "2001:db8::1", "2001:db8::2", "fe80::200:ff:fe00:1", "::1",
		    "127.0.0.1", "10.1");
}

static const char *pick_net(struct writer *w)
{
	return PICK(w, "10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "192.168.0.0/16", "10.0.0.0/30",
		    "0.0.0.0/0", "10", "2001:db8::/32", "2001:db8::/48", "fe80::/10", "::/0",
		    "224.0.0.0/4", "127.0.0.0/9", "10.1.2.2/31");
}

static const char *pick_direction(struct writer *w)
{
	return PICK(w, "", "", "", "src ", "dst ", "src or dst ", "src and dst ", "dst and src ");
}

static void write_relation(struct writer *w)
{
	const char *relation = PICK(w, "=", "!=", "<", ">", "<=", ">=");
	uint32_t value = draw(w, 4) ? draw(w, 256) : draw(w, 70000);
	bool swapped = draw(w, 5) == 0;

	if (swapped)
		print(w, "%u %s ", value, relation);
	print(w, "%s",
	      PICK(w, "tcp[tcpflags]", "tcp[2:2]", "ip[8]", "ip[0]", "ip[6:2]", "udp[4:2]",
		   "udp[0:2]", "icmp[0]", "ip6[6]", "ip6[4:2]", "icmp6[0]", "arp[6:2]", "sctp[0:2]",
		   "ether[0]", "ether[14]", "len", "tcp[24]", "ip[60]", "ether[70:4]", "igmp[0]"));
	if (draw(w, 2))
		print(w, " & 0x%x", 1 + draw(w, 255));
	if (!swapped)
		print(w, " %s %u", relation, value);
}

static void write_primitive(struct writer *w)
{
	switch (draw(w, 12)) {
	case 0:
	case 1:
		print(w, "%s%s %s", pick_direction(w), "host", pick_address(w));
		return;
	case 2:
		print(w, "%s%snet %s", PICK(w, "", "", "", "ip ", "arp ", "ip6 "),
		      pick_direction(w), pick_net(w));
		return;
	case 3:
	case 4:
		print(w, "%s%sport %s", PICK(w, "", "tcp ", "udp ", "sctp "), pick_direction(w),
		      PICK(w, "80", "53", "443", "22", "0", "65535", "1000", "(80 or 443)",
			   "domain"));
		return;
	case 5:
		print(w, "%s%sportrange %u-%u", PICK(w, "", "tcp ", "udp ", "sctp "),
		      pick_direction(w), draw(w, 600), draw(w, 10000));
		return;
	case 6:
		print(w, "%s",
		      PICK(w, "ip", "ip6", "arp", "tcp", "udp", "icmp", "icmp6", "sctp", "rarp",
			   "igmp", "esp"));
		return;
	case 7:
		print(w, "%sproto %u", PICK(w, "", "ip ", "ip6 "),
		      draw(w, 20) + (draw(w, 3) ? 0 : 40));
		return;
	case 8:
		print(w, "%s %u", PICK(w, "less", "greater"), 40 + draw(w, 100));
		return;
	case 9:
	case 10:
		write_relation(w);
		return;
	default:
		print(w, "%s",
		      PICK(w, "vlan", "vlan 1", "vlan 2", "mpls", "mpls 17", "pppoes", "pppoed",
			   "ether multicast", "broadcast", "ip multicast", "ether proto 0x88cc",
			   "ether src 02:00:00:00:00:01", "ether host 00:11:22:33:44:55",
			   "ip broadcast"));
		return;
	}
}

static void write_expression(struct writer *w, unsigned terms)
{
	unsigned left = terms > 1 ? 1 + draw(w, terms - 1) : 0;
	bool parentheses = draw(w, 3) == 0;

	if (draw(w, 6) == 0)
		print(w, "%s", PICK(w, "not ", "!"));
	if (terms <= 1) {
		write_primitive(w);
		return;
	}
	if (parentheses)
		print(w, "(");
	write_expression(w, left);
	print(w, "%s", PICK(w, " and ", " and ", " or ", " && ", " || "));
	write_expression(w, terms - left);
	if (parentheses)
		print(w, ")");
}

void filter_expression_make(char *text, size_t size, unsigned terms, uint64_t *seed)
{
	struct writer w = {.text = text, .size = size, .seed = seed};

	text[0] = '\0';
	write_expression(&w, 1 + draw(&w, terms));
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* generator_frame: link, IP and fragment headers, checksums and padding around a payload. */
#include <string.h>

#include "trace/generator_parts.h"

#define ETHERNET_MIN  60u // without FCS
#define FRAGMENT_MIN  160u
#define IPV6_FRAGMENT 44
#define PROTOCOL_TCP  6
#define PROTOCOL_UDP  17

/* One's complement sums do not mind the byte order, as long as they are stored like they were
 * loaded (RFC 1071). */
static uint64_t add_bytes(uint64_t sum, const uint8_t *p, uint32_t n)
{
	uint32_t i = 0, word;
	for (; i + 4 <= n; i += 4) {
		memcpy(&word, p + i, 4);
		sum += word;
	}
	if (i < n) {
		word = 0;
		memcpy(&word, p + i, n - i);
		sum += word;
	}
	return sum;
}

static uint16_t fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void put_ipv4_checksum(uint8_t *ip)
{
	uint16_t sum;
	memset(ip + 10, 0, 2);
	sum = fold(add_bytes(0, ip, 20));
	memcpy(ip + 10, &sum, 2);
}

static void put_checksum(const struct hm_gen_flow *f, enum hm_dir dir, uint8_t protocol,
			 uint8_t *l4, uint32_t n, uint8_t *at)
{
	uint8_t pseudo[8] = {0};
	uint64_t sum = 0;
	uint16_t folded;
	memset(at, 0, 2);
	if (protocol != 1) { // ICMP for IPv4 has no pseudo header
		uint32_t size = f->ipv6 ? 16 : 4;
		hm_put32(pseudo, n);
		pseudo[7] = protocol;
		sum = add_bytes(sum, pseudo, 8);
		sum = add_bytes(sum, f->addr[dir], size);
		sum = add_bytes(sum, f->addr[!dir], size);
	}
	folded = fold(add_bytes(sum, l4, n));
	if (folded == 0 && protocol == PROTOCOL_UDP)
		folded = 0xffff; // 0 would say that there is none
	memcpy(at, &folded, 2);
}

uint8_t *hm_frame_begin(struct hm_generator *g, const struct hm_gen_flow *f, enum hm_dir dir)
{
	uint8_t *p = g->frame = g->ends[0];
	bool arp = f->kind == HM_FLOW_ARP;
	memcpy(p, f->mac[!dir], 6);
	memcpy(p + 6, f->mac[dir], 6);
	p += 12;
	for (uint32_t i = 0; i < f->n_vlans; i++, p += 4) {
		hm_put16(p, i + 1 < f->n_vlans ? 0x88a8 : 0x8100);
		hm_put16(p + 2, f->vlan[i]);
	}
	hm_put16(p, f->n_labels ? 0x8847 : arp ? 0x0806 : f->ipv6 ? 0x86dd : 0x0800);
	p += 2;
	for (uint32_t i = 0; i < f->n_labels; i++, p += 4)
		hm_put32(p, f->label[i] << 12 | (uint32_t)(i + 1 == f->n_labels) << 8 | 62);
	g->l3 = (uint32_t)(p - g->frame);
	g->l4 = g->l3 + (arp ? 0 : f->ipv6 ? 40 : 20);
	return g->frame + g->l4;
}

static void put_ip(struct hm_generator *g, struct hm_gen_flow *f, enum hm_dir dir, uint8_t protocol,
		   uint32_t l4_len)
{
	uint8_t *ip = g->frame + g->l3;
	uint8_t ttl = dir == HM_TO_SERVER ? 64 : (uint8_t)(64 - (f->salt & 15));
	if (f->ipv6) {
		hm_put32(ip, 6u << 28 | (f->salt & 0xfffff));
		hm_put16(ip + 4, l4_len);
		ip[6] = protocol;
		ip[7] = ttl;
		memcpy(ip + 8, f->addr[dir], 16);
		memcpy(ip + 24, f->addr[!dir], 16);
		return;
	}
	ip[0] = 0x45;
	ip[1] = 0;
	hm_put16(ip + 2, 20 + l4_len);
	hm_put16(ip + 4, f->ip_id[dir]++);
	hm_put16(ip + 6, protocol == PROTOCOL_TCP ? 0x4000 : 0); // don't fragment
	ip[8] = ttl;
	ip[9] = protocol;
	memcpy(ip + 12, f->addr[dir], 4);
	memcpy(ip + 16, f->addr[!dir], 4);
	put_ipv4_checksum(ip);
}

/* The planted string counts where all of it was captured. */
static bool holds_plant(const struct hm_generator *g, const uint8_t *frame, uint32_t at, uint32_t n)
{
	uint32_t end = at + n;
	if (g->conf.snaplen && end > g->conf.snaplen)
		end = g->conf.snaplen;
	return end > at && memmem(frame + at, end - at, g->plant, g->plant_len);
}

static uint32_t pad(uint8_t *frame, uint32_t n)
{
	if (n >= ETHERNET_MIN)
		return n;
	memset(frame + n, 0, ETHERNET_MIN - n);
	return ETHERNET_MIN;
}

/* Puts part of the packet's `ip payload` behind its headers into `to`; returns the length. */
static uint32_t put_fragment(const struct hm_generator *g, const struct hm_gen_flow *f,
			     uint8_t protocol, const uint8_t *part, uint32_t n, uint32_t offset,
			     bool more, uint8_t *to)
{
	uint8_t *ip = to + g->l3, *data = to + g->l4;
	if (f->ipv6) {
		memmove(data + 8, part, n);
		hm_put16(ip + 4, n + 8);
		ip[6] = IPV6_FRAGMENT;
		data[0] = protocol;
		data[1] = 0;
		hm_put16(data + 2, offset | more);
		hm_put32(data + 4, g->fragment_id);
		return g->l4 + 8 + n;
	}
	memmove(data, part, n);
	hm_put16(ip + 2, 20 + n);
	hm_put16(ip + 4, g->fragment_id & 0xffff);
	hm_put16(ip + 6, (uint32_t)more << 13 | offset >> 3);
	put_ipv4_checksum(ip);
	return g->l4 + n;
}

static void split(struct hm_generator *g, const struct hm_gen_flow *f, uint8_t protocol,
		  uint32_t header, uint32_t l4_len)
{
	uint8_t *first = g->frame, *second = g->ends[1];
	uint32_t cut = (l4_len / 2 + 7) & ~7u, extra = f->ipv6 ? 8 : 0;
	g->fragment_id++;
	memcpy(second, first, g->l4);
	g->second_len =
		put_fragment(g, f, protocol, first + g->l4 + cut, l4_len - cut, cut, false, second);
	g->frame_len = put_fragment(g, f, protocol, first + g->l4, cut, 0, true, first);
	if (g->plant) {
		g->holds_plant = holds_plant(g, first, g->l4 + extra + header, cut - header);
		g->second_holds_plant = holds_plant(g, second, g->l4 + extra, l4_len - cut);
	}
}

void hm_frame_end(struct hm_generator *g, struct hm_gen_flow *f, enum hm_dir dir, uint8_t protocol,
		  uint32_t header, uint32_t checksum_at, uint32_t payload, uint32_t written)
{
	uint32_t l4_len = header + payload;
	uint8_t *l4 = g->frame + g->l4;
	put_checksum(f, dir, protocol, l4, l4_len, l4 + checksum_at);
	put_ip(g, f, dir, protocol, l4_len);
	g->holds_plant = false;
	if (payload >= FRAGMENT_MIN && !f->planted &&
	    hm_random_percent(g, g->conf.fragment_percent)) {
		split(g, f, protocol, header, l4_len);
		return;
	}
	g->frame_len = pad(g->frame, g->l4 + l4_len);
	// an occurrence that begins in what was written may end in the filler
	if (g->plant && written) {
		uint32_t look = written + g->plant_len - 1;
		g->holds_plant =
			holds_plant(g, g->frame, g->l4 + header, look < payload ? look : payload);
	}
}

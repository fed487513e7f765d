/* SPDX-License-Identifier: BSD-3-Clause */
/* generator_udp: DNS, NTP, QUIC-like and other datagrams; ICMP echo; ARP. */
#include "trace/generator_parts.h"

#define PROTOCOL_ICMP   1
#define PROTOCOL_UDP    17
#define PROTOCOL_ICMPV6 58
#define HEADER          8u
#define NTP_UNIX        2208988800u // seconds from 1900 to 1970

static void send(struct hm_generator *g, struct hm_gen_flow *f, enum hm_dir dir, uint32_t payload,
		 uint32_t written)
{
	uint8_t *udp = g->frame + g->l4;
	hm_put16(udp, f->port[dir]);
	hm_put16(udp + 2, f->port[!dir]);
	hm_put16(udp + 4, HEADER + payload);
	hm_frame_end(g, f, dir, PROTOCOL_UDP, HEADER, 6, payload, written);
}

static uint32_t put_ntp(const struct hm_generator *g, enum hm_dir dir, uint8_t *to)
{
	uint32_t seconds = (uint32_t)(g->now_ns / 1000000000u) + NTP_UNIX;
	uint32_t fraction = (uint32_t)((g->now_ns % 1000000000u << 32) / 1000000000u);
	memset(to, 0, 48);
	to[0] = dir == HM_TO_SERVER ? 0x23 : 0x24; // version 4, client or server
	to[1] = dir == HM_TO_SERVER ? 0 : 2;
	to[2] = 6;
	to[3] = 0xec;
	for (uint32_t at = dir == HM_TO_SERVER ? 40 : 16; at <= 40; at += 8) {
		hm_put32(to + at, seconds);
		hm_put32(to + at + 4, fraction);
	}
	return 48;
}

/* QUIC version 1: the first two packets have long headers, later ones short ones. */
static uint32_t put_quic(struct hm_generator *g, const struct hm_gen_flow *f, enum hm_dir dir,
			 uint8_t *to, uint32_t *written)
{
	bool initial = f->state < 2;
	uint32_t n = initial ? 1200 : 40 + hm_random_below(g, dir == HM_TO_CLIENT ? 1200 : 120);
	hm_fill_bytes(g, to, n);
	if (!initial) {
		to[0] = 0x40 | (to[0] & 0x3f);
		hm_put32(to + 1, f->salt);
		*written = 5;
		return n;
	}
	to[0] = 0xc0 | (to[0] & 0x03);
	hm_put32(to + 1, 1); // version
	to[5] = dir == HM_TO_SERVER ? 8 : 0;
	*written = 6u + to[5];
	to[(*written)++] = dir == HM_TO_SERVER ? 0 : 4; // source connection identifier
	if (dir == HM_TO_CLIENT) {
		hm_put32(to + *written, f->salt);
		*written += 4;
	}
	to[(*written)++] = 0; // no token
	hm_put16(to + *written, 0x4000 | (n - *written - 2));
	*written += 2;
	return n;
}

static uint32_t put_stream(struct hm_generator *g, const struct hm_gen_flow *f, uint8_t *to,
			   uint32_t *written)
{
	uint32_t n = 40 + hm_random_below(g, 360);
	*written = 0;
	if (!f->planted || f->state > 0) {
		hm_fill_text(g, to, n);
		return n;
	}
	n += g->plant_len;
	hm_fill_text(g, to, n);
	hm_generator_plant(g, to, n);
	*written = n;
	return n;
}

bool hm_udp_step(struct hm_generator *g, struct hm_gen_flow *f)
{
	// one question, one answer; then mostly the server talks
	enum hm_dir dir = f->state < 2 ? f->state : hm_random_below(g, 4) != 0;
	uint8_t *to = hm_frame_begin(g, f, dir) + HEADER;
	uint32_t n, written;
	switch (f->app) {
	case HM_APP_DNS:
		n = written = hm_dns_message(g, f, dir == HM_TO_CLIENT, to);
		break;
	case HM_APP_NTP:
		n = written = put_ntp(g, dir, to);
		break;
	case HM_APP_QUIC:
		n = put_quic(g, f, dir, to, &written);
		break;
	default:
		n = put_stream(g, f, to, &written);
		break;
	}
	send(g, f, dir, n, written);
	if (f->state < 2)
		f->state++;
	return --f->left == 0;
}

bool hm_icmp_step(struct hm_generator *g, struct hm_gen_flow *f)
{
	enum hm_dir dir = f->state & 1;
	uint8_t *icmp = hm_frame_begin(g, f, dir);
	if (f->ipv6)
		icmp[0] = dir == HM_TO_SERVER ? 128 : 129;
	else
		icmp[0] = dir == HM_TO_SERVER ? 8 : 0;
	icmp[1] = 0;
	hm_put16(icmp + 4, f->salt & 0xffff);
	hm_put16(icmp + 6, f->state / 2 + 1u);
	for (uint32_t i = 0; i < 56; i++)
		icmp[HEADER + i] = (uint8_t)i;
	hm_put32(icmp + HEADER, f->salt); // as ping does, a time; the reply repeats it
	hm_frame_end(g, f, dir, f->ipv6 ? PROTOCOL_ICMPV6 : PROTOCOL_ICMP, HEADER, 2, 56, 56);
	f->state++;
	return --f->left == 0;
}

bool hm_arp_step(struct hm_generator *g, struct hm_gen_flow *f)
{
	static const uint8_t ethernet_ipv4[6] = {0, 1, 8, 0, 6, 4};
	enum hm_dir dir = f->state & 1;
	uint8_t *arp = hm_frame_begin(g, f, dir);
	memcpy(arp, ethernet_ipv4, sizeof(ethernet_ipv4));
	hm_put16(arp + 6, dir == HM_TO_SERVER ? 1 : 2);
	memcpy(arp + 8, f->mac[dir], 6);
	memcpy(arp + 14, f->addr[dir], 4);
	memcpy(arp + 18, f->mac[!dir], 6);
	memcpy(arp + 24, f->addr[!dir], 4);
	if (dir == HM_TO_SERVER) { // asks everybody
		memset(g->frame, 0xff, 6);
		memset(arp + 18, 0, 6);
	}
	g->holds_plant = false;
	g->frame_len = g->l4 + 28;
	if (g->frame_len < 60) {
		memset(g->frame + g->frame_len, 0, 60 - g->frame_len);
		g->frame_len = 60;
	}
	f->state++;
	return --f->left == 0;
}

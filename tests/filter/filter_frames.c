/* SPDX-License-Identifier: BSD-3-Clause */
#include "filter_frames.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct maker {
	uint8_t *at; // where the next byte goes
	uint64_t *seed;
};

uint32_t filter_draw(uint64_t *seed, uint32_t below)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*seed >> 33) % below;
}

static uint32_t draw(struct maker *m, uint32_t below)
{
	return filter_draw(m->seed, below);
}

static void put(struct maker *m, uint32_t value, unsigned size)
{
	for (unsigned i = size; i-- > 0;)
		*m->at++ = (uint8_t)(value >> (8 * i));
}

static void put_ipv4_address(struct maker *m)
{
	static const uint32_t pool[] = {0x0a000001, 0x0a000002, 0x0a010001, 0x0a010203, 0xc0a80101,
					0xc0a80207, 0xe0000005, 0xffffffff, 0,          0x7f000001};

	put(m, pool[draw(m, 10)], 4);
}

static void put_ipv6_address(struct maker *m)
{
	static const uint32_t pool[][4] = {
		{0x20010db8, 0, 0, 1},          {0x20010db8, 0, 0, 2},
		{0x20010db8, 0x00010000, 0, 1}, {0xfe800000, 0, 0x020000ff, 0xfe000001},
		{0xff020000, 0, 0, 1},          {0, 0, 0, 1}};
	const uint32_t *address = pool[draw(m, 6)];

	for (unsigned i = 0; i < 4; i++)
		put(m, address[i], 4);
}

static void put_transport(struct maker *m)
{
	static const uint32_t ports[] = {0, 22, 53, 80, 443, 1000, 5000, 8080, 65535};

	put(m, ports[draw(m, 9)], 2);
	put(m, ports[draw(m, 9)], 2);
	put(m, draw(m, 1 << 30), 4);
	put(m, draw(m, 1 << 30), 4);
	put(m, 0x5000u | draw(m, 256), 2);
	for (unsigned i = 0; i < 20; i++)
		put(m, draw(m, 256), 1);
}

static uint8_t draw_protocol(struct maker *m)
{
	static const uint8_t pool[] = {6,  6,  6,  17, 17,  17,  132, 1, 2,
				       58, 44, 50, 51, 103, 112, 9,   0};

	return pool[draw(m, sizeof(pool))];
}

static void put_ipv4(struct maker *m)
{
	static const uint16_t fragments[] = {0,      0,      0,      0,      0,     0x4000,
					     0x2000, 0x2001, 0x0010, 0x1fff, 0x8000};
	unsigned words = draw(m, 4) ? 5 : draw(m, 16);

	put(m, 0x40 | words, 1);
	put(m, draw(m, 4) ? 0 : draw(m, 256), 1);
	put(m, 40 + draw(m, 60), 2);
	put(m, draw(m, 65536), 2);
	put(m, fragments[draw(m, 11)], 2);
	put(m, draw(m, 256), 1);
	put(m, draw_protocol(m), 1);
	put(m, draw(m, 65536), 2);
	put_ipv4_address(m);
	put_ipv4_address(m);
	for (unsigned i = 5; i < words; i++)
		put(m, 0x01010101, 4);
	put_transport(m);
}

static void put_ipv6(struct maker *m)
{
	uint8_t next = draw_protocol(m);

	put(m, 0x60000000 | draw(m, 1 << 20), 4);
	put(m, 20 + draw(m, 60), 2);
	put(m, next, 1);
	put(m, draw(m, 256), 1);
	put_ipv6_address(m);
	put_ipv6_address(m);
	if (next == 44 || next == 0) {
		put(m, draw_protocol(m), 1);
		put(m, 0, 1);
		put(m, next == 44 && draw(m, 2) ? 0x0008 : 1, 2);
		put(m, 7, 4);
	}
	put_transport(m);
}

static void put_arp(struct maker *m)
{
	put(m, 1, 2);
	put(m, 0x0800, 2);
	put(m, 0x0604, 2);
	put(m, 1 + draw(m, 4), 2);
	put(m, 0x02000000, 4);
	put(m, 0x0001, 2);
	put_ipv4_address(m);
	put(m, 0, 4);
	put(m, 2, 2);
	put_ipv4_address(m);
	put(m, draw(m, 1 << 30), 4);
}

/* A network packet of a kind; returns its ethertype. */
static uint32_t put_network(struct maker *m, unsigned kind)
{
	switch (kind) {
	case 0:
	case 1:
	case 2:
		put_ipv4(m);
		return 0x0800;
	case 3:
	case 4:
		put_ipv6(m);
		return 0x86dd;
	case 5:
		put_arp(m);
		return draw(m, 3) ? 0x0806 : 0x8035;
	default:
		put_transport(m);
		return draw(m, 2) ? 0x88cc : draw(m, 65536);
	}
}

static void put_mac(struct maker *m)
{
	static const uint16_t first[] = {0x0200, 0x0200, 0x0011, 0x0100, 0x3333, 0xffff};
	uint32_t start = first[draw(m, 6)];

	put(m, start, 2);
	put(m, start == 0xffff ? UINT32_MAX : start == 0x0011 ? 0x22334455 : draw(m, 3), 4);
}

/* Type field and what it announces, the network packet's type last. */
static void put_tags(struct maker *m, unsigned kind)
{
	static const uint16_t vlans[] = {0x8100, 0x88a8, 0x9100};
	unsigned tags = draw(m, 3), labels = draw(m, 6) == 0 ? 1 + draw(m, 3) : 0;
	uint8_t *type;

	for (unsigned i = 0; tags == 2 && i <= draw(m, 2); i++) {
		put(m, vlans[draw(m, 3)], 2);
		put(m, draw(m, 4) | draw(m, 8) << 13, 2);
	}
	if (labels > 0) {
		put(m, 0x8847, 2);
		for (unsigned i = 0; i < labels; i++)
			put(m, (16 + draw(m, 4)) << 12 | (i + 1 == labels) << 8 | 64, 4);
		put_network(m, kind % 5);
		return;
	}
	if (draw(m, 10) == 0) {
		put(m, draw(m, 4) ? 0x8864 : 0x8863, 2);
		put(m, 0x1100, 2);
		put(m, draw(m, 3), 2);
		put(m, 60, 2);
		type = m->at;
		put(m, 0, 2);
		kind = put_network(m, kind % 5) == 0x0800 ? 0x0021 : 0x0057;
	} else if (draw(m, 20) == 0) { // 802.3
		put(m, draw(m, 1501), 2);
		put(m, draw(m, 2) ? 0xaaaa0300 : 0x42420300, 4);
		put(m, 0, 2);
		put_network(m, kind);
		return;
	} else {
		type = m->at;
		put(m, 0, 2);
		kind = put_network(m, kind);
	}
	type[0] = (uint8_t)(kind >> 8);
	type[1] = (uint8_t)kind;
}

/* A header of `before` bytes, a type field and `behind` bytes. */
static void put_framed(struct maker *m, unsigned before, unsigned behind, unsigned kind)
{
	uint8_t *type;

	for (unsigned i = 0; i < before; i++)
		put(m, draw(m, 5), 1);
	type = m->at;
	put(m, 0, 2);
	for (unsigned i = 0; i < behind; i++)
		put(m, draw(m, 5), 1);
	kind = put_network(m, kind);
	type[0] = (uint8_t)(kind >> 8);
	type[1] = (uint8_t)kind;
}

static void put_family(struct maker *m, bool little, unsigned kind)
{
	static const uint8_t families[] = {24, 28, 30, 10};
	uint8_t *at = m->at;
	uint32_t type;

	put(m, 0, 4);
	type = put_network(m, kind);
	at[little ? 0 : 3] = type == 0x0800 ? 2 : type == 0x86dd ? families[draw(m, 4)] : 7;
}

static void put_frame(struct maker *m, enum hm_link link, unsigned kind)
{
	uint8_t *start = m->at;

	switch (link) {
	case HM_LINK_ETHERNET:
		put_mac(m);
		put_mac(m);
		put_tags(m, kind);
		break;
	case HM_LINK_LINUX_SLL:
		put_framed(m, 14, 0, kind);
		break;
	case HM_LINK_LINUX_SLL2:
		put_framed(m, 0, 18, kind);
		break;
	case HM_LINK_C_HDLC:
		put_framed(m, 2, 0, kind);
		break;
	case HM_LINK_PPP:
	case HM_LINK_PPP_SERIAL:
		put(m, draw(m, 4) ? 0xff03 : 0x0f00, 2);
		put(m, kind < 3 ? 0x0021 : kind < 5 ? 0x0057 : kind == 5 ? 0x0806 : 0x0281, 2);
		put_network(m, kind);
		if (draw(m, 8) == 0) { // an ethertype where PPP's number should be
			start[2] = 0x08;
			start[3] = 0;
		}
		break;
	case HM_LINK_NULL:
	case HM_LINK_LOOP:
		put_family(m, link == HM_LINK_NULL, kind);
		break;
	default:
		put_network(m, kind);
		break;
	}
}

struct filter_frame *filter_frames_make(enum hm_link link, size_t n, uint64_t seed)
{
	struct filter_frame *frames = calloc(n, sizeof(*frames));

	for (size_t i = 0; frames && i < n; i++) {
		uint8_t room[2 * FRAME_ROOM] = {0};
		struct maker m = {room, &seed};
		uint32_t size;

		put_frame(&m, link, draw(&m, 7));
		size = (uint32_t)(m.at - room);
		for (unsigned k = i % 4 == 3 ? 1 + draw(&m, 3) : 0; k > 0; k--)
			room[draw(&m, size < 70 ? size : 70)] = (uint8_t)draw(&m, 256);
		frames[i].wirelen = size + (draw(&m, 3) ? 0 : draw(&m, 1400));
		frames[i].caplen = i % 2 ? draw(&m, size + 1) : size;
		frames[i].bytes = malloc(frames[i].caplen ? frames[i].caplen : 1);
		if (frames[i].bytes)
			memcpy(frames[i].bytes, room, frames[i].caplen);
	}
	return frames;
}

void filter_frames_free(struct filter_frame *frames, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(frames[i].bytes);
	free(frames);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* parse_frames: builds frames by hand, header after header, and parses one of them. */
#pragma once

#include <string.h>

#include "parse_check.h"

struct packet {
	uint8_t bytes[4096];
	unsigned n;
};

static inline void put(struct packet *p, const void *bytes, unsigned n)
{
	memcpy(p->bytes + p->n, bytes, n);
	p->n += n;
}

static inline void put8(struct packet *p, unsigned v)
{
	p->bytes[p->n++] = (uint8_t)v;
}

static inline void put16(struct packet *p, unsigned v)
{
	put8(p, v >> 8);
	put8(p, v);
}

static inline void put32(struct packet *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p, v);
}

static inline void put_many(struct packet *p, unsigned value, unsigned n)
{
	memset(p->bytes + p->n, (int)value, n);
	p->n += n;
}

static inline void put_eth(struct packet *p, unsigned type)
{
	put(p, "\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02", 12);
	put16(p, type);
}

/* IPv4 header of 20 + options bytes, for `length` bytes behind it. `fragment`: flags and offset. */
static inline void put_ipv4(struct packet *p, unsigned proto, unsigned options, unsigned fragment,
			    unsigned length)
{
	put8(p, 0x40 | (5 + options / 4));
	put8(p, 0);
	put16(p, 20 + options + length);
	put16(p, 0x1234);
	put16(p, fragment);
	put8(p, 64);
	put8(p, proto);
	put16(p, 0);
	put32(p, 0x0a000001);
	put32(p, 0x0a000002);
	put_many(p, 1, options);
}

static inline void put_ipv6(struct packet *p, unsigned next, unsigned length)
{
	put32(p, 0x60000000);
	put16(p, length);
	put8(p, next);
	put8(p, 64);
	put(p, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 16);
	put(p, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02", 16);
}

/* An extension header of 8 * (1 + units) bytes. */
static inline void put_ext(struct packet *p, unsigned next, unsigned units)
{
	put8(p, next);
	put8(p, units);
	put_many(p, 0, 6 + 8 * units);
}

static inline void put_tcp(struct packet *p, unsigned options)
{
	put16(p, 40000);
	put16(p, 80);
	put32(p, 1);
	put32(p, 2);
	put8(p, (5 + options / 4) << 4);
	put8(p, 0x18);
	put16(p, 1000);
	put32(p, 0);
	put_many(p, 1, options);
}

static inline void put_udp(struct packet *p, unsigned port, unsigned length)
{
	put16(p, 40000);
	put16(p, port);
	put16(p, 8 + length);
	put16(p, 0);
}

/* IPv4, UDP and 4 bytes: 32 bytes. */
#define UDP4 32
static inline void put_udp4(struct packet *p)
{
	put_ipv4(p, 17, 0, 0, 12);
	put_udp(p, 53, 4);
	put(p, "data", 4);
}

/* Parses one packet of `caplen` captured bytes; from a copy that ends where the heap block ends, so
 * that the address sanitizer sees a read behind it. */
static inline struct parse_fields parse_bytes(const uint8_t *bytes, unsigned caplen,
					      unsigned wirelen, enum hm_link link, uint32_t tunnels)
{
	static struct hm_batch b;
	struct hm_parse_conf conf = {.tunnels = tunnels};
	uint8_t *copy = malloc(caplen ? caplen : 1);

	if (!copy)
		abort();
	memcpy(copy, bytes, caplen);
	memset(&b, 0xa5, sizeof(b));
	b.n = 1;
	b.all = 1;
	b.link = link;
	b.data[0] = caplen ? copy : copy + 1;
	b.caplen[0] = caplen;
	b.wirelen[0] = wirelen;
	hm_parse(&b, &conf);
	parse_check(&b, tunnels);
	free(copy);
	return parse_fields(&b, 0);
}

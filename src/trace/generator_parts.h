/* SPDX-License-Identifier: BSD-3-Clause */
/* generator_parts: what the generator's files share; only src/trace/generator*.c include it.
 *
 * A flow is a conversation of two hosts with its own small state machine. Each step of one makes
 * one packet into g->frame: hm_frame_begin() writes the link headers, the step writes the transport
 * header and the payload, hm_frame_end() writes the IP header, checksums and padding. Only integer
 * arithmetic is used, so that every machine makes the same bytes.
 */
#pragma once

#include <string.h>

#include "trace/generator.h"

#define HM_MSS        1448u // with TCP timestamps in an MTU of 1500
#define HM_FRAME_MAX  2048u
#define HM_POOL       65536u
#define HM_PLANT_MAX  1024u
#define HM_PORT_OTHER 61000u // first of the server ports that no known protocol uses

enum hm_flow_kind { HM_FLOW_TCP, HM_FLOW_UDP, HM_FLOW_ICMP, HM_FLOW_ARP };
enum hm_flow_app { HM_APP_HTTP, HM_APP_TLS, HM_APP_STREAM, HM_APP_DNS, HM_APP_QUIC, HM_APP_NTP };
enum hm_dir { HM_TO_SERVER, HM_TO_CLIENT };

struct hm_gen_flow {
	uint8_t addr[2][16]; // client, server; IPv4 in the first four bytes
	uint8_t mac[2][6];
	uint16_t port[2];
	uint32_t seq[2];   // TCP: next byte each side sends
	uint32_t salt;     // random, constant: names, identifiers, clocks
	uint32_t left;     // TCP: bytes left of the message; else packets left
	uint32_t segments; // TCP: data segments left for the responses to come
	uint16_t ip_id[2];
	uint16_t vlan[2], n_vlans;
	uint16_t n_labels;
	uint32_t label[2];
	uint16_t exchange; // TCP: requests sent
	uint8_t unacked;   // TCP: segments since the last acknowledgement
	uint8_t kind, app, state;
	bool active, ipv6, planted;
};

struct hm_generator {
	struct hm_generator_conf conf;
	struct hm_generator_truth truth;
	uint64_t random;
	uint64_t now_ns, slot_ns, step_ns, step_rest, rest;
	uint64_t serial; // TCP and UDP flows begun
	uint32_t fragment_id;
	uint32_t current; // flow
	struct hm_gen_flow *flows;
	char *plant;
	uint32_t plant_len;
	uint8_t ends[2][HM_FRAME_MAX]; // frame, second fragment
	uint8_t *frame;
	uint32_t frame_len, l3, l4;
	uint32_t second_len; // of the second fragment that waits in ends[1], or 0
	bool second_holds_plant;
	bool holds_plant; // the frame's payload holds the planted string within the snap length
	uint8_t text[HM_POOL + HM_FRAME_MAX], bytes[HM_POOL + HM_FRAME_MAX];
};

/* splitmix64: small, fast, the same everywhere. */
static inline uint64_t hm_random(struct hm_generator *g)
{
	uint64_t x = g->random += 0x9e3779b97f4a7c15u;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

/* 0 .. n-1 */
static inline uint32_t hm_random_below(struct hm_generator *g, uint32_t n)
{
	return (uint32_t)(((hm_random(g) >> 32) * n) >> 32);
}

static inline bool hm_random_percent(struct hm_generator *g, uint32_t percent)
{
	return hm_random_below(g, 100) < percent;
}

/* Zipf with exponent 1 over 0 .. 2^bits - 2: each octave is equally likely. */
static inline uint32_t hm_random_zipf(struct hm_generator *g, uint32_t bits)
{
	uint32_t octave = hm_random_below(g, bits);
	return (1u << octave) - 1 + hm_random_below(g, 1u << octave);
}

/* Pareto with exponent 1, from 1 to below 2^bits: each octave half as likely as the one before. */
static inline uint32_t hm_random_pareto(struct hm_generator *g, uint32_t bits)
{
	uint32_t octave = (uint32_t)__builtin_ctzll(hm_random(g) | 1ull << (bits - 1));
	return (1u << octave) + hm_random_below(g, 1u << octave);
}

static inline void hm_put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void hm_put32(uint8_t *p, uint32_t v)
{
	hm_put16(p, v >> 16);
	hm_put16(p + 2, v);
}

/* n <= HM_FRAME_MAX bytes of words, or of anything; never with the planted string in them. */
static inline void hm_fill_text(struct hm_generator *g, uint8_t *to, uint32_t n)
{
	memcpy(to, g->text + hm_random_below(g, HM_POOL), n);
}

static inline void hm_fill_bytes(struct hm_generator *g, uint8_t *to, uint32_t n)
{
	memcpy(to, g->bytes + hm_random_below(g, HM_POOL), n);
}

/* The i-th word (any i) of the list that text, names and paths are made of. */
const char *hm_generator_word(uint32_t i);

/* Writes the planted string somewhere into a payload of n >= plant_len bytes. */
void hm_generator_plant(struct hm_generator *g, uint8_t *payload, uint32_t n);

/* Link headers; returns where the transport header begins. */
uint8_t *hm_frame_begin(struct hm_generator *g, const struct hm_gen_flow *f, enum hm_dir dir);

/* IP header, checksum at l4 + checksum_at, padding; perhaps splits the packet into two fragments.
 * The payload begins at l4 + header; beyond its first `written` bytes there is only filler. */
void hm_frame_end(struct hm_generator *g, struct hm_gen_flow *f, enum hm_dir dir, uint8_t protocol,
		  uint32_t header, uint32_t checksum_at, uint32_t payload, uint32_t written);

/* One packet of the flow. True: it was the last. */
bool hm_tcp_step(struct hm_generator *g, struct hm_gen_flow *f);
bool hm_udp_step(struct hm_generator *g, struct hm_gen_flow *f);
bool hm_icmp_step(struct hm_generator *g, struct hm_gen_flow *f);
bool hm_arp_step(struct hm_generator *g, struct hm_gen_flow *f);

/* Payload writers: return the length; at most HM_MSS. */
uint32_t hm_http_request(struct hm_generator *g, const struct hm_gen_flow *f, uint8_t *to);
uint32_t hm_http_response(struct hm_generator *g, uint8_t *to, uint32_t body);
uint32_t hm_tls_client_hello(struct hm_generator *g, const struct hm_gen_flow *f, uint8_t *to);
uint32_t hm_tls_server_hello(struct hm_generator *g, uint8_t *to);
uint32_t hm_dns_message(struct hm_generator *g, const struct hm_gen_flow *f, bool response,
			uint8_t *to);

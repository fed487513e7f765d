/* SPDX-License-Identifier: BSD-3-Clause */
/* Every choice of the flow key parts the packets as a plain comparison of all of them does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/parse.h"
#include "netflow/cache.h"

#define PACKETS 6000
#define RECORDS PACKETS
#define T0      UINT64_C(1700000000000000000)

struct packet {
	bool six;
	uint8_t from, to; // hosts
	uint8_t sport, dport;
	uint16_t vlan, ifindex;
	uint8_t tos;
	uint32_t label; // 0 in IPv4
};

static struct packet packets[PACKETS];
static struct hm_flow_record records[RECORDS];
static unsigned n_records;

static void take(void *arg, const struct hm_flow_record *r, unsigned n)
{
	(void)arg;
	assert_true(n_records + n <= RECORDS);
	memcpy(records + n_records, r, n * sizeof(*r));
	n_records += n;
}

static uint32_t any(uint32_t n)
{
	static uint64_t state = 1;

	state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)(state >> 33) % n;
}

static void invent(struct packet *p)
{
	static const uint8_t tos[] = {0, 1, 4, 0xb8};

	*p = (struct packet){.six = any(2),
			     .from = (uint8_t)(1 + any(2)),
			     .to = (uint8_t)(1 + any(2)),
			     .sport = (uint8_t)any(2),
			     .dport = (uint8_t)any(2),
			     .vlan = (uint16_t)(any(3) << 10 | any(2)),
			     .ifindex = (uint16_t)(any(2) * 300),
			     .tos = tos[any(4)]};
	if (p->six)
		p->label = any(2) ? 0xfffff : 0x10000;
}

/* UDP over IP, without a link header. */
static uint32_t write_packet(uint8_t *b, const struct packet *p)
{
	uint8_t *l4 = b + (p->six ? 40 : 20);

	memset(b, 0, 64);
	if (p->six) {
		b[0] = (uint8_t)(0x60 | p->tos >> 4);
		b[1] = (uint8_t)(p->tos << 4 | p->label >> 16);
		b[2] = (uint8_t)(p->label >> 8);
		b[3] = (uint8_t)p->label;
		b[5] = 8;
		b[6] = 17;
		b[23] = p->from;
		b[39] = p->to;
	} else {
		b[0] = 0x45;
		b[1] = p->tos;
		b[3] = 28;
		b[9] = 17;
		b[15] = p->from;
		b[19] = p->to;
	}
	l4[1] = p->sport;
	l4[3] = p->dport;
	l4[5] = 8;
	return (uint32_t)(l4 - b) + 8;
}

static void meter(struct hm_cache *cache)
{
	static uint8_t bytes[HM_BATCH_MAX][64];
	static struct hm_batch b;
	const struct hm_parse_conf conf = {0};

	for (unsigned i = 0; i < PACKETS; i += b.n) {
		memset(&b, 0, sizeof(b));
		b.n = 1 + any(HM_BATCH_MAX);
		b.n = b.n < PACKETS - i ? b.n : PACKETS - i;
		b.all = hm_mask_first(b.n);
		b.link = HM_LINK_RAW;
		for (unsigned k = 0; k < b.n; k++) {
			b.data[k] = bytes[k];
			b.caplen[k] = b.wirelen[k] = write_packet(bytes[k], &packets[i + k]);
			b.ts_ns[k] = T0 + i + k;
			b.ifindex[k] = packets[i + k].ifindex;
		}
		hm_parse(&b, &conf);
		for (unsigned k = 0; k < b.n; k++) // as if there had been a tag of priority 5
			b.vlan_tci[k] = (uint16_t)(0xa000 | packets[i + k].vlan);
		hm_cache_add(cache, &b, b.all);
	}
	while (!hm_cache_drain(cache, 64))
		;
}

/* The packet belongs to the record, and was sent by which of its endpoints; -1: does not. */
static int belongs(const struct packet *p, const struct hm_flow_record *r, uint32_t key)
{
	unsigned last = p->six ? 15 : 3;

	if (r->key.version != (p->six ? 6 : 4))
		return -1;
	if (((key & HM_FLOW_KEY_VLAN) && r->key.vlan != p->vlan) ||
	    ((key & HM_FLOW_KEY_INTERFACE) && r->first.ifindex != p->ifindex) ||
	    ((key & HM_FLOW_KEY_LABEL) && r->first.label != p->label) ||
	    ((key & HM_FLOW_KEY_TOS) && r->first.tos != p->tos) ||
	    ((key & HM_FLOW_KEY_DSCP) && r->first.tos >> 2 != p->tos >> 2))
		return -1;
	for (int d = 0; d < 2; d++)
		if (r->key.addr[d][last] == p->from && r->key.addr[d ^ 1][last] == p->to &&
		    r->key.port_be[d] == __builtin_bswap16(p->sport) &&
		    r->key.port_be[d ^ 1] == __builtin_bswap16(p->dport))
			return d;
	return -1;
}

static void check(uint32_t key)
{
	uint64_t all = 0;

	for (unsigned i = 0; i < n_records; i++) {
		const struct hm_flow_record *r = &records[i];
		uint64_t n[2] = {0}, octets[2] = {0};
		unsigned first = PACKETS;
		for (unsigned k = 0; k < PACKETS; k++) {
			int d = belongs(&packets[k], r, key);
			if (d < 0)
				continue;
			first = first == PACKETS ? k : first;
			n[d]++;
			octets[d] += packets[k].six ? 48 : 28;
		}
		assert_int_equal(r->packets[0], n[0]);
		assert_int_equal(r->packets[1], n[1]);
		assert_int_equal(r->bytes[0], octets[0]);
		assert_int_equal(r->bytes[1], octets[1]);
		assert_true(first < PACKETS);
		assert_int_equal(r->key.vlan, packets[first].vlan); // of the first packet
		assert_int_equal(r->first.ifindex, packets[first].ifindex);
		assert_int_equal(r->first.label, packets[first].label);
		assert_int_equal(r->first.tos, packets[first].tos);
		all += n[0] + n[1];
	}
	assert_int_equal(all, PACKETS); // each in one record: no two records are of one key
}

static void test_flow_key_every_choice_parts_the_packets(void **state)
{
	unsigned fewest = PACKETS, most = 0;

	(void)state;
	for (unsigned i = 0; i < PACKETS; i++)
		invent(&packets[i]);
	for (uint32_t key = 0; key < 32; key++) {
		const struct hm_cache_conf conf = {.entries = 8192,
						   .active_ns = 1000000000,
						   .inactive_ns = 1000000000,
						   .key = key,
						   .socket = -1,
						   .out = take};
		struct hm_cache *cache = hm_cache_create(&conf);
		assert_non_null(cache);
		n_records = 0;
		meter(cache);
		check(key);
		hm_cache_destroy(cache);
		fewest = n_records < fewest ? n_records : fewest;
		most = n_records > most ? n_records : most;
	}
	assert_int_equal(fewest,
			 2 * 10); // of four (host, port) endpoints: six pairs and four selves
	assert_true(most > 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flow_key_every_choice_parts_the_packets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

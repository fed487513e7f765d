/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/parse.h"
#include "netflow/cache.h"
#include "netflow/entry.h"

#define S    UINT64_C(1000000000)
#define T0   (1700000000 * S)
#define FIN  0x01
#define SYN  0x02
#define RST  0x04
#define ACK  0x10
#define MANY 20000

/* --- packets --- */

struct spec {
	uint64_t ts;
	uint32_t from, to; // hosts; bit 31 of `from`: IPv6
	uint16_t sport, dport, length;
	uint8_t proto, flags, tos;
	uint16_t fragment, id; // IPv4
};

#define V6 0x80000000u

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

/* Raw IP; returns the bytes written (headers only, the rest is not captured). */
static uint32_t make_packet(uint8_t *p, const struct spec *s)
{
	uint8_t *l4 = p + (s->from & V6 ? 40 : 20);

	memset(p, 0, 80);
	if (s->from & V6) {
		put32(p, 6u << 28 | (uint32_t)s->tos << 20);
		put16(p + 4, s->length - 40u);
		p[6] = s->proto;
		put32(p + 8, 0x20010db8);
		put32(p + 20, s->from & ~V6);
		put32(p + 24, 0x20010db8);
		put32(p + 36, s->to & ~V6);
	} else {
		p[0] = 0x45;
		p[1] = s->tos;
		put16(p + 2, s->length);
		put16(p + 4, s->id);
		put16(p + 6, s->fragment);
		p[9] = s->proto;
		put32(p + 12, s->from);
		put32(p + 16, s->to);
	}
	put16(l4, s->sport);
	put16(l4 + 2, s->dport);
	if (s->proto == 6) {
		l4[12] = 5 << 4;
		l4[13] = s->flags;
	}
	if (s->proto == 17)
		put16(l4 + 4, s->length - (unsigned)(l4 - p));
	return (uint32_t)(l4 - p) + 20;
}

/* --- the cache under test, and what came out of it --- */

struct sink {
	struct hm_flow_record *records;
	unsigned n, room;
};

static void take(void *arg, const struct hm_flow_record *r, unsigned n)
{
	struct sink *s = arg;

	assert_in_range(n, 1, HM_CACHE_OUT);
	if (s->n + n > s->room) {
		s->room = 2 * (s->n + n);
		s->records = realloc(s->records, s->room * sizeof(*r));
		assert_non_null(s->records);
	}
	memcpy(s->records + s->n, r, n * sizeof(*r));
	s->n += n;
}

static struct sink sink;
static struct hm_cache *cache;

static void open_overloaded(enum hm_overload overload, uint32_t entries, uint64_t active_s,
			    uint64_t inactive_s)
{
	const struct hm_cache_conf conf = {.entries = entries,
					   .active_ns = active_s * S,
					   .inactive_ns = inactive_s * S,
					   .overload = overload,
					   .socket = 0,
					   .out = take,
					   .out_arg = &sink};

	sink.n = 0;
	cache = hm_cache_create(&conf);
	assert_non_null(cache);
}

static void open_cache(uint32_t entries, uint64_t active_s, uint64_t inactive_s)
{
	open_overloaded(HM_OVERLOAD_EVICT, entries, active_s, inactive_s);
}

static void open_sampled(uint32_t flow_sampling)
{
	const struct hm_cache_conf conf = {.entries = 4096,
					   .active_ns = 60 * S,
					   .inactive_ns = 10 * S,
					   .flow_sampling = flow_sampling,
					   .socket = 0,
					   .out = take,
					   .out_arg = &sink};

	sink.n = 0;
	cache = hm_cache_create(&conf);
	assert_non_null(cache);
}

static int close_cache(void **state)
{
	(void)state;
	hm_cache_destroy(cache);
	cache = NULL;
	free(sink.records);
	sink = (struct sink){0};
	return 0;
}

static void feed(const struct spec *s, unsigned n, unsigned batch)
{
	static uint8_t bytes[HM_BATCH_MAX][80];
	static struct hm_batch b;
	const struct hm_parse_conf conf = {0};

	for (unsigned i = 0; i < n; i += b.n) {
		memset(&b, 0, sizeof(b));
		b.n = n - i < batch ? n - i : batch;
		b.all = hm_mask_first(b.n);
		b.link = HM_LINK_RAW;
		for (unsigned k = 0; k < b.n; k++) {
			b.data[k] = bytes[k];
			b.caplen[k] = make_packet(bytes[k], &s[i + k]);
			b.wirelen[k] = s[i + k].length;
			b.ts_ns[k] = s[i + k].ts;
		}
		hm_parse(&b, &conf);
		hm_cache_add(cache, &b, b.all);
	}
}

static void drain_all(void)
{
	while (!hm_cache_drain(cache, 7))
		;
	assert_int_equal(hm_cache_used(cache), 0);
}

#define FEED(...)                                               \
	do {                                                    \
		const struct spec list[] = {__VA_ARGS__};       \
		feed(list, sizeof(list) / sizeof(list[0]), 64); \
	} while (0)

/* --- statements --- */

static void test_cache_two_directions_are_one_biflow(void **state)
{
	const struct hm_flow_record *r;

	(void)state;
	open_cache(64, 300, 30);
	FEED({T0 + 5, 2, 1, 1000, 53, 100, 17, .tos = 8},
	     {T0 + 9, 1, 2, 53, 1000, 300, 17, .tos = 4}, {T0 + 7 * S, 2, 1, 1000, 53, 50, 17});
	drain_all();
	assert_int_equal(sink.n, 1);
	r = &sink.records[0];
	assert_int_equal(r->initiator, 1); // 0.0.0.2 sent first and is the higher address
	assert_int_equal(ntohl(*(const uint32_t *)r->key.addr[1]), 2);
	assert_int_equal(ntohs(r->key.port_be[1]), 1000);
	assert_int_equal(r->packets[1], 2);
	assert_int_equal(r->bytes[1], 150);
	assert_int_equal(r->first_ns[1], T0 + 5);
	assert_int_equal(r->last_ns[1], T0 + 7 * S);
	assert_int_equal(r->tos[1], 8);
	assert_int_equal(r->packets[0], 1);
	assert_int_equal(r->bytes[0], 300);
	assert_int_equal(r->tos[0], 4);
	assert_int_equal(r->first_ns[0], T0 + 9);
	assert_int_equal(r->end_reason, HM_END_FORCED);
}

static void test_cache_one_direction_leaves_the_other_zero(void **state)
{
	(void)state;
	open_cache(64, 300, 30);
	FEED({T0, 1, 2, 7, 8, 100, 17});
	drain_all();
	assert_int_equal(sink.n, 1);
	assert_int_equal(hm_flow_directions(&sink.records[0]), 1);
	assert_int_equal(sink.records[0].packets[1], 0);
	assert_int_equal(sink.records[0].first_ns[1], 0);
	assert_int_equal(sink.records[0].last_ns[1], 0);
}

static void test_cache_idle_packet_gap_ends_record_at_the_timeout(void **state)
{
	(void)state;
	open_cache(64, 300, 30);
	FEED({T0, 1, 2, 7, 8, 100, 17}, {T0 + 30 * S - 1, 1, 2, 7, 8, 100, 17},
	     {T0 + 60 * S - 1, 2, 1, 8, 7, 100, 17});
	assert_int_equal(sink.n, 1);
	assert_int_equal(sink.records[0].packets[0], 2);
	assert_int_equal(sink.records[0].end_reason, HM_END_IDLE);
	drain_all();
	assert_int_equal(sink.n, 2);
	assert_int_equal(sink.records[1].initiator, 1); // a new biflow
}

static void test_cache_idle_timer_ends_record_without_packets(void **state)
{
	(void)state;
	open_cache(64, 300, 30);
	FEED({T0, 1, 2, 7, 8, 100, 17});
	hm_cache_expire(cache, T0 + 30 * S - 1, 1000);
	assert_int_equal(sink.n, 0);
	hm_cache_expire(cache, T0 + 31 * S, 1000);
	assert_int_equal(sink.n, 1);
	assert_int_equal(sink.records[0].end_reason, HM_END_IDLE);
	assert_int_equal(hm_cache_used(cache), 0);
}

static void test_cache_active_timeout_goes_on_in_the_same_direction(void **state)
{
	struct spec s[100];

	(void)state;
	open_cache(64, 60, 30);
	for (unsigned i = 0; i < 100; i++) {
		s[i] = (struct spec){T0 + i * S, 2, 1, 9, 9, 40, 17};
		if (i >= 55)
			s[i] = (struct spec){T0 + i * S, 1, 2, 9, 9, 40, 17};
	}
	feed(s, 100, 64);
	drain_all();
	assert_int_equal(sink.n, 2);
	assert_int_equal(sink.records[0].end_reason, HM_END_ACTIVE);
	assert_int_equal(sink.records[0].packets[0] + sink.records[0].packets[1], 60);
	assert_int_equal(sink.records[0].last_ns[0], T0 + 59 * S);
	assert_int_equal(sink.records[1].packets[0], 40);
	assert_int_equal(sink.records[1].packets[1], 0);
	assert_int_equal(sink.records[1].initiator, 1); // still who began
}

static void test_cache_nothing_after_active_timeout_makes_no_record(void **state)
{
	(void)state;
	open_cache(64, 60, 30);
	FEED({T0, 1, 2, 9, 9, 40, 17}, {T0 + 25 * S, 1, 2, 9, 9, 40, 17},
	     {T0 + 50 * S, 1, 2, 9, 9, 40, 17});
	hm_cache_expire(cache, T0 + 61 * S, 1000);
	assert_int_equal(sink.n, 1);
	assert_int_equal(sink.records[0].end_reason, HM_END_ACTIVE);
	assert_int_equal(hm_cache_used(cache), 1);
	hm_cache_expire(cache, T0 + 200 * S, 1000);
	assert_int_equal(hm_cache_used(cache), 0);
	assert_int_equal(sink.n, 1);
}

static void test_cache_tcp_close_ends_with_the_last_acknowledgement(void **state)
{
	(void)state;
	open_cache(64, 300, 30);
	FEED({T0, 1, 2, 1024, 80, 60, 6, SYN}, {T0 + 1, 2, 1, 80, 1024, 60, 6, SYN | ACK},
	     {T0 + 2, 1, 2, 1024, 80, 52, 6, ACK}, {T0 + 3, 1, 2, 1024, 80, 52, 6, FIN | ACK},
	     {T0 + 4, 2, 1, 80, 1024, 52, 6, FIN | ACK}, {T0 + 5, 2, 1, 80, 1024, 52, 6, FIN | ACK},
	     {T0 + 6, 1, 2, 1024, 80, 52, 6, ACK});
	assert_int_equal(sink.n, 1);
	assert_int_equal(sink.records[0].end_reason, HM_END_DETECTED);
	assert_int_equal(sink.records[0].packets[0], 4);
	assert_int_equal(sink.records[0].packets[1], 3);
	assert_int_equal(sink.records[0].first.tcp_flags[0], SYN | ACK | FIN);
	assert_int_equal(hm_cache_used(cache), 0);
}

static void test_cache_tcp_half_close_stays_open(void **state)
{
	(void)state;
	open_cache(64, 300, 30);
	FEED({T0, 1, 2, 1024, 80, 52, 6, FIN | ACK}, {T0 + 1, 2, 1, 80, 1024, 1500, 6, ACK});
	assert_int_equal(sink.n, 0);
	assert_int_equal(hm_cache_used(cache), 1);
}

static void test_cache_tcp_reset_ends_at_once(void **state)
{
	(void)state;
	open_cache(64, 300, 30);
	FEED({T0, 1, 2, 1024, 80, 60, 6, SYN}, {T0 + 1, 2, 1, 80, 1024, 40, 6, RST | ACK},
	     {T0 + 2, 1, 2, 1024, 80, 60, 6, SYN});
	assert_int_equal(sink.n, 1);
	assert_int_equal(sink.records[0].end_reason, HM_END_DETECTED);
	assert_int_equal(hm_cache_used(cache), 1); // a new connection
}

static void test_cache_tcp_ports_used_again_are_a_new_record(void **state)
{
	(void)state;
	open_cache(64, 300, 30);
	FEED({T0, 1, 2, 1024, 80, 52, 6, FIN | ACK}, {T0 + 1, 2, 1, 80, 1024, 52, 6, FIN | ACK},
	     {T0 + 2, 2, 1, 80, 1024, 60, 6, SYN});
	assert_int_equal(sink.n, 1);
	assert_int_equal(sink.records[0].packets[0] + sink.records[0].packets[1], 2);
	drain_all();
	assert_int_equal(sink.records[1].initiator, 1);
	assert_int_equal(sink.records[1].first.tcp_flags[1], SYN);
}

static void test_cache_both_fins_then_silence_is_end_detected(void **state)
{
	(void)state;
	open_cache(64, 300, 30);
	FEED({T0, 1, 2, 1024, 80, 52, 6, FIN | ACK}, {T0 + 1, 2, 1, 80, 1024, 52, 6, FIN | ACK});
	hm_cache_expire(cache, T0 + 40 * S, 100);
	assert_int_equal(sink.n, 1);
	assert_int_equal(sink.records[0].end_reason, HM_END_DETECTED);
}

static void test_cache_later_fragments_are_of_the_flow_of_the_first(void **state)
{
	(void)state;
	open_cache(64, 300, 30);
	FEED({T0, 1, 2, 1000, 53, 1500, 17, .fragment = 0x2000, .id = 5},
	     {T0, 1, 2, 7, 7, 500, 17, .fragment = 185, .id = 5},
	     {T0, 1, 2, 8, 8, 400, 17, .fragment = 370, .id = 5}, {T0, 1, 2, 1000, 53, 100, 17});
	feed((struct spec[]){{T0, 1, 2, 9, 9, 300, 17, .fragment = 400, .id = 5}}, 1, 64);
	drain_all();
	assert_int_equal(sink.n, 1);
	assert_int_equal(sink.records[0].packets[0], 5);
	assert_int_equal(sink.records[0].bytes[0], 2800);
}

static void test_cache_fragments_of_icmp_are_of_the_flow_of_the_first(void **state)
{
	(void)state;
	open_cache(64, 300, 30);
	FEED({T0, 2, 1, 0x0800, 1, 1500, 1, .fragment = 0x2000, .id = 9},
	     {T0, 2, 1, 7, 7, 500, 1, .fragment = 185, .id = 9});
	drain_all();
	assert_int_equal(sink.n, 1);
	assert_int_equal(sink.records[0].packets[1], 2);
	assert_int_equal(ntohs(sink.records[0].key.port_be[0]), 0x0800);
}

static void test_cache_fragments_without_their_first_have_ports_zero(void **state)
{
	(void)state;
	open_cache(64, 300, 300);
	FEED({T0, 1, 2, 7, 7, 500, 17, .fragment = 185, .id = 5}, // before the first
	     {T0, 1, 2, 1000, 53, 1500, 17, .fragment = 0x2000, .id = 5},
	     {T0, 1, 2, 7, 7, 500, 17, .fragment = 185, .id = 6},           // of another datagram
	     {T0, 2, 1, 7, 7, 500, 17, .fragment = 185, .id = 5},           // the other way
	     {T0, 1, 2, 7, 7, 500, 6, .fragment = 185, .id = 5},            // of another protocol
	     {T0 + 30 * S, 1, 2, 7, 7, 500, 17, .fragment = 185, .id = 5}); // much later
	drain_all();
	assert_int_equal(sink.n, 3); // with ports, without in both directions, of TCP
	for (unsigned i = 0; i < sink.n; i++) {
		const struct hm_flow_record *r = &sink.records[i];
		uint64_t packets = r->packets[0] + r->packets[1];
		assert_int_equal(packets, r->key.port_be[0] == 0 && r->key.proto == 17 ? 4 : 1);
	}
}

static void test_cache_icmp_has_type_and_code_as_destination_port(void **state)
{
	(void)state;
	open_cache(64, 300, 30);
	FEED({T0, 2, 1, 0x0800, 0xbeef, 84, 1}, {T0, 2, 1, 0x0800, 0x1234, 84, 1},
	     {T0, 1, 2, 0x0000, 0x4321, 84, 1});
	drain_all();
	assert_int_equal(sink.n, 2);
	for (unsigned i = 0; i < 2; i++) {
		const struct hm_flow_record *r = &sink.records[i];
		assert_int_equal(r->key.port_be[r->initiator], 0);
		assert_int_equal(ntohs(r->key.port_be[!r->initiator]), r->initiator ? 0x0800 : 0);
		assert_int_equal(r->packets[r->initiator], r->initiator ? 2 : 1);
	}
}

static void test_cache_ipv6_is_a_flow_of_its_own(void **state)
{
	const struct hm_flow_record *r;

	(void)state;
	open_cache(64, 300, 30);
	FEED({T0, V6 | 9, 1, 1000, 53, 100, 17, .tos = 0xb8},
	     {T0 + 1, V6 | 1, 9, 53, 1000, 200, 17}, {T0, 9, 1, 1000, 53, 100, 17});
	drain_all();
	assert_int_equal(sink.n, 2);
	r = &sink.records[sink.records[0].key.version == 6 ? 0 : 1];
	assert_int_equal(r->key.version, 6);
	assert_int_equal(r->initiator, 1);
	assert_int_equal(r->bytes[1], 100);
	assert_int_equal(r->bytes[0], 200);
	assert_int_equal(r->tos[1], 0xb8);
	assert_int_equal(r->key.addr[1][15], 9);
}

static void test_cache_full_cache_evicts_the_oldest_in_the_way(void **state)
{
	static struct spec s[MANY];
	uint64_t packets = 0;

	(void)state;
	open_cache(1000, 300, 30);
	for (unsigned i = 0; i < MANY; i++)
		s[i] = (struct spec){T0 + i, 1 + i, 0x0a000001, 1, 2, 40, 17};
	feed(s, MANY, 64);
	assert_in_range(hm_cache_used(cache), 900, 1000);
	assert_int_equal(hm_cache_counts(cache)->ended[HM_END_RESOURCES], sink.n);
	assert_int_equal(sink.n, MANY - hm_cache_used(cache));
	drain_all();
	for (unsigned i = 0; i < sink.n; i++)
		packets += sink.records[i].packets[0] + sink.records[i].packets[1];
	assert_int_equal(packets, MANY);
}

/* Packets in all records that came out. */
static uint64_t recorded(void)
{
	uint64_t packets = 0;

	for (unsigned i = 0; i < sink.n; i++)
		packets += sink.records[i].packets[0] + sink.records[i].packets[1];
	return packets;
}

static void test_cache_full_cache_that_stops_keeps_what_it_has(void **state)
{
	static struct spec s[MANY];
	const struct hm_cache_counts *c;

	(void)state;
	open_overloaded(HM_OVERLOAD_STOP, 1000, 300, 30);
	c = hm_cache_counts(cache);
	for (unsigned i = 0; i < MANY; i++) // every flow comes twice, new ones all the time
		s[i] = (struct spec){T0 + i, 1 + i % (MANY / 2), 0x0a000001, 1, 2, 40, 17};
	feed(s, MANY, 64);
	assert_int_equal(hm_cache_used(cache), 1000);
	assert_int_equal(sink.n, 0);
	assert_int_equal(c->refused.packets, MANY - 2 * 1000);
	assert_int_equal(c->refused.octets, 40 * (MANY - 2 * 1000));
	assert_int_equal(c->refused.last_ns, T0 + MANY - 1);
	assert_int_equal(c->packets + c->refused.packets, MANY);
	FEED({T0 + 31 * S, 1, 0x0a000001, 1, 2, 40, 17}); // the old ones are over: room again
	hm_cache_expire(cache, T0 + 31 * S, MANY);
	feed(s + 2000, 1, 64);
	drain_all();
	assert_int_equal(c->ended[HM_END_RESOURCES], 0);
	assert_int_equal(recorded(), c->packets);
}

/* Flow sampling: about one of so many, each with all its packets of both directions, whatever the batches. */
static void test_cache_samples_whole_flows(void **state)
{
	static struct spec s[MANY];
	static const unsigned batches[] = {1, 7, 64};
	uint32_t chosen = 0;

	(void)state;
	for (unsigned i = 0; i < MANY; i++) { // four packets a flow, every second one an answer
		uint32_t client = 1 + i % (MANY / 4);
		s[i] = (struct spec){T0 + i,
				     i / (MANY / 4) & 1 ? 0x0a000001 : client,
				     i / (MANY / 4) & 1 ? client : 0x0a000001,
				     i / (MANY / 4) & 1 ? 53 : 1000,
				     i / (MANY / 4) & 1 ? 1000 : 53,
				     40,
				     17};
	}
	for (unsigned k = 0; k < 3; k++) {
		const struct hm_cache_counts *c;
		open_sampled(10);
		c = hm_cache_counts(cache);
		feed(s, MANY, batches[k]);
		drain_all();
		assert_int_equal(c->packets + c->unsampled.packets, MANY);
		assert_int_equal(c->packets, 4 * sink.n);
		for (unsigned i = 0; i < sink.n; i++) {
			assert_int_equal(sink.records[i].packets[0], 2);
			assert_int_equal(sink.records[i].packets[1], 2);
		}
		assert_in_range(sink.n, MANY / 4 / 10 * 7 / 10, MANY / 4 / 10 * 13 / 10);
		if (k > 0)
			assert_int_equal(sink.n, chosen);
		chosen = sink.n;
		close_cache(NULL);
	}
}

static void test_cache_that_samples_lets_in_fewer_and_fewer(void **state)
{
	static struct spec s[MANY];
	const struct hm_cache_counts *c;
	uint64_t refused[2];

	(void)state;
	open_overloaded(HM_OVERLOAD_SAMPLE, 4000, 300, 30);
	c = hm_cache_counts(cache);
	for (unsigned i = 0; i < MANY; i++)
		s[i] = (struct spec){T0 + i, 1 + i, 0x0a000001, 1, 2, 40, 17};
	feed(s, 3000, 64);
	assert_in_range(c->refused.packets, 0, 30); // three quarters are for everybody
	feed(s + 3000, 1000, 64);
	refused[0] = c->refused.packets;
	feed(s + 4000, 1000, 64);
	refused[1] = c->refused.packets - refused[0];
	assert_in_range(refused[0], 200, 700);
	assert_true(refused[1] > refused[0]);
	feed(s + 5000, MANY - 5000, 64);
	assert_in_range(hm_cache_used(cache), 3900, 4000);
	assert_int_equal(sink.n, 0);
	drain_all();
	assert_int_equal(recorded(), c->packets);
	assert_int_equal(c->packets + c->refused.packets, MANY);
}

/* As many new flows as fit into the packets, among them some that live. */
static void flood(enum hm_overload overload)
{
	static struct spec s[MANY];
	uint64_t fed = 0;
	const struct hm_cache_counts *c;

	open_overloaded(overload, 4096, 300, 30);
	c = hm_cache_counts(cache);
	for (unsigned round = 0; round < 50; round++) {
		for (unsigned i = 0; i < MANY; i++, fed++) {
			s[i] = (struct spec){T0 + fed * 200,
					     0x20000000 + (uint32_t)fed,
					     0x0a000001,
					     7,
					     80,
					     40,
					     6,
					     SYN};
			if (i % 100 == 0)
				s[i] = (struct spec){T0 + fed * 200,
						     1 + i / 100 % 50,
						     0x0a000001,
						     7,
						     80,
						     40,
						     6,
						     ACK};
		}
		feed(s, MANY, 64);
		assert_true(hm_cache_used(cache) <= 4096);
	}
	drain_all();
	assert_int_equal(recorded(), c->packets);
	assert_int_equal(c->packets + c->refused.packets, fed);
	assert_int_equal(c->biflows, sink.n);
	for (unsigned i = 0, living = 0; i < sink.n; i++) {
		living += sink.records[i].packets[1] > 1;
		assert_true(i + 1 < sink.n || living >= 50 || overload != HM_OVERLOAD_EVICT);
	}
}

static void test_cache_syn_flood_balances_whatever_the_policy(void **state)
{
	(void)state;
	flood(HM_OVERLOAD_EVICT);
	for (enum hm_overload o = HM_OVERLOAD_STOP; o <= HM_OVERLOAD_SAMPLE; o++) {
		close_cache(state);
		flood(o);
	}
}

/* The clock that packets are stamped with is set back by an hour, and then by a day ahead. */
static void test_cache_clock_steps_lose_nothing(void **state)
{
	static struct spec s[MANY];
	const int64_t step[] = {0, -3600, 86400, -86400};
	uint64_t fed = 0;

	(void)state;
	open_cache(4096, 300, 30);
	for (unsigned k = 0; k < 4; k++) {
		for (unsigned i = 0; i < MANY; i++, fed++)
			s[i] = (struct spec){T0 + (uint64_t)step[k] * S + fed * 10000,
					     1 + i % 1000,
					     0x0a000001,
					     1,
					     2,
					     40,
					     17};
		feed(s, MANY, 64);
		assert_true(hm_cache_used(cache) <= 1000);
		hm_cache_expire(cache, s[MANY - 1].ts + 400 * S, 100000);
	}
	drain_all();
	assert_int_equal(recorded(), fed);
	for (unsigned i = 0; i < sink.n; i++)
		for (unsigned d = 0; d < 2; d++)
			assert_true(sink.records[i].first_ns[d] <= sink.records[i].last_ns[d]);
}

/* Counters of the hot line have 32 bits; the record has 64. */
static void test_cache_entry_carries_packets_beyond_32_bits(void **state)
{
	struct hm_entry e = {.name.version = 4, .packets = {UINT32_MAX, 5}, .packets_high = {3, 0}};
	struct hm_flow_record r;

	(void)state;
	hm_entry_record(&e, NULL, &r);
	assert_true(r.packets[0] == (UINT64_C(4) << 32) - 1);
	assert_int_equal(r.packets[1], 5);
}

static void test_cache_wild_times_lose_nothing(void **state)
{
	static struct spec s[MANY];
	uint64_t packets = 0;

	(void)state;
	open_cache(4096, 300, 30);
	srand(3);
	for (unsigned i = 0; i < MANY; i++)
		s[i] = (struct spec){rand() % 50 == 0 ? (uint64_t)rand() << 33 : T0 + i * 10000000,
				     1 + (uint32_t)rand() % 900,
				     1,
				     1,
				     2,
				     40,
				     17};
	s[77].ts = 0;
	s[78].ts = UINT64_MAX;
	feed(s, MANY, 17);
	hm_cache_expire(cache, UINT64_MAX, 100000);
	hm_cache_expire(cache, 0, 100000);
	drain_all();
	for (unsigned i = 0; i < sink.n; i++)
		packets += sink.records[i].packets[0] + sink.records[i].packets[1];
	assert_int_equal(packets, MANY);
	assert_int_equal(hm_cache_counts(cache)->biflows, sink.n);
}

/* --- any batch size gives the same records --- */

static int by_content(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct hm_flow_record));
}

static void random_traffic(struct spec *s, unsigned n)
{
	srand(4);
	for (unsigned i = 0; i < n; i++) {
		uint32_t flow = (uint32_t)(rand() % 40 * (rand() % 10));
		bool back = rand() % 3 == 0, tcp = flow % 3 != 0;
		uint32_t v6 = flow % 5 == 0 ? V6 : 0;
		s[i] = (struct spec){T0 + i * 50000000ull + (uint64_t)(rand() % 50000000),
				     v6 | (10 + flow),
				     0x0b000000 + flow,
				     1000,
				     80,
				     60,
				     tcp ? 6 : 17};
		if (back)
			s[i] = (struct spec){
				s[i].ts, v6 | 0x0b000000 | flow,         10 + flow,   80,
				1000,    (uint16_t)(61 + rand() % 1400), tcp ? 6 : 17};
		if (tcp)
			s[i].flags = (uint8_t)(rand() % 20 == 0   ? FIN | ACK
					       : rand() % 60 == 0 ? RST
					       : rand() % 15 == 0 ? SYN
								  : ACK);
	}
}

static void test_cache_any_batch_size_gives_the_same_records(void **state)
{
	static struct spec s[MANY];
	struct hm_flow_record *expected;
	unsigned n;
	uint64_t packets = 0, bytes = 0, sum_packets = 0, sum_bytes = 0;

	(void)state;
	random_traffic(s, MANY);
	for (unsigned i = 0; i < MANY; i++, packets++)
		bytes += s[i].length;
	open_cache(4096, 60, 10);
	feed(s, MANY, 64);
	drain_all();
	n = sink.n;
	expected = sink.records;
	qsort(expected, n, sizeof(*expected), by_content);
	for (unsigned i = 0; i < n; i++)
		for (unsigned d = 0; d < 2; d++) {
			sum_packets += expected[i].packets[d];
			sum_bytes += expected[i].bytes[d];
		}
	assert_int_equal(sum_packets, packets);
	assert_int_equal(sum_bytes, bytes);
	assert_int_equal(hm_cache_counts(cache)->packets, packets);
	assert_int_equal(hm_cache_counts(cache)->bytes, bytes);
	assert_true(n > 1000);
	for (unsigned size = 1; size < 64; size += size < 8 ? 1 : 11) {
		hm_cache_destroy(cache);
		sink = (struct sink){0};
		open_cache(4096, 60, 10);
		feed(s, MANY, size);
		drain_all();
		assert_int_equal(sink.n, n);
		qsort(sink.records, n, sizeof(*expected), by_content);
		assert_memory_equal(sink.records, expected, n * sizeof(*expected));
		free(sink.records);
	}
	sink = (struct sink){.records = expected};
}

/* What a restart does: the entries of one cache go into another of other size and key. */
static void test_cache_entries_can_be_taken_over(void **state)
{
	static struct spec s[MANY];
	uint32_t keys[] = {0, HM_FLOW_KEY_TOS | HM_FLOW_KEY_LABEL | HM_FLOW_KEY_VLAN}, taken = 0;
	struct hm_entry *entries = aligned_alloc(128, hm_cache_entry_bytes(4096, false));
	struct hm_cache_conf conf = {.entries = 4096,
				     .active_ns = 600 * S,
				     .inactive_ns = 600 * S,
				     .entries_at = entries,
				     .socket = -1,
				     .out = take,
				     .out_arg = &sink};

	(void)state;
	random_traffic(s, MANY);
	for (unsigned i = 0; i < MANY; i += 7)
		s[i].proto = s[i].from & V6 ? 58 : 1; // ICMP, too
	for (unsigned k = 0; k < 2; k++) {
		struct hm_cache *before;
		uint64_t packets;
		memset(entries, 0, hm_cache_entry_bytes(4096, false));
		conf.key = keys[k];
		cache = before = hm_cache_create(&conf);
		assert_non_null(cache);
		sink.n = 0;
		feed(s, MANY, 64);
		packets = recorded();
		open_cache(1 << 16, 600, 600);
		sink.n = 0;
		for (uint32_t i = 1, end = hm_cache_places(before); i < end; i++) {
			struct hm_entry damaged = entries[i];
			if (entries[i].name.version == 0)
				continue;
			assert_true(hm_cache_take(cache, &entries[i], NULL, keys[k]));
			damaged.name.port_be[0] ^= 1;
			assert_false(hm_cache_take(cache, &damaged, NULL, keys[k]));
			taken++;
		}
		assert_int_equal(hm_cache_used(cache), hm_cache_used(before));
		drain_all();
		assert_int_equal(recorded() + packets, MANY);
		hm_cache_destroy(before);
		hm_cache_destroy(cache);
		cache = NULL;
	}
	assert_true(taken > 200);
	free(entries);
}

static void test_cache_packets_cut_at_every_byte_are_counted(void **state)
{
	static uint8_t bytes[80];
	static struct hm_batch b;
	const struct hm_parse_conf conf = {0};
	const struct spec kinds[] = {{T0, 1, 2, 1, 2, 60, 6, SYN},
				     {T0, V6 | 1, 2, 1, 2, 60, 6, SYN},
				     {T0, 1, 2, 1, 2, 60, 1},
				     {T0, V6 | 1, 2, 1, 2, 60, 58},
				     {T0, 1, 2, 1, 2, 60, 17}};
	uint64_t fed = 0;

	(void)state;
	open_cache(64, 300, 30);
	for (unsigned k = 0; k < 5; k++) {
		uint32_t whole = make_packet(bytes, &kinds[k]);
		for (uint32_t cut = 0; cut <= whole; cut++, fed++) {
			uint8_t *copy = malloc(cut + 1); // so that a sanitizer sees a byte too many
			memcpy(copy, bytes, cut);
			memset(&b, 0, sizeof(b));
			b.n = 1;
			b.all = 1;
			b.link = HM_LINK_RAW;
			b.data[0] = copy;
			b.caplen[0] = cut;
			b.wirelen[0] = whole;
			b.ts_ns[0] = T0;
			hm_parse(&b, &conf);
			hm_cache_add(cache, &b, b.all);
			free(copy);
		}
	}
	assert_int_equal(hm_cache_counts(cache)->packets + hm_cache_counts(cache)->not_ip.packets,
			 fed);
	assert_true(hm_cache_counts(cache)->not_ip.packets >= 5 * 20);
}

static void test_cache_senseless_configuration_is_refused(void **state)
{
	struct hm_cache_conf conf = {.entries = 1, .active_ns = 1, .inactive_ns = 1};

	(void)state;
	assert_null(hm_cache_create(&conf));
	assert_int_equal(errno, EINVAL);
	conf.entries = 64;
	conf.inactive_ns = 0;
	assert_null(hm_cache_create(&conf));
}

#define CASE(f) cmocka_unit_test_teardown(f, close_cache)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_cache_two_directions_are_one_biflow),
		CASE(test_cache_one_direction_leaves_the_other_zero),
		CASE(test_cache_idle_packet_gap_ends_record_at_the_timeout),
		CASE(test_cache_idle_timer_ends_record_without_packets),
		CASE(test_cache_active_timeout_goes_on_in_the_same_direction),
		CASE(test_cache_nothing_after_active_timeout_makes_no_record),
		CASE(test_cache_tcp_close_ends_with_the_last_acknowledgement),
		CASE(test_cache_tcp_half_close_stays_open),
		CASE(test_cache_tcp_reset_ends_at_once),
		CASE(test_cache_tcp_ports_used_again_are_a_new_record),
		CASE(test_cache_both_fins_then_silence_is_end_detected),
		CASE(test_cache_later_fragments_are_of_the_flow_of_the_first),
		CASE(test_cache_fragments_of_icmp_are_of_the_flow_of_the_first),
		CASE(test_cache_fragments_without_their_first_have_ports_zero),
		CASE(test_cache_icmp_has_type_and_code_as_destination_port),
		CASE(test_cache_ipv6_is_a_flow_of_its_own),
		CASE(test_cache_full_cache_evicts_the_oldest_in_the_way),
		CASE(test_cache_full_cache_that_stops_keeps_what_it_has),
		CASE(test_cache_samples_whole_flows),
		CASE(test_cache_that_samples_lets_in_fewer_and_fewer),
		CASE(test_cache_syn_flood_balances_whatever_the_policy),
		CASE(test_cache_clock_steps_lose_nothing),
		CASE(test_cache_entry_carries_packets_beyond_32_bits),
		CASE(test_cache_wild_times_lose_nothing),
		CASE(test_cache_any_batch_size_gives_the_same_records),
		CASE(test_cache_entries_can_be_taken_over),
		CASE(test_cache_packets_cut_at_every_byte_are_counted),
		CASE(test_cache_senseless_configuration_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* What flow records have of frames: MAC addresses and MPLS labels, in the key and as further fields, against a plain
 * comparison of all packets, at any size of batches; and that a cache which goes on with open records has them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/parse.h"
#include "netflow/cache.h"

#define PACKETS 4000
#define ENTRIES 4096
#define S       UINT64_C(1000000000)
#define T0      (1700000000 * S)
#define FRAME   64

struct packet {
	uint64_t ts;
	bool six;
	uint8_t from, to; // hosts
	uint8_t source_mac, destination_mac;
	uint32_t label; // of HM_FLOW_MPLS and 24 bits, 0: none
};

static struct packet packets[PACKETS];
static struct hm_flow_record records[PACKETS];
static unsigned n_records;

static void take(void *arg, const struct hm_flow_record *r, unsigned n)
{
	(void)arg;
	assert_true(n_records + n <= PACKETS);
	memcpy(records + n_records, r, n * sizeof(*r));
	n_records += n;
}

static uint32_t any(uint32_t n)
{
	static uint64_t state = 1;

	state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)(state >> 33) % n;
}

/* Labels: none, explicit null (RFC 3032: 0 for IPv4, 2 for IPv6), one of two Exp, and one that is not the last. */
static void invent(struct packet *p, unsigned i)
{
	static const uint32_t labels[] = {0x000001, 0x000021, 0xfffff1, 0xfffffb, 0xfffff0};

	*p = (struct packet){.ts = T0 + i,
			     .six = any(2),
			     .from = (uint8_t)(1 + any(2)),
			     .to = (uint8_t)(1 + any(2)),
			     .source_mac = (uint8_t)any(3),
			     .destination_mac = (uint8_t)any(3)};
	if (any(3) > 0)
		p->label = HM_FLOW_MPLS | labels[any(5)];
}

static uint8_t *put_labels(uint8_t *p, uint32_t label)
{
	p[0] = (uint8_t)(label >> 16);
	p[1] = (uint8_t)(label >> 8);
	p[2] = (uint8_t)label;
	p[3] = 64;
	p += 4;
	return label & 1 ? p : put_labels(p, 0x000401);
}

/* IP without anything in it, over Ethernet and labels. */
static uint32_t write_packet(uint8_t *b, const struct packet *p)
{
	uint8_t *ip = b + 14;

	memset(b, 0, FRAME + 16);
	b[5] = p->destination_mac;
	b[11] = p->source_mac;
	b[12] = p->six ? 0x86 : 0x08;
	b[13] = p->six ? 0xdd : 0;
	if (p->label) {
		b[12] = 0x88;
		b[13] = 0x47;
		ip = put_labels(ip, p->label & 0xffffff);
	}
	if (p->six) {
		ip[0] = 0x60;
		ip[6] = 59;
		ip[23] = p->from;
		ip[39] = p->to;
	} else {
		ip[0] = 0x45;
		ip[3] = 20;
		ip[9] = 254;
		ip[15] = p->from;
		ip[19] = p->to;
	}
	return (uint32_t)(ip - b) + (p->six ? 40 : 20);
}

static struct hm_cache *open_cache(uint32_t key, bool frames, void *entries)
{
	const struct hm_cache_conf conf = {.entries = ENTRIES,
					   .active_ns = S,
					   .inactive_ns = 5 * S,
					   .key = key,
					   .frames = frames,
					   .entries_at = entries,
					   .socket = -1,
					   .out = take};
	struct hm_cache *c = hm_cache_create(&conf);

	assert_non_null(c);
	n_records = 0;
	return c;
}

static void feed(struct hm_cache *c, const struct packet *p, unsigned n, unsigned size)
{
	static uint8_t bytes[HM_BATCH_MAX][FRAME + 16];
	static struct hm_batch b;
	const struct hm_parse_conf conf = {0};

	for (unsigned i = 0; i < n; i += b.n) {
		memset(&b, 0xa5, sizeof(b));
		b.n = size < n - i ? size : n - i;
		b.all = hm_mask_first(b.n);
		b.link = HM_LINK_ETHERNET;
		for (unsigned k = 0; k < b.n; k++) {
			b.data[k] = bytes[k];
			b.caplen[k] = b.wirelen[k] = write_packet(bytes[k], &p[i + k]);
			b.ts_ns[k] = p[i + k].ts;
		}
		hm_parse(&b, &conf);
		hm_cache_add(c, &b, b.all);
	}
}

static void drain(struct hm_cache *c)
{
	while (!hm_cache_drain(c, 64))
		;
}

static bool same_label(uint32_t a, uint32_t b)
{
	return (a & (HM_FLOW_MPLS | 0xfffff0)) == (b & (HM_FLOW_MPLS | 0xfffff0));
}

/* Which endpoint of the flow that `first` began sent `p`, 0 being the one that sent `first`; -1: another flow. */
static int belongs(const struct packet *p, const struct packet *first, uint32_t key)
{
	bool there = p->from == first->from && p->to == first->to;
	bool back = p->from == first->to && p->to == first->from && !there;

	if (p->six != first->six || !(there || back) ||
	    ((key & HM_FLOW_KEY_MPLS) && !same_label(p->label, first->label)))
		return -1;
	if (key & HM_FLOW_KEY_MAC) {
		const uint8_t source = back ? p->destination_mac : p->source_mac;
		const uint8_t destination = back ? p->source_mac : p->destination_mac;
		if (source != first->source_mac || destination != first->destination_mac)
			return -1;
	}
	return back;
}

static union hm_flow_frame frame_of(const struct packet *p)
{
	return (union hm_flow_frame){{.destination = {0, 0, 0, 0, 0, p->destination_mac},
				      .source = {0, 0, 0, 0, 0, p->source_mac},
				      .mpls = p->label}};
}

/* The record's time of the first packet says which one that was. */
static void check_record(const struct hm_flow_record *r, uint32_t key, bool frames, uint64_t *all)
{
	static const union hm_flow_frame none;
	const struct packet *first = &packets[r->start_ns - T0];
	unsigned initiator = r->initiator;
	uint64_t n[2] = {0};

	for (unsigned k = 0; k < PACKETS; k++) {
		int d = belongs(&packets[k], first, key);
		union hm_flow_frame want = frames ? frame_of(&packets[k]) : none;
		if (d >= 0 && n[d]++ == 0)
			assert_memory_equal(&r->frame[initiator ^ (unsigned)d], &want,
					    sizeof(want));
	}
	assert_int_equal(r->packets[initiator], n[0]);
	assert_int_equal(r->packets[initiator ^ 1], n[1]);
	*all += n[0] + n[1];
}

static void test_flow_frames_part_the_packets_as_the_key_says(void **state)
{
	static const unsigned sizes[] = {1, 3, 64};
	unsigned made[4] = {0};

	(void)state;
	for (unsigned i = 0; i < PACKETS; i++)
		invent(&packets[i], i);
	for (unsigned run = 0; run < 3 * 5; run++) {
		unsigned which = run / 3;
		uint32_t key =
			(which & 1 ? HM_FLOW_KEY_MAC : 0) | (which & 2 ? HM_FLOW_KEY_MPLS : 0);
		bool frames = which > 0; // the last one: as further fields only
		struct hm_cache *c = open_cache(key, frames, NULL);
		uint64_t all = 0;
		feed(c, packets, PACKETS, sizes[run % 3]);
		drain(c);
		for (unsigned i = 0; i < n_records; i++)
			check_record(&records[i], key, frames, &all);
		assert_int_equal(all, PACKETS);
		made[which & 3] = n_records;
		hm_cache_destroy(c);
	}
	assert_int_equal(made[0], 2 * 3); // of two hosts: a pair and two selves
	assert_int_equal(made[1], 2 * 3 * 9);
	assert_int_equal(made[2], 2 * 3 * 4); // no label, and three
	assert_int_equal(made[3], 2 * 3 * 9 * 4);
}

/* The flow goes on in new records after the active timeout, whichever side goes on. */
static void test_flow_frames_are_kept_after_the_active_timeout(void **state)
{
	struct packet p[4] = {{.from = 1, .to = 2, .source_mac = 7, .destination_mac = 8}};
	struct hm_cache *c = open_cache(HM_FLOW_KEY_MAC | HM_FLOW_KEY_MPLS, false, NULL);

	(void)state;
	p[0].label = HM_FLOW_MPLS | 0x000101;
	p[3] = p[0];
	p[1] = p[2] = (struct packet){
		.from = 2, .to = 1, .source_mac = 8, .destination_mac = 7, .label = p[0].label | 6};
	for (unsigned i = 0; i < 4; i++)
		p[i].ts = T0 + 2 * i * S;
	feed(c, p, 4, 1);
	drain(c);
	assert_int_equal(hm_cache_counts(c)->created, 1);
	assert_int_equal(n_records, 4);
	for (unsigned i = 0; i < 4; i++) {
		union hm_flow_frame want = frame_of(&p[i]);
		unsigned d = p[i].from == 1 ? 0 : 1;
		assert_int_equal(records[i].packets[d], 1);
		assert_int_equal(records[i].packets[d ^ 1], 0);
		assert_memory_equal(&records[i].frame[d], &want, sizeof(want));
	}
	hm_cache_destroy(c);
}

/* Takes what is open in one cache into another; how many there were. */
static unsigned take_over(struct hm_cache *to, const struct hm_cache *from, uint32_t key,
			  const struct hm_entry *e, const struct hm_entry_frames *f)
{
	unsigned n = 0;

	for (uint32_t i = 1; i < hm_cache_places(from); i++) {
		struct hm_entry_frames damaged = f[i];
		if (e[i].name.version == 0)
			continue;
		damaged.of[0].source[5] ^= 1;
		assert_false(hm_cache_take(to, &e[i], &damaged, key));
		assert_false(hm_cache_take(to, &e[i], NULL, key));
		assert_true(hm_cache_take(to, &e[i], &f[i], key));
		n++;
	}
	return n;
}

static void test_flow_frames_are_taken_over(void **state)
{
	const uint32_t key = HM_FLOW_KEY_MAC | HM_FLOW_KEY_MPLS | HM_FLOW_KEY_VLAN;
	size_t bytes = hm_cache_entry_bytes(ENTRIES, true);
	uint8_t *entries = aligned_alloc(128, (bytes + 127) / 128 * 128);
	struct hm_cache *before, *after;
	uint64_t all = 0;
	unsigned n;

	(void)state;
	assert_non_null(entries);
	memset(entries, 0, bytes);
	for (unsigned i = 0; i < PACKETS; i++) {
		invent(&packets[i], i);
		packets[i].source_mac += 1; // 0 and 0 are what no frames at all are, too
	}
	before = open_cache(key, false, entries);
	feed(before, packets, PACKETS / 2, 64);
	after = open_cache(key, false, NULL);
	n = take_over(after, before, key, (struct hm_entry *)entries,
		      hm_cache_frames_at(entries, ENTRIES));
	assert_int_equal(n, hm_cache_used(before));
	feed(after, packets + PACKETS / 2, PACKETS / 2, 64);
	drain(after);
	for (unsigned i = 0; i < n_records; i++)
		check_record(&records[i], key, true, &all);
	assert_int_equal(all, PACKETS);
	hm_cache_destroy(before);
	hm_cache_destroy(after);
	free(entries);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flow_frames_part_the_packets_as_the_key_says),
		cmocka_unit_test(test_flow_frames_are_kept_after_the_active_timeout),
		cmocka_unit_test(test_flow_frames_are_taken_over),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

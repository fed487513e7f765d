/* SPDX-License-Identifier: BSD-3-Clause */
/* The same packet gives the same fields wherever it is in a batch, in whatever company, and by
 * whichever way it is parsed. Packets are the generator's, mutated and cut at random. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../parse/parse_check.h"
#include "core/parse_internal.h"
#include "trace/generator.h"

#define PACKETS 3000
#define ROOM    192

static struct {
	uint8_t *bytes; // a heap block of its own, of exactly caplen bytes
	uint32_t caplen, wirelen;
	struct parse_fields alone;
} packets[PACKETS];

static uint64_t seed = 7;

static uint32_t draw(uint32_t below)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % below;
}

static const uint32_t tunnel_sets[] = {0, 0x3f, HM_TUNNEL_VXLAN};

/* Half of the packets as they are, the others cut or with some bytes of the headers changed. */
static void make_packets(void)
{
	struct hm_generator_conf conf;
	struct hm_generator *g;
	struct hm_trace_packet p;

	hm_generator_defaults(&conf);
	conf.packets = PACKETS;
	conf.vlan_percent = conf.mpls_percent = conf.fragment_percent = 10;
	g = hm_generator_create(&conf);
	assert_non_null(g);
	for (unsigned i = 0; i < PACKETS; i++) {
		assert_int_equal(hm_generator_next(g, &p), 1);
		packets[i].caplen = p.caplen < ROOM ? p.caplen : ROOM;
		if (i % 4 == 1)
			packets[i].caplen = draw(packets[i].caplen + 1);
		packets[i].wirelen = p.wirelen;
		packets[i].bytes = malloc(packets[i].caplen ? packets[i].caplen : 1);
		memcpy(packets[i].bytes, p.data, packets[i].caplen);
		for (unsigned n = i % 4 == 2 ? 1 + draw(4) : 0; n > 0 && packets[i].caplen; n--)
			packets[i].bytes[draw(packets[i].caplen < 64 ? packets[i].caplen : 64)] =
				(uint8_t)draw(256);
	}
	hm_generator_destroy(g);
}

static void fill(struct hm_batch *b, const unsigned *which, unsigned n)
{
	memset(b, 0x5a, sizeof(*b));
	b->n = n;
	b->all = hm_mask_first(n);
	b->link = HM_LINK_ETHERNET;
	for (unsigned i = 0; i < n; i++) {
		b->data[i] = packets[which[i]].bytes;
		b->caplen[i] = packets[which[i]].caplen;
		b->wirelen[i] = packets[which[i]].wirelen;
	}
}

static void parse_alone(const struct hm_parse_conf *conf)
{
	static struct hm_batch b;

	for (unsigned i = 0; i < PACKETS; i++) {
		fill(&b, &i, 1);
		hm_parse(&b, conf);
		parse_check(&b, conf->tunnels);
		packets[i].alone = parse_fields(&b, 0);
	}
}

static void expect_same(const struct parse_fields *a, const struct parse_fields *b)
{
	assert_int_equal(a->hash, b->hash);
	assert_int_equal(a->ip_len, b->ip_len);
	assert_int_equal(a->masks, b->masks);
	assert_int_equal(a->ethertype, b->ethertype);
	assert_int_equal(a->l3, b->l3);
	assert_int_equal(a->l4, b->l4);
	assert_int_equal(a->payload, b->payload);
	assert_int_equal(a->end, b->end);
	assert_int_equal(a->vlan_tci, b->vlan_tci);
	assert_int_equal(a->proto, b->proto);
	assert_int_equal(a->outcome, b->outcome);
}

static void test_parse_same_packet_at_any_place_gives_same_fields(void **state)
{
	static struct hm_batch b;
	(void)state;
	for (unsigned t = 0; t < 3; t++) {
		struct hm_parse_conf conf = {.tunnels = tunnel_sets[t]};

		parse_alone(&conf);
		for (unsigned round = 0; round < 1500; round++) {
			unsigned which[HM_BATCH_MAX], n = 1 + round % HM_BATCH_MAX;

			for (unsigned i = 0; i < n; i++)
				which[i] = draw(PACKETS);
			fill(&b, which, n);
			hm_parse(&b, &conf);
			parse_check(&b, conf.tunnels);
			for (unsigned i = 0; i < n; i++) {
				struct parse_fields f = parse_fields(&b, i);

				expect_same(&f, &packets[which[i]].alone);
			}
		}
	}
}

/* What hm_parse() decides by the fast way, the general way decides in the same way. */
static void test_parse_fast_and_general_way_agree(void **state)
{
	const uint32_t not_the_general_ways = M_SNAPPED;
	static struct hm_batch b;
	unsigned good = 0;
	(void)state;
	for (unsigned t = 0; t < 3; t++) {
		struct hm_parse_conf conf = {.tunnels = tunnel_sets[t]};

		parse_alone(&conf);
		for (unsigned i = 0; i < PACKETS; i++) {
			struct parse_fields f;
			uint32_t flags;

			fill(&b, &i, 1);
			flags = hm_parse_slow(&b, 0, conf.tunnels);
			f = parse_fields(&b, 0);
			f.masks = packets[i].alone.masks;
			assert_int_equal(flags, f.masks & ~not_the_general_ways);
			expect_same(&f, &packets[i].alone);
			good += f.outcome == HM_PARSE_OK;
		}
	}
	assert_true(good > PACKETS * 3 / 2);
}

static void free_packets(void)
{
	for (unsigned i = 0; i < PACKETS; i++)
		free(packets[i].bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_same_packet_at_any_place_gives_same_fields),
		cmocka_unit_test(test_parse_fast_and_general_way_agree),
	};
	int failed;

	make_packets();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	free_packets();
	return failed;
}

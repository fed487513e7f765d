/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "trace/generator.h"

#define PLANT "Homard-in-the-reef"

/* FNV-1a over times, lengths and bytes. */
static uint64_t digest(const struct hm_generator_conf *conf, struct hm_generator_truth *truth)
{
	struct hm_generator *g = hm_generator_create(conf);
	uint64_t h = 0xcbf29ce484222325u;
	struct hm_trace_packet p;
	assert_non_null(g);
	while (hm_generator_next(g, &p) == 1) {
		h = (h ^ p.ts_ns ^ (uint64_t)p.wirelen << 32) * 0x100000001b3u;
		for (uint32_t i = 0; i < p.caplen; i++)
			h = (h ^ p.data[i]) * 0x100000001b3u;
	}
	if (truth)
		*truth = *hm_generator_truth(g);
	hm_generator_destroy(g);
	return h;
}

static struct hm_generator_conf small_conf(void)
{
	struct hm_generator_conf conf;
	hm_generator_defaults(&conf);
	conf.packets = 20000;
	return conf;
}

static void test_generator_same_seed_makes_same_packets(void **state)
{
	struct hm_generator_conf conf = small_conf();
	uint64_t first = digest(&conf, NULL);
	(void)state;
	assert_int_equal(first, digest(&conf, NULL));
	conf.seed = 2;
	assert_int_not_equal(first, digest(&conf, NULL));
}

/* A change of the packets is a change for everybody who compares with earlier runs: on purpose
 * only. */
static void test_generator_packets_are_the_same_on_every_machine(void **state)
{
	struct hm_generator_conf conf = small_conf();
	(void)state;
	conf.plant = PLANT;
	assert_int_equal(digest(&conf, NULL), 0xd7e31ebc969ee23du);
}

static void test_generator_times_rise_at_the_rate(void **state)
{
	static const uint64_t rates[] = {1, 7, 100000, 999999937, 1000000000};
	(void)state;
	for (size_t i = 0; i < 5; i++) {
		struct hm_generator_conf conf = small_conf();
		struct hm_generator *g;
		struct hm_trace_packet p;
		uint64_t last = conf.start_ns, expected;
		conf.rate_pps = rates[i];
		g = hm_generator_create(&conf);
		for (uint64_t n = 0; hm_generator_next(g, &p) == 1; n++) {
			if (n == 0)
				assert_int_equal(p.ts_ns, conf.start_ns);
			assert_true(p.ts_ns >= last);
			last = p.ts_ns;
		}
		expected = (uint64_t)(20000.0 / (double)rates[i] * 1e9);
		assert_true(last - conf.start_ns <= expected);
		assert_true(last - conf.start_ns + 2000000000 / rates[i] + 2 >= expected);
		hm_generator_destroy(g);
	}
}

/* Searches whole frames, so also says that headers and filler never hold the string by accident. */
static uint64_t count_string(const struct hm_generator_conf *conf, const char *text,
			     struct hm_generator_truth *truth)
{
	struct hm_generator *g = hm_generator_create(conf);
	struct hm_trace_packet p;
	uint64_t n = 0;
	while (hm_generator_next(g, &p) == 1)
		n += memmem(p.data, p.caplen, text, strlen(text)) != NULL;
	*truth = *hm_generator_truth(g);
	hm_generator_destroy(g);
	return n;
}

static void test_generator_planted_strings_are_counted_exactly(void **state)
{
	static const char *const plants[] = {PLANT,    "lobster", "HTTP/1.1 200 OK",
					     "GET /l", "aaaa",    "\r\n\r\na"};
	static const uint32_t snaplens[] = {0, 96, 200};
	struct hm_generator_truth truth;
	uint64_t found;
	(void)state;
	for (size_t i = 0; i < sizeof(plants) / sizeof(plants[0]); i++)
		for (size_t s = 0; s < 3; s++) {
			struct hm_generator_conf conf = small_conf();
			conf.plant = plants[i];
			conf.plant_every = 3;
			conf.snaplen = snaplens[s];
			conf.fragment_percent = 20;
			found = count_string(&conf, plants[i], &truth);
			assert_int_equal(found, truth.planted);
			assert_true(truth.planted > 0);
		}
}

static void test_generator_plants_in_every_nth_flow(void **state)
{
	struct hm_generator_conf conf = small_conf();
	struct hm_generator_truth truth;
	(void)state;
	conf.plant = PLANT;
	conf.plant_every = 1;
	conf.flows = 1; // one after the other: each but the last has planted
	digest(&conf, &truth);
	assert_in_range(truth.planted, (truth.flows - truth.icmp / 2 - truth.arp / 2) * 9 / 10,
			truth.flows);
	conf.plant_every = UINT32_MAX;
	digest(&conf, &truth);
	assert_int_equal(truth.planted, 0);
}

static void test_generator_without_string_plants_nothing(void **state)
{
	struct hm_generator_conf conf = small_conf();
	struct hm_generator_truth truth;
	(void)state;
	assert_int_equal(count_string(&conf, PLANT, &truth), 0);
	assert_int_equal(truth.planted, 0);
}

static void test_generator_shares_follow_percents(void **state)
{
	struct hm_generator_conf conf = small_conf();
	struct hm_generator_truth t;
	(void)state;
	conf.ipv6_percent = 0;
	conf.udp_percent = 100;
	conf.vlan_percent = 100;
	conf.mpls_percent = 0;
	conf.fragment_percent = 0;
	digest(&conf, &t);
	assert_int_equal(t.udp, t.packets);
	assert_int_equal(t.ipv4, t.packets);
	assert_int_equal(t.vlan, t.packets);
	assert_int_equal(t.mpls + t.fragments + t.ipv6 + t.tcp + t.icmp + t.arp, 0);
	conf.ipv6_percent = 100;
	conf.udp_percent = 0;
	conf.vlan_percent = 0;
	conf.mpls_percent = 100;
	conf.fragment_percent = 100;
	digest(&conf, &t);
	assert_int_equal(t.vlan + t.udp + t.ipv4, 0);
	assert_int_equal(t.mpls, t.packets - t.arp);
	assert_int_equal(t.ipv6, t.packets - t.arp);
	assert_int_equal(t.tcp + t.icmp + t.arp, t.packets);
	assert_true(t.fragments > 1000);
}

static void test_generator_flows_are_about_eleven_packets(void **state)
{
	struct hm_generator_conf conf = small_conf();
	struct hm_generator_truth t;
	(void)state;
	conf.packets = 300000;
	digest(&conf, &t);
	assert_in_range(t.packets * 10 / t.flows, 85, 130);
}

static void test_generator_refuses_values_out_of_range(void **state)
{
	static char long_plant[1026];
	(void)state;
	memset(long_plant, 'x', 1025);
	for (int i = 0; i < 12; i++) {
		struct hm_generator_conf conf = small_conf();
		uint32_t *percents[] = {&conf.ipv6_percent, &conf.udp_percent, &conf.vlan_percent,
					&conf.mpls_percent, &conf.fragment_percent};
		if (i < 5)
			*percents[i] = 101;
		if (i == 5)
			conf.flows = 0;
		if (i == 6)
			conf.flows = HM_GENERATOR_FLOWS_MAX + 1;
		if (i == 7)
			conf.rate_pps = 0;
		if (i == 8)
			conf.rate_pps = HM_GENERATOR_RATE_MAX + 1ull;
		if (i == 9)
			conf.plant = "";
		if (i == 10)
			conf.plant = long_plant;
		if (i == 11) {
			conf.plant = "x";
			conf.plant_every = 0;
		}
		errno = 0;
		assert_null(hm_generator_create(&conf));
		assert_int_equal(errno, EINVAL);
	}
}

static void test_generator_longest_plant_fits(void **state)
{
	static char plant[1025];
	struct hm_generator_conf conf = small_conf();
	struct hm_generator_truth truth;
	uint64_t found;
	(void)state;
	memset(plant, 'x', 1024);
	conf.plant = plant;
	conf.plant_every = 1;
	conf.vlan_percent = conf.mpls_percent = 100;
	found = count_string(&conf, plant, &truth);
	assert_int_equal(found, truth.planted);
	assert_true(truth.planted > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_generator_same_seed_makes_same_packets),
		cmocka_unit_test(test_generator_packets_are_the_same_on_every_machine),
		cmocka_unit_test(test_generator_times_rise_at_the_rate),
		cmocka_unit_test(test_generator_planted_strings_are_counted_exactly),
		cmocka_unit_test(test_generator_plants_in_every_nth_flow),
		cmocka_unit_test(test_generator_without_string_plants_nothing),
		cmocka_unit_test(test_generator_shares_follow_percents),
		cmocka_unit_test(test_generator_flows_are_about_eleven_packets),
		cmocka_unit_test(test_generator_refuses_values_out_of_range),
		cmocka_unit_test(test_generator_longest_plant_fits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

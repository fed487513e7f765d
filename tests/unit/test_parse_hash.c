/* SPDX-License-Identifier: BSD-3-Clause */
/* The flow hash: both directions alike, fragments alike, and no holes for regular addresses. */
#include "../parse/parse_expect.h"

struct flow {
	uint32_t address[2];
	uint16_t port[2];
	unsigned fragment;
};

static uint32_t hash_ipv4(const struct flow *f, bool back)
{
	struct packet p = {0};
	struct parse_fields fields;

	put_eth(&p, 0x0800);
	put_udp4(&p);
	p.bytes[20] = (uint8_t)(f->fragment >> 8), p.bytes[21] = (uint8_t)f->fragment;
	p.n = 26;
	put32(&p, f->address[back]), put32(&p, f->address[!back]);
	put16(&p, f->port[back]), put16(&p, f->port[!back]);
	p.n = 14 + UDP4;
	fields = parse_bytes(p.bytes, p.n, p.n, HM_LINK_ETHERNET, 0);
	return fields.hash;
}

static uint32_t hash_ipv6(uint32_t a, uint32_t b, uint16_t port_a, uint16_t port_b)
{
	struct packet p = {0};

	put_eth(&p, 0x86dd);
	put_ipv6(&p, 17, 8);
	p.n = 34;
	put32(&p, a);
	p.n = 50;
	put32(&p, b);
	p.n = 54;
	put16(&p, port_a), put16(&p, port_b), put16(&p, 8), put16(&p, 0);
	return parse_bytes(p.bytes, p.n, p.n, HM_LINK_ETHERNET, 0).hash;
}

static uint32_t next_random(uint64_t *x)
{
	*x = *x * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*x >> 32);
}

static void test_hash_both_directions_are_alike(void **state)
{
	uint64_t x = 1;
	(void)state;
	for (unsigned i = 0; i < 2000; i++) {
		struct flow f = {.address = {next_random(&x), next_random(&x)},
				 .port = {(uint16_t)next_random(&x), (uint16_t)next_random(&x)}};

		assert_int_equal(hash_ipv4(&f, false), hash_ipv4(&f, true));
		assert_int_equal(hash_ipv6(f.address[0], f.address[1], f.port[0], f.port[1]),
				 hash_ipv6(f.address[1], f.address[0], f.port[1], f.port[0]));
	}
}

static void test_hash_crossed_endpoints_differ(void **state)
{
	struct flow f = {{0x0a000001, 0x0a000002}, {1000, 2000}, 0};
	struct flow crossed = {{0x0a000001, 0x0a000002}, {2000, 1000}, 0};
	(void)state;
	assert_int_not_equal(hash_ipv4(&f, false), hash_ipv4(&crossed, false));
	assert_int_not_equal(hash_ipv6(1, 2, 1000, 2000), hash_ipv6(1, 2, 2000, 1000));
}

static void test_hash_fragments_of_a_datagram_are_alike(void **state)
{
	struct flow first = {{0x0a000001, 0x0a000002}, {1000, 2000}, 0x2000};
	struct flow later = {{0x0a000001, 0x0a000002}, {4711, 815}, 0x0010};
	struct flow whole = {{0x0a000001, 0x0a000002}, {1000, 2000}, 0};
	(void)state;
	assert_int_equal(hash_ipv4(&first, false), hash_ipv4(&later, false));
	assert_int_equal(hash_ipv4(&first, false), hash_ipv4(&later, true));
	assert_int_not_equal(hash_ipv4(&first, false), hash_ipv4(&whole, false));
}

static void test_hash_protocol_counts_and_icmp_has_no_ports(void **state)
{
	struct packet p = {0};
	uint32_t hash[3];
	(void)state;
	put_eth(&p, 0x0800);
	put_udp4(&p);
	hash[0] = parse_bytes(p.bytes, p.n, p.n, HM_LINK_ETHERNET, 0).hash;
	p.bytes[23] = 1;
	hash[1] = parse_bytes(p.bytes, p.n, p.n, HM_LINK_ETHERNET, 0).hash;
	p.bytes[34] ^= 0xff;
	hash[2] = parse_bytes(p.bytes, p.n, p.n, HM_LINK_ETHERNET, 0).hash;
	assert_int_not_equal(hash[0], hash[1]);
	assert_int_equal(hash[1], hash[2]);
}

#define BUCKETS 1024
#define FLOWS   (16 * BUCKETS)

/* Chi-square of 1,024 buckets: 1,023 on average; 1,200 is four standard deviations more. */
static double chi_square(const uint32_t *hash, unsigned shift)
{
	static unsigned count[BUCKETS];
	double sum = 0, mean = (double)FLOWS / BUCKETS;

	memset(count, 0, sizeof(count));
	for (unsigned i = 0; i < FLOWS; i++)
		count[hash[i] >> shift & (BUCKETS - 1)]++;
	for (unsigned i = 0; i < BUCKETS; i++)
		sum += ((double)count[i] - mean) * ((double)count[i] - mean) / mean;
	return sum;
}

static void expect_even(const uint32_t *hash, const char *what)
{
	for (unsigned shift = 0; shift <= 22; shift += 11) {
		double chi = chi_square(hash, shift);

		if (chi > 1200)
			fail_msg("%s: bits from %u on are uneven: chi-square %.0f", what, shift,
				 chi);
	}
}

static void test_hash_regular_flows_are_spread_evenly(void **state)
{
	static uint32_t hosts[FLOWS], ports[FLOWS], pairs[FLOWS], nets[FLOWS], six[FLOWS];
	(void)state;
	for (uint32_t i = 0; i < FLOWS; i++) {
		uint32_t low = i & 127, high = i >> 7;
		struct flow h = {{0x0a000000 + i, 0xc0a80001}, {1024, 80}, 0};
		struct flow p = {{0x0a000001, 0xc0a80001}, {(uint16_t)(1024 + i), 80}, 0};
		struct flow q = {{0x0a000000 + low, 0x0a000080 + high}, {53, 53}, 0};
		struct flow n = {{0x0a000001 + (i << 8), 0xc0a80001}, {1024, 80}, 0};

		hosts[i] = hash_ipv4(&h, i & 1);
		ports[i] = hash_ipv4(&p, i & 1);
		pairs[i] = hash_ipv4(&q, i & 1);
		nets[i] = hash_ipv4(&n, i & 1);
		six[i] = hash_ipv6(i, 0xffff0000, 1024, 443);
	}
	expect_even(hosts, "hosts");
	expect_even(ports, "ports");
	expect_even(pairs, "pairs");
	expect_even(nets, "networks");
	expect_even(six, "IPv6");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hash_both_directions_are_alike),
		cmocka_unit_test(test_hash_crossed_endpoints_differ),
		cmocka_unit_test(test_hash_fragments_of_a_datagram_are_alike),
		cmocka_unit_test(test_hash_protocol_counts_and_icmp_has_no_ports),
		cmocka_unit_test(test_hash_regular_flows_are_spread_evenly),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

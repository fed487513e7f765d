/* SPDX-License-Identifier: BSD-3-Clause */
/* Every tunnel: not looked into unless wanted, looked into when wanted, as seen from outside when
 * there is nothing to be found. */
#include "../parse/parse_expect.h"

#define ALL_TUNNELS 0x3f

/* Outer Ethernet and IPv4 for `length` bytes behind them: 34 bytes. */
static void put_outer(struct packet *p, unsigned proto, unsigned length)
{
	put_eth(p, 0x0800);
	put_ipv4(p, proto, 0, 0, length);
}

/* With `tunnel` wanted the UDP packet at l3 is found; with all others wanted it is not. */
static void expect_inside(const struct packet *p, uint32_t tunnel, unsigned l3)
{
	struct parse_fields inner = udp4_at(l3, M_TUNNEL), f;

	expect_link(p, HM_LINK_ETHERNET, tunnel, inner);
	expect_link(p, HM_LINK_ETHERNET, ALL_TUNNELS, inner);
	f = parse_bytes(p->bytes, p->n, p->n, HM_LINK_ETHERNET, ALL_TUNNELS & ~tunnel);
	assert_int_equal(f.masks & (M_TUNNEL | M_REJECTED), 0);
	assert_int_equal(f.l3, 14);
	assert_int_equal(f.l4, 34);
	f = parse_bytes(p->bytes, p->n, p->n, HM_LINK_ETHERNET, 0);
	assert_int_equal(f.l3, 14);
}

/* Nothing is found inside, whatever is wanted: the outer packet at 14. */
static void expect_outside(const struct packet *p, unsigned proto, unsigned payload)
{
	struct parse_fields f = parse_bytes(p->bytes, p->n, p->n, HM_LINK_ETHERNET, ALL_TUNNELS);

	assert_int_equal(f.outcome, HM_PARSE_OK);
	assert_int_equal(f.masks & M_TUNNEL, 0);
	assert_int_equal(f.proto, proto);
	assert_int_equal(f.l3, 14);
	assert_int_equal(f.l4, 34);
	assert_int_equal(f.payload, payload);
	expect_cuts(p, HM_LINK_ETHERNET, ALL_TUNNELS);
}

static void test_tunnel_gre_with_each_optional_field(void **state)
{
	(void)state;
	for (unsigned bits = 0; bits < 8; bits++) {
		unsigned flags =
			(bits & 1 ? 0x8000 : 0) | (bits & 2 ? 0x2000 : 0) | (bits & 4 ? 0x1000 : 0);
		unsigned header = 4 + 4 * (unsigned)__builtin_popcount(bits);
		struct packet p = {0};

		put_outer(&p, 47, header + UDP4);
		put16(&p, flags), put16(&p, 0x0800);
		put_many(&p, 0, header - 4);
		put_udp4(&p);
		expect_inside(&p, HM_TUNNEL_GRE, 34 + header);
	}
}

static void test_tunnel_gre_source_routes_are_stepped_over(void **state)
{
	struct packet p = {0}, endless = {0};
	(void)state;
	put_outer(&p, 47, 8 + 12 + 4 + UDP4);
	put16(&p, 0x4000), put16(&p, 0x0800), put32(&p, 0);
	put(&p,
	    "\x08\0\0\x08"
	    "12345678",
	    12);
	put32(&p, 0);
	put_udp4(&p);
	expect_inside(&p, HM_TUNNEL_GRE, 58);
	put_outer(&endless, 47, 8 + 9 * 4 + UDP4);
	put16(&endless, 0x4000), put16(&endless, 0x0800), put32(&endless, 0);
	for (unsigned i = 0; i < 9; i++)
		put32(&endless, 0x08000000);
	put_udp4(&endless);
	expect_outside(&endless, 47, 34);
}

static void test_tunnel_gre_carries_ethernet_vlan_and_mpls(void **state)
{
	struct packet eth = {0}, mpls = {0};
	(void)state;
	put_outer(&eth, 47, 4 + 18 + UDP4);
	put16(&eth, 0), put16(&eth, 0x6558);
	put_eth(&eth, 0x8100), put16(&eth, 3), put16(&eth, 0x0800);
	put_udp4(&eth);
	expect_inside(&eth, HM_TUNNEL_GRE, 56);
	put_outer(&mpls, 47, 8 + UDP4);
	put16(&mpls, 0), put16(&mpls, 0x8847);
	put32(&mpls, 16 << 12 | 1 << 8);
	put_udp4(&mpls);
	expect_inside(&mpls, HM_TUNNEL_GRE, 42);
}

static void test_tunnel_pptp_only_steps_over_header(void **state)
{
	struct packet p = {0};
	(void)state;
	put_outer(&p, 47, 16 + 8);
	put16(&p, 0x3081), put16(&p, 0x880b), put32(&p, 0x00080001), put32(&p, 1), put32(&p, 2);
	put(&p,
	    "\xff\x03\0\x21"
	    "data",
	    8);
	expect_outside(&p, 47, 50);
}

static void test_tunnel_gre_of_unknown_kind_stays_outside(void **state)
{
	const struct {
		unsigned flags, type;
	} cases[] = {{0, 0}, {0, 0x880b}, {0x0002, 0x0800}, {0, 0x1234}};
	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct packet p = {0};

		put_outer(&p, 47, 4 + UDP4);
		put16(&p, cases[i].flags), put16(&p, cases[i].type);
		put_udp4(&p);
		expect_outside(&p, 47, 34);
	}
}

static void test_tunnel_erspan_types(void **state)
{
	struct packet one = {0}, two = {0}, three = {0}, ip = {0}, wrong = {0};
	(void)state;
	put_outer(&one, 47, 4 + 14 + UDP4);
	put16(&one, 0), put16(&one, 0x88be);
	put_eth(&one, 0x0800), put_udp4(&one);
	expect_inside(&one, HM_TUNNEL_ERSPAN, 52);
	put_outer(&two, 47, 8 + 8 + 14 + UDP4);
	put16(&two, 0x1000), put16(&two, 0x88be), put32(&two, 5);
	put32(&two, 0x10010001), put32(&two, 0);
	put_eth(&two, 0x0800), put_udp4(&two);
	expect_inside(&two, HM_TUNNEL_ERSPAN, 64);
	put_outer(&three, 47, 8 + 20 + 14 + UDP4);
	put16(&three, 0x1000), put16(&three, 0x22eb), put32(&three, 5);
	put32(&three, 0x20010001), put32(&three, 0), put32(&three, 0x00000001);
	put_many(&three, 0, 8);
	put_eth(&three, 0x0800), put_udp4(&three);
	expect_inside(&three, HM_TUNNEL_ERSPAN, 76);
	put_outer(&ip, 47, 8 + 12 + UDP4);
	put16(&ip, 0x1000), put16(&ip, 0x22eb), put32(&ip, 5);
	put32(&ip, 0x20010001), put32(&ip, 0), put32(&ip, 2 << 10);
	put_udp4(&ip);
	expect_inside(&ip, HM_TUNNEL_ERSPAN, 54);
	put_outer(&wrong, 47, 8 + 8 + 14 + UDP4);
	put16(&wrong, 0x1000), put16(&wrong, 0x88be), put32(&wrong, 5);
	put32(&wrong, 0x30010001), put32(&wrong, 0);
	put_eth(&wrong, 0x0800), put_udp4(&wrong);
	expect_outside(&wrong, 47, 34);
}

static void put_vxlan(struct packet *p, unsigned port, unsigned flags)
{
	put_outer(p, 17, 8 + 8 + 14 + UDP4);
	put_udp(p, port, 8 + 14 + UDP4);
	put32(p, flags << 24), put32(p, 0x12300);
	put_eth(p, 0x0800);
	put_udp4(p);
}

static void test_tunnel_vxlan_on_both_ports(void **state)
{
	struct packet standard = {0}, linux_port = {0}, invalid = {0}, gpe = {0}, port = {0};
	(void)state;
	put_vxlan(&standard, 4789, 0x08);
	expect_inside(&standard, HM_TUNNEL_VXLAN, 64);
	put_vxlan(&linux_port, 8472, 0x88); // with the group policy bit
	expect_inside(&linux_port, HM_TUNNEL_VXLAN, 64);
	put_vxlan(&invalid, 4789, 0x00);
	expect_outside(&invalid, 17, 42);
	put_vxlan(&gpe, 4789, 0x0c);
	expect_outside(&gpe, 17, 42);
	put_vxlan(&port, 4790, 0x08);
	expect_outside(&port, 17, 42);
}

static void test_tunnel_geneve_with_options(void **state)
{
	struct packet p = {0}, ip = {0}, version = {0};
	(void)state;
	put_outer(&p, 17, 8 + 16 + 14 + UDP4);
	put_udp(&p, 6081, 16 + 14 + UDP4);
	put8(&p, 2), put8(&p, 0), put16(&p, 0x6558), put32(&p, 0x100);
	put_many(&p, 0, 8);
	put_eth(&p, 0x0800), put_udp4(&p);
	expect_inside(&p, HM_TUNNEL_GENEVE, 72);
	put_outer(&ip, 17, 8 + 8 + UDP4);
	put_udp(&ip, 6081, 8 + UDP4);
	put8(&ip, 0), put8(&ip, 0), put16(&ip, 0x0800), put32(&ip, 0x100);
	put_udp4(&ip);
	expect_inside(&ip, HM_TUNNEL_GENEVE, 50);
	version = ip;
	version.bytes[42] = 0x40;
	expect_outside(&version, 17, 42);
}

static void test_tunnel_gtpu_with_optional_fields_and_extensions(void **state)
{
	struct packet plain = {0}, sequence = {0}, extended = {0}, echo = {0}, zero = {0};
	(void)state;
	put_outer(&plain, 17, 8 + 8 + UDP4);
	put_udp(&plain, 2152, 8 + UDP4);
	put8(&plain, 0x30), put8(&plain, 255), put16(&plain, UDP4), put32(&plain, 1);
	put_udp4(&plain);
	expect_inside(&plain, HM_TUNNEL_GTPU, 50);
	put_outer(&sequence, 17, 8 + 12 + UDP4);
	put_udp(&sequence, 2152, 12 + UDP4);
	put8(&sequence, 0x32), put8(&sequence, 255), put16(&sequence, 4 + UDP4);
	put32(&sequence, 1), put32(&sequence, 0x00010085); // the extension type does not count
	put_udp4(&sequence);
	expect_inside(&sequence, HM_TUNNEL_GTPU, 54);
	put_outer(&extended, 17, 8 + 24 + UDP4);
	put_udp(&extended, 2152, 24 + UDP4);
	put8(&extended, 0x34), put8(&extended, 255), put16(&extended, 16 + UDP4);
	put32(&extended, 1), put32(&extended, 0x85);
	put(&extended, "\x01\x10\x00\xc0", 4);
	put(&extended, "\x02\0\0\0\0\0\0\0", 8);
	put_udp4(&extended);
	expect_inside(&extended, HM_TUNNEL_GTPU, 66);
	echo = plain;
	echo.bytes[43] = 1;
	expect_outside(&echo, 17, 42);
	zero = extended;
	zero.bytes[54] = 0; // an extension header of no length
	expect_outside(&zero, 17, 42);
}

static void test_tunnel_ip_in_ip(void **state)
{
	struct packet four = {0}, six = {0}, four_in_six = {0}, wrong = {0};
	struct parse_fields f;
	(void)state;
	put_outer(&four, 4, UDP4);
	put_udp4(&four);
	expect_inside(&four, HM_TUNNEL_IPIP, 34);
	put_outer(&six, 41, 48);
	put_ipv6(&six, 17, 8), put_udp(&six, 53, 0);
	expect_link(&six, HM_LINK_ETHERNET, HM_TUNNEL_IPIP,
		    (struct parse_fields){.masks = M_IPV6 | M_UDP | M_L4 | M_TUNNEL,
					  .ethertype = 0x86dd,
					  .l3 = 34,
					  .l4 = 74,
					  .payload = 82,
					  .end = 82,
					  .ip_len = 48,
					  .proto = 17});
	put_eth(&four_in_six, 0x86dd);
	put_ipv6(&four_in_six, 60, 8 + UDP4), put_ext(&four_in_six, 4, 0);
	put_udp4(&four_in_six);
	f = udp4_at(62, M_TUNNEL);
	expect_link(&four_in_six, HM_LINK_ETHERNET, HM_TUNNEL_IPIP, f);
	put_outer(&wrong, 41, UDP4);
	put_udp4(&wrong);
	expect_outside(&wrong, 41, 34);
}

static void test_tunnel_frame_keeps_its_own_vlan_tag(void **state)
{
	struct packet p = {0};
	struct parse_fields want = udp4_at(42, M_TUNNEL | M_VLAN);
	(void)state;
	put_eth(&p, 0x8100), put16(&p, 11), put16(&p, 0x0800);
	put_ipv4(&p, 47, 0, 0, 4 + UDP4);
	put16(&p, 0), put16(&p, 0x0800);
	put_udp4(&p);
	want.vlan_tci = 11;
	expect_link(&p, HM_LINK_ETHERNET, HM_TUNNEL_GRE, want);
}

static void test_tunnel_frame_keeps_its_own_label(void **state)
{
	struct packet p = {0};
	struct parse_fields want = udp4_at(46, M_TUNNEL | M_MPLS);
	(void)state;
	put_eth(&p, 0x8847), put32(&p, 11 << 12 | 1 << 8);
	put_ipv4(&p, 47, 0, 0, 8 + UDP4);
	put16(&p, 0), put16(&p, 0x8847);
	put32(&p, 16 << 12 | 1 << 8);
	put_udp4(&p);
	want.label = 11 << 12 | 1 << 8;
	expect_link(&p, HM_LINK_ETHERNET, HM_TUNNEL_GRE, want);
}

static void test_tunnel_inner_datagram_ends_with_outer_one(void **state)
{
	struct packet p = {0};
	struct parse_fields want = udp4_at(34, M_TUNNEL);
	(void)state;
	put_outer(&p, 4, UDP4);
	put_udp4(&p);
	put_many(&p, 0, 20);
	p.bytes[37] = 45; // inner total length reaches into the padding
	want.ip_len = 45;
	expect_link(&p, HM_LINK_ETHERNET, HM_TUNNEL_IPIP, want);
	p.bytes[36] = p.bytes[37] = 0; // 0: by the outer datagram
	want.ip_len = UDP4;
	expect_link(&p, HM_LINK_ETHERNET, HM_TUNNEL_IPIP, want);
}

static void test_tunnel_inner_transport_trouble_is_the_outcome(void **state)
{
	struct packet p = {0};
	struct parse_fields f;
	(void)state;
	put_outer(&p, 4, 30);
	put_ipv4(&p, 6, 0, 0, 10);
	put_many(&p, 0, 10);
	f = parse_bytes(p.bytes, p.n, p.n, HM_LINK_ETHERNET, HM_TUNNEL_IPIP);
	assert_int_equal(f.outcome, HM_PARSE_L4_SHORT);
	assert_int_equal(f.l3, 34);
	assert_int_equal(f.masks, M_IPV4 | M_TCP | M_TUNNEL | M_REJECTED);
}

static void test_tunnel_fragments_only_first_is_looked_into(void **state)
{
	struct packet p = {0};
	struct parse_fields f;
	(void)state;
	put_eth(&p, 0x0800);
	put_ipv4(&p, 4, 0, 0x2000, UDP4);
	put_udp4(&p);
	f = parse_bytes(p.bytes, p.n, p.n, HM_LINK_ETHERNET, HM_TUNNEL_IPIP);
	assert_int_equal(f.l3, 34);
	p.bytes[20] = 0x20, p.bytes[21] = 1;
	f = parse_bytes(p.bytes, p.n, p.n, HM_LINK_ETHERNET, HM_TUNNEL_IPIP);
	assert_int_equal(f.l3, 14);
	assert_int_equal(f.masks, M_IPV4 | M_FRAGMENT | M_LATER);
}

static void test_tunnel_eight_are_followed_and_the_ninth_is_counted(void **state)
{
	(void)state;
	for (unsigned tunnels = 8; tunnels <= 9; tunnels++) {
		struct packet p = {0};
		struct parse_fields f;

		put_eth(&p, 0x0800);
		for (unsigned i = 0; i < tunnels; i++)
			put_ipv4(&p, 4, 0, 0, 20 * (tunnels - i - 1) + UDP4);
		put_udp4(&p);
		f = parse_bytes(p.bytes, p.n, p.n, HM_LINK_ETHERNET, HM_TUNNEL_IPIP);
		assert_int_equal(f.l3, 14 + 20 * 8);
		assert_int_equal(f.outcome, tunnels == 8 ? HM_PARSE_OK : HM_PARSE_L2_DEPTH);
		assert_int_equal(f.proto, tunnels == 8 ? 17 : 4);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tunnel_gre_with_each_optional_field),
		cmocka_unit_test(test_tunnel_gre_source_routes_are_stepped_over),
		cmocka_unit_test(test_tunnel_gre_carries_ethernet_vlan_and_mpls),
		cmocka_unit_test(test_tunnel_pptp_only_steps_over_header),
		cmocka_unit_test(test_tunnel_gre_of_unknown_kind_stays_outside),
		cmocka_unit_test(test_tunnel_erspan_types),
		cmocka_unit_test(test_tunnel_vxlan_on_both_ports),
		cmocka_unit_test(test_tunnel_geneve_with_options),
		cmocka_unit_test(test_tunnel_gtpu_with_optional_fields_and_extensions),
		cmocka_unit_test(test_tunnel_ip_in_ip),
		cmocka_unit_test(test_tunnel_frame_keeps_its_own_vlan_tag),
		cmocka_unit_test(test_tunnel_frame_keeps_its_own_label),
		cmocka_unit_test(test_tunnel_inner_datagram_ends_with_outer_one),
		cmocka_unit_test(test_tunnel_inner_transport_trouble_is_the_outcome),
		cmocka_unit_test(test_tunnel_fragments_only_first_is_looked_into),
		cmocka_unit_test(test_tunnel_eight_are_followed_and_the_ninth_is_counted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

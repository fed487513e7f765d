/* SPDX-License-Identifier: BSD-3-Clause */
/* Link types, tags, labels and session headers in front of one and the same IPv4/UDP packet. */
#include "../parse/parse_expect.h"

static void put_label(struct packet *p, unsigned label, bool bottom)
{
	put32(p, label << 12 | (unsigned)bottom << 8 | 64);
}

static void test_link_vlan_stack_keeps_outermost_tag(void **state)
{
	const unsigned types[] = {0x8100, 0x88a8, 0x9100};
	struct parse_fields want;
	(void)state;
	for (unsigned tags = 1; tags <= HM_PARSE_DEPTH; tags++) {
		struct packet p = {0};

		put_eth(&p, types[tags % 3]);
		for (unsigned i = 1; i <= tags; i++) {
			put16(&p, 0x6000 + i);
			put16(&p, i < tags ? types[i % 3] : 0x0800);
		}
		put_udp4(&p);
		want = udp4_at(14 + 4 * tags, M_VLAN);
		want.vlan_tci = 0x6001;
		expect(&p, want);
	}
}

static void test_link_nine_tags_or_labels_are_too_deep(void **state)
{
	struct packet tags = {0}, labels = {0};
	struct parse_fields want = {.masks = M_VLAN | M_REJECTED,
				    .ethertype = 0x8100,
				    .l3 = NONE,
				    .l4 = NONE,
				    .payload = NONE,
				    .vlan_tci = 7,
				    .outcome = HM_PARSE_L2_DEPTH};
	(void)state;
	put_eth(&tags, 0x8100);
	for (unsigned i = 0; i < 9; i++)
		put16(&tags, 7), put16(&tags, i < 8 ? 0x8100 : 0x0800);
	put_udp4(&tags);
	want.end = (uint16_t)tags.n;
	expect(&tags, want);
	put_eth(&labels, 0x8847);
	for (unsigned i = 0; i < 9; i++)
		put_label(&labels, 16 + i, i == 8);
	put_udp4(&labels);
	expect_rejected(&labels, HM_LINK_ETHERNET, HM_PARSE_L2_DEPTH, 0x8847, M_MPLS);
}

static void test_link_priority_tag_counts_as_vlan(void **state)
{
	struct packet p = {0};
	(void)state;
	put_eth(&p, 0x8100);
	put16(&p, 0), put16(&p, 0x0800);
	put_udp4(&p);
	expect(&p, udp4_at(18, M_VLAN));
}

static void test_link_snap_says_ethertype_other_llc_is_unknown(void **state)
{
	struct packet snap = {0}, stp = {0}, cisco = {0}, tagged = {0};
	struct parse_fields want = udp4_at(26, M_VLAN);
	(void)state;
	put_eth(&snap, 8 + UDP4);
	put(&snap, "\xaa\xaa\x03\0\0\0\x08\0", 8);
	put_udp4(&snap);
	expect(&snap, udp4_at(22, 0));
	put_eth(&tagged, 0x8100);
	put16(&tagged, 5), put16(&tagged, 8 + UDP4);
	put(&tagged, "\xaa\xaa\x03\0\0\0\x08\0", 8);
	put_udp4(&tagged);
	want.vlan_tci = 5;
	expect(&tagged, want);
	put_eth(&stp, 38);
	put(&stp, "\x42\x42\x03", 3);
	put_many(&stp, 0, 43);
	expect_rejected(&stp, HM_LINK_ETHERNET, HM_PARSE_L3_UNKNOWN, 0, 0);
	put_eth(&cisco, 40);
	put(&cisco, "\xaa\xaa\x03\0\0\x0c\x20\0", 8);
	put_many(&cisco, 0, 38);
	expect_rejected(&cisco, HM_LINK_ETHERNET, HM_PARSE_L3_UNKNOWN, 0, 0);
}

static void test_link_mpls_content_is_guessed_by_nibble(void **state)
{
	struct packet ip = {0}, ip6 = {0}, ach = {0};
	struct parse_fields want = udp4_at(22, M_MPLS);
	(void)state;
	put_eth(&ip, 0x8847);
	put_label(&ip, 0xfffff, false), put_label(&ip, 17, true);
	put_udp4(&ip);
	want.label = 0xfffffu << 12 | 64; // the outermost
	expect(&ip, want);
	put_eth(&ip6, 0x8848);
	put_label(&ip6, 2, true);
	put_ipv6(&ip6, 17, 8);
	put_udp(&ip6, 53, 0);
	expect(&ip6, (struct parse_fields){.masks = M_IPV6 | M_UDP | M_L4 | M_MPLS,
					   .ethertype = 0x86dd,
					   .l3 = 18,
					   .l4 = 58,
					   .payload = 66,
					   .end = 66,
					   .ip_len = 48,
					   .proto = 17});
	put_eth(&ach, 0x8847);
	put_label(&ach, 16, true);
	put_many(&ach, 0x10, 40);
	expect_rejected(&ach, HM_LINK_ETHERNET, HM_PARSE_L3_UNKNOWN, 0x8847, M_MPLS);
}

static void test_link_pseudo_wire_with_control_word_is_ethernet_if_it_looks_so(void **state)
{
	struct packet pw = {0}, tagged = {0}, other = {0};
	struct parse_fields want = udp4_at(40, M_MPLS | M_VLAN);
	(void)state;
	put_eth(&pw, 0x8847);
	put_label(&pw, 16, true);
	put32(&pw, 0);
	put_eth(&pw, 0x0800);
	put_udp4(&pw);
	expect(&pw, udp4_at(36, M_MPLS));
	put_eth(&tagged, 0x8847);
	put_label(&tagged, 16, true);
	put32(&tagged, 99);
	put_eth(&tagged, 0x8100);
	put16(&tagged, 7), put16(&tagged, 0x0800);
	put_udp4(&tagged);
	want.vlan_tci = 7;
	expect(&tagged, want);
	put_eth(&other, 0x8847);
	put_label(&other, 16, true);
	put32(&other, 0);
	put_eth(&other, 0x1234);
	put_udp4(&other);
	expect_rejected(&other, HM_LINK_ETHERNET, HM_PARSE_L3_UNKNOWN, 0x8847, M_MPLS);
}

static void put_pppoe(struct packet *p, unsigned code, unsigned length)
{
	put8(p, 0x11), put8(p, code), put16(p, 0x0042), put16(p, length);
}

static void test_link_pppoe_session_carries_ip(void **state)
{
	struct packet p = {0}, compressed = {0}, lcp = {0}, padi = {0};
	(void)state;
	put_eth(&p, 0x8864);
	put_pppoe(&p, 0, 2 + UDP4);
	put16(&p, 0x0021);
	put_udp4(&p);
	put_many(&p, 0, 6);
	expect(&p, udp4_at(22, M_PPPOE));
	put_eth(&compressed, 0x8864);
	put_pppoe(&compressed, 0, 1 + UDP4);
	put8(&compressed, 0x21);
	put_udp4(&compressed);
	expect(&compressed, udp4_at(21, M_PPPOE));
	put_eth(&lcp, 0x8864);
	put_pppoe(&lcp, 0, 10);
	put16(&lcp, 0xc021);
	put_many(&lcp, 0, 38);
	expect_rejected(&lcp, HM_LINK_ETHERNET, HM_PARSE_L3_UNKNOWN, 0x8864, M_PPPOE);
	put_eth(&padi, 0x8863);
	put_pppoe(&padi, 9, 0);
	expect_rejected(&padi, HM_LINK_ETHERNET, HM_PARSE_L3_UNKNOWN, 0x8863, 0);
}

static void test_link_vlan_pppoe_and_mpls_stack(void **state)
{
	struct packet p = {0};
	struct parse_fields want = udp4_at(30, M_VLAN | M_PPPOE | M_MPLS);
	(void)state;
	put_eth(&p, 0x8100);
	put16(&p, 9), put16(&p, 0x8864);
	put_pppoe(&p, 0, 6 + UDP4);
	put16(&p, 0x0281);
	put_label(&p, 20, true);
	put_udp4(&p);
	want.vlan_tci = 9;
	want.label = 20 << 12 | 1 << 8 | 64;
	expect(&p, want);
}

static void test_link_unknown_ethertype_is_reported(void **state)
{
	struct packet p = {0};
	(void)state;
	put_eth(&p, 0x88cc);
	put_many(&p, 0, 46);
	expect_rejected(&p, HM_LINK_ETHERNET, HM_PARSE_L3_UNKNOWN, 0x88cc, 0);
}

static void test_link_types_without_tags(void **state)
{
	const struct {
		enum hm_link link;
		const char *header;
		unsigned length;
	} cases[] = {
		{HM_LINK_RAW, "", 0},
		{HM_LINK_IPV4, "", 0},
		{HM_LINK_PPP, "\xff\x03\x00\x21", 4},
		{HM_LINK_PPP, "\x00\x21", 2},
		{HM_LINK_PPP, "\x21", 1},
		{HM_LINK_PPP, "\x0f\x00\x08\x00", 4},
		{HM_LINK_PPP, "\xff\x03\x21", 3},
		{HM_LINK_PPP_SERIAL, "\xff\x03\x00\x21", 4},
		{HM_LINK_PPP_SERIAL, "\x0f\x00\x08\x00", 4},
		{HM_LINK_PPP_SERIAL, "\x8f\x00\x08\x00", 4},
		{HM_LINK_C_HDLC, "\x0f\x00\x08\x00", 4},
		{HM_LINK_NULL, "\x02\x00\x00\x00", 4},
		{HM_LINK_NULL, "\x00\x00\x00\x02", 4},
		{HM_LINK_LOOP, "\x00\x00\x00\x02", 4},
		{HM_LINK_LINUX_SLL, "\0\0\0\x01\0\x06\x02\0\0\0\0\x01\0\0\x08\0", 16},
		{HM_LINK_LINUX_SLL2, "\x08\0\0\0\0\0\0\x05\0\x01\0\x06\x02\0\0\0\0\x01\0\0", 20},
	};
	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct packet p = {0};

		put(&p, cases[i].header, cases[i].length);
		put_udp4(&p);
		expect_link(&p, cases[i].link, 0, udp4_at(cases[i].length, 0));
	}
}

static void test_link_types_with_ipv6(void **state)
{
	const struct {
		enum hm_link link;
		const char *header;
		unsigned length;
	} cases[] = {
		{HM_LINK_RAW, "", 0},
		{HM_LINK_IPV6, "", 0},
		{HM_LINK_PPP, "\x00\x57", 2},
		{HM_LINK_C_HDLC, "\x0f\x00\x86\xdd", 4},
		{HM_LINK_NULL, "\x18\x00\x00\x00", 4},
		{HM_LINK_NULL, "\x1c\x00\x00\x00", 4},
		{HM_LINK_NULL, "\x00\x00\x00\x1e", 4},
		{HM_LINK_NULL, "\x0a\x00\x00\x00", 4},
		{HM_LINK_NULL, "\x17\x00\x00\x00", 4},
		{HM_LINK_LOOP, "\x00\x00\x00\x18", 4},
	};
	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct packet p = {0};
		unsigned l3 = cases[i].length;

		put(&p, cases[i].header, l3);
		put_ipv6(&p, 17, 8);
		put_udp(&p, 53, 0);
		expect_link(&p, cases[i].link, 0,
			    (struct parse_fields){.masks = M_IPV6 | M_UDP | M_L4,
						  .ethertype = 0x86dd,
						  .l3 = (uint16_t)l3,
						  .l4 = (uint16_t)(l3 + 40),
						  .payload = (uint16_t)(l3 + 48),
						  .end = (uint16_t)(l3 + 48),
						  .ip_len = 48,
						  .proto = 17});
	}
}

static void test_link_cooked_vlan_tag_and_llc_are_followed(void **state)
{
	struct packet vlan = {0}, llc = {0}, netlink = {0};
	struct parse_fields want = udp4_at(20, M_VLAN);
	(void)state;
	put(&vlan, "\0\0\0\x01\0\x06\x02\0\0\0\0\x01\0\0\x81\0\0\x2a\x08\0", 20);
	put_udp4(&vlan);
	want.vlan_tci = 42;
	expect_link(&vlan, HM_LINK_LINUX_SLL, 0, want);
	put(&llc, "\0\0\0\x01\0\x06\x02\0\0\0\0\x01\0\0\0\x04\xaa\xaa\x03\0\0\0\x08\0", 24);
	put_udp4(&llc);
	expect_link(&llc, HM_LINK_LINUX_SLL, 0, udp4_at(24, 0));
	put(&netlink, "\0\x04\x03\x38\0\0\0\0\0\0\0\0\0\0\x08\0", 16);
	put_udp4(&netlink);
	expect_rejected(&netlink, HM_LINK_LINUX_SLL, HM_PARSE_L3_UNKNOWN, 0, 0);
}

static void test_link_other_content_is_unknown(void **state)
{
	struct packet p = {0}, lcp = {0}, slarp = {0}, family = {0}, six = {0};
	(void)state;
	put_many(&p, 0x50, 40);
	expect_rejected(&p, HM_LINK_RAW, HM_PARSE_L3_UNKNOWN, 0, 0);
	expect_rejected(&p, HM_LINK_IPV4, HM_PARSE_L3_BAD, 0x0800, 0);
	put_ipv6(&six, 17, 8);
	put_udp(&six, 53, 0);
	expect_rejected(&six, HM_LINK_IPV4, HM_PARSE_L3_BAD, 0x0800, 0);
	put(&lcp, "\xff\x03\xc0\x21\x01\x01\0\x04", 8);
	expect_rejected(&lcp, HM_LINK_PPP, HM_PARSE_L3_UNKNOWN, 0, 0);
	put(&slarp, "\x8f\0\x80\x35", 4);
	put_many(&slarp, 0, 18);
	expect_rejected(&slarp, HM_LINK_C_HDLC, HM_PARSE_L3_UNKNOWN, 0x8035, 0);
	put32(&family, 7);
	put_udp4(&family);
	expect_rejected(&family, HM_LINK_LOOP, HM_PARSE_L3_UNKNOWN, 0, 0);
}

static void test_link_empty_packet_is_short_or_unknown_everywhere(void **state)
{
	const enum hm_link links[] = {HM_LINK_NULL, HM_LINK_ETHERNET,   HM_LINK_PPP,
				      HM_LINK_RAW,  HM_LINK_PPP_SERIAL, HM_LINK_C_HDLC,
				      HM_LINK_LOOP, HM_LINK_LINUX_SLL,  HM_LINK_IPV4,
				      HM_LINK_IPV6, HM_LINK_LINUX_SLL2};
	(void)state;
	for (unsigned i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		struct parse_fields f = parse_bytes((const uint8_t *)"", 0, 60, links[i], 0);

		assert_true(f.outcome == HM_PARSE_L2_SHORT || f.outcome == HM_PARSE_L3_SHORT);
		assert_int_equal(f.end, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_link_vlan_stack_keeps_outermost_tag),
		cmocka_unit_test(test_link_nine_tags_or_labels_are_too_deep),
		cmocka_unit_test(test_link_priority_tag_counts_as_vlan),
		cmocka_unit_test(test_link_snap_says_ethertype_other_llc_is_unknown),
		cmocka_unit_test(test_link_mpls_content_is_guessed_by_nibble),
		cmocka_unit_test(
			test_link_pseudo_wire_with_control_word_is_ethernet_if_it_looks_so),
		cmocka_unit_test(test_link_pppoe_session_carries_ip),
		cmocka_unit_test(test_link_vlan_pppoe_and_mpls_stack),
		cmocka_unit_test(test_link_unknown_ethertype_is_reported),
		cmocka_unit_test(test_link_types_without_tags),
		cmocka_unit_test(test_link_types_with_ipv6),
		cmocka_unit_test(test_link_cooked_vlan_tag_and_llc_are_followed),
		cmocka_unit_test(test_link_other_content_is_unknown),
		cmocka_unit_test(test_link_empty_packet_is_short_or_unknown_everywhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

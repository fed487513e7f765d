/* SPDX-License-Identifier: BSD-3-Clause */
/* Network and transport headers behind plain Ethernet. */
#include "../parse/parse_expect.h"

static void test_parse_ipv4_tcp_with_options_finds_payload(void **state)
{
	struct packet p = {0};
	(void)state;
	put_eth(&p, 0x0800);
	put_ipv4(&p, 6, 0, 0x4000, 32 + 5);
	put_tcp(&p, 12);
	put(&p, "hello", 5);
	expect(&p, (struct parse_fields){.masks = M_IPV4 | M_TCP | M_L4,
					 .ethertype = 0x0800,
					 .l3 = 14,
					 .l4 = 34,
					 .payload = 66,
					 .end = 71,
					 .ip_len = 57,
					 .proto = 6});
}

static void test_parse_ethernet_padding_is_not_in_datagram(void **state)
{
	struct packet p = {0};
	(void)state;
	put_eth(&p, 0x0800);
	put_udp4(&p);
	put_many(&p, 0, 14);
	expect(&p, udp4_at(14, 0));
}

static void test_parse_ipv4_options_move_transport_header(void **state)
{
	struct packet p = {0};
	(void)state;
	put_eth(&p, 0x0800);
	put_ipv4(&p, 17, 40, 0, 12);
	put_udp(&p, 53, 4);
	put(&p, "data", 4);
	expect(&p, (struct parse_fields){.masks = M_IPV4 | M_UDP | M_L4,
					 .ethertype = 0x0800,
					 .l3 = 14,
					 .l4 = 74,
					 .payload = 82,
					 .end = 86,
					 .ip_len = 72,
					 .proto = 17});
}

static void test_parse_ipv4_first_fragment_has_transport_header(void **state)
{
	struct packet p = {0};
	(void)state;
	put_eth(&p, 0x0800);
	put_ipv4(&p, 17, 0, 0x2000, 16);
	put_udp(&p, 53, 1000);
	put(&p, "datadata", 8);
	expect(&p, (struct parse_fields){.masks = M_IPV4 | M_UDP | M_L4 | M_FRAGMENT,
					 .ethertype = 0x0800,
					 .l3 = 14,
					 .l4 = 34,
					 .payload = 42,
					 .end = 50,
					 .ip_len = 36,
					 .proto = 17});
}

static void test_parse_ipv4_later_fragment_has_data_only(void **state)
{
	struct packet p = {0};
	(void)state;
	put_eth(&p, 0x0800);
	put_ipv4(&p, 17, 0, 0x0001, 8);
	put(&p, "datadata", 8);
	expect(&p, (struct parse_fields){.masks = M_IPV4 | M_UDP | M_FRAGMENT | M_LATER,
					 .ethertype = 0x0800,
					 .l3 = 14,
					 .l4 = NONE,
					 .payload = 34,
					 .end = 42,
					 .ip_len = 28,
					 .proto = 17});
}

static void test_parse_ipv4_total_length_zero_is_taken_from_wire(void **state)
{
	struct packet p = {0};
	(void)state;
	put_eth(&p, 0x0800);
	put_udp4(&p);
	p.bytes[16] = p.bytes[17] = 0;
	expect(&p, udp4_at(14, 0));
}

static void test_parse_ipv4_contradictions_are_bad(void **state)
{
	const struct {
		unsigned at, value;
	} changes[] = {{14, 0x55}, {14, 0x44}, {14, 0x40}, {17, 19}, {14, 0x49}, {14, 0x65}};
	(void)state;
	for (unsigned i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		struct packet p = {0};

		put_eth(&p, 0x0800);
		put_udp4(&p);
		p.bytes[changes[i].at] = (uint8_t)changes[i].value;
		expect_rejected(&p, HM_LINK_ETHERNET, HM_PARSE_L3_BAD, 0x0800, 0);
	}
}

static void expect_l4_trouble(struct packet *p, unsigned proto, unsigned mask, unsigned outcome)
{
	expect(p, (struct parse_fields){.masks = M_IPV4 | mask | M_REJECTED,
					.ethertype = 0x0800,
					.l3 = 14,
					.l4 = NONE,
					.payload = NONE,
					.end = (uint16_t)p->n,
					.ip_len = p->n - 14,
					.proto = (uint8_t)proto,
					.outcome = (uint8_t)outcome});
}

static void test_parse_transport_header_cut_by_datagram_is_short(void **state)
{
	const struct {
		unsigned proto, length, mask;
	} cases[] = {{6, 19, M_TCP}, {17, 7, M_UDP}, {132, 11, M_SCTP}, {1, 7, M_ICMP}};
	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct packet p = {0};

		put_eth(&p, 0x0800);
		put_ipv4(&p, cases[i].proto, 0, 0, cases[i].length);
		put_many(&p, 0x60, cases[i].length);
		expect_l4_trouble(&p, cases[i].proto, cases[i].mask, HM_PARSE_L4_SHORT);
	}
}

static void test_parse_tcp_bad_data_offset_is_bad(void **state)
{
	(void)state;
	for (unsigned words = 0; words < 16; words++) {
		struct packet p = {0};

		put_eth(&p, 0x0800);
		put_ipv4(&p, 6, 0, 0, 24);
		put_tcp(&p, 4);
		p.bytes[14 + 20 + 12] = (uint8_t)(words << 4);
		if (words == 5 || words == 6)
			continue;
		expect_l4_trouble(&p, 6, M_TCP, HM_PARSE_L4_BAD);
	}
}

static void test_parse_udp_length_below_header_is_bad_and_zero_is_not(void **state)
{
	(void)state;
	for (unsigned length = 0; length < 10; length++) {
		struct packet p = {0};

		put_eth(&p, 0x0800);
		put_udp4(&p);
		p.bytes[39] = (uint8_t)length;
		if (length == 0 || length >= 8)
			expect(&p, udp4_at(14, 0));
		else
			expect_l4_trouble(&p, 17, M_UDP, HM_PARSE_L4_BAD);
	}
}

static void test_parse_tcp_options_beyond_capture_are_not_bad(void **state)
{
	struct packet p = {0};
	struct parse_fields f;
	(void)state;
	put_eth(&p, 0x0800);
	put_ipv4(&p, 6, 0, 0, 60);
	put_tcp(&p, 40);
	f = parse_bytes(p.bytes, 60, p.n, HM_LINK_ETHERNET, 0);
	assert_int_equal(f.outcome, HM_PARSE_OK);
	assert_int_equal(f.l4, 34);
	assert_int_equal(f.payload, 60);
	assert_int_equal(f.end, 60);
}

static void test_parse_each_transport_protocol_sets_its_mask(void **state)
{
	const struct {
		unsigned proto, ipv4, ipv6, header;
	} cases[] = {{17, M_UDP, M_UDP, 8}, {132, M_SCTP, M_SCTP, 12},
		     {1, M_ICMP, 0, 8},     {58, 0, M_ICMP6, 8},
		     {47, 0, 0, 0},         {50, 0, 0, 0},
		     {4, 0, 0, 0},          {41, 0, 0, 0}};
	(void)state;
	for (unsigned i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		unsigned k = i / 2, l4 = i & 1 ? 54 : 34;
		unsigned mask = i & 1 ? cases[k].ipv6 : cases[k].ipv4;
		struct packet p = {0};

		put_eth(&p, i & 1 ? 0x86dd : 0x0800);
		if (i & 1)
			put_ipv6(&p, cases[k].proto, 16);
		else
			put_ipv4(&p, cases[k].proto, 0, 0, 16);
		put_udp(&p, 99, 8);
		put(&p, "datadata", 8);
		expect(&p, (struct parse_fields){
				   .masks = (i & 1 ? M_IPV6 : M_IPV4) | M_L4 | mask,
				   .ethertype = i & 1 ? 0x86dd : 0x0800,
				   .l3 = 14,
				   .l4 = (uint16_t)l4,
				   .payload = (uint16_t)(l4 + (mask ? cases[k].header : 0)),
				   .end = (uint16_t)p.n,
				   .ip_len = p.n - 14,
				   .proto = (uint8_t)cases[k].proto});
	}
}

static void test_parse_ipv6_tcp_finds_payload(void **state)
{
	struct packet p = {0};
	(void)state;
	put_eth(&p, 0x86dd);
	put_ipv6(&p, 6, 25);
	put_tcp(&p, 0);
	put(&p, "hello", 5);
	put_many(&p, 0, 3);
	expect(&p, (struct parse_fields){.masks = M_IPV6 | M_TCP | M_L4,
					 .ethertype = 0x86dd,
					 .l3 = 14,
					 .l4 = 54,
					 .payload = 74,
					 .end = 79,
					 .ip_len = 65,
					 .proto = 6});
}

/* Every extension header, one by one and all in a row, before UDP. */
static void test_parse_ipv6_extension_headers_are_walked(void **state)
{
	const unsigned headers[] = {0, 60, 43, 51, 44, 135, 139, 140};
	struct packet all = {0};
	(void)state;
	put_eth(&all, 0x86dd);
	put_ipv6(&all, headers[0], 8 * 24 + 4 * 2 + 12 - 3 * 8 - 16);
	for (unsigned i = 0; i < 8; i++) {
		unsigned next = i < 7 ? headers[i + 1] : 17;
		struct packet p = {0};
		unsigned length = headers[i] == 51 ? 20 : headers[i] == 44 ? 8 : 24;

		put_eth(&p, 0x86dd);
		put_ipv6(&p, headers[i], length + 12);
		if (headers[i] == 51) {
			put8(&p, 17), put8(&p, 3), put_many(&p, 9, 18);
			put8(&all, next), put8(&all, 3), put_many(&all, 9, 18);
		} else if (headers[i] == 44) {
			put_ext(&p, 17, 0);
			put_ext(&all, next, 0);
		} else {
			put_ext(&p, 17, 2);
			put_ext(&all, next, 2);
		}
		put_udp(&p, 53, 4);
		put(&p, "data", 4);
		expect(&p, (struct parse_fields){.masks = M_IPV6 | M_UDP | M_L4,
						 .ethertype = 0x86dd,
						 .l3 = 14,
						 .l4 = (uint16_t)(54 + length),
						 .payload = (uint16_t)(62 + length),
						 .end = (uint16_t)p.n,
						 .ip_len = p.n - 14,
						 .proto = 17});
	}
	put_udp(&all, 53, 4);
	put(&all, "data", 4);
	all.bytes[18] = (uint8_t)((all.n - 54) >> 8), all.bytes[19] = (uint8_t)(all.n - 54);
	expect(&all, (struct parse_fields){.masks = M_IPV6 | M_UDP | M_L4,
					   .ethertype = 0x86dd,
					   .l3 = 14,
					   .l4 = (uint16_t)(all.n - 12),
					   .payload = (uint16_t)(all.n - 4),
					   .end = (uint16_t)all.n,
					   .ip_len = all.n - 14,
					   .proto = 17});
}

static void test_parse_ipv6_nine_extension_headers_are_too_deep(void **state)
{
	struct packet p = {0};
	(void)state;
	put_eth(&p, 0x86dd);
	put_ipv6(&p, 60, 9 * 8 + 8);
	for (unsigned i = 0; i < 9; i++)
		put_ext(&p, i < 8 ? 60 : 17, 0);
	put_udp(&p, 53, 0);
	expect(&p, (struct parse_fields){.masks = M_IPV6 | M_REJECTED,
					 .ethertype = 0x86dd,
					 .l3 = 14,
					 .l4 = NONE,
					 .payload = NONE,
					 .end = (uint16_t)p.n,
					 .ip_len = p.n - 14,
					 .proto = 60,
					 .outcome = HM_PARSE_L3_DEPTH});
}

static void put_ipv6_fragment(struct packet *p, unsigned offset_and_more)
{
	put_eth(p, 0x86dd);
	put_ipv6(p, 44, 8 + 16);
	put8(p, 17), put8(p, 0), put16(p, offset_and_more), put32(p, 77);
	put_udp(p, 53, 1000);
	put(p, "datadata", 8);
}

static void test_parse_ipv6_fragments_first_later_and_atomic(void **state)
{
	struct parse_fields want = {.masks = M_IPV6 | M_UDP | M_L4 | M_FRAGMENT,
				    .ethertype = 0x86dd,
				    .l3 = 14,
				    .l4 = 62,
				    .payload = 70,
				    .end = 78,
				    .ip_len = 64,
				    .proto = 17};
	struct packet first = {0}, later = {0}, atomic = {0};
	(void)state;
	put_ipv6_fragment(&first, 0x0001);
	expect(&first, want);
	put_ipv6_fragment(&atomic, 0x0000);
	want.masks &= ~(uint32_t)M_FRAGMENT;
	expect(&atomic, want);
	put_ipv6_fragment(&later, 0x0008);
	want.masks = M_IPV6 | M_UDP | M_FRAGMENT | M_LATER;
	want.l4 = NONE;
	want.payload = 62;
	expect(&later, want);
}

static void test_parse_ipv6_no_next_header_and_esp_end_the_walk(void **state)
{
	const unsigned protos[] = {59, 50};
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct packet p = {0};

		put_eth(&p, 0x86dd);
		put_ipv6(&p, 60, 16);
		put_ext(&p, protos[i], 0);
		put_many(&p, 60, 8);
		expect(&p, (struct parse_fields){.masks = M_IPV6 | M_L4,
						 .ethertype = 0x86dd,
						 .l3 = 14,
						 .l4 = 62,
						 .payload = 62,
						 .end = 70,
						 .ip_len = 56,
						 .proto = (uint8_t)protos[i]});
	}
}

static void test_parse_ipv6_cut_extension_header_is_named(void **state)
{
	struct packet p = {0};
	(void)state;
	put_eth(&p, 0x86dd);
	put_ipv6(&p, 43, 16);
	put_ext(&p, 17, 2); // says 24 bytes
	p.n -= 8;
	expect(&p, (struct parse_fields){.masks = M_IPV6 | M_REJECTED,
					 .ethertype = 0x86dd,
					 .l3 = 14,
					 .l4 = NONE,
					 .payload = NONE,
					 .end = 70,
					 .ip_len = 56,
					 .proto = 43,
					 .outcome = HM_PARSE_L3_SHORT});
}

static void test_parse_ipv6_length_zero_is_taken_from_wire(void **state)
{
	struct packet p = {0};
	(void)state;
	put_eth(&p, 0x86dd);
	put_ipv6(&p, 17, 0);
	put_udp(&p, 53, 4);
	put(&p, "data", 4);
	expect(&p, (struct parse_fields){.masks = M_IPV6 | M_UDP | M_L4,
					 .ethertype = 0x86dd,
					 .l3 = 14,
					 .l4 = 54,
					 .payload = 62,
					 .end = 66,
					 .ip_len = 52,
					 .proto = 17});
	p.bytes[20] = 59;
	expect(&p, (struct parse_fields){.masks = M_IPV6 | M_L4,
					 .ethertype = 0x86dd,
					 .l3 = 14,
					 .l4 = 54,
					 .payload = 54,
					 .end = 54,
					 .ip_len = 40,
					 .proto = 59});
}

static void test_parse_ipv6_wrong_version_is_bad(void **state)
{
	struct packet p = {0};
	(void)state;
	put_eth(&p, 0x86dd);
	put_ipv6(&p, 17, 8);
	put_udp(&p, 53, 0);
	p.bytes[14] = 0x45;
	expect_rejected(&p, HM_LINK_ETHERNET, HM_PARSE_L3_BAD, 0x86dd, 0);
}

static void test_parse_arp_needs_its_addresses(void **state)
{
	struct packet p = {0};
	(void)state;
	put_eth(&p, 0x0806);
	put(&p, "\0\x01\x08\0\x06\x04\0\x01", 8);
	put_many(&p, 7, 20);
	put_many(&p, 0, 18);
	expect(&p, (struct parse_fields){.masks = M_ARP,
					 .ethertype = 0x0806,
					 .l3 = 14,
					 .l4 = NONE,
					 .payload = NONE,
					 .end = 60});
	p.n = 14 + 27;
	expect_rejected(&p, HM_LINK_ETHERNET, HM_PARSE_L3_SHORT, 0x0806, 0);
}

static void test_parse_names_are_those_of_the_ledger(void **state)
{
	(void)state;
	assert_string_equal(hm_parse_outcome_name(HM_PARSE_OK), "ok");
	assert_string_equal(hm_parse_outcome_name(HM_PARSE_L3_DEPTH), "l3_depth");
	assert_string_equal(hm_parse_outcome_name(HM_PARSE_OUTCOMES), "unknown");
	assert_int_equal(hm_tunnel_by_name("gtpu"), HM_TUNNEL_GTPU);
	assert_int_equal(hm_tunnel_by_name("GRE"), 0);
	assert_int_equal(hm_tunnel_by_name(""), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_ipv4_tcp_with_options_finds_payload),
		cmocka_unit_test(test_parse_ethernet_padding_is_not_in_datagram),
		cmocka_unit_test(test_parse_ipv4_options_move_transport_header),
		cmocka_unit_test(test_parse_ipv4_first_fragment_has_transport_header),
		cmocka_unit_test(test_parse_ipv4_later_fragment_has_data_only),
		cmocka_unit_test(test_parse_ipv4_total_length_zero_is_taken_from_wire),
		cmocka_unit_test(test_parse_ipv4_contradictions_are_bad),
		cmocka_unit_test(test_parse_transport_header_cut_by_datagram_is_short),
		cmocka_unit_test(test_parse_tcp_bad_data_offset_is_bad),
		cmocka_unit_test(test_parse_udp_length_below_header_is_bad_and_zero_is_not),
		cmocka_unit_test(test_parse_tcp_options_beyond_capture_are_not_bad),
		cmocka_unit_test(test_parse_each_transport_protocol_sets_its_mask),
		cmocka_unit_test(test_parse_ipv6_tcp_finds_payload),
		cmocka_unit_test(test_parse_ipv6_extension_headers_are_walked),
		cmocka_unit_test(test_parse_ipv6_nine_extension_headers_are_too_deep),
		cmocka_unit_test(test_parse_ipv6_fragments_first_later_and_atomic),
		cmocka_unit_test(test_parse_ipv6_no_next_header_and_esp_end_the_walk),
		cmocka_unit_test(test_parse_ipv6_cut_extension_header_is_named),
		cmocka_unit_test(test_parse_ipv6_length_zero_is_taken_from_wire),
		cmocka_unit_test(test_parse_ipv6_wrong_version_is_bad),
		cmocka_unit_test(test_parse_arp_needs_its_addresses),
		cmocka_unit_test(test_parse_names_are_those_of_the_ledger),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "trace_file.h"

#include "trace/erf.h"

#define SECOND (1ull << 32)

/* Head of a record; the caller puts what lies behind it. */
static void head(struct file *f, uint64_t ts, uint8_t type, uint8_t flags, uint16_t rlen,
		 uint16_t lctr, uint16_t wlen)
{
	f->big = false;
	put64(f, ts);
	f->big = true;
	put8(f, type);
	put8(f, flags);
	put16(f, rlen);
	put16(f, lctr);
	put16(f, wlen);
}

static void ethernet(struct file *f, uint64_t ts, uint16_t caplen, uint16_t wlen, uint8_t fill)
{
	head(f, ts, HM_ERF_ETH, 4, (uint16_t)(18 + caplen), 0, wlen);
	put16(f, 0);
	put_run(f, fill, caplen);
}

static void small_file(struct file *f)
{
	*f = (struct file){.n = 0};
	ethernet(f, 0x50000000ull * SECOND + 4, 60, 64, 0xa1);
	head(f, 0, HM_ERF_PAD, 0, 24, 7, 0);
	put_run(f, 0, 8);
	head(f, 0x50000001ull * SECOND, HM_ERF_COLOR_ETH | 0x80, 0x42, 16 + 16 + 2 + 40, 99, 1500);
	put8(f, 0x80 | 3); // two extension headers
	put_run(f, 0, 7);
	put8(f, 16);
	put_run(f, 0xee, 7);
	put16(f, 0);
	put_run(f, 0xa2, 40);
	head(f, 0x50000001ull * SECOND, HM_ERF_META, 4, 24, 0, 8);
	put_run(f, 0, 8);
}

static void test_erf_timestamps_follow_published_vectors(void **state)
{
	(void)state;
	assert_int_equal(hm_erf_ts_to_ns(0), 0);
	assert_int_equal(hm_erf_ts_to_ns(0x80000000), 500000000);
	assert_int_equal(hm_erf_ts_to_ns(0xffffffff), 1000000000); // rounds up to a full second
	assert_int_equal(hm_erf_ts_to_ns(4), 1);
	assert_int_equal(hm_erf_ts_to_ns(2), 0);
	assert_int_equal(hm_erf_ts_to_ns(7 * SECOND + 0xffffffff), 8000000000u);
	assert_int_equal(hm_erf_ts_to_ns(UINT64_MAX), 4294967296000000000u);
	for (uint64_t ns = 0; ns < 1000000000; ns += 997)
		assert_int_equal(hm_erf_ts_to_ns(hm_erf_ts_from_ns(ns)), ns);
	assert_int_equal(hm_erf_ts_to_ns(hm_erf_ts_from_ns(4294967295999999999u)),
			 4294967295999999999u);
}

static void test_erf_interface_takes_bit_six_and_not_vlen(void **state)
{
	(void)state;
	assert_int_equal(hm_erf_interface(0x04), 0);
	assert_int_equal(hm_erf_interface(0x07), 3);
	assert_int_equal(hm_erf_interface(0x41), 5);
	assert_int_equal(hm_erf_interface(0xff), 7);
}

/* Worked example of a provenance record from a public trace. */
static void test_erf_provenance_example_is_walked(void **state)
{
	uint8_t rec[136] = {0, 0, 0, 0,    0,    0, 0, 0,    0x9b, 4,    0,    0x88,
			    0, 0, 0, 0x70, 0x11, 5, 0, 0x25, 0x90, 0xc0, 0x3e, 8};
	(void)state;
	assert_int_equal(hm_erf_type(rec), HM_ERF_META);
	assert_int_equal(hm_erf_class(hm_erf_type(rec)), HM_ERF_CLASS_META);
	assert_int_equal(hm_erf_rlen(rec), 136);
	assert_int_equal(hm_erf_wlen(rec), 112);
	assert_int_equal(hm_erf_payload_offset(rec, 136), 24);
	assert_int_equal(hm_erf_payload_offset(rec, 24), 24);
	assert_int_equal(hm_erf_payload_offset(rec, 23), 0);
	assert_int_equal(hm_erf_payload_offset(rec, 15), 0);
}

static void test_erf_extension_chain_without_end_is_corrupt(void **state)
{
	uint8_t rec[4096];
	(void)state;
	memset(rec, 0x82, sizeof(rec));
	assert_int_equal(hm_erf_payload_offset(rec, sizeof(rec)), 0);
	rec[4088] = 2; // the chain ends with the record, and the sub-header has no room
	assert_int_equal(hm_erf_payload_offset(rec, sizeof(rec)), 0);
	rec[4080] = 2;
	assert_int_equal(hm_erf_payload_offset(rec, sizeof(rec)), 4090);
}

static void test_erf_types_have_class_sub_header_and_counter(void **state)
{
	(void)state;
	for (unsigned type = 0; type < 128; type++) {
		enum hm_erf_class class = hm_erf_class((uint8_t)type);
		assert_int_equal(class == HM_ERF_CLASS_INVALID, type > 48);
		assert_int_equal(class == HM_ERF_CLASS_ETH,
				 type == 2 || type == 11 || type == 16 || type == 20);
		assert_int_equal(class == HM_ERF_CLASS_IP, type == 22 || type == 23);
		assert_int_equal(hm_erf_sub_header((uint8_t)type) == 2, class == HM_ERF_CLASS_ETH);
		assert_int_equal(hm_erf_sub_header((uint8_t)type) == 4,
				 (type >= 5 && type <= 9) || type == 12 || type == 17 ||
					 type == 18);
		assert_int_equal(!hm_erf_has_lctr((uint8_t)type),
				 type == 10 || type == 11 || (type >= 15 && type <= 17) ||
					 type == 19 || type == 20);
	}
}

static void test_erf_file_skips_what_is_no_packet(void **state)
{
	struct packets got;
	struct file f;
	(void)state;
	small_file(&f);
	read_file(&f, &got);
	assert_int_equal(got.end, 0);
	assert_int_equal(got.format, HM_TRACE_ERF);
	assert_int_equal(got.n, 2);
	assert_int_equal(got.counts.skipped, 2);
	assert_int_equal(got.p[0].ts_ns, 0x50000000ull * 1000000000 + 1);
	assert_int_equal(got.p[0].caplen, 60);
	assert_int_equal(got.p[0].wirelen, 60);
	assert_int_equal(got.p[1].caplen, 40);
	assert_int_equal(got.p[1].wirelen, 1496);
	assert_int_equal(got.p[1].ifindex, 6);
	assert_int_equal(got.first[0], 0xa1);
	assert_int_equal(got.first[1], 0xa2);
}

static void test_erf_cut_anywhere_is_error_or_end(void **state)
{
	struct file f;
	(void)state;
	small_file(&f);
	check_every_cut(&f);
	check_every_byte_broken(&f);
}

static void test_erf_lengths_at_the_edges(void **state)
{
	struct packets got;
	struct file f = {.n = 0};
	(void)state;
	ethernet(&f, 0x50000000ull * SECOND, 64, 64, 1); // the FCS is in the record
	ethernet(&f, 0x50000000ull * SECOND, 70, 64, 2); // and padding
	ethernet(&f, 0x50000000ull * SECOND, 0, 3, 3);   // wlen below the FCS
	ethernet(&f, 0x50000000ull * SECOND, 62, 64, 4); // cut inside the FCS
	read_file(&f, &got);
	assert_int_equal(got.end, 0);
	assert_int_equal(got.n, 4);
	assert_int_equal(got.p[0].caplen, 60);
	assert_int_equal(got.p[1].caplen, 60);
	assert_int_equal(got.p[2].caplen, 0);
	assert_int_equal(got.p[2].wirelen, 0);
	assert_int_equal(got.p[3].caplen, 60);
}

static void test_erf_corrupt_records_name_their_place(void **state)
{
	static const struct {
		uint8_t type;
		uint16_t rlen;
		const char *text;
	} cases[] = {
		{HM_ERF_ETH, 0, "record length of 0"}, {HM_ERF_ETH, 15, "record length of 15"},
		{HM_ERF_ETH, 16, "do not fit"},        {HM_ERF_ETH | 0x80, 24, "do not fit"},
		{HM_ERF_ETH, 65535, "is cut"},         {49, 24, "does not exist"},
		{127, 24, "does not exist"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct packets got;
		struct file f = {.n = 0};
		ethernet(&f, 0x50000000ull * SECOND, 60, 64, 1);
		head(&f, 0x50000000ull * SECOND, cases[i].type, 0, cases[i].rlen, 0, 64);
		put_run(&f, 0, 8);
		read_file(&f, &got);
		assert_int_equal(got.n, 1);
		assert_int_equal(got.end, -EBADMSG);
		assert_non_null(strstr(got.err.text, cases[i].text));
		assert_non_null(strstr(got.err.text, "byte 78: "));
	}
}

static void one_record(uint8_t type, uint8_t first, struct packets *got)
{
	uint32_t sub = hm_erf_sub_header(type);
	struct file f = {.n = 0};
	head(&f, 0x50000000ull * SECOND, type, 0, (uint16_t)(16 + sub + 20), 0, 64);
	put_run(&f, 0, sub);
	put8(&f, first);
	put_run(&f, 0, 19);
	read_file(&f, got);
}

static void test_erf_link_follows_record_type(void **state)
{
	struct packets got;
	(void)state;
	one_record(HM_ERF_IPV4, 0x45, &got);
	assert_int_equal(got.link, HM_LINK_RAW);
	assert_int_equal(got.p[0].wirelen, 64); // no FCS
	one_record(HM_ERF_IPV6, 0x60, &got);
	assert_int_equal(got.link, HM_LINK_RAW);
	one_record(HM_ERF_HDLC_POS, 0x0f, &got);
	assert_int_equal(got.link, HM_LINK_C_HDLC);
	assert_int_equal(got.p[0].wirelen, 60);
	one_record(HM_ERF_MC_HDLC, 0xff, &got);
	assert_int_equal(got.link, HM_LINK_PPP_SERIAL);
	assert_int_equal(got.first[0], 0xff);
	one_record(HM_ERF_ATM, 0, &got);
	assert_int_equal(got.end, -1);
	assert_non_null(strstr(got.err.text, "ATM (3)"));
	one_record(HM_ERF_INTERNAL_FIRST + 1, 0, &got); // not what a file begins with
	assert_int_equal(got.end, -1);
}

static void test_erf_mixed_links_are_refused(void **state)
{
	struct packets got;
	struct file f = {.n = 0};
	(void)state;
	ethernet(&f, 0x50000000ull * SECOND, 60, 64, 1);
	head(&f, 0x50000000ull * SECOND, HM_ERF_INTERNAL_FIRST, 0, 16, 0, 0);
	head(&f, 0x50000000ull * SECOND, HM_ERF_IPV4, 0, 36, 0, 20);
	put_run(&f, 0x45, 20);
	read_file(&f, &got);
	assert_int_equal(got.n, 1);
	assert_int_equal(got.counts.skipped, 1);
	assert_int_equal(got.end, -ENOTSUP);
}

static void test_erf_old_or_empty_needs_the_name(void **state)
{
	struct packets got;
	struct file f = {.n = 0};
	(void)state;
	ethernet(&f, 5 * SECOND, 60, 64, 1);
	read_file(&f, &got);
	assert_int_equal(got.end, -1);
	read_fd(memory_file(f.data, f.n), "old.erf", &got);
	assert_int_equal(got.end, 0);
	assert_int_equal(got.n, 1);
	read_fd(memory_file(f.data, 0), "empty.erf", &got);
	assert_int_equal(got.end, 0);
	assert_int_equal(got.n, 0);
	read_fd(memory_file(f.data, 5), "short.erf", &got);
	assert_int_equal(got.end, -1);
	assert_non_null(strstr(got.err.text, "cut"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_erf_timestamps_follow_published_vectors),
		cmocka_unit_test(test_erf_interface_takes_bit_six_and_not_vlen),
		cmocka_unit_test(test_erf_provenance_example_is_walked),
		cmocka_unit_test(test_erf_extension_chain_without_end_is_corrupt),
		cmocka_unit_test(test_erf_types_have_class_sub_header_and_counter),
		cmocka_unit_test(test_erf_file_skips_what_is_no_packet),
		cmocka_unit_test(test_erf_cut_anywhere_is_error_or_end),
		cmocka_unit_test(test_erf_lengths_at_the_edges),
		cmocka_unit_test(test_erf_corrupt_records_name_their_place),
		cmocka_unit_test(test_erf_link_follows_record_type),
		cmocka_unit_test(test_erf_mixed_links_are_refused),
		cmocka_unit_test(test_erf_old_or_empty_needs_the_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

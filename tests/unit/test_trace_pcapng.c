/* SPDX-License-Identifier: BSD-3-Clause */
#include "trace_file.h"

static void section(struct file *f, bool big)
{
	f->big = big;
	put32(f, 0x0a0d0d0a);
	put32(f, 28);
	put32(f, 0x1a2b3c4d);
	put16(f, 1);
	put16(f, 0);
	put64(f, UINT64_MAX);
	put32(f, 28);
}

static size_t begin(struct file *f, uint32_t type)
{
	put32(f, type);
	put32(f, 0);
	return f->n - 8;
}

static void end(struct file *f, size_t at)
{
	size_t n = f->n;
	while ((n - at) % 4)
		put8(f, 0), n++;
	f->n = at + 4;
	put32(f, (uint32_t)(n + 4 - at));
	f->n = n;
	put32(f, (uint32_t)(n + 4 - at));
}

/* resolution < 0: no option; offset_s 0: no option; fcs 0: no option */
static void interface(struct file *f, uint16_t link, uint32_t snaplen, int resolution,
		      int64_t offset_s, uint8_t fcs)
{
	size_t at = begin(f, 1);
	put16(f, link);
	put16(f, 0);
	put32(f, snaplen);
	if (resolution >= 0) {
		put16(f, 9);
		put16(f, 1);
		put8(f, (uint8_t)resolution);
		put_run(f, 0, 3);
	}
	if (offset_s) {
		put16(f, 14);
		put16(f, 8);
		put64(f, (uint64_t)offset_s);
	}
	if (fcs) {
		put16(f, 13);
		put16(f, 1);
		put8(f, fcs);
		put_run(f, 0, 3);
	}
	put32(f, 0);
	end(f, at);
}

static void packet(struct file *f, uint32_t index, uint64_t ts, uint32_t caplen, uint32_t wirelen,
		   uint8_t fill)
{
	size_t at = begin(f, 6);
	put32(f, index);
	put32(f, (uint32_t)(ts >> 32));
	put32(f, (uint32_t)ts);
	put32(f, caplen);
	put32(f, wirelen);
	put_run(f, fill, caplen);
	end(f, at);
}

static void simple(struct file *f, uint32_t wirelen, uint32_t caplen, uint8_t fill)
{
	size_t at = begin(f, 3);
	put32(f, wirelen);
	put_run(f, fill, caplen);
	end(f, at);
}

static void old_packet(struct file *f, uint16_t index, uint64_t ts, uint32_t n, uint8_t fill)
{
	size_t at = begin(f, 2);
	put16(f, index);
	put16(f, 0xffff);
	put32(f, (uint32_t)(ts >> 32));
	put32(f, (uint32_t)ts);
	put32(f, n);
	put32(f, n);
	put_run(f, fill, n);
	end(f, at);
}

static void small_file(struct file *f, bool big)
{
	size_t at;
	*f = (struct file){.n = 0};
	section(f, big);
	interface(f, 1, 40, -1, 0, 0);
	packet(f, 0, 1500000, 61, 70, 0xa1);
	at = begin(f, 5); // statistics
	put_run(f, 0, 12);
	end(f, at);
	interface(f, 1, 0, 9, 100, 0);
	packet(f, 1, 7, 3, 3, 0xa2);
	simple(f, 100, 40, 0xa3);
	old_packet(f, 1, 8, 5, 0xa4);
}

static void test_pcapng_either_order_all_packet_blocks_read(void **state)
{
	struct packets got;
	struct file f;
	(void)state;
	for (int big = 0; big < 2; big++) {
		small_file(&f, big);
		read_file(&f, &got);
		assert_int_equal(got.end, 0);
		assert_int_equal(got.n, 4);
		assert_int_equal(got.format, HM_TRACE_PCAPNG);
		assert_int_equal(got.counts.skipped, 1);
		assert_int_equal(got.counts.bytes, f.n);
		assert_int_equal(got.p[0].ts_ns, 1500000000u);
		assert_int_equal(got.p[0].caplen, 61);
		assert_int_equal(got.p[0].wirelen, 70);
		assert_int_equal(got.p[1].ts_ns, 100000000007u);
		assert_int_equal(got.p[1].ifindex, 1);
		assert_int_equal(got.p[2].ts_ns, 0);
		assert_int_equal(got.p[2].caplen, 40);
		assert_int_equal(got.p[2].wirelen, 100);
		assert_int_equal(got.p[3].ts_ns, 100000000008u);
		for (int i = 0; i < 4; i++)
			assert_int_equal(got.first[i], 0xa1 + i);
	}
}

static void test_pcapng_cut_anywhere_is_error_or_end(void **state)
{
	struct file f;
	(void)state;
	for (int big = 0; big < 2; big++) {
		small_file(&f, big);
		check_every_cut(&f);
		check_every_byte_broken(&f);
	}
}

static void test_pcapng_time_resolutions_give_ns(void **state)
{
	static const struct {
		int resolution;
		int64_t offset_s;
		uint64_t ts, ns;
	} cases[] = {
		{0, 0, 1234567890, 1234567890000000000u},
		{3, 0, 1001, 1001000000u},
		{6, 0, 1, 1000},
		{9, 0, UINT64_MAX, UINT64_MAX},
		{12, 0, 1999, 1},
		{19, 0, 15000000000000000000u, 1500000000u},
		{0x80 | 0, 0, 5, 5000000000u},
		{0x80 | 10, 0, 1024 + 512, 1500000000u},
		{0x80 | 32, 0, 3ull << 31, 1500000000u},
		{0x80 | 63, 0, 3ull << 62, 1500000000u},
		{6, -10, 11000000, 1000000000u},
		{9, 1000000000, 1, 1000000000000000001u},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct file f = {.n = 0};
		struct packets got;
		section(&f, false);
		interface(&f, 1, 0, cases[i].resolution, cases[i].offset_s, 0);
		packet(&f, 0, cases[i].ts, 4, 4, 0);
		read_file(&f, &got);
		assert_int_equal(got.n, 1);
		assert_int_equal(got.p[0].ts_ns, cases[i].ns);
		assert_int_equal(got.counts.corrected, 0);
	}
}

static void test_pcapng_time_out_of_range_is_clamped_and_counted(void **state)
{
	struct file f = {.n = 0};
	struct packets got;
	(void)state;
	section(&f, false);
	interface(&f, 1, 0, 6, -10, 0);
	packet(&f, 0, 9999999, 4, 4, 0);
	packet(&f, 0, UINT64_MAX, 4, 4, 0);
	read_file(&f, &got);
	assert_int_equal(got.p[0].ts_ns, 0);
	assert_int_equal(got.p[1].ts_ns, UINT64_MAX);
	assert_int_equal(got.counts.corrected, 2);
}

static void test_pcapng_impossible_resolution_is_refused(void **state)
{
	static const int resolutions[] = {20, 127, 0x80 | 64};
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct file f = {.n = 0};
		struct packets got;
		section(&f, false);
		interface(&f, 1, 0, resolutions[i], 0, 0);
		read_file(&f, &got);
		assert_int_equal(got.end, -1);
		assert_non_null(strstr(got.err.text, "resolution"));
	}
}

static void test_pcapng_fcs_of_interface_and_packet_stripped(void **state)
{
	struct file f = {.n = 0};
	struct packets got;
	size_t at;
	(void)state;
	section(&f, false);
	interface(&f, 1, 0, -1, 0, 4);
	packet(&f, 0, 1, 64, 64, 0);
	at = begin(&f, 6); // the packet's own flags say 2 bytes
	put_run(&f, 0, 12);
	put32(&f, 62);
	put32(&f, 62);
	put_run(&f, 0, 64);
	put16(&f, 1); // a comment first
	put16(&f, 3);
	put32(&f, 0x414141);
	put16(&f, 2);
	put16(&f, 4);
	put32(&f, 2 << 5);
	put32(&f, 0);
	end(&f, at);
	read_file(&f, &got);
	assert_int_equal(got.end, 0);
	assert_int_equal(got.p[0].wirelen, 60);
	assert_int_equal(got.p[0].caplen, 60);
	assert_int_equal(got.p[1].wirelen, 60);
}

static void test_pcapng_sections_of_both_orders_in_one_file(void **state)
{
	struct file f = {.n = 0};
	struct packets got;
	(void)state;
	section(&f, true);
	interface(&f, 1, 0, -1, 0, 0);
	interface(&f, 1, 0, -1, 0, 0);
	packet(&f, 1, 1, 4, 4, 1);
	section(&f, false);
	interface(&f, 1, 0, 9, 0, 0);
	packet(&f, 0, 2, 4, 4, 2);
	packet(&f, 1, 3, 4, 4, 3); // the new section has one interface only
	read_file(&f, &got);
	assert_int_equal(got.n, 2);
	assert_int_equal(got.p[0].ts_ns, 1000);
	assert_int_equal(got.p[1].ts_ns, 2);
	assert_int_equal(got.end, -EBADMSG);
	assert_non_null(strstr(got.err.text, "interface 1"));
}

static void test_pcapng_second_link_type_refused_at_its_packet(void **state)
{
	struct file f = {.n = 0};
	struct packets got;
	(void)state;
	section(&f, false);
	interface(&f, 101, 0, -1, 0, 0);
	interface(&f, 1, 0, -1, 0, 0);
	interface(&f, 105, 0, -1, 0, 0);
	packet(&f, 1, 1, 4, 4, 1);
	packet(&f, 1, 1, 4, 4, 1);
	packet(&f, 0, 2, 4, 4, 2);
	read_file(&f, &got);
	assert_int_equal(got.n, 2);
	assert_int_equal(got.link, HM_LINK_ETHERNET);
	assert_int_equal(got.end, -ENOTSUP);
	assert_non_null(strstr(got.err.text, "RAW after packets of link type EN10MB"));
	f.n = 0;
	section(&f, false);
	interface(&f, 105, 0, -1, 0, 0);
	read_file(&f, &got);
	assert_int_equal(got.end, -1);
	assert_non_null(strstr(got.err.text, "IEEE802_11"));
}

static void test_pcapng_without_packets_is_empty(void **state)
{
	struct file f = {.n = 0};
	struct packets got;
	(void)state;
	section(&f, false);
	read_file(&f, &got);
	assert_int_equal(got.end, 0);
	interface(&f, 113, 0, -1, 0, 0);
	read_file(&f, &got);
	assert_int_equal(got.end, 0);
	assert_int_equal(got.n, 0);
	assert_int_equal(got.link, HM_LINK_LINUX_SLL);
}

/* Unknown blocks may be far longer than the buffer. */
static void test_pcapng_huge_unknown_block_is_skipped(void **state)
{
	const uint32_t huge = 3u << 20;
	struct file f = {.n = 0};
	struct packets got;
	int fd;
	(void)state;
	section(&f, false);
	interface(&f, 1, 0, -1, 0, 0);
	put32(&f, 0xbad);
	put32(&f, huge);
	fd = memory_file(f.data, f.n);
	assert_int_equal(lseek(fd, huge - 12, SEEK_END) > 0, 1);
	f.n = 0;
	put32(&f, huge);
	packet(&f, 0, 1, 4, 4, 9);
	assert_int_equal(write(fd, f.data, f.n), f.n);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	read_fd(fd, "trace", &got);
	assert_int_equal(got.end, 0);
	assert_int_equal(got.n, 1);
	assert_int_equal(got.first[0], 9);
	assert_int_equal(got.counts.skipped, 1);
}

static void test_pcapng_huge_block_cut_is_error(void **state)
{
	struct file f = {.n = 0};
	struct packets got;
	(void)state;
	section(&f, false);
	interface(&f, 1, 0, -1, 0, 0);
	packet(&f, 0, 1, 4, 4, 9);
	put32(&f, 0xbad);
	put32(&f, 0xfffffffc);
	put_run(&f, 0, 100);
	read_file(&f, &got);
	assert_int_equal(got.n, 1);
	assert_int_equal(got.end, -EBADMSG);
}

static void test_pcapng_corrupt_lengths_are_errors(void **state)
{
	static const struct {
		size_t at; // byte of the first packet block, which starts at 28 + 24
		uint8_t value;
		const char *text;
	} cases[] = {
		{4, 33, "multiple of 4"}, {4, 8, "from 32 on"},   {20, 5, "captured length"},
		{23, 1, "captured"},      {32, 99, "before and"}, {8, 1, "interface 1"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct file f = {.n = 0};
		struct packets got;
		section(&f, false);
		interface(&f, 1, 0, -1, 0, 0);
		assert_int_equal(f.n, 52);
		packet(&f, 0, 1, 4, 4, 9);
		f.data[52 + cases[i].at] = cases[i].value;
		read_file(&f, &got);
		assert_int_equal(got.end, -1);
		assert_non_null(strstr(got.err.text, cases[i].text));
		assert_non_null(strstr(got.err.text, "byte 52: "));
	}
}

static void test_pcapng_with_erf_records_is_unwrapped(void **state)
{
	struct file f = {.n = 0};
	struct packets got;
	size_t at;
	(void)state;
	section(&f, false);
	interface(&f, 197, 0, -1, 0, 0);
	at = f.n + 28;
	packet(&f, 0, 1, 18 + 60, 18 + 64, 0);
	f.data[at + 7] = 0x40;
	f.data[at + 8] = 2;
	f.data[at + 9] = 0x41 | 4;
	f.data[at + 11] = 18 + 60;
	f.data[at + 15] = 64;
	read_file(&f, &got);
	assert_int_equal(got.n, 1);
	assert_int_equal(got.p[0].caplen, 60);
	assert_int_equal(got.p[0].ifindex, 5);
	assert_int_equal(got.p[0].ts_ns, 0x40000000ull * 1000000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pcapng_either_order_all_packet_blocks_read),
		cmocka_unit_test(test_pcapng_cut_anywhere_is_error_or_end),
		cmocka_unit_test(test_pcapng_time_resolutions_give_ns),
		cmocka_unit_test(test_pcapng_time_out_of_range_is_clamped_and_counted),
		cmocka_unit_test(test_pcapng_impossible_resolution_is_refused),
		cmocka_unit_test(test_pcapng_fcs_of_interface_and_packet_stripped),
		cmocka_unit_test(test_pcapng_sections_of_both_orders_in_one_file),
		cmocka_unit_test(test_pcapng_second_link_type_refused_at_its_packet),
		cmocka_unit_test(test_pcapng_without_packets_is_empty),
		cmocka_unit_test(test_pcapng_huge_unknown_block_is_skipped),
		cmocka_unit_test(test_pcapng_huge_block_cut_is_error),
		cmocka_unit_test(test_pcapng_corrupt_lengths_are_errors),
		cmocka_unit_test(test_pcapng_with_erf_records_is_unwrapped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

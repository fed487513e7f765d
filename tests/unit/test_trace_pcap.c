/* SPDX-License-Identifier: BSD-3-Clause */
#include <fcntl.h>

#include "trace_file.h"

static void header(struct file *f, uint32_t magic, uint16_t minor, uint32_t link)
{
	put32(f, magic);
	put16(f, 2);
	put16(f, minor);
	put32(f, 0);
	put32(f, 0);
	put32(f, 262144);
	put32(f, link);
}

static void record(struct file *f, uint32_t s, uint32_t fraction, uint32_t caplen, uint32_t wirelen,
		   uint8_t fill)
{
	put32(f, s);
	put32(f, fraction);
	put32(f, caplen);
	put32(f, wirelen);
	put_run(f, fill, caplen);
}

static void small_file(struct file *f, bool big, uint32_t magic)
{
	*f = (struct file){.big = big};
	header(f, magic, 4, 1);
	record(f, 1000, 999999, 60, 60, 0xaa);
	record(f, 4000000000u, 5, 0, 1500, 0);
	record(f, 1001, 0, 33, 9000, 0xbb);
}

static void test_pcap_either_order_and_resolution_read(void **state)
{
	static const struct {
		bool big;
		uint32_t magic;
		uint64_t unit;
	} cases[] = {{false, 0xa1b2c3d4, 1000},
		     {true, 0xa1b2c3d4, 1000},
		     {false, 0xa1b23c4d, 1},
		     {true, 0xa1b23c4d, 1}};
	struct packets got;
	struct file f;
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		small_file(&f, cases[i].big, cases[i].magic);
		read_file(&f, &got);
		assert_int_equal(got.end, 0);
		assert_int_equal(got.n, 3);
		assert_int_equal(got.format, HM_TRACE_PCAP);
		assert_int_equal(got.link, HM_LINK_ETHERNET);
		assert_int_equal(got.p[0].ts_ns, 1000000000000u + 999999 * cases[i].unit);
		assert_int_equal(got.p[1].ts_ns, 4000000000000000000u + 5 * cases[i].unit);
		assert_int_equal(got.p[0].caplen, 60);
		assert_int_equal(got.p[1].caplen, 0);
		assert_int_equal(got.p[1].wirelen, 1500);
		assert_int_equal(got.p[2].wirelen, 9000);
		assert_int_equal(got.first[0], 0xaa);
		assert_int_equal(got.first[2], 0xbb);
		assert_int_equal(got.counts.bytes, f.n);
	}
}

static void test_pcap_cut_anywhere_is_error_or_end(void **state)
{
	struct file f;
	(void)state;
	small_file(&f, false, 0xa1b2c3d4);
	check_every_cut(&f);
	small_file(&f, true, 0xa1b23c4d);
	check_every_cut(&f);
	check_every_byte_broken(&f);
}

static void test_pcap_header_only_has_no_packets(void **state)
{
	struct packets got;
	struct file f = {.n = 0};
	(void)state;
	header(&f, 0xa1b2c3d4, 4, 113);
	read_file(&f, &got);
	assert_int_equal(got.end, 0);
	assert_int_equal(got.n, 0);
	assert_int_equal(got.link, HM_LINK_LINUX_SLL);
}

static void test_pcap_unknown_link_refused_by_name(void **state)
{
	struct packets got;
	struct file f = {.n = 0};
	(void)state;
	header(&f, 0xa1b2c3d4, 4, 105);
	read_file(&f, &got);
	assert_int_equal(got.end, -1);
	assert_non_null(strstr(got.err.text, "IEEE802_11"));
	assert_non_null(strstr(got.err.text, "EN10MB"));
}

static void test_pcap_too_long_record_names_offset(void **state)
{
	struct packets got;
	struct file f = {.n = 0};
	(void)state;
	header(&f, 0xa1b2c3d4, 4, 1);
	record(&f, 1, 1, 60, 60, 0);
	put32(&f, 1);
	put32(&f, 1);
	put32(&f, HM_TRACE_CAPLEN_MAX + 1);
	put32(&f, HM_TRACE_CAPLEN_MAX + 1);
	read_file(&f, &got);
	assert_int_equal(got.n, 1);
	assert_int_equal(got.end, -EBADMSG);
	assert_non_null(strstr(got.err.text, "trace: byte 100: "));
	assert_non_null(strstr(got.err.text, "262145"));
}

static void test_pcap_broken_first_record_fails_open(void **state)
{
	struct packets got;
	struct file f = {.n = 0};
	(void)state;
	header(&f, 0xa1b2c3d4, 4, 1);
	put_run(&f, 0xff, 16);
	read_file(&f, &got);
	assert_int_equal(got.end, -1);
	assert_int_equal(errno, EBADMSG);
	assert_non_null(strstr(got.err.text, "byte 24: "));
}

static void test_pcap_wirelen_below_caplen_is_corrected(void **state)
{
	struct packets got;
	struct file f = {.n = 0};
	(void)state;
	header(&f, 0xa1b2c3d4, 4, 1);
	record(&f, 1, 1, 60, 40, 0);
	read_file(&f, &got);
	assert_int_equal(got.p[0].caplen, 60);
	assert_int_equal(got.p[0].wirelen, 60);
	assert_int_equal(got.counts.corrected, 1);
}

static void test_pcap_old_versions_have_lengths_swapped(void **state)
{
	struct packets got;
	struct file f = {.n = 0};
	(void)state;
	header(&f, 0xa1b2c3d4, 2, 1);
	put32(&f, 1);
	put32(&f, 1);
	put32(&f, 1500); // wire length first
	put32(&f, 60);
	put_run(&f, 7, 60);
	read_file(&f, &got);
	assert_int_equal(got.end, 0);
	assert_int_equal(got.p[0].caplen, 60);
	assert_int_equal(got.p[0].wirelen, 1500);
	f.data[6] = 3; // 2.3: either order
	read_file(&f, &got);
	assert_int_equal(got.p[0].caplen, 60);
	f.data[6] = 5;
	read_file(&f, &got);
	assert_int_equal(got.end, -1);
	assert_non_null(strstr(got.err.text, "version 2.5"));
}

static void test_pcap_fcs_in_header_is_stripped(void **state)
{
	struct packets got;
	struct file f = {.n = 0};
	(void)state;
	header(&f, 0xa1b2c3d4, 4, 0x24000001); // two 16-bit words of FCS
	record(&f, 1, 1, 64, 64, 0);
	record(&f, 1, 1, 64, 1500, 0);
	record(&f, 1, 1, 3, 3, 0);
	read_file(&f, &got);
	assert_int_equal(got.link, HM_LINK_ETHERNET);
	assert_int_equal(got.p[0].caplen, 60);
	assert_int_equal(got.p[0].wirelen, 60);
	assert_int_equal(got.p[1].caplen, 64);
	assert_int_equal(got.p[1].wirelen, 1496);
	assert_int_equal(got.p[2].caplen, 0);
	assert_int_equal(got.counts.corrected, 0);
}

static void test_pcap_with_erf_records_is_unwrapped(void **state)
{
	static const uint8_t erf[18] = {0, 0, 0, 0x80,    0, 0, 0, 0x50,
					2, 4, 0, 18 + 60, 0, 0, 0, 64};
	struct packets got;
	struct file f = {.n = 0};
	(void)state;
	header(&f, 0xa1b2c3d4, 4, 197);
	record(&f, 7, 7, 18 + 60, 18 + 64, 0xcc);
	memcpy(f.data + 40, erf, sizeof(erf));
	record(&f, 8, 8, 17, 82, 0); // PAD, cut by the snap length
	f.data[f.n - 17 + 8] = 48;
	record(&f, 9, 9, 15, 82, 0); // not even a header
	read_file(&f, &got);
	assert_int_equal(got.n, 1);
	assert_int_equal(got.link, HM_LINK_ETHERNET);
	assert_int_equal(got.p[0].ts_ns, 0x50000000ull * 1000000000 + 500000000);
	assert_int_equal(got.p[0].caplen, 60);
	assert_int_equal(got.p[0].wirelen, 60);
	assert_int_equal(got.first[0], 0xcc);
	assert_int_equal(got.counts.skipped, 1);
	assert_int_equal(got.end, -EBADMSG);
}

static void test_pcap_through_pipe_reads_the_same(void **state)
{
	struct packets got;
	struct file f;
	int fd[2];
	(void)state;
	small_file(&f, false, 0xa1b2c3d4);
	assert_int_equal(pipe(fd), 0);
	assert_int_equal(write(fd[1], f.data, f.n), f.n);
	close(fd[1]);
	read_fd(fd[0], "-", &got);
	assert_int_equal(got.end, 0);
	assert_int_equal(got.n, 3);
}

/* A live pipe that does not block: nothing is lost while it has nothing to say. */
static void test_pcap_pipe_that_runs_dry_goes_on(void **state)
{
	struct hm_trace_reader *r;
	struct hm_trace_packet p;
	struct hm_error err;
	struct file f;
	int fd[2], n = 0;
	(void)state;
	small_file(&f, false, 0xa1b2c3d4);
	assert_int_equal(pipe2(fd, O_NONBLOCK), 0);
	assert_int_equal(write(fd[1], f.data, 24 + 76), 100);
	r = hm_trace_fdopen(fd[0], "pipe", &err);
	assert_non_null(r);
	for (size_t at = 100; at < f.n; at++) {
		int rc = hm_trace_next(r, &p, &err);
		assert_true(rc == 1 || rc == -EAGAIN);
		n += rc == 1;
		assert_int_equal(write(fd[1], f.data + at, 1), 1);
	}
	close(fd[1]);
	while (hm_trace_next(r, &p, &err) == 1)
		n++;
	assert_int_equal(n, 3);
	hm_trace_close(r);
}

static void test_trace_compressed_is_refused_with_advice(void **state)
{
	static const uint8_t gzip[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3};
	struct packets got;
	(void)state;
	read_fd(memory_file(gzip, sizeof(gzip)), "monday.erf", &got);
	assert_int_equal(got.end, -1);
	assert_non_null(strstr(got.err.text, "gzip"));
	assert_non_null(strstr(got.err.text, "decompress"));
	assert_non_null(strstr(got.err.text, "monday.erf"));
}

static void test_trace_of_other_kind_is_refused(void **state)
{
	static const char text[] =
		"this is a text of no trace format at all, and long enough for any";
	struct hm_error err;
	struct packets got;
	(void)state;
	read_bytes((const uint8_t *)text, sizeof(text), &got);
	assert_int_equal(got.end, -1);
	assert_non_null(strstr(got.err.text, "neither pcap, pcapng nor ERF"));
	read_bytes((const uint8_t *)text, 0, &got);
	assert_int_equal(got.end, -1);
	assert_non_null(strstr(got.err.text, "only 0 bytes"));
	assert_null(hm_trace_open("/nonexistent/trace.pcap", &err));
	assert_int_equal(errno, ENOENT);
	assert_non_null(strstr(err.text, "/nonexistent/trace.pcap"));
	assert_null(hm_trace_open("/", &err));
	assert_int_equal(errno, EISDIR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pcap_either_order_and_resolution_read),
		cmocka_unit_test(test_pcap_cut_anywhere_is_error_or_end),
		cmocka_unit_test(test_pcap_header_only_has_no_packets),
		cmocka_unit_test(test_pcap_unknown_link_refused_by_name),
		cmocka_unit_test(test_pcap_too_long_record_names_offset),
		cmocka_unit_test(test_pcap_broken_first_record_fails_open),
		cmocka_unit_test(test_pcap_wirelen_below_caplen_is_corrected),
		cmocka_unit_test(test_pcap_old_versions_have_lengths_swapped),
		cmocka_unit_test(test_pcap_fcs_in_header_is_stripped),
		cmocka_unit_test(test_pcap_with_erf_records_is_unwrapped),
		cmocka_unit_test(test_pcap_through_pipe_reads_the_same),
		cmocka_unit_test(test_pcap_pipe_that_runs_dry_goes_on),
		cmocka_unit_test(test_trace_compressed_is_refused_with_advice),
		cmocka_unit_test(test_trace_of_other_kind_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

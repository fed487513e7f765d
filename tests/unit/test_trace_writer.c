/* SPDX-License-Identifier: BSD-3-Clause */
#include <fcntl.h>
#include <stdlib.h>

#include "trace_file.h"

#include "trace/erf.h"

#define N 2000

static const enum hm_trace_format formats[] = {HM_TRACE_PCAP, HM_TRACE_PCAPNG, HM_TRACE_ERF};

/* Packet i of every round trip: all alignments, some cut, some empty, some long. */
static struct hm_trace_packet make_packet(uint8_t *data, uint32_t i)
{
	struct hm_trace_packet p = {
		.ts_ns = 1700000000000000000u + i * 999999937ull,
		.caplen = i % 97 == 0 ? 0 : i * 7 % 1600,
		.data = data,
		.ifindex = i % 5,
	};
	p.wirelen = p.caplen + (i % 3 == 0 ? 60 : 0);
	memset(data, (int)(i & 0xff), p.caplen);
	return p;
}

static struct hm_trace_writer *writer(int fd, enum hm_trace_format format, enum hm_link link,
				      uint32_t snaplen)
{
	struct hm_trace_writer_conf conf = {.format = format,
					    .link = link,
					    .snaplen = snaplen,
					    .application = "test of homard"};
	struct hm_trace_writer *w = hm_trace_fdcreate(dup(fd), "memory", &conf, NULL);
	assert_non_null(w);
	return w;
}

static struct hm_trace_reader *reader(int fd)
{
	struct hm_trace_reader *r;
	struct hm_error err;
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	r = hm_trace_fdopen(fd, "memory", &err);
	if (!r)
		fail_msg("%s", err.text);
	return r;
}

static void test_writer_round_trip_keeps_everything(void **state)
{
	static uint8_t data[1600];
	(void)state;
	for (size_t k = 0; k < 3; k++) {
		int fd = memfd_create("trace", 0);
		struct hm_trace_writer *w = writer(fd, formats[k], HM_LINK_ETHERNET, 0);
		struct hm_trace_reader *r;
		struct hm_trace_packet p, q;
		for (uint32_t i = 0; i < N; i++) {
			p = make_packet(data, i);
			assert_int_equal(hm_trace_write(w, &p), 0);
		}
		assert_int_equal(hm_trace_finish(w), 0);
		r = reader(fd);
		assert_int_equal(hm_trace_format(r), formats[k]);
		for (uint32_t i = 0; i < N; i++) {
			p = make_packet(data, i);
			assert_int_equal(hm_trace_next(r, &q, NULL), 1);
			assert_int_equal(q.ts_ns, p.ts_ns);
			assert_int_equal(q.caplen, p.caplen);
			assert_int_equal(q.wirelen, p.wirelen);
			assert_int_equal(q.ifindex, formats[k] == HM_TRACE_PCAP ? 0 : p.ifindex);
			assert_memory_equal(q.data, data, p.caplen);
		}
		assert_int_equal(hm_trace_next(r, &q, NULL), 0);
		assert_int_equal(hm_trace_counts(r)->corrected, 0);
		hm_trace_close(r);
	}
}

static void test_writer_snaplen_cuts_and_keeps_wire_length(void **state)
{
	static uint8_t data[1600];
	(void)state;
	for (size_t k = 0; k < 3; k++) {
		int fd = memfd_create("trace", 0);
		struct hm_trace_writer *w = writer(fd, formats[k], HM_LINK_ETHERNET, 65);
		struct hm_trace_packet p = make_packet(data, 200), q;
		struct hm_trace_reader *r;
		assert_int_equal(hm_trace_write(w, &p), 0);
		assert_int_equal(hm_trace_finish(w), 0);
		r = reader(fd);
		assert_int_equal(hm_trace_next(r, &q, NULL), 1);
		assert_int_equal(q.caplen, 65);
		assert_int_equal(q.wirelen, p.wirelen);
		hm_trace_close(r);
	}
}

static void test_writer_longest_packets_pass(void **state)
{
	struct hm_trace_packet p = {.caplen = HM_TRACE_CAPLEN_MAX, .wirelen = HM_TRACE_CAPLEN_MAX};
	struct hm_trace_packet q;
	uint8_t *data = calloc(1, HM_TRACE_CAPLEN_MAX);
	(void)state;
	p.data = data;
	for (size_t k = 0; k < 2; k++) {
		int fd = memfd_create("trace", 0);
		struct hm_trace_writer *w = writer(fd, formats[k], HM_LINK_ETHERNET, 0);
		struct hm_trace_reader *r;
		for (uint32_t i = 0; i < 9; i++)
			assert_int_equal(hm_trace_write(w, &p), 0);
		assert_int_equal(hm_trace_finish(w), 0);
		r = reader(fd);
		for (uint32_t i = 0; i < 9; i++) {
			assert_int_equal(hm_trace_next(r, &q, NULL), 1);
			assert_int_equal(q.caplen, HM_TRACE_CAPLEN_MAX);
		}
		assert_int_equal(hm_trace_next(r, &q, NULL), 0);
		hm_trace_close(r);
	}
	free(data);
}

static void test_writer_erf_limits_are_told(void **state)
{
	static uint8_t data[65536];
	int fd = memfd_create("trace", 0);
	struct hm_trace_writer *w = writer(fd, HM_TRACE_ERF, HM_LINK_ETHERNET, 0);
	struct hm_trace_packet p = {.data = data, .ts_ns = 1700000000000000000u}, q;
	struct hm_trace_reader *r;
	(void)state;
	p.caplen = p.wirelen = 65532;
	assert_int_equal(hm_trace_write(w, &p), -EMSGSIZE);
	p.caplen = p.wirelen = 65531;
	assert_int_equal(hm_trace_write(w, &p), 0);
	p.ts_ns = UINT64_MAX;
	assert_int_equal(hm_trace_write(w, &p), -ERANGE);
	assert_int_equal(hm_trace_finish(w), 0);
	r = reader(fd);
	assert_int_equal(hm_trace_next(r, &q, NULL), 1);
	assert_int_equal(q.caplen, 65535 - 18); // what a record holds
	assert_int_equal(q.wirelen, 65531);
	assert_int_equal(hm_trace_next(r, &q, NULL), 0);
	hm_trace_close(r);
}

static void test_writer_erf_links_read_back(void **state)
{
	static const struct {
		enum hm_link link, back;
		uint8_t first;
		uint32_t added;
	} cases[] = {
		{HM_LINK_RAW, HM_LINK_RAW, 0x45, 0},
		{HM_LINK_RAW, HM_LINK_RAW, 0x60, 0},
		{HM_LINK_IPV4, HM_LINK_RAW, 0x45, 0},
		{HM_LINK_IPV6, HM_LINK_RAW, 0x60, 0},
		{HM_LINK_C_HDLC, HM_LINK_C_HDLC, 0x0f, 0},
		{HM_LINK_PPP_SERIAL, HM_LINK_PPP_SERIAL, 0xff, 0},
		{HM_LINK_PPP, HM_LINK_PPP_SERIAL, 0x00, 2},
	};
	(void)state;
	for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
		uint8_t data[40] = {cases[k].first};
		int fd = memfd_create("trace", 0);
		struct hm_trace_writer *w = writer(fd, HM_TRACE_ERF, cases[k].link, 0);
		struct hm_trace_packet q, p = {.ts_ns = 1700000000000000000u,
					       .data = data,
					       .caplen = 40,
					       .wirelen = 40};
		struct hm_trace_reader *r;
		assert_int_equal(hm_trace_write(w, &p), 0);
		assert_int_equal(hm_trace_finish(w), 0);
		r = reader(fd);
		assert_int_equal(hm_trace_link(r), cases[k].back);
		assert_int_equal(hm_trace_next(r, &q, NULL), 1);
		assert_int_equal(q.caplen, 40 + cases[k].added);
		assert_int_equal(q.wirelen, 40 + cases[k].added);
		assert_memory_equal(q.data + cases[k].added, data, 40);
		hm_trace_close(r);
	}
}

static void test_writer_erf_times_suit_readers_that_cut_off(void **state)
{
	int fd = memfd_create("trace", 0);
	struct hm_trace_writer *w = writer(fd, HM_TRACE_ERF, HM_LINK_RAW, 0);
	(void)state;
	for (uint64_t ns = 0; ns < 1000000000; ns += 9999991) {
		struct hm_trace_packet p = {.ts_ns = 1700000000000000000u + ns};
		assert_int_equal(hm_trace_write(w, &p), 0);
	}
	assert_int_equal(hm_trace_finish(w), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	for (uint64_t ns = 0; ns < 1000000000; ns += 9999991) {
		uint8_t record[16];
		assert_int_equal(read(fd, record, sizeof(record)), sizeof(record));
		assert_int_equal(hm_erf_ts(record) >> 32, 1700000000);
		assert_int_equal((hm_erf_ts(record) & UINT32_MAX) * 1000000000 >> 32, ns);
	}
	close(fd);
}

static void test_writer_refuses_what_it_cannot_write(void **state)
{
	struct hm_trace_writer_conf conf = {.format = HM_TRACE_ERF, .link = HM_LINK_LINUX_SLL};
	struct hm_error err;
	(void)state;
	assert_null(hm_trace_create("/nonexistent/x", &conf, &err));
	assert_non_null(strstr(err.text, "LINUX_SLL"));
	conf.link = 105;
	assert_null(hm_trace_create("/nonexistent/x", &conf, &err));
	assert_non_null(strstr(err.text, "IEEE802_11"));
	conf.link = HM_LINK_ETHERNET;
	conf.snaplen = HM_TRACE_CAPLEN_MAX + 1;
	assert_null(hm_trace_create("/nonexistent/x", &conf, &err));
	assert_non_null(strstr(err.text, "262144"));
	conf.snaplen = 0;
	assert_null(hm_trace_create("/nonexistent/x", &conf, &err));
	assert_int_equal(errno, ENOENT);
	assert_non_null(strstr(err.text, "/nonexistent/x"));
}

static void test_writer_full_disk_is_an_error(void **state)
{
	struct hm_trace_writer_conf conf = {.format = HM_TRACE_PCAP, .link = HM_LINK_ETHERNET};
	struct hm_trace_writer *w = hm_trace_create("/dev/full", &conf, NULL);
	static uint8_t data[1600];
	int rc = 0;
	(void)state;
	assert_non_null(w);
	for (uint32_t i = 0; i < N && rc == 0; i++) {
		struct hm_trace_packet p = make_packet(data, i);
		rc = hm_trace_write(w, &p);
	}
	assert_int_equal(rc, -ENOSPC);
	assert_int_equal(hm_trace_finish(w), -ENOSPC);
}

/* A live pipe: what flush has written is whole packets, and a full pipe loses nothing. */
static void test_writer_flush_into_full_pipe_goes_on(void **state)
{
	static uint8_t data[1600], back[1 << 21];
	struct hm_trace_writer *w;
	struct packets got;
	size_t n = 0;
	int fd[2], again = 0;
	(void)state;
	assert_int_equal(pipe2(fd, O_NONBLOCK), 0);
	w = writer(fd[1], HM_TRACE_PCAPNG, HM_LINK_ETHERNET, 0);
	close(fd[1]);
	for (uint32_t i = 0; i < 1000; i++) {
		struct hm_trace_packet p = make_packet(data, i);
		int rc = 0;
		assert_int_equal(hm_trace_write(w, &p), 0);
		if (i % 50 != 49) // more at once than a pipe takes or refuses as a whole
			continue;
		while ((rc = hm_trace_writer_flush(w)) == -EAGAIN) {
			again++;
			n += (size_t)read(fd[0], back + n, 1000);
		}
		assert_int_equal(rc, 0);
	}
	for (ssize_t more = 1; more > 0; n += more > 0 ? (size_t)more : 0)
		more = read(fd[0], back + n, sizeof(back) - n);
	assert_int_equal(hm_trace_finish(w), 0);
	close(fd[0]);
	assert_true(again > 0);
	read_bytes(back, n, &got);
	assert_int_equal(got.end, 0);
	assert_int_equal(got.n, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_writer_round_trip_keeps_everything),
		cmocka_unit_test(test_writer_snaplen_cuts_and_keeps_wire_length),
		cmocka_unit_test(test_writer_longest_packets_pass),
		cmocka_unit_test(test_writer_erf_limits_are_told),
		cmocka_unit_test(test_writer_erf_links_read_back),
		cmocka_unit_test(test_writer_erf_times_suit_readers_that_cut_off),
		cmocka_unit_test(test_writer_refuses_what_it_cannot_write),
		cmocka_unit_test(test_writer_full_disk_is_an_error),
		cmocka_unit_test(test_writer_flush_into_full_pipe_goes_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "pktring_packets.h"

#define LONGEST 700

struct pair {
	struct hm_pktring *ring;
	struct hm_pktring_reader *reader;
	struct packets packets;
};

static struct hm_pktring_reader *open_reader(struct hm_pktring *ring)
{
	struct hm_error err;
	struct hm_pktring_reader *const reader = hm_pktring_open(dup(hm_pktring_fd(ring)), &err);
	if (!reader)
		fail_msg("%s", err.text);
	return reader;
}

static void open_pair(struct pair *p, const struct hm_pktring_conf *conf)
{
	struct hm_error err;
	p->ring = hm_pktring_create(conf, &err);
	if (!p->ring)
		fail_msg("%s", err.text);
	p->reader = open_reader(p->ring);
	packets_init(&p->packets, LONGEST);
}

static void close_pair(struct pair *p)
{
	hm_pktring_close(p->reader);
	hm_pktring_destroy(p->ring);
	packets_fini(&p->packets);
}

static void put(struct pair *p, unsigned writer, uint64_t first, uint32_t n)
{
	const struct hm_batch *const b = packets_fill(&p->packets, first, n, 1);
	hm_pktring_put(p->ring, writer, b, b->all);
}

static struct hm_pktring_counts counts_of(const struct pair *p)
{
	struct hm_pktring_counts c;
	hm_pktring_counts(p->ring, &c);
	assert_int_equal(c.offered, c.delivered + c.overwritten + c.dropped + c.queued);
	return c;
}

static void assert_next_is(struct pair *p, uint64_t number)
{
	struct hm_pktring_packet packet;
	assert_int_equal(hm_pktring_next(p->reader, &packet), 1);
	assert_int_equal(packet_number(&packet), number);
	assert_true(packet_is_right(&packet, LONGEST, HM_PKTRING_SNAPLEN_MAX));
}

static void assert_nothing_now(struct pair *p)
{
	struct hm_pktring_packet packet;
	assert_int_equal(hm_pktring_next(p->reader, &packet), 0);
}

static void test_pktring_packets_arrive_whole_and_in_order(void **state)
{
	struct pair p;
	(void)state;
	open_pair(&p, &(struct hm_pktring_conf){.writers = 1, .link = HM_LINK_RAW});
	assert_int_equal(hm_pktring_link(p.reader), HM_LINK_RAW);
	assert_int_equal(hm_pktring_snaplen(p.reader), HM_PKTRING_SNAPLEN_MAX);
	assert_nothing_now(&p);
	put(&p, 0, 100, 64);
	for (unsigned i = 0; i < 64; i++)
		assert_next_is(&p, 100 + i);
	assert_nothing_now(&p);
	assert_int_equal(counts_of(&p).delivered, 64);
	close_pair(&p);
}

static void test_pktring_only_packets_of_the_mask_are_put(void **state)
{
	struct pair p;
	(void)state;
	open_pair(&p, &(struct hm_pktring_conf){.writers = 1});
	hm_pktring_put(p.ring, 0, packets_fill(&p.packets, 0, 64, 1), UINT64_C(0x8000000000000021));
	assert_next_is(&p, 0);
	assert_next_is(&p, 5);
	assert_next_is(&p, 63);
	assert_nothing_now(&p);
	close_pair(&p);
}

static void test_pktring_mapipkt_header_is_right_before_the_data(void **state)
{
	struct pair p;
	struct hm_pktring_packet packet;
	uint64_t ts;
	uint32_t caplen, wlen;
	(void)state;
	open_pair(&p, &(struct hm_pktring_conf){.writers = 1});
	packets_fill(&p.packets, 9, 1, 1);
	p.packets.batch.ts_ns[0] = UINT64_C(5999999999);
	hm_pktring_put(p.ring, 0, &p.packets.batch, 1);
	assert_int_equal(hm_pktring_next(p.reader, &packet), 1);
	const uint8_t *const m = (const uint8_t *)packet.mapipkt;
	memcpy(&ts, m, 8);
	memcpy(&caplen, m + 12, 4);
	memcpy(&wlen, m + 16, 4);
	assert_int_equal(ts >> 32, 5);
	assert_int_equal((uint32_t)ts, 4294967292u); // 0.999999999 * 2^32, rounded
	assert_int_equal(m[8], 9);
	assert_int_equal(caplen, packet.caplen);
	assert_int_equal(wlen, packet.wirelen);
	assert_ptr_equal(m + 20, packet.data);
	assert_int_equal((uintptr_t)m % 8, 0);
	close_pair(&p);
}

static void test_pktring_long_packet_is_cut_to_snaplen(void **state)
{
	struct pair p;
	struct hm_pktring_packet packet;
	(void)state;
	open_pair(&p, &(struct hm_pktring_conf){.writers = 1, .snaplen = 60});
	for (uint64_t n = 0; n < 640; n++) {
		put(&p, 0, n, 1);
		assert_int_equal(hm_pktring_next(p.reader, &packet), 1);
		assert_true(packet_is_right(&packet, LONGEST, 60));
	}
	close_pair(&p);
}

static void test_pktring_longest_and_empty_packets_pass(void **state)
{
	static uint8_t data[HM_PKTRING_SNAPLEN_MAX];
	struct pair p;
	struct hm_pktring_packet packet;
	struct hm_batch *b;
	(void)state;
	open_pair(&p, &(struct hm_pktring_conf){.writers = 1, .bytes = 1 << 18});
	b = &p.packets.batch;
	memset(data, 0xa5, sizeof(data));
	for (unsigned n = 0; n < 50; n++) {
		b->data[0] = b->data[1] = data;
		b->caplen[0] = 0;
		b->caplen[1] = sizeof(data);
		hm_pktring_put(p.ring, 0, b, 3);
		assert_int_equal(hm_pktring_next(p.reader, &packet), 1);
		assert_int_equal(packet.caplen, 0);
		assert_int_equal(hm_pktring_next(p.reader, &packet), 1);
		assert_int_equal(packet.caplen, sizeof(data));
		assert_memory_equal(packet.data, data, sizeof(data));
	}
	assert_int_equal(counts_of(&p).dropped, 0);
	close_pair(&p);
}

/* One ring of 16 KiB with random numbers of packets in and out; the model is a counter. */
static void walk(enum hm_pktring_preference preference, unsigned rounds)
{
	struct pair p;
	uint64_t given = 0, got = 0, lost = 0, next = 0;
	struct hm_pktring_packet packet;
	open_pair(&p, &(struct hm_pktring_conf){.writers = 1,
						.bytes = 1 << 14,
						.snaplen = LONGEST,
						.preference = preference});
	for (unsigned i = 0; i < rounds; i++) {
		const uint32_t n = packet_mix(i) % 9;
		// half of the time the reader is slower than the writer
		const unsigned reads = packet_mix(i * 3 + 1) % (i / 100 % 2 ? 6 : 20);
		if (n > 0)
			put(&p, 0, given, n);
		given += n;
		assert_int_equal(counts_of(&p).offered, given);
		for (unsigned k = 0; k < reads && hm_pktring_next(p.reader, &packet) == 1; k++) {
			assert_true(packet_is_right(&packet, LONGEST, LONGEST));
			assert_true(packet_number(&packet) >= next);
			lost += packet_number(&packet) - next;
			next = packet_number(&packet) + 1;
			got++;
			assert_int_equal(counts_of(&p).delivered, got);
		}
	}
	while (hm_pktring_next(p.reader, &packet) == 1) {
		lost += packet_number(&packet) - next;
		next = packet_number(&packet) + 1;
		got++;
	}
	lost += given - next;
	const struct hm_pktring_counts c = counts_of(&p);
	assert_int_equal(c.queued, 0);
	assert_int_equal(c.delivered, got);
	assert_int_equal(preference == HM_PKTRING_FAST ? c.overwritten : c.dropped, lost);
	assert_int_equal(preference == HM_PKTRING_FAST ? c.dropped : c.overwritten, 0);
	assert_int_equal(hm_pktring_lost(p.reader), lost);
	assert_true(lost > 100 && got > 1000); // the walk went where it should
	close_pair(&p);
}

static void test_pktring_slow_random_walk_accounts_for_every_packet(void **state)
{
	(void)state;
	walk(HM_PKTRING_SLOW, 4000);
}

static void test_pktring_fast_random_walk_accounts_for_every_packet(void **state)
{
	(void)state;
	walk(HM_PKTRING_FAST, 4000);
}

static void test_pktring_slow_full_ring_keeps_the_old_packets(void **state)
{
	struct pair p;
	(void)state;
	open_pair(&p,
		  &(struct hm_pktring_conf){.writers = 1, .bytes = 1 << 13, .snaplen = LONGEST});
	for (unsigned i = 0; i < 100; i++)
		put(&p, 0, i, 1);
	const struct hm_pktring_counts c = counts_of(&p);
	assert_true(c.dropped > 0 && c.queued > 0);
	assert_int_equal(c.dropped + c.queued, 100);
	assert_next_is(&p, 0);
	assert_next_is(&p, 1);
	assert_int_equal(hm_pktring_lost(p.reader), c.dropped);
	close_pair(&p);
}

static void test_pktring_slow_packet_in_hand_is_never_overwritten(void **state)
{
	struct pair p;
	struct hm_pktring_packet packet;
	(void)state;
	open_pair(&p,
		  &(struct hm_pktring_conf){.writers = 1, .bytes = 1 << 13, .snaplen = LONGEST});
	put(&p, 0, 0, 2);
	assert_int_equal(hm_pktring_next(p.reader, &packet), 1);
	for (unsigned i = 2; i < 200; i++)
		put(&p, 0, i, 1);
	assert_int_equal(packet_number(&packet), 0);
	assert_true(packet_is_right(&packet, LONGEST, LONGEST));
	close_pair(&p);
}

static void test_pktring_fast_full_ring_keeps_the_new_packets(void **state)
{
	struct pair p;
	struct hm_pktring_packet packet;
	uint64_t last = 0, n = 0;
	(void)state;
	open_pair(&p, &(struct hm_pktring_conf){.writers = 1,
						.bytes = 1 << 13,
						.snaplen = LONGEST,
						.preference = HM_PKTRING_FAST});
	for (unsigned i = 0; i < 1000; i++)
		put(&p, 0, i, 1);
	const struct hm_pktring_counts c = counts_of(&p);
	assert_true(c.overwritten > 900);
	assert_int_equal(c.overwritten + c.queued, 1000);
	while (hm_pktring_next(p.reader, &packet) == 1) {
		last = packet_number(&packet);
		n++;
	}
	assert_int_equal(last, 999);
	assert_int_equal(n, c.queued);
	assert_int_equal(hm_pktring_lost(p.reader), c.overwritten);
	close_pair(&p);
}

static void test_pktring_fast_packet_in_hand_stays_valid(void **state)
{
	struct pair p;
	struct hm_pktring_packet packet;
	(void)state;
	open_pair(&p, &(struct hm_pktring_conf){.writers = 1,
						.bytes = 1 << 13,
						.snaplen = LONGEST,
						.preference = HM_PKTRING_FAST});
	put(&p, 0, 0, 1);
	assert_int_equal(hm_pktring_next(p.reader, &packet), 1);
	for (unsigned i = 1; i < 200; i++)
		put(&p, 0, i, 1);
	assert_int_equal(packet_number(&packet), 0);
	assert_true(packet_is_right(&packet, LONGEST, LONGEST));
	close_pair(&p);
}

static void test_pktring_wait_ready_says_whether_a_batch_fits(void **state)
{
	struct pair p;
	struct hm_pktring_packet packet;
	uint64_t given = 0, got = 0;
	(void)state;
	open_pair(&p, &(struct hm_pktring_conf){.writers = 1,
						.bytes = 1 << 16,
						.snaplen = LONGEST,
						.preference = HM_PKTRING_WAIT});
	// round and round, each time as full as it gets
	for (unsigned i = 0; i < 1000; i++) {
		for (; hm_pktring_ready(p.ring, 0); given += 64)
			put(&p, 0, given, 64);
		assert_int_equal(counts_of(&p).dropped, 0);
		assert_true(counts_of(&p).queued > 0);
		for (unsigned k = packet_mix(i) % 200; k > 0; k--)
			got += hm_pktring_next(p.reader, &packet) == 1;
	}
	while (hm_pktring_next(p.reader, &packet) == 1)
		got++;
	assert_int_equal(got, given);
	assert_true(hm_pktring_ready(p.ring, 0));
	close_pair(&p);
}

static void test_pktring_wait_longest_packets_fit_when_ready(void **state)
{
	static uint8_t data[HM_PKTRING_SNAPLEN_MAX];
	struct pair p;
	(void)state;
	open_pair(&p, &(struct hm_pktring_conf){.writers = 1, .preference = HM_PKTRING_WAIT});
	p.packets.batch.n = HM_BATCH_MAX;
	for (unsigned i = 0; i < HM_BATCH_MAX; i++) {
		p.packets.batch.data[i] = data;
		p.packets.batch.caplen[i] = sizeof(data);
	}
	assert_true(hm_pktring_ready(p.ring, 0));
	hm_pktring_put(p.ring, 0, &p.packets.batch, UINT64_MAX);
	assert_int_equal(counts_of(&p).queued, HM_BATCH_MAX);
	assert_false(hm_pktring_ready(p.ring, 0));
	close_pair(&p);
}

static void test_pktring_wait_abandoned_ring_is_ready_and_drops(void **state)
{
	struct pair p;
	(void)state;
	open_pair(&p, &(struct hm_pktring_conf){.writers = 1,
						.bytes = 1 << 16,
						.snaplen = LONGEST,
						.preference = HM_PKTRING_WAIT});
	while (hm_pktring_ready(p.ring, 0))
		put(&p, 0, 0, 64);
	hm_pktring_abandon(p.ring);
	assert_true(hm_pktring_ready(p.ring, 0));
	for (unsigned i = 0; i < 10; i++)
		put(&p, 0, 0, 64);
	assert_true(counts_of(&p).dropped > 0);
	close_pair(&p);
}

static void test_pktring_writers_are_merged_by_time(void **state)
{
	struct pair p;
	(void)state;
	open_pair(&p, &(struct hm_pktring_conf){.writers = 3});
	for (unsigned w = 0; w < 3; w++) {
		const struct hm_batch *const b = packets_fill(&p.packets, w, 60, 3);
		hm_pktring_put(p.ring, w, b, b->all);
	}
	for (unsigned i = 0; i < 180; i++)
		assert_next_is(&p, i);
	assert_nothing_now(&p);
	close_pair(&p);
}

static void test_pktring_end_comes_after_the_last_packet_of_all_writers(void **state)
{
	struct pair p;
	struct hm_pktring_packet packet;
	(void)state;
	open_pair(&p, &(struct hm_pktring_conf){.writers = 2});
	put(&p, 0, 0, 1);
	put(&p, 1, 1, 1);
	hm_pktring_end(p.ring, 0);
	assert_next_is(&p, 0);
	assert_next_is(&p, 1);
	assert_nothing_now(&p);
	put(&p, 1, 2, 1);
	hm_pktring_end(p.ring, 1);
	assert_next_is(&p, 2);
	assert_int_equal(hm_pktring_next(p.reader, &packet), -ENODATA);
	assert_int_equal(hm_pktring_next(p.reader, &packet), -ENODATA);
	close_pair(&p);
}

static void test_pktring_destroyed_ring_is_read_to_its_end(void **state)
{
	struct pair p;
	struct hm_pktring_packet packet;
	(void)state;
	open_pair(&p, &(struct hm_pktring_conf){.writers = 2});
	put(&p, 1, 0, 3);
	hm_pktring_destroy(p.ring);
	p.ring = NULL;
	for (unsigned i = 0; i < 3; i++)
		assert_next_is(&p, i);
	assert_int_equal(hm_pktring_next(p.reader, &packet), -ENODATA);
	close_pair(&p);
}

static void test_pktring_next_reader_goes_on_where_the_last_stopped(void **state)
{
	struct pair p;
	(void)state;
	open_pair(&p, &(struct hm_pktring_conf){.writers = 1});
	put(&p, 0, 0, 10);
	for (unsigned i = 0; i < 4; i++)
		assert_next_is(&p, i);
	hm_pktring_close(p.reader);
	p.reader = open_reader(p.ring);
	for (unsigned i = 4; i < 10; i++)
		assert_next_is(&p, i);
	assert_int_equal(counts_of(&p).delivered, 10);
	close_pair(&p);
}

static void test_pktring_second_process_is_refused(void **state)
{
	struct pair p;
	int status;
	(void)state;
	open_pair(&p, &(struct hm_pktring_conf){.writers = 1});
	const pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct hm_error err = {0};
		const bool refused = !hm_pktring_open(dup(hm_pktring_fd(p.ring)), &err) &&
				     errno == EBUSY && strstr(err.text, "another process");
		_exit(refused ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	close_pair(&p);
}

static void test_pktring_impossible_configuration_is_refused_with_the_range(void **state)
{
	static const struct {
		struct hm_pktring_conf conf;
		const char *says;
	} cases[] = {
		{{.writers = 0}, "1..64"},
		{{.writers = 65}, "1..64"},
		{{.writers = 1, .bytes = 100000}, "power of two"},
		{{.writers = 1, .bytes = 2048, .snaplen = 64}, "4096"},
		{{.writers = 1, .bytes = 1u << 31}, "1073741824"},
		{{.writers = 1, .bytes = 65536}, "131120"},
		{{.writers = 1, .bytes = 65536, .snaplen = 1500, .preference = HM_PKTRING_WAIT},
		 "98800"},
		{{.writers = 1, .snaplen = 65536}, "65535"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hm_error err = {0};
		errno = 0;
		assert_null(hm_pktring_create(&cases[i].conf, &err));
		assert_int_equal(errno, EINVAL);
		assert_non_null(strstr(err.text, cases[i].says));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pktring_packets_arrive_whole_and_in_order),
		cmocka_unit_test(test_pktring_only_packets_of_the_mask_are_put),
		cmocka_unit_test(test_pktring_mapipkt_header_is_right_before_the_data),
		cmocka_unit_test(test_pktring_long_packet_is_cut_to_snaplen),
		cmocka_unit_test(test_pktring_longest_and_empty_packets_pass),
		cmocka_unit_test(test_pktring_slow_random_walk_accounts_for_every_packet),
		cmocka_unit_test(test_pktring_fast_random_walk_accounts_for_every_packet),
		cmocka_unit_test(test_pktring_slow_full_ring_keeps_the_old_packets),
		cmocka_unit_test(test_pktring_slow_packet_in_hand_is_never_overwritten),
		cmocka_unit_test(test_pktring_fast_full_ring_keeps_the_new_packets),
		cmocka_unit_test(test_pktring_fast_packet_in_hand_stays_valid),
		cmocka_unit_test(test_pktring_wait_ready_says_whether_a_batch_fits),
		cmocka_unit_test(test_pktring_wait_longest_packets_fit_when_ready),
		cmocka_unit_test(test_pktring_wait_abandoned_ring_is_ready_and_drops),
		cmocka_unit_test(test_pktring_writers_are_merged_by_time),
		cmocka_unit_test(test_pktring_end_comes_after_the_last_packet_of_all_writers),
		cmocka_unit_test(test_pktring_destroyed_ring_is_read_to_its_end),
		cmocka_unit_test(test_pktring_next_reader_goes_on_where_the_last_stopped),
		cmocka_unit_test(test_pktring_second_process_is_refused),
		cmocka_unit_test(test_pktring_impossible_configuration_is_refused_with_the_range),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* COOKING as the program leads it; traces of many connections are for tests/property/test_cooking.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/copies.h"
#include "core/parse.h"
#include "function_harness.h"
#include "start_eal.h"

#define ROOM    65535
#define S       UINT64_C(1000000000)
#define HEADERS 54 // Ethernet, IPv4, TCP
#define SAID    3000

enum { FIN = 1, SYN = 2, RST = 4, ACK = 16 };

/* The instance, and all that comes out of it. */
static struct test {
	struct harness h;
	struct hm_copies *pool;
	uint32_t copies;
	uint64_t now_ns;
	unsigned n_out, batches;
	uint32_t bytes;         // of data
	uint8_t data[1 << 20];  // one behind the other
	uint32_t sizes[1024];   // of each
	uint32_t numbers[1024]; // sequence numbers
	uint8_t flags[1024];
	uint64_t times[1024];
} t;

static uint8_t said[SAID];

static void put16(uint8_t *at, uint32_t n)
{
	at[0] = (uint8_t)(n >> 8);
	at[1] = (uint8_t)n;
}

static void put32(uint8_t *at, uint32_t n)
{
	put16(at, n >> 16);
	put16(at + 2, n);
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void open_with(const char *args, uint32_t copies)
{
	struct hm_error err;

	memset(&t, 0, sizeof(t));
	t.now_ns = S;
	t.copies = copies;
	if (harness_open(&t.h, "COOKING", args, &err) != 0)
		fail_msg("%s", err.text);
	t.pool = hm_copies_create(copies ? copies : 1, ROOM, 0);
	assert_non_null(t.pool);
	if (!copies)
		hm_copies_take(t.pool);
	for (unsigned k = 0; k < SAID; k++)
		said[k] = (uint8_t)(k * 7 + k / 251);
}

static uint64_t result(const char *field)
{
	return harness_result(&t.h, field);
}

static json_int_t dropped(const char *cause)
{
	json_t *stats = harness_stats(&t.h);
	const json_t *n = json_object_get(json_object_get(stats, "dropped"), cause);
	const json_int_t value = json_integer_value(n);

	assert_non_null(n);
	json_decref(stats);
	return value;
}

static void assert_balanced(void)
{
	json_t *stats = harness_stats(&t.h);

	if (!json_is_true(json_object_get(json_object_get(stats, "ledger"), "balanced")))
		fail_msg("%s", json_dumps(stats, 0));
	json_decref(stats);
}

static void collect(struct hm_batch *out)
{
	t.batches += out->n > 0;
	for (uint32_t k = 0; k < out->n; k++) {
		const uint8_t *tcp = out->data[k] + HEADERS - 20;
		const uint32_t n = out->caplen[k] - HEADERS;

		hm_copies_give(t.pool,
			       (uint8_t *)(uintptr_t)out->data[k]); // stays as it is meanwhile
		if (out->caplen[k] < HEADERS)                       // has passed
			continue;
		assert_true(t.n_out < 1024 && t.bytes + n <= sizeof(t.data));
		memcpy(t.data + t.bytes, out->data[k] + HEADERS, n);
		t.bytes += n;
		t.numbers[t.n_out] = get32(tcp + 4);
		t.flags[t.n_out] = tcp[13];
		t.times[t.n_out] = out->ts_ns[k];
		t.sizes[t.n_out++] = n;
	}
	out->n = 0;
}

/* As the program: again and again while there is more. */
static void run_batch(struct hm_batch *b)
{
	static const struct hm_parse_conf conf;
	static struct hm_batch out;

	if (b->n)
		hm_parse(b, &conf);
	out.n = 0;
	t.h.f->transform(t.h.core, b, b->all, &out, t.pool);
	collect(&out);
	while (t.h.f->more(t.h.core)) {
		t.h.f->transform(t.h.core, b, 0, &out, t.pool);
		collect(&out);
	}
	assert_balanced();
}

static void run_frame(const uint8_t *frame, uint32_t caplen, uint32_t wirelen)
{
	static struct hm_batch b;
	uint8_t *exact = malloc(caplen ? caplen : 1); // its end is the block's end

	memcpy(exact, frame, caplen);
	b.n = 1;
	b.all = 1;
	b.link = HM_LINK_ETHERNET;
	b.data[0] = exact;
	b.caplen[0] = caplen;
	b.wirelen[0] = wirelen;
	b.ts_ns[0] = t.now_ns;
	run_batch(&b);
	free(exact);
}

/* From the client (its port is 1000 + connection) or, with a negative one, to it. */
static uint32_t make(uint8_t *frame, int connection, uint32_t seq, uint8_t flags,
		     const uint8_t *data, uint32_t n)
{
	const bool back = connection < 0;
	const uint32_t client = (uint32_t)abs(connection);
	uint8_t *ip = frame + 14, *tcp = ip + 20;

	memset(frame, 2, 12);
	put16(frame + 12, 0x0800);
	memset(ip, 0, 40);
	ip[0] = 0x45;
	put16(ip + 2, 40 + n);
	ip[8] = 64;
	ip[9] = 6;
	put32(ip + (back ? 16 : 12), 0x0a000000 + client / 50000);
	put32(ip + (back ? 12 : 16), 0xc0000201);
	put16(tcp + (back ? 2 : 0), 1000 + client % 50000);
	put16(tcp + (back ? 0 : 2), 80);
	put32(tcp + 4, seq);
	tcp[12] = 0x50;
	tcp[13] = flags;
	put16(tcp + 14, 65535);
	if (n)
		memcpy(frame + HEADERS, data, n);
	return HEADERS + n;
}

static void send_data(int connection, uint32_t seq, uint8_t flags, const uint8_t *data, uint32_t n)
{
	static uint8_t frame[ROOM];
	const uint32_t size = make(frame, connection, seq, flags, data, n);

	run_frame(frame, size, size);
}

static void drain(void)
{
	static struct hm_batch none;

	while (!t.h.f->drain(t.h.core)) {
		none.n = 0;
		none.all = 0;
		run_batch(&none);
	}
	assert_balanced();
}

static void close_all(void)
{
	drain();
	assert_int_equal(result("held"), 0);
	assert_int_equal(result("open"), 0);
	assert_int_equal(result("memory"), 0);
	assert_int_equal(hm_copies_free(t.pool), t.copies);
	hm_copies_destroy(t.pool);
	harness_close(&t.h);
}

static void assert_said(uint32_t from, uint32_t n)
{
	assert_int_equal(t.bytes, n);
	assert_memory_equal(t.data, said + from, n);
}

static void forget(void)
{
	t.n_out = t.bytes = t.batches = 0;
}

static void test_cooking_cut_at_every_byte_is_what_was_said(void **state)
{
	(void)state;
	open_with("[]", 64);
	for (uint32_t at = 1; at < 300; at++)
		for (unsigned backwards = 0; backwards < 2; backwards++) {
			const uint32_t isn = UINT32_MAX - at / 2; // wraps within
			const int c = (int)(2 * at + backwards);

			send_data(c, isn, SYN, NULL, 0);
			if (backwards)
				send_data(c, isn + 1 + at, ACK, said + at, 300 - at);
			send_data(c, isn + 1, ACK, said, at);
			if (!backwards)
				send_data(c, isn + 1 + at, ACK, said + at, 300 - at);
			assert_int_equal(t.n_out, 0);
			send_data(c, isn + 301, ACK | FIN, NULL, 0);
			assert_int_equal(t.n_out, 1);
			assert_said(0, 300);
			assert_int_equal(t.numbers[0], isn + 1);
			assert_true(t.flags[0] & FIN);
			forget();
		}
	assert_int_equal(result("reordered"), 299);
	assert_int_equal(result("gaps"), 0);
	close_all();
}

static void test_cooking_threshold_is_the_size_of_chunks(void **state)
{
	(void)state;
	open_with("[1000]", 64);
	send_data(1, 9, SYN, NULL, 0);
	send_data(1, 10, ACK, said, 999);
	assert_int_equal(t.n_out, 0);
	t.now_ns += 5;
	send_data(1, 1009, ACK, said + 999, 1500);
	assert_int_equal(t.n_out, 2);
	assert_int_equal(t.sizes[0], 1000);
	assert_int_equal(t.sizes[1], 1000);
	assert_int_equal(t.numbers[1], 1010);
	assert_int_equal(t.times[0], S + 5);
	drain();
	assert_int_equal(t.n_out, 3);
	assert_said(0, 2499);
	close_all();
}

static void test_cooking_overlaps_first_or_last_win(void **state)
{
	static const char *const args[] = {"[]", "[-1, -1, 1, 3, {\"last_wins\": 1}]"};
	uint8_t other[100];

	(void)state;
	memset(other, 0xee, sizeof(other));
	for (unsigned last = 0; last < 2; last++) {
		open_with(args[last], 64);
		send_data(1, 9, SYN, NULL, 0);
		send_data(1, 10, ACK, said, 100);       // in order
		send_data(1, 60, ACK, other, 100);      // half of it again
		send_data(1, 210, ACK, said + 200, 50); // ahead
		send_data(1, 190, ACK, other, 80);      // around it
		send_data(1, 160, ACK, said + 150, 30); // joins
		assert_int_equal(result("held"), 5);
		assert_int_equal(result("repeated"), 100);
		drain();
		assert_int_equal(t.bytes, 260);
		assert_memory_equal(t.data, said, 50);
		assert_memory_equal(t.data + 50, last ? other : said + 50, 50);
		assert_memory_equal(t.data + 200, last ? other : said + 200, 50);
		assert_memory_equal(t.data + 250, other, 10);
		close_all();
	}
}

static void test_cooking_repeated_segments_are_dropped(void **state)
{
	(void)state;
	open_with("[]", 64);
	send_data(1, 9, SYN, NULL, 0);
	send_data(1, 9, SYN, NULL, 0);
	for (unsigned k = 0; k < 3; k++)
		send_data(1, 10, ACK, said, 100);
	send_data(1, 210, ACK, said + 200, 100);
	send_data(1, 210, ACK, said + 200, 100);
	assert_int_equal(dropped("duplicate"), 3);
	send_data(1, 110, ACK | FIN, said + 100, 50);
	send_data(1, 160, ACK | FIN, said + 150, 50); // the end told otherwise: the first stays
	drain();
	assert_int_equal(result("streams"), 1);
	close_all();
}

static void test_cooking_without_a_handshake(void **state)
{
	(void)state;
	open_with("[]", 64);
	send_data(1, 10, ACK, said, 100);
	send_data(1, 110, ACK, NULL, 0);
	assert_int_equal(dropped("no_handshake"), 1);
	close_all();
	open_with("[-1, -1, 1, 1, {\"midstream\": 1}]", 64);
	send_data(1, 10, ACK, said, 100);
	send_data(-1, 7000, ACK, said, 100); // the server's: it has the lower port
	assert_int_equal(dropped("not_wanted"), 1);
	drain();
	assert_said(0, 100);
	close_all();
}

static void test_cooking_out_of_window_is_dropped(void **state)
{
	(void)state;
	open_with("[]", 64);
	send_data(1, 9, SYN, NULL, 0);
	send_data(-1, 99, SYN | ACK, NULL, 0); // acknowledges 0, which tells nothing of use
	send_data(1, 10 + (1u << 30) + 100, ACK, said, 100);
	assert_int_equal(dropped("out_of_window"), 1);
	send_data(1, 10, ACK, said, 100);
	drain();
	assert_said(0, 100);
	close_all();
}

static void test_cooking_reset_ends_both_directions(void **state)
{
	(void)state;
	open_with("[]", 64);
	send_data(1, 9, SYN, NULL, 0);
	send_data(-1, 99, SYN | ACK, NULL, 0);
	send_data(1, 10, ACK, said, 100);
	send_data(-1, 100, ACK, said + 100, 50);
	send_data(1, 110, RST, NULL, 0);
	assert_int_equal(t.n_out, 2);
	send_data(1, 110, ACK, said, 10);
	assert_int_equal(dropped("after_end"), 1);
	send_data(1, 500, SYN, NULL, 0); // the same ports again
	send_data(1, 501, ACK | FIN, said, 20);
	assert_int_equal(t.n_out, 3);
	assert_int_equal(result("streams"), 2);
	close_all();
}

static void test_cooking_idle_connections_go_on_in_packet_time(void **state)
{
	(void)state;
	open_with("[-1, 10]", 64);
	send_data(1, 9, SYN, NULL, 0);
	send_data(1, 10, ACK, said, 100);
	send_data(1, 210, ACK, said + 200, 100); // behind a hole
	t.now_ns += 10 * S;
	send_data(2, 9, SYN, NULL, 0);
	assert_int_equal(t.n_out, 0);
	t.now_ns += 1;
	send_data(2, 10, ACK, said, 0);
	assert_int_equal(t.n_out, 2);
	assert_int_equal(t.numbers[1], 210);
	assert_int_equal(t.times[0], S);
	assert_int_equal(result("timeouts"), 1);
	assert_int_equal(result("gaps"), 1);
	assert_int_equal(result("missing"), 100);
	close_all();
}

static void test_cooking_more_than_a_batch_goes_on(void **state)
{
	(void)state;
	open_with("[]", 64);
	for (int c = 1; c <= 200; c++) {
		send_data(c, 9, SYN, NULL, 0);
		send_data(c, 10, ACK, said, 10);
	}
	drain();
	assert_int_equal(t.n_out, 200);
	assert_true(t.batches >= 4);
	close_all();
}

static void test_cooking_empty_pool_is_a_counted_drop(void **state)
{
	(void)state;
	open_with("[]", 0);
	send_data(1, 9, SYN, NULL, 0);
	for (uint32_t k = 0; k < 10; k++)
		send_data(1, 10 + 100 * k, ACK, said, 100);
	drain();
	assert_int_equal(t.n_out, 0);
	assert_int_equal(dropped("no_copy"), 10);
	close_all();
}

static void test_cooking_closed_flow_drops_what_it_holds(void **state)
{
	(void)state;
	open_with("[]", 64);
	send_data(1, 9, SYN, NULL, 0);
	send_data(1, 10, ACK, said, 100);
	send_data(1, 210, ACK, said, 100);
	t.h.f->closing(t.h.conf);
	assert_true(t.h.f->drain(t.h.core));
	assert_int_equal(dropped("unfinished"), 2);
	close_all();
}

/* What became due by a tick could not go on, since an output was full, and now never will. */
static void test_cooking_closed_flow_drops_what_is_due(void **state)
{
	(void)state;
	open_with("[]", 64);
	send_data(1, 9, SYN, NULL, 0);
	send_data(1, 10, ACK, said, 100);
	t.h.f->tick(t.h.core, t.now_ns + 100 * S);
	assert_true(t.h.f->more(t.h.core));
	t.h.f->closing(t.h.conf);
	assert_true(t.h.f->drain(t.h.core));
	assert_int_equal(dropped("unfinished"), 1);
	assert_balanced();
	close_all();
}

static void test_cooking_cut_capture_at_every_byte(void **state)
{
	static uint8_t frame[ROOM];

	(void)state;
	open_with("[]", 64);
	for (uint32_t caplen = 0; caplen <= HEADERS + 200; caplen++) {
		const int c = (int)caplen + 1;
		const uint32_t data = caplen > HEADERS ? caplen - HEADERS : 0;

		send_data(c, 9, SYN, NULL, 0);
		run_frame(frame,
			  caplen < make(frame, c, 10, ACK, said, 200) ? caplen : HEADERS + 200,
			  HEADERS + 200);
		forget();
		send_data(c, 210, ACK | FIN, said + 200, 50);
		if (caplen < HEADERS) // it passed as something that is no whole TCP
			continue;
		assert_int_equal(t.numbers[t.n_out - 1], data == 200 ? 10 : 210);
		assert_memory_equal(t.data + t.bytes - 50, said + 200, 50);
	}
	assert_true(result("gaps") >= 200);
	close_all();
}

static void test_cooking_million_half_open_connections(void **state)
{
	static const char *const args[] = {
		"[-1, -1, 1, 3, {\"connections\": 1000}]",
		"[-1, -1, 1, 3, {\"connections\": 1000, \"refuse\": 1}]"};
	const int n = 1000000;

	(void)state;
	for (unsigned refuse = 0; refuse < 2; refuse++) {
		static struct hm_batch b;
		static uint8_t frames[64][HEADERS];

		open_with(args[refuse], 64);
		b.link = HM_LINK_ETHERNET;
		for (int c = 0; c < n; c += 64) {
			b.n = 64;
			b.all = UINT64_MAX;
			for (int k = 0; k < 64; k++) {
				make(frames[k], c + k + 1, 9, SYN, NULL, 0);
				b.data[k] = frames[k];
				b.caplen[k] = b.wirelen[k] = HEADERS;
				b.ts_ns[k] = t.now_ns;
			}
			run_batch(&b);
			assert_true(result("open") <= 1000);
		}
		assert_int_equal(result("memory"), 0);
		assert_true(result("open") > 900);
		if (refuse)
			assert_int_equal(dropped("no_room") + (json_int_t)result("streams"), n);
		else
			assert_int_equal(result("evicted") + result("open"), n);
		close_all();
	}
}

static void test_cooking_full_memory_refuses_what_is_new(void **state)
{
	(void)state;
	open_with("[-1, -1, 1, 3, {\"memory_kib\": 256, \"refuse\": 1}]", 64);
	for (int c = 1; c <= 200; c++) {
		send_data(c, 9, SYN, NULL, 0);
		send_data(c, 10, ACK, said, 10);
	}
	assert_int_equal(dropped("no_room"), 200 - 128);
	assert_int_equal(result("memory"), 256 * 1024);
	assert_int_equal(t.n_out, 0);
	drain();
	assert_int_equal(t.n_out, 128);
	close_all();
}

static void test_cooking_wrong_arguments_are_refused(void **state)
{
	static const struct {
		const char *args, *word;
		int number;
	} wrong[] = {
		{"[65376]", "65375", 7001},
		{"[1000, 86401]", "86400", 7002},
		{"[1000, 30, 1, 0]", "collect", 7004},
		{"[1000, 30, 1, 4]", "collect", 7004},
		{"[1000, 30, 1, 3, {\"connections\": 15}]", "16", 7005},
		{"[1000, 30, 1, 3, {\"memory_kib\": 255}]", "256", 7005},
		{"[1000, 30, 1, 3, {\"window\": 1}]", "window", 7005},
	};

	(void)state;
	for (size_t k = 0; k < sizeof(wrong) / sizeof(*wrong); k++) {
		struct hm_error err;

		memset(&t, 0, sizeof(t));
		assert_true(harness_open(&t.h, "COOKING", wrong[k].args, &err) < 0);
		assert_int_equal(err.mapi_errno, wrong[k].number);
		assert_non_null(strstr(err.text, wrong[k].word));
		harness_close(&t.h);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cooking_cut_at_every_byte_is_what_was_said),
		cmocka_unit_test(test_cooking_threshold_is_the_size_of_chunks),
		cmocka_unit_test(test_cooking_overlaps_first_or_last_win),
		cmocka_unit_test(test_cooking_repeated_segments_are_dropped),
		cmocka_unit_test(test_cooking_without_a_handshake),
		cmocka_unit_test(test_cooking_out_of_window_is_dropped),
		cmocka_unit_test(test_cooking_reset_ends_both_directions),
		cmocka_unit_test(test_cooking_idle_connections_go_on_in_packet_time),
		cmocka_unit_test(test_cooking_more_than_a_batch_goes_on),
		cmocka_unit_test(test_cooking_empty_pool_is_a_counted_drop),
		cmocka_unit_test(test_cooking_closed_flow_drops_what_it_holds),
		cmocka_unit_test(test_cooking_closed_flow_drops_what_is_due),
		cmocka_unit_test(test_cooking_cut_capture_at_every_byte),
		cmocka_unit_test(test_cooking_million_half_open_connections),
		cmocka_unit_test(test_cooking_full_memory_refuses_what_is_new),
		cmocka_unit_test(test_cooking_wrong_arguments_are_refused),
	};

	if (start_eal() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

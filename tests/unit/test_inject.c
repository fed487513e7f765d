/* SPDX-License-Identifier: BSD-3-Clause */
/* INJECT and its injector on a net_ring port, which gives back what was sent: every packet arrives or is counted, by
 * cause, for any batch size. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_eth_ring.h>
#include <rte_ethdev.h>

#include "core/injector.h"
#include "function_harness.h"
#include "start_eal.h"

#define N         131
#define PORT_ROOM 1024 // packets in the port's ring
#define MTU       1500

static struct hm_injector *injector;
static struct rte_mempool *pool;
static uint16_t port;
static uint8_t bytes[N][MTU + 64];
static struct frame frames[N];
static bool passed[N];

static int find_injector(const struct hm_apply_ctx *ctx, const char *device,
			 struct hm_injector **found, struct hm_error *err)
{
	(void)ctx;
	if (strcmp(device, "out") != 0)
		return hm_error_set(err, -ENOENT, 7001, "there is no device \"%s\"", device);
	*found = injector;
	return 0;
}

static int open_it(struct harness *h)
{
	struct hm_error err;

	return harness_open(h, "INJECT", "[\"out\"]", &err);
}

static uint64_t dropped(const struct harness *h, const char *cause)
{
	json_t *stats = harness_stats(h);
	json_t *n = json_object_get(json_object_get(stats, "dropped"), cause);
	uint64_t value = (uint64_t)json_integer_value(n);

	assert_non_null(n);
	json_decref(stats);
	return value;
}

/* The next packet that has left the port is this frame. */
static void expect_sent(const struct frame *f)
{
	struct rte_mbuf *m;

	assert_int_equal(rte_eth_rx_burst(port, 0, &m, 1), 1);
	assert_int_equal(m->pkt_len, f->caplen);
	assert_int_equal(m->data_len, f->caplen);
	assert_memory_equal(rte_pktmbuf_mtod(m, void *), f->data, f->caplen);
	rte_pktmbuf_free(m);
}

static void expect_no_more(void)
{
	struct rte_mbuf *m;

	assert_int_equal(rte_eth_rx_burst(port, 0, &m, 1), 0);
}

static unsigned empty_port(void)
{
	struct rte_mbuf *m;
	unsigned n = 0;

	for (; rte_eth_rx_burst(port, 0, &m, 1) == 1; n++)
		rte_pktmbuf_free(m);
	return n;
}

static struct hm_injector_counts counts(void)
{
	struct hm_injector_counts c;

	hm_injector_counts(injector, &c);
	assert_int_equal(c.offered, c.sent + c.link_down + c.port_busy + c.queued);
	return c;
}

static int make_injector(void **state)
{
	struct hm_error err;

	(void)state;
	injector = hm_injector_create("out", port, HM_LINK_ETHERNET, 0, &err);
	if (!injector)
		return -1;
	hm_injector_start(injector);
	for (unsigned i = 0; i < N; i++)
		frames[i] = (struct frame){.data = bytes[i], .caplen = 60 + i, .ts_ns = i};
	return 0;
}

static int free_injector(void **state)
{
	(void)state;
	empty_port();
	hm_injector_destroy(injector);
	injector = NULL;
	return 0;
}

static void test_all_packets_leave_in_order_for_any_batch_size(void **state)
{
	(void)state;
	for (unsigned batch = 1; batch <= 64; batch += 9) {
		struct hm_injector_counts before = counts(), after;
		struct harness h;
		unsigned n = 0;

		assert_int_equal(open_it(&h), 0);
		harness_run(&h, frames, N, batch, true, passed);
		while (hm_injector_flush(injector) > 0)
			;
		for (unsigned i = 0; i < N; i++) {
			assert_int_equal(passed[i], i % 3 != 0);
			if (passed[i])
				expect_sent(&frames[i]);
			n += passed[i];
		}
		expect_no_more();
		assert_int_equal(harness_result(&h, "injected"), n);
		after = counts();
		assert_int_equal(after.sent - before.sent, n);
		assert_int_equal(after.queued, 0);
		assert_true(after.up);
		harness_close(&h);
	}
}

static void test_what_cannot_be_sent_is_counted_by_cause(void **state)
{
	struct harness h;
	unsigned n = 0;

	(void)state;
	memset(bytes[4], 0, 14);
	bytes[4][12] = 0x81; // a VLAN tag
	frames[0].caplen = MTU + 14;
	frames[1].caplen = MTU + 15; // too long
	frames[2].caplen = 14;
	frames[3].caplen = 13; // too short
	frames[4].caplen = MTU + 18;
	frames[5].caplen = 0;                                                      // too short
	frames[6].wirelen = 100;                                                   // cut
	frames[7] = (struct frame){.data = bytes[7], .caplen = 13, .wirelen = 60}; // cut
	assert_int_equal(open_it(&h), 0);
	harness_run(&h, frames, N, 64, false, passed);
	while (hm_injector_flush(injector) > 0)
		;
	assert_int_equal(dropped(&h, "too_long"), 1);
	assert_int_equal(dropped(&h, "too_short"), 2);
	assert_int_equal(dropped(&h, "cut"), 2);
	assert_int_equal(harness_result(&h, "injected"), N - 5);
	for (unsigned i = 0; i < N; i++) {
		assert_true(passed[i]);
		if (i != 1 && i != 3 && (i < 5 || i > 7)) {
			expect_sent(&frames[i]);
			n++;
		}
	}
	assert_int_equal(n, N - 5);
	expect_no_more();
	harness_close(&h);
	bytes[4][12] = 0;
}

static void test_port_that_takes_little_delays_and_loses_nothing(void **state)
{
	const unsigned rounds = 20; // more than the port's ring holds
	struct harness h;
	unsigned sent;

	(void)state;
	assert_int_equal(open_it(&h), 0);
	for (unsigned i = 0; i < rounds; i++)
		harness_run(&h, frames, N, 64, false, passed);
	while (hm_injector_flush(injector) > 0)
		;
	assert_true(hm_injector_waiting(injector));
	assert_int_equal(counts().queued, rounds * N - counts().sent);
	for (sent = 0; sent < rounds * N; sent++) {
		if (hm_injector_waiting(injector))
			hm_injector_flush(injector);
		expect_sent(&frames[sent % N]);
	}
	expect_no_more();
	assert_false(hm_injector_waiting(injector));
	assert_int_equal(counts().sent, rounds * N);
	assert_int_equal(harness_result(&h, "injected"), rounds * N);
	harness_close(&h);
}

static void test_full_ring_drops_and_a_lossless_source_waits(void **state)
{
	const unsigned rounds = HM_INJECTOR_PACKETS / N + 3;
	struct harness h;
	bool waited = false;

	(void)state;
	assert_int_equal(open_it(&h), 0);
	for (unsigned i = 0; i < rounds; i++) {
		waited |= !h.f->ready(h.core);
		if (!waited) // until then there is room
			assert_int_equal(counts().port_busy, 0);
		harness_run(&h, frames, N, 64, false, passed);
	}
	assert_true(waited);
	assert_int_equal(harness_result(&h, "injected"), HM_INJECTOR_PACKETS);
	assert_int_equal(dropped(&h, "port_busy"), rounds * N - HM_INJECTOR_PACKETS);
	assert_int_equal(counts().port_busy, rounds * N - HM_INJECTOR_PACKETS);
	assert_int_equal(counts().queued, HM_INJECTOR_PACKETS);
	hm_injector_flush(injector);
	assert_true(h.f->ready(h.core));
	harness_close(&h);
}

static void test_no_buffer_is_counted(void **state)
{
	const unsigned in_vain = 10000;
	struct harness h;
	unsigned n = 0, kept = 0;

	(void)state;
	// a port that keeps what it was given, as a slow one does with its descriptors
	assert_int_equal(open_it(&h), 0);
	while (dropped(&h, "no_buffer") == 0 && n < in_vain) {
		static struct rte_mbuf *held[10000];

		harness_run(&h, frames, 64, 64, false, passed);
		n += 64;
		hm_injector_flush(injector);
		while (kept < in_vain && rte_eth_rx_burst(port, 0, &held[kept], 1) == 1)
			kept++;
		if (dropped(&h, "no_buffer") > 0) {
			rte_pktmbuf_free_bulk(held, kept);
			kept = 0;
		}
	}
	assert_int_equal(dropped(&h, "no_buffer"), 64);
	assert_int_equal(harness_result(&h, "injected"), n - 64);
	harness_run(&h, frames, 64, 64, false, passed); // buffers are back
	assert_int_equal(harness_result(&h, "injected"), n);
	harness_close(&h);
}

static void test_link_down_frees_and_counts(void **state)
{
	struct harness h;

	(void)state;
	assert_int_equal(open_it(&h), 0);
	assert_int_equal(rte_eth_dev_set_link_down(port), 0);
	hm_injector_look(injector);
	assert_false(counts().up);
	for (unsigned i = 0; i < HM_INJECTOR_PACKETS / N; i++) {
		harness_run(&h, frames, N, 64, false, passed);
		assert_true(h.f->ready(h.core)); // nobody waits
	}
	while (hm_injector_flush(injector) > 0)
		;
	assert_int_equal(counts().link_down, HM_INJECTOR_PACKETS / N * N);
	assert_int_equal(counts().sent, 0);
	expect_no_more();
	assert_int_equal(rte_eth_dev_set_link_up(port), 0);
	hm_injector_look(injector);
	harness_run(&h, frames, 3, 64, false, passed);
	assert_int_equal(hm_injector_flush(injector), 3);
	assert_int_equal(empty_port(), 3);
	harness_close(&h);
}

static void test_port_that_never_starts_is_no_reason_to_wait(void **state)
{
	struct hm_error err;
	struct harness h;

	(void)state;
	hm_injector_destroy(injector);
	injector = hm_injector_create("out", port, HM_LINK_ETHERNET, 0, &err);
	assert_non_null(injector);
	assert_int_equal(open_it(&h), 0);
	harness_run(&h, frames, N, 64, false, passed);
	hm_injector_look(injector); // once a second, also before the start
	assert_int_equal(hm_injector_flush(injector), 0);
	assert_int_equal(counts().queued, N);
	hm_injector_give_up(injector);
	hm_injector_look(injector);
	assert_true(h.f->ready(h.core));
	assert_int_equal(hm_injector_flush(injector), N);
	assert_int_equal(counts().link_down, N);
	harness_close(&h);
}

static void test_too_many_producers_are_refused(void **state)
{
	struct hm_error err;
	struct harness h;

	(void)state;
	for (unsigned i = 0; i < HM_INJECTOR_PRODUCERS; i++)
		assert_int_equal(hm_injector_join(injector, &err), 0);
	assert_true(harness_open(&h, "INJECT", "[\"out\"]", &err) < 0);
	assert_int_equal(err.mapi_errno, 7001);
	harness_close(&h);
	hm_injector_leave(injector);
	assert_int_equal(harness_open(&h, "INJECT", "[\"out\"]", &err), 0);
	harness_close(&h);
}

/* Sets the port up anew. */
static int start_port(uint16_t mtu)
{
	const struct rte_eth_conf conf = {.rxmode.mtu = mtu};

	return rte_eth_dev_configure(port, 1, 1, &conf) ||
	       rte_eth_rx_queue_setup(port, 0, 64, 0, NULL, pool) ||
	       rte_eth_tx_queue_setup(port, 0, 64, 0, NULL) || rte_eth_dev_start(port);
}

static void test_no_memory_for_the_longest_packets_is_told(void **state)
{
	struct hm_error err;

	(void)state;
	assert_int_equal(rte_eth_dev_stop(port), 0);
	assert_int_equal(start_port(UINT16_MAX), 0);
	hm_injector_destroy(injector);
	injector = hm_injector_create("out", port, HM_LINK_ETHERNET, 0, &err);
	assert_null(injector);
	assert_int_equal(err.mapi_errno, 3084);
	assert_non_null(strstr(err.text, "memory_mb"));
	assert_int_equal(rte_eth_dev_stop(port), 0);
	assert_int_equal(start_port(MTU), 0);
}

static void test_errors_are_7001(void **state)
{
	static const char *const wrong[] = {"[]", "[1]", "[\"nowhere\"]", "[\"test\"]",
					    "[\"out\", 1]"};
	struct hm_error err;
	struct harness h;

	(void)state;
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		assert_true(harness_open(&h, "INJECT", wrong[i], &err) < 0);
		assert_int_equal(err.mapi_errno, i == 4 ? 7002 : 7001);
		harness_close(&h);
	}
	hm_injector_destroy(injector);
	injector = hm_injector_create("out", port, HM_LINK_RAW, 0, &err);
	assert_non_null(injector);
	assert_true(harness_open(&h, "INJECT", "[\"out\"]", &err) < 0);
	assert_int_equal(err.mapi_errno, 7001);
	harness_close(&h);
}

static int make_port(void **state)
{
	struct rte_ring *ring;
	int p;

	(void)state;
	if (start_eal() < 0)
		return -1;
	ring = rte_ring_create("port", PORT_ROOM, 0, RING_F_SP_ENQ | RING_F_SC_DEQ);
	p = ring ? rte_eth_from_ring(ring) : -1;
	pool = rte_pktmbuf_pool_create("rx", 63, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	if (p < 0 || !pool)
		return -1;
	port = (uint16_t)p;
	harness_injector = find_injector;
	for (unsigned i = 0; i < N; i++)
		for (unsigned k = 20; k < sizeof(bytes[i]); k++)
			bytes[i][k] = (uint8_t)(i * 31 + k);
	return start_port(MTU);
}

static int close_port(void **state)
{
	(void)state;
	return rte_eth_dev_stop(port) || rte_eth_dev_close(port) || rte_eal_cleanup();
}

#define ON_PORT(test) cmocka_unit_test_setup_teardown(test, make_injector, free_injector)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_PORT(test_all_packets_leave_in_order_for_any_batch_size),
		ON_PORT(test_what_cannot_be_sent_is_counted_by_cause),
		ON_PORT(test_port_that_takes_little_delays_and_loses_nothing),
		ON_PORT(test_full_ring_drops_and_a_lossless_source_waits),
		ON_PORT(test_no_buffer_is_counted),
		ON_PORT(test_link_down_frees_and_counts),
		ON_PORT(test_port_that_never_starts_is_no_reason_to_wait),
		ON_PORT(test_too_many_producers_are_refused),
		ON_PORT(test_no_memory_for_the_longest_packets_is_told),
		ON_PORT(test_errors_are_7001),
	};

	return cmocka_run_group_tests(tests, make_port, close_port);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* What the driver reads beside the frames: extension headers, META records, drop counters. */
#include "dag_records.h"

#include "pmd_dag/dag_meta.h"

#define CARD_ARGS ARGS ",sequence=card,ids=1,mark=1"
#define WITH_ATTR ARGS ",drop_attr=217,conf_lib=libdag_fake.so"

static uint64_t source(const struct rte_mbuf *m)
{
	int offset = rte_mbuf_dynfield_lookup(NET_DAG_SOURCE_NAME, NULL);
	assert_true(offset >= 0);
	return *RTE_MBUF_DYNFIELD(m, offset, const uint64_t *);
}

static uint64_t missed(uint16_t port)
{
	struct rte_eth_stats stats;
	assert_int_equal(rte_eth_stats_get(port, &stats), 0);
	return stats.imissed;
}

static unsigned offer(uint16_t port, struct made *m, struct rte_mbuf **pkts)
{
	fake_dag_put(m->bytes, m->len);
	m->len = 0;
	return receive(port, pkts);
}

static void test_extension_headers_reach_the_packet(void **state)
{
	static const uint64_t flow_id[] = {UINT64_C(0x1005050212345678)},
			      no_hash[] = {UINT64_C(0x1005000212345678)},
			      bfs[] = {UINT64_C(0x0600beefcafebabe)},
			      both[] = {UINT64_C(0x1009050287654321), UINT64_C(0x0600beefcafebabe)},
			      host[] = {UINT64_C(0x1107002590c03e08), UINT64_C(0x1108000000000001)},
			      signature[] = {UINT64_C(0x0e00000042abcdef)};
	static const struct {
		const uint64_t *ext;
		int n;
		uint32_t hash;
		int mark; // -1: none
		uint64_t source;
	} cases[] = {
		{NULL, 0, 0, -1, 0},
		{flow_id, 1, 0x12345678, -1, UINT64_C(5) << 48},
		{no_hash, 1, 0, -1, UINT64_C(5) << 48},
		{bfs, 1, 0xcafebabe, 0xbeef, 0},
		{both, 2, 0x87654321, 0xbeef, UINT64_C(9) << 48},
		{host, 2, 0, -1, UINT64_C(0x0007002590c03e08)},
		{signature, 1, 0, 0x42, 0},
	};
	struct rte_mbuf *pkts[PKTS];
	struct made m = {0};
	(void)state;
	fake_dag_reset(RING);
	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		struct spec s = eth(60);
		s.ext = cases[i].ext;
		s.exts = cases[i].n;
		make(&m, s);
	}
	struct spec color = eth(60);
	color.type = HM_ERF_COLOR_ETH;
	color.lctr = 0x1234;
	make(&m, color);
	uint16_t port = open_port(CARD_ARGS);
	assert_int_equal(offer(port, &m, pkts), RTE_DIM(cases) + 1);
	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		const struct rte_mbuf *p = pkts[i];
		check_data(p, 60);
		assert_int_equal(!!(p->ol_flags & RTE_MBUF_F_RX_RSS_HASH), cases[i].hash != 0);
		assert_int_equal(p->hash.rss, cases[i].hash);
		assert_int_equal(!!(p->ol_flags & RTE_MBUF_F_RX_FDIR_ID), cases[i].mark >= 0);
		if (cases[i].mark >= 0)
			assert_int_equal(p->hash.fdir.hi, cases[i].mark);
		assert_true(source(p) == cases[i].source);
	}
	assert_int_equal(pkts[RTE_DIM(cases)]->hash.fdir.hi, 0x1234);
	rte_pktmbuf_free_bulk(pkts, RTE_DIM(cases) + 1);
	close_clean(port);
}

// The card's numbers have 32 bits: three rounds of them, with gaps, stay in order.
static void test_card_sequence_is_widened_across_wraps(void **state)
{
	struct rte_mbuf *pkts[PKTS];
	uint64_t last = 0;
	(void)state;
	fake_dag_reset(RING);
	uint16_t port = open_port(CARD_ARGS);
	for (uint64_t n = 0xfffffff0; n < UINT64_C(3) << 32; n += UINT64_C(0x60000001)) {
		const uint64_t ext = UINT64_C(3) << 56 | (uint32_t)n;
		struct made m = {0};
		struct spec s = eth(60);
		s.ext = &ext;
		s.exts = 1;
		make(&m, s);
		assert_int_equal(offer(port, &m, pkts), 1);
		assert_true(pkts[0]->ol_flags & dag_port_card_sequence_flag());
		if (last)
			assert_true(dag_port_sequence(pkts[0]) - last == 0x60000001);
		last = dag_port_sequence(pkts[0]);
		rte_pktmbuf_free(pkts[0]);
	}
	close_clean(port);
}

static void test_extension_sequence_is_ignored_by_default(void **state)
{
	const uint64_t ext = UINT64_C(3) << 56 | 77;
	struct rte_mbuf *pkts[PKTS];
	struct made m = {0};
	(void)state;
	fake_dag_reset(RING);
	struct spec s = eth(60);
	s.ext = &ext;
	s.exts = 1;
	make(&m, s);
	make(&m, s);
	uint16_t port = open_port(ARGS);
	assert_int_equal(offer(port, &m, pkts), 2);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(dag_port_sequence(pkts[i]) == i);
		assert_false(pkts[i]->ol_flags & dag_port_card_sequence_flag());
	}
	rte_pktmbuf_free_bulk(pkts, 2);
	close_clean(port);
}

/* --- META --- */

static void tag(struct made *m, uint16_t type, uint16_t length, uint64_t value)
{
	uint8_t *p = m->bytes + m->len;
	memset(p, 0, 4u + ((length + 3u) & ~3u));
	p[0] = (uint8_t)(type >> 8);
	p[1] = (uint8_t)type;
	p[2] = (uint8_t)(length >> 8);
	p[3] = (uint8_t)length;
	for (unsigned i = 0; i < length; i++)
		p[4 + i] = i < 8 && length <= 8 ? (uint8_t)(value >> (8 * (length - 1 - i))) : 0xee;
	m->len += 4 + ((length + 3u) & ~3u);
}

// A record around the tags between `begin` and `end`; `n` extension headers.
static uint32_t meta_begin(struct made *m, int n)
{
	uint32_t begin = m->len;
	uint8_t *rec = m->bytes + begin;
	memset(rec, 0, 16 + 8 * (size_t)n);
	rec[8] = (uint8_t)(HM_ERF_META | (n ? 0x80 : 0));
	rec[9] = 4;
	for (int i = 0; i < n; i++)
		rec[16 + 8 * i] = (uint8_t)(17 | (i + 1 < n ? 0x80 : 0));
	m->len += 16 + 8 * (uint32_t)n;
	return begin;
}

static void meta_end(struct made *m, uint32_t begin)
{
	while (m->len % 8 != 0)
		m->bytes[m->len++] = 0;
	uint32_t rlen = m->len - begin;
	m->bytes[begin + 10] = (uint8_t)(rlen >> 8);
	m->bytes[begin + 11] = (uint8_t)rlen;
}

static void meta_drops(struct made *m, uint16_t stream, uint16_t length, uint64_t drops)
{
	uint32_t begin = meta_begin(m, 1);
	tag(m, 2, 8, TIME);
	tag(m, 0xff00, 4, 0x00010064);
	tag(m, 0xff08, 4, 0x00010000); // another stream's
	tag(m, 216, 4, 999999);
	tag(m, 33, 4, stream + 2u);
	tag(m, 0xff08, 4, 0x00010000);
	tag(m, 33, 4, stream);
	tag(m, 217, 4, 3);
	tag(m, 216, length, drops);
	meta_end(m, begin);
}

static void test_meta_tells_drops_and_clock(void **state)
{
	struct rte_mbuf *pkts[PKTS];
	struct made m = {0};
	struct spec s = eth(60);
	(void)state;
	fake_dag_reset(RING);
	uint16_t port = open_port(ARGS);
	make(&m, s); // the interface's first record
	s.lctr = 4;
	make(&m, s);
	assert_int_equal(offer(port, &m, pkts), 2);
	rte_pktmbuf_free_bulk(pkts, 2);
	assert_int_equal(missed(port), 4);
	meta_drops(&m, 0, 4, 0xfffffff0); // the base; what was lost before stays counted
	assert_int_equal(offer(port, &m, pkts), 0);
	assert_int_equal(missed(port), 4);
	s.lctr = 0xffff; // from here on the counter is what tells
	make(&m, s);
	meta_drops(&m, 0, 4, 0x00100000); // it wraps
	assert_int_equal(offer(port, &m, pkts), 1);
	rte_pktmbuf_free(pkts[0]);
	assert_int_equal(missed(port), 4 + 16 + 0x100000);
	assert_int_equal(rte_eth_stats_reset(port), 0);
	assert_int_equal(missed(port), 0);
	meta_drops(&m, 0, 4, 0x00100007);
	assert_int_equal(offer(port, &m, pkts), 0);
	assert_int_equal(missed(port), 7);
	assert_int_equal(dag_port_xstat(port, "rx_meta_records"), 1);
	assert_int_equal(dag_port_xstat(port, "rx_meta_malformed"), 0);
	assert_int_equal(dag_port_xstat(port, "clk_state"), 0);
	uint32_t begin = meta_begin(&m, 2);
	tag(&m, 0xff05, 4, 0);
	tag(&m, 384, 4, 1);
	tag(&m, 385, 4, 2);
	tag(&m, 390, 4, 1234);
	meta_end(&m, begin);
	assert_int_equal(offer(port, &m, pkts), 0);
	assert_int_equal(dag_port_xstat(port, "clk_state"), 2);
	assert_int_equal(dag_port_xstat(port, "clk_phase_error"), 1234);
	assert_in_range(dag_port_xstat(port, "meta_age_ms"), 0, 60000);
	close_clean(port);
}

static void test_odd_meta_is_skipped_and_counted(void **state)
{
	struct rte_mbuf *pkts[PKTS];
	struct made m = {0};
	uint32_t begin;
	(void)state;
	fake_dag_reset(RING);
	uint16_t port = open_port(ARGS);
	begin = meta_begin(&m, 0); // unknown, empty and long tags around a good one
	tag(&m, 12345, 40, 0);
	tag(&m, 7, 0, 0);
	tag(&m, 0xff0f, 0, 0);
	tag(&m, 385, 4, 1);
	tag(&m, 390, 12, 0);
	meta_end(&m, begin);
	begin = meta_begin(&m, 16);
	tag(&m, 385, 4, 2);
	tag(&m, 7, 4, 0); // longer than the record
	m.bytes[m.len - 6] = 0xff;
	meta_end(&m, begin);
	begin = meta_begin(&m, 1); // the chain does not end
	m.bytes[begin + 16] |= 0x80;
	meta_end(&m, begin);
	make(&m, eth(60));
	assert_int_equal(offer(port, &m, pkts), 1);
	check_data(pkts[0], 60);
	rte_pktmbuf_free(pkts[0]);
	assert_int_equal(dag_port_xstat(port, "rx_meta_records"), 3);
	assert_int_equal(dag_port_xstat(port, "rx_meta_malformed"), 2);
	assert_int_equal(dag_port_xstat(port, "clk_state"), 2);
	assert_int_equal(dag_port_xstat(port, "clk_phase_error"), 0);
	close_clean(port);
}

// The worked example of a public trace (spec: Host ID 0x002590c03e08, source 5, section 1).
static void test_meta_cut_at_every_byte_is_read_safely(void **state)
{
	struct made m = {0};
	(void)state;
	meta_drops(&m, 0, 8, 77);
	for (uint32_t cut = 24; cut <= m.len; cut++) {
		uint8_t *copy = malloc(cut); // the sanitizer watches its end
		struct dag_meta meta;
		memcpy(copy, m.bytes, cut);
		dag_meta_read(copy, 24, cut, 0, &meta);
		// tag 217 stands in until 216 is wholly there
		if (meta.has_drops)
			assert_true(meta.drops == 77 || meta.drops == 3);
		assert_int_equal(meta.has_drops && meta.drops == 77, cut >= m.len - m.len % 4);
		free(copy);
	}
}

/* --- the card's own counter --- */

static void test_drop_counter_of_the_card(void **state)
{
	struct rte_mbuf *pkts[PKTS];
	struct made m = {0};
	struct spec s = eth(60);
	(void)state;
	fake_dag_reset(RING);
	fake_dag_set_drops(5000); // of earlier sessions
	uint16_t port = open_port(WITH_ATTR);
	assert_int_equal(missed(port), 0);
	make(&m, s);
	s.lctr = 9;
	make(&m, s);
	assert_int_equal(offer(port, &m, pkts), 2);
	rte_pktmbuf_free_bulk(pkts, 2);
	assert_int_equal(missed(port), 0); // never a sum
	assert_int_equal(dag_port_xstat(port, "rx_lctr_drops"), 9);
	fake_dag_set_drops(5009);
	assert_int_equal(missed(port), 9);
	assert_int_equal(rte_eth_stats_reset(port), 0);
	assert_int_equal(missed(port), 0);
	fake_dag_set_drops(0xfffffffe);
	assert_int_equal(missed(port), 0xfffffffe - 5009u);
	fake_dag_set_drops(3); // 32 bits
	assert_int_equal(missed(port), UINT64_C(0x100000003) - 5009);
	fake_dag_set_drops(UINT64_C(0x500000000));
	assert_true(missed(port) == UINT64_C(0x600000000) - 5009);
	assert_int_equal(dag_port_xstat(port, "rx_counter_resets"), 0);
	fake_dag_set_drops(2); // 64 bits do not wrap: the card has begun again
	assert_true(missed(port) == UINT64_C(0x600000000) - 5009 + 2);
	assert_int_equal(dag_port_xstat(port, "rx_counter_resets"), 1);
	// a new session takes a new base and goes on counting
	assert_int_equal(rte_eth_dev_stop(port), 0);
	fake_dag_set_drops(100);
	assert_int_equal(rte_eth_dev_start(port), 0);
	fake_dag_set_drops(101);
	assert_true(missed(port) == UINT64_C(0x600000000) - 5009 + 3);
	close_clean(port);
}

static void test_unknown_attribute_falls_back_to_records(void **state)
{
	struct rte_mbuf *pkts[PKTS];
	struct made m = {0};
	struct spec s = eth(60);
	(void)state;
	fake_dag_reset(RING);
	uint16_t port = open_port(ARGS ",drop_attr=1,conf_lib=libdag_fake.so");
	make(&m, s);
	s.lctr = 9;
	make(&m, s);
	assert_int_equal(offer(port, &m, pkts), 2);
	rte_pktmbuf_free_bulk(pkts, 2);
	assert_int_equal(missed(port), 9);
	close_clean(port);
}

static void test_wrong_configuration_library_is_refused(void **state)
{
	static const char *const wrong[] = {
		ARGS ",drop_attr=217,conf_lib=no_such_library.so",
		ARGS ",drop_attr=217,conf_lib=libm.so.6",
		ARGS ",drop_attr=217,conf_lib=./libdag_fake.so",
		ARGS ",drop_attr=x",
		ARGS ",drop_attr=4294967296",
		ARGS ",conf_lib=",
		ARGS ",sequence=wire",
		ARGS ",ids=yes",
		ARGS ",mark=2",
	};
	(void)state;
	fake_dag_reset(RING);
	for (unsigned i = 0; i < RTE_DIM(wrong); i++)
		if (dag_port_probe("net_dag_fake", wrong[i]) >= 0)
			fail_msg("accepted: %s", wrong[i]);
	assert_int_equal(fake_dag_violations(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_extension_headers_reach_the_packet),
		cmocka_unit_test(test_card_sequence_is_widened_across_wraps),
		cmocka_unit_test(test_extension_sequence_is_ignored_by_default),
		cmocka_unit_test(test_meta_tells_drops_and_clock),
		cmocka_unit_test(test_odd_meta_is_skipped_and_counted),
		cmocka_unit_test(test_meta_cut_at_every_byte_is_read_safely),
		cmocka_unit_test(test_drop_counter_of_the_card),
		cmocka_unit_test(test_unknown_attribute_falls_back_to_records),
		cmocka_unit_test(test_wrong_configuration_library_is_refused),
	};
	if (dag_port_eal() < 0)
		return 1;
	pool = dag_port_pool("pool", 1023, 2048);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	rte_eal_cleanup();
	return failed;
}

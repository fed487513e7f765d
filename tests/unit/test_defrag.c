/* SPDX-License-Identifier: BSD-3-Clause */
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

#define FRAMES    256
#define FRAME_MAX 65600
#define COPIES    64
#define MS        UINT64_C(1000000)

/* A frame of Ethernet and IP: where IP begins, where what is cut into fragments begins, and its end. */
struct packet {
	uint8_t bytes[FRAME_MAX];
	uint32_t l3, payload, end;
	bool ipv6;
};

struct piece {
	uint8_t *bytes;
	uint32_t n, wirelen;
	uint64_t ts_ns;
};

/* The instance, what it is given, and what comes out. */
struct test {
	struct harness h;
	struct hm_copies *pool;
	struct piece in[FRAMES], out[FRAMES];
	unsigned n_in, n_out;
	uint32_t tunnels;
};

static struct packet whole;

static void put16(uint8_t *at, uint32_t n)
{
	at[0] = (uint8_t)(n >> 8);
	at[1] = (uint8_t)n;
}

static void finish_ipv4(uint8_t *ip, uint32_t header)
{
	uint32_t sum = 0;

	put16(ip + 10, 0);
	for (uint32_t k = 0; k < header; k += 2)
		sum += (uint32_t)ip[k] << 8 | ip[k + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	put16(ip + 10, ~sum);
}

/* UDP with n bytes of payload, all different from their neighbours. */
static void make_udp(struct packet *p, bool ipv6, uint32_t options, uint16_t id, uint32_t n)
{
	uint8_t *ip = p->bytes + 14, *udp;
	uint32_t header = (ipv6 ? 40 : 20) + options;

	memset(p->bytes, 0, 14 + header);
	memset(p->bytes, 2, 12);
	put16(p->bytes + 12, ipv6 ? 0x86dd : 0x0800);
	if (ipv6) {
		ip[0] = 0x60;
		put16(ip + 4, options + 8 + n);
		ip[6] = options ? 0 : 17;
		ip[7] = 64;
		ip[8] = ip[24] = 0x20;
		ip[23] = 1;
		put16(ip + 38, id);
		if (options) { // hop-by-hop, one option of padding
			ip[40] = 17;
			ip[41] = (uint8_t)(options / 8 - 1);
			ip[42] = 1;
			ip[43] = (uint8_t)(options - 4);
		}
	} else {
		ip[0] = (uint8_t)(0x40 | header / 4);
		put16(ip + 2, header + 8 + n);
		put16(ip + 4, id);
		ip[8] = 64;
		ip[9] = 17;
		memcpy(ip + 12, (const uint8_t[]){192, 0, 2, 1, 192, 0, 2, 2}, 8);
		memset(ip + 20, 1, options); // no operation
		finish_ipv4(ip, header);
	}
	udp = ip + header;
	memset(udp, 0, 8);
	put16(udp, 1234);
	put16(udp + 2, 53);
	put16(udp + 4, 8 + n);
	for (uint32_t k = 0; k < n; k++)
		udp[8 + k] = (uint8_t)(k * 7 + k / 251 + id);
	p->l3 = 14;
	p->payload = 14 + header;
	p->end = p->payload + 8 + n;
	p->ipv6 = ipv6;
}

/* Adds bytes at .. at + n of the payload as a fragment. */
static struct piece *add_fragment(struct test *t, const struct packet *p, uint32_t at, uint32_t n,
				  bool more, uint64_t ts_ns)
{
	uint32_t header = p->payload, size = header + (p->ipv6 ? 8 : 0) + n;
	struct piece *f = &t->in[t->n_in++];
	uint8_t *ip;

	assert_true(t->n_in <= FRAMES);
	*f = (struct piece){.bytes = malloc(size), .n = size, .ts_ns = ts_ns};
	assert_non_null(f->bytes);
	memcpy(f->bytes, p->bytes, header);
	ip = f->bytes + p->l3;
	if (p->ipv6) {
		uint8_t *named = header - p->l3 > 40 ? ip + 40 : ip + 6, *ext = f->bytes + header;

		memset(ext, 0, 8);
		ext[0] = *named;
		*named = 44;
		put16(ext + 2, at | more);
		memcpy(ext + 6, p->bytes + p->l3 + 38, 2); // make_udp()'s id
		put16(ip + 4, size - p->l3 - 40);
	} else {
		put16(ip + 2, size - p->l3);
		put16(ip + 6, (more ? 0x2000 : 0) | at / 8);
		finish_ipv4(ip, header - p->l3);
	}
	memcpy(f->bytes + size - n, p->bytes + header + at, n);
	return f;
}

static void add_whole(struct test *t, const struct packet *p, uint64_t ts_ns)
{
	struct piece *f = &t->in[t->n_in++];

	assert_true(t->n_in <= FRAMES);
	*f = (struct piece){.bytes = malloc(p->end), .n = p->end, .ts_ns = ts_ns};
	memcpy(f->bytes, p->bytes, p->end);
}

static void collect(struct test *t, const struct hm_batch *out)
{
	for (uint32_t k = 0; k < out->n; k++) {
		struct piece *o = &t->out[t->n_out++];

		assert_true(t->n_out <= FRAMES);
		*o = (struct piece){.bytes = malloc(out->caplen[k]),
				    .n = out->caplen[k],
				    .wirelen = out->wirelen[k],
				    .ts_ns = out->ts_ns[k]};
		memcpy(o->bytes, out->data[k], out->caplen[k]);
		hm_copies_give(t->pool, (uint8_t *)(uintptr_t)out->data[k]);
	}
}

static uint64_t result(const struct test *t, const char *field)
{
	return harness_result(&t->h, field);
}

static json_int_t dropped(const struct test *t, const char *cause)
{
	json_t *stats = harness_stats(&t->h);
	const json_t *n = json_object_get(json_object_get(stats, "dropped"), cause);
	json_int_t value = json_integer_value(n);

	assert_non_null(n);
	json_decref(stats);
	return value;
}

static void assert_balanced(const struct test *t)
{
	json_t *stats = harness_stats(&t->h);

	assert_true(json_is_true(json_object_get(json_object_get(stats, "ledger"), "balanced")));
	json_decref(stats);
}

/* Runs over what has been added, so many at a time; returns how many were dropped for want of a copy. */
static unsigned run(struct test *t, unsigned batch)
{
	const struct hm_parse_conf conf = {.tunnels = t->tunnels};
	static struct hm_batch b, out;
	unsigned lost = 0;

	for (unsigned first = 0; first < t->n_in; first += batch) {
		unsigned n = t->n_in - first < batch ? t->n_in - first : batch;

		memset(&b, 0, sizeof(b));
		b.n = n;
		b.all = hm_mask_first(n);
		b.link = HM_LINK_ETHERNET;
		for (unsigned i = 0; i < n; i++) {
			const struct piece *f = &t->in[first + i];

			b.data[i] = f->bytes;
			b.caplen[i] = f->n;
			b.wirelen[i] = f->wirelen ? f->wirelen : f->n;
			b.ts_ns[i] = f->ts_ns;
		}
		hm_parse(&b, &conf);
		out.n = 0;
		lost += hm_mask_count(t->h.f->transform(t->h.core, &b, b.all, &out, t->pool));
		collect(t, &out);
		assert_balanced(t);
	}
	for (unsigned i = 0; i < t->n_in; i++)
		free(t->in[i].bytes);
	t->n_in = 0;
	return lost;
}

static void assert_out_is(const struct test *t, unsigned k, const struct packet *p)
{
	assert_true(k < t->n_out);
	assert_int_equal(t->out[k].wirelen, p->end);
	assert_int_equal(t->out[k].n, p->end < UINT16_MAX ? p->end : UINT16_MAX);
	assert_memory_equal(t->out[k].bytes, p->bytes, t->out[k].n);
}

static void forget(struct test *t)
{
	for (unsigned k = 0; k < t->n_out; k++)
		free(t->out[k].bytes);
	t->n_out = 0;
}

static void open_with(struct test *t, const char *args)
{
	struct hm_error err;

	memset(t, 0, sizeof(*t));
	assert_int_equal(harness_open(&t->h, "DEFRAG", args, &err), 0);
	t->pool = hm_copies_create(COPIES, UINT16_MAX, 0);
	assert_non_null(t->pool);
}

/* Whatever it held is given back, and counted. */
static void close_all(struct test *t)
{
	assert_true(t->h.f->drain(t->h.core));
	assert_int_equal(result(t, "held"), 0);
	assert_int_equal(result(t, "waiting"), 0);
	assert_balanced(t);
	forget(t);
	assert_int_equal(hm_copies_free(t->pool), COPIES);
	hm_copies_destroy(t->pool);
	harness_close(&t->h);
}

static struct test t;

static void test_defrag_cut_at_every_place_gives_the_datagram(void **state)
{
	(void)state;
	open_with(&t, "[]");
	for (unsigned kind = 0; kind < 8; kind++) {
		bool ipv6 = kind & 1, backwards = kind & 2;

		make_udp(&whole, ipv6, kind & 4 ? 24 : 0, (uint16_t)kind, 1301);
		for (uint32_t at = 8; at < 8 + 1301; at += 8) {
			uint32_t rest = whole.end - whole.payload - at;

			if (backwards)
				add_fragment(&t, &whole, at, rest, false, 1);
			add_fragment(&t, &whole, 0, at, true, 2);
			if (!backwards)
				add_fragment(&t, &whole, at, rest, false, 3);
			assert_int_equal(run(&t, 1 + at % 3), 0);
			assert_int_equal(t.n_out, 1);
			assert_out_is(&t, 0, &whole);
			assert_int_equal(t.out[0].ts_ns, backwards ? 2 : 3);
			forget(&t);
		}
	}
	assert_int_equal(result(&t, "joined"), 2 * result(&t, "datagrams"));
	assert_int_equal(result(&t, "fragments"), result(&t, "joined"));
	assert_int_equal(result(&t, "overlaps"), 0);
	close_all(&t);
}

/* The next permutation in lexical order; false after the last. */
static bool permute(unsigned *order, unsigned n)
{
	unsigned i = n - 1, j = n - 1;

	while (i > 0 && order[i - 1] > order[i])
		i--;
	if (i == 0)
		return false;
	while (order[j] < order[i - 1])
		j--;
	unsigned kept = order[i - 1];
	order[i - 1] = order[j];
	order[j] = kept;
	for (j = n - 1; i < j; i++, j--) {
		kept = order[i];
		order[i] = order[j];
		order[j] = kept;
	}
	return true;
}

static void test_defrag_any_order_gives_the_datagram(void **state)
{
	static const uint32_t at[] = {0, 8, 1024, 1480, 2056, 4001};
	unsigned order[] = {0, 1, 2, 3, 4}, n = 0;

	(void)state;
	open_with(&t, "[]");
	do {
		make_udp(&whole, n % 2, 0, (uint16_t)n, 4001 - 8);
		for (unsigned k = 0; k < 5; k++)
			add_fragment(&t, &whole, at[order[k]], at[order[k] + 1] - at[order[k]],
				     order[k] < 4, 1);
		run(&t, 1 + n % 7);
		assert_int_equal(t.n_out, 1);
		assert_out_is(&t, 0, &whole);
		forget(&t);
		n++;
	} while (permute(order, 5));
	assert_int_equal(n, 120);
	assert_int_equal(result(&t, "tiny"), 0); // eight bytes are UDP's header
	close_all(&t);
}

static void test_defrag_unfragmented_passes_as_it_is(void **state)
{
	(void)state;
	open_with(&t, "[]");
	make_udp(&whole, false, 0, 1, 100);
	whole.bytes[14 + 6] = 0x40; // may not be fragmented
	add_whole(&t, &whole, 5);
	t.in[0].wirelen = 999;
	make_udp(&whole, true, 0, 1, 100); // an atomic fragment is whole
	add_fragment(&t, &whole, 0, 108, false, 6);
	run(&t, 64);
	assert_int_equal(t.n_out, 2);
	assert_int_equal(t.out[0].wirelen, 999);
	assert_int_equal(t.out[0].n, 142);
	assert_int_equal(t.out[1].n, whole.end + 8);
	assert_int_equal(result(&t, "passed"), 2);
	assert_int_equal(result(&t, "fragments"), 0);
	close_all(&t);
}

static void test_defrag_overlap_first_bytes_stay(void **state)
{
	static struct packet other;

	(void)state;
	open_with(&t, "[]");
	for (unsigned ipv6 = 0; ipv6 < 2; ipv6++) {
		make_udp(&whole, ipv6, 0, 7, 3000);
		other = whole;
		for (uint32_t k = other.payload; k < other.end; k++)
			other.bytes[k] ^= 0xff;
		add_fragment(&t, &whole, 1000, 1000, true, 1);
		add_fragment(&t, &other, 1200, 800, true, 1); // wholly there
		add_fragment(&t, &other, 504, 1496 - 504, true, 1);
		add_fragment(&t, &whole, 0, 800, true, 1);
		add_fragment(&t, &whole, 1600, 3008 - 1600, false, 1);
		run(&t, 2);
		assert_int_equal(t.n_out, 1);
		memcpy(whole.bytes + whole.payload + 504, other.bytes + other.payload + 504, 496);
		assert_out_is(&t, 0, &whole);
		forget(&t);
	}
	assert_int_equal(result(&t, "overlaps"), 2 * 3);
	assert_int_equal(dropped(&t, "duplicate"), 2);
	close_all(&t);
}

static void test_defrag_duplicates_are_dropped(void **state)
{
	(void)state;
	open_with(&t, "[]");
	make_udp(&whole, false, 0, 7, 3000);
	for (unsigned k = 0; k < 3; k++)
		add_fragment(&t, &whole, 1480, 3008 - 1480, false, 1);
	for (unsigned k = 0; k < 2; k++)
		add_fragment(&t, &whole, 0, 800, true, 1);
	add_fragment(&t, &whole, 800, 680, true, 1);
	run(&t, 64);
	assert_int_equal(t.n_out, 1);
	assert_out_is(&t, 0, &whole);
	assert_int_equal(dropped(&t, "duplicate"), 3);
	assert_int_equal(result(&t, "joined"), 3);
	close_all(&t);
}

static void test_defrag_end_told_twice_first_stays(void **state)
{
	(void)state;
	open_with(&t, "[]");
	make_udp(&whole, false, 0, 7, 800);
	add_fragment(&t, &whole, 400, 408, false, 1);
	add_fragment(&t, &whole, 400, 200, false, 1); // ends earlier
	add_fragment(&t, &whole, 720, 96, true, 1);   // goes beyond the end
	add_fragment(&t, &whole, 720, 88, true, 1);   // more follow its end: all of it is there
	add_fragment(&t, &whole, 0, 400, true, 1);
	run(&t, 64);
	assert_int_equal(t.n_out, 1);
	assert_out_is(&t, 0, &whole);
	make_udp(&whole, false, 0, 8, 800);
	add_fragment(&t, &whole, 400, 400, true, 1);
	add_fragment(&t, &whole, 400, 200, false, 1); // ends before what has come
	run(&t, 64);
	assert_int_equal(dropped(&t, "conflict"), 3);
	assert_int_equal(dropped(&t, "duplicate"), 1);
	close_all(&t);
	assert_int_equal(t.n_out, 0);
}

static void test_defrag_tiny_fragments_are_put_together(void **state)
{
	(void)state;
	open_with(&t, "[]");
	make_udp(&whole, false, 0, 7, 992);
	whole.bytes[14 + 9] = 6; // TCP, of whose header the first fragment has eight bytes
	whole.bytes[whole.payload + 12] = 0x50;
	finish_ipv4(whole.bytes + 14, 20);
	for (uint32_t at = 0; at < 1000; at += 8)
		add_fragment(&t, &whole, at, 8, at < 992, 1);
	run(&t, 64);
	assert_int_equal(t.n_out, 1);
	assert_out_is(&t, 0, &whole);
	assert_int_equal(result(&t, "joined"), 125);
	assert_int_equal(result(&t, "tiny"), 1);
	close_all(&t);
}

static void test_defrag_longest_datagram(void **state)
{
	(void)state;
	open_with(&t, "[]");
	for (unsigned ipv6 = 0; ipv6 < 2; ipv6++) {
		uint32_t n = ipv6 ? 65535 : 65515;

		make_udp(&whole, ipv6, 0, 7, n - 8);
		for (uint32_t at = 0; at < n; at += 1480)
			add_fragment(&t, &whole, at, n - at < 1480 ? n - at : 1480, at + 1480 < n,
				     1);
		run(&t, 64);
		assert_int_equal(t.n_out, 1);
		assert_out_is(&t, 0, &whole); // frames have at most 65,535 bytes
		assert_int_equal(result(&t, "shortened"), ipv6 + 1);
		forget(&t);
	}
	close_all(&t);
}

static void test_defrag_too_long_is_dropped(void **state)
{
	(void)state;
	open_with(&t, "[]");
	for (unsigned ipv6 = 0; ipv6 < 2; ipv6++) { // "ping of death"
		make_udp(&whole, ipv6, 0, 7, 65400);
		add_fragment(&t, &whole, 65528 - 160, 160, false, 1);
		run(&t, 64);
		if (ipv6) // 65,528 + 8 more
			add_fragment(&t, &whole, 65528, 8, false, 1);
		run(&t, 64);
	}
	assert_int_equal(dropped(&t, "too_long"), 2);
	// the last fragment has no options, the first has 40 bytes of them
	make_udp(&whole, false, 0, 9, 65515 - 8);
	for (uint32_t at = 1480; at < 65515; at += 1480)
		add_fragment(&t, &whole, at, 65515 - at < 1480 ? 65515 - at : 1480,
			     at + 1480 < 65515, 1);
	make_udp(&whole, false, 40, 9, 2000);
	add_fragment(&t, &whole, 0, 1480, true, 1);
	run(&t, 64);
	assert_int_equal(t.n_out, 0);
	assert_int_equal(dropped(&t, "too_long"), 2 + 45);
	close_all(&t);
}

static void test_defrag_wrong_lengths_are_dropped(void **state)
{
	(void)state;
	open_with(&t, "[]");
	for (unsigned ipv6 = 0; ipv6 < 2; ipv6++) {
		make_udp(&whole, ipv6, 0, 7, 100);
		add_fragment(&t, &whole, 0, 12, true, 1);
		add_fragment(&t, &whole, 16, 0, true, 1);
		add_fragment(&t, &whole, 16, 0, false, 1);
	}
	run(&t, 64);
	assert_int_equal(dropped(&t, "bad_length"), 6);
	assert_int_equal(result(&t, "waiting"), 0);
	make_udp(&whole, true, 1200, 7, 100);
	add_fragment(&t, &whole, 0, 8, true, 1);
	run(&t, 64);
	assert_int_equal(dropped(&t, "long_headers"), 1);
	close_all(&t);
}

static void test_defrag_cut_capture_at_every_byte(void **state)
{
	(void)state;
	open_with(&t, "[]");
	for (unsigned ipv6 = 0; ipv6 < 2; ipv6++) {
		make_udp(&whole, ipv6, 0, 7, 100);
		for (unsigned late = 0; late < 2; late++) {
			uint32_t size = whole.payload + 8 * ipv6 + (late ? 108 - 48 : 48);

			for (uint32_t n = 0; n < size; n++) {
				struct piece *f = add_fragment(&t, &whole, late ? 48 : 0,
							       late ? 108 - 48 : 48, !late, 1);
				f->wirelen = f->n;
				f->n = n;
				f->bytes = realloc(f->bytes, n ? n : 1); // its end is the block's
				run(&t, 1);
			}
		}
	}
	assert_int_equal(result(&t, "waiting"), 0);
	assert_int_equal(result(&t, "fragments"), dropped(&t, "cut"));
	assert_true(dropped(&t, "cut") > 4 * 48);
	assert_int_equal(t.n_out, result(&t, "passed"));
	close_all(&t);
}

static void test_defrag_times_out_in_packet_time(void **state)
{
	(void)state;
	open_with(&t, "[{\"timeout_ms\": 5}]");
	make_udp(&whole, false, 0, 7, 100);
	add_fragment(&t, &whole, 0, 48, true, 100 * MS);
	add_fragment(&t, &whole, 48, 60, false, 105 * MS - 1); // in time
	add_fragment(&t, &whole, 0, 48, true, 200 * MS);
	add_fragment(&t, &whole, 48, 8, true, 204 * MS);   // makes it no younger
	add_fragment(&t, &whole, 56, 52, false, 205 * MS); // too late
	add_whole(&t, &whole, 190 * MS);                   // time does not go back
	run(&t, 64);
	assert_int_equal(t.n_out, 2);
	assert_out_is(&t, 0, &whole);
	assert_int_equal(dropped(&t, "timeout"), 2);
	assert_int_equal(result(&t, "held"), 1);
	add_whole(&t, &whole, 210 * MS); // any packet tells the time
	run(&t, 64);
	assert_int_equal(dropped(&t, "timeout"), 3);
	assert_int_equal(result(&t, "held"), 0);
	close_all(&t);
}

static void test_defrag_full_table_drops_the_oldest(void **state)
{
	(void)state;
	open_with(&t, "[{\"datagrams\": 4}]");
	for (uint16_t id = 0; id < 10; id++) {
		make_udp(&whole, id % 2, 0, id, 100);
		add_fragment(&t, &whole, 0, 48, true, 1);
		add_fragment(&t, &whole, 48, 8, true, 1);
	}
	run(&t, 7);
	assert_int_equal(result(&t, "waiting"), 4);
	assert_int_equal(dropped(&t, "evicted"), 12);
	for (uint16_t id = 6; id < 10; id++) {
		make_udp(&whole, id % 2, 0, id, 100);
		add_fragment(&t, &whole, 56, 52, false, 1);
		run(&t, 1);
		assert_out_is(&t, id - 6u, &whole);
	}
	close_all(&t);
}

static void test_defrag_one_at_a_time(void **state)
{
	(void)state;
	open_with(&t, "[{\"datagrams\": 1}]");
	for (uint16_t id = 0; id < 10; id++) {
		make_udp(&whole, false, 0, id, 100);
		add_fragment(&t, &whole, 0, 48, true, 1);
		make_udp(&whole, false, 0, 99, 100);
		add_fragment(&t, &whole, 48, 60, false, 1);
		add_fragment(&t, &whole, 0, 48, true, 1);
	}
	run(&t, 4);
	assert_int_equal(t.n_out, 10);
	assert_out_is(&t, 9, &whole);
	assert_int_equal(dropped(&t, "evicted"), 10);
	close_all(&t);
}

static void test_defrag_full_memory_drops_the_oldest(void **state)
{
	(void)state;
	open_with(&t, "[{\"memory_kib\": 256}]"); // 240 blocks
	for (unsigned round = 0; round < 20; round++) {
		for (uint16_t id = 0; id < 100; id++) {
			make_udp(&whole, false, 0, (uint16_t)(100 * round + id), 60000);
			add_fragment(&t, &whole, 30000, 1480, true, 1); // two or three blocks
		}
		run(&t, 64);
		assert_in_range(result(&t, "waiting"), 80, 120);
	}
	assert_true(dropped(&t, "evicted") > 100);
	// one that takes all there is to take finds room, though it is the oldest
	make_udp(&whole, false, 0, 5000, 60000);
	for (uint32_t at = 0; at < 60008; at += 1480)
		add_fragment(&t, &whole, at, 60008 - at < 1480 ? 60008 - at : 1480,
			     at + 1480 < 60008, 1);
	run(&t, 64);
	assert_int_equal(t.n_out, 1);
	assert_out_is(&t, 0, &whole);
	close_all(&t);
}

static void test_defrag_empty_pool_is_a_counted_drop(void **state)
{
	uint8_t *taken[COPIES];

	(void)state;
	open_with(&t, "[]");
	for (unsigned k = 0; k < COPIES; k++)
		taken[k] = hm_copies_take(t.pool);
	make_udp(&whole, false, 0, 7, 100);
	add_whole(&t, &whole, 1);
	add_fragment(&t, &whole, 0, 48, true, 1);
	add_fragment(&t, &whole, 48, 60, false, 1);
	assert_int_equal(run(&t, 64), 2);
	assert_int_equal(t.n_out, 0);
	assert_int_equal(dropped(&t, "no_copy"), 3);
	assert_int_equal(result(&t, "held"), 0);
	for (unsigned k = 0; k < COPIES; k++)
		hm_copies_give(t.pool, taken[k]);
	close_all(&t);
}

static void test_defrag_short_copies_cut_the_datagram(void **state)
{
	struct hm_copies *room;

	(void)state;
	open_with(&t, "[]");
	room = t.pool;
	t.pool = hm_copies_create(2, 1536, 0);
	make_udp(&whole, false, 0, 7, 3000);
	add_fragment(&t, &whole, 0, 1480, true, 1);
	add_fragment(&t, &whole, 1480, 3008 - 1480, false, 1);
	run(&t, 64);
	assert_int_equal(t.n_out, 1);
	assert_int_equal(t.out[0].n, 1536);
	assert_int_equal(t.out[0].wirelen, whole.end);
	assert_memory_equal(t.out[0].bytes, whole.bytes, 1536);
	assert_int_equal(result(&t, "shortened"), 1);
	hm_copies_destroy(t.pool);
	t.pool = room;
	close_all(&t);
}

static void test_defrag_drain_drops_what_waits(void **state)
{
	(void)state;
	open_with(&t, "[]");
	for (uint16_t id = 0; id < 50; id++) {
		make_udp(&whole, id % 2, 0, id, 5000);
		add_fragment(&t, &whole, 8 * id, 1480, true, 1);
		add_fragment(&t, &whole, 2400, 1480, true, 1);
	}
	run(&t, 64);
	assert_int_equal(result(&t, "held"), 100);
	assert_int_equal(result(&t, "waiting"), 50);
	assert_true(t.h.f->drain(t.h.core));
	assert_int_equal(dropped(&t, "unfinished"), 100);
	close_all(&t);
}

static void test_defrag_bits_that_are_not_of_fragments_stay(void **state)
{
	(void)state;
	open_with(&t, "[]");
	make_udp(&whole, false, 0, 7, 100);
	add_fragment(&t, &whole, 0, 48, true, 1)->bytes[14 + 6] |= 0xc0;
	add_fragment(&t, &whole, 48, 60, false, 1);
	run(&t, 64);
	whole.bytes[14 + 6] = 0xc0;
	finish_ipv4(whole.bytes + 14, 20);
	assert_out_is(&t, 0, &whole);
	close_all(&t);
}

static void put_tag(struct piece *f, const void *tag, uint32_t n)
{
	f->bytes = realloc(f->bytes, f->n + n);
	memmove(f->bytes + 12 + n, f->bytes + 12, f->n - 12);
	memcpy(f->bytes + 12, tag, n);
	f->n += n;
}

static void test_defrag_vlans_are_kept_apart(void **state)
{
	(void)state;
	open_with(&t, "[]");
	make_udp(&whole, false, 0, 7, 100);
	put_tag(add_fragment(&t, &whole, 0, 48, true, 1), "\x81\x00\x00\x05", 4);
	put_tag(add_fragment(&t, &whole, 48, 60, false, 1), "\x81\x00\x00\x06", 4);
	put_tag(add_fragment(&t, &whole, 48, 60, false, 1), "\x81\x00\xe0\x05", 4); // priority
	run(&t, 64);
	assert_int_equal(t.n_out, 1);
	assert_int_equal(t.out[0].n, whole.end + 4);
	assert_memory_equal(t.out[0].bytes + 18, whole.bytes + 14, whole.end - 14);
	close_all(&t);
}

static void test_defrag_pppoe_length_is_the_datagrams(void **state)
{
	uint8_t session[] = {0x88, 0x64, 0x11, 0, 0, 9, 0, 0};

	(void)state;
	open_with(&t, "[]");
	make_udp(&whole, false, 0, 7, 100);
	for (unsigned late = 0; late < 2; late++) {
		struct piece *f = late ? add_fragment(&t, &whole, 48, 60, false, 1)
				       : add_fragment(&t, &whole, 0, 48, true, 1);

		put16(session + 6, f->n - 14 + 2);
		put_tag(f, session, sizeof(session));
		put16(f->bytes + 20, 0x0021);
	}
	run(&t, 64);
	assert_int_equal(t.n_out, 1);
	assert_int_equal(t.out[0].n, whole.end + 8);
	assert_int_equal(t.out[0].bytes[18] << 8 | t.out[0].bytes[19], whole.end - 14 + 2);
	assert_memory_equal(t.out[0].bytes + 22, whole.bytes + 14, whole.end - 14);
	close_all(&t);
}

static void test_defrag_fragments_in_a_tunnel_pass(void **state)
{
	(void)state;
	open_with(&t, "[]");
	t.tunnels = UINT32_MAX;
	make_udp(&whole, false, 0, 7, 100);
	for (unsigned late = 0; late < 2; late++) {
		struct piece *f = late ? add_fragment(&t, &whole, 48, 60, false, 1)
				       : add_fragment(&t, &whole, 0, 48, true, 1);
		uint8_t outer[20] = {0x45, [8] = 64, [9] = 4, [12] = 10, [16] = 11};

		put16(outer + 2, f->n - 14 + 20);
		f->bytes = realloc(f->bytes, f->n + 20);
		memmove(f->bytes + 34, f->bytes + 14, f->n - 14);
		memcpy(f->bytes + 14, outer, 20);
		f->n += 20;
	}
	run(&t, 64);
	assert_int_equal(t.n_out, 2);
	assert_int_equal(result(&t, "passed"), 2);
	close_all(&t);
}

/* Random datagrams in random fragments, some (but never the last one) twice, in random order. */
static void make_random(struct test *to, unsigned seed)
{
	unsigned n;

	srand(seed);
	for (uint16_t id = 0; id < 20; id++) {
		uint32_t size, step = 8 + 8 * ((uint32_t)rand() % 150);

		make_udp(&whole, rand() % 2, 0, id, 200 + (uint32_t)rand() % 4000);
		size = whole.end - whole.payload;
		step = step < size / 8 ? (size / 8 + 7) & ~7u : step;
		for (uint32_t at = 0; at < size; at += step)
			for (int times = at + step < size && rand() % 9 == 0; times >= 0; times--)
				add_fragment(to, &whole, at, size - at < step ? size - at : step,
					     at + step < size, 0);
	}
	n = to->n_in;
	for (unsigned i = 0; i < n; i++) {
		unsigned j = i + (unsigned)rand() % (n - i);
		struct piece kept = to->in[i];

		to->in[i] = to->in[j];
		to->in[j] = kept;
		to->in[i].ts_ns = i * MS;
	}
}

static void test_defrag_any_batch_size_gives_the_same(void **state)
{
	static const unsigned sizes[] = {1, 3, 7, 31, 64};
	static struct test u;

	(void)state;
	for (unsigned seed = 0; seed < 10; seed++)
		for (unsigned s = 0; s < 4; s++) {
			const char *args =
				seed % 2 ? "[]" : "[{\"timeout_ms\": 60, \"datagrams\": 9}]";

			open_with(&t, args);
			open_with(&u, args);
			make_random(&t, seed);
			run(&t, sizes[s]);
			make_random(&u, seed);
			run(&u, 64);
			assert_int_equal(t.n_out, u.n_out);
			if (seed % 2)
				assert_int_equal(t.n_out, 20);
			for (unsigned k = 0; k < t.n_out; k++) {
				assert_int_equal(t.out[k].ts_ns, u.out[k].ts_ns);
				assert_int_equal(t.out[k].n, u.out[k].n);
				assert_memory_equal(t.out[k].bytes, u.out[k].bytes, t.out[k].n);
			}
			for (const struct hm_field *f = t.h.f->results; f->name; f++)
				assert_int_equal(result(&t, f->name), result(&u, f->name));
			close_all(&t);
			close_all(&u);
		}
}

static void test_defrag_wrong_options_are_refused(void **state)
{
	static const struct {
		const char *args, *word;
	} wrong[] = {
		{"[{\"timeout_ms\": 0}]", "timeout_ms"}, {"[{\"timeout_ms\": 600001}]", "600000"},
		{"[{\"datagrams\": 65537}]", "65536"},   {"[{\"memory_kib\": 255}]", "256"},
		{"[{\"memory\": 1}]", "memory"},
	};

	(void)state;
	for (size_t k = 0; k < sizeof(wrong) / sizeof(*wrong); k++) {
		struct hm_error err;

		memset(&t, 0, sizeof(t));
		assert_true(harness_open(&t.h, "DEFRAG", wrong[k].args, &err) < 0);
		assert_int_equal(err.mapi_errno, 7001);
		assert_non_null(strstr(err.text, wrong[k].word));
		harness_close(&t.h);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defrag_cut_at_every_place_gives_the_datagram),
		cmocka_unit_test(test_defrag_any_order_gives_the_datagram),
		cmocka_unit_test(test_defrag_unfragmented_passes_as_it_is),
		cmocka_unit_test(test_defrag_overlap_first_bytes_stay),
		cmocka_unit_test(test_defrag_duplicates_are_dropped),
		cmocka_unit_test(test_defrag_end_told_twice_first_stays),
		cmocka_unit_test(test_defrag_tiny_fragments_are_put_together),
		cmocka_unit_test(test_defrag_longest_datagram),
		cmocka_unit_test(test_defrag_too_long_is_dropped),
		cmocka_unit_test(test_defrag_wrong_lengths_are_dropped),
		cmocka_unit_test(test_defrag_cut_capture_at_every_byte),
		cmocka_unit_test(test_defrag_times_out_in_packet_time),
		cmocka_unit_test(test_defrag_full_table_drops_the_oldest),
		cmocka_unit_test(test_defrag_one_at_a_time),
		cmocka_unit_test(test_defrag_full_memory_drops_the_oldest),
		cmocka_unit_test(test_defrag_empty_pool_is_a_counted_drop),
		cmocka_unit_test(test_defrag_short_copies_cut_the_datagram),
		cmocka_unit_test(test_defrag_drain_drops_what_waits),
		cmocka_unit_test(test_defrag_bits_that_are_not_of_fragments_stay),
		cmocka_unit_test(test_defrag_vlans_are_kept_apart),
		cmocka_unit_test(test_defrag_pppoe_length_is_the_datagrams),
		cmocka_unit_test(test_defrag_fragments_in_a_tunnel_pass),
		cmocka_unit_test(test_defrag_any_batch_size_gives_the_same),
		cmocka_unit_test(test_defrag_wrong_options_are_refused),
	};
	if (start_eal() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

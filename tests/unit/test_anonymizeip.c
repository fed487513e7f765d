/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets of every kind that has addresses, each with a list of them and of its checksums, which are summed up anew
 * after the addresses have been replaced. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "anon/cryptopan.h"
#include "core/copies.h"
#include "core/parse.h"
#include "function_harness.h"
#include "start_eal.h"

#define KEY     "0123456789abcdefghijklmnopqrstuv"
#define NOTHING UINT32_MAX
#define ROOM    512
#define COPIES  64

struct sum {
	uint32_t at, from, to; // over [from, to)
	uint32_t ip;           // offset of the header whose addresses are in it, or NOTHING
	uint8_t protocol;
};

struct address {
	uint32_t at;
	bool v6;
};

struct packet {
	const char *name;
	uint8_t bytes[ROOM];
	uint32_t n;
	struct sum sums[8];
	unsigned n_sums;
	struct address addresses[12];
	unsigned n_addresses;
	bool no_ip;
};

static struct packet packets[32];
static unsigned n_packets;
static struct hm_cryptopan *cryptopan;

/* --- making packets --- */

static uint32_t words(const uint8_t *from, uint32_t n)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < n; i++)
		sum += (uint32_t)from[i] << (i % 2 ? 0 : 8);
	return sum;
}

static uint16_t sum_of(const uint8_t *frame, const struct sum *s)
{
	uint64_t sum = words(frame + s->from, s->to - s->from);

	if (s->ip != NOTHING) {
		bool v6 = frame[s->ip] >> 4 == 6;
		sum += words(frame + s->ip + (v6 ? 8 : 12), v6 ? 32 : 8);
		sum += s->protocol + (s->to - s->from);
	}
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static void seal(struct packet *p, struct sum s)
{
	uint16_t sum;

	memset(p->bytes + s.at, 0, 2);
	sum = (uint16_t)~sum_of(p->bytes, &s);
	if (sum == 0 && s.protocol == IPPROTO_UDP)
		sum = UINT16_MAX;
	p->bytes[s.at] = (uint8_t)(sum >> 8);
	p->bytes[s.at + 1] = (uint8_t)sum;
	p->sums[p->n_sums++] = s;
}

static void has_address(struct packet *p, uint32_t at, bool v6)
{
	p->addresses[p->n_addresses++] = (struct address){at, v6};
}

static uint32_t append(struct packet *p, const void *bytes, uint32_t n)
{
	uint32_t at = p->n;

	assert_true(p->n + n <= ROOM);
	memcpy(p->bytes + p->n, bytes, n);
	p->n += n;
	return at;
}

static struct packet *new_packet(const char *name, uint16_t ethertype)
{
	struct packet *p = &packets[n_packets++];
	uint8_t ethernet[14] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};

	*p = (struct packet){.name = name};
	ethernet[12] = (uint8_t)(ethertype >> 8);
	ethernet[13] = (uint8_t)ethertype;
	append(p, ethernet, sizeof(ethernet));
	return p;
}

/* The lengths are set by end_ip(). */
static uint32_t begin_ipv4(struct packet *p, uint8_t protocol, uint16_t fragment)
{
	static uint8_t host;
	const uint8_t header[20] = {0x45,
				    0,
				    0,
				    0,
				    1,
				    2,
				    (uint8_t)(fragment >> 8),
				    (uint8_t)fragment,
				    64,
				    protocol,
				    0,
				    0,
				    10,
				    1,
				    7,
				    ++host,
				    192,
				    0,
				    2,
				    1};
	uint32_t at = append(p, header, sizeof(header));

	has_address(p, at + 12, false);
	has_address(p, at + 16, false);
	return at;
}

static uint32_t begin_ipv6(struct packet *p, uint8_t next)
{
	static uint8_t host;
	uint8_t header[40] = {0x60, 0, 0, 0, 0, 0, next, 64, 0x20, 1, 0xd, 0xb8};
	uint32_t at;

	header[23] = ++host;
	memcpy(header + 24, header + 8, 15);
	header[39] = 200;
	at = append(p, header, sizeof(header));
	has_address(p, at + 8, true);
	has_address(p, at + 24, true);
	return at;
}

static void end_ip(struct packet *p, uint32_t ip)
{
	bool v6 = p->bytes[ip] >> 4 == 6;
	uint32_t n = p->n - ip - (v6 ? 40 : 0);
	uint8_t *at = p->bytes + ip + (v6 ? 4 : 2);

	at[0] = (uint8_t)(n >> 8);
	at[1] = (uint8_t)n;
	if (!v6)
		seal(p, (struct sum){ip + 10, ip, ip + 20, NOTHING, 0});
}

static uint32_t begin_udp(struct packet *p, uint16_t port)
{
	const uint8_t header[8] = {0x30, 0x39, (uint8_t)(port >> 8), (uint8_t)port};

	return append(p, header, sizeof(header));
}

static void end_udp(struct packet *p, uint32_t udp, uint32_t ip)
{
	p->bytes[udp + 4] = (uint8_t)((p->n - udp) >> 8);
	p->bytes[udp + 5] = (uint8_t)(p->n - udp);
	seal(p, (struct sum){udp + 6, udp, p->n, ip, IPPROTO_UDP});
}

static void add_tcp(struct packet *p, uint32_t ip)
{
	uint8_t header[20] = {4, 0, 0, 80, 1, 2, 3, 4, 5, 6, 7, 8, 0x50, 0x18, 16};
	uint32_t tcp = append(p, header, sizeof(header));

	append(p, "GET /", 5); // an odd number
	seal(p, (struct sum){tcp + 16, tcp, p->n, ip, IPPROTO_TCP});
}

static void add_udp(struct packet *p, uint32_t ip, uint16_t port)
{
	uint32_t udp = begin_udp(p, port);

	append(p, "question", 8);
	end_udp(p, udp, ip);
}

static void add_whole(struct packet *p, bool v6, uint8_t protocol)
{
	uint32_t ip = v6 ? begin_ipv6(p, protocol) : begin_ipv4(p, protocol, 0);

	if (protocol == IPPROTO_TCP)
		add_tcp(p, ip);
	else
		add_udp(p, ip, 53);
	end_ip(p, ip);
}

static uint32_t begin_icmp(struct packet *p, uint8_t type)
{
	const uint8_t header[8] = {type, 0};

	return append(p, header, sizeof(header));
}

static void end_icmp(struct packet *p, uint32_t icmp, uint32_t ip)
{
	bool v6 = p->bytes[ip] >> 4 == 6;

	seal(p, (struct sum){icmp + 2, icmp, p->n, v6 ? ip : NOTHING, IPPROTO_ICMPV6});
	end_ip(p, ip);
}

/* An error that quotes a whole packet, so that the checksums in it can be summed up. */
static struct packet *make_error(const char *name, bool v6, uint8_t type, uint8_t quoted)
{
	struct packet *p = new_packet(name, v6 ? 0x86dd : 0x0800);
	uint32_t ip = v6 ? begin_ipv6(p, IPPROTO_ICMPV6) : begin_ipv4(p, IPPROTO_ICMP, 0);
	uint32_t icmp = begin_icmp(p, type);

	if (!v6 && type == 5) {
		memcpy(p->bytes + icmp + 4, "\xc0\xa8\x01\xfe", 4);
		has_address(p, icmp + 4, false);
	}
	add_whole(p, v6, quoted);
	end_icmp(p, icmp, ip);
	return p;
}

/* ICMPv6 with addresses of its own. */
static void make_message(const char *name, uint8_t type, unsigned n)
{
	struct packet *p = new_packet(name, 0x86dd);
	uint32_t ip = begin_ipv6(p, IPPROTO_ICMPV6), icmp = begin_icmp(p, type);
	uint8_t target[16] = {0xfe, 0x80, [15] = type};

	for (unsigned i = 0; i < n; i++)
		has_address(p, append(p, target, sizeof(target)), true);
	append(p, "\1\1\2\0\0\0\0\1", 8);
	end_icmp(p, icmp, ip);
}

static void make_fragments(void)
{
	struct packet *p = new_packet("first fragment", 0x0800);
	uint32_t ip = begin_ipv4(p, IPPROTO_UDP, 0x2000), udp = begin_udp(p, 53);

	append(p, "first of two bits", 16);
	end_udp(p, udp, ip); // of this half alone, which changes as the whole would
	end_ip(p, ip);
	p = new_packet("later fragment", 0x0800);
	ip = begin_ipv4(p, IPPROTO_UDP, 2);
	append(p, "\5\6\7\10\1\2\3\4", 8);
	end_ip(p, ip);
}

static void make_plain(void)
{
	struct packet *p;
	uint32_t ip, icmp;

	add_whole(new_packet("UDP", 0x0800), false, IPPROTO_UDP);
	add_whole(new_packet("TCP", 0x0800), false, IPPROTO_TCP);
	add_whole(new_packet("UDP over IPv6", 0x86dd), true, IPPROTO_UDP);
	add_whole(new_packet("TCP over IPv6", 0x86dd), true, IPPROTO_TCP);
	p = new_packet("UDP without a checksum", 0x0800);
	ip = begin_ipv4(p, IPPROTO_UDP, 0);
	add_udp(p, ip, 53);
	memset(p->bytes + p->sums[--p->n_sums].at, 0, 2);
	end_ip(p, ip);
	p = new_packet("echo", 0x0800);
	ip = begin_ipv4(p, IPPROTO_ICMP, 0);
	icmp = begin_icmp(p, 8);
	append(p, "E\0\0\24abcdefghijklmnopqrstuv", 26); // looks like a packet, and is none
	end_icmp(p, icmp, ip);
	p = new_packet("ARP", 0x0806);
	append(p, "\0\1\10\0\6\4\0\1\2\0\0\0\0\1\12\1\7\1\0\0\0\0\0\0\12\1\7\2", 28);
	p->no_ip = true;
}

static void make_all(void)
{
	struct packet *p;

	n_packets = 0;
	make_plain();
	make_fragments();
	make_error("unreachable", false, 3, IPPROTO_UDP);
	make_error("time exceeded", false, 11, IPPROTO_TCP);
	make_error("redirect", false, 5, IPPROTO_TCP);
	make_error("unreachable over IPv6", true, 1, IPPROTO_UDP);
	make_error("packet too big", true, 2, IPPROTO_TCP);
	p = make_error("unreachable, wrong checksum", false, 3, IPPROTO_UDP);
	p->bytes[p->sums[2].at] ^= 0x10;
	make_message("neighbour solicitation", 135, 1);
	make_message("neighbour advertisement", 136, 1);
	make_message("redirect over IPv6", 137, 2);
	make_message("listener report", 131, 1);
	make_message("router solicitation", 133, 0);
}

/* An outer packet with UDP's or GRE's checksum over all of the inner one. */
static void make_tunnels(void)
{
	static const uint8_t vxlan[] = {8, 0, 0, 0, 0, 0, 7, 0},
			     gre[] = {0x80, 0, 8, 0, 0, 0, 0, 0};
	static const uint8_t ethernet[] = {2, 0, 0, 0, 0, 3, 2, 0, 0, 0, 0, 4, 0x86, 0xdd};
	uint32_t ip, inside;
	struct packet *p;

	n_packets = 0;
	p = new_packet("VXLAN", 0x0800);
	ip = begin_ipv4(p, IPPROTO_UDP, 0);
	inside = begin_udp(p, 4789);
	append(p, vxlan, sizeof(vxlan));
	append(p, ethernet, sizeof(ethernet));
	add_whole(p, true, IPPROTO_TCP);
	end_udp(p, inside, ip);
	end_ip(p, ip);
	p = new_packet("GRE", 0x0800);
	ip = begin_ipv4(p, IPPROTO_GRE, 0);
	inside = append(p, gre, sizeof(gre));
	add_whole(p, false, IPPROTO_UDP);
	seal(p, (struct sum){inside + 4, inside, p->n, NOTHING, 0});
	end_ip(p, ip);
	p = new_packet("IP in IP", 0x86dd);
	ip = begin_ipv6(p, IPPROTO_IPIP);
	add_whole(p, false, IPPROTO_TCP);
	end_ip(p, ip);
}

/* --- running --- */

static void make_batch(struct hm_batch *b, const struct packet *from, uint32_t n,
		       const struct hm_parse_conf *conf)
{
	memset(b, 0, sizeof(*b));
	b->n = n;
	b->all = hm_mask_first(n);
	b->link = HM_LINK_ETHERNET;
	for (uint32_t i = 0; i < n; i++) {
		b->data[i] = from[i].bytes;
		b->caplen[i] = from[i].n;
		b->wirelen[i] = from[i].n + 3;
		b->ts_ns[i] = 1000 + i;
		b->ifindex[i] = 5;
	}
	hm_parse(b, conf);
}

static void expect_addresses(const struct packet *p, const uint8_t *got)
{
	for (unsigned i = 0; i < p->n_addresses; i++) {
		uint32_t at = p->addresses[i].at;
		uint8_t wanted[1][16];

		memcpy(wanted[0], p->bytes + at, 16);
		if (p->addresses[i].v6)
			hm_cryptopan_ipv6(cryptopan, wanted, 1);
		else
			hm_cryptopan_ipv4(cryptopan, (uint32_t *)(void *)wanted[0], 1);
		assert_memory_equal(got + at, wanted[0], p->addresses[i].v6 ? 16 : 4);
	}
}

/* A checksum was right or wrong before by so much, and is by as much now. */
static void expect_sums(const struct packet *p, const uint8_t *got)
{
	for (unsigned i = 0; i < p->n_sums; i++)
		if (sum_of(got, &p->sums[i]) != sum_of(p->bytes, &p->sums[i]))
			fail_msg("%s: checksum at %u", p->name, p->sums[i].at);
}

static bool may_change(const struct packet *p, uint32_t at)
{
	for (unsigned i = 0; i < p->n_addresses; i++)
		if (at - p->addresses[i].at < (p->addresses[i].v6 ? 16u : 4u))
			return true;
	for (unsigned i = 0; i < p->n_sums; i++)
		if (at - p->sums[i].at < 2)
			return true;
	return false;
}

static void expect_rest(const struct packet *p, const uint8_t *got, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (!may_change(p, i) && got[i] != p->bytes[i])
			fail_msg("%s: byte %u has changed", p->name, i);
}

static void expect_packet(const struct packet *p, const struct hm_batch *out, uint32_t i,
			  struct hm_copies *pool)
{
	const uint8_t *got = out->data[i];

	assert_ptr_not_equal(got, p->bytes);
	assert_int_equal(out->caplen[i], p->n);
	assert_int_equal(out->wirelen[i], p->n + 3);
	assert_int_equal(out->ifindex[i], 5);
	expect_addresses(p, got);
	expect_sums(p, got);
	expect_rest(p, got, p->n);
	hm_copies_give(pool, (uint8_t *)(uintptr_t)got);
}

static void run(const struct harness *h, const struct packet *from, uint32_t n, uint64_t mask,
		const struct hm_parse_conf *conf, struct hm_copies *pool)
{
	static struct hm_batch b, out;
	uint32_t k = 0;

	make_batch(&b, from, n, conf);
	out.n = 0;
	assert_int_equal(h->f->transform(h->core, &b, b.all & mask, &out, pool), 0);
	for (uint32_t i = 0; i < n; i++)
		if (mask >> i & 1 && !from[i].no_ip) {
			assert_int_equal(out.ts_ns[k], 1000 + i);
			expect_packet(&from[i], &out, k++, pool);
		}
	assert_int_equal(out.n, k);
	assert_int_equal(hm_copies_free(pool), COPIES);
}

static void test_every_kind_in_every_batch(void **state)
{
	static const struct hm_parse_conf conf;
	static struct packet before[32];
	struct hm_error err;
	struct harness h;

	make_all();
	memcpy(before, packets, sizeof(before));
	assert_int_equal(harness_open(&h, "ANONYMIZEIP", "[\"" KEY "\"]", &err), 0);
	for (uint32_t batch = 1; batch <= n_packets; batch++)
		for (uint32_t at = 0; at < n_packets; at += batch) {
			uint32_t n = n_packets - at < batch ? n_packets - at : batch;
			run(&h, packets + at, n, UINT64_MAX, &conf, *state);
			run(&h, packets + at, n, UINT64_C(0x5b6d5b6d), &conf, *state);
		}
	assert_memory_equal(packets, before, sizeof(before)); // other flows have them, too
	harness_close(&h);
}

static void test_tunnels_outside_and_inside(void **state)
{
	static const struct hm_parse_conf conf = {HM_TUNNEL_VXLAN | HM_TUNNEL_GRE | HM_TUNNEL_IPIP};
	struct hm_error err;
	struct harness h;

	make_tunnels();
	assert_int_equal(n_packets, 3);
	assert_int_equal(harness_open(&h, "ANONYMIZEIP", "[\"" KEY "\"]", &err), 0);
	run(&h, packets, n_packets, UINT64_MAX, &conf, *state);
	run(&h, packets, n_packets, 6, &conf, *state);
	harness_close(&h);
}

/* Whatever is there of an address is its pseudonym, or blank. */
static void expect_no_address(const struct packet *p, const uint8_t *got, uint32_t n)
{
	static const uint8_t blank[16];

	for (unsigned i = 0; i < p->n_addresses; i++) {
		const struct address *a = &p->addresses[i];
		uint32_t size = a->v6 ? 16 : 4;
		struct packet one = {.n_addresses = 1, .addresses = {*a}};

		memcpy(one.bytes, p->bytes, ROOM);
		if (a->at + size <= n)
			expect_addresses(&one, got);
		else if (a->at < n)
			assert_memory_equal(got + a->at, blank, n - a->at);
	}
}

static void test_cut_at_every_byte_shows_no_address(void **state)
{
	static const struct hm_parse_conf conf;
	static struct hm_batch b, out;
	struct hm_error err;
	struct harness h;

	make_all();
	assert_int_equal(harness_open(&h, "ANONYMIZEIP", "[\"" KEY "\"]", &err), 0);
	for (unsigned i = 0; i < n_packets; i++)
		for (uint32_t cut = 0; cut <= packets[i].n; cut++) {
			uint8_t *exact = malloc(cut + 1); // sanitizers see what is read behind it

			memcpy(exact, packets[i].bytes, cut);
			make_batch(&b, &packets[i], 1, &conf);
			b.data[0] = exact;
			b.caplen[0] = cut;
			hm_parse(&b, &conf);
			out.n = 0;
			assert_int_equal(h.f->transform(h.core, &b, 1, &out, *state), 0);
			assert_int_equal(out.n,
					 !packets[i].no_ip &&
						 cut >= (packets[i].bytes[12] == 8 ? 34 : 54));
			if (out.n) {
				expect_no_address(&packets[i], out.data[0], cut);
				expect_rest(&packets[i], out.data[0], cut);
				hm_copies_give(*state, (uint8_t *)(uintptr_t)out.data[0]);
			}
			free(exact);
		}
	harness_close(&h);
}

/* Random bytes where addresses, protocols and lengths are: nothing is read or written that is not there. */
static void test_garbage(void **state)
{
	static const struct hm_parse_conf conf;
	static struct hm_batch b, out;
	uint64_t x = 88172645463325252;
	struct hm_error err;
	struct harness h;

	assert_int_equal(harness_open(&h, "ANONYMIZEIP", "[\"" KEY "\"]", &err), 0);
	for (unsigned round = 0; round < 20000; round++) {
		struct packet *p;

		if (round % 1000 == 0)
			make_all();
		p = &packets[round % n_packets];
		for (unsigned k = 0; k < 3; k++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			p->bytes[14 + (x >> 8) % (p->n - 14)] = (uint8_t)x;
		}
		make_batch(&b, p, 1, &conf);
		out.n = 0;
		assert_int_equal(h.f->transform(h.core, &b, 1, &out, *state), 0);
		if (out.n)
			hm_copies_give(*state, (uint8_t *)(uintptr_t)out.data[0]);
	}
	assert_int_equal(hm_copies_free(*state), COPIES);
	harness_close(&h);
}

static void test_empty_pool_and_too_long(void **state)
{
	static const struct hm_parse_conf conf;
	static struct hm_batch b, out;
	struct hm_copies *few = hm_copies_create(2, ROOM, 0), *tiny = hm_copies_create(4, 64, 0);
	struct hm_error err;
	struct harness h;

	(void)state;
	make_all();
	assert_int_equal(harness_open(&h, "ANONYMIZEIP", "[\"" KEY "\"]", &err), 0);
	make_batch(&b, packets, 4, &conf);
	out.n = 0;
	assert_int_equal(h.f->transform(h.core, &b, 0xf, &out, few), 0xc);
	assert_int_equal(out.n, 2);
	expect_packet(&packets[0], &out, 0, few);
	expect_packet(&packets[1], &out, 1, few);
	out.n = 0;
	assert_int_equal(h.f->transform(h.core, &b, 0xf, &out, tiny), 0xc); // 50, 59, 70, 79 bytes
	hm_copies_destroy(few);
	hm_copies_destroy(tiny);
	harness_close(&h);
}

static void test_wrong_keys_are_refused_and_not_told(void **state)
{
	static const char *const wrong[] = {"[\"0123456789abcdefghijklmnopqrstuvw\"]",
					    "[\"0123456789abcdefghijklmnopqrstu\"]"};
	struct hm_error err;
	struct harness h;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(harness_open(&h, "ANONYMIZEIP", wrong[i], &err), -EINVAL);
		assert_int_equal(err.mapi_errno, 7001);
		assert_non_null(strstr(err.text, "ANONYMIZEIP"));
		assert_null(strstr(err.text, "0123456"));
		harness_close(&h);
	}
	assert_int_equal(harness_open(&h, "ANONYMIZEIP", "[]", &err), -EINVAL);
	assert_int_equal(err.mapi_errno, 7001);
	harness_close(&h);
}

static int setup(void **state)
{
	cryptopan = hm_cryptopan_create((const uint8_t *)KEY);
	*state = hm_copies_create(COPIES, ROOM, 0);
	return *state && cryptopan ? 0 : -1;
}

static int teardown(void **state)
{
	assert_int_equal(hm_copies_free(*state), COPIES);
	hm_copies_destroy(*state);
	hm_cryptopan_destroy(cryptopan);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_kind_in_every_batch),
		cmocka_unit_test(test_tunnels_outside_and_inside),
		cmocka_unit_test(test_cut_at_every_byte_shows_no_address),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_empty_pool_and_too_long),
		cmocka_unit_test(test_wrong_keys_are_refused_and_not_told),
	};
	if (start_eal() < 0)
		return 1;
	return cmocka_run_group_tests(tests, setup, teardown);
}

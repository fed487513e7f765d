/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets are written field by field from random numbers, which PROTINFO must give back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "function_harness.h"

#define N      131 // no batch size but 1 divides it
#define ROOM   128
#define FIELDS 40

struct truth {
	const char *name;
	uint64_t value;
	uint32_t whole; // frame bytes that must be there
};

static struct packet {
	uint8_t bytes[ROOM];
	uint32_t n;
	struct truth truth[FIELDS];
	unsigned fields, counted; // counted: those of layers that are finished
} packets[N];
static struct frame frames[N];
static uint64_t state_of_chance = 20061125;

static uint64_t chance(unsigned bits)
{
	state_of_chance = state_of_chance * UINT64_C(6364136223846793005) + 1442695040888963407;
	return state_of_chance >> (64 - bits);
}

static uint64_t put(struct packet *p, unsigned bytes, uint64_t value)
{
	for (unsigned i = bytes; i-- > 0;)
		p->bytes[p->n++] = (uint8_t)(value >> 8 * i);
	return value;
}

static void say(struct packet *p, const char *name, uint64_t value)
{
	assert_in_range(p->fields, 0, FIELDS - 1);
	p->truth[p->fields++] = (struct truth){.name = name, .value = value};
}

static void end_layer(struct packet *p)
{
	while (p->counted < p->fields)
		p->truth[p->counted++].whole = p->n;
}

static void put_ethernet(struct packet *p, bool tag, uint16_t type)
{
	uint16_t priority = (uint16_t)chance(3), dei = (uint16_t)chance(1),
		 id = (uint16_t)chance(12);

	say(p, "eth.dst", put(p, 6, chance(48)));
	say(p, "eth.src", put(p, 6, chance(48)));
	say(p, "eth.type", put(p, 2, tag ? 0x8100 : type));
	end_layer(p);
	if (!tag)
		return;
	put(p, 2, (uint64_t)priority << 13 | (uint64_t)dei << 12 | id);
	put(p, 2, type);
	say(p, "vlan.priority", priority);
	say(p, "vlan.dei", dei);
	say(p, "vlan.id", id);
	end_layer(p);
}

static void put_ip4(struct packet *p, uint8_t proto, uint16_t payload)
{
	uint64_t dscp = chance(6), ecn = chance(2);

	put(p, 1, 0x46); // with four bytes of options
	say(p, "ip.version", 4);
	say(p, "ip.hdr_len", 24);
	say(p, "ip.dsfield", put(p, 1, dscp << 2 | ecn));
	say(p, "ip.dsfield.dscp", dscp);
	say(p, "ip.dsfield.ecn", ecn);
	say(p, "ip.len", put(p, 2, 24u + payload));
	say(p, "ip.id", put(p, 2, chance(16)));
	put(p, 2, 0x4000); // not a fragment
	say(p, "ip.flags", 2);
	say(p, "ip.frag_offset", 0);
	say(p, "ip.ttl", put(p, 1, chance(8)));
	say(p, "ip.proto", put(p, 1, proto));
	say(p, "ip.checksum", put(p, 2, chance(16)));
	say(p, "ip.src", put(p, 4, chance(32)));
	say(p, "ip.dst", put(p, 4, chance(32)));
	put(p, 4, 0x01010101);
	end_layer(p);
}

static void put_ip6(struct packet *p, uint8_t proto, uint16_t payload)
{
	uint64_t class = chance(8), label = chance(20);

	put(p, 4, UINT64_C(6) << 28 | class << 20 | label);
	say(p, "ipv6.version", 6);
	say(p, "ipv6.tclass", class);
	say(p, "ipv6.flow", label);
	say(p, "ipv6.plen", put(p, 2, payload));
	say(p, "ipv6.nxt", put(p, 1, proto));
	say(p, "ipv6.hlim", put(p, 1, chance(8)));
	say(p, "ipv6.src.high", put(p, 8, chance(64)));
	say(p, "ipv6.src.low", put(p, 8, chance(64)));
	say(p, "ipv6.dst.high", put(p, 8, chance(64)));
	say(p, "ipv6.dst.low", put(p, 8, chance(64)));
	end_layer(p);
}

static void put_tcp(struct packet *p)
{
	uint64_t flags = chance(12);

	say(p, "tcp.srcport", put(p, 2, chance(16)));
	say(p, "tcp.dstport", put(p, 2, chance(16)));
	say(p, "tcp.seq", put(p, 4, chance(32)));
	say(p, "tcp.ack", put(p, 4, chance(32)));
	put(p, 2, 6 << 12 | flags);
	say(p, "tcp.hdr_len", 24);
	say(p, "tcp.flags", flags);
	say(p, "tcp.window_size_value", put(p, 2, chance(16)));
	say(p, "tcp.checksum", put(p, 2, chance(16)));
	say(p, "tcp.urgent_pointer", put(p, 2, chance(16)));
	end_layer(p); // options are not needed
	put(p, 4, 0x01010101);
}

static void put_udp(struct packet *p)
{
	say(p, "udp.srcport", put(p, 2, 1 + chance(10)));
	say(p, "udp.dstport", put(p, 2, 1 + chance(10)));
	say(p, "udp.length", put(p, 2, 12));
	say(p, "udp.checksum", put(p, 2, chance(16)));
	end_layer(p);
	put(p, 4, chance(32));
}

static void put_icmp(struct packet *p, bool six)
{
	say(p, six ? "icmpv6.type" : "icmp.type", put(p, 1, chance(8)));
	say(p, six ? "icmpv6.code" : "icmp.code", put(p, 1, chance(8)));
	say(p, six ? "icmpv6.checksum" : "icmp.checksum", put(p, 2, chance(16)));
	if (six) {
		put(p, 4, chance(32));
	} else {
		say(p, "icmp.ident", put(p, 2, chance(16)));
		say(p, "icmp.seq", put(p, 2, chance(16)));
	}
	end_layer(p);
}

static void write_packet(struct packet *p, unsigned kind)
{
	static const uint8_t protocols[2][3] = {{6, 17, 1}, {6, 17, 58}};
	static const uint16_t lengths[] = {24, 12, 8};
	unsigned six = kind & 1, tag = kind >> 1 & 1, layer4 = kind / 4 % 3;

	memset(p, 0, sizeof(*p));
	put_ethernet(p, tag, six ? 0x86dd : 0x0800);
	(six ? put_ip6 : put_ip4)(p, protocols[six][layer4], lengths[layer4]);
	if (layer4 == 0)
		put_tcp(p);
	else if (layer4 == 1)
		put_udp(p);
	else
		put_icmp(p, six);
}

/* What the packet says of the field, of its first `caplen` bytes. */
static uint64_t truth_of(const struct packet *p, const char *name, uint32_t caplen)
{
	for (unsigned i = 0; i < p->fields; i++)
		if (!strcmp(p->truth[i].name, name))
			return caplen >= p->truth[i].whole ? p->truth[i].value : 0;
	return 0;
}

static void open_field(struct harness *h, const char *name)
{
	struct hm_error err;
	char args[64];

	snprintf(args, sizeof(args), "[\"%s\"]", name);
	assert_int_equal(harness_open(h, "PROTINFO", args, &err), 0);
}

static const char *const *names(void)
{
	return hm_function_find("PROTINFO")->args[0].names;
}

static void test_protinfo_every_field_any_batch_size(void **state)
{
	(void)state;
	for (const char *const *name = names(); *name; name++)
		for (unsigned batch = 1; batch <= 64; batch += 9) {
			struct harness h;
			bool passed[N];
			unsigned there = 0;

			open_field(&h, *name);
			for (unsigned i = 0; i < N; i += batch) {
				unsigned n = N - i < batch ? N - i : batch;
				const char *core = h.core;
				const uint64_t *values =
					(const uint64_t *)(core + h.f->values->offset);

				harness_run(&h, frames + i, n, batch, false, passed);
				for (unsigned k = 0; k < n; k++) {
					uint64_t truth = truth_of(&packets[i + k], *name, ROOM);

					assert_true(passed[k]);
					assert_true(values[k] == truth);
					there += truth != 0;
				}
				assert_true(harness_result(&h, "value") == values[n - 1]);
			}
			if (strcmp(*name, "ip.frag_offset") != 0)
				assert_true(there > 0);
			harness_close(&h);
		}
}

/* Copies of exactly the captured bytes: the sanitizer sees who reads behind them. */
static void test_protinfo_cut_at_every_byte(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < 12; kind++)
		for (const char *const *name = names(); *name; name++) {
			const struct packet *p = &packets[kind];
			struct harness h;

			open_field(&h, *name);
			for (uint32_t caplen = 1; caplen <= p->n; caplen++) {
				uint8_t *copy = test_malloc(caplen);
				struct frame cut = {.data = memcpy(copy, p->bytes, caplen),
						    .caplen = caplen,
						    .wirelen = p->n};
				bool passed;

				harness_run(&h, &cut, 1, 1, false, &passed);
				assert_true(harness_result(&h, "value") ==
					    truth_of(p, *name, caplen));
				test_free(copy);
			}
			harness_close(&h);
		}
}

static void test_protinfo_fragment_fields(void **state)
{
	uint8_t frame[HARNESS_UDP_HEADERS + 4];
	struct frame one = {.data = frame, .caplen = harness_udp(frame, 7, 9, "abcd", 4)};
	struct harness h;
	bool passed;

	(void)state;
	frame[20] = 0x3f; // more fragments
	frame[21] = 0xee;
	open_field(&h, "ip.frag_offset");
	harness_run(&h, &one, 1, 1, false, &passed);
	assert_int_equal(harness_result(&h, "value"), 0x1fee);
	harness_close(&h);
	open_field(&h, "udp.srcport"); // a later fragment has no ports
	harness_run(&h, &one, 1, 1, false, &passed);
	assert_int_equal(harness_result(&h, "value"), 0);
	harness_close(&h);
}

static void test_protinfo_numbers_are_those_of_the_names(void **state)
{
	struct hm_error err;
	struct harness h;
	bool passed[N];

	(void)state;
	assert_string_equal(names()[0], "tcp.seq");
	assert_string_equal(names()[1], "tcp.ack");
	for (unsigned number = 1; names()[number - 1]; number++) {
		char args[16];

		snprintf(args, sizeof(args), "[%u]", number);
		assert_int_equal(harness_open(&h, "PROTINFO", args, &err), 0);
		for (unsigned i = 0; i < 12; i++) {
			harness_run(&h, frames + i, 1, 1, false, passed);
			assert_true(harness_result(&h, "value") ==
				    truth_of(&packets[i], names()[number - 1], ROOM));
		}
		harness_close(&h);
	}
}

static void test_protinfo_wrong_argument_is_7001(void **state)
{
	static const char *const wrong[] = {"[]", "[0]", "[52]", "[-1]", "[\"tcp\"]", "[\"\"]"};

	(void)state;
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct hm_error err;
		struct harness h;

		assert_true(harness_open(&h, "PROTINFO", wrong[i], &err) < 0);
		assert_int_equal(err.mapi_errno, 7001);
		harness_close(&h);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_protinfo_every_field_any_batch_size),
		cmocka_unit_test(test_protinfo_cut_at_every_byte),
		cmocka_unit_test(test_protinfo_fragment_fields),
		cmocka_unit_test(test_protinfo_numbers_are_those_of_the_names),
		cmocka_unit_test(test_protinfo_wrong_argument_is_7001),
	};

	for (unsigned i = 0; i < N; i++) {
		write_packet(&packets[i], i);
		frames[i] = (struct frame){.data = packets[i].bytes, .caplen = packets[i].n};
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}

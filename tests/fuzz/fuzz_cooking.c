/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_cooking: any bytes as a trace of TCP. Each record is two bytes of length, one of what was on the wire besides and one
 * of milliseconds since the one before; the rest is the packet. The first byte of all chooses the policies. Memory is
 * short, so that connections are driven out all the time. Checks that every packet is accounted for, that what is
 * handed on is TCP with its data, and that all memory is there in the end.
 */
#include <stdlib.h>
#include <string.h>

#include "../parse/parse_check.h"
#include "cook/streams.h"
#include "core/pages.h"
#include "core/parse.h"

#define CONNECTIONS 4

static struct hm_batch batch, made;
static struct hm_streams_keys keys;
static uint8_t frame[UINT16_MAX];

static void check_counts(const struct hm_streams *s)
{
	const struct hm_streams_counts *k = s->counts;
	uint64_t sum = k->used + k->held;

	for (unsigned c = 0; c < HM_STREAMS_CAUSES; c++)
		sum += k->dropped[c];
	PARSE_CHECK(0, k->segments == sum);
	PARSE_CHECK(0, k->open <= CONNECTIONS);
	PARSE_CHECK(0, k->held <= k->segments);
}

/* False: there was nothing. */
static bool take(struct hm_streams *s, bool copy)
{
	const struct hm_parse_conf conf = {0};
	const uint64_t bytes = s->counts->bytes;
	struct hm_cooked cooked;

	if (!hm_streams_take(s, copy ? frame : NULL, sizeof(frame), &cooked))
		return false;
	if (!copy)
		return true;
	made.n = 1;
	made.all = 1;
	made.link = batch.link;
	made.data[0] = frame;
	made.caplen[0] = made.wirelen[0] = cooked.caplen;
	hm_parse(&made, &conf);
	PARSE_CHECK(0, (made.tcp & made.l4_ok) == 1 && !made.fragment);
	PARSE_CHECK(0, made.l3[0] + made.ip_len[0] == cooked.caplen);
	PARSE_CHECK(0, cooked.caplen - made.payload[0] == s->counts->bytes - bytes);
	return true;
}

static void add(struct hm_streams *s)
{
	for (unsigned rounds = 0; !hm_streams_add(s, &keys, &batch, 0); rounds++) {
		take(s, rounds % 5 != 4);
		PARSE_CHECK(0, rounds < 100000);
	}
	while (hm_streams_due(s))
		take(s, true);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct hm_parse_conf conf = {0};
	const uint8_t policy = size ? *data : 0;
	const struct hm_streams_conf streams = {.threshold = policy & 1 ? 700 : 20000,
						.connections = CONNECTIONS,
						.blocks = hm_streams_blocks_min(),
						.window = UINT16_MAX,
						.timeout_ns = UINT64_C(300000000),
						.collect = HM_STREAMS_BOTH,
						.first_only = policy & 2,
						.midstream = policy & 4,
						.last_wins = policy & 8,
						.refuse = policy & 16};
	const size_t mapped = hm_streams_mapped(&streams);
	void *memory = hm_pages_map(mapped, -1);
	struct hm_streams_counts counts = {0};
	struct hm_streams s;
	uint64_t now_ns = 1;

	if (!memory || hm_streams_init(&s, &streams, &counts, memory, -1) < 0)
		abort();
	batch.n = 1;
	batch.all = 1;
	batch.link = HM_LINK_ETHERNET;
	for (data++; size > 5;) {
		uint32_t n = (uint32_t)data[0] << 8 | data[1];
		uint8_t *bytes;

		n = n < size - 5 ? n : (uint32_t)size - 5;
		bytes = malloc(n ? n : 1); // its end is the block's end
		if (!bytes)
			abort();
		memcpy(bytes, data + 4, n);
		batch.data[0] = bytes;
		batch.caplen[0] = n;
		batch.wirelen[0] = n + data[2];
		now_ns += data[3] * UINT64_C(1000000);
		batch.ts_ns[0] = now_ns;
		hm_parse(&batch, &conf);
		while (hm_streams_tell(&s, now_ns))
			take(&s, true);
		if (batch.tcp & batch.l4_ok & ~batch.fragment) {
			hm_streams_prepare(&keys, &batch, 1);
			hm_streams_expect(&s, &keys, 0);
			hm_streams_fetch(&s, &keys, 0);
			add(&s);
		}
		check_counts(&s);
		free(bytes);
		data += 4 + n;
		size -= 4 + n;
	}
	if (policy & 32)
		hm_streams_drop_all(&s);
	while (hm_streams_due(&s) || hm_streams_end_oldest(&s))
		while (take(&s, true))
			;
	check_counts(&s);
	PARSE_CHECK(0, counts.held == 0 && counts.open == 0);
	PARSE_CHECK(0, hm_copies_free(s.blocks) == hm_streams_blocks_min());
	hm_streams_fini(&s);
	hm_pages_unmap(memory, mapped);
	return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_defrag: any bytes as a trace of fragments. Each record is two bytes of length, one of what was on the wire
 * besides and one of milliseconds since the one before; the rest is the packet. Memory is short, so that datagrams are
 * driven out all the time. Checks that every fragment is accounted for, that what is whole parses as what it is, and
 * that all memory is there in the end.
 */
#include <stdlib.h>
#include <string.h>

#include "../parse/parse_check.h"
#include "core/datagrams.h"
#include "core/parse.h"

#define DATAGRAMS  5
#define TIMEOUT_NS UINT64_C(300000000)

static struct hm_batch batch, made;
static uint8_t frame[UINT16_MAX];

static void check_counts(const struct hm_datagrams *d)
{
	const struct hm_datagrams_counts *k = &d->counts;
	uint64_t sum = k->joined + k->held;

	for (unsigned c = 0; c < HM_DATAGRAMS_CAUSES; c++)
		sum += k->dropped[c];
	PARSE_CHECK(0, k->fragments == sum);
	PARSE_CHECK(0, k->waiting <= DATAGRAMS && k->waiting <= k->held);
}

static void take(struct hm_datagrams *d, uint32_t datagram)
{
	const struct hm_parse_conf conf = {0};
	uint32_t wirelen;

	made.n = 1;
	made.all = 1;
	made.link = batch.link;
	made.data[0] = frame;
	made.caplen[0] = hm_datagrams_take(d, datagram, frame, sizeof(frame), &wirelen);
	made.wirelen[0] = wirelen;
	PARSE_CHECK(0, made.caplen[0] == (wirelen < UINT16_MAX ? wirelen : UINT16_MAX));
	hm_parse(&made, &conf);
	PARSE_CHECK(0, (made.ipv4 | made.ipv6) == 1);
	PARSE_CHECK(0, made.l3[0] + made.ip_len[0] == wirelen);
	PARSE_CHECK(0, made.ipv6 || !made.fragment);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct hm_parse_conf conf = {0};
	struct hm_datagrams d;
	uint64_t now_ns = 1;

	if (hm_datagrams_init(&d, DATAGRAMS, HM_DATAGRAMS_BLOCKS_MIN, TIMEOUT_NS, -1) < 0)
		abort();
	batch.n = 1;
	batch.all = 1;
	batch.link = HM_LINK_ETHERNET;
	while (size > 4) {
		uint32_t n = (uint32_t)data[0] << 8 | data[1], datagram;
		uint8_t *bytes;

		n = n < size - 4 ? n : (uint32_t)size - 4;
		bytes = malloc(n ? n : 1); // its end is the block's end
		if (!bytes)
			abort();
		memcpy(bytes, data + 4, n);
		batch.data[0] = bytes;
		batch.caplen[0] = n;
		batch.wirelen[0] = n + data[2];
		now_ns += data[3] * UINT64_C(1000000);
		hm_parse(&batch, &conf);
		hm_datagrams_tell(&d, now_ns);
		datagram = batch.fragment ? hm_datagrams_add(&d, &batch, 0) : 0;
		if (datagram)
			take(&d, datagram);
		check_counts(&d);
		free(bytes);
		data += 4 + n;
		size -= 4 + n;
	}
	hm_datagrams_end(&d);
	check_counts(&d);
	PARSE_CHECK(0, d.counts.held == 0 && d.counts.waiting == 0);
	PARSE_CHECK(0, hm_copies_free(d.blocks) == HM_DATAGRAMS_BLOCKS_MIN);
	hm_datagrams_fini(&d);
	return 0;
}

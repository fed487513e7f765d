/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_parse: any bytes as a packet. Byte 0 chooses the link type, byte 1 the tunnels, byte 2 how
 * much longer the packet was on the wire and how many copies of it are in the batch; the rest is
 * the packet. Checks what batch.h promises, that every place in the batch gives the same, and that
 * the fast and the general way agree.
 */
#include <string.h>

#include "../parse/parse_check.h"
#include "core/parse_internal.h"

static const enum hm_link links[] = {
	HM_LINK_ETHERNET, HM_LINK_RAW,       HM_LINK_IPV4,       HM_LINK_IPV6,
	HM_LINK_PPP,      HM_LINK_C_HDLC,    HM_LINK_PPP_SERIAL, HM_LINK_NULL,
	HM_LINK_LOOP,     HM_LINK_LINUX_SLL, HM_LINK_LINUX_SLL2,
};

static struct hm_batch batch;

static void fill(const uint8_t *bytes, uint32_t caplen, uint32_t wirelen, uint32_t n)
{
	batch.n = n;
	batch.all = hm_mask_first(n);
	for (uint32_t i = 0; i < n; i++) {
		batch.data[i] = bytes;
		batch.caplen[i] = caplen;
		batch.wirelen[i] = wirelen;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hm_parse_conf conf;
	struct parse_fields first, f;
	uint32_t caplen, flags;
	uint8_t *bytes;

	if (size < 3 || size - 3 > UINT16_MAX)
		return 0;
	caplen = (uint32_t)size - 3;
	bytes = malloc(caplen ? caplen : 1); // its end is the block's end
	if (!bytes)
		return 0;
	memcpy(bytes, data + 3, caplen);
	batch.link = links[data[0] % (sizeof(links) / sizeof(links[0]))];
	conf.tunnels = data[1] & 0x3f;
	fill(bytes, caplen, caplen + (data[2] >> 6) * 700u, 1 + (data[2] & 63));

	hm_parse(&batch, &conf);
	parse_check(&batch, conf.tunnels);
	first = parse_fields(&batch, 0);
	for (unsigned i = 1; i < batch.n; i++) {
		f = parse_fields(&batch, i);
		PARSE_CHECK(i, memcmp(&f, &first, sizeof(f)) == 0);
	}
	flags = hm_parse_slow(&batch, 0, conf.tunnels);
	f = parse_fields(&batch, 0);
	PARSE_CHECK(0, flags == (first.masks & 0xffff));
	PARSE_CHECK(0, memcmp(&f, &first, sizeof(f)) == 0);
	free(bytes);
	return 0;
}

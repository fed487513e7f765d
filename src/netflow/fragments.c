/* SPDX-License-Identifier: BSD-3-Clause */
#include "netflow/fragments.h"

#include <nmmintrin.h>
#include <stddef.h>
#include <string.h>

#include "core/parse.h"

/* What all fragments of a datagram have in common (RFC 791 section 3.2, RFC 8200 section 4.5). */
#define KEY_BYTES offsetof(struct hm_fragment, ports)

static_assert(KEY_BYTES % 8 == 0, "the hash goes by words");

static void describe(struct hm_fragment *f, const struct hm_batch *b, unsigned i)
{
	const uint8_t *ip = b->data[i] + b->l3[i];

	memset(f, 0, sizeof(*f));
	f->proto = b->proto[i];
	if (b->ipv4 >> i & 1) {
		f->version = 4;
		memcpy(f->addr[0], ip + 12, 4);
		memcpy(f->addr[1], ip + 16, 4);
		memcpy(&f->id, ip + 4, 2);
	} else {
		f->version = 6;
		memcpy(f->addr, ip + 8, 32);
		memcpy(&f->id, b->data[i] + hm_parse_fragment_header(b, i, NULL) + 4, 4);
	}
	f->ts_ns = b->ts_ns[i];
}

static struct hm_fragment *place_of(struct hm_fragments *f, const struct hm_fragment *key)
{
	uint64_t hash = 0, word;

	for (size_t i = 0; i < KEY_BYTES; i += sizeof(word)) {
		memcpy(&word, (const uint8_t *)key + i, sizeof(word));
		hash = _mm_crc32_u64(hash, word);
	}
	return &f->place[hash % HM_FRAGMENTS_PLACES];
}

static bool is_near(uint64_t a, uint64_t b)
{
	return (a > b ? a - b : b - a) < HM_FRAGMENTS_NS;
}

/* Of a first fragment. */
static union hm_fragment_ports ports_in(const struct hm_batch *b, unsigned i)
{
	const uint8_t *l4 = b->data[i] + b->l4[i];
	union hm_fragment_ports ports = {.word = 0};

	if ((b->tcp | b->udp | b->sctp) >> i & 1)
		memcpy(ports.byte, l4, 4);
	else if ((b->icmp | b->icmp6) >> i & 1)
		memcpy(ports.byte + 2, l4, 2);
	return ports;
}

void hm_fragments_match(struct hm_fragments *f, const struct hm_batch *b, uint64_t in,
			union hm_fragment_ports ports[HM_BATCH_MAX])
{
	hm_mask_foreach (i, in & b->fragment) {
		struct hm_fragment key, *place;
		describe(&key, b, i);
		place = place_of(f, &key);
		if (b->l4_ok >> i & 1) {
			key.ports = ports_in(b, i);
			*place = key;
		} else if (memcmp(place, &key, KEY_BYTES) == 0 &&
			   is_near(place->ts_ns, key.ts_ns)) {
			ports[i] = place->ports;
		} else {
			ports[i].word = 0;
		}
	}
}

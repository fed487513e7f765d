/* SPDX-License-Identifier: BSD-3-Clause */
#include "anon/pseudonyms.h"

#include <stdlib.h>
#include <string.h>

#define BITS_4 12 // of slots in the caches: 32 KB each
#define BITS_6 10
#define MIX    UINT64_C(0x9e3779b97f4a7c15)

struct cached4 {
	uint32_t address, pseudonym;
};
struct cached6 {
	uint8_t address[16], pseudonym[16];
};

struct hm_pseudonyms {
	struct hm_cryptopan *cryptopan;
	uint32_t missing4[HM_PSEUDONYMS_MAX];
	uint8_t missing6[HM_PSEUDONYMS_MAX][16];
	uint16_t missing[HM_PSEUDONYMS_MAX]; // their numbers
	struct cached4 cache4[1 << BITS_4];
	struct cached6 cache6[1 << BITS_6];
};

/* An empty slot has the pseudonym of the address of zeros, so that no slot needs to say that it is empty. */
struct hm_pseudonyms *hm_pseudonyms_create(const uint8_t key[HM_CRYPTOPAN_KEY])
{
	struct hm_pseudonyms *p = calloc(1, sizeof(*p));
	struct cached4 zeros4 = {0};
	struct cached6 zeros6 = {0};

	if (!p)
		return NULL;
	p->cryptopan = hm_cryptopan_create(key);
	if (!p->cryptopan) {
		free(p);
		return NULL;
	}
	hm_cryptopan_ipv4(p->cryptopan, &zeros4.pseudonym, 1);
	hm_cryptopan_ipv6(p->cryptopan, &zeros6.pseudonym, 1);
	for (unsigned i = 0; i < 1 << BITS_4; i++)
		p->cache4[i] = zeros4;
	for (unsigned i = 0; i < 1 << BITS_6; i++)
		p->cache6[i] = zeros6;
	return p;
}

void hm_pseudonyms_destroy(struct hm_pseudonyms *p)
{
	if (!p)
		return;
	hm_cryptopan_destroy(p->cryptopan);
	explicit_bzero(p, sizeof(*p)); // pairs of addresses and pseudonyms
	free(p);
}

static struct cached4 *slot4(struct hm_pseudonyms *p, uint32_t address)
{
	return &p->cache4[address * MIX >> (64 - BITS_4)];
}

static struct cached6 *slot6(struct hm_pseudonyms *p, const uint8_t address[16])
{
	uint64_t half[2];

	memcpy(half, address, sizeof(half));
	return &p->cache6[(half[0] * MIX ^ half[1]) * MIX >> (64 - BITS_6)];
}

void hm_pseudonyms_ipv4(struct hm_pseudonyms *p, uint32_t *addresses, unsigned n)
{
	unsigned missing = 0;

	for (unsigned i = 0; i < n; i++) {
		const struct cached4 *known = slot4(p, addresses[i]);

		if (known->address == addresses[i]) {
			addresses[i] = known->pseudonym;
		} else {
			p->missing4[missing] = addresses[i];
			p->missing[missing++] = (uint16_t)i;
		}
	}
	hm_cryptopan_ipv4(p->cryptopan, p->missing4, missing);
	for (unsigned k = 0; k < missing; k++) {
		uint32_t *address = &addresses[p->missing[k]];

		*slot4(p, *address) = (struct cached4){*address, p->missing4[k]};
		*address = p->missing4[k];
	}
}

void hm_pseudonyms_ipv6(struct hm_pseudonyms *p, uint8_t (*addresses)[16], unsigned n)
{
	unsigned missing = 0;

	for (unsigned i = 0; i < n; i++) {
		const struct cached6 *known = slot6(p, addresses[i]);

		if (memcmp(known->address, addresses[i], 16) == 0) {
			memcpy(addresses[i], known->pseudonym, 16);
		} else {
			memcpy(p->missing6[missing], addresses[i], 16);
			p->missing[missing++] = (uint16_t)i;
		}
	}
	hm_cryptopan_ipv6(p->cryptopan, p->missing6, missing);
	for (unsigned k = 0; k < missing; k++) {
		uint8_t *address = addresses[p->missing[k]];
		struct cached6 *slot = slot6(p, address);

		memcpy(slot->address, address, 16);
		memcpy(slot->pseudonym, p->missing6[k], 16);
		memcpy(address, p->missing6[k], 16);
	}
}

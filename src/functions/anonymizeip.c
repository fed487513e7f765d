/* SPDX-License-Identifier: BSD-3-Clause */
/* ANONYMIZEIP hands on copies of IP packets in which each address is replaced by its prefix-preserving pseudonym
 * (anon/cryptopan.h), with the checksums that follow from it. A batch's addresses are encrypted together; those seen
 * lately are in a cache of the worker, which changes what it costs and never what comes out. Other packets go no
 * further, as with MAPI: they may have addresses, too (ARP).
 */
#include <errno.h>
#include <string.h>

#include "anon/cryptopan.h"
#include "anon/key.h"
#include "anon/layers.h"
#include "core/copies.h"
#include "core/function.h"
#include "core/parse.h"

#define ADDRESSES_MAX (HM_BATCH_MAX * HM_ADDRESSES_MAX)
#define BITS_4        12 // of slots in the caches: 32 KB each
#define BITS_6        10
#define MIX           UINT64_C(0x9e3779b97f4a7c15)

static_assert(HM_ANON_KEY == HM_CRYPTOPAN_KEY, "one key");

struct conf {
	uint8_t key[HM_ANON_KEY];
};

/* A packet on its way from its addresses to their pseudonyms. */
struct packet {
	uint8_t *copy;
	unsigned n;
	struct hm_layer layers[HM_LAYERS_MAX];
};

struct cached4 {
	uint32_t address, pseudonym;
};
struct cached6 {
	uint8_t address[16], pseudonym[16];
};

struct core {
	struct hm_cryptopan *cryptopan;
	unsigned n4, n6; // addresses of this batch
	uint32_t v4[ADDRESSES_MAX], missing4[ADDRESSES_MAX];
	uint8_t v6[ADDRESSES_MAX][16], missing6[ADDRESSES_MAX][16];
	uint16_t missing[ADDRESSES_MAX]; // their numbers
	struct packet packets[HM_BATCH_MAX];
	struct hm_batch outside; // packets within tunnels, seen from outside
	struct cached4 cache4[1 << BITS_4];
	struct cached6 cache6[1 << BITS_6];
};

/* --- pseudonyms --- */

static struct cached4 *slot4(struct core *c, uint32_t address)
{
	return &c->cache4[address * MIX >> (64 - BITS_4)];
}

static struct cached6 *slot6(struct core *c, const uint8_t address[16])
{
	uint64_t half[2];

	memcpy(half, address, sizeof(half));
	return &c->cache6[(half[0] * MIX ^ half[1]) * MIX >> (64 - BITS_6)];
}

/* In the place of the batch's addresses. */
static void replace4(struct core *c)
{
	unsigned n = 0;

	for (unsigned i = 0; i < c->n4; i++) {
		const struct cached4 *known = slot4(c, c->v4[i]);

		if (known->address == c->v4[i]) {
			c->v4[i] = known->pseudonym;
		} else {
			c->missing4[n] = c->v4[i];
			c->missing[n++] = (uint16_t)i;
		}
	}
	hm_cryptopan_ipv4(c->cryptopan, c->missing4, n);
	for (unsigned k = 0; k < n; k++) {
		uint32_t *v = &c->v4[c->missing[k]];

		*slot4(c, *v) = (struct cached4){*v, c->missing4[k]};
		*v = c->missing4[k];
	}
}

static void replace6(struct core *c)
{
	unsigned n = 0;

	for (unsigned i = 0; i < c->n6; i++) {
		const struct cached6 *known = slot6(c, c->v6[i]);

		if (memcmp(known->address, c->v6[i], 16) == 0) {
			memcpy(c->v6[i], known->pseudonym, 16);
		} else {
			memcpy(c->missing6[n], c->v6[i], 16);
			c->missing[n++] = (uint16_t)i;
		}
	}
	hm_cryptopan_ipv6(c->cryptopan, c->missing6, n);
	for (unsigned k = 0; k < n; k++) {
		uint8_t *v = c->v6[c->missing[k]];
		struct cached6 *slot = slot6(c, v);

		memcpy(slot->address, v, 16);
		memcpy(slot->pseudonym, c->missing6[k], 16);
		memcpy(v, c->missing6[k], 16);
	}
}

/* --- packets --- */

/* The parser tells of the innermost packet; this of the tunnel around it. */
static void look_outside(struct hm_batch *outside, const struct hm_batch *b, uint64_t tunnel)
{
	static const struct hm_parse_conf no_tunnels;

	outside->n = 0;
	outside->link = b->link;
	hm_mask_foreach (i, tunnel) {
		outside->data[outside->n] = b->data[i];
		outside->caplen[outside->n] = b->caplen[i];
		outside->wirelen[outside->n++] = b->wirelen[i];
	}
	outside->all = outside->n ? hm_mask_first(outside->n) : 0;
	if (outside->n)
		hm_parse(outside, &no_tunnels);
}

static void collect(struct core *c, struct packet *p)
{
	for (struct hm_layer *l = p->layers; l < p->layers + p->n; l++) {
		const uint8_t *from = p->copy + l->addresses;

		if (l->v6) {
			l->first = (uint16_t)c->n6;
			memcpy(c->v6[c->n6], from, l->n * sizeof(c->v6[0]));
			c->n6 += l->n;
		} else {
			l->first = (uint16_t)c->n4;
			memcpy(&c->v4[c->n4], from, l->n * sizeof(c->v4[0]));
			c->n4 += l->n;
		}
	}
}

static uint64_t anonymizeip_transform(void *core, const struct hm_batch *b, uint64_t in,
				      struct hm_batch *out, struct hm_copies *pool)
{
	struct core *c = core;
	unsigned n_outside = 0, n = 0;
	uint64_t dropped = 0;

	in &= b->ipv4 | b->ipv6;
	look_outside(&c->outside, b, in & b->tunnel);
	c->n4 = c->n6 = 0;
	hm_mask_foreach (i, in) {
		struct packet *p = &c->packets[n];
		unsigned outer = b->tunnel >> i & 1 ? n_outside++ : HM_BATCH_MAX;

		p->copy = b->caplen[i] <= hm_copies_room(pool) ? hm_copies_take(pool) : NULL;
		if (!p->copy) {
			dropped |= UINT64_C(1) << i;
			continue;
		}
		memcpy(p->copy, b->data[i], b->caplen[i]);
		hm_batch_add(out, b, i, p->copy, b->caplen[i], b->wirelen[i]);
		p->n = outer < HM_BATCH_MAX ? hm_layers_find(&c->outside, outer, p->layers) : 0;
		p->n += hm_layers_find(b, i, &p->layers[p->n]);
		collect(c, p);
		n++;
	}
	replace4(c);
	replace6(c);
	for (unsigned k = 0; k < n; k++)
		hm_layers_replace(c->packets[k].copy, c->packets[k].layers, c->packets[k].n, c->v4,
				  c->v6);
	return dropped;
}

/* --- life --- */

static int anonymizeip_conf_init(void *conf, const union hm_value *args,
				 const struct hm_apply_ctx *ctx, struct hm_error *err)
{
	struct hm_error cause;
	struct conf *c = conf;
	int rc = hm_anon_key(c->key, args[0].s, ctx->administrator || ctx->configured, &cause);

	return rc < 0 ? hm_error_set(err, rc, cause.mapi_errno, "ANONYMIZEIP: %s", cause.text) : 0;
}

static void anonymizeip_conf_fini(void *conf)
{
	explicit_bzero(conf, sizeof(struct conf));
}

/* An empty slot has the pseudonym of the address of zeros, so that no slot needs to say that it is empty. */
static int anonymizeip_core_init(void *core, const struct hm_core_ctx *ctx, struct hm_error *err)
{
	const struct conf *conf = ctx->conf;
	struct cached4 zeros4 = {0};
	struct cached6 zeros6 = {0};
	struct core *c = core;

	c->cryptopan = hm_cryptopan_create(conf->key);
	if (!c->cryptopan)
		return hm_error_set(err, -ENOMEM, 3084, "ANONYMIZEIP: out of memory");
	hm_cryptopan_ipv4(c->cryptopan, &zeros4.pseudonym, 1);
	hm_cryptopan_ipv6(c->cryptopan, &zeros6.pseudonym, 1);
	for (unsigned i = 0; i < 1 << BITS_4; i++)
		c->cache4[i] = zeros4;
	for (unsigned i = 0; i < 1 << BITS_6; i++)
		c->cache6[i] = zeros6;
	return 0;
}

static void anonymizeip_core_fini(void *core)
{
	struct core *c = core;

	hm_cryptopan_destroy(c->cryptopan);
	explicit_bzero(c, sizeof(*c)); // pairs of addresses and pseudonyms
}

static const struct hm_arg anonymizeip_args[] = {
	{.name = "key",
	 .type = HM_ARG_STRING,
	 .secret = true,
	 .help = "32 characters, 64 hexadecimal digits, or \"file:PATH\" of a file with either"},
	{0},
};

/* Not stateless: the file that an argument names may have another key by now. */
static const struct hm_function anonymizeip = {
	.name = "ANONYMIZEIP",
	.summary = "replaces IP addresses by prefix-preserving pseudonyms, in copies",
	.flags = HM_FN_FILTERS,
	.args = anonymizeip_args,
	.conf_size = sizeof(struct conf),
	.core_size = sizeof(struct core),
	.cost = {.batch = 400, .packet = 250},
	.conf_init = anonymizeip_conf_init,
	.conf_fini = anonymizeip_conf_fini,
	.core_init = anonymizeip_core_init,
	.core_fini = anonymizeip_core_fini,
	.transform = anonymizeip_transform,
};

HM_FUNCTION_REGISTER(anonymizeip);

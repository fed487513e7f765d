/* SPDX-License-Identifier: BSD-3-Clause */
/* ANONYMIZEIP hands on copies of IP packets in which each address is replaced by its prefix-preserving pseudonym
 * (anon/pseudonyms.h), with the checksums that follow from it. A batch's addresses are encrypted together. Other packets go no
 * further, as with MAPI: they may have addresses, too (ARP).
 */
#include <errno.h>
#include <string.h>

#include "anon/key.h"
#include "anon/layers.h"
#include "anon/outside.h"
#include "anon/pseudonyms.h"
#include "core/copies.h"
#include "core/function.h"

#define ADDRESSES_MAX (HM_BATCH_MAX * HM_ADDRESSES_MAX)

static_assert(HM_ANON_KEY == HM_CRYPTOPAN_KEY, "one key");
static_assert(ADDRESSES_MAX <= HM_PSEUDONYMS_MAX, "a batch's addresses at once");

struct conf {
	uint8_t key[HM_ANON_KEY];
};

/* A packet on its way from its addresses to their pseudonyms. */
struct packet {
	uint8_t *copy;
	unsigned n;
	struct hm_layer layers[HM_LAYERS_MAX];
};

struct core {
	struct hm_pseudonyms *pseudonyms;
	unsigned n4, n6; // addresses of this batch
	uint32_t v4[ADDRESSES_MAX];
	uint8_t v6[ADDRESSES_MAX][16];
	struct packet packets[HM_BATCH_MAX];
	struct hm_batch outside; // packets within tunnels, seen from outside
};

/* --- packets --- */

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
	hm_look_outside(&c->outside, b, in & b->tunnel);
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
	hm_pseudonyms_ipv4(c->pseudonyms, c->v4, c->n4);
	hm_pseudonyms_ipv6(c->pseudonyms, c->v6, c->n6);
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

static int anonymizeip_core_init(void *core, const struct hm_core_ctx *ctx, struct hm_error *err)
{
	const struct conf *conf = ctx->conf;
	struct core *c = core;

	c->pseudonyms = hm_pseudonyms_create(conf->key);
	if (!c->pseudonyms)
		return hm_error_set(err, -ENOMEM, 3084, "ANONYMIZEIP: out of memory");
	return 0;
}

static void anonymizeip_core_fini(void *core)
{
	struct core *c = core;

	hm_pseudonyms_destroy(c->pseudonyms);
	explicit_bzero(c, sizeof(*c)); // the last batch's addresses
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

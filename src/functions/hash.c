/* SPDX-License-Identifier: BSD-3-Clause */
/* HASH tells a checksum of each packet's bytes, from a layer on, and passes them all. Its value of a packet is there
 * for functions behind it; its result is that of the last packet. Costs reading the bytes, 16 at a time.
 */
#include "core/hash.h"
#include "core/function.h"

enum layer { LAYER_FRAME, LAYER_NO_LINK, LAYER_NETWORK_PAYLOAD, LAYER_TRANSPORT_PAYLOAD };

#define ARP_FIXED   8  // before the addresses
#define IP6_FIXED   40 // extension headers are payload
#define ICMP_STRUCT 28 // struct icmp, as MAPI has it, with the header that is quoted

struct hash_conf {
	enum layer layer;
};

struct hash_core {
	uint64_t values[HM_BATCH_MAX];
	uint32_t value; // of the newest packet
	enum layer layer;
};

/* Without tags behind it: those are hashed. */
static uint32_t link_header(const struct hm_batch *b, unsigned i)
{
	switch (b->link) {
	case HM_LINK_ETHERNET:
		return 14;
	case HM_LINK_LINUX_SLL:
		return 16;
	case HM_LINK_LINUX_SLL2:
		return 20;
	case HM_LINK_PPP: // with or without address and control
		return b->caplen[i] > 0 && b->data[i][0] == 0xff ? 4 : 2;
	case HM_LINK_NULL:
	case HM_LINK_LOOP:
	case HM_LINK_C_HDLC:
	case HM_LINK_PPP_SERIAL:
		return 4;
	case HM_LINK_RAW:
	case HM_LINK_IPV4:
	case HM_LINK_IPV6:
		break;
	}
	return 0;
}

static uint32_t network_payload(const struct hm_batch *b, unsigned i)
{
	uint32_t l3 = b->l3[i];

	if (b->ipv4 >> i & 1)
		return l3 + (b->data[i][l3] & 15u) * 4;
	if (b->ipv6 >> i & 1)
		return l3 + IP6_FIXED;
	return b->arp >> i & 1 ? l3 + ARP_FIXED : HM_NONE;
}

static uint32_t transport_payload(const struct hm_batch *b, unsigned i)
{
	uint64_t known = (b->tcp | b->udp | b->icmp6) & b->l4_ok;

	if (known >> i & 1)
		return b->payload[i];
	return (b->icmp & b->l4_ok) >> i & 1 ? b->l4[i] + (uint32_t)ICMP_STRUCT : HM_NONE;
}

static uint32_t hash_packet(enum layer layer, const struct hm_batch *b, unsigned i)
{
	uint32_t from = 0, end = layer <= LAYER_NO_LINK ? b->caplen[i] : b->end[i];

	if (layer == LAYER_NO_LINK)
		from = link_header(b, i);
	else if (layer == LAYER_NETWORK_PAYLOAD)
		from = network_payload(b, i);
	else if (layer == LAYER_TRANSPORT_PAYLOAD)
		from = transport_payload(b, i);
	return from < end ? hm_hash_sum(b->data[i] + from, end - from) : 0;
}

static uint64_t hash_process(void *core, const struct hm_batch *b, uint64_t in)
{
	struct hash_core *c = core;
	uint32_t value = 0;

	hm_mask_foreach (i, in) {
		value = hash_packet(c->layer, b, i);
		c->values[i] = value;
	}
	__atomic_store_n(&c->value, value, __ATOMIC_RELAXED); // reader: the control core
	return in;
}

static int hash_conf_init(void *conf, const union hm_value *args, const struct hm_apply_ctx *ctx,
			  struct hm_error *err)
{
	struct hash_conf *c = conf;

	c->layer = (enum layer)args[0].i;
	return 0;
}

static int hash_core_init(void *core, const struct hm_core_ctx *ctx, struct hm_error *err)
{
	const struct hash_conf *conf = ctx->conf;
	struct hash_core *c = core;

	c->layer = conf->layer;
	return 0;
}

static const struct hm_arg hash_args[] = {
	{.name = "layer",
	 .type = HM_ARG_INT,
	 .optional = true,
	 .min = LAYER_FRAME,
	 .max = LAYER_TRANSPORT_PAYLOAD,
	 .help = "0 frame, 1 without link header, 2 payload of IP or ARP, 3 of TCP, UDP or ICMP"},
	{0},
};

static const struct hm_values hash_values = {.offset = offsetof(struct hash_core, values),
					     .unit = HM_UNIT_NONE};

static const struct hm_field hash_results[] = {
	{.name = "value",
	 .type = HM_FIELD_U32,
	 .merge = HM_MERGE_MAX, // it is ordered, so there is one core
	 .offset = offsetof(struct hash_core, value),
	 .help = "checksum of the last packet; 0 if it has no such layer"},
	{0},
};

static const struct hm_function hash = {
	.name = "HASH",
	.summary = "tells a checksum of each packet",
	.flags = HM_FN_ORDERED,
	.args = hash_args,
	.results = hash_results,
	.values = &hash_values,
	.conf_size = sizeof(struct hash_conf),
	.core_size = sizeof(struct hash_core),
	.conf_init = hash_conf_init,
	.core_init = hash_core_init,
	.process = hash_process,
};

HM_FUNCTION_REGISTER(hash);

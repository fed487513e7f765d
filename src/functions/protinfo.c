/* SPDX-License-Identifier: BSD-3-Clause */
/* PROTINFO tells a header field of each packet, and passes them all. Its value of a packet is there for functions
 * behind it; its result is that of the last packet. A packet that does not have the field, or not wholly captured,
 * has 0. Costs reading the field's bytes.
 */
#include "core/function.h"

enum layer {
	LAYER_ETHERNET,
	LAYER_VLAN,
	LAYER_IP4,
	LAYER_IP6,
	LAYER_TCP,
	LAYER_UDP,
	LAYER_ICMP,
	LAYER_ICMP6
};

#define ETHERNET_HEADER 14
#define BITS(n)         (UINT64_MAX >> (64 - (n)))

/* Name (tshark's, where it has one), layer, first byte in the layer's fixed header, bytes to read, and what of
 * them is the field: shifted right, then masked. Numbers count from 1 and do not change: append. */
#define FIELDS(F)                                           \
	F("tcp.seq", TCP, 4, 4, 0, BITS(32))                \
	F("tcp.ack", TCP, 8, 4, 0, BITS(32))                \
	F("eth.dst", ETHERNET, 0, 6, 0, BITS(48))           \
	F("eth.src", ETHERNET, 6, 6, 0, BITS(48))           \
	F("eth.type", ETHERNET, 12, 2, 0, BITS(16))         \
	F("vlan.priority", VLAN, 0, 2, 13, BITS(3))         \
	F("vlan.dei", VLAN, 0, 2, 12, BITS(1))              \
	F("vlan.id", VLAN, 0, 2, 0, BITS(12))               \
	F("ip.version", IP4, 0, 1, 4, BITS(4))              \
	F("ip.hdr_len", IP4, 0, 2, 6, 0x3c)                 \
	F("ip.dsfield", IP4, 1, 1, 0, BITS(8))              \
	F("ip.dsfield.dscp", IP4, 1, 1, 2, BITS(6))         \
	F("ip.dsfield.ecn", IP4, 1, 1, 0, BITS(2))          \
	F("ip.len", IP4, 2, 2, 0, BITS(16))                 \
	F("ip.id", IP4, 4, 2, 0, BITS(16))                  \
	F("ip.flags", IP4, 6, 1, 5, BITS(3))                \
	F("ip.frag_offset", IP4, 6, 2, 0, BITS(13))         \
	F("ip.ttl", IP4, 8, 1, 0, BITS(8))                  \
	F("ip.proto", IP4, 9, 1, 0, BITS(8))                \
	F("ip.checksum", IP4, 10, 2, 0, BITS(16))           \
	F("ip.src", IP4, 12, 4, 0, BITS(32))                \
	F("ip.dst", IP4, 16, 4, 0, BITS(32))                \
	F("ipv6.version", IP6, 0, 1, 4, BITS(4))            \
	F("ipv6.tclass", IP6, 0, 2, 4, BITS(8))             \
	F("ipv6.flow", IP6, 0, 4, 0, BITS(20))              \
	F("ipv6.plen", IP6, 4, 2, 0, BITS(16))              \
	F("ipv6.nxt", IP6, 6, 1, 0, BITS(8))                \
	F("ipv6.hlim", IP6, 7, 1, 0, BITS(8))               \
	F("ipv6.src.high", IP6, 8, 8, 0, BITS(64))          \
	F("ipv6.src.low", IP6, 16, 8, 0, BITS(64))          \
	F("ipv6.dst.high", IP6, 24, 8, 0, BITS(64))         \
	F("ipv6.dst.low", IP6, 32, 8, 0, BITS(64))          \
	F("tcp.srcport", TCP, 0, 2, 0, BITS(16))            \
	F("tcp.dstport", TCP, 2, 2, 0, BITS(16))            \
	F("tcp.hdr_len", TCP, 12, 1, 2, 0x3c)               \
	F("tcp.flags", TCP, 12, 2, 0, BITS(12))             \
	F("tcp.window_size_value", TCP, 14, 2, 0, BITS(16)) \
	F("tcp.checksum", TCP, 16, 2, 0, BITS(16))          \
	F("tcp.urgent_pointer", TCP, 18, 2, 0, BITS(16))    \
	F("udp.srcport", UDP, 0, 2, 0, BITS(16))            \
	F("udp.dstport", UDP, 2, 2, 0, BITS(16))            \
	F("udp.length", UDP, 4, 2, 0, BITS(16))             \
	F("udp.checksum", UDP, 6, 2, 0, BITS(16))           \
	F("icmp.type", ICMP, 0, 1, 0, BITS(8))              \
	F("icmp.code", ICMP, 1, 1, 0, BITS(8))              \
	F("icmp.checksum", ICMP, 2, 2, 0, BITS(16))         \
	F("icmp.ident", ICMP, 4, 2, 0, BITS(16))            \
	F("icmp.seq", ICMP, 6, 2, 0, BITS(16))              \
	F("icmpv6.type", ICMP6, 0, 1, 0, BITS(8))           \
	F("icmpv6.code", ICMP6, 1, 1, 0, BITS(8))           \
	F("icmpv6.checksum", ICMP6, 2, 2, 0, BITS(16))

struct field {
	enum layer layer;
	uint8_t at, bytes, shift;
	uint64_t mask;
};

#define AS_FIELD(name, layer, at, bytes, shift, mask) {LAYER_##layer, at, bytes, shift, mask},
#define AS_NAME(name, layer, at, bytes, shift, mask)  name,

static const struct field fields[] = {FIELDS(AS_FIELD)};
static const char *const field_names[] = {FIELDS(AS_NAME) NULL};

#define N_FIELDS (sizeof(fields) / sizeof(fields[0]))

struct protinfo_conf {
	const struct field *field;
};

struct protinfo_core {
	uint64_t values[HM_BATCH_MAX];
	uint64_t value; // of the newest packet
	const struct field *field;
};

static uint64_t whole_ethernet(const struct hm_batch *b, uint64_t in)
{
	uint64_t whole = 0;

	if (b->link != HM_LINK_ETHERNET)
		return 0;
	hm_mask_foreach (i, in)
		whole |= (uint64_t)(b->caplen[i] >= ETHERNET_HEADER) << i;
	return whole;
}

/* The packets of `in` that have the layer's fixed header, and where it begins (NULL: with the frame). */
static uint64_t find_layer(enum layer layer, const struct hm_batch *b, uint64_t in,
			   const uint16_t **begin)
{
	*begin = layer == LAYER_IP4 || layer == LAYER_IP6 ? b->l3 : b->l4;
	switch (layer) {
	case LAYER_ETHERNET:
		*begin = NULL;
		return whole_ethernet(b, in);
	case LAYER_VLAN:
		*begin = NULL;
		return in & b->vlan;
	case LAYER_IP4:
		return in & b->ipv4;
	case LAYER_IP6:
		return in & b->ipv6;
	case LAYER_TCP:
		return in & b->tcp & b->l4_ok;
	case LAYER_UDP:
		return in & b->udp & b->l4_ok;
	case LAYER_ICMP:
		return in & b->icmp & b->l4_ok;
	case LAYER_ICMP6:
		return in & b->icmp6 & b->l4_ok;
	}
	return 0;
}

static uint64_t read_bytes(const uint8_t *at, unsigned n)
{
	uint64_t value = 0;

	while (n-- > 0)
		value = value << 8 | *at++;
	return value;
}

static uint64_t protinfo_process(void *core, const struct hm_batch *b, uint64_t in)
{
	struct protinfo_core *c = core;
	const struct field *f = c->field;
	const uint16_t *begin;
	uint64_t has = find_layer(f->layer, b, in, &begin), value = 0;

	hm_mask_foreach (i, in) {
		value = 0;
		if (has >> i & 1) {
			// the parser has read the tag, wherever it was
			value = f->layer == LAYER_VLAN
					? b->vlan_tci[i]
					: read_bytes(b->data[i] + (begin ? begin[i] : 0) + f->at,
						     f->bytes);
			value = value >> f->shift & f->mask;
		}
		c->values[i] = value;
	}
	__atomic_store_n(&c->value, value, __ATOMIC_RELAXED); // reader: the control core
	return in;
}

static int protinfo_conf_init(void *conf, const union hm_value *args,
			      const struct hm_apply_ctx *ctx, struct hm_error *err)
{
	struct protinfo_conf *c = conf;

	c->field = &fields[args[0].i - 1];
	return 0;
}

static int protinfo_core_init(void *core, const struct hm_core_ctx *ctx, struct hm_error *err)
{
	const struct protinfo_conf *conf = ctx->conf;
	struct protinfo_core *c = core;

	c->field = conf->field;
	return 0;
}

static const struct hm_arg protinfo_args[] = {
	{.name = "field",
	 .type = HM_ARG_INT,
	 .min = 1,
	 .max = N_FIELDS,
	 .names = field_names,
	 .help = "number or name of a header field, as the header has it"},
	{0},
};

static const struct hm_values protinfo_values = {.offset = offsetof(struct protinfo_core, values),
						 .unit = HM_UNIT_NONE};

static const struct hm_field protinfo_results[] = {
	{.name = "value",
	 .type = HM_FIELD_BIG_U64,
	 .merge = HM_MERGE_MAX, // it is ordered, so there is one core
	 .offset = offsetof(struct protinfo_core, value),
	 .help = "the field of the last packet; 0 if it has none, or there was no packet"},
	{0},
};

static const struct hm_function protinfo = {
	.name = "PROTINFO",
	.summary = "tells a header field of each packet",
	.flags = HM_FN_ORDERED,
	.args = protinfo_args,
	.results = protinfo_results,
	.values = &protinfo_values,
	.conf_size = sizeof(struct protinfo_conf),
	.core_size = sizeof(struct protinfo_core),
	.conf_init = protinfo_conf_init,
	.core_init = protinfo_core_init,
	.process = protinfo_process,
};

HM_FUNCTION_REGISTER(protinfo);

/* SPDX-License-Identifier: BSD-3-Clause */
/* UNCOOK hands on TCP packets that are longer than a network takes as several that are not, each with the headers of
 * the long one and a part of its data: what a sending host makes of what COOKING made of its packets. All else goes on
 * as a copy. */
#include <errno.h>
#include <string.h>

#include "core/copies.h"
#include "core/function.h"
#include "core/ip_length.h"
#include "core/wire.h"

#define DEFAULT_MTU               1500
#define MTU_MIN                   68 // RFC 791
#define TCP                       6
#define MFUNCT_INVALID_ARGUMENT_1 7001

enum { TCP_FIN = 1, TCP_PSH = 8 };

struct uncook_conf {
	uint32_t mtu; // bytes of IP
};

struct uncook_core {
	uint32_t mtu;
	uint64_t todo;       // packets of the batch that out had no room for
	uint32_t at;         // bytes of the first one's data that have gone on
	uint64_t cut, parts; // read in place
};

static void count(uint64_t *counter)
{
	__atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED);
}

static uint8_t *take(const struct hm_batch *b, unsigned i, struct hm_copies *pool)
{
	return b->caplen[i] <= hm_copies_room(pool) ? hm_copies_take(pool) : NULL;
}

/* How many bytes of data a part of packet i has; 0: it goes on as it is. */
static uint32_t part_of(const struct uncook_core *c, const struct hm_batch *b, unsigned i)
{
	const uint64_t whole = b->tcp & b->l4_ok & ~b->fragment & ~b->tunnel;
	const uint32_t headers = (uint32_t)(b->payload[i] - b->l3[i]);

	if (!(whole >> i & 1) || b->ip_len[i] <= c->mtu || headers >= c->mtu)
		return 0;
	// what is not all there cannot be told in headers
	return b->l3[i] + b->ip_len[i] == b->end[i] ? c->mtu - headers : 0;
}

/* The next part of packet i, from c->at on. */
static void add_part(struct uncook_core *c, const struct hm_batch *b, unsigned i, uint32_t n,
		     struct hm_batch *out, uint8_t *copy)
{
	const uint32_t payload = b->payload[i], l3 = b->l3[i], l4 = b->l4[i];
	const bool last = payload + c->at + n == b->end[i], v6 = b->ipv6 >> i & 1;
	uint8_t *tcp = copy + l4;

	memcpy(copy, b->data[i], payload);
	memcpy(copy + payload, b->data[i] + payload + c->at, n);
	hm_put32(tcp + 4, hm_be32(tcp + 4) + c->at);
	if (!last)
		tcp[13] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
	hm_ip_set_length(copy + l3, l4 - l3, payload - l4 + n, v6, b->pppoe >> i & 1);
	hm_put16(tcp + 16, 0);
	hm_put16(tcp + 16, hm_ip_l4_checksum(copy + l3, v6, TCP, tcp, payload - l4 + n));
	hm_batch_add(out, b, i, copy, payload + n, payload + n);
	count(&c->parts);
}

/* Packet i, or its next part. False: there was no copy. */
static bool hand_on(struct uncook_core *c, const struct hm_batch *b, unsigned i,
		    struct hm_batch *out, struct hm_copies *pool, bool *done)
{
	const uint32_t part = part_of(c, b, i);
	uint8_t *copy = take(b, i, pool);
	uint32_t left;

	*done = true;
	if (!copy)
		return false;
	if (!part) {
		memcpy(copy, b->data[i], b->caplen[i]);
		hm_batch_add(out, b, i, copy, b->caplen[i], b->wirelen[i]);
		return true;
	}
	left = (uint32_t)(b->end[i] - b->payload[i]) - c->at;
	if (c->at == 0)
		count(&c->cut);
	add_part(c, b, i, left < part ? left : part, out, copy);
	c->at += part;
	*done = left <= part;
	return true;
}

static uint64_t uncook_transform(void *core, const struct hm_batch *b, uint64_t in,
				 struct hm_batch *out, struct hm_copies *pool)
{
	struct uncook_core *c = core;
	uint64_t dropped = 0;

	if (in) {
		c->todo = in;
		c->at = 0;
	}
	while (c->todo && out->n < HM_BATCH_MAX) {
		const unsigned i = (unsigned)__builtin_ctzll(c->todo);
		bool done;

		if (!hand_on(c, b, i, out, pool, &done))
			dropped |= UINT64_C(1) << i;
		if (done) {
			c->todo &= c->todo - 1;
			c->at = 0;
		}
	}
	return dropped;
}

static bool uncook_more(void *core)
{
	return ((const struct uncook_core *)core)->todo != 0;
}

static int uncook_conf_init(void *conf, const union hm_value *args, const struct hm_apply_ctx *ctx,
			    struct hm_error *err)
{
	struct uncook_conf *c = conf;

	(void)ctx;
	if (args[0].i > UINT16_MAX || (args[0].i > 0 && args[0].i < MTU_MIN))
		return hm_error_set(err, -EINVAL, MFUNCT_INVALID_ARGUMENT_1,
				    "UNCOOK: mtu must be %d to %d bytes (0 or less: %d)", MTU_MIN,
				    UINT16_MAX, DEFAULT_MTU);
	c->mtu = args[0].i > 0 ? (uint32_t)args[0].i : DEFAULT_MTU;
	return 0;
}

static int uncook_core_init(void *core, const struct hm_core_ctx *ctx, struct hm_error *err)
{
	(void)err;
	((struct uncook_core *)core)->mtu = ((const struct uncook_conf *)ctx->conf)->mtu;
	return 0;
}

static const struct hm_arg uncook_args[] = {
	{.name = "mtu",
	 .type = HM_ARG_INT,
	 .optional = true,
	 .help = "bytes of IP that a packet may have, 68 to 65535; less than 1: 1500"},
	{.name = "reserved1",
	 .type = HM_ARG_INT,
	 .optional = true,
	 .help = "MAPI's, without a meaning"},
	{.name = "reserved2",
	 .type = HM_ARG_INT,
	 .optional = true,
	 .help = "MAPI's, without a meaning"},
	{0},
};

static const struct hm_field uncook_results[] = {
	{.name = "long",
	 .type = HM_FIELD_U64,
	 .merge = HM_MERGE_SUM,
	 .unit = "packets",
	 .offset = offsetof(struct uncook_core, cut),
	 .help = "that were longer than the MTU"},
	{.name = "parts",
	 .type = HM_FIELD_U64,
	 .merge = HM_MERGE_SUM,
	 .unit = "packets",
	 .offset = offsetof(struct uncook_core, parts),
	 .help = "handed on in their place"},
	{0},
};

static const struct hm_function uncook = {
	.name = "UNCOOK",
	.summary = "cuts TCP packets that are longer than a network takes into several, in copies",
	.args = uncook_args,
	.results = uncook_results,
	.conf_size = sizeof(struct uncook_conf),
	.core_size = sizeof(struct uncook_core),
	.conf_init = uncook_conf_init,
	.core_init = uncook_core_init,
	.transform = uncook_transform,
	.more = uncook_more,
};

HM_FUNCTION_REGISTER(uncook);

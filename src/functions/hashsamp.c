/* SPDX-License-Identifier: BSD-3-Clause */
/* HASHSAMP passes the packets of some connections, whole: those whose hash of addresses, ports and protocol is below
 * `range`, of 1024. Only TCP and UDP over IPv4 pass. With `keep` it hands out a sample of each packet that passes.
 * Costs a gather of three words a packet and a vectorized hash.
 */
#include "core/function.h"
#include "core/hash.h"
#include "core/kernels.h"
#include "core/outbox.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#define HASHES     1024
#define SEED       6564987
#define IP4_SOURCE 12
#define IP4_DEST   16
#define TCP_SEQ    4
#define TCP_FLAGS  13

enum { RANGE, KEEP, OPTIONS };

struct sample {
	uint64_t ts_ns;
	uint32_t source_be, dest_be;
	uint32_t ports; // as in the packet
	uint32_t sequence;
	uint8_t tcp_flags; // of the header
	uint8_t protocol;
};

struct hashsamp_conf {
	uint32_t range;
	bool keep;
	uint32_t samples; // room for so many, of each worker
	unsigned n_workers;
	struct hm_outbox *outbox; // from connect() on, with keep
};

struct hashsamp_core {
	alignas(64) uint32_t a[HM_BATCH_MAX], b[HM_BATCH_MAX], c[HM_BATCH_MAX];
	uint32_t hash[HM_BATCH_MAX];
	uint32_t range;
	unsigned worker;
	struct hm_outbox *outbox;
};

static uint32_t load32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static void keep(struct hashsamp_core *c, const struct hm_batch *b, uint64_t passed)
{
	hm_mask_foreach (i, passed) {
		const uint8_t *ip = b->data[i] + b->l3[i], *l4 = b->data[i] + b->l4[i];
		bool tcp = b->tcp >> i & 1;
		struct sample *s = hm_outbox_room(c->outbox, c->worker);

		if (!s)
			continue;
		*s = (struct sample){.ts_ns = b->ts_ns[i],
				     .source_be = load32(ip + IP4_SOURCE),
				     .dest_be = load32(ip + IP4_DEST),
				     .ports = load32(l4),
				     .sequence = tcp ? ntohl(load32(l4 + TCP_SEQ)) : 0,
				     .tcp_flags = tcp ? l4[TCP_FLAGS] : 0,
				     .protocol = b->proto[i]};
		hm_outbox_put(c->outbox, c->worker);
	}
}

static uint64_t hashsamp_process(void *core, const struct hm_batch *b, uint64_t in)
{
	struct hashsamp_core *c = core;
	uint64_t passed = in & b->ipv4 & (b->tcp | b->udp) & b->l4_ok;

	if (!passed)
		return 0;
	hm_mask_foreach (i, passed) {
		const uint8_t *ip = b->data[i] + b->l3[i];

		c->a[i] = load32(ip + IP4_SOURCE);
		c->b[i] = load32(ip + IP4_DEST) ^ b->proto[i];
		c->c[i] = load32(b->data[i] + b->l4[i]);
	}
	hm_kernels.hash_words(c->hash, c->a, c->b, c->c, SEED);
	passed &= hm_kernels.at_most_u32(c->hash, HASHES - 1, c->range - 1);
	if (c->outbox)
		keep(c, b, passed);
	return passed;
}

/* --- control core --- */

static json_t *address(uint32_t be)
{
	char text[INET_ADDRSTRLEN];

	return json_string(inet_ntop(AF_INET, &be, text, sizeof(text)));
}

/* As <mapi/hashsamp.h> numbers the flags: SYN 1, ACK 2, RST 4, FIN 8, PSH 16. */
static int mapi_flags(uint8_t flags)
{
	return (flags & 0x02) >> 1 | (flags & 0x10) >> 3 | (flags & 0x04) | (flags & 0x01) << 3 |
	       (flags & 0x08) << 1;
}

static json_t *hashsamp_record(void *conf, const void *record)
{
	const struct sample *s = record;
	const uint8_t *ports = (const uint8_t *)&s->ports;

	return json_pack("{s:o, s:o, s:o, s:i, s:i, s:I, s:i, s:i}", "ts_ns", hm_json_u64(s->ts_ns),
			 "source_ip", address(s->source_be), "dest_ip", address(s->dest_be),
			 "sourceport", ports[0] << 8 | ports[1], "destport",
			 ports[2] << 8 | ports[3], "sequence", (json_int_t)s->sequence, "tcp_flags",
			 mapi_flags(s->tcp_flags), "protocol", s->protocol);
}

static struct hm_outbox *hashsamp_outbox(const void *conf)
{
	return ((const struct hashsamp_conf *)conf)->outbox;
}

static const struct hm_option hashsamp_options[] = {
	{.name = "samples",
	 .min = 1,
	 .max = 1 << 20,
	 .value_default = 4096,
	 .offset = offsetof(struct hashsamp_conf, samples)},
	{0},
};

static int hashsamp_conf_init(void *conf, const union hm_value *args,
			      const struct hm_apply_ctx *ctx, struct hm_error *err)
{
	struct hashsamp_conf *c = conf;

	c->range = (uint32_t)args[RANGE].i;
	c->keep = args[KEEP].i != 0;
	c->n_workers = ctx->n_workers;
	return hm_options_parse("HASHSAMP", hashsamp_options, args[OPTIONS].options, c, 7003, err);
}

static uint64_t hashsamp_memory(const void *conf, unsigned n_workers)
{
	const struct hashsamp_conf *c = conf;

	return c->keep ? hm_outbox_bytes(n_workers, sizeof(struct sample), c->samples) : 0;
}

static int hashsamp_connect(void *conf, struct hm_error *err)
{
	struct hashsamp_conf *c = conf;

	if (!c->keep)
		return 0;
	c->outbox = hm_outbox_create(c->n_workers, sizeof(struct sample), c->samples, err);
	return c->outbox ? 0 : -ENOMEM;
}

static void hashsamp_conf_fini(void *conf)
{
	struct hashsamp_conf *c = conf;

	hm_outbox_destroy(c->outbox);
	c->outbox = NULL;
}

static int hashsamp_core_init(void *core, const struct hm_core_ctx *ctx, struct hm_error *err)
{
	const struct hashsamp_conf *conf = ctx->conf;
	struct hashsamp_core *c = core;

	c->range = conf->range;
	c->outbox = conf->outbox;
	c->worker = ctx->worker;
	return 0;
}

static void hashsamp_selector(const void *conf, struct hm_selector *s)
{
	s->algorithm = HM_SELECT_HASH;
	s->hashes = HASHES;
	s->selected = ((const struct hashsamp_conf *)conf)->range;
	s->initial = SEED;
}

static const struct hm_arg hashsamp_args[] = {
	{.name = "range",
	 .type = HM_ARG_INT,
	 .min = 1,
	 .max = HASHES,
	 .help = "about range of 1024 connections pass"},
	{.name = "keep",
	 .type = HM_ARG_INT,
	 .optional = true,
	 .help = "not 0: a sample of each packet that passes is kept to be read"},
	{.name = "options",
	 .type = HM_ARG_OPTIONS,
	 .optional = true,
	 .help = "\"samples\": how many wait to be read at most, of each worker (4096)"},
	{0},
};

static const struct hm_field hashsamp_records[] = {
	{.name = "source_ip",
	 .type = HM_FIELD_TEXT,
	 .c = HM_C_IP_OR_UINT,
	 .merge = HM_MERGE_TOLD,
	 .help = "IPv4 address"},
	{.name = "dest_ip",
	 .type = HM_FIELD_TEXT,
	 .c = HM_C_IP_OR_UINT,
	 .merge = HM_MERGE_TOLD,
	 .help = "IPv4 address"},
	{.name = "sourceport", .type = HM_FIELD_U32, .c = HM_C_UINT, .merge = HM_MERGE_TOLD},
	{.name = "destport", .type = HM_FIELD_U32, .c = HM_C_UINT, .merge = HM_MERGE_TOLD},
	{.name = "sequence",
	 .type = HM_FIELD_U32,
	 .c = HM_C_UINT,
	 .merge = HM_MERGE_TOLD,
	 .help = "of TCP"},
	{.name = "tcp_flags",
	 .type = HM_FIELD_U32,
	 .c = HM_C_UINT,
	 .merge = HM_MERGE_TOLD,
	 .help = "SYN 1, ACK 2, RST 4, FIN 8, PSH 16"},
	{.name = "protocol", .type = HM_FIELD_U32, .c = HM_C_UINT, .merge = HM_MERGE_TOLD},
	{.name = "ts_ns",
	 .type = HM_FIELD_TIME_NS,
	 .c = HM_C_ULONG_LONG,
	 .merge = HM_MERGE_TOLD,
	 .unit = "ns",
	 .help = "time of the packet"},
	{0},
};

static const struct hm_function hashsamp = {
	.name = "HASHSAMP",
	.summary = "passes the packets of some connections, chosen by a hash",
	.flags = HM_FN_FILTERS,
	.args = hashsamp_args,
	.conf_size = sizeof(struct hashsamp_conf),
	.core_size = sizeof(struct hashsamp_core),
	.cost = {.batch = 120, .packet = 3},
	.conf_init = hashsamp_conf_init,
	.memory = hashsamp_memory,
	.connect = hashsamp_connect,
	.conf_fini = hashsamp_conf_fini,
	.core_init = hashsamp_core_init,
	.selector = hashsamp_selector,
	.process = hashsamp_process,
	.outbox = hashsamp_outbox,
	.record = hashsamp_record,
	.records = hashsamp_records,
};

HM_FUNCTION_REGISTER(hashsamp);
